"""Devices fail: a cable is pulled, a watch reconnects all the time, clocks are hours off, a radar goes half deaf.

Each ends in one technical alert that says so to a carer, and in full recovery; all of it seen through the API only.
"""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from fault_site import Clocks, Site, free_ports, in_background, running, until, until_true

from gateway.registry import Device
from simulators.radar import BED_MODEL, RadarDevice
from simulators.serial_port import SimulatedPort
from simulators.watch import WatchDevice

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECOND = 10**9
HOUR_S = 3600.0
RADAR = Device("radar-1", "micradar", "卧室雷达", placement="room")
WATCH, OTHER = "9032074659", "9032074660"


def texts(alert: dict[str, Any]) -> tuple[str, str]:
    return alert["title"]["zh"], alert["title"]["en"]


def advice(alert: dict[str, Any]) -> str:
    return f"{alert['first_step']['zh']} {alert['first_step']['en']}"


class Wire:
    """A bedside radar on a cable that can be pulled. deaf: its heart and breath frames have stopped for good."""

    def __init__(self, link: Path, clock: Callable[[], int]) -> None:
        self.link = link
        self.radar = RadarDevice(BED_MODEL)
        self.port: SimulatedPort | None = SimulatedPort(link)
        self.deaf = False
        self._clock = clock
        self.radar.set_presence(presence=True)
        self.radar.set_in_range(in_range=True)
        self.radar.set_bed("in")
        self.radar.set_heart(66)
        self.radar.set_breathing(15)

    def pull(self) -> None:
        if self.port is not None:
            self.port.close()
            self.port = None

    def plug(self) -> None:
        self.port = SimulatedPort(self.link)

    async def play(self) -> None:
        while True:
            if self.port is not None:
                self.port.write(self.radar.feed(self.port.read()))
                if self.deaf:
                    self.radar.stop_streams()
                self.port.write(self.radar.tick(self._clock()))
            await asyncio.sleep(0.02)


def serial_site(folder: Path) -> dict[str, Any]:
    line = {"url": str(folder / "radar"), "family": "micradar", "device_id": RADAR.id}
    return {"mqtt": {"embedded": False, "families": []}, "tcp": [], "serial": [line]}


@pytest.mark.slow
def test_a_cable_that_is_pulled_and_put_back(tmp_path: Path) -> None:
    async def body() -> None:
        clocks = Clocks()
        wire = Wire(tmp_path / "radar", clocks.utc)
        async with running(tmp_path, serial_site(tmp_path), [RADAR], {RADAR.id: "wang"}, clocks) as site:
            async with in_background(wire.play()):
                await site.value(RADAR.id, "heart_rate")
                wire.pull()
                lost = await site.alert("line_lost", open=True)
                assert (lost["devices"], lost["resident_id"], lost["count"]) == (["radar-1"], "wang", 1)
                assert texts(lost) == ("设备连线中断", "Device line lost")
                assert "插紧" in advice(lost)
                assert "cable" in advice(lost)
                assert not await healthy(site, "serial:radar-1")
                await site.pushed(400)
                back_ns = clocks.utc()
                wire.plug()
                over = await site.alert("line_lost", open=False)
                assert (over["id"], over["outcome"], over["closed_by"]) == (lost["id"], "recovered", "analytics")
                await site.value(RADAR.id, "heart_rate", back_ns)
                await until(lambda: healthy(site, "serial:radar-1"), "the line is not well again")
            assert [one["kind"] for one in await site.alerts()] == ["line_lost"], "one cause, one alert"
        wire.pull()

    asyncio.run(body())


@pytest.mark.slow
def test_what_was_wrong_before_a_restart_ends_when_the_first_good_data_comes_and_not_before(tmp_path: Path) -> None:
    async def body() -> None:
        clocks = Clocks()
        wire = Wire(tmp_path / "radar", clocks.utc)
        site_of = partial(running, tmp_path, serial_site(tmp_path), [RADAR], {RADAR.id: "wang"}, clocks)
        async with in_background(wire.play()):
            async with site_of() as site:
                await site.value(RADAR.id, "heart_rate")
                wire.deaf = True
                await site.pushed(150, 5)
                deaf = await site.alert("signal_lost", open=True)
                wire.pull()
                lost = await site.alert("line_lost", open=True)
            async with site_of() as site:
                await site.pushed(200, 10)
                assert [one["id"] for one in await site.alerts(open=True)] == [deaf["id"], lost["id"]]
                wire.plug()
                await site.alert("line_lost", id=lost["id"], open=False)
                await site.value(RADAR.id, "presence")
                assert [one["id"] for one in await site.alerts(open=True)] == [deaf["id"]], "the cause has not gone"
                wire.deaf = False
                wire.radar.streaming = dict.fromkeys(wire.radar.streaming, True)
                over = await site.alert("signal_lost", open=False)
                assert (over["id"], over["outcome"]) == (deaf["id"], "recovered")
                assert len(await site.alerts()) == 2
        wire.pull()

    asyncio.run(body())


