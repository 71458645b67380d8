"""From sparse readings of a chest tag to what its wearer does, and to the moment at which the bed is left.

A batteryless tag answers whenever an antenna reaches it, some times a second or not for many seconds. Each reading is
described by what is known up to it (`describe`), judged by a softmax regression over four doings (`fit`), and followed
by a hidden Markov model's forward pass (`follow`): what is believed decays to not knowing while nothing is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

DOINGS = ("sitting on bed", "sitting on chair", "lying", "walking")
IN_BED = (0, 2)
ANTENNAS = (1, 2, 3, 4)
LONG_S, SHORT_S = 5.0, 2.0
WEAKEST_DBM = -75.0
LONGEST_PAUSE_S = 10.0
FORGETS_PER_S = 0.02
"""How fast the belief in a doing decays towards not knowing."""
TRUST = 0.6
"""Weight of one reading; neighbours say much the same."""
LEFT_BELOW = 0.5
RIDGE = 17.0
ROUNDS = 200
EVERY = 3
"""To learn, every so manyth reading is taken: neighbours say much the same."""
TILT_LYING, TILT_UP = 0.7, 0.5
"""g along the chest's front: of the plain threshold."""


class BedReadings(Protocol):
    """One trial: time_s (n,), accel_g (n, 3) front, up, side, antenna (n,), rssi_dbm (n,), doing (n,) into DOINGS."""

    @property
    def name(self) -> str: ...
    @property
    def sex(self) -> str: ...
    @property
    def time_s(self) -> NDArray[np.float64]: ...
    @property
    def accel_g(self) -> NDArray[np.float64]: ...
    @property
    def antenna(self) -> NDArray[np.int64]: ...
    @property
    def rssi_dbm(self) -> NDArray[np.float64]: ...
    @property
    def doing(self) -> NDArray[np.int64]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Softmax:
    """mean, spread (k,) of the descriptions; weights (k + 1, doings), the last row constant."""

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    weights: NDArray[np.float64]

    def log_chances(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Logarithm of the chance of each doing, not below 0.001: (n, doings) from descriptions (n, k)."""
        return np.log(np.maximum(_chances(_design(rows, self.mean, self.spread), self.weights), 1e-3))


def describe(one: BedReadings) -> NDArray[np.float64]:
    """Description of each reading by itself and those before it: (n, 24)."""
    time, accel, count = one.time_s, one.accel_g, len(one.time_s)
    now = np.arange(1, count + 1)
    long, short = (np.minimum(np.searchsorted(time, time - s, side="right"), now - 1) for s in (LONG_S, SHORT_S))
    by = (one.antenna[:, None] == np.array(ANTENNAS)).astype(np.float64)
    strength = by * np.maximum(one.rssi_dbm - WEAKEST_DBM, 0.0)[:, None] / 10.0
    tilt = np.arctan2(accel[:, 0], accel[:, 1])
    pause = np.minimum(np.diff(time, prepend=time[:1] - LONG_S), LONG_S)
    single = (tilt, pause, np.log(now - long), np.log1p(now - short), (one.rssi_dbm + 60.0) / 5.0, tilt - tilt[long])
    return np.column_stack(
        [
            accel,
            *single,
            _mean_since(accel, long, now),
            _mean_since(by, long, now),
            _mean_since(strength, long, now),
            _mean_since(by, short, now),
        ]
    )


def fit(trials: Sequence[tuple[NDArray[np.float64], NDArray[np.int64]]]) -> Softmax:
    """Softmax regression with a ridge, by Bohning's bound (1992). trials: descriptions and doings of each.

    Rare doings and short trials count for more (by square roots). Raises ValueError without a reading.
    """
    if not trials:
        raise ValueError("to learn, at least one trial is needed")
    rows = np.concatenate([described[::EVERY] for described, _ in trials])
    doing = np.concatenate([done[::EVERY] for _, done in trials])
    seen = np.maximum(np.bincount(doing, minlength=len(DOINGS)), 1)
    weight = (
        np.concatenate([np.full(len(done[::EVERY]), len(done) ** -0.5) for _, done in trials]) * seen[doing] ** -0.5
    )
    weight /= weight.mean()
    mean, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    design = _design(rows, mean, spread)
    truth = np.eye(len(DOINGS))[doing]
    bound = np.linalg.inv(0.5 * (design * weight[:, None]).T @ design + RIDGE * np.eye(design.shape[1]))
    found = np.zeros((design.shape[1], len(DOINGS)))
    for _ in range(ROUNDS):
        rest = weight[:, None] * (truth - _chances(design, found))
        found += bound @ (design.T @ rest - RIDGE * found)
    return Softmax(mean, spread, found)


def follow(log_chances: NDArray[np.float64], time_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Belief in each doing after each reading, (n, doings); nothing looks ahead."""
    even = 1.0 / len(DOINGS)
    belief = np.full(len(DOINGS), even)
    said = np.exp(TRUST * log_chances)
    pause = np.minimum(np.diff(time_s, prepend=time_s[:1]), LONGEST_PAUSE_S)
    kept = np.exp(-FORGETS_PER_S * len(DOINGS) * np.maximum(pause, 0.0))
    beliefs = np.empty_like(said)
    for i, one in enumerate(said):
        belief = (belief * kept[i] + (1.0 - kept[i]) * even) * one
        belief /= belief.sum()
        beliefs[i] = belief
    return beliefs


def exits(model: Softmax, described: NDArray[np.float64], time_s: NDArray[np.float64]) -> list[float]:
    """Seconds at which the bed is said to be left."""
    beliefs = follow(model.log_chances(described), time_s)
    return _left(beliefs[:, IN_BED].sum(axis=1) >= LEFT_BELOW, time_s)


def true_exits(one: BedReadings) -> list[float]:
    """Seconds of the first reading after each stay in bed."""
    return _left(np.isin(one.doing, IN_BED), one.time_s)


def plain_exits(one: BedReadings) -> list[float]:
    """For comparison: the chest gets up (below TILT_UP) after it was seen lying (above TILT_LYING)."""
    front = one.accel_g[:, 0]
    known = (front > TILT_LYING) | (front < TILT_UP)
    return _left(front[known] > TILT_LYING, one.time_s[known])


def _left(in_bed: NDArray[np.bool_], time_s: NDArray[np.float64]) -> list[float]:
    return [float(s) for s in time_s[1:][in_bed[:-1] & ~in_bed[1:]]]


def _mean_since(values: NDArray[np.float64], start: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.float64]:
    total = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    return np.asarray((total[end] - total[start]) / (end - start)[:, None])


def _design(rows: NDArray[np.float64], mean: NDArray[np.float64], spread: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack([(rows - mean) / spread, np.ones(len(rows))])


def _chances(design: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    height = design @ weights
    powers = np.exp(height - height.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
