"""Serial lines on real ptys and sockets; MQTT sessions on the real embedded broker."""

from __future__ import annotations

import asyncio
import os
import pty
import socket
import termios
import threading
import tty
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from serial.urlhandler import protocol_socket

from device_drivers.transports.handover import Handover
from device_drivers.transports.mqtt_session import MqttOptions, MqttSession, TlsOptions
from device_drivers.transports.serial_line import SerialLine, SerialOptions
from gateway.broker.config import BrokerOptions, BrokerUser, hash_password
from gateway.broker.supervisor import Broker, BrokerError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

FAST = 0.05


async def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.005)


async def gather_bytes(line: SerialLine, count: int) -> bytes:
    received = b""
    while len(received) < count:
        for chunk in await asyncio.wait_for(line.take(), 60):
            received += chunk.data
    return received


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 120))  # type: ignore[arg-type]


def test_handover_gives_all_items_in_order_with_one_wake_for_a_batch() -> None:
    async def body() -> None:
        handover: Handover[int] = Handover(asyncio.get_running_loop(), 100_000)
        thread = threading.Thread(target=lambda: [handover.put(i) for i in range(50_000)])
        thread.start()
        taken: list[int] = []
        batches = 0
        while len(taken) < 50_000:
            taken += await handover.take()
            batches += 1
        thread.join()
        assert taken == list(range(50_000))
        assert batches < 25_000

    run(body)


def test_handover_without_room_drops_and_counts_and_close_frees_a_waiting_producer() -> None:
    async def body() -> None:
        handover: Handover[int] = Handover(asyncio.get_running_loop(), 2)
        assert handover.put(1)
        assert handover.put(2)
        assert not handover.put(3)
        assert handover.dropped == 1
        waiting = asyncio.get_running_loop().run_in_executor(None, handover.put, 4, 30.0)
        await asyncio.sleep(0)
        handover.close()
        assert await waiting is False
        assert await handover.take() == [1, 2]
        assert await handover.take() == []

    run(body)


def test_a_serial_line_can_have_parity(tmp_path: Path) -> None:
    async def body() -> None:
        link = tmp_path / "port"
        master, _ = _open_pty(link)
        line = SerialLine(SerialOptions(str(link), 19_200, "odd"), asyncio.get_running_loop())
        line.start()
        await until(lambda: line.health.connected)
        assert line._port is not None
        assert (line._port.parity, line._port.baudrate) == ("O", 19_200)
        os.write(master, b"hello")
        assert await gather_bytes(line, 5) == b"hello"
        line.stop()

    run(body)


def test_serial_line_on_a_pty_reads_writes_and_survives_the_cable_being_pulled(tmp_path: Path) -> None:
    async def body() -> None:
        link = tmp_path / "port"
        master, slave = _open_pty(link)
        options = SerialOptions(str(link), reopen_min_s=FAST, reopen_max_s=FAST)
        line = SerialLine(options, asyncio.get_running_loop())
        line.start()
        await until(lambda: line.health.connected)
        os.write(master, b"hello")
        assert await gather_bytes(line, 5) == b"hello"
        assert line.write(b"query")
        assert await asyncio.to_thread(os.read, master, 16) == b"query"
        link.unlink()
        os.close(slave)
        os.close(master)
        await until(lambda: not line.health.connected)
        assert not line.write(b"lost")
        master, slave = _open_pty(link)
        await until(lambda: line.health.connected)
        os.write(master, b"again")
        assert await gather_bytes(line, 5) == b"again"
        assert line.health.opens == 2
        assert line.health.last_error is not None
        line.stop()
        assert await line.take() == []
        os.close(slave)
        os.close(master)

    run(body)


def _open_pty(link: Path) -> tuple[int, int]:
    master, slave = pty.openpty()
    tty.setraw(master)
    tty.setraw(slave)
    link.symlink_to(os.ttyname(slave))
    return master, slave


def test_serial_line_over_a_socket_server(free_port: int) -> None:
    async def body() -> None:
        with socket.create_server(("127.0.0.1", free_port)) as server:
            line = SerialLine(SerialOptions(f"socket://127.0.0.1:{free_port}"), asyncio.get_running_loop())
            line.start()
            peer, _ = await asyncio.to_thread(server.accept)
            with peer:
                peer.sendall(b"\x01\x02\x03")
                assert await gather_bytes(line, 3) == b"\x01\x02\x03"
            line.stop()

    run(body)


