"""Finds what is connected: serial ports with the family and speed that make sense of them, and MQTT talkers by family.

A speed is accepted only if at least three valid frames come within three seconds, and more than are rejected.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import serial
import structlog
from serial.tools import list_ports

from device_drivers.contract import DriverFaultError, make_message, make_stream, sound, where
from device_drivers.registry import drivers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from device_drivers.codec import Driver, MessageCodec, StreamCodec
    from device_drivers.observations import Observation

log = structlog.get_logger(__name__)
Made = TypeVar("Made")

PROBE_S = 3.0
MIN_FRAMES = 3
READ_S = 0.1
READ_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Probe:
    """How well one family at one speed explains what came from a port."""

    family: str
    baud: int
    frames: int
    rejected: int

    @property
    def accepted(self) -> bool:
        """Three valid frames or more, and more than were rejected."""
        return self.frames >= MIN_FRAMES and self.frames > self.rejected


@dataclass(slots=True)
class PortReport:
    """One serial port: what answered there, the best first. error: why it could not be opened."""

    url: str
    probes: list[Probe] = field(default_factory=list)
    error: str | None = None

    @property
    def best(self) -> Probe | None:
        """The family that explains it, None where none does."""
        accepted = [probe for probe in self.probes if probe.accepted]
        return max(accepted, key=lambda probe: (probe.frames, -probe.rejected), default=None)

    def proposal(self, device_id: str) -> str:
        """What to write into the settings."""
        best = self.best
        if best is None:
            return ""
        return (
            f'[[serial]]\nurl = "{self.url}"\nfamily = "{best.family}"\ndevice_id = "{device_id}"\nbaud = {best.baud}\n'
        )


@dataclass(frozen=True, slots=True)
class Talker:
    """One device heard over MQTT: its family, id, how many messages, and the signals it gave."""

    family: str
    device_id: str
    messages: int
    signals: tuple[str, ...]


def serial_ports() -> list[str]:
    """Serial ports of this machine, by their stable names where there are such."""
    return sorted(port.device for port in list_ports.comports())


def probe_port(
    url: str,
    seconds: float = PROBE_S,
    monotonic: Callable[[], float] = time.monotonic,
    clock: Callable[[], int] = time.time_ns,
) -> PortReport:
    """Listen at the speed of every family, one speed after the other; blocking, `seconds` for each speed."""
    report = PortReport(url)
    families = [one for one in drivers().values() if one.stream is not None and not one.first_bytes]
    for baud in sorted({driver.baud for driver in families}, reverse=True):
        candidates = [driver for driver in families if driver.baud == baud]
        try:
            report.probes += _listen(url, baud, candidates, monotonic() + seconds, monotonic, clock)
        except (OSError, serial.SerialException) as error:
            report.error = str(error)
            return report
        if report.best is not None:
            break
    return report


def _listen(
    url: str,
    baud: int,
    candidates: Iterable[Driver],
    until_s: float,
    monotonic: Callable[[], float],
    clock: Callable[[], int],
) -> list[Probe]:
    codecs = _made(candidates, lambda driver: make_stream(driver, "probe", {}))
    with serial.serial_for_url(url, baudrate=baud, timeout=READ_S, write_timeout=1.0) as port:
        for words in _said(codecs, lambda codec: codec.on_open()):
            port.write(words)
        while monotonic() < until_s:
            data, now_ns = bytes(port.read(READ_BYTES)), clock()
            for words in _said(codecs, partial(_hear, data=data, now_ns=now_ns)):
                port.write(words)
    return [
        Probe(family, baud, codec.health.frames, sum(codec.health.rejected.values()))
        for family, codec in codecs.items()
    ]


def _made(candidates: Iterable[Driver], make: Callable[[Driver], Made]) -> dict[str, Made]:
    """A codec of each family; a broken driver is left out, and doctor says why."""
    made: dict[str, Made] = {}
    for driver in candidates:
        try:
            made[driver.family] = make(driver)
        except (DriverFaultError, ValueError) as error:
            log.warning("scan.driver_left_out", family=driver.family, error=str(error))
    return made


def _said(codecs: dict[str, StreamCodec], act: Callable[[StreamCodec], bytes]) -> Iterator[bytes]:
    """What each codec wants to say; one that fails is left out from then on."""
    for family, codec in list(codecs.items()):
        try:
            yield act(codec)
        except Exception as error:  # noqa: BLE001 - one driver's mistake must not end the search
            log.warning("scan.driver_left_out", family=family, error=where(error))
            del codecs[family]


def _hear(codec: StreamCodec, data: bytes, now_ns: int) -> bytes:
    codec.feed(data, now_ns)
    return codec.answers() + codec.poll(now_ns)


class MqttListener:
    """Sorts messages by the family that understands them. Feed it messages; ask for `talkers`."""

    def __init__(self) -> None:
        talking = [one for one in drivers().values() if one.message is not None]
        self._codecs: dict[str, MessageCodec] = _made(talking, lambda driver: make_message(driver, {}))
        self._messages: Counter[tuple[str, str]] = Counter()
        self._signals: dict[tuple[str, str], set[str]] = {}
        self.topics: Counter[str] = Counter()

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Everything that any family listens to."""
        return tuple(dict.fromkeys(topic for codec in self._codecs.values() for topic in codec.subscriptions()))

    def hear(self, topic: str, payload: bytes, received_ns: int) -> None:
        """One message; what no family understands is counted by its topic."""
        understood = False
        for family, codec in self._codecs.items():
            if not any(matches(pattern, topic) for pattern in codec.subscriptions()):
                continue
            for one in _observed(codec, topic, payload, received_ns):
                understood = True
                key = (family, one.device_id)
                self._messages[key] += 1
                self._signals.setdefault(key, set()).add(one.signal)
        if not understood:
            self.topics[topic] += 1

    def talkers(self) -> list[Talker]:
        """Every device heard, by family and id."""
        return [
            Talker(family, device_id, count, tuple(sorted(self._signals[family, device_id])))
            for (family, device_id), count in sorted(self._messages.items())
        ]


def _observed(codec: MessageCodec, topic: str, payload: bytes, received_ns: int) -> list[Observation]:
    try:
        found = codec.feed(topic, payload, received_ns)
    except Exception as error:  # noqa: BLE001 - one driver's mistake must not end the search
        log.warning("scan.driver_failed", family=codec.family, error=where(error))
        return []
    return sound(found, lambda problem: log.warning("scan.driver_failed", family=codec.family, error=problem))


def matches(pattern: str, topic: str) -> bool:
    """Whether an MQTT topic filter fits a topic (MQTT 3.1.1, section 4.7)."""
    wanted, levels = pattern.split("/"), topic.split("/")
    for position, level in enumerate(wanted):
        if level == "#":
            return True
        if position >= len(levels) or level not in ("+", levels[position]):
            return False
    return len(wanted) == len(levels)
