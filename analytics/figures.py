"""What outcomes of trials amount to: shares and rates with exact intervals, spreads over people, curves, stages.

A fall trial counts as detected when it raises an alarm: a fall that is suspected and not cleared before the trial ends,
or confirmed. An activity trial with an alarm is a false alarm.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from analytics import intervals

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Report = dict[str, Any]
CURVE_POINTS = 200


class Stage(StrEnum):
    """How far a trial came: the stage that stopped it, or ALARM."""

    GATE = "gate"
    CANDIDATE = "candidate"
    MODEL = "model"
    CONFIRMATION = "confirmation"
    FUSION = "fusion"
    ALARM = "alarm"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one trial. alarms: falls that were not cleared. cleared: falls that were suspected and cleared.

    suspected_s, confirmed_s: from the impact until the finding was out, of the first alarm, None where there was none
    (a confirmation for want of signal does not count). within_marks: None where the fall is not marked. score: the
    highest of its candidates; window_score: that of the hardest impact; 0 without a candidate. passed: whether it would
    be an alarm by that window alone. decided_by: what spoke last: the verdict of following, or `model` or `rule`.
    """

    name: str
    dataset: str
    activity: str
    subject: str
    group: str
    site: str
    is_fall: bool
    duration_s: float
    alarms: int
    cleared: int
    suspected_s: float | None
    confirmed_s: float | None
    within_marks: bool | None
    stage: Stage
    score: float = 0.0
    window_score: float = 0.0
    passed: bool = False
    decided_by: str = ""


def report(outcomes: Sequence[Outcome]) -> Report:
    """All figures of outcomes; JSON-ready."""
    falls = [outcome for outcome in outcomes if outcome.is_fall]
    return {
        "trials": len(outcomes),
        "subjects": sorted({_person(outcome) for outcome in outcomes}),
        "overall": figures(outcomes),
        "by_dataset": _split(outcomes, lambda outcome: outcome.dataset),
        "by_group": _split(outcomes, lambda outcome: outcome.group),
        "by_site": _split(outcomes, lambda outcome: outcome.site),
        "by_activity": _split(outcomes, lambda outcome: f"{outcome.dataset}/{outcome.activity}"),
        "by_subject": by_subject(outcomes),
        "window": window_figures(outcomes),
        "curve": curve(outcomes),
        "stages": stages(outcomes),
        "delay_s": {
            "suspected": _quantiles([outcome.suspected_s for outcome in falls]),
            "confirmed": _quantiles([outcome.confirmed_s for outcome in falls]),
        },
        "alarms_outside_marks": sum(outcome.within_marks is False for outcome in outcomes),
        "cleared": {
            "falls": sum(outcome.cleared for outcome in falls),
            "activities": sum(outcome.cleared for outcome in outcomes if not outcome.is_fall),
        },
        "misses": sorted(outcome.name for outcome in falls if not outcome.alarms),
        "false_alarms": sorted(outcome.name for outcome in outcomes if not outcome.is_fall and outcome.alarms),
    }


def figures(outcomes: Sequence[Outcome]) -> Report:
    """Counts, and shares with their exact intervals; a share of nothing is None."""
    falls = [outcome for outcome in outcomes if outcome.is_fall]
    activities = [outcome for outcome in outcomes if not outcome.is_fall]
    hits = sum(outcome.alarms > 0 for outcome in falls)
    wrong = sum(outcome.alarms > 0 for outcome in activities)
    alarms, hours = sum(outcome.alarms for outcome in activities), sum(o.duration_s for o in activities) / 3600
    return {
        "falls": len(falls),
        "activities": len(activities),
        "activity_hours": round(hours, 4),
        "detected": hits,
        "false_alarm_trials": wrong,
        "false_alarms": alarms,
        **shares(hits, len(falls), wrong, len(activities)),
        "false_alarms_per_hour": _rate(alarms, hours),
        "false_alarms_per_day": _rate(alarms, hours / 24),
    }


