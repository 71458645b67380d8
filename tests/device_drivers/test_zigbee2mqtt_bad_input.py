from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zigbee_broker import Broker

from device_drivers.observations import DeviceEvent, Reading
from device_drivers.signals import SIGNALS
from device_drivers.zigbee2mqtt import DRIVER
from device_drivers.zigbee2mqtt.memory import MAX_DEVICES, MAX_UNMAPPED
from simulators.zigbee import KINDS


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
