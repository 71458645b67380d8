"""`yinling train falls` on a small made-up set in the layout of SisFall."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from analytics.falls import fitting
from analytics.falls.model import Model
from gateway.cli import app, commands

assert commands  # registers the command line
RATE = 200


def trial(folder: Path, subject: str, activity: str, number: int) -> None:
    """Twelve seconds: a fall, or hopping, in whole numbers of +-16 g and 13 bit."""
    t = np.arange(12 * RATE) / RATE
    noise = np.random.default_rng(number).normal(0, 0.02, (len(t), 3))
    size, lying = np.ones_like(t), np.zeros_like(t)
    if activity.startswith("F"):
        lying = np.clip((t - 5) / 0.6, 0, 1) * np.pi / 2
        size[(t >= 5) & (t < 5.5)] = 0.25
        size += 4.0 * np.exp(-(((t - 5.5) / 0.04) ** 2))
    else:
        size += 1.2 * np.abs(np.sin(2 * np.pi * t)) ** 8
    counts = np.round((np.column_stack([np.sin(lying), 0 * t, np.cos(lying)]) * size[:, None] + noise) * 256)
    lines = [f"{x}, {y}, {z}, 0, 0, 0, 0, 0, 0;" for x, y, z in counts.astype(int).tolist()]
    (folder / subject).mkdir(parents=True, exist_ok=True)
    (folder / subject / f"{activity}_{subject}_R{number:02d}.txt").write_text("\n".join(lines))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "set"
    for subject in ("SA01", "SA02", "SE06"):
        for number in range(1, 5):
            trial(root, subject, "F05", number)
            trial(root, subject, "D03", number)
    return root


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["train", "falls", *map(str, arguments)])


@pytest.mark.usefixtures("few_trees")
def test_the_same_recordings_and_seed_give_the_same_file_to_the_bit(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    files = [tmp_path / f"{number}.npz" for number in range(2)]
    for file in files:
        fitting._fitted.clear()
        done = run(f"sisfall={folder}", "--out", file)
        assert done.exit_code == 0, done.output
        assert "falls-2, 12 falls and 12 activities" in done.output
        assert "waist normal: from" in done.output
    assert files[0].read_bytes() == files[1].read_bytes()
    report = tmp_path / "report.json"
    rates = {key: {"value": 0.5} for key in ("sensitivity", "specificity", "f1", "false_alarms_per_hour")}
    report.write_text(json.dumps({"by_dataset": {"sisfall": {"falls": 12, "activities": 12, **rates}}}))
    carded = CliRunner().invoke(app, ["train", "card", str(files[0]), "--report", str(report)])
    assert json.loads(carded.output) == json.loads(Model.load(files[0]).card)
    assert json.loads(carded.output)["figures"]["leave one subject out"]["sisfall"]["falls"] == 12
    report.write_text("{}")
    refused = CliRunner().invoke(app, ["train", "card", str(files[0]), "--report", str(report)])
    assert refused.exit_code == 2
    assert "by_dataset" in refused.output
    other = tmp_path / "other.npz"
    assert run(f"sisfall={folder}", "--out", other, "--seed", 1).exit_code == 0
    assert other.read_bytes() != files[0].read_bytes()
    assert set(Model.load(other).forests) == {"waist", "waist.narrow"}


@pytest.mark.usefixtures("few_trees")
def test_a_person_can_be_left_out_and_damaged_files_are_named(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    (folder / "SA01" / "D04_SA01_R01.txt").write_text("no numbers")
    out = tmp_path / "model.npz"
    done = run(f"sisfall={folder}", "--out", out, "--without", "sisfall/SE06")
    assert done.exit_code == 0, done.output
    assert "D04_SA01_R01.txt" in "".join(done.output.split())
    assert json.loads(Model.load(out).card)["subjects"] == ["sisfall/SA01", "sisfall/SA02"]


@pytest.mark.parametrize("wrong", ["nothing", "atlantis=x.zip", "sisfall=there-is-no-such-folder"])
def test_what_cannot_be_read_is_answered_with_what_to_do(wrong: str, tmp_path: Path) -> None:
    done = run(wrong, "--out", tmp_path / "model.npz")
    assert done.exit_code == 2
    assert "yinling:" in done.output
    assert not (tmp_path / "model.npz").exists()
