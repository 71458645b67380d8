"""Slow and fast rhythm and pauses from beat intervals, two straps on one person, and what an exchange keeps."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from analytics_scenes import SECOND, T0, at
from rhythm_scenes import fibrillation, readings, sinus

from analytics.care import Care
from analytics.check import check_detector
from analytics.findings import Finding, Phase
from analytics.limit_table import Override
from analytics.rhythm.evaluation import evaluate_rhythm, summary
from analytics.rhythm.pace_table import BEATS
from analytics.rhythm.watch import RhythmWatch
from analytics.scenarios import Scenario
from analytics.words import why
from device_drivers.observations import Observation, Quality, Reading, Samples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def series(*parts: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return np.concatenate([np.atleast_1d(np.asarray(part, dtype=np.float64)) for part in parts])


def steady(beats: int, ms: float, seed: int = 11) -> NDArray[np.float64]:
    return np.asarray(ms * np.exp(np.random.default_rng(seed).normal(0.0, 0.01, beats)))


PAUSE = (4350.0, 1180.0)
"""At 60 a minute: 4.35 s without a beat, then the heart starts slowly."""


def watched(observations: Sequence[Observation], *devices: str, care: Care | None = None) -> list[Finding]:
    watch = RhythmWatch()
    for device in devices or ("strap",):
        watch.attach(device, "zhang")
    if care is not None:
        watch.set_care("zhang", care)
    watch.ingest(observations)
    return watch.step(T0)


def kinds(found: Sequence[Finding]) -> list[tuple[str, str]]:
    return [(f.kind, str(f.phase)) for f in found]


def test_a_slow_heart_is_told_after_half_a_minute_and_ends_when_it_is_faster() -> None:
    ramp = np.linspace(1000.0, 1700.0, 30)
    beats = series(steady(60, 1000), ramp, steady(60, 1720), ramp[::-1], steady(60, 1000))
    begins, ends = watched(readings(beats))
    assert kinds([begins, ends]) == [("slow_rhythm", "confirmed"), ("slow_rhythm", "cleared")]
    assert begins.episode == ends.episode
    assert begins.evidence["value"] == pytest.approx(35, abs=1)
    assert 30 <= float(begins.evidence["held_s"]) < 35
    assert why(begins.evidence).zh.startswith("心率 35")


def test_beats_missed_two_to_one_must_last_twice_as_long() -> None:
    halved = series(steady(60, 850), steady(24, 1700), steady(60, 850))
    assert watched(readings(halved)) == [], "41 s at just the half: beats may be missed"
    longer = series(steady(60, 850), steady(50, 1700))
    (found,) = watched(readings(longer))
    assert float(found.evidence["held_s"]) >= 60


@pytest.mark.parametrize("rate_ms", [1700.0, 430.0])
def test_where_heart_rate_is_measured_too_its_limits_tell_of_it(rate_ms: float) -> None:
    beats = readings(series(steady(60, 800), steady(200, rate_ms, 3)))
    rates = [Reading("strap", "heart_rate", 60_000.0 / rate_ms, o.at_ns, o.received_ns) for o in beats[::5]]
    both = sorted([*beats, *rates], key=lambda o: o.received_ns)
    assert len(watched(beats)) == 1
    assert watched(both) == []


def test_a_fast_regular_rhythm_that_comes_suddenly_is_told_and_one_that_irregular_beats_make_is_not() -> None:
    beats = series(steady(80, 950), steady(120, 380), steady(100, 950))
    begins, ends = watched(readings(beats))
    assert kinds([begins, ends]) == [("fast_rhythm", "confirmed"), ("fast_rhythm", "cleared")]
    assert begins.evidence["value"] == pytest.approx(158, abs=2)
    doubled = np.tile([340.0, 460.0], 60)
    assert watched(readings(series(steady(80, 800), doubled, steady(80, 800)))) == [], "the T wave is counted"


def test_a_fast_heart_by_and_by_is_taken_for_stairs_for_five_minutes() -> None:
    ramp = np.linspace(800.0, 430.0, 60)
    beats = series(steady(60, 800), ramp, steady(500, 430), ramp[::-1], steady(60, 800))
    assert watched(readings(beats)) == []
    longer = watched(readings(series(steady(60, 800), ramp, steady(900, 430))))
    assert kinds(longer) == [("fast_rhythm", "confirmed")]


@pytest.mark.parametrize("way", ["steps", "accel"])
def test_exercise_excuses_a_fast_heart_on_whichever_device(way: str) -> None:
    beats = readings(series(steady(80, 800), steady(200, 380), steady(20, 800)))
    moving: list[Observation] = []
    for s in range(0, 60, 5):
        if way == "steps":
            moving.append(Reading("watch", "steps", 10.0 * s, at(s), at(s)))
        else:
            values = np.full((50, 3), 0.9, np.float32)
            moving += [Samples("watch", "accel", values, 50.0, at(s + i), at(s + i)) for i in range(5)]
    together = sorted([*beats, *moving], key=lambda o: o.received_ns)
    assert watched(together, "strap", "watch") == []
    assert kinds(watched(beats, "strap", "watch")) == [("fast_rhythm", "confirmed")]


def test_a_pause_that_the_heart_comes_out_of_slowly_is_told_with_its_length() -> None:
    beats = series(steady(60, 1000), PAUSE, steady(60, 1000))
    (found,) = watched(readings(beats))
    assert kinds([found]) == [("heart_pause", "confirmed")]
    assert found.evidence["value"] == 4350
    assert found.evidence["usual_ms"] == pytest.approx(1000, abs=20)
    assert found.at_ns == readings(beats)[62].at_ns, "two beats later"
    assert "4350" in why(found.evidence).en


def test_pauses_within_half_an_hour_are_one_episode_which_then_ends() -> None:
    beats = series(steady(60, 1000), PAUSE, steady(300, 1000), PAUSE, steady(2000, 1000))
    begins, ends = watched(readings(beats))
    assert kinds([begins, ends]) == [("heart_pause", "confirmed"), ("heart_pause", "cleared")]
    assert ends.at_ns - int(ends.evidence["last_seen_ns"]) >= 1800 * SECOND


@pytest.mark.parametrize(
    ("name", "beats"),
    [
        ("missed beats: a whole multiple", series(steady(60, 1000), 4000.0, 1150.0, steady(60, 1000))),
        ("nothing heard: as though nothing had been", series(steady(60, 1000), 4350.0, steady(60, 1000))),
        ("nothing heard within a fast rhythm", series(steady(60, 620), 4350.0, 720.0, steady(60, 620))),
        ("irregular before it", series(fibrillation(50), 4350.0, 1200.0, fibrillation(20))),
        ("the sensor is gone afterwards", series(steady(60, 1000), 4350.0, 2600.0, 3100.0, steady(60, 1000))),
        ("too early to know what is usual", series(steady(BEATS - 2, 1000), PAUSE, steady(60, 1000))),
        ("2.9 s", series(steady(60, 800), 2900.0, 950.0, steady(60, 800))),
    ],
)
def test_what_only_looks_like_a_pause_is_not_told(name: str, beats: NDArray[np.float64]) -> None:
    assert "heart_pause" not in {f.kind for f in watched(readings(beats))}, name


def test_a_second_pause_within_a_minute_confirms_the_first() -> None:
    beats = series(steady(60, 1000), 4350.0, steady(20, 1000), 3600.0, steady(60, 1000))
    (found,) = watched(readings(beats))
    assert (found.kind, found.evidence["value"]) == ("heart_pause", 3600)


def test_a_hole_in_the_data_is_no_pause_and_no_slow_heart() -> None:
    first, second = readings(steady(60, 1000)), readings(series(4350.0, 1180.0, steady(60, 1000)), start_s=75.0)
    assert watched([*first, *second]) == []
    slow = [*readings(steady(12, 1720)), *readings(steady(12, 1720), start_s=60.0)]
    assert watched(slow) == []


def test_own_limits_of_heart_rate_hold_and_switching_off_ends_what_is_open() -> None:
    beats = readings(series(steady(60, 1300), np.linspace(1300, 1720, 20), steady(60, 1720)))
    assert watched(beats, care=Care(limits={"heart_rate_low": Override(limit=33)})) == []
    watch = RhythmWatch()
    watch.attach("strap", "zhang")
    watch.ingest(beats)
    (begun,) = watch.step(T0)
    watch.set_care("zhang", Care(limits={"heart_rate_low": Override(enabled=False)}))
    (ended,) = watch.step(T0)
    assert (ended.episode, ended.phase) == (begun.episode, Phase.CLEARED)
    watch.set_care("nobody", Care())


def test_closed_by_a_person_it_begins_anew_after_the_whole_time() -> None:
    beats = readings(series(steady(60, 1300), np.linspace(1300, 1720, 20), steady(90, 1720), PAUSE, steady(9, 1000)))
    watch = RhythmWatch()
    watch.attach("strap", "zhang")
    watch.ingest(beats[:110])
    (first,) = watch.step(T0)
    watch.close(first.episode)
    watch.ingest(beats[110:170])
    (second,) = watch.step(T0)
    assert second.kind == "slow_rhythm"
    assert second.episode != first.episode
    pauses = RhythmWatch()
    pauses.attach("strap", "zhang")
    two = readings(series(steady(60, 1000), PAUSE, steady(60, 1000), PAUSE, steady(9, 1000)))
    pauses.ingest(two[:70])
    (one,) = pauses.step(T0)
    pauses.close(one.episode)
    pauses.ingest(two[70:])
    (again,) = pauses.step(T0)
    assert again.episode != one.episode


def both(beats: NDArray[np.float64], late_s: float = 0.2) -> list[Reading]:
    one = readings(beats, "strap")
    other = [replace(o, device_id="patch", received_ns=o.received_ns + int(late_s * SECOND)) for o in one]
    return sorted([*one, *other], key=lambda o: o.received_ns)


@pytest.mark.parametrize(
    "beats",
    [
        series(sinus(100), fibrillation(400), sinus(100)),
        series(steady(60, 1000), PAUSE, steady(60, 1000)),
        series(steady(60, 1300), np.linspace(1300, 1720, 20), steady(60, 1720)),
        series(steady(80, 950), steady(120, 380)),
    ],
    ids=["fibrillation", "pause", "slow", "fast"],
)
def test_two_straps_on_one_person_raise_one_finding(beats: NDArray[np.float64]) -> None:
    (alone,) = watched(readings(beats))
    (together,) = watched(both(beats), "strap", "patch")
    assert (together.episode, together.at_ns) == (alone.episode, alone.at_ns)
    assert len(together.devices) == 1


def test_the_strap_that_goes_on_takes_over_and_the_doubted_one_gives_way() -> None:
    beats = series(sinus(60), fibrillation(300))
    every = readings(beats)
    cut = 150
    other = [replace(o, device_id="patch") for o in every]
    (found,) = watched([*every[:cut], *other[cut + 15 :]], "strap", "patch")
    assert found.devices == ("patch",)
    assert found.at_ns < every[-1].at_ns
    doubted = [replace(o, quality=Quality.POOR) if i > 100 and i % 2 else o for i, o in enumerate(every)]
    mixed = sorted([*doubted, *other], key=lambda o: (o.received_ns, o.device_id != "strap"))
    (found,) = watched(mixed, "strap", "patch")
    assert found.devices == ("patch",)


def test_a_device_that_is_taken_away_leaves_the_other_one_its_window() -> None:
    beats = readings(fibrillation(400))
    watch = RhythmWatch()
    watch.attach("strap", "zhang")
    watch.attach("patch", "zhang")
    watch.ingest(beats[:80])
    watch.detach("strap")
    watch.detach("strap")
    watch.ingest([replace(o, device_id="patch") for o in beats[80:200]])
    (found,) = watch.step(T0)
    assert (found.kind, found.devices) == ("possible_af", ("patch",))
    assert int(found.evidence["since_ns"]) < beats[100].at_ns, "the beats of the first strap count"


@pytest.mark.parametrize("cut", [60, 110, 200])
def test_an_exchange_in_the_middle_changes_nothing(cut: int) -> None:
    beats = readings(series(sinus(90), fibrillation(400), sinus(2600, seed=5), PAUSE, steady(60, 1000)))
    wanted = watched(beats)
    first = RhythmWatch()
    first.attach("strap", "zhang")
    first.ingest(beats[:cut])
    found = first.step(T0)
    kept = json.loads(json.dumps(first.remember()))
    second = RhythmWatch()
    second.recall(kept)
    second.attach("strap", "zhang")
    for one in found:
        assert second.resume(one, T0)
    second.ingest(beats[cut:])
    found += second.step(T0)
    assert [(f.episode, f.phase, f.at_ns) for f in found] == [(f.episode, f.phase, f.at_ns) for f in wanted]


def test_what_is_open_ends_in_a_part_that_knows_nothing_else() -> None:
    scenes = (
        series(fibrillation(300), sinus(5200)),
        series(
            steady(60, 1300), np.linspace(1300, 1720, 20), steady(60, 1720), np.linspace(1720, 900, 20), steady(60, 900)
        ),
        series(steady(60, 1000), PAUSE, steady(2000, 1000)),
    )
    for beats in scenes:
        begun, ended = watched(readings(beats))
        fresh = RhythmWatch()
        assert not fresh.resume(begun, T0), "nobody is watched"
        fresh.attach("strap", "zhang")
        assert not fresh.resume(replace(begun, kind="fall"), T0)
        assert fresh.resume(begun, T0)
        fresh.ingest([o for o in readings(beats) if o.received_ns > begun.at_ns])
        (over,) = fresh.step(T0)
        assert (over.episode, over.phase) == (begun.episode, Phase.CLEARED)
        assert abs(over.at_ns - ended.at_ns) < 90 * SECOND


def test_a_state_that_does_not_fit_is_left_out() -> None:
    watch = RhythmWatch()
    watch.attach("strap", "zhang")
    watch.ingest(readings(sinus(20)))
    kept = watch.remember()
    fresh = RhythmWatch()
    fresh.attach("strap", "zhang")
    fresh.recall({"zhang": {**kept["zhang"], "log_ms": [1, 2]}})
    assert fresh.remember() == {}
    fresh.recall(kept)
    assert fresh.remember() == kept


def pace_scene() -> Scenario:
    """A slow heart, a pause and a fast run of one person with two straps; another one with missed beats."""
    mine = series(
        *(steady(16, 1100), np.linspace(1100, 1700, 6), steady(24, 1720), steady(14, 1000), PAUSE),
        *(steady(14, 1000), steady(95, 390)),
    )
    ill = both(mine)
    well = readings(series(steady(20, 850), np.tile([850.0, 1700.0], 20), 3400.0, steady(20, 850)), "belt")
    every = tuple(sorted([*ill, *well], key=lambda o: o.received_ns))
    devices = {"strap": "zhang", "patch": "zhang", "belt": "li", "spare": None}
    expected = frozenset({"slow_rhythm", "fast_rhythm", "heart_pause"})
    return Scenario("pace", devices, every, T0, every[-1].received_ns, expected)


def test_keeps_the_contract() -> None:
    check_detector(RhythmWatch, pace_scene())


@dataclass
class Recorded:
    name: str
    group: str
    interval_s: NDArray[np.float64]
    rhythm: NDArray[np.int64]


def test_episodes_a_day_of_recordings_by_kind_and_group() -> None:
    ill = series(
        steady(40, 1000),
        np.linspace(1000, 1700, 20),
        steady(40, 1720),
        7000.0,
        steady(30, 1000),
        PAUSE,
        steady(30, 1000),
    )
    well = steady(5000, 800)
    recorded = [
        Recorded(name, group, one / 1000, np.zeros(len(one), np.int64))
        for name, group, one in (("chf/a", "chf", ill), ("normal/b", "normal", well))
    ]
    result = evaluate_rhythm(recorded)
    pace = result["pace"]
    assert pace["slow_rhythm"]["chf"]["by_series"] == {"chf/a": 1}
    assert pace["heart_pause"]["chf"]["episodes"] == 1
    assert [pace[kind]["normal"]["episodes"] for kind in pace] == [0, 0, 0]
    assert pace["heart_pause"]["chf"]["per_day"]["value"] == pytest.approx(86_400_000 / ill.sum(), rel=1e-3)
    assert "heart_pause, chf: 1 episodes" in summary(result)
