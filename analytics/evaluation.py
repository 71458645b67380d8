"""How well falls are found in recorded trials: the detector itself, fed as devices feed it, scored by event.

A fall trial counts as detected when it raises an alarm: a fall that is suspected and not cleared before the trial ends,
or confirmed. An activity trial with an alarm is a false alarm. Every figure carries an exact 95 % interval. A model
that has seen a trial in training flatters itself on it: `leave_one_subject_out` is the figure for people it never saw.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from analytics import intervals
from analytics.falls.detector import SIGNAL_STOPPED_NS, FallDetector
from analytics.falls.model import shipped
from analytics.findings import Phase
from analytics.trials import EPOCH_NS, groups, play

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from analytics.falls.model import Model
    from analytics.findings import Finding
    from analytics.trials import Trial

    Progress = Callable[[int], None]

Report = dict[str, Any]
MARK_MARGIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one trial. alarms: falls that were not cleared. cleared: falls that were suspected and cleared.

    suspected_s, confirmed_s: from the impact until the finding was out, of the first alarm, None where there was none
    (a confirmation for want of signal does not count). within_marks: None where the fall is not marked.
    """

    name: str
    dataset: str
    activity: str
    subject: str
    group: str
    is_fall: bool
    duration_s: float
    alarms: int
    cleared: int
    suspected_s: float | None
    confirmed_s: float | None
    within_marks: bool | None


def evaluate_falls(trials: Iterable[Trial], progress: Progress | None = None, model: Model | None = None) -> Report:
    """Play every trial to the detector (the shipped model unless one is given) and report; JSON-ready.

    progress is called with the number of trials done so far. Trials without a sample are left out and named.
    """
    used = model or shipped()
    outcomes: list[Outcome] = []
    empty: list[str] = []
    for group in groups(trials):
        usable = [trial for trial in group if len(trial.accel_g)]
        empty += [trial.name for trial in group if not len(trial.accel_g)]
        outcomes += _outcomes(usable, used) if usable else []
        if progress is not None:
            progress(len(outcomes) + len(empty))
    return {**report(outcomes), "model": used.version, "protocol": "shipped model, streaming", "empty": empty}


def leave_one_subject_out(trials: Iterable[Trial], seed: int = 0, progress: Progress | None = None) -> Report:
    """The same figures with, for each person, a model trained on all others; needs the extra `train`."""
    from analytics.falls import train

    everything = [trial for trial in trials if len(trial.accel_g)]
    data = train.examples(everything)
    outcomes: list[Outcome] = []
    for person in sorted({_person(trial) for trial in everything}):
        model = train.fit_examples(data.without(person), seed)
        for group in groups(trial for trial in everything if _person(trial) == person):
            outcomes += _outcomes(group, model)
        if progress is not None:
            progress(len(outcomes))
    return {**report(outcomes), "model": "one for each subject", "protocol": "leave one subject out, streaming"}


def _person(trial: Trial) -> str:
    return f"{trial.dataset}/{trial.subject}"


