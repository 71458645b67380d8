"""Exact intervals against published and closed-form values."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics import intervals


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [
        (0, 10, 0.0, 0.3085),
        (1, 10, 0.0025, 0.4450),
        (5, 10, 0.1871, 0.8129),
        (10, 10, 0.6915, 1.0),
        (81, 263, 0.2527, 0.3676),
    ],
)
def test_clopper_pearson(hits: int, of: int, low: float, high: float) -> None:
    assert intervals.share(hits, of) == pytest.approx((low, high), abs=1e-4)


def test_ends_of_the_share_have_a_closed_form() -> None:
    assert intervals.share(0, 25)[1] == pytest.approx(1 - 0.025 ** (1 / 25))
    assert intervals.share(2000, 2000)[0] == pytest.approx(0.025 ** (1 / 2000))


@pytest.mark.parametrize(("events", "low", "high"), [(0, 0.0, 3.689), (1, 0.0253, 5.572), (10, 4.795, 18.39)])
def test_garwood(events: int, low: float, high: float) -> None:
    assert intervals.rate(events, 1.0) == pytest.approx((low, high), abs=1e-3)
    assert intervals.rate(events, 2.0) == pytest.approx((low / 2, high / 2), abs=1e-3)


def test_no_events_have_a_closed_form() -> None:
    assert intervals.rate(0, 1.0)[1] == pytest.approx(-math.log(0.025))


@given(of=st.integers(1, 3000), share=st.floats(0, 1))
def test_the_interval_is_what_the_binomial_says(of: int, share: float) -> None:
    hits = round(share * of)
    low, high = intervals.share(hits, of)
    assert 0 <= low <= hits / of <= high <= 1

    def at_least(k: int, p: float) -> float:
        terms = (math.lgamma(of + 1) - math.lgamma(i + 1) - math.lgamma(of - i + 1) for i in range(k, of + 1))
        logs = (t + i * math.log(p) + (of - i) * math.log1p(-p) for i, t in zip(range(k, of + 1), terms, strict=True))
        return math.fsum(map(math.exp, logs))

    if hits:
        assert at_least(hits, low) == pytest.approx(0.025, rel=1e-6)
    if hits < of:
        assert 1 - at_least(hits + 1, high) == pytest.approx(0.025, rel=1e-6)
