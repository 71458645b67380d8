"""An ESPHome node without hardware: announces its entities, publishes their states as text, and its last will.

As the real one does: discovery and states are retained, missing numbers are "nan", discovery keys are short.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Published(NamedTuple):
    """One MQTT message."""

    topic: str
    payload: bytes
    retain: bool = True


@dataclass(frozen=True, slots=True)
class EntityModel:
    """One entity: component ("sensor", "binary_sensor"), name, class and unit as its YAML would have them."""

    component: str
    name: str
    device_class: str = ""
    unit: str = ""

    @property
    def object_id(self) -> str:
        """What ESPHome makes of the name."""
        return self.name.lower().replace(" ", "_")


RADAR_60GHZ = (
    EntityModel("binary_sensor", "Has target", "occupancy"),
    EntityModel("sensor", "Real time heart rate", "", "bpm"),
    EntityModel("sensor", "Real time respiratory rate", "", "bpm"),
    EntityModel("sensor", "Distance to detection object", "distance", "cm"),
)
"""Seeed MR60BHA2 as ESPHome gives it."""
FALL_RADAR = (
    EntityModel("binary_sensor", "Person Information", "occupancy"),
    EntityModel("binary_sensor", "Falling Information"),
    EntityModel("sensor", "Illuminance", "illuminance", "lx"),
)
"""Seeed MR60FDA2 as ESPHome gives it."""


@dataclass(slots=True)
class EsphomeNode:
    """One node. mac: its identifier in discovery messages."""

    name: str
    entities: tuple[EntityModel, ...]
    mac: str = "a4cf12b3c4d5"
    prefix: str = "homeassistant"
    states: dict[str, str] = field(default_factory=dict)

    def discovery(self) -> list[Published]:
        """Announce every entity."""
        return [self._config(one) for one in self.entities]

    def goodbye(self) -> list[Published]:
        """Take the announcements back."""
        return [Published(one.topic, b"") for one in self.discovery()]

    def status(self, *, online: bool) -> Published:
        """Birth or last will."""
        return Published(f"{self.name}/status", b"online" if online else b"offline")

    def state(self, name: str, value: float | bool | None) -> Published:
        """An entity has a new state; None is a missing number. Raises KeyError for a name that it does not have."""
        entity = {one.name: one for one in self.entities}[name]
        text = "nan" if value is None else ("ON" if value else "OFF") if isinstance(value, bool) else f"{value:g}"
        self.states[name] = text
        return Published(self._topic(entity), text.encode())

    def _topic(self, entity: EntityModel) -> str:
        return f"{self.name}/{entity.component}/{entity.object_id}/state"

    def _config(self, entity: EntityModel) -> Published:
        config: dict[str, Any] = {
            "dev_cla": entity.device_class,
            "unit_of_meas": entity.unit,
            "name": entity.name,
            "stat_t": self._topic(entity),
            "avty_t": f"{self.name}/status",
            "uniq_id": f"ESP{entity.component}{entity.object_id}",
            "dev": {"ids": self.mac, "name": self.name, "sw": "esphome v2026.9.0", "mf": "espressif"},
        }
        body = {key: value for key, value in config.items() if value}
        topic = f"{self.prefix}/{entity.component}/{self.name}/{entity.object_id}/config"
        return Published(topic, json.dumps(body).encode())
