import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ble_tools import FUZZ_PAYLOADS, NOW, SECOND, check_legal, events, mutated, values, vectors
from hypothesis import given
from hypothesis import strategies as st

from device_drivers.ble import ieee11073
from device_drivers.ble.ieee11073 import FLOAT, SFLOAT, Special
from device_drivers.ble_gatt import DRIVER, GattCodec
from device_drivers.ble_gatt import characteristics as c
from device_drivers.ble_gatt.codec import MAX_DEVICES, MAX_REMEMBERED, candidates
from device_drivers.codec import MessageCodec
from device_drivers.observations import DeviceEvent, Observation, Quality, Reading
from device_drivers.registry import find_driver
from simulators.gatt_meters import NO_FINGER, GattMeter

VECTOR_NAMES = {
    "hr": "heart_rate",
    "pr": "heart_rate",
    "pulse": "heart_rate",
    "spo2": "spo2",
    "sys": "systolic_pressure",
    "dia": "diastolic_pressure",
    "map": "mean_arterial_pressure",
    "temp_c": "body_temperature",
    "weight_kg": "body_weight",
}


def feed(topic: str, text: str, codec: GattCodec | None = None, now: int = NOW) -> list[Observation]:
    return (codec or GattCodec()).feed(topic, bytes.fromhex(text), now)


# --- numbers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        (SFLOAT, "7800", 120.0),
        (SFLOAT, "CFF3", 97.5),
        (SFLOAT, "0910", 90.0),
        (SFLOAT, "FF07", Special.NAN),
        (SFLOAT, "0008", Special.NRES),
        (SFLOAT, "FE07", Special.PLUS_INFINITY),
        (SFLOAT, "0208", Special.MINUS_INFINITY),
        (SFLOAT, "0108", Special.RESERVED),
        (SFLOAT, "FFFF", -0.1),
        (SFLOAT, "0780", 7e-8),
        (FLOAT, "6C0100FF", 36.4),
        (FLOAT, "FFFF7F00", Special.NAN),
        (FLOAT, "00008000", Special.NRES),
        (FLOAT, "FEFF7F00", Special.PLUS_INFINITY),
        (FLOAT, "02008000", Special.MINUS_INFINITY),
        (FLOAT, "01008000", Special.RESERVED),
        (FLOAT, "FFFFFF7F", -1e127),
        (FLOAT, "01000080", 1e-128),
    ],
)
def test_numbers_of_the_standard(form: ieee11073.Format, text: str, expected: float | Special) -> None:
    assert ieee11073.decode(form, bytes.fromhex(text)) == expected


def test_every_short_number_survives_both_ways() -> None:
    for bits in range(0x10000):
        raw = bits.to_bytes(2, "little")
        value = ieee11073.decode(SFLOAT, raw)
        if isinstance(value, Special):
            assert ieee11073.encode(SFLOAT, value) == raw
        else:
            assert SFLOAT.join(*SFLOAT.split(bits)) == bits


@given(st.integers(-(2**23), 2**23 - 1), st.integers(-128, 127))
def test_long_numbers_survive_both_ways(mantissa: int, exponent: int) -> None:
    try:
        bits = FLOAT.join(mantissa, exponent)
    except ValueError:
        assert exponent == 0
        assert abs(mantissa) >= 2**23 - 2
        return
    assert FLOAT.split(bits) == (mantissa, exponent)
    assert ieee11073.decode(FLOAT, bits.to_bytes(4, "little")) == float(f"{mantissa}e{exponent}")


def test_what_does_not_fit_is_refused() -> None:
    for value, decimals in ((3000, 0), (300.0, 1), (1, 9)):
        with pytest.raises(ValueError, match="does not fit"):
            ieee11073.encode(SFLOAT, value, decimals)
    with pytest.raises(ValueError, match="code of nan"):
        ieee11073.encode(SFLOAT, 2047)


