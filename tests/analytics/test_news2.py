"""NEWS2: every boundary of every part from the chart, both SpO2 scales, all combinations of points, and over time."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from analytics_scenes import T0, at, event, feed, in_order, reading

from analytics.care import Care
from analytics.check import check_detector
from analytics.findings import Finding, Phase
from analytics.scenarios import Scenario
from analytics.vitals.news2_table import ACVPU, BANDS, PARTS, Level, Parts, points_of, score
from analytics.vitals.watch import VitalWatch
from device_drivers.observations import Observation

# (value, points) on both sides of every boundary, written down from chart 1 by hand, not from the table of the module
CHART: dict[str, list[tuple[float, int]]] = {
    "respiratory_rate": [(1, 3), (8, 3), (9, 1), (11, 1), (12, 0), (20, 0), (21, 2), (24, 2), (25, 3), (60, 3)],
    "spo2_scale_1": [(50, 3), (91, 3), (92, 2), (93, 2), (94, 1), (95, 1), (96, 0), (100, 0)],
    "spo2_scale_2_air": [(50, 3), (83, 3), (84, 2), (85, 2), (86, 1), (87, 1), (88, 0), (92, 0), (93, 0), (100, 0)],
    "spo2_scale_2_oxygen": [
        *((50, 3), (83, 3), (84, 2), (85, 2), (86, 1), (87, 1), (88, 0), (92, 0)),
        *((93, 1), (94, 1), (95, 2), (96, 2), (97, 3), (100, 3)),
    ],
    "systolic_pressure": [
        *((40, 3), (90, 3), (91, 2), (100, 2), (101, 1), (110, 1), (111, 0), (219, 0), (220, 3), (300, 3)),
    ],
    "heart_rate": [
        *((20, 3), (40, 3), (41, 1), (50, 1), (51, 0), (90, 0), (91, 1), (110, 1), (111, 2), (130, 2), (131, 3)),
    ],
    "body_temperature": [
        *((30.0, 3), (35.0, 3), (35.1, 1), (36.0, 1), (36.1, 0), (38.0, 0), (38.1, 1), (39.0, 1), (39.1, 2), (42.0, 2)),
    ],
}  # fmt: skip
UNIT = {"body_temperature": 0.1}


@pytest.mark.parametrize("name", sorted(CHART))
def test_every_boundary_of_the_chart(name: str) -> None:
    values, points = np.array(CHART[name], dtype=np.float64).T
    assert points_of(name, values).tolist() == points.tolist()


def test_the_chart_names_every_band() -> None:
    assert set(CHART) == set(BANDS)
    for name, bands in BANDS.items():
        for band in bands[:-1]:
            step = UNIT.get(name, 1)
            beside = {round(value, 1) for value, _ in CHART[name]}
            assert round(band.upto, 1) in beside, (name, band)
            assert round(band.upto + step, 1) in beside, (name, band)


@pytest.mark.parametrize(
    ("name", "value", "points"),
    [
        ("heart_rate", 40.49, 3), ("heart_rate", 40.5, 1), ("heart_rate", 90.4999, 0), ("heart_rate", 90.5, 1),
        ("respiratory_rate", 24.5, 3), ("spo2_scale_1", 95.5, 0), ("spo2_scale_1", 95.4, 1),
        ("body_temperature", 38.04, 0), ("body_temperature", 38.05, 1), ("body_temperature", 35.049, 3),
        ("body_temperature", 39.05, 2), ("systolic_pressure", 219.5, 3),
    ],
)  # fmt: skip
def test_values_between_are_rounded_first(name: str, value: float, points: int) -> None:
    assert points_of(name, np.array([value])).tolist() == [points]


def test_unknown_scores_nothing() -> None:
    for name in BANDS:
        assert math.isnan(points_of(name, np.array([math.nan]))[0])


# one value for every number of points that a part can have
CHOICES: dict[str, dict[int, float]] = {
    "respiratory_rate": {0: 16, 1: 10, 2: 22, 3: 30},
    "spo2": {0: 98, 1: 95, 2: 93, 3: 85},
    "systolic_pressure": {0: 130, 1: 105, 2: 95, 3: 80},
    "heart_rate": {0: 70, 1: 100, 2: 120, 3: 140},
    "body_temperature": {0: 37.0, 1: 38.5, 2: 39.5, 3: 34.0},
    "consciousness": {0: 0, 3: 1},
    "oxygen": {0: 0, 2: 1},
}


def parts(columns: dict[str, np.ndarray], scale_2: bool = False) -> Parts:
    n = len(columns["oxygen"])
    plain = {name: columns[name].astype(np.float64) for name in CHOICES if name != "oxygen"}
    return Parts(**plain, oxygen=columns["oxygen"].astype(bool), scale_2=np.full(n, scale_2))


def test_all_combinations_of_points_add_up_to_total_and_level() -> None:
    names = list(CHOICES)
    combinations = list(itertools.product(*(CHOICES[name] for name in names)))
    assert len(combinations) == 4**5 * 4
    columns = {name: np.array([CHOICES[name][points[i]] for points in combinations]) for i, name in enumerate(names)}
    found = score(parts(columns))
    assert found.total.tolist() == [sum(points) for points in combinations]
    for points, level in zip(combinations, found.level.tolist(), strict=True):
        total = sum(points)
        expected = (
            Level.HIGH if total >= 7
            else Level.MEDIUM if total >= 5
            else Level.SINGLE if 3 in points
            else Level.LOW if total else Level.NONE
        )  # fmt: skip
        assert level == expected, (points, level)
    assert not found.missing.any()


@pytest.mark.parametrize("word", ACVPU)
def test_everything_but_alert_scores_three(word: str) -> None:
    columns = {name: np.array([values[0]]) for name, values in CHOICES.items()}
    columns["consciousness"] = np.array([ACVPU.index(word)])
    assert score(parts(columns)).total[0] == (0 if word == "alert" else 3)


@pytest.mark.parametrize(("scale_2", "oxygen", "spo2", "total"), [
    (False, False, 93, 2), (True, False, 93, 0), (True, True, 93, 3), (False, True, 93, 4),
    (True, False, 99, 0), (True, True, 99, 5), (False, True, 99, 2), (True, True, 88, 2), (False, False, 88, 3),
])  # fmt: skip
def test_scale_and_oxygen_together(scale_2: bool, oxygen: bool, spo2: float, total: int) -> None:
    columns = {name: np.array([values[0]]) for name, values in CHOICES.items()}
    columns |= {"spo2": np.array([spo2]), "oxygen": np.array([int(oxygen)])}
    assert score(parts(columns, scale_2)).total[0] == total


@pytest.mark.parametrize("gone", [name for name in CHOICES if name != "oxygen"])
def test_a_missing_part_is_said_and_never_assumed(gone: str) -> None:
    columns = {name: np.array([values[3 if 3 in values else 2]]) for name, values in CHOICES.items()}
    full = score(parts(columns))
    columns[gone] = np.array([math.nan])
    found = score(parts(columns))
    assert found.total[0] == full.total[0] - 3
    assert [name for name, missing in zip(PARTS, found.missing[0], strict=True) if missing] == [gone]


def ill(begin: float, end: float, **values: float) -> list[Observation]:
    """Readings every 10 s of what a watch gives."""
    return [
        reading("watch", signal, value + (s % 20 > 5) * 0.4 * (signal in {"heart_rate", "respiratory_rate"}), s)
        for s in np.arange(begin, end, 10.0).tolist()
        for signal, value in values.items()
    ]


def watched() -> VitalWatch:
    watch = VitalWatch()
    watch.attach("watch", "li")
    return watch


def scores(found: list[Finding]) -> list[tuple[str, str, float]]:
    return [(f.kind, str(f.phase), (f.at_ns - T0) / 60e9) for f in found]


WELL = {"heart_rate": 70.0, "respiratory_rate": 16.0, "spo2": 97.0}
WORSE = {"heart_rate": 112.0, "respiratory_rate": 22.0, "spo2": 95.0}
BAD = {"heart_rate": 112.0, "respiratory_rate": 22.0, "spo2": 91.0}


def test_a_medium_and_a_high_score_begin_and_end() -> None:
    course = [*ill(0, 600, **WELL), *ill(600, 1800, **WORSE), *ill(1800, 3000, **BAD), *ill(3000, 5400, **WELL)]
    found = feed(watched(), course, 5400, 10)
    assert scores(found) == [
        ("news2_medium", "confirmed", 15.0),
        ("news2_high", "confirmed", 35.0),
        ("news2_high", "cleared", 65.0),
        ("news2_medium", "cleared", 65.0),
    ]
    said = found[1].evidence
    assert said["score"] == 7
    assert said["level"] == "high"
    assert said["missing"] == "systolic_pressure, consciousness, body_temperature"
    assert (said["spo2"], said["spo2_points"], said["spo2_age_min"]) == (91.0, 3, 0)
    assert "systolic_pressure_points" not in said
    assert found[1].confidence == pytest.approx(4 / 7, abs=0.01)
    assert found[1].devices == ("watch",)
    assert found[0].episode == found[3].episode


def test_a_short_peak_is_not_told() -> None:
    course = [*ill(0, 600, **WELL), *ill(600, 840, **BAD), *ill(840, 2400, **WELL)]
    assert feed(watched(), course, 2400, 10) == []


def test_the_trend_is_the_score_an_hour_ago() -> None:
    course = [*ill(0, 4200, **WELL), *ill(4200, 5400, **BAD)]
    (found,) = feed(watched(), course, 5400, 10)
    assert found.evidence["score_an_hour_ago"] == 0
    assert found.evidence["score"] == 7


def test_parts_age_away() -> None:
    fever = [reading("watch", "body_temperature", 39.5, 5), reading("watch", "systolic_pressure", 95.0, 6)]
    course = in_order(fever, ill(0, 1200, heart_rate=70.0), ill(1200, 13 * 3600, heart_rate=95.0))
    found = feed(watched(), course, 13 * 3600, 60)
    assert scores(found)[0] == ("news2_medium", "confirmed", 25.0)
    kind, phase, minute = scores(found)[-1]
    assert (kind, phase) == ("news2_medium", "cleared")
    assert 12 * 60 + 10 <= minute <= 12 * 60 + 17


def test_new_confusion_alone_is_told_and_an_unknown_word_is_unknown() -> None:
    words = [event("watch", "consciousness", "confusion", 65), event("watch", "consciousness", None, 1800)]
    found = feed(watched(), in_order(words, ill(0, 4000, **WELL)), 4000, 10)
    assert scores(found)[0] == ("news2_single", "confirmed", 6.0)
    for word, ended in (("alert", True), ("asleep", True)):
        later = [*words[:1], event("watch", "consciousness", word, 1800)]
        found = feed(watched(), in_order(later, ill(0, 4000, **WELL)), 4000, 10)
        assert (scores(found)[-1][:2] == ("news2_single", "cleared")) is ended


def test_scale_2_and_oxygen_come_from_the_settings() -> None:
    course = ill(0, 900, heart_rate=100.0, respiratory_rate=21.0, spo2=93.0)
    assert [f.kind for f in feed(watched(), course, 900, 10)] == ["news2_medium"]
    for care, kinds in ((Care(spo2_scale=2), []), (Care(spo2_scale=2, on_oxygen=True), ["news2_medium"])):
        watch = watched()
        watch.set_care("li", care)
        assert [f.kind for f in feed(watch, course, 900, 10)] == kinds
        early = VitalWatch()
        early.set_care("li", care)
        early.attach("watch", "li")
        assert [f.kind for f in feed(early, course, 900, 10)] == kinds


def test_nobodys_device_is_not_scored() -> None:
    watch = VitalWatch()
    watch.attach("watch", None)
    assert feed(watch, ill(0, 900, **BAD), 900, 10) == []


def test_a_person_closes_it_and_it_begins_anew_when_it_goes_on() -> None:
    watch = watched()
    (first,) = feed(watch, ill(0, 600, **BAD), 600, 10)
    watch.close("something else")
    watch.close(first.episode)
    later: list[Finding] = []
    for s in range(600, 1200, 10):
        watch.ingest(ill(s, s + 10, **BAD))
        later += watch.step(at(s + 10))
    assert [f.kind for f in later] == ["news2_high"]
    assert later[0].episode != first.episode


def test_what_is_open_from_before_does_not_begin_twice() -> None:
    (first,) = feed(watched(), ill(0, 600, **BAD), 600, 10)
    watch = watched()
    assert watch.resume(first, at(0))
    found = feed(watch, [*ill(0, 600, **BAD), *ill(600, 2400, **WELL)], 2400, 10)
    assert [(f.episode, str(f.phase)) for f in found] == [(first.episode, "cleared")]
    for kind, resident in (("news2_high", "wang"), ("fall", "li"), ("signal_poor", "li")):
        assert not watch.resume(Finding("e", kind, resident, 0, Phase.CONFIRMED, 1.0, ("watch",)), at(0))


def test_news2_keeps_the_contract() -> None:
    course = in_order(
        ill(0, 600, **WELL), ill(600, 1500, **BAD), ill(1500, 3300, **WELL),
        [event("cuff", "consciousness", "voice", 700), reading("cuff", "systolic_pressure", 95.0, 650)],
        [reading("radar", "heart_rate", 110.0 + s % 3, s + 0.5) for s in range(0, 3300, 6)],
    )  # fmt: skip
    scenario = Scenario(
        "worse and better",
        {"watch": "li", "cuff": "li", "radar": "li"},
        course,
        T0,
        at(3300),
        frozenset({"news2_high", "news2_single"}),
        step_s=60.0,
    )
    check_detector(VitalWatch, scenario)
