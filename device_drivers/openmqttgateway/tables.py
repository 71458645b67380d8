"""Which field of OpenMQTTGateway's and Theengs Gateway's decoded JSON is which signal.

Source: the property lists of the Theengs documentation; only the names of the fields are used here, no code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

READINGS: Mapping[str, tuple[str, float]] = {
    "tempc": ("room_temperature", 1),
    "hum": ("humidity", 1),
    "batt": ("battery", 1),
    "volt": ("battery_voltage", 1000),
    "lux": ("illuminance", 1),
    "steps": ("steps", 1),
    "act_bpm": ("heart_rate", 1),
}
"""Field -> signal, and the factor into the signal's unit."""
ZERO_IS_ABSENT = frozenset({"act_bpm"})
BODY_TYPE = "BODY"
"""Type of health devices: their temperature is a person's."""
FLAGS: Mapping[str, str] = {"motion": "occupancy", "batt_low": "battery_low"}
BUTTONS: Mapping[int, str] = {1: "single", 2: "double", 3: "triple", 9: "long", 11: "hold"}
"""0 is no press."""
KG_PER: Mapping[str, float] = {"kg": 1.0, "lb": 0.45359237, "jin": 0.5}
IDENTITY = ("name", "brand", "model", "model_id", "type")
