"""Series of beats with known rhythm, made from a seed."""

from __future__ import annotations

import numpy as np
from analytics_scenes import T0, at
from numpy.typing import NDArray

from analytics.scenarios import Scenario
from device_drivers.observations import Reading


def sinus(beats: int, seed: int = 1, mean_ms: float = 850.0) -> NDArray[np.float64]:
    """Regular, with breathing (a wave of 5 % over five beats) and 1 % of noise."""
    chance = np.random.default_rng(seed)
    wave = 1.0 + 0.05 * np.sin(2 * np.pi * np.arange(beats) / 5.0)
    return mean_ms * wave * np.exp(chance.normal(0.0, 0.01, beats))


def fibrillation(beats: int, seed: int = 2, mean_ms: float = 680.0) -> NDArray[np.float64]:
    """Each interval for itself, spread by a quarter: what atrial fibrillation looks like."""
    chance = np.random.default_rng(seed)
    return np.asarray(np.clip(mean_ms * np.exp(chance.normal(0.0, 0.24, beats)), 300.0, 1800.0))


def bigeminy(beats: int, seed: int = 3, mean_ms: float = 800.0) -> NDArray[np.float64]:
    """Every second beat comes early and is made up for."""
    chance = np.random.default_rng(seed)
    return np.where(np.arange(beats) % 2, 0.62, 1.38) * mean_ms * np.exp(chance.normal(0.0, 0.015, beats))


def ectopic(beats: int, seed: int = 4, mean_ms: float = 820.0, share: float = 0.12) -> NDArray[np.float64]:
    """Sinus rhythm with early beats at random, each made up for by the next interval."""
    chance = np.random.default_rng(seed)
    series = sinus(beats, seed, mean_ms)
    early = np.flatnonzero(chance.random(beats - 1) < share)
    series[early] *= 0.6
    series[early + 1] *= 1.35
    return series


def readings(interval_ms: NDArray[np.float64], device: str = "strap", start_s: float = 0.0) -> list[Reading]:
    """One reading for each beat, received when it comes."""
    times = start_s + np.cumsum(interval_ms) / 1000.0
    return [
        Reading(device, "rr_interval", round(float(ms), 1), at(s), at(s))
        for ms, s in zip(interval_ms, times, strict=True)
    ]


def rhythm_scene() -> Scenario:
    """Two minutes of fibrillation between sinus rhythm, and beside them ectopic beats."""
    ill = readings(np.concatenate([sinus(25), fibrillation(180), sinus(15, seed=5)]), "strap")
    well = readings(np.concatenate([ectopic(90), bigeminy(90)]), "bed")
    every = tuple(sorted([*ill, *well], key=lambda o: o.received_ns))
    devices = {"strap": "zhang", "bed": "li", "spare": None}
    return Scenario("rhythm", devices, every, T0, every[-1].received_ns, frozenset({"possible_af"}))
