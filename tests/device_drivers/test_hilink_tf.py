import json
import random
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stream_checks import (
    NOW,
    SECOND,
    check_chunks,
    check_one_fault_costs_one_frame,
    facts,
    noisy,
    run,
)

from device_drivers.hilink_tf import DRIVER, HilinkTfCodec, frames, messages
from device_drivers.hilink_tf.fields import Choice, Field, FieldError, Message, Number, Numbers, Records, Text, Value
from device_drivers.observations import DeviceEvent, Observation, Quality, Reading, Samples
from device_drivers.registry import find_driver
from device_drivers.signals import SIGNALS
from simulators.hilink_radar import BREATH_MODEL, FALL_MODEL, TfRadarDevice

OWN_VECTORS: list[tuple[str, dict[str, Any]]] = [
    ("01 00 00 00 01 0E 02 F3 01 FE", {"fall": True}),
    ("01 00 00 00 01 0E 02 F3 00 FF", {"fall": False}),
    ("01 00 00 00 02 0F 09 FA 01 00 FE", {"presence": True}),
    ("01 00 00 00 04 0A 14 E4 00 00 98 41 26", {"respiratory_rate": 19.0}),
    ("01 00 00 00 04 0A 15 E5 00 00 8C 42 31", {"heart_rate": 70.0}),
    ("01 00 00 00 04 0A 15 E5 00 00 00 00 FF", {"heart_rate": None}),
    ("01 00 00 00 08 0A 16 EA 01 00 00 00 71 3D 95 42 65", {"distance": 74.62, "flag": 1}),
    ("01 00 00 00 04 0E 04 F0 00 00 20 40 9F", {"install_height_m": 2.5}),
    ("01 00 00 00 00 0E 06 F6", {"query": "parameters"}),
    ("01 00 00 00 00 21 10 CF", {"command": "reset"}),
    ("01 00 00 00 00 21 10 CF FF", {"command": "reset"}),
    ("01 80 00 00 00 0E 0E 7E", {"command": "target height on"}),
    (
        "01 00 00 00 0C 0E 06 FA 66 66 26 40 9A 99 99 3E 0F 00 00 00 32",
        {"install_height_m": 2.6, "threshold_m": 0.3, "sensitivity": 15},
    ),
]
NAMES = {"breath_rpm": "respiratory_rate", "heart_bpm": "heart_rate"}


def codec(**options: Any) -> HilinkTfCodec:
    return HilinkTfCodec("radar", options)


def eager() -> HilinkTfCodec:
    return HilinkTfCodec("radar", DRIVER.show_all)


@pytest.mark.parametrize(("text", "expected"), OWN_VECTORS)
def test_own_vectors(text: str, expected: dict[str, Any]) -> None:
    found = eager()
    assert expected.items() <= facts(found, bytes.fromhex(text)).items()
    assert not found.rejections


def test_reference_vectors(protocols_folder: Path) -> None:
    vectors = json.loads((protocols_folder / "vectors.json").read_text(encoding="utf-8"))
    ours = [vector for vector in vectors if vector["family"] == "hilink_tf"]
    assert len(ours) >= 14
    for vector in ours:
        expected = {NAMES.get(name, name): value for name, value in vector["decoded"].items() if name != "note"}
        assert expected.items() <= facts(eager(), bytes.fromhex(vector["data"])).items(), vector


def numbers(form: str) -> st.SearchStrategy[Any]:
    match form:
        case "f":
            return st.floats(width=32, allow_nan=False, allow_infinity=False)
        case "i":
            return st.integers(-(2**31), 2**31 - 1)
    return st.integers(0, 256 ** struct.calcsize(form) - 1)


def field_values(field: Field) -> st.SearchStrategy[Value]:
    match field:
        case Choice():
            return st.sampled_from(list(field.words.values()))
        case Number():
            return numbers(field.format)
        case Numbers():
            return st.lists(numbers(field.format), min_size=field.count, max_size=field.count).map(tuple)
        case Text():
            return st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
        case Records():
            rows = [
                st.lists(st.fixed_dictionaries({n: numbers(f) for n, f in zip(*layout, strict=True)}), max_size=5)
                for layout in field.layouts.values()
            ]
            return st.one_of(rows).map(tuple)


