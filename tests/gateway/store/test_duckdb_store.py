"""The record itself: what goes in comes out, once, in order, and over restarts."""

from __future__ import annotations

import asyncio
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_drivers.observations import DeviceEvent, Quality, Reading
from gateway.store.aio import AsyncStore
from gateway.store.base import (
    DAY_NS,
    HOUR_NS,
    QUALITIES,
    QueryError,
    Row,
    SeriesKey,
    StoreOptions,
    StoreUnavailableError,
)
from gateway.store.duckdb_store import DuckDBStore
from gateway.store.session import SCHEMA, SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

T0 = 1_760_000_000_000_000_000
OWNERS = {"w1": "r1", "w2": "r2"}


def heart(at_ns: int, value: float | None = 70.0, device: str = "w1", signal: str = "heart_rate") -> Reading:
    quality = Quality.GOOD if value is not None else Quality.NO_CONTACT
    return Reading(device, signal, value, at_ns, at_ns + 1, quality)


@pytest.fixture
def options(tmp_path: Path) -> StoreOptions:
    return StoreOptions(tmp_path / "series.duckdb")


@pytest.fixture
def store(options: StoreOptions) -> Iterator[DuckDBStore]:
    store = DuckDBStore(options, clock_ns=lambda: T0)
    yield store
    store.close()


def all_rows(store: DuckDBStore, limit: int = 1_000) -> list[tuple[int, SeriesKey, int, float | bool | str | None]]:
    """(row_id, key, at_ns, value) of everything, readings and events, in order of row_id."""
    rows, cursor = [], 0
    while True:
        page = store.rows_after(cursor, limit)
        columns = (page.readings[name].tolist() for name in ("row_id", "series", "at_ns", "value"))
        rows += [
            (row_id, page.keys[series], at_ns, None if math.isnan(value) else value)
            for row_id, series, at_ns, value in zip(*columns, strict=True)
        ]
        rows += [(row.row_id, row.key, row.at_ns, row.value) for row in page.events]
        if not page.behind:
            return sorted(rows, key=lambda row: row[0])
        cursor = page.cursor


def as_event(row: Row) -> DeviceEvent:
    """The observation that a stored event was made of."""
    assert row.is_event
    assert not isinstance(row.value, float)
    device_id, _, signal, _ = row.key
    times = (row.at_ns, row.received_ns)
    return DeviceEvent(device_id, signal, row.value, *times, row.quality, row.stored, row.repeat, row.token)


def test_every_quality_has_its_number() -> None:
    assert set(QUALITIES) == set(Quality)


def test_a_row_keeps_the_resident_of_its_time(store: DuckDBStore) -> None:
    store.append([heart(T0)], [], {"w1": "r1"})
    store.append([heart(T0 + 1)], [], {"w1": "r2"})
    store.append([heart(T0 + 2)], [], {})
    store.flush()
    assert [key.resident_id for _, key, _, _ in all_rows(store)] == ["r1", "r2", None]
    assert store.query("heart_rate", T0, T0 + 10, resident_id="r2").at_ns.tolist() == [T0 + 1]
    assert store.query("heart_rate", T0, T0 + 10, device_id="w1").count.sum() == 3
    assert store.query("heart_rate", T0, T0 + 10, device_id="w1", resident_id="r1").count.sum() == 1


def test_the_mark_tells_what_is_on_disk(store: DuckDBStore) -> None:
    mark = store.append([heart(T0)], [DeviceEvent("w1", "help_button", True, T0, T0)], OWNERS)
    assert store.durable_mark < mark
    store.flush()
    assert store.durable_mark == mark
    later = store.append([heart(T0 + 1)], [], OWNERS)
    assert store.durable_mark == mark < later


