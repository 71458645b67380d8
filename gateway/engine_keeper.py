"""Keeps the engine running: which devices it watches, what it is told after a start or a fault, and its own faults.

A part that fails is exchanged alone. The new one gets the seconds before again out of the live state, the states that
still hold, and the faults that are still open. What the device of a failed observation loses, no other device loses.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from analytics.care import USUAL
from analytics.daily.home import BEHIND_DOOR_NS, HomeWatch
from analytics.engine import PartsFailedError
from analytics.findings import Evidence, Finding, Phase
from analytics.kinds import KINDS
from analytics.mending import exchange_failed
from analytics.technical import TechnicalWatch
from device_drivers.observations import DeviceEvent, Quality

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from analytics.care import Care
    from analytics.engine import Engine
    from device_drivers.observations import Observation
    from gateway.live import LiveState

log = structlog.get_logger(__name__)

LIFE_SIGNALS = frozenset(
    {
        *("help_button", "fall", "fall_warning", "static_stay", "motionless_alarm"),
        *("smoke", "gas", "carbon_monoxide", "water_leak"),
    }
)
STATES = ("worn", "presence", "in_range", "bed_occupancy", "charging")
"""States that go on until the opposite is said: a new part is told them again."""
MAX_UNKNOWN = 1_000
UNKNOWN_S = 24 * 3600.0
"""Unknown devices that may raise life alarms, and how long a silent one is remembered: bounds what a flood of invented
names can cost. The longest silent makes room for a new one."""
FAULT_QUIET_S = 900.0
"""After so long without a further fault, the last one is over."""
MAX_MENDS = 3
BOX = "box"
FAULT = "box_fault"
NO_LIMIT = {"lost_after_s": float("inf")}
WORN = frozenset({"worn", "heart_rate", "steps", "skin_temperature"})
"""What only devices say that are worn, where they have no place of their own."""


@dataclass(slots=True)
class FaultHistory:
    """Faults of one thing: how many ever, and since when it is quiet (monotonic seconds)."""

    count: int = 0
    last_s: float = float("-inf")

    def happened(self, now_s: float) -> None:
        """One more."""
        self.count += 1
        self.last_s = now_s

    def recent(self, now_s: float) -> bool:
        """Whether it is too early to call it well again."""
        return now_s - self.last_s < FAULT_QUIET_S


@dataclass(slots=True)
class _Unknown:
    """Devices of nobody's registry that may raise life alarms, the longest silent first; monotonic seconds."""

    heard_s: OrderedDict[str, float] = field(default_factory=OrderedDict)
    ever: int = 0

    def hear(self, device_id: str, now_s: float) -> None:
        self.heard_s[device_id] = now_s
        self.heard_s.move_to_end(device_id)

    def overdue(self, now_s: float) -> list[str]:
        """Those to be forgotten: the ones silent for too long, and what is too many."""
        gone: list[str] = []
        for device_id, heard_s in self.heard_s.items():
            if now_s - heard_s <= UNKNOWN_S and len(self.heard_s) - len(gone) <= MAX_UNKNOWN:
                break
            gone.append(device_id)
        for device_id in gone:
            del self.heard_s[device_id]
        return gone


