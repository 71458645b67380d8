import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zigbee_broker import NOW, SECOND, Broker

from device_drivers.observations import DeviceEvent, Reading
from device_drivers.signals import SIGNALS
from device_drivers.zigbee2mqtt import DRIVER, Zigbee2MqttCodec
from device_drivers.zigbee2mqtt.memory import MAX_DEVICES, MAX_UNMAPPED
from simulators.zigbee import KINDS, ZigbeeNetwork


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "json"),
        (b"{", "json"),
        (b"\xff\xfe", "json"),
        (b'{"battery": NaN}', "json"),
        (b"[" * 50_000, "json"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "json"),
        (b'{"battery": ' + b"9" * 5000 + b"}", "json"),
        (b"[]", "type"),
        (b'"emergency"', "type"),
        (b'{"action": "' + b"x" * 70_000 + b'"}', "too_large"),
        (b'{"battery": "full"}', "type"),
        (b'{"battery": true}', "type"),
        (b'{"battery": ' + b"9" * 400 + b"}", "type"),
        (b'{"battery": 1e400}', "type"),
        (b'{"smoke": 1}', "type"),
        (b'{"contact": "open"}', "type"),
        (b'{"action": 5}', "type"),
        (b'{"sos": "yes"}', "type"),
        (b'{"trouble": []}', "type"),
        (b'{"tamper": {}}', "type"),
    ],
)
def test_bad_payloads_are_counted_and_kept(payload: bytes, reason: str) -> None:
    broker = Broker()
    assert broker.raw("d", payload) == []
    assert broker.codec.health.rejected == {reason: 1}
    assert broker.codec.rejections[0].raw == payload[:512]


def test_one_bad_field_does_not_cost_the_others() -> None:
    broker = Broker()
    assert broker.events("d", battery="full", action="emergency") == [("help_button", True, False)]
    assert broker.codec.rejections[0].detail["field"] == "battery"


def test_memory_is_bounded() -> None:
    broker = Broker()
    for number in range(MAX_DEVICES + 500):
        broker.say(f"d{number}", contact=True)
        broker.raw(f"d{number}/availability", b"online")
    assert len(broker.codec._memories) == len(broker.codec._online) == MAX_DEVICES
    many: dict[str, Any] = {f"field{number}": 1 for number in range(500)}
    broker.say("odd", **many)
    assert len(broker.codec._memories.of("odd").unmapped) == MAX_UNMAPPED


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = sorted(
    {name for kind in KINDS.values() for name in kind.state} | {"action", "sos", "last_seen", "trouble", "test"}
)


@given(st.dictionaries(st.sampled_from(FIELDS), json_values), st.booleans())
def test_any_json_gives_only_known_signals_and_words(state: dict[str, Any], opened: bool) -> None:
    broker = Broker()
    if opened:
        broker.codec.on_open()
    for one in broker.say("d", **state):
        row = SIGNALS[one.signal]
        assert one.signal in DRIVER.signals
        if isinstance(one, DeviceEvent) and one.value is not None:
            assert one.value in row.words if row.words else isinstance(one.value, bool)
        elif isinstance(one, Reading) and one.value is not None:
            assert row.low <= one.value <= row.high


def fuzz_payload(rng: random.Random, seeds: list[bytes]) -> bytes:
    payload = bytearray(rng.choice(seeds))
    for _ in range(rng.randrange(4)):
        at = rng.randrange(len(payload))
        match rng.randrange(4):
            case 0:
                payload[at] = rng.randrange(256)
            case 1:
                del payload[at : at + rng.randrange(1, 6)]
            case 2:
                payload[at:at] = rng.choice((b"null", b"true", b"1e99", b'"', b"[", b"{", b"-", b"0", b"\\u0000"))
            case _:
                payload = payload[: at + 1]
        if not payload:
            break
    return bytes(payload)


def test_a_hundred_thousand_fuzzed_messages_raise_nothing() -> None:
    rng = random.Random(2026)
    network = ZigbeeNetwork()
    for number, model in enumerate(KINDS):
        network.add(f"d{number}", model)
    seeds = [network.update(name, NOW).payload for name in network.devices]
    seeds += [one.payload for one in network.press("d0", NOW)]
    seeds += [
        network.device_list().payload[:900],
        b'{"state":"online"}',
        b'{"type":"device_leave","data":{"friendly_name":"d1"}}',
    ]
    names = [
        *network.devices,
        "d1/availability",
        "bridge/state",
        "bridge/devices",
        "bridge/event",
        "bridge/logging",
        "d1/set",
        "",
    ]
    codec = Zigbee2MqttCodec()
    observed = 0
    for number in range(100_000):
        if number % 1000 == 0:
            codec.on_open()
        name = rng.choice(names) if rng.random() < 0.9 else f"x{rng.randrange(10_000)}"
        found = codec.feed(
            f"zigbee2mqtt/{name}", fuzz_payload(rng, seeds), NOW + number * SECOND, retained=rng.random() < 0.05
        )
        observed += len(found)
    assert observed > 50_000
    assert sum(codec.health.rejected.values()) > 20_000
    assert set(codec.health.rejected) == {"json", "type", "topic", "retained"}
    assert len(codec._memories) <= MAX_DEVICES
    assert len(codec.rejections) <= 64
    assert len(codec.notes) <= 256
