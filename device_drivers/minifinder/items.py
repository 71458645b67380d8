"""The keyed items of MiniFinder frames: one table of how each is laid out, used both ways.

Keys: 01 IMEI; 02 alarm bits and time; 14 battery; 20 satellite fix; 21/29/2B cells; 22/19 Wi-Fi; 23/26 tag; 24 time and
status; 25 call; 28/2A/2C beacons with a place; 30 steps; 37 a dog's barks; 40 pulse; 41 oxygen. Source: Traccar's
decoder and its real frames.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

IMEI, ALARM, BATTERY, FIX, TAG, STATUS, BEACON, BEACON_FIX = 0x01, 0x02, 0x14, 0x20, 0x23, 0x24, 0x28, 0x2A
STEPS, BARKS, PULSE, OXYGEN, TIME_SERVICE = 0x30, 0x37, 0x40, 0x41, 0x12
DEGREE = 10_000_000
BEACON_HAS_PLACE = 0x80

ALARM_BITS: Mapping[int, str] = {
    0: "low_battery",
    1: "overspeed",
    2: "fall",
    4: "fence",
    5: "fence",
    6: "fence",
    7: "fence",
    8: "off",
    9: "on",
    10: "moved",
    12: "sos",
    13: "button_1",
    14: "button_2",
    31: "bark",
}
CHARGING_BIT, STORED_BIT, MOTION_BIT = 4, 7, 9


@dataclass(frozen=True, slots=True)
class Layout:
    """One item: little-endian `struct` fields by name. An item may be longer; what follows is not read."""

    key: int
    names: tuple[str, ...]
    form: str

    def decode(self, value: bytes) -> dict[str, int] | None:
        """The fields, None where the item is too short."""
        if len(value) < struct.calcsize(self.form):
            return None
        return dict(zip(self.names, struct.unpack_from(self.form, value), strict=True))

    def encode(self, **fields: int) -> bytes:
        """The bytes. Raises KeyError for a missing field, struct.error for one that does not fit."""
        return struct.pack(self.form, *(fields[name] for name in self.names))


LAYOUTS: Mapping[int, Layout] = {
    row.key: row
    for row in (
        Layout(ALARM, ("alarm",), "<I"),
        Layout(BATTERY, ("battery", "battery_voltage"), "<BH"),
        Layout(
            FIX,
            ("latitude", "longitude", "speed_km_h", "course_deg", "altitude_m", "hdop", "odometer_m", "satellites"),
            "<iiHHhHIB",
        ),
        Layout(TAG, ("tag_low", "tag_high", "latitude", "longitude"), "<IHii"),
        Layout(STATUS, ("time", "status"), "<II"),
        Layout(BEACON, ("beacon_flags", "tag_low", "tag_high", "rssi", "rssi_1m", "latitude", "longitude"), "<BIHbbii"),
        Layout(BEACON_FIX, ("beacon_flags", "tag_low", "tag_high", "rssi", "latitude", "longitude"), "<BIHbii"),
        Layout(STEPS, ("time", "steps"), "<II"),
        Layout(BARKS, ("time", "barks"), "<II"),
        Layout(PULSE, ("time", "heart_rate"), "<IB"),
        Layout(OXYGEN, ("time", "spo2"), "<IB"),
    )
}
PLACES = (FIX, TAG, BEACON, BEACON_FIX)
"""Keys that give a place, the most exact first."""


def alarm_words(bits: int) -> list[str]:
    """The words of the alarm bits that are set, each once; a bit outside the table by its number."""
    return list(dict.fromkeys(ALARM_BITS.get(bit, f"bit_{bit}") for bit in range(32) if bits >> bit & 1))


def alarm_item(*words: str, time_s: int | None = None) -> tuple[int, bytes]:
    """An alarm item. Raises KeyError for an unknown word."""
    by_word = {word: bit for bit, word in sorted(ALARM_BITS.items(), reverse=True)}
    bits = sum(1 << by_word[word] for word in set(words))
    return ALARM, struct.pack("<I", bits) + (struct.pack("<I", time_s) if time_s is not None else b"")


def status_item(
    time_s: int, battery: int, *, stored: bool = False, charging: bool = False, moving: bool = False, gsm: int = 0
) -> tuple[int, bytes]:
    """Time (UTC seconds) and status."""
    bits = charging << CHARGING_BIT | stored << STORED_BIT | moving << MOTION_BIT | (gsm & 31) << 19 | battery << 24
    return STATUS, LAYOUTS[STATUS].encode(time=time_s, status=bits)


def fix_item(
    latitude: float, longitude: float, *, satellites: int = 8, hdop: int = 9, speed_km_h: int = 0
) -> tuple[int, bytes]:
    """A satellite fix; degrees, hdop in tenths (0: no fix)."""
    return FIX, LAYOUTS[FIX].encode(
        latitude=round(latitude * DEGREE),
        longitude=round(longitude * DEGREE),
        speed_km_h=speed_km_h,
        course_deg=0,
        altitude_m=0,
        hdop=hdop,
        odometer_m=0,
        satellites=satellites,
    )


def imei_item(imei: str) -> tuple[int, bytes]:
    """The identity, 15 digits."""
    return IMEI, imei.encode("ascii")
