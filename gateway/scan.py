"""Finds what is connected: serial ports with the family and speed that make sense of them, and MQTT talkers by family.

A setting of a line is accepted only if at least three valid frames come within three seconds, more than are rejected,
and with few bytes beside them. Devices that wait to be asked are asked.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import serial
import structlog
from serial.tools import list_ports

from device_drivers.contract import DriverFaultError, make_message, make_stream, sound, where
from device_drivers.registry import drivers
from device_drivers.transports.serial_line import PARITIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from device_drivers.codec import Driver, MessageCodec, StreamCodec
    from device_drivers.observations import Observation

log = structlog.get_logger(__name__)
Made = TypeVar("Made")

PROBE_S = 3.0
QUIET_SHARE = 0.45
"""Where nothing is heard for this part of the time, begin to ask. Where something is heard, listen to the end first:
most devices speak by themselves, some once a second, and a wrong question upsets one."""
MIN_FRAMES = 3
MIN_CLEAN = 0.7
CLEAR = 0.9
READ_S = 0.1
READ_BYTES = 4096
ASK_S = 0.3
PROBE_OPTIONS: Mapping[str, Mapping[str, Any]] = {"modbus_io": {"modules": dict.fromkeys("1234", 8)}}
"""What is assumed of a device for the search only."""


@dataclass(frozen=True, slots=True)
class Probe:
    """How well one family at one setting of the line explains what came from a port.

    clean: the share of the bytes that belong to valid frames; another protocol looks like a few frames in much else.
    """

    family: str
    baud: int
    frames: int
    rejected: int
    clean: float = 1.0
    parity: str = "none"
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        """Three valid frames or more, more than were rejected, and few bytes beside them."""
        return self.frames >= MIN_FRAMES and self.frames > self.rejected and self.clean >= MIN_CLEAN

    @property
    def begun(self) -> bool:
        """Something is understood, and it only wants more time: some devices speak once a second."""
        return 0 < self.frames < MIN_FRAMES and self.clean >= MIN_CLEAN


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
        return max(accepted, key=lambda probe: (round(probe.clean, 1), probe.frames, -probe.rejected), default=None)

    def proposal(self, device_id: str) -> str:
        """What to write into the settings."""
        best = self.best
        if best is None:
            return ""
        url = f"modbus+rtu://{self.url}" if best.family == "modbus_io" else self.url
        lines = [
            "[[serial]]",
            f'url = "{url}"',
            f'family = "{best.family}"',
            f'device_id = "{device_id}"',
            f"baud = {best.baud}",
        ]
        if best.parity != "none":
            lines.append(f'parity = "{best.parity}"')
        if best.options:
            inside = ", ".join(f'{name} = "{value}"' for name, value in best.options.items())
            lines.append(f"options = {{{inside}}}")
        return "\n".join(lines) + "\n"


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
    """Listen at every speed and parity that a family may have; blocking, `seconds` for each that nobody speaks at.

    Ends with the first setting at which almost everything makes sense.
    """
    report = PortReport(url)
    opened = False
    for (baud, parity), candidates in _settings().items():
        try:
            with _open(url, baud, parity) as port:
                opened = True
                report.probes += _Listener(port, (baud, parity), candidates, clock).listen(seconds, monotonic)
        except Exception as error:  # noqa: BLE001 - an adapter may not know this setting; termios has an error of its own
            report.error = f"{type(error).__name__}: {error}"
        best = report.best
        if best is not None and best.clean >= CLEAR:
            break
    if opened:
        report.error = None
    return report


Setting = tuple[int, str]
Candidate = tuple["Driver", "Mapping[str, Any]"]


def _settings() -> dict[Setting, list[Candidate]]:
    """Speed and parity -> who may speak so; what a family usually does before what it does elsewhere, fast first."""
    families = [
        one for one in drivers().values() if one.stream is not None and not one.first_bytes and one.on_serial_lines
    ]
    usual: dict[Setting, list[Candidate]] = {}
    for driver in sorted(families, key=lambda one: -one.baud):
        usual.setdefault((driver.baud, "none"), []).append((driver, {}))
    for rank in range(max((len(one.more_lines) for one in families), default=0)):
        for driver in families:
            for line in driver.more_lines[rank : rank + 1]:
                usual.setdefault((line.baud, line.parity), []).append((driver, line.options))
    return usual


def _open(url: str, baud: int, parity: str) -> serial.SerialBase:
    return serial.serial_for_url(url, baudrate=baud, parity=PARITIES[parity], timeout=READ_S, write_timeout=1.0)


class _Listener:
    """All candidates on one open port."""

    def __init__(
        self, port: serial.SerialBase, setting: Setting, candidates: Sequence[Candidate], clock: Callable[[], int]
    ) -> None:
        self._port = port
        self._setting = setting
        self._clock = clock
        self._options = {driver.family: options for driver, options in candidates}
        self._codecs = _made(
            [driver for driver, _ in candidates],
            lambda one: make_stream(one, "probe", {**PROBE_OPTIONS.get(one.family, {}), **self._options[one.family]}),
        )
        self._bytes = 0
        self._asked: Counter[str] = Counter()
        self._answered: Counter[str] = Counter()

    def listen(self, seconds: float, monotonic: Callable[[], float]) -> list[Probe]:
        """How well each explains what comes. First only listens, then asks; ends early when it is clear.

        Takes `seconds` where nothing is heard, twice that where nothing makes sense, three times where something
        begins to.
        """
        began_s = asked_s = monotonic()
        speaking = False
        while True:
            gone_s = monotonic() - began_s
            probes = self.probes()
            if gone_s >= QUIET_SHARE * seconds and any(one.accepted and one.clean >= CLEAR for one in probes):
                return probes
            begun = any(one.begun for one in probes)
            if gone_s >= (seconds if not self._bytes else 2 * seconds) and (gone_s >= 3 * seconds or not begun):
                return probes
            if not speaking and not begun and gone_s >= seconds * (1 if self._bytes else QUIET_SHARE):
                speaking = True
                self._say(_said(self._codecs, lambda codec: codec.on_open()))
            if speaking and monotonic() - asked_s >= ASK_S:
                asked_s = monotonic()
                self._say(self._questions())
            self._hear(speaking=speaking)

    def probes(self) -> list[Probe]:
        """What is known by now."""
        baud, parity = self._setting
        found = []
        for family, codec in self._codecs.items():
            health = codec.health
            clean = 1 - min(health.skipped_bytes, self._bytes) / self._bytes if self._bytes else 0.0
            rejected = sum(health.rejected.values())
            found.append(Probe(family, baud, health.frames, rejected, clean, parity, self._options[family]))
        return found

    def _hear(self, *, speaking: bool) -> None:
        data, now_ns = bytes(self._port.read(READ_BYTES)), self._clock()
        self._bytes += len(data)
        said = list(_said(self._codecs, partial(_hear, data=data, now_ns=now_ns)))
        if speaking:
            self._say(said)

    def _questions(self) -> Iterator[bytes]:
        for family, codec in self._codecs.items():
            if codec.health.frames == self._answered[family]:
                self._asked[family] += 1
            self._answered[family] = codec.health.frames
        attempts = dict(self._asked)
        return _said(self._codecs, lambda codec: codec.probe(attempts.get(codec.family, 0)))

    def _say(self, words: Iterable[bytes]) -> None:
        for one in words:
            if one:
                self._port.write(one)


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
