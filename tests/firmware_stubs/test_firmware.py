"""The firmware on CPython: the whole story, and each part against its own edges."""

# mypy: disallow-untyped-calls=False
from __future__ import annotations

import json
import struct
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import scenario
import story
from chips import Board, Bus, Link, Lis3dhChip, Max30102Chip, Mpu6050Chip

from analytics.waves.readings import WaveReadings
from device_drivers.observations import Quality, Reading, Samples
from device_drivers.yinling_wearable import WearableMessageCodec, decode_frame
from firmware_stubs import config, frame, links, parts, sensors, wearable

SECOND = 1_000_000


def test_the_story(capsys: pytest.CaptureFixture[str]) -> None:
    scenario.main()
    told = json.loads(capsys.readouterr().out)
    story.check_sections(*told["sections"])
    story.check_mqtt(told["mqtt"])
    story.check_uart(told["uart"], told["cobs"])
    story.check_pulse(told["pulse"])


def test_a_frame_that_is_too_long() -> None:
    with pytest.raises(ValueError, match="too long"):
        frame.frame(1, 1, 1, False, [bytes(4096)])


def test_the_clock_counts_through_the_wrap_and_keeps_utc() -> None:
    clock = parts.Clock(parts.TICKS_PERIOD - 5)
    assert clock.boot_us(5) == 10
    assert (clock.at(3), clock.at(7), clock.at(parts.TICKS_PERIOD - 5)) == (8, 12, 0)
    assert clock.stamp(10) == (10, False)
    clock.set_utc(1_000_000, 10)
    assert clock.stamp(15) == (1_000_005, True)


def test_sntp() -> None:
    """Seconds since 1900 and a fraction of 2^32; the answer was under way for half the round trip."""
    reply = bytes([0x24, 1]) + bytes(38) + struct.pack("!II", 2_208_988_800 + 1_800_000_000, 1 << 31)
    assert parts.sntp_utc_us(reply, 20_000) == 1_800_000_000_510_000
    era = bytes([0x24, 1]) + bytes(38) + struct.pack("!II", (2_208_988_800 + 2_200_000_000) & 0xFFFFFFFF, 0)
    assert parts.sntp_utc_us(era, 0) == 2_200_000_000_000_000
    for bad in (reply[:47], b"\xe4" + reply[1:], b"\x24\x00" + reply[2:], b"\x23" + reply[1:]):
        assert parts.sntp_utc_us(bad, 0) is None


def test_the_batcher_finds_the_true_rate_and_time_through_jitter() -> None:
    """A sensor that runs 4 % fast, read at random moments: times stay within one sample, the rate within 1 %."""
    rng = np.random.default_rng(2)
    batcher, period_us = parts.Batcher(50_000), 20_000 / 1.04
    now, taken, blocks = 0.0, 0, []
    while now < 300 * SECOND:
        now += rng.uniform(60_000, 260_000)
        count = int(now / period_us) - taken
        counts = np.zeros((count, 3), "<i2")
        counts[:, 0] = np.arange(taken + 1, taken + count + 1) % 32_000
        taken += count
        blocks += batcher.add(counts.tobytes(), int(now))
    numbers = [np.frombuffer(data, "<i2").reshape(-1, 3)[:, 0] for _, _, data in blocks]
    np.testing.assert_array_equal(np.concatenate(numbers), np.arange(1, 50 * len(blocks) + 1))
    settled = blocks[60:]
    late = [start - (60 + index) * 50 * period_us - period_us for index, (start, _, _) in enumerate(settled)]
    assert max(map(abs, late)) < 20_000
    assert all(abs(rate - 52_000) < 520 for _, rate, _ in settled)


def test_a_gap_ends_the_block_and_starts_the_time_anew() -> None:
    batcher = parts.Batcher(50_000)
    assert batcher.add(bytes(60), 190_000) == []
    (short,) = batcher.add(bytes(120), 5_000_000, gap=True)
    assert short == (0, 50_000, bytes(60))
    (after,) = batcher.add(bytes(180), 5_600_000)
    assert after[0] == 5_000_000 - 390_000
    assert batcher.add(b"", 6 * SECOND, gap=True) == []
    (jumped,) = batcher.add(bytes(300), 60 * SECOND)
    assert jumped[0] == 60 * SECOND - 990_000


