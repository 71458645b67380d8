"""How an alert climbs the steps of its policy: pure, whom a step means now is an argument.

Escalation is driven by missing human acknowledgement alone. It only goes upward: a step that was taken is never taken
back, none is skipped, and one that means nobody is passed at once and written down. When all steps are taken, what
remains is that everybody is told again and again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gateway.alerts.alert import SYSTEM, Alert, EntryType, Step, moved_to
from gateway.alerts.targets import Resolved, Route, unique

if TYPE_CHECKING:
    from gateway.alerts.policy import Policy, PolicyStep

NS = 1_000_000_000
Resolve = Callable[[int], Resolved]
"""Whom the step of this index means now."""
WAITED, UNDELIVERED, REOPENED, NO_ANSWER = "waited", "undelivered", "reopened", "no_answer"


@dataclass(frozen=True, slots=True)
class Telling:
    """Whom to tell now, in which step. card: everybody told so far is to be told again as well."""

    step: int
    routes: tuple[Route, ...]
    card: bool
    left: float
    """Seconds until the next."""


@dataclass(frozen=True, slots=True)
class Passed:
    """A step that meant nobody: its index, and the targets with the reasons."""

    step: int
    why: tuple[tuple[str, str], ...]

    @property
    def detail(self) -> dict[str, Any]:
        """For the history; steps are counted from 1 there."""
        return {"step": self.step + 1, "why": dict(self.why)}


@dataclass(frozen=True, slots=True)
class Climb:
    """The alert after it, whom to tell (None: there is nobody further up) and the steps that were passed."""

    alert: Alert
    telling: Telling | None
    passed: tuple[Passed, ...]


def climb(alert: Alert, policy: Policy, resolve: Resolve, now_ns: int, *, why: str = WAITED) -> Climb:
    """What is due now: the next turn or repetition of the step it stands on, else the next step that means somebody.

    why: UNDELIVERED and NO_ANSWER (of the resident) take no repetition, REOPENED leaves the step at once. The alert's
    `telling` is left to the caller.
    """
    if why != REOPENED and 0 <= alert.step < len(policy.steps):
        further = _further(
            alert, policy.steps[alert.step], resolve, now_ns, repeats=why not in (UNDELIVERED, NO_ANSWER)
        )
        if further is not None:
            return Climb(*further, ())
    passed: list[Passed] = []
    for index in range(alert.step + 1, len(policy.steps)):
        found = resolve(index)
        if found.routes or found.card:
            reached = replace(alert, step=index, tellings=1, turn=())
            return Climb(*_tell(reached, policy.steps[index], found, now_ns), tuple(passed))
        if not policy.steps[index].asks_only:
            passed.append(Passed(index, tuple((one.target, one.why) for one in found.missing)))
    top = replace(alert, step=len(policy.steps) - 1, step_at_ns=None, scheduled_ns=now_ns)
    return Climb(top, None, tuple(passed))


def escalated(climbed: Climb, now_ns: int, *, why: str) -> Step:
    """The line of history for whom a climb tells or which steps it passes; its number is the telling's."""
    alert, telling = climbed.alert, climbed.telling
    if telling is None and not climbed.passed:
        return Step(alert)
    to = alert if telling is None else replace(alert, telling=alert.revision + 1)
    return moved_to(alert, EntryType.ESCALATED, SYSTEM, now_ns, to=to, detail=described(climbed) | {"why": why})


def described(climbed: Climb) -> dict[str, Any]:
    """Whom a climb tells, in plain words for the history."""
    alert, telling = climbed.alert, climbed.telling
    detail: dict[str, Any] = {"policy": alert.policy}
    if telling is not None:
        detail |= {"step": telling.step + 1, "telling": alert.tellings, "told": [r.contact for r in telling.routes]}
        if telling.card:
            detail["card120"] = True
    if climbed.passed:
        detail["passed"] = [one.detail for one in climbed.passed]
    return detail


def back_to_answer(alert: Alert) -> Alert:
    """Where a re-raised alert goes on from: the step that reached whoever answered."""
    return replace(alert, step=min(alert.step, alert.answer_step) if alert.answer_step >= 0 else alert.step)


def _further(
    alert: Alert, step: PolicyStep, resolve: Resolve, now_ns: int, *, repeats: bool
) -> tuple[Alert, Telling] | None:
    """The next turn of the step, or its next repetition; None when the step is done."""
    if step.in_turn:
        found = resolve(alert.step)
        if any(route.contact not in alert.turn for route in found.routes):
            return _tell(alert, step, found, now_ns)
    if alert.tellings > step.repeat or not repeats:
        return None
    found = resolve(alert.step)
    again = replace(alert, tellings=alert.tellings + 1, turn=())
    return _tell(again, step, found, now_ns) if found.routes or found.card else None


def _tell(alert: Alert, step: PolicyStep, found: Resolved, now_ns: int) -> tuple[Alert, Telling]:
    routes = found.routes
    if step.in_turn:
        fresh = (group for group in found.groups if any(route.contact not in alert.turn for route in group))
        routes = tuple(route for route in unique(next(fresh, ())) if route.contact not in alert.turn)
    turn = (*alert.turn, *(route.contact for route in routes))
    more_turns = step.in_turn and any(route.contact not in turn for route in found.routes)
    left = step.interval_s if not more_turns and alert.tellings <= step.repeat else step.wait_s
    told = replace(
        alert,
        turn=turn,
        card120=alert.card120 or found.card,
        step_at_ns=now_ns + int(left * NS),
        scheduled_ns=now_ns,
    )
    return told, Telling(alert.step, routes, found.card, left)
