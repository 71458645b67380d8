"""Pendants, terminals and platform devices without hardware: they log in, wait for answers, and do not give up."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from device_drivers.codec import CodecHealth
from device_drivers.generic_json import GenericJsonCodec
from device_drivers.jt808 import Jt808Codec
from device_drivers.jt808.codec import AUTHENTICATE, HEARTBEAT, LOCATION, REGISTER
from device_drivers.jt808.frames import Splitter
from device_drivers.minifinder import MinifinderCodec
from device_drivers.observations import DeviceEvent
from simulators.alink import AlinkDevice
from simulators.pendant import PendantDevice
from simulators.terminal import TerminalDevice

if TYPE_CHECKING:
    from device_drivers.observations import Observation

SECOND = 1_000_000_000
NOW = 1_800_000_000 * SECOND
IMEI, NUMBER = "863921031234567", "013912345678"


def calls(found: list[Observation]) -> list[bool]:
    """Whether each call for help is a repeat."""
    return [one.repeat for one in found if isinstance(one, DeviceEvent) and one.signal == "help_button"]


def kinds(data: bytes) -> list[int]:
    return [frame.message for frame in Splitter(CodecHealth(), lambda *_a, **_k: None).feed(data)]


def test_a_pendant_asks_for_the_time_and_repeats_an_alarm_until_it_is_answered() -> None:
    pendant, codec = PendantDevice(IMEI), MinifinderCodec("pendant")
    codec.feed(pendant.connect(NOW), NOW)
    assert codec.stated_id == IMEI
    pendant.feed(codec.answers())
    assert (pendant.clock_s, pendant.unanswered) == (NOW // SECOND, 0)
    pendant.alarm("sos", NOW + SECOND)
    assert calls(codec.feed(pendant.tick(NOW + SECOND), NOW + SECOND)) == [False]
    codec.answers()  # lost on the way
    assert pendant.tick(NOW + 5 * SECOND) == b""
    assert calls(codec.feed(pendant.tick(NOW + 11 * SECOND), NOW + 11 * SECOND)) == [True]
    assert pendant.feed(codec.answers()) == b""
    assert pendant.unanswered == 0
    assert calls(codec.feed(pendant.tick(NOW + 400 * SECOND), NOW + 400 * SECOND)) == []


def test_a_pendant_without_answers_connects_anew_and_tells_its_alarm_there() -> None:
    pendant = PendantDevice(IMEI)
    pendant.connect(NOW)
    pendant.alarm("sos", NOW)
    for turn in range(4):
        assert not pendant.wants_reconnect
        pendant.tick(NOW + turn * 10 * SECOND)
    assert pendant.wants_reconnect
    codec = MinifinderCodec("pendant")
    assert calls(codec.feed(pendant.connect(NOW + 50 * SECOND), NOW + 50 * SECOND)) == [False]
    assert not pendant.wants_reconnect
    pendant.feed(codec.answers())
    assert pendant.unanswered == 0
    assert pendant.feed(codec.command("settings"))  # acknowledged
    assert pendant.feed(b"\xab\x00rubbish") == b""


def test_a_terminal_reports_only_when_it_is_registered_and_authenticated() -> None:
    terminal, codec = TerminalDevice(NUMBER), Jt808Codec("terminal")
    terminal.press(NOW)
    first = terminal.connect(NOW)
    assert kinds(first) == [REGISTER]
    assert kinds(terminal.tick(NOW + SECOND)) == []
    codec.feed(first, NOW)
    second = terminal.feed(codec.answers())
    assert kinds(second) == [AUTHENTICATE]
    codec.feed(second, NOW)
    assert not terminal.online
    terminal.feed(codec.answers())
    assert terminal.online
    third = terminal.tick(NOW + 2 * SECOND)
    assert kinds(third) == [LOCATION]
    assert calls(codec.feed(third, NOW + 2 * SECOND)) == [False]
    terminal.feed(codec.answers())
    assert not terminal.sos
    assert calls(codec.feed(terminal.tick(NOW + 40 * SECOND), NOW + 40 * SECOND)) == []
    terminal.feed(codec.answers())
    terminal.press(NOW + 41 * SECOND)
    fourth = terminal.tick(NOW + 62 * SECOND)
    assert set(kinds(fourth)) == {LOCATION, HEARTBEAT}
    assert calls(codec.feed(fourth, NOW + 62 * SECOND)) == [False, True]


def test_a_terminal_obeys_and_gives_up_a_line_without_answers() -> None:
    terminal, codec = TerminalDevice(NUMBER), Jt808Codec("terminal")
    codec.feed(terminal.connect(NOW), NOW)
    codec.feed(terminal.feed(codec.answers()), NOW)
    terminal.feed(codec.answers())
    codec.feed(terminal.tick(NOW), NOW)
    place = codec.feed(terminal.feed(codec.command("locate")), NOW)
    assert {"latitude", "longitude"} <= {one.signal for one in place}
    codec.feed(terminal.feed(codec.command("interval", 60)), NOW)
    assert terminal.interval_s == 60
    assert codec.notes[-1].kind == "ack"
    assert terminal.feed(b"\x7e\x00\x7e") == b""
    for turn in range(1, 5):
        terminal.tick(NOW + turn * 11 * SECOND)
    assert terminal.wants_reconnect


def test_a_platform_device_posts_an_event_until_it_has_its_reply() -> None:
    device = AlinkDevice("a1YinLing/mat")
    codec = GenericJsonCodec({"alink": {"events": {"SOS": "help_button"}}})
    (message,) = device.event("SOS", NOW)
    assert calls(codec.feed(message.topic, message.payload, NOW)) == [False]
    ((topic, reply),) = codec.poll(NOW)
    assert topic.startswith(device.listens[0].split("+", maxsplit=1)[0])
    assert next(iter(device.tick(NOW))).topic.endswith("property/post")
    assert message in list(device.tick(NOW + 6 * SECOND))
    device.heard(topic, json.dumps({"code": 500, "id": "1"}).encode())
    assert device.unanswered == 1
    device.heard(topic, reply)
    assert device.unanswered == 0
    assert message not in list(device.tick(NOW + 12 * SECOND))
