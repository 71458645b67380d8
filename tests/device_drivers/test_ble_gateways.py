import json
import random
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from ble_tools import FUZZ_PAYLOADS, NOW, SECOND, check_legal, events, mutated, values, vectors
from hypothesis import given
from hypothesis import strategies as st

from device_drivers import bthome as bthome_family
from device_drivers import minew, openmqttgateway
from device_drivers.ble import beacons, bthome
from device_drivers.ble.contents import Beacon, Press
from device_drivers.ble.gateway import MAX_GATEWAYS, GatewayCodec
from device_drivers.ble.memory import MAX_DEVICES, MAX_NOTES, MAX_ONCE, MAX_PACKETS, Known, Memories
from device_drivers.bthome import BthomeCodec
from device_drivers.codec import Driver
from device_drivers.minew import MinewCodec
from device_drivers.observations import DeviceEvent, Observation, Quality, Reading
from device_drivers.openmqttgateway import OpenMqttGatewayCodec
from device_drivers.registry import find_driver
from simulators.ble_gateways import BthomeDevice, MinewGateway, MinewPendant, OpenMqttGateway, ShellyRelay
from simulators.zigbee import Published

DRIVERS = (minew.DRIVER, openmqttgateway.DRIVER, bthome_family.DRIVER)
MINUTE = 60 * SECOND
SCALE_TIME = datetime(2026, 9, 21, 22, 13, 20)  # noqa: DTZ001 - NOW on a scale's clock in China


def send(codec: GatewayCodec, one: Published, now: int = NOW) -> list[Observation]:
    return codec.feed(one.topic, one.payload, now, retained=one.retain)


def bare(codec: GatewayCodec, text: str, topic: str = "") -> list[Observation]:
    return codec.feed(topic, bytes.fromhex(text), NOW)


def calls(found: list[Observation]) -> list[tuple[str, int, str | None]]:
    return [
        (one.device_id, one.at_ns, one.token)
        for one in found
        if isinstance(one, DeviceEvent) and one.signal == "help_button" and one.value is True
    ]


# --- reference vectors ------------------------------------------------------------------------------------------------

PRESS_WORDS = {"press": "single", "triple_press": "triple", "long_press": "long"}


def as_said(found: list[Observation], codec: GatewayCodec) -> dict[str, Any]:
    got = values(found) | {key: value for note in codec.notes for key, value in note.fields.items()}
    device = found[0].device_id if found else None
    acc = [got.get(f"accel_{axis}") for axis in "xyz"]
    return got | {
        "mac": device,
        "acc_g": acc,
        "acc": [None if one is None else one * 1000 for one in acc],
        "volt": got.get("battery_voltage", 0) / 1000,
        "temp_c": got.get("room_temperature"),
        "hum": got.get("humidity"),
        "weight_kg": got.get("body_weight"),
        "impedance": got.get("body_impedance"),
    }


@pytest.mark.parametrize("family", ["minew_mqtt", "ble_adv"])
def test_reference_vectors(family: str, protocols_folder: Path) -> None:
    listed = vectors(protocols_folder, family)
    assert len(listed) >= 4
    driver = find_driver(family)
    assert driver.message is not None
    for vector in listed:
        codec = driver.message({})
        assert isinstance(codec, GatewayCodec)
        found = bare(codec, vector["data"])
        said = dict(vector["decoded"])
        if "button" in said:
            said["button"] = PRESS_WORDS[said["button"]]
        assert said.items() <= as_said(found, codec).items(), vector
        check_legal(found, driver)


@pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: driver.family)
@pytest.mark.parametrize(
    ("text", "topic", "device", "expected"),
    [
        ("40001D01643A01", "", "device", {"button": "single", "battery": 100}),
        ("40001D01643A01", "FCD2", "device", {"button": "single", "battery": 100}),
        ("02010606 16D2FC400164", "", "device", {"battery": 100}),
        ("42 332211 6E02BC 0164", "", "BC026E112233", {"battery": 100}),
        ("A1016419F8394AE53F390000C3", "", "C30000393FE5", {"room_temperature": 25.97, "humidity": 57.29}),
        ("A1016419F8394AE53F390000C3", "0xffe1", "C30000393FE5", {"battery": 100}),
        ("223E30E607020E10293A", "181D", "device", {"body_weight": 61.75}),
        ("0226E607020E10293AF7019A38", "", "device", {"body_weight": 72.45, "body_impedance": 503}),
        ("21010F0E5BEFBB42D1FFC200000407", "", "device", {"battery_voltage": 3675, "humidity": 66.81}),
        ("20000B8615800000012C00000E10", "FEAA", "device", {"battery_voltage": 2950}),
    ],
)
def test_bare_bytes_as_hexadecimal_and_as_text(
    driver: Driver, text: str, topic: str, device: str, expected: dict[str, Any]
) -> None:
    assert driver.message is not None
    for payload in (bytes.fromhex(text), text.encode()):
        codec = driver.message({})
        found = codec.feed(topic, payload, NOW)
        assert expected.items() <= values(found).items()
        assert {one.device_id for one in found} == {device}


