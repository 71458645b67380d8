"""Figures by hand: curves, windows, spreads over people, and which stage let a trial go."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fall_scenes import fall, walk
from made_up import MadeUp, falling, hopping, made_up_trials

from analytics import evaluation
from analytics.changed import (
    CHANGES,
    Changed,
    clipped,
    resampled,
    rotated,
    with_lost_samples,
    with_wrong_sign,
    without_pause,
)
from analytics.evaluation import cross, evaluate_falls, robustness, shipped_parts
from analytics.falls.model import shipped
from analytics.figures import (
    CURVE_POINTS,
    Outcome,
    Stage,
    area,
    by_subject,
    curve,
    report,
    stages,
    summary,
    window_figures,
)
from analytics.findings import Finding, Phase


def outcome(*, is_fall: bool, score: float, subject: str = "S1", stage: Stage = Stage.MODEL) -> Outcome:
    alarms = int(stage is Stage.ALARM)
    name = f"set/X/{subject}/{score}"
    return Outcome(
        name, "set", "X", subject, "young", "wrist", is_fall, 60.0, alarms, 0, None, None, None, stage,
        score, score, score >= 0.5, "model",
    )  # fmt: skip


def test_area_is_the_chance_that_a_fall_scores_higher() -> None:
    assert area([0.9, 0.8], [0.1, 0.2]) == 1.0
    assert area([0.1], [0.9]) == 0.0
    assert area([0.5], [0.5]) == 0.5
    assert area([0.9, 0.3], [0.3, 0.1]) == 0.875
    assert area([], [0.1]) is None


def test_the_curve_runs_from_all_to_none() -> None:
    outcomes = [outcome(is_fall=i % 2 == 0, score=i / 1000) for i in range(1000)]
    found = curve(outcomes)
    assert len(found["points"]) <= CURVE_POINTS + 1
    assert found["points"][0] == [0.0, 1.0, 1.0]
    assert found["points"][-1] == [1.0, 0.0, 0.0]
    assert np.all(np.diff([point[1] for point in found["points"]]) <= 0)
    assert found["auc"] == pytest.approx(0.5, abs=0.01)
    assert curve(outcomes[::2]) == {"auc": None, "points": []}


def test_window_figures_take_the_model_alone() -> None:
    outcomes = [outcome(is_fall=True, score=score) for score in (0.9, 0.7, 0.2)]
    outcomes += [outcome(is_fall=False, score=score) for score in (0.6, 0.1, 0.0, 0.0)]
    found = window_figures(outcomes)
    assert found["sensitivity"]["value"] == pytest.approx(2 / 3, abs=1e-4)
    assert found["specificity"]["value"] == 0.75
    assert found["accuracy"]["value"] == pytest.approx(5 / 7, abs=1e-4)
    assert found["auc"] == pytest.approx(11 / 12, abs=1e-4)


def test_spread_over_people() -> None:
    outcomes = [outcome(is_fall=True, score=1, subject="A", stage=Stage.ALARM) for _ in range(2)]
    outcomes += [
        outcome(is_fall=True, score=1, subject="B", stage=stage) for stage in (Stage.ALARM, Stage.MODEL, Stage.GATE)
    ]
    outcomes.append(outcome(is_fall=False, score=0, subject="C"))
    found = by_subject(outcomes)
    assert found["sensitivity"]["people"] == 2
    assert found["sensitivity"]["mean"] == pytest.approx((1 + 1 / 3) / 2, abs=1e-4)
    assert found["sensitivity"]["sd"] == pytest.approx(np.std([1, 1 / 3], ddof=1), abs=1e-3)
    assert (found["sensitivity"]["lowest"], found["sensitivity"]["lowest_person"]) == (0.3333, "set/B")
    assert found["specificity"]["sd"] is None
    assert by_subject([])["f1"] is None


def test_the_table_of_stages_counts_and_names() -> None:
    outcomes = [outcome(is_fall=True, score=0.1, stage=stage) for stage in Stage]
    outcomes.append(outcome(is_fall=False, score=0.9, stage=Stage.ALARM))
    found = stages(outcomes)
    assert set(found["falls"].values()) == {1}
    assert found["activities"] == {**dict.fromkeys(map(str, Stage), 0), "alarm": 1}
    assert found["gate_pass"]["value"] == pytest.approx(5 / 6, abs=1e-4)
    assert [one["stage"] for one in found["missed"]] == [str(stage) for stage in Stage][:-1]
    assert found["alarmed"] == [{"name": "set/X/S1/0.9", "stage": "alarm", "score": 0.9, "decided_by": "model"}]


def test_each_stage_is_told_from_what_the_detector_did() -> None:
    got_up = replace(falling("S1", 1), accel_g=fall(seconds=25, up_s=10.5), trial="up")
    soft = MadeUp("F02", "S1", np.tile(np.float32([0, 0, 1]), (600, 1)), True)
    cut_short = replace(falling("S1", 3), accel_g=fall(fall_s=6.0, seconds=16, seed=1)[:328], trial="cut")
    outside = replace(falling("S1", 1), fall_start_s=0.0, fall_end_s=1.0, trial="outside")
    trials = [got_up, soft, cut_short, hopping("S2", 3), falling("S2", 2), outside]
    (parts,) = shipped_parts(trials, shipped())
    found = {one.name.rsplit("/", 1)[1]: one for one in evaluation.outcomes_of(parts[1], parts[0])}
    assert found["up"].stage is Stage.CONFIRMATION
    assert found["up"].decided_by in {"model, back_up", "rule, back_up", "model, walks_on", "rule, walks_on"}
    assert found["R01"].stage is Stage.GATE
    assert found["cut"].stage is Stage.CANDIDATE
    assert found["R3"].stage is Stage.MODEL
    assert found["R2"].stage is Stage.ALARM
    assert (found["outside"].within_marks, found["outside"].score) == (False, 0.0)


def test_an_alarm_that_joining_takes_away_is_put_down_to_fusion() -> None:
    standing = Finding("e", "fall", "r", evaluation.EPOCH_NS, Phase.SUSPECTED, 0.9, ("0",), {})
    seen = evaluation._Seen(own=[standing])
    assert evaluation._stage(falling("S1", 1), seen, alarmed=False) is Stage.FUSION


def test_every_change_gives_a_usable_trial() -> None:
    trial = replace(falling("S1", 1), full_scale_g=8.0)
    for name, change in CHANGES.items():
        changed = change(trial)
        assert changed.accel_g.dtype == np.float32, name
        assert len(changed.accel_g) / changed.rate_hz == pytest.approx(16, abs=0.1), name
        assert (changed.name, changed.fall_start_s, changed.site) == (trial.name, 6.0, "wrist"), name
        again = change(trial)
        assert np.array_equal(changed.accel_g, again.accel_g, equal_nan=True), name


def test_changes_do_what_they_say() -> None:
    trial = falling("S1", 1)
    norms = np.linalg.norm(trial.accel_g, axis=1)
    turned = rotated(trial).accel_g
    assert np.linalg.norm(turned, axis=1) == pytest.approx(norms, rel=1e-4)
    turn = np.linalg.lstsq(trial.accel_g, turned, rcond=None)[0]
    assert np.linalg.det(turn) == pytest.approx(1.0, abs=1e-3)
    assert not np.allclose(turned, trial.accel_g, atol=0.1)
    mirror = np.linalg.lstsq(trial.accel_g, with_wrong_sign(trial).accel_g, rcond=None)[0]
    assert np.linalg.det(mirror) == pytest.approx(-1.0, abs=1e-3)
    assert np.isnan(with_lost_samples(trial).accel_g[:, 0]).mean() == pytest.approx(0.05, abs=0.02)
    narrow = clipped(2.0)(trial)
    assert (np.abs(narrow.accel_g).max(), narrow.full_scale_g) == (2.0, 2.0)
    assert clipped(2.0)(replace(trial, full_scale_g=None)).full_scale_g == 2.0  # type: ignore[arg-type]
    half = resampled(25.0)(trial)
    assert np.array_equal(half.accel_g, trial.accel_g[:-1:2])
    assert resampled(50.0)(trial) is trial


def test_daily_life_without_a_pause_is_one_stream_for_each_person() -> None:
    trials = [hopping("S1", 1), hopping("S1", 2), hopping("S2", 3), falling("S1", 4)]
    first, second = without_pause(trials)
    assert (first.name, first.activity, first.is_fall) == ("made-up/without-pause/S1/wrist", "without-pause", False)
    assert len(first.accel_g) == 2 * 600 + 50
    assert np.abs(np.diff(first.accel_g[598:652], axis=0)).max() < 1.0  # the seam is no blow
    assert len(second.accel_g) == 600


def test_robustness_compares_within_one_run() -> None:
    done: list[int] = []
    trials = [*made_up_trials()[:6], MadeUp("D09", "S9", walk(seconds=10), False)]
    found = robustness(shipped_parts(trials, shipped()), done.append)
    assert found["base"]["f1"]["value"] == 1.0
    assert set(found["changes"]) == set(CHANGES)
    for one in found["changes"].values():
        assert one["f1_drop"] == pytest.approx(1.0 - one["f1"]["value"], abs=1e-4)
    assert found["changes"]["rotated"]["f1_drop"] == 0.0
    assert done[-1] == 7 * (len(CHANGES) + 1)
    quiet_only = robustness(shipped_parts(trials[-1:], shipped()))
    assert quiet_only["changes"]["rotated"]["f1_drop"] is None


@pytest.mark.slow
@pytest.mark.usefixtures("few_trees")
def test_cross_learns_from_other_sets_only() -> None:
    pytest.importorskip("sklearn")
    learned = [replace(trial, dataset="other") for trial in made_up_trials()]
    empty = MadeUp("D02", "S2", np.zeros((0, 3), np.float32), False)
    found = cross([*learned, empty], [falling("S8", 90), hopping("S8", 91), empty])
    assert found["protocol"] == "trained on other, streaming"
    assert found["overall"]["detected"] == 1
    assert found["empty"] == [empty.name]
    assert "trained on other" in summary(found)


def test_the_summary_tells_of_stages_and_damaged_files() -> None:
    found = {**report([outcome(is_fall=True, score=0.2, stage=Stage.GATE)]), "protocol": "p", "damaged": ["a"]}
    text = summary(found)
    assert "gate passes of the falls: 0.0000" in text
    assert "files that could not be read: 1" in text
    assert isinstance(Changed.of(falling("S1", 1)).accel_g, np.ndarray)
    assert evaluate_falls([])["stages"]["gate_pass"] is None
