"""The wearable's codecs: what becomes of frames, times, repeats, and of everything that is wrong or hostile."""

from __future__ import annotations

import dataclasses
import tracemalloc
from collections.abc import Sequence
from importlib.metadata import entry_points

import numpy as np
import pytest

from device_drivers.observations import DeviceEvent, Observation, Quality, Reading, Samples
from device_drivers.registry import GROUP
from device_drivers.signals import SIGNALS
from device_drivers.yinling_wearable import (
    DRIVER,
    Block,
    Measured,
    Press,
    WearableFrame,
    WearableMessageCodec,
    WearableStreamCodec,
    codec,
    encode_frame,
    encode_serial,
    online_topic,
    up_topic,
)
from device_drivers.yinling_wearable.device import KEPT_BOOTS, KEPT_PRESSES, WINDOW, ArrivalClock, SequenceWindow
from device_drivers.yinling_wearable.frame import seal

SECOND = 10**9
NOW = 1_800_000_001 * SECOND
COUNTS = np.arange(150, dtype="<i2").tobytes()
UP = up_topic("w1")


def frame(sequence: int = 0, **fields: object) -> WearableFrame:
    known = {"boot": 7, "time_us": 1_800_000_000_000_000 + sequence * 1_000_000, "utc": True} | fields
    return WearableFrame(sequence=sequence, **known)  # type: ignore[arg-type]


def plain(found: Sequence[Observation]) -> list[object]:
    """Observations in a form that compares by value."""
    return [
        tuple(getattr(o, f.name).tolist() if f.name == "values" else getattr(o, f.name) for f in dataclasses.fields(o))
        for o in found
    ]


def test_the_driver_is_found_and_its_signals_exist() -> None:
    (entry,) = entry_points(group=GROUP, name="yinling_wearable")
    assert entry.load() is DRIVER
    assert all(name in SIGNALS for name in DRIVER.signals)
    assert DRIVER.stream is not None
    assert DRIVER.message is not None
    assert DRIVER.account_topics is not None
    assert DRIVER.account_topics("w1") == (("yinling/w1/up", "yinling/w1/online"), ())
    assert DRIVER.stream("w1", {}).device_id == "w1"
    assert DRIVER.message({}).subscriptions() == ["yinling/+/up", "yinling/+/online"]


def test_a_full_frame() -> None:
    sent = frame(
        3,
        accel=Block(50.0, 8.192, 8.0, COUNTS),
        gyro=Block(50.0, 2000.0, 2000.0, COUNTS),
        heart_rate=Measured(71.5),
        spo2=Measured(97.0, Quality.POOR),
        skin_temperature=Measured(33.25),
        battery=Measured(80.0),
        battery_voltage=Measured(3_912.0),
        respiratory_rate=Measured(14.0),
        worn=True,
        charging=False,
        fault="none",
        presses=(Press(5, 250),),
        identity="band 1.0",
    )
    reader = WearableMessageCodec()
    accel, gyro, *rest = reader.feed(UP, encode_frame(sent), NOW)
    at_ns = 1_800_000_003 * SECOND
    assert isinstance(accel, Samples)
    assert isinstance(gyro, Samples)
    np.testing.assert_allclose(accel.values, np.arange(150).reshape(50, 3) * 8.192 / 32768, rtol=1e-6)
    np.testing.assert_allclose(gyro.values[-1], np.array([147, 148, 149]) * 2000 / 32768, rtol=1e-6)
    assert (accel.device_id, accel.signal, accel.rate_hz, accel.at_ns, accel.received_ns, accel.full_scale) == (
        "w1",
        "accel",
        50.0,
        at_ns,
        NOW,
        8.0,
    )
    assert (accel.sequence, accel.quality, accel.stored, gyro.signal) == (3, Quality.GOOD, False, "gyro")
    assert type(rest[0]) is Reading
    assert rest == [
        Reading("w1", "heart_rate", 71.5, at_ns, NOW),
        Reading("w1", "spo2", 97.0, at_ns, NOW, Quality.POOR),
        Reading("w1", "skin_temperature", 33.25, at_ns, NOW),
        Reading("w1", "battery", 80.0, at_ns, NOW),
        Reading("w1", "battery_voltage", 3912.0, at_ns, NOW),
        Reading("w1", "respiratory_rate", 14.0, at_ns, NOW),
        DeviceEvent("w1", "worn", True, at_ns, NOW),
        DeviceEvent("w1", "charging", False, at_ns, NOW),
        DeviceEvent("w1", "device_fault", "none", at_ns, NOW),
        DeviceEvent("w1", "help_button", True, at_ns + 250_000_000, NOW, token="7:5"),
    ]
    assert [(note.kind, note.fields["text"]) for note in reader.notes] == [("identity", "band 1.0")]
    with pytest.raises(dataclasses.FrozenInstanceError):
        rest[0].value = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("number", "value", "quality"),
    [
        (Measured(None), None, Quality.INVALID),
        (Measured(None, Quality.NO_CONTACT), None, Quality.NO_CONTACT),
        (Measured(72.0, Quality.NO_CONTACT), None, Quality.NO_CONTACT),
        (Measured(72.0, Quality.POOR), 72.0, Quality.POOR),
        (Measured(0.0), None, Quality.OUT_OF_RANGE),
        (Measured(301.0), None, Quality.OUT_OF_RANGE),
    ],
)
def test_what_is_unknown_is_no_number(number: Measured, value: float | None, quality: Quality) -> None:
    (found,) = WearableMessageCodec().feed(UP, encode_frame(frame(heart_rate=number)), NOW)
    assert found == Reading("w1", "heart_rate", value, frame().time_us * 1000, NOW, quality)


