"""The TCP port over real loopback connections: limits on strangers, peers, bytes and silence. Time is pushed."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from device_drivers.transports.tcp_listener import Bucket, Connection, TcpListener, TcpOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

PATIENCE_S = 10.0


@dataclass
class Clock:
    now_s: float = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Recorder:
    """Takes what the listener gives; connections that send b"hello" are known."""

    data: dict[Connection, bytes] = field(default_factory=dict)
    ended: list[Connection] = field(default_factory=list)
    stamps: list[int] = field(default_factory=list)

    def received(self, connection: Connection, data: bytes, received_ns: int) -> None:
        self.data[connection] = self.data.get(connection, b"") + data
        self.stamps.append(received_ns)
        if data.startswith(b"hello"):
            connection.recognised()
            connection.write(b"welcome")

    def lost(self, connection: Connection) -> None:
        self.ended.append(connection)


@dataclass
class Port:
    listener: TcpListener
    recorder: Recorder
    clock: Clock
    address: tuple[str, int]
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def connect(self, say: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(*self.address)
        self.writers.append(writer)
        writer.write(say)
        return reader, writer

    async def known(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await self.connect(b"hello")
        assert await reader.readexactly(7) == b"welcome"
        return reader, writer


@contextlib.asynccontextmanager
async def listening(**options: Any) -> AsyncIterator[Port]:
    clock, recorder = Clock(), Recorder()
    listener = TcpListener(TcpOptions(**options), recorder, lambda: 42, clock)
    serving = asyncio.create_task(listener.serve())
    port = Port(listener, recorder, clock, await listener.listening())
    try:
        yield port
    finally:
        listener.stop()
        await serving
        for writer in port.writers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        await until(lambda: not listener.health.connections)


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        await asyncio.sleep(0.005)


async def ends(reader: asyncio.StreamReader) -> bytes:
    """What comes until the far side closes."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await reader.read()
    except ConnectionError:
        return b""


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


def test_bytes_go_both_ways_and_are_counted() -> None:
    async def scene() -> None:
        async with listening() as port:
            assert port.address[0] == "127.0.0.1"
            reader, writer = await port.known()
            writer.write(b"more")
            await until(lambda: list(port.recorder.data.values()) == [b"hellomore"])
            health = port.listener.health
            assert (health.listening, health.connections, health.accepted) == (True, 1, 1)
            assert (health.bytes_in, health.bytes_out) == (9, 7)
            assert set(port.recorder.stamps) == {42}
            writer.close()
            await until(lambda: len(port.recorder.ended) == 1)
            assert health.connections == 0
            (connection,) = port.recorder.ended
            assert not connection.open
            assert not connection.write(b"late")
            connection.close("late")
            assert not health.closed
            assert await ends(reader) == b""

    run(scene())


def test_a_stranger_has_little_time_and_a_known_device_much() -> None:
    async def scene() -> None:
        async with listening(recognise_s=20.0, idle_s=900.0) as port:
            stranger, _ = await port.connect(b"?")
            known, writer = await port.known()
            await until(lambda: port.listener.health.connections == 2)
            port.clock.now_s += 19
            port.listener.sweep()
            assert port.listener.health.closed == {}
            port.clock.now_s += 2
            port.listener.sweep()
            assert await ends(stranger) == b""
            port.clock.now_s += 870
            port.listener.sweep()
            writer.write(b"beat")
            await until(lambda: port.listener.health.bytes_in == 10)
            port.clock.now_s += 890
            port.listener.sweep()
            assert port.listener.health.closed == {"not_recognised": 1}
            port.clock.now_s += 20
            port.listener.sweep()
            assert await ends(known) == b""
            assert port.listener.health.closed == {"not_recognised": 1, "idle": 1}

    run(scene())


