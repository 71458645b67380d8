"""Personal baseline: start-up, run length on autocorrelated days, slow change noticed, nights summed up."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from analytics_scenes import SECOND, event
from numpy.typing import NDArray

from analytics.care import Care
from analytics.clocks import CHINA_S
from analytics.findings import Finding
from analytics.memory import MOST_KEPT, keep
from analytics.vitals.charts import CLIP, IN_CONTROL_DAYS, RELEARN_DAYS, SHIFT_DAYS, START_DAYS, Charts
from analytics.vitals.nights import METRICS
from analytics.vitals.watch import VitalWatch
from device_drivers.observations import DeviceEvent, Observation, Reading

DAYS = 3000


def days_of(phi: float, people: int, days: int, seed: int) -> NDArray[np.float64]:
    """AR(1) with unit variance, (days, people)."""
    chance = np.random.default_rng(seed)
    out = np.empty((days, people))
    x = chance.normal(size=people)
    for day in range(days):
        out[day] = x = phi * x + np.sqrt(1 - phi * phi) * chance.normal(size=people)
    return out


def first_signals(values: NDArray[np.float64], after: int = 0) -> NDArray[np.float64]:
    """Days from the end of the start-up (plus `after`) to each one's first signal; the number of days where none."""
    charts = Charts(np.array([1e-6]))
    rows = np.array([charts.table.acquire() for _ in range(values.shape[1])])
    first = np.full(values.shape[1], np.nan)
    begin = START_DAYS + after
    for day, value in enumerate(values):
        begins = charts.day(rows, value[:, None]).begins[:, 0]
        if day >= begin:
            first = np.where(begins & np.isnan(first), day - begin, first)
    return np.where(np.isnan(first), len(values) - begin, first)


@pytest.mark.parametrize("phi", sorted(IN_CONTROL_DAYS))
def test_the_in_control_run_length_on_autocorrelated_days_is_as_stated(phi: float) -> None:
    run = first_signals(days_of(phi, 1000, START_DAYS + DAYS, seed=11))
    assert run.mean() >= IN_CONTROL_DAYS[phi] * 0.95
    assert run.mean() <= DAYS


@pytest.mark.parametrize("shift", sorted(SHIFT_DAYS))
@pytest.mark.parametrize("sign", [1, -1])
def test_a_lasting_change_is_noticed_within_days(shift: float, sign: int) -> None:
    values = days_of(0.3, 600, START_DAYS + 130, seed=5)
    values[START_DAYS + 30 :] += sign * shift
    assert np.median(first_signals(values, after=30)) <= SHIFT_DAYS[shift]


def one_chart(values: list[float]) -> list[str]:
    charts = Charts(np.array([0.5]))
    row = np.array([charts.table.acquire()])
    said = []
    for value in values:
        found = charts.day(row, np.array([[value]]))
        word = "up" if found.direction[0, 0] > 0 else "down"
        said.append(f"begins {word}" if found.begins[0, 0] else "ends" if found.ends[0, 0] else "")
    return said


STEADY = [60.0, 61.0, 59.5, 60.5, 60.0, 62.0, 59.0] * 2


def test_some_odd_nights_do_not_spoil_the_start() -> None:
    odd = [*STEADY[:-2], 95.0, 99.0]
    assert "begins up" in one_chart([*odd, *[66.0] * 15])


def test_no_single_day_raises_and_a_day_without_data_changes_nothing() -> None:
    assert set(one_chart([*STEADY, 200.0, *STEADY])) == {""}
    holey = [value for day in [*STEADY, *[66.0] * 8] for value in (day, np.nan, np.nan)]
    assert one_chart(holey).count("begins up") == 1
    assert CLIP < 5


def test_it_ends_when_it_is_as_usual_again_or_has_become_usual() -> None:
    said = one_chart([*STEADY, *[55.0] * 10, *STEADY, *STEADY])
    assert [word for word in said if word] == ["begins down", "ends"]
    said = one_chart([*STEADY, *[70.0] * (RELEARN_DAYS + 8 + START_DAYS + 30)])
    assert [word for word in said if word] == ["begins up", "ends"]
    assert said.index("ends") - said.index("begins up") == RELEARN_DAYS


def test_what_has_never_varied_still_may() -> None:
    assert set(one_chart([*[60.0] * START_DAYS, *[60.4] * 30])) == {""}


