"""HTTPS to an address that was checked first: the certificate must be that of the name, whatever the address."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from analytics.kinds import Priority
from gateway.channels.base import Accepted, Dispatch, Refused
from gateway.channels.webhook import WebhookChannel, WebhookOptions

SECRET = SecretStr("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
ANSWER = b'{"accepted": true, "id": "k"}'


@asynccontextmanager
async def server(certificate: Path, seen: list[str]) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        seen.extend(line for line in head.splitlines() if line.lower().startswith("host:"))
        length = int(
            next(line for line in head.lower().splitlines() if line.startswith("content-length:")).split(":")[1]
        )
        await reader.readexactly(length)
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(ANSWER), ANSWER))
        await writer.drain()
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        await listening.wait_closed()


async def attempt(certificate: Path, host: str, addresses: list[str], *, trusted: bool = True) -> tuple[Any, list[str]]:
    seen: list[str] = []

    async def resolver(name: str, port: int) -> list[str]:
        assert name == host
        return addresses

    async with server(certificate, seen) as port:
        tls = ssl.create_default_context(cafile=str(certificate)) if trusted else None
        options = WebhookOptions(f"https://{host}:{port}/in", (SECRET,), "urn:yinling:test", tls=tls)
        channel = WebhookChannel(options, resolver=resolver, allowed=lambda address: address.startswith("127."))
        now = time.time_ns()
        dispatch = Dispatch(
            1, "a", "alert.raised", "webhook", "assist", "", Priority.HIGH, {"at_ns": now}, 1, "k", "t", now
        )
        result = await channel.send(dispatch, now)
        await channel.aclose()
        return result, [line.replace(str(port), "PORT") for line in seen]


def test_the_name_is_verified_at_the_checked_address(certificate: Path) -> None:
    result, seen = asyncio.run(attempt(certificate, "centre.example", ["127.0.0.1"]))
    assert result == Accepted("k")
    assert [line.lower() for line in seen] == ["host: centre.example:port"]


def test_the_next_address_is_tried(certificate: Path) -> None:
    result, _ = asyncio.run(attempt(certificate, "centre.example", ["127.0.0.2", "127.0.0.1"]))
    assert result == Accepted("k")


@pytest.mark.parametrize(("host", "trusted"), [("other.example", True), ("centre.example", False)])
def test_another_name_or_an_unknown_authority_is_refused(certificate: Path, host: str, trusted: bool) -> None:
    result, seen = asyncio.run(attempt(certificate, host, ["127.0.0.1"], trusted=trusted))
    assert isinstance(result, Refused)
    assert "cannot reach" in result.error
    assert seen == []


def test_a_blocked_address_is_not_even_connected_to(certificate: Path) -> None:
    result, seen = asyncio.run(attempt(certificate, "centre.example", ["127.0.0.1", "10.0.0.1"]))
    assert isinstance(result, Refused)
    assert "inside the local network" in result.error
    assert seen == []
