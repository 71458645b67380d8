"""NEWS2 over time: what each part is good for and how long, how the score moves, and when a carer is told.

The score of the chart is computed every minute from the merged signals (`news2_table`). A part that is older than its
age limit is missing, and a missing part is said, never assumed. A finding begins when its level has lasted HOLD_MIN
and ends when the score has been below it for END_MIN. Three points in a single part are told for consciousness only:
the other parts have limits of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from analytics.slots import Column, SlotTable
from analytics.vitals.minutes import NEVER_MIN
from analytics.vitals.news2_table import ACVPU, PARTS, Level, Parts, Score, score
from analytics.vitals.quality_table import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from analytics.findings import Evidence
    from analytics.vitals.minutes import Merged

AGE_MIN: Mapping[str, int] = {
    "respiratory_rate": 30,
    "spo2": 60,
    "systolic_pressure": 12 * 60,
    "heart_rate": 30,
    "consciousness": 12 * 60,
    "body_temperature": 12 * 60,
}
"""Minutes for which a part counts (RCP 2017: measured at least every 12 hours; what devices measure all the time counts
for half an hour, a finger clip for one)."""
HOLD_MIN = 5
END_MIN = 15
TREND_MIN = 60
REST_MIN = 5
"""Minutes after the last exercise in which heart and breath are not judged (typical default)."""
KINDS = ("news2_single", "news2_medium", "news2_high")
_PART_COLUMNS = {name: COLUMNS.index(name) for name in AGE_MIN if name in COLUMNS}
VERSION = 1


class Turn(NamedTuple):
    """A finding of one resident begins or ends. kind: index of KINDS."""

    row: int
    kind: int
    begins: bool


class News2:
    """One row for each resident, in step with `Merged`."""

    def __init__(self) -> None:
        self.table = SlotTable(
            {
                "real": Column(np.bool_, False),
                "scale_2": Column(np.bool_, False),
                "oxygen": Column(np.bool_, False),
                "consciousness": Column(np.float64, np.nan),
                "told": Column(np.int64, NEVER_MIN),
                "held": Column(np.int64, 0, len(KINDS)),
                "below": Column(np.int64, 0, len(KINDS)),
                "open": Column(np.bool_, False, len(KINDS)),
                "moved": Column(np.int64, NEVER_MIN),
                "past": Column(np.int64, -1, TREND_MIN),
            }
        )
        self.now: Score | None = None

    def tell(self, row: int, word: str | None, minute: int) -> None:
        """How awake somebody is, by a carer or a device. word: one of ACVPU; anything else is unknown."""
        self.table["consciousness"][row] = ACVPU.index(word) if word in ACVPU else np.nan
        self.table["told"][row] = minute

    def minute(self, merged: Merged, minute: int) -> list[Turn]:
        """Score everybody; what begins and what ends."""
        t = self.table
        current = self.now = score(self._parts(merged, minute))
        t["past"][:, minute % TREND_MIN] = np.where(current.missing.sum(axis=1) >= len(PARTS) - 1, -1, current.total)
        awake = current.points[:, PARTS.index("consciousness")]
        wanted = np.stack([awake == 3, current.total >= 5, current.total >= 7], axis=1) & t["real"][:, None]
        # Of the medium and the high one only one is told at a time.
        starts = wanted.copy()
        # The chart is meant for somebody at rest.
        starts[:, 1:] &= (minute - t["moved"] > REST_MIN)[:, None]
        starts[:, 1] &= ~wanted[:, 2] & ~t["open"][:, 2]
        t["held"][:] = np.where(starts, t["held"] + 1, 0)
        t["below"][:] = np.where(wanted, 0, t["below"] + 1)
        begins = starts & ~t["open"] & (t["held"] >= HOLD_MIN)
        ends = t["open"] & (t["below"] >= END_MIN)
        t["open"][:] = (t["open"] | begins) & ~ends
        found = [Turn(int(row), int(kind), True) for row, kind in zip(*np.nonzero(begins), strict=True)]
        return found + [Turn(int(row), int(kind), False) for row, kind in zip(*np.nonzero(ends), strict=True)]

    def evidence(self, row: int, merged: Merged, minute: int) -> dict[str, Evidence]:
        """The score of one resident in numbers and words, after `minute`."""
        current = self.now
        if current is None:
            return {}
        said: dict[str, Evidence] = {
            "score": int(current.total[row]),
            "level": Level(int(current.level[row])).name.lower(),
            "scale": 2 if self.table["scale_2"][row] else 1,
            "missing": ", ".join(name for name, gone in zip(PARTS, current.missing[row], strict=True) if gone),
        }
        for name, points in zip(PARTS, current.points[row].tolist(), strict=True):
            if points == points:  # noqa: PLR0124 - known
                said[f"{name}_points"] = int(points)
                if name in _PART_COLUMNS:
                    column = _PART_COLUMNS[name]
                    said[name] = round(float(merged.table["value"][row, column]), 1)
                    said[f"{name}_age_min"] = minute - int(merged.table["at"][row, column])
        earlier = int(self.table["past"][row, (minute + 1) % TREND_MIN])
        if earlier >= 0:
            said["score_an_hour_ago"] = earlier
        return said

    def _parts(self, merged: Merged, minute: int) -> Parts:
        t, known = self.table, {}
        for name, column in _PART_COLUMNS.items():
            fresh = minute - merged.table["at"][:, column] <= AGE_MIN[name]
            known[name] = np.where(fresh, merged.table["value"][:, column], np.nan)
        fresh = minute - t["told"] <= AGE_MIN["consciousness"]
        consciousness: NDArray[np.float64] = np.where(fresh, t["consciousness"], np.nan)
        return Parts(**known, consciousness=consciousness, oxygen=t["oxygen"], scale_2=t["scale_2"])
