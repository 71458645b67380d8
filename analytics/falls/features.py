"""Numbers that describe the five seconds around an impact, the same however the sensor is turned or worn.

Everything is made from magnitudes, from angles between directions and from spreads, so that neither the wear site nor
the way the watch sits enters. Acceleration is first averaged over 100 ms: sharper detail differs between recorders
(rate, interpolation, mounting) more than between falls and daily life. Axes are limited to the smallest range in use
(+-4 g), so that a sensor of a wider range gives the same numbers.

Missing samples (NaN) are left out of each number; a number for which nothing is left is NaN, and the model says what
it puts in its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

RATE_HZ = 50
BEFORE = 150
"""Samples before the impact in a window: 3 s."""
AFTER = 100
"""Samples after it: 2 s."""
WIDTH = BEFORE + 1 + AFTER
AXIS_LIMIT_G = 4.0
SMOOTHING = 5
"""Samples of the moving average: 100 ms."""

NAMES = (
    "peak",
    "peak_smooth",
    "dip",
    "low_ms",
    "deficit",
    "dip_lead",
    "rise",
    "high_ms",
    "burst",
    "burst_wide",
    "balance",
    "before_spread",
    "before_max",
    "before_turning",
    "during_turning",
    "after_turning",
    "after_spread",
    "after_wobble",
    "after_max",
    "after_level",
    "after_quietest",
    "after_calm",
    "late_wobble",
    "tilt",
    "tilt_late",
    "shift",
    "calming",
)
"""Column names of `describe`, in order."""


def _part(start_s: float, end_s: float) -> slice:
    """Columns of a window from `start_s` to `end_s`, seconds from the impact, both ends included."""
    return slice(BEFORE + round(start_s * RATE_HZ), BEFORE + round(end_s * RATE_HZ) + 1)


def smooth(accel: Floats) -> Floats:
    """Moving average over SMOOTHING samples along axis 1 of (n, samples, 3); NaN where half of them are missing."""
    half = SMOOTHING // 2
    known = np.isfinite(accel)
    padded = np.pad(np.where(known, accel, 0), ((0, 0), (half, half), (0, 0)))
    counts = np.pad(known, ((0, 0), (half, half), (0, 0)))
    length = accel.shape[1]
    total = sum(padded[:, k : k + length] for k in range(SMOOTHING))
    number = sum(counts[:, k : k + length].astype(np.float32) for k in range(SMOOTHING))
    return np.where(number > half, total / np.maximum(number, 1), np.nan).astype(np.float32)


def describe(windows: Floats) -> Floats:
    """The features of (n, WIDTH, 3) windows in g at 50 Hz, impact in column BEFORE: float32 (n, len(NAMES))."""
    limited = np.clip(windows, -AXIS_LIMIT_G, AXIS_LIMIT_G)
    soft = smooth(limited)
    sharp_m, m = norm(limited), norm(soft)
    turning = angles(soft[:, 1:], soft[:, :-1])
    early, late, last = mean(soft[:, _part(-3, -1)]), mean(soft[:, _part(1, 2)]), mean(soft[:, _part(1.5, 2)])
    before, after = m[:, _part(-3, -1)], m[:, _part(0.7, 2)]
    lead = m[:, _part(-1, 0)]
    columns = (
        highest(sharp_m[:, _part(-0.2, 0.2)]),
        highest(m[:, _part(-0.5, 0.5)]),
        lowest(lead),
        total(lead < 0.7, lead) * (1000 / RATE_HZ),
        total(np.maximum(0, 1 - lead), lead) / RATE_HZ,
        _lead_time(lead),
        highest(norm(np.diff(soft[:, _part(-0.3, 0.3)], axis=1))),
        total(sharp_m[:, _part(-0.5, 0.5)] > 1.5, sharp_m[:, _part(-0.5, 0.5)]) * (1000 / RATE_HZ),
        energy(m[:, _part(-0.3, 0.3)]),
        energy(m[:, _part(-1, 1)]),
        np.log((energy(m[:, _part(0.1, 1)]) + 1e-3) / (energy(m[:, _part(-1, -0.1)]) + 1e-3)),
        spread(before),
        highest(before),
        total(turning[:, _part(-3, -1)], turning[:, _part(-3, -1)]),
        total(turning[:, _part(-1, 0.7)], turning[:, _part(-1, 0.7)]),
        total(turning[:, BEFORE + 35 :], turning[:, BEFORE + 35 :]),
        spread(after),
        wobble(soft[:, _part(0.7, 2)]),
        highest(after),
        np.abs(mean(after) - 1),
        _quietest(soft[:, _part(0.5, 2)]),
        total(np.abs(after - 1) < 0.1, after) / after.shape[1],
        wobble(soft[:, _part(1.4, 2)]),
        angles(early, late),
        angles(mean(soft[:, _part(-1.5, -0.7)]), last),
        norm(late - early),
        np.log((wobble(soft[:, _part(1, 2)]) + 1e-2) / (wobble(soft[:, _part(-3, -1)]) + 1e-2)),
    )
    return np.column_stack(columns).astype(np.float32)


def norm(vectors: Floats) -> Floats:
    """Length along the last axis."""
    lengths: Floats = np.sqrt(np.einsum("...i,...i->...", vectors, vectors))
    return lengths


def mean(values: Floats) -> Floats:
    """Mean along axis 1 over what is known; NaN where nothing is."""
    known = np.isfinite(values)
    number = known.sum(axis=1)
    summed = np.where(known, values, 0).sum(axis=1)
    return np.where(number > 0, summed / np.maximum(number, 1), np.nan)


def spread(values: Floats) -> Floats:
    """Standard deviation along axis 1 over what is known."""
    return np.sqrt(mean((values - mean(values)[:, None]) ** 2))


def wobble(vectors: Floats) -> Floats:
    """Root mean square distance of (n, samples, 3) from their mean direction and size."""
    return np.sqrt(mean(((vectors - mean(vectors)[:, None]) ** 2).sum(axis=2)))


def energy(magnitudes: Floats) -> Floats:
    """Mean square departure from 1 g."""
    return mean((magnitudes - 1) ** 2)


def highest(values: Floats) -> Floats:
    """Maximum along axis 1 over what is known."""
    found = np.where(np.isfinite(values), values, -np.inf).max(axis=1)
    return np.where(np.isfinite(found), found, np.nan)


def lowest(values: Floats) -> Floats:
    """Minimum along axis 1 over what is known."""
    return -highest(-values)


def total(values: NDArray[np.generic], known_by: Floats) -> Floats:
    """Sum along axis 1 over what is known, scaled up to the full length."""
    summed: Floats = mean(np.where(np.isfinite(known_by), values, np.nan).astype(np.float32)) * values.shape[1]
    return summed


def angles(first: Floats, second: Floats) -> Floats:
    """Angle between directions along the last axis, degrees."""
    across = norm(np.cross(first, second))
    along = np.einsum("...i,...i->...", first, second)
    degrees: Floats = np.rad2deg(np.arctan2(across, along))
    return degrees


def _lead_time(lead: Floats) -> Floats:
    """Milliseconds from the deepest dip to the impact."""
    filled = np.where(np.isfinite(lead), lead, np.inf)
    samples: NDArray[np.int64] = lead.shape[1] - 1 - filled.argmin(axis=1)
    return samples.astype(np.float32) * (1000 / RATE_HZ)


def _quietest(soft: Floats) -> Floats:
    """The smallest wobble of any half second, looked at every 0.1 s."""
    half = RATE_HZ // 2
    starts = range(0, soft.shape[1] - half + 1, RATE_HZ // 10)
    return lowest(np.column_stack([wobble(soft[:, start : start + half]) for start in starts]))
