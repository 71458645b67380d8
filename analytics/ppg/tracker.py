"""Follows the heart rate of many wearers, window by window, without looking ahead.

What is believed of each rate (35 to 220 a minute) drifts from window to window and is weighed by the spectrum freed
from movement (a hidden Markov model's forward pass). The answer is the mean around the most likely rate; its confidence
the belief within NEAR of it. Below CERTAIN there is no answer rather than a wrong one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from analytics.ppg.spectra import RATES, freed, magnitudes

if TYPE_CHECKING:
    from numpy.typing import NDArray

LAST_WINDOWS = 10
SHARPNESS = 6.0
DRIFT = 9.0
"""Beats a minute from one window to the next, standard deviation."""
JUMP = 1e-7
NEAR = 8.0
CERTAIN = 0.7
START, START_SPREAD = 80.0, 25.0
"""At first: about the resting rate, but nothing is excluded."""


def _drift() -> NDArray[np.float64]:
    apart = RATES[:, None] - RATES[None]
    table = np.exp(-0.5 * (apart / DRIFT) ** 2)
    return np.asarray((1.0 - JUMP) * table / table.sum(axis=0) + JUMP / len(RATES))


def _start() -> NDArray[np.float64]:
    belief = np.exp(-0.5 * ((RATES - START) / START_SPREAD) ** 2) + 1e-3
    return np.asarray(belief / belief.sum())


_DRIFT, _START = _drift(), _start()


class PulseRate(NamedTuple):
    """Of each wearer: rate per minute, NaN where there is no answer, and the confidence 0 to 1."""

    rate: NDArray[np.float64]
    confidence: NDArray[np.float64]


class PulseTracker:
    """State of `wearers` wearers."""

    def __init__(self, wearers: int) -> None:
        self._belief = np.tile(_START, (wearers, 1))
        self._recent = np.full((wearers, LAST_WINDOWS, len(RATES)), np.nan)
        self._turn = 0

    def forget(self, wearer: int) -> None:
        """Take away all that is known of a wearer."""
        self._belief[wearer] = _START
        self._recent[wearer] = np.nan

    def step(self, pulse: NDArray[np.float64], accel: NDArray[np.float64]) -> PulseRate:
        """The next window of everybody, STEP_S after the last: pulse (wearers, channels, samples), accel likewise.

        Without a usable channel of pulse there is no answer and belief drifts; flat acceleration is no movement.
        """
        seen = _mean(magnitudes(pulse), np.nan)
        moved = _mean(magnitudes(accel), 0.0)
        self._recent[:, self._turn] = seen
        self._turn = (self._turn + 1) % LAST_WINDOWS
        known = np.isfinite(seen[:, 0])
        usual = _mean(self._recent, 0.0)
        weight = np.exp(SHARPNESS * freed(np.where(known[:, None], seen, 0.0), usual, moved))
        belief = (self._belief @ _DRIFT.T) * np.where(known[:, None], weight, 1.0)
        self._belief = belief / belief.sum(axis=1, keepdims=True)
        return self._answer(known)

    def _answer(self, known: NDArray[np.bool_]) -> PulseRate:
        best = RATES[self._belief.argmax(axis=1)]
        near = self._belief * (np.abs(RATES - best[:, None]) <= NEAR)
        confidence = near.sum(axis=1)
        rate = (near * RATES).sum(axis=1) / confidence
        return PulseRate(np.where(known & (confidence >= CERTAIN), rate, np.nan), np.where(known, confidence, 0.0))


def _mean(of: NDArray[np.float64], otherwise: float) -> NDArray[np.float64]:
    """Mean over the middle axis of what is known."""
    known = np.isfinite(of)
    count = known.sum(axis=1)
    total = np.where(known, of, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), otherwise)
