"""The loaders of beats, pulse waves and bed sensors, on small files in the published layouts, whole and damaged."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from simulators.recordings.beats import RHYTHMS, load_afdb, load_rr_24h
from simulators.recordings.bed427 import load_uci_427
from simulators.recordings.matfile import MatError, matrices
from simulators.recordings.spc2015 import load_ieee_spc
from simulators.recordings.tree import RecordingError

LISTING = """Elapsed time  Sample #  Type  Sub Chan  Num	Aux
    0:00.272       68     +    0    0    0	(N
    0:01.000      250     +    0    0    0	(AFIB
    0:02.000      500     +    0    0    0	(AFL
    0:03.000      750     +    0    0    0	(J
"""
BEATS = "0\t0.2\t50\n50\t0.2\t100\n100\t0.8\t300\n300\t0.8\t510\n510\t1.0\t760\n"


def mat(name: str, table: np.ndarray, *, pressed: bool = True, code: int = 9) -> bytes:
    """A MAT file of level 5 with one matrix."""

    def element(kind: int, body: bytes) -> bytes:
        return struct.pack("<II", kind, len(body)) + body + b"\0" * (-len(body) % 8)

    kinds = {9: "<f8", 3: "<i2", 16: "<f8"}
    parts = element(6, struct.pack("<II", 6, 0)) + element(5, struct.pack("<2i", *table.shape))
    parts += (
        struct.pack("<HH", 1, len(name)) + name.encode().ljust(4, b"\0")
        if len(name) <= 4
        else element(1, name.encode())
    )
    parts += element(code, np.asarray(table, kinds[code]).tobytes(order="F"))
    whole = element(14, parts)
    if pressed:
        small = zlib.compress(whole)
        whole = struct.pack("<II", 15, len(small)) + small
    return b"MATLAB 5.0 MAT-file".ljust(124, b" ") + b"\x00\x01IM" + whole


def afdb(folder: Path) -> Path:
    (folder / "qrs04015.txt").write_text(BEATS)
    (folder / "atr04015.txt").write_text(LISTING)
    return folder


def test_afdb_beats_and_their_rhythms(tmp_path: Path) -> None:
    (one,) = load_afdb(afdb(tmp_path))
    assert one.name == "afdb/04015"
    assert one.interval_s.tolist() == [0.2, 0.2, 0.8, 0.8, 1.0]
    assert [RHYTHMS[k] for k in one.rhythm] == ["other", "other", "fibrillation", "flutter", "junctional"]
    assert one.hours == pytest.approx(3.0 / 3600)


@pytest.mark.parametrize("spoiled", ["atr missing", "nothing in it", "unknown rhythm", "no numbers"])
def test_a_damaged_record_is_told_and_left_out(tmp_path: Path, spoiled: str) -> None:
    listing = afdb(tmp_path) / "atr04015.txt"
    if spoiled == "atr missing":
        listing.unlink()
    elif spoiled == "no numbers":
        (tmp_path / "qrs04015.txt").write_text("a b c\n")
    else:
        listing.write_text("" if spoiled == "nothing in it" else LISTING.replace("(AFIB", "(VT"))
    told: list[RecordingError] = []
    assert list(load_afdb(tmp_path, told.append)) == []
    assert len(told) == 1
    with pytest.raises(RecordingError):
        list(load_afdb(tmp_path))


def test_a_day_of_beats_loses_its_first_line(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "rr.zip", "w") as archive:
        archive.writestr("rr-24h/normal/nsr001_rr_secs.txt", "225.8\n0.7\n0.8\n")
        archive.writestr("rr-24h/chf/chf201_rr_secs.txt", "5.8\n0.6\n0.5\n0.4\n")
        archive.writestr("rr-24h/chf/chf202_rr_secs.txt", "5.8\nx\n")
    told: list[RecordingError] = []
    chf, normal = load_rr_24h(tmp_path / "rr.zip", told.append)
    assert (chf.group, chf.interval_s.tolist()) == ("chf", [0.6, 0.5, 0.4])
    assert (normal.name, normal.interval_s.tolist()) == ("normal/nsr001", [0.7, 0.8])
    assert len(told) == 1
    with pytest.raises(RecordingError, match="nothing in it"):
        list(load_afdb(tmp_path / "rr.zip"))
    with pytest.raises(RecordingError, match="chf202"):
        list(load_rr_24h(tmp_path / "rr.zip"))


@pytest.mark.parametrize("pressed", [True, False])
@pytest.mark.parametrize("code", [9, 3])
def test_matrices_of_a_mat_file(pressed: bool, code: int) -> None:
    table = np.arange(12.0).reshape(3, 4)
    for name in ("sig", "signal_one"):
        found = matrices(mat(name, table, pressed=pressed, code=code))
        np.testing.assert_array_equal(found[name], table)


def test_what_is_no_matrix_of_numbers_is_passed_over_or_told() -> None:
    assert matrices(mat("sig", np.zeros((2, 2)), code=16)) == {}
    whole = mat("sig", np.zeros((2, 2)), pressed=False)
    with pytest.raises(MatError, match="begin"):
        matrices(b"\x89HDF" + whole)
    with pytest.raises(MatError, match="reaches"):
        matrices(whole[:-20])
    with pytest.raises(MatError, match="do not fill"):
        matrices(whole.replace(struct.pack("<2i", 2, 2), struct.pack("<2i", 3, 2)))
    pressed = mat("sig", np.zeros((2, 2)))
    with pytest.raises(MatError):
        matrices(pressed[:140] + b"\xff" * (len(pressed) - 140))


def test_a_run_on_the_treadmill(tmp_path: Path) -> None:
    signals = np.arange(6 * 20.0).reshape(6, 20)
    (tmp_path / "DATA_01_TYPE01.mat").write_bytes(mat("sig", signals))
    (tmp_path / "DATA_01_TYPE01_BPMtrace.mat").write_bytes(mat("BPM0", np.array([[70.0], [72.0]])))
    (one,) = load_ieee_spc(tmp_path)
    assert one.name == "DATA_01_TYPE01"
    np.testing.assert_array_equal(one.pulse, signals[1:3])
    np.testing.assert_array_equal(one.accel, signals[3:])
    assert one.truth.tolist() == [70.0, 72.0]


@pytest.mark.parametrize("spoiled", ["no trace", "no sig", "short", "not a number", "no mat"])
def test_a_damaged_run_is_told_and_left_out(tmp_path: Path, spoiled: str) -> None:
    table = np.full((6, 5), np.nan) if spoiled == "not a number" else np.zeros((3 if spoiled == "short" else 6, 5))
    raw = b"PK" if spoiled == "no mat" else mat("other" if spoiled == "no sig" else "sig", table)
    (tmp_path / "DATA_01_TYPE01.mat").write_bytes(raw)
    if spoiled != "no trace":
        (tmp_path / "DATA_01_TYPE01_BPMtrace.mat").write_bytes(mat("BPM0", np.array([[70.0]])))
    told: list[RecordingError] = []
    assert list(load_ieee_spc(tmp_path, told.append)) == []
    assert len(told) == 1
    with pytest.raises(RecordingError):
        list(load_ieee_spc(tmp_path))


def test_a_trial_in_bed(tmp_path: Path) -> None:
    row = "{},0.99,-0.28,-0.02,1,-69,0.8,920.75,{}"
    (tmp_path / "d1p01M").write_text("\n".join([row.format(0, 3), row.format(0.75, 1), row.format(2, 4)]))
    (tmp_path / "d1p02F").write_text("\n".join([row.format(0, 3), row.format(0.75, 5)]))
    (tmp_path / "d1p03F").write_text("\n".join([row.format(2, 3), row.format(0.75, 1)]))
    told: list[RecordingError] = []
    (one,) = load_uci_427(tmp_path, told.append)
    assert (one.name, one.sex, one.doing.tolist(), one.time_s.tolist()) == ("d1p01M", "M", [2, 0, 3], [0, 0.75, 2])
    assert one.rssi_dbm.tolist() == [-69] * 3
    assert len(told) == 2
    with pytest.raises(RecordingError, match="d1p02F"):
        list(load_uci_427(tmp_path))
