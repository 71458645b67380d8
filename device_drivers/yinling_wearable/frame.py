"""One frame of the wire protocol for wearables (docs/wire-protocol.md), as a typed value and as bytes.

`decode_frame(encode_frame(frame)) == frame` for every frame whose numbers lie on the protocol's steps.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

import numpy as np

from device_drivers.observations import Quality

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

MAGIC = b"YL"
VERSION = 1
FLAG_UTC = 0x01
FLAG_STORED = 0x02
HEADER = struct.Struct("<2sBBIIQH")
CRC = struct.Struct("<I")
OVERHEAD = HEADER.size + CRC.size
MAX_FRAME = 4096
_RESIDUE = 0x2144DF1C
"""CRC-32 over anything followed by its own CRC-32, least significant byte first."""

SECTION = struct.Struct("<BH")
BLOCK = struct.Struct("<IHHH")
WAVE = struct.Struct("<IBBH")
NUMBER = struct.Struct("<HB")
PRESS = struct.Struct("<Hi")

ACCEL, GYRO, PULSE_WAVE, BED_WAVE = 0x01, 0x02, 0x03, 0x04
HEART_RATE, SPO2, SKIN_TEMPERATURE, BATTERY, BATTERY_VOLTAGE, RESPIRATORY_RATE = 0x10, 0x11, 0x12, 0x13, 0x14, 0x15
WORN, CHARGING, FAULT = 0x40, 0x41, 0x42
BUTTON = 0x60
IDENTITY = 0x70

NO_NUMBER = 0xFFFF
NO_STATE = 0xFF
MOST_CHANNELS = 4
SLOWEST_MHZ, FASTEST_MHZ = 100, 10_000_000
QUALITIES = (Quality.GOOD, Quality.POOR, Quality.NO_CONTACT)
FAULTS = ("none", "hardware", "firmware", "other")


class FrameError(ValueError):
    """These bytes are no frame. reason: "size", "magic", "crc", "version" or "length"; detail: the facts."""

    def __init__(self, reason: str, **detail: Any) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


_INT16, _FLOAT32 = np.dtype("<i2"), np.dtype(np.float32)


@lru_cache(maxsize=64)
def _factor(scale: float) -> NDArray[np.float32]:
    """What one count stands for; an array of no dimension multiplies faster than a scalar."""
    return np.array(scale / 32768.0, np.float32)


class Block(NamedTuple):
    """Samples of a three-axis sensor; the first was taken at the frame's device time.

    rate_hz: 0.1 to 10,000 Hz in steps of 0.001. scale: what 32768 counts stand for, full_scale: where the sensor
    clips, both in g (steps of 0.001) or deg/s (steps of 0.1). counts: int16 x, y, z, little-endian, interleaved.
    """

    rate_hz: float
    scale: float
    full_scale: float
    counts: bytes

    def values(self) -> NDArray[np.float32]:
        """float32 (n, 3) in g or deg/s: counts * scale / 32768."""
        values = np.ndarray((len(self.counts) // 6, 3), _INT16, self.counts).astype(_FLOAT32)
        values *= _factor(self.scale)
        return values

    @property
    def duration_ns(self) -> int:
        """Nanoseconds from the first sample to the last."""
        return int((len(self.counts) // 6 - 1) * 1e9 / self.rate_hz)


class WaveBlock(NamedTuple):
    """Samples of a wave of 1 to 4 channels (colours of light, parts of a mat); the first at the frame's device time.

    rate_hz: 0.1 to 10,000 Hz in steps of 0.001. counts: int16, little-endian, the channels of a sample together;
    32768 is the sensor's range.
    """

    rate_hz: float
    channels: int
    counts: bytes
    quality: Quality = Quality.GOOD

    def values(self) -> NDArray[np.float32]:
        """float32 (n, channels), -1 to 1: counts / 32768."""
        count = len(self.counts) // (2 * self.channels)
        values = np.ndarray((count, self.channels), _INT16, self.counts).astype(_FLOAT32)
        values *= _factor(1.0)
        return values

    @property
    def duration_ns(self) -> int:
        """Nanoseconds from the first sample to the last."""
        return int((len(self.counts) // (2 * self.channels) - 1) * 1e9 / self.rate_hz)


class Measured(NamedTuple):
    """A number in the signal's unit, or None where the device sent "no value"."""

    value: float | None
    quality: Quality = Quality.GOOD


