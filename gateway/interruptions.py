"""Interruptions on the gateway's side of the devices: a cable pulled, the broker away, a watch that keeps reconnecting.

One interruption is one finding, however many devices are behind it: while it lasts, their silence is not counted. What
was still open from before a start ends when the way is seen to work, never by silence.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from analytics.findings import Evidence, Finding, Phase
from analytics.kinds import KINDS
from device_drivers.registry import UnknownFamilyError, find_driver
from gateway.sources import MqttSource
from gateway.tcp_source import TcpSource
from gateway.ways import ways_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from gateway.alerts.alert import Alert
    from gateway.broker.supervisor import Broker
    from gateway.sources import Source
    from gateway.ways import WayIn

FIRST_S = 30.0
"""After a start everything has so long to connect."""
DELAY_S = 5.0
"""Shorter interruptions are none: a broker is restarted, an adapter stumbles. A broker that died is told of at once."""
RETURN_S = 3.0
QUIET_LINE_S = 60.0
"""A line is well again when something is understood on it, or when it has stayed open for so long."""
SETTLED_S = 120.0
BROKER = "broker"
LINE_LOST, BROKER_DOWN, RECONNECTING = "line_lost", "broker_down", "reconnecting"
KINDS_HERE = frozenset({LINE_LOST, BROKER_DOWN, RECONNECTING})


@dataclass(frozen=True, slots=True)
class Way:
    """One thing that can be interrupted, as it stands now. device: what a finding about it is filed under.

    behind: the devices that cannot be heard while it is down. frames: what was understood on it so far, None where that
    says nothing. deaths: how often it ended unasked.
    """

    kind: str
    device: str
    connected: bool
    behind: AbstractSet[str] = frozenset()
    error: str = ""
    frames: int | None = None
    deaths: int = 0


@dataclass(slots=True)
class _State:
    """since_s: when it went up or down, monotonic. frames: how many at its return."""

    up: bool
    since_s: float
    deaths: int
    frames: int | None
    ever_up: bool = False
    episode: str | None = None


@dataclass(slots=True)
class _Restless:
    """A device that keeps reconnecting. last_s: when it last did, monotonic; None: not seen since the start."""

    episode: str
    last_s: float | None


@dataclass(slots=True)
class Interruptions:
    """Looks at ways again and again. cut: the devices that cannot be heard now."""

    cut: frozenset[str] = frozenset()
    _states: dict[tuple[str, str], _State] = field(default_factory=dict)
    _restless: dict[str, _Restless] = field(default_factory=dict)
    _resumed: dict[tuple[str, str], str] = field(default_factory=dict)

    def resume(self, finding: Finding) -> bool:
        """An alert still open from before this start; False where it is not of this part."""
        if finding.kind not in KINDS_HERE or not finding.devices:
            return False
        if finding.kind == RECONNECTING:
            self._restless[finding.devices[0]] = _Restless(finding.episode, None)
        else:
            self._resumed[finding.kind, finding.devices[0]] = finding.episode
        return True

    def look(self, ways: Iterable[Way], owners: Mapping[str, str | None], now_ns: int, now_s: float) -> list[Finding]:
        """What has begun and what is over. owners: device -> resident."""
        found: list[Finding] = []
        cut: set[str] = set()
        for way in ways:
            if not way.connected:
                cut |= way.behind
            phase = self._follow(way, now_ns, now_s)
            if phase is not None:
                found.append(self._finding(way, owners.get(way.device), phase, now_ns))
        self.cut = frozenset(cut)
        return found

    def look_at_restless(
        self,
        flapping: AbstractSet[str],
        online: AbstractSet[str],
        owners: Mapping[str, str | None],
        now_ns: int,
        now_s: float,
    ) -> list[Finding]:
        """Devices that connect again and again, and those that have settled. online: that are connected now."""
        found: list[Finding] = []
        for device in flapping:
            known = self._restless.get(device)
            if known is None:
                known = self._restless[device] = _Restless(f"{RECONNECTING}:{device}:{now_ns}", now_s)
                evidence: dict[str, Evidence] = {"rule": f"{RECONNECTING}/1"}
                found.append(_tell(RECONNECTING, known.episode, device, owners, Phase.CONFIRMED, now_ns, evidence))
            known.last_s = now_s
        for device, known in list(self._restless.items()):
            if known.last_s is None and device in online:
                known.last_s = now_s
            if known.last_s is None or device not in online or now_s - known.last_s < SETTLED_S:
                continue
            del self._restless[device]
            evidence = {"rule": f"{RECONNECTING}/1", "reason": "settled", "quiet_s": SETTLED_S}
            found.append(_tell(RECONNECTING, known.episode, device, owners, Phase.CLEARED, now_ns, evidence))
        return found

    def _follow(self, way: Way, now_ns: int, now_s: float) -> Phase | None:
        key = (way.kind, way.device)
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = _State(way.connected, now_s, way.deaths, way.frames)
            state.episode = self._resumed.pop(key, None)
        if way.connected != state.up:
            state.up, state.since_s, state.frames = way.connected, now_s, way.frames
        state.ever_up |= way.connected
        died, state.deaths = way.deaths > state.deaths, way.deaths
        if died:
            state.since_s = now_s
        gone_s = now_s - state.since_s
        if state.episode is None:
            if died or (not state.up and gone_s >= (DELAY_S if state.ever_up else FIRST_S)):
                state.episode = f"{way.kind}:{way.device}:{now_ns}"
                return Phase.CONFIRMED
            return None
        spoken = way.frames is None or way.frames != state.frames or gone_s >= QUIET_LINE_S
        return Phase.CLEARED if state.up and gone_s >= RETURN_S and spoken else None

    def _finding(self, way: Way, resident_id: str | None, phase: Phase, now_ns: int) -> Finding:
        state = self._states[way.kind, way.device]
        evidence: dict[str, Evidence] = {"rule": f"{way.kind}/1", "devices_behind": len(way.behind)}
        if phase is Phase.CONFIRMED and way.error:
            evidence["error"] = way.error[:200]
        episode = state.episode or ""
        if phase is Phase.CLEARED:
            state.episode = None
        return _tell(way.kind, episode, way.device, {way.device: resident_id}, phase, now_ns, evidence)


def _tell(
    kind: str,
    episode: str,
    device: str,
    owners: Mapping[str, str | None],
    phase: Phase,
    now_ns: int,
    evidence: dict[str, Evidence],
) -> Finding:
    return Finding(episode, kind, owners.get(device), now_ns, phase, 1.0, (device,), evidence)


def ways_of(sources: Sequence[Source], families: Mapping[str, str], broker: Broker | None) -> list[Way]:
    """Every line and port, and the broker of all MQTT sessions as one. families: device -> family, as registered."""
    known = {device: _plain(family) for device, family in families.items()}
    ways = ways_in(sources)
    lines = [one for one in ways if one.line is not None]
    behind = {one.name: _behind(one, known) for one in lines}
    on_lines = frozenset().union(*behind.values())
    found = [
        Way(LINE_LOST, one.line or "", one.connected, behind[one.name], one.error or "", one.frames) for one in lines
    ]
    found += [
        Way(LINE_LOST, one.name, one.connected, _behind(one, known) - on_lines, one.error or "")
        for one in ways
        if one.kind == "tcp"
    ]
    down = [one for one in ways if one.kind == "mqtt" and not one.connected]
    if any(isinstance(one, MqttSource) for one in sources):
        cut = frozenset().union(*(_behind(one, known) for one in down)) - on_lines
        error = next((one.error for one in down if one.error), "")
        found.append(Way(BROKER_DOWN, BROKER, not down, cut, error, deaths=broker.health.deaths if broker else 0))
    return found


def restless_and_online(sources: Iterable[Source]) -> tuple[frozenset[str], frozenset[str]]:
    """The devices at TCP ports that keep reconnecting, and those that are connected."""
    ports = [one for one in sources if isinstance(one, TcpSource)]
    restless = frozenset(device for port in ports for device in port.flapping)
    return restless, frozenset(device for port in ports for device in port.connected_devices)


def open_faults(alerts: Iterable[Alert]) -> list[Finding]:
    """The findings behind open alerts that end by themselves, as they were found before this start."""
    return [
        Finding(episode, one.kind, one.resident_id, one.at_ns, phase, one.confidence, one.devices, one.evidence)
        for one in alerts
        if (kind := KINDS.get(one.kind)) is not None and not kind.latching
        for episode, phase in one.episodes.items()
        if phase is not Phase.CLEARED
    ]


def gone(finding: Finding, now_ns: int) -> Finding:
    """The end of a fault of a device that was taken away meanwhile."""
    evidence: dict[str, Evidence] = {"rule": f"{finding.kind}/1", "reason": "not_registered"}
    return replace(finding, at_ns=now_ns, phase=Phase.CLEARED, evidence=evidence)


def _behind(way: WayIn, families: Mapping[str, str]) -> frozenset[str]:
    return frozenset(device for device, family in families.items() if way.leads_to(device, family))


def _plain(family: str) -> str:
    try:
        return find_driver(family).family
    except UnknownFamilyError:
        return family