def test_unknown_states_and_sections() -> None:
    reader = WearableMessageCodec()
    found = reader.feed(UP, encode_frame(frame(worn="unknown", unknown=((0x99, b"\x01\x02"),))), NOW)
    assert found == [DeviceEvent("w1", "worn", None, frame().time_us * 1000, NOW, Quality.INVALID)]
    assert [(note.kind, note.fields) for note in reader.notes] == [("unknown", {"section": 0x99, "hex": "0102"})]


def test_a_bad_section_is_counted_and_the_rest_stands() -> None:
    reader = WearableMessageCodec()
    found = reader.feed(UP, encode_frame(frame(unknown=((0x10, b"\x01"),), worn=False)), NOW)
    assert [observation.signal for observation in found] == ["worn"]
    assert reader.health.rejected == {"section_length": 1}
    assert (reader.rejections[0].raw, reader.rejections[0].detail) == (b"\x01", {"kind": 0x10, "device": "w1"})


def test_stored_frames_say_so_everywhere() -> None:
    sent = frame(
        stored=True,
        accel=Block(50.0, 8.0, 8.0, COUNTS),
        heart_rate=Measured(70.0),
        spo2=Measured(None),
        worn=True,
        charging="unknown",
        presses=(Press(1),),
    )
    found = WearableMessageCodec().feed(UP, encode_frame(sent), NOW)
    assert len(found) == 6
    assert all(observation.stored for observation in found)


def test_presses_are_told_apart_by_boot_and_counter() -> None:
    reader = WearableMessageCodec()

    def press(sequence: int, counter: int, **fields: object) -> tuple[bool, str | None]:
        (event,) = reader.feed(UP, encode_frame(frame(sequence, presses=(Press(counter),), **fields)), NOW)
        assert isinstance(event, DeviceEvent)
        assert event.value is True
        return event.repeat, event.token

    assert press(1, 1, stored=True) == (False, "7:1")
    assert press(2, 1) == (False, "7:1"), "history came first: the live press still counts"
    assert press(3, 1) == (True, "7:1")
    assert press(4, 2) == (False, "7:2")
    assert press(5, 2, stored=True) == (False, "7:2")
    assert press(1, 2, boot=8) == (False, "8:2")
    for counter in range(10, 10 + KEPT_PRESSES):
        press(counter, counter)
    assert press(100, 1) == (False, "7:1"), "bounded: long forgotten"


def test_a_redelivered_frame_is_dropped_within_one_process_only() -> None:
    data = encode_frame(frame(5, worn=True))
    first, fresh = WearableMessageCodec(), WearableMessageCodec()
    assert len(first.feed(UP, data, NOW)) == 1
    assert first.feed(UP, data, NOW + 1) == []
    assert first.health.rejected == {"duplicate": 1}
    assert len(first.feed(up_topic("w2"), data, NOW)) == 1
    assert len(fresh.feed(UP, data, NOW + 2)) == 1


def test_retained_messages() -> None:
    reader = WearableMessageCodec()
    data = encode_frame(frame(worn=True))
    assert reader.feed(UP, data, NOW, retained=True) == []
    assert len(reader.feed(UP, data, NOW)) == 1
    assert reader.feed(UP, encode_frame(frame(1)), NOW, retained=True) == []
    assert reader.health.rejected == {"retained": 2}


