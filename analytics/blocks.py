"""Puts the acceleration blocks of one delivery into batches: one array per round, rate and length.

A batch holds each stream at most once, and the batches of one stream come in the order of its blocks, so a whole batch
can be written with one assignment. What cannot be used is counted by reason and left out.

Most deliveries are plain: good blocks of at most a second, one of each stream. These are taken apart column by column
(2 us a block less); whatever is not plain goes the careful way, block by block, with the same result.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from analytics.resample import HIGHEST_HZ, LOWEST_HZ, duration_ns
from device_drivers.observations import Quality, Samples

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from device_drivers.observations import Observation

    _Block = NDArray[np.float32]
    _Columns = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]

SIGNAL = "accel"
_Key = tuple[int, float, int]
_LATEST_NS = 2**62
"""Times beyond (year 2116) or before 1970 are no times."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Blocks of equal rate and length, each of another stream.

    slots int64 (b,); at_ns, received_ns int64 (b,); values float32 (b, n, 3) in g, not finite where missing;
    full_scale float32 (b,) in g, NaN where unknown.
    """

    slots: NDArray[np.int64]
    at_ns: NDArray[np.int64]
    received_ns: NDArray[np.int64]
    values: NDArray[np.float32]
    full_scale: NDArray[np.float32]
    rate_hz: float

    def take(self, chosen: NDArray[np.bool_]) -> Batch:
        """The chosen blocks only."""
        return Batch(
            self.slots[chosen],
            self.at_ns[chosen],
            self.received_ns[chosen],
            self.values[chosen],
            self.full_scale[chosen],
            self.rate_hz,
        )

    def rows(self, block: int, start: int, stop: int) -> Batch:
        """Rows start to stop of one block, as a batch of its own."""
        one = slice(block, block + 1)
        return Batch(
            self.slots[one],
            self.at_ns[one] + duration_ns(start, self.rate_hz),
            self.received_ns[one],
            self.values[one, start:stop],
            self.full_scale[one],
            self.rate_hz,
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    at_ns: int
    received_ns: int
    values: NDArray[np.float32]
    full_scale: float | None


def stack(observations: Iterable[Observation], slots: Mapping[str, int], counts: Counter[str]) -> list[Batch]:
    """Batches of the live acceleration blocks of the devices in `slots`, first round first.

    Blocks longer than a second are cut into seconds. Adds to `counts`: `stored` for history, `rejected` for blocks
    whose shape, rate or time is impossible or that the device itself calls invalid.
    """
    blocks = [one for one in observations if type(one) is Samples and one.signal == SIGNAL and one.device_id in slots]
    if not blocks:
        return []
    return _plain(blocks, slots) or _careful(blocks, slots, counts)


def _plain(blocks: list[Samples], slots: Mapping[str, int]) -> list[Batch]:
    """The batches of a plain delivery; none if it is not plain."""
    places, values, rates = [slots[one.device_id] for one in blocks], _all("values", blocks), _all("rate_hz", blocks)
    if len(set(places)) < len(places) or True in _all("stored", blocks):
        return []
    if Quality.INVALID in _all("quality", blocks):
        return []
    try:
        times = np.array([_all("at_ns", blocks), _all("received_ns", blocks)], np.int64)
    except OverflowError:
        return []
    if times.min() < 0 or times.max() >= _LATEST_NS:
        return []
    full_scale = np.array(_all("full_scale", blocks), np.float32)
    columns = (np.array(places, np.int64), times[0], times[1], full_scale)
    return _by_kind(columns, values, rates, list(map(len, values)))


def _all(name: str, blocks: list[Samples]) -> list[Any]:
    """One field of all blocks."""
    return list(map(attrgetter(name), blocks))


def _by_kind(columns: _Columns, values: list[_Block], rates: list[float], lengths: list[int]) -> list[Batch]:
    """A batch for each rate and length; none if one of the blocks is not plain."""
    one_kind = len(set(rates)) == len(set(lengths)) == 1
    kinds = {(rates[0], lengths[0])} if one_kind else set(zip(rates, lengths, strict=True))
    if not all(LOWEST_HZ <= rate <= HIGHEST_HZ and 0 < length <= rate for rate, length in kinds):
        return []
    if one_kind:
        batch = _laid_out(columns, values, rates[0], lengths[0])
        return [] if batch is None else [batch]
    batches = []
    kind_of = np.array([rates, lengths], np.float64)
    for rate, length in sorted(kinds):
        own = np.flatnonzero((kind_of[0] == rate) & (kind_of[1] == length))
        slots, at_ns, received_ns, full_scale = columns
        mine = slots[own], at_ns[own], received_ns[own], full_scale[own]
        batch = _laid_out(mine, [values[i] for i in own.tolist()], rate, length)
        if batch is None:
            return []
        batches.append(batch)
    return batches


def _laid_out(columns: _Columns, values: list[_Block], rate: float, length: int) -> Batch | None:
    """One batch of blocks of equal rate and length; None if they are not of three axes."""
    try:
        stacked = np.concatenate(values).astype(np.float32, copy=False)
    except ValueError:
        return None
    if stacked.ndim != 2 or stacked.shape[1] != 3:
        return None
    slots, at_ns, received_ns, full_scale = columns
    return Batch(slots, at_ns, received_ns, stacked.reshape(-1, length, 3), full_scale, rate)


def _careful(blocks: list[Samples], slots: Mapping[str, int], counts: Counter[str]) -> list[Batch]:
    """The batches of any delivery, first round first."""
    groups: dict[_Key, list[Samples | _Piece]] = {}
    slot_lists: dict[_Key, list[int]] = {}
    rounds: dict[int, int] = {}
    for block in blocks:
        if not _usable(block, counts):
            continue
        slot = slots[block.device_id]
        rate = block.rate_hz
        for piece in (block,) if len(block.values) <= rate else _seconds(block):
            turn = rounds.get(slot, 0)
            rounds[slot] = turn + 1
            key = (turn, rate, len(piece.values))
            group = groups.get(key)
            if group is None:
                group = groups[key] = []
                slot_lists[key] = []
            group.append(piece)
            slot_lists[key].append(slot)
    return [_batch(groups[key], slot_lists[key], key[1]) for key in sorted(groups)]


def _usable(block: Samples, counts: Counter[str]) -> bool:
    values = block.values
    if (
        values.ndim == 2
        and values.shape[1] == 3
        and len(values)
        and not block.stored
        and LOWEST_HZ <= block.rate_hz <= HIGHEST_HZ
        and 0 <= block.at_ns < _LATEST_NS
        and 0 <= block.received_ns < _LATEST_NS
        and block.quality is not Quality.INVALID
    ):
        return True
    counts["stored" if block.stored else "rejected"] += 1
    return False


def _seconds(block: Samples) -> list[_Piece]:
    step = max(1, int(block.rate_hz))
    starts = range(0, len(block.values), step)
    offsets = duration_ns(np.array(starts), block.rate_hz).tolist()
    return [
        _Piece(block.at_ns + offset, block.received_ns, block.values[start : start + step], block.full_scale)
        for start, offset in zip(starts, offsets, strict=True)
    ]


def _batch(pieces: list[Samples | _Piece], slots: list[int], rate_hz: float) -> Batch:
    values = np.concatenate([piece.values for piece in pieces]).astype(np.float32, copy=False)
    return Batch(
        np.array(slots, np.int64),
        np.array([piece.at_ns for piece in pieces], np.int64),
        np.array([piece.received_ns for piece in pieces], np.int64),
        values.reshape(len(pieces), -1, 3),
        np.array([piece.full_scale for piece in pieces], np.float32),
        rate_hz,
    )
