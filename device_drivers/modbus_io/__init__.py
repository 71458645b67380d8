"""Modbus input modules (RTU or TCP): bed-exit mats, pull cords and nurse calls as dry contacts."""

from __future__ import annotations

from device_drivers.codec import Driver, Line
from device_drivers.modbus_io.codec import ModbusIoCodec

__all__ = ["DRIVER", "ModbusIoCodec"]

DRIVER = Driver(
    family="modbus_io",
    title_zh="Modbus 开关量输入模块（离床垫、拉绳、护理呼叫等干接点）",
    title_en="Modbus input modules (bed-exit mats, pull cords, nurse calls as dry contacts)",
    signals=(),
    stream=ModbusIoCodec,
    baud=9_600,
    more_lines=(Line(9_600, "even"), Line(19_200, "even"), Line(19_200)),
    show_all={"show_all": True},
    aliases=("modbus",),
    hint_zh="先逐个触发每个接点，确认输入编号和常开/常闭；断线后应报设备故障或安全一侧的状态。拉绳尽量用自保持型。",
    hint_en=(
        "Work each contact once and see which input it is, and whether it opens or closes. Cut the wire once: the "
        "state must be the safe one. Prefer pull cords that stay pulled until they are reset."
    ),
)