def test_a_peer_that_connects_too_often_is_refused_but_its_known_devices_are_not() -> None:
    async def scene() -> None:
        async with listening(strangers_per_minute=5) as port:
            for _ in range(30):  # a device that reconnects all the time costs its peer nothing
                _, writer = await port.known()
                writer.close()
            for _ in range(5):
                await port.connect(b"?")
            await until(lambda: port.listener.health.accepted == 35)
            refused, _ = await port.connect(b"hello")
            assert await ends(refused) == b""
            assert port.listener.health.refused == {"too_often": 1}
            port.clock.now_s += 13  # one more in twelve seconds
            await port.known()

    run(scene())


def test_the_oldest_stranger_makes_room() -> None:
    async def scene() -> None:
        async with listening(strangers=3) as port:
            await port.known()
            strangers = []
            for number in range(4):
                strangers.append((await port.connect(b"?"))[0])
                await until(lambda n=number: port.listener.health.bytes_in == 6 + n)  # type: ignore[misc]
            assert await ends(strangers[0]) == b""
            assert port.listener.health.closed == {"too_many_strangers": 1}
            await until(lambda: port.listener.health.connections == 4)

    run(scene())


def test_a_flood_is_slowed_down_and_nothing_of_it_is_lost() -> None:
    async def scene() -> None:
        async with listening(bytes_per_s=1_000, burst_bytes=10_000) as port:
            _, flooding = await port.known()
            _, other = await port.known()
            sent = bytes(range(256)) * 4_000  # a megabyte
            flooding.write(sent)
            await until(lambda: port.listener.health.slowed == 1)
            # The others go on.
            other.write(b"beat")
            await until(lambda: b"hellobeat" in port.recorder.data.values())
            taken = max(map(len, port.recorder.data.values()))
            assert taken < len(sent)
            port.listener.sweep()
            assert port.listener.health.slowed == 1
            for _ in range(200):
                port.clock.now_s += 1_000
                port.listener.sweep()
                await asyncio.sleep(0.001)
                if max(map(len, port.recorder.data.values())) == len(sent) + 5:
                    break
            await until(lambda: max(map(len, port.recorder.data.values())) == len(sent) + 5)
            assert b"hello" + sent in port.recorder.data.values()

    run(scene())


def test_a_device_that_does_not_read_is_dropped() -> None:
    async def scene() -> None:
        async with listening(max_unsent=1_000) as port:
            await port.known()
            (connection,) = port.recorder.data
            assert connection.write(b"")
            for _ in range(10_000):
                if not connection.write(b"x" * 1_000):
                    break
            assert port.listener.health.closed == {"unsent": 1}
            await until(lambda: len(port.recorder.ended) == 1)

    run(scene())


def test_a_port_in_use_is_tried_again(monkeypatch: Any) -> None:
    import device_drivers.transports.tcp_listener as module

    monkeypatch.setattr(module, "RETRY_MIN_S", 0.02)

    async def scene() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            listener = TcpListener(TcpOptions(port=taken.getsockname()[1]), Recorder())
            serving = asyncio.create_task(listener.serve())
            await until(lambda: listener.health.last_error is not None)
            assert not listener.health.listening
        await listener.listening()
        listener.stop()
        await serving
        assert not listener.health.listening
        # Stopped while it waits for a port.
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            listener = TcpListener(TcpOptions(port=taken.getsockname()[1]), Recorder())
            serving = asyncio.create_task(listener.serve())
            await until(lambda: listener.health.last_error is not None)
            listener.stop()
            await serving

    run(scene())


def test_peers_are_remembered_within_bounds() -> None:
    listener = TcpListener(TcpOptions(strangers_per_minute=1), Recorder(), monotonic=Clock())
    for number in range(5_000):
        assert listener._peer(f"10.0.{number // 256}.{number % 256}").take(1_000.0)
    assert len(listener._peers) == 2_048


def test_a_bucket_fills_steadily_and_never_by_a_clock_set_back() -> None:
    bucket = Bucket(2, 10.0, 0.0)
    assert [bucket.take(0.0) for _ in range(3)] == [True, True, False]
    assert bucket.take(5.0)
    assert not bucket.take(1.0)
    assert bucket.refill(1_000.0) == 2
