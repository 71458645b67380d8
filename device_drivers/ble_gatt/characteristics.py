"""The layout of the health characteristics, one table for decoding and encoding.

Each value is a byte of flags and then fields that are there or not by a flag. Source: Bluetooth SIG, GATT
Specification Supplement, and the service specifications HRS, PLXS, BLS, HTS, GLS, WSS, BAS.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from device_drivers.ble import ieee11073
from device_drivers.ble.ieee11073 import FLOAT, SFLOAT, Special

if TYPE_CHECKING:
    from collections.abc import Mapping

HEART_RATE, OXIMETER, OXIMETER_SPOT, BLOOD_PRESSURE = 0x2A37, 0x2A5F, 0x2A5E, 0x2A35
TEMPERATURE, GLUCOSE, WEIGHT, BATTERY = 0x2A1C, 0x2A18, 0x2A9D, 0x2A19

_SIZES: Mapping[str, int] = {"u8": 1, "u16": 2, "s16": 2, "u24": 3, "sfloat": 2, "float": 4, "time": 7}
_FORMATS = {"sfloat": SFLOAT, "float": FLOAT}

Value = float | Special | datetime | tuple[int, ...] | None


class GattError(ValueError):
    """The value does not follow its own flags; `reason` is "empty", "length" or "date"."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Field:
    """kind: u8, u16, s16, u24, sfloat, float, time (7 bytes) or rr (u16 to the end).

    bit: the flag that says whether the field is there; `when` False: it is there when the flag is not set.
    """

    name: str
    kind: str
    bit: int | None = None
    when: bool = True

    def is_in(self, flags: int) -> bool:
        """Whether a value with these flags has the field."""
        return self.bit is None or bool(flags >> self.bit & 1) is self.when


@dataclass(frozen=True, slots=True)
class Values:
    """A decoded value: its flags (0 where it has none), and the fields that are there."""

    code: int
    flags: int
    fields: Mapping[str, Any] = field(default_factory=dict)

    def flag(self, bit: int) -> bool:
        """Whether a flag is set."""
        return bool(self.flags >> bit & 1)


CHARACTERISTICS: Mapping[int, tuple[Field, ...]] = {
    HEART_RATE: (
        Field("rate", "u8", 0, when=False),
        Field("rate", "u16", 0),
        Field("energy", "u16", 3),
        Field("rr", "rr", 4),
    ),
    OXIMETER: (
        Field("spo2", "sfloat"),
        Field("pulse", "sfloat"),
        Field("fast_spo2", "sfloat", 0),
        Field("fast_pulse", "sfloat", 0),
        Field("slow_spo2", "sfloat", 1),
        Field("slow_pulse", "sfloat", 1),
        Field("measurement_status", "u16", 2),
        Field("sensor_status", "u24", 3),
        Field("amplitude", "sfloat", 4),
    ),
    OXIMETER_SPOT: (
        Field("spo2", "sfloat"),
        Field("pulse", "sfloat"),
        Field("time", "time", 0),
        Field("measurement_status", "u16", 1),
        Field("sensor_status", "u24", 2),
        Field("amplitude", "sfloat", 3),
    ),
    BLOOD_PRESSURE: (
        Field("systolic", "sfloat"),
        Field("diastolic", "sfloat"),
        Field("mean", "sfloat"),
        Field("time", "time", 1),
        Field("pulse", "sfloat", 2),
        Field("user", "u8", 3),
        Field("status", "u16", 4),
    ),
    TEMPERATURE: (Field("temperature", "float"), Field("time", "time", 1), Field("site", "u8", 2)),
    GLUCOSE: (
        Field("sequence", "u16"),
        Field("time", "time"),
        Field("offset_min", "s16", 0),
        Field("concentration", "sfloat", 1),
        Field("type_location", "u8", 1),
        Field("status", "u16", 3),
    ),
    WEIGHT: (
        Field("weight", "u16"),
        Field("time", "time", 1),
        Field("user", "u8", 2),
        Field("body_mass_index", "u16", 3),
        Field("height", "u16", 3),
    ),
    BATTERY: (Field("level", "u8"),),
}
WITHOUT_FLAGS = frozenset({BATTERY})
RESERVED_FLAGS: Mapping[int, int] = {
    HEART_RATE: 0xE0,
    OXIMETER: 0xE0,
    OXIMETER_SPOT: 0xE0,
    BLOOD_PRESSURE: 0xE0,
    TEMPERATURE: 0xF8,
    GLUCOSE: 0xE0,
    WEIGHT: 0xF0,
}


