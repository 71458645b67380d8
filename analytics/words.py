"""What was found, in words for a carer: the number and its limit, since when, how sure. Chinese and English.

Made from a finding's evidence. Empty where the evidence has nothing that helps a person who must act.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from analytics.vitals.news2_table import PARTS
from device_drivers.signals import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analytics.findings import Evidence

UNITS = {
    "/min": ("次/分", "/min"),
    "Cel": ("℃", "°C"),
    "mm[Hg]": ("mmHg", "mmHg"),
    "%": ("%", "%"),
    "mmol/L": ("mmol/L", "mmol/L"),
    "kg": ("公斤", "kg"),
}
PART_WORDS = {
    "respiratory_rate": ("呼吸", "breathing"),
    "spo2": ("血氧", "oxygen saturation"),
    "systolic_pressure": ("血压", "blood pressure"),
    "heart_rate": ("心率", "heart rate"),
    "consciousness": ("意识", "consciousness"),
    "body_temperature": ("体温", "temperature"),
    "oxygen": ("吸氧", "oxygen supply"),
}
REASON_WORDS = {
    "artefact": ("干扰", "disturbed"),
    "impossible_change": ("变化不可能", "impossible change"),
    "flat_line": ("读数一成不变", "never changes"),
}
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


class Words(NamedTuple):
    """One text in Chinese and in English."""

    zh: str
    en: str


NOTHING = Words("", "")
STALE_S = 20.0
"""A tag not heard for so long may be somewhere else by now."""


def why(evidence: Mapping[str, Evidence], confidence: float | None = None) -> Words:
    """The numbers behind a finding, and how sure it is (confidence 0 to 1, None: not said)."""
    said = (
        _score(evidence)
        or _change(evidence)
        or _weight(evidence)
        or _pauses(evidence)
        or _limit(evidence)
        or _doubt(evidence)
    )
    said = said or _task(evidence) or _habit(evidence) or _zone(evidence) or _home(evidence) or _fall(evidence)
    if said is None:
        return NOTHING
    if confidence is None:
        return said
    return Words(f"{said.zh}，把握 {confidence:.0%}", f"{said.en}, {confidence:.0%} sure")


def _score(evidence: Mapping[str, Evidence]) -> Words | None:
    if "score" not in evidence or "scale" not in evidence:
        return None
    known = [name for name in PARTS if int(evidence.get(f"{name}_points", 0)) > 0]
    zh = "、".join(f"{PART_WORDS[name][0]} {_shown(evidence.get(name))}".strip() for name in known)
    en = ", ".join(f"{PART_WORDS[name][1]} {_shown(evidence.get(name))}".strip() for name in known)
    zh, en = f"{evidence['score']} 分（{zh}）", f"score {evidence['score']} ({en})"
    if "score_an_hour_ago" in evidence:
        zh, en = (
            f"{zh}，一小时前 {evidence['score_an_hour_ago']} 分",
            f"{en}, an hour ago {evidence['score_an_hour_ago']}",
        )
    missing = [name for name in str(evidence.get("missing", "")).split(", ") if name in PART_WORDS]
    if missing:
        zh += "，未测：" + "、".join(PART_WORDS[name][0] for name in missing)
        en += ", not measured: " + ", ".join(PART_WORDS[name][1] for name in missing)
    return Words(zh, en)


def _change(evidence: Mapping[str, Evidence]) -> Words | None:
    if "metric" not in evidence or "usual" not in evidence:
        return None
    now = _shown(evidence.get("value")) or "–"
    return Words(
        f"{evidence.get('zh')} {now}，平常 {_shown(evidence['usual'])}",
        f"{evidence.get('en')} {now}, usually {_shown(evidence['usual'])}",
    )


def _weight(evidence: Mapping[str, Evidence]) -> Words | None:
    if "gained_kg" not in evidence:
        return None
    gained, days, kg = (_shown(evidence.get(name)) for name in ("gained_kg", "days", "value"))
    return Words(f"{days} 天内增加 {gained} 公斤，现 {kg} 公斤", f"{gained} kg more within {days} days, now {kg} kg")


def _pauses(evidence: Mapping[str, Evidence]) -> Words | None:
    """Breathing pauses, or falls of oxygen, an hour of this night."""
    if "pauses_per_h" not in evidence:
        return None
    rate, hours = _shown(evidence["pauses_per_h"]), _shown(evidence.get("good_h"))
    if evidence.get("signal") == "spo2":
        return Words(
            f"今夜血氧下降每小时 {rate} 次（{hours} 小时）", f"oxygen fell {rate} times an hour tonight ({hours} h)"
        )
    zh, en = f"今夜呼吸停顿每小时 {rate} 次（{hours} 小时）", f"{rate} breathing pauses an hour tonight ({hours} h)"
    longest = float(evidence.get("longest_pause_s", 0))
    if longest > 0:
        zh, en = f"{zh}，最长 {longest:.0f} 秒", f"{en}, the longest {longest:.0f} s"
    return Words(zh, en)


def _limit(evidence: Mapping[str, Evidence]) -> Words | None:
    signal = SIGNALS.get(str(evidence.get("signal", "")))
    if signal is None or "value" not in evidence or "limit" not in evidence:
        return None
    zh_unit, en_unit = UNITS.get(signal.unit, (signal.unit, signal.unit))
    value, limit = _shown(evidence["value"]), _shown(evidence["limit"])
    zh, en = f"{signal.zh} {value} {zh_unit}（限值 {limit}）", f"{signal.en} {value} {en_unit} (limit {limit})"
    held = float(evidence.get("held_s", 0.0))
    if held > 0:
        zh, en = f"{zh}，已 {_span(held).zh}", f"{en}, for {_span(held).en}"
    return Words(zh, en)


def _doubt(evidence: Mapping[str, Evidence]) -> Words | None:
    signal, reason = SIGNALS.get(str(evidence.get("signal", ""))), str(evidence.get("reason", ""))
    if signal is None or reason not in REASON_WORDS:
        return None
    zh, en = REASON_WORDS[reason]
    return Words(f"{signal.zh}：{zh}", f"{signal.en}: {en}")


def _task(evidence: Mapping[str, Evidence]) -> Words | None:
    """A care task: what exactly, and how late."""
    if "task" not in evidence:
        return None
    label = str(evidence.get("label") or evidence["task"])
    late_min = float(evidence.get("lasted_min", 0.0))
    if late_min <= 0:
        return Words(label, label)
    span = _span(60 * late_min)
    return Words(f"{label}，已过 {span.zh}", f"{label}, {span.en} ago")


def _habit(evidence: Mapping[str, Evidence]) -> Words | None:
    """What is not as usual, beside what was the most so far."""
    if "latest" in evidence:
        latest = evidence["latest"]
        return Words(f"以往最晚 {latest} 就有活动", f"so far active at {latest} at the latest")
    if "longest_min" not in evidence or "lasted_min" not in evidence:
        return None
    span, longest = (_span(60 * float(evidence[name])) for name in ("lasted_min", "longest_min"))
    return Words(f"已 {span.zh}，以往最长 {longest.zh}", f"for {span.en}, so far {longest.en} at most")


def _zone(evidence: Mapping[str, Evidence]) -> Words | None:
    """Where a tag is or was last, since when, and what may be the reason."""
    if not evidence.get("zone"):
        return None
    zone = str(evidence["zone"])
    place_zh, place_en = PLACE_WORDS.get(zone.casefold(), (zone, zone))
    zh, en = f"{place_zh}", f"{place_en}"
    if evidence.get("reason") == "in_bed":
        zh, en = f"定位牌在{place_zh}，人在床上", f"the tag is in {place_en}, the person in bed"
    elif "outside_min" in evidence:
        span = _span(60 * float(evidence["outside_min"]))
        zh, en = f"定位牌在{place_zh}，已 {span.zh}", f"tag in {place_en} for {span.en}"
        ago = float(evidence.get("heard_s_ago", 0))
        if ago >= STALE_S:
            zh, en = f"{zh}，{_span(ago).zh}前还听到", f"{en}, last heard {_span(ago).en} ago"
    elif "unheard_min" in evidence:
        span = _span(60 * float(evidence["unheard_min"]))
        zh, en = f"最后在{place_zh}，{span.zh}前", f"last in {place_en}, {span.en} ago"
    if "door_min_ago" in evidence:
        span = _span(60 * float(evidence["door_min_ago"]))
        zh, en = f"{zh}，大门 {span.zh}前开过", f"{en}, main door opened {span.en} ago"
    if "battery" in evidence:
        zh, en = (
            f"{zh}，定位牌电量 {_shown(evidence['battery'])}%",
            f"{en}, tag battery {_shown(evidence['battery'])} %",
        )
    return Words(zh, en)


def _home(evidence: Mapping[str, Evidence]) -> Words | None:
    if "exits" in evidence:
        return Words(f"今夜离床 {evidence['exits']} 次", f"{evidence['exits']} times tonight")
    if "lasted_min" not in evidence:
        return None
    span = _span(60 * float(evidence["lasted_min"]))
    place = PLACE_WORDS.get(str(evidence.get("place", "")))
    if float(evidence["lasted_min"]) <= 0:
        return Words(place[0], place[1]) if place else None
    if place is None:
        return Words(f"已 {span.zh}", f"for {span.en}")
    return Words(f"{place[0]}，已 {span.zh}", f"{place[1]}, for {span.en}")


def _span(seconds: float) -> Words:
    if seconds < 120:
        return Words(f"{seconds:.0f} 秒", f"{seconds:.0f} s")
    if seconds < 7200:
        return Words(f"{seconds / 60:.0f} 分钟", f"{seconds / 60:.0f} min")
    return Words(f"{seconds / 3600:.1f} 小时", f"{seconds / 3600:.1f} h")


def _fall(evidence: Mapping[str, Evidence]) -> Words | None:
    """What bed and main door tell about a fall."""
    texts = {
        "bed_left_s": ("离床 {} 秒后", "{} s after leaving the bed"),
        "in_bed": ("床传感器显示在床上", "the bed sensor says in bed"),
        "bed_back_s": ("{} 秒后又上床", "back in bed {} s later"),
        "door_opened_s": ("{} 秒后大门打开", "main door opened {} s later"),
    }
    known = [(zh.format(evidence[key]), en.format(evidence[key])) for key, (zh, en) in texts.items() if key in evidence]
    return Words("，".join(zh for zh, _ in known), ", ".join(en for _, en in known)) if known else None


def _shown(value: Evidence | None) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