def test_redelivered_observations_give_no_second_row(store: DuckDBStore, options: StoreOptions) -> None:
    readings = [heart(T0 + i) for i in range(5)]
    events = [
        DeviceEvent("w1", "help_button", True, T0, T0, token="a"),
        DeviceEvent("w1", "help_button", True, T0 + 9, T0 + 9, token="a"),
        DeviceEvent("w1", "door", "open", T0, T0),
        DeviceEvent("w1", "door", "closed", T0, T0),
        DeviceEvent("w1", "fall", None, T0, T0),
    ]
    store.append(readings + readings, events + events, OWNERS)
    store.flush()
    store.append(readings, events, {"w1": "moved to another resident"})
    store.flush()
    store.close()
    again = DuckDBStore(options, clock_ns=lambda: T0)
    again.append([*readings, heart(T0 + 2, device="w2"), heart(T0 - 1)], events, OWNERS)
    again.flush()
    rows = all_rows(again)
    assert len(rows) == 5 + 4 + 2
    assert store.health().duplicates + again.health().duplicates == 5 + 6 + 5 + 5 + 5 + 5
    assert [row[0] for row in rows] == list(range(1, 12))
    again.close()


def test_row_ids_never_go_back(store: DuckDBStore, options: StoreOptions) -> None:
    store.append([heart(T0 + i) for i in range(10)], [], OWNERS)
    store.flush()
    assert store.retain(T0 + 91 * DAY_NS).readings_aggregated == 10
    store.close()
    again = DuckDBStore(options)
    again.append([heart(T0 + 91 * DAY_NS)], [], OWNERS)
    again.flush()
    assert [row[0] for row in all_rows(again)] == [11]
    again.close()


def test_latest_survives_a_restart_and_ignores_late_history(store: DuckDBStore, options: StoreOptions) -> None:
    store.append([heart(T0 + 5, 80.0), heart(T0 + 6, None, "w2")], [DeviceEvent("w1", "door", "open", T0, T0)], OWNERS)
    store.append([heart(T0 + 1, 60.0)], [DeviceEvent("w1", "door", "closed", T0 - 1, T0)], OWNERS)
    store.flush()
    expected = [
        (SeriesKey("w1", "r1", "door"), "open", Quality.GOOD),
        (SeriesKey("w1", "r1", "heart_rate"), 80.0, Quality.GOOD),
        (SeriesKey("w2", "r2", "heart_rate"), None, Quality.NO_CONTACT),
    ]
    assert [(row.key, row.value, row.quality) for row in store.latest()] == expected
    store.close()
    again = DuckDBStore(options)
    assert [(row.key, row.value, row.quality) for row in again.latest()] == expected
    assert [row.value for row in again.latest(resident_id="r1")] == ["open", 80.0]
    assert [row.value for row in again.latest(device_id="w2")] == [None]
    assert again.latest(device_id="nobody") == []
    again.append([heart(T0 + 7, 61.0)], [], {"w1": "r9"})
    again.flush()
    assert [row.value for row in again.latest(resident_id="r1")] == ["open"]
    again.close()


def test_latest_does_not_show_what_could_not_be_written(store: DuckDBStore) -> None:
    store.append([heart(T0)], [], OWNERS)
    assert store.latest() == []


def test_events_come_back_whole(store: DuckDBStore) -> None:
    told = [
        DeviceEvent("b1", "bed_occupancy", "left", T0, T0 + 1, Quality.POOR, stored=True, repeat=True, token="t1"),
        DeviceEvent("b1", "presence", False, T0 + 1, T0 + 2),
        DeviceEvent("b1", "presence", None, T0 + 2, T0 + 2, Quality.INVALID),
    ]
    store.append([], told, {"b1": "r1"})
    store.flush()
    found = store.events(T0, T0 + 10, resident_id="r1")
    assert [as_event(row) for row in found] == told
    assert store.events(T0, T0 + 10, signal="presence", limit=1) == found[2:]
    assert store.events(T0, T0 + 10, device_id="b2") == []


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda s: s.query("heart_rate", 0, 1), "say whose"),
        (lambda s: s.query("heart_rate", 5, 5, device_id="w1"), "begin before"),
        (lambda s: s.query("heart_rate", 0, 5, device_id="w1", points=0), "points"),
        (lambda s: s.events(5, 4), "begin before"),
        (lambda s: s.events(0, 4, limit=0), "limit"),
        (lambda s: s.rows_after(-1, 5), "cursor"),
        (lambda s: s.rows_after(0, 0), "limit"),
        (lambda s: s.save_snippet("a", "w1", "accel", 50.0, T0, np.zeros((0, 3), np.float32)), "samples"),
        (lambda s: s.save_snippet("a", "w1", "accel", math.nan, T0, np.zeros((4, 3), np.float32)), "rate"),
        (lambda s: s.save_snippet("\ud800", "w1", "accel", 50.0, T0, np.zeros((4, 3), np.float32)), "valid text"),
    ],
)
def test_impossible_questions_get_a_typed_answer(
    store: DuckDBStore, ask: Callable[[DuckDBStore], object], says: str
) -> None:
    with pytest.raises(QueryError, match=says):
        ask(store)


