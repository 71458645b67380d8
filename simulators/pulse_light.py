"""The light sensor of a simulated wearable: a pulse wave second by second, at the heart rate of the moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from device_drivers.yinling_wearable import WaveBlock
from simulators.physiology.pulse import WAVES

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEADY, HEIGHT = 0.5, 0.02
"""Share of the sensor's range of steady light, and of one pulse."""
BREATH_HZ, BREATHED = 0.25, 0.4
NOISE = 0.03


class PulseLight:
    """One sensor at rate_hz. Its beats vary only with the heart rate given; breathing is at 15 a minute."""

    def __init__(self, rng: np.random.Generator, rate_hz: float = 25.0) -> None:
        self.rate_hz = rate_hz
        self._rng = rng
        self._beat = 0.0
        self._taken = 0

    def take(self, count: int, heart_rate: float | None) -> WaveBlock:
        """The next samples; without a heart rate only light and noise."""
        times = (self._taken + np.arange(count)) / self.rate_hz
        self._taken += count
        wave = BREATHED * np.sin(2.0 * np.pi * BREATH_HZ * times) + NOISE * self._rng.normal(size=count)
        if heart_rate is not None:
            beats = self._beat + np.arange(1, count + 1) * heart_rate / 60.0 / self.rate_hz
            self._beat = float(beats[-1]) % 1.0
            wave += _shape(np.asarray(beats % 1.0, np.float64))
        counts = np.rint(32768.0 * (STEADY + HEIGHT * wave)).astype("<i2").tobytes()
        return WaveBlock(self.rate_hz, 1, counts)


def _shape(phase: NDArray[np.float64]) -> NDArray[np.float64]:
    """One pulse over the share of the beat that has passed; its end runs into the next."""
    parts = [high * np.exp(-0.5 * ((phase - place) / width) ** 2) for place, width, high in WAVES]
    return np.asarray(sum(parts))
