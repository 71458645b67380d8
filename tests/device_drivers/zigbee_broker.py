"""What the tests of the Zigbee2MQTT driver share: a broker without a network, and times."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from device_drivers.observations import DeviceEvent, Observation, Reading
from device_drivers.zigbee2mqtt import Zigbee2MqttCodec

SECOND = 1_000_000_000
NOW = 1_790_000_000 * SECOND
HOUR = 3600 * SECOND


def iso(at_ns: int, zone: timezone = UTC) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_ns // 1000)).astimezone(zone).isoformat()


class Broker:
    """Feeds one codec; the time is pushed."""

    def __init__(self, options: dict[str, Any] | None = None, models: dict[str, str] | None = None) -> None:
        self.codec = Zigbee2MqttCodec(options)
        if models:
            listed = [{"friendly_name": name, "definition": {"model": model}} for name, model in models.items()]
            self.raw("bridge/devices", json.dumps(listed).encode(), retained=True)

    def raw(self, name: str, payload: bytes, now: int = NOW, *, retained: bool = False) -> list[Observation]:
        return self.codec.feed(f"zigbee2mqtt/{name}", payload, now, retained=retained)

    def say(self, name: str, now: int = NOW, *, retained: bool = False, **state: Any) -> list[Observation]:
        return self.raw(name, json.dumps(state).encode(), now, retained=retained)

    def events(self, name: str, now: int = NOW, **state: Any) -> list[tuple[str, Any, bool]]:
        found = self.say(name, now, **state)
        return [(one.signal, one.value, one.repeat) for one in found if isinstance(one, DeviceEvent)]


def values(found: list[Observation]) -> dict[str, Any]:
    return {one.signal: one.value for one in found if isinstance(one, DeviceEvent | Reading)}
