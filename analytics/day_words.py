"""Daily life in words for a carer: what, where and since when, of beds, doors, habits, tags and care tasks.

Made from a finding's evidence, in Chinese and English. Each function gives None where the evidence is of another kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from analytics.daily.home_table import COLD_CEL, HOT_CEL, STOVE_CEL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analytics.findings import Evidence

PLACE_WORDS = {
    "bed": ("床", "bed"),
    "bathroom": ("卫生间", "bathroom"),
    "living_room": ("客厅", "living room"),
    "main_door": ("大门", "main door"),
    "fridge": ("冰箱", "fridge"),
    "stove": ("灶台", "stove"),
    "kitchen": ("厨房", "kitchen"),
    "bedroom": ("卧室", "bedroom"),
}
HOME_WORDS: Mapping[str, tuple[str, str]] = {
    "no_return": ("离床已 {zh}，还没回来", "out of bed for {en}, not back yet"),
    "bed_exit": ("刚刚离床", "has just left the bed"),
    "bed_long": ("在床已 {zh}", "in bed for {en}"),
    "turn_due": ("距上次翻身 {zh}", "{en} since the last turn"),
    "bathroom": ("在卫生间已 {zh}", "in the bathroom for {en}"),
    "quiet": ("家中无活动已 {zh}", "no sign of life at home for {en}"),
    "not_back": ("出门已 {zh}", "away for {en}"),
    "door_at_night": ("大门刚刚打开", "the main door has just been opened"),
    "fridge": ("冰箱门开着已 {zh}", "fridge door open for {en}"),
    "stove": (f"灶台 {STOVE_CEL:g} ℃ 以上已 {{zh}}", f"stove at {STOVE_CEL:g} °C or more for {{en}}"),
    "cold": (f"室温 {COLD_CEL:g} ℃ 以下已 {{zh}}", f"room at {COLD_CEL:g} °C or less for {{en}}"),
    "hot": (f"室温 {HOT_CEL:g} ℃ 以上已 {{zh}}", f"room at {HOT_CEL:g} °C or more for {{en}}"),
}
"""By rule. {zh}, {en}: how long."""
LAST_IN = frozenset({"quiet"})
"""Rules whose device shows where the person was last."""
HABIT_WORDS: Mapping[str, tuple[str, str]] = {
    "silence": ("家中无活动已 {zh}，以往最长 {zh_most}", "no activity at home for {en}, so far {en_most} at most"),
    "late_back": ("出门已 {zh}，以往最久 {zh_most}", "away for {en}, so far {en_most} at most"),
}
STALE_S = 20.0
"""A tag not heard for so long may be somewhere else by now."""


class Words(NamedTuple):
    """One text in Chinese and in English."""

    zh: str
    en: str


def zone_words(evidence: Mapping[str, Evidence]) -> Words | None:
    """Where a tag is or was last, since when, and what may be the reason."""
    if not evidence.get("zone"):
        return None
    zone = str(evidence["zone"])
    place_zh, place_en = PLACE_WORDS.get(zone.casefold(), (zone, zone))
    zh, en = f"{place_zh}", f"{place_en}"
    if evidence.get("reason") == "in_bed":
        zh, en = f"定位牌在{place_zh}，人在床上", f"the tag is in {place_en}, the person in bed"
    elif "outside_min" in evidence:
        lasted = span(60 * float(evidence["outside_min"]))
        zh, en = f"定位牌在{place_zh}，已 {lasted.zh}", f"tag in {place_en} for {lasted.en}"
        ago = float(evidence.get("heard_s_ago", 0))
        if ago >= STALE_S:
            zh, en = f"{zh}，{span(ago).zh}前还听到", f"{en}, last heard {span(ago).en} ago"
    elif "unheard_min" in evidence:
        lasted = span(60 * float(evidence["unheard_min"]))
        zh, en = f"最后在{place_zh}，{lasted.zh}前", f"last in {place_en}, {lasted.en} ago"
    if "door_min_ago" in evidence:
        lasted = span(60 * float(evidence["door_min_ago"]))
        zh, en = f"{zh}，大门 {lasted.zh}前开过", f"{en}, main door opened {lasted.en} ago"
    if "battery" in evidence:
        zh, en = (
            f"{zh}，定位牌电量 {shown(evidence['battery'])}%",
            f"{en}, tag battery {shown(evidence['battery'])} %",
        )
    return Words(zh, en)


def task_words(evidence: Mapping[str, Evidence]) -> Words | None:
    """A care task: what exactly, and how late."""
    if "task" not in evidence:
        return None
    label = str(evidence.get("label") or evidence["task"])
    late_min = float(evidence.get("lasted_min", 0.0))
    if late_min <= 0:
        return Words(label, label)
    late = span(60 * late_min)
    return Words(f"{label}，{late.zh}前到时", f"{label}, due {late.en} ago")


def habit_words(evidence: Mapping[str, Evidence]) -> Words | None:
    """What is not as usual, beside what was the most so far."""
    if "latest" in evidence:
        latest = evidence["latest"]
        return Words(f"还没有起来活动，以往最晚 {latest}", f"not up yet, so far up by {latest} at the latest")
    if "longest_min" not in evidence or "lasted_min" not in evidence:
        return None
    now, most = (span(60 * float(evidence[name])) for name in ("lasted_min", "longest_min"))
    rule = str(evidence.get("rule", "")).removeprefix("habit/").split("/")[0]
    zh, en = HABIT_WORDS.get(rule, ("已 {zh}，以往最长 {zh_most}", "for {en}, so far {en_most} at most"))
    filled = {"zh": now.zh, "en": now.en, "zh_most": most.zh, "en_most": most.en}
    return Words(zh.format(**filled), en.format(**filled))


def home_words(evidence: Mapping[str, Evidence]) -> Words | None:
    """What the rules of bed, bathroom, doors and rooms have seen, and for how long."""
    if "exits" in evidence:
        return Words(f"今夜离床 {evidence['exits']} 次", f"out of bed {evidence['exits']} times tonight")
    rule = str(evidence.get("rule", "")).split("/")[0]
    if "lasted_min" not in evidence or rule not in HOME_WORDS:
        return None
    lasted = span(60 * float(evidence["lasted_min"]))
    zh, en = (text.format(zh=lasted.zh, en=lasted.en) for text in HOME_WORDS[rule])
    place = PLACE_WORDS.get(str(evidence.get("place", "")))
    if place is not None and rule in LAST_IN:
        return Words(f"{zh}，最后在{place[0]}", f"{en}, last seen: {place[1]}")
    return Words(zh, en)


def span(seconds: float) -> Words:
    """A length of time as people say it."""
    if seconds < 120:
        return Words(f"{seconds:.0f} 秒", f"{seconds:.0f} s")
    if seconds < 7200:
        return Words(f"{seconds / 60:.0f} 分钟", f"{seconds / 60:.0f} min")
    hours = f"{round(seconds / 3600, 1):g}"
    return Words(f"{hours} 小时", f"{hours} h")


def shown(value: Evidence | None) -> str:
    """A value without needless digits; empty for an unknown one."""
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
