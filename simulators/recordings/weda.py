"""WEDA-FALL: falls and daily activities with a Fitbit Sense at the wrist (Marques, Moreno; Sensors 2023, 23, 1146).

Layout: `50Hz/<activity>/Uxx_Ryy_accel.csv` (time s, m/s^2 with gravity) and `..._gyro.csv` (rad/s), and
`fall_timestamps.csv` with start and end of each fall. Subjects from U21 on are 77-95 years old and did not fall.
The sensor clips at +-4 g.

The stamps are times of arrival: four or five samples come within a few milliseconds, ten times a second, and the
first ones may even run backwards. The samples themselves are regular. So a straight line through the stamps gives the
sensor's clock, and linear interpolation sets the samples on 50 Hz. The clock is 39.8 Hz in every fall and 50 Hz in
every activity: whoever lets a classifier see the rate, or the smoothness that interpolation leaves, measures the
recorder and not the fall. `decimated` puts an activity through the same interpolation to check for that.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from simulators.recordings.clock import ClockError, check_span
from simulators.recordings.tree import RecordingError, matching, open_tree, parse_table, read_each, unreadable
from simulators.recordings.types import STANDARD_GRAVITY, Recording, every

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from simulators.recordings.tree import Damaged, Tree
    from simulators.recordings.types import Wanted

RATE_HZ = 50.0
FALL_CLOCK_HZ = 39.8
RANGE_G = 4.0
FIRST_ELDERLY = 21
_NAME = re.compile(r"(?:^|/)50Hz/(?P<activity>[DF]\d\d)/(?P<subject>U\d+)_(?P<trial>R\d+)_accel\.csv$")
_MARKS = re.compile(r"(?:^|/)fall_timestamps\.csv$")
_STRAGGLER_S = 0.3
"""A stamp further than this from the line does not belong to the sensor's clock."""


def load_weda_fall(path: Path, wanted: Wanted = every, damaged: Damaged | None = None) -> Iterator[Recording]:
    """Every wanted trial below `path` (directory or zip), by name. Raises RecordingError; see `tree` for damaged."""
    tree = open_tree(path)
    marks = _fall_marks(tree)

    def read(name: str, match: re.Match[str]) -> Recording | None:
        chosen = wanted(f"weda-fall/{match['activity']}/{match['subject']}/{match['trial']}")
        return _read(tree, name, match, marks) if chosen else None

    yield from read_each(matching(tree, _NAME, "WEDA-FALL", "50Hz/F01/U01_R01_accel.csv"), read, damaged)


def decimated(recording: Recording, clock_hz: float = FALL_CLOCK_HZ) -> Recording:
    """The same trial as if the recorder had sampled it at `clock_hz` before it was set on 50 Hz again."""
    times = np.arange(len(recording.accel_g)) / recording.rate_hz
    coarse = np.arange(0.0, times[-1], 1.0 / clock_hz)
    values = _interpolate(times, coarse, recording.accel_g.astype(np.float64))
    return replace(recording, accel_g=_interpolate(coarse, times, values).astype(np.float32))


def _read(tree: Tree, name: str, match: re.Match[str], marks: dict[str, tuple[float, float]]) -> Recording:
    start, accel = _regular(tree, name)
    key = f"{match['activity']}/{match['subject']}_{match['trial']}"
    fall = marks.get(key)
    return Recording(
        dataset="weda-fall",
        activity=match["activity"],
        subject=match["subject"],
        trial=match["trial"],
        is_fall=match["activity"].startswith("F"),
        group="elderly" if int(match["subject"][1:]) >= FIRST_ELDERLY else "young",
        site="wrist",
        rate_hz=RATE_HZ,
        accel_g=(accel / STANDARD_GRAVITY).astype(np.float32),
        gyro_dps=_gyro(tree, name),
        full_scale_g=RANGE_G,
        fall_start_s=fall[0] - start if fall else None,
        fall_end_s=fall[1] - start if fall else None,
    )


def _gyro(tree: Tree, accel_name: str) -> NDArray[np.float32] | None:
    name = accel_name.removesuffix("_accel.csv") + "_gyro.csv"
    if name not in tree:
        return None
    _, rate = _regular(tree, name)
    return np.rad2deg(rate).astype(np.float32)


def _regular(tree: Tree, name: str) -> tuple[float, NDArray[np.float64]]:
    """Time of the first sample in the recording's seconds, and the samples (n, 3) on a regular 50 Hz."""
    table = parse_table(tree, name, 4, {ord(","): " "}, skip=1)
    index = np.arange(len(table), dtype=np.float64)
    period, offset = _line(index, table[:, 0])
    clock = offset + period * index
    try:
        check_span(clock[-1] - clock[0])
    except ClockError as error:
        raise unreadable(tree, name, str(error)) from error
    return float(clock[0]), _interpolate(clock, np.arange(clock[0], clock[-1], 1.0 / RATE_HZ), table[:, 1:])


def _line(index: NDArray[np.float64], stamps: NDArray[np.float64]) -> tuple[float, float]:
    """Slope and offset of the sensor's clock: a straight line through all stamps but the stragglers."""
    slope, offset = np.polyfit(index, stamps, 1)
    for _ in range(5):
        residual = stamps - (offset + slope * index)
        kept = np.abs(residual - np.median(residual)) < _STRAGGLER_S
        slope, offset = np.polyfit(index[kept], stamps[kept], 1)
    return float(slope), float(offset)


def _interpolate(
    at: NDArray[np.float64], wanted: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.column_stack([np.interp(wanted, at, column) for column in values.T])


def _fall_marks(tree: Tree) -> dict[str, tuple[float, float]]:
    """Start and end of each fall in seconds by "F01/U01_R01"; empty where the set comes without the table."""
    marks = {}
    for name in tree.names():
        if _MARKS.search(name):
            for line in tree.read(name).decode("utf-8-sig").splitlines()[1:]:
                marks.update(_mark(tree, name, line))
    return marks


def _mark(tree: Tree, name: str, line: str) -> dict[str, tuple[float, float]]:
    fields = line.split(",")
    try:
        return {fields[0].strip(): (float(fields[1]), float(fields[2]))} if line.strip() else {}
    except (IndexError, ValueError) as error:
        raise RecordingError(
            f"{tree.origin}/{name}", f"cannot read the line {line!r}", "Unpack or download it again."
        ) from error
