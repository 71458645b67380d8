"""The registry: residents, devices, who wears or lives with which device, and whom to tell.

    RegistryError
    +-- UnknownRecordError     no record of this id
    +-- DuplicateRecordError   the id is taken
    +-- InvalidRecordError     a field is empty or has a value that is not allowed

Every change is audited in the same transaction. `by` is the person or key that makes it; times are UTC nanoseconds.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import and_, func, or_, select

from gateway.audit import append_audit, plain
from gateway.models import AssignmentRow, ContactRow, DeviceRow, ResidentRow, SettingRow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from gateway.database import Database

LANGUAGES = ("zh-CN", "en")
PLACEMENTS = ("worn", "room")
REMOVED = "removed/"
"""Beginning of the settings that name residents who were removed (`gateway/removal.py`)."""
FIRST_BIRTH_YEAR, LAST_BIRTH_YEAR = 1880, 2100

Row = TypeVar("Row", ResidentRow, DeviceRow, ContactRow)


class RegistryError(ValueError):
    """A change to the registry that cannot be made."""


class UnknownRecordError(RegistryError):
    """There is no such record."""

    def __init__(self, table: str, record_id: str) -> None:
        super().__init__(f"no {table} with id {record_id!r}")
        self.table = table
        self.record_id = record_id


class DuplicateRecordError(RegistryError):
    """There is such a record already."""

    def __init__(self, table: str, record_id: str) -> None:
        super().__init__(f"{table} {record_id!r} exists already; change it with update")
        self.table = table
        self.record_id = record_id


class InvalidRecordError(RegistryError):
    """A field cannot have this value."""

    def __init__(self, name: str, value: object, allowed: str) -> None:
        super().__init__(f"{name} is {value!r}; allowed: {allowed}")
        self.name = name
        self.value = value


@dataclass(frozen=True, slots=True)
class Resident:
    """A person cared for. birth_year and gender are None where not given."""

    id: str
    display_name: str
    birth_year: int | None = None
    gender: str | None = None
    room: str = ""
    language: str = "zh-CN"
    notes: str = ""
    active: bool = True


@dataclass(frozen=True, slots=True)
class Device:
    """A physical device; `id` is the `device_id` of its observations. placement: "worn" or "room"."""

    id: str
    family: str
    name: str = ""
    placement: str = "room"
    room: str = ""
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    active: bool = True


@dataclass(frozen=True, slots=True)
class Assignment:
    """Whose observations a device gave from `from_ns` until before `to_ns` (None: still)."""

    device_id: str
    resident_id: str
    from_ns: int
    to_ns: int | None


@dataclass(frozen=True, slots=True)
class Contact:
    """Whom to tell. resident_id None: of the whole site. order: the first is told first; equal ones together."""

    id: str
    resident_id: str | None
    name: str
    role: str
    channel: str
    address: str
    order: int = 0
    active: bool = True


class Registry:
    """Reads and changes the registry. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_resident(self, resident: Resident, *, by: str, now_ns: int) -> None:
        """Raises DuplicateRecordError, or InvalidRecordError also for the id of one who was removed and had alerts."""
        _check_resident(resident)
        if self.setting(REMOVED + resident.id) is not None:
            raise InvalidRecordError("id", resident.id, "one that no removed resident had, whose alerts are kept by it")
        self._add(ResidentRow, "resident", resident, by, now_ns)

    def update_resident(self, resident: Resident, *, by: str, now_ns: int) -> None:
        """Replace every field. Raises UnknownRecordError or InvalidRecordError."""
        _check_resident(resident)
        self._update(ResidentRow, "resident", resident, by, now_ns)

    def resident(self, resident_id: str) -> Resident | None:
        """One resident, None where unknown."""
        with self._database.read() as session:
            row = session.get(ResidentRow, resident_id)
            return _resident(row) if row else None

    def residents(self, *, active_only: bool = True) -> list[Resident]:
        """All residents by id."""
        query = select(ResidentRow).order_by(ResidentRow.id)
        with self._database.read() as session:
            return [_resident(row) for row in session.scalars(query) if row.active or not active_only]

    def add_device(self, device: Device, *, by: str, now_ns: int) -> None:
        """Raises DuplicateRecordError or InvalidRecordError."""
        _check_device(device)
        self._add(DeviceRow, "device", device, by, now_ns, credentials_hash=None)

    def update_device(self, device: Device, *, by: str, now_ns: int) -> None:
        """Replace every field but the credentials. Raises UnknownRecordError or InvalidRecordError."""
        _check_device(device)
        self._update(DeviceRow, "device", device, by, now_ns)

    def device(self, device_id: str) -> Device | None:
        """One device, None where unknown."""
        with self._database.read() as session:
            row = session.get(DeviceRow, device_id)
            return _device(row) if row else None

    def devices(self, *, active_only: bool = True) -> list[Device]:
        """All devices by id."""
        query = select(DeviceRow).order_by(DeviceRow.id)
        with self._database.read() as session:
            return [_device(row) for row in session.scalars(query) if row.active or not active_only]

    def set_credentials_hash(self, device_id: str, credentials_hash: str | None, *, by: str, now_ns: int) -> None:
        """Set or remove what a device proves itself with; only a hash is kept. Raises UnknownRecordError."""
        with self._database.write() as session:
            row = _existing(session, DeviceRow, "device", device_id)
            row.credentials_hash, row.updated_ns = credentials_hash, now_ns
            _audit(session, "device", "credentials", device_id, by, now_ns, {"set": credentials_hash is not None})

    def credentials_hash(self, device_id: str) -> str | None:
        """The hash of an active device's credentials, None where unknown or not set."""
        with self._database.read() as session:
            row = session.get(DeviceRow, device_id)
            return row.credentials_hash if row and row.active else None

    def credentials(self) -> list[tuple[str, str, str]]:
        """(device, family, hash) of every active device that has credentials, by id."""
        query = select(DeviceRow.id, DeviceRow.family, DeviceRow.credentials_hash).where(
            DeviceRow.active, DeviceRow.credentials_hash.is_not(None)
        )
        with self._database.read() as session:
            rows = session.execute(query.order_by(DeviceRow.id))
            return [(row[0], row[1], str(row[2])) for row in rows]

    def owners(self) -> dict[str, str | None]:
        """Every active device and the resident it belongs to now, None for nobody."""
        mine = and_(AssignmentRow.device_id == DeviceRow.id, AssignmentRow.to_ns.is_(None))
        query = select(DeviceRow.id, AssignmentRow.resident_id).outerjoin(AssignmentRow, mine).where(DeviceRow.active)
        with self._database.read() as session:
            return {row[0]: row[1] for row in session.execute(query.order_by(DeviceRow.id))}

    def fingerprint(self) -> tuple[int | None, ...]:
        """Changes whenever a device, an assignment or a resident's settings do: cheap, asked every few seconds."""
        devices = select(func.count(), func.max(DeviceRow.updated_ns), func.sum(DeviceRow.active)).select_from(
            DeviceRow
        )
        set_ = select(func.count(), func.max(SettingRow.updated_ns)).where(SettingRow.key.startswith("care/"))
        counts = (func.count(AssignmentRow.to_ns), func.count(AssignmentRow.id))
        given = select(func.max(AssignmentRow.id), *counts)
        with self._database.read() as session:
            return (*session.execute(devices).one(), *session.execute(given).one(), *session.execute(set_).one())

    def assign(self, device_id: str, resident_id: str | None, *, by: str, now_ns: int) -> None:
        """From now on the device belongs to this resident (None: to nobody). Raises UnknownRecordError."""
        with self._database.write() as session:
            _existing(session, DeviceRow, "device", device_id)
            if resident_id is not None:
                _existing(session, ResidentRow, "resident", resident_id)
            current = session.scalars(_open_assignment(device_id)).one_or_none()
            if (current.resident_id if current else None) == resident_id:
                return
            if current:
                current.to_ns = max(now_ns, current.from_ns)
                session.flush()
            if resident_id is not None:
                session.add(AssignmentRow(device_id=device_id, resident_id=resident_id, from_ns=now_ns, to_ns=None))
            _audit(session, "device", "assigned", device_id, by, now_ns, {"resident": resident_id})

    def assignments(self) -> list[Assignment]:
        """All open assignments by device."""
        query = select(AssignmentRow).where(AssignmentRow.to_ns.is_(None)).order_by(AssignmentRow.device_id)
        with self._database.read() as session:
            return [_assignment(row) for row in session.scalars(query)]

    def history(self, device_id: str) -> list[Assignment]:
        """Every assignment a device ever had, the oldest first."""
        query = select(AssignmentRow).where(AssignmentRow.device_id == device_id).order_by(AssignmentRow.id)
        with self._database.read() as session:
            return [_assignment(row) for row in session.scalars(query)]

    def resident_of(self, device_id: str, at_ns: int) -> str | None:
        """Whose the device was at that moment, None for nobody's."""
        query = select(AssignmentRow.resident_id).where(
            AssignmentRow.device_id == device_id,
            AssignmentRow.from_ns <= at_ns,
            or_(AssignmentRow.to_ns.is_(None), AssignmentRow.to_ns > at_ns),
        )
        with self._database.read() as session:
            return session.scalars(query.order_by(AssignmentRow.id.desc()).limit(1)).first()

    def add_contact(self, contact: Contact, *, by: str, now_ns: int) -> None:
        """Raises DuplicateRecordError, UnknownRecordError (resident) or InvalidRecordError."""
        self._check_contact(contact)
        self._add(ContactRow, "contact", contact, by, now_ns)

    def update_contact(self, contact: Contact, *, by: str, now_ns: int) -> None:
        """Replace every field. Raises UnknownRecordError or InvalidRecordError."""
        self._check_contact(contact)
        self._update(ContactRow, "contact", contact, by, now_ns)

    def contact(self, contact_id: str) -> Contact | None:
        """One contact, None where unknown."""
        with self._database.read() as session:
            row = session.get(ContactRow, contact_id)
            return _contact(row) if row else None

    def contacts(self, resident_id: str | None = None, *, active_only: bool = True) -> list[Contact]:
        """Whom to tell about a resident: the resident's own contacts, then the site's, each in their order.

        None: the site's only.
        """
        with self._database.read() as session:
            return contacts_of(session, resident_id, active_only=active_only)

    def setting(self, key: str) -> str | None:
        """A stored setting, None where never set."""
        with self._database.read() as session:
            row = session.get(SettingRow, key)
            return row.value if row else None

    def settings_below(self, prefix: str) -> dict[str, str]:
        """Every stored setting whose name begins with the prefix, by the rest of its name."""
        query = select(SettingRow).where(SettingRow.key.startswith(prefix, autoescape=True))
        with self._database.read() as session:
            return {row.key.removeprefix(prefix): row.value for row in session.scalars(query)}

    def put_setting(self, key: str, value: str, *, by: str, now_ns: int) -> None:
        """Store a setting. Its value is not written into the audit trail."""
        with self._database.write() as session:
            session.merge(SettingRow(key=key, value=value, updated_ns=now_ns))
            _audit(session, "setting", "put", key, by, now_ns, {})

    def _check_contact(self, contact: Contact) -> None:
        _filled("id", contact.id)
        _filled("channel", contact.channel)
        _filled("name", contact.name)
        if contact.resident_id is not None and self.resident(contact.resident_id) is None:
            raise UnknownRecordError("resident", contact.resident_id)

    def _add(
        self, table: type[Row], name: str, record: Resident | Device | Contact, by: str, now_ns: int, **more: Any
    ) -> None:
        fields = _fields(record)
        with self._database.write() as session:
            if session.get(table, record.id) is not None:
                raise DuplicateRecordError(name, record.id)
            session.add(table(**fields, **more, created_ns=now_ns, updated_ns=now_ns))
            _audit(session, name, "added", record.id, by, now_ns, {"fields": sorted(fields)})

    def _update(self, table: type[Row], name: str, record: Resident | Device | Contact, by: str, now_ns: int) -> None:
        with self._database.write() as session:
            row = _existing(session, table, name, record.id)
            changed = {key: value for key, value in _fields(record).items() if getattr(row, key) != value}
            for key, value in changed.items():
                setattr(row, key, value)
            row.updated_ns = now_ns
            _audit(session, name, "updated", record.id, by, now_ns, {"fields": sorted(changed)})


