"""History over HTTP, from a real store: down-sampling that keeps spikes, absent as null, latest, events."""

from typing import Any

import pytest
from api_site import NOW, SECOND, ApiSite

from device_drivers.observations import DeviceEvent, Quality, Reading
from gateway.api.scopes import Role

H = "/api/v1/residents/r1"
MINUTE = {"start": "2026-02-03T04:05:06Z", "end": "2026-02-03T04:06:06Z"}


@pytest.fixture
def filled(site: ApiSite) -> ApiSite:
    """A minute of r1: heart rate each second, one spike, one absent; and another resident's beside it."""
    values = [70.0 + second % 2 for second in range(60)]
    values[31] = 180.0
    readings = [Reading("w1", "heart_rate", v, NOW + i * SECOND, NOW + i * SECOND) for i, v in enumerate(values)]
    readings[45] = Reading("w1", "heart_rate", None, NOW + 45 * SECOND, NOW + 45 * SECOND, Quality.NO_CONTACT)
    readings.append(Reading("w2", "heart_rate", 55.0, NOW, NOW))
    events = [
        DeviceEvent("w1", "help_button", True, NOW + SECOND, NOW + SECOND),
        DeviceEvent("w1", "bed_occupancy", "left", NOW + 2 * SECOND, NOW + 2 * SECOND),
        DeviceEvent("w2", "help_button", True, NOW + 3 * SECOND, NOW + 3 * SECOND),
    ]
    site.store.append(readings, events, {"w1": "r1", "w2": "r2"})
    site.store.flush()
    return site


def test_few_points_keep_every_spike(filled: ApiSite) -> None:
    answer = filled.get(f"{H}/history", Role.VIEWER, signal="heart_rate", points=6, **MINUTE).json()
    assert (answer["unit"], answer["title"], answer["step_s"]) == ("/min", {"zh": "心率", "en": "Heart rate"}, 10.0)
    assert answer["at_ns"] == [NOW + step * 10 * SECOND for step in range(6)]
    assert answer["at"][1] == "2026-02-03T04:05:16.000Z"
    assert answer["max"] == [71.0, 71.0, 71.0, 180.0, 71.0, 71.0]
    assert answer["min"] == [70.0] * 6
    assert answer["mean"][0] == 70.5
    assert answer["count"] == [10, 10, 10, 10, 9, 10]
    assert answer["absent"] == [0, 0, 0, 0, 1, 0]
    assert (answer["start"]["ns"], answer["end"]["ns"]) == (NOW, NOW + 60 * SECOND)
    entry = filled.audit(1)[0]
    assert (entry.action, entry.subject, entry.detail) == (
        "resident.history_read",
        "resident:r1",
        {"signal": "heart_rate"},
    )


def test_absent_is_null_and_never_a_number(filled: ApiSite) -> None:
    answer = filled.get(f"{H}/history", Role.VIEWER, signal="heart_rate", points=60, **MINUTE).json()
    assert len(answer["at"]) == 60
    assert (answer["min"][45], answer["mean"][45], answer["max"][45]) == (None, None, None)
    assert (answer["count"][45], answer["absent"][45]) == (0, 1)


def test_where_nothing_was_said_there_are_no_steps(filled: ApiSite) -> None:
    answer = filled.get(f"{H}/history", Role.VIEWER, signal="spo2", **MINUTE).json()
    assert [answer[name] for name in ("at", "at_ns", "min", "mean", "max", "count", "absent", "derived")] == [[]] * 8


def test_the_latest_of_every_signal(filled: ApiSite) -> None:
    rows = {one["signal"]: one for one in filled.get(f"{H}/latest", Role.VIEWER).json()["latest"]}
    assert set(rows) == {"heart_rate", "help_button", "bed_occupancy"}
    assert (rows["heart_rate"]["value"], rows["heart_rate"]["at"]["ns"]) == (71.0, NOW + 59 * SECOND)
    assert (rows["bed_occupancy"]["value"], rows["bed_occupancy"]["title"]["zh"]) == ("left", "床位状态")
    assert rows["help_button"]["value"] is True


def test_what_the_gateway_has_computed_is_said_so(filled: ApiSite) -> None:
    computed = [Reading("w1", "respiratory_rate", 15.0, NOW, NOW, derived=True)]
    computed += [Reading("w3", "heart_rate", 90.0, NOW + i * SECOND, NOW + i * SECOND, derived=True) for i in (1, 2)]
    filled.store.append(computed, [], {"w1": "r1", "w3": "r1"})
    filled.store.flush()
    rows = {(one["signal"], one["device_id"]): one for one in filled.get(f"{H}/latest", Role.VIEWER).json()["latest"]}
    marks = {"heart_rate": False, "help_button": False, "bed_occupancy": False, "respiratory_rate": True}
    assert {name: rows[(name, "w1")]["derived"] for name in marks} == marks
    assert rows[("heart_rate", "w3")]["derived"]
    answer = filled.get(f"{H}/history", Role.VIEWER, signal="heart_rate", points=6, **MINUTE).json()
    assert answer["count"] == [12, 10, 10, 10, 9, 10]
    assert answer["derived"] == [2, 0, 0, 0, 0, 0]


def test_events(filled: ApiSite) -> None:
    events = filled.get(f"{H}/events", Role.VIEWER, **MINUTE).json()["events"]
    assert [(one["signal"], one["value"], one["device_id"]) for one in events] == [
        ("help_button", True, "w1"),
        ("bed_occupancy", "left", "w1"),
    ]
    only = filled.get(f"{H}/events", Role.VIEWER, signal="bed_occupancy", **MINUTE).json()["events"]
    assert [one["signal"] for one in only] == ["bed_occupancy"]
    last = filled.get(f"{H}/events", Role.VIEWER, limit=1, **MINUTE).json()["events"]
    assert [one["signal"] for one in last] == ["bed_occupancy"]
    assert filled.audit(1)[0].action == "resident.events_read"


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"signal": "heart_rate"},
        {"signal": "nonsense", **MINUTE},
        {"signal": "accel", **MINUTE},
        {"signal": "fall", **MINUTE},
        {"signal": "heart_rate", "start": MINUTE["end"], "end": MINUTE["start"]},
        {"signal": "heart_rate", "start": MINUTE["end"], "end": MINUTE["end"]},
        {"signal": "heart_rate", "points": 0, **MINUTE},
        {"signal": "heart_rate", "points": 2_001, **MINUTE},
        {"signal": "heart_rate", "start": "2026-02-03T04:05:06+08:00 ", "end": MINUTE["end"]},
        {"signal": "heart_rate", "other": 1, **MINUTE},
    ],
)
def test_what_is_no_question(site: ApiSite, query: dict[str, Any]) -> None:
    assert site.get(f"{H}/history", **query).status_code == 422


def test_what_is_no_question_about_events(site: ApiSite) -> None:
    assert site.get(f"{H}/events", signal="nonsense", **MINUTE).status_code == 422
    assert site.get(f"{H}/events", start=MINUTE["end"], end=MINUTE["start"]).status_code == 422


def test_a_history_that_cannot_be_read_is_said_so(site: ApiSite) -> None:
    site.store.close()
    answer = site.get(f"{H}/history", signal="heart_rate", **MINUTE)
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:yinling:problem:unavailable")
