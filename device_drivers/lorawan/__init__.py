"""LoRaWAN by MQTT through ChirpStack or The Things Stack: Milesight and Dragino call buttons, radars, doors, motion."""

from __future__ import annotations

from device_drivers.codec import Driver
from device_drivers.lorawan import dragino, milesight_meaning
from device_drivers.lorawan.codec import ChirpStackCodec, LorawanCodec, ThingsStackCodec

__all__ = ["CHIRPSTACK", "THETHINGS", "ChirpStackCodec", "LorawanCodec", "ThingsStackCodec"]

_SIGNALS = tuple(dict.fromkeys((*milesight_meaning.SIGNALS_GIVEN, *dragino.SIGNALS_GIVEN, "signal_strength", "online")))
_HINT_ZH = "按一次每个按钮、在每个雷达下躺一次，确认网关收到。型号写入服务器的设备标签 model，或写入选项 models。"
_HINT_EN = (
    "Press each button and lie down under each radar once. Tell the model by the tag `model` of the device in the "
    "network server, or in the option `models`: without it doors and motion sensors cannot be told apart."
)


def _bridge_topics(_device_id: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The bridge to the server's broker has one account for all its devices."""
    return ("v3/#",), ("v3/#",)


def _account_topics(_device_id: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The network server has the account of all its devices."""
    everything = ("application/#",)
    return everything, everything


CHIRPSTACK = Driver(
    lost_after_s=26 * 3600.0,
    family="chirpstack",
    title_zh="LoRaWAN 设备（ChirpStack 服务器）",
    title_en="LoRaWAN devices (ChirpStack server)",
    signals=_SIGNALS,
    message=ChirpStackCodec,
    account_topics=_account_topics,
    aliases=("lorawan", "lorawan_milesight", "lorawan_dragino", "milesight", "dragino"),
    hint_zh=f"在 ChirpStack 中把 MQTT 集成的编码设为 JSON。{_HINT_ZH}",
    hint_en=f"Set ChirpStack's MQTT integration to JSON. {_HINT_EN}",
)
THETHINGS = Driver(
    lost_after_s=26 * 3600.0,
    family="thethings",
    title_zh="LoRaWAN 设备（The Things Stack 服务器）",
    title_en="LoRaWAN devices (The Things Stack server)",
    signals=_SIGNALS,
    message=ThingsStackCodec,
    account_topics=_bridge_topics,
    aliases=("ttn",),
    hint_zh=f"用户名为 应用@租户，密码为 API 密钥；需要互联网，断网时收不到报警。{_HINT_ZH}",
    hint_en=(
        "User name is <application>@<tenant>, the password an API key. The cloud must be reachable: alarms do not come "
        f"through while the internet is down. {_HINT_EN}"
    ),
)
