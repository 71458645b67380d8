import json
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_drivers.micradar import DRIVER, MicradarCodec, frames, messages
from device_drivers.micradar.fields import Choice, Field, FieldError, Message, Number, Text, Value, Wave
from device_drivers.observations import DeviceEvent, Observation, Quality, Reading, Samples
from device_drivers.registry import find_driver
from device_drivers.signals import SIGNALS

NOW = 1_790_000_000_000_000_000
SECOND = 1_000_000_000

VECTOR_NAMES = {
    "heart_rate_bpm": "heart_rate",
    "distance_cm": "distance",
    "x_cm": "position_x",
    "y_cm": "position_y",
    "z_cm": "position_z",
    "bed": "bed_occupancy",
    "present": "presence",
    "sleep": "sleep_state",
    "avg_resp": "mean_respiratory_rate",
    "avg_hr": "mean_heart_rate",
    "turns": "sleep_turns",
    "large_move_pct": "large_movement_share",
    "small_move_pct": "small_movement_share",
    "apnea": "apnea_count",
    "total": "height_ratio_total",
    "pct_0_0.5m": "height_ratio_0_0_5",
    "pct_0.5_1m": "height_ratio_0_5_1",
    "pct_1_1.5m": "height_ratio_1_1_5",
    "pct_1.5_2m": "height_ratio_1_5_2",
}
"""The vectors' names for what our table calls differently."""

OWN_VECTORS: list[tuple[str, dict[str, Any]]] = [
    ("53 59 85 02 00 01 47 7B 54 43", {"heart_rate": 71}),
    ("53 59 80 05 00 06 00 1F 00 32 00 00 88 54 43", {"position_x": 31, "position_y": 50, "position_z": 0}),
    ("53 59 80 05 00 06 80 1F 00 32 00 00 08 54 43", {"position_x": -31, "position_y": 50, "position_z": 0}),
    ("53 59 83 0E 00 06 00 02 00 00 00 64 A9 54 43", {"height_ratio_total": 2, "height_ratio_1_5_2": 100}),
    ("53 59 80 04 00 02 00 23 55 54 43", {"distance": 35}),
    ("53 59 83 01 00 01 01 32 54 43", {"fall": True}),
    ("53 59 83 01 00 01 00 31 54 43", {"fall": False}),
    ("53 59 84 01 00 01 01 33 54 43", {"bed_occupancy": "in"}),
    ("53 59 81 01 00 01 03 32 54 43", {"respiration_state": "low"}),
    ("53 59 01 01 00 01 0F BE 54 43", {"heartbeat": True}),
    ("53 59 06 02 00 02 00 FA B0 54 43", {"install_height_cm": 250}),
    ("53 59 02 A1 00 01 0F 5F 54 43", {"query": "product model"}),
    ("53 59 83 81 00 01 0F C0 54 43", {"query": "fall"}),
]


def decode(data: bytes, codec: MicradarCodec | None = None) -> list[Observation]:
    return (codec or MicradarCodec("radar")).feed(data, NOW)


def facts(data: bytes) -> dict[str, Any]:
    """Everything one frame says, observations and notes alike."""
    codec = MicradarCodec("radar")
    found: dict[str, Any] = {}
    for one in codec.feed(data, NOW):
        found[one.signal] = one.values[:, 0].tolist() if isinstance(one, Samples) else one.value
    for note in codec.notes:
        found |= note.fields
    return found


@pytest.mark.parametrize(("text", "expected"), OWN_VECTORS)
def test_own_vectors(text: str, expected: dict[str, Any]) -> None:
    assert expected.items() <= facts(bytes.fromhex(text)).items()


def test_reference_vectors(protocols_folder: Path) -> None:
    vectors = json.loads((protocols_folder / "vectors.json").read_text(encoding="utf-8"))
    ours = [vector for vector in vectors if vector["family"] == "micradar_5359"]
    assert len(ours) >= 20
    for vector in ours:
        data, said = bytes.fromhex(vector["data"]), dict(vector["decoded"])
        if "error" in said:
            codec = MicradarCodec("radar")
            assert decode(data, codec) == []
            assert codec.rejections[0].reason == said["error"]
            assert codec.rejections[0].detail["expected"] == said["expected"]
            continue
        assert (data[2], data[3]) == (said.pop("control", data[2]), said.pop("command", data[3]))
        found = facts(data)
        assert {VECTOR_NAMES.get(name, name): value for name, value in said.items()}.items() <= found.items(), vector


