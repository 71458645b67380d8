"""What the wristbands of the simulated ward send each minute: made-up bodies, and how a wristband errs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from device_drivers.observations import Quality, Reading
from simulators.ward_plan import ILL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from device_drivers.observations import Observation
    from simulators.ward_plan import Truth

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
DAY_MIN = 24 * 60
VITALS = ("heart_rate", "respiratory_rate", "spo2", "body_temperature")
WARMTH_EVERY_MIN = 20
PLACE_EVERY_MIN = 10
PLACE = (31.23, 121.47)
"""Where every second watch, one with a network of its own, says to be (not by the metre)."""
WORSE = (8.0, 2.0)
"""By how much heart and breath of who gets lastingly worse are faster after a day, a minute."""
GLITCHES = 0.15
"""Share of single readings that are wild during "outliers"."""
_FLAT = 71.125
"""No device says so: marks the minutes of a flat line, which is sent as 71."""
OFF = frozenset({"lies at home", "taken off"})


class Trouble(NamedTuple):
    """Whose wristband errs in this minute, each bool (residents,): doubted by itself, silent, taken off, glitches."""

    poor: NDArray[np.bool_]
    silent: NDArray[np.bool_]
    off: NDArray[np.bool_]
    glitch: NDArray[np.bool_]


class Bodies:
    """Heart, breath, oxygen, warmth and steps of everybody. start_ns: the ward's midnight; minutes come in order."""

    def __init__(self, chance: np.random.Generator, residents: int, start_ns: int) -> None:
        self._chance, self._start_ns, self._residents = chance, start_ns, residents
        spread = np.clip(chance.normal(size=(residents, len(VITALS))), -1.7, 1.7)
        usual, apart = np.array([68.0, 15.5, 96.8, 36.5]), np.array([7.0, 1.5, 0.6, 0.15])
        self._level: NDArray[np.float64] = usual + spread * apart
        self._last = np.zeros((residents, len(VITALS)))
        self._steps = np.zeros(residents)

    def minute(self, minute: int, running: Iterable[Truth]) -> list[Observation]:
        """Everybody's readings of one minute. running: what happens in it."""
        now = (minute % DAY_MIN) / DAY_MIN
        day_swing = np.array([7.0, 0.8, 0.0, 0.2]) * -np.cos(2 * np.pi * (now - 0.12))
        noise = self._chance.normal(size=self._last.shape)
        self._last = 0.9 * self._last + 0.44 * noise
        value = self._level + day_swing + self._last * np.array([3.5, 1.0, 0.6, 0.1])
        value[:, 2] = np.minimum(value[:, 2], 100.0)
        trouble = Trouble(*np.zeros((4, self._residents), dtype=np.bool_))
        for t in running:
            self._befall(t, minute, value, trouble)
        return self._readings(minute, value, trouble)

    def _befall(self, t: Truth, minute: int, value: NDArray[np.float64], trouble: Trouble) -> None:
        trouble.silent[t.resident] |= t.name == "drop-out"
        trouble.off[t.resident] |= t.name in OFF
        trouble.glitch[t.resident] |= t.name == "outliers"
        trouble.poor[t.resident] |= t.name == "motion artefact"
        for signal, level in ILL.get(t.name, {}).items():
            jitter = 0.05 if signal == "body_temperature" else 0.4
            value[t.resident, VITALS.index(signal)] = level + jitter * float(self._chance.normal())
        if t.name == "flat line":
            value[t.resident, 0] = _FLAT
        elif t.name == "lastingly worse":
            value[t.resident, :2] += np.array(WORSE) * min(1.0, (minute - t.begin) / DAY_MIN)
        elif t.name == "exercise":
            self._steps[t.resident] += 95

    def _readings(self, minute: int, value: NDArray[np.float64], trouble: Trouble) -> list[Observation]:
        """Heart rate every 20 s, breath and oxygen once, warmth every 20 min, and the steps so far."""
        out: list[Observation] = []
        base, swing = self._start_ns + minute * MINUTE_NS, self._chance.normal(size=(self._residents, 3))
        wild = (self._chance.random((self._residents, 3)) < GLITCHES) & trouble.glitch[:, None]
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
            if minute % WARMTH_EVERY_MIN == 0:
                out.append(Reading(device, VITALS[3], round(float(value[who, 3]), 1), ns, ns, quality))
            if who % 2 == 0 and minute % PLACE_EVERY_MIN == 0:
                out += [
                    Reading(device, name, at, ns, ns) for name, at in zip(("latitude", "longitude"), PLACE, strict=True)
                ]
            out.append(Reading(device, "steps", float(self._steps[who]), ns, ns))
        return out
