"""Scenario files: who lives there, which devices there are, and what happens when. One TOML file, checked before it is
played.

ScenarioError   the file cannot be played; the text names the entry and what is allowed
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulators.families import find_family
from simulators.played import Node, SimulatedDevice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulators.played import Action

SHIPPED = Path(__file__).parent / "scenarios"
DEVICE_KEYS = frozenset({"id", "type", "nodes", "resident", "room", "gateway"})
NODE_KEYS = frozenset({"model", "resident", "room"})
RESIDENT_KEYS = frozenset({"id", "name", "birth_year", "gender", "room"})


class ScenarioError(ValueError):
    """A scenario that cannot be played."""


@dataclass(frozen=True, slots=True)
class SimulatedResident:
    """A person who lives there."""

    id: str
    name: str
    birth_year: int | None = None
    gender: str | None = None
    room: str = ""


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happens `at_s` seconds after the story began. do: one of the family's actions."""

    at_s: float
    device: str
    do: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A whole scenario, in order of time. seed: of every random number in it. seconds: how long to look on."""

    name: str
    seed: int
    devices: tuple[SimulatedDevice, ...]
    happenings: tuple[Happening, ...]
    residents: tuple[SimulatedResident, ...] = ()
    seconds: float = 90.0

    def device(self, device_id: str) -> SimulatedDevice:
        """The device of this id."""
        return next(device for device in self.devices if device.id == device_id)

    def action(self, happening: Happening) -> Action[Any]:
        """What a happening is."""
        return find_family(self.device(happening.device).family).actions[happening.do]

    def known_as(self, happening: Happening) -> str:
        """The device of a happening as a gateway knows it."""
        device, node = self.device(happening.device), happening.options.get("node")
        return device.id if node is None else find_family(device.family).known_as(device, str(node))


def load_scenario(path: Path) -> Scenario:
    """Read and check a file; a bare name means a scenario that is shipped. Raises ScenarioError."""
    shipped = SHIPPED / f"{path.name}.toml"
    source = shipped if not path.is_file() and shipped.exists() else path
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
        residents = tuple(_resident(entry) for entry in tree.get("residents", ()))
        devices = tuple(_device(entry, {one.id for one in residents}) for entry in tree["devices"])
        known = {device.id: device for device in devices}
        if len(known) < len(devices):
            raise ScenarioError("two devices have the same id")
        happenings = tuple(_happening(entry, known) for entry in tree.get("events", ()))
        return Scenario(
            str(tree.get("name", source)),
            int(tree.get("seed", 1)),
            devices,
            tuple(sorted(happenings, key=lambda one: one.at_s)),
            residents,
            float(tree.get("seconds", 90.0)),
        )
    except (KeyError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise ScenarioError(f"{source}: {error}") from error


def _resident(entry: Mapping[str, Any]) -> SimulatedResident:
    if not set(entry) <= RESIDENT_KEYS:
        raise ScenarioError(f"resident {entry.get('id')!r}: allowed are {', '.join(sorted(RESIDENT_KEYS))}")
    return SimulatedResident(**entry)


def _device(entry: Mapping[str, Any], residents: set[str]) -> SimulatedDevice:
    device_id, row = str(entry["id"]), find_family(str(entry["type"]))
    nodes = {name: _node(str(name), given, residents) for name, given in dict(entry.get("nodes", {})).items()}
    return SimulatedDevice(
        device_id,
        row.family,
        {name: value for name, value in entry.items() if name not in DEVICE_KEYS},
        nodes,
        _whose(entry, device_id, residents),
        str(entry.get("room", "")),
        dict(entry.get("gateway", {})),
    )


def _node(name: str, given: str | Mapping[str, Any], residents: set[str]) -> Node:
    """A model alone, or a table with model, resident, room and options."""
    entry: Mapping[str, Any] = {"model": given} if isinstance(given, str) else given
    more = {key: value for key, value in entry.items() if key not in NODE_KEYS}
    return Node(
        name, str(entry.get("model", "")), _whose(entry, name, residents), str(entry.get("room", "")), options=more
    )


def _whose(entry: Mapping[str, Any], name: str, residents: set[str]) -> str | None:
    resident = entry.get("resident")
    if resident is not None and resident not in residents:
        raise ScenarioError(f"{name}: {resident!r} is no resident of this scenario")
    return resident


def _happening(entry: Mapping[str, Any], devices: Mapping[str, SimulatedDevice]) -> Happening:
    device, action = entry["device"], entry["do"]
    if device not in devices:
        raise ScenarioError(f"event for {device!r}, which is no device of this scenario")
    actions = find_family(devices[device].family).actions
    if action not in actions:
        raise ScenarioError(f"{device} cannot {action!r}; allowed: {', '.join(actions)}")
    options = {key: value for key, value in entry.items() if key not in {"at_s", "device", "do"}}
    return Happening(float(entry["at_s"]), device, action, options)
