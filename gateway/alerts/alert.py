"""What an alert is: its states, its history's entries, and the errors of answers that it cannot take. Values only.

LifecycleError
+-- NamelessPersonError      an answer without a name
+-- RefusedTransitionError   the alert is closed already, or the step needs what was not given
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from gateway.audit import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analytics.findings import Phase
    from analytics.kinds import Priority

SYSTEM = "system"
ANALYTICS = "analytics"
CLOCK_STEP_NS = 5_000_000_000
"""The clock was set back when `now` is this much before something that has already been written down."""


class State(StrEnum):
    """Where an alert stands, in order."""

    SUSPECTED = "suspected"
    RAISED = "raised"
    DELIVERED = "delivered"
    ACKNOWLEDGED = "acknowledged"
    EN_ROUTE = "en_route"
    ON_SCENE = "on_scene"
    RESOLVED = "resolved"
    CANCELLED = "cancelled"

    @property
    def rank(self) -> int:
        """Position in the order of life; both ends have the same."""
        return min(tuple(State).index(self), 6)

    @property
    def open(self) -> bool:
        """True until the alert is resolved or cancelled."""
        return self.rank < 6

    @property
    def answered(self) -> bool:
        """True from the acknowledgement on."""
        return self.rank >= State.ACKNOWLEDGED.rank


UNANSWERED = (State.RAISED, State.DELIVERED)
OPEN = tuple(state for state in State if state.open)


class Outcome(StrEnum):
    """What it really was."""

    REAL_FALL = "real_fall"
    REAL_HELP = "real_help"
    FALSE_ALARM = "false_alarm"
    TEST = "test"
    RECOVERED = "recovered"
    OTHER = "other"


class EntryType(StrEnum):
    """What an entry of the history reports."""

    OPENED = "opened"
    RAISED = "raised"
    CONFIRMED = "confirmed"
    FOLDED = "folded"
    CLEARED = "cleared"
    DELIVERED = "delivered"
    REPEATED = "repeated"
    ACKNOWLEDGED = "acknowledged"
    EN_ROUTE = "en_route"
    ON_SCENE = "on_scene"
    RESOLVED = "resolved"
    CANCELLED = "cancelled"
    NO_ROUTE = "no_route"
    ESCALATED = "escalated"
    REOPENED = "reopened"
    PROMPTED = "prompted"
    HELD = "held"


class LifecycleError(ValueError):
    """Something a person asked of an alert cannot be done."""


class NamelessPersonError(LifecycleError):
    """An answer must carry the name of the person who gave it."""

    def __init__(self) -> None:
        super().__init__("who answers must be named: give a person's name")


class RefusedTransitionError(LifecycleError):
    """The alert cannot take this step; `state` is where it stands."""

    def __init__(self, alert_id: str, state: State, wanted: str, reason: str) -> None:
        super().__init__(f"alert {alert_id} is {state}: cannot be {wanted}, {reason}")
        self.alert_id = alert_id
        self.state = state
        self.wanted = wanted
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Alert:
    """A finding that a person must answer. Times are UTC nanoseconds.

    subject: whom it is about: "resident:ID", "device:ID" or "site". episodes: every episode of analytics folded
    into it, with its latest phase. phase: the highest phase any episode reached. at_ns: when the first episode
    happened; last_at_ns: the latest. created_ns: when the gateway learned of it. revision: number of history
    entries so far. count: number of episodes.

    policy, plan: who is to be told, as chosen when it opened. step: the step it has reached, -1 before the first.
    tellings: how often that step was taken. turn: whom the step has told so far. telling: number of the latest
    messages of a step. step_at_ns: when the next turn, repetition or step is due. scheduled_ns: when the times that
    are to come were set. answer_step: the step that reached whoever answered. reopen_at_ns: when an answered alert
    that nobody has resolved is raised again; reopened_ns: since when it is. card120: its messages carry the text for
    120. asked_ns, prompt: when the resident was asked on the spot, and the answer. held: why it is kept back
    ("paused", "maintenance", "grouped"), until window_until_ns.
    """

    id: str
    subject: str
    kind: str
    resident_id: str | None
    priority: Priority
    latching: bool
    state: State
    phase: Phase
    confidence: float
    devices: tuple[str, ...]
    evidence: Mapping[str, Any]
    episodes: Mapping[str, Phase]
    at_ns: int
    last_at_ns: int
    created_ns: int
    test: bool = False
    count: int = 1
    revision: int = 0
    window_until_ns: int | None = None
    repeats: int = 0
    repeat_at_ns: int | None = None
    raised_ns: int | None = None
    delivered_ns: int | None = None
    acknowledged_ns: int | None = None
    acknowledged_by: str | None = None
    en_route_ns: int | None = None
    on_scene_ns: int | None = None
    closed_ns: int | None = None
    closed_by: str | None = None
    outcome: Outcome | None = None
    note: str | None = None
    answered_by: str | None = None
    policy: str = ""
    plan: Mapping[str, Any] = field(default_factory=dict)
    step: int = -1
    tellings: int = 0
    turn: tuple[str, ...] = ()
    telling: int = 0
    step_at_ns: int | None = None
    scheduled_ns: int = 0
    answer_step: int = -1
    reopen_at_ns: int | None = None
    reopened_ns: int | None = None
    reopened: int = 0
    card120: bool = False
    asked_ns: int | None = None
    prompt: str | None = None
    held: str | None = None

    @property
    def waiting(self) -> bool:
        """It is raised, and a person must answer now: nobody has yet, or nobody has resolved it in time."""
        return self.state in UNANSWERED or (self.state.open and self.reopened_ns is not None)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of an alert's history; `revision` counts from 1. from_state is None for the first."""

    revision: int
    at_ns: int
    type: EntryType
    from_state: State | None
    to_state: State
    who: str
    note: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """The alert after something happened, and what to write into its history."""

    alert: Alert
    entries: tuple[Entry, ...] = ()

    def then(self, following: Step) -> Step:
        """Both steps as one; `following` was taken from this step's alert."""
        return Step(following.alert, self.entries + following.entries)


def moved_to(
    alert: Alert,
    entry: EntryType,
    who: str,
    now_ns: int,
    *,
    to: Alert | None = None,
    note: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> Step:
    """The alert (`to` where it changes) with one more line in its history."""
    moved = replace(to or alert, revision=alert.revision + 1)
    line = Entry(moved.revision, now_ns, entry, alert.state, moved.state, who, note, plain(dict(detail or {})))
    return Step(moved, (line,))
