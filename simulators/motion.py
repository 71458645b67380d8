"""What an accelerometer on the body shows: walking, sitting, standing, lying, a fall, or a recording played again.

The signals are specific force in g in the device's own axes (1 g upward at rest), for a device worn at a random
orientation. They follow the shape of published recordings, not their detail: a gait of about 1.8 steps a second with
harmonics; a fall as a dip to about 0.3 g for 300 to 500 ms, an impact of 3 to 6 g that rings out, and lying still with
the device tilted by about 90 degrees. Detectors must be judged on recordings; these are for trying the way of the data.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = NDArray[np.float64]

RENDER_S = 1.0
TURN_S = 1.2
STEPS_PER_S = 1.8
DIP_S = (0.3, 0.5)
DIP_G = 0.3
IMPACT_G = (3.0, 6.0)
RING_HZ = (9.0, 14.0)
RING_TAU_S = 0.12
FALLEN_TILT_DEG = (75.0, 105.0)


class Activity(StrEnum):
    """What the wearer does."""

    STANDING = "standing"
    WALKING = "walking"
    SITTING = "sitting"
    LYING = "lying"
    FALLEN = "fallen"
    TABLE = "table"
    """The device is not worn and lies still."""


NOISE_G = {
    Activity.STANDING: 0.008,
    Activity.WALKING: 0.03,
    Activity.SITTING: 0.006,
    Activity.LYING: 0.004,
    Activity.FALLEN: 0.004,
    Activity.TABLE: 0.002,
}
TILT_DEG = {Activity.SITTING: 30.0, Activity.LYING: 85.0, Activity.TABLE: 60.0}
DAY = {
    Activity.STANDING: (20.0, 120.0, (Activity.WALKING, Activity.SITTING)),
    Activity.WALKING: (15.0, 180.0, (Activity.STANDING, Activity.SITTING)),
    Activity.SITTING: (120.0, 1800.0, (Activity.STANDING, Activity.WALKING, Activity.LYING)),
    Activity.LYING: (600.0, 3600.0, (Activity.SITTING,)),
}
"""How long an activity lasts in a synthetic day (shortest and longest, seconds), and what may follow."""


class MotionSource(Protocol):
    """Anything that gives acceleration at a fixed rate."""

    rate_hz: float

    def take(self, count: int) -> NDArray[np.float32]:
        """The next `count` samples, float32 (count, 3) in g."""


class Recording:
    """Plays an array (n, 3) in g at its own rate; after the end again, or the last sample for ever."""

    def __init__(self, values: NDArray[np.floating], rate_hz: float, *, again: bool = False) -> None:
        if values.ndim != 2 or values.shape[1] != 3 or not len(values):
            raise ValueError(f"a recording has the shape (n, 3), not {values.shape}")
        self.rate_hz = rate_hz
        self._values = values.astype(np.float32)
        self._again = again
        self._at = 0

    @property
    def finished(self) -> bool:
        """Every sample was played at least once."""
        return self._at >= len(self._values)

    def take(self, count: int) -> NDArray[np.float32]:
        indices = np.arange(self._at, self._at + count)
        self._at += count
        size = len(self._values)
        return self._values[indices % size if self._again else np.minimum(indices, size - 1)]


def turned(vector: Vectors, toward: Vectors, degrees: float) -> Vectors:
    """A unit vector turned by `degrees` toward another one that is not parallel to it."""
    side = toward - vector * float(vector @ toward)
    side /= np.linalg.norm(side)
    angle = np.radians(degrees)
    return np.asarray(vector * np.cos(angle) + side * np.sin(angle))


class BodyMotion:
    """A wearer. The same generator and the same calls give the same samples, however they are taken.

    daily: goes through a synthetic day by itself, as the table DAY says; otherwise stays in the activity it was told.
    """

    def __init__(self, rng: np.random.Generator, rate_hz: float = 50.0, *, daily: bool = False) -> None:
        self.rate_hz = rate_hz
        self.activity = Activity.STANDING
        self._rng = rng
        self._daily = daily
        basis = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        self._up, self._ahead, self._side = basis[:, 0], basis[:, 1], basis[:, 2]
        self._gravity = self._up
        self._phase = 0.0
        self._breath = 0.0
        self._left_s = float(rng.uniform(*DAY[Activity.STANDING][:2]))
        self._ready: NDArray[np.float32] = np.empty((0, 3), np.float32)

    def take(self, count: int) -> NDArray[np.float32]:
        """The next `count` samples, float32 (count, 3) in g."""
        pieces, have = [self._ready], len(self._ready)
        while have < count:
            pieces.append(self._second())
            have += len(pieces[-1])
        everything = np.concatenate(pieces)
        self._ready = everything[count:]
        return everything[:count]

    def do(self, activity: Activity) -> None:
        """Change over to an activity now, turning the body within about a second."""
        if activity is Activity.FALLEN:
            self.fall()
            return
        self._ready = self._turn(self._posture(activity), NOISE_G[Activity.STANDING])
        self.activity = activity
        if activity in DAY:
            self._left_s = float(self._rng.uniform(*DAY[activity][:2]))

    def fall(self) -> float:
        """Fall now; the wearer then lies still until told to do something else. Gives the seconds until the impact."""
        rng = self._rng
        sideways = self._ahead * rng.normal() + self._side * rng.normal()
        self._ready = self._fall(turned(self._gravity, sideways, rng.uniform(*FALLEN_TILT_DEG)))
        self.activity = Activity.FALLEN
        return float(np.argmax(np.linalg.norm(self._ready, axis=1)) / self.rate_hz)

    def _posture(self, activity: Activity) -> Vectors:
        tilt = TILT_DEG.get(activity, 0.0)
        return turned(self._up, self._ahead, tilt) if tilt else self._up

    def _second(self) -> NDArray[np.float32]:
        if self._daily and self.activity in DAY:
            self._left_s -= RENDER_S
            if self._left_s <= 0:
                following = DAY[self.activity][2]
                self.do(following[int(self._rng.integers(len(following)))])
                return self._ready
        count = max(1, round(RENDER_S * self.rate_hz))
        if self.activity is Activity.WALKING:
            return self._noisy(self._gait(count), NOISE_G[Activity.WALKING])
        return self._noisy(self._rest(count), NOISE_G[self.activity])

    def _noisy(self, signal: Vectors, sigma: float) -> NDArray[np.float32]:
        return (signal + self._rng.normal(0.0, sigma, signal.shape)).astype(np.float32)

    def _gait(self, count: int) -> Vectors:
        """Vertical, forward and lateral harmonics of the step, and the swing of half its frequency."""
        pace = STEPS_PER_S * (1 + 0.03 * self._rng.normal())
        phase = self._phase + 2 * np.pi * pace * np.arange(1, count + 1) / self.rate_hz
        self._phase = float(phase[-1] % (4 * np.pi))
        vertical = 1 + 0.22 * np.sin(phase) + 0.12 * np.sin(2 * phase + 0.7) + 0.05 * np.sin(3 * phase + 1.1)
        forward = 0.12 * np.sin(phase + 1.4) + 0.05 * np.sin(2 * phase) + 0.12 * np.sin(phase / 2)
        lateral = 0.08 * np.sin(phase / 2 + 0.4)
        parts = ((self._up, vertical), (self._ahead, forward), (self._side, lateral))
        return np.asarray(sum(np.outer(along, axis) for axis, along in parts))

    def _rest(self, count: int) -> Vectors:
        """Gravity, breathing as a small tilt, and now and then a fidget of somebody who sits or stands."""
        still = self.activity is Activity.TABLE
        phase = self._breath + 2 * np.pi * 0.25 * np.arange(1, count + 1) / self.rate_hz
        self._breath = float(phase[-1] % (2 * np.pi))
        signal = np.tile(self._gravity, (count, 1))
        if not still:
            signal += np.outer(0.008 * np.sin(phase), self._side)
        if self.activity in {Activity.SITTING, Activity.STANDING} and self._rng.random() < 0.05:
            bump = np.sin(np.linspace(0, np.pi, count)) * self._rng.uniform(0.05, 0.25)
            signal += np.outer(bump, self._rng.normal(size=3) / 2)
        return signal

    def _turn(self, target: Vectors, sigma: float) -> NDArray[np.float32]:
        count = max(2, round(TURN_S * self.rate_hz))
        share = (1 - np.cos(np.linspace(0, np.pi, count))) / 2
        path = np.outer(1 - share, self._gravity) + np.outer(share, target)
        length = np.linalg.norm(path, axis=1, keepdims=True)
        self._gravity = target
        effort = 1 + 0.15 * np.sin(np.linspace(0, 2 * np.pi, count))[:, None]
        return self._noisy(path / np.maximum(length, 0.2) * effort, sigma)

    def _fall(self, target: Vectors) -> NDArray[np.float32]:
        """Dip, impact, ringing, rest: magnitude by magnitude, while the direction turns to the new one."""
        rng, rate = self._rng, self.rate_hz
        dip = max(3, round(rng.uniform(*DIP_S) * rate))
        hit = max(1, round(0.02 * rate))
        ring = round(1.0 * rate)
        peak = rng.uniform(*IMPACT_G)
        after_s = np.arange(1, ring + 1) / rate
        edge = max(1, dip // 5)
        falling = np.concatenate([np.linspace(1, DIP_G, edge), np.full(dip - edge, DIP_G)])
        ringing = 1 + 0.45 * (peak - 1) * np.exp(-after_s / RING_TAU_S) * np.cos(
            2 * np.pi * rng.uniform(*RING_HZ) * after_s
        )
        size = np.concatenate([falling, np.full(hit, peak), np.abs(ringing)])
        share = np.clip(np.arange(len(size)) / (dip + hit), 0, 1)
        path = np.outer(1 - share, self._gravity) + np.outer(share, target)
        path /= np.linalg.norm(path, axis=1, keepdims=True)
        self._gravity = target
        return self._noisy(path * size[:, None], NOISE_G[Activity.FALLEN])
