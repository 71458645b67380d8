"""Figures on made-up nights: they follow the noise, count what is wrong, and can be asked for on the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analytics.apnoea import evaluation as pauses
from analytics.apnoea.watch import ApnoeaWatch
from analytics.waves import evaluation as waves
from simulators.physiology import nights


def test_more_noise_finds_fewer_beats_and_never_more_wrong_ones() -> None:
    made = [night for noise in (0.05, 1.5) for night in nights.bed_nights(2, 1, 3.0, noise)]
    result = waves.evaluate_bed_wave(made)
    calm, loud = result["by_noise"]["0.05"], result["by_noise"]["1.5"]
    assert calm["found"] > 0.9
    assert calm["false"] < 0.02
    assert calm["interval_error_ms"]["median"] < 5
    assert calm["heart_rate"]["mean_error"] < 1
    assert calm["respiratory_rate"]["answered"] > 0.3
    assert loud["found"] < 0.2
    assert "noise 0.05" in waves.summary(result)
    assert waves.evaluate_bed_wave([])["by_noise"] == {}


def test_recorded_intervals_make_the_heart_beat() -> None:
    series = [np.full(1000, 1.0), np.full(2000, 0.75)]
    one, other = nights.bed_nights(1, 2, 3.0, 0.1, series)
    assert np.median(np.diff(one.bed.j_s)) == pytest.approx(1.0, abs=0.02)
    assert np.median(np.diff(other.bed.j_s)) == pytest.approx(0.75, abs=0.02)


@pytest.mark.slow
def test_pauses_are_counted_an_hour_and_nights_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nights, "PAUSES_PER_HOUR", (0.0, 40.0))
    made = nights.pause_nights(1, 0.6, each=1)
    result = pauses.evaluate_apnoea(made, lambda: ApnoeaWatch(least_good_s=900))
    assert result["nights"] == 2
    calm, ill = result["by_night"]
    assert calm["truth"] == 0
    assert ill["truth"] > 20
    assert set(ill["kinds"]) == {"central", "hypopnoea", "obstructive"}
    assert ill["both"]["index"] == pytest.approx(ill["truth"], abs=12)
    assert ill["both"]["told"]
    assert not any(calm[way]["told"] for way in ("wave", "oxygen", "both"))
    assert result["by_way"]["both"]["ill"] == 1
    assert "nights of 15 and more told 1 of 1" in pauses.summary(result)


def test_a_night_must_lie_within_the_night() -> None:
    (one, *_) = nights.pause_nights(1, 0.1, each=1)
    with pytest.raises(ValueError, match="at most 7 h"):
        pauses.evaluate_apnoea([replace(one, hours=9.0)])
    empty = pauses.evaluate_apnoea([])
    assert (empty["nights"], empty["by_way"]["both"]["bias"]) == (0, 0.0)


@pytest.mark.slow
def test_the_commands_write_their_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from gateway.cli import app, evaluate_waves

    assert evaluate_waves  # registers the commands
    monkeypatch.setattr(nights, "NOISES", (0.1,))
    monkeypatch.setattr(nights, "PAUSES_PER_HOUR", (30.0,))
    day = tmp_path / "rr" / "normal"
    day.mkdir(parents=True)
    (day / "nsr001_rr_secs.txt").write_text("225.0\n" + "\n".join(["0.8000"] * 600))
    out = tmp_path / "bed.json"
    run = CliRunner().invoke(
        app,
        [
            "evaluate",
            "bed-wave",
            "--beats",
            str(tmp_path / "rr"),
            "--nights",
            "1",
            "--minutes",
            "2",
            "--json",
            str(out),
        ],
    )
    assert run.exit_code == 0, run.output
    figures = json.loads(out.read_text())
    assert figures["synthetic"] is True
    assert figures["by_noise"]["0.1"]["beats"] > 50
    said = CliRunner().invoke(app, ["evaluate", "apnoea", "--hours", "0.5", "--each", "1"])
    assert said.exit_code == 0, said.output
    assert "1 nights, 0.5 h" in said.output
    missing = CliRunner().invoke(app, ["evaluate", "bed-wave", "--beats", str(tmp_path / "none.zip")])
    assert missing.exit_code != 0
