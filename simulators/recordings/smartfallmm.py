"""SmartFallMM: falls of young, activities of young and old people, with four sensors (Texas State University).

Layout: `young|old/accelerometer/<sensor>/S29A10T01.csv` without a header. Watch and phone: time of arrival
(`2022-08-05 10:06:00.183`), x, y, z in m/s^2 with gravity, nominally 32 Hz, in bursts. Meta sensors: epoch in
milliseconds, time, elapsed seconds, x, y, z in g; nominally 50 Hz, in fact also 25. So the pace of each file is taken
from its own stamps. Activities 10 to 14 are falls; trials are cut short, often a second before the impact.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from simulators.recordings.clock import ClockError, check_span, straight
from simulators.recordings.tree import matching, open_tree, parse_numbers, read_each, read_text, unreadable
from simulators.recordings.types import STANDARD_GRAVITY, Recording, every

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from simulators.recordings.tree import Damaged, Tree
    from simulators.recordings.types import Site, Wanted

FIRST_FALL = 10
RATES_HZ = (25.0, 32.0, 50.0, 100.0)
"""What the sensors were set to; the pace found in a file is taken to the nearest."""
_NAME = re.compile(
    r"(?:^|/)(?P<group>young|old)/accelerometer/(?P<sensor>watch|phone|meta_wrist|meta_hip)/"
    r"S(?P<subject>\d+)A(?P<activity>\d+)T(?P<trial>\d+)\.csv$"
)
_STAMPED = re.compile(r"^(\d{4}-\d\d-\d\d[ T][\d:.]+),", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Sensor:
    site: Site
    meta: bool


SENSORS = {
    "watch": _Sensor("wrist", meta=False),
    "phone": _Sensor("hip", meta=False),
    "meta_wrist": _Sensor("wrist", meta=True),
    "meta_hip": _Sensor("hip", meta=True),
}


def load_smartfallmm(path: Path, wanted: Wanted = every, damaged: Damaged | None = None) -> Iterator[Recording]:
    """Every wanted trial below `path` (directory or zip), by name. Raises RecordingError; see `tree` for damaged."""
    tree = open_tree(path)

    def read(name: str, match: re.Match[str]) -> Recording | None:
        trial = f"{match['trial']}-{match['sensor']}"
        chosen = wanted(f"smartfallmm/A{match['activity']}/{match['subject']}/{trial}")
        return _read(tree, name, match, trial) if chosen else None

    yield from read_each(matching(tree, _NAME, "SmartFallMM", "young/accelerometer/watch/S29A10T01.csv"), read, damaged)


def _read(tree: Tree, name: str, match: re.Match[str], trial: str) -> Recording:
    sensor = SENSORS[match["sensor"]]
    text = read_text(tree, name)
    seconds, accel = _meta(tree, name, text) if sensor.meta else _stamped(tree, name, text)
    try:
        check_span(float(seconds.max() - seconds[0]))
        rate_hz = min(RATES_HZ, key=lambda rate: abs(np.log(rate * (seconds.max() - seconds[0]) / (len(seconds) - 1))))
        accel = straight(seconds, accel, rate_hz)
    except ClockError as error:
        raise unreadable(tree, name, str(error)) from error
    return Recording(
        dataset="smartfallmm",
        activity=f"A{match['activity']}",
        subject=match["subject"],
        trial=trial,
        is_fall=int(match["activity"]) >= FIRST_FALL,
        group="elderly" if match["group"] == "old" else "young",
        site=sensor.site,
        rate_hz=rate_hz,
        accel_g=accel.astype(np.float32),
        gyro_dps=None,
        full_scale_g=None,
    )


def _meta(tree: Tree, name: str, text: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Seconds (n,) and acceleration (n, 3) in g."""
    body = "\n".join(",".join(fields[:1] + fields[2:]) for fields in (line.split(",") for line in text.splitlines()))
    rows = parse_numbers(tree, name, body.replace(",", " "), 5)
    return rows[:, 1], rows[:, 2:]


def _stamped(tree: Tree, name: str, text: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The same of a watch or phone."""
    try:
        stamps = [datetime.fromisoformat(stamp) for stamp in _STAMPED.findall(text)]
    except ValueError as error:
        raise unreadable(tree, name, str(error)) from error
    rows = parse_numbers(tree, name, _STAMPED.sub("", text).replace(",", " "), 3)
    if len(rows) != len(stamps):
        raise unreadable(tree, name, f"{len(stamps)} stamps for {len(rows)} samples")
    seconds = np.array([(stamp - stamps[0]).total_seconds() for stamp in stamps])
    return seconds, rows / STANDARD_GRAVITY
