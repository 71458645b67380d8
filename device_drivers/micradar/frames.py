"""Frame of the "53 59" radars: head, control word, command, length, data, sum, tail.

    0  2  head 53 59        4    2  length N of the data, big-endian      6+N  1  sum of bytes 0 to 5+N, low 8 bits
    2  1  control word      6    N  data                                  7+N  2  tail 54 43
    3  1  command word

Source: vendor manual R60ABD1 V3.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from device_drivers.framing import NEED_MORE, Bad, FrameSpec, sum8
from device_drivers.micradar.fields import QUERY_BYTE, Value
from device_drivers.micradar.messages import BY_COMMAND, BY_NAME

if TYPE_CHECKING:
    from device_drivers.micradar.fields import Message

HEAD = b"\x53\x59"
TAIL = b"\x54\x43"
HEADER_SIZE = 6
OVERHEAD = 9
MAX_DATA = 64
"""The longest documented data are 12 bytes and short texts; a damaged length must not hold up later frames."""
SPARE_DATA = 16
"""How much longer than documented the data of a known message may claim to be before we stop waiting for it."""


def check(buffer: bytearray, start: int) -> int | Bad:
    """Judge the frame that begins at `start`: its size, NEED_MORE, or Bad ("length", "tail" or "checksum")."""
    if len(buffer) - start < HEADER_SIZE:
        return NEED_MORE
    length = int.from_bytes(buffer[start + 4 : start + 6], "big")
    if length > _longest_data(buffer[start + 2], buffer[start + 3]):
        return Bad("length", HEADER_SIZE, {"length": length})
    end = start + OVERHEAD + length
    if len(buffer) < end:
        return NEED_MORE
    if buffer[end - 2 : end] != TAIL:
        return Bad("tail", end - start, {"found": buffer[end - 2 : end].hex().upper()})
    expected, found = sum8(buffer[start : end - 3]), buffer[end - 3]
    if expected != found:
        return Bad("checksum", end - start, {"expected": f"{expected:02X}", "found": f"{found:02X}"})
    return end - start


SPEC = FrameSpec(heads=(HEAD,), check=check, max_size=OVERHEAD + MAX_DATA)


def frame(control: int, command: int, data: bytes) -> bytes:
    """The frame with these data. Raises ValueError for more than 64 bytes of data."""
    if len(data) > MAX_DATA:
        raise ValueError(f"{len(data)} bytes of data; a frame holds at most {MAX_DATA}")
    body = HEAD + bytes((control, command)) + len(data).to_bytes(2, "big") + data
    return body + bytes((sum8(body),)) + TAIL


def report(name: str, **values: Value) -> bytes:
    """What a radar sends by itself, or the host to set a value (and the radar echoes). Names: `messages.MESSAGES`."""
    message = BY_NAME[name]
    return frame(message.control, message.command, message.encode(values))


def query(name: str) -> bytes:
    """The frame that asks for a message. Raises ValueError where it cannot be asked."""
    message, command = _asked(name)
    return frame(message.control, command, QUERY_BYTE)


def answer(name: str, **values: Value) -> bytes:
    """A radar's answer to a query: the report's data under the query's command.

    A one-byte answer of value 15 has the very bytes of its query and is read as a query.
    """
    message, command = _asked(name)
    return frame(message.control, command, message.encode(values))


def _asked(name: str) -> tuple[Message, int]:
    message = BY_NAME[name]
    if message.query is None:
        raise ValueError(f"{name} cannot be asked")
    return message, message.query


def _longest_data(control: int, command: int) -> int:
    message = BY_COMMAND.get((control, command))
    size = message.size if message else None
    return MAX_DATA if size is None else size + SPARE_DATA
