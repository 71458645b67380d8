"""Writes what happened to alerts, all within one transaction: alert, history, audit row and outbox rows.

What a caller of the service sees afterwards (changes for the live stream, closed episodes, whether there is something
to send) is gathered here and handed out only once the transaction is on disk.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gateway.alerts import lifecycle, outbox, records
from gateway.alerts.lifecycle import SYSTEM, Alert, Entry, EntryType, Outcome, State, Step
from gateway.alerts.routing import Escalation, Route, Router
from gateway.audit import append_audit, digest

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gateway.alerts.payload import PayloadBuilder

ANSWERS = (EntryType.ACKNOWLEDGED, EntryType.EN_ROUTE, EntryType.ON_SCENE)
ENDS = (EntryType.RESOLVED, EntryType.CANCELLED)


@dataclass(frozen=True, slots=True)
class AlertChange:
    """What listeners get, after it is on disk: the alert as it is now and the new lines of its history."""

    alert: Alert
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """How this site routes, repeats and words its alerts."""

    router: Router
    payloads: PayloadBuilder
    escalation: Escalation


class Recorder:
    """One transaction's worth of changes. via: the target (channel, contact) that caused them, if one did."""

    def __init__(self, session: Session, now_ns: int, rules: Rules, via: tuple[str, str] | None = None) -> None:
        self.session = session
        self.now_ns = now_ns
        self._rules = rules
        self._via = via
        self.changes: list[AlertChange] = []
        self.to_send = False

    def save(self, step: Step) -> Alert:
        """Write a step, with everything that follows from it. A step without entries changes nothing."""
        if not step.entries:
            return step.alert
        alert = self._with_repeat(step)
        records.store(self.session, alert)
        for entry in step.entries:
            self._write(alert, entry)
        self.session.flush()
        self.changes.append(AlertChange(alert, step.entries))
        if any(entry.type is EntryType.RAISED for entry in step.entries) and not self._raise(alert):
            alert = self.save(lifecycle.record(alert, EntryType.NO_ROUTE, SYSTEM, self.now_ns, {}))
        for entry in step.entries:
            self._follow(alert, entry)
        return alert

    def audit(self, action: str, alert_id: str, **detail: Any) -> None:
        """Add an audit row about an alert."""
        append_audit(
            self.session,
            at_ns=self.now_ns,
            actor=SYSTEM,
            action=action,
            subject=f"alert:{alert_id}",
            detail=detail,
        )

    def _with_repeat(self, step: Step) -> Alert:
        raised = any(entry.type is EntryType.RAISED for entry in step.entries)
        wait_s = self._rules.escalation.repeat_s[step.alert.priority]
        if not raised or wait_s is None or step.alert.state.answered:
            return step.alert
        return replace(step.alert, repeat_at_ns=self.now_ns + int(wait_s * 1e9))

    def _write(self, alert: Alert, entry: Entry) -> None:
        records.store_entry(self.session, alert.id, entry)
        content = [entry.type, entry.who, entry.note, entry.detail]
        detail = {"revision": entry.revision, "from": entry.from_state, "to": entry.to_state, "digest": digest(content)}
        append_audit(
            self.session,
            at_ns=entry.at_ns,
            actor=entry.who,
            action=f"alert.{entry.type.value}",
            subject=f"alert:{alert.id}",
            detail=detail,
        )

    def _raise(self, alert: Alert) -> bool:
        routes = self._rules.router.routes(self.session, alert)
        self._send(alert, outbox.RAISED, routes, 0)
        return bool(routes)

    def _follow(self, alert: Alert, entry: Entry) -> None:
        if entry.type is EntryType.REPEATED:
            self._repeat(alert)
        elif entry.type in ANSWERS:
            outbox.withdraw_unsent(self.session, alert.id, reason="answered")
            if self._via is not None:
                outbox.mark_acknowledged(self.session, alert.id, *self._via)
            self._tell(alert, outbox.UPDATED, entry.revision, and_waiting=True)
        elif entry.type is EntryType.CONFIRMED and entry.from_state is not State.SUSPECTED:
            self._tell(alert, outbox.UPDATED, entry.revision)
        elif entry.type in ENDS:
            stand_down = entry.type is EntryType.CANCELLED or alert.outcome is Outcome.FALSE_ALARM
            outbox.withdraw_all(self.session, alert.id)
            self._tell(alert, outbox.CANCELLED if stand_down else outbox.RESOLVED, entry.revision)

    def _repeat(self, alert: Alert) -> None:
        on_its_way = outbox.waiting_targets(self.session, alert.id)
        idle = [r for r in outbox.told(self.session, alert.id) if (r.channel, r.contact) not in on_its_way]
        self._send(alert, outbox.RAISED, idle, alert.repeats)

    def _tell(self, alert: Alert, event: str, number: int, *, and_waiting: bool = False) -> None:
        """Everyone who has been told, but not the one from whom we have it."""
        told = outbox.told(self.session, alert.id, and_waiting=and_waiting)
        self._send(alert, event, [r for r in told if (r.channel, r.contact) != self._via], number)

    def _send(self, alert: Alert, event: str, routes: list[Route], number: int) -> None:
        if not routes:
            return
        payload = self._rules.payloads.build(self.session, alert, event)
        unique: dict[tuple[str, str], Route] = {}
        for route in routes:
            unique.setdefault((route.channel, route.contact), route)
        for route in unique.values():
            outbox.enqueue(self.session, alert, event, route, payload, self.now_ns, number)
        self.session.flush()
        self.to_send = True
