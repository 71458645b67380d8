"""Habits: learned over two weeks, said in words, told when it is not as usual; rate of false findings; restarts."""

from __future__ import annotations

import json
from collections import Counter
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from analytics_scenes import SECOND, event, in_order
from analytics_scenes import at as scene_at

from analytics.care import Care
from analytics.check import check_detector
from analytics.clocks import CHINA_S
from analytics.findings import Finding, Phase
from analytics.habits.habit_table import FALSE_RATE, HABIT_RULES, KEPT_DAYS, LEARN_DAYS
from analytics.habits.learned import Learned, in_words, learned_from, plain_learned
from analytics.habits.watch import HOMES_A_STEP, HabitWatch
from analytics.scenarios import Scenario
from analytics.words import why
from device_drivers.observations import DeviceEvent

MINUTE = 60 * SECOND
DAY = 1440 * MINUTE
MIDNIGHT = 1_800_028_800 * SECOND
"""2027-01-16 00:00 in China."""
PLACES = {"hall": "living_room", "bath": "bathroom", "fridge": "fridge", "door": "main_door", "bed": "bed"}


def make(**care: float) -> HabitWatch:
    watch = HabitWatch()
    for device, place in PLACES.items():
        watch.attach(device, "li", place=place)
    watch.set_care("li", Care(**care))  # type: ignore[arg-type]
    return watch


def at(day: int, minute: float) -> int:
    return MIDNIGHT + day * DAY + int(minute * MINUTE)


def say(device: str, signal: str, value: bool | str, day: int, minute: float) -> DeviceEvent:
    return DeviceEvent(device, signal, value, at(day, minute), at(day, minute))


def usual_day(day: int, chance: np.random.Generator, up: float = 420, until: float = 1320) -> list[DeviceEvent]:
    """Up about 7:00, something every half hour or so, fridge at meals, bed at 22:00, two visits by night."""
    minute = up + chance.normal(0, 12)
    out = [say("bed", "bed_occupancy", "left", day, minute - 5), say("hall", "motion", "active", day, minute)]
    while (minute := minute + 10 + chance.exponential(18)) < until - 15:
        out += [say("hall", "motion", "active", day, minute)]
    out += [say("fridge", "door", "open", day, meal + chance.normal(0, 5)) for meal in (450, 720, 1080)]
    to_bed = 1320 + chance.normal(0, 10)
    out.append(say("bed", "bed_occupancy", "in", day, to_bed))
    for visit in (1470, 1590):
        begin = visit + chance.normal(0, 15)
        out += [say("bed", "bed_occupancy", "left", day, begin), say("bath", "presence", True, day, begin + 1)]
        out.append(say("bed", "bed_occupancy", "in", day, begin + 8))
    return sorted(out, key=lambda one: one.received_ns)


def live(watch: HabitWatch, days: range, seed: int = 1, **day: float) -> list[Finding]:
    chance = np.random.default_rng(seed)
    found: list[Finding] = []
    events = sorted((e for d in days for e in usual_day(d, chance, **day)), key=lambda one: one.received_ns)
    for one in events:
        watch.ingest([one])
        found += watch.step(one.received_ns)
    return found


def learned_one(seed: int = 1) -> HabitWatch:
    watch = make()
    live(watch, range(LEARN_DAYS + 2), seed)
    return watch


def kinds(found: list[Finding]) -> list[tuple[str, str]]:
    return [(one.kind, one.phase.value) for one in found]


def test_nothing_is_said_while_learning_and_it_says_so() -> None:
    watch = make()
    assert live(watch, range(5)) == []
    watch.step(at(6, 12 * 60))
    state = watch.learned("li")
    assert state is not None
    assert not state.ready
    assert in_words(state)[0].en == "Still learning: 4 of 14 days.", "the first day was not whole"


def test_what_was_learned_in_words() -> None:
    state = learned_one().learned("li")
    assert state is not None
    zh, en = (" ".join(getattr(one, name) for one in in_words(state)) for name in ("zh", "en"))
    assert "From the last 14 days" in en or "From the last 15 days" in en
    assert "早上首次活动多在 06:" in zh
    assert "Bathroom 2 times a night (at most 2)." in en
    assert "多在 21:" in zh
    assert state.usual_hours("bed")[-1] in {21, 22}
    assert set(state.usual_hours("kitchen")) <= {6, 7, 11, 12, 17, 18}
    assert "常去厨房的钟点" in zh


