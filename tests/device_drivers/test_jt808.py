"""JT/T 808: real frames, both headers, alarm bits, batches, makers' items, answers, noise."""

from __future__ import annotations

import json
import random
import struct
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stream_checks import NOW, SECOND, check_chunks, facts, noisy

from device_drivers.codec import UnknownCommandError
from device_drivers.jt808 import DRIVER, Jt808Codec
from device_drivers.jt808 import location as locations
from device_drivers.jt808.frames import Frame, encode, luhn, phone
from device_drivers.jt808.location import Location
from device_drivers.observations import DeviceEvent, Observation, Quality, Reading
from device_drivers.registry import find_driver
from device_drivers.signals import SIGNALS

if TYPE_CHECKING:
    from pathlib import Path

NUMBER = "013912345678"
SOS = (
    "7e0200001c0139123456780001000000010000000201dc89d0073d8aa5000c00000000261121163000817e",
    {"id": NUMBER, "alarm": ["sos"], "help_button": True, "latitude": 31.230416, "longitude": 121.473701},
)
REAL: list[tuple[str, dict[str, Any]]] = [
    (
        (
            "7e02000048051160004464000d00000000000c00020159885e06cbf34400000000000020080718072201040000000130011c310109e4020063e5"
            "0100e60100e7080000000000000000ee0a01cc01262c009a6743001e7e"
        ),
        {"id": "051160004464", "latitude": 22.64483, "longitude": 114.02938, "battery": 99, "gsm": 28, "satellites": 9},
    ),
    (
        (
            "7e0704402d0100000866496077582164881d0001000028000000000000000701a00192091f2a4700160000000226050916422701040000258230"
            "010031010e507e"
        ),
        {"id": "866496077582164", "version": 1, "satellites": 14, "device_time": "2026-05-09T08:42:27+00:00"},
    ),
    (
        (
            "7e020000530095900689830016000000000000000b00a2394803a925f800000000000025112411514701040000003e300115310113eb29000c00b2"
            "8988228066613427450900060089ffffffff000600c5ffffffef0004002d0fa5000300a85c657e"
        ),
        {"id": "009590068983", "battery": 92, "battery_voltage": 4005, "longitude": -61.416952},
    ),
    (
        (
            "7e02000033017051564189000c00000000000c00020158ff7206cd1f4c000000000123201122115639010400000000300143310114930100e306"
            "0064019a0000557e"
        ),
        {"battery": 100, "battery_voltage": 4100},
    ),
    (
        (
            "7e0200002f017028775424038d000000000000000a0189dbeb04ca653a00000012014723040700074401040000000030011b31010ee1012dea02"
            "0001dc7e"
        ),
        {"battery": 45, "longitude": -80.373050},
    ),
    (
        (
            "7e0100405c010000086649607758216452180000000000000000000000000000004d4433303000000000000000000000000000000000000000000"
            "00000000038363634393630373735383231363400000000000000000000000000000004000000000000000000000000000000007a7e"
        ),
        {"msg": "0100", "version_flag": True, "model": "MD300", "terminal": "866496077582164"},
    ),
]
"""Frames of real devices (Traccar's tests, Apache-2.0)."""


def decode(data: bytes, codec: Jt808Codec | None = None, now_ns: int = NOW) -> list[Observation]:
    return (codec or Jt808Codec("terminal")).feed(data, now_ns)


def frame(message: int, body: bytes = b"", serial: int = 1, version: int | None = None) -> bytes:
    return encode(Frame(message, phone(NUMBER, 6 if version is None else 10), serial, body, version))


