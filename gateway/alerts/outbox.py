"""The outbox: every message to every contact is a row before it is sent, and stays until the far side took it.

    pending --> inflight --> delivered --> acknowledged
       ^            |
       +--- retry --+--> dead (given up)          pending --> withdrawn (no longer true or needed)

Rows are claimed by a lease, so that a crash at any moment leads to another attempt, never to a loss. Messages about
one alert reach one contact in order: a later one waits until the earlier one is through.
"""

from __future__ import annotations

import hashlib
import heapq
import itertools
import json
import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, func, insert, or_, select, text, update

from analytics.kinds import Priority
from gateway.alerts.alert import CLOCK_STEP_NS, OPEN, UNANSWERED, State
from gateway.alerts.schedule import BUDGET, REPORT_AFTER, UNREACHED_AFTER, wait_s
from gateway.alerts.targets import Key, Route
from gateway.channels.base import Accepted, Dispatch, Refused
from gateway.models import AlertRow, OutboxRow, SettingRow

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from sqlalchemy import ColumnElement, TextClause
    from sqlalchemy.orm import Session

    from gateway.alerts.alert import Alert
    from gateway.database import Database

RAISED, UPDATED, CANCELLED, RESOLVED = "alert.raised", "alert.updated", "alert.cancelled", "alert.resolved"
PROMPT = "alert.prompt"
"""The question to the resident while an alert is only suspected."""
LEASE_NS = 60_000_000_000
"""Longer than any channel's own time-out."""
KEPT_ERROR = 500


class RowState(StrEnum):
    """Where a message stands."""

    PENDING = "pending"
    INFLIGHT = "inflight"
    DELIVERED = "delivered"
    ACKNOWLEDGED = "acknowledged"
    DEAD = "dead"
    WITHDRAWN = "withdrawn"


WAITING = (RowState.PENDING, RowState.INFLIGHT)

# Written as SQL because they run for every dispatch. Due is what has come to its time, or what was scheduled by a
# clock that has been set back since. A message waits for the earlier ones about its alert to its contact. Both come in
# the order of an index, so that the first few of ten thousand cost no more than the first few of ten.
_FIRST = """NOT EXISTS (SELECT 1 FROM outbox e WHERE e.alert_id = o.alert_id AND e.channel = o.channel
       AND e.contact = o.contact AND e.state IN ('pending', 'inflight') AND e.id < o.id)"""


def _due(state: str, time: str, *, new: bool) -> TextClause:
    """new: the first message about an alert, which comes before what is said again of others as urgent."""
    return text(
        f"SELECT o.priority, o.next_at_ns, o.id FROM outbox o WHERE o.state = '{state}'"  # noqa: S608
        f" AND (o.{time} <= :now OR o.scheduled_ns > :now + :tolerance) AND o.priority <= :lowest"
        f" AND (o.event = 'alert.raised' AND o.number = 0) = {int(new)}"
        " AND o.channel || char(31) || o.contact NOT IN (SELECT value FROM json_each(:busy))"
        f" AND {_FIRST} ORDER BY o.priority, o.next_at_ns, o.id"
    )


def _next_due() -> TextClause:
    soonest = (
        f"SELECT (SELECT o.next_at_ns FROM outbox o WHERE o.state = 'pending' AND o.priority = {int(one)}"  # noqa: S608
        f" AND {_FIRST} ORDER BY o.next_at_ns LIMIT 1) AS at_ns"
        for one in Priority
    )
    on_the_wire = f"SELECT min(o.lease_until_ns) FROM outbox o WHERE o.state = 'inflight' AND {_FIRST}"  # noqa: S608
    return text(f"SELECT min(at_ns) FROM ({' UNION ALL '.join((*soonest, on_the_wire))})")  # noqa: S608


