"""Devices on a serial line: radars and finger oximeters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulators.hilink_radar import FALL_MODEL as TF_FALL
from simulators.hilink_radar import TfRadarDevice
from simulators.oximeter import BciOximeter, ContecOximeter, NoninOximeter, Oximeter
from simulators.played import Action, Doing, Outcome, SimulatedFamily
from simulators.presence_radar import Ld2410Device, Ld2450Device
from simulators.radar import FALL_MODEL, RadarDevice
from simulators.wires import OnSerial

if TYPE_CHECKING:
    from collections.abc import Mapping

FALL = Outcome(alert="fall")
SOMEBODY = Outcome(signal="presence", value=True)
NOBODY = Outcome(signal="presence", value=False)
SPO2_DELAY_S = 60.0
"""How long a value must stand below the limit (the gateway's default for SpO2)."""


# MicRadar


def _breathing(radar: RadarDevice, doing: Doing) -> None:
    radar.set_presence(presence=True, motion="still")
    radar.set_in_range(in_range=True)
    radar.set_breathing(int(doing.options["respiratory_rate"]))
    radar.set_heart(int(doing.options.get("heart_rate", 62)))


MICRADAR: Mapping[str, Action[RadarDevice]] = {
    "fall": Action(lambda radar, _: radar.set_fall(fall=True), FALL),
    "fall_over": Action(lambda radar, _: radar.set_fall(fall=False)),
    "arrive": Action(lambda radar, _: radar.set_presence(presence=True), SOMEBODY),
    "leave": Action(lambda radar, _: radar.set_presence(presence=False), NOBODY),
    "still": Action(lambda radar, _: radar.set_motion("still")),
    "active": Action(lambda radar, _: radar.set_motion("active")),
    "lie_down": Action(lambda radar, _: radar.set_bed("in"), Outcome(signal="bed_occupancy", value="in")),
    "get_up": Action(lambda radar, _: radar.set_bed("left"), Outcome(signal="bed_occupancy", value="left")),
    "breathe": Action(_breathing, Outcome(signal="respiratory_rate", option="respiratory_rate")),
}


# Hi-Link


def _tf_vitals(radar: TfRadarDevice, doing: Doing) -> None:
    state = radar.state
    state.presence, state.distance = True, 80.0
    state.respiratory_rate = float(doing.options["respiratory_rate"])
    state.heart_rate = float(doing.options.get("heart_rate", 66.0))


def _tf_set(**state: Any) -> Any:
    def act(radar: TfRadarDevice, _: Doing) -> None:
        for name, value in state.items():
            setattr(radar.state, name, value)

    return act


HILINK: Mapping[str, Action[TfRadarDevice]] = {
    "fall": Action(_tf_set(fall=True, presence=True), FALL),
    "fall_over": Action(_tf_set(fall=False)),
    "arrive": Action(_tf_set(presence=True), SOMEBODY),
    "leave": Action(_tf_set(presence=False, heart_rate=None, respiratory_rate=None), NOBODY),
    "breathe": Action(_tf_vitals, Outcome(signal="respiratory_rate", option="respiratory_rate")),
}


# Presence


def _ld2410_sees(moving: bool, still: bool) -> Any:
    def act(radar: Ld2410Device, doing: Doing) -> None:
        distance = int(doing.options.get("distance", 180))
        radar.moving_cm, radar.still_cm = distance if moving else None, distance if still else None

    return act


def _ld2450_walks(radar: Ld2450Device, doing: Doing) -> None:
    x, y = (round(10 * float(doing.options.get(axis, usual))) for axis, usual in (("x", -80.0), ("y", 210.0)))
    radar.targets = [(x, y, -20)]


LD2410: Mapping[str, Action[Ld2410Device]] = {
    "arrive": Action(_ld2410_sees(moving=True, still=True), SOMEBODY),
    "sit_still": Action(_ld2410_sees(moving=False, still=True), Outcome(signal="motion", value="still")),
    "leave": Action(_ld2410_sees(moving=False, still=False), NOBODY),
}
LD2450: Mapping[str, Action[Ld2450Device]] = {
    "walk": Action(_ld2450_walks, Outcome(signal="position_x", option="x", value=-80.0)),
    "leave": Action(lambda radar, _: radar.targets.clear(), NOBODY),
}


# Oximeters


def _pulse(oximeter: Oximeter, doing: Doing) -> None:
    oximeter.state.finger = True
    for name in ("spo2", "pulse"):
        if name in doing.options:
            setattr(oximeter.state, name, int(doing.options[name]))


def _finger(oximeter: Oximeter, *, finger: bool) -> None:
    oximeter.state.finger = finger


OXIMETER: Mapping[str, Action[Oximeter]] = {
    "measure": Action(_pulse, Outcome(signal="spo2", option="spo2")),
    "desaturate": Action(_pulse, Outcome(alert="spo2_low", after_s=SPO2_DELAY_S)),
    "finger_in": Action(lambda oximeter, _: _finger(oximeter, finger=True), Outcome(signal="worn", value=True)),
    "finger_out": Action(lambda oximeter, _: _finger(oximeter, finger=False), Outcome(signal="worn", value=False)),
}

ROWS: tuple[SimulatedFamily[Any], ...] = (
    SimulatedFamily(
        "micradar",
        lambda device, _: RadarDevice(str(device.options.get("model", FALL_MODEL))),
        OnSerial(),
        MICRADAR,
        ("radar",),
    ),
    SimulatedFamily(
        "hilink_tf", lambda device, _: TfRadarDevice(str(device.options.get("model", TF_FALL))), OnSerial(), HILINK
    ),
    SimulatedFamily("ld2410", lambda _device, _rng: Ld2410Device(), OnSerial(256_000), LD2410),
    SimulatedFamily("ld2450", lambda _device, _rng: Ld2450Device(), OnSerial(256_000), LD2450),
    SimulatedFamily(
        "bci", lambda device, _: BciOximeter(str(device.options.get("maker", "berry"))), OnSerial(), OXIMETER
    ),
    SimulatedFamily("contec", lambda _device, _rng: ContecOximeter(), OnSerial(), OXIMETER),
    SimulatedFamily(
        "nonin", lambda device, _: NoninOximeter(int(device.options.get("format", 8))), OnSerial(9_600), OXIMETER
    ),
)
