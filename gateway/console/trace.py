"""The acceleration of the last seconds as one SVG path: magnitude against time, every spike kept.

Blocks are placed by the device's own times, moved so that the newest ends when it was received. Where a block is
missing the line breaks: a gap is never drawn over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from device_drivers.observations import Samples

NS = 1_000_000_000
WINDOW_S = 12.0
WIDTH, HEIGHT = 240, 48
"""The path's own units; the page stretches it."""
COLUMNS = 120
"""Each column shows the least and the greatest value of a tenth of a second."""
LEAST_TOP_G = 2.0
GAP_S = 0.25


@dataclass(frozen=True, slots=True)
class Trace:
    """path: SVG path data. top_g: magnitude at the upper edge; the lower edge is 0 g."""

    path: str
    top_g: float


def draw(blocks: Sequence[Samples], now_ns: int) -> Trace | None:
    """The trace of [now - 12 s, now], None where nothing of it came."""
    times, magnitude = _line(blocks, now_ns)
    if not len(times):
        return None
    top = max(LEAST_TOP_G, float(np.ceil(magnitude.max())))
    columns = np.minimum((times / WINDOW_S * COLUMNS).astype(np.intp), COLUMNS - 1)
    starts = np.flatnonzero(np.diff(columns, prepend=-1))
    low = np.minimum.reduceat(magnitude, starts)
    high = np.maximum.reduceat(magnitude, starts)
    pen_up = np.diff(times[starts], prepend=-WINDOW_S) > GAP_S
    return Trace(_path(columns[starts], HEIGHT * (1 - low / top), HEIGHT * (1 - high / top), pen_up), top)


def _line(blocks: Sequence[Samples], now_ns: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Seconds since the window began, ascending, and |a| in g; without what is not finite or not in the window."""
    if not blocks:
        return np.empty(0), np.empty(0)
    newest = blocks[-1]
    offset_ns = newest.received_ns - (newest.at_ns + int(len(newest.values) / newest.rate_hz * NS))
    begin_ns = now_ns - int(WINDOW_S * NS) - offset_ns
    times = np.concatenate([(one.at_ns - begin_ns) / NS + np.arange(len(one.values)) / one.rate_hz for one in blocks])
    magnitude = np.concatenate([_magnitude(one.values) for one in blocks])
    kept = np.isfinite(magnitude) & (times >= 0) & (times <= WINDOW_S)
    order = np.argsort(times[kept], kind="stable")
    return times[kept][order], magnitude[kept][order]


def _magnitude(values: NDArray[np.float32]) -> NDArray[np.float64]:
    magnitude: NDArray[np.float64] = np.sqrt(np.square(values.astype(np.float64)).sum(axis=1))
    return magnitude


def _path(
    columns: NDArray[np.intp], low: NDArray[np.float64], high: NDArray[np.float64], pen_up: NDArray[np.bool_]
) -> str:
    step = WIDTH / COLUMNS
    return "".join(
        f"{'M' if up else 'L'}{column * step:g} {bottom:.1f}V{peak:.1f}"
        for column, bottom, peak, up in zip(columns.tolist(), low.tolist(), high.tolist(), pen_up.tolist(), strict=True)
    )