class Press(NamedTuple):
    """One press of the help button: counter since boot (0-65535), and when, in ms relative to the device time."""

    counter: int
    offset_ms: int = 0


class Problem(NamedTuple):
    """A section that was not understood: its type, why ("truncated", "length", "block", "repeated"), its bytes."""

    kind: int
    reason: str
    raw: bytes


@dataclass(slots=True)
class WearableFrame:
    """What one frame says. A field is None where its section is absent.

    boot: random at each start. sequence: of the frame, from 0 at boot. time_us: UTC since 1970 where `utc`,
    otherwise since boot. worn, charging: the outer None is "no section", "unknown" is "device does not know".
    unknown: sections of unknown type (type, bytes). problems: sections that were refused; not sent.
    """

    boot: int
    sequence: int
    time_us: int
    utc: bool = False
    stored: bool = False
    accel: Block | None = None
    gyro: Block | None = None
    pulse_wave: WaveBlock | None = None
    bed_wave: WaveBlock | None = None
    heart_rate: Measured | None = None
    spo2: Measured | None = None
    skin_temperature: Measured | None = None
    battery: Measured | None = None
    battery_voltage: Measured | None = None
    respiratory_rate: Measured | None = None
    worn: bool | str | None = None
    charging: bool | str | None = None
    fault: str | None = None
    presses: tuple[Press, ...] = ()
    identity: str | None = None
    unknown: tuple[tuple[int, bytes], ...] = ()
    problems: tuple[Problem, ...] = field(default=(), compare=False)


BLOCKS: Mapping[int, tuple[str, float]] = {ACCEL: ("accel", 1000.0), GYRO: ("gyro", 10.0)}
"""Section type to field and steps in one unit."""

WAVES: Mapping[int, str] = {PULSE_WAVE: "pulse_wave", BED_WAVE: "bed_wave"}
"""Section type to field, which is also the signal's name."""

NUMBERS: Mapping[int, tuple[str, float]] = {
    HEART_RATE: ("heart_rate", 10.0),
    SPO2: ("spo2", 10.0),
    SKIN_TEMPERATURE: ("skin_temperature", 100.0),
    BATTERY: ("battery", 10.0),
    BATTERY_VOLTAGE: ("battery_voltage", 1.0),
    RESPIRATORY_RATE: ("respiratory_rate", 10.0),
}
"""Section type to field (also the signal's name) and steps in one unit of the signal."""

STATES: Mapping[int, tuple[str, Mapping[int, bool | str]]] = {
    WORN: ("worn", {0: False, 1: True, NO_STATE: "unknown"}),
    CHARGING: ("charging", {0: False, 1: True, NO_STATE: "unknown"}),
    FAULT: ("fault", dict(enumerate(FAULTS))),
}
"""Section type to field and the meaning of its byte."""


def decode_frame(data: bytes) -> WearableFrame:
    """The frame in `data`. Raises FrameError; single bad sections are in `problems` and spare the others."""
    size = len(data)
    if not OVERHEAD <= size <= MAX_FRAME:
        raise FrameError("size", size=size)
    magic, version, flags, boot, sequence, time_us, length = HEADER.unpack_from(data)
    if magic != MAGIC:
        raise FrameError("magic", magic=bytes(magic).hex())
    if crc32(data) != _RESIDUE:
        raise FrameError("crc", sent=CRC.unpack(data[-4:])[0], computed=crc32(data[:-4]))
    if version != VERSION:
        raise FrameError("version", version=version)
    if length + OVERHEAD != size:
        raise FrameError("length", length=length, size=size)
    frame = WearableFrame(boot, sequence, time_us, flags & FLAG_UTC != 0, flags & FLAG_STORED != 0)
    _read_sections(frame, data, size - CRC.size)
    return frame


