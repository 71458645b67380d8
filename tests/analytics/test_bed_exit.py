"""Bed exits from made-up readings: described without looking ahead, learned, followed, counted by event."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from analytics.bed_exit import evaluation, model


@dataclass
class Trial:
    name: str
    sex: str
    time_s: NDArray[np.float64]
    accel_g: NDArray[np.float64]
    antenna: NDArray[np.int64]
    rssi_dbm: NDArray[np.float64]
    doing: NDArray[np.int64]


def trial(number: int, sex: str = "F") -> Trial:
    """Walks in, lies, sits up, walks off: 40 s each, a reading every half second or so."""
    chance = np.random.default_rng(number)
    time = np.cumsum(chance.exponential(0.5, 320))
    doing = np.array([3, 2, 0, 3])[np.minimum(time // 40, 3).astype(int)]
    front = np.where(doing == 2, 1.0, 0.3) + chance.normal(0, 0.05, 320)
    accel = np.column_stack([front, np.where(doing == 2, 0.0, 0.95), np.zeros(320)])
    antenna = np.where(doing == 3, chance.integers(1, 5, 320), np.where(doing == 2, 4, 1))
    return Trial(f"t{number}", sex, time, accel, antenna, np.full(320, -58.0), doing)


def test_exits_are_found_by_a_model_that_saw_other_trials() -> None:
    trials = [trial(i, "FM"[i % 2]) for i in range(12)]
    result = evaluation.evaluate_bed_exit(trials)
    assert result["overall"]["exits"] == 12
    assert result["overall"]["f1"]["value"] > 0.85
    assert result["other_sex"]["found"] >= 10
    assert result["plain_threshold"]["found"] == 0, "sitting up comes 40 s before"
    assert result["by_trial"]["t0"]["exits"] == 1
    words = evaluation.summary(result)
    assert "plain threshold" in words
    alone = evaluation.evaluate_bed_exit([replace(one, sex="F") for one in trials[:7]])
    assert alone["other_sex"] is None
    assert "other sex" not in evaluation.summary(alone)


def test_nothing_looks_ahead() -> None:
    whole = trial(1)
    parts = (whole.time_s, whole.accel_g, whole.antenna, whole.rssi_dbm, whole.doing)
    part = Trial("part", "F", *(values[:200] for values in parts))
    np.testing.assert_allclose(model.describe(whole)[:200], model.describe(part))
    taught = model.fit([(model.describe(trial(2)), trial(2).doing)])
    chances = taught.log_chances(model.describe(whole))
    np.testing.assert_allclose(
        model.follow(chances, whole.time_s)[:200], model.follow(chances[:200], whole.time_s[:200])
    )


def test_belief_decays_while_nothing_is_read() -> None:
    sure = np.log(np.array([[0.01, 0.01, 0.97, 0.01]] * 5 + [[0.25] * 4]))
    soon = model.follow(sure, np.array([0.0, 1, 2, 3, 4, 5]))
    late = model.follow(sure, np.array([0.0, 1, 2, 3, 4, 500]))
    assert late[-1, 2] < soon[-1, 2]
    assert late[-1].sum() == pytest.approx(1.0)


def test_each_word_counts_for_one_exit() -> None:
    assert evaluation.matched([10.0, 12.0], [11.0]) == [1.0]
    assert evaluation.matched([10.0, 40.0], [4.0, 26.0, 52.0]) == [12.0]
    assert evaluation.matched([10.0], [5.0, 24.0]) == [-5.0]
    nothing = evaluation.figures([], [])
    assert (nothing["f1"], nothing["delay_median_s"]) == (None, None)


def test_too_little_to_learn_from_is_said() -> None:
    with pytest.raises(ValueError, match="at least one"):
        model.fit([])
    with pytest.raises(ValueError, match="more than 5"):
        evaluation.evaluate_bed_exit([trial(1)])