NEW, AGAIN = (
    tuple(_due(*which, new=new) for which in (("pending", "next_at_ns"), ("inflight", "lease_until_ns")))
    for new in (True, False)
)
NEXT_DUE = _next_due()
SAYS_OPEN = (RAISED, UPDATED, PROMPT)
"""What would say that a closed alert is open is not sent, however it came to be due."""


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """A row as the operator sees it."""

    id: int
    alert_id: str
    event: str
    channel: str
    contact: str
    state: RowState
    attempts: int
    next_at_ns: int
    last_error: str | None
    idempotency_key: str
    remote_id: str | None
    created_ns: int
    delivered_ns: int | None


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of an attempt. report: the contact has been out of reach for so long that people must know."""

    state: RowState
    report: bool = False


def idempotency_key(alert_id: str, channel: str, contact: str, event: str) -> str:
    """Hex sha256 of the four; the same message always has the same key."""
    return hashlib.sha256(f"{alert_id}|{channel}|{contact}|{event}".encode()).hexdigest()


def enqueue(
    session: Session,
    alert: Alert,
    event: str,
    routes: Iterable[Route],
    payload: Mapping[str, Any],
    now_ns: int,
    number: int,
    step: int = 0,
) -> None:
    """Add one message to each. number: tells messages of the same event of one alert apart: 0 for the first, else the
    revision. step: index of the policy's step that tells it.
    """
    common = {
        "alert_id": alert.id,
        "event": event,
        "number": number,
        "priority": int(alert.priority),
        "step": step,
        "payload": dict(payload),
        "state": RowState.PENDING.value,
        "attempts": 0,
        "scheduled_ns": now_ns,
        "next_at_ns": now_ns,
        "created_ns": now_ns,
    }
    rows = [
        common
        | {
            "channel": route.channel,
            "contact": route.contact,
            "address": route.address,
            "idempotency_key": idempotency_key(alert.id, route.channel, route.contact, f"{event}#{number}"),
        }
        for route in routes
    ]
    session.execute(insert(OutboxRow.__table__), rows)  # type: ignore[arg-type]


def told(session: Session, alert_id: str, *, and_waiting: bool = False) -> list[Route]:
    """Everyone who has been told of an alert, or may have been: an attempt was made, whatever its end.

    and_waiting: also those whom the first message is still to reach.
    """
    reached: ColumnElement[bool] = OutboxRow.attempts > 0
    if and_waiting:
        reached = or_(reached, OutboxRow.state.in_(WAITING))
    query = select(OutboxRow.channel, OutboxRow.contact, OutboxRow.address).where(
        OutboxRow.alert_id == alert_id, OutboxRow.event == RAISED, reached
    )
    routes = {(row[0], row[1]): Route(row[0], row[1], row[2]) for row in session.execute(query.order_by(OutboxRow.id))}
    return list(routes.values())


def told_steps(session: Session, alert_id: str) -> dict[Key, int]:
    """Everyone for whom an alert was ever written down, and the first step that did so."""
    query = select(OutboxRow.channel, OutboxRow.contact, func.min(OutboxRow.step)).where(
        OutboxRow.alert_id == alert_id, OutboxRow.event == RAISED
    )
    return {(row[0], row[1]): row[2] for row in session.execute(query.group_by(OutboxRow.channel, OutboxRow.contact))}


def telling_failed(session: Session, alert_id: str, number: int) -> bool:
    """Whether nobody of one telling can be reached: given up, failed again and again, or known to be out of reach."""
    query = select(OutboxRow).where(
        OutboxRow.alert_id == alert_id, OutboxRow.event == RAISED, OutboxRow.number == number
    )
    rows = session.scalars(query).all()
    return bool(rows) and all(_unreached(session, row) for row in rows)


def outage_key(channel: str, contact: str) -> str:
    """The setting that remembers that a contact is out of reach."""
    return f"outage:{channel}:{contact}"


def waiting_targets(session: Session, alert_id: str) -> set[tuple[str, str]]:
    """Channel and contact of those to whom a message about this alert is still on its way."""
    query = select(OutboxRow.channel, OutboxRow.contact).where(
        OutboxRow.alert_id == alert_id, OutboxRow.state.in_(WAITING)
    )
    return {(row[0], row[1]) for row in session.execute(query)}


def refresh(session: Session, alert_id: str, payload: Mapping[str, Any]) -> None:
    """What is still on its way says from its next attempt on what is known now."""
    mine = and_(OutboxRow.alert_id == alert_id, OutboxRow.event == RAISED, OutboxRow.state.in_(WAITING))
    session.execute(update(OutboxRow).where(mine).values(payload=dict(payload)))


def withdraw_unsent(session: Session, alert_id: str, *, reason: str) -> None:
    """Someone has answered: later steps and repeats that were never sent are not needed, nor are older updates."""
    later = or_(OutboxRow.event == UPDATED, OutboxRow.number != 0)
    _withdraw(session, alert_id, and_(OutboxRow.attempts == 0, later), reason)


def withdraw_all(session: Session, alert_id: str) -> None:
    """The alert is closed: whatever is not on the wire at this moment is not sent any more."""
    _withdraw(session, alert_id, OutboxRow.event.in_(SAYS_OPEN), "alert closed")


def withdraw_prompts(session: Session, alert_id: str) -> None:
    """The alert is raised: there is nothing to ask any more."""
    _withdraw(session, alert_id, OutboxRow.event == PROMPT, "raised")


def mark_acknowledged(session: Session, alert_id: str, channel: str, contact: str) -> None:
    """The answer came from this contact."""
    mine = and_(OutboxRow.alert_id == alert_id, OutboxRow.channel == channel, OutboxRow.contact == contact)
    delivered = and_(mine, OutboxRow.event == RAISED, OutboxRow.state == RowState.DELIVERED)
    session.execute(update(OutboxRow).where(delivered).values(state=RowState.ACKNOWLEDGED))


def settle(
    session: Session, dispatch: Dispatch, result: Accepted | Refused, now_ns: int, rng: random.Random
) -> Settled | None:
    """Write down how an attempt ended; None when it no longer matters (another attempt settled it).

    A late success of an expired lease still counts, also where the message was withdrawn or given up since; a late
    failure does not.
    """
    row = session.get(OutboxRow, dispatch.id)
    if row is None or row.state in (RowState.DELIVERED, RowState.ACKNOWLEDGED):
        return None
    if isinstance(result, Accepted):
        row.state, row.delivered_ns, row.remote_id = RowState.DELIVERED, now_ns, result.remote_id
        row.lease_until_ns = row.lease_token = None
        return Settled(RowState.DELIVERED)
    if row.state not in WAITING or row.lease_token != dispatch.lease_token:
        return None
    if result.held:  # nobody was asked: the attempt does not count
        row.attempts -= 1
    row.last_error = result.error[:KEPT_ERROR]
    row.lease_until_ns = row.lease_token = None
    row.state = _after_failure(session, row, result)
    if row.state == RowState.PENDING:
        wait = wait_s(Priority(row.priority), max(1, row.attempts), rng, result.retry_after_s)
        row.scheduled_ns, row.next_at_ns = now_ns, now_ns + int(wait * 1e9)
    report = row.state == RowState.DEAD or (row.state == RowState.PENDING and row.attempts >= REPORT_AFTER)
    return Settled(RowState(row.state), report or result.gone)


def revive(session: Session, channel: str, contact: str, now_ns: int) -> int:
    """A contact can be reached again: messages about open alerts that were given up are tried once more."""
    still_open = select(AlertRow.id).where(AlertRow.state.in_(OPEN))
    dead = and_(OutboxRow.channel == channel, OutboxRow.contact == contact, OutboxRow.state == RowState.DEAD)
    ids = session.scalars(select(OutboxRow.id).where(dead, OutboxRow.alert_id.in_(still_open))).all()
    for row_id in ids:
        replay(session, row_id, now_ns)
    return len(ids)


def replay(session: Session, row_id: int, now_ns: int) -> bool:
    """Try a message that was given up again, from the start of its schedule. False when it is not dead."""
    row = session.get(OutboxRow, row_id)
    if row is None or row.state != RowState.DEAD:
        return False
    # One attempt stays counted: it may have reached the contact, who must then hear how it ends.
    row.state, row.attempts, row.scheduled_ns, row.next_at_ns = RowState.PENDING, 1, now_ns, now_ns
    return True


def disable(session: Session, channel: str, contact: str, now_ns: int) -> None:
    """The far side wants nothing more: only what is most urgent is still tried."""
    session.merge(SettingRow(key=_disabled_key(channel, contact), value="410", updated_ns=now_ns))


def enable(session: Session, channel: str, contact: str) -> None:
    """Undo `disable`."""
    session.execute(delete(SettingRow).where(SettingRow.key == _disabled_key(channel, contact)))


class Outbox:
    """Claims rows for the dispatcher and shows them to the operator."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(
        self,
        now_ns: int,
        limit: int,
        *,
        urgent_only: bool = False,
        busy: Collection[tuple[str, str]] = (),
        look: bool = True,
        lease_ns: int = LEASE_NS,
    ) -> list[Dispatch]:
        """Take up to `limit` due rows, the most urgent first, of these first what nobody was told yet; on disk before
        they are returned.

        busy: targets (channel, contact) that get nothing more for now. look: first whether there is anything, which
        costs less than a transaction for nothing.
        """
        if look and not self._anything(now_ns, urgent_only, busy):
            return []
        with self._database.write() as session:
            disabled = _disabled(session)
            while True:
                ids = _due_ids(session, now_ns, limit, urgent_only, busy)
                rows = {row.id: row for row in session.scalars(select(OutboxRow).where(OutboxRow.id.in_(ids)))}
                closed = _closed(session, {row.alert_id for row in rows.values()})
                if not _withdrawn(rows.values(), closed, disabled):
                    return [_lease(rows[i], now_ns, lease_ns) for i in ids]
                session.flush()

    def _anything(self, now_ns: int, urgent_only: bool, busy: Collection[tuple[str, str]]) -> bool:
        with self._database.read() as session:
            return bool(_due_ids(session, now_ns, 1, urgent_only, busy))

    def next_due_ns(self) -> int | None:
        """When the next row will be due; None when nothing is waiting."""
        with self._database.read() as session:
            due_ns: int | None = session.execute(NEXT_DUE).scalar_one()
            return due_ns

    def release_all(self) -> int:
        """After a restart: nobody holds a lease any more. Returns the number of rows that were on the wire."""
        with self._database.write() as session:
            free = {"state": RowState.PENDING, "lease_until_ns": None, "lease_token": None}
            inflight = update(OutboxRow).where(OutboxRow.state == RowState.INFLIGHT)
            return len(session.scalars(inflight.values(**free).returning(OutboxRow.id)).all())

    def items(
        self, alert_id: str | None = None, *, states: Collection[RowState] = (), limit: int = 100
    ) -> list[OutboxItem]:
        """Rows of one alert or of all, in some states or in all, the newest first."""
        query = select(OutboxRow).order_by(OutboxRow.id.desc()).limit(limit)
        if alert_id is not None:
            query = query.where(OutboxRow.alert_id == alert_id)
        if states:
            query = query.where(OutboxRow.state.in_(states))
        with self._database.read() as session:
            return [_item(row) for row in session.scalars(query)]

    def sent(self, key: str) -> OutboxItem | None:
        """The message with this idempotency key, if it was ever tried."""
        query = select(OutboxRow).where(OutboxRow.idempotency_key == key, OutboxRow.attempts > 0)
        with self._database.read() as session:
            row = session.scalars(query).first()
            return _item(row) if row is not None else None

    def item(self, row_id: int) -> OutboxItem | None:
        """One message, None where unknown."""
        with self._database.read() as session:
            row = session.get(OutboxRow, row_id)
            return _item(row) if row is not None else None

    def oldest(self, now_ns: int) -> dict[Priority, float]:
        """Age in seconds of the oldest message of each priority that is still on its way.

        Without those to contacts that are known to be out of reach: people have been told so.
        """
        columns = (OutboxRow.priority, OutboxRow.channel, OutboxRow.contact, func.min(OutboxRow.created_ns))
        query = select(*columns).where(OutboxRow.state.in_(WAITING)).group_by(*columns[:3])
        ages: dict[Priority, float] = {}
        with self._database.read() as session:
            lost = set(session.scalars(select(SettingRow.key).where(SettingRow.key.startswith("outage:"))))
            for priority, channel, contact, created_ns in session.execute(query):
                if outage_key(channel, contact) not in lost:
                    age_s = max(0.0, (now_ns - created_ns) / 1e9)
                    ages[Priority(priority)] = max(age_s, ages.get(Priority(priority), 0.0))
        return ages

    def depth(self) -> dict[str, int]:
        """Number of rows in each state."""
        query = select(OutboxRow.state, func.count()).group_by(OutboxRow.state)
        with self._database.read() as session:
            return {str(state): int(number) for state, number in session.execute(query)}


