"""How long each device may be silent before it counts as lost, and its heart or breath: by device, else by family."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from analytics.daily.home_table import PLACES
from device_drivers.registry import UnknownFamilyError, find_driver

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.registry import Device

NAMES = ("lost_after_s", "signal_lost_after_s")


def watch_options(devices: Iterable[Device]) -> dict[str, dict[str, Any]]:
    """Options of each device for the engine: its own options of these names, or what is usual in its family."""
    found: dict[str, dict[str, Any]] = {}
    for device in devices:
        limits: dict[str, Any] = {**_usual(device.family)}
        found[device.id] = limits
        if device.options.get("place") in PLACES[1:]:
            limits["place"] = device.options["place"]
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
