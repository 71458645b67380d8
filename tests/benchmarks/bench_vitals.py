"""Cost of vital signs and equipment: 10,000 residents with 5 readings a second, and what the engine adds to a block.

Processor time of this process, so that a busy machine does not change the figures.

python tests/benchmarks/bench_vitals.py [--residents N] [--seconds N] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from analytics.daily.home import HomeWatch
from analytics.device_events import DeviceEvents
from analytics.engine import Engine
from analytics.findings import Detector, Finding
from analytics.limits import VitalLimits
from analytics.technical import TechnicalWatch
from analytics.vitals.watch import VitalWatch
from device_drivers.observations import Observation, Reading, Samples

if TYPE_CHECKING:
    from collections.abc import Sequence

SIGNALS = (("heart_rate", 72, 9), ("spo2", 96, 1.5), ("respiratory_rate", 15, 2), ("skin_temperature", 33, 1))
START_NS = 1_800_000_000_000_000_000
SECOND_NS = 1_000_000_000


class Sink:
    """Takes everything and does nothing, so that the engine's own cost is left."""

    signals = frozenset({"accel"})

    def attach(self, device_id: str, resident_id: str | None) -> None:
        """Nothing."""

    def detach(self, device_id: str) -> None:
        """Nothing."""

    def ingest(self, observations: Sequence[Observation]) -> None:
        """Nothing."""

    def step(self, now_ns: int) -> list[Finding]:  # noqa: ARG002
        """Nothing."""
        return []


def readings_of(second: int, residents: int, random: np.random.Generator) -> list[Observation]:
    """What all residents' devices send in one second; one in a hundred is beyond a limit."""
    at = START_NS + second * SECOND_NS
    out: list[Observation] = []
    for signal, mean, spread in SIGNALS:
        values = random.normal(mean, spread, residents)
        values[: residents // 100] = mean * 0.5
        out += [Reading(f"w{i}", signal, v, at, at) for i, v in enumerate(values.tolist())]
    out += [Reading(f"w{i}", "battery", 80.0, at, at) for i in range(residents)]
    return out


def measure(detector: Detector, residents: int, seconds: int) -> dict[str, float]:
    """Median milliseconds of `ingest` and `step` for one second of data, and the worst step."""
    for i in range(residents):
        detector.attach(f"w{i}", f"r{i}")
    random = np.random.default_rng(1)
    ingest, step = [], []
    for second in range(seconds):
        observations = readings_of(second, residents, random)
        begun = time.process_time()
        detector.ingest(observations)
        taken = time.process_time()
        detector.step(START_NS + second * SECOND_NS)
        ingest.append(taken - begun)
        step.append(time.process_time() - taken)
    return {
        "ingest_ms": round(statistics.median(ingest) * 1e3, 2),
        "step_ms": round(statistics.median(step) * 1e3, 2),
        "step_worst_ms": round(max(step) * 1e3, 2),
        "us_per_reading": round(statistics.median(ingest) * 1e6 / (residents * (len(SIGNALS) + 1)), 3),
    }


def engine_overhead(wearers: int, rounds: int) -> float:
    """Microseconds that the engine adds to one block of samples: dispatch only, all parts attached but idle."""
    engine = Engine(Sink(), DeviceEvents(), VitalLimits())
    values = np.zeros((50, 3), np.float32)
    blocks: list[Observation] = [Samples(f"w{i}", "accel", values, 50.0, START_NS, START_NS) for i in range(wearers)]
    times = []
    for _ in range(rounds):
        begun = time.process_time()
        engine.ingest(blocks)
        times.append(time.process_time() - begun)
    return round(statistics.median(times) * 1e6 / wearers, 3)


def technical_per_block(wearers: int, rounds: int) -> float:
    """Microseconds that the watch over silence adds to one block, ingest and step together."""
    technical = TechnicalWatch()
    for i in range(wearers):
        technical.attach(f"w{i}", None)
    values = np.zeros((50, 3), np.float32)
    times = []
    for second in range(rounds):
        at = START_NS + second * SECOND_NS
        blocks = [Samples(f"w{i}", "accel", values, 50.0, at, at) for i in range(wearers)]
        begun = time.process_time()
        technical.ingest(blocks)
        technical.step(at)
        times.append(time.process_time() - begun)
    return round(statistics.median(times) * 1e6 / wearers, 3)


def run(residents: int = 10_000, seconds: int = 10) -> dict[str, object]:
    """All figures."""
    parts: dict[str, Detector] = {
        "limits": VitalLimits(),
        "technical": TechnicalWatch(),
        "watch": VitalWatch(),
        "engine": Engine(DeviceEvents(), VitalLimits(), VitalWatch(), HomeWatch(), TechnicalWatch()),
        "home": HomeWatch(),
    }
    figures: dict[str, object] = {name: measure(part, residents, seconds) for name, part in parts.items()}
    figures["residents"] = residents
    figures["engine_us_per_block"] = engine_overhead(3_000, 50)
    figures["technical_us_per_block"] = technical_per_block(3_000, 20)
    return figures


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--residents", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    text = json.dumps(run(options.residents, options.seconds), indent=2)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
