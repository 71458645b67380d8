"""Zigbee2MQTT: call buttons, door, motion, smoke, gas and water sensors, fall radars and bed pads, over MQTT."""

from __future__ import annotations

from device_drivers.codec import Driver
from device_drivers.zigbee2mqtt.codec import Zigbee2MqttCodec
from device_drivers.zigbee2mqtt.tables import SIGNALS_GIVEN

__all__ = ["DRIVER", "Zigbee2MqttCodec"]


def _account_topics(device_id: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The bridge, `<base>/bridge`, has the account of all its devices: everything below its base topic."""
    if "/" in device_id and not device_id.endswith("/bridge"):
        return (), ()
    everything = (f"{device_id.removesuffix('/bridge')}/#",)
    return everything, everything


DRIVER = Driver(
    lost_after_s=26 * 3600.0,
    family="zigbee2mqtt",
    title_zh="Zigbee2MQTT 网关（呼救按钮、门磁、人体、烟雾、燃气、水浸、跌倒雷达、床垫）",
    title_en="Zigbee2MQTT bridge (call buttons, doors, motion, smoke, gas, water, fall radars, bed pads)",
    signals=SIGNALS_GIVEN,
    message=Zigbee2MqttCodec,
    account_topics=_account_topics,
    aliases=("z2m",),
    hint_zh="在 Zigbee2MQTT 中设 last_seen: ISO_8601；桥登记为 zigbee2mqtt/bridge，其密码写入它的设置。"
    "设备登记为 zigbee2mqtt/<名称>。每个按钮实按一次：有的仿制品能配对但不发送。床垫须躺上确认极性并写入 bed_contact。",
    hint_en="In Zigbee2MQTT set last_seen: ISO_8601; register the bridge as zigbee2mqtt/bridge and put its password "
    "into its settings, each device as zigbee2mqtt/<name>. Press each call button: some clones pair but never send. "
    "Lie on each bed pad and set its polarity in bed_contact.",
)
