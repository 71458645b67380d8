"""What was found, in words for a carer: the number and its limit, since when, how sure. Chinese and English.

Made from a finding's evidence. Empty where the evidence has nothing that helps a person who must act.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.day_words import Words, habit_words, home_words, shown, span, task_words, zone_words
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


NOTHING = Words("", "")
COMPUTED = Words("网关推算，", "computed by the box, ")


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
    said = said or task_words(evidence) or habit_words(evidence) or zone_words(evidence) or home_words(evidence)
    said = said or _fall(evidence) or _equipment(evidence)
    if said is None:
        return NOTHING
    if confidence is None:
        return said
    return Words(f"{said.zh}，把握 {confidence:.0%}", f"{said.en}, {confidence:.0%} sure")


def _score(evidence: Mapping[str, Evidence]) -> Words | None:
    if "score" not in evidence or "scale" not in evidence:
        return None
    known = [name for name in PARTS if int(evidence.get(f"{name}_points", 0)) > 0]
    zh = "、".join(f"{PART_WORDS[name][0]} {shown(evidence.get(name))}".strip() for name in known)
    en = ", ".join(f"{PART_WORDS[name][1]} {shown(evidence.get(name))}".strip() for name in known)
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
    now = shown(evidence.get("value")) or "–"
    return Words(
        f"{evidence.get('zh')} {now}，平常 {shown(evidence['usual'])}",
        f"{evidence.get('en')} {now}, usually {shown(evidence['usual'])}",
    )


def _weight(evidence: Mapping[str, Evidence]) -> Words | None:
    if "gained_kg" not in evidence:
        return None
    gained, days, kg = (shown(evidence.get(name)) for name in ("gained_kg", "days", "value"))
    return Words(f"{days} 天内增加 {gained} 公斤，现 {kg} 公斤", f"{gained} kg more within {days} days, now {kg} kg")


def _pauses(evidence: Mapping[str, Evidence]) -> Words | None:
    """Breathing pauses, or falls of oxygen, an hour of this night."""
    if "pauses_per_h" not in evidence:
        return None
    rate, hours = shown(evidence["pauses_per_h"]), shown(evidence.get("good_h"))
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
    value, limit = shown(evidence["value"]), shown(evidence["limit"])
    by = COMPUTED if evidence.get("computed") else NOTHING
    zh = f"{signal.zh} {value} {zh_unit}（{by.zh}限值 {limit}）"
    en = f"{signal.en} {value} {en_unit} ({by.en}limit {limit})"
    held = float(evidence.get("held_s", 0.0))
    if held > 0:
        zh, en = f"{zh}，已 {span(held).zh}", f"{en}, for {span(held).en}"
    return Words(zh, en)


def _doubt(evidence: Mapping[str, Evidence]) -> Words | None:
    signal, reason = SIGNALS.get(str(evidence.get("signal", ""))), str(evidence.get("reason", ""))
    if signal is None or reason not in REASON_WORDS:
        return None
    zh, en = REASON_WORDS[reason]
    return Words(f"{signal.zh}：{zh}", f"{signal.en}: {en}")


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


def _equipment(evidence: Mapping[str, Evidence]) -> Words | None:
    """What is wrong with a device, in numbers."""
    if "silent_s" in evidence:
        silent = span(float(evidence["silent_s"]))
        signal = SIGNALS.get(str(evidence.get("signal", "")))
        if signal is None:
            return Words(f"已 {silent.zh}没有数据", f"nothing heard for {silent.en}")
        return Words(f"{signal.zh}已 {silent.zh}没有数据", f"{signal.en}: nothing for {silent.en}")
    if "not_worn_s" in evidence:
        off = span(float(evidence["not_worn_s"]))
        if evidence.get("charging"):
            return Words(f"取下已 {off.zh}，正在充电", f"off for {off.en}, charging")
        return Words(f"取下已 {off.zh}", f"off for {off.en}")
    if "offset_s" in evidence:
        offset = float(evidence["offset_s"])
        wrong = span(abs(offset))
        return Words(f"{'快' if offset > 0 else '慢'} {wrong.zh}", f"{wrong.en} {'fast' if offset > 0 else 'slow'}")
    if str(evidence.get("rule", "")).startswith("battery_low") and "battery" in evidence:
        return Words(f"电量 {shown(evidence['battery'])}%", f"battery {shown(evidence['battery'])} %")
    return None
