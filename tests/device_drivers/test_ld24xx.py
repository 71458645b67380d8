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
)

from device_drivers.codec import StreamCodec
from device_drivers.ld24xx import LD2410, LD2450, Ld2410Codec, Ld2450Codec, commands, ld2410, ld2450
from device_drivers.observations import DeviceEvent, Observation, Quality, Samples
from device_drivers.registry import find_driver
from simulators.presence_radar import Ld2410Device, Ld2450Device

OWN_2410: list[tuple[str, dict[str, Any]]] = [
    (
        "F4 F3 F2 F1 0D 00 02 AA 03 4F 00 64 4C 00 64 32 00 55 00 F8 F7 F6 F5",
        {"presence": True, "motion": "active", "distance": 50, "state": 3, "moving_cm": 79, "still_cm": 76},
    ),
    (
        "F4 F3 F2 F1 0D 00 02 AA 02 54 00 00 00 00 64 00 00 55 00 F8 F7 F6 F5",
        {"presence": True, "motion": "still", "state": 2, "moving_cm": 84, "still_energy": 100},
    ),
    (
        "F4 F3 F2 F1 0D 00 02 AA 00 45 00 3E 00 00 3A 00 00 55 00 F8 F7 F6 F5",
        {"presence": False, "motion": "none", "distance": None, "moving_cm": 69, "moving_energy": 62},
    ),
    (
        "F4F3F2F1 2300 01AA 031E003C0000390000 0808 3C2205030304030605 000039101306060804 0305 5500 F8F7F6F5",
        {
            "state": 3,
            "max_moving_gate": 8,
            "moving_energies": [0x3C, 0x22, 5, 3, 3, 4, 3, 6, 5],
            "still_energies": [0, 0, 0x39, 0x10, 0x13, 6, 6, 8, 4],
            "light": 3,
            "out_pin": 5,
        },
    ),
    ("FD FC FB FA 04 00 FF 00 01 00 04 03 02 01", {"command": "enable config"}),
    ("FD FC FB FA 02 00 FE 00 04 03 02 01", {"command": "end config"}),
    (
        "FD FC FB FA 08 00 FF 01 00 00 01 00 40 00 04 03 02 01",
        {"command": "enable config", "ok": True, "protocol": 1, "buffer": 64},
    ),
    (
        "FD FC FB FA 14 00 60 00 00 00 08 00 00 00 01 00 08 00 00 00 02 00 05 00 00 00 04 03 02 01",
        {"command": "set gates", "max_moving_gate": 8, "max_still_gate": 8, "no_one_time_s": 5},
    ),
    (
        "FD FC FB FA 14 00 64 00 00 00 FF FF 00 00 01 00 28 00 00 00 02 00 28 00 00 00 04 03 02 01",
        {"command": "set sensitivity", "gate": "all", "moving_sensitivity": 40, "still_sensitivity": 40},
    ),
    (
        "FDFCFBFA 1C00 6101 0000 AA080808 141414141414141414 191919191919191919 0500 04030201",
        {"moving_sensitivity": [20] * 9, "still_sensitivity": [25] * 9, "no_one_time_s": 5, "ok": True},
    ),
    ("FD FC FB FA 0C 00 A0 01 00 00 00 00 02 01 16 24 06 22 04 03 02 01", {"firmware": "V1.02.22062416"}),
    ("FD FC FB FA 04 00 A1 00 07 00 04 03 02 01", {"command": "set baud", "baud": 256000}),
    ("FD FC FB FA 0A 00 A5 01 00 00 8F 27 2E B8 0F 65 04 03 02 01", {"mac": "8F:27:2E:B8:0F:65"}),
    ("FD FC FB FA 04 00 A4 00 00 01 04 03 02 01", {"command": "bluetooth", "bluetooth": True}),
    ("FD FC FB FA 06 00 AB 01 00 00 01 00 04 03 02 01", {"resolution_m": 0.2}),
    ("FD FC FB FA 04 00 62 01 01 00 04 03 02 01", {"command": "engineering mode on", "ok": False}),
    ("FD FC FB FA 08 00 AE 01 00 00 01 80 00 00 04 03 02 01", {"light_control": 1, "light_threshold": 128}),
    ("FD FC FB FA 08 00 A9 00 48 69 4C 69 6E 6B 04 03 02 01", {"command": "set bluetooth password"}),
    ("FD FC FB FA 04 00 A9 01 00 00 04 03 02 01", {"command": "set bluetooth password", "ok": True}),
    ("FD FC FB FA 03 00 12 00 07 04 03 02 01", {"command": "0012", "hex": "07"}),
]
OWN_2450: list[tuple[str, dict[str, Any]]] = [
    (
        "AA FF 03 00 0E 03 B1 86 10 00 40 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 55 CC",
        {
            "presence": True,
            "target_count": 1,
            "position_x": -78.2,
            "position_y": 171.3,
            "radial_speed": -16,
            "distance": 188.3,
            "targets": [{"x_mm": -782, "y_mm": 1713, "speed_cm_s": -16, "resolution_mm": 320}],
        },
    ),
    ("AA FF 03 00" + "00" * 24 + "55 CC", {"presence": False, "target_count": 0, "position_x": None, "targets": []}),
    ("FD FC FB FA 06 00 91 01 00 00 02 00 04 03 02 01", {"command": "read tracking", "tracking": "multi"}),
    (
        "FD FC FB FA 1C 00 C2 00 02 00 E803 E803 18FC 8813 0000 0000 0000 0000 0000 0000 0000 0000 04 03 02 01",
        {"zone_filter": 2, "zone1_x1_mm": 1000, "zone1_x2_mm": -1000, "zone1_y2_mm": 5000, "zone3_y2_mm": 0},
    ),
]


