"""Processor microseconds to decode one second of one wearable: 50 x 3 acceleration, heart rate, battery. A script."""

from __future__ import annotations

import json
import platform
import time

import numpy as np

from device_drivers.yinling_wearable import (
    Block,
    Measured,
    WearableFrame,
    WearableMessageCodec,
    WearableStreamCodec,
    encode_frame,
    encode_serial,
    up_topic,
)

START_NS = 1_800_000_000 * 10**9


def frames(count: int, *, utc: bool) -> list[WearableFrame]:
    counts = np.random.default_rng(1).normal(0, 2000, (50, 3)).astype("<i2").tobytes()
    block = Block(50.0, 8.0, 8.0, counts)
    return [
        WearableFrame(
            7,
            second,
            START_NS // 1000 + second * 1_000_000,
            utc=utc,
            accel=block,
            heart_rate=Measured(72.0),
            battery=Measured(80.0),
        )
        for second in range(count)
    ]


def microseconds_by_message(count: int, *, utc: bool) -> float:
    payloads = [encode_frame(frame) for frame in frames(count, utc=utc)]
    codec, topic = WearableMessageCodec(), up_topic("w1")
    found = 0
    begin = time.thread_time()
    for second, payload in enumerate(payloads):
        found += len(codec.feed(topic, payload, START_NS + (second + 2) * 10**9))
    spent = time.thread_time() - begin
    assert found == 3 * count
    return spent / count * 1e6


def microseconds_by_line(count: int) -> float:
    packets = [encode_serial(frame) for frame in frames(count, utc=True)]
    codec = WearableStreamCodec("w1")
    found = 0
    begin = time.thread_time()
    for second, packet in enumerate(packets):
        found += len(codec.feed(packet, START_NS + (second + 2) * 10**9))
    spent = time.thread_time() - begin
    assert found == 3 * count
    return spent / count * 1e6


def main() -> None:
    """Best of seven, as one line of JSON."""
    count = 20_000
    result = {
        "python": platform.python_version(),
        "mqtt_utc_us": round(min(microseconds_by_message(count, utc=True) for _ in range(7)), 2),
        "mqtt_boot_time_us": round(min(microseconds_by_message(count, utc=False) for _ in range(7)), 2),
        "serial_us": round(min(microseconds_by_line(count) for _ in range(7)), 2),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
