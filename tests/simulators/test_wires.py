"""The wires of simulated devices against real clients: a web page, Modbus TCP, a TCP server, a broker that answers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pymodbus.client import AsyncModbusTcpClient, ModbusSerialClient

from device_drivers.jt808 import Jt808Codec
from device_drivers.micradar import MicradarCodec
from device_drivers.observations import DeviceEvent
from device_drivers.registry import drivers
from device_drivers.transports.mqtt_session import MqttOptions, MqttSession
from device_drivers.transports.serial_line import SerialLine, SerialOptions
from gateway.broker.config import BrokerOptions, BrokerUser, hash_password
from gateway.broker.supervisor import Broker
from gateway.cli.rig import free_port
from simulators.alink import AlinkDevice
from simulators.families import FAMILIES
from simulators.home import Home, main
from simulators.scenario import load_scenario, scenario_from
from simulators.wires import Accounts, MqttWay, Way

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from simulators.home import Truth

PATIENCE_S = 60.0
NUMBER = "013912345678"


async def until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, "the condition did not come true"
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def living(tree: dict[str, Any], accounts: Accounts, folder: Path) -> AsyncIterator[tuple[Home, list[Truth]]]:
    truths: list[Truth] = []
    began = asyncio.Event()
    home = Home(scenario_from(tree), accounts, folder, truths.append, began.is_set)
    stop = asyncio.Event()
    playing = asyncio.create_task(home.run(stop))
    began.set()
    try:
        yield home, truths
    finally:
        stop.set()
        await playing


def test_a_bed_has_a_web_page_and_contacts_speak_modbus_tcp(tmp_path: Path) -> None:
    page, bus = free_port(), free_port()
    contacts = {"cord": {"model": "cord", "input": 2}}
    tree = {
        "devices": [
            {"type": "emfit", "id": "bed"},
            {"type": "modbus_io", "id": "ward", "nodes": contacts, "closed": ["cord"]},
        ],
        "events": [
            {"at_s": 0, "device": "bed", "do": "lie_down", "heart_rate": 61},
            {"at_s": 0.5, "device": "ward", "node": "cord", "do": "pull"},
        ],
    }

    async def scene() -> None:
        async with living(tree, Accounts("127.0.0.1", 1, ports={"bed": page, "ward": bus}), tmp_path) as (_, truths):
            client = AsyncModbusTcpClient("127.0.0.1", port=bus)
            while not await client.connect():  # noqa: ASYNC110 - another task opens the port
                await asyncio.sleep(0.01)
            await until(lambda: len(truths) == 2)
            answer = await client.read_discrete_inputs(0, count=8, device_id=1)
            assert answer.bits[:8] == [False] * 8
            client.close()
            async with httpx.AsyncClient(trust_env=False) as browser:
                text = (await browser.get(f"http://127.0.0.1:{page}/dvmstatus.htm")).text
            assert "HR=61" in text
            _, writer = await asyncio.open_connection("127.0.0.1", page)
            writer.close()  # one that asks nothing harms nobody
            await writer.wait_closed()
            said = [(one.device, one.family, one.kind, one.signal, one.value) for one in truths]
            assert said == [
                ("bed", "emfit", None, "bed_occupancy", "in"),
                ("cord", "modbus_io", "help_call", None, None),
            ]

    asyncio.run(scene())


def test_a_port_that_is_taken_ends_the_play(tmp_path: Path) -> None:
    async def scene() -> None:
        async with await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0) as server:
            taken = server.sockets[0].getsockname()[1]
            accounts = Accounts("127.0.0.1", 1, ports={"bed": taken})
            home = Home(scenario_from({"devices": [{"type": "emfit", "id": "bed"}]}), accounts, tmp_path, print)
            with pytest.raises(OSError, match="in use"):
                await asyncio.wait_for(home.run(asyncio.Event()), PATIENCE_S)

    asyncio.run(scene())


def test_a_radar_on_its_port_answers_and_reports(tmp_path: Path) -> None:
    tree = {
        "devices": [{"type": "micradar", "id": "radar"}],
        "events": [{"at_s": 0.3, "device": "radar", "do": "fall"}],
    }

    async def scene() -> None:
        codec, seen = MicradarCodec("radar"), set[tuple[str, object]]()
        async with living(tree, Accounts("127.0.0.1", 1), tmp_path) as (_, truths):
            line = SerialLine(SerialOptions(str(tmp_path / "radar")), asyncio.get_running_loop())
            line.start()
            await until(lambda: line.health.connected)
            line.write(codec.on_open())
            while not {("fall", True), ("presence", False)} <= seen:
                for chunk in await asyncio.wait_for(line.take(), PATIENCE_S):
                    found = codec.feed(chunk.data, chunk.received_ns)
                    seen.update((one.signal, one.value) for one in found if isinstance(one, DeviceEvent))
            line.stop()
            assert [one.kind for one in truths] == ["fall"]
        assert not (tmp_path / "radar").exists()

    asyncio.run(scene())


def test_the_play_as_a_program_waits_for_its_beginning_and_ends_by_a_signal(tmp_path: Path) -> None:
    scenario, accounts, truth = tmp_path / "one.toml", tmp_path / "accounts.json", tmp_path / "truth.jsonl"
    scenario.write_text(
        '[[devices]]\ntype = "ld2410"\nid = "radar"\n[[events]]\nat_s = 0\ndevice = "radar"\ndo = "arrive"\n'
        '[[events]]\nat_s = 0.1\ndevice = "radar"\ndo = "leave"\n',
        encoding="utf-8",
    )
    accounts.write_text('{"host": "127.0.0.1", "port": 1}', encoding="utf-8")
    begin, ready = tmp_path / "begin", tmp_path / "ready"

    def conduct() -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while not ready.exists() and time.monotonic() < deadline_s:
            time.sleep(0.01)
        begin.touch()
        while truth.read_text(encoding="utf-8").count("\n") < 2 and time.monotonic() < deadline_s:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    conductor = threading.Thread(target=conduct)
    conductor.start()
    main(
        [
            str(scenario),
            f"--accounts={accounts}",
            f"--links={tmp_path}",
            f"--truth={truth}",
            f"--begin={begin}",
            f"--ready={ready}",
        ]
    )
    conductor.join()
    told = [json.loads(line) for line in truth.read_text(encoding="utf-8").splitlines()]
    assert [(one["do"], one["signal"], one["value"]) for one in told] == [
        ("arrive", "presence", True),
        ("leave", "presence", False),
    ]


def test_every_family_tells_how_it_is_reached(tmp_path: Path) -> None:
    centre = load_scenario(Path("care_centre"))
    ports = {one.id: 8_000 + number for number, one in enumerate(centre.devices)}
    accounts = Accounts("127.0.0.1", 1, ports=ports, links=tmp_path)
    lines = {one.id: FAMILIES[one.family].wire.line(one, accounts) for one in centre.devices}
    assert lines["oximeter-105"] == {"url": str(tmp_path / "oximeter-105"), "baud": 19_200, "parity": "odd"}
    assert lines["presence-116"] == {"url": str(tmp_path / "presence-116"), "baud": 256_000, "parity": "none"}
    assert lines["cords-108"] == {"url": f"modbus+rtu://{tmp_path}/cords-108", "baud": 9_600, "parity": "none"}
    assert lines["ward-1"] == {"url": f"modbus+tcp://127.0.0.1:{ports['ward-1']}"}
    assert lines["bed-112"] == {"url": f"http://127.0.0.1:{ports['bed-112']}/dvmstatus.htm"}
    call = {one.family for one in centre.devices if lines[one.id] is None}
    assert call == {name for name, driver in drivers().items() if driver.message or driver.first_bytes}
    listening = {one.id for one in centre.devices if FAMILIES[one.family].wire.opens_port(one)}
    assert listening == {"ward-1", "bed-112"}
    assert {name for name, row in FAMILIES.items() if row.wire.calls} == {"watch_3g", "minifinder", "jt808"}


def test_contacts_on_a_serial_bus_are_read(tmp_path: Path) -> None:
    contacts = {"cord": {"model": "cord", "input": 2}}
    tree = {"devices": [{"type": "modbus_io", "id": "bus", "bus": "rtu", "nodes": contacts, "closed": ["cord"]}]}

    async def scene() -> None:
        async with living(tree, Accounts("127.0.0.1", 1), tmp_path):
            client = ModbusSerialClient(str(tmp_path / "bus"), baudrate=9_600, timeout=PATIENCE_S, retries=0)
            assert await asyncio.to_thread(client.connect)
            answer = await asyncio.to_thread(partial(client.read_discrete_inputs, 0, count=8, device_id=1))
            assert answer.bits[:4] == [False, False, True, False]
            client.close()

    asyncio.run(scene())


class Platform:
    """A JT/T 808 server with the gateway's own codec. deaf: it hears and answers nothing."""

    def __init__(self) -> None:
        self.codec = Jt808Codec("terminal")
        self.connects = 0
        self.calls = 0
        self.deaf = False
        self.writer: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connects += 1
        self.writer = writer
        self.codec.on_open()
        with contextlib.suppress(OSError):
            while data := await reader.read(4096):
                found = self.codec.feed(data, time.time_ns())
                self.calls += sum(
                    isinstance(one, DeviceEvent) and one.signal == "help_button" and not one.repeat for one in found
                )
                answers = self.codec.answers()
                if not self.deaf:
                    writer.write(answers)
        writer.close()


