"""Figures of the screening for atrial fibrillation on series of beats: by beat, by episode, false episodes a day.

All series go beat by beat through `episodes.advance`, the code that runs live, in pieces of PIECE beats. What is said
at a beat is compared with the rhythm of the beat DELAY before it. Junk and pauses (`episodes.LOWEST_MS` to HIGHEST_MS)
are passed over as they are live; such beats keep the word of the beat before.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from analytics import intervals
from analytics.rhythm import irregularity
from analytics.rhythm.episodes import HIGHEST_MS, LOWEST_MS, SECOND_NS, SHORTEST_S, advance, fresh
from analytics.rhythm.model import DELAY, LEAD, SHIPPED, Line, fit
from analytics.rhythm.pace_evaluation import pace_report, pace_summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Report = dict[str, Any]
PIECE = 4096
LONGEST_BEAT_S = 3.0
"""A longer interval is a hole in the recording; it counts as this much time."""
FIBRILLATION, FLUTTER = 1, 2
EVERY_AFDB, EVERY_DAY = 16, 128
"""To learn, every so manyth beat is taken: neighbours share their window."""
FOLDS = 6


class Beats(Protocol):
    """A series: interval_s (n,), rhythm (n,) with 1 fibrillation and 2 flutter, and its group."""

    @property
    def name(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def interval_s(self) -> NDArray[np.float64]: ...
    @property
    def rhythm(self) -> NDArray[np.int64]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """What was said of a series, by beat (n,): likely (the level is above 0) and fibrillates (the state, which holds).

    episodes: (first beat, beat after the last).
    """

    beats: Beats
    likely: NDArray[np.bool_]
    fibrillates: NDArray[np.bool_]
    episodes: list[tuple[int, int]]


def screen(series: Sequence[Beats], line: Line = SHIPPED) -> list[Said]:
    """Put all series through the detector together."""
    good = [_good(one.interval_s) for one in series]
    counts = np.array([int(keep.sum()) for keep in good])
    log_ms = np.zeros((len(series), int(counts.max(initial=1))), np.int64)
    at_ns = np.zeros_like(log_ms)
    for i, (one, keep) in enumerate(zip(series, good, strict=True)):
        log_ms[i, : counts[i]] = irregularity.thousandths(1000.0 * one.interval_s[keep])
        at_ns[i, : counts[i]] = (_clock(one.interval_s)[keep] * SECOND_NS).astype(np.int64)
    past = fresh(len(series))
    words: list[NDArray[np.bool_]] = []
    for start in range(0, log_ms.shape[1], PIECE):
        part = slice(start, start + PIECE)
        new = np.clip(counts - start, 0, min(PIECE, log_ms.shape[1] - start))
        past, course = advance(past, log_ms[:, part], at_ns[:, part], new, line)
        words.append(np.stack([course.level > 0, course.fibrillates, course.open]))
    said = np.concatenate(words, axis=2) if words else np.zeros((3, len(series), 0), np.bool_)
    return [_said(one, keep, said[:, i, : counts[i]]) for i, (one, keep) in enumerate(zip(series, good, strict=True))]


def report(said: Sequence[Said], protocol: str) -> Report:
    """All figures; JSON-ready."""
    labelled = [one for one in said if one.beats.group == "afdb"]
    result: Report = {
        "protocol": protocol,
        "delay_beats": DELAY,
        "series": len(said),
        "hours": round(sum(_hours(one) for one in said), 2),
    }
    if labelled:
        result["beats"] = {
            "all": _by_beat(labelled, without_flutter=False),
            "without_flutter": _by_beat(labelled, without_flutter=True),
            "by_record": {one.beats.name: _by_beat([one], without_flutter=False) for one in labelled},
        }
        result["fibrillation_time"] = _found_time(labelled)
    groups = sorted({one.beats.group for one in said} - {"afdb"})
    result["false_episodes"] = {g: _false([one for one in said if one.beats.group == g]) for g in groups}
    return result


def evaluate_rhythm(series: Sequence[Beats], line: Line = SHIPPED, protocol: str = "shipped model, causal") -> Report:
    """Screen and report; seconds of one core for 60 h of beats beside it."""
    began = time.process_time()
    said = screen(series, line)
    seconds = time.process_time() - began
    result = report(said, protocol)
    hours = result["hours"]
    result["pace"] = pace_report(series)
    return {**result, "model": line.version, "core_seconds_per_60_h": round(60 * seconds / hours, 3) if hours else None}


def evaluate_left_out(series: Sequence[Beats]) -> Report:
    """The same with lines fitted without the series that they judge: each AFDB record alone, the others in FOLDS."""
    rows = {one.name: learning_rows(one) for one in series}
    days = [one.name for one in series if one.group != "afdb"]
    groups = [{one.name} for one in series if one.group == "afdb"] + [set(days[f::FOLDS]) for f in range(FOLDS)]
    said: list[Said] = []
    for out in groups:
        judged = [one for one in series if one.name in out]
        if judged:
            said += screen(judged, fit_on([rows[name] for name in rows if name not in out], "left out"))
    return report(said, "leave one record out, causal")


def learning_rows(one: Beats) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Features and truth of some beats of a series (DELAY before the end of their window)."""
    keep = _good(one.interval_s)
    log_ms = irregularity.thousandths(1000.0 * one.interval_s[keep])[None]
    if log_ms.shape[1] <= LEAD:
        return np.empty((0, len(irregularity.FEATURES))), np.empty(0, np.bool_)
    sums = irregularity.window_sums(irregularity.marks(log_ms)[:, irregularity.REACH :])
    every = EVERY_AFDB if one.group == "afdb" else EVERY_DAY
    truth = (one.rhythm[keep] == FIBRILLATION)[LEAD - DELAY : -DELAY]
    return irregularity.features(sums)[0][::every], truth[::every]


