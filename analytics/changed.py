"""Trials made from trials: worse equipment, the same sensor worn otherwise, and daily life without a pause.

Every change is the same each time for the same trial (chance is seeded by its name).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from analytics.trials import Trial

    Change = Callable[[Trial], Trial]

SEAM_S = 1.0
"""Trials are joined over a second in which the one position goes over into the other: no blow at the seam."""
LOST = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Changed:
    """A trial that is not as it was recorded; the fields are those of `analytics.trials.Trial`."""

    name: str
    dataset: str
    activity: str
    subject: str
    group: str
    site: str
    is_fall: bool
    rate_hz: float
    accel_g: NDArray[np.float32]
    full_scale_g: float | None
    fall_start_s: float | None
    fall_end_s: float | None

    @classmethod
    def of(cls, trial: Trial) -> Changed:
        """The trial as it is."""
        return cls(**{name: getattr(trial, name) for name in cls.__slots__})


def resampled(rate_hz: float) -> Change:
    """As a sensor of another rate would have sampled it: read off between the samples, without a filter before."""

    def change(trial: Trial) -> Trial:
        if rate_hz == trial.rate_hz or len(trial.accel_g) < 2:
            return trial
        last = (len(trial.accel_g) - 1) / trial.rate_hz
        at = np.arange(0, last, 1 / rate_hz) * trial.rate_hz
        columns = [np.interp(at, np.arange(len(trial.accel_g)), column) for column in trial.accel_g.T]
        return replace(Changed.of(trial), rate_hz=rate_hz, accel_g=np.column_stack(columns).astype(np.float32))

    return change


def clipped(range_g: float) -> Change:
    """As a sensor of this range would have given it."""

    def change(trial: Trial) -> Trial:
        scale = range_g if trial.full_scale_g is None else min(range_g, trial.full_scale_g)
        return replace(Changed.of(trial), accel_g=np.clip(trial.accel_g, -range_g, range_g), full_scale_g=scale)

    return change


def rotated(trial: Trial) -> Trial:
    """The sensor turned at random, another way for each trial."""
    turn, upper = np.linalg.qr(_chance(trial).normal(size=(3, 3)))
    turn = turn * np.sign(np.diag(upper))
    turn[:, 0] *= np.linalg.det(turn)
    return replace(Changed.of(trial), accel_g=(trial.accel_g @ turn).astype(np.float32))


def with_lost_samples(trial: Trial) -> Trial:
    """One sample in twenty missing, here and there."""
    accel = trial.accel_g.copy()
    accel[_chance(trial).random(len(accel)) < LOST] = np.nan
    return replace(Changed.of(trial), accel_g=accel)


def with_wrong_sign(trial: Trial) -> Trial:
    """One axis upside down, as by a wrong driver: a mirror image, which no turning makes."""
    sign = np.ones(3, np.float32)
    sign[_chance(trial).integers(3)] = -1
    return replace(Changed.of(trial), accel_g=trial.accel_g * sign)


CHANGES: Mapping[str, Change] = {
    **{f"{rate:g} Hz": resampled(rate) for rate in (12.5, 25.0, 50.0, 100.0)},
    **{f"±{scale:g} g": clipped(scale) for scale in (2.0, 4.0, 8.0)},
    "rotated": rotated,
    "5 % lost": with_lost_samples,
    "wrong sign": with_wrong_sign,
}
"""What `yinling evaluate falls --robustness` tries."""


def without_pause(trials: Iterable[Trial]) -> Iterator[Trial]:
    """Each person's activities, one after the other as one stream, for each site and rate; falls are left out."""

    def key(trial: Trial) -> tuple[str, str, str, float]:
        return trial.dataset, trial.subject, trial.site, trial.rate_hz

    activities = sorted((trial for trial in trials if not trial.is_fall and len(trial.accel_g)), key=key)
    for (dataset, subject, site, _), own in groupby(activities, key):
        parts = sorted(own, key=lambda trial: trial.name)
        name = f"{dataset}/without-pause/{subject}/{site}"
        yield replace(Changed.of(parts[0]), name=name, activity="without-pause", accel_g=_joined(parts))


def _joined(parts: list[Trial]) -> NDArray[np.float32]:
    pieces = [parts[0].accel_g]
    for trial in parts[1:]:
        weight = np.linspace(0, 1, round(SEAM_S * trial.rate_hz) + 2, dtype=np.float32)[1:-1, None]
        pieces += [(1 - weight) * pieces[-1][-1] + weight * trial.accel_g[0], trial.accel_g]
    return np.concatenate(pieces)


def _chance(trial: Trial) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(trial.name.encode()))
