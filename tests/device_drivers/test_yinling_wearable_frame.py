"""The wearable's frame: the worked example of the documentation byte by byte, the round trip, and every refusal."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_drivers.observations import Quality
from device_drivers.yinling_wearable import (
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
from device_drivers.yinling_wearable.frame import seal

DOCUMENT = Path(__file__).parents[2] / "docs" / "wire-protocol.md"
EXAMPLE = WearableFrame(
    boot=0xA1B2C3D4,
    sequence=42,
    time_us=1_800_000_000_000_000,
    utc=True,
    accel=Block(50.0, 8.192, 8.0, struct.pack("<6h", 0, -4000, 256, 16, -4016, 240)),
    heart_rate=Measured(72.0),
    skin_temperature=Measured(None, Quality.NO_CONTACT),
    battery=Measured(87.0),
    worn=True,
    presses=(Press(3, -120),),
)
EXAMPLE_HEX = (
    "594c 01 01 d4c3b2a1 2a000000 0080982817650600 3800"
    "01 1600 50c30000 0020 401f 0200 0000 60f0 0001 1000 50f0 f000"
    "10 0300 d002 00  12 0300 ffff 02  13 0300 6603 00  40 0100 01  60 0600 0300 88ffffff"
)


def example_bytes() -> bytes:
    body = bytes.fromhex(EXAMPLE_HEX.replace(" ", ""))
    return body + struct.pack("<I", crc32(body))


def sections(*pieces: tuple[int, bytes], tail: bytes = b"") -> bytes:
    body = b"".join(struct.pack("<BH", kind, len(raw)) + raw for kind, raw in pieces) + tail
    return seal(struct.pack("<2sBBIIQH", b"YL", 1, 0, 1, 2, 3, len(body)) + body)


def test_the_example_in_both_directions() -> None:
    assert encode_frame(EXAMPLE).hex() == example_bytes().hex()
    assert decode_frame(example_bytes()) == EXAMPLE


def test_the_document_shows_this_example() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    shown = re.search(r"<!-- example -->\n```\n(.*?)```", text, re.DOTALL)
    assert shown is not None
    lines = (line.split("|")[0] for line in shown.group(1).splitlines())
    assert bytes.fromhex("".join(lines)) == example_bytes()


def test_values_in_units() -> None:
    assert EXAMPLE.accel is not None
    values = EXAMPLE.accel.values()
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, [[0, -1.0, 0.064], [0.004, -1.004, 0.06]], atol=1e-6)
    assert EXAMPLE.accel.duration_ns == 20_000_000


def numbers(steps: int, most: int = 65_534) -> st.SearchStrategy[Measured | None]:
    value = st.none() | st.integers(0, most).map(lambda code: code / steps)
    quality = st.sampled_from([Quality.GOOD, Quality.POOR, Quality.NO_CONTACT])
    return st.none() | st.builds(Measured, value, quality)


def blocks(steps: int) -> st.SearchStrategy[Block | None]:
    scale = st.integers(1, 65_535).map(lambda code: code / steps)
    rate = st.integers(100, 10_000_000).map(lambda mhz: mhz / 1000)
    counts = st.integers(1, 120).flatmap(lambda n: st.binary(min_size=6 * n, max_size=6 * n))
    return st.none() | st.builds(Block, rate, scale, scale, counts)


def wave_blocks() -> st.SearchStrategy[WaveBlock | None]:
    def one(channels: int) -> st.SearchStrategy[WaveBlock]:
        rate = st.integers(100, 10_000_000).map(lambda mhz: mhz / 1000)
        counts = st.integers(1, 60).flatmap(lambda n: st.binary(min_size=2 * channels * n, max_size=2 * channels * n))
        quality = st.sampled_from([Quality.GOOD, Quality.POOR, Quality.NO_CONTACT])
        return st.builds(WaveBlock, rate, st.just(channels), counts, quality)

    return st.none() | st.integers(1, 4).flatmap(one)


U16, U32, U64 = st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
STATE = st.sampled_from([None, True, False, "unknown"])
FRAMES = st.builds(
    WearableFrame,
    U32,
    U32,
    U64,
    st.booleans(),
    st.booleans(),
    blocks(1000),
    blocks(10),
    wave_blocks(),
    wave_blocks(),
    numbers(10),
    numbers(10),
    numbers(100),
    numbers(10),
    numbers(1),
    numbers(10),
    STATE,
    STATE,
    st.sampled_from([None, "none", "hardware", "firmware", "other"]),
    st.lists(st.builds(Press, U16, st.integers(-(2**31), 2**31 - 1)), max_size=4).map(tuple),
    st.none() | st.text(max_size=40),
    st.lists(st.tuples(st.integers(0x80, 0xFF), st.binary(max_size=30)), max_size=3).map(tuple),
)


@given(FRAMES)
def test_round_trip(frame: WearableFrame) -> None:
    again = decode_frame(encode_frame(frame))
    assert again == frame
    assert again.problems == ()


@given(st.integers(0, 8 * len(encode_frame(EXAMPLE)) - 1))
def test_every_flipped_bit_is_refused(bit: int) -> None:
    data = bytearray(encode_frame(EXAMPLE))
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises(FrameError):
        decode_frame(bytes(data))


@pytest.mark.parametrize(
    ("reason", "data"),
    [
        ("size", b"YL"),
        ("size", bytes(MAX_FRAME + 1)),
        ("magic", b"YM" + example_bytes()[2:]),
        ("crc", example_bytes()[:-1] + b"\x00"),
        ("version", seal(b"YL\x02" + example_bytes()[3:-4])),
        ("length", seal(example_bytes()[:-4] + b"\x00")),
    ],
)
def test_what_is_no_frame(reason: str, data: bytes) -> None:
    with pytest.raises(FrameError) as caught:
        decode_frame(data)
    assert caught.value.reason == reason
    assert caught.value.detail


BLOCK = struct.pack("<IHHH", 50_000, 8000, 8000, 1) + bytes(6)


@pytest.mark.parametrize(
    ("kind", "reason", "raw"),
    [
        (0x01, "length", b"\x01"),
        (0x01, "length", BLOCK + b"\x00"),
        (0x01, "block", struct.pack("<IHHH", 99, 8000, 8000, 1) + bytes(6)),
        (0x01, "block", struct.pack("<IHHH", 10_000_001, 8000, 8000, 1) + bytes(6)),
        (0x02, "block", struct.pack("<IHHH", 50_000, 0, 8000, 1) + bytes(6)),
        (0x02, "block", struct.pack("<IHHH", 50_000, 8000, 0, 1) + bytes(6)),
        (0x01, "block", struct.pack("<IHHH", 50_000, 8000, 8000, 0)),
        (0x10, "length", b"\x01\x02"),
        (0x40, "length", b""),
        (0x60, "length", b"\x01"),
    ],
)
def test_a_bad_section_spares_the_others(kind: int, reason: str, raw: bytes) -> None:
    frame = decode_frame(sections((kind, raw), (0x60, struct.pack("<Hi", 9, 0)), (0x13, b"\x0a\x00\x00")))
    assert frame.problems == ((kind, reason, raw),)
    assert frame.presses == (Press(9),)
    assert frame.battery == Measured(1.0)


@pytest.mark.parametrize("kind_raw", [(0x01, BLOCK), (0x10, b"\x01\x00\x00"), (0x40, b"\x01"), (0x70, b"x")])
def test_a_repeated_section_leaves_the_first(kind_raw: tuple[int, bytes]) -> None:
    once, twice = decode_frame(sections(kind_raw)), decode_frame(sections(kind_raw, kind_raw))
    assert twice == once
    assert [problem.reason for problem in twice.problems] == ["repeated"]


@pytest.mark.parametrize("tail", [b"\x10", b"\x10\x03", b"\x10\x03\x00\x01\x02", b"\x99\xff\xff"])
def test_a_section_that_overruns_the_frame(tail: bytes) -> None:
    frame = decode_frame(sections((0x40, b"\x00"), tail=tail))
    assert frame.worn is False
    assert [(problem.kind, problem.reason) for problem in frame.problems] == [(tail[0], "truncated")]


def test_codes_of_a_later_version_are_read_with_care() -> None:
    frame = decode_frame(sections((0x10, b"\xd0\x02\x09"), (0x40, b"\x07"), (0x42, b"\x63"), (0x33, b"?")))
    assert frame.heart_rate == Measured(72.0, Quality.POOR)
    assert frame.worn == "unknown"
    assert frame.fault == "other"
    assert frame.unknown == ((0x33, b"?"),)


@pytest.mark.parametrize(
    "frame",
    [
        WearableFrame(2**32, 0, 0),
        WearableFrame(0, 0, -1),
        WearableFrame(0, 0, 0, heart_rate=Measured(6553.5)),
        WearableFrame(0, 0, 0, heart_rate=Measured(-1.0)),
        WearableFrame(0, 0, 0, accel=Block(50.0, 8.0, 8.0, b"")),
        WearableFrame(0, 0, 0, accel=Block(50.0, 8.0, 8.0, b"12345")),
        WearableFrame(0, 0, 0, accel=Block(0.01, 8.0, 8.0, bytes(6))),
        WearableFrame(0, 0, 0, accel=Block(50.0, 0.0, 8.0, bytes(6))),
        WearableFrame(0, 0, 0, accel=Block(50.0, 99.0, 8.0, bytes(6))),
        WearableFrame(0, 0, 0, worn="perhaps"),
        WearableFrame(0, 0, 0, presses=(Press(1, 2**31),)),
        WearableFrame(0, 0, 0, accel=Block(50.0, 8.0, 8.0, bytes(6 * 680))),
    ],
)
def test_what_cannot_be_sent(frame: WearableFrame) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        encode_frame(frame)


def test_waves_in_shares_of_the_range() -> None:
    wave = WaveBlock(25.0, 2, struct.pack("<4h", 16384, -16384, 0, 32767))
    np.testing.assert_allclose(wave.values(), [[0.5, -0.5], [0.0, 1.0]], atol=1e-4)
    assert wave.values().dtype == np.float32
    assert wave.duration_ns == 40_000_000
    raw = struct.pack("<IBBH4h", 25_000, 2, 0, 2, 16384, -16384, 0, 32767)
    assert decode_frame(sections((0x03, raw))).pulse_wave == wave
    assert decode_frame(sections((0x04, raw[:5] + b"\x02" + raw[6:]))).bed_wave == wave._replace(
        quality=Quality.NO_CONTACT
    )
    assert decode_frame(sections((0x03, raw[:5] + b"\x09" + raw[6:]))).pulse_wave == wave._replace(quality=Quality.POOR)


@pytest.mark.parametrize(
    ("reason", "raw"),
    [
        ("length", b"\x00" * 7),
        ("length", struct.pack("<IBBH2h", 25_000, 2, 0, 2, 1, 2)),
        ("block", struct.pack("<IBBH", 25_000, 2, 0, 0)),
        ("block", struct.pack("<IBBH5h", 25_000, 5, 0, 1, 1, 2, 3, 4, 5)),
        ("block", struct.pack("<IBBH", 25_000, 0, 0, 3)),
        ("block", struct.pack("<IBBHh", 99, 1, 0, 1, 1)),
    ],
)
def test_a_bad_wave_is_refused_alone(reason: str, raw: bytes) -> None:
    frame = decode_frame(sections((0x03, raw), (0x10, struct.pack("<HB", 720, 0))))
    assert [problem.reason for problem in frame.problems] == [reason]
    assert frame.pulse_wave is None
    assert frame.heart_rate == Measured(72.0)


def test_a_wave_comes_once_and_what_cannot_be_sent_is_said() -> None:
    raw = struct.pack("<IBBHh", 25_000, 1, 0, 1, 1)
    assert [problem.reason for problem in decode_frame(sections((3, raw), (3, raw))).problems] == ["repeated"]
    for wave in (
        WaveBlock(25.0, 5, bytes(10)),
        WaveBlock(25.0, 2, bytes(6)),
        WaveBlock(25.0, 1, b""),
        WaveBlock(0, 1, b"ab"),
    ):
        with pytest.raises(ValueError, match="a wave of"):
            encode_frame(WearableFrame(1, 2, 3, pulse_wave=wave))
