"""The numbers of the habit model in one place, and what counts as which kind of event."""

from __future__ import annotations

from typing import NamedTuple

EVENT_KINDS = ("activity", "bathroom", "kitchen", "out", "bed")
"""Per hour of the day: any activity, entering the bathroom, kitchen or fridge or stove, main door, going to bed."""
LEARN_DAYS = 14
"""Nothing is said before so many known days."""
KEPT_DAYS = 28
"""The latest days that count; older ones are forgotten."""
KEPT_TRIPS = 40
LEARN_TRIPS = 10
NEW_USUAL = 3
"""What was told as unusual is not learned; so many times, and it is the new usual."""
DAY_BEGINS_MIN = 4 * 60
"""A day goes from 04:00 to 04:00: who is up at 01:00 is still up from the day before."""
EVENING_MIN = 12 * 60
"""Into bed so long after 04:00 or later is going to bed for the night; before, it is a nap."""
EARLY_TO_BED_MIN = 60
"""In bed at most so long before the earliest bedtime of the days kept is going to sleep (typical default)."""
KNOWN_SIGNS = 8
"""A day with fewer signs teaches nothing: nobody was there, or the sensors were away."""
AWAY_AFTER_MIN = 10
"""Main door closed and nobody seen for so long: away (as the home rules do)."""


class HabitRule(NamedTuple):
    """One rule. margin: beyond the largest value of the days kept, minutes and share of it; see docs/findings.md."""

    name: str
    kind: str
    margin_min: float
    margin_share: float
    confidence: float
    begins_zh: str
    begins_en: str


HABIT_RULES: tuple[HabitRule, ...] = (
    HabitRule(
        *("late_morning", "late_morning", 45, 0.0, 0.6),
        "早上首次活动晚于以往所有已记天数最晚者 45 分钟",
        "first activity of the morning 45 min later than on any of the days kept",
    ),
    HabitRule(
        *("silence", "unusual_silence", 30, 0.25, 0.5),
        "白天在家无活动，长于以往所有已记天数最长者 25 %，至少多 30 分钟",
        "quiet by day at home for 25 %, at least 30 min, longer than on any of the days kept",
    ),
    HabitRule(
        *("late_back", "late_back", 60, 0.25, 0.5),
        "外出久于以往所有已记外出最久者 25 %，至少多 60 分钟",
        "away for 25 %, at least 60 min, longer than on any of the trips kept",
    ),
)


class HabitMetric(NamedTuple):
    """One number of each day that goes into a control chart. direction: which change is told; floor: least spread."""

    name: str
    kind: str
    direction: int
    floor: float
    zh: str
    en: str


HABIT_METRICS: tuple[HabitMetric, ...] = (
    HabitMetric("active_hours", "activity_decline", -1, 0.7, "每天有活动的钟点数", "hours of the day with activity"),
    HabitMetric("night_share", "day_night_reversal", 1, 0.05, "活动中夜间所占比例", "share of the activity by night"),
)
"""Their false rate is that of `analytics.vitals.charts`: `IN_CONTROL_DAYS`."""
FALSE_RATE = {"late_morning": 0.003, "unusual_silence": 0.01}
"""At most so many false findings for each resident and day, measured on simulated people (tests repeat it). Without any
assumption but that days are exchangeable, and without the margin, it is at most 1 in (days kept + 1)."""
