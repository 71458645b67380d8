"""Putting a delivery into batches: the fast way and the careful way give the same, whatever comes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics import blocks
from analytics.blocks import Batch, stack
from device_drivers.observations import Quality, Reading, Samples

SLOTS = {f"w{i}": 7 * i for i in range(6)}


def block(device: str = "w1", rows: int = 50, rate: float = 50.0, **more: Any) -> Samples:
    values = np.arange(rows * 3, dtype=np.float32).reshape(-1, 3) + hash(device) % 7
    return replace(Samples(device, "accel", values, rate, 10**18, 10**18 + 5, 8.0, 0), **more)


def same(first: list[Batch], second: list[Batch]) -> None:
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert one.rate_hz == other.rate_hz
        for name in ("slots", "at_ns", "received_ns", "values", "full_scale"):
            a, b = getattr(one, name), getattr(other, name)
            assert a.dtype == b.dtype, name
            np.testing.assert_array_equal(a, b)


KINDS = st.sampled_from([(50, 50.0), (25, 50.0), (25, 25.0), (100, 100.0), (1, 12.5)])


@given(st.lists(st.tuples(st.sampled_from(sorted(SLOTS)), KINDS), unique_by=lambda one: one[0], min_size=1))
def test_a_plain_delivery_goes_the_fast_way_with_the_same_result(chosen: list[tuple[str, tuple[int, float]]]) -> None:
    delivery = [block(device, rows, rate) for device, (rows, rate) in chosen]
    fast = blocks._plain(delivery, SLOTS)
    assert fast
    same(fast, blocks._careful(delivery, SLOTS, Counter()))


NOT_PLAIN = {
    "twice": [block(), block()],
    "longer than a second": [block(rows=51)],
    "stored": [block(), block("w2", stored=True)],
    "invalid": [block(quality=Quality.INVALID)],
    "empty": [block(rows=0)],
    "two axes": [block(values=np.zeros((50, 2), np.float32))],
    "one axis": [block(values=np.zeros(50, np.float32))],
    "axes differ": [block(), block("w2", values=np.zeros((50, 2), np.float32))],
    "axes differ by kind": [block(), block("w2", 25, 25.0, values=np.zeros((25, 4), np.float32))],
    "too slow": [block(rate=1.0, rows=1)],
    "too fast": [block(rate=5000.0)],
    "before 1970": [block(at_ns=-1)],
    "beyond 64 bit": [block(at_ns=2**70)],
    "received beyond": [block(received_ns=2**63 - 1)],
}


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_what_is_not_plain_goes_the_careful_way(name: str) -> None:
    delivery = [*NOT_PLAIN[name], block("w5")]
    assert blocks._plain(delivery, SLOTS) == []
    counts: Counter[str] = Counter()
    got = stack(delivery, SLOTS, counts)
    same(got, blocks._careful(delivery, SLOTS, Counter()))
    assert 35 in np.concatenate([one.slots for one in got])
    assert counts.total() == (0 if name in {"twice", "longer than a second"} else 1)


def test_a_range_that_is_not_known_is_nan_and_other_signals_and_strangers_are_left_out() -> None:
    strange = [block("stranger"), replace(block(), signal="gyro"), Reading("w1", "heart_rate", 60.0, 1, 1)]
    assert stack(strange, SLOTS, Counter()) == []
    (batch,) = stack([*strange, block(full_scale=None)], SLOTS, Counter())
    assert np.isnan(batch.full_scale).all()
