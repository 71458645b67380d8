"""Readings of all devices gathered by the minute, and what each resident's devices say together.

State is one row for each device: sums of the running minute, and what the last good minutes said. A reading costs a
few vector operations; the work of a minute is done once for everybody when it has ended (`close`). Minutes are minutes
of UTC by the time of receipt, so that the result does not depend on when it is computed.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from analytics.slots import Column, SlotTable
from analytics.vitals.quality_table import BAD_SHARE, COLUMNS, QUALITY_RULES, SETTLED_MIN

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDTH = len(COLUMNS)
NEVER_MIN = -(2**40)
HALF_LIFE_MIN = 2.0
"""A value that is so much older than another counts half as much when sources are merged."""
GOOD, NO_DATA, BAD, NOISY, JUMPED, FLAT = range(6)
REASONS = ("good", "no_data", "no_contact", "artefact", "impossible_change", "flat_line")
_FLAT_MIN = np.array([rule.flat_min or 2**31 for rule in QUALITY_RULES], dtype=np.int64)
_JUMP = np.array([rule.jump for rule in QUALITY_RULES])
_SPREAD = np.array([rule.spread for rule in QUALITY_RULES])


class Batch(NamedTuple):
    """Readings of one minute in the order of arrival, each (n,). value: NaN where absent or doubted.

    doubted: a value was there, but the device or the table of signals did not believe it.
    """

    device: NDArray[np.int64]
    column: NDArray[np.int64]
    value: NDArray[np.float64]
    doubted: NDArray[np.bool_]


class Minutes:
    """One row for each device."""

    def __init__(self) -> None:
        self.table = SlotTable(
            {
                "owner": Column(np.int64, -1),
                "tie": Column(np.int64, 0),
                "worn": Column(np.bool_, True),
                "sum": Column(np.float64, 0.0, WIDTH),
                "count": Column(np.int64, 0, WIDTH),
                "bad": Column(np.int64, 0, WIDTH),
                "doubted": Column(np.int64, 0, WIDTH),
                "low": Column(np.float64, np.inf, WIDTH),
                "high": Column(np.float64, -np.inf, WIDTH),
                "value": Column(np.float64, np.nan, WIDTH),
                "share": Column(np.float64, 0.0, WIDTH),
                "at": Column(np.int64, NEVER_MIN, WIDTH),
                "level": Column(np.float64, np.nan, WIDTH),
                "settling": Column(np.int64, 0, WIDTH),
                "flat_value": Column(np.float64, np.nan, WIDTH),
                "flat": Column(np.int64, 0, WIDTH),
                "reason": Column(np.int64, NO_DATA, WIDTH),
            }
        )

    def attach(self, device_id: str, owner: int) -> int:
        """A row for a device. owner: the resident's row."""
        slot = self.table.acquire()
        self.table["owner"][slot] = owner
        self.table["tie"][slot] = zlib.crc32(device_id.encode())
        return slot

    def take(self, batch: Batch) -> None:
        """Add readings to the running minute."""
        flat = {name: self.table[name].reshape(-1) for name in ("bad", "doubted", "sum", "count", "low", "high")}
        cell, good = batch.device * WIDTH + batch.column, ~np.isnan(batch.value)
        np.add.at(flat["bad"], cell[~good], 1)
        np.add.at(flat["doubted"], cell[batch.doubted], 1)
        where, value = cell[good], batch.value[good]
        np.add.at(flat["sum"], where, value)
        np.add.at(flat["count"], where, 1)
        np.minimum.at(flat["low"], where, value)
        np.maximum.at(flat["high"], where, value)

    def close(self, minute: int) -> None:
        """The minute has ended: judge every device's readings and keep what is good. Costs what the heard ones cost."""
        t = self.table
        t["reason"][:] = NO_DATA
        rows = np.flatnonzero((t["count"] + t["bad"]).any(axis=1))
        if not rows.size:
            return
        count, bad, low, high = (t[name][rows] for name in ("count", "bad", "low", "high"))
        heard = (count + bad) > 0
        with np.errstate(invalid="ignore"):
            trimmed = count >= 5
            total = t["sum"][rows]
            total = np.where(trimmed, total - low - high, total)
            mean = total / np.maximum(np.where(trimmed, count - 2, count), 1)
            share = bad / np.maximum(count + bad, 1)
            spread = np.where(count > 0, high - low, 0.0)
        flat = self._flat(rows, count, low, spread)
        jumped = self._jumped(rows, mean, count)
        reason = np.select(
            [
                ~heard,
                (share > BAD_SHARE) & (2 * t["doubted"][rows] < bad),
                share > BAD_SHARE,
                flat >= _FLAT_MIN,
                spread > _SPREAD,
                jumped,
            ],
            [NO_DATA, BAD, NOISY, FLAT, NOISY, JUMPED],
            GOOD,
        )
        t["reason"][rows] = reason
        good = (reason == GOOD) & (count > 0)
        for name, new in (("value", mean), ("share", share), ("at", minute)):
            t[name][rows] = np.where(good, new, t[name][rows])
        for name, fill in (("sum", 0.0), ("count", 0), ("bad", 0), ("doubted", 0), ("low", np.inf), ("high", -np.inf)):
            t[name][rows] = fill

    def _flat(
        self, rows: NDArray[Any], count: NDArray[Any], low: NDArray[Any], spread: NDArray[Any]
    ) -> NDArray[np.int64]:
        """Count minutes of the same single value; at least three readings make a minute of it."""
        t = self.table
        heard, before = count > 0, t["flat"][rows]
        same = (count >= 3) & (spread == 0) & (low == t["flat_value"][rows])
        flat = np.where(same, before + 1, np.where(heard, (count >= 3) & (spread == 0), before))
        t["flat"][rows] = flat
        t["flat_value"][rows] = np.where(heard, low, t["flat_value"][rows])
        return np.asarray(flat)

    def _jumped(self, rows: NDArray[Any], mean: NDArray[Any], count: NDArray[Any]) -> NDArray[np.bool_]:
        """Minutes that lie too far from the level before, until the new one has settled."""
        t = self.table
        heard, level = count > 0, t["level"][rows]
        far = heard & (np.abs(mean - level) > _JUMP)
        settling = np.where(far, t["settling"][rows] + 1, np.where(heard, 0, t["settling"][rows]))
        settled = settling >= SETTLED_MIN
        t["level"][rows] = np.where(heard & (~far | settled), mean, level)
        t["settling"][rows] = np.where(settled, 0, settling)
        return np.asarray(far & ~settled)


