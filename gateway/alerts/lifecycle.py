r"""The life of an alert, as pure functions: no I/O, the time is an argument.

    suspected --> raised --> delivered --> acknowledged --> en_route --> on_scene --> resolved
        \______________________________________________________________________--> cancelled

An alert only moves to the right; steps may be skipped. Each function takes an alert and what happened and returns
a `Step`: the alert as it is now, and the entries for its history (none when nothing changed).

What it is that lives is in `alert`, and is given on from here; who is told when is in `escalation`.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from analytics.findings import Finding, Phase
from analytics.kinds import KINDS
from gateway.alerts.alert import (
    ANALYTICS,
    CLOCK_STEP_NS,
    OPEN,
    SYSTEM,
    UNANSWERED,
    Alert,
    Entry,
    EntryType,
    LifecycleError,
    NamelessPersonError,
    Outcome,
    RefusedTransitionError,
    State,
    Step,
    moved_to,
)
from gateway.audit import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ANALYTICS",
    "CLOCK_STEP_NS",
    "OPEN",
    "SYSTEM",
    "UNANSWERED",
    "Alert",
    "Entry",
    "EntryType",
    "LifecycleError",
    "NamelessPersonError",
    "Outcome",
    "RefusedTransitionError",
    "State",
    "Step",
]

NAMESPACE = uuid.UUID("6f1d2f0e-5b1c-5a55-9a6e-9b0f6d2c7e10")
SAME_EVENT_NS = 10_000_000_000
"""Two episodes of one kind closer than this are one event seen twice, even when the first is already answered."""


ANSWERED: Mapping[str, Any] = {"repeat_at_ns": None, "step_at_ns": None, "reopened_ns": None}
"""An answer ends everything that only went on because nobody had answered."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Why an alert is kept back, and until when (None: until something lets it go)."""

    why: str
    until_ns: int | None


def subject_of(finding: Finding) -> str:
    """Whom a finding is about: the resident, or the device for a technical one."""
    kind = KINDS[finding.kind]
    if finding.resident_id is not None and not kind.technical:
        return f"resident:{finding.resident_id}"
    if finding.devices:
        return f"device:{finding.devices[0]}"
    return "site" if finding.resident_id is None else f"resident:{finding.resident_id}"


def alert_id_of(finding: Finding) -> str:
    """The identity of the alert that a finding opens: the same finding always gives the same one."""
    return str(uuid.uuid5(NAMESPACE, json.dumps([subject_of(finding), finding.kind, finding.episode])))


def open_alert(
    finding: Finding,
    now_ns: int,
    *,
    test: bool = False,
    cancel_window_s: float | None = None,
    hold: Hold | None = None,
) -> Step:
    """A new alert: suspected with its cancel window (the kind's own where None), or raised at once.

    hold: it is kept back instead, however sure the finding is.
    """
    kind = KINDS[finding.kind]
    window_s = kind.cancel_window_s if cancel_window_s is None else cancel_window_s
    alert = Alert(
        id=alert_id_of(finding),
        subject=subject_of(finding),
        kind=kind.name,
        resident_id=finding.resident_id,
        priority=kind.priority,
        latching=kind.latching,
        state=State.SUSPECTED,
        phase=finding.phase,
        confidence=finding.confidence,
        devices=finding.devices,
        evidence=plain(dict(finding.evidence)),
        episodes={finding.episode: finding.phase},
        at_ns=finding.at_ns,
        last_at_ns=finding.at_ns,
        created_ns=now_ns,
        test=test,
        window_until_ns=now_ns + int(window_s * 1e9),
    )
    step = moved_to(alert, EntryType.OPENED, ANALYTICS, now_ns, detail=_facts(finding))
    step = Step(step.alert, (replace(step.entries[0], from_state=None),))
    if hold is not None:
        return step.then(kept_back(step.alert, hold, now_ns))
    if finding.phase is Phase.CONFIRMED or window_s <= 0:
        return step.then(_raise(step.alert, now_ns, reason=finding.phase.value))
    return step


