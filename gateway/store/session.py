"""One opened database file: schema, settings for a small box, and what has to be known from disk to write on.

Opening reads the series dictionary and the newest row of every stream; that reads three columns of everything
kept, so a damaged file shows itself at once and not in the middle of the night.
"""

from __future__ import annotations

import contextlib
import uuid
from typing import TYPE_CHECKING, Any

import duckdb
import structlog

from gateway.store.base import QUALITIES, Row, StoreCorruptError, StoreUnavailableError
from gateway.store.series_book import KEPT_TOKENS, Newest, SeriesBook

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.store.base import StoreOptions

log = structlog.get_logger(__name__)
SCHEMA = """
create table if not exists meta(version integer not null, record varchar not null, row_floor bigint not null);
create table if not exists series(id integer not null, stream integer not null, device_id varchar not null,
    resident_id varchar, signal varchar not null, is_event boolean not null);
create table if not exists readings(row_id bigint not null, series integer not null, at_ns bigint not null,
    received_ns bigint not null, value double, quality utinyint not null, stored boolean not null);
create table if not exists hourly(series integer not null, hour_ns bigint not null, number bigint not null,
    absent bigint not null, total double, minimum double, maximum double);
create table if not exists events(row_id bigint not null, series integer not null, at_ns bigint not null,
    received_ns bigint not null, state boolean, word varchar, token varchar, quality utinyint not null,
    stored boolean not null, repeat boolean not null);
create table if not exists snippets(alert_id varchar not null, device_id varchar not null, resident_id varchar,
    signal varchar not null, rate_hz double not null, start_ns bigint not null, channels integer not null,
    samples blob not null);
create table if not exists cursors(name varchar not null, row_id bigint not null);
create table if not exists dead_letters(row_id bigint not null, resident_id varchar, status integer not null,
    reason varchar not null);
"""
UPGRADES = ("alter table series add column derived boolean default false",)
"""From each version of the schema to the next, the first from 1 to 2. A new file goes through all of them.

2: readings that the gateway computes are series of their own. What version 1 wrote does not say which were computed.
"""
SCHEMA_VERSION = 1 + len(UPGRADES)
NEWEST_READINGS = """
select s.stream, max(r.at_ns) at_ns, arg_max(r.row_id, r.at_ns) row_id, arg_max(r.series, r.at_ns) series,
    arg_max(r.received_ns, r.at_ns) received_ns, coalesce(arg_max_null(r.value, r.at_ns), 'nan'::double) "value",
    arg_max(r.quality, r.at_ns) quality, arg_max(r.stored, r.at_ns) stored
from readings r join series s on s.id = r.series group by s.stream
"""
EVENT_FIELDS = "row_id, series, at_ns, received_ns, state, word, token, quality, stored, repeat"
NEWEST_EVENTS = f"""
select s.stream, {", ".join("e." + name for name in EVENT_FIELDS.split(", "))} from events e
join series s on s.id = e.series
qualify row_number() over (partition by s.stream order by e.at_ns desc, e.row_id desc) = 1
"""  # noqa: S608 - constants only
TOKENS = """select s.stream, e.token from (select * from events where token is not null order by row_id desc limit ?) e
join series s on s.id = e.series order by e.row_id"""
CORRUPT_SIGNS = ("not a valid DuckDB database", "Corrupt database", "checksum", "Could not read enough bytes")
"""In the words of DuckDB 2.0, which has no error type of its own for damage (see the tests of damaged files)."""
FOREIGN = (duckdb.InternalException, duckdb.SerializationException, duckdb.CatalogException, duckdb.BinderException)


