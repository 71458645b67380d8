"""EMFIT QS under-mattress sensor by its page in the local network: bed, heart and breathing rate."""

from __future__ import annotations

from device_drivers.codec import Driver
from device_drivers.emfit.codec import EmfitCodec

__all__ = ["DRIVER", "EmfitCodec"]

DRIVER = Driver(
    family="emfit",
    title_zh="EMFIT QS 床垫下传感器（本地网页）",
    title_en="EMFIT QS under-mattress sensor (local page)",
    signal_lost_after_s=300.0,
    signals=("bed_occupancy", "heart_rate", "respiratory_rate"),
    on_serial_lines=False,
    stream=EmfitCodec,
    show_all={"show_all": True},
    aliases=("emfit_qs",),
    hint_zh="传感带放在胸部下方的床垫下。给设备固定的 IP 地址，url 写 http://<IP>/dvmstatus.htm；躺下一分钟后才有心率。",
    hint_en=(
        "The strip lies below the chest, under the mattress. Give the device a fixed address; url is "
        "http://<address>/dvmstatus.htm. Heart rate appears after lying still for about a minute."
    ),
)
