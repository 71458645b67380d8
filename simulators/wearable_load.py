"""Payloads of thousands of wearables for load tests, at little more cost than copying them.

A few people are simulated once and encoded; each message then takes one of their seconds and gets its own boot,
sequence, time and CRC.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from device_drivers.yinling_wearable import Block, Measured, Press, WearableFrame, encode_frame, up_topic
from simulators.motion import Activity, BodyMotion
from simulators.wearable import counts_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PEOPLE = 16
SECONDS = 20
_IDENTITY = struct.Struct("<IIQ")
_CRC = struct.Struct("<I")
_BEFORE, _AFTER = 4, 20


@dataclass(frozen=True, slots=True)
class Template:
    """One second of one person: what stands before and after (boot, sequence, time)."""

    head: bytes
    tail: bytes

    def payload(self, boot: int, sequence: int, time_us: int) -> bytes:
        """The whole frame."""
        unsealed = self.head + _IDENTITY.pack(boot, sequence, time_us) + self.tail
        return unsealed + _CRC.pack(crc32(unsealed))


def template(frame: WearableFrame) -> Template:
    """The template of a frame; its own boot, sequence and time do not matter."""
    data = encode_frame(frame)
    return Template(data[:_BEFORE], data[_AFTER:-4])


def person(rng: np.random.Generator, activity: Activity, rate_hz: float, range_g: float) -> list[Template]:
    """Twenty seconds of one activity; for a fall one second before it, the fall, and eighteen of lying still."""
    motion, rate = BodyMotion(rng, rate_hz), round(rate_hz)
    motion.do(Activity.STANDING if activity is Activity.FALLEN else activity)
    motion.take(3 * rate)
    seconds = []
    for number in range(SECONDS):
        if number == 1 and activity is Activity.FALLEN:
            motion.do(activity)
        seconds.append(template(_second(motion.take(rate), rate_hz, range_g, rng)))
    return seconds


def _second(
    values: np.typing.NDArray[np.float32], rate_hz: float, range_g: float, rng: np.random.Generator
) -> WearableFrame:
    return WearableFrame(
        0,
        0,
        0,
        utc=True,
        accel=Block(rate_hz, range_g, range_g, counts_of(values, range_g)),
        heart_rate=Measured(round(float(rng.uniform(60, 90)), 1)),
        battery=Measured(80.0),
    )


def make_payloads(
    n_wearers: int,
    seconds: int,
    *,
    start_ns: int,
    rng: np.random.Generator,
    rate_hz: float = 50.0,
    range_g: float = 8.0,
    falls: Mapping[int, int] | None = None,
    presses: Mapping[int, int] | None = None,
    prefix: str = "load-",
) -> Iterator[list[tuple[str, bytes]]]:
    """For each second the messages (topic, payload) of all wearers, of devices "load-0", "load-1" and so on.

    The block of second s begins at start_ns + s. falls, presses: wearer to the second in which it falls or presses.
    """
    activities = (Activity.SITTING, Activity.STANDING, Activity.LYING, Activity.WALKING)
    people = [person(rng, activities[index % 4], rate_hz, range_g) for index in range(PEOPLE)]
    fallers = {
        wearer: (second, person(rng, Activity.FALLEN, rate_hz, range_g)) for wearer, second in (falls or {}).items()
    }
    help_call = template(WearableFrame(0, 0, 0, utc=True, presses=(Press(1),)))
    topics = [up_topic(f"{prefix}{wearer}") for wearer in range(n_wearers)]
    boots = rng.integers(1, 2**32, n_wearers).tolist()
    pressing = presses or {}
    for second in range(seconds):
        time_us = start_ns // 1000 + second * 1_000_000
        column = second % SECONDS
        today = [row[column] for row in people]
        batch = [
            (topic, today[wearer % PEOPLE].payload(boots[wearer], 2 * second, time_us))
            for wearer, topic in enumerate(topics)
        ]
        for wearer, (begin, falling) in fallers.items():
            chosen = falling[min(max(0, second - begin + 1), SECONDS - 1)]
            batch[wearer] = (topics[wearer], chosen.payload(boots[wearer], 2 * second, time_us))
        batch += [
            (topics[wearer], help_call.payload(boots[wearer], 2 * second + 1, time_us))
            for wearer, at in pressing.items()
            if at == second
        ]
        yield batch
