"""Training of the fall model: what it may learn from, forests as arrays, calibration, operating points."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fall_scenes import fall, walk
from made_up import falling, hopping, made_up_trials
from numpy.typing import NDArray

from analytics.evaluation import outcomes_of
from analytics.falls import fitting, train, variation
from analytics.falls.candidates import outdone
from analytics.falls.features import BEFORE, LOOKS, describe, hold, names
from analytics.falls.fitting import Rows, exported, fit_head
from analytics.falls.model import GRADES, Model, calibrated, grade_of, head_name, shipped


def windows(count: int = 60) -> NDArray[np.float32]:
    return np.repeat(fall(fall_s=2.5, seconds=7)[: BEFORE + 1 + LOOKS[-1]][None], count, axis=0)


WAYS = dict.fromkeys(way for copies in variation.COPIES.values() for ways in copies for way in ways)


@pytest.mark.parametrize("way", WAYS)
def test_each_variation_keeps_the_impact_and_is_the_same_for_the_same_seed(way: variation.Way) -> None:
    spoiled, again = windows(20), windows(20)
    for some in (spoiled, again):
        chance = np.random.default_rng(5)
        for window in some:
            way(window, chance)
    assert np.array_equal(spoiled, again, equal_nan=True)
    assert not np.array_equal(spoiled, windows(20), equal_nan=True)
    assert np.isfinite(spoiled[:, BEFORE]).all()
    assert np.isfinite(describe(spoiled)).all()


def test_varied_copies_leave_the_originals_alone() -> None:
    originals = windows()
    spoiled = variation.varied(originals, np.random.default_rng(0), sum(variation.COPIES[""], ()))
    assert np.array_equal(originals, windows())
    assert np.isnan(spoiled).any()
    assert (np.nanmax(np.abs(spoiled), axis=(1, 2)) <= 2).any()


def test_a_slower_clock_takes_the_sharpness_but_not_the_length() -> None:
    values = walk(seconds=4)
    slower = variation.through_clock(values, 50.0, 39.8)
    assert slower.shape == values.shape
    assert np.abs(np.diff(slower, axis=0)).sum() < np.abs(np.diff(values, axis=0)).sum()
    assert np.abs(slower - values).mean() < 0.05


def test_holes_are_bridged_and_ends_held() -> None:
    window = windows(3)
    window[0, :20] = np.nan
    window[0, -20:] = np.nan
    window[0, 60:64] = np.nan
    window[1] = np.nan
    filled = hold(window)
    assert (filled[0, :20] == window[0, 20]).all()
    assert (filled[0, -20:] == window[0, -21]).all()
    assert np.allclose(filled[0, 61], window[0, 59] + (window[0, 64] - window[0, 59]) * 0.4, atol=1e-5)
    assert (filled[1] == 0).all()
    assert np.array_equal(filled[2], window[2])
    assert hold(window[2:]) is not None
    assert np.isnan(window[0, 0]).all()


def test_features_see_neither_turning_nor_mirroring_nor_the_range() -> None:
    rng = np.random.default_rng(2)
    small = windows(1) * np.float32(0.5)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    for turned in (small @ turn, small * np.array([1, -1, 1]), small[..., [2, 0, 1]]):
        np.testing.assert_allclose(describe(turned.astype(np.float32)), describe(small), rtol=5e-3, atol=5e-3)


def test_examples_of_cut_windows_are_not_complete() -> None:
    data = train.examples([falling("S1", 1), falling("S1", 2, seconds=8.5), hopping("S2", 3)], grades=[""])
    originals = data.take(~data.copy & (data.label == train.FALL))
    assert originals.complete.tolist() == [[True, True], [True, False]]
    assert originals.followed.tolist() == [True, False]
    assert [part.shape[1] for part in data.features] == [len(names(after)) for after in LOOKS]
    assert int(data.copy.sum()) == len(variation.COPIES[""]) * int((~data.copy).sum())
    assert data.weight[data.copy].max() <= train.COPY_WEIGHT + 1e-6


def test_activities_of_a_set_with_two_clocks_are_learned_from_by_the_slower() -> None:
    trial = replace(falling("S1", 1), dataset="weda-fall", is_fall=False)
    peak = names(LOOKS[0]).index("peak")
    as_heard = train.examples([trial], grades=[""]).features[0][0, peak]
    as_recorded = train.examples([replace(trial, dataset="made-up")], grades=[""]).features[0][0, peak]
    assert 0.5 * as_recorded < as_heard < as_recorded
    fallen = falling("S1", 1)
    heard = train.examples([replace(fallen, dataset="weda-fall")], grades=[""]).features[0]
    assert np.array_equal(heard, train.examples([fallen], grades=[""]).features[0])


@pytest.mark.slow
@pytest.mark.usefixtures("few_trees")
def test_each_wear_site_gets_forests_of_its_own() -> None:
    pytest.importorskip("sklearn")
    here = made_up_trials()
    there = [replace(trial, site="hip", subject=f"H{trial.subject}") for trial in here]
    model = train.fit([*here, *there])
    assert set(model.forests) == {head_name(site, grade) for site in ("wrist", "waist") for grade in GRADES}
    assert model.threshold("pendant") == model.points["waist"]["normal"]
    assert model.threshold("pendant", grade="narrow") == model.points["waist.narrow"]["normal"]
    assert model.threshold("nowhere") == pytest.approx(np.mean([model.threshold("wrist"), model.threshold("hip")]))
    features = train.examples(here, grades=[""]).features[0]
    both = (model.score(features, "wrist") + model.score(features, "chest")) / 2
    np.testing.assert_allclose(model.score(features), both, atol=1e-6)
    unknown = train.fit([replace(trial, site="ankle") for trial in here])
    assert set(unknown.forests) == {"any"}
    assert unknown.threshold("wrist") == unknown.points["any"]["normal"]


@pytest.mark.parametrize(("full_scale_g", "grade"), [(None, ""), (16.0, ""), (4.0, ""), (2.0, "narrow")])
def test_sensors_of_a_small_range_have_heads_of_their_own(full_scale_g: float | None, grade: str) -> None:
    assert grade_of(full_scale_g) == grade
    assert grade_of(float("nan")) == ""
    used: list[str] = []

    class Listening(Model):
        def threshold(self, site: str | None = None, sensitivity: str = "normal", grade: str = "") -> float:
            used.append(grade)
            return super().threshold(site, sensitivity, grade)

    model = shipped()
    trial = replace(falling("S1", 1), full_scale_g=full_scale_g)
    outcomes_of([trial], Listening(model.forests, model.points, model.version, model.card))
    assert set(used) == {grade}


def test_a_step_before_a_fall_is_not_looked_at_again() -> None:
    window = windows(2)
    assert not outdone(window)[0]
    window[1, BEFORE + 20] = 1.01 * window[1, BEFORE]
    assert outdone(window).tolist() == [False, True]
    window[1, BEFORE + 20] = np.nan
    assert not outdone(window).any()


def rows(subjects: int = 6, count: int = 240) -> Rows:
    rng = np.random.default_rng(3)
    label = (np.arange(count) % 3 == 0).astype(np.int8)
    features = tuple((rng.normal(size=(count, 5)) + label[:, None]).astype(np.float32) for _ in LOOKS)
    complete = np.ones((count, len(LOOKS)), np.bool_)
    subject = np.array([f"S{one % subjects}" for one in range(count)])
    return Rows(
        features,
        complete,
        complete[:, 0],
        label,
        np.ones(count, np.float32),
        subject,
        np.arange(count).astype(np.str_),
        ~complete[:, 0],
    )


def test_a_forest_as_arrays_says_what_the_learner_says() -> None:
    ensemble = pytest.importorskip("sklearn.ensemble")
    data = rows()
    learner = ensemble.ExtraTreesClassifier(20, random_state=1).fit(data.features[0], data.label)
    forest = exported(learner, 1.0, 0.0)
    new = np.random.default_rng(4).normal(size=(300, 5)).astype(np.float32)
    np.testing.assert_allclose(forest.share(new), learner.predict_proba(new)[:, 1], atol=1e-6)
    assert (forest.probability(new) == calibrated(forest.share(new), 1.0, 0.0)).all()


@pytest.mark.slow
@pytest.mark.usefixtures("few_trees")
def test_calibration_and_points_come_from_people_left_out() -> None:
    pytest.importorskip("sklearn")
    data = rows()
    head = fit_head(data, 0)
    assert fit_head(data, 0) is head
    assert fit_head(data, 1) is not head
    thresholds = head.thresholds()
    assert thresholds["high"] <= thresholds["normal"] <= thresholds["low"]
    normal = head.points["normal"]
    assert normal["sensitivity"]["low"] <= normal["sensitivity"]["value"] <= normal["sensitivity"]["high"]
    assert 0.5 < normal["sensitivity"]["value"] < 1  # the classes overlap: perfect would mean it had seen them
    assert head.calibration["look 1"]["ece"] < 0.15
    assert 0.02 < head.calibration["look 1"]["brier"] < 0.25


@pytest.mark.usefixtures("few_trees")
def test_with_one_person_there_is_nothing_to_leave_out() -> None:
    pytest.importorskip("sklearn")
    data = replace(rows(), subject=np.full(240, "S1"))
    assert (fitting.left_out_shares(data, 0) == 0.5).all()
    assert set(fit_head(data, 0).points) == {"low", "normal", "high"}


def test_the_shipped_model_is_small_and_knows_its_sites() -> None:
    model = shipped()
    assert set(model.forests) == {head_name(site, grade) for site in ("wrist", "waist") for grade in GRADES}
    assert isinstance(model, Model)
    nodes = sum(len(forest.left) for looks in model.forests.values() for forest in looks)
    assert nodes < 800_000
