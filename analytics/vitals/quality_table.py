"""When a vital sign cannot be believed: rules for one minute of one device, as a table.

None of the numbers is from a standard; each is a typical default with its reason. A minute in which at least
`BAD_SHARE` of the readings are absent or doubted by the device itself is doubtful for every signal.
"""

from __future__ import annotations

from typing import NamedTuple

BAD_SHARE = 0.5
BEGIN_MIN = 10
"""Doubtful minutes (of those with data) in a row before a carer is told."""
END_MIN = 5
SETTLED_MIN = 3
"""A new level that has stayed so long is no impossible change any more, but a new state."""


class QualityRule(NamedTuple):
    """One row. flat_min: minutes of exactly the same value that no living body gives (0: never judged).

    jump: greatest difference between the means of two minutes. spread: greatest difference within one minute.
    """

    signal: str
    flat_min: int
    jump: float
    spread: float
    why: str


QUALITY_RULES: tuple[QualityRule, ...] = (
    QualityRule("heart_rate", 20, 60.0, 80.0, "beats vary with every breath, even with a pacemaker by single beats"),
    QualityRule("respiratory_rate", 60, 20.0, 30.0, "whole numbers stay the same for long in deep sleep"),
    QualityRule("spo2", 0, 15.0, 25.0, "a healthy saturation stays at one number for hours"),
    QualityRule("systolic_pressure", 0, 120.0, 120.0, "measured by hand, never twice a minute"),
    QualityRule("body_temperature", 0, 2.0, 2.0, "a body warms by 2 Cel an hour at most; thermometers settle"),
    QualityRule("skin_temperature", 0, 6.0, 6.0, "a hand under warm water"),
)
COLUMNS = tuple(rule.signal for rule in QUALITY_RULES)