def test_bare_beacons_are_facts() -> None:
    for text in (
        "0201061AFF4C000215FDA50693A4E24FB1AFCFC6EB0764782500000000C5",
        "4C000215FDA50693A4E24FB1AFCFC6EB0764782500000000C5",
        "0215FDA50693A4E24FB1AFCFC6EB0764782500000000C5",
    ):
        codec = MinewCodec()
        assert bare(codec, text) == []
        assert codec.notes[-1].fields["ibeacon"] == "FDA50693-A4E2-4FB1-AFCF-C6EB07647825"
        assert codec.notes[-1].fields["tx_power"] == -59
    codec = MinewCodec()
    assert bare(codec, "4C000215FDA50693A4E24FB1AFCFC6EB0764782500000000C5", "004C") == []
    assert codec.notes


def test_broken_bare_bytes_are_refused() -> None:
    for text, reason in (("FFFF", "unknown_data"), ("A10164", "minew"), ("4002", "bthome")):
        codec = MinewCodec()
        assert bare(codec, text) == []
        assert codec.health.rejected == {reason: 1}
    assert values(bare(MinewCodec({"devices": ["C30000393FE5"]}), "A1016419F8394AE53F390000C3"))["battery"] == 100
    assert bare(MinewCodec({"devices": ["C30000000000"]}), "A1016419F8394AE53F390000C3") == []


# --- the pendant ------------------------------------------------------------------------------------------------------


def test_one_press_of_the_pendant_is_one_call() -> None:
    codec, gateway, pendant = MinewCodec(), MinewGateway(), MinewPendant()
    found: list[Observation] = []
    for second, raw in ((0, pendant.idle()), (1, pendant.info()), (10, pendant.idle())):
        found += send(codec, gateway.message(NOW + second * SECOND, (pendant.mac, raw, -60)), NOW + second * SECOND)
    assert calls(found) == []
    begun = NOW + 20 * SECOND
    for second in (*range(20, 50), 400, 401):
        now = NOW + second * SECOND
        found += send(codec, gateway.message(now, (pendant.mac, pendant.press(), -60)), now)
    assert [(device, at) for device, at, _ in calls(found)] == [
        (pendant.mac, begun),
        (pendant.mac, NOW + 400 * SECOND),
    ]
    assert values(found)["battery"] == 20


def test_the_burst_keeps_the_silence_from_beginning() -> None:
    codec, gateway, pendant = MinewCodec({"help_buttons": ["c3:00:00:7b:57:3c"]}), MinewGateway(), MinewPendant()
    pressed = []
    for second in (0, 50, 100, 150, 211):
        now = NOW + second * SECOND
        pressed += calls(send(codec, gateway.message(now, (pendant.mac, pendant.press(), -60)), now))
    assert [at for _, at, _ in pressed] == [NOW, NOW + 211 * SECOND]


def test_two_gateways_hear_one_press() -> None:
    codec, pendant = MinewCodec({"help_buttons": ["C300007B573C"]}), MinewPendant()
    found = []
    for number, mac in enumerate(("AC233FC00001", "AC233FC00002", "AC233FC00001")):
        now = NOW + number * SECOND // 3
        found += calls(send(codec, MinewGateway(mac).message(now, (pendant.mac, pendant.press(), -60)), now))
    assert len(found) == 1


def test_a_press_that_the_gateway_kept_has_its_own_time() -> None:
    codec, pendant = MinewCodec({"help_buttons": ["C300007B573C"]}), MinewPendant()
    late = MinewGateway().message(NOW - 90 * SECOND, (pendant.mac, pendant.press(), -60))
    (call,) = calls(send(codec, late, NOW))
    assert call[1] == NOW - 90 * SECOND
    wrong = MinewGateway().message(0, ("C3000000AAAA", pendant.press(), -60))
    assert calls(send(MinewCodec({"help_buttons": ["C3000000AAAA"]}), wrong))[0][1] == NOW


def test_a_tag_that_is_no_pendant_never_calls() -> None:
    codec, pendant = MinewCodec(), MinewPendant("C3000000AAAA")
    for minute in range(0, 30, 5):
        now = NOW + minute * MINUTE
        assert calls(send(codec, MinewGateway().message(now, (pendant.mac, pendant.press(), -60)), now)) == []


