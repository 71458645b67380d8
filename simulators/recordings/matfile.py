"""Reads the numeric matrices of a MAT file of level 5 (MathWorks, "MAT-File Format", chapter 1); nothing else of it.

Only what recordings need: real, full matrices, plain or compressed, little-endian. Anything else is passed over;
what is cut off or contradicts itself raises MatError.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

HEADER = 128
MATRIX, COMPRESSED = 14, 15
NUMBERS = {1: "<i1", 2: "<u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8", 12: "<i8", 13: "<u8"}
"""Table 1-1: data types."""
LARGEST = 64 * 2**20


class MatError(ValueError):
    """The bytes are no MAT file of level 5; says why."""


def matrices(raw: bytes) -> dict[str, NDArray[np.float64]]:
    """Every real numeric matrix by name, float64 (rows, columns). Raises MatError."""
    if len(raw) < HEADER or raw[126:128] != b"IM":
        raise MatError("it does not begin like a little-endian MAT file of level 5")
    found: dict[str, NDArray[np.float64]] = {}
    for kind, body in _elements(raw[HEADER:]):
        for inner, content in _elements(_inflated(body)) if kind == COMPRESSED else [(kind, body)]:
            if inner == MATRIX:
                found.update(_matrix(content))
    return found


def _inflated(body: bytes) -> bytes:
    try:
        machine = zlib.decompressobj()
        content = machine.decompress(body, LARGEST)
    except zlib.error as error:
        raise MatError(str(error)) from error
    if machine.unconsumed_tail:
        raise MatError(f"a matrix of more than {LARGEST} bytes")
    return content


def _elements(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and content of each element; four bytes or fewer stand inside the tag itself."""
    place = 0
    while place + 8 <= len(raw):
        kind, size = struct.unpack_from("<II", raw, place)
        if kind >> 16:
            kind, size, start, place = kind & 0xFFFF, kind >> 16, place + 4, place + 8
        else:
            start = place + 8
            place = start + size + (0 if kind == COMPRESSED else -size % 8)
        if start + size > len(raw) or (size > 4 and start % 8 == 4):
            raise MatError("an element reaches beyond the end")
        yield kind, raw[start : start + size]


def _matrix(content: bytes) -> dict[str, NDArray[np.float64]]:
    parts = list(_elements(content))
    if len(parts) < 4 or len(parts[0][1]) < 8:
        return {}
    shape = np.frombuffer(parts[1][1], "<i4")
    kind, body = parts[3]
    if kind not in NUMBERS or len(shape) != 2:
        return {}
    numbers = np.frombuffer(
        body[: len(body) // np.dtype(NUMBERS[kind]).itemsize * np.dtype(NUMBERS[kind]).itemsize], NUMBERS[kind]
    )
    if numbers.size != int(shape[0]) * int(shape[1]):
        raise MatError(f"{numbers.size} numbers do not fill {shape[0]} x {shape[1]}")
    name = parts[2][1].decode("ascii", "replace")
    return {name: numbers.astype(np.float64).reshape(tuple(int(n) for n in shape), order="F")}
