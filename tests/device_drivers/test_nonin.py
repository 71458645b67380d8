import json
import random
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stream_checks import NOW, SECOND, check_chunks, check_fuzz, facts, noisy, spoil_one

from device_drivers.nonin import DRIVER, NoninCodec, values
from device_drivers.observations import DeviceEvent, Observation, Quality, Reading
from device_drivers.registry import find_driver
from simulators.oximeter import NoninOximeter

GOOD_72_97 = {"hr": 72, "e_hr": 72, "hr_d": 72, "spo2": 97, "spo2_d": 97, "srev": 48}
SPOT = datetime(2026, 9, 21, 22, 13, 20)  # noqa: DTZ001 - the device knows no zone; in China this is NOW
OWN_VECTORS: list[tuple[str, dict[str, Any]]] = [
    ("80 48 61 00", {"heart_rate": 72, "spo2": 97, "worn": True, "battery_low": False}),
    ("81 16 5F 01", {"heart_rate": 150, "spo2": 95, "low_battery": True, "battery_low": True}),
    ("83 7F 7F 08", {"heart_rate": None, "spo2": None, "sensor_alarm": True, "worn": False}),
    ("80 48 61 00 80 49 61 00", {"heart_rate": 73, "spo2": 97}),
    ("02 72 06 32 0C 1F 0E 1E 0F 03", {"set_time": "2050-12-31T14:30:15"}),
    ("02 F2 06 1A 09 15 16 0D 14 03", {"time": "2026-09-21T22:13:20"}),
    ("02 72 00 03", {"query": "time"}),
    ("02 70 02 02 08 03", {"set_format": 8}),
    ("06", {"ok": True}),
    ("15", {"ok": False}),
    (b"SPO2=097 HR=072\r\n".hex(), {"heart_rate": 72, "spo2": 97}),
    (b"SPO2=097 HR=072".hex(), {"heart_rate": 72, "spo2": 97}),
    (b"SPO2=--- HR=---*\r\n".hex(), {"heart_rate": None, "spo2": None, "event": True}),
    (
        "00 02 00 0D 00 0E 20 26 09 21 22 13 20 00 02 00 00 48 00 61 70 03",
        {"heart_rate": 72, "spo2": 97, "time": "2026-09-21T22:13:20", "smart_point": True, "from_memory": False},
    ),
    (values.packet(GOOD_72_97, 2).hex(), {"heart_rate": 72, "spo2": 97, **GOOD_72_97}),
    (values.packet(GOOD_72_97, 7).hex(), {"heart_rate": 72, "spo2": 97, **GOOD_72_97}),
    ("01 81 01 00 83", {"frames_of_packet": 1, "status": 0x81}),
]
NAMES = {"hr": "heart_rate"}


def eager(**options: Any) -> NoninCodec:
    return NoninCodec("oximeter", {**DRIVER.show_all, **options})


def codec(**options: Any) -> NoninCodec:
    return NoninCodec("oximeter", options)


def readings(found: list[Observation]) -> list[tuple[str, float | None, Quality, bool]]:
    return [(one.signal, one.value, one.quality, one.stored) for one in found if isinstance(one, Reading)]


def rates(found: list[Observation]) -> list[float | None]:
    return [value for name, value, _, _ in readings(found) if name == "heart_rate"]


@pytest.mark.parametrize(("text", "expected"), OWN_VECTORS)
def test_own_vectors(text: str, expected: dict[str, Any]) -> None:
    listener = eager()
    assert expected.items() <= facts(listener, bytes.fromhex(text)).items()
    assert not listener.rejections


def test_reference_vectors(protocols_folder: Path) -> None:
    vectors = json.loads((protocols_folder / "vectors.json").read_text(encoding="utf-8"))
    ours = [vector for vector in vectors if vector["family"] == "nonin"]
    assert len(ours) >= 6
    for vector in ours:
        listener = eager()
        found = facts(listener, bytes.fromhex(vector["data"]))
        if "error" in vector["decoded"]:
            assert listener.rejections[0].reason == vector["decoded"]["error"]
            assert found == {}
            continue
        expected = {NAMES.get(name, name): value for name, value in vector["decoded"].items()}
        assert expected.items() <= found.items(), vector


rate, saturation = st.none() | st.integers(0, 510), st.none() | st.integers(0, 126)
packet_facts = st.fixed_dictionaries(
    {
        **dict.fromkeys(values.RATES, rate),
        **dict.fromkeys(values.SATURATIONS, saturation),
        "srev": st.integers(0, 255),
        "timer": st.integers(0, 0x3FFF),
        "perfusion": st.sampled_from([None, "red", "yellow", "green"]),
        **dict.fromkeys((*values.STATUS_2, "smart_point", "low_battery"), st.booleans()),
    }
)


