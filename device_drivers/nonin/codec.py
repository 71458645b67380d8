"""Decodes the byte stream of one Nonin oximeter into observations, whatever format it sends."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, ClassVar

from device_drivers.codec import StreamCodec
from device_drivers.framing import Framer
from device_drivers.nonin import frames, values
from device_drivers.observations import DeviceEvent, Observation, Quality
from device_drivers.pace import SECOND_NS, number
from device_drivers.pulse import PulseFrame, PulseSampler
from device_drivers.signals import reading

if TYPE_CHECKING:
    from collections.abc import Mapping

LIVE_SKEW_NS = 600 * SECOND_NS
"""A measurement that is sent now was made now: a device time that is farther off is a clock that is wrong."""
FIRST_YEAR = 2015
KEPT_MEASUREMENTS = 64
MEASURES = frozenset({*values.RATES, *values.SATURATIONS})


class NoninCodec(StreamCodec):
    """Codec of one oximeter; the format is found by itself.

    Options: `format`, 2, 7, 8 or 13, is asked for when the line opens (by default the device keeps its own).
    `set_clock` (default false) sets the clock of a 9560 then. `utc_offset_h`, hours that its clock is ahead of UTC
    (default 8). `interval_s` and `settle_s` of PulseSampler. Raises ValueError for a bad one.
    """

    family: ClassVar[str] = "nonin"

    def __init__(self, device_id: str, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(device_id)
        options = options or {}
        self._wanted = options.get("format")
        if self._wanted not in {None, *values.FORMATS}:
            raise ValueError(f"format is {self._wanted}; give 2, 7, 8 or 13")
        self._zone = timezone(timedelta(hours=number(options, "utc_offset_h", 8, -14, 14)))
        self._set_clock = bool(options.get("set_clock", False))
        self._judge = frames.Judge(self.health)
        self._framer = Framer(self._judge.spec, self.health, self.reject)
        self._sampler = PulseSampler(device_id, options, self.note)
        self._packet: list[tuple[int, int]] = []
        self._stray: tuple[int, int] | None = None
        self._low_battery: bool | None = None
        self._opened = False
        self._measured: deque[bytes] = deque(maxlen=KEPT_MEASUREMENTS)

    def on_open(self) -> bytes:
        """In its first five seconds a 9560 takes commands."""
        self._opened = True
        self._judge.forget()
        return values.set_format(self._wanted) if self._wanted is not None else b""

    def poll(self, now_ns: int) -> bytes:
        """The clock, once after opening."""
        opened, self._opened = self._opened, False
        if not (opened and self._set_clock):
            return b""
        return values.set_time(datetime.fromtimestamp(now_ns / SECOND_NS, UTC).astimezone(self._zone))

    def feed(self, data: bytes, received_ns: int) -> list[Observation]:
        self._judge.accepted = []
        whole = self._framer.feed(data)
        accepted, self._judge.accepted = self._judge.accepted, []
        return [
            one
            for frame, (kind, follows) in zip(whole, accepted, strict=True)
            for one in self._decode(frame, kind, follows, received_ns)
        ]

    def finish(self, received_ns: int) -> list[Observation]:
        """A single frame of format 8 waits for a second one, a line for its end; a packet may be incomplete."""
        rest, found = self._framer.rest(), []
        if rest.startswith(frames.LINE_HEAD):
            found = self._decode(rest, frames.TEXT, True, received_ns)
        elif size := self._judge.accept_rest(rest[: frames.SIZE_8]):
            kind, follows = self._judge.accepted.pop()
            self.health.frames += 1
            found = self._decode(rest[:size], kind, follows, received_ns)
        elif rest and not self.health.frames and not self.rejections:
            self.reject("incomplete", rest)
        if self._packet or (self._stray and self.health.frames == 1):  # a capture may be one frame out of a packet
            status, value = self._packet[-1] if self._packet else self._stray or (0, 0)
            self.note("report", self.device_id, frames_of_packet=len(self._packet), status=status, value=value)
        return found

    def _decode(self, whole: bytes, kind: int, follows: bool, now_ns: int) -> list[Observation]:
        self.health.last_frame_ns = now_ns
        match kind:
            case frames.FRAME_2:
                return self._part(whole[1], whole[3], follows, now_ns)
            case frames.FRAME_7:
                return self._part(whole[0], whole[3], follows, now_ns)
            case frames.FRAME_8:
                return self._live(values.facts_8(whole), now_ns)
            case frames.FRAME_13:
                return self._spot(whole, now_ns)
            case frames.ANSWER:
                self.note("ack", self.device_id, ok=whole[0] == frames.ACK)
                return []
        try:
            if kind == frames.TEXT:
                return self._live(values.facts_line(whole), now_ns)
            note, facts = values.facts_command(whole)
        except values.FormatError as error:
            self.reject("text" if kind == frames.TEXT else "command", whole, error=str(error))
        else:
            self.note(note, self.device_id, **facts)
        return []

    def _part(self, status: int, value: int, follows: bool, now_ns: int) -> list[Observation]:
        """One of the 25 frames of a packet; only a packet without any gap counts."""
        if status & values.SYNC:
            self._packet = []
        elif not self._packet or not follows:
            self._packet, self._stray = [], (status, value)
            return []
        self._packet.append((status, value))
        if len(self._packet) < values.PACKET:
            return []
        parts, self._packet = self._packet, []
        return self._live(values.facts_packet(*zip(*parts, strict=True)), now_ns)

    def _live(self, facts: values.Facts, now_ns: int) -> list[Observation]:
        return self._battery(facts, now_ns, now_ns) + self._sampler.take(_pulse(facts), now_ns, lambda: facts)

    def _battery(self, facts: values.Facts, at_ns: int, now_ns: int) -> list[Observation]:
        low = facts.get("low_battery")
        if low is None or low == self._low_battery:
            return []
        self._low_battery = low
        return [DeviceEvent(self.device_id, "battery_low", low, at_ns, now_ns)]

    def _spot(self, whole: bytes, now_ns: int) -> list[Observation]:
        """A finished measurement; one that is sent again is dropped."""
        if whole in self._measured:
            return []
        self._measured.append(whole)
        facts = values.facts_13(whole)
        self.note("report", self.device_id, **facts)
        stored = facts["from_memory"]
        at_ns = self._when(facts["time"], now_ns, stored=stored)
        none = Quality.NO_CONTACT if facts["no_measurement"] else Quality.INVALID
        good = Quality.GOOD if facts["smart_point"] else Quality.POOR
        found = [] if stored else self._battery(facts, now_ns, now_ns)
        for name, value in (("heart_rate", facts["hr"]), ("spo2", facts["spo2"])):
            quality = none if value is None or facts["no_measurement"] else good
            kept = None if facts["no_measurement"] else value
            found.append(reading(self.device_id, name, kept, at_ns, now_ns, quality, stored=stored))
        return found

    def _when(self, time: str | None, now_ns: int, *, stored: bool) -> int:
        if time is None:
            return now_ns
        local = datetime.fromisoformat(time).replace(tzinfo=self._zone)
        device_ns = round(local.timestamp() * 1000) * 1_000_000
        if stored:
            return device_ns if local.year >= FIRST_YEAR and device_ns <= now_ns else now_ns
        return device_ns if abs(now_ns - device_ns) <= LIVE_SKEW_NS else now_ns


def _pulse(facts: values.Facts) -> PulseFrame:
    found = {"heart_rate": facts["hr"], "spo2": facts["spo2"]}
    if facts.get("sensor_alarm") or facts.get("sensor_off"):
        return PulseFrame(found, Quality.NO_CONTACT, usable=False, worn=False, measures=MEASURES)
    if facts["hr"] is None and facts["spo2"] is None:
        return PulseFrame(found, Quality.INVALID, usable=False)
    weak = facts.get("low_perfusion") or facts.get("perfusion") == "red"
    doubtful = facts.get("artifact") or facts.get("out_of_track") or weak
    return PulseFrame(found, Quality.POOR if doubtful else Quality.GOOD, worn=True)
