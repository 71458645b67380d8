"""An alert over the gateway's own broker, and a person's answer back: all of it real, the account of the reader too."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING

from analytics.findings import Finding, Phase
from device_drivers.transports.mqtt_session import MqttOptions, MqttSession
from gateway.config import settings_from
from gateway.registry import Contact
from gateway.runtime import Gateway
from gateway.secrets import own_secret

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def test_an_alert_goes_out_and_the_answer_comes_back(tmp_path: Path, free_port: int) -> None:
    async def body() -> None:
        tree = {"mqtt": {"port": free_port, "families": []}, "channels": {"hub": {"type": "mqtt"}}, "api": {"port": 0}}
        settings = settings_from(tree, tmp_path)
        gateway = Gateway(settings)
        await gateway.open()
        nurse = Contact("nurse", None, "护士站", "nurse", "hub", "ward 3")
        await gateway.in_database(gateway.registry.add_contact, nurse, by="t", now_ns=1)
        stop = asyncio.Event()
        running = asyncio.create_task(gateway.run(stop))
        password = own_secret(settings.data, "alerts-hub").get_secret_value()
        topics = ("yinling-alerts/#",)
        reader = MqttSession(
            MqttOptions("127.0.0.1", free_port, "reader", topics, "alerts-hub", password, reconnect_max_s=1),
            asyncio.get_running_loop(),
        )
        reader.start()
        await until(lambda: reader.health.connected)
        fall = Finding("f", "fall", None, time.time_ns(), Phase.CONFIRMED, 0.9, ("w1",))
        gateway.pipeline.report([fall])
        (alert,) = await reader.take()
        said = json.loads(alert.payload)
        assert alert.topic == "yinling-alerts/alerts/nurse"
        assert (said["event"], said["address"], said["data"]["kind"]) == ("alert.raised", "ward 3", "fall")
        answer = {"id": said["id"], "type": "alert.acknowledged", "by": "王芳"}
        reader.publish(said["answer_topic"], json.dumps(answer).encode())
        results: list[dict[str, object]] = []
        while not results:
            heard = await reader.take()
            results += [json.loads(one.payload) for one in heard if one.topic == "yinling-alerts/results"]
        assert results == [{"id": said["id"], "type": "alert.acknowledged", "applied": True, "reason": ""}]
        (now,) = await gateway.in_database(gateway.alerts.open_alerts)
        assert now.acknowledged_by == "王芳"
        assert {item.name: item.ok for item in gateway.watches.health()}["channel:hub"]
        await asyncio.to_thread(reader.stop)
        stop.set()
        await running

    asyncio.run(body())
