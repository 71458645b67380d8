"""Nonin oximeters: OEM III, Xpod 3012LP, 9560, desk units; serial formats 2, 7, 8, 13 and lines of text."""

from __future__ import annotations

from device_drivers.codec import Driver
from device_drivers.nonin.codec import NoninCodec

__all__ = ["DRIVER", "NoninCodec"]

DRIVER = Driver(
    family="nonin",
    title_zh="Nonin 血氧仪（串口格式 2、7、8、13）",
    title_en="Nonin pulse oximeters (serial formats 2, 7, 8, 13)",
    signals=("heart_rate", "spo2", "worn", "battery_low"),
    stream=NoninCodec,
    baud=9_600,
    hint_zh=(
        "9600 波特，格式自动识别。Xpod 为 USB（FTDI）。"
        "9560 为蓝牙串口：连接后 5 秒内可切换格式（format = 8 最适合连续监测）；"
        "换电池后时钟会丢失，请设 set_clock = true。"
    ),
    hint_en=(
        "9,600 baud; the format is found by itself. Xpod is USB (FTDI). A 9560 (Bluetooth SPP) changes its format only "
        "within 5 s after connecting: format = 8 is best for continuous use. It loses its clock with the batteries: "
        "set_clock = true."
    ),
    show_all={"interval_s": 0, "settle_s": 0},
)
