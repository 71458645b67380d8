"""Figures of bed exits by event: found, falsely said, missed, and how late; beside a plain threshold.

An exit counts as found if it is said from EARLY_S before to LATE_S after it; each word counts for one exit. The trials
of UCI 427 do not say who made them: neighbours in the list may be one person's, so whole blocks of trials are left out,
and once all men are judged by what women taught, and the other way round, which is certain to be another person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from analytics import intervals
from analytics.bed_exit.model import describe, exits, fit, plain_exits, true_exits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.bed_exit.model import BedReadings

Report = dict[str, Any]
EARLY_S, LATE_S = 5.0, 15.0
BLOCK = 5


def evaluate_bed_exit(trials: Sequence[BedReadings]) -> Report:
    """All figures; JSON-ready. Raises ValueError for fewer than two blocks of trials."""
    if len(trials) <= BLOCK:
        raise ValueError(f"to leave trials out, more than {BLOCK} are needed; there are {len(trials)}")
    said = _left_out(trials, [i // BLOCK for i in range(len(trials))])
    by_sex = [one.sex for one in trials]
    crossed = _left_out(trials, by_sex) if len(set(by_sex)) > 1 else None
    counted = f"an exit counts from {EARLY_S:g} s before to {LATE_S:g} s after"
    return {
        "protocol": f"blocks of {BLOCK} trials left out, causal; {counted}",
        "trials": len(trials),
        "hours": round(sum(float(one.time_s[-1] - one.time_s[0]) for one in trials) / 3600, 3),
        "overall": figures(trials, said),
        "other_sex": figures(trials, crossed) if crossed is not None else None,
        "plain_threshold": figures(trials, [plain_exits(one) for one in trials]),
        "by_trial": {one.name: _counts(one, words) for one, words in zip(trials, said, strict=True)},
    }


def figures(trials: Sequence[BedReadings], said: Sequence[Sequence[float]]) -> Report:
    """Found, false, missed, F1 with its interval, delays in s (below 0: said before)."""
    delays: list[float] = []
    exits_there = words_said = 0
    for one, words in zip(trials, said, strict=True):
        there = true_exits(one)
        delays += matched(there, words)
        exits_there, words_said = exits_there + len(there), words_said + len(words)
    found = len(delays)
    wrong, missed = words_said - found, exits_there - found
    whole = found + wrong + missed
    return {
        "exits": exits_there,
        "found": found,
        "false": wrong,
        "missed": missed,
        "f1": _f1(found, whole) if whole else None,
        "delay_median_s": round(float(np.median(delays)), 2) if delays else None,
        "delay_p90_s": round(float(np.quantile(delays, 0.9)), 2) if delays else None,
    }


def _f1(found: int, whole: int) -> Report:
    """F1 = 2 j / (1 + j) of the share j = found / (found + false + missed), and its interval carried through."""
    value, low, high = (2 * j / (1 + j) for j in (found / whole, *intervals.share(found, whole)))
    return {"value": round(value, 4), "low": round(low, 4), "high": round(high, 4)}


def matched(there: Sequence[float], words: Sequence[float]) -> list[float]:
    """How late each exit that is found was said, s; each word is used once, the nearest first come."""
    free = list(words)
    late: list[float] = []
    for exit_s in there:
        near = [word for word in free if -EARLY_S <= word - exit_s <= LATE_S]
        if near:
            best = min(near, key=lambda word: abs(word - exit_s))
            free.remove(best)
            late.append(best - exit_s)
    return late


def summary(result: Report) -> str:
    """The report in some lines of plain text."""
    lines = [f"{result['trials']} trials, {result['hours']:.2f} h; {result['protocol']}"]
    for title, key in (
        ("blocks left out", "overall"),
        ("taught by the other sex", "other_sex"),
        ("plain threshold", "plain_threshold"),
    ):
        part = result[key]
        if part is not None and part["f1"] is not None:
            f1 = f"F1 {part['f1']['value']:.4f} ({part['f1']['low']:.4f} to {part['f1']['high']:.4f})"
            counts = f"found {part['found']} of {part['exits']}, false {part['false']}"
            lines.append(f"  {title}: {f1}, {counts}, median delay {part['delay_median_s']} s")
    return "\n".join(lines)


def _left_out(trials: Sequence[BedReadings], groups: Sequence[int | str]) -> list[list[float]]:
    """Exits said in each trial by a model that saw no trial of its group."""
    described = [describe(one) for one in trials]
    said: list[list[float]] = [[] for _ in trials]
    for group in sorted(set(groups), key=str):
        known = [i for i, of in enumerate(groups) if of != group]
        model = fit([(described[i], trials[i].doing) for i in known])
        for i, of in enumerate(groups):
            if of == group:
                said[i] = exits(model, described[i], trials[i].time_s)
    return said


def _counts(one: BedReadings, words: Sequence[float]) -> Report:
    there = true_exits(one)
    found = len(matched(there, words))
    return {"exits": len(there), "found": found, "false": len(words) - found}
