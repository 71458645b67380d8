import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqtt_fuzz import NOW, SECOND, amount, check, hammer

from device_drivers.lorawan import (
    CHIRPSTACK,
    THETHINGS,
    ChirpStackCodec,
    LorawanCodec,
    ThingsStackCodec,
    dragino,
    milesight,
)
from device_drivers.lorawan.fields import Bits, Choice, FieldError, Number, Raw, RegionBits, Version, region
from device_drivers.lorawan.memory import KEPT_FRAMES, MAX_DEVICES
from device_drivers.observations import DeviceEvent, Quality, Reading
from device_drivers.registry import find_driver
from device_drivers.signals import SIGNALS
from simulators.lorawan import LorawanDevice

EUI = "24e124535b316056"
MINUTE = 60 * SECOND


def facts(payload: str | bytes, hint: str = "") -> dict[str, Any]:
    """Everything a bare payload says, observations and notes alike."""
    codec = ChirpStackCodec()
    raw = bytes.fromhex(payload) if isinstance(payload, str) else payload
    said: dict[str, Any] = {}
    for one in codec.feed(hint, raw, NOW):
        assert isinstance(one, DeviceEvent | Reading)
        said[one.signal] = one.value
    for note in codec.notes:
        said |= note.fields
    assert not codec.rejections
    return said


class Site:
    """A device and the codec of its server; the time is pushed."""

    def __init__(self, model: str, server: str = "chirpstack", **options: Any) -> None:
        self.codec: LorawanCodec = {"chirpstack": ChirpStackCodec, "thethings": ThingsStackCodec}[server](options)
        self.device = LorawanDevice(EUI, model, server)

    def events(self, data: bytes, now: int = NOW, port: int = 85) -> list[tuple[str, Any, bool]]:
        found = self.codec.feed(*self.device.send(data, now, port), now + SECOND)
        return [(one.signal, one.value, one.repeat) for one in found if isinstance(one, DeviceEvent)]


# --- vectors ----------------------------------------------------------------------------------------------------------

OWN_VECTORS: list[tuple[str, str, dict[str, Any]]] = [
    (
        "ff0101ff166806e39739840003ff090100ff0a0101ff0f02",
        "",
        {"ipso_version": "v0.1", "sn": "6806e39739840003", "hardware": "v1.0", "firmware": "v1.1", "class": "C"},
    ),
    ("07b004000a0000100e00", "", {"fall": True, "detection": "fall", "target": "normal", "now": 10, "today": 3600}),
    ("03f804000a00100e", "", {"fall": True, "now": 10, "today": 3600}),
    ("07b00103ffffff000000", "", {"presence": False, "motion": "none", "posture": "lying", "now": 0xFFFFFF}),
    ("06fb0200030101", "", {"alarm_id": 2, "type": "out_of_bed", "bed_occupancy": "left", "region": 1}),
    ("06fb07000801ff", "", {"fall_warning": True, "type": "lying", "status": "triggered"}),
    ("08b102b005", "", {"respiratory_rate": 14.56, "respiration_state": "normal"}),
    ("08b105b005", "", {"respiratory_rate": None, "respiration_state": "none"}),
    ("08b1030000", "", {"respiratory_rate": None, "respiration_state": "high"}),
    ("04f900010101", "", {"region_1_occupancy": "occupied", "region_4_occupancy": "vacant"}),
    ("0ab30305000000", "", {"region_1_occupancy": "occupied", "region_2_occupancy": "vacant"}),
    ("09b20102ff000300", "", {"region_1_type": "bed", "region_2_type": "door", "region_3_type": "unset"}),
    ("05fa3c00000000000000", "", {"region_1_out_of_bed_time": 60, "region_4_out_of_bed_time": 0}),
    ("0cb4010000000001000000", "", {"region_4_out_of_bed_time": 1, "region_5_out_of_bed_time": 65536}),
    ("017510ff2e01", "", {"battery": 16.0, "help_button": True, "press": "short"}),
    ("ff2e03", "", {"help_button": True, "press": "double"}),
    ("ff34010303", "", {"button": 1, "mode": "short+double+long", "press": "long"}),
    ("017564030001040001", "WS301", {"battery": 100.0, "door": "open", "tamper": True}),
    ("030000040000", "ws301", {"door": "closed", "tamper": False}),
    ("017510030001040000", "WS202", {"battery": 16.0, "occupancy": True, "daylight": "dim"}),
    ("030000", "VS370", {"occupancy": "vacant"}),
    ("ff0bffff0aa110", "", {"device_status": "on", "firmware": "va1.10"}),
    ("fe035802f8560a0b01", "", {"report_interval_s": "5802", "existence_detection": "0a0b", "result": "forbidden"}),
    ("ff350102030405060708", "", {"d2d_key": "..."}),
    ("0ce4030100e601f4", "PB01", {"battery_voltage": 3300.0, "help_button": True, "room_temperature": 23.0}),
    ("0ce40300ffe701f4", "", {"help_button": False, "room_temperature": -2.5, "humidity": 50.0, "key_sound": 1}),
    ("4ce420", "trackerd/7", {"help_button": True, "battery_voltage": 3300.0}),
]


