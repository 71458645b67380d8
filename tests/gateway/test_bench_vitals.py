"""`yinling bench vitals`: what it plays is what it says, and the figures are figures. How fast is not tested."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from analytics.engine import default_engine
from analytics.habits.watch import HabitWatch
from analytics.vitals.watch import VitalWatch
from gateway.cli import app, commands
from gateway.cli.bench_vitals import growth
from gateway.cli.vital_load import KNOWN_DAYS, VitalLoad

if TYPE_CHECKING:
    from pathlib import Path


def run(*arguments: str) -> Any:
    assert commands.__all__
    return CliRunner().invoke(app, ["bench", "vitals", *arguments])


def test_figures_of_a_small_load(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    result = run("--residents", "40", "--seconds", "45", "--json", str(file))
    assert result.exit_code in {0, 1}, result.output
    assert "Where the time goes" in result.stdout
    report = json.loads(file.read_text(encoding="utf-8"))
    few, many = report["runs"]
    assert (few["residents"], many["residents"]) == (4, 40)
    assert many["observations_per_second"] > 40 * 3
    assert {"VitalLimits", "VitalWatch", "HabitWatch", "RhythmWatch"} <= set(many["parts_ms"])
    for what in ("ingest_ms", "step_ms", "both_ms", "remember_ms"):
        assert 0 < many[what]["median"] <= many[what]["p99"] <= many[what]["worst"]
    turn = many["day_turn_ms"]
    assert turn["steps"] == 1
    assert turn["worst"] == pytest.approx(turn["total"], abs=0.1)
    assert report["growth"] == growth(report["runs"])
    assert result.exit_code == (many["step_ms"]["p99"] > report["aim_step_ms"])


def test_everybody_has_a_baseline_and_habits_and_the_same_seed_sends_the_same() -> None:
    load, engine = VitalLoad(7), default_engine()
    load.attach(engine)
    learned = engine.part(HabitWatch).learned("r6")
    assert learned is not None
    assert learned.days == KNOWN_DAYS
    first = load.second(0)
    assert [(o.device_id, o.signal, o.at_ns) for o in first] == [
        (o.device_id, o.signal, o.at_ns) for o in VitalLoad(7).second(0)
    ]
    engine.ingest(first)
    engine.step(first[0].received_ns)
    assert len(engine.part(VitalWatch).remember()) == 7
    minute = Counter(o.signal for second in range(60) for o in load.second(second))
    assert minute["heart_rate"] == minute["spo2"] == 7 * 60
    assert minute["bed_occupancy"] == minute["presence"] == minute["body_temperature"] == 7
    assert 7 * 50 < minute["rr_interval"] < 7 * 80
