"""Reads what statistics are made of: the alerts of a span, who was cared for, and what the sources are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from analytics.kinds import KINDS
from gateway.alerts.report import Report, so_far, span_of
from gateway.alerts.statistics import Facts, Statistics, Stay, compute
from gateway.models import AlertRow, AuditRow, DeviceRow, ResidentRow

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from sqlalchemy.orm import Session

    from gateway.config import SiteSettings

RESIDENT, AFTER_RESIDENT = "resident:", "resident;"
"""What the subjects of residents begin with, and the first text behind all of them: the index serves a range."""
ADDED, REMOVED = "resident.added", "resident.removed"
Words = tuple[str, str]
"""The same in Chinese and in English."""
PARTS: Mapping[str, Words] = {
    "": ("网关", "the box"),
    "clock": ("网关：时钟", "the box: clock"),
    "database": ("网关：数据库", "the box: database"),
    "disk": ("网关：磁盘", "the box: disk"),
    "mains": ("网关：市电", "the box: mains"),
    "power": ("网关：电源", "the box: power"),
    "queue": ("网关：待发消息", "the box: waiting messages"),
    "test": ("网关：测试", "the box: test"),
}
"""What stands behind `box:` in the place of a device."""
NAMELESS: Mapping[str, Words] = {
    "oncall": ("值班表 {}", "on-call schedule {}"),
    "far": ("对方服务 {}", "far side {}"),
    "flood": ("成批报警：{}", "many at once: {}"),
}


def statistics_of(
    session: Session,
    from_ns: int,
    to_ns: int,
    now_ns: int,
    *,
    residents: Collection[str] | None = None,
    carers: float = 1.0,
) -> Statistics:
    """The numbers of a span as they stand now. residents: only about these."""
    facts, stays = read(session, from_ns, to_ns, residents=residents), read_stays(session, residents=residents)
    return compute(facts, from_ns, to_ns, stays=stays, now_ns=now_ns, carers=carers)


def month_report(
    session: Session,
    site: SiteSettings,
    month: str,
    now_ns: int,
    *,
    english: bool,
    residents: Collection[str] | None = None,
    carers: float = 1.0,
) -> Report:
    """A month such as "2026-11" as it stands now. Raises ValueError where it is none or has not begun."""
    from_ns, to_ns = so_far(*span_of(month, site.zone), now_ns)
    found = statistics_of(session, from_ns, to_ns, now_ns, residents=residents, carers=carers)
    names = names_of(session, (one.subject for one in found.top))
    return Report(site.name, month, found, now_ns, site.zone, names, english, limited=residents is not None)


def read(session: Session, from_ns: int, to_ns: int, *, residents: Collection[str] | None = None) -> list[Facts]:
    """Every alert that was raised within the span, without tests. residents: only about these."""
    query = select(AlertRow).where(AlertRow.raised_ns >= from_ns, AlertRow.raised_ns < to_ns, AlertRow.test.is_(False))
    if residents is not None:
        query = query.where(AlertRow.resident_id.in_(residents))
    return [
        Facts(
            row.subject,
            row.kind,
            row.priority,
            row.resident_id,
            row.raised_ns or 0,
            row.delivered_ns,
            row.acknowledged_ns,
            row.on_scene_ns,
            row.closed_ns,
            row.closed_by,
            row.outcome,
        )
        for row in session.scalars(query.order_by(AlertRow.raised_ns))
    ]


def read_stays(session: Session, *, residents: Collection[str] | None = None) -> list[Stay]:
    """Everybody's stay: from the registration; of one who is inactive until the record was last changed.

    Whoever was removed has no record any more: the audit trail knows when that one came and went.
    """
    query = select(ResidentRow)
    if residents is not None:
        query = query.where(ResidentRow.id.in_(residents))
    known = [Stay(row.id, row.created_ns, None if row.active else row.updated_ns) for row in session.scalars(query)]
    return known + list(_removed(session, residents))


def _removed(session: Session, residents: Collection[str] | None) -> Iterator[Stay]:
    query = select(AuditRow.subject, AuditRow.action, AuditRow.at_ns).where(
        AuditRow.subject > RESIDENT, AuditRow.subject < AFTER_RESIDENT, AuditRow.action.in_((ADDED, REMOVED))
    )
    came: dict[str, int] = {}
    for subject, action, at_ns in session.execute(query.order_by(AuditRow.seq)):
        if action == ADDED:
            came[subject] = at_ns
        elif subject in came and (residents is None or subject.removeprefix(RESIDENT) in residents):
            yield Stay(subject.removeprefix(RESIDENT), came.pop(subject), at_ns)


def names_of(session: Session, subjects: Iterable[str]) -> dict[str, Words]:
    """What the subjects of alerts are called, for people: `resident:r1`, `device:w1`, `device:oncall:night`, `site`."""
    return {subject: _name(session, subject) for subject in subjects}


def _name(session: Session, subject: str) -> Words:
    what, _, which = subject.partition(":")
    if what == "resident":
        return _resident(session, which)
    if what == "device":
        return _device(session, which)
    return ("本站", "the site") if subject == "site" else (subject, subject)


def _resident(session: Session, resident_id: str) -> Words:
    row = session.get(ResidentRow, resident_id)
    if row is None:
        return f"老人 {resident_id}（未登记）", f"resident {resident_id} (not registered)"
    room = f" · {row.room}" if row.room else ""
    return (f"{row.display_name}{room}",) * 2


def _device(session: Session, device_id: str) -> Words:
    row = session.get(DeviceRow, device_id)
    if row is not None:
        room, name = f" · {row.room}" if row.room else "", row.name or device_id
        return f"设备 {name}{room}", f"device {name}{room}"
    where, _, thing = device_id.partition(":")
    if where == "box" and thing in PARTS:
        return PARTS[thing]
    if where in NAMELESS and thing:
        kind = KINDS.get(thing) if where == "flood" else None
        zh, en = (kind.zh, kind.en) if kind else (thing, thing)
        return NAMELESS[where][0].format(zh), NAMELESS[where][1].format(en)
    return f"设备 {device_id}", f"device {device_id}"
