"""Who is on call: rotations, hours, holidays, overrides, gaps, and a clock that is changed in between."""

import itertools
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.alerts.oncall import Schedule, first_gap, instant, local, turns, who

SHANGHAI, BERLIN, NEW_YORK = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
NS = 10**9
HOUR = 3600 * NS


def at(text: str, zone: ZoneInfo = SHANGHAI, fold: int = 0) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).timestamp()) * NS


def schedule(*rotations: dict[str, Any], **more: Any) -> Schedule:
    return Schedule.model_validate({"name": "night", "rotation": rotations or [DAILY], **more})


DAILY = {"people": ["a", "b", "c"], "handover": "08:00", "start": "2026-01-01"}


def person(of: Schedule, text: str, zone: ZoneInfo = SHANGHAI, fold: int = 0) -> str | None:
    duty = who(of, at(text, zone, fold), zone)
    return duty.people[0] if duty else None


def test_daily_rotation_changes_at_the_hand_over() -> None:
    of = schedule()
    assert [person(of, f"2026-01-0{d}T12:00") for d in (1, 2, 3, 4)] == ["a", "b", "c", "a"]
    assert person(of, "2026-01-02T07:59:59") == "a"
    assert person(of, "2026-01-02T08:00") == "b"
    assert person(of, "2025-12-31T12:00") == "c"


def test_weekly_rotation_changes_on_its_weekday() -> None:
    of = schedule(
        {"people": ["a", "b"], "period": "weekly", "weekday": "fri", "handover": "17:00", "start": "2026-01-02"}
    )
    assert person(of, "2026-01-02T17:00") == "a"
    assert person(of, "2026-01-02T16:59") == "b"
    assert person(of, "2026-01-09T16:59:59") == "a"
    assert [person(of, f"2026-01-{d:02}T18:00") for d in (8, 9, 15, 16)] == ["a", "b", "b", "a"]


def test_hours_leave_the_day_to_nobody_and_a_turn_ends_after_midnight() -> None:
    of = schedule({"people": ["a", "b"], "hours": {"from": "20:00", "to": "08:00"}, "start": "2026-01-01"})
    assert person(of, "2026-01-01T20:00") == "a"
    assert person(of, "2026-01-02T07:59:59") == "a"
    assert person(of, "2026-01-02T08:00") is None
    assert person(of, "2026-01-02T20:00") == "b"
    gap = first_gap(of, at("2026-01-01T21:00"), at("2026-01-03T00:00"), SHANGHAI)
    assert gap is not None
    assert (gap.from_ns, gap.to_ns) == (at("2026-01-02T08:00"), at("2026-01-02T20:00"))


def test_a_weekend_carer_is_on_call_from_saturday_to_monday_and_nobody_else_is() -> None:
    of = schedule({"people": ["w"], "days": ["sat", "sun"], "handover": "08:00"})
    assert person(of, "2026-11-21T08:00") == "w", "a Saturday"
    assert person(of, "2026-11-21T07:59") is None
    assert person(of, "2026-11-23T07:59:59") == "w", "the turn of Sunday lasts until Monday's hand-over"
    assert person(of, "2026-11-23T08:00") is None
    gap = first_gap(of, at("2026-11-22T00:00"), at("2026-11-29T00:00"), SHANGHAI)
    assert gap is not None
    assert (gap.from_ns, gap.to_ns) == (at("2026-11-23T08:00"), at("2026-11-28T08:00"))


def test_a_night_of_a_day_lasts_into_the_next_morning() -> None:
    six = ["mon", "tue", "wed", "thu", "fri", "sat"]
    of = schedule({"people": ["n"], "hours": {"from": "20:00", "to": "08:00"}, "days": six})
    assert person(of, "2026-11-22T07:00") == "n", "Sunday morning belongs to Saturday's night"
    assert person(of, "2026-11-22T21:00") is None, "nobody on Sundays"
    assert person(of, "2026-11-23T07:00") is None
    assert person(of, "2026-11-23T21:00") == "n"


def test_people_take_turns_over_the_days_of_their_rotation_only() -> None:
    of = schedule({"people": ["a", "b", "c"], "days": ["sat", "sun"], "start": "2026-11-21", "handover": "08:00"})
    weekends = ["2026-11-21", "2026-11-22", "2026-11-28", "2026-11-29", "2026-12-05", "2026-12-06"]
    assert [person(of, f"{day}T12:00") for day in weekends] == ["a", "b", "c", "a", "b", "c"]
    assert [person(of, f"2026-11-{day}T12:00") for day in (14, 15)] == ["b", "c"], "before the start too"


