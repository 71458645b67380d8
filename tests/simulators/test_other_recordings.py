"""Loaders of sets that are not at hand: small files written by the published layouts, and damaged ones."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path

import numpy as np
import pytest

from simulators.recordings import LOADERS, Loader, Recording, RecordingError
from simulators.recordings import tree as trees
from simulators.recordings.clock import LONGEST_S, ClockError, evenly, straight
from simulators.recordings.types import group_of

G = 9.80665
UMA_HEAD = """%Universidad de Malaga - ETSI de Telecomunicacion (Spain)
%Date: 2016-06-13_20:51:32
%ID: Subject_02
%Age: {age}
%Type of Movement: FALL
%
%f8:95:c7:f3:ba:82; 0; RIGHTPOCKET; lge-LG-H815-5.1
%C4:BE:84:70:0E:80; 3; WRIST; SensorTag
%C4:BE:84:71:A5:02; 2; WAIST; SensorTag
%C4:BE:84:70:64:8A; 1; ELBOW; SensorTag
% Sensor_Type:
% Accelerometer = 0

% TimeStamp; Sample No; X-Axis; Y-Axis; Z-Axis; Sensor Type; Sensor ID;
"""
UMA_NAME = "UMAFall_Subject_02_Fall_backwardFall_1_2016-06-13_20-51-32.csv"


def umafall(root: Path, name: str = UMA_NAME, age: str = "67") -> Path:
    """Wrist (4 s, in bursts of four), pocket (2 s), a waist that was off, and rows spoilt by a table program."""
    rows = []
    for i in range(80):
        stamp = 1000 + 200 * (i // 4) + 3 * (i % 4)
        rows += [f"{stamp};{i};0.5;-0.25;{0.01 * i:.2f};0;3;", f"{stamp};{i};10.0;0;-10;1;3;"]
    rows += [f"{1000 + 5 * i};{i};0;1.0;0;0;0;" for i in range(400)]
    rows += ["1200;7;1.012.598.156;0;0;0;3;", "1300;7;0;0;1;0;2;", "1300;7;0;0;1;2;3;"]
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(UMA_HEAD.format(age=age) + "\n".join(rows) + "\n")
    return root


def mobiact(root: Path, activity: str = "FOL", *, gyro: bool = True) -> Path:
    """Two seconds at an uneven 90 Hz."""
    folder = root / "sub1" / "FALLS" / activity
    folder.mkdir(parents=True, exist_ok=True)
    head = "#Acceleration force along the x y z axes (including gravity).\n#Age: 32\n#Gender: Male\n\n\n@DATA\n"
    stamps = [2318482693000 + round(1e9 * (i + 0.2 * (i % 2)) / 90) for i in range(180)]
    rows = "\n".join(f"{t}, {G * (t - stamps[0]) / 1e9:.6f}, -9.80665, 0.0" for t in stamps)
    (folder / f"{activity}_acc_1_2.txt").write_text(head + rows + "\n")
    if gyro:
        (folder / f"{activity}_gyro_1_2.txt").write_text(head + "\n".join(f"{t}, 1.0, 0.0, 0.0" for t in stamps))
    return root


def smartfallmm(root: Path) -> Path:
    """A watch in bursts at 32 Hz, and a meta sensor at 25 Hz."""
    watch = root / "SmartFallMM" / "young" / "accelerometer" / "watch"
    meta = root / "SmartFallMM" / "old" / "accelerometer" / "meta_wrist"
    for folder in (watch, meta):
        folder.mkdir(parents=True)
    stamps = [f"2022-08-05 10:06:{0.125 * (i // 4) + 0.001 * (i % 4):06.3f}" for i in range(160)]
    rows = [f"{stamp},{G},0.0,{-G / 2}" for stamp in stamps]
    (watch / "S29A10T01.csv").write_text("\n".join(rows))
    rows = [f"{1659711950589 + 40 * i},2022-08-05T10:05:{i:02d}.589,{0.04 * i:.2f},0.0,{0.1},1.0" for i in range(50)]
    (meta / "S03A07T02.csv").write_text("\n".join(rows))
    return root


MAKERS = {"umafall": umafall, "mobiact": mobiact, "smartfallmm": smartfallmm}


def zipped(root: Path, into: Path) -> Path:
    with zipfile.ZipFile(into, "w") as archive:
        for path in sorted(root.rglob("*")):
            archive.write(path, path.relative_to(root))
    return into


def test_umafall_gives_one_trial_for_each_site(tmp_path: Path) -> None:
    by_site = {one.site: one for one in LOADERS["umafall"](umafall(tmp_path))}
    assert set(by_site) == {"wrist", "pocket"}  # the waist has too few rows, the elbow is no site we know
    wrist = by_site["wrist"]
    assert wrist.name == "umafall/backwardFall/02/1-2016-06-13_20-51-32-wrist"
    assert (wrist.is_fall, wrist.group, wrist.full_scale_g, wrist.rate_hz) == (True, "elderly", None, 20.0)
    assert wrist.duration_s == pytest.approx(3.8, abs=0.1)
    assert wrist.accel_g[:, :2] == pytest.approx(np.tile([0.5, -0.25], (len(wrist.accel_g), 1)))
    assert np.diff(wrist.accel_g[:, 2]) == pytest.approx(0.01 * 79 / 3.809 / 20, abs=1e-3)  # bursts are straightened
    assert wrist.gyro_dps is not None
    assert wrist.gyro_dps[0] == pytest.approx([10, 0, -10])
    assert by_site["pocket"].rate_hz == 200.0
    assert by_site["pocket"].gyro_dps is None


def test_umafall_says_what_it_knows_of_people_and_reads_what_is_wanted(tmp_path: Path) -> None:
    umafall(tmp_path, UMA_NAME.replace("Fall_backwardFall", "ADL_LyingDown_OnABed"), age="?")
    (one,) = LOADERS["umafall"](tmp_path, lambda name: name.endswith("-wrist"))
    assert (one.activity, one.is_fall, one.group) == ("LyingDown_OnABed", False, "unknown")
    assert list(LOADERS["umafall"](tmp_path, lambda _: False)) == []


def test_mobiact(tmp_path: Path) -> None:
    mobiact(tmp_path)
    mobiact(tmp_path, "LYI")
    (one,) = LOADERS["mobiact"](tmp_path)
    assert (one.name, one.is_fall, one.group, one.site) == ("mobiact/FOL/1/2", True, "young", "pocket")
    assert (one.rate_hz, one.full_scale_g) == (100.0, 2.0)
    assert one.accel_g[:, 1] == pytest.approx(-1.0)
    assert np.diff(one.accel_g[:, 0]) * 100 == pytest.approx(1.0, abs=1e-3)  # uneven stamps are believed
    assert one.gyro_dps is not None
    assert one.gyro_dps[5] == pytest.approx([57.29578, 0, 0])


def test_mobiact_without_gyroscope(tmp_path: Path) -> None:
    (one,) = LOADERS["mobiact"](mobiact(tmp_path, "WAL", gyro=False))
    assert (one.is_fall, one.gyro_dps) == (False, None)


def test_smartfallmm_takes_the_pace_from_the_stamps(tmp_path: Path) -> None:
    old, young = LOADERS["smartfallmm"](smartfallmm(tmp_path))
    assert (young.name, young.is_fall, young.group) == ("smartfallmm/A10/29/01-watch", True, "young")
    assert (young.site, young.rate_hz) == ("wrist", 32.0)
    assert young.duration_s == pytest.approx(5, abs=0.15)
    assert young.accel_g == pytest.approx(np.tile([1.0, 0.0, -0.5], (len(young.accel_g), 1)))
    assert (old.name, old.is_fall, old.group, old.rate_hz) == ("smartfallmm/A07/03/02-meta_wrist", False, "elderly", 25)
    assert old.accel_g == pytest.approx(np.tile([0.0, 0.1, 1.0], (len(old.accel_g), 1)))


@pytest.mark.parametrize("dataset", MAKERS)
def test_a_zip_gives_the_same_as_the_directory(tmp_path: Path, dataset: str) -> None:
    root = MAKERS[dataset](tmp_path / "tree")
    plain, packed = list(LOADERS[dataset](root)), list(LOADERS[dataset](zipped(root, tmp_path / "set.zip")))
    assert [one.name for one in plain] == [one.name for one in packed]
    for a, b in zip(plain, packed, strict=True):
        assert np.array_equal(a.accel_g, b.accel_g)


DAMAGE = {
    "umafall": [
        (lambda text: text.replace("WRIST", "NECK").replace("RIGHTPOCKET", "HEAD").replace("WAIST", "X"), "no sensor"),
        (lambda text: text.replace(";0;3;", ";3;").replace(";0;0;", ";").replace(";1;3;", ";"), "no rows"),
        (lambda text: text.replace("1000;0;", "1e18;0;"), "span"),
        (lambda text: text + "\udc80", "codec"),
    ],
    "mobiact": [
        (lambda text: text.replace("@DATA", ""), "no line @DATA"),
        (lambda text: text.replace("2318482693000", "2.3.4"), "could not convert"),
        (lambda text: text[: text.index("@DATA") + 6], "rows of 4"),
        (lambda text: text.replace("2318482693000", "-9e30"), "span"),
    ],
    "smartfallmm": [
        (lambda text: text.replace("2022-08-05 10:06:00.000", "2022-08-05 99:06:00.000"), "hour"),
        (lambda text: text.replace("2022-08-05 10:06:00.000,", ""), "stamps for"),
        (lambda text: text.replace("2022-08-05 10:06:00.000", "1022-08-05 10:06:00.000"), "span"),
        (lambda text: text.replace(",0.0,", ",x,"), "could not convert"),
    ],
}
CASES = [(dataset, spoil, problem) for dataset, cases in DAMAGE.items() for spoil, problem in cases]


def recording_file(root: Path) -> Path:
    return min(
        path for path in root.rglob("*") if path.is_file() and "gyro" not in path.name and "meta" not in str(path)
    )


@pytest.mark.parametrize(("dataset", "spoil", "problem"), CASES)
def test_a_damaged_file_is_named_and_does_not_end_the_loading(
    tmp_path: Path, dataset: str, spoil: object, problem: str
) -> None:
    path = recording_file(MAKERS[dataset](tmp_path))
    text = spoil(path.read_text())  # type: ignore[operator]
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(RecordingError, match=problem) as caught:
        list(LOADERS[dataset](tmp_path))
    assert path.name in caught.value.path
    told: list[RecordingError] = []
    rest: list[Recording] = list(LOADERS[dataset](tmp_path, damaged=told.append))
    assert [error.path for error in told] == [caught.value.path]
    assert len(rest) == (1 if dataset == "smartfallmm" else 0)


@pytest.mark.parametrize("load", [LOADERS["weda-fall"], LOADERS["sisfall"], LOADERS["wrist-freeliving"]])
def test_the_older_loaders_go_on_too(tmp_path: Path, load: Loader) -> None:
    folder = tmp_path / "50Hz" / "F01"
    folder.mkdir(parents=True)
    (folder / "U01_R01_accel.csv").write_text("time,x,y,z\n0,1,2,3\n1e12,1,2,3\n2e12,0,0,1\n")
    (tmp_path / "F01_SA01_R01.txt").write_text("1,2;\n")
    told: list[RecordingError] = []
    assert list(load(tmp_path, damaged=told.append)) == []
    assert told


def test_a_file_too_large_or_unreadable_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = mobiact(tmp_path / "tree")
    packed = zipped(root, tmp_path / "set.zip")
    monkeypatch.setattr(trees, "LARGEST_FILE", 100)
    for path in (root, packed):
        with pytest.raises(RecordingError, match="too many"):
            list(LOADERS["mobiact"](path))


def test_a_broken_archive_is_named(tmp_path: Path) -> None:
    packed = zipped(mobiact(tmp_path / "tree"), tmp_path / "set.zip")
    raw = packed.read_bytes()
    at = raw.rindex(b"PK\x01\x02")
    packed.write_bytes(raw[:at] + b"PK\x00\x00" + raw[at + 4 :])
    with pytest.raises(RecordingError, match=r"set\.zip.*Download the archive again"):
        list(LOADERS["mobiact"](packed))


def test_clocks() -> None:
    ramp = np.arange(5.0)[:, None]
    assert evenly(np.array([0, 1, 0.5, 3, 4]), ramp, 1.0)[:, 0] == pytest.approx([0, 2, 2.5, 3])
    assert straight(np.array([0.0, 0, 0, 4, 4]), ramp, 1.0)[:, 0] == pytest.approx([0, 1, 2, 3])
    for bad in (LONGEST_S + 1, 0.0, math.nan):
        with pytest.raises(ClockError):
            evenly(np.array([0.0, bad]), ramp[:2], 50.0)


def test_age_groups() -> None:
    assert [group_of(age) for age in (None, 30, 60)] == ["unknown", "young", "elderly"]
