"""Beats, heart rate and breathing from continuous waves: right, or no answer."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from analytics.ppg.breathing import HZ as PULSE_HZ
from analytics.ppg.breathing import pulse_breathing
from analytics.waves import beats, rates
from simulators.physiology import bed, breath, heart, pulse

Floats = NDArray[np.float64]


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def windows(wave: Floats, size: int, step: int) -> Floats:
    return np.stack([wave[at : at + size] for at in range(0, len(wave) - size + 1, step)])


def bed_of(seed: int, rate: float, noise: float = 0.1, seconds: float = 300, irregular: float = 0.0) -> bed.BedWave:
    chance = rng(seed)
    body = breath.breathe(chance, seconds, 14)
    times = heart.made_up_beats(chance, seconds, rate, body)
    if irregular:
        gaps = np.clip(60 / rate * (1 + irregular * chance.normal(size=len(times))), 0.35, 1.5)
        times = np.cumsum(gaps)[np.cumsum(gaps) < seconds]
    return bed.bed_wave(chance, times, body, rate_hz=beats.HZ, noise=noise)


def found_in(one: bed.BedWave) -> tuple[Floats, Floats, beats.Beats]:
    """Times and intervals of what is new in each window."""
    parts = windows(one.wave, beats.SIZE, int(beats.STEP_S * beats.HZ))
    said = beats.find_beats(parts)
    new = (said.at_s >= beats.NEW_S[0]) & (said.at_s < beats.NEW_S[1])
    at = said.at_s + beats.STEP_S * np.arange(len(parts))[:, None]
    order = np.argsort(at[new])
    return at[new][order], said.interval_s[new][order], said


@pytest.mark.parametrize("rate", [48, 66, 100])
def test_every_beat_is_found_and_its_interval_is_right_to_some_milliseconds(rate: float) -> None:
    one = bed_of(3, rate)
    at, interval, said = found_in(one)
    inside = one.j_s[(one.j_s > 6) & (one.j_s < at[-1])]
    nearest = np.abs(at[None] - inside[:, None]).min(axis=1)
    assert (nearest < 0.15).mean() > 0.97
    true = np.interp(at, one.j_s[1:], np.diff(one.j_s))
    known = np.isfinite(interval)
    assert known.mean() > 0.95
    assert np.median(np.abs(interval - true)[known]) < 0.02
    assert np.nanmin(said.quality) >= beats.LIKE
    heart_rate, sure = beats.heart_rates(said)
    assert np.nanmedian(heart_rate) == pytest.approx(60 / np.diff(one.j_s).mean(), abs=1.5)
    assert sure[np.isfinite(heart_rate)].min() > 0.7


def test_irregular_beats_are_found_too() -> None:
    one = bed_of(4, 75, noise=0.05, irregular=0.15)
    at, interval, _ = found_in(one)
    inside = one.j_s[(one.j_s > 6) & (one.j_s < 290)]
    assert (np.abs(at[None] - inside[:, None]).min(axis=1) < 0.15).mean() > 0.85
    assert np.nanstd(interval) == pytest.approx(np.diff(one.j_s).std(), rel=0.3)


def test_noise_a_flat_line_missing_samples_and_an_empty_bed_have_no_beats() -> None:
    noise = rng(5).normal(size=(60, beats.SIZE))
    said = beats.find_beats(noise)
    rate, _ = beats.heart_rates(said)
    assert np.isfinite(rate).mean() < 0.05
    flat = np.zeros((2, beats.SIZE))
    holed = windows(bed_of(3, 60).wave, beats.SIZE, beats.SIZE)[:2].copy()
    holed[:, 300] = np.nan
    for wave in (flat, holed):
        assert np.isnan(beats.find_beats(wave).at_s).all()
    assert np.isnan(beats.heart_rates(beats.find_beats(flat))[0]).all()
    assert (beats.heart_rates(beats.find_beats(holed))[1] == 0).all()
    assert len(beats.find_beats(np.zeros((0, beats.SIZE))).at_s) == 0


def test_beats_of_many_beds_are_those_of_each() -> None:
    waves = [windows(bed_of(seed, 60 + 10 * seed).wave, beats.SIZE, 400)[3] for seed in range(4)]
    together = beats.find_beats(np.stack(waves))
    for row, wave in enumerate(waves):
        alone = beats.find_beats(wave[None])
        for mine, own in zip(together, alone, strict=True):
            np.testing.assert_allclose(mine[row], own[0], atol=1e-9)


def test_movement_hides_beats_and_no_interval_spans_it() -> None:
    chance = rng(8)
    body = breath.breathe(chance, 60, 14)
    times = heart.made_up_beats(chance, 60, 66, body)
    one = bed.bed_wave(chance, times, body, rate_hz=beats.HZ, events=(bed.BedEvent("move", 6.0, 8.0),))
    said = beats.find_beats(one.wave[None, : beats.SIZE])
    at = said.at_s[0][np.isfinite(said.at_s[0])]
    assert at.size
    assert not ((at > 6.0) & (at < 8.0)).any()
    assert not np.isfinite(said.interval_s[0][np.flatnonzero(said.at_s[0] > 8.0)[:1]]).any()
    assert np.nanmax(said.interval_s) < 1.5


@pytest.mark.parametrize("rate", [9.0, 15.0, 24.0])
def test_breathing_from_the_chest_and_from_the_pulse(rate: float) -> None:
    chance = rng(2)
    body = breath.breathe(chance, 300, rate)
    times = heart.made_up_beats(chance, 300, 80, body)
    wave = pulse.pulse_wave(chance, times, body, rate_hz=PULSE_HZ)
    chest = rates.rate_of(windows(body.chest[:: breath.HZ // rates.HZ], rates.SIZE, 50))
    wrist = pulse_breathing(windows(wave, int(rates.WINDOW_S * PULSE_HZ), 10 * PULSE_HZ))
    true = np.array([body.rate[at * 250 : at * 250 + 1000].mean() for at in range(len(chest.rate))])
    assert np.isfinite(chest.rate).mean() > 0.9
    assert np.nanmax(np.abs(chest.rate - true)) < 1.5
    assert np.isfinite(wrist.rate).mean() > 0.5
    assert np.nanmean(np.abs(wrist.rate - true)) < 1.0


def test_a_wave_without_breathing_gets_no_rate() -> None:
    noise = rng(3).normal(size=(200, rates.SIZE))
    assert np.isfinite(rates.rate_of(noise).rate).mean() < 0.02
    for still in (np.zeros((1, rates.SIZE)), np.full((1, rates.SIZE), np.nan), np.linspace(0, 9, rates.SIZE)[None]):
        said = rates.rate_of(still)
        assert np.isnan(said.rate).all()
        assert (said.confidence == 0).all()
    size = int(rates.WINDOW_S * PULSE_HZ)
    for dark in (np.zeros((1, size)), np.full((1, size), np.nan), rng(4).normal(size=(20, size))):
        said = pulse_breathing(dark)
        assert np.isnan(said.rate).all()
        assert (said.confidence == 0).all()


def test_a_pause_or_movement_within_the_window_gets_no_rate() -> None:
    time = np.arange(rates.SIZE) / rates.HZ
    wave = np.sin(2 * np.pi * 0.25 * time)
    paused, moved = wave.copy(), wave.copy()
    paused[120:170] = 0.0
    moved[100:110] += 30.0
    said = rates.rate_of(np.stack([wave, paused, moved]))
    assert said.rate[0] == pytest.approx(15.0, abs=0.2)
    assert np.isnan(said.rate[1:]).all()


def test_the_heart_in_a_radar_wave_of_five_points_a_second() -> None:
    time = np.arange(rates.SIZE) / rates.HZ
    wave = np.stack([np.sin(2 * np.pi * rate / 60 * time) for rate in (50, 72, 120)])
    np.testing.assert_allclose(rates.rate_of(wave, rates.HEART).rate, [50, 72, 120], atol=0.5)
