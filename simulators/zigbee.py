"""A Zigbee network without hardware: the topics and payloads that Zigbee2MQTT publishes for care devices.

As the real one, a device's whole state goes out with every message, actions are sent once and never cached, and after
a restart the cached states are published again. Payload facts: zigbee-herdsman-converters (MIT), August 2026.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

SECOND_NS = 1_000_000_000
LAST_SEEN_STYLES = ("ISO_8601", "epoch", "disable")


class Published(NamedTuple):
    """One MQTT message."""

    topic: str
    payload: bytes
    retain: bool = False


class Kind(NamedTuple):
    """A model on the market: its vendor and the state it starts with."""

    vendor: str
    state: dict[str, Any]


KINDS: dict[str, Kind] = {
    "TS0215A_sos": Kind("Tuya", {"battery": 100, "linkquality": 18}),
    "HS1EB/HS1EB-E": Kind("Heiman", {"battery": 100, "linkquality": 80}),
    "HS2FD-EF1-3.0": Kind("Heiman", {"occupancy": False, "sensor_status": "none", "fall_status": "normal"}),
    "FDS315": Kind("Owon", {"status": "unoccupied", "breathing_rate": 0, "location_x": 0, "location_y": 0}),
    "MIR-HE200-TY_fall": Kind("Tuya", {"presence": False, "fall_down_status": "none", "motion_speed": 0}),
    "SPM915": Kind("Owon", {"contact": True, "battery": 90, "battery_low": False, "tamper": False}),
    "MCCGQ11LM": Kind("Aqara", {"contact": True, "battery": 97, "voltage": 3005}),
    "RTCGQ11LM": Kind("Aqara", {"occupancy": False, "battery": 88, "illuminance": 12}),
    "HS1SA": Kind("Heiman", {"smoke": False, "test": False, "battery_low": False, "battery": 100}),
    "HS3CG": Kind("Heiman", {"gas": False, "tamper": False}),
    "HS1CA-E": Kind("Heiman", {"carbon_monoxide": False, "battery_low": False, "battery": 99}),
    "SJCGQ11LM": Kind("Aqara", {"water_leak": False, "battery": 100}),
    "WSDCGQ11LM": Kind("Aqara", {"temperature": 21.4, "humidity": 48.2, "battery": 75}),
}


@dataclass(slots=True)
class ZigbeeDevice:
    """One device: its cached state and when it was last heard."""

    name: str
    model: str
    ieee: str
    state: dict[str, Any]
    seen_ns: int | None = None


@dataclass(slots=True)
class ZigbeeNetwork:
    """A coordinator with its devices. last_seen: the style of that field, "ISO_8601", "epoch" or "disable"."""

    base: str = "zigbee2mqtt"
    last_seen: str = "ISO_8601"
    devices: dict[str, ZigbeeDevice] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.last_seen not in LAST_SEEN_STYLES:
            raise ValueError(f"last_seen is {self.last_seen!r}; give one of {', '.join(LAST_SEEN_STYLES)}")

    # The bridge

    def add(self, name: str, model: str) -> ZigbeeDevice:
        """Pair a device. Raises ValueError for a model that is not in `KINDS`, or a name in use."""
        if model not in KINDS or name in self.devices:
            raise ValueError(f"{name}: unknown model {model!r} or name in use; models: {', '.join(KINDS)}")
        ieee = f"0x00158d{len(self.devices) + 1:010x}"
        self.devices[name] = ZigbeeDevice(name, model, ieee, dict(KINDS[model].state))
        return self.devices[name]

    def bridge_state(self, *, online: bool) -> Published:
        """The bridge's own state, retained; offline is its last will."""
        return self._json("bridge/state", {"state": "online" if online else "offline"}, retain=True)

    def device_list(self) -> Published:
        """`bridge/devices`, retained."""
        listed: list[dict[str, Any]] = [
            {"ieee_address": "0x00124b0000000000", "type": "Coordinator", "friendly_name": "Coordinator"}
        ]
        for device in self.devices.values():
            definition = {"model": device.model, "vendor": KINDS[device.model].vendor, "exposes": []}
            listed.append(
                {
                    "ieee_address": device.ieee,
                    "type": "EndDevice",
                    "friendly_name": device.name,
                    "definition": definition,
                    "supported": True,
                }
            )
        return self._json("bridge/devices", listed, retain=True)

    def leave(self, name: str) -> Published:
        """The device leaves the network."""
        device = self.devices.pop(name)
        data = {"friendly_name": name, "ieee_address": device.ieee}
        return self._json("bridge/event", {"type": "device_leave", "data": data})

    def availability(self, name: str, *, online: bool) -> Published:
        """The device's availability, retained."""
        return self._json(f"{name}/availability", {"state": "online" if online else "offline"}, retain=True)

    def republish(self) -> list[Published]:
        """Cached states of all devices heard so far, as after a restart of Zigbee2MQTT."""
        return [self._state(device) for device in self.devices.values() if device.seen_ns is not None]

    # The devices

    def update(self, name: str, now_ns: int, **fields: Any) -> Published:
        """The device reports these fields: its whole state goes out."""
        device = self.devices[name]
        device.state |= fields
        device.seen_ns = now_ns
        return self._state(device)

    def press(self, name: str, now_ns: int, action: str = "emergency") -> list[Published]:
        """A button is pressed: the action, then at once the state with an empty one."""
        device = self.devices[name]
        device.seen_ns = now_ns
        return [self._state(device, action=action), self._state(device, action="")]

    def announce(self, name: str, now_ns: int) -> Published:
        """A button comes back into the network: its action is null."""
        device = self.devices[name]
        device.seen_ns = now_ns
        return self._state(device, action=None)

    def door(self, name: str, now_ns: int, *, is_open: bool) -> Published:
        """A door opens or closes (contact true is closed)."""
        return self.update(name, now_ns, contact=not is_open)

    def motion(self, name: str, now_ns: int, *, occupied: bool) -> Published:
        """A PIR sensor sees motion, or has seen none for its hold time."""
        return self.update(name, now_ns, occupancy=occupied)

    def smoke(self, name: str, now_ns: int, *, smoke: bool, test: bool = False) -> Published:
        """A smoke detector alarms; `test` when its test button is pressed."""
        return self.update(name, now_ns, smoke=smoke, test=test)

    def fall(self, name: str, now_ns: int, what: str) -> Published:
        """A fall radar sees what: "none", "warning" or "fall"; in the words of its model.

        Raises ValueError for a device that is no fall radar or a word it does not have (Owon has no warning).
        """
        words = {
            "HS2FD-EF1-3.0": ("fall_status", {"none": "normal", "warning": "fall_warning", "fall": "fall_alarm"}),
            "MIR-HE200-TY_fall": ("fall_down_status", {"none": "none", "warning": "maybe_fall", "fall": "fall"}),
            "FDS315": ("status", {"none": "occupied", "fall": "falling"}),
        }.get(self.devices[name].model)
        if words is None or what not in words[1]:
            raise ValueError(f"{name} ({self.devices[name].model}) cannot say {what!r}")
        return self.update(name, now_ns, **{words[0]: words[1][what]})

    def _state(self, device: ZigbeeDevice, **transient: Any) -> Published:
        seen = {} if self.last_seen == "disable" else {"last_seen": self._seen(device.seen_ns or 0)}
        return self._json(device.name, device.state | transient | seen)

    def _seen(self, at_ns: int) -> int | str:
        if self.last_seen == "epoch":
            return at_ns // 1_000_000
        whole, part = divmod(at_ns // 1_000_000, 1000)
        return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{part:03d}Z"

    def _json(self, name: str, value: Any, *, retain: bool = False) -> Published:
        return Published(f"{self.base}/{name}", json.dumps(value).encode(), retain)
