"""A wearable without hardware: one frame a second from synthetic or recorded motion. Does no I/O; time is an argument.

It also does what a real one does around the frames: presses that are repeated, a store for the time without network,
a restart, being taken off.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from device_drivers.observations import Quality
from device_drivers.yinling_wearable import (
    Block,
    Measured,
    Press,
    WearableFrame,
    encode_frame,
    online_topic,
    up_topic,
)
from simulators.motion import Activity, BodyMotion
from simulators.pulse_light import PulseLight

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from simulators.motion import MotionSource

    Message = tuple[str, bytes]

SECOND_NS = 1_000_000_000
MAX_CATCH_UP = 600
"""After a jump of the clock the wearable goes on from now instead of sending hours of frames at once."""
STORED_FRAMES = 120
PRESS_REPEATS = 5
BATTERY_LIFE_S = 48 * 3600.0

HEART_RATE = {Activity.WALKING: 96.0, Activity.STANDING: 78.0, Activity.LYING: 64.0, Activity.FALLEN: 92.0}
SITTING_HEART_RATE = 72.0


def counts_of(values: NDArray[np.floating], range_g: float) -> bytes:
    """int16 counts of acceleration in g as the wire carries them; clipped where the sensor would clip."""
    steps = np.rint(np.asarray(values, np.float64) * (32768.0 / range_g))
    return np.clip(steps, -32768, 32767).astype("<i2").tobytes()


@dataclass(slots=True)
class Vitals:
    """What the optical sensor shows; None for "no value". `fixed` holds the values somebody set."""

    heart_rate: float | None = SITTING_HEART_RATE
    spo2: float | None = 97.0
    skin_temperature: float | None = 33.0
    fixed: frozenset[str] = frozenset()

    def drift(self, rng: np.random.Generator, activity: Activity) -> None:
        """One second on: toward the activity's usual rate, with noise."""
        shake = rng.normal(size=3)
        goal = HEART_RATE.get(activity, SITTING_HEART_RATE)
        self._move("heart_rate", goal, 0.03, 0.6 * shake[0], 40.0, 180.0)
        self._move("spo2", 97.0, 0.05, 0.15 * shake[1], 90.0, 100.0)
        self._move("skin_temperature", 33.0, 0.01, 0.02 * shake[2], 28.0, 37.0)

    def _move(self, name: str, goal: float, pull: float, shake: float, low: float, high: float) -> None:
        value = getattr(self, name)
        if name not in self.fixed and value is not None:
            setattr(self, name, float(np.clip(value + pull * (goal - value) + shake, low, high)))


class PlaysRecordingError(ValueError):
    """The wearable plays a recording, which decides what its wearer does."""


