"""From observations to candidates: impacts that stand, each with the seconds around it, once for each look.

Shared by the detector, which scores candidates, and by training, which learns from them: what the model sees in
service is made by the very code that made what it learned from.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analytics.blocks import stack
from analytics.cohort import CAPACITY, Cohort, Written
from analytics.falls.features import BEFORE, LOOKS
from analytics.falls.gate import APART, scan, squared, stands, thresholds_squared
from analytics.falls.model import grade_of
from analytics.falls.vectors import norm

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from analytics.falls.trace import Trace
    from device_drivers.observations import Observation

STALLED_NS = 3_000_000_000
"""A stream without new samples for this long is judged by what there is."""
SETTLED_NS = 1_000_000_000
"""Holes that late blocks fill are looked at again once no more came for this long ..."""
SETTLED_AT_MOST_NS = 3_000_000_000
"""... or this long after the first."""
MINIMUM_AFTER = 5
"""Fewer known samples than this (0.1 s) after an impact say nothing about it."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Impacts as one look sees them.

    slots, index, at_ns int64 (k,); windows float32 (k, BEFORE + 1 + LOOKS[look], 3); peak_g (k,); clipped bool (k,);
    grades: of each the grade of its equipment (`model.grade_of`).
    """

    look: int
    slots: NDArray[np.int64]
    index: NDArray[np.int64]
    at_ns: NDArray[np.int64]
    windows: NDArray[np.float32]
    peak_g: NDArray[np.float32]
    clipped: NDArray[np.bool_]
    grades: list[str]


@dataclass(slots=True)
class _Refilled:
    """Cells that late blocks filled, not looked at yet; times are of `step`, None until the next one."""

    first: int
    last: int
    since_ns: int | None = None
    latest_ns: int | None = None


def outdone(windows: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which windows (k, BEFORE + 1 + after, 3) hold a harder impact after their own: bool (k,).

    A step or a stumble before a fall, which is judged by itself: what follows the fall says nothing about the step.
    """
    length = squared(windows[:, BEFORE:])
    later: NDArray[np.bool_] = length[:, 1:].max(axis=1) > length[:, 0]
    return later


