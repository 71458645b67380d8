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
_TINY = 1e-9
_TIMES = np.arange(POINTS) * WINDOW_S / POINTS
_WAVES = np.hanning(POINTS)[:, None] * np.exp(-2j * np.pi * _TIMES[:, None] * RATES / 60.0)


def magnitudes(window: NDArray[np.float64]) -> NDArray[np.float64]:
    """Magnitude at RATES, each scaled to a highest value of 1: (..., rates) from one window of WINDOW_S (..., samples).

    Any sampling rate of 9 Hz or more. A channel that is flat or not finite gives NaN.
    """
    size = window.shape[-1]
    whole = np.fft.rfft(window - window.mean(axis=-1, keepdims=True))
    hertz = np.arange(whole.shape[-1]) / WINDOW_S
    whole = np.where((hertz >= LOWEST_HZ) & (hertz <= HIGHEST_HZ), whole, 0.0)
    kept = whole[..., : min(whole.shape[-1], POINTS // 2)]
    even = np.fft.irfft(kept, POINTS) * (POINTS / size)
    height = np.abs(even @ _WAVES)
    top = height.max(axis=-1, keepdims=True)
    return np.where(top > _TINY, height / np.where(top > _TINY, top, 1.0), np.nan)


def freed(pulse: NDArray[np.float64], usual: NDArray[np.float64], moved: NDArray[np.float64]) -> NDArray[np.float64]:
    """The pulse spectrum without movement, highest value 1: (..., rates).

    pulse: of this window; usual: its mean over the last windows; moved: mean spectrum of acceleration; (..., rates).
    """
    subtracted = _scaled(pulse * np.maximum(1.0 - moved / np.maximum(usual, _TINY), 0.0))
    divided = _scaled(pulse * usual / np.maximum(moved + usual, _TINY))
    return _scaled(subtracted + DIVIDING * divided)


def _scaled(height: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(height / (height.max(axis=-1, keepdims=True) + _TINY))
