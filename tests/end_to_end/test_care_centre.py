"""A care centre at night: every family of devices at once on its real transport, to an answered alert or the history.

What the gateway made of each device is asked through its API, as any other program would ask it.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from device_drivers.registry import drivers, is_ours
from device_drivers.signals import SIGNALS, SignalKind
from gateway.cli import BAD_ANSWER, CANNOT, app, commands
from gateway.cli.demo import Judged, play
from gateway.cli.site import site_of
from simulators.scenario import load_scenario

if TYPE_CHECKING:
    import httpx

    from gateway.cli.rig import Rig

assert commands.__all__

PATH = Path("care_centre")
STORY = load_scenario(PATH)
PATIENCE_S = 400.0
"""The story takes 66 s; the rest is for a machine that is busy with other things."""
SPAN = {"start": "2020-01-01T00:00:00Z", "end": "2100-01-01T00:00:00Z"}
ALERTS: dict[str, set[tuple[str, str]]] = {
    "micradar": {("fall", "radar-101-bath")},
    "hilink_tf": {("fall", "radar-103")},
    "bci": {("spo2_low", "oximeter-105")},
    "contec": {("spo2_low", "oximeter-106")},
    "nonin": {("spo2_low", "oximeter-107")},
    "modbus_io": {("help_call", "cord-108-bath"), ("help_call", "call-106")},
    "emfit": {("heart_rate_low", "bed-112")},
    "watch_3g": {("help_call", "9032074659")},
    "minifinder": {("help_call", "863921031234567")},
    "jt808": {("help_call", "013912345678")},
    "yinling_wearable": {("fall", "wearable-113")},
    "zigbee2mqtt": {
        ("help_call", "zigbee2mqtt/sos-114"),
        ("fall", "zigbee2mqtt/radar-115"),
        ("smoke", "zigbee2mqtt/smoke-corridor"),
    },
    "minew": {("help_call", "C300007B573C")},
    "bthome": {("help_call", "BC026E112233")},
    "chirpstack": {("help_call", "24e124535b316056"), ("fall", "24e124798d123456")},
    "thethings": {("help_call", "a84041ffff123456")},
    "generic_json": {("help_call", "a1YinLing/mat-107")},
    "esphome": {("help_call", "esphome/bath-104"), ("fall", "esphome/room-102")},
}
RECORDS: dict[str, set[tuple[str | None, str, str, Any]]] = {
    "micradar": {
        ("r102", "bed-radar-102", "respiratory_rate", 15.0),
        ("r102", "bed-radar-102", "bed_occupancy", "left"),
    },
    "hilink_tf": {("r104", "bed-radar-104", "respiratory_rate", 17.0)},
    "ld2410": {("r116", "presence-116", "presence", True)},
    "ld2450": {("r118", "tracker-dayroom", "position_x", -120.0)},
    "modbus_io": {("r104", "mat-104", "bed_occupancy", "left")},
    "emfit": {("r112", "bed-112", "bed_occupancy", "in"), ("r112", "bed-112", "bed_occupancy", "left")},
    "watch_3g": {("r109", "9032074659", "systolic_pressure", 139.0)},
    "zigbee2mqtt": {
        ("r116", "zigbee2mqtt/bed-116", "bed_occupancy", "left"),
        (None, "zigbee2mqtt/door-entrance", "door", "open"),
    },
    "ble_gatt": {
        ("r114", "A4C138112233", "systolic_pressure", 148.0),
        ("r115", "A4C138445566", "body_temperature", 36.6),
        ("r119", "A4C138778899", "body_weight", 70.2),
    },
    "bthome": {("r118", "3C2EF51A2B3C", "door", "open")},
    "openmqttgateway": {("r117", "5CCAD3445566", "body_weight", 61.4)},
    "espresense": {("r113", "espresense/tag-113", "room", "dayroom")},
    "generic_json": {("r107", "a1YinLing/mat-107", "bed_occupancy", "left")},
    "esphome": {("r102", "esphome/room-102", "heart_rate", 74.0)},
}
MEASURED_ONCE = {"systolic_pressure", "body_temperature", "body_weight"}


class Seen:
    """What the API tells while the centre is still there."""

    alerts: list[dict[str, Any]]
    parts: list[dict[str, Any]]

    def __init__(self) -> None:
        self.values: dict[tuple[str, str], list[Any]] = {}
        self.counts: dict[tuple[str, str], int] = {}

    def look(self, rig: Rig) -> None:
        with rig.api() as api:
            self.alerts = _get(api, "/api/v1/alerts", limit=200)["alerts"]
            self.parts = _get(api, "/api/v1/health")["parts"]
            for resident, device, signal, _ in (one for rows in RECORDS.values() for one in rows):
                self._record(api, resident, device, signal)

    def _record(self, api: httpx.Client, resident: str | None, device: str, signal: str) -> None:
        key = device, signal
        if resident is None:
            rows = _get(api, "/api/v1/devices")["devices"]
            (found,) = [one for one in rows if one["id"] == device]
            self.values[key] = [one["value"] for one in found["values"] if one["signal"] == signal]
        elif SIGNALS[signal].kind is SignalKind.READING:
            series = _get(api, f"/api/v1/residents/{resident}/history", signal=signal, points=2000, **SPAN)
            self.values[key] = [*series["min"], *series["max"]]
            self.counts[key] = sum(series["count"])
        else:
            rows = _get(api, f"/api/v1/residents/{resident}/events", signal=signal, **SPAN)["events"]
            self.values[key] = [one["value"] for one in rows if one["device_id"] == device]


def _get(api: httpx.Client, path: str, **query: Any) -> dict[str, Any]:
    answer = api.get(path, params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> tuple[Judged, dict[str, Any], Seen]:
    rig = site_of(STORY, tmp_path_factory.mktemp("centre"))
    rig.prepare()
    seen = Seen()
    judged = asyncio.run(play(rig, STORY, PATH, PATIENCE_S, finish_early=True, look=seen.look))
    return judged, judged.plain(rig), seen


def test_every_family_is_there_and_must_end_as_an_alert_or_a_record() -> None:
    assert set(ALERTS) | set(RECORDS) == {name for name, driver in drivers().items() if is_ours(driver)}


@pytest.mark.slow
def test_nothing_is_missing_lost_doubled_or_invented(centre: tuple[Judged, dict[str, Any], Seen]) -> None:
    judged, result, _ = centre
    assert result["missing"] == []
    assert result["not_reached"] == []
    assert result["losses"] == 0
    assert result["unexpected"] == []
    assert result["duplicates"]["alerts"] == 0
    assert result["duplicates"]["records"] == 0
    assert result["assist_service"]["rejected"] == 0
    # A held message may be delivered again by the broker: the frame is known by its number and counted.
    assert [one for one in result["rejected"].values() if set(one) - {"duplicate"}] == []
    assert judged.good(result)
    assert len(judged.emergencies) == sum(map(len, ALERTS.values()))
    assert len(judged.records) == sum(map(len, RECORDS.values()))


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(ALERTS))
def test_the_emergencies_of_a_family_are_answered_alerts(
    centre: tuple[Judged, dict[str, Any], Seen], family: str
) -> None:
    _, _, seen = centre
    answered = {
        (one["kind"], device): one["acknowledged"]
        for one in seen.alerts
        for device in one["devices"]
        if one["raised"] is not None
    }
    for wanted in ALERTS[family]:
        assert answered.get(wanted) is not None, (wanted, sorted(answered))


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(RECORDS))
def test_the_values_of_a_family_are_in_the_history(centre: tuple[Judged, dict[str, Any], Seen], family: str) -> None:
    _, _, seen = centre
    for _, device, signal, value in RECORDS[family]:
        found = seen.values[device, signal]
        expected = value if isinstance(value, bool | str) else pytest.approx(value, abs=0.06)
        assert any(one == expected for one in found), (device, signal, found[-20:])
        if signal in MEASURED_ONCE:
            assert seen.counts[device, signal] == 1


@pytest.mark.slow
def test_every_way_in_works(centre: tuple[Judged, dict[str, Any], Seen]) -> None:
    _, _, seen = centre
    ways = {one["name"]: one for one in seen.parts if one["name"].partition(":")[0] in {"mqtt", "serial", "tcp"}}
    assert len(ways) >= len(drivers()) - 2
    assert [one for one in ways.values() if not one["ok"]] == []


TINY = """
residents = [{ id = "r1", name = "王秀英" }]
[[devices]]
type = "micradar"
id = "radar-1"
resident = "r1"
[[events]]
at_s = 0
device = "radar-1"
do = "arrive"
[[events]]
at_s = 3600
device = "radar-1"
do = "fall"
"""


@pytest.mark.slow
def test_what_was_not_reached_in_time_fails_the_demo(tmp_path: Path) -> None:
    scenario, result = tmp_path / "tiny.toml", tmp_path / "result.json"
    scenario.write_text(TINY, encoding="utf-8")
    asked = ["demo", "--headless", "--scenario", str(scenario), "--seconds", "1", "--json", str(result)]
    ended = CliRunner().invoke(app, [*asked, "--language", "en"])
    assert ended.exit_code == BAD_ANSWER, ended.output
    told = json.loads(result.read_text(encoding="utf-8"))
    assert "radar-1 fall" in told["not_reached"]
    assert told["duplicates"] == {"alerts": 0, "records": 0, "deliveries": 0}


def test_a_scenario_that_is_not_there_is_said_to_be_so() -> None:
    ended = CliRunner().invoke(app, ["demo", "--headless", "--scenario", "nowhere"])
    assert ended.exit_code == CANNOT
    assert "care_centre, home" in ended.output
