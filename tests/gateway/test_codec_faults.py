"""A codec that fails inside: what it was about is dropped and kept for diagnosis, and its source goes on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from device_drivers.codec import StreamCodec
from device_drivers.contract import DRIVER_FAULT
from device_drivers.observations import DeviceEvent
from device_drivers.transports.serial_line import Chunk, SerialHealth
from gateway.sources import SerialSource

if TYPE_CHECKING:
    from device_drivers.observations import Observation

NOW = 1_800_000_000 * 10**9


class Hoarder(StreamCodec):
    """Keeps its bytes itself and forgets them only when a whole frame has been read: a mistake comes back for ever."""

    family = "hoarder"

    def __init__(self, *, drops: bool = True) -> None:
        super().__init__("button")
        self.buffer = bytearray()
        self._drops = drops

    def feed(self, data: bytes, received_ns: int) -> list[Observation]:
        self.buffer += data
        if b"poison" in self.buffer:
            raise ZeroDivisionError("a programming error")
        found: list[Observation] = []
        while b"\n" in self.buffer:
            del self.buffer[: self.buffer.index(b"\n") + 1]
            found.append(DeviceEvent("button", "help_button", True, received_ns, received_ns))
        return found

    def drop(self) -> None:
        if not self._drops:
            raise RuntimeError("another mistake")
        self.buffer.clear()


class Line:
    """Gives each chunk in a batch of its own, then ends."""

    def __init__(self, *pieces: bytes) -> None:
        self.batches = [[Chunk(piece, NOW)] for piece in pieces] + [[]]
        self.health = SerialHealth(connected=True)

    async def take(self) -> list[Chunk]:
        return self.batches.pop(0)

    def write(self, data: bytes) -> bool:
        return bool(data)


def play(codec: Hoarder, *pieces: bytes) -> list[Observation]:
    offered: list[Observation] = []
    line: Any = Line(*pieces)

    def offer(observations: list[Observation], held: Any, then: Any = None) -> None:
        assert held is None
        assert then is None
        offered.extend(observations)

    asyncio.run(SerialSource(line, codec, offer).run())
    return offered


def test_a_codec_that_failed_forgets_what_it_failed_at_and_the_bytes_are_kept() -> None:
    codec = Hoarder()
    assert len(play(codec, b"press\npoi", b"son", b"press\n", b"press\npress\n")) == 4
    assert codec.health.rejected == {DRIVER_FAULT: 1}
    (kept,) = codec.rejections
    assert kept.raw == b"son"
    assert "ZeroDivisionError" in kept.detail["error"]


def test_a_codec_that_cannot_even_forget_does_not_end_its_line() -> None:
    codec = Hoarder(drops=False)
    assert len(play(codec, b"press\n", b"poison", b"press\n")) == 1
    assert codec.health.rejected == {DRIVER_FAULT: 4}
    assert codec.rejections[-2].raw == b"press\n"
