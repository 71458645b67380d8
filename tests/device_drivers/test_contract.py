"""What a driver promises is checked, and each way to break it is named in a sentence that says what to write."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from device_drivers.codec import Driver, MessageCodec, StreamCodec
from device_drivers.contract import (
    DriverFaultError,
    driver_problem,
    fault_of,
    make_message,
    make_stream,
    sound,
    where,
)
from device_drivers.observations import DeviceEvent, Observation, Quality, Reading, Samples
from device_drivers.registry import drivers
from device_drivers.signals import SIGNALS

NOW = 1_790_000_000_000_000_000


class Stream(StreamCodec):
    family = "good"

    def __init__(self, device_id: str, *_: Any) -> None:
        super().__init__(device_id)

    def feed(self, *_: Any) -> list[Observation]:
        return []


class Message(MessageCodec):
    family = "good"

    def __init__(self, *_: Any) -> None:
        super().__init__()

    def subscriptions(self) -> list[str]:
        return ["a/#"]

    def feed(self, *_: Any, **__: Any) -> list[Observation]:
        return []


GOOD = Driver("good", "好", "Good", ("spo2",), stream=Stream, message=Message)


def test_every_driver_of_ours_keeps_the_contract() -> None:
    assert [driver_problem(driver) for driver in drivers().values()] == [None] * len(drivers())


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"family": "Good One"}, "family is 'Good One'"),
        ({"family": None}, "family is None"),
        ({"signals": "spo2"}, "signals is 'spo2': write a tuple of str, with a comma"),
        ({"signals": ("oxygen", "spo2")}, "signals has 'oxygen': not in the table"),
        ({"aliases": ["x"]}, "aliases is"),
        ({"first_bytes": ("*",)}, "first_bytes is ('*',): write a tuple of bytes"),
        ({"commands": (1,)}, "commands is"),
        ({"stream": None, "message": None}, "makes no codec"),
        ({"stream": "Stream", "message": None}, "makes no codec"),
        ({"title_zh": ""}, "title_zh"),
        ({"title_en": None}, "title_en"),
        ({"baud": 9600.5}, "baud is 9600.5"),
        ({"baud": 1}, "baud is 1"),
        ({"lost_after_s": "300"}, "lost_after_s is '300'"),
        ({"lost_after_s": math.nan}, "lost_after_s is nan"),
        ({"lost_after_s": 0}, "lost_after_s is 0"),
        ({"signal_lost_after_s": None}, "signal_lost_after_s is None"),
    ],
)
def test_what_is_wrong_with_a_driver_is_said(wrong: dict[str, Any], text: str) -> None:
    assert driver_problem(GOOD) is None
    assert driver_problem(replace(GOOD, lost_after_s=math.inf)) is None
    problem = driver_problem(replace(GOOD, **wrong))
    assert problem is not None
    assert text in problem


def test_something_else_than_a_driver_is_said_to_be_so() -> None:
    assert "of type module" in str(driver_problem(math))


class NotBegun(Stream):
    def __init__(self, device_id: str, *_: Any) -> None:
        self.device_id = device_id


class Nameless(Stream):
    family = None  # type: ignore[assignment]


class Renamed(Stream):
    def __init__(self, *_: Any) -> None:
        super().__init__("mine")


class NoFeed(StreamCodec):
    family = "good"


def fails(*_: Any) -> Any:
    raise ZeroDivisionError("a mistake")


@pytest.mark.parametrize(
    ("stream", "text"),
    [
        (None, "no stream codec"),
        (lambda *_: None, "makes a NoneType, not a StreamCodec"),
        (lambda *_: Message(), "makes a Message, not a StreamCodec"),
        (lambda _: None, "TypeError"),
        (NotBegun, r"super\(\).__init__"),
        (Nameless, 'write family = "good"'),
        (Renamed, "another device_id"),
        (NoFeed, "abstract method '?feed"),
        (fails, r"ZeroDivisionError: a mistake \(.*test_contract.py:\d+\)"),
    ],
)
def test_what_is_wrong_with_a_stream_codec_is_said(stream: Any, text: str) -> None:
    assert make_stream(GOOD, "d", {}).device_id == "d"
    with pytest.raises(DriverFaultError, match=text) as raised:
        make_stream(replace(GOOD, stream=stream), "d", {})
    assert raised.value.family == "good"
    assert raised.value.problem in str(raised.value)


class BadFilters(Message):
    def subscriptions(self) -> list[str]:
        return "a/#"  # type: ignore[return-value]


class FailingFilters(Message):
    def subscriptions(self) -> list[str]:
        raise KeyError("topic")


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (None, "no message codec"),
        (BadFilters, "give a list of topic filters"),
        (FailingFilters, "subscriptions raised KeyError: 'topic'"),
        (fails, "ZeroDivisionError"),
    ],
)
def test_what_is_wrong_with_a_message_codec_is_said(message: Any, text: str) -> None:
    assert make_message(GOOD, {}).subscriptions() == ["a/#"]
    with pytest.raises(DriverFaultError, match=text):
        make_message(replace(GOOD, message=message), {})


def test_a_wrong_option_stays_a_value_error() -> None:
    def picky(*_: Any) -> Any:
        raise ValueError("rate is fast; give a number")

    with pytest.raises(ValueError, match="rate is fast"):
        make_stream(replace(GOOD, stream=picky), "d", {})
    with pytest.raises(ValueError, match="rate is fast"):
        make_message(replace(GOOD, message=picky), {})


READING: Any = Reading("d", "spo2", 97.0, NOW, NOW)
EVENT: Any = DeviceEvent("d", "worn", True, NOW, NOW)
SAMPLES: Any = Samples("d", "accel", np.zeros((5, 3), np.float32), 50.0, NOW, NOW, 16.0, 1)
SOUND: list[Any] = [
    READING,
    replace(READING, value=97),
    replace(READING, value=None, quality=Quality.NO_CONTACT),
    replace(READING, value=np.float64(97)),
    EVENT,
    replace(EVENT, value=None),
    replace(EVENT, signal="door", value="open", token="7"),
    replace(EVENT, signal="room", value="厨房"),
    SAMPLES,
    replace(SAMPLES, sequence=None, full_scale=None),
    replace(SAMPLES, rate_hz=50),
    replace(SAMPLES, signal="pulse_wave", values=np.zeros((5, 2), np.float32)),
    replace(SAMPLES, signal="bed_wave", values=np.zeros((5, 1), np.float32)),
    replace(SAMPLES, signal="breath_wave", values=np.zeros((5, 1), np.float32)),
]
NONSENSE: list[tuple[Any, str]] = [
    (None, "a NoneType is no observation"),
    ({"spo2": 97}, "a dict is no observation"),
    (replace(READING, signal="oxygen"), "'oxygen': not in the table"),
    (replace(READING, signal=["spo2"]), "not in the table"),
    (replace(READING, signal="temperature"), "did you mean skin_temperature, "),
    (replace(READING, signal="worn"), "worn is given as Reading"),
    (replace(READING, signal="accel"), "accel is given as Reading"),
    (replace(READING, device_id=""), "device_id is ''"),
    (replace(READING, device_id=7), "device_id is 7"),
    (replace(READING, value="97"), "value is '97', a str"),
    (replace(READING, value=True), "value is True, a bool"),
    (replace(READING, value=np.float32(97)), "a float32: write float"),
    (replace(READING, value=math.nan), "nan is outside 35 to 100"),
    (replace(READING, value=127), "127 is outside 35 to 100: make readings with signals.reading"),
    (replace(READING, at_ns=None), "at_ns is None"),
    (replace(READING, at_ns=1.79e18), "at_ns is 1.79e+18"),
    (replace(READING, at_ns=-1), "at_ns is -1"),
    (replace(READING, received_ns=2**70), "received_ns is"),
    (replace(READING, quality="good"), "quality is 'good'"),
    (replace(READING, stored=1), "stored is 1"),
    (replace(EVENT, signal="spo2"), "spo2 is given as DeviceEvent"),
    (replace(EVENT, value=1), "value is 1: write True or False"),
    (replace(EVENT, value="yes"), "value is 'yes'"),
    (replace(EVENT, signal="door", value=True), "write open or closed"),
    (replace(EVENT, signal="door", value="ajar"), "value is 'ajar'"),
    (replace(EVENT, signal="room", value=3), "write a text"),
    (replace(EVENT, token=["x"]), "token"),
    (replace(EVENT, repeat=None), "repeat"),
    (replace(SAMPLES, values=[[0, 0, 0]]), "no array of float32"),
    (replace(SAMPLES, values=np.zeros((5, 3))), "no array of float32"),
    (replace(SAMPLES, values=np.zeros((5, 2), np.float32)), "write (n, 3)"),
    (replace(SAMPLES, values=np.zeros(5, np.float32)), "write (n, 3)"),
    (replace(SAMPLES, values=np.zeros((0, 3), np.float32)), "write (n, 3)"),
    (replace(SAMPLES, rate_hz=0), "rate_hz is 0"),
    (replace(SAMPLES, rate_hz=math.inf), "rate_hz is inf"),
    (replace(SAMPLES, full_scale="16"), "full_scale"),
    (replace(SAMPLES, sequence="1"), "sequence"),
    (replace(SAMPLES, device_id=None), "device_id is None"),
]


@pytest.mark.parametrize("one", SOUND, ids=repr)
def test_sound_observations_pass(one: Any) -> None:
    told: list[str] = []
    assert fault_of(one) is None
    assert sound([one], told.append) == [one]
    assert told == []


@pytest.mark.parametrize(("one", "text"), NONSENSE, ids=lambda value: str(value)[:60])
def test_nonsense_is_taken_out_and_named_and_what_stands_beside_it_passes(one: Any, text: str) -> None:
    told: list[str] = []
    assert sound([READING, one, EVENT], told.append) == [READING, EVENT]
    (problem,) = told
    assert text in problem


@pytest.mark.parametrize("found", [None, 7, "text", {}, iter([READING])])
def test_a_feed_that_gives_no_list_gives_nothing(found: Any) -> None:
    told: list[str] = []
    assert sound(found, told.append) == []
    assert "give a list of observations" in told[0]


def test_a_tuple_is_as_good_as_a_list() -> None:
    assert sound((READING, EVENT), pytest.fail) == [READING, EVENT]
    assert sound((), pytest.fail) == []


def test_every_signal_of_the_table_can_be_given() -> None:
    from device_drivers.signals import SignalKind

    for row in SIGNALS.values():
        one: Any
        match row.kind:
            case SignalKind.READING:
                one = Reading("d", row.name, row.high, NOW, NOW)
            case SignalKind.EVENT:
                one = DeviceEvent("d", row.name, row.words[0] if row.words else not row.free_words or "x", NOW, NOW)
            case SignalKind.WAVEFORM:
                columns = 3 if row.name in {"accel", "gyro"} else 1
                one = Samples("d", row.name, np.zeros((2, columns), np.float32), 25.0, NOW, NOW)
        assert fault_of(one) is None


def test_an_error_without_a_place_is_told_without_one() -> None:
    assert where(ValueError("x")) == "ValueError: x"


@pytest.mark.parametrize("family", ["watch_3g", "jt808", "minifinder"])
def test_a_watch_that_beats_every_five_minutes_may_miss_two_beats(family: str) -> None:
    """Networks forget idle connections after about so long, so makers choose that period."""
    assert drivers()[family].lost_after_s > 3 * 300
