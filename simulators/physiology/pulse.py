"""What the light sensor of a watch gives: a wave for each beat, that breathing moves in three ways.

The three (Charlton 2018, IEEE Rev. Biomed. Eng. 11): the baseline goes up and down, waves grow and shrink, beats come
sooner and later (the last is in the beats already). How strong they are is assumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulators.physiology import breath

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from simulators.physiology.breath import Breathing

TRANSIT_S = 0.25
"""From the electrical beat to the foot of the wave at the wrist (assumed)."""
WAVES = ((0.17, 0.075, 1.0), (0.42, 0.11, 0.4))
"""Systolic and dicrotic part of a wave: seconds from the foot, width in s, height."""
LEVEL = 20.0
"""Steady light against the height of one wave (a perfusion of 5 %, assumed)."""


@dataclass(frozen=True, slots=True)
class Breathed:
    """How far breathing moves baseline, height and (with `made_up_beats`) rate, as shares of a wave's height."""

    baseline: float = 0.4
    height: float = 0.1


def pulse_wave(
    rng: np.random.Generator,
    beats_s: NDArray[np.float64],
    breathing: Breathing,
    *,
    rate_hz: float = 50.0,
    noise: float = 0.05,
    breathed: Breathed | None = None,
) -> NDArray[np.float64]:
    """The wave (n,) over the length of `breathing`; the height of a usual beat is 1. noise: its standard deviation."""
    how = breathed or Breathed()
    times = np.arange(int(len(breathing.lungs) / breath.HZ * rate_hz)) / rate_hz
    lungs = np.interp(times, np.arange(len(breathing.lungs)) / breath.HZ, breathing.lungs)
    wave = LEVEL + how.baseline * (lungs - 0.5)
    reach = np.arange(0, round(0.9 * rate_hz))
    for beat in beats_s.tolist():
        foot = beat + TRANSIT_S
        index = round(foot * rate_hz) + reach
        index = index[index < len(times)]
        if not index.size:
            break
        size = 1.0 - how.height * 2.0 * (lungs[index[0]] - 0.5)
        for place, width, high in WAVES:
            wave[index] += size * high * np.exp(-0.5 * ((times[index] - foot - place) / width) ** 2)
    slow = np.cumsum(rng.normal(size=len(times))) / np.sqrt(rate_hz * 60.0)
    return np.asarray(wave + 0.1 * slow + noise * rng.normal(size=len(times)))
