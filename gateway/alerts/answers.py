"""What a person can say about an alert, and the call-backs that were applied already; within a transaction."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import delete

from gateway.alerts import lifecycle
from gateway.models import CallbackRow

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gateway.alerts.alert import Alert, Outcome, Step

Via = tuple[str, str]
KEEP_CALLBACKS_NS = 72 * 3600 * 10**9


class Answer(StrEnum):
    """What a person can say about an alert."""

    ACKNOWLEDGED = "acknowledged"
    EN_ROUTE = "en_route"
    ON_SCENE = "on_scene"
    RESOLVED = "resolved"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class External:
    """An answer that came from outside under an identity of its own (a signed call-back)."""

    webhook_id: str
    body_sha256: str
    via: Via


@dataclass(frozen=True, slots=True)
class ExternalResult:
    """applied: the alert took it. repeated: it was known already, `applied` and `reason` are those of the first."""

    applied: bool
    repeated: bool
    reason: str


def answered(
    alert: Alert, answer: Answer, who: str, now_ns: int, *, note: str | None = None, outcome: Outcome | None = None
) -> Step:
    """The alert after a person's answer. Raises LifecycleError."""
    if answer is Answer.RESOLVED:
        if outcome is None:
            raise lifecycle.RefusedTransitionError(
                alert.id, alert.state, "resolved", "say what it was: give an outcome"
            )
        return lifecycle.resolve(alert, outcome, who, now_ns, note=note)
    act = {
        Answer.ACKNOWLEDGED: lifecycle.acknowledge,
        Answer.EN_ROUTE: lifecycle.en_route,
        Answer.ON_SCENE: lifecycle.on_scene,
        Answer.CANCELLED: lifecycle.cancel,
    }[answer]
    return act(alert, who, now_ns, note=note)


def remember_callback(session: Session, external: External, now_ns: int, reason: str) -> None:
    """Write down that a call-back came and how it was answered, and forget the oldest."""
    session.execute(delete(CallbackRow).where(CallbackRow.seen_ns < now_ns - KEEP_CALLBACKS_NS))
    session.add(
        CallbackRow(
            webhook_id=external.webhook_id,
            body_sha256=external.body_sha256,
            seen_ns=now_ns,
            applied=not reason,
            reason=reason,
        )
    )


def seen_before(seen: CallbackRow, external: External) -> ExternalResult:
    """What to answer to a call-back that came before."""
    if seen.body_sha256 != external.body_sha256:
        return ExternalResult(applied=False, repeated=True, reason="the same webhook-id came with another body")
    return ExternalResult(seen.applied, repeated=True, reason=seen.reason)
