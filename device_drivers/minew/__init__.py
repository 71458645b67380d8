"""Minew G1, G2, MG3 and MG4: gateways that publish the Bluetooth tags, pendants and sensors they hear, over MQTT."""

from __future__ import annotations

from device_drivers.ble.options import SHOW_ALL
from device_drivers.ble.reader import SIGNALS_GIVEN
from device_drivers.codec import Driver
from device_drivers.minew.codec import MinewCodec

__all__ = ["DRIVER", "MinewCodec"]


def _account_topics(_device_id: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """A gateway publishes all that it hears below the default topic."""
    return ("/gw/#",), ()


DRIVER = Driver(
    lost_after_s=3600.0,
    family="minew",
    title_zh="云里物里蓝牙网关（B10 呼救吊坠、温湿度标签、信标、BTHome）",
    title_en="Minew Bluetooth gateways (B10 call pendant, sensor tags, beacons, BTHome)",
    signals=("online", *SIGNALS_GIVEN),
    message=MinewCodec,
    account_topics=_account_topics,
    aliases=("minew_mqtt",),
    secrets=("bindkeys",),
    hint_zh="网关上报 JSON 到 MQTT 主题 /gw/<MAC>/status，并把白名单设为您的标签。B10 呼救吊坠：把 iBeacon 槽位设为"
    "按键触发，实按一次确认收到呼救，并把它的 MAC 写入 help_buttons。网关断电后整层失去呼救：请把网关也登记为设备。",
    hint_en="Let the gateway publish JSON to /gw/<mac>/status, with your own tags on its filter list. B10 pendant: set "
    "its iBeacon slot to be triggered by the button, press it once and see the call; list its address in help_buttons. "
    "A gateway without power takes every pendant with it: register the gateway as a device too.",
    show_all=SHOW_ALL,
)
