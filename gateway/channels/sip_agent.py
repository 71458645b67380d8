"""Sends SIP MESSAGE requests and takes those that come back, over UDP, TCP or TLS.

UDP repeats a request after 0.5, 1, 2, 4, 4 ... s until it is answered (RFC 3261, timers T1 and T2). Over TCP and TLS
one connection to a receiver stays open, so that its answers find the way back through any router.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import re
import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from gateway.channels.sip_message import SipError, SipMessage, SipStream, decode, digest_answer

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from pydantic import SecretStr

log = logging.getLogger(__name__)

T1_S, T2_S = 0.5, 4.0
CHUNK = 8192


class SipUnreachableError(OSError):
    """The receiver did not answer, or closed the connection."""


@dataclass(frozen=True, slots=True)
class SipTarget:
    """Where a receiver is. transport: "udp", "tcp" or "tls". user: its name in the SIP address."""

    user: str
    host: str
    port: int = 5060
    transport: str = "udp"

    @property
    def uri(self) -> str:
        """Its SIP address."""
        suffix = "" if self.transport == "udp" else f";transport={self.transport}"
        return f"sip:{self.user}@{self.host}:{self.port}{suffix}"


def target_of(uri: str) -> SipTarget:
    """`sip:USER@HOST[:PORT][;transport=udp|tcp|tls]` as a target. Raises SipError."""
    found = re.fullmatch(r"sip:([^@;:]+)@([^@;:]+)(?::(\d{1,5}))?(?:;transport=(udp|tcp|tls))?", uri, re.IGNORECASE)
    if found is None:
        raise SipError(f"write a receiver as sip:USER@HOST:PORT;transport=udp, tcp or tls, not {uri!r}")
    user, host, port, transport = found.groups()
    transport = (transport or "udp").lower()
    number = int(port) if port else 5061 if transport == "tls" else 5060
    if not 0 < number < 65536:
        raise SipError(f"the port of {uri!r} must be between 1 and 65535")
    return SipTarget(user, host, number, transport)


@dataclass(frozen=True, slots=True)
class SipOptions:
    """user: our name in the From address. local: address and port to listen on (port 0: any; UDP only).

    username, password: for a receiver that wants a login. tls: None for the system's authorities.
    """

    user: str
    local: tuple[str, int] = ("127.0.0.1", 0)
    username: str | None = None
    password: SecretStr | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None


class SipAgent:
    """taken: called with the content type and body of every MESSAGE that comes in. Close it with `aclose`."""

    def __init__(self, options: SipOptions, taken: Callable[[str, bytes], None]) -> None:
        self._options = options
        self._taken = taken
        self._waiting: dict[str, asyncio.Queue[SipMessage]] = {}
        self._datagrams: asyncio.DatagramTransport | None = None
        self._streams: dict[SipTarget, _Stream] = {}

    async def listen(self) -> tuple[str, int]:
        """Take UDP messages from now on, also before the first is sent; the address and port."""
        name = (await self._udp()).get_extra_info("sockname")
        return str(name[0]), int(name[1])

    async def send(self, target: SipTarget, content_type: str, body: bytes) -> SipMessage:
        """The final response. Raises SipUnreachableError or OSError; bound it by a time-out."""
        request = await self._request(target, content_type, body)
        response = await self._exchange(target, request)
        if response.status in (401, 407) and self._options.username is not None:
            response = await self._exchange(target, self._with_login(request, response, target))
        return response

    async def aclose(self) -> None:
        """Close every socket."""
        if self._datagrams is not None:
            self._datagrams.close()
        for stream in list(self._streams.values()):
            await stream.aclose()
        await asyncio.sleep(0)

    def received(self, message: SipMessage, reply: Callable[[bytes], None]) -> None:
        """A message from any transport: a response goes to whoever waits for it, a request is answered."""
        if message.status:
            queue = self._waiting.get(message.header("call-id") + message.header("cseq"))
            if queue is not None:
                queue.put_nowait(message)
        elif message.method != "ACK":
            known = message.method in ("MESSAGE", "OPTIONS")
            reply(_response(message, 200 if known else 405, "OK" if known else "Method Not Allowed").encode())
            if message.method == "MESSAGE":
                self._taken(message.header("content-type"), message.body)

    async def _exchange(self, target: SipTarget, request: SipMessage) -> SipMessage:
        key = request.header("call-id") + request.header("cseq")
        queue = self._waiting[key] = asyncio.Queue()
        try:
            if target.transport == "udp":
                return await self._over_udp(target, request.encode(), queue)
            stream = await self._stream(target)
            stream.write(request.encode())
            return await stream.first_of(_final(queue))
        finally:
            del self._waiting[key]

    async def _over_udp(self, target: SipTarget, data: bytes, queue: asyncio.Queue[SipMessage]) -> SipMessage:
        sock = await self._udp()
        address = await _address(target)
        final = asyncio.ensure_future(_final(queue))
        try:
            for number in itertools.count():
                sock.sendto(data, address)
                wait = min(T1_S * 2**number, T2_S)
                done, _ = await asyncio.wait({final}, timeout=wait)
                if done:
                    break
            return final.result()
        finally:
            final.cancel()

    async def _udp(self) -> asyncio.DatagramTransport:
        if self._datagrams is None or self._datagrams.is_closing():
            loop = asyncio.get_running_loop()
            made, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), local_addr=self._options.local)
            self._datagrams = made
        return self._datagrams

    async def _stream(self, target: SipTarget) -> _Stream:
        stream = self._streams.get(target)
        if stream is None or stream.ended:
            tls = None if target.transport == "tcp" else (self._options.tls or True)
            reader, writer = await asyncio.open_connection(target.host, target.port, ssl=tls)
            stream = self._streams[target] = _Stream(self, reader, writer)
        return stream

    async def _request(self, target: SipTarget, content_type: str, body: bytes) -> SipMessage:
        host, port = await self._local(target)
        me = f"sip:{self._options.user}@{host}"
        via = f"SIP/2.0/{target.transport.upper()} {host}:{port};branch=z9hG4bK{secrets.token_hex(8)};rport"
        headers = {
            "via": via,
            "max-forwards": "70",
            "from": f"<{me}>;tag={secrets.token_hex(4)}",
            "to": f"<sip:{target.user}@{target.host}>",
            "call-id": f"{secrets.token_hex(12)}@{host}",
            "cseq": "1 MESSAGE",
            "contact": f"<sip:{self._options.user}@{host}:{port};transport={target.transport}>",
            "content-type": content_type,
        }
        return SipMessage(method="MESSAGE", uri=target.uri, headers=tuple(headers.items()), body=body)

    async def _local(self, target: SipTarget) -> tuple[str, int]:
        if target.transport == "udp":
            return await self.listen()
        name = (await self._stream(target)).transport.get_extra_info("sockname")
        return str(name[0]), int(name[1])

    def _with_login(self, request: SipMessage, challenge: SipMessage, target: SipTarget) -> SipMessage:
        proxy = challenge.status == 407
        wanted = challenge.header("proxy-authenticate" if proxy else "www-authenticate")
        password = self._options.password.get_secret_value() if self._options.password else ""
        answer = digest_answer(wanted, self._options.username or "", password, "MESSAGE", target.uri)
        changed = dict(request.headers) | {"cseq": "2 MESSAGE"}
        changed["proxy-authorization" if proxy else "authorization"] = answer
        changed["via"] = changed["via"].partition(";branch=")[0] + f";branch=z9hG4bK{secrets.token_hex(8)};rport"
        return replace(request, headers=tuple(changed.items()))


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, agent: SipAgent) -> None:
        self._agent = agent
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        try:
            message = decode(data)
        except SipError as error:
            log.warning("not SIP from %s: %s", address[0], error)
            return
        if self._transport is not None:
            sock = self._transport
            self._agent.received(message, lambda reply: sock.sendto(reply, address))


class _Stream:
    """One open connection and the task that reads it."""

    def __init__(self, agent: SipAgent, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._agent = agent
        self._reader = reader
        self._writer = writer
        self._reading = asyncio.create_task(self._read())

    @property
    def ended(self) -> bool:
        return self._reading.done()

    @property
    def transport(self) -> asyncio.BaseTransport:
        return self._writer.transport

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    async def first_of(self, waiting: asyncio.Future[SipMessage]) -> SipMessage:
        """The answer, or SipUnreachableError when the connection ends before it."""
        try:
            either: set[asyncio.Future[Any]] = {waiting, self._reading}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                raise SipUnreachableError("the receiver closed the connection")
            return waiting.result()
        finally:
            waiting.cancel()

    async def aclose(self) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self) -> None:
        messages = SipStream()
        try:
            while data := await self._reader.read(CHUNK):
                for message in messages.feed(data):
                    self._agent.received(message, self.write)
        except (SipError, OSError) as error:
            log.warning("a SIP connection is given up: %s", error)
        finally:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()


async def _address(target: SipTarget) -> tuple[str, int]:
    found = await asyncio.get_running_loop().getaddrinfo(target.host, target.port)
    return found[0][4][0], found[0][4][1]  # type: ignore[return-value]


def _final(queue: asyncio.Queue[SipMessage]) -> asyncio.Task[SipMessage]:
    async def wait() -> SipMessage:
        while (message := await queue.get()).status < 200:
            pass
        return message

    return asyncio.create_task(wait())


def _response(request: SipMessage, status: int, reason: str) -> SipMessage:
    headers = [(key, value) for key, value in request.headers if key in ("via", "from", "to", "call-id", "cseq")]
    tagged = [(key, f"{value};tag={secrets.token_hex(4)}" if key == "to" and "tag=" not in value else value)
              for key, value in headers]  # fmt: skip
    return SipMessage(status=status, reason=reason, headers=tuple(tagged))
