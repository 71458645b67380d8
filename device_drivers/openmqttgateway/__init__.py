"""OpenMQTTGateway and Theengs Gateway: ESP32 boards and computers that publish what Bluetooth devices they hear."""

from __future__ import annotations

from device_drivers.ble.options import SHOW_ALL
from device_drivers.ble.reader import SIGNALS_GIVEN
from device_drivers.codec import Driver
from device_drivers.openmqttgateway.codec import OpenMqttGatewayCodec

__all__ = ["DRIVER", "OpenMqttGatewayCodec"]


def _account_topics(device_id: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """A gateway, `<base>/<gateway>/bridge`, has the account of all the devices that it hears."""
    if not device_id.endswith("/bridge"):
        return (), ()
    everything = (f"{device_id.removesuffix('/bridge')}/#",)
    return everything, everything


DRIVER = Driver(
    lost_after_s=26 * 3600.0,
    family="openmqttgateway",
    title_zh="OpenMQTTGateway / Theengs 蓝牙网关（标签、按钮、体重秤、温湿度计）",
    title_en="OpenMQTTGateway and Theengs Bluetooth gateways (tags, buttons, scales, sensors)",
    signals=("online", *SIGNALS_GIVEN, "body_temperature", "heart_rate", "steps"),
    message=OpenMqttGatewayCodec,
    account_topics=_account_topics,
    aliases=("theengs", "omg", "ble_adv"),
    secrets=("bindkeys",),
    hint_zh="在网关设置中打开原始广播数据（pubadvdata），按钮才能去重。呼救按钮的地址写入 help_buttons，并实按一次。"
    "手机的随机地址会淹没列表：用 devices 只留自己的设备。网关离线即失去呼救通道：请登记 home/<网关名>/bridge。",
    hint_en="Let the gateway publish raw advertisements (pubadvdata), without which one press of a button cannot be "
    "told from the next. List call buttons in help_buttons and press each once. Phones with random addresses flood the "
    "list: name your own devices in devices. Register home/<gateway>/bridge: when it is down, so is every call's way.",
    show_all=SHOW_ALL,
)