def test_what_the_gateway_decoded_itself() -> None:
    items = [
        {"timestamp": "2026-09-21T14:13:20Z", "type": "Gateway", "mac": "AC233FC001EA", "gatewayFree": 98},
        {"type": "S1", "mac": "AC233FA00001", "temperature": 25.2, "humidity": 55, "battery": 90, "rssi": -50},
        {
            "type": "iBeacon",
            "mac": "c300007b573c",
            "ibeaconUuid": "FDA50693A4E24FB1AFCFC6EB07647825",
            "ibeaconMajor": 1,
            "ibeaconMinor": 2,
            "ibeaconTxPower": -61,
            "battery": 77,
            "rssi": -60,
        },
        {"type": "Unknown", "mac": "AC233FA00009", "bleName": "TV", "rssi": -90},
    ]
    codec = MinewCodec({"help_buttons": ["C300007B573C"]})
    found = codec.feed("/gw/AC233FC001EA/status", json.dumps(items).encode(), NOW)
    assert values([one for one in found if one.device_id == "AC233FA00001"]) == {
        "room_temperature": 25.2,
        "humidity": 55,
        "battery": 90,
        "signal_strength": -50,
    }
    assert calls(found) == [("C300007B573C", NOW, f"beacon-{NOW}")]
    assert codec.notes[-1].fields["ibeacon"] == "FDA50693-A4E2-4FB1-AFCF-C6EB07647825"
    assert not codec.rejections


def test_a_gateway_that_speaks_is_online() -> None:
    codec, gateway = MinewCodec(), MinewGateway()
    seen = []
    for second in (0, 10, 59, 60, 61, 125):
        seen += events(send(codec, gateway.message(NOW + second * SECOND), NOW + second * SECOND))
    assert seen == [("online", True, False), ("online", True, True), ("online", True, True)]
    assert codec.notes[0].kind == "heartbeat"


def test_short_sightings_of_newer_gateways() -> None:
    raw = MinewPendant().idle().hex()
    found = MinewCodec().feed("gw/x", json.dumps([{"mac": "c300007b573c", "rawData": raw}]).encode(), NOW)
    assert values(found)["battery"] == 20
    found = MinewCodec().feed("", json.dumps({"mac": "c300007b573c", "rawData": raw}).encode(), NOW)
    assert found[0].device_id == "C300007B573C"


# --- buttons that number their presses --------------------------------------------------------------------------------


def relayed(device: BthomeDevice, data: bytes, now: int) -> dict[str, Published]:
    return {
        "minew": MinewGateway().message(now, (device.mac, device.advert(data), -60)),
        "openmqttgateway": OpenMqttGateway().service(device.mac, bthome.UUID, data),
        "bthome": ShellyRelay().raw(device.mac, data, now),
    }


@pytest.mark.parametrize("family", ["minew", "openmqttgateway", "bthome"])
def test_a_press_repeated_by_radio_is_one_press(family: str) -> None:
    driver = find_driver(family)
    assert driver.message is not None
    codec, device = driver.message({}), BthomeDevice()
    seen: list[tuple[str, Any, bool]] = []
    now = NOW
    for code in (1, 1, 2, 4):
        data = device.press(code)
        for _ in range(8):
            one = relayed(device, data, now)[family]
            seen += [e for e in events(codec.feed(one.topic, one.payload, now)) if e[0] == "button"]
            now += SECOND // 4
    assert seen == [("button", word, False) for word in ("single", "single", "double", "long")]


def test_packet_numbers_come_round() -> None:
    codec, device = BthomeCodec(), BthomeDevice(packet=250)
    found = []
    for press in range(600):
        now = NOW + press * SECOND
        for _ in range(2):
            found += events(send(codec, ShellyRelay().raw(device.mac, device.press(), now), now))
            device.packet -= 1
        device.packet += 1
    assert len([one for one in found if one[0] == "button"]) == 600


def test_the_same_number_much_later_is_another_press() -> None:
    codec, device = BthomeCodec(), BthomeDevice()
    data = device.press()
    for second, count in ((0, 1), (59, 0), (118, 0), (179, 1)):
        now = NOW + second * SECOND
        found = events(send(codec, ShellyRelay().raw(device.mac, data, now), now))
        assert len([one for one in found if one[0] == "button"]) == count


def test_late_copies_of_another_gateway_change_nothing() -> None:
    codec, device = BthomeCodec(), BthomeDevice()
    first, second = device.press(1), device.press(2)
    seen = []
    for data in (first, second, first, second):
        seen += events(send(codec, ShellyRelay().raw(device.mac, data, NOW)))
    assert seen == [("button", "single", False), ("button", "double", False)]