def test_a_late_morning_is_told_and_ends_with_the_first_activity() -> None:
    watch = learned_one()
    day = LEARN_DAYS + 2
    assert watch.step(at(day, 420)) == []
    (late,) = watch.step(at(day, 600))
    assert (late.kind, late.phase) == ("late_morning", Phase.CONFIRMED)
    assert at(day, 420 + 45) <= late.at_ns <= at(day, 420 + 45 + 40)
    assert str(late.evidence["latest"]).startswith("07:")
    assert "以往最晚 07:" in why(late.evidence).zh
    watch.ingest([say("bath", "presence", True, day, 601)])
    assert watch.step(at(day, 602)) == [], "a bathroom at the end of the night is no getting up"
    watch.ingest([say("hall", "motion", "active", day, 610)])
    assert kinds(watch.step(at(day, 611))) == [("late_morning", "cleared")]


def test_unusual_silence_by_day_only() -> None:
    watch = learned_one()
    day = LEARN_DAYS + 2
    for minute in (420, 430):
        watch.ingest([say("hall", "motion", "active", day, minute)])
    (quiet,) = watch.step(at(day, 430 + 300))
    assert (quiet.kind, quiet.phase) == ("unusual_silence", Phase.CONFIRMED)
    assert float(quiet.evidence["lasted_min"]) >= float(quiet.evidence["longest_min"]) + 30
    assert "so far" in why(quiet.evidence).en
    watch.ingest([say("fridge", "door", "open", day, 800)])
    assert kinds(watch.step(at(day, 801))) == [("unusual_silence", "cleared")]
    watch.ingest([say("hall", "motion", "active", day, minute) for minute in range(810, 1311, 50)])
    assert [one.kind for one in watch.step(at(day, 1600))] == [], "the night is quiet"


def test_sleep_is_no_silence_however_long_somebody_was_quiet_by_day() -> None:
    watch = learned_one()
    state = watch.learned("li")
    assert state is not None
    state.gaps.append(420.0)
    day = LEARN_DAYS + 2
    watch.ingest([say("hall", "motion", "active", day, minute) for minute in range(420, 1290, 30)])
    assert watch.step(at(day, 1440 + 390)) == [], "the limit of 525 min ends at 05:45 and sleep goes on"
    watch.set_care("li", Care(night_to_min=300))
    watch.ingest([say("hall", "motion", "active", day + 1, minute) for minute in (420, 1290)])
    day_before = [("unusual_silence", "confirmed"), ("unusual_silence", "cleared")]
    assert kinds(watch.step(at(day + 2, 400))) == day_before, "and the night after it is sleep"


def test_early_to_bed_is_no_silence_and_a_nap_is_not_going_to_bed() -> None:
    for minute, told in ((1250, []), (900, ["unusual_silence"])):
        watch = learned_one()
        day = LEARN_DAYS + 2
        watch.ingest([say("hall", "motion", "active", day, one) for one in range(420, minute, 30)])
        watch.ingest([say("bed", "bed_occupancy", "in", day, minute)])
        assert [one.kind for one in watch.step(at(day, min(minute + 300, 1319)))] == told, minute


def test_what_was_told_as_unusual_is_learned_only_when_it_has_become_usual() -> None:
    watch = learned_one()
    state = watch.learned("li")
    assert state is not None
    longest, told = max(state.gaps), 0
    for day in range(LEARN_DAYS + 2, LEARN_DAYS + 5):
        minutes = [*range(420, 600, 20), *range(960, 1300, 20)]
        for minute in minutes:
            watch.ingest([say("hall", "motion", "active", day, minute)])
            told += sum(one.phase is Phase.CONFIRMED for one in watch.step(at(day, minute)))
        watch.step(at(day + 1, 241))
        assert (max(state.gaps) > longest) == (day == LEARN_DAYS + 4), day
    assert told == 3
    assert learned_from(json.loads(json.dumps(plain_learned(state)))) == state
    state.add_trip(400, odd=True)
    kept = plain_learned(state)
    assert learned_from(json.loads(json.dumps(kept))).odd == {"late_back": [400.0]}
    del kept["odd"]
    assert learned_from(kept).odd == {}, "of an earlier version"


def go_out(watch: HabitWatch, day: int, minute: float, minutes: float | None) -> list[Finding]:
    for word, later in (("open", 0.0), ("closed", 0.2)):
        watch.ingest([say("door", "door", word, day, minute + later)])
    if minutes is None:
        return watch.step(at(day, minute + 600))
    found = watch.step(at(day, minute + minutes))
    for word, later in (("open", 0.0), ("closed", 0.2)):
        watch.ingest([say("door", "door", word, day, minute + minutes + later)])
    watch.ingest([say("hall", "motion", "active", day, minute + minutes + 1)])
    return found + watch.step(at(day, minute + minutes + 2))


