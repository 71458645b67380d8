"""A watch over real TCP into the whole gateway: SOS becomes a committed alert, is answered, and the watch obeys."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from gateway.config import settings_from
from gateway.registry import Device, Resident
from gateway.runtime import Gateway
from gateway.tcp_source import TcpSource
from simulators.watch import WatchDevice

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

WATCH, STRANGER = "9032074659", "1111111111"
PATIENCE_S = 30.0
ANSWER_S = 1.0


@dataclass
class Line:
    """One simulated watch on a real connection."""

    watch: WatchDevice
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def pump(self) -> None:
        """Hand what the gateway sends to the watch, and its words back, until the gateway hangs up."""
        while data := await self.reader.read(4096):
            self.writer.write(self.watch.feed(data))

    def tick(self) -> None:
        self.writer.write(self.watch.tick(time.time_ns()))


@contextlib.asynccontextmanager
async def running(folder: Path, port: int, api_port: int) -> AsyncIterator[Gateway]:
    tree = {
        "data_directory": str(folder / "data"),
        "api": {"port": api_port},
        "mqtt": {"embedded": False, "families": []},
        "tcp": [{"port": port}],
    }
    gateway = Gateway(settings_from(tree, folder))
    await gateway.open()
    now_ns = gateway.clock()
    for act, record in (
        (gateway.registry.add_resident, Resident("wang", "王秀英")),
        (gateway.registry.add_device, Device(WATCH, "watch_3g", placement="worn")),
    ):
        await gateway.in_database(act, record, by="test", now_ns=now_ns)
    await gateway.in_database(gateway.registry.assign, WATCH, "wang", by="test", now_ns=now_ns)
    await gateway.registry_changed()
    stop = asyncio.Event()
    part = asyncio.create_task(gateway.run(stop))
    try:
        source = port_of(gateway)
        await source.listener.listening()
        yield gateway
    finally:
        stop.set()
        await part


def port_of(gateway: Gateway) -> TcpSource:
    (source,) = gateway.sources
    assert isinstance(source, TcpSource)
    return source


@contextlib.asynccontextmanager
async def connected(watch: WatchDevice, port: int) -> AsyncIterator[Line]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    line = Line(watch, reader, writer)
    pumping = asyncio.create_task(line.pump())
    writer.write(watch.connect(time.time_ns()))
    try:
        yield line
    finally:
        pumping.cancel()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def until(condition: Callable[[], bool], patience_s: float = PATIENCE_S) -> float:
    """Seconds until it is true."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < patience_s, "the condition did not come true"
        await asyncio.sleep(0.005)
    return time.monotonic() - began


async def alerts(gateway: Gateway) -> list[Any]:
    page = await gateway.in_database(gateway.alerts.list, limit=100)
    return list(page.alerts)


@pytest.mark.slow
def test_sos_of_a_watch_becomes_an_alert_and_is_answered(tmp_path: Path) -> None:
    import socket

    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        port, api_port = one.getsockname()[1], two.getsockname()[1]
    asyncio.run(_scene(tmp_path, port, api_port))


async def _scene(folder: Path, port: int, api_port: int) -> None:
    watch, stranger = WatchDevice(WATCH), WatchDevice(STRANGER)
    async with running(folder, port, api_port) as gateway, connected(watch, port) as line:
        await until(lambda: watch._unanswered_ns is None)  # the heartbeat was answered
        watch.alarm("sos", time.time_ns())
        line.tick()
        waited_s = await until(lambda: watch._alarm is None)
        assert waited_s < ANSWER_S
        # The answer came after the commit: the alert is there already.
        (alert,) = await alerts(gateway)
        assert (alert.kind, alert.resident_id) == ("help_call", "wang")
        live = gateway.live.value(WATCH, "latitude")
        assert live is not None
        assert live.value == 31.230416
        # History raises nothing; a stranger's SOS does not get in; sent again, it is the same call.
        watch.in_reach = False
        watch.tick(time.time_ns() + 700 * 10**9)
        watch.in_reach = True
        line.tick()
        async with connected(stranger, port) as other:
            stranger.alarm("sos", time.time_ns())
            other.tick()
            await until(lambda: STRANGER in port_of(gateway).unknown)
        assert gateway.command(WATCH, "find")
        await until(lambda: watch.rings == 1)
        assert not gateway.command("nobody", "find")
        assert len(await alerts(gateway)) == 1
        parts = {item.name: item for item in gateway.health()}
        assert parts[f"tcp:127.0.0.1:{port}"].ok
        assert STRANGER in parts[f"tcp:127.0.0.1:{port}"].en
        # A fall within a minute of the call joins it: evidence of the one alert, not a second one.
        concluded = gateway.pipeline.health.findings
        watch.alarm("fall", time.time_ns())
        line.tick()
        await until(lambda: watch._alarm is None)
        assert gateway.pipeline.health.findings > concluded
        assert [one.kind for one in await alerts(gateway)] == ["help_call"]
