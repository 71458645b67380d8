"""Commands and acknowledgements of the Hi-Link 24 GHz presence radars LD2410 and LD2450, both ways.

    FD FC FB FA · length (u16) · command (u16) · value · 04 03 02 01

An acknowledgement carries command | 0100 and a status (u16, 0 is good) before its value. Little-endian. Source: Hi-Link
serial protocols LD2410 V1.02, LD2410C V1.00, LD2450 V1.03.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from device_drivers.framing import NEED_MORE, Bad

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HEAD = b"\xfd\xfc\xfb\xfa"
TAIL = b"\x04\x03\x02\x01"
OVERHEAD = 10
MAX_DATA = 64
"""The buffer that the radars announce."""
ANSWER = 0x0100
BAUDS = dict(enumerate((9600, 19200, 38400, 57600, 115200, 230400, 256000, 460800), 1))
GATES = 9
RESOLUTIONS = {0: 0.75, 1: 0.2}
TRACKING = {1: "single", 2: "multi"}
ALL_GATES = 0xFFFF


class CommandError(ValueError):
    """A value cannot be written in a command, or the bytes are not what the command allows."""


Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Layout:
    """Numbers in a fixed layout. words: by field, the meaning of its codes."""

    format: str = ""
    names: tuple[str, ...] = ()
    words: Mapping[str, Mapping[int, Any]] | None = None

    def decode(self, raw: bytes) -> Facts:
        if len(raw) != struct.calcsize("<" + self.format):
            raise CommandError(f"{len(raw)} bytes of value, expected {struct.calcsize('<' + self.format)}")
        found = dict(zip(self.names, struct.unpack("<" + self.format, raw), strict=True))
        return {name: self._word(name, code) for name, code in found.items() if not name.startswith("_")}

    def encode(self, facts: Mapping[str, Any]) -> bytes:
        wanted = [name for name in self.names if not name.startswith("_")]
        if set(wanted) != set(facts):
            raise CommandError(f"expected values for {wanted}, got {sorted(facts)}")
        # A name "_3" stands for the constant 3.
        codes = [int(name[1:]) if name.startswith("_") else self._code(name, facts[name]) for name in self.names]
        try:
            return struct.pack("<" + self.format, *codes)
        except struct.error as error:
            raise CommandError(f"{dict(facts)}: {error}") from error

    def _word(self, name: str, code: int) -> Any:
        return (self.words or {}).get(name, {}).get(code, code)

    def _code(self, name: str, word: Any) -> int:
        for code, known in (self.words or {}).get(name, {}).items():
            if known == word:
                return code
        if not isinstance(word, int):
            raise CommandError(f"{name}: {word!r} is not known")
        return int(word)


@dataclass(frozen=True, slots=True)
class Command:
    """One row: what the host sends and what the radar answers after its status.

    answer: a layout, or a function for what has no fixed one.
    """

    code: int
    name: str
    kind: str = "setting"
    value: Layout = Layout()
    answer: Layout | Callable[[bytes], Facts] = Layout()


def _parameters(raw: bytes) -> Facts:
    if len(raw) != 4 + 2 * GATES + 2 or raw[:1] != b"\xaa":
        raise CommandError(f"{len(raw)} bytes of parameters")
    return {
        "max_moving_gate": raw[2],
        "max_still_gate": raw[3],
        "moving_sensitivity": list(raw[4 : 4 + GATES]),
        "still_sensitivity": list(raw[4 + GATES : 4 + 2 * GATES]),
        "no_one_time_s": int.from_bytes(raw[-2:], "little"),
    }


def _version(raw: bytes) -> Facts:
    if len(raw) != 8:
        raise CommandError(f"{len(raw)} bytes of version")
    return {"firmware": f"V{raw[3]:x}.{raw[2]:02x}.{raw[:3:-1].hex()}"}


def _mac(raw: bytes) -> Facts:
    if len(raw) not in {6, 7}:
        raise CommandError(f"{len(raw)} bytes of address")
    return {"mac": raw[-6:].hex(":").upper()}


def _light(raw: bytes) -> Facts:
    if len(raw) != 4:
        raise CommandError(f"{len(raw)} bytes of light control")
    return {"light_control": raw[0], "light_threshold": raw[1], "out_default": raw[2]}


def _secret(raw: bytes) -> Facts:  # noqa: ARG001 - a password is not kept
    return {}


_ZONES = Layout("H12h", ("zone_filter", *(f"zone{n}_{c}_mm" for n in (1, 2, 3) for c in ("x1", "y1", "x2", "y2"))))
_GATES = ("max_moving_gate", "max_still_gate", "no_one_time_s")
_SENSITIVITY = ("gate", "moving_sensitivity", "still_sensitivity")


def _worded(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for n, field in enumerate(names) for name in (f"_{n}", field))


COMMANDS: tuple[Command, ...] = (
    Command(0x00FF, "enable config", "setting", Layout("H", ("_1",)), Layout("HH", ("protocol", "buffer"))),
    Command(0x00FE, "end config"),
    Command(0x0060, "set gates", "setting", Layout("HIHIHI", _worded(_GATES))),
    Command(0x0061, "read parameters", "query", answer=_parameters),
    Command(0x0062, "engineering mode on"),
    Command(0x0063, "engineering mode off"),
    Command(
        0x0064, "set sensitivity", "setting", Layout("HIHIHI", _worded(_SENSITIVITY), {"gate": {ALL_GATES: "all"}})
    ),
    Command(0x0080, "single target"),
    Command(0x0090, "multi target"),
    Command(0x0091, "read tracking", "query", answer=Layout("H", ("tracking",), {"tracking": TRACKING})),
    Command(0x00A0, "read version", "query", answer=_version),
    Command(0x00A1, "set baud", "setting", Layout("H", ("baud",), {"baud": BAUDS})),
    Command(0x00A2, "factory reset"),
    Command(0x00A3, "restart"),
    Command(
        0x00A4, "bluetooth", "setting", Layout("H", ("bluetooth",), {"bluetooth": {1: True, 0: False, 0x0100: True}})
    ),
    Command(0x00A5, "read mac", "query", Layout("H", ("_1",)), _mac),
    Command(0x00AA, "set resolution", "setting", Layout("H", ("resolution_m",), {"resolution_m": RESOLUTIONS})),
    Command(0x00AB, "read resolution", "query", answer=Layout("H", ("resolution_m",), {"resolution_m": RESOLUTIONS})),
    Command(0x00AD, "set light", "setting", Layout("BBBB", ("light_control", "light_threshold", "out_default", "_0"))),
    Command(0x00AE, "read light", "query", answer=_light),
    Command(0x00C1, "read zones", "query", answer=_ZONES),
    Command(0x00C2, "set zones", "setting", _ZONES),
)
SECRETS = {0x00A8: "bluetooth login", 0x00A9: "set bluetooth password"}
BY_CODE: Mapping[int, Command] = {row.code: row for row in COMMANDS}
BY_NAME: Mapping[str, Command] = {row.name: row for row in COMMANDS}


def check(buffer: bytearray, start: int) -> int | Bad:
    """Judge the command frame that begins at `start`: its size, NEED_MORE, or Bad ("length" or "tail")."""
    return check_frame(buffer, start, TAIL, 2, MAX_DATA)


def check_frame(buffer: bytearray, start: int, tail: bytes, least: int, most: int) -> int | Bad:
    """Judge a frame of four head bytes, a length (u16) from `least` to `most`, data and a tail."""
    if len(buffer) - start < 6:
        return NEED_MORE
    length = int.from_bytes(buffer[start + 4 : start + 6], "little")
    if not least <= length <= most:
        return Bad("length", 6, {"length": length})
    end = start + 6 + length + len(tail)
    if len(buffer) < end:
        return NEED_MORE
    if buffer[end - len(tail) : end] != tail:
        return Bad("tail", end - start, {"found": buffer[end - len(tail) : end].hex().upper()})
    return end - start


def frame(code: int, value: bytes = b"") -> bytes:
    """The frame of a command code with its value bytes."""
    return HEAD + (2 + len(value)).to_bytes(2, "little") + code.to_bytes(2, "little") + value + TAIL


def command(name: str, **facts: Any) -> bytes:
    """The frame of a command of the table. Raises CommandError for values that do not fit it."""
    row = BY_NAME[name]
    return frame(row.code, row.value.encode(facts))


def answer(code: int, value: bytes = b"", *, ok: bool = True) -> bytes:
    """The radar's acknowledgement of a command code."""
    return frame(code | ANSWER, (0 if ok else 1).to_bytes(2, "little") + value)


def explain(whole: bytes) -> tuple[str, Facts]:
    """What a command frame says: the kind of note and its fields. Raises CommandError for a value of wrong size."""
    code, value = int.from_bytes(whole[6:8], "little"), whole[8:-4]
    asked = code & ~ANSWER
    is_answer = bool(code & ANSWER)
    if asked in SECRETS:
        return (
            ("ack", {"command": SECRETS[asked], "ok": value[:2] == bytes(2)})
            if is_answer
            else (
                "setting",
                {"command": SECRETS[asked]},
            )
        )
    row = BY_CODE.get(asked)
    if row is None:
        return "unknown", {"command": f"{code:04X}", "hex": value.hex(" ").upper()}
    if not is_answer:
        return row.kind, {"command": row.name, **row.value.decode(value)}
    if len(value) < 2:
        raise CommandError("no status")
    ok = value[:2] == bytes(2)
    decode = row.answer.decode if isinstance(row.answer, Layout) else row.answer
    return "ack", {"command": row.name, "ok": ok, **(decode(value[2:]) if ok else {})}