@given(packet_facts, st.sampled_from([2, 7]), st.lists(st.integers(0, 0xFFFF), min_size=25, max_size=25))
def test_packets_decode_to_what_was_encoded(said: dict[str, Any], kind: int, waves: list[int]) -> None:
    listener = eager()
    found = listener.feed(values.packet(said, kind, waves), NOW)
    assert listener.health.frames == 25
    noted = dict(listener.notes[0].fields)
    measured = {*values.RATES, *values.SATURATIONS}
    off = said["sensor_alarm"] or said["sensor_off"] or (said["hr"] is None and said["spo2"] is None)
    assert {name: value for name, value in noted.items() if name not in measured} == {
        name: value for name, value in said.items() if name not in measured
    }
    if off:
        assert {value for _, value, _, _ in readings(found)} == {None}
    else:
        assert noted == said


@given(
    st.fixed_dictionaries(
        {"hr": rate, "spo2": saturation, **dict.fromkeys(values.STATUS_8, st.booleans())},
    )
)
def test_format_8_decodes_to_what_was_encoded(said: dict[str, Any]) -> None:
    assert values.facts_8(values.frame_8(said)) == said


@given(
    st.fixed_dictionaries({"hr": rate, "spo2": saturation, **dict.fromkeys(values.STATUS_13, st.booleans())}),
    st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)),  # noqa: DTZ001
)
def test_format_13_decodes_to_what_was_encoded(said: dict[str, Any], time: datetime) -> None:
    found = values.facts_13(values.frame_13(said, time))
    assert found.pop("time")[:19] == time.isoformat()[:19]
    assert found == said


@given(
    st.fixed_dictionaries(
        {"hr": st.none() | st.integers(0, 999), "spo2": st.none() | st.integers(0, 999), "event": st.booleans()}
    )
)
def test_lines_decode_to_what_was_encoded(said: dict[str, Any]) -> None:
    assert values.facts_line(values.line(said)) == said


def test_commands() -> None:
    assert values.set_format(8).hex(" ") == "02 70 02 02 08 03"
    assert values.set_time(datetime(2050, 12, 31, 14, 30, 15)).hex(" ").upper() == "02 72 06 32 0C 1F 0E 1E 0F 03"  # noqa: DTZ001
    assert codec().on_open() == codec().poll(NOW) == b""
    listener = codec(format=8, set_clock=True)
    assert listener.on_open() == values.set_format(8)
    assert listener.poll(NOW) == values.set_time(SPOT)
    assert listener.poll(NOW + SECOND) == b""
    for wrong, why in (({"format": 9}, "format is 9"), ({"utc_offset_h": 99}, "utc_offset_h")):
        with pytest.raises(ValueError, match=why):
            codec(**wrong)
    assert find_driver("nonin") is DRIVER


def test_what_cannot_be_understood_is_refused() -> None:
    for text, reason in (
        ("01 7F 01 48 CA", "header"),
        ("01 80 01 48 CB", "checksum"),
        ("00 03", "header"),
        ("00 02 00 0D 00 0D", "length"),
        ("00 02 00 0D 00 0E 20 26 09 21 22 13 20 00 02 00 00 48 00 61 71 03", "checksum"),
        ("00 02 00 0D 00 0E 20 26 09 21 22 13 20 00 02 00 00 48 00 61 70 04", "checksum"),
        ("02 71 02 00 00 03", "header"),
        ("02 70 02 02 08 04", "tail"),
        ("02 70 00 03", "command"),
        ("02 72 06 32 0D 1F 0E 1E 0F 03", "command"),
        (b"SPO2=97% PR=72\r\n".hex(), "text"),
        (b"SPO2=\x01".hex(), "text"),
        ((b"SPO2=" + b" " * 60).hex(), "text"),
        ("80 48", "incomplete"),
    ):
        listener = eager()
        raw = bytes.fromhex(text)
        assert [*listener.feed(raw, NOW), *listener.finish(NOW)] == []
        assert listener.rejections[0].reason == reason, text


def test_a_packet_with_a_gap_is_dropped_whole() -> None:
    for kind in (2, 7):
        whole = values.packet(GOOD_72_97, kind)
        other = values.packet({**GOOD_72_97, "hr": 80}, kind)
        for damaged in (whole[:60] + whole[61:], whole[:50] + whole[55:], whole[:52] + b"\x55" + whole[53:]):
            listener = eager()
            listener.feed(other, NOW)
            assert readings(listener.feed(damaged, NOW)) == []
            assert rates(listener.feed(other, NOW)) == [80.0]