def test_away_is_neither_silence_nor_a_late_morning_and_too_long_away_is_told() -> None:
    watch = make()
    for day in range(LEARN_DAYS + 2):
        live(watch, range(day, day + 1), until=960)
        assert go_out(watch, day, 960, 90 + day) == [], day
    state = watch.learned("li")
    assert state is not None
    assert len(state.trips) == LEARN_DAYS + 2
    assert max(state.trips) == pytest.approx(90 + LEARN_DAYS + 1, abs=1)
    day = LEARN_DAYS + 2
    live(watch, range(day, day + 1), until=960)
    (late,) = go_out(watch, day, 960, None)
    assert late.kind == "late_back"
    assert late.at_ns == pytest.approx(at(day, 960.2 + 105 + 60), abs=2 * MINUTE)
    assert watch.step(at(day + 1, 720)) == [], "who is away does not get up late"
    watch.ingest([say("door", "door", "open", day + 1, 730)])
    assert kinds(watch.step(at(day + 1, 731))) == [("late_back", "cleared")]


def test_activity_that_falls_off_and_day_that_becomes_night() -> None:
    watch = make()
    live(watch, range(20))
    found = live(watch, range(20, 45), up=700, until=900)
    assert ("activity_decline", "confirmed") in kinds(found)
    said = next(one for one in found if one.kind == "activity_decline")
    assert float(said.evidence["value"]) < float(said.evidence["usual"])
    assert "每天有活动的钟点数" in why(said.evidence).zh
    watch = make()
    live(watch, range(20))
    found = []
    for day in range(20, 40):
        wakes = [say("hall", "motion", "active", day, 1330 + 20 * i) for i in range(15)]
        for one in sorted([*usual_day(day, np.random.default_rng(day), up=900), *wakes], key=lambda e: e.received_ns):
            watch.ingest([one])
            found += watch.step(one.received_ns)
    assert ("day_night_reversal", "confirmed") in kinds(found)


@pytest.mark.slow
def test_the_false_rate_is_as_stated() -> None:
    """Twenty people for sixty days after learning, each with an own way of life; nothing happens to them."""
    count, people, days = Counter[str](), 20, 60
    for who in range(people):
        chance = np.random.default_rng(100 + who)
        found = live(make(), range(LEARN_DAYS + 2 + days), 1000 + who, up=float(chance.uniform(360, 480)))
        count.update(one.kind for one in found if one.phase is Phase.CONFIRMED)
    for kind, rate in FALSE_RATE.items():
        assert count[kind] / (people * days) <= rate, kind


def test_it_goes_on_after_a_restart() -> None:
    before = learned_one()
    state = json.loads(json.dumps(before.remember()))
    after = HabitWatch()
    after.recall(state)
    for device, place in PLACES.items():
        after.attach(device, "li", place=place)
    assert after.remember() == before.remember()
    day = LEARN_DAYS + 2
    after.ingest([say("hall", "motion", "active", day, 500)])
    assert after.step(at(day, 510)) == [], "the morning was over when it began"
    live(after, range(day, day + 1), up=500)
    (late, *_) = after.step(at(day + 1, 700))
    assert late.kind == "late_morning"
    again = HabitWatch()
    again.attach("hall", "li")
    assert again.resume(late, late.at_ns)
    again.ingest([say("hall", "motion", "active", day + 1, 701)])
    assert [(one.kind, one.episode) for one in again.step(at(day + 1, 702))] == [("late_morning", late.episode)]


def test_an_exchange_of_the_only_device_forgets_nothing_that_was_learned() -> None:
    watch = learned_one()
    before = watch.remember()
    for device in PLACES:
        watch.detach(device)
    assert watch.remember() == {}
    watch.attach("new", "wang", place="living_room")
    assert watch.learned("wang") == Learned()
    watch.attach("new", "li", place="living_room")
    assert watch.remember()["li"] == before["li"]


@pytest.mark.parametrize("spoil", ["days", "hours", "charts", "first"])
def test_a_state_that_does_not_fit_is_left_out(spoil: str) -> None:
    state = learned_one().remember()
    state["li"][spoil] = {"days": "many", "hours": [[1.0]], "charts": {"days": [1]}, "first": [None]}[spoil]
    watch = HabitWatch()
    watch.attach("hall", "li")
    watch.recall(state)
    known = watch.learned("li")
    assert known == Learned()
    assert watch.learned("nobody") is None


