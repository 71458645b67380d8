import json
import textwrap
import tomllib
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqtt_fuzz import NOW, SECOND, hammer

from device_drivers.generic_json import DRIVER, GenericJsonCodec, MappingError, platforms
from device_drivers.generic_json.memory import KEPT_IDS, MAX_DEVICES
from device_drivers.generic_json.paths import PathError, compile_path
from device_drivers.generic_json.rules import CHINA, time_ns, topic_filter
from device_drivers.observations import DeviceEvent, Observation, Quality, Reading
from device_drivers.registry import find_driver
from device_drivers.signals import SIGNALS
from device_drivers.units import conversion

HOUR = 3600 * SECOND
MS = NOW // 1_000_000


def said(found: list[Observation]) -> list[tuple[str, Any]]:
    return [(one.signal, one.value) for one in found if isinstance(one, DeviceEvent | Reading)]


def feed(
    codec: GenericJsonCodec, topic: str, tree: Any, now: int = NOW, *, retained: bool = False
) -> list[Observation]:
    return codec.feed(topic, json.dumps(tree).encode(), now, retained=retained)


def one_rule(value: dict[str, Any], **more: Any) -> GenericJsonCodec:
    return GenericJsonCodec({"rules": [{"topic": "d/+", "device": "{1}", "values": [value], **more}]})


MAT = {
    "topic": "mat/+/state",
    "device": "mat-{1}",
    "time": "data.ts",
    "values": [
        {"path": "data.hr", "signal": "heart_rate", "absent": [0, 255]},
        {"path": "data.temp", "signal": "room_temperature", "unit": "°F"},
        {"path": "data.bed", "signal": "bed_occupancy", "words": {"1": "in", "0": "left", "9": ""}},
        {"path": "data.batt", "signal": "battery_voltage", "unit": "V", "scale": 0.01},
        {"value": True, "signal": "help_button", "when": {"path": "type", "equals": ["sos", "panic"]}},
    ],
}


def test_a_mapping_reads_a_mat() -> None:
    codec = GenericJsonCodec({"rules": [MAT]})
    assert codec.subscriptions() == ["mat/+/state"]
    tree = {"type": "vitals", "data": {"hr": 72, "temp": 68, "bed": 1, "batt": 312, "ts": MS}}
    found = feed(codec, "mat/7/state", tree, NOW + SECOND)
    assert said(found) == [
        ("heart_rate", 72.0),
        ("room_temperature", 20.0),
        ("bed_occupancy", "in"),
        ("battery_voltage", 3120.0),
    ]
    assert {(one.device_id, one.at_ns, one.received_ns) for one in found} == {("mat-7", NOW, NOW + SECOND)}
    tree["data"] |= {"hr": 255, "temp": None, "bed": 9, "batt": "nan"}
    absent = feed(codec, "mat/7/state", tree | {"type": "sos"})
    assert said(absent) == [
        ("heart_rate", None),
        ("room_temperature", None),
        ("bed_occupancy", None),
        ("battery_voltage", None),
        ("help_button", True),
    ]
    assert [one.quality for one in absent][:2] == [Quality.NO_CONTACT, Quality.INVALID]


def test_states_repeat_and_edges_do_not() -> None:
    state = one_rule({"path": "fall", "signal": "fall"})
    edge = one_rule({"path": "fall", "signal": "fall", "edge": True})
    for codec, repeats in ((state, [False, True, False, False]), (edge, [False] * 4)):
        found = [feed(codec, "d/1", {"fall": value})[0] for value in (1, True, "false", "true")]
        assert [one.repeat for one in found if isinstance(one, DeviceEvent)] == repeats
    press = one_rule({"path": "k", "signal": "button"})
    assert [
        one.repeat for _ in range(2) for one in feed(press, "d/1", {"k": "hold"}) if isinstance(one, DeviceEvent)
    ] == [
        False,
        False,
    ]


def test_values_that_do_not_fit_are_absent_or_refused() -> None:
    codec = one_rule({"path": "v", "signal": "heart_rate", "range": [30, 220]})
    for raw, value, quality in (
        (29, None, Quality.OUT_OF_RANGE),
        (1e300, None, Quality.OUT_OF_RANGE),
        ("64.5", 64.5, Quality.GOOD),
    ):
        (one,) = feed(codec, "d/1", {"v": raw})
        assert isinstance(one, Reading)
        assert (one.value, one.quality) == (value, quality)
    for raw in (True, "many", [], {}, "inf", "9" * 400):
        assert feed(codec, "d/1", {"v": raw}) == []
    assert codec.health.rejected == {"value": 6}
    words = one_rule({"path": "v", "signal": "door"})
    assert feed(words, "d/1", {"v": "ajar"}) == []
    assert words.rejections[0].detail["error"] == "'ajar' is none of open, closed"
    assert feed(codec, "d/1", {"other": 1}) == []


