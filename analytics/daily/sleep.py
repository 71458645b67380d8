"""Sleep and wake from movement, minute by minute, and the report of a night.

Published weights are in a table; each is a weighted sum over neighbouring minutes of activity counts, asleep below a
limit. Counts of another device are brought to the scale of the method by `scale` (1 where the device is an actigraph
of the method's kind; for a radar's body movement 0-100, a factor found on the site). The three rows differ in what a
minute's count is (`source`): weights of one kind of count must not be used with another. Offline and live use are the
same: the whole night goes in as arrays, (nights, minutes).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


class Method(NamedTuple):
    """One row. weights: of minutes from `before` minutes earlier on. A minute is asleep where the sum is below 1."""

    name: str
    weights: tuple[float, ...]
    before: int
    source: str


METHODS: Mapping[str, Method] = {
    row.name: row
    for row in (
        Method(
            "cole_kripke",
            tuple(0.00001 * w for w in (404, 598, 326, 441, 1408, 508, 350)),
            4,
            "Cole, Kripke et al. 1992, Sleep 15(5):461-469: the largest count of 10 s within each minute",
        ),
        Method(
            "cole_kripke_mean",
            tuple(0.001 * w for w in (106, 54, 58, 76, 230, 74, 67)),
            4,
            "Cole, Kripke et al. 1992, Sleep 15(5):461-469: mean activity of each minute",
        ),
        Method(
            "webster",
            tuple(0.025 * w for w in (0.15, 0.15, 0.15, 0.08, 0.21, 0.12, 0.13)),
            4,
            "Webster, Kripke et al. 1982, Sleep 5(4):389-399",
        ),
    )
}
ONSET_MIN = 10
"""Asleep for so many minutes in a row: the sleep has begun (typical default)."""
KNOWN_SHARE = 0.5
"""A night of which less is known gets no report."""


class Night(NamedTuple):
    """Reports of nights, each array (nights,), minutes; NaN where too little is known or nobody slept.

    in_bed, asleep, awake_after_onset; latency: from going to bed to sleep; awakenings: times awake after onset;
    efficiency: share of the time in bed asleep, 0 to 1; known: share of minutes in bed with data.
    """

    in_bed: NDArray[np.float64]
    asleep: NDArray[np.float64]
    latency: NDArray[np.float64]
    awake_after_onset: NDArray[np.float64]
    awakenings: NDArray[np.float64]
    efficiency: NDArray[np.float64]
    known: NDArray[np.float64]


def asleep(counts: NDArray[np.float64], method: str = "cole_kripke", scale: float = 1.0) -> NDArray[np.bool_]:
    """Asleep or not, of movement (nights, minutes); unknown minutes (NaN) count as still. Raises KeyError."""
    row = METHODS[method]
    after = len(row.weights) - row.before - 1
    padded = np.pad(np.nan_to_num(counts) * scale, ((0, 0), (row.before, after)))
    windows = sliding_window_view(padded, len(row.weights), axis=1)
    found: NDArray[np.bool_] = windows @ np.array(row.weights) < 1.0
    return found


def report(
    counts: NDArray[np.float64], in_bed: NDArray[np.bool_], method: str = "cole_kripke", scale: float = 1.0
) -> Night:
    """The report of nights. counts: movement (nights, minutes), NaN unknown. in_bed: bool of the same shape."""
    return summed(asleep(counts, method, scale), in_bed, ~np.isnan(counts))


def summed(slept: NDArray[np.bool_], in_bed: NDArray[np.bool_], known_minutes: NDArray[np.bool_]) -> Night:
    """The report of nights of which sleep is known minute by minute; all three (nights, minutes)."""
    sleeping = slept & in_bed
    width = in_bed.shape[1]
    minutes = in_bed.sum(axis=1).astype(np.float64)
    known = (in_bed & known_minutes).sum(axis=1) / np.maximum(minutes, 1.0)
    onset = _onset(sleeping)
    place = np.arange(width)
    begun = place >= onset[:, None]
    last = np.where(sleeping.any(axis=1), width - 1 - sleeping[:, ::-1].argmax(axis=1), -1)
    within = begun & (place <= last[:, None])
    awake = within & ~sleeping
    starts = awake & ~np.pad(awake, ((0, 0), (1, 0)))[:, :-1]
    first_in_bed = in_bed.argmax(axis=1)
    total = (sleeping & begun).sum(axis=1).astype(np.float64)
    good = (known >= KNOWN_SHARE) & (onset < width)

    def only(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(good, values, np.nan)

    return Night(
        in_bed=minutes,
        asleep=only(total),
        latency=only((onset - first_in_bed).astype(np.float64)),
        awake_after_onset=only(awake.sum(axis=1).astype(np.float64)),
        awakenings=only(starts.sum(axis=1).astype(np.float64)),
        efficiency=only(total / np.maximum(minutes, 1.0)),
        known=known,
    )


def _onset(sleeping: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The first minute of ONSET_MIN asleep in a row; the number of minutes where there is none."""
    nights, minutes = sleeping.shape
    if minutes < ONSET_MIN:
        return np.full(nights, minutes, dtype=np.int64)
    runs: NDArray[np.bool_] = np.all(sliding_window_view(sleeping, ONSET_MIN, axis=1), axis=2)
    first: NDArray[np.int64] = np.where(runs.any(axis=1), runs.argmax(axis=1), minutes).astype(np.int64)
    return first
