from datetime import datetime
from typing import Any

import pytest
from ble_tools import NOW, SECOND
from hypothesis import given
from hypothesis import strategies as st

from device_drivers.ble import adverts, beacons, bthome
from device_drivers.ble.addresses import device_id, hex_bytes, mac
from device_drivers.ble.clock import checked_offset, place
from device_drivers.ble.contents import Beacon, Contents
from device_drivers.ble.options import checked, topics
from device_drivers.ble.reader import contents_of
from device_drivers.json_payload import PayloadError

KEY = bytes(range(16))
MAC = "BC026E112233"


def said(found: Contents | None) -> dict[str, Any]:
    assert found is not None
    return {signal: value for signal, (value, _) in found.readings.items()} | found.states


# --- advertisements ---------------------------------------------------------------------------------------------------


def test_structures_of_a_real_advertisement() -> None:
    raw = bytes.fromhex("0201060303E1FF1216E1FFA1031400 59FF7EFF393C577B0000C3")
    found = adverts.parse(raw)
    assert [(uuid, data[:2].hex()) for uuid, data in found.services] == [("FFE1", "a103")]
    assert adverts.is_whole(raw)
    assert adverts.is_whole(raw + bytes(4))
    assert not adverts.is_whole(raw[:-1])
    assert not adverts.is_whole(raw + b"\0\1")


def test_long_uuids_names_and_maker_data() -> None:
    base = bytes.fromhex("FB349B5F80000080001000 00D2FC0000")
    own = bytes(range(16))
    raw = adverts.build(
        (adverts.SERVICE128, base + b"\x40"), (adverts.SERVICE128, own + b"\x07"), (0x09, b"SBBT\0"), (0xFF, b"\x4c\0x")
    )
    found = adverts.parse(raw)
    assert found.services == [("FCD2", b"\x40"), ("0F0E0D0C-0B0A-0908-0706-050403020100", b"\x07")]
    assert (found.name, found.maker) == ("SBBT", [b"\x4c\0x"])


@pytest.mark.parametrize("text", ["fcd2", "0xFCD2", "0000fcd2-0000-1000-8000-00805f9b34fb"])
def test_short_uuids(text: str) -> None:
    assert adverts.short_uuid(text) == "FCD2"


@pytest.mark.parametrize("raw", [b"", b"\x05\x16\x01", b"\x02\x01\x06\x00\x01", bytes(256)])
def test_broken_advertisements_are_refused(raw: bytes) -> None:
    with pytest.raises(PayloadError, match="advert"):
        adverts.parse(raw)


@given(st.lists(st.tuples(st.integers(1, 255), st.binary(max_size=40)), min_size=1, max_size=5))
def test_structures_undo_build(parts: list[tuple[int, bytes]]) -> None:
    assert adverts.structures(adverts.build(*parts)) == parts


# --- BTHome -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("40 00 1D 01 64 3A 01", {"battery": 100}),
        ("40 02 CA 09 03 BF 13", {"room_temperature": 25.06, "humidity": 50.55}),
        ("40 2E 23 45 11 01", {"humidity": 35, "room_temperature": 27.3}),
        ("40 57 EA", {"room_temperature": -22}),
        ("40 58 EA", {"room_temperature": -7.7}),
        ("40 05 13 8A 14", {"illuminance": 13460.67}),
        ("40 0C 02 0C", {"battery_voltage": 3074}),
        ("40 2D 01", {"door": "open"}),
        ("40 1A 00", {"door": "closed"}),
        ("40 11 05", {"door": None}),
        ("40 21 01", {"occupancy": True}),
        ("40 25 00", {"presence": False}),
        ("40 20 01", {"water_leak": True}),
        ("40 29 01 17 00 1C 02", {"smoke": True, "carbon_monoxide": False, "gas": None}),
        ("40 26 01", {"device_fault": "other"}),
        ("40 26 00 15 01 16 00", {"device_fault": "none", "battery_low": True, "charging": False}),
        ("40 40 0C 00", {"distance": 1.2}),
        ("40 41 4E 00", {"distance": 780}),
        ("42 33 22 11 6E 02 BC 2B 01", {"tamper": True}),
    ],
)
def test_bthome_objects(text: str, expected: dict[str, Any]) -> None:
    assert said(bthome.read(bytes.fromhex(text))) == expected


@pytest.mark.parametrize(
    ("code", "word"),
    [
        (0x01, "single"),
        (0x02, "double"),
        (0x03, "triple"),
        (0x04, "long"),
        (0x05, "long_double"),
        (0x06, "long_triple"),
        (0x80, "hold"),
        (0xFE, "hold"),
        (0x81, "release"),
    ],
)
def test_bthome_presses(code: int, word: str) -> None:
    found = bthome.read(bytes([0x44, 0x00, 7, 0x3A, 0, 0x3A, code]))
    assert (found.packet, found.presses) == (7, [(word, 2)])


