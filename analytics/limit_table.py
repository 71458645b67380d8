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
    the numbers come from.
    """

    signal: str
    side: Side
    limit: float
    clear: float
    delay_s: float
    kind: str
    source: str

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
    Rule("heart_rate", Side.HIGH, 131, 120, 60, "heart_rate_high", f"NEWS2 (>= 131/min); delay: {TYPICAL}"),
    Rule("spo2", Side.LOW, 90, 92, 60, "spo2_low", TYPICAL),
    Rule("respiratory_rate", Side.LOW, 8, 10, 30, "respiratory_rate_low", f"NEWS2 (<= 8/min); delay: {TYPICAL}"),
    Rule("respiratory_rate", Side.HIGH, 25, 22, 60, "respiratory_rate_high", f"NEWS2 (>= 25/min); delay: {TYPICAL}"),
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
)


def effective(rule: Rule, override: Override | None) -> tuple[float, float, float]:
    """Limit, clear limit and delay in seconds for one resident; the limits are NaN where the rule is off.

    Raises LimitError.
    """
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
