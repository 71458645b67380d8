"""Scoring by event: what counts as found, as false alarm, and as a figure; training on made-up trials."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fall_scenes import fall
from made_up import MadeUp, falling, hopping, made_up_trials

from analytics import evaluation
from analytics.evaluation import evaluate_falls, leave_one_subject_out
from analytics.falls import fitting, train
from analytics.falls.features import NAMES, WIDTH, describe
from analytics.falls.model import Model, ModelError, shipped
from analytics.figures import Outcome, Stage, report, summary


def test_the_shipped_model_on_made_up_trials() -> None:
    done: list[int] = []
    trials = [falling("S1", 1), falling("S1", 2, seconds=8.0), hopping("S2", 3)]
    trials.append(replace(trials[0], accel_g=fall(seconds=25, up_s=10.5), trial="R9"))
    empty = MadeUp("D02", "S2", np.zeros((0, 3), np.float32), False)
    result = evaluate_falls([*trials, empty], done.append)
    assert done == [5]
    overall = result["overall"]
    assert (overall["falls"], overall["detected"], overall["activities"], overall["false_alarms"]) == (3, 2, 1, 0)
    assert result["misses"] == ["made-up/F01/S1/R9"]  # got up again: cleared
    assert result["cleared"] == {"falls": 1, "activities": 0}
    assert result["alarms_outside_marks"] == 0
    assert result["empty"] == ["made-up/D02/S2/R01"]
    assert result["delay_s"]["confirmed"]["count"] == 1  # the other trial ended before
    assert 2.0 <= evaluate_falls(trials[:1])["delay_s"]["suspected"]["median"] <= 3.1
    assert json.loads(json.dumps(result)) == result


def test_a_trial_alone_and_among_others_comes_out_the_same() -> None:
    trials = [falling("S1", 1, seconds=8.0), hopping("S2", 3), falling("S3", 4)]
    together = evaluate_falls(trials)
    alone = [evaluate_falls([trial]) for trial in trials]
    assert together["misses"] == [name for part in alone for name in part["misses"]]
    assert together["overall"]["detected"] == sum(part["overall"]["detected"] for part in alone)


def outcome(name: str, *, is_fall: bool, alarms: int, group: str = "young", within: bool | None = None) -> Outcome:
    delay, stage = (2.5, Stage.ALARM) if alarms else (None, Stage.MODEL)
    return Outcome(name, "set", name[:3], "S1", group, "wrist", is_fall, 1800.0, alarms, 0, delay, None, within, stage)


def test_figures_by_hand() -> None:
    outcomes = [outcome(f"F01-{i}", is_fall=True, alarms=int(i < 9), within=i > 0) for i in range(10)]
    outcomes += [outcome(f"D01-{i}", is_fall=False, alarms=2 * (i == 0), group="elderly") for i in range(8)]
    result = report(outcomes)
    overall = result["overall"]
    assert overall["sensitivity"] == {"value": 0.9, "low": 0.555, "high": 0.9975}
    assert overall["specificity"]["value"] == 0.875
    assert overall["precision"]["value"] == 0.9
    assert overall["f1"]["value"] == 0.9
    assert overall["f1"]["low"] < 0.9 < overall["f1"]["high"]
    assert overall["false_alarms_per_hour"] == {"value": 0.5, "low": 0.0606, "high": 1.8062}
    assert result["by_group"]["elderly"]["sensitivity"] is None
    assert result["by_activity"]["set/F01"]["specificity"] is None
    assert result["misses"] == ["F01-9"]
    assert result["false_alarms"] == ["D01-0"]
    assert result["alarms_outside_marks"] == 1
    assert result["delay_s"]["suspected"] == {"count": 9, "median": 2.5, "p95": 2.5, "values": [2.5] * 9}
    assert result["delay_s"]["confirmed"] == {"count": 0, "median": None, "p95": None, "values": []}


def test_no_trials_give_no_figures() -> None:
    result = evaluate_falls([])
    assert result["overall"]["sensitivity"] is None
    assert result["overall"]["false_alarms_per_hour"] is None
    assert "sensitivity" in summary(result)


def test_the_summary_names_the_figures() -> None:
    text = summary(evaluate_falls([falling("S1", 1), hopping("S2", 3)]))
    assert "2 trials of 2 subjects: 1 falls, 1 activities" in text
    assert "sensitivity           1.0000 (0.0250 to 1.0000)" in text
    assert "false alarms per hour 0.0000" in text
    assert "suspected after impact" in text


@pytest.mark.usefixtures("few_trees")
def test_training_is_reproducible_and_needs_something_to_learn_from(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    trials = made_up_trials()
    model = train.fit(trials, 3)
    fitting._fitted.clear()
    again = train.fit(trials, 3)
    model.save(tmp_path / "model.npz")
    again.save(tmp_path / "again.npz")
    assert (tmp_path / "model.npz").read_bytes() == (tmp_path / "again.npz").read_bytes()
    loaded = Model.load(tmp_path / "model.npz")
    for look, features in enumerate(train.examples(trials).features):
        assert np.array_equal(loaded.score(features, "wrist", look), model.score(features, "wrist", look))
    result = evaluate_falls(trials, model=loaded)
    assert result["overall"]["sensitivity"]["value"] == 1.0
    assert result["overall"]["specificity"]["value"] == 1.0
    carded = train.with_figures(loaded, "shipped model", [result])
    card = json.loads(carded.card)
    assert (card["falls"], card["activities"], card["trained_on"]) == (36, 36, ["made-up"])
    assert card["figures"]["shipped model"]["made-up"]["sensitivity"]["value"] == 1.0
    with pytest.raises(ValueError, match="no trial has an impact"):
        train.fit([MadeUp("D01", "S1", np.full((300, 3), 0.5, np.float32), False)])


@pytest.mark.slow
@pytest.mark.usefixtures("few_trees")
def test_leave_one_subject_out_trains_without_that_subject() -> None:
    pytest.importorskip("sklearn")
    done: list[int] = []
    result = leave_one_subject_out(made_up_trials(), progress=done.append)
    assert done == [24, 48, 72]
    assert result["overall"]["sensitivity"]["value"] == 1.0
    assert result["protocol"].startswith("leave one subject out")
    data = train.examples(made_up_trials())
    assert set(data.without("made-up/S1").subject) == {"made-up/S2", "made-up/S3"}


def test_of_a_fall_trial_only_the_marked_impact_is_a_fall() -> None:
    values = fall(fall_s=6.0, seconds=16)
    values[100:102, 2] += 9.0  # the table is struck before
    trial = MadeUp("F01", "S1", values, True, fall_start_s=6.0, fall_end_s=8.0)
    data = train.examples([trial], grades=[""])
    assert data.label[~data.copy].tolist() == [train.UNUSED, train.FALL]
    unmarked = replace(trial, fall_start_s=None, fall_end_s=None)
    assert train.examples([unmarked], grades=[""]).label[:2].tolist() == [train.FALL, train.UNUSED]


def test_a_model_of_other_features_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    shipped().save(path)
    with np.load(path) as stored:
        parts = dict(stored)
    np.savez(path, **{**parts, "names": np.array(["peak", "peak"])})
    with pytest.raises(ModelError, match="other features"):
        Model.load(path)
    np.savez(path, **{name: part for name, part in parts.items() if name != "wrist.0.left"})
    with pytest.raises(ModelError, match=r"wrist\.0\.left"):
        Model.load(path)
    np.savez(path, base=1.0)
    with pytest.raises(ModelError, match="lacks"):
        Model.load(path)


def test_the_shipped_model_carries_its_card() -> None:
    card = json.loads(shipped().card)
    assert set(card["figures"]["leave one subject out"]) == {"sisfall", "weda-fall"}
    assert set(card) >= {"trained_on", "subjects", "seed", "falls", "activities", "protocol", "figures"}
    for site in ("wrist", "waist"):
        low, normal, high = (card["operating_points"][site][name] for name in ("low", "normal", "high"))
        assert high["threshold"] <= normal["threshold"] <= low["threshold"]
        assert high["sensitivity"]["value"] >= normal["sensitivity"]["value"] >= low["sensitivity"]["value"]
        assert all(look["ece"] < 0.02 and look["brier"] < 0.03 for look in card["calibration"][site].values())


def test_features_do_not_depend_on_how_the_sensor_is_turned() -> None:
    window = fall(fall_s=2.5, seconds=6)[:WIDTH][None]
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    turned = (window / 2 @ turn).astype(np.float32)
    np.testing.assert_allclose(describe(turned), describe(window / 2), rtol=2e-3, atol=2e-3)


def test_features_of_nothing_are_numbers_and_the_model_still_answers() -> None:
    nothing = describe(np.full((2, WIDTH, 3), np.nan, np.float32))
    assert nothing.shape == (2, len(NAMES))
    assert np.isfinite(nothing).all()
    for site in (None, "wrist", "waist", "pendant", "somewhere else"):
        scores = shipped().score(nothing, site)
        assert ((scores >= 0) & (scores <= 1)).all()


def test_the_margin_of_marks_is_used() -> None:
    assert evaluation.MARK_MARGIN_S > 0
    late = replace(falling("S1", 1), fall_start_s=0.0, fall_end_s=1.0)
    assert evaluate_falls([late])["alarms_outside_marks"] == 1
