"""Alerts over MQTT: dialects by their bytes, and everything over a real broker."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from analytics.kinds import Priority
from device_drivers.generic_json.platforms import alink, alink_reply, iotda
from device_drivers.transports.mqtt_session import MqttOptions, MqttSession
from gateway.broker.config import BrokerOptions, BrokerUser, hash_password
from gateway.broker.supervisor import Broker
from gateway.channels.base import Accepted, Dispatch, Refused
from gateway.channels.mqtt_channel import MqttChannel
from gateway.channels.mqtt_dialects import (
    Alink,
    Answered,
    IotDa,
    OwnTopics,
    Reply,
    alink_login,
    iotda_login,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

T0 = 1_735_787_045 * 10**9
"""2025-01-02T03:04:05Z"""
PAYLOAD: dict[str, Any] = {
    "schema": "alert.v1",
    "kind": "fall",
    "priority": "high",
    "state": "raised",
    "resident": {"id": "r1", "display_name": "李奶奶", "room": "301"},
    "test": False,
    "at_ns": T0 - 10**9,
    "text": {"zh": "跌倒：李奶奶", "en": "Fall: 李奶奶"},
}
REPLY = "/sys/pk/dn/thing/event/Alert/post_reply"


def dispatch(**more: Any) -> Dispatch:
    facts: dict[str, Any] = {
        "id": 1,
        "alert_id": "a1",
        "event": "alert.raised",
        "channel": "hub",
        "contact": "c/1",
        "address": "",
        "priority": Priority.HIGH,
        "payload": PAYLOAD,
        "attempt": 1,
        "idempotency_key": "k1",
        "lease_token": "t",
        "created_ns": T0,
    }
    return Dispatch(**(facts | more))


def test_our_own_topics_carry_the_whole_alert() -> None:
    said = OwnTopics("home/alerts").say(dispatch(), T0)
    assert said.topic == "home/alerts/alerts/c_1"
    assert said.reply is None
    body = json.loads(said.payload)
    assert (body["id"], body["event"], body["contact"]) == ("k1", "alert.raised", "c/1")
    assert body["answer_topic"] == "home/alerts/answers"
    assert body["data"]["delay_s"] == 1.0
    assert OwnTopics("b").heard("b/answers", b"x") == Answered(b"x")
    assert OwnTopics("b").heard("b/results", b"x") is None
    assert OwnTopics("b").heard("b/answers", bytes(70_000)) is None


def test_alink_is_an_event_that_a_driver_understands_too() -> None:
    dialect = Alink("pk", "dn", "Alert", "en")
    said = dialect.say(dispatch(), T0)
    message = json.loads(said.payload)
    assert said.topic == "/sys/pk/dn/thing/event/Alert/post"
    assert message["method"] == "thing.event.Alert.post"
    assert message["params"]["time"] == T0 // 10**6
    assert 0 <= int(message["id"]) < 2**32
    found = {one.name: one.value for one in alink(said.topic, message)}
    assert (found["Kind"], found["Priority"], found["Test"], found["Text"]) == ("fall", 1, 0, "Fall: 李奶奶")
    again = dialect.say(dispatch(), T0)
    assert again.reply != said.reply


@pytest.mark.parametrize(
    ("payload", "meant"),
    [
        (b'{"code":200,"data":{},"id":"7","message":"success","version":"1.0"}', Reply("7", "")),
        (b'{"code":460,"id":7,"message":"request parameter error"}', Reply("7", "code 460: request parameter error")),
        (b'{"code":"200","id":"7"}', Reply("7", "code 200: ")),
        (b'{"code":true,"id":"7"}', Reply("7", "code True: ")),
        (b'{"id":"7"}', None),
        (b"[]", None),
        (b"\xff", None),
        (b"[" * 5000, None),
    ],
)
def test_only_code_200_is_the_platforms_word(payload: bytes, meant: Reply | None) -> None:
    assert Alink("pk", "dn", "Alert", "zh-CN").heard(REPLY, payload) == meant


def test_iotda_reports_properties_or_an_event() -> None:
    said = IotDa("dev_1", "Alert", "zh-CN").say(dispatch(), T0)
    assert said.topic == "$oc/devices/dev_1/sys/properties/report"
    (service,) = json.loads(said.payload)["services"]
    assert service["event_time"] == "20250102T030405Z"
    assert service["properties"]["Text"] == "跌倒：李奶奶"
    event = IotDa("dev_1", "Alert", "zh-CN", events=True).say(dispatch(), T0)
    assert event.topic == "$oc/devices/dev_1/sys/events/up"
    assert next(one.name for one in iotda(event.topic, json.loads(event.payload))) == "alert_raised"
    assert IotDa("d", "s", "en").heard("x", b"") is None
    assert IotDa("d", "s", "en").result({}) is None
    assert Alink("p", "d", "e", "en").result({}) is None


def test_the_log_ins_are_those_of_the_platforms() -> None:
    """Alibaba's by a published worked example (with its older hash); Huawei's by its documented formula."""
    login = alink_login("a1Ze3BcsQ5x", "XP001", "amzS2Q9siGHpSVDVhvDV43661DmfdXtW", tls=False, algorithm="sha1")
    assert login.client_id == "XP001|securemode=3,signmethod=hmacsha1|"
    assert login.username == "XP001&a1Ze3BcsQ5x"
    assert login.password == "cc4e388e7f1ea1e5bdaf15891b76f2dfcfeffb06"
    assert alink_login("p", "d", "s").client_id == "d|securemode=2,signmethod=hmacsha256|"
    login = iotda_login("D39564861q3gDa", "secret", 1_532_429_999 * 10**9)
    assert login.client_id == "D39564861q3gDa_0_0_2018072410"
    assert login.username == "D39564861q3gDa"
    assert login.password == "42d0134bcf3a2b41f1188d398eff7a6c77b05a64dc6d5bcc05f93fd814ac9972"


USERS = [BrokerUser(name, hash_password(name), ("#",), ("#",)) for name in ("box", "peer")]


def options(port: int, name: str, *subscriptions: str, **more: Any) -> MqttOptions:
    return MqttOptions("127.0.0.1", port, name, subscriptions, name, name, reconnect_max_s=1, **more)


@asynccontextmanager
async def broker_at(folder: Path, port: int) -> AsyncIterator[Broker]:
    broker = Broker(BrokerOptions(folder, port=port), USERS)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


@asynccontextmanager
async def peer_at(port: int, *subscriptions: str) -> AsyncIterator[MqttSession]:
    peer = MqttSession(options(port, "peer", *subscriptions), asyncio.get_running_loop())
    peer.start()
    await until(lambda: peer.health.connected)
    try:
        yield peer
    finally:
        await asyncio.to_thread(peer.stop)


def test_what_the_broker_has_confirmed_is_delivered_and_answers_come_back(tmp_path: Path, free_port: int) -> None:
    async def body() -> None:
        got: list[bytes] = []
        fails = [True]

        async def answers(said: bytes) -> Mapping[str, Any]:
            got.append(said)
            if fails and fails.pop():
                raise OSError("the disk is full")
            return {"id": "k1", "applied": True}

        dialect = OwnTopics("b")
        channel = MqttChannel(options(free_port, "box", *dialect.subscriptions), dialect, total_s=60)
        assert "box" not in repr(channel)
        async with broker_at(tmp_path, free_port), peer_at(free_port, "b/alerts/+", "b/results") as peer:
            channel.start(answers)
            assert await channel.send(dispatch(), T0) == Accepted()
            (message,) = await peer.take()
            assert (message.topic, json.loads(message.payload)["id"]) == ("b/alerts/c_1", "k1")
            peer.ack([message])
            peer.publish("b/answers", b"first")
            await until(lambda: channel.ignored == 1)  # our own fault: it is not taken, and not lost
            peer.publish("b/answers", b"second")
            (result,) = await peer.take()
            assert (result.topic, json.loads(result.payload)) == ("b/results", {"id": "k1", "applied": True})
            assert got == [b"first", b"second"]
            await channel.aclose()

    asyncio.run(body())


def test_without_a_broker_nothing_is_delivered_and_nothing_queued(tmp_path: Path, free_port: int) -> None:
    async def body() -> None:
        channel = MqttChannel(options(free_port, "box"), OwnTopics("b"), total_s=0.3)
        refused = await channel.send(dispatch(), T0)
        assert isinstance(refused, Refused)
        assert "not connected" in refused.error
        async with broker_at(tmp_path, free_port), peer_at(free_port, "b/alerts/+") as peer:
            result: Accepted | Refused = refused
            deadline = time.monotonic() + 90
            while isinstance(result, Refused):
                assert time.monotonic() < deadline
                result = await channel.send(dispatch(idempotency_key="k2"), T0)
            (message,) = await peer.take()
            assert json.loads(message.payload)["id"] == "k2"
        await channel.aclose()

    asyncio.run(body())


def test_alink_is_delivered_by_the_platforms_reply_and_by_nothing_less(tmp_path: Path, free_port: int) -> None:
    async def body() -> None:
        dialect = Alink("pk", "dn", "Alert", "zh-CN")
        slow = MqttChannel(options(free_port, "box", *dialect.subscriptions, clean=True), dialect, total_s=60)
        async with broker_at(tmp_path, free_port), peer_at(free_port, "/sys/+/+/thing/event/+/post") as peer:

            async def platform(code: int | None) -> None:
                (message,) = await peer.take()
                peer.ack([message])
                reply = alink_reply(message.topic, json.loads(message.payload))
                assert reply is not None
                topic, good = reply
                peer.publish(topic, b"nonsense")
                peer.publish(topic, good.replace(b'"id": "', b'"id": "9'))  # about another message
                if code is not None:
                    peer.publish(topic, good.replace(b"200", str(code).encode(), 1))

            answering = asyncio.create_task(platform(200))
            accepted = await slow.send(dispatch(), T0)
            await answering
            assert isinstance(accepted, Accepted)
            assert accepted.remote_id is not None
            answering = asyncio.create_task(platform(6106))
            refused = await slow.send(dispatch(), T0)
            await answering
            assert refused == Refused("code 6106: success")
            await slow.aclose()
            hasty = MqttChannel(options(free_port, "box", *dialect.subscriptions, clean=True), dialect, total_s=5)
            answering = asyncio.create_task(platform(None))
            silent = await hasty.send(dispatch(), T0)
            await answering
            assert isinstance(silent, Refused)
            await hasty.aclose()

    asyncio.run(body())