def _read_sections(frame: WearableFrame, data: bytes, end: int) -> None:
    start = HEADER.size
    while start < end:
        if end - start < SECTION.size:
            frame.problems += (Problem(data[start], "truncated", data[start:end]),)
            return
        kind, length = _section_head(data, start)
        body = start + SECTION.size
        start = body + length
        if start > end:
            frame.problems += (Problem(kind, "truncated", data[body:end]),)
            return
        reader = _READERS.get(kind)
        if reader is None:
            frame.unknown += ((kind, data[body:start]),)
        elif reason := reader(frame, data, body, length):
            frame.problems += (Problem(kind, reason, data[body:start]),)


_section_head = SECTION.unpack_from
_block_head = BLOCK.unpack_from
_wave_head = WAVE.unpack_from
_number = NUMBER.unpack_from
_new = tuple.__new__
"""Makes a named tuple in a third of the time of calling its class."""

Reader = Callable[[WearableFrame, bytes, int, int], str]
"""Reads one section into the frame: (frame, data, where its body starts, its length) to a problem or ""."""


def _block_reader(name: str, steps: float) -> Reader:
    def read(frame: WearableFrame, data: bytes, body: int, length: int) -> str:
        if length < BLOCK.size:
            return "length"
        rate_mhz, scale, full_scale, count = _block_head(data, body)
        if length != BLOCK.size + 6 * count:
            return "length"
        if not (SLOWEST_MHZ <= rate_mhz <= FASTEST_MHZ and scale and full_scale and count):
            return "block"
        if getattr(frame, name) is not None:
            return "repeated"
        counts = data[body + BLOCK.size : body + length]
        setattr(frame, name, _new(Block, (rate_mhz / 1000.0, scale / steps, full_scale / steps, counts)))
        return ""

    return read


def _wave_reader(name: str) -> Reader:
    def read(frame: WearableFrame, data: bytes, body: int, length: int) -> str:
        if length < WAVE.size:
            return "length"
        rate_mhz, channels, code, count = _wave_head(data, body)
        if length != WAVE.size + 2 * channels * count:
            return "length"
        if not (SLOWEST_MHZ <= rate_mhz <= FASTEST_MHZ and 1 <= channels <= MOST_CHANNELS and count):
            return "block"
        if getattr(frame, name) is not None:
            return "repeated"
        quality = QUALITIES[code] if code < len(QUALITIES) else Quality.POOR
        counts = data[body + WAVE.size : body + length]
        setattr(frame, name, WaveBlock(rate_mhz / 1000.0, channels, counts, quality))
        return ""

    return read


def _number_reader(name: str, steps: float) -> Reader:
    def read(frame: WearableFrame, data: bytes, body: int, length: int) -> str:
        if length != NUMBER.size:
            return "length"
        if getattr(frame, name) is not None:
            return "repeated"
        number, code = _number(data, body)
        quality = QUALITIES[code] if code < len(QUALITIES) else Quality.POOR
        setattr(frame, name, _new(Measured, (None if number == NO_NUMBER else number / steps, quality)))
        return ""

    return read


def _state_reader(name: str, meanings: Mapping[int, bool | str], otherwise: str) -> Reader:
    def read(frame: WearableFrame, data: bytes, body: int, length: int) -> str:
        if length != 1:
            return "length"
        if getattr(frame, name) is not None:
            return "repeated"
        setattr(frame, name, meanings.get(data[body], otherwise))
        return ""

    return read


def _read_press(frame: WearableFrame, data: bytes, body: int, length: int) -> str:
    if length != PRESS.size:
        return "length"
    frame.presses += (Press(*PRESS.unpack_from(data, body)),)
    return ""


def _read_identity(frame: WearableFrame, data: bytes, body: int, length: int) -> str:
    if frame.identity is not None:
        return "repeated"
    frame.identity = data[body : body + length].decode(errors="replace")
    return ""


_READERS: dict[int, Reader] = {
    **{kind: _block_reader(*row) for kind, row in BLOCKS.items()},
    **{kind: _wave_reader(name) for kind, name in WAVES.items()},
    **{kind: _number_reader(*row) for kind, row in NUMBERS.items()},
    **{kind: _state_reader(*row, "other" if kind == FAULT else "unknown") for kind, row in STATES.items()},
    BUTTON: _read_press,
    IDENTITY: _read_identity,
}


