"""Devices at the TCP port: recognised by their first bytes, let in by the registry, answered, told apart, commanded."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from device_drivers.codec import UnknownCommandError
from device_drivers.jt808.frames import Frame, phone
from device_drivers.jt808.frames import encode as jt808_frame
from device_drivers.minifinder import frames as minifinder
from device_drivers.minifinder import items
from device_drivers.observations import DeviceEvent, Observation, Samples
from device_drivers.registry import find_driver
from device_drivers.transports.tcp_listener import TcpOptions
from gateway.box_health import source_item
from gateway.registry import Device
from gateway.tcp_source import FLAPPING_PER_MINUTE, MOST_PER_MINUTE, TcpSource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

PATIENCE_S = 10.0
NOW = 1_790_000_000_000_000_000
WATCH, IMEI, NUMBER = "9032074659", "863921031234567", "013912345678"
DEVICES = (
    Device(WATCH, "watch_3g"),
    Device(IMEI, "minifinder2"),
    Device("watch-of-mrs-wang", "jt808", options={"identity": NUMBER.lstrip("0")}),
    Device("radar", "micradar"),
    Device("lost", "no_such_family"),
    Device("1234567890", "watch_3g", active=False),
)
SOS = f"[3G*{WATCH}*0056*AL,010170,000000,A,31.230000,N,121.470000,E,0,0,0,9,64,80,5,0,00010000,0,0]".encode()
LK = f"[3G*{WATCH}*0002*LK]".encode()


@dataclass
class Gateway:
    """Collects what is offered; what shall follow a commit follows when `commit` is called."""

    source: TcpSource
    now_s: list[float]
    offered: list[Observation] = field(default_factory=list)
    waiting: list[Callable[[], None]] = field(default_factory=list)
    address: tuple[str, int] = ("", 0)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    def commit(self) -> None:
        for act in self.waiting:
            act()
        self.waiting.clear()

    async def connect(self, say: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(*self.address)
        self.writers.append(writer)
        writer.write(say)
        return reader, writer

    def said(self, signal: str) -> list[Any]:
        return [one.value for one in self.offered if not isinstance(one, Samples) and one.signal == signal]


@contextlib.asynccontextmanager
async def gateway(**options: Any) -> AsyncIterator[Gateway]:
    now_s = [1_000.0]
    made: Gateway

    def offer(observations: list[Observation], held: Any, then: Callable[[], None] | None = None) -> None:
        assert held is None
        made.offered += observations
        if then is not None:
            made.waiting.append(then)

    families = [find_driver(name) for name in ("watch_3g", "minifinder", "jt808")]
    source = TcpSource(TcpOptions(**options), families, offer, lambda: NOW, lambda: now_s[0])
    made = Gateway(source, now_s)
    source.allow(DEVICES)
    source.start()
    running = asyncio.create_task(source.run())
    made.address = await source.listener.listening()
    try:
        yield made
    finally:
        source.stop()
        await running
        for writer in made.writers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        await until(lambda: not source.listener.health.connections)


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        await asyncio.sleep(0.005)


async def ends(reader: asyncio.StreamReader) -> bytes:
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await reader.read()
    except ConnectionError:
        return b""


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


def test_three_families_on_one_port() -> None:
    async def scene() -> None:
        async with gateway() as site:
            reader, _ = await site.connect(b"\r\n" + LK)
            assert await reader.readexactly(len(LK)) == LK
            pendant = minifinder.encode(
                minifinder.DATA, [items.imei_item(IMEI), items.status_item(NOW // 10**9, 88)], 1, 16
            )
            reader, _ = await site.connect(pendant)
            assert await reader.readexactly(11) == minifinder.encode(minifinder.RESPONSE, [(0, b"")], 1)
            reader, _ = await site.connect(jt808_frame(Frame(2, phone(NUMBER), 1, b"")))
            answer = jt808_frame(Frame(0x8001, phone(NUMBER), 1, b"\0\x01\0\x02\0"))
            assert await reader.readexactly(len(answer)) == answer
            assert {one.device_id for one in site.offered} == {WATCH, IMEI, "watch-of-mrs-wang"}
            assert site.source.online == 3
            assert site.source.codec.health.frames == 3
            assert site.source.codec.health.last_frame_ns == NOW

    run(scene())


def test_the_answer_to_an_alarm_waits_for_the_commit_and_a_heartbeat_does_not() -> None:
    async def scene() -> None:
        async with gateway() as site:
            reader, writer = await site.connect(SOS)
            await until(lambda: site.said("help_button") == [True])
            writer.write(LK)
            assert await reader.readexactly(len(LK)) == LK
            assert len(site.waiting) == 1
            site.commit()
            assert await reader.readexactly(23) == f"[3G*{WATCH}*0002*AL]".encode()

    run(scene())


def test_a_frame_in_pieces_is_recognised_once_it_is_whole() -> None:
    async def scene() -> None:
        async with gateway() as site:
            reader, writer = await site.connect()
            for at in range(len(SOS)):
                writer.write(SOS[at : at + 1])
                await writer.drain()
            await until(lambda: site.said("help_button") == [True])
            site.commit()
            assert (await reader.readexactly(23)).endswith(b"*AL]")

    run(scene())


def test_strangers_are_sent_away_and_named() -> None:
    async def scene() -> None:
        async with gateway() as site:
            for say, reason in (
                (b"GET / HTTP/1.1\r\n\r\n", "no_family"),
                (SOS.replace(WATCH.encode(), b"1111111111"), "unknown_device"),
                (SOS.replace(WATCH.encode(), b"1234567890"), "unknown_device"),
                (SOS.replace(WATCH.encode(), IMEI.encode()), "unknown_device"),  # registered, of another family
                (b"[" * 5_000, "no_identity"),
            ):
                before = site.source.refused[reason]
                reader, _ = await site.connect(say)
                assert await ends(reader) == b"", say
                assert site.source.refused[reason] == before + 1
            assert site.offered == []
            assert list(site.source.unknown) == ["1111111111", "1234567890", IMEI]
            item = source_item(site.source)
            assert item.ok
            assert "1234567890" in item.en
            assert "1234567890" in item.zh
            assert item.numbers["refused"] == 5
            # Registered now: let in, and no longer named.
            site.source.allow([*DEVICES, Device("1111111111", "watch_3g")])
            assert list(site.source.unknown) == ["1234567890", IMEI]
            reader, _ = await site.connect(LK.replace(WATCH.encode(), b"1111111111"))
            assert (await reader.readexactly(23)).endswith(b"*LK]")

    run(scene())


def test_unknown_ids_are_remembered_within_bounds() -> None:
    source = TcpSource(TcpOptions(), [find_driver("watch_3g")], lambda *_: None, lambda: NOW, lambda: 0.0)
    for number in range(100):
        source._remember(str(number), "watch_3g")
    assert len(source.unknown) == 32
    assert not source_item(source).ok


def test_a_driver_s_mistake_with_a_device_is_forgiven_when_it_has_not_come_again_for_long() -> None:
    now = [0.0]
    source = TcpSource(TcpOptions(), [find_driver("watch_3g")], lambda *_: None, lambda: NOW, lambda: now[0])
    for number in range(40):
        source._mistaken(f"watch-{number}", "a mistake")
    now[0] = 800.0
    source._mistaken("watch-39", "again")
    now[0] = 901.0
    source.poll(NOW)
    assert source.faults == {"watch-39": "again"}
    now[0] = 1701.0
    source.poll(NOW)
    assert source.faults == {}


def test_another_device_s_frame_on_a_connection_is_refused() -> None:
    async def scene() -> None:
        async with gateway() as site:
            reader, _ = await site.connect(LK + SOS.replace(WATCH.encode(), b"2222222222") + LK)
            assert await reader.readexactly(2 * len(LK)) == 2 * LK
            assert site.said("help_button") == []
            assert site.source.codec.health.rejected == {"identity": 1}

    run(scene())


def test_a_device_that_is_removed_or_changed_is_sent_away() -> None:
    async def scene() -> None:
        async with gateway() as site:
            reader, _ = await site.connect(LK)
            await reader.readexactly(len(LK))
            site.source.allow(DEVICES)
            assert site.source.online == 1
            site.source.allow(DEVICES[1:])
            assert await ends(reader) == b""
            await until(lambda: site.source.online == 0)
            site.source.poll(NOW)
            assert site.said("online") == [True]

    run(scene())


def test_a_newer_connection_takes_the_place_of_the_older_and_an_alarm_is_still_one() -> None:
    async def scene() -> None:
        async with gateway() as site:
            first, _ = await site.connect(SOS)
            await until(lambda: len(site.waiting) == 1)
            second, _ = await site.connect(SOS)
            await until(lambda: len(site.waiting) == 2)
            assert await ends(first) == b""
            assert site.source.online == 1
            site.commit()  # the first is gone: its answer goes nowhere, and nothing breaks
            assert (await second.readexactly(23)).endswith(b"*AL]")
            calls = [one for one in site.offered if one.signal == "help_button"]
            assert [one.repeat for one in calls if isinstance(one, DeviceEvent)] == [False, True]

    run(scene())


def test_a_watch_that_reconnects_a_hundred_times_a_minute_disturbs_nobody() -> None:
    async def scene() -> None:
        async with gateway(strangers_per_minute=10) as site:
            steady, writer = await site.connect(jt808_frame(Frame(2, phone(NUMBER), 1, b"")))
            await steady.readexactly(20)
            for at in range(100):
                reader, _ = await site.connect(LK)
                assert await reader.readexactly(len(LK)) == LK, at
                site.now_s[0] += 0.6
            assert site.source.flapping == [WATCH]
            assert source_item(site.source).numbers["unsteady"] == 1
            writer.write(jt808_frame(Frame(2, phone(NUMBER), 2, b"")))
            assert await steady.readexactly(20)
            site.now_s[0] += 60
            assert site.source.flapping == []
            # Far too often: it has to wait; the other goes on.
            for _ in range(MOST_PER_MINUTE):
                reader, _ = await site.connect(LK)
                await reader.readexactly(len(LK))
            refused, _ = await site.connect(LK)
            assert await ends(refused) == b""
            assert site.source.refused == {"too_often": 1}
            writer.write(jt808_frame(Frame(2, phone(NUMBER), 3, b"")))
            assert await steady.readexactly(20)
            assert FLAPPING_PER_MINUTE < MOST_PER_MINUTE

    run(scene())


def test_online_means_heard_lately() -> None:
    async def scene() -> None:
        async with gateway(idle_s=900.0) as site:
            reader, _ = await site.connect(LK)
            await reader.readexactly(len(LK))
            site.source.poll(NOW)
            assert site.said("online") == [True]
            for _ in range(14):
                site.now_s[0] += 61
                site.source.poll(NOW)
            assert site.said("online") == [True] * 15
            assert isinstance(site.offered[-1], DeviceEvent)
            assert site.offered[-1].repeat
            site.now_s[0] += 61
            site.source.poll(NOW)
            site.source.poll(NOW)
            assert site.said("online") == [True] * 15 + [False]
            assert await ends(reader) == b""
            reader, _ = await site.connect(LK)
            await reader.readexactly(len(LK))
            site.now_s[0] += 61
            site.source.poll(NOW)
            assert site.said("online")[-1] is True

    run(scene())


def test_commands_reach_the_device() -> None:
    async def scene() -> None:
        async with gateway() as site:
            assert not site.source.command(WATCH, "locate")
            reader, _ = await site.connect(LK)
            await reader.readexactly(len(LK))
            assert site.source.command(WATCH, "locate")
            assert site.source.command(WATCH, "interval", 60)
            sent = f"[SG*{WATCH}*0002*CR][SG*{WATCH}*0009*UPLOAD,60]".encode()
            assert await reader.readexactly(len(sent)) == sent
            with pytest.raises(UnknownCommandError):
                site.source.command(WATCH, "fly")
            with pytest.raises(ValueError, match="give a whole number"):
                site.source.command(WATCH, "interval", 1)

    run(scene())


def test_a_wrong_option_silences_nobody() -> None:
    async def scene() -> None:
        async with gateway() as site:
            site.source.allow([Device(WATCH, "watch_3g", options={"positions": "perhaps"})])
            await site.connect(SOS)
            await until(lambda: site.said("help_button") == [True])
            item = source_item(site.source)
            assert not item.ok
            assert "perhaps" in item.en
            site.source.allow([Device(WATCH, "watch_3g")])
            reader, _ = await site.connect(LK)
            await reader.readexactly(len(LK))
            assert source_item(site.source).ok

    run(scene())


def test_a_driver_s_mistake_with_one_device_silences_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    from device_drivers.watch_3g import Watch3GCodec

    def broken(self: Watch3GCodec, data: bytes, received_ns: int) -> list[Observation]:
        raise RuntimeError("cannot read this")

    async def scene() -> None:
        async with gateway() as site:
            watch, writer = await site.connect(LK)
            await watch.readexactly(len(LK))
            other, heartbeat = await site.connect(jt808_frame(Frame(2, phone(NUMBER), 1, b"")))
            await other.readexactly(20)
            with monkeypatch.context() as patched:
                patched.setattr(Watch3GCodec, "feed", broken)
                writer.write(LK)
                assert await ends(watch) == b""
                stranger, _ = await site.connect(LK)
                assert await ends(stranger) == b""
            item = source_item(site.source)
            assert not item.ok
            assert "cannot read this" in item.en
            heartbeat.write(jt808_frame(Frame(2, phone(NUMBER), 2, b"")))
            assert await other.readexactly(20)
            reader, _ = await site.connect(LK)
            assert await reader.readexactly(len(LK)) == LK
            with monkeypatch.context() as patched:
                patched.setattr(Watch3GCodec, "poll", lambda *_: 1 // 0)
                site.source.poll(NOW)
            assert await ends(reader) == b""
            assert site.source.listener.health.closed["driver_fault"] == 3

    run(scene())
