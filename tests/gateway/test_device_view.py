"""The one view of all devices: state, the gravest trouble first, freshness, way in, commissioning, unknown senders."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from device_drivers.observations import DeviceEvent, Observation, Quality, Reading, Samples
from gateway.commissioning import Tried, merged, tried_of, tried_text
from gateway.device_view import MAX_TALKERS, TROUBLES, DeviceView, Registered, Standing, look, look_at
from gateway.live import LiveState
from gateway.mishaps import Mishap, Mishaps
from gateway.registry import Assignment, Device
from gateway.ways import WayIn

S = 1_000_000_000
NOW = 1_790_000_000 * S
RADAR = Device("radar", "micradar", room="301")
LINE = WayIn("serial:radar", "serial", True, {"micradar"}, line="radar", frames=1000)
DONE = tuple(Tried(signal, True, NOW) for signal in ("presence", "fall", "bed_occupancy", "heart_rate"))


def heard(*observations: Observation) -> LiveState:
    live = LiveState()
    live.update(observations)
    return live


def number(device_id: str, signal: str, value: float | None, ago_s: float = 0, **more: Any) -> Reading:
    at = NOW - int(ago_s * S)
    return Reading(device_id, signal, value, at, at, **more)


def event(device_id: str, signal: str, value: bool | str, ago_s: float = 0) -> DeviceEvent:
    at = NOW - int(ago_s * S)
    return DeviceEvent(device_id, signal, value, at, at)


def one(device: Device, live: LiveState, *ways: WayIn, tried: tuple[Tried, ...] = DONE, **more: Any) -> DeviceView:
    registered = Registered([device], more.get("assigned", {}), {device.id: tried})
    found = look_at(device.id, registered, live, ways, NOW)
    assert found is not None
    assert found == look(registered, live, ways, NOW).devices[0]
    return found


def words(view: DeviceView) -> list[str]:
    return [trouble.word for trouble in view.troubles]


def test_a_device_that_is_well() -> None:
    view = one(RADAR, heard(number("radar", "heart_rate", 71.0, 3)), LINE)
    assert (view.standing, view.troubles, view.fresh, view.silent_s, view.lost_after_s) == (
        Standing.OK,
        (),
        True,
        3.0,
        300.0,
    )
    assert view.way is not None
    assert (view.way.name, view.way.connected, view.way.error) == ("serial:radar", True, None)
    assert (view.battery, view.resident_id, view.untried) == (None, None, ())
    assert look_at("nobody", Registered([RADAR]), LiveState(), [LINE], NOW) is None


@pytest.mark.parametrize(
    ("word", "live", "way", "device"),
    [
        ("no_driver", [number("radar", "heart_rate", 70.0)], LINE, Device("radar", "departed")),
        ("no_way", [number("radar", "heart_rate", 70.0)], None, RADAR),
        (
            "way_down",
            [number("radar", "heart_rate", 70.0)],
            WayIn("serial:radar", "serial", False, {"micradar"}, "gone", "radar"),
            RADAR,
        ),
        ("silent", [number("radar", "heart_rate", 70.0, 301)], LINE, RADAR),
        (
            "silent",
            [number("radar", "heart_rate", 70.0, 31)],
            LINE,
            Device("radar", "micradar", options={"lost_after_s": 30}),
        ),
        ("offline", [event("radar", "online", False)], LINE, RADAR),
        ("device_fault", [event("radar", "device_fault", "hardware")], LINE, RADAR),
        ("never_heard", [], LINE, RADAR),
        ("tamper", [event("radar", "tamper", True)], LINE, RADAR),
        ("battery_low", [number("radar", "battery", 19.0)], LINE, RADAR),
        ("battery_low", [event("radar", "battery_low", True)], LINE, RADAR),
        ("clock_ahead", [Reading("radar", "heart_rate", 70.0, NOW + 60 * S, NOW)], LINE, RADAR),
        ("nobodys", [number("radar", "heart_rate", 70.0)], LINE, Device("radar", "micradar", placement="worn")),
    ],
)
def test_each_trouble(word: str, live: list[Observation], way: WayIn | None, device: Device) -> None:
    view = one(device, heard(*live), *([way] if way else []))
    assert word in words(view)
    assert view.standing is TROUBLES[words(view)[0]].standing
    assert all(trouble.zh and trouble.en for trouble in view.troubles)


@pytest.mark.parametrize(
    "observation",
    [
        event("radar", "device_fault", "none"),
        event("radar", "online", True),
        event("radar", "tamper", False),
        number("radar", "battery", 20.0),
        number("radar", "battery", None, quality=Quality.INVALID),
        event("radar", "battery_low", False),
    ],
)
def test_what_is_no_trouble(observation: Observation) -> None:
    assert one(RADAR, heard(observation), LINE).troubles == ()


def test_a_family_that_speaks_when_used_is_never_silent() -> None:
    meter = Device("cuff", "ble_gatt")
    way = WayIn("mqtt:ble_gatt", "mqtt", True, {"ble_gatt"})
    view = one(meter, heard(number("cuff", "heart_rate", 70.0, 10**6)), way)
    assert view.lost_after_s is None
    assert "silent" not in words(view)


def test_a_device_out_of_use_has_no_troubles() -> None:
    view = one(Device("radar", "departed", active=False), LiveState())
    assert (view.standing, view.troubles) == (Standing.UNUSED, ())


def test_a_watch_needs_its_own_connection() -> None:
    watch = Device("w", "watch3g")
    live = heard(number("w", "battery", 80.0, 10))
    port = WayIn(
        "tcp:x", "tcp", True, {"watch_3g"}, talkers={"w"}, online=frozenset(), faults={"w": "positions is 'x'"}
    )
    view = one(watch, live, port, tried=())
    assert words(view) == ["wrong_option", "not_connected", "not_tested"]
    assert view.way is not None
    assert (view.way.connected, view.way.error) == (False, "positions is 'x'")
    there = WayIn("tcp:x", "tcp", True, {"watch_3g"}, online=frozenset({"w"}))
    assert (
        one(watch, live, there, tried=tuple(Tried(signal, True, 1) for signal in ("help_button",))).standing
        is Standing.OK
    )


def test_mishaps_of_a_line_of_a_topic_and_of_a_connection() -> None:
    def some(count: int, ago_s: int = 5) -> Mishaps:
        return Mishaps(count, deque([Mishap(NOW - ago_s * S, "checksum", b"\x01")], 3))

    live = heard(number("radar", "heart_rate", 70.0))
    few = WayIn("serial:radar", "serial", True, {"micradar"}, line="radar", frames=1000, mishaps={"": some(40)})
    assert (one(RADAR, live, few).mishaps.count, words(one(RADAR, live, few))) == (40, [])
    many = WayIn("serial:radar", "serial", True, {"micradar"}, line="radar", frames=100, mishaps={"": some(40)})
    assert words(one(RADAR, live, many)) == ["undecodable"]
    long_ago = WayIn(
        "serial:radar", "serial", True, {"micradar"}, line="radar", frames=100, mishaps={"": some(40, 3600)}
    )
    assert words(one(RADAR, live, long_ago)) == []
    button = Device("zigbee2mqtt/sos", "zigbee2mqtt")
    topics = {"zigbee2mqtt/sos": some(3), "zigbee2mqtt/other": some(9)}
    bridge = WayIn("mqtt:zigbee2mqtt", "mqtt", True, {"zigbee2mqtt"}, mishaps=topics)
    assert one(button, LiveState(), bridge).mishaps.count == 3
    port = WayIn("tcp:x", "tcp", True, {"watch_3g"}, online=frozenset(), mishaps={"w": some(7)})
    assert one(Device("w", "watch_3g"), LiveState(), port).mishaps.count == 7


def test_a_serial_wearable_goes_its_line_and_an_input_of_a_bus_its_bus() -> None:
    session = WayIn("mqtt:yinling_wearable", "mqtt", True, {"yinling_wearable"})
    line = WayIn("serial:w1", "serial", False, {"yinling_wearable"}, line="w1")
    for device_id, name in (("w1", "serial:w1"), ("w2", "mqtt:yinling_wearable")):
        view = one(Device(device_id, "yinling_wearable"), LiveState(), session, line)
        assert view.way is not None
        assert view.way.name == name
    bus = WayIn("serial:ward", "serial", True, {"modbus_io"}, line="ward", talkers={"mat-201"})
    for device_id in ("ward/3", "mat-201"):
        assert one(Device(device_id, "modbus_io"), LiveState(), bus).way is not None
    assert one(Device("elsewhere", "modbus_io"), LiveState(), bus).way is None


def test_freshness_of_each_signal() -> None:
    live = heard(
        number("radar", "heart_rate", 70.0, 16),
        number("radar", "distance", 1.0, 3),
        event("radar", "fall", False, 10**5),
        number("radar", "respiratory_rate", None, 2, quality=Quality.NO_CONTACT),
        number("radar", "spo2", 97.0, -60),
        Samples("radar", "accel", np.zeros((5, 3), np.float32), 50.0, NOW - 7 * S, NOW - 7 * S),
    )
    view = one(RADAR, live, LINE)
    found = {signal.signal: (signal.stale, signal.age_s) for signal in view.signals}
    assert found == {
        "heart_rate": (True, 16.0),
        "distance": (False, 3.0),
        "fall": (False, 10.0**5),
        "respiratory_rate": (False, 2.0),
        "spo2": (True, None),  # the clock of the box was changed
    }
    assert view.wave_age_s == 7.0


def test_what_the_gateway_has_computed_is_marked() -> None:
    computed = replace(number("radar", "heart_rate", 70.0, 1), derived=True)
    found = {
        signal.signal: signal.derived
        for signal in one(RADAR, heard(computed, number("radar", "distance", 1.0, 3)), LINE).signals
    }
    assert found == {"heart_rate": True, "distance": False}


def test_what_was_of_another_person_is_not_told_but_the_device_s_state_is() -> None:
    live = heard(number("radar", "heart_rate", 70.0, 9), event("radar", "tamper", True, 9))
    view = one(RADAR, live, LINE, assigned={"radar": Assignment("radar", "r2", NOW - 5 * S, None)})
    assert (view.resident_id, view.signals, view.fresh, words(view)) == ("r2", (), False, ["tamper"])


def test_commissioning() -> None:
    live = heard(event("radar", "presence", True), number("radar", "heart_rate", 70.0))
    view = one(RADAR, live, LINE, tried=())
    assert (view.untried, words(view)) == (("presence", "heart_rate"), ["not_tested"])
    tried = (Tried("presence", False, NOW), Tried("heart_rate", True, NOW))
    assert words(one(RADAR, live, LINE, tried=tried)) == ["test_failed"]
    assert one(RADAR, live, LINE, tried=tried[:1]).untried == ("heart_rate",)


def test_what_was_tried_is_kept_and_read() -> None:
    tried = (Tried("fall", False, 5), Tried("presence", True, 6))
    assert tried_of(tried_text(tried)) == tried
    assert merged(tried, [Tried("fall", True, 9)]) == (Tried("fall", True, 9), Tried("presence", True, 6))
    assert tried_of('{"at_ns": 7, "steps": {"fall": true}}') == (Tried("fall", True, 7),)
    for text in (
        None,
        "",
        "nonsense",
        "[]",
        '{"steps": [1]}',
        '{"steps": {"fall": {}}}',
        '{"steps": {"fall": 1}}',
        "null",
    ):
        assert tried_of(text) == ()


def test_those_in_trouble_first() -> None:
    devices = [
        Device("a-ok", "ble_gatt"),
        Device("b-never", "ble_gatt"),
        Device("c-fault", "departed"),
        Device("d-unused", "ble_gatt", active=False),
        Device("e-silent", "micradar"),
        Device("f-notice", "ble_gatt"),
    ]
    tried = {one.id: (Tried("heart_rate", True, 1), Tried("spo2", True, 1)) for one in devices}
    live = heard(
        number("a-ok", "heart_rate", 70.0),
        number("f-notice", "battery", 5.0),
        number("e-silent", "heart_rate", 1.0, 999),
    )
    ways = [
        WayIn("mqtt:ble_gatt", "mqtt", True, {"ble_gatt"}),
        WayIn("serial:e-silent", "serial", True, {"micradar"}, line="e-silent"),
    ]
    found = look(Registered(devices, {}, tried), live, ways, NOW)
    assert [(view.device.id, str(view.standing)) for view in found.devices] == [
        ("c-fault", "fault"),
        ("e-silent", "fault"),
        ("b-never", "unknown"),
        ("f-notice", "notice"),
        ("a-ok", "ok"),
        ("d-unused", "unused"),
    ]
    assert found.unknown == ()


def test_senders_that_are_registered_nowhere() -> None:
    live = heard(
        number("radar", "heart_rate", 70.0),
        number("stray", "battery", 50.0, 40),
        event("zigbee2mqtt/new", "help_button", True, 2),
        Samples("w9", "accel", np.zeros((5, 3), np.float32), 50.0, NOW - 9 * S, NOW - 9 * S),
    )
    ways = [
        LINE,
        WayIn("mqtt:zigbee2mqtt", "mqtt", True, {"zigbee2mqtt"}, talkers={"zigbee2mqtt/new"}),
        WayIn(
            "tcp:x",
            "tcp",
            True,
            {"watch_3g", "jt808"},
            talkers={"stray"},
            strangers={"111": "watch_3g", "222": "jt808"},
        ),
    ]
    found = look(Registered([RADAR]), live, ways, NOW).unknown
    assert [(talker.id, talker.family, talker.way, talker.silent_s, talker.signals) for talker in found] == [
        ("222", "jt808", "tcp:x", None, ()),
        ("111", "watch_3g", "tcp:x", None, ()),
        ("zigbee2mqtt/new", "zigbee2mqtt", "mqtt:zigbee2mqtt", 2.0, ("help_button",)),
        ("w9", None, None, 9.0, ("accel",)),
        ("stray", None, "tcp:x", 40.0, ("battery",)),
    ]
    flood = heard(*(number(f"d{n}", "battery", 1.0) for n in range(MAX_TALKERS + 5)))
    assert len(look(Registered(), flood, (), NOW).unknown) == MAX_TALKERS
