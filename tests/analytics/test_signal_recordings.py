"""Figures on the published recordings of beats, pulse waves and beds: they must not get worse."""

from __future__ import annotations

import pytest

from analytics.bed_exit.evaluation import evaluate_bed_exit
from analytics.ppg.evaluation import evaluate_heart_rate
from analytics.rhythm.evaluation import evaluate_rhythm, fit_on, learning_rows
from analytics.rhythm.model import SHIPPED
from simulators.recordings.beats import load_afdb, load_rr_24h
from simulators.recordings.bed427 import load_uci_427
from simulators.recordings.spc2015 import load_ieee_spc
from tests.conftest import reference

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]


def test_fibrillation_and_its_false_alarms() -> None:
    folder = reference("YINLING_DATA", "data")
    series = [*load_afdb(folder / "afdb-rr.zip"), *load_rr_24h(folder / "rr-24h.zip")]
    result = evaluate_rhythm(series)
    assert len(series) == 51
    assert result["beats"]["all"]["sensitivity"]["value"] >= 0.954
    assert result["beats"]["all"]["specificity"]["value"] >= 0.986
    assert result["fibrillation_time"]["found"] >= 0.955
    assert result["false_episodes"]["normal"]["per_day"]["value"] <= 0.3
    assert result["false_episodes"]["chf"]["per_day"]["value"] <= 0.1
    again = fit_on([learning_rows(one) for one in series], SHIPPED.version)
    assert again.weights == pytest.approx(SHIPPED.weights, abs=0.002), "the marks have changed: fit anew"
    assert again.constant == pytest.approx(SHIPPED.constant, abs=0.01)


def test_heart_rate_on_the_treadmill() -> None:
    result = evaluate_heart_rate(list(load_ieee_spc(reference("YINLING_DATA", "data") / "ieee-spc2015.zip")))
    assert result["recordings"] == 12
    assert result["mean_error"] <= 2.1
    assert result["worst_recording"] <= 6.0
    assert result["answered"]["value"] >= 0.95
    assert result["naive_mean_error"] > 10.0


def test_leaving_the_bed() -> None:
    trials = list(load_uci_427(reference("YINLING_DATA", "data") / "uci-427-bedexit.zip"))
    result = evaluate_bed_exit(trials)
    assert result["overall"]["exits"] == 83
    assert result["overall"]["f1"]["value"] >= 0.58
    assert result["overall"]["f1"]["value"] > result["plain_threshold"]["f1"]["value"] + 0.15