def test_what_cannot_be_stored_is_counted_and_holds_up_nothing(store: DuckDBStore) -> None:
    good, nan = heart(T0), heart(T0 + 1, math.nan)
    bad = [heart(2**63), heart(-5), heart(T0, device="\udc00"), Reading("w1", "spo2", 1.0, T0, T0, "odd")]  # type: ignore[arg-type]
    mark = store.append([bad[0], good, *bad[1:], nan], [DeviceEvent("w1", "door", "\udc00", T0, T0)], OWNERS)
    store.flush()
    assert store.durable_mark == mark
    assert store.health().rejected == 5
    assert [(at_ns, value) for _, _, at_ns, value in all_rows(store)] == [(T0, 70.0), (T0 + 1, None)]


def test_a_snippet_comes_back_bit_for_bit_and_can_be_replaced(store: DuckDBStore) -> None:
    values = np.random.default_rng(3).normal(size=(600, 3)).astype(np.float32)
    store.save_snippet("a1", "w1", "accel", 50.0, T0, values * 0, resident_id="r1")
    store.save_snippet("a1", "w1", "accel", 50.0, T0, values, resident_id="r1")
    mark = store.save_snippet("a1", "r60", "breath_wave", 5.0, T0 + 1, values[:, 0])
    values[:] = 0
    store.flush()
    assert store.durable_mark == mark
    accel, breath = store.snippet("a1")
    expected = np.random.default_rng(3).normal(size=(600, 3)).astype(np.float32)
    assert np.array_equal(accel.values, expected)
    assert (accel.rate_hz, accel.start_ns, accel.signal, accel.resident_id) == (50.0, T0, "accel", "r1")
    assert np.array_equal(breath.values, expected[:, :1])
    assert store.snippet("a2") == []


def test_retention_keeps_hourly_aggregates_then_nothing(store: DuckDBStore) -> None:
    hour = T0 // HOUR_NS * HOUR_NS
    store.append([heart(hour, 60.0), heart(hour + 1, 90.0), heart(hour + 2, None)], [], OWNERS)
    store.append([heart(hour + HOUR_NS, None)], [DeviceEvent("w1", "fall", True, hour, hour)], OWNERS)
    store.save_snippet("a1", "w1", "accel", 50.0, hour, np.ones((5, 3), np.float32))
    store.flush()
    assert store.retain(hour + 90 * DAY_NS).readings_aggregated == 0
    assert store.retain(hour + 90 * DAY_NS + 2 * HOUR_NS).readings_aggregated == 4
    store.append([heart(hour + 3, 30.0)], [], OWNERS)
    store.flush()
    assert store.retain(hour + 90 * DAY_NS + 2 * HOUR_NS).readings_aggregated == 1
    view = store.query("heart_rate", hour, hour + DAY_NS, resident_id="r1", points=24)
    assert view.bucket_ns == HOUR_NS
    assert view.at_ns.tolist() == [hour, hour + HOUR_NS]
    assert (view.minimum[0], view.mean[0], view.maximum[0]) == (30.0, 60.0, 90.0)
    assert (view.count.tolist(), view.absent.tolist()) == ([3, 0], [1, 1])
    assert np.isnan([view.minimum[1], view.mean[1], view.maximum[1]]).all()
    assert len(store.events(hour, hour + DAY_NS)) == 1
    report = store.retain(hour + 731 * DAY_NS)
    assert (report.hourly_deleted, report.events_deleted, report.snippets_deleted) == (3, 0, 0)
    report = store.retain(hour + 1_096 * DAY_NS)
    assert (report.events_deleted, report.snippets_deleted) == (1, 1)
    assert store.snippet("a1") == []


