"""Shelly BLU buttons, doors and motion sensors, and all of BTHome version 2, relayed over MQTT by a Shelly's script."""

from __future__ import annotations

from device_drivers.ble.options import SHOW_ALL
from device_drivers.ble.reader import SIGNALS_GIVEN
from device_drivers.bthome.codec import BthomeCodec
from device_drivers.codec import Driver

__all__ = ["DRIVER", "BthomeCodec"]


def _account_topics(_device_id: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """A relay publishes all that it hears below the default topic."""
    return ("bthome/#",), ()


DRIVER = Driver(
    lost_after_s=26 * 3600.0,
    family="bthome",
    title_zh="BTHome / Shelly BLU（按钮、门窗、人体、温湿度），由 Shelly 继电器转发",
    title_en="BTHome and Shelly BLU (buttons, doors, motion, climate), relayed by Shelly devices",
    signals=SIGNALS_GIVEN,
    message=BthomeCodec,
    account_topics=_account_topics,
    aliases=("shelly_blu",),
    secrets=("bindkeys",),
    hint_zh="在 Shelly（第二代及以上）上运行转发脚本，把 addr、rssi、data 发布到 bthome/ 之下的主题。呼救按钮的地址写入"
    " help_buttons，否则只当普通按钮；实按一次确认。加密设备需在 bindkeys 中填写 32 位密钥。",
    hint_en="Run the relay script on a Shelly of generation 2 or later, publishing addr, rssi and data below bthome/. "
    "List call buttons in help_buttons: any other button only reports that it was pressed; press each once. Encrypted "
    "devices need their key of 32 digits in bindkeys.",
    show_all=SHOW_ALL,
)
