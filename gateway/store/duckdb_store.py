"""The time-series record in one DuckDB file: no server, survives a pulled plug, never stops an alert.

`append` only buffers. `flush` writes everything in one transaction, which DuckDB has synced to disk when it
returns. If that fails the batch is kept and tried again; if the file turns out to be damaged it is moved aside and
a new one begun. Every public method may be called from any thread; all but `append`, `save_snippet`, `latest`
and `health` do disk I/O and belong in `gateway.store.aio.AsyncStore` when called from an event loop.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import structlog

from gateway.store import reader, retention
from gateway.store.base import (
    DeadLetter,
    QueryError,
    RetainReport,
    Snippet,
    StoreCorruptError,
    StoreError,
    StoreHealth,
    StoreUnavailableError,
)
from gateway.store.pending import Pending
from gateway.store.session import Session, failure, move_aside
from gateway.store.writer import write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from device_drivers.observations import DeviceEvent, Reading
    from gateway.store.base import Page, Row, SeriesView, StoreOptions
    from gateway.store.pending import Batch

log = structlog.get_logger(__name__)
RETRY_MAX_S = 60.0
"""Longest wait before a file that failed is opened again; the first wait is one second, then doubling."""
KEPT_DEAD_LETTERS = 1_000


class DuckDBStore:
    """A `SeriesStore`. Making one opens the file, or starts degraded and goes on trying; it raises nothing."""

    def __init__(
        self,
        options: StoreOptions,
        *,
        clock_ns: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = options
        self._clock_ns = clock_ns
        self._monotonic = monotonic
        self._pending = Pending(options)
        self._pending_lock = threading.Lock()
        self._lock = threading.RLock()
        self._session: Session | None = None
        self._damage: str | None = None
        self._closed = False
        self._opens_failed = 0
        self._next_open = monotonic()
        self._mark = 0
        self._health = StoreHealth()
        with self._lock:
            try:
                self._open()
            except StoreUnavailableError as error:
                log.warning("store_unavailable", path=str(options.path), error=str(error))

    @property
    def durable_mark(self) -> int:
        return self._mark

    def append(
        self, readings: Sequence[Reading], events: Sequence[DeviceEvent], resident_of: Mapping[str, str | None]
    ) -> int:
        with self._pending_lock:
            return self._pending.add(readings, events, resident_of)

    def save_snippet(
        self,
        alert_id: str,
        device_id: str,
        signal: str,
        rate_hz: float,
        start_ns: int,
        values: NDArray[np.float32],
        *,
        resident_id: str | None = None,
    ) -> int:
        samples = np.array(values, np.float32)
        names = (alert_id, device_id, signal, resident_id or "")
        _check_snippet(names, rate_hz, start_ns, samples)
        columns = samples.reshape(len(samples), -1)
        with self._pending_lock:
            return self._pending.add_snippet(
                Snippet(alert_id, device_id, resident_id, signal, rate_hz, start_ns, columns)
            )

    def flush(self) -> None:
        with self._lock:
            session = self._open()
            with self._pending_lock:
                batch = self._pending.take()
            try:
                written = write(session, batch) if len(batch) else None
            except duckdb.Error as error:
                self._keep(batch)
                raise self._failed(session, error) from error
            except BaseException:
                self._keep(batch)
                raise
            self._mark = batch.mark
            self._opens_failed = 0
            health = self._health
            health.state, health.last_error, health.last_flush_ns = "ok", None, self._clock_ns()
            if written:
                health.rows += written.rows
                health.duplicates += written.duplicates
                health.rejected += written.rejected

    def query(
        self,
        signal: str,
        start_ns: int,
        end_ns: int,
        *,
        resident_id: str | None = None,
        device_id: str | None = None,
        points: int = 1_000,
    ) -> SeriesView:
        if resident_id is None and device_id is None:
            msg = "say whose readings: resident_id, device_id or both"
            raise QueryError(msg)
        with self._reading() as (session, connection):
            series = session.book.find(resident_id, device_id, signal)
            return reader.buckets(connection, session.book, series, start_ns, end_ns, points)

    def events(
        self,
        start_ns: int,
        end_ns: int,
        *,
        resident_id: str | None = None,
        device_id: str | None = None,
        signal: str | None = None,
        limit: int = 1_000,
    ) -> list[Row]:
        with self._reading() as (session, connection):
            series = session.book.find(resident_id, device_id, signal)
            return reader.events(connection, session.book, series, start_ns, end_ns, limit)

    def latest(self, *, resident_id: str | None = None, device_id: str | None = None) -> list[Row]:
        session = self._session
        return [] if session is None else reader.latest(session, resident_id, device_id)

    def snippet(self, alert_id: str) -> list[Snippet]:
        with self._reading() as (_, connection):
            return reader.snippets(connection, alert_id)

    def rows_after(self, cursor: int, limit: int, *, resident_id: str | None = None) -> Page:
        with self._reading() as (session, connection):
            series = None if resident_id is None else session.book.find(resident_id, None)
            return reader.page(connection, session, cursor, limit, series)

    def cursor(self, name: str) -> int:
        with self._reading() as (_, connection):
            found = connection.execute("select max(row_id) from cursors where name = ?", [name]).fetchall()
            return int(found[0][0] or 0)

    def dead_letters(self) -> list[DeadLetter]:
        with self._reading() as (_, connection):
            return [
                DeadLetter(*row) for row in connection.execute("select * from dead_letters order by row_id").fetchall()
            ]

    def save_cursor(self, name: str, record: str, cursor: int, dead: Sequence[DeadLetter] = ()) -> None:
        with self._writing() as session:
            if record != session.record:
                return
            execute = session.connection.execute
            execute("begin")
            execute("delete from cursors where name = ?", [name])
            execute("insert into cursors values (?, ?)", [name, cursor])
            for letter in dead:
                execute("insert into dead_letters values (?, ?, ?, ?)", list(dataclasses.astuple(letter)))
            if dead:
                execute(
                    "delete from dead_letters where row_id not in "
                    "(select row_id from dead_letters order by row_id desc limit ?)",
                    [KEPT_DEAD_LETTERS],
                )
            execute("commit")

    def retain(self, now_ns: int) -> RetainReport:
        with self._writing() as session:
            return retention.retain(session, self._options, now_ns)

    def erase(self, resident_id: str) -> int:
        with self._lock:
            self.flush()
            with self._writing() as session:
                rows = retention.erase(session, resident_id)
                self._release()
                self._open()
                return rows

    def delete_snippets(self, resident_id: str) -> int:
        with self._lock:
            self.flush()
            with self._writing() as session:
                return retention.delete_snippets(session, resident_id)

    def backup(self, target: Path) -> None:
        part = target.with_name(target.name + ".part")
        with self._writing() as session:
            try:
                session.connection.execute("checkpoint")
                if _size(self._options.path.with_name(self._options.path.name + ".wal")):
                    msg = f"{self._options.path}: in use by a long question, try the backup again"
                    raise StoreUnavailableError(msg)
                shutil.copyfile(self._options.path, part)
                with part.open("rb+") as copy:
                    os.fsync(copy.fileno())
                part.chmod(0o600)
                part.replace(target)
            except OSError as error:
                msg = f"{target}: {error}"
                raise StoreUnavailableError(msg) from error

    def health(self) -> StoreHealth:
        with self._pending_lock:
            pending = self._pending
            return dataclasses.replace(
                self._health,
                bytes=sum(_size(self._options.path.with_name(self._options.path.name + end)) for end in ("", ".wal")),
                pending=len(pending),
                dropped_readings=pending.dropped_readings,
                dropped_repeats=pending.dropped_repeats,
                dropped_snippets=pending.dropped_snippets,
                moved_aside=list(self._health.moved_aside),
            )

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            try:
                self.flush()
            except StoreError as error:
                log.warning("store_closed_with_unwritten_rows", pending=len(self._pending), error=str(error))
            self._closed = True
            self._release()

    def _open(self) -> Session:
        """The open session; opens, and moves a damaged file aside, when needed. Raises StoreUnavailableError."""
        if self._closed:
            msg = f"{self._options.path}: closed"
            raise StoreUnavailableError(msg)
        if self._damage is not None:
            self._release()
            self._next_open = self._monotonic()
        if self._session is None:
            if self._monotonic() < self._next_open:
                msg = f"{self._options.path}: waiting before the next try; {self._health.last_error}"
                raise StoreUnavailableError(msg)
            try:
                self._session = self._open_or_begin_anew()
            except StoreError as error:
                self._open_later()
                self._note_failure(error)
                raise StoreUnavailableError(str(error)) from error
            self._health.state = "ok"
        return self._session

    def _open_later(self) -> None:
        """Opening reads much of the file: while it keeps failing, do so ever less often."""
        self._next_open = self._monotonic() + min(RETRY_MAX_S, 2.0**self._opens_failed)
        self._opens_failed = min(self._opens_failed + 1, 10)

    def _open_or_begin_anew(self) -> Session:
        if self._damage is None:
            try:
                return Session(self._options)
            except StoreCorruptError as error:
                self._damage = str(error)
        try:
            aside = move_aside(self._options.path, self._clock_ns(), self._options.keep_corrupt_files)
        except OSError as error:
            msg = f"{self._options.path}: damaged ({self._damage}) and cannot be moved aside: {error}"
            raise StoreUnavailableError(msg) from error
        log.error("store_damaged_file_moved_aside", aside=str(aside), error=self._damage)
        self._health.moved_aside.append(str(aside))
        self._damage = None
        return Session(self._options)

    def _keep(self, batch: Batch) -> None:
        with self._pending_lock:
            self._pending.put_back(batch)

    def _failed(self, session: Session, error: duckdb.Error) -> StoreUnavailableError:
        """Count a failed write and leave the session usable, or released so that the next call opens it again."""
        typed = failure(self._options.path, error)
        if isinstance(typed, StoreCorruptError):
            self._damage = str(typed)
        if not session.usable():
            self._release()
            self._open_later()
        self._note_failure(typed)
        return StoreUnavailableError(str(typed))

    def _note_failure(self, error: StoreError) -> None:
        health = self._health
        health.failed_flushes += 1
        level = log.debug if health.last_error == str(error) else log.error
        level("store_write_failed", error=str(error), failed=health.failed_flushes)
        health.state, health.last_error = "degraded", str(error)

    def _release(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    @contextmanager
    def _reading(self) -> Iterator[tuple[Session, duckdb.DuckDBPyConnection]]:
        """A connection of its own for one question: readers do not wait for the writer, nor it for them."""
        session = self._session
        if session is None:
            msg = f"{self._options.path}: not open; {self._health.last_error}"
            raise StoreUnavailableError(msg)
        try:
            with session.connection.cursor() as connection:
                yield session, connection
        except duckdb.Error as error:
            typed = failure(self._options.path, error)
            if isinstance(typed, StoreCorruptError):
                self._damage = str(typed)
            raise typed from error

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        with self._lock:
            session = self._open()
            try:
                yield session
            except duckdb.Error as error:
                raise self._failed(session, error) from error


def _check_snippet(names: tuple[str, ...], rate_hz: float, start_ns: int, samples: NDArray[np.float32]) -> None:
    try:
        for name in names:
            name.encode()
    except UnicodeEncodeError as error:
        msg = f"a name that is no valid text: {error}"
        raise QueryError(msg) from error
    if samples.ndim not in {1, 2} or not samples.size or not 0 < rate_hz < np.inf or not 0 <= start_ns < 2**63:
        msg = (
            f"a waveform needs samples (n,) or (n, channels), a rate and a time: {samples.shape}, {rate_hz}, {start_ns}"
        )
        raise QueryError(msg)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
