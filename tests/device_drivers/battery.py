"""What every family must stand, whatever it speaks: the checks of test_every_family.py, fed from its samples."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import psutil

from device_drivers.codec import KEPT_NOTES, KEPT_RAW_BYTES, KEPT_REJECTIONS, Codec, Driver, MessageCodec, StreamCodec
from device_drivers.contract import fault_of
from device_drivers.framing import BUFFER_LIMIT, SLICE
from device_drivers.observations import Observation, Samples
from device_drivers.sample import Message, MessageSample, StreamSample

SECOND = 1_000_000_000
NOW = 1_790_000_000 * SECOND
FULL = os.environ.get("YINLING_FUZZ") == "full"
FUZZ_BYTES = 2_000_000 if FULL else 200_000
FUZZ_PAYLOADS = 200_000 if FULL else 20_000
CHUNKS = (1, 3, 7, 64, 512)
MOST_GROWTH = 40_000_000
"""Bytes that the process may grow by during the second half of a fuzz run: nothing that piles up stays below it."""
_PIECES = (b"null", b"true", b"1e99", b'"', b"[", b"{", b"-", b"0", b"00", b"\\u0000", b"\xff", b"ff07")
_ODD: Sequence[Any] = (None, True, -1, 1e300, 2**70, "", "x" * 300, "AA==", "ÿ", [], {}, [{}], {"a": 1}, 0.5)


def stream_codec(driver: Driver, sample: StreamSample, *, eager: bool = True) -> StreamCodec:
    """eager: one that holds back nothing, so that every frame can be seen."""
    assert driver.stream is not None
    return driver.stream("device", {**(driver.show_all if eager else {}), **sample.options})


def message_codec(driver: Driver, sample: MessageSample) -> MessageCodec:
    assert driver.message is not None
    codec = driver.message(sample.options)
    for topic, payload in sample.opening:
        codec.feed(topic, payload, NOW, retained=True)
    return codec


def legal(found: Iterable[Observation], driver: Driver) -> list[Observation]:
    """The same, after a look at each: of a signal that the driver names, and as the contract has it."""
    listed = list(found)
    for one in listed:
        assert fault_of(one) is None, one
        assert not driver.signals or one.signal in driver.signals, one
    return listed


def signature(found: Iterable[Observation]) -> list[Any]:
    return [(one.device_id, one.signal, _plain(one), one.quality, one.stored) for one in found]


def values(found: Iterable[Observation]) -> Counter[Any]:
    """What was said, absent values left out."""
    return Counter((one.signal, _plain(one)) for one in found if isinstance(one, Samples) or one.value is not None)


def _plain(one: Observation) -> Any:
    return one.values.tobytes() if isinstance(one, Samples) else one.value


# --- streams ----------------------------------------------------------------------------------------------------------


def in_chunks(codec: StreamCodec, data: bytes, size: int) -> list[Observation]:
    found: list[Observation] = []
    for at in range(0, len(data), size):
        found += codec.feed(data[at : at + size], NOW)
    return found + codec.finish(NOW)


def in_time(codec: StreamCodec, pieces: Sequence[bytes], period_ns: int) -> list[Observation]:
    """Each piece at its own time."""
    found: list[Observation] = []
    for n, piece in enumerate(pieces):
        found += codec.feed(piece, NOW + n * period_ns)
    return found + codec.finish(NOW + len(pieces) * period_ns)


def spoilt(rng: random.Random, frame: bytes) -> bytes:
    """One fault: a byte lost, doubled, or with a wrong bit; or the line falls silent within the frame."""
    at = rng.randrange(len(frame))
    match rng.randrange(4):
        case 0:
            return frame[:at] + frame[at + 1 :]
        case 1:
            return frame[:at] + bytes((frame[at] ^ (1 << rng.randrange(8)),)) + frame[at + 1 :]
        case 2:
            return frame[: at + 1] + frame[at:]
        case _:
            return frame[:at]


def noisy(rng: random.Random, data: bytes) -> bytes:
    """1 % of the bytes lost, 1 % with one wrong bit, 1 % doubled."""
    out = bytearray()
    for byte in data:
        chance = rng.random()
        if chance < 0.01:
            continue
        out.append(byte ^ (1 << rng.randrange(8)) if chance < 0.02 else byte)
        if chance > 0.99:
            out.append(byte)
    return bytes(out)


def check_bounded(codec: Codec) -> None:
    assert len(codec.notes) <= KEPT_NOTES
    assert len(codec.rejections) <= KEPT_REJECTIONS
    assert all(len(one.raw) <= KEPT_RAW_BYTES for one in codec.rejections)
    for buffer in buffers(codec):
        assert len(buffer) <= BUFFER_LIMIT


def buffers(thing: Any, depth: int = 2) -> Iterator[bytearray]:
    """Every byte buffer of a codec and of the parts that it is made of."""
    for value in vars(thing).values() if hasattr(thing, "__dict__") else ():
        if isinstance(value, bytearray):
            yield value
        elif depth:
            yield from buffers(value, depth - 1)


def lost_after(driver: Driver, sample: StreamSample, damaged: bytes, tail: Sequence[bytes]) -> int:
    """How many frames of a clean tail are not heard after damaged bytes. The tail is longer than any frame can be."""
    codec = stream_codec(driver, sample)
    codec.feed(damaged, NOW)
    before = codec.health.frames
    codec.feed(b"".join(tail), NOW)
    codec.finish(NOW)
    return len(tail) - (codec.health.frames - before)


def tail_of(sample: StreamSample, rng: random.Random) -> list[bytes]:
    """More clean bytes than a frame can have."""
    size = len(sample.usual(rng, 1, NOW)[0])
    return sample.usual(rng, SLICE // size + 3, NOW)


def fuzz_stream(driver: Driver, sample: StreamSample, count: int) -> StreamCodec:
    """Random bytes, real frames and damaged ones."""
    rng, codec = random.Random(2026), stream_codec(driver, sample, eager=False)
    frames, fed, growth = sample.mix(rng, 400, NOW), 0, Growth(count)
    while fed < count:
        if rng.random() < 0.2:
            piece = rng.randbytes(rng.randrange(1, 400))
        else:
            at = rng.randrange(len(frames))
            mutated = bytearray(b"".join(frames[at : at + 10]))
            for _ in range(rng.randrange(4)):
                mutated[rng.randrange(len(mutated))] = rng.randrange(256)
            piece = bytes(mutated)
        now = NOW + fed * SECOND // 100
        legal(codec.feed(piece, now), driver)
        codec.poll(now)  # the answers are never fetched
        fed += len(piece)
        growth.look(fed)
        if fed % 16 == 0:
            check_bounded(codec)
    check_bounded(codec)
    growth.check()
    return codec


# --- messages ---------------------------------------------------------------------------------------------------------


def damaged(rng: random.Random, payload: bytes) -> bytes:
    """The payload cut, with a bit flipped, pieces cut out or put in, or a value of another type."""
    if payload[:1] in b"{[" and rng.random() < 0.2:
        return _retyped(rng, payload)
    found = bytearray(payload)
    for _ in range(rng.randrange(4)):
        if not found:
            break
        at = rng.randrange(len(found))
        match rng.randrange(5):
            case 0:
                found[at] ^= 1 << rng.randrange(8)
            case 1:
                found[at] = rng.randrange(256)
            case 2:
                del found[at : at + rng.randrange(1, 6)]
            case 3:
                found[at:at] = rng.choice(_PIECES)
            case _:
                del found[at:]
    return bytes(found)


def _retyped(rng: random.Random, payload: bytes) -> bytes:
    """Valid JSON in which one value, anywhere, is something else."""
    try:
        tree = json.loads(payload)
    except ValueError:
        return payload
    places = list(_places(tree))
    if places:
        holder, key = rng.choice(places)
        holder[key] = rng.choice(_ODD)
    return json.dumps(tree).encode()


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield tree, key
        yield from _places(value)


def other_topic(rng: random.Random, topic: str) -> str:
    """The topic, now and then of a stranger, damaged, or none."""
    match rng.randrange(30):
        case 0:
            return ""
        case 1:
            return topic[: rng.randrange(len(topic))]
        case 2:
            *before, last = topic.split("/")
            return "/".join((*before, f"{last}{rng.randrange(5000)}"))
        case 3:
            first, *rest = topic.rsplit("/", 2)
            return "/".join((first, f"d{rng.randrange(5000)}", *rest[-1:]))
    return topic


def fuzz_messages(driver: Driver, sample: MessageSample, count: int) -> MessageCodec:
    """Damaged messages, retained ones, strangers' topics."""
    rng, codec = random.Random(2026), message_codec(driver, sample)
    seeds: list[Message] = [*sample.mix(rng, 300, NOW), *sample.opening]
    growth = Growth(count)
    for number in range(count):
        topic, payload = rng.choice(seeds)
        now = NOW + number * sample.period_ns()
        retained = rng.random() < 0.03
        legal(codec.feed(other_topic(rng, topic), damaged(rng, payload), now, retained=retained), driver)
        if number % 1000 == 0:
            codec.on_open()
            codec.casual_subscriptions()
        codec.poll(now)
        growth.look(number)
    check_bounded(codec)
    growth.check()
    return codec


class Growth:
    """How much the process grew in the second half of a full run, after everything that fills up is full."""

    def __init__(self, count: int) -> None:
        self._half = count // 2
        self._before: int | None = None

    def look(self, done: int) -> None:
        if FULL and self._before is None and done >= self._half:
            self._before = psutil.Process().memory_info().rss

    def check(self) -> None:
        if self._before is not None:
            assert psutil.Process().memory_info().rss - self._before < MOST_GROWTH
