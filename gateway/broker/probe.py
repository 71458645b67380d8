"""Asks the embedded broker over a real connection whether it still works: a process that exists may hang.

MQTT 3.1.1 (OASIS standard), sections 3.1, 3.2, 3.12 to 3.14: CONNECT, CONNACK, PINGREQ, PINGRESP, DISCONNECT.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass, field

CONNACK = 0x20
PINGREQ, PINGRESP, DISCONNECT = b"\xc0\x00", b"\xd0\x00", b"\xe0\x00"
CLEAN_WITH_LOGIN = 0xC2
KEEPALIVE_S = 60
PROBE_USER = "yinling-probe"


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """Where the broker listens, and the login of an account that may do nothing."""

    host: str
    port: int
    tls: bool
    password: str = field(repr=False)
    user: str = PROBE_USER


def connect_packet(user: str, password: str) -> bytes:
    """A CONNECT of a session that leaves nothing behind."""
    body = _text("MQTT") + bytes((4, CLEAN_WITH_LOGIN)) + KEEPALIVE_S.to_bytes(2, "big")
    body += _text(PROBE_USER) + _text(user) + _text(password)
    return bytes((0x10, len(body))) + body


async def answers(target: ProbeTarget, patience_s: float) -> bool:
    """Whether the broker answers a CONNECT and a ping within that time. One that refuses the login answers too."""
    try:
        async with asyncio.timeout(patience_s):
            return await _ask(target)
    except (OSError, EOFError, TimeoutError):
        return False


async def _ask(target: ProbeTarget) -> bool:
    reader, writer = await asyncio.open_connection(target.host, target.port, ssl=_context() if target.tls else None)
    try:
        writer.write(connect_packet(target.user, target.password))
        said = await reader.readexactly(4)
        if said[0] != CONNACK:
            return False
        if said[3] != 0:
            return True
        writer.write(PINGREQ)
        pong = await reader.readexactly(2)
        writer.write(DISCONNECT)
        return pong == PINGRESP
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _context() -> ssl.SSLContext:
    """It is our own child on this machine; its certificate is made for the devices."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _text(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2, "big") + data
