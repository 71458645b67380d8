"""Hi-Link 24 GHz presence radars LD2410 and LD2450: somebody is there, and where. They detect no falls.

The PyPI package aio-ld2410 is not used: it owns the serial port and an event loop, whereas our codecs do no I/O; it
knows only the LD2410, and brings `construct` along for what are two small tables.
"""

from __future__ import annotations

from device_drivers.codec import Driver, Line
from device_drivers.ld24xx.ld2410 import Ld2410Codec
from device_drivers.ld24xx.ld2450 import Ld2450Codec

__all__ = ["LD2410", "LD2450", "Ld2410Codec", "Ld2450Codec"]

_SHOW_ALL = {"hold_s": 0, "interval_s": 0, "repeat_s": 0}
_HINT_ZH = (
    "默认 256000 波特：部分转换器和主板串口不支持，会完全收不到数据；可用厂家工具改为 115200 并设置 baud。"
    "避开窗帘、风扇和空调出风口，否则会误报有人。不能检测跌倒。"
)
_HINT_EN = (
    "256,000 baud by default: some adapters and boards cannot, and then nothing at all arrives; set 115200 with the "
    "vendor's tool and in `baud`. Keep curtains, fans and air outlets out of sight: they look like people. No falls."
)

LD2410 = Driver(
    family="ld2410",
    title_zh="海凌科 LD2410 人体存在雷达",
    title_en="Hi-Link LD2410 presence radar",
    signals=("presence", "motion", "distance"),
    stream=Ld2410Codec,
    baud=256_000,
    more_lines=(Line(115_200), Line(9_600)),
    aliases=("hlk_ld2410", "ld2410b", "ld2410c"),
    hint_zh=_HINT_ZH,
    hint_en=_HINT_EN,
    show_all=_SHOW_ALL,
)

LD2450 = Driver(
    family="ld2450",
    title_zh="海凌科 LD2450 多目标定位雷达",
    title_en="Hi-Link LD2450 tracking radar",
    signals=("presence", "target_count", "distance", "position_x", "position_y", "radial_speed"),
    stream=Ld2450Codec,
    baud=256_000,
    more_lines=(Line(115_200), Line(9_600)),
    aliases=("hlk_ld2450", "rd03d", "rd_03d"),
    hint_zh=_HINT_ZH,
    hint_en=_HINT_EN,
    show_all=_SHOW_ALL,
)