class EngineKeeper:
    """The engine and what it needs to be told. now_ns: UTC; now_s: monotonic."""

    def __init__(self, make_engine: Callable[[], Engine], live: LiveState) -> None:
        self.engine = make_engine()
        self.faults = FaultHistory()
        self.assigned: dict[str, str | None] = {}
        self._options: dict[str, Mapping[str, Any]] = {}
        self._care: dict[str, Care] = {}
        self._make_engine = make_engine
        self._live = live
        self._unknown = _Unknown()
        self._cut: frozenset[str] = frozenset()
        self._out: frozenset[str] = frozenset()
        self._open: dict[str, Finding] = {}
        self._own_faults: list[Finding] = []
        self._learned: dict[str, dict[str, Any]] = {}

    @property
    def unknown_ever(self) -> int:
        """Unregistered devices that have raised a life alarm."""
        return self._unknown.ever

    def watches(self, device_id: str) -> bool:
        """Whether it is registered or has raised a life alarm."""
        return device_id in self.assigned or device_id in self._unknown.heard_s

    def assign(self, assignments: Mapping[str, str | None], options: Mapping[str, Mapping[str, Any]]) -> bool:
        """Make the watched devices exactly these: device -> resident. Whether that is news. options: of a device."""
        if assignments == self.assigned and options == self._options:
            return False
        changed = {one for one in assignments if options.get(one) != self._options.get(one)}
        self._options = dict(options)
        for device_id in self.assigned.keys() - assignments.keys():
            self.engine.detach(device_id)
        for device_id, resident_id in assignments.items():
            if device_id not in self.assigned or self.assigned[device_id] != resident_id or device_id in changed:
                self.engine.attach(device_id, resident_id, **self._options.get(device_id, {}))
            self._unknown.heard_s.pop(device_id, None)
        self.assigned = dict(assignments)
        watched = set(assignments.values())
        for residents in self._learned.values():
            for resident_id in residents.keys() - watched:
                del residents[resident_id]
        return True

    def recall(self, states: Mapping[str, Mapping[str, Any]]) -> None:
        """What was learned before this start; to be called before devices are assigned."""
        self._learned = {part: dict(residents) for part, residents in states.items()}
        self.engine.recall(self._learned)

    def remember(self, only: Collection[str] | None = None) -> Mapping[str, Mapping[str, Any]]:
        """What the engine has learned of these residents (None: all) by now; an exchanged part goes on from there."""
        states = self.engine.remember(only)
        for part, residents in states.items():
            self._learned.setdefault(part, {}).update(residents)
        return states

    def set_care(self, care: Mapping[str, Care]) -> None:
        """What is set for the residents; whoever is not named has the usual settings."""
        for resident_id in self._care.keys() | care.keys():
            wanted = care.get(resident_id, USUAL)
            if wanted != self._care.get(resident_id, USUAL):
                self.engine.set_care(resident_id, wanted)
        self._care = dict(care)

    def close(self, episode: str) -> None:
        """The alert of this episode has ended: what happens from now on is new."""
        self._open.pop(episode, None)
        self.engine.close(episode)

    def cut_off(self, device_ids: Collection[str], now_ns: int) -> None:
        """Exactly these devices cannot be heard now, because the gateway's way to them is interrupted."""
        if frozenset(device_ids) != self._cut:
            self._cut = frozenset(device_ids)
            self._tell_cut(now_ns)

    def resume(self, finding: Finding, now_ns: int, now_s: float) -> bool:
        """An alert of a fault still open from before this start; it ends when the cause has gone, never by silence."""
        if finding.kind == FAULT:
            self._own_faults.append(finding)
            self.faults.last_s = now_s
            return True
        if not self.engine.resume(finding, now_ns):
            return False
        self._open[finding.episode] = finding
        return True

    def take(self, observations: Sequence[Observation], now_ns: int, now_s: float) -> list[Finding]:
        """Give the engine observations; what failed at that. Raises nothing."""
        self._watch_unknown(observations, now_s)
        return self._guarded(lambda: self.engine.ingest(observations), observations, now_ns, now_s)

    def conclude(self, observations: Sequence[Observation], now_ns: int, now_s: float) -> list[Finding]:
        """Everything that can be concluded by now. observations: those just taken. Raises nothing."""
        found: list[Finding] = []
        concluded: list[Finding] = []
        for _ in range(MAX_MENDS):
            faults = self._guarded(lambda: concluded.extend(self.engine.step(now_ns)), observations, now_ns, now_s)
            found += faults
            if not faults:
                break
        for one in concluded:
            self._keep_open(one)
        self._look_who_is_out(now_ns)
        for device_id in self._unknown.overdue(now_s):
            self.engine.detach(device_id)
        return [*found, *concluded, *self._recovered(now_ns, now_s)]

    def fault(self, now_ns: int, now_s: float, what: str, error: str) -> Finding:
        """A fault inside the box as a finding; it ends when it has been quiet for `FAULT_QUIET_S`."""
        self.faults.happened(now_s)
        evidence = {"rule": f"{FAULT}/1", "what": what, "error": error[:200]}
        episode = f"{FAULT}:{now_ns}:{self.faults.count}"
        finding = Finding(episode, FAULT, None, now_ns, Phase.CONFIRMED, 1.0, (BOX,), evidence)
        self._own_faults.append(finding)
        return finding

    def _recovered(self, now_ns: int, now_s: float) -> list[Finding]:
        if not self._own_faults or self.faults.recent(now_s):
            return []
        over, self._own_faults = self._own_faults, []
        evidence: dict[str, Evidence] = {"rule": f"{FAULT}/1", "reason": "quiet", "quiet_s": FAULT_QUIET_S}
        return [Finding(one.episode, FAULT, None, now_ns, Phase.CLEARED, 1.0, (BOX,), evidence) for one in over]

    def _guarded(
        self, act: Callable[[], None], observations: Sequence[Observation], now_ns: int, now_s: float
    ) -> list[Finding]:
        """Act; exchange what fails and say so."""
        try:
            act()
        except PartsFailedError as failed:
            log.exception("engine.fault", error=str(failed))
            for number in failed.errors:
                self._exchange(number, observations, now_ns)
            return [self.fault(now_ns, now_s, "a part of the analysis was started anew", str(failed))]
        return []

    def _exchange(self, number: int, observations: Sequence[Observation], now_ns: int) -> None:
        unknown = dict.fromkeys(self._unknown.heard_s, (None, NO_LIMIT))
        ours: dict[str, tuple[str | None, Mapping[str, Any]]] = {
            device_id: (resident_id, self._options.get(device_id, {}))
            for device_id, resident_id in self.assigned.items()
        }
        past = self._past(observations)
        left_out = exchange_failed(self.engine, number, self._fresh, {**unknown, **ours}, past, now_ns)
        if left_out:
            log.error("engine.left_out", part=number, observations=left_out)
        part = self.engine.detector(number)[0]
        resume = getattr(part, "resume", None)
        if resume is not None:
            for finding in self._open.values():
                resume(finding, now_ns)
        if isinstance(part, TechnicalWatch):
            part.cut_off(self._cut | self._out, now_ns)

    def _fresh(self) -> Engine:
        engine = self._make_engine()
        engine.recall(self._learned)
        for resident_id, care in self._care.items():
            engine.set_care(resident_id, care)
        return engine

    def _past(self, observations: Sequence[Observation]) -> list[list[Observation]]:
        """The latest seconds of each device with this turn's blocks; the states that hold; each event for itself."""
        units: dict[str, list[Observation]] = {}
        for device_id in self.assigned:
            device = self._live.devices.get(device_id)
            if device is not None:
                units[device_id] = [*device.trace, *_states(device_id, device.values)]
        events: list[list[Observation]] = []
        for one in observations:
            if isinstance(one, DeviceEvent):
                events.append([one])
            else:
                units.setdefault(one.device_id, []).append(one)
        return [*(unit for unit in units.values() if unit), *events]

    def _keep_open(self, one: Finding) -> None:
        """What latches waits for a person; everything else ends by itself, also in a new part."""
        if KINDS[one.kind].latching:
            return
        if one.phase is Phase.CLEARED:
            self._open.pop(one.episode, None)
        else:
            self._open[one.episode] = one

    def _look_who_is_out(self, now_ns: int) -> None:
        """A wristband that its owner has taken out of the house is silent and not lost."""
        try:
            leaving = self.engine.part(HomeWatch).out_of_reach(now_ns)
        except LookupError:  # an engine without it does not know
            return
        known = self._live.devices
        out = frozenset(
            one
            for one, left_ns in leaving.items()
            if one in known
            and not WORN.isdisjoint(known[one].values)
            and abs(known[one].heard_ns - left_ns) <= BEHIND_DOOR_NS
        )
        if out != self._out:
            self._out = out
            self._tell_cut(now_ns)

    def _tell_cut(self, now_ns: int) -> None:
        try:
            self.engine.part(TechnicalWatch).cut_off(self._cut | self._out, now_ns)
        except LookupError:  # an engine without it counts no silence
            log.debug("engine.no_technical_watch")

    def _watch_unknown(self, observations: Iterable[Observation], now_s: float) -> None:
        """A life event of a device that nobody registered is still an alarm. Its silence is none."""
        unknown = self._unknown
        for one in observations:
            if one.__class__ is not DeviceEvent or one.signal not in LIFE_SIGNALS:
                continue
            if one.device_id in self.assigned or one.stored or one.value is not True:
                continue
            if one.device_id not in unknown.heard_s:
                unknown.ever += 1
                self._attach_unknown(one.device_id)
            unknown.hear(one.device_id, now_s)

    def _attach_unknown(self, device_id: str) -> None:
        try:
            self.engine.attach(device_id, None, **NO_LIMIT)
        except TypeError:  # an engine without the watch over equipment
            self.engine.attach(device_id, None)


def _states(device_id: str, values: Mapping[str, Any]) -> list[Observation]:
    return [
        DeviceEvent(device_id, signal, value.value, value.at_ns, value.received_ns, Quality(value.quality), repeat=True)
        for signal in STATES
        if (value := values.get(signal)) is not None
    ]
