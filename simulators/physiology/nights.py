"""Whole made-up nights with their truth, to measure detectors on. Seeded; not real people.

With recorded series of beats the heart is a real one (its intervals then do not follow the made-up breathing).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulators.physiology import bed, breath, heart

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from simulators.physiology.bed import BedWave
    from simulators.physiology.breath import BreathEvent, Breathing

RADAR_HZ = 5
RADAR_HEIGHT = 40.0
"""Half of a usual breath in a radar's wave of whole numbers from -128 to 127 (assumed)."""
NOISES = (0.05, 0.1, 0.2, 0.3, 0.5)
PAUSES_PER_HOUR = (0.0, 3.0, 6.0, 10.0, 14.0, 17.0, 22.0, 30.0, 45.0)


@dataclass(frozen=True, slots=True, eq=False)
class BedNight:
    """A stretch in bed. noise: against the height of a beat's J wave. breaths: truth at `breath.HZ`, a minute."""

    name: str
    noise: float
    bed: BedWave
    breaths: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class PauseNight:
    """A night with breathing pauses: wave float32 (n,) at RADAR_HZ, spo2 (seconds,) percent, and what is in them."""

    name: str
    hours: float
    wave: NDArray[np.float32]
    spo2: NDArray[np.float64]
    events: tuple[BreathEvent, ...]


def bed_nights(
    seed: int, nights: int, minutes: float, noise: float, series: Sequence[NDArray[np.float64]] = ()
) -> Iterator[BedNight]:
    """Stretches in bed with limbs moving and turning over. series: recorded intervals in s, taken in turn."""
    for number in range(nights):
        rng = np.random.default_rng([seed, number])
        seconds = 60.0 * minutes
        breathing = breath.breathe(rng, seconds, float(rng.uniform(10, 20)))
        if series:
            beats = heart.recorded_beats(rng, series[number % len(series)], seconds)
        else:
            beats = heart.made_up_beats(rng, seconds, float(rng.uniform(50, 90)), breathing)
        wave = bed.bed_wave(rng, beats, breathing, noise=noise, events=bed.plan_movements(rng, seconds))
        yield BedNight(f"{number}", noise, wave, breathing.rate)


def pause_nights(
    seed: int, hours: float, kinds: Sequence[str] = breath.KINDS, each: int = 2, noise: float = 2.0
) -> Iterator[PauseNight]:
    """`each` nights for every one of PAUSES_PER_HOUR, with movement, as a bed radar and an oximeter tell them.

    noise: standard deviation in the radar's whole numbers.
    """
    for number, per_hour in enumerate(np.repeat(PAUSES_PER_HOUR, each).tolist()):
        rng = np.random.default_rng([seed, number])
        seconds = 3600.0 * hours
        events = breath.plan_events(rng, seconds, per_hour, kinds)
        breathing = breath.breathe(rng, seconds, float(rng.uniform(10, 20)), events)
        yield PauseNight(
            f"{per_hour:g}/{number}", hours, _radar(rng, breathing, noise), breath.oxygen(rng, breathing.air), events
        )


def _radar(rng: np.random.Generator, breathing: Breathing, noise: float) -> NDArray[np.float32]:
    chest = RADAR_HEIGHT * breathing.chest[:: breath.HZ // RADAR_HZ]
    posture = np.ones(len(chest))
    moved = np.zeros(len(chest))
    for event in bed.plan_movements(rng, len(chest) / RADAR_HZ):
        first, last = round(event.from_s * RADAR_HZ), round(event.to_s * RADAR_HZ)
        moved[first:last] = 100.0 * rng.normal(size=last - first)
        if event.kind == "turn":
            posture[last:] = rng.uniform(0.5, 1.5)
    points = np.rint(chest * posture + moved + noise * rng.normal(size=len(chest)))
    return np.clip(points, -128, 127).astype(np.float32)
