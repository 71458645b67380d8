"""Modbus RTU frames of input modules, both ways: the question for inputs, the answer, and the exception.

Source: MODBUS Application Protocol V1.1b3 and MODBUS over Serial Line V1.02 (functions 01 and 02, CRC-16). Modules on
Modbus TCP are read by the same frames: the transport puts them into this form.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from device_drivers.framing import Bad, FrameSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FUNCTIONS = {"coils": 1, "discrete_inputs": 2}
EXCEPTION = 0x80
MAX_INPUTS = 256
MAX_UNIT = 247
NO_ANSWER = 0x0B
"""Exception "gateway target device failed to respond": the module is not there."""
EXCEPTIONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "server device failure",
    6: "server device busy",
    10: "gateway path unavailable",
    NO_ANSWER: "no answer",
}
_QUERY_SIZE = 8
_CRC = 2


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask one module for. first: address of the first input, from 0."""

    unit: int
    function: int
    first: int
    count: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A decoded frame: inputs (None for an exception or a query), the exception's code, or the query."""

    unit: int
    inputs: tuple[bool, ...] | None = None
    exception: int | None = None
    query: Request | None = None


def crc16(data: bytes | bytearray) -> int:
    """CRC-16/MODBUS: polynomial A001 (reflected), starting at FFFF."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


def _sealed(data: bytes) -> bytes:
    return data + crc16(data).to_bytes(_CRC, "little")


def query(asked: Request) -> bytes:
    """The question."""
    return _sealed(
        bytes((asked.unit, asked.function)) + asked.first.to_bytes(2, "big") + asked.count.to_bytes(2, "big")
    )


def answer(unit: int, function: int, inputs: Sequence[bool]) -> bytes:
    """The answer: eight inputs to a byte, the first in the lowest bit."""
    size = (len(inputs) + 7) // 8
    bits = sum(1 << n for n, closed in enumerate(inputs) if closed)
    return _sealed(bytes((unit, function, size)) + bits.to_bytes(size, "little"))


def exception(unit: int, function: int, code: int) -> bytes:
    """The module refuses, or is not there."""
    return _sealed(bytes((unit, function | EXCEPTION, code)))


def spec(requests: Sequence[Request], *, any_unit: bool = False) -> FrameSpec:
    """How the answers to these questions begin and end; any_unit: whatever is on the bus, questions as well.

    How long an answer is follows from its question: a damaged length costs no more than its own frame.
    """
    sizes = {one.unit: (one.count + 7) // 8 for one in requests}
    functions = [*FUNCTIONS.values(), *(code | EXCEPTION for code in FUNCTIONS.values())]
    units = range(1, MAX_UNIT + 1) if any_unit else sizes
    heads = tuple(bytes((unit, function)) for unit in units for function in functions)
    check = partial(_check, sizes=None if any_unit else sizes)
    return FrameSpec(heads=heads, check=check, max_size=3 + MAX_INPUTS // 8 + _CRC)


def _check(buffer: bytearray, start: int, sizes: Mapping[int, int] | None) -> int | Bad:
    if len(buffer) - start < 3:
        return 0
    unit, function, third = buffer[start : start + 3]
    wanted = third if sizes is None else sizes[unit]
    if function & EXCEPTION:
        size = 3 + _CRC
    elif third != wanted or third > MAX_INPUTS // 8:
        return Bad("length", 3, {"size": third, "unit": unit})
    elif third == 0:  # no module answers with no bytes: this is a question, and the third byte half an address
        size = _QUERY_SIZE
    else:
        size = 3 + third + _CRC
    if len(buffer) - start < size:
        return 0
    expected = crc16(buffer[start : start + size - _CRC])
    found = int.from_bytes(buffer[start + size - _CRC : start + size], "little")
    return size if expected == found else Bad("crc", size, {"expected": f"{expected:04X}", "found": f"{found:04X}"})


def decode(frame: bytes) -> Answer:
    """What a whole frame says."""
    unit, function, third = frame[:3]
    if function & EXCEPTION:
        return Answer(unit, exception=third)
    if third == 0:
        first, count = int.from_bytes(frame[2:4], "big"), int.from_bytes(frame[4:6], "big")
        return Answer(unit, query=Request(unit, function, first, count))
    bits = int.from_bytes(frame[3:-_CRC], "little")
    return Answer(unit, inputs=tuple(bool(bits >> n & 1) for n in range(8 * third)))
