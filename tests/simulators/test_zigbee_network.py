import json

import pytest

from device_drivers.observations import DeviceEvent, Observation
from device_drivers.zigbee2mqtt import Zigbee2MqttCodec
from simulators.zigbee import KINDS, LAST_SEEN_STYLES, Published, ZigbeeNetwork

SECOND = 1_000_000_000
NOW = 1_790_000_000 * SECOND


def hear(codec: Zigbee2MqttCodec, *messages: Published, now: int = NOW) -> list[Observation]:
    """As a subscriber that was there before: retained flags are not set on live messages."""
    return [one for message in messages for one in codec.feed(message.topic, message.payload, now)]


def events(found: list[Observation]) -> list[tuple[str, str, object, bool]]:
    return [
        (one.device_id.removeprefix("zigbee2mqtt/"), one.signal, one.value, one.repeat)
        for one in found
        if isinstance(one, DeviceEvent)
    ]


def test_sos_is_sent_once_and_then_empty_as_the_real_button_does() -> None:
    network = ZigbeeNetwork(last_seen="disable")
    network.add("sos", "TS0215A_sos")
    pressed, released = network.press("sos", NOW)
    assert json.loads(pressed.payload) == {"action": "emergency", "battery": 100, "linkquality": 18}
    assert json.loads(released.payload) == {"action": "", "battery": 100, "linkquality": 18}
    assert json.loads(network.announce("sos", NOW).payload)["action"] is None
    assert not pressed.retain
    codec = Zigbee2MqttCodec()
    found = hear(codec, pressed, released, network.announce("sos", NOW))
    assert events(found) == [("sos", "help_button", True, False)]


@pytest.mark.parametrize("style", LAST_SEEN_STYLES)
def test_the_driver_understands_every_device_and_style(style: str) -> None:
    network = ZigbeeNetwork(last_seen=style)
    codec = Zigbee2MqttCodec({"bed_contact": {"SPM915": "in"}})
    for model in KINDS:
        network.add(model.replace("/", "-"), model)
    hear(codec, network.bridge_state(online=True), network.device_list())
    later = NOW + 60 * SECOND
    found = hear(codec, *(network.update(name, later) for name in network.devices), now=later)
    assert {one.device_id.removeprefix("zigbee2mqtt/") for one in found} == set(network.devices)
    assert all(one.at_ns == later for one in found)
    assert not codec.rejections
    assert [note.kind for note in codec.notes] == ["identity"]


def test_what_happens_in_a_home() -> None:
    network = ZigbeeNetwork()
    for name, model in (
        ("hall/door", "MCCGQ11LM"),
        ("pir", "RTCGQ11LM"),
        ("smoke", "HS1SA"),
        ("heiman", "HS2FD-EF1-3.0"),
        ("tuya", "MIR-HE200-TY_fall"),
        ("owon", "FDS315"),
        ("sos", "HS1EB/HS1EB-E"),
    ):
        network.add(name, model)
    codec = Zigbee2MqttCodec()
    hear(codec, network.device_list(), *(network.update(name, NOW) for name in network.devices))
    later = NOW + 100 * SECOND
    said = events(
        hear(
            codec,
            network.door("hall/door", later, is_open=True),
            network.motion("pir", later, occupied=True),
            network.smoke("smoke", later, smoke=True, test=True),
            network.smoke("smoke", later, smoke=True),
            network.fall("heiman", later, "fall"),
            network.fall("tuya", later, "warning"),
            network.fall("owon", later, "fall"),
            *network.press("sos", later, "hold"),
            network.availability("pir", online=False),
            network.leave("sos"),
            now=later,
        )
    )
    news = [(device, signal, value) for device, signal, value, repeat in said if not repeat]
    assert news == [
        ("hall/door", "door", "open"),
        ("pir", "occupancy", True),
        ("smoke", "smoke", None),
        ("smoke", "alarm_test", True),
        ("smoke", "smoke", True),
        ("smoke", "alarm_test", False),
        ("heiman", "fall", True),
        ("tuya", "fall_warning", True),
        ("owon", "presence", True),
        ("owon", "fall", True),
        ("sos", "help_button", True),
        ("pir", "online", False),
        ("sos", "online", False),
    ]


def test_a_restart_re_publishes_and_raises_nothing() -> None:
    network = ZigbeeNetwork()
    network.add("smoke", "HS1SA")
    network.add("quiet", "HS1SA")
    network.smoke("smoke", NOW, smoke=True)
    cached = network.republish()
    assert [message.topic for message in cached] == ["zigbee2mqtt/smoke"]
    codec = Zigbee2MqttCodec()
    codec.on_open()
    later = NOW + 600 * SECOND
    assert all(one[3] for one in events(hear(codec, *cached, now=later)))
    lost = hear(codec, network.bridge_state(online=False), network.bridge_state(online=True), *cached, now=later)
    assert [one for one in events(lost) if not one[3]] == [
        ("bridge", "online", False, False),
        ("bridge", "online", True, False),
    ]


def test_bad_use_is_refused() -> None:
    network = ZigbeeNetwork()
    network.add("owon", "FDS315")
    network.add("door", "MCCGQ11LM")
    for name, model in (("owon", "FDS315"), ("x", "unheard of")):
        with pytest.raises(ValueError, match="unknown model"):
            network.add(name, model)
    for name, what in (("owon", "warning"), ("door", "fall")):
        with pytest.raises(ValueError, match="cannot say"):
            network.fall(name, NOW, what)
    with pytest.raises(ValueError, match="last_seen is"):
        ZigbeeNetwork(last_seen="sometimes")
