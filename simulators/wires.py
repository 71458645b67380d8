"""The wires of simulated devices: ptys, TCP, MQTT, a web page, Modbus. A way joins one model without I/O to its wire.

Devices that a gateway calls on (serial, page, Modbus) tell by `Wire.line` how it reaches them; the others call it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from device_drivers.modbus_io import frames
from simulators.serial_port import SimulatedPort
from simulators.uplink import Account, Outgoing, Uplink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from simulators.played import SimulatedDevice

log = logging.getLogger(__name__)

READ_BYTES = 4096
RETRY_S = 0.5
MBAP_BYTES = 6
"""Transaction, protocol and length of a Modbus TCP frame; what follows is an RTU frame without its CRC."""
MAX_REQUEST = 4096
CRC_BYTES = 2


@dataclass(frozen=True, slots=True)
class Accounts:
    """Where everything is: the broker and the TCP port of a gateway, passwords of devices, ports that devices open.

    links: folder for the links to the simulated serial ports.
    """

    host: str
    port: int
    passwords: dict[str, str] = field(default_factory=dict, repr=False)
    tcp_port: int = 0
    ports: dict[str, int] = field(default_factory=dict)
    links: Path = Path()
    clock: Callable[[], int] = time.time_ns

    def of(self, device_id: str) -> Account:
        """The account of a device; without a password it logs in with an empty one."""
        return Account(self.host, self.port, device_id, self.passwords.get(device_id, ""))


class StreamModel(Protocol):
    """A device that speaks in bytes: answers the host's, and says what is due."""

    def feed(self, data: bytes) -> bytes: ...
    def tick(self, now_ns: int) -> bytes: ...


class CallingModel(StreamModel, Protocol):
    """A device that connects to a server and begins anew with each connection."""

    wants_reconnect: bool

    def connect(self, now_ns: int) -> bytes: ...


class Message(Protocol):
    """One MQTT message; a NamedTuple of these."""

    @property
    def topic(self) -> str: ...
    @property
    def payload(self) -> bytes: ...
    @property
    def retain(self) -> bool: ...


class MessageModel(Protocol):
    """A device that speaks in MQTT messages. `will`: published by the broker if it goes silent."""

    will: tuple[str, bytes] | None
    listens: tuple[str, ...]

    def heard(self, topic: str, payload: bytes) -> None: ...
    def tick(self, now_ns: int) -> Iterable[Message]: ...


class PageModel(Protocol):
    """A device with a web page."""

    def page(self, now_ns: int) -> bytes: ...


class Way:
    """One device on its wire; what a kind of wire does not need does nothing."""

    def send(self, said: Any) -> None:
        """What an action says at once; devices that speak only in their turn say nothing here."""

    def tick(self, now_ns: int) -> None:
        """The device's turn: say what is due."""

    async def run(self) -> None:
        """Hold its connections until cancelled; nothing where it holds none."""

    def close(self) -> None:
        """Release what it holds."""


class Wire(ABC):
    """A kind of wire."""

    calls = False
    """Whether the device calls a TCP port of the gateway."""

    @abstractmethod
    def connect(self, model: Any, device: SimulatedDevice, accounts: Accounts) -> Way:
        """Put a model on it."""

    def opens_port(self, device: SimulatedDevice) -> bool:  # noqa: ARG002 - part of the contract
        """Whether the device listens on a port of its own (`Accounts.ports`)."""
        return False

    def line(
        self,
        device: SimulatedDevice,  # noqa: ARG002 - part of the contract
        accounts: Accounts,  # noqa: ARG002
    ) -> dict[str, Any] | None:
        """How a gateway reaches the device: url, baud, parity. None for a device that calls by itself."""
        return None


# Serial


@dataclass(frozen=True, slots=True)
class OnSerial(Wire):
    """A pty. baud, parity: of the device, unless its options `baud` and `parity` say otherwise."""

    baud: int = 115_200
    parity: str = "none"
    prefix: str = ""

    def connect(self, model: StreamModel, device: SimulatedDevice, accounts: Accounts) -> Way:
        line = self.line(device, accounts)
        port = SimulatedPort(_link(device, accounts), line["baud"], line["parity"])
        return SerialWay(model, port)

    def line(self, device: SimulatedDevice, accounts: Accounts) -> dict[str, Any]:
        options = device.options
        baud, parity = int(options.get("baud", self.baud)), str(options.get("parity", self.parity))
        return {"url": f"{self.prefix}{_link(device, accounts)}", "baud": baud, "parity": parity}


def _link(device: SimulatedDevice, accounts: Accounts) -> Path:
    return accounts.links / str(device.options.get("link", device.id))


class SerialWay(Way):
    """A device on a pty."""

    def __init__(self, model: StreamModel, port: SimulatedPort) -> None:
        self._model = model
        self.port = port

    def tick(self, now_ns: int) -> None:
        self.port.write(self._model.feed(self.port.read()) + self._model.tick(now_ns))

    def close(self) -> None:
        self.port.close()


# TCP


