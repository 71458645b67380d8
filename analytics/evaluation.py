"""How well falls are found in recorded trials: the detector itself, fed as devices feed it, scored by event.

A model that has seen a trial in training flatters itself on it. So there are three protocols: the shipped model as it
is; for each person a model trained on all others (`leave_one_subject_out`: the figure for people it never saw); and a
model trained on other sets (`cross`: the figure for sensors and laboratories it never saw).

What is counted is what a user would get: the findings of the detector after they were joined (`analytics.fusion`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from analytics.changed import CHANGES
from analytics.falls.detector import SIGNAL_STOPPED_NS, FallDetector
from analytics.falls.model import GRADES, grade_of, shipped
from analytics.figures import Outcome, Report, Stage, figures, report
from analytics.findings import Phase
from analytics.fusion import FallFusion
from analytics.trials import EPOCH_NS, groups, play

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from analytics.changed import Change
    from analytics.falls.model import Model
    from analytics.findings import Finding
    from analytics.trials import Trial

    Progress = Callable[[int], None]
    Part = tuple[Model, Sequence[Trial]]

MARK_MARGIN_S = 1.0
VERDICTS = "reason"
"""Key of the evidence that says why following decided as it did."""


def evaluate_falls(trials: Iterable[Trial], progress: Progress | None = None, model: Model | None = None) -> Report:
    """Play every trial to the detector (the shipped model unless one is given) and report; JSON-ready.

    progress is called with the number of trials done so far. Trials without a sample are left out and named.
    """
    used = model or shipped()
    empty: list[str] = []
    result = report_of(shipped_parts(trials, used, empty), progress, empty)
    return {**result, "model": used.version, "protocol": "shipped model, streaming", "empty": empty}


def leave_one_subject_out(trials: Iterable[Trial], seed: int = 0, progress: Progress | None = None) -> Report:
    """The same figures with, for each person, a model trained on all others; needs the extra `train`."""
    result = report_of(left_out_parts(trials, seed), progress)
    return {**result, "model": "one for each subject", "protocol": "leave one subject out, streaming"}


def cross(learned: Iterable[Trial], trials: Iterable[Trial], seed: int = 0, progress: Progress | None = None) -> Report:
    """The same figures with a model trained on other sets only; needs the extra `train`."""
    model, words = learned_elsewhere(learned, seed)
    empty: list[str] = []
    result = report_of(shipped_parts(trials, model, empty), progress, empty)
    return {**result, **words, "empty": empty}


def learned_elsewhere(learned: Iterable[Trial], seed: int = 0) -> tuple[Model, dict[str, str]]:
    """A model of these trials, and how a report names it; needs the extra `train`."""
    from analytics.falls import train

    known = [trial for trial in learned if len(trial.accel_g)]
    sets = ", ".join(sorted({trial.dataset for trial in known}))
    return train.fit(known, seed), {"model": f"trained on {sets}", "protocol": f"trained on {sets}, streaming"}


def robustness(parts: Iterable[Part], progress: Progress | None = None) -> Report:
    """Each change of `analytics.changed.CHANGES` beside the trials as they are, with the same models.

    base and each of `changes`: figures; f1_drop: how much F1 is lower than in the base (in shares of one).
    """
    kept = [(model, list(trials)) for model, trials in parts]
    done = 0

    def run(change: Change | None) -> Report:
        nonlocal done
        outcomes: list[Outcome] = []
        for model, trials in kept:
            changed = trials if change is None else [change(trial) for trial in trials]
            outcomes += outcomes_of(changed, model)
            done += len(trials)
            if progress is not None:
                progress(done)
        return figures(outcomes)

    base = run(None)
    changes = {name: run(change) for name, change in CHANGES.items()}
    return {"base": base, "changes": {name: {**one, "f1_drop": _drop(base, one)} for name, one in changes.items()}}


def _drop(base: Report, changed: Report) -> float | None:
    return round(base["f1"]["value"] - changed["f1"]["value"], 4) if base["f1"] and changed["f1"] else None


def shipped_parts(trials: Iterable[Trial], model: Model, empty: list[str] | None = None) -> Iterator[Part]:
    """All trials with one model, some at a time; the names of trials without a sample are added to `empty`."""
    for group in groups(trials):
        if empty is not None:
            empty += [trial.name for trial in group if not len(trial.accel_g)]
        if usable := [trial for trial in group if len(trial.accel_g)]:
            yield model, usable


def left_out_parts(trials: Iterable[Trial], seed: int = 0, grades: Sequence[str] = GRADES) -> Iterator[Part]:
    """Each person's trials with a model trained on all others, with heads for these grades; needs the extra `train`."""
    from analytics.falls import train

    everything = [trial for trial in trials if len(trial.accel_g)]
    data = train.examples(everything, grades=grades)
    for person in sorted({_person(trial) for trial in everything}):
        model = train.fit_examples(data.without(person), seed)
        yield model, [trial for trial in everything if _person(trial) == person]


def _person(trial: Trial) -> str:
    return f"{trial.dataset}/{trial.subject}"


def report_of(parts: Iterable[Part], progress: Progress | None = None, empty: Sequence[str] = ()) -> Report:
    """Play each part's trials with its model and report; `empty` only counts for the progress."""
    outcomes: list[Outcome] = []
    for model, trials in parts:
        outcomes += outcomes_of(trials, model)
        if progress is not None:
            progress(len(outcomes) + len(empty))
    return report(outcomes)


def outcomes_of(trials: Sequence[Trial], model: Model) -> list[Outcome]:
    """Play trials with at least one sample together, each as a device of its own, and say what came of each."""
    return [outcome for group in groups(trials) for outcome in _played(group, model)]


