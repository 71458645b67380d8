"""Windows over many streams: takes blocks of one signal and gives out every window when its last sample is there.

A window ends at every multiple of `step_s` since 1970 that the stream passes, once a whole window can have come. So the
windows of a stream depend on its data alone, not on when it was stepped or how it was cut.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from analytics.slots import Column, SlotTable
from analytics.waves.ring import NEVER, Batch, WaveRing, batches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from device_drivers.observations import Samples

    Ints = NDArray[np.int64]

MOST_ROWS = 2048
"""Windows of so many streams are handed out at once: bounds the memory that a step needs."""


class Due(NamedTuple):
    """Windows that are complete: slots, end_ns (UTC, its end) and received_ns (of its last block), all (rows,).

    wave: float64 (rows, samples), or (rows, channels, samples); NaN where missing. end: index of the grid.
    """

    slots: Ints
    end_ns: Ints
    received_ns: Ints
    wave: NDArray[np.float64]
    end: Ints


class Lane:
    """The streams of one signal. window_s, step_s: whole numbers of the grid's steps. counts: blocks not used.

    spare_s: what the ring keeps beyond a window; longer blocks are taken in pieces.
    """

    def __init__(
        self, hz: int, window_s: float, step_s: float, *, channels: int = 1, bridge_s: float = 0.5, spare_s: float = 4.0
    ) -> None:
        self.size, self.step = round(window_s * hz), round(step_s * hz)
        self.ring = WaveRing(hz, window_s + 2 * step_s + spare_s, channels, bridge_s)
        self._piece = max(step_s, spare_s / 4) * hz
        self.counts: Counter[str] = Counter()
        self.slots: dict[str, int] = {}
        self.device_at: dict[int, str] = {}
        self._next = SlotTable({"end": Column(np.int64, NEVER)})

    def slot(self, device_id: str) -> int:
        """The slot of a device, a fresh one where it has none yet."""
        known = self.slots.get(device_id)
        if known is None:
            known = self.slots[device_id] = self.ring.acquire()
            self.device_at[known] = device_id
            self._next.acquire()
        return known

    def forget(self, device_id: str) -> int | None:
        """Give back a device's slot; which it was."""
        slot = self.slots.pop(device_id, None)
        if slot is not None:
            del self.device_at[slot]
            self.ring.release(slot)
            self._next.release(slot)
        return slot

    def take(self, blocks: Iterable[Samples]) -> Iterator[Due]:
        """Take blocks of devices that have a slot; every window that they complete, in order for each stream."""
        for batch in batches(blocks, self.slots, self.ring.channels, self.ring.rates, self.counts):
            yield from self.put(batch)

    def put(self, batch: Batch) -> Iterator[Due]:
        """The same with a batch that is ready; pieces longer than the ring can hold are cut."""
        most = max(1, int(self.step / self.ring.hz * batch.rate_hz))
        for start in range(0, batch.values.shape[1], most):
            later = int(start / batch.rate_hz * 1e9)
            piece = Batch(
                batch.slots,
                batch.at_ns + later,
                batch.received_ns,
                batch.values[:, start : start + most],
                batch.rate_hz,
            )
            yield from self._put(piece)

    def _put(self, batch: Batch) -> Iterator[Due]:
        before = self.ring.head[batch.slots].copy()
        gone = self.ring.write(batch)
        self._plan(batch, before)
        for first in range(0, len(gone), MOST_ROWS):
            yield from self._due(gone[first : first + MOST_ROWS])

    def _plan(self, batch: Batch, before: Ints) -> None:
        """Where a stream begins, or goes on after a hole, or its clock was set back, say which window is the next."""
        end, head = self._next["end"], self.ring.head[batch.slots]
        begins = batch.at_ns // self.ring.step_ns + 1
        anew = (before == NEVER) | (head < before - self.ring.capacity)
        lost = anew | (begins - before > self.step)
        if lost.any():
            first = begins[lost] + np.where(anew[lost], self.size, 0)
            end[batch.slots[lost]] = -(-first // self.step) * self.step

    def _due(self, slots: Ints) -> Iterator[Due]:
        end, head = self._next["end"], self.ring.head
        while True:
            ready = slots[end[slots] <= head[slots]]
            if not ready.size:
                return
            ends = end[ready].copy()
            wave = self.ring.windows(ready, ends, self.size)
            yield Due(ready, ends * self.ring.step_ns, self.ring.received[ready].copy(), wave, ends)
            end[ready] = ends + self.step
