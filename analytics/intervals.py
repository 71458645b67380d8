"""Exact confidence intervals for shares and rates, without scipy.

Clopper and Pearson (1934) for a share: the quantiles of the beta distribution, found by bisection on its distribution
function (continued fraction of Lentz, as in Numerical Recipes, section 6.4). Garwood (1936) for a rate: bisection on
sums of the Poisson distribution.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIDENCE = 0.95
_TINY = 1e-300
_BISECTIONS = 80


def share(hits: int, of: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Interval of a share of `hits` among `of` >= 1, both ends 0 to 1."""
    tail = (1 - confidence) / 2
    low = 0.0 if hits == 0 else _solve(lambda p: incomplete_beta(p, hits, of - hits + 1), tail, 0.0, 1.0)
    high = 1.0 if hits == of else _solve(lambda p: incomplete_beta(p, hits + 1, of - hits), 1 - tail, 0.0, 1.0)
    return low, high


def rate(events: int, exposure: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Interval of events per unit of exposure (> 0), of which `events` were counted."""
    tail = (1 - confidence) / 2
    ceiling = 2 * events + 50.0
    low = 0.0 if events == 0 else _solve(lambda mean: 1 - _poisson(events - 1, mean), tail, 0.0, ceiling)
    high = _solve(lambda mean: 1 - _poisson(events, mean), 1 - tail, 0.0, ceiling)
    return low / exposure, high / exposure


def incomplete_beta(x: float, a: float, b: float) -> float:
    """The distribution function at 0 <= x <= 1 of the beta distribution with a, b > 0."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(1 - x, b, a)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(log_front) * _fraction(x, a, b) / a


def _fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of the incomplete beta function."""
    c, d = 1.0, 1 / _apart(1 - (a + b) * x / (a + 1))
    result = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        before = result
        for term in (even, odd):
            d = 1 / _apart(1 + term * d)
            c = _apart(1 + term / c)
            result *= c * d
        if abs(result - before) <= 1e-15 * abs(result):
            break
    return result


def _apart(value: float) -> float:
    """The value, kept from being zero."""
    return value if abs(value) > _TINY else _TINY


def _poisson(events: int, mean: float) -> float:
    """Probability of at most so many events."""
    if mean <= 0:
        return 1.0
    return math.fsum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(events + 1))


def _solve(rising: Callable[[float], float], wanted: float, low: float, high: float) -> float:
    """Where a rising function takes a value."""
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < wanted else (low, middle)
    return (low + high) / 2
