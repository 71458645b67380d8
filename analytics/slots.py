"""Struct-of-arrays state with one row for each slot: rows are lent out, taken back, and the arrays grow by doubling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import DTypeLike, NDArray


class Column(NamedTuple):
    """One array of the table: its type, the value of a fresh row, and how many values a row has (0: one scalar)."""

    dtype: DTypeLike
    fill: Any
    width: int = 0


class SlotTable:
    """Named arrays that share their first axis. A row is fresh (every column at its fill) when it is lent out."""

    def __init__(self, columns: Mapping[str, Column], capacity: int = 16) -> None:
        self._columns = dict(columns)
        self._arrays = {name: _filled(column, capacity) for name, column in self._columns.items()}
        self._free = list(range(capacity - 1, -1, -1))
        self.capacity = capacity

    def __getitem__(self, name: str) -> NDArray[Any]:
        """The array (capacity,) or (capacity, width) of a column; valid until the next `acquire`."""
        return self._arrays[name]

    def acquire(self) -> int:
        """Lend out a fresh row and give its index."""
        if not self._free:
            self._grow()
        slot = self._free.pop()
        for name, column in self._columns.items():
            self._arrays[name][slot] = column.fill
        return slot

    def release(self, slot: int) -> None:
        """Take a row back; its columns return to their fills at once."""
        for name, column in self._columns.items():
            self._arrays[name][slot] = column.fill
        self._free.append(slot)

    def _grow(self) -> None:
        more = self.capacity
        for name, column in self._columns.items():
            self._arrays[name] = np.concatenate([self._arrays[name], _filled(column, more)])
        self._free = list(range(self.capacity + more - 1, self.capacity - 1, -1))
        self.capacity += more


def rounds(slots: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Places (of n) of the first of every slot, then of every second one, and so on: no slot is in one twice."""
    order = np.argsort(slots, kind="stable")
    starts = np.flatnonzero(np.diff(slots[order], prepend=-1))
    rank = np.arange(slots.size) - np.repeat(starts, np.diff(starts, append=slots.size))
    by_round = np.argsort(rank, kind="stable")
    return np.split(order[by_round], np.flatnonzero(np.diff(rank[by_round])) + 1) if slots.size else []


def _filled(column: Column, rows: int) -> NDArray[Any]:
    shape = (rows, column.width) if column.width else (rows,)
    return np.full(shape, column.fill, dtype=column.dtype)
