"""What Home Assistant is told: the messages, what is kept back, and the whole way over the real broker."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from analytics.findings import Finding, Phase
from analytics.kinds import KINDS, Priority
from device_drivers.esphome import EsphomeCodec
from device_drivers.observations import DeviceEvent, Quality, Reading
from device_drivers.transports.mqtt_session import MqttOptions, MqttSession
from gateway import box_health, home_assistant, wiring
from gateway.alerts.lifecycle import Alert, State
from gateway.config import ConfigError, HomeAssistantSettings, settings_from
from gateway.context import HealthItem
from gateway.home_assistant import AVAILABILITY, Picture, Publisher, node_of
from gateway.live import LiveState
from gateway.registry import Device, Resident
from gateway.runtime import Gateway
from gateway.secrets import own_secret

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NS = 1_000_000_000
NOW = 1_790_000_000 * NS
WANG = Resident("r1", "王秀英", room="101")
WELL = HealthItem("broker", True, "正常", "is well", {})
FAULT = HealthItem("store", False, "写不进磁盘", "cannot be written", {})


def alert(kind: str = "fall", **more: Any) -> Alert:
    plain = Alert(
        id="a1",
        subject="resident:r1",
        kind=kind,
        resident_id="r1",
        priority=Priority.HIGH,
        latching=True,
        state=State.RAISED,
        phase=Phase.CONFIRMED,
        confidence=0.9,
        devices=("d1",),
        evidence={},
        episodes={},
        at_ns=NOW,
        last_at_ns=NOW,
        created_ns=NOW,
    )
    return replace(plain, **more)


def picture(
    *alerts: Alert, live: LiveState | None = None, residents: tuple[Resident, ...] = (WANG,), **more: Any
) -> Picture:
    health = more.pop("health", (WELL,))
    return Picture(NOW, residents, {"r1": ["d1", "d2"]}, alerts, health, live or LiveState())


def publisher(language: str = "en", **settings: Any) -> Publisher:
    return Publisher(HomeAssistantSettings(enabled=True, **settings), language, "银龄之家")  # type: ignore[arg-type]


def told(messages: list[tuple[str, bytes]]) -> dict[str, str]:
    return {topic: payload.decode() for topic, payload in messages if not topic.endswith("/config")}


def configs(messages: list[tuple[str, bytes]]) -> dict[str, dict[str, Any]]:
    return {topic: json.loads(payload) for topic, payload in messages if topic.endswith("/config") and payload}


def heard(now: int = NOW) -> LiveState:
    live = LiveState()
    live.update(
        [
            Reading("d1", "heart_rate", 71.0, now, now - 5 * NS),
            Reading("d2", "heart_rate", 72.5, now, now - NS),
            Reading("d1", "spo2", None, now, now, Quality.NO_CONTACT),
            Reading("d1", "respiratory_rate", 14.0, now - 60 * NS, now - 60 * NS),
            DeviceEvent("d1", "presence", True, now, now),
            DeviceEvent("d2", "bed_occupancy", "left", now, now),
        ]
    )
    return live


def test_a_fall_is_told_and_only_changes_are_published() -> None:
    home = publisher()
    assert home.connected() == [(AVAILABILITY, b"online")]
    first = home.messages(picture())
    assert told(first) == {
        "yinling-ha/box/problem": "OFF",
        "yinling-ha/box/problem/more": '{"faults": {}}',
        "yinling-ha/box/open_alerts": "0",
        "yinling-ha/resident_r1/alarm": "OFF",
        "yinling-ha/resident_r1/alarm/more": '{"alerts": []}',
        "yinling-ha/resident_r1/reason": "none",
    }
    assert home.messages(picture()) == []
    fall = told(home.messages(picture(alert())))
    more = json.loads(fall.pop("yinling-ha/resident_r1/alarm/more"))
    assert fall == {
        "yinling-ha/box/open_alerts": "1",
        "yinling-ha/resident_r1/alarm": "ON",
        "yinling-ha/resident_r1/reason": "fall",
    }
    (one,) = more["alerts"]
    assert one == {
        "kind": "fall",
        "text": "Fall",
        "priority": 1,
        "state": "raised",
        "answered": False,
        "since": "2026-09-21T14:13:20Z",
    }
    answered = told(home.messages(picture(alert(state=State.ACKNOWLEDGED))))
    assert list(answered) == ["yinling-ha/resident_r1/alarm/more"]
    assert '"answered": true' in answered["yinling-ha/resident_r1/alarm/more"]
    assert told(home.messages(picture()))["yinling-ha/resident_r1/alarm"] == "OFF"
    home.connected()
    assert len(home.messages(picture())) == len(first)


@pytest.mark.parametrize(
    "one",
    [
        alert(test=True),
        alert(state=State.SUSPECTED),
        alert(kind="battery_low"),
        alert(resident_id="r2"),
    ],
)
def test_what_is_no_call_for_help_of_this_resident_is_not_told_as_one(one: Alert) -> None:
    assert told(publisher().messages(picture(one)))["yinling-ha/resident_r1/alarm"] == "OFF"


def test_announcements() -> None:
    found = configs(publisher("zh-CN").messages(picture()))
    assert list(found) == [
        "homeassistant/binary_sensor/yinling_box/problem/config",
        "homeassistant/sensor/yinling_box/open_alerts/config",
        "homeassistant/binary_sensor/yinling_resident_r1/alarm/config",
        "homeassistant/sensor/yinling_resident_r1/reason/config",
    ]
    alarm = found["homeassistant/binary_sensor/yinling_resident_r1/alarm/config"]
    assert alarm == {
        "name": "需要帮助",
        "unique_id": "yinling_resident_r1_alarm",
        "object_id": "yinling_resident_r1_alarm",
        "state_topic": "yinling-ha/resident_r1/alarm",
        "json_attributes_topic": "yinling-ha/resident_r1/alarm/more",
        "availability": [{"topic": AVAILABILITY}],
        "device_class": "safety",
        "device": {
            "identifiers": ["yinling_resident_r1"],
            "name": "住户 r1",
            "manufacturer": "Yinling",
            "via_device": "yinling_box",
        },
        "origin": {"name": "Yinling"},
    }
    reasons = found["homeassistant/sensor/yinling_resident_r1/reason/config"]["options"]
    assert set(reasons) == {"none", *(kind for kind, row in KINDS.items() if not row.technical)}


def test_names_and_vital_signs_are_kept_back_unless_asked_for() -> None:
    plain = b"".join(payload for _, payload in publisher().messages(picture(alert(), live=heard()))).decode()
    assert "王秀英" not in plain
    assert "101" not in plain
    assert "heart_rate" not in plain.replace("heart_rate_low", "").replace("heart_rate_high", "")
    open_minded = publisher(names=True, vitals=True)
    messages = open_minded.messages(picture(live=heard()))
    device = configs(messages)["homeassistant/sensor/yinling_resident_r1/heart_rate/config"]["device"]
    assert (device["name"], device["suggested_area"]) == ("王秀英", "101")


def test_vital_signs_are_current_or_unknown() -> None:
    home = publisher(vitals=True)
    messages = home.messages(picture(live=heard()))
    states = {topic.rsplit("/", 1)[1]: state for topic, state in told(messages).items() if "resident" in topic}
    assert {k: v for k, v in states.items() if k in home_assistant.VITALS} == {
        "heart_rate": "72.5",
        "spo2": "None",
        "respiratory_rate": "None",
        "presence": "ON",
        "bed_occupancy": "OFF",
    }
    heart = configs(messages)["homeassistant/sensor/yinling_resident_r1/heart_rate/config"]
    assert (heart["unit_of_measurement"], heart["state_class"]) == ("bpm", "measurement")
    live = LiveState()
    live.update([Reading("d1", "body_temperature", 36.6, NOW, NOW), Reading("d1", "heart_rate", 70.0, NOW, NOW)])
    messages = publisher(vitals=True).messages(picture(live=live))
    warm = configs(messages)["homeassistant/sensor/yinling_resident_r1/body_temperature/config"]
    assert (warm["unit_of_measurement"], warm["device_class"]) == ("°C", "temperature")
    assert told(messages)["yinling-ha/resident_r1/heart_rate"] == "70"
    assert json.loads(told(messages)["yinling-ha/resident_r1/heart_rate/more"]) == {"computed_by_box": False}
    live.update([Reading("d1", "heart_rate", 64.3, NOW, NOW, derived=True)])
    states = told(home.messages(picture(live=live)))
    assert states["yinling-ha/resident_r1/heart_rate"] == "64.3"
    assert json.loads(states["yinling-ha/resident_r1/heart_rate/more"]) == {"computed_by_box": True}


def test_faults_of_the_box() -> None:
    for language, text in (("zh-CN", "写不进磁盘"), ("en", "cannot be written")):
        states = told(publisher(language).messages(picture(health=(WELL, FAULT))))
        assert states["yinling-ha/box/problem"] == "ON"
        assert json.loads(states["yinling-ha/box/problem/more"]) == {"faults": {"store": text}}


def test_a_resident_who_has_gone_is_removed() -> None:
    home = publisher(prefix="ha")
    home.messages(picture())
    gone = dict(home.messages(picture(residents=())))
    assert set(gone.values()) == {b""}
    assert "ha/binary_sensor/yinling_resident_r1/alarm/config" in gone
    assert home.messages(picture(residents=())) == []


def test_a_name_used_as_an_id_does_not_get_out() -> None:
    assert node_of("R12") == "resident_r12"
    for name in ("王秀英", "wang xiuying", "Wang", "a/b1", "x" * 40):
        assert node_of(name).startswith("resident_")
        assert name.lower() not in node_of(name)
    assert node_of("王秀英") != node_of("李建国")


def test_our_own_sensor_driver_does_not_read_them_back() -> None:
    codec = EsphomeCodec({"ignore_origins": []})
    for topic, payload in publisher(vitals=True).messages(picture(alert(), live=heard())):
        assert codec.feed(topic, payload, NOW, retained=True) == []
    assert not codec._entities
    assert not codec.notes


def test_the_prefix_is_checked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="prefix"):
        settings_from({"home_assistant": {"prefix": "a/#"}}, tmp_path)
    assert wiring.home_assistant_link(settings_from({}, tmp_path), None, None) is None  # type: ignore[arg-type]
    assert not box_health.home_assistant_item(connected=False).ok


async def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.02)


class Listener:
    """Home Assistant's part: hears everything retained, on the account made for it."""

    def __init__(self, port: int, password: str) -> None:
        options = MqttOptions("127.0.0.1", port, "ha", username=wiring.HOME_ASSISTANT_USER, password=password)
        self.session = MqttSession(options, asyncio.get_running_loop())
        self.session.listen(["homeassistant/#", f"{home_assistant.BASE}/#"])
        self.heard: dict[str, bytes] = {}

    async def run(self) -> None:
        while messages := await self.session.take():
            self.heard.update({one.topic: one.payload for one in messages})


