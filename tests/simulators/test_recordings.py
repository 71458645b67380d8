"""The loaders of public recordings: directory and zip, units, groups, irregular stamps, and files that are damaged."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from simulators.recordings import (
    LOADERS,
    RecordingError,
    load_sisfall,
    load_weda_fall,
    load_wrist_freeliving,
)
from simulators.recordings.weda import decimated
from tests.conftest import reference

G = 9.80665


def weda(root: Path, activity: str = "F01", subject: str = "U01", *, clock_hz: float = 39.8) -> Path:
    """Five seconds as the watch's recorder writes them: bursts of four, the first stamp late."""
    folder = root / "some" / "where" / "50Hz" / activity
    folder.mkdir(parents=True, exist_ok=True)
    t = np.arange(200) / clock_hz
    stamps = np.floor(t * 10) / 10 + 0.002 * (np.arange(200) % 4)
    stamps[0] = 0.7
    rows = [f"{s:.3f},{0.1 * x:.4f},{0:.1f},{G:.5f}" for s, x in zip(stamps, t, strict=True)]
    (folder / f"{subject}_R01_accel.csv").write_text("\n".join(["time,x,y,z", *rows]))
    (folder / f"{subject}_R01_gyro.csv").write_text("\n".join(["time,x,y,z", *[f"{s:.3f},1,0,-1" for s in stamps]]))
    (root / "some" / "fall_timestamps.csv").write_text("﻿filename,start_time,end_time\nF01/U01_R01,2.0,4.0\n")
    return root


def sisfall(root: Path, subject: str = "SA01", activity: str = "F05") -> Path:
    folder = root / "SisFall_dataset" / subject
    folder.mkdir(parents=True, exist_ok=True)
    row = "  256,-512,   0,  16, 0,-16,  76,-697,-279;\r\n"
    (folder / f"{activity}_{subject}_R02.txt").write_text(row * 400)
    (folder / "Readme.txt").write_text("not a recording")
    return root


def zipped(root: Path, into: Path) -> Path:
    with zipfile.ZipFile(into, "w") as archive:
        for path in sorted(root.rglob("*")):
            archive.write(path, path.relative_to(root))
            if path.is_file():
                archive.writestr(f"__MACOSX/{path.relative_to(root).parent}/._{path.name}", b"\0")
    return into


def test_weda_from_directory_and_zip(tmp_path: Path) -> None:
    root = weda(tmp_path / "tree")
    (one,) = load_weda_fall(root)
    assert (one.activity, one.subject, one.trial, one.is_fall, one.group) == ("F01", "U01", "R01", True, "young")
    assert (one.site, one.rate_hz, one.full_scale_g) == ("wrist", 50.0, 4.0)
    assert one.name == "weda-fall/F01/U01/R01"
    assert one.accel_g.dtype == np.float32
    assert one.accel_g[:, 2] == pytest.approx(1.0, abs=1e-5)
    assert one.duration_s == pytest.approx(5, abs=0.1)
    slope = np.diff(one.accel_g[:, 0]) * 50 * G / 0.1
    assert slope == pytest.approx(1.0, abs=0.05)  # regular in spite of the bursts
    assert one.fall_start_s == pytest.approx(2.0, abs=0.2)
    assert one.fall_end_s == pytest.approx(one.fall_start_s + 2.0)  # type: ignore[operator]
    assert one.gyro_dps is not None
    assert one.gyro_dps[0] == pytest.approx([57.29578, 0, -57.29578])
    (same,) = load_weda_fall(zipped(root, tmp_path / "weda.zip"))
    assert np.array_equal(same.accel_g, one.accel_g)


def test_weda_without_marks_or_gyro(tmp_path: Path) -> None:
    root = weda(tmp_path, "D03", "U21", clock_hz=50.0)
    next(root.rglob("*_gyro.csv")).unlink()
    next(root.rglob("fall_timestamps.csv")).unlink()
    (one,) = load_weda_fall(root)
    assert (one.is_fall, one.group, one.gyro_dps, one.fall_start_s) == (False, "elderly", None, None)


def test_decimated_goes_through_the_slower_clock(tmp_path: Path) -> None:
    (one,) = load_weda_fall(weda(tmp_path))
    slow = decimated(one)
    assert slow.accel_g.shape == one.accel_g.shape
    assert np.abs(slow.accel_g - one.accel_g)[:-5].max() < 1e-3
    shaken = np.zeros_like(one.accel_g)
    shaken[::2] = 1
    object.__setattr__(one, "accel_g", shaken)
    assert decimated(one).accel_g.std() < 0.9 * shaken.std()


