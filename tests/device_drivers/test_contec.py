import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stream_checks import NOW, SECOND, check_chunks, facts, noisy

from device_drivers.contec import DRIVER, ContecCodec, frames
from device_drivers.observations import DeviceEvent, Observation, Quality, Reading
from device_drivers.registry import find_driver
from simulators.oximeter import ContecOximeter

OWN_VECTORS: list[tuple[str, dict[str, Any]]] = [
    (
        "01 88 84 AA 85 96 DE C0 81",
        {"heart_rate": 150, "spo2": 94, "perfusion_index": 3.2, "signal": 4, "pleth": 42, "bar": 5},
    ),
    ("01 E9 80 C0 90 FF FF FF FF", {"heart_rate": None, "spo2": None, "worn": False, "probe_error": True}),
    ("01 E0 86 AA 85 C8 E1 FF FF", {"heart_rate": 72, "spo2": 97, "perfusion_index": None}),
    ("01 E2 86 AA 85 C8 E1 FF FF", {"heart_rate": None, "spo2": None, "searching": True}),
    ("01 E0 96 AA 85 C8 E1 FF FF", {"heart_rate": None, "searching_too_long": True}),
    ("01 E0 A6 AA 85 C8 D0 FF FF", {"heart_rate": 72, "spo2": 80, "low_spo2": True}),
    ("7D 81 A1 80 80 80 80 80 80", {"command": "A1 start"}),
    ("7D 81 AF 80 80 80 80 80 80", {"command": "AF keep-alive"}),
    ("7D 81 B1 8E 9E 8F 80 80 80", {"command": "B1 time", "time": "14:30:15"}),
    ("7D 81 B2 94 9A 8C 9F 84 80", {"command": "B2 date", "date": "2026-12-31"}),
    ("7D 81 A6 81 82 80 80 80 80", {"command": "A6 stored data", "hex": "01 02 00 00 00 00"}),
    ("0B 81 A1 80", {"command": "A1 start", "ok": True, "reason": "done"}),
    ("0B 83 A6 FF", {"command": "A6 stored data", "ok": False, "reason": "unknown"}),
    ("0C 80", {"free": True}),
    ("0D 80 81", {"disconnect": "shut down"}),
    ("0E 80 80", {"pi_supported": True}),
    ("10 80 82", {"users": 2}),
    ("0A 80 80 83", {"user": 0, "segments": 3}),
    ("04 80 D3 F0 CF B2 B2 B0 B1", {"identity": "SpO2201"}),
    ("05 81 80 80 80 80 80 80 80", {"user": "80 00 00 00 00 00 00"}),
    ("07 80 80 81 94 9A 8C 9F", {"user": 0, "segment": 1, "date": "2026-12-31"}),
    ("12 80 80 81 8E 9E 8F 80", {"time": "14:30:15"}),
    ("08 80 80 80 90 8E 80 80", {"stored_bytes": 3600}),
    ("15 80 81 82 83 84 85 86 87", {"stored_ids": "01 02 03 04 05 06 07"}),
    ("20 81 85 80 80", {"type": "20", "hex": "85 00 00"}),
]
NAMES = {"pr": "heart_rate", "pi": "perfusion_index"}


def eager() -> ContecCodec:
    return ContecCodec("oximeter", DRIVER.show_all)


def codec(**options: Any) -> ContecCodec:
    return ContecCodec("oximeter", options)


@pytest.mark.parametrize(("text", "expected"), OWN_VECTORS)
def test_own_vectors(text: str, expected: dict[str, Any]) -> None:
    listener = eager()
    assert expected.items() <= facts(listener, bytes.fromhex(text)).items()
    assert not listener.rejections


def test_reference_vectors(protocols_folder: Path) -> None:
    vectors = json.loads((protocols_folder / "vectors.json").read_text(encoding="utf-8"))
    ours = [vector for vector in vectors if vector["family"] == "contec_v7"]
    assert len(ours) >= 4
    for vector in ours:
        expected = {NAMES.get(name, name): value for name, value in vector["decoded"].items()}
        assert expected.items() <= facts(eager(), bytes.fromhex(vector["data"])).items(), vector


live_values = st.fixed_dictionaries(
    {
        "pr": st.none() | st.integers(1, 254),
        "spo2": st.none() | st.integers(1, 126),
        "pi": st.none() | st.integers(1, 0xFFFE).map(lambda code: code / 100),
        "signal": st.none() | st.integers(0, 14),
        "pleth": st.integers(0, 127),
        "bar": st.integers(0, 15),
        **{name: st.booleans() for name in ("beep", "searching_too_long", "low_spo2", "probe_error", "searching")},
    }
)