any_message = st.sampled_from(messages.MESSAGES).flatmap(
    lambda row: st.tuples(st.just(row), st.fixed_dictionaries({f.name: field_values(f) for f in row.fields}))
)


@given(any_message)
def test_decode_inverts_encode(generated: tuple[Message, dict[str, Value]]) -> None:
    row, values = generated
    whole = frames.message(row.name, **values)
    assert frames.plain_check(whole, 0) == len(whole)
    found = messages.find(int.from_bytes(whole[5:7], "big"), len(whole[8:-1]))
    assert found is row
    decoded = row.decode(whole[8:-1])
    assert row.encode(decoded) == row.encode(values)
    for name, value in values.items():
        if isinstance(value, float):
            assert struct.pack("<f", decoded[name]) == struct.pack("<f", value)
        elif not isinstance(value, tuple):
            assert decoded[name] == value
    assert not (listener := eager()).feed(whole, NOW) or not listener.rejections


def test_the_table_is_sound() -> None:
    assert len(messages.BY_NAME) == len(messages.MESSAGES)
    for rows in messages.BY_TYPE.values():
        sizes = [row.size for row in rows]
        assert len(set(sizes)) == len(sizes)
    assert set(DRIVER.signals) <= set(SIGNALS)
    assert find_driver("mr60bha2") is find_driver("hilink_tf") is DRIVER


def test_the_same_type_means_different_things_by_size() -> None:
    assert facts(eager(), frames.frame(0x0A14, b"\x02")) == {"work_mode": 2}
    assert facts(eager(), frames.frame(0x0A13, b"\x10\0\0\0")) == {"low_power_sleep_ms": 16}
    assert facts(eager(), frames.frame(0x0E04, b"\x01")) == {"setting": "install height", "ok": True}


def test_no_lock_is_absent_never_a_number() -> None:
    for name, value, quality in (
        ("heart_rate", 0.0, Quality.NO_CONTACT),
        ("heart_rate", float("nan"), Quality.INVALID),
        ("heart_rate", 1000.0, Quality.OUT_OF_RANGE),
        ("respiratory_rate", 0.0, Quality.NO_CONTACT),
        ("respiratory_rate", 150.0, Quality.OUT_OF_RANGE),
    ):
        (one,) = see(
            eager(),
            frames.message(name.replace("_rate", " rate").replace("respiratory", "breath"), **{name: value}),
            NOW,
        )
        assert isinstance(one, Reading)
        assert (one.value, one.quality) == (None, quality)


def beat(bpm: float = 70.0) -> bytes:
    return frames.message("heart rate", heart_rate=bpm)


def see(radar: HilinkTfCodec, data: bytes, now_ns: int = NOW) -> list[Observation]:
    """What some bytes say when nothing follows them."""
    return [*radar.feed(data, now_ns), *radar.finish(now_ns)]


def values(found: list[Observation]) -> list[Any]:
    return [one.value for one in found if not isinstance(one, Samples)]


def pairs(found: list[Observation]) -> dict[str, Any]:
    return {one.signal: one.value for one in found if not isinstance(one, Samples)}


def test_old_rates_of_a_stuck_radar_are_not_alive() -> None:
    radar = codec()
    see(radar, frames.message("presence", presence=True), NOW)
    assert values(see(radar, beat(), NOW + 30 * SECOND)) == [70.0]
    assert values(see(radar, beat(), NOW + 31 * SECOND)) == [None]
    assert values(see(radar, frames.message("presence", presence=True) + beat(), NOW + 32 * SECOND)) == [True, 70.0]
    assert values(see(radar, frames.message("presence", presence=False) + beat(), NOW + 33 * SECOND)) == [False, None]
    see(radar, frames.message("presence", presence=True), NOW + 34 * SECOND)
    assert values(see(radar, frames.message("distance", flag=1, range=900.0) + beat(), NOW + 35 * SECOND)) == [
        None,
        None,
    ]
    assert values(see(radar, frames.message("distance", flag=1, range=90.0) + beat(), NOW + 36 * SECOND)) == [
        90.0,
        70.0,
    ]
    # The clock was set back: presence that was just heard does not become old.
    assert values(see(radar, beat(), NOW - 3600 * SECOND)) == [70.0]


def test_a_vitals_radar_that_never_speaks_of_presence_is_believed() -> None:
    radar = codec()
    assert values(see(radar, beat(), NOW)) == [70.0]
    assert values(see(radar, beat(), NOW + 100 * SECOND)) == [70.0]


