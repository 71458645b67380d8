"""Eview / MiniFinder pendants: real frames, every alarm bit, records, answers, stored history, CRC under noise."""

from __future__ import annotations

import json
import random
import struct
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stream_checks import (
    NOW,
    SECOND,
    check_chunks,
    facts,
    noisy,
    signature,
)

from device_drivers.codec import UnknownCommandError
from device_drivers.minifinder import DRIVER, MinifinderCodec, frames, items
from device_drivers.observations import DeviceEvent, Observation, Quality, Reading
from device_drivers.registry import find_driver
from device_drivers.signals import SIGNALS

if TYPE_CHECKING:
    from pathlib import Path

    from device_drivers.minifinder.frames import Item

NOW_S = NOW // SECOND
IMEI = "863921031234567"
SOS_AND_FALL = "ab102600110001000110013836333932313033313233343536370924d851016b00000058090204100000d851016b"
BATCH = (
    "ab105b0063ca28000110013836323737313037363837383334300d246eaeb2690103fb2b030001001620eacce6217a59cf0800001e01a60005"
    "0000000000160b2c00d14699811df7d600640b2c0187442817d4fdd100640b2c020a2f7f89cfc8cc0064"
)
"""A real frame with a satellite fix and beacons (Traccar's tests, Apache-2.0)."""


def decode(data: bytes, codec: MinifinderCodec | None = None, now_ns: int = NOW) -> list[Observation]:
    return (codec or MinifinderCodec("pendant")).feed(data, now_ns)


def data_frame(*found: Item, index: int = 1, flags: int = 0x10) -> bytes:
    return frames.encode(frames.DATA, [items.imei_item(IMEI), *found], index, flags)


def values(found: list[Observation]) -> dict[str, Any]:
    return {one.signal: one.value for one in found if isinstance(one, Reading | DeviceEvent)}


def test_reference_vectors(protocols_folder: Path) -> None:
    vectors = json.loads((protocols_folder / "vectors.json").read_text(encoding="utf-8"))
    ours = [vector for vector in vectors if vector["family"] == "minifinder2"]
    assert len(ours) >= 4
    for vector in ours:
        codec = MinifinderCodec("pendant")
        found = facts(codec, bytes.fromhex(vector["data"]))
        assert vector["decoded"].items() <= found.items(), vector
        assert not codec.rejections


def test_own_vectors() -> None:
    found = facts(MinifinderCodec("pendant"), bytes.fromhex(SOS_AND_FALL))
    expected = {"fall": True, "help_button": True, "battery": 88, "imei": IMEI, "charging": False}
    assert expected.items() <= found.items()
    found = facts(MinifinderCodec("pendant"), bytes.fromhex(BATCH))
    assert (round(found["latitude"], 7), round(found["longitude"], 7)) == (56.8773866, 14.7806586)
    assert (found["satellites"], found["altitude_m"], found["course_deg"], found["hdop"]) == (22, 166, 286, 5)


def test_a_wrong_crc_gives_no_value() -> None:
    raw = bytearray.fromhex(SOS_AND_FALL)
    raw[-8] ^= 0x10
    codec = MinifinderCodec("pendant")
    assert decode(bytes(raw), codec) == []
    assert codec.health.rejected == {"crc": 1}
    assert codec.rejections[0].raw == bytes(raw)
    assert codec.rejections[0].detail["found"] == "0011"
    assert codec.answers() == b""


@pytest.mark.parametrize(
    ("word", "signal", "value"),
    [
        ("sos", "help_button", True),
        ("fall", "fall", True),
        ("low_battery", "battery_low", True),
        ("fence", "fence", "crossed"),
        ("off", "online", False),
        ("on", "online", True),
        ("button_1", "button", "other"),
        ("button_2", "button", "other"),
    ],
)
def test_every_alarm_bit(word: str, signal: str, value: bool | str) -> None:
    codec = MinifinderCodec("pendant")
    found = decode(data_frame(items.status_item(NOW_S, 80), items.alarm_item(word, time_s=NOW_S)), codec)
    (one,) = [one for one in found if one.signal == signal]
    assert isinstance(one, DeviceEvent)
    assert (one.value, one.stored, one.repeat, one.at_ns) == (value, False, False, NOW_S * SECOND)
    assert codec.notes[0].fields["alarm"] == [word]


