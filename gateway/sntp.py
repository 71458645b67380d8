"""Asks a time server how far this box's clock is off: SNTP as in RFC 4330, the codec pure, one query over UDP.

SntpError    the answer is none, or the server itself does not know the time
"""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass

PORT = 123
SIZE = 48
ERA_S = 2_208_988_800
"""Seconds from 1900, where NTP begins, to 1970."""
CLIENT = 0x23
"""Version 4, mode 3."""
SERVER_MODE, UNSYNCHRONISED, FARTHEST_STRATUM = 4, 3, 15
NS = 1_000_000_000
TIMEOUT_S = 5.0


class SntpError(ValueError):
    """No usable answer; the text says why."""


@dataclass(frozen=True, slots=True)
class Offset:
    """offset_s: how far our clock is behind the server's (ahead: negative). error_s: at most so much off."""

    offset_s: float
    error_s: float


def encode_request(cookie: int) -> bytes:
    """A request. cookie: 64 random bits in the place of our time, which the answer must repeat."""
    return bytes([CLIENT]) + bytes(39) + struct.pack(">Q", cookie)


def decode_answer(data: bytes, cookie: int, sent_ns: int, received_ns: int) -> Offset:
    """How far our clock is off. sent_ns, received_ns: our clock's. Raises SntpError."""
    if len(data) < SIZE:
        raise SntpError(f"{len(data)} bytes instead of {SIZE}")
    flags, stratum = data[0], data[1]
    if flags & 7 != SERVER_MODE:
        raise SntpError("no answer of a server")
    if flags >> 6 == UNSYNCHRONISED or not 1 <= stratum <= FARTHEST_STRATUM:
        raise SntpError("the server does not know the time itself")
    originate, received, sent = struct.unpack(">QQQ", data[24:48])
    if originate != cookie:
        raise SntpError("an answer to another question")
    if sent == 0:
        raise SntpError("the answer carries no time")
    theirs_in, theirs_out = (_utc_ns(value, sent_ns) for value in (received, sent))
    offset_ns = ((theirs_in - sent_ns) + (theirs_out - received_ns)) / 2
    delay_ns = (received_ns - sent_ns) - (theirs_out - theirs_in)
    return Offset(offset_ns / NS, max(0.0, delay_ns / NS / 2))


def _utc_ns(value: int, near_ns: int) -> int:
    """An NTP time as UTC nanoseconds; of its eras of 136 years the one that is nearest to our own clock."""
    seconds, fraction = value >> 32, value & 0xFFFFFFFF
    at_s = seconds - ERA_S
    era = round((near_ns / NS - at_s) / 2**32)
    return (at_s + era * 2**32) * NS + (fraction * NS >> 32)


def address_of(server: str) -> tuple[str, int]:
    """`HOST`, `HOST:PORT` or `[IPv6]:PORT`. Raises ValueError."""
    host, separator, port = server.rpartition(":")
    if not separator or server.endswith("]") or (":" in host and not host.endswith("]")):
        host, port = server, str(PORT)
    host = host.strip("[]")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"write a time server as HOST or HOST:PORT, not {server!r}")
    return host, int(port)


class _Question(asyncio.DatagramProtocol):
    def __init__(self, answer: asyncio.Future[bytes]) -> None:
        self._answer = answer

    def datagram_received(self, data: bytes, _address: object) -> None:
        if not self._answer.done():
            self._answer.set_result(data)

    def error_received(self, error: Exception) -> None:
        if not self._answer.done():
            self._answer.set_exception(error)


async def ask(host: str, port: int, cookie: int, *, timeout_s: float = TIMEOUT_S) -> bytes:
    """The answer's bytes. Raises SntpError or OSError (TimeoutError among them)."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[bytes] = loop.create_future()
    async with asyncio.timeout(timeout_s):
        transport, _ = await loop.create_datagram_endpoint(lambda: _Question(answer), remote_addr=(host, port))
        try:
            transport.sendto(encode_request(cookie))
            return await answer
        finally:
            transport.close()
