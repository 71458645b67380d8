"""Finds the drivers that are installed, ours and third parties', by the entry point group `yinling.drivers`."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points

from device_drivers.codec import Driver

GROUP = "yinling.drivers"


class UnknownFamilyError(LookupError):
    """No installed driver has this family name or alias."""

    def __init__(self, family: str, known: tuple[str, ...]) -> None:
        super().__init__(f"unknown device family {family!r}; known: {', '.join(known)}")
        self.family = family
        self.known = known


@cache
def drivers() -> dict[str, Driver]:
    """Every installed driver by its family name."""
    loaded = (entry.load() for entry in entry_points(group=GROUP))
    return {driver.family: driver for driver in loaded if isinstance(driver, Driver)}


def find_driver(name: str) -> Driver:
    """The driver of a family, by its name or one of its aliases. Raises UnknownFamilyError."""
    for driver in drivers().values():
        if name == driver.family or name in driver.aliases:
            return driver
    raise UnknownFamilyError(name, tuple(sorted(drivers())))
