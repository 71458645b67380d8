"""The numbers under which the store keeps (device, resident, signal), and the newest row of every stream.

A *series* is (device, resident, signal, and whether the gateway has derived it) and is what a row refers to; a *stream*
is (device, signal) whoever wore it and whoever computed it, and is what de-duplication goes by. The newest time of a
stream tells at once that a row is new: only rows that are not newer have to be looked for on disk.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from gateway.store.base import SeriesKey

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from gateway.store.base import Row

KEPT_TOKENS = 50_000
"""Event tokens remembered for de-duplication: a home's events of weeks."""

T = TypeVar("T", bound=np.generic)
BookKey = tuple[str, "str | None", str, bool, bool]
BookRow = tuple[int, int, str, "str | None", str, bool, bool]
"""As kept: series, stream, then the key."""


class SeriesBook(dict[BookKey, int]):
    """(device, resident, signal, is_event, derived) -> series number; asking for an unknown one adds it to `unsaved`.

    Raises UnicodeEncodeError for a name that cannot be stored (a lone surrogate).
    """

    def __init__(self, rows: Iterable[BookRow] = ()) -> None:
        super().__init__()
        self.keys_by_id: dict[int, SeriesKey] = {}
        self.unsaved: list[BookRow] = []
        self._streams: dict[tuple[str, str, bool], int] = {}
        self._by_device: dict[str, list[int]] = {}
        self._by_resident: dict[str, list[int]] = {}
        self._stream_of = np.zeros(64, np.int32)
        self._next = 1
        self.streams = 0
        """Stream numbers in use are below this."""
        for row in rows:
            self._enter(*row)

    def __missing__(self, key: BookKey) -> int:
        device_id, resident_id, signal, is_event, derived = key
        for name in (device_id, resident_id or "", signal):
            name.encode()
        stream = self._streams.get((device_id, signal, is_event), self.streams)
        row = (self._next, stream, device_id, resident_id, signal, is_event, derived)
        self._enter(*row)
        self.unsaved.append(row)
        return row[0]

    def stream_of(self, series: NDArray[np.int32]) -> NDArray[np.int32]:
        """The stream of each series number."""
        return self._stream_of[series]

    def find(self, resident_id: str | None, device_id: str | None, signal: str | None = None) -> list[int]:
        """Numbers of the series that match everything given (None matches all)."""
        if device_id is not None:
            found = list(self._by_device.get(device_id, ()))
        elif resident_id is not None:
            found = list(self._by_resident.get(resident_id, ()))
        else:
            found = list(self.keys_by_id)
        keys = self.keys_by_id
        return [
            number
            for number in found
            if (signal is None or keys[number].signal == signal)
            and (resident_id is None or keys[number].resident_id == resident_id)
        ]

    def _enter(self, number: int, stream: int, *key: *BookKey) -> None:
        device_id, resident_id, signal, is_event, derived = key
        self[key] = number
        self.keys_by_id[number] = SeriesKey(device_id, resident_id, signal, derived)
        self._streams[(device_id, signal, is_event)] = stream
        self._by_device.setdefault(device_id, []).append(number)
        if resident_id is not None:
            self._by_resident.setdefault(resident_id, []).append(number)
        self._stream_of = grown(self._stream_of, number + 1, 0)
        self._stream_of[number] = stream
        self._next = max(self._next, number + 1)
        self.streams = max(self.streams, stream + 1)


class Newest:
    """Per stream the newest time, at least -1, and the row that has it. Arrays are indexed by stream number.

    lock: held while rows change, so that another thread never reads half of one and half of the next.
    """

    COLUMNS = ("row_id", "series", "at_ns", "received_ns", "value", "quality", "stored")

    def __init__(self) -> None:
        self.at_ns = np.full(64, -1, np.int64)
        self.rows = {name: np.zeros(64, np.int64) for name in self.COLUMNS}
        self.rows["value"] = np.zeros(64, np.float64)
        self.events: dict[int, Row] = {}
        self.tokens: dict[tuple[int, str], None] = {}
        self.lock = threading.Lock()

    def fit(self, streams: int) -> None:
        """Make room for streams numbered 0 to streams - 1."""
        with self.lock:
            self.at_ns = grown(self.at_ns, streams, -1)
            self.rows = {name: grown(column, streams, 0) for name, column in self.rows.items()}

    def take_readings(self, stream: NDArray[np.int32], columns: dict[str, NDArray[np.generic]]) -> None:
        """Learn readings that are now on disk; columns as named in COLUMNS, each (n)."""
        order = np.lexsort((columns["at_ns"], stream))
        ordered = stream[order]
        last = order[np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))] if len(order) else order
        at_ns: NDArray[np.int64] = columns["at_ns"].astype(np.int64)
        last = last[at_ns[last] >= self.at_ns[stream[last]]]
        where = stream[last]
        with self.lock:
            for name, column in self.rows.items():
                column[where] = columns[name][last]
            self.at_ns[where] = at_ns[last]

    def take_event(self, stream: int, row: Row) -> None:
        """Learn one event that is now on disk."""
        if row.at_ns >= self.at_ns[stream]:
            self.at_ns[stream] = row.at_ns
            self.events[stream] = row
        if row.token is not None:
            self.tokens[(stream, row.token)] = None
            while len(self.tokens) > KEPT_TOKENS:
                del self.tokens[next(iter(self.tokens))]


def grown(array: NDArray[T], size: int, fill: int) -> NDArray[T]:
    """The array, or a copy with at least `size` places, new ones set to `fill`; doubles so that it happens rarely."""
    if size <= len(array):
        return array
    bigger = np.full(max(size, 2 * len(array)), fill, array.dtype)
    bigger[: len(array)] = array
    return bigger