def folds(alert: Alert, finding: Finding) -> bool:
    """Whether a finding of a new episode belongs to this latest alert of its subject and kind.

    It does while nobody has answered. Afterwards only when it happened within 10 s of what the alert is about:
    another sensor telling the same. A closed alert takes it only if a person closed it, and after the event;
    what the machine closed by itself never hides another sensor's view.
    """
    if not alert.state.answered:
        return True
    near = abs(finding.at_ns - alert.last_at_ns) <= SAME_EVENT_NS
    if alert.state.open:
        return near
    by_person = alert.closed_by not in (ANALYTICS, SYSTEM)
    return near and by_person and alert.closed_ns is not None and finding.at_ns <= alert.closed_ns


def see(alert: Alert, finding: Finding, now_ns: int) -> Step:
    """A finding of a known or a folded episode. A closed alert does not change.

    A device that joins what others have told already is news, even when the phase stays.
    """
    known = alert.episodes.get(finding.episode)
    joined = finding.phase is known and not set(finding.devices) <= set(alert.devices)
    if not alert.state.open or not (_advances(known, finding.phase) or joined):
        return Step(alert)
    if finding.phase is Phase.CLEARED:
        return _clear(alert, finding, now_ns)
    entry = EntryType.CONFIRMED if finding.phase is Phase.CONFIRMED else EntryType.FOLDED
    updated = _absorb(alert, finding, new=known is None)
    step = moved_to(updated, EntryType.FOLDED if known is None else entry, ANALYTICS, now_ns, detail=_facts(finding))
    if step.alert.state is State.SUSPECTED and finding.phase is Phase.CONFIRMED and not step.alert.held:
        return step.then(_raise(step.alert, now_ns, reason="confirmed"))
    return step


def expire(alert: Alert, now_ns: int) -> Step:
    """The cancel window may be over: raise. A clock that was set back ends the window too, never prolongs it."""
    if alert.state is not State.SUSPECTED:
        return Step(alert)
    until = alert.window_until_ns
    if until is None and alert.held:
        return Step(alert)
    if until is None or now_ns >= until or now_ns < alert.created_ns - CLOCK_STEP_NS:
        return _raise(alert, now_ns, reason=f"{alert.held}_over" if alert.held else "window_over")
    return Step(alert)


def kept_back(alert: Alert, hold: Hold, now_ns: int) -> Step:
    """A suspected alert is not raised before the hold ends; one that is raised already is never lowered."""
    if alert.state is not State.SUSPECTED:
        return Step(alert)
    held = replace(alert, held=hold.why, window_until_ns=hold.until_ns)
    return moved_to(alert, EntryType.HELD, SYSTEM, now_ns, to=held, detail={"why": hold.why, "until": hold.until_ns})


def let_go(alert: Alert, now_ns: int) -> Step:
    """What kept it back is over: raise."""
    if not alert.held or alert.state is not State.SUSPECTED:
        return Step(alert)
    return _raise(alert, now_ns, reason=f"{alert.held}_over")


def delivered(alert: Alert, now_ns: int, *, channel: str, contact: str) -> Step:
    """The far side has accepted the alert. Only a raised alert moves; that someone was told is never an answer."""
    if alert.state is not State.RAISED:
        return Step(alert)
    detail = {"channel": channel, "contact": contact}
    moved = replace(alert, state=State.DELIVERED, delivered_ns=now_ns)
    return moved_to(alert, EntryType.DELIVERED, SYSTEM, now_ns, to=moved, detail=detail)


def repeated(alert: Alert, now_ns: int, *, next_at_ns: int | None) -> Step:
    """Nobody has answered in time: everybody is told again."""
    if not alert.waiting:
        return Step(alert)
    moved = replace(alert, repeats=alert.repeats + 1, repeat_at_ns=next_at_ns, scheduled_ns=now_ns)
    return moved_to(alert, EntryType.REPEATED, SYSTEM, now_ns, to=moved, detail={"repeat": moved.repeats})


