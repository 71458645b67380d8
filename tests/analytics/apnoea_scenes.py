"""Nights of breathing as a radar and an oximeter would tell them, made up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from device_drivers.observations import DeviceEvent, Observation, Reading, Samples
from simulators.physiology import breath

SECOND = 1_000_000_000
NIGHT = (1_800_000_000 + 7 * 3600) * SECOND
"""2027-01-15, 23:00 in China."""


def body(seed: int, seconds: float, per_hour: float, kinds: tuple[str, ...] = breath.KINDS) -> breath.Breathing:
    chance = np.random.default_rng(seed)
    return breath.breathe(chance, seconds, 14, breath.plan_events(chance, seconds, per_hour, kinds))


def waves(
    one: breath.Breathing,
    device: str = "radar",
    start_ns: int = NIGHT,
    noise: float = 1.5,
    block_s: int = 10,
    signal: str = "breath_wave",
) -> list[Observation]:
    """Whole numbers at 5 points a second, a usual breath 40 high to either side, in blocks of `block_s`."""
    chest = 40 * one.chest[:: breath.HZ // 5]
    points = np.clip(np.rint(chest + noise * np.random.default_rng(9).normal(size=len(chest))), -128, 127)
    return [
        Samples(
            device,
            signal,
            points[at : at + 5 * block_s, None].astype(np.float32),
            5.0,
            start_ns + at * SECOND // 5,
            start_ns + (at // 5 + block_s) * SECOND,
        )
        for at in range(0, len(points) - 5 * block_s + 1, 5 * block_s)
    ]


def oxygen(
    values: NDArray[np.float64], device: str = "clip", start_ns: int = NIGHT, every: int = 1
) -> list[Observation]:
    times = [start_ns + i * SECOND for i in range(0, len(values), every)]
    return [Reading(device, "spo2", float(values[i * every]), at, at) for i, at in enumerate(times)]


def bed(occupied: str, at_s: float, device: str = "mat") -> DeviceEvent:
    at = NIGHT + round(at_s * SECOND)
    return DeviceEvent(device, "bed_occupancy", occupied, at, at)


def in_order(*parts: list[Observation]) -> list[Observation]:
    return sorted((o for part in parts for o in part), key=lambda o: o.received_ns)
