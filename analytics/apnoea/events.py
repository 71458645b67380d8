"""Breathing pauses and falls of oxygen, second by second, of all residents at once.

Definitions: AASM Manual for the Scoring of Sleep. Apnoea: breathing reduced by 90 % for 10 s or more. Hypopnoea: by
30 % for 10 s or more with oxygen lower by 3 % or more. They are made for the flow of air. A wave of the chest's
movement shows central apnoeas so, but during an obstructive one the chest works on: what of it is found here is found
as reduced movement with a fall of oxygen. The oxygen desaturation index counts the falls of 3 % alone.

State is one row for each stream. `Breaths.second` and `Oxygen.second` take the next second of many rows; the rows of
one call are all different.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from analytics.slots import Column, SlotTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

STILL, REDUCED = 0.1, 0.7
"""Share of the usual amplitude at or below which breathing has stopped, and is reduced (AASM)."""
SHORTEST_S, LONGEST_S = 10, 100
"""An event lasts 10 s or more (AASM); what lasts longer than the other is another posture or no signal."""
MOVED = 3.0
"""More than so many times the usual amplitude is movement."""
PAST_S = 120
"""What is usual is taken from the last two minutes (AASM), its upper quartile: pauses do not lower it."""
USUAL_SHARE, LEAST_PAST_S = 0.75, 40
EVERY_S = 5
"""The usual amplitude is computed anew every five seconds."""
AMPLITUDE_S = 4
"""Amplitude is that of the last four seconds: what it shows lags the breath by this."""
DIP = 3.0
"""Percent of oxygen (AASM)."""
RECOVERED = 1.0
DIP_SHORTEST_S, DIP_LONGEST_S = 5, 120
DIP_USUAL_SHARE = 0.8
DIP_AFTER_S = 60
"""The fall of oxygen that makes a hypopnoea begins during it or so soon afterwards (assumed: 10 to 40 s of delay)."""
NEVER = -(2**62)


class Ended(NamedTuple):
    """Events that ended in this second: position of the row in the call, second of beginning, and length in s."""

    row: Ints
    began: Ints
    length_s: Ints
    still_s: Ints
    """Of breathing: the longest time without any. 0 for oxygen."""


_COURSE = {
    "past": Column(np.float32, np.nan, PAST_S),
    "usual": Column(np.float64, np.nan),
    "frozen": Column(np.float64, np.nan),
    "began": Column(np.int64, NEVER),
    "last": Column(np.int64, NEVER),
}
"""What both keep of each slot: the last minutes, what is usual, and the event that goes on."""


def amplitude(wave: Floats) -> Floats:
    """From peak to peak, of a sine of the same power: (rows,) from (rows, samples); NaN with a missing sample.

    Three samples are averaged first, so that noise does not look like breathing.
    """
    smooth = (wave[:, :-2] + wave[:, 1:-1] + wave[:, 2:]) / 3.0
    return np.asarray(2.0 * np.sqrt(2.0) * smooth.std(axis=1))


class Breaths:
    """Reduced and stopped breathing from the amplitude of each second."""

    def __init__(self) -> None:
        self.table = SlotTable({**_COURSE, "still": Column(np.int64, 0), "longest": Column(np.int64, 0)})

    def second(self, slots: Ints, second: Ints, size: Floats, breathing: Flags) -> tuple[Ended, Flags]:
        """The next second (since 1970) of each of these slots; what ended, and which rows have good signal.

        size: amplitude, NaN where unknown. breathing: whether there is somebody whose breathing is seen.
        """
        t = self.table
        _forget_after_hole(t, slots, second)
        known = np.isfinite(size) & breathing
        self._learn(slots, second, np.where(breathing, size, np.nan))
        began, running = t["began"][slots], t["began"][slots] != NEVER
        usual = np.where(running, t["frozen"][slots], t["usual"][slots])
        with np.errstate(invalid="ignore"):
            good = known & np.isfinite(usual) & (size <= MOVED * usual)
            reduced = good & (size <= REDUCED * usual)
            still = good & (size <= STILL * usual)
        begins = reduced & ~running
        length = np.where(running, second - began, 0)
        over = running & (length > LONGEST_S)
        ends = running & ~reduced & known & ~over
        so_far = np.where(running, t["still"][slots], 0)
        # the first still second says that all of AMPLITUDE_S was still already
        count = np.where(still, so_far + np.where(so_far == 0, AMPLITUDE_S, 1), 0)
        longest = np.maximum(np.where(running, t["longest"][slots], 0), count)
        stops = ends | over | (running & ~known)
        t["still"][slots] = np.where(stops, 0, count)
        t["longest"][slots] = np.where(stops, 0, longest)
        t["began"][slots] = np.where(begins, second, np.where(stops, NEVER, began))
        t["frozen"][slots] = np.where(begins, usual, t["frozen"][slots])
        if over.any():
            t["past"][slots[over]] = np.nan
            t["usual"][slots[over]] = np.nan
        done = np.flatnonzero(ends & ((length >= SHORTEST_S) | (longest >= SHORTEST_S)))
        return Ended(done, began[done], length[done], longest[done]), good & ~over

    def _learn(self, slots: Ints, second: Ints, size: Floats) -> None:
        t = self.table
        t["past"][slots, second % PAST_S] = size
        due = second % EVERY_S == 0
        if due.any():
            t["usual"][slots[due]] = _usual(t["past"][slots[due]], USUAL_SHARE, LEAST_PAST_S)


class Oxygen:
    """Falls of oxygen saturation by DIP percent and more."""

    def __init__(self) -> None:
        self.table = SlotTable(_COURSE)

    def second(self, slots: Ints, second: Ints, value: Floats) -> tuple[Ended, Flags]:
        """The next second of each of these slots: value in percent, NaN where unknown. As `Breaths.second`."""
        t = self.table
        _forget_after_hole(t, slots, second)
        known = np.isfinite(value)
        began = t["began"][slots]
        running = began != NEVER
        usual = np.where(running, t["frozen"][slots], t["usual"][slots])
        with np.errstate(invalid="ignore"):
            low, back = known & (value <= usual - DIP), known & (value >= usual - RECOVERED)
        length = np.where(running, second - began, 0)
        over = running & ((length > DIP_LONGEST_S) | ~known)
        begins, ends = low & ~running, running & back & ~over
        t["began"][slots] = np.where(begins, second, np.where(over | ends, NEVER, began))
        t["frozen"][slots] = np.where(begins, usual, t["frozen"][slots])
        t["past"][slots, second % PAST_S] = value
        due = second % EVERY_S == 0
        if due.any():
            t["usual"][slots[due]] = _usual(t["past"][slots[due]], DIP_USUAL_SHARE, LEAST_PAST_S)
        done = np.flatnonzero(ends & (length >= DIP_SHORTEST_S))
        return Ended(done, began[done], length[done], np.zeros(len(done), np.int64)), known & np.isfinite(usual)


def _forget_after_hole(t: SlotTable, slots: Ints, second: Ints) -> None:
    """Where seconds are missing, or the clock was set, no event goes on; after a long time nothing is usual."""
    apart = second - t["last"][slots]
    t["last"][slots] = second
    t["began"][slots[apart != 1]] = NEVER
    lost = slots[(apart <= 0) | (apart > PAST_S)]
    if lost.size:
        t["past"][lost] = np.nan
        t["usual"][lost] = np.nan


def _usual(past: NDArray[np.float32], share: float, least: int) -> Floats:
    """A quantile of what is known of the past (rows, PAST_S); NaN with fewer than `least` values."""
    known = np.isfinite(past)
    count = known.sum(axis=1)
    ordered = np.sort(np.where(known, past, np.float32(np.inf)), axis=1)
    at = np.clip((share * (count - 1)).astype(np.int64), 0, PAST_S - 1)
    found = ordered[np.arange(len(past)), at].astype(np.float64)
    return np.where(count >= least, found, np.nan)
