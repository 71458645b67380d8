"""Frames of JT/T 808: 7E · header · body · XOR · 7E, with 7E and 7D escaped inside.

    header: message u16 · attributes u16 (bits 0-9 length of the body, 13 part of several, 14 version 2019)
            · [version u8] · phone, 6 bytes BCD (2019: 10) · serial u16 · [parts u16, part u16]

Big-endian. 7E stands nowhere else, so everything between two of them is one frame or rubbish: a lost delimiter costs
the two frames beside it and no more. The XOR misses a lost zero byte, therefore the length must be right as well.
Source: JT/T 808-2013 and -2019 as implemented by Traccar (Apache-2.0; facts and byte strings only).
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from functools import reduce
from operator import xor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from device_drivers.codec import CodecHealth
    from device_drivers.framing import Refuse

FLAG = 0x7E
MAX_FRAME = 2_200
"""1,023 bytes of body, 21 of header and the XOR, all of them escaped, and two delimiters: 2,092."""
SPLIT_BIT, VERSION_BIT = 13, 14
LENGTH_MASK = 0x3FF
MIN_SIZE = 13
_ESCAPE = re.compile(rb"\x7d(.?)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame whose XOR and length were right. version: of a 2019 header, else None. part: (number, of how many)."""

    message: int
    phone: bytes
    serial: int
    body: bytes
    version: int | None = None
    part: tuple[int, int] | None = None

    @property
    def id(self) -> str:
        """The device's id: its digits; leading zeros of a 2019 header left out; a binary one as IMEI."""
        text = self.phone.hex()
        if not text.isdigit():
            number = int.from_bytes(self.phone, "big")
            return f"{number}{luhn(number)}"
        return (text.lstrip("0") or "0") if self.version is not None else text


class Splitter:
    """Cuts a stream at its delimiters; counts and keeps what is no frame. At most `MAX_FRAME` bytes wait."""

    def __init__(self, health: CodecHealth, refuse: Refuse) -> None:
        self._health = health
        self._refuse = refuse
        self._buffer = bytearray()
        self._inside = False
        self._overlong = False

    @property
    def pending(self) -> int:
        """Bytes that wait for their end."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that these bytes complete."""
        found: list[Frame] = []
        pieces = data.split(b"\x7e")
        for piece in pieces[:-1]:
            self._keep(piece)
            found += self._end()
            self._inside = True
        self._keep(pieces[-1])
        return found

    def _keep(self, piece: bytes) -> None:
        if not self._inside or self._overlong:
            self._health.skipped_bytes += len(piece)
            return
        room = MAX_FRAME - len(self._buffer)
        self._buffer += piece[:room]
        if len(piece) > room:
            self._overlong = True
            self._refuse("too_long", bytes(self._buffer))
            self._health.skipped_bytes += len(self._buffer) + len(piece) - room
            self._buffer.clear()

    def _end(self) -> list[Frame]:
        raw = bytes(self._buffer)
        self._buffer.clear()
        self._overlong = False
        if not raw:
            return []
        frame = self._parse(raw)
        if frame is None:
            self._health.skipped_bytes += len(raw)
            return []
        self._health.frames += 1
        return [frame]

    def _parse(self, raw: bytes) -> Frame | None:
        whole = b"\x7e" + raw + b"\x7e"
        plain = _unescape(raw)
        if plain is None or len(plain) < MIN_SIZE:
            self._refuse("escape" if plain is None else "length", whole)
            return None
        if reduce(xor, plain):
            expected = reduce(xor, plain[:-1])
            self._refuse("checksum", whole, expected=f"{expected:02X}", found=f"{plain[-1]:02X}")
            return None
        frame = _header(plain[:-1])
        if frame is None:
            self._refuse("length", whole)
        return frame


def _header(plain: bytes) -> Frame | None:
    message, attributes = struct.unpack_from(">HH", plain)
    version: int | None = None
    at, phone_size = 4, 6
    if attributes >> VERSION_BIT & 1:
        version, at, phone_size = plain[4], 5, 10
    split = attributes >> SPLIT_BIT & 1
    body_at = at + phone_size + 2 + 4 * split
    if len(plain) != body_at + (attributes & LENGTH_MASK):
        return None
    serial = int.from_bytes(plain[at + phone_size : at + phone_size + 2], "big")
    part: tuple[int, int] | None = None
    if split:
        total, number = struct.unpack_from(">HH", plain, at + phone_size + 2)
        part = (number, total)
    return Frame(message, plain[at : at + phone_size], serial, plain[body_at:], version, part)


def _unescape(raw: bytes) -> bytes | None:
    """Undo the escapes; None for a 7D that stands before anything but 01 or 02."""
    if b"\x7d" not in raw:
        return raw
    if any(found[1] not in {b"\x01", b"\x02"} for found in _ESCAPE.finditer(raw)):
        return None
    return _ESCAPE.sub(lambda found: b"\x7d" if found[1] == b"\x01" else b"\x7e", raw)


def encode(frame: Frame) -> bytes:
    """The bytes of a frame. Raises ValueError where the body or the phone has the wrong size."""
    if len(frame.body) > LENGTH_MASK or len(frame.phone) != (6 if frame.version is None else 10):
        raise ValueError(
            f"body of {len(frame.body)} bytes, phone of {len(frame.phone)}: too long, or not of the header"
        )
    attributes = len(frame.body) | (frame.version is not None) << VERSION_BIT | (frame.part is not None) << SPLIT_BIT
    plain = struct.pack(">HH", frame.message, attributes)
    plain += bytes((frame.version,)) if frame.version is not None else b""
    plain += frame.phone + frame.serial.to_bytes(2, "big")
    plain += struct.pack(">HH", frame.part[1], frame.part[0]) if frame.part is not None else b""
    plain += frame.body
    plain += bytes((reduce(xor, plain),))
    return b"\x7e" + plain.replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02") + b"\x7e"


def phone(digits: str, size: int = 6) -> bytes:
    """Digits as BCD, filled up with zeros in front. Raises ValueError where they do not fit."""
    if not digits.isdigit() or len(digits) > 2 * size:
        raise ValueError(f"{digits!r} is not 1 to {2 * size} digits")
    return bytes.fromhex(digits.zfill(2 * size))


def luhn(number: int) -> int:
    """The check digit of an IMEI."""
    digits = [int(digit) for digit in reversed(str(number))]
    return -sum(sum(divmod(2 * digit, 10)) if at % 2 == 0 else digit for at, digit in enumerate(digits)) % 10
