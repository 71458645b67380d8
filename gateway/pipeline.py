"""The heart of the gateway: observations in, analytics over everybody at once, alerts and history out.

One loop. Each turn takes all observations that came, steps the engine, commits the alerts that follow, hands
readings to the history, and only then lets the broker forget the messages (held acknowledgements). A fault of one
detector must not silence the others, and a fault of the history must not hold up an alert.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import structlog

from analytics.findings import Finding, Phase
from device_drivers.observations import DeviceEvent, Reading, Samples
from gateway.live import FUTURE_TOLERANCE_NS, LiveState
from gateway.sources import Held

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from analytics.engine import Engine
    from device_drivers.observations import Observation
    from gateway.store.base import SeriesStore

log = structlog.get_logger(__name__)

STEP_S = 0.1
EXTENSION_S = 1.0
MAX_EXTENSIONS = 6
STORE_PATIENCE_S = 6.0
LATENCY_KEPT = 65_536
MAX_UNSAVED = 10_000
DISK_TRIES = 3
"""So many findings that fail one after the other mean that the disk takes nothing, not that they are bad."""
LIFE_SIGNALS = frozenset(
    {"help_button", "fall", "fall_warning", "static_stay", "smoke", "gas", "carbon_monoxide", "water_leak"}
)
MAX_UNKNOWN = 1_000
"""Unknown devices that may raise life alarms; bounds what a flood of invented names can cost."""


@dataclass(slots=True)
class PipelineHealth:
    """Counters. latency_s: for the latest observations, the time from arrival until their findings were committed.
    last_turn_s: when the loop last turned, monotonic.
    """

    observations: int = 0
    steps: int = 0
    findings: int = 0
    engine_faults: int = 0
    unknown_devices: int = 0
    step_seconds: float = 0.0
    ingest_seconds: float = 0.0
    commit_failures: int = 0
    commit_seconds: float = 0.0
    record_seconds: float = 0.0
    release_seconds: float = 0.0
    last_turn_s: float = 0.0
    latency_s: deque[float] = field(default_factory=lambda: deque(maxlen=LATENCY_KEPT))


class Pipeline:
    """Runs the loop. `offer` is called by the sources, `assign` when the registry changes."""

    def __init__(
        self,
        make_engine: Callable[[], Engine],
        take_findings: Callable[[Sequence[Finding], int], Awaitable[None]],
        store: SeriesStore,
        live: LiveState,
        clock: Callable[[], int],
        monotonic: Callable[[], float],
    ) -> None:
        self.health = PipelineHealth()
        self.engine = make_engine()
        self._make_engine = make_engine
        self._take_findings = take_findings
        self._store = store
        self._live = live
        self._clock = clock
        self._monotonic = monotonic
        self._assigned: dict[str, str | None] = {}
        self._unknown: set[str] = set()
        self._lost_after_s: dict[str, float] = {}
        self._unsaved: list[Finding] = []
        self._arrived: list[Observation] = []
        self._arrived_held: list[Held] = []
        self._arrived_then: list[Callable[[], None]] = []
        self._held: deque[tuple[Held, int]] = deque()
        self._appended = 0
        self._wake = asyncio.Event()
        self._running = True
        self.health.last_turn_s = monotonic()

    def offer(self, observations: list[Observation], held: Held | None, then: Callable[[], None] | None = None) -> None:
        """Take what a source decoded; the next turn of the loop handles it, at once when it concerns a life.

        then: called when the alerts that follow are committed.
        """
        self._arrived += observations
        if then is not None:
            self._arrived_then.append(then)
        if held is not None:
            self._arrived_held.append(held)
        for one in observations:
            if one.__class__ is DeviceEvent and one.signal in LIFE_SIGNALS:
                self._wake.set()
                return

    def assign(self, assignments: Mapping[str, str | None], lost_after_s: Mapping[str, float] | None = None) -> bool:
        """Make the watched devices exactly these: device -> resident (None: a room's device). Whether that is news.

        lost_after_s: how long a device may be silent, where it is not the engine's usual limit.
        """
        if assignments == self._assigned and (lost_after_s or {}) == self._lost_after_s:
            return False
        changed = {one for one, limit in (lost_after_s or {}).items() if self._lost_after_s.get(one) != limit}
        self._lost_after_s = dict(lost_after_s or {})
        for device_id in self._assigned.keys() - assignments.keys():
            self.engine.detach(device_id)
        for device_id, resident_id in assignments.items():
            if device_id not in self._assigned or self._assigned[device_id] != resident_id or device_id in changed:
                self._attach(self.engine, device_id, resident_id)
        self._assigned = dict(assignments)
        self._unknown -= self._assigned.keys()
        return True

    def _attach(self, engine: Engine, device_id: str, resident_id: str | None) -> None:
        limit = self._lost_after_s.get(device_id)
        options = {} if limit is None else {"lost_after_s": limit}
        engine.attach(device_id, resident_id, **options)

    def close_episodes(self, episodes: Sequence[str]) -> None:
        """These alerts have ended: what happens from now on is new."""
        for episode in episodes:
            self.engine.close(episode)

    def episodes_answered(self, episodes: Sequence[str]) -> None:
        """A person has taken these alerts."""
        for episode in episodes:
            self.engine.answered(episode)

    async def run(self) -> None:
        """Turn until `stop`; the last turn handles what had arrived."""
        while self._running:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STEP_S):
                    await self._wake.wait()
            self._wake.clear()
            await self.turn()

    async def turn(self) -> None:
        """One turn of the loop: everything that has arrived, to its end."""
        observations, self._arrived = self._arrived, []
        held, self._arrived_held = self._arrived_held, []
        then, self._arrived_then = self._arrived_then, []
        now = self._clock()
        observations = [one if one.at_ns - now < FUTURE_TOLERANCE_NS else _not_ahead(one) for one in observations]
        saved = await self._save([*self._unsaved, *self._conclude(observations, now)], now)
        if saved:
            for act in then:
                act()
        else:
            self._arrived_then[:0] = then
        begun = self._monotonic()
        self._record(observations)
        recorded = self._monotonic()
        self._release(held, saved=saved)
        self.health.last_turn_s = self._monotonic()
        self.health.record_seconds += recorded - begun
        self.health.release_seconds += self.health.last_turn_s - recorded

    async def stop(self) -> None:
        """End the loop after one more turn."""
        self._running = False
        self._wake.set()

    @property
    def held_messages(self) -> int:
        """Messages whose acknowledgement is being held."""
        return sum(len(held.messages) for held, _ in self._held)

    def _conclude(self, observations: list[Observation], now_ns: int) -> list[Finding]:
        self._watch_unknown(observations)
        started = self._monotonic()
        try:
            self.engine.ingest(observations)
            ingested = self._monotonic()
            findings = self.engine.step(now_ns)
        except Exception as error:  # noqa: BLE001 - a fault in one detector must not silence all alarms
            findings = self._after_fault(error, observations, now_ns)
            ingested = self._monotonic()
        self.health.ingest_seconds += ingested - started
        self.health.step_seconds += self._monotonic() - ingested
        self.health.steps += 1
        self.health.findings += len(findings)
        return findings

    def _after_fault(self, error: Exception, observations: list[Observation], now_ns: int) -> list[Finding]:
        """Start a fresh engine, give it the events again, and say that there was a fault.

        What the old engine had found already is not lost with it.
        """
        self.health.engine_faults += 1
        log.error("engine.fault", error=repr(error), exc_info=error)
        found = self.engine.salvage()
        events = [one for one in observations if isinstance(one, DeviceEvent)]
        self.engine = self._fresh_engine()
        try:
            self.engine.ingest(events)
            found += self.engine.step(now_ns)
        except Exception as again:
            log.exception("engine.fault_again", error=repr(again))
            found += self._each_alone(events, now_ns)
        return [_fault(now_ns, "engine restarted after an internal fault", repr(error)[:200]), *found]

    def _each_alone(self, events: list[DeviceEvent], now_ns: int) -> list[Finding]:
        """An event that no engine survives takes no others with it; what other detectors make of it still counts."""
        found: list[Finding] = []
        healthy = False
        for event in events:
            if not healthy:
                self.engine = self._fresh_engine()
            healthy = self._survives(event, partial(self.engine.ingest, [event]))
            healthy &= self._survives(event, partial(self._step_into, found, now_ns))
            found += self.engine.salvage()
        return found

    def _step_into(self, found: list[Finding], now_ns: int) -> None:
        found += self.engine.step(now_ns)

    def _survives(self, event: DeviceEvent, act: Callable[[], None]) -> bool:
        try:
            act()
        except Exception as error:
            log.exception("engine.event_fault", observation=repr(event)[:500], error=repr(error))
            return False
        return True

    def _fresh_engine(self) -> Engine:
        engine = self._make_engine()
        for device_id, resident_id in {**dict.fromkeys(self._unknown), **self._assigned}.items():
            self._attach(engine, device_id, resident_id)
        return engine

    async def _save(self, findings: list[Finding], now_ns: int) -> bool:
        """Commit the alerts that follow. What cannot be written now is kept and tried again every turn."""
        if not findings:
            return True
        started = self._monotonic()
        left = await self._untaken(findings, now_ns)
        if 0 < len(left) < len(findings):
            left = await self._give_up(left, now_ns)
        self._unsaved = left[-MAX_UNSAVED:]
        self.health.commit_seconds += self._monotonic() - started
        return not left

    async def _untaken(self, findings: list[Finding], now_ns: int) -> list[Finding]:
        """Take all at once; if that fails, one by one, so that one bad finding holds up no other. Gives what failed."""
        if await self._taken(findings, now_ns):
            return []
        failed: list[Finding] = []
        for number, one in enumerate(findings, 1):
            if len(findings) == 1 or not await self._taken([one], now_ns):
                failed.append(one)
            if len(failed) == number == DISK_TRIES:
                return findings
        return failed

    async def _taken(self, findings: list[Finding], now_ns: int) -> bool:
        try:
            await self._take_findings(findings, now_ns)
        except Exception as error:
            self.health.commit_failures += 1
            if not self._unsaved:
                log.exception("alerts.cannot_be_written", error=repr(error), waiting=len(findings))
            return False
        return True

    async def _give_up(self, findings: list[Finding], now_ns: int) -> list[Finding]:
        """Others could be written, so it is not the disk: these never will be. Say so in their place."""
        log.error("alerts.refused", findings=[repr(one) for one in findings])
        said = [_fault(now_ns, "a finding could not become an alert", f"{one.kind} {one.episode}") for one in findings]
        return await self._untaken(said, now_ns)

    @property
    def unsaved_findings(self) -> int:
        """Findings whose alerts could not be written yet."""
        return len(self._unsaved)

    def _watch_unknown(self, observations: list[Observation]) -> None:
        """A life event of a device that nobody registered is still an alarm."""
        for one in observations:
            if one.__class__ is not DeviceEvent or one.signal not in LIFE_SIGNALS:
                continue
            known = one.device_id in self._assigned or one.device_id in self._unknown
            if known or one.stored or one.value is not True or len(self._unknown) >= MAX_UNKNOWN:
                continue
            self._unknown.add(one.device_id)
            self.health.unknown_devices += 1
            self.engine.attach(one.device_id, None)

    def _record(self, observations: list[Observation]) -> None:
        self._live.update(observations)
        assigned = self._assigned
        known = [one for one in observations if one.device_id in assigned or one.device_id in self._unknown]
        readings = [one for one in known if isinstance(one, Reading)]
        events = [one for one in known if isinstance(one, DeviceEvent)]
        if readings or events:
            self._appended = self._store.append(readings, events, self._assigned)
        self._measure(observations)

    def _measure(self, observations: list[Observation]) -> None:
        now = self._clock()
        self.health.observations += len(observations)
        self.health.latency_s.extend(
            (now - one.received_ns) / 1e9 for one in observations if one.__class__ is not Reading
        )

    def _release(self, arrived: list[Held], *, saved: bool) -> None:
        """Acknowledge what has been held long enough, is on disk, and of which nothing is undecided."""
        self._held.extend((held, self._appended) for held in arrived)
        if not saved:
            return
        now = self._monotonic()
        while self._held and self._held[0][0].due_s <= now:
            held, appended = self._held[0]
            if self._store.durable_mark < appended and now - held.due_s < STORE_PATIENCE_S:
                return
            self._held.popleft()
            self._acknowledge(held, appended, now)

    def _acknowledge(self, held: Held, appended: int, now_s: float) -> None:
        undecided = self.engine.pending_devices() if held.extensions < MAX_EXTENSIONS else set()
        if not undecided.intersection(held.devices):
            held.session.ack(held.messages)
            return
        keep = [device in undecided for device in held.devices]
        held.session.ack(m for m, kept in zip(held.messages, keep, strict=True) if not kept)
        longer = replace(
            held,
            messages=[m for m, kept in zip(held.messages, keep, strict=True) if kept],
            devices=[d for d in held.devices if d in undecided],
            due_s=now_s + EXTENSION_S,
            extensions=held.extensions + 1,
        )
        self._held.append((longer, appended))


def _fault(now_ns: int, rule: str, error: str) -> Finding:
    """The gateway's own fault as a technical finding."""
    episode, evidence = f"device_fault:engine:{now_ns}", {"rule": rule, "error": error}
    return Finding(episode, "device_fault", None, now_ns, Phase.CONFIRMED, 1.0, ("engine",), evidence)


def _not_ahead(one: Observation) -> Observation:
    """An observation dated in the future belongs to a wrong clock: it happened when it was received."""
    if isinstance(one, Samples):
        duration = int(len(one.values) / one.rate_hz * 1e9)
        return replace(one, at_ns=one.received_ns - duration)
    return replace(one, at_ns=one.received_ns)
