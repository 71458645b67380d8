"""The table of limits on vital signs, and how one resident's limits may differ from it.

These are defaults for a home, not medical advice: every row can be changed or switched off for each resident.
"NEWS2" is the Royal College of Physicians' National Early Warning Score 2 (2017), single-parameter score 3 unless
said otherwise; "typical default" marks a value without a single source. Skin temperature has one row only: a wrist
in a cool room is cold without any harm, so there is no low limit, and body-temperature limits say nothing about
skin. Its high limit stands where only high fever, outside heat or an overheated device can bring skin for ten minutes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

TYPICAL = "typical default, configurable"


class Side(StrEnum):
    """Which side of the limit is the dangerous one."""

    LOW = "low"
    HIGH = "high"


class LimitError(ValueError):
    """A limit that cannot be: unknown rule, not finite, negative delay, or a clear limit on the wrong side."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: a finding of `kind` begins when `signal` has stood at or beyond `limit` for `delay_s`.

    It ends when the signal has come back to `clear` or better. limit, clear: in the signal's unit. source: where
    the numbers come from. spot: measured now and then by hand, so that one measurement begins or ends the finding.
    at_rest: readings beyond the limit do not count while the person exercises. asked: off unless a resident's own
    limits switch it on.
    """

    signal: str
    side: Side
    limit: float
    clear: float
    delay_s: float
    kind: str
    source: str
    spot: bool = False
    at_rest: bool = False
    asked: bool = False

    @property
    def name(self) -> str:
        """Identity of the row: signal and side."""
        return f"{self.signal}_{self.side}"


@dataclass(frozen=True, slots=True)
class Override:
    """What differs for one resident; None keeps the table's value. enabled=False switches the rule off.

    A limit without a clear limit keeps the table's distance between the two.
    """

    limit: float | None = None
    clear: float | None = None
    delay_s: float | None = None
    enabled: bool = True


RULES: tuple[Rule, ...] = (
    Rule("heart_rate", Side.LOW, 40, 45, 30, "heart_rate_low", f"NEWS2 (<= 40/min); delay: {TYPICAL}"),
    Rule(
        "heart_rate", Side.HIGH, 131, 120, 60, "heart_rate_high", f"NEWS2 (>= 131/min); delay: {TYPICAL}", at_rest=True
    ),
    Rule("spo2", Side.LOW, 90, 92, 60, "spo2_low", TYPICAL),
    Rule("respiratory_rate", Side.LOW, 8, 10, 30, "respiratory_rate_low", f"NEWS2 (<= 8/min); delay: {TYPICAL}"),
    Rule(
        "respiratory_rate",
        Side.HIGH,
        25,
        22,
        60,
        "respiratory_rate_high",
        f"NEWS2 (>= 25/min); delay: {TYPICAL}",
        at_rest=True,
    ),
    Rule(
        "body_temperature",
        Side.HIGH,
        37.8,
        37.5,
        300,
        "temperature_high",
        f"IDSA 2008, fever in long-term care (single oral reading above 37.8 Cel); delay: {TYPICAL}",
    ),
    Rule("body_temperature", Side.LOW, 35.0, 35.5, 300, "temperature_low", f"NEWS2 (<= 35.0 Cel); delay: {TYPICAL}"),
    Rule("skin_temperature", Side.HIGH, 39.0, 38.0, 600, "temperature_high", TYPICAL),
    Rule(
        "spo2", Side.HIGH, 97, 95, 300, "spo2_high", f"NEWS2 scale 2 on oxygen (>= 97 %); delay: {TYPICAL}", asked=True
    ),
    Rule("systolic_pressure", Side.LOW, 90, 95, 0, "blood_pressure_low", "NEWS2 (<= 90 mm[Hg])", spot=True),
    Rule(
        "systolic_pressure",
        Side.HIGH,
        180,
        170,
        0,
        "blood_pressure_high",
        "ESC/ESH 2018, grade 3 hypertension (>= 180 mm[Hg])",
        spot=True,
    ),
    Rule(
        "diastolic_pressure",
        Side.HIGH,
        110,
        105,
        0,
        "blood_pressure_high",
        "ESC/ESH 2018, grade 3 hypertension (>= 110 mm[Hg])",
        spot=True,
    ),
    Rule(
        "blood_glucose",
        Side.LOW,
        3.9,
        4.4,
        0,
        "glucose_low",
        "ADA Standards of Care, level 1 (< 3.9 mmol/L)",
        spot=True,
    ),
    Rule("blood_glucose", Side.HIGH, 16.7, 13.9, 0, "glucose_high", TYPICAL, spot=True),
    Rule("fasting_glucose", Side.LOW, 3.9, 4.4, 0, "glucose_low", "as blood_glucose_low", spot=True),
    Rule("fasting_glucose", Side.HIGH, 13.9, 10.0, 0, "glucose_high", TYPICAL, spot=True),
)
SCALE_2: Mapping[str, Override] = {"spo2_low": Override(limit=83, clear=86)}
"""For people whose doctor has set 88-92 % as their target (hypercapnic respiratory failure): NEWS2, SpO2 scale 2."""
SCALE_2_ON_OXYGEN: Mapping[str, Override] = {**SCALE_2, "spo2_high": Override(limit=97, clear=95)}


def effective(rule: Rule, override: Override | None) -> tuple[float, float, float]:
    """Limit, clear limit and delay in seconds for one resident; the limits are NaN where the rule is off.

    Raises LimitError.
    """
    if override is None:
        override = Override(enabled=False) if rule.asked else None
    if override is None:
        return rule.limit, rule.clear, rule.delay_s
    if not override.enabled:
        return math.nan, math.nan, rule.delay_s
    limit = rule.limit if override.limit is None else float(override.limit)
    clear = limit + (rule.clear - rule.limit) if override.clear is None else float(override.clear)
    delay = rule.delay_s if override.delay_s is None else float(override.delay_s)
    if not (math.isfinite(limit) and math.isfinite(clear) and math.isfinite(delay) and delay >= 0):
        raise LimitError(f"{rule.name}: limit {limit}, clear {clear} and delay {delay} must be finite, delay >= 0")
    if (clear < limit) if rule.side is Side.LOW else (clear > limit):
        word = "below" if rule.side is Side.LOW else "above"
        raise LimitError(f"{rule.name}: clear limit {clear} lies {word} the limit {limit}; it must be on the safe side")
    return limit, clear, delay