def test_a_metric_that_was_seen_to_learns_anew() -> None:
    charts = Charts(np.array([0.5]))
    row = charts.table.acquire()
    for value in [*STEADY, *[70.0] * 10]:
        charts.day(np.array([row]), np.array([[value]]))
    assert charts.table["open"][row, 0]
    charts.forget(row, 0)
    assert not charts.table["open"][row, 0]
    assert charts.table["days"][row, 0] == 0


MIDNIGHT = 1_800_028_800 * SECOND
"""2027-01-16 00:00 in China."""


def night(day: int, heart: float, exits: int, steps: float, who: str = "") -> list[Observation]:
    """One night from 22:00 to 6:00 with a reading a minute, the bed, and the walk of the day before."""
    watch, bed = f"watch{who}", f"bed{who}"
    begin = MIDNIGHT + (day * 86_400 - 7200) * SECOND
    chance = np.random.default_rng(day)
    out: list[Observation] = [
        Reading(watch, "steps", n, t, t) for n, t in ((0.0, begin - 36_000 * SECOND), (steps, begin - 30_000 * SECOND))
    ]
    moves = [("in", 60)]
    for i in range(exits):
        moves += [("left", 600 + i * 600), ("in", 900 + i * 600)]
    out += [DeviceEvent(bed, "bed_occupancy", word, begin + s * SECOND, begin + s * SECOND) for word, s in moves]
    for minute in range(75):
        at_ns = begin + (minute * 60 + 30) * SECOND
        out.append(Reading(watch, "heart_rate", heart + chance.normal(3, 2), at_ns, at_ns))
    return sorted(out, key=lambda o: o.received_ns)


@dataclass
class Lives:
    """Some people's days one after the other, in one watch."""

    watch: VitalWatch
    found: list[Finding]

    def of(self, who: str) -> list[Finding]:
        return [one for one in self.found if one.resident_id == who]


USUAL_DAYS = [(60.0 + (i % 3), 1 + (i % 2), 4000.0 + 300 * (i % 4)) for i in range(START_DAYS)]
PEOPLE: dict[str, list[tuple[float, int, float]]] = {
    "li": [*USUAL_DAYS, *((60.0 + i, 1 + (i % 2), 4000.0) for i in range(1, 15))],
    "restless": [*USUAL_DAYS, *[(61.0, 6, 600.0)] * 20],
    "as usual": [*USUAL_DAYS, *USUAL_DAYS, *USUAL_DAYS],
    "dead mat": [*USUAL_DAYS, *USUAL_DAYS, *USUAL_DAYS],
}
"""For each day: heart rate of the night, how often out of bed, steps."""


@pytest.fixture(scope="module")
def lives() -> Lives:
    lives = Lives(VitalWatch(lambda _: CHINA_S), [])
    for who in PEOPLE:
        lives.watch.attach(f"watch {who}", who)
        lives.watch.attach(f"bed {who}", who)
    for day in range(max(map(len, PEOPLE.values()))):
        together = [o for who, days in PEOPLE.items() if day < len(days) for o in night(day, *days[day], f" {who}")]
        together = [o for o in together if day < START_DAYS or o.device_id != "bed dead mat"]
        lives.watch.ingest(sorted(together, key=lambda o: o.received_ns))
        lives.found += lives.watch.step(MIDNIGHT + (day * 86_400 + 13 * 3600) * SECOND)
    return lives


@pytest.mark.slow
def test_slow_worsening_becomes_one_finding_for_each_metric_and_ends(lives: Lives) -> None:
    found = lives.of("li")
    assert [(f.kind, f.evidence["metric"], f.evidence["direction"]) for f in found] == [
        ("slow_change", "resting_heart_rate", "up")
    ]
    said = found[0].evidence
    assert said["zh"] == "夜间静息心率"
    assert 60 <= float(said["usual"]) <= 64
    assert float(said["value"]) > float(said["usual"]) + 2
    assert found[0].devices == ("bed li", "watch li")
    lives.watch.close(found[0].episode)
    assert "li" not in {one.resident_id for one in lives.watch.step(MIDNIGHT + 60 * 86_400 * SECOND)}


@pytest.mark.slow
def test_exits_steps_and_time_in_bed_are_watched_too(lives: Lives) -> None:
    found = lives.of("restless")
    metrics = {(f.evidence["metric"], f.evidence["direction"]) for f in found}
    assert ("night_exits", "up") in metrics
    assert ("steps", "down") in metrics
    assert {name for name, _ in metrics} <= {metric.name for metric in METRICS}