@given(st.sets(st.sampled_from(["mon", "tue", "wed", "thu", "fri", "sat", "sun"]), min_size=1), st.integers(-400, 400))
def test_each_day_of_a_rotation_is_the_turn_after_the_one_before(days: set[str], offset: int) -> None:
    of = Schedule.model_validate({"name": "x", "rotation": [{"people": ["a"], "days": sorted(days)}]}).rotation[0]
    day = of.start + timedelta(days=offset)
    step = int(day.strftime("%a").lower() in days)
    assert of.number(day + timedelta(days=1)) - of.number(day) == step


def test_weekdays_and_weekend_leave_no_gap_and_an_unknown_day_is_refused() -> None:
    weekend = {"people": ["w"], "days": ["sat", "sun"]}
    of = schedule({"people": ["d"], "days": ["mon", "tue", "wed", "thu", "fri"]}, weekend)
    assert first_gap(of, at("2026-11-01T00:00"), at("2026-12-01T00:00"), SHANGHAI) is None
    with pytest.raises(ValidationError, match="days"):
        schedule({"people": ["w"], "days": ["caturday"]})


def test_two_rotations_share_the_day() -> None:
    day = {"people": ["d"], "hours": {"from": "08:00", "to": "20:00"}}
    night = {"people": ["n"], "hours": {"from": "20:00", "to": "08:00"}}
    of = schedule(day, night)
    assert first_gap(of, at("2026-03-01T00:00"), at("2026-03-09T00:00"), SHANGHAI) is None
    assert [
        turn.duty.people for turn in turns(of, at("2026-03-01T00:00"), at("2026-03-02T00:00"), SHANGHAI) if turn.duty
    ] == [
        ("n",),
        ("d",),
        ("n",),
    ]


def test_the_last_override_goes_before_everything_and_gives_its_note() -> None:
    override = {
        "from": "2026-01-02T20:00:00",
        "to": "2026-01-03T08:00:00+08:00",
        "person": ["x", "x-phone"],
        "note": "换班",
    }
    of = schedule(
        override=[override, {"from": "2026-01-03T00:00:00", "to": "2026-01-03T01:00:00", "person": "y"}], note="301 房"
    )
    duty = who(of, at("2026-01-02T20:00"), SHANGHAI)
    assert duty is not None
    assert (duty.people, duty.source, duty.note) == (("x", "x-phone"), "override", "换班")
    assert person(of, "2026-01-03T00:30") == "y"
    assert person(of, "2026-01-03T07:59") == "x"
    after = who(of, at("2026-01-03T08:00"), SHANGHAI)
    assert after is not None
    assert (after.people, after.source, after.note) == (("c",), "rotation", "301 房")


def test_holidays_count_by_the_day_on_which_the_turn_begins() -> None:
    of = schedule(
        holidays=["2026-10-02", "2026-10-01"],
        holiday_rotation=[{"people": ["h1", "h2"], "handover": "08:00"}],
    )
    assert person(of, "2026-10-01T07:59") not in ("h1", "h2")
    assert person(of, "2026-10-01T08:00") == "h1"
    assert person(of, "2026-10-02T03:00") == "h1"
    assert person(of, "2026-10-02T08:00") == "h2"
    assert person(of, "2026-10-03T08:00") not in ("h1", "h2")


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK])
def test_hand_overs_stay_on_the_wall_clock_when_summer_time_begins_and_ends(zone: ZoneInfo) -> None:
    of = schedule()
    for month in ("2026-03", "2026-10", "2026-11"):
        days = [day for day in range(1, 30) if person(of, f"{month}-{day:02}T08:00", zone) is not None]
        names = [person(of, f"{month}-{day:02}T08:00", zone) for day in days]
        before = [person(of, f"{month}-{day:02}T07:59:59", zone) for day in days]
        assert names[:-1] == before[1:]
        assert all(one != other for one, other in itertools.pairwise(names))
    assert first_gap(of, at("2026-03-01T00:00", zone), at("2026-04-01T00:00", zone), zone) is None


