"""How irregular a run of heart beats is, for many series at once, in whole numbers so that no cutting changes a result.

Two intervals match where they differ by less than 4 % at 700 ms, at other rates in proportion to the interval. In sinus
rhythm an interval finds many matches among the twelve before it, also across ectopic beats, which a running median of
three takes out first; in atrial fibrillation it finds few, and runs of two that match runs of two hardly ever. A fixed
share is strict on slow hearts, whose breathing moves the intervals by more of themselves, and lenient on fast
fibrillation; in proportion both are told apart better (measured on AFDB, docs/vital-signs.md). (Recurrence counts as
in sample entropy, Richman and Moorman 2000, and its use for short series by Lake and Moorman 2011; the median of three
as in Petrenas 2015.) The turning points (Bienayme 1874; for atrial fibrillation Dash 2009) tell what alternates by
chance from what drifts, and so does the size of the steps from beat to beat against that of the steps over two beats:
breathing moves several beats the same way, fibrillation does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LAGS = 12
MATCH, AT_MS = 40, 700
"""Thousandths of the natural logarithm by which two intervals of AT_MS may differ: 4 %."""
CLOSEST, WIDEST = 12, 60
"""Ends of the same at other rates, reached at 210 and at 1050 ms."""
RATE_BEATS = 15
"""Two may differ in proportion to the geometric mean of so many intervals, the later of the two the last of them."""
TURN = 15
"""A change of less than 1.5 % is no turn: it may be the recorder's clock (128 Hz: 7.8 ms)."""
WINDOW = 64
REACH = max(LAGS + 3, RATE_BEATS + 2)
"""Beats before the first one of a window that its features look at.

A run looks at the match of the beat before, a match at LAGS or RATE_BEATS medians, a median at two beats more.
"""
LARGEST_STEP = 400
FEATURES = ("matches", "runs", "turns", "rate", "drift")
_LONGEST = 8_000
_MAY_DIFFER = np.ceil(np.clip(MATCH * np.exp(np.arange(_LONGEST) / 1000.0) / AT_MS, CLOSEST, WIDEST)).astype(np.int64)
"""From how many thousandths on two intervals match no more, by the logarithm (thousandths) of the interval in ms."""


def thousandths(interval_ms: NDArray[np.float64]) -> NDArray[np.int64]:
    """Natural logarithm of positive intervals in ms, in thousandths: int64, same shape."""
    return np.rint(1000.0 * np.log(interval_ms)).astype(np.int64)


def marks(log_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """What each beat adds to the features: int64 (series, beats, 6) from `thousandths` (series, beats).

    Of the first REACH beats they are not complete.
    """
    middle = log_ms.copy()
    middle[:, 2:] = _median(log_ms[:, 2:], log_ms[:, 1:-1], log_ms[:, :-2])
    may_differ = _may_differ(middle)
    matches, runs = np.zeros_like(log_ms), np.zeros_like(log_ms)
    for lag in range(1, LAGS + 1):
        same = np.abs(middle[:, lag:] - middle[:, :-lag]) < may_differ[:, lag:]
        matches[:, lag:] += same
        runs[:, lag + 1 :] += same[:, 1:] & same[:, :-1]
    steps = np.diff(log_ms, axis=1, prepend=log_ms[:, :1])
    way = np.where(np.abs(steps) >= TURN, np.sign(steps), 0)
    turns = np.zeros_like(log_ms)
    turns[:, 1:] = way[:, 1:] * way[:, :-1] < 0
    one, two = np.minimum(np.abs(steps), LARGEST_STEP), np.zeros_like(log_ms)
    two[:, 2:] = np.minimum(np.abs(log_ms[:, 2:] - log_ms[:, :-2]), LARGEST_STEP)
    return np.stack([matches, runs, turns, log_ms, one, two], axis=2)


def window_sums(per_beat: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sums over the WINDOW beats that end with each beat: (series, beats - WINDOW + 1, k) from (series, beats, k)."""
    total = np.cumsum(per_beat, axis=1)
    sums = total[:, WINDOW - 1 :].copy()
    sums[:, 1:] -= total[:, :-WINDOW]
    return sums


def features(sums: NDArray[np.int64]) -> NDArray[np.float64]:
    """FEATURES (..., 5) from window sums (..., 6).

    Logarithms of the mean shares of matches, of runs and of turns (0.03 added), mean logarithm of the interval in s,
    and by how much the steps over two beats are larger than those from beat to beat (logarithm, not below 0).
    """
    shares = np.log(sums[..., :3] / (WINDOW * np.array([LAGS, LAGS, 1.0])) + 0.03)
    rate = sums[..., 3:4] / (1000.0 * WINDOW) - np.log(1000.0)
    steps = np.log(sums[..., 4:] + 5.0 * WINDOW)
    return np.concatenate([shares, rate, np.maximum(steps[..., 1:] - steps[..., :1], 0.0)], axis=-1)


def _may_differ(middle: NDArray[np.int64]) -> NDArray[np.int64]:
    """From which difference to the ones before it a beat matches them no more: (series, beats) from the medians."""
    total = np.cumsum(middle, axis=1)
    total[:, RATE_BEATS:] -= total[:, :-RATE_BEATS].copy()
    return _MAY_DIFFER[np.clip(total // RATE_BEATS, 0, _LONGEST - 1)]


def _median(a: NDArray[np.int64], b: NDArray[np.int64], c: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c))
