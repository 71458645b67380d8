"""Watches of the [3G*] family: real frames, every column and bit, answers, commands, stored history, noise."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stream_checks import NOW, SECOND, check_chunks, noisy, signature

from device_drivers.codec import UnknownCommandError
from device_drivers.framing import Bad
from device_drivers.observations import DeviceEvent, Observation, Quality, Reading
from device_drivers.registry import find_driver
from device_drivers.signals import SIGNALS
from device_drivers.watch_3g import DRIVER, Watch3GCodec, commands, frames
from device_drivers.watch_3g.position import Position, encode, parse, wifi_missing

if TYPE_CHECKING:
    from pathlib import Path

VECTOR_NAMES = {
    "temp_c": "body_temperature",
    "sys": "systolic_pressure",
    "dia": "diastolic_pressure",
    "hr": "heart_rate",
    "lat": "latitude",
    "lon": "longitude",
}
REAL = (
    "[3G*2104326058*00E9*UD_LTE,300621,135101,A,32.162652,N,34.888748,E,30.84,265.158,65.621,18,100,83,0,0,00000000,1,1,"
    "425,01,10223,8012811,100,3,ES4104,22:74:1d:39:64:ff,-46,metropoline-wifi,a8:3f:a1:e0:66:ba,-89,Egged.co.il,"
    "00:0c:42:51:cf:cd,-81,1.7055488]"
)
"""A real frame of a 4G watch (Traccar's tests, Apache-2.0)."""


def decode(text: str | bytes, codec: Watch3GCodec | None = None, now_ns: int = NOW) -> list[Observation]:
    raw = text.encode("latin-1") if isinstance(text, str) else text
    return (codec or Watch3GCodec("watch")).feed(raw, now_ns)


def frame(content: str, maker: str = "3G") -> bytes:
    return frames.encode(maker, "9032074659", content)


def values(found: list[Observation]) -> dict[str, Any]:
    return {one.signal: one.value for one in found if isinstance(one, Reading | DeviceEvent)}


def events(found: list[Observation], signal: str) -> list[DeviceEvent]:
    return [one for one in found if isinstance(one, DeviceEvent) and one.signal == signal]


def record(status: int, now_ns: int = NOW, **more: Any) -> str:
    made = {"fixed": True, "latitude": 31.23, "longitude": 121.47, "battery": 80, "steps": 5, "rolls": 0} | more
    return encode(Position(device_ns=now_ns // SECOND * SECOND, status=status, **made))


def test_reference_vectors(protocols_folder: Path) -> None:
    vectors = json.loads((protocols_folder / "vectors.json").read_text(encoding="utf-8"))
    ours = [vector for vector in vectors if vector["family"] == "watch_3g"]
    assert len(ours) >= 13
    for vector in ours:
        codec = Watch3GCodec("watch")
        said = dict(vector["decoded"])
        found = values(decode(vector["data"], codec))
        note = dict(codec.notes[0].fields)
        if said.pop("alarm", None) == "removed":
            assert found["worn"] is False
            assert note["alarm"] == ["removed"]
        expected = {VECTOR_NAMES.get(name, name): value for name, value in said.items()}
        assert expected.items() <= (note | found).items(), vector
        assert not codec.rejections
        if "reply" in said:
            assert codec.answers().decode() == said["reply"]


def test_a_real_position_frame() -> None:
    codec = Watch3GCodec("watch")
    found = values(decode(REAL, codec))
    assert found == {
        "battery_low": False,
        "latitude": 32.162652,
        "longitude": 34.888748,
        "steps": 0,
        "battery": 83,
    }
    note = codec.notes[0].fields
    assert (note["type"], note["wifi"], note["cells"], note["satellites"], note["gsm"]) == ("UD_LTE", 3, 1, 18, 100)
    assert note["device_time"] == "2021-06-30T13:51:01+00:00"
    assert "length_mismatch" not in note
    assert "ES4104" not in json.dumps(note)


@pytest.mark.parametrize(
    ("columns", "place"),
    [
        ("A,51.5,N,003.190249,E", (51.5, 3.190249)),
        ("A,22.57,N, 113.86,E", (22.57, 113.86)),
        ("V,16.479064,S,68.119072,", (-16.479064, 68.119072)),
        ("V,-33.480366,N,-70.7630692,E", (-33.480366, -70.7630692)),
        ("A,38.0,N,-9.0,W", (38.0, -9.0)),
        ("V,00.000000,N,000.000000,E", (None, None)),
        ("V,,N,,E", (None, None)),
        ("A,91.0,N,10.0,E", (None, 10.0)),
        ("A,abc,N,10.0,E", (None, None)),
    ],
)
def test_degrees_as_real_watches_write_them(columns: str, place: tuple[float | None, float | None]) -> None:
    found = decode(frame(f"UD,080123,131944,{columns},0,0,7,9,64,90,0,0,00000008,0,0"))
    here = {one.signal: one for one in found if isinstance(one, Reading)}
    assert (here["latitude"].value, here["longitude"].value) == place
    if None not in place:
        assert here["latitude"].quality is (Quality.GOOD if columns.startswith("A") else Quality.POOR)


@pytest.mark.parametrize(
    ("status", "signal", "value"),
    [
        (0x00010000, "help_button", True),
        (0x00200000, "fall", True),
        (0x00400000, "fall", True),
        (0x00100000, "worn", False),
        (0x00020000, "battery_low", True),
        (0x00000001, "battery_low", True),
        (0x00040000, "fence", "out"),
        (0x00000002, "fence", "out"),
        (0x00080000, "fence", "in"),
        (0x00000004, "fence", "in"),
        (0x00004000, "charging", False),
    ],
)
def test_every_status_bit(status: int, signal: str, value: bool | str) -> None:
    codec = Watch3GCodec("watch")
    found = decode(frame("AL_LTE," + record(status)), codec)
    (one,) = events(found, signal)
    assert (one.value, one.stored, one.repeat, one.at_ns) == (value, False, False, NOW)
    assert codec.answers() == b"[3G*9032074659*0002*AL]"
    assert not events(found, "help_button") or signal == "help_button"


def test_an_alarm_without_a_reason_calls_for_help_and_says_so() -> None:
    (one,) = events(decode(frame("AL," + record(0x8))), "help_button")
    assert (one.value, one.quality) == (True, Quality.POOR)
    silent = Watch3GCodec("watch", {"unexplained_alarm": False})
    assert events(decode(frame("AL," + record(0x8)), silent), "help_button") == []
    # Mangled beyond reading: still an alarm, and answered.
    codec = Watch3GCodec("watch")
    assert events(decode(frame("AL,garbage"), codec), "help_button")
    assert (codec.health.rejected, codec.answers()) == ({"position": 1}, b"[3G*9032074659*0002*AL]")


def test_an_alarm_that_is_sent_again_is_one_event() -> None:
    codec = Watch3GCodec("watch")
    first, again, later = (
        events(decode(frame("AL," + record(0x10000, at)), codec, now), "help_button")[0]
        for at, now in ((NOW, NOW), (NOW, NOW + 9 * SECOND), (NOW + 20 * SECOND, NOW + 20 * SECOND))
    )
    assert (first.repeat, again.repeat, later.repeat) == (False, True, False)
    assert first.token == again.token != later.token


def test_without_a_clock_only_a_quick_repetition_is_the_same_alarm() -> None:
    codec = Watch3GCodec("watch")
    content = frame("AL," + record(0x10000, 946_684_800 * SECOND))  # 2000-01-01: never set
    found = [events(decode(content, codec, NOW + at * SECOND), "help_button")[0] for at in (0, 10, 60)]
    assert [one.repeat for one in found] == [False, True, False]
    assert [(one.at_ns - NOW, one.token) for one in found] == [(0, None), (10 * SECOND, None), (60 * SECOND, None)]


def test_many_alarms_are_remembered_within_bounds() -> None:
    codec = Watch3GCodec("watch")
    for at in range(300):
        decode(frame("AL," + record(0x10000, NOW + at * SECOND)), codec, NOW + at * SECOND)
    assert len(codec._told) <= 64


def test_an_alarm_bit_that_stays_in_later_reports_is_a_repeat() -> None:
    codec = Watch3GCodec("watch")

    def report(kind: str, status: int, at: int) -> list[bool]:
        return [one.repeat for one in events(decode(frame(f"{kind},{record(status, at)}"), codec, at), "help_button")]

    assert report("AL", 0x10000, NOW) == [False]
    assert report("UD", 0x10000, NOW + 60 * SECOND) == [True]
    assert report("UD", 0, NOW + 120 * SECOND) == []
    assert report("UD", 0x10000, NOW + 180 * SECOND) == [False]


def test_what_the_watch_had_stored_is_history() -> None:
    codec = Watch3GCodec("watch")
    hour_ago = NOW - 3600 * SECOND
    found = decode(frame("UD2," + record(0x00310000, hour_ago)), codec)
    assert {one.signal for one in found} >= {"help_button", "fall", "worn", "latitude", "battery"}
    assert all(one.stored and one.at_ns == hour_ago for one in found)
    # ... and leaves no trace in what is known now.
    assert [one.repeat for one in events(decode(frame("UD," + record(0x10000)), codec), "help_button")] == [False]
    (old,) = events(decode(frame("UD2," + record(0x10000, NOW - 30 * 86_400 * SECOND))), "help_button")
    assert old.at_ns == NOW - 30 * 86_400 * SECOND


def test_a_model_that_sends_sos_when_unplugged() -> None:
    content = frame("AL," + record(0x14000))
    assert events(decode(content), "help_button")[0].quality is Quality.GOOD
    (one,) = events(decode(content, Watch3GCodec("watch", {"unplug_sends_sos": True})), "help_button")
    assert (one.value, one.quality) == (True, Quality.POOR)


def test_positions_can_be_held_back() -> None:
    for choice, plain, alarmed in (("all", True, True), ("alarms", False, True), ("none", False, False)):
        codec = Watch3GCodec("watch", {"positions": choice})
        assert ("latitude" in values(decode(frame("UD," + record(0)), codec))) is plain
        assert ("latitude" in values(decode(frame("AL," + record(0x10000)), codec))) is alarmed
        assert "31.23" not in json.dumps([dict(note.fields) for note in codec.notes])
    with pytest.raises(ValueError, match="positions is 'some'"):
        Watch3GCodec("watch", {"positions": "some"})


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("heart,0", {"heart_rate": (None, Quality.NO_CONTACT)}),
        ("PULSE,255", {"heart_rate": (None, Quality.INVALID)}),
        ("PULSE,abc", {"heart_rate": (None, Quality.INVALID)}),
        ("PULSE,12", {"heart_rate": (None, Quality.OUT_OF_RANGE)}),
        ("HEART,66", {"heart_rate": (66, Quality.GOOD)}),
        (
            "BLOOD,0,0",
            {"systolic_pressure": (None, Quality.NO_CONTACT), "diastolic_pressure": (None, Quality.NO_CONTACT)},
        ),
        (
            "BP,130,80,70,1,2",
            {
                "systolic_pressure": (130, Quality.GOOD),
                "diastolic_pressure": (80, Quality.GOOD),
                "heart_rate": (70, Quality.GOOD),
            },
        ),
        ("TEMP,36.6", {"body_temperature": (36.6, Quality.GOOD)}),
        ("btemp2,0,36.6", {"body_temperature": (None, Quality.NO_CONTACT)}),
        ("btemp2,1,36.6", {"body_temperature": (36.6, Quality.GOOD)}),
        ("oxygen,0,0", {"spo2": (None, Quality.NO_CONTACT)}),
        ("oxygen,0,127", {"spo2": (None, Quality.OUT_OF_RANGE)}),
        ("OXYGEN,1,97", {"spo2": (97, Quality.GOOD)}),
        ("oxygen", {}),
        ("PULSE", {}),
    ],
)
def test_measurements_and_their_absence(content: str, expected: dict[str, tuple[float | None, Quality]]) -> None:
    found = decode(frame(content))
    assert {one.signal: (one.value, one.quality) for one in found if isinstance(one, Reading)} == expected


def test_heartbeats_say_that_it_lives_and_carry_steps_and_battery() -> None:
    codec = Watch3GCodec("watch")
    assert values(decode("[3G*4700186508*000B*LK,0,10,100]", codec)) == {"online": True, "steps": 0, "battery": 100}
    assert codec.answers() == b"[3G*4700186508*0002*LK]"
    assert codec.answers() == b""
    # Two fields: which is which is not known.
    assert values(decode("[SG*9081000548*0009*LK,0,100]")) == {"online": True}
    again = events(decode("[3G*4700186508*0002*LK]", codec), "online")
    assert again[0].repeat
    codec.answers()
    decode("[ZJ*357653059860416*0007*0004*INIT]", codec)
    assert codec.answers() == b"[ZJ*357653059860416*0007*0006*INIT,1]"


def test_worn_again_is_told_by_a_pulse_or_by_new_steps() -> None:
    codec = Watch3GCodec("watch")
    decode(frame("LK,100,0,90"), codec)
    assert values(decode(frame("AL," + record(0x100000, steps=100)), codec))["worn"] is False
    assert "worn" not in values(decode(frame("LK,100,0,90"), codec))
    assert values(decode(frame("LK,107,0,90"), codec))["worn"] is True
    decode(frame("AL," + record(0x100000, NOW + SECOND, steps=107)), codec, NOW + SECOND)
    assert values(decode(frame("heart,0"), codec)).keys() == {"heart_rate"}
    assert values(decode(frame("heart,70"), codec))["worn"] is True


@pytest.mark.parametrize(
    ("content", "kind", "reply"),
    [
        ("TKQ", "query", b"TKQ"),
        ("TKQ2", "query", b"TKQ2"),
        ("CCID,89882280666025486402", "identity", None),
        ("GS1,1,2", "identity", None),
        ("UPLOAD", "ack", None),
        ("JXTK,0,watch_7_2022,1,6,#!AMR", "report", b"JXTKR,1"),
        ("TK,#!AMR", "report", None),
        ("FUTURE,1,2", "unknown", None),
    ],
)
def test_what_is_no_observation_becomes_a_note(content: str, kind: str, reply: bytes | None) -> None:
    codec = Watch3GCodec("watch")
    assert decode(frame(content), codec) == []
    assert codec.notes[0].kind == kind
    sent = codec.answers()
    assert sent.endswith(b"*" + reply + b"]") if reply else sent == b""


def test_voice_with_escapes_and_pictures() -> None:
    codec = Watch3GCodec("watch")
    data = b"\x7d\x5b\x5d\x2c\x2a\xff"
    assert frames.unescape(frames.escape(data)) == data
    whole = frames.encode("CS", "1234567890", b"TK," + frames.escape(data))
    assert whole.count(b"]") == 1
    decode(whole + frame("LK"), codec)
    assert [note.fields["type"] for note in codec.notes] == ["TK", "LK"]
    assert codec.notes[0].fields["bytes"] == 3 + len(data)


# --- framing -------------------------------------------------------------------------------------------------------


def test_names_of_networks_may_hold_brackets_and_commas() -> None:
    content = "UD," + record(0).rsplit(",0,0", 1)[0] + ",0,2,ho]me,02:00:00:00:00:01,-60,a,[b]*,02:00:00:00:00:02,-61"
    codec = Watch3GCodec("watch")
    found = decode(frame(content) + frame("LK"), codec)
    assert [note.fields["type"] for note in codec.notes] == ["UD", "LK"]
    assert codec.notes[0].fields["wifi"] == 2
    assert values(found)["online"] is True
    assert not codec.health.skipped_bytes


def test_a_wrong_length_never_delays_or_loses_a_frame() -> None:
    for stated in ("0000", "0001", "00ff", "FFFF"):
        codec = Watch3GCodec("watch")
        whole = f"[3G*9032074659*{stated}*AL,{record(0x10000)}]"
        assert events(decode(whole, codec), "help_button"), stated
        assert codec.notes[0].fields["length_mismatch"][0] == int(stated, 16)


def test_a_frame_that_lost_its_end_does_not_take_the_next_one_with_it() -> None:
    codec = Watch3GCodec("watch")
    found = decode(frame("LK,1,2,3")[:-1] + frame("AL," + record(0x10000)), codec)
    assert events(found, "help_button")
    assert codec.health.rejected == {"truncated": 1}
    # A list of networks that is shorter than announced ends with the next frame at the latest.
    short = "UD," + record(0).rsplit(",0,0", 1)[0] + ",0,9,home]x,02:00:00:00:00:01,-60"
    codec = Watch3GCodec("watch")
    damaged = frame(short).replace(b"*00", b"*0f", 1)
    decode(damaged + frame("LK"), codec)
    assert [note.fields["type"] for note in codec.notes] == ["UD", "LK"]


@pytest.mark.parametrize(
    "junk", [b"[", b"[[", b"[3G", b"[3G*", b"[3G*123", b"[3G*9032074659*00", b"\r\n", b"]]", b"[!"]
)
def test_recovers_from_any_beginning(junk: bytes) -> None:
    codec = Watch3GCodec("watch")
    decode(junk + frame("PULSE,70") + frame("PULSE,71"), codec)
    assert codec.health.frames == 2


def test_an_endless_frame_is_given_up() -> None:
    codec = Watch3GCodec("watch")
    decode(b"[3G*9032074659*0004*TEST" + b"x" * 5_000 + frame("LK"), codec)
    assert codec.health.rejected["too_long"] >= 1
    assert codec.health.frames == 1
    assert codec._framer.pending < 4_096


def test_only_the_device_s_own_frames_count_where_it_is_known() -> None:
    codec = Watch3GCodec("watch", {"identity": "9032074659"})
    assert decode("[3G*1111111111*0002*LK]", codec) == []
    assert codec.rejections[0].detail == {"expected": "9032074659", "found": "1111111111"}
    assert codec.answers() == b""
    assert decode(frame("LK"), codec)
    assert codec.stated_id == "9032074659"


def test_the_frame_check_gives_one_verdict_whatever_follows() -> None:
    whole = frame("PULSE,70")
    for size in range(1, len(whole)):
        assert frames.SPEC.check(bytearray(whole[:size]), 0) == 0, size
    assert frames.SPEC.check(bytearray(whole + b"]]["), 0) == len(whole)
    assert isinstance(frames.SPEC.check(bytearray(b"[3G#"), 0), Bad)
    with pytest.raises(ValueError, match="no frame"):
        frames.parse(b"[3G")


# --- commands ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "content"),
    [
        ("locate", None, "CR"),
        ("interval", 60, "UPLOAD,60"),
        ("find", None, "FIND"),
        ("measure", None, "hrtstart,1"),
        ("message", "你好", "MESSAGE,4f60597d"),
        ("removal_alarm", 1, "REMOVE,1"),
        ("sos_number", "+8613800000000", "SOS1,+8613800000000"),
        ("time_zone", "1,8", "LZ,1,8"),
        ("restart", None, "RESET"),
    ],
)
def test_commands(name: str, value: str | float | None, content: str) -> None:
    codec = Watch3GCodec("watch")
    decode(frame("LK", "CS"), codec)
    assert codec.command(name, value) == frames.encode("CS", "9032074659", content)
    assert set(DRIVER.commands) == set(commands.COMMANDS)


