"""Learns each resident's habits from the events at home and tells what is not as usual.

Each resident has clocks (end of the day, late morning, silence, away, late back); an event starts and stops them, and
before an event takes effect the clocks that ran out earlier have rung, so that the result does not depend on how the
data was cut. All clocks are one array that a step compares once with now. Times go by receipt and the site's clock.
The day of everybody ends at the same moment: a step rings for HOMES_A_STEP of them at most, the others wait for the
next ones, so that no alarm waits for them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from analytics.care import USUAL
from analytics.clocks import CHINA_S, DAY_MIN, DAY_S, MINUTE_NS, NEVER, SECOND_NS, Clocks, SiteTime
from analytics.daily.home_table import PLACES
from analytics.daily.rooms import SteadyRooms
from analytics.findings import Evidence, Finding, Phase
from analytics.habits.habit_table import (
    AWAY_AFTER_MIN,
    DAY_BEGINS_MIN,
    EARLY_TO_BED_MIN,
    EVENING_MIN,
    EVENT_KINDS,
    HABIT_METRICS,
    HABIT_RULES,
    KNOWN_SIGNS,
)
from analytics.habits.learned import Learned, clock_text, learned_from, plain_learned
from analytics.memory import UnfitStateError, keep, restore_row, row_state
from analytics.vitals.charts import Charts
from device_drivers.observations import DeviceEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from analytics.care import Care
    from device_drivers.observations import Observation

HOMES_A_STEP = 50
"""About 0.3 ms each at 04:00; nothing that is found here is in a hurry."""
VERSION = 1
LATE, SILENT, BACK, LEAVES, DAY = range(5)
CHART_COLUMNS = ("days", "first", "centre", "spread", "ewma", "up", "down", "open", "lasting")
NAMES = frozenset([rule.name for rule in HABIT_RULES] + [metric.name for metric in HABIT_METRICS])
_ROOMS = frozenset({"presence", "occupancy", "motion", "vibration"})
_STILL = frozenset({"none", "still", "closed", "release", "left"})
_RESTING = frozenset({"bed", "bedroom", "bathroom"})
_COOKING = frozenset({"kitchen", "fridge", "stove"})


@dataclass(slots=True)
class _Today:
    """The day so far. whole: it was watched from its begin; only whole days teach."""

    whole: bool = False
    hours: list[set[int]] = field(default_factory=lambda: [set() for _ in EVENT_KINDS])
    signs: int = 0
    by_night: int = 0
    first: float | None = None
    gap: float | None = None
    bed: float | None = None
    nights: int = 0
    odd: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Home:
    resident_id: str
    row: int
    care: Care = USUAL
    devices: dict[str, str] = field(default_factory=dict)
    learned: Learned = field(default_factory=Learned)
    today: _Today = field(default_factory=_Today)
    last_ns: int | None = None
    last_device: str = ""
    left_ns: int | None = None
    away: bool = False
    open: dict[str, str] = field(default_factory=dict)


class HabitWatch:
    """Detector of late mornings, unusual silence, late returns, reversal of day and night, decline of activity."""

    signals: ClassVar[frozenset[str]] = _ROOMS | {"door", "button", "help_button", "room", "bed_occupancy"}
    memory: ClassVar[str] = "habits"

    def __init__(self, offset_s: Callable[[int], int] = lambda _: CHINA_S) -> None:
        self.rejected = 0
        self._site = SiteTime(offset_s)
        self._clocks = Clocks(DAY + 1)
        self._charts = Charts(np.array([metric.floor for metric in HABIT_METRICS]))
        self._homes: dict[str, _Home] = {}
        self._home_at: dict[int, _Home] = {}
        self._home_of: dict[str, _Home] = {}
        self._care: dict[str, Care] = {}
        self._recalled: dict[str, Mapping[str, Any]] = {}
        self._rooms = SteadyRooms()
        self._found: list[Finding] = []

    def attach(self, device_id: str, resident_id: str | None, *, place: str = "") -> None:
        """Start to watch a device of a resident; what belongs to nobody has no habits."""
        home = self._home_of.get(device_id)
        if home is not None and home.resident_id != resident_id:
            self.detach(device_id)
            home = None
        if resident_id is None:
            return
        if home is None:
            home = self._home_of[device_id] = self._homes.get(resident_id) or self._own(resident_id)
        home.devices[device_id] = place if place in PLACES else ""

    def detach(self, device_id: str) -> None:
        """Stop watching. What was learned of a resident waits for their next device; what goes on today is gone."""
        home = self._home_of.pop(device_id, None)
        if home is None:
            return
        del home.devices[device_id]
        self._rooms.forget(device_id)
        if not home.devices:
            keep(self._recalled, home.resident_id, self._state(home))
            del self._homes[home.resident_id], self._home_at[home.row]
            self._clocks.release(home.row)
            self._charts.table.release(home.row)

    def set_care(self, resident_id: str, care: Care) -> None:
        """The resident's own night."""
        self._care[resident_id] = care
        home = self._homes.get(resident_id)
        if home is not None:
            home.care = care

    def remember(self, only: Iterable[str] | None = None) -> dict[str, dict[str, Any]]:
        """What was learned of each resident, as plain JSON."""
        wanted = self._homes if only is None else self._homes.keys() & only
        return {who: self._state(self._homes[who]) for who in wanted}

    def recall(self, states: Mapping[str, Mapping[str, Any]]) -> None:
        """Go on from what was learned; what does not fit is left out."""
        self._recalled = dict(states)
        for who, home in self._homes.items():
            self._remind(home, states.get(who))

    def learned(self, resident_id: str) -> Learned | None:
        """What is known of a resident, None of whom nothing is watched."""
        home = self._homes.get(resident_id)
        return None if home is None else home.learned

    def resume(self, finding: Finding, now_ns: int) -> bool:  # noqa: ARG002 - as all detectors
        """A finding that is open from before: it ends when its cause does."""
        name = str(finding.evidence.get("rule", "")).removeprefix("habit/").split("/")[0]
        home = self._homes.get(finding.resident_id or "")
        if home is None or name not in NAMES:
            return False
        home.open[name] = finding.episode
        return True

    def close(self, episode: str) -> None:
        """A person has resolved it."""
        for home in self._homes.values():
            for name in [name for name, known in home.open.items() if known == episode]:
                del home.open[name]
                for metric in (i for i, one in enumerate(HABIT_METRICS) if one.name == name):
                    self._charts.forget(home.row, metric)

    def ingest(self, observations: Sequence[Observation]) -> None:
        """Take events in the order of arrival."""
        homes = self._home_of
        for o in observations:
            home = homes.get(o.device_id)
            if home is None or o.stored or type(o) is not DeviceEvent:
                continue
            if not 0 <= o.received_ns < NEVER // 2:
                self.rejected += 1
            elif o.value is not None and self._is_news(o):
                self._begin_first_day(home, o.received_ns)
                self._ring(home, o.received_ns)
                self._event(home, o)

    def _is_news(self, o: DeviceEvent) -> bool:
        """A tag's room is news where it has steadily moved, anything else where it is not said again."""
        return self._rooms.hear(o.device_id, str(o.value), o.received_ns) if o.signal == "room" else not o.repeat

    def step(self, now_ns: int) -> list[Finding]:
        """What has run out by now, in order of time; of more than HOMES_A_STEP homes the longest due first."""
        for row in self._clocks.rows(now_ns, HOMES_A_STEP):
            self._ring(self._home_at[row], now_ns)
        found, self._found = self._found, []
        found.sort(key=lambda finding: (finding.at_ns, finding.episode))
        return found

    def _own(self, resident_id: str) -> _Home:
        row = self._clocks.acquire()
        if self._charts.table.acquire() != row:
            raise AssertionError("the tables are not in step")
        home = _Home(resident_id, row, self._care.get(resident_id, USUAL))
        self._homes[resident_id] = self._home_at[row] = home
        self._remind(home, self._recalled.pop(resident_id, None))
        return home

    def _state(self, home: _Home) -> dict[str, Any]:
        return {**plain_learned(home.learned), "charts": row_state(self._charts.table, home.row, CHART_COLUMNS)}

    def _remind(self, home: _Home, state: Mapping[str, Any] | None) -> None:
        if state is None:
            return
        try:
            learned = learned_from(state)
            restore_row(self._charts.table, home.row, state.get("charts", {}), CHART_COLUMNS)
        except (ValueError, UnfitStateError):
            return
        home.learned = learned

    def _event(self, home: _Home, o: DeviceEvent) -> None:
        at, place = o.received_ns, home.devices[o.device_id]
        if o.value is False or o.value in _STILL:
            if o.signal == "door" and place == "main_door":
                home.left_ns = at
                self._clocks.put(home.row, LEAVES, at + AWAY_AFTER_MIN * MINUTE_NS)
            elif o.signal == "bed_occupancy":
                self._sign(home, o, place)
            return
        if o.signal == "room":
            place = str(o.value)
        if o.signal == "bed_occupancy":
            if o.value == "in":
                self._to_bed(home, at)
            place = "bed"
        self._sign(home, o, place)

    def _sign(self, home: _Home, o: DeviceEvent, place: str) -> None:
        """Somebody is at home and does something."""
        at, today = o.received_ns, home.today
        if home.away:
            home.learned.add_trip((at - (home.left_ns or at)) / MINUTE_NS, odd="late_back" in home.open)
            home.away, home.last_ns = False, None
        self._clocks.put(home.row, LEAVES, NEVER)
        self._clocks.put(home.row, BACK, NEVER)
        self._over(home, "late_back", at)
        self._over(home, "silence", at)
        hour, night = self._site.minute_of_day(at) // 60, home.care.is_night(self._site.minute_of_day(at))
        today.signs += 1
        today.by_night += night
        today.hours[0].add(hour)
        for kind in self._kinds(place, o.signal):
            today.hours[EVENT_KINDS.index(kind)].add(hour)
        if place == "bathroom" and night:
            today.nights += 1
        self._gap(home, at, night=night)
        if place not in _RESTING and not night:
            self._up(home, at)
        home.last_ns, home.last_device = at, o.device_id
        limit = home.learned.limit(HABIT_RULES[SILENT])
        quiet = limit is None or night or self._goes_to_sleep(home, o)
        self._clocks.put(home.row, SILENT, NEVER if quiet or limit is None else at + int(limit * MINUTE_NS))

    def _goes_to_sleep(self, home: _Home, o: DeviceEvent) -> bool:
        """Into bed about the time at which this resident goes to bed, though the night has not begun."""
        usual = min(home.learned.beds, default=float(DAY_MIN))
        to_bed = o.signal == "bed_occupancy" and o.value == "in"
        return to_bed and self._minute_of_habit(o.received_ns) >= usual - EARLY_TO_BED_MIN

    @staticmethod
    def _kinds(place: str, signal: str) -> list[str]:
        names = [("bathroom", place == "bathroom"), ("kitchen", place in _COOKING)]
        names.append(("out", place == "main_door" and signal == "door"))
        return [name for name, fits in names if fits]

    def _gap(self, home: _Home, at: int, *, night: bool) -> None:
        """The time since the last sign, where both were by day, up and at home."""
        today, last = home.today, home.last_ns
        if last is None or night or today.first is None or home.care.is_night(self._site.minute_of_day(last)):
            return
        today.gap = max(today.gap or 0.0, (at - last) / MINUTE_NS)

    def _up(self, home: _Home, at: int) -> None:
        if home.today.first is None:
            home.today.first = self._minute_of_habit(at)
        self._clocks.put(home.row, LATE, NEVER)
        self._over(home, "late_morning", at)

    def _to_bed(self, home: _Home, at: int) -> None:
        """The first time in the evening; back in bed at night is not going to bed again."""
        minute = self._minute_of_habit(at)
        if minute >= EVENING_MIN and home.today.bed is None:
            home.today.bed = minute
            home.today.hours[EVENT_KINDS.index("bed")].add(self._site.minute_of_day(at) // 60)

    def _ring(self, home: _Home, now_ns: int) -> None:
        for clock, at in self._clocks.ring(home.row, now_ns):
            if clock == DAY:
                self._end_day(home, at, now_ns)
            elif clock == LEAVES:
                self._leave(home)
            elif not home.away or clock == BACK:
                self._not_usual(home, clock, at)

    def _leave(self, home: _Home) -> None:
        home.away = True
        self._clocks.put(home.row, SILENT, NEVER)
        self._clocks.put(home.row, LATE, NEVER)
        limit = home.learned.limit(HABIT_RULES[BACK])
        if limit is not None and home.left_ns is not None:
            self._clocks.put(home.row, BACK, home.left_ns + int(limit * MINUTE_NS))

    def _not_usual(self, home: _Home, clock: int, at: int) -> None:
        rule = HABIT_RULES[clock]
        if rule.name in home.open or (clock == SILENT and self._slept(home, at)):
            return
        largest = home.learned.largest(rule)
        since = {LATE: None, SILENT: home.last_ns, BACK: home.left_ns}[clock]
        evidence: dict[str, Evidence] = {
            "rule": f"habit/{rule.name}/{VERSION}",
            "learned_days": home.learned.days,
        }
        if clock == LATE:
            evidence["latest"] = clock_text(largest)
        elif since is not None:
            evidence["lasted_min"] = round((at - since) / MINUTE_NS, 1)
            evidence["longest_min"] = round(largest, 1)
        home.today.odd.add(rule.name)
        home.open[rule.name] = f"{rule.kind}:{home.resident_id}:{at}"
        self._say(home, rule.kind, home.open[rule.name], at, Phase.CONFIRMED, rule.confidence, evidence)

    def _slept(self, home: _Home, at: int) -> bool:
        """A silence that ends in the night, or has a night in it, is sleep."""
        minute = self._site.minute_of_day(at)
        woken_min = (minute - home.care.night_to_min) % DAY_MIN
        return home.care.is_night(minute) or home.last_ns is None or (at - home.last_ns) / MINUTE_NS > woken_min

    def _over(self, home: _Home, name: str, at: int) -> None:
        episode = home.open.pop(name, None)
        if episode is not None:
            rule = next(one for one in HABIT_RULES if one.name == name)
            evidence: dict[str, Evidence] = {"rule": f"habit/{name}/{VERSION}", "reason": "seen"}
            self._say(home, rule.kind, episode, at, Phase.CLEARED, rule.confidence, evidence)

    def _begin_first_day(self, home: _Home, at: int) -> None:
        if not self._clocks.runs(home.row, DAY):
            self._clocks.put(home.row, DAY, self._next_day(at))

    def _end_day(self, home: _Home, at: int, now_ns: int) -> None:
        """The day is over: learn from it, judge it, begin the next. After a long hole the day of now begins, unseen."""
        today, home.today = home.today, _Today(whole=True)
        if today.whole and today.signs >= KNOWN_SIGNS:
            home.learned.add_day(today.hours, (today.first, today.gap, today.bed), today.nights, today.odd)
            self._judge(home, today, at)
        following = self._next_day(at)
        if following <= now_ns and self._next_day(following) <= now_ns:
            home.today, home.last_ns, following = _Today(), None, self._next_day(now_ns)
        self._clocks.put(home.row, DAY, following)
        limit = home.learned.limit(HABIT_RULES[LATE])
        if limit is not None and home.today.whole and not home.away:
            self._clocks.put(home.row, LATE, at + int(limit * MINUTE_NS))

    def _judge(self, home: _Home, today: _Today, at: int) -> None:
        value = np.array([[float(len(today.hours[0])), today.by_night / today.signs]])
        signals = self._charts.day(np.array([home.row]), value)
        for i, metric in enumerate(HABIT_METRICS):
            begins = bool(signals.begins[0, i]) and int(signals.direction[0, i]) == metric.direction
            if begins and metric.name not in home.open:
                home.open[metric.name] = f"{metric.kind}:{home.resident_id}:{at}"
                self._change(home, i, home.open[metric.name], at, Phase.CONFIRMED, float(value[0, i]))
            elif bool(signals.ends[0, i]) and metric.name in home.open:
                self._change(home, i, home.open.pop(metric.name), at, Phase.CLEARED, float(value[0, i]))

    def _change(self, home: _Home, i: int, episode: str, at: int, phase: Phase, value: float) -> None:
        metric, table = HABIT_METRICS[i], self._charts.table
        evidence: dict[str, Evidence] = {
            "rule": f"habit/{metric.name}/{VERSION}",
            "metric": metric.name,
            "zh": metric.zh,
            "en": metric.en,
            "value": round(value, 2),
            "usual": round(float(table["centre"][home.row, i]), 2),
        }
        self._say(home, metric.kind, episode, at, phase, 0.5, evidence)

    def _say(
        self,
        home: _Home,
        kind: str,
        episode: str,
        at: int,
        phase: Phase,
        confidence: float,
        evidence: dict[str, Evidence],
    ) -> None:
        devices = (home.last_device if home.last_device in home.devices else min(home.devices),)
        self._found.append(Finding(episode, kind, home.resident_id, at, phase, confidence, devices, evidence))

    def _minute_of_habit(self, at_ns: int) -> float:
        """Minutes after 04:00."""
        return float((self._site.minute_of_day(at_ns) - DAY_BEGINS_MIN) % DAY_MIN)

    def _next_day(self, at_ns: int) -> int:
        """The next 04:00 by the site's clock."""
        begins_s = (self._site.day(at_ns, DAY_BEGINS_MIN) + 1) * DAY_S + DAY_BEGINS_MIN * 60
        east_s = self._site.offset_s((begins_s - self._site.offset_s(at_ns)) * SECOND_NS)
        return max((begins_s - east_s) * SECOND_NS, at_ns + MINUTE_NS)