def test_bits_without_a_meaning_are_told_by_their_number() -> None:
    codec = MinifinderCodec("pendant")
    assert decode(data_frame((items.ALARM, struct.pack("<I", 1 << 20 | 1 << 1 | 1 << 10))), codec) == []
    assert codec.notes[0].fields["alarm"] == ["overspeed", "moved", "bit_20"]


def test_alarms_sent_again_and_alarms_that_were_stored() -> None:
    codec = MinifinderCodec("pendant")
    sos = data_frame(items.status_item(NOW_S, 80), items.alarm_item("sos", time_s=NOW_S))
    first, again = (next(o for o in decode(sos, codec) if o.signal == "help_button") for _ in range(2))
    assert isinstance(first, DeviceEvent)
    assert isinstance(again, DeviceEvent)
    assert (first.repeat, again.repeat, first.token == again.token) == (False, True, True)
    old = data_frame(items.status_item(NOW_S - 7200, 80, stored=True), items.alarm_item("sos"), items.fix_item(1, 2))
    found = decode(old)
    assert {one.signal for one in found} >= {"help_button", "latitude", "battery"}
    assert all(one.stored and one.at_ns == (NOW_S - 7200) * SECOND for one in found)


def test_a_frame_may_hold_many_records() -> None:
    codec = MinifinderCodec("pendant")
    found = decode(
        data_frame(
            items.status_item(NOW_S - 20, 70, stored=True),
            items.fix_item(31.0, 121.0),
            items.status_item(NOW_S, 69, charging=True, moving=True, gsm=21),
            items.fix_item(-31.5, -121.5, hdop=0),
        ),
        codec,
    )
    places = [(one.value, one.quality, one.stored) for one in found if one.signal == "latitude"]  # type: ignore[union-attr]
    assert places == [(31.0, Quality.GOOD, True), (-31.5, Quality.POOR, False)]
    assert [one.value for one in found if one.signal == "battery"] == [70, 69]  # type: ignore[union-attr]
    assert codec.notes[1].fields["gsm"] == 21
    assert codec.notes[1].fields["moving"] is True


def test_places_of_tags_and_beacons() -> None:
    degrees = {"latitude": 310_000_000, "longitude": 1_210_000_000}
    tag = {"tag_low": 1, "tag_high": 2}
    for key, extra in (
        (items.TAG, tag),
        (items.BEACON, tag | {"beacon_flags": 0x80, "rssi": -60, "rssi_1m": -50}),
        (items.BEACON_FIX, tag | {"beacon_flags": 0, "rssi": -60}),
    ):
        found = values(decode(data_frame((key, items.LAYOUTS[key].encode(**degrees, **extra)))))
        assert found == {"latitude": 31.0, "longitude": 121.0}, key
    without = items.LAYOUTS[items.BEACON].encode(**degrees, **tag, beacon_flags=0, rssi=-60, rssi_1m=-50)
    assert decode(data_frame((items.BEACON, without))) == []


@pytest.mark.parametrize(
    ("key", "code", "signal", "value", "quality"),
    [
        (items.PULSE, 72, "heart_rate", 72, Quality.GOOD),
        (items.PULSE, 1, "heart_rate", None, Quality.NO_CONTACT),
        (items.PULSE, 255, "heart_rate", None, Quality.INVALID),
        (items.OXYGEN, 97, "spo2", 97, Quality.GOOD),
        (items.OXYGEN, 0, "spo2", None, Quality.NO_CONTACT),
    ],
)
def test_pulse_and_oxygen(key: int, code: int, signal: str, value: float | None, quality: Quality) -> None:
    (one,) = decode(data_frame((key, struct.pack("<IB", NOW_S, code))))
    assert isinstance(one, Reading)
    assert (one.signal, one.value, one.quality, one.at_ns) == (signal, value, quality, NOW_S * SECOND)


