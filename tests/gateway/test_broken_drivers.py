"""A broken driver of a third party is named by doctor, at the start and in the box's health, and stops nothing."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from device_drivers.contract import DriverFaultError
from device_drivers.registry import UnknownFamilyError, find_driver
from device_drivers.transports.tcp_listener import TcpOptions
from gateway import wiring
from gateway.cli import app, commands
from gateway.cli.rig import Rig, RigDevice
from gateway.config import settings_from
from gateway.doctor import Check, Verdict, examine
from gateway.registry import Device
from gateway.scan import MqttListener, probe_port
from gateway.tcp_source import TcpSource
from simulators.radar import RadarDevice
from simulators.serial_port import SimulatedPort

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

assert commands.__all__

NOW = 1_800_000_000 * 10**9
DEADLINE_S = 120.0
FAULTY = """
from device_drivers.codec import Driver, MessageCodec, StreamCodec
from device_drivers.observations import DeviceEvent, Reading


class Lamp(StreamCodec):
    family = "{family}"

    def __init__(self, device_id, options):
        super().__init__(device_id)
        {init}

    def on_open(self):
        {on_open}
        return b""

    def poll(self, now_ns):
        {poll}
        return b""

    def feed(self, data, received_ns):
        {feed}


class Lamps(MessageCodec):
    family = "{family}"

    def __init__(self, options):
        super().__init__()
        {init}

    def subscriptions(self):
        return ["lamp/+"]

    def on_open(self):
        {on_open}
        return []

    def poll(self, now_ns):
        {poll}
        return []

    def feed(self, topic, payload, received_ns, *, retained=False):
        {feed}


def account_topics(device_id):
    {account}


