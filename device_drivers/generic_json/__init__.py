"""Any device that sends JSON over MQTT, by a mapping in the settings; with Alink and Huawei IoTDA device models."""

from __future__ import annotations

from device_drivers.codec import Driver
from device_drivers.generic_json.codec import GenericJsonCodec
from device_drivers.generic_json.mapping import MappingError

__all__ = ["DRIVER", "GenericJsonCodec", "MappingError"]


def _account_topics(device_id: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """A device's own branch below `json/`, and the platform topics of its id (`<product key>/<device name>`)."""
    own = (f"json/{device_id}/#", f"/sys/{device_id}/#", f"$oc/devices/{device_id}/#")
    return own, own


DRIVER = Driver(
    lost_after_s=26 * 3600.0,
    family="generic_json",
    title_zh="任意 JSON 设备（按配置映射；阿里 Alink、华为 IoTDA 物模型）",
    title_en="Any JSON device (by a mapping in the settings; Alink and Huawei IoTDA device models)",
    signals=(),
    message=GenericJsonCodec,
    account_topics=_account_topics,
    aliases=("json", "alink", "iotda"),
    hint_zh="先用 yinling decode generic_json 和一条真实报文核对映射，再投入使用。单位、无效值和时间字段最容易写错。",
    hint_en=(
        "Check the mapping with `yinling decode generic_json` and a message of the real device before use. Units, "
        'codes for "no value" and the field of time are what goes wrong most often.'
    ),
)
