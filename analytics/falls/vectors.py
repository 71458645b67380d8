"""Vectors with holes: what is not known is NaN, and every number is made of what is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

SMOOTHING = 5
"""Samples of the moving average: 100 ms at 50 Hz."""


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


def wobble(vectors: Floats) -> Floats:
    """Root mean square distance of (n, samples, 3) from their mean direction and size."""
    return np.sqrt(mean(((vectors - mean(vectors)[:, None]) ** 2).sum(axis=2)))


def angles(first: Floats, second: Floats) -> Floats:
    """Angle between directions along the last axis, degrees."""
    across = norm(np.cross(first, second))
    along = np.einsum("...i,...i->...", first, second)
    degrees: Floats = np.rad2deg(np.arctan2(across, along))
    return degrees
