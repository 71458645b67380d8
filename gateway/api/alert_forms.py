"""What is asked and told about alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from analytics.first_steps import FIRST_STEPS
from analytics.kinds import KINDS
from gateway.alerts.lifecycle import EntryType, Outcome, State
from gateway.alerts.payload import PRIORITY_NAMES
from gateway.api.forms import Answer, Form, LongText, Moment, Name, Words, moment, moment_or_none

if TYPE_CHECKING:
    from gateway.alerts.lifecycle import Alert, Entry
    from gateway.alerts.outbox import OutboxItem

STATES = {
    State.SUSPECTED: Words(zh="疑似", en="Suspected"),
    State.RAISED: Words(zh="已报警", en="Raised"),
    State.DELIVERED: Words(zh="已送达", en="Delivered"),
    State.ACKNOWLEDGED: Words(zh="已接警", en="Acknowledged"),
    State.EN_ROUTE: Words(zh="赶往途中", en="On the way"),
    State.ON_SCENE: Words(zh="已到现场", en="On scene"),
    State.RESOLVED: Words(zh="已处理", en="Resolved"),
    State.CANCELLED: Words(zh="已取消", en="Cancelled"),
}
By = Annotated[
    Name | None, Field(description="The person who answers; the key's name where left out", examples=["王护士"])
]


class AnswerForm(Form):
    """A person's answer to an alert."""

    by: By = None
    note: LongText | None = None


class ResolveForm(Form):
    """What it really was."""

    outcome: Annotated[Outcome, Field(strict=False, examples=["real_fall"])]
    by: By = None
    note: LongText | None = None


class AlertAnswer(Answer):
    """An alert as it is now. at: when it happened; created: when the gateway learned of it."""

    id: str
    kind: Annotated[str, Field(examples=["fall"])]
    title: Words
    first_step: Annotated[Words | None, Field(description="What a carer does first")]
    priority: Annotated[str, Field(examples=["high"], description="high, medium or low")]
    state: Annotated[State, Field(examples=["raised"])]
    state_title: Words
    open: bool
    test: bool
    resident_id: Annotated[str | None, Field(examples=["r1"])]
    subject: Annotated[str, Field(examples=["resident:r1"])]
    devices: list[str]
    phase: Annotated[str, Field(examples=["confirmed"])]
    confidence: float
    evidence: Annotated[dict[str, Any], Field(examples=[{"peak_g": 3.4}])]
    count: Annotated[int, Field(description="How many episodes are folded into it")]
    repeats: Annotated[int, Field(description="How often everybody was told again")]
    revision: int
    at: Moment
    last_at: Moment
    created: Moment
    window_until: Annotated[Moment | None, Field(description="Until when a suspected alert waits to be cancelled")]
    raised: Moment | None
    delivered: Moment | None
    acknowledged: Moment | None
    acknowledged_by: str | None
    en_route: Moment | None
    on_scene: Moment | None
    closed: Moment | None
    closed_by: str | None
    outcome: Outcome | None
    note: str | None


class EntryAnswer(Answer):
    """One line of an alert's history."""

    revision: int
    at: Moment
    type: EntryType
    from_state: State | None
    to_state: State
    who: str
    note: str | None
    detail: dict[str, Any]


class DispatchAnswer(Answer):
    """One message to one contact, and how far it has come."""

    id: int
    event: Annotated[str, Field(examples=["alert.raised"])]
    channel: Annotated[str, Field(examples=["assist"])]
    contact: str
    state: Annotated[str, Field(examples=["delivered"])]
    attempts: int
    created: Moment
    delivered: Moment | None
    last_error: str | None


class AlertWithHistory(Answer):
    """An alert, everything that happened to it (the oldest first), and who was told."""

    alert: AlertAnswer
    history: list[EntryAnswer]
    dispatches: list[DispatchAnswer]


class AlertPage(Answer):
    """Alerts, the newest first. next: give it as `cursor` for the following page; null at the end."""

    alerts: list[AlertAnswer]
    next: str | None


def alert_answer(alert: Alert) -> AlertAnswer:
    """An alert as it is told."""
    kind, first = KINDS.get(alert.kind), FIRST_STEPS.get(alert.kind)
    times = ("window_until", "raised", "delivered", "acknowledged", "en_route", "on_scene", "closed")
    same = (
        *("id", "kind", "state", "test", "resident_id", "subject", "confidence", "count", "repeats", "revision"),
        *("acknowledged_by", "closed_by", "outcome", "note"),
    )
    taken: dict[str, Any] = {name: getattr(alert, name) for name in same}
    taken |= {name: moment_or_none(getattr(alert, f"{name}_ns")) for name in times}
    return AlertAnswer(
        **taken,
        title=Words(zh=kind.zh, en=kind.en) if kind else Words(zh=alert.kind, en=alert.kind),
        first_step=Words(zh=first.zh, en=first.en) if first else None,
        priority=PRIORITY_NAMES[alert.priority],
        state_title=STATES[alert.state],
        open=alert.state.open,
        devices=list(alert.devices),
        phase=alert.phase.value,
        evidence=dict(alert.evidence),
        at=moment(alert.at_ns),
        last_at=moment(alert.last_at_ns),
        created=moment(alert.created_ns),
    )


def entry_answer(entry: Entry) -> EntryAnswer:
    """A line of history as it is told."""
    return EntryAnswer(
        revision=entry.revision,
        at=moment(entry.at_ns),
        type=entry.type,
        from_state=entry.from_state,
        to_state=entry.to_state,
        who=entry.who,
        note=entry.note,
        detail=dict(entry.detail),
    )


def dispatch_answer(item: OutboxItem) -> DispatchAnswer:
    """A message as it is told."""
    return DispatchAnswer(
        id=item.id,
        event=item.event,
        channel=item.channel,
        contact=item.contact,
        state=item.state.value,
        attempts=item.attempts,
        created=moment(item.created_ns),
        delivered=moment_or_none(item.delivered_ns),
        last_error=item.last_error,
    )