def test_a_time_the_clock_skips_and_one_that_comes_twice() -> None:
    skipped = schedule({"people": ["a", "b"], "handover": "02:30", "start": "2026-03-28"})
    assert person(skipped, "2026-03-29T01:59:59", BERLIN) == "a"
    assert person(skipped, "2026-03-29T03:29:59", BERLIN) == "a"
    assert person(skipped, "2026-03-29T03:30", BERLIN) == "b"
    twice = schedule({"people": ["a", "b"], "handover": "02:30", "start": "2026-10-24"})
    assert person(twice, "2026-10-25T02:29:59", BERLIN) == "a"
    assert person(twice, "2026-10-25T02:30", BERLIN) == "b"
    assert person(twice, "2026-10-25T02:15", BERLIN, fold=1) == "b"
    assert person(twice, "2026-10-25T02:45", BERLIN, fold=1) == "b"


def test_a_night_of_23_and_of_25_hours_has_no_gap() -> None:
    of = schedule(
        {"people": ["n"], "hours": {"from": "20:00", "to": "06:00"}},
        {"people": ["d"], "hours": {"from": "06:00", "to": "20:00"}},
    )
    for day in ("2026-03-28", "2026-10-24"):
        begin = at(f"{day}T12:00", BERLIN)
        assert first_gap(of, begin, begin + 48 * HOUR, BERLIN) is None


def test_the_box_moves_to_another_zone() -> None:
    """The same instant, another wall clock: after the setting has changed, the new clock counts."""
    moment = at("2026-01-02T08:30", SHANGHAI)
    assert who(schedule(), moment, SHANGHAI) != who(schedule(), moment, BERLIN)
    assert local(moment, BERLIN).hour == 1


@given(
    day=st.dates(date(2020, 1, 1), date(2035, 12, 31)),
    seconds=st.integers(0, 86_399),
    zone=st.sampled_from([SHANGHAI, BERLIN, NEW_YORK, ZoneInfo("Australia/Lord_Howe")]),
    hours=st.sampled_from([None, {"from": "20:00", "to": "08:00"}, {"from": "02:15", "to": "02:45"}]),
    period=st.sampled_from(["daily", "weekly"]),
)
def test_turns_say_at_every_moment_what_who_says(
    day: date, seconds: int, zone: ZoneInfo, hours: Any, period: str
) -> None:
    of = schedule({"people": ["a", "b", "c"], "handover": "02:30", "period": period, "hours": hours})
    begin = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * NS
    moment = begin + seconds * NS
    found = turns(of, begin, begin + 36 * HOUR, zone)
    assert found[0].from_ns == begin
    assert found[-1].to_ns == begin + 36 * HOUR
    assert all(one.to_ns == other.from_ns for one, other in itertools.pairwise(found))
    assert next(turn.duty for turn in found if turn.from_ns <= moment < turn.to_ns) == who(of, moment, zone)


@given(st.dates(date(1972, 1, 1), date(2199, 12, 30)), st.integers(0, 86_399), st.sampled_from([SHANGHAI, BERLIN]))
def test_an_instant_and_its_wall_clock_agree(day: date, seconds: int, zone: ZoneInfo) -> None:
    clock = time(seconds // 3600, seconds // 60 % 60, seconds % 60)
    back = local(instant(day, clock, zone), zone)
    assert back - datetime.combine(day, clock, zone) in (timedelta(), timedelta(hours=1))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"rotation": []}, "at least 1"),
        ({"rotation": [{"people": []}]}, "at least 1"),
        ({"rotation": [{"people": ["a"], "handover": "25:00"}]}, "handover"),
        ({"rotation": [{"people": ["a"], "handover": "08:00+08:00"}]}, "without a zone"),
        ({"rotation": [{"people": ["a"], "start": "1900-01-01"}]}, "a year from 1971"),
        ({"holidays": ["2026-10-01"]}, "holiday_rotation"),
        ({"override": [{"from": "2026-01-02T00:00:00", "to": "2026-01-01T00:00:00", "person": "a"}]}, "after `from`"),
        ({"name": "a/b"}, "name"),
        ({"nights": 1}, "Extra inputs"),
    ],
)
def test_what_is_wrong_is_said(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Schedule.model_validate({"name": "night", "rotation": [DAILY], **wrong})