def test_commands_go_out_as_the_watch_expects_them() -> None:
    codec = Watch3GCodec("watch")
    with pytest.raises(ValueError, match="not been heard"):
        codec.command("locate")
    decode(frame("LK"), codec)
    assert codec.command("locate") == b"[SG*9032074659*0002*CR]"
    decode("[ZJ*357653059860416*0007*0002*LK]", codec)
    assert codec.command("find") == b"[ZJ*357653059860416*0001*0004*FIND]"
    forced = Watch3GCodec("watch", {"command_maker": "3G"})
    decode(frame("LK"), forced)
    assert forced.command("find") == b"[3G*9032074659*0004*FIND]"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("locate", 1),
        ("interval", 5),
        ("interval", "60"),
        ("message", ""),
        ("message", 5),
        ("sos_number", "1]2"),
        ("time_zone", "x"),
        ("removal_alarm", 2),
    ],
)
def test_values_that_do_not_fit(name: str, value: str | float) -> None:
    codec = Watch3GCodec("watch")
    decode(frame("LK"), codec)
    with pytest.raises(ValueError, match=r"give|takes no value"):
        codec.command(name, value)
    with pytest.raises(UnknownCommandError, match="fly"):
        codec.command("fly")


# --- properties ----------------------------------------------------------------------------------------------------

