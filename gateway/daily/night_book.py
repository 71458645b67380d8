"""Night reports: which are due, what of a night was kept in the history, and the reports that were made.

A night belongs to the local day on which it begins. Its span is the resident's own night with room before and after;
the report is due when the span has ended. Pure reading and writing; when it happens is decided in `night_duty`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import select

from analytics.daily.night import MINUTE_NS, Kept, NightReport, plain_report, report_from
from gateway.alerts.oncall import instant, local
from gateway.models import NightReportRow

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from zoneinfo import ZoneInfo

    from numpy.typing import NDArray
    from sqlalchemy.orm import Session

    from analytics.care import Care
    from gateway.store.base import SeriesStore

BEFORE_MIN, AFTER_MIN = 4 * 60, 2 * 60
"""So long before and after the resident's own night going to bed and getting up still belong to it."""
CATCH_UP_NIGHTS = 3
"""Nights missed while the box was off are made up for, from the history."""
EARLIER_NS = 12 * 3600 * 10**9
"""The state of the bed at the begin of the span may have been reported so long before."""
MAX_EVENTS = 10_000


@dataclass(frozen=True, slots=True)
class MadeNight:
    """One kept report. night: the local day on which it began. report: None where nothing was known of the night."""

    resident_id: str
    night: date
    report: NightReport | None
    made_ns: int


def span_of(care: Care, night: date, zone: ZoneInfo) -> tuple[int, int]:
    """The instants between which the night that begins on this day is looked at."""
    begin, end = round(care.night_from_min), round(care.night_to_min)
    first = night if begin > end else night + timedelta(days=1)
    begins = instant(first, _clock(begin), zone) - BEFORE_MIN * MINUTE_NS
    return begins, instant(night + timedelta(days=1), _clock(end), zone) + AFTER_MIN * MINUTE_NS


def due_nights(care: Care, now_ns: int, zone: ZoneInfo, *, since_ns: int) -> Iterator[date]:
    """Nights whose span has ended lately, the oldest first; none that began before since_ns (nobody was known then)."""
    today = local(now_ns, zone).date()
    for back in range(CATCH_UP_NIGHTS, -1, -1):
        night = today - timedelta(days=back)
        begins, ends = span_of(care, night, zone)
        if ends <= now_ns and begins >= since_ns:
            yield night


def read_kept(store: SeriesStore, resident_id: str, span: tuple[int, int]) -> Kept:
    """What the history has of a span. Raises StoreError."""
    start, end = span
    minutes = (end - start) // MINUTE_NS
    beds = store.events(start - EARLIER_NS, end, resident_id=resident_id, signal="bed_occupancy", limit=MAX_EVENTS)
    states = store.events(start, end, resident_id=resident_id, signal="sleep_state", limit=MAX_EVENTS)
    derived: set[str] = set()

    def minutely(signal: str) -> NDArray[np.float64]:
        view = store.query(signal, start, end, resident_id=resident_id, points=minutes)
        out = np.full(minutes, np.nan)
        place = (view.at_ns - start) // MINUTE_NS
        inside = (place >= 0) & (place < minutes)
        if view.derived.any():
            derived.add(signal)
        out[place[inside]] = view.mean[inside]
        return out

    movement, heart, breath, oxygen = map(minutely, ("body_movement", "heart_rate", "respiratory_rate", "spo2"))
    return Kept(
        start,
        minutes,
        [(row.at_ns, row.key.device_id, row.value == "in") for row in beds if row.value in {"in", "left"}],
        [(row.at_ns, str(row.value)) for row in states if row.value is not None],
        movement,
        heart,
        breath,
        oxygen,
        frozenset(derived),
    )


def keep_report(session: Session, made: MadeNight) -> None:
    """Write a report down; a second one of the same night takes the place of the first."""
    plain = {} if made.report is None else plain_report(made.report)
    row = NightReportRow(resident_id=made.resident_id, night=made.night.isoformat(), report=plain, made_ns=made.made_ns)
    session.merge(row)


def known_nights(session: Session, residents: Collection[str], since: date) -> set[tuple[str, date]]:
    """(resident, night) of every report from this night on."""
    query = select(NightReportRow.resident_id, NightReportRow.night).where(
        NightReportRow.resident_id.in_(residents), NightReportRow.night >= since.isoformat()
    )
    return {(row[0], date.fromisoformat(row[1])) for row in session.execute(query)}


def nights_of(session: Session, resident_id: str, since: date, until: date) -> list[MadeNight]:
    """The reports of a resident of the nights since..until, both included, the oldest first."""
    query = select(NightReportRow).where(
        NightReportRow.resident_id == resident_id,
        NightReportRow.night >= since.isoformat(),
        NightReportRow.night <= until.isoformat(),
    )
    return [
        MadeNight(row.resident_id, date.fromisoformat(row.night), _report(row), row.made_ns)
        for row in session.scalars(query.order_by(NightReportRow.night))
    ]


def _report(row: NightReportRow) -> NightReport | None:
    try:
        return report_from(row.report) if row.report else None
    except TypeError:
        return None


def _clock(minute: int) -> time:
    return time(minute // 60 % 24, minute % 60)
