"""Plays recorded trials to a detector's ears the way devices send them: one block a second, many trials at a time."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Protocol

import numpy as np

from analytics.resample import duration_ns
from device_drivers.observations import Samples

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

EPOCH_NS = 1_700_000_000_000_000_000
"""Time of the first sample of every trial; any would do."""
GROUP = 256
"""Trials played at a time."""
BLOCK_S = 1.0


class Trial(Protocol):
    """What a recorded trial must tell; `simulators.recordings.Recording` does.

    accel_g: float32 (n, 3), regular at rate_hz, NaN where missing; full_scale_g: None where unknown; site: where it was
    worn; fall_start_s, fall_end_s: where the fall is marked, None if not.
    """

    @property
    def name(self) -> str: ...
    @property
    def dataset(self) -> str: ...
    @property
    def activity(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def site(self) -> str: ...
    @property
    def is_fall(self) -> bool: ...
    @property
    def rate_hz(self) -> float: ...
    @property
    def accel_g(self) -> NDArray[np.float32]: ...
    @property
    def full_scale_g(self) -> float | None: ...
    @property
    def fall_start_s(self) -> float | None: ...
    @property
    def fall_end_s(self) -> float | None: ...


def groups(trials: Iterable[Trial], size: int = GROUP) -> Iterator[list[Trial]]:
    """The trials, so many at a time."""
    source = iter(trials)
    while group := list(islice(source, size)):
        yield group


def play(trials: Sequence[Trial], block_s: float = BLOCK_S) -> Iterator[tuple[int, list[Samples]]]:
    """For each block of time: its end (UTC ns) and the blocks that end there; the device is the trial's position."""
    longest = max(len(trial.accel_g) / trial.rate_hz for trial in trials)
    for number in range(int(np.ceil(longest / block_s))):
        blocks = [_block(trial, position, number, block_s) for position, trial in enumerate(trials)]
        end_ns = EPOCH_NS + round((number + 1) * block_s * 1e9)
        yield end_ns, [block for block in blocks if len(block.values)]


def _block(trial: Trial, position: int, number: int, block_s: float) -> Samples:
    start = round(number * block_s * trial.rate_hz)
    stop = round((number + 1) * block_s * trial.rate_hz)
    at_ns = EPOCH_NS + int(duration_ns(start, trial.rate_hz)[()])
    received_ns = EPOCH_NS + round((number + 1) * block_s * 1e9)
    values = trial.accel_g[start:stop]
    return Samples(str(position), "accel", values, trial.rate_hz, at_ns, received_ns, trial.full_scale_g, number)