def test_what_the_gateway_has_computed_is_marked_in_every_way_of_reading(
    store: DuckDBStore, options: StoreOptions
) -> None:
    """The mark outlives a restart and the change to hourly aggregates; the same instant is not kept twice."""
    hour = T0 // HOUR_NS * HOUR_NS
    own, computed = heart(hour, 60.0), replace(heart(hour + 1, 64.0), derived=True)
    store.append([own, computed, replace(own, derived=True), replace(computed, derived=False)], [], OWNERS)
    store.flush()
    assert store.health().duplicates == 2
    assert [(key.derived, value) for _, key, _, value in all_rows(store)] == [(False, 60.0), (True, 64.0)]
    assert store.latest()[0].key == SeriesKey("w1", "r1", "heart_rate", derived=True)
    view = store.query("heart_rate", hour, hour + HOUR_NS, resident_id="r1", points=1)
    assert (view.count.tolist(), view.derived.tolist(), view.mean.tolist()) == ([2], [1], [62.0])
    store.close()
    again = DuckDBStore(options, clock_ns=lambda: T0)
    assert again.latest()[0].key.derived
    assert again.retain(hour + 91 * DAY_NS).readings_aggregated == 2
    view = again.query("heart_rate", hour, hour + HOUR_NS, resident_id="r1", points=1)
    assert (view.count.tolist(), view.derived.tolist(), view.mean.tolist()) == ([2], [1], [62.0])
    assert again.erase("r1") == 2
    again.close()


def test_a_record_of_the_first_version_is_read_on_and_written_on(options: StoreOptions) -> None:
    """Made by the tables of version 1, which the upgrades begin from."""
    with duckdb.connect(str(options.path)) as old:
        old.execute(SCHEMA)
        old.execute("insert into meta values (1, 'first', 7)")
        old.execute("insert into series values (1, 0, 'w1', 'r1', 'heart_rate', false)")
        old.execute("insert into readings values (8, 1, ?, ?, 70.0, 0, false)", [T0, T0 + 1])
        assert len(old.execute("describe series").fetchall()) == 6
    for _ in range(2):
        store = DuckDBStore(options, clock_ns=lambda: T0)
        assert store.health().moved_aside == []
        assert [row.key for row in store.latest()] == [SeriesKey("w1", "r1", "heart_rate")]
        assert store.rows_after(0, 1).record == "first"
        store.close()
    store = DuckDBStore(options, clock_ns=lambda: T0)
    store.append([replace(heart(T0 + 5), derived=True), heart(T0 + 9)], [], OWNERS)
    store.flush()
    kept = [(row_id, key.derived, at_ns - T0) for row_id, key, at_ns, _ in all_rows(store)]
    assert kept == [(8, False, 0), (9, True, 5), (10, False, 9)]
    store.close()
    with duckdb.connect(str(options.path)) as now:
        assert now.execute("select version from meta").fetchall() == [(SCHEMA_VERSION,)]
        assert now.execute("select id, derived from series order by id").fetchall() == [(1, False), (2, True)]


def test_a_record_of_a_later_version_is_not_touched_but_moved_aside(options: StoreOptions) -> None:
    DuckDBStore(options, clock_ns=lambda: T0).close()
    with duckdb.connect(str(options.path)) as later:
        later.execute("update meta set version = ?", [SCHEMA_VERSION + 1])
    store = DuckDBStore(options, clock_ns=lambda: T0)
    (aside,) = store.health().moved_aside
    store.close()
    with duckdb.connect(aside) as kept:
        assert kept.execute("select version from meta").fetchall() == [(SCHEMA_VERSION + 1,)]


def test_a_row_dated_in_the_far_future_is_not_kept_for_ever(store: DuckDBStore) -> None:
    wrong = Reading("w1", "heart_rate", 70.0, T0 + 9_000 * DAY_NS, T0)
    store.append([wrong], [DeviceEvent("w1", "fall", True, T0 + 9_000 * DAY_NS, T0)], OWNERS)
    store.flush()
    report = store.retain(T0 + 1_096 * DAY_NS)
    assert (report.readings_aggregated, report.hourly_deleted, report.events_deleted) == (1, 1, 1)