def reopened(alert: Alert, now_ns: int) -> Step:
    """Somebody answered, and nobody has resolved it in time: a person must answer again. The state stays."""
    if not alert.state.open or not alert.state.answered:
        return Step(alert)
    number = alert.reopened + 1
    moved = replace(alert, reopened=number, reopened_ns=now_ns, reopen_at_ns=None)
    detail = {"reopened": number, "answered_by": alert.answered_by}
    return moved_to(alert, EntryType.REOPENED, SYSTEM, now_ns, to=moved, detail=detail)


def asked(alert: Alert, now_ns: int) -> Step:
    """The resident has been asked on the spot. Only a suspected alert asks."""
    if alert.state is not State.SUSPECTED or alert.asked_ns is not None:
        return Step(alert)
    to = replace(alert, asked_ns=now_ns)
    return moved_to(alert, EntryType.PROMPTED, SYSTEM, now_ns, to=to, detail={"asked": True})


def answer_prompt(alert: Alert, answer: str, by: str, now_ns: int) -> Step:
    """The resident says "fine" or "help". Fine ends what is only suspected; help raises it at once.

    What is raised already is only told of it: a person must have a look. Raises like `acknowledge`.
    """
    by = _named(alert, by, "answered")
    to = replace(alert, prompt=answer)
    step = moved_to(alert, EntryType.PROMPTED, by, now_ns, to=to, detail={"answer": answer})
    if alert.state is not State.SUSPECTED:
        return step
    if answer == "fine":
        return step.then(_close(step.alert, State.CANCELLED, Outcome.FALSE_ALARM, by, now_ns, None))
    return step.then(_raise(step.alert, now_ns, reason="asked_for_help"))


def acknowledge(alert: Alert, by: str, now_ns: int, *, note: str | None = None) -> Step:
    """A named person takes it. A suspected alert is raised first, so that everybody concerned hears of it.

    The first to acknowledge stays on record; a second person is noted. Raises NamelessPersonError or
    RefusedTransitionError (closed).
    """
    by = _named(alert, by, "acknowledged")
    step = Step(alert)
    if alert.state is State.SUSPECTED:
        step = _raise(alert, now_ns, reason="acknowledged")
    return step.then(_answer(step.alert, State.ACKNOWLEDGED, by, now_ns, note))


def en_route(alert: Alert, by: str, now_ns: int, *, note: str | None = None) -> Step:
    """A named person is on the way; this acknowledges too. Raises like `acknowledge`."""
    step = acknowledge(alert, by, now_ns) if not alert.state.answered else Step(alert)
    return step.then(_answer(step.alert, State.EN_ROUTE, _named(alert, by, "en_route"), now_ns, note))


def on_scene(alert: Alert, by: str, now_ns: int, *, note: str | None = None) -> Step:
    """A named person has arrived; this acknowledges too. Raises like `acknowledge`."""
    step = acknowledge(alert, by, now_ns) if not alert.state.answered else Step(alert)
    return step.then(_answer(step.alert, State.ON_SCENE, _named(alert, by, "on_scene"), now_ns, note))


def resolve(alert: Alert, outcome: Outcome, by: str, now_ns: int, *, note: str | None = None) -> Step:
    """A named person says what it was; the alert ends. Raises like `acknowledge`."""
    by = _named(alert, by, "resolved")
    return _close(alert, State.RESOLVED, outcome, by, now_ns, note)


def cancel(alert: Alert, by: str, now_ns: int, *, note: str | None = None) -> Step:
    """A named person says that no help is needed; the alert ends. Raises like `acknowledge`."""
    by = _named(alert, by, "cancelled")
    return _close(alert, State.CANCELLED, Outcome.FALSE_ALARM, by, now_ns, note)


def record(alert: Alert, entry: EntryType, who: str, now_ns: int, detail: Mapping[str, Any]) -> Step:
    """Write a fact into the history without changing the alert."""
    return moved_to(alert, entry, who, now_ns, detail=detail)


def _raise(alert: Alert, now_ns: int, *, reason: str) -> Step:
    raised = replace(alert, state=State.RAISED, raised_ns=now_ns, window_until_ns=None, held=None)
    detail = {"reason": reason} | ({"held": alert.held} if alert.held else {})
    return moved_to(alert, EntryType.RAISED, SYSTEM, now_ns, to=raised, detail=detail)