@pytest.mark.parametrize(("payload", "hint", "expected"), OWN_VECTORS)
def test_own_vectors(payload: str, hint: str, expected: dict[str, Any]) -> None:
    assert expected.items() <= facts(payload, hint).items()


VECTOR_MEANS: dict[str, dict[Any, tuple[str, Any]]] = {
    "detection": {"fall": ("fall", True)},
    "press": {"short": ("help_button", True), "long": ("help_button", True)},
    "pir": {"trigger": ("occupancy", True)},
}


def test_reference_vectors(protocols_folder: Path) -> None:
    vectors = json.loads((protocols_folder / "vectors.json").read_text(encoding="utf-8"))
    ours = [vector for vector in vectors if vector["family"] == "lorawan_milesight"]
    assert len(ours) >= 9
    assert find_driver("lorawan_milesight") is CHIRPSTACK
    for vector in ours:
        said = facts(vector["data"], "WS202" if "WS202" in vector["name"] else "")
        expected = {"respiratory_rate" if k == "respiration" else k: v for k, v in vector["decoded"].items()}
        assert expected.items() <= said.items(), vector
        for name, value in expected.items():
            signal, meant = VECTOR_MEANS.get(name, {}).get(value, (name, value))
            assert said[signal] == meant


def test_a_bare_payload_of_which_the_model_is_open_is_read_for_each() -> None:
    codec = ChirpStackCodec()
    found = codec.feed("", bytes.fromhex("030001"), NOW)
    assert [(one.device_id, one.signal) for one in found] == [
        ("WS202", "occupancy"),
        ("WS301", "door"),
        ("VS370", "occupancy"),
    ]


def test_a_bare_payload_that_is_cut_off_stays_what_it_is() -> None:
    for payload in ("07b004", "01", "ff2e"):
        codec = ChirpStackCodec()
        assert codec.feed("", bytes.fromhex(payload), NOW) == []
        assert codec.rejections or codec.notes[-1].kind == "unknown"


def test_an_envelope_without_its_topic() -> None:
    for server, codec in (("chirpstack", ChirpStackCodec()), ("thethings", ThingsStackCodec())):
        device = LorawanDevice(EUI, "WS101", server)
        found = codec.feed("", device.send(device.press(), NOW)[1], NOW)
        assert [one.device_id for one in found] == [EUI] * 2


# --- the tables, both ways --------------------------------------------------------------------------------------------


