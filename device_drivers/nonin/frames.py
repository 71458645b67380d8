"""Finds the frames of Nonin's serial formats 2, 7, 8 and 13, the commands, and lines of text, and tells them apart.

    2   01 · status · pulse wave · value · sum of the four             75/s, 25 frames are a packet
    7   status · pulse wave (2) · value · sum of the four              75/s, 25 frames are a packet
    8   1... .... · 0 rate · 0 SpO2 · 0 status                         1/s, no checksum
    13  00 02 00 0D · length (2) · data · sum of the data · 03         one for each measurement
        02 70|72|F2 · length · data · 03; 06 ACK, 15 NAK               commands and their answers
        SPO2=097 HR=072 and line end                                   desk units, 1/s

After two frames of one format in a row (with good sums, or sensible ones of format 8) the format counts as known, and
then no other but 13 is looked for until it no longer fits. Source: Nonin 9560 Bluetooth specification, OEM III
specification.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from device_drivers.framing import NEED_MORE, Bad, FrameSpec, sum8

if TYPE_CHECKING:
    from device_drivers.codec import CodecHealth

FRAME_2, FRAME_7, FRAME_8, FRAME_13, COMMAND, ANSWER, TEXT = 2, 7, 8, 13, 100, 101, 102
SIZE_2_7, SIZE_8 = 5, 4
HEAD_2 = 0x01
HEAD_13 = b"\x00\x02\x00\x0d"
LEAST_13, MOST_13 = 14, 64
ACK, NAK, STX, ETX = 0x06, 0x15, 0x02, 0x03
OPERATIONS = {0x70, 0x72, 0xF2}
MOST_COMMAND = 8
LINE_HEAD = b"SPO2="
MOST_LINE = 64
FORGET_AFTER = 60
"""Refusals in a row after which the format counts as unknown again."""
NO_RATE, NO_SPO2 = 511, 127
_UNKNOWN_OR_2 = (None, FRAME_2)
_HEADS = (LINE_HEAD, *(bytes((one,)) for one in (0x00, 0x01, STX, ACK, NAK, *range(0x80, 0x100))))


class Judge:
    """Judges frames, and remembers the format, and what each accepted frame is.

    accepted: for each frame that was found, its format and whether it follows the one before without a gap; the codec
    takes them out.
    """

    def __init__(self, health: CodecHealth) -> None:
        self.format: int | None = None
        self.accepted: list[tuple[int, bool]] = []
        self.spec = FrameSpec(_HEADS, self.check, 6 + MOST_13 + 2)
        self._health = health
        self._skipped = 0
        self._misses = 0
        self._last: int | None = None

    def forget(self) -> None:
        """The line was opened anew: another device may be on it, or the format may have been changed."""
        self.format = self._last = None

    def check(self, buffer: bytearray, start: int) -> int | Bad:
        """The size of the frame that begins at `start`, NEED_MORE, or Bad."""
        kind, verdict = self._look(buffer, start)
        if isinstance(verdict, Bad):
            self._misses += 1
            if self._misses > FORGET_AFTER:
                self.format = None
        elif verdict != NEED_MORE:
            self._accept(kind)
        return verdict

    def accept_rest(self, rest: bytes) -> int:
        """At the end of a capture: the size of a frame of format 8 that waited for a second one, else 0."""
        if self.format not in {None, FRAME_8} or _pattern_8(bytearray(rest), 0) != SIZE_8:
            return 0
        self._accept(FRAME_8)
        return SIZE_8

    def _accept(self, kind: int) -> None:
        skipped = self._health.skipped_bytes
        follows = skipped == self._skipped
        if kind == FRAME_8 or (kind in {FRAME_2, FRAME_7} and follows and kind == self._last):
            self.format = kind
        self._misses, self._last, self._skipped = 0, kind, skipped
        self.accepted.append((kind, follows))

    def _look(self, buffer: bytearray, start: int) -> tuple[int, int | Bad]:
        first = buffer[start]
        if first >= 0x80:
            return self._look_high(buffer, start)
        if first == HEAD_13[0]:
            return FRAME_13, _check_13(buffer, start)
        if first == HEAD_2 and self.format in _UNKNOWN_OR_2:
            return FRAME_2, _check_2(buffer, start)
        if self.format is not None:
            return 0, Bad("out_of_step", 1)
        match first:
            case 0x02:
                return COMMAND, _check_command(buffer, start)
            case 0x06 | 0x15:
                return ANSWER, 1
        return TEXT, _check_line(buffer, start)

    def _look_high(self, buffer: bytearray, start: int) -> tuple[int, int | Bad]:
        """Format 7 or 8: both begin with bit 7 set."""
        match self.format:
            case 8:
                pattern = _pattern_8(buffer, start)
                fits = pattern != SIZE_8 or _sensible_8(buffer, start)
                return FRAME_8, pattern if fits else Bad("pattern", SIZE_8)
            case 7:
                return FRAME_7, _check_sum(buffer, start)
            case 2:
                return 0, Bad("out_of_step", 1)
        pattern = _pattern_8(buffer, start)
        if isinstance(pattern, Bad) or not pattern or not _sensible_8(buffer, start):
            return FRAME_7, _check_sum(buffer, start)
        if len(buffer) - start < SIZE_2_7:
            return FRAME_7, NEED_MORE
        if _check_sum(buffer, start) == SIZE_2_7:
            return FRAME_7, SIZE_2_7
        following = _pattern_8(buffer, start + SIZE_8)
        if following == SIZE_8 and not _sensible_8(buffer, start + SIZE_8):
            following = Bad("pattern", SIZE_8)
        return FRAME_8, SIZE_8 if following == SIZE_8 else following


def _check_2(buffer: bytearray, start: int) -> int | Bad:
    if len(buffer) - start < 2:
        return NEED_MORE
    if not buffer[start + 1] & 0x80:
        return Bad("header", 2)
    return _check_sum(buffer, start)


def _check_sum(buffer: bytearray, start: int) -> int | Bad:
    if len(buffer) - start < SIZE_2_7:
        return NEED_MORE
    expected, found = sum8(buffer[start : start + 4]), buffer[start + 4]
    if expected != found:
        return Bad("checksum", SIZE_2_7, {"expected": f"{expected:02X}", "found": f"{found:02X}"})
    return SIZE_2_7


def _check_13(buffer: bytearray, start: int) -> int | Bad:
    if not buffer.startswith(HEAD_13[: len(buffer) - start], start):
        return Bad("header", 1)
    if len(buffer) - start < 6:
        return NEED_MORE
    length = int.from_bytes(buffer[start + 4 : start + 6], "big")
    if not LEAST_13 <= length <= MOST_13:
        return Bad("length", 6, {"length": length})
    end = start + 6 + length + 2
    if len(buffer) < end:
        return NEED_MORE
    expected, found = sum8(buffer[start + 6 : end - 2]), buffer[end - 2]
    if expected != found or buffer[end - 1] != ETX:
        return Bad("checksum", end - start, {"expected": f"{expected:02X}", "found": f"{found:02X}"})
    return end - start


def _check_command(buffer: bytearray, start: int) -> int | Bad:
    if len(buffer) - start < 3:
        return NEED_MORE
    size = buffer[start + 2]
    if buffer[start + 1] not in OPERATIONS or size > MOST_COMMAND:
        return Bad("header", 3)
    end = start + 3 + size + 1
    if len(buffer) < end:
        return NEED_MORE
    return end - start if buffer[end - 1] == ETX else Bad("tail", end - start)


def _check_line(buffer: bytearray, start: int) -> int | Bad:
    for at in range(start, min(len(buffer), start + MOST_LINE)):
        if buffer[at] in b"\r\n":
            return at + 1 - start
        if not 0x20 <= buffer[at] < 0x7F:
            return Bad("text", at + 1 - start)
    return NEED_MORE if len(buffer) - start < MOST_LINE else Bad("text", MOST_LINE)


def _pattern_8(buffer: bytearray, start: int) -> int | Bad:
    for at in range(start, start + SIZE_8):
        if at >= len(buffer):
            return NEED_MORE
        if (buffer[at] >= 0x80) != (at == start):
            return Bad("pattern", at - start + 1)
    return SIZE_8


def _sensible_8(buffer: bytearray, start: int) -> bool:
    """Whether a frame of format 8 says what an oximeter can say: else it may be a piece of another format."""
    rate, spo2, status = (buffer[start] & 3) << 7 | buffer[start + 1], buffer[start + 2], buffer[start + 3]
    return (rate == NO_RATE or 18 <= rate <= 321) and (spo2 == NO_SPO2 or 20 <= spo2 <= 100) and status & ~0x2F == 0