class WearableModel:
    """Model of one wearable.

    motion: where the acceleration comes from; its rate is the wearable's. Without one, a `BodyMotion` at `rate_hz`
    that goes through a synthetic day. utc: whether its clock is set; otherwise it counts from boot.
    start_ns: when it was switched on. pulse_hz: it sends the wave of its light sensor in place of the heart rate.
    """

    def __init__(
        self,
        device_id: str,
        rng: np.random.Generator,
        *,
        start_ns: int,
        rate_hz: float = 50.0,
        range_g: float = 8.0,
        motion: MotionSource | None = None,
        utc: bool = True,
        pulse_hz: float | None = None,
    ) -> None:
        self.device_id = device_id
        self.range_g = range_g
        self.utc = utc
        self.worn = True
        self.connected = True
        self.vitals = Vitals()
        self.battery_percent = 100.0
        self._rng, body_rng = rng.spawn(2)
        self.motion: MotionSource = BodyMotion(body_rng, rate_hz, daily=True) if motion is None else motion
        self._light = None if pulse_hz is None else PulseLight(self._rng.spawn(1)[0], pulse_hz)
        self._stored: deque[WearableFrame] = deque(maxlen=STORED_FRAMES)
        self._presses: dict[int, tuple[int, int]] = {}
        self._switch_on(start_ns)

    def _switch_on(self, now_ns: int) -> None:
        self.boot = int(self._rng.integers(1, 2**32))
        self._sequence = 0
        self._counter = 0
        self._boot_ns = self._begin_ns = now_ns
        self._taken = 0
        self._presses.clear()

    @property
    def activity(self) -> Activity:
        """What the wearer does; standing for a recording, which does not say."""
        return self.motion.activity if isinstance(self.motion, BodyMotion) else Activity.STANDING

    def due(self, now_ns: int) -> list[Message]:
        """The messages (topic, payload) of all seconds that are complete by now; none without network."""
        out = []
        if now_ns - self._next_end_ns() > MAX_CATCH_UP * SECOND_NS:
            self._begin_ns, self._taken = now_ns - SECOND_NS, 0
        while self._next_end_ns() <= now_ns:
            frame = self._next_frame()
            if self.connected:
                out.append(self._message(frame))
            else:
                self._stored.append(frame)
        return out

    def frame(self, now_ns: int) -> Message:
        """The frame of the second that ends now, whatever was played before."""
        self._begin_ns, self._taken = now_ns - SECOND_NS, 0
        return self._message(self._next_frame())

    def hello(self) -> list[Message]:
        """What it publishes, retained, when it has connected."""
        return [(online_topic(self.device_id), b"1")]

    def will(self) -> Message:
        """What the broker publishes, retained, when the connection is lost."""
        return online_topic(self.device_id), b"0"

    def press(self, now_ns: int) -> list[Message]:
        """The help button is pressed: a frame at once, and again in the next five frames that are sent."""
        self._counter += 1
        self._presses[self._counter] = (now_ns, PRESS_REPEATS)
        frame = self._finish(WearableFrame(self.boot, self._take_sequence(), 0), now_ns)
        if self.connected:
            return [self._message(frame)]
        self._stored.append(frame)
        return []

    def disconnect(self) -> None:
        """The network is away: frames are kept, at most 120."""
        self.connected = False

    def reconnect(self, now_ns: int) -> list[Message]:
        """The network is back: what is due now goes first, then the history."""
        self.due(now_ns)
        self.connected = True
        kept = list(self._stored)
        self._stored.clear()
        live = self._finish(WearableFrame(self.boot, self._take_sequence(), 0), now_ns)
        history = [self._message(replace(frame, stored=True)) for frame in kept]
        return [*self.hello(), self._message(live), *history]

    def restart(self, now_ns: int) -> None:
        """The device starts anew: another boot, sequence and presses from the beginning, the store lost."""
        self._stored.clear()
        self._switch_on(now_ns)

    def do(self, activity: Activity) -> None:
        """The wearer changes over to an activity, or falls. Raises PlaysRecordingError while a recording plays."""
        if isinstance(self.motion, BodyMotion):
            self.motion.do(activity)
        else:
            raise PlaysRecordingError(f"{self.device_id} plays a recording, which decides what the wearer does")

    def fall(self) -> int:
        """The wearer falls; gives the time of the impact, UTC nanoseconds. Raises TypeError for a recording."""
        if not isinstance(self.motion, BodyMotion):
            raise TypeError(f"{self.device_id} plays a recording, which decides what the wearer does")
        return self._next_end_ns() - SECOND_NS + round(self.motion.fall() * 1e9)

    def take_off(self) -> None:
        """The device is put on a table."""
        self.worn = False
        if isinstance(self.motion, BodyMotion):
            self.motion.do(Activity.TABLE)

    def put_on(self) -> None:
        """The device is worn again."""
        self.worn = True
        if isinstance(self.motion, BodyMotion):
            self.motion.do(Activity.SITTING)

    def set_vitals(self, **values: float | None) -> None:
        """Fix heart_rate, spo2 or skin_temperature to a value, or to None for "no value". Raises ValueError."""
        for name, value in values.items():
            if name not in {"heart_rate", "spo2", "skin_temperature"}:
                raise ValueError(f"unknown vital sign {name!r}: heart_rate, spo2 or skin_temperature")
            setattr(self.vitals, name, value)
            self.vitals.fixed |= {name}

    def _next_end_ns(self) -> int:
        return self._begin_ns + (self._taken + 1) * SECOND_NS

    def _next_frame(self) -> WearableFrame:
        rate = self.motion.rate_hz
        first = round(self._taken * rate)
        count = max(1, round((self._taken + 1) * rate) - first)
        start_ns = self._begin_ns + round(first * 1e9 / rate)
        self._taken += 1
        counts = counts_of(self.motion.take(count), self.range_g)
        self.vitals.drift(self._rng, self.activity)
        self.battery_percent = max(0.0, self.battery_percent - 100.0 / BATTERY_LIFE_S)
        block = Block(round(rate, 3), self.range_g, self.range_g, counts)
        return self._finish(
            self._with_vitals(WearableFrame(self.boot, self._take_sequence(), 0, accel=block)), start_ns
        )

    def _with_vitals(self, frame: WearableFrame) -> WearableFrame:
        frame.battery = Measured(round(self.battery_percent, 1))
        if self._light is not None:
            wave = self._light.take(round(self._light.rate_hz), self.vitals.heart_rate if self.worn else None)
            frame.pulse_wave = wave if self.worn else wave._replace(quality=Quality.NO_CONTACT)
        for name, digits in (("heart_rate", 1), ("spo2", 1), ("skin_temperature", 2)):
            if self._light is not None and name == "heart_rate":
                continue
            value = getattr(self.vitals, name)
            seen = None if value is None else round(value, digits)
            setattr(frame, name, Measured(seen) if self.worn else Measured(None, Quality.NO_CONTACT))
        return frame

    def _finish(self, frame: WearableFrame, at_ns: int) -> WearableFrame:
        """Time, state and pending presses; the device time is `at_ns`, to the microsecond below."""
        frame.utc = self.utc
        frame.time_us = (at_ns if self.utc else max(0, at_ns - self._boot_ns)) // 1000
        frame.worn = self.worn
        frame.presses = tuple(
            Press(counter, round((pressed_ns - at_ns) / 1e6)) for counter, (pressed_ns, _) in self._presses.items()
        )
        if self.connected:
            left = {counter: (at, times - 1) for counter, (at, times) in self._presses.items() if times > 1}
            self._presses = left
        return frame

    def _take_sequence(self) -> int:
        self._sequence += 1
        return self._sequence - 1

    def _message(self, frame: WearableFrame) -> Message:
        return up_topic(self.device_id), encode_frame(frame)