positions = st.builds(
    Position,
    device_ns=st.integers(946_684_800, 3_000_000_000).map(lambda s: s * SECOND),
    fixed=st.booleans(),
    latitude=st.integers(-90_000_000, 90_000_000).map(lambda n: n / 1e6),
    longitude=st.integers(-180_000_000, 180_000_000).map(lambda n: n / 1e6),
    speed_km_h=st.integers(0, 2_000).map(lambda n: n / 10),
    course_deg=st.integers(0, 359).map(float),
    altitude_m=st.integers(-400, 8_000).map(float),
    satellites=st.integers(0, 40),
    gsm=st.integers(0, 100),
    battery=st.integers(0, 100),
    steps=st.none() | st.integers(0, 100_000),
    rolls=st.integers(0, 10_000),
    status=st.none() | st.integers(0, 0xFFFFFFFF),
    cells=st.integers(0, 7),
    wifi=st.integers(0, 6),
)


@given(positions)
def test_decode_inverts_encode(position: Position) -> None:
    year = datetime.fromtimestamp((position.device_ns or 0) / SECOND, UTC).year
    fields = encode(position).split(",")
    assert not wifi_missing(fields)
    found = parse(fields)
    if 2000 <= year < 2069:  # two digits of the year
        assert found == position


@given(st.lists(st.text(max_size=8), max_size=40))
def test_no_fields_whatever_they_are_raise(fields: list[str]) -> None:
    parse(fields)
    wifi_missing(fields)


