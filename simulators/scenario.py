"""Scenario files: which devices there are, and what happens when. One TOML file, checked before anything is played.

ScenarioError   the file cannot be played; the text names the entry and what is allowed
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

DEVICE_TYPES = ("wearable", "radar", "zigbee")
ACTIONS: Mapping[str, tuple[str, ...]] = {
    "wearable": ("fall", "walk", "sit", "lie", "get_up", "press", "take_off", "put_on", "vitals", "battery"),
    "radar": ("fall", "fall_over", "arrive", "leave", "still", "active"),
    "zigbee": ("press", "open", "close", "smoke", "smoke_over", "motion", "bridge_offline", "bridge_online"),
}
EMERGENCIES: Mapping[tuple[str, str], str] = {
    ("wearable", "fall"): "fall",
    ("wearable", "press"): "help_call",
    ("radar", "fall"): "fall",
    ("zigbee", "press"): "help_call",
    ("zigbee", "smoke"): "smoke",
}
"""What a person must be told about, by kind of finding."""
SHIPPED = Path(__file__).parent / "scenarios"


class ScenarioError(ValueError):
    """A scenario that cannot be played."""


@dataclass(frozen=True, slots=True)
class SimulatedDevice:
    """One device, or one Zigbee network with its nodes. link: name of the serial port's link, for serial devices."""

    id: str
    type: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happens `at_s` seconds after the start. do: one of the type's ACTIONS."""

    at_s: float
    device: str
    do: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A whole scenario, in order of time. seed: of every random number in it."""

    name: str
    seed: int
    devices: tuple[SimulatedDevice, ...]
    happenings: tuple[Happening, ...]

    def device(self, device_id: str) -> SimulatedDevice:
        """The device of this id."""
        return next(device for device in self.devices if device.id == device_id)


def load_scenario(path: Path) -> Scenario:
    """Read and check a file; a bare name means a scenario that is shipped. Raises ScenarioError."""
    shipped = SHIPPED / f"{path.name}.toml"
    source = shipped if not path.exists() and shipped.exists() else path
    try:
        tree = tomllib.loads(source.read_text(encoding="utf-8"))
    except OSError as error:
        known = ", ".join(sorted(p.stem for p in SHIPPED.glob("*.toml")))
        raise ScenarioError(f"cannot read {path}: {error.strerror}; shipped scenarios: {known}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{source} is not valid TOML: {error}") from error
    return scenario_from(tree, str(source))


def scenario_from(tree: Mapping[str, Any], source: str = "scenario") -> Scenario:
    """Check a scenario that is already a tree. Raises ScenarioError."""
    try:
        devices = tuple(_device(entry) for entry in tree["devices"])
        types = {device.id: device.type for device in devices}
        happenings = tuple(_happening(entry, types) for entry in tree.get("events", ()))
        return Scenario(
            str(tree.get("name", source)),
            int(tree.get("seed", 1)),
            devices,
            tuple(sorted(happenings, key=lambda one: one.at_s)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ScenarioError(f"{source}: {error}") from error


def _device(entry: Mapping[str, Any]) -> SimulatedDevice:
    kind = entry["type"]
    if kind not in DEVICE_TYPES:
        raise ScenarioError(f"device type {kind!r}; allowed: {', '.join(DEVICE_TYPES)}")
    return SimulatedDevice(entry["id"], kind, {k: v for k, v in entry.items() if k not in {"id", "type"}})


def _happening(entry: Mapping[str, Any], types: Mapping[str, str]) -> Happening:
    device, action = entry["device"], entry["do"]
    if device not in types:
        raise ScenarioError(f"event for {device!r}, which is no device of this scenario")
    if action not in ACTIONS[types[device]]:
        raise ScenarioError(f"{device} cannot {action!r}; allowed: {', '.join(ACTIONS[types[device]])}")
    options = {k: v for k, v in entry.items() if k not in {"at_s", "device", "do"}}
    return Happening(float(entry["at_s"]), device, action, options)
