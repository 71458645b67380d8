"""Too many breathing pauses, or falls of oxygen, of a night: told once, ended at noon, never without good signal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from apnoea_scenes import NIGHT, SECOND, bed, body, in_order, oxygen, waves

from analytics.apnoea.events import Breaths, Oxygen, amplitude
from analytics.apnoea.watch import ApnoeaWatch
from analytics.care import Care
from analytics.check import check_detector
from analytics.findings import Finding, Phase
from analytics.scenarios import Scenario
from analytics.words import why
from device_drivers.observations import Observation, Quality
from simulators.physiology import breath

quick = partial(ApnoeaWatch, least_good_s=300)
DAY = 86_400 * SECOND
NOON = NIGHT + 13 * 3600 * SECOND


def found(
    observations: Sequence[Observation], watch: ApnoeaWatch | None = None, devices: Sequence[str] = ("radar", "clip")
) -> list[Finding]:
    watch = watch or quick()
    for device in devices:
        watch.attach(device, "zhang")
    out: list[Finding] = []
    for at in range(0, len(observations), 50):
        watch.ingest(observations[at : at + 50])
        out += watch.step(observations[min(at + 49, len(observations) - 1)].received_ns)
    return out


def found_of_each(*scenes: Sequence[Observation]) -> list[list[Finding]]:
    """The same of several people at once, in the order of the scenes."""
    watch = quick()
    for i, scene in enumerate(scenes):
        for device in {o.device_id for o in scene}:
            watch.attach(f"{device} {i}", f"{i}")
    everybody = in_order(*([replace(o, device_id=f"{o.device_id} {i}") for o in one] for i, one in enumerate(scenes)))
    said = found(everybody, watch, ())
    return [[one for one in said if one.resident_id == f"{i}"] for i in range(len(scenes))]


def test_a_night_of_central_pauses_is_told_once_and_ends_at_noon() -> None:
    watch = quick()
    (one,) = found(waves(body(1, 1000, 60, (breath.CENTRAL,))), watch)
    assert (one.kind, one.phase, one.resident_id, one.devices) == (
        "possible_apnoea", Phase.CONFIRMED, "zhang", ("radar",)
    )  # fmt: skip
    assert one.evidence["pauses_per_h"] >= 15
    assert 10 <= one.evidence["longest_pause_s"] <= 40
    assert one.evidence["hypopnoeas"] == 0
    said = why(one.evidence)
    assert "今夜呼吸停顿每小时" in said.zh
    assert "breathing pauses an hour tonight" in said.en
    assert watch.step(NOON - 1) == []
    (end,) = watch.step(NOON + 5 * SECOND)
    assert (end.episode, end.phase, end.at_ns) == (one.episode, Phase.CLEARED, NOON)
    next_night = waves(body(2, 1000, 60, (breath.CENTRAL,)), start_ns=NIGHT + 86_400 * SECOND)
    assert [again.phase for again in found(next_night, watch)] == [Phase.CONFIRMED]


def test_calm_breathing_few_pauses_and_too_short_a_time_are_nothing() -> None:
    assert found_of_each(waves(body(1, 2000, 0)), waves(body(1, 1800, 6, (breath.CENTRAL,)))) == [[], []]
    assert found(waves(body(1, 1000, 60, (breath.CENTRAL,))), ApnoeaWatch()) == [], "two hours are needed"


def test_obstructive_pauses_need_the_oxygen_to_be_seen() -> None:
    one = body(3, 1200, 60, (breath.OBSTRUCTIVE,))
    shown, steady = breath.oxygen(np.random.default_rng(1), one.air), np.full(1200, 96.0)
    breathing, alone, no_fall, both = found_of_each(
        waves(one), oxygen(shown), in_order(waves(one), oxygen(steady)), in_order(waves(one), oxygen(shown))
    )
    assert breathing == []
    assert [f.evidence["signal"] for f in alone] == ["spo2"]
    assert "血氧下降" in why(alone[0].evidence).zh
    assert no_fall == [], "reduced breathing without a fall of oxygen is none"
    assert len(both) == 1


def test_reduced_breathing_with_falling_oxygen_is_counted_as_hypopnoea() -> None:
    one = body(4, 1800, 40, (breath.HYPOPNOEA,))
    values = np.full(1800, 96.0)
    for event in one.events:
        values[int(event.from_s + 15) : int(event.to_s + 20)] = 92.0
    watch = ApnoeaWatch(least_good_s=900, index=25)
    for device, who in (("radar", "zhang"), ("clip", "zhang")):
        watch.attach(device, who)
    watch.ingest(in_order(waves(one), oxygen(values)))
    watch._candidates = [c for c in watch._candidates if c.order == 0]
    (said,) = watch.step(NIGHT + 1800 * SECOND)
    assert said.evidence["hypopnoeas"] >= 6
    assert said.evidence["apnoeas"] == 0


@pytest.mark.slow
def test_only_the_night_or_time_in_bed_counts() -> None:
    by_day = NIGHT + 12 * 3600 * SECOND
    one = body(1, 1000, 60, (breath.CENTRAL,))
    assert found(waves(one, start_ns=by_day)) == []
    watch = quick()
    watch.attach("mat", "zhang")
    noon_bed = replace(bed("in", 0), at_ns=by_day, received_ns=by_day)
    assert len(found([noon_bed, *waves(one, start_ns=by_day)], watch)) == 1
    out = quick()
    out.attach("mat", "zhang")
    assert found([bed("left", 0), *waves(one)], out) == []
    shifted = quick()
    shifted.set_care("zhang", Care(night_from_min=9 * 60, night_to_min=15 * 60))
    assert len(found(waves(one, start_ns=by_day), shifted)) == 1
    shifted.set_care("zhang", Care())
    next_day = found(waves(one, start_ns=by_day + 86_400 * SECOND), shifted, ())
    assert {one.phase for one in next_day} == {Phase.CLEARED}


def test_beds_that_change_within_a_batch_count_from_then_on() -> None:
    scene = waves(body(1, 300, 60, (breath.CENTRAL,)))
    changes: list[Observation] = [
        bed(word, at_s, device)
        for word, at_s, device in (
            ("left", 95, "mat"),
            ("in", 155, "second"),
            ("left", 205, "second"),
            ("in", 255, "mat"),
        )
    ]
    by_one, at_once = quick(), quick()
    for watch, size in ((by_one, 1), (at_once, 1000)):
        watch.set_care("zhang", Care(night_from_min=22 * 60))
        for device in ("radar", "mat", "second"):
            watch.attach(device, "zhang")
        watch.set_care("zhang", Care())
        together = in_order(scene, changes)
        for at in range(0, len(together), size):
            watch.ingest(together[at : at + size])
        sums = watch.sums("radar")
        assert sums is not None
        assert 100 < sums.good_s < 200, "in bed or not known: 195 s, of which the first are learned from"
    assert by_one.sums("radar") == at_once.sums("radar")
    at_once.detach("mat")
    assert at_once.remember()["zhang"]["devices"].keys() == {"radar"}


def test_an_empty_bed_noise_and_a_dead_sensor_are_nothing() -> None:
    one = body(1, 1500, 0)
    chance = np.random.default_rng(5)
    still = waves(replace(one, chest=0 * one.chest), noise=0.0)
    noisy = waves(replace(one, chest=0 * one.chest), noise=20.0)
    flicker = waves(replace(one, chest=one.chest * np.repeat(chance.integers(0, 2, 50), 750)))
    gone = [o for i, o in enumerate(waves(one)) if (i // 3) % 2]
    *nothing, hints = found_of_each(still, noisy, gone, flicker)
    assert nothing == [[], [], []]
    # the signal comes and goes for half a minute at a time: looks like pauses of 30 s, is at most one hint a night
    assert len(hints) <= 1


def test_what_is_stored_doubtful_or_of_another_device_is_left_out() -> None:
    scene = waves(body(1, 1000, 60, (breath.CENTRAL,)))
    assert found([replace(o, stored=True) for o in scene]) == []
    assert found([replace(o, quality=Quality.POOR) for o in scene]) == []
    assert found(scene, devices=("another",)) == []
    falls = oxygen(breath.oxygen(np.random.default_rng(1), body(3, 1000, 40).air))
    assert found([replace(o, quality=Quality.POOR) for o in falls]) == []
    two = [part for o in scene for part in (replace(o, signal="bed_wave"), replace(o, values=-o.values))]
    assert len(found(two)) == 1, "one wave of a device is enough"


def test_resolved_resumed_and_moved() -> None:
    scene = waves(body(1, 1500, 60, (breath.CENTRAL,)))
    watch = quick()
    (one,) = found(scene[: len(scene) * 2 // 3], watch)
    watch.close(one.episode)
    assert found(scene[len(scene) * 2 // 3 :], watch) == []
    assert watch.step(NOON) == []
    again = quick()
    again.attach("radar", "zhang")
    assert again.resume(one, NIGHT)
    assert not again.resume(replace(one, devices=()), NIGHT)
    assert not again.resume(replace(one, kind="fall"), NIGHT)
    assert found(scene, again) == []
    assert [f.episode for f in again.step(NOON)] == [one.episode]
    again.attach("radar", "li")
    assert again.step(NOON) == []
    again.detach("radar")
    again.detach("radar")


def restarted(watch: ApnoeaWatch, resident: str = "zhang", least_good_s: float = 600) -> ApnoeaWatch:
    """Another one that is told what this one remembers, as it is saved; its devices are attached."""
    fresh = ApnoeaWatch(least_good_s=least_good_s)
    fresh.recall(json.loads(json.dumps(watch.remember())))
    for device in ("radar", "clip"):
        fresh.attach(device, resident)
    return fresh


def test_a_restart_within_the_night_does_not_begin_the_count_anew() -> None:
    one = body(1, 1000, 60, (breath.CENTRAL,))
    scene = in_order(waves(one), oxygen(breath.oxygen(np.random.default_rng(1), one.air)))
    half = len(scene) // 2
    watch = ApnoeaWatch(least_good_s=600)
    assert watch.remember() == {}
    assert found(scene[:half], watch) == []
    before = {device: watch.sums(device) for device in ("radar", "clip")}
    fresh = restarted(watch)
    assert {device: fresh.sums(device) for device in before} == before
    assert fresh.remember() == watch.remember()
    (said,) = found(scene[half:], fresh)
    assert said.evidence["good_h"] >= round(600 / 3600, 2)
    assert found(scene[half:], restarted(ApnoeaWatch())) == [], "the second half alone is too short"
    assert found(scene[half:], restarted(watch, "li"), devices=()) == [], "what was another's night"
    later = [replace(o, at_ns=o.at_ns + DAY, received_ns=o.received_ns + DAY) for o in scene[half:]]
    assert found(later, restarted(watch)) == [], "another night begins anew"
    running = ApnoeaWatch(least_good_s=600)
    for device in before:
        running.attach(device, "zhang")
    running.recall(watch.remember())
    assert {device: running.sums(device) for device in before} == before
    running.detach("radar")
    running.attach("radar", "zhang")
    assert running.sums("radar") is None, "a device that was detached has no past"


def test_what_was_told_before_a_restart_is_not_told_again_that_night() -> None:
    scene = waves(body(1, 1500, 60, (breath.CENTRAL,)))
    watch = ApnoeaWatch(least_good_s=600)
    (one,) = found(scene[: len(scene) * 2 // 3], watch)
    watch.close(one.episode)
    assert found(scene[len(scene) * 2 // 3 :], restarted(watch)) == []


def test_a_state_that_does_not_fit_is_left_out() -> None:
    unfit: list[object] = [[], {"breath": {"night": 1}}, {"breath": 3}, {"other": {}}]
    states: list[dict[str, object]] = [
        {"told": None, "devices": {}},
        {"told": 5, "devices": []},
        *({"told": 5, "devices": {f"radar-{i}": state}} for i, state in enumerate(unfit, 2)),
    ]
    watch = quick()
    watch.recall({f"resident-{i}": state for i, state in enumerate(states)})
    for i in range(len(states)):
        watch.attach(f"radar-{i}", f"resident-{i}")
    scene = waves(body(1, 1000, 60, (breath.CENTRAL,)))
    told = found([replace(o, device_id=f"radar-{i}") for o in scene for i in range(len(states))], watch, ())
    assert sorted(one.resident_id or "" for one in told) == [f"resident-{i}" for i in range(len(states))]


def test_amplitude_is_that_of_the_sine_and_unknown_with_a_hole() -> None:
    time = np.arange(22) / 5
    wave = np.stack([np.sin(2 * np.pi * 0.25 * time), np.zeros(22), np.full(22, np.nan)])
    size = amplitude(wave)
    assert size[0] == pytest.approx(2.0, rel=0.1)
    assert size[1] == 0
    assert np.isnan(size[2])


def seconds(state: Breaths | Oxygen, values: Sequence[float], start: int = 1_000_000) -> list[tuple[int, int, int]]:
    slot, out = np.array([state.table.acquire()]), []
    for i, value in enumerate(values):
        at, now = np.array([start + i]), np.array([float(value)])
        if isinstance(state, Breaths):
            ended, _ = state.second(slot, at, now, np.array([True]))
        else:
            ended, _ = state.second(slot, at, now)
        out += [
            (int(b) - start, int(n), int(s)) for b, n, s in zip(ended.began, ended.length_s, ended.still_s, strict=True)
        ]
    return out


def test_the_lengths_of_the_definitions() -> None:
    usual = [100.0] * 60
    assert seconds(Breaths(), [*usual, *[5.0] * 6, *usual]) == [], "9 s without breathing"
    assert seconds(Breaths(), [*usual, *[5.0] * 7, *usual]) == [(60, 7, 10)]
    assert seconds(Breaths(), [*usual, *[60.0] * 9, *usual]) == []
    assert seconds(Breaths(), [*usual, *[60.0] * 10, *usual]) == [(60, 10, 0)]
    assert seconds(Breaths(), [*usual, *[80.0] * 30, *usual]) == [], "less by 20 % is not reduced"
    assert seconds(Breaths(), [*usual, *[5.0] * 150, *usual]) == [], "so long is no pause but no signal"
    assert seconds(Breaths(), [*usual, *[5.0] * 8, np.nan, *usual]) == [], "what is not known ends it without a word"
    assert seconds(Oxygen(), [*[96.0] * 60, *[93.0] * 12, *[96.0] * 20]) == [(60, 12, 0)]
    assert seconds(Oxygen(), [*[96.0] * 60, *[94.0] * 12, *[96.0] * 20]) == []
    assert seconds(Oxygen(), [*[96.0] * 60, *[93.0] * 3, *[96.0] * 20]) == []
    assert seconds(Oxygen(), [*[96.0] * 60, *[90.0] * 200, *[96.0] * 20]) == [], "a new level is no fall"


def test_the_contract_of_all_detectors() -> None:
    one = body(5, 300, 120)
    shown = breath.oxygen(np.random.default_rng(1), one.air)
    scene = [bed("in", 0), *in_order(waves(one), oxygen(shown, every=3))]
    check_detector(
        partial(ApnoeaWatch, least_good_s=120),
        Scenario(
            "night",
            {"radar": "zhang", "clip": "zhang", "mat": "zhang"},
            tuple(scene),
            NIGHT,
            NIGHT + 300 * SECOND,
            frozenset({"possible_apnoea"}),
        ),
    )