def test_erasing_a_resident_leaves_nothing_of_them(store: DuckDBStore, options: StoreOptions) -> None:
    store.append([heart(T0), heart(T0, device="w2")], [DeviceEvent("w1", "fall", True, T0, T0, token="k")], OWNERS)
    store.save_snippet("a1", "w1", "accel", 50.0, T0, np.ones((5, 3), np.float32), resident_id="r1")
    store.save_snippet("a2", "w2", "accel", 50.0, T0, np.ones((5, 3), np.float32), resident_id="r2")
    assert store.erase("r1") == 3
    assert store.erase("nobody") == 0
    assert [key.resident_id for _, key, _, _ in all_rows(store)] == ["r2"]
    assert [row.key.device_id for row in store.latest()] == ["w2"]
    assert (store.snippet("a1"), len(store.snippet("a2"))) == ([], 1)
    store.append([heart(T0 + 1)], [DeviceEvent("w1", "fall", True, T0, T0, token="k")], OWNERS)
    store.flush()
    assert [row[0] for row in all_rows(store)] == [2, 4, 5]


def test_rows_after_jumps_over_what_was_deleted(store: DuckDBStore) -> None:
    store.append([heart(T0 + i) for i in range(300)], [], OWNERS)
    store.flush()
    store.retain(T0 + 92 * DAY_NS)
    store.append([heart(T0 + 92 * DAY_NS + i) for i in range(3)], [], OWNERS)
    store.flush()
    page = store.rows_after(0, 10)
    assert page.readings["row_id"].tolist() == [301, 302, 303]
    assert (page.cursor, page.behind) == (303, 0)
    store.retain(T0 + 300 * DAY_NS)
    page = store.rows_after(0, 10)
    assert (len(page), page.cursor, page.behind) == (0, 303, 0)


def test_rows_of_one_resident_can_be_paged(store: DuckDBStore) -> None:
    store.append([heart(T0 + i, device=f"w{i % 2 + 1}") for i in range(40)], [], OWNERS)
    store.flush()
    cursor, found, behind = 0, [], 1
    while behind:
        page = store.rows_after(cursor, 7, resident_id="r2")
        found += page.readings["at_ns"].tolist()
        cursor, behind = page.cursor, page.behind
    assert found == [T0 + i for i in range(1, 40, 2)]


def test_cursors_are_durable_and_belong_to_their_record(store: DuckDBStore, options: StoreOptions) -> None:
    record = store.rows_after(0, 1).record
    assert store.cursor("influx") == 0
    store.save_cursor("influx", record, 7)
    store.save_cursor("influx", record, 9)
    store.save_cursor("influx", "another record", 99)
    store.save_cursor("other", record, 3)
    store.close()
    again = DuckDBStore(options)
    assert (again.cursor("influx"), again.cursor("other")) == (9, 3)
    again.close()


def test_a_backup_is_a_whole_record(store: DuckDBStore, options: StoreOptions, tmp_path: Path) -> None:
    store.append([heart(T0 + i) for i in range(100)], [], OWNERS)
    store.flush()
    store.backup(tmp_path / "copy.duckdb")
    store.append([heart(T0 + 1_000)], [], OWNERS)
    store.flush()
    copy = DuckDBStore(StoreOptions(tmp_path / "copy.duckdb"))
    assert len(all_rows(copy)) == 100
    copy.close()
    with pytest.raises(StoreUnavailableError):
        store.backup(tmp_path / "missing" / "copy.duckdb")


def test_only_the_owner_may_read_the_file(store: DuckDBStore, options: StoreOptions) -> None:
    assert options.path.stat().st_mode & 0o077 == 0


def test_options_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="keep_readings_days"):
        StoreOptions(tmp_path / "x", keep_readings_days=0)


def test_the_event_loop_is_free_while_the_store_works(options: StoreOptions) -> None:
    async def scenario() -> list[str]:
        names: list[str] = []
        async with AsyncStore(DuckDBStore(options)) as aio:
            aio.store.append([heart(T0)], [], OWNERS)
            await aio.flush()
            view = await aio.run(aio.store.query, "heart_rate", T0, T0 + 1, device_id="w1")
            names.append(await aio.write(lambda: threading.current_thread().name))
            names.append(await aio.run(lambda: threading.current_thread().name))
            assert view.count.tolist() == [1]
        return names

    writer, asker = asyncio.run(scenario())
    assert writer.startswith("store-writer")
    assert asker.startswith("store-reader")


