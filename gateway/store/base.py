"""The time-series record: its words, its options, its errors, and the interface every store keeps.

    StoreError
    ├── StoreUnavailableError   the file cannot be opened or written now; what was appended stays in memory
    ├── StoreCorruptError       the file, or a part of it, cannot be read any more; it is moved aside
    └── QueryError              what was asked makes no sense (end before start, a waveform without samples)

The record serves people who look back; alerts never wait for it and never depend on it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from device_drivers.observations import Quality

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from device_drivers.observations import DeviceEvent, Reading

QUALITIES = (Quality.GOOD, Quality.POOR, Quality.NO_CONTACT, Quality.INVALID, Quality.OUT_OF_RANGE)
"""Order is the number on disk and in InfluxDB: append only."""

SECOND_NS = 1_000_000_000
HOUR_NS = 3_600 * SECOND_NS
DAY_NS = 24 * HOUR_NS
MAX_POINTS = 20_000
"""Most buckets one query gives: more than any screen has columns."""


class StoreError(Exception):
    """Base of everything the store raises."""


class StoreUnavailableError(StoreError):
    """The file cannot be opened, read or written now. Nothing appended is lost by it; try again later."""


class StoreCorruptError(StoreError):
    """Bytes on disk are not what was written. The next flush moves the file aside and begins a new one."""


class QueryError(StoreError, ValueError):
    """What was asked cannot be done; the text says what to change."""


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """How the store uses the box.

    path: the database file; its folder must exist or be creatable. Days: retention classes S1 (readings), S2 (hourly
    aggregates), S3 (events and snippets beside alerts). max_pending, max_pending_events, max_pending_snippets bound
    the memory used while the disk fails; about 250 bytes a row. checkpoint_mb: log size that triggers a checkpoint.
    """

    path: Path
    memory_limit_mb: int = 256
    threads: int = 1
    checkpoint_mb: int = 16
    max_pending: int = 200_000
    max_pending_events: int = 50_000
    max_pending_snippets: int = 256
    keep_readings_days: int = 90
    keep_hourly_days: int = 730
    keep_events_days: int = 1_095
    keep_snippets_days: int = 1_095
    keep_corrupt_files: int = 3

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, int) and value < 1:
                msg = f"{name} must be at least 1, got {value}"
                raise ValueError(msg)


class SeriesKey(NamedTuple):
    """Whose and what: one series of the record. The resident is the one the device was assigned to at that time.

    derived: the gateway has computed these readings from the device's wave.
    """

    device_id: str
    resident_id: str | None
    signal: str
    derived: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One stored reading or event. row_id grows with every row ever written, over restarts too."""

    row_id: int
    key: SeriesKey
    at_ns: int
    received_ns: int
    value: float | bool | str | None
    quality: Quality
    stored: bool
    is_event: bool = False
    repeat: bool = False
    token: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SeriesView:
    """One signal drawn over time: n buckets that hold data, in order of time.

    at_ns: int64 (n), start of the bucket. minimum, mean, maximum: float64 (n) in the signal's unit, NaN where every
    reading of the bucket was absent. count, absent: int64 (n), how many readings had a number and had none. derived:
    int64 (n), how many of `count` the gateway has computed from the device's wave.
    """

    bucket_ns: int
    at_ns: NDArray[np.int64]
    minimum: NDArray[np.float64]
    mean: NDArray[np.float64]
    maximum: NDArray[np.float64]
    count: NDArray[np.int64]
    absent: NDArray[np.int64]
    derived: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """Rows in the order they were written: row_id in (asked cursor, `cursor`].

    Readings are columns of equal length n: row_id, at_ns, received_ns int64, series int32 (key of `keys`), value
    float64 (NaN where absent), quality uint8 (index of `QUALITIES`), stored bool. record: identity of the file (a new
    file has a new one). behind: row ids that follow this page.
    """

    record: str
    cursor: int
    behind: int
    keys: Mapping[int, SeriesKey]
    readings: Mapping[str, NDArray[np.generic]]
    events: Sequence[Row]

    def __len__(self) -> int:
        return len(self.readings["row_id"]) + len(self.events)


