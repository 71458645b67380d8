"""Runs the firmware through a fixed story and prints what it did as JSON; the same on MicroPython and CPython."""

# ruff: noqa: ANN001, ANN201
# mypy: ignore-errors

import json
from binascii import hexlify

from chips import Board, Bus, Link, Lis3dhChip, Max30102Chip

from firmware_stubs import frame, parts, sensors, wearable

STEP_US = 100000
UTC_US = 1800000000000000


def text(data):
    return hexlify(data).decode()


def every_section():
    """One frame with each kind of section, live and as history."""
    sections = [
        frame.block(frame.ACCEL, 50000, 8192, 8000, bytes(range(12))),
        frame.block(frame.GYRO, 25000, 20000, 20000, bytes(range(100, 106))),
        frame.wave(frame.PULSE_WAVE, 25000, 2, frame.POOR, bytes(range(200, 208))),
        frame.wave(frame.BED_WAVE, 100000, 1, frame.GOOD, b"\x00\x80\xff\x7f"),
        frame.number(frame.HEART_RATE, 725),
        frame.number(frame.SPO2, 975, frame.POOR),
        frame.number(frame.SKIN_TEMPERATURE, None, frame.NO_CONTACT),
        frame.number(frame.BATTERY, 1000),
        frame.number(frame.BATTERY_VOLTAGE, 4100),
        frame.number(frame.RESPIRATORY_RATE, 70000),
        frame.state(frame.WORN, 1),
        frame.state(frame.CHARGING, None),
        frame.state(frame.FAULT, frame.FAULT_FIRMWARE),
        frame.press(65537, -2000),
        frame.press(2, 999),
        frame.identity("band 1.0"),
    ]
    live = frame.frame(0xFFFFFFFE, 0x80000001, UTC_US + 1, True, sections)
    return [text(live), text(frame.stored(live))]


def stuffing():
    """COBS of all lengths around its group size, with and without zeros."""
    pieces = [b"", b"\x00", b"\x00\x00", b"a\x00", b"\x00a"]
    for size in (1, 253, 254, 255, 508, 509, 600):
        run = bytes([1 + index % 255 for index in range(size)])
        pieces += [run, run + b"\x00", b"\x00" + run, run + b"\x00" + run]
    return [(text(piece), text(frame.cobs(piece))) for piece in pieces]


def day(chip, acknowledges):
    """Two minutes with a press, an outage with a press in it, a silent broker, a pulled-out sensor and a set clock."""
    bus = Bus(0x18, chip)
    board = Board(lambda: sensors.Lis3dh(bus, 0x18, 50, 8))
    link = Link(acknowledges)
    ticks = parts.TICKS_PERIOD - 30000000  # the counter wraps within the story
    clock = parts.Clock(ticks)
    outbox = parts.Outbox(12000)
    presses = parts.Presses(acknowledges)
    device = wearable.Wearable(0xA1B2C3D4, "test 1.0", board, clock, outbox, presses)
    sender = wearable.Sender(outbox, presses, link)
    samples = 0
    for step in range(1, 1201):
        now = step * STEP_US
        while samples * 20000 < now:  # sample n is taken at n / 50 s
            chip.sample(16 * (samples % 100), -16 * (samples % 50), 4000)
            samples += 1
        at = (ticks + now) % parts.TICKS_PERIOD
        if step == 50:
            clock.set_utc(UTC_US, clock.at(at))
        if step in (100, 400):  # a bouncing press of 60 ms that ended before this step
            for closed, before in ((1, 90000), (0, 89000), (1, 88500), (0, 30000), (1, 29000), (0, 28800)):
                board.waiting.append((bool(closed), (at - before) % parts.TICKS_PERIOD))
        link.open = not 300 <= step < 700
        link.answering = not 800 <= step < 830
        bus.present = not 900 <= step < 950
        device.step(at)
        while sender.step(clock.boot_us(at)):
            pass
    return {
        "sent": [(now_us, text(data)) for now_us, data in link.got],
        "dropped": outbox.dropped,
        "left": len(outbox),
        "presses": presses.counter,
    }


PULSE_HZ = 25


def pulse():
    """Forty seconds with a pulse sensor that runs 2 % fast: worn from 10 s, dazzled from 20 s, unplugged 28 to 33 s."""
    chip, light_chip = Lis3dhChip(), Max30102Chip()
    light_bus = Bus(0x57, light_chip)
    bus = Bus(0x18, chip)
    board = Board(lambda: sensors.Lis3dh(bus), lambda: sensors.Max30102(light_bus, rate_hz=PULSE_HZ))
    link, clock, outbox, presses = Link(True), parts.Clock(0), parts.Outbox(12000), parts.Presses(True)
    clock.set_utc(UTC_US, 0)
    device = wearable.Wearable(0x01020304, "pulse 1.0", board, clock, outbox, presses)
    sender = wearable.Sender(outbox, presses, link)
    samples = looks = 0
    for step in range(1, 401):
        now = step * STEP_US
        while samples * 20000 < now:
            chip.sample(0, 0, 4000)
            samples += 1
        while looks * 39216 < now:  # 25.5 Hz; red tells which sample it is
            infrared = 1000 if looks * 39216 < 10000000 else 262143 if looks * 39216 >= 20000000 else 131072
            light_chip.sample(128 * looks, infrared)
            looks += 1
        light_bus.present = not 280 <= step < 330
        if step == 100:
            board.waiting.append((True, (now - 60000) % parts.TICKS_PERIOD))  # a press does not take the wave away
        device.step(now)
        sender.step(clock.boot_us(now))
    return [(now_us, text(data)) for now_us, data in link.got]


def main():
    story = {
        "sections": every_section(),
        "cobs": stuffing(),
        "mqtt": day(Lis3dhChip(), True),
        "uart": day(Lis3dhChip(), False),
        "pulse": pulse(),
    }
    print(json.dumps(story))


if __name__ == "__main__":
    main()