def traffic(rng: random.Random, count: int) -> list[bytes]:
    makers = [
        lambda: frame(f"LK,{rng.randrange(9000)},0,{rng.randrange(101)}"),
        lambda: frame(f"heart,{rng.randrange(50, 120)}"),
        lambda: frame(f"bphrt,{rng.randrange(100, 160)},{rng.randrange(60, 90)},{rng.randrange(50, 99)},,,,"),
        lambda: frame("UD," + record(rng.choice((0, 8, 16)), cells=rng.randrange(4), wifi=rng.randrange(4))),
        lambda: frame("AL," + record(1 << rng.randrange(16, 23))),
        lambda: frames.encode("ZJ", "357653059860416", f"BLOOD,{rng.randrange(100, 140)},70", "0007"),
        lambda: frame("TKQ"),
    ]
    return [rng.choice(makers)() for _ in range(count)]


def test_chunking_gives_the_same_in_clean_and_noisy_streams() -> None:
    rng = random.Random(7)
    clean = b"".join(traffic(rng, 150))
    for data in (clean, noisy(rng, clean), REAL.encode() * 3):
        check_chunks(lambda: Watch3GCodec("watch"), data)


def test_answers_do_not_depend_on_the_chunks() -> None:
    data = b"".join(traffic(random.Random(5), 60))
    whole, cut = Watch3GCodec("watch"), Watch3GCodec("watch")
    whole.feed(data, NOW)
    sent = b""
    for at in range(0, len(data), 5):
        cut.feed(data[at : at + 5], NOW)
        sent += cut.answers()
    assert sent == whole.answers()


def test_a_lost_frame_costs_no_other() -> None:
    """There is no checksum: a flipped digit cannot be seen. But no frame may take its neighbours with it."""
    rng = random.Random(11)
    for _ in range(1500):
        before, spoiled, after = traffic(rng, 3)
        at = rng.randrange(len(spoiled))
        damaged = spoiled[:at] + spoiled[at + 1 :]
        codec = Watch3GCodec("watch")
        found = signature(codec.feed(before + damaged + after + frame("PULSE,77"), NOW))
        assert signature(decode(before))[:1] == found[:1] or not decode(before)
        assert ("heart_rate", 77.0, Quality.GOOD, False) in found
        kinds = [note.fields["type"] for note in codec.notes]
        assert frames.parse(after).type in kinds


def test_driver_is_found_and_names_only_known_signals() -> None:
    assert find_driver("watch_3g") is find_driver("setracker") is DRIVER
    assert set(DRIVER.signals) <= set(SIGNALS)
    assert DRIVER.stream is not None
    assert isinstance(DRIVER.stream("w", {}), Watch3GCodec)
    assert DRIVER.hint_zh
    assert DRIVER.hint_en
