"""The two number formats of Bluetooth health devices, SFLOAT (16 bits) and FLOAT (32 bits), exactly.

mantissa * 10**exponent, both in two's complement, little-endian on the wire: SFLOAT has 12 bits of mantissa and 4 of
exponent, FLOAT 24 and 8. Five mantissas with exponent 0 are no numbers. Source: IEEE 11073-20601:2014, annex F.8.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Special(StrEnum):
    """Codes that are no numbers."""

    NAN = "nan"
    NRES = "not_at_this_resolution"
    PLUS_INFINITY = "plus_infinity"
    MINUS_INFINITY = "minus_infinity"
    RESERVED = "reserved"


@dataclass(frozen=True, slots=True)
class Format:
    """One of the two formats, by the bits of its mantissa and of its exponent."""

    mantissa_bits: int
    exponent_bits: int

    @property
    def size(self) -> int:
        """Bytes on the wire."""
        return (self.mantissa_bits + self.exponent_bits) // 8

    def specials(self) -> dict[int, Special]:
        """The codes that are no numbers, as bit patterns."""
        half = 1 << (self.mantissa_bits - 1)
        return {
            half - 1: Special.NAN,
            half: Special.NRES,
            half - 2: Special.PLUS_INFINITY,
            half + 2: Special.MINUS_INFINITY,
            half + 1: Special.RESERVED,
        }

    def split(self, bits: int) -> tuple[int, int]:
        """(mantissa, exponent) of a bit pattern."""
        mantissa = _signed(bits & ((1 << self.mantissa_bits) - 1), self.mantissa_bits)
        return mantissa, _signed(bits >> self.mantissa_bits, self.exponent_bits)

    def join(self, mantissa: int, exponent: int) -> int:
        """The bit pattern. Raises ValueError for what does not fit or would be read as no number."""
        half_m, half_e = 1 << (self.mantissa_bits - 1), 1 << (self.exponent_bits - 1)
        if not (-half_m <= mantissa < half_m and -half_e <= exponent < half_e):
            raise ValueError(f"{mantissa}e{exponent} does not fit {self.mantissa_bits}+{self.exponent_bits} bits")
        bits = (exponent & (2 * half_e - 1)) << self.mantissa_bits | mantissa & (2 * half_m - 1)
        if bits in self.specials():
            raise ValueError(f"{mantissa}e{exponent} is the code of {self.specials()[bits]}")
        return bits


SFLOAT = Format(12, 4)
FLOAT = Format(24, 8)
_SPECIALS = {SFLOAT: SFLOAT.specials(), FLOAT: FLOAT.specials()}


def decode(form: Format, raw: bytes) -> float | Special:
    """The number nearest to what `raw` (form.size bytes, little-endian) says, or the special code."""
    bits = int.from_bytes(raw, "little")
    special = _SPECIALS[form].get(bits)
    if special is not None:
        return special
    mantissa, exponent = form.split(bits)
    return float(mantissa * 10**exponent) if exponent >= 0 else mantissa / 10**-exponent


def encode(form: Format, value: float | Special, decimals: int = 0) -> bytes:
    """The bytes of `value` rounded to `decimals` digits after the point. Raises ValueError where it does not fit."""
    if isinstance(value, Special):
        bits = next(code for code, special in _SPECIALS[form].items() if special is value)
    else:
        bits = form.join(round(value * 10**decimals), -decimals)
    return bits.to_bytes(form.size, "little")


def _signed(bits: int, width: int) -> int:
    return bits - (1 << width) if bits >> (width - 1) else bits
