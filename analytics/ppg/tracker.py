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
        self._turn = np.zeros(wearers, np.int64)

    def grow(self, wearers: int) -> None:
        """Room for at least so many wearers; what is known stays."""
        more = wearers - len(self._belief)
        if more > 0:
            fresh = PulseTracker(max(more, len(self._belief)))
            self._belief = np.concatenate([self._belief, fresh._belief])
            self._recent = np.concatenate([self._recent, fresh._recent])
            self._turn = np.concatenate([self._turn, fresh._turn])

    def forget(self, wearer: int) -> None:
        """Take away all that is known of a wearer."""
        self._belief[wearer] = _START
        self._recent[wearer] = np.nan
        self._turn[wearer] = 0

    def step(
        self, pulse: NDArray[np.float64], accel: NDArray[np.float64], who: NDArray[np.int64] | None = None
    ) -> PulseRate:
        """The next window, STEP_S after the last: pulse (rows, channels, samples), accel likewise.

        who: whose window each row is, all different; everybody's where it is left out. Without a usable channel of
        pulse there is no answer and belief drifts; flat acceleration is no movement.
        """
        who = np.arange(len(self._belief)) if who is None else who
        seen = _mean(magnitudes(pulse), np.nan)
        moved = _mean(magnitudes(accel), 0.0)
        self._recent[who, self._turn[who]] = seen
        self._turn[who] = (self._turn[who] + 1) % LAST_WINDOWS
        known = np.isfinite(seen[:, 0])
        usual = _mean(self._recent[who], 0.0)
        weight = np.exp(SHARPNESS * freed(np.where(known[:, None], seen, 0.0), usual, moved))
        belief = (self._belief[who] @ _DRIFT.T) * np.where(known[:, None], weight, 1.0)
        belief /= belief.sum(axis=1, keepdims=True)
        self._belief[who] = belief
        return _answer(belief, known)


def _answer(belief: NDArray[np.float64], known: NDArray[np.bool_]) -> PulseRate:
    best = RATES[belief.argmax(axis=1)]
    near = belief * (np.abs(RATES - best[:, None]) <= NEAR)
    confidence = near.sum(axis=1)
    rate = (near * RATES).sum(axis=1) / confidence
    return PulseRate(np.where(known & (confidence >= CERTAIN), rate, np.nan), np.where(known, confidence, 0.0))


def _mean(of: NDArray[np.float64], otherwise: float) -> NDArray[np.float64]:
    """Mean over the middle axis of what is known."""
    known = np.isfinite(of)
    count = known.sum(axis=1)
    total = np.where(known, of, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), otherwise)
