"""Consistent Overhead Byte Stuffing: packets on a serial line, each ended by a zero byte that no packet contains.

Source: S. Cheshire, M. Baker, "Consistent Overhead Byte Stuffing", IEEE/ACM Transactions on Networking 7(2), 1999.
A packet is cut into groups of at most 254 bytes without a zero; each group is preceded by its length plus one, and
a length byte below 255 stands for a zero after the group (except at the end of the packet).
"""

from __future__ import annotations

from typing import NamedTuple

DELIMITER = b"\x00"
_LONGEST_GROUP = 254
_KEPT_OF_LOST = 512


class CobsError(ValueError):
    """A length byte points past the end of the packet, or the packet contains a zero."""


def encode(data: bytes) -> bytes:
    """The packet without its delimiter: at most `encoded_size(len(data))` bytes, none of them zero."""
    out = bytearray()
    *groups, last = data.split(DELIMITER)
    for group in groups:
        rest = _put_long(out, group)
        out.append(len(rest) + 1)
        out += rest
    rest = _put_long(out, last)
    if rest or len(last) == 0:
        out.append(len(rest) + 1)
        out += rest
    return bytes(out)


def _put_long(out: bytearray, group: bytes) -> bytes:
    while len(group) >= _LONGEST_GROUP:
        out.append(255)
        out += group[:_LONGEST_GROUP]
        group = group[_LONGEST_GROUP:]
    return group


def encoded_size(size: int) -> int:
    """The most bytes that `size` bytes can take when encoded, without the delimiter."""
    return size + size // _LONGEST_GROUP + 1


def decode(packet: bytes) -> bytes:
    """The bytes of one packet that came without its delimiter. Raises CobsError."""
    if DELIMITER in packet:
        raise CobsError("a zero inside the packet")
    out = bytearray()
    at, size = 0, len(packet)
    while at < size:
        code = packet[at]
        end = at + code
        if end > size:
            raise CobsError(f"length byte {code} at {at} of a packet of {size} bytes")
        out += packet[at + 1 : end]
        at = end
        if code < 255 and at < size:
            out.append(0)
    return bytes(out)


class Packet(NamedTuple):
    """One piece between two delimiters.

    raw: as it came (of an overlong one, the first 512 bytes). data: decoded, None where it could not be.
    reason: "" for a good packet, otherwise "cobs" or "overlong". size: how many bytes came.
    """

    raw: bytes
    data: bytes | None
    reason: str
    size: int


class CobsReader:
    """Cuts a byte stream into packets, however it was chunked; holds at most one packet of `max_packet` bytes.

    max_packet: the longest encoded packet taken, in bytes without its delimiter. A longer one is passed over up to
    the next delimiter. packets, bad and skipped_bytes count good packets, bad ones and the bytes of bad ones.
    """

    def __init__(self, max_packet: int) -> None:
        self.max_packet = max_packet
        self.packets = 0
        self.bad = 0
        self.skipped_bytes = 0
        self._held = bytearray()
        self._size = 0

    def feed(self, data: bytes) -> list[Packet]:
        """The packets that these bytes complete. Empty ones (two delimiters in a row) are no packets."""
        *ended, rest = data.split(DELIMITER)
        found = []
        for piece in ended:
            self._hold(piece)
            if self._size:
                found.append(self._finish())
        self._hold(rest)
        return found

    def _hold(self, piece: bytes) -> None:
        room = self.max_packet - len(self._held)
        self._held += piece[:room]
        self._size += len(piece)

    def _finish(self) -> Packet:
        raw, size = bytes(self._held), self._size
        self._held.clear()
        self._size = 0
        if size > self.max_packet:
            return self._lost(raw[:_KEPT_OF_LOST], "overlong", size)
        try:
            data = decode(raw)
        except CobsError:
            return self._lost(raw, "cobs", size)
        self.packets += 1
        return Packet(raw, data, "", size)

    def _lost(self, raw: bytes, reason: str, size: int) -> Packet:
        self.bad += 1
        self.skipped_bytes += size
        return Packet(raw, None, reason, size)