# --- values -----------------------------------------------------------------------------------------------------------


def test_reference_vectors(protocols_folder: Path) -> None:
    listed = vectors(protocols_folder, "ble_gatt")
    assert len(listed) >= 13
    for vector in listed:
        code = vector["name"].split("(")[1].rstrip(")")
        named, unnamed = GattCodec(), GattCodec()
        found = feed(f"ble_gatt/meter/{code}", vector["data"], named)
        assert [vars_of(one) for one in feed("", vector["data"], unnamed)] == [vars_of(one) for one in found]
        said: dict[str, Any] = vector["decoded"]
        if "error" in said:
            assert (found, named.health.rejected, len(unnamed.rejections)) == ([], {"length": 1}, 1)
            continue
        got = values(found) | dict(named.notes[-1].fields if named.notes else {})
        got["weight_lb"] = round(got.get("body_weight", 0) / 0.45359237, 4)
        got["rr_s"] = [
            (one.value or 0) / 1000 for one in found if isinstance(one, Reading) and one.signal == "rr_interval"
        ]
        got["unit"] = "mmHg"
        assert {VECTOR_NAMES.get(name, name): value for name, value in said.items()}.items() <= got.items(), vector


def vars_of(one: Observation) -> tuple[Any, ...]:
    assert isinstance(one, Reading | DeviceEvent)
    return one.signal, one.value, one.quality, one.stored


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("2A37", "00 50", {"heart_rate": 80.0}),
        ("2A37", "06 50", {"heart_rate": 80.0, "worn": True}),
        ("2A37", "04 50", {"heart_rate": None, "worn": False}),
        ("2A37", "00 00", {"heart_rate": None}),
        ("2A37", "00 FF", {"heart_rate": None}),
        ("2A37", "08 50 10 00", {"heart_rate": 80.0, "energy_expended": 16.0}),
        ("2A5F", "00 FF 07 FF 07", {"spo2": None, "heart_rate": None}),
        ("2A5F", "00 00 00 00 00", {"spo2": None, "heart_rate": None}),
        ("2A5F", "00 7F 00 FF 00", {"spo2": None, "heart_rate": None}),
        ("2A5F", "00 60 00 FF 00", {"spo2": 96.0, "heart_rate": None}),
        ("2A5F", "00 FE 07 48 00", {"spo2": None, "heart_rate": 72.0}),
        ("2A5F", "13 60 00 48 00 5F 00 47 00 61 00 49 00 19 F0", {"spo2": 96.0, "heart_rate": 72.0}),
        ("2A5F", "10 60 00 48 00 19 F0", {"spo2": 96.0, "heart_rate": 72.0, "perfusion_index": 2.5}),
        ("2A35", "01 A0 F0 6B F0 7D F0", {"systolic_pressure": 120.009852, "diastolic_pressure": 80.256589}),
        ("2A35", "00 FF 07 FF 07 FF 07", {"systolic_pressure": None, "diastolic_pressure": None}),
        ("2A1C", "01 DA 03 00 FF", {"body_temperature": 37.0}),
        ("2A1C", "04 5E 01 00 FF 04", {"skin_temperature": 35.0}),
        ("2A1C", "00 FF FF 7F 00", {"body_temperature": None}),
        ("2A18", "03 01 00 E4 07 09 18 10 09 3A 05 00 64 B0 11", {"blood_glucose": 5.550745}),
        ("2A18", "06 01 00 E4 07 09 18 10 09 3A 37 C0 11", {"blood_glucose": 5.5}),
        ("2A9D", "08 B0 36 E1 00 D6 06", {"body_weight": 70.0, "body_mass_index": 22.5, "body_height": 175.0}),
        ("2A9D", "09 54 3D E1 00 B1 02", {"body_weight": 71.214002, "body_height": 175.006}),
        ("2A9D", "00 FF FF", {"body_weight": None}),
        ("2A19", "64", {"battery": 100.0}),
        ("2A19", "FF", {"battery": None}),
    ],
)
def test_values_by_characteristic(code: str, text: str, expected: dict[str, Any]) -> None:
    codec = GattCodec()
    found = values(feed(f"ble_gatt/m/{code}", text, codec))
    assert expected.items() <= found.items() or (code == "2A18" and expected == found)
    assert not codec.rejections
    check_legal(feed(f"ble_gatt/m/{code}", text), DRIVER)


