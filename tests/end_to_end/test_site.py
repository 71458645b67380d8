"""A whole home in one loop: real broker, real pty, real HTTP to the stand-in service, until every alert is answered."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from gateway.cli.judge import judge, report
from gateway.cli.rig import Rig, RigDevice, RigError
from gateway.config import load_settings
from gateway.runtime import Gateway
from simulators.home import Accounts, Home, Truth
from simulators.scenario import scenario_from

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.cli.judge import Emergency

DEVICES = (
    RigDevice("wearable-1", "yinling_wearable", "r1"),
    RigDevice("radar-1", "micradar", "r2", room="客厅", serial_link="radar-1"),
    RigDevice("zigbee2mqtt/bridge", "zigbee2mqtt", None, room="客厅"),
    RigDevice("zigbee2mqtt/sos", "zigbee2mqtt", "r2", room="卧室"),
    RigDevice("zigbee2mqtt/door", "zigbee2mqtt", "r2", room="门厅"),
)
SCENARIO = {
    "name": "short",
    "seed": 3,
    "devices": [
        {"type": "wearable", "id": "wearable-1"},
        {"type": "radar", "id": "radar-1", "link": "radar-1"},
        {"type": "zigbee", "id": "zigbee2mqtt/bridge", "nodes": {"sos": "TS0215A_sos", "door": "MCCGQ11LM"}},
    ],
    "events": [
        {"at_s": 0, "device": "wearable-1", "do": "walk"},
        {"at_s": 0, "device": "radar-1", "do": "arrive"},
        {"at_s": 1, "device": "zigbee2mqtt/bridge", "do": "open", "node": "door"},
        {"at_s": 2, "device": "radar-1", "do": "fall"},
        {"at_s": 5, "device": "wearable-1", "do": "vitals", "heart_rate": 70.0},
        {"at_s": 6, "device": "wearable-1", "do": "fall"},
        {"at_s": 7, "device": "zigbee2mqtt/bridge", "do": "close", "node": "door"},
        {"at_s": 12, "device": "zigbee2mqtt/bridge", "do": "press", "node": "sos"},
        {"at_s": 13, "device": "radar-1", "do": "fall_over"},
        {"at_s": 14, "device": "zigbee2mqtt/bridge", "do": "motion", "node": "door"},
    ],
}
INFLUX = '[influx]\nurl = "http://127.0.0.1:9"\ntoken = {env = "YINLING_TEST_TOKEN"}\n'
PATIENCE_S = 90.0


@pytest.mark.slow
def test_every_emergency_of_a_home_is_one_alert_signed_delivered_and_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YINLING_TEST_TOKEN", "secret-token")
    from gateway.registry import Resident

    residents = (Resident("r1", "王秀英", room="101"), Resident("r2", "李建国", room="102"))
    rig = Rig(tmp_path, devices=DEVICES, residents=residents, extra_settings=INFLUX)
    rig.prepare()
    try:
        emergencies, seen = asyncio.run(_live(rig))
    finally:
        rig.stop()
    result = report(emergencies, rig.assist_log())
    assert result["missing"] == []
    assert result["losses"] == 0
    assert result["duplicates"]["alerts"] == 0
    assert result["assist_service"]["rejected"] == 0
    assert len(emergencies) == 3
    assert all(one.acknowledged_by for one in emergencies)
    parts = {part["name"]: part["ok"] for part in seen["health"]}
    assert parts["broker"]
    assert parts["store"]
    assert parts["pipeline"]
    assert "influx" in parts
    assert "secret-token" not in (tmp_path / "yinling.toml").read_text(encoding="utf-8")
    heart = seen["heart_rate"]
    assert heart, "the wearable's heart rate is in the history"


async def _live(rig: Rig) -> tuple[list[Emergency], dict[str, Any]]:
    rig.start_assist("--speed=50", "--on-scene-s=60", "--resolved-s=40")
    gateway = Gateway(load_settings(rig.config))
    await gateway.open()
    stop = asyncio.Event()
    running = asyncio.create_task(gateway.run(stop))
    truths: list[Truth] = []
    home = Home(
        scenario_from(SCENARIO),
        Accounts("127.0.0.1", rig.mqtt_port, rig.passwords),
        rig.folder,
        truths.append,
    )
    playing = asyncio.create_task(home.run(stop))
    try:
        await gateway.serving()
        emergencies = await _until_answered(gateway, truths)
        seen = await asyncio.to_thread(_look, rig)
    finally:
        stop.set()
        await asyncio.gather(running, playing)
    return emergencies, seen


async def _until_answered(gateway: Gateway, truths: list[Truth]) -> list[Emergency]:
    deadline = time.monotonic() + PATIENCE_S
    emergencies: list[Emergency] = []
    while time.monotonic() < deadline:
        page = await gateway.in_database(gateway.alerts.list, limit=100)
        told = [json.loads(json.dumps({"device": t.device, "kind": t.kind, "at_ns": t.at_ns})) for t in truths]
        emergencies = judge(told, page.alerts)
        if len(emergencies) == 3 and all(one.acknowledged_ns for one in emergencies):
            break
        await asyncio.sleep(0.2)
    return emergencies


def _look(rig: Rig) -> dict[str, Any]:
    with rig.api() as api:
        health = api.get("/api/v1/health").json()["parts"]
        start, end = "2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z"
        history = api.get("/api/v1/residents/r1/history", params={"signal": "heart_rate", "start": start, "end": end})
        assert history.status_code == httpx.codes.OK, history.text
        refused = httpx.get(f"{rig.api_url}/api/v1/alerts")
        assert refused.status_code == httpx.codes.UNAUTHORIZED
    points = history.json()
    return {"health": health, "heart_rate": points.get("points") or points}


def test_a_site_whose_process_ends_says_why(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.prepare()
    rig.config.write_text("[api]\nprt = 1\n", encoding="utf-8")
    with pytest.raises(RigError, match=r"api\.prt"):
        rig.start_gateway()
    rig.stop()
