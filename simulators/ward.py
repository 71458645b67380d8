"""A simulated ward: residents who live, sleep, go out and fall ill, with sensors that err; all from one seed.

Every minute gives what a wristband, a bed sensor, motion sensors, a door and a thermometer would send. What is true is
known: `events` (somebody must be told) and `artefacts` (nobody should be). The bodies are made up: circadian heart rate
with autocorrelated noise, breathing and oxygen around each one's own level, nights with exits, days with visits to the
bathroom and outings. It is no recording, and figures from it say how rules behave, not how well people are served.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from device_drivers.observations import DeviceEvent, Quality, Reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from device_drivers.observations import Observation

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
DAY_MIN = 24 * 60
START_NS = 1_799_942_400 * SECOND_NS
"""2027-01-15 00:00 in China."""
SITES = ("watch", "bed", "bath", "hall", "door", "fridge")


class Truth(NamedTuple):
    """Something that really happens. kinds: what may rightly be said of it, the expected one first. minutes of the
    whole time.
    """

    resident: int
    name: str
    kinds: tuple[str, ...]
    begin: int
    end: int


EVENTS: dict[str, tuple[tuple[str, ...], int]] = {
    "fast heart": (("heart_rate_high",), 30),
    "slow heart": (("heart_rate_low",), 15),
    "low oxygen": (("spo2_low",), 20),
    "fast breath": (("respiratory_rate_high",), 20),
    "falling ill": (("news2_medium", "news2_high", "heart_rate_high", "respiratory_rate_high", "slow_change"), 180),
    "very ill": (("news2_high", "news2_medium", "spo2_low", "respiratory_rate_high", "heart_rate_high"), 120),
    "not back in bed": (("unattended",), 70),
    "stuck in the bathroom": (("long_stay",), 90),
    "lies at home": (("no_sign_of_life", "not_worn"), 420),
    "door at night": (("door_at_night",), 10),
    "fridge open": (("fridge_open",), 60),
    "cold room": (("room_cold",), 240),
}
"""What is to be found: kinds, and how long it lasts in minutes."""
ARTEFACTS: dict[str, tuple[tuple[str, ...], int]] = {
    "motion artefact": (("signal_poor",), 20),
    "flat line": (("signal_poor",), 60),
    "outliers": ((), 60),
    "exercise": ((), 20),
    "short dip": ((), 1),
    "taken off": (("not_worn",), 45),
    "drop-out": (("signal_lost",), 10),
}
"""What must not become a finding about a person: kinds of equipment that may rightly be said."""
ILL = {
    "fast heart": {"heart_rate": 150.0},
    "slow heart": {"heart_rate": 35.0},
    "low oxygen": {"spo2": 85.0},
    "fast breath": {"respiratory_rate": 31.0},
    "falling ill": {"heart_rate": 114.0, "respiratory_rate": 22.0, "spo2": 94.5},
    "very ill": {"heart_rate": 118.0, "respiratory_rate": 26.5, "spo2": 91.0},
    "flat line": {"heart_rate": 71.0},
    "motion artefact": {"heart_rate": 155.0},
    "short dip": {"spo2": 87.0},
    "exercise": {"heart_rate": 138.0, "respiratory_rate": 27.0},
}
GLITCHES = 0.15
"""Share of single readings that are wild during "outliers"."""
_FLAT = 71.125
"""No device says so: marks the minutes of a flat line, which is sent as 71."""
HOME = frozenset({"lies at home", "stuck in the bathroom", "fridge open"})
"""During these nothing else is done at home."""
VITALS = ("heart_rate", "respiratory_rate", "spo2")


class Trouble(NamedTuple):
    """Whose wristband errs in this minute, each bool (residents,): doubted by itself, silent, taken off, glitches."""

    poor: NDArray[np.bool_]
    silent: NDArray[np.bool_]
    off: NDArray[np.bool_]
    glitch: NDArray[np.bool_]


class Ward:
    """residents x days. truths: all events; artefacts: all artefacts. Residents of odd number have dementia.

    each: how many of every kind of event.
    """

    def __init__(self, residents: int = 200, days: int = 7, seed: int = 1, each: int = 20) -> None:
        self.residents, self.days, self.seed = residents, days, seed
        self.truths: list[Truth] = []
        self.artefacts: list[Truth] = []
        self._chance = np.random.default_rng(seed)
        self._busy = np.zeros((residents, self.minutes + DAY_MIN), dtype=np.bool_)
        self._night = self._nights()
        for name, (kinds, length) in EVENTS.items():
            self.truths += self._plan(name, kinds, length, each)
        for name, (kinds, length) in ARTEFACTS.items():
            self.artefacts += self._plan(name, kinds, length, max(1, residents * days // 5))
        self._by_hour: dict[int, list[Truth]] = {}
        for truth in [*self.truths, *self.artefacts]:
            for hour in range(truth.begin // 60, truth.end // 60 + 1):
                self._by_hour.setdefault(hour, []).append(truth)
        self._at: dict[int, list[Observation]] = {}
        self._fill()
        self._level = self._levels()
        self._last = np.zeros((residents, len(VITALS)))
        self._steps = np.zeros(residents)

    @property
    def minutes(self) -> int:
        """Length of the whole."""
        return self.days * DAY_MIN

    def devices(self) -> Iterator[tuple[str, str, str]]:
        """(device, resident, place) of everybody."""
        places = {"bed": "bed", "bath": "bathroom", "hall": "living_room", "door": "main_door", "fridge": "fridge"}
        for number in range(self.residents):
            for site in SITES:
                yield f"{site}-{number}", f"r{number}", places.get(site, "")

    def has_dementia(self, number: int) -> bool:
        """Whether doors are watched at night."""
        return number % 2 == 1

    def minute(self, minute: int) -> list[Observation]:
        """What all devices send in one minute, in order of time."""
        out = self._vital(minute)
        out += self._at.get(minute, [])
        out.sort(key=lambda o: o.received_ns)
        return out

    def _nights(self) -> NDArray[np.int64]:
        """(residents, days + 1, 2) minutes of going to bed and getting up."""
        shape = (self.residents, self.days + 1)
        evenings = np.arange(self.days + 1) * DAY_MIN - 150
        to_bed = evenings + self._chance.normal(0, 25, shape)
        up = evenings + 9 * 60 + self._chance.normal(0, 25, shape)
        return np.stack([to_bed, up], axis=2).astype(np.int64)

    def _plan(self, name: str, kinds: tuple[str, ...], length: int, number: int) -> list[Truth]:
        """Put `number` of them where nothing else happens."""
        out: list[Truth] = []
        for _ in range(number * 60):
            if len(out) == number:
                break
            who = int(self._chance.integers(self.residents))
            begin = self._when(name, who, length)
            if name == "door at night" and not self.has_dementia(who):
                continue
            if (
                begin < 60
                or begin + length + 60 > self.minutes
                or self._busy[who, begin - 60 : begin + length + 90].any()
            ):
                continue
            self._busy[who, begin - 60 : begin + length + 90] = True
            out.append(Truth(who, name, kinds, begin, begin + length))
        return out

    def _when(self, name: str, who: int, length: int) -> int:
        day = int(self._chance.integers(self.days))
        if name in {"not back in bed", "door at night"}:
            return day * DAY_MIN + int(self._chance.integers(60, 240))
        if name in {"lies at home", "stuck in the bathroom", "exercise", "fridge open", "cold room", "taken off"}:
            up = int(self._night[who, day, 1])
            return up + 60 + int(self._chance.integers(0, max(1, 780 - length)))
        return day * DAY_MIN + int(self._chance.integers(0, DAY_MIN))

    def _levels(self) -> NDArray[np.float64]:
        spread = np.clip(self._chance.normal(size=(self.residents, len(VITALS))), -1.7, 1.7)
        usual, apart = np.array([68.0, 15.5, 96.8]), np.array([7.0, 1.5, 0.6])
        levels: NDArray[np.float64] = usual + spread * apart
        return levels

    def _put(self, site: str, who: int, minute: float, signal: str, value: bool | str | float) -> None:
        ns = START_NS + round(minute * 60) * SECOND_NS + int(who) * 1_000_000
        device = f"{site}-{who}"
        one: Observation = (
            Reading(device, signal, value, ns, ns)
            if isinstance(value, float)
            else DeviceEvent(device, signal, value, ns, ns)
        )
        self._at.setdefault(int(minute), []).append(one)

    def _fill(self) -> None:
        """Everything that is an event, by minute."""
        for who in range(self.residents):
            self._sleep(who)
            for day in range(self.days):
                self._live(who, day)
            for minute in range(0, self.minutes, 30):
                self._put("hall", who, minute, "room_temperature", self._warmth(who, minute))
        for truth in [*self.truths, *self.artefacts]:
            self._happen(truth)

    def _now(self, who: int, minute: int, names: frozenset[str]) -> bool:
        return any(t.resident == who and t.name in names for t in self._running(minute))

    def _warmth(self, who: int, minute: int) -> float:
        cold = self._now(who, minute, frozenset({"cold room"}))
        return float((9.0 if cold else 21.0) + self._chance.normal(0, 0.5))

    def _sleep(self, who: int) -> None:
        for day in range(self.days + 1):
            to_bed, up = self._night[who, day].tolist()
            if up > 0 and to_bed < self.minutes:
                self._put("bed", who, max(0, to_bed), "bed_occupancy", "in")
            for _ in range(int(self._chance.poisson(1.2))):
                leave = int(self._chance.integers(to_bed + 40, up - 40))
                back = leave + int(self._chance.integers(3, 16))
                if leave > 0 and back < self.minutes and not self._busy[who, leave - 20 : back + 20].any():
                    self._put("bed", who, leave, "bed_occupancy", "left")
                    self._put("bath", who, leave + 1, "presence", value=True)
                    self._put("bath", who, back - 1, "presence", value=False)
                    self._put("bed", who, back, "bed_occupancy", "in")
            if 0 <= up < self.minutes:
                self._put("bed", who, up, "bed_occupancy", "left")

    def _live(self, who: int, day: int) -> None:
        minute = int(self._night[who, day, 1])
        end = min(int(self._night[who, day + 1, 0]), self.minutes)
        while minute < end:
            length = int(self._chance.integers(4, 35))
            if minute >= 0 and not self._now(who, minute, HOME):
                draw = self._chance.random()
                if draw < 0.15:
                    # A visit that ends while somebody lies there would say that nobody does.
                    if not self._now(who, minute + min(length, 22), HOME):
                        self._put("bath", who, minute, "presence", value=True)
                        self._put("bath", who, minute + min(length, 22) - 0.5, "presence", value=False)
                elif draw < 0.18 and minute + 200 < end and not self._busy[who, minute : minute + 260].any():
                    length = int(self._chance.integers(60, 180))
                    self._go_out(who, minute, length)
                elif draw < 0.3:
                    self._put("fridge", who, minute, "door", "open")
                    self._put("fridge", who, minute + 0.5, "door", "closed")
                else:
                    self._put("hall", who, minute, "motion", "active")
                    self._put("hall", who, minute + 2, "motion", "none")
            minute += length

    def _go_out(self, who: int, minute: int, length: int) -> None:
        for begin in (minute, minute + length):
            self._put("door", who, begin, "door", "open")
            self._put("door", who, begin + 0.3, "door", "closed")
        self._put("hall", who, minute + length + 1, "motion", "active")

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
        }  # fmt: skip
        for site, signal, minute, value in moves.get(t.name, []):
            self._put(site, t.resident, minute, signal, value)

    def _vital(self, minute: int) -> list[Observation]:
        """The wristband's minute of everybody."""
        now = (minute % DAY_MIN) / DAY_MIN
        day_swing = np.array([7.0, 0.8, 0.0]) * -np.cos(2 * np.pi * (now - 0.12))
        noise = self._chance.normal(size=self._last.shape)
        self._last = 0.9 * self._last + 0.44 * noise
        value = self._level + day_swing + self._last * np.array([3.5, 1.0, 0.6])
        value[:, 2] = np.minimum(value[:, 2], 100.0)
        poor = np.zeros(self.residents, dtype=np.bool_)
        silent, off = np.zeros(self.residents, dtype=np.bool_), np.zeros(self.residents, dtype=np.bool_)
        glitch = np.zeros(self.residents, dtype=np.bool_)
        exact = np.zeros(self.residents, dtype=np.bool_)
        for t in self._running(minute):
            silent[t.resident] |= t.name == "drop-out"
            off[t.resident] |= t.name in {"lies at home", "taken off"}
            glitch[t.resident] |= t.name == "outliers"
            for signal, level in ILL.get(t.name, {}).items():
                column = VITALS.index(signal)
                value[t.resident, column] = level + 0.4 * float(self._chance.normal())
                exact[t.resident] |= t.name == "flat line"
            poor[t.resident] |= t.name == "motion artefact"
            if t.name == "exercise":
                self._steps[t.resident] += 95
        value[exact, 0] = _FLAT
        return self._readings(minute, value, Trouble(poor, silent, off, glitch))

    def _running(self, minute: int) -> list[Truth]:
        return [t for t in self._by_hour.get(minute // 60, []) if t.begin <= minute < t.end]

    def _readings(self, minute: int, value: NDArray[np.float64], trouble: Trouble) -> list[Observation]:
        """Heart rate every 20 s, the others once, and the steps so far."""
        out: list[Observation] = []
        base, swing = START_NS + minute * MINUTE_NS, self._chance.normal(size=(self.residents, 3))
        wild = (self._chance.random((self.residents, 3)) < GLITCHES) & trouble.glitch[:, None]
        for who in np.flatnonzero(~trouble.silent).tolist():
            ns = base + 5 * SECOND_NS + who * 1_000_000
            device = f"watch-{who}"
            if trouble.off[who]:
                out.append(Reading(device, VITALS[0], None, ns, ns, Quality.NO_CONTACT))
                continue
            quality = Quality.POOR if trouble.poor[who] else Quality.GOOD
            for part in range(3):
                beat = 71 if value[who, 0] == _FLAT else round(value[who, 0] + swing[who, part])
                if wild[who, part]:
                    beat = int(self._chance.choice([34, 145, 180]))
                later = ns + part * 20 * SECOND_NS
                out.append(Reading(device, VITALS[0], float(beat), later, later, quality))
            out += [Reading(device, VITALS[i], float(round(value[who, i])), ns, ns, quality) for i in (1, 2)]
            out.append(Reading(device, "steps", float(self._steps[who]), ns, ns))
        return out
