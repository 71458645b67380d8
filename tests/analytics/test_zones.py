"""Safe zones: outside is told, also of who is gone within seconds; a tag left behind or a dead receiver is not."""

from __future__ import annotations

from collections.abc import Sequence

from analytics_scenes import in_order

from analytics.care import Care
from analytics.check import check_detector
from analytics.daily.zone_table import ZONE_RULES
from analytics.daily.zones import ZoneWatch
from analytics.findings import Finding, Phase
from analytics.kinds import KINDS
from analytics.scenarios import Scenario
from analytics.words import why
from device_drivers.observations import DeviceEvent, Observation, Quality, Reading

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
BEGIN = 1_799_985_600 * SECOND
SAFE = Care(safe_zones=("Hall", "bedroom"))
DEVICES = {
    "tag": {},
    "bed": {"place": "bed"},
    "door": {"place": "main_door"},
    "pir": {"place": "living_room"},
    "node-hall": {"zone": "hall"},
    "node-hall-2": {"zone": "hall"},
}


def at(minute: float) -> int:
    return BEGIN + round(minute * MINUTE)


def said(device: str, signal: str, value: bool | str | None, minute: float, *, repeat: bool = False) -> DeviceEvent:
    return DeviceEvent(device, signal, value, at(minute), at(minute), repeat=repeat)


def read(device: str, signal: str, value: float, minute: float) -> Reading:
    return Reading(device, signal, value, at(minute), at(minute))


def heard(zone: str, begin: float, end: float, every: float = 1.0) -> list[Observation]:
    """The tag in one zone, restated each minute as the drivers do."""
    count = int((end - begin) / every) + 1
    return [said("tag", "room", zone, begin + i * every, repeat=i > 0) for i in range(count)]


def watch(care: Care = SAFE) -> ZoneWatch:
    made = ZoneWatch()
    for device, options in DEVICES.items():
        made.attach(device, None if device.startswith("node") else "li", **options)
    made.set_care("li", care)
    return made


def live(
    observations: Sequence[Observation], until: float, made: ZoneWatch | None = None, since: float = 0.0
) -> list[Finding]:
    """Everything found with a step every half minute."""
    made = made or watch()
    waiting = sorted(observations, key=lambda o: o.received_ns)
    found: list[Finding] = []
    for i in range(int(since * 2), int(until * 2) + 1):
        now = at(i / 2)
        made.ingest([o for o in waiting if o.received_ns <= now])
        waiting = [o for o in waiting if o.received_ns > now]
        found += made.step(now)
    return found


def told(found: Sequence[Finding]) -> list[tuple[str, str, float]]:
    return [(one.kind, str(one.phase), round((one.at_ns - BEGIN) / MINUTE, 2)) for one in found]


def test_outside_is_told_after_a_minute_and_over_after_a_minute_in_a_safe_zone() -> None:
    found = live([*heard("hall", 0, 5), *heard("gate", 6, 12, 0.25), *heard(" HALL", 13, 20)], 20)
    assert told(found) == [("zone_left", "confirmed", 7.0), ("zone_left", "cleared", 14.0)]
    assert found[0].evidence["zone"] == "gate"
    assert found[0].devices == ("tag",)
    zh, en = why(found[0].evidence, 0.8)
    assert zh == "定位牌在gate，已 60 秒，把握 80%"
    assert en == "tag in gate for 60 s, 80% sure"


def test_who_passes_by_or_turns_round_is_not_told_and_is_told_once() -> None:
    passing = [said("tag", "room", zone, minute) for minute, zone in ((5, "gate"), (5.7, "hall"), (9, "gate"))]
    assert live([*heard("hall", 0, 4), *passing, *heard("hall", 9.8, 15)], 15) == []
    back = [said("tag", "room", zone, minute) for minute, zone in ((5, "gate"), (7, "hall"), (7.5, "gate"))]
    found = live([*heard("hall", 0, 4), *back, *heard("gate", 8, 20), *heard("bedroom", 21, 25)], 25)
    assert told(found) == [("zone_left", "confirmed", 6.0), ("zone_left", "cleared", 22.0)]


def test_who_is_out_of_the_gate_within_seconds_is_told_too() -> None:
    found = live([*heard("hall", 0, 5), said("tag", "room", "gate", 5.2)], 60)
    assert told(found) == [("zone_left", "confirmed", 6.2)], "and not once more as not seen"
    assert found[0].evidence["heard_s_ago"] == 60
    assert "60 秒前还听到" in why(found[0].evidence).zh
    assert "last heard 60 s ago" in why(found[0].evidence).en


def test_nobody_without_zones_is_watched() -> None:
    for care in (Care(), Care(safe_zones=("hall",), zone_delay_min=0, unseen_min=0)):
        assert live([*heard("hall", 0, 5), *heard("gate", 6, 40)], 120, watch(care)) == []
    stranger = ZoneWatch()
    assert live(heard("gate", 0, 5), 20, stranger) == []


