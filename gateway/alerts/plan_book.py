"""Which escalation plan is in force: the last one stored through the API, else that of the settings file.

Every version is kept, and each change is a row of the audit trail. A stored plan replaces the whole plan of the file;
going back to the file is a version of its own.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError
from sqlalchemy import select

from gateway.alerts.policy import Plan
from gateway.audit import append_audit, digest
from gateway.models import EscalationRow

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gateway.database import Database

log = logging.getLogger(__name__)

LATEST = select(EscalationRow.version).order_by(EscalationRow.version.desc()).limit(1)
DATABASE, FILE, BUILT_IN = "database", "file", "built-in"


@dataclass(frozen=True, slots=True)
class InForce:
    """The plan, where it comes from, and its version (0 where none was ever stored); by and at_ns: who stored it."""

    plan: Plan
    source: str
    version: int = 0
    by: str | None = None
    at_ns: int | None = None


class PlanBook:
    """Gives the plan within any transaction; cheap, because it is read anew only when there is a new version."""

    def __init__(self, of_file: Plan | None = None) -> None:
        self._of_file = of_file or Plan()
        self._known: InForce | None = None

    def __call__(self, session: Session) -> Plan:
        """The plan in force."""
        return self.in_force(session).plan

    def in_force(self, session: Session) -> InForce:
        """The plan in force and where it comes from. One that cannot be read any more is the file's."""
        version = session.scalar(LATEST) or 0
        if self._known is None or self._known.version != version:
            self._known = self._read(session, version)
        return self._known

    def put(self, database: Database, plan: Plan | None, *, by: str, now_ns: int) -> InForce:
        """Store a plan; None: the file's from now on."""
        text = None if plan is None else plan.model_dump_json(by_alias=True)
        with database.write() as session:
            row = EscalationRow(at_ns=now_ns, by=by, plan=text)
            session.add(row)
            session.flush()
            detail = {"version": row.version, "digest": digest(text), "source": FILE if plan is None else DATABASE}
            append_audit(session, at_ns=now_ns, actor=by, action="escalation.put", subject="escalation", detail=detail)
            return self._read(session, row.version)

    def versions(self, session: Session) -> list[InForce]:
        """Every version that was stored, the newest first."""
        query = select(EscalationRow.version).order_by(EscalationRow.version.desc())
        return [self._read(session, version) for version in session.scalars(query)]

    def _read(self, session: Session, version: int) -> InForce:
        row = session.get(EscalationRow, version) if version else None
        source = FILE if self._of_file.policy or self._of_file.schedule else BUILT_IN
        if row is None:
            return InForce(self._of_file, source)
        if row.plan is None:
            return InForce(self._of_file, source, version, row.by, row.at_ns)
        try:
            return InForce(Plan.model_validate_json(row.plan), DATABASE, version, row.by, row.at_ns)
        except ValidationError:
            log.exception("escalation plan %s cannot be read, the file's is in force", version)
            return InForce(self._of_file, source, version, row.by, row.at_ns)