def test_a_terminal_calls_and_calls_again_when_the_line_is_cut(tmp_path: Path) -> None:
    async def scene() -> None:
        platform = Platform()
        async with await asyncio.start_server(platform.serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            tree = {
                "devices": [{"type": "jt808", "id": NUMBER}],
                "events": [{"at_s": 0.2, "device": NUMBER, "do": "press"}],
            }
            async with living(tree, Accounts("127.0.0.1", 1, tcp_port=port), tmp_path) as (home, _):
                terminal = home.devices[NUMBER].model
                await until(lambda: terminal.online and platform.calls == 1 and not terminal.sos)
                assert platform.writer is not None
                platform.writer.close()
                await until(lambda: platform.connects == 2 and terminal.online)
                terminal.wants_reconnect = True
                await until(lambda: platform.connects == 3 and terminal.online)

    asyncio.run(scene())


def test_a_device_hears_the_replies_at_its_broker(tmp_path: Path) -> None:
    product = "a1YinLing/mat"

    async def scene() -> None:
        port = free_port()
        users = [BrokerUser(name, hash_password("p"), ("#",), ("#",)) for name in (product, "gateway")]
        broker = Broker(BrokerOptions(tmp_path / "broker", port=port), users)
        await broker.start()
        options = MqttOptions("127.0.0.1", port, "g", ("/sys/+/+/thing/event/SOS/post",), "gateway", "p")
        session = MqttSession(options, asyncio.get_running_loop())
        session.start()
        await until(partial(_connected, session))
        device = AlinkDevice(product)
        way: Way = MqttWay(device, Accounts("127.0.0.1", port, {product: "p"}).of(product))
        running = asyncio.create_task(way.run())
        way.send(device.event("SOS", time.time_ns()))
        messages = await asyncio.wait_for(session.take(), PATIENCE_S)
        assert device.unanswered == 1
        session.publish(f"{messages[0].topic}_reply", b'{"code": 200, "id": "1"}')
        await until(lambda: device.unanswered == 0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        session.stop()
        await broker.stop()

    asyncio.run(scene())


def _connected(session: MqttSession) -> bool:
    return session.health.connected
