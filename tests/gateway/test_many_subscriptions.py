"""Families with many topic filters, and topics of Chinese platforms, through the real embedded broker."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import pytest

from device_drivers.transports.mqtt_session import MqttOptions, MqttSession
from gateway import box_health, wiring
from gateway.broker.config import BrokerUser, hash_password, share_filters, topic_to_subject
from gateway.broker.supervisor import Broker
from gateway.config import ConfigError, settings_from

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from device_drivers.observations import Observation
    from gateway.config import Settings
    from gateway.sources import Held, Source

RULES = [
    {"topic": f"json/+/{name}", "device": "{1}", "values": [{"path": "v", "signal": "battery"}]} for name in "abcde"
]
TABLE: dict[str, Any] = {"properties": {"HR": "heart_rate"}}


async def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.01)


class Site:
    """A broker, the sources of one family, and what came."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.found: list[Observation] = []
        loop = asyncio.get_running_loop()
        around = wiring.Surroundings(loop, self._take, time.time_ns, time.monotonic)
        self.sources: list[Source] = wiring.make_sources(settings, around)

    def _take(self, observations: list[Observation], held: Held | None) -> None:
        self.found += observations
        if held is not None:
            held.session.ack(held.messages)


@contextlib.asynccontextmanager
async def running(settings: Settings, *users: BrokerUser) -> AsyncIterator[Site]:
    settings.data.mkdir(parents=True, exist_ok=True)
    broker = Broker(wiring.broker_options(settings), [wiring.gateway_user(settings), *users])
    await broker.start()
    site = Site(settings)
    tasks = [asyncio.create_task(source.run()) for source in site.sources]
    try:
        for source in site.sources:
            source.start()
        await until(lambda: all(source.connected for source in site.sources))
        yield site
    finally:
        for source in site.sources:
            source.stop()
        await asyncio.gather(*tasks)
        await broker.stop()


def client(settings: Settings, user: str, password: str) -> MqttSession:
    options = MqttOptions("127.0.0.1", settings.mqtt.port, user, username=user, password=password)
    return MqttSession(options, asyncio.get_running_loop())


def test_every_filter_of_a_family_is_heard(tmp_path: Path, free_port: int) -> None:
    tree = {
        "mqtt": {"port": free_port, "families": ["generic_json"]},
        "drivers": {"generic_json": {"rules": RULES, "alink": TABLE, "iotda": TABLE}},
    }
    settings = settings_from(tree, tmp_path)
    topics = [f"json/dn/{name}" for name in "abcde"]
    platforms = {
        "/sys/pk/dn/thing/event/property/post": b'{"id":"7","params":{"HR":60}}',
        "$oc/devices/dn/sys/properties/report": b'{"services":[{"service_id":"V","properties":{"HR":61}}]}',
    }

    async def body() -> None:
        own = ("json/dn/#", "/sys/pk/dn/#", "$oc/devices/dn/#")
        async with running(settings, BrokerUser("device", hash_password("secret"), own, own)) as site:
            assert [source.name for source in site.sources][:2] == ["mqtt:generic_json", "mqtt:generic_json:2"]
            device = client(settings, "device", "secret")
            device.listen(["/sys/pk/dn/thing/event/property/post_reply"])
            device.start()
            await until(lambda: device.health.connected)
            for topic in topics:
                device.publish(topic, b'{"v": 50}')
            for topic, payload in platforms.items():
                device.publish(topic, payload)
            await until(lambda: len(site.found) >= 7)
            assert sorted(one.signal for one in site.found) == ["battery"] * 5 + ["heart_rate"] * 2
            for source in site.sources:
                source.poll(time.time_ns())
            (reply,) = await asyncio.wait_for(device.take(), 60)
            assert b'"id": "7"' in reply.payload
            device.stop()
            assert all(box_health.source_item(source).ok for source in site.sources)

    asyncio.run(asyncio.wait_for(body(), 60))


