"""A damaged database does not silence the box: the file is kept aside, what can be read goes into a new one, loudly.

Residents, devices, contacts, keys, settings and open alerts are what the box needs to go on; they are read from the
damaged file row by row, from both ends of each table, and what is missing is taken from a copy that every clean start
leaves beside the database. The audit trail stays in the file that is kept: the new one begins with where it is.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from analytics.findings import Finding, Phase
from gateway.audit import append_audit
from gateway.box_watch import BOX_FAULT, DATABASE, Condition
from gateway.context import HealthItem
from gateway.database import CorruptDatabaseError, open_database
from gateway.models import AuditRow, Base

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.database import Database

MARK, COPY = ".broken-", ".safe"
BESIDES = ("-wal", "-shm")
NOT_COPIED = {"audit", "alerts", "alert_episodes", "alert_events", "outbox", "callbacks"}
COPIED = tuple(table.name for table in Base.metadata.sorted_tables if table.name not in NOT_COPIED)
"""What the copy beside the database holds: who is there and whom to tell, but no alerts."""
Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Salvage:
    """kept: the damaged file. rows: how many were saved, by table; lost: tables of which some were not readable."""

    kept: Path
    reason: str
    rows: dict[str, int] = field(default_factory=dict)
    lost: tuple[str, ...] = ()

    def finding(self, now_ns: int) -> Finding:
        """The technical finding that tells people."""
        evidence: dict[str, str | float | int | bool] = {
            "what": "the database was damaged; a new one was made from what could be read",
            "kept": self.kept.name,
            "reason": self.reason[:200],
            "residents": self.rows.get("residents", 0),
            "contacts": self.rows.get("contacts", 0),
            "not_readable": ", ".join(self.lost),
        }
        episode = f"database:{self.kept.name}"
        return Finding(episode, BOX_FAULT, None, now_ns, Phase.CONFIRMED, 1.0, (DATABASE,), evidence)


def open_or_salvage(path: Path, now_ns: int) -> tuple[Database, Salvage | None]:
    """The database; where it is damaged, a new one with what could be saved. Raises DatabaseError for anything else."""
    try:
        database = open_database(path)
    except CorruptDatabaseError as error:
        return _salvaged(path, str(error), now_ns)
    with contextlib.suppress(OSError, sqlite3.Error):  # a full disk: the copy is for another day
        _leave_copy(path)
    return database, None


def kept_aside(path: Path) -> list[Path]:
    """Damaged databases that wait for a person, the oldest first."""
    found = sorted(path.parent.glob(f"{path.name}{MARK}*"))
    return [one for one in found if not one.name.endswith(BESIDES)]


def health_item(path: Path) -> HealthItem | None:
    """Bad for as long as a damaged file lies there: somebody must look at it and move it away."""
    kept = kept_aside(path)
    if not kept:
        return None
    zh = f"数据库曾损坏，已换新；请检查并移走 {kept[-1].name}"
    en = f"the database was damaged and replaced; look at {kept[-1].name} and move it away"
    return HealthItem("database", False, zh, en, {"kept": float(len(kept))})


def condition(path: Path) -> Condition:
    """A fault of the box for as long as a damaged file lies there."""
    kept = kept_aside(path)
    return Condition(BOX_FAULT, DATABASE, bool(kept), {"kept": kept[-1].name} if kept else {})


def _salvaged(path: Path, reason: str, now_ns: int) -> tuple[Database, Salvage]:
    stamp = datetime.fromtimestamp(now_ns // 10**9, UTC).strftime("%Y%m%dT%H%M%SZ")
    kept = path.with_name(f"{path.name}{MARK}{stamp}")
    while kept.exists():
        kept = kept.with_name(f"{kept.name}x")
    for end in ("", *BESIDES):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + end).rename(kept.with_name(kept.name + end))
    database = open_database(path)
    rows, lost = _fill(path, kept)
    salvage = Salvage(kept, reason, rows, lost)
    _note(database, salvage, now_ns)
    return database, salvage


def _note(database: Database, salvage: Salvage, now_ns: int) -> None:
    sha256 = hashlib.sha256(salvage.kept.read_bytes()).hexdigest()
    detail = {"kept": salvage.kept.name, "sha256": sha256, "rows": salvage.rows, "lost": list(salvage.lost)}
    with database.write() as session:
        append_audit(session, at_ns=now_ns, actor="system", action="database.replaced", subject="site", detail=detail)


def _fill(path: Path, kept: Path) -> tuple[dict[str, int], tuple[str, ...]]:
    """Into the new database what the damaged one and then the copy beside it still tell, parents before children."""
    rows: dict[str, int] = {}
    lost: list[str] = []
    safe = path.with_name(path.name + COPY)
    with contextlib.closing(sqlite3.connect(path)) as target, _reading(kept) as damaged, _reading(safe) as copy:
        target.execute("PRAGMA foreign_keys = ON")
        for table in (table.name for table in Base.metadata.sorted_tables if table.name != AuditRow.__tablename__):
            whole = _copy(damaged, target, table)
            if not whole and table in COPIED:
                _copy(copy, target, table)
            if not whole:
                lost.append(table)
            rows[table] = target.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - our own name
        target.commit()
    return rows, tuple(lost)


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection | None]:
    """Read only: what is evidence is not changed. None where there is nothing that opens."""
    try:
        source = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    except sqlite3.Error:
        yield None
        return
    with contextlib.closing(source):
        yield source


def _copy(source: sqlite3.Connection | None, target: sqlite3.Connection, table: str) -> bool:
    """Copy what can be read; a row that is there already, or whose parent is lost, is left out. True when all was."""
    if source is None:
        return False
    names, rows, whole = _readable(source, table)
    known = {column[1] for column in target.execute(f"PRAGMA table_info({table})")}
    if not names or not set(names) <= known:
        return False
    marks = ", ".join("?" * len(names))
    columns = ", ".join(f'"{name}"' for name in names)
    for row in rows:
        try:
            target.execute(f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})", row)  # noqa: S608
        except sqlite3.Error:
            whole = False
    return whole


def _readable(source: sqlite3.Connection, table: str) -> tuple[list[str], Rows, bool]:
    """Column names, rows and whether these are all: read forward to the damage, then backward to it."""
    found: dict[int, tuple[Any, ...]] = {}
    names: list[str] = []
    for direction in ("ASC", "DESC"):
        try:
            cursor = source.execute(f"SELECT rowid, * FROM {table} ORDER BY rowid {direction}")  # noqa: S608
            names = [column[0] for column in cursor.description[1:]]
            for row in cursor:
                if row[0] in found:
                    break
                found[row[0]] = row[1:]
            else:
                if direction == "ASC":
                    return names, list(found.values()), True
        except (sqlite3.Error, UnicodeDecodeError, OverflowError):
            continue
    return names, [found[number] for number in sorted(found)], False


def _leave_copy(path: Path) -> None:
    """Beside the database, whole or not at all: first under another name, then put in its place."""
    safe, fresh = path.with_name(path.name + COPY), path.with_name(path.name + COPY + "-new")
    fresh.unlink(missing_ok=True)
    os.close(os.open(fresh, os.O_CREAT | os.O_EXCL, 0o600))
    with contextlib.closing(sqlite3.connect(fresh.absolute().as_uri(), uri=True)) as copy:
        copy.execute("ATTACH ? AS now", (f"{path.absolute().as_uri()}?mode=ro",))
        there = {row[0] for row in copy.execute("SELECT name FROM now.sqlite_master WHERE type = 'table'")}
        for table in (table for table in COPIED if table in there):
            copy.execute(f"CREATE TABLE {table} AS SELECT * FROM now.{table}")  # noqa: S608 - our own name
        copy.commit()
    fresh.replace(safe)
