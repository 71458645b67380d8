"""Tells a carer when a device's measurements cannot be believed: after minutes of doubt, once, and when it is over.

Works on the judged minutes of all devices at once. Absent values (nobody in range, taken off) are not told here: the
watch over equipment does that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from analytics.slots import Column, SlotTable
from analytics.vitals.minutes import BAD, FLAT, GOOD, NO_DATA, WIDTH
from analytics.vitals.quality_table import BEGIN_MIN, END_MIN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from analytics.vitals.minutes import Minutes


class Doubt(NamedTuple):
    """One signal of one device becomes doubtful, or is believed again. doubtful_min: minutes in a row."""

    device: int
    column: int
    begins: bool
    reason: int
    doubtful_min: int


class Doubts:
    """Runs of doubtful and of good minutes; one row for each device, in step with `Minutes`."""

    def __init__(self) -> None:
        self.table = SlotTable(
            {
                "poor": Column(np.int64, 0, WIDTH),
                "fine": Column(np.int64, 0, WIDTH),
                "open": Column(np.bool_, False, WIDTH),
            }
        )

    def minute(self, minutes: Minutes) -> list[Doubt]:
        """After `Minutes.close`: what begins and what ends, by device and signal."""
        t, reason = self.table, minutes.table["reason"]
        told = (reason != NO_DATA) & (reason != BAD)
        poor = np.where(told, np.where(reason == GOOD, 0, t["poor"] + 1), t["poor"])
        fine = np.where(told, np.where(reason == GOOD, t["fine"] + 1, 0), t["fine"])
        begins = told & ~t["open"] & (reason != GOOD) & ((poor >= BEGIN_MIN) | (reason == FLAT))
        ends = t["open"] & (fine >= END_MIN)
        t["poor"][:], t["fine"][:] = poor, fine
        t["open"][:] = (t["open"] | begins) & ~ends
        return [*self._doubts(begins, reason, poor, True), *self._doubts(ends, reason, fine, False)]

    @staticmethod
    def _doubts(chosen: NDArray[np.bool_], reason: NDArray[Any], run: NDArray[Any], begins: bool) -> list[Doubt]:
        return [
            Doubt(int(device), int(column), begins, int(reason[device, column]), int(run[device, column]))
            for device, column in zip(*np.nonzero(chosen), strict=True)
        ]
