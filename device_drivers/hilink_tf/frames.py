"""Frame of the TF radars.

    0  1  start 01           3  2  length N of the data       7    1  head check: NOT XOR of bytes 0 to 6
    1  2  sequence number    5  2  type                       8    N  data
                                                              8+N  1  data check: NOT XOR of the data; none if N = 0

The header is big-endian, the data little-endian; nothing is escaped. Source: Hi-Link TF protocol V1.2.
"""

from __future__ import annotations

from functools import reduce
from itertools import pairwise
from operator import xor
from typing import TYPE_CHECKING

from device_drivers.framing import NEED_MORE, Bad, FrameSpec
from device_drivers.hilink_tf.messages import BY_NAME, BY_TYPE

if TYPE_CHECKING:
    from device_drivers.hilink_tf.fields import Value

START = 0x01
HEADER_SIZE = 8
MAX_DATA = 1024
MAX_UNKNOWN = 64
"""Data of a type we do not know may not be longer: a damaged length must not hold up later frames."""
MAX_LIST = {0x0A04: 4 + 16 * 20, 0x0A08: MAX_DATA, 0x0100: 256}
"""By type, for data without a fixed size: 16 targets, any number of points, a line of text."""
SPARE_DATA = 16
"""How much longer than documented the data of a known message may claim to be before we stop waiting for it."""


def check_of(data: bytes | bytearray) -> int:
    """NOT of the XOR of all bytes, 8 bits. Finds every single wrong bit."""
    return reduce(xor, data, 0xFF)


def check(buffer: bytearray, start: int) -> int | Bad:
    """Judge the frame that begins at `start`: its size, NEED_MORE, or Bad ("checksum" or "length").

    Where a lost or doubled byte would pass the data check (which finds them only by chance), the bytes behind the
    frame are waited for and decide: see `_second_look`.
    """
    verdict = plain_check(buffer, start)
    if isinstance(verdict, Bad) or verdict <= HEADER_SIZE:
        return verdict
    if _type(buffer, start) not in BY_TYPE and _holds_a_frame(buffer[start + HEADER_SIZE : start + verdict]):
        return Bad("checksum", HEADER_SIZE, {"part": "head", "type": f"{_type(buffer, start):04X}"})
    return _second_look(buffer, start, start + verdict)


def plain_check(buffer: bytes | bytearray, start: int) -> int | Bad:
    """The same without regard to what follows."""
    if len(buffer) - start < HEADER_SIZE:
        return NEED_MORE
    expected, found = check_of(buffer[start : start + 7]), buffer[start + 7]
    if expected != found:
        return Bad("checksum", HEADER_SIZE, {"part": "head", "expected": f"{expected:02X}", "found": f"{found:02X}"})
    length = int.from_bytes(buffer[start + 3 : start + 5], "big")
    if length > _longest_data(_type(buffer, start)):
        return Bad("length", HEADER_SIZE, {"length": length})
    if length == 0:
        return HEADER_SIZE
    end = start + HEADER_SIZE + length + 1
    if len(buffer) < end:
        return NEED_MORE
    expected, found = check_of(buffer[start + HEADER_SIZE : end - 1]), buffer[end - 1]
    if expected != found:
        return Bad("checksum", end - start, {"part": "data", "expected": f"{expected:02X}", "found": f"{found:02X}"})
    return end - start


def _holds_a_frame(data: bytearray) -> bool:
    """Whether the data of an unknown type hold a known frame: then it is a lost byte that makes the unknown one.

    All bytes of a frame cancel out in the XOR, so that swallowed frames do not disturb the check.
    """
    starts = (at for at in range(len(data) - HEADER_SIZE) if data[at] == START and _type(data, at) in BY_TYPE)
    verdicts = (plain_check(data, at) for at in starts)
    return any(not isinstance(verdict, Bad) and verdict > HEADER_SIZE for verdict in verdicts)


def _type(buffer: bytes | bytearray, start: int) -> int:
    return int.from_bytes(buffer[start + 5 : start + 7], "big")


def _second_look(buffer: bytearray, start: int, end: int) -> int | Bad:
    """The verdict on a frame that passed its checks, once the bytes behind it cannot change it any more.

    A lost data byte 01 makes the true check a data byte and the next frame's start 01 the check, and passes. A
    doubled byte that equals the true check passes as well, and leaves that check behind the frame.
    """
    if buffer[end - 1] == START:
        follows = buffer[end - 1 : end - 1 + HEADER_SIZE]
        if len(follows) < HEADER_SIZE:
            return NEED_MORE
        if not isinstance(plain_check(follows, 0), Bad):
            return Bad("checksum", end - start, {"part": "data", "lost": "01"})
    body = buffer[start + HEADER_SIZE - 1 : end - 1]
    doubled = {one for one, following in pairwise(body) if one == following}
    if doubled and len(buffer) <= end + 1:
        return NEED_MORE
    if doubled and buffer[end] in doubled and buffer[end + 1] == START:
        return Bad("checksum", end - start, {"part": "data", "doubled": f"{buffer[end]:02X}"})
    return end - start


SPEC = FrameSpec(heads=(bytes((START,)),), check=check, max_size=HEADER_SIZE + MAX_DATA + HEADER_SIZE)


def frame(code: int, data: bytes = b"", sequence: int = 0) -> bytes:
    """The frame with these data. Raises ValueError for more than 1,024 bytes of data."""
    if len(data) > MAX_DATA:
        raise ValueError(f"{len(data)} bytes of data; a frame holds at most {MAX_DATA}")
    head = bytes((START,)) + b"".join(number.to_bytes(2, "big") for number in (sequence, len(data), code))
    return head + bytes((check_of(head),)) + data + (bytes((check_of(data),)) if data else b"")


def message(name: str, /, **values: Value) -> bytes:
    """The frame of a message of the table. Raises FieldError for values that do not fit it, KeyError for the name."""
    row = BY_NAME[name]
    return frame(row.type, row.encode(values))


def _longest_data(code: int) -> int:
    rows = BY_TYPE.get(code)
    if rows is None:
        return MAX_UNKNOWN
    if code in MAX_LIST:
        return MAX_LIST[code]
    return max((row.size or 0) + max(row.spare) for row in rows) + SPARE_DATA
