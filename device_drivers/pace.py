"""Thins out what devices say many times a second: at once when it changes in kind, otherwise in a fixed interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

SECOND_NS = 1_000_000_000


class Pace:
    """Remembers for each name what was passed on last, and when. An interval of 0 passes everything on."""

    def __init__(self, interval_s: float) -> None:
        self._interval_ns = round(interval_s * SECOND_NS)
        self._passed: dict[str, tuple[Hashable, int]] = {}

    def due(self, name: str, kind: Hashable, now_ns: int) -> bool:
        """Whether to pass it on now: the first time, when `kind` is another, or when the interval is over.

        A clock that was set back ends the interval.
        """
        before = self._passed.get(name)
        if before is not None and before[0] == kind and 0 <= now_ns - before[1] < self._interval_ns:
            return False
        self._passed[name] = (kind, now_ns)
        return True


def seconds(options: Mapping[str, Any], name: str, default: float, limit: float = 3600.0) -> float:
    """A number of seconds out of a family's options. Raises ValueError for less than 0 or more than `limit`."""
    return number(options, name, default, 0.0, limit)


def number(options: Mapping[str, Any], name: str, default: float, low: float, high: float) -> float:
    """A number out of a family's options. Raises ValueError for one that is none or is out of range."""
    text = options.get(name, default)
    try:
        value = float(text)
    except (TypeError, ValueError):
        value = float("nan")
    if not low <= value <= high:
        raise ValueError(f"{name} is {text}; give {low:g} to {high:g}")
    return value
