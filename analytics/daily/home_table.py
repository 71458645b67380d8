"""The rules of bed, daily life and surroundings as a table: what starts a clock, what stops it, and how long it runs.

Spans named by a setting are the resident's own (`analytics.care.Care`); the others are fixed. None of the numbers is
from a standard unless the source says so.
"""

from __future__ import annotations

from typing import NamedTuple

PLACES = ("", "bed", "bedroom", "bathroom", "kitchen", "living_room", "main_door", "fridge", "stove", "outside")
"""Where a device is, as far as rules care (option `place` of the device)."""


class HomeRule(NamedTuple):
    """One clock of each resident. minutes: how long, where no setting says so. confidence: typical default."""

    name: str
    kind: str
    setting: str
    minutes: float
    confidence: float
    begins_zh: str
    begins_en: str
    source: str


HOME_RULES: tuple[HomeRule, ...] = (
    HomeRule("no_return", "unattended", "bed_return_min", 0, 0.8, "夜间离床", "out of bed at night", "own limit"),
    HomeRule(
        "bed_exit", "bed_exit", "", 0, 0.8, "夜间离床（设置 bed_exit）", "out of bed at night (bed_exit)", "own setting"
    ),
    HomeRule("bed_long", "bed_long", "bed_long_min", 0, 0.7, "一直在床", "in bed without a break", "own limit"),
    HomeRule(
        *("turn_due", "turn_due", "turning_min", 0, 0.7, "卧床者无翻身", "bed-bound and not turned"),
        "own limit; NICE QS89: at least every 4 h at high risk, 6 h at risk; every 2 h is common practice",
    ),
    HomeRule("bathroom", "long_stay", "bathroom_min", 0, 0.7, "在卫生间", "in the bathroom", "own limit"),
    HomeRule(
        *(
            "quiet",
            "no_sign_of_life",
            "quiet_min",
            0,
            0.6,
            "在家无任何活动（夜间用 quiet_night_min，床位传感器说不在床则不用）",
        ),
        *("at home without any sign (by night, unless known to be out of bed, quiet_night_min)", "own limit"),
    ),
    HomeRule("not_back", "not_back", "back_by_min", 0, 0.7, "外出到时未归", "away at the usual time", "own limit"),
    HomeRule(
        "door_at_night",
        "door_at_night",
        "",
        0,
        0.9,
        "认知障碍者夜间开大门",
        "dementia: main door at night",
        "own setting",
    ),
    HomeRule("fridge", "fridge_open", "", 15, 0.9, "冰箱门开着", "fridge door open", "typical default"),
    HomeRule("stove", "stove_on", "", 60, 0.7, "灶台 45 °C 以上", "stove at 45 °C or more", "typical default"),
    HomeRule(
        "cold",
        "room_cold",
        "",
        120,
        0.9,
        "室温低于 14 °C",
        "room below 14 °C",
        "typical default (WHO 2018 asks for 18 °C)",
    ),
    HomeRule("hot", "room_hot", "", 120, 0.9, "室温高于 32 °C", "room above 32 °C", "typical default"),
    HomeRule(
        "left",
        "",
        "",
        10,
        1.0,
        "大门关上后家中无活动：视为外出",
        "main door closed and nobody seen: away",
        "typical default",
    ),
)
RULE_INDEX = {rule.name: i for i, rule in enumerate(HOME_RULES)}
COLD_CEL, COLD_OVER_CEL = 14.0, 16.0
HOT_CEL, HOT_OVER_CEL = 32.0, 30.0
STOVE_CEL, STOVE_OVER_CEL = 45.0, 40.0
TURN_MOVEMENT = 40.0
"""Body movement (0 to 100) of a turn rather than of a hand (typical default)."""
RESTLESS_EXITS = 5
"""Times out of bed in one night that make it a restless one (typical default)."""
EARLY_RISE_MIN = 90.0
"""So long before the night ends somebody may be up for the day (typical default)."""
ABOUT_MIN = 20.0
"""Seen moving in living room or kitchen at most so long ago (typical default)."""