def test_bad_checksum_is_refused_with_its_raw_bytes() -> None:
    codec = MicradarCodec("radar")
    raw = bytes.fromhex("53 59 80 81 00 01 00 7D 54 43")
    assert decode(raw, codec) == []
    assert codec.health.rejected == {"checksum": 1}
    assert (codec.rejections[0].raw, codec.rejections[0].detail) == (raw, {"expected": "AE", "found": "7D"})
    assert codec.health.skipped_bytes == len(raw)


def field_values(field: Field) -> st.SearchStrategy[Value]:
    match field:
        case Choice():
            return st.sampled_from(list(field.words.values()))
        case Wave():
            return st.tuples(*[st.integers(-128, 127)] * 5)
        case Text():
            return st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
        case Number(signed=True):
            return st.integers(-0x7FFF, 0x7FFF)
        case Number():
            present = st.integers(0, 256**field.size - 1).filter(lambda code: code not in field.absent)
            return st.none() | present if field.absent else present


def message_values(message: Message) -> st.SearchStrategy[tuple[Message, dict[str, Value]]]:
    strategies = {field.name: field_values(field) for field in message.fields}
    return st.fixed_dictionaries(strategies).map(lambda values: (message, values))


any_message = st.sampled_from(messages.MESSAGES).flatmap(message_values)


@given(any_message, st.booleans())
def test_decode_inverts_encode(generated: tuple[Message, dict[str, Value]], answered: bool) -> None:
    message, values = generated
    asked = answered and message.query is not None
    whole = (frames.answer if asked else frames.report)(message.name, **values)
    codec = MicradarCodec("radar")
    found = codec.feed(whole, NOW)
    assert codec.health.frames == 1
    assert not codec.rejections
    if codec.notes and codec.notes[0].kind == "query":
        # The one case where an answer has its query's own bytes: it must not become a number.
        assert (whole[3], whole[6:-3]) == (message.query, b"\x0f")
        assert found == []
    elif message.kind == messages.SIGNAL:
        assert {one.signal: _said(one) for one in found} == {name: _plausible(name, v) for name, v in values.items()}
        assert all(one.received_ns == NOW and one.device_id == "radar" for one in found)
    else:
        assert dict(codec.notes[0].fields) == values


def _said(one: Observation) -> Any:
    return tuple(one.values[:, 0]) if isinstance(one, Samples) else one.value


def _plausible(name: str, value: Value) -> Any:
    row = SIGNALS[name]
    return None if type(value) is int and not row.low <= value <= row.high else value


def test_every_row_of_the_tables_is_distinct_and_known() -> None:
    assert len(messages.BY_NAME) == len(messages.MESSAGES)
    commands = {(row.control, command) for row in messages.MESSAGES for command in {row.command, row.query} - {None}}
    assert (
        len(messages.BY_COMMAND) == len(commands) == sum(len({r.command, r.query} - {None}) for r in messages.MESSAGES)
    )
    assert all(field.name in SIGNALS for row in messages.MESSAGES if row.kind == "signal" for field in row.fields)
    assert set(DRIVER.signals) <= set(SIGNALS)


def test_no_lock_is_absent_never_a_number() -> None:
    for name, code, quality in (
        ("heart rate", 0, Quality.NO_CONTACT),
        ("heart rate", 255, Quality.INVALID),
        ("heart rate", 15, Quality.OUT_OF_RANGE),
        ("breathing rate", 0, Quality.NO_CONTACT),
        ("breathing rate", 100, Quality.OUT_OF_RANGE),
    ):
        row = messages.BY_NAME[name]
        (one,) = decode(frames.frame(row.control, row.command, bytes((code,))))
        assert isinstance(one, Reading)
        assert (one.value, one.quality) == (None, quality)


def test_codes_outside_the_table_are_unknown_and_kept() -> None:
    codec = MicradarCodec("radar")
    (one,) = decode(frames.frame(0x83, 0x01, b"\x07"), codec)
    assert isinstance(one, DeviceEvent)
    assert (one.signal, one.value, one.quality) == ("fall", None, Quality.INVALID)
    assert codec.notes[0].kind == "unknown"
    assert codec.notes[0].fields == {"control": 0x83, "command": 0x01, "hex": "07"}


def test_valid_frames_of_unknown_meaning_become_notes() -> None:
    codec = MicradarCodec("radar")
    assert decode(frames.frame(0x83, 0x7E, b"\x01\x02"), codec) == []
    assert (codec.notes[0].kind, codec.notes[0].fields["hex"]) == ("unknown", "01 02")
    assert not codec.rejections


