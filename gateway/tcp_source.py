"""Devices that connect to our TCP port: recognised by their first frame, let in if registered, answered, commanded.

What a connection sends first tells the family (its first byte) and the device (the id in its first frame). Only devices
of the registry are let in; others are closed at once and remembered, so that an installer sees the id of a watch that
still has to be registered. One connection for each device: a newer one takes the place of the older.

The answer to an alarm goes out after the alert is committed: a watch whose gateway dies in between repeats its alarm.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from device_drivers.codec import CodecHealth, StreamCodec
from device_drivers.contract import DRIVER_FAULT, make_stream, sound, where
from device_drivers.observations import DeviceEvent
from device_drivers.registry import UnknownFamilyError, find_driver
from device_drivers.tracking import same_id
from device_drivers.transports.tcp_listener import Connection, TcpListener, TcpOptions
from gateway.device_commands import Command, CommandBusyError, NotConnectedError, Question
from gateway.mishaps import MishapLog, Mishaps
from gateway.options import without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from device_drivers.codec import Driver, Note
    from device_drivers.observations import Observation
    from gateway.registry import Device
    from gateway.sources import Held

log = structlog.get_logger(__name__)

ALARMS = frozenset({"help_button", "fall"})
MAX_UNKNOWN_BYTES = 4_096
"""A device that has not said who it is after this many bytes never will."""
KEPT_UNKNOWN = 32
BLANKS = b"\r\n\0 "
"""What some devices send before a frame."""
FAULT_QUIET_S = 900.0
"""After so long without a further mistake of its driver a device is well again."""
ONLINE_S = 60.0
"""How often a device that was heard lately is said to be online: most send nothing for minutes."""
FLAPPING_PER_MINUTE = 20
MOST_PER_MINUTE = 240
"""Connections of one device in a minute: from the first it is shown as unsteady, at the second it has to wait."""


class Offer(Protocol):
    """Takes observations; `then` is called when what follows from them is committed."""

    def __call__(
        self, observations: list[Observation], held: Held | None, then: Callable[[], None] | None = None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Admitted:
    """A registered device. identity: the id in its frames."""

    device_id: str
    family: str
    identity: str
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(slots=True)
class Heard:
    """What is kept of a device beyond one connection: its codec knows which alarms were told. Times are monotonic."""

    heard_s: float
    told_s: float
    admitted: Admitted
    codec: StreamCodec
    mishaps: MishapLog = field(default_factory=MishapLog)
    connects: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_PER_MINUTE))
    online: bool = True


@dataclass(slots=True)
class _Stranger:
    """A connection whose device is not known yet."""

    driver: Driver | None = None
    probe: StreamCodec | None = None
    data: bytearray = field(default_factory=bytearray)


@dataclass(slots=True)
class _Session:
    admitted: Admitted
    connection: Connection
    codec: StreamCodec


@dataclass(slots=True)
class Decoding:
    """Counters of the codecs of all devices together."""

    heard: dict[str, Heard]

    @property
    def health(self) -> CodecHealth:
        """The sum."""
        total = CodecHealth()
        for one in self.heard.values():
            _add(total, one.codec.health)
        return total


def _as_they_are(_driver: Driver, options: Mapping[str, Any]) -> dict[str, Any]:
    return dict(options)


class TcpSource:
    """All devices that connect to one port. `allow` says which are let in.

    load_options: puts the secrets into a device's options; raises ValueError where one cannot be had.
    """

    def __init__(
        self,
        options: TcpOptions,
        families: Sequence[Driver],
        offer: Offer,
        clock: Callable[[], int],
        monotonic: Callable[[], float],
        load_options: Callable[[Driver, Mapping[str, Any]], dict[str, Any]] = _as_they_are,
    ) -> None:
        self.listener = TcpListener(options, self, clock, monotonic)
        self.name = f"tcp:{options.host}:{options.port}"
        self._heard: dict[str, Heard] = {}
        self.codec = Decoding(self._heard)
        self.unknown: OrderedDict[str, str] = OrderedDict()
        self.refused: Counter[str] = Counter()
        self.faults: dict[str, str] = {}
        self._mistaken_s: dict[str, float] = {}
        self._families = families
        self._offer = offer
        self._monotonic = monotonic
        self._load_options = load_options
        self._admitted: tuple[Admitted, ...] = ()
        self._strangers: dict[Connection, _Stranger] = {}
        self._sessions: dict[Connection, _Session] = {}
        self._by_device: dict[str, _Session] = {}
        self._questions: dict[str, Question] = {}

    @property
    def connected(self) -> bool:
        """Whether the port is open."""
        return self.listener.health.listening

    @property
    def online(self) -> int:
        """How many devices are connected."""
        return len(self._by_device)

    @property
    def families(self) -> frozenset[str]:
        """The families that are let in."""
        return frozenset(driver.family for driver in self._families)

    @property
    def connected_devices(self) -> frozenset[str]:
        """The devices that are connected."""
        return frozenset(self._by_device)

    @property
    def talkers(self) -> frozenset[str]:
        """The devices that were heard."""
        return frozenset(self._heard)

    def mishaps(self) -> dict[str, Mishaps]:
        """What could not be decoded, by device."""
        return {one: Mishaps().join(heard.mishaps.by_place.values()) for one, heard in self._heard.items()}

    @property
    def flapping(self) -> list[str]:
        """Devices that connect again and again."""
        since_s = self._monotonic() - 60
        return [
            device_id
            for device_id, heard in self._heard.items()
            if len(heard.connects) > FLAPPING_PER_MINUTE and heard.connects[-1 - FLAPPING_PER_MINUTE] > since_s
        ]

    def start(self) -> None:
        """Nothing: the port opens when `run` begins."""

    async def run(self) -> None:
        """Listen until stopped."""
        await self.listener.serve()

    def stop(self) -> None:
        """Close the port and every connection."""
        self.listener.stop()

    def allow(self, devices: Iterable[Device]) -> None:
        """Exactly these devices are let in; those of other families are ignored. Others are sent away now."""
        ours = {driver.family for driver in self._families}
        found = [(one, _family(one.family)) for one in devices if one.active]
        self._admitted = tuple(
            Admitted(one.id, family, str(one.options.get("identity") or one.id), one.options)
            for one, family in found
            if family in ours
        )
        for session in list(self._sessions.values()):
            if session.admitted not in self._admitted:
                session.connection.close("no_longer_registered")
        known = {one.device_id for one in self._admitted}
        for device_id in self._heard.keys() - known:
            del self._heard[device_id]
        for identity, family in list(self.unknown.items()):
            if self._admitted_as(identity, family) is not None:
                del self.unknown[identity]

    def command(self, device_id: str, name: str, value: str | float | None = None) -> bool:
        """Send a command to a device; False while it is not connected. Raises UnknownCommandError, ValueError."""
        session = self._by_device.get(device_id)
        if session is None:
            return False
        return session.connection.write(session.codec.command(name, value))

    async def ask(self, command: Command) -> Note | None:
        """Send a command and wait for the device's answer; None if none comes.

        Raises NotConnectedError, CommandBusyError, UnknownCommandError, and ValueError for a value that does not fit.
        """
        device_id = command.device_id
        session = self._by_device.get(device_id)
        if session is None:
            raise NotConnectedError(device_id)
        if device_id in self._questions:
            raise CommandBusyError(device_id)
        data = session.codec.command(command.name, command.value)
        question = self._questions[device_id] = Question(command, session.codec.notes)
        try:
            if not session.connection.write(data):
                raise NotConnectedError(device_id)
            return await question.answer()
        finally:
            del self._questions[device_id]

    def poll(self, now_ns: int) -> None:
        """Send the codecs' queries, end idle connections, tell who is online."""
        self.listener.sweep()
        for session in list(self._sessions.values()):
            try:
                session.connection.write(session.codec.poll(now_ns))
            except Exception as error:  # noqa: BLE001 - a driver's mistake with one device silences no other
                self._failed(session.connection, session.admitted.device_id, error)
        self._tell_online(now_ns)
        self._forgive()

    # The listener calls these

    def received(self, connection: Connection, data: bytes, received_ns: int) -> None:
        """Bytes of a device, or of a stranger who may become one."""
        session = self._sessions.get(connection)
        try:
            if session is None:
                session, data = self._recognise(connection, data, received_ns)
            if session is not None:
                self._feed(session, data, received_ns)
        except Exception as error:  # noqa: BLE001 - a driver's mistake with one device silences no other
            who = connection.peer
            if session is not None:
                who = session.admitted.device_id
                session.codec.reject(DRIVER_FAULT, data, error=where(error))
                self._drop(session)
            self._failed(connection, who, error)

    def _drop(self, session: _Session) -> None:
        """The codec outlives the connection: what it failed at must not wait in it for the next one."""
        try:
            session.codec.drop()
        except Exception as error:  # noqa: BLE001 - a driver's mistake with one device silences no other
            self._mistaken(session.admitted.device_id, where(error))

    def lost(self, connection: Connection) -> None:
        """A connection has ended."""
        self._strangers.pop(connection, None)
        session = self._sessions.pop(connection, None)
        if session is not None and self._by_device.get(session.admitted.device_id) is session:
            del self._by_device[session.admitted.device_id]

    def _failed(self, connection: Connection, who: str, error: Exception) -> None:
        """The device connects again and begins anew; what its driver could not stand is shown."""
        self._mistaken(who, where(error))
        log.error("tcp.driver_fault", device=who, exc_info=error)
        self._strangers.pop(connection, None)
        connection.close("driver_fault")

    def _mistaken(self, who: str, problem: str) -> None:
        if who not in self.faults:
            log.error("tcp.driver_mistake", device=who, problem=problem)
        self.faults[who] = problem[:200]
        self._mistaken_s[who] = self._monotonic()
        while len(self.faults) > KEPT_UNKNOWN:
            oldest = next(iter(self.faults))
            del self.faults[oldest]
            self._mistaken_s.pop(oldest, None)

    def _forgive(self) -> None:
        """A driver's mistake that has not come again for long is no trouble any more."""
        now_s = self._monotonic()
        for who, at_s in list(self._mistaken_s.items()):
            if now_s - at_s >= FAULT_QUIET_S:
                del self._mistaken_s[who]
                self.faults.pop(who, None)

    # Strangers

    def _recognise(self, connection: Connection, data: bytes, received_ns: int) -> tuple[_Session | None, bytes]:
        """The session that begins with these bytes, and all bytes of it so far."""
        if not connection.open:
            return None, b""
        stranger = self._strangers.setdefault(connection, _Stranger())
        stranger.data += data
        if stranger.probe is None:
            del stranger.data[: len(stranger.data) - len(stranger.data.lstrip(BLANKS))]
            if not stranger.data:
                return None, b""
            stranger.driver = self._family_of(bytes(stranger.data))
            if stranger.driver is None or stranger.driver.stream is None:
                self._refuse(connection, "no_family")
                return None, b""
            stranger.probe = make_stream(stranger.driver, "", {})
            data = bytes(stranger.data)
        stranger.probe.feed(data, received_ns)
        if stranger.probe.stated_id is None:
            if len(stranger.data) > MAX_UNKNOWN_BYTES:
                self._refuse(connection, "no_identity")
            return None, b""
        return self._let_in(connection, stranger, stranger.probe.stated_id), bytes(stranger.data)

    def _admitted_as(self, identity: str, family: str) -> Admitted | None:
        """The registered device of this id and family, None for a stranger."""
        return next((one for one in self._admitted if one.family == family and same_id(one.identity, identity)), None)

    def _family_of(self, data: bytes) -> Driver | None:
        return next((driver for driver in self._families if data.startswith(driver.first_bytes)), None)

    def _let_in(self, connection: Connection, stranger: _Stranger, identity: str) -> _Session | None:
        driver = stranger.driver
        if driver is None:
            return None
        admitted = self._admitted_as(identity, driver.family)
        if admitted is None:
            self._remember(identity, driver.family)
            self._refuse(connection, "unknown_device")
            return None
        heard = self._known(driver, admitted)
        if not _may_connect(heard, self._monotonic()):
            self._refuse(connection, "too_often")
            return None
        return self._begin(connection, heard)

    def _known(self, driver: Driver, admitted: Admitted) -> Heard:
        """What is known of the device; made anew when it is heard for the first time, or its options have changed."""
        heard = self._heard.get(admitted.device_id)
        if heard is None or heard.admitted != admitted:
            now_s = self._monotonic()
            heard = self._heard[admitted.device_id] = Heard(now_s, now_s, admitted, self._codec(driver, admitted))
        return heard

    def _begin(self, connection: Connection, heard: Heard) -> _Session:
        device_id = heard.admitted.device_id
        session = _Session(heard.admitted, connection, heard.codec)
        connection.recognised()
        self._strangers.pop(connection, None)
        older = self._by_device.get(device_id)
        self._sessions[connection] = self._by_device[device_id] = session
        if older is not None:
            del self._sessions[older.connection]
            older.connection.close("replaced")
        connection.write(session.codec.on_open())
        return session

    def _codec(self, driver: Driver, admitted: Admitted) -> StreamCodec:
        needed = {"identity": admitted.identity}
        options: dict[str, Any] = {}
        try:
            options = self._load_options(driver, admitted.options)
            codec = make_stream(driver, admitted.device_id, {**options, **needed})
        except ValueError as error:  # a wrong option must not silence a call for help
            problem = without_secrets(str(error), driver, options)
            self.faults[admitted.device_id] = problem
            log.warning("tcp.wrong_option", device=admitted.device_id, error=problem)
            return make_stream(driver, admitted.device_id, needed)
        self.faults.pop(admitted.device_id, None)
        return codec

    def _refuse(self, connection: Connection, reason: str) -> None:
        self.refused[reason] += 1
        self._strangers.pop(connection, None)
        connection.close(reason)

    def _remember(self, identity: str, family: str) -> None:
        if identity not in self.unknown:
            log.info("tcp.unknown_device", identity=identity, family=family)
        self.unknown[identity] = family
        self.unknown.move_to_end(identity)
        if len(self.unknown) > KEPT_UNKNOWN:
            self.unknown.popitem(last=False)

    # Devices

    def _feed(self, session: _Session, data: bytes, received_ns: int) -> None:
        codec, connection = session.codec, session.connection
        before = codec.health.frames
        device_id = session.admitted.device_id
        observations = sound(codec.feed(data, received_ns), partial(self._mistaken, device_id))
        answers = codec.answers()
        if codec.health.frames > before:
            self._hear(session.admitted.device_id)
        self._look(session, received_ns)
        alarm = are_alarms(observations)
        if observations:
            self._offer(observations, None, (lambda: _write(connection, answers)) if alarm else None)
        if not alarm:
            connection.write(answers)

    def _look(self, session: _Session, received_ns: int) -> None:
        """What the device could not make itself understood with, and whether it has answered a command."""
        device_id = session.admitted.device_id
        heard, question = self._heard.get(device_id), self._questions.get(device_id)
        if heard is not None:
            heard.mishaps.follow(session.codec, received_ns)
        if question is not None:
            question.hear(session.codec.notes)

    def _hear(self, device_id: str) -> None:
        heard = self._heard.get(device_id)
        if heard is not None:
            heard.heard_s = self._monotonic()
            heard.online = True

    def _tell_online(self, now_ns: int) -> None:
        now_s = self._monotonic()
        told: list[Observation] = []
        for device_id, heard in self._heard.items():
            silent = now_s - heard.heard_s > self.listener.options.idle_s
            if silent and heard.online:
                heard.online = False
                told.append(DeviceEvent(device_id, "online", False, now_ns, now_ns))
            elif not silent and now_s - heard.told_s >= ONLINE_S:
                heard.told_s = now_s
                told.append(DeviceEvent(device_id, "online", True, now_ns, now_ns, repeat=True))
        if told:
            self._offer(told, None)


def are_alarms(observations: Iterable[Observation]) -> bool:
    """Whether a person calls or has fallen: the device is answered only when that is committed."""
    return any(
        isinstance(one, DeviceEvent) and one.signal in ALARMS and one.value is True and not one.stored
        for one in observations
    )


def _may_connect(heard: Heard, now_s: float) -> bool:
    full = len(heard.connects) == MOST_PER_MINUTE and heard.connects[0] > now_s - 60
    if not full:
        heard.connects.append(now_s)
    return not full


def _write(connection: Connection, data: bytes) -> None:
    connection.write(data)


def _family(name: str) -> str | None:
    try:
        return find_driver(name).family
    except UnknownFamilyError:
        return None


def _add(total: CodecHealth, more: CodecHealth) -> None:
    total.frames += more.frames
    total.rejected.update(more.rejected)
    total.skipped_bytes += more.skipped_bytes
    latest = [one for one in (total.last_frame_ns, more.last_frame_ns) if one is not None]
    total.last_frame_ns = max(latest) if latest else None
