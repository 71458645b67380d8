"""What stands in a LoRaWAN payload, field by field, both ways: numbers, words, versions, bits, serial numbers.

A code outside a table of words stays the number it is: shown, never guessed. Milesight counts little-endian, Dragino
big-endian.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Value = int | float | str
Values = dict[str, Value]


class FieldError(ValueError):
    """A value cannot be written in its field, or the bytes are not what the field allows."""


@dataclass(frozen=True, slots=True)
class Number:
    """An integer, divided by `scale` (1: stays an integer)."""

    name: str
    size: int = 1
    scale: int = 1
    signed: bool = False
    order: Literal["little", "big"] = "little"

    def decode(self, raw: bytes) -> Values:
        code = int.from_bytes(raw, self.order, signed=self.signed)
        return {self.name: code if self.scale == 1 else code / self.scale}

    def encode(self, values: Mapping[str, Value]) -> bytes:
        value = values[self.name]
        if isinstance(value, str):
            raise FieldError(f"{self.name}: expected a number, got {value!r}")
        try:
            return round(value * self.scale).to_bytes(self.size, self.order, signed=self.signed)
        except OverflowError as error:
            raise FieldError(f"{self.name}: {value} does not fit in {self.size} byte(s)") from error


@dataclass(frozen=True, slots=True)
class Choice:
    """One byte out of a table of words."""

    name: str
    words: Mapping[int, str]
    size: int = 1

    def decode(self, raw: bytes) -> Values:
        return {self.name: self.words.get(raw[0], raw[0])}

    def encode(self, values: Mapping[str, Value]) -> bytes:
        value = values[self.name]
        code = next((code for code, word in self.words.items() if word == value), value)
        if not isinstance(code, int) or not 0 <= code <= 255:
            raise FieldError(f"{self.name}: {value!r} is none of {list(self.words.values())}")
        return bytes((code,))


@dataclass(frozen=True, slots=True)
class Version:
    """Such as v1.10: the digits are those of the bytes in hexadecimal; of a single byte both halves, in decimal.

    shift: unused low bits of the last byte.
    """

    name: str
    size: int = 2
    shift: int = 0

    def decode(self, raw: bytes) -> Values:
        if self.size == 1:
            return {self.name: f"v{raw[0] >> 4}.{raw[0] & 15}"}
        return {self.name: f"v{raw[0]:x}.{raw[1] >> self.shift:x}"}

    def encode(self, values: Mapping[str, Value]) -> bytes:
        base = 10 if self.size == 1 else 16
        try:
            major, minor = (int(part, base) for part in str(values[self.name]).removeprefix("v").split("."))
            return bytes((major << 4 | minor,)) if self.size == 1 else bytes((major, minor << self.shift))
        except ValueError as error:
            raise FieldError(f"{self.name}: {values[self.name]!r} is no version such as v1.1") from error


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes as hexadecimal text: serial numbers, and settings whose parts nobody here needs."""

    name: str
    size: int

    def decode(self, raw: bytes) -> Values:
        return {self.name: raw.hex()}

    def encode(self, values: Mapping[str, Value]) -> bytes:
        try:
            raw = bytes.fromhex(str(values[self.name]))
        except ValueError as error:
            raise FieldError(f"{self.name}: {values[self.name]!r} is not hexadecimal") from error
        if len(raw) != self.size:
            raise FieldError(f"{self.name}: {len(raw)} bytes, expected {self.size}")
        return raw


@dataclass(frozen=True, slots=True)
class RegionBits:
    """How many regions there are (u8), and one bit for each (u32, 1 is occupied)."""

    name: str = "regions"
    size: int = 5

    def decode(self, raw: bytes) -> Values:
        bits = int.from_bytes(raw[1:], "little")
        return {region(n, "occupancy"): _OCCUPIED[bits >> n & 1] for n in range(min(raw[0], 32))}

    def encode(self, values: Mapping[str, Value]) -> bytes:
        words = [values.get(region(n, "occupancy")) for n in range(len(values))]
        if len(words) > 32 or not set(words) <= set(_OCCUPIED):
            raise FieldError(f"{self.name}: {dict(values)!r} are not the first regions, vacant or occupied")
        bits = sum(1 << n for n, word in enumerate(words) if word == "occupied")
        return bytes((len(words),)) + bits.to_bytes(4, "little")


@dataclass(frozen=True, slots=True)
class Bits:
    """A big-endian integer cut into parts: name, position of its lowest bit, number of bits. Other bits are ignored."""

    parts: tuple[tuple[str, int, int], ...]
    size: int = 1

    def decode(self, raw: bytes) -> Values:
        code = int.from_bytes(raw, "big")
        return {name: code >> shift & (1 << width) - 1 for name, shift, width in self.parts}

    def encode(self, values: Mapping[str, Value]) -> bytes:
        code = 0
        for name, shift, width in self.parts:
            value = values[name]
            if not isinstance(value, int) or not 0 <= value < 1 << width:
                raise FieldError(f"{name}: {value!r} does not fit in {width} bit(s)")
            code |= value << shift
        return code.to_bytes(self.size, "big")


_OCCUPIED = ("vacant", "occupied")


def region(index: int, what: str) -> str:
    """The name of a region's value; index from 0."""
    return f"region_{index + 1}_{what}"


Field = Number | Choice | Version | Raw | RegionBits | Bits


def decode_fields(fields: tuple[Field, ...], data: bytes) -> Values:
    """All fields of `data`, which is exactly as long as they are."""
    found: Values = {}
    at = 0
    for field in fields:
        found |= field.decode(data[at : at + field.size])
        at += field.size
    return found


def encode_fields(fields: tuple[Field, ...], values: Mapping[str, Value]) -> bytes:
    """The bytes of all fields. Raises FieldError, also for a missing value."""
    try:
        return b"".join(field.encode(values) for field in fields)
    except KeyError as error:
        raise FieldError(f"{error.args[0]}: no value given") from error


def size_of(fields: tuple[Field, ...]) -> int:
    """Bytes of all fields together."""
    return sum(field.size for field in fields)
