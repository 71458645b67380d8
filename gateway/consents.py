"""What residents have agreed to beyond the care itself, purpose by purpose: nothing, until it is written here.

Giving and withdrawing are audited in the same transaction. A withdrawn consent stays on record, so that what was kept
by it is deleted even if the gateway was not running at that time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, mapped_column

from gateway.audit import append_audit
from gateway.models import Base, ResidentRow
from gateway.registry import InvalidRecordError, UnknownRecordError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.database import Database

FALL_RECORDINGS = "fall_recordings"
PURPOSES: Mapping[str, tuple[str, str]] = {
    FALL_RECORDINGS: (
        "保存跌倒报警前后一分钟的加速度，用于核对和改进检测",
        "Keep the minute of acceleration around a fall alert, to check and improve detection",
    ),
}
"""Purpose -> what the resident is told of it, in Chinese and English."""


class ConsentRow(Base):
    """One consent of one resident; withdrawn_ns is empty while it stands."""

    __tablename__ = "consents"
    resident_id: Mapped[str] = mapped_column(ForeignKey("residents.id"), primary_key=True)
    purpose: Mapped[str] = mapped_column(primary_key=True)
    given_ns: Mapped[int]
    withdrawn_ns: Mapped[int | None]


class Consent(NamedTuple):
    """How one purpose stands for one resident; given_ns is None where it was never agreed to."""

    purpose: str
    given_ns: int | None
    withdrawn_ns: int | None

    @property
    def stands(self) -> bool:
        """Whether it is agreed to now."""
        return self.given_ns is not None and self.withdrawn_ns is None


class Consents:
    """Reads and changes consents. `by` is who writes it down; times are UTC nanoseconds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def give(self, resident_id: str, purpose: str, *, by: str, now_ns: int) -> None:
        """From now on agreed to. Raises UnknownRecordError or InvalidRecordError."""
        self._write(resident_id, purpose, given=True, by=by, now_ns=now_ns)

    def withdraw(self, resident_id: str, purpose: str, *, by: str, now_ns: int) -> None:
        """No longer agreed to. Nothing happens where it never was. Raises as `give`."""
        self._write(resident_id, purpose, given=False, by=by, now_ns=now_ns)

    def standing(self, purpose: str) -> dict[str, bool]:
        """Every resident who ever agreed to it, and whether that still stands."""
        query = select(ConsentRow.resident_id, ConsentRow.withdrawn_ns).where(ConsentRow.purpose == purpose)
        with self._database.read() as session:
            return {row[0]: row[1] is None for row in session.execute(query)}

    def of(self, resident_id: str) -> list[Consent]:
        """Every purpose there is, and how it stands for this resident."""
        with self._database.read() as session:
            rows = {row.purpose: row for row in session.scalars(select(ConsentRow).filter_by(resident_id=resident_id))}
        known = {name: (row.given_ns, row.withdrawn_ns) for name, row in rows.items()}
        return [Consent(purpose, *known.get(purpose, (None, None))) for purpose in PURPOSES]

    def _write(self, resident_id: str, purpose: str, *, given: bool, by: str, now_ns: int) -> None:
        if purpose not in PURPOSES:
            raise InvalidRecordError("purpose", purpose, ", ".join(PURPOSES))
        with self._database.write() as session:
            if session.get(ResidentRow, resident_id) is None:
                raise UnknownRecordError("resident", resident_id)
            row = session.get(ConsentRow, (resident_id, purpose))
            if (row is not None and row.withdrawn_ns is None) == given:
                return
            if row is None:
                if not given:
                    return
                row = ConsentRow(resident_id=resident_id, purpose=purpose, given_ns=now_ns, withdrawn_ns=None)
                session.add(row)
            elif given:
                row.given_ns, row.withdrawn_ns = now_ns, None
            else:
                row.withdrawn_ns = now_ns
            append_audit(
                session,
                at_ns=now_ns,
                actor=by,
                action="consent.given" if given else "consent.withdrawn",
                subject=f"resident:{resident_id}",
                detail={"purpose": purpose},
            )
