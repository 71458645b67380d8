"""The made-up body is what its labels say: pauses stop the chest, oxygen follows, beats make the waves."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from simulators.physiology import bed, breath, heart, pulse


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_same_seed_gives_the_same_body() -> None:
    def body() -> tuple[np.ndarray, ...]:
        chance = rng(7)
        breathing = breath.breathe(chance, 300, 15, breath.plan_events(chance, 300, 40))
        beats = heart.made_up_beats(chance, 300, 70, breathing)
        wave = bed.bed_wave(chance, beats, breathing, events=bed.plan_movements(chance, 300, 60))
        return beats, breathing.chest, wave.wave, pulse.pulse_wave(chance, beats, breathing)

    for one, again in zip(body(), body(), strict=True):
        np.testing.assert_array_equal(one, again)


def test_made_up_beats_come_at_the_rate_and_breathe() -> None:
    breathing = breath.breathe(rng(), 1200, 15)
    beats = heart.made_up_beats(rng(), 1200, 70, breathing)
    assert 60 * len(beats) / 1200 == pytest.approx(70, rel=0.05)
    interval = np.diff(beats)
    filled = breathing.lungs[(beats[:-1] * breath.HZ).astype(int)]
    assert np.corrcoef(interval, filled)[0, 1] < -0.3, "beats come sooner while the lungs are full"
    assert (np.diff(heart.made_up_beats(rng(), 60, 40)) > 1.0).all()


def test_recorded_beats_keep_their_intervals_without_the_gaps() -> None:
    series = np.tile([0.8, 0.9, 40.0, 0.7], 200)
    beats = heart.recorded_beats(rng(), series, 300.0)
    assert set(np.round(np.diff(beats), 3)) == {0.7, 0.8, 0.9}
    assert beats[-1] < 300.0
    with pytest.raises(ValueError, match="300 s are needed"):
        heart.recorded_beats(rng(), np.full(10, 0.8), 300.0)


def test_pauses_are_planned_apart_and_as_many_as_fit() -> None:
    events = breath.plan_events(rng(), 3600, 30)
    assert len(events) == 30
    gaps = [later.from_s - one.to_s for one, later in pairwise(events)]
    assert min(gaps) >= 20.0
    assert all(12 <= one.to_s - one.from_s <= 35 for one in events)
    assert 20 < len(breath.plan_events(rng(), 3600, 200)) < 200
    assert breath.plan_events(rng(), 3600, 0) == ()


def swing(chest: np.ndarray, event: breath.BreathEvent) -> float:
    return float(np.ptp(chest[int((event.from_s + 1) * breath.HZ) : int((event.to_s - 1) * breath.HZ)]))


def test_the_chest_stands_still_works_on_or_moves_less() -> None:
    plan = [breath.BreathEvent(kind, 100.0 + 100 * i, 125.0 + 100 * i) for i, kind in enumerate(breath.KINDS)]
    body = breath.breathe(rng(), 500, 15, plan)
    usual = np.ptp(body.chest[30 * breath.HZ : 90 * breath.HZ])
    central, obstructive, hypopnoea = (swing(body.chest, event) / usual for event in plan)
    assert central < 0.1
    assert 0.2 < obstructive < 0.9
    assert 0.2 < hypopnoea < 0.7
    assert body.air[int(112 * breath.HZ)] == 0.0
    assert body.air[int(212 * breath.HZ)] == pytest.approx(0.03)


def test_oxygen_falls_some_time_after_a_pause_and_comes_back() -> None:
    body = breath.breathe(rng(), 400, 15, [breath.BreathEvent(breath.CENTRAL, 100.0, 125.0)])
    shown = breath.oxygen(rng(), body.air)
    assert len(shown) == 400
    assert shown[:115].min() >= 95
    lowest = int(shown.argmin())
    assert 125 < lowest < 160
    assert shown[lowest] <= 92
    assert shown[250:].min() >= 95
    assert (shown == np.rint(shown)).all()


def test_a_short_pause_costs_no_oxygen() -> None:
    body = breath.breathe(rng(), 200, 15, [breath.BreathEvent(breath.CENTRAL, 100.0, 105.0)])
    assert breath.oxygen(rng(), body.air).min() >= 95


def test_the_bed_shows_beats_breath_movement_and_nobody() -> None:
    chance = rng()
    body = breath.breathe(chance, 400, 15)
    beats = heart.made_up_beats(chance, 400, 60, body)
    events = (bed.BedEvent("turn", 100, 110), bed.BedEvent("move", 150, 153), bed.BedEvent("out", 300, 360))
    wave = bed.bed_wave(chance, beats, body, noise=0.05, events=events)
    assert len(wave.wave) == 40_000
    assert wave.wave[10_000:11_000].std() > 4 * wave.wave[5_000:9_000].std()
    assert wave.wave[31_000:35_000].std() < 0.2, "nobody moves the empty bed"
    assert not ((wave.j_s >= 300) & (wave.j_s < 360)).any()
    assert wave.disturbed.sum() == pytest.approx((10 + 3 + 60) * 100, abs=3)
    strongest = [
        wave.wave[int(j * 100) - 3 : int(j * 100) + 4].max() - wave.wave[int(j * 100) - 10] for j in wave.j_s[5:60]
    ]
    assert np.mean(strongest) > 0.5
    assert bed.plan_movements(rng(), 3600, 0) == ()
    assert {event.kind for event in bed.plan_movements(rng(), 20 * 3600)} == {"move", "turn"}


def test_the_pulse_has_a_wave_for_each_beat_on_a_breathing_baseline() -> None:
    body = breath.breathe(rng(), 120, 12)
    beats = heart.made_up_beats(rng(), 120, 72)
    wave = pulse.pulse_wave(
        rng(), beats, body, rate_hz=50, noise=0.0, breathed=pulse.Breathed(baseline=0.0, height=0.0)
    )
    peaks = np.flatnonzero((wave[1:-1] > wave[:-2]) & (wave[1:-1] >= wave[2:]) & (wave[1:-1] > pulse.LEVEL + 0.7))
    assert len(peaks) == pytest.approx(len(beats), abs=3)
    breathed = pulse.pulse_wave(rng(), beats, body, noise=0.0, breathed=pulse.Breathed(baseline=2.0, height=0.0))
    lungs = np.interp(np.arange(6000) / 50, np.arange(len(body.lungs)) / breath.HZ, body.lungs)
    assert np.corrcoef(breathed - wave, lungs)[0, 1] > 0.99
