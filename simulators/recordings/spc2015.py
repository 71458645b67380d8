"""IEEE Signal Processing Cup 2015: pulse wave and acceleration at the wrist on a treadmill (Zhang, Pi, Liu 2015).

Layout: `DATA_01_TYPE01.mat` with `sig` (6, n) at 125 Hz: ECG, two pulse waves, acceleration x, y, z;
`..._BPMtrace.mat` with `BPM0`: heart rate from the ECG, of windows of 8 s every 2 s.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulators.recordings.matfile import MatError, matrices
from simulators.recordings.tree import RecordingError, matching, open_tree, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from simulators.recordings.tree import Damaged, Tree

RATE_HZ = 125.0
_NAME = re.compile(r"(?:^|/)(?P<record>DATA_\d\d_TYPE\d\d)\.mat$")


@dataclass(frozen=True, slots=True, eq=False)
class PulseRecording:
    """One run. pulse (2, n), accel (3, n), as recorded; truth (w,): heart rate per minute of each window."""

    name: str
    rate_hz: float
    pulse: NDArray[np.float64]
    accel: NDArray[np.float64]
    truth: NDArray[np.float64]


def load_ieee_spc(path: Path, damaged: Damaged | None = None) -> Iterator[PulseRecording]:
    """Every recording below `path` (directory or zip), by name. Raises RecordingError; see `tree` for damaged."""
    tree = open_tree(path)
    for name, match in matching(tree, _NAME, "IEEE SPC 2015", "DATA_01_TYPE01.mat"):
        try:
            yield _read(tree, name, match["record"])
        except RecordingError as error:
            if damaged is None:
                raise
            damaged(error)


def _read(tree: Tree, name: str, record: str) -> PulseRecording:
    trace = name.replace(".mat", "_BPMtrace.mat")
    if trace not in tree:
        raise unreadable(tree, trace, "the heart rate of this recording is missing")
    signals, truth = _one(tree, name, "sig"), _one(tree, trace, "BPM0")
    if signals.shape[0] < 5 or not np.isfinite(signals).all():
        raise unreadable(tree, name, f"sig has the shape {signals.shape}, or holds what is no number")
    return PulseRecording(record, RATE_HZ, signals[-5:-3], signals[-3:], truth.ravel())


def _one(tree: Tree, name: str, wanted: str) -> NDArray[np.float64]:
    try:
        found = matrices(tree.read(name))
    except MatError as error:
        raise unreadable(tree, name, str(error)) from error
    if wanted not in found:
        raise unreadable(tree, name, f"it has no matrix {wanted!r}")
    return found[wanted]