def _due_ids(
    session: Session, now_ns: int, limit: int, urgent_only: bool, busy: Collection[tuple[str, str]]
) -> list[int]:
    lowest = Priority.HIGH if urgent_only else Priority.LOW
    bound = {"now": now_ns, "tolerance": CLOCK_STEP_NS, "busy": json.dumps([f"{one}\x1f{two}" for one, two in busy])}

    def found(queries: Iterable[TextClause], lowest: int) -> Iterator[tuple[int, int, int]]:
        return heapq.merge(*(map(tuple, session.execute(query, bound | {"lowest": lowest})) for query in queries))

    return [row[2] for row in itertools.islice(_new_first(found, lowest), limit)]


def _new_first(
    found: Callable[[Iterable[TextClause], int], Iterator[tuple[int, int, int]]], lowest: int
) -> Iterator[tuple[int, int, int]]:
    """By priority, and within one what is said for the first time before what is said again. Lazy: among thousands of
    the one kind it is not searched for the other before it is its turn.
    """
    said = 0
    for row in found(NEW, lowest):
        if row[0] > said + 1:
            yield from (again for again in found(AGAIN, row[0] - 1) if again[0] > said)
            said = row[0] - 1
        yield row
    yield from (again for again in found(AGAIN, lowest) if again[0] > said)


