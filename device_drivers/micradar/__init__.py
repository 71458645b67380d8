"""MicRadar R60AFD1 / R60ABD1, Seeed MR60FDA1 / MR60BHA1, DFRobot C1001: radars that speak "53 59 ... 54 43".

Fall, presence, breathing, heart, bed and sleep over a serial line. Not for MR60FDA2 / MR60BHA2 nor the 24 GHz
first generation (head 55), which speak other protocols.
"""

from __future__ import annotations

from device_drivers.codec import Driver
from device_drivers.micradar.codec import MicradarCodec
from device_drivers.micradar.messages import MESSAGES, SIGNAL

__all__ = ["DRIVER", "MicradarCodec"]

DRIVER = Driver(
    family="micradar",
    title_zh="云帆瑞达毫米波雷达（跌倒、睡眠、呼吸心率）",
    title_en="MicRadar mmWave radar (fall, sleep, breath, heart)",
    signal_lost_after_s=120.0,
    signals=tuple(dict.fromkeys(item.name for row in MESSAGES if row.kind == SIGNAL for item in row.fields)),
    stream=MicradarCodec,
    baud=115_200,
    aliases=("micradar_5359", "r60abd1", "r60afd1", "r60amp1", "mr60bha1", "mr60fda1", "mr24hpc1", "c1001", "sen0623"),
    hint_zh="跌倒雷达吸顶，高 200–300 厘米，先设置安装高度，再走入、躺下一分钟、起身各测一次。床边雷达切到睡眠模式，"
    "静躺约一分钟后才有心率。呼吸心率停住而在位仍更新时，断电重启雷达。",
    hint_en="Fall radar: on the ceiling at 200 to 300 cm, its height set first; then walk in, lie down for a minute, "
    "get up. Bedside radar: switch it to sleep mode and lie still for about a minute until it has a heart rate. Where "
    "breath and heart stop while presence goes on, cut its power.",
)
