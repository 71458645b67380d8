"""The table of signals: every quantity a device can give, with unit, plausible range and staleness limit.

Units are UCUM. The plausible range is what a working sensor can report about a living person or an inhabited
room; a value outside it is a fault of the sensor, not of the person, and becomes absent. Staleness limits follow
how often the devices report (radar vitals every 3 s: 15 s; polled presence: 60 s; battery: a day and an hour).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from device_drivers.observations import Quality, Reading

if TYPE_CHECKING:
    from collections.abc import Mapping


class SignalKind(StrEnum):
    """Which kind of observation carries the signal."""

    WAVEFORM = "waveform"
    READING = "reading"
    EVENT = "event"


@dataclass(frozen=True, slots=True)
class Signal:
    """One row of the table.

    low, high: the plausible range, inclusive, in `unit`. words: the values an event may have (bool where empty).
    stale_s: seconds after which the last value no longer stands for now; None where only changes are reported.
    free_words: the value is a name that the site has chosen (a room), not one of a list.
    """

    name: str
    kind: SignalKind
    unit: str
    low: float
    high: float
    stale_s: float | None
    zh: str
    en: str
    words: tuple[str, ...] = ()
    free_words: bool = False


def _waveform(name: str, unit: str, limit: float, zh: str, en: str) -> Signal:
    return Signal(name, SignalKind.WAVEFORM, unit, -limit, limit, 5.0, zh, en)


def _reading(name: str, unit: str, low: float, high: float, stale_s: float, zh: str, en: str) -> Signal:
    return Signal(name, SignalKind.READING, unit, low, high, stale_s, zh, en)


def _event(name: str, stale_s: float | None, zh: str, en: str, *words: str) -> Signal:
    return Signal(name, SignalKind.EVENT, "1", 0, 1, stale_s, zh, en, words)


DAY_AND_HOUR = 25 * 3600.0
BUTTON_WORDS = ("single", "double", "hold", "off", "other", "triple", "long", "long_double", "long_triple", "release")

SIGNALS: Mapping[str, Signal] = {
    row.name: row
    for row in (
        _waveform("accel", "[g]", 32, "加速度", "Acceleration"),
        _waveform("gyro", "deg/s", 4000, "角速度", "Angular rate"),
        _waveform("breath_wave", "1", 128, "呼吸波形", "Breathing waveform"),
        _waveform("heart_wave", "1", 128, "心跳波形", "Heart waveform"),
        _waveform("pulse_wave", "1", 1, "脉搏波形", "Pulse waveform"),
        _waveform("bed_wave", "1", 1, "床垫波形", "Bed waveform"),
        _reading("heart_rate", "/min", 20, 300, 15, "心率", "Heart rate"),
        _reading("respiratory_rate", "/min", 1, 60, 15, "呼吸频率", "Respiratory rate"),
        _reading("spo2", "%", 35, 100, 15, "血氧饱和度", "Oxygen saturation"),
        _reading("perfusion_index", "%", 0, 30, 15, "灌注指数", "Perfusion index"),
        _reading("skin_temperature", "Cel", 10, 45, 120, "体表温度", "Skin temperature"),
        _reading("body_temperature", "Cel", 25, 45, 120, "体温", "Body temperature"),
        _reading("systolic_pressure", "mm[Hg]", 40, 300, 900, "收缩压", "Systolic pressure"),
        _reading("diastolic_pressure", "mm[Hg]", 20, 200, 900, "舒张压", "Diastolic pressure"),
        _reading("mean_arterial_pressure", "mm[Hg]", 30, 250, 900, "平均动脉压", "Mean arterial pressure"),
        _reading("rr_interval", "ms", 150, 5_000, 15, "心搏间期", "Beat-to-beat interval"),
        _reading("blood_glucose", "mmol/L", 0.5, 50, 1_800, "血糖", "Blood glucose"),
        _reading("fasting_glucose", "mmol/L", 0.5, 50, 1_800, "空腹血糖", "Fasting blood glucose"),
        _reading("body_weight", "kg", 10, 400, DAY_AND_HOUR, "体重", "Body weight"),
        _reading("body_mass_index", "kg/m2", 5, 100, DAY_AND_HOUR, "体质指数", "Body mass index"),
        _reading("body_height", "cm", 50, 250, DAY_AND_HOUR, "身高", "Body height"),
        _reading("body_impedance", "Ohm", 50, 3_000, DAY_AND_HOUR, "身体阻抗", "Body impedance"),
        _reading("energy_expended", "kJ", 0, 65_535, DAY_AND_HOUR, "能量消耗", "Energy expended"),
        _reading("room_temperature", "Cel", -40, 85, DAY_AND_HOUR, "室温", "Room temperature"),
        _reading("humidity", "%", 0, 100, DAY_AND_HOUR, "湿度", "Humidity"),
        _reading("illuminance", "lx", 0, 200_000, DAY_AND_HOUR, "光照", "Illuminance"),
        _reading("battery", "%", 0, 100, DAY_AND_HOUR, "电量", "Battery"),
        _reading("battery_voltage", "mV", 0, 15_000, DAY_AND_HOUR, "电池电压", "Battery voltage"),
        _reading("link_quality", "1", 0, 255, DAY_AND_HOUR, "信号质量", "Link quality"),
        _reading("signal_strength", "dB[mW]", -200, 20, DAY_AND_HOUR, "信号强度", "Signal strength"),
        _reading("latitude", "deg", -90, 90, 1_200, "纬度", "Latitude"),
        _reading("longitude", "deg", -180, 180, 1_200, "经度", "Longitude"),
        _reading("accel_x", "[g]", -32, 32, 60, "加速度 X", "Acceleration x"),
        _reading("accel_y", "[g]", -32, 32, 60, "加速度 Y", "Acceleration y"),
        _reading("accel_z", "[g]", -32, 32, 60, "加速度 Z", "Acceleration z"),
        _reading("steps", "1", 0, 1_000_000, DAY_AND_HOUR, "步数", "Steps"),
        _reading("body_movement", "1", 0, 100, 15, "体动", "Body movement"),
        _reading("motion_speed", "1", 0, 1_000, 60, "运动速度", "Motion speed"),
        _reading("radial_speed", "cm/s", -2_000, 2_000, 15, "径向速度", "Radial speed"),
        _reading("target_count", "1", 0, 64, 60, "目标数", "Targets"),
        _reading("distance", "cm", 0, 2_000, 15, "距离", "Distance"),
        _reading("position_x", "cm", -2_000, 2_000, 60, "位置 X", "Position x"),
        _reading("position_y", "cm", -2_000, 2_000, 60, "位置 Y", "Position y"),
        _reading("position_z", "cm", -2_000, 2_000, 60, "位置 Z", "Position z"),
        _reading("height_ratio_total", "1", 0, 65_535, 600, "高度占比计数", "Height ratio count"),
        _reading("height_ratio_0_0_5", "%", 0, 100, 600, "高度占比 0-0.5 米", "Share at 0-0.5 m"),
        _reading("height_ratio_0_5_1", "%", 0, 100, 600, "高度占比 0.5-1 米", "Share at 0.5-1 m"),
        _reading("height_ratio_1_1_5", "%", 0, 100, 600, "高度占比 1-1.5 米", "Share at 1-1.5 m"),
        _reading("height_ratio_1_5_2", "%", 0, 100, 600, "高度占比 1.5-2 米", "Share at 1.5-2 m"),
        _reading("sleep_awake", "min", 0, 1_440, DAY_AND_HOUR, "清醒时长", "Time awake"),
        _reading("sleep_light", "min", 0, 1_440, DAY_AND_HOUR, "浅睡时长", "Light sleep"),
        _reading("sleep_deep", "min", 0, 1_440, DAY_AND_HOUR, "深睡时长", "Deep sleep"),
        _reading("sleep_total", "min", 0, 1_440, DAY_AND_HOUR, "睡眠总时长", "Total sleep"),
        _reading("sleep_awake_share", "%", 0, 100, DAY_AND_HOUR, "清醒占比", "Share awake"),
        _reading("sleep_light_share", "%", 0, 100, DAY_AND_HOUR, "浅睡占比", "Share light sleep"),
        _reading("sleep_deep_share", "%", 0, 100, DAY_AND_HOUR, "深睡占比", "Share deep sleep"),
        _reading("sleep_score", "1", 0, 100, DAY_AND_HOUR, "睡眠评分", "Sleep score"),
        _reading("sleep_turns", "1", 0, 65_535, DAY_AND_HOUR, "翻身次数", "Turns in bed"),
        _reading("large_movement_share", "%", 0, 100, 1_200, "大幅体动占比", "Share of large movement"),
        _reading("small_movement_share", "%", 0, 100, 1_200, "小幅体动占比", "Share of small movement"),
        _reading("mean_heart_rate", "/min", 20, 300, 1_200, "平均心率", "Mean heart rate"),
        _reading("mean_respiratory_rate", "/min", 1, 60, 1_200, "平均呼吸频率", "Mean respiratory rate"),
        _reading("apnea_count", "1", 0, 65_535, 1_200, "呼吸暂停次数", "Apnoea count"),
        _reading("out_of_bed_time", "min", 0, 1_440, DAY_AND_HOUR, "离床时长", "Time out of bed"),
        _reading("out_of_bed_count", "1", 0, 65_535, DAY_AND_HOUR, "离床次数", "Times out of bed"),
        _event("fall", None, "跌倒", "Fall"),
        _event("fall_warning", None, "疑似跌倒", "Possible fall"),
        _event("static_stay", None, "倒地不起", "Motionless on the floor"),
        _event("motionless_alarm", None, "久无动作报警", "Motionless for long"),
        _event("dwell_alarm", None, "滞留过久报警", "Staying too long"),
        _event("help_button", None, "呼救按钮", "Help button"),
        _event("button", None, "按钮", "Button", *BUTTON_WORDS),
        _event("presence", 90.0, "有人", "Presence"),
        _event("motion", 90.0, "活动状态", "Motion", "none", "still", "active"),
        _event("posture", 90.0, "姿态", "Posture", "sitting", "in_bed", "low", "lying"),
        _event("in_range", None, "在探测范围内", "Within range"),
        _event("bed_occupancy", 90.0, "床位状态", "Bed occupancy", "in", "left", "none"),
        _event(
            "consciousness", 12 * 3600.0, "意识", "Consciousness", "alert", "confusion", "voice", "pain", "unresponsive"
        ),
        _event("bed_wet", None, "尿湿", "Wet bed or pad"),
        _event("sleep_state", 1_200.0, "睡眠状态", "Sleep state", "deep", "light", "awake", "none"),
        _event("sleep_anomaly", None, "睡眠异常", "Sleep anomaly", "short", "long", "absent", "none"),
        _event("sleep_grade", None, "睡眠评级", "Sleep grade", "none", "good", "medium", "bad"),
        _event("struggle", None, "异常挣扎", "Struggle", "none", "normal", "abnormal"),
        _event("unattended", None, "无人计时", "Unattended", "none", "normal", "abnormal"),
        _event("respiration_state", 60.0, "呼吸状态", "Respiration state", "normal", "high", "low", "none"),
        Signal("room", SignalKind.EVENT, "1", 0, 1, 300.0, "所在房间", "Room", free_words=True),
        _event("fence", None, "电子围栏", "Geofence", "in", "out", "crossed"),
        _event("worn", None, "佩戴", "Worn"),
        _event("door", None, "门", "Door", "open", "closed"),
        _event("occupancy", DAY_AND_HOUR, "有人活动", "Occupancy"),
        _event("vibration", None, "振动", "Vibration"),
        _event("smoke", None, "烟雾", "Smoke"),
        _event("gas", None, "燃气", "Gas"),
        _event("carbon_monoxide", None, "一氧化碳", "Carbon monoxide"),
        _event("water_leak", None, "漏水", "Water leak"),
        _event("alarm_test", None, "报警测试", "Alarm test"),
        _event("tamper", None, "拆动", "Tamper"),
        _event("battery_low", None, "电量低", "Battery low"),
        _event("device_fault", None, "设备故障", "Device fault", "none", "hardware", "firmware", "other"),
        _event("charging", None, "充电", "Charging"),
        _event("online", None, "在线", "Online"),
    )
}


def reading(
    device_id: str,
    signal: str,
    value: float | None,
    at_ns: int,
    received_ns: int,
    quality: Quality = Quality.GOOD,
    *,
    stored: bool = False,
) -> Reading:
    """A reading checked against the table: an implausible or non-finite value becomes absent, never a number.

    Raises KeyError for a signal that is not in the table (a driver's mistake, not the device's).
    """
    row = SIGNALS[signal]
    if value is None:
        doubt = Quality.INVALID if quality is Quality.GOOD else quality
        return Reading(device_id, signal, None, at_ns, received_ns, doubt, stored)
    if not (math.isfinite(value) and row.low <= value <= row.high):
        return Reading(device_id, signal, None, at_ns, received_ns, Quality.OUT_OF_RANGE, stored)
    return Reading(device_id, signal, value, at_ns, received_ns, quality, stored)
