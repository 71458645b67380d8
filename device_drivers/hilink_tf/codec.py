"""Decodes the byte stream of one TF radar into observations and notes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from device_drivers.codec import StreamCodec
from device_drivers.framing import Bad, Framer
from device_drivers.hilink_tf import frames, messages
from device_drivers.hilink_tf.fields import FieldError, Message, Value
from device_drivers.observations import DeviceEvent, Observation, Quality
from device_drivers.pace import SECOND_NS, Pace, number, seconds
from device_drivers.signals import reading

PRESENCE_STALE_NS = 30 * SECOND_NS
"""A heart rate without a word about presence for so long is an old one that the radar goes on repeating."""
RANGE_LIMIT_CM = 600.0
"""MR60BHA2 sees people up to 6 m; beyond it there is nobody whose heart it could see."""
SETTINGS = {
    "install_height_m": ("install height", 1.0, 5.0),
    "threshold_m": ("fall threshold", 0.0, 1.5),
    "sensitivity": ("fall sensitivity", 3, 30),
}


class HilinkTfCodec(StreamCodec):
    """Codec of one TF radar on its serial line.

    Options: `install_height_m` (1 to 5), `threshold_m` (0 to 1.5) and `sensitivity` (3 to 30) of a fall radar are sent
    to it when the line opens. `interval_s`: seconds between values of one signal (default 1). `repeat_s`: seconds
    between repeats of a state that did not change (default 10). Raises ValueError for a bad one.
    """

    family: ClassVar[str] = "hilink_tf"

    def __init__(self, device_id: str, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(device_id)
        options = options or {}
        self._framer = Framer(frames.SPEC, self.health, self.reject)
        self._pace = Pace(seconds(options, "interval_s", 1.0))
        self._states = Pace(seconds(options, "repeat_s", 10.0))
        self._wanted = {
            name: number(options, name, low, low, high) for name, (_, low, high) in SETTINGS.items() if name in options
        }
        self._known: dict[str, bool] = {}
        self._presence_ns: int | None = None
        self._out_of_reach = False
        self._axes: set[str] = set()

    def on_open(self) -> bytes:
        """Settings from the configuration, then a query for what the radar has."""
        out = b""
        for name, value in self._wanted.items():
            whole = int(value) if name == "sensitivity" else value
            out += frames.message(SETTINGS[name][0], **{name: whole})
        return out + frames.message("parameters")

    def feed(self, data: bytes, received_ns: int) -> list[Observation]:
        found: list[Observation] = []
        for whole in self._framer.feed(data):
            found += self._decode(whole, received_ns)
        return found

    def finish(self, received_ns: int) -> list[Observation]:
        """A frame may still wait for what follows it, or be hidden behind a false start that waits for more."""
        rest, found, at = self._framer.rest(), [], 0
        while at < len(rest):
            size = frames.plain_check(rest, at)
            if isinstance(size, Bad) or not size:
                if at == 0:
                    self.reject("incomplete", rest)
                following = rest.find(frames.START, at + 1)
                at = following if following > 0 else len(rest)
                continue
            self.health.frames += 1
            found += self._decode(rest[at : at + size], received_ns)
            at += size
        return found

    def _decode(self, whole: bytes, now_ns: int) -> list[Observation]:
        self.health.last_frame_ns = now_ns
        code, data = int.from_bytes(whole[5:7], "big"), whole[8:-1]
        message = messages.find(code, len(data))
        if message is None:
            self._refuse_or_note(code, data, whole, now_ns)
            return []
        try:
            fields = message.decode(data)
        except FieldError as error:
            self.reject("data", whole, type=f"{code:04X}", error=str(error))
            return []
        match message.kind:
            case messages.SIGNAL:
                return [event for name, value in fields.items() for event in self._state(name, value, data, now_ns)]
            case messages.VITALS:
                return self._vital(message, fields, now_ns)
            case messages.TARGETS:
                return self._targets(fields["targets"], now_ns)
        self._note_facts(message, fields, data, now_ns)
        if message.name == "zones" and isinstance(zones := fields["zones_occupied"], tuple):
            return self._state("presence", any(zones), data, now_ns)
        return []

    def _refuse_or_note(self, code: int, data: bytes, whole: bytes, now_ns: int) -> None:
        if code in messages.BY_TYPE:
            self.reject("length", whole, type=f"{code:04X}", length=len(data))
        elif self._pace.due(f"unknown {code:04X}", None, now_ns):
            self.note("unknown", self.device_id, type=f"{code:04X}", hex=data.hex(" ").upper())

    def _state(self, signal: str, value: Value, data: bytes, now_ns: int) -> list[Observation]:
        if not isinstance(value, bool):
            self.note("unknown", self.device_id, signal=signal, hex=data.hex(" ").upper())
            return [DeviceEvent(self.device_id, signal, None, now_ns, now_ns, Quality.INVALID)]
        if signal == "presence":
            self._presence_ns = now_ns
        repeat = self._known.get(signal) == value
        self._known[signal] = value
        if not self._states.due(signal, value, now_ns):
            return []
        return [DeviceEvent(self.device_id, signal, value, now_ns, now_ns, repeat=repeat)]

    def _vital(self, message: Message, fields: dict[str, Value], now_ns: int) -> list[Observation]:
        if message.name == "distance":
            return self._distance(fields["flag"], fields["range"], now_ns)
        ((signal, value),) = fields.items()
        if not isinstance(value, float):
            return self._reading(signal, None, now_ns, Quality.INVALID)
        if value == 0 or self._nobody(now_ns):
            return self._reading(signal, None, now_ns, Quality.NO_CONTACT)
        return self._reading(signal, value, now_ns)

    def _distance(self, flag: Value, cm: Value, now_ns: int) -> list[Observation]:
        if self._pace.due("distance flag", flag, now_ns):
            self.note("report", self.device_id, flag=flag, range=cm)
        if not flag:
            return self._reading("distance", None, now_ns, Quality.NO_CONTACT)
        if not isinstance(cm, float):
            return self._reading("distance", None, now_ns, Quality.INVALID)
        self._out_of_reach = not 0 < cm <= RANGE_LIMIT_CM
        return self._reading("distance", None if self._out_of_reach else cm, now_ns, Quality.OUT_OF_RANGE)

    def _nobody(self, now_ns: int) -> bool:
        """Whether a heart or breath rate that arrives now cannot be true."""
        if self._presence_ns is None:
            return self._out_of_reach
        self._presence_ns = min(self._presence_ns, now_ns)  # after the clock was set back
        stale = now_ns - self._presence_ns > PRESENCE_STALE_NS
        return stale or self._out_of_reach or self._known.get("presence") is False

    def _targets(self, targets: Value, now_ns: int) -> list[Observation]:
        rows = [row for row in targets if isinstance(row, Mapping)] if isinstance(targets, tuple) else []
        if self._pace.due("targets", len(rows), now_ns):
            self.note("report", self.device_id, targets=rows)
        found = self._reading("target_count", float(len(rows)), now_ns)
        nearest = min(rows, key=_how_far, default=None)
        self._axes |= {axis for axis in "xyz" if nearest and axis in nearest}
        for axis in sorted(self._axes):
            metres = nearest.get(axis) if nearest else None
            cm = None if metres is None else round(100.0 * metres, 3)
            found += self._reading(f"position_{axis}", cm, now_ns, Quality.NO_CONTACT)
        return found

    def _reading(
        self, signal: str, value: float | None, now_ns: int, quality: Quality = Quality.GOOD
    ) -> list[Observation]:
        one = reading(self.device_id, signal, value, now_ns, now_ns, quality if value is None else Quality.GOOD)
        return [one] if self._pace.due(signal, one.quality, now_ns) else []

    def _note_facts(self, message: Message, fields: dict[str, Value], data: bytes, now_ns: int) -> None:
        if message.kind in {"report", "log"} and not self._pace.due(message.name, _words(fields), now_ns):
            return
        match message.kind:
            case "query":
                self.note("query", self.device_id, query=message.name)
            case "ack":
                self.note("ack", self.device_id, setting=message.name.removesuffix(" answer"), **fields)
            case _:
                self.note(
                    message.kind, self.device_id, **(fields or {"command": message.name}), **_unnamed(fields, data)
                )


def _how_far(row: Mapping[str, float | None]) -> float:
    x, y = row["x"], row["y"]
    return math.inf if x is None or y is None else math.hypot(x, y)


def _words(fields: Mapping[str, Value]) -> str:
    return str(fields.get("log", ""))


def _unnamed(fields: Mapping[str, Value], data: bytes) -> dict[str, str]:
    """The bytes of a message with a code outside its table."""
    return {"hex": data.hex(" ").upper()} if any(value is None for value in fields.values()) else {}