class CandidateFinder:
    """Cohort and gate; gives each candidate once for each look, when what the look needs is known or will not come."""

    def __init__(self, slots: int = 64, trace: Trace | None = None) -> None:
        self.cohort = Cohort(slots)
        self._trace = trace
        self.slots: dict[str, int] = {}
        self.counts: Counter[str] = self.cohort.counts
        self._hit_slots = np.empty(0, np.int64)
        self._hit_index = np.empty(0, np.int64)
        self._hit_ns = np.empty(0, np.int64)
        self._hit_look = np.empty(0, np.int64)
        self._refilled: dict[int, _Refilled] = {}
        self._fresh: list[NDArray[np.int64]] = []
        self.fresh_ns = np.zeros(slots, np.int64)
        """By slot: time of the last `step` that found new samples."""

    def attach(self, device_id: str) -> int:
        """Slot of the device, a new one if it had none."""
        if device_id not in self.slots:
            self.slots[device_id] = self.cohort.attach()
            missing = len(self.cohort.head) - len(self.fresh_ns)
            self.fresh_ns = np.concatenate([self.fresh_ns, np.zeros(missing, np.int64)])
        return self.slots[device_id]

    def detach(self, device_id: str) -> int | None:
        """Forget the device and what was pending for it; the slot it had."""
        slot = self.slots.pop(device_id, None)
        if slot is not None:
            self._keep(self._hit_slots != slot)
            self._refilled.pop(slot, None)
            self.cohort.detach(slot)
        return slot

    def pending_slots(self) -> set[int]:
        """Slots with an impact, or a refilled hole, that is not decided yet."""
        return {*np.unique(self._hit_slots).tolist(), *self._refilled}

    def ingest(self, observations: Sequence[Observation]) -> Iterator[list[Candidates]]:
        """Take observations; yields the candidates that they complete, round by round, by look."""
        for batch in stack(observations, self.slots, self.counts):
            for written in self.cohort.write(batch):
                self._look(written)
            yield from self._complete(None)

    def step(self, now_ns: int) -> Iterator[list[Candidates]]:
        """Candidates of streams that have stalled and of holes that were refilled."""
        for slots in self._fresh:
            self.fresh_ns[slots] = now_ns
        self._fresh.clear()
        np.minimum(self.fresh_ns, now_ns, out=self.fresh_ns)
        self._rescan(now_ns)
        yield from self._complete(now_ns)

    def _look(self, written: Written) -> None:
        self._fresh.append(written.slots)
        if written.late:
            self._note_refilled(int(written.slots[0]), int(written.first[0]), written.values.shape[1])
        else:
            self._add(*scan(written, thresholds_squared(self.cohort.full_scale[written.slots])))

    def _note_refilled(self, slot: int, first: int, count: int) -> None:
        hole = self._refilled.setdefault(slot, _Refilled(first, first))
        hole.first = min(hole.first, first)
        hole.last = max(hole.last, first + count - 1)
        hole.latest_ns = None

    def _rescan(self, now_ns: int) -> None:
        for slot, hole in list(self._refilled.items()):
            hole.since_ns = now_ns if hole.since_ns is None else min(hole.since_ns, now_ns)
            hole.latest_ns = now_ns if hole.latest_ns is None else min(hole.latest_ns, now_ns)
            settled = now_ns - hole.latest_ns >= SETTLED_NS or now_ns - hole.since_ns >= SETTLED_AT_MOST_NS
            if settled:
                del self._refilled[slot]
                self._scan_again(slot, hole)

    def _scan_again(self, slot: int, hole: _Refilled) -> None:
        """Look at a refilled hole and at the impacts before it whose aftermath it holds."""
        first = max(hole.first - LOOKS[-1], int(self.cohort.head[slot]) - CAPACITY)
        one, start = np.array([slot]), np.array([first])
        values = self.cohort.gather(one, start, hole.last + APART - first + 1)
        written = Written(one, start, values, late=True)
        self._add(*scan(written, thresholds_squared(self.cohort.full_scale[one])))

    def _add(self, slots: NDArray[np.int64], index: NDArray[np.int64]) -> None:
        if len(slots):
            at_ns = self.cohort.time_ns(slots, index)
            self._hit_slots = np.concatenate([self._hit_slots, slots])
            self._hit_index = np.concatenate([self._hit_index, index])
            self._hit_ns = np.concatenate([self._hit_ns, at_ns])
            self._hit_look = np.concatenate([self._hit_look, np.zeros_like(slots)])
            if self._trace is not None:
                self._trace.hits(slots, at_ns)

    def _keep(self, kept: NDArray[np.bool_]) -> None:
        self._hit_slots, self._hit_index = self._hit_slots[kept], self._hit_index[kept]
        self._hit_ns, self._hit_look = self._hit_ns[kept], self._hit_look[kept]

    def _complete(self, now_ns: int | None) -> Iterator[list[Candidates]]:
        """What each look can be had of; now_ns: given, streams that have stalled are looked at as they are."""
        looked = [found for look in range(len(LOOKS)) if (found := self._look_at(look, now_ns)) is not None]
        if looked:
            yield looked

    def _look_at(self, look: int, now_ns: int | None) -> Candidates | None:
        done = self._hit_index + LOOKS[look] < self.cohort.head[self._hit_slots]
        if now_ns is not None:
            done |= now_ns - self.fresh_ns[self._hit_slots] >= STALLED_NS
        done &= self._hit_look == look
        if not done.any():
            return None
        slots, index, at_ns = self._hit_slots[done], self._hit_index[done], self._hit_ns[done]
        windows = self.cohort.gather(slots, index - BEFORE, BEFORE + 1 + LOOKS[look])
        known = np.isfinite(windows[:, BEFORE + 1 :, 0]).sum(axis=1) >= MINIMUM_AFTER
        self.counts["undecidable"] += int((~known).sum()) if look == 0 else 0
        kept = known & stands(self.cohort, slots, index)
        self._advance(done, kept, last=look == len(LOOKS) - 1)
        if not kept.any():
            return None
        slots, index, at_ns, windows = slots[kept], index[kept], at_ns[kept], windows[kept]
        clipped = self.cohort.any_clipped(slots, index - APART // 2, APART)
        grades = [grade_of(full_scale) for full_scale in self.cohort.full_scale[slots].tolist()]
        return Candidates(look, slots, index, at_ns, windows, norm(windows[:, BEFORE]), clipped, grades)

    def _advance(self, done: NDArray[np.bool_], kept: NDArray[np.bool_], *, last: bool) -> None:
        """Of the hits that were looked at, those that stand wait for the next look; the others are done with."""
        self._hit_look[done] += 1
        over = done.copy()
        over[done] = ~kept | last
        self._keep(~over)
