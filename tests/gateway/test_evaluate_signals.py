"""`yinling evaluate rhythm | heart-rate | bed-exit` on small made-up sets: reports, damaged files, errors."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
from typer.testing import CliRunner, Result

from gateway.cli import CANNOT, app, evaluate_signals

assert evaluate_signals  # registers the commands


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


def beat_set(folder: Path) -> Path:
    """Two records: regular, then every interval for itself."""
    folder.mkdir()
    for number in (1, 2):
        chance = np.random.default_rng(number)
        regular = 0.85 * np.exp(chance.normal(0, 0.01, 600))
        seconds = np.concatenate([regular, 0.7 * np.exp(chance.normal(0, 0.25, 600))])
        samples = np.cumsum(seconds * 250).astype(int)
        lines = [f"{a}\t{s:.3f}\t{b}" for a, s, b in zip([0, *samples], seconds, samples, strict=False)]
        (folder / f"qrs0000{number}.txt").write_text("\n".join(lines))
        listing = f" 0:00 0 + 0 0 0 (N\n 8:00 {samples[600]} + 0 0 0 (AFIB\n"
        (folder / f"atr0000{number}.txt").write_text(listing)
    return folder


def day_set(folder: Path) -> Path:
    (folder / "normal").mkdir(parents=True)
    seconds = 0.9 * np.exp(np.random.default_rng(3).normal(0, 0.01, 2000))
    (folder / "normal" / "nsr001_rr_secs.txt").write_text("225.0\n" + "\n".join(f"{s:.4f}" for s in seconds))
    return folder


def mat(name: str, table: np.ndarray) -> bytes:
    """An uncompressed MAT file with one matrix."""

    def element(kind: int, body: bytes) -> bytes:
        return struct.pack("<II", kind, len(body)) + body + b"\0" * (-len(body) % 8)

    parts = element(6, struct.pack("<II", 6, 0)) + element(5, struct.pack("<2i", *table.shape))
    parts += element(1, name.encode()) + element(9, table.astype("<f8").tobytes(order="F"))
    return b"MATLAB 5.0 MAT-file".ljust(124, b" ") + b"\x00\x01IM" + element(14, parts)


def pulse_set(folder: Path) -> Path:
    folder.mkdir()
    times = np.arange(125 * 60) / 125
    heart = np.sin(2 * np.pi * 1.4 * times)
    quiet = np.zeros_like(times)
    table = np.stack([heart, heart, heart, quiet, quiet, quiet])
    (folder / "DATA_01_TYPE01.mat").write_bytes(mat("sig", table))
    (folder / "DATA_01_TYPE01_BPMtrace.mat").write_bytes(mat("BPM0", np.full((27, 1), 84.0)))
    return folder


def bed_set(folder: Path) -> Path:
    """Twelve trials: lying, sitting on the bed, walking off, on a chair."""
    (folder / "S1_Dataset").mkdir(parents=True)
    for number in range(1, 13):
        chance = np.random.default_rng(number)
        lines = []
        for i, s in enumerate(np.arange(0, 120, 0.5)):
            label = (3, 1, 4, 2)[min(i // 60, 3)]
            front = 1.0 if label == 3 else 0.3
            antenna = {3: 4, 1: 1, 4: 3, 2: 2}[label]
            noise = chance.normal(0, 0.05)
            lines.append(f"{s},{front + noise:.4f},{1 - front:.4f},0.02,{antenna},-58,1.2,922.75,{label}")
        sex = "FM"[number % 2]
        (folder / "S1_Dataset" / f"d1p{number:02d}{sex}").write_text("\n".join(lines))
    return folder


def test_rhythm_by_beat_by_time_and_a_day(tmp_path: Path) -> None:
    written = tmp_path / "report.json"
    beats, days = beat_set(tmp_path / "afdb"), day_set(tmp_path / "rr")
    (beats / "qrs00009.txt").write_text("no numbers")
    done = run("rhythm", beats, "--also", f"rr-24h={days}", "--json", written)
    assert done.exit_code == 0, done.output
    assert "sensitivity" in done.output
    assert "could not be read: 1" in done.output
    report = json.loads(written.read_text())
    assert report["series"] == 3
    assert report["beats"]["all"]["sensitivity"]["value"] > 0.9
    assert report["false_episodes"]["normal"]["episodes"] == 0
    assert len(report["damaged"]) == 1


def test_rhythm_judged_by_lines_that_never_saw_the_series(tmp_path: Path) -> None:
    done = run("rhythm", beat_set(tmp_path / "afdb"), "--protocol", "left-out", "--json", "-")
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["protocol"] == "leave one record out, causal"


def test_heart_rate(tmp_path: Path) -> None:
    done = run("heart-rate", pulse_set(tmp_path / "spc"), "--json", "-")
    assert done.exit_code == 0, done.output
    report = json.loads(done.output)
    assert report["windows"] == 27
    assert report["mean_error"] < 1.5


def test_bed_exit(tmp_path: Path) -> None:
    done = run("bed-exit", bed_set(tmp_path / "uci"), "--json", "-")
    assert done.exit_code == 0, done.output
    report = json.loads(done.output)
    assert report["overall"]["exits"] == 12
    assert report["overall"]["f1"]["value"] > 0.9
    assert report["other_sex"]["f1"]["value"] > 0.9
    assert abs(report["overall"]["delay_median_s"]) <= 5


def test_what_cannot_be_evaluated_says_why(tmp_path: Path) -> None:
    beats = beat_set(tmp_path / "afdb")
    for arguments, words in (
        (("rhythm", beats, "--dataset", "mitdb"), "unknown dataset 'mitdb'"),
        (("rhythm", beats, "--also", "rr-24h"), "is not NAME=PATH"),
        (("rhythm", beats, "--also", f"mitdb={beats}"), "unknown dataset"),
        (("rhythm", tmp_path / "none"), "no such file"),
        (("rhythm", beats, "--dataset", "rr-24h"), "nothing in it"),
        (("heart-rate", beats, "--dataset", "afdb"), "unknown dataset"),
        (("heart-rate", beats), "nothing in it"),
        (("bed-exit", beats), "nothing in it"),
        (("bed-exit", beats, "--dataset", "afdb"), "unknown dataset"),
    ):
        done = run(*arguments)
        assert done.exit_code == CANNOT, done.output
        assert words in " ".join(done.stderr.split())
