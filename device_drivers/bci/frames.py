"""Frames of the five-byte ("BCI") oximeters, both ways.

    1  bit 7 set · 6 beep · 5, 4 by maker · 3-0 signal 0 to 8, 15 none     Only the first byte has bit 7 set: there is
    2  6-0 pulse wave                                                      no checksum beyond that.
    3  6 bit 7 of the pulse rate · 5 searching · 4 by maker · 3-0 bar
    4  6-0 the rest of the pulse rate (255: none)
    5  6-0 SpO2 (127: none)

Contec's older devices also hand out their memory: three times F2 80 00, the number of bytes less one (three bytes of 7
bits), then three bytes for each second. Source: Berry BCI protocol V1.2, atbrask/CMS50Dplus (BSD).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from device_drivers.framing import NEED_MORE, Bad, FrameSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LIVE_SIZE = 5
PREAMBLE = b"\xf2\x80\x00" * 3
HEADER_SIZE = len(PREAMBLE) + 3
RECORD_SIZE = 3
START_DOWNLOAD = b"\xf5\xf5"
END_DOWNLOAD = b"\xf6\xf6\xf6"
NO_PULSE, NO_SPO2, NO_SIGNAL = 255, 127, 15

MAKERS: Mapping[str, Mapping[str, tuple[int, int]]] = {
    "berry": {"no_signal": (0, 0x10), "probe_unplugged": (0, 0x20), "no_finger": (2, 0x10), "searching": (2, 0x20)},
    "contec": {"finger_out": (0, 0x10), "spo2_dropping": (0, 0x20), "probe_error": (2, 0x10), "searching": (2, 0x20)},
}
"""By maker, what the flags mean: byte and bit."""


class Judge:
    """Tells live frames from a download of the memory; knows how much of a download is still to come."""

    def __init__(self) -> None:
        self.to_come = 0
        # Every byte is judged: bytes between frames tell another protocol from this one, whose frames are easy to find.
        self.spec = FrameSpec((b"",), self.check, HEADER_SIZE)

    def check(self, buffer: bytearray, start: int) -> int | Bad:
        """Judge what begins at `start`: a frame's size, NEED_MORE, or Bad ("out_of_step", "short" or "length")."""
        if buffer[start] < 0x80:
            return Bad("out_of_step", 1)
        if buffer[start] == PREAMBLE[0] and buffer.startswith(PREAMBLE[: len(buffer) - start], start):
            return self._header(buffer, start)
        if self.to_come and buffer[start] & 0xFE == 0xF0:
            return self._record(buffer, start)
        rest = buffer[start + 1 : start + LIVE_SIZE]
        if not rest.isascii():
            return Bad("short", 1 + next(n for n, byte in enumerate(rest) if byte & 0x80))
        if len(rest) < LIVE_SIZE - 1:
            return NEED_MORE
        self.to_come = 0
        return LIVE_SIZE

    def _header(self, buffer: bytearray, start: int) -> int | Bad:
        if len(buffer) - start < HEADER_SIZE:
            return NEED_MORE
        a, b, c = buffer[start + len(PREAMBLE) : start + HEADER_SIZE]
        length = ((a & 0x7F) << 14 | (b & 0x7F) << 7 | c & 0x7F) + 1
        if not (a & 0x80 and b & 0x80 and not c & 0x80) or length % RECORD_SIZE:
            return Bad("length", HEADER_SIZE, {"length": length})
        self.to_come = length // RECORD_SIZE
        return HEADER_SIZE

    def _record(self, buffer: bytearray, start: int) -> int | Bad:
        if len(buffer) - start < RECORD_SIZE:
            return NEED_MORE
        if not buffer[start + 1] & 0x80 or buffer[start + 2] & 0x80:
            return Bad("short", RECORD_SIZE)
        self.to_come -= 1
        return RECORD_SIZE


def live_facts(whole: bytes, maker: str) -> dict[str, Any]:
    """Everything a live frame says; None for the codes that stand for none."""
    pulse = (whole[2] & 0x40) << 1 | whole[3]
    return {
        "pr": None if pulse in {0, NO_PULSE} else pulse,
        "spo2": None if whole[4] in {0, NO_SPO2} else whole[4],
        "signal": None if whole[0] & 0x0F == NO_SIGNAL else whole[0] & 0x0F,
        "pleth": whole[1],
        "bar": whole[2] & 0x0F,
        "beep": bool(whole[0] & 0x40),
        **{name: bool(whole[byte] & bit) for name, (byte, bit) in MAKERS[maker].items()},
    }


def without_wave(whole: bytes) -> bytes:
    """The frame without wave, bar, signal and beep: only what the values and their quality follow from."""
    return bytes((whole[0] & 0xB0, 0, whole[2] & 0x70, whole[3], whole[4]))


def live(facts: Mapping[str, Any], maker: str = "berry") -> bytes:
    """The frame that says these facts; what is missing is none or false. Raises ValueError for what does not fit."""
    pulse, spo2, signal = facts.get("pr"), facts.get("spo2"), facts.get("signal")
    pulse = NO_PULSE if pulse is None else pulse
    out = [
        0x80 | (NO_SIGNAL if signal is None else signal) | (0x40 if facts.get("beep") else 0),
        facts.get("pleth", 0),
        facts.get("bar", 0) | (pulse & 0x80) >> 1,
        pulse & 0x7F,
        NO_SPO2 if spo2 is None else spo2,
    ]
    for name, (byte, bit) in MAKERS[maker].items():
        out[byte] |= bit if facts.get(name) else 0
    if not (0x80 <= out[0] <= 0xFF and all(0 <= one < 0x80 for one in out[1:]) and 0 <= pulse <= 0xFF):
        raise ValueError(f"{dict(facts)} does not fit in a frame")
    return bytes(out)


def record_values(whole: bytes) -> dict[str, float | None]:
    """Pulse rate and SpO2 of one stored second."""
    pulse, spo2 = (whole[0] & 1) << 7 | whole[1] & 0x7F, whole[2]
    return {
        "heart_rate": None if pulse in {0, NO_PULSE} else float(pulse),
        "spo2": None if spo2 in {0, NO_SPO2} else float(spo2),
    }


def download(records: Sequence[tuple[int, int]]) -> bytes:
    """What a device sends of its memory: pulse rate and SpO2 of each second. At least one record."""
    length = len(records) * RECORD_SIZE - 1
    header = PREAMBLE + bytes((0x80 | length >> 14, 0x80 | length >> 7 & 0x7F, length & 0x7F))
    return header + b"".join(bytes((0xF0 | pulse >> 7, 0x80 | pulse & 0x7F, spo2)) for pulse, spo2 in records)