def test_online_and_the_last_will() -> None:
    reader, topic = WearableMessageCodec(), online_topic("w1")
    assert reader.feed(topic, b"1", NOW) == [DeviceEvent("w1", "online", True, NOW, NOW)]
    assert reader.feed(topic, b"0", NOW) == [DeviceEvent("w1", "online", False, NOW, NOW)]
    assert reader.feed(topic, b"0", NOW, retained=True) == [DeviceEvent("w1", "online", False, NOW, NOW, repeat=True)]
    assert reader.feed(topic, b"", NOW) == []
    assert reader.feed(topic, b"yes", NOW) == []
    assert reader.health.rejected == {"online": 1}


@pytest.mark.parametrize(
    "topic",
    ["", "yinling/up", "yinling//up", "yinling/a/b/up", "yinling/w 1/up", f"yinling/{'x' * 65}/up", "other/w1/up"],
)
def test_foreign_topics(topic: str) -> None:
    reader = WearableMessageCodec()
    assert reader.feed(topic, encode_frame(frame()), NOW) == []
    assert reader.health.rejected == {"topic": 1}


def test_a_utc_claim_of_another_century_falls_back_to_the_time_of_receipt() -> None:
    reader = WearableMessageCodec()
    (event,) = reader.feed(UP, encode_frame(frame(time_us=5_000_000, presses=(Press(1),))), NOW)
    assert event.at_ns == NOW
    assert reader.health.rejected == {"utc_time": 1}


def test_time_since_boot_is_mapped_by_the_quickest_frame() -> None:
    reader = WearableMessageCodec()
    start, block = NOW, Block(50.0, 8.0, 8.0, COUNTS)
    delays = np.random.default_rng(4).integers(20, 300, 120) * 1_000_000
    delays[10] = 15_000_000
    for index in range(120):
        sent = frame(index, time_us=index * 1_000_000, utc=False, accel=block)
        true_ns = start + index * SECOND
        (found,) = reader.feed(UP, encode_frame(sent), true_ns + block.duration_ns + int(delays[index]))
        assert true_ns <= found.at_ns <= true_ns + int(delays[: index + 1].min()) + 120 * 100_000
    assert found.at_ns - true_ns < 30_000_000


def test_the_arrival_clock_follows_a_slow_crystal_and_set_clocks() -> None:
    clock = ArrivalClock()
    day = 86_400
    for second in range(0, 3 * day, 60):
        device_ns = int(second * SECOND * (1 - 50e-6))
        at_ns = clock.place(device_ns, 0, NOW + second * SECOND, stored=False)
        assert 0 <= NOW + second * SECOND - at_ns < 10_000_000
    later = NOW + 10_000_000 * SECOND
    assert clock.place(3 * day * SECOND, 0, later, stored=False) == later, "the gateway's clock was set forward"
    assert clock.place(3 * day * SECOND, 0, NOW, stored=False) == NOW, "and back"


def test_history_is_placed_by_the_live_frames_of_its_boot() -> None:
    clock = ArrivalClock()
    assert clock.place(5_000 * SECOND, 0, NOW, stored=False) == NOW
    assert clock.place(100 * SECOND, SECOND, NOW + SECOND, stored=True) == NOW - 4_900 * SECOND
    assert clock.place(5_002 * SECOND, 0, NOW + 2 * SECOND, stored=False) == NOW + 2 * SECOND
    first = ArrivalClock()
    assert first.place(100 * SECOND, 0, NOW, stored=True) == NOW
    assert first.place(5_000 * SECOND, 0, NOW, stored=False) == NOW


def test_the_window_of_sequence_numbers() -> None:
    window = SequenceWindow()
    assert [window.take(n) for n in (100, 101, 100, 50, 50, 101, 102)] == [True, True, False, True, False, False, True]
    assert window.take(2**32 - 1)
    assert [window.take(n) for n in (2**32 - 1, 102, 102)] == [False, True, True], "too old to tell passes"
    assert window._seen.bit_length() <= WINDOW


def test_only_the_latest_boots_are_kept() -> None:
    reader = WearableStreamCodec("w1")
    for boot in range(10):
        assert len(reader.feed(encode_serial(frame(1, boot=boot, worn=True)), NOW)) == 1
    assert list(reader._device.boots) == list(range(10 - KEPT_BOOTS, 10))


def test_the_number_of_devices_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "MAX_DEVICES", 100)
    reader = WearableMessageCodec()
    for index in range(250):
        reader.feed(up_topic(f"w{index}"), encode_frame(frame()), NOW)
        reader.feed(up_topic(f"bad{index}"), b"no frame", NOW)
    assert list(reader._devices) == [up_topic(f"w{index}") for index in range(150, 250)]


