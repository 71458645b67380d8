"""`yinling bench falls`, small: every figure is there and makes sense."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app, commands
from gateway.cli.bench_falls import deliveries, python_loop

assert commands  # registers the command line


@pytest.mark.slow
def test_the_figures_are_complete_and_make_sense(tmp_path: Path) -> None:
    written = tmp_path / "bench.json"
    small = ["bench", "falls", "--wearers", "100", "--wearers", "300", "--seconds", "5", "--json", str(written)]
    done = CliRunner().invoke(app, small)
    assert done.exit_code == 0, done.output
    assert "1000 candidates at once" in done.output
    report = json.loads(written.read_text())
    few, many = report["streams"]
    assert (few["wearers"], many["wearers"]) == (100, 300)
    for one in report["streams"]:
        assert set(one["samples_per_s"]) == {"engine", "detector", "arrays", "loop"}
        assert all(rate > 0 for rate in one["samples_per_s"].values())
        assert 20_000 < one["bytes_per_wearer"] < 200_000  # 41 s at 50 Hz: 24.6 kB of ring, and what goes with it
    assert set(report["growth"]) == {"engine", "detector", "arrays"}


def test_the_deliveries_have_an_impact_each_second() -> None:
    for delivery in deliveries(100, 3):
        assert len(delivery) == 100
        assert python_loop(delivery) == 1
