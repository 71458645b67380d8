"""Device models of two Chinese IoT platforms, spoken by many bracelets, mats and alarm boxes: what stands where.

Alink JSON (Alibaba) and Huawei IoTDA, from the platforms' own documentation. A site only says which property or event
is which signal.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from device_drivers.json_payload import PayloadError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ALINK, IOTDA = "alink", "iotda"
ALINK_FILTERS = ("/sys/+/+/thing/event/+/post",)
IOTDA_FILTERS = (
    "$oc/devices/+/sys/properties/report",
    "$oc/devices/+/sys/events/up",
    "$oc/devices/+/sys/gateway/sub_devices/properties/report",
)


@dataclass(frozen=True, slots=True)
class Said:
    """One property or event. name: its identifier; service: of IoTDA, else ""; value None for an event as such."""

    device_id: str
    kind: str
    name: str
    value: Any
    time: Any
    service: str = ""


def alink(topic: str, message: Mapping[str, Any]) -> Iterator[Said]:
    """Properties and events of one Alink message. Device ids are `<product key>/<device name>`. Raises PayloadError."""
    _, _, product, device, _, _, name, _ = topic.split("/")
    device_id = f"{product}/{device}"
    params = _object(message.get("params", {}), "params")
    if name == "property":
        yield from _alink_properties(device_id, params, None)
        return
    value, time = params.get("value", {}), params.get("time")
    yield Said(device_id, "event", name, None, time)
    if isinstance(value, dict):
        yield from _alink_properties(device_id, value, time)


def _alink_properties(device_id: str, params: Mapping[str, Any], time: Any) -> Iterator[Said]:
    for name, value in params.items():
        if isinstance(value, dict) and "value" in value:
            yield Said(device_id, "property", name, value["value"], value.get("time", time))
        else:
            yield Said(device_id, "property", name, value, time)


def alink_reply(topic: str, message: Mapping[str, Any]) -> tuple[str, bytes] | None:
    """The answer the device waits for; None where it says that it does not (`sys.ack` 0)."""
    system = message.get("sys")
    if isinstance(system, dict) and system.get("ack") == 0:
        return None
    answer = {"code": 200, "data": {}, "id": str(message.get("id", ""))[:20], "message": "success", "version": "1.0"}
    return f"{topic}_reply", json.dumps(answer).encode()


def iotda(topic: str, message: Mapping[str, Any]) -> Iterator[Said]:
    """Properties and events of one IoTDA message; device ids are the platform's. Raises PayloadError."""
    device_id = topic.split("/")[2]
    if "/sub_devices/" in topic:
        for one in _objects(message.get("devices"), "devices"):
            yield from _iotda_services(str(one.get("device_id", ""))[:200] or device_id, one)
    else:
        yield from _iotda_services(str(message.get("object_device_id") or device_id)[:200], message)


def _iotda_services(device_id: str, holder: Mapping[str, Any]) -> Iterator[Said]:
    for one in _objects(holder.get("services"), "services"):
        service, time = str(one.get("service_id", "")), one.get("event_time")
        if "event_type" in one:
            yield Said(device_id, "event", str(one["event_type"]), None, time, service)
        for name, value in _object(one.get("properties", one.get("paras", {})), "properties").items():
            yield Said(device_id, "property", name, value, time, service)


def alink_message(product: str, device: str, message_id: int, at_ms: int, **params: Any) -> tuple[str, bytes]:
    """What a device publishes: its properties, as (topic, payload)."""
    body = {
        "id": str(message_id),
        "version": "1.0",
        "sys": {"ack": 0},
        "params": {name: {"value": value, "time": at_ms} for name, value in params.items()},
        "method": "thing.event.property.post",
    }
    return f"/sys/{product}/{device}/thing/event/property/post", json.dumps(body).encode()


def alink_event(product: str, device: str, name: str, message_id: int, at_ms: int, **value: Any) -> tuple[str, bytes]:
    """What a device publishes: an event, as (topic, payload)."""
    body = {
        "id": str(message_id),
        "version": "1.0",
        "params": {"value": value, "time": at_ms},
        "method": f"thing.event.{name}.post",
    }
    return f"/sys/{product}/{device}/thing/event/{name}/post", json.dumps(body).encode()


def iotda_message(device: str, service: str, event_time: str, **properties: Any) -> tuple[str, bytes]:
    """What a device publishes: properties of one service, as (topic, payload). event_time: 20250102T030405Z."""
    body = {"services": [{"service_id": service, "properties": properties, "event_time": event_time}]}
    return f"$oc/devices/{device}/sys/properties/report", json.dumps(body).encode()


def iotda_event(device: str, service: str, event: str, event_time: str, **paras: Any) -> tuple[str, bytes]:
    """What a device publishes: an event, as (topic, payload). event_time: 20250102T030405Z."""
    one = {"service_id": service, "event_type": event, "event_time": event_time, "paras": paras}
    return f"$oc/devices/{device}/sys/events/up", json.dumps({"services": [one]}).encode()


def _object(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise PayloadError("type", f"{name} is no object")
    return value


def _objects(value: Any, name: str) -> Iterator[Mapping[str, Any]]:
    if not isinstance(value, list):
        raise PayloadError("type", f"{name} is no list")
    for one in value[:256]:
        yield _object(one, name)