def test_heard_in_no_room_and_nothing_moves_at_home() -> None:
    found = live([*heard("hall", 0, 5), read("tag", "battery", 8.0, 4), *heard("hall", 50, 52)], 60)
    assert told(found) == [("not_seen", "confirmed", 35.0), ("not_seen", "cleared", 50.0)]
    assert why(found[0].evidence).en == "last in hall, 30 min ago, tag battery 8 %"
    assert why(found[0].evidence).zh == "最后在hall，30 分钟前，定位牌电量 8%"


def test_after_the_main_door_it_is_told_within_minutes() -> None:
    found = live([*heard("hall", 0, 5), said("door", "door", "open", 5.5), said("door", "door", "closed", 5.6)], 20)
    assert told(found) == [("not_seen", "confirmed", 10.5)]
    assert why(found[0].evidence).en == "last in hall, 6 min ago, main door opened 5 min ago"
    visitor = [*heard("hall", 0, 40), said("door", "door", "open", 5.5)]
    assert live(visitor, 40) == [], "who is heard on is there"


def test_signs_of_life_at_home_without_the_tag_are_no_absence() -> None:
    moving = [said("pir", "motion", "active", minute) for minute in range(6, 120, 20)]
    assert live([*heard("hall", 0, 5), *moving], 120) == []
    flat = [*heard("hall", 0, 5), said("pir", "motion", "active", 50)]
    assert told(live(flat, 200)) == [("not_seen", "confirmed", 35.0), ("not_seen", "cleared", 50.0)], "told once"
    left = [*flat, said("door", "door", "open", 90)]
    assert told(live(left, 200))[2:] == [("not_seen", "confirmed", 95.0)], "unless the door opens later"
    reading = [*heard("hall", 0, 5), *(read("tag", "signal_strength", -70.0, minute) for minute in range(6, 90, 5))]
    assert live(reading, 90) == [], "heard, though no room is said"


def test_who_lies_in_bed_is_not_missing_though_the_tag_is_silent() -> None:
    asleep = [said("bed", "bed_occupancy", "in", 3), *heard("bedroom", 3.5, 6)]
    assert live(asleep, 400) == []
    up = [*asleep, said("bed", "bed_occupancy", "left", 300)]
    assert told(live(up, 400)) == [("not_seen", "confirmed", 330.0)]
    out = [*asleep, said("door", "door", "open", 300)]
    assert told(live(out, 400)) == [("not_seen", "confirmed", 305.0)], "a bed sensor that sticks hides nobody who goes"


def test_a_tag_left_behind_while_its_resident_lies_in_bed_is_equipment() -> None:
    wash = [*heard("hall", 0, 5), said("tag", "room", "laundry", 6), said("bed", "bed_occupancy", "in", 6.8)]
    found = live([*wash, *heard("laundry", 7, 30), *heard("hall", 31, 35)], 35)
    assert told(found) == [("not_worn", "confirmed", 6.8), ("not_worn", "cleared", 31.0)]
    assert KINDS["not_worn"].technical
    assert why(found[0].evidence).en == "the tag is in laundry, the person in bed"
    beating = [read("bed", "heart_rate", 60.0, 6 + i / 10) for i in range(20)]
    found = live([*heard("hall", 0, 5), *heard("laundry", 6, 30), *beating], 30)
    assert told(found) == [("not_worn", "confirmed", 6.5)]
    up = live([*wash, *heard("laundry", 7, 30), said("bed", "bed_occupancy", "left", 20)], 30)
    assert told(up)[1:] == [("not_worn", "cleared", 20.0), ("zone_left", "confirmed", 21.0)], "safety first"


def test_a_bed_sensor_that_lags_behind_does_not_hide_who_walks_out() -> None:
    lagging = [read("bed", "heart_rate", 60.0, 6 + i / 20) for i in range(8)]
    found = live([*heard("bedroom", 0, 5), *heard("stairs", 6, 12), *lagging], 12)
    assert told(found) == [("zone_left", "confirmed", 7.0)]
    own = [read("tag", "heart_rate", 60.0, 6 + i / 10) for i in range(20)]
    assert told(live([*heard("stairs", 6, 12), *own], 12)) == [("zone_left", "confirmed", 7.0)]


def test_found_in_bed_after_it_was_told() -> None:
    found = live([*heard("hall", 0, 5), *heard("gate", 6, 12), said("bed", "bed_occupancy", "in", 9)], 12)
    assert told(found) == [
        ("zone_left", "confirmed", 7.0), ("not_worn", "confirmed", 9.0), ("zone_left", "cleared", 9.0)
    ] or told(found) == [
        ("zone_left", "confirmed", 7.0), ("zone_left", "cleared", 9.0), ("not_worn", "confirmed", 9.0)
    ]  # fmt: skip


def test_receivers_without_power_are_not_the_residents_absence() -> None:
    off = [said("node-hall", "online", False, 5), said("node-hall-2", "online", False, 5)]
    assert live([*heard("hall", 0, 5), *off], 300) == []
    half = live([*heard("hall", 0, 5), off[0]], 60)
    assert told(half) == [("not_seen", "confirmed", 35.0)], "the other one listens on"
    back = [said("node-hall", "online", True, 100)]
    assert told(live([*heard("hall", 0, 5), *off, *back], 300)) == [("not_seen", "confirmed", 130.0)]
    made = watch()
    live([*heard("hall", 0, 5), *off], 100, made)
    made.detach("node-hall")
    made.detach("node-hall-2")
    assert told(live([], 200, made, since=100.5)) == [("not_seen", "confirmed", 130.0)], "no receiver is known"


