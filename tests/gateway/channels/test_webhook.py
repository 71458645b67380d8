"""The signed webhook: over real HTTP to the stand-in service, and every way a far side can fail."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from analytics.kinds import Priority
from gateway.channels.address import AddressError, check_url, public_addresses, resolve
from gateway.channels.answer import retry_after_s
from gateway.channels.base import Accepted, Dispatch, Refused
from gateway.channels.webhook import WebhookChannel, WebhookOptions
from simulators.assist_service import MODES, AssistConfig, AssistService, Mode, running

SECRET = SecretStr("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
OTHER = SecretStr("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
S = 1_000_000_000
ROOT = Path(__file__).resolve().parents[3]
PAYLOAD = {
    "schema": "alert.v1", "event": "alert.raised", "alert_id": "a1", "kind": "fall", "priority": "high",
    "state": "raised", "revision": 2, "repeat": 0, "test": False, "text": {"zh": "跌倒", "en": "Fall"}, "at_ns": 0,
}  # fmt: skip


def dispatch(key: str = "k1", **more: Any) -> Dispatch:
    facts: dict[str, Any] = {"payload": PAYLOAD | {"at_ns": time.time_ns()}, "attempt": 1, "created_ns": time.time_ns()}
    return Dispatch(
        1,
        "a1",
        "alert.raised",
        "webhook",
        "assist",
        "",
        Priority.HIGH,
        idempotency_key=key,
        lease_token="t",
        **(facts | more),
    )


def options(url: str, **more: Any) -> WebhookOptions:
    return WebhookOptions(url, more.pop("secrets", (SECRET,)), "urn:yinling:test", **({"allow_private": True} | more))


@asynccontextmanager
async def connected(**more: Any) -> AsyncIterator[tuple[WebhookChannel, AssistService]]:
    async with running(AssistConfig(SECRET)) as service:
        channel = WebhookChannel(options(service.url, **more))
        try:
            yield channel, service
        finally:
            await channel.aclose()


def test_accepted_by_its_word_and_known_again() -> None:
    async def scene() -> None:
        async with connected(secrets=(OTHER, SECRET)) as (channel, service):
            for _ in range(3):
                assert await channel.send(dispatch(), time.time_ns()) == Accepted("k1")
            assert len(service.journal.of("event")) == 1
            assert len(service.journal.of("duplicate")) == 2
            assert service.journal.of("event")[0]["data"]["delayed"] is False

    asyncio.run(scene())


def test_late_alerts_say_so() -> None:
    async def scene() -> None:
        async with connected(delayed_after_s=60) as (channel, service):
            late = dispatch(payload=PAYLOAD | {"at_ns": time.time_ns() - 61 * S})
            assert await channel.send(late, time.time_ns()) == Accepted("k1")
            data = service.journal.of("event")[0]["data"]
            assert data["delayed"] is True
            assert data["delay_s"] >= 61

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("mode", "error"),
    [
        ("error", "HTTP 500"),
        ("busy", "HTTP 429"),
        ("gone", "HTTP 410"),
        ("refuse", "does not say"),
        ("half", "cannot reach"),
        ("redirect", "HTTP 307"),
        ("slow", "no answer within"),
        ("down", "cannot reach"),
    ],
)
def test_every_way_to_fail(mode: Mode, error: str) -> None:
    async def scene() -> None:
        async with connected(total_s=0.5) as (channel, service):
            await service.set_mode(mode, count=1, seconds=30)
            result = await channel.send(dispatch(), time.time_ns())
            assert isinstance(result, Refused)
            assert error in result.error
            assert result.gone is (mode == "gone")
            assert result.retry_after_s == (30.0 if mode == "busy" else None)

    asyncio.run(scene())


def test_modes_are_all_tried() -> None:
    assert set(MODES) == {"up", "error", "busy", "gone", "refuse", "half", "redirect", "slow", "down", "lost"}


def test_down_and_up_again() -> None:
    async def scene() -> None:
        async with connected() as (channel, service):
            async with httpx.AsyncClient(trust_env=False) as client:
                control = service.url.replace("/alerts", "/control/mode")
                assert (await client.post(control, json={"mode": "down", "seconds": 0.3})).status_code == 200
            deadline = time.monotonic() + 60
            for wanted in (Refused, Accepted):
                while not isinstance(await channel.send(dispatch(), time.time_ns()), wanted):
                    assert time.monotonic() < deadline
            assert len(service.journal.of("event")) == 1

    asyncio.run(scene())


def test_a_wrong_signature_is_refused_by_the_far_side() -> None:
    async def scene() -> None:
        async with connected(secrets=(OTHER,)) as (channel, service):
            assert await channel.send(dispatch(), time.time_ns()) == Refused("HTTP 401")
            assert len(service.journal.of("rejected")) == 1

    asyncio.run(scene())


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


async def talk(answer: bytes, **more: Any) -> Accepted | Refused:
    """One dispatch to a raw server that sends these bytes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    channel = WebhookChannel(options(f"http://127.0.0.1:{port}/", **more))
    try:
        return await channel.send(dispatch(), time.time_ns())
    finally:
        await channel.aclose()
        server.close()
        await server.wait_closed()


