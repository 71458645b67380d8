"""Clocks that ring for many homes at once, and what the clock on the wall of the site says.

The due times of all clocks of all homes are one array: a step compares it once with now. Whoever takes an event first
rings what ran out before it, so that the result does not depend on how the data was cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analytics.slots import Column, SlotTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
DAY_MIN = 24 * 60
DAY_S = 86_400
NEVER = 2**62
"""When a clock that does not run is due."""
CHINA_S = 8 * 3600


class Clocks(SlotTable):
    """`width` clocks in each row: column `due` (rows, width), UTC ns. columns: what else a row has."""

    def __init__(self, width: int, columns: Mapping[str, Column] | None = None) -> None:
        super().__init__({"due": Column(np.int64, NEVER, width), **(columns or {})})

    def put(self, row: int, clock: int, due_ns: int) -> None:
        """The clock rings at this time (NEVER: not at all)."""
        self["due"][row, clock] = due_ns

    def runs(self, row: int, clock: int) -> bool:
        """Whether it has been started and has not rung."""
        return bool(self["due"][row, clock] != NEVER)

    def rows(self, now_ns: int, most: int | None = None) -> list[int]:
        """Rows in which a clock has run out by now; of more than `most` those that are due longest."""
        first = self["due"].min(axis=1)
        found = np.flatnonzero(first <= now_ns)
        return [int(row) for row in found[np.argsort(first[found], kind="stable")][:most]]

    def ring(self, row: int, now_ns: int) -> Iterator[tuple[int, int]]:
        """Clocks of a row that have run out, the longest due first, with their times; also those started meanwhile."""
        due = self["due"][row]
        while due.min() <= now_ns:
            clock = int(due.argmin())
            at_ns = int(due[clock])
            due[clock] = NEVER
            yield clock, at_ns


class SiteTime:
    """Local time. offset_s: seconds east of UTC at a time in UTC ns."""

    def __init__(self, offset_s: Callable[[int], int] = lambda _: CHINA_S) -> None:
        self.offset_s = offset_s

    def second(self, at_ns: int) -> int:
        """Local seconds since 1970."""
        return at_ns // SECOND_NS + self.offset_s(at_ns)

    def minute_of_day(self, at_ns: int) -> int:
        """Minutes since midnight."""
        return self.second(at_ns) // 60 % DAY_MIN

    def day(self, at_ns: int, begins_min: int = 0) -> int:
        """Number of the day, when days begin at this minute."""
        return (self.second(at_ns) - begins_min * 60) // DAY_S
