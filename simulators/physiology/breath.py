"""Breathing with its pauses: movement of the chest, what of it reaches the lungs, and what the blood's oxygen does.

Central apnoea: chest and air stand still. Obstructive apnoea: the chest works on against a closed throat and moves
less, the air stands still. Hypopnoea: both are reduced. Definitions: AASM Manual for the Scoring of Sleep (10 s and
more; air reduced by 90 % for an apnoea, by 30 % with 3 % less oxygen for a hypopnoea). All other numbers are assumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

HZ = 25
CENTRAL, OBSTRUCTIVE, HYPOPNOEA = "central", "obstructive", "hypopnoea"
KINDS = (CENTRAL, OBSTRUCTIVE, HYPOPNOEA)
CHEST = {CENTRAL: (0.02, 0.02), OBSTRUCTIVE: (0.35, 0.7), HYPOPNOEA: (0.45, 0.45)}
"""Movement of the chest at the beginning and at the end of an event, as a share of the usual (assumed)."""
AIR = {CENTRAL: 0.0, OBSTRUCTIVE: 0.03, HYPOPNOEA: 0.4}
EDGE_S = 1.0
DEEPER, DEEPER_S = 0.6, 10.0
"""The breaths after an event are deeper by this share at first (assumed)."""
BREATH_SPREAD, DEPTH_SPREAD = 0.08, 0.2
RESERVE_S = 6.0
"""So long the lungs' store keeps the oxygen up (assumed)."""
FALL_PER_S = 0.35
"""Percent a second without air (assumed; falls of 0.2 to 0.5 are seen in obstructive sleep apnoea)."""
RECOVERY_S = 8.0
"""Time constant of recovery (assumed)."""
FINGER_DELAY_S = 20.0
"""From the lungs to what a finger's oximeter shows, its averaging included (assumed; 10 to 40 s are usual)."""


@dataclass(frozen=True, slots=True)
class BreathEvent:
    """One pause. from_s, to_s: seconds since the start."""

    kind: str
    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Breathing:
    """All at HZ samples a second, (n,).

    chest: its movement, 2 from peak to peak in a usual breath. air: share of the usual that reaches the lungs. rate: a
    minute. lungs: 0 to 1, how much of a breath is in, for what breathing does to heart and pulse.
    """

    chest: NDArray[np.float64]
    air: NDArray[np.float64]
    rate: NDArray[np.float64]
    lungs: NDArray[np.float64]
    events: tuple[BreathEvent, ...]


def plan_events(
    rng: np.random.Generator,
    seconds: float,
    per_hour: float,
    kinds: Sequence[str] = KINDS,
    length_s: tuple[float, float] = (12.0, 35.0),
    apart_s: float = 20.0,
) -> tuple[BreathEvent, ...]:
    """Pauses at random, at least `apart_s` of breathing between them; fewer than asked for where they do not fit."""
    wanted = round(per_hour * seconds / 3600.0)
    events: list[BreathEvent] = []
    lengths = rng.uniform(*length_s, size=wanted)
    spare = seconds - 120.0 - float(lengths.sum()) - wanted * apart_s
    if wanted == 0 or spare < 0:
        return () if wanted == 0 else plan_events(rng, seconds, per_hour * 0.8, kinds, length_s, apart_s)
    waits = np.diff(np.concatenate([[0.0], np.sort(rng.uniform(0.0, spare, size=wanted))]))
    at = 60.0
    for wait, length in zip(waits.tolist(), lengths.tolist(), strict=True):
        at += wait + apart_s
        events.append(BreathEvent(str(rng.choice(list(kinds))), at, at + length))
        at += length
    return tuple(events)


def breathe(
    rng: np.random.Generator, seconds: float, rate: float = 15.0, events: Sequence[BreathEvent] = ()
) -> Breathing:
    """Breathing at about `rate` a minute that changes a little from breath to breath, with the given pauses."""
    count = round(seconds * HZ)
    breaths = int(seconds * rate / 60.0 * 1.5) + 10
    slow = np.convolve(rng.normal(size=breaths + 30), np.ones(31) / np.sqrt(31.0), mode="valid")
    period = 60.0 / rate * np.clip(1.0 + BREATH_SPREAD * (0.6 * rng.normal(size=breaths) + 0.8 * slow), 0.6, 1.6)
    depth = np.clip(1.0 + DEPTH_SPREAD * rng.normal(size=breaths), 0.4, 1.8)
    ends = np.cumsum(period)
    times = np.arange(count) / HZ
    which = np.searchsorted(ends, times, side="right")
    share = 1.0 - (ends[which] - times) / period[which]
    lungs = _one_breath(share)
    size = np.interp(times, ends - period / 2, depth)
    chest_share, air = np.ones(count), np.ones(count)
    for event in events:
        _apply(event, times, chest_share, air)
    chest = size * chest_share * (2.0 * lungs - 1.0) + 0.05 * np.cumsum(rng.normal(size=count)) / np.sqrt(HZ * 60.0)
    return Breathing(chest, air, 60.0 / period[which], lungs * np.minimum(1.0, chest_share), tuple(events))


def _one_breath(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """0 to 1 over one breath: in over 40 % of it, out over 60 % (assumed)."""
    warped = np.where(share < 0.4, share / 0.4 * 0.5, 0.5 + (share - 0.4) / 0.6 * 0.5)
    return np.asarray(0.5 - 0.5 * np.cos(2.0 * np.pi * warped))


def _apply(
    event: BreathEvent, times: NDArray[np.float64], chest: NDArray[np.float64], air: NDArray[np.float64]
) -> None:
    first = int(np.searchsorted(times, event.from_s - EDGE_S))
    after = int(np.searchsorted(times, event.to_s))
    last = int(np.searchsorted(times, event.to_s + 5 * DEEPER_S))
    here = times[first:after]
    edge = np.clip((here - event.from_s) / EDGE_S + 1.0, 0.0, 1.0)
    begin, end = CHEST[event.kind]
    working = begin + (end - begin) * np.clip((here - event.from_s) / (event.to_s - event.from_s), 0.0, 1.0)
    chest[first:after] = 1.0 + edge * (working - 1.0)
    air[first:after] = 1.0 + edge * (AIR[event.kind] - 1.0)
    deeper = 1.0 + DEEPER * np.exp(-(times[after:last] - event.to_s) / DEEPER_S)
    chest[after:last], air[after:last] = deeper, np.maximum(air[after:last], 1.0)


def oxygen(rng: np.random.Generator, air: NDArray[np.float64], usual: float = 96.0) -> NDArray[np.float64]:
    """SpO2 as a finger's oximeter shows it: percent, one value a second (seconds,), whole numbers. air: at HZ."""
    share = air[: len(air) // HZ * HZ].reshape(-1, HZ).mean(axis=1)
    level, short, values = usual, 0.0, []
    for breath in share.tolist():
        lack = max(0.0, 1.0 - breath)
        short = short + lack if lack > 0.2 else 0.0
        if short > RESERVE_S:
            level = max(55.0, level - FALL_PER_S * lack)
        elif lack <= 0.2:
            level += (usual - level) / RECOVERY_S
        values.append(level)
    delay = round(FINGER_DELAY_S)
    shown = np.concatenate([np.full(delay, usual), np.array(values)])[: len(values)]
    wander = np.convolve(rng.normal(size=len(shown) + 60), np.ones(61) / 61.0, mode="valid")[: len(shown)]
    return np.asarray(np.clip(np.rint(shown + 3.0 * wander), 50.0, 100.0))