def test_bthome_facts_that_are_no_signal() -> None:
    text = (
        "40 04 13 8A 01 02 01 00 02 02 00 3C 02 05 3F 02 0C 3A 77 53 02 61 62 54 01 AA 3B 01 02 09 F0 01 00 F2 00 01 06"
    )
    found = bthome.read(bytes.fromhex(text))
    assert said(found) == {"room_temperature": 0.01}
    assert found.report == {
        "pressure": 1008.83,
        "room_temperature": 0.02,
        "dimmer": {"direction": 2, "steps": 5},
        "rotation": 307.4,
        "unknown_press": 0x77,
        "text": "ab",
        "raw": "aa",
        "command": "0209",
    }
    assert found.identity == {"device_type": 1, "firmware": "6.1.0"}


def test_an_unknown_object_ends_the_reading_and_what_came_before_stands() -> None:
    found = bthome.read(bytes.fromhex("40 01 64 99 01 02 FF"))
    assert (said(found), found.report) == ({"battery": 100}, {"unknown_object": "990102ff"})


@pytest.mark.parametrize(
    "text",
    ["", "20 01 64", "C0", "48 01 64", "42 01 02", "40 02 CA", "40 53", "40 53 05 61", "40 3B", "41 01 02 03 04"],
)
def test_broken_bthome_is_refused(text: str) -> None:
    data = bytes.fromhex(text)
    with pytest.raises(PayloadError, match="bthome"):
        _ = (bthome.sealed(data), bthome.read(data))


PLAIN = [kind for kind, row in bthome.OBJECTS.items() if kind != bthome.DIMMER and kind < 0xF0]


@given(st.lists(st.tuples(st.sampled_from(PLAIN), st.integers(0, 2**32)), max_size=6), st.booleans())
def test_bthome_decode_undoes_encode(drawn: list[tuple[int, int]], triggered: bool) -> None:
    objects = []
    for kind, number in drawn:
        row = bthome.OBJECTS[kind]
        raw = number % 256**row.size - (128 * 256 ** (row.size - 1) if row.signed else 0)
        objects.append((kind, raw * row.times / row.per))
    data = bthome.encode(objects, bthome.VERSION2 | bthome.ON_EVENTS * triggered)
    found, expected = bthome.read(data), Contents()
    button = 0
    for kind, value in objects:
        button += kind == bthome.BUTTON
        bthome.take_value(expected, bthome.OBJECTS[kind].name, value, button)
    assert found == expected


def test_what_an_object_cannot_hold_is_refused() -> None:
    for objects in ([(0x01, 300.0)], [(0x02, 400.0)]):
        with pytest.raises(ValueError, match="cannot be"):
            bthome.encode(objects)


def test_encrypted_data_opens_with_its_key_alone() -> None:
    data = bthome.encode_sealed([(0x00, 9), (0x3A, 1)], KEY, MAC, 77)
    part = bthome.sealed(data)
    assert part is not None
    assert part.counter == 77
    assert bthome.read(data, bthome.open_sealed(part, KEY, MAC)).presses == [("single", 1)]
    for key, address in ((bytes(16), MAC), (KEY, "BC026E112234")):
        with pytest.raises(PayloadError, match="bind key"):
            bthome.open_sealed(part, key, address)


def test_the_published_example_of_encrypted_bthome() -> None:
    # bthome.io, encryption: MAC 54:48:E6:8F:80:A5, key 231d39c1d7cc1ab1aee224cd096db932, counter 0x33221100
    data = bytes.fromhex("41a47266c95f730011223378237214")
    part = bthome.sealed(data)
    assert part is not None
    opened = bthome.open_sealed(part, bytes.fromhex("231d39c1d7cc1ab1aee224cd096db932"), "5448E68F80A5")
    assert said(bthome.read(data, opened)) == {"room_temperature": 25.06, "humidity": 50.55}


# --- tags and scales --------------------------------------------------------------------------------------------------


