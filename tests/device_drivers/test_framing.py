import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_drivers.codec import CodecHealth
from device_drivers.framing import BUFFER_LIMIT, NEED_MORE, SLICE, Bad, Framer, FrameSpec, sum8

MAX_BODY = 40


def check_sum_frame(buffer: bytearray, start: int) -> int | Bad:
    """A toy family: A5 5A, length, body, sum."""
    if len(buffer) - start < 3:
        return NEED_MORE
    size = buffer[start + 2]
    if size > MAX_BODY:
        return Bad("length", 3)
    end = start + 4 + size
    if len(buffer) < end:
        return NEED_MORE
    return end - start if sum8(buffer[start : end - 1]) == buffer[end - 1] else Bad("checksum", end - start)


def check_two_heads(buffer: bytearray, start: int) -> int | Bad:
    return 5 if buffer[start] == 0x11 else 6


def check_fixed(buffer: bytearray, start: int) -> int | Bad:
    """Four bytes, no head: the first has bit 7 set, the others do not."""
    if len(buffer) - start < 4:
        return NEED_MORE
    good = buffer[start] & 0x80 and not any(byte & 0x80 for byte in buffer[start + 1 : start + 4])
    return 4 if good else Bad("sync", 1)


SUMMED = FrameSpec((b"\xa5\x5a",), check_sum_frame, 4 + MAX_BODY)
TWO_HEADS = FrameSpec((b"\x11\x22\x33", b"\x44\x55"), check_two_heads, 6)
FIXED = FrameSpec((b"",), check_fixed, 4)


def frame(body: bytes) -> bytes:
    start = b"\xa5\x5a" + bytes((len(body),)) + body
    return start + bytes((sum8(start),))


class Bench:
    def __init__(self, spec: FrameSpec) -> None:
        self.health = CodecHealth()
        self.refused: list[tuple[str, bytes, dict[str, object]]] = []
        self.framer = Framer(spec, self.health, self._refuse)

    def _refuse(self, reason: str, raw: bytes, **detail: object) -> None:
        self.refused.append((reason, raw, detail))

    def run(self, data: bytes, chunk: int | None = None) -> list[bytes]:
        step = chunk or max(1, len(data))
        return [found for at in range(0, len(data), step) for found in self.framer.feed(data[at : at + step])]


def test_frames_come_out_whole_and_noise_is_counted() -> None:
    bench = Bench(SUMMED)
    assert bench.run(b"xyz" + frame(b"one") + b"\xa5" + frame(b"") + b"\xa5") == [frame(b"one"), frame(b"")]
    assert bench.health.frames == 2
    assert bench.health.skipped_bytes == 4
    assert bench.framer.pending == 1
    assert not bench.refused


def test_bad_checksum_keeps_raw_and_goes_on_one_byte_later() -> None:
    inner = frame(b"in")
    damaged = bytearray(frame(b"a" + inner + b"b"))
    damaged[-1] ^= 1
    bench = Bench(SUMMED)
    assert bench.run(bytes(damaged)) == [inner]
    assert bench.refused == [("checksum", bytes(damaged), {})]


def test_overlapping_head_is_found() -> None:
    spec = FrameSpec((b"\x53\x53\x59",), lambda _buffer, _start: 4, 4)
    assert Bench(spec).run(b"\x53\x53\x53\x59!", 1) == [b"\x53\x53\x59!"]


def test_several_heads_and_none() -> None:
    stream = b"\x11\x22" + b"\x11\x22\x33ab" + b"\x44" + b"\x44\x55abcd"
    assert Bench(TWO_HEADS).run(stream, 1) == Bench(TWO_HEADS).run(stream) == [b"\x11\x22\x33ab", b"\x44\x55abcd"]
    fixed = Bench(FIXED)
    assert fixed.run(b"\x01\x02\x83\x01\x02\x03\x84\x01\x85\x04\x05\x06") == [b"\x83\x01\x02\x03", b"\x85\x04\x05\x06"]
    assert [reason for reason, _, _ in fixed.refused] == ["sync"] * 4


def test_a_frame_that_never_ends_is_given_up() -> None:
    endless = FrameSpec((b"\x01",), lambda _buffer, _start: NEED_MORE, 64)
    bench = Bench(endless)
    bench.run(b"\x01" * 10_000)
    assert bench.framer.pending < 64
    assert {reason for reason, _, _ in bench.refused} == {"too_long"}
    huge = Bench(FrameSpec((b"\x01",), lambda _buffer, _start: 65, 64))
    assert huge.run(b"\x01" * 100) == []
    assert huge.framer.pending == 0


def test_bad_specs_are_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        FrameSpec((b"\x01",), check_fixed, SLICE + 1)
    with pytest.raises(ValueError, match="at least one head"):
        FrameSpec((), check_fixed, 4)


pieces = st.one_of(
    st.binary(max_size=MAX_BODY).map(frame),
    st.binary(max_size=30),
    st.sampled_from([b"\xa5", b"\xa5\x5a", b"\xa5\xa5\x5a", frame(b"abc")[:-2]]),
)


@given(st.lists(pieces, max_size=12).map(b"".join), st.sampled_from([1, 3, 7, 64, 512]))
def test_chunking_changes_nothing(stream: bytes, chunk: int) -> None:
    whole, cut = Bench(SUMMED), Bench(SUMMED)
    assert whole.run(stream) == cut.run(stream, chunk)
    assert whole.refused == cut.refused
    assert whole.health == cut.health
    assert whole.framer.pending == cut.framer.pending


@given(st.lists(pieces, max_size=12).map(b"".join), st.sampled_from([1, 5, 4096]))
def test_every_byte_is_in_a_frame_or_skipped_or_pending(stream: bytes, chunk: int) -> None:
    bench = Bench(SUMMED)
    frames = bench.run(stream, chunk)
    assert sum(map(len, frames)) + bench.health.skipped_bytes + bench.framer.pending == len(stream)


def test_the_time_grows_with_the_bytes_only_and_the_buffer_is_bounded() -> None:
    """Eight times the bytes, worst kinds of input: about eight times the time (a square law would give 64)."""

    def seconds(stream: bytes) -> float:
        best = 9.9
        for _ in range(3):
            bench = Bench(SUMMED)
            began = time.process_time()
            bench.framer.feed(stream)
            best = min(best, time.process_time() - began)
            assert bench.framer.pending <= BUFFER_LIMIT
        return best

    for unit in (b"\xa5" * 64, b"\xa5\x5a\x20" * 20, frame(bytes(20)), bytes(64)):
        small = seconds(unit * (32_768 // len(unit)))
        large = seconds(unit * (262_144 // len(unit)))
        assert large < max(24 * small, 0.05)


def test_random_bytes_never_raise() -> None:
    rng = random.Random(1)
    for spec in (SUMMED, TWO_HEADS, FIXED):
        bench = Bench(spec)
        for _ in range(200):
            bench.framer.feed(rng.randbytes(rng.randrange(600)))
            assert bench.framer.pending <= spec.max_size