def eager2410() -> Ld2410Codec:
    return Ld2410Codec("radar", LD2410.show_all)


def eager2450() -> Ld2450Codec:
    return Ld2450Codec("radar", LD2450.show_all)


def plain2410() -> Ld2410Codec:
    return Ld2410Codec("radar")


def plain2450() -> Ld2450Codec:
    return Ld2450Codec("radar")


def said(found: list[Observation]) -> dict[str, Any]:
    return {one.signal: one.value for one in found if not isinstance(one, Samples)}


@pytest.mark.parametrize(("text", "expected"), OWN_2410)
def test_own_vectors_2410(text: str, expected: dict[str, Any]) -> None:
    codec = eager2410()
    assert expected.items() <= facts(codec, bytes.fromhex(text)).items()
    assert not codec.rejections


@pytest.mark.parametrize(("text", "expected"), OWN_2450)
def test_own_vectors_2450(text: str, expected: dict[str, Any]) -> None:
    codec = eager2450()
    assert expected.items() <= facts(codec, bytes.fromhex(text)).items()
    assert not codec.rejections


def test_reference_vectors(protocols_folder: Path) -> None:
    vectors = json.loads((protocols_folder / "vectors.json").read_text(encoding="utf-8"))
    count = 0
    for vector in vectors:
        if vector["family"] in {"hlk_ld2410", "hlk_ld2450"}:
            driver = find_driver(vector["family"])
            assert driver.stream is not None
            codec = driver.stream("radar", driver.show_all)
            assert vector["decoded"].items() <= facts(codec, bytes.fromhex(vector["data"])).items(), vector
            count += 1
    assert count >= 9


u8, u16 = st.integers(0, 255), st.integers(0, 0xFFFF)
targets_2410 = st.fixed_dictionaries(
    {
        name: st.integers(0, 3) if name == "state" else u16 if name.endswith("cm") else u8
        for name in ld2410.TARGET_FIELDS
    }
)
gates = st.lists(u8, min_size=9, max_size=9)
engineering = st.fixed_dictionaries(
    {"max_moving_gate": u8, "max_still_gate": u8, "moving_energies": gates, "still_energies": gates}
)
extra = st.none() | engineering | st.tuples(engineering, u8, u8).map(lambda e: {**e[0], "light": e[1], "out_pin": e[2]})
place = st.fixed_dictionaries(
    {
        "x_mm": st.integers(-0x7FFF, 0x7FFF),
        "y_mm": st.integers(-0x7FFF, 0x7FFF),
        "speed_cm_s": st.integers(-0x7FFF, 0x7FFF),
        "resolution_mm": st.integers(1, 0xFFFF),
    }
)


