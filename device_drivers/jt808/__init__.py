"""JT/T 808: the Chinese standard for position terminals, also spoken by "GB" watches and some bracelets, over TCP."""

from __future__ import annotations

from device_drivers.codec import BEATS_LOST_S, Driver
from device_drivers.jt808.codec import COMMANDS, SIGNALS, Jt808Codec

__all__ = ["DRIVER", "Jt808Codec"]

DRIVER = Driver(
    family="jt808",
    title_zh="JT/T 808（部标）定位手表和终端",
    title_en="JT/T 808 watches and position terminals",
    signals=SIGNALS,
    stream=Jt808Codec,
    aliases=(
        "jt_t_808",
        "jt_808",
    ),
    lost_after_s=BEATS_LOST_S,
    first_bytes=(b"\x7e",),
    commands=COMMANDS,
    hint_zh="用厂家工具设置服务器地址和端口。设备编号填终端手机号（12 位，可省前导零）或 IMEI，先登记再开机。按 SOS，"
    "30 秒内应收到。心率、跌倒等为厂家自定义项，标准未规定：向厂家要编号后写入选项 items。",
    hint_en="Set the server with the maker's tool. The device id is the terminal's telephone number (12 digits, "
    "leading zeros may be left out) or its IMEI; register it first. Press SOS: it must arrive within 30 s. Pulse and "
    "fall are items of the maker's own: ask the maker for their numbers and put them into the option items.",
)
