"""Opens the gateway's SQLite database: durable settings, integrity check, migrations, one writer at a time.

    DatabaseError
    +-- CorruptDatabaseError    the integrity check found damage
    +-- NewerSchemaError        the file was written by a newer version of Yinling
    +-- NestedWriteError        a write transaction was begun within another one

Every commit reaches the disk before it returns (WAL, synchronous=FULL).
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DatabaseError as DriverError
from sqlalchemy.orm import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_TIMEOUT_MS = 10_000
IMMEDIATE = "yinling_immediate"
PRAGMAS = (
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
)


class DatabaseError(Exception):
    """The database cannot be used; the message says which file and what to do."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path


class CorruptDatabaseError(DatabaseError):
    """The integrity check found damage, or the file is no SQLite database."""


class NewerSchemaError(DatabaseError):
    """The schema is of a newer version of Yinling than this one."""


class NestedWriteError(DatabaseError):
    """A mistake in the program: a write transaction was begun within another one of the same thread."""


class Turns:
    """Who may write, in the order of asking. With a plain lock a thread that has much to write goes first for ever."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._taken = False

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self._waiting)

    def __enter__(self) -> None:
        with self._guard:
            if not self._taken:
                self._taken = True
                return
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        mine.acquire()  # until whoever goes before hands on

    def __exit__(self, *_: object) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False


class Database:
    """One open database. Safe to use from several threads: readers in parallel, writers in turn."""

    def __init__(self, path: Path, engine: Engine) -> None:
        self.path = path
        self.engine = engine
        self._writer = engine.execution_options(**{IMMEDIATE: True})
        self._turn = Turns()
        self._writing: int | None = None

    @contextlib.contextmanager
    def write(self) -> Iterator[Session]:
        """One write transaction: on disk when the block ends, undone when it raises.

        Raises NestedWriteError within another write of the same thread, which would wait for itself for ever.
        """
        if self._writing == threading.get_ident():
            raise NestedWriteError(self.path, "a write transaction within another one; pass the session on")
        with self._turn:
            self._writing = threading.get_ident()
            try:
                with Session(self._writer, expire_on_commit=False) as session, session.begin():
                    yield session
            finally:
                self._writing = None

    @contextlib.contextmanager
    def read(self) -> Iterator[Session]:
        """One consistent view for reading."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def backup(self, target: Path) -> None:
        """Write a consistent copy of the whole database to a file that does not exist yet."""
        with contextlib.closing(sqlite3.connect(self.path)) as source:
            source.execute("VACUUM INTO ?", (str(target),))


def open_database(path: Path, *, check: bool = True) -> Database:
    """Open or create the database, check its integrity and bring its schema up to date.

    Raises CorruptDatabaseError, NewerSchemaError, or DatabaseError when the file cannot be opened.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = _engine(path)
    try:
        if check:
            _check_integrity(path, engine)
        _migrate(path, engine)
    except DriverError as error:
        engine.dispose()
        raise _translated(path, error) from error
    except DatabaseError:
        engine.dispose()
        raise
    return Database(path, engine)


def _engine(path: Path) -> Engine:
    engine = create_engine(URL.create("sqlite", database=str(path)))
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def _on_connect(connection: sqlite3.Connection, _record: Any) -> None:
    # The driver's own transaction handling would begin too late; `_on_begin` does it.
    connection.isolation_level = None
    for pragma in PRAGMAS:
        connection.execute(pragma).close()


def _on_begin(connection: Connection) -> None:
    immediate = connection.get_execution_options().get(IMMEDIATE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def is_damage(error: BaseException) -> bool:
    """Whether it says that the file itself is damaged; only a start, which looks and mends, can help then."""
    return isinstance(error, DriverError) and any(word in str(error.orig) for word in ("not a database", "malformed"))


def _translated(path: Path, error: DriverError) -> DatabaseError:
    reason = str(error.orig)
    if is_damage(error):
        return CorruptDatabaseError(path, f"damaged ({reason}); restore a backup with `yinling restore`")
    return DatabaseError(path, f"cannot be opened ({reason}); check that the folder exists and can be written")


def _check_integrity(path: Path, engine: Engine) -> None:
    with engine.connect() as connection:
        found = [str(row[0]) for row in connection.execute(text("PRAGMA integrity_check(20)"))]
        orphans = connection.execute(text("PRAGMA foreign_key_check")).all()
    if found != ["ok"]:
        raise CorruptDatabaseError(path, f"damaged ({'; '.join(found[:3])}); restore a backup with `yinling restore`")
    if orphans:
        tables = ", ".join(sorted({str(row[0]) for row in orphans}))
        raise CorruptDatabaseError(path, f"rows without their parents in {tables}; restore a backup")


def migration_config() -> Config:
    """The alembic configuration of the packaged migrations."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def _migrate(path: Path, engine: Engine) -> None:
    config = migration_config()
    scripts = ScriptDirectory.from_config(config)
    known = {script.revision for script in scripts.walk_revisions()}
    with engine.execution_options(**{IMMEDIATE: True}).begin() as connection:
        current = _schema_version(connection)
        if current is not None and current not in known:
            raise NewerSchemaError(
                path, f"has schema {current}, newer than this Yinling knows; install the newer version or restore"
            )
        if current != scripts.get_current_head():
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def _schema_version(connection: Connection) -> str | None:
    tables = connection.execute(text("SELECT name FROM sqlite_master WHERE name = 'alembic_version'")).all()
    if not tables:
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
