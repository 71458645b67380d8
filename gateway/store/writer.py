"""Writes one batch in one transaction: refuses what cannot be stored, drops what is there already, gives row ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gateway.store.columns import Columns, event_columns, named_columns, reading_columns, storable, take
from gateway.store.session import EVENT_FIELDS, event_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from gateway.store.base import Snippet
    from gateway.store.pending import Batch
    from gateway.store.session import Session

STORED_READINGS = """
select l.place from late l join series s on s.stream = l.stream
join readings r on r.series = s.id and r.at_ns = l.at_ns where r.at_ns between ? and ?
"""
STORED_EVENTS = """
select l.place from late l join series s on s.stream = l.stream join events e on e.series = s.id and e.at_ns = l.at_ns
where e.at_ns between ? and ? and e.state is not distinct from l.state and e.word is not distinct from l.word
"""
INSERT_READINGS = """
insert into readings select row_id, series, at_ns, received_ns, if(isnan("value"), null, "value"), quality, stored
from batch order by row_id
"""
INSERT_SERIES = "insert into series select * from batch"
INSERT_EVENTS = f"insert into events select {EVENT_FIELDS} from batch order by row_id"  # noqa: S608 - constants only


class Written:
    """What a committed batch changes in memory; applied only after the commit."""

    def __init__(self, readings: Columns, events: Columns, duplicates: int, rejected: int) -> None:
        self.readings = readings
        self.events = events
        self.rows = len(readings["at_ns"]) + len(events["at_ns"])
        self.duplicates = duplicates
        self.rejected = rejected


def write(session: Session, batch: Batch) -> Written:
    """Write the batch durably. Raises duckdb.Error, after which nothing of it is stored and it may be tried again."""
    good_readings, readings = storable(batch.readings, reading_columns, session.book)
    good_events, events = storable(batch.events, event_columns, session.book)
    session.newest.fit(session.book.streams)
    fresh_readings = take(readings, _fresh_readings(session, readings))
    fresh_events = take(events, _fresh_events(session, events))
    written = Written(
        fresh_readings,
        fresh_events,
        duplicates=len(readings["at_ns"])
        + len(events["at_ns"])
        - len(fresh_readings["at_ns"])
        - len(fresh_events["at_ns"]),
        rejected=len(batch.readings) + len(batch.events) - len(good_readings) - len(good_events),
    )
    _number(session, written)
    _commit(session, written, batch.snippets)
    _learn(session, written)
    return written


def _fresh_readings(session: Session, columns: Columns) -> NDArray[np.bool_]:
    """True for each row that neither the batch so far nor the disk has (same device, signal and time)."""
    stream, at_ns = session.book.stream_of(columns["series"]), columns["at_ns"]
    order = np.lexsort((at_ns, stream))
    again = (stream[order][1:] == stream[order][:-1]) & (at_ns[order][1:] == at_ns[order][:-1])
    fresh = np.ones(len(at_ns), np.bool_)
    fresh[order[1:][again]] = False
    late = np.flatnonzero(fresh & (at_ns <= session.newest.at_ns[stream]))
    fresh[_stored(session, STORED_READINGS, {"stream": stream, "at_ns": at_ns}, late)] = False
    return fresh


def _fresh_events(session: Session, columns: Columns) -> NDArray[np.bool_]:
    """As for readings; the same event is one with the same token, or without one the same time and value."""
    stream, at_ns = session.book.stream_of(columns["series"]), columns["at_ns"]
    fresh = np.ones(len(at_ns), np.bool_)
    late: list[int] = []
    seen: set[tuple[Any, ...]] = set()
    newest = session.newest
    for place, token in enumerate(columns["token"]):
        number = int(stream[place])
        if token is not None:
            identity: tuple[Any, ...] = (number, token)
            fresh[place] = identity not in newest.tokens and identity not in seen
        else:
            identity = (number, at_ns[place], columns["state"][place], columns["word"][place])
            fresh[place] = identity not in seen
            if at_ns[place] <= newest.at_ns[number]:
                late.append(place)
        seen.add(identity)
    names = {"stream": stream, "at_ns": at_ns, "state": columns["state"], "word": columns["word"]}
    fresh[_stored(session, STORED_EVENTS, names, np.array(late, np.int64))] = False
    return fresh


def _stored(session: Session, sql: str, columns: Columns, late: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which of the places `late` are on disk already."""
    if not len(late):
        return late
    rows = take(columns, late)
    session.connection.register("late", {"place": late, **rows})
    try:
        span = [int(rows["at_ns"].min()), int(rows["at_ns"].max())]
        found = session.connection.execute(sql, span).fetchall()
    finally:
        session.connection.unregister("late")
    return np.array([place for (place,) in found], np.int64)


def _number(session: Session, written: Written) -> None:
    readings, events = len(written.readings["at_ns"]), len(written.events["at_ns"])
    first = session.next_row_id
    written.readings["row_id"] = np.arange(first, first + readings, dtype=np.int64)
    written.events["row_id"] = np.arange(first + readings, first + readings + events, dtype=np.int64)


def _commit(session: Session, written: Written, snippets: Sequence[Snippet]) -> None:
    connection = session.connection
    connection.execute("begin")
    if session.book.unsaved:
        _insert(session, INSERT_SERIES, named_columns(session.book.unsaved))
    _insert(session, INSERT_READINGS, written.readings)
    _insert(session, INSERT_EVENTS, written.events)
    for snippet in snippets:
        _insert_snippet(session, snippet)
    connection.execute("commit")


def _insert(session: Session, sql: str, columns: Columns) -> None:
    if len(next(iter(columns.values()))):
        session.connection.register("batch", columns)
        try:
            session.connection.execute(sql)
        finally:
            session.connection.unregister("batch")


def _insert_snippet(session: Session, snippet: Snippet) -> None:
    values = snippet.values.reshape(len(snippet.values), -1)
    identity = [snippet.alert_id, snippet.device_id, snippet.signal, snippet.start_ns]
    session.connection.execute(
        "delete from snippets where alert_id = ? and device_id = ? and signal = ? and start_ns = ?", identity
    )
    session.connection.execute(
        "insert into snippets values (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            *(snippet.alert_id, snippet.device_id, snippet.resident_id, snippet.signal, snippet.rate_hz),
            *(snippet.start_ns, values.shape[1], values.astype("<f4").tobytes()),
        ],
    )


def _learn(session: Session, written: Written) -> None:
    session.book.unsaved.clear()
    session.next_row_id += written.rows
    if len(written.readings["row_id"]):
        session.newest.take_readings(session.book.stream_of(written.readings["series"]), written.readings)
    columns = [written.events[name].tolist() for name in EVENT_FIELDS.split(", ")]
    for stream, *row in zip(session.book.stream_of(written.events["series"]).tolist(), *columns, strict=True):
        session.newest.take_event(stream, event_row(session.book, row))
