"""When the heart beats: from recorded intervals, or made up where there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulators.physiology.breath import HZ

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from simulators.physiology.breath import Breathing

SHORTEST_S, LONGEST_S = 0.3, 2.2
"""Recorded intervals outside are gaps of the recording, not beats; they are left out."""
SINUS_SHARE = 0.03
"""How far breathing moves the interval, as a share of it (assumed; it is 0.01 to 0.05 in older people)."""
DRIFT_SHARE = 0.04
DRIFT_BEATS = 60.0
JITTER_SHARE = 0.008


def made_up_beats(
    rng: np.random.Generator, seconds: float, rate: float, breathing: Breathing | None = None
) -> NDArray[np.float64]:
    """Times of beats in s from 0 to `seconds`: a mean of `rate` a minute that drifts and jitters (assumed).

    breathing: makes beats come sooner while the lungs fill, as in every healthy person.
    """
    count = int(seconds * rate / 60.0 * 1.4) + 10
    keep = np.exp(-1.0 / DRIFT_BEATS)
    steps = (rng.normal(size=count) * DRIFT_SHARE * np.sqrt(1.0 - keep**2)).tolist()
    jitter = (JITTER_SHARE * rng.normal(size=count)).tolist()
    lungs = [0.5] if breathing is None else breathing.lungs.tolist()
    times, at, drift = [], 30.0 / rate, 0.0
    for step, shaken in zip(steps, jitter, strict=True):
        times.append(at)
        drift = keep * drift + step
        filled = lungs[min(int(at * HZ), len(lungs) - 1)]
        at += 60.0 / rate * (1.0 + drift + shaken + 2.0 * SINUS_SHARE * (0.5 - filled))
        if at >= seconds:
            break
    return np.array(times)


def recorded_beats(rng: np.random.Generator, interval_s: NDArray[np.float64], seconds: float) -> NDArray[np.float64]:
    """Times of beats in s from 0 to `seconds`, from a stretch of a recorded series: (n,) intervals in s.

    Raises ValueError where too few of them can be beats.
    """
    good = interval_s[(interval_s >= SHORTEST_S) & (interval_s <= LONGEST_S)]
    total = float(good.sum())
    if total < seconds:
        raise ValueError(f"the series has {total:.0f} s of beats, {seconds:.0f} s are needed")
    ends = np.cumsum(good)
    first = int(np.searchsorted(ends, rng.uniform(0.0, total - seconds)))
    return _until(good[first:], seconds)


def _until(interval_s: NDArray[np.float64], seconds: float) -> NDArray[np.float64]:
    times = np.cumsum(interval_s) - interval_s[0] / 2
    return np.asarray(times[times < seconds])
