"""What a pressure sensor under a mattress gives: the recoil of each beat on top of breathing, disturbed by movement.

The recoil (ballistocardiogram) has waves H to N around the strongest one, J, about 0.23 s after the electrical beat
(Starr's nomenclature; places and heights here are typical drawings, not measured on a person).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulators.physiology import breath

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from simulators.physiology.breath import Breathing

J_S = 0.23
"""From the electrical beat to the J wave."""
WAVES = ((-0.12, 0.25), (-0.065, -0.55), (0.0, 1.0), (0.075, -0.8), (0.15, 0.45), (0.225, -0.3), (0.31, 0.18))
"""H, I, J, K, L, M, N: seconds from J, height (J: 1)."""
WIDTH_S = 0.026
BREATH_TO_HEART = 8.0
"""Breathing from peak to peak is so many times the height of J (assumed)."""
POSTURE_SPREAD = 0.35
"""After turning over each wave's height is changed by this share (standard deviation, assumed)."""
STRETCH_S = 0.006
"""Breathing moves the recoil by this against the beat (assumed)."""
MOVED = 40.0
"""Height of movement against J (assumed)."""
KINDS = ("move", "turn", "out")


@dataclass(frozen=True, slots=True)
class BedEvent:
    """kind: "move" (a limb), "turn" (the body; the recoil looks different afterwards) or "out" (nobody in bed)."""

    kind: str
    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True, eq=False)
class BedWave:
    """wave: (n,), J of a usual beat is 1. j_s: times of the J waves in it (none while out). disturbed: (n,) bool."""

    rate_hz: float
    wave: NDArray[np.float64]
    j_s: NDArray[np.float64]
    disturbed: NDArray[np.bool_]
    events: tuple[BedEvent, ...]


def plan_movements(rng: np.random.Generator, seconds: float, per_hour: float = 8.0) -> tuple[BedEvent, ...]:
    """Limbs moved for 2 to 6 s and, one time in four, turning over for 5 to 12 s, at random."""
    events: list[BedEvent] = []
    at = float(rng.exponential(3600.0 / per_hour)) if per_hour > 0 else seconds
    while at < seconds - 15.0:
        turn = rng.random() < 0.25
        length = float(rng.uniform(5.0, 12.0) if turn else rng.uniform(2.0, 6.0))
        events.append(BedEvent("turn" if turn else "move", at, at + length))
        at += length + float(rng.exponential(3600.0 / per_hour))
    return tuple(events)


def bed_wave(
    rng: np.random.Generator,
    beats_s: NDArray[np.float64],
    breathing: Breathing,
    *,
    rate_hz: float = 100.0,
    noise: float = 0.1,
    events: Sequence[BedEvent] = (),
) -> BedWave:
    """The wave over the length of `breathing`.

    noise: standard deviation of white noise against J, in 1 Hz to 12 Hz (in all of the band accordingly more).
    """
    seconds = len(breathing.chest) / breath.HZ
    times = np.arange(int(seconds * rate_hz)) / rate_hz
    chest = np.interp(times, np.arange(len(breathing.chest)) / breath.HZ, breathing.chest)
    turns = [event.to_s for event in events if event.kind == "turn"]
    j_s, recoil = _recoil(rng, beats_s, breathing, times, turns, rate_hz)
    wave = recoil + 0.5 * BREATH_TO_HEART * chest
    disturbed = np.zeros(len(times), np.bool_)
    for event in events:
        first, last = np.searchsorted(times, [event.from_s, event.to_s])
        if event.kind == "out":
            wave[first:last] = 0.0
            j_s = j_s[(j_s < event.from_s) | (j_s >= event.to_s)]
        else:
            wave[first:last] += MOVED * _shaking(rng, last - first, rate_hz)
        disturbed[first:last] = True
    in_band = 11.0 / (rate_hz / 2.0)
    wave += noise / np.sqrt(min(1.0, in_band)) * rng.normal(size=len(times))
    return BedWave(rate_hz, wave, j_s, disturbed, tuple(events))


def _recoil(
    rng: np.random.Generator,
    beats_s: NDArray[np.float64],
    breathing: Breathing,
    times: NDArray[np.float64],
    turns: Sequence[float],
    rate_hz: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times of J and the recoil of all beats."""
    at = np.clip((beats_s * breath.HZ).astype(np.int64), 0, len(breathing.lungs) - 1)
    lungs = breathing.lungs[at]
    j_s = beats_s + J_S + STRETCH_S * (lungs - 0.5)
    height = (0.8 + 0.4 * lungs) * (1.0 + 0.08 * rng.normal(size=len(beats_s)))
    posture = np.searchsorted(np.asarray(turns), beats_s)
    looks = 1.0 + POSTURE_SPREAD * rng.normal(size=(len(turns) + 1, len(WAVES)))
    wave = np.zeros(len(times))
    reach = np.arange(-round(0.25 * rate_hz), round(0.45 * rate_hz) + 1)
    for one, size, look in zip(j_s.tolist(), height.tolist(), posture.tolist(), strict=True):
        index = round(one * rate_hz) + reach
        inside = (index >= 0) & (index < len(times))
        apart = times[index[inside]] - one
        for (place, high), own in zip(WAVES, looks[look].tolist(), strict=True):
            wave[index[inside]] += size * high * own * np.exp(-0.5 * ((apart - place) / WIDTH_S) ** 2)
    return j_s[j_s < times[-1]], wave


def _shaking(rng: np.random.Generator, count: int, rate_hz: float) -> NDArray[np.float64]:
    """Movement of a limb or the body: noise below about 3 Hz, deviation 1."""
    width = max(2, round(rate_hz / 6.0))
    kernel = np.hanning(width + 2)[1:-1]
    shaken = np.convolve(rng.normal(size=count + width), kernel, mode="same")[:count]
    return np.asarray(shaken / (np.std(shaken) + 1e-9) * np.hanning(count + 2)[1:-1])
