"""The shipped scenario `pulse`: a wearer's heart rate and breathing, and a slow heart, out of light alone.

The device's clock runs faster than life, from a while ago up to now: minutes of waves come within seconds. Broker,
gateway and API are real.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.cli.rig import Rig, RigDevice
from gateway.config import load_settings
from gateway.runtime import Gateway
from simulators.home import Accounts, Home, Truth
from simulators.scenario import load_scenario

SECOND_NS = 10**9
STEP_NS = 2 * SECOND_NS
PATIENCE_S = 180.0
BAND = "band-1"


class HastyClock:
    """Begins `behind_s` ago and goes on by two seconds whenever it is asked, until it has come to now."""

    def __init__(self, behind_s: float) -> None:
        self._now_ns = time.time_ns() - int(behind_s * SECOND_NS)

    def __call__(self) -> int:
        self._now_ns = min(self._now_ns + STEP_NS, time.time_ns())
        return self._now_ns


@pytest.mark.slow
def test_heart_rate_breathing_and_a_slow_heart_out_of_light(tmp_path: Path) -> None:
    rig = Rig(tmp_path, devices=(RigDevice(BAND, "yinling_wearable", "r1"),))
    rig.prepare()
    try:
        seen, truths = asyncio.run(_live(rig))
    finally:
        rig.stop()
    alert, values, history = seen["alert"], seen["values"], seen["history"]
    assert alert is not None, "the slow heart was not told"
    assert (alert["kind"], alert["resident_id"], alert["devices"]) == ("heart_rate_low", "r1", [BAND])
    assert alert["evidence"]["computed"] is True
    (slow,) = [one for one in truths if one.kind == "heart_rate_low"]
    assert slow.at_ns < alert["at"]["ns"] < slow.at_ns + 90 * SECOND_NS, "by the devices' clock"
    assert {name: row["derived"] for name, row in values.items()} == {
        "heart_rate": True,
        "respiratory_rate": True,
        "spo2": False,
        "battery": False,
    }
    assert values["heart_rate"]["value"] == pytest.approx(36, abs=5)
    assert values["respiratory_rate"]["value"] == pytest.approx(15, abs=1)
    for signal, low, high in (("heart_rate", 69, 75), ("respiratory_rate", 14, 16)):
        columns = (history[signal][name] for name in ("at_ns", "mean", "derived", "count"))
        before = [row for row in zip(*columns, strict=True) if row[0] < slow.at_ns - 2 * STEP_NS]
        assert before, signal
        assert [mean for _, mean, _, _ in before if not low <= mean <= high] == [], signal
        assert all(derived == count > 0 for _, _, derived, count in before), "the device itself said none of them"


async def _live(rig: Rig) -> tuple[dict[str, Any], list[Truth]]:
    gateway = Gateway(load_settings(rig.config))
    await gateway.open()
    stop = asyncio.Event()
    running = asyncio.create_task(gateway.run(stop))
    truths: list[Truth] = []
    try:
        await gateway.serving()
        accounts = Accounts("127.0.0.1", rig.mqtt_port, rig.passwords, clock=HastyClock(150.0))
        playing = asyncio.create_task(Home(load_scenario(Path("pulse")), accounts, rig.folder, truths.append).run(stop))
        seen = await _until_told(rig)
    finally:
        stop.set()
        await running
    await playing
    return seen, truths


async def _until_told(rig: Rig) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        seen = await asyncio.to_thread(_look, rig)
        if _complete(seen) or time.monotonic() > deadline:
            return seen
        await asyncio.sleep(0.2)


def _complete(seen: dict[str, Any]) -> bool:
    """Told, and what led to it has reached the history."""
    alert, values = seen["alert"], seen["values"]
    return alert is not None and len(values) == 4 and values["heart_rate"]["at"]["ns"] >= alert["at"]["ns"]


def _look(rig: Rig) -> dict[str, Any]:
    now = datetime.now(UTC)
    span = {
        "start": f"{now - timedelta(minutes=4):%FT%TZ}",
        "end": f"{now + timedelta(minutes=1):%FT%TZ}",
        "points": "300",
    }
    with rig.api() as api:
        alerts = _good(api.get("/api/v1/alerts", params={"limit": 100}))["alerts"]
        latest = _good(api.get("/api/v1/residents/r1/latest"))["latest"]
        names = ("heart_rate", "respiratory_rate", "spo2", "battery")
        return {
            "alert": next((one for one in alerts if one["kind"] == "heart_rate_low"), None),
            "values": {one["signal"]: one for one in latest if one["signal"] in names},
            "history": {
                name: _good(api.get("/api/v1/residents/r1/history", params={"signal": name, **span}))
                for name in names[:2]
            },
        }


def _good(answer: httpx.Response) -> Any:
    assert answer.is_success, answer.text
    return answer.json()
