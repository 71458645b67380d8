"""The location record of JT/T 808 (messages 0200, 0201, 0704): alarm bits, status, place, time in GMT+8, extra items.

Extra items 01, 30 and 31 are the standard's. Those of makers are not standardised: battery items that were seen in
real frames are read where their length is right (E4, E3, D4/E1/E9, 06, and 00A8 inside EB); others stay in the note as
they came, and an option can name the signal of one that is known. Source: JT/T 808-2013 as implemented by Traccar.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SECOND_NS = 1_000_000_000
CHINA = timezone(timedelta(hours=8))
DEGREE = 1_000_000
FIXED_BIT, SOUTH_BIT, WEST_BIT = 1, 2, 3
ALARM_BITS: Mapping[int, str] = {
    0: "sos",
    1: "overspeed",
    4: "gnss_fault",
    5: "antenna_open",
    6: "antenna_short",
    7: "low_battery",
    8: "power_cut",
    20: "fence",
    29: "collision",
    30: "rollover",
}
_BASE = struct.Struct(">IIIIHHH6s")
MILEAGE, GSM, SATELLITES = 0x01, 0x30, 0x31
ONE_BYTE_BATTERY = (0x06, 0xD4, 0xE1, 0xE9)


class LocationError(ValueError):
    """A record that is shorter than the standard allows."""


@dataclass(frozen=True, slots=True)
class Location:
    """One record. Degrees positive to the north and east; device_ns UTC, None where the time is no time."""

    alarm: int = 0
    status: int = 0
    latitude: float = 0.0
    longitude: float = 0.0
    altitude_m: int = 0
    speed_km_h: float = 0.0
    course_deg: int = 0
    device_ns: int | None = None
    items: Mapping[int, bytes] = field(default_factory=dict)

    @property
    def fixed(self) -> bool:
        """Whether it has a satellite fix."""
        return bool(self.status >> FIXED_BIT & 1)

    @property
    def reasons(self) -> list[str]:
        """The words of the alarm bits that are set; a bit outside the table by its number."""
        return [ALARM_BITS.get(bit, f"bit_{bit}") for bit in range(32) if self.alarm >> bit & 1]


def parse(body: bytes) -> Location:
    """Read a record. Raises LocationError for one that is too short."""
    if len(body) < _BASE.size:
        raise LocationError(f"{len(body)} bytes; at least {_BASE.size}")
    alarm, status, north, east, altitude, speed, course, clock = _BASE.unpack_from(body)
    return Location(
        alarm=alarm,
        status=status,
        latitude=(-north if status >> SOUTH_BIT & 1 else north) / DEGREE,
        longitude=(-east if status >> WEST_BIT & 1 else east) / DEGREE,
        altitude_m=altitude - 0x10000 if altitude & 0x8000 else altitude,
        speed_km_h=speed / 10,
        course_deg=course,
        device_ns=_time(clock),
        items=dict(_items(body[_BASE.size :])),
    )


def encode(location: Location) -> bytes:
    """The bytes of a record; the south and west bits follow from the degrees."""
    status = location.status & ~(1 << SOUTH_BIT | 1 << WEST_BIT)
    status |= (location.latitude < 0) << SOUTH_BIT | (location.longitude < 0) << WEST_BIT
    base = _BASE.pack(
        location.alarm,
        status,
        round(abs(location.latitude) * DEGREE),
        round(abs(location.longitude) * DEGREE),
        location.altitude_m & 0xFFFF,
        round(location.speed_km_h * 10),
        location.course_deg,
        _clock(location.device_ns),
    )
    return base + b"".join(bytes((key, len(value))) + value for key, value in location.items.items())


def battery(items: Mapping[int, bytes]) -> tuple[int | None, int | None, bool | None]:
    """Level in percent, voltage in mV, charging; None where no known item says so."""
    level, voltage, charging = _battery_of_makers(items)
    for key, value in _nested(items.get(0xEB, b"")):
        if key == 0x00A8 and len(value) == 1:
            level = value[0]
        elif key == 0x002D and len(value) == 2:
            voltage = int.from_bytes(value, "big")
    return (level if level is not None and level <= 100 else None), voltage, charging


def _battery_of_makers(items: Mapping[int, bytes]) -> tuple[int | None, int | None, bool | None]:
    level: int | None = None
    voltage: int | None = None
    charging: bool | None = None
    for key in ONE_BYTE_BATTERY:
        value = items.get(key, b"")
        if len(value) == 1:
            level, charging = (None, True) if value[0] == 0xFF else (value[0], charging)
    if len(value := items.get(0xE3, b"")) >= 4:
        level, voltage = value[1], int.from_bytes(value[2:4], "big") * 10
    if len(value := items.get(0xE4, b"")) == 2:
        level = value[1]
    return level, voltage, charging


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The extra items; one that would end after the record ends the list."""
    at = 0
    while at + 2 <= len(data) and at + 2 + data[at + 1] <= len(data):
        yield data[at], data[at + 2 : at + 2 + data[at + 1]]
        at += 2 + data[at + 1]


def _nested(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Items inside item EB: length u16 (of key and value), key u16, value."""
    at = 0
    while at + 4 <= len(data):
        size, key = struct.unpack_from(">HH", data, at)
        if size < 2 or at + 2 + size > len(data):
            return
        yield key, data[at + 4 : at + 2 + size]
        at += 2 + size


def _time(clock: bytes) -> int | None:
    text = clock.hex()
    if not text.isdigit():
        return None
    try:
        moment = datetime.strptime(text, "%y%m%d%H%M%S").replace(tzinfo=CHINA)
    except ValueError:
        return None
    return int(moment.timestamp()) * SECOND_NS


def _clock(device_ns: int | None) -> bytes:
    if device_ns is None:
        return bytes(6)
    return bytes.fromhex(datetime.fromtimestamp(device_ns // SECOND_NS, CHINA).strftime("%y%m%d%H%M%S"))
