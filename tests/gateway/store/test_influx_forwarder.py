"""Forwarding against a real VictoriaMetrics and against a server that misbehaves: nothing lost, nothing doubled."""

from __future__ import annotations

import random
import socket
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from device_drivers.observations import DeviceEvent, Reading
from gateway.store.base import StoreOptions
from gateway.store.duckdb_store import DuckDBStore
from gateway.store.influx_client import InfluxOptions, retry_after
from gateway.store.influx_forwarder import CURSOR, InfluxForwarder
from tests.gateway.store.processes import child, lines_until_killed
from tests.gateway.store.servers import Server, misbehaving, victoria, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

T0 = 1_760_000_000_000_000_000
MS = 1_000_000
OWNERS = {"w1": "r1", "w2": "r2"}


class Clock:
    """Monotonic seconds and UTC nanoseconds that only the test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def now_ns(self) -> int:
        return T0 + int(self.seconds * 1e9)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckDBStore]:
    store = DuckDBStore(StoreOptions(tmp_path / "series.duckdb"))
    yield store
    store.close()


@pytest.fixture
def server() -> Iterator[Server]:
    with misbehaving() as server:
        yield server


def options(url: str, **changes: Any) -> InfluxOptions:
    return InfluxOptions(url, "home", "yinling", SecretStr("secret"), **{"batch_rows": 100, **changes})


def forwarder(store: DuckDBStore, clock: Clock, chosen: InfluxOptions, **more: Any) -> InfluxForwarder:
    return InfluxForwarder(
        store, chosen, clock_ns=clock.now_ns, monotonic=clock.monotonic, random=random.Random(5), **more
    )


def fill(store: DuckDBStore, first: int, number: int) -> None:
    """Reading i has the value i and is taken i milliseconds after T0."""
    span = range(first, first + number)
    store.append([Reading("w1", "heart_rate", float(i), T0 + i * MS, T0 + i * MS) for i in span], [], OWNERS)
    store.flush()


def drain(sender: InfluxForwarder, most: int = 10_000) -> float:
    """Step until there is something to wait for; gives the wait."""
    for _ in range(most):
        wait = sender.step()
        if wait:
            return wait
    pytest.fail("it never came to an end")


def numbers(lines: list[str]) -> list[int]:
    """The reading numbers of accepted lines."""
    return [int(float(line.split("value=")[1].split()[0])) for line in lines if line.startswith("heart_rate")]


@pytest.mark.system
def test_all_that_is_stored_arrives_at_victoriametrics(
    store: DuckDBStore, clock: Clock, tmp_path: Path, free_port: int
) -> None:
    nasty = "a b,c=d\"e'f 床#1"
    events = [
        DeviceEvent("w2", "bed_occupancy", "left", T0, T0),
        DeviceEvent(nasty, "help_button", True, T0 + MS, T0),
    ]
    with victoria(tmp_path / "vm", free_port, dedup=False) as far:
        store.append([Reading("w2", "spo2", None, T0, T0), Reading(nasty, "spo2", 93.5, T0, T0)], events, OWNERS)
        fill(store, 0, 1_000)
        sender = forwarder(store, clock, options(far.url, tags={"site": "家 1"}))
        assert drain(sender) == 5.0
        got = far.samples("heart_rate_value")
        assert [(at, value) for _, at, value in got] == [(T0 // MS + i, float(i)) for i in range(1_000)]
        labels = {"device": "w1", "resident": "r1", "site": "家 1", "__name__": "heart_rate_value"}
        assert got[0][0] == labels
        assert [(m["device"], m.get("resident"), v) for m, _, v in far.samples("spo2_value")] == [(nasty, None, 93.5)]
        assert [(m["device"], v) for m, _, v in far.samples("help_button_active")] == [(nasty, 1.0)]
        assert [(m["resident"], v) for m, _, v in far.samples("bed_occupancy_code")] == [("r2", 1.0)]
        assert [v for _, _, v in far.samples("spo2_absent")] == [1.0]
        health = sender.health()
        assert (health.rows, health.lag_rows, health.lag_s, health.state) == (1_004, 0, 0.0, "idle")
        assert (health.dead_letters, health.failures, health.last_error) == (0, 0, None)
        sender.stop()


@pytest.mark.system
def test_hours_without_the_server_lose_and_double_nothing(
    store: DuckDBStore, clock: Clock, tmp_path: Path, free_port: int
) -> None:
    with victoria(tmp_path / "vm", free_port, dedup=False) as far:
        sender = forwarder(store, clock, options(far.url, rewind_s=0.0))
        fill(store, 0, 500)
        drain(sender)
        far.stop()
        waits = []
        for hour in range(6):
            fill(store, 500 + hour * 500, 500)
            waits.append(sender.step())
            clock.seconds += 3_600
        health = sender.health()
        assert (health.state, health.lag_rows, health.failures) == ("waiting", 3_000, 6)
        assert health.lag_s == pytest.approx(5 * 3_600, abs=10)
        assert [0.5 * 2**n <= wait <= 2**n for n, wait in enumerate(waits)] == [True] * 6
        far.start()
        drain(sender)
        assert [value for _, _, value in far.samples("heart_rate_value")] == [float(i) for i in range(3_500)]
        assert (sender.health().lag_rows, sender.health().last_error) == (0, None)
        sender.stop()


@pytest.mark.system
def test_what_a_killed_server_forgot_is_sent_again(
    store: DuckDBStore, clock: Clock, tmp_path: Path, free_port: int
) -> None:
    with victoria(tmp_path / "vm", free_port, dedup=True) as far:
        sender = forwarder(store, clock, options(far.url, rewind_s=10.0))
        fill(store, 0, 1_000)
        drain(sender)
        far.kill()
        fill(store, 1_000, 200)
        assert sender.step() > 0
        far.start()
        drain(sender)
        assert [value for _, _, value in far.samples("heart_rate_value")] == [float(i) for i in range(1_200)]
        assert store.cursor(CURSOR) == 1_200
        assert sender.health().lag_rows == 0
        sender.stop()


@pytest.mark.system
def test_a_gateway_killed_while_forwarding_goes_on_where_it_was(
    store: DuckDBStore, clock: Clock, tmp_path: Path, free_port: int
) -> None:
    fill(store, 0, 20_000)
    store.close()
    with victoria(tmp_path / "vm", free_port, dedup=True) as far:
        for after in (5, 9, 14):
            with child("forward", str(tmp_path / "series.duckdb"), far.url) as process:
                assert "done" not in lines_until_killed(process, after)
        again = DuckDBStore(StoreOptions(tmp_path / "series.duckdb"))
        assert again.cursor(CURSOR) >= 200 * (5 + 9 + 14)
        sender = forwarder(again, clock, options(far.url, batch_rows=5_000))
        drain(sender)
        assert [value for _, _, value in far.samples("heart_rate_value")] == [float(i) for i in range(20_000)]
        again.close()
        sender.stop()


def test_a_kill_repeats_at_most_one_page_and_each_line_as_it_was(
    store: DuckDBStore, clock: Clock, server: Server
) -> None:
    fill(store, 0, 10_000)
    path = store._options.path
    store.close()
    for after in (3, 6):
        with child("forward", str(path), server.url) as process:
            lines_until_killed(process, after)
    again = DuckDBStore(StoreOptions(path))
    sender = forwarder(again, clock, options(server.url))
    drain(sender)
    again.close()
    sender.stop()
    assert sorted(set(numbers(server.accepted))) == list(range(10_000))
    assert len(set(server.accepted)) == 10_000
    assert len(server.accepted) <= 10_000 + 2 * 200


def test_requests_are_zipped_authorised_and_addressed(store: DuckDBStore, clock: Clock, server: Server) -> None:
    fill(store, 0, 250)
    chosen = options(server.url)
    sender = forwarder(store, clock, chosen)
    assert "secret" not in repr(chosen)
    drain(sender)
    path, headers = server.requests[0]
    assert path.startswith("/api/v2/write?")
    assert {"org=home", "bucket=yinling", "precision=ns"} <= set(path.partition("?")[2].split("&"))
    assert headers["Content-Encoding"] == "gzip"
    assert headers["Authorization"] == "Token secret"
    assert len(server.requests) == 3
    assert numbers(server.accepted) == list(range(250))
    requests = sender.health().requests
    assert sender.step() == 5.0
    assert sender.health().requests == requests
    sender.stop()


def test_a_busy_server_is_left_alone_as_long_as_it_asks(store: DuckDBStore, clock: Clock, server: Server) -> None:
    fill(store, 0, 10)
    sender = forwarder(store, clock, options(server.url, backoff_cap_s=100.0))
    later = formatdate(T0 / 1e9 + 40, usegmt=True)
    server.script.extend(
        [(429, {"Retry-After": "17"}), (503, {"Retry-After": later}), (429, {"Retry-After": "9999"}), (500, {})]
    )
    assert [sender.step() for _ in range(3)] == [17.0, pytest.approx(40, abs=1), 100.0]
    assert 4 <= sender.step() <= 8
    assert sender.health().state == "waiting"
    assert "500" in str(sender.health().last_error)
    drain(sender)
    assert numbers(server.accepted) == list(range(10))
    sender.stop()


def test_back_off_grows_to_its_cap_with_jitter_and_starts_anew(
    store: DuckDBStore, clock: Clock, server: Server
) -> None:
    fill(store, 0, 10)
    sender = forwarder(store, clock, options(server.url, backoff_base_s=2.0, backoff_cap_s=60.0))
    server.script.extend([(502, {})] * 12)
    waits = [sender.step() for _ in range(12)]
    assert all(0.5 * min(60, 2 * 2**n) <= wait <= min(60, 2 * 2**n) for n, wait in enumerate(waits))
    assert len({round(wait, 6) for wait in waits[6:]}) == 6
    drain(sender)
    fill(store, 10, 10)
    server.script.append((502, {}))
    assert 1 <= sender.step() <= 2
    sender.stop()


def test_a_slow_server_does_not_hold_us_for_ever(store: DuckDBStore, clock: Clock, server: Server) -> None:
    fill(store, 0, 10)
    server.script.append((0, {}))
    sender = forwarder(store, clock, options(server.url, timeout_s=0.2))
    assert sender.step() > 0
    assert "timed out" in str(sender.health().last_error)
    server.release.set()
    drain(sender)
    assert set(numbers(server.accepted)) == set(range(10))
    sender.stop()


@pytest.mark.parametrize("status", [400, 422])
def test_a_line_that_can_never_succeed_is_set_apart(
    store: DuckDBStore, clock: Clock, server: Server, status: int
) -> None:
    fill(store, 0, 100)
    server.bad, server.bad_status = ("value=13.0", "value=77.0"), status
    sender = forwarder(store, clock, options(server.url))
    assert drain(sender) == 5.0
    assert sorted(numbers(server.accepted)) == [i for i in range(100) if i not in {13, 77}]
    health = sender.health()
    assert (health.rows, health.dead_letters, health.state) == (98, 2, "idle")
    letters = store.dead_letters()
    assert [(letter.row_id, letter.resident_id, letter.status) for letter in letters] == [
        (14, "r1", status),
        (78, "r1", status),
    ]
    assert "unable to parse" in letters[0].reason
    assert store.erase("r1") == 102
    assert store.dead_letters() == []
    sender.stop()


def test_a_page_of_one_bad_line_is_set_apart_after_a_known_good_line_passed(
    store: DuckDBStore, clock: Clock, server: Server
) -> None:
    fill(store, 0, 1)
    server.bad = ("value=0.0",)
    sender = forwarder(store, clock, options(server.url))
    drain(sender)
    assert server.accepted == [f"yinling_forwarder alive=true {T0}"]
    assert sender.health().dead_letters == 1
    sender.stop()


def test_a_server_that_refuses_every_line_gets_no_dead_letters(
    store: DuckDBStore, clock: Clock, server: Server
) -> None:
    fill(store, 0, 8)
    server.bad = ("=",)
    sender = forwarder(store, clock, options(server.url))
    assert 150 <= sender.step() <= 300
    health = sender.health()
    assert (health.state, health.dead_letters, store.cursor(CURSOR)) == ("refused", 0, 0)
    assert "refuses every line" in str(health.last_error)
    server.bad = ()
    drain(sender)
    assert numbers(server.accepted) == list(range(8))
    sender.stop()


def test_an_outage_while_looking_for_the_bad_line_blames_nobody(
    store: DuckDBStore, clock: Clock, server: Server
) -> None:
    fill(store, 0, 1)
    server.script.extend([(400, {}), (500, {})])
    sender = forwarder(store, clock, options(server.url))
    assert 0 < sender.step() <= 1
    assert sender.health().state == "waiting"
    drain(sender)
    assert (numbers(server.accepted), sender.health().dead_letters) == ([0], 0)
    sender.stop()


def test_a_batch_too_large_is_halved(store: DuckDBStore, clock: Clock, server: Server) -> None:
    fill(store, 0, 100)
    server.largest = 30
    sender = forwarder(store, clock, options(server.url))
    drain(sender)
    assert numbers(server.accepted) == list(range(100))
    assert sender.health().dead_letters == 0
    sender.stop()


@pytest.mark.parametrize("status", [301, 401, 403, 404])
def test_wrong_settings_wait_longest_at_once_and_give_up_nothing(
    store: DuckDBStore, clock: Clock, server: Server, status: int
) -> None:
    fill(store, 0, 10)
    server.script.append((status, {"Location": server.url}))
    sender = forwarder(store, clock, options(server.url))
    assert 150 <= sender.step() <= 300
    assert (sender.health().state, len(server.requests)) == ("refused", 1)
    drain(sender)
    assert numbers(server.accepted) == list(range(10))
    sender.stop()


def test_flapping_while_sending_again_still_makes_progress(store: DuckDBStore, clock: Clock, server: Server) -> None:
    sender = forwarder(store, clock, options(server.url))
    for turn in range(5):
        fill(store, turn * 300, 300)
        server.script.extend([(204, {}), (502, {})])
        assert sender.step() == 0.0
        assert sender.step() > 0
    drain(sender)
    assert sorted(set(numbers(server.accepted))) == list(range(1_500))
    assert len(server.accepted) <= 1_500 + 5 * 100
    sender.stop()


def test_rows_without_consent_are_withheld_and_counted(store: DuckDBStore, clock: Clock, server: Server) -> None:
    store.append([Reading("w2", "heart_rate", 1.0, T0, T0)], [DeviceEvent("w2", "fall", True, T0, T0)], OWNERS)
    fill(store, 0, 3)
    sender = forwarder(store, clock, options(server.url), allow=lambda resident: resident == "r1")
    drain(sender)
    assert numbers(server.accepted) == [0, 1, 2]
    assert len(server.accepted) == 3
    assert (sender.health().withheld, sender.health().rows) == (2, 3)
    sender.stop()


def test_a_new_record_is_forwarded_from_its_beginning(store: DuckDBStore, clock: Clock, server: Server) -> None:
    fill(store, 0, 500)
    sender = forwarder(store, clock, options(server.url))
    drain(sender)
    store.close()
    path = store._options.path
    path.write_bytes(b"damaged")
    again = DuckDBStore(StoreOptions(path))
    fill(again, 500, 10)
    sender.stop()
    sender = forwarder(again, clock, options(server.url))
    drain(sender)
    assert numbers(server.accepted) == list(range(510))
    again.close()
    sender.stop()


def test_a_store_that_cannot_be_read_is_tried_again(store: DuckDBStore, clock: Clock, server: Server) -> None:
    fill(store, 0, 5)
    store.close()
    sender = forwarder(store, clock, options(server.url))
    assert 0 < sender.step() <= 1
    assert sender.health().state == "waiting"
    assert server.requests == []
    sender.stop()


def test_the_thread_forwards_by_itself_and_stops(store: DuckDBStore, server: Server) -> None:
    fill(store, 0, 1_000)
    sender = InfluxForwarder(store, options(server.url, interval_s=0.05))
    sender.start()
    wait_for(lambda: len(server.accepted) >= 1_000, "the first rows")
    fill(store, 1_000, 10)
    wait_for(lambda: len(server.accepted) >= 1_010, "the later rows")
    sender.stop()
    assert numbers(server.accepted) == list(range(1_010))
    assert sender.health().last_success_ns is not None


def test_nobody_listening_is_an_outage(store: DuckDBStore, clock: Clock) -> None:
    fill(store, 0, 5)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        sender = forwarder(store, clock, options(f"http://127.0.0.1:{taken.getsockname()[1]}"))
        assert sender.step() > 0
    assert sender.health().state == "waiting"
    assert sender.health().lag_rows == 5
    sender.stop()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"url": "influx:8086"}, "url"),
        ({"bucket": ""}, "bucket"),
        ({"token": SecretStr("a\nb")}, "token"),
        ({"timeout_s": 0.0}, "timeout_s"),
    ],
)
def test_options_are_checked(changes: dict[str, Any], says: str) -> None:
    fine = {"url": "https://influx.example:8086", "org": "o", "bucket": "b", "token": SecretStr("t")}
    with pytest.raises(ValueError, match=says):
        InfluxOptions(**{**fine, **changes})


@pytest.mark.parametrize(
    ("header", "expected"),
    [(None, None), ("12", 12.0), ("-3", 0.0), ("soon", None), (formatdate(T0 / 1e9 - 60, usegmt=True), 0.0)],
)
def test_retry_after_is_read_or_ignored(header: str | None, expected: float | None) -> None:
    assert retry_after(header, T0) == expected
