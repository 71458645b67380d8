import random
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stream_checks import NOW, SECOND, check_chunks, check_one_fault_costs_one_frame, facts

from device_drivers.codec import StreamCodec
from device_drivers.modbus_io import DRIVER, ModbusIoCodec, frames
from device_drivers.observations import DeviceEvent, Observation
from device_drivers.registry import find_driver
from simulators.modbus_module import InputModule

WARD = {
    "modules": {"1": 8, "2": 16},
    "inputs": {
        "0": {"signal": "bed_occupancy", "closed": "in", "open": "left", "device": "mat-3"},
        "1": "help_button",
        "2:15": {"signal": "help_button", "closed": False, "open": True, "device": "cord-bath"},
        "2:0": {"signal": "door", "closed": "closed", "open": "open", "stable": 3},
    },
}


def make() -> StreamCodec:
    return ModbusIoCodec("bus", WARD)


def answer(*closed: int, unit: int = 1, count: int = 8) -> bytes:
    return frames.answer(unit, 2, [n in closed for n in range(count)])


def events(found: list[Observation]) -> list[tuple[str, str, Any, bool]]:
    return [(one.device_id, one.signal, one.value, one.repeat) for one in found if isinstance(one, DeviceEvent)]


def test_documented_frames() -> None:
    """The example of the Modbus specification for function 02, and a query and an exception as on a bus."""
    request = bytes.fromhex("11 02 00 C4 00 16 BA A9")
    assert frames.query(frames.Request(0x11, 2, 196, 22)) == request
    codec = ModbusIoCodec("bus", DRIVER.show_all)
    said = facts(codec, bytes.fromhex("11 02 03 AC DB 35 20 18"))
    assert [said[f"input_{n}"] for n in range(8)] == [False, False, True, True, False, True, False, True]
    assert (said["unit"], said["input_21"], said["input_22"]) == (17, True, False)
    assert facts(ModbusIoCodec("bus", DRIVER.show_all), request)["count"] == 22
    refused = facts(ModbusIoCodec("bus", DRIVER.show_all), frames.exception(1, 2, 2))
    assert (refused["exception"], refused["text"]) == (2, "illegal data address")


def test_a_ward() -> None:
    codec = ModbusIoCodec("bus", WARD)
    assert [one.count for one in codec.requests] == [8, 16]
    # What is so at the start is a restatement: it raises only where nothing is known.
    assert events(codec.feed(answer(0, 1), NOW)) == [
        ("mat-3", "bed_occupancy", "in", True),
        ("bus/1", "help_button", True, True),
    ]
    assert events(codec.feed(answer(15, unit=2, count=16), NOW))[0] == ("cord-bath", "help_button", False, True)
    # A call counts at once, leaving the bed when it has lasted for two answers.
    assert events(codec.feed(answer(), NOW + SECOND)) == [("bus/1", "help_button", False, False)]
    assert events(codec.feed(answer(1), NOW + SECOND)) == [
        ("mat-3", "bed_occupancy", "left", False),
        ("bus/1", "help_button", True, False),
    ]
    # A cut wire of a cord that rests closed is a call.
    assert events(codec.feed(answer(unit=2, count=16), NOW + SECOND)) == [("cord-bath", "help_button", True, False)]


def test_a_contact_that_bounces_says_nothing() -> None:
    codec = ModbusIoCodec("bus", WARD)
    codec.feed(answer(0), NOW)
    for _ in range(5):
        assert events(codec.feed(answer(), NOW)) == []
        assert events(codec.feed(answer(0), NOW)) == []
    door = ModbusIoCodec("bus", WARD)
    found = [
        events(door.feed(answer(0, unit=2, count=16) if n < 1 else answer(unit=2, count=16), NOW)) for n in range(5)
    ]
    doors = [[one for one in turn if one[1] == "door"] for turn in found]
    assert doors == [[("bus/2:0", "door", "closed", True)], [], [], [("bus/2:0", "door", "open", False)], []]


def test_unchanged_contacts_are_told_again_before_they_go_stale() -> None:
    codec = ModbusIoCodec("bus", WARD)
    codec.feed(answer(0), NOW)
    told = [events(codec.feed(answer(0), NOW + second * SECOND)) for second in range(1, 62)]
    beds = [second for second, turn in enumerate(told, 1) for one in turn if one[1] == "bed_occupancy"]
    assert beds == [30, 60]
    assert all(one[3] for turn in told for one in turn)


def test_a_module_that_is_gone_is_a_fault_of_what_hangs_on_it() -> None:
    codec = ModbusIoCodec("bus", WARD)
    gone = frames.exception(1, 2, frames.NO_ANSWER)
    assert events(codec.feed(gone, NOW)) == [
        ("mat-3", "device_fault", "other", False),
        ("bus/1", "device_fault", "other", False),
    ]
    assert codec.notes[-1].fields == {"unit": 1, "exception": 11, "text": "no answer"}
    assert events(codec.feed(gone, NOW)) == []
    assert events(codec.feed(answer(0), NOW))[:2] == [
        ("mat-3", "device_fault", "none", False),
        ("bus/1", "device_fault", "none", False),
    ]
    assert codec.feed(frames.exception(2, 2, 99), NOW) != []
    assert codec.notes[-1].fields["text"] == "unknown"


def test_bad_frames_are_counted_and_kept() -> None:
    codec = ModbusIoCodec("bus", WARD)
    broken = bytearray(answer(0))
    broken[3] ^= 1
    assert codec.feed(bytes(broken), NOW) == []
    assert codec.health.rejected["crc"] == 1
    assert codec.rejections[0].raw == bytes(broken)
    codec = ModbusIoCodec("bus", WARD)
    assert codec.feed(bytes.fromhex("01 02 40"), NOW) == []
    assert codec.health.rejected == {"length": 1}
    assert codec.feed(answer(0)[:4], NOW) == codec.finish(NOW) == []
    assert codec.health.rejected == {"length": 2}
    # Another unit's answers on the same bus are not ours.
    assert codec.feed(answer(0, unit=9), NOW) == []
    assert codec.feed(answer(0), NOW) != []


