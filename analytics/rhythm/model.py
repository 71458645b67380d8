"""From how irregular the beats are to how far one believes in atrial fibrillation: a line, and a level with memory.

The line is a logistic regression over `irregularity.FEATURES`, fitted by `fit` on the recordings that
docs/vital-signs.md names. Its log-odds are added up beat by beat between two ends, so that a few odd beats change
nothing and a regular stretch within fibrillation does not end it. All in whole thousandths, so that no cutting of the
series changes a result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analytics.rhythm import irregularity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

DELAY = 63
"""Beats: what is believed at a beat is said of the beat this many before it."""
STRONGEST = 8.0
"""One beat moves the level by no more than this (log-odds)."""
END = 100_000
"""The level stays within +-END (thousandths of log-odds)."""
TURN_AT = 95_000
"""Fibrillation begins when the level reaches +TURN_AT, and ends when it reaches -TURN_AT."""
RIDGE = 100.0
_ROUNDS = 30


@dataclass(frozen=True, slots=True)
class Line:
    """Weights of `irregularity.FEATURES` and the constant of the log-odds."""

    weights: tuple[float, ...]
    constant: float
    version: str

    def thousandths(self, features: NDArray[np.float64]) -> NDArray[np.int64]:
        """Log-odds of fibrillation, bounded by STRONGEST: int64 (...) from features (..., 5)."""
        odds = np.full(features.shape[:-1], self.constant)
        for column, weight in enumerate(self.weights):
            odds += weight * features[..., column]
        return np.asarray(np.rint(1000.0 * np.clip(odds, -STRONGEST, STRONGEST)), np.int64)


SHIPPED = Line((-2.353, -2.113, 1.025, -0.82, -3.9), -4.76, "af-line/2")
"""Fitted on 15 records of AFDB, 24 of NSR2DB and 12 of CHF2DB (docs/vital-signs.md)."""


def odds_of(line: Line, log_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """Log-odds in thousandths at each beat that has a full window before it: (series, n - lead) from (series, n)."""
    sums = irregularity.window_sums(irregularity.marks(log_ms)[:, irregularity.REACH :])
    return line.thousandths(irregularity.features(sums))


LEAD = irregularity.REACH + irregularity.WINDOW - 1
"""Beats that must have come before the first one that can be judged."""


def follow(odds: NDArray[np.int64], level: NDArray[np.int64]) -> NDArray[np.int64]:
    """The level after each beat: (series, beats), from the log-odds and the level (series,) before them."""
    levels = np.empty((odds.shape[1], odds.shape[0]), np.int64)
    now = level
    for i, one in enumerate(np.ascontiguousarray(odds.T)):
        now = np.minimum(np.maximum(now + one, -END), END, out=levels[i])
    return np.asarray(levels.T)


def fit(rows: NDArray[np.float64], truth: NDArray[np.bool_], weights: NDArray[np.float64], version: str) -> Line:
    """Logistic regression with a ridge on standardised features, by Newton's method.

    rows: (n, 5) features. truth, weights: (n,). Raises ValueError where one class is missing.
    """
    if truth.all() or not truth.any():
        raise ValueError("to learn, both fibrillation and other rhythm are needed")
    mean, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    design = np.column_stack([(rows - mean) / spread, np.ones(len(rows))])
    ridge = RIDGE * np.diag([1.0] * rows.shape[1] + [0.0])
    found = np.zeros(design.shape[1])
    for _ in range(_ROUNDS):
        chance = 1.0 / (1.0 + np.exp(-np.clip(design @ found, -30, 30)))
        slope = design.T @ (weights * (chance - truth)) + ridge @ found
        bend = (design * (weights * chance * (1.0 - chance))[:, None]).T @ design + ridge
        found -= np.linalg.solve(bend, slope)
    own = found[:-1] / spread
    return Line(tuple(_short(own)), round(float(found[-1] - own @ mean), 3), version)


def _short(numbers: NDArray[np.float64]) -> Sequence[float]:
    return [round(float(number), 3) for number in numbers]