@dataclass(slots=True)
class _Seen:
    """What was seen of one trial: times of hits; time, peak, score and rule of each candidate; findings and when."""

    hits: list[int] = field(default_factory=list)
    candidates: list[tuple[int, float, float, bool]] = field(default_factory=list)
    own: list[Finding] = field(default_factory=list)
    told: list[tuple[int, Finding]] = field(default_factory=list)


class _Watch:
    """A `Trace` that sorts by slot; slots of a new detector are given in order."""

    def __init__(self, trials: int) -> None:
        self.seen = [_Seen() for _ in range(trials)]

    def hits(self, slots: NDArray[np.int64], at_ns: NDArray[np.int64]) -> None:
        for slot, at in zip(slots.tolist(), at_ns.tolist(), strict=True):
            self.seen[slot].hits.append(at)

    def scored(
        self,
        slots: NDArray[np.int64],
        at_ns: NDArray[np.int64],
        peak_g: NDArray[np.float32],
        scores: NDArray[np.float32],
        sure: NDArray[np.float32],
    ) -> None:
        rows = zip(slots.tolist(), at_ns.tolist(), peak_g.tolist(), scores.tolist(), (sure > 0).tolist(), strict=True)
        for slot, *candidate in rows:
            self.seen[slot].candidates.append((candidate[0], candidate[1], candidate[2], candidate[3]))


def _played(trials: Sequence[Trial], model: Model) -> list[Outcome]:
    watch, fusion = _Watch(len(trials)), FallFusion()
    detector = FallDetector(model, len(trials), watch)
    for position, trial in enumerate(trials):
        detector.attach(str(position), str(position), wear_site=trial.site)

    def note(now_ns: int) -> None:
        found = detector.step(now_ns)
        for finding in found:
            watch.seen[int(finding.devices[0])].own.append(finding)
        for finding in fusion.fuse(found):
            watch.seen[int(finding.devices[0])].told.append((now_ns, finding))

    end_ns = EPOCH_NS
    for end_ns, blocks in play(trials):
        detector.ingest(blocks)
        note(end_ns)
    for wait_ns in (SIGNAL_STOPPED_NS // 2, 2 * SIGNAL_STOPPED_NS):
        note(end_ns + wait_ns)
    return [_outcome(trial, seen, model) for trial, seen in zip(trials, watch.seen, strict=True)]


def _outcome(trial: Trial, seen: _Seen, model: Model) -> Outcome:
    last = {finding.episode: finding for _, finding in seen.told}
    alarms = [one for one in seen.told if last[one[1].episode].phase is not Phase.CLEARED]
    confirmed = [one for one in alarms if one[1].phase is Phase.CONFIRMED and not _signal_stopped(one[1])]
    near = [candidate for candidate in seen.candidates if _near(trial, candidate[0])]
    hardest = max(near, key=lambda candidate: candidate[1], default=None)
    best = max(near, key=lambda candidate: candidate[2], default=None)
    window_score = hardest[2] if hardest else 0.0
    return Outcome(
        name=trial.name,
        dataset=trial.dataset,
        activity=trial.activity,
        subject=trial.subject,
        group=trial.group,
        site=trial.site,
        is_fall=trial.is_fall,
        duration_s=len(trial.accel_g) / trial.rate_hz,
        alarms=len({finding.episode for _, finding in alarms}),
        cleared=sum(finding.phase is Phase.CLEARED for finding in last.values()),
        suspected_s=_delay(alarms),
        confirmed_s=_delay(confirmed),
        within_marks=_within_marks(trial, [finding for _, finding in alarms]),
        stage=_stage(trial, seen, alarmed=bool(alarms)),
        score=best[2] if best else 0.0,
        window_score=window_score,
        passed=window_score >= model.threshold(trial.site, grade=grade_of(trial.full_scale_g)),
        decided_by=_decided_by(seen, ruled=best is not None and best[3]),
    )


def _stage(trial: Trial, seen: _Seen, *, alarmed: bool) -> Stage:
    if alarmed:
        return Stage.ALARM
    if seen.own:
        cleared = {finding.episode for finding in seen.own if finding.phase is Phase.CLEARED}
        return Stage.CONFIRMATION if {finding.episode for finding in seen.own} <= cleared else Stage.FUSION
    if any(_near(trial, candidate[0]) for candidate in seen.candidates):
        return Stage.MODEL
    return Stage.CANDIDATE if any(_near(trial, at_ns) for at_ns in seen.hits) else Stage.GATE


def _decided_by(seen: _Seen, *, ruled: bool) -> str:
    """The last verdict of following, with the rule named where it took the place of the model."""
    model = "rule" if ruled else "model"
    verdicts = [str(finding.evidence[VERDICTS]) for finding in seen.own if VERDICTS in finding.evidence]
    return f"{model}, {verdicts[-1]}" if verdicts else model


def _signal_stopped(finding: Finding) -> bool:
    return any(value is True for key, value in finding.evidence.items() if key.endswith("signal_stopped"))


def _delay(findings: list[tuple[int, Finding]]) -> float | None:
    return (findings[0][0] - findings[0][1].at_ns) / 1e9 if findings else None


def _near(trial: Trial, at_ns: int) -> bool:
    """Whether a moment belongs to the marked fall; everything does where nothing is marked."""
    if trial.fall_start_s is None or trial.fall_end_s is None:
        return True
    return trial.fall_start_s - MARK_MARGIN_S <= (at_ns - EPOCH_NS) / 1e9 <= trial.fall_end_s + MARK_MARGIN_S


def _within_marks(trial: Trial, alarms: list[Finding]) -> bool | None:
    if trial.fall_start_s is None or trial.fall_end_s is None or not alarms:
        return None
    return any(_near(trial, alarm.at_ns) for alarm in alarms)