def contacts_of(session: Session, resident_id: str | None, *, active_only: bool = True) -> list[Contact]:
    """`Registry.contacts` within the caller's transaction."""
    ours = ContactRow.resident_id.is_(None)
    query = select(ContactRow).where(or_(ours, ContactRow.resident_id == resident_id) if resident_id else ours)
    rows = [row for row in session.scalars(query) if row.active or not active_only]
    return [_contact(row) for row in sorted(rows, key=lambda row: (row.resident_id is None, row.order, row.id))]


def resident_in(session: Session, resident_id: str | None) -> Resident | None:
    """`Registry.resident` within the caller's transaction."""
    row = session.get(ResidentRow, resident_id) if resident_id is not None else None
    return _resident(row) if row else None


def _fields(record: Resident | Device | Contact) -> dict[str, Any]:
    return {key: plain(value) for key, value in asdict(record).items()}


def _existing(session: Session, table: type[Row], name: str, record_id: str) -> Row:
    row = session.get(table, record_id)
    if row is None:
        raise UnknownRecordError(name, record_id)
    return row


def _audit(
    session: Session, table: str, action: str, record_id: str, by: str, now_ns: int, detail: dict[str, Any]
) -> None:
    append_audit(
        session, at_ns=now_ns, actor=by, action=f"{table}.{action}", subject=f"{table}:{record_id}", detail=detail
    )


