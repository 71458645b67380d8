"""What keeps an alert from being told at once: a pause, maintenance, a flood, a storm. Never for what is most urgent.

    HoldError
    +-- NotPausableError    this kind is never paused, or not for so long
    +-- UnknownHoldError    there is no such pause or maintenance

A held alert is open and seen by everybody, and it is raised when the hold ends and its cause is still there. Kinds that
latch (falls, calls for help, fire, gas ...) are never paused, and no hold touches an alert of high priority.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, or_, select

from analytics.findings import Evidence, Finding, Phase
from analytics.kinds import KINDS, Priority
from gateway.alerts.alert import State
from gateway.alerts.lifecycle import Hold, subject_of
from gateway.audit import append_audit
from gateway.models import AlertRow, HoldRow

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gateway.alerts.alert import Alert

NS = 1_000_000_000
PAUSED, MAINTENANCE, GROUPED, LIMITED = "paused", "maintenance", "grouped", "limited"
FLOOD_KIND = "alert_flood"
DAY_NS = 86_400 * NS
MOST_NAMED = 20


class HoldError(ValueError):
    """A pause or maintenance that cannot be."""


class NotPausableError(HoldError):
    """What is asked to be silent must be told, or not be silent for so long."""


class UnknownHoldError(HoldError):
    """There is no such pause or maintenance, or it is over."""

    def __init__(self, hold_id: int) -> None:
        super().__init__(f"no pause or maintenance {hold_id} is in force")
        self.hold_id = hold_id


@dataclass(frozen=True, slots=True)
class Limits:
    """pause_s, maintenance_s: the longest. flood: alerts of one technical kind within flood_s beyond this are one.
    storm: more alerts of one kind about one subject than this within storm_s are kept back.
    """

    pause_s: float = 600.0
    maintenance_s: float = 8 * 3600.0
    flood: int = 5
    flood_s: float = 60.0
    storm: int = 12
    storm_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class Silence:
    """One pause or maintenance. kind: of a pause. resident_id: whose; device_id: which, None for the whole site."""

    id: int
    what: str
    resident_id: str | None
    kind: str | None
    device_id: str | None
    reason: str
    by: str
    from_ns: int
    until_ns: int


def pause(
    session: Session, resident_id: str, kind: str, seconds: float, *, reason: str, by: str, now_ns: int, limits: Limits
) -> Silence:
    """New alerts of this kind about this resident wait. Raises NotPausableError."""
    row = KINDS.get(kind)
    if row is None or row.latching or row.technical:
        raise NotPausableError(f"{kind} is never paused; only vital signs and the like are")
    _check(seconds, limits.pause_s, reason)
    begun = HoldRow(what=PAUSED, resident_id=resident_id, kind=kind, reason=reason.strip(), by=by)
    return _begin(session, begun, f"resident:{resident_id}", seconds, now_ns)


def maintain(
    session: Session, device_id: str | None, seconds: float, *, reason: str, by: str, now_ns: int, limits: Limits
) -> Silence:
    """New alerts about this device, or about all equipment, wait. Raises NotPausableError."""
    _check(seconds, limits.maintenance_s, reason)
    begun = HoldRow(what=MAINTENANCE, device_id=device_id, reason=reason.strip(), by=by)
    return _begin(session, begun, f"device:{device_id}" if device_id else "site", seconds, now_ns)


def end(session: Session, hold_id: int, *, by: str, now_ns: int) -> Silence:
    """End it now. Raises UnknownHoldError."""
    row = session.get(HoldRow, hold_id)
    if row is None or row.ended_ns is not None or row.until_ns <= now_ns:
        raise UnknownHoldError(hold_id)
    row.ended_ns, row.ended_by = now_ns, by
    session.flush()
    append_audit(session, at_ns=now_ns, actor=by, action=f"{row.what}.ended", subject=f"hold:{row.id}")
    return _silence(row)


def in_force(session: Session, now_ns: int) -> list[Silence]:
    """Every pause and maintenance now, the oldest first."""
    query = select(HoldRow).where(HoldRow.ended_ns.is_(None), HoldRow.until_ns > now_ns).order_by(HoldRow.id)
    return [_silence(row) for row in session.scalars(query) if row.from_ns <= now_ns]


def hold_for(session: Session, finding: Finding, now_ns: int, limits: Limits) -> Hold | None:
    """Why an alert that this finding opens is not told at once; None: it is."""
    kind = KINDS[finding.kind]
    if kind.priority is Priority.HIGH and (kind.latching or kind.technical):
        return None
    silence = next((one for one in in_force(session, now_ns) if _covers(one, finding)), None)
    if silence is not None:
        return Hold(silence.what, silence.until_ns)
    if kind.priority is Priority.HIGH or finding.kind == FLOOD_KIND:
        return None
    since_ns = now_ns - int(limits.storm_s * NS)
    if _opened(session, finding.kind, since_ns, subject_of(finding)) >= limits.storm:
        return Hold(LIMITED, now_ns + int(limits.storm_s * NS))
    flood = kind.technical and _opened(session, finding.kind, now_ns - int(limits.flood_s * NS)) >= limits.flood
    return Hold(GROUPED, now_ns + DAY_NS) if flood else None


def group_finding(alert: Alert, phase: Phase, now_ns: int, members: list[str]) -> Finding:
    """What the alert for a whole flood is told of one of its members: it is in it, or it has ended."""
    named = ", ".join(members[:MOST_NAMED]) + (" ..." if len(members) > MOST_NAMED else "")
    evidence: dict[str, Evidence] = {"kind": alert.kind, "count": len(members), "devices": named}
    return Finding(f"flood:{alert.id}", FLOOD_KIND, None, now_ns, phase, 1.0, (f"flood:{alert.kind}",), evidence)


def held_devices(session: Session, kind: str) -> list[str]:
    """The first device of every alert of this kind that is kept back as part of a flood."""
    query = select(AlertRow.devices).where(AlertRow.kind == kind, AlertRow.held == GROUPED)
    found = session.scalars(query.where(AlertRow.state == State.SUSPECTED))
    return sorted({str(devices[0]) for devices in found if devices})


def held_by(session: Session, silence: Silence) -> list[str]:
    """Ids of the alerts that wait for this pause or maintenance to end."""
    query = select(AlertRow.id).where(AlertRow.held == silence.what, AlertRow.window_until_ns == silence.until_ns)
    return list(session.scalars(query.where(AlertRow.state == State.SUSPECTED)))


def _covers(silence: Silence, finding: Finding) -> bool:
    if silence.what == PAUSED:
        return silence.resident_id == finding.resident_id and silence.kind == finding.kind
    return KINDS[finding.kind].technical and silence.device_id in (None, *finding.devices)


def _opened(session: Session, kind: str, since_ns: int, subject: str | None = None) -> int:
    query = select(func.count()).select_from(AlertRow).where(AlertRow.kind == kind, AlertRow.created_ns > since_ns)
    query = query.where(AlertRow.test.is_(False), or_(AlertRow.held.is_(None), AlertRow.held == GROUPED))
    if subject is not None:
        query = query.where(AlertRow.subject == subject)
    return session.scalar(query) or 0


def _check(seconds: float, longest_s: float, reason: str) -> None:
    if not (math.isfinite(seconds) and 1 <= seconds <= longest_s):
        raise NotPausableError(f"{seconds:g} s: at least 1 s and at most {longest_s:g} s")
    if not reason.strip():
        raise NotPausableError("a reason is needed")


def _begin(session: Session, row: HoldRow, subject: str, seconds: float, now_ns: int) -> Silence:
    row.from_ns, row.until_ns = now_ns, now_ns + int(seconds * NS)
    session.add(row)
    session.flush()
    detail = {"id": row.id, "kind": row.kind, "seconds": seconds}
    append_audit(session, at_ns=now_ns, actor=row.by, action=f"{row.what}.begun", subject=subject, detail=detail)
    return _silence(row)


def _silence(row: HoldRow) -> Silence:
    return Silence(
        row.id, row.what, row.resident_id, row.kind, row.device_id, row.reason, row.by, row.from_ns, row.until_ns
    )
