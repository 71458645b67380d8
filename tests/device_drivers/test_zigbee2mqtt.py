import json
from datetime import datetime
from typing import Any

import pytest
from zigbee_broker import HOUR, NOW, SECOND, Broker, iso, values

from device_drivers.observations import DeviceEvent, Quality, Reading
from device_drivers.registry import find_driver
from device_drivers.signals import SIGNALS
from device_drivers.zigbee2mqtt import DRIVER, Zigbee2MqttCodec
from device_drivers.zigbee2mqtt.payload import device_time_ns, last_seen_ns

# --- calls for help ---------------------------------------------------------------------------------------------------


def test_the_real_sequence_of_an_sos_button() -> None:
    broker = Broker()
    pressed = datetime.fromisoformat("2026-04-17T23:33:22+08:00")
    at = int(pressed.timestamp()) * SECOND
    raw = '{"action":"%s","battery":100,"last_seen":"2026-04-17T23:33:22+08:00","linkquality":18}'
    found = broker.raw("bed/sos", (raw % "emergency").encode(), at + SECOND // 2)
    (call,) = [one for one in found if isinstance(one, DeviceEvent)]
    assert (call.device_id, call.signal, call.value, call.repeat) == ("zigbee2mqtt/bed/sos", "help_button", True, False)
    assert (call.at_ns, call.received_ns) == (at, at + SECOND // 2)
    assert values(found) == {"help_button": True, "battery": 100.0, "link_quality": 18.0}
    assert "help_button" not in values(broker.raw("bed/sos", (raw % "").encode(), at + SECOND))
    assert broker.events("bed/sos", action=None, battery=100) == []


@pytest.mark.parametrize("action", ["emergency", "sos", "panic"])
def test_actions_that_mean_sos_on_every_model(action: str) -> None:
    assert Broker().events("b", action=action) == [("help_button", True, False)]


def test_repeated_presses_within_ten_seconds_are_one_call() -> None:
    broker = Broker()
    tokens = []
    for second, repeat in ((0, False), (1, True), (9, True), (10, False), (12, True), (300, False)):
        (call,) = broker.say("b", NOW + second * SECOND, action="sos")
        assert isinstance(call, DeviceEvent)
        assert call.repeat is repeat
        tokens.append(call.token)
    assert tokens[0] == tokens[1] == tokens[2]
    assert tokens[3] == tokens[4]
    assert len(set(tokens)) == 3


def test_presses_queued_by_the_broker_count_by_their_own_time() -> None:
    broker = Broker()
    broker.codec.on_open()
    calls = [broker.events("b", NOW, action="sos", last_seen=iso(NOW - ago * SECOND)) for ago in (400, 399, 100)]
    assert calls == [[("help_button", True, repeat)] for repeat in (False, True, False)]


def test_emergency_buttons_that_name_the_press() -> None:
    models = {"a": "HS1EB/HS1EB-E", "b": "WXKG01LM"}
    broker = Broker({"sos_actions": {"c": ["hold"]}}, models)
    assert broker.events("a", action="single") == [("help_button", True, False)]
    assert broker.events("a", action="off") == [("button", "off", False)]
    assert broker.events("b", action="single") == [("button", "single", False)]
    assert broker.events("b", action="button_1_double") == [("button", "double", False)]
    assert broker.events("b", action="arm_all_zones") == [("button", "other", False)]
    assert broker.events("c", action="hold") == [("help_button", True, False)]
    assert broker.events("c", action="double") == [("button", "double", False)]
    assert broker.events("c", NOW + HOUR, action="emergency") == [("help_button", True, False)]


def test_sos_flag_of_older_buttons() -> None:
    broker = Broker()
    steps: list[tuple[int, dict[str, Any], list[tuple[str, Any, bool]]]] = [
        (0, {"sos": False}, [("help_button", False, False)]),
        (1, {"sos": True}, [("help_button", True, False)]),
        (2, {"sos": True}, [("help_button", True, True)]),
        (3, {"sos": False}, [("help_button", False, False)]),
        (60, {"sos": True}, [("help_button", True, False)]),
        # A button that never says false: after ten seconds true again is a new press...
        (120, {"sos": True, "last_seen": iso(NOW + 120 * SECOND)}, [("help_button", True, False)]),
        # ... unless the message brings nothing new.
        (180, {"sos": True, "last_seen": iso(NOW + 120 * SECOND)}, [("help_button", True, True)]),
    ]
    for second, state, expected in steps:
        assert broker.events("b", NOW + second * SECOND, **state) == expected


def test_a_cached_sos_does_not_swallow_the_real_press_after_it() -> None:
    broker = Broker()
    broker.codec.on_open()
    assert broker.events("b", NOW, sos=True) == [("help_button", True, True)]
    assert broker.events("b", NOW + 3 * SECOND, sos=False) == [("help_button", False, False)]
    assert broker.events("b", NOW + 5 * SECOND, sos=True) == [("help_button", True, False)]


def test_a_press_whose_word_was_lost_is_noted() -> None:
    broker = Broker()
    for number in (5, 5, 6):
        broker.say("b", action="", action_transaction=number)
    notes = [dict(note.fields) for note in broker.codec.notes if note.kind == "report"]
    assert notes == [{"suspected_press": True, "transaction": "6"}]


def test_actions_of_things_without_a_finger() -> None:
    broker = Broker()
    assert broker.events("chair", action="vibration") == [("vibration", True, False)]
    for action in ("tilt", "drop", "region_1_enter"):
        assert broker.events("chair", action=action) == []
    assert len(broker.codec.notes) == 3


# --- states -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"contact": True}, {"door": "closed"}),
        ({"contact": False}, {"door": "open"}),
        ({"occupancy": True}, {"occupancy": True}),
        ({"occupancy": True, "fall_status": "normal"}, {"presence": True, "fall": False, "fall_warning": False}),
        ({"fall_status": "fall_warning"}, {"fall_warning": True}),
        ({"fall_status": "fall_alarm", "sensor_status": "activity"}, {"fall": True, "motion": "active"}),
        ({"sensor_status": "none"}, {"motion": "none"}),
        ({"presence": True, "fall_down_status": "none"}, {"presence": True, "fall": False, "fall_warning": False}),
        ({"fall_down_status": "maybe_fall"}, {"fall_warning": True}),
        ({"fall_down_status": "fall", "motion_speed": 3}, {"fall": True, "motion_speed": 3.0}),
        ({"static_dwell_alarm": True}, {"static_stay": True}),
        ({"status": "falling"}, {"presence": True, "posture": None, "fall": True}),
        ({"status": "low_posture"}, {"presence": True, "posture": "low"}),
        ({"status": "unoccupied"}, {"presence": False, "posture": None}),
        ({"status": "sitting"}, {"presence": True, "posture": "sitting", "fall": False}),
        (
            {"status": "on_the_bed", "breathing_rate": 14, "location_x": -120, "location_y": 80},
            {
                "presence": True,
                "posture": "in_bed",
                "fall": False,
                "respiratory_rate": 14.0,
                "position_x": -120.0,
                "position_y": 80.0,
            },
        ),
        ({"location_x": -21931}, {"position_x": None}),
        ({"smoke": True}, {"smoke": True}),
        ({"gas": False, "carbon_monoxide": True}, {"gas": False, "carbon_monoxide": True}),
        ({"water_leak": True, "tamper": False}, {"water_leak": True, "tamper": False}),
        ({"trouble": True}, {"device_fault": "other"}),
        ({"trouble": False}, {"device_fault": "none"}),
        ({"vibration": True}, {"vibration": True}),
        (
            {"temperature": 21.5, "humidity": 40, "illuminance": 9000, "illuminance_lux": 12},
            {"room_temperature": 21.5, "humidity": 40.0, "illuminance": 12.0},
        ),
        (
            {"battery": 90, "voltage": 2900, "battery_low": False},
            {"battery": 90.0, "battery_voltage": 2900.0, "battery_low": False},
        ),
        ({"voltage": 231}, {}),
        ({"battery": 300}, {"battery": None}),
        ({"smoke": None, "battery": None, "last_seen": None}, {}),
    ],
)
def test_payload_facts(state: dict[str, Any], expected: dict[str, Any]) -> None:
    broker = Broker()
    assert values(broker.say("thing", **state)) == expected
    assert not broker.codec.rejections


