"""What hangs on which input of which module: the site's own wiring list. Checked at start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from device_drivers.modbus_io.frames import FUNCTIONS, MAX_INPUTS, MAX_UNIT, Request
from device_drivers.signals import SIGNALS, SignalKind

_KEYS = {"signal", "closed", "open", "device", "stable"}
DEFAULT_COUNT = 8


@dataclass(frozen=True, slots=True)
class Contact:
    """One input. closed, open: what it says in the words of the signal. stable: equal answers that a change takes."""

    unit: int
    index: int
    device_id: str
    signal: str
    closed: bool | str
    open: bool | str
    stable: int

    def value(self, closed: bool) -> bool | str:
        """What this state of the contact means."""
        return self.closed if closed else self.open


def modules(options: Mapping[str, Any]) -> tuple[Request, ...]:
    """The questions for all modules. Raises ValueError."""
    given = options.get("modules", {"1": DEFAULT_COUNT})
    function = FUNCTIONS.get(str(options.get("function", "discrete_inputs")))
    if function is None:
        raise ValueError(f"function is {options['function']!r}; give one of {', '.join(FUNCTIONS)}")
    first = _integer(options.get("first", 0), "first", 0, 0xFFFF)
    if not isinstance(given, Mapping) or not given:
        raise ValueError(f"modules is {given!r}; give how many inputs each unit has: {{ 1 = 8, 2 = 16 }}")
    return tuple(
        Request(_integer(unit, "modules", 1, MAX_UNIT), function, first, _integer(count, "modules", 1, MAX_INPUTS))
        for unit, count in given.items()
    )


def contacts(options: Mapping[str, Any], device_id: str, asked: tuple[Request, ...]) -> tuple[Contact, ...]:
    """Everything that hangs on the modules. Raises ValueError."""
    given = options.get("inputs", {})
    if not isinstance(given, Mapping):  # one kind of error for everything that is wrong in the settings
        raise ValueError(  # noqa: TRY004
            f"inputs is {given!r}; give {{ signal = ... }} by input, such as 3 or 2:3 (unit 2)"
        )
    return tuple(_contact(str(place), one, device_id, asked) for place, one in given.items())


def _contact(place: str, given: Any, device_id: str, asked: tuple[Request, ...]) -> Contact:
    where = f"inputs.{place}"
    unit_text, _, index_text = place.rpartition(":")
    unit = _integer(unit_text or asked[0].unit, where, 1, MAX_UNIT)
    count = next((one.count for one in asked if one.unit == unit), 0)
    index = _integer(index_text, where, 0, count - 1)
    if isinstance(given, str):
        given = {"signal": given}
    if not isinstance(given, Mapping) or not set(given) <= _KEYS:
        raise ValueError(f"{where} is {given!r}; allowed are {', '.join(sorted(_KEYS))}")
    signal = SIGNALS.get(str(given.get("signal")))
    if signal is None or signal.kind is not SignalKind.EVENT:
        raise ValueError(f"{where}: signal {given.get('signal')!r} is no event of docs/devices.md")
    words: tuple[bool | str, ...] = signal.words or (True, False)
    closed = given.get("closed", None if signal.words else True)
    opened = given.get("open", (not closed) if isinstance(closed, bool) else None)
    if closed not in words or opened not in words or isinstance(closed, bool) != isinstance(opened, bool):
        raise ValueError(f"{where}: write closed and open, each one of {', '.join(map(str, words))}")
    stable = given.get("stable", 1 if signal.name == "help_button" else 2)
    return Contact(
        unit=unit,
        index=index,
        device_id=str(given.get("device", f"{device_id}/{place}"))[:200],
        signal=signal.name,
        closed=closed,
        open=opened,
        stable=_integer(stable, where, 1, 100),
    )


def _integer(given: Any, where: str, low: int, high: int) -> int:
    text = str(given)
    if isinstance(given, bool) or not (text.isascii() and text.isdecimal()) or not low <= int(text) <= high:
        raise ValueError(f"{where} is {given!r}; give a whole number from {low} to {high}")
    return int(text)
