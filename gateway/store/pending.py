"""What has been appended and is not on disk yet, bounded: when the disk fails, the least important goes first.

Order of giving up: repeated states (answers to polls) once they alone exceed their bound, then the oldest
readings that are no vital sign, then the oldest vital signs. An event that is news is never given up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from device_drivers.observations import DeviceEvent, Reading
    from gateway.store.base import Snippet, StoreOptions

VITAL_SIGNS = frozenset({"heart_rate", "respiratory_rate", "spo2", "body_temperature", "skin_temperature"})
SLACK = 20
"""When full, one part in SLACK more than needed is dropped, so that the next append need not sort again."""

OwnedReading = tuple["Reading", "str | None"]
OwnedEvent = tuple["DeviceEvent", "str | None"]


@dataclass(slots=True)
class Batch:
    """What one flush writes. mark: everything appended up to it is in here or was handled before."""

    readings: list[OwnedReading] = field(default_factory=list)
    events: list[OwnedEvent] = field(default_factory=list)
    snippets: list[Snippet] = field(default_factory=list)
    mark: int = 0

    def __len__(self) -> int:
        return len(self.readings) + len(self.events) + len(self.snippets)


class Pending:
    """The buffer between `append` and `flush`. Not thread-safe: the store holds its lock around each call."""

    def __init__(self, options: StoreOptions) -> None:
        self._options = options
        self._batch = Batch()
        self.dropped_readings = 0
        self.dropped_repeats = 0
        self.dropped_snippets = 0

    def __len__(self) -> int:
        return len(self._batch)

    def add(
        self, readings: Sequence[Reading], events: Sequence[DeviceEvent], resident_of: Mapping[str, str | None]
    ) -> int:
        """Keep observations with their resident of now; gives the mark."""
        batch, owner = self._batch, resident_of.get
        batch.readings += [(reading, owner(reading.device_id)) for reading in readings]
        batch.events += [(event, owner(event.device_id)) for event in events]
        batch.mark += len(readings) + len(events)
        self._trim()
        return batch.mark

    def add_snippet(self, snippet: Snippet) -> int:
        """Keep a waveform; gives the mark."""
        self._batch.snippets.append(snippet)
        self._batch.mark += 1
        self._trim()
        return self._batch.mark

    def take(self) -> Batch:
        """Everything kept; the buffer is empty afterwards and its marks go on."""
        batch, self._batch = self._batch, Batch(mark=self._batch.mark)
        return batch

    def put_back(self, batch: Batch) -> None:
        """Return a batch that could not be written, before what came meanwhile."""
        newer = self._batch
        self._batch = Batch(
            batch.readings + newer.readings, batch.events + newer.events, batch.snippets + newer.snippets, newer.mark
        )
        self._trim()

    def _trim(self) -> None:
        batch, options = self._batch, self._options
        if len(batch.readings) > options.max_pending:
            self._drop_readings(len(batch.readings) - options.max_pending + options.max_pending // SLACK)
        if len(batch.events) > options.max_pending_events:
            self._drop_repeats(len(batch.events) - options.max_pending_events + options.max_pending_events // SLACK)
        excess = len(batch.snippets) - options.max_pending_snippets
        if excess > 0:
            del batch.snippets[:excess]
            self.dropped_snippets += excess

    def _drop_readings(self, excess: int) -> None:
        readings = self._batch.readings
        minor = [i for i, (reading, _) in enumerate(readings) if reading.signal not in VITAL_SIGNS]
        vital = [i for i, (reading, _) in enumerate(readings) if reading.signal in VITAL_SIGNS]
        gone = set((minor + vital)[:excess])
        self._batch.readings = [pair for i, pair in enumerate(readings) if i not in gone]
        self.dropped_readings += len(gone)

    def _drop_repeats(self, excess: int) -> None:
        events = self._batch.events
        gone = set([i for i, (event, _) in enumerate(events) if event.repeat][:excess])
        self._batch.events = [pair for i, pair in enumerate(events) if i not in gone]
        self.dropped_repeats += len(gone)
