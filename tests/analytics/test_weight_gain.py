"""Weight gained too fast by somebody with heart failure."""

from __future__ import annotations

import pytest
from analytics_scenes import T0, at, reading

from analytics.care import Care
from analytics.check import CHECKS
from analytics.findings import Finding
from analytics.scenarios import Scenario
from analytics.vitals.weight import OTHER_PERSON_KG, WeightGain
from device_drivers.observations import Quality

DAY = 86_400


def weighed(*weights: tuple[float, float]) -> tuple[WeightGain, list[Finding]]:
    """Weights as (day, kg)."""
    detector = WeightGain()
    detector.attach("scale", "li")
    detector.set_care("li", Care(heart_failure=True))
    detector.ingest([reading("scale", "body_weight", kg, day * DAY) for day, kg in weights])
    return detector, detector.step(at(100 * DAY))


@pytest.mark.parametrize(
    ("weights", "rule"),
    [
        ([(0, 70.0), (1, 70.8), (2, 72.1)], "weight_gain_3d/1"),
        ([(0, 70.0), (1, 71.0), (2, 72.0)], None),
        ([(0, 70.0), (2, 71.0), (4, 72.0), (6, 72.6)], "weight_gain_7d/1"),
        ([(0, 70.0), (4, 71.0), (9, 72.4), (16, 73.4)], None),
        ([(0, 72.0), (1, 69.0), (2, 71.5)], "weight_gain_3d/1"),
    ],
)
def test_what_is_too_fast(weights: list[tuple[float, float]], rule: str | None) -> None:
    _, found = weighed(*weights)
    assert [f.evidence["rule"] for f in found] == ([rule] if rule else [])


def test_it_says_how_much_and_ends_when_the_water_has_gone() -> None:
    _, found = weighed((0, 70.0), (1, 72.5), (2, 72.6), (3, 71.0))
    assert [(str(f.phase), f.at_ns) for f in found] == [("confirmed", at(DAY)), ("cleared", at(3 * DAY))]
    assert found[0].evidence["gained_kg"] == 2.5
    assert found[0].kind == "weight_gain"
    assert found[0].episode == found[1].episode


def test_only_with_heart_failure() -> None:
    detector = WeightGain()
    detector.attach("scale", "li")
    detector.attach("scale", "li")
    detector.ingest([reading("scale", "body_weight", kg, day * DAY) for day, kg in ((0, 70.0), (1, 73.0))])
    assert detector.step(at(DAY)) == []
    detector.set_care("li", Care(heart_failure=True))
    detector.set_care("li", Care())
    detector.ingest([reading("scale", "body_weight", 74.0, 2 * DAY)])
    assert detector.step(at(3 * DAY)) == []


def test_somebody_else_on_the_scale_is_not_taken_until_it_stays_so() -> None:
    other = 70.0 + OTHER_PERSON_KG + 1
    detector, found = weighed((0, 70.0), (0.5, other), (1, 70.5))
    assert found == []
    assert detector.strangers == 1
    detector, found = weighed((0, 70.0), (1, other), (2, other), (3, other), (4, other + 2.2))
    assert [f.at_ns for f in found] == [at(4 * DAY)]


def test_after_a_person_has_resolved_it_the_gain_is_counted_anew() -> None:
    detector, (begun,) = weighed((0, 70.0), (1, 73.0))
    detector.close("other")
    detector.close(begun.episode)
    detector.ingest([reading("scale", "body_weight", 73.5, 2 * DAY), reading("scale", "body_weight", 76.0, 3 * DAY)])
    (again,) = detector.step(at(4 * DAY))
    assert again.episode != begun.episode


def test_doubtful_absent_and_old_weights_do_not_count() -> None:
    detector, _ = weighed((5, 70.0))
    detector.ingest(
        [
            reading("scale", "body_weight", 74.0, 6 * DAY, Quality.POOR),
            reading("scale", "body_weight", None, 6 * DAY),
            reading("scale", "body_weight", 50.0, 2 * DAY),
            reading("strange", "body_weight", 74.0, 6 * DAY),
            reading("scale", "body_height", 174.0, 6 * DAY),
            reading("scale", "body_weight", 71.0, 7 * DAY),
        ]
    )
    assert detector.step(at(8 * DAY)) == []


def test_a_detached_scale_forgets() -> None:
    detector, _ = weighed((0, 70.0))
    detector.detach("scale")
    detector.detach("scale")
    detector.attach("scale", "li")
    detector.ingest([reading("scale", "body_weight", 73.0, DAY)])
    assert detector.step(at(2 * DAY)) == []


def make() -> WeightGain:
    detector = WeightGain()
    for who in ("li", "decoy-li", "new-li"):
        detector.set_care(who, Care(heart_failure=True))
    return detector


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: str(check.__name__))
def test_contract(check: object) -> None:
    weights = [(i * 600, 70.0 + (3.0 if 20 <= i < 40 else 0.0) + 0.1 * (i % 5)) for i in range(60)]
    observations = tuple(reading("scale", "body_weight", kg, s) for s, kg in weights)
    scenario = Scenario(
        "weights", {"scale": "li"}, observations, T0, at(36_000), frozenset({"weight_gain"}), step_s=120.0
    )
    check(make, scenario)  # type: ignore[operator]
