"""The report of one night: bed sensors fused, sleep by radar or movement, unknown stays absent."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from analytics.daily.night import BREAK_MIN, MINUTE_NS, Kept, NightReport, make_report, plain_report, report_from

START = 1_770_000_000 * 10**9
MINUTES = 16 * 60


def at(minute: float) -> int:
    return START + int(minute * MINUTE_NS)


def unknown() -> np.ndarray:
    return np.full(MINUTES, np.nan)


def kept(
    beds: list[tuple[float, str, bool]],
    states: list[tuple[float, str]] | None = None,
    **values: np.ndarray,
) -> Kept:
    names = ("movement", "heart_rate", "respiratory_rate", "spo2")
    return Kept(
        START,
        MINUTES,
        [(at(minute), device, inside) for minute, device, inside in beds],
        [(at(minute), word) for minute, word in states or []],
        *(values.get(name, unknown()) for name in names),
    )


USUAL = [(240.0, "pad", True), (400.0, "pad", False), (412.0, "pad", True), (700.0, "pad", False)]


def made(one: Kept) -> NightReport:
    report = make_report(one)
    assert report is not None
    return report


def test_bed_times_and_exits_without_any_knowledge_of_sleep() -> None:
    report = made(kept(USUAL))
    assert (report.from_ns, report.to_ns) == (at(240), at(700))
    assert (report.in_bed_min, report.exits, report.longest_exit_min) == (448, 1, 12)
    assert report.source == "none"
    assert report.asleep_min is report.efficiency is report.heart_rate is report.restless_share is None


def test_sleep_from_movement() -> None:
    movement = np.full(MINUTES, 1.0)
    movement[240:270] = 60.0
    movement[500:520] = 60.0
    report = made(kept(USUAL, movement=movement))
    assert report.source == "movement"
    assert report.latency_min is not None
    assert 28 <= report.latency_min <= 34
    assert report.awakenings == 2, "the time out of bed and the restless one"
    assert report.awake_min is not None
    assert 12 + 18 <= report.awake_min <= 12 + 26
    assert report.asleep_min is not None
    assert report.asleep_min == pytest.approx(448 - 30 - 20, abs=12)
    assert report.restless_share == pytest.approx(50 / 448, abs=0.001)


def test_the_radars_own_states_go_before_movement() -> None:
    states = [(240.0 + 10 * i, "awake" if i < 4 else "deep" if i % 3 else "light") for i in range(46)]
    report = made(kept(USUAL, states, movement=np.full(MINUTES, 90.0)))
    assert report.source == "radar"
    assert report.latency_min == 40
    assert report.asleep_min == 448 - 40


def test_states_that_are_too_few_do_not_count() -> None:
    report = made(kept(USUAL, [(300.0, "deep")], movement=np.full(MINUTES, 1.0)))
    assert report.source == "movement"


def test_without_a_bed_sensor_the_states_say_who_is_in_bed() -> None:
    states = [(200.0 + 10 * i, "light") for i in range(40)] + [(600.0, "none")]
    report = made(kept([], states))
    assert (report.from_ns, report.to_ns, report.exits) == (at(200), at(600), 0)


def test_two_sensors_of_one_bed_are_one_bed() -> None:
    beds = [(240.0, "pad", True), (245.0, "radar", True), (300.0, "radar", False), (330.0, "radar", True)]
    report = made(kept([*beds, (700.0, "radar", False), (702.0, "pad", False)]))
    assert report.exits == 0
    assert report.to_ns == at(702)


def test_a_nap_is_not_the_night_and_still_in_bed_is_said() -> None:
    beds = [(10.0, "pad", True), (80.0, "pad", False), (80.0 + BREAK_MIN + 60, "pad", True)]
    report = made(kept(beds))
    assert report.from_ns == at(260)
    assert report.to_ns is None
    assert report.in_bed_min == MINUTES - 260


def test_who_was_in_bed_before_the_span_is_in_bed_from_its_begin() -> None:
    report = made(kept([(-300.0, "pad", True), (500.0, "pad", False)]))
    assert report.from_ns == START
    assert report.in_bed_min == 500


@pytest.mark.parametrize("beds", [[], [(100.0, "pad", True), (150.0, "pad", False)], [(10.0, "pad", False)]])
def test_no_report_where_nobody_is_known_to_have_been_in_bed(beds: list[tuple[float, str, bool]]) -> None:
    assert make_report(kept(beds)) is None


def test_heart_breath_and_oxygen_only_of_the_time_in_bed() -> None:
    heart = np.full(MINUTES, 120.0)
    heart[240:700] = np.linspace(50, 70, 460)
    breath, oxygen = unknown(), unknown()
    breath[300:320] = 14.0
    oxygen[300:400] = 95.0
    oxygen[350] = 88.0
    report = made(kept(USUAL, heart_rate=heart, respiratory_rate=breath, spo2=oxygen))
    assert report.heart_rate == pytest.approx(60, abs=0.5)
    assert report.heart_rate_low == pytest.approx(52, abs=0.5)
    assert report.respiratory_rate is None, "twenty minutes say nothing of a night"
    assert (report.spo2, report.spo2_lowest) == (95.0, 88.0)


def test_what_the_gateway_has_computed_is_marked_where_a_number_is_told() -> None:
    night = replace(
        kept(USUAL, heart_rate=np.full(MINUTES, 60.0)), derived=frozenset({"heart_rate", "respiratory_rate"})
    )
    report = made(night)
    assert (report.heart_rate_derived, report.respiratory_rate_derived) == (True, False)
    assert not made(replace(night, derived=frozenset())).heart_rate_derived


def test_awake_all_night() -> None:
    report = made(kept(USUAL, movement=np.full(MINUTES, 90.0)))
    assert (report.asleep_min, report.efficiency, report.latency_min) == (0, 0.0, None)


def test_as_json_and_back() -> None:
    report = made(kept(USUAL, movement=np.full(MINUTES, 1.0)))
    plain = json.loads(json.dumps(plain_report(report)))
    assert report_from({**plain, "of_a_later_version": 1}) == report
    with pytest.raises(TypeError):
        report_from({"from_ns": 1})
