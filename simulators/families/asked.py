"""Devices that a gateway asks over the network or a bus: the bed with a web page, modules with dry contacts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulators.emfit import EmfitMat
from simulators.modbus_module import InputModule
from simulators.played import Action, Doing, Outcome, SimulatedDevice, SimulatedFamily
from simulators.wires import OnModbus, OnPage

if TYPE_CHECKING:
    from collections.abc import Mapping

HEART_DELAY_S = 30.0
"""How long a heart rate must stand below the limit (the gateway's default)."""


def _lie_down(mat: EmfitMat, doing: Doing) -> None:
    mat.present = True
    mat.heart_rate = int(doing.options.get("heart_rate", 60))
    mat.respiratory_rate = float(doing.options.get("respiratory_rate", 14.0))


def _get_up(mat: EmfitMat, _: Doing) -> None:
    mat.present, mat.heart_rate, mat.respiratory_rate = False, None, None


def _at_heart_rate(mat: EmfitMat, doing: Doing) -> None:
    mat.heart_rate = int(doing.options["heart_rate"])


EMFIT: Mapping[str, Action[EmfitMat]] = {
    "lie_down": Action(_lie_down, Outcome(signal="bed_occupancy", value="in")),
    "get_up": Action(_get_up, Outcome(signal="bed_occupancy", value="left")),
    "measure": Action(_at_heart_rate, Outcome(signal="heart_rate", option="heart_rate")),
    "slow_heart": Action(_at_heart_rate, Outcome(alert="heart_rate_low", after_s=HEART_DELAY_S)),
}


class ContactBus:
    """A module with the contacts that hang on it. wiring: node -> its input."""

    def __init__(self, device: SimulatedDevice) -> None:
        self.wiring = {node.name: int(node.options["input"]) for node in device.nodes.values()}
        self.module = InputModule(int(device.options.get("unit", 1)), int(device.options.get("inputs", 8)))
        for name in device.options.get("closed", ()):
            self.set(str(name), closed=True)

    def set(self, node: str, *, closed: bool) -> None:
        """Work a contact. Raises KeyError for one that is not there."""
        (self.module.closed.add if closed else self.module.closed.discard)(self.wiring[node])

    def feed(self, data: bytes) -> bytes:
        """Answers to the questions on the bus."""
        return self.module.feed(data)

    def tick(self, now_ns: int) -> bytes:  # noqa: ARG002 - as all
        """A module only answers."""
        return b""


CONTACTS: Mapping[str, Action[ContactBus]] = {
    "press": Action(lambda bus, doing: bus.set(doing.node, closed=True), Outcome(alert="help_call")),
    "pull": Action(lambda bus, doing: bus.set(doing.node, closed=False), Outcome(alert="help_call")),
    "reset": Action(lambda bus, doing: bus.set(doing.node, closed=bool(doing.options.get("closed", False)))),
    "lie_down": Action(
        lambda bus, doing: bus.set(doing.node, closed=True), Outcome(signal="bed_occupancy", value="in")
    ),
    "get_up": Action(
        lambda bus, doing: bus.set(doing.node, closed=False), Outcome(signal="bed_occupancy", value="left")
    ),
}

ROWS: tuple[SimulatedFamily[Any], ...] = (
    SimulatedFamily(
        "emfit",
        lambda device, _: EmfitMat(str(device.options.get("serial", "000757"))),
        OnPage("/dvmstatus.htm"),
        EMFIT,
    ),
    SimulatedFamily("modbus_io", lambda device, _: ContactBus(device), OnModbus(), CONTACTS),
)
