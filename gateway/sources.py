"""Joins a transport and a codec: bytes come in, observations go to the pipeline, and what the codec says goes out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING

import structlog

from device_drivers.contract import DRIVER_FAULT, sound, where
from gateway.mishaps import MishapLog
from gateway.tcp_source import TcpSource, are_alarms

if TYPE_CHECKING:
    from collections.abc import Callable

    from device_drivers.codec import Codec, MessageCodec, StreamCodec
    from device_drivers.observations import Observation
    from device_drivers.transports.mqtt_session import MqttMessage, MqttSession
    from device_drivers.transports.polled import PolledLine
    from device_drivers.transports.serial_line import Chunk, SerialLine
    from gateway.tcp_source import Offer

log = structlog.get_logger(__name__)

SHOWN = 300
"""Characters of a mistake that are shown."""
MAX_TOPIC = 200
MAX_TALKERS = 20_000
"""Device ids remembered of one way in; then it begins anew."""
_device_id = attrgetter("device_id")


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
        self,
        line: SerialLine | PolledLine,
        codec: StreamCodec,
        offer: Offer,
    ) -> None:
        self.line = line
        self.codec = codec
        self.name = f"serial:{codec.device_id}"
        self.mishaps = MishapLog()
        self.talkers: set[str] = set()
        self.fault = ""
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
            observations = [one for chunk in chunks for one in self._decode(chunk)]
            self.mishaps.follow(self.codec, chunks[-1].received_ns)
            _remember(self.talkers, observations)
            answers = self._answers()
            if answers and are_alarms(observations):  # as at a TCP port: only once the alert is committed
                self._offer(observations, None, partial(_write, self.line, answers))
                continue
            self.line.write(answers)
            if observations:
                self._offer(observations, None)

    def _answers(self) -> bytes:
        try:
            return self.codec.answers()
        except Exception as error:  # noqa: BLE001 - a driver's mistake, see DRIVER_FAULT
            self._failed(where(error), error=error)
            return b""

    def _decode(self, chunk: Chunk) -> list[Observation]:
        try:
            if chunk.opened:
                self.line.write(self.codec.on_open())
            found = self.codec.feed(chunk.data, chunk.received_ns)
        except Exception as error:  # noqa: BLE001 - a driver's mistake, see DRIVER_FAULT
            self._failed(where(error), chunk.data, error)
            self._drop()
            return []
        return sound(found, partial(self._failed, data=chunk.data))

    def _drop(self) -> None:
        try:
            self.codec.drop()
        except Exception as error:  # noqa: BLE001 - a driver's mistake, see DRIVER_FAULT
            self._failed(where(error), error=error)

    def poll(self, now_ns: int) -> None:
        """Send the codec's queries."""
        try:
            self.line.write(self.codec.poll(now_ns))
        except Exception as error:  # noqa: BLE001 - a driver's mistake, see DRIVER_FAULT
            self._failed(where(error), error=error)

    def _failed(self, problem: str, data: bytes = b"", error: Exception | None = None) -> None:
        self.fault = _count_fault(self.name, self.codec, problem, error, data)

    def stop(self) -> None:
        """Close the port."""
        self.line.stop()


class MqttSource:
    """All devices of one family on one broker. speaks: of several sessions that share a codec the first one does.

    mishaps: shared by the sessions that share a codec. talkers: the devices heard in this session.
    """

    def __init__(
        self,
        session: MqttSession,
        codec: MessageCodec,
        offer: Callable[[list[Observation], Held | None], None],
        hold_s: float,
        monotonic: Callable[[], float],
        number: int = 1,
        mishaps: MishapLog | None = None,
    ) -> None:
        self.session = session
        self.codec = codec
        self.mishaps = mishaps if mishaps is not None else MishapLog()
        self.talkers: set[str] = set()
        self.speaks = number == 1
        self.name = f"mqtt:{codec.family}" if self.speaks else f"mqtt:{codec.family}:{number}"
        self.fault = ""
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
                    self._failed(where(error), message, error)
                    found = []
                found = sound(found, partial(self._failed, message=message))
                devices.append(found[0].device_id if found else "")
                observations += found
            self.mishaps.follow(self.codec, messages[-1].received_ns)
            _remember(self.talkers, observations)
            self.decode_seconds += self._monotonic() - begun
            self._offer(observations, Held(self.session, messages, devices, self._monotonic() + self._hold_s))

    def greet(self) -> None:
        """After each connect: publish what the codec wants to say first."""
        if not self.speaks:
            return
        try:
            self.session.listen(self.codec.casual_subscriptions())
            for topic, payload in self.codec.on_open():
                self.session.publish(topic, payload)
        except Exception as error:  # noqa: BLE001 - a driver's mistake, see DRIVER_FAULT
            self._failed(where(error), error=error)

    def poll(self, now_ns: int) -> None:
        """Publish the codec's queries, and listen where it wants to from now on."""
        if not (self.connected and self.speaks):
            return
        try:
            for topic, payload in self.codec.poll(now_ns):
                self.session.publish(topic, payload)
            self.session.listen(self.codec.casual_subscriptions())
        except Exception as error:  # noqa: BLE001 - a driver's mistake, see DRIVER_FAULT
            self._failed(where(error), error=error)

    def _failed(self, problem: str, message: MqttMessage | None = None, error: Exception | None = None) -> None:
        data, topic = (message.payload, message.topic) if message is not None else (b"", "")
        self.fault = _count_fault(self.name, self.codec, problem, error, data, topic)

    def stop(self) -> None:
        """Disconnect."""
        self.session.stop()


def _count_fault(name: str, codec: Codec, problem: str, error: Exception | None, data: bytes, topic: str = "") -> str:
    """Count a driver's mistake, log the first one; gives what is shown."""
    if not codec.health.rejected[DRIVER_FAULT]:
        more = {"topic": topic, "data": data[:200].hex(), "problem": problem}
        log.error("source.driver_fault", source=name, exc_info=error, **more)
    codec.reject(DRIVER_FAULT, data, topic=topic[:MAX_TOPIC], error=problem[:SHOWN])
    return problem[:SHOWN]


def _write(line: SerialLine | PolledLine, data: bytes) -> None:
    line.write(data)


def _remember(talkers: set[str], observations: list[Observation]) -> None:
    """Keep in mind who was heard."""
    talkers.update(map(_device_id, observations))
    if len(talkers) > MAX_TALKERS:
        talkers.clear()


Source = SerialSource | MqttSource | TcpSource
