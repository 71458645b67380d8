"""Decodes the byte stream of one "53 59" radar into observations and notes, by the vendor's tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from device_drivers.codec import StreamCodec
from device_drivers.framing import Framer
from device_drivers.micradar import frames, messages
from device_drivers.micradar.fields import QUERY_BYTE, WAVE_CENTRE, WAVE_POINTS, FieldError, Wave
from device_drivers.micradar.upkeep import SECOND_NS, Upkeep
from device_drivers.observations import DeviceEvent, Observation, Quality, Samples
from device_drivers.signals import SIGNALS, SignalKind, reading

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from device_drivers.micradar.fields import Message, Value

DEFAULT_POLL_S = 45.0
WAVE_RATE_HZ = 5.0
_STREAM_MESSAGES = {"breathing rate", "breathing wave", "heart rate", "heart wave"}


class MicradarCodec(StreamCodec):
    """Codec of one radar on its serial line (115,200 baud, 8N1).

    Options: `poll_s`, seconds between state queries (default 45, at least 5). Raises ValueError for a bad one.
    """

    family: ClassVar[str] = "micradar"

    def __init__(self, device_id: str, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(device_id)
        poll_s = float((options or {}).get("poll_s", DEFAULT_POLL_S))
        if not 5 <= poll_s <= 3600:
            raise ValueError(f"poll_s is {poll_s}; give 5 to 3600 seconds")
        self._framer = Framer(frames.SPEC, self.health, self.reject)
        self._upkeep = Upkeep(round(poll_s * SECOND_NS))
        self._known: dict[str, Value] = {}

    def feed(self, data: bytes, received_ns: int) -> list[Observation]:
        found: list[Observation] = []
        for whole in self._framer.feed(data):
            self.health.last_frame_ns = received_ns
            found += self._decode(whole, received_ns)
        return found

    def on_open(self) -> bytes:
        return self._upkeep.on_open()

    def poll(self, now_ns: int) -> bytes:
        return self._upkeep.poll(now_ns)

    def _decode(self, whole: bytes, received_ns: int) -> list[Observation]:
        control, command, data = whole[2], whole[3], whole[6:-3]
        message = messages.BY_COMMAND.get((control, command))
        if message is None:
            self._note_unknown(control, command, data)
            return []
        if command == message.query and data == QUERY_BYTE:
            self.note("query", self.device_id, query=message.name)
            return []
        try:
            fields = message.decode(data)
        except FieldError as error:
            reason = "text" if message.size is None else "length"
            self.reject(reason, whole, control=control, command=command, error=str(error))
            return []
        if any(quality is Quality.INVALID for _, quality in fields.values()):
            self._note_unknown(control, command, data)
        if message.kind == messages.SIGNAL:
            return self._observe(message, command, fields, received_ns)
        self._note_facts(message, command, fields)
        return []

    def _observe(
        self, message: Message, command: int, fields: dict[str, tuple[Value, Quality]], received_ns: int
    ) -> list[Observation]:
        if message.name in _STREAM_MESSAGES:
            self._upkeep.stream_heard(message.control, received_ns)
        if isinstance(present := fields.get("presence", (None,))[0], bool):
            self._upkeep.presence_is(present)
        if isinstance(message.fields[0], Wave):
            return [self._samples(name, value, received_ns) for name, (value, _) in fields.items()]
        restated = message.restates or messages.is_answer(message, command)
        return [self._one(name, value, quality, received_ns, restated) for name, (value, quality) in fields.items()]

    def _one(self, signal: str, value: Value, quality: Quality, now_ns: int, restated: bool) -> Observation:
        if SIGNALS[signal].kind is SignalKind.READING:
            number = float(value) if isinstance(value, int) else None
            return reading(self.device_id, signal, number, now_ns, now_ns, quality)
        word = value if isinstance(value, bool | str) else None
        # An answer that differs from what we knew tells of a change whose own report was lost: that is no repeat.
        repeat = restated and word is not None and self._known.get(signal, word) == word
        if word is not None:
            self._known[signal] = word
        return DeviceEvent(self.device_id, signal, word, now_ns, now_ns, quality, repeat=repeat)

    def _samples(self, signal: str, points: Value, now_ns: int) -> Samples:
        values = np.asarray(points, np.float32).reshape(-1, 1)
        first_ns = now_ns - round((WAVE_POINTS - 1) / WAVE_RATE_HZ * SECOND_NS)
        return Samples(self.device_id, signal, values, WAVE_RATE_HZ, first_ns, now_ns, full_scale=float(WAVE_CENTRE))

    def _note_facts(self, message: Message, command: int, fields: dict[str, tuple[Value, Quality]]) -> None:
        facts = {name: value for name, (value, _) in fields.items()}
        if isinstance(model := facts.get("product_model"), str):
            self._upkeep.model_is(model)
        echoed = message.kind == "setting" and not messages.is_answer(message, command)
        self.note("ack" if echoed else message.kind, self.device_id, **facts)

    def _note_unknown(self, control: int, command: int, data: bytes) -> None:
        self.note("unknown", self.device_id, control=control, command=command, hex=data.hex(" ").upper())
