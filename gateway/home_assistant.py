"""Yinling's residents, alerts and box as Home Assistant entities: the retained messages, made from one picture.

Pure: no I/O, the time is an argument. Without `names` a resident is only a number, without `vitals` nothing about the
body is told: what is published here leaves Yinling's own protection, and whoever reads the broker can read it. Test
alerts are not told. Formats: Home Assistant's documentation of MQTT discovery.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from analytics.kinds import KINDS
from device_drivers.signals import SIGNALS, SignalKind
from gateway.alerts.lifecycle import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gateway.alerts.lifecycle import Alert
    from gateway.config import HomeAssistantSettings, Language
    from gateway.context import HealthItem
    from gateway.live import LiveState, LiveValue
    from gateway.registry import Resident

BASE = "yinling-ha"
AVAILABILITY = f"{BASE}/box/availability"
ONLINE, OFFLINE = b"online", b"offline"
ORIGIN = "Yinling"
UNKNOWN = "None"
"""What Home Assistant reads as "unknown"."""
NS = 1_000_000_000
_DEVICE_CLASSES: Mapping[str, str] = {"body_temperature": "temperature", "skin_temperature": "temperature"}
VITALS = ("heart_rate", "spo2", "respiratory_rate", "body_temperature", "skin_temperature", "presence", "bed_occupancy")
_UNITS: Mapping[str, str] = {"/min": "bpm", "Cel": "°C"}
_TEXTS: Mapping[str, tuple[str, str]] = {
    "resident": ("住户", "Resident"),
    "box": ("银龄网关", "Yinling gateway"),
    "alarm": ("需要帮助", "Needs help"),
    "reason": ("原因", "Reason"),
    "problem": ("设备故障", "Box problem"),
    "open_alerts": ("未结报警", "Open alerts"),
}

Message = tuple[str, bytes]


@dataclass(frozen=True, slots=True)
class Picture:
    """What is so now. devices: device ids of each resident."""

    now_ns: int
    residents: Sequence[Resident]
    devices: Mapping[str, Sequence[str]]
    alerts: Sequence[Alert]
    health: Sequence[HealthItem]
    live: LiveState


@dataclass(frozen=True, slots=True)
class Entity:
    """One entity: its place in Home Assistant, its state as text, and more facts about it."""

    component: str
    node: str
    name: str
    title: str
    state: str
    device: Mapping[str, Any]
    extra: Mapping[str, Any]
    attributes: Mapping[str, Any] | None = None

    def config(self, prefix: str) -> Message:
        """The retained announcement."""
        base = f"{BASE}/{self.node}/{self.name}"
        body: dict[str, Any] = {
            "name": self.title,
            "unique_id": f"yinling_{self.node}_{self.name}",
            "object_id": f"yinling_{self.node}_{self.name}",
            "state_topic": base,
            "availability": [{"topic": AVAILABILITY}],
            "device": self.device,
            "origin": {"name": ORIGIN},
            **self.extra,
        }
        if self.attributes is not None:
            body["json_attributes_topic"] = f"{base}/more"
        return f"{prefix}/{self.component}/yinling_{self.node}/{self.name}/config", _json(body)

    def states(self) -> Iterator[Message]:
        """The retained state, and its attributes."""
        base = f"{BASE}/{self.node}/{self.name}"
        yield base, self.state.encode()
        if self.attributes is not None:
            yield f"{base}/more", _json(self.attributes)


class Publisher:
    """Which messages are to be published so that the broker shows the picture: only what changed, and removals."""

    def __init__(self, settings: HomeAssistantSettings, language: Language, site: str) -> None:
        self._settings = settings
        self._zh = language == "zh-CN"
        self._site = site
        self._sent: dict[str, bytes] = {}

    def connected(self) -> list[Message]:
        """After each connect everything is said again, and first that we are there."""
        self._sent.clear()
        return [(AVAILABILITY, ONLINE)]

    def messages(self, picture: Picture) -> list[Message]:
        """What to publish now, all retained; an empty payload removes."""
        wanted: dict[str, bytes] = {}
        for entity in self.entities(picture):
            wanted.update([entity.config(self._settings.prefix), *entity.states()])
        gone = [(topic, b"") for topic in self._sent if topic not in wanted]
        changed = [(topic, payload) for topic, payload in wanted.items() if self._sent.get(topic) != payload]
        self._sent = wanted
        return [*gone, *changed]

    def entities(self, picture: Picture) -> Iterator[Entity]:
        """Every entity of the box and of each resident."""
        yield from self._box(picture)
        for resident in picture.residents:
            alerts = [one for one in picture.alerts if one.resident_id == resident.id and not one.test]
            yield from self._alarm(resident, alerts)
            if self._settings.vitals:
                yield from self._vitals(resident, picture)

    def _box(self, picture: Picture) -> Iterator[Entity]:
        device = {"identifiers": ["yinling_box"], "name": f"{self._text('box')} {self._site}", "manufacturer": ORIGIN}
        faults = [item for item in picture.health if not item.ok]
        told = {item.name: item.zh if self._zh else item.en for item in faults}
        problem = {"device_class": "problem", "entity_category": "diagnostic"}
        yield Entity(
            "binary_sensor",
            "box",
            "problem",
            self._text("problem"),
            _on(bool(faults)),
            device,
            problem,
            {"faults": told},
        )
        count = sum(1 for one in picture.alerts if not one.test and _is_told(one))
        yield Entity(
            "sensor",
            "box",
            "open_alerts",
            self._text("open_alerts"),
            str(count),
            device,
            {"state_class": "measurement"},
        )

    def _alarm(self, resident: Resident, alerts: Sequence[Alert]) -> Iterator[Entity]:
        """Technical faults are not told of a resident: they are in need of an engineer, not of help."""
        urgent = [one for one in alerts if _is_told(one) and not KINDS[one.kind].technical]
        node, device = self._resident(resident)
        more = [self._alert(one) for one in urgent]
        attributes = {"alerts": more}
        alarm = {"device_class": "safety"}
        yield Entity("binary_sensor", node, "alarm", self._text("alarm"), _on(bool(urgent)), device, alarm, attributes)
        kinds = sorted(kind for kind, row in KINDS.items() if not row.technical)
        options = {"device_class": "enum", "options": ["none", *kinds]}
        reason = urgent[0].kind if urgent else "none"
        yield Entity("sensor", node, "reason", self._text("reason"), reason, device, options)

    def _alert(self, alert: Alert) -> dict[str, Any]:
        row = KINDS[alert.kind]
        return {
            "kind": alert.kind,
            "text": row.zh if self._zh else row.en,
            "priority": int(alert.priority),
            "state": alert.state.value,
            "answered": alert.state.answered,
            "since": f"{datetime.fromtimestamp(alert.at_ns // NS, UTC):%Y-%m-%dT%H:%M:%SZ}",
        }

    def _vitals(self, resident: Resident, picture: Picture) -> Iterator[Entity]:
        """Only signals that were ever heard become entities; a value that no longer stands for now is unknown."""
        node, device = self._resident(resident)
        for name in VITALS:
            known = [picture.live.value(one, name) for one in picture.devices.get(resident.id, ())]
            values = [value for value in known if value is not None]
            if not values:
                continue
            row = SIGNALS[name]
            title = row.zh if self._zh else row.en
            latest = max(values, key=lambda value: value.received_ns)
            state = _current(latest, name, picture.now_ns)
            if row.kind is SignalKind.READING:
                extra = {"unit_of_measurement": _UNITS.get(row.unit, row.unit), "state_class": "measurement"}
                extra |= {"device_class": _DEVICE_CLASSES[name]} if name in _DEVICE_CLASSES else {}
                yield Entity("sensor", node, name, title, state, device, extra, {"computed_by_box": latest.derived})
            else:
                yield Entity(
                    "binary_sensor", node, name, title, _two_state(state), device, {"device_class": "occupancy"}
                )

    def _resident(self, resident: Resident) -> tuple[str, dict[str, Any]]:
        """The node of a resident, and the device as it is shown."""
        node = node_of(resident.id)
        named = self._settings.names
        shown = resident.display_name if named else f"{self._text('resident')} {node.removeprefix('resident_')}"
        device: dict[str, Any] = {"identifiers": [f"yinling_{node}"], "name": shown, "manufacturer": ORIGIN}
        device["via_device"] = "yinling_box"
        if named and resident.room:
            device["suggested_area"] = resident.room
        return node, device

    def _text(self, key: str) -> str:
        return _TEXTS[key][0 if self._zh else 1]


def node_of(resident_id: str) -> str:
    """A resident's node: stable, usable in topics and in Home Assistant's ids, and never the name written as an id."""
    if re.fullmatch(r"[A-Za-z0-9]{1,16}", resident_id) and any(letter.isdigit() for letter in resident_id):
        return f"resident_{resident_id.lower()}"
    return f"resident_{hashlib.sha256(resident_id.encode()).hexdigest()[:8]}"


def _is_told(alert: Alert) -> bool:
    """A suspicion that still waits for "I am fine" is not told yet."""
    return alert.state.open and alert.state is not State.SUSPECTED


def _current(value: LiveValue, signal: str, now_ns: int) -> str:
    if value.value is None or value.is_stale(signal, now_ns):
        return UNKNOWN
    if isinstance(value.value, bool | str):
        return str(value.value)
    return f"{value.value:.1f}".removesuffix(".0")


def _two_state(state: str) -> str:
    return {"True": "ON", "in": "ON", UNKNOWN: UNKNOWN}.get(state, "OFF")


def _on(value: bool) -> str:
    return "ON" if value else "OFF"


def _json(tree: Mapping[str, Any]) -> bytes:
    return json.dumps(tree, ensure_ascii=False, sort_keys=True).encode()
