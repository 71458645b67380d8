"""A simulated device's own MQTT connection: keeps what the broker has not acknowledged, reconnects, sends again.

It may also listen, as devices do that wait for answers.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiomqtt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = logging.getLogger(__name__)

RETRY_S = 0.5
PUBLISH_TIMEOUT_S = 5.0
KEEPALIVE_S = 10
MAX_WAITING = 20_000


@dataclass(frozen=True, slots=True)
class Account:
    """Where and as whom a device connects."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to send with QoS 1. mark: anything the caller wants to have back once the broker has it."""

    topic: str
    payload: bytes
    retain: bool = False
    mark: object = None


class Uplink:
    """Sends in order; a message leaves the queue only when the broker has acknowledged it.

    acknowledged(message): called for each. will: (topic, payload) published by the broker if the device goes silent.
    listens: topic filters; heard(topic, payload): called for each message there.
    """

    def __init__(
        self,
        account: Account,
        acknowledged: Callable[[Outgoing], None] | None = None,
        will: tuple[str, bytes] | None = None,
        listens: Sequence[str] = (),
        heard: Callable[[str, bytes], None] | None = None,
    ) -> None:
        self._account = account
        self._acknowledged = acknowledged
        self._listens = tuple(listens)
        self._heard = heard
        self._will = aiomqtt.Will(will[0], will[1], qos=1, retain=True) if will else None
        self._waiting: deque[Outgoing] = deque(maxlen=MAX_WAITING)
        self._more = asyncio.Event()
        self.sent = 0
        self.connects = 0

    def send(self, message: Outgoing) -> None:
        """Queue a message."""
        self._waiting.append(message)
        self._more.set()

    @property
    def waiting(self) -> int:
        """Messages not acknowledged yet."""
        return len(self._waiting)

    async def run(self) -> None:
        """Connect, send, reconnect, until cancelled."""
        while True:
            try:
                await self._session()
            except aiomqtt.MqttError as error:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    # A broker that goes while the client says good-bye puts its error in place of the cancellation.
                    raise asyncio.CancelledError from error
                log.info("%s: %s; trying again", self._account.username, error)
                await asyncio.sleep(RETRY_S)

    async def _session(self) -> None:
        account = self._account
        async with aiomqtt.Client(
            account.host,
            account.port,
            username=account.username,
            password=account.password,
            identifier=f"sim-{account.username}".replace("/", "-"),
            will=self._will,
            keepalive=KEEPALIVE_S,
            timeout=PUBLISH_TIMEOUT_S,
        ) as client:
            self.connects += 1
            for one in self._listens:
                await client.subscribe(one, qos=1)
            listening = asyncio.create_task(self._listen(client))
            try:
                await self._send(client)
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)

    async def _send(self, client: aiomqtt.Client) -> None:
        while True:
            while self._waiting:
                await self._send_first(client)
            self._more.clear()
            await self._more.wait()

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            if self._heard is not None and isinstance(message.payload, bytes):
                self._heard(message.topic.value, message.payload)

    async def _send_first(self, client: aiomqtt.Client) -> None:
        message = self._waiting[0]
        await client.publish(message.topic, message.payload, qos=1, retain=message.retain)
        self._waiting.popleft()
        self.sent += 1
        if self._acknowledged is not None:
            self._acknowledged(message)
