"""The audit trail: who did what to what, each row chained to the one before by its hash.

A row's hash is sha256(previous hash + canonical JSON of the row). Rows hold identities of records, not personal
data, so that a person's data can be erased while the chain stays whole; free text appears only as its digest.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from gateway.models import AuditRow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

GENESIS = ""
LAST_KEY = "audit.last"
LAST = select(AuditRow.seq, AuditRow.hash).order_by(AuditRow.seq.desc()).limit(1)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One row of the trail. at_ns: UTC nanoseconds. detail: plain JSON."""

    seq: int
    at_ns: int
    actor: str
    action: str
    subject: str
    detail: Mapping[str, Any]
    hash: str


@dataclass(frozen=True, slots=True)
class AuditReport:
    """Result of a check: number of rows, the hash of the last, and the first row that does not fit (or None)."""

    rows: int
    head: str
    broken_at: int | None

    @property
    def intact(self) -> bool:
        """True when every row follows from the one before."""
        return self.broken_at is None


def plain(value: Any) -> Any:
    """The value as plain JSON: numbers that are not finite become None, numpy scalars become Python's own."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    item = getattr(value, "item", None)
    return plain(item()) if callable(item) else str(value)


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces; the same value always gives the same text."""
    return json.dumps(plain(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """Hex sha256 of the canonical JSON of a value."""
    return hashlib.sha256(canonical(value).encode("utf-8", "surrogatepass")).hexdigest()


def append_audit(
    session: Session, *, at_ns: int, actor: str, action: str, subject: str, detail: Mapping[str, Any] | None = None
) -> None:
    """Add one row within the caller's write transaction; it stands or falls with what it reports."""
    # Within one transaction nobody else adds rows, and a trigger refuses what does not follow.
    if LAST_KEY not in session.info:
        last = session.execute(LAST).first()
        session.info[LAST_KEY] = (last[0], last[1]) if last else (0, GENESIS)
    seq, prev_hash = session.info[LAST_KEY][0] + 1, session.info[LAST_KEY][1]
    text = canonical(dict(detail or {}))
    values = {"seq": seq, "at_ns": at_ns, "actor": actor, "action": action, "subject": subject, "detail": text}
    chained = {"prev_hash": prev_hash, "hash": _hash(prev_hash, list(values.values()))}
    session.execute(insert(AuditRow.__table__), values | chained)  # type: ignore[arg-type]
    session.info[LAST_KEY] = (seq, chained["hash"])


def verify_audit(session: Session) -> AuditReport:
    """Recompute the whole chain."""
    count, head = 0, GENESIS
    for row in session.scalars(select(AuditRow).order_by(AuditRow.seq).execution_options(yield_per=500)):
        if row.seq != count + 1 or row.prev_hash != head or row.hash != _hash(row.prev_hash, _content(row)):
            return AuditReport(count, head, row.seq)
        count, head = row.seq, row.hash
    return AuditReport(count, head, None)


def read_audit(
    session: Session, *, subject: str | None = None, before_seq: int | None = None, limit: int = 100
) -> list[AuditEntry]:
    """The latest rows first, of one subject or of all, older than `before_seq` when paging."""
    query = select(AuditRow).order_by(AuditRow.seq.desc()).limit(limit)
    if subject is not None:
        query = query.where(AuditRow.subject == subject)
    if before_seq is not None:
        query = query.where(AuditRow.seq < before_seq)
    return [
        AuditEntry(row.seq, row.at_ns, row.actor, row.action, row.subject, json.loads(row.detail), row.hash)
        for row in session.scalars(query)
    ]


def _content(row: AuditRow) -> list[Any]:
    return [row.seq, row.at_ns, row.actor, row.action, row.subject, row.detail]


def _hash(prev_hash: str, content: list[Any]) -> str:
    return hashlib.sha256((prev_hash + canonical(content)).encode("utf-8", "surrogatepass")).hexdigest()
