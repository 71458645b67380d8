"""Keeps what the analysis has learned of residents over a restart: read at the start, saved every ten minutes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import select
from sqlalchemy.dialects import sqlite

from gateway.models import LearnedRow, ResidentRow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Table

    from gateway.database import Database

States = dict[str, dict[str, Any]]
"""part -> resident -> state"""
SAVED_AT_ONCE = 100
"""Of so many residents in one transaction: alerts wait for no more."""
_ROW = sqlite.insert(cast("Table", LearnedRow.__table__))
_REPLACE = _ROW.on_conflict_do_update(
    index_elements=["resident_id", "part"], set_={"state": _ROW.excluded.state, "saved_ns": _ROW.excluded.saved_ns}
)


def read_learned(database: Database) -> States:
    """Everything that was saved."""
    states: States = {}
    with database.read() as session:
        for row in session.scalars(select(LearnedRow)):
            states.setdefault(row.part, {})[row.resident_id] = dict(row.state)
    return states


def learned_of(database: Database, resident_id: str, part: str) -> tuple[dict[str, Any], int] | None:
    """One state and when it was saved (UTC ns), None where nothing was."""
    with database.read() as session:
        row = session.get(LearnedRow, (resident_id, part))
        return None if row is None else (dict(row.state), row.saved_ns)


def save_learned(database: Database, states: Mapping[str, Mapping[str, Any]], now_ns: int) -> None:
    """Replace what is known of these residents; of others it stays. Whoever is not registered is left out."""
    everybody = set().union(*states.values())
    with database.write() as session:
        known = set(session.scalars(select(ResidentRow.id).where(ResidentRow.id.in_(everybody))))
        rows = [
            {"resident_id": resident_id, "part": part, "state": dict(residents[resident_id]), "saved_ns": now_ns}
            for part, residents in states.items()
            for resident_id in residents.keys() & known
        ]
        if rows:
            session.execute(_REPLACE, rows)
