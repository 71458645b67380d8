"""Scenario files, simulated ports and devices of a home; the lean publisher against the real broker."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from device_drivers.registry import find_driver
from device_drivers.transports.mqtt_session import MqttOptions, MqttSession
from gateway.broker.config import BrokerOptions, BrokerUser, hash_password
from gateway.broker.supervisor import Broker
from simulators import load_main
from simulators.home_devices import PlayedRadar, PlayedWearable, PlayedZigbee
from simulators.mqtt_load import LoadError, LoadPublisher
from simulators.scenario import ACTIONS, SHIPPED, ScenarioError, SimulatedDevice, load_scenario, scenario_from
from simulators.serial_port import SimulatedPort
from simulators.uplink import Account

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = 1_800_000_000 * 10**9
NOBODY = Account("127.0.0.1", 1, "w", "p")


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_scenarios_are_valid_and_have_three_emergencies(path: Path) -> None:
    scenario = load_scenario(Path(path.stem))
    assert scenario.devices
    assert list(scenario.happenings) == sorted(scenario.happenings, key=lambda one: one.at_s)
    assert scenario.device(scenario.devices[0].id) is scenario.devices[0]


WEARABLE: dict[str, Any] = {"type": "wearable", "id": "w"}


@pytest.mark.parametrize(
    ("tree", "word"),
    [
        ({}, "devices"),
        ({"devices": [{"type": "toaster", "id": "t"}]}, "toaster"),
        ({"devices": [WEARABLE], "events": [{"at_s": 1, "device": "x", "do": "fall"}]}, "'x'"),
        ({"devices": [WEARABLE], "events": [{"at_s": 1, "device": "w", "do": "fly"}]}, "allowed: fall"),
        ({"devices": [WEARABLE], "events": [{"at_s": "soon", "device": "w", "do": "fall"}]}, "soon"),
    ],
)
def test_a_wrong_scenario_says_what_is_wrong(tree: Mapping[str, Any], word: str) -> None:
    with pytest.raises(ScenarioError, match=word):
        scenario_from(tree)


def test_absent_and_broken_scenario_files(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="home"):
        load_scenario(tmp_path / "absent")
    (tmp_path / "broken.toml").write_text("[", encoding="utf-8")
    with pytest.raises(ScenarioError, match="TOML"):
        load_scenario(tmp_path / "broken.toml")


def test_a_wearable_can_do_everything_that_a_scenario_may_ask() -> None:
    device = PlayedWearable(SimulatedDevice("w", "wearable"), NOBODY, np.random.default_rng(1))
    options = {"vitals": {"heart_rate": 150.0}, "battery": {"percent": 12}}
    now = NOW
    for action in ACTIONS["wearable"]:
        at_ns = device.happen(action, options.get(action, {}), now)
        assert abs(at_ns - now) < 2 * 10**9
        now += 2 * 10**9
        device.tick(now)
    device.close()
    assert device.uplink is not None
    codec = find_driver("yinling_wearable").message
    assert codec is not None
    decoder = codec({})
    waiting = list(device.uplink._waiting)
    observations = [o for m in waiting for o in decoder.feed(m.topic, m.payload, now)]
    assert decoder.health.rejected.total() == 0
    assert {"accel", "help_button", "heart_rate", "battery", "worn"} <= {o.signal for o in observations}


def test_a_radar_on_its_port_can_do_everything_that_a_scenario_may_ask(tmp_path: Path) -> None:
    device = PlayedRadar(SimulatedDevice("radar", "radar"), tmp_path)
    other_end = os.open(tmp_path / "radar", os.O_RDWR | os.O_NONBLOCK)
    stream = find_driver("micradar").stream
    assert stream is not None
    codec = stream("radar", {})
    os.write(other_end, codec.on_open())
    for number, action in enumerate(ACTIONS["radar"]):
        assert device.happen(action, {}, NOW) == NOW
        device.tick(NOW + number * 10**9)
    deadline = time.monotonic() + 60
    signals: set[str] = set()
    while not {"fall", "presence", "motion"} <= signals and time.monotonic() < deadline:
        signals |= {one.signal for one in codec.feed(_read(other_end), NOW)}
    assert {"fall", "presence", "motion"} <= signals
    os.close(other_end)
    device.close()
    assert not (tmp_path / "radar").exists()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except BlockingIOError:
        return b""


def test_a_zigbee_network_can_do_everything_that_a_scenario_may_ask() -> None:
    nodes = {"sos": "TS0215A_sos", "door": "MCCGQ11LM", "smoke": "HS1SA", "pir": "RTCGQ11LM"}
    device = PlayedZigbee(SimulatedDevice("zigbee2mqtt/bridge", "zigbee", {"nodes": nodes}), NOBODY)
    of = {"press": "sos", "open": "door", "close": "door", "smoke": "smoke", "smoke_over": "smoke", "motion": "pir"}
    for action in ACTIONS["zigbee"]:
        device.happen(action, {"node": of.get(action, "")}, NOW)
        device.tick(NOW)
    device.close()
    make = find_driver("zigbee2mqtt").message
    assert make is not None
    codec = make({})
    assert device.uplink is not None
    waiting = list(device.uplink._waiting)
    observations = [o for m in waiting for o in codec.feed(m.topic, m.payload, NOW + 60 * 10**9)]
    assert {"help_button", "door", "smoke", "occupancy", "online"} <= {o.signal for o in observations}


def test_bytes_that_nobody_reads_are_lost_and_counted(tmp_path: Path) -> None:
    port = SimulatedPort(tmp_path / "port")
    for _ in range(100):
        port.write(b"x" * 4096)
    assert port.lost_bytes > 0
    assert port.read() == b""
    port.close()


def test_the_lean_publisher_is_understood_by_the_real_broker(tmp_path: Path, free_port: int, capsys: Any) -> None:
    account = tmp_path / "account.json"
    account.write_text(
        f'{{"host": "127.0.0.1", "port": {free_port}, "username": "load", "password": "p"}}', encoding="utf-8"
    )

    async def body() -> list[bytes]:
        users = [BrokerUser(name, hash_password("p"), ("#",), ("#",)) for name in ("load", "gateway")]
        broker = Broker(BrokerOptions(tmp_path / "broker", port=free_port), users)
        await broker.start()
        options = MqttOptions("127.0.0.1", free_port, "g", ("yinling/+/up",), "gateway", "p")
        session = MqttSession(options, asyncio.get_running_loop())
        session.start()
        while not session.health.connected:  # noqa: ASYNC110 - another thread connects
            await asyncio.sleep(0.01)
        wrong = LoadPublisher()
        with pytest.raises(LoadError):
            await wrong.connect("127.0.0.1", free_port, "x", "load", "wrong")
        with pytest.raises(LoadError):
            await wrong.publish([("t", b"")])
        crowd = load_main.crowd(
            {"host": "127.0.0.1", "port": free_port, "username": "load", "password": "p"}, 20, 2, 1, 1
        )
        await crowd
        got: list[bytes] = []
        while len(got) < 40:
            batch = await asyncio.wait_for(session.take(), 60)
            got += [message.payload for message in batch]
            session.ack(batch)
        session.stop()
        await wrong.close()
        await broker.stop()
        return got

    got = asyncio.run(body())
    assert len(set(got)) == 40
    make = find_driver("yinling_wearable").message
    assert make is not None
    codec = make({})
    for number, payload in enumerate(got):
        codec.feed(f"yinling/load-{number}/up", payload, time.time_ns())
    assert codec.health.rejected.total() == 0
    assert '"acknowledged": ' in capsys.readouterr().out
