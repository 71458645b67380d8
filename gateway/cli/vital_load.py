"""Vital signs and daily life of many residents for `yinling bench vitals`: what their devices send, second by second.

Each resident has a wearable (heart rate, oxygen saturation and respiratory rate every second, temperature every minute,
blood pressure every quarter of an hour), a bed sensor (speaks every minute, changes every ten) and a radar in the room
(every minute); STRAPS of them a chest strap with every beat. One resident in a hundred is beyond a limit. All have
baselines and habits that were learned before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from analytics.habits.habit_table import EVENT_KINDS, HABIT_METRICS
from analytics.habits.learned import Learned, plain_learned
from analytics.habits.watch import CHART_COLUMNS
from analytics.memory import row_state
from analytics.vitals.charts import Charts
from analytics.vitals.nights import METRICS, Nights
from analytics.vitals.watch import CHART_COLUMNS as VITAL_COLUMNS
from analytics.vitals.watch import NIGHT_COLUMNS
from device_drivers.observations import DeviceEvent, Observation, Quality, Reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from analytics.engine import Engine
    from analytics.findings import Detector

SECOND_NS = 1_000_000_000
START_NS = 1_800_000_000 * SECOND_NS - 14_440 * SECOND_NS
"""2027-01-15 11:59:20 in China: soon before the day and night of everybody are summed up."""
DAY_NUMBER = (START_NS // SECOND_NS + 8 * 3600 - 12 * 3600) // 86_400
STRAPS = 500
KNOWN_DAYS = 20
EVERY_SECOND = (("heart_rate", 72.0, 9.0), ("spo2", 96.0, 1.2), ("respiratory_rate", 15.0, 2.0))
BEYOND = {"heart_rate": 36.0, "spo2": 86.0, "respiratory_rate": 7.0}
BED_CHANGE_S = 600


class VitalLoad:
    """The devices of `residents` and what they send; the same seed sends the same."""

    def __init__(self, residents: int, seed: int = 1) -> None:
        self.residents = residents
        self.straps = min(STRAPS, residents)
        self._random = np.random.default_rng(seed)
        self._next_beat_s = self._random.uniform(0.0, 1.0, self.straps)

    def attach(self, engine: Engine) -> None:
        """Recall what was learned, then attach everything."""
        engine.recall(self.learned())
        for n in range(self.residents):
            for device, place in ((f"w{n}", ""), (f"b{n}", "bed"), (f"p{n}", "living_room")):
                engine.attach(device, f"r{n}", place=place)
        for n in range(self.straps):
            engine.attach(f"s{n}", f"r{n}")

    def learned(self) -> dict[str, dict[str, Any]]:
        """Twenty days of everybody, as the engine remembers them."""
        habits = {**_learned_habits(), "charts": _learned_charts(HABIT_METRICS, CHART_COLUMNS, self._random)}
        vitals = {
            "day": DAY_NUMBER,
            "charts": _learned_charts(METRICS, VITAL_COLUMNS, self._random),
            "night": row_state(Nights().table, 0, NIGHT_COLUMNS),
            "open": {},
        }
        everybody = [f"r{n}" for n in range(self.residents)]
        return {"habits": dict.fromkeys(everybody, habits), "vitals": dict.fromkeys(everybody, vitals)}

    def second(self, second: int) -> list[Observation]:
        """Everything that is received in one second, in the order of arrival."""
        at = START_NS + second * SECOND_NS
        out: list[Observation] = []
        for signal, mean, spread in EVERY_SECOND:
            values = np.rint(self._random.normal(mean, spread, self.residents))
            values[: self.residents // 100] = BEYOND[signal]
            out += [Reading(f"w{n}", signal, value, at, at) for n, value in enumerate(values.tolist())]
        out += self._seldom(second, at)
        out += self._beats(second)
        return out

    def _seldom(self, second: int, at: int) -> Iterator[Observation]:
        for n in range(second % 60, self.residents, 60):
            changes = (second + n) % BED_CHANGE_S < 60
            word = "left" if (second + n) // BED_CHANGE_S % 2 else "in"
            yield Reading(f"w{n}", "body_temperature", 36.5, at, at)
            yield DeviceEvent(f"b{n}", "bed_occupancy", word, at, at, repeat=not changes)
            yield DeviceEvent(f"p{n}", "presence", "active", at, at)
        for n in range(second % 900, self.residents, 900):
            yield Reading(f"w{n}", "systolic_pressure", 128.0, at, at)
            yield Reading(f"w{n}", "diastolic_pressure", 76.0, at, at)

    def _beats(self, second: int) -> Iterator[Observation]:
        """Beats of the straps; times in seconds since the start."""
        begin = START_NS + second * SECOND_NS
        interval = self._random.normal(0.85, 0.03, self.straps)
        due = np.flatnonzero(self._next_beat_s < second + 1)
        for n in due.tolist():
            at = begin + int((self._next_beat_s[n] - second) * SECOND_NS)
            yield Reading(f"s{n}", "rr_interval", round(1000.0 * interval[n], 1), at, at, Quality.GOOD)
        self._next_beat_s[due] += interval[due]


def learned_day(watch: Detector, residents: int, day: int) -> None:
    """One day of activity of everybody, seen by the detector of habits; to be stepped at 04:00 by the caller."""
    dawn = START_NS + (day * 86_400 - 8 * 3600 + 40) * SECOND_NS
    for hour in range(9):
        at = dawn + (hour * 3600 + 3600) * SECOND_NS
        watch.ingest([DeviceEvent(f"p{n}", "presence", "active", at, at) for n in range(residents)])


def _learned_habits() -> dict[str, Any]:
    learned = Learned()
    for day in range(KNOWN_DAYS):
        learned.add_day([{8, 12, 18} for _ in EVENT_KINDS], (180.0 + day, 40.0 + day, 1080.0), 2)
    return plain_learned(learned)


def _learned_charts(metrics: tuple[Any, ...], columns: tuple[str, ...], random: np.random.Generator) -> dict[str, Any]:
    charts = Charts(np.array([metric.floor for metric in metrics]))
    row = charts.table.acquire()
    values: NDArray[np.float64] = random.normal(50.0, 1.0, (KNOWN_DAYS, len(metrics)))
    for day in values:
        charts.day(np.array([row]), day[None])
    return row_state(charts.table, row, columns)
