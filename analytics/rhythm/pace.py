"""Slow and fast rhythm and pauses, beat by beat, of many series at once; the same code live and on recordings.

What cries wolf, and what is done about it: a sensor that misses beats shows intervals that are whole multiples of
their neighbours; one that counts the T wave shows a doubled rate that alternates; one that hears nothing for seconds
shows a rhythm that goes on as though nothing had been. So a pause must stand out of a steady rhythm at rest, lie off
the multiples, be followed by two beats like those before, and start slowly or come a second time. A rate
that jumps to a half or to the double must last twice as long; a fast one that came by and by, as with stairs, much
longer. Holes in the data begin everything anew.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from analytics.rhythm.pace_table import (
    BEATS,
    BEFORE,
    DOUBT_S,
    DOUBT_SHARE,
    ESCAPES,
    FAST,
    GRADUAL_S,
    JOINS_NS,
    LIKE_BEFORE,
    NEAR_MULTIPLE,
    PAIR_NS,
    PAUSE_MS,
    PAUSE_OVER_S,
    REGULAR,
    RESTING_MS,
    SECOND_NS,
    SLOW,
    STEADY,
    SUDDEN,
)
from analytics.rhythm.runs import NEVER, held, last

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]
    Numbers = NDArray[np.float64]

AFTER = 2
KEPT = BEFORE + BEATS + AFTER
"""Beats that are kept of each series between calls."""
HELD_NS = np.array([[int(rule.held_s * SECOND_NS)] for rule in (SLOW, FAST)])
GRADUAL_NS = int(GRADUAL_S * SECOND_NS)
DOUBT_NS, OVER_NS = int(DOUBT_S * SECOND_NS), int(PAUSE_OVER_S * SECOND_NS)


@dataclass(slots=True)
class Pace:
    """What is kept of s series between calls.

    ms, pace_ns, calm: the last KEPT beats (s, KEPT), the earliest first. beats: how many since the last hole (s,).
    By rule, slow and fast (s, 2): beyond (the last beat was), beyond_ns (since when), leap (the interval then, in
    multiples of the one BEFORE beats earlier), back, back_ns, going (an episode is open), going_ns (since when).
    paused_ns: the last pause, believed or not; pausing, pause_ns: an episode of pauses is open, and its latest one;
    first_ns: its first.
    """

    ms: Numbers
    pace_ns: Ints
    calm: Bools
    beats: Ints
    beyond: Bools
    beyond_ns: Ints
    leap: Numbers
    back: Bools
    back_ns: Ints
    going: Bools
    going_ns: Ints
    paused_ns: Ints
    pausing: Bools
    pause_ns: Ints
    first_ns: Ints


class Beats(NamedTuple):
    """New beats: interval in ms, when it ended, at rest, nothing else tells the rate; each (s, k), valid below counts.

    limits: (s, 4): slow begins and ends, fast begins and ends, as intervals in ms; NaN: not watched.
    """

    ms: Numbers
    at_ns: Ints
    calm: Bools
    alone: Bools
    counts: Ints
    limits: Numbers


class _Pauses(NamedTuple):
    """What is said of pauses at each beat (s, k), and `Pace.paused_ns`."""

    paused_ns: Ints
    pausing: Bools
    pause_ms: Numbers
    base_ms: Numbers
    pause_ns: Ints
    first_ns: Ints


class Said(NamedTuple):
    """What begins and what is over at each new beat: going (s, 2, k) slow and fast, since_ns and middle_ms the same;
    pausing (s, k); pause_ms, base_ms: the pause that is believed at this beat, NaN for none; pause_ns: its time.
    """

    going: Bools
    since_ns: Ints
    middle_ms: Numbers
    pausing: Bools
    pause_ms: Numbers
    base_ms: Numbers
    pause_ns: Ints
    first_ns: Ints


def calm_pace(series: int) -> Pace:
    """The state of series of which nothing is known."""
    two, flags = (series, 2), {"calm", "beyond", "back", "going", "pausing"}
    shapes = {"ms": (series, KEPT), "pace_ns": (series, KEPT), "calm": (series, KEPT)}
    shapes |= dict.fromkeys(("beyond", "beyond_ns", "leap", "back", "back_ns", "going", "going_ns"), two)
    made: list[NDArray[Any]] = []
    for one in fields(Pace):
        shape: tuple[int, ...] = shapes.get(one.name, (series,))
        if one.name in flags:
            made.append(np.zeros(shape, np.bool_))
        elif one.name in {"ms", "leap"}:
            made.append(np.full(shape, np.nan))
        else:
            made.append(np.full(shape, 0 if one.name == "beats" else NEVER, np.int64))
    return Pace(*made)


def default_limits(series: int) -> Numbers:
    """The limits of the table, for everybody."""
    rates = (SLOW.begins, SLOW.ends, FAST.begins, FAST.ends)
    return np.tile([60_000.0 / rate for rate in rates], (series, 1))


def follow_pace(pace: Pace, new: Beats) -> tuple[Pace, Said]:
    """Take up new beats; the new state and what is said at each."""
    width = new.ms.shape[1]
    ms = np.concatenate([pace.ms, new.ms], axis=1)
    at = np.concatenate([pace.pace_ns, new.at_ns], axis=1)
    calm = np.concatenate([pace.calm, new.calm], axis=1)
    known = np.arange(width) < new.counts[:, None]
    number = pace.beats[:, None] + 1 + np.arange(width)
    windows = np.sort(np.lib.stride_tricks.sliding_window_view(ms, BEATS, axis=1), axis=2)
    first = KEPT - BEATS + 1
    middle = windows[:, :, BEATS // 2]
    now, spread = middle[:, first:], (windows[:, first:, -2] - windows[:, first:, 1]) / middle[:, first:]
    full = known & (number >= BEATS)
    limits = new.limits[:, :, None]
    slow = full & (now > limits[:, 0])
    fast = full & (now <= limits[:, 2]) & (spread <= REGULAR) & new.calm
    beyond = np.stack([slow, fast], axis=1)
    back = np.stack([full & (now <= limits[:, 1]), full & (now >= limits[:, 3])], axis=1)
    earlier = middle[:, first - BEFORE : first - BEFORE + width]
    earlier = np.where(number >= BEATS + BEFORE, earlier, np.nan)
    state, said = _episodes(pace, new, beyond, back, now, earlier)
    paused = _pauses(pace, ms, at, calm, number, known)
    told = Said(*said, paused.pausing, paused.pause_ms, paused.base_ms, paused.pause_ns, paused.first_ns)
    return _kept(pace, new, ms, at, calm, state, paused), told


def _episodes(
    pace: Pace, new: Beats, beyond: Bools, back: Bools, now: Numbers, earlier: Numbers
) -> tuple[tuple[Bools, Ints, Numbers, Bools, Ints, Bools, Ints], tuple[Bools, Ints, Numbers]]:
    """Slow and fast (s, 2, k): runs, and what they begin and end."""
    known = (np.arange(new.ms.shape[1]) < new.counts[:, None])[:, None]
    at = np.broadcast_to(new.at_ns[:, None], beyond.shape)
    turned = beyond & ~np.concatenate([pace.beyond[:, :, None], beyond[:, :, :-1]], axis=2)
    since = last(at, turned, pace.beyond_ns)
    leap = last(np.broadcast_to((now / earlier)[:, None], beyond.shape), turned, pace.leap)
    returned = back & ~np.concatenate([pace.back[:, :, None], back[:, :, :-1]], axis=2)
    back_since = last(at, returned, pace.back_ns)
    ratio = leap.copy()
    ratio[:, 1] = 1.0 / ratio[:, 1]
    whole = np.rint(ratio)
    doubtful = (whole >= 2) & (np.abs(ratio - whole) <= DOUBT_SHARE * whole)
    needed = np.where(doubtful, DOUBT_NS, HELD_NS)
    needed[:, 1] = np.where(ratio[:, 1] >= SUDDEN, needed[:, 1], GRADUAL_NS)
    begins = beyond & known & (at - since >= needed) & new.alone[:, None]
    over = back & known & (at - back_since >= HELD_NS)
    going = held(begins, over, pace.going)
    opens = going & ~np.concatenate([pace.going[:, :, None], going[:, :, :-1]], axis=2)
    going_since = last(since, opens, pace.going_ns)
    middle = np.broadcast_to(now[:, None], beyond.shape)
    return (beyond, since, leap, back, back_since, going, going_since), (going, going_since, middle)


def _pauses(pace: Pace, ms: Numbers, at: Ints, calm: Bools, number: Ints, known: Bools) -> _Pauses:
    """Pauses that are believed at each beat, AFTER beats after them."""
    width = number.shape[1]
    place = slice(KEPT - AFTER, KEPT - AFTER + width)
    long, when = ms[:, place], at[:, place]
    earlier = np.lib.stride_tricks.sliding_window_view(ms, BEATS - 1, axis=1)
    earlier = np.sort(earlier[:, KEPT - AFTER - BEATS + 1 : KEPT - AFTER - BEATS + 1 + width], axis=2)
    base = earlier[:, :, (BEATS - 1) // 2]
    joined = np.abs(when - at[:, KEPT - AFTER - 1 : KEPT - AFTER - 1 + width] - long * 1e6) <= JOINS_NS
    seen = (
        known
        & (number >= BEATS + AFTER)
        & (long >= PAUSE_MS)
        & joined
        & calm[:, place]
        & (long > LIKE_BEFORE[1] * base)
    )
    for one in range(1, AFTER + 1):
        following = ms[:, KEPT - AFTER + one : KEPT - AFTER + one + width] / base
        seen &= (following >= LIKE_BEFORE[0]) & (following <= LIKE_BEFORE[1])
    ratio = long / base
    seen &= (base >= RESTING_MS) & (earlier[:, :, -2] - earlier[:, :, 1] <= STEADY * base)
    seen &= np.abs(ratio - np.rint(ratio)) > NEAR_MULTIPLE
    escapes = ms[:, KEPT - AFTER + 1 : KEPT - AFTER + 1 + width] >= ESCAPES * base
    shifted = np.concatenate([pace.paused_ns[:, None], last(when, seen, pace.paused_ns)[:, :-1]], axis=1)
    believed = seen & (escapes | ((shifted > 0) & (when - np.maximum(shifted, 0) <= PAIR_NS)))
    pause_ns = last(when, believed, pace.pause_ns)
    quiet = known & (when - np.maximum(pause_ns, 0) >= OVER_NS)
    pausing = held(believed, quiet, pace.pausing)
    opens = pausing & ~np.concatenate([pace.pausing[:, None], pausing[:, :-1]], axis=1)
    first_ns = last(when, opens, pace.first_ns)
    told, base = (np.where(believed, one, np.nan) for one in (long, base))
    return _Pauses(last(when, seen, pace.paused_ns), pausing, told, base, pause_ns, first_ns)


def _kept(
    pace: Pace,
    new: Beats,
    ms: Numbers,
    at: Ints,
    calm: Bools,
    state: tuple[Bools, Ints, Numbers, Bools, Ints, Bools, Ints],
    paused: _Pauses,
) -> Pace:
    """The state after the last valid beat of each series."""
    rows = np.arange(len(new.counts))
    end = np.maximum(new.counts - 1, 0)
    kept = rows[:, None], new.counts[:, None] + np.arange(KEPT)
    heard = new.counts > 0

    def latest(after: NDArray[np.generic], before: NDArray[np.generic]) -> NDArray[np.generic]:
        value = after[rows, ..., end]
        return np.where(heard.reshape(-1, *[1] * (value.ndim - 1)), value, before)

    names = ("beyond", "beyond_ns", "leap", "back", "back_ns", "going", "going_ns")
    values = {name: latest(one, getattr(pace, name)) for name, one in zip(names, state, strict=True)}
    for name in ("paused_ns", "pausing", "pause_ns", "first_ns"):
        values[name] = latest(getattr(paused, name), getattr(pace, name))
    return Pace(ms[kept], at[kept], calm[kept], pace.beats + new.counts, **values)  # type: ignore[arg-type]
