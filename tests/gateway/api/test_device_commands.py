"""Commands by the API: the allow-list of the family, scopes, the audit, typed errors, and the device's answer."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from api_site import NOW
from route_table import D

from device_drivers.registry import find_driver
from device_drivers.transports.tcp_listener import TcpOptions
from gateway.api.scopes import Role
from gateway.audit import digest
from gateway.registry import Device
from gateway.tcp_source import TcpSource
from simulators.watch import WatchDevice

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    import httpx
    from api_site import ApiSite

WATCH = "9032074659"
PATH = f"{D}/{WATCH}/commands"


@contextlib.asynccontextmanager
async def connected(site: ApiSite, *, deaf: bool = False) -> AsyncIterator[WatchDevice]:
    """The site with a TCP port, and a simulated watch on a real connection. deaf: it hears, and says nothing."""
    families = [find_driver("watch_3g")]
    source = TcpSource(TcpOptions(), families, lambda *_: None, lambda: NOW, lambda: 0.0)
    source.allow([Device(WATCH, "watch_3g")])
    site.ask_device = source.ask
    running = asyncio.create_task(source.run())
    reader, writer = await asyncio.open_connection(*(await source.listener.listening()))
    watch = WatchDevice(WATCH)

    async def pump() -> None:
        while data := await reader.read(4096):
            said = watch.feed(data)
            if not deaf:
                writer.write(said)

    pumping = asyncio.create_task(pump())
    writer.write(watch.connect(NOW))
    try:
        async with asyncio.timeout(60):
            while WATCH not in source.connected_devices:  # noqa: ASYNC110 - any condition
                await asyncio.sleep(0.005)
        yield watch
    finally:
        pumping.cancel()
        writer.close()
        source.stop()
        await running
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def play(site: ApiSite, act: Callable[[WatchDevice], Awaitable[None]], **more: Any) -> None:
    site.registry.add_device(Device(WATCH, "watch_3g", placement="worn"), by="test", now_ns=NOW)
    site.registry.assign(WATCH, "r1", by="test", now_ns=NOW)

    async def run() -> None:
        async with connected(site, **more) as watch:
            await act(watch)

    site.runner.run(run())


async def tell(site: ApiSite, body: dict[str, Any], key: Any = Role.OPERATOR) -> httpx.Response:
    return await site.ask("POST", PATH, key, json=body)


def test_a_watch_obeys_and_its_answer_is_told(site: ApiSite) -> None:
    async def act(watch: WatchDevice) -> None:
        answer = await tell(site, {"command": "find", "wait_s": 30.0})
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert (told["sent"], told["answer"]["kind"], told["answer"]["fields"]["type"]) == (True, "ack", "FIND")
        assert watch.rings == 1
        answer = await tell(site, {"command": "interval", "args": {"value": 60}, "wait_s": 30.0})
        assert answer.json()["answer"]["fields"]["type"] == "UPLOAD"
        assert watch.interval_s == 60
        located = (await tell(site, {"command": "locate", "wait_s": 30.0})).json()["answer"]
        assert (located["kind"], located["fields"]["type"]) == ("report", "UD")
        assert "latitude" not in located["fields"]

    play(site, act)
    entries = [one for one in site.audit() if one.action == "device.command"]
    assert [one.detail for one in reversed(entries)] == [
        {"command": "find", "args": None},
        {"command": "interval", "args": digest({"value": 60})},
        {"command": "locate", "args": None},
    ]
    assert {one.subject for one in entries} == {f"device:{WATCH}"}


def test_a_watch_that_says_nothing(site: ApiSite) -> None:
    async def act(watch: WatchDevice) -> None:
        answer = await tell(site, {"command": "find", "wait_s": 0.2})
        assert (answer.status_code, answer.json()) == (200, {"sent": True, "answer": None})
        while not watch.rings:  # noqa: ASYNC110 - the bytes are on their way
            await asyncio.sleep(0.005)

    play(site, act, deaf=True)


def test_one_command_at_a_time(site: ApiSite) -> None:
    async def act(_watch: WatchDevice) -> None:
        first = asyncio.create_task(tell(site, {"command": "find", "wait_s": 30.0}))
        while not any(one.action == "device.command" for one in site.audit(3)):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        async with asyncio.timeout(60):
            while (second := await tell(site, {"command": "find", "wait_s": 0.0})).status_code != 409:
                pass
        assert second.json()["type"].endswith(":conflict")
        first.cancel()
        await asyncio.wait([first])
        async with asyncio.timeout(60):
            while (await tell(site, {"command": "find", "wait_s": 0.0})).status_code != 200:
                pass

    play(site, act, deaf=True)


@pytest.mark.parametrize(
    ("body", "word", "detail"),
    [
        ({"command": "explode"}, "unknown-command", "locate, interval, find"),
        ({"command": "interval"}, "invalid", "whole number"),
        ({"command": "interval", "args": {"value": 5}}, "invalid", "10 to 86400"),
        ({"command": "find", "args": {"value": 1}}, "invalid", "takes no value"),
        ({"command": "find", "args": {"loud": 1}}, "invalid", "problem"),
        ({"command": "find", "wait_s": 31.0}, "invalid", "problem"),
        ({"command": "find", "hurry": True}, "invalid", "problem"),
        ({}, "invalid", "problem"),
    ],
)
def test_what_cannot_be_told(site: ApiSite, body: dict[str, Any], word: str, detail: str) -> None:
    async def act(watch: WatchDevice) -> None:
        answer = await tell(site, body)
        assert (answer.status_code, answer.json()["type"]) == (422, f"urn:yinling:problem:{word}")
        assert detail in answer.json()["detail"]
        assert not watch.commands

    play(site, act)


def test_a_device_that_is_not_connected(site: ApiSite) -> None:
    site.registry.add_device(Device(WATCH, "watch_3g"), by="test", now_ns=NOW)
    answer = site.post(PATH, {"command": "find"})
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:yinling:problem:offline")
    assert "not connected" in answer.json()["detail"]


def test_devices_that_take_no_commands(site: ApiSite) -> None:
    answer = site.post(f"{D}/spare/commands", {"command": "find"})
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:yinling:problem:unknown-command")
    assert "it knows: none" in answer.json()["detail"]
    site.registry.add_device(Device("old", "departed"), by="test", now_ns=NOW)
    assert site.post(f"{D}/old/commands", {"command": "find"}).status_code == 422
    assert site.post(f"{D}/nobody/commands", {"command": "find"}).status_code == 404


def test_who_may_command(site: ApiSite) -> None:
    async def act(watch: WatchDevice) -> None:
        for role, status in ((Role.VIEWER, 403), (Role.INTEGRATOR, 403)):
            assert (await tell(site, {"command": "find"}, role)).status_code == status
        other = site.key(Role.OPERATOR, residents=["r2"]).secret
        assert (await tell(site, {"command": "find"}, other)).status_code == 404
        assert not watch.commands
        mine = site.key(Role.OPERATOR, residents=["r1"]).secret
        assert (await tell(site, {"command": "find", "wait_s": 0.0}, mine)).status_code == 200

    play(site, act)