class Session:
    """A connection with the book and the newest rows that belong to it. Raises as `failure` translates."""

    def __init__(self, options: StoreOptions) -> None:
        self.path = options.path
        try:
            options.path.parent.mkdir(parents=True, exist_ok=True)
            self.connection = duckdb.connect(str(options.path), config=_settings(options))
        except (duckdb.Error, OSError) as error:
            raise failure(options.path, error, opening=True) from error
        try:
            self._load()
            options.path.chmod(0o600)
        except (duckdb.Error, OSError) as error:
            self.close()
            raise failure(options.path, error, opening=True) from error
        except StoreCorruptError:
            self.close()
            raise

    def _load(self) -> None:
        execute = self.connection.execute
        execute(SCHEMA)
        execute("insert into meta select 1, ?, 0 where not exists (from meta)", [uuid.uuid4().hex])
        (version, self.record), *_ = execute("select version, record from meta").fetchall()
        if not 1 <= version <= SCHEMA_VERSION:
            msg = f"{self.path}: schema {version} is not 1 to {SCHEMA_VERSION}"
            raise StoreCorruptError(msg)
        self._upgrade(version)
        self.book = SeriesBook(execute("select * from series").fetchall())
        self.newest = Newest()
        self.newest.fit(self.book.streams)
        columns: Any = execute(NEWEST_READINGS).fetchnumpy()
        self.newest.take_readings(columns.pop("stream"), columns)
        for stream, *row in execute(NEWEST_EVENTS).fetchall():
            self.newest.take_event(stream, event_row(self.book, row))
        self.newest.tokens = dict.fromkeys(execute(TOKENS, [KEPT_TOKENS]).fetchall())
        self.next_row_id = self._largest_row_id() + 1

    def _upgrade(self, version: int) -> None:
        """All steps at once, or none."""
        if version == SCHEMA_VERSION:
            return
        self.connection.execute("begin")
        for step in UPGRADES[version - 1 :]:
            self.connection.execute(step)
        self.connection.execute("update meta set version = ?", [SCHEMA_VERSION])
        self.connection.execute("commit")

    def _largest_row_id(self) -> int:
        found = self.connection.execute(
            "select greatest((select coalesce(max(row_id), 0) from readings), "
            "(select coalesce(max(row_id), 0) from events), (select row_floor from meta))"
        ).fetchall()
        return int(found[0][0])

    def usable(self) -> bool:
        """Whether the connection survived a failed transaction (an I/O error can invalidate the database)."""
        with contextlib.suppress(duckdb.Error):
            self.connection.execute("rollback")
        try:
            self.connection.execute("select version from meta")
        except duckdb.Error:
            return False
        return True

    def close(self) -> None:
        """Release the file; never raises."""
        try:
            self.connection.close()
        except duckdb.Error as error:
            log.warning("store_close_failed", path=str(self.path), error=str(error))


def event_row(book: SeriesBook, row: list[Any]) -> Row:
    """A Row from EVENT_FIELDS."""
    row_id, series, at_ns, received_ns, state, word, token, quality, stored, repeat = row
    value = state if word is None else word
    key = book.keys_by_id[series]
    return Row(row_id, key, at_ns, received_ns, value, QUALITIES[quality], stored, True, repeat, token)


def failure(path: Path, error: Exception, *, opening: bool = False) -> StoreUnavailableError | StoreCorruptError:
    """The typed error for one of DuckDB's or the system's. While opening, foreign tables count as corrupt too."""
    text = f"{path}: {error}"
    damaged = any(sign in str(error) for sign in CORRUPT_SIGNS)
    if damaged or (opening and isinstance(error, FOREIGN)):
        return StoreCorruptError(text)
    return StoreUnavailableError(text)


def move_aside(path: Path, now_ns: int, keep: int) -> Path:
    """Rename a damaged file and its log to `NAME.corrupt-<now_ns>`, keep the newest `keep` of them, give the name.

    Raises OSError if the folder cannot be written.
    """
    aside = path.with_name(f"{path.name}.corrupt-{now_ns}")
    path.rename(aside)
    wal = path.with_name(path.name + ".wal")
    if wal.exists():
        wal.rename(aside.with_name(aside.name + ".wal"))
    kept = sorted(name for name in path.parent.glob(f"{path.name}.corrupt-*") if name.suffix != ".wal")
    for old in kept[:-keep]:
        old.unlink()
        old.with_name(old.name + ".wal").unlink(missing_ok=True)
    return aside


def _settings(options: StoreOptions) -> dict[str, str | bool | int | float | list[str]]:
    return {
        "memory_limit": f"{options.memory_limit_mb}MB",
        "threads": options.threads,
        "checkpoint_threshold": f"{options.checkpoint_mb}MB",
        "enable_external_access": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "python_enable_replacements": False,
    }
