"""The simulated watch: what it sends when, what it does until it is answered, and that our codec understands it."""

from __future__ import annotations

from typing import Any

from device_drivers.observations import DeviceEvent, Reading
from device_drivers.watch_3g import Watch3GCodec, frames
from simulators.watch import WatchDevice

NOW = 1_790_000_000_000_000_000
SECOND = 1_000_000_000


def types(data: bytes) -> list[str]:
    codec = Watch3GCodec("w")
    codec.feed(data, NOW)
    return [note.fields["type"] for note in codec.notes]


def said(data: bytes) -> dict[str, Any]:
    return {
        one.signal: one.value for one in Watch3GCodec("w").feed(data, NOW) if isinstance(one, Reading | DeviceEvent)
    }


def reply(content: str) -> bytes:
    return frames.encode("3G", "9032074659", content)


def test_heartbeats_and_positions_in_their_time() -> None:
    watch = WatchDevice("9032074659")
    sent = {at: types(watch.connect(NOW) if at == 0 else watch.tick(NOW + at * SECOND)) for at in range(0, 1201, 60)}
    assert {at: kinds for at, kinds in sent.items() if kinds} == {
        0: ["LK"],
        300: ["LK"],
        600: ["UD", "LK"],
        900: ["LK"],
        1200: ["UD", "LK"],
    }


def test_an_alarm_is_repeated_until_it_is_answered() -> None:
    watch = WatchDevice("9032074659", "ZJ", indexed=True)
    watch.connect(NOW)
    watch.alarm("sos", NOW)
    first = watch.tick(NOW)
    assert said(first)["help_button"] is True
    assert b"*0002*" in first
    assert watch.tick(NOW + 9 * SECOND) == b""
    assert types(watch.tick(NOW + 10 * SECOND)) == ["AL"]
    watch.feed(frames.encode("ZJ", "1111111111", "AL"))  # somebody else's answer
    assert types(watch.connect(NOW + 12 * SECOND)) == ["LK", "AL"]
    watch.feed(frames.encode("ZJ", "9032074659", "AL", "0002"))
    assert watch.tick(NOW + 40 * SECOND) == b""


def test_without_an_answer_to_its_heartbeat_it_wants_to_connect_again() -> None:
    watch = WatchDevice("9032074659")
    watch.connect(NOW)
    watch.tick(NOW + 9 * SECOND)
    seen = [watch.wants_reconnect]
    watch.tick(NOW + 10 * SECOND)
    seen.append(watch.wants_reconnect)
    watch.connect(NOW + 11 * SECOND)
    watch.feed(b"noise" + reply("LK"))
    watch.tick(NOW + 60 * SECOND)
    seen.append(watch.wants_reconnect)
    assert seen == [False, True, False]


def test_out_of_reach_it_stores_and_tells_later() -> None:
    watch = WatchDevice("9032074659")
    watch.connect(NOW)
    watch.in_reach = False
    watch.alarm("fall", NOW)
    assert [watch.tick(NOW + at * SECOND) for at in (600, 1200)] == [b"", b""]
    watch.in_reach = True
    later = watch.tick(NOW + 1260 * SECOND)
    assert types(later) == ["AL", "LK", "AL", "UD2", "UD2"]
    stored = [one for one in Watch3GCodec("w").feed(later, NOW + 1260 * SECOND) if one.stored]
    assert {one.at_ns for one in stored} == {NOW + 600 * SECOND, NOW + 1200 * SECOND}


def test_it_obeys_commands_and_measures() -> None:
    watch = WatchDevice("9032074659")
    codec = Watch3GCodec("w")
    codec.feed(watch.connect(NOW), NOW)
    sent = watch.feed(codec.command("locate") + codec.command("interval", 60) + codec.command("find"))
    assert types(sent) == ["UD", "UPLOAD", "FIND"]
    assert (watch.interval_s, watch.rings, list(watch.commands)) == (60, 1, ["CR", "UPLOAD,60", "FIND"])
    watch.measure(72, 120, 80)
    watch.walk(10)
    found = said(watch.tick(NOW + 60 * SECOND))
    assert (found["heart_rate"], found["systolic_pressure"], found["steps"]) == (72, 120, 10)