def http(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (http(b"<html>login</html>"), "does not say"),
        (http(b'{"accepted": "yes", "id": "k1"}'), "does not say"),
        (http(b'{"accepted": true}'), "another message"),
        (http(b'{"accepted": true, "id": "k2"}'), "another message"),
        (http(b"[" * 100_000), "larger than"),
        (http(b"[" * 60_000), "does not say"),
        (http(b"true"), "does not say"),
        (http(b"", "503 Busy"), "HTTP 503"),
        (b"SSH-2.0-OpenSSH\r\n", "cannot reach"),
        (b"", "cannot reach"),
    ],
)
def test_what_is_no_acceptance(answer: bytes, error: str) -> None:
    result = asyncio.run(talk(answer))
    assert isinstance(result, Refused)
    assert error in result.error


def test_dripping_far_side_is_cut_off() -> None:
    result = asyncio.run(talk(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{", total_s=0.3))
    assert isinstance(result, Refused)


def test_acceptance_from_a_raw_server() -> None:
    assert asyncio.run(talk(http(b'{"accepted": true, "id": "k1", "more": 1}', "202 Accepted"))) == Accepted("k1")


@pytest.mark.parametrize(
    ("url", "private", "error"),
    [
        ("http://centre.example/", False, "not encrypted"),
        ("ftp://centre.example/", True, "https://"),
        ("https:///x", True, "host"),
        ("https://user:pw@centre.example/", True, "user or password"),
        ("https://a\x00b/", False, "not an address"),
        ("https://centre.example:70000/", False, "port"),
    ],
)
def test_addresses_of_the_wrong_form(url: str, private: bool, error: str) -> None:
    with pytest.raises(AddressError, match=error):
        check_url(url, allow_private=private)


INSIDE = [
    "127.0.0.1",
    "10.1.2.3",
    "192.168.1.1",
    "172.16.0.1",
    "169.254.169.254",
    "0.0.0.0",
    "::1",
    "fe80::1%eth0",
    "fc00::1",
    "::ffff:127.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2001:0:1::1",
    "224.0.0.1",
    "ff0e::1",
    "100.64.0.1",
    "nonsense",
]


@pytest.mark.parametrize("address", INSIDE)
def test_inside_addresses_are_blocked(address: str) -> None:
    async def inside(host: str, port: int) -> list[str]:
        return ["1.1.1.1", address]

    async def scene() -> None:
        channel = WebhookChannel(options("https://centre.example/", allow_private=False), resolver=inside)
        result = await channel.send(dispatch(), time.time_ns())
        assert isinstance(result, Refused)
        assert "inside the local network" in result.error
        await channel.aclose()

    asyncio.run(scene())


def test_public_addresses_pass_the_check() -> None:
    async def outside(host: str, port: int) -> list[str]:
        assert (host, port) == ("centre.example", 8443)
        return ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1"]

    async def nowhere(host: str, port: int) -> list[str]:
        return []

    url = check_url("https://centre.example:8443/", allow_private=False)
    assert len(asyncio.run(public_addresses(url, outside))) == 3
    with pytest.raises(AddressError, match="no address"):
        asyncio.run(public_addresses(url, nowhere))
    assert "127.0.0.1" in asyncio.run(resolve("localhost", 80))


def test_retry_after() -> None:
    now = 1_735_787_045 * S
    assert [retry_after_s(value, now) for value in (None, "7", "soon", "-3", "9" * 12)] == [None, 7.0, None, None, None]
    assert retry_after_s("Thu, 02 Jan 2025 03:04:25 GMT", now) == 20.0
    assert retry_after_s("Thu, 02 Jan 2025 03:04:25 -0000", now) == 20.0
    assert retry_after_s("Thu, 02 Jan 2025 03:00:00 GMT", now) == 0.0


def test_no_secret_leaks(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def scene() -> list[str]:
        async with connected() as (channel, service):
            await service.set_mode("error", count=1)
            result = await channel.send(dispatch(), time.time_ns())
            return [repr(channel), repr(channel._options), repr(result), repr(service.config)]

    text = caplog.text + json.dumps(asyncio.run(scene()))
    assert SECRET.get_secret_value().removeprefix("whsec_") not in text
