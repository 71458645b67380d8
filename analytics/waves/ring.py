"""Sets blocks of waves of any rate on a common grid of UTC, many streams in one pass, and keeps the last of each.

Faster waves are averaged over one step of the grid first (the average is dated to its middle); everything is then
interpolated linearly between its neighbours in time. What is needed of the past is carried, so that the result does
not depend on where blocks were cut. Holes longer than `bridge_s` are NaN. A block that comes again changes nothing; a
clock that was set back by more than REPEAT_NS begins the stream anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from analytics.slots import Column, SlotTable
from device_drivers.observations import Quality

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from device_drivers.observations import Samples

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

SECOND_NS = 1_000_000_000
NEVER = -(2**62)
LATEST_NS = 2**62
REPEAT_NS = 600 * SECOND_NS
"""What is older than the newest sample by up to this comes again; by more, the clock was set back."""
JITTER_NS = 300_000_000
"""A block may begin so much before the end of the last one (a radar's points are dated by their receipt)."""
TAIL = 64
"""Samples kept for averaging; so many times faster than the grid may a wave be."""
SAME_RATE = 0.02


class Batch(NamedTuple):
    """Blocks of equal rate and length, each of another slot: values float32 (b, n, channels), the others int64 (b,)."""

    slots: Ints
    at_ns: Ints
    received_ns: Ints
    values: NDArray[np.float32]
    rate_hz: float


def batches(
    blocks: Iterable[Samples], slots: Mapping[str, int], channels: int, rates: tuple[float, float], counts: Counter[str]
) -> list[Batch]:
    """Batches of the live blocks of the devices in `slots`, of one device in the order of its blocks.

    channels: how many are used of each block, which must have at least one (fewer are filled up with NaN). rates:
    lowest and highest in Hz. counts: of what could not be used, by reason.
    """
    groups: dict[tuple[int, float, int], list[Samples]] = {}
    rounds: dict[str, int] = {}
    for block in blocks:
        if block.device_id not in slots:
            continue
        if not _usable(block, rates):
            counts["stored" if block.stored else "rejected"] += 1
            continue
        turn = rounds.get(block.device_id, 0)
        rounds[block.device_id] = turn + 1
        groups.setdefault((turn, block.rate_hz, len(block.values)), []).append(block)
    return [_batch(groups[key], slots, channels) for key in sorted(groups)]


def _usable(block: Samples, rates: tuple[float, float]) -> bool:
    values = block.values
    return (
        values.ndim == 2
        and values.shape[0] > 0
        and values.shape[1] > 0
        and not block.stored
        and rates[0] <= block.rate_hz <= rates[1]
        and 0 <= block.at_ns < LATEST_NS
        and 0 <= block.received_ns < LATEST_NS
    )


def _batch(blocks: list[Samples], slots: Mapping[str, int], channels: int) -> Batch:
    values = np.full((len(blocks), len(blocks[0].values), channels), np.nan, np.float32)
    for row, block in enumerate(blocks):
        if block.quality is Quality.GOOD:
            used = min(channels, block.values.shape[1])
            values[row, :, :used] = block.values[:, :used]
    return Batch(
        np.array([slots[block.device_id] for block in blocks], np.int64),
        np.array([block.at_ns for block in blocks], np.int64),
        np.array([block.received_ns for block in blocks], np.int64),
        np.where(np.isfinite(values), values, np.float32(np.nan)),
        blocks[0].rate_hz,
    )


class WaveRing:
    """The last `seconds` of every stream at `hz`, one slot for each. Index k of the grid is at k / hz since 1970.

    `head` (slots,) is the index after the last one written, NEVER before the first block; `received` is when the last
    block came.
    """

    def __init__(self, hz: int, seconds: float, channels: int = 1, bridge_s: float = 0.5) -> None:
        self.hz, self.channels = hz, channels
        self.capacity = int(seconds * hz)
        self.step_ns = SECOND_NS // hz
        self._bridge_ns = int(bridge_s * SECOND_NS)
        self._table = SlotTable(
            {
                "ring": Column(np.float32, np.nan, self.capacity * channels),
                "tail": Column(np.float32, np.nan, TAIL * channels),
                "rate": Column(np.float64, 0.0),
                "last": Column(np.int64, NEVER),
                "head": Column(np.int64, NEVER),
                "received": Column(np.int64, 0),
            }
        )

    @property
    def rates(self) -> tuple[float, float]:
        """Lowest and highest rate in Hz that can be set on this grid."""
        return 0.7 * self.hz, float(TAIL * self.hz)

    @property
    def head(self) -> Ints:
        """Index after the last one written, of every slot."""
        return self._table["head"]

    @property
    def received(self) -> Ints:
        """When the last block of every slot came, UTC ns."""
        return self._table["received"]

    def acquire(self) -> int:
        """A fresh slot."""
        return self._table.acquire()

    def release(self, slot: int) -> None:
        """Give a slot back."""
        self._table.release(slot)

    def windows(self, slots: Ints, ends: Ints, size: int) -> Floats:
        """The `size` values before index `ends` (rows,) <= head: (rows, size), or (rows, channels, size) if several."""
        index = (ends[:, None] - size + np.arange(size)) % self.capacity
        ring = self._table["ring"].reshape(-1, self.capacity, self.channels)
        found = ring[slots[:, None], index].astype(np.float64)
        return found[..., 0] if self.channels == 1 else np.asarray(found.transpose(0, 2, 1))

    def write(self, batch: Batch) -> Ints:
        """Take a batch; the slots that have gone on."""
        t = self._table
        last, period = t["last"][batch.slots], SECOND_NS / batch.rate_hz
        end = batch.at_ns + int((batch.values.shape[1] - 1) * period)
        set_back = last - batch.at_ns > REPEAT_NS
        for slot in batch.slots[set_back].tolist():
            self._begin_anew(slot)
        last = np.where(set_back, NEVER, last)
        again = (end <= last + int(period / 2)) | (last - batch.at_ns > JITTER_NS)
        if again.any():
            keep = ~again
            slots, at_ns, received_ns, values, rate_hz = batch
            batch = Batch(slots[keep], at_ns[keep], received_ns[keep], values[keep], rate_hz)
            last = last[keep]
        if len(batch.slots):
            self._write(batch, last, period)
        return batch.slots

    def _begin_anew(self, slot: int) -> None:
        t = self._table
        for name, fill in (("ring", np.nan), ("tail", np.nan), ("rate", 0.0), ("last", NEVER), ("head", NEVER)):
            t[name][slot] = fill

    def _write(self, batch: Batch, last: Ints, period: float) -> None:
        t, slots, n = self._table, batch.slots, batch.values.shape[1]
        start = np.maximum(batch.at_ns, last + int(period / 2))
        known = np.abs(t["rate"][slots] - batch.rate_hz) <= SAME_RATE * batch.rate_hz
        joined = known & (start - last <= max(self._bridge_ns, int(2.5 * period)))
        tail = t["tail"][slots].reshape(len(slots), TAIL, self.channels)
        tail[~joined] = np.nan
        chain = np.concatenate([tail, batch.values], axis=1)
        wide = max(1, round(batch.rate_hz / self.hz))
        mean = _mean(chain[:, TAIL - wide :], wide)  # n + 1: the last one of before, then one for each new sample
        lag = (wide - 1) / 2 * period
        first_ns = start - int(lag)
        before_ns = np.where(joined, last - int(lag), first_ns - int(period))
        self._set(slots, mean, before_ns, first_ns, period)
        t["tail"][slots] = chain[:, -TAIL:].reshape(len(slots), -1)
        t["rate"][slots] = batch.rate_hz
        t["last"][slots] = start + int((n - 1) * period)
        t["received"][slots] = batch.received_ns

    def _set(self, slots: Ints, mean: NDArray[np.float32], before_ns: Ints, first_ns: Ints, period: float) -> None:
        """Interpolate at the points of the grid after before_ns, when the first of `mean` (b, n + 1, channels) was."""
        t, step = self._table, self.step_ns
        n = mean.shape[1] - 1
        first = before_ns // step + 1
        after = (first_ns + int((n - 1) * period)) // step + 1
        self._leave_out(slots, first)
        width = int((after - first).max(initial=0))
        if width > 0:
            index = first[:, None] + np.arange(width)
            at = index * step - first_ns[:, None]
            early = 1.0 + at / np.maximum(first_ns - before_ns, 1)[:, None]
            place = np.clip(np.where(at < 0, early, 1.0 + at / period), 0.0, float(n))
            left = np.minimum(place.astype(np.int64), n - 1)
            share = (place - left).astype(np.float32)[..., None]
            rows = np.arange(len(slots))[:, None]
            value = mean[rows, left] * (1 - share) + mean[rows, left + 1] * share
            inside = index < after[:, None]
            ring = t["ring"].reshape(-1, self.capacity, self.channels)
            ring[np.broadcast_to(slots[:, None], index.shape)[inside], index[inside] % self.capacity] = value[inside]
        t["head"][slots] = np.maximum(after, first)

    def _leave_out(self, slots: Ints, first: Ints) -> None:
        """NaN in what lies between the last written index and `first`."""
        head = self._table["head"][slots]
        missing = np.minimum(np.where(head == NEVER, self.capacity, first - head), self.capacity)
        ring = self._table["ring"].reshape(-1, self.capacity, self.channels)
        for row in np.flatnonzero(missing > 0).tolist():
            ring[slots[row], np.arange(first[row] - missing[row], first[row]) % self.capacity] = np.nan


def _mean(chain: NDArray[np.float32], wide: int) -> NDArray[np.float32]:
    """Running mean of `wide` samples: (b, m - wide + 1, channels) from (b, m, channels)."""
    if wide == 1:
        return chain
    parts = np.lib.stride_tricks.sliding_window_view(chain, wide, axis=1)
    return np.asarray(parts.mean(axis=3))