def test_a_stream_may_begin_anywhere() -> None:
    for kind in (2, 7):
        stream = values.packet(GOOD_72_97, kind, range(25)) * 3
        for start in range(125):
            found = eager().feed(stream[start:], NOW)
            assert rates(found) in ([72.0], [72.0, 72.0], [72.0, 72.0, 72.0]), (kind, start)
    stream = values.frame_8({"hr": 72, "spo2": 97}) * 5
    for start in range(8):
        assert set(rates(eager().feed(stream[start:], NOW))) == {72.0}


def test_display_values_do_not_outlive_the_finger() -> None:
    listener, device = codec(), NoninOximeter(2)
    listener.feed(device.tick(NOW), NOW)
    device.state.finger = False
    found = listener.feed(device.tick(NOW + SECOND), NOW + SECOND) + listener.feed(
        device.tick(NOW + 2 * SECOND), NOW + 2 * SECOND
    )
    assert readings(found)[-2:] == [
        ("heart_rate", None, Quality.NO_CONTACT, False),
        ("spo2", None, Quality.NO_CONTACT, False),
    ]
    assert listener.notes[-1].fields["hr_d"] is None


@pytest.mark.parametrize("kind", [0, 2, 7, 8])
def test_every_format_gives_a_reading_a_second(kind: int) -> None:
    listener, device = codec(), NoninOximeter(kind)
    found: list[Observation] = []
    for second in range(20):
        found += listener.feed(device.tick(NOW + second * SECOND), NOW + second * SECOND)
    assert set(rates(found)) == {72.0}
    assert 18 <= len(rates(found)) <= 20
    device.low_battery = True
    found = []
    for second in range(20, 25):
        found += listener.feed(device.tick(NOW + second * SECOND), NOW + second * SECOND)
    low = [one.value for one in found if isinstance(one, DeviceEvent) and one.signal == "battery_low"]
    assert low == ([True] if kind else [])


def test_the_device_takes_its_commands() -> None:
    listener, device = codec(format=13, set_clock=True), NoninOximeter(8)
    listener.feed(device.feed(listener.on_open()), NOW)
    listener.feed(device.feed(listener.poll(NOW)), NOW)
    assert [dict(note.fields) for note in listener.notes] == [{"ok": True}, {"ok": True}]
    assert (device.kind, device.clock) == (13, "2026-09-21T22:13:20")
    assert device.feed(b"\x02\x70\x00\x03") == b"\x15"
    assert device.feed(b"") == b""
    assert rates(listener.feed(device.tick(NOW), NOW)) == [72.0]
    assert device.tick(NOW + SECOND) == b""


def test_doubtful_values_are_marked() -> None:
    for doubt in ({"artifact": True}, {"out_of_track": True}, {"perfusion": "red"}):
        (_, _, *found) = eager().feed(values.packet({**GOOD_72_97, **doubt}), NOW)
        assert {quality for _, _, quality, _ in readings(found)} == {Quality.POOR}
    assert {q for _, _, q, _ in readings(eager().feed(values.packet({**GOOD_72_97, "perfusion": "yellow"}), NOW))} == {
        Quality.GOOD
    }
    none = eager().feed(values.packet({"srev": 1}), NOW)
    assert readings(none) == [("heart_rate", None, Quality.INVALID, False), ("spo2", None, Quality.INVALID, False)]