def test_wrong_length_of_a_known_message_is_refused() -> None:
    codec = MicradarCodec("radar")
    assert decode(frames.frame(0x83, 0x01, b"\x01\x00") + frames.report("fall", fall=True), codec) != []
    assert codec.health.rejected == {"length": 1}
    assert codec.rejections[0].raw == frames.frame(0x83, 0x01, b"\x01\x00")
    # A length that is far off is not waited for: the alarm behind it comes at once.
    damaged = b"\x53\x59\x80\x03\x00\x41" + frames.report("fall", fall=True)
    assert [one.signal for one in decode(damaged)] == ["fall"]
    codec = MicradarCodec("radar")
    assert decode(b"\x53\x59\x02\xa1\x01\x00", codec) == []
    assert codec.rejections[0].detail == {"length": 256}


def test_wrong_tail_and_text_are_refused() -> None:
    codec = MicradarCodec("radar")
    good = frames.report("fall", fall=True)
    decode(good[:-1] + b"\x44", codec)
    decode(frames.frame(0x02, 0xA4, b"\xff\xfe"), codec)
    assert codec.health.rejected == {"tail": 1, "text": 1}
    assert codec.rejections[0].detail == {"found": "5444"}


def test_data_may_hold_head_and_tail() -> None:
    for points in ((0x53, 0x59, 0x54, 0x43, 0), (0x54, 0x43, 0x54, 0x43, 0x54)):
        wave = tuple(point - 128 for point in points)
        (one,) = decode(frames.report("breathing wave", breath_wave=wave))
        assert isinstance(one, Samples)
        assert tuple(one.values[:, 0]) == wave


def test_waves_are_blocks_of_five_at_five_hertz_that_end_now() -> None:
    (one,) = decode(frames.report("heart wave", heart_wave=(-128, -1, 0, 1, 127)))
    assert isinstance(one, Samples)
    assert (one.signal, one.rate_hz, one.full_scale) == ("heart_wave", 5.0, 128.0)
    assert one.values.dtype == np.float32
    assert one.values.shape == (5, 1)
    assert one.at_ns + 4 * SECOND // 5 == NOW == one.received_ns


def test_identity_acks_and_settings_become_notes() -> None:
    codec = MicradarCodec("radar")
    decode(frames.frame(0x02, 0xA4, b"G60FD1SYv010104\0\0"), codec)
    decode(frames.report("breathing switch", breathing_switch=True), codec)
    decode(frames.answer("fall sensitivity", fall_sensitivity=2), codec)
    decode(frames.report("track point", track_x=-5, track_y=7), codec)
    assert [(note.kind, dict(note.fields)) for note in codec.notes] == [
        ("identity", {"firmware": "G60FD1SYv010104"}),
        ("ack", {"breathing_switch": True}),
        ("setting", {"fall_sensitivity": 2}),
        ("report", {"track_x": -5, "track_y": 7}),
    ]


def test_answers_are_repeats_unless_they_tell_a_change() -> None:
    codec = MicradarCodec("radar")

    def one(data: bytes) -> DeviceEvent:
        (event,) = decode(data, codec)
        assert isinstance(event, DeviceEvent)
        return event

    assert one(frames.answer("fall", fall=False)).repeat
    assert not one(frames.report("fall", fall=False)).repeat
    # The report of the fall was lost on the line; the poll finds it.
    assert not one(frames.answer("fall", fall=True)).repeat
    assert one(frames.answer("fall", fall=True)).repeat
    # Presence gone does not clear the fall.
    assert one(frames.report("presence", presence=False)).signal == "presence"
    assert one(frames.answer("fall", fall=True)).repeat


def test_the_sleep_composite_restates_presence_and_sleep() -> None:
    codec = MicradarCodec("radar")
    decode(frames.report("presence", presence=True), codec)
    found = decode(bytes.fromhex("53 59 84 0C 00 08 01 01 0F 3E 03 02 0A 00 A2 54 43"), codec)
    events = [one for one in found if isinstance(one, DeviceEvent)]
    assert [(one.signal, one.value, one.repeat) for one in events] == [
        ("presence", True, True),
        ("sleep_state", "light", True),
    ]


def test_queries_on_open_and_every_45_seconds() -> None:
    codec = MicradarCodec("radar")
    opening = codec.on_open()
    for text in ("53 59 83 81 00 01 0F C0 54 43", "53 59 80 81 00 01 0F BD 54 43", "53 59 84 81 00 01 0F C1 54 43"):
        assert bytes.fromhex(text) in opening
    sent = [at for at in range(200) if codec.poll(NOW + at * SECOND)]
    assert sent == [45, 90, 135, 180]
    assert codec.poll(NOW - 3600 * SECOND) == b""
    assert codec.poll(NOW - 3555 * SECOND) != b""


