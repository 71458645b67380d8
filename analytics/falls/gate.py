"""The cheap look at every sample, for the moments at which somebody could have hit the floor.

An impact is a sample of at least IMPACT_G that is the highest within a second to either side. So of any half of that
time only the highest sample can be one, and the gate keeps no more than one hit per written block; whether it stands
is settled once the second after it is known. No order of arrival enters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from analytics.cohort import Cohort, Written

    Indices = NDArray[np.int64]

IMPACT_G = 1.6
"""The softest of 1,300 recorded falls peaks at 1.63 g (SisFall, waist), at the wrist at 2.72 g (WEDA-FALL)."""
RANGE_SHARE = 0.9
"""A sensor that clips before IMPACT_G counts as hit from this share of its range."""
APART = 50
"""Samples to either side among which an impact is the highest: 1 s."""


def thresholds_squared(full_scale: NDArray[np.float32]) -> NDArray[np.float32]:
    """Square of the magnitude that counts as impact, for sensors of this range (NaN: unknown)."""
    lowest: NDArray[np.float32] = np.fmin(np.float32(IMPACT_G), np.float32(RANGE_SHARE) * full_scale) ** 2
    return lowest


def squared(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Squared length of (b, n, 3); -1 where missing."""
    x, y, z = values[..., 0], values[..., 1], values[..., 2]
    length = x * x
    length += y * y
    length += z * z
    missing = np.isnan(length)
    if missing.any():
        length[missing] = -1
    return length


def scan(written: Written, threshold: NDArray[np.float32]) -> tuple[Indices, Indices]:
    """Slots and indices of the hits among newly written cells; threshold: squared, one per row."""
    length = squared(written.values) if written.squared is None else written.squared
    slots, indices = [], []
    for start in range(0, length.shape[1], APART):
        part = length[:, start : start + APART]
        rows = np.flatnonzero(part.max(axis=1) >= threshold)
        column = part[rows].argmax(axis=1)
        slots.append(written.slots[rows])
        indices.append(written.first[rows] + start + column)
    return (np.concatenate(slots), np.concatenate(indices)) if slots else (np.empty(0, int), np.empty(0, int))


def stands(cohort: Cohort, slots: Indices, indices: Indices) -> NDArray[np.bool_]:
    """Which hits are the (first) highest sample within APART to either side."""
    around = squared(cohort.gather(slots, indices - APART, 2 * APART + 1))
    standing: NDArray[np.bool_] = (around.argmax(axis=1) == APART) & (around[:, APART] >= 0)
    return standing
