"""Synthetic variation for training only: candidates as worse equipment or a looser strap would have given them.

Rotation and mirroring are not among them, because no feature sees them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analytics.falls.features import BEFORE, RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Window = NDArray[np.float32]
    Way = Callable[[Window, np.random.Generator], None]

MINIMUM_AFTER = 5
"""Samples after the impact (0.1 s) that are always left."""
MOST_LOST = 0.3


def varied(windows: NDArray[np.float32], chance: np.random.Generator, ways: tuple[Way, ...]) -> NDArray[np.float32]:
    """(n, samples, 3) windows, each spoiled in one of these ways."""
    spoiled = windows.copy()
    for row, way in enumerate(chance.integers(0, len(ways), len(windows)).tolist()):
        ways[way](spoiled[row], chance)
    return spoiled


def through_clock(accel_g: NDArray[np.float32], rate_hz: float, clock_hz: float) -> NDArray[np.float32]:
    """The samples as if a recorder of `clock_hz` had taken them and they had been set on `rate_hz` again."""
    times = np.arange(len(accel_g)) / rate_hz
    coarse = np.arange(0.0, times[-1], 1 / clock_hz)
    columns = [np.interp(times, coarse, np.interp(coarse, times, column)) for column in accel_g.T]
    return np.column_stack(columns).astype(np.float32)


def _cut_end(window: Window, chance: np.random.Generator) -> None:
    window[BEFORE + 1 + int(chance.integers(MINIMUM_AFTER, len(window) - BEFORE - 1)) :] = np.nan


def _cut_start(window: Window, chance: np.random.Generator) -> None:
    window[: int(chance.integers(RATE_HZ // 2, BEFORE - RATE_HZ // 2))] = np.nan


def _hole(window: Window, chance: np.random.Generator) -> None:
    length = int(chance.integers(15, 100))
    start = int(chance.integers(0, len(window) - length))
    if not start - 5 <= BEFORE <= start + length + 5:
        window[start : start + length] = np.nan


def _coarse(window: Window, chance: np.random.Generator) -> None:
    """A rate of 25 or 12.5 Hz, without a filter before; the impact is where such a sensor has its highest sample."""
    step, cells = int(chance.choice([2, 4, 4])), np.arange(len(window))
    kept = np.arange(int(chance.integers(0, step)), len(window), step)
    for axis in range(3):
        window[:, axis] = np.interp(cells, kept, window[kept, axis])
    around = np.linalg.norm(window[BEFORE - step : BEFORE + step + 1], axis=1)
    if np.isfinite(around).any():
        window[:] = window[np.clip(cells + int(np.nanargmax(around)) - step, 0, len(window) - 1)]


def _narrow(window: Window, chance: np.random.Generator) -> None:
    limit = float(chance.choice([2.0, 2.0, 3.0]))
    np.clip(window, -limit, limit, out=window)


def _lossy(window: Window, chance: np.random.Generator) -> None:
    lost = chance.random(len(window)) < chance.uniform(0, MOST_LOST)
    lost[BEFORE] = False
    window[lost] = np.nan


def _noisy(window: Window, chance: np.random.Generator) -> None:
    window *= np.float32(chance.uniform(0.93, 1.07))
    window += chance.normal(0, chance.uniform(0, 0.06), window.shape).astype(np.float32)


def _loose(window: Window, chance: np.random.Generator) -> None:
    """The sensor rings on its strap after every blow: an echo of the jerk, 5 to 10 Hz, gone in a fifth of a second."""
    t = np.arange(1, RATE_HZ // 2) / RATE_HZ
    echo = 0.3 * chance.uniform(0.3, 1.0) * np.exp(-t / 0.07) * np.sin(2 * np.pi * chance.uniform(5, 10) * t)
    for axis in range(3):
        jerk = np.diff(np.nan_to_num(window[:, axis]), prepend=np.nan_to_num(window[0, axis]))
        window[:, axis] += np.convolve(jerk, np.concatenate([[0.0], echo]))[: len(window)].astype(np.float32)


COPIES: dict[str, tuple[tuple[Way, ...], ...]] = {
    "": ((_coarse,), (_narrow, _noisy, _loose, _lossy), (_cut_end, _cut_start, _hole)),
    "narrow": ((_noisy, _loose, _lossy), (_cut_end, _cut_start, _hole)),
}
"""By grade of equipment the ways of each copy that is made of an example; low rates have one of their own."""
