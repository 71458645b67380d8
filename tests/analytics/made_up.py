"""Made-up trials for tests of evaluation and training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from fall_scenes import fall, walk
from numpy.typing import NDArray


@dataclass(frozen=True)
class MadeUp:
    """A trial for tests."""

    activity: str
    subject: str
    accel_g: NDArray[np.float32]
    is_fall: bool
    rate_hz: float = 50.0
    trial: str = "R01"
    dataset: str = "made-up"
    group: str = "young"
    site: str = "wrist"
    full_scale_g: float | None = 16.0
    fall_start_s: float | None = None
    fall_end_s: float | None = None

    @property
    def name(self) -> str:
        return f"{self.dataset}/{self.activity}/{self.subject}/{self.trial}"


def falling(subject: str, seed: int, seconds: float = 16.0) -> MadeUp:
    values = fall(fall_s=6.0, seconds=seconds, seed=seed)
    return MadeUp("F01", subject, values, True, trial=f"R{seed}", fall_start_s=6.0, fall_end_s=8.0)


def hopping(subject: str, seed: int) -> MadeUp:
    values = walk(seconds=12, seed=seed)
    values[100::75, 2] += 1.5
    return MadeUp("D01", subject, values, False, trial=f"R{seed}")


def made_up_trials() -> list[MadeUp]:
    return [make(subject, seed) for subject in ("S1", "S2", "S3") for seed in range(12) for make in (falling, hopping)]
