"""Finds the drivers that are installed, ours and third parties', by the entry point group `yinling.drivers`.

A driver that cannot be loaded takes no other with it; `load_failures` says which and why.
"""

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
def _load() -> tuple[dict[str, Driver], dict[str, str]]:
    found: dict[str, Driver] = {}
    failed: dict[str, str] = {}
    for entry in entry_points(group=GROUP):
        try:
            driver = entry.load()
        except Exception as error:  # noqa: BLE001 - a third party's module may raise anything
            failed[entry.name] = repr(error)
            continue
        if isinstance(driver, Driver):
            found[driver.family] = driver
        else:
            failed[entry.name] = f"{entry.value} is no Driver"
    return found, failed


def drivers() -> dict[str, Driver]:
    """Every installed driver by its family name."""
    return _load()[0]


def load_failures() -> dict[str, str]:
    """Entry points of the group that could not be loaded: name and reason."""
    return _load()[1]


def find_driver(name: str) -> Driver:
    """The driver of a family, by its name or one of its aliases. Raises UnknownFamilyError."""
    for driver in drivers().values():
        if name == driver.family or name in driver.aliases:
            return driver
    raise UnknownFamilyError(name, tuple(sorted(drivers())))
