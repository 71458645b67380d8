"""What must be true of the story that `scenario.py` tells, whichever Python ran it."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np

from device_drivers.observations import DeviceEvent, Quality, Reading, Samples
from device_drivers.yinling_wearable import (
    Measured,
    Press,
    WaveBlock,
    WearableFrame,
    WearableMessageCodec,
    WearableStreamCodec,
    decode_frame,
)

UTC_NS = 1_800_000_000_000_000_000
SET_AT_US = 5_000_000
BASE_NS = 1_799_999_995_000_000_000


def check_sections(live_hex: str, stored_hex: str) -> None:
    live, stored = decode_frame(bytes.fromhex(live_hex)), decode_frame(bytes.fromhex(stored_hex))
    assert live.accel is not None
    assert live.gyro is not None
    assert live.accel[:3] == (50.0, 8.192, 8.0)
    assert live.accel.counts == bytes(range(12))
    assert live.gyro == (25.0, 2000.0, 2000.0, bytes(range(100, 106)))
    accel, gyro = live.accel, live.gyro
    assert live == WearableFrame(
        boot=0xFFFFFFFE,
        sequence=0x80000001,
        time_us=UTC_NS // 1000 + 1,
        utc=True,
        accel=accel,
        gyro=gyro,
        pulse_wave=WaveBlock(25.0, 2, bytes(range(200, 208)), Quality.POOR),
        bed_wave=WaveBlock(100.0, 1, b"\x00\x80\xff\x7f"),
        heart_rate=Measured(72.5),
        spo2=Measured(97.5, Quality.POOR),
        skin_temperature=Measured(None, Quality.NO_CONTACT),
        battery=Measured(100.0),
        battery_voltage=Measured(4100.0),
        respiratory_rate=Measured(None),
        worn=True,
        charging="unknown",
        fault="firmware",
        presses=(Press(1, -2000), Press(2, 999)),
        identity="band 1.0",
    )
    assert live.problems == ()
    live.stored = True
    assert stored == live


def check_mqtt(day: dict[str, Any]) -> None:
    """Live, lost, kept, late: the driver's view of two minutes with an outage of 40 s and a silent broker of 3 s."""
    codec = WearableMessageCodec()
    found: list[Any] = []
    for now_us, data in day["sent"]:
        found += codec.feed("yinling/test/up", bytes.fromhex(data), BASE_NS + now_us * 1000)
    assert set(codec.health.rejected) <= {"duplicate"}
    assert [note.fields["text"] for note in codec.notes] == ["test 1.0"]
    _check_samples([o for o in found if isinstance(o, Samples)])
    presses = [o for o in found if isinstance(o, DeviceEvent) and o.signal == "help_button"]
    first = {o.token: o for o in reversed(presses) if not o.stored}
    assert set(first) == {"2712847316:1", "2712847316:2"}
    early, late = first["2712847316:1"], first["2712847316:2"]
    assert abs(early.at_ns - (BASE_NS + 9_910_000_000)) < 2_000_000
    assert early.received_ns - early.at_ns < 200_000_000
    assert abs(late.at_ns - (BASE_NS + 39_910_000_000)) < 2_000_000, "pressed in the outage, told live after it"
    assert late.received_ns == BASE_NS + 70_000_000_000
    live = Counter(o.token for o in presses if not o.stored)
    assert live["2712847316:1"] == 1, "acknowledged once, not repeated"
    assert {o.value for o in found if isinstance(o, DeviceEvent) and o.signal == "device_fault"} == {"none", "hardware"}
    assert [o.value for o in found if isinstance(o, Reading) and o.signal == "battery"] == [70.0, 70.0]
    assert day["dropped"] > 0, "the outbox is bounded"
    assert day["left"] == 0
    assert day["presses"] == 2


