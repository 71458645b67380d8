from typing import Any

import pytest
from ble_tools import NOW, SECOND, check_legal, events, values

from device_drivers.ble.rooms import MAX_ROOMS, MAX_TAGS, Locator, distance_m
from device_drivers.espresense import DRIVER, EspresenseCodec
from device_drivers.observations import DeviceEvent, Observation, Quality
from device_drivers.registry import find_driver
from device_drivers.signals import SIGNALS
from simulators.ble_gateways import EspresenseNode
from simulators.zigbee import Published

BED, BATH, HALL = EspresenseNode("bedroom"), EspresenseNode("卫生间"), EspresenseNode("hall")


def send(codec: EspresenseCodec, one: Published, now: int = NOW) -> list[Observation]:
    found = codec.feed(one.topic, one.payload, now, retained=one.retain)
    check_legal(found, DRIVER)
    return found


def rooms(found: list[Observation]) -> list[tuple[str | bool | None, bool]]:
    return [(one.value, one.repeat) for one in found if isinstance(one, DeviceEvent) and one.signal == "room"]


def walk(codec: EspresenseCodec, path: list[tuple[float, float]], begin: int = 0) -> list[tuple[int, Any]]:
    """Distances from bedroom and bathroom, second by second: when the room changed, and to what."""
    seen = []
    for second, (bed, bath) in enumerate(path, begin):
        now = NOW + second * SECOND
        for node, metres in ((BED, bed), (BATH, bath)):
            seen += [
                (second, room) for room, repeat in rooms(send(codec, node.hears("tag", metres), now)) if not repeat
            ]
    return seen


def test_a_sighting_gives_room_distance_and_the_tag_s_own_values() -> None:
    codec = EspresenseCodec()
    found = send(codec, BED.hears("iBeacon:x-1-2", 1.25, batt=88, mV=2950, temp=21.5, rh=40, mac="c300007b573c"))
    assert values(found) == {
        "room": "bedroom",
        "distance": 125,
        "battery": 88,
        "battery_voltage": 2950,
        "room_temperature": 21.5,
        "humidity": 40,
        "signal_strength": -70,
    }
    assert {one.device_id for one in found} == {"espresense/iBeacon:x-1-2"}
    assert codec.notes[0].fields == {"mac": "c300007b573c"}
    assert SIGNALS["room"].free_words


def test_a_room_changes_only_after_five_seconds_nearer_by_a_metre() -> None:
    codec = EspresenseCodec()
    assert walk(codec, [(1.0, 5.0)] * 20 + [(5.0, 1.0)] * 20) == [(0, "bedroom"), (27, "卫生间")]


def test_half_a_metre_is_no_reason_to_move_and_a_jump_is_none_either() -> None:
    codec = EspresenseCodec()
    assert walk(codec, [(2.0, 3.0)] * 10 + [(2.0, 1.2)] * 60) == [(0, "bedroom")]
    codec = EspresenseCodec()
    jumpy = [(2.0, 6.0), (2.0, 6.0), (9.0, 0.5), (2.0, 6.0), (2.0, 6.0)] * 20
    assert walk(codec, jumpy) == [(0, "bedroom")]


def test_a_room_that_hears_the_tag_no_more_gives_it_up() -> None:
    codec = EspresenseCodec()
    send(codec, BED.hears("tag", 1.0))
    for second in (5, 20, 30):
        assert rooms(send(codec, BATH.hears("tag", 9.0), NOW + second * SECOND)) == []
    assert rooms(send(codec, BATH.hears("tag", 9.0), NOW + 31 * SECOND)) == [("卫生间", False)]


def test_the_room_is_restated_once_a_minute() -> None:
    codec, count = EspresenseCodec(), 0
    for second in range(300):
        found = send(codec, BED.hears("tag", 1.0 + second % 3), NOW + second * SECOND)
        count += len(rooms(found))
    assert count == 5


def test_a_tag_unheard_for_five_minutes_has_left() -> None:
    codec = EspresenseCodec()
    send(codec, BED.hears("walker", 1.0))
    assert rooms(send(codec, BED.hears("other", 1.0), NOW + 299 * SECOND)) == [("bedroom", False)]
    left = send(codec, BED.hears("other", 1.0), NOW + 300 * SECOND)[0]
    assert isinstance(left, DeviceEvent)
    assert (left.device_id, left.value, left.quality) == ("espresense/walker", None, Quality.NO_CONTACT)
    assert left.at_ns == NOW + 300 * SECOND
    assert rooms(send(codec, HALL.hears("walker", 2.0), NOW + 400 * SECOND)) == [("hall", False)]


