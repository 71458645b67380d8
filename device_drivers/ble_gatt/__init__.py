"""Bluetooth health meters by their standard characteristics, as a gateway forwards the raw values over MQTT."""

from __future__ import annotations

from device_drivers.ble_gatt.codec import GattCodec
from device_drivers.codec import Driver

__all__ = ["DRIVER", "GattCodec"]


def _account_topics(_device_id: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """A gateway publishes the values of all its meters below the default topic."""
    return ("ble_gatt/#",), ()


DRIVER = Driver(
    lost_after_s=float("inf"),
    family="ble_gatt",
    title_zh="蓝牙健康仪器（标准 GATT：心率、血氧、血压、体温、血糖、体重）",
    title_en="Bluetooth health meters (standard GATT: heart rate, oxygen, pressure, temperature, glucose, weight)",
    signals=(
        *("heart_rate", "worn", "rr_interval", "energy_expended", "spo2", "perfusion_index", "systolic_pressure"),
        *("diastolic_pressure", "mean_arterial_pressure", "body_temperature", "skin_temperature", "blood_glucose"),
        *("body_weight", "body_mass_index", "body_height", "battery", "battery_low"),
    ),
    message=GattCodec,
    account_topics=_account_topics,
    hint_zh="让网关把特征值原始字节发布到 ble_gatt/<设备>/<特征>，例如 ble_gatt/A4C138112233/2A35。先校准仪器时钟："
    "旧记录按仪器时间入库，只作历史。血压、血糖仅在测量后发送一次，可能延迟数分钟。欧姆龙血压计多用自有协议，不适用。",
    hint_en="Let the gateway publish the raw bytes of each value to ble_gatt/<device>/<characteristic>, for example "
    "ble_gatt/A4C138112233/2A35. Set the meter's clock first: old records are history by its time. Pressure and "
    "glucose come once, often minutes late. Omron cuffs mostly speak a protocol of their own and do not fit.",
)