def some_frames(count: int) -> list[WearableFrame]:
    rng = np.random.default_rng(11)
    return [
        frame(
            index,
            utc=index % 2 == 0,
            accel=Block(50.0, 8.0, 8.0, rng.integers(-300, 300, 150).astype("<i2").tobytes()),
            heart_rate=Measured(60.0 + index),
            presses=(Press(index),) * (index % 3 == 0),
        )
        for index in range(count)
    ]


@pytest.mark.parametrize("chunk", [1, 3, 7, 64, 512])
def test_chunking_of_the_line_changes_nothing(chunk: int) -> None:
    line = b"mid-frame" + b"\x00" + b"".join(map(encode_serial, some_frames(10))) + encode_serial(frame(20))[:-5]
    whole, cut = WearableStreamCodec("w1"), WearableStreamCodec("w1")
    expected = whole.feed(line, NOW)
    found = [o for at in range(0, len(line), chunk) for o in cut.feed(line[at : at + chunk], NOW)]
    assert len(expected) == 10 * 2 + 4
    assert plain(found) == plain(expected)
    assert cut.health == whole.health
    assert list(cut.rejections) == list(whole.rejections)


def test_both_codecs_agree() -> None:
    by_line, by_topic = WearableStreamCodec("w1"), WearableMessageCodec()
    for sent in some_frames(10):
        assert plain(by_line.feed(encode_serial(sent), NOW)) == plain(by_topic.feed(UP, encode_frame(sent), NOW))


def test_a_damaged_line_recovers_with_the_next_frame() -> None:
    rng = np.random.default_rng(5)
    for _ in range(300):
        packets = [bytearray(encode_serial(sent)) for sent in some_frames(4)]
        hurt = packets[1]
        for _ in range(rng.integers(1, 6)):
            at = int(rng.integers(len(hurt)))
            if rng.random() < 0.5:
                hurt[at] ^= 1 << int(rng.integers(8))
            else:
                del hurt[at]
        reader = WearableStreamCodec("w1")
        found = [o.sequence for o in reader.feed(b"".join(packets), NOW) if isinstance(o, Samples)]
        assert found[0] == 0
        assert found[-1] == 3
        assert set(found) <= {0, 2, 3} or bytes(hurt) == encode_serial(some_frames(2)[1])
        assert found.count(2) == 1 or hurt[-1:] != b"\x00", "only a lost delimiter may cost the next frame"


def test_a_million_random_bytes_on_the_line() -> None:
    rng = np.random.default_rng(6)
    reader = WearableStreamCodec("w1")
    good = encode_serial(frame(1, worn=True))
    tracemalloc.start()
    for _ in range(250):
        reader.feed(rng.integers(0, 256, 4_000, dtype=np.uint8).tobytes(), NOW)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert reader.health.frames == 0
    assert sum(reader.health.rejected.values()) > 1_000
    assert set(reader.health.rejected) <= {"cobs", "overlong", "size", "magic", "crc"}
    assert peak < 1_000_000
    assert len(reader.feed(b"\x00" + good, NOW)) == 1


@pytest.mark.no_cover
def test_a_hundred_thousand_random_payloads() -> None:
    """Random bytes, random sections under a true CRC, and true frames with changed bytes under a true CRC."""
    rng = np.random.default_rng(7)
    reader = WearableMessageCodec()
    noise = rng.integers(0, 256, 1_000_000, dtype=np.uint8).tobytes()
    sizes, starts = rng.integers(0, 120, 100_000).tolist(), rng.integers(0, 999_000, 100_000).tolist()
    true = encode_frame(some_frames(1)[0])[:-4]
    seen = 0
    for index, (size, start) in enumerate(zip(sizes, starts, strict=True)):
        payload = noise[start : start + size]
        if index % 3 == 1:
            payload = seal(true[:4] + noise[start : start + 16] + size.to_bytes(2, "little") + payload)
        elif index % 3 == 2:
            hurt = bytearray(true)
            hurt[4:20] = noise[start : start + 16]
            for at in payload[:4]:
                hurt[22 + at] = payload[-1]
            payload = seal(bytes(hurt))
        seen += len(reader.feed(UP, payload, NOW))
    assert reader.health.frames == 66_666
    assert seen > 30_000
    assert reader.health.rejected["size"] > 5_000
    assert reader.health.rejected["section_truncated"] > 10_000
    assert len(reader._devices) == 1
    assert len(reader._devices[UP].boots) <= KEPT_BOOTS
