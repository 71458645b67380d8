"""Hi-Link TF radars: Seeed MR60FDA2 (fall) and MR60BHA2 (breath, heart), HLK-LD6002, LD6002B, LD6002C.

Not for MR60FDA1 and MR60BHA1, which speak "53 59" (family `micradar`).
"""

from __future__ import annotations

from device_drivers.codec import Driver, Line
from device_drivers.hilink_tf.codec import HilinkTfCodec

__all__ = ["DRIVER", "HilinkTfCodec"]

DRIVER = Driver(
    family="hilink_tf",
    title_zh="海凌科 TF 协议毫米波雷达（跌倒、呼吸心率、人在）",
    title_en="Hi-Link TF mmWave radar (fall, breath, heart, presence)",
    signal_lost_after_s=120.0,
    signals=(
        "fall",
        "presence",
        "respiratory_rate",
        "heart_rate",
        "distance",
        "target_count",
        "position_x",
        "position_y",
        "position_z",
    ),
    stream=HilinkTfCodec,
    baud=115_200,
    more_lines=(Line(1_382_400),),
    aliases=("mr60fda2", "mr60bha2", "ld6002", "ld6002b", "ld6002c", "hlk_ld6002"),
    hint_zh=(
        "跌倒雷达 MR60FDA2 吸顶安装，先填写安装高度 install_height_m（米），再躺下、起身各测一次。"
        "呼吸心率雷达 MR60BHA2 距胸口 0.4–1.5 米，静坐 10–60 秒后才有数值。"
        "第一代 HLK-LD6002 为 1382400 波特，请设置 baud，并使用支持该速率的串口转换器（CH343、CP2102N、FT232H）。"
    ),
    hint_en=(
        "The fall radar MR60FDA2 hangs from the ceiling: give its height as install_height_m (metres), then lie down "
        "and get up once. The breath and heart radar MR60BHA2 looks at the chest from 0.4 to 1.5 m and needs 10 to "
        "60 s of sitting still. The first HLK-LD6002 speaks at 1,382,400 baud: set baud, and use an adapter that can "
        "(CH343, CP2102N, FT232H)."
    ),
    show_all={"interval_s": 0, "repeat_s": 0},
)