def test_model_tells_a_radar_from_a_pir_sensor() -> None:
    broker = Broker(models={"radar": "HS2FD-EF1-3.0"})
    assert broker.events("radar", occupancy=True) == [("presence", True, False)]
    assert broker.events("pir", occupancy=True) == [("occupancy", True, False)]


def test_zero_breaths_is_no_lock() -> None:
    (one,) = Broker().say("radar", breathing_rate=0)
    assert isinstance(one, Reading)
    assert (one.value, one.quality) == (None, Quality.NO_CONTACT)


def test_bed_pad_polarity_is_an_option_and_never_guessed() -> None:
    broker = Broker({"bed_contact": {"a": "in", "b": "left"}}, {"a": "SPM915", "b": "MCCGQ11LM", "c": "SPM915"})
    assert broker.events("a", contact=True) == [("bed_occupancy", "in", False)]
    assert broker.events("a", contact=False) == [("bed_occupancy", "left", False)]
    assert broker.events("b", contact=True) == [("bed_occupancy", "left", False)]
    assert broker.events("b", contact=False) == [("bed_occupancy", "in", False)]
    (one,) = broker.say("c", contact=True)
    assert isinstance(one, DeviceEvent)
    assert (one.signal, one.value, one.quality) == ("bed_occupancy", None, Quality.INVALID)