def report(**fields: Any) -> bytes:
    made = {"status": 2, "latitude": 31.23, "longitude": 121.47, "device_ns": NOW // SECOND * SECOND} | fields
    return frame(0x0200, locations.encode(Location(**made)))


def values(found: list[Observation]) -> dict[str, Any]:
    return {one.signal: one.value for one in found if isinstance(one, Reading | DeviceEvent)}


@pytest.mark.parametrize(("text", "expected"), [SOS, *REAL])
def test_own_vectors(text: str, expected: dict[str, Any]) -> None:
    codec = Jt808Codec("terminal")
    found = facts(codec, bytes.fromhex(text))
    assert expected.items() <= found.items()
    assert not codec.rejections


def test_reference_vectors(protocols_folder: Path) -> None:
    names = {"lat": "latitude", "lon": "longitude"}
    vectors = json.loads((protocols_folder / "vectors.json").read_text(encoding="utf-8"))
    ours = [vector for vector in vectors if vector["family"] == "jt808"]
    assert len(ours) >= 3
    for vector in ours:
        codec = Jt808Codec("terminal")
        found = facts(codec, bytes.fromhex(vector["data"]))
        expected = {names.get(name, name): value for name, value in vector["decoded"].items()}
        if "alarm" in expected:
            assert found["alarm"] == [expected.pop("alarm")]
        assert expected.items() <= found.items(), vector
        assert not codec.rejections


@pytest.mark.parametrize(
    ("bit", "word", "signal", "value"),
    [
        (0, "sos", "help_button", True),
        (7, "low_battery", "battery_low", True),
        (20, "fence", "fence", "crossed"),
        (29, "collision", None, None),
        (1, "overspeed", None, None),
        (13, "bit_13", None, None),
    ],
)
def test_every_alarm_bit(bit: int, word: str, signal: str | None, value: Any) -> None:
    codec = Jt808Codec("terminal")
    found = values(decode(report(alarm=1 << bit), codec))
    assert codec.notes[0].fields["alarm"] == [word]
    assert {name for name, one in found.items() if one is True or isinstance(one, str)} == ({signal} - {None})
    assert signal is None or found[signal] == value


def test_a_call_that_stays_set_is_one_call() -> None:
    codec = Jt808Codec("terminal")

    def repeats(alarm: int, at: int) -> list[bool]:
        found = decode(report(alarm=alarm, device_ns=NOW + at * SECOND), codec, NOW + at * SECOND)
        return [one.repeat for one in found if isinstance(one, DeviceEvent) and one.signal == "help_button"]

    assert [repeats(alarm, at * 30) for at, alarm in enumerate((1, 1, 0, 1))] == [[False], [True], [], [False]]


def test_batches_and_what_was_kept_out_of_reach() -> None:
    bodies = [
        locations.encode(Location(alarm=1, status=2, latitude=31.0, longitude=121.0, device_ns=NOW - at * SECOND))
        for at in (7200, 3600)
    ]
    listed = b"".join(struct.pack(">H", len(body)) + body for body in bodies)
    for kind, stored in ((0, False), (1, True)):
        codec = Jt808Codec("terminal")
        found = decode(frame(0x0704, struct.pack(">HB", 2, kind) + listed), codec)
        calls = [one for one in found if one.signal == "help_button"]
        assert [(one.stored, (NOW - one.at_ns) // SECOND) for one in calls] == [(stored, 7200), (stored, 3600)]
        assert len(codec.notes) == 2
    codec = Jt808Codec("terminal")
    decode(frame(0x0704, b"\0\x01\0\0\x05abc"), codec)
    decode(frame(0x0704, b""), codec)
    assert codec.health.rejected == {"location": 1}


def test_times_are_gmt_8_and_impossible_ones_are_not_believed() -> None:
    body = bytearray(locations.encode(Location(status=2, latitude=1, longitude=1, device_ns=NOW)))
    assert locations.parse(bytes(body)).device_ns == NOW // SECOND * SECOND
    for clock in ("000000000000", "ffffffffffff", "269921163000"):
        body[22:28] = bytes.fromhex(clock)
        found = decode(frame(0x0200, bytes(body)))
        assert all(one.at_ns == NOW for one in found)


def test_places() -> None:
    found = decode(report(latitude=-33.5, longitude=-70.25))
    assert (values(found)["latitude"], values(found)["longitude"]) == (-33.5, -70.25)
    old = [one for one in decode(report(status=0)) if one.signal == "latitude"]
    assert [(one.value, one.quality) for one in old] == [(31.23, Quality.POOR)]  # type: ignore[union-attr]
    assert values(decode(report(status=0, latitude=0, longitude=0)))["latitude"] is None
    assert "latitude" not in values(decode(report(), Jt808Codec("terminal", {"positions": "alarms"})))
    assert "latitude" in values(decode(report(alarm=1), Jt808Codec("terminal", {"positions": "alarms"})))


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ({0xE4: b"\x01\x50"}, {"battery": 80}),
        ({0xE4: b"\x01\xf0"}, {}),
        ({0xE4: b"\x50"}, {}),
        ({0xE3: b"\0\x64\x01\x9a\0\0"}, {"battery": 100, "battery_voltage": 4100}),
        ({0xD4: b"\x2d"}, {"battery": 45}),
        ({0xE9: b"\xff"}, {"charging": True}),
        ({0x06: b"\x3e"}, {"battery": 62}),
        ({0xEB: bytes.fromhex("0004002d0fa5000300a85c")}, {"battery": 92, "battery_voltage": 4005}),
        ({0xEB: bytes.fromhex("0001")}, {}),
        ({0xEB: bytes.fromhex("00010000")}, {}),
        ({0x77: b"\x01\x02"}, {}),
    ],
)
def test_battery_items_of_makers(items: dict[int, bytes], expected: dict[str, Any]) -> None:
    codec = Jt808Codec("terminal")
    found = values(decode(report(items=items), codec))
    power = {name: found[name] for name in ("battery", "battery_voltage", "charging") if name in found}
    assert power == expected
    assert codec.notes[0].fields["items"] == {f"{key:02x}": value.hex() for key, value in items.items()}


def test_items_that_an_option_names() -> None:
    codec = Jt808Codec("terminal", {"items": {"F1": "heart_rate", "f2": "fall"}})
    found = decode(report(items={0xF1: b"\x48", 0xF2: b"\x01"}), codec)
    assert values(found)["heart_rate"] == 72
    assert values(found)["fall"] is True
    absent = decode(report(items={0xF1: b"\0", 0xF2: b"\0"}), codec)
    assert "fall" not in values(absent)
    (pulse,) = [one for one in absent if one.signal == "heart_rate"]
    assert (pulse.value, pulse.quality) == (None, Quality.INVALID)  # type: ignore[union-attr]
    assert "heart_rate" not in values(decode(report(items={0xF1: b"\0" * 5}), codec))
    for wrong in ({"F1": "nothing"}, {"F1": "accel"}, {"F1": "posture"}, {"xy": "fall"}, "F1"):
        with pytest.raises(ValueError, match="items"):
            Jt808Codec("terminal", {"items": wrong})


def test_answers() -> None:
    codec = Jt808Codec("terminal")

    def answer(data: bytes) -> list[Frame]:
        decode(data, codec)
        return Jt808Codec("server")._framer.feed(codec.answers())

    (said,) = answer(frame(0x0002, serial=7))
    assert (said.message, said.id, said.body) == (0x8001, NUMBER, struct.pack(">HHB", 7, 0x0002, 0))
    (said,) = answer(frame(0x0100, bytes(37), serial=9))
    assert (said.message, said.body) == (0x8100, struct.pack(">HB", 9, 0) + NUMBER.encode())
    (said,) = answer(frame(0x0102, b"token", serial=10, version=1))
    assert (said.message, said.version, said.id, said.serial) == (0x8001, 1, NUMBER.lstrip("0"), 3)
    (said,) = answer(report(alarm=1))
    assert said.body[2:4] == b"\x02\x00"
    (said,) = answer(frame(0x0109))
    assert struct.unpack(">H5BB", said.body) == (2026, 9, 21, 14, 13, 20, 0)
    assert answer(frame(0x0001, b"\0\x01\x82\x01\0")) == []
    assert [note.kind for note in codec.notes] == ["heartbeat", "identity", "identity", "report", "query", "ack"]


def test_unknown_messages_and_parts_are_told_and_answered() -> None:
    codec = Jt808Codec("terminal")
    assert decode(frame(0x0900, b"abc"), codec) == []
    assert decode(encode(Frame(0x0801, phone(NUMBER), 1, b"x", None, (2, 5))), codec) == []
    assert decode(frame(0x0200, b"short"), codec) == []
    assert decode(frame(0x0201, b"\0\x01" + locations.encode(Location(status=2, latitude=1))), codec)
    assert [note.kind for note in codec.notes] == ["unknown", "report", "report"]
    assert codec.notes[1].fields["part"] == [2, 5]
    assert codec.health.rejected == {"location": 1}


def test_whose_stream_it_is() -> None:
    codec = Jt808Codec("terminal", {"identity": "13912345678"})
    assert decode(report(), codec)
    assert codec.stated_id == NUMBER
    other = encode(Frame(0x0002, phone("999"), 1, b""))
    assert decode(other, codec) == []
    assert codec.health.rejected == {"identity": 1}
    binary = Frame(0x0002, bytes.fromhex("0316b0a3be2f"), 1, b"")
    imei = str(int.from_bytes(binary.phone, "big"))
    assert binary.id == imei + str(luhn(int(imei)))
    assert luhn(49015420323751) == 8


def test_commands() -> None:
    codec = Jt808Codec("terminal")
    with pytest.raises(ValueError, match="not been heard"):
        codec.command("locate")
    decode(report(), codec)
    locate, interval = Jt808Codec("server")._framer.feed(codec.command("locate") + codec.command("interval", 60))
    assert (locate.message, locate.body) == (0x8201, b"")
    assert (interval.message, interval.body) == (0x8103, bytes.fromhex("01 00000029 04 0000003c"))
    with pytest.raises(UnknownCommandError):
        codec.command("find")
    for wrong in (None, 5, "60", 0.5):
        with pytest.raises(ValueError, match="whole number"):
            codec.command("interval", wrong)


def test_what_is_wrong_is_said() -> None:
    whole = report()
    for spoiled, reason in (
        (whole[:20] + bytes((whole[20] ^ 1,)) + whole[21:], "checksum"),
        (b"\x7e\x01\x02\x7e", "length"),
        (whole[:10] + b"\x7d\x05" + whole[12:], "escape"),
    ):
        codec = Jt808Codec("terminal")
        assert decode(spoiled, codec) == []
        assert codec.health.rejected == {reason: 1}
        assert codec.rejections[0].raw == spoiled
    for bad in (Frame(1, b"123", 1, b""), Frame(1, phone("1"), 1, bytes(1024))):
        with pytest.raises(ValueError, match="too long"):
            encode(bad)
    with pytest.raises(ValueError, match="digits"):
        phone("1234567890123")


def test_a_lost_zero_is_found_by_the_length() -> None:
    whole = report(altitude_m=0)
    at = whole.index(b"\0\0\0", 20)
    codec = Jt808Codec("terminal")
    assert decode(whole[:at] + whole[at + 1 :], codec) == []
    assert codec.health.rejected == {"length": 1}


def test_an_endless_frame_is_given_up() -> None:
    codec = Jt808Codec("terminal")
    decode(b"\x7e" + b"x" * 10_000, codec)
    assert codec._framer.pending == 0
    assert codec.health.rejected == {"too_long": 1}
    assert decode(b"xxx\x7e" + report(), codec)


places = st.builds(
    Location,
    alarm=st.integers(0, 2**32 - 1),
    status=st.integers(0, 2**32 - 1).map(lambda n: n & ~0xC),
    latitude=st.integers(0, 90_000_000).map(lambda n: n / 1e6),
    longitude=st.integers(0, 180_000_000).map(lambda n: n / 1e6),
    altitude_m=st.integers(-500, 9_000),
    speed_km_h=st.integers(0, 3_000).map(lambda n: n / 10),
    course_deg=st.integers(0, 359),
    device_ns=st.none() | st.integers(946_700_000, 3_000_000_000).map(lambda n: n * SECOND),
    items=st.dictionaries(st.integers(0, 255), st.binary(max_size=20), max_size=5),
)


@given(places)
def test_location_is_inverted(place: Location) -> None:
    assert locations.parse(locations.encode(place)) == place


frames_made = st.builds(
    Frame,
    st.integers(0, 0xFFFF),
    st.binary(min_size=6, max_size=6),
    st.integers(0, 0xFFFF),
    st.binary(max_size=300),
    st.none(),
    st.none() | st.tuples(st.integers(0, 9), st.integers(0, 9)),
) | st.builds(
    Frame,
    st.integers(0, 0xFFFF),
    st.binary(min_size=10, max_size=10),
    st.integers(0, 0xFFFF),
    st.binary(max_size=300),
    st.integers(0, 255),
)


@given(st.lists(frames_made, max_size=5))
def test_frames_are_inverted(made: list[Frame]) -> None:
    codec = Jt808Codec("terminal")
    assert codec._framer.feed(b"".join(map(encode, made))) == made
    codec.feed(b"".join(map(encode, made)), NOW)


def traffic(rng: random.Random, count: int) -> list[bytes]:
    makers = [
        lambda: report(longitude=rng.randrange(100, 130) + 0.5, items={0xE4: bytes((1, rng.randrange(101)))}),
        lambda: report(alarm=1, device_ns=NOW),
        lambda: frame(0x0002, serial=rng.randrange(65_536)),
        lambda: frame(0x0102, b"token\x7e\x7d", version=1),
    ]
    return [rng.choice(makers)() for _ in range(count)]


def make() -> Jt808Codec:
    return Jt808Codec("terminal")


def test_chunking_gives_the_same_in_clean_and_noisy_streams() -> None:
    rng = random.Random(7)
    clean = b"".join(traffic(rng, 150))
    for data in (clean, noisy(rng, clean)):
        check_chunks(make, data)


@pytest.mark.parametrize("kind", ["flip", "loss", "duplicate"])
def test_one_spoiled_byte_gives_no_wrong_value(kind: str) -> None:
    rng = random.Random(13)
    for _ in range(1000):
        before, spoiled, after = traffic(rng, 3)
        at = rng.randrange(len(spoiled))
        byte = bytes((spoiled[at] ^ (1 << rng.randrange(8)),))
        middle = {"loss": b"", "flip": byte, "duplicate": spoiled[at : at + 1] * 2}[kind]
        damaged = spoiled[:at] + middle + spoiled[at + 1 :]
        found = [(one.signal, one.value) for one in decode(before + damaged + after + report(alarm=1))]  # type: ignore[union-attr]
        sent = [(one.signal, one.value) for f in (before, spoiled, after, report(alarm=1)) for one in decode(f)]  # type: ignore[union-attr]
        remaining = iter(sent)
        assert all(one in remaining for one in found), damaged.hex(" ")
        assert ("help_button", True) in found


def test_driver_is_found_and_names_only_known_signals() -> None:
    assert find_driver("jt808") is find_driver("jt_t_808") is DRIVER
    assert set(DRIVER.signals) <= set(SIGNALS)
    assert DRIVER.stream is not None
    assert isinstance(DRIVER.stream("t", {}), Jt808Codec)
