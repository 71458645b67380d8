"""What was found in words: a carer at three in the morning reads the number, the limit, since when and how sure."""

from __future__ import annotations

import pytest

from analytics.daily.home_table import HOME_RULES
from analytics.day_words import HABIT_WORDS, HOME_WORDS
from analytics.findings import Evidence
from analytics.habits.habit_table import HABIT_RULES
from analytics.limit_table import RULES
from analytics.vitals.news2 import AGE_MIN
from analytics.vitals.news2_table import PARTS
from analytics.words import PART_WORDS, UNITS, why
from device_drivers.signals import SIGNALS


@pytest.mark.parametrize(
    ("evidence", "zh", "en"),
    [
        (
            {"rule": "heart_rate_low/1", "signal": "heart_rate", "value": 38.0, "limit": 40.0, "held_s": 30.0},
            "心率 38 次/分（限值 40），已 30 秒",
            "Heart rate 38 /min (limit 40), for 30 s",
        ),
        (
            {"signal": "heart_rate", "value": 38.0, "limit": 40.0, "held_s": 30.0, "computed": True},
            "心率 38 次/分（网关推算，限值 40），已 30 秒",
            "Heart rate 38 /min (computed by the box, limit 40), for 30 s",
        ),
        (
            {"signal": "systolic_pressure", "value": 185.0, "limit": 180.0, "held_s": 0.0},
            "收缩压 185 mmHg（限值 180）",
            "Systolic pressure 185 mmHg (limit 180)",
        ),
        (
            {"signal": "body_weight", "value": 72.5, "gained_kg": 2.5, "limit": 2.0, "days": 3.0},
            "3 天内增加 2.5 公斤，现 72.5 公斤",
            "2.5 kg more within 3 days, now 72.5 kg",
        ),
        (
            {
                "score": 7, "scale": 1, "missing": "consciousness, body_temperature", "spo2_points": 3, "spo2": 91.0,
                "oxygen_points": 2, "heart_rate_points": 2, "heart_rate": 112.4, "respiratory_rate_points": 0,
                "score_an_hour_ago": 2,
            },
            "7 分（血氧 91、吸氧、心率 112.4），一小时前 2 分，未测：意识、体温",
            ("score 7 (oxygen saturation 91, oxygen supply, heart rate 112.4), an hour ago 2, not measured: "
            "consciousness, temperature"),
        ),
        (
            {"metric": "resting_heart_rate", "zh": "夜间静息心率", "en": "Resting heart rate at night", "usual": 60.5,
             "value": 71.0},
            "夜间静息心率 71，平常 60.5",
            "Resting heart rate at night 71, usually 60.5",
        ),
        ({"signal": "heart_rate", "reason": "flat_line"}, "心率：读数一成不变", "Heart rate: never changes"),
        (
            {"rule": "bathroom/1", "lasted_min": 45.0, "place": "bathroom"},
            "在卫生间已 45 分钟",
            "in the bathroom for 45 min",
        ),
        ({"rule": "quiet/1", "lasted_min": 240.0}, "家中无活动已 4 小时", "no sign of life at home for 4 h"),
        (
            {"rule": "quiet/1", "lasted_min": 270.0, "place": "kitchen"},
            "家中无活动已 4.5 小时，最后在厨房",
            "no sign of life at home for 4.5 h, last seen: kitchen",
        ),
        (
            {"rule": "no_return/1", "lasted_min": 30.0, "place": "bed"},
            "离床已 30 分钟，还没回来",
            "out of bed for 30 min, not back yet",
        ),
        ({"rule": "cold/1", "lasted_min": 120.0}, "室温 14 ℃ 以下已 2 小时", "room at 14 °C or less for 2 h"),
        ({"rule": "bed_exit/1", "lasted_min": 0.0, "place": "bed"}, "刚刚离床", "has just left the bed"),
        ({"rule": "restless_night/1", "exits": 5}, "今夜离床 5 次", "out of bed 5 times tonight"),
        (
            {"rule": "habit/late_back/1", "lasted_min": 300.0, "longest_min": 150.0},
            "出门已 5 小时，以往最久 2.5 小时",
            "away for 5 h, so far 2.5 h at most",
        ),
        (
            {"rule": "habit/late_morning/1", "latest": "07:24"},
            "还没有起来活动，以往最晚 07:24",
            "not up yet, so far up by 07:24 at the latest",
        ),
        ({"rule": "not_seen/1", "zone": "bathroom"}, "卫生间", "bathroom"),
        ({"task": "pills", "label": "药", "lasted_min": 60.0}, "药，60 分钟前到时", "药, due 60 min ago"),
        ({"rule": "task/1", "task": "pills"}, "pills", "pills"),
        ({"rule": "signal_lost/1", "silent_s": 300.0}, "已 5 分钟没有数据", "nothing heard for 5 min"),
        (
            {"rule": "signal_lost/1", "signal": "heart_rate", "silent_s": 120.0},
            "心率已 2 分钟没有数据",
            "Heart rate: nothing for 2 min",
        ),
        ({"rule": "not_worn/1", "not_worn_s": 900.0}, "取下已 15 分钟", "off for 15 min"),
        (
            {"rule": "not_worn/1", "not_worn_s": 900.0, "charging": True},
            "取下已 15 分钟，正在充电",
            "off for 15 min, charging",
        ),
        ({"rule": "clock/1", "offset_s": -3600, "time_zone": True}, "慢 60 分钟", "60 min slow"),
        ({"rule": "battery_low/1", "battery": 12.0, "limit": 20.0}, "电量 12%", "battery 12 %"),
        ({"rule": "help_call/1", "signal": "help_button"}, "", ""),
        ({}, "", ""),
    ],
)  # fmt: skip
def test_the_numbers_in_both_languages(evidence: dict[str, Evidence], zh: str, en: str) -> None:
    assert why(evidence) == (zh, en)


def test_how_sure_is_said_where_there_is_something_to_say() -> None:
    zh, en = why({"rule": "bathroom/1", "lasted_min": 30.0}, 0.6)
    assert (zh, en) == ("在卫生间已 30 分钟，把握 60%", "in the bathroom for 30 min, 60% sure")
    assert why({}, 0.6) == ("", "")


def test_every_rule_of_daily_life_has_words_of_its_own() -> None:
    assert {rule.name for rule in HOME_RULES if rule.kind} == set(HOME_WORDS)
    assert {rule.name for rule in HABIT_RULES} == set(HABIT_WORDS) | {"late_morning"}


def test_every_signal_with_a_limit_has_a_unit_that_people_know() -> None:
    assert {SIGNALS[rule.signal].unit for rule in RULES} <= set(UNITS)
    assert set(PART_WORDS) == set(PARTS)
    assert set(AGE_MIN) <= set(PART_WORDS)
