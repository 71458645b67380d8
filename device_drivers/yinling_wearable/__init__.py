"""Driver for wearables that speak our own open wire protocol (docs/wire-protocol.md), over MQTT and serial."""

from __future__ import annotations

from device_drivers.codec import Driver
from device_drivers.yinling_wearable.codec import (
    FAMILY,
    WearableMessageCodec,
    WearableStreamCodec,
    encode_serial,
    online_topic,
    up_topic,
)
from device_drivers.yinling_wearable.frame import (
    MAX_FRAME,
    Block,
    FrameError,
    Measured,
    Press,
    WaveBlock,
    WearableFrame,
    decode_frame,
    encode_frame,
)

DRIVER = Driver(
    family=FAMILY,
    title_zh="银龄可穿戴设备（开放协议）",
    title_en="Yinling wearable (open protocol)",
    signal_lost_after_s=120.0,
    signals=(
        "accel",
        "gyro",
        "pulse_wave",
        "bed_wave",
        "heart_rate",
        "spo2",
        "skin_temperature",
        "respiratory_rate",
        "battery",
        "battery_voltage",
        "worn",
        "charging",
        "device_fault",
        "help_button",
        "online",
    ),
    stream=lambda device_id, _options: WearableStreamCodec(device_id),
    message=lambda _options: WearableMessageCodec(),
    hint_zh="登记时得到 MQTT 密码（只显示一次），写入设备。按键、摘下再戴上、走出范围再回来各测一次。"
    "密码不对时设备连不上：重新生成密码。",
    hint_en="Registering it gives its MQTT password, shown once: put it into the device. Then press the button, take "
    "it off and put it on, walk out of reach and back. A wrong password keeps it out: make a new one.",
    account_topics=lambda device_id: ((up_topic(device_id), online_topic(device_id)), ()),
)

__all__ = [
    "DRIVER",
    "MAX_FRAME",
    "Block",
    "FrameError",
    "Measured",
    "Press",
    "WaveBlock",
    "WearableFrame",
    "WearableMessageCodec",
    "WearableStreamCodec",
    "decode_frame",
    "encode_frame",
    "encode_serial",
    "online_topic",
    "up_topic",
]
