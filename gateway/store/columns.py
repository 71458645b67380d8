"""From observations to the numpy columns of one insert; what cannot be stored is refused here, and counted.

Fast for the usual case (one pass for each column over all rows); only when that fails is each row tried by itself.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from gateway.store.base import QUALITIES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.store.pending import OwnedEvent, OwnedReading
    from gateway.store.series_book import SeriesBook

Columns = dict[str, Any]
P = TypeVar("P", "OwnedReading", "OwnedEvent")
QUALITY_CODE = {quality: code for code, quality in enumerate(QUALITIES)}
UNSTORABLE = (OverflowError, TypeError, ValueError, KeyError)
"""A time beyond int64, a value that is no number, a name with a lone surrogate, an unknown quality."""


def reading_columns(pairs: Sequence[OwnedReading], book: SeriesBook) -> Columns:
    """Columns series int32, at_ns, received_ns int64, value float64 (NaN for absent), quality uint8, stored.

    Each has the shape (n). Raises one of UNSTORABLE if any row cannot be stored.
    """
    n = len(pairs)
    keys = (book[(r.device_id, owner, r.signal, False, r.derived)] for r, owner in pairs)
    return _checked(
        {
            "series": np.fromiter(keys, np.int32, n),
            "at_ns": np.fromiter((r.at_ns for r, _ in pairs), np.int64, n),
            "received_ns": np.fromiter((r.received_ns for r, _ in pairs), np.int64, n),
            "value": np.array([r.value for r, _ in pairs], np.float64),
            "quality": np.fromiter((QUALITY_CODE[r.quality] for r, _ in pairs), np.uint8, n),
            "stored": np.fromiter((r.stored for r, _ in pairs), np.bool_, n),
        }
    )


def event_columns(pairs: Sequence[OwnedEvent], book: SeriesBook) -> Columns:
    """As for readings, with state (object: bool or None), word, token (object: str or None) and repeat bool."""
    n = len(pairs)
    return _checked(
        {
            "series": np.fromiter(
                (book[(e.device_id, owner, e.signal, True, False)] for e, owner in pairs), np.int32, n
            ),
            "at_ns": np.fromiter((e.at_ns for e, _ in pairs), np.int64, n),
            "received_ns": np.fromiter((e.received_ns for e, _ in pairs), np.int64, n),
            "state": _objects([e.value if isinstance(e.value, bool) else None for e, _ in pairs]),
            "word": _objects([_text(e.value) if not isinstance(e.value, bool) else None for e, _ in pairs]),
            "token": _objects([_text(e.token) for e, _ in pairs]),
            "quality": np.fromiter((QUALITY_CODE[e.quality] for e, _ in pairs), np.uint8, n),
            "stored": np.fromiter((e.stored for e, _ in pairs), np.bool_, n),
            "repeat": np.fromiter((e.repeat for e, _ in pairs), np.bool_, n),
        }
    )


def storable(
    pairs: list[P], make: Callable[[Sequence[P], SeriesBook], Columns], book: SeriesBook
) -> tuple[list[P], Columns]:
    """The pairs that can be stored, and their columns."""
    try:
        return pairs, make(pairs, book)
    except UNSTORABLE:
        good = [pair for pair in pairs if _alone(pair, make, book)]
        return good, make(good, book)


def named_columns(rows: Sequence[tuple[Any, ...]]) -> Columns:
    """Rows of plain values, at least one, as object columns c0, c1 ... in their order."""
    return {f"c{place}": _objects(list(column)) for place, column in enumerate(zip(*rows, strict=True))}


def take(columns: Columns, mask: Any) -> Columns:
    """The rows where `mask` is true."""
    return {name: column[mask] for name, column in columns.items()}


def _alone(pair: Any, make: Callable[[Sequence[Any], SeriesBook], Columns], book: SeriesBook) -> bool:
    try:
        make([pair], book)
    except UNSTORABLE:
        return False
    return True


def _checked(columns: Columns) -> Columns:
    if (columns["at_ns"] < 0).any() or (columns["received_ns"] < 0).any():
        msg = "time before 1970"
        raise ValueError(msg)
    if "value" in columns:
        columns["value"][~np.isfinite(columns["value"])] = math.nan
    return columns


def _text(value: str | None) -> str | None:
    if value is not None:
        value.encode()
    return value


def _objects(values: list[Any]) -> Any:
    column = np.empty(len(values), object)
    column[:] = values
    return column