@pytest.mark.parametrize(
    ("code", "text", "quality"),
    [
        ("2A5F", "04 60 00 48 00 00 80", Quality.INVALID),
        ("2A5F", "04 60 00 48 00 00 40", Quality.POOR),
        ("2A5F", "08 60 00 48 00 00 08 00", Quality.NO_CONTACT),
        ("2A5F", "08 60 00 48 00 02 00 00", Quality.INVALID),
        ("2A5F", "08 60 00 48 00 20 00 00", Quality.POOR),
        ("2A5F", "00 FE 07 48 00", Quality.OUT_OF_RANGE),
        ("2A5F", "00 63 10 48 00", Quality.OUT_OF_RANGE),
        ("2A35", "10 78 00 50 00 5A 00 02 00", Quality.POOR),
        ("2A18", "0A 01 00 E4 07 09 18 10 09 3A 64 B0 11 04 00", Quality.INVALID),
        ("2A18", "0A 01 00 E4 07 09 18 10 09 3A 64 B0 11 20 00", Quality.OUT_OF_RANGE),
    ],
)
def test_doubts_of_the_device(code: str, text: str, quality: Quality) -> None:
    first = feed(f"ble_gatt/m/{code}", text)[0]
    assert isinstance(first, Reading)
    assert first.quality is quality
    assert (first.value is None) == (quality is not Quality.POOR)


def test_beat_intervals_are_placed_back_from_the_receipt() -> None:
    found = [one for one in feed("g/s/2A37", "10 5A 00 08 00 10") if one.signal == "rr_interval"]
    assert [(one.at_ns, one.received_ns) for one in found] == [(NOW - 4 * SECOND, NOW), (NOW, NOW)]


def test_a_test_liquid_is_nobody_s_blood() -> None:
    for sample in ("1A", "41"):
        codec = GattCodec()
        assert feed("g/m/2A18", f"02 01 00 E4 07 09 18 10 09 3A 64 B0 {sample}", codec) == []
        assert "control_solution" in codec.notes[0].fields.values()


def test_glucose_without_a_result_tells_its_status() -> None:
    codec = GattCodec()
    found = feed("g/m/2A18", "08 02 00 E4 07 09 18 10 09 3A 05 00", codec)
    assert events(found) == [("battery_low", True, False)]
    assert codec.notes[0].fields["status"] == ["battery_low", "sample_too_small"]


def test_facts_beside_the_readings_are_noted() -> None:
    codec = GattCodec()
    feed("g/m/2A35", "1E 75 00 55 00 5F 00 E4 07 09 18 10 09 3A 69 00 01 04 00", codec)
    assert dict(codec.notes[0].fields) == {
        "characteristic": "2A35",
        "time": "2020-09-24T16:09:58",
        "user": 1,
        "status": ["irregular_pulse"],
    }
    feed("g/m/2A5F", "0F 60 00 48 00 60 00 48 00 60 00 48 00 20 00 00 00 04", codec)
    assert codec.notes[1].fields["fast_spo2"] == 96.0


# --- time, history, repetition ----------------------------------------------------------------------------------------


def test_the_meter_s_clock_decides_what_is_history() -> None:
    meter = GattMeter("A4:C1:38:11:22:33")
    codec = GattCodec()
    for ago, stored in ((0, False), (300, False), (601, True), (86_400 * 400, True)):
        sent = meter.blood_pressure(120 + ago % 7, 80, 66, NOW - ago * SECOND)
        first = codec.feed(sent.topic, sent.payload, NOW)[0]
        assert (first.device_id, first.at_ns, first.stored) == ("A4C138112233", NOW - ago * SECOND, stored)


