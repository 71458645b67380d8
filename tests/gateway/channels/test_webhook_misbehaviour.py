"""Every way in which the far side of a webhook may misbehave, by a real server; what follows is what the page says."""

import asyncio
import gzip
import random
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from analytics.kinds import Priority
from gateway.alerts.schedule import wait_s
from gateway.channels.base import Accepted, Dispatch, Refused
from gateway.channels.webhook import WebhookChannel, WebhookOptions
from simulators.rude_http import Line, Request, listening

SECRET = SecretStr("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
PAGE = Path(__file__).resolve().parents[3] / "docs" / "assist-service.md"
PATIENT_S, HASTY_S = 60.0, 0.4
GOOD = {"accepted": True, "id": "k1"}
MEGABYTE = 1024 * 1024

Behave = Callable[[Request, Line], Awaitable[None]]


async def slow(_: Request, line: Line) -> None:
    await asyncio.Event().wait()


async def drip(_: Request, line: Line) -> None:
    await line.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
    while True:
        await line.send(b" ")
        await asyncio.sleep(0.01)


async def half(_: Request, line: Line) -> None:
    await line.send(b'HTTP/1.1 200 OK\r\ncontent-length: 31\r\n\r\n{"accepted": tr')


async def busy(_: Request, line: Line) -> None:
    await line.answer(429, GOOD, {"retry-after": "7"})


async def gone(_: Request, line: Line) -> None:
    await line.answer(410, GOOD)


async def redirect(_: Request, line: Line) -> None:
    await line.answer(307, GOOD, {"location": "/elsewhere"})


async def reset(_: Request, line: Line) -> None:
    line.reset()


async def huge(_: Request, line: Line) -> None:
    await line.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n")
    for _ in range(1024):
        await line.send(b" " * MEGABYTE)


async def endless_headers(_: Request, line: Line) -> None:
    await line.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        await line.send(b"x-more: " + b"y" * 8000 + b"\r\n")


async def endless_interim(_: Request, line: Line) -> None:
    while True:
        await line.send(b"HTTP/1.1 102 Processing\r\n\r\n")
        await asyncio.sleep(0.01)


async def error_body(_: Request, line: Line) -> None:
    await line.answer(200, {"accepted": False, "errcode": 310000, "errmsg": "refused"})


async def compressed(_: Request, line: Line) -> None:
    await line.answer(200, gzip.compress(b'{"accepted": true, "id": "k1"' + b" " * 50 * MEGABYTE + b"}"))


async def no_http(_: Request, line: Line) -> None:
    await line.send(b"220 mail.example ESMTP\r\n")


async def hang_up(_: Request, line: Line) -> None:
    return


async def server_error(_: Request, line: Line) -> None:
    await line.answer(500, GOOD)


@dataclass(frozen=True)
class Case:
    """error: what the message's row says. total_s: how long one attempt may take."""

    behave: Behave
    error: str
    total_s: float = PATIENT_S
    retry_after_s: float | None = None
    gone: bool = False


CASES = {
    "slow": Case(slow, "no answer within", HASTY_S),
    "drip": Case(drip, "no answer within", HASTY_S),
    "endless interim answers": Case(endless_interim, "no answer within", HASTY_S),
    "half": Case(half, "cannot reach 127.0.0.1: RemoteProtocolError"),
    "429": Case(busy, "HTTP 429", retry_after_s=7.0),
    "410": Case(gone, "HTTP 410", gone=True),
    "redirect": Case(redirect, "HTTP 307"),
    "reset": Case(reset, "cannot reach 127.0.0.1: ReadError"),
    "hang up": Case(hang_up, "cannot reach 127.0.0.1: RemoteProtocolError"),
    "huge body": Case(huge, "larger than"),
    "endless headers": Case(endless_headers, "cannot reach 127.0.0.1: RemoteProtocolError"),
    "200 with an error": Case(error_body, "does not say"),
    "compressed": Case(compressed, "does not say"),
    "no HTTP": Case(no_http, "cannot reach 127.0.0.1: RemoteProtocolError"),
    "500": Case(server_error, "HTTP 500"),
}
ELSEWHERE = ("wrong certificate", "refused port", "unknown name")
"""Tested below; they have no server that answers."""


def dispatch() -> Dispatch:
    now = time.time_ns()
    return Dispatch(1, "a1", "alert.raised", "webhook", "assist", "", Priority.HIGH, {"at_ns": now}, 1, "k1", "t", now)


def channel(url: str, total_s: float = PATIENT_S, **more: Any) -> WebhookChannel:
    options = {"allow_private": True, "tls": None} | more
    resolver = options.pop("resolver", None)
    given = WebhookOptions(url, (SECRET,), "urn:yinling:test", total_s=total_s, **options)
    if resolver is None:
        return WebhookChannel(given)
    return WebhookChannel(given, resolver=resolver, allowed=lambda _: True)


@pytest.mark.parametrize("name", CASES)
def test_a_far_side_that_misbehaves_and_then_behaves(name: str) -> None:
    """The attempt is refused with the reason stated; nothing else is asked; the next attempt is taken."""
    case = CASES[name]

    async def scene() -> tuple[Accepted | Refused, Accepted | Refused, list[Request]]:
        asked: list[Request] = []

        async def behave(request: Request, line: Line) -> None:
            asked.append(request)
            await (case.behave(request, line) if len(asked) == 1 else line.answer(200, GOOD))

        async with AsyncExitStack() as stack:
            port = await stack.enter_async_context(listening(behave))
            hasty = channel(f"http://127.0.0.1:{port}/in", case.total_s)
            patient = channel(f"http://127.0.0.1:{port}/in")
            stack.push_async_callback(hasty.aclose)
            stack.push_async_callback(patient.aclose)
            first = await hasty.send(dispatch(), time.time_ns())
            return first, await patient.send(dispatch(), time.time_ns()), asked

    first, second, asked = asyncio.run(scene())
    assert isinstance(first, Refused)
    assert case.error in first.error
    assert (first.retry_after_s, first.gone) == (case.retry_after_s, case.gone)
    assert second == Accepted("k1")
    assert [request.path for request in asked] == ["/in", "/in"]
    assert asked[0].headers["webhook-id"] == asked[1].headers["webhook-id"] == "k1"
    assert wait_s(Priority.HIGH, 50, random.Random(1), first.retry_after_s) <= 30.0


def test_a_wrong_certificate_is_told_nothing(certificate: Path) -> None:
    async def scene() -> tuple[Accepted | Refused, list[Request]]:
        asked: list[Request] = []

        async def behave(request: Request, line: Line) -> None:
            asked.append(request)
            await line.answer(200, GOOD)

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        async with listening(behave, tls=context) as port:
            stranger = channel(f"https://127.0.0.1:{port}/in")
            result = await stranger.send(dispatch(), time.time_ns())
            await stranger.aclose()
            return result, asked

    assert asyncio.run(scene()) == (Refused("cannot reach 127.0.0.1: ConnectError"), [])


def test_a_port_where_nobody_listens_and_a_name_that_nobody_knows(free_port: int) -> None:
    async def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def scene() -> list[Accepted | Refused]:
        results = []
        nameless = channel("https://centre.invalid/in", allow_private=False, resolver=unknown)
        for one in (channel(f"http://127.0.0.1:{free_port}/in"), nameless):
            results.append(await one.send(dispatch(), time.time_ns()))
            await one.aclose()
        return results

    assert asyncio.run(scene()) == [
        Refused("cannot reach 127.0.0.1: ConnectError"),
        Refused("cannot reach centre.invalid: gaierror"),
    ]


def test_the_page_states_every_one() -> None:
    page = PAGE.read_text(encoding="utf-8")
    told = {line.split("|")[1].strip().strip("`") for line in page.splitlines() if line.startswith("| `")}
    assert [name for name in (*CASES, *ELSEWHERE) if name not in told] == []
