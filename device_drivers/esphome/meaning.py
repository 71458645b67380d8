"""Which signal an entity is: by its names where they say more than its class, else by its device class.

Sources: Home Assistant's device classes; the entity names of ESPHome's radar components (LD2410, LD2450, mr24hpc1,
mr60bha2, mr60fda2).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from device_drivers.signals import SIGNALS, Signal, SignalKind
from device_drivers.units import conversion

if TYPE_CHECKING:
    from collections.abc import Mapping

BINARY, SENSOR, EVENT = "binary_sensor", "sensor", "event"
COMPONENTS = (BINARY, SENSOR, EVENT)
SIGNALS_GIVEN = (
    *("fall", "help_button", "button", "presence", "occupancy", "bed_occupancy", "door", "smoke", "gas"),
    *("carbon_monoxide", "water_leak", "vibration", "tamper", "battery_low", "device_fault", "online"),
    *("heart_rate", "respiratory_rate", "spo2", "body_temperature", "room_temperature", "humidity", "illuminance"),
    *("distance", "battery", "battery_voltage", "signal_strength"),
)
BUTTON_WORDS = {"press": "single", "single": "single", "double": "double", "long": "hold", "hold": "hold"}
ZERO_IS_ABSENT = frozenset({"heart_rate", "respiratory_rate", "spo2", "body_temperature"})
_TWO_STATES: Mapping[str, tuple[bool | str, bool | str]] = {
    "door": ("open", "closed"),
    "bed_occupancy": ("in", "left"),
    "device_fault": ("other", "none"),
}
"""Words for on and off of signals that have words of their own."""

_HELP = frozenset({"sos", "emergency", "panic", "help"})
_BED = frozenset({"bed", "mattress"})
_IN = frozenset({"in", "occupancy", "occupied", "presence"})
_WORDS: Mapping[str, tuple[tuple[str, frozenset[str]], ...]] = {
    BINARY: (
        ("fall", frozenset({"fall", "falling", "fallen"})),
        ("help_button", _HELP),
        ("presence", frozenset({"target", "presence", "person", "people", "someone"})),
    ),
    SENSOR: (
        ("heart_rate", frozenset({"heart", "heartbeat", "heartrate", "pulse", "hr"})),
        ("respiratory_rate", frozenset({"breath", "breathing", "respiration", "respiratory", "rr"})),
        ("spo2", frozenset({"spo2", "oxygen"})),
        ("distance", frozenset({"distance"})),
    ),
    EVENT: (("help_button", _HELP),),
}
_CHINESE: Mapping[str, tuple[tuple[str, str], ...]] = {
    BINARY: (
        ("跌倒", "fall"),
        ("紧急", "help_button"),
        ("呼救", "help_button"),
        ("求救", "help_button"),
        ("在床", "bed_occupancy"),
        ("有人", "presence"),
    ),
    SENSOR: (("心率", "heart_rate"), ("呼吸", "respiratory_rate"), ("血氧", "spo2"), ("体温", "body_temperature")),
    EVENT: (("紧急", "help_button"), ("呼救", "help_button"), ("求救", "help_button")),
}
_NOT_IT = frozenset(
    {"moving", "still", "energy", "number", "count", "gate", "enable", "enabled", "status", "max", "min"}
)
"""Words that make a name another thing: the distance of the still target, the number of targets, a setting."""
_CLASSES: Mapping[tuple[str, str], str] = {
    (BINARY, "presence"): "presence",
    (BINARY, "occupancy"): "presence",
    (BINARY, "motion"): "occupancy",
    (BINARY, "moving"): "occupancy",
    **dict.fromkeys([(BINARY, name) for name in ("door", "window", "opening", "garage_door")], "door"),
    (BINARY, "smoke"): "smoke",
    (BINARY, "gas"): "gas",
    (BINARY, "carbon_monoxide"): "carbon_monoxide",
    (BINARY, "moisture"): "water_leak",
    (BINARY, "vibration"): "vibration",
    (BINARY, "tamper"): "tamper",
    (BINARY, "battery"): "battery_low",
    (BINARY, "problem"): "device_fault",
    (BINARY, "connectivity"): "online",
    (SENSOR, "temperature"): "room_temperature",
    (SENSOR, "humidity"): "humidity",
    (SENSOR, "illuminance"): "illuminance",
    (SENSOR, "distance"): "distance",
    (SENSOR, "battery"): "battery",
    (SENSOR, "signal_strength"): "signal_strength",
    (EVENT, "button"): "button",
    (EVENT, "doorbell"): "button",
}


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an entity's state says. factor, offset: to our unit, of readings."""

    signal: Signal
    factor: float = 1.0
    offset: float = 0.0

    def two_state(self, on: bool) -> bool | str:
        """The value for on or off."""
        return _TWO_STATES.get(self.signal.name, (True, False))[0 if on else 1]


def meaning_of(component: str, names: tuple[str, ...], device_class: str, unit: str | None) -> Meaning | None:
    """What an entity is. names: its object id and name; unit: None where not told. None: nothing we know."""
    name = _by_name(component, names) or _CLASSES.get((component, device_class))
    if name == "room_temperature" and "body" in _words(names):
        name = "body_temperature"
    if component == SENSOR and device_class == "voltage" and "battery" in _words(names):
        name = "battery_voltage"
    return None if name is None else meaning(component, name, unit)


def meaning(component: str, name: str, unit: str | None) -> Meaning | None:
    """The meaning of an entity that is known to be this signal; None where component or unit do not fit."""
    signal = SIGNALS[name]
    if (signal.kind is SignalKind.READING) != (component == SENSOR):
        return None
    if component != SENSOR:
        return Meaning(signal)
    converted = (1.0, 0.0) if unit is None or not unit.strip() else conversion(unit.strip(), signal.unit)
    return None if converted is None else Meaning(signal, *converted)


def _by_name(component: str, names: tuple[str, ...]) -> str | None:
    text = " ".join(names)
    chinese = next((signal for part, signal in _CHINESE.get(component, ()) if part in text), None)
    words = _words(names)
    if chinese is not None or words & _NOT_IT:
        return chinese
    if component == BINARY and words & _BED and words & _IN:
        return "bed_occupancy"
    return next((signal for signal, any_of in _WORDS.get(component, ()) if words & any_of), None)


def _words(names: tuple[str, ...]) -> set[str]:
    return {word for name in names for word in re.split(r"[^a-z0-9]+", name.lower()) if word}
