"""Which field of a Zigbee2MQTT payload is which signal. Source: zigbee-herdsman-converters (MIT), August 2026."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

READINGS: Mapping[str, str] = {
    "battery": "battery",
    "voltage": "battery_voltage",
    "linkquality": "link_quality",
    "temperature": "room_temperature",
    "humidity": "humidity",
    "illuminance": "illuminance",
    "illuminance_lux": "illuminance",
    "motion_speed": "motion_speed",
    "breathing_rate": "respiratory_rate",
    "location_x": "position_x",
    "location_y": "position_y",
}
ZERO_IS_ABSENT = frozenset({"breathing_rate"})
"""0 breaths means that the radar has no lock."""

HAZARDS = ("smoke", "gas", "carbon_monoxide", "water_leak")
FLAGS: Mapping[str, str] = {
    "tamper": "tamper",
    "battery_low": "battery_low",
    "vibration": "vibration",
    "presence": "presence",
    "test": "alarm_test",
}

SOS_ACTIONS = frozenset({"emergency", "sos", "panic"})
SOS_BUTTON_ACTIONS = frozenset({"single", "double", "hold"})
SOS_BUTTON_MODELS = ("HS1EB", "SOS-EM", "SOS-EF")
"""Emergency buttons that name the kind of press instead of the emergency."""
BUTTON_WORDS = ("single", "double", "hold", "off")
MOVED_ACTIONS = frozenset({"vibration"})
NO_BUTTON_ACTIONS = ("tilt", "drop", "region_")
"""Actions of vibration and presence sensors: no finger was there."""

FALL_RADAR_MODELS = ("HS2FD", "FDS315")
BED_PAD_MODELS = ("SPM915",)


class FallWord(NamedTuple):
    """What a fall word says; None says nothing of it (a warning does not take an alarm back)."""

    fall: bool | None
    warning: bool | None


FALL_WORDS: Mapping[str, Mapping[str, FallWord]] = {
    "fall_status": {
        "normal": FallWord(fall=False, warning=False),
        "fall_warning": FallWord(fall=None, warning=True),
        "fall_alarm": FallWord(fall=True, warning=None),
    },
    "fall_down_status": {
        "none": FallWord(fall=False, warning=False),
        "maybe_fall": FallWord(fall=None, warning=True),
        "fall": FallWord(fall=True, warning=None),
    },
}


class OwonStatus(NamedTuple):
    """What one word of Owon FDS315 says. fall None: somebody on the floor or out of sight has not got up."""

    presence: bool
    posture: str | None
    fall: bool | None


OWON_STATUS: Mapping[str, OwonStatus] = {
    "unoccupied": OwonStatus(presence=False, posture=None, fall=None),
    "occupied": OwonStatus(presence=True, posture=None, fall=False),
    "sitting": OwonStatus(presence=True, posture="sitting", fall=False),
    "on_the_bed": OwonStatus(presence=True, posture="in_bed", fall=False),
    "low_posture": OwonStatus(presence=True, posture="low", fall=None),
    "falling": OwonStatus(presence=True, posture=None, fall=True),
}
SENSOR_STATUS: Mapping[str, str] = {"none": "none", "activity": "active"}

SIGNALS_GIVEN = (
    *("help_button", "button", "fall", "fall_warning", "static_stay", "presence", "motion", "posture", "occupancy"),
    *("door", "bed_occupancy", "vibration", *HAZARDS, "alarm_test", "tamper", "battery_low", "device_fault", "online"),
    *dict.fromkeys(READINGS.values()),
)
