"""Wall clocks of health devices, which tell no zone, made into UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from device_drivers.json_payload import SECOND_NS

if TYPE_CHECKING:
    from collections.abc import Mapping

CHINA_H = 8.0
LIVE_NS = 600 * SECOND_NS
"""A measurement that comes later than this was kept in the device."""
AHEAD_NS = 120 * SECOND_NS
"""Clocks of cuffs and scales are set by hand: a little ahead is now, more is a wrong clock."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def checked_offset(options: Mapping[str, Any]) -> int:
    """Option `utc_offset_h`, hours that the devices' clocks are ahead of UTC, as nanoseconds. Raises ValueError."""
    given = options.get("utc_offset_h", CHINA_H)
    if isinstance(given, bool) or not isinstance(given, int | float) or not -14 <= given <= 14:
        raise ValueError(f"utc_offset_h is {given!r}; give the hours that the devices' clocks are ahead of UTC")
    return round(given * 3600) * SECOND_NS


def place(moment: datetime | None, offset_ns: int, received_ns: int) -> tuple[int, bool]:
    """(time in UTC nanoseconds, whether it is history) of a device's wall clock.

    A clock that is not set, ahead of us, or before 1971 counts for nothing: it happened when it was received.
    """
    if moment is None:
        return received_ns, False
    at_ns = (moment.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1) * 1000 - offset_ns
    if at_ns > received_ns + AHEAD_NS or moment.year < 1971:
        return received_ns, False
    return min(at_ns, received_ns), received_ns - at_ns > LIVE_NS
