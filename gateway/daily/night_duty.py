"""Makes the night reports that are due, keeps them, and plans the messages for those who asked for them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from analytics.care import USUAL
from analytics.daily.night import make_report
from gateway.alerts.oncall import local
from gateway.daily import night_book
from gateway.daily.night_words import night_text
from gateway.daily.notes import Note, put_note
from gateway.models import ResidentRow

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date
    from zoneinfo import ZoneInfo

    from analytics.care import Care
    from analytics.daily.night import NightReport
    from gateway.context import InDatabase
    from gateway.database import Database
    from gateway.store.aio import AsyncStore

A_ROUND = 20
"""Reports made in one round: a morning of hundreds of residents must not hold up the history's other readers."""
EVENT = "note.night_report"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One report that is to be made."""

    resident_id: str
    name: str
    care: Care
    night: date


class NightDuty:
    """`round` is a periodic duty. care: the settings of every resident that has some. channels: those people read."""

    def __init__(
        self,
        database: Database,
        store: AsyncStore,
        in_database: InDatabase,
        zone: ZoneInfo,
        care: Callable[[], dict[str, Care]],
        channels: frozenset[str],
    ) -> None:
        self._database = database
        self._store = store
        self._in_database = in_database
        self._zone = zone
        self._care = care
        self._channels = channels

    async def round(self, now_ns: int) -> int:
        """Make what is due, at most a score at a time; gives how many. Raises StoreError, and is then tried again."""
        wanted = await self._in_database(self._due, now_ns)
        for one in wanted[:A_ROUND]:
            span = night_book.span_of(one.care, one.night, self._zone)
            kept = await self._store.run(night_book.read_kept, self._store.store, one.resident_id, span)
            report = await asyncio.to_thread(make_report, kept)
            await self._in_database(self._keep, one, report, now_ns)
        return len(wanted[:A_ROUND])

    def _due(self, now_ns: int) -> list[Wanted]:
        care = self._care()
        with self._database.read() as session:
            residents = session.scalars(select(ResidentRow).where(ResidentRow.active).order_by(ResidentRow.id)).all()
            wanted = [
                Wanted(row.id, row.display_name, own, night)
                for row in residents
                for own in (care.get(row.id, USUAL),)
                for night in night_book.due_nights(own, now_ns, self._zone, since_ns=row.created_ns)
            ]
            if not wanted:
                return []
            oldest = min(one.night for one in wanted)
            known = night_book.known_nights(session, [row.id for row in residents], oldest)
        return [one for one in wanted if (one.resident_id, one.night) not in known]

    def _keep(self, one: Wanted, report: NightReport | None, now_ns: int) -> None:
        made = night_book.MadeNight(one.resident_id, one.night, report, now_ns)
        with self._database.write() as session:
            night_book.keep_report(session, made)
            if report is None or not one.care.night_report or not self._fresh(one, now_ns):
                return
            words = night_text(one.name, report, self._zone)
            key = f"night:{one.resident_id}:{one.night.isoformat()}"
            put_note(session, Note(key, EVENT, one.resident_id, words.zh, words.en), self._channels, now_ns)

    def _fresh(self, one: Wanted, now_ns: int) -> bool:
        """A night that is made up for days later is kept, but nobody is told of it."""
        return (local(now_ns, self._zone).date() - one.night).days <= 1