DRIVER = Driver(
    "{family}", "灯", "Lamp", ("battery", "help_button"), stream=Lamp, message=Lamps, account_topics=account_topics,
    first_bytes=({first_bytes}),
)
"""
PRESS = "[DeviceEvent(getattr(self, 'device_id', 'lamp'), 'help_button', True, received_ns, received_ns)]"
MISTAKE = "raise ZeroDivisionError('a mistake')"


def faulty(family: str, **parts: str) -> str:
    whole = {"init": "pass", "on_open": "pass", "poll": "pass", "feed": f"return {PRESS}"}
    more = {"account": "return ('lamp/#',), ()", "first_bytes": ""}
    return FAULTY.format(family=family, **{**whole, **more, **parts})


def around(loop: asyncio.AbstractEventLoop) -> wiring.Surroundings:
    return wiring.Surroundings(loop, lambda *_: None, lambda: NOW, lambda: 0.0)


def made(settings: Any, told: Callable[[str, str], None] | None) -> list[str]:
    async def body() -> list[str]:
        return [one.name for one in wiring.make_sources(settings, around(asyncio.get_running_loop()), told)]

    return asyncio.run(body())


def checks(folder: Path, **tree: Any) -> dict[str, Check]:
    return {check.name: check for check in examine(settings_from(tree, folder), clock=lambda: NOW)}


def test_doctor_names_every_broken_driver_and_what_to_do(tmp_path: Path, foreign_drivers: Any) -> None:
    foreign_drivers.install("absent_import", "import something_that_is_absent")
    foreign_drivers.install("taker", faulty("micradar"))
    foreign_drivers.install("failing_lamp", faulty("failing_lamp", init=MISTAKE))
    foreign_drivers.install("picky_lamp", faulty("picky_lamp", init="raise ValueError('rate is slow')"))
    found = checks(
        tmp_path,
        mqtt={"families": ["failing_lamp", "absent_import", "zigbee2mqtt"]},
        serial=[{"url": "socket://x:1", "family": "picky_lamp", "device_id": "lamp-1"}],
        tcp=[{"families": ["jt808", "nonsense"]}],
    )
    failed = {name: check for name, check in found.items() if check.verdict is Verdict.FAIL}
    assert set(failed) == {
        "driver:failing_lamp",
        "driver:absent_import",
        "driver:picky_lamp",
        "driver:nonsense",
        "driver:taker",
    }
    assert "No module named 'something_that_is_absent'" in failed["driver:absent_import"].zh
    assert "already taken" in failed["driver:taker"].en
    assert "ZeroDivisionError: a mistake" in failed["driver:failing_lamp"].en
    assert "rate is slow" in failed["driver:picky_lamp"].en
    assert all(check.fix_zh and check.fix_en for check in failed.values())
    assert found["drivers"].verdict is Verdict.OK
    used, others = found["drivers"].en.split("; there are also, once set up: ")
    assert used.endswith("zigbee2mqtt, jt808")
    assert not {"failing_lamp", "picky_lamp", "jt808"} & set(others.split(", "))


def test_what_a_broken_driver_would_hear_is_left_out_and_all_others_are_made(
    tmp_path: Path, foreign_drivers: Any
) -> None:
    foreign_drivers.install("lamp_a", faulty("lamp_a", init=MISTAKE))
    foreign_drivers.install("lamp_b", faulty("lamp_b", init="raise ValueError('rate is slow')"))
    tree = {
        "mqtt": {"families": ["zigbee2mqtt", "lamp_a", "uninstalled"]},
        "serial": [
            {"url": "socket://x:1", "family": "lamp_b", "device_id": "lamp-1"},
            {"url": "socket://x:1", "family": "micradar", "device_id": "radar-1"},
        ],
        "tcp": [{"families": ["jt808", "uninstalled"]}],
    }
    (tmp_path / "var").mkdir()
    told: dict[str, str] = {}
    names = made(settings_from(tree, tmp_path), told.__setitem__)
    assert names == ["mqtt:zigbee2mqtt", "serial:radar-1", "tcp:127.0.0.1:7700"]
    assert set(told) == {"mqtt:lamp_a", "mqtt:uninstalled", "serial:lamp-1", "tcp:uninstalled"}
    assert "rate is slow" in told["serial:lamp-1"]
    for family, error in (("lamp_a", DriverFaultError), ("uninstalled", UnknownFamilyError)):
        with pytest.raises(error):
            made(settings_from({"mqtt": {"families": [family]}}, tmp_path), None)
    with pytest.raises(UnknownFamilyError):
        made(settings_from({"mqtt": {"families": []}, "tcp": [{"families": ["uninstalled"]}]}, tmp_path), None)


def test_an_account_that_a_driver_cannot_name_is_missing_alone(tmp_path: Path, foreign_drivers: Any) -> None:
    foreign_drivers.install("lamp_a", faulty("lamp_a", account=MISTAKE))
    foreign_drivers.install("lamp_b", faulty("lamp_b", account="return (7,), ()"))
    foreign_drivers.install("lamp_c", faulty("lamp_c"))

    class Accounts:
        def credentials(self) -> list[tuple[str, str, str]]:
            families = ("lamp_a", "lamp_b", "lamp_c", "uninstalled", "yinling_wearable")
            return [(f"{family}-1", family, "hash") for family in families]

    users = wiring.device_users(Accounts())  # type: ignore[arg-type]
    assert [one.name for one in users] == ["lamp_c-1", "yinling_wearable-1"]


def test_the_search_for_devices_goes_on_without_a_broken_driver(tmp_path: Path, foreign_drivers: Any) -> None:
    for name in ("init", "on_open", "poll", "feed"):
        foreign_drivers.install(f"lamp_{name}", faulty(f"lamp_{name}", **{name: MISTAKE}))
    foreign_drivers.install("lamp_none", faulty("lamp_none", feed="return None"))
    port, radar = SimulatedPort(tmp_path / "radar"), RadarDevice()
    stop = threading.Event()

    def play() -> None:
        while not stop.wait(0.02):
            port.write(radar.feed(port.read()) + radar.tick(time.time_ns()))

    player = threading.Thread(target=play)
    player.start()
    try:
        report = probe_port(str(tmp_path / "radar"))
    finally:
        stop.set()
        player.join()
        port.close()
    assert report.error is None
    assert report.best is not None
    assert report.best.family == "micradar"
    listener = MqttListener()
    listener.hear("lamp/1", b"on", NOW)
    heard = {one.family for one in listener.talkers()}
    assert heard == {"lamp_on_open", "lamp_poll"}


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ({"feed": MISTAKE}, "ZeroDivisionError: a mistake ("),
        ({"feed": "return None"}, "feed gave a NoneType: give a list"),
        ({"feed": "return [Reading('lamp', 'glow', 1.0, received_ns, received_ns)]"}, "'glow': not in the table"),
    ],
)
def test_decode_shows_a_driver_s_mistake_as_the_gateway_would_count_it(
    parts: dict[str, str], text: str, foreign_drivers: Any
) -> None:
    foreign_drivers.install("lamp", faulty("lamp", **parts))
    for given in (["--hex", "00"], ["--topic", "lamp/1", "--payload", "on"]):
        result = CliRunner().invoke(app, ["decode", "lamp", *given])
        assert result.exit_code == 1, result.output
        (line,) = [json.loads(line) for line in result.stdout.splitlines()]
        assert (line["kind"], line["error"]) == ("rejected", "driver_fault")
        assert text in line["detail"]


@pytest.mark.parametrize(("init", "text"), [(MISTAKE, "making its codec raised"), ("raise ValueError('slow')", "slow")])
def test_decode_says_why_there_is_no_codec(init: str, text: str, foreign_drivers: Any) -> None:
    foreign_drivers.install("lamp", faulty("lamp", init=init))
    for given in (["--hex", "00"], ["--topic", "lamp/1", "--payload", "on"]):
        result = CliRunner().invoke(app, ["decode", "lamp", *given])
        assert result.exit_code == 2
        assert text in result.stderr


def test_decode_takes_the_options_of_the_settings_file(tmp_path: Path) -> None:
    config = tmp_path / "yinling.toml"
    config.write_text(
        '[[drivers.generic_json.rules]]\ntopic = "cup/+"\ndevice = "cup-{1}"\n'
        'values = [{path = "hr", signal = "heart_rate"}]\n',
        encoding="utf-8",
    )
    given = ["decode", "generic_json", "--topic", "cup/7", "--payload", '{"hr": 71}']
    result = CliRunner().invoke(app, [*given, "--config", str(config)])
    (line,) = [json.loads(line) for line in result.stdout.splitlines()]
    assert (line["device"], line["signal"], line["value"]) == ("cup-7", "heart_rate", 71.0)
    assert CliRunner().invoke(app, given).exit_code == 1


def test_a_broken_driver_on_a_tcp_port_is_named_and_a_call_for_help_beside_its_nonsense_is_heard(
    foreign_drivers: Any,
) -> None:
    knock = "self.stated_id = 'lamp-1'; return ['nonsense', *" + PRESS + "]"
    foreign_drivers.install("lamp", faulty("lamp", feed=knock, first_bytes="b'L',"))
    foreign_drivers.install("dark", faulty("dark", init=MISTAKE, first_bytes="b'D',"))
    offered: list[Any] = []

    async def scene() -> TcpSource:
        drivers = [find_driver("lamp"), find_driver("dark")]
        source = TcpSource(
            TcpOptions(port=0), drivers, lambda found, *_: offered.extend(found), lambda: NOW, lambda: 0.0
        )
        source.allow([Device("lamp-1", "lamp")])
        running = asyncio.create_task(source.run())
        host, port = await source.listener.listening()
        for hello, came in ((b"D", lambda: source.faults), (b"L", lambda: offered)):
            _, writer = await asyncio.open_connection(host, port)
            writer.write(hello)
            deadline = time.monotonic() + DEADLINE_S
            while not came():
                assert time.monotonic() < deadline, f"nothing came of {hello!r}"
                await asyncio.sleep(0.005)
            writer.close()
            await writer.wait_closed()
        source.stop()
        await running
        return source

    source = asyncio.run(scene())
    assert [(one.device_id, one.signal) for one in offered] == [("lamp-1", "help_button")]
    assert "a str is no observation" in source.faults["lamp-1"]
    assert any("making its codec raised ZeroDivisionError" in why for why in source.faults.values())


BROKEN = {
    "absent_import": "import something_that_is_absent",
    "nameless": "driver = 1",
    "taker": faulty("zigbee2mqtt"),
    "lamp_init": faulty("lamp_init", init=MISTAKE),
    "lamp_open": faulty("lamp_open", on_open=MISTAKE),
    "lamp_poll": faulty("lamp_poll", poll=MISTAKE),
    "lamp_feed": faulty("lamp_feed", feed=MISTAKE),
    "lamp_none": faulty("lamp_none", feed="return None"),
    "lamp_words": faulty("lamp_words", feed="return ['on']"),
    "lamp_signal": faulty(
        "lamp_signal", feed="return [Reading('lamp_signal-1', 'glow', 1.0, received_ns, received_ns)]"
    ),
    "lamp_value": faulty("lamp_value", feed="return [Reading('lamp_value-1', 'battery', 'full', None, 1.5)]"),
}
LAMPS = [name for name in BROKEN if name.startswith("lamp_")]


@pytest.mark.slow
def test_a_gateway_full_of_broken_drivers_runs_hears_the_others_and_names_each(
    tmp_path: Path, foreign_drivers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, source in BROKEN.items():
        foreign_drivers.install(name, source)
    foreign_drivers.install("good_lamp", faulty("good_lamp"))
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join(filter(None, (str(foreign_drivers.folder), os.environ.get("PYTHONPATH"))))
    )
    families = ["good_lamp", *LAMPS]
    ports = {family: SimulatedPort(tmp_path / family) for family in families}
    lines = "".join(
        f'[[serial]]\nurl = "{tmp_path / family}"\nfamily = "{family}"\ndevice_id = "{family}-1"\n'
        for family in families
    )
    devices = tuple(RigDevice(f"{family}-1", family) for family in ("good_lamp", "lamp_poll"))
    rig = Rig(tmp_path / "site", devices=devices, extra_settings=lines)
    try:
        rig.prepare()
        rig.start_gateway()
        expected = {
            **{f"driver:{name}": True for name in ("absent_import", "nameless", "taker")},
            **{f"serial:{name}-1": True for name in LAMPS},
        }
        parts = wait_for(
            rig,
            ports,
            lambda found: (
                all(not found[name]["ok"] for name in expected if name in found)
                and set(expected) <= set(found)
                and bool(opened(rig))
            ),
        )
        rig.check_alive("gateway")
    finally:
        rig.stop()
        for port in ports.values():
            port.close()
    texts = {name: parts[name]["text"]["en"] for name in expected}
    assert "No module named 'something_that_is_absent'" in texts["driver:absent_import"]
    assert "no attribute 'DRIVER'" in texts["driver:nameless"]
    assert "already taken by a driver of yinling-gateway" in texts["driver:taker"]
    assert "is left out" in texts["serial:lamp_init-1"]
    assert all("a mistake" in texts[f"serial:lamp_{name}-1"] for name in ("init", "open", "poll", "feed"))
    assert "feed gave a NoneType" in texts["serial:lamp_none-1"]
    assert "a str is no observation" in texts["serial:lamp_words-1"]
    assert "'glow': not in the table" in texts["serial:lamp_signal-1"]
    assert "at_ns is None" in texts["serial:lamp_value-1"]
    assert parts["serial:good_lamp-1"]["ok"]
    assert parts["pipeline"]["ok"]
    log = (rig.folder / "gateway.log").read_text(encoding="utf-8")
    assert log.count('"driver.broken"') == 3
    assert "source.left_out" in log


def wait_for(rig: Rig, ports: dict[str, SimulatedPort], done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    deadline = time.monotonic() + DEADLINE_S
    parts: dict[str, Any] = {}
    with rig.api() as api:
        while time.monotonic() < deadline:
            for port in ports.values():
                port.write(b"on")
            parts = {part["name"]: part for part in api.get("/api/v1/health").json()["parts"]}
            if done(parts):
                return parts
            rig.check_alive("gateway")
            time.sleep(0.1)
    raise AssertionError(json.dumps(parts, ensure_ascii=False, indent=1))


def opened(rig: Rig) -> list[dict[str, Any]]:
    """The calls for help of the good lamp."""
    with rig.api() as api:
        alerts = api.get("/api/v1/alerts?open=true").json()["alerts"]
    return [alert for alert in alerts if alert["kind"] == "help_call"]
