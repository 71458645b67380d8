"""ESPresense: an ESP32 in each room tells how far away the tags it hears are, and so in which room a person is."""

from __future__ import annotations

from device_drivers.codec import Driver
from device_drivers.espresense.codec import EspresenseCodec

__all__ = ["DRIVER", "EspresenseCodec"]


def _account_topics(_device_id: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Every node publishes what it hears of every tag, and reads the settings that are common to all."""
    return ("espresense/#", "homeassistant/#"), ("espresense/#",)


DRIVER = Driver(
    lost_after_s=26 * 3600.0,
    family="espresense",
    title_zh="ESPresense 房间定位（每个房间一块 ESP32）",
    title_en="ESPresense room presence (one ESP32 in each room)",
    signals=(
        *("room", "distance", "signal_strength", "battery", "battery_voltage", "room_temperature", "humidity"),
        *("occupancy", "online"),
    ),
    message=EspresenseCodec,
    account_topics=_account_topics,
    hint_zh="每个房间一块 ESP32，房间名即主题最后一级。给佩戴者 iBeacon 标签并写入 devices：手机地址会变，人会“消失”。"
    "装好后在各房间停留一分钟，检查 room 是否正确；相邻房间误判时调整节点位置或 1 米功率。",
    hint_en="One ESP32 in each room; the room is the last level of the topic. Give the person an iBeacon tag and name "
    "it in devices: addresses of phones change, and the person would vanish. Then stay a minute in every room and "
    "check the room signal; where neighbours are mixed up, move the nodes or set the power at one metre.",
)