def _closed(session: Session, alert_ids: Collection[str]) -> set[str]:
    query = select(AlertRow.id).where(AlertRow.id.in_(alert_ids), AlertRow.state.not_in(OPEN))
    return set(session.scalars(query))


def _withdrawn(rows: Iterable[OutboxRow], closed: Collection[str], disabled: set[str]) -> bool:
    """Take back what is not to be sent; what waited behind it may be due then."""
    before = [row for row in rows if _untrue(row, closed) or _given_up(row, disabled)]
    return bool(before)


def _untrue(row: OutboxRow, closed: Collection[str]) -> bool:
    if row.event not in SAYS_OPEN or row.alert_id not in closed:
        return False
    row.state, row.last_error = RowState.WITHDRAWN, "alert closed"
    return True


def _withdraw(session: Session, alert_id: str, condition: ColumnElement[bool], reason: str) -> None:
    mine = and_(OutboxRow.alert_id == alert_id, OutboxRow.state == RowState.PENDING)
    session.execute(update(OutboxRow).where(mine, condition).values(state=RowState.WITHDRAWN, last_error=reason))


def _lease(row: OutboxRow, now_ns: int, lease_ns: int) -> Dispatch:
    row.state, row.attempts = RowState.INFLIGHT, row.attempts + 1
    row.scheduled_ns, row.lease_until_ns, row.lease_token = now_ns, now_ns + lease_ns, uuid.uuid4().hex
    return Dispatch(
        id=row.id,
        alert_id=row.alert_id,
        event=row.event,
        channel=row.channel,
        contact=row.contact,
        address=row.address,
        priority=Priority(row.priority),
        payload=row.payload,
        attempt=row.attempts,
        idempotency_key=row.idempotency_key,
        lease_token=row.lease_token,
        created_ns=row.created_ns,
    )


