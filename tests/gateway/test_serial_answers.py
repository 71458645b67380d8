"""Devices on a serial line that wait for answers: they get them, and the one to an alarm only after it is committed."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from device_drivers.contec import ContecCodec
from device_drivers.micradar import MicradarCodec
from device_drivers.minifinder import MinifinderCodec
from device_drivers.transports.serial_line import SerialLine, SerialOptions
from gateway.sources import SerialSource
from simulators.oximeter import ContecOximeter
from simulators.pendant import PendantDevice
from simulators.radar import BED_MODEL, RadarDevice
from simulators.serial_port import SimulatedPort

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from device_drivers.codec import StreamCodec
    from device_drivers.observations import Observation
    from gateway.sources import Held

SECOND = 1_000_000_000
PATIENCE_S = 60.0


class Offered:
    """Takes observations; `commits` are called by the test."""

    def __init__(self) -> None:
        self.signals: set[str] = set()
        self.commits: list[Callable[[], None]] = []

    def __call__(
        self, observations: list[Observation], _held: Held | None, then: Callable[[], None] | None = None
    ) -> None:
        self.signals |= {one.signal for one in observations}
        if then is not None:
            self.commits.append(then)


@asynccontextmanager
async def playing(folder: Path, device: Any, codec: StreamCodec, baud: int) -> AsyncIterator[Offered]:
    """The device on a pty, the source at the other end, polled as the gateway does, on a clock that runs fast."""
    port = SimulatedPort(folder / "port", baud)
    offered, began_ns = Offered(), time.time_ns()

    def clock() -> int:
        return began_ns + 5 * (time.time_ns() - began_ns)

    line = SerialLine(SerialOptions(str(folder / "port"), baud), asyncio.get_running_loop(), clock)
    source = SerialSource(line, codec, offered)
    source.start()
    running = asyncio.create_task(source.run())

    async def live() -> None:
        await until(lambda: line.health.connected)
        if isinstance(device, PendantDevice):
            port.write(device.connect(clock()))
        polled_ns = 0
        while True:
            now_ns = clock()
            port.write(device.feed(port.read()) + device.tick(now_ns))
            if now_ns - polled_ns >= SECOND:
                polled_ns = now_ns
                source.poll(now_ns)
            await asyncio.sleep(0.005)

    living = asyncio.create_task(live())
    try:
        yield offered
    finally:
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)
        source.stop()
        await running
        port.close()


async def until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, "the condition did not come true"
        await asyncio.sleep(0.005)


def test_a_pendant_on_a_cable_is_answered_and_its_alarm_once_it_is_committed(tmp_path: Path) -> None:
    async def scene() -> None:
        pendant = PendantDevice("863921031234567")
        async with playing(tmp_path, pendant, MinifinderCodec("pendant"), 115_200) as offered:
            await until(lambda: pendant.clock_s is not None and pendant.unanswered == 0)
            pendant.alarm("sos", time.time_ns())
            await until(lambda: bool(offered.commits))
            assert pendant.unanswered == 1
            for commit in offered.commits:
                commit()
            await until(lambda: pendant.unanswered == 0)
            assert {"help_button", "latitude", "battery"} <= offered.signals

    asyncio.run(scene())


def test_an_oximeter_is_started_and_kept_awake(tmp_path: Path) -> None:
    async def scene() -> None:
        oximeter = ContecOximeter()
        async with playing(tmp_path, oximeter, ContecCodec("oximeter"), 115_200) as offered:
            await until(lambda: "spo2" in offered.signals)
            offered.signals.clear()
            asleep_ns = time.time_ns() + 3 * SECOND  # 15 s of its clock: without its keep-alive it would be silent
            await until(lambda: time.time_ns() > asleep_ns)
            assert oximeter.running
            oximeter.running = False  # switched off and on
            await until(lambda: oximeter.running)
            await until(lambda: "spo2" in offered.signals)

    asyncio.run(scene())


def test_a_radar_is_asked_when_the_line_opens_and_then_again(tmp_path: Path) -> None:
    async def scene() -> None:
        radar = RadarDevice(BED_MODEL)
        radar.set_presence(presence=True)
        codec = MicradarCodec("radar", {"poll_s": 5})
        async with playing(tmp_path, radar, codec, 115_200) as offered:
            await until(lambda: {"presence", "bed_occupancy"} <= offered.signals)
            asked = len(radar.received)
            assert asked
            radar.stop_streams()
            await until(lambda: len(radar.received) > asked and all(radar.streaming.values()))

    asyncio.run(scene())


def test_a_line_at_the_wrong_speed_or_parity_gives_nothing(tmp_path: Path) -> None:
    async def scene() -> None:
        oximeter = ContecOximeter()
        port = SimulatedPort(tmp_path / "slow", 19_200, "odd")
        offered = Offered()
        options = [SerialOptions(str(tmp_path / "slow"), 115_200), SerialOptions(str(tmp_path / "slow"), 19_200, "odd")]
        for right, option in enumerate(options):
            line = SerialLine(option, asyncio.get_running_loop())
            source = SerialSource(line, ContecCodec("oximeter"), offered)
            source.start()
            running = asyncio.create_task(source.run())
            await until(lambda line=line: line.health.connected)  # type: ignore[misc]
            oximeter.running = True
            while line.health.bytes_in < 1_200:
                port.write(oximeter.tick(time.time_ns()))
                await asyncio.sleep(0.01)
            source.stop()
            await running
            assert port.opened_rightly == bool(right)
            assert ("spo2" in offered.signals) == bool(right)
        port.close()

    asyncio.run(scene())
