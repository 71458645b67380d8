"""The simulated ward: the same from the same seed, and the engine finds what happens there without crying wolf."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from analytics.findings import Finding, Phase
from analytics.habits.habit_table import LEARN_DAYS
from analytics.habits.watch import HabitWatch
from device_drivers.observations import DeviceEvent
from gateway.cli import app, commands, ward_score
from gateway.cli.ward_score import score_of
from simulators.ward import BEFORE_DAYS, HOME, START_NS, Ward
from simulators.ward_bodies import MINUTE_NS
from simulators.ward_plan import ARTEFACTS, EVENTS

LEARNED = {"late morning", "quiet day", "late back"}
"""What only those are told of whose habits are known."""


def test_the_same_seed_gives_the_same_ward_and_another_one_another() -> None:
    first, again, other = (Ward(4, 1, seed, 1, 0) for seed in (3, 3, 4))
    assert first.truths == again.truths
    assert first.artefacts == again.artefacts
    assert [first.minute(m) for m in range(60)] == [again.minute(m) for m in range(60)]
    assert first.truths != other.truths


def test_nothing_is_planned_on_top_of_another() -> None:
    ward = Ward(10, 2, 1, 3, 1)
    planned = sorted([*ward.truths, *ward.artefacts], key=lambda t: (t.resident, t.begin))
    for one, following in itertools.pairwise(planned):
        assert one.resident != following.resident or one.end < following.begin
    assert all(ward.watched <= t.begin < t.end <= ward.minutes for t in planned)
    assert {t.name for t in ward.truths} <= set(EVENTS)
    assert {t.name for t in ward.artefacts} <= set(ARTEFACTS)


def test_nobody_goes_to_bed_while_lying_on_the_floor_or_out() -> None:
    ward = Ward(40, 5, 47, 10, 2)
    lying = {truth for truth in ward.truths if truth.name in HOME - {"stays in bed"}}
    assert {truth.name for truth in lying} == HOME - {"stays in bed"}
    to_bed = {
        (int(o.device_id.removeprefix("bed-")), minute)
        for minute in range(ward.minutes)
        for o in ward._at.get(minute, [])
        if o.device_id.startswith("bed-") and isinstance(o, DeviceEvent) and o.value == "in"
    }
    assert len(to_bed) >= 40 * 7
    assert [(t, m) for t in lying for who, m in to_bed if who == t.resident and t.begin <= m < t.end] == []


@pytest.mark.slow
def test_what_is_not_as_usual_is_found_after_days_lived_before() -> None:
    ward, watch = Ward(6, 1, 5, 1), HabitWatch()
    for device, resident, place in ward.devices():
        watch.attach(device, resident, place=place)
    found: list[Finding] = []
    for minute in range(ward.minutes):
        watch.ingest(ward.minute(minute))
        found += watch.step(START_NS + (minute + 1) * MINUTE_NS)
    score = score_of(ward, found)
    assert BEFORE_DAYS > LEARN_DAYS
    planned = LEARNED & set(score.events)
    assert planned
    assert planned <= set(score.delays)
    assert score.plain()["false_while_learning"] == round(score.learning / (6 * BEFORE_DAYS), 4)


def finding(kind: str, resident: str, minute: float) -> Finding:
    at_ns = START_NS + round(minute * MINUTE_NS)
    return Finding(f"{kind}{minute}", kind, resident, at_ns, Phase.CONFIRMED, 1.0, ("w",), {"rule": "x/1"})


def test_scores_count_what_belongs_to_nothing() -> None:
    ward = Ward(6, 1, 2, 1, 0)
    truth = next(t for t in ward.truths if t.name == "fast heart")
    who = f"r{truth.resident}"
    found = [
        finding("heart_rate_high", who, truth.begin + 2),
        finding("spo2_low", who, truth.begin + 3),
        finding("heart_rate_high", "nobody", truth.begin + 2),
    ]
    score = score_of(ward, found)
    assert score.delays["fast heart"] == [2.0]
    assert score.told["fast heart"] == {"heart_rate_high": 1}
    assert {(one.kind, one.resident_id) for one, _ in score.false} == {("spo2_low", who), ("heart_rate_high", "nobody")}
    figures = score.plain()
    assert figures["false_about_people"] == round(2 / 6, 4)
    assert figures["events"]["fast heart"]["sensitivity"] == 1.0
    assert figures["events"]["very ill"]["median_delay_min"] is None
    assert {one["why"] for one in figures["noisiest"]} == {"fast heart", "nothing planned"}


@pytest.mark.slow
def test_what_happens_in_a_small_ward_is_found_and_little_else(tmp_path: Path) -> None:
    file = tmp_path / "ward.json"
    options = {"residents": 10, "days": 1, "seed": 6, "each": 1, "before": 0, "json": file}
    assert "bench_ward" in commands.__all__
    given = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    result = CliRunner().invoke(app, ["bench", "ward", *given])
    assert (result.exit_code, "False findings" in result.output) == (0, True), result.output
    figures = json.loads(file.read_text(encoding="utf-8"))
    assert figures["residents"] == 10
    assert figures["events"]
    missed = {name for name, one in figures["events"].items() if one["found"] < one["events"]}
    assert missed == LEARNED & set(figures["events"])
    assert figures["false_total"] <= figures["target_total"]
    delays = {name: one["median_delay_min"] for name, one in figures["events"].items()}
    assert all(delays[name] <= 3 for name in ("fast heart", "slow heart", "low oxygen") if name in delays)


def test_too_many_false_findings_are_a_bad_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ward_score, "TARGET", -1.0)
    monkeypatch.setattr(Ward, "minutes", 60)
    args = ["bench", "ward", "--residents", "1", "--days", "1", "--each", "0", "--before", "0"]
    assert CliRunner().invoke(app, args).exit_code == 1
