"""The synthetic signals have the shape that they promise, and do not depend on how they are taken."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from simulators.motion import DAY, Activity, BodyMotion, Recording, turned


def size(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.linalg.norm(values, axis=1), np.float32)


@pytest.mark.parametrize("chunk", [1, 7, 50, 333])
def test_the_samples_do_not_depend_on_how_they_are_taken(chunk: int) -> None:
    def play(step: int) -> NDArray[np.float32]:
        motion = BodyMotion(np.random.default_rng(1), daily=True)
        pieces = [motion.take(min(step, 1000 - at)) for at in range(0, 1000, step)]
        motion.fall()
        return np.concatenate([*pieces, motion.take(500)])

    np.testing.assert_array_equal(play(chunk), play(1000))


@pytest.mark.parametrize("activity", [Activity.STANDING, Activity.SITTING, Activity.LYING, Activity.TABLE])
def test_rest_shows_one_g(activity: Activity) -> None:
    motion = BodyMotion(np.random.default_rng(2))
    motion.do(activity)
    motion.take(150)
    values = motion.take(3000)
    assert values.dtype == np.float32
    assert np.median(size(values)) == pytest.approx(1.0, abs=0.02)
    assert np.median(np.abs(np.diff(values, axis=0))) < 0.02


def test_walking_has_the_rhythm_of_steps() -> None:
    motion = BodyMotion(np.random.default_rng(3))
    motion.do(Activity.WALKING)
    motion.take(100)
    strength = np.abs(np.fft.rfft(size(motion.take(3000)) - 1))
    strongest = np.fft.rfftfreq(3000, 0.02)[int(np.argmax(strength))]
    assert strongest == pytest.approx(1.8, abs=0.15)
    assert 0.1 < np.std(size(motion.take(3000))) < 0.4


@pytest.mark.parametrize("rate_hz", [25.0, 50.0, 100.0, 200.0])
@pytest.mark.parametrize("seed", range(10))
def test_a_fall_dips_strikes_and_lies_still_elsewhere(seed: int, rate_hz: float) -> None:
    motion = BodyMotion(np.random.default_rng(seed), rate_hz)
    motion.do(Activity.SITTING)
    motion.take(round(5 * rate_hz))
    before = motion.take(round(2 * rate_hz)).mean(axis=0)
    motion.fall()
    assert motion.activity is Activity.FALLEN
    course = size(motion.take(round(1.6 * rate_hz)))
    strike = int(np.argmax(course))
    low = course[:strike] < 0.5
    assert 2.9 < course[strike] < 6.1
    assert 0.15 < low.sum() / rate_hz < 0.5
    assert course[:strike].min() == pytest.approx(0.3, abs=0.03)
    lying = motion.take(round(10 * rate_hz))
    tilt = np.degrees(
        np.arccos(before @ lying.mean(axis=0) / np.linalg.norm(before) / np.linalg.norm(lying.mean(axis=0)))
    )
    assert 70 < tilt < 110
    assert lying.std(axis=0).max() < 0.02


def test_falls_point_everywhere() -> None:
    ends = []
    for seed in range(40):
        motion = BodyMotion(np.random.default_rng(seed))
        motion.do(Activity.FALLEN)
        motion.take(200)
        ends.append(motion.take(50).mean(axis=0))
    assert np.abs(np.mean(ends, axis=0)).max() < 0.4


def test_after_a_fall_only_a_command_changes_anything() -> None:
    motion = BodyMotion(np.random.default_rng(4), daily=True)
    motion.fall()
    motion.take(50 * 3600)
    assert str(motion.activity) == "fallen"
    motion.do(Activity.STANDING)
    motion.take(200)
    assert str(motion.activity) == "standing"


def test_six_hours_of_a_synthetic_day_have_all_its_activities_and_no_fall() -> None:
    motion = BodyMotion(np.random.default_rng(5), 12.5, daily=True)
    seen, most = set(), 0.0
    for _ in range(360):
        most = max(most, float(size(motion.take(12 * 60)).max()))
        seen.add(motion.activity)
    assert seen == set(DAY)
    assert most < 2.0


def test_a_recording_ends_or_begins_again() -> None:
    values = np.arange(9, dtype=np.float64).reshape(3, 3)
    once, again = Recording(values, 20.0), Recording(values, 20.0, again=True)
    assert once.take(2).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert [once.finished] == [False]
    assert once.take(3).tolist() == [[6, 7, 8]] * 3
    assert [once.finished] == [True]
    assert again.take(4)[-1].tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="shape"):
        Recording(np.zeros(3), 20.0)


def test_turning_a_vector() -> None:
    x, y = np.array([1.0, 0, 0]), np.array([1.0, 1.0, 0])
    np.testing.assert_allclose(turned(x, y, 90), [0, 1, 0], atol=1e-12)