def test_each_item_of_a_list_is_read_by_itself() -> None:
    rule = {
        "topic": "push",
        "device": "radar-{mac}",
        "each": "[*]",
        "when": {"path": "online", "equals": True},
        "time": "t",
        "id": "seq",
        "values": [{"path": "heart", "signal": "heart_rate"}],
    }
    codec = GenericJsonCodec({"rules": [rule]})
    items = [
        {"mac": "A1", "heart": 61, "t": "2026-09-21 22:13:20", "online": True, "seq": 1},
        {"mac": "A2", "heart": 62, "t": "20260921221320", "online": True, "seq": 1},
        {"mac": "A3", "heart": 63, "online": False},
        {"heart": 64, "online": True},
    ]
    found = feed(codec, "push", items, NOW)
    assert [(one.device_id, one.at_ns) for one in found] == [("radar-A1", NOW), ("radar-A2", NOW)]
    assert codec.health.rejected == {"device": 1}
    assert feed(codec, "push", items[:2]) == []
    assert len(codec._memories) == 2


def test_what_the_device_kept_is_history() -> None:
    codec = one_rule({"path": "fall", "signal": "fall"}, time="t")
    late, old = feed(codec, "d/1", {"fall": True, "t": (NOW - 20 * HOUR) // SECOND}), NOW - 30 * HOUR
    assert [(one.at_ns, one.stored) for one in late] == [(NOW - 20 * HOUR, False)]
    assert [(one.at_ns, one.stored) for one in feed(codec, "d/1", {"fall": True, "t": old // SECOND})] == [(old, True)]
    assert [one.at_ns for one in feed(codec, "d/1", {"fall": True, "t": (NOW + HOUR) // SECOND})] == [NOW]
    short = GenericJsonCodec({"history_after_s": 60, "rules": [{**MAT, "time": "t"}]})
    (one,) = feed(short, "mat/1/state", {"t": NOW // SECOND - 61, "data": {"hr": 60}})
    assert one.stored


def test_retained_messages_are_refused_unless_asked_for() -> None:
    codec = one_rule({"path": "v", "signal": "door"})
    assert feed(codec, "d/1", {"v": "open"}, retained=True) == []
    assert codec.health.rejected == {"retained": 1}
    kept = one_rule({"path": "v", "signal": "door"}, retained=True)
    (one,) = feed(kept, "d/1", {"v": "open"}, retained=True)
    assert isinstance(one, DeviceEvent)
    assert one.repeat


# --- platforms --------------------------------------------------------------------------------------------------------

SITE = {
    "alink": {
        "properties": {"HR": "heart_rate", "Bed": {"signal": "bed_occupancy", "words": {"1": "in", "0": "left"}}},
        "events": {"SOS": "help_button", "FallDetected": "fall", "Key": {"signal": "button", "value": "hold"}},
    },
    "iotda": {
        "properties": {"Vitals.hr": "heart_rate", "pos": {"path": "lat", "signal": "latitude"}, "battery": "battery"},
        "events": {"sos": "help_button"},
    },
}


def test_alink_documented_example() -> None:
    codec = GenericJsonCodec(SITE)
    assert codec.subscriptions() == [*platforms.ALINK_FILTERS, *platforms.IOTDA_FILTERS]
    raw = (
        b'{"id":"123","version":"1.0","sys":{"ack":0},"params":{"HR":{"value":72.0,"time":1524448722000}},'
        b'"method":"thing.event.property.post"}'
    )
    (one,) = codec.feed("/sys/a1b2/mat1/thing/event/property/post", raw, 1_524_448_723 * SECOND)
    assert isinstance(one, Reading)
    assert (one.device_id, one.signal, one.value, one.at_ns) == (
        "a1b2/mat1",
        "heart_rate",
        72.0,
        1_524_448_722 * SECOND,
    )
    assert codec.poll(NOW) == []


def test_alink_events_are_answered_and_always_news() -> None:
    codec = GenericJsonCodec(SITE)
    for number in range(2):
        found = codec.feed(*platforms.alink_event("pk", "dn", "FallDetected", number, MS, HR=66, Odd=1), NOW)
        assert said(found) == [("fall", True), ("heart_rate", 66.0)]
        assert [one.repeat for one in found if isinstance(one, DeviceEvent)] == [False]
    assert said(codec.feed(*platforms.alink_event("pk", "dn", "Key", 3, MS), NOW)) == [("button", "hold")]
    assert [json.loads(payload)["id"] for _, payload in codec.poll(NOW)] == ["0", "1", "3"]
    assert codec.poll(NOW) == []
    assert [note.fields["name"] for note in codec.notes] == ["Odd"]
    codec.feed("/sys/pk/dn/thing/event/Key/post", b'{"params":{"value":7}}', NOW)
    ((topic, payload),) = codec.poll(NOW)
    assert topic == "/sys/pk/dn/thing/event/Key/post_reply"
    assert json.loads(payload) == {"code": 200, "data": {}, "id": "", "message": "success", "version": "1.0"}


def test_bare_alink_values() -> None:
    codec = GenericJsonCodec(SITE)
    tree = {"params": {"HR": 70, "Bed": 0, "Geo": {"a": 1}}}
    found = feed(codec, "/sys/pk/dn/thing/event/property/post", tree)
    assert said(found) == [("heart_rate", 70.0), ("bed_occupancy", "left")]


def test_iotda_documented_example() -> None:
    codec = GenericJsonCodec(SITE)
    now = 1_735_787_045 * SECOND
    raw = b'{"services":[{"service_id":"Vitals","properties":{"hr":72},"event_time":"20250102T030405Z"}]}'
    (one,) = codec.feed("$oc/devices/dev1/sys/properties/report", raw, now + SECOND)
    assert (one.device_id, one.signal, one.at_ns) == ("dev1", "heart_rate", now)
    other = platforms.iotda_message("dev1", "Other", "20250102T030405Z", hr=72, battery=80, pos={"lat": 31.2})
    assert said(codec.feed(*other, now)) == [("battery", 80.0), ("latitude", 31.2)]
    event = platforms.iotda_event("dev1", "Button", "sos", "20250102T030405Z", battery=79)
    assert said(codec.feed(*event, now)) == [("help_button", True), ("battery", 79.0)]
    batch = {"devices": [{"device_id": "sub1", "services": [{"service_id": "Vitals", "properties": {"hr": 55}}]}]}
    (sub,) = feed(codec, "$oc/devices/gw/sys/gateway/sub_devices/properties/report", batch, now)
    assert sub.device_id == "sub1"


def test_without_a_mapping_the_names_are_told() -> None:
    codec = GenericJsonCodec()
    assert codec.subscriptions() == []
    for _ in range(2):
        assert codec.feed(*platforms.alink_message("pk", "dn", 1, MS, HR=72, SpO2=98), NOW) == []
    assert [note.fields["name"] for note in codec.notes] == ["HR", "SpO2"]


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("nowhere", b"{}", "topic"),
        ("/sys/a/b/thing/event/property/post", b"[]", "type"),
        ("/sys/a/b/thing/event/property/post", b'{"params":[]}', "type"),
        ("/sys/a/b/thing/event/property/post", b'{"params":{"HR":{"value":[]}}}', "value"),
        ("/sys/a/b/thing/event/property/post", b'{"params":{"Bed":2}}', "value"),
        ("/sys/a/b/thing/event/property/post", b"{", "json"),
        ("/sys/a/b/thing/event/property/post", b'{"a":"' + b"x" * 70_000 + b'"}', "too_large"),
        ("$oc/devices/d/sys/properties/report", b"{}", "type"),
        ("$oc/devices/d/sys/properties/report", b'{"services":[7]}', "type"),
        ("$oc/devices/d/sys/properties/report", b'{"services":[{"properties":7}]}', "type"),
    ],
)
def test_bad_messages_are_counted_and_kept(topic: str, payload: bytes, reason: str) -> None:
    codec = GenericJsonCodec(SITE)
    assert codec.feed(topic, payload, NOW) == []
    assert codec.health.rejected == {reason: 1}
    assert codec.rejections[0].raw


def test_platform_messages_are_not_retained() -> None:
    codec = GenericJsonCodec(SITE)
    assert codec.feed(*platforms.alink_event("pk", "dn", "SOS", 1, MS), NOW, retained=True) == []
    assert codec.health.rejected == {"retained": 1}


# --- the mapping itself -----------------------------------------------------------------------------------------------

GOOD_VALUE = {"path": "v", "signal": "heart_rate"}


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"rule": []}, "generic_json"),
        ({"rules": {}}, "rules"),
        ({"rules": [7]}, "rules[0]"),
        ({"rules": [{**MAT, "topics": 1}]}, "rules[0]"),
        ({"rules": [{**MAT, "topic": "a/#/b"}]}, "rules[0].topic"),
        ({"rules": [{**MAT, "topic": "a+"}]}, "rules[0].topic"),
        ({"rules": [{**MAT, "topic": ""}]}, "rules[0].topic"),
        ({"rules": [{**MAT, "topic": 5}]}, "rules[0].topic"),
        ({"rules": [{**MAT, "device": ""}]}, "rules[0].device"),
        ({"rules": [{**MAT, "device": "{a[}"}]}, "rules[0].device"),
        ({"rules": [{**MAT, "values": []}]}, "rules[0].values"),
        ({"rules": [{**MAT, "each": 5}]}, "rules[0]"),
        ({"rules": [{**MAT, "zone": "Beijing"}]}, "rules[0]"),
        ({"rules": [{**MAT, "when": {"path": "a"}}]}, "rules[0].when"),
        ({"rules": [{**MAT, "when": {"path": "a", "equals": [{}]}}]}, "rules[0].when"),
        ({"rules": [{**MAT, "values": [5]}]}, "rules[0].values[0]"),
        ({"rules": [{**MAT, "values": ["heart_rate"]}]}, "rules[0].values[0]"),
        ({"rules": [{**MAT, "values": [{**GOOD_VALUE, "value": 5}]}]}, "rules[0].values[0]"),
        ({"rules": [{**MAT, "values": [{**GOOD_VALUE, "signal": "accel"}]}]}, "rules[0].values[0]"),
        ({"rules": [{**MAT, "values": [{**GOOD_VALUE, "signal": "heartrate"}]}]}, "rules[0].values[0]"),
        ({"rules": [{**MAT, "values": [{**GOOD_VALUE, "unit": "kg"}]}]}, "rules[0].values[0]"),
        ({"rules": [{**MAT, "values": [{**GOOD_VALUE, "scale": "2"}]}]}, "rules[0].values[0]"),
        ({"rules": [{**MAT, "values": [{**GOOD_VALUE, "range": [1]}]}]}, "rules[0].values[0]"),
        ({"rules": [{**MAT, "values": [{**GOOD_VALUE, "range": ["a", 1]}]}]}, "rules[0].values[0]"),
        ({"rules": [{**MAT, "values": [{**GOOD_VALUE, "path": "a..b"}]}]}, "rules[0].values[0]"),
        (
            {"rules": [{**MAT, "values": [{"path": "v", "signal": "door", "words": {"1": "ajar"}}]}]},
            "rules[0].values[0]",
        ),
        ({"rules": [{**MAT, "values": [{"path": "v", "signal": "door", "words": {}}]}]}, "rules[0].values[0]"),
        ({"rules": [{**MAT, "values": [{"signal": "door", "value": "ajar"}]}]}, "rules[0].values[0]"),
        ({"rules": [{**MAT, "values": [{"signal": "battery", "value": True}]}]}, "rules[0].values[0]"),
        ({"alink": {"property": {}}}, "alink"),
        ({"alink": {"properties": []}}, "alink.properties"),
        ({"alink": {"properties": {"HR": "pulse"}}}, "alink.properties.HR"),
        ({"alink": {"properties": {"HR": {"signal": "fall", "value": True}}}}, "alink.properties.HR"),
        ({"alink": {"properties": {"HR": {"signal": "fall", "time": "t"}}}}, "alink.properties.HR"),
        ({"iotda": {"events": {"key": "button"}}}, "iotda.events.key"),
        ({"iotda": {"events": {"hr": "heart_rate"}}}, "iotda.events.hr"),
        ({"history_after_s": 0}, "history_after_s"),
    ],
)
def test_a_wrong_mapping_is_told_with_its_place(options: dict[str, Any], where: str) -> None:
    with pytest.raises(MappingError) as told:
        GenericJsonCodec(options)
    assert str(told.value).startswith(f"{where}: ")


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("", [{"a": {"b.c": 1}, "rows": [{"id": 1, "v": 5}, {"id": "x", "v": 6}, 7]}]),
        ("a", [{"b.c": 1}]),
        ('a["b.c"]', [1]),
        ("$.rows[0].v", [5]),
        ("rows[-1]", [7]),
        ("rows[9]", []),
        ("rows[*].v", [5, 6]),
        ("rows[id=1].v", [5]),
        ("rows[id=x].v", [6]),
        ("a[0]", []),
        ("rows.v", []),
    ],
)
def test_paths(path: str, found: list[Any]) -> None:
    tree = {"a": {"b.c": 1}, "rows": [{"id": 1, "v": 5}, {"id": "x", "v": 6}, 7]}
    assert compile_path(path).find(tree) == found
    assert compile_path(path).first(tree) == (found[0] if found else None)


def test_paths_that_cannot_be_read() -> None:
    for path in ("a[", "a..b", "[]", 'a["]', 5):
        with pytest.raises(PathError):
            compile_path(path)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (MS, NOW),
        (NOW // SECOND, NOW),
        (str(MS), NOW),
        ("2026-09-21T14:13:20Z", NOW),
        ("2026-09-21 22:13:20", NOW),
        ("20260921221320", NOW),
        (20260921221320, NOW),
        ("20260921141320Z", None),
        ("20261321141320", None),
        ("yesterday", None),
        (None, None),
        (True, None),
        ("0001-01-01T00:00:00+23:59", -62_135_683_140 * SECOND),
    ],
)
def test_times(value: Any, expected: int | None) -> None:
    assert time_ns(value, CHINA) == expected
    assert time_ns("2026-09-21 10:43:20", timezone(-timedelta(hours=3, minutes=30))) == NOW
    assert GenericJsonCodec({"rules": [{**MAT, "zone": "-0330"}]})._rules[0].zone.utcoffset(None) == -timedelta(
        hours=3.5
    )


def test_topic_filters() -> None:
    for text, topic, fits in (
        ("a/+/c", "a/b/c", True),
        ("a/+/c", "a/b/c/d", False),
        ("a/#", "a/b/c", True),
        ("a/#", "a", True),
        ("a/+", "a", False),
        ("a/b", "a/c", False),
    ):
        assert topic_filter(text, "").matches(topic) is fits


def test_units() -> None:
    assert conversion("bpm", "/min") == (1.0, 0.0)
    factor, offset = conversion("°F", "Cel") or (0, 0)
    assert 98.6 * factor + offset == pytest.approx(37)
    assert conversion("kg", "/min") is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["data", "hr", "bed", "ts"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(json_values)
def test_any_json_gives_only_values_of_the_table(tree: Any) -> None:
    codec = GenericJsonCodec({"rules": [MAT]})
    hammer(codec, [("mat/1/state", json.dumps(tree).encode())], tuple(SIGNALS), 3)
    feed(codec, "mat/1/state", tree)


def test_memory_is_bounded() -> None:
    codec = one_rule({"path": "v", "signal": "door"}, id="id")
    for number in range(MAX_DEVICES + 50):
        feed(codec, f"d/{number}", {"v": "open", "id": 1})
    for number in range(KEPT_IDS + 50):
        feed(codec, "d/x", {"v": "open", "id": number})
    assert len(codec._memories) == MAX_DEVICES
    assert len(codec._memories.of("x").ids) == KEPT_IDS


def test_device_names_are_checked() -> None:
    codec = GenericJsonCodec({"rules": [{**MAT, "device": "{9}{data.mac}"}]})
    assert feed(codec, "mat/1/state", {"data": {"mac": "a"}}) == []
    for mac in ("", "a\n", {}, "m" * 300):
        assert (
            feed(GenericJsonCodec({"rules": [{**MAT, "device": "{data.mac}"}]}), "mat/1/state", {"data": {"mac": mac}})
            == []
        )


def test_the_driver() -> None:
    assert find_driver("generic_json") is find_driver("alink") is find_driver("iotda") is DRIVER
    assert DRIVER.account_topics is not None
    assert "/sys/pk/dn/#" in DRIVER.account_topics("pk/dn")[0]


def test_the_example_of_the_documentation_works() -> None:
    text = (Path(__file__).parents[2] / "docs" / "devices.md").read_text(encoding="utf-8")
    section = text[text.index("## `generic_json`") :]
    example = textwrap.dedent(section[section.index("```toml") + 7 : section.index("  ```\n\n  Paths")])
    codec = GenericJsonCodec(tomllib.loads(example)["drivers"]["generic_json"])
    found = feed(codec, "mat/7/state", {"type": "sos", "data": {"hr": 0, "bed": 1, "temp": 68, "batt": 300}})
    assert [one.device_id for one in found] == ["mat-7"] * 5
    assert said(found)[-1] == ("help_button", True)
    assert said(codec.feed(*platforms.alink_event("pk", "dn", "SOS", 1, MS), NOW)) == [("help_button", True)]
