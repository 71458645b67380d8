"""A plain HTTP/1.1 server that does exactly what it is told with each request, also what no decent server would do.

    async with listening(behaviour) as port: ...

A behaviour gets the request and a `Line` to the client: it may answer, answer half, say nothing, stop in the middle of
its headers, never stop, or reset the connection. Each connection serves one request.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Mapping

LARGEST_HEAD = 64 * 1024
LARGEST_BODY = 1024 * 1024
GONE = (OSError, asyncio.LimitOverrunError, ValueError)
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked; names of headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Line:
    """The connection to the client, for as long as the behaviour lasts; it is closed afterwards."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Write these very bytes."""
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self, status: int, body: Any = None, headers: Mapping[str, str] | None = None) -> None:
        """A whole answer. body: bytes as they are, anything else as JSON."""
        await self.send(response(status, body, headers))

    def reset(self) -> None:
        """End the connection so that the client sees a reset, not an end."""
        raw: socket.socket | None = self._writer.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self._writer.transport.abort()


Behaviour = Callable[[Request, Line], Awaitable[None]]


def response(status: int, body: Any = None, headers: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a whole answer."""
    data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    head = {"content-type": "application/json", "content-length": str(len(data)), "connection": "close"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in (head | dict(headers or {})).items())
    return f"HTTP/1.1 {status} Told\r\n{lines}\r\n".encode() + data


@contextlib.asynccontextmanager
async def listening(
    behaviour: Behaviour, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Serve within the block; gives the port. At its end every connection is cut."""
    going: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            going.add(task)
            task.add_done_callback(going.discard)
        # A client that goes away, or this server's own end, is no fault of the behaviour.
        with contextlib.suppress(asyncio.CancelledError, asyncio.IncompleteReadError, *GONE):
            await behaviour(await _request(reader), Line(writer))
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, host, port, ssl=tls, limit=LARGEST_HEAD)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in going:
            task.cancel()
        await asyncio.gather(*going, return_exceptions=True)
        await server.wait_closed()


async def _request(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines) if name
    }
    length = min(int(headers.get("content-length", "0")), LARGEST_BODY)
    return Request(method, path, headers, await reader.readexactly(length))
