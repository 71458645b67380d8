"""Finds frames in a byte stream: head, length, checks, tail; and finds its way back after noise.

A family describes its frame by a `FrameSpec`: the bytes it begins with and a function that judges what stands
there. The `Framer` does the rest, once for all families: it searches heads, waits for more bytes, cuts out frames
and, whenever something is wrong, goes on *one byte* after the false start, so that a true frame that begins inside
the damaged one is found. The result does not depend on how the stream was cut into chunks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from device_drivers.codec import CodecHealth

BUFFER_LIMIT = 4096
"""Most bytes a framer keeps at any time."""
SLICE = BUFFER_LIMIT // 2
NEED_MORE = 0


@dataclass(frozen=True, slots=True)
class Bad:
    """What stands here is no good frame: why, how many bytes to keep for diagnosis, and the facts.

    `size` must follow from the bytes already judged, never from how many happen to be in the buffer.
    """

    reason: str
    size: int
    detail: Mapping[str, Any] = field(default_factory=dict)


class Refuse(Protocol):
    """Takes a rejection; `Codec.reject` is one."""

    def __call__(self, reason: str, raw: bytes, **detail: Any) -> None: ...


@dataclass(frozen=True, slots=True)
class FrameSpec:
    """How a family's frames begin and how to judge one.

    heads: byte strings a frame may begin with; `(b"",)` where any byte may be the first (fixed-size frames).
    check(buffer, start): given the buffer and where a head stands, the frame's size in bytes, or `NEED_MORE` (0),
        or `Bad`. It must give the same verdict whatever follows the frame.
    max_size: the longest frame; at most 2,048 bytes.
    """

    heads: tuple[bytes, ...]
    check: Callable[[bytearray, int], int | Bad]
    max_size: int

    def __post_init__(self) -> None:
        if not 0 < self.max_size <= SLICE:
            raise ValueError(f"a frame of {self.max_size} bytes does not fit: give max_size of 1 to {SLICE}")
        if not self.heads:
            raise ValueError("give at least one head; (b'',) where any byte may begin a frame")


class Framer:
    """Cuts a byte stream into frames; counts frames, rejections and skipped bytes in `health`."""

    def __init__(self, spec: FrameSpec, health: CodecHealth, refuse: Refuse) -> None:
        self._spec = spec
        self._health = health
        self._refuse = refuse
        self._buffer = bytearray()
        self._find = _finder(spec.heads)
        self._longest_head = max(map(len, spec.heads))

    @property
    def pending(self) -> int:
        """Bytes of an unfinished frame that wait for more."""
        return len(self._buffer)

    def rest(self) -> bytes:
        """The bytes of an unfinished frame, taken out: nothing more will come."""
        left = bytes(self._buffer)
        self._buffer.clear()
        return left

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that these bytes complete, whole, in order. Where `check` raises, the buffer is dropped."""
        frames: list[bytes] = []
        try:
            for start in range(0, len(data), SLICE):
                self._buffer += data[start : start + SLICE]
                self._scan(frames)
        except Exception:
            self._buffer.clear()  # or the same bytes would fail again and again
            raise
        return frames

    def _scan(self, frames: list[bytes]) -> None:
        buffer, at, end = self._buffer, 0, len(self._buffer)
        while at < end:
            head = self._find(buffer, at)
            if head > at:
                self._health.skipped_bytes += head - at
                at = head
            if at >= end:
                break
            verdict = self._judge(at, end - at)
            if isinstance(verdict, Bad):
                self._refuse(verdict.reason, bytes(buffer[at : at + verdict.size]), **verdict.detail)
                self._health.skipped_bytes += 1
                at += 1
            elif verdict == NEED_MORE:
                break
            else:
                frames.append(bytes(buffer[at : at + verdict]))
                self._health.frames += 1
                at += verdict
        del buffer[:at]

    def _judge(self, at: int, available: int) -> int | Bad:
        # What was found is a whole head, or the part of one at the very end.
        if available < self._longest_head and not self._buffer.startswith(self._spec.heads, at):
            return NEED_MORE
        verdict = self._spec.check(self._buffer, at)
        if isinstance(verdict, Bad):
            return verdict
        # A frame that never ends would hold up every later one: the spec's own limit is enforced here as well.
        if verdict > self._spec.max_size or (verdict == NEED_MORE and available >= self._spec.max_size):
            return Bad("too_long", min(16, self._spec.max_size))
        return verdict if verdict <= available else NEED_MORE


def _finder(heads: tuple[bytes, ...]) -> Callable[[bytearray, int], int]:
    """A search that gives where the next head, or the part of one at the very end, stands; else the end."""
    single = heads[0] if len(heads) == 1 else None
    # One set for all heads of a single byte: a choice of a hundred would be tried one by one at every byte.
    first_bytes = b"".join(re.escape(head) for head in heads if len(head) == 1)
    choices = [re.escape(head) for head in heads if len(head) != 1] + (
        [b"[" + first_bytes + b"]"] if first_bytes else []
    )
    pattern = re.compile(b"|".join(choices), re.DOTALL)

    unfinished = [
        (n, tuple(head[:n] for head in heads if n < len(head))) for n in range(max(map(len, heads)) - 1, 0, -1)
    ]

    whole = frozenset(head[0] for head in heads if len(head) == 1)

    def find(buffer: bytearray, at: int) -> int:
        if buffer[at] in whole:
            return at
        if single is not None:
            found = buffer.find(single, at)
        else:
            match = pattern.search(buffer, at)
            found = match.start() if match else -1
        if found >= 0:
            return found
        rest = next((n for n, begun in unfinished if buffer.endswith(begun)), 0)
        return max(at, len(buffer) - rest)

    return find


def sum8(data: bytes | bytearray) -> int:
    """Sum of the bytes, low 8 bits: finds every single flipped bit, not every exchange of bytes."""
    return sum(data) & 0xFF