def test_a_warning_does_not_take_a_fall_back_and_nor_does_leaving() -> None:
    broker = Broker()
    assert broker.events("r", fall_status="fall_alarm") == [("fall", True, False)]
    assert broker.events("r", fall_status="fall_warning") == [("fall_warning", True, False)]
    assert broker.events("r", fall_status="fall_alarm") == [("fall", True, True)]
    assert broker.events("o", status="falling")[-1] == ("fall", True, False)
    for word in ("low_posture", "unoccupied"):
        assert "fall" not in {signal for signal, _, _ in broker.events("o", status=word)}
    assert broker.events("o", status="occupied")[-1] == ("fall", False, False)


def test_unknown_words_are_unknown_and_noted() -> None:
    broker = Broker()
    (one,) = broker.say("r", fall_status="rolled_over")
    assert isinstance(one, DeviceEvent)
    assert (one.signal, one.value, one.quality) == ("fall", None, Quality.INVALID)
    unknown: list[dict[str, Any]] = [
        {"status": "ok"},
        {"sensor_status": "odd"},
        {"static_dwell_alarm": "1"},
        {"child_lock": "ON"},
    ]
    for state in unknown:
        assert broker.say("r", **state) == broker.say("r", **state) == []
    assert [note.fields["field"] for note in broker.codec.notes] == [
        "fall_status=rolled_over",
        "status=ok",
        "sensor_status=odd",
        "static_dwell_alarm=1",
        "child_lock",
    ]


# --- tests of detectors -----------------------------------------------------------------------------------------------


def test_a_test_is_no_fire_and_a_fire_after_it_is() -> None:
    broker = Broker()
    found = broker.say("s", smoke=True, test=True)
    assert values(found) == {"alarm_test": True, "smoke": None}
    assert broker.events("s", NOW + SECOND, smoke=False, test=False) == [
        ("smoke", False, False),
        ("alarm_test", False, False),
    ]
    assert broker.events("s", NOW + 2 * SECOND, smoke=True, test=False)[0] == ("smoke", True, False)


def test_a_detector_that_never_ends_its_test_is_taken_seriously() -> None:
    broker = Broker()
    assert ("smoke", None, False) in broker.events("s", NOW, smoke=True, test=True)
    assert ("smoke", None, False) in broker.events("s", NOW + 600 * SECOND, smoke=True, test=True)
    assert ("smoke", True, False) in broker.events("s", NOW + 601 * SECOND, smoke=True, test=True)


# --- news and re-publication ------------------------------------------------------------------------------------------


def test_the_same_value_again_is_a_repeat() -> None:
    broker = Broker()
    assert broker.events("s", smoke=True) == [("smoke", True, False)]
    assert broker.events("s", NOW + HOUR, smoke=True, battery=90) == [("smoke", True, True)]
    assert broker.events("s", NOW + HOUR, smoke=False) == [("smoke", False, False)]


STATES = [
    {"contact": False},
    {"smoke": True},
    {"water_leak": True},
    {"gas": True},
    {"occupancy": True},
    {"fall_status": "fall_alarm"},
    {"fall_down_status": "fall"},
    {"status": "falling"},
]


@pytest.mark.parametrize("state", STATES)
def test_first_cached_state_after_connect_does_not_raise(state: dict[str, Any]) -> None:
    old: dict[str, Any] = {"last_seen": iso(NOW - HOUR)}
    for seen in ({}, old):
        broker = Broker()
        broker.codec.on_open()
        assert all(repeat for _, _, repeat in broker.events("d", **state, **seen))
        # The same first message with the device's own fresh time is news.
        broker = Broker()
        broker.codec.on_open()
        assert not any(repeat for _, _, repeat in broker.events("d", **state, last_seen=iso(NOW - SECOND)))


