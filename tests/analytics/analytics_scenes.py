"""Short notation for observations, and one scenario for each detector of the shipped set."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from analytics.scenarios import Scenario
from device_drivers.observations import DeviceEvent, Observation, Quality, Reading, Samples

if TYPE_CHECKING:
    from collections.abc import Iterable

    from analytics.findings import Detector, Finding

SECOND = 1_000_000_000
T0 = 1_800_000_000 * SECOND


def at(seconds: float) -> int:
    """UTC ns that many seconds after the start of the scene."""
    return T0 + round(seconds * SECOND)


def reading(
    device: str, signal: str, value: float | None, s: float, quality: Quality = Quality.GOOD, *, stored: bool = False
) -> Reading:
    return Reading(device, signal, value, at(s), at(s), quality, stored)


def event(
    device: str,
    signal: str,
    value: bool | str | None,
    s: float,
    *,
    repeat: bool = False,
    stored: bool = False,
    token: str | None = None,
    at_s: float | None = None,
) -> DeviceEvent:
    happened = at(s if at_s is None else at_s)
    return DeviceEvent(device, signal, value, happened, at(s), stored=stored, repeat=repeat, token=token)


def block(device: str, s: float, values: np.ndarray) -> Samples:
    """One second of acceleration, received when it is complete."""
    return Samples(device, "accel", values.astype(np.float32), 50.0, at(s), at(s + 1), full_scale=16.0)


def series(device: str, signal: str, values: Iterable[tuple[float, float | None]]) -> list[Reading]:
    return [reading(device, signal, value, s) for s, value in values]


def in_order(*parts: Iterable[Observation]) -> tuple[Observation, ...]:
    return tuple(sorted((o for part in parts for o in part), key=lambda o: o.received_ns))


def feed(
    detector: Detector, observations: Iterable[Observation], until_s: float, every_s: float = 1.0
) -> list[Finding]:
    """Step once every `every_s` from the first second on; everything found."""
    waiting = list(observations)
    found: list[Finding] = []
    for i in range(int(until_s / every_s) + 1):
        now = at(i * every_s)
        ready = [o for o in waiting if o.received_ns <= now]
        waiting = [o for o in waiting if o.received_ns > now]
        detector.ingest(ready)
        found += detector.step(now)
    return found


def brief(found: Iterable[Finding]) -> list[tuple[str, str, float]]:
    """Kind, phase, and seconds since the start."""
    return [(f.kind, str(f.phase), (f.at_ns - T0) / SECOND) for f in found]


def vital_scene() -> Scenario:
    """A slow heart and its recovery, a fever on two devices, absent and doubtful values, a device taken off."""
    slow = series("watch", "heart_rate", ((s, 36.0 if 20 <= s < 80 else 71.0) for s in range(0, 300, 3)))
    radar = series("radar", "heart_rate", ((s + 0.5, 37.0 if 30 <= s < 70 else 69.0) for s in range(0, 300, 3)))
    oxygen = [
        reading("watch", "spo2", None if s % 8 == 0 else 84.0, s, Quality.INVALID if s % 8 == 0 else Quality.GOOD)
        for s in range(100, 240, 2)
    ]
    breath = series("radar", "respiratory_rate", ((s, 30.0 + math.sin(s)) for s in range(0, 300, 4)))
    other = series("patch", "body_temperature", ((s, 38.6) for s in range(0, 420, 20)))
    return Scenario(
        "vital signs",
        {"watch": "li", "radar": "li", "patch": "wang"},
        in_order(slow, radar, oxygen, breath, other),
        T0,
        at(420),
        frozenset({"heart_rate_low", "spo2_low", "respiratory_rate_high", "temperature_high"}),
    )


def technical_scene() -> Scenario:
    """A silent watch, a radar whose heart frames stop, a bridge that goes and returns, batteries, a fault."""
    watch = series("watch", "skin_temperature", ((s, 33.0) for s in range(0, 600, 5) if not 60 < s < 200))
    heart = series("radar", "heart_rate", ((s, 66.0) for s in range(0, 600, 3) if not 100 < s < 260))
    alive = [event("radar", "presence", value=True, s=s, repeat=True) for s in range(0, 600, 10)]
    z2m = [
        event("home/bridge", "online", value=False, s=120),
        event("home/bridge", "online", value=False, s=130, repeat=True),
        event("home/bridge", "online", value=True, s=300),
        event("home/door", "door", "open", 305),
    ]
    states: list[Observation] = [
        reading("watch", "battery", 19.0, 15),
        reading("watch", "battery", 22.0, 25),
        reading("watch", "battery", 90.0, 40),
        event("home/sos", "battery_low", value=True, s=50),
        event("radar", "device_fault", "hardware", 60),
        event("radar", "device_fault", "none", 90),
        event("watch", "worn", value=False, s=220),
        event("watch", "worn", value=True, s=500),
    ]
    options = {
        "watch": {"lost_after_s": 60, "not_worn_after_s": 100},
        "radar": {"lost_after_s": 90},
        "home/door": {"lost_after_s": 100},
        "home/sos": {"lost_after_s": 400},
    }
    return Scenario(
        "equipment",
        {"watch": "li", "radar": None, "home/door": None, "home/sos": "li", "home/bridge": None},
        in_order(watch, heart, alive, z2m, states),
        T0,
        at(600),
        frozenset({"signal_lost", "not_worn", "battery_low", "device_fault", "path_down"}),
        options=options,
    )


def event_scene() -> Scenario:
    """Radar, button and house detectors, with repeats, redelivery, and states polled again."""
    happened = [
        event("radar", "fall_warning", value=True, s=10),
        event("radar", "fall", value=True, s=20),
        event("radar", "fall", value=True, s=30, repeat=True),
        event("radar", "static_stay", value=True, s=45),
        event("sos", "help_button", value=True, s=50),
        event("sos", "help_button", value=True, s=52),
        event("sos", "help_button", value=True, s=80, token="press-3"),
        event("kitchen", "alarm_test", value=True, s=85),
        event("kitchen", "smoke", value=True, s=90),
        event("kitchen", "gas", value=True, s=91),
        event("kitchen", "smoke", value=False, s=120),
        event("bath", "water_leak", value=True, s=130, repeat=True),
        event("radar", "fall", value=False, s=140),
        event("radar", "fall_warning", value=False, s=141),
        event("radar", "static_stay", value=False, s=142),
    ]
    return Scenario(
        "device events",
        {"radar": "li", "sos": "li", "kitchen": None, "bath": None},
        in_order(happened),
        T0,
        at(180),
        frozenset({"fall", "help_call", "smoke", "gas", "water_leak"}),
    )


def tumble(device: str, fall_s: float, until_s: float) -> list[Samples]:
    """Walking, half a second of free fall, an impact of 6 g, then lying still on the side."""
    n = int(until_s * 50)
    t = np.arange(n) / 50.0
    chance = np.random.default_rng(3)
    values = np.stack([0.1 * np.sin(9 * t), 0.1 * np.cos(9 * t), 1 + 0.25 * np.sin(12 * t)], axis=1)
    i = int(fall_s * 50)
    values[i : i + 22] *= 0.15
    values[i + 22 : i + 28] = (2.0, 2.5, 5.0)
    values[i + 28 :] = (0.98, 0.1, 0.05)
    values += chance.normal(0, 0.01, values.shape)
    return [block(device, s, values[s * 50 : (s + 1) * 50]) for s in range(int(until_s))]


def wearable_scene() -> Scenario:
    """One wearer falls and stays down, the other one only walks."""
    calm = tumble("band", 10_000, 120)
    return Scenario(
        "fall of a wearer",
        {"watch": "li", "band": "wang"},
        in_order(tumble("watch", 40, 120), calm),
        T0,
        at(125),
        frozenset({"fall"}),
        step_s=5.0,
    )


def engine_scene() -> Scenario:
    """Everything at once, in one home and its neighbour."""
    scenes = (vital_scene(), technical_scene(), event_scene())
    devices: dict[str, str | None] = {}
    for scene in scenes:
        devices |= {name: "li" if name in {"watch", "radar"} else who for name, who in scene.devices.items()}
    return Scenario(
        "a whole home",
        devices,
        in_order(*(scene.observations for scene in scenes)),
        T0,
        at(600),
        frozenset({"fall", "heart_rate_low", "smoke", "signal_lost", "path_down"}),
        options={"watch": {"lost_after_s": 60}, "home/door": {"lost_after_s": 100}},
    )
