"""Finds alerts for the API: filters, only what the key may see, and pages that do not shift while alerts come in."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, select

from gateway.alerts import records
from gateway.alerts.records import ROWID
from gateway.models import AlertRow

if TYPE_CHECKING:
    from gateway.alerts.lifecycle import Alert, State
    from gateway.database import Database

LARGEST_ROW = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which alerts; an absent condition does not restrict. since_ns, until_ns: when it happened.

    visible: residents the key may see, None for all. before: row of the last alert of the page before.
    """

    states: tuple[State, ...] | None = None
    kind: str | None = None
    resident_id: str | None = None
    test: bool | None = None
    since_ns: int | None = None
    until_ns: int | None = None
    visible: frozenset[str] | None = None
    before: int | None = None


def search(database: Database, wanted: Wanted, limit: int) -> tuple[list[Alert], int | None]:
    """Up to `limit` alerts, the newest first, and where the next page begins (None at the end)."""
    query = select(ROWID, AlertRow.id).order_by(ROWID.desc()).limit(limit + 1)
    for condition in _conditions(wanted):
        query = query.where(condition)
    with database.read() as session:
        rows = session.execute(query).all()
        alerts = [records.load(session, row[1]) for row in rows[:limit]]
    following = int(rows[limit - 1][0]) if len(rows) > limit else None
    return [alert for alert in alerts if alert is not None], following


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool] | None] = [
        AlertRow.state.in_(wanted.states) if wanted.states is not None else None,
        AlertRow.kind == wanted.kind if wanted.kind is not None else None,
        AlertRow.resident_id == wanted.resident_id if wanted.resident_id is not None else None,
        AlertRow.test == wanted.test if wanted.test is not None else None,
        AlertRow.at_ns >= wanted.since_ns if wanted.since_ns is not None else None,
        AlertRow.at_ns < wanted.until_ns if wanted.until_ns is not None else None,
        AlertRow.resident_id.in_(sorted(wanted.visible)) if wanted.visible is not None else None,
        wanted.before > ROWID if wanted.before is not None else None,
    ]
    return [condition for condition in conditions if condition is not None]


def to_cursor(row: int) -> str:
    """A place in the list as the text that clients hand back."""
    return base64.urlsafe_b64encode(f"a{row}".encode()).decode().rstrip("=")


def from_cursor(text: str) -> int:
    """The place a cursor stands for. Raises ValueError for anything that `to_cursor` did not make."""
    try:
        plain = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
    except ValueError as error:
        raise ValueError("not a cursor of this list") from error
    digits = plain.removeprefix("a")
    if plain == digits or not digits.isdecimal() or len(digits) > 19 or int(digits) > LARGEST_ROW:
        raise ValueError("not a cursor of this list")
    return int(digits)
