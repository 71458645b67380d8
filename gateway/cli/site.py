"""The site of a scenario: its residents, devices and wires as a gateway has to be told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from device_drivers.registry import find_driver
from gateway.cli.rig import Rig, RigDevice, free_port
from gateway.cli.toml_text import toml_block
from gateway.registry import Resident

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from simulators.played import SimulatedDevice
    from simulators.scenario import Scenario, SimulatedResident
    from simulators.wires import Accounts


def site_of(scenario: Scenario, folder: Path, language: str = "zh-CN", **more: Any) -> Rig:
    """A rig with everything that the scenario has. more: further fields of the rig."""
    from simulators.families import FAMILIES
    from simulators.wires import Accounts

    wires = {device.id: FAMILIES[device.family].wire for device in scenario.devices}
    ports = {device.id: free_port() for device in scenario.devices if wires[device.id].opens_port(device)}
    accounts = Accounts("127.0.0.1", 0, ports=ports, links=folder)
    return Rig(
        folder,
        language=language,
        residents=[_resident(one, language) for one in scenario.residents],
        devices=[one for device in scenario.devices for one in _devices(device, accounts)],
        tcp=any(wire.calls for wire in wires.values()),
        ports=ports,
        extra_settings=_driver_options(scenario),
        **more,
    )


def _resident(one: SimulatedResident, language: str) -> Resident:
    return Resident(one.id, one.name, one.birth_year, one.gender, one.room, language)


def _devices(device: SimulatedDevice, accounts: Accounts) -> Iterator[RigDevice]:
    """The device, then those behind it."""
    from simulators.families import FAMILIES

    row = FAMILIES[device.family]
    line = row.wire.line(device, accounts)
    told = {"options": dict(device.gateway)} if device.gateway and line is not None else {}
    own = {} if line is not None or find_driver(device.family).message is not None else device.gateway
    full = None if line is None else {**line, **told}
    yield RigDevice(device.id, device.family, device.resident, device.room, line=full, options=own)
    for node in device.nodes.values():
        known_as = row.known_as(device, node.name)
        yield RigDevice(known_as, device.family, node.resident, node.room, account=False)


def _driver_options(scenario: Scenario) -> str:
    """What drivers of MQTT families must be told, of all their devices together."""
    tables: dict[str, dict[str, Any]] = {}
    for device in scenario.devices:
        if device.gateway and find_driver(device.family).message is not None:
            table = tables.setdefault(device.family, {})
            for name, value in device.gateway.items():
                table[name] = _joined(table.get(name), value)
    return "".join(toml_block(f"[drivers.{family}]", table) for family, table in tables.items())


def _joined(one: Any, other: Any) -> Any:
    """Lists one after the other, tables in one; anything else: the latter."""
    if isinstance(one, list) and isinstance(other, list):
        return [*one, *other]
    if isinstance(one, dict) and isinstance(other, dict):
        return _merged(one, other)
    return other


def _merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _joined(one.get(name), other[name]) if name in other else one[name] for name in {**one, **other}}
