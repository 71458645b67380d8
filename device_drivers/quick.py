"""Builds frozen observations three times as fast as their own constructors, for the one-a-second frames of thousands.

A frozen dataclass sets each field through `object.__setattr__`: 1.4 to 2 microseconds for an observation, most of
the cost of a whole frame. Here an unfrozen twin with the same slots is filled and then becomes the frozen class; the
result is an ordinary `Samples` or `Reading`.
"""

from __future__ import annotations

from dataclasses import fields, make_dataclass
from typing import TYPE_CHECKING, Any, cast

from device_drivers.observations import Quality, Reading, Samples

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def _twin(frozen: type) -> Any:
    return make_dataclass(f"_{frozen.__name__}", [row.name for row in fields(frozen)], slots=True, eq=False)


_Samples = _twin(Samples)
_Reading = _twin(Reading)


def quick_samples(
    device_id: str,
    signal: str,
    values: NDArray[np.float32],
    rate_hz: float,
    at_ns: int,
    received_ns: int,
    full_scale: float | None,
    sequence: int | None,
    stored: bool,
) -> Samples:
    """`Samples(...)` of good quality."""
    made = _Samples(device_id, signal, values, rate_hz, at_ns, received_ns, full_scale, sequence, Quality.GOOD, stored)
    made.__class__ = Samples
    return cast("Samples", made)


def quick_reading(
    device_id: str,
    signal: str,
    value: float,
    at_ns: int,
    received_ns: int,
    stored: bool,
) -> Reading:
    """`Reading(...)` of good quality. The caller has checked the value against the signal's range."""
    made = _Reading(device_id, signal, value, at_ns, received_ns, Quality.GOOD, stored, False)
    made.__class__ = Reading
    return cast("Reading", made)