def _after_failure(session: Session, row: OutboxRow, result: Refused) -> RowState:
    query = select(AlertRow.state, AlertRow.reopened_ns).where(AlertRow.id == row.alert_id)
    found, reopened_ns = session.execute(query).one()
    alert_state = State(found)
    waits = alert_state in UNANSWERED or reopened_ns is not None
    if not alert_state.open and row.event in SAYS_OPEN:
        return RowState.WITHDRAWN
    if row.event == PROMPT and alert_state is not State.SUSPECTED:
        return RowState.WITHDRAWN
    if row.priority == Priority.HIGH and row.event == RAISED and waits:
        return RowState.PENDING
    return RowState.DEAD if result.gone or row.attempts >= BUDGET[Priority(row.priority)] else RowState.PENDING


def _unreached(session: Session, row: OutboxRow) -> bool:
    if row.state == RowState.DEAD:
        return True
    if row.state not in WAITING or row.last_error is None:
        return False
    return row.attempts >= UNREACHED_AFTER or session.get(SettingRow, outage_key(row.channel, row.contact)) is not None


def _given_up(row: OutboxRow, disabled: set[str]) -> bool:
    if row.priority == Priority.HIGH or _disabled_key(row.channel, row.contact) not in disabled:
        return False
    row.state, row.last_error = RowState.DEAD, "the far side wants nothing more (410)"
    return True


def _disabled(session: Session) -> set[str]:
    return set(session.scalars(select(SettingRow.key).where(SettingRow.key.startswith("disabled:"))))


def _disabled_key(channel: str, contact: str) -> str:
    return f"disabled:{channel}:{contact}"


def _item(row: OutboxRow) -> OutboxItem:
    return OutboxItem(
        row.id,
        row.alert_id,
        row.event,
        row.channel,
        row.contact,
        RowState(row.state),
        row.attempts,
        row.next_at_ns,
        row.last_error,
        row.idempotency_key,
        row.remote_id,
        row.created_ns,
        row.delivered_ns,
    )
