"""What the record does when the process is killed, the disk fills, the file is damaged or someone else holds it."""

from __future__ import annotations

import resource
from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pytest

from device_drivers.observations import DeviceEvent, Quality, Reading
from gateway.store.base import DAY_NS, Row, SeriesKey, StoreCorruptError, StoreOptions, StoreUnavailableError
from gateway.store.duckdb_store import DuckDBStore
from gateway.store.series_book import KEPT_TOKENS, Newest
from tests.gateway.store.child import BATCH, T0
from tests.gateway.store.processes import child, lines_until_killed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

OWNERS = {"w1": "r1"}


class Clock:
    """Monotonic seconds that only the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def options(tmp_path: Path) -> StoreOptions:
    return StoreOptions(tmp_path / "series.duckdb")


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file of this process may grow beyond `size` bytes: the kernel refuses the write, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def readings(first: int, number: int, signal: str = "heart_rate") -> list[Reading]:
    values = np.random.default_rng(first).normal(70, 9, number).tolist()
    return [Reading("w1", signal, value, T0 + first + i, T0 + first + i) for i, value in enumerate(values)]


def stored(store: DuckDBStore) -> list[int]:
    """Numbers of the stored readings (at_ns - T0) in order of row_id, which must grow."""
    numbers, last, behind, cursor = [], 0, 1, 0
    while behind:
        page = store.rows_after(cursor, 100_000)
        ids = page.readings["row_id"].tolist()
        assert ids == sorted(set(ids))
        assert not ids or ids[0] > last
        last = ids[-1] if ids else last
        numbers += [at_ns - T0 for at_ns in page.readings["at_ns"].tolist()]
        cursor, behind = page.cursor, page.behind
    return numbers


@pytest.mark.slow
def test_killed_in_the_midst_of_writing_it_keeps_all_it_confirmed(options: StoreOptions) -> None:
    first = 0
    for round_ in range(6):
        with child("store", str(options.path), str(first)) as process:
            confirmed = int(lines_until_killed(process, 1 + 7 * round_)[-1])
        store = DuckDBStore(options)
        numbers = stored(store)
        events = store.events(T0, T0 + 10**9, limit=100_000)
        store.close()
        assert store.health().moved_aside == []
        assert len(numbers) >= confirmed
        assert sorted(numbers) == list(range(len(numbers)))
        assert len(events) >= confirmed // BATCH
        first = max(0, confirmed - 3 * BATCH)


def test_a_full_disk_loses_nothing_that_was_appended(options: StoreOptions) -> None:
    store = DuckDBStore(options)
    number, failures = 0, 0
    with largest_file(2_000_000):
        while failures < 3:
            mark = store.append(readings(number, 5_000), [], OWNERS)
            number += 5_000
            try:
                store.flush()
            except StoreUnavailableError:
                failures += 1
                assert store.durable_mark < mark
        health = store.health()
        assert (health.state, health.failed_flushes, health.pending) == ("degraded", 3, 15_000)
        assert health.last_error
    store.flush()
    assert store.durable_mark == mark
    assert stored(store) == list(range(number))
    assert store.health().state == "ok"
    store.close()
    again = DuckDBStore(options)
    assert stored(again) == list(range(number))
    again.close()


@pytest.mark.slow
def test_a_full_disk_during_a_checkpoint_loses_nothing_either(tmp_path: Path) -> None:
    clock = Clock()
    store = DuckDBStore(StoreOptions(tmp_path / "series.duckdb", checkpoint_mb=1), monotonic=clock)
    number, mark = 0, 0
    with largest_file(1_500_000):
        for _ in range(18):
            mark = store.append(readings(number, 5_000), [], OWNERS)
            number += 5_000
            clock.now += 100
            try:
                store.flush()
            except StoreUnavailableError:
                continue
    assert store.health().failed_flushes > 0
    clock.now += 100
    store.flush()
    assert store.durable_mark == mark
    assert sorted(stored(store)) == list(range(number))
    assert store.health().moved_aside == []
    store.close()


def test_retention_and_cursors_that_fail_change_nothing_and_can_be_tried_again(options: StoreOptions) -> None:
    clock = Clock()
    store = DuckDBStore(options, monotonic=clock)
    store.append(readings(0, 5_000), [], OWNERS)
    store.flush()
    record = store.rows_after(0, 1).record
    later = T0 + 91 * DAY_NS
    with largest_file(60_000):
        with pytest.raises(StoreUnavailableError):
            store.retain(later)
        clock.now += 60
        with pytest.raises(StoreUnavailableError):
            store.save_cursor("influx", record, 50)
    clock.now += 60
    store.flush()
    assert stored(store) == list(range(5_000))
    assert store.cursor("influx") == 0
    store.save_cursor("influx", record, 50)
    assert store.cursor("influx") == 50
    assert store.retain(later).readings_aggregated == 5_000
    assert store.retain(later).readings_aggregated == 0
    store.close()


def test_memory_is_bounded_while_the_disk_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    options = StoreOptions(
        tmp_path / "file" / "series.duckdb", max_pending=100, max_pending_events=50, max_pending_snippets=2
    )
    clock = Clock()
    store = DuckDBStore(options, monotonic=clock)
    told = [DeviceEvent("w1", "presence", True, T0 + i, T0 + i, repeat=i % 2 == 0) for i in range(60)]
    for i in range(0, 120, 10):
        store.append(readings(i, 10, "heart_rate" if i < 80 else "battery"), [], OWNERS)
    store.append([], told, OWNERS)
    for i in range(4):
        store.save_snippet(f"a{i}", "w1", "accel", 50.0, T0, np.ones(9, np.float32))
    mark = store.save_snippet("a9", "w1", "accel", 50.0, T0, np.ones(9, np.float32))
    health = store.health()
    assert (health.dropped_readings, health.dropped_repeats, health.dropped_snippets) == (25, 12, 3)
    assert health.state == "degraded"
    with pytest.raises(StoreUnavailableError, match="waiting"):
        store.flush()
    (tmp_path / "file").unlink()
    clock.now += 1
    store.flush()
    assert store.durable_mark == mark
    assert stored(store) == [*range(80), *range(105, 120)]
    events = store.events(T0, T0 + 60)
    assert len(events) == 48
    assert [row.at_ns - T0 for row in events if not row.repeat] == list(range(1, 60, 2))
    assert [len(store.snippet(f"a{i}")) for i in (2, 3, 9)] == [0, 1, 1]
    store.close()


def test_vital_signs_go_only_when_nothing_else_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    store = DuckDBStore(StoreOptions(tmp_path / "file" / "series.duckdb", max_pending=20))
    (tmp_path / "file").unlink()
    store.append(readings(0, 2, "battery") + readings(10, 30), [], OWNERS)
    assert store.health().dropped_readings == 13
    store.close()
    assert store.health().pending == 19


def test_a_failed_batch_is_put_before_what_came_later_even_if_interrupted(options: StoreOptions) -> None:
    class Interrupting:
        device_id, at_ns, received_ns, value, quality, stored = "w1", T0, T0, 1.0, "good", False
        derived = False
        asked = 0

        @property
        def signal(self) -> str:
            self.asked += 1
            if self.asked == 1:
                raise KeyboardInterrupt
            return "heart_rate"

    store = DuckDBStore(options)
    mark = store.append([Interrupting()], [], OWNERS)  # type: ignore[list-item]
    with pytest.raises(KeyboardInterrupt):
        store.flush()
    assert store.durable_mark < mark
    store.flush()
    assert store.durable_mark == mark
    assert stored(store) == [0]
    store.close()


def damage_header(path: Path) -> None:
    path.write_bytes(b"no database at all" * 1_000)


def damage_half(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\x5a" * 4_096)


def damage_end(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def damage_empty(path: Path) -> None:
    path.write_bytes(b"")


def damage_version(path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("update meta set version = 99")


def damage_tables(path: Path) -> None:
    path.unlink()
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table readings(something text)")


@pytest.mark.parametrize(
    "damage", [damage_header, damage_half, damage_end, damage_empty, damage_version, damage_tables]
)
def test_a_damaged_file_is_moved_aside_and_the_record_goes_on(
    options: StoreOptions, damage: Callable[[Path], None]
) -> None:
    store = DuckDBStore(options)
    store.append(readings(0, 60_000), [], OWNERS)
    store.flush()
    store.close()
    damage(options.path)
    damaged = options.path.read_bytes()
    again = DuckDBStore(options, clock_ns=lambda: T0)
    again.append(readings(0, 10), [], OWNERS)
    again.flush()
    assert stored(again) == list(range(10))
    health = again.health()
    assert health.state == "ok"
    aside = options.path.with_name(f"series.duckdb.corrupt-{T0}")
    assert health.moved_aside == [str(aside)]
    if damage is not damage_tables:
        assert aside.read_bytes() == damaged
    again.close()


def test_damage_found_by_a_question_is_told_and_mended_at_the_next_flush(options: StoreOptions) -> None:
    store = DuckDBStore(options)
    pattern = np.random.default_rng(1).normal(size=500_000).astype(np.float32)
    store.save_snippet("a1", "w1", "accel", 50.0, T0, pattern)
    store.flush()
    record = store.rows_after(0, 1).record
    store.close()
    damage_half(options.path)
    again = DuckDBStore(options, clock_ns=lambda: T0)
    assert again.health().state == "ok"
    with pytest.raises(StoreCorruptError):
        again.snippet("a1")
    mark = again.append(readings(0, 10), [], OWNERS)
    again.flush()
    assert again.durable_mark == mark
    assert stored(again) == list(range(10))
    assert again.health().moved_aside == [str(options.path.with_name(f"series.duckdb.corrupt-{T0}"))]
    assert again.rows_after(0, 1).record != record
    again.close()


def test_only_the_newest_damaged_files_are_kept(tmp_path: Path) -> None:
    options = StoreOptions(tmp_path / "series.duckdb", keep_corrupt_files=2)
    for i in range(5):
        options.path.write_bytes(b"damaged")
        options.path.with_name("series.duckdb.wal").write_bytes(b"log")
        DuckDBStore(options, clock_ns=lambda now=T0 + i: now).close()  # type: ignore[misc]
    kept = sorted(path.name for path in tmp_path.glob("*.corrupt-*"))
    assert kept == [f"series.duckdb.corrupt-{T0 + i}{end}" for i in (3, 4) for end in ("", ".wal")]


def test_a_damaged_file_that_cannot_be_moved_stops_nothing_but_the_record(options: StoreOptions) -> None:
    options.path.write_bytes(b"damaged")
    obstacle = options.path.with_name(f"series.duckdb.corrupt-{T0}")
    (obstacle / "sub").mkdir(parents=True)
    clock = Clock()
    store = DuckDBStore(options, clock_ns=lambda: T0, monotonic=clock)
    store.append(readings(0, 10), [], OWNERS)
    clock.now += 60
    with pytest.raises(StoreUnavailableError, match="cannot be moved aside"):
        store.flush()
    with pytest.raises(StoreUnavailableError, match="not open"):
        store.query("heart_rate", T0, T0 + 1, device_id="w1")
    assert store.latest() == []
    (obstacle / "sub").rmdir()
    obstacle.rmdir()
    clock.now += 60
    store.flush()
    assert stored(store) == list(range(10))
    store.close()


def test_a_file_held_by_another_process_is_waited_for_and_never_moved(options: StoreOptions) -> None:
    clock = Clock()
    with child("hold", str(options.path)) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "open\n"
        store = DuckDBStore(options, monotonic=clock)
        mark = store.append(readings(0, 10), [], OWNERS)
        clock.now += 1
        with pytest.raises(StoreUnavailableError, match="lock"):
            store.flush()
        with pytest.raises(StoreUnavailableError, match="waiting"):
            store.flush()
        assert store.health().state == "degraded"
        process.stdin.close()
        process.wait(30)
    clock.now += 2
    store.flush()
    assert store.durable_mark == mark
    assert stored(store) == list(range(10))
    assert store.health().moved_aside == []
    store.close()


def test_a_backup_in_the_midst_of_a_long_question_is_whole(options: StoreOptions, tmp_path: Path) -> None:
    store = DuckDBStore(options)
    store.append(readings(0, 1_000), [], OWNERS)
    store.flush()
    assert store._session is not None
    target = tmp_path / "copy.duckdb"
    with store._session.connection.cursor() as question:
        question.execute("begin")
        assert question.execute("select count(*) from readings").fetchall() == [(1_000,)]
        store.append(readings(1_000, 1_000), [], OWNERS)
        store.flush()
        store.backup(target)
        question.execute("commit")
    store.close()
    copy = DuckDBStore(StoreOptions(target))
    assert stored(copy) == list(range(2_000))
    copy.close()


def test_the_memory_of_event_tokens_is_bounded_and_forgets_the_oldest() -> None:
    newest = Newest()
    newest.fit(1)
    for i in range(KEPT_TOKENS + 10):
        newest.take_event(0, Row(i, SeriesKey("w1", None, "fall"), T0, T0, True, Quality.GOOD, False, token=str(i)))
    assert len(newest.tokens) == KEPT_TOKENS
    assert (0, "9") not in newest.tokens
    assert (0, "10") in newest.tokens


def test_a_stream_is_known_again_whoever_wears_the_device(options: StoreOptions) -> None:
    store = DuckDBStore(options)
    told = [Reading(f"w{i}", "heart_rate", float(i), T0, T0) for i in range(300)]
    store.append(told, [], {f"w{i}": f"r{i}" for i in range(300)})
    store.flush()
    store.append([*told, *readings(0, 2)], [], {})
    store.flush()
    assert store.health().duplicates == 301
    assert [row.value for row in store.latest(resident_id="r299")] == [299.0]
    store.close()


def test_a_closed_store_says_so(options: StoreOptions) -> None:
    store = DuckDBStore(options)
    store.append(readings(0, 3), [], OWNERS)
    store.close()
    store.close()
    with pytest.raises(StoreUnavailableError, match="closed"):
        store.flush()
    with pytest.raises(StoreUnavailableError):
        store.rows_after(0, 1)
    again = DuckDBStore(options)
    assert stored(again) == [0, 1, 2]
    again.close()
