"""Holds what truly happened against the history: is the value there, how soon, how often."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from device_drivers.signals import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gateway.store.base import Page, SeriesStore

Value = float | bool | str
BEFORE_NS = 3_000_000_000
"""A clock of whole seconds may put the value a little before it happened."""
PAGE_ROWS = 20_000
TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class Record:
    """One thing that must be in the history. copies: rows with its value; once: there must be no second one."""

    signal: str
    value: Value
    device: str
    family: str
    event_ns: int
    stored_ns: int | None = None
    copies: int = 0
    once: bool = False

    @property
    def after_s(self) -> float | None:
        """Seconds from the event until the gateway had it."""
        return None if self.stored_ns is None else round((self.stored_ns - self.event_ns) / 1e9, 3)

    def plain(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**asdict(self), "after_s": self.after_s}


@dataclass(frozen=True, slots=True)
class _Row:
    at_ns: int
    received_ns: int
    value: Value


class RecordBook:
    """Follows a store and keeps the rows of the (device, signal) pairs that something is expected of."""

    def __init__(self, wanted: Iterable[tuple[str, str]]) -> None:
        self._rows: dict[tuple[str, str], list[_Row]] = {pair: [] for pair in wanted}
        self._cursor = 0

    def follow(self, store: SeriesStore) -> None:
        """Read what was written since the last time. Raises StoreUnavailableError."""
        while True:
            page = store.rows_after(self._cursor, PAGE_ROWS)
            self._take(page)
            self._cursor = page.cursor
            if page.behind == 0:
                return

    def judge(self, truths: Iterable[Mapping[str, Any]]) -> list[Record]:
        """One record for each truth that must be in the history."""
        return [self._one(truth) for truth in truths if truth.get("signal") is not None]

    def _one(self, truth: Mapping[str, Any]) -> Record:
        device, signal, event_ns = truth["device"], truth["signal"], int(truth["at_ns"])
        rows = [
            row
            for row in self._rows.get((device, signal), ())
            if row.received_ns >= event_ns - BEFORE_NS
            and row.at_ns >= event_ns - BEFORE_NS
            and same(row.value, truth["value"])
        ]
        first = min((row.received_ns for row in rows), default=None)
        once = bool(truth.get("once"))
        return Record(signal, truth["value"], device, truth.get("family", ""), event_ns, first, len(rows), once)

    def _take(self, page: Page) -> None:
        for event in page.events:
            rows = self._rows.get((event.key.device_id, event.key.signal))
            if rows is not None and event.value is not None:
                rows.append(_Row(event.at_ns, event.received_ns, event.value))
        wanted = {number: rows for number, key in page.keys.items() if (rows := self._rows.get(_pair(key))) is not None}
        series = page.readings["series"]
        for at in np.flatnonzero(np.isin(series, list(wanted))).tolist():
            value = float(page.readings["value"][at])
            if not np.isnan(value):
                at_ns, received_ns = (int(page.readings[name][at]) for name in ("at_ns", "received_ns"))
                wanted[int(series[at])].append(_Row(at_ns, received_ns, value))


def _pair(key: Any) -> tuple[str, str]:
    return key.device_id, key.signal


def same(one: Value, other: Value) -> bool:
    """Equal; numbers to a thousandth, which is finer than any device's step."""
    if isinstance(one, bool | str) or isinstance(other, bool | str):
        return type(one) is type(other) and one == other
    return abs(one - other) <= TOLERANCE * max(1.0, abs(other))


def records_table(records: Sequence[Record], *, chinese: bool) -> Table:
    """For people: one row a record."""
    heads = ("记录", "设备", "数值", "入库", "条数") if chinese else ("Record", "Device", "Value", "Stored", "Rows")
    shown = Table(*heads)
    for one in records:
        signal = SIGNALS[one.signal]
        name, value = signal.zh if chinese else signal.en, f"{one.value}"
        after = "—" if one.after_s is None else f"+{one.after_s:.2f} s"
        shown.add_row(name, f"{one.device} ({one.family})", value, after, str(one.copies))
    return shown