def test_a_wrong_clock_counts_for_nothing() -> None:
    ahead = GattMeter("m", clock_h=20.0).weight(70, NOW)
    (one,) = GattCodec().feed(ahead.topic, ahead.payload, NOW)
    assert (one.at_ns, one.stored) == (NOW, False)
    unset = feed("g/m/2A9D", "02 B0 36 00 00 00 00 00 00 00")
    assert (unset[0].at_ns, unset[0].stored) == (NOW, False)
    told_unset = feed("g/m/2A5E", "11 60 00 48 00 E4 07 09 18 10 09 3A")
    assert (told_unset[0].at_ns, told_unset[0].stored) == (NOW, False)


def test_the_zone_of_the_clocks_is_an_option() -> None:
    at = int(datetime(2026, 9, 24, 16, 9, 58, tzinfo=UTC).timestamp()) * SECOND
    raw = "02 B0 36 EA 07 09 18 10 09 3A"
    for hours, offset in ((0, 0), (8, 8), (-5, -5)):
        now = at - offset * 3600 * SECOND + 5 * SECOND
        (one,) = feed("g/m/2A9D", raw, GattCodec({"utc_offset_h": hours}), now)
        assert (one.at_ns, one.stored) == (now - 5 * SECOND, False)


def test_stored_by_the_oximeter_s_own_word() -> None:
    found = feed("g/m/2A5E", "02 60 00 48 00 00 02")
    assert all(one.stored for one in found)


def test_the_same_measurement_again_is_dropped_and_a_new_one_is_not() -> None:
    meter, codec = GattMeter("m"), GattCodec()
    first = meter.blood_pressure(120, 80, 66, NOW)
    assert len(codec.feed(first.topic, first.payload, NOW)) == 4
    assert codec.feed(first.topic, first.payload, NOW + 60 * SECOND) == []
    assert codec.health.frames == 2
    later = meter.blood_pressure(120, 80, 66, NOW + 60 * SECOND)
    assert len(codec.feed(later.topic, later.payload, NOW + 60 * SECOND)) == 4
    for _ in range(2):
        assert len(feed("g/m/2A19", "64", codec)) == 1


def test_contact_is_news_only_when_it_changes() -> None:
    strap, codec = GattMeter("strap"), GattCodec()
    seen = []
    for contact in (True, True, False, False, True):
        sent = strap.heart_rate(72, contact=contact)
        seen += events(codec.feed(sent.topic, sent.payload, NOW))
    assert seen == [("worn", c, r) for c, r in ((1, False), (1, True), (0, False), (0, True), (1, False))]


# --- topics and payloads ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "topic",
    [
        "ble_gatt/a4:c1:38:11:22:33/2a37",
        "ble_gatt/gw1/A4-C1-38-11-22-33/0x2A37",
        "ble_gatt/A4C138112233/00002a37-0000-1000-8000-00805f9b34fb",
    ],
)
@pytest.mark.parametrize("payload", [b"\x00\x50", b"0050", b"00 50", b"0x0050", b"00:50\n", b'{"value": "00 50"}'])
def test_spellings(topic: str, payload: bytes) -> None:
    (one,) = GattCodec().feed(topic, payload, NOW)
    assert (one.device_id, one.signal) == ("A4C138112233", "heart_rate")
    assert isinstance(one, Reading)
    assert one.value == 80


