"""Waves become readings that limits and scores use, once for each signal, and only where the wave is good."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from analytics.check import check_detector
from analytics.engine import Engine, default_engine
from analytics.findings import Finding, Phase
from analytics.limits import VitalLimits
from analytics.scenarios import Scenario
from analytics.waves.readings import WaveReadings
from analytics.words import why
from device_drivers.observations import DeviceEvent, Observation, Quality, Reading, Samples
from simulators.physiology import bed, breath, heart, pulse

SECOND = 1_000_000_000
T0 = 1_800_000_000 * SECOND
Floats = NDArray[np.float64]


def blocks(signal: str, values: Floats, hz: float, device: str = "one", seconds: float = 1.0) -> list[Observation]:
    size = round(hz * seconds)
    wide = values if values.ndim == 2 else values[:, None]
    out: list[Observation] = []
    for at in range(0, len(wide) - size + 1, size):
        at_ns = T0 + round(at / hz * SECOND)
        part = wide[at : at + size].astype(np.float32)
        out.append(Samples(device, signal, part, hz, at_ns, at_ns + round(seconds * SECOND)))
    return out


def beating(rate: float, seconds: float, hz: float) -> Floats:
    time = np.arange(round(seconds * hz)) / hz
    return np.asarray(np.sin(2 * np.pi * rate / 60 * time) + 0.4 * np.sin(4 * np.pi * rate / 60 * time))


def derived(scene: Iterable[Observation], part: WaveReadings | None = None) -> list[Reading]:
    part = part or WaveReadings()
    part.attach("one", "zhang")
    part.ingest(sorted(scene, key=lambda o: o.received_ns))
    return part.derived()


def values(readings: Iterable[Reading], signal: str) -> list[float]:
    return [float(one.value or 0) for one in readings if one.signal == signal]


def test_a_radar_wave_gives_breathing_and_heart() -> None:
    scene = blocks("breath_wave", 40 * beating(14, 80, 5), 5) + blocks("heart_wave", 20 * beating(66, 80, 5), 5)
    said = derived(scene)
    assert values(said, "respiratory_rate") == pytest.approx([14] * 4, abs=0.5)
    assert values(said, "heart_rate") == pytest.approx([66] * 4, abs=1)
    assert all(one.derived and one.quality is Quality.GOOD and one.at_ns <= one.received_ns for one in said)
    assert [one.received_ns for one in said] == sorted(one.received_ns for one in said)


@pytest.mark.parametrize("hz", [50.0, 100.0, 250.0])
def test_a_bed_wave_gives_breathing_and_heart(hz: float) -> None:
    chance = np.random.default_rng(1)
    body = breath.breathe(chance, 80, 15)
    beats = heart.made_up_beats(chance, 80, 70, body)
    wave = bed.bed_wave(chance, beats, body, rate_hz=hz, noise=0.05)
    said = derived(blocks("bed_wave", wave.wave / 40, hz))
    assert values(said, "heart_rate") == pytest.approx([60 / np.diff(beats).mean()] * 17, abs=6)
    assert np.mean(values(said, "respiratory_rate")) == pytest.approx(body.rate.mean(), abs=1.5)


def test_a_pulse_wave_gives_the_heart_under_motion_and_breathing() -> None:
    chance = np.random.default_rng(2)
    body = breath.breathe(chance, 100, 15)
    beats = heart.made_up_beats(chance, 100, 84, body)
    wave = pulse.pulse_wave(chance, beats, body, rate_hz=50) / 40
    still = np.tile([0.0, 0.0, 1.0], (5000, 1)) + 0.002 * chance.normal(size=(5000, 3))
    said = derived(blocks("accel", still, 50) + blocks("pulse_wave", wave, 50))
    assert np.mean(values(said, "heart_rate")[5:]) == pytest.approx(60 / np.diff(beats).mean(), abs=3)
    assert len(values(said, "heart_rate")) > 35
    assert np.median(values(said, "respiratory_rate")) == pytest.approx(15, abs=2)


def test_acceleration_that_is_missing_for_a_while_means_no_answer() -> None:
    wave = beating(72, 60, 25)
    accel = blocks("accel", np.tile([0.0, 0.0, 1.0], (3000, 1)), 50)
    holed = [o for o in accel if not 20 <= (o.at_ns - T0) / SECOND < 45]
    times = [
        (o.at_ns - T0) / SECOND for o in derived(blocks("pulse_wave", wave, 25) + holed) if o.signal == "heart_rate"
    ]
    assert times
    assert not [at for at in times if 21 < at < 52]
    without = derived(blocks("pulse_wave", wave, 25))
    assert np.median(values(without, "heart_rate")) == pytest.approx(72, abs=1)


def test_what_the_device_reports_itself_is_not_derived() -> None:
    wave = blocks("breath_wave", 40 * beating(14, 80, 5), 5)
    own = [
        Reading("one", "respiratory_rate", None, T0 + i * SECOND, T0 + i * SECOND, Quality.NO_CONTACT) for i in (3, 30)
    ]
    assert derived([*wave, *own]) == []
    other = [replace(one, signal="heart_rate") for one in own]
    assert len(derived([*wave, *other])) == 4
    again = [replace(one, derived=True) for one in own]
    assert len(derived([*wave, *again])) == 4


def test_poor_stored_and_unworn_waves_say_nothing() -> None:
    wave = blocks("breath_wave", 40 * beating(14, 80, 5), 5)
    assert derived([replace(o, stored=True) for o in wave]) == []
    assert derived([replace(o, quality=Quality.POOR) for o in wave]) == []
    noise = np.random.default_rng(3).normal(size=400)
    assert derived(blocks("breath_wave", noise, 5)) == []
    off = DeviceEvent("one", "worn", False, T0, T0)
    part = WaveReadings()
    assert derived([off, *blocks("pulse_wave", beating(72, 30, 25), 25)], part) == []
    assert part.step(T0) == []
    on = replace(off, value=True, at_ns=T0 + 31 * SECOND, received_ns=T0 + 31 * SECOND)
    later = [replace(o, at_ns=o.at_ns + 40 * SECOND, received_ns=o.received_ns + 40 * SECOND) for o in wave]
    assert len(derived([on, *later], part)) == 4


def test_a_detached_device_has_no_past_and_says_nothing() -> None:
    part = WaveReadings()
    scene = [
        *blocks("breath_wave", 40 * beating(14, 80, 5), 5),
        *blocks("pulse_wave", beating(72, 80, 25), 25),
        *blocks("bed_wave", beating(72, 80, 50), 50),
    ]
    assert derived(scene, part)
    part.detach("one")
    part.detach("one")
    part.ingest(scene)
    assert part.derived() == []
    assert len(derived(scene, part)) == len(derived(scene))


def test_derived_readings_reach_the_limits_and_the_history_but_not_the_watch_over_equipment() -> None:
    engine = default_engine()
    engine.attach("one", "zhang")
    scene = blocks("breath_wave", 40 * beating(34, 200, 5), 5)
    found: list[Finding] = []
    kept: list[Reading] = []
    for at in range(0, len(scene), 10):
        engine.ingest(scene[at : at + 10])
        kept += engine.derived
        found += engine.step(scene[min(at + 9, len(scene) - 1)].received_ns)
    (told,) = [one for one in found if one.phase is Phase.CONFIRMED and one.kind == "respiratory_rate_high"]
    assert told.evidence["computed"] is True, "an alert says so too"
    assert "computed by the box" in why(told.evidence).en
    assert values(kept, "respiratory_rate") == pytest.approx([34] * len(kept), abs=1)
    engine.ingest([])
    assert engine.derived == []
    # breath_wave goes on, the derived rate does not: nothing is lost
    noise = np.random.default_rng(1).normal(size=2000)
    for o in blocks("breath_wave", noise, 5, seconds=5.0):
        late = replace(o, at_ns=o.at_ns + 200 * SECOND, received_ns=o.received_ns + 200 * SECOND)
        engine.ingest([late])
        assert not [one for one in engine.step(late.received_ns) if one.kind == "signal_lost"]


def watched() -> Engine:
    return Engine(WaveReadings(), VitalLimits())


def test_the_contract_of_all_detectors() -> None:
    still = np.tile([0.0, 0.0, 1.0], (90 * 25, 1))
    scene: list[Callable[[], list[Observation]]] = [
        lambda: blocks("accel", still, 25, seconds=5.0),
        lambda: blocks("pulse_wave", beating(150, 90, 25), 25, seconds=5.0),
        lambda: blocks("breath_wave", 40 * beating(34, 120, 5), 5, "radar", seconds=5.0),
    ]
    observations = sorted((o for part in scene for o in part()), key=lambda o: o.received_ns)
    check_detector(
        watched,
        Scenario(
            "waves",
            {"one": "zhang", "radar": "li"},
            tuple(observations),
            T0,
            T0 + 120 * SECOND,
            frozenset({"heart_rate_high", "respiratory_rate_high"}),
        ),
    )