def shares(hits: int, falls: int, wrong: int, activities: int) -> Report:
    """Sensitivity, specificity, precision, F1 with their intervals."""
    return {
        "sensitivity": _share(hits, falls),
        "specificity": _share(activities - wrong, activities),
        "precision": _share(hits, hits + wrong) if falls else None,
        "f1": _f1(hits, falls, wrong),
    }


def window_figures(outcomes: Sequence[Outcome]) -> Report:
    """For comparison with papers: one window for each trial, around its hardest impact, and the model alone.

    A trial without an impact that passes the gate counts as no fall.
    """
    falls = [outcome for outcome in outcomes if outcome.is_fall]
    activities = [outcome for outcome in outcomes if not outcome.is_fall]
    hits, wrong = sum(o.passed for o in falls), sum(o.passed for o in activities)
    right = hits + len(activities) - wrong
    auc = area([o.window_score for o in falls], [o.window_score for o in activities])
    return {
        **shares(hits, len(falls), wrong, len(activities)),
        "accuracy": _share(right, len(outcomes)),
        "auc": auc,
    }


def by_subject(outcomes: Sequence[Outcome]) -> Report:
    """Each person's figures, and mean and spread (standard deviation, lowest) over people."""
    people = sorted({_person(outcome) for outcome in outcomes})
    each = {one: figures([outcome for outcome in outcomes if _person(outcome) == one]) for one in people}
    return {"each": each, **{name: _spread(each, name) for name in ("sensitivity", "specificity", "f1")}}


def _spread(each: Report, name: str) -> Report | None:
    known = {person: part[name]["value"] for person, part in each.items() if part[name] is not None}
    if not known:
        return None
    values = np.array(list(known.values()))
    lowest = min(known, key=lambda person: known[person])
    return {
        "people": len(known),
        "mean": round(float(values.mean()), 4),
        "sd": round(float(values.std(ddof=1)), 4) if len(values) > 1 else None,
        "lowest": round(float(values.min()), 4),
        "lowest_person": lowest,
    }


def curve(outcomes: Sequence[Outcome]) -> Report:
    """The operating curve before following: each trial by its highest score.

    points: (decision, share of falls at or above it, share of activities at or above it), at most CURVE_POINTS.
    """
    fall = np.array([o.score for o in outcomes if o.is_fall])
    other = np.array([o.score for o in outcomes if not o.is_fall])
    if not len(fall) or not len(other):
        return {"auc": None, "points": []}
    steps = np.unique(np.concatenate([fall, other, [0.0]]))
    chosen = np.unique(np.linspace(0, len(steps) - 1, CURVE_POINTS).round().astype(int))
    points = [
        [round(float(t), 4), round(float((fall >= t).mean()), 4), round(float((other >= t).mean()), 4)]
        for t in [*steps[chosen], 1.0]
    ]
    return {"auc": area(fall.tolist(), other.tolist()), "points": points}


def area(falls: Sequence[float], activities: Sequence[float]) -> float | None:
    """Area under the curve: how often a fall scores higher than an activity (ties count half)."""
    if not falls or not activities:
        return None
    low = np.searchsorted(np.sort(activities), falls, side="left")
    high = np.searchsorted(np.sort(activities), falls, side="right")
    return round(float((low + high).mean() / (2 * len(activities))), 4)


def stages(outcomes: Sequence[Outcome]) -> Report:
    """How many falls and activities each stage stopped, the share of falls that the gate passes, and the failures."""
    falls = [outcome for outcome in outcomes if outcome.is_fall]
    activities = [outcome for outcome in outcomes if not outcome.is_fall]
    return {
        "falls": {stage.value: sum(o.stage is stage for o in falls) for stage in Stage},
        "activities": {stage.value: sum(o.stage is stage for o in activities) for stage in Stage},
        "gate_pass": _share(sum(o.stage is not Stage.GATE for o in falls), len(falls)),
        "missed": [_failure(o) for o in falls if not o.alarms],
        "alarmed": [_failure(o) for o in activities if o.alarms],
    }


