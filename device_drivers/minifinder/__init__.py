"""Eview EV-04/07 and MiniFinder pendants: call for help, fall and position, used by telecare in Europe and America.

Binary over TCP, every frame with a CRC.
"""

from __future__ import annotations

from device_drivers.codec import BEATS_LOST_S, Driver
from device_drivers.minifinder.codec import COMMANDS, SIGNALS, MinifinderCodec

__all__ = ["DRIVER", "MinifinderCodec"]

DRIVER = Driver(
    family="minifinder",
    title_zh="Eview / MiniFinder 呼救挂坠",
    title_en="Eview / MiniFinder pendant",
    signals=SIGNALS,
    stream=MinifinderCodec,
    aliases=("minifinder2", "eview"),
    lost_after_s=BEATS_LOST_S,
    first_bytes=(b"\xab",),
    commands=COMMANDS,
    hint_zh="用厂家工具或短信把服务器地址和端口设为本机（例：IP1,1,地址,端口），设备编号填 15 位 IMEI，先登记再开机。"
    "按住 SOS 直到振动，30 秒内应收到；再做一次跌倒测试。",
    hint_en="Set this gateway as the server with the maker's tool or by text message (for example "
    "IP1,1,ADDRESS,PORT); the device id is the 15-digit IMEI; register it first. Hold SOS until it vibrates: it must "
    "arrive within 30 s. Then try a fall.",
)