def test_a_refused_subscription_is_a_fault_that_shows(tmp_path: Path, free_port: int) -> None:
    tree = {
        "mqtt": {"port": free_port, "families": ["generic_json"]},
        "drivers": {"generic_json": {"rules": RULES[:1]}},
    }
    settings = settings_from(tree, tmp_path)

    async def body() -> None:
        async with running(settings) as site:
            (source,) = site.sources
            assert box_health.source_item(source).ok
            source.session._client.subscribe([(f"more/{n}/#", 1) for n in range(3)])  # type: ignore[union-attr]
            await until(lambda: not box_health.source_item(source).ok)
            assert "refused" in box_health.source_item(source).en
            assert "subscription refused" in (source.session.health.last_error or "")  # type: ignore[union-attr]

    asyncio.run(asyncio.wait_for(body(), 60))


def test_a_sensor_that_announces_itself_is_heard_without_any_setting(tmp_path: Path, free_port: int) -> None:
    settings = settings_from({"mqtt": {"port": free_port, "families": ["esphome"]}}, tmp_path)
    config = b'{"stat_t": "lab/7/air", "val_tpl": "{{ value_json.t }}", "dev_cla": "temperature", "uniq_id": "lab7"}'

    async def body() -> None:
        async with running(settings, BrokerUser("lab", hash_password("secret"), ("#",), ())) as site:
            (source,) = site.sources
            lab = client(settings, "lab", "secret")
            lab.start()
            await until(lambda: lab.health.connected)
            lab.publish("homeassistant/sensor/lab7/config", config, retain=True)
            await until(lambda: "lab/7/air" in source.codec.casual_subscriptions())  # type: ignore[union-attr]
            source.poll(time.time_ns())

            def heard() -> bool:
                lab.publish("lab/7/air", b'{"t": 21.5}')
                return bool(site.found)

            await until(heard)
            assert {(one.device_id, one.signal) for one in site.found} == {("ha/lab7", "room_temperature")}
            assert box_health.source_item(source).ok
            lab.stop()

    asyncio.run(asyncio.wait_for(body(), 60))


def test_an_account_may_subscribe_to_all_below_its_own_topic(tmp_path: Path, free_port: int) -> None:
    settings = settings_from({"mqtt": {"port": free_port, "families": []}}, tmp_path)

    async def body() -> None:
        async with running(settings, BrokerUser("bridge", hash_password("secret"), ("z/#",), ("z/#",))):
            bridge = client(settings, "bridge", "secret")
            bridge.listen(["z/#"])
            bridge.start()
            await until(lambda: bridge.health.connected)
            bridge.publish("z/a/set", b"1")
            (message,) = await asyncio.wait_for(bridge.take(), 60)
            assert (message.topic, bridge.health.unsubscribed) == ("z/a/set", 0)
            bridge.stop()

    asyncio.run(asyncio.wait_for(body(), 60))


def test_shares() -> None:
    assert share_filters([]) == [()]
    assert share_filters(["a", "b", "c"]) == [("a", "b"), ("c",)]
    assert share_filters(["a", "b/#", "c", "d"]) == [("a",), ("b/#",), ("c", "d")]
    assert share_filters(["a", "b/#", "c"], max_ack_pending=10_000) == [("a", "b/#", "c")]


def test_subjects_of_topics_with_empty_levels() -> None:
    assert topic_to_subject("/sys/+/x.y/#") == "/.sys.*.x//y.>"
    assert topic_to_subject("a//b/") == "a./.b./"


def test_a_wrong_mapping_is_a_wrong_setting(tmp_path: Path) -> None:
    tree = {"mqtt": {"families": ["generic_json"]}, "drivers": {"generic_json": {"rules": [{}]}}}
    settings = settings_from(tree, tmp_path)

    async def body() -> None:
        Site(settings)

    with pytest.raises(ConfigError, match=r"drivers\.generic_json: rules"):
        asyncio.run(body())
