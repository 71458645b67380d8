"""Learning a resident's sensitivity from outcomes: only within its bounds, and back at once when a fall says so."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.personal import FLOOR, LOW, MARGIN, NEEDED, NORMAL, WINDOW_NS, Judged, learned_sensitivity

NOW = 10**18
WRONG = Judged(NOW - 1, 0.6, was_fall=False)
BOUNDS = {"low_threshold": 0.7, "low_finds": 0.95, "now_ns": NOW}


def learn(judged: list[Judged], current: str = NORMAL, **more: object) -> str:
    return learned_sensitivity(judged, current=current, **{**BOUNDS, **more}).sensitivity  # type: ignore[arg-type]


def test_enough_false_alarms_that_low_would_not_raise_make_it_low() -> None:
    assert learn([WRONG] * NEEDED) == LOW
    assert learn([WRONG] * (NEEDED - 1)) == NORMAL
    assert learn([replace(WRONG, at_ns=NOW - WINDOW_NS - 1)] * NEEDED) == NORMAL
    assert learn([replace(WRONG, at_ns=NOW + 1)] * NEEDED) == NORMAL
    assert learn([WRONG] * 3 + [replace(WRONG, score=0.9)] * 2) == LOW
    assert learn([WRONG] * 3 + [replace(WRONG, score=0.9)] * 3) == NORMAL


def test_low_stays_when_the_alarms_have_stopped() -> None:
    assert learn([], LOW) == LOW


@pytest.mark.parametrize("current", [NORMAL, LOW])
def test_a_fall_that_low_would_miss_forbids_it(current: str) -> None:
    missed = Judged(NOW - 300 * WINDOW_NS, 0.7 + MARGIN - 0.01, was_fall=True)
    assert learn([WRONG] * 20 + [missed], current) == NORMAL
    assert learn([WRONG] * 20 + [replace(missed, score=0.7 + MARGIN)], current) == LOW


@pytest.mark.parametrize("finds", [None, FLOOR - 0.001])
def test_never_below_the_floor(finds: float | None) -> None:
    assert learn([WRONG] * 50, low_finds=finds) == NORMAL
    assert learn([WRONG] * 50, LOW, low_finds=finds) == NORMAL


def test_what_a_person_has_set_stays() -> None:
    assert learn([WRONG] * 50, "high") == "high"
    assert learned_sensitivity([], current="high", low_threshold=0, low_finds=1, now_ns=0).reason == "set by a person"


JUDGED = st.builds(Judged, st.integers(0, NOW), st.floats(0, 1), st.booleans())


@given(st.lists(JUDGED), st.sampled_from([NORMAL, LOW]), st.floats(0, 1), st.none() | st.floats(0, 1))
def test_whatever_happened_it_is_normal_or_low_and_low_only_within_the_bounds(
    judged: list[Judged], current: str, threshold: float, finds: float | None
) -> None:
    found = learned_sensitivity(judged, current=current, low_threshold=threshold, low_finds=finds, now_ns=NOW)
    assert found.sensitivity in {NORMAL, LOW}
    assert found.reason
    if found.sensitivity == LOW:
        assert finds is not None
        assert finds >= FLOOR
        assert all(one.score >= threshold + MARGIN for one in judged if one.was_fall)
        assert current == LOW or sum(not one.was_fall for one in judged) >= NEEDED
