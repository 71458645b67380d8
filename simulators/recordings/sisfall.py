"""SisFall: falls and daily activities with a sensor at the waist, 200 Hz (Sucerquia, Lopez, Vargas-Bonilla 2017).

Layout: `<subject>/<activity>_<subject>_R<trial>.txt`, nine whole numbers a line: ADXL345 (+-16 g, 13 bit), ITG3200
(+-2000 deg/s, 16 bit), MMA8451Q (+-8 g, 14 bit); physical value = number * 2 * range / 2^bits (its Readme.txt).
Subjects SA* are 19-30 years old, SE* 60-75; of the SE* only SE06 fell.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from simulators.recordings.tree import matching, open_tree, parse_table, read_each
from simulators.recordings.types import Recording, every

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from simulators.recordings.tree import Damaged, Tree
    from simulators.recordings.types import Wanted

RATE_HZ = 200.0
ACCEL_RANGE_G = 16.0
ACCEL_G_PER_COUNT = 2 * ACCEL_RANGE_G / 2**13
GYRO_DPS_PER_COUNT = 2 * 2000.0 / 2**16
_NAME = re.compile(r"(?:^|/)(?P<activity>[DF]\d\d)_(?P<subject>S[AE]\d\d)_(?P<trial>R\d\d)\.txt$")
_SEPARATORS = {ord(character): " " for character in ",;"}


def load_sisfall(path: Path, wanted: Wanted = every, damaged: Damaged | None = None) -> Iterator[Recording]:
    """Every wanted trial below `path` (directory or zip), by name. Raises RecordingError; see `tree` for damaged."""
    tree = open_tree(path)

    def read(name: str, match: re.Match[str]) -> Recording | None:
        chosen = wanted(f"sisfall/{match['activity']}/{match['subject']}/{match['trial']}")
        return _read(tree, name, match) if chosen else None

    yield from read_each(matching(tree, _NAME, "SisFall", "SA01/D01_SA01_R01.txt"), read, damaged)


def _read(tree: Tree, name: str, match: re.Match[str]) -> Recording:
    counts = parse_table(tree, name, 9, _SEPARATORS, skip=0)
    return Recording(
        dataset="sisfall",
        activity=match["activity"],
        subject=match["subject"],
        trial=match["trial"],
        is_fall=match["activity"].startswith("F"),
        group="elderly" if match["subject"].startswith("SE") else "young",
        site="waist",
        rate_hz=RATE_HZ,
        accel_g=(counts[:, :3] * ACCEL_G_PER_COUNT).astype(np.float32),
        gyro_dps=(counts[:, 3:6] * GYRO_DPS_PER_COUNT).astype(np.float32),
        full_scale_g=ACCEL_RANGE_G,
    )
