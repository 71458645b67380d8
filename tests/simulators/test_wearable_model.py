"""The simulated wearable, seen by the driver; and the load generator's payloads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from device_drivers.observations import DeviceEvent, Quality, Reading, Samples
from device_drivers.yinling_wearable import WearableMessageCodec
from simulators.motion import Activity, BodyMotion, Recording
from simulators.wearable import MAX_CATCH_UP, STORED_FRAMES, WearableModel, counts_of
from simulators.wearable_load import make_payloads

START = 1_800_000_000 * 10**9
SECOND = 10**9


def model(**options: Any) -> WearableModel:
    return WearableModel("w1", np.random.default_rng(1), start_ns=START, **options)


def heard(messages: Sequence[tuple[str, bytes]], now_ns: int, codec: WearableMessageCodec | None = None) -> list[Any]:
    codec = codec or WearableMessageCodec()
    found = [o for topic, payload in messages for o in codec.feed(topic, payload, now_ns)]
    assert not codec.health.rejected
    return found


def test_a_minute_of_frames_without_gap() -> None:
    device, codec, found = model(motion=BodyMotion(np.random.default_rng(7))), WearableMessageCodec(), []
    for tenth in range(601):
        now = START + tenth * SECOND // 10
        found += heard(device.due(now), now, codec)
    blocks = [o for o in found if isinstance(o, Samples)]
    assert [o.sequence for o in blocks] == list(range(60))
    assert [o.at_ns for o in blocks] == [START + second * SECOND for second in range(60)]
    assert all(o.values.shape == (50, 3) and o.rate_hz == 50.0 and o.full_scale == 8.0 for o in blocks)
    twin = BodyMotion(np.random.default_rng(7)).take(50)
    np.testing.assert_allclose(blocks[0].values, twin, atol=8 / 32768)
    rates = [o for o in found if isinstance(o, Reading) and o.signal == "heart_rate"]
    assert len(rates) == 60
    assert all(o.value is not None and 50 < o.value < 110 for o in rates)


def test_the_same_seed_sends_the_same_bytes_however_it_is_asked() -> None:
    often, seldom = model(), model()
    by_tenths = [m for tenth in range(201) for m in often.due(START + tenth * SECOND // 10)]
    assert by_tenths == seldom.due(START + 20 * SECOND)


def test_a_jump_of_the_clock_does_not_flood() -> None:
    device = model()
    assert len(device.due(START + MAX_CATCH_UP * SECOND)) == MAX_CATCH_UP
    jumped = START + 10 * MAX_CATCH_UP * SECOND
    (block, *_) = heard(device.due(jumped), jumped)
    assert block.at_ns == jumped - SECOND


def test_one_frame_that_ends_now() -> None:
    (block, *_) = heard([model().frame(START + 99 * SECOND)], START + 99 * SECOND)
    assert block.at_ns == START + 98 * SECOND


def test_a_recording_is_played_at_its_own_rate() -> None:
    values = np.random.default_rng(2).normal(0, 1, (124, 3))
    device = model(motion=Recording(values, 12.4), utc=False)
    codec, found = WearableMessageCodec(), []
    for now in range(START + SECOND, START + 11 * SECOND, SECOND):
        found += heard(device.due(now), now, codec)
    blocks = [o for o in found if isinstance(o, Samples)]
    assert [len(o.values) for o in blocks[:5]] == [12, 13, 12, 13, 12]
    np.testing.assert_allclose(np.concatenate([o.values for o in blocks]), values, atol=8 / 32768)
    starts = np.cumsum([0] + [len(o.values) for o in blocks[:-1]]) / 12.4
    # its clock counts from boot: placed by receipt, to within one sample of 81 ms
    np.testing.assert_allclose([(o.at_ns - blocks[0].at_ns) / 1e9 for o in blocks], starts, atol=0.082)
    assert np.diff([o.at_ns for o in blocks]).min() > 0.9 * SECOND
    with pytest.raises(ValueError, match="recording"):
        device.do(Activity.SITTING)
    device.take_off()
    device.put_on()
    assert device.activity is Activity.STANDING


def test_the_sensor_clips() -> None:
    assert counts_of(np.array([[9.0, -9.0, 4.0]]), 8.0) == np.array([32767, -32768, 16384], "<i2").tobytes()


def test_a_fall_reaches_the_driver() -> None:
    device = model(motion=BodyMotion(np.random.default_rng(3)))
    heard(device.due(START + 5 * SECOND), START + 5 * SECOND)
    device.do(Activity.FALLEN)
    values = [o.values for o in heard(device.due(START + 9 * SECOND), START) if isinstance(o, Samples)]
    size = np.linalg.norm(np.concatenate(values), axis=1)
    assert size.max() > 2.9
    assert size.min() < 0.4


def test_a_press_comes_at_once_and_is_repeated() -> None:
    device, codec = model(), WearableMessageCodec()
    heard(device.due(START + 3 * SECOND), START + 3 * SECOND, codec)
    pressed = START + 3 * SECOND + 400_000_000
    found = heard(device.press(pressed), pressed, codec)
    found += heard(device.due(START + 12 * SECOND), START + 12 * SECOND, codec)
    calls = [o for o in found if o.signal == "help_button"]
    assert [o.repeat for o in calls] == [False] + [True] * 4
    assert len({o.token for o in calls}) == 1
    assert all(abs(o.at_ns - pressed) < 1_000_000 for o in calls)


def test_without_network_frames_are_kept_and_the_press_still_calls() -> None:
    device, codec = model(), WearableMessageCodec()
    heard(device.due(START + 2 * SECOND), START + 2 * SECOND, codec)
    device.disconnect()
    assert device.will() == ("yinling/w1/online", b"0")
    assert device.due(START + 10 * SECOND) == []
    assert device.press(START + 10 * SECOND) == []
    assert device.due(START + 200 * SECOND) == []
    back = START + 200 * SECOND + 1
    messages = device.reconnect(back)
    assert messages[0] == ("yinling/w1/online", b"1")
    found = heard(messages, back, codec)
    assert [o.value for o in found if o.signal == "online"] == [True]
    (call,) = [o for o in found if o.signal == "help_button" and not o.stored]
    assert abs(call.at_ns - (START + 10 * SECOND)) < 1_000_000
    history = [o for o in found if isinstance(o, Samples)]
    assert len(history) == STORED_FRAMES
    assert all(o.stored for o in history)
    assert len(heard(device.due(START + 201 * SECOND), back, codec)) > 0


def test_taken_off_and_put_on() -> None:
    device = model(motion=BodyMotion(np.random.default_rng(3)))
    device.take_off()
    off = heard(device.due(START + 5 * SECOND), START)
    assert [o.value for o in off if o.signal == "worn"] == [False] * 5
    assert {(o.value, o.quality) for o in off if o.signal == "spo2"} == {(None, Quality.NO_CONTACT)}
    assert device.activity is Activity.TABLE
    device.put_on()
    on = heard(device.due(START + 10 * SECOND), START)
    assert [o.value for o in on if o.signal == "worn"] == [True] * 5


def test_vitals_and_battery_can_be_set() -> None:
    device = model()
    device.set_vitals(heart_rate=38.0, spo2=None)
    device.battery_percent = 9.0
    found = heard(device.due(START + 3 * SECOND), START)
    assert {o.value for o in found if o.signal == "heart_rate"} == {38.0}
    assert {(o.value, o.quality) for o in found if o.signal == "spo2"} == {(None, Quality.INVALID)}
    assert {o.value for o in found if o.signal == "battery"} == {9.0}
    with pytest.raises(ValueError, match="mood"):
        device.set_vitals(mood=1.0)


def test_a_restart_is_another_boot() -> None:
    device, codec = model(utc=False), WearableMessageCodec()
    before = device.boot
    heard(device.due(START + 3 * SECOND), START + 3 * SECOND, codec)
    device.restart(START + 10 * SECOND)
    found = heard(device.due(START + 12 * SECOND), START + 12 * SECOND, codec)
    assert device.boot != before
    assert [o.sequence for o in found if isinstance(o, Samples)] == [0, 1]
    assert abs([o.at_ns for o in found if isinstance(o, Samples)][-1] - START - 11 * SECOND) < 30_000_000


def test_load_payloads_are_true_frames_of_each_wearer() -> None:
    codec, blocks, calls = WearableMessageCodec(), {}, []
    batches = make_payloads(
        40, 30, start_ns=START, rng=np.random.default_rng(9), falls={7: 5}, presses={3: 2}, rate_hz=50.0
    )
    for second, batch in enumerate(batches):
        assert len(batch) == 40 + (second == 2)
        for o in heard(batch, START + (second + 1) * SECOND, codec):
            if isinstance(o, Samples):
                blocks[o.device_id, second] = o
                assert o.at_ns == START + second * SECOND
            elif isinstance(o, DeviceEvent):
                calls.append((o.device_id, o.signal, second))
    assert len(blocks) == 40 * 30
    assert calls == [("load-3", "help_button", 2)]
    struck = {key for key, o in blocks.items() if np.linalg.norm(o.values, axis=1).max() > 2.5}
    assert struck == {("load-7", 5)}
    assert blocks["load-7", 29].values.std(axis=0).max() < 0.02
