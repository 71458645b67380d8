"""Detector of possible atrial fibrillation, slow and fast rhythm and pauses, from `rr_interval` of whatever device.

One series for each resident: of several devices the one that is heard and least doubted counts, so that two straps
raise one finding; a change of the device goes on with the same heart. Absent, doubtful and stored readings belong to
no window. After a hole of GAP_NS without a beat, or a clock set back, the windows start again; what is open stays open
until its end has been seen. The time of a step changes nothing, only data does. Where heart rate is measured too, its
limits tell of slow and fast, and this detector does not tell the same again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from analytics.columns import SIGNAL_CODE, Columns, Slots, everything, wanted_codes
from analytics.findings import Evidence, Finding, Phase
from analytics.limit_table import RULES, effective
from analytics.memory import UnfitStateError, restore_row, row_state
from analytics.owners import of_residents
from analytics.rhythm.episodes import HIGHEST_MS, LOWEST_MS, SECOND_NS, Course, Past, advance, fresh, sums_of
from analytics.rhythm.irregularity import thousandths
from analytics.rhythm.model import DELAY, END, SHIPPED, Line
from analytics.rhythm.pace import Beats, Pace, Said, calm_pace, default_limits, follow_pace
from analytics.rhythm.pace_table import FAST, PAUSE_KIND, PAUSE_MS, SLOW
from analytics.rhythm.runs import NEVER
from analytics.slots import Column, SlotTable
from analytics.vitals.exercise import REST_S, Exercise, before
from device_drivers.observations import Quality, Reading, Samples

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from analytics.care import Care
    from device_drivers.observations import Observation

KIND = "possible_af"
PACE_KINDS = (SLOW.kind, FAST.kind)
KINDS = (KIND, *PACE_KINDS, PAUSE_KIND)
GAP_NS = 300 * SECOND_NS
PACE_GAP_NS = 10 * SECOND_NS
"""The rate and pauses are judged only within beats that follow each other."""
LATE_NS = 2 * SECOND_NS
"""Beats of one message are dated back from its receipt, and may so seem to come before those of the last message."""
REPEAT_NS = 600 * SECOND_NS
"""What is older than the newest beat by up to this comes again; by more, the clock was set back."""
LATEST_NS = 2**62
LONGEST_MS = 5000.0
SILENT_NS = 10 * SECOND_NS
"""After so long without a good beat of the device that counts, another one takes its place."""
RATE_FRESH_NS = 15 * SECOND_NS
DOUBTED, MEMORY_BEATS = 0.25, 32.0
"""A device of whose latest readings (some MEMORY_BEATS) more are doubted gives way to one with less than half of it."""
MOST_SERIES = 2048
CONFIDENCE = 0.7
"""A choice, not a measured share: how often it is right depends on how many people have it; only an ECG tells."""
VERSION = 1
_RR = SIGNAL_CODE["rr_interval"]
_NAMES = tuple(one.name for one in (*fields(Past), *fields(Pace)) if one.name != "sums")


@dataclass(slots=True)
class _Source:
    device_id: str
    owner: _Owner
    slot: int
    heard_ns: int = NEVER
    doubted: float = 0.0


@dataclass(slots=True)
class _Owner:
    key: str
    resident_id: str | None
    row: int
    sources: dict[str, _Source] = field(default_factory=dict)
    leader: _Source | None = None
    newest_ns: int = NEVER
    rate_ns: int = NEVER
    beats: list[_Beat] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)


class _Beat(NamedTuple):
    """One that counts. order: its number in the order of arrival. alone: nothing else tells the rate."""

    ms: float
    at_ns: int
    order: int
    device_id: str
    alone: bool


class RhythmWatch:
    """Judges the beats of many people. line: the model of fibrillation. rejected: readings outside the range."""

    signals: ClassVar[frozenset[str]] = frozenset({"rr_interval", "heart_rate", "steps", "accel"})
    memory: ClassVar[str] = "rhythm"

    def __init__(self, line: Line = SHIPPED) -> None:
        self.rejected = 0
        self._line = line
        past, pace = fresh(1), calm_pace(1)
        self._table = SlotTable(
            {
                **{one.name: _column(getattr(past, one.name)) for one in fields(Past)},
                **{one.name: _column(getattr(pace, one.name)) for one in fields(Pace)},
                "limits": Column(np.float64, default_limits(1)[0], 4),
                "exercised": Column(np.int64, NEVER),
            }
        )
        self._devices = SlotTable({"owner": Column(np.int64, -1), "beats": Column(np.bool_, False)})
        self._slots = Slots()
        self._source_at: dict[int, _Source] = {}
        self._sources: dict[str, _Source] = {}
        self._owners: dict[str, _Owner] = {}
        self._waiting: dict[int, _Owner] = {}
        self._care: dict[str, Care] = {}
        self._recalled: dict[str, Mapping[str, Any]] = {}
        self._exercise = Exercise()
        self._arrived = 0
        self._found: list[Finding] = []

    def attach(self, device_id: str, resident_id: str | None) -> None:
        """Start to watch a device; under another resident it has no past."""
        known = self._sources.get(device_id)
        if known is not None:
            if known.owner.resident_id == resident_id:
                return
            self.detach(device_id)
        self._settle()
        key = _key(device_id, resident_id)
        owner = self._owners.get(key)
        if owner is None:
            owner = self._owners[key] = _Owner(key, resident_id, self._table.acquire())
            self._write_limits(owner)
            self._remind(owner)
        source = _Source(device_id, owner, self._devices.acquire())
        self._sources[device_id] = owner.sources[device_id] = self._source_at[source.slot] = source
        self._slots.put(device_id, source.slot)
        self._devices["owner"][source.slot] = owner.row
        self._devices["beats"][source.slot] = owner.newest_ns != NEVER

    def detach(self, device_id: str) -> None:
        """Stop watching; what a resident's other devices go on with stays. Unknown devices are ignored."""
        source = self._sources.pop(device_id, None)
        if source is None:
            return
        self._settle()
        owner = source.owner
        del self._source_at[source.slot], owner.sources[device_id]
        self._slots.remove(device_id)
        self._devices.release(source.slot)
        self._exercise.forget(source.slot)
        if owner.leader is source:
            owner.leader = None
        if not owner.sources:
            self._table.release(owner.row)
            del self._owners[owner.key]

    def set_care(self, resident_id: str, care: Care) -> None:
        """The resident's own limits of heart rate hold for slow and fast rhythm too."""
        self._care[resident_id] = care
        owner = self._owners.get(_key("", resident_id))
        if owner is not None:
            self._settle()
            self._write_limits(owner)
            self._close_switched_off(owner)

    def remember(self, only: Iterable[str] | None = None) -> dict[str, dict[str, Any]]:
        """The latest beats of each resident and what goes on, as plain JSON."""
        self._settle()
        return {
            who: row_state(self._table, owner.row, _NAMES)
            for who, owner in of_residents(self._owners, only)
            if owner.newest_ns != NEVER
        }

    def recall(self, states: Mapping[str, Mapping[str, Any]]) -> None:
        """Go on from there; what does not fit is left out."""
        self._recalled = dict(states)
        for owner in self._owners.values():
            self._remind(owner)

    def resume(self, finding: Finding, now_ns: int) -> bool:  # noqa: ARG002 - as all detectors
        """A finding that is open from before: it ends when its end has been seen, and does not begin twice."""
        device_id = finding.devices[0] if finding.devices else ""
        owner = self._owners.get(_key(device_id, finding.resident_id))
        if owner is None or finding.kind not in KINDS:
            return False
        self._settle()
        table, row, since = self._table, owner.row, int(finding.evidence.get("since_ns", finding.at_ns))
        owner.names[finding.kind] = finding.episode
        if finding.kind in PACE_KINDS:
            table["going"][row, PACE_KINDS.index(finding.kind)] = True
            return True
        opened, first, latest = ("open", "opened_ns", "seen_ns") if finding.kind == KIND else _PAUSING
        if not table[opened][row]:
            table[opened][row], table[first][row] = True, since
            table[latest][row] = max(int(table[latest][row]), finding.at_ns)
        return True

    def ingest(self, observations: Sequence[Observation]) -> None:
        """Queue the intervals that count."""
        columns = Columns(observations)
        self.take(columns, everything(columns))

    def take(self, columns: Columns, chosen: NDArray[np.int64]) -> None:
        """The same with observations as arrays: only people with beats cost anything."""
        slot = self._slots.of(columns, chosen)
        kept = np.flatnonzero((slot >= 0) & _OURS[columns.signal[chosen]])
        chosen, slot = chosen[kept], slot[kept]
        beats = columns.signal[chosen] == _RR
        with_beats = self._devices["beats"].copy()
        new = np.unique(self._devices["owner"][slot[beats & ~with_beats[slot]]])
        with_beats |= np.isin(self._devices["owner"], new)
        for i in np.flatnonzero(with_beats[slot]).tolist():
            o = columns.observations[chosen[i]]
            self._arrived += 1
            if not o.stored:
                self._take_one(self._source_at[int(slot[i])], o)

    def step(self, now_ns: int) -> list[Finding]:  # noqa: ARG002 - only data moves this detector
        """Findings of all beats taken since the last step, in order of time."""
        self._settle()
        found, self._found = self._found, []
        found.sort(key=lambda finding: (finding.at_ns, finding.episode))
        return found

    def close(self, episode: str) -> None:
        """A person has resolved the finding: what goes on for long enough is a new episode."""
        self._settle()
        table = self._table
        for owner in self._owners.values():
            row = owner.row
            if table["open"][row] and self._name(owner, KIND, int(table["opened_ns"][row])) == episode:
                table["open"][row] = table["fibrillates"][row] = False
                table["level"][row] = -END
                owner.names.pop(KIND, None)
            for i, kind in enumerate(PACE_KINDS):
                if table["going"][row, i] and self._name(owner, kind, int(table["going_ns"][row, i])) == episode:
                    table["going"][row, i] = table["beyond"][row, i] = False
                    owner.names.pop(kind, None)
            if table["pausing"][row] and self._name(owner, PAUSE_KIND, int(table["first_ns"][row])) == episode:
                table["pausing"][row] = False
                owner.names.pop(PAUSE_KIND, None)

    def _take_one(self, source: _Source, o: Observation) -> None:
        if type(o) is Samples:
            if 0 <= o.at_ns < LATEST_NS:
                self._exercise.move(source.slot, self._arrived, o)
        elif type(o) is Reading:
            if o.signal == "rr_interval":
                self._beat(source, o)
            elif o.signal == "steps":
                self._exercise.step(source.slot, self._arrived, o)
            elif o.value is not None and o.quality is Quality.GOOD:
                source.owner.rate_ns = o.received_ns

    def _beat(self, source: _Source, o: Reading) -> None:
        good = o.value is not None and o.quality is Quality.GOOD
        source.doubted += ((not good) - source.doubted) / MEMORY_BEATS
        if not good or o.value is None:
            return
        if not (LOWEST_MS <= o.value <= LONGEST_MS and 0 <= o.at_ns < LATEST_NS):
            self.rejected += 1
            return
        if self._counts(source, o.received_ns):
            self._queue(source, o.value, o)

    def _counts(self, source: _Source, received_ns: int) -> bool:
        """Whether this is the device whose beats count now."""
        owner, leader = source.owner, source.owner.leader
        source.heard_ns = received_ns
        if leader is None or leader is source:
            owner.leader = source
            return True
        silent = not -REPEAT_NS <= received_ns - leader.heard_ns <= SILENT_NS
        if silent or (leader.doubted > DOUBTED and source.doubted < leader.doubted / 2):
            owner.leader = source
        return owner.leader is source

    def _queue(self, source: _Source, ms: float, o: Reading) -> None:
        owner, at_ns = source.owner, o.at_ns
        behind = owner.newest_ns - at_ns
        if LATE_NS < behind <= REPEAT_NS:
            return
        if owner.newest_ns != NEVER and (behind > REPEAT_NS or -behind > PACE_GAP_NS):
            self._settle()
            self._table["beats"][owner.row] = 0
            if behind > REPEAT_NS or -behind > GAP_NS:
                self._start_again(owner)
        if owner.newest_ns == NEVER:
            for one in owner.sources.values():
                self._devices["beats"][one.slot] = True
        owner.newest_ns = max(owner.newest_ns, at_ns) if behind <= REPEAT_NS else at_ns
        alone = o.received_ns - owner.rate_ns > RATE_FRESH_NS or owner.rate_ns > o.received_ns + REPEAT_NS
        owner.beats.append(_Beat(ms, owner.newest_ns, self._arrived, source.device_id, alone))
        self._waiting[owner.row] = owner

    def _start_again(self, owner: _Owner) -> None:
        self._table["count"][owner.row] = 0
        self._table["level"][owner.row] = -END
        self._table["fibrillates"][owner.row] = False

    def _settle(self) -> None:
        """Advance every series that has new beats; those with about as many together."""
        marks, self._arrived = self._exercise.marks(), 0
        marks = marks._replace(slot=self._devices["owner"][marks.slot])
        waiting = sorted(self._waiting.values(), key=lambda owner: len(owner.beats))
        self._waiting.clear()
        for start in range(0, len(waiting), MOST_SERIES):
            owners = waiting[start : start + MOST_SERIES]
            beats = [owner.beats for owner in owners]
            for owner in owners:
                owner.beats = []
            rows = np.array([owner.row for owner in owners])
            counts = np.array([len(one) for one in beats])
            order = np.array([one.order for series in beats for one in series], dtype=np.int64)
            at = np.array([one.at_ns for series in beats for one in series], dtype=np.int64)
            latest = before(marks, self._table["exercised"], np.repeat(rows, counts), order)
            calm = np.abs(at - latest) > REST_S * SECOND_NS
            self._pace(owners, beats, counts, calm)
            self._fibrillation(owners, beats)
        np.maximum.at(self._table["exercised"], marks.slot, marks.at)

    def _fibrillation(self, owners: list[_Owner], every: list[list[_Beat]]) -> None:
        chosen = [
            (o, kept) for o, s in zip(owners, every, strict=True) if (kept := [b for b in s if b.ms <= HIGHEST_MS])
        ]
        if not chosen:
            return
        counts = np.array([len(beats) for _, beats in chosen])
        log_ms = _filled(thousandths(np.array([b.ms for _, beats in chosen for b in beats])), counts, 0)
        at_ns = _filled(np.array([b.at_ns for _, beats in chosen for b in beats], dtype=np.int64), counts, 0)
        rows = np.array([owner.row for owner, _ in chosen])
        past = Past(*(self._table[one.name][rows] for one in fields(Past)))
        after, course = advance(past, log_ms, at_ns, counts, self._line)
        for one in fields(Past):
            self._table[one.name][rows] = getattr(after, one.name)
        was_open = np.concatenate([past.open[:, None], course.open[:, :-1]], axis=1)
        for i, j in np.argwhere(course.open != was_open):
            owner, beats = chosen[i]
            self._conclude(owner, beats[j], course, int(i), int(j))

    def _pace(
        self, owners: list[_Owner], beats: list[list[_Beat]], counts: NDArray[Any], calm: NDArray[np.bool_]
    ) -> None:
        rows = np.array([owner.row for owner in owners])
        pace = Pace(*(self._table[one.name][rows] for one in fields(Pace)))
        columns = [
            np.array(one) for one in zip(*((b.ms, b.at_ns, b.alone) for series in beats for b in series), strict=True)
        ]
        ms, at_ns, alone = columns
        new = Beats(
            _filled(ms, counts, np.nan),
            _filled(at_ns, counts, 0),
            _filled(calm, counts, False),
            _filled(alone, counts, False),
            counts,
            self._table["limits"][rows],
        )
        after, said = follow_pace(pace, new)
        for one in fields(Pace):
            self._table[one.name][rows] = getattr(after, one.name)
        for kind, going, was in (
            *((i, said.going[:, i], pace.going[:, i]) for i in range(len(PACE_KINDS))),
            (len(PACE_KINDS), said.pausing, pace.pausing),
        ):
            changed = going != np.concatenate([was[:, None], going[:, :-1]], axis=1)
            for i, j in np.argwhere(changed & (np.arange(going.shape[1]) < counts[:, None])):
                self._tell(owners[i], beats[i][j], kind, said, int(i), int(j), begins=bool(going[i, j]))

    def _conclude(self, owner: _Owner, beat: _Beat, course: Course, row: int, column: int) -> None:
        begins, since = bool(course.open[row, column]), int(course.opened_ns[row, column])
        evidence: dict[str, Evidence] = {
            "rule": self._line.version,
            "signal": "rr_interval",
            "since_ns": since,
            "delay_beats": DELAY,
        }
        if begins:
            evidence["held_s"] = round((beat.at_ns - since) / SECOND_NS, 1)
            evidence["log_odds"] = round(float(course.level[row, column]) / 1000.0, 1)
        else:
            evidence["last_seen_ns"] = int(course.seen_ns[row, column])
        self._say(owner, beat, KIND, since, evidence, begins=begins)

    def _tell(self, owner: _Owner, beat: _Beat, kind: int, said: Said, i: int, j: int, *, begins: bool) -> None:
        """Slow, fast (kind: index of PACE_KINDS) or pauses (any other) begin or are over."""
        if kind < len(PACE_KINDS):
            since = int(said.since_ns[i, kind, j])
            limit = 60_000.0 / float(self._table["limits"][owner.row, 2 * kind])
            evidence: dict[str, Evidence] = {
                "rule": f"{PACE_KINDS[kind]}/{VERSION}",
                "signal": "heart_rate",
                "value": round(60_000.0 / float(said.middle_ms[i, kind, j])),
                "limit": round(limit, 1),
                "since_ns": since,
            }
            if begins:
                evidence["held_s"] = round((beat.at_ns - since) / SECOND_NS, 1)
            self._say(owner, beat, PACE_KINDS[kind], since, evidence, begins=begins)
            return
        first = int(said.first_ns[i, j])
        evidence = {"rule": f"{PAUSE_KIND}/{VERSION}", "signal": "rr_interval", "since_ns": first}
        if begins:
            evidence |= {"value": round(float(said.pause_ms[i, j])), "limit": PAUSE_MS}
            evidence["usual_ms"] = round(float(said.base_ms[i, j]))
        else:
            evidence["last_seen_ns"] = int(said.pause_ns[i, j])
        self._say(owner, beat, PAUSE_KIND, first, evidence, begins=begins)

    def _say(
        self, owner: _Owner, beat: _Beat, kind: str, since: int, evidence: dict[str, Evidence], *, begins: bool
    ) -> None:
        name = self._name(owner, kind, since)
        if not begins:
            owner.names.pop(kind, None)
        phase = Phase.CONFIRMED if begins else Phase.CLEARED
        self._found.append(
            Finding(name, kind, owner.resident_id, beat.at_ns, phase, CONFIDENCE, (beat.device_id,), evidence)
        )

    def _name(self, owner: _Owner, kind: str, since_ns: int) -> str:
        return owner.names.get(kind) or f"{kind}:{owner.resident_id or owner.key}:{since_ns}"

    def _write_limits(self, owner: _Owner) -> None:
        care, rates = self._care.get(owner.resident_id or ""), default_limits(1)[0]
        for i, rule in enumerate((SLOW, FAST)):
            override = care.limits.get(rule.limit_of) if care is not None else None
            if override is not None:
                limit, clear, _ = effective(_LIMITS[rule.limit_of], override)
                rates[2 * i : 2 * i + 2] = 60_000.0 / limit, 60_000.0 / clear
        self._table["limits"][owner.row] = rates

    def _close_switched_off(self, owner: _Owner) -> None:
        for i, kind in enumerate(PACE_KINDS):
            if np.isnan(self._table["limits"][owner.row, 2 * i]) and self._table["going"][owner.row, i]:
                self._table["going"][owner.row, i] = False
                beat = _Beat(0.0, owner.newest_ns, 0, min(owner.sources), False)
                evidence: dict[str, Evidence] = {"rule": f"{kind}/{VERSION}", "reason": "limit_switched_off"}
                self._say(owner, beat, kind, int(self._table["going_ns"][owner.row, i]), evidence, begins=False)

    def _remind(self, owner: _Owner) -> None:
        state = self._recalled.pop(owner.resident_id or "", None)
        if state is None:
            return
        try:
            restore_row(self._table, owner.row, state, _NAMES)
        except UnfitStateError:
            return
        self._table["sums"][owner.row] = sums_of(self._table["log_ms"][owner.row][None])[0]
        owner.newest_ns = int(self._table["pace_ns"][owner.row, -1])
        for one in owner.sources.values():
            self._devices["beats"][one.slot] = owner.newest_ns != NEVER


_PAUSING = ("pausing", "first_ns", "pause_ns")
_OURS = wanted_codes(RhythmWatch.signals)
_LIMITS = {rule.name: rule for rule in RULES}


def _key(device_id: str, resident_id: str | None) -> str:
    return f"resident {resident_id}" if resident_id is not None else f"device {device_id}"


def _column(one: NDArray[Any]) -> Column:
    """The column of a table whose fresh row is this one, (1,) or (1, width)."""
    return Column(one.dtype, one[0], one.shape[1] if one.ndim > 1 else 0)


def _filled(flat: NDArray[Any], counts: NDArray[np.int64], rest: float) -> NDArray[Any]:
    """Values of series of these lengths, one after the other, as rows of a table."""
    table = np.full((len(counts), int(counts.max())), rest, dtype=flat.dtype)
    table[np.arange(table.shape[1]) < counts[:, None]] = flat
    return table
