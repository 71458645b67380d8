"""What becomes of one occurrence of a care task: open, due, missed, done, and what is said on the way. Pure.

open -> due -> missed        as time goes on
open, due -> done            a sign or a tick in time
missed -> late               a tick or a sign afterwards
open, due, missed -> skipped (a person says why), dropped (the task is no longer in the plan)
unknown                      nobody looked: the box was off over the whole time
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from analytics.findings import Evidence, Finding, Phase
from gateway.daily.tasks import TASK_KINDS

if TYPE_CHECKING:
    from gateway.daily.tasks import CareTask, Occurrence

OPEN, DUE, MISSED, DONE, LATE, SKIPPED, DROPPED, UNKNOWN = (
    *("open", "due", "missed", "done"),
    *("late", "skipped", "dropped", "unknown"),
)
GOING = frozenset({OPEN, DUE})
FORGOTTEN_NS = 12 * 3600 * 10**9
"""What was missed so long before anybody looked was not seen: it is neither missed nor done."""
MINUTE_NS = 60 * 10**9


@dataclass(frozen=True, slots=True)
class Run:
    """One occurrence of a task. told: the kind of the finding that is open, "" for none. Times are UTC ns."""

    resident_id: str
    task: str
    kind: str
    opens_ns: int
    due_ns: int
    missed_ns: int
    state: str = OPEN
    told: str = ""
    done_ns: int | None = None
    done_by: str | None = None
    note: str | None = None


Turn = tuple[Run, list[Finding]]


def begin(resident_id: str, task: CareTask, at: Occurrence, now_ns: int) -> Run:
    """A new run. What was over long ago is unknown."""
    run = Run(resident_id, task.id, task.kind, *at)
    return replace(run, state=UNKNOWN) if now_ns - at.missed_ns > FORGOTTEN_NS else run


def advance(run: Run, task: CareTask, now_ns: int) -> Turn:
    """The run as of now, and what is to be said."""
    row = TASK_KINDS[run.kind]
    if run.state in GOING and now_ns >= run.missed_ns:
        missed = replace(run, state=MISSED)
        if not row.missed:
            return missed, []
        found = _clear(run, task, run.missed_ns, "missed")
        return replace(missed, told=row.missed), [*found, _say(run, task, row.missed, run.missed_ns)]
    if run.state == OPEN and now_ns >= run.due_ns:
        due = replace(run, state=DUE)
        if not task.remind:
            return due, []
        return replace(due, told=row.due), [_say(run, task, row.due, run.due_ns)]
    return run, []


def finish(run: Run, task: CareTask | None, at_ns: int, by: str, note: str | None = None) -> Turn:
    """It was done at this time. by: a person, or "signal:DEVICE"."""
    if run.state not in GOING | {MISSED}:
        return run, []
    state = DONE if run.state in GOING or at_ns < run.missed_ns else LATE
    done = replace(run, state=state, told="", done_ns=at_ns, done_by=by, note=note)
    return done, _clear(run, task, max(at_ns, run.opens_ns), state)


def leave_out(run: Run, task: CareTask | None, at_ns: int, by: str | None, note: str | None, state: str) -> Turn:
    """It is not to be done: skipped by a person, or dropped from the plan."""
    if run.state not in GOING | {MISSED}:
        return run, []
    left = replace(run, state=state, told="", done_ns=at_ns, done_by=by, note=note)
    return left, _clear(run, task, at_ns, state)


def settle(run: Run, task: CareTask | None, at_ns: int, reason: str) -> Turn:
    """A missed run of which nothing needs to be said any more: the task was done since, or is due again."""
    if run.state != MISSED or not run.told:
        return run, []
    return replace(run, told=""), _clear(run, task, at_ns, reason)


def episode(run: Run, kind: str) -> str:
    """The identity of what is said about a run."""
    return f"{kind}:{run.resident_id}:{run.task}:{run.due_ns}"


def _clear(run: Run, task: CareTask | None, at_ns: int, reason: str) -> list[Finding]:
    if not run.told:
        return []
    return [_finding(run, task, run.told, at_ns, Phase.CLEARED, reason)]


def _say(run: Run, task: CareTask, kind: str, at_ns: int) -> Finding:
    return _finding(run, task, kind, at_ns, Phase.CONFIRMED, "")


def _finding(run: Run, task: CareTask | None, kind: str, at_ns: int, phase: Phase, reason: str) -> Finding:
    evidence: dict[str, Evidence] = {"rule": f"care_task/{run.kind}/1", "task": run.task, "due_ns": run.due_ns}
    if task is not None and task.label:
        evidence["label"] = task.label
    if reason:
        evidence["reason"] = reason
    late_min = round((at_ns - run.due_ns) / MINUTE_NS)
    if phase is Phase.CONFIRMED and late_min > 0:
        evidence["lasted_min"] = float(late_min)
    devices = () if task is None or task.device is None else (task.device,)
    return Finding(episode(run, kind), kind, run.resident_id, at_ns, phase, 1.0, devices, evidence)
