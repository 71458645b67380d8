"""What people do with alerts on the page: checked against their key, done in the database thread, answered in words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import structlog

from gateway.alerts.lifecycle import LifecycleError, NamelessPersonError, Outcome
from gateway.alerts.service import UnknownAlertError
from gateway.console.session import Session, Visitor, person_of
from gateway.console.views import Action

if TYPE_CHECKING:
    from gateway.alerts.lifecycle import Alert
    from gateway.console.entry import Door
    from gateway.context import Context

log = structlog.get_logger(__name__)

MAX_NOTE = 2_000


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants of an alert. person: the name to record, the session's where absent."""

    alert_id: str
    action: Action
    outcome: Outcome | None = None
    note: str | None = None
    person: str | None = None


async def answer(door: Door, session: Session, wish: Wish) -> str | None:
    """Do it; None when it is recorded, else the key of the text that says why it is not.

    The key is looked up again, so that a withdrawn one stops at once.
    """
    try:
        visitor = await door.visit(session)
        if visitor is None or not visitor.may_answer or not await _concerns(door.context, visitor, wish.alert_id):
            return "answer.not_allowed"
        await _record(door.context, _named(visitor, wish), wish)
    except NamelessPersonError:
        return "answer.nameless"
    except UnknownAlertError:
        return "answer.unknown"
    except LifecycleError:
        return "answer.closed"
    except Exception:
        log.exception("console.answer_failed", alert=wish.alert_id, action=wish.action)
        return "answer.box_fault"
    return None


async def _concerns(context: Context, visitor: Visitor, alert_id: str) -> bool:
    alert: Alert = await context.in_database(context.alerts.get, alert_id)
    return visitor.key.may_see(alert.resident_id)


def _named(visitor: Visitor, wish: Wish) -> Visitor:
    if wish.person is None:
        return visitor
    person = person_of(wish.person)
    if not person:
        raise NamelessPersonError
    return replace(visitor, session=replace(visitor.session, person=person))


async def _record(context: Context, visitor: Visitor, wish: Wish) -> None:
    alerts = context.alerts
    act: Any = {
        Action.ACKNOWLEDGE: alerts.acknowledge,
        Action.EN_ROUTE: alerts.en_route,
        Action.ON_SCENE: alerts.on_scene,
        Action.RESOLVE: alerts.resolve,
        Action.CANCEL: alerts.cancel,
    }[wish.action]
    more = {"outcome": wish.outcome or Outcome.OTHER} if wish.action is Action.RESOLVE else {}
    note = (wish.note or "").strip()[:MAX_NOTE] or None
    await context.in_database(act, wish.alert_id, visitor.name, context.clock(), note=note, **more)