def test_over_the_real_broker_and_the_running_gateway(tmp_path: Path, free_port: int) -> None:
    tree = {
        "api": {"port": 0},
        "mqtt": {"port": free_port, "families": []},
        "home_assistant": {"enabled": True},
    }
    settings = settings_from(tree, tmp_path)

    async def body() -> None:
        gateway = Gateway(settings)
        await gateway.open()
        await gateway.in_database(gateway.registry.add_resident, WANG, by="test", now_ns=time.time_ns())
        await gateway.in_database(
            gateway.registry.add_device, Device("d1", "micradar"), by="test", now_ns=time.time_ns()
        )
        await gateway.in_database(gateway.registry.assign, "d1", "r1", by="test", now_ns=time.time_ns())
        stop = asyncio.Event()
        running = asyncio.create_task(gateway.run(stop))
        listener = Listener(free_port, own_secret(settings.data, wiring.HOME_ASSISTANT_USER).get_secret_value())
        listening = asyncio.create_task(listener.run())
        listener.session.start()
        alarm = "yinling-ha/resident_r1/alarm"
        try:
            await until(lambda: listener.heard.get(alarm) == b"OFF")
            assert listener.heard[AVAILABILITY] == b"online"
            finding = Finding("e1", "help_call", "r1", time.time_ns(), Phase.CONFIRMED, 0.99, ("d1",), {})
            await gateway.in_database(gateway.alerts.take, finding, time.time_ns())
            await until(lambda: listener.heard[alarm] == b"ON")
            assert {item.name: item.ok for item in gateway.health()}["home_assistant"]
            stop.set()
            await until(lambda: listener.heard[AVAILABILITY] == b"offline")
        finally:
            stop.set()
            listener.session.stop()
            await asyncio.gather(running, listening)

    asyncio.run(asyncio.wait_for(body(), 90))
