"""When somebody exercises, from steps and from acceleration: a fast heart is then no trouble.

Two sources, whichever a device has. Steps (a running count): at least `CADENCE` steps a minute between two reports.
Acceleration: blocks whose mean distance from 1 g is at least `MOVING_G`, following each other over `STREAK_S`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from device_drivers.observations import Reading, Samples

SECOND_NS = 1_000_000_000
CADENCE = 60.0
"""Steps a minute: purposeful walking (Tudor-Locke 2011, cadence bands: 60-79 slow walking, 100 and more moderate)."""
LONGEST_STEPS_S = 300.0
"""Steps counted over a longer time say nothing about when they were made."""
MOVING_G = 0.1
"""Moderate activity at the wrist of adults (Hildebrand 2014: 100.6 mg above 1 g)."""
STREAK_S = 20.0
STREAK_GAP_S = 4.0
REST_S = 180.0
"""How long after the last exercise the heart may still be fast (typical default)."""


class Marks(NamedTuple):
    """Moments of exercise: slot of the device (n,), number in the order of arrival (n,), time in ns (n,)."""

    slot: NDArray[np.int64]
    order: NDArray[np.int64]
    at: NDArray[np.int64]


class Exercise:
    """Takes steps and acceleration of devices and gives marks. One entry of state for each device that has moved."""

    def __init__(self) -> None:
        self._steps: dict[int, tuple[float, int]] = {}
        self._streaks: dict[int, tuple[int, int]] = {}
        self._blocks: list[tuple[int, int, Samples]] = []
        self._marks: list[tuple[int, int, int]] = []

    def forget(self, slot: int) -> None:
        """The slot is another device's now."""
        self._steps.pop(slot, None)
        self._streaks.pop(slot, None)

    def move(self, slot: int, order: int, block: Samples) -> None:
        """One block of acceleration. order: its number in the order of arrival."""
        self._blocks.append((slot, order, block))

    def step(self, slot: int, order: int, o: Reading) -> None:
        """One count of steps. order: its number in the order of arrival."""
        if o.value is None:
            return
        before = self._steps.get(slot)
        self._steps[slot] = (o.value, o.at_ns)
        if before is None:
            return
        made, took_s = o.value - before[0], (o.at_ns - before[1]) / SECOND_NS
        if 0 < took_s <= LONGEST_STEPS_S and made * 60.0 >= CADENCE * max(took_s, 10.0):
            self._marks.append((slot, order, o.at_ns))

    def marks(self) -> Marks:
        """Everything since the last call, in the order of arrival for each device."""
        self._streak()
        found, self._marks = self._marks, []
        table = np.array(found, dtype=np.int64).reshape(-1, 3)
        return Marks(table[:, 0], table[:, 1], table[:, 2])

    def _streak(self) -> None:
        if not self._blocks:
            return
        moving = _moving([o for _, _, o in self._blocks])
        for i in np.flatnonzero(moving):
            slot, order, o = self._blocks[i]
            begin, last = self._streaks.get(slot, (o.at_ns, o.at_ns))
            if not 0 <= o.at_ns - last <= STREAK_GAP_S * SECOND_NS:
                begin = o.at_ns
            self._streaks[slot] = (begin, o.at_ns)
            if o.at_ns - begin >= STREAK_S * SECOND_NS:
                self._marks.append((slot, order, o.at_ns))
        self._blocks.clear()


def before(marks: Marks, known: NDArray[np.int64], owner: NDArray[np.int64], order: NDArray[np.int64]) -> NDArray[Any]:
    """The latest exercise of each owner (m,) as known before the observation `order` (m,).

    marks: with owners as slots. known: latest exercise of every owner before this batch.
    """
    latest = known[owner]
    if not marks.slot.size:
        return latest
    sorting = np.lexsort((marks.order, marks.slot))
    slot, number = marks.slot[sorting], marks.order[sorting]
    at = np.maximum(marks.at[sorting], known[slot])
    starts = np.flatnonzero(np.concatenate([[True], np.diff(slot) != 0]))
    for begin, end in zip(starts, [*starts[1:], slot.size], strict=True):
        at[begin:end] = np.maximum.accumulate(at[begin:end])
    span = int(max(number.max(), order.max())) + 1
    found = np.searchsorted(slot * span + number, owner * span + order) - 1
    ours = (found >= 0) & (slot[found] == owner)
    return np.where(ours, at[found], latest)


def _moving(blocks: Sequence[Samples]) -> NDArray[np.bool_]:
    """Which blocks are of somebody moving; blocks of one shape are computed together, those of other axes are not."""
    out = np.zeros(len(blocks), dtype=np.bool_)
    shapes = [o.values.shape for o in blocks]
    for shape in set(shapes):
        if len(shape) != 2 or shape[1] != 3 or not shape[0]:
            continue
        chosen = [i for i, one in enumerate(shapes) if one == shape]
        values = np.concatenate([blocks[i].values for i in chosen]).reshape(-1, *shape)
        with np.errstate(invalid="ignore", over="ignore"):
            size = np.sqrt(np.einsum("bnc,bnc->bn", values, values))
            out[chosen] = np.abs(size - np.float32(1.0)).mean(axis=1) >= MOVING_G
    return out
