"""What happens at home: bed, bathroom, signs of life, doors, rooms. Each rule is a clock that an event starts or stops.

The clocks of all residents are one array (rows, rules) of due times; a step compares it with now once. Events are rare
and change clocks one by one in the order of arrival; before an event takes effect, the clocks of that resident that
ran out earlier have rung, so that the result does not depend on how the data was cut. Readings that only show life
(heart beats, body movement) come often and move the clocks of everybody at once.

Bed sensors of one resident are fused: the bed is taken while one of them says so, and left when all that have spoken
within an hour say so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from analytics.care import USUAL
from analytics.clocks import CHINA_S, DAY_MIN, MINUTE_NS, NEVER, SECOND_NS, Clocks, SiteTime
from analytics.columns import SIGNAL_CODE, Columns, Slots, everything, wanted_codes
from analytics.daily.home_table import (
    ABOUT_MIN,
    COLD_CEL,
    COLD_OVER_CEL,
    EARLY_RISE_MIN,
    HOME_RULES,
    HOT_CEL,
    HOT_OVER_CEL,
    PLACES,
    RESTLESS_EXITS,
    RULE_INDEX,
    STOVE_CEL,
    STOVE_OVER_CEL,
    TURN_MOVEMENT,
)
from analytics.daily.rooms import SteadyRooms
from analytics.findings import Evidence, Finding, Phase
from analytics.slots import Column
from device_drivers.observations import DeviceEvent, Quality, Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from analytics.care import Care
    from device_drivers.observations import Observation

BED_FRESH_NS = 3600 * SECOND_NS
NOON_MIN = 12 * 60
VERSION = 1
_SIGNS = frozenset({"heart_rate", "body_movement"})
_WHERE = "latitude"
_FIXED, _WORN, _ROAMING = range(3)
"""What a heart beat says of being at home: it is; it is unless the main door has just closed, since a wristband is
heard for a while behind it; nothing, where a device says where on earth it is and so is heard from everywhere."""
_QUIET, _LEFT, _NOT_BACK = (RULE_INDEX[name] for name in ("quiet", "left", "not_back"))
BEHIND_DOOR_NS = 3 * MINUTE_NS
"""So long after the main door has closed a wristband may still be heard of somebody who leaves (typical default)."""
_AWAY_NS = int(HOME_RULES[_LEFT].minutes * MINUTE_NS)
_LEVELS = frozenset({"room_temperature", "sleep_turns"})
_ROOMS = frozenset({"presence", "occupancy", "motion"})
_IS_SIGN = wanted_codes(_SIGNS)
_HEART_RATE = SIGNAL_CODE["heart_rate"]


@dataclass(slots=True)
class _Home:
    key: str
    resident_id: str | None
    row: int
    care: Care = USUAL
    devices: dict[str, str] = field(default_factory=dict)
    beds: dict[str, tuple[bool, int]] = field(default_factory=dict)
    in_bed: bool | None = None
    exits: list[int] = field(default_factory=list)
    away: bool = False
    since: dict[int, int] = field(default_factory=dict)
    by: dict[int, str] = field(default_factory=dict)
    open: dict[int, str] = field(default_factory=dict)
    restless: int = -1
    about_ns: int = -NEVER


class HomeWatch:
    """Detector of bed, daily life and surroundings. offset_s: seconds east of UTC at a time in UTC ns."""

    signals: ClassVar[frozenset[str]] = (
        _SIGNS
        | _ROOMS
        | {"bed_occupancy", "room", "door", "vibration", "button", "help_button", "room_temperature", "sleep_turns"}
        | {_WHERE}
    )

    def __init__(self, offset_s: Callable[[int], int] = lambda _: CHINA_S) -> None:
        self.rejected = 0
        self._site = SiteTime(offset_s)
        self._table = Clocks(
            len(HOME_RULES),
            {"sign": Column(np.int64, 0), "span": Column(np.int64, 0), "special": Column(np.bool_, False)},
        )
        self._homes: dict[str, _Home] = {}
        self._home_at: dict[int, _Home] = {}
        self._home_of: dict[str, _Home] = {}
        self._care: dict[str, Care] = {}
        self._rows = Slots()
        self._reach = Slots()
        self._signs: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]] = []
        self._rooms = SteadyRooms()
        self._found: list[Finding] = []

    def attach(self, device_id: str, resident_id: str | None, *, place: str = "") -> None:
        """Start to watch a device. place: one of PLACES; any other is taken for a room of no special kind."""
        home = self._home_of.get(device_id)
        if home is not None and home.resident_id != resident_id:
            self.detach(device_id)
            home = None
        if home is None:
            key = f"device {device_id}" if resident_id is None else f"resident {resident_id}"
            home = self._homes.get(key)
            if home is None:
                home = _Home(key, resident_id, self._table.acquire(), self._care.get(resident_id or "", USUAL))
                self._homes[key] = self._home_at[home.row] = home
                self._write_span(home)
            self._home_of[device_id] = home
            self._rows.put(device_id, home.row)
        home.devices[device_id] = place if place in PLACES else ""
        if self._reach.get(device_id) != _ROAMING:
            self._reach.put(device_id, _FIXED if place else _WORN)

    def detach(self, device_id: str) -> None:
        """Stop watching; with the last device of a resident the clocks go."""
        home = self._home_of.pop(device_id, None)
        if home is None:
            return
        self._absorb()
        del home.devices[device_id]
        self._rows.remove(device_id)
        self._reach.remove(device_id)
        home.beds.pop(device_id, None)
        self._rooms.forget(device_id)
        for rule in [rule for rule, device in home.by.items() if device == device_id]:
            self._table.put(home.row, rule, NEVER)
            home.open.pop(rule, None)
            home.away &= rule != _LEFT
        if not home.devices:
            del self._homes[home.key], self._home_at[home.row]
            self._table.release(home.row)

    def set_care(self, resident_id: str, care: Care) -> None:
        """The resident's own spans and night; clocks that run keep the span they began with."""
        self._care[resident_id] = care
        home = self._homes.get(f"resident {resident_id}")
        if home is not None:
            self._absorb()
            home.care = care
            self._write_span(home)

    def resume(self, finding: Finding, now_ns: int) -> bool:  # noqa: ARG002 - as all detectors
        """A finding that is open from before: it ends when its cause does."""
        rule = RULE_INDEX.get(str(finding.evidence.get("rule", "")).split("/")[0])
        home = self._home_of.get(finding.devices[0]) if finding.devices else None
        if rule is None or home is None or HOME_RULES[rule].kind != finding.kind:
            return False
        home.open[rule], home.by[rule], home.since[rule] = finding.episode, finding.devices[0], finding.at_ns
        self._mark(home)
        return True

    def close(self, episode: str) -> None:
        """A person has resolved it; the next start of the clock begins anew."""
        for home in self._homes.values():
            for rule in [rule for rule, known in home.open.items() if known == episode]:
                del home.open[rule]
                self._mark(home)

    def ingest(self, observations: Sequence[Observation]) -> None:
        """Take events in the order of arrival; queue readings that show life."""
        columns = Columns(observations)
        self.take(columns, everything(columns))

    def take(self, columns: Columns, chosen: NDArray[np.int64]) -> None:
        """The same with observations as arrays: homes with nothing but signs of life all at once, others in order."""
        row, received = self._rows.of(columns, chosen), columns.received_ns[chosen]
        ours = (row >= 0) & ~columns.stored[chosen]
        possible = (received >= 0) & (received < NEVER // 2)
        self.rejected += int((ours & ~possible).sum())
        ours &= possible
        chosen, row, received = chosen[ours], row[ours], received[ours]
        is_reading, code, value = columns.reading[chosen], columns.signal[chosen], columns.value[chosen]
        sign = is_reading & _IS_SIGN[code] & columns.good[chosen] & ~np.isnan(value)
        plain = sign & ((code == _HEART_RATE) | (value < TURN_MOVEMENT))
        exact = np.zeros(self._table.capacity, dtype=np.bool_)
        exact[row[~plain & (~is_reading | columns.good[chosen])]] = True
        in_order = exact[row]
        if in_order.any():
            self._absorb()
        for i in np.flatnonzero(in_order).tolist():
            self._take_one(self._home_at[int(row[i])], columns.observations[chosen[i]])
        quick = plain & ~in_order & (value > 0)
        if quick.any():
            self._signs.append((row[quick], received[quick], self._reach.of(columns, chosen[quick])))

    def _take_one(self, home: _Home, o: Observation) -> None:
        """One observation of a home, with all clocks as they are then."""
        at = o.received_ns
        if type(o) is Reading:
            if o.value is None or o.quality is not Quality.GOOD or o.value != o.value:
                return
            if o.signal == _WHERE and self._reach.get(o.device_id) != _ROAMING:
                self._reach.put(o.device_id, _ROAMING)
            elif o.signal in _SIGNS and o.value > 0:
                self._ring(home, at)
                self._beat(home, at, self._reach.get(o.device_id))
            if o.signal in _LEVELS or (o.signal == "body_movement" and o.value >= TURN_MOVEMENT):
                self._ring(home, at)
                self._reading(home, o)
        elif type(o) is DeviceEvent and o.value is not None:
            self._ring(home, at)
            self._event(home, o)

    def _write_span(self, home: _Home) -> None:
        """Only somebody's home is watched for signs of life."""
        minutes = home.care.quiet_min if home.resident_id is not None else 0.0
        self._table["span"][home.row] = int(minutes * MINUTE_NS)

    def _mark(self, home: _Home) -> None:
        """Whether a sign of life changes more than one clock."""
        self._table["special"][home.row] = home.away or _QUIET in home.open or _NOT_BACK in home.open

    def out_of_reach(self, now_ns: int) -> dict[str, int]:
        """Devices without a place of homes that somebody leaves or has left, and when the main door closed (UTC ns).

        What is worn may be heard no more then. Only for as long as no sign of life is waited for at home: whoever came
        in unseen and lies behind the door is not to be taken for away for ever.
        """
        t = self._table
        rows = np.flatnonzero(t["special"] | (t["due"][:, _LEFT] != NEVER)).tolist()
        homes = [self._home_at[row] for row in rows if row in self._home_at]
        out = [one for one in homes if one.away or self._table.runs(one.row, _LEFT)]
        return {
            name: home.since[_LEFT]
            for home in out
            for name in home.devices
            if self._reach.get(name) == _WORN and now_ns - home.since[_LEFT] < home.care.quiet_min * MINUTE_NS
        }

    def step(self, now_ns: int) -> list[Finding]:
        """Everything that has run out by now, in order of time."""
        self._absorb()
        for row in self._table.rows(now_ns):
            self._ring(self._home_at[row], now_ns)
        found, self._found = self._found, []
        found.sort(key=lambda finding: (finding.at_ns, finding.episode))
        return found

    def _absorb(self) -> None:
        """Readings that show life: clocks that ran out before them ring, then all begin anew."""
        if not self._signs:
            return
        row, at, reach = (np.concatenate(part) for part in zip(*self._signs, strict=True))
        self._signs.clear()
        t, n = self._table, self._table.capacity
        first, last = np.full(n, NEVER, dtype=np.int64), np.full(n, -1, dtype=np.int64)
        np.minimum.at(first, row, at)
        np.maximum.at(last, row, at)
        due, span = t["due"][:, _QUIET], t["span"]
        calm = ~t["special"] & (t["due"][:, _LEFT] == NEVER) & (t["due"][:, _NOT_BACK] == NEVER)
        calm &= (span == 0) | (((due == NEVER) | (due > first)) & (last - first < span))
        quick = np.flatnonzero(calm & (last >= 0))
        t["sign"][quick] = np.maximum(t["sign"][quick], last[quick])
        due[quick] = np.where(span[quick] > 0, t["sign"][quick] + span[quick], NEVER)
        for i in np.flatnonzero(~calm[row]):
            home = self._home_at[int(row[i])]
            self._ring(home, int(at[i]))
            self._beat(home, int(at[i]), int(reach[i]))

    def _ring(self, home: _Home, now_ns: int) -> None:
        for rule, at_ns in self._table.ring(home.row, now_ns):
            self._rung(home, rule, at_ns)

    def _rung(self, home: _Home, rule: int, at_ns: int) -> None:
        name, care = HOME_RULES[rule].name, home.care
        if name == "left":
            self._leave(home, at_ns)
        elif name == "no_return":
            if self._night(home, at_ns) and not self._is_up(home, at_ns):
                self._begin(home, rule, at_ns)
        elif name == "quiet":
            later = int(self._table["sign"][home.row]) + int(care.quiet_night_min * MINUTE_NS)
            by_night = self._night(home, at_ns)
            if by_night and at_ns < later and home.in_bed is not False:
                self._table.put(home.row, rule, later)
            elif not by_night or care.quiet_night_min > 0:
                self._begin(home, rule, at_ns)
        else:
            self._begin(home, rule, at_ns)

    def _is_up(self, home: _Home, at_ns: int) -> bool:
        """Out of bed as the night ends and about in living room or kitchen: up early, not lost on the way."""
        left_min = (home.care.night_to_min - self._site.minute_of_day(at_ns)) % DAY_MIN
        about = at_ns - home.about_ns <= ABOUT_MIN * MINUTE_NS and home.about_ns > home.since[RULE_INDEX["no_return"]]
        return left_min <= EARLY_RISE_MIN and about

    def _event(self, home: _Home, o: DeviceEvent) -> None:
        place, at = home.devices[o.device_id], o.received_ns
        if o.signal == "bed_occupancy":
            self._bed(home, o)
        elif o.signal == "room":
            self._room(home, str(o.value), o)
        elif o.signal in _ROOMS:
            here = o.value in {True, "active", "still"}
            if here and (not o.repeat or o.value == "active"):
                self._sign(home, at, o.device_id)
                if place not in {"", "bed", "bedroom", "bathroom"}:
                    home.about_ns = at
            if place:
                self._in_room(home, place if here else "", o, leaving=not here)
        elif o.signal == "door":
            self._door(home, o, place)
        elif o.value is True or (o.signal == "button" and o.value != "release"):
            self._sign(home, at, o.device_id)

    def _reading(self, home: _Home, o: Reading) -> None:
        value, place = float(o.value or 0.0), home.devices[o.device_id]
        if o.signal in {"body_movement", "sleep_turns"}:
            self._stop(home, "turn_due", o.received_ns)
            self._turning(home, o.received_ns, o.device_id)
        elif place == "stove":
            self._level(home, "stove", o, begins=value >= STOVE_CEL, ends=value <= STOVE_OVER_CEL)
        elif o.signal == "room_temperature" and place not in {"outside", "fridge"}:
            self._level(home, "cold", o, begins=value <= COLD_CEL, ends=value >= COLD_OVER_CEL)
            self._level(home, "hot", o, begins=value >= HOT_CEL, ends=value <= HOT_OVER_CEL)

    def _bed(self, home: _Home, o: DeviceEvent) -> None:
        at = o.received_ns
        if o.value not in {"in", "left"}:
            return
        home.beds[o.device_id] = (o.value == "in", at)
        taken = any(inside and at - heard <= BED_FRESH_NS for inside, heard in home.beds.values())
        if taken == home.in_bed:
            return
        known, home.in_bed = home.in_bed, taken
        if taken:
            for name in ("no_return", "bed_exit"):
                self._stop(home, name, at)
            self._start(home, "bed_long", at, o.device_id)
            self._turning(home, at, o.device_id)
        else:
            for name in ("bed_long", "turn_due"):
                self._stop(home, name, at)
            if known and self._night(home, at):
                self._out_at_night(home, at, o.device_id)
        if known is not None:
            self._sign(home, at, o.device_id)

    def _out_at_night(self, home: _Home, at: int, device_id: str) -> None:
        self._start(home, "no_return", at, device_id)
        if home.care.bed_exit:
            self._begin_now(home, "bed_exit", at, device_id)
        night = self._site.day(at, NOON_MIN)
        home.exits = [one for one in home.exits if self._site.day(one, NOON_MIN) == night] + [at]
        if len(home.exits) >= RESTLESS_EXITS and home.restless != night:
            home.restless = night
            evidence: dict[str, Evidence] = {"rule": f"restless_night/{VERSION}", "exits": len(home.exits)}
            name = f"restless_night:{home.resident_id or device_id}:{at}"
            self._found.append(
                Finding(name, "restless_night", home.resident_id, at, Phase.CONFIRMED, 0.6, (device_id,), evidence)
            )

    def _in_room(self, home: _Home, place: str, o: DeviceEvent, *, leaving: bool = False) -> None:
        rule = RULE_INDEX["bathroom"]
        if leaving:
            if home.by.get(rule) == o.device_id:
                self._stop(home, "bathroom", o.received_ns)
        elif place == "bathroom":
            if not self._table.runs(home.row, rule) and rule not in home.open:
                self._start(home, "bathroom", o.received_ns, o.device_id)
        elif o.value == "active" or (o.value != "still" and not o.repeat):
            self._stop(home, "bathroom", o.received_ns)

    def _room(self, home: _Home, room: str, o: DeviceEvent) -> None:
        """A tag is heard: it has left the bathroom, or shows life, only where it steadily is elsewhere."""
        moved, at = self._rooms.hear(o.device_id, room, o.received_ns), o.received_ns
        if room == "bathroom":
            self._in_room(home, room, o)
        elif room == self._rooms.room_of(o.device_id) and home.by.get(RULE_INDEX["bathroom"]) == o.device_id:
            self._stop(home, "bathroom", at)
        if moved:
            self._sign(home, at, o.device_id)

    def _door(self, home: _Home, o: DeviceEvent, place: str) -> None:
        at, opened = o.received_ns, o.value in {"open", True}
        if place == "fridge":
            if not opened:
                self._stop(home, "fridge", at)
            elif not self._table.runs(home.row, RULE_INDEX["fridge"]):
                self._start(home, "fridge", at, o.device_id)
        if o.repeat:
            return
        self._sign(home, at, o.device_id)
        if place == "main_door":
            if opened and home.care.dementia and self._night(home, at):
                self._begin_now(home, "door_at_night", at, o.device_id)
            elif not opened:
                self._stop(home, "door_at_night", at)
                self._start(home, "left", at, o.device_id)

    def _level(self, home: _Home, name: str, o: Reading, *, begins: bool, ends: bool) -> None:
        rule = RULE_INDEX[name]
        if begins and not self._table.runs(home.row, rule) and rule not in home.open:
            self._start(home, name, o.received_ns, o.device_id)
        elif ends and home.by.get(rule) == o.device_id:
            self._stop(home, name, o.received_ns)

    def _beat(self, home: _Home, at: int, reach: int) -> None:
        """A heart beat or movement, from a device of this reach."""
        leaves = self._table.runs(home.row, _LEFT) and at - home.since[_LEFT] < BEHIND_DOOR_NS
        if reach == _WORN and leaves:
            self._table.put(home.row, _LEFT, max(int(self._table["due"][home.row, _LEFT]), at + _AWAY_NS))
        if reach == _FIXED or (reach == _WORN and not leaves):
            self._sign(home, at, "")
        else:
            self._alive(home, at, "")

    def _sign(self, home: _Home, at: int, device_id: str) -> None:
        """Somebody lives and is at home."""
        home.away = False
        for name in ("left", "not_back"):
            self._stop(home, name, at)
        self._alive(home, at, device_id)

    def _alive(self, home: _Home, at: int, device_id: str) -> None:
        """Somebody lives, wherever they are."""
        t = self._table
        t["sign"][home.row] = max(int(t["sign"][home.row]), at)
        self._stop(home, "quiet", at)
        if t["span"][home.row] > 0 and not home.away:
            home.by[_QUIET] = device_id or home.by.get(_QUIET, "")
            self._table.put(home.row, _QUIET, int(t["sign"][home.row] + t["span"][home.row]))
        self._mark(home)

    def _leave(self, home: _Home, at: int) -> None:
        home.away = True
        for name in ("quiet", "no_return", "bathroom"):
            self._stop(home, name, at)
        back_by = home.care.back_by_min
        minute = self._site.minute_of_day(at)
        if back_by >= 0 and minute < back_by:
            due = at - at % MINUTE_NS + int((back_by - minute) * MINUTE_NS)
            rule = RULE_INDEX["not_back"]
            home.since[rule], home.by[rule] = at, home.by[_LEFT]
            self._table.put(home.row, rule, due)
        self._mark(home)

    def _turning(self, home: _Home, at: int, device_id: str) -> None:
        if home.care.bed_bound and home.in_bed:
            self._start(home, "turn_due", at, device_id)

    def _start(self, home: _Home, name: str, at: int, device_id: str) -> None:
        rule = RULE_INDEX[name]
        row = HOME_RULES[rule]
        minutes = float(getattr(home.care, row.setting)) if row.setting else row.minutes
        home.since[rule], home.by[rule] = at, device_id
        self._table.put(home.row, rule, at + int(minutes * MINUTE_NS) if minutes > 0 else NEVER)

    def _begin_now(self, home: _Home, name: str, at: int, device_id: str) -> None:
        rule = RULE_INDEX[name]
        if rule not in home.open:
            home.since[rule], home.by[rule] = at, device_id
            self._begin(home, rule, at)

    def _stop(self, home: _Home, name: str, at: int) -> None:
        rule = RULE_INDEX[name]
        self._table.put(home.row, rule, NEVER)
        if rule in home.open:
            self._say(home, rule, max(at, home.since.get(rule, at)), Phase.CLEARED, home.open.pop(rule))
            self._mark(home)

    def _begin(self, home: _Home, rule: int, at: int) -> None:
        if rule in home.open:
            return
        name = HOME_RULES[rule].name
        if rule == _QUIET:
            home.since[rule] = int(self._table["sign"][home.row])
            home.by[rule] = home.by.get(rule) or min(home.devices)
        home.open[rule] = f"{name}:{home.resident_id or home.by[rule]}:{home.since[rule]}"
        self._say(home, rule, at, Phase.CONFIRMED, home.open[rule])
        self._mark(home)

    def _say(self, home: _Home, rule: int, at: int, phase: Phase, episode: str) -> None:
        row = HOME_RULES[rule]
        evidence: dict[str, Evidence] = {
            "rule": f"{row.name}/{VERSION}",
            "lasted_min": round((at - home.since[rule]) / MINUTE_NS, 1),
        }
        place = home.devices.get(home.by[rule], "")
        if place:
            evidence["place"] = place
        self._found.append(
            Finding(episode, row.kind, home.resident_id, at, phase, row.confidence, (home.by[rule],), evidence)
        )

    def _night(self, home: _Home, at_ns: int) -> bool:
        return home.care.is_night(self._site.minute_of_day(at_ns))