def values_of(field: Any) -> st.SearchStrategy[dict[str, Any]]:
    match field:
        case Choice():
            return st.sampled_from([*field.words.values(), 77]).map(lambda v: {field.name: v})
        case Version(size=1):
            return st.tuples(st.integers(0, 15), st.integers(0, 15)).map(lambda v: {field.name: f"v{v[0]}.{v[1]}"})
        case Version(shift=4):
            return st.tuples(st.integers(0, 15), st.integers(0, 15)).map(lambda v: {field.name: f"v{v[0]:x}.{v[1]:x}"})
        case Version():
            return st.tuples(st.integers(0, 255), st.integers(0, 255)).map(
                lambda v: {field.name: f"v{v[0]:x}.{v[1]:x}"}
            )
        case Raw():
            return st.binary(min_size=field.size, max_size=field.size).map(lambda v: {field.name: v.hex()})
        case RegionBits():
            words = st.lists(st.sampled_from(["vacant", "occupied"]), max_size=32)
            return words.map(lambda v: {region(n, "occupancy"): word for n, word in enumerate(v)})
        case Bits():
            return st.fixed_dictionaries({name: st.integers(0, (1 << width) - 1) for name, _, width in field.parts})
        case Number():
            top = 256**field.size
            span = st.integers(-top // 2, top // 2 - 1) if field.signed else st.integers(0, top - 1)
            return span.map(lambda v: {field.name: v if field.scale == 1 else v / field.scale})
    raise AssertionError(field)


def row_values(fields: tuple[Any, ...]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(*map(values_of, fields)).map(lambda parts: {k: v for part in parts for k, v in part.items()})


items = st.sampled_from(milesight.ROWS).flatmap(lambda row: st.tuples(st.just(row), row_values(row.fields)))


@given(st.lists(items, max_size=6))
def test_milesight_decode_inverts_encode(said: list[tuple[milesight.Row, dict[str, Any]]]) -> None:
    model = next((row.models[0] for row, _ in said if row.models), "")
    said = [(row, values) for row, values in said if milesight.row_of(row.code, model) is row]
    payload = b"".join(milesight.encode_item(row.code, values, model) for row, values in said)
    found, end = milesight.decode_items(payload, model)
    assert end is None
    assert [(item.row.name, dict(item.values)) for item in found] == [(row.name, values) for row, values in said]
    codec = ChirpStackCodec()
    check(codec.feed(f"{model}/85", payload, NOW), CHIRPSTACK.signals)


layouts = st.sampled_from(dragino.LAYOUTS).flatmap(lambda one: st.tuples(st.just(one), row_values(one.fields)))


@given(layouts)
def test_dragino_decode_inverts_encode(said: tuple[dragino.Layout, dict[str, Any]]) -> None:
    layout, values = said
    data = dragino.encode(layout.model, layout.name, values)
    assert dragino.layout_of(layout.model, layout.ports[0], len(data)) is layout
    codec = ChirpStackCodec()
    found = codec.feed(f"{layout.model}/{layout.ports[0]}", data, NOW)
    check(found, CHIRPSTACK.signals)
    assert not codec.rejections
    live = [one for one in found if isinstance(one, Reading) and one.signal == "humidity"]
    if live and live[0].value is not None:
        assert live[0].value == values["humidity"]


@pytest.mark.parametrize(
    ("code", "values"),
    [
        (0x0175, {"battery": 256}),
        (0x0175, {"battery": "full"}),
        (0x0175, {}),
        (0xFF2E, {"press": "never"}),
        (0xFF0A, {"firmware": "one"}),
        (0xFF16, {"sn": "xyz"}),
        (0xFF16, {"sn": "00"}),
        (0x0AB3, {"region_2_occupancy": "vacant"}),
        (0x0AB3, {"region_1_occupancy": "maybe"}),
        (0x1234, {}),
    ],
)
def test_what_cannot_be_written_is_refused(code: int, values: dict[str, Any]) -> None:
    with pytest.raises(FieldError):
        milesight.encode_item(code, values)


def test_dragino_refuses_too() -> None:
    with pytest.raises(FieldError):
        dragino.encode(dragino.PB01, "dance", {})
    with pytest.raises(FieldError):
        dragino.encode(dragino.TRACKER, "status", {"alarm": 2, "battery_mv": 1, "mode": 0})


# --- what it means ----------------------------------------------------------------------------------------------------


def test_a_fall_and_its_end() -> None:
    site = Site("VS373")
    fall = site.device.status("fall") + site.device.alarm("fall")
    assert site.events(fall) == [("fall", True, False), ("presence", True, False), ("fall", True, False)]
    assert site.events(site.device.status("fall"), NOW + MINUTE)[0] == ("fall", True, True)
    # Nobody seen, or out of bed, does not end it.
    for detection in ("vacant", "out_of_bed"):
        assert "fall" not in [signal for signal, _, _ in site.events(site.device.status(detection), NOW + 2 * MINUTE)]
    assert site.events(site.device.alarm("fall", "deactivated"), NOW + 3 * MINUTE) == [("fall", False, False)]


def test_an_alarm_sent_again_is_a_repeat_and_a_new_number_is_news() -> None:
    site = Site("VS373")
    first = site.device.alarm("fall")
    assert site.events(first) == [("fall", True, False)]
    assert site.events(first, NOW + MINUTE) == [("fall", True, True)]
    assert site.events(site.device.alarm("fall"), NOW + 2 * MINUTE) == [("fall", True, False)]
    # After it was switched off the numbers begin anew: an hour later number 1 is another fall, with another token.
    tokens = []
    for at in (0, 2 * 3600 * SECOND):
        (one,) = Site("VS373").codec.feed("", first, NOW + at)
        assert isinstance(one, DeviceEvent)
        assert not one.repeat
        tokens.append(one.token)
    assert len(set(tokens)) == 2
    assert site.events(first, NOW + 2 * 3600 * SECOND) == [("fall", True, False)]


def test_the_other_alarms() -> None:
    site = Site("VS373")
    said = {
        what: site.events(site.device.alarm(what), NOW + n * MINUTE)
        for n, what in enumerate(milesight.ALARM_TYPES.values())
    }
    assert {what: events[0][:2] for what, events in said.items()} == {
        "fall": ("fall", True),
        "motionless": ("motionless_alarm", True),
        "dwell": ("dwell_alarm", True),
        "out_of_bed": ("bed_occupancy", "left"),
        "occupied": ("presence", True),
        "vacant": ("presence", False),
        "bradypnea": ("respiration_state", "low"),
        "tachypnea": ("respiration_state", "high"),
        "lying": ("fall_warning", True),
    }
    assert site.events(site.device.alarm("out_of_bed", "deactivated"), NOW + 20 * MINUTE) == []
    assert site.events(site.device.alarm("fall", "respiratory_status"), NOW + 21 * MINUTE) == []
    raw = bytes.fromhex("06fbffff0101ff")
    assert site.events(raw, NOW + 22 * MINUTE) == [("motionless_alarm", True, True)]


def test_history_is_stored_and_raises_nothing() -> None:
    (one,) = ChirpStackCodec().feed("", bytes.fromhex("20ce80e0a2650100000100"), NOW)
    assert isinstance(one, DeviceEvent)
    assert (one.signal, one.value, one.stored, one.at_ns) == ("fall", True, True, 1_705_173_120 * SECOND)


def test_codes_outside_the_tables_are_no_values() -> None:
    assert facts("07b009090a0000100e00").items() >= {"detection": 9, "target": 9}.items()
    assert set(facts("07b009090a0000100e00")) == {"detection", "target", "now", "today"}
    codec = ChirpStackCodec()
    (door,) = codec.feed("WS301", bytes.fromhex("030009"), NOW)
    assert (door.signal, door.quality) == ("door", Quality.INVALID)
    assert facts("08b1090000")["respiration_state"] is None
    assert facts("ff2e09")["help_button"] is True


def test_which_presses_call_for_help() -> None:
    site = Site("WS101", sos_presses={EUI.upper(): ["long"]})
    assert site.events(site.device.press("short")) == [("button", "single", False)]
    assert site.events(site.device.press("long"), NOW + MINUTE) == [("help_button", True, False)]
    panel = Site("WS156", sos_presses={EUI: ["2:long", "3"]})
    presses = [("long", 1), ("long", 2), ("short", 2), ("double", 3)]
    found = [panel.events(panel.device.press(press, n), NOW + n * MINUTE)[0][:2] for press, n in presses]
    assert found == [("button", "hold"), ("help_button", True), ("button", "single"), ("help_button", True)]
    assert Site("WS156").events(panel.device.press("double")) == [("button", "double", False)]


def test_every_press_of_pb01_is_a_call() -> None:
    site = Site("PB01")
    for n, alarm in enumerate((False, True, True, False, True)):
        (call,) = site.events(site.device.call_button(alarm=alarm), NOW + n * MINUTE, 2)
        assert call == ("help_button", alarm, False)


def tracker(name: str, **values: Any) -> bytes:
    zero = {"latitude": 31.230416, "longitude": -121.473701, "alarm": 0, "battery_mv": 4001, "speed": 3, "course": 90}
    zero |= {"mode": 0, "led": 1, "moving": 0, "dated": 0, "temperature": 25.5, "humidity": 40.1}
    zero |= {"year": 2026, "month": 9, "day": 21, "hour": 14, "minute": 13, "second": 20}
    fields = dragino.layout_named(dragino.TRACKER, name).fields
    names = {part for one in fields for part in ([p[0] for p in one.parts] if isinstance(one, Bits) else [one.name])}
    return dragino.encode(dragino.TRACKER, name, {k: v for k, v in (zero | values).items() if k in names})


@pytest.mark.parametrize(
    "name", ["position", "position, air", "position, date", "course", "course, air", "course, date"]
)
def test_tracker_layouts_of_old_and_new_firmware(name: str) -> None:
    site = Site("TRACKERD")
    found = site.codec.feed(*site.device.send(tracker(name, alarm=1, moving=1), NOW, 2), NOW)
    said = {one.signal: one.value for one in found if isinstance(one, Reading | DeviceEvent)}
    assert said["latitude"] == pytest.approx(31.230416)
    assert said["longitude"] == pytest.approx(-121.473701)
    assert (said["help_button"], said["motion"], said["battery_voltage"]) == (True, "active", 4001)
    assert (said.get("room_temperature"), said.get("humidity")) == ((25.5, 40.1) if "air" in name else (None, None))
    if "date" in name:
        assert {one.at_ns for one in found if one.signal == "help_button"} == {NOW}


def test_tracker_without_a_fix_and_an_alarm_that_goes_on() -> None:
    site = Site("TRACKERD")
    found = site.codec.feed(*site.device.send(tracker("position", latitude=0, longitude=0, battery_mv=0), NOW, 3), NOW)
    absent = {one.signal: one.quality for one in found if isinstance(one, Reading) and one.value is None}
    assert absent == {
        "latitude": Quality.NO_CONTACT,
        "longitude": Quality.NO_CONTACT,
        "battery_voltage": Quality.INVALID,
    }
    calls = [
        site.events(tracker("status", alarm=alarm), NOW + n * MINUTE, 7)[0] for n, alarm in enumerate((1, 1, 0, 1))
    ]
    assert calls == [
        ("help_button", value, repeat) for value, repeat in zip((True, True, False, True), (0, 1, 0, 0), strict=True)
    ]


def test_tracker_scans_and_records() -> None:
    for name, port in (("beacon", 6), ("wifi", 8), ("macs", 10), ("more macs", 10)):
        layout = dragino.layout_named(dragino.TRACKER, name)
        data = bytearray(layout.size)
        data[-3:] = bytes.fromhex("4fa100")
        assert facts(bytes(data), f"TRACKERD/{port}")["help_button"] is True
    assert facts(bytes.fromhex("4fa100") + bytes(10), "TRACKERD/9")["help_button"] is True
    site = Site("TRACKERD")
    log = tracker("position log") + tracker("position log", month=13) + tracker("position log", year=2000)
    found = site.codec.feed(*site.device.send(log, NOW, 4), NOW)
    assert [(one.signal, one.stored, one.at_ns) for one in found if one.signal != "signal_strength"] == [
        ("latitude", True, NOW),
        ("longitude", True, NOW),
    ]
    assert {one.signal for one in site.codec.feed(*site.device.send(tracker("course log"), NOW, 4), NOW)} >= {
        "battery_voltage"
    }


def test_records_of_the_button_are_history() -> None:
    record = dragino.encode(
        dragino.PB01, "button log", {"values": "00e601f40000", "resent": 0, "alarm": 1, "time": NOW // SECOND - 60}
    )
    found = ChirpStackCodec().feed("PB01/3", record * 2, NOW)
    assert [(one.signal, one.stored, one.at_ns) for one in found] == [("help_button", True, NOW - MINUTE)] * 2


def test_the_model_is_learned_from_the_device_itself() -> None:
    site = Site("PB01")
    site.device.told = False
    site.events(bytes.fromhex("3501000cff0ce4"), port=5)
    assert {"model": "PB01", "firmware": "1.0.0", "band": "EU433"}.items() <= site.codec.notes[-2].fields.items()
    assert site.events(site.device.call_button(alarm=True), NOW + MINUTE, 2) == [("help_button", True, False)]


def test_a_wrong_length_is_refused() -> None:
    site = Site("PB01")
    assert site.events(b"\1\2\3", port=2) == []
    assert site.codec.rejections[0].reason == "length"
    assert dragino.layout_of("PB01", 3, 0) is None
    assert dragino.layout_of("TRACKERD", 9, 3) is not None
    assert dragino.layout_of("TRACKERD", 9, 5) is None


# --- envelopes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("server", ["chirpstack", "thethings"])
def test_both_servers(server: str) -> None:
    site = Site("WS101", server)
    found = site.codec.feed(*site.device.send(site.device.press(), NOW), NOW + 3 * SECOND)
    assert [(one.device_id, one.signal, one.at_ns, one.received_ns) for one in found] == [
        (EUI, "signal_strength", NOW, NOW + 3 * SECOND),
        (EUI, "help_button", NOW, NOW + 3 * SECOND),
    ]
    assert isinstance(found[0], Reading)
    assert found[0].value == -71


@pytest.mark.parametrize("server", ["chirpstack", "thethings"])
def test_the_same_uplink_again_is_dropped_and_a_new_join_is_heard(server: str) -> None:
    site = Site("WS101", server)
    press = site.device.press()
    message = site.device.repeated(press, NOW)
    assert len(site.codec.feed(*message, NOW)) == 2
    assert site.codec.feed(*message, NOW + SECOND) == []
    assert site.codec.feed(*site.device.repeated(press, NOW + 30 * SECOND), NOW + 30 * SECOND) == []
    assert site.codec.notes[-1].fields == {"duplicate": 0, "port": 85}
    assert len(site.codec.feed(*site.device.repeated(press, NOW, 86), NOW)) == 2
    # Joined anew the counter is 0 again; and so it is after a battery change without a new address, hours later.
    site.device.join()
    assert len(site.codec.feed(*site.device.send(press, NOW + MINUTE), NOW + MINUTE)) == 2
    site.device.counter = 0
    assert len(site.codec.feed(*site.device.send(press, NOW + 60 * MINUTE), NOW + 60 * MINUTE)) == 2


def test_the_join_itself_clears_the_counters() -> None:
    site = Site("WS101")
    site.device.address = ""
    press = site.device.press()
    assert len(site.events(press)) == 1
    (joined,) = site.codec.feed(f"application/a/device/{EUI}/event/join", b'{"devAddr":"01"}', NOW + SECOND)
    assert (joined.signal, joined.device_id) == ("online", EUI)
    site.device.counter = 0
    assert len(site.events(press, NOW + 2 * SECOND)) == 1
    things = ThingsStackCodec()
    ids = {"end_device_ids": {"device_id": "sos", "dev_eui": EUI.upper()}}
    assert [one.signal for one in things.feed("v3/a@t/devices/sos/join", json.dumps(ids).encode(), NOW)] == ["online"]


def test_documented_examples_of_the_servers() -> None:
    topic = f"application/17c82e96-be03-4f38-aef3-f83d48582d97/device/{EUI}/event/up"
    up = {
        "deduplicationId": "3ac7e3c4-4401-4b8d-9386-a5c902f9202d",
        "time": "2026-09-21T14:13:20.123456789+00:00",
        "deviceInfo": {"deviceProfileName": "Milesight WS101", "deviceName": "bed 3", "devEui": EUI},
        "devAddr": "00189440",
        "fCnt": 1,
        "fPort": 85,
        "data": "/y4B",
        "rxInfo": [{"gatewayId": "0016c001f153a14c", "rssi": -36, "snr": 10.5}, {"rssi": "?"}, 7],
    }
    found = ChirpStackCodec().feed(topic, json.dumps(up).encode(), NOW)
    assert [(one.signal, one.at_ns) for one in found][1] == ("help_button", NOW + 123_456_000)
    old = {"devEUI": base64.b64encode(bytes.fromhex(EUI)).decode(), "fPort": 85, "data": "/y4B", "rxInfo": []}
    (call,) = ChirpStackCodec().feed(topic, json.dumps(old).encode(), NOW)
    assert (call.device_id, call.signal) == (EUI, "help_button")
    up_things = {
        "end_device_ids": {"device_id": "dev1", "application_ids": {"application_id": "app1"}},
        "received_at": "2020-02-12T15:15:45.787Z",
        "simulated": True,
        "uplink_message": {"f_cnt": 1, "f_port": 1, "frm_payload": "gkHe", "decoded_payload": {"temperature": 1.0}},
    }
    things = ThingsStackCodec()
    assert things.feed("v3/app1@tenant1/devices/dev1/up", json.dumps(up_things).encode(), NOW) == []
    assert [note.fields.get("data", note.fields.get("simulated")) for note in things.notes] == [True, "8241de"]
    assert things.notes[-1].device_id == "dev1"


def test_other_events_of_the_servers() -> None:
    codec = ChirpStackCodec()
    base = f"application/a/device/{EUI}/event"
    (battery,) = codec.feed(f"{base}/status", b'{"margin":10,"batteryLevel":75.5}', NOW)
    assert isinstance(battery, Reading)
    assert (battery.signal, battery.value) == ("battery", 75.5)
    assert codec.feed(f"{base}/status", b'{"externalPowerSource":true}', NOW) == []
    (unknown,) = codec.feed(f"{base}/status", b'{"batteryLevelUnavailable":true}', NOW)
    assert isinstance(unknown, Reading)
    assert (unknown.value, unknown.quality) == (None, Quality.INVALID)
    for what, kind in (("ack", "ack"), ("txack", "ack"), ("log", "log"), ("location", "report")):
        assert codec.feed(f"{base}/{what}", b'{"description":"late"}', NOW) == []
        assert codec.notes[-1].kind == kind
    things = ThingsStackCodec()
    assert things.feed("v3/a@t/devices/dev1/down/queued", b"{}", NOW) == []
    assert things.notes[-1].fields == {"event": "down/queued"}


def test_heartbeats_unknown_models_and_channels_are_noted() -> None:
    site = Site("WS101")
    assert site.events(b"") == []
    assert site.codec.notes[-1].kind == "heartbeat"
    device = LorawanDevice("a84041000181c0de", "PB01", told=False)
    codec = ChirpStackCodec()
    codec.feed(*device.send(device.call_button(alarm=True), NOW, 2), NOW)
    assert codec.notes[-1].kind == "unknown"
    told = ChirpStackCodec({"models": {device.eui: "pb01"}})
    assert "help_button" in [one.signal for one in told.feed(*device.send(device.press(), NOW, 2), NOW)]
    door = LorawanDevice(EUI, "WS301", told=False)
    codec.feed(*door.send(door.item(0x0300, door="open") + b"\x99\x99\1", NOW), NOW)
    assert [note.kind for note in codec.notes][-2:] == ["unknown", "unknown"]
    assert codec.notes[-1].fields["rest"] == "99 99 01"


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("application/a/device", b"{}", "topic"),
        (f"application/a/device/{EUI}/event/up", b"\x0a\x10", "json"),
        (f"application/a/device/{EUI}/event/up", b"[]", "type"),
        ("application/a/device/xyz/event/up", b"{}", "type"),
        (f"application/a/device/{EUI}/event/up", b'{"deviceInfo":{"devEui":"0000000000000001"}}', "topic"),
        (f"application/a/device/{EUI}/event/up", b'{"deviceInfo":7}', "type"),
        (f"application/a/device/{EUI}/event/up", b'{"data":"%%%"}', "type"),
        (f"application/a/device/{EUI}/event/up", b'{"data":7}', "type"),
        (f"application/a/device/{EUI}/event/up", '{"data":"ÿ"}'.encode(), "type"),
        (f"application/a/device/{EUI}/event/up", b'{"fPort":true}', "type"),
        (f"application/a/device/{EUI}/event/up", b'{"fCnt":-1}', "type"),
        (f"application/a/device/{EUI}/event/up", b'{"fPort":85,"data":"AXU="}', "length"),
    ],
)
def test_bad_messages_are_counted_and_kept(topic: str, payload: bytes, reason: str) -> None:
    codec = ChirpStackCodec()
    assert codec.feed(topic, payload, NOW) == []
    assert dict(codec.health.rejected) == {reason: 1}


def test_bad_messages_of_the_things_stack() -> None:
    codec = ThingsStackCodec()
    for topic, payload in (
        ("v3/a/dev", b"{}"),
        ("v3/a/devices/#/up", b"{}"),
        ("v3/a/devices/d/up", b'{"end_device_ids":{"dev_eui":5}}'),
        ("v3/a/devices/d/up", b'{"uplink_message":{"rx_metadata":5,"f_port":300}}'),
    ):
        assert codec.feed(topic, payload, NOW) == []
    assert sum(codec.health.rejected.values()) == 4
    assert codec.feed("v3/a/devices/d/up", b"{}", NOW, retained=True) == []
    assert codec.health.rejected["retained"] == 1


@pytest.mark.parametrize(
    "options", [{"models": {"a": "LHT65"}}, {"models": 5}, {"sos_presses": {"a": "long"}}, {"sos_presses": [1]}]
)
def test_bad_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(options))} is "):
        ChirpStackCodec(options)


