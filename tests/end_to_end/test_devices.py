"""An installer's tools against real ports, a real broker and a real gateway."""

from __future__ import annotations

import asyncio
import io
import json
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import paho.mqtt.publish as mqtt
import pytest
import typer
from typer.testing import CliRunner

from device_drivers.signals import SIGNALS
from gateway.cli import app, commands
from gateway.cli.devices import _chosen, _named
from gateway.cli.rig import Rig, RigDevice
from gateway.commissioning import (
    STEPS,
    Step,
    commissioning_key,
    picked,
    step_of,
    steps_of,
    tried_of,
    well_done,
    what_to_try,
)
from gateway.database import open_database
from gateway.registry import Device, Registry
from gateway.scan import MqttListener, probe_port
from simulators.home import Accounts, Home
from simulators.radar import RadarDevice
from simulators.scenario import scenario_from
from simulators.serial_port import SimulatedPort
from simulators.zigbee import ZigbeeNetwork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

assert commands.__all__


@pytest.fixture
def radar_port(tmp_path: Path) -> Iterator[Path]:
    port, radar = SimulatedPort(tmp_path / "radar"), RadarDevice()
    radar.set_presence(presence=True)
    stop = threading.Event()

    def play() -> None:
        while not stop.wait(0.02):
            port.write(radar.feed(port.read()) + radar.tick(time.time_ns()))

    thread = threading.Thread(target=play)
    thread.start()
    yield tmp_path / "radar"
    stop.set()
    thread.join()
    port.close()


def test_a_radar_on_a_port_is_found_with_its_speed_and_a_proposal(radar_port: Path) -> None:
    report = probe_port(str(radar_port), seconds=3.0)
    assert report.best is not None
    assert (report.best.family, report.best.baud) == ("micradar", 115_200)
    assert report.proposal("radar-1").startswith(f'[[serial]]\nurl = "{radar_port}"\nfamily = "micradar"')


def test_a_port_that_says_nothing_or_is_not_there_is_reported_so(tmp_path: Path) -> None:
    silent = SimulatedPort(tmp_path / "silent")
    assert probe_port(str(tmp_path / "silent"), seconds=0.1).best is None
    assert probe_port(str(tmp_path / "silent"), seconds=0.1).proposal("x") == ""
    silent.close()
    assert probe_port(str(tmp_path / "absent"), seconds=0.1).error is not None


def test_mqtt_talkers_are_sorted_by_family_and_the_rest_is_counted() -> None:
    listener, network = MqttListener(), ZigbeeNetwork()
    network.add("door", "MCCGQ11LM")
    now = time.time_ns()
    listener.hear(*network.door("door", now, is_open=True)[:2], now)
    listener.hear("somebody/else", b"hello", now)
    (talker,) = [one for one in listener.talkers() if one.family == "zigbee2mqtt"]
    assert (talker.device_id, talker.messages) == ("zigbee2mqtt/door", 3)
    assert "door" in talker.signals
    assert listener.topics["somebody/else"] == 1


def test_steps_follow_what_a_device_can_give_and_has_given() -> None:
    assert [step.signal for step in steps_of("zigbee2mqtt", ["help_button", "battery"])] == ["help_button"]
    assert "fall" in [step.signal for step in steps_of("micradar", [])]
    assert all(step.zh and step.en for step in STEPS)
    step = Step("help_button", "", "", (True,))
    seen: dict[str, Any] = {"signal": "help_button", "value": True, "received": {"ns": 10}}
    assert well_done(step, [seen], 5)
    assert not well_done(step, [seen], 11)
    assert not well_done(step, [{**seen, "value": None}], 5)


HOME = {
    "devices": [{"type": "zigbee", "id": "zigbee2mqtt/bridge", "nodes": {"sos": "TS0215A_sos"}}],
    "events": [
        {"at_s": second, "device": "zigbee2mqtt/bridge", "do": "press", "node": "sos"} for second in range(3, 60, 3)
    ],
}


SCALE = """
[[drivers.generic_json.rules]]
topic = "json/+/state"
device = "{1}"
values = [{path = "kg", signal = "body_weight"}]
"""


def test_what_is_tried_is_what_the_device_is_for() -> None:
    def signals(family: str, *heard: str) -> tuple[list[str], bool]:
        steps, known = what_to_try(family, heard)
        return [step.signal for step in steps], known

    assert signals("zigbee2mqtt", "battery", "link_quality", "help_button") == (["help_button"], True)
    assert signals("generic_json", "body_weight", "battery") == (["body_weight"], True)
    assert signals("generic_json", "room_temperature") == (["room_temperature"], True), "any signal can be tried"
    assert signals("generic_json") == ([], False)
    several, known = signals("zigbee2mqtt", "battery")
    assert len(several) > 3
    assert not known, "a battery does not say what a device of a bridge is"
    assert signals("bci") == (["heart_rate", "spo2"], True)


def test_any_signal_has_a_step_in_both_languages() -> None:
    for signal in SIGNALS:
        assert step_of(signal).zh
        assert step_of(signal).en
    assert step_of("humidity").en == "Make the device give: Humidity."
    with pytest.raises(KeyError):
        step_of("nonsense")