def test_questions_and_writes_may_come_from_many_threads_at_once(store: DuckDBStore) -> None:
    def ask() -> int:
        for _ in range(60):
            store.query("heart_rate", T0, T0 + DAY_NS, resident_id="r1")
            store.latest()
            store.rows_after(0, 100)
        return 60

    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(ask) for _ in range(3)]
        for i in range(60):
            store.append([heart(T0 + i, device=f"w{i}")], [], {f"w{i}": "r1"})
            store.flush()
    assert [future.result() for future in asked] == [60, 60, 60]
    assert len(all_rows(store)) == 60


VALUES = st.one_of(st.none(), st.floats(-1e6, 1e6))
POINTS = st.lists(st.tuples(st.integers(0, 5_000), VALUES), max_size=80)


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(rows=POINTS, start=st.integers(0, 3_000), span=st.integers(1, 3_000), points=st.integers(1, 50))
def test_downsampling_equals_the_plain_reckoning(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, float | None]], start: int, span: int, points: int
) -> None:
    store = DuckDBStore(StoreOptions(tmp_path_factory.mktemp("series") / "s.duckdb"))
    store.append([heart(at, value) for at, value in rows], [], OWNERS)
    store.flush()
    view = store.query("heart_rate", start, start + span, resident_id="r1", points=points)
    store.close()
    first: dict[int, float | None] = {}
    for at, value in rows:
        first.setdefault(at, value)
    width = math.ceil(span / points)
    buckets: dict[int, list[float | None]] = {}
    for at, value in sorted(first.items()):
        if start <= at < start + span:
            buckets.setdefault(start + (at - start) // width * width, []).append(value)
    assert view.at_ns.tolist() == list(buckets)
    for i, values in enumerate(buckets.values()):
        known = [value for value in values if value is not None]
        assert (view.count[i], view.absent[i]) == (len(known), len(values) - len(known))
        if known:
            assert (view.minimum[i], view.maximum[i]) == (min(known), max(known))
            assert view.mean[i] == pytest.approx(sum(known) / len(known), abs=1e-6)
        else:
            assert np.isnan(view.minimum[i])
            assert np.isnan(view.mean[i])


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
READINGS = st.builds(
    Reading,
    NAMES,
    NAMES,
    st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
    st.integers(0, 2**63 - 1),
    st.integers(0, 2**63 - 1),
    st.sampled_from(Quality),
    st.booleans(),
)
EVENTS = st.builds(
    DeviceEvent,
    NAMES,
    NAMES,
    st.one_of(st.none(), st.booleans(), NAMES),
    st.integers(0, 2**63 - 1),
    st.integers(0, 2**63 - 1),
    st.sampled_from(Quality),
    st.booleans(),
    st.booleans(),
    st.one_of(st.none(), NAMES),
)


@settings(deadline=None, max_examples=40)
@given(
    readings=st.lists(READINGS, max_size=8, unique_by=lambda r: (r.device_id, r.signal, r.at_ns)),
    events=st.lists(EVENTS, max_size=8, unique_by=(lambda e: (e.device_id, e.signal, e.at_ns), lambda e: e.token or e)),
)
@pytest.mark.slow
def test_rows_come_back_as_they_went_in(
    tmp_path_factory: pytest.TempPathFactory, readings: list[Reading], events: list[DeviceEvent]
) -> None:
    options = StoreOptions(tmp_path_factory.mktemp("series") / "s.duckdb")
    store = DuckDBStore(options)
    store.append(readings, events, {})
    store.flush()
    store.close()
    again = DuckDBStore(options)
    page = again.rows_after(0, 100)
    again.close()
    columns = (page.readings[n].tolist() for n in ("series", "value", "at_ns", "received_ns", "quality", "stored"))
    assert [
        Reading(*page.keys[s][::2], None if math.isnan(v) else v, at, received, QUALITIES[q], kept)
        for s, v, at, received, q, kept in zip(*columns, strict=True)
    ] == readings
    assert [as_event(row) for row in page.events] == events
