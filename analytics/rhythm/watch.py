"""Detector of possible atrial fibrillation from `rr_interval` readings, whatever device they come from.

One finding when an episode is sure (about a minute and a half after it began at 80 beats a minute: docs/vital-signs.md)
and one when it is over; not one for each beat. Readings that are absent, doubtful, stored by the device or outside 200
to 2500 ms belong to no window. After a hole of GAP_S without a beat, or a clock set back, the windows start again; what
is open stays open until half an hour of other rhythm has been seen. The time of a step changes nothing, only data does.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

import numpy as np

from analytics.findings import Evidence, Finding, Phase
from analytics.rhythm.episodes import HIGHEST_MS, LOWEST_MS, NEVER, SECOND_NS, Course, Past, advance, fresh
from analytics.rhythm.irregularity import thousandths
from analytics.rhythm.model import DELAY, END, SHIPPED, Line
from device_drivers.observations import Quality, Reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from device_drivers.observations import Observation

KIND = "possible_af"
GAP_NS = 300 * SECOND_NS
LATE_NS = 2 * SECOND_NS
"""Beats of one message are dated back from its receipt, and may so seem to come before those of the last message."""
REPEAT_NS = 600 * SECOND_NS
"""What is older than the newest beat by up to this comes again; by more, the clock was set back."""
LATEST_NS = 2**62
MOST_SERIES = 2048
CONFIDENCE = 0.7
"""A choice, not a measured share: how often it is right depends on how many people have it; only an ECG tells."""


@dataclass(slots=True)
class _Source:
    device_id: str
    resident_id: str | None
    slot: int
    newest_ns: int = NEVER
    interval_ms: list[float] = field(default_factory=list)
    at_ns: list[int] = field(default_factory=list)


class RhythmWatch:
    """Screens the beats of many devices. line: the model. rejected: readings outside the range."""

    signals = frozenset({"rr_interval"})

    def __init__(self, line: Line = SHIPPED) -> None:
        self.rejected = 0
        self._line = line
        self._sources: dict[str, _Source] = {}
        self._source_at: dict[int, _Source] = {}
        self._waiting: dict[int, _Source] = {}
        self._free: list[int] = []
        self._past = fresh(0)
        self._found: list[Finding] = []

    def attach(self, device_id: str, resident_id: str | None) -> None:
        """Start to watch a device; under another resident it has no past."""
        known = self._sources.get(device_id)
        if known is not None:
            if known.resident_id == resident_id:
                return
            self.detach(device_id)
        if not self._free:
            self._grow()
        source = _Source(device_id, resident_id, self._free.pop())
        self._sources[device_id] = self._source_at[source.slot] = source

    def detach(self, device_id: str) -> None:
        """Stop watching; unknown devices are ignored."""
        source = self._sources.pop(device_id, None)
        if source is None:
            return
        if source.slot in self._waiting:
            self._settle()
        del self._source_at[source.slot]
        _put(self._past, np.array([source.slot]), fresh(1))
        self._free.append(source.slot)

    def ingest(self, observations: Sequence[Observation]) -> None:
        """Queue the intervals that count."""
        for o in observations:
            source = self._sources.get(o.device_id)
            if source is None or type(o) is not Reading or o.signal != "rr_interval" or o.stored:
                continue
            if o.value is None or o.quality is not Quality.GOOD:
                continue
            if not (LOWEST_MS <= o.value <= HIGHEST_MS and 0 <= o.at_ns < LATEST_NS):
                self.rejected += 1
                continue
            self._queue(source, o.value, o.at_ns)

    def step(self, now_ns: int) -> list[Finding]:  # noqa: ARG002 - only data moves this detector
        """Findings of all beats taken since the last step, in order of time."""
        self._settle()
        found, self._found = self._found, []
        found.sort(key=lambda finding: (finding.at_ns, finding.episode))
        return found

    def close(self, episode: str) -> None:
        """A person has resolved the finding: fibrillation that goes on for long enough is a new episode."""
        self._settle()
        for source in self._sources.values():
            if self._past.open[source.slot] and self._episode(source, self._past.opened_ns[source.slot]) == episode:
                self._past.open[source.slot] = self._past.fibrillates[source.slot] = False
                self._past.level[source.slot] = -END

    def _queue(self, source: _Source, interval_ms: float, at_ns: int) -> None:
        behind = source.newest_ns - at_ns
        if LATE_NS < behind <= REPEAT_NS:
            return
        if source.newest_ns != NEVER and (behind > REPEAT_NS or -behind > GAP_NS):
            self._settle()
            self._past.count[source.slot] = 0
            self._past.level[source.slot] = -END
            self._past.fibrillates[source.slot] = False
            source.newest_ns = NEVER
        source.newest_ns = max(source.newest_ns, at_ns)
        source.interval_ms.append(interval_ms)
        source.at_ns.append(source.newest_ns)
        self._waiting[source.slot] = source

    def _settle(self) -> None:
        """Advance every series that has new beats; those with about as many together."""
        waiting = sorted(self._waiting.values(), key=lambda source: len(source.at_ns))
        self._waiting.clear()
        for start in range(0, len(waiting), MOST_SERIES):
            self._advance(waiting[start : start + MOST_SERIES])

    def _advance(self, sources: list[_Source]) -> None:
        counts = np.array([len(source.at_ns) for source in sources])
        log_ms = np.zeros((len(sources), int(counts[-1])), np.int64)
        at_ns = np.zeros_like(log_ms)
        known = np.arange(log_ms.shape[1]) < counts[:, None]
        log_ms[known] = thousandths(np.concatenate([source.interval_ms for source in sources]))
        at_ns[known] = np.concatenate([source.at_ns for source in sources])
        for source in sources:
            source.interval_ms.clear()
            source.at_ns.clear()
        slots = np.array([source.slot for source in sources])
        before = _take(self._past, slots)
        after, course = advance(before, log_ms, at_ns, counts, self._line)
        _put(self._past, slots, after)
        was_open = np.concatenate([before.open[:, None], course.open[:, :-1]], axis=1)
        for row, column in np.argwhere(course.open != was_open):
            self._conclude(sources[row], course, int(row), int(column), int(at_ns[row, column]))

    def _conclude(self, source: _Source, course: Course, row: int, column: int, at_ns: int) -> None:
        begins = bool(course.open[row, column])
        since = int(course.opened_ns[row, column])
        evidence: dict[str, Evidence] = {
            "rule": self._line.version,
            "signal": "rr_interval",
            "since_ns": since,
            "delay_beats": DELAY,
        }
        if begins:
            evidence["held_s"] = round((at_ns - since) / SECOND_NS, 1)
            evidence["log_odds"] = round(float(course.level[row, column]) / 1000.0, 1)
        else:
            evidence["last_seen_ns"] = int(course.seen_ns[row, column])
        phase = Phase.CONFIRMED if begins else Phase.CLEARED
        name, devices = self._episode(source, since), (source.device_id,)
        self._found.append(Finding(name, KIND, source.resident_id, at_ns, phase, CONFIDENCE, devices, evidence))

    def _episode(self, source: _Source, since_ns: int) -> str:
        return f"{KIND}:{source.resident_id or ''}:{source.device_id}:{since_ns}"

    def _grow(self) -> None:
        rows = max(16, len(self._past.count))
        old, more = self._past, fresh(rows)
        self._free = list(range(len(old.count) + rows - 1, len(old.count) - 1, -1))
        self._past = Past(*(np.concatenate([getattr(old, f.name), getattr(more, f.name)]) for f in fields(Past)))


def _take(past: Past, slots: NDArray[np.int64]) -> Past:
    return Past(*(getattr(past, f.name)[slots] for f in fields(Past)))


def _put(past: Past, slots: NDArray[np.int64], new: Past) -> None:
    for f in fields(Past):
        getattr(past, f.name)[slots] = getattr(new, f.name)