def test_a_late_copy_does_not_turn_a_state_back() -> None:
    codec, device = BthomeCodec(), BthomeDevice()
    closed, opened = device.says((0x2D, 0)), device.says((0x2D, 1))
    seen = []
    for second, data in ((0, closed), (1, opened), (2, closed), (70, opened)):
        now = NOW + second * SECOND
        seen += events(send(codec, ShellyRelay().raw(device.mac, data, now), now))
    assert seen == [("door", "closed", False), ("door", "open", False), ("door", "open", True)]
    missed, newest = device.says((0x2D, 0)), device.says((0x2D, 1), (0x3A, 1))
    now = NOW + 75 * SECOND
    assert events(send(codec, ShellyRelay().raw(device.mac, newest, now), now)) == [("button", "single", False)]
    assert events(send(codec, ShellyRelay().raw(device.mac, missed, now), now)) == []
    device.packet, now = 255, now + 11 * SECOND  # a new battery
    assert events(send(codec, ShellyRelay().raw(device.mac, device.says((0x2D, 0)), now), now))[0][1] == "closed"


def test_buttons_that_call_for_help() -> None:
    codec, device = BthomeCodec({"help_buttons": ["bc:02:6e:11:22:33"]}), BthomeDevice()
    found = [send(codec, ShellyRelay().raw(device.mac, device.press(code), NOW)) for code in (1, 0xFE, 0x81)]
    assert [len(calls(one)) for one in found] == [1, 1, 0]
    assert ("button", "release", False) in events(found[2])


def test_a_press_without_a_number_counts_once_in_ten_seconds() -> None:
    codec = BthomeCodec()
    data = bthome.encode([(bthome.BUTTON, 1)])
    seen = []
    for second in (0, 1, 9, 18, 29):
        now = NOW + second * SECOND
        seen += events(send(codec, ShellyRelay().raw("BC026E112233", data, now), now))
    assert seen == [("button", "single", False), ("button", "single", False)]


def test_decoded_values_of_the_relay_script() -> None:
    codec, relay = BthomeCodec(), ShellyRelay()
    found = send(codec, relay.decoded("BC026E112233", 5, battery=99, button=[0, 1], illuminance=8))
    assert values(found) == {"button": "single", "battery": 99, "illuminance": 8, "signal_strength": -60}
    assert [dict(note.fields) for note in codec.notes] == [{"press": "single", "button_number": 2, "packet": 5}]
    assert events(send(codec, relay.decoded("BC026E112233", 5, battery=99, button=[0, 1]))) == []
    assert values(send(codec, relay.decoded("BC026E112233", 6, window=True)))["door"] == "open"
    wrong = relay.decoded("BC026E112233", 7, BTHome_version=1)
    assert send(codec, wrong) == []
    assert codec.health.rejected == {"bthome": 1}


def test_service_data_by_uuid_as_the_newer_script_gives_it() -> None:
    said = {"addr": "bc:02:6e:11:22:33", "service_data": {"fcd2": "4001643a01"}}
    assert values(BthomeCodec().feed("bthome/x", json.dumps(said).encode(), NOW))["button"] == "single"
    whole = {"addr": "bc:02:6e:11:22:33", "data": list(bytes.fromhex("02010606 16D2FC400164"))}
    assert values(BthomeCodec().feed("bthome/x", json.dumps(whole).encode(), NOW)) == {"battery": 100}


# --- encryption -------------------------------------------------------------------------------------------------------

KEY = bytes(range(16))


def test_encrypted_buttons_need_their_key_and_cannot_be_replayed() -> None:
    device = BthomeDevice(key=KEY, counter=500)
    codec = BthomeCodec({"bindkeys": {device.mac: KEY.hex()}})
    old, new = device.press(), device.press()
    assert events(send(codec, ShellyRelay().raw(device.mac, new, NOW))) == [("button", "single", False)]
    later = NOW + 600 * SECOND
    assert send(codec, ShellyRelay().raw(device.mac, old, later), later) == []
    assert codec.health.rejected == {"replay": 1}
    device.counter = 0  # a new battery
    assert events(send(codec, ShellyRelay().raw(device.mac, device.press(), later), later)) != []


def test_without_the_key_it_is_said_what_is_needed() -> None:
    device, codec = BthomeDevice(key=KEY), BthomeCodec()
    for _ in range(3):
        assert send(codec, ShellyRelay().raw(device.mac, device.press(), NOW)) == []
    assert [dict(note.fields) for note in codec.notes] == [{"encrypted": True, "needs": "bindkeys"}]
    wrong = BthomeCodec({"bindkeys": {device.mac: "00" * 16}})
    assert send(wrong, ShellyRelay().raw(device.mac, device.press(), NOW)) == []
    assert wrong.health.rejected == {"key": 1}


# --- OpenMQTTGateway --------------------------------------------------------------------------------------------------


