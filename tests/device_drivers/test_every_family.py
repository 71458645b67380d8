"""One battery for all families, fed from their samples: a family that registers and has a sample gets it for free."""

from __future__ import annotations

import random
from typing import Any

import pytest
from battery import (
    CHUNKS,
    FUZZ_BYTES,
    FUZZ_PAYLOADS,
    NOW,
    buffers,
    check_bounded,
    damaged,
    fuzz_messages,
    fuzz_stream,
    in_chunks,
    in_time,
    legal,
    lost_after,
    message_codec,
    noisy,
    signature,
    spoilt,
    stream_codec,
    tail_of,
    values,
)

from device_drivers.codec import KEPT_RAW_BYTES, Driver, StreamCodec
from device_drivers.framing import SLICE, Framer, FrameSpec
from device_drivers.registry import drivers, is_ours
from device_drivers.sample import MessageSample, StreamSample
from simulators.samples import samples_of

EVERY = [(driver, sample) for driver in drivers().values() for sample in samples_of(driver)]
STREAMS = [(driver, sample) for driver, sample in EVERY if isinstance(sample, StreamSample)]
MESSAGES = [(driver, sample) for driver, sample in EVERY if isinstance(sample, MessageSample)]


def each(pairs: list[Any]) -> pytest.MarkDecorator:
    names = [f"{driver.family} {sample.way}" for driver, sample in pairs]
    return pytest.mark.parametrize(("driver", "sample"), pairs, ids=names)


def test_every_family_has_a_sample_of_each_way_it_comes() -> None:
    for driver in filter(is_ours, drivers().values()):
        kinds = {type(sample) for sample in samples_of(driver)}
        assert (StreamSample in kinds) == (driver.stream is not None), driver.family
        assert (MessageSample in kinds) == (driver.message is not None), driver.family


@each(EVERY)
def test_every_frame_of_the_sample_is_understood(driver: Driver, sample: StreamSample | MessageSample) -> None:
    rng = random.Random(3)
    assert sample.rate_hz > 0
    assert sample.rate_zh
    assert sample.rate_en
    for traffic in (sample.usual, sample.mix):
        sent: list[Any] = list(traffic(rng, 100, NOW))
        assert len(sent) == 100
        if isinstance(sample, StreamSample):
            codec: Any = stream_codec(driver, sample)
            found = in_time(codec, sent, sample.period_ns())
        else:
            codec = message_codec(driver, sample)
            found = [
                one
                for n, (topic, payload) in enumerate(sent)
                for one in codec.feed(topic, payload, NOW + n * sample.period_ns())
            ]
        assert not codec.rejections
        assert legal(found, driver) or codec.notes


@each(STREAMS)
def test_the_result_does_not_depend_on_how_the_stream_was_cut(driver: Driver, sample: StreamSample) -> None:
    rng = random.Random(5)
    clean = b"".join(sample.mix(rng, 100, NOW))
    for data in (clean, noisy(rng, clean)):
        for eager in (True, False):
            whole = stream_codec(driver, sample, eager=eager)
            expected = signature(in_chunks(whole, data, len(data)))
            for size in CHUNKS:
                cut = stream_codec(driver, sample, eager=eager)
                assert signature(in_chunks(cut, data, size)) == expected
                assert (cut.health, list(cut.notes)) == (whole.health, list(whole.notes))
                assert cut.answers() == whole.answers() or size != CHUNKS[0]


@each([(driver, sample) for driver, sample in STREAMS if not sample.unchecked])
def test_damaged_frames_give_no_value_that_was_not_sent(driver: Driver, sample: StreamSample) -> None:
    """One fault in every tenth frame: a checksum of 8 bits lets one in 256 frames with several faults pass."""
    rng = random.Random(7)
    sent = sample.mix(rng, 1500, NOW)
    line = [spoilt(rng, frame) if rng.random() < 0.1 else frame for frame in sent]
    expected = values(in_time(stream_codec(driver, sample), sent, sample.period_ns()))
    codec = stream_codec(driver, sample)
    found = values(legal(in_time(codec, line, sample.period_ns()), driver))
    assert not found.keys() - expected.keys()
    assert found
    assert codec.health.rejected
    assert codec.health.frames > 0.8 * len(sent)


@each(STREAMS)
def test_a_stream_recovers_within_one_frame(driver: Driver, sample: StreamSample) -> None:
    """After the last fault one frame may be missing. Where a fault makes a frame seem longer, it holds up what comes
    behind it for as long as a frame can be, and no longer: that is the rare case.
    """
    rng = random.Random(9)
    tail, lost = tail_of(sample, rng), []
    for _ in range(30):
        before = sample.mix(rng, 6, NOW)
        lost.append(lost_after(driver, sample, noisy(rng, b"".join(before[:-1])) + spoilt(rng, before[-1]), tail))
    assert max(lost) * len(tail[0]) <= SLICE + len(tail[0])
    assert sum(one <= 1 for one in lost) >= 0.8 * len(lost)