@pytest.mark.slow
def test_days_as_usual_say_nothing(lives: Lives) -> None:
    assert lives.of("as usual") == []


@pytest.mark.slow
def test_a_bed_that_is_not_heard_any_more_says_nothing_about_the_person(lives: Lives) -> None:
    assert lives.of("dead mat") == []


def test_steps_that_start_anew_or_are_impossible_do_not_count() -> None:
    watch = VitalWatch()
    watch.attach("watch", "li")
    counts = [5000.0, 5100.0, 3.0, 103.0, None, 90_000.0, -5.0]
    watch.ingest([Reading("watch", "steps", n, MIDNIGHT + i, MIDNIGHT + i) for i, n in enumerate(counts)])
    watch.ingest([event("watch", "bed_occupancy", "none", 1)])
    assert watch._nights.table["steps"][0] == 200.0


SHORT_NIGHT = Care(night_to_min=22 * 60 + 80)
"""Long enough for a summary, and quickly played."""


def a_while(watch: VitalWatch, days: range) -> list[Finding]:
    found: list[Finding] = []
    for day in days:
        ended = MIDNIGHT + (day * 86_400 - 2400) * SECOND
        some = night(day, 60.0 + day % 3 + (14.0 if day >= 15 else 0.0), 1, 3000.0)
        for one in (one for one in some if one.received_ns < ended and one.signal != "steps"):
            watch.ingest([one])
            found += watch.step(one.received_ns)
    return found


def owned() -> VitalWatch:
    watch = VitalWatch(lambda _: CHINA_S)
    watch.set_care("li", SHORT_NIGHT)
    watch.attach("watch", "li")
    watch.attach("bed", "li")
    return watch


@pytest.fixture(scope="module")
def lived() -> tuple[VitalWatch, list[Finding]]:
    """Somebody whose heart beats faster from the fifteenth night on, watched without a break."""
    watch = owned()
    return watch, [one for one in a_while(watch, range(22)) if one.kind == "slow_change"]


@pytest.mark.slow
def test_the_baseline_goes_on_after_a_restart(lived: tuple[VitalWatch, list[Finding]]) -> None:
    """Restarted every third evening, it says the same as one that never was."""
    whole = [(one.kind, one.at_ns) for one in lived[1]]
    watch, parts = owned(), []
    for begin in range(0, 22, 3):
        parts += a_while(watch, range(begin, min(begin + 3, 22)))
        state = json.loads(json.dumps(watch.remember()))
        watch = owned()
        watch.recall(state)
    assert whole
    assert [(one.kind, one.at_ns) for one in parts if one.kind == "slow_change"] == whole


def test_what_is_open_stays_the_same_episode_and_closes(lived: tuple[VitalWatch, list[Finding]]) -> None:
    watch, (begins, *_) = lived
    state = watch.remember()
    again = VitalWatch(lambda _: CHINA_S)
    again.recall(state)
    again.attach("watch", "li")
    assert again.resume(begins, 0)
    assert again.remember() == {}, "no minute yet"
    again.close(begins.episode)
    assert not again.resume(begins, 0)
    assert not VitalWatch().resume(begins, 0)


@pytest.mark.parametrize("spoil", [{"charts": {}}, {"open": 3}, {"night": {"bins": [1]}}, {"charts": {"days": ["x"]}}])
def test_a_state_that_does_not_fit_is_left_out(spoil: dict[str, object]) -> None:
    watch = owned()
    a_while(watch, range(3))
    state = watch.remember()
    again = owned()
    again.recall({"li": {**state["li"], **spoil}})
    a_while(again, range(3, 4))
    assert again.remember()["li"]["charts"]["days"][0] <= (2 if "night" in spoil else 1)


def test_an_exchange_of_the_only_device_forgets_no_baseline_and_no_running_night(
    lived: tuple[VitalWatch, list[Finding]],
) -> None:
    watch, _ = lived
    watch = copy.deepcopy(watch)
    before = watch.remember()
    for device in list(watch._devices):
        watch.detach(device)
    assert watch.remember() == {}
    watch.attach("new", "li")
    assert watch.remember() == before


def test_what_waits_for_a_device_is_bounded() -> None:
    states: dict[str, Mapping[str, Any]] = {}
    for number in range(MOST_KEPT + 5):
        keep(states, f"r{number}", {"n": number})
    keep(states, "r10", {"n": -1})
    assert len(states) == MOST_KEPT
    assert "r4" not in states
    assert list(states)[-1] == "r10"
