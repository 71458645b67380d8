"""Summaries of each resident's night and day for the personal baseline.

Night (the resident's own hours): resting heart rate (10th percentile of the minutes), respiratory rate and oxygen
saturation (medians), minutes in bed, times out of bed. Day (noon to noon): steps. Minutes go into histograms, so that a
night costs the same however long it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from analytics.slots import Column, SlotTable
from analytics.vitals.quality_table import COLUMNS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from analytics.vitals.minutes import Merged

BINS = 64
ENOUGH_MIN = 60
"""A night with less data than this says nothing."""
DAY_MIN = 24 * 60
NOON = 12 * 60
UNKNOWN = -1
"""Of a bed whose sensor has not been heard since noon: a dead one is no night without getting up."""


class Metric(NamedTuple):
    """One daily number. floor: the least spread that is taken for it, in its unit; zh, en: its name."""

    name: str
    floor: float
    zh: str
    en: str


METRICS: tuple[Metric, ...] = (
    Metric("resting_heart_rate", 2.0, "夜间静息心率", "Resting heart rate at night"),
    Metric("night_respiratory_rate", 0.7, "夜间呼吸频率", "Respiratory rate at night"),
    Metric("night_spo2", 0.7, "夜间血氧", "Oxygen saturation at night"),
    Metric("night_in_bed_min", 25.0, "夜间在床时间", "Minutes in bed at night"),
    Metric("night_exits", 0.7, "夜间离床次数", "Times out of bed at night"),
    Metric("steps", 300.0, "每日步数", "Steps a day"),
)


class _Histogram(NamedTuple):
    column: int
    first: float
    width: float
    share: float


_HISTOGRAMS = (
    _Histogram(COLUMNS.index("heart_rate"), 30.0, 3.0, 0.1),
    _Histogram(COLUMNS.index("respiratory_rate"), 4.0, 0.5, 0.5),
    _Histogram(COLUMNS.index("spo2"), 69.0, 0.5, 0.5),
)


class Nights:
    """One row for each resident, in step with `Merged`."""

    def __init__(self) -> None:
        self.table = SlotTable(
            {
                "from": Column(np.int64, 22 * 60),
                "to": Column(np.int64, 6 * 60),
                "bins": Column(np.int32, 0, len(_HISTOGRAMS) * BINS),
                "bed": Column(np.int64, UNKNOWN),
                "bed_known": Column(np.int64, 0),
                "in_bed": Column(np.int64, 0),
                "exits": Column(np.int64, 0),
                "steps": Column(np.float64, np.nan),
            }
        )

    def night(self, minute_of_day: int) -> NDArray[np.bool_]:
        """Whose night it is, (rows,)."""
        begin, end = self.table["from"], self.table["to"]
        inside = (minute_of_day >= begin) & (minute_of_day < end)
        across = (minute_of_day >= begin) | (minute_of_day < end)
        return np.asarray(np.where(begin <= end, inside, across))

    def minute(self, merged: Merged, minute: int, minute_of_day: int) -> None:
        """One minute of everybody."""
        t, night = self.table, self.night(minute_of_day)
        for number, h in enumerate(_HISTOGRAMS):
            rows = np.flatnonzero(night & (merged.table["at"][:, h.column] == minute))
            place = (merged.table["value"][rows, h.column] - h.first) / h.width
            t["bins"][rows, number * BINS + np.clip(place, 0, BINS - 1).astype(np.int64)] += 1
        t["bed_known"][:] += night & (t["bed"] != UNKNOWN)
        t["in_bed"][:] += night & (t["bed"] == 1)

    def bed(self, row: int, minute_of_day: int, *, occupied: bool) -> None:
        """The bed of one resident was taken or left."""
        t = self.table
        if t["bed"][row] == 1 and not occupied and self.night(minute_of_day)[row]:
            t["exits"][row] += 1
        t["bed"][row] = int(occupied)

    def walked(self, row: int, steps: float) -> None:
        """Steps made since the last report."""
        known = self.table["steps"][row]
        self.table["steps"][row] = steps if np.isnan(known) else known + steps

    def summary(self) -> NDArray[np.float64]:
        """(rows, metrics) of the last day and night, NaN where there was too little; then everything starts again."""
        t = self.table
        out = np.full((t.capacity, len(METRICS)), np.nan)
        for number, h in enumerate(_HISTOGRAMS):
            bins = t["bins"][:, number * BINS : (number + 1) * BINS]
            out[:, number] = _percentile(bins, h)
        bed = t["bed_known"] >= ENOUGH_MIN
        out[bed, 3] = t["in_bed"][bed]
        out[bed, 4] = t["exits"][bed]
        out[:, 5] = t["steps"]
        for name in ("bins", "bed_known", "in_bed", "exits"):
            t[name][:] = 0
        t["bed"][:] = UNKNOWN
        t["steps"][:] = np.nan
        return out


def _percentile(bins: NDArray[np.int32], h: _Histogram) -> NDArray[np.float64]:
    """The value below which `h.share` of the minutes lie, straight within a bin; NaN for short nights."""
    total = bins.sum(axis=1)
    reached = np.cumsum(bins, axis=1)
    wanted = h.share * total
    bin_ = (reached >= wanted[:, None]).argmax(axis=1)
    rows = np.arange(len(bins))
    inside = bins[rows, bin_]
    below = reached[rows, bin_] - inside
    value = h.first + h.width * (bin_ + (wanted - below) / np.maximum(inside, 1))
    return np.where(total >= ENOUGH_MIN, value, np.nan)