def test_bare_values_name_themselves_or_are_refused() -> None:
    codec = GattCodec()
    assert values(feed("", "2A37 00 50", codec)) == {"heart_rate": 80.0}
    assert values(codec.feed("2A37", b"0050", NOW)) == {"heart_rate": 80.0}
    assert values(feed("", "04 50", codec)) == {"heart_rate": None, "worn": False}
    assert candidates(bytes.fromhex("00 5E 00 5A 00")) == [c.OXIMETER]
    assert feed("", "FF FF FF", codec) == []
    assert codec.rejections[-1].reason == "which_characteristic"


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("ble_gatt/m/2A99", b"0050", "topic"),
        ("ble_gatt/m/heart", b"0050", "topic"),
        ("ble_gatt//2A37", b"0050", "topic"),
        ("ble_gatt/m/2A37", b"", "empty"),
        ("ble_gatt/m/2A37", b"00", "length"),
        ("ble_gatt/m/2A37", b"005000", "length"),
        ("ble_gatt/m/2A37", b"1050", "length"),
        ("ble_gatt/m/2A37", b"1050000800", "length"),
        ("ble_gatt/m/2A5F", b"045E005A00", "length"),
        ("ble_gatt/m/2A9D", b"02B036EA070D18100939", "date"),
        ("ble_gatt/m/2A37", b'{"value": 5}', "type"),
        ("ble_gatt/m/2A37", b'{"value": "x"}', "type"),
        ("ble_gatt/m/2A37", b"{nonsense}", "json"),
        ("ble_gatt/m/2A35", bytes.fromhex("FE 20 27 00 75 00 55 00 5F 00 E4 07 09 18 10 09 3A 69 00 01"), "length"),
    ],
)
def test_bad_values_are_counted_and_kept(topic: str, payload: bytes, reason: str) -> None:
    codec = GattCodec()
    assert codec.feed(topic, payload, NOW) == []
    assert codec.health.rejected == {reason: 1}
    assert codec.rejections[0].raw == payload


def test_retained_values_are_old() -> None:
    codec = GattCodec()
    assert codec.feed("ble_gatt/m/2A37", b"0050", NOW, retained=True) == []
    assert codec.health.rejected == {"retained": 1}


@pytest.mark.parametrize(
    "options", [{"base": ""}, {"base": "a/"}, {"base": 5}, {"utc_offset_h": "8"}, {"utc_offset_h": 15}]
)
def test_bad_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        GattCodec(options)


def test_driver_makes_the_codec() -> None:
    driver = find_driver("ble_gatt")
    assert driver.message is not None
    codec = driver.message({"base": "meters"})
    assert isinstance(codec, MessageCodec)
    assert codec.subscriptions() == ["meters/#"]
    assert driver.account_topics is not None
    assert driver.account_topics("A4C138112233") == (("ble_gatt/#",), ())


# --- properties -------------------------------------------------------------------------------------------------------

KINDS: dict[str, st.SearchStrategy[Any]] = {
    "u8": st.integers(0, 0xFF),
    "u16": st.integers(0, 0xFFFF),
    "s16": st.integers(-0x8000, 0x7FFF),
    "u24": st.integers(0, 0xFFFFFF),
    "sfloat": st.integers(-2045, 2045).map(float) | st.sampled_from(Special),
    "float": st.integers(-(2**23) + 3, 2**23 - 3).map(float) | st.sampled_from(Special),
    "time": st.none() | st.datetimes(timezones=st.none()).map(lambda t: t.replace(microsecond=0)),
    "rr": st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=9).map(tuple),
}


@st.composite
def known_values(draw: st.DrawFn) -> tuple[int, int, dict[str, Any]]:
    code = draw(st.sampled_from(sorted(c.CHARACTERISTICS)))
    flags = 0 if code in c.WITHOUT_FLAGS else draw(st.integers(0, 255)) & ~c.RESERVED_FLAGS[code]
    there = [one for one in c.CHARACTERISTICS[code] if one.is_in(flags)]
    return code, flags, {one.name: draw(KINDS[one.kind]) for one in there}


