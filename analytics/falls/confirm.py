"""What follows a suspected fall: whether the wearer stays down, or gets up and goes on.

The seconds after the impact are looked at one by one. The fall is cleared by activity that nobody shows who stays on
the floor: six seconds of walking in a row, or turning back to how the wearer was held before the fall. It is confirmed
by lying still in another position, and in any case when the last second has passed and nothing cleared it.
Seconds of which too little is known never clear.

A sensor that fell by itself, and of which its device says that nobody wears it, is no fall of a person. A person lying
still looks the same as far as acceleration goes, so free fall and stillness alone never clear.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from analytics.falls.vectors import SMOOTHING, angles, mean, smooth, wobble

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from analytics.cohort import Cohort

SECOND = 50
LAST_SECOND = 10
"""The second from 10 to 11 s after the impact is the last to be looked at."""
EARLIEST_STILL = 5
"""Stillness confirms after the second from 5 to 6 s at the earliest ..."""
STILL_SECONDS = 4
"""... when so many seconds were still."""
STILL_G = 0.1
"""Wobble below which a second is still; 90 % of the recorded seconds on the floor are, at the waist 99 %."""
LYING_DEG = 40.0
"""Tilt against before the fall that counts as another position; 95 % of recorded falls exceed it."""
WALKING_G = 0.3
WALKING_SECONDS = 6
BACK_DEG = 20.0
BACK_SECONDS = 2
MOVED_G = 0.2
DROP_G = 0.25
DROP_MS = 240.0
"""A thing in free fall weighs nothing: below DROP_G for DROP_MS, which is a height of 0.3 m. Of 1,300 recorded falls of
people none is below it for more than 160 ms."""
PERFECTLY_STILL_G = 0.02
PERFECTLY_STILL_FROM = 2
"""A dropped sensor has come to rest by the second from 3 to 4 s after the impact."""
MINIMUM_KNOWN = 4
"""Fewer known seconds than this by the end: the signal stopped."""
_MARGIN = SMOOTHING // 2


class Verdict(StrEnum):
    """Why a suspected fall was decided."""

    STILL = "still"
    NOT_UP = "not_up"
    SIGNAL_STOPPED = "signal_stopped"
    WALKS_ON = "walks_on"
    BACK_UP = "back_up"
    DROPPED = "device_dropped"

    @property
    def clears(self) -> bool:
        """Whether it ends the suspicion."""
        return self in {Verdict.WALKS_ON, Verdict.BACK_UP, Verdict.DROPPED}

    @property
    def got_up(self) -> bool:
        """Whether the wearer was seen to be up again."""
        return self in {Verdict.WALKS_ON, Verdict.BACK_UP}


@dataclass(slots=True)
class Episode:
    """One suspected fall. before: direction of gravity (3,) before it, NaN if not known; index: cell of the impact.

    wobble_g, tilt_deg: one number for each second looked at. since: the first second that may clear it. closed_at: cell
    at which it was decided, None while it is open; cleared: how. weightless: the impact came after free fall.
    """

    slot: int
    index: int
    before: NDArray[np.float32]
    wobble_g: list[float] = field(default_factory=list)
    tilt_deg: list[float] = field(default_factory=list)
    since: int = 0
    closed_at: int | None = None
    cleared: bool = False
    weightless: bool = False

    @property
    def due(self) -> int:
        """Cell that must be known before the next second can be looked at."""
        return self.index + SECOND * (len(self.wobble_g) + 2) + _MARGIN

    def strike_again(self, index: int) -> None:
        """Another impact like a fall: only what comes after it can clear."""
        self.since = max(self.since, -(-(index - self.index) // SECOND) - 1)


def look(cohort: Cohort, episodes: Sequence[Episode]) -> None:
    """Add the next second to each episode."""
    slots = np.array([episode.slot for episode in episodes])
    first = np.array([episode.index + SECOND * (len(episode.wobble_g) + 1) for episode in episodes])
    soft = smooth(cohort.gather(slots, first - _MARGIN, SECOND + 2 * _MARGIN))[:, _MARGIN:-_MARGIN]
    soft[np.isfinite(soft[..., 0]).mean(axis=1) < 0.5] = np.nan
    before = np.stack([episode.before for episode in episodes])
    spread, tilt = wobble(soft), angles(before, mean(soft))
    for episode, one_spread, one_tilt in zip(episodes, spread.tolist(), tilt.tolist(), strict=True):
        episode.wobble_g.append(one_spread)
        episode.tilt_deg.append(one_tilt)


def free_fall_ms(lead: NDArray[np.float32]) -> float:
    """Longest time in which a stretch of (samples,) magnitudes in g at 50 Hz stays below DROP_G, milliseconds."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], lead < DROP_G, [False]])))
    return float((edges[1::2] - edges[::2]).max(initial=0)) * 1000 / SECOND


def judge(episode: Episode, *, worn: bool | None = None) -> Verdict | None:
    """The verdict after the latest second, None while there is none. worn: what the device says, None if nothing."""
    seconds = len(episode.wobble_g)
    spread, tilt = np.array(episode.wobble_g), np.array(episode.tilt_deg)
    if np.all(spread[episode.since :][-WALKING_SECONDS:] >= WALKING_G) and seconds - episode.since >= WALKING_SECONDS:
        return Verdict.WALKS_ON
    if _back_up(spread[episode.since :], tilt[episode.since :]):
        return Verdict.BACK_UP
    if episode.weightless and np.all(spread[PERFECTLY_STILL_FROM:] < PERFECTLY_STILL_G):
        if seconds < LAST_SECOND:
            return None
        if worn is False:
            return Verdict.DROPPED
    still = seconds >= EARLIEST_STILL and np.all(spread[-STILL_SECONDS:] < STILL_G)
    if still and np.all(tilt[-STILL_SECONDS:] >= LYING_DEG):
        return Verdict.STILL
    if seconds < LAST_SECOND:
        return None
    return Verdict.NOT_UP if np.isfinite(spread).sum() >= MINIMUM_KNOWN else Verdict.SIGNAL_STOPPED


def _back_up(spread: NDArray[np.float64], tilt: NDArray[np.float64]) -> bool:
    """Moved, was turned away, and is held as before the fall again."""
    returned = len(tilt) > BACK_SECONDS and bool(np.all(tilt[-BACK_SECONDS:] < BACK_DEG))
    return returned and bool(np.any(spread >= MOVED_G)) and bool(np.any(tilt >= LYING_DEG))
