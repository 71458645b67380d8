"""Finds the drivers that are installed, ours and third parties', by the entry point group `yinling.drivers`.

A driver that cannot be used takes no other with it; `broken_drivers` says which and why. Ours are taken first: a third
party cannot take the name of one of them away.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, distributions
from typing import TYPE_CHECKING

from device_drivers.codec import Driver
from device_drivers.contract import driver_problem, where

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUP = "yinling.drivers"
_OURS = "device_drivers."


@dataclass(frozen=True, slots=True)
class BrokenDriver:
    """A driver that is installed and cannot be used. name: of its entry point; package: name and version of whose."""

    name: str
    package: str
    problem: str

    def __str__(self) -> str:
        return f"{self.name} (package {self.package}): {self.problem}"


class UnknownFamilyError(LookupError):
    """No installed driver has this family name or alias. broken: drivers that cannot be used; it may be one of them."""

    def __init__(self, family: str, known: tuple[str, ...], broken: tuple[BrokenDriver, ...] = ()) -> None:
        unusable = "".join(f"; cannot be used: {one}" for one in broken)
        meant = next((one for one in broken if one.name == family), None)
        unknown = f"unknown device family {family!r}; known: {', '.join(known)}{unusable}"
        super().__init__(unknown if meant is None else f"device family {family!r} cannot be used: {meant}")
        self.family = family
        self.known = known
        self.broken = broken


@dataclass(frozen=True, slots=True)
class _Installed:
    found: dict[str, Driver]
    named: dict[str, Driver]
    ours: frozenset[str]
    broken: tuple[BrokenDriver, ...]


@cache
def _load() -> _Installed:
    found: dict[str, Driver] = {}
    ours: set[str] = set()
    names: dict[str, str] = {}
    broken: list[BrokenDriver] = []
    for entry in sorted(_entries(broken), key=lambda entry: not _is_ours(entry)):
        driver = _read(entry, names)
        if isinstance(driver, BrokenDriver):
            broken.append(driver)
            continue
        found[driver.family] = driver
        names |= dict.fromkeys((driver.family, *driver.aliases), _package(entry))
        if _is_ours(entry):
            ours.add(driver.family)
    named: dict[str, Driver] = {}
    for driver in found.values():
        for name in (driver.family, *driver.aliases):
            named.setdefault(_plain(name), driver)
    return _Installed(found, named, frozenset(ours), tuple(broken))


def _entries(broken: list[BrokenDriver]) -> Iterator[EntryPoint]:
    """The group's entry points, package by package: of one whose list cannot be read the others do not suffer."""
    seen: set[str] = set()
    for package in distributions():
        name = str(package.name)
        if name in seen:
            continue
        seen.add(name)
        try:
            yield from package.entry_points.select(group=GROUP)
        except Exception as error:  # noqa: BLE001 - what stands there may be anything
            broken.append(BrokenDriver("entry_points.txt", name, f"cannot be read: {error!r}"))


def _read(entry: EntryPoint, taken: dict[str, str]) -> Driver | BrokenDriver:
    package = _package(entry)
    try:
        driver = entry.load()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a third party's module may raise anything
        return BrokenDriver(entry.name, package, f"{entry.value} cannot be loaded: {where(error)}")
    problem = driver_problem(driver)
    if problem is not None:
        return BrokenDriver(entry.name, package, f"{entry.value}: {problem}")
    for name in (driver.family, *driver.aliases):
        if name in taken:
            problem = f"the name {name!r} is already taken by a driver of {taken[name]}: choose another"
            return BrokenDriver(entry.name, package, problem)
    return driver  # type: ignore[no-any-return]


def _is_ours(entry: EntryPoint) -> bool:
    return entry.value.startswith(_OURS)


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else "unknown"


def drivers() -> dict[str, Driver]:
    """Every installed driver by its family name."""
    return _load().found


def broken_drivers() -> tuple[BrokenDriver, ...]:
    """What stands in the group and cannot be used, and why."""
    return _load().broken


def is_ours(driver: Driver) -> bool:
    """Whether it is one of the project's own drivers."""
    return driver.family in _load().ours


def find_driver(name: str) -> Driver:
    """The driver of a family, by its name or one of its aliases, in capitals or not. Raises UnknownFamilyError."""
    installed = _load()
    driver = installed.named.get(_plain(name))
    if driver is None:
        raise UnknownFamilyError(name, tuple(sorted(installed.found)), installed.broken)
    return driver


def _plain(name: str) -> str:
    return name.strip().lower().replace("-", "_")
