"""Heart rate under motion on made-up pulse waves: the rate of the heart, not of the arm, or no answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from analytics.ppg import evaluation
from analytics.ppg.spectra import RATES, freed, magnitudes
from analytics.ppg.tracker import PulseTracker

HZ = 50.0


@dataclass
class Run:
    name: str
    rate_hz: float
    pulse: NDArray[np.float64]
    accel: NDArray[np.float64]
    truth: NDArray[np.float64]


def run(*, arm: float = 1.5, seed: int = 1, minutes: float = 4.0) -> Run:
    """The heart goes from 80 to 140 a minute while the arm swings 100 times a minute."""
    chance = np.random.default_rng(seed)
    times = np.arange(int(minutes * 60 * HZ)) / HZ
    rate = np.interp(times, [0, 60, 180], [80, 90, 140])
    heart = np.sin(2 * np.pi * np.cumsum(rate / 60) / HZ)
    swing = np.where(times > 20, 1.0, 0.0) * np.sin(2 * np.pi * 100 / 60 * times)
    pulse = np.stack([heart + arm * swing + 0.3 * chance.normal(size=times.size) for _ in range(2)])
    accel = np.stack([swing * k + 0.05 * chance.normal(size=times.size) for k in (1.0, 0.5, 0.8)])
    size, step = int(8 * HZ), int(2 * HZ)
    truth = np.array([rate[s : s + size].mean() for s in range(0, times.size - size + 1, step)])
    return Run(f"made-up/{seed}", HZ, pulse, accel, truth)


def test_follows_the_heart_and_not_the_arm() -> None:
    one = run()
    result = evaluation.evaluate_heart_rate([one, run(seed=2)])
    assert result["mean_error"] < 3.0
    assert result["naive_mean_error"] > 10.0
    assert result["answered"]["value"] > 0.9
    assert "made-up/1" in evaluation.summary(result)


def test_does_not_look_ahead() -> None:
    one = run()
    half = one.pulse.shape[1] // 2
    short = Run("short", HZ, one.pulse[:, :half], one.accel[:, :half], one.truth)
    whole, part = evaluation.rates(one)[0], evaluation.rates(short)[0]
    np.testing.assert_array_equal(whole[: len(part)], part)


def test_wearers_do_not_touch_each_other() -> None:
    one, other = run(), run(seed=5, arm=0.2)
    both, alone = PulseTracker(2), PulseTracker(1)
    for (pulse, accel), (pulse2, accel2) in zip(evaluation.windows(one), evaluation.windows(other), strict=True):
        together = both.step(np.stack([pulse, pulse2]), np.stack([accel, accel2]))
        single = alone.step(pulse[None], accel[None])
        np.testing.assert_allclose(together.rate[0], single.rate[0], rtol=1e-9)


def test_noise_and_flat_lines_get_no_answer() -> None:
    chance = np.random.default_rng(3)
    tracker = PulseTracker(3)
    still = np.zeros((3, 3, 400))
    for _ in range(20):
        pulse = np.stack([chance.normal(size=(2, 400)), np.zeros((2, 400)), np.full((2, 400), np.nan)])
        said = tracker.step(pulse, still)
        assert np.isnan(said.rate[1:]).all()
        assert (said.confidence[1:] == 0).all()
    assert np.isfinite(said.confidence).all()


def test_a_channel_that_only_rounds_is_flat() -> None:
    """A colour that shows nothing is set on the grid as 32-bit numbers: their last digit is no pulse."""
    chance = np.random.default_rng(4)
    flat = np.float32(0.343) + np.float32(2**-25) * chance.integers(-1, 2, size=200)
    times = np.arange(200) / 25
    height = magnitudes(np.stack([0.5 + 0.0005 * np.sin(2 * np.pi * 1.3 * times), flat]))
    assert RATES[height[0].argmax()] == 78
    assert np.isnan(height[1]).all()


def test_what_was_known_can_be_forgotten() -> None:
    tracker, fresh = PulseTracker(1), PulseTracker(1)
    parts = list(evaluation.windows(run()))
    for pulse, accel in parts[:50]:
        tracker.step(pulse[None], accel[None])
    tracker.forget(0)
    for pulse, accel in parts[50:70]:
        said, anew = tracker.step(pulse[None], accel[None]), fresh.step(pulse[None], accel[None])
        np.testing.assert_allclose(said.rate, anew.rate)


@pytest.mark.parametrize("hz", [20.0, 25.0, 125.0])
def test_a_spectrum_has_its_peak_at_the_rate_whatever_the_sampling(hz: float) -> None:
    times = np.arange(int(8 * hz)) / hz
    height = magnitudes(np.sin(2 * np.pi * 1.5 * times) + 3.0)
    assert abs(RATES[height.argmax()] - 90) <= 1
    assert height.max() == pytest.approx(1.0)


def test_without_movement_nothing_is_taken_away() -> None:
    height = magnitudes(run().pulse[0, :400])
    assert freed(height, height, np.zeros_like(height)).argmax() == height.argmax()


def test_a_recording_without_truth_is_counted_as_nothing() -> None:
    one = run(minutes=0.5)
    one.truth[:] = np.nan
    result = evaluation.evaluate_heart_rate([one])
    assert (result["windows"], result["answered"], result["mean_error"]) == (0, None, None)
    assert "0 windows" in evaluation.summary(result)
    assert evaluation.evaluate_heart_rate([])["mean_error"] is None


def test_room_for_more_wearers_changes_nothing_for_those_who_are_there() -> None:
    tracker, alone = PulseTracker(1), PulseTracker(1)
    parts = list(evaluation.windows(run()))
    for pulse, accel in parts[:10]:
        tracker.step(pulse[None], accel[None])
        alone.step(pulse[None], accel[None])
    tracker.grow(1)
    tracker.grow(40)
    for pulse, accel in parts[10:20]:
        said = tracker.step(np.stack([pulse, pulse]), np.stack([accel, accel]), np.array([0, 39]))
        np.testing.assert_allclose(said.rate[0], alone.step(pulse[None], accel[None]).rate[0])
    assert said.rate[1] == pytest.approx(said.rate[0], abs=3), "a new one finds the same heart"
