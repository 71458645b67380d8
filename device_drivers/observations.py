"""The three kinds of observation that a driver emits: a block of samples, one reading, one event.

All times are UTC nanoseconds since 1970 as `int`. `at_ns` is the device's own time where it has one and it is
set, otherwise the time of receipt; `received_ns` is always the gateway's. An unknown value is `None` together
with a `Quality` that says why: it is never a number.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Quality(StrEnum):
    """How far a value can be trusted."""

    GOOD = "good"
    POOR = "poor"
    """The device doubts it itself (motion, weak pulse)."""
    NO_CONTACT = "no_contact"
    """No finger, off the wrist, nobody in range."""
    INVALID = "invalid"
    """The device sent its own code for "no value"."""
    OUT_OF_RANGE = "out_of_range"
    """Outside the signal's plausible range: absent, and counted."""


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """A block of a waveform.

    values: float32 (n, channels) in the signal's unit; row i was taken at `at_ns + i / rate_hz`.
    full_scale: the sensor's range in the signal's unit (16.0 for +-16 g), None where unknown.
    sequence: the device's running number of the block, None where it has none.
    """

    device_id: str
    signal: str
    values: NDArray[np.float32]
    rate_hz: float
    at_ns: int
    received_ns: int
    full_scale: float | None = None
    sequence: int | None = None
    quality: Quality = Quality.GOOD
    stored: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """One number, or absent (`value is None`) with the reason in `quality`.

    derived: the gateway has computed it from the device's wave; the device itself did not say it.
    """

    device_id: str
    signal: str
    value: float | None
    at_ns: int
    received_ns: int
    quality: Quality = Quality.GOOD
    stored: bool = False
    derived: bool = False


@dataclass(frozen=True, slots=True)
class DeviceEvent:
    """Something happened or a state was reported: button pressed, door open, radar says fall.

    value: True/False for a two-state signal, a lower-case word for others ("active", "left"), the name of a place for
        `room`, None for unknown.
    repeat: the device reported a known state again (answer to a poll, re-publication); it did not change now.
    token: the device's own identity of this event where it has one; equal tokens are the same event.
    """

    device_id: str
    signal: str
    value: bool | str | None
    at_ns: int
    received_ns: int
    quality: Quality = Quality.GOOD
    stored: bool = False
    repeat: bool = False
    token: str | None = None


Observation = Samples | Reading | DeviceEvent