def test_learned_values_are_bounded_and_old_ways_are_forgotten() -> None:
    state = Learned()
    for day in range(KEPT_DAYS * 4):
        early = day < KEPT_DAYS * 2
        state.add_day([{8 if early else 15}, set(), set(), set(), set()], (100.0 + day, 30.0, None), 1)
    assert len(state.first) == KEPT_DAYS
    assert state.usual_hours("activity") == [15]
    assert learned_from(json.loads(json.dumps(plain_learned(state)))) == state


def test_a_change_of_the_clock_does_not_shift_the_days() -> None:
    from datetime import UTC, datetime

    zone = ZoneInfo("America/New_York")

    def east(at_ns: int) -> int:
        offset = datetime.fromtimestamp(at_ns // 10**9, UTC).astimezone(zone).utcoffset()
        assert offset is not None
        return int(offset.total_seconds())

    watch = HabitWatch(east)
    watch.attach("hall", "li")
    begin = int(datetime(2026, 3, 1, 12, tzinfo=zone).timestamp()) * SECOND
    for hour in range(24 * 14):
        moment = begin + hour * 3600 * SECOND
        watch.ingest([DeviceEvent("hall", "motion", "active", moment, moment)])
    state = watch.learned("li")
    assert state is not None
    assert state.days == 13
    assert max(state.first) <= 180, "04:00 stays 04:00, and the night lasts until 06:00"


def test_a_long_hole_teaches_nothing() -> None:
    watch = learned_one()
    known = watch.learned("li")
    assert known is not None
    days = known.days
    watch.ingest([say("hall", "motion", "active", LEARN_DAYS + 30, 600)])
    assert watch.step(at(LEARN_DAYS + 30, 601)) == []
    assert known.days <= days + 1


def test_the_day_of_everybody_ends_over_several_steps_and_the_same_as_alone() -> None:
    many = HOMES_A_STEP + 1
    together, alone = HabitWatch(), HabitWatch()
    for n in range(many):
        together.attach(f"hall{n}", f"r{n}", place="living_room")
    alone.attach("hall0", "r0", place="living_room")
    for day in range(2):
        for hour in range(7, 19):
            events = [say(f"hall{n}", "motion", "active", day, 60 * hour) for n in range(many)]
            together.ingest(events)
            alone.ingest(events)
        dawn = at(day + 1, 4 * 60)
        for second in range(2):
            alone.step(dawn + second * SECOND)
            together.step(dawn + second * SECOND)
            known = [learned.days for n in range(many) if (learned := together.learned(f"r{n}")) is not None]
            assert sum(known) == day * (HOMES_A_STEP if second == 0 else many), "the first day was not a whole one"
    assert together.remember()["r50"]["first"] == alone.remember()["r0"]["first"]
    assert {str(state) for state in together.remember().values()} == {str(alone.remember()["r0"])}


def test_closed_by_a_person_it_may_begin_again() -> None:
    watch = learned_one()
    day = LEARN_DAYS + 2
    (late,) = watch.step(at(day, 600))
    watch.close(late.episode)
    watch.ingest([say("hall", "motion", "active", day, 610)])
    assert watch.step(at(day, 611)) == []
    found = live(watch, range(day + 1, day + 30), up=700, until=900)
    decline = next(one for one in found if one.kind == "activity_decline")
    watch.close(decline.episode)
    assert not watch._charts.table["open"][:, 0].any()


def test_the_numbers_of_the_rules() -> None:
    assert CHINA_S == 28_800
    assert all(rule.margin_min > 0 for rule in HABIT_RULES)


def test_it_keeps_the_contract_of_detectors() -> None:
    """With a resident who was learned before: a quiet, late day."""
    gone = Learned()
    for _ in range(20):
        gone.add_day([{8}, set(), set(), set(), set()], (0.0, 1.0, None), 1)
    for _ in range(12):
        gone.add_trip(1.0)
    charts = learned_one().remember()["li"]["charts"]
    state = {**plain_learned(gone), "charts": charts}

    def factory() -> HabitWatch:
        watch = HabitWatch()
        watch._recalled = _Always.fromkeys(("li", "decoy-li", "new-li"), state)
        return watch

    minutes = [event("hall", "motion", "active", s) for s in (5.0, 300.0, 2300.0)]
    scene = Scenario(
        "an unusual day",
        {"hall": "li"},
        in_order(minutes),
        scene_at(0),
        scene_at(2400),
        frozenset({"unusual_silence"}),
        options={"hall": {"place": "living_room"}},
        step_s=60.0,
    )
    check_detector(factory, scene)


class _Always(dict):  # type: ignore[type-arg]
    """What is recalled again whenever a resident comes: the battery detaches and attaches."""

    def pop(self, key: str, default: object = None) -> object:
        return self.get(key, default)
