"""The database: durable settings, schema, integrity check, refusal of what it must not open."""

import sqlite3
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from gateway.database import (
    CorruptDatabaseError,
    Database,
    DatabaseError,
    NestedWriteError,
    NewerSchemaError,
    open_database,
)
from gateway.models import AssignmentRow, Base, SettingRow


def put(database: Database, key: str, value: str = "1") -> None:
    with database.write() as session:
        session.merge(SettingRow(key=key, value=value, updated_ns=1))


def get(database: Database, key: str) -> str | None:
    with database.read() as session:
        row = session.get(SettingRow, key)
        return row.value if row else None


def test_settings_of_every_connection(tmp_path: Path) -> None:
    database = open_database(tmp_path / "a" / "b.db")
    with database.read() as session:
        pragmas = {
            name: session.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    database.close()
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}


def test_migrations_and_models_agree(tmp_path: Path) -> None:
    database = open_database(tmp_path / "x.db")
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    database.close()


def test_kept_over_reopening_and_undone_on_error(tmp_path: Path) -> None:
    database = open_database(tmp_path / "x.db")
    put(database, "kept")
    with pytest.raises(IntegrityError), database.write() as session:  # noqa: PT012 - the failure is the second
        session.merge(SettingRow(key="lost", value="1", updated_ns=1))
        session.flush()
        session.add(AssignmentRow(device_id="none", resident_id="none", from_ns=1, to_ns=None))
    database.close()
    again = open_database(tmp_path / "x.db")
    assert get(again, "kept") == "1"
    assert get(again, "lost") is None
    again.close()


def test_foreign_keys_are_enforced(tmp_path: Path) -> None:
    database = open_database(tmp_path / "x.db")
    with pytest.raises(IntegrityError), database.write() as session:
        session.add(AssignmentRow(device_id="none", resident_id="none", from_ns=1, to_ns=None))
    database.close()


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    open_database(path).close()
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    with pytest.raises(NewerSchemaError, match="9999") as caught:
        open_database(path)
    assert caught.value.path == path


def test_damage_is_found(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    database = open_database(path)
    for number in range(400):
        put(database, f"key {number}", "x" * 400)
    database.close()
    data = bytearray(path.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 4096] = b"\xff" * 4096
    path.write_bytes(data)
    with pytest.raises(CorruptDatabaseError, match="restore"):
        open_database(path)


def test_orphans_are_found(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    open_database(path).close()
    with sqlite3.connect(path) as raw:
        raw.execute("INSERT INTO assignments (device_id, resident_id, from_ns) VALUES ('a', 'b', 1)")
    raw.close()
    with pytest.raises(CorruptDatabaseError, match="assignments"):
        open_database(path)


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(b"no database at all, just text " * 300)
    with pytest.raises(CorruptDatabaseError):
        open_database(path)
    with pytest.raises(DatabaseError, match="cannot be opened"):
        open_database(tmp_path)


def test_writers_take_turns(tmp_path: Path) -> None:
    database = open_database(tmp_path / "x.db")
    put(database, "n", "0")

    def count() -> None:
        for _ in range(20):
            with database.write() as session:
                row = session.get(SettingRow, "n")
                assert row is not None
                row.value = str(int(row.value) + 1)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert get(database, "n") == "80"
    database.close()


def test_backup_is_a_whole_database(tmp_path: Path) -> None:
    database = open_database(tmp_path / "x.db")
    put(database, "kept")
    database.backup(tmp_path / "copy.db")
    database.close()
    copy = open_database(tmp_path / "copy.db")
    assert get(copy, "kept") == "1"
    copy.close()


def test_a_write_within_a_write_is_refused(tmp_path: Path) -> None:
    database = open_database(tmp_path / "x.db")
    with database.write(), pytest.raises(NestedWriteError):
        put(database, "inner")
    put(database, "after")
    assert get(database, "inner") is None
    database.close()


def test_a_file_that_breaks_during_migration_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE residents (id INTEGER)")
    raw.close()
    with pytest.raises(DatabaseError, match="residents"):
        open_database(path)
