"""What the codecs of both presence radars share: frames, acknowledgements, presence with a hold time."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from device_drivers.codec import StreamCodec
from device_drivers.framing import Framer, FrameSpec
from device_drivers.ld24xx import commands
from device_drivers.observations import DeviceEvent, Observation, Quality
from device_drivers.pace import SECOND_NS, Pace, seconds
from device_drivers.signals import reading

if TYPE_CHECKING:
    from collections.abc import Mapping

SILENT_NS = 10 * SECOND_NS
"""Without a report for so long the radar may have been left in configuration mode: it is told to leave it."""


class PresenceRadar(StreamCodec):
    """Codec of one presence radar on its serial line (256,000 baud, 8N1).

    Options: `hold_s`, seconds that presence stands after the radar lost the person (default 3; it loses people who sit
    still for a second or two). `interval_s`: seconds between values of one signal (default 1). `repeat_s`: seconds
    between repeats of an unchanged state (default 10). Raises ValueError for a bad one.
    """

    def __init__(self, spec: FrameSpec, device_id: str, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(device_id)
        options = options or {}
        self._framer = Framer(spec, self.health, self.reject)
        self._hold_ns = round(seconds(options, "hold_s", 3.0) * SECOND_NS)
        self._pace = Pace(seconds(options, "interval_s", 1.0))
        self._states = Pace(seconds(options, "repeat_s", 10.0))
        self._known: dict[str, bool | str] = {}
        self._seen_ns: int | None = None
        self._reported_ns: int | None = None

    def feed(self, data: bytes, received_ns: int) -> list[Observation]:
        found: list[Observation] = []
        for whole in self._framer.feed(data):
            self.health.last_frame_ns = received_ns
            if whole.startswith(commands.HEAD):
                self._explain(whole)
            else:
                self._reported_ns = received_ns
                found += self._report(whole, received_ns)
        return found

    def poll(self, now_ns: int) -> bytes:
        """Nothing, as long as the radar reports."""
        if self._reported_ns is None or now_ns < self._reported_ns:
            self._reported_ns = now_ns
        if now_ns - self._reported_ns < SILENT_NS:
            return b""
        self._reported_ns = now_ns
        return commands.command("end config")

    @abstractmethod
    def _report(self, whole: bytes, now_ns: int) -> list[Observation]:
        """Observations of one report frame."""

    def _explain(self, whole: bytes) -> None:
        try:
            kind, facts = commands.explain(whole)
        except commands.CommandError as error:
            self.reject("length", whole, error=str(error))
        else:
            self.note(kind, self.device_id, **facts)

    def _held(self, seen: bool, now_ns: int) -> bool:
        """Whether somebody is there: seen now, or so short a time ago that he may only be sitting still."""
        if seen:
            self._seen_ns = now_ns
        elif self._seen_ns is not None and not 0 <= now_ns - self._seen_ns < self._hold_ns:
            self._seen_ns = None
        return self._seen_ns is not None

    def _state(self, signal: str, value: bool | str | None, now_ns: int) -> list[Observation]:
        repeat = value is not None and self._known.get(signal) == value
        if value is not None:
            self._known[signal] = value
        if not self._states.due(signal, value, now_ns):
            return []
        quality = Quality.INVALID if value is None else Quality.GOOD
        return [DeviceEvent(self.device_id, signal, value, now_ns, now_ns, quality, repeat=repeat)]

    def _reading(self, signal: str, value: float | None, now_ns: int) -> list[Observation]:
        one = reading(
            self.device_id, signal, value, now_ns, now_ns, Quality.GOOD if value is not None else Quality.NO_CONTACT
        )
        return [one] if self._pace.due(signal, one.quality, now_ns) else []