@pytest.mark.parametrize("state", STATES)
def test_the_window_for_cached_states_ends(state: dict[str, Any]) -> None:
    """Smoke detectors are silent for hours: their first message may be the fire."""
    broker = Broker()
    broker.codec.on_open()
    broker.codec.poll(NOW)
    assert not any(repeat for _, _, repeat in broker.events("d", NOW + 31 * SECOND, **state))
    broker = Broker()
    broker.codec.on_open()
    broker.events("d", NOW, linkquality=1)
    assert not any(repeat for _, _, repeat in broker.events("d", NOW + SECOND, **state))


def test_a_change_during_an_outage_is_news() -> None:
    broker = Broker()
    broker.say("d", contact=True, last_seen=iso(NOW))
    broker.codec.on_open()
    later = NOW + HOUR
    (one,) = broker.say("d", later, contact=False, last_seen=iso(later - 600 * SECOND))
    assert isinstance(one, DeviceEvent)
    assert (one.value, one.repeat, one.at_ns) == ("open", False, later - 600 * SECOND)
    broker.codec.on_open()
    assert broker.events("d", later + SECOND, contact=False, last_seen=iso(later - 600 * SECOND)) == [
        ("door", "open", True)
    ]
    # An even older saved state is no change either, and is not remembered.
    broker.codec.on_open()
    assert broker.events("d", later + SECOND, contact=True, last_seen=iso(NOW)) == [("door", "closed", True)]
    assert broker.events("d", later + SECOND, contact=False) == [("door", "open", True)]


def test_a_bridge_that_comes_back_re_publishes() -> None:
    broker = Broker()
    broker.say("bridge/state", state="online")
    broker.say("bridge/state", NOW + SECOND, state="offline")
    broker.say("bridge/state", NOW + HOUR, state="online")
    assert broker.events("d", NOW + HOUR, smoke=True) == [("smoke", True, True)]
    assert broker.events("e", NOW + HOUR + 60 * SECOND, smoke=True) == [("smoke", True, False)]


def test_a_clock_set_back_does_not_silence_a_device() -> None:
    broker = Broker()
    broker.say("d", contact=True, last_seen=iso(NOW))
    assert broker.events("d", NOW, contact=False, last_seen=iso(NOW - 2 * HOUR)) == [("door", "open", False)]
    assert broker.events("e", NOW, contact=True, last_seen=iso(NOW + HOUR)) == [("door", "closed", False)]
    assert broker.events("e", NOW, contact=False, last_seen=iso(NOW)) == [("door", "open", False)]


def test_retained_device_messages_are_ignored_and_counted() -> None:
    broker = Broker()
    assert broker.say("d", retained=True, action="emergency", smoke=True, battery=5) == []
    assert broker.codec.health.rejected == {"retained": 1}