class Merged:
    """What a resident's devices say together; one row for each resident, written by `merge`."""

    def __init__(self) -> None:
        self.table = SlotTable(
            {
                "value": Column(np.float64, np.nan, WIDTH),
                "at": Column(np.int64, NEVER_MIN, WIDTH),
                "device": Column(np.int64, -1, WIDTH),
            }
        )

    def merge(self, minutes: Minutes, minute: int) -> None:
        """Take the best device of each resident for each signal: least doubted, freshest.

        A device's score is the share of its readings that were good, halved for every HALF_LIFE_MIN of age.
        """
        d, t = minutes.table, self.table
        attached = np.flatnonzero(d["owner"] >= 0)
        for column in range(WIDTH):
            some = attached[d["at"][attached, column] > minute - 30]
            if not some.size:
                continue
            best = some
            if np.bincount(d["owner"][some]).max() > 1:
                age = minute - d["at"][some, column]
                worth = (1.0 - d["share"][some, column]) * 0.5 ** (age / HALF_LIFE_MIN)
                owner = d["owner"][some]
                order = np.lexsort((d["tie"][some], -worth, owner))
                first = np.concatenate([[True], np.diff(owner[order]) != 0])
                best = some[order[first]]
            newer = d["at"][best, column] >= t["at"][d["owner"][best], column]
            best = best[newer]
            rows = d["owner"][best]
            t["value"][rows, column] = d["value"][best, column]
            t["at"][rows, column] = d["at"][best, column]
            t["device"][rows, column] = best
