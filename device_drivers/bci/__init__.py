"""Five-byte ("BCI") finger oximeters: Berry 贝瑞 BM1000 and others, Contec 康泰 CMS50D, D+ and E with old firmware."""

from __future__ import annotations

from device_drivers.bci.codec import BciCodec
from device_drivers.codec import Driver, Line

__all__ = ["DRIVER", "BciCodec"]

DRIVER = Driver(
    family="bci",
    title_zh="五字节（BCI）协议指夹血氧仪（贝瑞、康泰旧款）",
    title_en="Five-byte (BCI) finger oximeters (Berry, older Contec)",
    signals=("heart_rate", "spo2", "worn"),
    stream=BciCodec,
    baud=115_200,
    more_lines=(Line(19_200, "odd", {"maker": "contec"}), Line(19_200, "none", {"maker": "contec"})),
    aliases=("bci_5byte",),
    hint_zh=(
        "贝瑞：115200 波特。康泰旧款：baud = 19200，奇校验（parity = odd），并设置 maker = contec，否则标志位含义不同。"
        "手指插入后约 3 秒开始有可信数值。固件 4.6 以上的康泰请用 contec。"
    ),
    hint_en=(
        "Berry: 115,200 baud. Older Contec: baud = 19200, parity = odd, and set maker = contec, because its flags mean "
        "other things. Values count from about 3 s after the finger was put in. Contec from firmware 4.6: `contec`."
    ),
    show_all={"interval_s": 0, "settle_s": 0},
)
