"""Figures of slow and fast rhythm and pauses on series of beats: episodes a day, through the code that runs live.

Nobody's rest is known in such recordings: all beats count as at rest. Junk beyond what a device may send is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from analytics import intervals
from analytics.rhythm.pace import Beats, calm_pace, default_limits, follow_pace
from analytics.rhythm.pace_table import FAST, PAUSE_KIND, SECOND_NS, SLOW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from analytics.rhythm.evaluation import Beats as Series

PIECE = 4096
SHORTEST_MS, LONGEST_MS = 150.0, 5000.0
"""What the table of signals takes for a beat interval; others are holes."""
KINDS = (SLOW.kind, FAST.kind, PAUSE_KIND)


def pace_report(series: Sequence[Series]) -> dict[str, Any]:
    """Episodes by kind and group, a day with exact intervals, and by series; JSON-ready."""
    days = {one.name: float(one.interval_s.sum()) / 86_400.0 for one in series}
    episodes = count_episodes(series)
    result: dict[str, Any] = {}
    for number, kind in enumerate(KINDS):
        result[kind] = {}
        for group in sorted({one.group for one in series}):
            places = [i for i, one in enumerate(series) if one.group == group]
            whole, span = int(episodes[places, number].sum()), sum(days[series[i].name] for i in places)
            low, high = intervals.rate(whole, span)
            result[kind][group] = {
                "episodes": whole,
                "days": round(span, 3),
                "per_day": {"value": round(whole / span, 4), "low": round(low, 4), "high": round(high, 4)},
                "by_series": {series[i].name: int(episodes[i, number]) for i in places if episodes[i, number]},
            }
    return result


def count_episodes(series: Sequence[Series]) -> NDArray[np.int64]:
    """How many of each of KINDS begin in each series: (s, 3)."""
    found = np.zeros((len(series), len(KINDS)), np.int64)
    ms, at_ns, counts = _padded(series)
    pace, limits = calm_pace(len(series)), default_limits(len(series))
    for start in range(0, ms.shape[1], PIECE):
        part = slice(start, start + PIECE)
        sure = np.ones(ms[:, part].shape, np.bool_)
        new = np.clip(counts - start, 0, ms[:, part].shape[1])
        was = np.concatenate([pace.going, pace.pausing[:, None]], axis=1)
        pace, said = follow_pace(pace, Beats(ms[:, part], at_ns[:, part], sure, sure, new, limits))
        now = np.concatenate([said.going, said.pausing[:, None]], axis=1)
        begins = now & ~np.concatenate([was[:, :, None], now[:, :, :-1]], axis=2)
        found += (begins & (np.arange(now.shape[2]) < new[:, None, None])).sum(axis=2)
    return found


def pace_summary(result: dict[str, Any]) -> list[str]:
    """The report in lines of plain text."""
    return [
        f"  {kind}, {group}: {one['episodes']} episodes in {one['days']:.1f} days, a day: {one['per_day']['value']:.2f}"
        f" ({one['per_day']['low']:.2f} to {one['per_day']['high']:.2f})"
        for kind, groups in result.items()
        for group, one in groups.items()
    ]


def _padded(series: Sequence[Series]) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Intervals in ms and the time after each, (s, longest), and how many count. What is no interval becomes a hole."""
    kept = []
    for one in series:
        ms, at = np.rint(1000.0 * one.interval_s), np.cumsum(one.interval_s)
        good = (ms >= SHORTEST_MS) & (ms <= LONGEST_MS)
        kept.append((ms[good], (SECOND_NS * at[good]).astype(np.int64)))
    counts = np.array([len(ms) for ms, _ in kept], dtype=np.int64)
    table = np.full((len(kept), int(counts.max(initial=1))), np.nan)
    times = np.zeros(table.shape, np.int64)
    for row, (ms, at_ns) in enumerate(kept):
        table[row, : len(ms)], times[row, : len(ms)] = ms, at_ns
    return table, times, counts
