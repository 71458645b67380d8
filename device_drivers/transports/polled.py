"""A device that must be asked again and again: a thread asks, each answer becomes one chunk of bytes.

It stands where a serial line stands: `take()` gives chunks. What differs is only how one question is asked.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from device_drivers.transports.handover import Handover
from device_drivers.transports.serial_line import Chunk, SerialHealth

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class AskError(OSError):
    """One question was not answered as it should be; the text says how."""


@dataclass(frozen=True, slots=True)
class PollOptions:
    """url: whom to ask. period_s: pause after each answer; after a failure it doubles up to `longest_s`."""

    url: str
    period_s: float = 1.0
    timeout_s: float = 3.0
    longest_s: float = 30.0
    capacity: int = 4096

    def __post_init__(self) -> None:
        if not (0 < self.period_s <= 3600 and 0 < self.timeout_s <= 60):
            raise ValueError(f"period_s {self.period_s} or timeout_s {self.timeout_s}: give seconds above 0")


class PolledLine(ABC):
    """Asks in a thread until `stop()`. `health.connected` tells whether the last question was answered."""

    def __init__(
        self, options: PollOptions, loop: asyncio.AbstractEventLoop, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self.options = options
        self.health = SerialHealth()
        self._clock = clock
        self._inbox: Handover[Chunk] = Handover(loop, options.capacity)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"poll {options.url}", daemon=True)

    @abstractmethod
    def _ask(self) -> bytes:
        """One question: the bytes of the answer. Raises AskError or another OSError."""

    @abstractmethod
    def _hang_up(self) -> None:
        """Close what a failed question may have left open; called in the thread."""

    def start(self) -> None:
        """Start asking; the device need not be there yet."""
        self._thread.start()

    async def take(self) -> list[Chunk]:
        """Wait for answers; an empty list means that the line was stopped."""
        return await self._inbox.take()

    def write(self, data: bytes) -> bool:  # noqa: ARG002 - as a serial line
        """Nothing can be sent but the question."""
        return False

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        self._inbox.close()
        if self._thread.is_alive():
            self._thread.join(timeout=self.options.timeout_s + 5)

    def _run(self) -> None:
        pause = self.options.period_s
        while not self._stopping.is_set():
            try:
                answer = self._ask()
            except OSError as error:
                self._failed(error)
                pause = min(pause * 2, self.options.longest_s)
            else:
                self._answered(answer)
                pause = self.options.period_s
            self._stopping.wait(pause)
        self._hang_up()
        self.health.connected = False

    def _answered(self, answer: bytes) -> None:
        health, now = self.health, self._clock()
        if not health.connected:
            health.connected, health.opens = True, health.opens + 1
            self._inbox.put(Chunk(b"", now, opened=True), wait_s=1.0)
        health.bytes_in += len(answer)
        health.last_byte_ns = now
        if not self._inbox.put(Chunk(answer, now), wait_s=1.0):
            health.dropped += 1

    def _failed(self, error: OSError) -> None:
        self._hang_up()
        self.health.connected = False
        self.health.failures += 1
        self.health.last_error = f"{type(error).__name__}: {error}"
