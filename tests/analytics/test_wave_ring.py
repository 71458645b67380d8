"""Waves of any rate on one grid: the same however they are cut, with holes, repetitions and clocks that are set."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from analytics.waves.lane import Due, Lane
from analytics.waves.ring import NEVER, WaveRing, batches
from device_drivers.observations import Quality, Samples

SECOND = 1_000_000_000
T0 = 1_800_000_000 * SECOND


def block(start_s: float, values: NDArray[np.float64], rate_hz: float = 5.0, device: str = "pad") -> Samples:
    at_ns = T0 + round(start_s * SECOND)
    end_ns = at_ns + round(len(values) / rate_hz * SECOND)
    return Samples(device, "breath_wave", np.asarray(values, np.float32)[:, None], rate_hz, at_ns, end_ns)


def wave(seconds: float, rate_hz: float, hertz: float = 0.25) -> NDArray[np.float64]:
    return np.asarray(np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate_hz)) / rate_hz))


def cut(values: NDArray[np.float64], rate_hz: float, size: int) -> list[Samples]:
    return [block(at / rate_hz, values[at : at + size], rate_hz) for at in range(0, len(values), size)]


def played(blocks: list[Samples], lane: Lane | None = None, together: bool = True) -> list[Due]:
    lane = lane or Lane(5, 10.0, 2.0)
    for one in blocks:
        lane.slot(one.device_id)
    if together:
        return list(lane.take(blocks))
    return [due for one in blocks for due in lane.take([one])]


@pytest.mark.parametrize("rate_hz", [4.9, 5.0, 12.5, 25.0, 100.0, 250.0])
def test_the_wave_on_the_grid_is_the_wave(rate_hz: float) -> None:
    found = played(cut(wave(30, rate_hz), rate_hz, round(rate_hz)))
    assert len(found) == (10 if rate_hz >= 5 else 9)
    for due in found[1:]:
        seconds = (due.end_ns[0] - T0) / SECOND - 10.0 + np.arange(50) / 5.0
        np.testing.assert_allclose(due.wave[0], np.sin(2 * np.pi * 0.25 * seconds), atol=0.04)
        assert due.received_ns[0] >= due.end_ns[0] - SECOND


@pytest.mark.parametrize("rate_hz", [5.0, 100.0])
def test_windows_do_not_depend_on_how_the_wave_was_cut(rate_hz: float) -> None:
    values = wave(60, rate_hz) + np.random.default_rng(1).normal(size=round(60 * rate_hz))
    reference = played(cut(values, rate_hz, round(rate_hz)))
    for size in (1, 3, round(7 * rate_hz), round(60 * rate_hz)):
        if size == 1 and rate_hz > 50:
            continue
        for together in (True, False):
            found = played(cut(values, rate_hz, size), together=together)
            assert [due.end_ns[0] for due in found] == [due.end_ns[0] for due in reference]
            for one, due in zip(reference, found, strict=True):
                np.testing.assert_allclose(one.wave, due.wave, atol=1e-4)


def test_a_hole_is_nan_and_a_long_one_is_jumped_over() -> None:
    first, later = cut(wave(20, 5), 5, 5), [block(25 + i, np.ones(5)) for i in range(20)]
    found = played([*first, *later])
    holed = [due for due in found if 22 <= (due.end_ns[0] - T0) / SECOND <= 30]
    assert holed
    assert all(np.isnan(due.wave).any() for due in holed)
    assert not np.isnan(found[-1].wave).any()
    far = [block(5_000 + i, np.ones(5)) for i in range(12)]
    lane = Lane(5, 10.0, 2.0)
    jumped = played([*first, *far], lane)
    assert len(jumped) <= 6 + 7, "no window for every two seconds of the hole"
    assert not np.isnan(jumped[-1].wave).any()
    assert np.isnan(jumped[6].wave).any(), "nothing of before the hole stands in it"


def test_a_block_that_comes_again_changes_nothing_and_a_clock_set_back_begins_anew() -> None:
    blocks = cut(wave(30, 5), 5, 5)
    again = [part for one in blocks for part in (one, one)]
    assert [due.end_ns[0] for due in played(again)] == [due.end_ns[0] for due in played(blocks)]
    back = [replace(one, at_ns=one.at_ns - 7200 * SECOND) for one in blocks]
    found = played([*blocks, *back])
    assert len(found) == 2 * len(played(blocks))
    assert found[-1].end_ns[0] < found[0].end_ns[0]
    assert not np.isnan(found[-1].wave).any()


def test_a_radar_that_is_dated_by_its_receipt_may_jitter() -> None:
    chance = np.random.default_rng(2)
    blocks = [block(i + chance.uniform(-0.1, 0.1), wave(40, 5)[5 * i : 5 * i + 5]) for i in range(40)]
    found = played(blocks)
    assert len(found) >= 14
    assert not any(np.isnan(due.wave).any() for due in found)


def test_what_cannot_be_used_is_counted() -> None:
    good = block(0, np.ones(5))
    bad = [
        replace(good, stored=True),
        replace(good, values=np.zeros((0, 1), np.float32)),
        replace(good, values=np.zeros(5, np.float32)),
        replace(good, values=np.zeros((5, 0), np.float32)),
        replace(good, rate_hz=0.0),
        replace(good, rate_hz=1e9),
        replace(good, rate_hz=float("nan")),
        replace(good, at_ns=-1),
        replace(good, received_ns=2**62),
    ]
    counts: Counter[str] = Counter()
    assert batches(bad, {"pad": 0}, 1, (3.5, 320.0), counts) == []
    assert counts == {"stored": 1, "rejected": 8}
    poor, spoiled = replace(good, quality=Quality.POOR), replace(good, values=np.full((5, 1), np.inf, np.float32))
    for one in (poor, spoiled):
        (batch,) = batches([one], {"pad": 0}, 1, (3.5, 320.0), counts)
        assert np.isnan(batch.values).all()


def test_channels_that_a_block_does_not_have_are_missing() -> None:
    lane = Lane(5, 10.0, 2.0, channels=2)
    lane.slot("pad")
    due = list(lane.take([block(i, np.ones(5)) for i in range(20)]))[-1]
    assert due.wave.shape == (1, 2, 50)
    assert (due.wave[0, 0] == 1).all()
    assert np.isnan(due.wave[0, 1]).all()


def test_streams_do_not_touch_each_other_and_a_slot_is_lent_out_fresh() -> None:
    lane = Lane(5, 10.0, 2.0)
    one, other = cut(wave(30, 5), 5, 5), [replace(b, device_id="other") for b in cut(2 * wave(30, 5, 0.1), 5, 5)]
    both = played([part for pair in zip(one, other, strict=True) for part in pair], lane)
    alone = played(one)
    for together, single in zip(both, alone, strict=True):
        row = together.slots.tolist().index(lane.slots["pad"])
        np.testing.assert_array_equal(together.wave[row], single.wave[0])
    slot = lane.forget("pad")
    assert lane.forget("pad") is None
    assert lane.slot("new") == slot
    assert lane.ring.head[slot] == NEVER
    assert list(lane.take(one)) == [], "it has no slot any more"
    assert WaveRing(5, 10).rates == (3.5, 320.0)


def test_a_change_of_rate_leaves_a_hole_and_goes_on() -> None:
    lane = Lane(5, 10.0, 2.0)
    found = played([*cut(wave(20, 5), 5, 5), *[block(20 + i, np.ones(10), 10.0) for i in range(20)]], lane)
    assert not np.isnan(found[-1].wave).any()
    assert found[-1].wave[0].min() == pytest.approx(1.0)