async def healthy(site: Site, part: str) -> bool:
    parts = (await site.get("/api/v1/health"))["parts"]
    return bool(next(one for one in parts if one["name"] == part)["ok"])


@pytest.mark.slow
def test_a_radar_whose_heart_and_breath_stop_while_presence_goes_on(tmp_path: Path) -> None:
    async def body() -> None:
        clocks = Clocks()
        wire = Wire(tmp_path / "radar", clocks.utc)
        async with running(tmp_path, serial_site(tmp_path), [RADAR], {RADAR.id: "wang"}, clocks) as site:
            async with in_background(wire.play()):
                await site.value(RADAR.id, "heart_rate")
                await site.value(RADAR.id, "respiratory_rate")
                wire.deaf = True
                await site.pushed(110, 5)
                assert await site.alerts() == []
                await site.pushed(40, 5)
                deaf = await site.alert("signal_lost", open=True)
                assert (deaf["devices"], deaf["resident_id"]) == (["radar-1"], "wang")
                assert deaf["evidence"]["signal"] in {"heart_rate", "respiratory_rate", "heart_wave", "breath_wave"}
                assert texts(deaf) == ("信号丢失", "Signal lost")
                assert "雷达前有没有遮挡" in advice(deaf)
                await site.value(RADAR.id, "presence", clocks.utc() - 60 * SECOND)
                wire.deaf = False
                wire.radar.streaming = dict.fromkeys(wire.radar.streaming, True)
                over = await site.alert("signal_lost", open=False)
                assert (over["id"], over["outcome"]) == (deaf["id"], "recovered")
            assert len(await site.alerts()) == 1
        wire.pull()

    asyncio.run(body())


