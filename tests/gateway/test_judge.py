"""What is judged of a played scenario: found, missing, doubled, uncalled for; never good what is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from device_drivers.observations import DeviceEvent, Reading
from gateway.alerts.lifecycle import Alert
from gateway.cli.demo import Judged
from gateway.cli.judge import judge, report, unexpected
from gateway.cli.records import RecordBook, records_table, same
from gateway.cli.toml_text import toml_block, toml_text
from gateway.store.base import StoreOptions
from gateway.store.duckdb_store import DuckDBStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECOND = 1_000_000_000
T0 = 1_760_000_000 * SECOND
WEIGHT: dict[str, Any] = {
    "device": "scale",
    "family": "ble_gatt",
    "do": "weigh",
    "kind": None,
    "signal": "body_weight",
    "value": 70.2,
    "at_ns": T0,
    "once": True,
}
BED = WEIGHT | {"device": "bed", "signal": "bed_occupancy", "value": "left", "once": False}
OWNERS = {"scale": "r1", "bed": "r1"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckDBStore]:
    store = DuckDBStore(StoreOptions(tmp_path / "series.duckdb"), clock_ns=lambda: T0)
    yield store
    store.close()


def keep(store: DuckDBStore, readings: list[Reading], events: list[DeviceEvent]) -> None:
    store.append(readings, events, OWNERS)
    store.flush()


def weight(kg: float | None, after_s: float) -> Reading:
    at_ns = T0 + round(after_s * SECOND)
    return Reading("scale", "body_weight", kg, at_ns, at_ns + SECOND)


def bed(word: str, after_s: float) -> DeviceEvent:
    at_ns = T0 + round(after_s * SECOND)
    return DeviceEvent("bed", "bed_occupancy", word, at_ns, at_ns)


def test_a_value_is_found_counted_and_timed_and_what_is_not_there_is_missing(store: DuckDBStore) -> None:
    book = RecordBook({("scale", "body_weight"), ("bed", "bed_occupancy")})
    keep(store, [weight(70.2, -60), weight(None, 0), weight(70.9, 1)], [bed("in", 1)])
    book.follow(store)
    assert [one.stored_ns for one in book.judge([WEIGHT, BED])] == [None, None]
    assert report([], [], book.judge([WEIGHT, BED]))["missing"] == ["body_weight scale", "bed_occupancy bed"]
    keep(store, [weight(70.201, 2), weight(70.2, 3)], [bed("left", 2)])
    book.follow(store)
    scale, mat = book.judge([WEIGHT, BED, {"device": "x", "kind": "fall", "at_ns": T0}])
    assert (scale.after_s, scale.copies, mat.after_s, mat.copies) == (3.0, 2, 2.0, 1)
    told = report([], [], [scale, mat])
    assert told["missing"] == []
    assert told["duplicates"]["records"] == 1
    assert records_table([scale, mat], chinese=True).row_count == 2
    assert report([], [])["missing"] == ["no emergency has happened"]


def alert(kind: str, device: str, after_s: float, **more: Any) -> Alert:
    at_ns = T0 + round(after_s * SECOND)
    names = dict.fromkeys(Alert.__dataclass_fields__)
    given = {"id": f"{kind}-{device}-{after_s}", "kind": kind, "devices": (device,), "at_ns": at_ns}
    return Alert(**(names | given | {"created_ns": at_ns, "raised_ns": at_ns} | more))


def test_an_alert_belongs_to_what_called_for_it_and_to_nothing_else() -> None:
    fall = {"device": "radar", "family": "micradar", "do": "fall", "kind": "fall", "at_ns": T0}
    slow = fall | {"kind": "spo2_low", "after_s": 60.0}
    alerts = [
        alert("fall", "radar", 1),
        alert("fall", "radar", 45),
        alert("fall", "other", 1),
        alert("spo2_low", "radar", 61),
        alert("fall", "never raised", 1, raised_ns=None),
    ]
    found = judge([fall, slow, fall | {"device": "silent"}], alerts)
    assert [(one.alerts, one.family) for one in found] == [(1, "micradar"), (1, "micradar"), (0, "micradar")]
    assert [one.id for one in unexpected([fall, slow], alerts)] == ["fall-radar-45", "fall-other-1"]
    assert report(found, [])["missing"] == ["fall silent"]
    assert report(found, [])["losses"] == 2


def test_a_run_is_good_only_if_all_was_reached_found_and_answered() -> None:
    good = {"missing": [], "losses": 0}
    assert Judged().good(good)
    assert not Judged(to_come=["radar fall"]).good(good)
    assert Judged(to_come=["radar fall"], interrupted=True).good(good)
    assert not Judged().good({"missing": ["fall radar"], "losses": 0})
    assert not Judged().good({"missing": [], "losses": 1})


def test_values_are_the_same_or_not() -> None:
    assert same(70.2, 70.2004)
    assert same("in", "in")
    assert not same(70.2, 70.4)
    assert not same(1.0, other=True)
    assert not same("in", "left")


def test_settings_are_written_as_toml() -> None:
    assert toml_text({"a b": [1, 2.5, True, "é"]}) == '{"a b" = [1, 2.5, true, "é"]}'
    assert toml_block("[api]", {"port": 1}) == '[api]\n"port" = 1\n'
    with pytest.raises(TypeError, match="None"):
        toml_text(None)
