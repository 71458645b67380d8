"""What the engine is told of each device: how long it may be silent (by device, else by family), how it is worn."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from analytics.daily.home_table import PLACES
from analytics.falls.model import SENSITIVITIES, WEAR_SITES
from device_drivers.registry import UnknownFamilyError, find_driver

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.registry import Device

NAMES = ("lost_after_s", "signal_lost_after_s")
WORDS = {"wear_site": tuple(WEAR_SITES), "fall_sensitivity": SENSITIVITIES, "place": PLACES[1:]}
"""Options in words, and the words that count; docs/fall-detection.md and docs/findings.md say what they do."""


def watch_options(devices: Iterable[Device]) -> dict[str, dict[str, Any]]:
    """Options of each device for the engine: its own options of these names, or what is usual in its family."""
    found: dict[str, dict[str, Any]] = {}
    for device in devices:
        limits: dict[str, Any] = {**_usual(device.family)}
        found[device.id] = limits
        for name, words in WORDS.items():
            if device.options.get(name) in words:
                limits[name] = device.options[name]
        for name in NAMES:
            own = device.options.get(name)
            if isinstance(own, int | float) and not isinstance(own, bool) and own > 0:
                limits[name] = float(own)
    return found


def _usual(family: str) -> dict[str, float]:
    with contextlib.suppress(UnknownFamilyError):
        driver = find_driver(family)
        return {"lost_after_s": driver.lost_after_s, "signal_lost_after_s": driver.signal_lost_after_s}
    return {}
