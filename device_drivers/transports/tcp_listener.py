"""A TCP port that devices connect to from outside: bounded in every direction, because anybody can reach it.

A connection is a stranger until its owner calls `recognised`. Strangers have little time, there are few of them at a
time, and each peer may make only so many in a minute; a recognised device costs its peer nothing, so that watches
behind one address of a mobile network do not block each other. A connection that sends too fast is not read for a
while, which slows the sender down; nothing is lost by it. All times are monotonic seconds from `monotonic`.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Callable

KEPT_PEERS = 2_048
RETRY_MIN_S, RETRY_MAX_S = 1.0, 30.0
BACKLOG = 128


@dataclass(frozen=True, slots=True)
class TcpOptions:
    """Where to listen, and the limits.

    strangers: most unrecognised connections at a time; a further one replaces the oldest. strangers_per_minute: of one
    peer address. bytes_per_s, burst_bytes: of one connection. recognise_s: time to be recognised. idle_s: silence of a
    recognised connection. max_unsent: bytes that may wait to be sent to a device that does not read.
    """

    host: str = "127.0.0.1"
    port: int = 0
    strangers: int = 256
    strangers_per_minute: int = 240
    bytes_per_s: int = 4_096
    burst_bytes: int = 65_536
    recognise_s: float = 20.0
    idle_s: float = 900.0
    max_unsent: int = 16_384


@dataclass(slots=True)
class TcpHealth:
    """Counters. refused: connections not taken; closed: connections ended by us; both by reason."""

    listening: bool = False
    connections: int = 0
    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    closed: Counter[str] = field(default_factory=Counter)
    slowed: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    last_error: str | None = None


class Owner(Protocol):
    """Who uses the listener."""

    def received(self, connection: Connection, data: bytes, received_ns: int) -> None:
        """Bytes came on a connection."""

    def lost(self, connection: Connection) -> None:
        """A connection has ended."""


@dataclass(slots=True)
class Bucket:
    """Tokens that come back at a steady rate: `capacity` of them in `period_s`. now_s: seconds."""

    capacity: float
    period_s: float
    now_s: float
    level: float = field(init=False)

    def __post_init__(self) -> None:
        self.level = self.capacity

    def refill(self, now_s: float) -> float:
        """The level now."""
        gone = max(0.0, now_s - self.now_s)
        self.level = min(self.capacity, self.level + gone * self.capacity / self.period_s)
        self.now_s = now_s
        return self.level

    def take(self, now_s: float) -> bool:
        """Take one token if there is one."""
        if self.refill(now_s) < 1:
            return False
        self.level -= 1
        return True


class Connection(asyncio.Protocol):
    """One device's connection, or a stranger's."""

    def __init__(self, listener: TcpListener) -> None:
        self.peer = ""
        self.known = False
        self.opened_s = self.heard_s = listener.monotonic()
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        options = listener.options
        self._room = Bucket(options.burst_bytes, options.burst_bytes / options.bytes_per_s, self.opened_s)
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        name = transport.get_extra_info("peername")
        self.peer = str(name[0]) if name else ""
        if not self._listener.welcome(self):
            self._transport.abort()
            self._transport = None

    def data_received(self, data: bytes) -> None:
        if self._transport is None:
            return
        listener = self._listener
        self.heard_s = listener.monotonic()
        listener.health.bytes_in += len(data)
        self._room.refill(self.heard_s)
        self._room.level -= len(data)
        if self._room.level < 0 and not self._paused:
            self._paused = True
            listener.health.slowed += 1
            self._transport.pause_reading()
        listener.owner.received(self, data, listener.clock())

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - part of the contract
        self._transport = None
        self._listener.gone(self)

    @property
    def open(self) -> bool:
        """Whether it can be written to."""
        return self._transport is not None and not self._transport.is_closing()

    def recognised(self) -> None:
        """The device behind it is one of ours."""
        self.known = True
        self._listener.welcome_back(self)

    def write(self, data: bytes) -> bool:
        """Send; False when it is closed, or is closed now because the device does not read."""
        if self._transport is None or self._transport.is_closing():
            return False
        if not data:
            return True
        if self._transport.get_write_buffer_size() + len(data) > self._listener.options.max_unsent:
            self.close("unsent")
            return False
        self._transport.write(data)
        self._listener.health.bytes_out += len(data)
        return True

    def close(self, reason: str) -> None:
        """End it, counted by reason. What was written before is still sent, except to one that does not read."""
        if self._transport is None or self._transport.is_closing():
            return
        self._listener.health.closed[reason] += 1
        if reason == "unsent":
            self._transport.abort()
        else:
            self._transport.close()

    def sweep(self, now_s: float) -> None:
        """Read on if it was paused long enough; end it if its time is over."""
        if self._paused and self._transport is not None and self._room.refill(now_s) >= 0:
            self._paused = False
            self.heard_s = now_s  # it was us who did not listen
            self._transport.resume_reading()
        options = self._listener.options
        if not self.known and now_s - self.opened_s > options.recognise_s:
            self.close("not_recognised")
        elif self.known and not self._paused and now_s - self.heard_s > options.idle_s:
            self.close("idle")


class TcpListener:
    """The port and its connections. `serve()` runs until `stop()`; call `sweep()` about once a second."""

    def __init__(
        self,
        options: TcpOptions,
        owner: Owner,
        clock: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.options = options
        self.owner = owner
        self.clock = clock
        self.monotonic = monotonic
        self.health = TcpHealth()
        self._connections: OrderedDict[Connection, None] = OrderedDict()
        self._peers: OrderedDict[str, Bucket] = OrderedDict()
        self._server: asyncio.Server | None = None
        self._stopping = asyncio.Event()
        self._listening = asyncio.Event()

    async def serve(self) -> None:
        """Listen until stopped; a port that cannot be had now is tried again, with back-off."""
        delay = RETRY_MIN_S
        while not self._stopping.is_set():
            try:
                self._server = await self._listen()
            except OSError as error:
                self.health.last_error = f"{type(error).__name__}: {error}"
                await self._pause(delay)
                delay = min(2 * delay, RETRY_MAX_S)
                continue
            self.health.listening = True
            self._listening.set()
            await self._stopping.wait()
        self.health.listening = False

    async def listening(self) -> tuple[str, int]:
        """Wait until the port is open; host and port, the real one where 0 was asked for."""
        await self._listening.wait()
        if self._server is None:
            raise RuntimeError("the listener has been stopped")
        host, port = self._server.sockets[0].getsockname()[:2]
        return str(host), int(port)

    def stop(self) -> None:
        """Close the port and every connection."""
        self._stopping.set()
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._connections):
            connection.close("stopped")

    def sweep(self) -> None:
        """Close what is idle or was never recognised, read on where a sender was slowed down."""
        now_s = self.monotonic()
        for connection in list(self._connections):
            connection.sweep(now_s)

    def welcome(self, connection: Connection) -> bool:
        """Whether a new connection is taken; called by it."""
        if self._stopping.is_set():
            return False
        if not self._peer(connection.peer).take(self.monotonic()):
            self.health.refused["too_often"] += 1
            return False
        strangers = [one for one in self._connections if not one.known]
        if len(strangers) >= self.options.strangers:
            strangers[0].close("too_many_strangers")
        self._connections[connection] = None
        self.health.accepted += 1
        self.health.connections = len(self._connections)
        return True

    def welcome_back(self, connection: Connection) -> None:
        """A recognised device costs its peer nothing; called by the connection."""
        bucket = self._peer(connection.peer)
        bucket.level = min(bucket.capacity, bucket.level + 1)

    def gone(self, connection: Connection) -> None:
        """Forget a connection; called by it."""
        if self._connections.pop(connection, self) is self:
            return
        self.health.connections = len(self._connections)
        self.owner.lost(connection)

    def _peer(self, peer: str) -> Bucket:
        bucket = self._peers.get(peer)
        if bucket is None:
            bucket = self._peers[peer] = Bucket(self.options.strangers_per_minute, 60.0, self.monotonic())
            if len(self._peers) > KEPT_PEERS:
                self._peers.popitem(last=False)
        self._peers.move_to_end(peer)
        return bucket

    async def _listen(self) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        options = self.options

        def made() -> Any:
            return Connection(self)

        return await loop.create_server(made, options.host, options.port, backlog=BACKLOG, reuse_address=True)

    async def _pause(self, delay_s: float) -> None:
        try:
            async with asyncio.timeout(delay_s):
                await self._stopping.wait()
        except TimeoutError:
            return
