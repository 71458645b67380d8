"""The box's watches with a real database, real channels and a real 助急 service; only the time is pushed."""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
import time
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from sqlalchemy import event

from gateway.config import ConfigError, settings_from
from gateway.runtime import Gateway
from gateway.watchdog import ALIVE, READY, STOPPING
from simulators.assist_service import AssistConfig, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from simulators.assist_service import AssistService

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
S = 10**9
START = 1_770_083_940 * S
"""2026-02-03T01:59:00Z, 09:59 in China"""


@dataclass
class Clock:
    """One hand for both clocks."""

    now_s: float = 0.0
    start_ns: int = START

    def utc(self) -> int:
        return self.start_ns + int(self.now_s * S)

    def monotonic(self) -> float:
        return 1_000.0 + self.now_s


@asynccontextmanager
async def opened(folder: Path, clock: Clock, **tree: Any) -> AsyncIterator[Gateway]:
    """A gateway whose parts do not run by themselves: the test calls its duties."""
    settings = settings_from({"mqtt": {"embedded": False, "families": []}, "site": {"name": "家"}, **tree}, folder)
    gateway = Gateway(settings, clock.utc, clock.monotonic)
    await gateway.open()
    try:
        yield gateway
    finally:
        await gateway._close({asyncio.create_task(asyncio.sleep(0))})


def assist(folder: Path, service: AssistService, **more: Any) -> dict[str, Any]:
    (folder / "secret").write_text(SECRET, encoding="ascii")
    secret = {"file": "secret"}
    return {"url": service.url, "secrets": [secret], "callback_secret": secret, "allow_private": True, **more}


async def told(gateway: Gateway) -> list[tuple[str, bool]]:
    """Kind and whether it is open, of every alert, the oldest first, once what was reported is written down."""
    await gateway.watches.look()
    found, gateway.pipeline._reported = gateway.pipeline._reported, []
    await gateway._take_findings(found, gateway.clock())
    page = await gateway.in_database(gateway.alerts.list, None, limit=50)
    return [(one.kind, one.state.open) for one in reversed(page.alerts)]


def names(gateway: Gateway) -> dict[str, bool]:
    return {item.name: item.ok for item in gateway.watches.health()}


def test_the_far_side_falls_silent_and_answers_again_over_a_restart(tmp_path: Path) -> None:
    async def body() -> None:
        clock = Clock(start_ns=time.time_ns())
        async with running(AssistConfig(SecretStr(SECRET))) as service:
            tree = {"assist": assist(tmp_path, service, heartbeat_s=20)}
            async with opened(tmp_path, clock, **tree) as gateway:
                await gateway.watches.beat("webhook")
                (site,) = service.dead_man.listed()
                assert site["said"]["interval_s"] == 20
                assert site["said"]["site"] == "家"
                assert service.journal.of("event") == []
                assert await told(gateway) == []
                assert names(gateway)["heartbeat:webhook"]
                await service.set_mode("refuse")
                for _ in range(4):
                    clock.now_s += 20
                    await gateway.watches.beat("webhook")
                assert await told(gateway) == [("assist_silent", True)]
                assert not names(gateway)["heartbeat:webhook"]
                assert await told(gateway) == [("assist_silent", True)]
            async with opened(tmp_path, clock, **tree) as gateway:
                clock.now_s += 70
                assert await told(gateway) == [("assist_silent", True)]
                await service.set_mode("up")
                await gateway.watches.beat("webhook")
                assert ("assist_silent", False) in await told(gateway)

    asyncio.run(body())


def test_the_date_of_the_answers_shows_a_wrong_clock(tmp_path: Path) -> None:
    async def body() -> None:
        clock = Clock(start_ns=time.time_ns())
        async with (
            running(AssistConfig(SecretStr(SECRET))) as service,
            opened(tmp_path, clock, assist=assist(tmp_path, service)) as gateway,
        ):
            clock.now_s -= 120
            await gateway.watches.beat("webhook")
            assert ("box_clock_wrong", True) in await told(gateway)
            assert names(gateway)["clock_sync"] is False
            clock.now_s += 120
            await gateway.watches.beat("webhook")
            assert ("box_clock_wrong", False) in await told(gateway)
            assert names(gateway)["clock_sync"] is True

    asyncio.run(body())


def test_a_test_alert_is_sent_at_its_time_accepted_and_over(tmp_path: Path) -> None:
    async def body() -> None:
        clock = Clock()
        async with (
            running(AssistConfig(SecretStr(SECRET))) as service,
            opened(tmp_path, clock, assist=assist(tmp_path, service, heartbeat_s=0, test={})) as gateway,
        ):
            watches = gateway.watches
            assert "test_alert" in [duty.name for duty in watches.duties()]
            await watches.drill()
            assert await told(gateway) == []
            clock.now_s += 60
            await watches.drill()
            assert await told(gateway) == [("test_alert", True)]
            clock.now_s += 301
            await watches.drill()
            assert ("test_failed", True) in await told(gateway)
            (dispatch,) = [d for d in gateway.alerts.outbox.claim(clock.utc(), 9) if d.channel == "webhook"]
            result = await gateway._channels["webhook"].send(dispatch, time.time_ns())
            await gateway.in_database(gateway.alerts.settle, dispatch, result, clock.utc())
            (event,) = service.journal.of("event")
            assert event["data"]["test"] is True
            await watches.drill()
            await watches.drill()
            assert await told(gateway) == [("test_alert", False), ("test_failed", False)]

    asyncio.run(body())


