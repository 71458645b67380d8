"""What one TF message holds: numbers, flags, words, text or a list of targets, both ways. Little-endian.

Source: Hi-Link TF protocol V1.2, Seeed MR60BHA2 / MR60FDA2 library.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

Value = float | int | bool | str | tuple[float | None, ...] | tuple[Mapping[str, float | None], ...] | None
Values = Mapping[str, Value]


class FieldError(ValueError):
    """A value cannot be written in its field, or the bytes are not what the field allows."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number in the format of `struct` ("f" float32, "I" unsigned, "i" signed, "B" byte, ...)."""

    name: str
    format: str = "B"
    size: int = field(init=False)
    """Bytes on the wire."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", struct.calcsize("<" + self.format))

    def decode(self, raw: bytes) -> Value:
        (value,) = struct.unpack("<" + self.format, raw)
        return _short(value) if self.format == "f" else int(value)

    def encode(self, value: Value) -> bytes:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise FieldError(f"{self.name}: expected a number, got {value!r}")
        try:
            return struct.pack("<" + self.format, value)
        except (struct.error, OverflowError) as error:
            raise FieldError(f"{self.name}: {value} does not fit ({error})") from error


@dataclass(frozen=True, slots=True)
class Numbers:
    """Several numbers of one format."""

    name: str
    count: int
    format: str = "f"
    size: int = field(init=False)
    """Bytes on the wire."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", self.count * struct.calcsize("<" + self.format))

    def decode(self, raw: bytes) -> Value:
        values = struct.unpack(f"<{self.count}{self.format}", raw)
        return tuple(_short(value) for value in values) if self.format == "f" else tuple(values)

    def encode(self, value: Value) -> bytes:
        if not isinstance(value, tuple) or len(value) != self.count:
            raise FieldError(f"{self.name}: expected {self.count} numbers, got {value!r}")
        one = Number(self.name, self.format)
        return b"".join(one.encode(item) for item in value if not isinstance(item, Mapping))


@dataclass(frozen=True, slots=True)
class Choice:
    """A code out of a table of words. A code outside the table is None: unknown, never a guess."""

    name: str
    words: Mapping[int, bool | str]
    format: str = "B"
    size: int = field(init=False)
    """Bytes on the wire."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", struct.calcsize("<" + self.format))

    def decode(self, raw: bytes) -> Value:
        return self.words.get(int.from_bytes(raw, "little"))

    def encode(self, value: Value) -> bytes:
        for code, word in self.words.items():
            if word == value and isinstance(value, bool) == isinstance(word, bool):
                return code.to_bytes(self.size, "little")
        raise FieldError(f"{self.name}: {value!r} is none of {list(self.words.values())}")


@dataclass(frozen=True, slots=True)
class Text:
    """Printable ASCII text as long as the message; line ends and zero bytes at the end are padding."""

    name: str
    size: None = None

    def decode(self, raw: bytes) -> Value:
        text = raw.rstrip(b"\0\r\n")
        if not (text.isascii() and text.decode("ascii").isprintable()):
            raise FieldError(f"{self.name}: no printable ASCII text")
        return text.decode("ascii")

    def encode(self, value: Value) -> bytes:
        if not (isinstance(value, str) and value.isascii() and value.isprintable()):
            raise FieldError(f"{self.name}: expected printable ASCII text, got {value!r}")
        return value.encode("ascii")


@dataclass(frozen=True, slots=True)
class Records:
    """A count (int32) and so many records; the record's layout follows from its size, as the products differ.

    layouts: by bytes of one record, the names of its numbers and their format.
    """

    name: str
    layouts: Mapping[int, tuple[tuple[str, ...], str]]
    size: None = None

    def decode(self, raw: bytes) -> Value:
        count = int.from_bytes(raw[:4], "little", signed=True)
        body = raw[4:]
        if len(raw) < 4 or (count == 0) != (not body) or count < 0 or (count and len(body) % count):
            raise FieldError(f"{self.name}: {len(raw)} bytes do not hold {count} records")
        if count == 0:
            return ()
        size = len(body) // count
        if size not in self.layouts:
            raise FieldError(f"{self.name}: records of {size} bytes are not known")
        names, layout = self.layouts[size]
        return tuple(
            {
                name: _short(value) if kind == "f" else value
                for name, value, kind in zip(names, row, layout, strict=True)
            }
            for row in struct.iter_unpack("<" + layout, body)
        )

    def encode(self, value: Value) -> bytes:
        rows = [row for row in value if isinstance(row, Mapping)] if isinstance(value, tuple) else None
        if rows is None or len(rows) != len(value):  # type: ignore[arg-type]
            raise FieldError(f"{self.name}: expected records, got {value!r}")
        out = struct.pack("<i", len(rows))
        for row in rows:
            layout = next((found for found in self.layouts.values() if set(found[0]) == set(row)), None)
            if layout is None:
                raise FieldError(f"{self.name}: no record has exactly {sorted(row)}")
            out += b"".join(Number(key, kind).encode(row[key]) for key, kind in zip(*layout, strict=True))
        return out


Field = Number | Numbers | Choice | Text | Records


@dataclass(frozen=True, slots=True)
class Message:
    """One row of the tables: a type and a size of data. Several rows may share a type with different sizes.

    name: what it is about. kind: "signal" where every field is a signal of our table, "vitals" and "targets" where
    the codec must judge, else the kind of note it becomes. spare: zero bytes that some firmware adds. size: bytes of
    data without spare ones; None for text and records.
    """

    type: int
    name: str
    kind: str
    fields: tuple[Field, ...] = ()
    spare: tuple[int, ...] = (0,)
    size: int | None = field(init=False)

    def __post_init__(self) -> None:
        sizes = [item.size for item in self.fields]
        object.__setattr__(self, "size", None if None in sizes else sum(size for size in sizes if size))

    def fits(self, size: int) -> bool:
        """Whether data of this size belong to this row."""
        if self.size is None:
            return size > 0
        return size - self.size in self.spare

    def decode(self, data: bytes) -> dict[str, Value]:
        """Each field's value. Raises FieldError for text that is none and records of unknown size."""
        if self.size is None:
            return {self.fields[0].name: self.fields[0].decode(data)}
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


def _short(value: float) -> float | None:
    """The shortest decimal number with the same float32, None for NaN and infinity: 74.62, not 74.62000274658203."""
    if not math.isfinite(value):
        return None
    wire = struct.pack("<f", value)
    for digits in (6, 7, 8):
        short = float(f"{value:.{digits}g}")
        if abs(short) < 3.4e38 and struct.pack("<f", short) == wire:
            return short
    return float(f"{value:.9g}")
