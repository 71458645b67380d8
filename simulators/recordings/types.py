"""What a loader yields: one trial of one person, in units and with what is known about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STANDARD_GRAVITY = 9.80665
"""m/s^2 in one g (ISO 80000-3)."""
ELDERLY_FROM = 60
"""Years from which a person counts as elderly where a set tells the age (the youngest of SisFall's SE group)."""

Group = Literal["young", "elderly", "unknown"]
Site = Literal["wrist", "waist", "hip", "chest", "ankle", "pocket", "unknown"]
"""Where the sensor was worn; pocket: loose in a trouser pocket."""
Wanted = Callable[[str], bool]
"""Says by a trial's name (dataset/activity/subject/trial) whether it is to be read."""


def every(_name: str) -> bool:
    """Every trial is wanted."""
    return True


def group_of(age: int | None) -> Group:
    """The age group of a person of so many years."""
    if age is None:
        return "unknown"
    return "elderly" if age >= ELDERLY_FROM else "young"


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One trial.

    accel_g: float32 (n, 3) in g, gravity included, sampled regularly at `rate_hz`; gyro_dps: float32 (m, 3) in deg/s,
    None where the set has none. full_scale_g: the sensor's range, +-, None where the authors do not say. fall_start_s,
    fall_end_s: the fall as its authors marked it, seconds from the first sample, None where they did not or where
    nobody falls.
    """

    dataset: str
    activity: str
    subject: str
    trial: str
    is_fall: bool
    group: Group
    site: Site
    rate_hz: float
    accel_g: NDArray[np.float32]
    gyro_dps: NDArray[np.float32] | None
    full_scale_g: float | None
    fall_start_s: float | None = None
    fall_end_s: float | None = None

    @property
    def name(self) -> str:
        """For messages and lists: dataset/activity/subject/trial."""
        return f"{self.dataset}/{self.activity}/{self.subject}/{self.trial}"

    @property
    def duration_s(self) -> float:
        """Length of the acceleration in seconds."""
        return len(self.accel_g) / self.rate_hz
