"""HLK-LD2410, LD2410B and LD2410C: whether somebody is there, moving or still, and how far away.

    F4 F3 F2 F1 · length (u16) · 01 engineering or 02 basic · AA · target data · 55 00 · F8 F7 F6 F5

There is no checksum: every constant must be right. Whether somebody is there follows from the state alone; the
distances stay when everybody has left. Source: Hi-Link serial protocol LD2410 V1.02, LD2410C V1.00.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, ClassVar

from device_drivers.framing import NEED_MORE, Bad, FrameSpec
from device_drivers.ld24xx import commands
from device_drivers.ld24xx.base import PresenceRadar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from device_drivers.observations import Observation

HEAD = b"\xf4\xf3\xf2\xf1"
TAIL = b"\xf8\xf7\xf6\xf5"
ENGINEERING, BASIC = 0x01, 0x02
_TARGET = struct.Struct("<BHBHBH")
TARGET_FIELDS = ("state", "moving_cm", "moving_energy", "still_cm", "still_energy", "detect_cm")
STATES = {0: "none", 1: "active", 2: "still", 3: "active"}
"""What the state says of motion; 3 is moving and still targets at once."""
_BASIC_SIZE = 2 + _TARGET.size + 2
_GATES_SIZE = 2 + 2 * commands.GATES
_EXTRA_SIZES = {BASIC: (0,), ENGINEERING: (_GATES_SIZE, _GATES_SIZE + 2)}
"""Engineering data with and without light and output pin, which old firmware does not send."""


def check(buffer: bytearray, start: int) -> int | Bad:
    """Judge the frame that begins at `start`: its size, NEED_MORE, or Bad."""
    if buffer[start] == commands.HEAD[0]:
        return commands.check(buffer, start)
    verdict = commands.check_frame(buffer, start, TAIL, _BASIC_SIZE, _BASIC_SIZE + _GATES_SIZE + 2)
    if isinstance(verdict, Bad) or verdict == NEED_MORE:
        return verdict
    data = buffer[start + 6 : start + verdict - 4]
    if data[1] != 0xAA or data[-2:] != b"\x55\x00":
        return Bad("constants", verdict, {"found": bytes((data[1], *data[-2:])).hex().upper()})
    if len(data) - _BASIC_SIZE not in _EXTRA_SIZES.get(data[0], ()):
        return Bad("report", verdict, {"type": data[0], "length": len(data)})
    return verdict


SPEC = FrameSpec((HEAD, commands.HEAD), check, commands.OVERHEAD + commands.MAX_DATA)


class Ld2410Codec(PresenceRadar):
    """Codec of one LD2410."""

    family: ClassVar[str] = "ld2410"

    def __init__(self, device_id: str, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(SPEC, device_id, options)

    def _report(self, whole: bytes, now_ns: int) -> list[Observation]:
        data = whole[6:-4]
        extra = data[2 + _TARGET.size : -2]
        target = dict(zip(TARGET_FIELDS, _TARGET.unpack_from(data, 2), strict=True))
        state = target["state"]
        if self._pace.due("report", state, now_ns):
            self.note("report", self.device_id, **target, **_engineering(extra))
        if state not in STATES:
            return [*self._state("presence", None, now_ns), *self._state("motion", None, now_ns)]
        present = self._held(state != 0, now_ns)
        motion = STATES[state] if state or not present else "still"
        found = self._state("presence", present, now_ns) + self._state("motion", motion, now_ns)
        return found + self._reading("distance", target["detect_cm"] if state else None, now_ns)


def _engineering(extra: bytes) -> dict[str, Any]:
    if not extra:
        return {}
    gates = extra[2:]
    found = {
        "max_moving_gate": extra[0],
        "max_still_gate": extra[1],
        "moving_energies": list(gates[: commands.GATES]),
        "still_energies": list(gates[commands.GATES : 2 * commands.GATES]),
    }
    if len(extra) > _GATES_SIZE:
        found |= {"light": extra[-2], "out_pin": extra[-1]}
    return found


def report(target: Mapping[str, int], engineering: Mapping[str, Any] | None = None) -> bytes:
    """The frame that a radar sends. Raises KeyError for a missing field, struct.error for a value that does not fit."""
    body = _TARGET.pack(*(target[name] for name in TARGET_FIELDS))
    if engineering is not None:
        body += bytes((engineering["max_moving_gate"], engineering["max_still_gate"]))
        body += bytes(engineering["moving_energies"]) + bytes(engineering["still_energies"])
        body += bytes(engineering[name] for name in ("light", "out_pin") if name in engineering)
    kind = BASIC if engineering is None else ENGINEERING
    data = bytes((kind, 0xAA)) + body + b"\x55\x00"
    return HEAD + len(data).to_bytes(2, "little") + data + TAIL
