"""The runtime's own duties: they go on after a failure, and a failing one is never silent."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING

import pytest

from gateway import box_health
from gateway.config import settings_from
from gateway.runtime import Gateway
from gateway.server import GatewayServer
from gateway.watchdog import ALIVE, READY, notify, period_s

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_duty_that_fails_is_tried_again_and_shown_until_it_works(tmp_path: Path) -> None:
    async def body() -> None:
        gateway = Gateway(settings_from({}, tmp_path))
        outcomes = [OSError("disk full"), OSError("disk full"), None, None]
        seen: list[list[str]] = []

        async def duty() -> None:
            seen.append(sorted(gateway._failing))
            outcome = outcomes.pop(0)
            if not outcomes:
                raise asyncio.CancelledError
            if outcome is not None:
                raise outcome

        task = asyncio.create_task(gateway._every("deadlines", 0.0, duty))
        await asyncio.gather(task, return_exceptions=True)
        assert seen == [[], ["deadlines"], ["deadlines"], []]
        gateway._database_thread.shutdown()

    asyncio.run(body())
    item = box_health.failing_item("deadlines")
    assert not item.ok
    assert "deadlines" in item.zh
    assert "deadlines" in item.en


def test_a_port_of_the_console_that_is_taken_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.server.RETRY_S", 0.01)

    async def body() -> None:
        foreign = socket.create_server(("127.0.0.1", 0))
        settings = settings_from({"api": {"port": foreign.getsockname()[1]}, "mqtt": {"embedded": False}}, tmp_path)
        gateway = Gateway(settings)
        await gateway.open()
        server = GatewayServer(gateway.context)
        accepting = asyncio.Event()
        serving = asyncio.create_task(server.serve(accepting))
        await asyncio.sleep(0.1)
        assert not serving.done()
        foreign.close()
        await asyncio.wait_for(accepting.wait(), 30)
        server.stop()
        await serving
        never = asyncio.create_task(asyncio.sleep(0))
        await gateway._close({never})

    asyncio.run(body())


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, 5.0),
        ({"WATCHDOG_USEC": "30000000"}, 5.0),
        ({"WATCHDOG_USEC": "6000000"}, 3.0),
        ({"WATCHDOG_USEC": "6000000", "WATCHDOG_PID": str(os.getpid())}, 3.0),
        ({"WATCHDOG_USEC": "6000000", "WATCHDOG_PID": "1"}, 5.0),
        ({"WATCHDOG_USEC": "1000"}, 1.5),
        ({"WATCHDOG_USEC": "0"}, 5.0),
        ({"WATCHDOG_USEC": "soon"}, 5.0),
    ],
)
def test_signs_of_life_come_twice_as_often_as_they_are_waited_for(environment: dict[str, str], seconds: float) -> None:
    assert period_s(environment) == seconds


def test_the_service_manager_hears_of_it_and_an_absent_one_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify(ALIVE)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "absent"))
    assert not notify(ALIVE)
    monkeypatch.setenv("NOTIFY_SOCKET", "@yinling-nobody-listens-here")
    assert not notify(ALIVE)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        assert notify(READY)
        assert manager.recv(64) == READY
