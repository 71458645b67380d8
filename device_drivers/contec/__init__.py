"""Contec 康泰 oximeters with protocol V7.0: CMS50D+ from firmware 4.6, CMS50E, F, I, CMS50FW, EW, CMS60."""

from __future__ import annotations

from device_drivers.codec import Driver
from device_drivers.contec.codec import ContecCodec

__all__ = ["DRIVER", "ContecCodec"]

DRIVER = Driver(
    family="contec",
    title_zh="康泰血氧仪（V7.0 协议）",
    title_en="Contec pulse oximeters (protocol V7.0)",
    signals=("heart_rate", "spo2", "perfusion_index", "worn"),
    stream=ContecCodec,
    baud=115_200,
    aliases=("contec_v7",),
    hint_zh=(
        "USB（CP210x）或蓝牙串口，115200 波特。网关会自动启动并每 5 秒发送保活。"
        "无数据时多为旧固件：请改用 bci（19200、奇校验、maker = contec）。"
    ),
    hint_en=(
        "USB (CP210x) or Bluetooth SPP, 115,200 baud. The gateway starts it and keeps it awake every 5 s. If nothing "
        "comes, it is mostly old firmware: use `bci` (19200, parity odd, maker = contec)."
    ),
    show_all={"interval_s": 0, "settle_s": 0},
)