def test_nodes_have_states() -> None:
    codec = EspresenseCodec()
    steps = [(True, False), (True, True), (False, False)]
    for online, repeat in steps:
        assert events(send(codec, BED.status(online=online))) == [("online", online, repeat)]
    assert events(codec.feed("espresense/rooms/hall/motion", b"ON", NOW)) == [("occupancy", True, False)]
    assert codec.feed("espresense/rooms/hall/telemetry", b'{"ip":"10.0.0.5","uptime":60,"x":1}', NOW) == []
    assert codec.feed("espresense/rooms/hall/max_distance", b"16.0", NOW, retained=True) == []
    assert [(note.kind, dict(note.fields)) for note in codec.notes] == [
        ("heartbeat", {"ip": "10.0.0.5", "uptime": 60}),
        ("setting", {"name": "max_distance", "value": "16.0"}),
    ]


def test_only_listed_tags_are_followed_where_there_is_a_list() -> None:
    codec = EspresenseCodec({"devices": ["tag"]})
    assert send(codec, BED.hears("phone:x", 1.0)) == []
    assert rooms(send(codec, BED.hears("tag", 1.0))) == [("bedroom", False)]


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("espresense/devices/tag/bedroom", b"{", "json"),
        ("espresense/devices/tag/bedroom", b"[]", "type"),
        ("espresense/devices/tag", b"{}", "topic"),
        ("espresense/settings/x/name", b"{}", "topic"),
        ("x/espresense/devices/tag/bedroom", b"{}", "topic"),
        ("other/devices/tag/bedroom", b"{}", "topic"),
        ("", b"{}", "topic"),
        ("espresense/devices//bedroom", b"{}", "topic"),
        ("espresense/devices/" + "x" * 65 + "/bedroom", b"{}", "topic"),
        ("espresense/devices/tag/bedroom", b'{"distance": 500}', "distance"),
        ("espresense/devices/tag/bedroom", b'{"distance": -1}', "distance"),
        ("espresense/devices/tag/bedroom", b'{"distance": "near"}', "distance"),
        ("espresense/rooms/hall/status", b"maybe", "type"),
        ("espresense/rooms/hall/telemetry", b"\xff", "json"),
    ],
)
def test_bad_messages_are_counted_and_kept(topic: str, payload: bytes, reason: str) -> None:
    codec = EspresenseCodec()
    assert codec.feed(topic, payload, NOW) == []
    assert codec.health.rejected == {reason: 1}


def test_retained_sightings_are_old() -> None:
    codec = EspresenseCodec()
    one = BED.hears("tag", 1.0)
    assert codec.feed(one.topic, one.payload, NOW, retained=True) == []
    assert codec.health.rejected == {"retained": 1}


@pytest.mark.parametrize("options", [{"base": "a/"}, {"base": 3}, {"devices": "tag"}, {"devices": [1]}])
def test_bad_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        EspresenseCodec(options)


def test_driver_makes_the_codec() -> None:
    driver = find_driver("espresense")
    assert driver.message is not None
    assert driver.message({"base": "haus"}).subscriptions() == ["haus/devices/+/+", "haus/rooms/+/+"]
    assert driver.account_topics is not None
    assert driver.account_topics("espresense/rooms/hall")[1] == ("espresense/#",)


def test_distances_from_the_strength() -> None:
    assert distance_m(-59) == 1
    assert distance_m(-84) == pytest.approx(10)
    assert distance_m(-60, -60) == 1


def test_memory_is_bounded() -> None:
    locator = Locator()
    for number in range(MAX_TAGS + 50):
        locator.sight(f"tag{number}", "hall", 1.0, NOW)
    assert len(locator) == MAX_TAGS
    for number in range(500):
        locator.sight("tag2000", f"room{number}", 1.0, NOW)
    assert len(locator._tags["tag2000"].distances) <= MAX_ROOMS + 1
    assert locator.room_of("nobody") is None
