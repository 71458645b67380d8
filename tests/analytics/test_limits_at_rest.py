"""Limits that count at rest only, limits of spot measurements, and open findings taken over by a new detector."""

from __future__ import annotations

import numpy as np
import pytest
from analytics_scenes import T0, at, block, brief, event, feed, in_order, reading, series

from analytics.care import Care
from analytics.check import check_detector
from analytics.findings import Finding, Phase
from analytics.limit_table import Override
from analytics.limits import VitalLimits
from analytics.scenarios import Scenario
from device_drivers.observations import Observation, Samples


def watching(**devices: str | None) -> VitalLimits:
    detector = VitalLimits()
    for device, resident in devices.items():
        detector.attach(device, resident)
    return detector


def fast(begin: int, end: int, value: float = 150.0) -> list[Observation]:
    return [reading("w", "heart_rate", value, s) for s in range(begin, end)]


def walking(begin: int, end: int, cadence: float = 100.0, every: int = 20) -> list[Observation]:
    return [reading("w", "steps", 1000 + cadence * (s - begin) / 60, s) for s in range(begin, end, every)]


def shaking(begin: int, end: int, swing_g: float) -> list[Observation]:
    t = np.arange(50) / 50.0
    values = np.stack([swing_g * np.sin(12 * t), np.zeros(50), np.ones(50) + swing_g * np.sin(14 * t)], axis=1)
    return [block("w", s, values) for s in range(begin, end)]


def test_a_fast_heart_while_walking_begins_nothing() -> None:
    assert feed(watching(w="li"), in_order(walking(0, 300), fast(60, 300)), 310) == []


def test_it_counts_again_some_minutes_after_the_walk() -> None:
    found = feed(watching(w="li"), in_order(walking(0, 100), fast(40, 400)), 410)
    assert [(kind, phase) for kind, phase, _ in brief(found)] == [("heart_rate_high", "confirmed")]
    assert 80 + 180 + 60 <= brief(found)[0][2] <= 80 + 180 + 62


def test_slow_steps_are_no_exercise() -> None:
    found = feed(watching(w="li"), in_order(walking(0, 200, cadence=30), fast(60, 200)), 210)
    assert brief(found) == [("heart_rate_high", "confirmed", 120.0)]


def test_a_count_that_starts_again_or_comes_late_is_no_exercise() -> None:
    counts = [reading("w", "steps", n, s) for n, s in ((5000, 0), (0, 30), (None, 40), (900, 900))]
    found = feed(watching(w="li"), in_order(counts, fast(901, 1000)), 1010)
    assert brief(found) == [("heart_rate_high", "confirmed", 961.0)]


@pytest.mark.parametrize(("swing_g", "begins"), [(0.6, False), (0.05, True)])
def test_exercise_by_acceleration(swing_g: float, begins: bool) -> None:
    found = feed(watching(w="li"), in_order(shaking(0, 200, swing_g), fast(60, 200)), 210)
    assert bool(found) is begins


def test_a_short_movement_is_no_exercise() -> None:
    moved = [*shaking(0, 10, 0.6), *shaking(40, 50, 0.6), *shaking(55, 65, 0.6)]
    assert brief(feed(watching(w="li"), in_order(moved, fast(70, 200)), 210)) == [
        ("heart_rate_high", "confirmed", 130.0)
    ]


def test_odd_blocks_are_left_alone() -> None:
    bad = [
        Samples("w", "accel", np.zeros((0, 3), np.float32), 50.0, at(1), at(1)),
        Samples("w", "accel", np.zeros((5, 2), np.float32), 50.0, at(2), at(2)),
        Samples("w", "accel", np.full((5, 3), np.nan, np.float32), 50.0, at(3), at(3)),
        Samples("w", "accel", np.zeros((5, 3), np.float32), 50.0, -5, at(3)),
    ]
    assert brief(feed(watching(w="li"), in_order(bad, fast(60, 200)), 210)) == [("heart_rate_high", "confirmed", 120.0)]


def test_exercise_does_not_hide_a_slow_heart_nor_end_an_open_finding() -> None:
    slow = [reading("w", "heart_rate", 36.0, s) for s in range(60, 200)]
    assert brief(feed(watching(w="li"), in_order(walking(0, 200), slow), 210)) == [
        ("heart_rate_low", "confirmed", 90.0)
    ]
    found = feed(watching(w="li"), in_order(fast(0, 300), walking(100, 300)), 310)
    assert brief(found) == [("heart_rate_high", "confirmed", 60.0)]


def test_the_exercise_of_one_device_counts_for_the_resident_and_for_nobody_else() -> None:
    obs = in_order(walking(0, 300), [reading("r", "heart_rate", 150.0, s + 0.5) for s in range(60, 300)])
    assert feed(watching(w="li", r="li"), obs, 310) == []
    assert [f.devices for f in feed(watching(w="li", r="wang"), obs, 310)] == [("r",)]


