"""A simulated ward: residents who live, sleep, go out and fall ill, with sensors that err; all from one seed.

Every minute gives what a wristband, a bed sensor, motion sensors, a door, a thermometer, what is measured by hand
(`ward_meters`) and, for those with dementia, a tag heard by the rooms' receivers would send. Every second wristband has
a network of its own and is heard while its owner is out. What is true is known: `truths` (somebody must be told) and
`artefacts` (nobody should be). First the ward lives for some days in which nothing is planned, so that habits and
personal levels can be learned. The bodies are made up: circadian heart rate with autocorrelated noise, breathing and
oxygen around each one's own level, nights with exits, days with visits to the bathroom, rests and outings
(`ward_people`). It is no recording, and figures from it say how rules behave, not how well people are served.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from device_drivers.observations import DeviceEvent, Quality, Reading
from simulators import ward_meters
from simulators.ward_bodies import DAY_MIN, MINUTE_NS, SECOND_NS, Bodies
from simulators.ward_people import is_sunday, nights, people
from simulators.ward_plan import ARTEFACTS, EVENTS, Plan, Truth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from device_drivers.observations import Observation

START_NS = 1_799_942_400 * SECOND_NS
"""2027-01-15 00:00 in China, a Friday."""
SITES = ("watch", "bed", "bath", "hall", "door", "fridge")
PLACES = {"bed": "bed", "bath": "bathroom", "hall": "living_room", "door": "main_door", "fridge": "fridge"}
BEFORE_DAYS = 16
"""Lived before: 14 whole days from 04:00 to 04:00 are learned."""
SAFE_ZONES = ("bedroom", "living_room", "corridor")
HOME = frozenset({"lies at home", "stuck in the bathroom", "quiet day", "late back", "gone"})
HOME |= {"not back", "stays in bed"}
"""During these nothing else is done at home."""
WITH_TAG = frozenset({"door at night", "at the gate", "gone", "past the gate", "tag silent"})
WITHOUT_TAG = frozenset({"late back", "not back"})
BY_DAY = frozenset({"lies at home", "stuck in the bathroom", "quiet day", "late back", "fridge open", "cold room"})
BY_DAY |= {"exercise", "taken off", "at the gate", "gone", "past the gate", "dead motion sensor"}
BY_DAY |= {"hot room", "stove on", "smoke", "gas leak", "water leak", "help call"}
BACK_BY_MIN = 19 * 60
TAG_SILENT = frozenset({"gone", "tag silent"})


class Ward:
    """residents x days, after `before` days that are lived without anything planned. truths: all events; artefacts:
    all artefacts. Residents of odd number have dementia and carry a tag.

    each: how many of every kind of event.
    """

    def __init__(
        self, residents: int = 200, days: int = 7, seed: int = 1, each: int = 20, before: int = BEFORE_DAYS
    ) -> None:
        self.residents, self.days, self.seed, self.before = residents, days, seed, before
        self.truths: list[Truth] = []
        self.artefacts: list[Truth] = []
        self._chance = np.random.default_rng(seed)
        self._busy = np.zeros((residents, self.minutes + DAY_MIN), dtype=np.bool_)
        self._people = people(self._chance, residents, np.arange(residents) % 2 == 1)
        self._night = nights(self._chance, self._people, before + days)
        for name, plan in EVENTS.items():
            self.truths += self._plan(name, plan, each)
        for name, plan in ARTEFACTS.items():
            self.artefacts += self._plan(name, plan, max(1, residents * days // plan.every))
        self._by_hour: dict[int, list[Truth]] = {}
        self._of: dict[int, list[Truth]] = {}
        for truth in [*self.truths, *self.artefacts]:
            self._of.setdefault(truth.resident, []).append(truth)
            for hour in range(truth.begin // 60, truth.end // 60 + 1):
                self._by_hour.setdefault(hour, []).append(truth)
        self._at: dict[int, list[Observation]] = {}
        self._fill()
        self._zone = ["bedroom"] * residents
        self._bodies = Bodies(self._chance, residents, START_NS)

    @property
    def minutes(self) -> int:
        """Length of the whole, with what was lived before."""
        return (self.before + self.days) * DAY_MIN

    @property
    def watched(self) -> int:
        """The first minute that counts."""
        return self.before * DAY_MIN

    def devices(self) -> Iterator[tuple[str, str, str]]:
        """(device, resident, place) of everybody."""
        for number in range(self.residents):
            for site in (*SITES, "tag") if self.has_dementia(number) else SITES:
                yield f"{site}-{number}", f"r{number}", PLACES.get(site, "")
            for site, place in ward_meters.sites(number).items():
                yield f"{site}-{number}", f"r{number}", place

    @staticmethod
    def has_dementia(number: int) -> bool:
        """Whether doors are watched at night and a tag is carried."""
        return number % 2 == 1

    @staticmethod
    def is_back_early(number: int) -> bool:
        """Whether somebody is usually home again by BACK_BY_MIN."""
        return number % 4 == 0

    def minute(self, minute: int) -> list[Observation]:
        """What all devices send in one minute, in order of time; to be asked for one after the other."""
        running = self._running(minute)
        out = self._bodies.minute(minute, running)
        out += self._at.get(minute, [])
        out += self._tags(minute, running)
        out.sort(key=lambda o: o.received_ns)
        return out

    def _plan(self, name: str, plan: Plan, number: int) -> list[Truth]:
        """Put `number` of them where nothing else happens."""
        out: list[Truth] = []
        for _ in range(number * 60):
            if len(out) == number:
                break
            who, day = int(self._chance.integers(self.residents)), self.before + int(self._chance.integers(self.days))
            begin = self._when(name, who, day, plan.minutes)
            end = begin + plan.minutes
            # Who lies on the floor or is out does not go to bed in the midst of it.
            bedtime = int(self._night[who, day + 1, 0]) if name in HOME - {"stays in bed"} else self.minutes
            outside = begin < self.watched + 60 or end + 60 > self.minutes or end > bedtime
            if not self._can(who, name) or outside or self._busy[who, begin - 60 : end + 90].any():
                continue
            self._busy[who, begin - 60 : end + 90] = True
            out.append(Truth(who, name, plan.kinds, plan.also, begin, end))
            if name in {"late morning", "stays in bed"}:
                self._night[who, day, 1] = end
        return out

    def _can(self, who: int, name: str) -> bool:
        """Whether something can happen to somebody."""
        if name in {"weight gain", "somebody else on the scale"}:
            return ward_meters.has_weak_heart(who)
        if name in {"low glucose", "high glucose"}:
            return ward_meters.has_diabetes(who)
        if name == "not back":
            return self.is_back_early(who)
        return name not in (WITHOUT_TAG if self.has_dementia(who) else WITH_TAG)

    def _when(self, name: str, who: int, day: int, length: int) -> int:
        up = int(self._night[who, day, 1])
        if name == "late morning":
            return up
        if name == "stays in bed":
            return int(self._night[who, day, 0])
        at = {"weight gain": 390, "not back": 1010, "restless night": 5, "lastingly worse": 65}.get(name)
        if at is not None:
            return day * DAY_MIN + at + int(self._chance.integers(0, 35 if name != "weight gain" else 1))
        if name in {"not back in bed", "door at night"}:
            return day * DAY_MIN + int(self._chance.integers(60, 240))
        if name in BY_DAY:
            return up + 60 + int(self._chance.integers(0, max(1, 780 - length)))
        return day * DAY_MIN + int(self._chance.integers(0, DAY_MIN))

    def _put(
        self,
        site: str,
        who: int,
        minute: float,
        signal: str,
        value: bool | str | float,
        quality: Quality = Quality.GOOD,
    ) -> None:
        ns = START_NS + round(minute * 60) * SECOND_NS + int(who) * 1_000_000
        device = f"{site}-{who}"
        if site == "hall" and self._now(who, int(minute), frozenset({"dead motion sensor"})):
            return
        one: Observation = (
            Reading(device, signal, value, ns, ns, quality)
            if isinstance(value, float)
            else DeviceEvent(device, signal, value, ns, ns)
        )
        self._at.setdefault(int(minute), []).append(one)

    def _fill(self) -> None:
        """Everything that is an event, by minute."""
        for who in range(self.residents):
            self._sleep(who)
            for day in range(self.before + self.days):
                self._live(who, day)
            for minute in range(0, self.minutes, 30):
                self._put("hall", who, minute, "room_temperature", self._warmth(who, minute))
            self._measure(who)
        for truth in [*self.truths, *self.artefacts]:
            self._happen(truth)

    def _now(self, who: int, minute: int, names: frozenset[str]) -> bool:
        return any(t.name in names and t.begin <= minute < t.end for t in self._of.get(who, []))

    def _running(self, minute: int) -> list[Truth]:
        return [t for t in self._by_hour.get(minute // 60, []) if t.begin <= minute < t.end]

    def _warmth(self, who: int, minute: int) -> float:
        cold, hot = (self._now(who, minute, frozenset({name})) for name in ("cold room", "hot room"))
        return float((9.0 if cold else 36.0 if hot else 21.0) + self._chance.normal(0, 0.5))

    def _measure(self, who: int) -> None:
        """What is measured by hand, and the stove; not while nobody is there to do it."""
        days, mine = range(self.before + self.days), self._of.get(who, [])
        by_hand = ward_meters.by_hand(who, days, self._chance, lambda now: [t for t in mine if t.begin <= now < t.end])
        for one in by_hand:
            if not self._now(who, int(one.minute), HOME):
                self._put(one.site, who, one.minute, one.signal, one.value, one.quality)
        for one in ward_meters.cooking(days, self._chance, lambda now: not self._now(who, now, HOME)):
            self._put(one.site, who, one.minute, one.signal, one.value)

    def _sleep(self, who: int) -> None:
        for day in range(self.before + self.days + 1):
            to_bed, up = self._night[who, day].tolist()
            if up > 0 and to_bed < self.minutes:
                self._put("bed", who, max(0, to_bed), "bed_occupancy", "in")
            for _ in range(int(self._chance.poisson(self._people.nights_out_of_bed[who]))):
                leave = int(self._chance.integers(to_bed + 40, up - 40))
                back = leave + int(self._chance.integers(3, 16))
                if leave > 0 and back < self.minutes and not self._busy[who, leave - 20 : back + 20].any():
                    self._out_of_bed(who, leave, back)
            if 0 <= up < self.minutes:
                self._put("bed", who, up, "bed_occupancy", "left")

    def _out_of_bed(self, who: int, leave: int, back: int) -> None:
        self._put("bed", who, leave, "bed_occupancy", "left")
        self._put("bath", who, leave + 1, "presence", value=True)
        self._put("bath", who, back - 1, "presence", value=False)
        self._put("bed", who, back, "bed_occupancy", "in")

    def _live(self, who: int, day: int) -> None:
        minute = int(self._night[who, day, 1])
        end = min(int(self._night[who, day + 1, 0]), self.minutes)
        rest = day * DAY_MIN + 12 * 60 + 30 + int(self._chance.integers(0, 60))
        rests = self._chance.random() < self._people.rests[who]
        family = is_sunday(day) and self._chance.random() < self._people.sundays[who]
        while minute < end:
            length = int(self._chance.integers(4, 35))
            if rests and minute >= rest:
                rests, length = False, int(self._people.rest_min[who] * self._chance.lognormal(0, 0.25))
            elif family and minute >= day * DAY_MIN + 10 * 60:
                family = False
                length = self._go_out(who, minute, int(self._chance.integers(240, 420)), end) or length
            elif minute >= 0 and not self._now(who, minute, HOME):
                length = self._do(who, minute, length, end)
            minute += length

    def _do(self, who: int, minute: int, length: int, end: int) -> int:
        """One thing that is done by day; how long it takes."""
        draw, trips = self._chance.random(), self._people.trips[who]
        if draw < 0.15:
            # A visit that ends while somebody lies there would say that nobody does.
            if not self._now(who, minute + min(length, 22), HOME):
                self._put("bath", who, minute, "presence", value=True)
                self._put("bath", who, minute + min(length, 22) - 0.5, "presence", value=False)
        elif draw < 0.15 + trips:
            away = int(self._people.trip_min[who] * self._chance.lognormal(0, 0.35))
            return self._go_out(who, minute, away, end) or length
        elif draw < 0.3:
            if not self._now(who, minute, frozenset({"fridge open"})):
                self._put("fridge", who, minute, "door", "open")
                self._put("fridge", who, minute + 0.5, "door", "closed")
        else:
            self._put("hall", who, minute, "motion", "active")
            self._put("hall", who, minute + 2, "motion", "none")
        return length

    def _go_out(self, who: int, minute: int, length: int, end: int) -> int:
        """Away and back again, where nothing else is planned; how long it takes, 0 where it does not happen."""
        too_late = self.is_back_early(who) and (minute + length) % DAY_MIN > BACK_BY_MIN - 30
        if too_late or minute + length + 20 >= end or self._busy[who, minute : minute + length + 60].any():
            return 0
        self._through_the_door(who, minute, minute + length)
        return length + 2

    def _through_the_door(self, who: int, out: int, back: int) -> None:
        for begin in (out, back):
            self._put("door", who, begin, "door", "open")
            self._put("door", who, begin + 0.3, "door", "closed")
        self._put("hall", who, back + 1, "motion", "active")

    def _happen(self, t: Truth) -> None:
        moves: dict[str, list[tuple[str, str, float, bool | str]]] = {
            "not back in bed": [("bed", "bed_occupancy", t.begin, "left"), ("bed", "bed_occupancy", t.end, "in")],
            "stuck in the bathroom": [("bath", "presence", t.begin, True), ("bath", "presence", t.end, False)],
            "door at night": [("door", "door", t.begin, "open"), ("door", "door", t.begin + 3, "closed"),
                              ("hall", "motion", t.begin + 4, "active")],
            "fridge open": [("fridge", "door", t.begin, "open"), ("fridge", "door", t.end, "closed")],
            "taken off": [("watch", "worn", t.begin, False), ("watch", "worn", t.end, True)],
            "lies at home": [("watch", "worn", t.begin, False), ("hall", "motion", t.begin, "active"),
                             ("hall", "motion", t.end, "active"), ("watch", "worn", t.end, True)],
            "quiet day": [("hall", "motion", t.begin, "active"), ("hall", "motion", t.end, "active")],
        }  # fmt: skip
        for site, signal, minute, value in moves.get(t.name, []):
            self._put(site, t.resident, minute, signal, value)
        for one in ward_meters.signs(t):
            self._put(one.site, t.resident, one.minute, one.signal, one.value)
        if t.name == "restless night":
            for leave in range(t.begin + 5, t.end - 30, 45):
                self._out_of_bed(t.resident, leave, leave + 8)
        if t.name in {"late back", "gone", "not back"}:
            self._through_the_door(t.resident, t.begin, t.end)

    def _tags(self, minute: int, running: list[Truth]) -> list[Observation]:
        """In which room each tag is heard, once a minute; who passes the gate is heard there for half a minute."""
        now = {t.resident: t.name for t in running if t.name in WITH_TAG}
        strays = self._chance.random(self.residents)
        day = minute // DAY_MIN
        out: list[Observation] = []
        for who in range(1, self.residents, 2):
            name = now.get(who, "")
            if name in TAG_SILENT:
                continue
            in_bed = minute < self._night[who, day, 1] or minute >= self._night[who, day + 1, 0]
            zone = "bedroom" if in_bed else "corridor" if strays[who] < 0.05 else "living_room"
            if name in {"at the gate", "past the gate"}:
                zone = "gate"
            out.append(self._heard(who, minute, 10, zone))
            if name == "past the gate":
                out.append(self._heard(who, minute, 40, "corridor"))
        return out

    def _heard(self, who: int, minute: int, second: int, zone: str) -> DeviceEvent:
        ns = START_NS + minute * MINUTE_NS + second * SECOND_NS + who * 1_000_000
        repeat, self._zone[who] = self._zone[who] == zone, zone
        return DeviceEvent(f"tag-{who}", "room", zone, ns, ns, repeat=repeat)
