"""Taking a resident, a device or a contact out of the registry: what goes, and what is kept by rule.

Everything that names the resident goes, in one transaction: the person, own contacts, care plan and what was done by
it, night reports, habits and other things learned, own settings, consents, pauses. Their devices stay and belong to
nobody. The history (readings, waveforms) is erased by the gateway within two hours, because it alone writes there;
until then `to_erase` names them. Alerts with what was sent about them and the audit trail are kept: they are the proof
of what was done. They hold the id, which therefore nobody else may get once anything was recorded of it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, select

from gateway import consents, learning  # noqa: F401 - the table of consents names residents
from gateway.alerts.alert import OPEN
from gateway.audit import append_audit
from gateway.care import PREFIX as CARE
from gateway.commissioning import commissioning_key
from gateway.models import AlertRow, AssignmentRow, Base, ContactRow, DeviceRow, ResidentRow, SettingRow
from gateway.registry import REMOVED, InvalidRecordError, UnknownRecordError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Table
    from sqlalchemy.orm import Session

    from gateway.database import Database

RESIDENT = "resident_id"
KEPT = frozenset({AlertRow.__tablename__})
"""Tables that go on naming a resident who was removed."""
OWN_SETTINGS = (CARE, learning.KEY)
"""Beginnings of the names of a resident's settings; the id follows."""
DETACHED_NS = 60_000_000_000
"""By then a running gateway has followed the registry, and gives the resident no more readings."""
ERASER = "system"


@dataclass(frozen=True, slots=True)
class Removed:
    """What a removal took with it. devices: those that are nobody's now. rows: by table, where there were any."""

    id: str
    devices: tuple[str, ...] = ()
    rows: dict[str, int] | None = None
    history: bool = False


def remove_resident(database: Database, resident_id: str, *, by: str, now_ns: int) -> Removed:
    """Take a resident out. Raises UnknownRecordError, or InvalidRecordError while an alert about them is open."""
    with database.write() as session:
        found = _found(session, resident_id)
        for table in tables():
            session.execute(table.delete().where(table.c[RESIDENT] == resident_id))
        session.execute(delete(SettingRow).where(SettingRow.key.in_([start + resident_id for start in OWN_SETTINGS])))
        session.execute(delete(ResidentRow).where(ResidentRow.id == resident_id))
        if found.history:
            value = json.dumps({"at_ns": now_ns, "erased": False})
            session.merge(SettingRow(key=REMOVED + resident_id, value=value, updated_ns=now_ns))
        _audit(session, "resident", resident_id, by, now_ns, {**asdict(found), "devices": list(found.devices)})
        return found


def what_goes(database: Database, resident_id: str) -> Removed:
    """What `remove_resident` would take now. Raises as it does."""
    with database.read() as session:
        return _found(session, resident_id)


def remove_device(database: Database, device_id: str, *, by: str, now_ns: int) -> None:
    """Take a device out: its account, whose it was, what was tried. Its readings stay with the resident.

    Raises UnknownRecordError.
    """
    with database.write() as session:
        _existing(session, DeviceRow, "device", device_id)
        session.execute(delete(AssignmentRow).where(AssignmentRow.device_id == device_id))
        session.execute(delete(SettingRow).where(SettingRow.key == commissioning_key(device_id)))
        session.execute(delete(DeviceRow).where(DeviceRow.id == device_id))
        _audit(session, "device", device_id, by, now_ns, {})


def remove_contact(database: Database, contact_id: str, *, by: str, now_ns: int) -> None:
    """Take a contact out; what is already on its way is still sent. Raises UnknownRecordError."""
    with database.write() as session:
        _existing(session, ContactRow, "contact", contact_id)
        session.execute(delete(ContactRow).where(ContactRow.id == contact_id))
        _audit(session, "contact", contact_id, by, now_ns, {})


def to_erase(database: Database, now_ns: int) -> list[str]:
    """Removed residents whose history is still there and whose devices give them nothing any more."""
    query = select(SettingRow).where(SettingRow.key.startswith(REMOVED, autoescape=True))
    with database.read() as session:
        rows = {row.key.removeprefix(REMOVED): json.loads(row.value) for row in session.scalars(query)}
    return sorted(one for one, tree in rows.items() if not tree["erased"] and now_ns - tree["at_ns"] >= DETACHED_NS)


def erased(database: Database, resident_id: str, rows: int, now_ns: int) -> None:
    """Write down that the history of a removed resident has gone; the id stays taken."""
    with database.write() as session:
        value = json.dumps({"at_ns": now_ns, "erased": True})
        session.merge(SettingRow(key=REMOVED + resident_id, value=value, updated_ns=now_ns))
        detail = {"rows": rows}
        subject = f"resident:{resident_id}"
        append_audit(session, at_ns=now_ns, actor=ERASER, action="resident.erased", subject=subject, detail=detail)


def tables() -> Iterator[Table]:
    """Every table that names residents and loses its rows with them."""
    for table in Base.metadata.sorted_tables:
        if RESIDENT in table.c and table.name not in KEPT:
            yield table


def _found(session: Session, resident_id: str) -> Removed:
    _existing(session, ResidentRow, "resident", resident_id)
    query = select(AlertRow.state).where(AlertRow.resident_id == resident_id)
    states = list(session.scalars(query))
    if any(state in OPEN for state in states):
        raise InvalidRecordError("resident", resident_id, "one without an open alert; close it first")
    counts = {
        table.name: session.scalar(select(func.count()).select_from(table).where(table.c[RESIDENT] == resident_id)) or 0
        for table in tables()
    }
    mine = select(AssignmentRow.device_id).where(AssignmentRow.resident_id == resident_id)
    now = sorted(session.scalars(mine.where(AssignmentRow.to_ns.is_(None))))
    rows = {name: count for name, count in counts.items() if count}
    return Removed(resident_id, tuple(now), rows, bool(states) or AssignmentRow.__tablename__ in rows)


def _existing(session: Session, table: type[Any], name: str, record_id: str) -> None:
    if session.get(table, record_id) is None:
        raise UnknownRecordError(name, record_id)


def _audit(session: Session, name: str, record_id: str, by: str, now_ns: int, detail: dict[str, Any]) -> None:
    subject = f"{name}:{record_id}"
    append_audit(session, at_ns=now_ns, actor=by, action=f"{name}.removed", subject=subject, detail=detail)
