"""Packages of the newer Contec oximeters (protocol V7.0), both ways.

    type (bit 7 clear) · high byte (bit 7 set; bit i is bit 7 of data byte i) · data bytes (bit 7 set)

The type gives the size; there is no checksum, but only the type has bit 7 clear. Source: Contec "Communication protocol
of pulse oximeter V7.0".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from device_drivers.framing import NEED_MORE, Bad, FrameSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_SIZE = 9
MAX_DATA = 7
_LOW_BITS = bytes(byte & 0x7F for byte in range(256))
LIVE, STORED_PI, STORED, COMMAND = 0x01, 0x09, 0x0F, 0x7D
STORE_DATE, STORE_TIME, STORE_LENGTH = 0x07, 0x12, 0x08
REASONS = {
    0: "done",
    1: "shut down",
    2: "user changed",
    3: "recording",
    4: "delete failed",
    5: "not supported",
    0xFF: "unknown",
}
COMMANDS: Mapping[int, tuple[str, str]] = {
    0xA1: ("start", "setting"),
    0xA2: ("stop", "setting"),
    0xA3: ("stored segments", "query"),
    0xA4: ("stored length", "query"),
    0xA5: ("stored start", "query"),
    0xA6: ("stored data", "query"),
    0xA7: ("stop stored", "setting"),
    0xAA: ("device id", "query"),
    0xAB: ("user", "query"),
    0xAC: ("PI supported", "query"),
    0xAD: ("users", "query"),
    0xAE: ("delete", "setting"),
    0xAF: ("keep-alive", "heartbeat"),
    0xB0: ("notice", "query"),
    0xB1: ("time", "setting"),
    0xB2: ("date", "setting"),
    0xB6: ("stored ids", "query"),
}
Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Package:
    """One row: the number of data bytes, the kind of note, and what the data say."""

    name: str
    size: int
    kind: str
    facts: Callable[[bytes], Facts]


def _text(name: str) -> Callable[[bytes], Facts]:
    def facts(data: bytes) -> Facts:
        text = data.rstrip(b"\0 \xff")
        readable = text.isascii() and text.decode("ascii").isprintable()
        return {name: text.decode("ascii") if readable else data.hex(" ").upper()}

    return facts


def _command(data: bytes) -> Facts:
    name, _ = COMMANDS.get(data[0], ("", ""))
    facts: Facts = {"command": f"{data[0]:02X} {name}".strip()}
    if name == "time":
        facts["time"] = "{:02}:{:02}:{:02}".format(*data[1:4])
    elif name == "date":
        facts["date"] = f"{100 * data[1] + data[2]:04}-{data[3]:02}-{data[4]:02}"
    elif any(data[1:]):
        facts["hex"] = data[1:].hex(" ").upper()
    return facts


def _reply(data: bytes) -> Facts:
    facts = _command(bytes((data[0], *bytes(6))))
    return {"command": facts["command"], "ok": data[1] == 0, "reason": REASONS.get(data[1], data[1])}


def _date(data: bytes) -> Facts:
    return {"user": data[0], "segment": data[1], "date": f"{100 * data[2] + data[3]:04}-{data[4]:02}-{data[5]:02}"}


def _time(data: bytes) -> Facts:
    return {"user": data[0], "segment": data[1], "time": "{:02}:{:02}:{:02}".format(*data[2:5])}


def _length(data: bytes) -> Facts:
    return {"user": data[0], "segment": data[1], "stored_bytes": int.from_bytes(data[2:6], "little")}


def live_facts(data: bytes) -> Facts:
    """Everything a live package says; None for the codes that stand for none."""
    return {
        "pr": _known(data[3], 0xFF),
        "spo2": _known(data[4], 0x7F),
        "pi": None if data[2] & 0x10 else _pi(data[5:7]),
        "signal": None if data[0] & 0x0F == 0x0F else data[0] & 0x0F,
        "pleth": data[1] & 0x7F,
        "bar": data[2] & 0x0F,
        "beep": bool(data[0] & 0x40),
        "searching_too_long": bool(data[0] & 0x10),
        "low_spo2": bool(data[0] & 0x20),
        "probe_error": bool(data[0] & 0x80),
        "searching": bool(data[1] & 0x80),
    }


def without_wave(data: bytes) -> bytes:
    """Live data without wave, bar, signal and beep: only what the values and their quality follow from."""
    return bytes((data[0] & 0xB0, data[1] & 0x80, data[2] & 0x10)) + data[3:]


def live(facts: Mapping[str, Any]) -> bytes:
    """The package that says these facts; what is missing is none or false. Raises ValueError for what does not fit."""
    pulse, spo2, index, signal = (facts.get(name) for name in ("pr", "spo2", "pi", "signal"))
    flags = (("searching_too_long", 0x10), ("low_spo2", 0x20), ("beep", 0x40), ("probe_error", 0x80))
    data = [
        (0x0F if signal is None else signal) + sum(bit for name, bit in flags if facts.get(name)),
        facts.get("pleth", 0) + (0x80 if facts.get("searching") else 0),
        facts.get("bar", 0) + (0x10 if index is None else 0),
        0xFF if pulse is None else pulse,
        0x7F if spo2 is None else spo2,
        *(0xFFFF if index is None else round(100 * index)).to_bytes(2, "little"),
    ]
    return pack(LIVE, bytes(data))


def stored_values(kind: int, data: bytes) -> list[dict[str, float | None]]:
    """The seconds of a stored package: three without perfusion index, or one with it."""
    if kind == STORED_PI:
        return [{**_pair(data[0], data[1]), "perfusion_index": _pi(data[2:4])}]
    return [_pair(data[at], data[at + 1]) for at in (0, 2, 4)]


def _pair(spo2: int, pulse: int) -> dict[str, float | None]:
    return {"heart_rate": _known(pulse, 0xFF), "spo2": _known(spo2, 0x7F)}


def _known(code: int, none: int) -> int | None:
    return None if code in {0, none} else code


def _pi(raw: bytes) -> float | None:
    code = int.from_bytes(raw, "little")
    return None if code in {0, 0xFFFF} else code / 100


PACKAGES: Mapping[int, Package] = {
    LIVE: Package("live", 7, "report", live_facts),
    0x04: Package("device id", 7, "identity", _text("identity")),
    0x05: Package("user", 7, "identity", _text("user")),
    STORE_DATE: Package("store date", 6, "report", _date),
    STORE_LENGTH: Package("store length", 6, "report", _length),
    STORED_PI: Package("stored", 4, "report", lambda data: {"stored": stored_values(STORED_PI, data)}),
    0x0A: Package("segments", 2, "report", lambda data: {"user": data[0], "segments": data[1]}),
    0x0B: Package("reply", 2, "ack", _reply),
    0x0C: Package("free", 0, "ack", lambda _: {"free": True}),
    0x0D: Package("disconnect", 1, "report", lambda data: {"disconnect": REASONS.get(data[0], data[0])}),
    0x0E: Package("PI supported", 1, "identity", lambda data: {"pi_supported": data[0] == 0}),
    STORED: Package("stored", 6, "report", lambda data: {"stored": stored_values(STORED, data)}),
    0x10: Package("users", 1, "identity", lambda data: {"users": data[0]}),
    0x11: Package("notice", 7, "report", _text("notice")),
    STORE_TIME: Package("store time", 6, "report", _time),
    0x15: Package("stored ids", 7, "report", lambda data: {"stored_ids": data.hex(" ").upper()}),
    COMMAND: Package("command", 7, "setting", _command),
}


def check(buffer: bytearray, start: int) -> int | Bad:
    """Judge the package that begins at `start`: its size, NEED_MORE, or Bad ("short").

    A package of unknown type ends where the next one begins.
    """
    known = PACKAGES.get(buffer[start])
    size = MAX_SIZE if known is None else 2 + known.size
    rest = buffer[start + 1 : start + size]
    if rest and min(rest) < 0x80:
        at = 1 + next(n for n, byte in enumerate(rest) if byte < 0x80)
        return at if known is None and at >= 2 else Bad("short", at)
    return size if len(rest) == size - 1 else NEED_MORE


SPEC = FrameSpec(tuple(bytes((first,)) for first in range(0x80)), check, MAX_SIZE)


def pack(kind: int, data: bytes = b"") -> bytes:
    """The package of this type. Raises ValueError for more than seven data bytes."""
    if len(data) > MAX_DATA:
        raise ValueError(f"{len(data)} data bytes; a package holds {MAX_DATA}")
    high = 0x80 | sum((byte >> 7) << i for i, byte in enumerate(data))
    return bytes((kind, high, *(byte | 0x80 for byte in data)))


def unpack(whole: bytes) -> tuple[int, bytes]:
    """Type and data of a package."""
    if len(whole) > 1 and whole[1] == 0x80:  # no byte has bit 7 set
        return whole[0], whole[2:].translate(_LOW_BITS)
    return whole[0], bytes(byte & 0x7F | (whole[1] >> i & 1) << 7 for i, byte in enumerate(whole[2:]))


def command(code: int, *parameters: int) -> bytes:
    """A command of the host, filled up with zeros."""
    return pack(COMMAND, bytes((code, *parameters)).ljust(MAX_DATA, b"\0"))