class Watch:
    """A watch whose clock is `ahead_s` off, on real connections."""

    def __init__(self, device_id: str, port: int, clocks: Clocks, ahead_s: float = 0.0) -> None:
        self.model = WatchDevice(device_id)
        self.ahead_s = ahead_s
        self._port = port
        self._clocks = clocks
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    def now(self) -> int:
        return self._clocks.utc() + int(self.ahead_s * SECOND)

    async def connect(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writer.write(self.model.connect(self.now()))

    async def hear(self) -> bool:
        """One piece of what the gateway says, answered; False when it hung up."""
        assert self._reader is not None
        assert self._writer is not None
        data = await self._reader.read(4096)
        self._writer.write(self.model.feed(data) + self.model.tick(self.now()))
        return bool(data)

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not done():
                assert await self.hear(), "the gateway hung up"

    async def beat(self) -> None:
        """A heartbeat, answered: the connection works in both directions."""
        self.model._heartbeat_ns = None
        self.tick()
        await self.until(lambda: self.model._unanswered_ns is None)

    async def call(self) -> None:
        """SOS, until the gateway has answered."""
        self.model.alarm("sos", self.now())
        self.tick()
        await self.until(lambda: self.model._alarm is None)

    def tick(self) -> None:
        assert self._writer is not None
        self._writer.write(self.model.tick(self.now()))

    async def locate(self) -> None:
        """A position with the watch's own time, and a heartbeat so that it is known to have arrived."""
        assert self._writer is not None
        self.model._locate(self.now())
        self._writer.write(self.model._flush())
        await self.beat()

    async def hang_up(self) -> None:
        assert self._writer is not None
        self._writer.close()
        await asyncio.gather(self._writer.wait_closed(), return_exceptions=True)


def watch_site(port: int) -> dict[str, Any]:
    return {"mqtt": {"embedded": False, "families": []}, "tcp": [{"port": port}]}


WATCHES = [Device(WATCH, "watch_3g", "手表一"), Device(OTHER, "watch_3g", "手表二")]
OWNERS = {WATCH: "wang", OTHER: "li"}


@pytest.mark.slow
@pytest.mark.parametrize("ahead_s", [8 * HOUR_S, -8 * HOUR_S])
def test_a_watch_whose_clock_is_eight_hours_off(tmp_path: Path, ahead_s: float) -> None:
    async def body() -> None:
        clocks = Clocks()
        (port,) = free_ports(1)
        async with running(tmp_path, watch_site(port), WATCHES, OWNERS, clocks) as site:
            await until_true(lambda: site.gateway.sources[0].connected, "the port is not open")
            watch = Watch(WATCH, port, clocks, ahead_s)
            await watch.connect()
            pressed_ns = clocks.utc()
            await watch.call()
            call = await site.alert("help_call", open=True)
            assert abs(int(call["at"]["ns"]) - pressed_ns) < 30 * SECOND, "dated when it came, not hours off"
            await watch.locate()
            await site.pushed(60)
            watch.model.walk(100)
            await watch.locate()
            wrong = await site.alert("clock_wrong", open=True)
            assert abs(wrong["evidence"]["offset_s"] - ahead_s) < 30
            assert wrong["evidence"]["time_zone"] is True
            assert (wrong["devices"], wrong["resident_id"]) == ([WATCH], "wang")
            assert texts(wrong) == ("设备时钟不准", "Device clock wrong")
            assert "时区" in advice(wrong)
            assert "Alarms are not affected" in advice(wrong)
            device = await site.get(f"/api/v1/devices/{WATCH}")
            assert abs(device["clock_skew_s"] - ahead_s) < 30
            await stored_rightly(site, pressed_ns)
            watch.ahead_s = 0.0
            for _ in range(3):
                await site.pushed(60)
                await watch.locate()
            over = await site.alert("clock_wrong", open=False)
            assert (over["id"], over["outcome"]) == (wrong["id"], "recovered")
            await stored_rightly(site, pressed_ns)
            await watch.hang_up()
            assert [one["kind"] for one in await site.alerts()] == ["help_call", "clock_wrong"]

    asyncio.run(body())


async def stored_rightly(site: Site, since_ns: int) -> None:
    """Everything stored of the resident lies between the beginning and now, exactly."""
    span = {"start": "2020-01-01T00:00:00Z", "end": "2100-01-01T00:00:00Z"}

    async def rows() -> Any:
        levels = (await site.get("/api/v1/residents/wang/latest"))["latest"]
        events = (await site.get("/api/v1/residents/wang/events", **span))["events"]
        known = {one["signal"] for one in [*levels, *events]}
        return [*levels, *events] if {"battery", "help_button"} <= known else []

    for one in await until(rows, "nothing in the history"):
        at_ns = int(one["at"]["ns"])
        assert since_ns - 2 * SECOND <= at_ns <= site.clocks.utc() + 2 * SECOND, one


@pytest.mark.slow
def test_a_watch_that_reconnects_a_hundred_times_a_minute(tmp_path: Path) -> None:
    async def body() -> None:
        clocks = Clocks()
        (port,) = free_ports(1)
        async with running(tmp_path, watch_site(port), WATCHES, OWNERS, clocks) as site:
            await until_true(lambda: site.gateway.sources[0].connected, "the port is not open")
            restless, other = Watch(WATCH, port, clocks), Watch(OTHER, port, clocks)
            await other.connect()
            sizes: list[int] = []
            tracemalloc.start()
            for minute in range(8):
                for _ in range(100):
                    await restless.connect()
                    await restless.hear()
                    await restless.hang_up()
                await other.beat()
                if minute == 2:
                    told = await site.alert("reconnecting", open=True)
                    await restless.connect()
                    await restless.call()
                    await restless.hang_up()
                await site.pushed(60)
                gc.collect()
                sizes.append(tracemalloc.get_traced_memory()[0])
            tracemalloc.stop()
            assert (told["devices"], told["resident_id"]) == ([WATCH], "wang")
            assert texts(told) == ("设备反复重连", "Device keeps reconnecting")
            assert "呼救仍然有效" in advice(told)
            assert sizes[7] - sizes[4] < 300_000, f"memory grows: {sizes}"
            call = await site.alert("help_call", open=True)
            assert call["resident_id"] == "wang"
            await other.call()
            await restless.connect()
            for _ in range(3):
                await restless.beat()
                await other.beat()
                await site.pushed(60)
            over = await site.alert("reconnecting", open=False)
            assert (over["id"], over["outcome"], over["count"]) == (told["id"], "recovered", 1)
            kinds = sorted(one["kind"] for one in await site.alerts())
            assert kinds == ["help_call", "help_call", "reconnecting"]
            await restless.hang_up()
            await other.hang_up()

    asyncio.run(body())
