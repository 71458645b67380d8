"""UCI 427: getting up and lying down of healthy people aged 66 to 86 with a batteryless tag on the chest (CC BY 4.0).

Layout: `S1_Dataset/d1p01M`, nine columns: s; acceleration front, up, side in g; antenna; RSSI in dBm; phase; frequency;
1 sitting on bed, 2 sitting on chair, 3 lying, 4 walking. The last letter is the sex (Shinmoto Torres 2016). S1 is
a room with four antennas, S2 one with three.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulators.recordings.tree import RecordingError, matching, open_tree, parse_table, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from simulators.recordings.tree import Damaged, Tree

_NAME = re.compile(r"(?:^|/)(?P<trial>d[12]p\d\d(?P<sex>[MF]))$")


@dataclass(frozen=True, slots=True, eq=False)
class BedRecording:
    """One trial: time_s (n,), accel_g (n, 3), antenna (n,), rssi_dbm (n,), doing (n,): label less one."""

    name: str
    sex: str
    time_s: NDArray[np.float64]
    accel_g: NDArray[np.float64]
    antenna: NDArray[np.int64]
    rssi_dbm: NDArray[np.float64]
    doing: NDArray[np.int64]


def load_uci_427(path: Path, damaged: Damaged | None = None) -> Iterator[BedRecording]:
    """Every trial below `path` (directory or zip), by name. Raises RecordingError; see `tree` for damaged."""
    tree = open_tree(path)
    for name, match in matching(tree, _NAME, "UCI 427", "S1_Dataset/d1p01M"):
        try:
            yield _read(tree, name, match["trial"], match["sex"])
        except RecordingError as error:
            if damaged is None:
                raise
            damaged(error)


def _read(tree: Tree, name: str, trial: str, sex: str) -> BedRecording:
    table = parse_table(tree, name, 9, {ord(","): " "}, skip=0)
    doing = table[:, 8].astype(np.int64) - 1
    if ((doing < 0) | (doing > 3)).any() or (np.diff(table[:, 0]) < 0).any():
        raise unreadable(tree, name, "a label is not 1 to 4, or the time runs backwards")
    return BedRecording(trial, sex, table[:, 0], table[:, 1:4], table[:, 4].astype(np.int64), table[:, 5], doing)
