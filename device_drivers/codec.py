"""The base of every driver: a codec turns bytes into observations and does no I/O.

    StreamCodec   feed(bytes)           for serial lines and TCP connections, one codec for each connection
    MessageCodec  feed(topic, payload)  for MQTT, one codec for all devices of a family on one broker
    Driver        what a family registers under the entry point group `yinling.drivers`

Whatever arrives, `feed` raises nothing: what cannot be understood becomes a `Rejection` that keeps the raw bytes,
and is counted by its reason.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from device_drivers.observations import Observation
    from device_drivers.sample import MessageSample, StreamSample

KEPT_REJECTIONS = 64
KEPT_NOTES = 256
KEPT_RAW_BYTES = 512
BEATS_LOST_S = 930.0
"""Three heartbeats of devices with a network of their own: one comes every five minutes (networks forget idle
connections after about so long; assumed of all makers)."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Input that was not understood: why, with the facts, and its raw bytes (at most 512)."""

    reason: str
    raw: bytes
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Note:
    """Understood, but no observation: a query, an acknowledgement, a setting, the device's identity, a heartbeat.

    kind: "query", "ack", "setting", "identity", "heartbeat", "report" (a fact that is no signal), "log" or "unknown"
    (a valid frame of unknown meaning).
    """

    kind: str
    fields: Mapping[str, Any]
    device_id: str


@dataclass(slots=True)
class CodecHealth:
    """Counters of one codec. `rejected` counts by reason; `skipped_bytes` were passed over while resynchronising."""

    frames: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    skipped_bytes: int = 0
    last_frame_ns: int | None = None


class UnknownCommandError(LookupError):
    """The family has no such command."""

    def __init__(self, family: str, name: str, value: str | float | None = None) -> None:
        super().__init__(f"{family} has no command {name!r}")
        self.family = family
        self.name = name
        self.value = value


class Codec(ABC):
    """What both kinds of codec share: health, and the latest notes and rejections, bounded."""

    family: ClassVar[str]

    def __init__(self) -> None:
        self.health = CodecHealth()
        self.notes: deque[Note] = deque(maxlen=KEPT_NOTES)
        self.rejections: deque[Rejection] = deque(maxlen=KEPT_REJECTIONS)

    def reject(self, reason: str, raw: bytes, **detail: Any) -> None:
        """Count a rejection and keep its raw bytes for diagnosis."""
        self.health.rejected[reason] += 1
        self.rejections.append(Rejection(reason, bytes(raw[:KEPT_RAW_BYTES]), detail))

    def note(self, kind: str, device_id: str, **fields: Any) -> None:
        """Keep a fact that is understood but is no observation."""
        self.notes.append(Note(kind, fields, device_id))


class StreamCodec(Codec):
    """Codec of one byte stream, that is of one device.

    The result must not depend on how the stream was cut into chunks.

    stated_id: the device's own id as its frames state it, None until one did. Where many devices share one port, the
    listener decides by it whose stream this is.
    """

    stated_id: str | None = None

    def __init__(self, device_id: str) -> None:
        super().__init__()
        self.device_id = device_id

    @abstractmethod
    def feed(self, data: bytes, received_ns: int) -> list[Observation]:
        """Observations completed by these bytes, in order."""

    def finish(self, received_ns: int) -> list[Observation]:  # noqa: ARG002 - part of the contract
        """Observations in what is left when no more bytes will come (the end of a capture); none by default."""
        return []

    def drop(self) -> None:
        """Forget the bytes of an unfinished frame: called when `feed` has raised, so that they do no harm again.

        Nothing by default: a `Framer` drops its buffer by itself. A codec that keeps bytes of its own says how.
        """

    def answers(self) -> bytes:
        """What the device waits for after the bytes fed since the last call; nothing by default.

        A transport sends it after each `feed`, at once: a device without its answer repeats itself or hangs up.
        """
        return b""

    def command(self, name: str, value: str | float | None = None) -> bytes:
        """The bytes of a command to the device, by its plain name ("locate", "interval", "find").

        Raises UnknownCommandError for what the family cannot do (`Driver.commands` names what it can), ValueError for
        a value that does not fit or while the device is not known well enough to be addressed.
        """
        raise UnknownCommandError(self.family, name, value)

    def on_open(self) -> bytes:
        """What to send when the line opens (state queries); nothing by default."""
        return b""

    def poll(self, now_ns: int) -> bytes:  # noqa: ARG002 - part of the contract
        """What to send now (called about once a second); nothing by default."""
        return b""

    def probe(self, attempt: int) -> bytes:  # noqa: ARG002 - part of the contract
        """What to ask on a line where such a device is only suspected; nothing by default: most speak by themselves.

        attempt: how many questions had no answer so far.
        """
        return b""


