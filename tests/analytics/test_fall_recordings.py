"""Figures on the published recordings, streamed through the detector: they must not get worse.

A share of SisFall and of the hours of ordinary life is played; all of them with YINLING_RECORDINGS=full.
"""

from __future__ import annotations

import os
from itertools import count

import pytest

from analytics.evaluation import evaluate_falls
from analytics.falls import fitting, train
from simulators.recordings import Recording, load_sisfall, load_weda_fall, load_wrist_freeliving
from tests.conftest import reference

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]
FULL = os.environ.get("YINLING_RECORDINGS") == "full"


@pytest.fixture(scope="module")
def weda() -> list[Recording]:
    return list(load_weda_fall(reference("YINLING_DATA", "data") / "weda-fall.zip"))


def test_weda_fall(weda: list[Recording]) -> None:
    result = evaluate_falls(weda)
    assert result["overall"]["sensitivity"]["value"] >= 0.98
    assert result["overall"]["specificity"]["value"] >= 0.96
    assert result["by_group"]["elderly"]["specificity"]["value"] >= 0.96
    assert result["delay_s"]["suspected"]["p95"] <= 3.1  # a block of one second included
    assert result["delay_s"]["confirmed"]["p95"] <= 12.0


def test_weda_fall_on_people_the_model_never_saw(weda: list[Recording], monkeypatch: pytest.MonkeyPatch) -> None:
    """A fifth of the trees in service: some thousandths of F1 for a fifth of the time."""
    pytest.importorskip("sklearn")
    monkeypatch.setattr(fitting, "TREES", 40)
    monkeypatch.setattr(fitting, "TREES_OF_FOLD", 40)
    known = {"U01", "U03", "U05", "U07", "U09", "U21", "U25", "U29"}
    model = train.fit([trial for trial in weda if trial.subject in known])
    result = evaluate_falls([trial for trial in weda if trial.subject not in known], model=model)
    assert result["overall"]["falls"] == 125
    assert result["overall"]["sensitivity"]["value"] >= 0.92
    assert result["overall"]["specificity"]["value"] >= 0.88


def test_sisfall() -> None:
    share, number = 1 if FULL else 8, count()
    played = load_sisfall(reference("YINLING_DATA", "data") / "sisfall.zip", lambda _: next(number) % share == 0)
    result = evaluate_falls(played)
    assert result["overall"]["falls"] > 800 / share
    assert result["overall"]["activities"] > 1200 / share
    assert result["overall"]["sensitivity"]["value"] >= 0.98
    assert result["overall"]["specificity"]["value"] >= 0.99
    assert result["by_group"]["elderly"]["specificity"]["value"] >= 0.98


def test_ordinary_life_at_the_wrist() -> None:
    logs = reference("YINLING_DATA", "data") / "wrist-freeliving.zip"
    result = evaluate_falls(load_wrist_freeliving(logs, lambda name: FULL or "housework" in name))
    assert result["overall"]["activity_hours"] == pytest.approx(11.9 if FULL else 2.0, abs=0.2)
    assert result["overall"]["false_alarms_per_hour"]["value"] <= 0.35
