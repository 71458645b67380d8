"""What every codec of a byte stream must stand: chunks, spoiled bytes, noise, and a fuzzer."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any

from device_drivers.codec import KEPT_REJECTIONS, StreamCodec
from device_drivers.contract import fault_of
from device_drivers.framing import BUFFER_LIMIT
from device_drivers.observations import Observation, Samples

NOW = 1_790_000_000_000_000_000
SECOND = 1_000_000_000
FUZZ_BYTES = 2_000_000 if os.environ.get("YINLING_FUZZ") == "full" else 200_000

Make = Callable[[], StreamCodec]
Traffic = Callable[[random.Random, int], list[bytes]]


def signature(found: list[Observation]) -> list[Any]:
    return [
        (one.signal, one.values.tobytes() if isinstance(one, Samples) else one.value, one.quality, one.stored)
        for one in found
    ]


def check_chunks(make: Make, data: bytes) -> None:
    whole = make()
    expected = signature(whole.feed(data, NOW))
    for chunk in (1, 3, 7, 64, 512):
        cut = make()
        found: list[Observation] = []
        for at in range(0, len(data), chunk):
            found += cut.feed(data[at : at + chunk], NOW)
        assert signature(found) == expected
        assert (cut.health, list(cut.notes)) == (whole.health, list(whole.notes))
        # All frames of a chunk are cut out before they are decoded: the order of the two kinds of refusal may differ.
        if sum(whole.health.rejected.values()) <= KEPT_REJECTIONS:
            assert sorted(map(repr, cut.rejections)) == sorted(map(repr, whole.rejections))


def noisy(rng: random.Random, clean: bytes) -> bytes:
    """1 % of the bytes lost, 1 % with one wrong bit."""
    return bytes(
        byte ^ (1 << rng.randrange(8)) if rng.random() < 0.01 else byte for byte in clean if rng.random() > 0.01
    )


def spoil_one(rng: random.Random, whole: bytes, kind: str) -> bytes:
    at = rng.randrange(len(whole))
    match kind:
        case "loss":
            return whole[:at] + whole[at + 1 :]
        case "flip":
            return whole[:at] + bytes((whole[at] ^ (1 << rng.randrange(8)),)) + whole[at + 1 :]
        case _:
            return whole[:at] + whole[at : at + 1] + whole[at:]


def check_one_fault_costs_one_frame(make: Make, traffic: Traffic, kind: str, rounds: int = 3000) -> None:
    """One frame may be missing, and nothing may be added.

    It is the spoiled one, or the one before, where that one's last byte looks like the lost start of the spoiled one.
    """
    rng = random.Random(11)
    tail = traffic(random.Random(1), 2)
    for _ in range(rounds):
        before, spoiled, after = traffic(rng, 3)
        damaged = spoil_one(rng, spoiled, kind)
        rest = after + b"".join(tail)
        found = run(make, before + damaged + rest)
        allowed = [run(make, kept + rest) for kept in (before, before + spoiled, spoiled)]
        assert found in allowed, (damaged.hex(" "), found)


def run(make: Make, data: bytes) -> list[Any]:
    codec = make()
    return signature([*codec.feed(data, NOW), *codec.finish(NOW)])


def check_fuzz(make: Make, traffic: Traffic, *, seed: int = 2026) -> StreamCodec:
    """Random bytes, real frames and damaged ones: nothing raises, every buffer stays small."""
    rng, codec, fed = random.Random(seed), make(), 0
    while fed < FUZZ_BYTES:
        if rng.random() < 0.3:
            piece = rng.randbytes(rng.randrange(1, 400))
        else:
            mutated = bytearray(b"".join(traffic(rng, 10)))
            for _ in range(rng.randrange(4)):
                mutated[rng.randrange(len(mutated))] = rng.randrange(256)
            piece = bytes(mutated)
        now = NOW + fed * SECOND // 1000
        for one in codec.feed(piece, now):
            assert fault_of(one) is None
        codec.poll(now)
        fed += len(piece)
        assert codec._framer.pending < BUFFER_LIMIT  # type: ignore[attr-defined]
    codec.finish(NOW)
    assert len(codec.rejections) <= 64
    assert len(codec.notes) <= 256
    return codec


def facts(codec: StreamCodec, data: bytes) -> dict[str, Any]:
    """Everything some bytes say, observations and notes alike."""
    found: dict[str, Any] = {}
    for one in [*codec.feed(data, NOW), *codec.finish(NOW)]:
        found[one.signal] = one.values[:, 0].tolist() if isinstance(one, Samples) else one.value
    for note in codec.notes:
        found |= note.fields
    return found