class MessageCodec(Codec):
    """Codec of one family's messages on one broker; tells its devices apart by topic."""

    @abstractmethod
    def subscriptions(self) -> list[str]:
        """Topic filters this family listens to."""

    def casual_subscriptions(self) -> list[str]:
        """Filters with QoS 0: states that the broker retains, so that none is lost for good. May grow while running."""
        return []

    @abstractmethod
    def feed(self, topic: str, payload: bytes, received_ns: int, *, retained: bool = False) -> list[Observation]:
        """Observations in one message, in order.

        An empty topic, which no broker delivers, means a captured payload whose topic is not known.
        """

    def on_open(self) -> list[tuple[str, bytes]]:
        """Messages (topic, payload) to publish after each connect; none by default."""
        return []

    def poll(self, now_ns: int) -> list[tuple[str, bytes]]:  # noqa: ARG002 - part of the contract
        """Messages (topic, payload) to publish now (called about once a second); none by default."""
        return []


@dataclass(frozen=True, slots=True)
class Line:
    """One way in which a family's serial devices may be set. options: what goes with it in the settings."""

    baud: int
    parity: str = "none"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Driver:
    """A family of devices: how to make its codecs, and what they can give.

    stream(device_id, options) and message(options) make codecs; at least one is present. `options` are the
    family's own settings from the configuration, as text keys and plain values.
    account_topics(device_id): the MQTT topic filters (publish, subscribe) of a device that has its own account on the
    embedded broker; absent for families whose devices never connect to it themselves. hint_zh, hint_en: for the
    installer, how to put one into service and what goes wrong with it. first_bytes: for devices that connect to our TCP
    port, what their streams begin with; empty for all others. commands: what `StreamCodec.command` takes. show_all:
    options under which a codec holds back nothing (no averaging, no waiting), for looking at captured frames. samples:
    what its traffic looks like, for `yinling bench drivers` and for tests; ours are in `simulators/samples.py`.
    secrets: options that hold a secret, or a table of secrets: they may stand in files or in the environment, and are
    never shown.
    """

    family: str
    title_zh: str
    title_en: str
    signals: tuple[str, ...]
    stream: Callable[[str, Mapping[str, Any]], StreamCodec] | None = None
    message: Callable[[Mapping[str, Any]], MessageCodec] | None = None
    account_topics: Callable[[str], tuple[tuple[str, ...], tuple[str, ...]]] | None = None
    baud: int = 115_200
    more_lines: tuple[Line, ...] = ()
    """How else these devices may be set than to `baud` without parity, the likeliest first. For the port search."""
    on_serial_lines: bool = True
    """Whether its stream comes over serial lines at all (and not from a page that is asked)."""
    aliases: tuple[str, ...] = ()
    hint_zh: str = ""
    hint_en: str = ""
    lost_after_s: float = 300.0
    """How long one of these devices may be silent before it counts as lost. Buttons and door contacts speak once a day,
    meters only when they are used (inf)."""
    signal_lost_after_s: float = float("inf")
    """How long the heart or breath of one of these devices may be silent while the device itself goes on and somebody
    is there: for sensors that give them all the time. Watches and meters give them now and then (inf)."""
    show_all: Mapping[str, Any] = field(default_factory=dict)
    first_bytes: tuple[bytes, ...] = ()
    commands: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    samples: Callable[[], tuple[StreamSample | MessageSample, ...]] | None = None
