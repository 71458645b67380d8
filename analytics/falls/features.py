"""Numbers that describe the seconds around an impact, the same however the sensor is turned or worn.

Everything is made from magnitudes, from angles between directions and from spreads, so that neither the way the sensor
sits nor the sign of an axis enters. Acceleration is first averaged over 100 ms: sharper detail differs between
recorders (rate, interpolation, mounting) more than between falls and daily life. Axes are limited to the smallest range
in use (+-4 g), so that a sensor of a wider range gives the same numbers.

A candidate is looked at twice: LOOKS says how much of what follows the impact each look knows. Missing samples are
bridged by a straight line, and at an end the last known one is held (`hold`): no number tells how much was missing.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from analytics.falls.vectors import SMOOTHING

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]

Array = TypeVar("Array", "NDArray[np.float32]", "NDArray[np.float64]")

RATE_HZ = 50
BEFORE = 150
"""Samples before the impact in a window: 3 s."""
LOOKS = (75, 150)
"""Samples after it in the window of each look: 1.5 s and 3 s."""
AFTER = LOOKS[0]
WIDTH = BEFORE + 1 + AFTER
"""Samples of the window of the first look."""
AXIS_LIMIT_G = 4.0
EDGES_S = (-1.0, -0.5, 0.0, 0.4, 0.7, 1.5, 2.0, 3.0)
"""Ends of the stretches that are described one by one, as far as a look knows them."""


def _part(start_s: float, end_s: float) -> slice:
    """Columns of a window from `start_s` to `end_s`, seconds from the impact, both ends included."""
    return slice(BEFORE + round(start_s * RATE_HZ), BEFORE + round(end_s * RATE_HZ) + 1)


def hold(windows: Floats) -> Floats:
    """(n, samples, 3) without holes: bridged inside, held at the ends, 0 where a window knows nothing at all."""
    known: NDArray[np.bool_] = np.all(np.isfinite(windows), axis=2)
    holed = np.flatnonzero(~known.all(axis=1))
    if not len(holed):
        return windows
    filled, cells = windows.copy(), np.arange(windows.shape[1])
    for row in holed.tolist():
        here = cells[known[row]]
        for axis in range(3):
            filled[row, :, axis] = np.interp(cells, here, windows[row, here, axis]) if len(here) else 0.0
    return filled


def describe(windows: Floats) -> Floats:
    """The features of (n, BEFORE + 1 + after, 3) windows in g at 50 Hz, impact in column BEFORE: float32 (n, names).

    after: one of LOOKS; `names(after)` tells the columns.
    """
    return np.column_stack(list(_columns(_Windows(hold(windows))).values())).astype(np.float32)


@cache
def names(after: int) -> tuple[str, ...]:
    """Column names of `describe` for windows that know so many samples after the impact."""
    return tuple(_columns(_Windows(np.ones((1, BEFORE + 1 + after, 3), np.float32))))


class _Windows:
    """What the features are made of. Sums over any stretch come from running sums, so that stretches cost nothing.

    axes, soft (3, n, samples): limited to the range, and averaged over 100 ms; sharp_m, m (n, samples): their lengths;
    turning: degrees from each sample to the next.
    """

    def __init__(self, windows: Floats) -> None:
        limited = np.clip(np.moveaxis(windows, 2, 0), -AXIS_LIMIT_G, AXIS_LIMIT_G, order="C")
        self.soft = _smooth(limited)
        self.sharp_m, self.m = _length(limited), _length(self.soft)
        self.end_s = (windows.shape[1] - BEFORE - 1) / RATE_HZ
        turning = np.zeros_like(self.m)
        turning[:, :-1] = _angles(self.soft[..., 1:], self.soft[..., :-1])
        squares = self.m * self.m
        self._running = np.zeros((6, len(windows), windows.shape[1] + 1))
        for row, values in enumerate((*self.soft, self.m, squares, turning)):
            np.add.accumulate(values, axis=1, dtype=np.float64, out=self._running[row, :, 1:])
        self.calm = np.abs(self.m - 1) < 0.1

    def means(self, where: slice) -> Doubles:
        """Means over a stretch (6, n): of the three axes, of the length, of its square, of the turning."""
        length = where.stop - where.start
        mean: Doubles = (self._running[..., where.stop] - self._running[..., where.start]) / length
        return mean

    def direction(self, where: slice) -> Doubles:
        """Mean vector of a stretch: (3, n)."""
        return self.means(where)[:3]

    def spread(self, where: slice) -> Doubles:
        """Standard deviation of the length."""
        _, _, _, mean, square, _ = self.means(where)
        return _root(square - mean * mean)

    def wobble(self, where: slice) -> Doubles:
        """Root mean square distance of the samples from their mean direction and size."""
        x, y, z, _, square, _ = self.means(where)
        return _root(square - x * x - y * y - z * z)

    def energy(self, where: slice) -> Doubles:
        """Mean square departure of the length from 1 g."""
        _, _, _, mean, square, _ = self.means(where)
        energy: Doubles = np.maximum(square - 2 * mean + 1, 0)
        return energy

    def turned(self, where: slice) -> Doubles:
        """Sum of the turning, degrees."""
        degrees: Doubles = self.means(where)[5] * (where.stop - where.start)
        return degrees


def _columns(of: _Windows) -> dict[str, Floats | Doubles]:
    end_s = of.end_s
    early, late = of.direction(_part(-3, -1)), of.direction(_part(end_s - 1, end_s))
    columns = _impact(of) | _earlier(of)
    for start, end in pairwise(edge for edge in EDGES_S if edge <= end_s):
        columns |= _stretch(f"{start:g}..{end:g}", of, _part(start, end), early)
    return columns | _afterwards(of) | _position(of, early, late)


def _impact(of: _Windows) -> dict[str, Floats | Doubles]:
    m = of.m
    lead, blow = m[:, _part(-1, 0)], of.sharp_m[:, _part(-0.5, 0.5)]
    around = of.soft[..., _part(-0.3, 0.3)]
    balance = of.energy(_part(0.1, 1)) + 1e-3, of.energy(_part(-1, -0.1)) + 1e-3
    return {
        "peak": of.sharp_m[:, _part(-0.2, 0.2)].max(axis=1),
        "peak_smooth": m[:, _part(-0.5, 0.5)].max(axis=1),
        "dip": lead.min(axis=1),
        "low_ms": (lead < 0.7).sum(axis=1) * np.float32(1000 / RATE_HZ),
        "deficit": np.maximum(0, 1 - lead).sum(axis=1) / RATE_HZ,
        "dip_lead": (lead.shape[1] - 1 - lead.argmin(axis=1)) * np.float32(1000 / RATE_HZ),
        "rise": _length(around[..., 1:] - around[..., :-1]).max(axis=1),
        "high_ms": (blow > 1.5).sum(axis=1) * np.float32(1000 / RATE_HZ),
        "burst": of.energy(_part(-0.3, 0.3)),
        "burst_wide": of.energy(_part(-1, 1)),
        "balance": np.log(balance[0] / balance[1]),
        "fall_speed": (lead - 1).sum(axis=1) / RATE_HZ,
        "stop_speed": (m[:, _part(0, 0.5)] - 1).sum(axis=1) / RATE_HZ,
        "blow_size": np.abs(m[:, _part(0, 0.7)] - 1).mean(axis=1),
    }


def _earlier(of: _Windows) -> dict[str, Floats | Doubles]:
    where = _part(-3, -1)
    high = of.m > 1.5
    return {
        "before_spread": of.spread(where),
        "before_max": of.m[:, where].max(axis=1),
        "before_turning": of.turned(where),
        "before_energy": np.log(of.energy(where) + 1e-4),
        "bumps": (high[:, 1:] & ~high[:, :-1]).sum(axis=1),
    }


def _stretch(name: str, of: _Windows, where: slice, early: Doubles) -> dict[str, Floats | Doubles]:
    m = of.m[:, where]
    return {
        f"{name} spread": of.spread(where),
        f"{name} max": m.max(axis=1),
        f"{name} min": m.min(axis=1),
        f"{name} wobble": of.wobble(where),
        f"{name} tilt": _angles(early, of.direction(where)),
        f"{name} turning": of.turned(where),
    }


def _afterwards(of: _Windows) -> dict[str, Floats | Doubles]:
    where = _part(0.7, of.end_s)
    half, first = RATE_HZ // 2, BEFORE + RATE_HZ // 2
    starts = range(first, of.m.shape[1] - half + 1, RATE_HZ // 10)
    pieces = np.column_stack([of.wobble(slice(start, start + half)) for start in starts])
    quietest = pieces.min(axis=1)
    return {
        "after_spread": of.spread(where),
        "after_wobble": of.wobble(where),
        "after_max": of.m[:, where].max(axis=1),
        "after_level": np.abs(of.means(where)[3] - 1),
        "after_calm": of.calm[:, where].mean(axis=1),
        "after_energy": np.log(of.energy(where) + 1e-4),
        "quietest": quietest,
        "loudest": pieces.max(axis=1),
        "quietest_log": np.log(quietest + 1e-2),
    }


def _position(of: _Windows, early: Doubles, late: Doubles) -> dict[str, Floats | Doubles]:
    slow = _smooth(_smooth(of.soft[..., _part(-0.7, of.end_s)]))
    furthest = _angles(slow, early[..., None].astype(np.float32))[:, 10:].max(axis=1)
    tilt = _angles(early, late)
    calming = of.wobble(_part(of.end_s - 1, of.end_s)) + 1e-2, of.wobble(_part(-3, -1)) + 1e-2
    return {
        "tilt": tilt,
        "shift": _length(late - early),
        "tilt_late": _angles(of.direction(_part(-1.5, -0.7)), late),
        "calming": np.log(calming[0] / calming[1]),
        "furthest": furthest,
        "back": furthest - tilt,
    }


def _smooth(axes: Floats) -> Floats:
    """Moving average over SMOOTHING samples along the last axis, of fewer at the ends."""
    half, length = SMOOTHING // 2, axes.shape[-1]
    summed, number = axes.copy(), np.ones(length, np.float32)
    for shift in range(1, half + 1):
        summed[..., shift:] += axes[..., :-shift]
        summed[..., :-shift] += axes[..., shift:]
        number[shift:] += 1
        number[:-shift] += 1
    summed /= number
    return summed


def _root(squares: Doubles) -> Doubles:
    """Square root of what may be less than 0 by rounding."""
    roots: Doubles = np.sqrt(np.maximum(squares, 0))
    return roots


def _length(axes: Array) -> Array:
    """Length of vectors whose axes come first."""
    x, y, z = axes
    lengths: Array = np.sqrt(x * x + y * y + z * z)
    return lengths


def _angles(first: Array, second: Array) -> Array:
    """Angle between vectors whose axes come first, degrees."""
    (ax, ay, az), (bx, by, bz) = first, second
    x, y, z = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    degrees: Array = np.rad2deg(np.arctan2(np.sqrt(x * x + y * y + z * z), ax * bx + ay * by + az * bz))
    return degrees


NAMES = names(AFTER)
"""Columns of the first look, of which the evidence is made."""
