"""Tells a clock that was set back from blocks that merely come again.

Both look old. A broker that redelivers sends old blocks in a burst; a device whose clock was set back sends them at
the pace of life, and nothing current in between.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from analytics.resample import BRIDGE_NS, duration_ns

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from analytics.blocks import Batch

BELIEVED_AFTER_NS = 1_500_000_000
"""An unbroken run of old blocks this long, in the device's time and in the time of receipt, is a new timeline."""


@dataclass(slots=True)
class _Run:
    start_ns: int
    end_ns: int
    first_received_ns: int
    blocks: list[Batch] = field(default_factory=list)


class Doubts:
    """Runs of old blocks by slot."""

    def __init__(self) -> None:
        self._runs: dict[int, _Run] = {}

    def add(self, slot: int, block: Batch, live_received_ns: int, *, too_old: bool) -> list[Batch]:
        """Note an old block (b = 1); the whole run, in order, once it is believed to be a new timeline.

        live_received_ns: when the last current block of the slot was received. Blocks that repeat what is known
        (not too_old) are only believed if they were received after it.
        """
        start, received = int(block.at_ns[0]), int(block.received_ns[0])
        end = start + int(duration_ns(block.values.shape[1] - 1, block.rate_hz)[()])
        run = self._runs.get(slot)
        if run is None or not 0 < start - run.end_ns <= BRIDGE_NS:
            run = self._runs[slot] = _Run(start, end, received)
        run.end_ns = end
        run.blocks.append(block)
        fresh = too_old or run.first_received_ns > live_received_ns
        if fresh and min(run.end_ns - run.start_ns, received - run.first_received_ns) >= BELIEVED_AFTER_NS:
            return self._runs.pop(slot).blocks
        return []

    def settle(self, slots: NDArray[np.int64]) -> None:
        """Current blocks of these slots came: their old ones were late, not new."""
        if self._runs:
            for slot in slots.tolist():
                self._runs.pop(slot, None)

    def forget(self, slot: int) -> None:
        """The slot is free."""
        self._runs.pop(slot, None)
