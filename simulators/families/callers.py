"""Devices that call the gateway's TCP port over the mobile network: watches, pendants, terminals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulators.pendant import PendantDevice
from simulators.played import Action, Doing, Outcome, SimulatedFamily
from simulators.terminal import TerminalDevice
from simulators.watch import WatchDevice
from simulators.wires import OnTcp

if TYPE_CHECKING:
    from collections.abc import Mapping

CALL = Outcome(alert="help_call")
FALL = Outcome(alert="fall")


def _measure(watch: WatchDevice, doing: Doing) -> None:
    said = doing.options
    watch.measure(int(said.get("heart_rate", 72)), int(said["systolic"]), int(said.get("diastolic", 80)))


WATCH: Mapping[str, Action[WatchDevice]] = {
    "press": Action(lambda watch, doing: watch.alarm("sos", doing.now_ns), CALL),
    "fall": Action(lambda watch, doing: watch.alarm("fall", doing.now_ns), FALL),
    "take_off": Action(lambda watch, doing: watch.alarm("removed", doing.now_ns), Outcome(signal="worn", value=False)),
    "measure": Action(_measure, Outcome(signal="systolic_pressure", option="systolic", once=True)),
}
PENDANT: Mapping[str, Action[PendantDevice]] = {
    "press": Action(lambda pendant, doing: pendant.alarm("sos", doing.now_ns), CALL),
    "fall": Action(lambda pendant, doing: pendant.alarm("fall", doing.now_ns), FALL),
}
TERMINAL: Mapping[str, Action[TerminalDevice]] = {
    "press": Action(lambda terminal, doing: terminal.press(doing.now_ns), CALL),
}

ROWS: tuple[SimulatedFamily[Any], ...] = (
    SimulatedFamily("watch_3g", lambda device, _: WatchDevice(device.id), OnTcp(), WATCH),
    SimulatedFamily("minifinder", lambda device, _: PendantDevice(device.id), OnTcp(), PENDANT),
    SimulatedFamily("jt808", lambda device, _: TerminalDevice(device.id), OnTcp(), TERMINAL),
)
