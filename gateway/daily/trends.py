"""Summaries for care-plan reviews: sleep, continence, wandering and activity of a resident, week by week.

Weeks begin on Monday by the site's clock. Sleep comes from the night reports, continence and wandering from the alerts
that were raised, activity from the events in the history. What is not known is absent, never zero: a week without any
night report has no sleep, one without any event no activity.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from gateway.alerts.oncall import instant, local
from gateway.daily.night_book import nights_of
from gateway.daily.printed import Printed
from gateway.models import AlertRow
from gateway.tables import Part

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from zoneinfo import ZoneInfo

    from sqlalchemy.orm import Session

    from gateway.daily.night_book import MadeNight
    from gateway.store.base import SeriesStore

CONTINENCE = ("incontinence",)
WANDERING = ("door_at_night", "fence_left", "zone_left")
ACTIVITY = ("motion", "presence", "door")
RESTING = frozenset({False, "none", "still", "closed"})
MAX_EVENTS = 10_000


@dataclass(frozen=True, slots=True)
class Week:
    """One week. Means over the nights or days that are known; None: nothing known. wet, wandered: alerts raised.

    active_hours: hours of the day with movement, presence or a door; mean over the days with any.
    """

    begins: date
    nights: int
    asleep_min: float | None
    in_bed_min: float | None
    efficiency: float | None
    exits: float | None
    wet: int
    wandered: int
    active_hours: float | None


def weeks_of(
    session: Session, store: SeriesStore, resident_id: str, *, now_ns: int, zone: ZoneInfo, weeks: int
) -> list[Week]:
    """The latest weeks, the present one last. Raises StoreError."""
    today = local(now_ns, zone).date()
    monday = today - timedelta(days=today.weekday())
    return [
        _week(session, store, resident_id, monday - timedelta(days=7 * back), zone) for back in range(weeks - 1, -1, -1)
    ]


def printed_weeks(weeks: Sequence[Week], title: str, *, english: bool) -> Printed:
    """The weeks as a table."""
    zh = (
        "周（起）",
        "夜数",
        "睡眠（小时）",
        "在床（小时）",
        "睡眠效率",
        "每夜离床",
        "尿湿",
        "走失风险",
        "有活动钟点/天",
    )
    en = ("week from", "nights", "asleep (h)", "in bed (h)", "efficiency", "exits a night", "wet", "wandering")
    head = (*en, "active hours a day") if english else zh
    rows = tuple(
        (
            one.begins.isoformat(),
            str(one.nights),
            _number(None if one.asleep_min is None else one.asleep_min / 60),
            _number(None if one.in_bed_min is None else one.in_bed_min / 60),
            "–" if one.efficiency is None else f"{one.efficiency:.0%}",
            _number(one.exits),
            str(one.wet),
            str(one.wandered),
            _number(one.active_hours),
        )
        for one in weeks
    )
    heading = ("每周小结：睡眠、失禁、游走、活动", "By week: sleep, continence, wandering, activity")[english]
    nothing = ("还没有每周小结。", "No week has been summed up yet.")[english]
    return Printed(title, (Part("weeks", heading, head, rows, nothing),), english)


def _week(session: Session, store: SeriesStore, resident_id: str, monday: date, zone: ZoneInfo) -> Week:
    begin, end = (instant(monday + timedelta(days=days), time(), zone) for days in (0, 7))
    nights = nights_of(session, resident_id, monday, monday + timedelta(days=6))
    known = [one.report for one in nights if one.report is not None]
    return Week(
        begins=monday,
        nights=len(known),
        asleep_min=_mean(one.asleep_min for one in known),
        in_bed_min=_mean(one.in_bed_min for one in known),
        efficiency=_mean(one.efficiency for one in known),
        exits=_mean(one.exits for one in known),
        wet=_raised(session, resident_id, CONTINENCE, begin, end),
        wandered=_raised(session, resident_id, WANDERING, begin, end),
        active_hours=_active_hours(store, resident_id, (begin, end), zone),
    )


def _raised(session: Session, resident_id: str, kinds: Sequence[str], begin: int, end: int) -> int:
    query = select(func.count()).where(
        AlertRow.resident_id == resident_id,
        AlertRow.kind.in_(kinds),
        AlertRow.raised_ns >= begin,
        AlertRow.raised_ns < end,
        AlertRow.test.is_(False),
    )
    return int(session.scalar(query) or 0)


def _active_hours(store: SeriesStore, resident_id: str, span: tuple[int, int], zone: ZoneInfo) -> float | None:
    hours: set[tuple[date, int]] = set()
    for signal in ACTIVITY:
        for row in store.events(*span, resident_id=resident_id, signal=signal, limit=MAX_EVENTS):
            if row.value is not None and row.value not in RESTING and not row.repeat:
                moment = local(row.at_ns, zone)
                hours.add((moment.date(), moment.hour))
    days = {day for day, _ in hours}
    return len(hours) / len(days) if days else None


def night_rows(nights: Sequence[MadeNight], zone: ZoneInfo, *, english: bool) -> Part:
    """Nights as a table, the latest first."""
    head = (
        ("日期", "上床", "起床", "在床（分）", "睡眠（分）", "离床", "静息心率", "呼吸", "最低血氧"),
        ("night", "to bed", "up", "in bed (min)", "asleep (min)", "exits", "heart at rest", "breath", "lowest SpO2"),
    )[english]
    rows = []
    for one in reversed(nights):
        report = one.report
        if report is None:
            rows.append((one.night.isoformat(), *("–" for _ in head[1:])))
            continue
        up = "–" if report.to_ns is None else f"{local(report.to_ns, zone):%H:%M}"
        numbers = (report.asleep_min, report.exits, report.heart_rate_low, report.respiratory_rate, report.spo2_lowest)
        begin = f"{local(report.from_ns, zone):%H:%M}"
        rows.append((one.night.isoformat(), begin, up, str(report.in_bed_min), *map(_whole, numbers)))
    nothing = ("还没有睡眠日报。", "No night has been reported yet.")[english]
    return Part("nights", ("睡眠日报", "Nights")[english], head, tuple(rows), nothing)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [one for one in values if one is not None]
    return statistics.fmean(known) if known else None


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _whole(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"