@dataclass(frozen=True, slots=True, eq=False)
class Snippet:
    """The waveform around an alert: values float32 (n, channels), row i taken at start_ns + i / rate_hz."""

    alert_id: str
    device_id: str
    resident_id: str | None
    signal: str
    rate_hz: float
    start_ns: int
    values: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A row the far side can never take: HTTP status and its reason (at most 300 characters)."""

    row_id: int
    resident_id: str | None
    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class RetainReport:
    """What one retention run did, in rows."""

    readings_aggregated: int
    hourly_deleted: int
    events_deleted: int
    snippets_deleted: int


@dataclass(slots=True)
class StoreHealth:
    """Counters since start. state: "ok" or "degraded" (appended rows wait in memory); bytes: file and log on disk."""

    state: str = "degraded"
    rows: int = 0
    bytes: int = 0
    pending: int = 0
    last_flush_ns: int | None = None
    failed_flushes: int = 0
    duplicates: int = 0
    rejected: int = 0
    dropped_readings: int = 0
    dropped_repeats: int = 0
    dropped_snippets: int = 0
    moved_aside: list[str] = field(default_factory=list)
    last_error: str | None = None


class SeriesStore(Protocol):
    """What the pipeline, the console and the forwarder need of a time-series store. Safe to call from any thread."""

    @property
    def durable_mark(self) -> int:
        """Everything appended up to this mark is on disk, was there already, or was refused and counted."""

    def append(
        self, readings: Sequence[Reading], events: Sequence[DeviceEvent], resident_of: Mapping[str, str | None]
    ) -> int:
        """Buffer observations with the resident of now, and give the mark to compare with `durable_mark`.

        Costs microseconds, does no I/O, never raises for bad data (it is counted at the flush).
        """

    def save_snippet(
        self,
        alert_id: str,
        device_id: str,
        signal: str,
        rate_hz: float,
        start_ns: int,
        values: NDArray[np.float32],
        *,
        resident_id: str | None = None,
    ) -> int:
        """Buffer the waveform around an alert; the same alert, device, signal and start replaces. Gives a mark."""

    def flush(self) -> None:
        """Write what is buffered; it is durable when this returns. Raises StoreUnavailableError and keeps it all."""

    def query(
        self,
        signal: str,
        start_ns: int,
        end_ns: int,
        *,
        resident_id: str | None = None,
        device_id: str | None = None,
        points: int = 1_000,
    ) -> SeriesView:
        """Readings of [start_ns, end_ns) in at most `points` equal buckets; minimum and maximum keep every spike."""

    def events(
        self,
        start_ns: int,
        end_ns: int,
        *,
        resident_id: str | None = None,
        device_id: str | None = None,
        signal: str | None = None,
        limit: int = 1_000,
    ) -> list[Row]:
        """The newest `limit` events of [start_ns, end_ns), oldest first."""

    def latest(self, *, resident_id: str | None = None, device_id: str | None = None) -> list[Row]:
        """The flushed row with the greatest `at_ns` of every signal and device, readings and events, from memory."""

    def snippet(self, alert_id: str) -> list[Snippet]:
        """Every waveform kept for the alert, in order of start; empty if none."""

    def rows_after(self, cursor: int, limit: int, *, resident_id: str | None = None) -> Page:
        """The next rows in the order of writing; cursor 0 begins at the start. Spans at most `limit` row ids."""

    def cursor(self, name: str) -> int:
        """Where the reader of this name has come to; 0 if it never said."""

    def save_cursor(self, name: str, record: str, cursor: int, dead: Sequence[DeadLetter] = ()) -> None:
        """Keep the reader's place and what it had to give up, in one transaction. Durable when it returns.

        A place in another record (the file was replaced meanwhile) means nothing here and is ignored.
        """

    def dead_letters(self) -> list[DeadLetter]:
        """The newest rows that a forwarder had to give up (at most 1,000), by row id."""

    def retain(self, now_ns: int) -> RetainReport:
        """Aggregate and delete what has passed its time. Call about hourly."""

    def erase(self, resident_id: str) -> int:
        """Delete all rows of a resident, buffered ones too; gives how many. Detach the devices before. Durable."""

    def delete_snippets(self, resident_id: str) -> int:
        """Delete every waveform kept of a resident, buffered ones too; gives how many. Durable."""

    def backup(self, target: Path) -> None:
        """Write a consistent copy of the whole record, replacing `target` atomically."""

    def health(self) -> StoreHealth:
        """A snapshot of the counters."""

    def close(self) -> None:
        """Flush what can be flushed and release the file. Never raises."""
