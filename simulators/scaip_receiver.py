"""A stand-in social-alarm receiver: SCAIP over SIP MESSAGE, UDP or TCP, answering like a centre or like a broken one.

It reads and writes SIP and SCAIP by itself, so that a mistake of the gateway's own code is not made twice.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable

NONCE = "4f1c0a"


class Manner(StrEnum):
    """How the receiver behaves."""

    TAKES = "takes"
    BUSY = "busy"
    TRANSPORT_ONLY = "transport_only"
    OTHER_REFERENCE = "other_reference"
    UNAVAILABLE = "unavailable"
    DEAF_TWICE = "deaf_twice"
    WANTS_LOGIN = "wants_login"
    HANGS_UP = "hangs_up"


@dataclass
class ScaipReceiver:
    """heard: the tags of every request, in order. login: user and password it wants in its WANTS_LOGIN manner."""

    manner: Manner = Manner.TAKES
    login: tuple[str, str] = ("box", "secret")
    port: int = 0
    heard: list[dict[str, str]] = field(default_factory=list)
    _missed: int = 0

    def take(self, data: bytes, send: Callable[[bytes], None], hang_up: Callable[[], None]) -> None:
        """One whole SIP message."""
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        if not lines[0].startswith("MESSAGE "):
            return
        headers = dict(re.split(r":\s*", line, maxsplit=1) for line in lines[1:])
        headers["Via"] = "\r\nVia: ".join(re.findall(r"(?m)^Via:\s*(.*?)\r?$", head.decode()))
        if self.manner is Manner.DEAF_TWICE and self._missed < 2:
            self._missed += 1
            return
        if self.manner is Manner.HANGS_UP:
            hang_up()
            return
        if self.manner is Manner.WANTS_LOGIN and not self._knows(headers, lines[0]):
            send(
                _reply(
                    headers, "401 Unauthorized", f'WWW-Authenticate: Digest realm="arc", nonce="{NONCE}", qop="auth"'
                )
            )
            return
        if self.manner is Manner.UNAVAILABLE:
            send(_reply(headers, "503 Service Unavailable"))
            return
        send(_reply(headers, "200 OK"))
        self._answer(body.decode(), headers, send)

    def _answer(self, xml: str, headers: dict[str, str], send: Callable[[bytes], None]) -> None:
        tags = dict(re.findall(r"<(\w+)>([^<]*)</\1>", xml))
        self.heard.append(tags)
        if self.manner is Manner.TRANSPORT_ONLY:
            return
        snu, text = (6, "busy") if self.manner is Manner.BUSY else (0, "")
        if f"sip:{tags.get('cid')}@" not in headers["From"]:
            snu, text = 3, "from_user and cid must be identical"
        ref = "x" if self.manner is Manner.OTHER_REFERENCE else tags.get("ref", "")
        body = f"<mrs><ref>{ref}</ref><snu>{snu}</snu>{f'<ste>{text}</ste>' if text else ''}<mre>00</mre></mrs>"
        contact = headers["Contact"].strip("<>")
        send(
            f"MESSAGE {contact} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bKr{len(self.heard)}\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:arc@127.0.0.1>;tag=a1\r\nTo: {headers['From']}\r\nCSeq: 1 MESSAGE\r\n"
            f"Call-ID: answer{len(self.heard)}-{headers['Call-ID']}\r\nContent-Type: application/scaip+xml\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )

    def _knows(self, headers: dict[str, str], first: str) -> bool:
        given = dict(re.findall(r'(\w+)="?([^",]+)"?', headers.get("Authorization", "")))
        if not given:
            return False

        def md5(text: str) -> str:
            return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

        who = md5(f"{self.login[0]}:arc:{self.login[1]}")
        what = md5(f"MESSAGE:{first.split(' ')[1]}")
        right = md5(f"{who}:{NONCE}:{given['nc']}:{given['cnonce']}:auth:{what}")
        return bool(given["username"] == self.login[0] and given["response"] == right)


def _reply(headers: dict[str, str], status: str, *more: str) -> bytes:
    kept = [f"{name}: {headers[name]}" for name in ("Via", "From", "To", "Call-ID", "CSeq")]
    return "\r\n".join([f"SIP/2.0 {status}", *kept, *more, "Content-Length: 0", "", ""]).encode()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, receiver: ScaipReceiver) -> None:
        self._receiver = receiver

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.DatagramTransport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self._receiver.take(data, lambda reply: self._transport.sendto(reply, address), lambda: None)


@asynccontextmanager
async def receiving_udp(receiver: ScaipReceiver) -> AsyncIterator[ScaipReceiver]:
    """Listen on a free UDP port of loopback, given in `port`."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: _Datagrams(receiver), local_addr=("127.0.0.1", receiver.port)
    )
    receiver.port = transport.get_extra_info("sockname")[1]
    try:
        yield receiver
    finally:
        transport.close()
        await asyncio.sleep(0)


@asynccontextmanager
async def receiving_tcp(receiver: ScaipReceiver, tls: ssl.SSLContext | None = None) -> AsyncIterator[ScaipReceiver]:
    """Listen on a free TCP port of loopback, with TLS where a context is given."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                found = re.search(rb"(?i)content-length:\s*(\d+)", head)
                body = await reader.readexactly(int(found[1]) if found else 0)
                receiver.take(head + body, writer.write, writer.close)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", receiver.port, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        await asyncio.sleep(0)
