import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stream_checks import NOW, SECOND, check_chunks, facts, noisy

from device_drivers.bci import DRIVER, BciCodec, frames
from device_drivers.observations import DeviceEvent, Observation, Quality, Reading
from device_drivers.registry import find_driver
from simulators.oximeter import BciOximeter

OWN_VECTORS: list[tuple[str, str, dict[str, Any]]] = [
    ("berry", "85 32 07 48 61", {"heart_rate": 72, "spo2": 97, "worn": True, "signal": 5, "pleth": 50, "bar": 7}),
    ("berry", "85 32 47 16 5F", {"heart_rate": 150, "spo2": 95}),
    ("berry", "80 00 50 7F 7F", {"heart_rate": None, "spo2": None, "worn": False, "no_finger": True}),
    ("berry", "A5 32 07 48 61", {"heart_rate": None, "spo2": None, "probe_unplugged": True}),
    ("berry", "95 32 07 48 61", {"heart_rate": None, "spo2": None, "no_signal": True}),
    ("berry", "85 32 27 48 61", {"heart_rate": None, "spo2": None, "searching": True}),
    ("berry", "CF 32 07 48 7F", {"heart_rate": 72, "spo2": None, "signal": None, "beep": True}),
    ("contec", "A5 32 07 48 50", {"heart_rate": 72, "spo2": 80, "spo2_dropping": True}),
    ("contec", "95 32 07 48 61", {"heart_rate": None, "worn": False, "finger_out": True}),
    ("contec", "85 32 17 48 61", {"heart_rate": None, "worn": False, "probe_error": True}),
]
NAMES = {"pr": "heart_rate"}


def eager(maker: str = "berry") -> BciCodec:
    return BciCodec("oximeter", {**DRIVER.show_all, "maker": maker})


def codec(**options: Any) -> BciCodec:
    return BciCodec("oximeter", options)


