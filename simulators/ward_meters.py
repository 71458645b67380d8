"""What is measured by hand in the simulated ward, and what the detectors on walls and beds report.

Everybody's blood pressure is taken twice a day. Every fourth resident has diabetes and pricks a finger twice a day,
every fifth a weak heart and steps on a scale each morning. Each cooks at noon and in the evening. Levels are made up:
each one's own, with the scatter of hand measurement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from device_drivers.observations import Quality

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np

    from simulators.ward_plan import Truth

DAY_MIN = 24 * 60
WITH_DIABETES, WITH_WEAK_HEART = 4, 5
"""Every so manyth."""
STOVE_STEP_MIN = 15
GAIN_KG = (0.0, 0.9, 1.9, 3.0)
"""Water that a weak heart keeps, by days since it began."""


class Measured(NamedTuple):
    """One thing that a device says: minute of the whole time, and the value of a signal."""

    site: str
    minute: float
    signal: str
    value: bool | str | float
    quality: Quality = Quality.GOOD


def has_diabetes(number: int) -> bool:
    """Whether blood sugar is measured."""
    return number % WITH_DIABETES == 2


def has_weak_heart(number: int) -> bool:
    """Whether weight is watched."""
    return number % WITH_WEAK_HEART == 0


def sites(number: int) -> dict[str, str]:
    """Devices of one resident and their places."""
    known = {"cuff": "", "stove": "stove", "smoke": "living_room", "gas": "kitchen", "leak": "bathroom", "pad": "bed"}
    known |= {"button": ""}
    if has_diabetes(number):
        known["meter"] = ""
    if has_weak_heart(number):
        known["scale"] = ""
    return known


def by_hand(
    number: int, days: range, chance: np.random.Generator, running: Callable[[int], list[Truth]]
) -> Iterator[Measured]:
    """Pressure, sugar and weight of one resident. running: what happens to them in a minute."""
    top, low = float(chance.normal(134, 9)), float(chance.normal(77, 6))
    sugar, weight = float(chance.normal(6.6, 0.6)), float(chance.normal(63, 8))
    for day in days:
        for hour in (8, 19):
            minute = day * DAY_MIN + hour * 60 + int(chance.integers(0, 40))
            names = {t.name for t in running(minute)}
            yield from _pressure(minute, top + float(chance.normal(0, 7)), low + float(chance.normal(0, 5)), names)
            if has_diabetes(number):
                yield Measured("meter", minute + 1, "blood_glucose", round(sugar + float(chance.normal(0, 0.7)), 1))
        if has_weak_heart(number):
            minute = day * DAY_MIN + 7 * 60 + int(chance.integers(0, 30))
            yield from _weight(minute, weight + float(chance.normal(0, 0.25)), running(minute))


def cooking(days: range, chance: np.random.Generator, free: Callable[[int], bool]) -> Iterator[Measured]:
    """The stove's heat, up to three quarters of an hour, twice a day. free: whether somebody is there to cook."""
    for day in days:
        for hour in (11, 17):
            minute = day * DAY_MIN + hour * 60 + int(chance.integers(0, 40))
            if not (free(minute) and free(minute + 45)):
                continue
            for step in range(int(chance.integers(1, 4))):
                yield _stove(minute + step * STOVE_STEP_MIN, 90.0)
            yield _stove(minute + 45, 28.0)


def signs(t: Truth) -> Iterator[Measured]:
    """What hand-held devices and detectors say of one thing that happens."""
    both = {"smoke": "smoke", "gas": "gas", "leak": "water_leak", "pad": "bed_wet"}
    of = {"smoke": "smoke", "gas leak": "gas", "water leak": "leak", "wet bed": "pad"}
    if t.name in of:
        yield Measured(of[t.name], t.begin, both[of[t.name]], value=True)
        yield Measured(of[t.name], t.end, both[of[t.name]], value=False)
    elif t.name == "help call":
        yield Measured("button", t.begin, "help_button", value=True)
    elif t.name == "stove on":
        for minute in range(t.begin, t.end, STOVE_STEP_MIN):
            yield _stove(minute, 110.0)
        yield _stove(t.end, 30.0)
    elif t.name in _SUGAR:
        yield Measured("meter", t.begin + 1, "blood_glucose", _SUGAR[t.name])
        yield Measured("meter", t.end, "blood_glucose", 7.0)
    elif t.name in _PRESSURE:
        yield from _pressure(t.begin + 1, *_PRESSURE[t.name], set())
        yield from _pressure(t.end, 132.0, 76.0, set())


_SUGAR = {"low glucose": 3.1, "high glucose": 19.4}
_PRESSURE = {"high pressure": (192.0, 104.0), "low pressure": (84.0, 52.0)}


def _stove(minute: int, warmth: float) -> Measured:
    return Measured("stove", minute, "room_temperature", warmth)


def _pressure(minute: int, top: float, low: float, names: set[str]) -> Iterator[Measured]:
    """A measurement; with a loose cuff the device itself doubts what it shows."""
    loose = "loose cuff" in names
    quality = Quality.POOR if loose else Quality.GOOD
    for signal, value in (("systolic_pressure", 205.0 if loose else top), ("diastolic_pressure", low)):
        yield Measured("cuff", minute, signal, float(round(value)), quality)


def _weight(minute: int, weight: float, running: list[Truth]) -> Iterator[Measured]:
    now = {t.name: minute - t.begin for t in running}
    if "weight gain" in now:
        weight += GAIN_KG[min(now["weight gain"] // DAY_MIN, len(GAIN_KG) - 1)]
    if "somebody else on the scale" in now:
        yield Measured("scale", minute + 2, "body_weight", round(weight + 14.0, 1))
    yield Measured("scale", minute, "body_weight", round(weight, 1))