def test_battery_steps_and_barks() -> None:
    codec = MinifinderCodec("pendant")
    found = decode(
        data_frame(
            (items.BATTERY, struct.pack("<BH", 55, 3870)),
            (items.STEPS, struct.pack("<II", NOW_S, 1234)),
            (items.BARKS, struct.pack("<II", NOW_S, 0x8000_0005)),
            (0x22, b"\xd5123456"),
        ),
        codec,
    )
    assert values(found) == {"battery": 55, "battery_voltage": 3870, "steps": 1234}
    note = codec.notes[0].fields
    assert (note["barks"], note["bark_stop"], note["unread"]) == (5, True, ["22"])


def test_answers() -> None:
    codec = MinifinderCodec("pendant")
    decode(data_frame(items.status_item(NOW_S, 80), index=77), codec)
    assert codec.answers() == frames.encode(frames.RESPONSE, [(0, b"")], 77) == bytes.fromhex("ab00030008c74d007f0100")
    decode(data_frame(items.status_item(NOW_S, 80), flags=0), codec)
    assert codec.answers() == b""
    wanted = [items.imei_item(IMEI), (items.TIME_SERVICE, b""), (0x22, b"1234567"), (0x10, b"\x5a")]
    found = decode(frames.encode(frames.SERVICES, wanted, 5, 0x10), codec)
    assert values(found)["online"] is True
    answer = MinifinderCodec("server")
    answer.feed(codec.answers(), NOW)
    note = answer.notes[0].fields
    assert (note["type"], note["index"], note["services"]) == (frames.SERVICES, 5, [0x12, 0x22])


def test_settings_and_responses_become_notes() -> None:
    codec = MinifinderCodec("pendant")
    for kind in (frames.CONFIGURATION, frames.CONTROL, frames.RESPONSE, 0x66):
        assert decode(frames.encode(kind, [(0x04, b"8946")]), codec) == []
    assert [note.kind for note in codec.notes] == ["setting", "setting", "ack", "unknown"]
    assert codec.notes[0].fields["items"] == {"04": b"8946".hex()}


def test_whose_stream_it_is() -> None:
    codec = MinifinderCodec("pendant", {"identity": IMEI})
    decode(frames.encode(frames.DATA, [items.imei_item("111111111111111"), items.alarm_item("sos")]), codec)
    assert codec.health.rejected == {"identity": 1}
    assert not codec.stated_id
    assert decode(frames.encode(frames.DATA, [items.alarm_item("sos")]), codec)  # later frames need not repeat it
    decode(data_frame(), codec)
    assert codec.stated_id == IMEI
    assert codec.on_open() == b""


def test_commands_and_what_cannot_be_encoded() -> None:
    codec = MinifinderCodec("pendant")
    assert codec.command("settings") == frames.encode(frames.CONFIGURATION, [(0xF0, b"")], 1)
    with pytest.raises(UnknownCommandError, match="find"):
        codec.command("find")
    with pytest.raises(ValueError, match="at most 254"):
        frames.encode(frames.DATA, [(1, bytes(255))])
    with pytest.raises(ValueError, match="at most 2040"):
        frames.encode(frames.DATA, [(1, bytes(250))] * 9)


def test_what_is_no_frame_is_not_waited_for() -> None:
    codec = MinifinderCodec("pendant")
    too_long = bytes.fromhex("ab10ffff00000000")
    overrun = bytes.fromhex("ab1010000000000001ff")
    found = decode(too_long + overrun + data_frame(items.status_item(NOW_S, 80)), codec)
    assert values(found)["battery"] == 80
    assert codec.health.rejected == {"length": 1, "structure": 1}


record_items = st.one_of(
    st.builds(
        items.status_item,
        st.integers(1_600_000_000, NOW_S),
        st.integers(0, 100),
        stored=st.booleans(),
        charging=st.booleans(),
        moving=st.booleans(),
        gsm=st.integers(0, 31),
    ),
    st.builds(
        items.fix_item,
        st.integers(-90_000, 90_000).map(lambda n: n / 1000),
        st.integers(-180_000, 180_000).map(lambda n: n / 1000),
        hdop=st.integers(0, 99),
    ),
    st.lists(st.sampled_from(["sos", "fall", "bark"]), max_size=3).map(lambda words: items.alarm_item(*words)),
    st.tuples(st.integers(0, 255), st.binary(max_size=40)),
)


