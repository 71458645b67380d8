"""How fast somebody breathes, from the pulse wave of a watch: breathing moves it in three ways, which are fused.

Baseline, height and rate of the pulse go up and down with breathing (Karlen 2013, IEEE TBME 60, "Multiparameter
respiratory rate estimation from the photoplethysmogram"; he fuses three answers, here their spectra are added). Height
and rate are those of the pulse's fundamental: magnitude and turning speed of the wave in a band around the heart rate,
made one-sided (Hilbert). No beats are looked for, so all wearers are done in one pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analytics.waves import rates
from analytics.waves.rates import WINDOW_S, Band, Rate, rate_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

HZ = 25
SIZE = int(WINDOW_S * HZ)
STEP_S = 10.0
SLOWEST_HZ, FASTEST_HZ = 0.65, 3.2
"""Heart rates that are looked for: 39 to 192 a minute."""
NEAR_HZ, PULSING = 0.15, 0.5
"""A pulse has this share of what is faster than breathing near the heart rate and its double."""
BAND = Band(6 / 60, 36 / 60, 0.08, 0.9)
_HERTZ = np.fft.rfftfreq(SIZE, 1.0 / HZ)
_EVERY = HZ // rates.HZ


def pulse_breathing(wave: Floats) -> Rate:
    """Breaths a minute from windows (rows, SIZE) of a pulse wave at HZ; NaN and a low confidence where unsure."""
    known = np.asarray(np.isfinite(wave).all(axis=1))
    usable = np.where(known[:, None], wave, 0.0)
    parts, pulses = modulations(usable)
    said = rate_of(parts, BAND)
    known &= pulses
    return Rate(np.where(known, said.rate, np.nan), np.where(known, said.confidence, 0.0))


def modulations(wave: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Baseline, height and rate of the pulse at `rates.HZ`, (rows, 3, samples), and whether it is a pulse, (rows,)."""
    spectrum = np.fft.rfft(wave - wave.mean(axis=1, keepdims=True))
    power = np.abs(spectrum) ** 2
    heart = _heart_hz(power)
    pulses = _near(power, heart) + _near(power, 2.0 * heart) >= PULSING * power[:, _HERTZ >= SLOWEST_HZ].sum(axis=1)
    away = np.abs(_HERTZ - heart[:, None]) / (0.55 * heart[:, None])
    one_sided = np.zeros((len(wave), SIZE), np.complex128)
    one_sided[:, : spectrum.shape[1]] = 2.0 * spectrum * np.where(away < 1.0, np.cos(0.5 * np.pi * away), 0.0)
    turning = np.fft.ifft(one_sided)
    low = np.clip((0.45 * heart[:, None] - _HERTZ) / (0.1 * heart[:, None]), 0.0, 1.0)
    baseline = np.fft.irfft(spectrum * low, SIZE)
    speed = np.zeros(wave.shape)
    speed[:, 1:] = np.angle(turning[:, 1:] * turning[:, :-1].conj())
    speed[:, 0] = speed[:, 1]
    return _fewer(np.stack([baseline, np.abs(turning), speed], axis=1)), pulses


def _heart_hz(power: Floats) -> Floats:
    smooth = power.copy()
    smooth[:, 1:-1] = power[:, :-2] + 2.0 * power[:, 1:-1] + power[:, 2:]
    allowed = (_HERTZ >= SLOWEST_HZ) & (_HERTZ <= FASTEST_HZ)
    return np.asarray(_HERTZ[np.where(allowed, smooth, -1.0).argmax(axis=1)])


def _near(power: Floats, hertz: Floats) -> Floats:
    """Power within NEAR_HZ of a rate."""
    return np.asarray(np.where(np.abs(_HERTZ - hertz[:, None]) <= NEAR_HZ, power, 0.0).sum(axis=1))


def _fewer(wave: Floats) -> Floats:
    return np.asarray(wave.reshape(*wave.shape[:2], SIZE // _EVERY, _EVERY).mean(axis=3))