def test_measurements_from_memory_are_history_at_their_own_time() -> None:
    listener, device = codec(), NoninOximeter()
    hour_ago = NOW - 3600 * SECOND
    old = device.measure(hour_ago, from_memory=True)
    found = listener.feed(old + device.measure(NOW - 20 * SECOND) + old, NOW)
    assert [
        ((one.at_ns - NOW) // SECOND, *one_reading)
        for one, one_reading in zip([o for o in found if isinstance(o, Reading)], readings(found), strict=True)
    ] == [
        (-3600, "heart_rate", 72, Quality.GOOD, True),
        (-3600, "spo2", 97, Quality.GOOD, True),
        (-20, "heart_rate", 72, Quality.GOOD, False),
        (-20, "spo2", 97, Quality.GOOD, False),
    ]


def test_wrong_clocks_and_missing_measurements() -> None:
    spot = {"hr": 72, "spo2": 97, "smart_point": True}
    for said, time, at_s, quality in (
        (spot, datetime(2010, 1, 1), 0, Quality.GOOD),  # noqa: DTZ001 - live: the clock is wrong
        ({**spot, "from_memory": True}, datetime(2010, 1, 1), 0, Quality.GOOD),  # noqa: DTZ001
        ({**spot, "from_memory": True}, datetime(2031, 1, 1), 0, Quality.GOOD),  # noqa: DTZ001
        ({"hr": 72, "spo2": 97}, SPOT, 0, Quality.POOR),
        ({**spot, "no_measurement": True}, SPOT, 0, Quality.NO_CONTACT),
        ({"smart_point": True}, SPOT, 0, Quality.INVALID),
    ):
        found = codec().feed(values.frame_13(said, time), NOW)
        assert {(one.at_ns - NOW) // SECOND for one in found} == {at_s}
        assert {q for _, _, q, _ in readings(found)} == {quality}
    broken = bytearray(values.frame_13(spot, SPOT))
    broken[8], broken[-2] = 0x1F, (broken[-2] + 0x16) & 0xFF  # month 1F
    listener = codec()
    (one, *_) = listener.feed(bytes(broken), NOW)
    assert (one.at_ns, listener.notes[0].fields["time"]) == (NOW, None)


def test_a_device_that_changes_its_format_is_found_again() -> None:
    listener = eager()
    eight = values.frame_8({"hr": 70, "spo2": 96})
    for kind in (2, 7):
        assert 72.0 in rates(listener.feed(values.packet(GOOD_72_97, kind) * 3, NOW))
        assert 70.0 in rates(listener.feed(eight * 60, NOW))


# --- noise -----------------------------------------------------------------------------------------------------------


def packets(kind: int) -> Any:
    def traffic(rng: random.Random, count: int) -> list[bytes]:
        return [
            values.packet(
                {"hr": rng.randrange(40, 180), "spo2": rng.randrange(70, 101), "perfusion": "green"},
                kind,
                [rng.randrange(65536) for _ in range(25)],
            )
            for _ in range(count)
        ]

    return traffic


def spots(rng: random.Random, count: int) -> list[bytes]:
    def one() -> bytes:
        time = datetime(2026, 9, rng.randrange(1, 29), rng.randrange(24), rng.randrange(60))  # noqa: DTZ001
        return values.frame_13(
            {"hr": rng.randrange(40, 180), "spo2": rng.randrange(70, 101), "smart_point": True}, time
        )

    return [one() for _ in range(count)]


def mixed(rng: random.Random, count: int) -> list[bytes]:
    eights = [values.frame_8({"hr": rng.randrange(40, 180), "spo2": rng.randrange(70, 101)}) for _ in range(count)]
    return [
        b"".join(rng.choice([packets(2), packets(7), spots])(rng, 1) + eights + [values.line({"hr": 72, "spo2": 97})])
    ]


def test_chunking_gives_the_same_in_clean_and_noisy_streams() -> None:
    rng = random.Random(7)
    for traffic in (packets(2), packets(7), spots, mixed):
        clean = b"".join(traffic(rng, 15))
        for make in (eager, codec):
            check_chunks(make, clean)
            check_chunks(make, noisy(rng, clean))


@pytest.mark.parametrize("kind", ["loss", "flip", "duplicate"])
@pytest.mark.parametrize("traffic", [packets(2), packets(7), spots], ids=["2", "7", "13"])
def test_a_spoiled_byte_gives_no_value_that_was_not_sent(kind: str, traffic: Any) -> None:
    rng = random.Random(11)
    for _ in range(60):
        sent = traffic(rng, 4)
        sent[1] = spoil_one(rng, sent[1], kind)
        found = readings(eager().feed(b"".join(sent), NOW))
        whole = [readings(eager().feed(one, NOW)) for one in (sent[0], sent[2], sent[3])]
        allowed = iter([*whole[0], *readings(eager().feed(sent[1], NOW)), *whole[1], *whole[2]])
        assert all(one in allowed for one in found)
        assert found[-2:] == whole[2]


def test_one_percent_noise_gives_no_value_that_was_not_sent() -> None:
    rng = random.Random(3)
    for kind in (2, 7):
        listener = eager()
        sent = packets(kind)(rng, 300)
        expected = iter(readings(eager().feed(b"".join(sent), NOW)))
        found = readings(
            listener.feed(b"".join(spoil_one(rng, p, "flip") if rng.random() < 0.5 else p for p in sent), NOW)
        )
        assert all(one in expected for one in found)
        assert len(found) > 200


@pytest.mark.no_cover
def test_fuzzed_bytes_raise_nothing_and_memory_stays_bounded() -> None:
    listener = check_fuzz(codec, mixed)
    assert isinstance(listener, NoninCodec)
    assert listener.health.frames > 5_000
    assert len(listener._packet) <= 25
    assert len(listener._measured) <= 64
    assert not listener._judge.accepted
