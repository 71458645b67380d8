"""A serial line: a real port, a pty or a `socket://host:port` server, read by a thread and reopened for ever."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import serial
from serial.urlhandler import protocol_socket

from device_drivers.transports.handover import Handover

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

READ_TIMEOUT_S = 0.2
WRITE_TIMEOUT_S = 1.0
MAX_READ = 4096
MAX_UNSENT = 16_384
"""Bytes that may wait for a far side that does not take them."""
PARITIES = {"none": serial.PARITY_NONE, "odd": serial.PARITY_ODD, "even": serial.PARITY_EVEN}


@dataclass(frozen=True, slots=True)
class SerialOptions:
    """url: device path or pyserial URL. baud: bits per second. parity: one of PARITIES. reopen_*: back-off in seconds,
    doubled each time.
    """

    url: str
    baud: int = 115_200
    parity: str = "none"
    reopen_min_s: float = 0.5
    reopen_max_s: float = 5.0
    capacity: int = 4096


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes as they came, and when. `opened` marks the first (empty) chunk after the line was opened."""

    data: bytes
    received_ns: int
    opened: bool = False


@dataclass(slots=True)
class SerialHealth:
    """Counters of one line; `connected` is the state now, `last_error` the latest reason for losing it.

    refused: writes for which there was no room, because the far side takes nothing.
    """

    connected: bool = False
    opens: int = 0
    failures: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    dropped: int = 0
    refused: int = 0
    last_byte_ns: int | None = None
    last_error: str | None = None


class SerialLine:
    """Reads a line in a thread. `take()` gives chunks, `write()` sends; a lost port is reopened with back-off."""

    def __init__(
        self, options: SerialOptions, loop: asyncio.AbstractEventLoop, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self.options = options
        self.health = SerialHealth()
        self._clock = clock
        self._inbox: Handover[Chunk] = Handover(loop, options.capacity)
        self._stopping = threading.Event()
        self._port: serial.SerialBase | None = None
        self._unsent = bytearray()
        self._unsent_lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"serial {options.url}", daemon=True)

    def start(self) -> None:
        """Start reading; the port need not exist yet."""
        self._thread.start()

    async def take(self) -> list[Chunk]:
        """Wait for chunks; an empty list means that the line was stopped."""
        return await self._inbox.take()

    def write(self, data: bytes) -> bool:
        """Have it sent by the line's thread; False when the line is down or too much waits already (counted)."""
        if self._port is None or not data:
            return False
        with self._unsent_lock:
            fits = len(self._unsent) + len(data) <= MAX_UNSENT
            if fits:
                self._unsent += data
        if not fits:
            self.health.refused += 1
        return fits

    def stop(self) -> None:
        """Close the port and end the thread."""
        self._stopping.set()
        self._inbox.close()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        delay = self.options.reopen_min_s
        while not self._stopping.is_set():
            before = self.health.bytes_in
            try:
                self._read_until_lost()
            except Exception as error:  # noqa: BLE001 - termios has an error of its own; none may end the line for good
                self._failed(error)
            if self.health.bytes_in > before:
                delay = self.options.reopen_min_s
            if self._stopping.wait(delay):
                return
            delay = min(delay * 2, self.options.reopen_max_s)

    def _read_until_lost(self) -> None:
        with _open(self.options) as port:
            self._port = port
            self.health.connected, self.health.opens = True, self.health.opens + 1
            self._inbox.put(Chunk(b"", self._clock(), opened=True), wait_s=1.0)
            try:
                while not self._stopping.is_set():
                    self._send(port)
                    self._read_once(port)
            finally:
                self._port, self.health.connected = None, False
                with self._unsent_lock:  # what was meant for this connection is not for the next
                    self._unsent.clear()

    def _send(self, port: serial.SerialBase) -> None:
        """Write what waits. A far side that takes nothing within the time limit loses it, and the line goes on."""
        if not self._unsent:
            return
        with self._unsent_lock:
            data = bytes(self._unsent)
            self._unsent.clear()
        try:
            port.write(data)
        except serial.SerialTimeoutException as error:
            self._failed(error)
        else:
            self.health.bytes_out += len(data)

    def _read_once(self, port: serial.SerialBase) -> None:
        data = bytes(port.read(1))
        if not data:
            return
        waiting = min(int(getattr(port, "in_waiting", 0)), MAX_READ)
        if waiting:
            data += port.read(waiting)
        now = self._clock()
        self.health.bytes_in += len(data)
        self.health.last_byte_ns = now
        if not self._inbox.put(Chunk(data, now), wait_s=1.0):
            self.health.dropped += 1

    def _failed(self, error: Exception) -> None:
        self.health.failures += 1
        self.health.last_error = f"{type(error).__name__}: {error}"


class _SocketPort(protocol_socket.Serial):
    """A serial server over TCP: it may speak at once, and pyserial drops what came in before the port was open."""

    def reset_input_buffer(self) -> None:
        """Keep what came."""


def _open(options: SerialOptions) -> serial.SerialBase:
    over_tcp = options.url.lower().startswith("socket://")
    kind = _SocketPort if over_tcp else serial.serial_for_url
    return kind(
        options.url,
        baudrate=options.baud,
        parity=PARITIES[options.parity],
        timeout=READ_TIMEOUT_S,
        write_timeout=WRITE_TIMEOUT_S,
    )