@each(STREAMS)
def test_silence_and_noise_in_time(driver: Driver, sample: StreamSample) -> None:
    """A line that falls silent in the middle of a frame for an hour, again and again."""
    rng = random.Random(11)
    codec = stream_codec(driver, sample, eager=False)
    now = NOW
    for _ in range(60):
        for frame in (*sample.mix(rng, 3, now), spoilt(rng, sample.mix(rng, 1, now)[0])):
            legal(codec.feed(frame, now), driver)
            now += sample.period_ns()
        now += rng.choice((0, 5, 60, 3600)) * 1_000_000_000
        codec.poll(now)
    check_bounded(codec)


@each(STREAMS)
@pytest.mark.no_cover
def test_a_fuzzed_stream_raises_nothing_and_memory_is_bounded(driver: Driver, sample: StreamSample) -> None:
    count = FUZZ_BYTES // len([one for one, _ in STREAMS if one is driver])
    codec = fuzz_stream(driver, sample, count)
    assert codec.health.frames > 10
    assert codec.health.rejected or codec.health.skipped_bytes or sample.unchecked


@each(MESSAGES)
def test_damaged_payloads_are_refused_and_kept(driver: Driver, sample: MessageSample) -> None:
    rng = random.Random(13)
    codec = message_codec(driver, sample)
    for n, (topic, payload) in enumerate(sample.mix(rng, 400, NOW)):
        now = NOW + n * sample.period_ns()
        for wrong in (damaged(rng, payload), payload[: rng.randrange(len(payload))], b"\xff\x00" + payload):
            codec.rejections.clear()
            counted = codec.health.rejected.total()
            found = [*legal(codec.feed(topic, wrong, now), driver), *legal(codec.feed(topic, wrong, now), driver)]
            assert codec.health.rejected.total() >= counted + len(codec.rejections)
            kept = [one.raw for one in codec.rejections]
            # Of a message of many parts a wrong one is refused and kept, as it was read; else the whole payload.
            assert not kept or found or codec.notes or wrong[:KEPT_RAW_BYTES] in kept
    assert codec.health.rejected


@each(MESSAGES)
@pytest.mark.no_cover
def test_fuzzed_messages_raise_nothing_and_memory_is_bounded(driver: Driver, sample: MessageSample) -> None:
    codec = fuzz_messages(driver, sample, FUZZ_PAYLOADS)
    assert codec.health.frames > FUZZ_PAYLOADS // 20
    assert sum(codec.health.rejected.values()) > FUZZ_PAYLOADS // 100


def test_a_framer_whose_judge_fails_drops_its_buffer_and_goes_on() -> None:
    """A driver's mistake must not come back with every byte that follows."""

    def check(buffer: bytearray, start: int) -> int:
        if len(buffer) - start < 3:
            return 0
        return {1: 3}[buffer[start + 1]]

    class Codec(StreamCodec):
        family = "faulty"

        def __init__(self) -> None:
            super().__init__("device")
            self.framer = Framer(FrameSpec((b"\xaa",), check, 16), self.health, self.reject)

        def feed(self, data: bytes, received_ns: int) -> list[Any]:  # noqa: ARG002 - as every codec
            return list(self.framer.feed(data))

    codec = Codec()
    good, bad = b"\xaa\x01\x07", b"\xaa\x02\x07"
    assert codec.feed(good + bad[:2], NOW) == [good]
    with pytest.raises(KeyError):
        codec.feed(bad[2:] + good, NOW)
    assert codec.framer.pending == 0
    assert codec.feed(good + good, NOW) == [good, good]


@each([pair for pair in STREAMS if pair[0].family in {"watch_3g", "minifinder", "jt808", "emfit", "yinling_wearable"}])
def test_what_keeps_bytes_of_its_own_can_drop_them(driver: Driver, sample: StreamSample) -> None:
    frame = sample.usual(random.Random(17), 1, NOW)[0]
    codec = stream_codec(driver, sample)
    codec.feed(frame[: len(frame) // 2], NOW)
    assert any(buffers(codec))
    codec.drop()
    assert not any(buffers(codec))
    whole = stream_codec(driver, sample)
    assert signature(in_chunks(codec, frame, 7)) == signature(in_chunks(whole, frame, 7))
