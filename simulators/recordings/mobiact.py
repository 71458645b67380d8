"""MobiFall v2 and MobiAct: falls and daily activities with a phone loose in a trouser pocket (Vavoulas et al. 2014).

Layout: `<code>_acc_<subject>_<trial>.txt`, anywhere (`sub1/FALLS/BSC/BSC_acc_1_1.txt`, `Raw Data/BSC/...`). Lines that
begin with # tell of the person (`#Age: 32`); after `@DATA` rows of nanoseconds, x, y, z in m/s^2 with gravity, with
commas between; the gyroscope is in `<code>_gyro_...` in rad/s. The phone (Samsung Galaxy S3, LSM330DLC, +-2 g) gives
about 90 samples a second, unevenly; they are set on 100 Hz. Falls: FOL, FKL, BSC, SDL.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from simulators.recordings.clock import ClockError, evenly
from simulators.recordings.tree import matching, open_tree, parse_numbers, read_each, read_text, unreadable
from simulators.recordings.types import STANDARD_GRAVITY, Recording, every, group_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from simulators.recordings.tree import Damaged, Tree
    from simulators.recordings.types import Wanted

RATE_HZ = 100.0
RANGE_G = 2.0
FALLS = frozenset({"FOL", "FKL", "BSC", "SDL"})
LEFT_OUT = frozenset({"LYI"})
"""Cut out of the falls by the authors: not a trial of its own."""
DATA = "@DATA"
_NAME = re.compile(r"(?:^|/)(?P<activity>[A-Z]{3})_acc_(?P<subject>\d+)_(?P<trial>\d+)\.txt$")
_AGE = re.compile(r"#\s*Age\s*:\s*(\d+)", re.IGNORECASE)


def load_mobiact(path: Path, wanted: Wanted = every, damaged: Damaged | None = None) -> Iterator[Recording]:
    """Every wanted trial below `path` (directory or zip), by name. Raises RecordingError; see `tree` for damaged."""
    tree = open_tree(path)

    def read(name: str, match: re.Match[str]) -> Recording | None:
        chosen = wanted(f"mobiact/{match['activity']}/{match['subject']}/{match['trial']}")
        return _read(tree, name, match) if chosen and match["activity"] not in LEFT_OUT else None

    yield from read_each(matching(tree, _NAME, "MobiFall or MobiAct", "FOL_acc_1_1.txt"), read, damaged)


def _read(tree: Tree, name: str, match: re.Match[str]) -> Recording:
    head, accel = _table(tree, name)
    gyro_name = f"{name[: -len(match[0].lstrip('/'))]}{match['activity']}_gyro_{match['subject']}_{match['trial']}.txt"
    gyro = np.rad2deg(_table(tree, gyro_name)[1]).astype(np.float32) if gyro_name in tree else None
    age = _AGE.search(head)
    return Recording(
        dataset="mobiact",
        activity=match["activity"],
        subject=match["subject"],
        trial=match["trial"],
        is_fall=match["activity"] in FALLS,
        group=group_of(int(age[1]) if age else None),
        site="pocket",
        rate_hz=RATE_HZ,
        accel_g=(accel / STANDARD_GRAVITY).astype(np.float32),
        gyro_dps=gyro,
        full_scale_g=RANGE_G,
    )


def _table(tree: Tree, name: str) -> tuple[str, NDArray[np.float64]]:
    """The head, and the samples (n, 3) on the regular clock."""
    head, found, body = read_text(tree, name).partition(DATA)
    if not found:
        raise unreadable(tree, name, f"it has no line {DATA}")
    rows = parse_numbers(tree, name, body.replace(",", " "), 4)
    try:
        return head, evenly((rows[:, 0] - rows[0, 0]) / 1e9, rows[:, 1:], RATE_HZ)
    except ClockError as error:
        raise unreadable(tree, name, str(error)) from error
