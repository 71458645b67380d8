"""Watches that speak "[3G*...]": the usual Chinese watch for older people and children, by many makers.

Call for help, fall, position, steps, pulse, blood pressure, oxygen, temperature, over TCP.
"""

from __future__ import annotations

from device_drivers.codec import BEATS_LOST_S, Driver
from device_drivers.watch_3g.codec import SIGNALS, Watch3GCodec
from device_drivers.watch_3g.commands import COMMANDS

__all__ = ["DRIVER", "Watch3GCodec"]

DRIVER = Driver(
    family="watch_3g",
    title_zh="4G 老人手表（[3G*] 协议）",
    title_en="4G watch for older people ([3G*] protocol)",
    signals=SIGNALS,
    stream=Watch3GCodec,
    aliases=("watch3g", "setracker"),
    lost_after_s=BEATS_LOST_S,
    first_bytes=(b"[",),
    commands=tuple(COMMANDS),
    hint_zh="用短信或厂家工具把手表的服务器地址改为本机公网地址和端口（例：pw,123456,ip,地址,端口#）；设备编号填手表的"
    "10 位编号或 IMEI，并先登记设备再开机。按 SOS 3 秒，30 秒内应收到。收不到：先看健康页里被拒绝的编号。",
    hint_en="Point the watch's server address at this gateway by text message or the maker's tool (for example "
    "pw,123456,ip,ADDRESS,PORT#). Register the watch first: its id is the 10-digit number or the IMEI. Press SOS for "
    "3 s: it must arrive within 30 s. If not, look at the refused ids on the health page.",
)
