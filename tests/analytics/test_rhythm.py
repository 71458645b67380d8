"""Screening for atrial fibrillation on made-up series: what it finds, what it leaves alone, and the contract."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import pytest
from analytics_scenes import SECOND, T0, at
from numpy.typing import NDArray
from rhythm_scenes import bigeminy, ectopic, fibrillation, readings, rhythm_scene, sinus

from analytics.check import check_detector
from analytics.engine import default_engine
from analytics.findings import Finding, Phase
from analytics.rhythm import evaluation, irregularity
from analytics.rhythm.episodes import NARROW, advance, fresh, sums_of
from analytics.rhythm.model import DELAY, LEAD, SHIPPED, fit, follow
from analytics.rhythm.watch import RhythmWatch
from device_drivers.observations import Observation, Quality, Reading


def found(observations: Sequence[Observation], *, resident: str | None = "zhang") -> list[Finding]:
    watch = RhythmWatch()
    watch.attach("strap", resident)
    watch.ingest(observations)
    return watch.step(T0)


def test_keeps_the_contract() -> None:
    check_detector(RhythmWatch, rhythm_scene())


def test_tells_when_fibrillation_begins_and_when_it_is_over() -> None:
    series = np.concatenate([sinus(300), fibrillation(400), sinus(5200, seed=7)])
    begins, ends = found(readings(series))
    onset_s, over_s = series[:300].sum() / 1000, series[:700].sum() / 1000
    assert (begins.kind, begins.phase, begins.resident_id) == ("possible_af", Phase.CONFIRMED, "zhang")
    assert abs(int(begins.evidence["since_ns"]) - at(onset_s)) < 30 * SECOND
    assert begins.at_ns - at(onset_s) < 110 * SECOND
    assert float(begins.evidence["held_s"]) >= 30
    assert (ends.episode, ends.phase) == (begins.episode, Phase.CLEARED)
    assert abs(int(ends.evidence["last_seen_ns"]) - at(over_s)) < 60 * SECOND
    assert ends.at_ns - int(ends.evidence["last_seen_ns"]) >= 3600 * SECOND


def test_fibrillation_that_returns_soon_is_the_same_episode() -> None:
    series = np.concatenate([sinus(200), fibrillation(300), sinus(500), fibrillation(300, seed=9), sinus(400)])
    assert [one.phase for one in found(readings(series))] == [Phase.CONFIRMED]


@pytest.mark.parametrize("series", [sinus(3000), bigeminy(3000), ectopic(3000), fibrillation(60)])
def test_says_nothing_of_what_is_regular_or_too_short(series: NDArray[np.float64]) -> None:
    calm = np.concatenate([sinus(200), series, sinus(200)])
    assert found(readings(calm)) == []


def test_doubtful_stored_and_impossible_beats_count_for_nothing() -> None:
    watch = RhythmWatch()
    watch.attach("strap", None)
    good = readings(fibrillation(400))
    spoiled: list[Reading] = [replace(o, quality=Quality.POOR) for o in good]
    spoiled += [replace(o, stored=True) for o in good] + [replace(o, value=None, quality=Quality.INVALID) for o in good]
    watch.ingest(spoiled)
    assert watch.step(T0) == []
    assert watch.rejected == 0
    watch.ingest([replace(good[0], value=150.0), replace(good[1], value=6000.0), replace(good[2], value=float("nan"))])
    assert watch.rejected == 3
    watch.ingest(good)
    assert [one.resident_id for one in watch.step(T0)] == [None]


def test_beats_that_come_again_change_nothing_and_a_hole_starts_anew() -> None:
    first = readings(fibrillation(100))
    again = [replace(o, received_ns=o.received_ns + 300 * SECOND) for o in first]
    later = readings(fibrillation(70, seed=8), start_s=1000)
    assert found([*first, *again[:80]]) == []
    assert found([*first, *later]) == []
    set_back = [replace(o, at_ns=o.at_ns - 7200 * SECOND) for o in later]
    assert found([*first, *set_back]) == []


def test_resolved_by_a_person_and_still_there_it_is_a_new_episode() -> None:
    watch = RhythmWatch()
    watch.attach("strap", "zhang")
    beats = readings(fibrillation(900))
    watch.ingest(beats[:300])
    (first,) = watch.step(T0)
    watch.close("another")
    watch.close(first.episode)
    watch.ingest(beats[300:])
    (second,) = watch.step(T0)
    assert second.episode != first.episode
    assert second.phase is Phase.CONFIRMED


def test_a_device_of_another_resident_has_no_past() -> None:
    watch = RhythmWatch()
    watch.attach("strap", "zhang")
    watch.attach("strap", "zhang")
    beats = readings(fibrillation(200))
    watch.ingest(beats[:110])
    watch.attach("strap", "li")
    watch.ingest(beats[110:])
    assert watch.step(T0) == []


def test_the_shipped_engine_screens() -> None:
    engine = default_engine()
    engine.attach("strap", "zhang")
    engine.ingest(readings(fibrillation(400)))
    assert "possible_af" in {one.kind for one in engine.step(at(400))}


def test_features_of_many_series_are_those_of_each() -> None:
    series = [irregularity.thousandths(one) for one in (sinus(200), fibrillation(200), bigeminy(200))]
    together = irregularity.window_sums(irregularity.marks(np.stack(series)))
    for one, sums in zip(series, together, strict=True):
        assert (irregularity.window_sums(irregularity.marks(one[None]))[0] == sums).all()
    features = irregularity.features(together[:, LEAD:])
    assert (features[1, :, 0] < features[0, :, 0]).all(), "fibrillation finds fewer matches"


@pytest.mark.parametrize(("middle_ms", "differ_from"), [(190, 12), (400, 23), (700, 40), (1000, 58), (1600, 60)])
@pytest.mark.parametrize("match", [True, False])
def test_two_intervals_match_in_proportion_to_the_interval(middle_ms: int, differ_from: int, match: bool) -> None:
    apart = differ_from - 2 if match else differ_from + 1
    middle = int(irregularity.thousandths(np.array([float(middle_ms)]))[0])
    alternating = np.where(np.arange(80) % 2, middle + apart // 2, middle + apart // 2 - apart)[None]
    matches, runs = irregularity.marks(alternating)[0, irregularity.REACH :, :2].T
    assert set(matches.tolist()) == {irregularity.LAGS if match else irregularity.LAGS // 2}
    assert set(runs.tolist()) == {irregularity.LAGS if match else irregularity.LAGS // 2}


def test_marks_look_no_further_back_than_they_say() -> None:
    log_ms = irregularity.thousandths(np.stack([fibrillation(400), ectopic(400), sinus(400)]))
    whole = irregularity.marks(log_ms)
    cut_off = [irregularity.marks(log_ms[:, start:])[:, irregularity.REACH :] for start in range(300)]
    for start, part in enumerate(cut_off):
        assert (part == whole[:, start + irregularity.REACH :]).all()


@pytest.mark.parametrize("piece", [1, 2, NARROW, NARROW + 1, 500])
def test_pieces_of_any_length_say_the_same(piece: int) -> None:
    series = np.stack(
        [np.concatenate([sinus(300), fibrillation(600)]), np.concatenate([fibrillation(450), ectopic(450)])]
    )
    log_ms = irregularity.thousandths(series)
    at_ns = (np.cumsum(series, axis=1) * 1e6).astype(np.int64)
    whole, course = advance(fresh(2), log_ms, at_ns, np.full(2, 900))
    past, parts = fresh(2), []
    for start in range(0, 900, piece):
        logs, times = log_ms[:, start : start + piece], at_ns[:, start : start + piece]
        past, part = advance(past, logs, times, np.full(2, logs.shape[1]))
        parts.append(part)
    for name, expected in course._asdict().items():
        assert (np.concatenate([getattr(part, name) for part in parts], axis=1) == expected).all(), name
    for one in fields(past):
        assert (getattr(past, one.name) == getattr(whole, one.name)).all(), one.name
    assert (sums_of(past.log_ms) == past.sums).all()
    assert course.fibrillates.any(axis=1).all()


def test_what_an_earlier_version_saved_is_left_out_and_screening_starts_afresh() -> None:
    saved = RhythmWatch()
    saved.attach("strap", "zhang")
    saved.ingest(readings(fibrillation(300)))
    (told,) = saved.step(T0)
    state = json.loads(json.dumps(saved.remember()))["zhang"]
    earlier = {**state, "log_ms": state["log_ms"][2:], "at_ns": state["at_ns"][2:]}
    watch, engine = RhythmWatch(), default_engine()
    for one, states in ((watch, {"zhang": earlier}), (engine, {RhythmWatch.memory: {"zhang": earlier}})):
        one.recall(states)
        one.attach("strap", "zhang")
    assert watch.remember() == {}
    assert engine.remember().get(RhythmWatch.memory, {}) == {}
    assert watch.resume(told, T0)
    watch.ingest(readings(np.concatenate([fibrillation(300, seed=8), sinus(5200)]), start_s=400))
    (over,) = watch.step(T0)
    assert (over.episode, over.phase) == (told.episode, Phase.CLEARED)


def test_the_level_stays_between_its_ends() -> None:
    odds = np.array([[8000] * 60, [-8000] * 60])
    levels = follow(odds, np.array([0, 50_000]))
    assert levels[0, -1] == 100_000
    assert levels[1, -1] == -100_000
    assert levels[0, 0] == 8000


@dataclass
class Series:
    name: str
    group: str
    interval_s: NDArray[np.float64]
    rhythm: NDArray[np.int64]


def made_up() -> list[Series]:
    out = []
    for seed in range(3):
        parts = [sinus(900, seed), fibrillation(900, seed), ectopic(900, seed)]
        rhythm = np.repeat([0, 1, 0], 900)
        rhythm[2600:] = 2
        out.append(Series(f"afdb/{seed}", "afdb", np.concatenate(parts) / 1000, rhythm))
    calm = np.concatenate([[40.0], sinus(3000, 5) / 1000])
    out.append(Series("normal/a", "normal", calm, np.zeros(3001, np.int64)))
    out.append(Series("chf/b", "chf", fibrillation(3000, 6) / 1000, np.zeros(3000, np.int64)))
    out.append(Series("normal/c", "normal", np.array([0.8, 0.9]), np.zeros(2, np.int64)))
    return out


def test_figures_by_beat_by_time_and_a_day() -> None:
    result = evaluation.evaluate_rhythm(made_up())
    assert result["series"] == 6
    assert result["beats"]["all"]["fibrillation"] == 2700
    assert result["beats"]["all"]["sensitivity"]["value"] > 0.95
    assert result["beats"]["without_flutter"]["other"] == 3 * 1700
    assert result["fibrillation_time"]["found"] > 0.9
    assert result["false_episodes"]["normal"]["episodes"] == 0
    assert result["false_episodes"]["chf"]["by_series"] == {"chf/b": 1}
    assert "sensitivity" in evaluation.summary(result)
    none = evaluation.report(evaluation.screen(made_up()[3:4]), "x")
    assert "beats" not in none
    assert "normal" in evaluation.summary(none)


def test_every_series_is_judged_by_a_line_that_never_saw_it() -> None:
    result = evaluation.evaluate_left_out(made_up())
    assert result["protocol"] == "leave one record out, causal"
    assert result["beats"]["all"]["sensitivity"]["value"] > 0.8


def test_learning_needs_both_kinds() -> None:
    rows = evaluation.learning_rows(made_up()[0])
    assert len(rows[0]) == len(rows[1])
    assert rows[1].any()
    with pytest.raises(ValueError, match="both"):
        fit(rows[0], np.zeros(len(rows[0]), np.bool_), np.ones(len(rows[0])), "x")
    assert DELAY < LEAD
    assert len(SHIPPED.weights) == len(irregularity.FEATURES)
