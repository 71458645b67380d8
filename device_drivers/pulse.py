"""Pulse oximeters: makes about one reading a second out of frames that come up to two hundred times a second.

An oximeter repeats its averaged values in every frame. Passing each on would drown everything else, and where the
frames have no checksum a single damaged one must not become a value: so a second's frames are summed up by their
median. What follows within three seconds after the finger was put in is doubtful: the device is still averaging.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from statistics import median_low
from typing import Any, TypeVar

from device_drivers.observations import DeviceEvent, Observation, Quality
from device_drivers.pace import SECOND_NS, Pace, seconds
from device_drivers.signals import reading

GAP_NS = 3 * SECOND_NS
"""After a silence as long, an oximeter's last values no longer count for anything."""
KEPT_FRAMES = 512
ABSENT_REPEAT_S = 10.0
Thing = TypeVar("Thing", bound=Hashable)


@dataclass(frozen=True, slots=True)
class PulseFrame:
    """What one frame says, apart from the wave. Values are None for the device's own codes for "none".

    values: by signal (`heart_rate`, `spo2`, `perfusion_index`). quality: GOOD, POOR (a value that the device doubts),
    or why there is none. usable: whether the values may be passed on at all. worn: a finger is in; None if it does not
    say. measures: which facts of a frame are measurements.
    """

    values: Mapping[str, float | None]
    quality: Quality = Quality.GOOD
    usable: bool = True
    worn: bool | None = None
    measures: frozenset[str] = frozenset({"pr", "hr", "spo2", "pi"})


class PulseSampler:
    """Sums up frames.

    Options: `interval_s`, the seconds that are summed up (default 1; 0 passes every frame on). `settle_s`: how long
    values are doubtful after the finger was put in (default 3). Raises ValueError for a bad one.
    """

    def __init__(self, device_id: str, options: Mapping[str, Any], note: Callable[..., None]) -> None:
        self._device_id = device_id
        self._note = note
        interval_s = seconds(options, "interval_s", 1.0)
        self._interval_ns = round(interval_s * SECOND_NS)
        self._settle_ns = round(seconds(options, "settle_s", 3.0) * SECOND_NS)
        self._absent = Pace(ABSENT_REPEAT_S if interval_s else 0.0)
        self._window: deque[PulseFrame] = deque(maxlen=KEPT_FRAMES)
        self._heard_ns: int | None = None
        self._given_ns: int | None = None
        self._off_ns: int | None = None
        self._worn: bool | None = None

    def take(self, frame: PulseFrame, now_ns: int, facts: Callable[[], Mapping[str, Any]]) -> list[Observation]:
        """One frame; gives observations when a second is over, and for the first frame at once.

        facts: gives everything that the frame says, for the notes; asked for the last frame of a second only.
        """
        if self._heard_ns is None or not 0 <= now_ns - self._heard_ns <= GAP_NS:
            self._window.clear()
            self._given_ns = None
        self._heard_ns = now_ns
        self._window.append(frame)
        if self._given_ns is not None and 0 <= now_ns - self._given_ns < self._interval_ns:
            return []
        self._given_ns = now_ns
        frames = list(self._window)
        self._window.clear()
        self._note("report", self._device_id, **_honest(frames[-1], facts()))
        return self._worn_event(frames, now_ns) + self._readings(frames, now_ns)

    def _worn_event(self, frames: list[PulseFrame], now_ns: int) -> list[Observation]:
        said = [frame.worn for frame in frames if frame.worn is not None]
        if 2 * len(said) < len(frames) or (worn := _commonest(said)) == self._worn:
            return []
        self._worn = worn
        return [DeviceEvent(self._device_id, "worn", worn, now_ns, now_ns)]

    def _readings(self, frames: list[PulseFrame], now_ns: int) -> list[Observation]:
        usable = [frame for frame in frames if frame.usable]
        if 2 * len(usable) < len(frames):
            self._off_ns = now_ns
            why = _commonest(frame.quality for frame in frames if not frame.usable)
            return [one for name in frames[-1].values for one in self._one(name, None, why, now_ns)]
        quality = _commonest(frame.quality for frame in usable)
        if self._off_ns is not None and 0 <= now_ns - self._off_ns < self._settle_ns and quality is Quality.GOOD:
            quality = Quality.POOR
        found: list[Observation] = []
        for name in usable[-1].values:
            given = [value for frame in usable if (value := frame.values.get(name)) is not None]
            value = float(median_low(given)) if 2 * len(given) >= len(usable) else None
            found += self._one(name, value, quality, now_ns)
        return found

    def _one(self, name: str, value: float | None, quality: Quality, now_ns: int) -> list[Observation]:
        one = reading(self._device_id, name, value, now_ns, now_ns, quality)
        due = self._absent.due(name, None if one.value is not None else one.quality, now_ns)
        return [one] if due or one.value is not None else []


def _honest(frame: PulseFrame, facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """The facts of a frame; what it says of pulse and oxygen without a finger is no fact."""
    if frame.usable:
        return facts
    return {name: None if name in frame.measures else fact for name, fact in facts.items()}


def _commonest(things: Iterable[Thing]) -> Thing:
    return Counter(things).most_common(1)[0][0]