@given(
    st.integers(0, 100),
    st.floats(-40, 85).map(lambda x: round(x, 2)),
    st.floats(0, 100).map(lambda x: round(x, 2)),
    st.tuples(*[st.floats(-16, 16)] * 3),
)
def test_minew_decode_undoes_encode(battery: int, celsius: float, humidity: float, g: tuple[float, ...]) -> None:
    climate = beacons.read_minew(beacons.encode_minew(0x01, MAC, battery, celsius, humidity))
    assert said(climate)["room_temperature"] == pytest.approx(celsius, abs=0.008)
    assert said(climate)["humidity"] == pytest.approx(humidity, abs=0.008)
    motion = beacons.read_minew(beacons.encode_minew(0x03, MAC, battery, *g))
    assert [said(motion)[f"accel_{axis}"] for axis in "xyz"] == pytest.approx(list(g), abs=0.0021)
    assert motion is not None
    assert motion.mac == MAC
    again = beacons.read_minew(beacons.encode_minew(0x03, MAC, battery, *(said(motion)[f"accel_{a}"] for a in "xyz")))
    assert said(again) == said(motion)


def test_minew_light_and_name() -> None:
    light = beacons.read_minew(beacons.encode_minew(0x02, MAC, 90, 1))
    assert light is not None
    assert (said(light), light.report) == ({"battery": 90}, {"value": 1, "light": True})
    info = beacons.read_minew(beacons.encode_minew(0x08, MAC, 90, name="B10"))
    assert info is not None
    assert (info.mac, info.identity) == (MAC, {"name": "B10"})


def test_unknown_frames_say_nothing() -> None:
    unknown = beacons.read_minew(b"\xa1\x77\x64")
    assert unknown is not None
    assert (unknown.report, unknown.says_something) == ({"unknown_frame": "a177", "hex": "64"}, False)
    assert beacons.read_minew(b"\xa2") is None
    assert beacons.read_eddystone(b"\x10\x00url") is None
    assert beacons.read_maker(b"\x4c\x00\x10\x05") is None
    encrypted = beacons.read_eddystone(bytes.fromhex("20 01") + bytes(12))
    assert encrypted is not None
    assert not encrypted.says_something


def test_eddystone_telemetry() -> None:
    found = beacons.read_eddystone(beacons.encode_tlm(2950, 21.5, 1000, 3600))
    assert found is not None
    assert said(found) == {"battery_voltage": 2950}
    assert found.report == {"beacon_temperature": 21.5, "adverts": 1000, "uptime_s": 3600}
    assert said(beacons.read_eddystone(beacons.encode_tlm(0, None, 0, 0))) == {}


@given(st.integers(0, 15), st.floats(-40, 85), st.floats(0, 100), st.tuples(*[st.integers(-32768, 32767)] * 3))
def test_kkm_decode_undoes_encode(mask: int, celsius: float, humidity: float, mg: tuple[int, int, int]) -> None:
    given_values: dict[str, Any] = {
        "voltage": 3675,
        "temperature": round(celsius, 2),
        "humidity": round(humidity, 2),
        "acceleration": mg,
    }
    chosen = {name: value for bit, (name, value) in enumerate(given_values.items()) if mask >> bit & 1}
    expected = {
        "battery_voltage": chosen.get("voltage"),
        "room_temperature": chosen.get("temperature"),
        "humidity": chosen.get("humidity"),
        **dict(
            zip(("accel_x", "accel_y", "accel_z"), (v / 1000 for v in chosen.get("acceleration", ())), strict=False)
        ),
    }
    found = said(beacons.read_eddystone(beacons.encode_kkm(**chosen)))
    assert found == {name: value for name, value in expected.items() if value is not None}


def test_kkm_extra_fields_are_kept_as_bytes() -> None:
    found = beacons.read_eddystone(bytes.fromhex("21 01 11 0E 5B 01"))
    assert found is not None
    assert (said(found), found.report) == ({"battery_voltage": 3675}, {"more": "01"})


def test_scales() -> None:
    at = datetime(2026, 9, 24, 7, 30, 5)  # noqa: DTZ001 - scales tell no zone
    plain = beacons.read_scale(beacons.encode_scale(61.75, at, removed=True))
    assert (said(plain), plain.time) == ({"body_weight": 61.75}, at)
    body = beacons.read_body_scale(beacons.encode_body_scale(72.45, at, 503))
    assert said(body) == {"body_weight": 72.45, "body_impedance": 503}
    assert said(beacons.read_body_scale(beacons.encode_body_scale(72.45, at, None))) == {"body_weight": 72.45}
    for unsettled in (
        beacons.read_scale(beacons.encode_scale(61.75, at, settled=False)),
        beacons.read_body_scale(beacons.encode_body_scale(72.45, at, 503, settled=False)),
    ):
        assert (said(unsettled), unsettled.once, unsettled.report) == ({}, None, {"settling": True})


