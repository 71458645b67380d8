"""Acceleration of everybody at once: one slot per stream, a ring of the last 41 s at the canonical 50 Hz.

Each slot has a timeline: grid index k stands for origin_ns + k * 20 ms, `head` is the next index to be written, and a
cell that is not known is NaN. Blocks that continue the timeline are resampled and written together; what comes late
fills cells that are still unknown; what is known already is dropped. A clock that jumps starts a new timeline further
along the same indices, so indices never repeat in the life of a slot.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from analytics import resample
from analytics.blocks import SIGNAL
from analytics.resample import BRIDGE_NS, SNAP_NS, STEP_NS, duration_ns
from analytics.timeline import Doubts
from device_drivers.signals import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from analytics.blocks import Batch

CAPACITY = 2048
"""Cells of a ring: 40.96 s, a power of two. What a broker redelivers after two crashes is half a minute late."""
_MASK = CAPACITY - 1
SPAN_NS = CAPACITY * STEP_NS
RESTART_CELLS = 1724
"""Cells left unknown before a new timeline: late blocks of its past 34 s fit in, 6 s of the old one stay readable."""
CLIPPING = 0.98
"""Share of full scale from which a sample counts as clipped."""
LIMIT_G = SIGNALS[SIGNAL].high
"""More than this, infinity and NaN are missing samples."""
_CLOCK_STEP_NS = 60_000_000_000
"""A jump of the device's time that the time of receipt does not share by this much is a clock jump, not an outage."""
_RAW = 20
"""Samples carried for averaging: 2 * reach at the highest rate."""
_BRIDGE_CELLS = BRIDGE_NS // STEP_NS
_AT_ONCE = 400


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """Cells that became known: values float32 (b, m, 3) from index first (b,) on; NaN where nothing is new.

    late: they filled a hole behind the head. squared: squared lengths (b, m), where they were computed on the way.
    """

    slots: NDArray[np.int64]
    first: NDArray[np.int64]
    values: NDArray[np.float32]
    late: bool
    squared: NDArray[np.float32] | None = None


