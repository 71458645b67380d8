"""Scenario files, simulated ports and devices of a home; the lean publisher against the real broker."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from device_drivers.registry import find_driver
from device_drivers.transports.mqtt_session import MqttOptions, MqttSession
from gateway.broker.config import BrokerOptions, BrokerUser, hash_password
from gateway.broker.supervisor import Broker
from simulators import load_main
from simulators.mqtt_load import LoadError, LoadPublisher
from simulators.scenario import SHIPPED, ScenarioError, load_scenario, scenario_from
from simulators.serial_port import SimulatedPort

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = 1_800_000_000 * 10**9


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_scenarios_are_valid_and_have_three_emergencies(path: Path) -> None:
    scenario = load_scenario(Path(path.stem))
    assert scenario.devices
    assert list(scenario.happenings) == sorted(scenario.happenings, key=lambda one: one.at_s)
    assert scenario.device(scenario.devices[0].id) is scenario.devices[0]


WEARABLE: dict[str, Any] = {"type": "yinling_wearable", "id": "w"}


@pytest.mark.parametrize(
    ("tree", "word"),
    [
        ({}, "devices"),
        ({"devices": [{"type": "toaster", "id": "t"}]}, "toaster"),
        ({"devices": [WEARABLE, WEARABLE]}, "same id"),
        ({"devices": [WEARABLE | {"resident": "r9"}]}, "'r9' is no resident"),
        ({"residents": [{"id": "r1", "nmae": "x"}], "devices": []}, "allowed are"),
        ({"residents": [{"id": "r1"}], "devices": []}, "name"),
        ({"devices": [WEARABLE | {"nodes": [1]}]}, "scenario"),
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
