"""The ways in as they stand: lines, families of MQTT whatever the number of their sessions, and ports."""

from __future__ import annotations

import asyncio
from typing import Any

from device_drivers.registry import find_driver
from device_drivers.transports.mqtt_session import MqttMessage, MqttOptions, MqttSession
from device_drivers.transports.serial_line import SerialLine, SerialOptions
from device_drivers.transports.tcp_listener import TcpOptions
from gateway.mishaps import MishapLog
from gateway.sources import MqttSource, SerialSource, Source
from gateway.tcp_source import TcpSource
from gateway.ways import WayIn, ways_in

NOW = 1_790_000_000_000_000_000


def sources() -> list[Source]:
    """Two sessions of one family, a line and a port: made as the gateway makes them, and not started."""
    loop = asyncio.new_event_loop()
    driver = find_driver("zigbee2mqtt")
    assert driver.message is not None
    codec, mishaps = driver.message({}), MishapLog()
    found: list[Source] = [
        MqttSource(
            MqttSession(MqttOptions("127.0.0.1", 1, f"c{n}"), loop),
            codec,
            lambda *_: None,
            0.0,
            lambda: 0.0,
            n,
            mishaps,
        )
        for n in (1, 2)
    ]
    radar = find_driver("micradar")
    assert radar.stream is not None
    line = SerialLine(SerialOptions("/dev/null"), loop)
    found.append(SerialSource(line, radar.stream("radar", {}), lambda *_: None))
    families = [find_driver("watch_3g"), find_driver("jt808")]
    found.append(TcpSource(TcpOptions("127.0.0.1", 7700), families, lambda *_: None, lambda: NOW, lambda: 0.0))
    loop.close()
    return found


def by_name(found: list[Source]) -> dict[str, WayIn]:
    return {way.name: way for way in ways_in(found)}


def test_each_way_and_what_it_leads_to() -> None:
    found = by_name(sources())
    assert list(found) == ["mqtt:zigbee2mqtt", "serial:radar", "tcp:127.0.0.1:7700"]
    assert [way.kind for way in found.values()] == ["mqtt", "serial", "tcp"]
    assert not any(way.connected for way in found.values())
    assert found["serial:radar"].leads_to("radar", "micradar")
    assert found["serial:radar"].leads_to("radar/3", "micradar")
    assert not found["serial:radar"].leads_to("radar2", "micradar")
    assert found["tcp:127.0.0.1:7700"].leads_to("anything", "jt808")
    assert not found["mqtt:zigbee2mqtt"].leads_to("anything", "jt808")


def test_a_family_is_connected_when_all_its_sessions_are() -> None:
    made: Any = sources()
    first, second = made[0].session.health, made[1].session.health
    first.connected = True
    second.last_error = "Not authorized"
    way = by_name(made)["mqtt:zigbee2mqtt"]
    assert (way.connected, way.error) == (False, "Not authorized")
    second.connected = True
    assert by_name(made)["mqtt:zigbee2mqtt"].connected
    first.unsubscribed = 1
    way = by_name(made)["mqtt:zigbee2mqtt"]
    assert (way.connected, way.error) == (False, "the broker refused a subscription")


def test_talkers_and_mishaps_of_all_sessions() -> None:
    made: Any = sources()
    for number, source in enumerate(made[:2], 1):
        source.talkers.add(f"zigbee2mqtt/{number}")
        source.codec.feed("zigbee2mqtt/sos", b"\xff", NOW)
        source.mishaps.follow(source.codec, NOW)
    way = by_name(made)["mqtt:zigbee2mqtt"]
    assert way.talkers == {"zigbee2mqtt/1", "zigbee2mqtt/2"}
    assert {place: found.count for place, found in way.mishaps.items()} == {"zigbee2mqtt/sos": 2}


def test_what_a_source_hears_is_remembered() -> None:
    made: Any = sources()
    source = made[0]
    batches = [
        [
            MqttMessage("zigbee2mqtt/sos", payload, NOW, 0, n, False, 1)
            for n, payload in enumerate((b'{"action": "emergency"}', b"{"))
        ],
        [],
    ]

    async def take() -> list[MqttMessage]:
        return batches.pop(0)

    source.session.take = take
    asyncio.run(source.run())
    way = by_name(made)["mqtt:zigbee2mqtt"]
    assert way.talkers == {"zigbee2mqtt/sos"}
    (mishaps,) = way.mishaps.values()
    assert (mishaps.count, mishaps.latest[0].raw, mishaps.latest[0].topic) == (1, b"{", "zigbee2mqtt/sos")


def test_a_port_tells_who_knocks_and_what_is_wrong() -> None:
    made: Any = sources()
    port = made[3]
    port._remember("111", "jt808")
    port.faults["w"] = "positions is 'x'"
    way = by_name(made)["tcp:127.0.0.1:7700"]
    assert (dict(way.strangers), dict(way.faults), way.online) == (
        {"111": "jt808"},
        {"w": "positions is 'x'"},
        frozenset(),
    )
    assert way.families == {"watch_3g", "jt808"}
    assert way.mishaps == {}


def test_a_line_tells_its_frames_and_its_error() -> None:
    made: Any = sources()
    line = made[2]
    line.line.health.last_error = "no such port"
    line.codec.feed(bytes.fromhex("53 59 85 02 00 01 47 7B 54 43"), NOW)
    way = by_name(made)["serial:radar"]
    assert (way.error, way.frames, way.line) == ("no such port", 1, "radar")
    line.line.health.connected = True
    assert by_name(made)["serial:radar"].error is None
