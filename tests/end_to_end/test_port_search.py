"""The port search against each serial family's simulator, on ptys that hear only noise at another speed or parity."""

from __future__ import annotations

import random
import threading
import time
import tomllib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from device_drivers.registry import drivers
from device_drivers.yinling_wearable import encode_serial
from device_drivers.yinling_wearable.frame import WearableFrame
from gateway.config import settings_from
from gateway.scan import MIN_FRAMES, Probe, probe_port
from simulators.hilink_radar import TfRadarDevice
from simulators.modbus_module import InputModule
from simulators.oximeter import BciOximeter, ContecOximeter, NoninOximeter
from simulators.presence_radar import Ld2410Device, Ld2450Device
from simulators.radar import RadarDevice
from simulators.serial_port import SimulatedPort

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Module:
    """A Modbus module at unit 3, which speaks only when it is asked."""

    def __init__(self) -> None:
        self.module = InputModule(unit=3)

    def feed(self, data: bytes) -> bytes:
        return self.module.feed(data)

    def tick(self, _now_ns: int) -> bytes:
        return b""


class Wearable:
    """One of our wearables on its cable: a frame a second."""

    def __init__(self) -> None:
        self.sequence = 0
        self.due_ns = 0

    def feed(self, _data: bytes) -> bytes:
        return b""

    def tick(self, now_ns: int) -> bytes:
        if now_ns < self.due_ns:
            return b""
        self.due_ns, self.sequence = now_ns + 10**9, self.sequence + 1
        return encode_serial(WearableFrame(boot=1, sequence=self.sequence, time_us=now_ns // 1000, utc=True))


class Babble:
    """Something else: bytes of chance."""

    def __init__(self) -> None:
        self.rng = random.Random(1)

    def feed(self, _data: bytes) -> bytes:
        return b""

    def tick(self, _now_ns: int) -> bytes:
        return self.rng.randbytes(20)


@contextmanager
def played(link: Path, device: Any, baud: int, parity: str = "none") -> Iterator[str]:
    """A device on a port, in a thread."""
    port, stop = SimulatedPort(link, baud, parity), threading.Event()

    def play() -> None:
        while not stop.wait(0.02):
            port.write(device.feed(port.read()) + device.tick(time.time_ns()))

    thread = threading.Thread(target=play)
    thread.start()
    try:
        yield str(link)
    finally:
        stop.set()
        thread.join()
        port.close()


ROWS: list[tuple[str, Callable[[], Any], int, str, dict[str, Any]]] = [
    ("micradar", RadarDevice, 115_200, "none", {}),
    ("hilink_tf", TfRadarDevice, 115_200, "none", {}),
    ("hilink_tf", TfRadarDevice, 1_382_400, "none", {}),
    ("ld2410", Ld2410Device, 256_000, "none", {}),
    ("ld2450", Ld2450Device, 115_200, "none", {}),
    ("bci", BciOximeter, 115_200, "none", {}),
    ("bci", lambda: BciOximeter("contec"), 19_200, "odd", {"maker": "contec"}),
    ("contec", ContecOximeter, 115_200, "none", {}),
    ("nonin", lambda: NoninOximeter(8), 9_600, "none", {}),
    ("nonin", lambda: NoninOximeter(0), 9_600, "none", {}),
    ("modbus_io", Module, 9_600, "none", {}),
    ("modbus_io", Module, 19_200, "none", {}),
    ("yinling_wearable", Wearable, 115_200, "none", {}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("family", "make", "baud", "parity", "options"), ROWS)
def test_each_family_is_found_with_its_speed_and_parity_and_the_proposal_is_a_setting(
    tmp_path: Path, family: str, make: Callable[[], Any], baud: int, parity: str, options: dict[str, Any]
) -> None:
    with played(tmp_path / "port", make(), baud, parity) as url:
        report = probe_port(url)
    assert report.best is not None, report.probes
    # Linux keeps no "even" of a pty: what is set to none passes for both, and the first of them is proposed.
    found = "none" if report.best.parity == "even" else report.best.parity
    assert (report.best.family, report.best.baud, found) == (family, baud, parity), report.probes
    assert report.best.frames >= MIN_FRAMES
    assert dict(report.best.options) == options
    (line,) = settings_from(tomllib.loads(report.proposal("device-1")), tmp_path).serial
    assert (line.family, line.baud, line.parity, line.options) == (family, baud, report.best.parity, options)
    assert line.url == (f"modbus+rtu://{url}" if family == "modbus_io" else url)


def test_every_family_that_comes_over_a_serial_line_is_tried_here() -> None:
    serial = {one.family for one in drivers().values() if one.stream and one.on_serial_lines and not one.first_bytes}
    assert serial == {row[0] for row in ROWS}


@pytest.mark.slow
def test_chance_is_taken_for_no_device(tmp_path: Path) -> None:
    with played(tmp_path / "port", Babble(), 115_200) as url:
        report = probe_port(url, seconds=1.0)
    assert report.best is None, report.best
    assert report.proposal("x") == ""
    assert report.error is None


def test_few_frames_in_much_else_are_another_protocol() -> None:
    assert Probe("bci", 115_200, frames=50, rejected=0, clean=0.95).accepted
    assert not Probe("bci", 115_200, frames=50, rejected=0, clean=0.4).accepted
    assert not Probe("bci", 115_200, frames=2, rejected=0, clean=1.0).accepted
    assert not Probe("bci", 115_200, frames=5, rejected=6, clean=1.0).accepted