def test_a_slot_given_back_knows_nothing_of_exercise() -> None:
    detector = watching(w="li")
    feed(detector, walking(0, 100), 100)
    detector.detach("w")
    detector.attach("w", "li")
    found = feed(detector, fast(110, 200), 210)
    assert brief(found) == [("heart_rate_high", "confirmed", 170.0)]


def test_exercise_keeps_the_contract() -> None:
    obs = in_order(walking(0, 60), shaking(70, 90, 0.6), fast(30, 400, 140.0), [event("w", "worn", value=True, s=5)])
    scenario = Scenario("exercise", {"w": "li"}, obs, T0, at(410), frozenset({"heart_rate_high"}))
    check_detector(VitalLimits, scenario)


def test_one_measurement_by_hand_is_enough_and_the_next_good_one_ends_it() -> None:
    spots = series("cuff", "systolic_pressure", [(0, 120.0), (3600, 185.0), (7200, 172.0), (9000, 168.0)])
    found = feed(watching(cuff="li"), spots, 10_000, 100)
    assert brief(found) == [
        ("blood_pressure_high", "confirmed", 3600.0),
        ("blood_pressure_high", "cleared", 9000.0),
    ]
    assert found[0].confidence == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("signal", "value", "kind"),
    [
        ("systolic_pressure", 90.0, "blood_pressure_low"),
        ("diastolic_pressure", 110.0, "blood_pressure_high"),
        ("blood_glucose", 3.9, "glucose_low"),
        ("blood_glucose", 16.7, "glucose_high"),
        ("fasting_glucose", 13.9, "glucose_high"),
        ("fasting_glucose", 3.5, "glucose_low"),
        ("systolic_pressure", 91.0, None),
        ("blood_glucose", 16.6, None),
    ],
)
def test_what_a_single_measurement_says(signal: str, value: float, kind: str | None) -> None:
    found = feed(watching(m="li"), [reading("m", signal, value, 5)], 10)
    assert [f.kind for f in found] == ([kind] if kind else [])


def low_oxygen(value: float) -> list[Observation]:
    return [reading("w", "spo2", value, s) for s in range(0, 400, 2)]


def test_oxygen_on_the_second_scale() -> None:
    detector = watching(w="li")
    assert [f.kind for f in feed(detector, low_oxygen(88.0), 400)] == ["spo2_low"]
    for on_oxygen, value, kinds in (
        (False, 88.0, []),
        (False, 83.0, ["spo2_low"]),
        (False, 98.0, []),
        (True, 98.0, ["spo2_high"]),
    ):
        detector = watching(w="li")
        detector.set_care("li", Care(spo2_scale=2, on_oxygen=on_oxygen))
        assert [f.kind for f in feed(detector, low_oxygen(value), 400)] == kinds
    own = Care(spo2_scale=2, limits={"spo2_low": Override(limit=80)})
    detector = watching(w="li")
    detector.set_care("li", own)
    assert feed(detector, low_oxygen(83.0), 400) == []


def test_a_new_detector_takes_an_open_finding_over() -> None:
    first = watching(w="li")
    (begun,) = feed(first, fast(0, 100), 100)
    second = watching(w="li")
    assert second.resume(begun, at(100))
    assert second.resume(begun, at(100))
    found = feed(second, in_order(fast(101, 200), fast(200, 300, 80.0)), 310)
    assert [(f.episode, str(f.phase), f.at_ns) for f in found] == [(begun.episode, "cleared", at(215))]
    (again,) = feed(second, fast(400, 500), 500)
    assert again.episode != begun.episode


def test_a_taken_over_finding_is_closed_by_a_person_or_by_switching_off() -> None:
    odd = Finding(
        "of an older version", "heart_rate_high", "li", at(0), Phase.CONFIRMED, 0.9, ("w",),
        {"rule": "heart_rate_high/1"},
    )  # fmt: skip
    detector = watching(w="li")
    assert detector.resume(odd, at(0))
    detector.close(odd.episode)
    assert feed(detector, fast(1, 30, 80.0), 30) == []
    assert detector.resume(odd, at(40))
    detector.set_limits("li", {"heart_rate_high": Override(enabled=False)})
    assert [(f.episode, str(f.phase)) for f in detector.step(at(50))] == [(odd.episode, "cleared")]


@pytest.mark.parametrize(
    ("kind", "resident", "rule"),
    [
        ("heart_rate_high", "wang", "heart_rate_high/1"),
        ("fall", "li", "heart_rate_high/1"),
        ("heart_rate_high", "li", "x/1"),
    ],
)
def test_what_is_not_ours_is_not_taken_over(kind: str, resident: str, rule: str) -> None:
    other = Finding("e", kind, resident, at(0), Phase.CONFIRMED, 0.9, ("w",), {"rule": rule})
    assert not watching(w="li").resume(other, at(1))