@given(targets_2410, extra)
def test_decode_inverts_encode_2410(target: dict[str, int], more: dict[str, Any] | None) -> None:
    codec = eager2410()
    found = facts(codec, ld2410.report(target, more))
    assert {**target, **(more or {})}.items() <= found.items()
    assert found["presence"] == (target["state"] != 0)
    assert not codec.rejections


@given(st.lists(place, max_size=3))
def test_decode_inverts_encode_2450(targets: list[dict[str, int]]) -> None:
    found = facts(eager2450(), ld2450.report(targets))
    assert (found["targets"], found["presence"], found["target_count"]) == (targets, bool(targets), len(targets))


def test_commands_are_written_as_the_manuals_show() -> None:
    written = [
        commands.command("enable config"),
        commands.command("set baud", baud=256000),
        commands.command("set sensitivity", gate="all", moving_sensitivity=40, still_sensitivity=40),
        commands.command("read mac"),
        commands.answer(0x00FE),
    ]
    assert [one.hex(" ").upper() for one in written] == [
        "FD FC FB FA 04 00 FF 00 01 00 04 03 02 01",
        "FD FC FB FA 04 00 A1 00 07 00 04 03 02 01",
        "FD FC FB FA 14 00 64 00 00 00 FF FF 00 00 01 00 28 00 00 00 02 00 28 00 00 00 04 03 02 01",
        "FD FC FB FA 04 00 A5 00 01 00 04 03 02 01",
        "FD FC FB FA 04 00 FE 01 00 00 04 03 02 01",
    ]
    for row in commands.COMMANDS:
        values = {name: 1 for name in row.value.names if not name.startswith("_")}
        values |= {name: next(iter(words.values())) for name, words in (row.value.words or {}).items()}
        kind, explained = commands.explain(commands.command(row.name, **values))
        assert (kind, explained) == (row.kind, {"command": row.name, **values})
    for wrong, why in (({}, "expected values"), ({"baud": "fast"}, "not known"), ({"baud": 99_999}, "format")):
        with pytest.raises(commands.CommandError, match=why):
            commands.command("set baud", **wrong)


def test_answers_of_wrong_size_are_refused() -> None:
    codec = plain2410()
    wrong = [
        commands.frame(0x01FE),
        commands.answer(0x0061, bytes(24)),
        commands.answer(0x00A0, bytes(3)),
        commands.answer(0x00A5, bytes(3)),
        commands.answer(0x00AE, bytes(3)),
        commands.answer(0x00AB, bytes(3)),
        commands.frame(0x00A1, b"\x07"),
    ]
    assert codec.feed(b"".join(wrong), NOW) == []
    assert codec.health.rejected == {"length": len(wrong)}
    assert [one.raw for one in codec.rejections] == wrong


def test_without_its_constants_a_report_is_dropped() -> None:
    target = dict.fromkeys(ld2410.TARGET_FIELDS, 1)
    good = ld2410.report(target)
    wrong_type = ld2410.HEAD + b"\x0d\x00\x07" + good[7:]
    long_basic = ld2410.HEAD + b"\x0e\x00\x02\xaa" + bytes(10) + b"\x55\x00" + ld2410.TAIL
    for spoiled, reason in (
        (good[:7] + b"\xab" + good[8:], "constants"),
        (good[:-6] + b"\x56" + good[-5:], "constants"),
        (good[:-1] + b"\xf4", "tail"),
        (good[:4] + b"\x0c" + good[5:], "length"),
        (good[:4] + b"\xff" + good[5:], "length"),
        (wrong_type, "report"),
        (long_basic, "report"),
    ):
        codec = plain2410()
        assert codec.feed(spoiled, NOW) == []
        assert codec.health.rejected[reason] == 1, spoiled.hex(" ")
        assert said(codec.feed(good, NOW))["presence"] is True
    codec2450 = plain2450()
    assert codec2450.feed(ld2450.report([])[:-1] + b"\xcd", NOW) == []
    assert codec2450.health.rejected["tail"] == 1
    with pytest.raises(ValueError, match="4 targets"):
        ld2450.report([{}] * 4)
    with pytest.raises(ValueError, match="15 bits"):
        ld2450.report([{"x_mm": 40_000, "y_mm": 0, "speed_cm_s": 0, "resolution_mm": 0}])
    with pytest.raises(struct.error):
        ld2410.report(target | {"detect_cm": 70_000})