def presses_of(*edges: tuple[bool, int], polls: range = range(0)) -> list[int]:
    debounce = parts.Debounce()
    moments: list[tuple[int, bool | None]] = [(at, closed) for closed, at in edges]
    moments += [(at, None) for at in polls]
    found = []
    for at, closed in sorted(moments, key=lambda row: row[0]):
        found.append(debounce.poll(at) if closed is None else debounce.edge(closed, at))
    return [at for at in found if at is not None]


def test_debounce() -> None:
    late, often = range(500_000, 3_000_000, 500_000), range(0, 3_000_000, 10_000)
    bounce = ((True, 100_000), (False, 100_400), (True, 101_000), (False, 180_000), (True, 180_300), (False, 180_500))
    for polls in (late, often):
        assert presses_of(*bounce, polls=polls) == [100_000], "one press, seen in time or not"
        assert presses_of((True, 100_000), (False, 105_000), polls=polls) == [], "a spike"
        assert presses_of((True, 100_000), polls=polls) == [100_000], "held for ever: once"
        again = ((True, 400_000), (False, 460_000))
        assert presses_of(*bounce, *again, polls=polls) == [100_000, 400_000], "pressed again"
    assert presses_of((False, 5), polls=late) == []
    assert presses_of((True, 100_000), (True, 150_000), (False, 160_000)) == [100_000]


def test_presses_wait_for_their_acknowledgement_but_not_for_ever() -> None:
    presses = parts.Presses(acknowledged_link=True)
    for at in range(10):
        presses.press(at)
    assert [counter for counter, _ in presses.pending(9)] == list(range(3, 11)), "bounded"
    presses.arrived([3, 4, 5, 6, 7])
    assert presses.pending(3600 * SECOND + 8) == [(9, 8), (10, 9)]
    line = parts.Presses(acknowledged_link=False)
    line.press(5)
    assert line.pending(10 * SECOND + 5) == [(1, 5)]
    assert line.pending(10 * SECOND + 6) == []


def test_the_outbox_sends_live_before_history_and_drops_the_oldest() -> None:
    box = parts.Outbox(400)
    made = [frame.frame(1, number, 5, False, [bytes(74)]) for number in range(5)]
    assert box.take(0) is None
    for number, data in enumerate(made):
        box.put(number * 5 * SECOND, data, (number,))
    assert (len(box), box.dropped) == (4, 1)
    key, data, counters = box.take(22 * SECOND)
    assert (data, counters) == (made[3], (3,)), "the oldest that is still live"
    box.done(key)
    box.done(key)
    key, data, counters = box.take(99 * SECOND)
    assert (data, counters) == (frame.stored(made[1]), ()), "history carries no live press"
    assert decode_frame(data).stored
    box.done(key)
    assert [len(box), box.take(99 * SECOND)[0]] == [2, made[2]]


def test_battery() -> None:
    assert [parts.battery_tenths(mv) for mv in (None, 0, 3300, 3450, 3900, 4200, 5000)] == [
        None,
        0,
        0,
        50,
        700,
        1000,
        1000,
    ]


