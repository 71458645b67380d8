"""HLK-LD2450 and Ai-Thinker Rd-03D: up to three people with their places in the room.

    AA FF 03 00 · three times x, y, speed, resolution (u16 each) · 55 CC

Bit 15 of x, y and speed set means plus, clear means minus; millimetres, cm/s (plus: going away), millimetres. A place
of all zeros is empty. There is no checksum. Source: Hi-Link serial protocol LD2450 V1.03.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any, ClassVar

from device_drivers.framing import NEED_MORE, Bad, FrameSpec
from device_drivers.ld24xx import commands
from device_drivers.ld24xx.base import PresenceRadar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from device_drivers.observations import Observation

HEAD = b"\xaa\xff\x03\x00"
TAIL = b"\x55\xcc"
SIZE = 30
PLACES = 3
_PLACE = struct.Struct("<4H")
FIELDS = ("x_mm", "y_mm", "speed_cm_s", "resolution_mm")


def check(buffer: bytearray, start: int) -> int | Bad:
    """Judge the frame that begins at `start`: its size, NEED_MORE, or Bad."""
    if buffer[start] == commands.HEAD[0]:
        return commands.check(buffer, start)
    if len(buffer) - start < SIZE:
        return NEED_MORE
    tail = buffer[start + SIZE - 2 : start + SIZE]
    return SIZE if tail == TAIL else Bad("tail", SIZE, {"found": tail.hex().upper()})


SPEC = FrameSpec((HEAD, commands.HEAD), check, commands.OVERHEAD + commands.MAX_DATA)


class Ld2450Codec(PresenceRadar):
    """Codec of one LD2450."""

    family: ClassVar[str] = "ld2450"

    def __init__(self, device_id: str, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(SPEC, device_id, options)

    def _report(self, whole: bytes, now_ns: int) -> list[Observation]:
        targets = places(whole)
        if self._pace.due("report", len(targets), now_ns):
            self.note("report", self.device_id, targets=targets)
        found = self._state("presence", self._held(bool(targets), now_ns), now_ns)
        found += self._reading("target_count", float(len(targets)), now_ns)
        nearest = min(targets, key=_reach, default=None)
        values = (
            _described(nearest) if nearest else dict.fromkeys(("distance", "position_x", "position_y", "radial_speed"))
        )
        return found + [one for name, value in values.items() for one in self._reading(name, value, now_ns)]


def places(whole: bytes) -> list[dict[str, int]]:
    """The targets of a report frame."""
    rows = (_PLACE.unpack_from(whole, 4 + n * _PLACE.size) for n in range(PLACES))
    return [
        dict(zip(FIELDS, (_plus(x), _plus(y), _plus(v), res), strict=True))
        for x, y, v, res in rows
        if x or y or v or res
    ]


def report(targets: Sequence[Mapping[str, int]]) -> bytes:
    """The frame that a radar sends. Raises ValueError for more than three targets or a number that does not fit."""
    if len(targets) > PLACES:
        raise ValueError(f"{len(targets)} targets; a frame holds {PLACES}")
    rows = [_PLACE.pack(*(_code(row[name]) for name in FIELDS[:3]), row["resolution_mm"]) for row in targets]
    return HEAD + b"".join(rows).ljust(PLACES * _PLACE.size, b"\0") + TAIL


def _reach(target: Mapping[str, int]) -> float:
    return math.hypot(target["x_mm"], target["y_mm"])


def _described(target: Mapping[str, int]) -> dict[str, float | None]:
    return {
        "distance": round(_reach(target) / 10, 1),
        "position_x": target["x_mm"] / 10,
        "position_y": target["y_mm"] / 10,
        "radial_speed": float(target["speed_cm_s"]),
    }


def _plus(code: int) -> int:
    return code - 0x8000 if code & 0x8000 else -code


def _code(value: int) -> int:
    if not -0x8000 < value < 0x8000:
        raise ValueError(f"{value} does not fit in 15 bits")
    return value | 0x8000 if value > 0 else -value