def test_an_unknown_state_is_no_state() -> None:
    codec = plain2410()
    found = codec.feed(ld2410.report(dict.fromkeys(ld2410.TARGET_FIELDS, 6)), NOW)
    assert [(one.signal, one.value, one.quality) for one in found if isinstance(one, DeviceEvent)] == [
        ("presence", None, Quality.INVALID),
        ("motion", None, Quality.INVALID),
    ]


def watch(
    codec: StreamCodec, device: Ld2410Device | Ld2450Device, seconds: float, start: float
) -> list[tuple[Any, ...]]:
    found: list[Observation] = []
    for tenth in range(round(seconds * 10)):
        now = NOW + round((start + tenth / 10) * SECOND)
        found += codec.feed(device.tick(now), now)
    return [
        (round((one.at_ns - NOW) / SECOND, 1), one.signal, one.value, one.repeat)
        for one in found
        if isinstance(one, DeviceEvent)
    ]


def test_presence_stands_for_the_hold_time_and_repeats_are_rare() -> None:
    codec, device = plain2410(), Ld2410Device()
    assert watch(codec, device, 5, 0) == [(0.0, "presence", False, False), (0.0, "motion", "none", False)]
    device.moving_cm = 120
    assert watch(codec, device, 1, 5) == [(5.0, "presence", True, False), (5.0, "motion", "active", False)]
    device.moving_cm = None  # sits still and is lost for two seconds
    assert watch(codec, device, 2, 6) == [(6.0, "motion", "still", False)]
    device.still_cm = 118
    assert watch(codec, device, 10, 8) == [(15.0, "presence", True, True), (16.0, "motion", "still", True)]
    device.still_cm = None
    assert watch(codec, device, 5, 18) == [(20.9, "presence", False, False), (20.9, "motion", "none", False)]


def test_the_tracking_radar_loses_nobody_at_once() -> None:
    codec, device = plain2450(), Ld2450Device()
    device.targets = [(-500, 2000, 5), (100, 300, 0)]
    found = said(codec.feed(device.tick(NOW), NOW))
    assert found == {
        "presence": True,
        "target_count": 2,
        "distance": 31.6,
        "position_x": 10.0,
        "position_y": 30.0,
        "radial_speed": 0.0,
    }
    device.targets = []
    assert said(codec.feed(device.tick(NOW + SECOND), NOW + SECOND)) == {
        "target_count": 0,
        "distance": None,
        "position_x": None,
        "position_y": None,
        "radial_speed": None,
    }
    assert [row for row in watch(codec, device, 4, 1.1) if row[1] == "presence"] == [(3.0, "presence", False, False)]