def test_an_answer_that_is_shorter_than_asked_is_refused() -> None:
    codec = ModbusIoCodec("bus", WARD)
    assert codec.feed(answer(unit=2, count=8), NOW) == []
    assert codec.rejections[0].detail == {"size": 1, "unit": 2}
    # For looking at captured frames any length is taken, and what it does not hold stays unknown.
    shown = ModbusIoCodec("bus", WARD | DRIVER.show_all)
    assert [one[0] for one in events(shown.feed(answer(unit=2, count=8), NOW))] == ["bus/2:0"]


@given(st.integers(1, 247), st.sampled_from([1, 2]), st.lists(st.booleans(), min_size=1, max_size=256))
def test_decode_inverts_encode(unit: int, function: int, inputs: list[bool]) -> None:
    said = frames.decode(frames.answer(unit, function, inputs))
    assert said.unit == unit
    assert said.inputs is not None
    assert list(said.inputs)[: len(inputs)] == inputs
    assert not any(said.inputs[len(inputs) :])


@given(st.integers(0, 7), st.integers(1, 8), st.sets(st.integers(0, 7)))
def test_a_simulated_module_answers_what_is_asked(first: int, count: int, closed: set[int]) -> None:
    module = InputModule(unit=5, closed=closed)
    asked = frames.query(frames.Request(5, 2, first, count))
    said = frames.decode(module.feed(b"\xff" + asked[:3]) + module.feed(asked[3:]))
    if first + count > 8:
        assert said.exception == 2
    else:
        assert said.inputs is not None
        assert [n for n, on in enumerate(said.inputs) if on] == sorted(
            n - first for n in closed if first <= n < first + count
        )
    assert module.feed(frames.query(frames.Request(6, 2, 0, 8))) == b""
    assert frames.decode(module.feed(frames.query(frames.Request(5, 3, 0, 8)))[:5]).exception == 1


def traffic(rng: random.Random, count: int) -> list[bytes]:
    return [
        answer(*(n for n in range(16) if rng.random() < 0.5), unit=2, count=16)
        if rng.random() < 0.5
        else answer(*(n for n in range(8) if rng.random() < 0.5))
        for _ in range(count)
    ]


def test_chunks_and_noise() -> None:
    rng = random.Random(5)
    data = bytearray(b"".join(traffic(rng, 300)))
    check_chunks(make, bytes(data))
    for _ in range(60):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    check_chunks(make, bytes(data))


@pytest.mark.parametrize("kind", ["loss", "flip", "double"])
def test_one_fault_costs_one_frame(kind: str) -> None:
    def bare() -> StreamCodec:
        inputs = {str(n): {"signal": "help_button", "device": f"b{n}"} for n in range(8)}
        return ModbusIoCodec("bus", {"inputs": inputs})

    def one_module(rng: random.Random, count: int) -> list[bytes]:
        return [answer(*(n for n in range(8) if rng.random() < 0.5)) for _ in range(count)]

    check_one_fault_costs_one_frame(bare, one_module, kind, rounds=400)


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"modules": {}}, "modules"),
        ({"modules": {"0": 8}}, "modules"),
        ({"modules": {"1": 300}}, "modules"),
        ({"function": "registers"}, "function"),
        ({"first": -1}, "first"),
        ({"inputs": []}, "inputs"),
        ({"inputs": {"8": "fall"}}, "inputs.8"),
        ({"inputs": {"2:0": "fall"}}, "inputs.2:0"),
        ({"inputs": {"x": "fall"}}, "inputs.x"),
        ({"inputs": {"0": 5}}, "inputs.0"),
        ({"inputs": {"0": {"signal": "fall", "normally": "open"}}}, "inputs.0"),
        ({"inputs": {"0": "heart_rate"}}, "inputs.0"),
        ({"inputs": {"0": "bed_occupancy"}}, "inputs.0"),
        ({"inputs": {"0": {"signal": "bed_occupancy", "closed": "in"}}}, "inputs.0"),
        ({"inputs": {"0": {"signal": "fall", "closed": "yes"}}}, "inputs.0"),
        ({"inputs": {"0": {"signal": "fall", "stable": 0}}}, "inputs.0"),
    ],
)
def test_a_wrong_wiring_list_is_told_with_its_place(options: dict[str, Any], where: str) -> None:
    with pytest.raises(ValueError, match=where.replace(".", r"\.")):
        ModbusIoCodec("bus", options)


def test_the_driver() -> None:
    assert find_driver("modbus_io") is find_driver("modbus") is DRIVER
    assert DRIVER.stream is not None
    assert isinstance(DRIVER.stream("bus", {}), ModbusIoCodec)


def test_the_example_of_the_documentation_works() -> None:
    text = (Path(__file__).parents[2] / "docs" / "devices.md").read_text(encoding="utf-8")
    section = text[text.index("## `modbus_io`") :]
    example = textwrap.dedent(section[section.index("```toml") + 7 : section.index("  ```\n\n  `stable`")])
    (line,) = tomllib.loads(example)["serial"]
    codec = ModbusIoCodec(line["device_id"], line["options"])
    found = events(codec.feed(answer(0) + answer(unit=2, count=16), NOW))
    assert found == [
        ("mat-201", "bed_occupancy", "in", True),
        ("ward-2/1", "help_button", False, True),
        ("cord-bath-201", "help_button", True, True),
    ]