@given(known_values())
def test_decode_undoes_encode(known: tuple[int, int, dict[str, Any]]) -> None:
    code, flags, fields = known
    raw = c.encode(code, flags, **fields)
    decoded = c.decode(code, raw)
    assert (decoded.flags, decoded.fields) == (flags, fields)
    check_legal(GattCodec().feed(f"g/m/{code:04X}", raw, NOW), DRIVER)
    assert GattCodec().feed(f"g/m/{code:04X}", raw[:-1], NOW) == []


def test_encode_refuses_fields_without_a_place() -> None:
    with pytest.raises(ValueError, match="given"):
        c.encode(c.BATTERY, level=5, rr=(1,))
    with pytest.raises(ValueError, match="need"):
        c.encode(c.HEART_RATE)


def test_meters_are_understood() -> None:
    codec, said = GattCodec(), dict[str, Any]()
    for text in (True, False):
        meter = GattMeter("m", hex_text=text)
        for sent in (
            meter.heart_rate(300, (850.0, 900.0), contact=True),
            meter.oximeter(97.5, 61),
            meter.temperature(36.6),
            meter.glucose(99, NOW),
            meter.weight(61.5, NOW),
            meter.battery(88),
        ):
            said |= values(codec.feed(sent.topic, sent.payload, NOW))
        no_finger = meter.oximeter(NO_FINGER, NO_FINGER)
        assert set(values(codec.feed(no_finger.topic, no_finger.payload, NOW)).values()) == {None}
        control = meter.glucose(99, NOW, control=True)
        assert codec.feed(control.topic, control.payload, NOW) == []
    assert said["heart_rate"] == 61
    assert said["blood_glucose"] == pytest.approx(5.495, abs=0.001)
    assert (said["spo2"], said["body_temperature"], said["body_weight"], said["battery"]) == (97.5, 36.6, 61.5, 88)
    assert not codec.rejections


@pytest.mark.no_cover
def test_fuzzed_values_raise_nothing_and_stay_legal() -> None:
    rng = random.Random(2037)
    meter = GattMeter("m")
    seeds = [
        meter.heart_rate(72, (833.0,), contact=True),
        meter.oximeter(97, 61, amplitude=2.5),
        meter.blood_pressure(120, 80, 66, NOW, user=1, status=4),
        meter.temperature(36.6),
        meter.glucose(99, NOW),
        meter.weight(61.5, NOW),
        meter.battery(88),
    ]
    codec, observed = GattCodec(), 0
    for number in range(FUZZ_PAYLOADS):
        seed = rng.choice(seeds)
        payload = mutated(rng, seed.payload if number % 2 else bytes.fromhex(seed.payload.decode()))
        topic = rng.choice((seed.topic, seed.topic.replace("/m/", f"/m{rng.randrange(5000)}/"), "", "x"))
        found = codec.feed(topic, payload, NOW + number * SECOND, retained=rng.random() < 0.02)
        check_legal(found, DRIVER)
        observed += len(found)
    assert observed > FUZZ_PAYLOADS // 4
    assert sum(codec.health.rejected.values()) > FUZZ_PAYLOADS // 4
    assert len(codec._known) <= MAX_DEVICES
    assert all(len(one.once) <= MAX_REMEMBERED for one in codec._known.values())


def test_memory_is_bounded() -> None:
    codec, meter = GattCodec(), GattMeter("m")
    for number in range(MAX_REMEMBERED + 50):
        sent = meter.weight(70, NOW - number * SECOND)
        codec.feed(sent.topic, sent.payload, NOW)
    assert len(codec._known["m"].once) == MAX_REMEMBERED
    for number in range(MAX_DEVICES + 50):
        codec.feed(f"g/d{number}/2A19", b"64", NOW)
    assert len(codec._known) == MAX_DEVICES


def test_json_wrapping_is_bounded() -> None:
    codec = GattCodec()
    codec.feed("g/m/2A37", json.dumps({"value": "00" * 40_000}).encode(), NOW)
    assert codec.health.rejected == {"too_large": 1}
