"""The table of finding kinds: what each one is called, how urgent it is, and whether it is about the box or a person.

Priority follows from the harm that threatens if nobody answers and from how fast it comes, by the matrix of
IEC 60601-1-8 (`MATRIX`); life kinds latch until a person resolves them. Texts are for people; `kind` is for machines.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Priority(IntEnum):
    """1 is the most urgent."""

    HIGH = 1
    MEDIUM = 2
    LOW = 3


class Harm(IntEnum):
    """What threatens if nobody answers."""

    DEATH = 1
    """Or an injury that does not heal."""
    INJURY = 2
    MINOR = 3
    """Or discomfort."""


class Speed(IntEnum):
    """How fast it comes: at once, within minutes, within hours."""

    IMMEDIATE = 1
    PROMPT = 2
    DELAYED = 3


MATRIX: Mapping[tuple[Harm, Speed], Priority] = {
    (Harm.DEATH, Speed.IMMEDIATE): Priority.HIGH,
    (Harm.DEATH, Speed.PROMPT): Priority.HIGH,
    (Harm.DEATH, Speed.DELAYED): Priority.MEDIUM,
    (Harm.INJURY, Speed.IMMEDIATE): Priority.HIGH,
    (Harm.INJURY, Speed.PROMPT): Priority.MEDIUM,
    (Harm.INJURY, Speed.DELAYED): Priority.LOW,
    (Harm.MINOR, Speed.IMMEDIATE): Priority.MEDIUM,
    (Harm.MINOR, Speed.PROMPT): Priority.LOW,
    (Harm.MINOR, Speed.DELAYED): Priority.LOW,
}
"""IEC 60601-1-8, table of alarm condition priorities; borrowed, no conformity is claimed."""
Threat = tuple[Harm, Speed]
URGENT: Threat = (Harm.DEATH, Speed.PROMPT)
SERIOUS: Threat = (Harm.INJURY, Speed.PROMPT)
SLOW: Threat = (Harm.INJURY, Speed.DELAYED)
SLIGHT: Threat = (Harm.MINOR, Speed.PROMPT)


@dataclass(frozen=True, slots=True)
class Kind:
    """One row.

    harm, speed: what threatens, and how fast; the priority follows. technical: about a device or the box, not a person.
    latching: stays until a person resolves it, even when the cause has gone. cancel_window_s: how long a *suspected*
    finding waits for "I am fine" before it is raised.
    """

    name: str
    harm: Harm
    speed: Speed
    latching: bool
    technical: bool
    cancel_window_s: float
    zh: str
    en: str

    @property
    def priority(self) -> Priority:
        """How urgent it is, by the matrix."""
        return MATRIX[self.harm, self.speed]


def _life(name: str, zh: str, en: str, cancel_window_s: float = 0.0) -> Kind:
    return Kind(name, Harm.DEATH, Speed.IMMEDIATE, True, False, cancel_window_s, zh, en)


def _vital(name: str, zh: str, en: str, threat: Threat = SERIOUS) -> Kind:
    return Kind(name, *threat, False, False, 0.0, zh, en)


def _technical(name: str, zh: str, en: str, threat: Threat = SLIGHT) -> Kind:
    return Kind(name, *threat, False, True, 0.0, zh, en)


KINDS: Mapping[str, Kind] = {
    row.name: row
    for row in (
        _life("fall", "跌倒", "Fall", cancel_window_s=20.0),
        _life("help_call", "呼救", "Help call"),
        _life("smoke", "烟雾报警", "Smoke alarm"),
        _life("gas", "燃气报警", "Gas alarm"),
        _life("carbon_monoxide", "一氧化碳报警", "Carbon monoxide alarm"),
        Kind("water_leak", *SERIOUS, True, False, 0.0, "漏水", "Water leak"),
        _life("motionless", "久无动作", "No movement for long"),
        _life("struggle", "异常挣扎", "Struggling in bed"),
        Kind("long_stay", *SERIOUS, True, False, 0.0, "滞留过久", "Staying too long in one place"),
        Kind("unattended", *SERIOUS, False, False, 0.0, "长时间离床", "Out of bed for too long"),
        Kind("fence_left", *SERIOUS, True, False, 0.0, "越过电子围栏", "Crossed the fence of the safe area"),
        Kind("zone_left", *SERIOUS, True, False, 0.0, "离开安全区域", "Outside the safe zones"),
        _vital("not_seen", "哪里都找不到定位牌", "Not heard in any room"),
        Kind("sleep_anomaly", *SLOW, False, False, 0.0, "睡眠异常", "Unusual sleep"),
        _vital("heart_rate_low", "心率过低", "Heart rate low", URGENT),
        _vital("heart_rate_high", "心率过高", "Heart rate high"),
        _vital("possible_af", "疑似房颤", "Possible atrial fibrillation", SLOW),
        _vital("slow_rhythm", "心搏过缓", "Slow heart rhythm", URGENT),
        _vital("fast_rhythm", "心搏过速", "Fast heart rhythm"),
        _vital("heart_pause", "心搏停顿", "Pause between heart beats"),
        _vital("possible_apnoea", "疑似睡眠呼吸暂停", "Possible sleep apnoea", SLOW),
        _vital("spo2_low", "血氧过低", "Oxygen saturation low", URGENT),
        _vital("respiratory_rate_low", "呼吸过慢", "Respiratory rate low", URGENT),
        _vital("respiratory_rate_high", "呼吸过快", "Respiratory rate high"),
        _vital("temperature_high", "体温过高", "Temperature high"),
        _vital("temperature_low", "体温过低", "Temperature low"),
        _vital("spo2_high", "血氧过高（吸氧）", "Too much oxygen", SLOW),
        _vital("blood_pressure_low", "血压过低", "Blood pressure low"),
        _vital("blood_pressure_high", "血压过高", "Blood pressure high"),
        _vital("glucose_low", "血糖过低", "Blood glucose low", URGENT),
        _vital("glucose_high", "血糖过高", "Blood glucose high"),
        _vital("weight_gain", "体重增加过快", "Weight gained too fast", (Harm.DEATH, Speed.DELAYED)),
        _vital("news2_high", "预警评分高（NEWS2 ≥ 7）", "Early warning score high (NEWS2 7 or more)", URGENT),
        _vital("news2_medium", "预警评分中（NEWS2 5–6）", "Early warning score raised (NEWS2 5 or 6)"),
        _vital("news2_single", "意识改变", "New confusion or not fully awake"),
        _vital("slow_change", "缓慢变化", "Slow change over days", SLOW),
        _vital("bed_exit", "夜间离床", "Out of bed at night"),
        _vital("bed_long", "卧床过久", "In bed for very long", SLOW),
        _vital("turn_due", "该翻身了", "Time to be turned", SLOW),
        _vital("incontinence", "尿湿", "Wet bed or pad", SLIGHT),
        _vital("restless_night", "夜间多次离床", "Restless night", SLOW),
        _vital("medication_due", "该服药了", "Time for medication", SLIGHT),
        _vital("medication_missed", "漏服药", "Medication missed"),
        _vital("measurement_due", "该测量了", "Time to measure", SLIGHT),
        _vital("measurement_missed", "未按时测量", "Measurement missed", SLOW),
        _vital("drinking_due", "该喝水了", "Time to drink", SLIGHT),
        _vital("visit_due", "该探访了", "Visit due", SLIGHT),
        _vital("visit_overdue", "探访逾期", "Visit overdue", SLOW),
        _vital("task_due", "照护任务到时", "Care task due", SLIGHT),
        _vital("task_missed", "照护任务逾期", "Care task missed", SLOW),
        _vital("late_morning", "起床比平常晚", "Later up than usual"),
        _vital("unusual_silence", "活动比平常少", "Unusually quiet"),
        _vital("late_back", "比平常晚归", "Later home than usual"),
        _vital("day_night_reversal", "昼夜颠倒", "Active by night instead of by day", SLOW),
        _vital("activity_decline", "活动减少", "Less active over weeks", SLOW),
        _vital("no_sign_of_life", "长时间无活动迹象", "No sign of life", URGENT),
        _vital("not_back", "到时未归", "Not back home"),
        _vital("door_at_night", "夜间开大门", "Main door opened at night", (Harm.INJURY, Speed.IMMEDIATE)),
        _vital("fridge_open", "冰箱门未关", "Fridge left open", SLIGHT),
        _vital("stove_on", "灶台未关", "Stove left on"),
        _vital("room_cold", "室温过低", "Room too cold", SLOW),
        _vital("room_hot", "室温过高", "Room too hot", SLOW),
        _technical("signal_poor", "测量不可信", "Measurement not to be believed"),
        _technical("signal_lost", "信号丢失", "Signal lost", SERIOUS),
        _technical("not_worn", "未佩戴", "Not worn"),
        _technical("device_dropped", "设备掉落", "Device dropped"),
        _technical("battery_low", "电量低", "Battery low"),
        _technical("device_fault", "设备故障", "Device fault", SERIOUS),
        _technical("path_down", "设备网络中断", "Device network down", SERIOUS),
        _technical("line_lost", "设备连线中断", "Device line lost", SERIOUS),
        _technical("broker_down", "设备消息中断", "Device messages interrupted", SERIOUS),
        _technical("reconnecting", "设备反复重连", "Device keeps reconnecting", SERIOUS),
        _technical("clock_wrong", "设备时钟不准", "Device clock wrong"),
        _technical("tamper", "设备被拆动", "Device tampered with", SERIOUS),
        _technical("box_fault", "网关内部故障", "Fault inside the box", SERIOUS),
        _technical("delivery_failed", "报警无法送达", "Alert cannot be delivered", URGENT),
        _technical("nobody_on_call", "无人值班", "Nobody is on call", URGENT),
        _technical("alert_flood", "设备报警成批", "Many equipment alerts at once", SERIOUS),
        _technical("assist_silent", "助急服务失联", "The assistance service does not answer", SERIOUS),
        _technical("queue_late", "报警排队过久", "Alerts wait too long to be sent", SERIOUS),
        _technical("disk_low", "网关磁盘将满", "The box's disk is nearly full", SERIOUS),
        _technical("disk_fault", "网关磁盘写入失败", "The box's disk cannot be written", SERIOUS),
        _technical("box_clock_wrong", "网关时钟不准", "The box's clock is wrong", SERIOUS),
        Kind("box_was_off", *SERIOUS, True, True, 0.0, "网关曾停止工作", "The box was off"),
        _technical("mains_lost", "网关断电，正用电池", "The box runs on battery", SERIOUS),
        _technical("test_alert", "测试报警", "Test alert", SERIOUS),
        _technical("test_failed", "测试报警未被接受", "A test alert was not accepted", SERIOUS),
    )
}
