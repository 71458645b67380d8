"""Joins a transport and a codec: bytes come in, observations go to the pipeline, and what the codec says goes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from gateway.tcp_source import TcpSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from device_drivers.codec import CodecHealth, MessageCodec, StreamCodec
    from device_drivers.observations import Observation
    from device_drivers.transports.mqtt_session import MqttMessage, MqttSession
    from device_drivers.transports.polled import PolledLine
    from device_drivers.transports.serial_line import SerialLine

log = structlog.get_logger(__name__)

DRIVER_FAULT = "driver_fault"
"""The reason under which input is counted that a driver failed at: its mistake silences neither others nor the rest."""


@dataclass(slots=True)
class Held:
    """Messages whose acknowledgement waits until `due_s` (monotonic) and until nothing of theirs is undecided.

    devices: for each message the device it spoke of, or "". extensions: how often it was held longer already.
    """

    session: MqttSession
    messages: list[MqttMessage]
    devices: list[str]
    due_s: float
    extensions: int = 0


class SerialSource:
    """One device on a serial line, or one that is asked again and again."""

    def __init__(
        self, line: SerialLine | PolledLine, codec: StreamCodec, offer: Callable[[list[Observation], Held | None], None]
    ) -> None:
        self.line = line
        self.codec = codec
        self.name = f"serial:{codec.device_id}"
        self._offer = offer

    @property
    def connected(self) -> bool:
        """Whether the port is open."""
        return self.line.health.connected

    def start(self) -> None:
        """Open the port and keep it open."""
        self.line.start()

    async def run(self) -> None:
        """Decode chunks until the line is stopped."""
        while chunks := await self.line.take():
            observations: list[Observation] = []
            for chunk in chunks:
                if chunk.opened:
                    self.line.write(self.codec.on_open())
                try:
                    observations += self.codec.feed(chunk.data, chunk.received_ns)
                except Exception as error:  # noqa: BLE001 - a driver's mistake, see DRIVER_FAULT
                    _failed_at(self.name, self.codec.health, error, chunk.data)
            if observations:
                self._offer(observations, None)

    def poll(self, now_ns: int) -> None:
        """Send the codec's queries."""
        self.line.write(self.codec.poll(now_ns))

    def stop(self) -> None:
        """Close the port."""
        self.line.stop()


class MqttSource:
    """All devices of one family on one broker. speaks: of several sessions that share a codec the first one does."""

    def __init__(
        self,
        session: MqttSession,
        codec: MessageCodec,
        offer: Callable[[list[Observation], Held | None], None],
        hold_s: float,
        monotonic: Callable[[], float],
        number: int = 1,
    ) -> None:
        self.session = session
        self.codec = codec
        self.speaks = number == 1
        self.name = f"mqtt:{codec.family}" if self.speaks else f"mqtt:{codec.family}:{number}"
        self._offer = offer
        self._hold_s = hold_s
        self._monotonic = monotonic
        self.decode_seconds = 0.0

    @property
    def connected(self) -> bool:
        """Whether the broker is connected."""
        return self.session.health.connected

    def start(self) -> None:
        """Connect and stay connected."""
        self.session.start()

    async def run(self) -> None:
        """Decode messages until the session is stopped."""
        feed = self.codec.feed
        while messages := await self.session.take():
            begun = self._monotonic()
            observations: list[Observation] = []
            devices: list[str] = []
            for message in messages:
                try:
                    found = feed(message.topic, message.payload, message.received_ns, retained=message.retained)
                except Exception as error:  # noqa: BLE001 - a driver's mistake, see DRIVER_FAULT
                    _failed_at(self.name, self.codec.health, error, message.payload, message.topic)
                    found = []
                devices.append(found[0].device_id if found else "")
                observations += found
            self.decode_seconds += self._monotonic() - begun
            self._offer(observations, Held(self.session, messages, devices, self._monotonic() + self._hold_s))

    def greet(self) -> None:
        """After each connect: publish what the codec wants to say first."""
        if not self.speaks:
            return
        self.session.listen(self.codec.casual_subscriptions())
        for topic, payload in self.codec.on_open():
            self.session.publish(topic, payload)

    def poll(self, now_ns: int) -> None:
        """Publish the codec's queries, and listen where it wants to from now on."""
        if not (self.connected and self.speaks):
            return
        for topic, payload in self.codec.poll(now_ns):
            self.session.publish(topic, payload)
        self.session.listen(self.codec.casual_subscriptions())

    def stop(self) -> None:
        """Disconnect."""
        self.session.stop()


def _failed_at(name: str, health: CodecHealth, error: Exception, data: bytes, topic: str = "") -> None:
    if not health.rejected[DRIVER_FAULT]:
        more = {"topic": topic, "data": data[:200].hex(), "error": repr(error)}
        log.error("source.driver_fault", source=name, exc_info=error, **more)
    health.rejected[DRIVER_FAULT] += 1


Source = SerialSource | MqttSource | TcpSource
