"""What is set for one resident: own limits, SpO2 scale, bed and daily-life rules.

Every field has a default that suits an older person of whom nothing is known. Detectors that have use for it offer
`set_care(resident_id, care)`. Times of the day are minutes after local midnight, spans are minutes.

    CareError   a value that cannot be, with the name of the field
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from analytics.limit_table import RULES, LimitError, Override, effective

DAY_MIN = 24 * 60
MAX_ZONES, ZONE_LENGTH = 32, 64


class CareError(ValueError):
    """A setting that cannot be. name: the field."""

    def __init__(self, name: str, value: object, allowed: str) -> None:
        super().__init__(f"{name} is {value!r}; allowed: {allowed}")
        self.name = name
        self.value = value
        self.allowed = allowed


@dataclass(frozen=True, slots=True)
class Care:
    """The settings of one resident; 0 switches a span off.

    limits: own limits by rule name. spo2_scale: 1, or 2 where a doctor has set the target 88-92 %. on_oxygen: breathes
    additional oxygen. heart_failure: weight is watched. dementia: doors are watched at night. bed_bound: is turned.
    bed_exit: every time out of bed at night is told. night_report: the report of the night is sent to the contacts.
    bed_return_min: longest time out of bed at night. bed_long_min: longest time in bed. turning_min: between two
    turns. bathroom_min: longest stay in the bathroom. quiet_min: longest time without any sign of life by day,
    quiet_night_min: by night. back_by_min: usual time to be home again (negative: not watched). safe_zones: names of
    the rooms where a tag may be (empty: not watched). zone_delay_min: so long in another one is told. unseen_min: so
    long heard in no room is told. night_from_min, night_to_min: the night.
    """

    limits: Mapping[str, Override] = field(default_factory=dict)
    spo2_scale: int = 1
    on_oxygen: bool = False
    heart_failure: bool = False
    dementia: bool = False
    bed_bound: bool = False
    bed_exit: bool = False
    night_report: bool = False
    bed_return_min: float = 30.0
    bed_long_min: float = 14 * 60.0
    turning_min: float = 120.0
    bathroom_min: float = 45.0
    quiet_min: float = 4 * 60.0
    quiet_night_min: float = 12 * 60.0
    back_by_min: float = -1.0
    safe_zones: tuple[str, ...] = ()
    zone_delay_min: float = 1.0
    unseen_min: float = 30.0
    night_from_min: float = 22 * 60.0
    night_to_min: float = 6 * 60.0

    def __post_init__(self) -> None:
        if self.spo2_scale not in {1, 2}:
            raise CareError("spo2_scale", self.spo2_scale, "1 or 2")
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name.endswith("_min"):
                _check_minutes(one.name, value)
            elif isinstance(one.default, bool) and not isinstance(value, bool):
                raise CareError(one.name, value, "true or false")
        _check_zones(self.safe_zones)
        known = {rule.name: rule for rule in RULES}
        for name, override in self.limits.items():
            if name not in known:
                raise CareError("limits", name, ", ".join(known))
            try:
                effective(known[name], override)
            except LimitError as error:
                raise CareError(f"limits.{name}", override, str(error)) from error

    def is_night(self, minute: int) -> bool:
        """Whether a minute of the local day lies in the night."""
        begin, end = self.night_from_min, self.night_to_min
        return begin <= minute < end if begin <= end else minute >= begin or minute < end


LIMIT_FIELDS = frozenset(one.name for one in fields(Override))


def care_from(plain: Mapping[str, Any]) -> Care:
    """The settings from plain JSON; what is absent stays as usual. Raises CareError."""
    if not isinstance(plain, Mapping):
        raise CareError("settings", plain, "a table")
    known = {one.name for one in fields(Care)}
    for name in plain:
        if name not in known:
            raise CareError(name, plain[name], f"one of {', '.join(sorted(known))}")
    values = dict(plain)
    limits = values.get("limits", {})
    if not isinstance(limits, dict):
        raise CareError("limits", limits, "a table of rules")
    values["limits"] = {name: _override(name, own) for name, own in limits.items()}
    zones = values.get("safe_zones", ())
    if not isinstance(zones, list | tuple):
        raise CareError("safe_zones", zones, "a list of names")
    values["safe_zones"] = tuple(zones)
    return Care(**values)


def _override(name: str, own: object) -> Override:
    if not isinstance(own, dict) or own.keys() - LIMIT_FIELDS:
        raise CareError(f"limits.{name}", own, f"a table of {', '.join(sorted(LIMIT_FIELDS))}")
    for key, value in own.items():
        good = isinstance(value, bool) if key == "enabled" else _is_number(value) or value is None
        if not good:
            raise CareError(f"limits.{name}.{key}", value, "true or false" if key == "enabled" else "a number")
    return Override(**own)


def _check_zones(zones: tuple[object, ...]) -> None:
    good = all(isinstance(one, str) and one.strip() and len(one) <= ZONE_LENGTH for one in zones)
    if not good or len(zones) > MAX_ZONES:
        raise CareError("safe_zones", zones, f"at most {MAX_ZONES} names of 1 to {ZONE_LENGTH} letters")


def _check_minutes(name: str, value: object) -> None:
    lowest = -1.0 if name == "back_by_min" else 0.0
    highest = DAY_MIN if name in {"night_from_min", "night_to_min", "back_by_min"} else 30 * DAY_MIN
    if not _is_number(value) or not lowest <= float(value) <= highest:  # type: ignore[arg-type]
        raise CareError(name, value, f"minutes from {lowest:g} to {highest:g}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


USUAL = Care()
