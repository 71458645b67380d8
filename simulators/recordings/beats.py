"""Series of heart beats: AFDB with its rhythms, and 24 h of people without known atrial fibrillation.

AFDB (MIT-BIH Atrial Fibrillation Database, 250 Hz): `qrsNNNNN.txt` has a line for each beat: previous sample, interval
in s, sample; `atrNNNNN.txt` is the listing of `rdann`: where a rhythm begins, (N, (AFIB, (AFL (flutter) or (J.
24 h (NSR2DB and CHF2DB): `normal/` and `chf/`, one interval in s a line; the first line can be the junk before the
first beat and is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from simulators.recordings.tree import (
    RecordingError,
    matching,
    open_tree,
    parse_numbers,
    parse_table,
    read_text,
    unreadable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from simulators.recordings.tree import Damaged, Tree

BeatGroup = Literal["afdb", "normal", "chf"]
RHYTHMS = ("other", "fibrillation", "flutter", "junctional")
_CODES = {"(N": 0, "(AFIB": 1, "(AFL": 2, "(J": 3}
_BEATS = re.compile(r"(?:^|/)qrs(?P<record>\d{5})\.txt$")
_DAY = re.compile(r"(?:^|/)(?P<group>normal|chf)/(?P<record>[a-z]+\d+)_rr_secs\.txt$")
_RHYTHM = re.compile(r"^\s*\S+\s+(\d+)\s+\S+\s.*(\([A-Z]+)\s*$")


@dataclass(frozen=True, slots=True, eq=False)
class BeatRecording:
    """One person's beats.

    interval_s: float64 (n,), from the beat before to each beat. rhythm: int64 (n,), index into RHYTHMS; of the groups
    without fibrillation all 0.
    """

    name: str
    group: BeatGroup
    interval_s: NDArray[np.float64]
    rhythm: NDArray[np.int64]

    @property
    def hours(self) -> float:
        """Time from the first beat to the last."""
        return float(self.interval_s.sum()) / 3600.0


def load_afdb(path: Path, damaged: Damaged | None = None) -> Iterator[BeatRecording]:
    """Every record below `path` (directory or zip), by name. Raises RecordingError; see `tree` for damaged."""
    tree = open_tree(path)
    for name, match in matching(tree, _BEATS, "AFDB", "qrs04015.txt"):
        try:
            yield _afdb(tree, name, match["record"])
        except RecordingError as error:
            _tell(error, damaged)


def load_rr_24h(path: Path, damaged: Damaged | None = None) -> Iterator[BeatRecording]:
    """Every series below `path` (directory or zip), by name. Raises RecordingError; see `tree` for damaged."""
    tree = open_tree(path)
    for name, match in matching(tree, _DAY, "24 h of beats", "normal/nsr001_rr_secs.txt"):
        try:
            seconds = parse_numbers(tree, name, read_text(tree, name), 1)[1:, 0]
        except RecordingError as error:
            _tell(error, damaged)
            continue
        group: BeatGroup = "chf" if match["group"] == "chf" else "normal"
        yield BeatRecording(f"{group}/{match['record']}", group, seconds, np.zeros(len(seconds), np.int64))


def _tell(error: RecordingError, damaged: Damaged | None) -> None:
    if damaged is None:
        raise error
    damaged(error)


def _afdb(tree: Tree, name: str, record: str) -> BeatRecording:
    table = parse_table(tree, name, 3, {}, skip=0)
    listing = name.replace("qrs", "atr")
    if listing not in tree:
        raise unreadable(tree, listing, "the rhythms of this record are missing")
    found = [match for line in read_text(tree, listing).splitlines() if (match := _RHYTHM.match(line))]
    if not found or any(match[2] not in _CODES for match in found):
        raise unreadable(tree, listing, f"it names no rhythm, or one that is not among {', '.join(_CODES)}")
    begins = np.array([int(match[1]) for match in found])
    codes = np.array([_CODES[match[2]] for match in found] + [0])
    rhythm = codes[np.searchsorted(begins, table[:, 2], side="right") - 1]
    return BeatRecording(f"afdb/{record}", "afdb", table[:, 1], rhythm)