def test_a_full_disk_and_one_that_cannot_be_written(tmp_path: Path) -> None:
    async def body() -> None:
        clock = Clock()
        async with opened(tmp_path, clock, watch={"disk_free_mb": 10_000_000}) as gateway:
            assert await told(gateway) == [("disk_low", True)]
            assert names(gateway)["disk"] is False
        async with opened(tmp_path, clock) as gateway:
            assert await told(gateway) == [("disk_low", True)]
            clock.now_s += 60
            assert await told(gateway) == [("disk_low", False)]
            stamp = gateway.settings.data / "alive.new"
            stamp.mkdir()  # what stands in the way of the stamp is as good as a broken disk
            await gateway.watches.stamp()
            assert ("disk_fault", True) in await told(gateway)
            assert names(gateway)["disk"] is False
            stamp.rmdir()
            await gateway.watches.stamp()
            assert ("disk_fault", False) in await told(gateway)

    asyncio.run(body())


def test_having_been_off_is_told_with_its_times(tmp_path: Path) -> None:
    async def body() -> None:
        clock = Clock()
        async with opened(tmp_path, clock) as gateway:
            assert await told(gateway) == []
        clock.now_s += 30
        async with opened(tmp_path, clock) as gateway:
            assert await told(gateway) == []
        clock.now_s += 3600
        async with opened(tmp_path, clock) as gateway:
            assert await told(gateway) == [("box_was_off", True)]
            (alert,) = gateway.alerts.open_alerts()
            assert alert.evidence["from"] == "2026-02-03 09:59"
            assert alert.evidence["to"] == "2026-02-03 10:59"
            assert alert.evidence["cause"] == "ended"

    asyncio.run(body())


def test_having_been_off_is_told_later_where_the_database_is_locked_at_the_start(tmp_path: Path) -> None:
    async def body() -> None:
        clock = Clock()
        async with opened(tmp_path, clock) as gateway:
            assert await told(gateway) == []
            clock.now_s += 3600
            engine = gateway.database.engine
            event.listen(engine, "checkout", lambda raw, *_: raw.execute("PRAGMA busy_timeout = 50").close())
            with closing(sqlite3.connect(gateway.database.path, isolation_level=None)) as other:
                other.execute("BEGIN EXCLUSIVE")
                await gateway.watches.begin()
                other.execute("ROLLBACK")
            assert gateway.alerts.open_alerts() == []
            assert await told(gateway) == [("box_was_off", True)]

    asyncio.run(body())


def test_messages_that_wait_too_long_are_a_fault_that_lowers_nothing(tmp_path: Path) -> None:
    from analytics.findings import Finding, Phase
    from gateway.registry import Contact

    async def body() -> None:
        clock = Clock()
        async with opened(tmp_path, clock) as gateway:
            gateway.registry.add_contact(Contact("c", None, "护士站", "nurse", "absent", "1"), by="t", now_ns=1)
            fall = Finding("f", "fall", None, clock.utc(), Phase.CONFIRMED, 0.9, ("w1",))
            await gateway._take_findings([fall], clock.utc())
            assert await told(gateway) == [("fall", True)]
            clock.now_s += 61
            assert await told(gateway) == [("fall", True)]
            assert names(gateway)["outbox"] is False
            clock.now_s += 10
            assert await told(gateway) == [("fall", True), ("queue_late", True)]
            assert gateway.alerts.open_alerts()[0].kind == "fall"

    asyncio.run(body())


def test_a_time_server_is_asked_where_one_is_set(tmp_path: Path, free_port: int) -> None:
    async def body() -> None:
        clock = Clock()
        async with opened(tmp_path, clock, watch={"ntp_server": f"127.0.0.1:{free_port}"}) as gateway:
            assert "time_server" in [duty.name for duty in gateway.watches.duties()]
            with pytest.raises(OSError, match=r".*"):
                await gateway.watches.ask_time()

    asyncio.run(body())
    with pytest.raises(ConfigError, match="time server"):
        settings_from({"watch": {"ntp_server": "host:port"}}, tmp_path)


def test_the_service_manager_hears_from_a_gateway_that_truly_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(manager: socket.socket) -> list[bytes]:
        heard: list[bytes] = []
        async with opened(tmp_path, Clock()) as gateway:
            await gateway._alive()  # nothing has turned yet
            gateway.dispatcher.rounds += 1
            await gateway._alive()  # the deadlines have not
            gateway.dispatcher.rounds += 1
            gateway._rounds["deadlines"] += 1
            await gateway._alive()
            gateway.dispatcher.rounds += 1
            gateway._rounds["deadlines"] += 1
            await gateway._alive()
            await gateway._alive()  # stuck since the last time
        while True:
            try:
                heard.append(manager.recv(64))
            except BlockingIOError:
                return heard

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as manager:
        path = os.path.relpath(tmp_path / "notify")
        manager.bind(path)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        assert asyncio.run(body(manager)) == [READY, ALIVE, ALIVE, STOPPING]
