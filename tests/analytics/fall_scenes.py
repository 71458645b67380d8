"""Made-up acceleration for tests of the fall stages: standing, a fall, lying, walking; in any rate and any chunks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from device_drivers.observations import Samples

START_NS = 1_750_000_000_000_000_000


def times(seconds: float, rate_hz: float) -> NDArray[np.float64]:
    return np.arange(round(seconds * rate_hz)) / rate_hz


def fall(
    rate_hz: float = 50.0, fall_s: float = 6.0, seconds: float = 25.0, *, up_s: float | None = None, seed: int = 1
) -> NDArray[np.float32]:
    """Stands, falls from fall_s on (impact 0.5 s later), lies; from up_s on walks upright again."""
    t = times(seconds, rate_hz)
    noise = np.random.default_rng(seed).normal(0, 0.01, (len(t), 3))
    impact = fall_s + 0.5
    lying = np.clip((t - fall_s) / 0.6, 0, 1) * np.pi / 2
    if up_s is not None:
        lying *= 1 - np.clip((t - up_s) / 1.0, 0, 1)
    size = np.ones_like(t)
    size[(t >= fall_s) & (t < impact)] = 0.25
    size += 4.0 * np.exp(-(((t - impact) / 0.04) ** 2)) + 1.0 * np.exp(-(((t - impact - 0.3) / 0.05) ** 2))
    if up_s is not None:
        size += np.where(t > up_s + 1, 0.5 * np.sin(2 * np.pi * 2 * t), 0)
    values = np.column_stack([np.sin(lying), 0.1 * np.sin(lying), np.cos(lying)]) * size[:, None] + noise
    return np.clip(values, -16, 16).astype(np.float32)


def walk(rate_hz: float = 50.0, seconds: float = 25.0, seed: int = 2) -> NDArray[np.float32]:
    t = times(seconds, rate_hz)
    noise = np.random.default_rng(seed).normal(0, 0.03, (len(t), 3))
    sway = np.column_stack([0.2 * np.sin(2 * np.pi * t), 0.1 * np.cos(2 * np.pi * t), 1 + 0.3 * np.sin(4 * np.pi * t)])
    return (sway + noise).astype(np.float32)


def blocks(
    device_id: str,
    values: NDArray[np.float32],
    rate_hz: float = 50.0,
    *,
    size: int | list[int] = 50,
    start_ns: int = START_NS,
    full_scale: float | None = 16.0,
    delay_ns: int = 100_000_000,
) -> list[Samples]:
    """The values as consecutive blocks of `size` rows (a list of sizes is gone round)."""
    sizes = [size] if isinstance(size, int) else size
    result, row = [], 0
    while row < len(values):
        count = sizes[len(result) % len(sizes)]
        at_ns = start_ns + round(row * 1e9 / rate_hz)
        end_ns = start_ns + round((row + count) * 1e9 / rate_hz)
        result.append(
            Samples(
                device_id,
                "accel",
                values[row : row + count],
                rate_hz,
                at_ns,
                end_ns + delay_ns,
                full_scale,
                len(result),
            )
        )
        row += count
    return result
