"""What could not be decoded, by topic and device: counted once, the latest bytes kept, within bounds."""

from __future__ import annotations

from device_drivers.codec import Codec
from gateway.mishaps import KEPT_LATEST, MAX_PLACES, MishapLog, Mishaps, Namer


class Deaf(Codec):
    """A codec that understands nothing."""

    family = "deaf"


def raws(mishaps: Mishaps) -> list[bytes]:
    return [one.raw for one in mishaps.latest]


def test_each_rejection_is_counted_once_and_the_latest_bytes_stay_in_their_order() -> None:
    codec, log = Deaf(), MishapLog()
    log.follow(codec, 1)
    assert not log.by_place
    for number in range(5):
        codec.reject("checksum", bytes([number]), topic="a/up")
    codec.reject("type", b"x", device="radar", topic="other")
    log.follow(codec, 7)
    log.follow(codec, 8)
    assert log.by_place["a/up"].count == 5
    assert raws(log.by_place["a/up"]) == [b"\2", b"\3", b"\4"]
    assert (log.by_place["radar"].latest[0].topic, log.by_place["radar"].latest[0].received_ns) == ("other", 7)
    codec.reject("checksum", b"new", topic="a/up")
    log.follow(codec, 9)
    assert (log.by_place["a/up"].count, raws(log.by_place["a/up"])) == (6, [b"\3", b"\4", b"new"])


def test_what_was_left_out_on_purpose_is_no_mishap() -> None:
    codec, log = Deaf(), MishapLog()
    codec.reject("retained", b"x", topic="a")
    codec.health.rejected["duplicate"] += 1
    log.follow(codec, 1)
    assert not log.by_place


def test_what_a_codec_no_longer_keeps_is_counted_all_the_same() -> None:
    codec, log = Deaf(), MishapLog()
    for number in range(100):
        codec.reject("checksum", bytes([number]), topic="a")
    codec.health.rejected["silent_kind"] += 2
    log.follow(codec, 1)
    assert log.by_place["a"].count == 64
    assert (log.by_place[""].count, raws(log.by_place[""])) == (38, [])


def test_places_are_bounded() -> None:
    codec, log = Deaf(), MishapLog()
    for number in range(MAX_PLACES + 10):
        codec.reject("checksum", b"x", topic=str(number))
        log.follow(codec, number)
    assert len(log.by_place) == MAX_PLACES
    assert "0" not in log.by_place


def test_joined_the_latest_of_all_stay() -> None:
    codec, log = Deaf(), MishapLog()
    for number in range(6):
        codec.reject("checksum", bytes([number]), topic="ab"[number % 2])
        log.follow(codec, number)
    both = log.by_place["a"].join([log.by_place["b"]])
    assert (both.count, raws(both)) == (6, [b"\3", b"\4", b"\5"])
    assert len(both.latest) == KEPT_LATEST


def test_places_name_devices() -> None:
    namer = Namer(
        ["zigbee2mqtt/sos", "zigbee2mqtt/sos/2", "w1", "C300007B573C", "esphome/bath", "ha/bath", "application/7"]
    )
    for place, owner in (
        ("zigbee2mqtt/sos", "zigbee2mqtt/sos"),
        ("zigbee2mqtt/sos/availability", "zigbee2mqtt/sos"),
        ("zigbee2mqtt/sos/2", "zigbee2mqtt/sos/2"),
        ("yinling/w1/up", "w1"),
        ("home/gw/BTtoMQTT/c3:00:00:7b:57:3c", "C300007B573C"),
        ("bath/sensor/x/state", None),  # two devices end in "bath"
        ("esphome/bath", "esphome/bath"),
        ("", None),
        ("yinling/w2/up", None),
    ):
        assert namer.owner(place) == owner, place
    codec, log = Deaf(), MishapLog()
    for topic in ("yinling/w1/up", "yinling/w1/online", "yinling/w9/up"):
        codec.reject("checksum", b"x", topic=topic)
    log.follow(codec, 1)
    assert {owner: found.count for owner, found in namer.by_owner(log.by_place).items()} == {"w1": 2}
