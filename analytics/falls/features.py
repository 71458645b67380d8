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
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

RATE_HZ = 50
BEFORE = 150
"""Samples before the impact in a window: 3 s."""
LOOKS = (75, 150)
"""Samples after it in the window of each look: 1.5 s and 3 s."""
AFTER = LOOKS[0]
WIDTH = BEFORE + 1 + AFTER
"""Samples of the window of the first look."""
AXIS_LIMIT_G = 4.0
SMOOTHING = 5
"""Samples of the moving average: 100 ms."""
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
    """The features of (n, BEFORE + 1 + after, 3) windows in g at 50 Hz, impact in column BEFORE: float32 (n, names).

    after: one of LOOKS; `names(after)` tells the columns.
    """
    return np.column_stack(list(_columns(hold(windows)).values())).astype(np.float32)


@cache
def names(after: int) -> tuple[str, ...]:
    """Column names of `describe` for windows that know so many samples after the impact."""
    return tuple(_columns(np.ones((1, BEFORE + 1 + after, 3), np.float32)))


def _columns(windows: Floats) -> dict[str, Floats]:
    limited = np.clip(windows, -AXIS_LIMIT_G, AXIS_LIMIT_G)
    soft = smooth(limited)
    sharp_m, m = norm(limited), norm(soft)
    turning = np.pad(angles(soft[:, 1:], soft[:, :-1]), ((0, 0), (0, 1)))
    end_s = (windows.shape[1] - BEFORE - 1) / RATE_HZ
    early, late = mean(soft[:, _part(-3, -1)]), mean(soft[:, _part(end_s - 1, end_s)])
    columns = _impact(sharp_m, m, soft) | _earlier(m, turning)
    for start, end in pairwise(edge for edge in EDGES_S if edge <= end_s):
        columns |= _stretch(f"{start:g}..{end:g}", (m, soft, turning), _part(start, end), early)
    return columns | _afterwards(m, soft, end_s) | _position(soft, early, late, end_s)


def _impact(sharp_m: Floats, m: Floats, soft: Floats) -> dict[str, Floats]:
    lead, blow = m[:, _part(-1, 0)], sharp_m[:, _part(-0.5, 0.5)]
    return {
        "peak": highest(sharp_m[:, _part(-0.2, 0.2)]),
        "peak_smooth": highest(m[:, _part(-0.5, 0.5)]),
        "dip": lowest(lead),
        "low_ms": (lead < 0.7).sum(axis=1) * np.float32(1000 / RATE_HZ),
        "deficit": np.maximum(0, 1 - lead).sum(axis=1) / RATE_HZ,
        "dip_lead": (lead.shape[1] - 1 - lead.argmin(axis=1)) * np.float32(1000 / RATE_HZ),
        "rise": highest(norm(np.diff(soft[:, _part(-0.3, 0.3)], axis=1))),
        "high_ms": (blow > 1.5).sum(axis=1) * np.float32(1000 / RATE_HZ),
        "burst": energy(m[:, _part(-0.3, 0.3)]),
        "burst_wide": energy(m[:, _part(-1, 1)]),
        "balance": np.log((energy(m[:, _part(0.1, 1)]) + 1e-3) / (energy(m[:, _part(-1, -0.1)]) + 1e-3)),
        "fall_speed": (lead - 1).sum(axis=1) / RATE_HZ,
        "stop_speed": (m[:, _part(0, 0.5)] - 1).sum(axis=1) / RATE_HZ,
        "blow_size": np.abs(m[:, _part(0, 0.7)] - 1).mean(axis=1),
    }


def _earlier(m: Floats, turning: Floats) -> dict[str, Floats]:
    before = m[:, _part(-3, -1)]
    return {
        "before_spread": before.std(axis=1),
        "before_max": highest(before),
        "before_turning": turning[:, _part(-3, -1)].sum(axis=1),
        "before_energy": np.log(energy(before) + 1e-4),
        "bumps": (np.diff((m > 1.5).astype(np.int8), axis=1) > 0).sum(axis=1),
    }


def _stretch(name: str, of: tuple[Floats, Floats, Floats], where: slice, early: Floats) -> dict[str, Floats]:
    m, soft, turning = of[0][:, where], of[1][:, where], of[2][:, where]
    return {
        f"{name} spread": m.std(axis=1),
        f"{name} max": highest(m),
        f"{name} min": lowest(m),
        f"{name} wobble": wobble(soft),
        f"{name} tilt": angles(early, mean(soft)),
        f"{name} turning": turning.sum(axis=1),
    }


def _afterwards(m: Floats, soft: Floats, end_s: float) -> dict[str, Floats]:
    after = m[:, _part(0.7, end_s)]
    half, first = RATE_HZ // 2, BEFORE + RATE_HZ // 2
    starts = range(first, m.shape[1] - half + 1, RATE_HZ // 10)
    pieces = np.column_stack([wobble(soft[:, start : start + half]) for start in starts])
    return {
        "after_spread": after.std(axis=1),
        "after_wobble": wobble(soft[:, _part(0.7, end_s)]),
        "after_max": highest(after),
        "after_level": np.abs(after.mean(axis=1) - 1),
        "after_calm": (np.abs(after - 1) < 0.1).mean(axis=1),
        "after_energy": np.log(energy(after) + 1e-4),
        "quietest": lowest(pieces),
        "loudest": highest(pieces),
        "quietest_log": np.log(lowest(pieces) + 1e-2),
    }


def _position(soft: Floats, early: Floats, late: Floats, end_s: float) -> dict[str, Floats]:
    slow = smooth(smooth(soft[:, _part(-0.7, end_s)]))
    furthest = highest(angles(slow, np.broadcast_to(early[:, None], slow.shape))[:, 10:])
    tilt = angles(early, late)
    calming = wobble(soft[:, _part(end_s - 1, end_s)]) + 1e-2, wobble(soft[:, _part(-3, -1)]) + 1e-2
    return {
        "tilt": tilt,
        "shift": norm(late - early),
        "tilt_late": angles(mean(soft[:, _part(-1.5, -0.7)]), late),
        "calming": np.log(calming[0] / calming[1]),
        "furthest": furthest,
        "back": furthest - tilt,
    }


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


def angles(first: Floats, second: Floats) -> Floats:
    """Angle between directions along the last axis, degrees."""
    across = norm(np.cross(first, second))
    along = np.einsum("...i,...i->...", first, second)
    degrees: Floats = np.rad2deg(np.arctan2(across, along))
    return degrees


NAMES = names(AFTER)
"""Columns of the first look, of which the evidence is made."""
