"""Decodes what Modbus input modules answer: mats, pull cords and nurse calls as dry contacts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from device_drivers.codec import StreamCodec
from device_drivers.framing import Framer
from device_drivers.modbus_io import frames
from device_drivers.modbus_io.inputs import Contact, contacts, modules
from device_drivers.observations import DeviceEvent, Observation

if TYPE_CHECKING:
    from collections.abc import Iterator

RESTATE_NS = 30 * 1_000_000_000
"""How often an unchanged contact is told again: states of beds go stale after 90 s."""


@dataclass(slots=True)
class _State:
    """What one contact was, and for how many answers it has differed from that."""

    closed: bool | None = None
    differs: int = 0
    told_ns: int = 0


class ModbusIoCodec(StreamCodec):
    """Codec of one bus.

    Options: `modules`, how many inputs each unit has (default {1 = 8}); `first`, the address of input 0 (default 0);
    `function`, "discrete_inputs" (default) or "coils"; `inputs`, by input ("3", or "2:3" for unit 2): `signal`,
    `closed` and `open` (what the contact means), `device` (the device id), `stable` (equal answers that a change
    takes). `show_all`: note the inputs of every answer, and take answers of every unit. Raises ValueError.
    """

    family: ClassVar[str] = "modbus_io"

    def __init__(self, device_id: str, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(device_id)
        given = options or {}
        self.requests = modules(given)
        self._contacts = contacts(given, device_id, self.requests)
        self._states = {(one.unit, one.index, one.signal): _State() for one in self._contacts}
        self._show_all = given.get("show_all") is True
        self._faults: dict[str, str] = {}
        self._framer = Framer(frames.spec(self.requests, any_unit=self._show_all), self.health, self.reject)

    def feed(self, data: bytes, received_ns: int) -> list[Observation]:
        return [one for frame in self._framer.feed(data) for one in self._frame(frame, received_ns)]

    def probe(self, attempt: int) -> bytes:
        """A question to one module after the other; one that answers is asked again."""
        asked = self.requests[attempt % len(self.requests)]
        return frames.query(asked)

    def finish(self, received_ns: int) -> list[Observation]:  # noqa: ARG002 - as every codec
        """What is left is no whole frame."""
        rest = self._framer.rest()
        if rest:
            self.reject("length", rest)
        return []

    def _frame(self, frame: bytes, received_ns: int) -> Iterator[Observation]:
        said = frames.decode(frame)
        self.health.last_frame_ns = received_ns
        if said.query is not None:
            asked = said.query
            self.note("query", self.device_id, unit=asked.unit, first=asked.first, count=asked.count)
        elif said.inputs is None:
            code = said.exception or 0
            text = frames.EXCEPTIONS.get(code, "unknown")
            self.note("log", self.device_id, unit=said.unit, exception=code, text=text)
            yield from self._fault(said.unit, "other", received_ns)
        else:
            yield from self._inputs(said.unit, said.inputs, received_ns)

    def _inputs(self, unit: int, inputs: tuple[bool, ...], received_ns: int) -> Iterator[Observation]:
        if self._show_all:
            self.note("report", self.device_id, unit=unit, **{f"input_{n}": on for n, on in enumerate(inputs)})
        yield from self._fault(unit, "none", received_ns)
        for contact in self._contacts:
            if contact.unit == unit and contact.index < len(inputs):
                yield from self._contact(contact, inputs[contact.index], received_ns)

    def _contact(self, contact: Contact, closed: bool, received_ns: int) -> Iterator[Observation]:
        """A change counts when it has lasted; the first state after a start is a restatement, and so is an old one."""
        state = self._states[contact.unit, contact.index, contact.signal]
        first = state.closed is None
        state.differs = state.differs + 1 if closed != state.closed else 0
        if state.differs >= (1 if first else contact.stable):
            state.closed, state.differs = closed, 0
            repeat = first
        elif received_ns - state.told_ns >= RESTATE_NS and state.closed is not None:
            repeat = True
        else:
            return
        state.told_ns = received_ns
        value = contact.value(state.closed)
        yield DeviceEvent(contact.device_id, contact.signal, value, received_ns, received_ns, repeat=repeat)

    def _fault(self, unit: int, word: str, received_ns: int) -> Iterator[Observation]:
        """Told of each thing on the module when it begins and when it ends."""
        for device_id in dict.fromkeys(one.device_id for one in self._contacts if one.unit == unit):
            if self._faults.get(device_id, "none") != word:
                self._faults[device_id] = word
                yield DeviceEvent(device_id, "device_fault", word, received_ns, received_ns)