def test_readings_come_once_a_second() -> None:
    codec, device = plain2410(), Ld2410Device()
    device.still_cm = 80
    found = [
        one.signal for n in range(50) for one in codec.feed(device.tick(NOW + n * SECOND // 10), NOW + n * SECOND // 10)
    ]
    assert found.count("distance") == 5


def test_a_clock_that_was_set_back_ends_the_hold_time() -> None:
    codec = plain2410()
    seen, empty = (ld2410.report(dict.fromkeys(ld2410.TARGET_FIELDS, n)) for n in (1, 0))
    codec.feed(seen, NOW)
    assert said(codec.feed(empty, NOW - 3600 * SECOND))["presence"] is False


def test_a_silent_radar_is_told_to_leave_configuration_mode() -> None:
    codec, device = plain2410(), Ld2410Device()
    device.feed(commands.command("enable config"))
    sent = []
    for second in range(25):
        now = NOW + second * SECOND
        if out := codec.poll(now):
            sent.append(second)
            codec.feed(device.feed(out), now)
        codec.feed(device.tick(now), now)
    assert sent == [10]
    assert not device.configuring
    assert codec.health.frames > 100
    assert codec.poll(NOW - 3600 * SECOND) == b""


def test_simulated_radars_answer_commands() -> None:
    codec, device = plain2410(), Ld2410Device()
    names = (
        "read version",
        "enable config",
        "read version",
        "read mac",
        "engineering mode on",
        "read zones",
        "restart",
    )
    for name in names:
        codec.feed(device.feed(commands.command(name)), NOW)
    codec.feed(
        device.feed(commands.frame(0x7777) + commands.command("enable config") + commands.frame(0x00A1, b"\1")), NOW
    )
    codec.feed(device.feed(commands.command("set baud", baud=115200) + commands.command("end config")), NOW)
    answers = [(note.fields["command"], note.fields.get("ok"), note.fields.get("firmware")) for note in codec.notes]
    assert answers == [
        ("read version", False, None),
        ("enable config", True, None),
        ("read version", True, "V1.07.22091516"),
        ("read mac", True, None),
        ("engineering mode on", True, None),
        ("read zones", False, None),
        ("restart", True, None),
        ("7777", None, None),
        ("enable config", True, None),
        ("set baud", False, None),
        ("set baud", True, None),
        ("end config", True, None),
    ]
    assert device.baud == 115_200
    found = facts(eager2410(), device.tick(NOW))
    assert (found["light"], found["out_pin"]) == (90, 0)
    assert device.feed(device.tick(NOW + SECOND)) == b""
    assert len(device.tick(NOW + 3600 * SECOND)) < 100


def test_drivers() -> None:
    assert find_driver("hlk_ld2410") is LD2410
    assert find_driver("rd03d") is LD2450
    with pytest.raises(ValueError, match="hold_s is -1"):
        Ld2410Codec("radar", {"hold_s": -1})


# --- noise -----------------------------------------------------------------------------------------------------------


def traffic2410(rng: random.Random, count: int) -> list[bytes]:
    def one() -> bytes:
        if rng.random() < 0.05:
            return commands.answer(0x00FE)
        sizes = {"state": 3, "moving_energy": 100, "still_energy": 100}
        return ld2410.report({name: rng.randrange(sizes.get(name, 600) + 1) for name in ld2410.TARGET_FIELDS})

    return [one() for _ in range(count)]


def traffic2450(rng: random.Random, count: int) -> list[bytes]:
    def one() -> dict[str, int]:
        return {
            "x_mm": rng.randrange(-3000, 3000),
            "y_mm": rng.randrange(200, 6000),
            "speed_cm_s": rng.randrange(-99, 99),
            "resolution_mm": 360,
        }

    return [ld2450.report([one() for _ in range(rng.randrange(4))]) for _ in range(count)]


BOTH = pytest.mark.parametrize(
    ("make", "plain", "traffic"), [(eager2410, plain2410, traffic2410), (eager2450, plain2450, traffic2450)]
)


@BOTH
def test_chunking_gives_the_same_in_clean_and_noisy_streams(make: Any, plain: Any, traffic: Any) -> None:
    rng = random.Random(7)
    clean = b"".join(traffic(rng, 100))
    check_chunks(make, clean)
    check_chunks(plain, clean)
    check_chunks(make, noisy(rng, clean))


@BOTH
@pytest.mark.parametrize("kind", ["loss", "duplicate"])
def test_a_lost_or_doubled_byte_costs_its_own_frame_only(make: Any, plain: Any, traffic: Any, kind: str) -> None:
    check_one_fault_costs_one_frame(make, traffic, kind, 400)


@BOTH
def test_recovers_within_one_frame_after_any_noise(make: Any, plain: Any, traffic: Any) -> None:
    rng = random.Random(5)
    for _ in range(300):
        codec = make()
        codec.feed(rng.randbytes(rng.randrange(200)) + b"".join(traffic(rng, 4)), NOW)
        before = codec.health.frames
        codec.feed(b"".join(traffic(rng, 3)), NOW)
        assert codec.health.frames == before + 3