def encode_frame(frame: WearableFrame) -> bytes:
    """The bytes of a frame. Raises ValueError for a number that the protocol cannot carry or a frame over 4096."""
    try:
        sections = b"".join(_sections(frame))
        flags = FLAG_UTC * frame.utc | FLAG_STORED * frame.stored
        head = HEADER.pack(MAGIC, VERSION, flags, frame.boot, frame.sequence, frame.time_us, len(sections))
    except struct.error as error:
        raise ValueError(f"a number does not fit its field: {error}") from error
    if len(sections) + OVERHEAD > MAX_FRAME:
        raise ValueError(f"a frame of {len(sections) + OVERHEAD} bytes; the most is {MAX_FRAME}")
    return seal(head + sections)


def seal(unsealed: bytes) -> bytes:
    """Header and sections with their CRC-32 behind them."""
    return unsealed + CRC.pack(crc32(unsealed))


def _sections(frame: WearableFrame) -> list[bytes]:
    out = [_pack_block(kind, block, steps) for kind, block, steps in _present(frame, BLOCKS)]
    out += [_pack_wave(kind, wave) for kind, name in WAVES.items() if (wave := getattr(frame, name)) is not None]
    out += [_pack_number(kind, number, steps) for kind, number, steps in _present(frame, NUMBERS)]
    for kind, state, meanings in _present(frame, STATES):
        codes = {meaning: code for code, meaning in meanings.items()}
        if state not in codes:
            raise ValueError(f"{STATES[kind][0]} cannot be {state!r}")
        out.append(_section(kind, bytes([codes[state]])))
    out += [_section(BUTTON, PRESS.pack(*press)) for press in frame.presses]
    if frame.identity is not None:
        out.append(_section(IDENTITY, frame.identity.encode()))
    return out + [_section(kind, raw) for kind, raw in frame.unknown]


def _present(frame: WearableFrame, table: Mapping[int, tuple[str, Any]]) -> list[tuple[int, Any, Any]]:
    rows = ((kind, getattr(frame, name), steps) for kind, (name, steps) in table.items())
    return [row for row in rows if row[1] is not None]


def _section(kind: int, body: bytes) -> bytes:
    return SECTION.pack(kind, len(body)) + body


def _pack_block(kind: int, block: Block, steps: float) -> bytes:
    rate_mhz = round(block.rate_hz * 1000)
    count, odd = divmod(len(block.counts), 6)
    if odd or not count or not SLOWEST_MHZ <= rate_mhz <= FASTEST_MHZ:
        raise ValueError(f"a block of {len(block.counts)} bytes at {block.rate_hz} Hz")
    scale, full_scale = round(block.scale * steps), round(block.full_scale * steps)
    if not (scale and full_scale):
        raise ValueError(f"a block with scale {block.scale} and full scale {block.full_scale}")
    head = BLOCK.pack(rate_mhz, scale, full_scale, count)
    return _section(kind, head + block.counts)


def _pack_wave(kind: int, wave: WaveBlock) -> bytes:
    rate_mhz = round(wave.rate_hz * 1000)
    if not (1 <= wave.channels <= MOST_CHANNELS and SLOWEST_MHZ <= rate_mhz <= FASTEST_MHZ):
        raise ValueError(f"a wave of {wave.channels} channels at {wave.rate_hz} Hz")
    count, odd = divmod(len(wave.counts), 2 * wave.channels)
    if odd or not count:
        raise ValueError(f"a wave of {len(wave.counts)} bytes in {wave.channels} channels")
    head = WAVE.pack(rate_mhz, wave.channels, QUALITIES.index(wave.quality), count)
    return _section(kind, head + wave.counts)


def _pack_number(kind: int, number: Measured, steps: float) -> bytes:
    code = NO_NUMBER if number.value is None else round(number.value * steps)
    if number.value is not None and not 0 <= code < NO_NUMBER:
        raise ValueError(f"{NUMBERS[kind][0]} cannot be {number.value}")
    return _section(kind, NUMBER.pack(code, QUALITIES.index(number.quality)))