@given(live_values)
def test_decode_inverts_encode(said: dict[str, Any]) -> None:
    whole = frames.live(said)
    assert len(whole) == 9
    assert frames.live_facts(frames.unpack(whole)[1]) == said
    listener = eager()
    listener.feed(whole, NOW)
    assert (listener.health.frames, len(listener.rejections)) == (1, 0)


@given(st.integers(0, 127), st.binary(max_size=7))
def test_packing_keeps_every_bit(kind: int, data: bytes) -> None:
    whole = frames.pack(kind, data)
    assert frames.unpack(whole) == (kind, data)
    assert [byte >= 0x80 for byte in whole] == [False] + [True] * (len(data) + 1)


def test_packing_says_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="8 data bytes"):
        frames.pack(1, bytes(8))
    assert frames.command(0xA1).hex(" ").upper() == "7D 81 A1 80 80 80 80 80 80"
    assert find_driver("contec_v7") is DRIVER
    with pytest.raises(ValueError, match="utc_offset_h is 20"):
        codec(utc_offset_h=20)


def test_a_package_cut_short_is_refused() -> None:
    listener = eager()
    good = frames.live({"pr": 72, "spo2": 97})
    found = listener.feed(good[:7] + good, NOW)
    assert [one.value for one in found if isinstance(one, Reading)][:2] == [72, 97]
    assert listener.health.rejected == {"short": 1}
    assert listener.rejections[0].raw == good[:7]
    listener = eager()
    assert [*listener.feed(good[:7], NOW), *listener.finish(NOW)] == []
    assert listener.health.rejected == {"incomplete": 1}


def test_an_unknown_type_ends_where_the_next_begins() -> None:
    listener = codec()
    unknown = frames.pack(0x33, b"\x01\xff")
    found = listener.feed(unknown * 3 + frames.live({"pr": 72, "spo2": 97}), NOW)
    assert found != []
    assert [dict(note.fields) for note in listener.notes if note.kind == "unknown"] == [{"type": "33", "hex": "01 FF"}]
    assert listener.feed(b"\x33\x34", NOW) == []
    assert listener.health.rejected == {"short": 1}


# --- the simulated oximeter and the driver at the two ends of a line ------------------------------------------------


class Line:
    def __init__(self, **options: Any) -> None:
        self.device, self.driver, self.at = ContecOximeter(), codec(**options), 0

    def open(self) -> None:
        self.driver.feed(self.device.feed(self.driver.on_open()), self.now)

    @property
    def now(self) -> int:
        return NOW + self.at * SECOND

    def run(self, seconds: int, *, polled: bool = True) -> list[Observation]:
        found: list[Observation] = []
        for _ in range(seconds):
            self.at += 1
            found += self.driver.feed(self.device.tick(self.now), self.now)
            if polled:
                found += self.driver.feed(self.device.feed(self.driver.poll(self.now)), self.now)
        return found


def readings(found: list[Observation], name: str = "spo2") -> list[float | None]:
    return [one.value for one in found if isinstance(one, Reading) and one.signal == name]


def test_the_keep_alive_keeps_it_awake_for_hours() -> None:
    line = Line()
    line.open()
    assert readings(line.run(120)) == [97.0] * 120
    assert line.device.running


def test_without_a_keep_alive_it_falls_silent_and_is_started_again() -> None:
    line = Line()
    line.open()
    line.run(20)
    silent = line.run(40, polled=False)
    assert 5 <= len(readings(silent)) <= 13
    back = line.run(10)
    assert len(readings(back)) >= 3
    line.device.running = False  # switched off and on
    assert len(readings(line.run(20))) >= 9


def test_finger_out_searching_and_back() -> None:
    line = Line()
    line.open()
    line.run(5)
    line.device.state.finger = False
    out = line.run(5)
    assert [one.value for one in out if isinstance(one, DeviceEvent)] == [False]
    assert readings(out)[-1] is None
    line.device.state.finger, line.device.state.pulse, line.device.state.spo2 = True, None, None
    assert readings(line.run(3)) == [None]
    line.device.state.pulse, line.device.state.spo2 = 66, 93
    back = [(one.value, one.quality) for one in line.run(6) if isinstance(one, Reading) and one.signal == "spo2"]
    assert back[-1] == (93.0, Quality.GOOD)
    assert (93.0, Quality.POOR) in back
    assert readings(line.run(1), "perfusion_index") == [3.2]


