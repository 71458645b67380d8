"""Zigbee2MQTT: call buttons, door, motion, smoke, gas and water sensors, fall radars and bed pads, over MQTT."""

from __future__ import annotations

from device_drivers.codec import Driver
from device_drivers.zigbee2mqtt.codec import Zigbee2MqttCodec
from device_drivers.zigbee2mqtt.tables import SIGNALS_GIVEN

__all__ = ["DRIVER", "Zigbee2MqttCodec"]


def _account_topics(device_id: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The bridge has the account of all its devices: everything below its base topic."""
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
)