@pytest.mark.parametrize(
    ("answer", "indices"),
    [
        ("", [0, 1, 2]),
        ("1,3", [0, 2]),
        ("3 1", [0, 2]),
        ("2，2", [1]),
        ("4", None),
        ("0", None),
        ("x", None),
        ("²", None),
    ],
)
def test_a_choice_is_understood_or_asked_again(answer: str, indices: list[int] | None) -> None:
    assert picked(answer, 3) == indices


def test_an_installer_chooses_what_to_try(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device("zigbee2mqtt/sos", "zigbee2mqtt")
    monkeypatch.setattr("sys.stdin", io.StringIO("9\n1\n"))
    assert [one.signal for one in _chosen(device, [], "en", ask=True)] == ["help_button"]
    shown = capsys.readouterr().out
    assert "1  Press the help button." in shown
    assert "Which (such as 1,3; Enter for all)" in shown


@pytest.mark.parametrize(
    ("signal", "said"),
    [("nonsense", "there is no signal 'nonsense'"), ("body_weight", "zigbee2mqtt does not give body_weight")],
)
def test_what_a_device_cannot_give_is_refused(signal: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        _named([signal], Device("zigbee2mqtt/sos", "zigbee2mqtt"), [])
    assert said in capsys.readouterr().err
    assert [one.signal for one in _named(["body_weight"], Device("scale-1", "generic_json"), [])] == ["body_weight"]


@pytest.mark.slow
def test_commissioning_and_scanning_beside_a_running_gateway(tmp_path: Path) -> None:
    devices = (
        RigDevice("zigbee2mqtt/bridge", "zigbee2mqtt", None),
        RigDevice("zigbee2mqtt/sos", "zigbee2mqtt"),
        RigDevice("scale-1", "generic_json"),
    )
    rig = Rig(tmp_path / "site", devices=devices, language="en", extra_settings=SCALE)
    rig.prepare()
    key = tmp_path / "key"
    key.write_text(rig.key, encoding="utf-8")
    try:
        rig.start_assist("--stop-after=acknowledged")
        rig.start_gateway()
        way = ["--url", rig.api_url, "--key-file", str(key), "--config", str(rig.config)]
        unheard = CliRunner().invoke(app, ["devices", "test", "zigbee2mqtt/sos", "--no-ask", *way])
        with _playing(rig), _weighing(rig):
            test = ["devices", "test", "zigbee2mqtt/sos", "--url", rig.api_url, "--key-file", str(key)]
            pressed = CliRunner().invoke(app, [*test, "--signal", "help_button", "--config", str(rig.config)])
            again = CliRunner().invoke(app, ["devices", "test", "zigbee2mqtt/sos", "--no-ask", *way])
            stepped = CliRunner().invoke(app, ["devices", "test", "scale-1", "--signal", "body_weight", *way])
            weighed = CliRunner().invoke(app, ["devices", "test", "scale-1", *way])
            scanned = CliRunner().invoke(
                app, ["devices", "scan", "--json", "--seconds", "8", "--port", "absent", "--config", str(rig.config)]
            )
        absent = CliRunner().invoke(app, [*test, "--signal", "smoke", "--seconds", "1", "--config", str(rig.config)])
    finally:
        rig.stop()
    assert unheard.exit_code == 2, unheard.output
    assert "--signal help_button" in unheard.stderr
    assert pressed.exit_code == 0, pressed.output
    assert (again.exit_code, again.stdout) == (0, "Press the help button.\nok\n"), again.output
    assert (stepped.exit_code, stepped.stdout) == (0, "Step on the scale.\nok\n"), stepped.output
    assert weighed.stdout == stepped.stdout
    assert absent.exit_code == 1, absent.output
    found = json.loads(scanned.stdout)
    assert "zigbee2mqtt/sos" in [talker["device"] for talker in found["talkers"]]
    assert found["ports"][0]["error"]
    database = open_database(rig.folder / "var" / "gateway.sqlite", check=False)
    stored = Registry(database).setting(commissioning_key("zigbee2mqtt/sos"))
    database.close()
    steps = {one.signal: one.seen for one in tried_of(stored)}
    assert steps == {"help_button": True, "smoke": False}


@contextmanager
def _weighing(rig: Rig) -> Iterator[None]:
    """Somebody who steps on the scale again and again."""
    done = threading.Event()
    login = {"username": "scale-1", "password": rig.passwords["scale-1"]}

    def weigh() -> None:
        while not done.wait(0.5):
            mqtt.single("json/scale-1/state", '{"kg": 61.5}', qos=1, port=rig.mqtt_port, auth=login)

    thread = threading.Thread(target=weigh)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


class _playing:  # noqa: N801 - reads as what it does
    """The scenario's devices in a thread with a loop of their own."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._ready = threading.Event()
        self._stop: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> None:
        self._thread.start()
        assert self._ready.wait(60)

    def __exit__(self, *_: object) -> None:
        self._stop()
        self._thread.join()

    async def _run(self) -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        self._stop = lambda: loop.call_soon_threadsafe(stop.set)
        accounts = Accounts("127.0.0.1", self._rig.mqtt_port, self._rig.passwords)
        home = Home(scenario_from(HOME), accounts, self._rig.folder, lambda _: None)
        self._ready.set()
        await home.run(stop)
