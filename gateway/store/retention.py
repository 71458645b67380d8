"""What is deleted when: readings become hourly aggregates, and everything goes when its time has passed.

Classes S1 (90 days, then hourly), S2 (2 years) and S3 (3 years) of `docs/storage.md`. A row dated in the future
by a device with a wrong clock goes by the gateway's time of receipt, so that nothing is kept for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.store.base import DAY_NS, HOUR_NS, RetainReport

if TYPE_CHECKING:
    import duckdb

    from gateway.store.base import StoreOptions
    from gateway.store.session import Session

AGGREGATE = """
insert into hourly select series, (least(at_ns, received_ns) // $hour) * $hour, count("value"),
    count(*) - count("value"), sum("value"), min("value"), max("value")
from readings where at_ns < $before or received_ns < $before group by 1, 2
"""
KEEP_FLOOR = "update meta set row_floor = ?"
ERASED_TABLES = ("readings", "hourly", "events")


def retain(session: Session, options: StoreOptions, now_ns: int) -> RetainReport:
    """Aggregate and delete in one transaction. Raises duckdb.Error, after which nothing has changed."""
    connection = session.connection
    before = (now_ns - options.keep_readings_days * DAY_NS) // HOUR_NS * HOUR_NS
    connection.execute("begin")
    connection.execute(KEEP_FLOOR, [session.next_row_id - 1])
    connection.execute(AGGREGATE, {"before": before, "hour": HOUR_NS})
    report = RetainReport(
        _deleted(connection, "delete from readings where at_ns < $1 or received_ns < $1", before),
        _deleted(connection, "delete from hourly where hour_ns < $1", now_ns - options.keep_hourly_days * DAY_NS),
        _deleted(
            connection,
            "delete from events where at_ns < $1 or received_ns < $1",
            now_ns - options.keep_events_days * DAY_NS,
        ),
        _deleted(connection, "delete from snippets where start_ns < $1", now_ns - options.keep_snippets_days * DAY_NS),
    )
    connection.execute("commit")
    return report


def erase(session: Session, resident_id: str) -> int:
    """Delete everything of a resident in one transaction; gives how many rows. Raises as `retain`."""
    connection = session.connection
    series = session.book.find(resident_id, None)
    connection.execute("begin")
    connection.execute(KEEP_FLOOR, [session.next_row_id - 1])
    rows = 0
    for table in ERASED_TABLES:
        sql = f"delete from {table} where series in (select unnest($1))"  # noqa: S608 - three constants
        rows += _deleted(connection, sql, series)
    for table in ("snippets", "dead_letters"):
        rows += _deleted(connection, f"delete from {table} where resident_id = $1", resident_id)  # noqa: S608
    connection.execute("delete from series where id in (select unnest($1))", [series])
    connection.execute("commit")
    connection.execute("checkpoint")
    return rows


def delete_snippets(session: Session, resident_id: str) -> int:
    """Delete the waveforms of a resident; gives how many. Raises as `retain`."""
    number = _deleted(session.connection, "delete from snippets where resident_id = $1", resident_id)
    if number:
        session.connection.execute("checkpoint")
    return number


def _deleted(connection: duckdb.DuckDBPyConnection, sql: str, limit: int | str | list[int]) -> int:
    (found,) = connection.execute(sql, [limit]).fetchall()
    return int(found[0])
