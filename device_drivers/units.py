"""Units as devices and integrators write them, turned into the unit of our signal (UCUM)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMES: Mapping[str, str] = {
    "bpm": "/min",
    "1/min": "/min",
    "rpm": "/min",
    "brpm": "/min",
    "次/分": "/min",
    "°C": "Cel",
    "℃": "Cel",
    "C": "Cel",
    "degC": "Cel",
    "°F": "[degF]",
    "℉": "[degF]",
    "F": "[degF]",
    "lux": "lx",
    "dBm": "dB[mW]",
    "°": "deg",
    "g": "[g]",
    "": "1",
    "percent": "%",
}
_CONVERSIONS: Mapping[tuple[str, str], tuple[float, float]] = {
    ("[degF]", "Cel"): (5 / 9, -160 / 9),
    ("K", "Cel"): (1.0, -273.15),
    ("V", "mV"): (1_000.0, 0.0),
    ("m", "cm"): (100.0, 0.0),
    ("mm", "cm"): (0.1, 0.0),
    ("[in_i]", "cm"): (2.54, 0.0),
    ("in", "cm"): (2.54, 0.0),
    ("s", "min"): (1 / 60, 0.0),
    ("h", "min"): (60.0, 0.0),
    ("/s", "/min"): (60.0, 0.0),
    ("Hz", "/min"): (60.0, 0.0),
}


def conversion(unit: str, wanted: str) -> tuple[float, float] | None:
    """Factor and offset that turn a value in `unit` into `wanted`: value * factor + offset. None: they do not fit."""
    given = _NAMES.get(unit, unit)
    return (1.0, 0.0) if given == wanted else _CONVERSIONS.get((given, wanted))
