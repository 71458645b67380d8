"""Puts the acceleration blocks of one delivery into batches: one array per round, rate and length.

A batch holds each stream at most once, and the batches of one stream come in the order of its blocks, so a whole batch
can be written with one assignment. What cannot be used is counted by reason and left out.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analytics.resample import HIGHEST_HZ, LOWEST_HZ, duration_ns
from device_drivers.observations import Quality, Samples

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from device_drivers.observations import Observation

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
    groups: dict[_Key, list[Samples | _Piece]] = {}
    slot_lists: dict[_Key, list[int]] = {}
    rounds: dict[int, int] = {}
    for block in observations:
        if type(block) is not Samples or block.signal != SIGNAL:
            continue
        slot = slots.get(block.device_id)
        if slot is None or not _usable(block, counts):
            continue
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