def said(found: list[Observation], *, stored: bool = False) -> list[tuple[int, str, float | None, Quality]]:
    return [
        ((one.at_ns - NOW) // SECOND, one.signal, one.value, one.quality)
        for one in found
        if isinstance(one, Reading) and one.stored == stored
    ]


@pytest.mark.parametrize(("maker", "text", "expected"), OWN_VECTORS)
def test_own_vectors(maker: str, text: str, expected: dict[str, Any]) -> None:
    assert expected.items() <= facts(eager(maker), bytes.fromhex(text)).items()


def test_reference_vectors(protocols_folder: Path) -> None:
    vectors = json.loads((protocols_folder / "vectors.json").read_text(encoding="utf-8"))
    ours = [vector for vector in vectors if vector["family"] == "bci_5byte"]
    assert len(ours) >= 2
    for vector in ours:
        expected = {NAMES.get(name, name): value for name, value in vector["decoded"].items()}
        assert expected.items() <= facts(eager(), bytes.fromhex(vector["data"])).items(), vector


@given(
    st.sampled_from(list(frames.MAKERS)).flatmap(
        lambda maker: st.tuples(
            st.just(maker),
            st.fixed_dictionaries(
                {
                    "pr": st.none() | st.integers(1, 254),
                    "spo2": st.none() | st.integers(1, 126),
                    "signal": st.none() | st.integers(0, 14),
                    "pleth": st.integers(0, 127),
                    "bar": st.integers(0, 15),
                    "beep": st.booleans(),
                    **{name: st.booleans() for name in frames.MAKERS[maker]},
                }
            ),
        )
    )
)
def test_decode_inverts_encode(generated: tuple[str, dict[str, Any]]) -> None:
    maker, said_facts = generated
    whole = frames.live(said_facts, maker)
    assert frames.live_facts(whole, maker) == said_facts
    listener = eager(maker)
    listener.feed(whole, NOW)
    assert (listener.health.frames, len(listener.rejections)) == (1, 0)


@given(st.lists(st.tuples(st.integers(1, 254), st.integers(1, 126)), min_size=1, max_size=300))
def test_a_download_is_history_that_ends_now(records: list[tuple[int, int]]) -> None:
    listener = codec()
    found = listener.feed(frames.download(records), NOW)
    assert [one.stored for one in found] == [True] * 2 * len(records)
    assert [(one.at_ns - NOW) // SECOND for one in found[::2]] == list(range(1 - len(records), 1))
    pulses = [value for _, name, value, _ in said(found, stored=True) if name == "heart_rate"]
    assert pulses == [float(pulse) if 20 <= pulse <= 300 else None for pulse, _ in records]
    assert listener.notes[0].fields["stored_seconds"] == len(records)


def test_live_frames_end_a_download() -> None:
    listener = eager()
    live = frames.live({"pr": 72, "spo2": 97})
    half = frames.download([(70, 96)] * 4)[: frames.HEADER_SIZE + 6]
    found = listener.feed(half + live + b"\xf0\xc6\x60" + live, NOW)
    assert [one.stored for one in found if isinstance(one, Reading)] == [True] * 4 + [False] * 4
    assert listener.health.rejected == {"short": 2, "out_of_step": 1}


def test_damaged_downloads_are_refused() -> None:
    listener = codec()
    whole = frames.download([(70, 96), (71, 97)])
    assert listener.feed(whole[:11] + b"\x04", NOW) == []  # five bytes are no records of three
    assert listener.health.rejected["length"] == 1
    listener = codec()
    found = listener.feed(whole[:13] + b"\x46" + whole[14:], NOW)
    assert len(said(found, stored=True)) == 2
    assert listener.health.rejected["short"] == 1


def test_another_protocol_is_mostly_refused() -> None:
    """A radar's "53 59 85 02 00 01 47 7B 54 43" holds what looks like a frame of ours."""
    listener = codec()
    listener.feed(bytes.fromhex("53 59 85 02 00 01 47 7B 54 43") * 10, NOW)
    assert listener.health.frames == 10
    assert listener.health.rejected["out_of_step"] > 2 * listener.health.frames


def test_nothing_absent_is_stored() -> None:
    assert codec().feed(frames.download([(0, 0), (255, 127)]), NOW) == []


def test_encoding_says_what_does_not_fit() -> None:
    for wrong in ({"pleth": 128}, {"pr": 300}, {"spo2": -1}):
        with pytest.raises(ValueError, match="does not fit"):
            frames.live(wrong)
    with pytest.raises(ValueError, match="maker is philips"):
        codec(maker="philips")
    assert find_driver("bci_5byte") is DRIVER


# --- one value a second ----------------------------------------------------------------------------------------------


def play(listener: BciCodec, device: BciOximeter, tenths: range) -> list[Observation]:
    found: list[Observation] = []
    for tenth in tenths:
        now = NOW + tenth * SECOND // 10
        found += listener.feed(device.tick(now), now)
    return found


def test_a_hundred_frames_a_second_become_one_reading() -> None:
    listener, device = codec(), BciOximeter()
    found = play(listener, device, range(50))
    assert said(found) == [
        (n, name, float(v), Quality.GOOD) for n in range(5) for name, v in (("heart_rate", 72), ("spo2", 97))
    ]
    assert listener.health.frames == 491
    assert [one.value for one in found if isinstance(one, DeviceEvent)] == [True]


def test_damaged_frames_do_not_become_values() -> None:
    """Without a checksum a flipped bit passes; the median of a second does not follow it."""
    rng, listener, device = random.Random(4), codec(), BciOximeter()
    found: list[Observation] = []
    for tenth in range(600):
        now = NOW + tenth * SECOND // 10
        found += listener.feed(device.tick(now) if tenth == 0 else noisy(rng, device.tick(now)), now)
    assert {(name, value) for _, name, value, _ in said(found)} == {("heart_rate", 72.0), ("spo2", 97.0)}
    assert len(said(found)) == 120


def test_finger_out_and_in_again() -> None:
    listener, device = codec(maker="contec"), BciOximeter("contec")
    play(listener, device, range(20))
    device.state.finger = False
    out = play(listener, device, range(20, 140))
    assert [(one.value, (one.at_ns - NOW) // SECOND) for one in out if isinstance(one, DeviceEvent)] == [(False, 3)]
    absent = [(at, quality) for at, name, value, quality in said(out) if name == "spo2" and value is None]
    assert absent == [(3, Quality.NO_CONTACT), (13, Quality.NO_CONTACT)]
    device.state.finger, device.state.pulse, device.state.spo2 = True, None, None
    searching = play(listener, device, range(140, 170))
    assert {quality for _, name, _, quality in said(searching) if name == "spo2"} == {Quality.POOR}
    device.state.pulse, device.state.spo2 = 80, 95
    back = play(listener, device, range(170, 240))
    assert [(at, quality) for at, name, value, quality in said(back) if name == "spo2" and value == 95] == [
        (18, Quality.POOR),
        (19, Quality.POOR),
        (20, Quality.GOOD),
        (21, Quality.GOOD),
        (22, Quality.GOOD),
        (23, Quality.GOOD),
    ]
    assert (True, 18) in [(one.value, (one.at_ns - NOW) // SECOND) for one in back if isinstance(one, DeviceEvent)]


def test_after_a_silence_the_first_frame_counts_at_once() -> None:
    listener = codec()
    frame = frames.live({"pr": 60, "spo2": 90})
    listener.feed(frames.live({"pr": 72, "spo2": 97}) * 50, NOW)
    assert said(listener.feed(frame, NOW + 4 * SECOND))[0][2] == 60.0
    assert said(listener.feed(frame, NOW - 3600 * SECOND))[0][2] == 60.0  # the clock was set back
    assert said(listener.feed(frame, NOW - 3600 * SECOND)) == []


def test_codes_for_none_are_absent_even_without_a_flag() -> None:
    for pulse in (None, 0):
        (heart, spo2) = eager().feed(frames.live({"pr": pulse, "spo2": None}), NOW)
        assert isinstance(heart, Reading)
        assert isinstance(spo2, Reading)
        assert (heart.value, heart.quality, spo2.value, spo2.quality) == (None, Quality.INVALID, None, Quality.INVALID)


# --- noise -----------------------------------------------------------------------------------------------------------


def traffic(rng: random.Random, count: int) -> list[bytes]:
    def one() -> bytes:
        if rng.random() < 0.02:
            return frames.download([(rng.randrange(40, 160), rng.randrange(80, 100)) for _ in range(5)])
        flags = {name: rng.random() < 0.1 for name in frames.MAKERS["berry"]}
        return frames.live({"pr": rng.randrange(30, 240), "spo2": rng.randrange(70, 101), **flags})

    return [one() for _ in range(count)]


def test_chunking_gives_the_same_in_clean_and_noisy_streams() -> None:
    rng = random.Random(7)
    clean = b"".join(traffic(rng, 300))
    for make in (eager, codec):
        check_chunks(make, clean)
        check_chunks(make, noisy(rng, clean))


@given(st.binary(max_size=100))
def test_recovers_within_one_frame_after_any_noise(noise: bytes) -> None:
    listener = eager()
    live = frames.live({"pr": 72, "spo2": 97})
    listener.feed(noise + live * 3, NOW)
    before = listener.health.frames
    listener.feed(live * 3, NOW)
    assert listener.health.frames == before + 3
