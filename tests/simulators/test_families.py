"""Every family of simulated devices: its driver understands all its actions and says what must come of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from device_drivers.modbus_io import frames
from device_drivers.observations import DeviceEvent, Reading
from device_drivers.registry import drivers, find_driver
from simulators.families import FAMILIES, find_family
from simulators.families.asked import ContactBus
from simulators.played import Doing, Node, SimulatedDevice
from simulators.scenario import load_scenario
from simulators.wires import OnMqtt, OnTcp

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from device_drivers.codec import MessageCodec, StreamCodec
    from device_drivers.observations import Observation
    from simulators.played import Action

SECOND = 1_000_000_000
NOW = 1_800_000_000 * SECOND
CENTRE = load_scenario(Path("care_centre"))
OPTIONS: Mapping[str, Any] = {
    "respiratory_rate": 15,
    "heart_rate": 61,
    "spo2": 91,
    "pulse": 70,
    "distance": 150,
    "x": -120.0,
    "y": 250.0,
    "systolic": 141.0,
    "diastolic": 82.0,
    "celsius": 36.6,
    "kg": 61.4,
    "percent": 12,
    "room": "113",
}
NODES: Mapping[tuple[str, str], str] = {
    ("zigbee2mqtt", "press"): "sos-114",
    ("zigbee2mqtt", "fall"): "radar-115",
    ("zigbee2mqtt", "fall_over"): "radar-115",
    ("zigbee2mqtt", "lie_down"): "bed-116",
    ("zigbee2mqtt", "get_up"): "bed-116",
    ("zigbee2mqtt", "smoke"): "smoke-corridor",
    ("zigbee2mqtt", "smoke_over"): "smoke-corridor",
    ("zigbee2mqtt", "motion"): "door-entrance",
    ("zigbee2mqtt", "open"): "door-entrance",
    ("zigbee2mqtt", "close"): "door-entrance",
    ("modbus_io", "press"): "call-106",
    ("bthome", "open"): "3C2EF51A2B3C",
    ("bthome", "close"): "3C2EF51A2B3C",
    ("openmqttgateway", "press"): "BC026E998877",
    ("chirpstack", "fall"): "24e124798d123456",
    ("chirpstack", "lie_down"): "24e124798d123456",
    ("chirpstack", "get_up"): "24e124798d123456",
    ("thethings", "fall"): "24e124798d123456",
    ("thethings", "lie_down"): "24e124798d123456",
    ("thethings", "get_up"): "24e124798d123456",
}
"""Which node does what; the first one where nothing is said."""
MORE_NODES: Mapping[str, Mapping[str, Node]] = {
    "openmqttgateway": {"BC026E998877": Node("BC026E998877", "button")},
    "thethings": {"24e124798d123456": Node("24e124798d123456", "VS373")},
}
GATEWAY: Mapping[str, Mapping[str, Any]] = {"openmqttgateway": {"help_buttons": ["BC026E998877"]}}
ALINK: Mapping[str, Any] = {
    "events": {"SOS": "help_button", "FallDetected": "fall"},
    "properties": {"Bed": {"signal": "bed_occupancy", "words": {"1": "in", "0": "left"}}},
}
ABLE: Mapping[tuple[str, str], str] = {
    ("micradar", "lie_down"): "bed-radar-102",
    ("micradar", "get_up"): "bed-radar-102",
    ("micradar", "breathe"): "bed-radar-102",
    ("hilink_tf", "breathe"): "bed-radar-104",
    ("modbus_io", "lie_down"): "ward-1",
    ("modbus_io", "get_up"): "ward-1",
    ("modbus_io", "press"): "ward-1",
}
SIGNAL_OF = {
    "help_call": "help_button",
    "fall": "fall",
    "smoke": "smoke",
    "spo2_low": "spo2",
    "heart_rate_low": "heart_rate",
}


def device_of(family: str, do: str) -> SimulatedDevice:
    """The first of the care centre, or the one that can do it, with nodes for what its own cannot do."""
    found = CENTRE.device(ABLE[family, do]) if (family, do) in ABLE else None
    found = found or next(one for one in CENTRE.devices if one.family == family)
    nodes = {**found.nodes, **MORE_NODES.get(family, {})}
    return SimulatedDevice(found.id, family, found.options, nodes, gateway={**found.gateway, **GATEWAY.get(family, {})})


def every_action() -> Iterator[tuple[str, str]]:
    for family, row in FAMILIES.items():
        for name in row.actions:
            yield family, name


def doing(device: SimulatedDevice, do: str, now_ns: int) -> Doing:
    node = NODES.get((device.family, do), next(iter(device.nodes), ""))
    return Doing(node, OPTIONS | ({"node": node} if node else {}), now_ns, now_ns)


def same(value: float | bool | str | None, expected: float | bool | str | None) -> bool:
    if isinstance(value, float) and isinstance(expected, int | float):
        return value == pytest.approx(expected, rel=1e-3)
    return value == expected


def before(row: Any, model: Any, device: SimulatedDevice, do: str) -> None:
    """What must be so before the action means anything."""
    if isinstance(model, ContactBus):
        for node in device.nodes:
            model.set(node, closed=do not in {"press", "lie_down"})
    if device.family == "emfit" and do != "lie_down":
        row.actions["lie_down"].act(model, doing(device, "lie_down", NOW))


def stream_codec(device: SimulatedDevice) -> StreamCodec:
    make = find_driver(device.family).stream
    assert make is not None
    return make(device.id, dict(device.gateway))


def message_codec(device: SimulatedDevice) -> MessageCodec:
    make = find_driver(device.family).message
    assert make is not None
    return make(dict(device.gateway) | ({"alink": ALINK} if device.family == "generic_json" else {}))


def heard_of_stream(row: Any, model: Any, device: SimulatedDevice, action: Action[Any], do: str) -> list[Observation]:
    """Ten seconds of a stream with its driver at the other end, the action after two."""
    codec = stream_codec(device)
    found: list[Observation] = []
    to_device = codec.on_open() + codec.answers()
    if isinstance(row.wire, OnTcp):
        found += codec.feed(model.connect(NOW), NOW)
    for tick in range(100):
        now_ns = NOW + tick * SECOND // 10
        if tick == 20:
            assert action.act(model, doing(device, do, now_ns)) is None
        said = model.feed(to_device + codec.answers() + (codec.poll(now_ns) if tick % 10 == 0 else b""))
        found += codec.feed(said + model.tick(now_ns), now_ns)
        to_device = b""
    assert codec.health.rejected.total() == 0, codec.rejections
    return found


def heard_of_messages(model: Any, device: SimulatedDevice, action: Action[Any], do: str) -> list[Observation]:
    codec = message_codec(device)
    found: list[Observation] = []
    for tick in range(50):
        now_ns = NOW + tick * SECOND // 4
        messages = list(model.tick(now_ns))
        if tick == 8:
            messages += list(action.act(model, doing(device, do, now_ns)) or ())
        for one in messages:
            found += codec.feed(one.topic, one.payload, now_ns)
        for topic, payload in codec.poll(now_ns):
            model.heard(topic, payload)
    assert codec.health.rejected.total() == 0, codec.rejections
    return found


def question(device: SimulatedDevice) -> bytes:
    """All discrete inputs."""
    (count,) = device.gateway["modules"].values()
    return frames.query(frames.Request(1, frames.FUNCTIONS["discrete_inputs"], 0, count))


def heard_when_asked(model: Any, device: SimulatedDevice, action: Action[Any], do: str) -> list[Observation]:
    codec = stream_codec(device)
    found: list[Observation] = []
    for tick in range(40):
        now_ns = NOW + tick * SECOND // 4
        if tick == 8:
            assert action.act(model, doing(device, do, now_ns)) is None
        if isinstance(model, ContactBus):
            assert model.tick(now_ns) == b""
            found += codec.feed(model.feed(question(device)), now_ns)
        else:
            found += codec.feed(model.page(now_ns), now_ns)
    assert codec.health.rejected.total() == 0, codec.rejections
    return found


def test_there_is_a_row_for_every_driver_and_a_device_in_the_care_centre() -> None:
    ours = {name for name, driver in drivers().items() if driver.family == name}
    assert set(FAMILIES) == ours
    assert {one.family for one in CENTRE.devices} == ours
    assert find_family("radar") is FAMILIES["micradar"]
    with pytest.raises(LookupError, match="micradar"):
        find_family("toaster")


def test_every_family_of_the_care_centre_must_end_as_something() -> None:
    judged = {CENTRE.device(one.device).family for one in CENTRE.happenings if CENTRE.action(one).outcome is not None}
    assert judged == set(FAMILIES)


@pytest.mark.parametrize(("family", "do"), list(every_action()))
def test_every_action_is_understood_by_the_driver(family: str, do: str) -> None:
    row, device = FAMILIES[family], device_of(family, do)
    action = row.actions[do]
    model = row.model(device, np.random.default_rng(1))
    before(row, model, device, do)
    if isinstance(row.wire, OnMqtt):
        found = heard_of_messages(model, device, action, do)
    elif find_driver(family).baud and family not in {"emfit", "modbus_io"}:
        found = heard_of_stream(row, model, device, action, do)
    else:
        found = heard_when_asked(model, device, action, do)
    assert found
    if action.outcome is None:
        return
    done = doing(device, do, NOW)
    known_as = device.id if not done.node else row.known_as(device, done.node)
    signal = action.outcome.signal or SIGNAL_OF[str(action.outcome.alert)]
    told = [one for one in found if isinstance(one, Reading | DeviceEvent) and one.signal == signal]
    values = {one.value for one in told if one.device_id == known_as}
    if action.outcome.signal is not None:
        expected = action.outcome.expected(done.options)
        assert any(same(value, expected) for value in values), values
    elif signal in {"spo2", "heart_rate"}:
        assert float(OPTIONS[signal]) in values
    elif family != "yinling_wearable" or do != "fall":  # its falls are found in the acceleration
        assert True in values, values