@given(st.integers(0, 255), st.integers(0, 65_535), st.integers(0, 255), st.lists(record_items, max_size=8))
def test_parse_inverts_encode(kind: int, index: int, flags: int, found: list[Item]) -> None:
    whole = frames.encode(kind, found, index, flags)
    codec = MinifinderCodec("pendant")
    codec.feed(whole, NOW)
    assert codec.health.frames == 1
    assert frames.parse(whole) == frames.Frame(flags, index, kind, tuple(found))


@given(st.sampled_from(sorted(items.LAYOUTS)), st.randoms(use_true_random=False))
def test_layouts_are_inverted(key: int, rng: random.Random) -> None:
    layout = items.LAYOUTS[key]
    raw = rng.randbytes(struct.calcsize(layout.form))
    fields = layout.decode(raw)
    assert fields is not None
    assert layout.encode(**fields) == raw
    assert layout.decode(raw[:-1]) is None


def traffic(rng: random.Random, count: int) -> list[bytes]:
    makers = [
        lambda: data_frame(items.status_item(NOW_S, rng.randrange(101)), items.fix_item(31.2, rng.uniform(121, 122))),
        lambda: data_frame(items.status_item(NOW_S, 90), items.alarm_item("sos", time_s=NOW_S)),
        lambda: data_frame((items.PULSE, struct.pack("<IB", NOW_S, rng.randrange(50, 120)))),
        lambda: frames.encode(frames.SERVICES, [items.imei_item(IMEI), (0x12, b"")], rng.randrange(65_536), 0x10),
    ]
    return [rng.choice(makers)() for _ in range(count)]


def make() -> MinifinderCodec:
    return MinifinderCodec("pendant")


def test_chunking_gives_the_same_in_clean_and_noisy_streams() -> None:
    rng = random.Random(7)
    clean = b"".join(traffic(rng, 150))
    for data in (clean, noisy(rng, clean), bytes.fromhex(BATCH) * 3):
        check_chunks(make, data)


@pytest.mark.parametrize("kind", ["loss", "flip", "duplicate"])
def test_one_spoiled_byte_gives_no_wrong_value(kind: str) -> None:
    rng = random.Random(13)
    for _ in range(300):
        before, spoiled, after = traffic(rng, 3)
        at = rng.randrange(len(spoiled))
        byte = bytes((spoiled[at] ^ (1 << rng.randrange(8)),))
        middle = {"loss": b"", "flip": byte, "duplicate": spoiled[at : at + 1] * 2}[kind]
        damaged = spoiled[:at] + middle + spoiled[at + 1 :]
        found = [one[:2] for one in signature(decode(before + damaged + after + data_frame() * 60))]
        allowed = [one[:2] for frame in (before, spoiled, after) for one in signature(decode(frame))]
        remaining = iter(allowed)
        assert all(one in remaining for one in found), damaged.hex(" ")


def test_one_fault_costs_one_frame() -> None:
    """After noise the next whole frame is found, once what the noise had begun is given up (at most 2 kB)."""
    padding = data_frame(items.status_item(NOW_S, 80)) * 60
    rng = random.Random(3)
    for _ in range(60):
        codec = make()
        codec.feed(rng.randbytes(300) + padding, NOW)
        before = codec.health.frames
        codec.feed(data_frame(items.alarm_item("sos")), NOW)
        assert codec.health.frames == before + 1


def test_driver_is_found_and_names_only_known_signals() -> None:
    assert find_driver("minifinder") is find_driver("minifinder2") is find_driver("eview") is DRIVER
    assert set(DRIVER.signals) <= set(SIGNALS)
    assert DRIVER.stream is not None
    assert isinstance(DRIVER.stream("p", {}), MinifinderCodec)