def test_the_clock_is_set_where_wanted() -> None:
    line = Line(set_clock=True)
    line.open()
    line.run(2)
    assert line.device.clock == {"date": "2026-09-21", "time": "22:13:21"}
    line = Line()
    line.open()
    line.run(2)
    assert line.device.clock == {}


def test_its_memory_is_history_from_the_start_it_states() -> None:
    line = Line()
    line.device.records = [(97, 70), (96, 71), (0, 0), (95, 72)]
    line.device.recorded_ns = NOW - 3600 * SECOND
    found = line.driver.feed(line.device.feed(frames.command(0xA6)), line.now)
    assert all(isinstance(one, Reading) and one.stored for one in found)
    assert [
        ((one.at_ns - NOW) // SECOND + 3600, one.signal, one.value) for one in found if isinstance(one, Reading)
    ] == [
        (0, "heart_rate", 70),
        (0, "spo2", 97),
        (1, "heart_rate", 71),
        (1, "spo2", 96),
        (3, "heart_rate", 72),
        (3, "spo2", 95),
    ]


def test_memory_without_a_start_ends_now() -> None:
    length = frames.pack(frames.STORE_LENGTH, b"\0\0\x10\0\0\0")
    stored = frames.pack(frames.STORED_PI, b"\x61\x48\x40\x01")
    found = codec().feed(length + stored * 4, NOW)
    assert [(one.at_ns - NOW) // SECOND for one in found if one.signal == "spo2"] == [-4, -3, -2, -1]
    assert readings(found, "perfusion_index") == [3.2] * 4
    wrong_date = frames.pack(frames.STORE_DATE, bytes((0, 0, 20, 0, 0, 0))) + frames.pack(frames.STORE_TIME, bytes(6))
    future = frames.pack(frames.STORE_DATE, bytes((0, 0, 20, 99, 1, 1))) + frames.pack(frames.STORE_TIME, bytes(6))
    for start in (wrong_date, future):
        found = codec().feed(start + frames.pack(frames.STORED, bytes((97, 70) * 3)), NOW)
        assert [(one.at_ns - NOW) // SECOND for one in found if one.signal == "spo2"] == [-3, -2, -1]


def test_the_simulated_device_answers_as_the_manual_says() -> None:
    device = ContecOximeter()
    answers = [device.feed(frames.command(code)).hex(" ").upper() for code in (0xA1, 0xA2, 0xAF, 0xAA, 0xA3)]
    assert answers == ["0B 81 A1 80", "0C 80", "", "04 80 D3 F0 CF B2 B2 B0 B1", "0B 81 A3 85"]
    assert device.feed(frames.pack(0x04, bytes(7)) + b"\xff\x01\x01") == b""
    assert device.tick(NOW) == b""


# --- noise -----------------------------------------------------------------------------------------------------------


def traffic(rng: random.Random, count: int) -> list[bytes]:
    def one() -> bytes:
        if rng.random() < 0.1:
            kind = rng.choice(sorted(frames.PACKAGES))
            return frames.pack(kind, rng.randbytes(frames.PACKAGES[kind].size))
        return frames.live({"pr": rng.randrange(40, 180), "spo2": rng.randrange(80, 101), "pi": 1.5, "signal": 4})

    return [one() for _ in range(count)]


def test_chunking_gives_the_same_in_clean_and_noisy_streams() -> None:
    rng = random.Random(7)
    clean = b"".join(traffic(rng, 200))
    for make in (eager, codec):
        check_chunks(make, clean)
        check_chunks(make, noisy(rng, clean))


def test_damaged_frames_do_not_become_values() -> None:
    rng, line = random.Random(4), Line()
    line.open()
    found = line.run(1)
    for _ in range(60):
        line.at += 1
        found += line.driver.feed(noisy(rng, line.device.tick(line.now)), line.now)
        line.device.feed(line.driver.poll(line.now))
    live = [one for one in found if not one.stored]
    assert set(readings(live)) == {97.0}
    assert set(readings(live, "heart_rate")) == {72.0}
    assert set(readings(live, "perfusion_index")) == {3.2}


@given(st.binary(max_size=100))
def test_recovers_within_one_frame_after_any_noise(noise: bytes) -> None:
    listener = eager()
    live = frames.live({"pr": 72, "spo2": 97})
    listener.feed(noise + live * 2, NOW)
    before = listener.health.frames
    listener.feed(live * 3, NOW)
    assert listener.health.frames == before + 3
