"""How fast a wave goes to and fro: breathing, or the heart in a radar's coarse wave; all residents at once.

Windows of WINDOW_S at HZ. The answer is the highest peak of the (zero-padded, Hann) spectrum within a band; its
confidence is the share of power within NEAR of it and of its first harmonic. Several waves that show the same rhythm
(what breathing does to a pulse wave) are joined by adding their spectra, each scaled to its own power. Windows in which
a part is far quieter or louder than the others (a pause, movement) get no answer, and neither do those with samples
missing. Below CERTAIN there is no answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

HZ = 5
WINDOW_S = 40.0
STEP_S = 10.0
SIZE = int(WINDOW_S * HZ)
NEAR_HZ = 0.05
"""Half the width of the Hann window's main lobe is 0.05 Hz."""
CERTAIN = 0.6
PART, EVERY = 8 * HZ, 2 * HZ
QUIET, LOUD = 0.25, 3.0
"""Eight seconds of the window may be so much quieter or louder (standard deviation) than their median."""
SMALLEST = 1e-6
_PADDED = 2048
_HERTZ = np.fft.rfftfreq(_PADDED, 1.0 / HZ)
_NEAR = round(NEAR_HZ / _HERTZ[1])
_TAPER = np.hanning(SIZE)


@dataclass(frozen=True, slots=True)
class Band:
    """Where the rate may lie, and from where on all power counts, in Hz."""

    low_hz: float
    high_hz: float
    from_hz: float
    to_hz: float


BREATH = Band(5 / 60, 40 / 60, 0.06, 1.4)
HEART = Band(42 / 60, 130 / 60, 0.6, 2.4)
"""At 5 points a second nothing above 2.5 Hz is seen."""


class Rate(NamedTuple):
    """Of each row: a minute, NaN where there is no answer; confidence 0 to 1."""

    rate: Floats
    confidence: Floats


def rate_of(wave: Floats, band: Band = BREATH) -> Rate:
    """Rate of windows (rows, SIZE), or of several waves of the same rhythm (rows, waves, SIZE)."""
    rate, confidence, even = _judged(wave, band)
    confidence = np.where(even, confidence, 0.0)
    return Rate(np.where(confidence >= CERTAIN, rate, np.nan), confidence)


def periodicity(wave: Floats, band: Band = BREATH) -> Floats:
    """Share of power in one rhythm, 0 to 1, of windows (rows, SIZE), pauses and loud parts or not."""
    return _judged(wave, band)[1]


def _judged(wave: Floats, band: Band) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Rate, confidence (0 where a sample is missing or nothing moves), and whether the window is even."""
    waves = wave[:, None] if wave.ndim == 2 else wave
    known = np.asarray(np.isfinite(waves).all(axis=(1, 2)))
    level = _straight(np.where(known[:, None, None], waves, 0.0))
    power = _power(level)
    inside = (band.from_hz <= _HERTZ) & (band.to_hz >= _HERTZ)
    total = power[..., inside].sum(axis=2, keepdims=True)
    share = power / np.maximum(total, SMALLEST**2) * inside
    rate, confidence = _peak(_joined(share), band)
    moves = known & (total[..., 0] > SMALLEST).all(axis=1)
    return rate, np.where(moves, confidence, 0.0), moves & _even(level)


def _joined(share: Floats) -> Floats:
    """Spectra of several waves (rows, waves, hertz) as one; a wave whose power lies in one place counts for more."""
    if share.shape[1] == 1:
        return share[:, 0]
    weight = share.max(axis=2, keepdims=True)
    return np.asarray((share * weight).sum(axis=1) / np.maximum(weight.sum(axis=1), SMALLEST))


def _straight(wave: Floats) -> Floats:
    """Without mean and slope."""
    time = np.linspace(-1.0, 1.0, SIZE)
    slope = (wave * time).sum(axis=-1, keepdims=True) / (time**2).sum()
    return np.asarray(wave - wave.mean(axis=-1, keepdims=True) - slope * time)


def _power(level: Floats) -> Floats:
    return np.asarray(np.abs(np.fft.rfft(level * _TAPER, _PADDED)) ** 2)


def _peak(share: Floats, band: Band) -> tuple[Floats, Floats]:
    allowed = (band.low_hz <= _HERTZ) & (band.high_hz >= _HERTZ)
    middle = share[:, 1:-1]
    peak = np.zeros(share.shape, np.bool_)
    peak[:, 1:-1] = (middle >= share[:, :-2]) & (middle > share[:, 2:])
    best = np.where(peak & allowed, share, -1.0).argmax(axis=1)
    total = np.concatenate([np.zeros((len(share), 1)), np.cumsum(share, axis=1)], axis=1)
    confidence = _around(total, best) + np.where(2 * best + _NEAR < share.shape[1], _around(total, 2 * best), 0.0)
    return np.asarray(60.0 * _HERTZ[best]), np.minimum(confidence, 1.0)


def _around(total: Floats, at: NDArray[np.int64]) -> Floats:
    last = total.shape[1] - 1
    rows = np.arange(len(total))
    return np.asarray(total[rows, np.minimum(at + _NEAR + 1, last)] - total[rows, np.clip(at - _NEAR, 0, last)])


def _even(level: Floats) -> NDArray[np.bool_]:
    """Whether in most of the waves no part is far quieter or louder than the others."""
    parts = np.lib.stride_tricks.sliding_window_view(level, PART, axis=2)[:, :, ::EVERY]
    loudness = parts.std(axis=3)
    usual = np.median(loudness, axis=2, keepdims=True)
    even = ((loudness >= QUIET * usual) & (loudness <= LOUD * usual)).all(axis=2)
    return np.asarray(even.mean(axis=1) > 0.5)
