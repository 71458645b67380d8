"""Samples of the families that publish messages on a broker."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from device_drivers.ble import adverts, beacons
from device_drivers.ble import bthome as bthome_objects
from device_drivers.generic_json import platforms
from device_drivers.sample import SECOND_NS, MessageSample
from device_drivers.yinling_wearable import encode_frame, online_topic, up_topic
from simulators.ble_gateways import (
    BthomeDevice,
    EspresenseNode,
    MinewGateway,
    MinewPendant,
    OpenMqttGateway,
    ShellyRelay,
)
from simulators.esphome import FALL_RADAR, RADAR_60GHZ, EsphomeNode
from simulators.gatt_meters import NO_FINGER, GattMeter
from simulators.lorawan import LorawanDevice
from simulators.samples.streams import ASSUMED_EN, ASSUMED_ZH, wearable_frame
from simulators.zigbee import KINDS, ZigbeeNetwork

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from device_drivers.sample import Message

    One = Callable[[Random, int], tuple[Any, ...]]
    """A message at a time (ns)."""

EVERY_SECOND_ZH, EVERY_SECOND_EN = "假定值：每秒一条（上限）", "assumed: one a second at most"
MINUTE_NS = 60 * SECOND_NS


def every(period_ns: int, *kinds: One) -> Callable[[Random, int, int], list[Message]]:
    """Messages of these kinds by chance, one each period; two fields of each count, topic and payload."""

    def messages(rng: Random, count: int, start_ns: int) -> list[Message]:
        return [rng.choice(kinds)(rng, start_ns + n * period_ns)[:2] for n in range(count)]

    return messages


def wearable() -> MessageSample:
    """Our own wearable."""

    def messages(rng: Random, count: int, start_ns: int) -> list[Message]:
        frames = (wearable_frame(rng, n, start_ns + n * SECOND_NS) for n in range(count))
        return [(up_topic("w1"), encode_frame(one)) for one in frames]

    def mix(rng: Random, count: int, start_ns: int) -> list[Message]:
        found = messages(rng, count, start_ns)
        return [(online_topic("w1"), b"1") if rng.random() < 0.1 else one for one in found]

    return MessageSample(
        way="mqtt", rate_hz=1, rate_zh="协议：每秒一帧", rate_en="wire protocol: one frame a second",
        usual=messages, mix=mix,
    )  # fmt: skip


def zigbee2mqtt() -> MessageSample:
    """A bridge with one device of each kind; the usual one is a fall radar that tells where somebody is."""
    network = ZigbeeNetwork()
    for model in KINDS:
        network.add(model.replace("/", "-"), model)
    names = tuple(network.devices)

    def radar(rng: Random, at_ns: int) -> tuple[Any, ...]:
        place = {"location_x": rng.randrange(-200, 200), "location_y": rng.randrange(400)}
        return network.update("FDS315", at_ns, status="occupied", breathing_rate=rng.randrange(8, 25), **place)

    def change(rng: Random, at_ns: int) -> tuple[Any, ...]:
        name = rng.choice(names)
        said = {key: not value for key, value in network.devices[name].state.items() if isinstance(value, bool)}
        return network.update(name, at_ns, **said, battery=rng.randrange(101))

    opening = [network.bridge_state(online=True), network.device_list()]
    return MessageSample(
        way="mqtt", rate_hz=1, rate_zh=EVERY_SECOND_ZH, rate_en=EVERY_SECOND_EN,
        opening=tuple(one[:2] for one in opening),
        usual=every(SECOND_NS, radar),
        mix=every(
            SECOND_NS, radar, change, change,
            lambda _rng, at_ns: network.press("TS0215A_sos", at_ns)[0],
            lambda rng, at_ns: network.fall("HS2FD-EF1-3.0", at_ns, rng.choice(("none", "warning", "fall"))),
            lambda rng, _at_ns: network.availability(rng.choice(names), online=rng.random() < 0.5),
            lambda rng, _at_ns: network.bridge_state(online=rng.random() < 0.9),
            lambda _rng, _at_ns: ("zigbee2mqtt/bridge/event", b'{"type":"device_leave","data":{"friendly_name":"x"}}'),
        ),
    )  # fmt: skip


def ble_gatt() -> MessageSample:
    """Meters behind a gateway; the usual one is a chest strap."""
    meter = GattMeter("A4C138112233")

    def strap(rng: Random, _at_ns: int) -> tuple[Any, ...]:
        return meter.heart_rate(rng.randrange(50, 120), (rng.uniform(600, 1000),), contact=True)

    return MessageSample(
        way="mqtt", rate_hz=1, rate_zh="心率带约每秒一次", rate_en="chest straps: about one a second",
        usual=every(SECOND_NS, strap),
        mix=every(
            SECOND_NS, strap,
            lambda rng, _at_ns: meter.oximeter(rng.randrange(90, 100), rng.randrange(50, 99), amplitude=2.5),
            lambda _rng, _at_ns: meter.oximeter(NO_FINGER, NO_FINGER),
            lambda rng, at_ns: meter.blood_pressure(rng.randrange(100, 160), 80, 66, at_ns, user=1, status=4),
            lambda rng, _at_ns: meter.temperature(rng.randrange(355, 390) / 10),
            lambda rng, at_ns: meter.glucose(rng.randrange(70, 180), at_ns),
            lambda rng, at_ns: meter.weight(rng.randrange(50, 90), at_ns),
            lambda rng, _at_ns: meter.battery(rng.randrange(101)),
        ),
    )  # fmt: skip


def minew() -> MessageSample:
    """A pendant behind a gateway that passes each advertisement on."""
    gateway, pendant = MinewGateway(), MinewPendant()

    def heard(raw: bytes, at_ns: int) -> tuple[Any, ...]:
        return gateway.message(at_ns, (pendant.mac, raw, -60))

    def climate(rng: Random, at_ns: int) -> tuple[Any, ...]:
        data = beacons.encode_minew(0x01, "AC233FA031FA", 100, rng.randrange(180, 300) / 10, rng.randrange(30, 70))
        raw = adverts.build(adverts.service(beacons.MINEW_UUID, data))
        return gateway.message(at_ns, ("AC233FA031FA", raw, -70))

    def idle(rng: Random, at_ns: int) -> tuple[Any, ...]:
        return heard(pendant.idle(rng.uniform(-1, 1), rng.uniform(-1, 1), rng.uniform(-1, 1)), at_ns)

    return MessageSample(
        way="mqtt", rate_hz=1, rate_zh=EVERY_SECOND_ZH, rate_en=EVERY_SECOND_EN,
        usual=every(SECOND_NS, idle),
        mix=every(
            SECOND_NS, idle, climate,
            lambda _rng, at_ns: heard(pendant.press(), at_ns),
            lambda _rng, at_ns: heard(pendant.info(), at_ns),
        ),
    )  # fmt: skip


def openmqttgateway() -> MessageSample:
    """Buttons, a scale and sensors behind an ESP32."""
    gateway, button = OpenMqttGateway(), BthomeDevice()

    def sensor(rng: Random, _at_ns: int) -> tuple[Any, ...]:
        said = {"tempc": rng.randrange(180, 300) / 10, "hum": rng.randrange(30, 70), "batt": 90}
        return gateway.sighting("A4C138112233", name="LYWSD03MMC", rssi=-rng.randrange(50, 90), **said)

    def scale(rng: Random, at_ns: int) -> tuple[Any, ...]:
        at = datetime.fromtimestamp(at_ns // SECOND_NS, UTC).replace(tzinfo=None)
        return gateway.service("C8478C112233", "181B", beacons.encode_body_scale(rng.randrange(50, 90), at, 503))

    return MessageSample(
        way="mqtt", rate_hz=1, rate_zh=EVERY_SECOND_ZH, rate_en=EVERY_SECOND_EN,
        usual=every(SECOND_NS, sensor),
        mix=every(
            SECOND_NS, sensor, scale,
            lambda _rng, _at_ns: gateway.service(button.mac, bthome_objects.UUID, button.press()),
            lambda rng, _at_ns: gateway.will(online=rng.random() < 0.9),
        ),
    )  # fmt: skip


def bthome() -> MessageSample:
    """Shelly BLU devices, passed on raw or decoded."""
    relay, button = ShellyRelay(), BthomeDevice()

    def climate(rng: Random, at_ns: int) -> tuple[Any, ...]:
        said = button.says((0x02, rng.randrange(180, 300) / 10), (0x03, rng.randrange(30, 70)))
        return relay.raw("BC026E445566", said, at_ns)

    return MessageSample(
        way="mqtt", rate_hz=1, rate_zh=EVERY_SECOND_ZH, rate_en=EVERY_SECOND_EN,
        usual=every(SECOND_NS, climate),
        mix=every(
            SECOND_NS, climate,
            lambda _rng, at_ns: relay.raw(button.mac, button.press(), at_ns),
            lambda rng, at_ns: relay.decoded("BC026E778899", at_ns // SECOND_NS % 256, window=rng.random() < 0.5),
        ),
    )  # fmt: skip


def espresense() -> MessageSample:
    """A tag that the nodes of three rooms hear."""
    nodes = [EspresenseNode(room) for room in ("bedroom", "bathroom", "kitchen")]

    def hears(rng: Random, _at_ns: int) -> tuple[Any, ...]:
        return rng.choice(nodes).hears("iBeacon:fda50693-1-2", rng.uniform(0.5, 6), rssi=-rng.randrange(50, 90))

    return MessageSample(
        way="mqtt", rate_hz=1, rate_zh=EVERY_SECOND_ZH, rate_en=EVERY_SECOND_EN,
        usual=every(SECOND_NS, hears),
        mix=every(
            SECOND_NS, hears,
            lambda rng, _at_ns: rng.choice(nodes).hears("tag", 1.0, batt=rng.randrange(101), temp=21.5, rh=45, mV=3000),
            lambda rng, _at_ns: rng.choice(nodes).status(online=rng.random() < 0.9),
            lambda _rng, _at_ns: ("espresense/rooms/kitchen/telemetry", b'{"ip":"10.0.0.9","uptime":9,"rssi":-60}'),
        ),
    )  # fmt: skip


def lorawan(server: Literal["chirpstack", "thethings"]) -> MessageSample:
    """A fall radar, a call button and a door contact; radio allows each about one message a minute."""
    radar = LorawanDevice("24e124710c000001", "VS373", server)
    button, door = (
        LorawanDevice("24e124535b000002", "WS101", server),
        LorawanDevice("24e124141c000003", "WS301", server),
    )
    call = LorawanDevice("a84041b93184c000", "PB01", server)

    def status(rng: Random, at_ns: int) -> tuple[Any, ...]:
        detection = rng.choice(("normal", "vacant", "in_bed", "out_of_bed"))
        return radar.send(radar.status(detection, now=rng.randrange(3600), today=rng.randrange(86_400)), at_ns)

    return MessageSample(
        way="mqtt", rate_hz=1 / 60, rate_zh="假定值：每分钟一条", rate_en="assumed: one a minute",
        usual=every(MINUTE_NS, status),
        mix=every(
            MINUTE_NS, status,
            lambda rng, at_ns: radar.send(radar.alarm("fall", rng.choice(("triggered", "deactivated"))), at_ns),
            lambda rng, at_ns: button.send(button.press(rng.choice(("short", "long", "double"))), at_ns),
            lambda _rng, at_ns: door.send(bytes.fromhex("017564030001040000"), at_ns),
            lambda rng, at_ns: call.send(call.call_button(alarm=rng.random() < 0.5), at_ns, 2),
        ),
    )  # fmt: skip


def generic_json() -> MessageSample:
    """A mat by a mapping, and bracelets on two Chinese platforms."""
    mapping: dict[str, Any] = {
        "topic": "mat/+/state", "device": "mat-{1}",
        "values": [
            {"path": "hr", "signal": "heart_rate", "absent": [0, 255]},
            {"path": "temp", "signal": "room_temperature", "unit": "°F"},
            {"path": "bed", "signal": "bed_occupancy", "words": {"1": "in", "0": "left"}},
        ],
    }  # fmt: skip
    site = {"properties": {"HR": "heart_rate"}, "events": {"SOS": "help_button"}}
    iotda_site = {"properties": {"Vitals.hr": "heart_rate"}, "events": {"sos": "help_button"}}

    def mat(rng: Random, _at_ns: int) -> tuple[Any, ...]:
        said = {"hr": rng.randrange(50, 120), "temp": rng.randrange(60, 80), "bed": rng.randrange(2)}
        return "mat/1/state", json.dumps(said).encode()

    def utc(at_ns: int) -> str:
        return f"{datetime.fromtimestamp(at_ns // SECOND_NS, UTC):%Y%m%dT%H%M%SZ}"

    return MessageSample(
        way="mqtt", rate_hz=1, rate_zh=ASSUMED_ZH, rate_en=ASSUMED_EN,
        options={"rules": [mapping], "alink": site, "iotda": iotda_site},
        usual=every(SECOND_NS, mat),
        mix=every(
            SECOND_NS, mat,
            lambda rng, at_ns: platforms.alink_message("pk", "dn", 1, at_ns // 10**6, HR=rng.randrange(50, 99)),
            lambda _rng, at_ns: platforms.alink_event("pk", "dn", "SOS", at_ns // SECOND_NS, at_ns // 10**6, HR=72),
            lambda rng, at_ns: platforms.iotda_message("d", "Vitals", utc(at_ns), hr=rng.randrange(50, 99)),
            lambda _rng, at_ns: platforms.iotda_event("d", "Button", "sos", utc(at_ns), battery=7),
        ),
    )  # fmt: skip


def esphome() -> MessageSample:
    """A node with a breath and heart radar and a fall radar: four values a second."""
    node = EsphomeNode("bedroom", (*RADAR_60GHZ, *FALL_RADAR))

    def heart(rng: Random, _at_ns: int) -> tuple[Any, ...]:
        return node.state("Real time heart rate", rng.randrange(50, 120))

    return MessageSample(
        way="mqtt", rate_hz=4, rate_zh="假定值：每秒四个值", rate_en="assumed: four values a second",
        opening=tuple(one[:2] for one in node.discovery()),
        usual=every(SECOND_NS // 4, heart),
        mix=every(
            SECOND_NS // 4, heart,
            lambda rng, _at_ns: node.state("Real time respiratory rate", rng.choice((None, 14, 18))),
            lambda rng, _at_ns: node.state("Distance to detection object", rng.randrange(30, 400)),
            lambda rng, _at_ns: node.state("Has target", rng.random() < 0.5),
            lambda rng, _at_ns: node.state("Falling Information", rng.random() < 0.5),
            lambda rng, _at_ns: node.status(online=rng.random() < 0.9),
            lambda rng, _at_ns: rng.choice(node.discovery()),
        ),
    )  # fmt: skip
