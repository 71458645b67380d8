"""Control charts on daily summaries: what is usual for one resident is learned, then slow change is noticed.

Start-up: median and MAD of the first START_DAYS days (robust: some bad nights do no harm). Then, on standardised and
clipped values, an EWMA and a two-sided CUSUM together. Both assume independent days; real days are not, and centre and
spread are estimated from two weeks only. So the limits are set by measurement: `IN_CONTROL_DAYS` is the mean run
length to the first false signal of one chart, measured on AR(1) days with start-up included (tests repeat it).

Sources: Page 1954 (CUSUM), Roberts 1959 (EWMA), Montgomery, Introduction to Statistical Quality Control, ch. 9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from analytics.slots import Column, SlotTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

START_DAYS = 14
LAMBDA = 0.15
EWMA_LIMIT = 2.0
"""In units of the spread of single days."""
CUSUM_SLACK = 1.0
CUSUM_LIMIT = 10.0
CLIP = 3.0
"""No single day, however odd, can raise a signal."""
OVER_SHARE = 0.4
"""A signal is over when both statistics are back below this share of their limits."""
RELEARN_DAYS = 28
"""A change that lasts so long is the new usual."""
MAD_TO_SD = 1.4826
IN_CONTROL_DAYS = {0.0: 2700, 0.3: 2000, 0.5: 1150}
"""Mean days to the first false signal by lag-one autocorrelation, measured over 3,000 days (what had none counts as
3,000, so the true means are longer). Medians: over 3,000, over 3,000, 500: residents whose two weeks of learning misled
signal early, the others hardly ever."""
SHIFT_DAYS = {3.0: 6, 2.0: 11}
"""Median days until a lasting change of so many spreads is noticed: at most so many, measured with autocorrelation
0.3."""


class Signals(NamedTuple):
    """What one day brought. begins, ends: bool (n, metrics). direction: +1 or -1."""

    begins: NDArray[np.bool_]
    ends: NDArray[np.bool_]
    direction: NDArray[np.int64]


class Charts:
    """Charts of `floors.size` metrics; one row for each resident. floors: the least spread of each metric, in its unit
    (a metric that has never varied in two weeks still may).
    """

    def __init__(self, floors: NDArray[np.float64]) -> None:
        self.floors = floors
        width = len(floors)
        self.width = width
        self.table = SlotTable(
            {
                "days": Column(np.int64, 0, width),
                "first": Column(np.float64, np.nan, width * START_DAYS),
                "centre": Column(np.float64, np.nan, width),
                "spread": Column(np.float64, np.nan, width),
                "ewma": Column(np.float64, 0.0, width),
                "up": Column(np.float64, 0.0, width),
                "down": Column(np.float64, 0.0, width),
                "open": Column(np.bool_, False, width),
                "lasting": Column(np.int64, 0, width),
            }
        )

    def day(self, rows: NDArray[np.int64], value: NDArray[np.float64]) -> Signals:
        """One more day. value: (n, metrics), NaN where there was not enough data; such a day changes nothing."""
        t = self.table
        known = ~np.isnan(value)
        learning = known & (t["days"][rows] < START_DAYS)
        running = known & ~learning
        self._learn(rows, value, learning)
        z = np.clip((value - t["centre"][rows]) / t["spread"][rows], -CLIP, CLIP)
        ewma = np.where(running, (1 - LAMBDA) * t["ewma"][rows] + LAMBDA * z, t["ewma"][rows])
        up = np.where(running, np.maximum(0.0, t["up"][rows] + z - CUSUM_SLACK), t["up"][rows])
        down = np.where(running, np.maximum(0.0, t["down"][rows] - z - CUSUM_SLACK), t["down"][rows])
        t["ewma"][rows], t["up"][rows], t["down"][rows] = ewma, up, down
        strength = np.maximum(np.abs(ewma) / EWMA_LIMIT, np.maximum(up, down) / CUSUM_LIMIT)
        was = t["open"][rows]
        begins = running & ~was & (strength >= 1.0)
        lasting = np.where(running & was, t["lasting"][rows] + 1, t["lasting"][rows])
        old = lasting >= RELEARN_DAYS
        ends = was & running & ((strength < OVER_SHARE) | old)
        t["lasting"][rows] = np.where(begins | ends, 0, lasting)
        t["open"][rows] = (was | begins) & ~ends
        self._restart(rows, ends & old)
        direction = np.where(np.abs(ewma) > 0, np.sign(ewma), np.where(up >= down, 1, -1)).astype(np.int64)
        return Signals(begins, ends, direction)

    def forget(self, row: int, metric: int) -> None:
        """A person has seen to it: learn anew what is usual."""
        chosen = np.zeros((1, self.width), dtype=np.bool_)
        chosen[0, metric] = True
        self.table["open"][row, metric] = False
        self._restart(np.array([row]), chosen)

    def _learn(self, rows: NDArray[np.int64], value: NDArray[np.float64], learning: NDArray[np.bool_]) -> None:
        t = self.table
        which, metric = np.nonzero(learning)
        if not which.size:
            return
        row, day = rows[which], t["days"][rows[which], metric]
        t["first"][row, metric * START_DAYS + day] = value[which, metric]
        t["days"][row, metric] = day + 1
        done = day + 1 == START_DAYS
        row, metric = row[done], metric[done]
        if row.size:
            days = t["first"][row[:, None], metric[:, None] * START_DAYS + np.arange(START_DAYS)]
            centre = np.median(days, axis=1)
            spread = MAD_TO_SD * np.median(np.abs(days - centre[:, None]), axis=1)
            # The MAD of 14 days is too small as often as too large: the spread of the days without outliers helps out.
            kept = np.clip(days - centre[:, None], -CLIP * spread[:, None], CLIP * spread[:, None])
            t["centre"][row, metric] = centre
            t["spread"][row, metric] = np.maximum(np.maximum(spread, kept.std(axis=1, ddof=1)), self.floors[metric])

    def _restart(self, rows: NDArray[np.int64], chosen: NDArray[np.bool_]) -> None:
        which, metric = np.nonzero(chosen)
        for name in ("days", "ewma", "up", "down", "lasting"):
            self.table[name][rows[which], metric] = 0
