"""A tag carried out by the gate: ESPresense nodes on a real broker, a whole gateway, an alert that is answered."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from analytics.words import why
from gateway.cli.rig import Rig, RigDevice
from gateway.config import load_settings
from gateway.runtime import Gateway
from simulators.home import Accounts, Home
from simulators.scenario import scenario_from

if TYPE_CHECKING:
    from pathlib import Path

HALL, GATE, TAG = "espresense/rooms/hall", "espresense/rooms/gate", "espresense/tag-1"
DEVICES = (
    RigDevice(HALL, "espresense", None, room="走廊", options={"zone": "hall"}),
    RigDevice(GATE, "espresense", None, room="大门", options={"zone": "gate"}),
    RigDevice(TAG, "espresense", "r1"),
)
SCENARIO = {
    "name": "out by the gate",
    "seed": 1,
    "devices": [
        {"type": "espresense", "id": HALL, "hears": {"tag-1": 1.0}},
        {"type": "espresense", "id": GATE, "hears": {"tag-1": 9.0}},
    ],
    "events": [
        {"at_s": 5, "device": HALL, "do": "far", "node": "tag-1"},
        {"at_s": 5, "device": GATE, "do": "near", "node": "tag-1", "room": "gate"},
    ],
}
CARE = {"safe_zones": ["hall"], "zone_delay_min": 0.05}
PATIENCE_S = 180.0


@pytest.mark.slow
def test_out_by_the_gate_is_told_and_answered(tmp_path: Path) -> None:
    rig = Rig(tmp_path, devices=DEVICES)
    rig.prepare()
    try:
        alert = asyncio.run(_live(rig))
    finally:
        rig.stop()
    assert alert is not None, "nobody was told"
    assert (alert["resident_id"], alert["device_ids"]) == ("r1", [TAG])
    assert alert["evidence"]["zone"] == "gate"
    assert why(alert["evidence"]).en.startswith("tag in gate for")
    assert [one for one in rig.assist_log() if one["record"] == "event" and one["type"] == "alert.raised"]


async def _live(rig: Rig) -> dict[str, Any] | None:
    rig.start_assist("--speed=50", "--on-scene-s=60", "--resolved-s=40")
    gateway = Gateway(load_settings(rig.config))
    await gateway.open()
    stop = asyncio.Event()
    running = asyncio.create_task(gateway.run(stop))
    try:
        await gateway.serving()
        await asyncio.to_thread(_put_care, rig)
        accounts = Accounts("127.0.0.1", rig.mqtt_port, rig.passwords)
        playing = asyncio.create_task(Home(scenario_from(SCENARIO), accounts, rig.folder, lambda _: None).run(stop))
        alert = await _until_answered(gateway)
    finally:
        stop.set()
        await running
    await playing
    return alert


def _put_care(rig: Rig) -> None:
    with rig.api() as api:
        answer = api.put("/api/v1/residents/r1/care", json=CARE)
        assert answer.is_success, answer.text


async def _until_answered(gateway: Gateway) -> dict[str, Any] | None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        page = await gateway.in_database(gateway.alerts.list, limit=100)
        for alert in page.alerts:
            if alert.kind == "zone_left" and alert.acknowledged_ns is not None:
                return {
                    "resident_id": alert.resident_id,
                    "device_ids": list(alert.devices),
                    "evidence": dict(alert.evidence),
                }
        await asyncio.sleep(0.2)
    return None
