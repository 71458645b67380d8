"""The frame of the wire protocol (docs/wire-protocol.md). Runs unchanged on MicroPython and CPython."""

import struct
from binascii import crc32

MAX_FRAME = 4096
HEADER_BYTES = 22
FLAG_UTC = 0x01
FLAG_STORED = 0x02
FLAGS_AT = 3

ACCEL = 0x01
GYRO = 0x02
PULSE_WAVE = 0x03
BED_WAVE = 0x04
HEART_RATE = 0x10
SPO2 = 0x11
SKIN_TEMPERATURE = 0x12
BATTERY = 0x13
BATTERY_VOLTAGE = 0x14
RESPIRATORY_RATE = 0x15
WORN = 0x40
CHARGING = 0x41
FAULT = 0x42
BUTTON = 0x60
IDENTITY = 0x70

GOOD = 0
POOR = 1
NO_CONTACT = 2

NO_FAULT = 0
FAULT_HARDWARE = 1
FAULT_FIRMWARE = 2


def section(kind, body):
    """One section: type, length, body."""
    return struct.pack("<BH", kind, len(body)) + body


def block(kind, rate_mhz, scale, full_scale, counts):
    """ACCEL (units 0.001 g) or GYRO (0.1 deg/s): counts are int16 x, y, z ..., little-endian."""
    return section(kind, struct.pack("<IHHH", rate_mhz, scale, full_scale, len(counts) // 6) + bytes(counts))


def wave(kind, rate_mhz, channels, quality, counts):
    """PULSE_WAVE or BED_WAVE: counts are int16, the channels of a sample together; 32768 is the sensor's range."""
    return section(
        kind, struct.pack("<IBBH", rate_mhz, channels, quality, len(counts) // (2 * channels)) + bytes(counts)
    )


def number(kind, steps, quality=GOOD):
    """A number in the steps of the protocol's table, or None for "no value"."""
    if steps is None or not 0 <= steps < 0xFFFF:
        steps = 0xFFFF
    return section(kind, struct.pack("<HB", steps, quality))


def state(kind, code):
    """A state's code, or None for "unknown"."""
    return section(kind, bytes([0xFF if code is None else code]))


def press(counter, offset_ms):
    """A press of the help button; when, in milliseconds relative to the frame's time."""
    return section(BUTTON, struct.pack("<Hi", counter & 0xFFFF, offset_ms))


def identity(text):
    """Model and firmware version."""
    return section(IDENTITY, text.encode())


def frame(boot, sequence, time_us, utc, sections):
    """The whole frame. Raises ValueError if it would be longer than 4096 bytes."""
    body = b"".join(sections)
    if HEADER_BYTES + len(body) + 4 > MAX_FRAME:
        raise ValueError("frame too long")
    flags = FLAG_UTC if utc else 0
    head = struct.pack("<2sBBIIQH", b"YL", 1, flags, boot, sequence, time_us, len(body))
    return _seal(head + body)


def stored(sent):
    """The same frame as history: stored flag set, new CRC."""
    copy = bytearray(sent[:-4])
    copy[FLAGS_AT] |= FLAG_STORED
    return _seal(bytes(copy))


def _seal(unsealed):
    return unsealed + struct.pack("<I", crc32(unsealed) & 0xFFFFFFFF)


def cobs(data):
    """The frame as it goes over a serial line, with its ending zero."""
    out = bytearray()
    groups = data.split(b"\x00")
    last = len(groups) - 1
    for index, group in enumerate(groups):
        size = len(group)
        at = 0
        while size - at >= 254:
            out.append(255)
            out.extend(group[at : at + 254])
            at += 254
        if at < size or index < last or size == 0:
            out.append(size - at + 1)
            out.extend(group[at:])
    out.append(0)
    return bytes(out)
