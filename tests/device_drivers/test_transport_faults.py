"""Transports under faults: a far side that takes nothing, errors of our own in callbacks, a broker that hangs."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import socket
import time
import tty
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from device_drivers.transports.mqtt_session import MqttOptions, MqttSession
from device_drivers.transports.serial_line import MAX_UNSENT, SerialLine, SerialOptions
from gateway.broker.config import BrokerOptions, BrokerUser, hash_password
from gateway.broker.probe import ProbeTarget, answers
from gateway.broker.supervisor import Broker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    import pytest

USER = BrokerUser("gateway", hash_password("g"), ("#",), ("#",))
CONNACK, SUBACK = b"\x20\x02\x00\x00", b"\x90\x03"
PATIENCE_S = 120.0


async def until(condition: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.005)


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 300))


def test_a_far_side_that_takes_nothing_costs_the_event_loop_nothing(tmp_path: Path) -> None:
    async def body() -> None:
        master, slave = pty.openpty()
        tty.setraw(master)
        tty.setraw(slave)
        link = tmp_path / "port"
        link.symlink_to(os.ttyname(slave))
        line = SerialLine(SerialOptions(str(link)), asyncio.get_running_loop())
        line.start()
        await until(lambda: line.health.connected)
        began = time.monotonic()
        taken = [line.write(bytes(1024)) for _ in range(200)]
        assert time.monotonic() - began < 20, "each of them used to wait a second for the far side"
        assert line.health.refused >= taken.count(False) > 0
        assert len(line._unsent) <= MAX_UNSENT
        await until(lambda: line.health.failures > 0)
        os.write(master, b"still listening")
        heard = b""
        while b"still listening" not in heard:
            heard += b"".join(chunk.data for chunk in await asyncio.wait_for(line.take(), PATIENCE_S))
        assert line.health.opens == 1
        line.stop()
        os.close(slave)
        os.close(master)

    run(body)


class Peer:
    """The broker's end of one connection, byte by byte."""

    def __init__(self, port: int) -> None:
        self.server = socket.create_server(("127.0.0.1", port))
        self.server.settimeout(PATIENCE_S)

    def greet(self) -> socket.socket:
        """Accept, answer CONNECT and SUBSCRIBE."""
        link, _ = self.server.accept()
        link.settimeout(PATIENCE_S)
        assert self.packet(link)[0] == 0x10
        link.sendall(CONNACK)
        subscribe = self.packet(link)
        assert subscribe[0] == 0x82
        link.sendall(SUBACK + subscribe[2:4] + b"\x01")
        return link

    @staticmethod
    def packet(link: socket.socket) -> bytes:
        head = link.recv(2)
        return head + link.recv(head[1]) if head[1] else head

    @staticmethod
    def publish(topic: bytes, payload: bytes, mid: int) -> bytes:
        body = len(topic).to_bytes(2, "big") + topic + mid.to_bytes(2, "big") + payload
        return bytes((0x32, len(body))) + body


def session(port: int, clock: Callable[[], int] = time.time_ns) -> MqttSession:
    options = MqttOptions("127.0.0.1", port, "gateway-client", ("a/#",), "gateway", "g")
    return MqttSession(options, asyncio.get_running_loop(), clock)


async def payloads(of: MqttSession, count: int) -> list[bytes]:
    received: list[bytes] = []
    while len(received) < count:
        batch = await asyncio.wait_for(of.take(), PATIENCE_S)
        received += [message.payload for message in batch]
        of.ack(batch)
    return received


def test_a_topic_that_is_no_text_is_acknowledged_and_ends_no_session(free_port: int) -> None:
    async def body() -> None:
        peer, mine = Peer(free_port), session(free_port)
        mine.start()
        link = await asyncio.to_thread(peer.greet)
        link.sendall(peer.publish(b"a/\xff\xfe", b"bad", 7) + peer.publish(b"a/b", b"good", 8))
        assert await payloads(mine, 1) == [b"good"]
        said = await asyncio.to_thread(peer.packet, link) + await asyncio.to_thread(peer.packet, link)
        assert said == b"\x40\x02\x00\x07\x40\x02\x00\x08"
        assert mine.health.faults == 1
        assert "UnicodeDecodeError" in (mine.health.last_error or "")
        assert mine.health.connected
        mine.stop()
        link.close()
        peer.server.close()

    run(body)


