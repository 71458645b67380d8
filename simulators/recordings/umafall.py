"""UMAFall: falls and daily activities with five sensors at once (Casilari, Santoyo-Ramon, Cano-Garcia 2017).

Layout: `UMAFall_Subject_01_Fall_forwardFall_1_2016-06-13_20-51-32.csv`. Lines that begin with % tell of the person
(`%Age: 26`) and of the sensors (`%C4:BE:84:70:0E:80; 3; WRIST; SensorTag`); then rows of milliseconds, sample number,
x, y, z, sensor type (0 acceleration in g, 1 rotation in deg/s, 2 magnetic field), sensor id, with semicolons between
and one at the end. The sensor tags (chest, waist, wrist, ankle) give about 20 samples a second, in bursts; the phone in
the right trouser pocket about 200. Each site of a file is a trial of its own.

Some rows hold numbers with several points (`1.012.598.156`), from a table program: such rows are left out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from simulators.recordings.clock import ClockError, evenly, straight
from simulators.recordings.tree import RecordingError, matching, open_tree, read_text, unreadable
from simulators.recordings.types import Recording, every, group_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from simulators.recordings.tree import Damaged, Tree
    from simulators.recordings.types import Site, Wanted

TAG_HZ, PHONE_HZ = 20.0, 200.0
LEAST_ROWS = 40
"""Two seconds of a tag; shorter is a sensor that was not switched on."""
ACCELERATION, ROTATION = 0, 1
SITES: dict[str, Site] = {
    "WRIST": "wrist",
    "WAIST": "waist",
    "CHEST": "chest",
    "ANKLE": "ankle",
    "RIGHTPOCKET": "pocket",
}
_NAME = re.compile(
    r"(?:^|/)UMAFall_Subject_(?P<subject>\d+)_(?P<kind>ADL|Fall|FALL)_(?P<activity>\w+?)_(?P<trial>\d+)_"
    r"(?P<when>[\d-]+_[\d-]+)\.csv$"
)
_SENSOR = re.compile(r"%\s*[0-9A-Fa-f:]{11,17}\s*;\s*(?P<id>\d+)\s*;\s*(?P<site>[A-Z]+)\s*;")
_AGE = re.compile(r"%\s*Age\s*[:=]\s*(\d+)", re.IGNORECASE)
_NUMBER = r"\s*(-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)\s*"
_ROW = re.compile(rf"^{_NUMBER};{_NUMBER};{_NUMBER};{_NUMBER};{_NUMBER};{_NUMBER};{_NUMBER};?\s*$", re.MULTILINE)


def load_umafall(path: Path, wanted: Wanted = every, damaged: Damaged | None = None) -> Iterator[Recording]:
    """Every wanted trial below `path`, by name, one for each site. Raises RecordingError; see `tree` for damaged."""
    tree = open_tree(path)
    for name, match in matching(tree, _NAME, "UMAFall", "UMAFall_Subject_01_ADL_Walking_1_....csv"):
        stem = f"umafall/{match['activity']}/{match['subject']}"
        if not any(wanted(f"{stem}/{_trial(match, site)}") for site in SITES.values()):
            continue
        try:
            found = list(_read(tree, name, match))
        except RecordingError as error:
            if damaged is None:
                raise
            damaged(error)
            continue
        yield from (one for one in found if wanted(one.name))


def _trial(match: re.Match[str], site: str) -> str:
    return f"{match['trial']}-{match['when']}-{site}"


def _read(tree: Tree, name: str, match: re.Match[str]) -> Iterator[Recording]:
    text = read_text(tree, name)
    sensors = {int(found["id"]): SITES[found["site"]] for found in _SENSOR.finditer(text) if found["site"] in SITES}
    if not sensors:
        raise unreadable(tree, name, "its head names no sensor (WRIST, WAIST, CHEST, ANKLE, RIGHTPOCKET)")
    rows = np.array(_ROW.findall(text), np.float64).reshape(-1, 7)
    if not len(rows):
        raise unreadable(tree, name, "it has no rows of seven numbers with semicolons between")
    age = _AGE.search(text)
    for number, site in sorted(sensors.items()):
        own = rows[rows[:, 6] == number]
        accel, gyro = own[own[:, 5] == ACCELERATION], own[own[:, 5] == ROTATION]
        if len(accel) < LEAST_ROWS:
            continue
        rate_hz = PHONE_HZ if site == "pocket" else TAG_HZ
        yield Recording(
            dataset="umafall",
            activity=match["activity"],
            subject=match["subject"],
            trial=_trial(match, site),
            is_fall=match["kind"].upper() == "FALL",
            group=group_of(int(age[1]) if age else None),
            site=site,
            rate_hz=rate_hz,
            accel_g=_regular(tree, name, accel, rate_hz),
            gyro_dps=_regular(tree, name, gyro, rate_hz) if len(gyro) >= LEAST_ROWS else None,
            full_scale_g=None,
        )


def _regular(tree: Tree, name: str, rows: NDArray[np.float64], rate_hz: float) -> NDArray[np.float32]:
    lay = evenly if rate_hz == PHONE_HZ else straight
    try:
        return lay(rows[:, 0] / 1000.0, rows[:, 2:5], rate_hz).astype(np.float32)
    except ClockError as error:
        raise unreadable(tree, name, str(error)) from error
