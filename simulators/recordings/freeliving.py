"""Wrist accelerometer logs of ordinary life, without falls: for a figure of false alarms per hour.

Layout: `*.csv` with the columns milliseconds, x, y, z; 8192 counts per g, about 12.4 Hz, +-4 g (the step-count
collection of G. Williams, recorded with Bangle.js watches). The stamps jitter between 75 and 85 ms and skip a sample
now and then, so the samples are set on a regular clock of the log's own mean rate by linear interpolation.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from simulators.recordings.clock import ClockError, evenly
from simulators.recordings.tree import matching, open_tree, parse_table, read_each, unreadable
from simulators.recordings.types import Recording, every

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from simulators.recordings.tree import Damaged, Tree
    from simulators.recordings.types import Wanted

RATE_HZ = 12.5
COUNTS_PER_G = 8192.0
RANGE_G = 4.0
_NAME = re.compile(r"(?:^|/)(?P<log>(?!\.)[^/]+)\.csv$")


def load_wrist_freeliving(path: Path, wanted: Wanted = every, damaged: Damaged | None = None) -> Iterator[Recording]:
    """Every wanted log below `path` (directory or zip), by name. Raises RecordingError; see `tree` for damaged."""
    tree = open_tree(path)

    def read(name: str, match: re.Match[str]) -> Recording | None:
        return _read(tree, name, match["log"]) if wanted(match["log"]) else None

    yield from read_each(matching(tree, _NAME, "the wrist logs", "name.csv with ms,x,y,z"), read, damaged)


def _read(tree: Tree, name: str, log: str) -> Recording:
    table = parse_table(tree, name, 4, {ord(","): " "}, skip=1)
    try:
        accel = evenly(table[:, 0] / 1000.0, table[:, 1:] / COUNTS_PER_G, RATE_HZ)
    except ClockError as error:
        raise unreadable(tree, name, str(error)) from error
    return Recording(
        dataset="wrist-freeliving",
        activity=log.split("-")[1] if "-" in log else "mixed",
        subject=log.split("-", maxsplit=1)[0],
        trial=PurePosixPath(name).stem,
        is_fall=False,
        group="unknown",
        site="wrist",
        rate_hz=RATE_HZ,
        accel_g=accel.astype(np.float32),
        gyro_dps=None,
        full_scale_g=RANGE_G,
    )
