"""Figures of breathing pauses on nights with known truth, through the detector that runs live.

True events: apnoeas, and hypopnoeas whose oxygen truly fell (`AASM`); the index is their number an hour.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from analytics.apnoea.events import DIP, DIP_AFTER_S
from analytics.apnoea.watch import INDEX, ApnoeaWatch
from device_drivers.observations import Reading, Samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from device_drivers.observations import Observation

Report = dict[str, Any]
SECOND_NS = 1_000_000_000
START_NS = (1_800_000_000 + 7 * 3600) * SECOND_NS
"""2027-01-15, 23:00 in China."""
NIGHT_S = 7 * 3600
"""From there on until the usual end of the night."""
BLOCK_S = 60
WAYS = {"wave": ("wave",), "oxygen": ("oxygen",), "both": ("wave", "oxygen")}


class Event(Protocol):
    """A pause. kind: "central", "obstructive" or "hypopnoea"; seconds since the night began."""

    @property
    def kind(self) -> str: ...
    @property
    def from_s(self) -> float: ...
    @property
    def to_s(self) -> float: ...


class Night(Protocol):
    """wave: float32 (n,) at 5 a second; spo2: (seconds,) percent."""

    @property
    def name(self) -> str: ...
    @property
    def hours(self) -> float: ...
    @property
    def wave(self) -> NDArray[np.float32]: ...
    @property
    def spo2(self) -> NDArray[np.float64]: ...
    @property
    def events(self) -> Sequence[Event]: ...


def evaluate_apnoea(nights: Iterable[Night], watch: Callable[[], ApnoeaWatch] = ApnoeaWatch) -> Report:
    """All figures; JSON-ready. Raises ValueError for a night that is longer than the hours of the night."""
    made = list(nights)
    for night in made:
        if night.hours * 3600 > NIGHT_S:
            raise ValueError(f"a night of {night.hours:g} h; at most {NIGHT_S / 3600:g} h count")
    began = time.process_time()
    said = {way: _played(made, parts, watch()) for way, parts in WAYS.items()}
    seconds, hours = time.process_time() - began, sum(night.hours for night in made)
    each: list[Report] = [
        {
            "name": night.name,
            "truth": true_index(night),
            "kinds": _kinds(night.events),
            **{way: said[way][number] for way in WAYS},
        }
        for number, night in enumerate(made)
    ]
    return {
        "protocol": "made-up nights, causal, all at once",
        "nights": len(each),
        "hours": round(hours, 1),
        "core_s_per_night_of_8_h": round(8 * seconds / hours / len(WAYS), 2) if hours else None,
        "by_way": {way: _figures(each, way) for way in WAYS},
        "by_night": each,
    }


def true_index(night: Night) -> float:
    """Apnoeas, and hypopnoeas with a fall of oxygen, an hour."""
    count = sum(event.kind != "hypopnoea" or _fell(night, event) for event in night.events)
    return round(count / night.hours, 2)


def summary(result: Report) -> str:
    """The report in some lines of plain text."""
    cost = result["core_s_per_night_of_8_h"]
    lines = [
        f"{result['nights']} nights, {result['hours']} h; {result['protocol']}; {cost} core-seconds a night of 8 h"
    ]
    for way, f in result["by_way"].items():
        lines.append(
            f"  {way}: index off by {f['bias']} an hour (mean), 95 % of nights {f['low']} to {f['high']}; nights "
            f"of {INDEX:g} and more told {f['told']} of {f['ill']}, other nights told {f['false']} of {f['well']}"
        )
    return "\n".join(lines)


def _fell(night: Night, event: Event) -> bool:
    before = night.spo2[max(0, int(event.from_s) - 30) : int(event.from_s) + 1]
    after = night.spo2[int(event.from_s) : int(event.to_s + DIP_AFTER_S)]
    return bool(len(before) and len(after) and np.median(before) - after.min() >= DIP)


def _kinds(events: Sequence[Event]) -> dict[str, int]:
    names = [event.kind for event in events]
    return {name: names.count(name) for name in sorted(set(names))}


def _observations(night: Night, number: int, at: int, parts: Sequence[str]) -> Iterator[Observation]:
    """One block of a night."""
    start = START_NS + at * SECOND_NS
    if "oxygen" in parts:
        for i, value in enumerate(night.spo2[at : at + BLOCK_S].tolist()):
            yield Reading(f"clip{number}", "spo2", value, start + i * SECOND_NS, start + i * SECOND_NS)
    points = night.wave[5 * at : 5 * (at + BLOCK_S), None]
    if "wave" in parts and len(points):
        yield Samples(f"radar{number}", "breath_wave", points, 5.0, start, start + BLOCK_S * SECOND_NS)


def _played(nights: Sequence[Night], parts: Sequence[str], watch: ApnoeaWatch) -> list[Report]:
    """Of each night the index that is said by the better of its sensors, and whether it is told."""
    for number in range(len(nights)):
        for sensor in ("radar", "clip"):
            watch.attach(f"{sensor}{number}", f"{number}")
    told: set[str | None] = set()
    for at in range(0, max((int(night.hours * 3600) for night in nights), default=0), BLOCK_S):
        watch.ingest([o for number, night in enumerate(nights) for o in _observations(night, number, at, parts)])
        told |= {one.resident_id for one in watch.step(START_NS + (at + BLOCK_S) * SECOND_NS)}
    return [_sums(watch, number) | {"told": f"{number}" in told} for number in range(len(nights))]


def _sums(watch: ApnoeaWatch, number: int) -> Report:
    sums = [one for one in (watch.sums(f"radar{number}"), watch.sums(f"clip{number}")) if one is not None]
    indices = [one.events / (one.good_s / 3600.0) for one in sums if one.good_s > 0]
    longest = max((one.longest_s for one in sums), default=0)
    return {"index": round(max(indices), 2) if indices else None, "longest_s": longest}


def _figures(each: list[Report], way: str) -> Report:
    apart = np.array([one[way]["index"] - one["truth"] for one in each if one[way]["index"] is not None])
    ill = [one for one in each if one["truth"] >= INDEX]
    well = [one for one in each if one["truth"] < INDEX]
    spread = 1.96 * float(apart.std()) if len(apart) else 0.0
    bias = float(apart.mean()) if len(apart) else 0.0
    return {
        "bias": round(bias, 2),
        "low": round(bias - spread, 2),
        "high": round(bias + spread, 2),
        "ill": len(ill),
        "told": sum(one[way]["told"] for one in ill),
        "well": len(well),
        "false": sum(one[way]["told"] for one in well),
    }
