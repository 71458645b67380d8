"""Limits on vital signs with delay and hysteresis, over all residents at once.

A finding begins when every good reading of one device has stood at or beyond the limit over the rule's delay, in data
time and with at least two readings. Any of a resident's devices can begin it; there is one episode for the resident
and the rule. It ends when all good readings of that resident have been back at the clear limit for as long as one
reading of the signal stands for now (`Signal.stale_s`), with at least two readings.

Readings that are absent, of a quality other than good, stored by the device, or from a device that says it is not worn
count neither way. One reading is enough for what is measured now and then by hand (`Rule.spot`). While the person
exercises, and some minutes afterwards, a fast heart or breath begins nothing (`Rule.at_rest`). A pause longer than the
signal's staleness limit, or a jump of the clock, starts the delay again; an open finding stays open until recovery is
seen. The time of a step changes nothing, only data does.

A device that measures seldom (two pauses in a row, as a watch does every ten minutes) is heard without any setting: its
pauses break no delay, so that two of its readings in a row are enough. What comes half an hour and more after the one
before is measured by hand, and one reading counts. Of a thermometer this is held to be so from its first reading on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from analytics.columns import Columns, Slots, coded, everything
from analytics.findings import Finding, Phase
from analytics.limit_table import RULES, SCALE_2, SCALE_2_ON_OXYGEN, LimitError, Override, Rule, Side, effective
from analytics.owners import Owner, owner_key
from analytics.slots import Column, SlotTable, rounds
from analytics.vitals.exercise import REST_S, Exercise, Marks, before
from device_drivers.observations import DeviceEvent, Reading, Samples
from device_drivers.signals import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from analytics.care import Care
    from device_drivers.observations import Observation

SECOND_NS = 1_000_000_000
NOT_YET = -(2**62)
"""Before all time; far enough from the ends of int64 that differences with it do not overflow."""
LATEST_NS = 2**62
MIN_READINGS = 2
VERSION = 1
STEADY_READINGS = 3
"""So many short pauses in a row make a device one that measures all the time: a doubled reading does not."""
BY_HAND_NS = 1800 * SECOND_NS
"""Measurements so far apart are no course of which a second one could be waited for (typical default)."""
HAND_HELD = frozenset({"body_temperature"})
"""Measured by hand until a device shows that it measures all the time."""


@dataclass(slots=True)
class _Owner(Owner):
    names: dict[int, str] = field(default_factory=dict)
    """Episodes by rule that began before this detector did."""


@dataclass(slots=True)
class _Device:
    device_id: str
    owner: _Owner
    slot: int


class _Taken(NamedTuple):
    """Readings that count, in the order of arrival, each (n,). signal: column of `_rules_of`. seldom, alone: see
    `VitalLimits._pauses`.
    """

    device: NDArray[np.int64]
    signal: NDArray[np.int64]
    value: NDArray[np.float64]
    at_ns: NDArray[np.int64]
    order: NDArray[np.int64]
    seldom: NDArray[np.bool_]
    alone: NDArray[np.bool_]


class _Pairs(NamedTuple):
    """Readings with one rule each, all (n,): slot of the device, row of the owner, time, whether one is at rest,
    measured seldom, measured by hand.
    """

    device: NDArray[Any]
    owner: NDArray[Any]
    rule: NDArray[Any]
    value: NDArray[Any]
    at: NDArray[Any]
    calm: NDArray[Any]
    seldom: NDArray[Any]
    alone: NDArray[Any]

    def only(self, chosen: NDArray[np.int64]) -> _Pairs:
        """The chosen ones, in this order."""
        return _Pairs(*(column[chosen] for column in self))


class VitalLimits:
    """Detector of vital signs beyond their limits.

    rules: the table. State is one row of `rules` columns for each resident and for each device. A device without a
    resident is watched on its own.
    """

    def __init__(self, rules: Sequence[Rule] = RULES) -> None:
        self.rules = tuple(rules)
        moving = {"steps", "accel"} if any(rule.at_rest for rule in self.rules) else set()
        self.signals = frozenset({rule.signal for rule in self.rules} | {"worn"} | moving)
        self.rejected = 0
        self._index = {rule.name: i for i, rule in enumerate(self.rules)}
        names = sorted({rule.signal for rule in self.rules})
        self._place = {name: i for i, name in enumerate(names)}
        self._column_of = coded(self._place.get)
        self._rules_of = _rules_by_signal(self.rules, names)
        self._side = np.array([1.0 if rule.side is Side.HIGH else -1.0 for rule in self.rules])
        self._stale_ns = np.array([_stale_ns(rule.signal) for rule in self.rules], dtype=np.int64)
        self._pause_ns = np.array([_stale_ns(name) for name in names], dtype=np.int64)
        self._hand_held = np.array([name in HAND_HELD for name in names], dtype=np.bool_)
        self._hold_ns = np.array([0 if rule.spot else _stale_ns(rule.signal) for rule in self.rules], dtype=np.int64)
        self._needed = np.array([1 if rule.spot else MIN_READINGS for rule in self.rules], dtype=np.int64)
        self._at_rest = np.array([rule.at_rest for rule in self.rules], dtype=np.bool_)
        width = len(self.rules)
        self._cells = SlotTable(
            {
                "limit": Column(np.float64, math.nan, width),
                "clear": Column(np.float64, math.nan, width),
                "delay": Column(np.int64, 0, width),
                "open": Column(np.bool_, False, width),
                "began": Column(np.int64, NOT_YET, width),
                "running": Column(np.int32, 0, width),
                "clear_since": Column(np.int64, NOT_YET, width),
                "clear_count": Column(np.int64, 0, width),
                "exercised": Column(np.int64, NOT_YET),
            }
        )
        self._timers = SlotTable(
            {
                "owner": Column(np.int64, -1),
                "worn": Column(np.bool_, True),
                "computed": Column(np.bool_, False, len(names)),
                "heard": Column(np.int64, NOT_YET, len(names)),
                "apart": Column(np.bool_, False, len(names)),
                "steady": Column(np.int8, 0, len(names)),
                "back": Column(np.bool_, False, len(names)),
                "since": Column(np.int64, NOT_YET, width),
                "last": Column(np.int64, NOT_YET, width),
                "count": Column(np.int64, 0, width),
            }
        )
        self._owners: dict[str, _Owner] = {}
        self._owner_at: dict[int, _Owner] = {}
        self._devices: dict[str, _Device] = {}
        self._device_at: dict[int, _Device] = {}
        self._slots = Slots()
        self._overrides: dict[str, dict[str, Override]] = {}
        self._open: dict[str, tuple[int, int]] = {}
        self._switched_off: list[tuple[_Owner, int, str]] = []
        self._queue: list[_Taken] = []
        self._exercise = Exercise()
        self._arrived = 0
        self._late: list[Finding] = []

    def attach(self, device_id: str, resident_id: str | None) -> None:
        """Start to watch a device; another resident than before moves it."""
        known = self._devices.get(device_id)
        if known is not None and known.owner.resident_id != resident_id:
            self.detach(device_id)
            known = None
        if known is None:
            self._settle()
            owner = self._own(device_id, resident_id)
            known = _Device(device_id, owner, self._timers.acquire())
            owner.devices.add(device_id)
            self._devices[device_id] = self._device_at[known.slot] = known
            self._slots.put(device_id, known.slot)
            self._timers["owner"][known.slot] = owner.row
            self._timers["apart"][known.slot] = self._hand_held

    def detach(self, device_id: str) -> None:
        """Stop watching; with the last device of a resident the resident's state goes too (overrides stay)."""
        device = self._devices.get(device_id)
        if device is None:
            return
        self._settle()
        del self._devices[device_id], self._device_at[device.slot]
        self._slots.remove(device_id)
        owner = device.owner
        self._cells["running"][owner.row] -= self._timers["count"][device.slot] > 0
        self._timers.release(device.slot)
        self._exercise.forget(device.slot)
        owner.devices.discard(device_id)
        if not owner.devices:
            self._open = {episode: cell for episode, cell in self._open.items() if cell[0] != owner.row}
            self._cells.release(owner.row)
            del self._owners[owner.key], self._owner_at[owner.row]

    def set_limits(self, resident_id: str, overrides: Mapping[str, Override]) -> None:
        """Replace this resident's own limits, by rule name (`heart_rate_low`); an empty mapping returns to the table.

        Switching off a rule with an open finding clears it at the next step. Raises LimitError and changes nothing.
        """
        unknown = sorted(set(overrides) - set(self._index))
        if unknown:
            raise LimitError(f"unknown rule {unknown[0]!r}; known: {', '.join(self._index)}")
        for rule in self.rules:
            effective(rule, overrides.get(rule.name))
        self._settle()
        self._overrides[resident_id] = dict(overrides)
        owner = self._owners.get(owner_key("", resident_id))
        if owner is not None:
            self._write_limits(owner)
            self._close_switched_off(owner)

    def set_care(self, resident_id: str, care: Care) -> None:
        """The resident's own limits: of their SpO2 scale, and over them those that were set. Raises LimitError."""
        scale = SCALE_2_ON_OXYGEN if care.on_oxygen else SCALE_2
        self.set_limits(resident_id, {**(scale if care.spo2_scale == 2 else {}), **care.limits})

    def resume(self, finding: Finding, now_ns: int) -> bool:  # noqa: ARG002 - as all detectors
        """A finding that is open from before: it ends when the signal has come back, and does not begin twice.

        False where it is of no rule of this table, or of nobody who is watched here.
        """
        column = self._index.get(str(finding.evidence.get("rule", "")).split("/")[0])
        device_id = finding.devices[0] if finding.devices else ""
        owner = self._owners.get(owner_key(device_id, finding.resident_id))
        if column is None or owner is None or self.rules[column].kind != finding.kind:
            return False
        if not self._cells["open"][owner.row, column]:
            began = finding.at_ns - int(float(finding.evidence.get("held_s", 0.0)) * SECOND_NS)
            self._cells["open"][owner.row, column] = True
            self._cells["began"][owner.row, column] = began
            owner.names[column] = finding.episode
            self._open[finding.episode] = (owner.row, column)
        return True

    def ingest(self, observations: Sequence[Observation]) -> None:
        """Queue the readings that count; observations of other signals and devices are ignored."""
        columns = Columns(observations)
        self.take(columns, everything(columns))

    def take(self, columns: Columns, chosen: NDArray[np.int64]) -> None:
        """The same with observations as arrays."""
        slot = self._slots.of(columns, chosen)
        ours = (slot >= 0) & ~columns.stored[chosen]
        chosen, slot = chosen[ours], slot[ours]
        order = self._arrived + np.arange(chosen.size)
        self._arrived += chosen.size
        signal, is_reading = self._column_of[columns.signal[chosen]], columns.reading[chosen]
        worn = self._timers["worn"][slot]
        for i in np.flatnonzero((signal < 0) | ~is_reading).tolist():
            o = columns.observations[chosen[i]]
            if type(o) is not DeviceEvent:
                self._moved(o, int(slot[i]), int(order[i]))
            elif o.signal == "worn" and isinstance(o.value, bool):
                self._timers["worn"][slot[i]] = o.value
                worn[i + 1 :][slot[i + 1 :] == slot[i]] = o.value
        value, at = columns.value[chosen], columns.at_ns[chosen]
        dated = (at >= 0) & (at < LATEST_NS)
        said = np.flatnonzero((signal >= 0) & is_reading & dated)
        seldom, alone = self._pauses(slot[said], signal[said], at[said])
        ours = (signal >= 0) & is_reading & columns.good[chosen] & worn
        sure = ~np.isnan(value) & dated
        doubtful = [columns.observations[i] for i in chosen[ours & ~sure].tolist()]
        self.rejected += sum(type(o) is Reading and o.value is not None for o in doubtful)
        sure &= ours
        counts = sure[said]
        kept = said[counts]
        if kept.size:
            self._timers["computed"][slot[kept], signal[kept]] = columns.derived[chosen[kept]]
            pauses = seldom[counts], alone[counts]
            self._queue.append(_Taken(slot[kept], signal[kept], value[kept], at[kept], order[kept], *pauses))

    def _moved(self, o: Observation, slot: int, order: int) -> None:
        """Steps or acceleration, which may be exercise."""
        if type(o) is Samples:
            if o.signal == "accel" and 0 <= o.at_ns < LATEST_NS:
                self._exercise.move(slot, order, o)
        elif type(o) is Reading and o.signal == "steps":
            self._exercise.step(slot, order, o)

    def step(self, now_ns: int) -> list[Finding]:
        """Findings of all readings taken since the last step, in order of time."""
        self._settle()
        found, self._late = self._late, []
        for owner, column, episode in self._switched_off:
            found.append(self._switched_off_finding(owner, column, episode, now_ns))
        self._switched_off.clear()
        found.sort(key=lambda finding: (finding.at_ns, finding.episode))
        return found

    def close(self, episode: str) -> None:
        """A person has resolved the finding; if the condition lasts over a whole delay again, a new one begins."""
        self._settle()
        cell = self._open.pop(episode, None)
        if cell is None:
            return
        row, column = cell
        self._owner_at[row].names.pop(column, None)
        self._cells["open"][row, column] = False
        self._cells["clear_count"][row, column] = 0
        self._cells["running"][row, column] = 0
        for device_id in self._owner_at[row].devices:
            self._timers["count"][self._devices[device_id].slot, column] = 0

    def _own(self, device_id: str, resident_id: str | None) -> _Owner:
        key = owner_key(device_id, resident_id)
        owner = self._owners.get(key)
        if owner is None:
            owner = _Owner(key, resident_id, self._cells.acquire())
            self._owners[key] = self._owner_at[owner.row] = owner
            self._write_limits(owner)
        return owner

    def _write_limits(self, owner: _Owner) -> None:
        own = self._overrides.get(owner.resident_id or "", {})
        for i, rule in enumerate(self.rules):
            limit, clear, delay_s = effective(rule, own.get(rule.name))
            self._cells["limit"][owner.row, i] = limit
            self._cells["clear"][owner.row, i] = clear
            self._cells["delay"][owner.row, i] = int(delay_s * SECOND_NS)

    def _close_switched_off(self, owner: _Owner) -> None:
        for column in np.flatnonzero(self._cells["open"][owner.row] & np.isnan(self._cells["limit"][owner.row])):
            began = int(self._cells["began"][owner.row, column])
            episode = self._episode(owner, int(column), began)
            self.close(episode)
            self._switched_off.append((owner, int(column), episode))

    def _settle(self) -> None:
        """Work through the queue: all pairs of reading and rule that can change anything, each cell in order."""
        marks = self._owned(self._exercise.marks())
        self._arrived = 0
        if not self._queue:
            np.maximum.at(self._cells["exercised"], marks.slot, marks.at)
            return
        device, signal, value, at, order, seldom, alone = map(np.concatenate, zip(*self._queue, strict=True))
        self._queue.clear()
        owner = self._timers["owner"][device]
        for column in self._rules_of.T:
            rule = column[signal]
            keep = self._worth_a_look(owner, rule, value)
            if keep.size:
                who, which, when = owner[keep], rule[keep], at[keep]
                calm = ~self._at_rest[which]
                if not calm.all():
                    latest = before(marks, self._cells["exercised"], who, order[keep])
                    calm |= np.abs(when - latest) > REST_S * SECOND_NS
                pairs = _Pairs(device[keep], who, which, value[keep], when, calm, seldom[keep], alone[keep])
                for chosen in rounds(who * len(self.rules) + which):
                    self._advance(pairs.only(chosen))
        np.maximum.at(self._cells["exercised"], marks.slot, marks.at)

    def _pauses(
        self, device: NDArray[Any], signal: NDArray[Any], at: NDArray[Any]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which readings (n,) are of a device that measures seldom, and which of those by hand, each standing alone.

        Every reading shows how often a device measures, whatever it is worth. What is older than the one before shows
        nothing, unless the one before was so too: then the clock was set back, and counting starts there.
        """
        t = self._timers
        seldom, alone = np.zeros(at.size, np.bool_), np.zeros(at.size, np.bool_)
        for chosen in rounds(device * len(self._place) + signal):
            where = device[chosen], signal[chosen]
            last, now, limit = t["heard"][where], at[chosen], self._pause_ns[where[1]]
            pause = now - last
            long, back = pause > limit, pause < -limit
            seldom[chosen] = long & t["apart"][where]
            alone[chosen] = seldom[chosen] & (pause >= BY_HAND_NS)
            steady = np.where(long, 0, np.minimum(t["steady"][where] + (pause > 0), STEADY_READINGS))
            t["apart"][where] = long | (t["apart"][where] & (steady < STEADY_READINGS))
            t["steady"][where] = steady
            t["heard"][where] = np.where(back & t["back"][where], now, np.maximum(now, last))
            t["back"][where] = back & ~t["back"][where]
        return seldom, alone

    def _owned(self, marks: Marks) -> Marks:
        """Marks of exercise by the slot of the resident, whichever device they come from."""
        return marks._replace(slot=self._timers["owner"][marks.slot])

    def _worth_a_look(self, owner: NDArray[Any], rule: NDArray[Any], value: NDArray[Any]) -> NDArray[Any]:
        """Indices of the readings whose cell is open, has a delay running, or is beyond its limit in this batch."""
        beyond = (rule >= 0) & ((value - self._cells["limit"][owner, rule]) * self._side[rule] >= 0)
        hot = self._cells["open"] | (self._cells["running"] > 0)
        hot[owner[beyond], rule[beyond]] = True
        return np.flatnonzero((rule >= 0) & hot[owner, rule])

    def _advance(self, pairs: _Pairs) -> None:
        """One reading for each of many different cells."""
        device, owner, rule, value, at, calm, seldom, alone = pairs
        cells, timers, side = self._cells, self._timers, self._side[rule]
        was_open = cells["open"][owner, rule]
        beyond = ((value - cells["limit"][owner, rule]) * side >= 0) & (calm | was_open)
        back = (value - cells["clear"][owner, rule]) * side <= 0
        last, count = timers["last"][device, rule], timers["count"][device, rule]
        stale = self._stale_ns[rule]
        broken = ((at - last > stale) & ~seldom) | (last - at > stale)
        at = np.where(broken, at, np.maximum(at, last))
        going = (count > 0) & ~broken
        since = np.where(going, timers["since"][device, rule], at)
        readings = np.where(beyond, np.where(going, count + 1, 1), 0)
        cells["running"][owner, rule] += (readings > 0).astype(np.int32) - (count > 0)
        timers["last"][device, rule] = at
        timers["since"][device, rule] = since
        timers["count"][device, rule] = readings

        lasts = (readings >= self._needed[rule]) & (at - since >= cells["delay"][owner, rule])
        begins = ~was_open & (lasts | (alone & (readings > 0)))
        ends = was_open & self._recovered(owner, rule, at, back & was_open)
        cells["open"][owner, rule] = (was_open | begins) & ~ends
        cells["began"][owner, rule] = np.where(begins, since, cells["began"][owner, rule])
        for i in np.flatnonzero(begins | ends):
            self._conclude(pairs, int(i), int(at[i]), int(readings[i]), cleared=bool(ends[i]))

    def _recovered(
        self, owner: NDArray[Any], rule: NDArray[Any], at: NDArray[Any], back: NDArray[Any]
    ) -> NDArray[np.bool_]:
        """Keep the clocks of recovery; true where recovery has lasted long enough. A clock set back starts it again."""
        since, count = self._cells["clear_since"][owner, rule], self._cells["clear_count"][owner, rule]
        going = (count > 0) & (at >= since)
        since = np.where(going, since, at)
        count = np.where(back, np.where(going, count + 1, 1), 0)
        ended = (count >= self._needed[rule]) & (at - since >= self._hold_ns[rule])
        self._cells["clear_since"][owner, rule] = since
        self._cells["clear_count"][owner, rule] = np.where(ended, 0, count)
        return np.asarray(ended)

    def _conclude(self, pairs: _Pairs, i: int, at_ns: int, readings: int, *, cleared: bool) -> None:
        row, column = int(pairs.owner[i]), int(pairs.rule[i])
        owner, rule = self._owner_at[row], self.rules[column]
        began = int(self._cells["began"][row, column])
        episode = self._episode(owner, column, began)
        evidence: dict[str, str | float | int | bool] = {
            "rule": f"{rule.name}/{VERSION}",
            "signal": rule.signal,
            "value": float(pairs.value[i]),
            "limit": float(self._cells["limit"][row, column]),
            "clear_limit": float(self._cells["clear"][row, column]),
            "held_s": (at_ns - began) / SECOND_NS,
        }
        if self._timers["computed"][int(pairs.device[i]), self._place[rule.signal]]:
            evidence["computed"] = True
        if cleared:
            self._open.pop(episode, None)
            owner.names.pop(column, None)
        else:
            self._open[episode] = (row, column)
            evidence["readings"] = readings
        phase = Phase.CLEARED if cleared else Phase.CONFIRMED
        # Rule of succession (Laplace): n readings that all say yes give (n + 1) / (n + 2).
        seen = readings or int(self._needed[column])
        confidence = (seen + 1) / (seen + 2)
        name = self._device_at[int(pairs.device[i])].device_id
        self._late.append(Finding(episode, rule.kind, owner.resident_id, at_ns, phase, confidence, (name,), evidence))

    def _switched_off_finding(self, owner: _Owner, column: int, episode: str, now_ns: int) -> Finding:
        rule = self.rules[column]
        evidence = {"rule": f"{rule.name}/{VERSION}", "signal": rule.signal, "reason": "limit_switched_off"}
        devices = tuple(sorted(owner.devices)) or (owner.key,)
        return Finding(episode, rule.kind, owner.resident_id, now_ns, Phase.CLEARED, 1.0, devices, evidence)

    def _episode(self, owner: _Owner, column: int, began: int) -> str:
        if column in owner.names:
            return owner.names[column]
        return f"{self.rules[column].name}:{owner.resident_id or owner.key}:{began}"


def _stale_ns(signal: str) -> int:
    return int((SIGNALS[signal].stale_s or 0.0) * SECOND_NS)


def _rules_by_signal(rules: Sequence[Rule], names: Sequence[str]) -> NDArray[np.int64]:
    """Table (signals, most rules of one signal) of rule indices, padded with -1."""
    of = [[i for i, rule in enumerate(rules) if rule.signal == name] for name in names]
    width = max((len(row) for row in of), default=0)
    return np.array([row + [-1] * (width - len(row)) for row in of], dtype=np.int64).reshape(len(names), width)