def decode(code: int, raw: bytes) -> Values:
    """The fields of a value. Raises GattError for a value that its flags do not describe to the last byte."""
    if not raw:
        raise GattError("empty", "no bytes")
    flags, at = (0, 0) if code in WITHOUT_FLAGS else (raw[0], 1)
    found: dict[str, Value] = {}
    for one in CHARACTERISTICS[code]:
        if not one.is_in(flags):
            continue
        size = _SIZES.get(one.kind) or max(2, (len(raw) - at) // 2 * 2)
        if at + size > len(raw):
            raise GattError("length", f"flags {flags:02x} announce {one.name}, which {len(raw)} bytes do not hold")
        found[one.name] = _read(one.kind, raw[at : at + size])
        at += size
    if at != len(raw):
        raise GattError("length", f"{len(raw)} bytes, flags {flags:02x} announce {at}")
    return Values(code, flags, found)


def encode(code: int, flags: int = 0, decimals: int = 0, **fields: Any) -> bytes:
    """The bytes of a value: flags are completed by the fields given. Raises ValueError for what has no place.

    decimals: digits after the point of SFLOAT and FLOAT numbers.
    """
    for one in CHARACTERISTICS[code]:
        optional = one.bit is not None and one.when and one.name != "rate"
        if optional and one.name in fields:
            flags |= 1 << (one.bit or 0)
    there = [one for one in CHARACTERISTICS[code] if one.is_in(flags)]
    if {one.name for one in there} != set(fields):
        raise ValueError(f"flags {flags:02x} need {sorted({one.name for one in there})}, given {sorted(fields)}")
    body = b"".join(_write(one.kind, fields[one.name], decimals) for one in there)
    return body if code in WITHOUT_FLAGS else bytes([flags]) + body


def _read(kind: str, raw: bytes) -> Value:
    if kind in _FORMATS:
        return ieee11073.decode(_FORMATS[kind], raw)
    if kind == "time":
        return _time(raw)
    if kind == "rr":
        return tuple(int.from_bytes(raw[i : i + 2], "little") for i in range(0, len(raw), 2))
    return int.from_bytes(raw, "little", signed=kind == "s16")


def _write(kind: str, value: Any, decimals: int) -> bytes:
    if kind in _FORMATS:
        return ieee11073.encode(_FORMATS[kind], value, decimals)
    if kind == "time":
        return _time_bytes(value)
    if kind == "rr":
        return b"".join(one.to_bytes(2, "little") for one in value)
    return int(value).to_bytes(_SIZES[kind], "little", signed=kind == "s16")


def _time(raw: bytes) -> datetime | None:
    """The device's wall clock; None where it is not set (a zero year, month or day)."""
    year, (month, day, hour, minute, second) = int.from_bytes(raw[:2], "little"), raw[2:]
    if not (year and month and day):
        return None
    try:
        return datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - the device does not tell its zone
    except ValueError as error:
        raise GattError("date", str(error)) from error


def _time_bytes(moment: datetime | None) -> bytes:
    if moment is None:
        return bytes(7)
    parts = (moment.month, moment.day, moment.hour, moment.minute, moment.second)
    return moment.year.to_bytes(2, "little") + bytes(parts)
