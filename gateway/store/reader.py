"""The questions put to the record: drawn curves, events, snippets, and rows in the order of writing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gateway.store.base import MAX_POINTS, QUALITIES, Page, QueryError, Row, SeriesView, Snippet
from gateway.store.session import EVENT_FIELDS, event_row

if TYPE_CHECKING:
    import duckdb

    from gateway.store.series_book import Newest, SeriesBook
    from gateway.store.session import Session

MAX_EVENTS = 100_000
MAX_PAGE = 1_000_000
BUCKETS = """
select bucket, sum(number)::bigint number, sum(derived)::bigint derived, sum(absent)::bigint absent,
    coalesce(sum(total), 'nan'::double) total,
    coalesce(min(minimum), 'nan'::double) minimum, coalesce(max(maximum), 'nan'::double) maximum
from (
    select (at_ns - $start) // $width bucket, count("value") number,
        count("value") filter (where series in (select unnest($derived))) derived, count(*) - count("value") absent,
        sum("value") total, min("value") minimum, max("value") maximum
    from readings where series in (select unnest($series)) and at_ns >= $start and at_ns < $end group by bucket
    union all
    select (hour_ns - $start) // $width, number, if(series in (select unnest($derived)), number, 0), absent, total,
        minimum, maximum
    from hourly where series in (select unnest($series)) and hour_ns >= $start and hour_ns < $end
) group by bucket order by bucket
"""
EVENTS = f"""
select * from (
    select {EVENT_FIELDS} from events
    where series in (select unnest($series)) and at_ns >= $start and at_ns < $end
    order by at_ns desc, row_id desc limit $limit
) order by at_ns, row_id
"""  # noqa: S608 - constants only
SNIPPETS = """select alert_id, device_id, resident_id, signal, rate_hz, start_ns, channels, samples from snippets
where alert_id = ? order by start_ns, device_id, signal"""
SPAN = """select least((select min(row_id) from readings where row_id > $cursor),
    (select min(row_id) from events where row_id > $cursor))"""
PAGE_READINGS = """select row_id, series, at_ns, received_ns, coalesce("value", 'nan'::double) "value", quality, stored
from readings where row_id > $start and row_id <= $end and ($all or series in (select unnest($series)))
order by row_id"""
PAGE_EVENTS = f"""select {EVENT_FIELDS} from events
where row_id > $start and row_id <= $end and ($all or series in (select unnest($series))) order by row_id"""  # noqa: S608


def buckets(
    connection: duckdb.DuckDBPyConnection, book: SeriesBook, series: list[int], start_ns: int, end_ns: int, points: int
) -> SeriesView:
    """Readings and hourly aggregates of [start_ns, end_ns) in at most `points` buckets."""
    if not 0 <= start_ns < end_ns:
        msg = f"the span must begin before it ends, got {start_ns} to {end_ns}"
        raise QueryError(msg)
    if not 1 <= points <= MAX_POINTS:
        msg = f"points must be 1 to {MAX_POINTS}, got {points}"
        raise QueryError(msg)
    width = -(-(end_ns - start_ns) // points)
    asked: dict[str, object] = {"series": series, "start": start_ns, "end": end_ns, "width": width}
    asked["derived"] = [one for one in series if book.keys_by_id[one].derived]
    found: Any = connection.execute(BUCKETS, asked).fetchnumpy()
    number = found["number"]
    mean = np.divide(found["total"], number, out=np.full(len(number), np.nan), where=number > 0)
    at_ns = start_ns + found["bucket"] * width
    extremes = (found["minimum"], mean, found["maximum"])
    return SeriesView(width, at_ns, *extremes, number, found["absent"], found["derived"])


def events(
    connection: duckdb.DuckDBPyConnection, book: SeriesBook, series: list[int], start_ns: int, end_ns: int, limit: int
) -> list[Row]:
    """The newest `limit` events of [start_ns, end_ns), oldest first."""
    if start_ns >= end_ns or not 1 <= limit <= MAX_EVENTS:
        msg = f"the span must begin before it ends and limit be 1 to {MAX_EVENTS}: {start_ns} to {end_ns}, {limit}"
        raise QueryError(msg)
    asked: dict[str, object] = {"series": series, "start": start_ns, "end": end_ns, "limit": limit}
    return [event_row(book, list(row)) for row in connection.execute(EVENTS, asked).fetchall()]


def latest(session: Session, resident_id: str | None, device_id: str | None) -> list[Row]:
    """The newest row of each signal and device, if it belongs to who is asked about; from memory."""
    book, newest = session.book, session.newest
    wanted = set(book.find(resident_id, device_id))
    streams = {int(stream) for stream in book.stream_of(np.fromiter(wanted, np.int64, len(wanted)))}
    with newest.lock:
        known = [stream for stream in streams if stream < len(newest.at_ns) and newest.at_ns[stream] >= 0]
        rows = [newest.events.get(stream) or _reading(book, newest, stream) for stream in known]
    mine = [row for row in rows if resident_id is None or row.key.resident_id == resident_id]
    return sorted(mine, key=lambda row: (row.key.device_id, row.key.signal))


def snippets(connection: duckdb.DuckDBPyConnection, alert_id: str) -> list[Snippet]:
    """Every waveform kept for the alert."""
    return [
        Snippet(alert, device, resident, signal, rate, start, np.frombuffer(samples, "<f4").reshape(-1, channels))
        for alert, device, resident, signal, rate, start, channels, samples in connection.execute(
            SNIPPETS, [alert_id]
        ).fetchall()
    ]


def page(
    connection: duckdb.DuckDBPyConnection, session: Session, cursor: int, limit: int, series: list[int] | None
) -> Page:
    """Rows with row_id in (cursor, cursor + limit], or in the next such span that holds any; `series` None is all."""
    if cursor < 0 or not 1 <= limit <= MAX_PAGE:
        msg = f"cursor must be 0 or more and limit 1 to {MAX_PAGE}, got {cursor} and {limit}"
        raise QueryError(msg)
    last = session.next_row_id - 1
    found = _span(connection, session, cursor, min(cursor + limit, last), series)
    if not len(found) and found.behind:
        ((first,),) = connection.execute(SPAN, {"cursor": cursor}).fetchall()
        start = last if first is None else int(first) - 1
        found = _span(connection, session, start, min(start + limit, last), series)
    return found


def _span(
    connection: duckdb.DuckDBPyConnection, session: Session, start: int, end: int, series: list[int] | None
) -> Page:
    asked: dict[str, object] = {"start": start, "end": end, "all": series is None, "series": series or []}
    readings: Any = connection.execute(PAGE_READINGS, asked).fetchnumpy()
    rows = [event_row(session.book, list(row)) for row in connection.execute(PAGE_EVENTS, asked).fetchall()]
    cursor = max(start, end)
    behind = max(0, session.next_row_id - 1 - cursor)
    return Page(session.record, cursor, behind, session.book.keys_by_id, readings, rows)


def _reading(book: SeriesBook, newest: Newest, stream: int) -> Row:
    row = {name: column[stream].item() for name, column in newest.rows.items()}
    value = None if np.isnan(row["value"]) else row["value"]
    key = book.keys_by_id[row["series"]]
    quality = QUALITIES[row["quality"]]
    return Row(row["row_id"], key, row["at_ns"], row["received_ns"], value, quality, bool(row["stored"]))