def _outcomes(trials: Sequence[Trial], model: Model) -> list[Outcome]:
    """Play trials together, each as a device of its own."""
    detector = FallDetector(model, slots=len(trials))
    for position in range(len(trials)):
        detector.attach(str(position), None)
    found: list[list[tuple[int, Finding]]] = [[] for _ in trials]
    end_ns = EPOCH_NS
    for end_ns, blocks in play(trials):
        detector.ingest(blocks)
        _note(detector, end_ns, found)
    for wait_ns in (SIGNAL_STOPPED_NS // 2, 2 * SIGNAL_STOPPED_NS):
        _note(detector, end_ns + wait_ns, found)
    return [_outcome(trial, findings) for trial, findings in zip(trials, found, strict=True)]


def _note(detector: FallDetector, now_ns: int, found: list[list[tuple[int, Finding]]]) -> None:
    for finding in detector.step(now_ns):
        found[int(finding.devices[0])].append((now_ns, finding))


def _outcome(trial: Trial, findings: list[tuple[int, Finding]]) -> Outcome:
    cleared = {finding.episode for _, finding in findings if finding.phase is Phase.CLEARED}
    alarms = [(now_ns, finding) for now_ns, finding in findings if finding.episode not in cleared]
    suspected = [(now_ns, finding) for now_ns, finding in alarms if finding.phase is Phase.SUSPECTED]
    confirmed = [
        (now_ns, finding)
        for now_ns, finding in alarms
        if finding.phase is Phase.CONFIRMED and not finding.evidence["signal_stopped"]
    ]
    return Outcome(
        trial.name,
        trial.dataset,
        trial.activity,
        trial.subject,
        trial.group,
        trial.is_fall,
        len(trial.accel_g) / trial.rate_hz,
        len(suspected),
        len(cleared),
        _delay(suspected),
        _delay(confirmed),
        _within_marks(trial, [finding for _, finding in suspected]),
    )


def _delay(findings: list[tuple[int, Finding]]) -> float | None:
    return (findings[0][0] - findings[0][1].at_ns) / 1e9 if findings else None


def _within_marks(trial: Trial, alarms: list[Finding]) -> bool | None:
    if trial.fall_start_s is None or trial.fall_end_s is None or not alarms:
        return None
    start, end = trial.fall_start_s - MARK_MARGIN_S, trial.fall_end_s + MARK_MARGIN_S
    return any(start <= (alarm.at_ns - EPOCH_NS) / 1e9 <= end for alarm in alarms)


def report(outcomes: Sequence[Outcome]) -> Report:
    """Figures of outcomes: overall, by dataset, group and activity, delays, misses and false alarms."""
    return {
        "trials": len(outcomes),
        "subjects": sorted({f"{outcome.dataset}/{outcome.subject}" for outcome in outcomes}),
        "overall": figures(outcomes),
        "by_dataset": _split(outcomes, lambda outcome: outcome.dataset),
        "by_group": _split(outcomes, lambda outcome: outcome.group),
        "by_activity": _split(outcomes, lambda outcome: f"{outcome.dataset}/{outcome.activity}"),
        "delay_s": {
            "suspected": _quantiles([outcome.suspected_s for outcome in outcomes if outcome.is_fall]),
            "confirmed": _quantiles([outcome.confirmed_s for outcome in outcomes if outcome.is_fall]),
        },
        "alarms_outside_marks": sum(outcome.within_marks is False for outcome in outcomes),
        "cleared": {
            "falls": sum(outcome.cleared for outcome in outcomes if outcome.is_fall),
            "activities": sum(outcome.cleared for outcome in outcomes if not outcome.is_fall),
        },
        "misses": sorted(outcome.name for outcome in outcomes if outcome.is_fall and not outcome.alarms),
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
        "sensitivity": _share(hits, len(falls)),
        "specificity": _share(len(activities) - wrong, len(activities)),
        "precision": _share(hits, hits + wrong) if falls else None,
        "f1": _f1(hits, len(falls), wrong),
        "false_alarms_per_hour": _per_hour(alarms, hours),
    }


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


def _per_hour(alarms: int, hours: float) -> Report | None:
    if not hours:
        return None
    low, high = intervals.rate(alarms, hours)
    return {"value": round(alarms / hours, 4), "low": round(low, 4), "high": round(high, 4)}


def _split(outcomes: Sequence[Outcome], key: Callable[[Outcome], str]) -> dict[str, Report]:
    names = sorted({key(outcome) for outcome in outcomes})
    return {name: figures([outcome for outcome in outcomes if key(outcome) == name]) for name in names}


def _quantiles(delays: Sequence[float | None]) -> Report:
    known = [delay for delay in delays if delay is not None]
    if not known:
        return {"count": 0, "median": None, "p95": None}
    median, p95 = np.quantile(known, [0.5, 0.95]).tolist()
    return {"count": len(known), "median": round(median, 3), "p95": round(p95, 3)}


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
    ):
        lines.append(f"  {title:<22}{_text(overall[key])}")
    for phase, delay in result["delay_s"].items():
        if delay["count"]:
            lines.append(f"  {phase} after impact: median {delay['median']:.1f} s, 95 % within {delay['p95']:.1f} s")
    for group, part in result["by_group"].items():
        lines.append(f"  {group}: sensitivity {_text(part['sensitivity'])}, specificity {_text(part['specificity'])}")
    lines.append(f"  misses {len(result['misses'])}, false alarms {len(result['false_alarms'])}")
    return "\n".join(lines)


def _text(figure: Report | None) -> str:
    if figure is None:
        return "-"
    return f"{figure['value']:.4f} ({figure['low']:.4f} to {figure['high']:.4f})"
