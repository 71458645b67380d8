"""Sleep and wake from movement: the published sums, and the report of a night."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.daily.night import MOVEMENT_SCALE
from analytics.daily.sleep import METHODS, ONSET_MIN, asleep, report


def test_cole_kripke_is_the_published_sum() -> None:
    counts = np.array([[0, 100, 200, 0, 50, 300, 10, 0, 0, 400.0]])
    weights = (404, 598, 326, 441, 1408, 508, 350)
    for minute in range(10):
        total = sum(
            w * counts[0, minute - 4 + i] for i, w in enumerate(weights) if 0 <= minute - 4 + i < counts.shape[1]
        )
        assert asleep(counts)[0, minute] == (0.00001 * total < 1.0), minute


def test_a_steady_mean_of_twelve_is_the_line_of_a_radars_movement() -> None:
    for mean, sleeps in ((11.0, True), (14.0, False)):
        found = asleep(np.full((1, 60), mean), "cole_kripke_mean", MOVEMENT_SCALE)
        assert bool(found[0, 30]) is sleeps, mean


@pytest.mark.parametrize("method", sorted(METHODS))
def test_a_still_night_is_sleep_and_a_restless_one_is_not(method: str) -> None:
    assert asleep(np.zeros((1, 60)), method).all()
    assert not asleep(np.full((1, 60), 1000.0), method).any()
    assert METHODS[method].source
    assert len(METHODS[method].weights) == 7


def night(*runs: tuple[int, float]) -> np.ndarray:
    return np.concatenate([np.full(minutes, count) for minutes, count in runs])[None]


def test_the_report_of_a_night() -> None:
    counts = night((30, 800.0), (120, 0.0), (10, 900.0), (200, 0.0), (20, 700.0))
    found = report(counts, np.ones(counts.shape, dtype=bool))
    assert found.in_bed[0] == 380
    assert 30 <= found.latency[0] <= 35
    assert found.awakenings[0] == 1
    assert 10 <= found.awake_after_onset[0] <= 17
    assert found.asleep[0] == pytest.approx(320, abs=15)
    assert found.efficiency[0] == pytest.approx(found.asleep[0] / 380)
    assert found.known[0] == 1.0


def test_out_of_bed_is_not_asleep_and_counts_as_awakening() -> None:
    counts = night((400, 0.0))
    in_bed = np.ones(counts.shape, dtype=bool)
    in_bed[0, 200:230] = False
    found = report(counts, in_bed)
    assert found.awake_after_onset[0] == 30
    assert found.awakenings[0] == 1
    assert found.in_bed[0] == 370


def test_a_night_of_which_little_is_known_gets_no_report() -> None:
    counts = night((400, 0.0))
    counts[0, :250] = np.nan
    found = report(counts, np.ones(counts.shape, dtype=bool))
    assert np.isnan(found.asleep[0])
    assert found.known[0] == pytest.approx(150 / 400)


def test_nobody_slept_or_nobody_was_there() -> None:
    found = report(np.full((2, 300), 2000.0), np.array([[True] * 300, [False] * 300]))
    assert np.isnan(found.asleep).all()
    short = report(np.zeros((1, ONSET_MIN - 1)), np.ones((1, ONSET_MIN - 1), dtype=bool))
    assert np.isnan(short.asleep[0])


def test_scale_and_unknown_method() -> None:
    counts = np.full((1, 60), 20.0)
    assert asleep(counts).all()
    assert not asleep(counts, scale=30.0)[0, 10:50].any()
    with pytest.raises(KeyError):
        asleep(counts, "guess")
