"""Who was told of an alert and what the far side said, at which step it is, and who is on call: read, then as HTML.

Reading is one transaction for all open alerts; the rest is pure. Every text that comes from people is escaped here.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from sqlalchemy import select

from gateway.alerts import holds
from gateway.alerts.oncall import who
from gateway.alerts.outbox import RAISED, RowState
from gateway.alerts.routing import ASSIST
from gateway.console.markup import clock_text, name_of_kind
from gateway.console.texts import speaker
from gateway.models import ContactRow, OutboxRow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy.orm import Session

    from gateway.alerts.alert import Alert
    from gateway.context import Context

WORDS = {
    RowState.DELIVERED: "told",
    RowState.ACKNOWLEDGED: "answered",
    RowState.DEAD: "dead",
    RowState.PENDING: "waiting",
    RowState.INFLIGHT: "waiting",
}
BAD = ("dead", "waiting")


@dataclass(frozen=True, slots=True)
class Told:
    """The latest message to one contact. name: None for the 助急 service. said: why it did not arrive, else empty."""

    name: str | None
    channel: str
    word: str
    said: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Telling:
    """How far an alert has climbed. step counts from 1, 0 before the first; next_ns: when the next is due."""

    step: int
    steps: int
    next_ns: int | None
    reopened: int
    held: str | None
    held_until_ns: int | None
    told: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class Duty:
    """Each schedule with the names of who is on call now (empty: nobody), and what is being held back."""

    on_call: tuple[tuple[str, tuple[str, ...]], ...] = ()
    holds: tuple[holds.Silence, ...] = ()


def read(context: Context, alerts: Sequence[Alert]) -> tuple[dict[str, Telling], Duty]:
    """Of every open alert, and who is on duty. Blocking: one read transaction."""
    now_ns = context.clock()
    with context.database.read() as session:
        names = {row[0]: row[1] for row in session.execute(select(ContactRow.id, ContactRow.name))}
        told = _told(session, [alert.id for alert in alerts], names)
        plan, zone = context.alerts.router.plan(session), context.alerts.router.zone
        held = tuple(holds.in_force(session, now_ns))
    on_call = []
    for schedule in plan.schedule:
        duty = who(schedule, now_ns, zone)
        on_call.append((schedule.name, tuple(names.get(one, one) for one in duty.people) if duty else ()))
    return {alert.id: _telling(alert, told.get(alert.id, ())) for alert in alerts}, Duty(tuple(on_call), held)


def _told(session: Session, alert_ids: Sequence[str], names: Mapping[str, str]) -> dict[str, tuple[Told, ...]]:
    query = select(OutboxRow).where(OutboxRow.alert_id.in_(alert_ids), OutboxRow.event == RAISED)
    latest: dict[str, dict[tuple[str, str], Told]] = {}
    for row in session.scalars(query.order_by(OutboxRow.id)):
        state = RowState(row.state)
        if state not in WORDS:
            continue
        name = None if row.contact == ASSIST else names.get(row.contact, row.contact)
        said = "" if state in (RowState.DELIVERED, RowState.ACKNOWLEDGED) else row.last_error or ""
        told = Told(name, row.channel, WORDS[state], said, row.attempts)
        latest.setdefault(row.alert_id, {})[row.channel, row.contact] = told
    return {alert_id: tuple(found.values()) for alert_id, found in latest.items()}


def _telling(alert: Alert, told: tuple[Told, ...]) -> Telling:
    steps = len(alert.plan.get("steps", ())) if alert.plan else 0
    until_ns = alert.window_until_ns if alert.held else None
    return Telling(alert.step + 1, steps, alert.step_at_ns, alert.reopened, alert.held, until_ns, told)


def telling_html(telling: Telling, now_ns: int, language: str) -> str:
    """One folded line: the step and how many were told; inside, everybody with the far side's word."""
    say = speaker(language)
    marks = []
    if telling.held:
        until = "" if telling.held_until_ns is None else clock_text(telling.held_until_ns, now_ns)
        marks.append(say(f"held.{telling.held}", clock=until))
    if telling.reopened:
        marks.append(say("told.reopened", count=telling.reopened))
    if telling.step > 0 and telling.steps:
        marks.append(say("told.step", step=telling.step, steps=telling.steps))
    if telling.next_ns is not None:
        marks.append(say("told.next", clock=clock_text(telling.next_ns, now_ns)))
    arrived = sum(one.word not in BAD for one in telling.told)
    marks.append(say("told.number", arrived=arrived, all=len(telling.told)) if telling.told else say("told.nobody"))
    if not telling.told:
        return f'<p class="y-told-none">{escape(" · ".join(marks))}</p>'
    rows = "".join(_row(one, say) for one in telling.told)
    summary = escape(" · ".join(marks))
    return f'<details class="y-told" data-fold="told"><summary>{summary}</summary><ul>{rows}</ul></details>'


def _row(told: Told, say: Callable[..., str]) -> str:
    said = f"<small>{escape(told.said)}</small>" if told.said else ""
    tries = f" ×{told.attempts}" if told.attempts > 1 else ""
    name = say("told.assist") if told.name is None else told.name
    look = "y-fault-text" if told.word in BAD else "y-well"
    return (
        f'<li data-told="{told.word}"><b>{escape(name)}</b> <span>{escape(told.channel)}</span>'
        f' <span class="{look}">{say(f"told.{told.word}")}{tries}</span> {said}</li>'
    )


def duty_html(
    duty: Duty, names: Mapping[str, str], may_see: Callable[[str | None], bool], now_ns: int, language: str
) -> str:
    """Who is on call now, and every pause and maintenance with its end. names: of the residents."""
    say, comma = speaker(language), ", " if language == "en" else "、"
    lines = []
    for schedule, people in duty.on_call:
        told = escape(comma.join(people)) if people else f'<b class="y-fault-text">{say("duty.nobody")}</b>'
        lines.append(f'<li data-on-call="{escape(schedule)}">{say("duty.on_call")} {escape(schedule)}: {told}</li>')
    for hold in duty.holds:
        if not may_see(hold.resident_id):
            continue
        about = names.get(hold.resident_id, hold.resident_id) if hold.resident_id else hold.device_id
        what = name_of_kind(hold.kind, language) if hold.kind else ""
        whom = " ".join(one for one in (about or say("alerts.site"), what) if one)
        text = say(f"duty.{hold.what}", whom=whom, clock=clock_text(hold.until_ns, now_ns), reason=hold.reason)
        lines.append(f'<li data-hold="{hold.id}">{escape(text)}</li>')
    return f'<ul class="y-duty">{"".join(lines)}</ul>' if lines else ""
