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
from typing import TYPE_CHECKING, Any

import structlog

from analytics.device_clock import DeviceClocks
from analytics.kinds import KINDS, Priority
from device_drivers.observations import DeviceEvent, Reading
from gateway.engine_keeper import LIFE_SIGNALS, EngineKeeper
from gateway.sources import Held

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

    from analytics.care import Care
    from analytics.engine import Engine
    from analytics.findings import Finding
    from device_drivers.observations import Observation
    from gateway.live import LiveState
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
MOST_A_TURN = 4
"""Findings that no life hangs on, committed in one turn: the next fall never waits for hundreds of dead devices."""


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
    """Runs the loop. `offer` is called by the sources, `assign` when the registry changes.

    keep: told of all observations of each turn (see `gateway.snippets`).
    """

    def __init__(
        self,
        make_engine: Callable[[], Engine],
        take_findings: Callable[[Sequence[Finding], int], Awaitable[None]],
        store: SeriesStore,
        live: LiveState,
        clock: Callable[[], int],
        monotonic: Callable[[], float],
        keep: Callable[[list[Observation]], None] | None = None,
    ) -> None:
        self.health = PipelineHealth()
        self.keeper = EngineKeeper(make_engine, live)
        self._clocks = DeviceClocks()
        self._take_findings = take_findings
        self._store = store
        self._live = live
        self._clock = clock
        self._monotonic = monotonic
        self._keep = keep
        self._reported: list[Finding] = []
        self._unsaved: list[Finding] = []
        self._waiting: list[Finding] = []
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
        observations = self._clocks.judge(observations, direct=held is None)
        self._arrived += observations
        if then is not None:
            self._arrived_then.append(then)
        if held is not None:
            self._arrived_held.append(held)
        for one in observations:
            if one.__class__ is DeviceEvent and one.signal in LIFE_SIGNALS:
                self._wake.set()
                return

    def assign(
        self, assignments: Mapping[str, str | None], options: Mapping[str, Mapping[str, Any]] | None = None
    ) -> bool:
        """Make the watched devices exactly these: device -> resident (None: a room's device). Whether that is news.

        options: of a device for the engine (see `Engine.attach`), where they are not the usual ones.
        """
        if not self.keeper.assign(assignments, options or {}):
            return False
        self._clocks.keep(assignments)
        return True

    def set_care(self, care: Mapping[str, Care]) -> None:
        """What is set for the residents; whoever is not named has the usual settings."""
        self.keeper.set_care(care)

    def report(self, findings: Sequence[Finding]) -> None:
        """Take findings about the box and its ways in; the next turn writes them down."""
        self._reported += findings

    def cut_off(self, device_ids: Collection[str]) -> None:
        """Exactly these devices cannot be heard now, because the way to them is interrupted."""
        self.keeper.cut_off(device_ids, self._clock())

    def resume(self, finding: Finding) -> bool:
        """An alert of a fault that is still open from before this start: whether somebody will end it."""
        return self._clocks.resume(finding) or self.keeper.resume(finding, self._clock(), self._monotonic())

    def close_episodes(self, episodes: Sequence[str]) -> None:
        """These alerts have ended: what happens from now on is new."""
        for episode in episodes:
            self.keeper.close(episode)

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
        while self._waiting and not self._unsaved:
            await self.turn()

    async def turn(self) -> None:
        """One turn of the loop: everything that has arrived, to its end."""
        observations, self._arrived = self._arrived, []
        held, self._arrived_held = self._arrived_held, []
        then, self._arrived_then = self._arrived_then, []
        now = self._clock()
        saved = await self._save([*self._unsaved, *self._waiting, *self._conclude(observations, now)], now)
        if saved:
            for act in then:
                act()
        else:
            self._arrived_then[:0] = then
        begun = self._monotonic()
        self._record([*observations, *self.engine.derived])
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
    def engine(self) -> Engine:
        """The analytics; a part of it that fails is exchanged."""
        return self.keeper.engine

    @property
    def held_messages(self) -> int:
        """Messages whose acknowledgement is being held."""
        return sum(len(held.messages) for held, _ in self._held)

    def _conclude(self, observations: list[Observation], now_ns: int) -> list[Finding]:
        started = self._monotonic()
        reported, self._reported = self._reported, []
        findings = self.keeper.take(observations, now_ns, started)
        taken = self._monotonic()
        findings += self.keeper.conclude(observations, now_ns, started)
        findings += [*reported, *self._clocks.step(self.keeper.assigned)]
        self.health.ingest_seconds += taken - started
        self.health.step_seconds += self._monotonic() - taken
        self.health.engine_faults = self.keeper.faults.count
        self.health.unknown_devices = self.keeper.unknown_ever
        self.health.steps += 1
        self.health.findings += len(findings)
        return findings

    async def _save(self, findings: list[Finding], now_ns: int) -> bool:
        """Commit the alerts that follow, life first. What cannot be written now is kept and tried again every turn."""
        if not findings:
            return True
        started = self._monotonic()
        urgent, rest = _life_first(findings)
        rest, self._waiting = rest[:MOST_A_TURN], rest[MOST_A_TURN:]
        left = await self._untaken(urgent, now_ns)
        if len(left) < DISK_TRIES or len(left) < len(urgent):
            left += await self._untaken(rest, now_ns)
        else:
            left += rest
        if 0 < len(left) < len(urgent) + len(rest):
            left = await self._give_up(left, now_ns)
        self._unsaved = left[:MAX_UNSAVED]
        self._waiting = self._waiting[: MAX_UNSAVED - len(self._unsaved)]
        if self._waiting and not left:
            self._wake.set()
        self.health.commit_seconds += self._monotonic() - started
        return not left and not self._waiting

    async def _untaken(self, findings: list[Finding], now_ns: int) -> list[Finding]:
        """Take all at once; if that fails, one by one, so that one bad finding holds up no other. Gives what failed."""
        if not findings or await self._taken(findings, now_ns):
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
        what, now_s = "a finding could not become an alert", self._monotonic()
        said = [self.keeper.fault(now_ns, now_s, what, f"{one.kind} {one.episode}") for one in findings]
        return await self._untaken(said, now_ns)

    @property
    def unsaved_findings(self) -> int:
        """Findings whose alerts could not be written yet."""
        return len(self._unsaved) + (len(self._waiting) if self._unsaved else 0)

    def _record(self, observations: list[Observation]) -> None:
        self._live.update(observations)
        for device_id, ahead_ns in self._clocks.wrong().items():
            self._live.skew(device_id, ahead_ns)
        if self._keep is not None:
            self._keep(observations)
        assigned = self.keeper.assigned
        known = [one for one in observations if one.device_id in assigned or self.keeper.watches(one.device_id)]
        readings = [one for one in known if isinstance(one, Reading)]
        events = [one for one in known if isinstance(one, DeviceEvent)]
        if readings or events:
            self._appended = self._store.append(readings, events, assigned)
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


def _life_first(findings: list[Finding]) -> tuple[list[Finding], list[Finding]]:
    """What lives hang on, and the rest, about people before about equipment; the order within one kind stays."""
    urgent = [one for one in findings if _urgent(one)]
    rest = [one for one in findings if not _urgent(one)]
    return urgent, sorted(rest, key=_technical)


def _technical(finding: Finding) -> bool:
    kind = KINDS.get(finding.kind)
    return kind is None or kind.technical


def _urgent(finding: Finding) -> bool:
    kind = KINDS.get(finding.kind)
    return kind is not None and kind.priority is Priority.HIGH and not kind.technical
