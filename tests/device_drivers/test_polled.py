"""Devices that are asked: a web page on a real HTTP server, Modbus on pymodbus' own server and on a pty."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import select
import threading
import tty
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from device_drivers.modbus_io import ModbusIoCodec, frames
from device_drivers.transports.http_poll import MAX_PAGE, HttpPoll
from device_drivers.transports.modbus_poll import ModbusPoll, is_modbus
from device_drivers.transports.polled import AskError, PolledLine, PollOptions
from gateway import wiring
from gateway.config import ConfigError, settings_from
from simulators.emfit import EmfitMat
from simulators.modbus_module import InputModule

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from device_drivers.observations import DeviceEvent, Observation

NOW = 1_790_000_000_000_000_000
FAST = 0.02


async def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.005)


def run(body: Callable[[], Any]) -> None:
    asyncio.run(asyncio.wait_for(body(), 60))


@contextlib.asynccontextmanager
async def asking(line: PolledLine) -> AsyncIterator[list[bytes]]:
    """Everything the line has answered so far."""
    answers: list[bytes] = []

    async def collect() -> None:
        while chunks := await line.take():
            answers.extend(chunk.data for chunk in chunks if not chunk.opened)

    collecting = asyncio.create_task(collect())
    line.start()
    try:
        yield answers
    finally:
        await asyncio.to_thread(line.stop)
        await collecting


# --- a web page -------------------------------------------------------------------------------------------------------


class Page:
    """What the server says next."""

    def __init__(self) -> None:
        self.status, self.body = 200, b""


@pytest.fixture
def served() -> Iterator[tuple[Page, str]]:
    page = Page()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(page.status)
            self.send_header("Content-Length", str(len(page.body)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                self.wfile.write(page.body)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield page, f"http://127.0.0.1:{server.server_port}/dvmstatus.htm"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_page_is_asked_again_and_again_through_trouble(served: tuple[Page, str]) -> None:
    page, url = served
    page.body = EmfitMat(present=True, heart_rate=62).page(NOW)

    async def body() -> None:
        line = HttpPoll(PollOptions(url, period_s=FAST, longest_s=FAST), asyncio.get_running_loop(), lambda: NOW)
        async with asking(line) as answers:
            await until(lambda: len(answers) >= 3)
            assert answers[0] == page.body
            assert line.health.connected
            assert line.health.bytes_in >= 3 * len(page.body)
            assert not line.write(b"anything")
            page.status = 503
            await until(lambda: not line.health.connected)
            assert "answered 503" in (line.health.last_error or "")
            page.status, page.body = 200, b"x" * (MAX_PAGE + 1)
            await until(lambda: "longer than" in (line.health.last_error or ""))
            page.body = b"HR=1<br>"
            await until(lambda: line.health.connected)
            assert line.health.opens == 2
        assert not line.health.connected

    run(body)


def test_a_page_that_nobody_serves(free_port: int) -> None:
    async def body() -> None:
        options = PollOptions(f"http://127.0.0.1:{free_port}/", period_s=FAST, longest_s=FAST, timeout_s=0.5)
        line = HttpPoll(options, asyncio.get_running_loop())
        async with asking(line) as answers:
            await until(lambda: line.health.failures >= 3)
            assert answers == []
            assert "AskError" in (line.health.last_error or "")

    run(body)


def test_the_gateway_reads_a_bed_by_its_page(served: tuple[Page, str], tmp_path: Path) -> None:
    page, url = served
    page.body = EmfitMat(present=True, heart_rate=62, respiratory_rate=14.5).page(NOW)
    found: list[Observation] = []

    async def body() -> None:
        tree = {"serial": [{"url": url, "family": "emfit", "device_id": "mat-3"}], "mqtt": {"families": []}}
        around = wiring.Surroundings(
            asyncio.get_running_loop(), lambda observations, _held: found.extend(observations), lambda: NOW, lambda: 0.0
        )
        (source,) = wiring.make_sources(settings_from(tree, tmp_path), around)
        running = asyncio.create_task(source.run())
        source.start()
        await until(lambda: len(found) >= 3)
        assert source.connected
        await asyncio.to_thread(source.stop)
        await running

    run(body)
    assert [(one.device_id, one.signal) for one in found][:3] == [
        ("mat-3", "bed_occupancy"),
        ("mat-3", "heart_rate"),
        ("mat-3", "respiratory_rate"),
    ]


# --- Modbus -----------------------------------------------------------------------------------------------------------

WARD = {
    "modules": {"1": 8},
    "inputs": {
        "0": {"signal": "bed_occupancy", "closed": "in", "open": "left", "device": "mat"},
        "3": {"signal": "help_button", "device": "cord"},
    },
}


@contextlib.asynccontextmanager
async def modbus_server(port: int) -> AsyncIterator[ModbusTcpServer]:
    """pymodbus' own TCP server: unit 1 with 16 coils and 16 discrete inputs."""
    registers = [SimData(0, count=16, datatype=DataType.REGISTERS)]
    bits = [[SimData(0, count=16, values=False, datatype=DataType.BITS)] for _ in range(2)]
    server = ModbusTcpServer(SimDevice(1, simdata=(*bits, registers, registers)), address=("127.0.0.1", port))
    await server.listen()
    try:
        yield server
    finally:
        await server.shutdown()


async def close_contact(server: ModbusTcpServer, index: int) -> None:
    assert await server.async_setValues(1, 2, index, [True]) is None