@dataclass(frozen=True, slots=True)
class OnTcp(Wire):
    """A connection to the gateway's TCP port."""

    calls = True

    def connect(self, model: CallingModel, device: SimulatedDevice, accounts: Accounts) -> Way:  # noqa: ARG002 - as all
        return TcpWay(model, accounts)


class TcpWay(Way):
    """A device that connects, logs in, waits for answers, and connects again."""

    def __init__(self, model: CallingModel, accounts: Accounts) -> None:
        self._model = model
        self._accounts = accounts
        self._writer: asyncio.StreamWriter | None = None
        self.connects = 0

    def tick(self, now_ns: int) -> None:
        if self._writer is None:
            return
        if self._model.wants_reconnect:
            self._writer.close()
            return
        self._writer.write(self._model.tick(now_ns))

    async def run(self) -> None:
        while True:
            with suppress(OSError):
                await self._session()
            await asyncio.sleep(RETRY_S)

    async def _session(self) -> None:
        accounts = self._accounts
        reader, writer = await asyncio.open_connection(accounts.host, accounts.tcp_port)
        try:
            self.connects += 1
            writer.write(self._model.connect(accounts.clock()))
            self._writer = writer
            while data := await reader.read(READ_BYTES):
                writer.write(self._model.feed(data))
        finally:
            self._writer = None
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


# MQTT


@dataclass(frozen=True, slots=True)
class OnMqtt(Wire):
    """A session at the broker, with the device's own account."""

    def connect(self, model: MessageModel, device: SimulatedDevice, accounts: Accounts) -> Way:
        return MqttWay(model, accounts.of(device.id))


class MqttWay(Way):
    """A device with its own MQTT account."""

    def __init__(self, model: MessageModel, account: Account) -> None:
        self._model = model
        self.uplink = Uplink(account, will=model.will, listens=model.listens, heard=model.heard)

    def send(self, said: Any) -> None:
        for message in said or ():
            self.uplink.send(Outgoing(message.topic, message.payload, message.retain))

    def tick(self, now_ns: int) -> None:
        self.send(self._model.tick(now_ns))

    async def run(self) -> None:
        await self.uplink.run()


# Devices that are asked over the network


@dataclass(frozen=True, slots=True)
class OnPage(Wire):
    """A web page. path: its address on the device."""

    path: str

    def connect(self, model: PageModel, device: SimulatedDevice, accounts: Accounts) -> Way:
        return PageWay(model, accounts.ports.get(device.id, 0), accounts.clock)

    def opens_port(self, device: SimulatedDevice) -> bool:  # noqa: ARG002 - as all
        return True

    def line(self, device: SimulatedDevice, accounts: Accounts) -> dict[str, Any]:
        return {"url": f"http://127.0.0.1:{accounts.ports.get(device.id, 0)}{self.path}"}


class _Server(Way, ABC):
    """Listens on loopback and answers each connection until it is closed."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def run(self) -> None:
        async with await asyncio.start_server(self._serve, "127.0.0.1", self._port) as server:
            await server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            log.debug("port %s: %r", self._port, error)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    @abstractmethod
    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""


class PageWay(_Server):
    """A small device's web server: one page, and the connection is closed after it."""

    def __init__(self, model: PageModel, port: int, clock: Callable[[], int]) -> None:
        super().__init__(port)
        self._model = model
        self._clock = clock

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        page = self._model.page(self._clock())
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(page)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + page)
        await writer.drain()


@dataclass(frozen=True, slots=True)
class OnModbus(Wire):
    """A Modbus bus: TCP, or a serial one (the device's option `bus = "rtu"`)."""

    serial: OnSerial = OnSerial(9_600, prefix="modbus+rtu://")

    def connect(self, model: StreamModel, device: SimulatedDevice, accounts: Accounts) -> Way:
        if device.options.get("bus") == "rtu":
            return self.serial.connect(model, device, accounts)
        return ModbusTcpWay(model, accounts.ports.get(device.id, 0))

    def opens_port(self, device: SimulatedDevice) -> bool:
        return device.options.get("bus") != "rtu"

    def line(self, device: SimulatedDevice, accounts: Accounts) -> dict[str, Any]:
        if device.options.get("bus") == "rtu":
            return self.serial.line(device, accounts)
        return {"url": f"modbus+tcp://127.0.0.1:{accounts.ports.get(device.id, 0)}"}


class ModbusTcpWay(_Server):
    """Puts the RTU frames of a module into the frames of Modbus TCP (MODBUS Messaging on TCP/IP V1.0b, 3.1)."""

    def __init__(self, model: StreamModel, port: int) -> None:
        super().__init__(port)
        self._model = model

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readexactly(MBAP_BYTES)
            asked = await reader.readexactly(min(int.from_bytes(head[4:6], "big"), MAX_REQUEST))
            answer = self._model.feed(asked + frames.crc16(asked).to_bytes(CRC_BYTES, "little"))[:-CRC_BYTES]
            if answer:
                writer.write(head[:4] + len(answer).to_bytes(2, "big") + answer)
                await writer.drain()