@pytest.mark.parametrize(("range_g", "step"), [(2, 0.001), (4, 0.002), (8, 0.004), (16, 0.012)])
def test_lis3dh(range_g: int, step: float) -> None:
    chip = Lis3dhChip()
    sensor = sensors.Lis3dh(Bus(0x19, chip), 0x19, 100, range_g)
    assert {key: chip.registers[key] for key in (0x20, 0x24, 0x2E)} == {0x20: 0x57, 0x24: 0x40, 0x2E: 0x80}
    assert chip.registers[0x23] == 0x88 | {2: 0, 4: 0x10, 8: 0x20, 16: 0x30}[range_g]
    assert (sensor.rate_mhz, sensor.full_scale) == (100_000, range_g * 1000)
    assert sensor.scale / 32768 * 16 == pytest.approx(step * 1000), "one 12-bit digit"
    assert sensor.read_block() == (b"", False)
    for count in (1, 31, 32):
        for index in range(count):
            chip.sample(index * 16, -16, 160)
        data, lost = sensor.read_block()
        assert lost == (count == 32), "full: the chip cannot tell whether it has overwritten"
        assert [row[0] for row in struct.iter_unpack("<3h", data)] == [index * 16 for index in range(count)]
    for index in range(40):
        chip.sample(index * 16, 0, 0)
    data, lost = sensor.read_block()
    assert lost
    assert [row[0] // 16 for row in struct.iter_unpack("<3h", data)] == list(range(8, 40))


def test_mpu6050() -> None:
    chip = Mpu6050Chip()
    sensor = sensors.Mpu6050(Bus(0x68, chip), 0x68, 50, 16)
    assert {key: chip.registers[key] for key in (0x19, 0x1A, 0x1C, 0x23)} == {0x19: 19, 0x1A: 3, 0x1C: 24, 0x23: 8}
    assert (sensor.rate_mhz, sensor.scale, sensor.full_scale) == (50_000, 16_000, 16_000)
    for index in range(70):
        chip.sample(index, -index, 2048)
    data, lost = sensor.read_block()
    assert list(struct.iter_unpack("<3h", data)) == [(index, -index, 2048) for index in range(70)]
    assert not lost
    for _ in range(200):
        chip.sample(1, 2, 3)
    assert sensor.read_block() == (b"", True)
    chip.sample(4, 5, 6)
    assert sensor.read_block() == (struct.pack("<3h", 4, 5, 6), False)


@pytest.mark.parametrize(("rate_hz", "averaged"), [(25, 0x50), (50, 0x30), (100, 0x10)])
def test_max30102(rate_hz: int, averaged: int) -> None:
    chip = Max30102Chip()
    sensor = sensors.Max30102(Bus(0x57, chip), rate_hz=rate_hz, current_ma=10)
    settings = {key: chip.registers[key] for key in (0x08, 0x09, 0x0A, 0x0C, 0x0D)}
    assert settings == {0x08: averaged, 0x09: 0x03, 0x0A: 0x27, 0x0C: 50, 0x0D: 50}
    assert (sensor.rate_mhz, sensor.channels) == (rate_hz * 1000, 2)
    assert sensor.read_block() == (b"", False)
    for first, count in ((0, 1), (1, 31), (32, 20), (52, 31)):  # the pointers wrap
        for index in range(first, first + count):
            chip.sample(0x3FFFF - 8 * index, 8 * index + 7)
        data, lost = sensor.read_block()
        expected = [(index, 0x7FFF - index) for index in range(first, first + count)]
        assert list(struct.iter_unpack("<2h", data)) == expected, "infrared before red, 15 of 18 bits"
        assert not lost
    for index in range(40):
        chip.sample(0, 8 * index)
    data, lost = sensor.read_block()
    assert lost
    assert [row[0] for row in struct.iter_unpack("<2h", data)] == list(range(8, 40))
    chip.sample(0, 800)
    assert sensor.read_block() == (struct.pack("<2h", 100, 0), False)


def test_what_light_says_of_skin() -> None:
    sensor = sensors.Max30102(Bus(0x57, Max30102Chip()), contact=0.2)
    for infrared, quality in ((6500, frame.NO_CONTACT), (6600, frame.GOOD), (32766, frame.GOOD), (32767, frame.POOR)):
        assert sensor.quality(struct.pack("<4h", infrared, 32767, infrared, 32767)) == quality, infrared


def test_a_pulse_sensor_that_never_comes_back_from_its_reset() -> None:
    with pytest.raises(sensors.SensorError, match="reset"):
        sensors.Max30102(Bus(0x57, Max30102Chip(reset_reads=1000)))


def test_what_is_beside_keeps_its_times_through_jitter_and_its_holes_stay_holes() -> None:
    """A sensor that runs 3 % slow, read at random moments; cuts of one second by another clock. 8 counts a sample."""
    rng = np.random.default_rng(3)
    beside, period_us, taken, now, cuts = parts.Beside(50_000, 2), 20_000 / 0.97, 0, 0.0, []
    start = 100_000
    while now < 120 * SECOND:
        now += rng.uniform(60_000, 140_000)
        count = int(now / period_us) - taken
        numbers = np.arange(taken + 1, taken + count + 1)
        taken += count
        gap = 60 * SECOND <= now < 60.15 * SECOND
        beside.hold(np.stack([numbers * 8 - 32_000, numbers * -5], 1).astype("<i2").tobytes(), int(now), gap)
        if now >= start + SECOND + 50_000:
            found = beside.cut(start, start + SECOND)
            cuts.append((start, found))
            start += SECOND
    given = [(at, np.frombuffer(found[1], "<i2").reshape(-1, 2), found[0]) for at, found in cuts if found]
    assert 1 <= len(cuts) - len(given) <= 3, "the second with the gap, and the first, may have no beginning"
    late = [at - (pairs[0, 0] / 8 + 4_000) * period_us for at, pairs, _ in given[40:] if not 59 < at / SECOND < 70]
    assert max(map(abs, late)) < 9_000, "the jitter of reading only"
    assert all(np.isin(np.diff(pairs, axis=0), [[8, -5]]).all() for _, pairs, _ in given)
    assert all(len(numbers) in {47, 48, 49, 50} for _, numbers, _ in given[5:50])
    assert all(abs(rate - 48_500) < 600 for _, _, rate in given[40:55])
    beside.hold(bytes(4 * 500), int(now) + SECOND)
    assert len(beside._held) == 4 * 200, "bounded while nothing is cut"
    assert parts.Beside(25_000, 2).cut(0, SECOND) is None


def test_a_wearer_s_heart_and_breath_come_out_of_the_light() -> None:
    """Chip, firmware, wire, driver, analytics: 78 beats and 18 breaths a minute, the sensor 1 % fast.

    In the first seconds the firmware still learns how fast the sensor runs.
    """
    accel_chip, light_chip = Lis3dhChip(), Max30102Chip()
    board = Board(lambda: sensors.Lis3dh(Bus(0x18, accel_chip)), lambda: sensors.Max30102(Bus(0x57, light_chip)))
    clock, box, presses, link = parts.Clock(0), parts.Outbox(90_000), parts.Presses(True), Link(True)
    clock.set_utc(story.UTC_NS // 1000, 0)
    device, sender = wearable.Wearable(7, "pulse", board, clock, box, presses), wearable.Sender(box, presses, link)
    watch, codec, derived = WaveReadings(), WearableMessageCodec(), []
    watch.attach("w1", "r1")
    samples = looks = 0
    for step in range(1, 901):
        now = step * 100_000
        while samples * 20_000 < now:
            accel_chip.sample(160, -320, 4000)
            samples += 1
        while looks / 25.25 * SECOND < now:
            at_s = looks / 25.25
            breath = np.sin(2 * np.pi * 0.3 * at_s)
            beat = (1 + 0.15 * breath) * (np.sin(2 * np.pi * 1.3 * at_s) + 0.3 * np.sin(4 * np.pi * 1.3 * at_s))
            light_chip.sample(int(90_000 + 600 * beat), int(131_072 + 1_300 * beat + 500 * breath))
            looks += 1
        device.step(now)
        sender.step(now)
    for now_us, data in link.got:
        found = codec.feed("yinling/w1/up", data, story.UTC_NS + now_us * 1000)
        assert all(o.quality is Quality.GOOD for o in found if isinstance(o, Samples))
        watch.ingest(found)
        derived += watch.derived()
    settled = [o for o in derived if o.at_ns - story.UTC_NS > 25e9]
    for signal, expected, off, least in (("heart_rate", 78.0, 0.5, 30), ("respiratory_rate", 18.0, 0.5, 3)):
        values = [o.value for o in settled if isinstance(o, Reading) and o.signal == signal]
        assert len(values) >= least, signal
        assert values == pytest.approx([expected] * len(values), abs=off), signal
    assert all(o.derived for o in derived)


def test_another_chip_is_told() -> None:
    with pytest.raises(sensors.SensorError, match="0x16"):
        sensors.Max30102(Bus(0x57, Max30102Chip(identity=0x16)))
    with pytest.raises(sensors.SensorError, match="0x11"):
        sensors.Lis3dh(Bus(0x18, Lis3dhChip(identity=0x11)))
    with pytest.raises(sensors.SensorError, match="0x70"):
        sensors.Mpu6050(Bus(0x68, Mpu6050Chip(identity=0x70)))


def test_a_sensor_that_never_answers_is_a_fault_and_not_silence() -> None:
    def absent() -> object:
        raise OSError(19)

    board, clock, box, presses = Board(absent), parts.Clock(0), parts.Outbox(9_000), parts.Presses(True)
    board.battery = board.on_body = None  # type: ignore[assignment]
    device = wearable.Wearable(7, "test", board, clock, box, presses)
    link = Link(True)
    sender = wearable.Sender(box, presses, link)
    for step in range(1, 101):
        device.step(step * 100_000)
        sender.step(step * 100_000)
    frames = [decode_frame(data) for _, data in link.got]
    assert [sent.fault for sent in frames] == ["hardware"] * 5
    assert all(sent.worn is None and sent.battery is None and sent.accel is None for sent in frames)


def test_a_chip_that_lost_its_settings_is_set_up_again() -> None:
    chip = Lis3dhChip()
    board, clock, box = Board(lambda: sensors.Lis3dh(Bus(0x18, chip))), parts.Clock(0), parts.Outbox(90_000)
    device = wearable.Wearable(7, "test", board, clock, box, parts.Presses(False))
    for step in range(1, 1001):
        if step == 300:
            chip.registers[0x24] = 0  # a dip of its supply
        chip.sample(0, 0, 4000)
        chip.sample(0, 0, 4000)
        device.step(step * 40_000)
    assert len(chip.fifo) == 0
    assert chip.streaming()
    assert len(box) > 30


class Client:
    """Takes the place of umqtt.simple.MQTTClient: accepts, refuses or breaks as told."""

    mood = "accepts"
    made: ClassVar[list[Client]] = []

    def __init__(self, *_address: str, **settings: Any) -> None:
        self.settings = settings
        self.pid = 0
        self.sock = SimpleNamespace(settimeout=lambda _seconds: None, close=lambda: None)
        self.sent: list[tuple[bytes, bytes, bool, int]] = []
        self.will: tuple[bytes, bytes, bool, int] | None = None
        Client.made.append(self)

    def set_last_will(self, topic: bytes, message: bytes, retain: bool = False, qos: int = 0) -> None:
        self.will = (topic, message, retain, qos)

    def connect(self, *, clean_session: bool) -> None:
        self.settings["clean_session"] = clean_session
        if Client.mood == "refuses":
            raise RuntimeError(5)
        if Client.mood == "breaks":
            raise OSError(113)

    def publish(self, topic: bytes, message: bytes, retain: bool = False, qos: int = 0) -> None:
        if Client.mood == "silent":
            raise OSError(110)
        self.pid += 1
        self.sent.append((topic, message, retain, qos))


def test_the_mqtt_link(capsys: pytest.CaptureFixture[str]) -> None:
    Client.made, Client.mood = [], "breaks"
    wifi = SimpleNamespace(up=lambda: True)
    link = links.MqttLink(config, wifi, Client)
    tries = [now for now in range(300) if not link.ready(now * SECOND) and len(Client.made) == 0]
    assert tries == []
    assert len(Client.made) == 10, "1, 2, 4 ... 60 seconds apart: at 0, 1, 3, 7, 15, 31, 63, 123, 183, 243"
    Client.mood = "refuses"
    assert not link.ready(400 * SECOND)
    assert "refused" in capsys.readouterr().out
    Client.mood = "accepts"
    assert link.ready(500 * SECOND)
    client = Client.made[-1]
    assert client.will == (b"yinling/wearable-1/online", b"0", True, 1)
    client.pid = 65_000
    assert link.send(b"data", 501 * SECOND)
    assert client.pid == 1
    assert client.sent == [
        (b"yinling/wearable-1/online", b"1", True, 1),
        (b"yinling/wearable-1/up", b"data", False, 1),
    ]
    Client.mood = "silent"
    assert not link.send(b"data", 502 * SECOND)
    assert not link.ready(502 * SECOND)
    Client.mood = "accepts"
    wifi.up = lambda: False
    assert not link.ready(504 * SECOND)
    wifi.up = lambda: True
    assert link.ready(600 * SECOND)


def test_the_uart_link() -> None:
    line = bytearray()
    link = links.UartLink(SimpleNamespace(write=line.extend))
    assert link.ready(0)
    assert link.send(b"\x11\x00\x22", 0)
    assert bytes(line) == b"\x00\x02\x11\x02\x22\x00"
