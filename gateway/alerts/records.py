"""Alerts in the database: rows to values and back, and the queries by which alerts are found.

They go past the object layer of the database library: an alert is read and written for every finding and every message.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import ColumnElement, Select, Table, bindparam, func, insert, literal_column, select, update
from sqlalchemy.dialects import sqlite

from analytics.findings import Phase
from analytics.kinds import Priority
from gateway.alerts.alert import CLOCK_STEP_NS, OPEN, Alert, Entry, EntryType, Outcome, State
from gateway.models import AlertEventRow, AlertRow, EpisodeRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy.orm import Session

ALERTS = cast("Table", AlertRow.__table__)
EPISODES = cast("Table", EpisodeRow.__table__)
EVENTS = cast("Table", AlertEventRow.__table__)
ROWID: ColumnElement[int] = literal_column("alerts.rowid")
_ROW = sqlite.insert(EPISODES)
REMEMBER = _ROW.on_conflict_do_update(
    index_elements=["subject", "kind", "episode"], set_={"phase": _ROW.excluded.phase}
)
BY_ID = select(ALERTS).where(ALERTS.c.id == bindparam("wanted"))
EPISODES_OF = select(EPISODES.c.episode, EPISODES.c.phase).where(EPISODES.c.alert_id == bindparam("wanted"))
ALERT_OF = select(EPISODES.c.alert_id).where(
    EPISODES.c.subject == bindparam("subject"),
    EPISODES.c.kind == bindparam("kind"),
    EPISODES.c.episode == bindparam("episode"),
)
LATEST = (
    select(ALERTS)
    .where(
        ALERTS.c.subject == bindparam("subject"), ALERTS.c.kind == bindparam("kind"), ALERTS.c.test == bindparam("test")
    )
    .order_by(ROWID.desc())
    .limit(1)
)
PLAIN = tuple(
    name.name
    for name in fields(Alert)
    if name.name not in ("episodes", "priority", "state", "phase", "devices", "evidence", "outcome", "plan", "turn")
)
CHANGE = (
    update(ALERTS)
    .where(ALERTS.c.id == bindparam("wanted"))
    .values({name: bindparam(name) for name in ALERTS.c.keys() if name != "id"})  # noqa: SIM118 - names, not columns
)


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts to list; an absent condition does not restrict. since/until: when it happened."""

    states: tuple[State, ...] | None = None
    resident_id: str | None = None
    kinds: tuple[str, ...] | None = None
    test: bool | None = None
    since_ns: int | None = None
    until_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some alerts of a list, the newest first, and how many there are in all."""

    alerts: tuple[Alert, ...]
    total: int


def load(session: Session, alert_id: str) -> Alert | None:
    """One alert with its episodes, None where unknown."""
    return next(iter(_alerts(session, BY_ID, wanted=alert_id)), None)


def of_episode(session: Session, subject: str, kind: str, episode: str) -> Alert | None:
    """The alert an episode belongs to, open or closed, None for a new episode."""
    alert_id = session.execute(ALERT_OF, {"subject": subject, "kind": kind, "episode": episode}).scalar()
    return load(session, alert_id) if alert_id is not None else None


def latest(session: Session, subject: str, kind: str, *, test: bool) -> Alert | None:
    """The last alert that was opened about this subject and kind."""
    return next(iter(_alerts(session, LATEST, subject=subject, kind=kind, test=test)), None)


def open_alerts(session: Session) -> list[Alert]:
    """Every open alert, the most urgent and then the oldest first."""
    query = select(ALERTS).where(AlertRow.state.in_(OPEN)).order_by(AlertRow.priority, AlertRow.created_ns, ROWID)
    return _alerts(session, query)


def open_of_kind(session: Session, kind: str) -> list[Alert]:
    """Every open alert of one kind, the oldest first."""
    return _alerts(session, select(ALERTS).where(AlertRow.kind == kind, AlertRow.state.in_(OPEN)).order_by(ROWID))


def deadlines(session: Session, now_ns: int) -> list[tuple[str, int]]:
    """(id, when) of every alert that waits for a time; what only a clock set back puts off is due now."""
    query = select(
        AlertRow.id,
        AlertRow.state,
        AlertRow.created_ns,
        AlertRow.window_until_ns,
        AlertRow.scheduled_ns,
        AlertRow.repeat_at_ns,
        AlertRow.step_at_ns,
        AlertRow.reopen_at_ns,
    ).where(AlertRow.state.in_(OPEN))
    waiting = []
    for alert_id, state, created_ns, window_ns, scheduled_ns, *times in session.execute(query):
        suspected = state == State.SUSPECTED
        set_ns = created_ns if suspected else scheduled_ns
        at_ns = min((at for at in ([window_ns] if suspected else times) if at is not None), default=None)
        if at_ns is not None:
            waiting.append((alert_id, at_ns if now_ns >= set_ns - CLOCK_STEP_NS else now_ns))
    return waiting


def listed(session: Session, wanted: AlertFilter, *, limit: int, offset: int) -> Page:
    """One page of the alerts that fit."""
    total = session.scalar(_filtered(select(func.count()).select_from(AlertRow), wanted)) or 0
    query = _filtered(select(ALERTS), wanted).order_by(ROWID.desc()).limit(limit).offset(offset)
    return Page(tuple(_alerts(session, query)), total)


def history(session: Session, alert_id: str) -> list[Entry]:
    """The history of an alert, the oldest entry first."""
    query = select(AlertEventRow).where(AlertEventRow.alert_id == alert_id).order_by(AlertEventRow.revision)
    return [
        Entry(
            row.revision,
            row.at_ns,
            EntryType(row.type),
            State(row.from_state) if row.from_state else None,
            State(row.to_state),
            row.who,
            row.note,
            row.detail,
        )
        for row in session.scalars(query)
    ]


def store(session: Session, alert: Alert, *, new: bool = False) -> None:
    """Write the alert as it is now, with its episodes. new: there is no such row yet."""
    values: dict[str, Any] = {name: getattr(alert, name) for name in PLAIN}
    values |= {
        "priority": int(alert.priority),
        "state": alert.state.value,
        "phase": alert.phase.value,
        "devices": list(alert.devices),
        "evidence": dict(alert.evidence),
        "outcome": alert.outcome.value if alert.outcome else None,
        "plan": dict(alert.plan),
        "turn": list(alert.turn),
    }
    if new:
        session.execute(insert(ALERTS), values)
        common: dict[str, Any] = {"subject": alert.subject, "kind": alert.kind, "alert_id": alert.id}
        common["at_ns"] = alert.last_at_ns
        rows = [common | {"episode": name, "phase": phase.value} for name, phase in alert.episodes.items()]
        session.execute(insert(EPISODES), rows)
        return
    session.execute(CHANGE, {"wanted": values.pop("id"), **values})
    known = {row[0]: row[1] for row in session.execute(EPISODES_OF, {"wanted": alert.id})}
    for episode, phase in alert.episodes.items():
        if known.get(episode) != phase.value:
            remember(session, alert, episode, phase)


def remember(session: Session, alert: Alert, episode: str, phase: Phase) -> None:
    """Write down that an episode belongs to an alert, and its phase."""
    key = {"subject": alert.subject, "kind": alert.kind, "episode": episode}
    values = key | {"alert_id": alert.id, "phase": phase.value, "at_ns": alert.last_at_ns}
    session.execute(REMEMBER, values)


def store_entry(session: Session, alert_id: str, entry: Entry) -> None:
    """Write one line of history."""
    values = {
        "alert_id": alert_id,
        "revision": entry.revision,
        "at_ns": entry.at_ns,
        "type": entry.type.value,
        "from_state": entry.from_state.value if entry.from_state else None,
        "to_state": entry.to_state.value,
        "who": entry.who,
        "note": entry.note,
        "detail": dict(entry.detail),
    }
    session.execute(insert(EVENTS), values)


def _alerts(session: Session, query: Select[Any], **bound: Any) -> list[Alert]:
    rows = session.execute(query, bound).mappings().all()
    return [_alert(row, session.execute(EPISODES_OF, {"wanted": row["id"]}).all()) for row in rows]


def _alert(row: Mapping[Any, Any], episodes: Iterable[Any]) -> Alert:
    return Alert(
        **{name: row[name] for name in PLAIN},
        priority=Priority(row["priority"]),
        state=State(row["state"]),
        phase=Phase(row["phase"]),
        devices=tuple(row["devices"]),
        evidence=dict(row["evidence"]),
        outcome=Outcome(row["outcome"]) if row["outcome"] else None,
        plan=dict(row["plan"]),
        turn=tuple(row["turn"]),
        episodes={episode: Phase(phase) for episode, phase in episodes},
    )


def _filtered(query: Select[Any], wanted: AlertFilter) -> Select[Any]:
    if wanted.states is not None:
        query = query.where(AlertRow.state.in_(wanted.states))
    if wanted.resident_id is not None:
        query = query.where(AlertRow.resident_id == wanted.resident_id)
    if wanted.kinds is not None:
        query = query.where(AlertRow.kind.in_(wanted.kinds))
    if wanted.test is not None:
        query = query.where(AlertRow.test == wanted.test)
    if wanted.since_ns is not None:
        query = query.where(AlertRow.at_ns >= wanted.since_ns)
    if wanted.until_ns is not None:
        query = query.where(AlertRow.at_ns < wanted.until_ns)
    return query