def _check_samples(blocks: list[Samples]) -> None:
    assert all(block.full_scale == 8.0 and block.rate_hz == 50.0 for block in blocks[5:6])
    assert len({(block.sequence, block.stored) for block in blocks}) == len(blocks)
    stored = [block for block in blocks if block.stored]
    assert 10 <= len(stored) <= 35
    steps = np.unique(np.concatenate([block.values[:, 2] for block in blocks]))
    np.testing.assert_allclose(steps, [4000 * 8.192 / 32768], rtol=1e-6)
    for block in blocks:
        if block.at_ns - BASE_NS - 2_000_000_000 > SET_AT_US * 1000:
            # sample n was taken at n / 50 s and shows n % 100 in x
            at_s = (block.at_ns - BASE_NS) / 1e9
            shown = round(float(block.values[0, 0]) / (16 * 8.192 / 32768))
            expected = at_s * 50
            assert abs((shown - expected + 50) % 100 - 50) < 1.6, (block.at_ns, shown, expected)


def check_pulse(sent: list[tuple[int, str]]) -> None:
    """The wave goes in the frames of the acceleration, at its own rate and true time, with what can be said of it."""
    codec = WearableMessageCodec()
    found: list[Any] = []
    for now_us, data in sent:
        found += codec.feed("yinling/test/up", bytes.fromhex(data), UTC_NS + now_us * 1000)
    assert set(codec.health.rejected) == set()
    waves = [o for o in found if isinstance(o, Samples) and o.signal == "pulse_wave"]
    accel = {o.at_ns for o in found if isinstance(o, Samples) and o.signal == "accel"}
    assert {o.at_ns for o in waves} <= accel, "one frame, one time"
    assert 30 <= len(waves) <= 36
    assert all(block.values.shape[1] == 2 and abs(block.rate_hz - 25.5) < 0.55 for block in waves)
    assert {len(block.values) for block in waves} <= {24, 25, 26, 27}
    for block in waves:
        at_s = (block.at_ns - UTC_NS) / 1e9
        number = float(block.values[0, 1]) * 32768 / 16
        assert abs(number - at_s * 1e6 / 39216) < 0.7, (at_s, number)
        steps = np.diff(block.values[:, 1] * 32768)
        assert (steps == 16).all(), "no sample is missing within a block"
        whole = at_s + len(block.values) / 25.5
        if whole < 9.9 or (at_s > 10.1 and whole < 19.9) or at_s > 20.1:
            expected = Quality.NO_CONTACT if at_s < 9 else Quality.GOOD if at_s < 19 else Quality.POOR
            assert block.quality is expected, at_s
    joined = [(b.at_ns - a.at_ns) / 1e9 - len(a.values) / 25.5 for a, b in pairwise(waves)]
    assert sum(abs(hole) > 0.05 for hole in joined) <= 2, "only where it was unplugged"
    faults = [o for o in found if isinstance(o, DeviceEvent) and o.signal == "device_fault"]
    broken = [(o.received_ns - UTC_NS) / 1e9 for o in faults if o.value == "hardware"]
    assert broken
    assert 29 < min(broken) < 32
    assert 32 < max(broken) < 35
    assert faults[-1].value == "none"
    presses = [o for o in found if isinstance(o, DeviceEvent) and o.signal == "help_button"]
    assert len({o.token for o in presses}) == 1


def check_uart(day: dict[str, Any], cobs: list[tuple[str, str]]) -> None:
    stuffed = dict(cobs)
    assert len(stuffed) == len(cobs)
    codec = WearableStreamCodec("test")
    from device_drivers import cobs as ours

    for plain, line in cobs:
        assert bytes.fromhex(line) == ours.encode(bytes.fromhex(plain)) + b"\x00"
    found: list[Any] = []
    for now_us, data in day["sent"]:
        found += codec.feed(ours.encode(bytes.fromhex(data)) + b"\x00", BASE_NS + now_us * 1000)
    live = Counter(o.token for o in found if isinstance(o, DeviceEvent) and o.signal == "help_button" and not o.stored)
    assert live["2712847316:1"] >= 10, "repeated for ten seconds where nothing is acknowledged"
