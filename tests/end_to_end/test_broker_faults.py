"""The broker fails: killed, ended, hung, or an external one is away. One alert for all behind it; nothing is lost."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from fault_site import PASSWORD, Clocks, Site, free_ports, in_background, running, until, until_true

from gateway.registry import Device
from gateway.sources import MqttSource
from simulators.uplink import Account, Outgoing, Uplink
from simulators.zigbee import ZigbeeNetwork
from tests.conftest import program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

BASE = "zigbee2mqtt"
BUTTONS = [f"sos-{n}" for n in range(8)]
DOORS = [f"door-{n}" for n in range(42)]
DEVICES = [
    Device(f"{BASE}/bridge", BASE, "网桥", placement="room"),
    *(
        Device(f"{BASE}/{name}", BASE, name, placement="room", options={"lost_after_s": 60})
        for name in [*BUTTONS, *DOORS]
    ),
]
OWNERS = {f"{BASE}/{name}": f"resident-{n}" for n, name in enumerate(BUTTONS)}
FAMILIES = ["zigbee2mqtt", "yinling_wearable", "ble_gatt"]


class Bridge:
    """The Zigbee bridge of the house and its buttons. told: presses that the broker has acknowledged."""

    def __init__(self, port: int) -> None:
        self.network = ZigbeeNetwork(BASE)
        for name in BUTTONS:
            self.network.add(name, "TS0215A_sos")
        for name in DOORS:
            self.network.add(name, "MCCGQ11LM")
        self.told: set[object] = set()
        account = Account("127.0.0.1", port, f"{BASE}/bridge", PASSWORD)
        self.uplink = Uplink(account, lambda message: self.told.add(message.mark))
        self.send(self.network.bridge_state(online=True))

    def send(self, message: Any, mark: object = None) -> None:
        self.uplink.send(Outgoing(message.topic, message.payload, message.retain, mark))

    async def press(self, name: str) -> None:
        """Press a button, until the broker has it."""
        for message in self.network.press(name, time.time_ns()):
            self.send(message, name)
        await until_true(lambda: name in self.told, f"the broker does not take the press of {name}")

    def stir(self) -> None:
        """Every door says something."""
        for name in DOORS:
            self.send(self.network.door(name, time.time_ns(), is_open=True))
        for name in BUTTONS:
            self.send(self.network.update(name, time.time_ns(), battery=90))


def sessions(site: Site) -> list[MqttSource]:
    return [one for one in site.gateway.sources if isinstance(one, MqttSource)]


def all_back(site: Site) -> bool:
    return all(one.connected for one in sessions(site))


async def calls(site: Site, names: list[str]) -> None:
    """Wait until exactly these buttons have one call each."""
    wanted = sorted(f"{BASE}/{name}" for name in names)

    async def seen() -> bool:
        found = await site.alerts(kind="help_call")
        return sorted(device for one in found for device in one["devices"]) == wanted

    await until(seen, f"not exactly one call of each of {wanted}")


async def one_interruption(site: Site, *, already: int = 0) -> dict[str, Any]:
    """Wait until the interruption is over; there was one, and not one for every device."""

    async def over() -> Any:
        found = await site.alerts(kind="broker_down", open=False)
        return found[already] if len(found) > already else None

    alert: dict[str, Any] = await until(over, "the interruption is not over")
    assert (alert["outcome"], alert["count"], alert["devices"]) == ("recovered", 1, ["broker"])
    assert (alert["title"]["zh"], alert["title"]["en"]) == ("设备消息中断", "Device messages interrupted")
    assert "看看老人" in alert["first_step"]["zh"]
    assert "restart it" in alert["first_step"]["en"]
    technical = [one for one in await site.alerts() if one["kind"] != "help_call"]
    assert [one["kind"] for one in technical] == ["broker_down"] * (already + 1)
    await until_true(lambda: all_back(site), "not every session is back")
    return alert


@pytest.mark.slow
def test_an_embedded_broker_that_is_killed_or_ended_or_hangs(tmp_path: Path) -> None:
    async def body() -> None:
        (port,) = free_ports(1)
        tree = {"mqtt": {"port": port, "families": FAMILIES}, "tcp": []}
        async with running(tmp_path, tree, DEVICES, OWNERS) as site:
            bridge = Bridge(port)
            await until_true(lambda: all_back(site), "no connection to the broker")
            async with in_background(bridge.uplink.run()):
                for number, how in enumerate((signal.SIGKILL, signal.SIGTERM)):
                    pressed = BUTTONS[: 3 * number + 2]
                    for name in pressed[3 * (number - 1) + 2 if number else 0 :]:
                        await bridge.press(name)
                    assert site.gateway.broker is not None
                    assert site.gateway.broker.pid is not None
                    os.kill(site.gateway.broker.pid, how)
                    await one_interruption(site, already=number)
                    await calls(site, pressed)
                    bridge.stir()
                await bridge.press(BUTTONS[7])
                await calls(site, [*pressed, BUTTONS[7]])

    asyncio.run(body())


def start_mosquitto(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """An external broker that keeps what it has acknowledged over a restart."""
    folder.mkdir(exist_ok=True)
    config = folder / "mosquitto.conf"
    lines = (f"listener {port} 127.0.0.1", "allow_anonymous true", "user root")
    config.write_text("\n".join((*lines, "persistence true", f"persistence_location {folder}/", "")), encoding="utf-8")
    return subprocess.Popen(
        [program("mosquitto", "mosquitto"), "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


@asynccontextmanager
async def mosquitto(folder: Path, port: int) -> AsyncIterator[None]:
    """It runs until the block ends, and is ended in order."""
    process = await asyncio.to_thread(start_mosquitto, folder, port)
    try:
        yield
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait)


@pytest.mark.slow
@pytest.mark.system
def test_an_external_broker_that_is_stopped_for_ten_minutes_and_started_again(tmp_path: Path) -> None:
    async def body() -> None:
        (port,) = free_ports(1)
        tree = {"mqtt": {"embedded": False, "port": port, "families": FAMILIES}, "tcp": []}
        async with running(tmp_path, tree, DEVICES, OWNERS, Clocks()) as site:
            bridge = Bridge(port)
            async with in_background(bridge.uplink.run()):
                async with mosquitto(tmp_path / "broker", port):
                    await until_true(lambda: all_back(site), "no connection to the broker")
                    await bridge.press(BUTTONS[0])
                down = await site.alert("broker_down", open=True)
                assert down["evidence"]["devices_behind"] == len(DEVICES)
                await site.pushed(600)
                async with mosquitto(tmp_path / "broker", port):
                    assert (await one_interruption(site))["id"] == down["id"]
                    bridge.stir()
                    await bridge.press(BUTTONS[1])
                    await calls(site, BUTTONS[:2])
                    assert [one["kind"] for one in await site.alerts(open=True)] == ["help_call"] * 2

    asyncio.run(body())