def test_values_come_once_a_second_but_their_end_at_once() -> None:
    radar = codec()
    found = [
        value for tenth in range(31) for value in values(see(radar, beat(60.0 + tenth), NOW + tenth * SECOND // 10))
    ]
    assert found == [60.0, 70.0, 80.0, 90.0]
    assert values(see(radar, beat(0.0), NOW + 31 * SECOND // 10)) == [None]


def test_one_event_for_each_edge_and_repeats_now_and_then() -> None:
    radar = codec()
    found: list[DeviceEvent] = []
    for second in range(30):
        for one in see(radar, frames.message("fall", fall=12 <= second < 25), NOW + second * SECOND):
            assert isinstance(one, DeviceEvent)
            found.append(one)
    assert [((one.at_ns - NOW) // SECOND, one.value, one.repeat) for one in found] == [
        (0, False, False),
        (10, False, True),
        (12, True, False),
        (22, True, True),
        (25, False, False),
    ]


def test_codes_outside_the_tables_are_unknown_and_kept() -> None:
    radar = eager()
    (one,) = see(radar, frames.frame(0x0E02, b"\x07"), NOW)
    assert isinstance(one, DeviceEvent)
    assert (one.signal, one.value, one.quality) == ("fall", None, Quality.INVALID)
    assert see(radar, frames.frame(0x0BAD, b"\x01\x02"), NOW) == []
    assert see(radar, frames.frame(0x0201, b"\x03\0\0\0"), NOW) == []
    assert [(note.kind, dict(note.fields)) for note in radar.notes] == [
        ("unknown", {"signal": "fall", "hex": "07"}),
        ("unknown", {"type": "0BAD", "hex": "01 02"}),
        ("setting", {"command": None, "hex": "03 00 00 00"}),
    ]
    assert not radar.rejections


def test_what_does_not_fit_the_tables_is_refused_with_its_bytes() -> None:
    radar = eager()
    wrong_size = frames.frame(0x0E02, b"\x01\x00\x00")
    bad_text = frames.frame(0x0100, b"\xff\xfe")
    bad_targets = frames.frame(0x0A04, b"\x02\0\0\0" + bytes(17))
    odd_targets = frames.frame(0x0A04, b"\x01\0\0\0" + bytes(12))
    for whole in (wrong_size, bad_text, bad_targets, odd_targets):
        assert see(radar, whole, NOW) == []
    assert radar.health.rejected == {"length": 1, "data": 3}
    assert [one.raw for one in radar.rejections] == [wrong_size, bad_text, bad_targets, odd_targets]


def test_bad_checks_and_lengths_are_refused() -> None:
    radar = eager()
    fall = frames.message("fall", fall=True)
    assert see(radar, fall[:7] + b"\xfb" + fall[8:], NOW) == []
    assert radar.rejections[0].detail == {"part": "head", "expected": "F3", "found": "FB"}
    radar = eager()
    assert see(radar, fall[:-1] + b"\xff", NOW) == []
    assert (radar.rejections[0].raw, radar.rejections[0].detail["part"]) == (fall[:-1] + b"\xff", "data")
    # A length that is far off is not waited for: the alarm behind it comes at once.
    long_head = b"\x01\0\0\x03\xff\x0e\x02"
    radar = eager()
    assert values(see(radar, long_head + bytes((frames.check_of(long_head),)) + fall, NOW)) == [True]
    assert radar.health.rejected["length"] == 1


def test_a_damaged_frame_that_would_pass_its_check_waits_for_what_follows() -> None:
    distance = frames.message("distance", flag=1, range=74.62)
    lost = distance[:8] + distance[9:]  # the data byte 01 is lost: check byte becomes data, next start the check
    assert frames.plain_check(lost + b"\x01", 0) == len(distance)
    assert run(eager, lost + beat()) == run(eager, beat())
    rate = frames.message("breath rate", respiratory_rate=19.125)
    # A doubled data byte that equals the check leaves the check behind the frame.
    whole = frames.frame(0x0A14, b"\x00\xbe\x98\x26")
    assert whole[-1] == 0xFF
    whole = frames.frame(0x0A14, b"\x26\xbe\x98\xd9")
    assert whole[-1] == 0x26
    doubled = whole[:9] + whole[8:]
    assert frames.plain_check(doubled, 0) == len(whole)
    assert run(eager, doubled + rate) == run(eager, rate)
    # Alone, at the end of a capture, such frames are believed.
    assert run(eager, whole) != []
    assert eager().feed(frames.frame(0x0A14, b"\x00\x00\xbe\x41"), NOW) == []
    assert run(eager, frames.frame(0x0A14, b"\x00\x00\xbe\x41")) == [("respiratory_rate", 23.75, "good", False)]


def test_targets_give_their_number_and_the_nearest_position() -> None:
    rows = ({"x": 3.0, "y": 1.0, "dop": 1, "cluster": 2}, {"x": -0.5, "y": 1.25, "dop": 0, "cluster": 3})
    radar = eager()
    found = pairs(see(radar, frames.message("targets", targets=rows), NOW))
    assert found == {"target_count": 2, "position_x": -50.0, "position_y": 125.0}
    assert radar.notes[0].fields["targets"] == list(rows)
    nan = ({"x": float("nan"), "y": 0.0, "dop": 0, "cluster": 0},)
    assert pairs(see(eager(), frames.message("targets", targets=nan), NOW))["position_x"] is None
    deep = ({"x": 1.0, "y": 0.0, "z": 1.5, "dop": 0, "cluster": 0},)
    assert facts(radar, frames.message("targets", targets=deep))["position_z"] == 150.0
    empty = see(radar, frames.message("targets", targets=()), NOW)
    assert pairs(empty) == {
        "target_count": 0,
        "position_x": None,
        "position_y": None,
        "position_z": None,
    }


def test_zones_points_and_logs() -> None:
    assert facts(eager(), frames.message("zones", zones_occupied=(0, 1, 0, 0))) == {
        "presence": True,
        "zones_occupied": (0, 1, 0, 0),
    }
    point = {"cluster": 1, "x": 0.5, "y": 1.0, "z": 2.0, "speed": -0.5}
    assert facts(eager(), frames.message("points", points=(point,))) == {"points": (point,)}
    radar = codec()
    see(radar, frames.message("log", log="invalid BR = 7082") * 5, NOW)
    see(radar, frames.message("phases", total_phase=0.1, breath_phase=0.2, heart_phase=0.3) * 5, NOW)
    assert [dict(note.fields) for note in radar.notes] == [
        {"log": "invalid BR = 7082"},
        {"total_phase": 0.1, "breath_phase": 0.2, "heart_phase": 0.3},
    ]


def test_distance_without_a_target_is_absent() -> None:
    for flag, cm, quality in (
        (0, 74.62, Quality.NO_CONTACT),
        (1, float("nan"), Quality.INVALID),
        (1, 0.0, Quality.OUT_OF_RANGE),
    ):
        (one,) = see(eager(), frames.message("distance", flag=flag, range=cm), NOW)
        assert isinstance(one, Reading)
        assert (one.value, one.quality) == (None, quality)


def test_settings_are_sent_when_the_line_opens() -> None:
    assert codec().on_open() == bytes.fromhex("01 00 00 00 00 0E 06 F6")
    sent = codec(install_height_m=2.5, threshold_m=0.6, sensitivity=3).on_open()
    assert sent == bytes.fromhex(
        "01 00 00 00 04 0E 04 F0 00 00 20 40 9F 01 00 00 00 04 0E 08 FC 9A 99 19 3F DA"
        "01 00 00 00 04 0E 0A FE 03 00 00 00 FC 01 00 00 00 00 0E 06 F6"
    )
    for wrong in ({"install_height_m": 250}, {"sensitivity": "high"}, {"interval_s": -1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            codec(**wrong)


def test_encoding_says_what_does_not_fit() -> None:
    for name, given_values, why in (
        ("heart rate", {"heart_rate": "high"}, "expected a number"),
        ("heart rate", {"heart_rate": 1e39}, "does not fit"),
        ("work mode", {"work_mode": 256}, "does not fit"),
        ("fall", {"fall": 1}, "none of"),
        ("fall", {"fell": True}, "expected values for"),
        ("zones", {"zones_occupied": (1, 2)}, "expected 4 numbers"),
        ("log", {"log": "银龄"}, "ASCII"),
        ("targets", {"targets": 3}, "expected records"),
        ("targets", {"targets": ({"x": 1.0},)}, "no record has"),
    ):
        with pytest.raises(FieldError, match=why):
            frames.message(name, **given_values)
    with pytest.raises(ValueError, match="at most 1024"):
        frames.frame(0x0100, bytes(1025))


def test_the_end_of_a_capture() -> None:
    radar = eager()
    assert radar.finish(NOW) == []
    assert see(radar, frames.message("fall", fall=True)[:-1], NOW) == []
    assert radar.finish(NOW) == []
    assert radar.health.rejected == {"incomplete": 1}


# --- the simulated radar and the driver at the two ends of a line ---------------------------------------------------


def test_fall_radar_and_driver() -> None:
    radar, driver = TfRadarDevice(FALL_MODEL), codec(install_height_m=2.8)
    see(driver, radar.feed(driver.on_open()), NOW)
    assert radar.settings["install_height_m"] == 2.8
    assert [dict(note.fields) for note in driver.notes] == [
        {"setting": "install height", "ok": True},
        {"install_height_m": 2.8, "threshold_m": 0.5, "sensitivity": 15},
    ]
    radar.state.fall = radar.state.presence = True
    assert pairs(see(driver, radar.tick(NOW), NOW)) == {"presence": True, "fall": True}
    assert radar.tick(NOW + SECOND // 2) == b""
    assert radar.tick(NOW - 9 * SECOND) != b""
    assert radar.feed(frames.message("reset") + frames.frame(0x0BAD) + b"\x01" * 9) == b""


def test_breath_radar_and_driver() -> None:
    radar, driver = TfRadarDevice(BREATH_MODEL), codec()
    assert radar.feed(driver.on_open()) == b""
    state = radar.state
    state.presence, state.respiratory_rate, state.heart_rate, state.distance = True, 15.5, 66.0, 82.5
    state.targets = ((0.1, 0.8),)
    found = pairs(see(driver, radar.tick(NOW), NOW))
    assert found == {
        "presence": True,
        "respiratory_rate": 15.5,
        "heart_rate": 66.0,
        "distance": 82.5,
        "target_count": 1,
        "position_x": 10.0,
        "position_y": 80.0,
    }
    radar.stuck = True
    for second in range(1, 60):
        last = see(driver, radar.tick(NOW + second * SECOND), NOW + second * SECOND)
    assert pairs(last) == {"respiratory_rate": None, "heart_rate": None}
    with pytest.raises(ValueError, match="unknown model"):
        TfRadarDevice("MR60BHA1")


# --- noise -----------------------------------------------------------------------------------------------------------


def traffic(rng: random.Random, count: int) -> list[bytes]:
    makers = [
        lambda: beat(round(rng.uniform(40, 140), 1)),
        lambda: frames.message("breath rate", respiratory_rate=rng.uniform(8, 30)),
        lambda: frames.message("distance", flag=rng.randrange(2), range=rng.uniform(30, 200)),
        lambda: frames.message("presence", presence=rng.random() < 0.5),
        lambda: frames.message("fall", fall=rng.random() < 0.5),
        lambda: frames.message(
            "targets",
            targets=tuple(
                {"x": rng.uniform(-2, 2), "y": rng.uniform(0, 3), "dop": rng.randrange(9), "cluster": 1}
                for _ in range(rng.randrange(4))
            ),
        ),
    ]
    return [rng.choice(makers)() for _ in range(count)]


def test_chunking_gives_the_same_in_clean_and_noisy_streams() -> None:
    rng = random.Random(7)
    clean = b"".join(traffic(rng, 200))
    check_chunks(eager, clean)
    check_chunks(codec, clean)
    check_chunks(eager, noisy(rng, clean))


@pytest.mark.parametrize("kind", ["loss", "flip", "duplicate"])
def test_one_spoiled_byte_costs_its_own_frame_only_and_gives_no_wrong_value(kind: str) -> None:
    check_one_fault_costs_one_frame(eager, traffic, kind, 600)


@given(st.binary(max_size=200))
def test_recovers_after_any_noise(noise: bytes) -> None:
    """Whatever the noise began is given up once the longest frame it may claim has passed."""
    radar = eager()
    radar.feed(noise + frames.message("fall", fall=False) * 120, NOW)
    before = radar.health.frames
    radar.feed(frames.message("fall", fall=True) * 3, NOW)
    assert radar.health.frames == before + 3