def test_sisfall_units_and_groups(tmp_path: Path) -> None:
    sisfall(tmp_path / "tree")
    sisfall(tmp_path / "tree", "SE06", "D17")
    elderly, young = sorted(load_sisfall(zipped(tmp_path / "tree", tmp_path / "s.zip")), key=lambda r: r.is_fall)
    assert (young.group, young.is_fall, elderly.group, elderly.is_fall) == ("young", True, "elderly", False)
    assert young.accel_g.shape == (400, 3)
    assert young.accel_g[0] == pytest.approx([1.0, -2.0, 0.0])
    assert young.gyro_dps is not None
    assert young.gyro_dps[0] == pytest.approx([16 * 4000 / 65536, 0, -16 * 4000 / 65536])
    assert (young.rate_hz, young.full_scale_g, young.site) == (200.0, 16.0, "waist")


def test_wrist_logs(tmp_path: Path) -> None:
    rows = [f"{80 * i + i % 3},8192,-4096,0" for i in range(100)]
    (tmp_path / "HughB-walk-99.csv").write_text("Time (ms),X,Y,Z\n" + "\n".join(rows))
    (one,) = load_wrist_freeliving(tmp_path)
    assert one.accel_g == pytest.approx(np.tile([1.0, -0.5, 0.0], (len(one.accel_g), 1)))
    assert (one.activity, one.subject, one.trial, one.rate_hz) == ("walk", "HughB", "HughB-walk-99", 12.5)
    assert one.duration_s == pytest.approx(8, abs=0.2)


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda text: text.replace(b"256", b"2x6", 1), "could not convert"),
        (lambda text: text[:-12], "rows of 9"),
        (lambda text: text[:0], "rows of 9"),
        (lambda text: b"\xff\xfe" + text, "codec"),
        (lambda text: text.replace(b"256", b"nan", 1), "rows of 9"),
    ],
)
def test_a_damaged_file_is_named_with_what_to_do(tmp_path: Path, spoil: object, problem: str) -> None:
    path = next(sisfall(tmp_path).rglob("F05*"))
    path.write_bytes(spoil(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(RecordingError, match=r"F05_SA01_R02\.txt") as caught:
        list(load_sisfall(tmp_path))
    assert problem in caught.value.problem
    assert "again" in caught.value.advice


def test_a_damaged_table_of_marks_is_named(tmp_path: Path) -> None:
    weda(tmp_path)
    (tmp_path / "some" / "fall_timestamps.csv").write_text("filename,start_time,end_time\nF01/U01_R01,soon\n")
    with pytest.raises(RecordingError, match=r"fall_timestamps\.csv"):
        list(load_weda_fall(tmp_path))


@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
def test_a_place_without_recordings_says_so(tmp_path: Path, load: object) -> None:
    with pytest.raises(RecordingError, match="nothing in it looks like"):
        list(load(tmp_path))  # type: ignore[operator]
    with pytest.raises(RecordingError, match="no such file"):
        list(load(tmp_path / "gone"))  # type: ignore[operator]
    (tmp_path / "note.txt").write_text("hello")
    with pytest.raises(RecordingError, match="neither a directory nor a zip"):
        list(load(tmp_path / "note.txt"))  # type: ignore[operator]


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    path = zipped(sisfall(tmp_path / "tree"), tmp_path / "s.zip")
    raw = bytearray(path.read_bytes())
    raw[200:260] = bytes(60)
    path.write_bytes(raw)
    with pytest.raises(RecordingError, match=r"s\.zip:.*Download the archive again"):
        list(load_sisfall(path))


def test_the_published_sets_are_read_from_their_archives() -> None:
    data = reference("YINLING_DATA", "data")
    trials = list(load_weda_fall(data / "weda-fall.zip"))
    assert len(trials) == 663
    assert sum(trial.is_fall for trial in trials) == 250
    assert {trial.subject for trial in trials if trial.group == "elderly"} == {"U21", "U23", "U25", "U27", "U29", "U31"}
    resting = [np.median(np.linalg.norm(trial.accel_g, axis=1)) for trial in trials]
    assert np.median(resting) == pytest.approx(1.0, abs=0.05)
    first = next(iter(load_sisfall(data / "sisfall.zip")))
    assert np.median(np.linalg.norm(first.accel_g, axis=1)) == pytest.approx(1.0, abs=0.1)