def test_a_session_whose_thread_was_ended_by_an_error_is_revived(
    free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("threading.excepthook", lambda _: None)

    async def body() -> None:
        peer, mine = Peer(free_port), session(free_port)
        mine.revive()
        assert mine.health.faults == 0
        mine.start()
        link = await asyncio.to_thread(peer.greet)
        await until(lambda: mine.health.connected)
        turn = mine._client._loop

        def fail_once(timeout: float) -> object:
            monkeypatch.setattr(mine._client, "_loop", turn)
            raise ZeroDivisionError(f"a mistake of the library, {timeout}")

        monkeypatch.setattr(mine._client, "_loop", fail_once)
        while not mine.health.faults:
            mine.revive()
            await asyncio.sleep(0.01)
        link.sendall(peer.publish(b"a/b", b"good", 8))
        assert await payloads(mine, 1) == [b"good"]
        mine.stop()
        mine.revive()
        link.close()
        peer.server.close()

    run(body)


@asynccontextmanager
async def running(options: BrokerOptions) -> AsyncIterator[Broker]:
    broker = Broker(options, [USER])
    await broker.start()
    watch = asyncio.create_task(broker.run())
    try:
        yield broker
    finally:
        await broker.stop()
        await watch


def test_an_error_of_ours_while_a_message_is_handled_is_counted_and_the_session_goes_on(
    tmp_path: Path, free_port: int
) -> None:
    mistakes = [ZeroDivisionError("a programming error")]

    def clock() -> int:
        if mistakes:
            raise mistakes.pop()
        return time.time_ns()

    async def body() -> None:
        async with running(BrokerOptions(tmp_path, port=free_port)):
            mine = session(free_port, clock)
            mine.start()
            await until(lambda: mine.health.connected)
            mine.publish("a/b", b"first")
            mine.publish("a/b", b"second")
            assert b"second" in await payloads(mine, 1)
            assert mine.health.faults == 1
            mine.stop()

    run(body)


def test_a_broker_that_hangs_is_noticed_and_started_anew(tmp_path: Path, free_port: int) -> None:
    async def body() -> None:
        options = BrokerOptions(
            tmp_path, port=free_port, probe_every_s=0.2, probe_patience_s=3.0, probe_misses=2, ack_wait_s=6
        )
        async with running(options) as broker:
            mine = session(free_port)
            mine.start()
            await until(lambda: mine.health.connected)
            pid = broker.pid
            assert pid is not None
            os.kill(pid, signal.SIGSTOP)
            await until(lambda: broker.health.hung == 1)
            await until(lambda: broker.health.starts == 2 and broker.health.running and mine.health.connects >= 2)
            assert broker.pid != pid
            assert broker.health.deaths == 1
            mine.publish("a/b", b"again")
            assert await payloads(mine, 1) == [b"again"]
            mine.stop()

    run(body)


def test_a_broker_that_only_pauses_is_left_alone(tmp_path: Path, free_port: int) -> None:
    async def body() -> None:
        options = BrokerOptions(tmp_path, port=free_port, probe_every_s=0.1, probe_patience_s=1.0, probe_misses=1000)
        async with running(options) as broker:
            pid = broker.pid
            assert pid is not None
            os.kill(pid, signal.SIGSTOP)
            await until(lambda: broker.health.misses >= 1)
            os.kill(pid, signal.SIGCONT)
            await until(lambda: broker.health.misses == 0)
            assert (broker.pid, broker.health.hung, broker.health.starts) == (pid, 0, 1)

    run(body)


def test_a_broker_that_hangs_when_the_gateway_starts_is_not_adopted(tmp_path: Path, free_port: int) -> None:
    async def body() -> None:
        first = Broker(BrokerOptions(tmp_path, port=free_port), [USER])
        await first.start()
        assert first.pid is not None
        os.kill(first.pid, signal.SIGSTOP)
        async with running(BrokerOptions(tmp_path, port=free_port, probe_patience_s=1.0)) as second:
            assert second.pid != first.pid
            assert (second.health.adopted, second.health.starts) == (0, 1)
        await first.stop()

    run(body)


def test_a_refused_login_is_an_answer_and_another_program_or_nobody_is_none(tmp_path: Path, free_port: int) -> None:
    async def body() -> None:
        async with running(BrokerOptions(tmp_path, port=free_port)) as broker:
            assert await answers(broker._target, PATIENCE_S)
            assert await answers(ProbeTarget("127.0.0.1", free_port, tls=False, password="wrong"), PATIENCE_S)
        assert not await answers(broker._target, PATIENCE_S)

        async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(talk, "127.0.0.1", free_port):
            assert not await answers(broker._target, PATIENCE_S)

    run(body)


def test_a_broker_with_tls_is_asked_over_tls(tmp_path: Path, free_port: int) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "broker")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    pem, private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (tmp_path / "cert.pem").write_bytes(made.sign(key, hashes.SHA256()).public_bytes(pem))
    (tmp_path / "key.pem").write_bytes(key.private_bytes(pem, private, serialization.NoEncryption()))

    async def body() -> None:
        cert, key_file = tmp_path / "cert.pem", tmp_path / "key.pem"
        options = BrokerOptions(tmp_path / "broker", port=free_port, tls_cert=cert, tls_key=key_file)
        async with running(options) as broker:
            assert await answers(broker._target, PATIENCE_S)
            assert not await answers(replace(broker._target, tls=False), PATIENCE_S)

    run(body)
