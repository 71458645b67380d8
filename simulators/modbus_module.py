"""A Modbus RTU module with dry-contact inputs, without hardware: answers questions as its bytes arrive on the bus."""

from __future__ import annotations

from dataclasses import dataclass, field

from device_drivers.modbus_io import frames

QUERY_SIZE = 8
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS = 1, 2


@dataclass(slots=True)
class InputModule:
    """One module. closed: the contacts that are closed now, from 0."""

    unit: int = 1
    inputs: int = 8
    silent: bool = False
    closed: set[int] = field(default_factory=set)
    _buffer: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> bytes:
        """The answers to the questions that these bytes complete."""
        self._buffer += data
        out = b""
        while len(self._buffer) >= QUERY_SIZE:
            asked = bytes(self._buffer[:QUERY_SIZE])
            if frames.crc16(asked[:-2]).to_bytes(2, "little") != asked[-2:]:
                del self._buffer[0]
                continue
            del self._buffer[:QUERY_SIZE]
            out += self._answer(asked)
        return out

    def _answer(self, asked: bytes) -> bytes:
        unit, function = asked[0], asked[1]
        first, count = int.from_bytes(asked[2:4], "big"), int.from_bytes(asked[4:6], "big")
        if self.silent or unit != self.unit:
            return b""
        if function not in frames.FUNCTIONS.values():
            return frames.exception(unit, function, ILLEGAL_FUNCTION)
        if first + count > self.inputs:
            return frames.exception(unit, function, ILLEGAL_ADDRESS)
        return frames.answer(unit, function, [n in self.closed for n in range(first, first + count)])
