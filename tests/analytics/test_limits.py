"""Limits on vital signs: delay, hysteresis, what does not count, several devices, residents' own limits."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace

import pytest
from analytics_scenes import SECOND, T0, at, brief, event, feed, in_order, reading, series
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.limit_table import RULES, LimitError, Override, Rule, Side, effective
from analytics.limits import BY_HAND_NS, VitalLimits
from analytics.slots import Column, SlotTable
from device_drivers.observations import Observation, Quality, Reading
from device_drivers.signals import SIGNALS


def watching(**devices: str | None) -> VitalLimits:
    detector = VitalLimits()
    for device, resident in devices.items():
        detector.attach(device, resident)
    return detector


def heart(device: str, *runs: tuple[float, float, float], every: float = 1.0) -> list[Reading]:
    """Runs of (from, to, value)."""
    return [
        reading(device, "heart_rate", value, begin + i * every)
        for begin, end, value in runs
        for i in range(int((end - begin) / every))
    ]


def test_begins_after_the_delay_and_ends_after_recovery_has_lasted() -> None:
    found = feed(watching(w="li"), heart("w", (0, 20, 70.0), (20, 80, 38.0), (80, 120, 70.0)), 130)
    assert brief(found) == [("heart_rate_low", "confirmed", 50.0), ("heart_rate_low", "cleared", 95.0)]
    begun, ended = found
    assert begun.episode == ended.episode == f"heart_rate_low:li:{at(20)}"
    assert begun.resident_id == "li"
    assert begun.devices == ("w",)
    assert begun.evidence == {
        "rule": "heart_rate_low/1",
        "signal": "heart_rate",
        "value": 38.0,
        "limit": 40.0,
        "clear_limit": 45.0,
        "held_s": 30.0,
        "readings": 31,
    }
    assert begun.confidence == pytest.approx(32 / 33)
    assert ended.evidence["value"] == 70.0


def test_what_the_gateway_has_computed_is_told_until_the_device_reports_it_itself() -> None:
    computed = [replace(one, derived=True) for one in heart("w", (0, 60, 38.0))]
    own = heart("w", (60, 80, 70.0), (80, 120, 38.0))
    found = feed(watching(w="li", v="li"), in_order([*computed, *own], heart("v", (0, 5, 70.0))), 130)
    assert [("computed" in one.evidence, str(one.phase)) for one in found] == [
        (True, "confirmed"),
        (False, "cleared"),
        (False, "confirmed"),
    ]
    assert found[0].evidence["computed"] is True


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_of_the_table_begins_and_ends(rule: Rule) -> None:
    step = (SIGNALS[rule.signal].stale_s or 0) / 3
    n = math.ceil(rule.delay_s / step) + 1
    values = [(i * step, rule.limit) for i in range(n)] + [((n + i) * step, rule.clear) for i in range(5)]
    detector = watching(w="li")
    detector.set_limits("li", {rule.name: Override()} if rule.asked else {})
    found = feed(detector, series("w", rule.signal, values), (n + 5) * step, step)
    assert [(f.kind, str(f.phase)) for f in found] == [(rule.kind, "confirmed"), (rule.kind, "cleared")]
    assert found[0].evidence["rule"] == f"{rule.name}/1"


def test_rows_are_consistent() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    for rule in RULES:
        row = SIGNALS[rule.signal]
        assert row.low < rule.limit < row.high
        assert (rule.clear > rule.limit) is (rule.side is Side.LOW)
        assert rule.source


@pytest.mark.parametrize("value", [40.5, 44.9])
def test_within_the_band_nothing_begins_and_nothing_ends(value: float) -> None:
    assert feed(watching(w="li"), heart("w", (0, 100, value)), 100) == []
    found = feed(watching(w="li"), heart("w", (0, 40, 38.0), (40, 200, value)), 210)
    assert brief(found) == [("heart_rate_low", "confirmed", 30.0)]


def test_one_good_reading_starts_the_delay_again() -> None:
    runs = heart("w", (0, 25, 38.0), (25, 26, 60.0), (26, 50, 38.0))
    assert feed(watching(w="li"), runs, 60) == []


def test_a_single_reading_is_never_enough() -> None:
    detector = VitalLimits([Rule("heart_rate", Side.LOW, 40, 45, 0, "heart_rate_low", "test")])
    detector.attach("w", "li")
    detector.ingest([reading("w", "heart_rate", 30.0, 1)])
    assert detector.step(at(500)) == []
    detector.ingest([reading("w", "heart_rate", 30.0, 2)])
    assert brief(detector.step(at(500))) == [("heart_rate_low", "confirmed", 2.0)]


@pytest.mark.parametrize("quality", [q for q in Quality if q is not Quality.GOOD])
def test_readings_that_are_not_good_neither_begin_nor_end(quality: Quality) -> None:
    poor_low = [reading("w", "heart_rate", 30.0, s, quality) for s in range(100)]
    assert feed(watching(w="li"), poor_low, 110) == []
    poor_fine = [reading("w", "heart_rate", 70.0, s, quality) for s in range(40, 140)]
    found = feed(watching(w="li"), [*heart("w", (0, 40, 38.0)), *poor_fine], 150)
    assert brief(found) == [("heart_rate_low", "confirmed", 30.0)]
    between = [reading("w", "heart_rate", 70.0, s + 0.5, quality) for s in range(40)]
    found = feed(watching(w="li"), in_order(heart("w", (0, 40, 38.0)), between), 50)
    assert brief(found) == [("heart_rate_low", "confirmed", 30.0)]


def test_absent_and_nan_values_count_neither_way() -> None:
    absent = [reading("w", "heart_rate", None, s) for s in range(60)]
    assert feed(watching(w="li"), absent, 60) == []
    detector = watching(w="li")
    assert feed(detector, [reading("w", "heart_rate", math.nan, s) for s in range(60)], 60) == []
    assert detector.rejected == 60


def test_times_that_cannot_be_are_counted_and_ignored() -> None:
    detector = watching(w="li")
    for impossible in (-1, 2**70):
        detector.ingest([Reading("w", "heart_rate", 30.0, impossible, T0)])
    assert detector.step(at(1)) == []
    assert detector.rejected == 2


def test_stored_readings_never_begin_nor_end() -> None:
    stored = [reading("w", "heart_rate", 30.0, s, stored=True) for s in range(60)]
    assert feed(watching(w="li"), stored, 60) == []
    fine = [reading("w", "heart_rate", 70.0, s, stored=True) for s in range(40, 100)]
    found = feed(watching(w="li"), [*heart("w", (0, 40, 38.0)), *fine], 110)
    assert brief(found) == [("heart_rate_low", "confirmed", 30.0)]


def test_a_device_that_is_not_worn_does_not_count() -> None:
    low: list[Observation] = [
        *heart("w", (0, 20, 38.0)),
        event("w", "worn", value=False, s=19.5),
        *heart("w", (20, 100, 38.0)),
    ]
    assert feed(watching(w="li"), in_order(low), 110) == []
    again = in_order(low, [event("w", "worn", value=True, s=99.5)], heart("w", (100, 135, 38.0)))
    assert brief(feed(watching(w="li"), again, 140)) == [("heart_rate_low", "confirmed", 130.0)]


def test_stale_data_stops_the_delay_and_leaves_an_open_finding_open() -> None:
    assert feed(watching(w="li"), heart("w", (0, 20, 38.0), (40, 60, 38.0)), 70) == []
    found = feed(watching(w="li"), heart("w", (0, 40, 38.0), (2000, 2030, 70.0)), 2100)
    assert brief(found) == [("heart_rate_low", "confirmed", 30.0), ("heart_rate_low", "cleared", 2015.0)]


def test_a_device_that_measures_seldom_is_heard_without_any_setting() -> None:
    every = 600
    watch = series("w", "heart_rate", ((i * every, 38.0 if i in {2, 5, 6, 7} else 70.0) for i in range(10)))
    found = feed(watching(w="li"), watch, 10 * every, 10)
    assert brief(found) == [("heart_rate_low", "confirmed", 6.0 * every), ("heart_rate_low", "cleared", 9.0 * every)]
    assert found[0].evidence["readings"] == 2


def test_two_pauses_make_a_device_one_that_measures_seldom_and_one_short_step_ends_it() -> None:
    late = series("w", "heart_rate", [(0, 70.0), (20, 38.0), (40, 38.0), (60, 38.0)])
    assert brief(feed(watching(w="li"), late, 100)) == [("heart_rate_low", "confirmed", 60.0)]
    now_and_then = series(
        "w", "heart_rate", [(0, 70.0), (5, 70.0), (25, 38.0), (30, 38.0), (35, 38.0), (40, 70.0), (60, 38.0)]
    )
    assert feed(watching(w="li"), now_and_then, 100) == []


def test_a_doubled_reading_does_not_make_a_device_one_that_measures_all_the_time() -> None:
    twice = [(t + d, 36.8 if t < 90_000 else 39.5) for t in (0, 36_000, 90_000) for d in (0, 60)]
    assert brief(feed(watching(w="li"), series("w", "body_temperature", twice), 100_000, 60))[0][2] == 90_000.0
    again = [(t * 600.0 + d, 30.0) for t in range(20) for d in (0, 0, 5)]
    assert brief(feed(watching(w="li"), series("w", "heart_rate", again), 12_100, 10))[0][2] <= 1_205.0


def test_readings_that_are_worth_nothing_still_show_that_a_device_measures_all_the_time() -> None:
    poor = [reading("w", "heart_rate", None, s, Quality.NO_CONTACT) for s in range(10_000) if s % 2_400]
    good = [reading("w", "heart_rate", 180.0, s) for s in range(0, 10_000, 2_400)]
    assert feed(watching(w="li"), in_order(poor, good), 10_000, 60) == []


def test_a_reading_from_the_past_does_not_take_the_delay_away() -> None:
    course = heart("w", (0, 100, 70.0))
    late = replace(reading("w", "heart_rate", 140.0, 100), at_ns=at(100 - 14_400))
    assert feed(watching(w="li"), [*course, late, *heart("w", (101, 103, 140.0), (103, 200, 70.0))], 210) == []


def test_a_clock_set_back_by_days_is_got_over() -> None:
    before = [reading("w", "heart_rate", 30.0, s) for s in range(500_000, 500_060)]
    after = heart("w", (0, 120, 70.0))
    detector = watching(w="li")
    again = [reading("w", "heart_rate", 30.0, s) for s in range(120, 200)]
    said = []
    for part in (before, after, again):
        detector.ingest(part)
        said += [str(f.phase) for f in detector.step(at(600_000))]
    assert said == ["confirmed", "cleared", "confirmed"]


def test_one_measurement_by_hand_is_told_and_a_loose_one_of_a_course_is_not() -> None:
    assert brief(feed(watching(w="li"), series("w", "body_temperature", [(50, 38.5)]), 100)) == [
        ("temperature_high", "confirmed", 50.0)
    ]
    clip = series("w", "spo2", [(0, 95.0), (4000, 84.0)])
    found = feed(watching(w="li"), clip, 4100, 10)
    assert brief(found) == [("spo2_low", "confirmed", 4000.0)]
    assert (found[0].evidence["readings"], found[0].confidence) == (1, pytest.approx(2 / 3))
    patch = series("w", "body_temperature", ((s, 38.5 if s == 1600 else 36.5) for s in range(0, 3000, 20)))
    assert feed(watching(w="li"), patch, 3000, 10) == []
    wrist = series("w", "body_temperature", ((s, 34.2 if s == 2400 else 36.5) for s in range(0, 6000, 1200)))
    assert feed(watching(w="li"), wrist, 6000, 10) == []
    off_for_an_hour = heart("w", (0, 100, 70.0), (4000, 4020, 38.0), (4020, 4100, 70.0))
    assert feed(watching(w="li"), off_for_an_hour, 4200, 10) == []


def test_any_device_of_the_resident_begins_one_episode() -> None:
    both = in_order(heart("w", (0, 60, 38.0)), heart("radar", (0.5, 60.5, 39.0)))
    assert brief(feed(watching(w="li", radar="li"), both, 70)) == [("heart_rate_low", "confirmed", 30.0)]
    one = in_order(heart("w", (0, 60, 38.0)), heart("radar", (0.5, 60.5, 70.0)))
    assert brief(feed(watching(w="li", radar="li"), one, 70)) == [("heart_rate_low", "confirmed", 30.0)]


def test_it_ends_only_when_all_devices_that_speak_have_recovered() -> None:
    obs = in_order(heart("w", (0, 60, 38.0), (60, 120, 70.0)), heart("radar", (0.5, 90.5, 39.0)))
    found = feed(watching(w="li", radar="li"), obs, 130)
    assert brief(found)[-1] == ("heart_rate_low", "cleared", 105.0)


def test_residents_do_not_share() -> None:
    obs = in_order(heart("a", (0, 60, 38.0)), heart("b", (0, 60, 70.0)))
    found = feed(watching(a="li", b="wang"), obs, 70)
    assert [(f.resident_id, f.devices) for f in found] == [("li", ("a",))]


def test_devices_without_a_resident_are_watched_one_by_one() -> None:
    obs = in_order(heart("a", (0, 60, 38.0)), heart("b", (0.5, 60.5, 38.0)))
    found = feed(watching(a=None, b=None), obs, 70)
    assert [(f.resident_id, f.devices) for f in found] == [(None, ("a",)), (None, ("b",))]
    assert len({f.episode for f in found}) == 2


def test_skin_is_not_judged_as_body() -> None:
    for value in (24.0, 34.0, 38.5):
        assert (
            feed(watching(w="li"), series("w", "skin_temperature", ((s, value) for s in range(0, 900, 30))), 900) == []
        )
    hot = series("w", "skin_temperature", ((s, 39.5) for s in range(0, 900, 30)))
    found = feed(watching(w="li"), hot, 900)
    assert brief(found) == [("temperature_high", "confirmed", 600.0)]
    assert found[0].evidence["signal"] == "skin_temperature"


def test_a_residents_own_limits() -> None:
    detector = watching(w="li", v="wang")
    detector.set_limits("li", {"heart_rate_low": Override(limit=35), "spo2_low": Override(enabled=False)})
    obs = in_order(heart("w", (0, 60, 38.0)), heart("v", (0, 60, 38.0)))
    obs += in_order(series("w", "spo2", ((s, 80.0) for s in range(60, 200))))
    assert [f.resident_id for f in feed(detector, obs, 210)] == ["wang"]
    detector.set_limits("li", {})
    found = feed(detector, [reading("w", "heart_rate", 38.0, s) for s in range(300, 340)], 340)
    assert brief(found) == [("heart_rate_low", "confirmed", 330.0)]


def test_own_limits_given_before_the_device() -> None:
    detector = VitalLimits()
    detector.set_limits("li", {"heart_rate_low": Override(limit=50, delay_s=5)})
    detector.attach("w", "li")
    found = feed(detector, heart("w", (0, 20, 49.0)), 30)
    assert brief(found) == [("heart_rate_low", "confirmed", 5.0)]
    assert found[0].evidence["clear_limit"] == 55.0


def test_switching_a_rule_off_clears_its_open_finding() -> None:
    detector = watching(w="li")
    opened = feed(detector, heart("w", (0, 40, 38.0)), 40)
    detector.set_limits("li", {"heart_rate_low": Override(enabled=False)})
    closed = detector.step(at(50))
    assert brief(closed) == [("heart_rate_low", "cleared", 50.0)]
    assert closed[0].episode == opened[0].episode
    assert closed[0].evidence["reason"] == "limit_switched_off"
    assert feed(detector, [reading("w", "heart_rate", 38.0, s) for s in range(50, 200)], 210) == []


@pytest.mark.parametrize(
    ("name", "override", "message"),
    [
        ("pulse_low", Override(), "unknown rule 'pulse_low'"),
        ("heart_rate_low", Override(limit=math.nan), "must be finite"),
        ("heart_rate_low", Override(delay_s=-1), "delay >= 0"),
        ("heart_rate_low", Override(clear=30), "below the limit"),
        ("heart_rate_high", Override(limit=110, clear=130), "above the limit"),
    ],
)
def test_limits_that_cannot_be_are_refused_and_change_nothing(name: str, override: Override, message: str) -> None:
    detector = watching(w="li")
    detector.set_limits("li", {"heart_rate_low": Override(limit=30)})
    with pytest.raises(LimitError, match=message):
        detector.set_limits("li", {name: override})
    assert feed(detector, heart("w", (0, 60, 38.0)), 70) == []


def test_effective_keeps_what_is_not_overridden() -> None:
    rule = RULES[0]
    assert effective(rule, None) == effective(rule, Override()) == (rule.limit, rule.clear, rule.delay_s)


def test_close_lets_a_lasting_condition_begin_again_after_its_delay() -> None:
    detector = watching(w="li")
    first = feed(detector, heart("w", (0, 40, 38.0)), 40)
    detector.close(first[0].episode)
    detector.close("unknown")
    second = feed(detector, heart("w", (41, 100, 38.0)), 100)
    assert brief(second) == [("heart_rate_low", "confirmed", 71.0)]
    assert second[0].episode != first[0].episode


def test_detach_keeps_the_other_devices_of_the_resident() -> None:
    detector = watching(w="li", radar="li")
    feed(detector, in_order(heart("w", (0, 40, 38.0)), heart("radar", (0.5, 20, 39.0))), 41)
    detector.detach("w")
    detector.detach("w")
    found = feed(detector, heart("radar", (41, 100, 70.0)), 100)
    assert brief(found) == [("heart_rate_low", "cleared", 56.0)]


def test_a_clock_set_back_starts_again_and_does_not_end() -> None:
    detector = watching(w="li")
    feed(detector, heart("w", (0, 40, 38.0)), 40)
    back = [Reading("w", "heart_rate", 70.0, at(s - 3600), at(s)) for s in range(41, 50)]
    assert feed(detector, back, 50) == []
    more = [Reading("w", "heart_rate", 70.0, at(s - 3600), at(s)) for s in range(50, 60)]
    assert [str(f.phase) for f in feed(detector, more, 60)] == ["cleared"]


def test_many_residents_grow_the_table_and_keep_apart() -> None:
    detector = VitalLimits()
    for i in range(100):
        detector.attach(f"w{i}", f"r{i}")
    for s in range(40):
        detector.ingest([reading(f"w{i}", "heart_rate", 38.0 if i % 3 == 0 else 70.0, s) for i in range(100)])
    found = detector.step(at(50))
    assert sorted(f.resident_id or "" for f in found) == sorted(f"r{i}" for i in range(0, 100, 3))
    for i in range(100):
        detector.detach(f"w{i}")
    assert not detector._open
    assert not detector._cells["running"].any()


def test_slot_tables_lend_fresh_rows() -> None:
    table = SlotTable({"a": Column(int, 7), "b": Column(float, 0.5, 3)}, capacity=2)
    rows = [table.acquire() for _ in range(5)]
    assert len(set(rows)) == 5
    table["a"][rows[2]] = 1
    table["b"][rows[2]] = 1.0
    table.release(rows[2])
    assert table.acquire() == rows[2]
    assert table["a"][rows[2]] == 7
    assert table["b"][rows[2]].tolist() == [0.5] * 3


class Plain:
    """The rule for one device, one reading after the other, as one would say it aloud."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.stale = int((SIGNALS[rule.signal].stale_s or 0) * SECOND)
        self.sign = 1 if rule.side is Side.HIGH else -1
        self.times: list[int] = []
        self.fine: list[int] = []
        self.open = False
        self.last: int | None = None
        self.apart, self.steady = False, 0

    def take(self, value: float, when: int) -> str | None:
        pause = when - self.last if self.last is not None else BY_HAND_NS
        long, self.last = pause > self.stale, when
        seldom = self.apart and long
        self.steady = 0 if long else self.steady + 1
        self.apart = long or (self.apart and self.steady < 3)
        if long and not seldom:
            self.times = []
        beyond = (value - self.rule.limit) * self.sign >= 0
        back = (value - self.rule.clear) * self.sign <= 0
        self.times = [*self.times, when] if beyond else []
        self.fine = [*self.fine, when] if back and self.open else []
        lasts = len(self.times) >= 2 and when - self.times[0] >= self.rule.delay_s * SECOND
        if not self.open and (lasts or (self.times and seldom and pause >= BY_HAND_NS)):
            self.open, self.fine = True, []
            return "confirmed"
        if self.open and len(self.fine) >= 2 and when - self.fine[0] >= self.stale:
            self.open = False
            return "cleared"
        return None


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c"]),
            st.sampled_from([38.0, 39.0, 42.0, 46.0, 70.0, 125.0, 135.0, 140.0]),
            st.sampled_from([1, 3, 8, 14, 20, 20, 1900]),
            st.booleans(),
        ),
        max_size=120,
    )
)
def test_same_as_the_rule_said_aloud(plan: list[tuple[str, float, int, bool]]) -> None:
    detector = watching(a="li", b="wang", c=None)
    models = {(d, r.name): Plain(r) for d in "abc" for r in RULES if r.signal == "heart_rate"}
    clock: dict[str, int] = defaultdict(lambda: T0)
    expected, found = [], []
    for device, value, wait, stepping in plan:
        clock[device] += wait * SECOND
        when = clock[device]
        for (owner, name), model in models.items():
            phase = model.take(value, when) if owner == device else None
            if phase:
                expected.append((device, name, phase, when))
        detector.ingest([Reading(device, "heart_rate", value, when, when)])
        if stepping:
            found += detector.step(when)
    found += detector.step(at(10**6))
    said = [(f.devices[0], str(f.evidence["rule"]).split("/")[0], str(f.phase), f.at_ns) for f in found]
    assert sorted(said) == sorted(expected)
