"""Spectra of a window of pulse wave and acceleration, and the pulse spectrum freed from movement.

The order of work is that of Temko (2017, IEEE TBME 64, "Accurate heart rate monitoring during physical exercises using
PPG", WFPV): magnitude spectra scaled to their highest peak; what acceleration and the mean pulse spectrum of the last
windows share is taken away by two Wiener gains, one that subtracts and one that divides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WINDOW_S = 8.0
STEP_S = 2.0
"""Windows of IEEE SPC 2015."""
RATES = np.arange(35.0, 221.0)
"""Heart rates that are looked at, per minute."""
LOWEST_HZ, HIGHEST_HZ = 0.4, 4.5
POINTS = 200
DIVIDING = 0.6
"""Share of the dividing gain beside the subtracting one."""
FLAT = 1e-6
"""What varies less than this share of its steady part is the rounding of a 32-bit number: the channel is flat."""
_TINY = 1e-9
_FIRST, _LAST = int(np.ceil(LOWEST_HZ * WINDOW_S)), int(HIGHEST_HZ * WINDOW_S)
"""Bins of a window's Fourier transform that lie between LOWEST_HZ and HIGHEST_HZ."""


def _table() -> NDArray[np.float64]:
    """From real and imaginary parts of these bins to those of the tapered spectrum at RATES: (2 bins, 2 rates)."""
    times = np.arange(POINTS) * WINDOW_S / POINTS
    waves = np.hanning(POINTS)[:, None] * np.exp(-2j * np.pi * times[:, None] * RATES / 60.0)
    turns = np.exp(2j * np.pi * np.outer(np.arange(_FIRST, _LAST + 1), np.arange(POINTS)) / POINTS)
    parts = np.concatenate([turns.real @ waves, -turns.imag @ waves])
    return np.concatenate([parts.real, parts.imag], axis=1)


_TABLE = _table()


def magnitudes(window: NDArray[np.float64]) -> NDArray[np.float64]:
    """Magnitude at RATES, each scaled to a highest value of 1: (..., rates) from one window of WINDOW_S (..., samples).

    Any sampling rate of 9 Hz or more. A channel that is flat or not finite gives NaN.
    """
    size = window.shape[-1]
    whole = np.fft.rfft(window - window.mean(axis=-1, keepdims=True))[..., _FIRST : _LAST + 1]
    both = np.concatenate([whole.real, whole.imag], axis=-1) @ _TABLE * (2.0 / size)
    height = np.hypot(both[..., : len(RATES)], both[..., len(RATES) :])
    top = height.max(axis=-1, keepdims=True)
    floor = np.maximum(_TINY, FLAT * np.abs(window.mean(axis=-1, keepdims=True)))
    return np.where(top > floor, height / np.where(top > floor, top, 1.0), np.nan)


def freed(pulse: NDArray[np.float64], usual: NDArray[np.float64], moved: NDArray[np.float64]) -> NDArray[np.float64]:
    """The pulse spectrum without movement, highest value 1: (..., rates).

    pulse: of this window; usual: its mean over the last windows; moved: mean spectrum of acceleration; (..., rates).
    """
    subtracted = _scaled(pulse * np.maximum(1.0 - moved / np.maximum(usual, _TINY), 0.0))
    divided = _scaled(pulse * usual / np.maximum(moved + usual, _TINY))
    return _scaled(subtracted + DIVIDING * divided)


def _scaled(height: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(height / (height.max(axis=-1, keepdims=True) + _TINY))
