"""Detector of possible sleep apnoea: too many pauses of breathing, or falls of oxygen, an hour of one night.

A low-priority hint to have it examined, at most once a night for each resident, ended at the next noon. Only hours of
the night count (or time that a bed sensor says in bed), and of them only seconds with good signal: for a breathing wave
(a radar's, or a bed's) that breathing is seen in it at all and nobody moves, for oxygen that readings come. The index
is looked at on every full minute of data; a reduction of breathing is counted when the oxygen that belongs to it has
had three minutes to fall. A single pause, however long, is no finding: see docs/vital-signs.md for why.
"""

from __future__ import annotations

import contextlib
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from analytics.apnoea.events import (
    AMPLITUDE_S,
    DIP_AFTER_S,
    DIP_LONGEST_S,
    SHORTEST_S,
    Breaths,
    Ended,
    Oxygen,
    amplitude,
)
from analytics.clocks import CHINA_S, DAY_S, SECOND_NS, SiteTime
from analytics.columns import SIGNAL_CODE, Columns, Slots, everything, wanted_codes
from analytics.findings import Evidence, Finding, Phase
from analytics.memory import UnfitStateError, restore_row, row_state
from analytics.owners import Owner, of_residents, owner_key
from analytics.slots import Column, SlotTable, rounds
from analytics.waves import rates
from analytics.waves.lane import Due, Lane
from analytics.waves.ring import LATEST_NS, Batch
from device_drivers.observations import DeviceEvent, Samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from analytics.care import Care
    from device_drivers.observations import Observation

    Ints = NDArray[np.int64]

KIND = "possible_apnoea"
NOON_MIN = 12 * 60
INDEX = 15.0
"""Events an hour: from here on called moderate (AASM)."""
LEAST_GOOD_S = 7_200
CONFIDENCE = 0.6
"""A choice, not a measured share: without polysomnography nobody knows."""
SEEN, SEEN_EVERY_S, SEEN_FOR_S = 0.4, 10, 90
"""Breathing is seen where this share of power lies in one rhythm; it is looked for so often, and holds so long."""
SETTLED_S = DIP_AFTER_S + DIP_LONGEST_S
STALE_S = 15.0
NEVER = -(2**62)
WAVES = frozenset({"breath_wave", "bed_wave"})
_BED_WORDS = frozenset({"in", "left", "none"})
_MARGIN = 2 / rates.HZ
_IS_WAVE = wanted_codes(WAVES)
_SPO2, _BED = SIGNAL_CODE["spo2"], SIGNAL_CODE["bed_occupancy"]
_PEOPLE = {"bed": Column(np.int64, -1), "from": Column(np.int64, 22 * 60), "to": Column(np.int64, 6 * 60)}
"""Of each resident: in bed (-1: nobody says), and the minutes of the night."""
_DEVICES = {"owner": Column(np.int64, -1), "oxygen": Column(np.int64, -1)}
_COLUMNS = {
    "owner": Column(np.int64, -1),
    "night": Column(np.int64, NEVER),
    "good": Column(np.int64, 0),
    "count": Column(np.int64, 0),
    "reduced": Column(np.int64, 0),
    "longest": Column(np.int64, 0),
    "seen": Column(np.int64, NEVER),
}

_COUNTED = ("night", "good", "count", "reduced", "longest")
"""What goes on after a restart in the same night. Of the usual amplitude the next 40 s tell."""


@dataclass(slots=True)
class _Owner(Owner):
    beds: dict[str, bool] = field(default_factory=dict)
    dips: deque[int] = field(default_factory=lambda: deque(maxlen=64))
    said_night: int = NEVER


class _Candidate(NamedTuple):
    at_ns: int
    order: int
    device_id: str
    night: int
    evidence: dict[str, Evidence]

    def when(self) -> tuple[int, int, str]:
        """What they are put in order by: breathing before oxygen."""
        return self.at_ns, self.order, self.device_id


class _BedChange(NamedTuple):
    """A bed is taken or left. place: among the observations that are worked through."""

    place: int
    owner: _Owner
    device_id: str
    inside: bool


class NightSums(NamedTuple):
    """Of one device in the running night: seconds of good signal, events, the longest pause in s."""

    good_s: int
    events: int
    longest_s: int


@dataclass(slots=True)
class _Stream:
    """One kind of stream: its windows, its events, and the sums of the night of each slot."""

    lane: Lane
    state: SlotTable
    sums: SlotTable = field(default_factory=lambda: SlotTable(_COLUMNS))


