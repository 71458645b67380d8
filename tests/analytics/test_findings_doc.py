"""docs/findings.md says what the tables say: every kind, every limit, every device event, in Chinese and English.

After a change of a table, `YINLING_UPDATE_DOCS=1 pytest tests/analytics/test_findings_doc.py` rewrites the parts of the
page that stand between the marks `<!-- table: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import os
import re
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from analytics.care import USUAL
from analytics.daily.home_table import HOME_RULES
from analytics.daily.zone_table import ZONE_RULES
from analytics.device_events import MEANINGS
from analytics.device_watch import TechnicalOptions
from analytics.first_steps import FIRST_STEPS
from analytics.habits.habit_table import FALSE_RATE, HABIT_METRICS, HABIT_RULES
from analytics.kinds import KINDS
from analytics.limit_table import RULES, Side
from analytics.vitals.charts import IN_CONTROL_DAYS
from analytics.vitals.news2 import AGE_MIN
from analytics.vitals.news2_table import BANDS
from analytics.vitals.nights import METRICS
from analytics.vitals.quality_table import QUALITY_RULES
from analytics.vitals.weight import GAIN_RULES
from device_drivers.signals import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE = Path(__file__).resolve().parents[2] / "docs" / "findings.md"
PRIORITY = {1: "高 high", 2: "中 medium", 3: "低 low"}
ABOUT = {True: "设备 equipment", False: "老人 person"}
SIDE = {Side.LOW: "≤", Side.HIGH: "≥"}
UNITS = {"Cel": "°C"}


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def kinds_table() -> str:
    head = ("kind", "中文", "English", "优先级 priority", "对象 about", "锁存 latches", "取消等待 cancel window")
    return table(
        head,
        [
            (
                f"`{k.name}`",
                k.zh,
                k.en,
                PRIORITY[k.priority],
                ABOUT[k.technical],
                "是 yes" if k.latching else "否 no",
                f"{k.cancel_window_s:g} s" if k.cancel_window_s else "–",
            )
            for k in KINDS.values()
        ],
    )


def limits_table() -> str:
    head = ("rule", "信号 signal", "报警 begins", "恢复 clears", "延时 delay", "kind", "来源 source")
    rows = []
    for r in RULES:
        signal = SIGNALS[r.signal]
        unit = UNITS.get(signal.unit, signal.unit)
        back = "≥" if r.side is Side.LOW else "≤"
        rows.append(
            (
                f"`{r.name}`",
                f"{signal.zh} {signal.en}",
                f"{SIDE[r.side]} {r.limit:g} {unit}",
                f"{back} {r.clear:g} {unit}",
                f"{r.delay_s:g} s",
                f"`{r.kind}`",
                r.source,
            )
        )
    return table(head, rows)


def events_table() -> str:
    head = ("信号 signal", "中文", "English", "kind", "phase", "置信度 confidence")
    return table(
        head,
        [
            (_meant(s, m.words), SIGNALS[s].zh, SIGNALS[s].en, f"`{m.kind}`", str(m.phase), f"{m.confidence:g}")
            for s, m in MEANINGS.items()
        ],
    )


def _meant(signal: str, words: frozenset[str]) -> str:
    return f"`{signal}`" + "".join(f" {word}" for word in sorted(words))


def first_table() -> str:
    return table(("kind", "先做什么", "What to do first"), [(f"`{k}`", *FIRST_STEPS[k]) for k in KINDS])


CARE_WORDS = {
    "limits": ("个人限值", "own limits by rule"),
    "spo2_scale": ("血氧标尺 1 或 2", "SpO2 scale, 1 or 2"),
    "on_oxygen": ("吸氧", "breathes additional oxygen"),
    "heart_failure": ("心力衰竭：看体重", "heart failure: weight is watched"),
    "dementia": ("认知障碍：夜间看门", "dementia: doors are watched at night"),
    "bed_bound": ("卧床：翻身提醒", "bed-bound: is reminded to be turned"),
    "bed_exit": ("夜间每次离床都报", "every time out of bed at night is told"),
    "night_report": ("每天早上把睡眠日报发给联系人", "the night report is sent to the contacts every morning"),
    "bed_return_min": ("夜间离床最长", "longest time out of bed at night"),
    "bed_long_min": ("卧床最长", "longest time in bed"),
    "turning_min": ("翻身间隔", "between two turns"),
    "bathroom_min": ("卫生间停留最长", "longest stay in the bathroom"),
    "quiet_min": ("白天无活动最长", "longest time without a sign of life by day"),
    "quiet_night_min": ("夜间无活动最长", "longest time without a sign of life by night"),
    "back_by_min": ("平常几点前回家（-1 不看）", "usually home again by (-1: not watched)"),
    "safe_zones": (
        "安全的房间（信标），不写不看；其他房间都算不安全",
        "rooms where the tag may be; empty: not watched; every other room is not safe",
    ),
    "zone_delay_min": ("在不安全的房间多久就报", "so long in a room that is not safe is told"),
    "unseen_min": ("任何房间都听不到定位牌多久就报", "so long heard in no room is told"),
    "night_from_min": ("夜间开始", "the night begins"),
    "night_to_min": ("夜间结束", "the night ends"),
}


def care_table() -> str:
    rows = [(f"`{f.name}`", _usual(getattr(USUAL, f.name)), *CARE_WORDS[f.name]) for f in fields(USUAL)]
    return table(("setting", "默认 usual", "中文", "English"), rows)


def _usual(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g} min" if isinstance(value, float) else str(value or "–")


def weight_table() -> str:
    rows = [(f"`{r.name}`", f"> {r.kg:g} kg", f"{r.days:g} d", r.source) for r in GAIN_RULES]
    return table(("rule", "增加 gained", "天数 within", "来源 source"), rows)


def news2_table() -> str:
    rows = []
    for name, bands in BANDS.items():
        signal = name.split("_scale")[0]
        upto = (
            "；".join(f"≤ {b.upto:g}: {b.points}" for b in bands[:-1]) + f"；> {bands[-2].upto:g}: {bands[-1].points}"
        )
        rows.append((f"`{name}`", SIGNALS[signal].zh, upto, f"{AGE_MIN[signal]} min"))
    rows.append(("`oxygen`", "吸氧", "air 0；oxygen 2", "–"))
    rows.append(("`consciousness`", "意识", "A 0；C V P U 3", f"{AGE_MIN['consciousness']} min"))
    return table(("part", "项目", "分数 points", "有效期 counts for"), rows)


def quality_table() -> str:
    rows = [
        (f"`{r.signal}`", f"{r.flat_min} min" if r.flat_min else "–", f"{r.jump:g}", f"{r.spread:g}", r.why)
        for r in QUALITY_RULES
    ]
    head = ("信号 signal", "直线 flat", "突变 change a minute", "一分钟内 within a minute", "why")
    return table(head, rows)


def metrics_table() -> str:
    return table(("metric", "中文", "English"), [(f"`{m.name}`", m.zh, m.en) for m in METRICS])


def home_table() -> str:
    rows = []
    for r in HOME_RULES:
        span = f"`{r.setting}`" if r.setting else f"{r.minutes:g} min"
        rows.append((f"`{r.name}`", r.begins_zh, r.begins_en, span, f"`{r.kind}`" if r.kind else "–", r.source))
    return table(("rule", "从何时起", "counts from", "时长 lasts", "kind", "来源 source"), rows)


def habits_table() -> str:
    rows = [
        (
            f"`{r.name}`",
            r.begins_zh,
            r.begins_en,
            f"`{r.kind}`",
            f"≤ {FALSE_RATE[r.kind]:g}" if r.kind in FALSE_RATE else "–",
        )
        for r in HABIT_RULES
    ]
    days = f"1 / {IN_CONTROL_DAYS[0.3]}"
    rows += [(f"`{m.name}`", m.zh, m.en, f"`{m.kind}`", days) for m in HABIT_METRICS]
    return table(("rule", "何时", "when", "kind", "每人每天误报 false a day"), rows)


def zones_table() -> str:
    rows = [
        (f"`{r.name}`", r.begins_zh, r.begins_en, f"`{r.setting}`" if r.setting else "–", f"`{r.kind}`")
        for r in ZONE_RULES
    ]
    return table(("rule", "何时", "when", "时长 lasts", "kind"), rows)


TABLES = {
    "zones": zones_table,
    "habits": habits_table,
    "home": home_table,
    "news2": news2_table,
    "quality": quality_table,
    "metrics": metrics_table,
    "first": first_table,
    "kinds": kinds_table,
    "limits": limits_table,
    "events": events_table,
    "care": care_table,
    "weight": weight_table,
}


@pytest.mark.parametrize("name", sorted(TABLES))
def test_the_page_shows_the_table_as_it_is(name: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    wanted = f"<!-- table: {name} -->\n\n{TABLES[name]()}\n\n<!-- end -->"
    pattern = rf"<!-- table: {name} -->.*?<!-- end -->"
    assert re.search(pattern, page, re.DOTALL), f"docs/findings.md has no marks for the table {name}"
    if os.environ.get("YINLING_UPDATE_DOCS") == "1":
        page = re.sub(pattern, lambda _: wanted, page, flags=re.DOTALL)
        PAGE.write_text(page, encoding="utf-8")
    assert wanted in page, "docs/findings.md is not up to date; see the head of this test for how to rewrite it"


def test_every_kind_and_every_limit_is_on_the_page_in_both_languages() -> None:
    page = PAGE.read_text(encoding="utf-8")
    missing = [k.name for k in KINDS.values() if not all(f"{word}" in page for word in (f"`{k.name}`", k.zh, k.en))]
    missing += [r.name for r in RULES if f"`{r.name}`" not in page]
    missing += [f.name for f in fields(TechnicalOptions) if f"`{f.name}`" not in page]
    assert missing == []


def test_every_kind_says_in_both_languages_what_to_do_first() -> None:
    assert set(FIRST_STEPS) == set(KINDS)
    for kind, first in FIRST_STEPS.items():
        assert re.search(r"[\u4e00-\u9fff]", first.zh), kind
        assert first.zh.endswith("。"), kind
        assert first.en.endswith((".", "?")), kind
        assert first.en.isascii(), kind
        assert len(first.zh) <= 60, f"{kind}: too long to be read in a hurry"


def test_the_defaults_named_on_the_page_are_the_defaults() -> None:
    page = PAGE.read_text(encoding="utf-8")
    options = TechnicalOptions()
    wrong = [
        f.name for f in fields(options) if not re.search(rf"`{f.name}` \| {getattr(options, f.name):g} (s|%) \|", page)
    ]
    assert wrong == []
