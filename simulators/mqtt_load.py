"""A lean MQTT 3.1.1 publisher for load: QoS 1, many messages in one write, acknowledgements counted, nothing else.

A full client costs more a message than the gateway under test; a load generator on the same machine must not.
"""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

CONNECT, CONNACK, PUBLISH_QOS1, PUBACK, DISCONNECT = 0x10, 0x20, 0x32, 0x40, 0xE0
MAX_PACKET_ID = 65_535
CLEAN_WITH_LOGIN = 0xC2
KEEPALIVE_S = 0
READ_BYTES = 65_536


class LoadError(ConnectionError):
    """The broker refused the load generator or closed the connection."""


@dataclass(slots=True)
class LoadCounts:
    """Messages sent and acknowledged by the broker."""

    sent: int = 0
    acknowledged: int = 0


class LoadPublisher:
    """One connection that publishes as fast as it is told to."""

    def __init__(self) -> None:
        self.counts = LoadCounts()
        self._packet_id = 0
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._acks: asyncio.Task[None] | None = None

    async def connect(self, host: str, port: int, client_id: str, username: str, password: str) -> None:
        """Connect and log in. Raises LoadError."""
        reader, writer = await asyncio.open_connection(host, port)
        head = _text("MQTT") + struct.pack(">BBH", 4, CLEAN_WITH_LOGIN, KEEPALIVE_S)
        body = head + _text(client_id) + _text(username) + _text(password)
        writer.write(bytes([CONNECT]) + _length(len(body)) + body)
        try:
            answer = await reader.readexactly(4)
        except asyncio.IncompleteReadError as error:
            raise LoadError("the broker closed the connection at login") from error
        if answer[0] != CONNACK or answer[3] != 0:
            writer.close()
            raise LoadError(f"the broker refused the login (code {answer[3]})")
        self._reader, self._writer = reader, writer
        self._acks = asyncio.create_task(self._count_acknowledgements())

    async def publish(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Publish (topic, payload) pairs with QoS 1 in one write."""
        if self._writer is None:
            raise LoadError("not connected")
        packets = [self._packet(topic, payload) for topic, payload in messages]
        self._writer.write(b"".join(packets))
        self.counts.sent += len(packets)
        await self._writer.drain()

    async def close(self) -> None:
        """Say goodbye and close."""
        if self._writer is not None:
            self._writer.write(bytes([DISCONNECT, 0]))
            self._writer.close()
        if self._acks is not None:
            self._acks.cancel()

    def _packet(self, topic: str, payload: bytes) -> bytes:
        self._packet_id = self._packet_id % MAX_PACKET_ID + 1
        name = topic.encode()
        size = 4 + len(name) + len(payload)
        head = struct.pack(">H", len(name)) + name + struct.pack(">H", self._packet_id)
        return bytes([PUBLISH_QOS1]) + _length(size) + head + payload

    async def _count_acknowledgements(self) -> None:
        """PUBACK is the only thing the broker sends here: 4 bytes each."""
        rest = 0
        while self._reader is not None and (data := await self._reader.read(READ_BYTES)):
            whole, rest = divmod(rest + len(data), 4)
            self.counts.acknowledged += whole


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack(">H", len(raw)) + raw


def _length(size: int) -> bytes:
    out = bytearray()
    while True:
        size, low = divmod(size, 128)
        out.append(low | (0x80 if size else 0))
        if not size:
            return bytes(out)