def test_poll_interval_is_an_option() -> None:
    codec = MicradarCodec("radar", {"poll_s": 30})
    assert [at for at in range(100) if codec.poll(NOW + at * SECOND)] == [30, 60, 90]
    with pytest.raises(ValueError, match="poll_s is 1"):
        MicradarCodec("radar", {"poll_s": 1})


def revivals(codec: MicradarCodec, seconds: range) -> list[tuple[int, bytes]]:
    found = []
    for at in seconds:
        out = codec.poll(NOW + at * SECOND)
        found += [(at, whole[2:4]) for whole in re.findall(rb"SY[\x81\x85]\x00\x00\x01\x01.TC", out, re.DOTALL)]
    return found


def test_stopped_breath_and_heart_are_switched_on_again_but_not_for_ever() -> None:
    codec = MicradarCodec("radar")
    codec.on_open()
    assert revivals(codec, range(60)) == []  # never heard: perhaps a fall radar
    codec.feed(frames.report("heart rate", heart_rate=60) + frames.report("breathing rate", respiratory_rate=14), NOW)
    assert revivals(codec, range(60)) == []  # nobody there
    codec.feed(frames.report("presence", presence=True), NOW)
    assert revivals(codec, range(200)) == [
        (at, control + b"\x00") for at in (16, 21, 26) for control in (b"\x81", b"\x85")
    ]
    codec.feed(frames.report("heart rate", heart_rate=None), NOW + 200 * SECOND)  # no lock, but the stream lives
    assert revivals(codec, range(200, 216)) == []
    assert revivals(codec, range(216, 222)) == [(216, b"\x85\x00"), (221, b"\x85\x00")]
    codec.feed(frames.report("presence", presence=False) + frames.report("presence", presence=True), NOW)
    assert [at for at, _ in revivals(codec, range(230, 232))] == [230, 230]
    assert revivals(codec, range(10)) == []  # the clock was set back


def test_a_clock_set_back_delays_the_care_for_a_stream_by_no_more_than_its_own_limit() -> None:
    codec = MicradarCodec("radar")
    codec.feed(frames.report("presence", presence=True), NOW)
    codec.feed(frames.report("heart rate", heart_rate=60), NOW + 1000 * SECOND)
    assert revivals(codec, range(20)) == [(16, b"\x85\x00")]


def test_a_bedside_model_is_expected_to_stream() -> None:
    codec = MicradarCodec("radar")
    codec.feed(frames.answer("product model", product_model="R60ABD1") + frames.report("presence", presence=True), NOW)
    assert [at for at, _ in revivals(codec, range(18))] == [16, 16]


def test_encoding_says_what_does_not_fit() -> None:
    for name, values, why in (
        ("heart rate", {"heart_rate": 256}, "does not fit"),
        ("heart rate", {"heart_rate": "high"}, "expected an integer"),
        ("body movement", {"body_movement": None}, "expected an integer"),
        ("position", {"position_x": -32768, "position_y": 0, "position_z": 0}, "does not fit"),
        ("fall", {"fall": 1}, "none of"),
        ("fall", {"fell": True}, "expected values for"),
        ("heart wave", {"heart_wave": (1, 2)}, "expected 5 points"),
        ("heart wave", {"heart_wave": (0, 0, 0, 0, 128)}, "from -128 to 127"),
        ("firmware", {"firmware": "银龄"}, "ASCII"),
    ):
        with pytest.raises(FieldError, match=why):
            frames.report(name, **values)
    with pytest.raises(ValueError, match="cannot be asked"):
        frames.query("reset")
    with pytest.raises(ValueError, match="at most 64"):
        frames.frame(0x02, 0xA1, bytes(65))


def test_driver_is_found_by_name_and_alias() -> None:
    assert find_driver("micradar") is find_driver("micradar_5359") is DRIVER
    assert DRIVER.stream is not None
    assert isinstance(DRIVER.stream("bath", {}), MicradarCodec)


# --- noise -----------------------------------------------------------------------------------------------------------