class ApnoeaWatch:
    """Counts pauses and falls of oxygen by night.

    offset_s: seconds east of UTC at a time in UTC ns (the site's clock). index, least_good_s: from how many an hour on,
    over at least how many seconds of good signal.
    """

    signals = WAVES | {"spo2", "bed_occupancy"}
    memory: ClassVar[str] = "apnoea"

    def __init__(
        self,
        offset_s: Callable[[int], int] = lambda _: CHINA_S,
        *,
        index: float = INDEX,
        least_good_s: float = LEAST_GOOD_S,
    ) -> None:
        self._site, self._index, self._least_good_s = SiteTime(offset_s), index, least_good_s
        self._breaths, self._falls = Breaths(), Oxygen()
        lane = Lane(rates.HZ, AMPLITUDE_S + _MARGIN, 1.0, spare_s=1.5 * rates.WINDOW_S)
        self._breath = _Stream(lane, self._breaths.table)
        self._oxygen = _Stream(Lane(1, 1.0, 1.0, bridge_s=STALE_S, spare_s=2 * STALE_S), self._falls.table)
        self._streams = {"breath": self._breath, "oxygen": self._oxygen}
        self._owners: dict[str, _Owner] = {}
        self._owner_of: dict[str, _Owner] = {}
        self._people, self._devices = SlotTable(_PEOPLE), SlotTable(_DEVICES)
        self._device_at: dict[int, str] = {}
        self._slots = Slots()
        self._source: dict[str, str] = {}
        self._care: dict[str, Care] = {}
        self._pending: dict[int, list[tuple[int, int]]] = {}
        self._candidates: list[_Candidate] = []
        self._open: dict[str, tuple[_Owner, Finding, int]] = {}
        self._recalled: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._told: dict[str, int] = {}

    def attach(self, device_id: str, resident_id: str | None) -> None:
        """Start to watch a device; under another resident it has no past."""
        known = self._owner_of.get(device_id)
        if known is not None:
            if known.resident_id == resident_id:
                return
            self.detach(device_id)
        key = owner_key(device_id, resident_id)
        owner = self._owners.get(key)
        if owner is None:
            owner = self._owners[key] = _Owner(key, resident_id, self._people.acquire())
            owner.said_night = self._told.pop(resident_id or "", NEVER)
            self._write(owner)
        owner.devices.add(device_id)
        self._owner_of[device_id] = owner
        slot = self._devices.acquire()
        self._devices["owner"][slot] = owner.row
        self._device_at[slot] = device_id
        self._slots.put(device_id, slot)
        self._remind(device_id, owner)

    def detach(self, device_id: str) -> None:
        """Stop watching; with the last device of a resident goes what is known of the night."""
        owner = self._owner_of.pop(device_id, None)
        if owner is None:
            return
        own = self._slots.remove(device_id)
        self._devices.release(own)
        del self._device_at[own]
        self._source.pop(device_id, None)
        for stream in self._streams.values():
            slot = stream.lane.forget(device_id)
            if slot is not None:
                stream.sums.release(slot)
                stream.state.release(slot)
                if stream is self._breath:
                    self._pending.pop(slot, None)
        owner.devices.discard(device_id)
        self._candidates = [one for one in self._candidates if one.device_id != device_id]
        if device_id in owner.beds:
            del owner.beds[device_id]
            self._write(owner)
        if not owner.devices:
            del self._owners[owner.key]
            self._people.release(owner.row)
            self._open = {name: entry for name, entry in self._open.items() if entry[0] is not owner}

    def set_care(self, resident_id: str, care: Care) -> None:
        """The hours of the night."""
        self._care[resident_id] = care
        owner = self._owners.get(owner_key("", resident_id))
        if owner is not None:
            self._write(owner)

    def remember(self, only: Iterable[str] | None = None) -> dict[str, dict[str, Any]]:
        """What is counted of each resident's night, by device, and the last night that was told, as plain JSON."""
        states = {}
        for who, owner in of_residents(self._owners, only):
            devices = {device_id: self._counts(device_id) for device_id in sorted(owner.devices)}
            state = {"told": owner.said_night, "devices": {name: counts for name, counts in devices.items() if counts}}
            if state["devices"] or owner.said_night != NEVER:
                states[who] = state
        return states

    def _counts(self, device_id: str) -> dict[str, Any]:
        return {
            name: row_state(stream.sums, stream.lane.slots[device_id], _COUNTED)
            for name, stream in self._streams.items()
            if device_id in stream.lane.slots
        }

    def recall(self, states: Mapping[str, Mapping[str, Any]]) -> None:
        """Go on counting in the same night; what does not fit is left out."""
        self._recalled, self._told = {}, {}
        for who, state in states.items():
            told, devices = state.get("told"), state.get("devices")
            if isinstance(told, int) and isinstance(devices, dict):
                self._told[who] = told
                self._recalled |= {(who, device_id): counts for device_id, counts in devices.items()}
        for device_id, owner in self._owner_of.items():
            owner.said_night = max(owner.said_night, self._told.get(owner.resident_id or "", NEVER))
            self._remind(device_id, owner)

    def ingest(self, observations: Sequence[Observation]) -> None:
        """Take waves and readings; a change of a bed counts from where it stands among those of its resident."""
        columns = Columns(observations)
        self.take(columns, everything(columns))

    def take(self, columns: Columns, chosen: Ints) -> None:
        """The same with observations as arrays: everybody's up to their next change of bed, then from there on."""
        slot = self._slots.of(columns, chosen)
        kept = (slot >= 0) & ~columns.stored[chosen]
        chosen, slot = chosen[kept], slot[kept]
        while chosen.size:
            changes = self._bed_changes(columns, chosen)
            until = np.full(self._people.capacity, chosen.size)
            for change in changes:
                until[change.owner.row] = change.place
            now = np.arange(chosen.size) <= until[self._devices["owner"][slot]]
            self._take_values(columns, chosen[now], slot[now])
            for change in changes:
                change.owner.beds[change.device_id] = change.inside
                self._write(change.owner)
            chosen, slot = chosen[~now], slot[~now]

    def step(self, now_ns: int) -> list[Finding]:
        """Findings of what was taken since the last step, and the end of those of the night before."""
        found: list[Finding] = []
        for one in sorted(self._candidates, key=_Candidate.when):
            finding = self._say(one)
            if finding is not None:
                found.append(finding)
        self._candidates.clear()
        for name, (owner, finding, ends_ns) in list(self._open.items()):
            if now_ns >= ends_ns:
                del self._open[name]
                evidence: dict[str, Evidence] = {"rule": f"{KIND}/1", "reason": "night_over"}
                found.append(
                    Finding(
                        name, KIND, owner.resident_id, ends_ns, Phase.CLEARED, CONFIDENCE, finding.devices, evidence
                    )
                )
        found.sort(key=lambda finding: (finding.at_ns, finding.episode))
        return found

    def resume(self, finding: Finding, now_ns: int) -> bool:  # noqa: ARG002 - as all detectors
        """A finding that is open from before: it ends at its noon, and does not come twice in its night."""
        owner = self._owner_of.get(finding.devices[0]) if finding.devices else None
        if finding.kind != KIND or owner is None or owner.resident_id != finding.resident_id:
            return False
        night = self._site.day(finding.at_ns, NOON_MIN)
        owner.said_night = max(owner.said_night, night)
        self._open[finding.episode] = (owner, finding, self._noon_ns(night))
        return True

    def close(self, episode: str) -> None:
        """A person has resolved it: in this night it does not come again."""
        self._open.pop(episode, None)

    def sums(self, device_id: str) -> NightSums | None:
        """What is counted of a device in the running night, its wave before its oxygen; None where it has neither."""
        for stream in self._streams.values():
            slot = stream.lane.slots.get(device_id)
            if slot is not None:
                return NightSums(*(int(stream.sums[name][slot]) for name in ("good", "count", "longest")))
        return None

    def _bed_changes(self, columns: Columns, chosen: Ints) -> list[_BedChange]:
        """The next change of each resident."""
        found: dict[int, _BedChange] = {}
        for i in np.flatnonzero(columns.signal[chosen] == _BED).tolist():
            o = columns.observations[chosen[i]]
            if type(o) is DeviceEvent and o.value in _BED_WORDS:
                owner, inside = self._owner_of[o.device_id], o.value == "in"
                if owner.beds.get(o.device_id) is not inside:
                    found.setdefault(owner.row, _BedChange(i, owner, o.device_id, inside))
        return list(found.values())

    def _take_values(self, columns: Columns, chosen: Ints, slot: Ints) -> None:
        """Oxygen first, so that what has fallen is known when breathing is judged."""
        oxygen = columns.reading[chosen] & (columns.signal[chosen] == _SPO2) & columns.good[chosen]
        self._take_oxygen(columns, chosen[oxygen], slot[oxygen])
        blocks: list[Samples] = []
        for i in np.flatnonzero(_IS_WAVE[columns.signal[chosen]]).tolist():
            o = columns.observations[chosen[i]]
            if type(o) is Samples and self._source.setdefault(o.device_id, o.signal) == o.signal:
                self._slot(self._breath, o.device_id)
                blocks.append(o)
        for due in self._breath.lane.take(blocks):
            self._breath_second(due)

    def _take_oxygen(self, columns: Columns, chosen: Ints, slot: Ints) -> None:
        value, at, received = columns.value[chosen], columns.at_ns[chosen], columns.received_ns[chosen]
        sure = (value > 0.0) & (value <= 100.0)
        for times in (at, received):
            sure &= (times >= 0) & (times < LATEST_NS)
        slot, at, received = slot[sure], at[sure], received[sure]
        percent = value[sure].astype(np.float32)[:, None, None]
        for new in np.unique(slot[self._devices["oxygen"][slot] < 0]).tolist():
            self._devices["oxygen"][new] = self._slot(self._oxygen, self._device_at[new])
        row = self._devices["oxygen"][slot]
        for some in rounds(row):
            batch = Batch(row[some], at[some], received[some], percent[some], 1.0)
            for due in self._oxygen.lane.put(batch):
                self._oxygen_second(due)

    def _slot(self, stream: _Stream, device_id: str) -> int:
        """The slot of a device in a stream, a fresh one where it has none yet."""
        known = stream.lane.slots.get(device_id)
        if known is None:
            known = stream.lane.slot(device_id)
            stream.sums.acquire()
            stream.state.acquire()
            stream.sums["owner"][known] = self._owner_of[device_id].row
        return known

    def _remind(self, device_id: str, owner: _Owner) -> None:
        """What was counted of a device for this resident before."""
        known = self._recalled.pop((owner.resident_id or "", device_id), None)
        for name, stream in self._streams.items():
            counts = known.get(name) if isinstance(known, dict) else None
            if counts is not None:
                with contextlib.suppress(UnfitStateError):
                    restore_row(stream.sums, self._slot(stream, device_id), counts, _COUNTED)

    def _write(self, owner: _Owner) -> None:
        """Bed and night of a resident."""
        self._people["bed"][owner.row] = any(owner.beds.values()) if owner.beds else -1
        care = self._care.get(owner.resident_id or "")
        if care is not None:
            self._people["from"][owner.row] = care.night_from_min
            self._people["to"][owner.row] = care.night_to_min

    def _breath_second(self, due: Due) -> None:
        sums, second = self._breath.sums, due.end_ns // SECOND_NS
        counts = self._begin_night(sums, due.slots, second)
        self._look_for_breathing(due, second)
        seen = counts & (second - sums["seen"][due.slots] <= SEEN_FOR_S)
        ended, good = self._breaths.second(due.slots, second, amplitude(due.wave), seen)
        sums["good"][due.slots] += good & seen
        slots = due.slots[ended.row]
        apnoea = ended.still_s >= SHORTEST_S
        np.add.at(sums["count"], slots[apnoea], 1)
        np.maximum.at(sums["longest"], slots, ended.still_s)
        for i in np.flatnonzero(~apnoea).tolist():
            span = int(ended.began[i]), int(ended.began[i] + ended.length_s[i])
            self._pending.setdefault(int(slots[i]), []).append(span)
        self._minute(self._breath, due, second, 0)

    def _look_for_breathing(self, due: Due, second: Ints) -> None:
        looked = np.flatnonzero(second % SEEN_EVERY_S == 0)
        if looked.size:
            slots = due.slots[looked]
            wave = self._breath.lane.ring.windows(slots, due.end[looked], rates.SIZE)
            yes = rates.periodicity(wave) >= SEEN
            self._breath.sums["seen"][slots[yes]] = second[looked[yes]]

    def _oxygen_second(self, due: Due) -> None:
        sums, second = self._oxygen.sums, due.end_ns // SECOND_NS
        counts = self._begin_night(sums, due.slots, second)
        ended, good = self._falls.second(due.slots, second, np.where(counts, due.wave[:, 0], np.nan))
        sums["good"][due.slots] += good & counts
        np.add.at(sums["count"], due.slots[ended.row], 1)
        self._remember_dips(due, ended)
        self._minute(self._oxygen, due, second, 1)

    def _remember_dips(self, due: Due, ended: Ended) -> None:
        for row, began in zip(ended.row.tolist(), ended.began.tolist(), strict=True):
            device_id = self._oxygen.lane.device_at[int(due.slots[row])]
            self._owner_of[device_id].dips.append(began)

    def _begin_night(self, sums: SlotTable, slots: Ints, second: Ints) -> NDArray[np.bool_]:
        """Begin the sums anew with every noon; whether these seconds count (night, or in bed)."""
        local = second + self._site.offset_s(int(second[0]) * SECOND_NS)
        night = (local - NOON_MIN * 60) // DAY_S
        fresh = slots[night != sums["night"][slots]]
        if fresh.size:
            for name in ("good", "count", "reduced", "longest"):
                sums[name][fresh] = 0
            sums["night"][slots] = night
        minute = local % DAY_S // 60
        begin, end, bed = (self._people[name][sums["owner"][slots]] for name in ("from", "to", "bed"))
        by_night = np.where(begin <= end, (minute >= begin) & (minute < end), (minute >= begin) | (minute < end))
        return np.asarray((bed == 1) | (by_night & (bed != 0)))

    def _minute(self, stream: _Stream, due: Due, second: Ints, order: int) -> None:
        """On full minutes: judge what had been pending, and whoever has too many."""
        full = np.flatnonzero(second % 60 == 0)
        if not full.size:
            return
        if stream is self._breath:
            waiting = [row for row in full.tolist() if int(due.slots[row]) in self._pending]
            for row in waiting:
                self._judge_reduced(int(due.slots[row]), int(second[row]))
        sums, slots = stream.sums, due.slots[full]
        good, count = sums["good"][slots], sums["count"][slots]
        for i in np.flatnonzero((good >= self._least_good_s) & (3600.0 * count >= self._index * good)).tolist():
            self._candidate(stream, int(slots[i]), int(second[full[i]]), order)

    def _judge_reduced(self, slot: int, second: int) -> None:
        """A hypopnoea is a reduction of breathing with a fall of oxygen in it or soon after it."""
        waiting = self._pending[slot]
        settled = [span for span in waiting if span[1] <= second - SETTLED_S]
        self._pending[slot] = [span for span in waiting if span[1] > second - SETTLED_S]
        if not self._pending[slot]:
            del self._pending[slot]
        dips = self._owner_of[self._breath.lane.device_at[slot]].dips
        found = sum(any(began <= dip <= end + DIP_AFTER_S for dip in dips) for began, end in settled)
        self._breath.sums["count"][slot] += found
        self._breath.sums["reduced"][slot] += found

    def _candidate(self, stream: _Stream, slot: int, second: int, order: int) -> None:
        device_id, sums = stream.lane.device_at[slot], stream.sums
        night, good_h = int(sums["night"][slot]), float(sums["good"][slot]) / 3600.0
        if self._owner_of[device_id].said_night >= night:
            return
        count, reduced = int(sums["count"][slot]), int(sums["reduced"][slot])
        evidence: dict[str, Evidence] = {
            "rule": f"{KIND}/1",
            "signal": "spo2" if order else self._source[device_id],
            "pauses_per_h": round(count / good_h, 1),
            "limit_per_h": self._index,
            "good_h": round(good_h, 2),
        }
        if order:
            evidence["falls"] = count
        else:
            evidence |= {"apnoeas": count - reduced, "hypopnoeas": reduced}
            evidence["longest_pause_s"] = int(sums["longest"][slot])
        self._candidates.append(_Candidate(second * SECOND_NS, order, device_id, night, evidence))

    def _say(self, one: _Candidate) -> Finding | None:
        owner = self._owner_of[one.device_id]
        if owner.said_night >= one.night:
            return None
        owner.said_night = one.night
        name = f"{KIND}:{owner.resident_id or owner.key}:{one.at_ns}"
        finding = Finding(
            name, KIND, owner.resident_id, one.at_ns, Phase.CONFIRMED, CONFIDENCE, (one.device_id,), one.evidence
        )
        self._open[name] = (owner, finding, self._noon_ns(one.night))
        return finding

    def _noon_ns(self, night: int) -> int:
        """The noon that ends a night."""
        second = (night + 1) * DAY_S + NOON_MIN * 60
        return (second - self._site.offset_s(second * SECOND_NS)) * SECOND_NS
