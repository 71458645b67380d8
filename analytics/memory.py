"""What a detector has learned, as plain JSON and back: rows of its tables, so that a restart does not begin anew.

A detector that learns offers `memory` (its name), `remember(only)` (resident -> plain state, of these residents, None:
of all; so many can be saved a few at a time) and `recall(states)`, which is called before devices are attached. A state
that does not fit (another version) is left out; nothing else suffers.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from analytics.slots import SlotTable

Plain = dict[str, Any]


MOST_KEPT = 1_000
"""Of so many residents without a device a detector keeps what it knows; the longest gone make room."""


def keep(states: dict[str, Mapping[str, Any]], resident_id: str, state: Mapping[str, Any]) -> None:
    """What was learned of a resident whose last device has gone, for when another one takes its place."""
    states.pop(resident_id, None)
    states[resident_id] = state
    while len(states) > MOST_KEPT:
        del states[next(iter(states))]


class UnfitStateError(ValueError):
    """A saved state that is not of this version's shape."""


def row_state(table: SlotTable, row: int, names: Iterable[str]) -> Plain:
    """One row's columns as plain JSON: NaN becomes None."""
    return {name: _plain(np.asarray(table[name][row]).tolist()) for name in names}


def restore_row(table: SlotTable, row: int, state: Mapping[str, Any], names: Iterable[str]) -> None:
    """Write a row back. Raises UnfitStateError, and changes nothing then."""
    values = {}
    for name in names:
        column = table[name]
        try:
            value = _array(state[name], whole=column.dtype.kind == "i")
            fits = value.shape == column.shape[1:] and (column.dtype.kind == "f" or bool(np.isfinite(value).all()))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise UnfitStateError(f"{name}: {error!r}") from error
        if not fits:
            raise UnfitStateError(f"{name} does not fit")
        values[name] = value.astype(column.dtype)
    for name, value in values.items():
        table[name][row] = value


def _array(value: Any, *, whole: bool) -> NDArray[Any]:
    """Numbers as an array; whole ones exactly, however large (nanoseconds)."""
    if whole:
        found = np.array(value)
        if found.dtype.kind == "i":
            return found
    return np.array(_nan(value), dtype=np.float64)


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _nan(value: Any) -> Any:
    if isinstance(value, list):
        return [_nan(one) for one in value]
    return math.nan if value is None else value