def test_charging_or_taken_off_is_not_waited_for() -> None:
    for signal, value in (("charging", True), ("worn", False)):
        assert live([*heard("hall", 0, 5), said("tag", signal, value, 6), *heard("office", 7, 60)], 120) == []
    again = [said("tag", "charging", True, 6), said("tag", "charging", False, 60), *heard("gate", 61, 70)]
    assert told(live([*heard("hall", 0, 5), *again], 70)) == [("zone_left", "confirmed", 62.0)]


def test_a_person_who_resolves_it_is_not_told_again_until_the_tag_was_safe() -> None:
    made = watch()
    (first,) = live([*heard("hall", 0, 5), *heard("gate", 6, 8)], 8, made)
    made.close(first.episode)
    more = [*heard("gate", 9, 60), *heard("hall", 61, 63), *heard("gate", 64, 70)]
    assert told(live(more, 70, made, since=8.5)) == [("zone_left", "confirmed", 65.0)]


def test_what_was_open_before_a_restart_ends_in_a_safe_zone() -> None:
    (before,) = live([*heard("hall", 0, 5), *heard("gate", 6, 8)], 8)
    made = watch()
    assert made.resume(before, at(9))
    assert not made.resume(Finding("x", "fall", "li", at(9), Phase.CONFIRMED, 1, ("tag",), {"rule": "fall/1"}), at(9))
    found = live([*heard("gate", 10, 12), *heard("hall", 13, 20)], 20, made, since=9)
    assert [(one.episode, one.phase) for one in found] == [(before.episode, Phase.CLEARED)]


def test_changed_settings_hold_at_once() -> None:
    made = watch()
    assert told(live([*heard("hall", 0, 5), *heard("gate", 6, 8)], 8, made)) == [("zone_left", "confirmed", 7.0)]
    made.set_care("li", Care(safe_zones=("hall", "gate")))
    assert told(live(heard("gate", 9, 12), 12, made, since=8.5)) == [("zone_left", "cleared", 10.0)]
    made.set_care("li", SAFE)
    assert told(live(heard("gate", 13, 16), 16, made, since=12.5)) == [("zone_left", "confirmed", 14.0)]
    made.set_care("li", Care())
    assert told(live(heard("gate", 17, 20), 20, made, since=16.5)) == [("zone_left", "cleared", 16.0)]


def test_time_in_which_nobody_listened_does_not_count() -> None:
    made = watch()
    live(heard("hall", 0, 5), 5, made)
    assert told(live([], 400, made, since=300)) == [("not_seen", "confirmed", 330.0)]


def test_what_says_nothing_says_nothing() -> None:
    made = watch()
    odd = [
        said("tag", "room", None, 6),
        said("tag", "room", "", 6),
        said("pir", "motion", None, 6),
        Reading("tag", "battery", None, at(6), at(6), Quality.INVALID),
        said("node-hall", "online", None, 6),
        DeviceEvent("tag", "room", "gate", at(6), at(6), stored=True),
        said("bed", "bed_occupancy", "in", 6, repeat=True),
        DeviceEvent("tag", "room", "gate", at(6), 2**63),
    ]
    assert live([*heard("hall", 0, 5), *odd[:-1]], 20, made) == []
    made.ingest(odd[-1:])
    assert made.rejected == 1
    made.detach("tag")
    made.detach("tag")
    for device in DEVICES:
        made.detach(device)
    assert made.step(at(400)) == []


def made_up() -> Scenario:
    """Out by the gate and back, into the wash, through the door unheard: each of them once."""
    out = [*heard("hall", 0, 5), *heard("gate", 6, 9), *heard("hall", 10, 13)]
    wash = [said("tag", "room", "laundry", 14), said("bed", "bed_occupancy", "in", 14.8), *heard("hall", 17, 20)]
    gone = [said("door", "door", "open", 20.4), read("tag", "battery", 10.0, 20.5)]
    nodes = [said("node-hall", "online", True, 1), said("node-hall", "online", False, 2)]
    everything = tuple(in_order([*out, *wash, *gone, *nodes, said("node-hall", "online", True, 3)]))
    return Scenario(
        "out by the gate, into the wash, through the door",
        {name: None if name.startswith("node") else "li" for name in DEVICES},
        everything,
        BEGIN,
        at(40),
        frozenset({"zone_left", "not_worn", "not_seen"}),
        DEVICES,
        30.0,
    )


def test_contract() -> None:
    def make() -> ZoneWatch:
        made = ZoneWatch()
        for who in ("li", "decoy-li", "new-li"):
            made.set_care(who, SAFE)
        return made

    check_detector(make, made_up())


def test_every_rule_has_its_kind() -> None:
    assert {rule.kind for rule in ZONE_RULES} == {"zone_left", "not_seen", "not_worn"}
    assert all(rule.begins_zh and rule.begins_en for rule in ZONE_RULES)
