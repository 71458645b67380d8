"""Alerts over MQTT: delivered when the far side's own reply says so, or, where the dialect has none, when the broker
has confirmed the message (PUBACK). While there is no connection nothing is queued: the outbox tries again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from device_drivers.transports.mqtt_session import MqttSession
from gateway.channels.base import Accepted, Refused
from gateway.channels.mqtt_dialects import Answered, Reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from device_drivers.transports.mqtt_session import MqttMessage, MqttOptions
    from gateway.channels.base import Dispatch
    from gateway.channels.mqtt_dialects import Dialect

    Answers = Callable[[bytes], Awaitable[Mapping[str, Any]]]

log = logging.getLogger(__name__)

TOTAL_S = 15.0


class MqttChannel:
    """One session with one broker; it connects with the first message, or when `start` is called."""

    def __init__(self, options: MqttOptions, dialect: Dialect, *, total_s: float = TOTAL_S) -> None:
        self._options = options
        self._dialect = dialect
        self._total_s = total_s
        self._answers: Answers | None = None
        self._session: MqttSession | None = None
        self._connected = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None
        self._waiting: dict[str, asyncio.Future[str]] = {}
        self.ignored = 0

    def __repr__(self) -> str:
        return f"MqttChannel(host={self._options.host!r})"

    @property
    def connected(self) -> bool:
        """Whether the broker is there now."""
        return self._session is not None and self._session.health.connected

    def start(self, answers: Answers) -> None:
        """Listen for people's answers from now on. answers: applies one, and says what became of it."""
        self._answers = answers
        self._open()

    async def aclose(self) -> None:
        """End the session."""
        if self._session is not None:
            await asyncio.to_thread(self._session.stop)
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def send(self, dispatch: Dispatch, now_ns: int) -> Accepted | Refused:
        """One attempt, within the total time."""
        session = self._open()
        try:
            async with asyncio.timeout(self._total_s):
                if not session.health.connected:
                    self._connected.clear()
                    await self._connected.wait()
                return await self._exchange(session, dispatch, now_ns)
        except TimeoutError:
            reason = "no answer" if session.health.connected else f"not connected ({session.health.last_error})"
            return Refused(f"{reason} within {self._total_s:g} s")

    async def _exchange(self, session: MqttSession, dispatch: Dispatch, now_ns: int) -> Accepted | Refused:
        message = self._dialect.say(dispatch, now_ns)
        said: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        if message.reply is not None:
            self._waiting[message.reply] = said
        try:
            if not await session.deliver(message.topic, message.payload):
                return Refused("the connection to the broker is gone")
            if message.reply is None:
                return Accepted()
            error = await said
            return Refused(error) if error else Accepted(message.reply)
        finally:
            self._waiting.pop(message.reply or "", None)

    def _open(self) -> MqttSession:
        if self._session is None:
            loop = asyncio.get_running_loop()
            self._session = MqttSession(self._options, loop, on_connected=self._connected.set)
            self._session.start()
            self._reading = loop.create_task(self._read(self._session))
        self._session.revive()
        return self._session

    async def _read(self, session: MqttSession) -> None:
        while messages := await session.take():
            for message in messages:
                try:
                    await self._take(session, message)
                except Exception:
                    self.ignored += 1
                    log.exception("an answer over MQTT could not be taken; the broker sends it again")
                    continue
                session.ack([message])

    async def _take(self, session: MqttSession, message: MqttMessage) -> None:
        heard = None if message.retained else self._dialect.heard(message.topic, message.payload)
        if isinstance(heard, Reply):
            said = self._waiting.get(heard.key)
            if said is not None and not said.done():
                said.set_result(heard.error)
        elif isinstance(heard, Answered) and self._answers is not None:
            result = self._dialect.result(await self._answers(heard.body))
            if result is not None:
                with contextlib.suppress(ValueError):  # the client's own queue is full
                    session.publish(result.topic, result.payload)
        else:
            self.ignored += 1
