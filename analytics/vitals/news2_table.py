"""NEWS2, the National Early Warning Score 2, as a table, and its exact computation for many residents at once.

Source: Royal College of Physicians. National Early Warning Score (NEWS) 2: Standardising the assessment of
acute-illness severity in the NHS. Updated report of a working party. London: RCP, 2017 (chart 1: scoring system; chart
2: thresholds and triggers). The score is meant for people of 16 and older who are acutely ill; at home it is a hint, no
diagnosis.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

ACVPU = ("alert", "confusion", "voice", "pain", "unresponsive")
"""Consciousness, the best first: Alert, new Confusion, responds to Voice, to Pain, Unresponsive."""


class Band(NamedTuple):
    """Values up to and including `upto` (and above the row before) score `points`."""

    upto: float
    points: int


REST = float("inf")
BANDS: Mapping[str, tuple[Band, ...]] = {
    "respiratory_rate": (Band(8, 3), Band(11, 1), Band(20, 0), Band(24, 2), Band(REST, 3)),
    "spo2_scale_1": (Band(91, 3), Band(93, 2), Band(95, 1), Band(REST, 0)),
    "spo2_scale_2_air": (Band(83, 3), Band(85, 2), Band(87, 1), Band(REST, 0)),
    "spo2_scale_2_oxygen": (
        *(Band(83, 3), Band(85, 2), Band(87, 1), Band(92, 0), Band(94, 1), Band(96, 2), Band(REST, 3)),
    ),
    "systolic_pressure": (Band(90, 3), Band(100, 2), Band(110, 1), Band(219, 0), Band(REST, 3)),
    "heart_rate": (Band(40, 3), Band(50, 1), Band(90, 0), Band(110, 1), Band(130, 2), Band(REST, 3)),
    "body_temperature": (Band(35.0, 3), Band(36.0, 1), Band(38.0, 0), Band(39.0, 1), Band(REST, 2)),
}
STEP: Mapping[str, float] = {name: 0.1 if name == "body_temperature" else 1.0 for name in BANDS}
"""The chart has whole numbers, and tenths of a degree: values are rounded to them first, halves up."""
OXYGEN_POINTS = 2
NOT_ALERT_POINTS = 3
PARTS = ("respiratory_rate", "spo2", "oxygen", "systolic_pressure", "heart_rate", "consciousness", "body_temperature")


class Level(IntEnum):
    """Clinical risk (chart 2), the higher the more urgent."""

    NONE = 0
    """Score 0."""
    LOW = 1
    """1 to 4."""
    SINGLE = 2
    """3 in any one part: low to medium."""
    MEDIUM = 3
    """5 or 6: urgent response."""
    HIGH = 4
    """7 and more: emergency response."""


class Parts(NamedTuple):
    """What is scored, each (n,) float64, NaN where unknown.

    scale_2, oxygen: bool (n,). consciousness: index of ACVPU.
    """

    respiratory_rate: NDArray[np.float64]
    spo2: NDArray[np.float64]
    systolic_pressure: NDArray[np.float64]
    heart_rate: NDArray[np.float64]
    body_temperature: NDArray[np.float64]
    consciousness: NDArray[np.float64]
    oxygen: NDArray[np.bool_]
    scale_2: NDArray[np.bool_]


class Score(NamedTuple):
    """points: (n, 7) in the order of PARTS, NaN where unknown. total: (n,) of the known parts. level: (n,) of Level."""

    points: NDArray[np.float64]
    total: NDArray[np.int64]
    level: NDArray[np.int64]
    missing: NDArray[np.bool_]


def points_of(table: str, value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (n,) of values (n,) by one table of BANDS; NaN stays NaN."""
    bands = BANDS[table]
    step = STEP[table]
    units = np.floor(value / step + 0.5 + 1e-9)
    edges = np.array([round(band.upto / step) for band in bands[:-1]], dtype=np.float64)
    points = np.array([band.points for band in bands], dtype=np.float64)
    found = points[np.searchsorted(edges, np.where(np.isnan(units), 0.0, units), side="left")]
    return np.where(np.isnan(value), np.nan, found)


def score(parts: Parts) -> Score:
    """The score of everybody. A part that is unknown adds nothing and is named as missing: the total is then at least
    so high.
    """
    scale_2 = np.where(
        parts.oxygen, points_of("spo2_scale_2_oxygen", parts.spo2), points_of("spo2_scale_2_air", parts.spo2)
    )
    points = np.stack(
        [
            points_of("respiratory_rate", parts.respiratory_rate),
            np.where(parts.scale_2, scale_2, points_of("spo2_scale_1", parts.spo2)),
            np.where(parts.oxygen, float(OXYGEN_POINTS), 0.0),
            points_of("systolic_pressure", parts.systolic_pressure),
            points_of("heart_rate", parts.heart_rate),
            np.where(
                np.isnan(parts.consciousness), np.nan, np.where(parts.consciousness > 0, float(NOT_ALERT_POINTS), 0.0)
            ),
            points_of("body_temperature", parts.body_temperature),
        ],
        axis=1,
    )
    known = np.nan_to_num(points)
    total = known.sum(axis=1).astype(np.int64)
    single = (known == 3).any(axis=1)
    level = np.select(
        [total >= 7, total >= 5, single, total >= 1],
        [Level.HIGH, Level.MEDIUM, Level.SINGLE, Level.LOW],
        Level.NONE,
    )
    return Score(points, total, level.astype(np.int64), np.isnan(points))