def test_what_a_serial_server_sends_in_the_moment_of_connecting_is_kept(
    free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes are in the socket before the port counts as open: pyserial would clear them away."""
    spoken = threading.Event()

    def slow_to_open(_port: protocol_socket.Serial) -> None:
        assert spoken.wait(60)

    monkeypatch.setattr(protocol_socket.Serial, "_update_dtr_state", slow_to_open)

    async def body() -> None:
        with socket.create_server(("127.0.0.1", free_port)) as server:
            line = SerialLine(SerialOptions(f"socket://127.0.0.1:{free_port}"), asyncio.get_running_loop())
            line.start()
            peer, _ = await asyncio.to_thread(server.accept)
            with peer:
                peer.sendall(b"\x01\x02\x03")
                spoken.set()
                assert await gather_bytes(line, 3) == b"\x01\x02\x03"
            line.stop()

    run(body)


def test_an_error_of_the_terminal_interface_does_not_end_a_line_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    def pulled_while_opening(*_given: object, **_more: object) -> None:
        raise termios.error(5, "Input/output error")

    async def body() -> None:
        monkeypatch.setattr("serial.serial_for_url", pulled_while_opening)
        line = SerialLine(SerialOptions("/dev/gone", reopen_min_s=0.01), asyncio.get_running_loop())
        line.start()
        await until(lambda: line.health.failures > 2)
        line.stop()

    run(body)


def test_a_serial_port_that_does_not_exist_is_retried_with_growing_pauses(tmp_path: Path) -> None:
    async def body() -> None:
        options = SerialOptions(str(tmp_path / "absent"), reopen_min_s=0.01, reopen_max_s=0.04)
        line = SerialLine(options, asyncio.get_running_loop())
        line.start()
        await until(lambda: line.health.failures >= 4)
        line.stop()
        assert not line.health.connected
        assert "absent" in (line.health.last_error or "")

    run(body)


USERS = (
    BrokerUser("gateway", hash_password("g"), ("#",), ("#",)),
    BrokerUser("w1", hash_password("w"), ("yinling/w1/#",), ("yinling/w1/down",)),
)


def session(port: int, user: str = "gateway", password: str = "g", topic: str = "yinling/+/up") -> MqttSession:
    subscriptions = (topic,) if user == "gateway" else ()
    options = MqttOptions("127.0.0.1", port, f"{user}-client", subscriptions, user, password)
    return MqttSession(options, asyncio.get_running_loop())


async def payloads(from_session: MqttSession, count: int, *, acknowledge: bool = True) -> list[bytes]:
    received: list[bytes] = []
    while len(received) < count:
        batch = await asyncio.wait_for(from_session.take(), 30)
        received += [message.payload for message in batch]
        if acknowledge:
            from_session.ack(batch)
    return received


@asynccontextmanager
async def running(options: BrokerOptions) -> AsyncIterator[Broker]:
    broker = Broker(options, USERS)
    await broker.start()
    watch = asyncio.create_task(broker.run())
    try:
        yield broker
    finally:
        await broker.stop()
        await watch


def test_each_device_may_publish_only_its_own_topics_and_a_wrong_password_is_refused(
    tmp_path: Path, free_port: int
) -> None:
    async def body() -> None:
        async with running(BrokerOptions(tmp_path, port=free_port)):
            gateway, device, thief = session(free_port), session(free_port, "w1", "w"), session(free_port, "w1", "x")
            for one in (gateway, device, thief):
                one.start()
            await until(lambda: gateway.health.connected and device.health.connected and thief.health.refused >= 1)
            device.publish("yinling/w2/up", b"forged")
            device.publish("yinling/w1/up", b"own")
            assert await payloads(gateway, 1) == [b"own"]
            assert not thief.health.connected
            assert "password" not in repr(thief.options)
            for one in (gateway, device, thief):
                one.stop()

    run(body)


def test_unacknowledged_messages_come_again_after_the_broker_was_killed(tmp_path: Path, free_port: int) -> None:
    async def body() -> None:
        async with running(BrokerOptions(tmp_path, port=free_port, ack_wait_s=6)) as broker:
            gateway, device = session(free_port), session(free_port, "w1", "w")
            gateway.start()
            device.start()
            await until(lambda: gateway.health.connected and device.health.connected)
            for number in range(10):
                device.publish("yinling/w1/up", b"%d" % number)
            first = []
            while len(first) < 10:
                first += await asyncio.wait_for(gateway.take(), 60)
            gateway.ack(first[:5])
            await until(lambda: gateway.health.acknowledged == 5)
            device.publish("yinling/w1/up", b"mark")  # its arrival shows that the broker has read the acknowledgements
            first += await asyncio.wait_for(gateway.take(), 60)
            assert broker.pid is not None
            os.kill(broker.pid, 9)
            await until(lambda: broker.health.starts == 2 and gateway.health.connects == 2, 30)
            gateway.ack(first[5:])  # belongs to the connection that has gone
            assert gateway.health.lapsed == len(first) - 5
            again: set[bytes] = set()  # acknowledged ones may come too: the broker writes these down a little later
            while not again >= {b"5", b"6", b"7", b"8", b"9", b"mark"}:
                again |= set(await payloads(gateway, 1))
            gateway.stop()
            device.stop()

    run(body)


def test_a_running_broker_is_adopted_and_takes_new_accounts(tmp_path: Path, free_port: int) -> None:
    async def body() -> None:
        options = BrokerOptions(tmp_path, port=free_port)
        first = Broker(options, USERS)
        await first.start()
        async with running(options) as second:
            assert second.pid == first.pid
            assert second.health.adopted == 1
            second.set_users([*USERS, BrokerUser("w2", hash_password("n"), ("yinling/w2/#",), ())])
            newcomer = session(free_port, "w2", "n")
            newcomer.start()
            await until(lambda: newcomer.health.connected)
            newcomer.stop()
        await first.stop()

    run(body)


def test_another_programs_port_is_not_taken_for_the_brokers(tmp_path: Path) -> None:
    async def body() -> None:
        with socket.create_server(("127.0.0.1", 0)) as foreign:
            broker = Broker(BrokerOptions(tmp_path, port=foreign.getsockname()[1]), USERS)
            with pytest.raises(BrokerError, match="taken by another program"):
                await broker.start()
            assert not broker.health.running
            await broker.stop()

    run(body)


def test_tls_with_an_unreadable_authority_file_is_refused(tmp_path: Path) -> None:
    async def body() -> None:
        tls = TlsOptions(ca_file=str(tmp_path / "absent.pem"))
        with pytest.raises(FileNotFoundError):
            MqttSession(MqttOptions("127.0.0.1", 1, "c", tls=tls), asyncio.get_running_loop())

    run(body)
