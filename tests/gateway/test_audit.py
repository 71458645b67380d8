"""The audit trail: append-only, chained, and verifiable."""

import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from gateway.audit import append_audit, canonical, digest, plain, read_audit, verify_audit
from gateway.database import Database, open_database
from gateway.models import AuditRow


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(tmp_path / "x.db")
    yield opened
    opened.close()


def fill(database: Database, count: int) -> None:
    for number in range(count):
        with database.write() as session:
            append_audit(
                session, at_ns=number, actor="王芳", action="test", subject=f"s{number % 2}", detail={"n": number}
            )


def test_chain_and_reading(database: Database) -> None:
    fill(database, 5)
    with database.read() as session:
        report = verify_audit(session)
        rows = read_audit(session, limit=2)
        older = read_audit(session, before_seq=rows[-1].seq, subject="s0")
    assert report.intact
    assert (report.rows, report.head) == (5, rows[0].hash)
    assert [row.seq for row in rows] == [5, 4]
    assert [(row.seq, row.detail) for row in older] == [(3, {"n": 2}), (1, {"n": 0})]


@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'x'", "DELETE FROM audit WHERE seq = 2"])
def test_rows_cannot_be_changed(database: Database, statement: str) -> None:
    fill(database, 3)
    with pytest.raises(IntegrityError, match="append-only"), database.write() as session:
        session.execute(text(statement))


@pytest.mark.parametrize(("seq", "prev"), [(9, None), (None, "other")])
def test_rows_must_follow(database: Database, seq: int | None, prev: str | None) -> None:
    fill(database, 3)
    with database.read() as session:
        head = verify_audit(session).head
    row = AuditRow(
        seq=seq or 4, at_ns=1, actor="", action="", subject="", detail="{}", prev_hash=prev or head, hash="h"
    )
    with pytest.raises(IntegrityError, match="chain"), database.write() as session:
        session.add(row)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'nobody' WHERE seq = 2",
        "DELETE FROM audit WHERE seq = 2",
        "UPDATE audit SET hash='0' WHERE seq=2",
    ],
)
def test_tampering_behind_the_triggers_is_found(tmp_path: Path, statement: str) -> None:
    opened = open_database(tmp_path / "y.db")
    fill(opened, 4)
    opened.close()
    with sqlite3.connect(tmp_path / "y.db") as raw:
        raw.execute("DROP TRIGGER audit_no_update")
        raw.execute("DROP TRIGGER audit_no_delete")
        raw.execute(statement)
    raw.close()
    again = open_database(tmp_path / "y.db")
    with again.read() as session:
        report = verify_audit(session)
    again.close()
    assert not report.intact
    assert report.broken_at in (2, 3)
    assert report.rows == 1


def test_plain_values() -> None:
    value = {"a": np.float32(0.5), "b": float("nan"), 3: (np.int64(4), True), "c": Path("x"), "d": float("inf")}
    assert plain(value) == {"a": 0.5, "b": None, "3": [4, True], "c": "x", "d": None}
    assert canonical({"b": 1, "a": "跌倒"}) == '{"a":"跌倒","b":1}'
    assert digest([1]) == digest((1,))


def test_a_row_rewritten_with_a_fitting_hash_is_found_by_the_next(tmp_path: Path) -> None:
    opened = open_database(tmp_path / "y.db")
    fill(opened, 4)
    with opened.write() as session:
        session.execute(text("DROP TRIGGER audit_no_update"))
        row = session.get(AuditRow, 2)
        assert row is not None
        content = canonical([row.seq, row.at_ns, "nobody", row.action, row.subject, row.detail])
        row.actor, row.hash = "nobody", hashlib.sha256((row.prev_hash + content).encode()).hexdigest()
    with opened.read() as session:
        report = verify_audit(session)
    opened.close()
    assert (report.rows, report.broken_at) == (2, 3)
