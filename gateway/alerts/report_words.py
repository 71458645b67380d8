"""The words of the monthly report in Chinese and English: measures with their usual targets, columns, explanations.

Targets of quantity are those of ISA-18.2 and EEMUA 191, made for one operator of a plant; the times of delivery and
answer are Yinling's own goals. No conformity is claimed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

Words = tuple[str, str]
Columns = tuple[tuple[str, ...], tuple[str, ...]]


class Measure(NamedTuple):
    """What a number is called, and what it should be like."""

    words: Words
    target: Words = ("", "")


def _same(target: str) -> Words:
    return target, target


TITLE: Words = ("报警月报", "Monthly report of alerts")
HEADINGS: Mapping[str, Words] = {
    "many": ("报警数量", "How many alerts"),
    "fast": ("应答快慢", "How fast they were told and answered"),
    "kinds": ("关于老人的报警", "About persons"),
    "equipment": ("关于设备和网关的报警", "About equipment"),
    "top": ("报警最多的来源", "Those that alarm most"),
}
COLUMNS: Mapping[str, Columns] = {
    "many": (("指标", "数值", "参考目标"), ("measure", "number", "usual target")),
    "fast": (
        ("指标", "多少条", "中位数", "95 % 不超过", "参考目标"),
        ("measure", "how many", "median", "95 % within", "usual target"),
    ),
    "kinds": (
        ("种类", "报警", "确有其事", "误报", "自行恢复", "其他", "尚未判断", "准确率"),
        ("kind", "raised", "real", "false", "ended by itself", "other", "not judged yet", "precision"),
    ),
    "equipment": (
        ("种类", "报警", "自行恢复", "由人结束", "尚未结束"),
        ("kind", "raised", "ended by itself", "ended by a person", "still open"),
    ),
    "top": (("来源", "种类", "报警", "占比"), ("source", "kind", "raised", "share")),
}
CSV_COLUMNS: Mapping[str, Words] = {
    "table": ("表", "table"),
    "code": ("代码", "code"),
    "name": ("名称", "name"),
    "kind": ("种类代码", "kind"),
    "count": ("条数", "count"),
    "of": ("总数", "of"),
    "share": ("占比", "share"),
    "median_s": ("中位数（秒）", "median_s"),
    "p95_s": ("95%不超过（秒）", "p95_s"),
    "value": ("数值", "value"),
    "real": ("确有其事", "real"),
    "false": ("误报", "false"),
    "recovered": ("自行恢复", "ended_by_itself"),
    "by_person": ("由人结束", "ended_by_person"),
    "other": ("其他", "other"),
    "open": ("尚未判断", "open"),
    "precision": ("准确率", "precision"),
    "target": ("参考目标", "usual_target"),
}
MEASURES: Mapping[str, Measure] = {
    "raised": Measure(("报警总数", "alerts raised")),
    "persons": Measure(("其中关于老人", "of these about persons")),
    "equipment": Measure(("其中关于设备和网关", "of these about equipment")),
    "high": Measure(("其中高优先级", "of these high priority"), _same("≈ 5 %")),
    "per_resident_day": Measure(("每位老人每天（只算关于老人的）", "per resident and day (about persons only)")),
    "per_carer_hour": Measure(
        (
            "每位护理员每小时（全部，包括设备；按同时 {carers} 人在岗）",
            "per carer and hour (all, equipment too; {carers} at a time)",
        ),
        _same("≤ 6"),
    ),
    "peak_10min": Measure(("10 分钟内最多", "most within 10 min"), _same("≤ 10")),
    "floods": Measure(("报警成批", "floods"), _same("0")),
    "flood_share": Measure(("成批时间占比", "share of time in floods"), _same("< 1 %")),
    "chattering": Measure(("反复抖动的来源", "chattering sources"), _same("0")),
    "stale": Measure(("超过 24 小时才结束或仍未结束", "open for more than 24 h"), _same("< 5")),
    "to_delivered": Measure(("报警到送达", "raised to delivered"), ("≤ 5 秒", "≤ 5 s")),
    "to_acknowledged": Measure(("报警到应答", "raised to acknowledged"), ("≤ 60 秒", "≤ 60 s")),
    "to_on_scene": Measure(("报警到到场", "raised to on scene"), ("≤ 15 分钟", "≤ 15 min")),
    "answered_60s": Measure(("高优先级 60 秒内应答", "high priority answered within 60 s"), _same("100 %")),
    "never_answered": Measure(("至今无人应答", "never answered"), _same("0")),
    "ended_unanswered": Measure(("其中自行恢复", "of these ended by themselves")),
}
FAST = ("to_delivered", "to_acknowledged", "answered_60s", "never_answered", "ended_unanswered", "to_on_scene")
UNITS: tuple[tuple[float, float, Words], ...] = (
    (7200.0, 3600.0, ("小时", "h")),
    (120.0, 60.0, ("分钟", "min")),
    (0.0, 1.0, ("秒", "s")),
)
"""From how many seconds on, in what."""
NO_ROWS: Mapping[str, Words] = {
    "kinds": ("这段时间没有关于老人的报警。", "No alert about a person in this period."),
    "equipment": ("这段时间没有关于设备的报警。", "No alert about equipment in this period."),
    "top": ("这段时间没有报警。", "No alert in this period."),
}
ABOUT: Mapping[str, Words] = {
    "period": ("统计时间：{begin} 至 {end}。", "Period: {begin} to {end}."),
    "going_on": (
        "本月尚未结束，只算到现在。",
        "The month is not over: the numbers go up to now.",
    ),
    "counted": (
        "从 {counted} 起才有登记的老人或报警，按天、按小时的数值从那时算起。",
        "There was no registered resident and no alert before {counted}: rates are over the time since then.",
    ),
    "limited": (
        "只包括您可以看到的老人。",
        "Only about the residents that you may see.",
    ),
    "people": (
        "登记的老人 {residents} 位，共 {days} 人日；按同时 {carers} 位护理员在岗计算。测试报警不计。",
        (
            "Residents registered: {residents}, days of care in all: {days}. Carers at a time: {carers} (assumed). "
            "Tests are not counted."
        ),
    ),
    "made": ("生成时间：{made}。", "Made {made}."),
}
NOTES_TITLE: Words = ("名词和目标的来源", "What the words mean, and where the targets come from")
_ANSWERED: Words = (
    "应答：有人接了报警，或有人直接结束了它。“4 / 6”是六条里有四条，其余两条至今无人应答。",
    "Acknowledged: a person took the alert, or ended it at once. What is missing in “4 of 6” was never answered.",
)
_P95: Words = (
    "95 % 不超过：一百条里有九十五条不比它慢；不到二十条时，就是最慢的一条。",
    "95 % within: of a hundred, ninety-five took no longer; of fewer than twenty, it is the slowest.",
)
_IN_TIME: Words = (
    "60 秒内应答：刚发出不到 60 秒的、60 秒内自行恢复的不算在内。",
    "Answered within 60 s: what is younger than 60 s, or ended by itself within 60 s, is not counted.",
)
_PRECISION: Words = (
    "准确率：有人判断为“确有其事”或“误报”的报警里，确有其事的比例；尚未判断、自行恢复和其他不算。设备报警不算准确率。",
    (
        "Precision: of those that a person judged real or false, the share that was real; what is not judged yet, "
        "ended by itself or was something else does not count. Equipment is not judged so."
    ),
)
_FLOOD: Words = (
    "报警成批：10 分钟超过 10 条，直到少于 5 条。反复抖动：同一来源、同一种类一分钟内报警 3 次。",
    (
        "Flood: more than 10 within 10 minutes, until fewer than 5. Chattering: the same source and kind 3 times "
        "within a minute."
    ),
)
_TARGETS: Words = (
    (
        "目标：每小时、成批、抖动、超过 24 小时和高优先级占比参考 ISA-18.2 和 EEMUA 191（为工厂的一位操作员而写）；"
        "送达 5 秒、应答 60 秒、到场 15 分钟是银龄自己的目标。不声称符合任何标准。"
    ),
    (
        "Targets: per hour, floods, chattering, more than 24 h and the share of high priority are those of ISA-18.2 "
        "and EEMUA 191, written for one operator of a plant; 5 s to deliver, 60 s to answer and 15 min to arrive are "
        "Yinling's own. No conformity is claimed."
    ),
)
NOTES = (_ANSWERED, _P95, _IN_TIME, _PRECISION, _FLOOD, _TARGETS)
