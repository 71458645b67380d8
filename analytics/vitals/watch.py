"""The watch over vital signs by the minute: quality first, then one merged value for each resident, NEWS2 and baseline.

Every reading goes into the running minute of its device. When a minute has ended, it is judged for all devices at once
(`minutes`), doubtful devices are told as equipment (`quality`), the best source of each signal is chosen, everybody is
scored (`news2`), and at noon the night and day before go into each resident's charts (`nights`, `charts`). Minutes go
by the time of receipt; a minute that has been computed is not computed again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from analytics.clocks import CHINA_S, MINUTE_NS, SiteTime
from analytics.columns import Columns, Slots, coded, everything
from analytics.findings import Evidence, Finding, Phase
from analytics.memory import UnfitStateError, keep, restore_row, row_state
from analytics.owners import Owner, of_residents, owner_key
from analytics.vitals.charts import Charts
from analytics.vitals.exercise import CADENCE
from analytics.vitals.minutes import REASONS, Batch, Merged, Minutes
from analytics.vitals.news2 import KINDS as NEWS2_KINDS
from analytics.vitals.news2 import VERSION as NEWS2_VERSION
from analytics.vitals.news2 import News2
from analytics.vitals.nights import METRICS, NOON, Nights
from analytics.vitals.quality import Doubts
from analytics.vitals.quality_table import COLUMNS
from device_drivers.observations import DeviceEvent, Quality, Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from analytics.care import Care
    from device_drivers.observations import Observation

LATEST_NS = 2**62
MAX_CATCH_UP = 120
"""After a longer hole (the box was off) the minutes in between are not computed one by one."""
MAX_STEPS = 5_000.0
"""More steps than this between two reports is a counter that started anew."""
CHART_COLUMNS = ("days", "first", "centre", "spread", "ewma", "up", "down", "open", "lasting")
NIGHT_COLUMNS = ("bins", "bed", "bed_known", "in_bed", "exits", "steps")
MOST = 1e6
"""No vital sign is a larger number than this in its unit."""
_COLUMN = {name: i for i, name in enumerate(COLUMNS)}
_COLUMN_OF = coded(_COLUMN.get)
_POOR = (Quality.POOR, Quality.OUT_OF_RANGE)
_METRIC_NAMES = frozenset(metric.name for metric in METRICS)


@dataclass(slots=True)
class _Device:
    device_id: str
    owner: Owner
    slot: int
    steps: float | None = None
    steps_ns: int = 0


class VitalWatch:
    """Detector of measurements not to be believed, early warning scores, and slow change.

    offset_s: seconds east of UTC at a time in UTC ns (the site's clock).
    """

    memory: ClassVar[str] = "vitals"
    signals: ClassVar[frozenset[str]] = frozenset(COLUMNS) | {"worn", "steps", "bed_occupancy", "consciousness"}

    def __init__(self, offset_s: Callable[[int], int] = lambda _: CHINA_S) -> None:
        self.rejected = 0
        self._site = SiteTime(offset_s)
        self._minutes, self._doubts = Minutes(), Doubts()
        self._merged, self._news2, self._nights = Merged(), News2(), Nights()
        self._charts = Charts(np.array([metric.floor for metric in METRICS]))
        self._devices: dict[str, _Device] = {}
        self._device_at: dict[int, _Device] = {}
        self._slots = Slots()
        self._owners: dict[str, Owner] = {}
        self._owner_at: dict[int, Owner] = {}
        self._care: dict[str, Care] = {}
        self._minute: int | None = None
        self._queue: list[Batch] = []
        self._open: dict[tuple[str, str, str], str] = {}
        self._recalled: dict[str, Mapping[str, Any]] = {}
        self._recalled_day: int | None = None
        self._found: list[Finding] = []

    def attach(self, device_id: str, resident_id: str | None) -> None:
        """Start to watch a device. Attaching again under another resident moves it and forgets its past."""
        known = self._devices.get(device_id)
        if known is not None and known.owner.resident_id == resident_id:
            return
        self.detach(device_id)
        self._absorb()
        owner = self._own(device_id, resident_id)
        slot = self._minutes.attach(device_id, owner.row)
        self._slots.put(device_id, slot)
        self._doubts.table.acquire()
        device = self._devices[device_id] = self._device_at[slot] = _Device(device_id, owner, slot)
        owner.devices.add(device.device_id)

    def detach(self, device_id: str) -> None:
        """Stop watching. What was learned of a resident waits for their next device."""
        device = self._devices.pop(device_id, None)
        if device is None:
            return
        self._absorb()
        owner, slot = device.owner, device.slot
        del self._device_at[slot]
        self._slots.remove(device_id)
        self._minutes.table.release(slot)
        self._doubts.table.release(slot)
        gone = self._merged.table["device"] == slot
        for name, fill in (("value", np.nan), ("device", -1)):
            self._merged.table[name][gone] = fill
        owner.devices.discard(device_id)
        if not owner.devices and owner.resident_id is not None and self._minute is not None:
            keep(self._recalled, owner.resident_id, self._state(owner, self._day(self._minute)))
        ended = [device_id] if owner.devices else [device_id, owner.key]
        self._open = {one: episode for one, episode in self._open.items() if one[0] not in ended}
        if not owner.devices:
            for state in (self._merged, self._news2, self._nights, self._charts):
                state.table.release(owner.row)
            del self._owners[owner.key], self._owner_at[owner.row]

    def set_care(self, resident_id: str, care: Care) -> None:
        """SpO2 scale, oxygen and the hours of the night."""
        self._care[resident_id] = care
        owner = self._owners.get(owner_key("", resident_id))
        if owner is not None:
            self._absorb()
            self._write_care(owner)

    def remember(self, only: Iterable[str] | None = None) -> dict[str, dict[str, Any]]:
        """The charts and the running night of each resident, as plain JSON. Nothing before the first minute."""
        if self._minute is None:
            return {}
        day = self._day(self._minute)
        return {who: self._state(owner, day) for who, owner in of_residents(self._owners, only)}

    def _state(self, owner: Owner, day: int) -> dict[str, Any]:
        return {
            "day": day,
            "charts": row_state(self._charts.table, owner.row, CHART_COLUMNS),
            "night": row_state(self._nights.table, owner.row, NIGHT_COLUMNS),
            "open": {key[2]: name for key, name in self._open.items() if key[:2] == (owner.key, "slow_change")},
        }

    def recall(self, states: Mapping[str, Mapping[str, Any]]) -> None:
        """Go on from there. A night that has ended meanwhile is judged when the time is first known."""
        self._recalled = dict(states)
        days = [state["day"] for state in states.values() if isinstance(state.get("day"), int)]
        self._recalled_day = max(days, default=None)
        for owner in self._owners.values():
            self._remind(owner)

    def _remind(self, owner: Owner) -> None:
        state = self._recalled.pop(owner.resident_id or "", None)
        if state is None:
            return
        try:
            opened = {name: str(state["open"][name]) for name in state["open"] if name in _METRIC_NAMES}
            restore_row(self._charts.table, owner.row, state["charts"], CHART_COLUMNS)
            running = self._recalled_day if self._minute is None else self._day(self._minute)
            if state["day"] == running:
                restore_row(self._nights.table, owner.row, state["night"], NIGHT_COLUMNS)
        except (KeyError, TypeError, UnfitStateError):
            return
        self._open |= {(owner.key, "slow_change", name): episode for name, episode in opened.items()}

    def resume(self, finding: Finding, now_ns: int) -> bool:  # noqa: ARG002 - as all detectors
        """A finding that is open from before: it ends by the same rule, and does not begin twice."""
        device_id = finding.devices[0] if finding.devices else ""
        if finding.kind == "signal_poor":
            device, signal = self._devices.get(device_id), str(finding.evidence.get("signal", ""))
            if device is None or signal not in _COLUMN:
                return False
            self._doubts.table["open"][device.slot, _COLUMN[signal]] = True
            self._open[device_id, finding.kind, signal] = finding.episode
            return True
        owner = self._owners.get(owner_key(device_id, finding.resident_id))
        if owner is not None and finding.kind == "slow_change":
            return finding.episode in self._open.values()
        if owner is None or finding.kind not in NEWS2_KINDS:
            return False
        self._news2.table["open"][owner.row, NEWS2_KINDS.index(finding.kind)] = True
        self._open[owner.key, finding.kind, ""] = finding.episode
        return True

    def close(self, episode: str) -> None:
        """A person has resolved it: if it goes on, a new one begins after the whole time."""
        for (key, kind, name), known in list(self._open.items()):
            if known != episode:
                continue
            del self._open[key, kind, name]
            if kind == "signal_poor":
                device = self._devices[key]
                for column, fill in (("open", False), ("poor", 0)):
                    self._doubts.table[column][device.slot, _COLUMN[name]] = fill
            elif kind == "slow_change":
                metric = next(i for i, one in enumerate(METRICS) if one.name == name)
                self._charts.forget(self._owners[key].row, metric)
            else:
                for column, fill in (("open", False), ("held", 0)):
                    self._news2.table[column][self._owners[key].row, NEWS2_KINDS.index(kind)] = fill

    def ingest(self, observations: Sequence[Observation]) -> None:
        """Queue readings; events take effect in the order of arrival."""
        columns = Columns(observations)
        self.take(columns, everything(columns))

    def take(self, columns: Columns, chosen: NDArray[np.int64]) -> None:
        """The same with observations as arrays: minute by minute, as they were received."""
        slot, received = self._slots.of(columns, chosen), columns.received_ns[chosen]
        ours = (slot >= 0) & ~columns.stored[chosen]
        possible = (received >= 0) & (received < LATEST_NS)
        self.rejected += int((ours & ~possible).sum())
        ours &= possible
        chosen, slot, received = chosen[ours], slot[ours], received[ours]
        while chosen.size:
            later = received >= (-1 if self._minute is None else (self._minute + 1) * MINUTE_NS)
            until = int(later.argmax()) if later.any() else chosen.size
            self._take_minute(columns, chosen[:until], slot[:until])
            if until < chosen.size:
                self._advance(int(received[until]))
            chosen, slot, received = chosen[until:], slot[until:], received[until:]

    def _take_minute(self, columns: Columns, chosen: NDArray[np.int64], slot: NDArray[np.int64]) -> None:
        """Readings into the queue of the running minute, events at once."""
        column, is_reading = _COLUMN_OF[columns.signal[chosen]], columns.reading[chosen]
        worn = self._minutes.table["worn"][slot]
        for i in np.flatnonzero(~is_reading | (column < 0)).tolist():
            o, device = columns.observations[chosen[i]], self._device_at[int(slot[i])]
            if type(o) is Reading:
                self._step_count(device, o)
            elif type(o) is DeviceEvent:
                self._event(device, o)
                if o.signal == "worn" and isinstance(o.value, bool):
                    worn[i + 1 :][slot[i + 1 :] == slot[i]] = o.value
        kept = np.flatnonzero(is_reading & (column >= 0) & worn)
        if not kept.size:
            return
        places = chosen[kept]
        value, good = columns.value[places], columns.good[places]
        doubted = np.zeros(kept.size, dtype=np.bool_)
        for i in np.flatnonzero(~good).tolist():
            doubted[i] = columns.observations[places[i]].quality in _POOR
        sure = good & (np.abs(value) < MOST)
        self._queue.append(Batch(slot[kept], column[kept], np.where(sure, value, np.nan), doubted))

    def step(self, now_ns: int) -> list[Finding]:
        """Everything of the minutes that have ended by now, in order of time."""
        self._advance(now_ns)
        found, self._found = self._found, []
        found.sort(key=lambda finding: (finding.at_ns, finding.episode))
        return found

    def _own(self, device_id: str, resident_id: str | None) -> Owner:
        key = owner_key(device_id, resident_id)
        owner = self._owners.get(key)
        if owner is None:
            rows = {state.table.acquire() for state in (self._merged, self._news2, self._nights, self._charts)}
            owner = self._owners[key] = Owner(key, resident_id, rows.pop())
            self._owner_at[owner.row] = owner
            self._news2.table["real"][owner.row] = resident_id is not None
            self._write_care(owner)
            self._remind(owner)
        return owner

    def _write_care(self, owner: Owner) -> None:
        care = self._care.get(owner.resident_id or "")
        if care is not None:
            self._news2.table["scale_2"][owner.row] = care.spo2_scale == 2
            self._news2.table["oxygen"][owner.row] = care.on_oxygen
            self._nights.table["from"][owner.row] = round(care.night_from_min)
            self._nights.table["to"][owner.row] = round(care.night_to_min)

    def _minute_now(self) -> int:
        return 0 if self._minute is None else self._minute

    def _minute_of_day(self, minute: int) -> int:
        return self._site.minute_of_day(minute * MINUTE_NS)

    def _day(self, minute: int) -> int:
        """Number of the day, from noon to noon, to which a minute belongs."""
        return self._site.day(minute * MINUTE_NS, NOON)

    def _step_count(self, device: _Device, o: Reading) -> None:
        if o.signal != "steps" or o.value is None or o.quality is not Quality.GOOD or not 0 <= o.value < 1e9:
            return
        before, device.steps = device.steps, o.value
        if before is not None and 0 <= o.value - before <= MAX_STEPS:
            self._nights.walked(device.owner.row, o.value - before)
            if o.value - before >= CADENCE * max(1.0, (o.received_ns - device.steps_ns) / MINUTE_NS) > 0:
                self._news2.table["moved"][device.owner.row] = self._minute_now()
        device.steps_ns = o.received_ns

    def _event(self, device: _Device, o: DeviceEvent) -> None:
        row, minute = device.owner.row, self._minute_now()
        if o.signal == "worn" and isinstance(o.value, bool):
            self._minutes.table["worn"][device.slot] = o.value
        elif o.signal == "consciousness" and isinstance(o.value, str):
            self._news2.tell(row, o.value, minute)
        elif o.signal == "bed_occupancy" and o.value in {"in", "left"}:
            self._nights.bed(row, self._minute_of_day(minute), occupied=o.value == "in")

    def _absorb(self) -> None:
        """Add what is queued to the running minute."""
        for batch in self._queue:
            self._minutes.take(batch)
        self._queue.clear()

    def _advance(self, now_ns: int) -> None:
        """End the minutes that are over. A clock that was set back begins a new count; a long hole is jumped over."""
        current = now_ns // MINUTE_NS
        self._absorb()
        if self._minute is None or current < self._minute - 2:
            if self._minute is None and self._recalled_day not in {None, self._day(current)}:
                self._end_day(current - 1)
            self._minute = current
            return
        if current - self._minute > MAX_CATCH_UP:
            self._end(self._minute)
            if self._day(self._minute + 1) != self._day(current):
                self._end_day(current - 1)
            self._minute = current
        while self._minute < current:
            self._end(self._minute)
            self._minute += 1

    def _end(self, minute: int) -> None:
        self._minutes.close(minute)
        for doubt in self._doubts.minute(self._minutes):
            self._say_doubt(*doubt, minute)
        self._merged.merge(self._minutes, minute)
        for turn in self._news2.minute(self._merged, minute):
            self._say_news2(*turn, minute)
        minute_of_day = self._minute_of_day(minute)
        self._nights.minute(self._merged, minute, minute_of_day)
        if self._day(minute + 1) != self._day(minute):
            self._end_day(minute)

    def _end_day(self, minute: int) -> None:
        value = self._nights.summary()
        rows = np.array(sorted(owner.row for owner in self._owner_at.values() if owner.resident_id), dtype=np.int64)
        if not rows.size:
            return
        signals = self._charts.day(rows, value[rows])
        for begins, chosen in ((True, signals.begins), (False, signals.ends)):
            for i, metric in zip(*np.nonzero(chosen), strict=True):
                direction = int(signals.direction[i, metric])
                self._say_change(int(rows[i]), int(metric), begins, direction, float(value[rows[i], metric]), minute)

    def _say_doubt(self, slot: int, column: int, begins: bool, reason: int, run: int, minute: int) -> None:
        device, signal = self._device_at[slot], COLUMNS[column]
        evidence: dict[str, Evidence] = {"rule": f"signal_poor/{signal}/1", "signal": signal, "reason": REASONS[reason]}
        if begins:
            evidence["doubtful_min"] = run
        key = (device.device_id, "signal_poor", signal)
        self._say(key, device.owner, (device.device_id,), begins, minute, 0.8, evidence)

    def _say_news2(self, row: int, kind: int, begins: bool, minute: int) -> None:
        owner = self._owner_at[row]
        evidence = {"rule": f"NEWS2/{NEWS2_VERSION}", **self._news2.evidence(row, self._merged, minute)}
        slots = self._merged.table["device"][row]
        names = sorted({self._device_at[slot].device_id for slot in slots.tolist() if slot in self._device_at})
        known = 1.0 - len([part for part in str(evidence.get("missing", "")).split(", ") if part]) / 7
        devices = tuple(names or sorted(owner.devices))
        self._say((owner.key, NEWS2_KINDS[kind], ""), owner, devices, begins, minute, round(known, 2), evidence)

    def _say_change(self, row: int, metric: int, begins: bool, direction: int, value: float, minute: int) -> None:
        owner, one, table = self._owner_at[row], METRICS[metric], self._charts.table
        evidence: dict[str, Evidence] = {
            "rule": f"slow_change/{one.name}/1",
            "metric": one.name,
            "zh": one.zh,
            "en": one.en,
            "direction": "up" if direction > 0 else "down",
            "usual": round(float(table["centre"][row, metric]), 1),
            "spread": round(float(table["spread"][row, metric]), 2),
        }
        if value == value:  # noqa: PLR0124 - known
            evidence["value"] = round(value, 1)
        key = (owner.key, "slow_change", one.name)
        self._say(key, owner, tuple(sorted(owner.devices)), begins, minute, 0.6, evidence)

    def _say(
        self,
        key: tuple[str, str, str],
        owner: Owner,
        devices: tuple[str, ...],
        begins: bool,
        minute: int,
        confidence: float,
        evidence: dict[str, Evidence],
    ) -> None:
        at_ns = (minute + 1) * MINUTE_NS
        name = ":".join(part for part in (key[1], key[2], owner.resident_id or "", devices[0]) if part)
        episode = self._open.setdefault(key, f"{name}:{at_ns}") if begins else self._open.pop(key, f"{name}:{at_ns}")
        phase = Phase.CONFIRMED if begins else Phase.CLEARED
        self._found.append(Finding(episode, key[1], owner.resident_id, at_ns, phase, confidence, devices, evidence))
