"""An MQTT session with held acknowledgements: the broker keeps a message until its consequences are durable.

paho-mqtt reads in its own thread; messages reach the event loop in batches. A QoS-1 message is acknowledged only
by `ack`, so that after a crash the broker (persistent session) sends again what was not finished.
"""

from __future__ import annotations

import contextlib
import logging
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from device_drivers.transports.handover import Handover

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable, Sequence

    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

REFUSED = frozenset({"Not authorized", "Bad user name or password", "Client identifier not valid"})
BACK_PRESSURE_S = 5.0
FAREWELL_S = 1.0


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """Files in PEM. ca_file None trusts the system's authorities. Certificate and host name are always checked."""

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None


@dataclass(frozen=True, slots=True)
class MqttOptions:
    """Where and how to connect. capacity: messages that may wait for the event loop."""

    host: str
    port: int
    client_id: str
    subscriptions: tuple[str, ...] = ()
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: TlsOptions | None = None
    keepalive_s: int = 20
    reconnect_min_s: int = 1
    reconnect_max_s: int = 30
    capacity: int = 100_000
    qos: int = 1
    clean: bool = False
    """A session of no consequence: the broker forgets it, and keeps no messages for it, when it ends."""
    will: tuple[str, bytes] | None = None
    """What is said (retained) when the session ends, whether on purpose or not."""


@dataclass(frozen=True, slots=True)
class MqttMessage:
    """One message as it came. `connection` tells which connection its acknowledgement belongs to."""

    topic: str
    payload: bytes
    received_ns: int
    qos: int
    mid: int
    retained: bool
    connection: int


@dataclass(slots=True)
class MqttHealth:
    """Counters of one session. connected: the broker has answered our subscriptions too, what is published from now on
    is heard. `lapsed` acknowledgements belonged to a connection that had gone. `unsubscribed`:
    topic filters that the broker refused in this connection: what comes there is not heard. faults: errors of our own
    while a message or an answer was handled; the session goes on.
    """

    connected: bool = False
    connects: int = 0
    disconnects: int = 0
    refused: int = 0
    messages: int = 0
    acknowledged: int = 0
    lapsed: int = 0
    dropped: int = 0
    unsubscribed: int = 0
    faults: int = 0
    last_message_ns: int | None = None
    last_error: str | None = None