def fit_on(rows: Sequence[tuple[NDArray[np.float64], NDArray[np.bool_]]], version: str) -> Line:
    """A line from `learning_rows` of many series. Raises ValueError where there is only one kind of rhythm."""
    features = np.concatenate([one for one, _ in rows])
    return fit(features, np.concatenate([truth for _, truth in rows]), np.ones(len(features)), version)


def summary(result: Report) -> str:
    """The report in some lines of plain text."""
    lines = [
        f"{result['series']} series, {result['hours']:.1f} h; {result['protocol']}; {result['delay_beats']} beats late"
    ]
    for title, key in (("by beat", "all"), ("without flutter", "without_flutter")):
        if "beats" in result:
            part = result["beats"][key]
            lines.append(
                f"  {title}: sensitivity {_text(part['sensitivity'])}, specificity {_text(part['specificity'])}"
            )
    if "fibrillation_time" in result:
        part = result["fibrillation_time"]
        lines.append(
            f"  of {part['hours']:.1f} h of fibrillation in episodes of 30 s or more found: {part['found']:.4f}"
        )
    for group, part in result["false_episodes"].items():
        lines.append(
            f"  {group}: {part['episodes']} episodes in {part['days']:.1f} days, a day: {_text(part['per_day'])}"
        )
    lines += pace_summary(result.get("pace", {}))
    if result.get("core_seconds_per_60_h") is not None:
        lines.append(f"  {result['core_seconds_per_60_h']:.2f} core-seconds for 60 h")
    return "\n".join(lines)


def _good(interval_s: NDArray[np.float64]) -> NDArray[np.bool_]:
    return (interval_s * 1000.0 >= LOWEST_MS) & (interval_s * 1000.0 <= HIGHEST_MS)


def _clock(interval_s: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.cumsum(np.minimum(interval_s, LONGEST_BEAT_S))


def _said(one: Beats, keep: NDArray[np.bool_], words: NDArray[np.bool_]) -> Said:
    """Words (3, good beats) back to the beats that were spoken of, junk included."""
    if not words.shape[1]:
        return Said(one, np.zeros(len(keep), np.bool_), np.zeros(len(keep), np.bool_), [])
    spoken_of = np.minimum(np.arange(words.shape[1]) + DELAY, words.shape[1] - 1)
    likely, fibrillates, held = words[:, spoken_of[np.maximum(np.cumsum(keep) - 1, 0)]]
    edges = np.flatnonzero(np.diff(np.concatenate([[False], held, [False]]).astype(np.int8)))
    return Said(one, likely, fibrillates, list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)))


def _hours(one: Said) -> float:
    return float(_clock(one.beats.interval_s)[-1]) / 3600.0 if len(one.beats.interval_s) else 0.0


def _by_beat(said: Sequence[Said], *, without_flutter: bool) -> Report:
    hits = ill = right = well = 0
    for one in said:
        rhythm = one.beats.rhythm
        counted = rhythm != FLUTTER if without_flutter else np.ones(len(rhythm), np.bool_)
        sick = (rhythm == FIBRILLATION) & counted
        other = (rhythm != FIBRILLATION) & counted
        hits, ill = hits + int((one.likely & sick).sum()), ill + int(sick.sum())
        right, well = right + int((~one.likely & other).sum()), well + int(other.sum())
    return {"fibrillation": ill, "other": well, "sensitivity": _share(hits, ill), "specificity": _share(right, well)}


def _found_time(said: Sequence[Said]) -> Report:
    """Of the marked fibrillation that lasts SHORTEST_S or more, the share of time that is found."""
    whole = found = 0.0
    for one in said:
        seconds = np.minimum(one.beats.interval_s, LONGEST_BEAT_S)
        sick = np.concatenate([[False], one.beats.rhythm == FIBRILLATION, [False]])
        edges = np.flatnonzero(np.diff(sick.astype(np.int8)))
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            if seconds[start:end].sum() >= SHORTEST_S:
                whole += float(seconds[start:end].sum())
                found += float(seconds[start:end][one.fibrillates[start:end]].sum())
    return {"hours": round(whole / 3600, 3), "found": round(found / whole, 4) if whole else None}


def _false(said: Sequence[Said]) -> Report:
    episodes, days = sum(len(one.episodes) for one in said), sum(_hours(one) for one in said) / 24
    low, high = intervals.rate(episodes, days)
    per_day = {"value": round(episodes / days, 4), "low": round(low, 4), "high": round(high, 4)}
    return {
        "series": len(said),
        "days": round(days, 3),
        "episodes": episodes,
        "per_day": per_day,
        "by_series": {one.beats.name: len(one.episodes) for one in said if one.episodes},
    }


def _share(hits: int, of: int) -> Report | None:
    if not of:
        return None
    low, high = intervals.share(hits, of)
    return {"value": round(hits / of, 4), "low": round(low, 4), "high": round(high, 4)}


def _text(figure: Report | None) -> str:
    return "-" if figure is None else f"{figure['value']:.4f} ({figure['low']:.4f} to {figure['high']:.4f})"
