"""Beats of many series to episodes of possible fibrillation: when one begins, and when it is over.

`advance` is all that the live detector and the evaluation do with beats. Episode: the level (`model`) says
fibrillation over SHORTEST_S (30 s, the least single-lead ECG that ESC 2020 calls atrial fibrillation). It is over
when nothing of it was seen for OVER_S; what returns earlier belongs to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from analytics.rhythm.irregularity import REACH, features, marks
from analytics.rhythm.model import DELAY, END, LEAD, SHIPPED, TURN_AT, Line, follow
from analytics.rhythm.runs import NEVER, held, last

if TYPE_CHECKING:
    from numpy.typing import NDArray

SECOND_NS = 1_000_000_000
SHORTEST_S = 30.0
OVER_S = 3600.0
"""So that a night of coming and going is one alert; at half an hour all 7 false ones were one night of one person."""
SHORTEST_NS = int(SHORTEST_S * SECOND_NS)
OVER_NS = int(OVER_S * SECOND_NS)
NARROW = 32
"""Few new beats (live: one or two) are marked without the whole window before them."""
LOWEST_MS, HIGHEST_MS = 200.0, 2500.0
"""Intervals outside belong to no rhythm that can be judged (300 to 24 a minute): junk, or a pause."""


@dataclass(slots=True)
class Past:
    """What is kept of s series between calls.

    log_ms, at_ns: the last LEAD beats (s, LEAD). sums: what the window without its first beat adds up to (s, 6), see
    `sums_of`. count: beats known (s,). level, fibrillates, since_ns, seen_ns (last
    beat in fibrillation), open, opened_ns (where the episode began): (s,).
    """

    log_ms: NDArray[np.int64]
    at_ns: NDArray[np.int64]
    sums: NDArray[np.int64]
    count: NDArray[np.int64]
    level: NDArray[np.int64]
    fibrillates: NDArray[np.bool_]
    since_ns: NDArray[np.int64]
    seen_ns: NDArray[np.int64]
    open: NDArray[np.bool_]
    opened_ns: NDArray[np.int64]


class Course(NamedTuple):
    """What is said at each new beat, of the beat DELAY before it (s, k): its time, the level, the state, the episode.

    since_ns: where the level last rose above 0; opened_ns: where the episode did. Columns
    beyond a series' own count say nothing new.
    """

    of_ns: NDArray[np.int64]
    level: NDArray[np.int64]
    fibrillates: NDArray[np.bool_]
    since_ns: NDArray[np.int64]
    seen_ns: NDArray[np.int64]
    open: NDArray[np.bool_]
    opened_ns: NDArray[np.int64]


def sums_of(log_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """`Past.sums` (s, 6) from `Past.log_ms` (s, LEAD)."""
    return np.asarray(marks(log_ms)[:, REACH:].sum(axis=1))


NOTHING = sums_of(np.zeros((1, LEAD), np.int64))[0]


def fresh(series: int) -> Past:
    """The state of series of which nothing is known."""
    return Past(
        np.zeros((series, LEAD), np.int64),
        np.full((series, LEAD), NEVER, np.int64),
        np.tile(NOTHING, (series, 1)),
        np.zeros(series, np.int64),
        np.full(series, -END, np.int64),
        np.zeros(series, np.bool_),
        np.full(series, NEVER, np.int64),
        np.full(series, NEVER, np.int64),
        np.zeros(series, np.bool_),
        np.full(series, NEVER, np.int64),
    )


def advance(
    past: Past,
    log_ms: NDArray[np.int64],
    at_ns: NDArray[np.int64],
    counts: NDArray[np.int64],
    line: Line = SHIPPED,
) -> tuple[Past, Course]:
    """Take up new beats: log_ms and at_ns (s, k) with the first `counts` (s,) of each row valid. The new state too."""
    width = log_ms.shape[1]
    known = np.arange(width) < counts[:, None]
    logs = np.concatenate([past.log_ms, log_ms], axis=1)
    times = np.concatenate([past.at_ns, at_ns], axis=1)
    complete = past.count[:, None] + np.arange(width) >= LEAD
    entering, leaving = _moving(logs, width)
    entering, leaving = entering * known[:, :, None], leaving * known[:, :, None]
    sums = past.sums[:, None] + np.cumsum(entering, axis=1) - np.cumsum(leaving, axis=1) + leaving
    odds = line.thousandths(features(np.maximum(sums, 0)))
    level = follow(np.where(known & complete, odds, 0), past.level)
    of_ns = times[:, LEAD - DELAY : LEAD - DELAY + width]

    fibrillates = held(known & (level >= TURN_AT), known & (level <= -TURN_AT), past.fibrillates)
    before = np.concatenate([past.level[:, None], level[:, :-1]], axis=1)
    since_ns = last(of_ns, (level > 0) & (before <= 0), past.since_ns)
    seen_ns = last(of_ns, fibrillates & known, past.seen_ns)
    begins = known & fibrillates & (of_ns - since_ns >= SHORTEST_NS)
    over = known & ~fibrillates & (of_ns - np.maximum(seen_ns, 0) >= OVER_NS)
    going = held(begins, over, past.open)
    opens = going & ~np.concatenate([past.open[:, None], going[:, :-1]], axis=1)
    opened_ns = last(since_ns, opens, past.opened_ns)
    course = Course(of_ns, level, fibrillates, since_ns, seen_ns, going, opened_ns)

    rows = np.arange(len(counts))
    kept = counts[:, None] + np.arange(LEAD)
    return Past(
        logs[rows[:, None], kept],
        times[rows[:, None], kept],
        past.sums + entering.sum(axis=1) - leaving.sum(axis=1),
        past.count + counts,
        level[:, -1].copy(),
        fibrillates[:, -1].copy(),
        since_ns[:, -1].copy(),
        seen_ns[:, -1].copy(),
        going[:, -1].copy(),
        opened_ns[:, -1].copy(),
    ), course


def _moving(logs: NDArray[np.int64], width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Marks of the new beats, and of the first ones of their windows: (s, width, 6) each."""
    if width > NARROW:
        every = marks(logs)
        return every[:, LEAD:], every[:, REACH : REACH + width]
    return marks(logs[:, LEAD - REACH :])[:, REACH:], marks(logs[:, : REACH + width])[:, REACH:]