class MqttSession:
    """One client on one broker. `take()` gives batches, `ack()` releases them, `publish()` sends."""

    def __init__(
        self,
        options: MqttOptions,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], int] = time.time_ns,
        on_connected: Callable[[], None] | None = None,
    ) -> None:
        self.options = options
        self.health = MqttHealth()
        self._clock = clock
        self._loop = loop
        self._on_connected = on_connected
        self._inbox: Handover[MqttMessage] = Handover(loop, options.capacity)
        self._connection = 0
        self._ack_lock = threading.Lock()
        self._casual: dict[str, None] = {}
        self._unconfirmed: dict[int, asyncio.Future[None]] = {}
        self._started = False
        self._client = self._make_client()

    def start(self) -> None:
        """Connect in the background and stay connected; an absent broker is retried for ever."""
        options = self.options
        self._client.connect_async(options.host, options.port, keepalive=options.keepalive_s)
        self._client.loop_start()
        self._started = True

    def stop(self) -> None:
        """Disconnect; the persistent session stays on the broker."""
        self._inbox.close()
        if self.options.will is not None and self.health.connected:
            with contextlib.suppress(RuntimeError, ValueError):  # the connection went in this moment
                self._client.publish(*self.options.will, qos=1, retain=True).wait_for_publish(FAREWELL_S)
        self._client.disconnect()
        with contextlib.suppress(AttributeError):  # paho joins a thread that may have ended and gone in this moment
            self._client.loop_stop()
        for name in ("on_connect", "on_disconnect", "on_message", "on_subscribe", "on_publish"):
            setattr(self._client, name, None)  # no circle back to us: its sockets close with its last reference

    async def take(self) -> list[MqttMessage]:
        """Wait for messages; an empty list means that the session was stopped."""
        return await self._inbox.take()

    @property
    def waiting(self) -> int:
        """Messages received but not yet taken."""
        return len(self._inbox)

    def ack(self, messages: Iterable[MqttMessage]) -> None:
        """Acknowledge QoS-1 messages; those of an earlier connection are left for the broker to send again."""
        for message in messages:
            if message.qos == 0:
                continue
            if message.connection != self._connection:
                self.health.lapsed += 1
                continue
            self._client.ack(message.mid, message.qos)
            self.health.acknowledged += 1

    def publish(self, topic: str, payload: bytes, qos: int = 1, *, retain: bool = False) -> None:
        """Send; queued by the client while the broker is away."""
        self._client.publish(topic, payload, qos=qos, retain=retain)

    async def deliver(self, topic: str, payload: bytes) -> bool:
        """Send with QoS 1 and wait until the broker has confirmed it; False where there is no connection.

        Bound it by a time-out. Nothing is queued: what was given up may still arrive if the connection comes back.
        """
        if not self.health.connected:
            return False
        sent = self._client.publish(topic, payload, qos=1)
        if sent.rc != mqtt.MQTT_ERR_SUCCESS:
            return False
        # The confirmation is handed over to this loop, so it cannot come before the next line.
        confirmed = self._unconfirmed[sent.mid] = self._loop.create_future()
        try:
            await confirmed
        finally:
            del self._unconfirmed[sent.mid]
        return True

    def listen(self, filters: Iterable[str]) -> None:
        """Also listen here, with QoS 0, from now on and after every reconnect; filters known already change nothing."""
        new = [one for one in filters if one not in self._casual]
        self._casual.update(dict.fromkeys(new))
        if new and self.health.connected:
            self._client.subscribe([(one, 0) for one in new])

    def revive(self) -> None:
        """Start the reading thread again if an error has ended it; call it now and then. Does nothing otherwise."""
        client = self._client
        if not self._started or self._inbox.closed or client._thread is not None:  # noqa: SLF001 - paho tells no other way
            return
        client._reset_sockets(sockpair_only=True)  # noqa: SLF001 - the next thread gets its own, and these would leak
        self.health.connected = False
        client.loop_start()
        self._failed("thread", RuntimeError("the reading thread had ended"))

    def _guarded(self, name: str, act: Callable[..., None]) -> Callable[..., None]:
        """An error in a callback would end paho's thread, and the session with it, without a word."""

        def call(*given: Any) -> None:
            try:
                act(*given)
            except Exception as error:  # noqa: BLE001 - counted and logged
                self._failed(name, error)

        return call

    def _failed(self, name: str, error: Exception) -> None:
        self.health.faults += 1
        self.health.last_error = f"{name}: {type(error).__name__}: {error}"
        if self.health.faults == 1:
            log.error("fault in MQTT session %s, %s", self.options.client_id, name, exc_info=error)

    def _make_client(self) -> mqtt.Client:
        options = self.options
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=options.client_id,
            clean_session=options.clean,
            protocol=mqtt.MQTTv311,
            manual_ack=True,
        )
        if options.username is not None:
            client.username_pw_set(options.username, options.password)
        if options.tls is not None:
            client.tls_set_context(_tls_context(options.tls))
        if options.will is not None:
            client.will_set(*options.will, qos=1, retain=True)
        client.reconnect_delay_set(options.reconnect_min_s, options.reconnect_max_s)
        client.max_queued_messages_set(10_000)
        client.on_connect = self._guarded("on_connect", self._connected)
        client.on_disconnect = self._guarded("on_disconnect", self._disconnected)
        client.on_message = self._guarded("on_message", self._arrived)
        client.on_subscribe = self._guarded("on_subscribe", self._subscribed)
        client.on_publish = self._guarded("on_publish", self._published)
        return client

    def _published(
        self, _client: mqtt.Client, _data: Any, mid: int, _reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._confirm, mid)

    def _confirm(self, mid: int) -> None:
        confirmed = self._unconfirmed.get(mid)
        if confirmed is not None and not confirmed.done():
            confirmed.set_result(None)

    def _connected(
        self, client: mqtt.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self.health.last_error = str(reason)
            self._refused(client, str(reason))
            return
        self._connection += 1
        self.health.unsubscribed = 0
        client.reconnect_delay_set(self.options.reconnect_min_s, self.options.reconnect_max_s)
        wanted = [(topic, self.options.qos) for topic in self.options.subscriptions]
        wanted += [(topic, 0) for topic in self._casual]
        if wanted:
            client.subscribe(wanted)
        else:
            self._listens()

    def _listens(self) -> None:
        self.health.connected, self.health.connects = True, self.health.connects + 1
        if self._on_connected is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._on_connected)

    def _subscribed(
        self, _client: mqtt.Client, _data: Any, _mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        if refused:
            self.health.unsubscribed += len(refused)
            self.health.last_error = f"subscription refused: {refused[0]}"
        if not self.health.connected:
            self._listens()

    def _refused(self, client: mqtt.Client, reason: str) -> None:
        self.health.refused += 1
        if reason in REFUSED:  # trying again soon cannot help and looks like an attack
            longest = self.options.reconnect_max_s
            client.reconnect_delay_set(longest, longest)

    def _disconnected(
        self, _client: mqtt.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if self.health.connected and reason.is_failure:  # a refused connection has said why already
            self.health.last_error = str(reason)
        self.health.connected = False
        self.health.disconnects += 1

    def _arrived(self, client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        now = self._clock()
        health = self.health
        health.messages += 1
        health.last_message_ns = now
        try:
            topic = message.topic
        except UnicodeDecodeError:  # no broker should let it through; unacknowledged it would come for ever
            client.ack(message.mid, message.qos)
            raise
        item = MqttMessage(
            topic, bytes(message.payload), now, message.qos, message.mid, message.retain, self._connection
        )
        if not self._inbox.put(item, BACK_PRESSURE_S if message.qos else 0.0):
            health.dropped += 1


def _tls_context(options: TlsOptions) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=options.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if options.cert_file is not None:
        context.load_cert_chain(options.cert_file, options.key_file)
    return context


def subscriptions_of(filters: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """All topic filters of several codecs, once each, in order."""
    return tuple(dict.fromkeys(one for group in filters for one in group))
