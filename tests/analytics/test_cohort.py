"""The ring of everybody: any rate and any chunks give the same cells; holes, late blocks, repeats and clock jumps."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from fall_scenes import START_NS, blocks, fall, walk
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from analytics import resample
from analytics.blocks import stack
from analytics.cohort import CAPACITY, Cohort, Written
from device_drivers.observations import Quality, Reading, Samples

SECOND = 1_000_000_000


class Line:
    """One device on a cohort, fed with blocks."""

    def __init__(self) -> None:
        self.cohort = Cohort(2)
        self.slot = self.cohort.attach()
        self.written: list[Written] = []

    def feed(self, sent: list[Samples]) -> Line:
        for batch in stack(sent, {"a": self.slot}, self.cohort.counts):
            self.written += self.cohort.write(batch)
        return self

    def since(self, at_ns: int, seconds: float) -> NDArray[np.float32]:
        """The cells from a time on, by the present timeline."""
        first = (at_ns - int(self.cohort.origin_ns[self.slot])) // resample.STEP_NS
        return self.cohort.gather(np.array([self.slot]), np.array([first]), round(seconds * 50))[0]

    @property
    def counts(self) -> Counter[str]:
        return self.cohort.counts


def ramp(rate_hz: float, seconds: float) -> NDArray[np.float32]:
    t = np.arange(round(rate_hz * seconds)) / rate_hz
    return np.column_stack([t / 10, 1 - t / 20, np.full_like(t, 0.5)]).astype(np.float32)


def known(values: NDArray[np.float32]) -> NDArray[np.bool_]:
    return np.isfinite(values[:, 0])


def test_fifty_hertz_passes_unchanged() -> None:
    values = fall(seconds=10)
    assert_array_equal(Line().feed(blocks("a", values)).since(START_NS, 10), values)


@pytest.mark.parametrize("rate", [10.0, 12.4, 12.5, 25.0, 30.0, 39.8, 52.0, 60.0, 75.0, 80.0, 100.0, 128.0, 200.0])
def test_a_straight_line_stays_where_it_was_at_any_rate(rate: float) -> None:
    line = Line().feed(blocks("a", ramp(rate, 10), rate, size=int(rate)))
    cells = line.since(START_NS, 9.8)
    inner = known(cells)
    assert inner.sum() >= 488  # averaging leaves out the first half period
    assert np.abs(cells - ramp(50, 9.8))[inner].max() < 1e-5


def test_averaging_keeps_the_mean_and_removes_what_would_alias() -> None:
    t = np.arange(2000) / 200
    shake = (1 + 0.5 * np.sin(2 * np.pi * 50 * t))[:, None].repeat(3, axis=1).astype(np.float32)
    cells = Line().feed(blocks("a", shake, 200.0, size=200)).since(START_NS + SECOND, 8)
    assert np.abs(cells - 1).max() < 1e-3
    impulse = np.zeros((1, 41, 1), np.float32)
    impulse[0, 20] = 4
    smoothed = resample.average(impulse, 200.0)[0, :, 0]
    assert_array_equal(smoothed[16:21], [0.5, 1, 1, 1, 0.5])
    assert smoothed.sum() == 4


@settings(max_examples=60, deadline=None)
@given(
    rate=st.sampled_from([12.4, 12.5, 25.0, 30.0, 50.0, 100.0, 104.0, 200.0]),
    sizes=st.lists(st.integers(1, 70), min_size=1, max_size=6),
)
def test_cells_do_not_depend_on_where_blocks_were_cut(rate: float, sizes: list[int]) -> None:
    values = fall(rate, 3.0, 8.0)
    whole = Line().feed(blocks("a", values, rate, size=len(values)))
    cut = Line().feed(blocks("a", values, rate, size=sizes))
    assert cut.cohort.head[cut.slot] == whole.cohort.head[whole.slot]
    np.testing.assert_allclose(cut.cohort.ring[cut.slot], whole.cohort.ring[whole.slot], atol=2e-6)


@settings(max_examples=40, deadline=None)
@given(lost=st.lists(st.integers(0, 19), max_size=12, unique=True), order=st.randoms(use_true_random=False))
def test_late_blocks_in_any_order_give_the_ring_of_a_good_day(lost: list[int], order: object) -> None:
    values = fall(seconds=10)
    sent = blocks("a", values, size=25)
    late = [sent[i] for i in lost if i != 19]
    order.shuffle(late)  # type: ignore[attr-defined]
    first = [block for i, block in enumerate(sent) if i not in lost or i == 19]
    line = Line().feed(first).feed(late)
    assert_array_equal(line.since(START_NS, 10), values)


def test_a_short_gap_is_bridged_and_a_long_one_stays_unknown() -> None:
    values = ramp(50, 4)
    short = [*blocks("a", values[:50]), *blocks("a", values[60:], start_ns=START_NS + 60 * 20_000_000)]
    assert np.abs(Line().feed(short).since(START_NS, 4) - values).max() < 1e-6
    long = [*blocks("a", values[:50]), *blocks("a", values[64:], start_ns=START_NS + 64 * 20_000_000)]
    cells = Line().feed(long).since(START_NS, 4)
    assert_array_equal(~known(cells), np.isin(np.arange(200), np.arange(50, 64)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_values_that_are_none_are_missing(bad: float) -> None:
    values = ramp(50, 4)
    spoiled = values.copy()
    spoiled[30:33, 1] = bad
    spoiled[100:150] = bad
    line = Line().feed(blocks("a", spoiled))
    cells = line.since(START_NS, 4)
    assert np.abs(cells - values)[:100].max() < 1e-6
    assert not known(cells)[100:150].any()
    assert_array_equal(cells[150:], values[150:])
    assert line.counts["missing"] == 53


def test_repeats_are_dropped_and_counted() -> None:
    values = fall(seconds=6)
    sent = blocks("a", values)
    line = Line().feed([block for block in sent for _ in range(2)]).feed(sent)
    assert_array_equal(line.since(START_NS, 6), values)
    assert line.counts["duplicate"] == 12 * 50
    assert line.cohort.head[line.slot] == CAPACITY + 300


def test_a_block_that_overlaps_brings_only_what_is_new() -> None:
    values = fall(seconds=4)
    sent = [*blocks("a", values[:100]), *blocks("a", values[70:], start_ns=START_NS + 70 * 20_000_000)]
    line = Line().feed(sent)
    assert_array_equal(line.since(START_NS, 4), values)
    assert line.counts["duplicate"] == 30


def test_blocks_from_before_the_first_are_kept() -> None:
    values = fall(seconds=10)
    sent = blocks("a", values)
    assert_array_equal(Line().feed([*sent[6:], *sent[:6]]).since(START_NS, 10), values)


@pytest.mark.parametrize("rate", [25.0, 100.0])
def test_late_blocks_of_other_rates_leave_no_seam(rate: float) -> None:
    values = ramp(rate, 6)
    sent = blocks("a", values, rate, size=int(rate))
    line = Line().feed([sent[0], *sent[3:], sent[2], sent[1]])
    cells = line.since(START_NS, 5.9)
    assert known(cells)[1:].all()
    assert np.abs(cells - ramp(50, 5.9))[1:].max() < 1e-5
    assert line.counts["late"] == 2 * rate


def test_blocks_older_than_the_ring_are_dropped() -> None:
    sent = blocks("a", walk(seconds=60))
    line = Line().feed([*sent[:2], *sent[10:], sent[5]])
    assert line.counts["too_old"] == 50


HOURS = 3600 * SECOND
YEARS = 365 * 24 * HOURS


@pytest.mark.parametrize("jump", [2 * HOURS, -2 * HOURS, 3 * YEARS, -3 * YEARS, -5 * SECOND])
def test_a_clock_that_jumps_starts_a_new_timeline(jump: int) -> None:
    values = fall(seconds=20)
    sent = blocks("a", values)
    moved = [replace(block, at_ns=block.at_ns + jump) for block in sent[10:]]
    line = Line().feed(sent[:10]).feed(moved)
    assert line.counts["clock_jump"] == 1
    cells = line.since(START_NS + jump + 10 * SECOND, 10)
    assert_array_equal(cells, values[500:])


def test_an_outage_is_not_a_clock_jump() -> None:
    sent = blocks("a", walk(seconds=120))
    line = Line().feed(sent[:20]).feed(sent[80:])
    assert line.counts["outage"] == 1
    assert not line.counts["clock_jump"]
    assert_array_equal(line.since(START_NS + 110 * SECOND, 10), walk(seconds=120)[5500:])


def test_a_burst_of_old_blocks_is_no_clock_jump() -> None:
    sent = blocks("a", walk(seconds=60))
    burst = [replace(block, received_ns=sent[-1].received_ns + 1000 * i) for i, block in enumerate(sent[:18])]
    line = Line().feed(sent[18:]).feed(burst)
    assert line.counts["too_old"] == 900
    assert not line.counts["clock_jump"]
    assert_array_equal(line.since(START_NS + 50 * SECOND, 10), walk(seconds=60)[2500:])


def test_one_wrong_stamp_in_the_future_heals() -> None:
    sent = blocks("a", walk(seconds=20))
    sent[8] = replace(sent[8], at_ns=sent[8].at_ns + YEARS)
    line = Line().feed(sent)
    assert line.counts["clock_jump"] == 2
    assert_array_equal(line.since(START_NS + 9 * SECOND, 11), walk(seconds=20)[450:])


def test_clipping_is_known_for_each_cell_and_survives_resampling() -> None:
    for rate in (25.0, 50.0, 200.0):
        values = np.clip(fall(rate, 3.0, 8.0), -2, 2)
        line = Line().feed(blocks("a", values, rate, size=int(rate), full_scale=2.0))
        one, start = np.array([line.slot]), np.array([CAPACITY])
        assert not line.cohort.any_clipped(one, start, 150)[0]
        assert line.cohort.any_clipped(one, start + 165, 20)[0]
        unknown = Line().feed(blocks("a", values, rate, size=int(rate), full_scale=None))
        assert not unknown.cohort.clipped.any()


def test_what_cannot_be_samples_is_refused_and_counted() -> None:
    good = blocks("a", walk(seconds=1))[0]
    bad = [
        replace(good, values=np.zeros((5, 2), np.float32)),
        replace(good, values=np.zeros(6, np.float32)),
        replace(good, values=np.zeros((0, 3), np.float32)),
        replace(good, rate_hz=0.0),
        replace(good, rate_hz=float("nan")),
        replace(good, rate_hz=5000.0),
        replace(good, at_ns=-1),
        replace(good, received_ns=2**70),
        replace(good, quality=Quality.INVALID),
    ]
    other = [replace(good, signal="gyro"), replace(good, device_id="z"), Reading("a", "battery", 1.0, 1, 1)]
    line = Line().feed([*bad, *other, replace(good, stored=True)])  # type: ignore[list-item]
    assert line.counts == {"rejected": len(bad), "stored": 1}
    assert not line.written


def test_slots_grow_are_freed_and_come_back_empty() -> None:
    cohort = Cohort(2)
    slots = [cohort.attach() for _ in range(5)]
    assert sorted(slots) == list(range(5))
    assert len(cohort.head) == 8
    devices = {str(slot): slot for slot in slots}
    for batch in stack([b for name in devices for b in blocks(name, walk(seconds=3))], devices, Counter()):
        cohort.write(batch)
    kept = cohort.ring[slots[1]].copy()
    cohort.detach(slots[2])
    assert cohort.attach() == slots[2]
    assert np.isnan(cohort.ring[slots[2]]).all()
    assert cohort.head[slots[2]] == 0
    assert_array_equal(cohort.ring[slots[1]], kept)


def test_the_batches_of_a_delivery_are_stacked_by_rate_and_length() -> None:
    devices = {str(i): i for i in range(6)}
    sent = [block for name in devices for block in blocks(name, walk(seconds=2))]
    sent += blocks("5", walk(25.0, 1.0), 25.0, size=25, start_ns=START_NS + 2 * SECOND)
    shapes = [batch.values.shape for batch in stack(sent, devices, Counter())]
    assert shapes == [(6, 50, 3), (6, 50, 3), (1, 25, 3)]


def test_a_stream_may_change_its_rate() -> None:
    slow, fast = ramp(25, 4), ramp(100, 8)[400:]
    sent = [
        *blocks("a", slow, 25.0, size=25),
        *blocks("a", fast, 100.0, size=100, start_ns=START_NS + 4 * SECOND),
    ]
    cells = Line().feed(sent).since(START_NS, 7.9)
    assert known(cells).all()
    assert np.abs(cells - ramp(50, 7.9)).max() < 1e-5


def test_a_fifty_hertz_stream_off_the_grid_is_interpolated() -> None:
    values = ramp(50, 4)
    sent = [*blocks("a", values[:100]), *blocks("a", values[100:], start_ns=START_NS + 2 * SECOND + 7_000_000)]
    cells = Line().feed(sent).since(START_NS, 3.9)
    delay = np.where(np.arange(195) < 100, 0, 0.007)[:, None] * [0.1, -0.05, 0]
    seam = 100  # between the last sample on the grid and the first off it
    assert np.abs(np.delete(cells - (ramp(50, 3.9) - delay), seam, axis=0)).max() < 1e-5


def test_blocks_on_and_off_the_grid_may_come_together() -> None:
    cohort = Cohort(2)
    devices = {name: cohort.attach() for name in "ab"}
    values = ramp(50, 2)
    first = [block for name in devices for block in blocks(name, values[:50])]
    then = [
        *blocks("a", values[50:], start_ns=START_NS + SECOND),
        *blocks("b", values[50:], start_ns=START_NS + SECOND + 8_000_000),
    ]
    for batch in stack([*first, *then], devices, cohort.counts):
        cohort.write(batch)
    one, other = cohort.gather(np.array([0, 1]), np.array([CAPACITY, CAPACITY]), 99)
    assert_array_equal(one, values[:99])
    assert known(other).all()
    assert 0 < np.abs(other - one)[51:].max() < 1e-3


def test_a_late_stretch_far_from_anything_known_stays_alone() -> None:
    values = walk(seconds=12)
    sent = blocks("a", values)
    line = Line().feed([sent[0], sent[11], sent[5]])
    cells = line.since(START_NS, 12)
    assert_array_equal(known(cells), np.isin(np.arange(600) // 50, [0, 5, 11]))