def test_modbus_tcp_from_the_contact_to_the_event(free_port: int, tmp_path: Path) -> None:
    found: list[DeviceEvent] = []
    tree = {
        "mqtt": {"families": []},
        "serial": [
            {
                "url": f"modbus+tcp://127.0.0.1:{free_port}",
                "family": "modbus_io",
                "device_id": "ward",
                "options": WARD,
            }
        ],
    }

    def said(device: str, value: bool | str) -> bool:
        return any((one.device_id, one.value) == (device, value) for one in found)

    async def body() -> None:
        around = wiring.Surroundings(
            asyncio.get_running_loop(),
            lambda observations, _held: found.extend(observations),
            lambda: NOW,
            lambda: 0.0,  # type: ignore[arg-type]
        )
        (source,) = wiring.make_sources(settings_from(tree, tmp_path), around)
        running = asyncio.create_task(source.run())
        source.start()
        async with modbus_server(free_port) as server:
            await until(lambda: said("cord", value=False))
            assert source.connected
            await close_contact(server, 3)
            await until(lambda: said("cord", value=True))
            await close_contact(server, 0)
            await until(lambda: said("mat", "in"))
        await until(lambda: not source.connected)
        async with modbus_server(free_port):
            await until(lambda: source.connected)
        await asyncio.to_thread(source.stop)
        await running

    run(body)


def test_a_module_that_refuses(free_port: int) -> None:
    requests = (frames.Request(1, 2, 0, 8), frames.Request(1, 1, 0, 8), frames.Request(1, 2, 0, 32))

    async def body() -> None:
        options = PollOptions(f"modbus+tcp://127.0.0.1:{free_port}", period_s=FAST, timeout_s=0.5, longest_s=FAST)
        line = ModbusPoll(options, requests, asyncio.get_running_loop(), lambda: NOW)
        async with modbus_server(free_port), asking(line) as answers:
            await until(lambda: len(answers) > 0)
            codec = ModbusIoCodec("bus", {"show_all": True})
            codec.feed(answers[0], NOW)
            assert [(note.kind, note.fields["unit"]) for note in codec.notes] == [("report", 1)] * 2 + [("log", 1)]
            assert codec.notes[-1].fields["text"] == "illegal data address"
            assert line.health.connected

    run(body)


def test_no_module_answers_at_all(free_port: int) -> None:
    async def body() -> None:
        options = PollOptions(f"modbus+tcp://127.0.0.1:{free_port}", period_s=FAST, timeout_s=0.2, longest_s=FAST)
        line = ModbusPoll(options, (frames.Request(7, 2, 0, 8),), asyncio.get_running_loop(), lambda: NOW)
        async with asking(line):
            await until(lambda: "cannot connect" in (line.health.last_error or ""))

    run(body)


@contextlib.contextmanager
def bus(*modules: InputModule) -> Iterator[str]:
    """A pty with these modules on it; gives its URL."""
    master, slave = pty.openpty()
    tty.setraw(master)
    tty.setraw(slave)
    stop = threading.Event()

    def answer() -> None:
        while not stop.is_set():
            if select.select([master], [], [], 0.02)[0]:
                with contextlib.suppress(OSError):
                    asked = os.read(master, 256)
                    os.write(master, b"".join([module.feed(asked) for module in modules]))

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    try:
        yield f"modbus+rtu://{os.ttyname(slave)}"
    finally:
        stop.set()
        thread.join()
        os.close(master)
        os.close(slave)


def test_modbus_rtu_on_a_bus_and_modules_that_fall_silent() -> None:
    first, second = InputModule(unit=1, closed={3}), InputModule(unit=2)
    requests = (frames.Request(1, 2, 0, 8), frames.Request(2, 2, 0, 8))
    three, nothing = frames.answer(1, 2, [n == 3 for n in range(8)]), frames.answer(2, 2, [False] * 8)
    gone = frames.exception(2, 2, frames.NO_ANSWER)

    async def body(url: str) -> None:
        options = PollOptions(url, period_s=FAST, timeout_s=0.3, longest_s=FAST)
        line = ModbusPoll(options, requests, asyncio.get_running_loop(), lambda: NOW)
        async with asking(line) as answers:
            await until(lambda: answers[-1:] == [three + nothing])
            second.silent = True
            await until(lambda: answers[-1] == three + gone)
            assert line.health.connected
            assert (line.health.last_error or "").startswith("unit 2: ")
            first.silent = True
            await until(lambda: not line.health.connected)
            assert "no module" in (line.health.last_error or "")
            first.silent = second.silent = False
            await until(lambda: line.health.connected)
            await until(lambda: answers[-1] == three + nothing)

    with bus(first, second) as url:
        run(lambda: body(url))


# --- settings ---------------------------------------------------------------------------------------------------------


def test_wrong_settings_are_told(tmp_path: Path) -> None:
    def sources(**line: Any) -> None:
        tree = {"mqtt": {"families": []}, "serial": [{"url": "/dev/x", "device_id": "d", **line}]}
        settings = settings_from(tree, tmp_path)

        async def body() -> None:
            around = wiring.Surroundings(asyncio.get_running_loop(), lambda *_: None, lambda: NOW, lambda: 0.0)
            wiring.make_sources(settings, around)

        run(body)

    with pytest.raises(ConfigError, match="no Modbus bus"):
        sources(family="modbus_io")
    with pytest.raises(ConfigError, match=r"inputs\.9"):
        sources(family="modbus_io", url="modbus+tcp://h", options={"inputs": {"9": "fall"}})
    with pytest.raises(ValueError, match="period_s"):
        PollOptions("http://h", period_s=0)
    assert is_modbus("modbus+rtu:///dev/ttyUSB0")
    assert not is_modbus("/dev/ttyUSB0")
    assert issubclass(AskError, OSError)
