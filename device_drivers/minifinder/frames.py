"""Frames of Eview / MiniFinder pendants: AB, flags, length, CRC, index, body; and the body's list of keyed items.

    AB · flags (bit 4: wants an answer) · length u16 · CRC-16/XMODEM of the body u16 · index u16 · body
    body: type (01 data, 02 configuration, 03 services, 04 control, 7F response), then items: length, key, value

Little-endian. The length of an item counts its key. Source: Traccar's decoder and its real frames (Apache-2.0; facts
and byte strings only).
"""

from __future__ import annotations

import struct
from binascii import crc_hqx
from dataclasses import dataclass
from typing import TYPE_CHECKING

from device_drivers.framing import NEED_MORE, Bad, FrameSpec

if TYPE_CHECKING:
    from collections.abc import Iterable

HEAD = b"\xab"
HEAD_SIZE = 8
MAX_BODY = 2_040
WANTS_ANSWER = 0x10
DATA, CONFIGURATION, SERVICES, CONTROL, RESPONSE = 0x01, 0x02, 0x03, 0x04, 0x7F
_FIELDS = struct.Struct("<BBHHH")
_LENGTH_AND_CRC = struct.Struct("<HH")

Item = tuple[int, bytes]
"""Key and value."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame whose CRC was right."""

    flags: int
    index: int
    type: int
    items: tuple[Item, ...]

    @property
    def wants_answer(self) -> bool:
        """Whether the device repeats it until it is answered."""
        return bool(self.flags & WANTS_ANSWER)


def _check(buffer: bytearray, start: int) -> int | Bad:
    length: int
    stated: int
    if len(buffer) - start < HEAD_SIZE:
        return NEED_MORE
    length, stated = _LENGTH_AND_CRC.unpack_from(buffer, start + 2)
    if not 1 <= length <= MAX_BODY:
        return Bad("length", HEAD_SIZE, {"length": length})
    body = buffer[start + HEAD_SIZE : start + HEAD_SIZE + length]
    if _overruns(body, length):
        return Bad("structure", HEAD_SIZE, {"length": length})
    if len(body) < length:
        return NEED_MORE
    actual = crc_hqx(bytes(body), 0)
    if actual != stated:
        return Bad("crc", HEAD_SIZE + length, {"expected": f"{actual:04X}", "found": f"{stated:04X}"})
    return HEAD_SIZE + length


def _overruns(body: bytearray, length: int) -> bool:
    """Whether an item begun in these bytes would end after the body: then this is no frame, and not waited for."""
    at = 1
    while at < min(len(body), length):
        at += 1 + body[at]
    return at > length


SPEC = FrameSpec(heads=(HEAD,), check=_check, max_size=HEAD_SIZE + MAX_BODY)


def parse(whole: bytes) -> Frame:
    """A frame that `SPEC` has cut out."""
    _, flags, _, _, index = _FIELDS.unpack_from(whole)
    body, at = whole[HEAD_SIZE:], 1
    items: list[Item] = []
    while at < len(body):
        size = body[at]
        if size:
            items.append((body[at + 1], body[at + 2 : at + 1 + size]))
        at += 1 + size
    return Frame(flags, index, body[0], tuple(items))


def encode(kind: int, items: Iterable[Item], index: int = 0, flags: int = 0) -> bytes:
    """A frame. Raises ValueError where an item or the body is too long."""
    body = bytes((kind,)) + b"".join(_item(key, value) for key, value in items)
    if len(body) > MAX_BODY:
        raise ValueError(f"the body has {len(body)} bytes; at most {MAX_BODY}")
    return _FIELDS.pack(HEAD[0], flags, len(body), crc_hqx(body, 0), index) + body


def _item(key: int, value: bytes) -> bytes:
    if len(value) > 254:
        raise ValueError(f"item {key:02X} has {len(value)} bytes; at most 254")
    return bytes((len(value) + 1, key)) + value
