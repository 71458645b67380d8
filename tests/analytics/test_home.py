"""Bed, daily life and surroundings: each rule begins, ends, and keeps quiet when it should."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from analytics_scenes import in_order

from analytics.care import Care
from analytics.check import check_detector
from analytics.daily.home import HomeWatch
from analytics.daily.home_table import HOME_RULES, PLACES, RESTLESS_EXITS
from analytics.findings import Finding, Phase
from analytics.kinds import KINDS
from analytics.scenarios import Scenario
from device_drivers.observations import DeviceEvent, Observation, Quality, Reading

MINUTE = 60_000_000_000
NOON = 1_799_985_600_000_000_000
"""2027-01-15 12:00 in China."""
PLACE = {"bed": "bed", "mat": "bed", "bath": "bathroom", "hall": "living_room", "door": "main_door"}
PLACE |= {"fridge": "fridge", "stove": "stove"}


def at(hour: float) -> int:
    """Hours after noon of the first day."""
    return NOON + round(hour * 60) * MINUTE


def said(device: str, signal: str, value: bool | str, hour: float, *, repeat: bool = False) -> DeviceEvent:
    return DeviceEvent(device, signal, value, at(hour), at(hour), repeat=repeat)


def read(device: str, signal: str, value: float, hour: float) -> Reading:
    return Reading(device, signal, value, at(hour), at(hour))


def bed(*moves: tuple[float, str]) -> list[Observation]:
    return [said("bed", "bed_occupancy", word, hour) for hour, word in moves]


def alive(begin: float, end: float, every: float = 0.25) -> list[Observation]:
    """Heart beats seen by the bed."""
    n = int((end - begin) / every) + 1
    return [read("bed", "heart_rate", 62.0, begin + i * every) for i in range(n)]


def home(care: Care | None = None) -> HomeWatch:
    watch = HomeWatch()
    for device, place in PLACE.items():
        watch.attach(device, "li", place=place)
    if care is not None:
        watch.set_care("li", care)
    return watch


def live(
    observations: Sequence[Observation], until: float, care: Care | None = None, watch: HomeWatch | None = None
) -> Any:
    """(kind, phase, hour) of everything found with a step every ten minutes."""
    watch = watch or home(care)
    waiting = sorted(observations, key=lambda o: o.received_ns)
    found: list[Finding] = []
    for i in range(int(until * 6) + 1):
        now = at(i / 6)
        ready = [o for o in waiting if o.received_ns <= now]
        waiting = [o for o in waiting if o.received_ns > now]
        watch.ingest(ready)
        found += watch.step(now)
    return [(f.kind, str(f.phase), round((f.at_ns - NOON) / MINUTE / 60, 2)) for f in found], found


CALM = Care(quiet_min=0)


def test_not_back_in_bed_within_the_limit() -> None:
    night, found = live(bed((9, "in"), (14, "left"), (15, "in")), 17, CALM)
    assert night == [("unattended", "confirmed", 14.5), ("unattended", "cleared", 15.0)]
    assert found[0].evidence == {"rule": "no_return/1", "lasted_min": 30.0, "place": "bed"}
    assert found[0].episode == found[1].episode
    assert live(bed((9, "in"), (14, "left"), (14.4, "in")), 17, CALM)[0] == []
    assert live(bed((9, "in"), (14, "left")), 17, Care(quiet_min=0, bed_return_min=0))[0] == []


def test_getting_up_in_the_morning_is_no_matter() -> None:
    assert live(bed((9, "in"), (17.8, "left")), 24, CALM)[0] == []
    assert live(bed((2, "in"), (3, "left")), 8, CALM)[0] == []


def test_every_exit_where_it_is_wanted() -> None:
    found, _ = live(bed((9, "in"), (14, "left"), (14.1, "in"), (20, "left")), 22, Care(quiet_min=0, bed_exit=True))
    assert found == [("bed_exit", "confirmed", 14.0), ("bed_exit", "cleared", 14.1)]


def test_bed_sensors_are_fused() -> None:
    both = [*bed((9, "in"), (14, "left")), said("mat", "bed_occupancy", "in", 13.5)]
    assert live(both, 16, CALM)[0] == []
    both.append(said("mat", "bed_occupancy", "left", 14.2))
    assert live(both, 16, CALM)[0] == [("unattended", "confirmed", 14.7)]
    old = [said("mat", "bed_occupancy", "in", 9.5), *bed((9, "in"), (14, "left"))]
    assert live(old, 16, CALM)[0] == [("unattended", "confirmed", 14.5)]


def test_a_very_long_time_in_bed() -> None:
    found, _ = live(bed((9, "in"), (24, "left")), 26, CALM)
    assert found == [("bed_long", "confirmed", 23.0), ("bed_long", "cleared", 24.0)]


def test_turning_of_somebody_bed_bound() -> None:
    care = Care(quiet_min=0, bed_bound=True, bed_long_min=0)
    turned = [read("bed", "body_movement", 60.0, 11.0), read("bed", "body_movement", 8.0, 12.0)]
    found, _ = live([*bed((10, "in")), *turned, read("bed", "body_movement", 70.0, 13.5)], 15, care)
    assert found == [("turn_due", "confirmed", 13.0), ("turn_due", "cleared", 13.5)]
    assert live([*bed((10, "in")), *turned], 15, Care(quiet_min=0))[0] == []


def test_a_restless_night_is_told_once() -> None:
    moves = [(9.0, "in")]
    for i in range(RESTLESS_EXITS + 2):
        moves += [(10.0 + i, "left"), (10.1 + i, "in")]
    found, all_found = live(bed(*moves), 20, CALM)
    assert found == [("restless_night", "confirmed", 10.0 + RESTLESS_EXITS - 1)]
    assert all_found[0].evidence["exits"] == RESTLESS_EXITS
    spread = [(9.0, "in")] + [m for i in range(8) for m in ((10.0 + 12 * i, "left"), (10.1 + 12 * i, "in"))]
    assert live(bed(*spread), 100, Care(quiet_min=0, bed_long_min=0))[0] == []


def test_a_long_stay_in_the_bathroom_by_presence_or_by_room() -> None:
    stay = [said("bath", "presence", value=True, hour=1)]
    assert live([*stay, said("bath", "presence", value=False, hour=2)], 3, CALM)[0] == [
        ("long_stay", "confirmed", 1.75),
        ("long_stay", "cleared", 2.0),
    ]
    assert live([*stay, said("bath", "presence", value=True, hour=1.5, repeat=True)], 3, CALM)[0] == [
        ("long_stay", "confirmed", 1.75)
    ]
    assert live([*stay, said("hall", "motion", "active", 1.5)], 3, CALM)[0] == []
    assert live([*stay, said("hall", "motion", "still", 1.5)], 3, CALM)[0] == [("long_stay", "confirmed", 1.75)]
    assert live([*stay, said("bath", "presence", value=False, hour=1.5)], 3, CALM)[0] == []
    tag = [said("bed", "room", "bathroom", 1), *(said("bed", "room", "kitchen", hour) for hour in (1.86, 1.9))]
    assert live(tag, 3, CALM)[0] == [("long_stay", "confirmed", 1.75), ("long_stay", "cleared", 1.9)]
    jump = [said("bed", "room", "kitchen", 1.5), said("bed", "room", "bathroom", 1.51)]
    assert live([tag[0], *jump], 3, CALM)[0] == [("long_stay", "confirmed", 1.75)], "radio jumps, nobody moves"
    assert live([*stay, *jump], 3, CALM)[0] == [("long_stay", "confirmed", 1.75)], "nor for the sensor in the bathroom"


def test_up_early_and_about_is_not_lost_on_the_way() -> None:
    night = [*bed((9, "in"), (17, "left"))]
    assert live(night, 18.5, CALM)[0] == [("unattended", "confirmed", 17.5)]
    assert live([*night, said("hall", "motion", "active", 17.3)], 18.5, CALM)[0] == []
    earlier = [*bed((9, "in"), (14, "left")), said("hall", "motion", "active", 14.3)]
    assert live(earlier, 16, CALM)[0] == [("unattended", "confirmed", 14.5)], "in the middle of the night it is told"
    before = [said("hall", "motion", "active", 16.9), *night, said("bath", "presence", value=True, hour=17.2)]
    assert live(before, 17.9, CALM)[0] == [("unattended", "confirmed", 17.5)], "in the bathroom is not about"


def test_a_tag_whose_radio_jumps_shows_no_life_and_one_that_moves_does() -> None:
    lies = [said("bed", "room", "hall", 0.1 + i / 60, repeat=True) for i in range(420)]
    jumps = [said("bed", "room", "kitchen", 0.105 + i / 4) for i in range(28)]
    assert live([*lies, *jumps], 7)[0] == [("no_sign_of_life", "confirmed", 4.1)]
    moves = [said("bed", "room", room, 3 + i / 60) for i, room in enumerate(["kitchen"] * 5)]
    assert live([said("bed", "room", "hall", 0.1), *moves], 8)[0] == [("no_sign_of_life", "confirmed", 7.03)]


def test_no_sign_of_life_by_day_and_its_end() -> None:
    quiet, found = live([said("hall", "motion", "active", 1), said("hall", "motion", "active", 7)], 8)
    assert quiet == [("no_sign_of_life", "confirmed", 5.0), ("no_sign_of_life", "cleared", 7.0)]
    assert found[0].devices == ("hall",)
    assert found[0].evidence["lasted_min"] == 240.0


def test_who_never_went_to_bed_is_not_left_on_the_floor_until_the_morning() -> None:
    evening = [*bed((6, "in"), (7, "left")), said("hall", "motion", "active", 8)]
    assert live(evening, 22)[0] == [("no_sign_of_life", "confirmed", 12.0)]
    assert live([*evening, said("bed", "bed_occupancy", "in", 8.2)], 19)[0] == []
    assert live([said("hall", "motion", "active", 8)], 19)[0] == [], "where no bed sensor says anything"


def test_by_night_it_takes_longer() -> None:
    quiet, _ = live([said("hall", "motion", "active", 9.5)], 26)
    assert quiet == [("no_sign_of_life", "confirmed", 21.5)]
    assert live([said("hall", "motion", "active", 9.5)], 26, Care(quiet_night_min=0))[0] == []


@pytest.mark.parametrize(
    "sign",
    [
        said("hall", "presence", value=True, hour=4),
        said("hall", "motion", "active", 4, repeat=True),
        said("fridge", "door", "closed", 4),
        said("hall", "button", "single", 4),
        said("bath", "vibration", value=True, hour=4),
        read("bed", "heart_rate", 60.0, 4),
        read("bed", "body_movement", 5.0, 4),
    ],
)
def test_what_is_a_sign_of_life(sign: Observation) -> None:
    assert live([said("hall", "motion", "active", 1), sign], 7.9)[0] == []


@pytest.mark.parametrize(
    "other",
    [
        said("hall", "presence", value=True, hour=4, repeat=True),
        said("hall", "motion", "still", 4, repeat=True),
        said("hall", "presence", value=False, hour=4),
        said("hall", "button", "release", 4),
        read("bed", "body_movement", 0.0, 4),
        read("hall", "room_temperature", 20.0, 4),
        Reading("bed", "heart_rate", 60.0, at(4), at(4), Quality.POOR),
        Reading("bed", "heart_rate", 60.0, at(4), at(4), stored=True),
    ],
)
def test_what_is_none(other: Observation) -> None:
    assert live([said("hall", "motion", "active", 1), other], 7.9)[0] == [("no_sign_of_life", "confirmed", 5.0)]


def test_heart_beats_in_bed_are_signs_of_life_for_everybody_at_once() -> None:
    watch = home()
    watch.attach("other", "wang")
    observations = [*bed((0, "in")), *alive(0, 10, 1 / 60), read("other", "heart_rate", 70.0, 1)]
    found, all_found = live(observations, 12, watch=watch)
    assert found == [("no_sign_of_life", "confirmed", 5.0)]
    assert all_found[0].resident_id == "wang"


def test_away_from_home_nothing_is_missed_until_the_usual_time() -> None:
    out = [said("door", "door", "open", 1), said("door", "door", "closed", 1.02)]
    assert live(out, 24)[0] == []
    late, found = live([*out, said("door", "door", "open", 8)], 9, Care(back_by_min=18 * 60))
    assert late == [("not_back", "confirmed", 6.0), ("not_back", "cleared", 8.0)]
    assert found[0].devices == ("door",)
    assert live([*out, said("hall", "motion", "active", 1.1)], 5, Care(back_by_min=14 * 60))[0] == []
    assert live([*out, said("hall", "motion", "active", 1.1)], 6)[0] == [("no_sign_of_life", "confirmed", 5.1)]
    back = [*out, read("bed", "heart_rate", 60.0, 3)]
    assert live(back, 8)[0] == [("no_sign_of_life", "confirmed", 7.0)]


def wearing(*, roams: bool, until: float) -> list[Observation]:
    """A watch heard every quarter of an hour; one that roams has told where on earth it is."""
    where = [read("watch", "latitude", 31.2, -1)] if roams else []
    return [*where, *(read("watch", "heart_rate", 70.0, i / 4) for i in range(int(until * 4) + 1))]


def test_a_watch_heard_from_everywhere_says_nothing_of_being_at_home() -> None:
    care = Care(back_by_min=18 * 60)
    out = [said("door", "door", "open", 1), said("door", "door", "closed", 1.02)]
    back = said("hall", "motion", "active", 8)

    def found(*, roams: bool) -> Any:
        watch = home(care)
        watch.attach("watch", "li")
        both = live([*out, *wearing(roams=roams, until=9), back], 10, watch=watch)[0]
        watch.detach("watch")
        watch.detach("watch")
        return both

    assert found(roams=True) == [("not_back", "confirmed", 6.0), ("not_back", "cleared", 8.0)]
    assert found(roams=False) == []


def test_a_watch_heard_from_everywhere_is_still_a_sign_of_life() -> None:
    watch = home()
    watch.attach("watch", "li")
    assert live([said("hall", "motion", "active", 0.5), *wearing(roams=True, until=5)], 11, watch=watch)[0] == [
        ("no_sign_of_life", "confirmed", 9.0)
    ]


def test_a_wristband_that_is_heard_for_a_moment_behind_the_door_does_not_keep_anybody_at_home() -> None:
    out = [said("door", "door", "open", 1), said("door", "door", "closed", 1.02)]

    def found(until: float, end: float, care: Care) -> Any:
        watch = home(care)
        watch.attach("watch", "li")
        beats = [read("watch", "heart_rate", 70.0, m / 60) for m in range(round(until * 60) + 1)]
        return live([*out, *beats], end, watch=watch)[0]

    care = Care(back_by_min=18 * 60)
    assert found(1.05, 7, care) == [("not_back", "confirmed", 6.0)], "out of reach some minutes after the door"
    assert found(1.05, 9, Care()) == [], "and not looked for at home"
    assert found(7, 7, care) == [], "who is still heard a quarter of an hour later is at home"
    assert found(3, 9, care) == [("no_sign_of_life", "confirmed", 7.0)]


def test_the_main_door_at_night_with_dementia() -> None:
    opened = [said("door", "door", "open", 14), said("door", "door", "closed", 14.5)]
    found, _ = live(opened, 15, Care(quiet_min=0, dementia=True))
    assert found == [("door_at_night", "confirmed", 14.0), ("door_at_night", "cleared", 14.5)]
    assert live(opened, 15, CALM)[0] == []
    by_day = [
        said("door", "door", "open", 2),
        said("fridge", "door", "open", 14),
        said("fridge", "door", "closed", 14.1),
    ]
    assert live(by_day, 15, Care(quiet_min=0, dementia=True))[0] == []


def test_fridge_stove_cold_and_hot() -> None:
    fridge: list[Observation] = [said("fridge", "door", "open", 1), said("fridge", "door", "open", 1.1, repeat=True)]
    assert live([*fridge, said("fridge", "door", "closed", 2)], 3, CALM)[0] == [
        ("fridge_open", "confirmed", 1.25),
        ("fridge_open", "cleared", 2.0),
    ]
    stove = [
        read("stove", "room_temperature", t, h) for t, h in ((30.0, 1), (60.0, 1.5), (43.0, 2), (80.0, 2.2), (35.0, 3))
    ]
    assert live(stove, 4, CALM)[0] == [("stove_on", "confirmed", 2.5), ("stove_on", "cleared", 3.0)]
    rooms = [
        *(read("hall", "room_temperature", 12.0 + 0.01 * i, 1 + i / 6) for i in range(20)),
        read("hall", "room_temperature", 15.0, 4.5), read("hall", "room_temperature", 17.0, 5),
        *(read("hall", "room_temperature", 33.0, 6 + i / 6) for i in range(20)),
    ]  # fmt: skip
    assert live(rooms, 10, CALM)[0] == [
        ("room_cold", "confirmed", 3.0), ("room_cold", "cleared", 5.0), ("room_hot", "confirmed", 8.0),
    ]  # fmt: skip


def test_a_room_of_nobody_is_watched_for_cold_and_not_for_life() -> None:
    watch = HomeWatch()
    watch.attach("cellar", None, place="nowhere known")
    cold = [read("cellar", "room_temperature", 5.0, 1), said("cellar", "motion", "active", 1)]
    found, all_found = live([*cold, read("cellar", "room_temperature", 5.0, 2)], 9, watch=watch)
    assert found == [("room_cold", "confirmed", 3.0)]
    assert all_found[0].resident_id is None


def test_closing_taking_over_moving_and_odd_times() -> None:
    watch = home(CALM)
    _, (begun,) = live(bed((9, "in"), (14, "left")), 15, watch=watch)
    fresh = home(CALM)
    assert fresh.resume(begun, at(15))
    fresh.ingest([*bed((15, "in"), (16, "left"), (17, "in"))])
    (ended,) = [f for f in fresh.step(at(17)) if f.phase is Phase.CLEARED and f.episode == begun.episode]
    assert ended.at_ns == at(15)
    assert not fresh.resume(Finding("e", "fall", "li", 0, Phase.CONFIRMED, 1.0, ("bed",), {"rule": "no_return/1"}), 0)
    assert not fresh.resume(Finding("e", "unattended", "li", 0, Phase.CONFIRMED, 1.0, ("bed",)), 0)
    watch.close(begun.episode)
    watch.ingest(bed((15, "in"), (16, "left")))
    assert [f.phase for f in watch.step(at(17))] == [Phase.CONFIRMED]
    watch.attach("bed", "wang", place="bed")
    assert watch.step(at(40)) == []
    watch.ingest([DeviceEvent("bed", "bed_occupancy", "in", 1, -5), said("bed", "bed_occupancy", "none", 41)])
    watch.detach("nobody")
    assert watch.rejected == 1


def test_rows_name_kinds_settings_and_places() -> None:
    for row in HOME_RULES:
        assert not row.kind or row.kind in KINDS
        assert not row.setting or hasattr(Care(), row.setting)
        assert bool(row.setting) or row.minutes > 0 or row.name in {"bed_exit", "door_at_night"}
    assert len(set(PLACES)) == len(PLACES)


def make() -> HomeWatch:
    watch = HomeWatch()
    for who in ("li", "wang"):
        for name in (who, f"decoy-{who}", f"new-{who}"):
            watch.set_care(
                name,
                Care(
                    dementia=True,
                    bed_exit=True,
                    bed_bound=True,
                    quiet_min=20,
                    quiet_night_min=25,
                    turning_min=10,
                    bathroom_min=5,
                ),
            )
    return watch


def test_contract() -> None:
    begin = 14.0
    events: list[Observation] = [
        said("bed", "bed_occupancy", word, begin + m / 60)
        for word, m in (("in", 1), ("left", 4), ("in", 38), ("in", 39), ("left", 41), ("in", 43))
    ]
    events += [
        said("bath", "presence", value=True, hour=begin + 5 / 60),
        said("bath", "presence", value=False, hour=begin + 12 / 60),
    ]
    events += [said("door", "door", "open", begin + 13 / 60), said("door", "door", "closed", begin + 14 / 60)]
    beats = [read("bed", "heart_rate", 60.0, begin + (44 + i) / 60) for i in range(8)]
    moves = [read("bed", "body_movement", 50.0, begin + 47 / 60)]
    scenario = Scenario(
        "a night",
        {"bed": "li", "bath": "li", "door": "wang"},
        in_order(events, beats, moves),
        at(begin),
        at(begin + 1.5),
        frozenset({"unattended", "bed_exit", "long_stay", "door_at_night", "no_sign_of_life", "turn_due"}),
        options={"bed": {"place": "bed"}, "bath": {"place": "bathroom"}, "door": {"place": "main_door"}},
        step_s=60.0,
    )
    check_detector(make, scenario)
