"""Sets blocks of samples of any rate on the canonical 50 Hz, many streams in one pass.

Rates above 75 Hz are first averaged over one canonical period around each sample (a symmetric window: no delay, and
little of what would alias is left), then everything is interpolated linearly between its neighbours in time. A block
that already lies on the grid passes unchanged. What is needed of the past is carried by the caller, so the result
does not depend on where blocks were cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE_HZ = 50
STEP_NS = 1_000_000_000 // RATE_HZ
"""Nanoseconds between two canonical samples."""
AVERAGE_ABOVE_HZ = 75.0
LOWEST_HZ, HIGHEST_HZ = 5.0, 1000.0
"""Rates outside are refused: below, a fall is two samples; above, it is no wearable."""
BRIDGE_NS = 250_000_000
"""The longest gap that is interpolated."""
SNAP_NS = 1_000_000
"""A 50 Hz block this near to the grid counts as on it."""
_WEIGHT_STEPS = float(2**20)
"""Weights are rounded to this so that rounding of stamps to nanoseconds cannot show in the result."""


def reach(rate_hz: float) -> int:
    """Samples that averaging needs on either side; 0 where the rate is not averaged."""
    return int(np.ceil(rate_hz / (2 * RATE_HZ) - 0.5)) if rate_hz > AVERAGE_ABOVE_HZ else 0


def average(values: NDArray[np.float32], rate_hz: float) -> NDArray[np.float32]:
    """Symmetric average over one canonical period: (b, n, c) -> (b, n - 2 * reach, c).

    The weights are those of an integral over 20 ms: 1 inside, the covered share at the rim (1/2, 1, 1, 1, 1/2 at
    200 Hz). n must exceed 2 * reach.
    """
    side = reach(rate_hz)
    half_width = rate_hz / (2 * RATE_HZ)
    weights = np.clip(half_width - np.abs(np.arange(-side, side + 1)) + 0.5, 0, 1)
    weights = (weights / weights.sum()).astype(np.float32)
    length = values.shape[1] - 2 * side
    result = np.zeros((values.shape[0], length, values.shape[2]), np.float32)
    for offset, weight in enumerate(weights):
        result += weight * values[:, offset : offset + length]
    return result


def duration_ns(samples: NDArray[np.int64] | int, rate_hz: float) -> NDArray[np.int64]:
    """Time that so many periods take, rounded to whole nanoseconds."""
    nanoseconds: NDArray[np.int64] = np.asarray(np.rint(np.asarray(samples) * (1e9 / rate_hz))).astype(np.int64)
    return nanoseconds


def grid_count(last_ns: NDArray[np.int64], head: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many grid points from index `head` on lie at or before `last_ns` (since index 0)."""
    count: NDArray[np.int64] = np.maximum(0, last_ns // STEP_NS - head + 1)
    return count


def interpolate(
    values: NDArray[np.float32],
    start_ns: NDArray[np.int64],
    rate_hz: float,
    before: NDArray[np.float32],
    before_ns: NDArray[np.int64],
    head: NDArray[np.int64],
    width: int,
) -> NDArray[np.float32]:
    """Values at `width` grid points from index `head` on: float32 (b, width, c).

    values (b, n, c) were taken from start_ns on; before (b, c) is the last sample ahead of them, taken at before_ns.
    Times are nanoseconds since grid index 0. A grid point that lies between `before` and the block is NaN if these are
    further apart than BRIDGE_NS. Grid points after the block repeat its last value and are the caller's to drop.
    """
    n = values.shape[1]
    at = (head[:, None] + np.arange(width)) * STEP_NS
    position = (at - start_ns[:, None]) * (rate_hz / 1e9)
    gap = np.maximum(start_ns - before_ns, 1)
    bridge = (at - before_ns[:, None]) / gap[:, None] - 1
    position = np.clip(np.where(position < 0, bridge, position), -1, n - 1)
    position = np.rint(position * _WEIGHT_STEPS) / _WEIGHT_STEPS
    left = np.floor(position).astype(np.int64)
    weight = (position - left).astype(np.float32)[..., None]
    chain = np.concatenate([before[:, None], values], axis=1).reshape(-1, values.shape[2])
    low_at = left + (1 + np.arange(len(values)) * (n + 1))[:, None]
    low = chain.take(low_at, axis=0)
    high: NDArray[np.float32] = chain.take(low_at + (left < n - 1), axis=0)
    high -= low
    high *= weight
    high += low
    apart = gap > BRIDGE_NS
    if apart.any():
        high[(left < 0) & apart[:, None]] = np.nan
    return high
