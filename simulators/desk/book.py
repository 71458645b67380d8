"""The book of a small 助急 centre: every message and every answer of its people, in SQLite, on disk before it is told.

An alert is answered with success only when its row is committed (synchronous=FULL), so what was accepted is never lost.
Times are seconds since the epoch, given by the caller.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    webhook_id TEXT PRIMARY KEY, alert_id TEXT NOT NULL, revision INTEGER NOT NULL, type TEXT NOT NULL,
    received_at REAL NOT NULL, data TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS events_of_alert ON events (alert_id, revision);
CREATE TABLE IF NOT EXISTS answers (
    webhook_id TEXT PRIMARY KEY, alert_id TEXT NOT NULL, type TEXT NOT NULL, who TEXT NOT NULL, outcome TEXT,
    note TEXT NOT NULL, made_at REAL NOT NULL, state TEXT NOT NULL, said TEXT NOT NULL, attempts INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS answers_of_alert ON answers (alert_id);
CREATE TABLE IF NOT EXISTS sites (source TEXT PRIMARY KEY, heard_at REAL NOT NULL, interval_s REAL NOT NULL);
"""
WAITING, APPLIED, REFUSED = "waiting", "applied", "refused"
OVER = ("alert.cancelled", "alert.resolved")
ORDER = ("acknowledged", "en_route", "on_scene", "resolved")
PRIORITIES = {"high": 0, "medium": 1, "low": 2}
MISSED = 3
NO_WAY_BACK = "no address for answers"
"""The alert says no `acknowledge_url`, and the desk has none of its own."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person of the centre said. state: whether the gateway has taken it; said: the gateway's words."""

    webhook_id: str
    alert_id: str
    type: str
    who: str
    outcome: str | None
    note: str
    made_at: float
    state: str
    said: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Case:
    """One alert as the centre knows it: the newest message, when the first came, and the answers so far."""

    alert_id: str
    type: str
    first_at: float
    data: Mapping[str, Any]
    answers: tuple[Answer, ...]

    @property
    def over(self) -> bool:
        """Nothing more to do: cancelled or resolved, there or here."""
        return self.type in OVER or "resolved" in self.reached

    @property
    def reached(self) -> tuple[str, ...]:
        """Which steps people of the centre have taken."""
        return tuple(answer.type for answer in self.answers if answer.state != REFUSED)

    @property
    def waits(self) -> bool:
        """Nobody has taken it yet, neither here nor elsewhere, or it was raised again."""
        answered = bool(self.reached) or bool(self.data.get("acknowledged_by"))
        return not self.over and (not answered or (bool(self.data.get("reopened")) and not self.reached))


class Book:
    """Open it with a path, close it with `close`. Safe from several threads."""

    def __init__(self, path: Path) -> None:
        self._turn = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "busy_timeout = 10000"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.executescript(SCHEMA)
        path.chmod(0o600)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def receive(self, webhook_id: str, event: Mapping[str, Any], now: float) -> bool:
        """Write a message down; False when it came before. On disk when this returns."""
        data = event["data"]
        row = (webhook_id, data["alert_id"], int(data["revision"]), event["type"], now, json.dumps(data))
        return self._write("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?, ?)", row) == 1

    def heard(self, source: str, interval_s: float, now: float) -> None:
        """A gateway's heartbeat."""
        self._write("INSERT OR REPLACE INTO sites VALUES (?, ?, ?)", (source, now, interval_s))

    def silent(self, now: float) -> list[tuple[str, float]]:
        """Gateways that have sent heartbeats and then none for three intervals, and when they were last heard."""
        query = "SELECT source, heard_at FROM sites WHERE ? - heard_at > ? * interval_s ORDER BY source"
        return [(str(row[0]), float(row[1])) for row in self._read(query, (now, MISSED))]

    def answer(
        self, webhook_id: str, alert_id: str, kind: str, who: str, now: float, outcome: str | None, note: str
    ) -> None:
        """A person's answer, to be sent to the gateway. Nothing twice: a repeated webhook_id changes nothing."""
        row = (webhook_id, alert_id, kind, who, outcome, note, now, WAITING, "", 0)
        self._write("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def waiting(self) -> list[Answer]:
        """Answers that the gateway has not taken yet, the oldest first; of one alert only the first."""
        query = "SELECT * FROM answers WHERE state = ? ORDER BY made_at, rowid"
        first: dict[str, Answer] = {}
        for row in self._read(query, (WAITING,)):
            first.setdefault(str(row[1]), Answer(*row))
        return list(first.values())

    def settle(self, webhook_id: str, state: str, said: str) -> None:
        """How an attempt to send an answer ended."""
        query = "UPDATE answers SET state = ?, said = ?, attempts = attempts + 1 WHERE webhook_id = ?"
        self._write(query, (state, said[:500], webhook_id))

    def case(self, alert_id: str) -> Case | None:
        """One alert, None where unknown."""
        rows = self._read("SELECT * FROM events WHERE alert_id = ? ORDER BY revision, received_at, rowid", (alert_id,))
        if not rows:
            return None
        answers = self._read("SELECT * FROM answers WHERE alert_id = ? ORDER BY made_at, rowid", (alert_id,))
        newest, first_at = rows[-1], min(float(row[4]) for row in rows)
        return Case(alert_id, str(newest[3]), first_at, json.loads(newest[5]), tuple(Answer(*row) for row in answers))

    def cases(self, limit: int = 200) -> list[Case]:
        """Open alerts: those that wait for somebody first, then by priority and age; then the latest that are over."""
        query = "SELECT alert_id FROM events GROUP BY alert_id ORDER BY max(received_at) DESC LIMIT ?"
        found = [case for row in self._read(query, (limit * 5,)) if (case := self.case(str(row[0]))) is not None]
        going = [case for case in found if not case.over]
        going.sort(key=lambda one: (not one.waits, PRIORITIES.get(str(one.data["priority"]), 0), one.first_at))
        return [*going, *(case for case in found if case.over)][: max(limit, len(going))]

    def _write(self, query: str, row: tuple[Any, ...]) -> int:
        with self._turn:
            return self._connection.execute(query, row).rowcount

    def _read(self, query: str, row: tuple[Any, ...] = ()) -> list[Any]:
        with self._turn:
            return self._connection.execute(query, row).fetchall()
