"""Messages that are no alerts: to one contact by their ordinary channel, at low priority, until taken or too old.

They have a table of their own: nothing here can hold up, raise or answer an alert. A message is sent again only where
the far side did not say that it took it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from analytics.kinds import Priority
from gateway.alerts.links import PEOPLE
from gateway.channels.base import Accepted, Dispatch, Refused
from gateway.models import NoteRow
from gateway.registry import contacts_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from gateway.channels.base import Channel
    from gateway.config import Settings
    from gateway.context import InDatabase
    from gateway.database import Database
    from gateway.registry import Contact

SECOND_NS = 10**9
LASTS_NS = 12 * 3600 * SECOND_NS
"""Last night's report is of no use to anybody any more after so long."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 60.0, 3600.0
A_ROUND = 8
WAITING, TAKEN, GIVEN_UP = "waiting", "taken", "given_up"


@dataclass(frozen=True, slots=True)
class Note:
    """What is to be said about one resident. key: the same for the same thing, so that it is said once."""

    key: str
    event: str
    resident_id: str
    zh: str
    en: str


def readable(settings: Settings) -> frozenset[str]:
    """Names of the channels that a person reads: only these carry such messages."""
    return frozenset(name for name, one in settings.channels.items() if isinstance(one, PEOPLE))


def readers(session: Session, resident_id: str, channels: frozenset[str]) -> list[Contact]:
    """Who gets a resident's messages: their own contacts, else the site's."""
    known = [one for one in contacts_of(session, resident_id) if one.channel in channels]
    return [one for one in known if one.resident_id == resident_id] or known


def put_note(session: Session, note: Note, channels: frozenset[str], now_ns: int) -> int:
    """Plan a message to each reader; what was planned before is not planned again. Gives how many are new."""
    count = 0
    for contact in readers(session, note.resident_id, channels):
        key = f"{note.key}:{contact.id}"
        if session.scalars(select(NoteRow.id).where(NoteRow.key == key)).first() is not None:
            continue
        payload = {
            "schema": "note.v1",
            "event": note.event,
            "resident_id": note.resident_id,
            "at_ns": now_ns,
            "text": {"zh": note.zh, "en": note.en},
        }
        session.add(
            NoteRow(
                key=key,
                resident_id=note.resident_id,
                contact=contact.id,
                channel=contact.channel,
                address=contact.address,
                payload=payload,
                state=WAITING,
                attempts=0,
                created_ns=now_ns,
                next_at_ns=now_ns,
                until_ns=now_ns + LASTS_NS,
                ended_ns=None,
                last_error=None,
            )
        )
        count += 1
    return count


class NoteDesk:
    """Sends what waits. `round` is a periodic duty."""

    def __init__(self, database: Database, channels: Mapping[str, Channel], in_database: InDatabase) -> None:
        self._database = database
        self._channels = channels
        self._in_database = in_database

    async def round(self, now_ns: int) -> int:
        """Send what is due, one after the other; gives how many were taken."""
        taken = 0
        for dispatch in await self._in_database(self._due, now_ns):
            result = await self._send(dispatch, now_ns)
            taken += isinstance(result, Accepted)
            await self._in_database(self._settle, dispatch.id, result, now_ns)
        return taken

    async def _send(self, dispatch: Dispatch, now_ns: int) -> Accepted | Refused:
        channel = self._channels.get(dispatch.channel)
        if channel is None:
            return Refused(f"no channel {dispatch.channel!r} is configured")
        try:
            return await channel.send(dispatch, now_ns)
        except Exception as error:  # noqa: BLE001 - whatever a channel raises, the message was not taken
            return Refused(f"the channel failed: {type(error).__name__}")

    def _due(self, now_ns: int) -> list[Dispatch]:
        query = select(NoteRow).where(NoteRow.state == WAITING, NoteRow.next_at_ns <= now_ns)
        with self._database.write() as session:
            rows = session.scalars(query.order_by(NoteRow.next_at_ns, NoteRow.id).limit(A_ROUND)).all()
            for row in rows:
                row.attempts += 1
                # If we end before the answer is written down, it is sent again: twice is better than never.
                row.next_at_ns = now_ns + _pause_ns(row.attempts)
            return [_dispatch(row) for row in rows]

    def _settle(self, note_id: int, result: Accepted | Refused, now_ns: int) -> None:
        with self._database.write() as session:
            row = session.get(NoteRow, note_id)
            if row is None:
                return
            if isinstance(result, Accepted):
                row.state, row.ended_ns, row.last_error = TAKEN, now_ns, None
                return
            row.last_error = result.error
            if result.held:
                row.attempts -= 1
            if result.retry_after_s is not None:
                row.next_at_ns = now_ns + int(result.retry_after_s * SECOND_NS)
            if result.gone or row.next_at_ns > row.until_ns:
                row.state, row.ended_ns = GIVEN_UP, now_ns


def _pause_ns(attempts: int) -> int:
    return int(min(FIRST_PAUSE_S * 2.0 ** min(attempts - 1, 16), LONGEST_PAUSE_S) * SECOND_NS)


def _dispatch(row: NoteRow) -> Dispatch:
    return Dispatch(
        id=row.id,
        alert_id="",
        event=str(row.payload["event"]),
        channel=row.channel,
        contact=row.contact,
        address=row.address,
        priority=Priority.LOW,
        payload=dict(row.payload),
        attempt=row.attempts,
        idempotency_key=row.key,
        lease_token="",
        created_ns=row.created_ns,
    )