# --- time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2026-09-21T14:13:20.250Z", NOW + 250_000_000),
        ("2026-09-21T22:13:20+08:00", NOW),
        (NOW // SECOND, NOW),
        (NOW // 1_000_000 + 1, NOW + 1_000_000),
        (1_790_000_000.5, NOW + SECOND // 2),
        ("2026-09-21T14:13:20", None),
        ("yesterday", None),
        ("0001-01-01T00:00:00+23:59", -62135683140 * SECOND),
        (0, None),
        (-5, None),
        (True, None),
        (10**40, None),
        ([], None),
        (None, None),
    ],
)
def test_last_seen(given: Any, expected: int | None) -> None:
    assert last_seen_ns(given) == expected


def test_device_time_is_used_where_it_is_sane() -> None:
    for offset, used in ((-HOUR, True), (5 * SECOND, True), (6 * SECOND, False), (-25 * HOUR, False)):
        assert device_time_ns(NOW + offset, NOW) == (NOW + offset if used else NOW)
    assert device_time_ns(None, NOW) == NOW


# --- topics and the bridge --------------------------------------------------------------------------------------------


def test_bridge_state_and_availability_are_online_events() -> None:
    broker = Broker()
    for name, payload, device, online, repeat in (
        ("bridge/state", b'{"state":"online"}', "bridge", True, False),
        ("bridge/state", b"online", "bridge", True, True),
        ("bridge/state", b"offline", "bridge", False, False),
        ("hall/lamp/availability", b'{"state":"offline"}', "hall/lamp", False, False),
        ("hall/lamp/availability", b"online\n", "hall/lamp", True, False),
    ):
        (one,) = broker.raw(name, payload, retained=True)
        expected = DeviceEvent(f"zigbee2mqtt/{device}", "online", online, NOW, NOW, repeat=repeat)
        assert one == expected
    broker.raw("bridge/state", b'{"state":"asleep"}')
    broker.raw("bridge/state", b"[]")
    assert broker.codec.health.rejected == {"type": 2}


def test_a_device_that_leaves_goes_offline() -> None:
    broker = Broker()
    payload: dict[str, Any] = {"type": "device_leave", "data": {"friendly_name": "sos", "ieee_address": "0x1"}}
    assert broker.events("bridge/event", **payload) == [("online", False, False)]
    assert broker.events("bridge/event", type="device_joined", data={"friendly_name": "sos"}) == []
    assert broker.events("bridge/event", type="device_leave", data={"friendly_name": "a/#"}) == []
    assert broker.events("bridge/event", type="device_leave", data=None) == []


def test_other_bridge_topics_become_notes() -> None:
    broker = Broker()
    for name, kind in (
        ("bridge/logging", "log"),
        ("bridge/info", "identity"),
        ("bridge/response/device/rename", "ack"),
        ("bridge/request/restart", "query"),
        ("bridge/groups", "setting"),
        ("bridge", "setting"),
    ):
        assert broker.raw(name, b"\xff anything") == []
        assert broker.codec.notes[-1].kind == kind
        assert broker.codec.notes[-1].device_id == "zigbee2mqtt/bridge"


def test_device_list_is_read_with_care() -> None:
    broker = Broker()
    odd = [
        None,
        5,
        {},
        {"friendly_name": 3},
        {"friendly_name": "a"},
        {"friendly_name": "b", "definition": {"model": 7}},
    ]
    assert broker.raw("bridge/devices", json.dumps(odd).encode()) == []
    assert broker.codec.notes[-1].fields == {"devices": 2}
    broker.raw("bridge/devices", b"{}")
    assert broker.codec.health.rejected == {"type": 1}


def test_names_with_slashes_commands_and_odd_devices() -> None:
    broker = Broker(models={"lab/set": "MCCGQ11LM"})
    (one,) = broker.say("floor 2/room 201/door", contact=True)
    assert one.device_id == "zigbee2mqtt/floor 2/room 201/door"
    for name in ("door/set", "floor/door/get", "door/set/state"):
        assert broker.say(name, contact=True) == []
        assert broker.codec.notes[-1].kind == "query"
    assert values(broker.say("lab/set", contact=True)) == {"door": "closed"}


def test_base_topic_is_an_option() -> None:
    codec = Zigbee2MqttCodec({"base": "home/z2m"})
    assert codec.subscriptions() == ["home/z2m/#"]
    (one,) = codec.feed("home/z2m/door", b'{"contact":true}', NOW)
    assert one.device_id == "home/z2m/door"
    for topic in (
        "zigbee2mqtt/door",
        "home/z2m",
        "home/z2m/",
        "home/z2m/a+",
        "home/z2m/a\x00",
        "home/z2m/" + "a" * 201,
    ):
        assert codec.feed(topic, b'{"contact":true}', NOW) == []
    assert codec.health.rejected == {"topic": 6}


@pytest.mark.parametrize(
    "options",
    [
        {"base": ""},
        {"base": "a/#"},
        {"base": 5},
        {"sos_actions": ["hold"]},
        {"sos_actions": {"a": "hold"}},
        {"bed_contact": {"a": "maybe"}},
        {"bed_contact": "in"},
    ],
)
def test_bad_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(options))} is "):
        Zigbee2MqttCodec(options)


def test_driver_is_found_by_name_and_alias() -> None:
    assert find_driver("zigbee2mqtt") is find_driver("z2m") is DRIVER
    assert DRIVER.message is not None
    assert isinstance(DRIVER.message({}), Zigbee2MqttCodec)
    assert set(DRIVER.signals) <= set(SIGNALS)


def test_the_bridge_s_account_covers_its_base_topic() -> None:
    assert DRIVER.account_topics is not None
    for device_id in ("zigbee2mqtt", "zigbee2mqtt/bridge"):
        assert DRIVER.account_topics(device_id) == (("zigbee2mqtt/#",), ("zigbee2mqtt/#",))
