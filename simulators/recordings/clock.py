"""Sets samples with uneven stamps on a regular clock.

Phones and watches stamp samples when they arrive: several share a millisecond, some come late, and a log may hold a
stamp that is wrong by days. `evenly` believes the stamps as far as they run forward; a recording that would be longer
than LONGEST_S is refused, because its stamps are wrong and setting it on a clock would fill the memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LONGEST_S = 48 * 3600.0
SHORTEST_S = 0.1


class ClockError(ValueError):
    """The stamps make no clock; says why."""


def evenly(seconds: NDArray[np.float64], values: NDArray[np.float64], rate_hz: float) -> NDArray[np.float64]:
    """The samples (n, c) at `seconds` (n,), on a regular clock from the first stamp on: float64 (m, c).

    Stamps that run backwards count as equal to the one before. Raises ClockError.
    """
    forward = np.maximum.accumulate(seconds)
    check_span(forward[-1] - forward[0])
    clock = np.arange(forward[0], forward[-1], 1.0 / rate_hz)
    return np.column_stack([np.interp(clock, forward, column) for column in values.T])


def straight(seconds: NDArray[np.float64], values: NDArray[np.float64], rate_hz: float) -> NDArray[np.float64]:
    """As `evenly` for samples that the sensor took at a regular pace and that only arrived in bursts.

    The first and the last stamp give the pace. Raises ClockError.
    """
    forward = np.maximum.accumulate(seconds)
    return evenly(np.linspace(forward[0], forward[-1], len(forward)), values, rate_hz)


def check_span(seconds: float) -> None:
    """Raises ClockError for a recording of impossible length."""
    if not SHORTEST_S <= seconds <= LONGEST_S:
        raise ClockError(f"the stamps span {seconds:.6g} s (at least {SHORTEST_S:g}, at most {LONGEST_S:g})")