def theengs(mac: str = "A4C138112233", codec: GatewayCodec | None = None, **fields: Any) -> dict[str, Any]:
    found = send(codec or OpenMqttGatewayCodec(), OpenMqttGateway().sighting(mac, **fields))
    check_legal(found, openmqttgateway.DRIVER)
    return values(found)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"tempc": 21.4, "hum": "52.6", "batt": 81, "volt": 2.9}, {"room_temperature": 21.4, "humidity": 52.6}),
        ({"tempc": 36.6, "type": "BODY"}, {"body_temperature": 36.6}),
        ({"act_bpm": 72, "steps": 1200}, {"heart_rate": 72, "steps": 1200}),
        ({"act_bpm": 0}, {"heart_rate": None}),
        ({"weight": 61.75, "unit": "kg", "weighing_mode": "person", "impedance": 503}, {"body_weight": 61.75}),
        ({"weight": 100, "unit": "lb"}, {"body_weight": 45.359237}),
        ({"weight": 100, "unit": "jin"}, {"body_weight": 50}),
        ({"open": True}, {"door": "open"}),
        ({"motion": False, "lux": 12}, {"occupancy": False, "illuminance": 12}),
        ({"button": 9, "batt": 100}, {"button": "long", "battery": 100}),
        ({"button": "1"}, {"button": "single"}),
        ({"batt": "full", "hum": 50}, {"humidity": 50}),
        ({"tempc": 900}, {"room_temperature": None}),
        ({"tempc": 20, "rssi": -78, "distance": 7.85288}, {"signal_strength": -78, "distance": 785.288}),
    ],
)
def test_values_that_the_gateway_decoded(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    assert expected.items() <= theengs(**fields).items()


def test_things_on_the_scale_are_nobody_s_weight() -> None:
    assert theengs(weight=8.5, unit="kg", weighing_mode="object") == {}
    assert theengs(weight=8.5, unit="stone") == {}
    assert theengs(button=0) == theengs(button=77) == {}


def test_decoded_presses_are_told_apart_by_their_packet() -> None:
    codec = OpenMqttGatewayCodec()
    said = [theengs(codec=codec, button=1, packet=packet) for packet in (5, 5, 6, 6)]
    assert said == [{"button": "single"}, {}, {"button": "single"}, {}]


def test_raw_data_counts_before_decoded_values() -> None:
    data = BthomeDevice().press(4).hex()
    said = theengs(servicedata=data, servicedatauuid="fcd2", batt=3, button=1)
    assert (said["button"], said["battery"]) == ("long", 100)
    said = theengs(servicedata=["00", data], servicedatauuid=["0x180f", "0xfcd2"])
    assert said["button"] == "long"


def test_raw_data_that_is_broken_does_not_cost_decoded_values() -> None:
    codec = OpenMqttGatewayCodec()
    said = theengs(codec=codec, servicedata="0b0b", servicedatauuid="0x181d", weight=61.5, unit="kg")
    assert said["body_weight"] == 61.5
    assert codec.health.rejected == {"scale": 1}


def test_a_scale_s_measurement_is_told_once_and_old_ones_are_history() -> None:
    codec, gateway = OpenMqttGatewayCodec(), OpenMqttGateway()
    data = beacons.encode_scale(61.75, SCALE_TIME)
    first = send(codec, gateway.service("A4C138112233", "181D", data))
    assert [(one.signal, one.at_ns, one.stored) for one in first if one.signal == "body_weight"] == [
        ("body_weight", NOW, False)
    ]
    removed = beacons.encode_scale(61.75, SCALE_TIME, removed=True)
    for data_again in (data, removed):
        assert send(codec, gateway.service("A4C138112233", "181D", data_again), NOW + SECOND) == []
    other = send(OpenMqttGatewayCodec(), gateway.service("A4C138112233", "181D", data), NOW + 700 * SECOND)
    assert other[0].stored


def test_an_ibeacon_is_a_fact_and_a_strength() -> None:
    fields: dict[str, Any] = {
        "rssi": -78,
        "distance": 7.85288,
        "model_id": "IBEACON",
        "mfid": "4c00",
        "uuid": "1de4b189115e45f6b44e509352269977",
        "major": 0,
        "minor": 0,
        "txpower": -66,
    }
    codec = OpenMqttGatewayCodec()
    assert theengs(codec=codec, mac_type=1, **fields) == {}
    assert codec.notes[-1].fields["ibeacon"] == "1DE4B189-115E-45F6-B44E-509352269977"
    assert theengs(mac_type=0, **fields) == {"signal_strength": -78, "distance": 785.288}
    by_uuid = {**fields, "id": "1de4b189115e45f6b44e509352269977", "mac": "60:87:57:4c:9b:c2"}
    found = OpenMqttGatewayCodec().feed("home/gw/BTtoMQTT", json.dumps(by_uuid).encode(), NOW)
    assert found[0].device_id == "6087574C9BC2"
    maker = beacons.encode_ibeacon(Beacon("1DE4B189-115E-45F6-B44E-509352269977", 1, 2, -60)).hex()
    assert theengs(manufacturerdata=maker, rssi=-70) == {"signal_strength": -70}


def test_the_gateway_s_will_is_its_state() -> None:
    codec, gateway = OpenMqttGatewayCodec(), OpenMqttGateway("hall")
    seen = [send(codec, gateway.will(online=state), NOW + n * SECOND) for n, state in enumerate((True, False, True))]
    assert [events(one) for one in seen] == [[("online", s, False)] for s in (True, False, True)]
    assert seen[0][0].device_id == "home/hall/bridge"
    assert events(codec.feed("home/hall/LWT", b'{"state":"online"}', NOW + 90 * SECOND)) == [("online", True, True)]
    assert codec.feed("home/hall/SYStoMQTT", b'{"uptime":5,"version":"1.8"}', NOW, retained=True) == []
    assert codec.notes[-1].fields == {"uptime": 5, "version": "1.8"}


def test_accounts_are_those_of_gateways() -> None:
    topics = {driver.family: driver.account_topics for driver in DRIVERS}
    assert topics["openmqttgateway"] is not None
    assert topics["openmqttgateway"]("home/hall/bridge")[0] == ("home/hall/#",)
    assert topics["openmqttgateway"]("A4C138112233") == ((), ())
    assert topics["minew"] is not None
    assert topics["minew"]("minew/AC233FC001EA") == (("/gw/#",), ())
    assert topics["bthome"] is not None
    assert topics["bthome"]("relay") == (("bthome/#",), ())


# --- rooms, lists, repeats --------------------------------------------------------------------------------------------


def test_rooms_by_the_gateways_that_hear_a_tag() -> None:
    rooms = {"ac:23:3f:00:00:01": "bedroom", "AC233F000002": "卫生间"}
    codec, pendant = MinewCodec({"rooms": rooms}), MinewPendant()
    seen = []
    for second in range(40):
        now = NOW + second * SECOND
        near, far = ("AC233F000001", "AC233F000002")[:: 1 if second < 15 else -1]
        for gateway, rssi in ((near, -55), (far, -85)):
            found = send(codec, MinewGateway(gateway).message(now, (pendant.mac, pendant.idle(), rssi)), now)
            seen += [(second, e[1]) for e in events(found) if e[0] == "room" and not e[2]]
    assert seen[0] == (0, "bedroom")
    assert [room for _, room in seen] == ["bedroom", "卫生间"]
    assert 15 + 5 <= seen[1][0] <= 15 + 5 + 4


def test_the_gateway_s_own_distance_counts() -> None:
    codec = OpenMqttGatewayCodec({"rooms": {"hall": "走廊"}})
    found = send(codec, OpenMqttGateway("hall").sighting("A4C138112233", hum=50, distance=2.0))
    assert ("room", "走廊", False) in events(found)
    silent = send(codec, OpenMqttGateway("hall").sighting("A4C138112244", hum=50))
    assert "room" not in values(silent)


def test_only_listed_devices_are_heard_where_there_is_a_list() -> None:
    codec = OpenMqttGatewayCodec({"devices": ["A4C138112233"], "help_buttons": ["A4C138112244"]})
    assert theengs("A4C138112233", codec, hum=50) == {"humidity": 50}
    assert theengs("A4C138112233", codec, rssi=-50) == {"signal_strength": -50}
    assert theengs("A4C138112244", codec, button=1) == {"help_button": True}
    assert theengs("A4C138112255", codec, hum=50) == {}
    minew_codec = MinewCodec({"devices": ["A4C138112233"]})
    broken = json.dumps([{"mac": "C300007B573C", "rawData": "05FF"}]).encode()
    assert minew_codec.feed("/gw/x/status", broken, NOW) == []
    assert not minew_codec.rejections
    bthome_codec = BthomeCodec({"devices": ["A4C138112233"]})
    assert send(bthome_codec, ShellyRelay().raw("BC026E112233", b"\x40\x01\x64", NOW)) == []


def test_unknown_devices_are_only_seen_when_looking_at_captures() -> None:
    fields: dict[str, Any] = {"rssi": -89, "distance": 15.5, "servicedata": "fe00", "servicedatauuid": "0xfe9f"}
    assert theengs(**fields) == {}
    codec = OpenMqttGatewayCodec(dict(openmqttgateway.DRIVER.show_all))
    assert theengs(codec=codec, **fields) == {"signal_strength": -89, "distance": 1550}


def test_unchanged_values_are_passed_on_once_a_minute() -> None:
    codec, gateway = OpenMqttGatewayCodec(), OpenMqttGateway()
    count = 0
    for second in range(0, 180, 2):
        now = NOW + second * SECOND
        count += len(send(codec, gateway.sighting("A4C138112233", hum=50, open=True), now))
    assert count == 6
    changed = send(codec, gateway.sighting("A4C138112233", hum=51, open=False), NOW + 178 * SECOND)
    assert values(changed) == {"humidity": 51, "door": "closed"}
    assert events(changed) == [("door", "closed", False)]


def test_a_state_that_is_no_state_is_unknown() -> None:
    found = send(BthomeCodec(), ShellyRelay().raw("BC026E112233", b"\x40\x2d\x07", NOW))
    door = next(one for one in found if one.signal == "door")
    assert isinstance(door, DeviceEvent)
    assert (door.value, door.quality) == (None, Quality.INVALID)


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codec", "topic", "payload", "reason"),
    [
        (MinewCodec, "/gw/x/status", b"[", "json"),
        (MinewCodec, "/gw/x/status", b"5", "type"),
        (MinewCodec, "/gw/x/status", b"[5]", "type"),
        (MinewCodec, "/gw/x/status", b'[{"type":"Gateway"}]', "no_address"),
        (MinewCodec, "/gw/x/status", b'[{"rawData":"00"}]', "no_address"),
        (MinewCodec, "/gw/x/status", b'[{"mac":"C300007B573C","rawData":"xx"}]', "type"),
        (MinewCodec, "/gw/x/status", b'[{"mac":"C300007B573C","rawData":[1,2,999]}]', "type"),
        (MinewCodec, "/gw/x/status", b'[{"mac":"C300007B573C","rawData":"05FF"}]', "advert"),
        (MinewCodec, "/gw/x/status", b'[{"mac":"C300007B573C","rawData":"0716E1FFA1010102"}]', "minew"),
        (MinewCodec, "/gw/x/status", b"[" + b" " * 300_000 + b"]", "too_large"),
        (OpenMqttGatewayCodec, "home/gw/BTtoMQTT/A", b"{}", "no_address"),
        (OpenMqttGatewayCodec, "home/gw/BTtoMQTT/A", b"[]", "type"),
        (OpenMqttGatewayCodec, "home/gw/other", b"{}", "topic"),
        (OpenMqttGatewayCodec, "away/gw/BTtoMQTT/A", b"{}", "topic"),
        (OpenMqttGatewayCodec, "home/gw/LWT", b'{"state":"maybe"}', "type"),
        (OpenMqttGatewayCodec, "home/gw/BTtoMQTT/A", b'{"id":"A4C138112233","manufacturerdata":5}', "type"),
        (BthomeCodec, "bthome/x", b"{}", "no_address"),
        (BthomeCodec, "bthome/x", b'{"addr":"bc026e112233"}', "type"),
        (BthomeCodec, "bthome/x", b'{"addr":"bc026e112233","data":[]}', "type"),
        (BthomeCodec, "bthome/x", b'{"addr":"bc026e112233","data":[256]}', "type"),
        (BthomeCodec, "bthome/x", b'{"addr":"bc026e112233","data":[64,2]}', "bthome"),
    ],
)
def test_bad_messages_are_counted_and_kept(
    codec: Callable[[], GatewayCodec], topic: str, payload: bytes, reason: str
) -> None:
    one = codec()
    assert one.feed(topic, payload, NOW) == []
    assert one.health.rejected == {reason: 1}
    assert one.health.frames == 0
    assert one.rejections[0].raw