def _open_assignment(device_id: str) -> Any:
    return select(AssignmentRow).where(AssignmentRow.device_id == device_id, AssignmentRow.to_ns.is_(None))


def _check_resident(resident: Resident) -> None:
    _filled("id", resident.id)
    _filled("display_name", resident.display_name)
    if resident.language not in LANGUAGES:
        raise InvalidRecordError("language", resident.language, ", ".join(LANGUAGES))
    year = resident.birth_year
    if year is not None and not FIRST_BIRTH_YEAR <= year <= LAST_BIRTH_YEAR:
        raise InvalidRecordError("birth_year", year, f"{FIRST_BIRTH_YEAR} to {LAST_BIRTH_YEAR}, or none")


def _check_device(device: Device) -> None:
    _filled("id", device.id)
    _filled("family", device.family)
    if device.placement not in PLACEMENTS:
        raise InvalidRecordError("placement", device.placement, ", ".join(PLACEMENTS))


def _filled(name: str, value: str) -> None:
    if not value.strip():
        raise InvalidRecordError(name, value, "not empty")


def _resident(row: ResidentRow) -> Resident:
    return Resident(row.id, row.display_name, row.birth_year, row.gender, row.room, row.language, row.notes, row.active)


def _device(row: DeviceRow) -> Device:
    return Device(row.id, row.family, row.name, row.placement, row.room, dict(row.options), row.active)


def _assignment(row: AssignmentRow) -> Assignment:
    return Assignment(row.device_id, row.resident_id, row.from_ns, row.to_ns)


def _contact(row: ContactRow) -> Contact:
    return Contact(row.id, row.resident_id, row.name, row.role, row.channel, row.address, row.order, row.active)