def test_scales_in_pounds_and_jin_and_with_things_on_them() -> None:
    date = bytes.fromhex("E6 07 02 0E 10 29 3A")
    assert said(beacons.read_scale(bytes.fromhex("23 10 27") + date))["body_weight"] == pytest.approx(45.359237)
    assert said(beacons.read_scale(bytes.fromhex("32 10 27") + date))["body_weight"] == 50
    parcel = beacons.read_scale(bytes.fromhex("62 D0 07") + date)
    assert (said(parcel), parcel.report) == ({}, {"object_weight_kg": 10.0})
    parcel = beacons.read_body_scale(bytes.fromhex("06 26") + date + bytes.fromhex("F7 01 D0 07"))
    assert (said(parcel), parcel.report) == ({}, {"object_weight_kg": 10.0})


@pytest.mark.parametrize(
    ("uuid", "text"),
    [
        ("FFE1", "A1 01 64 19"),
        ("FFE1", "A1 08 64 19"),
        ("FEAA", "20 00 0B"),
        ("FEAA", "21 01"),
        ("FEAA", "21 01 0F 0E 5B EF"),
        ("181D", "22 3E"),
        ("181B", "02 26"),
    ],
)
def test_known_frames_cut_off_are_refused(uuid: str, text: str) -> None:
    with pytest.raises(PayloadError):
        beacons.SERVICES[uuid](bytes.fromhex(text))


@given(st.uuids(), st.integers(0, 65535), st.integers(0, 65535), st.integers(-128, 127))
def test_ibeacon_decode_undoes_encode(uuid: Any, major: int, minor: int, power: int) -> None:
    beacon = Beacon(str(uuid).upper(), major, minor, power)
    found = beacons.read_maker(beacons.encode_ibeacon(beacon))
    assert found is not None
    assert found.beacons == [beacon]


# --- names, clocks, options -------------------------------------------------------------------------------------------


def test_addresses_in_every_spelling() -> None:
    for text in ("c3:00:00:7b:57:3c", "C3-00-00-7B-57-3C", "c300007b573c"):
        assert mac(text) == device_id(text) == "C300007B573C"
    assert mac("c3:00:00:7b:57") is mac(None) is mac("c3:00-00:7b:57:3c") is None
    assert device_id("known:carol") == "known:carol"
    assert device_id("") is device_id("a\nb") is device_id("x" * 65) is None


def test_hexadecimal_payloads() -> None:
    assert hex_bytes(b" 0x0050 ") == hex_bytes(b"00 50") == hex_bytes(b"00:50") == b"\0\x50"
    assert hex_bytes(b"005") is hex_bytes(b"\x00\x50") is hex_bytes(b"") is None


def test_wall_clocks() -> None:
    at = datetime(2026, 9, 21, 22, 13, 20)  # noqa: DTZ001 - NOW, in China
    offset = checked_offset({})
    assert place(at, offset, NOW) == (NOW, False)
    assert place(at, offset, NOW + 601 * SECOND) == (NOW, True)
    assert place(at, offset, NOW - 60 * SECOND) == (NOW - 60 * SECOND, False)
    assert place(at, offset, NOW - 121 * SECOND) == (NOW - 121 * SECOND, False)
    assert place(at.replace(year=1970), offset, NOW) == (NOW, False)


@pytest.mark.parametrize(
    "options",
    [
        {"devices": "C300007B573C"},
        {"devices": [5]},
        {"help_buttons": [""]},
        {"rooms": []},
        {"rooms": {"AC233FC001EA": ""}},
        {"bindkeys": {"C300007B573C": "00"}},
        {"bindkeys": {"C300007B573C": 5}},
        {"beacon_quiet_s": 0},
        {"beacon_quiet_s": True},
    ],
)
def test_bad_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        checked(options)


def test_bad_topics_are_refused() -> None:
    for wrong in ("a", [], [1]):
        with pytest.raises(ValueError, match="topics"):
            topics({"topics": wrong}, ())


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("4C000215FDA50693A4E24FB1AFCFC6EB0764782500000000C5", "maker"),
        ("0215FDA50693A4E24FB1AFCFC6EB0764782500000000C5", "maker"),
        ("A10164", "FFE1"),
        ("2000", "FEAA"),
        ("4001", "FCD2"),
        ("223E30E607020E10293A", "181D"),
        ("0226E607020E10293AF7019A38", "181B"),
    ],
)
def test_bare_data_tells_what_it_is(text: str, kind: str) -> None:
    assert contents_of(bytes.fromhex(text))[0] == kind


@pytest.mark.parametrize("text", ["", "FF", "223E30FFFF020E10293A", "0226E607FF0E10293AF7019A38"])
def test_bare_data_of_nobody_is_refused(text: str) -> None:
    with pytest.raises(PayloadError, match="topic"):
        contents_of(bytes.fromhex(text))
