"""Safe zones: where a resident who gets lost may be, by the rooms in which the receivers hear their tag.

A resident's settings name the zones that are safe (`Care.safe_zones`); nobody is watched without. A tag heard in
another zone starts a clock that only a safe zone stops, so that who walks out of the gate within seconds is told all
the same. A tag that no room hears is told later, and only where nothing at home moves; sooner after the main door.

What would cry wolf: a tag that was left behind while its resident lies in bed is equipment (`not_worn`); a tag that is
charged or taken off is not waited for; where the receiver of its last zone is offline (a device with the option `zone`)
that receiver's own fault is told, not the person's absence; time in which nobody listened does not count.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from analytics.care import USUAL
from analytics.daily.zone_table import (
    BACK_S,
    BATTERY_LOW,
    BED_AFTER_S,
    DOOR_BEFORE_S,
    DOOR_UNSEEN_MIN,
    HOLE_S,
    ZONE_RULES,
)
from analytics.findings import Evidence, Finding, Phase
from analytics.slots import Column, SlotTable
from device_drivers.observations import DeviceEvent, Quality, Reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from analytics.care import Care
    from device_drivers.observations import Observation

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
NEVER = 2**62
OUTSIDE, UNSEEN, APART = range(3)
BACK = APART
"""The third clock of a tag; a tag left behind needs none."""
VERSION = 1
_AT_HOME = frozenset({"presence", "occupancy", "motion"})
_ALIVE = frozenset({"heart_rate", "body_movement"})


@dataclass(slots=True)
class _Device:
    resident_id: str | None
    place: str
    zone: str


@dataclass(slots=True)
class _Tag:
    device_id: str
    resident_id: str
    row: int
    zone: str | None = None
    name: str = ""
    since_ns: int = 0
    heard_ns: int = 0
    battery: float | None = None
    paused: set[str] = field(default_factory=set)
    told: bool = False
    open: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Home:
    care: Care = USUAL
    tags: dict[str, _Tag] = field(default_factory=dict)
    door_ns: int = -NEVER
    sign_ns: int = -NEVER
    beds: set[str] = field(default_factory=set)

    @property
    def in_bed(self) -> bool:
        """A bed is taken, and the main door has not been opened since something was heard of it."""
        return bool(self.beds) and self.door_ns < self.sign_ns

    @property
    def safe(self) -> frozenset[str]:
        return frozenset(map(_plain, self.care.safe_zones))


class ZoneWatch:
    """Detector of residents outside their safe zones, and of residents that no room hears."""

    signals: ClassVar[frozenset[str]] = (
        _AT_HOME
        | _ALIVE
        | {"room", "distance", "signal_strength", "battery", "charging", "worn", "bed_occupancy", "door", "online"}
    )

    def __init__(self) -> None:
        self.rejected = 0
        self._table = SlotTable({"due": Column(np.int64, NEVER, len(ZONE_RULES))})
        self._tag_at: dict[int, _Tag] = {}
        self._devices: dict[str, _Device] = {}
        self._homes: dict[str, _Home] = {}
        self._watched: dict[str, _Home | None] = {}
        self._down: set[str] = set()
        self._deaf: set[str] = set()
        self._mark: int | None = None
        self._found: list[Finding] = []

    def attach(self, device_id: str, resident_id: str | None, *, place: str = "", zone: str = "") -> None:
        """Start to watch a device. zone: of a receiver, the name of the room in which it hears tags."""
        known = self._devices.get(device_id)
        if known is not None and known.resident_id != resident_id:
            self.detach(device_id)
        self._devices[device_id] = _Device(resident_id, place, _plain(zone))
        self._choose(device_id)
        self._know_the_deaf(self._mark or 0)

    def detach(self, device_id: str) -> None:
        """Stop watching; a tag takes its past with it."""
        device = self._devices.pop(device_id, None)
        self._watched.pop(device_id, None)
        self._down.discard(device_id)
        self._know_the_deaf(self._mark or 0)
        home = self._homes.get(device.resident_id or "") if device is not None else None
        if device is None or home is None:
            return
        self._release(home, device_id)
        home.beds.discard(device_id)
        if not any(one.resident_id == device.resident_id for one in self._devices.values()):
            home.door_ns = home.sign_ns = -NEVER

    def set_care(self, resident_id: str, care: Care) -> None:
        """The resident's zones and spans; clocks that run keep their span. Without zones nothing is watched."""
        home = self._homes.setdefault(resident_id, _Home())
        home.care = care
        for device_id, device in self._devices.items():
            if device.resident_id == resident_id:
                self._choose(device_id)
        for tag in list(home.tags.values()):
            if not care.safe_zones:
                for rule in list(tag.open):
                    self._end(tag, rule, self._mark or 0, "not_watched")
                self._release(home, tag.device_id)

    def resume(self, finding: Finding, now_ns: int) -> bool:  # noqa: ARG002 - as all detectors
        """A finding that is open from before: it ends when the tag is heard in a safe zone."""
        names = [rule.name for rule in ZONE_RULES]
        name = str(finding.evidence.get("rule", "")).split("/")[0]
        device_id = finding.devices[0] if finding.devices else ""
        home = self._watched.get(device_id)
        if home is None or name not in names:
            return False
        tag = self._tag(home, device_id)
        tag.open[names.index(name)], tag.since_ns = finding.episode, finding.at_ns
        return True

    def close(self, episode: str) -> None:
        """A person has resolved it: nothing more is told until the tag has been heard in a safe zone."""
        for tag in self._tag_at.values():
            for rule in [rule for rule, known in tag.open.items() if known == episode]:
                del tag.open[rule]
                tag.told = True

    def ingest(self, observations: Sequence[Observation]) -> None:
        """Take what tags, receivers, beds, doors and rooms say, in the order of arrival."""
        watched = self._watched
        for o in observations:
            if o.device_id not in watched or o.stored:
                continue
            if not 0 <= o.received_ns < NEVER // 2:
                self.rejected += 1
                continue
            home = watched[o.device_id]
            self._listen(o.received_ns)
            if o.signal == "online":
                self._ring(self._tag_at.values(), o.received_ns)
                self._receiver(o)
            elif home is not None:
                self._ring(home.tags.values(), o.received_ns)
                self._hear(home, o)

    def step(self, now_ns: int) -> list[Finding]:
        """Everything that has run out by now, in order of time."""
        self._listen(now_ns)
        late = np.flatnonzero(self._table["due"].min(axis=1) <= now_ns)
        self._ring([self._tag_at[int(row)] for row in late], now_ns)
        found, self._found = self._found, []
        found.sort(key=lambda finding: (finding.at_ns, finding.episode))
        return found

    def _choose(self, device_id: str) -> None:
        """Only receivers, and devices of residents who have zones, cost anything."""
        device = self._devices[device_id]
        home = self._homes.get(device.resident_id or "")
        if home is not None and home.care.safe_zones:
            self._watched[device_id] = home
        elif device.zone:
            self._watched[device_id] = None
        else:
            self._watched.pop(device_id, None)

    def _tag(self, home: _Home, device_id: str) -> _Tag:
        tag = home.tags.get(device_id)
        if tag is None:
            resident_id = self._devices[device_id].resident_id or ""
            tag = home.tags[device_id] = _Tag(device_id, resident_id, self._table.acquire())
            self._tag_at[tag.row] = tag
        return tag

    def _release(self, home: _Home, device_id: str) -> None:
        tag = home.tags.pop(device_id, None)
        if tag is not None:
            del self._tag_at[tag.row]
            self._table.release(tag.row)

    def _listen(self, now_ns: int) -> None:
        """After a time in which nobody listened, silence counts from now."""
        mark, self._mark = self._mark, now_ns
        if mark is None or 0 <= now_ns - mark <= HOLE_S * SECOND_NS:
            return
        for tag in self._tag_at.values():
            if self._due(tag, UNSEEN) != NEVER:
                self._wait(self._homes[tag.resident_id], tag, now_ns)

    def _hear(self, home: _Home, o: Observation) -> None:
        place, at = self._devices[o.device_id].place, o.received_ns
        if o.signal == "room":
            if isinstance(o, DeviceEvent) and isinstance(o.value, str) and o.value:
                self._room(home, self._tag(home, o.device_id), o.value, at)
        elif isinstance(o, Reading):
            self._number(home, o, place)
        elif isinstance(o, DeviceEvent) and o.value is not None:
            if o.signal in {"charging", "worn"}:
                self._carried(home, o)
            elif o.signal == "bed_occupancy":
                self._bed(home, o)
            elif o.signal == "door" and place == "main_door":
                if not o.repeat and o.value in {"open", True}:
                    home.door_ns = at
                    for tag in home.tags.values():
                        self._wait(home, tag, tag.heard_ns)
            elif not o.repeat and (o.signal == "door" or o.value in {True, "active", "still"}):
                self._sign(home, at)

    def _number(self, home: _Home, o: Reading, place: str) -> None:
        tag, value = home.tags.get(o.device_id), o.value
        if value is None or o.quality is not Quality.GOOD or not math.isfinite(value):
            return
        if o.signal in _ALIVE:
            if place == "bed" and value > 0:
                self._in_bed(home, o.received_ns)
        elif tag is not None and o.signal == "battery":
            tag.battery = value
        elif tag is not None and o.signal in {"distance", "signal_strength"}:
            tag.heard_ns = o.received_ns
            self._over(tag, UNSEEN, o.received_ns, "heard")
            self._wait(home, tag, o.received_ns)

    def _room(self, home: _Home, tag: _Tag, name: str, at: int) -> None:
        """The tag is heard in a zone: outside counts from the first time in any zone that is not safe."""
        zone = _plain(name)
        moved, tag.zone, tag.name, tag.heard_ns = tag.zone != zone, zone, name, at
        self._over(tag, UNSEEN, at, "heard")
        self._wait(home, tag, at)
        if zone in home.safe:
            self._safe(tag, at)
        else:
            self._clock(tag, BACK, NEVER)
            if moved:
                self._over(tag, APART, at, "moved")
            self._count(home, tag, at)

    def _count(self, home: _Home, tag: _Tag, at: int) -> None:
        quiet = self._due(tag, OUTSIDE) == NEVER and not tag.open and not tag.told and not tag.paused
        if quiet and home.care.zone_delay_min > 0:
            tag.since_ns = at
            self._clock(tag, OUTSIDE, at + int(home.care.zone_delay_min * MINUTE_NS))

    def _safe(self, tag: _Tag, at: int) -> None:
        tag.told = False
        self._clock(tag, OUTSIDE, NEVER)
        self._over(tag, APART, at, "moved")
        if OUTSIDE in tag.open and self._due(tag, BACK) == NEVER:
            self._clock(tag, BACK, at + int(BACK_S * SECOND_NS))

    def _carried(self, home: _Home, o: DeviceEvent) -> None:
        """A tag on its charger or taken off says nothing about its resident."""
        tag = self._tag(home, o.device_id)
        if o.value is (o.signal == "charging"):
            tag.paused.add(o.signal)
            self._clock(tag, OUTSIDE, NEVER)
        else:
            tag.paused.discard(o.signal)
        self._wait(home, tag, o.received_ns)

    def _bed(self, home: _Home, o: DeviceEvent) -> None:
        if o.repeat:
            return
        if o.value == "in":
            home.beds.add(o.device_id)
            self._in_bed(home, o.received_ns)
        elif o.device_id in home.beds:
            home.beds.discard(o.device_id)
            self._sign(home, o.received_ns)
            for tag in home.tags.values() if not home.beds else ():
                self._wait(home, tag, o.received_ns)
        for tag in home.tags.values() if o.value == "left" else ():
            if APART in tag.open:
                self._over(tag, APART, o.received_ns, "out_of_bed")
                self._count(home, tag, o.received_ns)

    def _in_bed(self, home: _Home, at: int) -> None:
        """The resident is in bed: a tag that is outside is not with them."""
        self._sign(home, at)
        for tag in home.tags.values():
            outside = OUTSIDE in tag.open or self._due(tag, OUTSIDE) != NEVER
            if outside and at - tag.since_ns >= BED_AFTER_S * SECOND_NS:
                self._clock(tag, OUTSIDE, NEVER)
                self._over(tag, OUTSIDE, at, "in_bed")
                self._begin(home, tag, APART, at)

    def _sign(self, home: _Home, at: int) -> None:
        """Something moves at home: nobody has gone."""
        home.sign_ns = max(home.sign_ns, at)
        for tag in home.tags.values():
            self._over(tag, UNSEEN, at, "at_home")
            if self._due(tag, UNSEEN) != NEVER:
                self._wait(home, tag, at)

    def _receiver(self, o: Observation) -> None:
        """A receiver's power: what it does not hear says nothing while it is off."""
        if self._devices[o.device_id].zone and isinstance(o, DeviceEvent) and isinstance(o.value, bool):
            (self._down.discard if o.value else self._down.add)(o.device_id)
            self._know_the_deaf(o.received_ns)

    def _know_the_deaf(self, at: int) -> None:
        """Zones all of whose receivers are off; their tags are not waited for until one is back."""
        if not self._down and not self._deaf:
            return
        zones = {one.zone for name, one in self._devices.items() if one.zone and name in self._down}
        deaf = zones - {one.zone for name, one in self._devices.items() if name not in self._down}
        before, self._deaf = self._deaf, deaf
        for tag in self._tag_at.values() if before != deaf else ():
            if tag.zone in before ^ deaf:
                self._wait(self._homes[tag.resident_id], tag, at)

    def _wait(self, home: _Home, tag: _Tag, since_ns: int) -> None:
        """Until when the tag must be heard again; never while it cannot be, or is not carried. Silence counts from
        since_ns on.
        """
        span = home.care.unseen_min
        if span <= 0 or tag.zone is None or tag.paused or tag.zone in self._deaf or UNSEEN in tag.open or home.in_bed:
            self._clock(tag, UNSEEN, NEVER)
            return
        last = max(since_ns, tag.heard_ns, home.sign_ns)
        if home.door_ns >= max(tag.heard_ns, home.sign_ns) - DOOR_BEFORE_S * SECOND_NS:
            due = max(last, home.door_ns) + int(min(span, DOOR_UNSEEN_MIN) * MINUTE_NS)
        else:
            due = last + int(span * MINUTE_NS)
        self._clock(tag, UNSEEN, due)

    def _ring(self, tags: Iterable[_Tag], now_ns: int) -> None:
        for tag in list(tags):
            due = self._table["due"][tag.row]
            while due.min() <= now_ns:
                rule = int(due.argmin())
                at = int(due[rule])
                self._clock(tag, rule, NEVER)
                self._rung(tag, rule, at)

    def _rung(self, tag: _Tag, rule: int, at: int) -> None:
        home = self._homes[tag.resident_id]
        if rule == BACK:
            self._over(tag, OUTSIDE, at, "safe_zone")
        elif not tag.open and not tag.told:
            self._begin(home, tag, rule, at)

    def _begin(self, home: _Home, tag: _Tag, rule: int, at: int) -> None:
        begun = tag.heard_ns if rule == UNSEEN else tag.since_ns
        evidence: dict[str, Evidence] = {"zone": tag.name}
        if rule == APART:
            evidence["reason"] = "in_bed"
        else:
            evidence["outside_min" if rule == OUTSIDE else "unheard_min"] = round((at - begun) / MINUTE_NS, 1)
            evidence["heard_s_ago"] = max(0, (at - tag.heard_ns) // SECOND_NS)
            if home.door_ns >= begun - DOOR_BEFORE_S * SECOND_NS:
                evidence["door_min_ago"] = round((at - home.door_ns) / MINUTE_NS, 1)
        if tag.battery is not None and tag.battery <= BATTERY_LOW:
            evidence["battery"] = tag.battery
        tag.open[rule] = f"{ZONE_RULES[rule].name}:{tag.device_id}:{begun}"
        self._say(tag, rule, at, Phase.CONFIRMED, evidence)

    def _over(self, tag: _Tag, rule: int, at: int, reason: str) -> None:
        if rule in tag.open:
            self._end(tag, rule, at, reason)

    def _end(self, tag: _Tag, rule: int, at: int, reason: str) -> None:
        self._say(tag, rule, at, Phase.CLEARED, {"reason": reason, "zone": tag.name})
        del tag.open[rule]

    def _say(self, tag: _Tag, rule: int, at: int, phase: Phase, evidence: dict[str, Evidence]) -> None:
        row = ZONE_RULES[rule]
        told: dict[str, Evidence] = {"rule": f"{row.name}/{VERSION}", **evidence}
        self._found.append(
            Finding(tag.open[rule], row.kind, tag.resident_id, at, phase, row.confidence, (tag.device_id,), told)
        )

    def _due(self, tag: _Tag, rule: int) -> int:
        return int(self._table["due"][tag.row, rule])

    def _clock(self, tag: _Tag, rule: int, due_ns: int) -> None:
        self._table["due"][tag.row, rule] = due_ns


def _plain(name: str) -> str:
    """Names of zones are written by people, in two places."""
    return name.strip().casefold()