class Cohort:
    """Rings, timelines and counters of all streams.

    counts: rows `duplicate` and `too_old` (dropped), `missing` (not finite), `late` (filled); blocks `rejected`,
    `stored`; events `clock_jump`, `outage`.
    """

    def __init__(self, slots: int = 64) -> None:
        self.counts: Counter[str] = Counter()
        self.ring = np.full((slots, CAPACITY, 3), np.nan, np.float32)
        self.clipped = np.zeros((slots, CAPACITY), np.bool_)
        self.origin_ns = np.zeros(slots, np.int64)
        self.head = np.zeros(slots, np.int64)
        self.full_scale = np.full(slots, np.nan, np.float32)
        self._clipped_to = np.zeros(slots, np.int64)
        self._floor = np.zeros(slots, np.int64)
        self._seen = np.zeros(slots, np.bool_)
        self._last_ns = np.zeros(slots, np.int64)
        self._received_ns = np.zeros(slots, np.int64)
        self._carry = np.full((slots, 4), np.nan, np.float32)
        self._carry_ns = np.zeros(slots, np.int64)
        self._raw = np.zeros((slots, _RAW, 4), np.float32)
        self._raw_count = np.zeros(slots, np.int64)
        self._raw_rate = np.zeros(slots)
        self._raw_ns = np.zeros(slots, np.int64)
        self._free = list(range(slots - 1, -1, -1))
        self._doubts = Doubts()

    def attach(self) -> int:
        """A free slot with an empty ring; grows by doubling."""
        if not self._free:
            self._grow()
        return self._free.pop()

    def detach(self, slot: int) -> None:
        """Forget the stream and free its slot."""
        self.ring[slot] = np.nan
        self.clipped[slot] = False
        self.full_scale[slot] = np.nan
        for counter in (self.head, self.origin_ns, self._clipped_to, self._floor, self._seen, self._raw_count):
            counter[slot] = 0
        self._doubts.forget(slot)
        self._free.append(slot)

    def _grow(self) -> None:
        size = len(self.head)
        for name, array in vars(self).items():
            if isinstance(array, np.ndarray):
                setattr(self, name, np.concatenate([array, np.zeros_like(array)]))
        self.ring[size:] = np.nan
        self.full_scale[size:] = np.nan
        self._free = list(range(2 * size - 1, size - 1, -1))

    def gather(self, slots: NDArray[np.int64], first: NDArray[np.int64], width: int) -> NDArray[np.float32]:
        """Cells first .. first + width of each slot: float32 (b, width, 3), NaN where not known or no longer held."""
        index = first[:, None] + np.arange(width)
        head = self.head[slots][:, None]
        values = self.ring[slots[:, None], index & _MASK]
        values[(index >= head) | (index < head - CAPACITY)] = np.nan
        held: NDArray[np.float32] = values
        return held

    def any_clipped(self, slots: NDArray[np.int64], first: NDArray[np.int64], width: int) -> NDArray[np.bool_]:
        """Whether a sample of these cells reached the sensor's limit."""
        index = first[:, None] + np.arange(width)
        held = (index < self.head[slots][:, None]) & (index >= self.head[slots][:, None] - CAPACITY)
        found: NDArray[np.bool_] = np.any(self.clipped[slots[:, None], index & _MASK] & held, axis=1)
        return found

    def time_ns(self, slots: NDArray[np.int64], index: NDArray[np.int64]) -> NDArray[np.int64]:
        """UTC nanoseconds of the cells, by the slot's present timeline."""
        return self.origin_ns[slots] + index * STEP_NS

    def write(self, batch: Batch) -> list[Written]:
        """Take one batch (each slot at most once) and say which cells became known."""
        squares = _squared(batch.values)
        longest = np.sqrt(squares.max(axis=1))
        finite = longest <= LIMIT_G
        written: list[Written] = []
        if not finite.all():
            finite[~finite] = np.abs(batch.values[~finite]).max(axis=(1, 2)) <= LIMIT_G
            for block in np.flatnonzero(~finite):
                for part in self._finite_runs(batch, int(block)):
                    written += self.write(part)
            batch, squares, longest = batch.take(finite), squares[finite], longest[finite]
        if not len(batch.slots):
            return written
        self.full_scale[batch.slots] = batch.full_scale
        touching = longest >= CLIPPING * batch.full_scale
        delta = batch.at_ns - self._last_ns[batch.slots]
        seen = self._seen[batch.slots]
        late = seen & (delta <= 0)
        fresh = ~seen | (delta > SPAN_NS)
        if late.any():
            for block in np.flatnonzero(late):
                written += self._late(batch.rows(int(block), 0, batch.values.shape[1]))
            fresh, touching, batch, squares = fresh[~late], touching[~late], batch.take(~late), squares[~late]
        if fresh.any():
            self._begin(batch.take(fresh))
        return written + self._continue(batch, squares, touching) if len(batch.slots) else written

    def _finite_runs(self, batch: Batch, block: int) -> Iterator[Batch]:
        """The stretches of one block in which every axis has a plausible value."""
        good = (np.abs(batch.values[block]) <= LIMIT_G).all(axis=1)
        self.counts["missing"] += int((~good).sum())
        edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]])))
        for start, stop in edges.reshape(-1, 2):
            yield batch.rows(block, int(start), int(stop))

    def _begin(self, batch: Batch, *, stepped: bool = False) -> None:
        """Start a timeline at the first sample of each block; indices go on where an old timeline ended."""
        slots = batch.slots
        again = self._seen[slots]
        if again.any():
            jump = (batch.at_ns - self._last_ns[slots]) - (batch.received_ns - self._received_ns[slots])
            clock = again & ((np.abs(jump) > _CLOCK_STEP_NS) | stepped)
            self.counts["clock_jump"] += int(clock.sum())
            self.counts["outage"] += int((again & ~clock).sum())
        gap = np.where(again, RESTART_CELLS, CAPACITY)
        self._blank(slots[again], self.head[slots[again]], gap[again])
        start = self.head[slots] + gap
        self._floor[slots] = self.head[slots]
        self.head[slots] = start
        self.origin_ns[slots] = batch.at_ns - start * STEP_NS
        self._seen[slots] = True
        self._last_ns[slots] = batch.at_ns - 1
        self._carry_ns[slots] = batch.at_ns - 2 * BRIDGE_NS
        self._raw_count[slots] = 0

    def _blank(self, slots: NDArray[np.int64], first: NDArray[np.int64], count: NDArray[np.int64]) -> None:
        """Mark cells as unknown, at most one ring of them."""
        count = np.minimum(count, CAPACITY)
        for slot, start, number in zip(slots.tolist(), first.tolist(), count.tolist(), strict=True):
            cells = np.arange(start, start + number) & _MASK
            self.ring[slot, cells] = np.nan
            self.clipped[slot, cells] = False

    def _continue(self, batch: Batch, squares: NDArray[np.float32], touching: NDArray[np.bool_]) -> list[Written]:
        """Blocks that lie ahead of all that their slots have.

        squares: their squared lengths; touching: which may have reached the sensor's limit.
        """
        slots, rate = batch.slots, batch.rate_hz
        self._last_ns[slots] = batch.at_ns + duration_ns(batch.values.shape[1] - 1, rate)
        self._received_ns[slots] = batch.received_ns
        self._doubts.settle(slots)
        if rate > resample.AVERAGE_ABOVE_HZ:
            return self._continue_averaged(batch)
        start = batch.at_ns - self.origin_ns[slots]
        if rate == resample.RATE_HZ:
            nearest = (start + STEP_NS // 2) // STEP_NS
            snapped = (np.abs(start - nearest * STEP_NS) <= SNAP_NS) & (nearest >= self.head[slots])
            start = np.where(snapped, nearest * STEP_NS, start)
            straight = snapped & (nearest == self.head[slots])
            if straight.all():
                return [self._lay_straight(batch, squares, touching)]
            if straight.any():
                plain = self._lay_straight(batch.take(straight), squares[straight], touching[straight])
                rest = batch.take(~straight)
                return [plain, *self._lay(rest.slots, start[~straight], _with_flag(rest), rate)]
        return self._lay(slots, start, _with_flag(batch), rate)

    def _lay_straight(self, batch: Batch, squares: NDArray[np.float32], touching: NDArray[np.bool_]) -> Written:
        """50 Hz blocks that begin at the head: copied as they are."""
        slots, values = batch.slots, batch.values
        first = self.head[slots]
        _place(self.ring, slots, first, values)
        self._carry[slots, :3] = values[:, -1]
        self._carry[slots, 3] = 0
        marked = touching | (self._clipped_to[slots] > first - CAPACITY)
        if marked.any():
            clipped = _clipped(batch.take(marked))
            self._mark_clipped(slots[marked], first[marked], clipped)
            self._carry[slots[marked], 3] = clipped[:, -1]
        self.head[slots] = first + values.shape[1]
        self._carry_ns[slots] = self.origin_ns[slots] + (first + values.shape[1] - 1) * STEP_NS
        return Written(slots, first, values, late=False, squared=squares)

    def _mark_clipped(self, slots: NDArray[np.int64], first: NDArray[np.int64], clipped: NDArray[np.bool_]) -> None:
        """Note which of the cells from `first` on reached the limit (b, n), over what their places in the ring held."""
        _place(self.clipped[..., None], slots, first, clipped[..., None])
        reached = clipped.any(axis=1)
        self._clipped_to[slots[reached]] = first[reached] + clipped.shape[1]

    def _continue_averaged(self, batch: Batch) -> list[Written]:
        """Rates above 75 Hz: average with what was carried, then lay what came out."""
        slots, rate = batch.slots, batch.rate_hz
        side = resample.reach(rate)
        period = duration_ns(1, rate)
        start = batch.at_ns - self.origin_ns[slots]
        late_by = batch.at_ns - (self._raw_ns[slots] + period)
        joined = (self._raw_rate[slots] == rate) & (np.abs(late_by) <= period // 2)
        count = np.where(joined, self._raw_count[slots], 0)
        written: list[Written] = []
        for held in np.unique(count):
            same = count == held
            part = batch.take(same)
            values = np.concatenate([self._raw[part.slots, _RAW - held :], _with_flag(part)], axis=1)
            self._keep_raw(part.slots, values, 2 * side, rate)
            if values.shape[1] > 2 * side:
                begin = start[same] + duration_ns(side - held, rate)
                written += self._lay(part.slots, begin, resample.average(values, rate), rate)
        return written

    def _keep_raw(self, slots: NDArray[np.int64], values: NDArray[np.float32], keep: int, rate: float) -> None:
        keep = min(keep, values.shape[1])
        self._raw[slots, _RAW - keep :] = values[:, values.shape[1] - keep :]
        self._raw_count[slots] = keep
        self._raw_rate[slots] = rate
        self._raw_ns[slots] = self._last_ns[slots]

    def _lay(
        self, slots: NDArray[np.int64], start: NDArray[np.int64], values: NDArray[np.float32], rate: float
    ) -> list[Written]:
        """Interpolate (b, n, 4) samples from `start` (since grid index 0) on and write them from the heads on."""
        end = start + duration_ns(values.shape[1] - 1, rate)
        before_ns = self._carry_ns[slots] - self.origin_ns[slots]
        self._skip_hole(slots, start, before_ns)
        head = self.head[slots]
        count = resample.grid_count(end, head)
        laid = resample.interpolate(values, start, rate, self._carry[slots], before_ns, head, int(count.max()))
        self._carry[slots] = values[:, -1]
        self._carry_ns[slots] = end + self.origin_ns[slots]
        return [self._put(slots[count == n], laid[count == n, :n]) for n in np.unique(count).tolist() if n]

    def _skip_hole(self, slots: NDArray[np.int64], start: NDArray[np.int64], before_ns: NDArray[np.int64]) -> None:
        """Move the heads over gaps that are too long to interpolate."""
        first = -(-start // STEP_NS)
        hole = (start - before_ns > BRIDGE_NS) & (first > self.head[slots])
        if hole.any():
            holed = slots[hole]
            self._blank(holed, self.head[holed], first[hole] - self.head[holed])
            self.head[holed] = first[hole]

    def _put(self, slots: NDArray[np.int64], laid: NDArray[np.float32]) -> Written:
        """Write (b, n, 4) at the heads."""
        first, values = self.head[slots], np.ascontiguousarray(laid[..., :3])
        _place(self.ring, slots, first, values)
        self._mark_clipped(slots, first, laid[..., 3] > 0)
        self.head[slots] = first + laid.shape[1]
        return Written(slots, first, values, late=False)

    def _late(self, block: Batch) -> list[Written]:
        """One block (b = 1) that starts at or before what its slot has last seen."""
        slot, rate, n = int(block.slots[0]), block.rate_hz, block.values.shape[1]
        ahead = int(self._last_ns[slot] - block.at_ns[0])
        new = int(np.searchsorted(duration_ns(np.arange(n), rate), ahead, side="right"))
        if new < n:
            return [*self._fill(block.rows(0, 0, new)), *self.write(block.rows(0, new, n))]
        return self._fill(block)

    def _fill(self, block: Batch) -> list[Written]:
        """Write the cells under one old block that are still unknown."""
        slot, rate, n = int(block.slots[0]), block.rate_hz, block.values.shape[1]
        start, values = block.at_ns - self.origin_ns[slot], _with_flag(block)
        side = resample.reach(rate)
        if n > 2 * side:
            values, start = resample.average(values, rate) if side else values, start + duration_ns(side, rate)
        if rate == resample.RATE_HZ:
            nearest = (start + STEP_NS // 2) // STEP_NS
            start = np.where(np.abs(start - nearest * STEP_NS) <= SNAP_NS, nearest * STEP_NS, start)
        lowest = max(int(self.head[slot]) - CAPACITY, int(self._floor[slot]))
        first = max(-(-int(start[0]) // STEP_NS), lowest)
        last = min(int(start[0] + duration_ns(values.shape[1] - 1, rate)[()]) // STEP_NS, int(self.head[slot]) - 1)
        cells = np.arange(first, last + 1)
        unknown = cells[np.isnan(self.ring[slot, cells & _MASK, 0])]
        if not len(unknown):
            return self._refuse(block, too_old=last < lowest)
        self.counts["late"] += n
        before = start - 2 * BRIDGE_NS
        index = np.array([first])
        laid = resample.interpolate(values, start, rate, values[:, 0], before, index, len(cells))[0]
        chosen = laid[unknown - first]
        self.ring[slot, unknown & _MASK] = chosen[:, :3]
        self.clipped[slot, unknown & _MASK] = chosen[:, 3] > 0
        if np.any(chosen[:, 3] > 0):
            self._clipped_to[slot] = max(int(self._clipped_to[slot]), last + 1)
        low, high = self._seam(slot, first - 1, -1), self._seam(slot, last + 1, 1)
        span = np.arange(low, high + 1)
        return [Written(block.slots, np.array([low]), self.ring[slot, span & _MASK][None], late=True)]

    def _seam(self, slot: int, cell: int, step: int) -> int:
        """Bridge a short hole between a filled stretch and what lies next to it; the outermost cell that changed."""
        inner = cell - step
        held = range(max(int(self.head[slot]) - CAPACITY, int(self._floor[slot])), int(self.head[slot]))
        for outer in range(cell, cell + step * (_BRIDGE_CELLS + 1), step):
            if outer not in held:
                return inner
            if not np.isnan(self.ring[slot, outer & _MASK, 0]):
                self._bridge(slot, inner, outer)
                return outer - step
        return inner

    def _bridge(self, slot: int, start: int, stop: int) -> None:
        left, right = self.ring[slot, start & _MASK].copy(), self.ring[slot, stop & _MASK].copy()
        step = 1 if stop > start else -1
        for number, cell in enumerate(range(start + step, stop, step), 1):
            self.ring[slot, cell & _MASK] = left + np.float32(number / abs(stop - start)) * (right - left)

    def _refuse(self, block: Batch, *, too_old: bool) -> list[Written]:
        """Count a block that brings nothing; many in a row at the pace of life mean that the clock stepped back."""
        slot, n = int(block.slots[0]), block.values.shape[1]
        self.counts["too_old" if too_old else "duplicate"] += n
        replay = self._doubts.add(slot, block, int(self._received_ns[slot]), too_old=too_old)
        if not replay:
            return []
        self._begin(replay[0], stepped=True)
        return [written for part in replay for written in self.write(part)]


def _place(
    ring: NDArray[np.generic], slots: NDArray[np.int64], first: NDArray[np.int64], values: NDArray[np.generic]
) -> None:
    """Copy values (b, n, c) into the rings (slots, CAPACITY, c) from index `first` on.

    Rows that do not wrap are written as whole stretches of memory, four times as fast as cell by cell.
    """
    length, channels = values.shape[1:]
    start = first & _MASK
    whole = start <= CAPACITY - length
    if not whole.all():
        rest = slots[~whole, None], (first[~whole, None] + np.arange(length)) & _MASK
        ring[rest] = values[~whole]
        slots, start, values = slots[whole], start[whole], values[whole]
    stretches = sliding_window_view(ring.reshape(len(ring), -1), length * channels, axis=1, writeable=True)
    stretches[slots, start * channels] = values.reshape(-1, length * channels)


def _squared(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Squared length of (b, n, 3): NaN or infinity where the samples are. In parts that stay in the nearest cache."""
    lengths = np.empty(values.shape[:2], np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for begin in range(0, len(values), _AT_ONCE):
            part, length = values[begin : begin + _AT_ONCE], lengths[begin : begin + _AT_ONCE]
            np.multiply(part[..., 0], part[..., 0], out=length)
            length += part[..., 1] * part[..., 1]
            length += part[..., 2] * part[..., 2]
    return lengths


def _clipped(batch: Batch) -> NDArray[np.bool_]:
    """Samples (b, n) of which an axis is at the sensor's limit."""
    limit = CLIPPING * batch.full_scale[:, None, None]
    found: NDArray[np.bool_] = np.any(np.abs(batch.values) >= limit, axis=2)
    return found


def _with_flag(batch: Batch) -> NDArray[np.float32]:
    """The samples with a fourth channel that is 1 where the sensor clipped."""
    return np.concatenate([batch.values, _clipped(batch)[..., None].astype(np.float32)], axis=2)