def _failure(outcome: Outcome) -> Report:
    return {
        "name": outcome.name,
        "stage": outcome.stage.value,
        "score": round(outcome.score, 4),
        "decided_by": outcome.decided_by,
    }


def _person(outcome: Outcome) -> str:
    return f"{outcome.dataset}/{outcome.subject}"


def _share(hits: int, of: int) -> Report | None:
    if not of:
        return None
    low, high = intervals.share(hits, of)
    return {"value": round(hits / of, 4), "low": round(low, 4), "high": round(high, 4)}


def _f1(hits: int, falls: int, wrong: int) -> Report | None:
    """F1, with the interval of the share j = hits / (falls + wrong) carried through F1 = 2 j / (1 + j)."""
    if not falls:
        return None
    bounds = intervals.share(hits, falls + wrong)
    low, high = (2 * bound / (1 + bound) for bound in bounds)
    return {"value": round(2 * hits / (falls + hits + wrong), 4), "low": round(low, 4), "high": round(high, 4)}


def _rate(alarms: int, exposure: float) -> Report | None:
    if not exposure:
        return None
    low, high = intervals.rate(alarms, exposure)
    return {"value": round(alarms / exposure, 4), "low": round(low, 4), "high": round(high, 4)}


def _split(outcomes: Sequence[Outcome], key: Callable[[Outcome], str]) -> dict[str, Report]:
    names = sorted({key(outcome) for outcome in outcomes})
    return {name: figures([outcome for outcome in outcomes if key(outcome) == name]) for name in names}


def _quantiles(delays: Sequence[float | None]) -> Report:
    known = sorted(delay for delay in delays if delay is not None)
    if not known:
        return {"count": 0, "median": None, "p95": None, "values": []}
    median, p95 = np.quantile(known, [0.5, 0.95]).tolist()
    return {
        "count": len(known),
        "median": round(median, 3),
        "p95": round(p95, 3),
        "values": [round(delay, 2) for delay in known],
    }


def summary(result: Report) -> str:
    """The report in some lines of plain text."""
    overall = result["overall"]
    people = f"{result['trials']} trials of {len(result['subjects'])} subjects"
    made_of = f"{overall['falls']} falls, {overall['activities']} activities ({overall['activity_hours']:.2f} h)"
    lines = [f"{people}: {made_of}; {result['protocol']}"]
    for title, key in (
        ("sensitivity", "sensitivity"),
        ("specificity", "specificity"),
        ("precision", "precision"),
        ("F1", "f1"),
        ("false alarms per hour", "false_alarms_per_hour"),
        ("false alarms per day", "false_alarms_per_day"),
    ):
        lines.append(f"  {title:<22}{_text(overall[key])}")
    for phase, delay in result["delay_s"].items():
        if delay["count"]:
            lines.append(f"  {phase} after impact: median {delay['median']:.1f} s, 95 % within {delay['p95']:.1f} s")
    for group, part in result["by_group"].items():
        lines.append(f"  {group}: sensitivity {_text(part['sensitivity'])}, specificity {_text(part['specificity'])}")
    window = result["window"]
    if window["f1"] is not None:
        lines.append(f"  one window a trial: F1 {_text(window['f1'])}, area under the curve {window['auc']}")
    lines += _stage_lines(result["stages"])
    lines.append(f"  misses {len(result['misses'])}, false alarms {len(result['false_alarms'])}")
    if result.get("damaged"):
        lines.append(f"  files that could not be read: {len(result['damaged'])}")
    return "\n".join(lines)


def _stage_lines(table: Report) -> list[str]:
    lines = [f"  gate passes of the falls: {_text(table['gate_pass'])}", "  stopped by     falls  activities"]
    return lines + [f"    {stage:<13}{table['falls'][stage]:>5}{table['activities'][stage]:>12}" for stage in Stage]


def _text(figure: Report | None) -> str:
    if figure is None:
        return "-"
    return f"{figure['value']:.4f} ({figure['low']:.4f} to {figure['high']:.4f})"
