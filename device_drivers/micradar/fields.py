"""What one radar message holds: its fields, as numbers, words, text or a piece of waveform, both ways.

Integers are big-endian; signed ones are sign-and-magnitude (bit 15 is the minus), not two's complement. Source:
vendor manual R60ABD1 V3.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from device_drivers.observations import Quality

QUERY_BYTE = b"\x0f"
WAVE_CENTRE = 128
WAVE_POINTS = 5

Value = int | bool | str | tuple[int, ...] | None
Values = Mapping[str, Value]


class FieldError(ValueError):
    """A value cannot be written in its field, or the bytes are not what the field allows."""


@dataclass(frozen=True, slots=True)
class Number:
    """An unsigned or sign-and-magnitude integer.

    absent: codes that stand for "no value", each with its reason.
    """

    name: str
    size: int = 1
    signed: bool = False
    absent: Mapping[int, Quality] = field(default_factory=dict)

    def decode(self, raw: bytes) -> tuple[Value, Quality]:
        code = int.from_bytes(raw, "big")
        if code in self.absent:
            return None, self.absent[code]
        return (_from_sign_magnitude(code) if self.signed else code), Quality.GOOD

    def encode(self, value: Value) -> bytes:
        if value is None and self.absent:
            return next(iter(self.absent)).to_bytes(self.size, "big")
        if not isinstance(value, int) or isinstance(value, bool):
            raise FieldError(f"{self.name}: expected an integer, got {value!r}")
        limit = 1 << (8 * self.size - self.signed)
        if not (-limit if self.signed else -1) < value < limit:
            raise FieldError(f"{self.name}: {value} does not fit in {self.size} byte(s)")
        return (abs(value) | (limit if value < 0 else 0)).to_bytes(self.size, "big")


@dataclass(frozen=True, slots=True)
class Choice:
    """One byte out of a table of words. A code outside the table is absent: unknown, never a guess."""

    name: str
    words: Mapping[int, bool | str]
    size: int = 1

    def decode(self, raw: bytes) -> tuple[Value, Quality]:
        value = self.words.get(raw[0])
        return value, Quality.GOOD if value is not None else Quality.INVALID

    def encode(self, value: Value) -> bytes:
        for code, word in self.words.items():
            if word == value and isinstance(value, bool) == isinstance(word, bool):
                return bytes((code,))
        raise FieldError(f"{self.name}: {value!r} is none of {list(self.words.values())}")


@dataclass(frozen=True, slots=True)
class Wave:
    """Five points of a waveform in one second, one byte each, 128 is the zero line: values of -128 to 127."""

    name: str
    size: int = WAVE_POINTS

    def decode(self, raw: bytes) -> tuple[Value, Quality]:
        return tuple(point - WAVE_CENTRE for point in raw), Quality.GOOD

    def encode(self, value: Value) -> bytes:
        if not isinstance(value, tuple) or len(value) != self.size:
            raise FieldError(f"{self.name}: expected {self.size} points, got {value!r}")
        if not all(-WAVE_CENTRE <= point < WAVE_CENTRE for point in value):
            raise FieldError(f"{self.name}: points go from -128 to 127, got {value!r}")
        return bytes(point + WAVE_CENTRE for point in value)


@dataclass(frozen=True, slots=True)
class Text:
    """ASCII text as long as the message; the device may pad it with zero bytes."""

    name: str
    size: None = None

    def decode(self, raw: bytes) -> tuple[Value, Quality]:
        text = raw.rstrip(b"\0")
        if not (text.isascii() and text.decode("ascii").isprintable()):
            raise FieldError(f"{self.name}: no printable ASCII text")
        return text.decode("ascii"), Quality.GOOD

    def encode(self, value: Value) -> bytes:
        if not (isinstance(value, str) and value.isascii() and value.isprintable()):
            raise FieldError(f"{self.name}: expected printable ASCII text, got {value!r}")
        return value.encode("ascii")


Field = Number | Choice | Wave | Text


@dataclass(frozen=True, slots=True)
class Message:
    """One row of the vendor's tables.

    name: what it is about, in words; also the name of its query. fields: in the order of the wire.
    kind: "signal" where every field is a signal of our table, else the kind of note it becomes.
    query: the command that asks for it, which the answer carries as well; None where it cannot be asked.
    restates: sent periodically about states that have reports of their own.
    """

    control: int
    command: int
    name: str
    fields: tuple[Field, ...]
    kind: str
    query: int | None
    restates: bool = False

    @property
    def size(self) -> int | None:
        """Bytes of data; None for text."""
        sizes = [item.size for item in self.fields]
        return None if None in sizes else sum(size for size in sizes if size)

    def decode(self, data: bytes) -> dict[str, tuple[Value, Quality]]:
        """Each field's value and quality. Raises FieldError for a wrong size or text that is none."""
        if self.size is None:
            return {self.fields[0].name: self.fields[0].decode(data)}
        if len(data) != self.size:
            raise FieldError(f"{self.name}: {len(data)} bytes of data, expected {self.size}")
        found, at = {}, 0
        for item in self.fields:
            end = at + (item.size or 0)
            found[item.name] = item.decode(data[at:end])
            at = end
        return found

    def encode(self, values: Values) -> bytes:
        """The data bytes for these values. Raises FieldError for a missing, unknown or unfitting value."""
        names = {item.name for item in self.fields}
        if names != set(values):
            raise FieldError(f"{self.name}: expected values for {sorted(names)}, got {sorted(values)}")
        return b"".join(item.encode(values[item.name]) for item in self.fields)


def _from_sign_magnitude(code: int) -> int:
    magnitude = code & 0x7FFF
    return -magnitude if code & 0x8000 else magnitude