def stream_of_frames(rng: random.Random, count: int) -> list[bytes]:
    """Ordinary traffic of a bedside and a fall radar."""
    makers = [
        lambda: frames.report("heart rate", heart_rate=rng.randrange(50, 120)),
        lambda: frames.report("breathing rate", respiratory_rate=rng.randrange(8, 30)),
        lambda: frames.report("breathing wave", breath_wave=tuple(rng.randrange(-128, 128) for _ in range(5))),
        lambda: frames.report("body movement", body_movement=rng.randrange(101)),
        lambda: frames.report("position", position_x=rng.randrange(-300, 300), position_y=5, position_z=-7),
        lambda: frames.report("fall", fall=rng.random() < 0.5),
        lambda: frames.report("presence", presence=rng.random() < 0.5),
    ]
    return [rng.choice(makers)() for _ in range(count)]


def signature(found: list[Observation]) -> list[Any]:
    return [(one.signal, one.values.tobytes() if isinstance(one, Samples) else one.value) for one in found]


@pytest.mark.parametrize("chunk", [1, 3, 7, 64, 512])
def test_chunking_gives_the_same_in_clean_and_noisy_streams(chunk: int) -> None:
    rng = random.Random(7)
    clean = b"".join(stream_of_frames(rng, 300))
    noisy = bytes(
        byte ^ (1 << rng.randrange(8)) if rng.random() < 0.01 else byte for byte in clean if rng.random() > 0.01
    )
    for data in (clean, noisy):
        whole, cut = MicradarCodec("radar"), MicradarCodec("radar")
        expected = signature(whole.feed(data, NOW))
        found: list[Observation] = []
        for at in range(0, len(data), chunk):
            found += cut.feed(data[at : at + chunk], NOW)
        assert signature(found) == expected
        assert (cut.health, list(cut.rejections), list(cut.notes)) == (
            whole.health,
            list(whole.rejections),
            list(whole.notes),
        )


def spoil_one(rng: random.Random, whole: bytes, kind: str) -> bytes:
    at = rng.randrange(len(whole))
    match kind:
        case "loss":
            return whole[:at] + whole[at + 1 :]
        case "flip":
            return whole[:at] + bytes((whole[at] ^ (1 << rng.randrange(8)),)) + whole[at + 1 :]
        case _:
            return whole[:at] + whole[at : at + 1] + whole[at:]


@pytest.mark.parametrize("kind", ["loss", "flip", "duplicate"])
def test_one_spoiled_byte_costs_its_own_frame_only_and_gives_no_wrong_value(kind: str) -> None:
    """An 8-bit sum finds every single flipped bit. Two flips that cancel out in the sum can pass: not claimed here."""
    rng = random.Random(11)
    for _ in range(3000):
        before, spoiled, after = stream_of_frames(rng, 3)
        damaged = spoil_one(rng, spoiled, kind)
        found = signature(decode(before + damaged + after + frames.report("heart rate", heart_rate=77)))
        kept = signature(decode(before)), signature(decode(after)), [("heart_rate", 77.0)]
        allowed = [kept[0] + kept[1] + kept[2]]
        # A byte doubled at either end lies outside the frame, or the tail's first byte is repeated: then it is whole.
        allowed.append(kept[0] + signature(decode(spoiled)) + kept[1] + kept[2])
        assert found in allowed, (damaged.hex(" "), found)


def test_one_percent_noise_gives_no_value_that_was_not_sent() -> None:
    rng = random.Random(3)
    sent = stream_of_frames(rng, 4000)
    # At most one spoiled byte in a frame: with more, an 8-bit sum lets about 1 in 256 damaged frames pass.
    line = [
        spoil_one(rng, one, rng.choice(["loss", "flip", "duplicate"])) if rng.random() < 0.09 else one for one in sent
    ]
    spoiled = sum(a != b for a, b in zip(sent, line, strict=True))
    expected = signature(decode(b"".join(sent)))
    codec = MicradarCodec("radar")
    found = signature(codec.feed(b"".join(line), NOW))
    remaining = iter(expected)
    assert all(one in remaining for one in found)  # a subsequence: nothing invented, nothing reordered
    assert codec.health.frames >= len(sent) - spoiled > 0.85 * len(sent)


@given(st.binary(max_size=200), st.lists(any_message, min_size=1, max_size=4))
def test_recovers_within_one_frame_after_any_noise(
    noise: bytes, generated: list[tuple[Message, dict[str, Value]]]
) -> None:
    """After noise, silence-free: once 64 + 9 bytes have passed, whatever the noise began is given up."""
    padding = frames.report("heartbeat", heartbeat=True) * 8
    codec = MicradarCodec("radar")
    codec.feed(noise + padding, NOW)
    before = codec.health.frames
    codec.feed(b"".join(frames.report(message.name, **values) for message, values in generated), NOW)
    assert codec.health.frames == before + len(generated)