def test_the_simulator_refuses_what_there_is_not() -> None:
    with pytest.raises(ValueError, match="unknown server"):
        LorawanDevice(EUI, "WS999")
    with pytest.raises(ValueError, match="no button"):
        LorawanDevice(EUI, "WS301").press()


def test_the_drivers() -> None:
    assert find_driver("chirpstack") is find_driver("lorawan") is CHIRPSTACK
    assert find_driver("thethings") is find_driver("ttn") is THETHINGS
    assert set(CHIRPSTACK.signals) <= set(SIGNALS)
    assert ChirpStackCodec().subscriptions() == ["application/+/device/+/event/+"]
    assert ThingsStackCodec().subscriptions() == ["v3/+/devices/+/up", "v3/+/devices/+/join"]
    assert CHIRPSTACK.account_topics is not None
    assert CHIRPSTACK.account_topics("server") == (("application/#",), ("application/#",))


def test_memory_is_bounded() -> None:
    codec = ChirpStackCodec()
    device = LorawanDevice(EUI, "VS373")
    for _ in range(KEPT_FRAMES + 20):
        codec.feed(*device.send(device.alarm("fall"), NOW), NOW)
    memory = codec._memories.of(EUI)
    assert len(memory.frames) == len(memory.alarms) == KEPT_FRAMES
    for number in range(MAX_DEVICES + 10):
        codec._memories.of(f"{number:016x}")
    assert len(codec._memories) == MAX_DEVICES


@pytest.mark.no_cover
def test_fuzzed_payloads_raise_nothing() -> None:
    codec = ChirpStackCodec()
    hints = ["", "VS373", "WS301", "PB01", "TRACKERD/2", "TRACKERD/10", "85"]
    seeds = [bytes.fromhex(payload) for payload, _, _ in OWN_VECTORS if not payload.startswith("7b")]
    messages = [(hint, seed) for hint in hints for seed in seeds]
    assert hammer(codec, messages, CHIRPSTACK.signals, amount(10_000)) > 3_000
