"""A "53 59" radar without hardware: holds what it sees, reports like the real one, answers queries and settings.

Does no I/O: bytes of the host go into `feed`, which gives the answers; `tick(now_ns)` gives the reports due by then.
States are reported on change only; vitals and positions in the manual's periods (R60ABD1 V3.0: movement and waves
1 s, position 2 s, rates 3 s, sleep 10 min). It can also misbehave like real ones: `stop_streams` (breath and heart
fall silent until they are switched on again).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from device_drivers.codec import CodecHealth
from device_drivers.framing import Framer
from device_drivers.micradar import frames, messages
from device_drivers.micradar.fields import QUERY_BYTE, FieldError

if TYPE_CHECKING:
    from collections.abc import Callable

    from device_drivers.micradar.fields import Message, Value

SECOND_NS = 1_000_000_000
FALL_MODEL, BED_MODEL = "R60AFD1", "R60ABD1"
FIRMWARE = {FALL_MODEL: "G60FD1SYv010104", BED_MODEL: "G60BD1SYv010104"}

HEARTBEAT_S = 60
"""The manual states no period for the heartbeat; a minute is our choice."""
KEPT_FRAMES = 1000
MAX_CATCH_UP = 600
"""After a jump of the clock the radar goes on from now instead of sending hours of reports at once."""


@dataclass(slots=True)
class RadarState:
    """What the radar sees. Rates of None mean that it has no lock (it then sends 0)."""

    presence: bool = False
    motion: str = "none"
    body_movement: int = 0
    distance: int = 0
    position: tuple[int, int, int] = (0, 0, 0)
    respiratory_rate: int | None = None
    heart_rate: int | None = None
    respiration_state: str = "none"
    breath_wave: tuple[int, ...] = (0, 0, 0, 0, 0)
    heart_wave: tuple[int, ...] = (0, 0, 0, 0, 0)
    bed: str = "none"
    sleep: str = "none"
    fall: bool = False
    static_stay: bool = False
    in_range: bool = False
    settings: dict[str, dict[str, Value]] = field(default_factory=dict)


class RadarDevice:
    """Model of one radar. model: `FALL_MODEL` (groups 80, 83) or `BED_MODEL` (groups 80, 81, 84, 85)."""

    def __init__(self, model: str = FALL_MODEL) -> None:
        if model not in FIRMWARE:
            raise ValueError(f"unknown model {model!r}; known: {', '.join(FIRMWARE)}")
        self.model = model
        self.state = RadarState()
        self.streaming = {"breathing": True, "heart": True}
        self.received: deque[bytes] = deque(maxlen=KEPT_FRAMES)
        self._framer = Framer(frames.SPEC, CodecHealth(), _ignore)
        self._changes: list[bytes] = []
        self._due: dict[str, int] = {}
        self._started_ns: int | None = None
        self._now_ns = 0
        self._periodic = self._periodic_reports()

    # What happens in the room

    def set_presence(self, presence: bool, motion: str | None = None) -> None:
        """Somebody came or left; `motion` defaults to "active" or "none"."""
        self._change("presence", presence=presence)
        self.set_motion(motion or ("active" if presence else "none"))

    def set_motion(self, motion: str, body_movement: int | None = None) -> None:
        """motion: "none", "still" or "active"; body_movement 0 to 100 (default 0, 1 or 60)."""
        self.state.body_movement = (
            {"none": 0, "still": 1, "active": 60}[motion] if body_movement is None else body_movement
        )
        self._change("motion", motion=motion)

    def set_position(self, x: int, y: int, z: int, distance: int) -> None:
        """Where the person is, in cm."""
        self.state.position, self.state.distance = (x, y, z), distance

    def set_fall(self, fall: bool) -> None:
        """The radar detects a fall, or takes it back."""
        self._change("fall", fall=fall)

    def set_static_stay(self, static_stay: bool) -> None:
        """Somebody lies motionless on the floor for long."""
        self._change("static stay", static_stay=static_stay)

    def set_in_range(self, in_range: bool) -> None:
        """Somebody is within the range where vitals can be measured."""
        self._change("in range", in_range=in_range)

    def set_breathing(self, rate: int | None, state: str | None = None) -> None:
        """Breaths per minute (None: no lock); the state follows the manual's limits, 10 and 25 a minute."""
        self.state.respiratory_rate = rate
        self._change("breathing state", respiration_state=state or _breathing_state(rate))

    def set_heart(self, rate: int | None) -> None:
        """Beats per minute; None: no lock."""
        self.state.heart_rate = rate

    def set_waves(self, breath: tuple[int, ...], heart: tuple[int, ...]) -> None:
        """Five points each, -128 to 127, sent every second from now on."""
        self.state.breath_wave, self.state.heart_wave = breath, heart

    def set_bed(self, bed: str) -> None:
        """bed: "in", "left" or "none"."""
        self._change("bed", bed=bed)

    def set_sleep(self, sleep: str) -> None:
        """sleep: "deep", "light", "awake" or "none"; reported every 10 minutes only, as the real one does."""
        self.state.sleep = sleep

    def stop_streams(self) -> None:
        """Breath and heart fall silent, as reported of MR60BHA1, until they are switched on again."""
        self.streaming = dict.fromkeys(self.streaming, False)

    def send(self, name: str, **values: Value) -> None:
        """Put any message of the tables in line, to go out with the next tick."""
        self._changes.append(frames.report(name, **values))

    # What goes over the line

    def feed(self, data: bytes) -> bytes:
        """Answers to the host's bytes: queries are answered, settings kept and echoed, the rest is ignored."""
        return b"".join(self._reply(whole) for whole in self._framer.feed(data))

    def tick(self, now_ns: int) -> bytes:
        """Changes since the last tick and every periodic report due by `now_ns`."""
        out = self._changes
        self._changes = []
        self._now_ns = now_ns
        if self._started_ns is None:
            self._started_ns = now_ns
            out.insert(0, frames.report("initialised", initialised=True))
        for name, (period_s, make) in self._periodic.items():
            out += self._repeat(name, period_s, make, now_ns)
        return b"".join(out)

    def _repeat(self, name: str, period_s: int, make: Callable[[], bytes], now_ns: int) -> list[bytes]:
        period_ns = period_s * SECOND_NS
        due = self._due.setdefault(name, now_ns + period_ns)
        if abs(now_ns - due) > MAX_CATCH_UP * SECOND_NS + period_ns:
            due = now_ns
        out = []
        while due <= now_ns:
            out.append(make())
            due += period_ns
        self._due[name] = due
        return out

    def _periodic_reports(self) -> dict[str, tuple[int, Callable[[], bytes]]]:
        plan: dict[str, tuple[int, Callable[[], bytes]]] = {
            "heartbeat": (HEARTBEAT_S, partial(self._current, "heartbeat")),
            "body movement": (1, partial(self._current, "body movement")),
        }
        if self.model == FALL_MODEL:
            return plan
        for name, period_s in (("distance", 2), ("position", 2), ("sleep state", 600), ("sleep composite", 600)):
            plan[name] = (period_s, partial(self._current, name))
        for group in self.streaming:
            plan[f"{group} rate"] = (3, partial(self._stream, group, "rate"))
            plan[f"{group} wave"] = (1, partial(self._stream, group, "wave"))
        return plan

    def _stream(self, group: str, what: str) -> bytes:
        return self._current(f"{group} {what}") if self.streaming[group] and self.state.presence else b""

    def _current(self, name: str) -> bytes:
        values = self._values(name)
        return frames.report(name, **values) if values is not None else b""

    def _reply(self, whole: bytes) -> bytes:
        self.received.append(whole)
        control, command, data = whole[2], whole[3], whole[6:-3]
        message = messages.BY_COMMAND.get((control, command))
        if message is None or not self._has(control):
            return b""
        if command == message.query:
            values = self._values(message.name) if data == QUERY_BYTE else None
            return b"" if values is None else frames.answer(message.name, **values)
        return whole if self._set(message, data) else b""

    def _set(self, message: Message, data: bytes) -> bool:
        try:
            values = {name: value for name, (value, _) in message.decode(data).items()}
        except FieldError:
            return False
        if message.kind != "setting" or None in values.values():
            return False
        self.state.settings[message.name] = values
        group = message.name.removesuffix(" switch")
        if group in self.streaming:
            self.streaming[group] = bool(next(iter(values.values())))
        return True

    def _has(self, control: int) -> bool:
        missing = {FALL_MODEL: (messages.BREATHING, messages.HEART, messages.SLEEP), BED_MODEL: (messages.FALL,)}
        return control not in missing[self.model]

    def _values(self, name: str) -> dict[str, Value] | None:
        """What the radar would say about a message now; None if it has nothing to say."""
        state = self.state
        uptime_s = (self._now_ns - (self._started_ns or self._now_ns)) // SECOND_NS
        known: dict[str, dict[str, Value]] = {
            "heartbeat": {"heartbeat": True},
            "product model": {"product_model": self.model},
            "firmware": {"firmware": FIRMWARE[self.model]},
            "initialised": {"initialised": self._started_ns is not None},
            "uptime": {"uptime_s": max(0, uptime_s)},
            "fault": {"device_fault": "none"},
            "presence": {"presence": state.presence},
            "motion": {"motion": state.motion},
            "body movement": {"body_movement": state.body_movement},
            "distance": {"distance": state.distance},
            "position": dict(zip(("position_x", "position_y", "position_z"), state.position, strict=True)),
            "in range": {"in_range": state.in_range},
            "breathing state": {"respiration_state": state.respiration_state},
            "breathing rate": {"respiratory_rate": state.respiratory_rate},
            "breathing wave": {"breath_wave": state.breath_wave},
            "heart rate": {"heart_rate": state.heart_rate},
            "heart wave": {"heart_wave": state.heart_wave},
            "bed": {"bed_occupancy": state.bed},
            "sleep state": {"sleep_state": state.sleep},
            "sleep composite": self._composite(),
            "fall": {"fall": state.fall},
            "static stay": {"static_stay": state.static_stay},
        }
        return known.get(name) or state.settings.get(name)

    def _composite(self) -> dict[str, Value]:
        state = self.state
        return {
            "presence": state.presence,
            "sleep_state": state.sleep,
            "mean_respiratory_rate": state.respiratory_rate,
            "mean_heart_rate": state.heart_rate,
            "sleep_turns": 0,
            "large_movement_share": 0,
            "small_movement_share": min(100, state.body_movement),
            "apnea_count": 0,
        }

    def _change(self, name: str, **values: Value) -> None:
        """Keep a new state; report it only if it differs, as the real radar does."""
        ((attribute, value),) = values.items()
        before = getattr(self.state, attribute)
        if before == value:
            return
        setattr(self.state, attribute, value)
        try:
            report = self._current(name)
        except FieldError:
            setattr(self.state, attribute, before)
            raise
        if self._has(messages.BY_NAME[name].control):
            self._changes.append(report)


def _breathing_state(rate: int | None) -> str:
    if rate is None:
        return "none"
    return "low" if rate < 10 else "high" if rate > 25 else "normal"


def _ignore(reason: str, raw: bytes, **detail: object) -> None:
    """A radar says nothing about bytes it does not understand."""