def test_one_bad_sighting_does_not_cost_the_others() -> None:
    codec, pendant = MinewCodec(), MinewPendant()
    message = MinewGateway().message(NOW, ("C3000000AAAA", b"\x05\xff", -60), (pendant.mac, pendant.idle(), -60))
    assert values(send(codec, message))["battery"] == 20
    assert codec.health.rejected == {"advert": 1}


def test_retained_sightings_are_old() -> None:
    for driver in DRIVERS:
        assert driver.message is not None
        codec = driver.message({})
        one = relayed(BthomeDevice(), BthomeDevice().press(), NOW)[driver.family]
        assert codec.feed(one.topic, one.payload, NOW, retained=True) == []
        assert codec.health.rejected == {"retained": 1}


def test_subscriptions_and_options() -> None:
    assert MinewCodec().subscriptions() == ["/gw/+/status"]
    assert BthomeCodec({"topics": ["blu"]}).subscriptions() == ["blu"]
    assert OpenMqttGatewayCodec({"base": "haus"}).subscriptions()[0] == "haus/+/BTtoMQTT"
    with pytest.raises(ValueError, match="base"):
        OpenMqttGatewayCodec({"base": "#"})


def test_memory_is_bounded() -> None:
    codec = OpenMqttGatewayCodec({"rooms": {"OpenMQTTGateway": "hall"}})
    for number in range(MAX_DEVICES + 100):
        send(codec, OpenMqttGateway().sighting(f"{number:012X}", hum=5, distance=1.0))
    assert len(codec.reader.memories) == len(codec.reader.locator) == MAX_DEVICES
    for number in range(MAX_GATEWAYS + 10):
        codec.feed(f"home/{number}/LWT", b"online", NOW)
    assert len(codec._online) == MAX_GATEWAYS
    known = Memories().of("x")
    for number in range(300):
        known.is_echo(number % 256, NOW)
        known.is_measured_before(bytes([number % 256, number // 256]))
        known.is_news(f"kind{number}", {"n": number}, NOW)
    assert (len(known.packets), len(known.once), len(known.notes)) == (MAX_PACKETS, MAX_ONCE, MAX_NOTES)


def test_a_clock_set_back_passes_values_on() -> None:
    known = Known()
    assert known.is_due("humidity", 5, NOW)
    assert not known.is_due("humidity", 5, NOW + SECOND)
    assert known.is_due("humidity", 5, NOW - SECOND)
    assert not known.is_same_press(Press("single"), NOW)
    assert known.is_same_press(Press("single"), NOW - SECOND)


# --- properties and noise ---------------------------------------------------------------------------------------------


@given(st.data())
def test_any_values_of_any_device_are_legal(data: st.DataObject) -> None:
    fields: dict[str, Any] = data.draw(
        st.dictionaries(
            st.sampled_from(["tempc", "hum", "batt", "weight", "unit", "button", "packet", "open", "act_bpm", "rssi"]),
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
        )
    )
    theengs(**fields)


def test_radio_noise_gives_no_wrong_values() -> None:
    """Duplicates, losses and silence: each press comes once, as long as one of its copies does."""
    rng = random.Random(7)
    codec, device = BthomeCodec({"help_buttons": ["BC026E112233"]}), BthomeDevice()
    pressed = heard = 0
    now = NOW
    for _ in range(500):
        data = device.press()
        arrived = [now + rng.randrange(3000) * 1_000_000 for _ in range(8) if rng.random() > 0.3]
        pressed += bool(arrived)
        for at in sorted(arrived):
            heard += len(calls(send(codec, ShellyRelay().raw(device.mac, data, at), at)))
        now += rng.randrange(4, 200) * SECOND
    assert heard == pressed
    assert not codec.rejections


@pytest.mark.no_cover
def test_fuzzed_messages_raise_nothing_and_stay_legal() -> None:
    rng = random.Random(11)
    device, pendant = BthomeDevice(), MinewPendant()
    scale = beacons.encode_body_scale(72.45, SCALE_TIME, 503)
    for driver in DRIVERS:
        assert driver.message is not None
        codec = driver.message({"rooms": {"AC233FC001EA": "a", "OpenMQTTGateway": "b"}, "help_buttons": [pendant.mac]})
        seeds = [relayed(device, device.press(), NOW)[driver.family] for _ in range(3)]
        if driver is minew.DRIVER:
            heard = [(pendant.mac, raw, -60) for raw in (pendant.idle(), pendant.info(), pendant.press())]
            seeds.append(MinewGateway().message(NOW, *heard))
        elif driver is openmqttgateway.DRIVER:
            seeds.append(OpenMqttGateway().service("A4C138112233", "181B", scale, tempc=20, weight=70, open=True))
            seeds.append(OpenMqttGateway().will(online=True))
        else:
            seeds.append(ShellyRelay().decoded(device.mac, 5, battery=99, button=[0, 1], window=True))
        seeds += [Published("", scale), Published("FEAA", beacons.encode_kkm(voltage=3000, acceleration=(1, 2, 3)))]
        observed = 0
        for number in range(FUZZ_PAYLOADS // 3):
            seed = rng.choice(seeds)
            now = NOW + number * SECOND
            found = codec.feed(seed.topic, mutated(rng, seed.payload), now, retained=rng.random() < 0.02)
            check_legal(found, driver)
            observed += len(found)
        assert observed > FUZZ_PAYLOADS // 30
        assert sum(codec.health.rejected.values()) > FUZZ_PAYLOADS // 30
        assert isinstance(codec, GatewayCodec)
        assert len(codec.reader.memories) <= MAX_DEVICES


def test_readings_are_numbers() -> None:
    found = bare(MinewCodec(), "A1016419F8394AE53F390000C3")
    assert all(isinstance(one, Reading) and isinstance(one.value, int | float) for one in found)