def _clear(alert: Alert, finding: Finding, now_ns: int) -> Step:
    """The cause of one episode has gone. See the module's rules: it ends only what a person need not end."""
    if finding.episode not in alert.episodes:
        return Step(alert)
    episodes = {**alert.episodes, finding.episode: Phase.CLEARED}
    step = moved_to(replace(alert, episodes=episodes), EntryType.CLEARED, ANALYTICS, now_ns, detail=_facts(finding))
    if any(phase is not Phase.CLEARED for phase in episodes.values()):
        return step
    if alert.state is State.SUSPECTED:
        return step.then(_close(step.alert, State.CANCELLED, Outcome.RECOVERED, ANALYTICS, now_ns, None))
    if not alert.latching and alert.state.rank <= State.ACKNOWLEDGED.rank:
        return step.then(_close(step.alert, State.RESOLVED, Outcome.RECOVERED, ANALYTICS, now_ns, None))
    return step


def _answer(alert: Alert, state: State, by: str, now_ns: int, note: str | None) -> Step:
    if alert.state.rank >= state.rank:
        return _again(alert, state, by, now_ns, note)
    changes: dict[str, Any] = {"state": state, f"{state.value}_ns": now_ns, **ANSWERED, "answered_by": by}
    if state is State.ACKNOWLEDGED:
        changes["acknowledged_by"] = by
    return moved_to(alert, EntryType(state.value), by, now_ns, to=replace(alert, **changes), note=note)


def _again(alert: Alert, state: State, by: str, now_ns: int, note: str | None) -> Step:
    """An answer to what is answered already: another person or a note is recorded, a plain repeat is not.

    After the alert was raised again, any answer is one.
    """
    if by == alert.acknowledged_by and note is None and not alert.waiting:
        return Step(alert)
    to = replace(alert, **ANSWERED, answered_by=by)
    return moved_to(alert, EntryType(state.value), by, now_ns, to=to, note=note, detail={"already": alert.state.value})


def _close(alert: Alert, state: State, outcome: Outcome, by: str, now_ns: int, note: str | None) -> Step:
    closed = replace(
        alert,
        state=state,
        outcome=outcome,
        closed_ns=now_ns,
        closed_by=by,
        note=note,
        window_until_ns=None,
        **ANSWERED,
        reopen_at_ns=None,
    )
    detail = {"outcome": outcome.value}
    return moved_to(alert, EntryType(state.value), by, now_ns, to=closed, note=note, detail=detail)


def _absorb(alert: Alert, finding: Finding, *, new: bool) -> Alert:
    better = finding.phase is Phase.CONFIRMED or alert.phase is Phase.SUSPECTED
    return replace(
        alert,
        episodes={**alert.episodes, finding.episode: finding.phase},
        count=alert.count + new,
        phase=Phase.CONFIRMED if Phase.CONFIRMED in (alert.phase, finding.phase) else alert.phase,
        confidence=max(alert.confidence, finding.confidence),
        devices=alert.devices + tuple(device for device in finding.devices if device not in alert.devices),
        evidence=plain(dict(finding.evidence)) if better and finding.evidence else alert.evidence,
        last_at_ns=max(alert.last_at_ns, finding.at_ns),
    )


def _advances(known: Phase | None, phase: Phase) -> bool:
    order = tuple(Phase)
    return known is None or order.index(phase) > order.index(known)


def _named(alert: Alert, by: str, wanted: str) -> str:
    name = by.strip()
    if not name or name in (SYSTEM, ANALYTICS):
        raise NamelessPersonError
    if not alert.state.open:
        raise RefusedTransitionError(alert.id, alert.state, wanted, "it is closed already")
    return name


def _facts(finding: Finding) -> dict[str, Any]:
    return {
        "episode": finding.episode,
        "phase": finding.phase.value,
        "at_ns": finding.at_ns,
        "confidence": finding.confidence,
        "devices": list(finding.devices),
        "evidence": dict(finding.evidence),
    }
