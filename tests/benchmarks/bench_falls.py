"""How fast falls are looked for: samples a second on one core, beside a memory copy and a Python loop of the same rule.

Run `python tests/benchmarks/bench_falls.py [--json FILE]`. Everything is measured in one run, alternating, and the
median is taken, so the ratios hold even where the machine is busy. `whole` is what a gateway does with a delivery:
sorting the messages, writing, gate, features, model, findings. `arrays` is the same from stacked arrays on (cohort
and gate), without the cost of each message.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections import Counter
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from analytics.blocks import stack
from analytics.cohort import Cohort
from analytics.falls import FallDetector
from analytics.falls.gate import IMPACT_G, scan, thresholds_squared
from device_drivers.observations import Samples

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

START_NS = 1_750_000_000_000_000_000
SECOND = 1_000_000_000
ROWS = 50
LOOP_WEARERS = 100
"""The Python loop is timed on so many wearers only."""


def seconds_of_life(wearers: int, seconds: int, rate: float = 50.0) -> list[list[Samples]]:
    """One delivery a second of quiet and walking wearers; one in a thousand falls in each second."""
    chance = np.random.default_rng(1)
    rows = round(rate)
    deliveries = []
    for second in range(seconds):
        values = chance.normal(0, 0.05, (wearers, rows, 3)).astype(np.float32) + np.float32([0, 0, 1])
        values[chance.integers(0, wearers, max(1, wearers // 1000)), rows // 2] *= 4
        at_ns = START_NS + second * SECOND
        deliveries.append(
            [Samples(str(i), "accel", values[i], rate, at_ns, at_ns + SECOND, 16.0, second) for i in range(wearers)]
        )
    return deliveries


def python_loop(blocks: list[Samples]) -> int:
    """The rule of the gate, sample by sample."""
    hits = 0
    for block in blocks:
        highest = 0.0
        for x, y, z in block.values.tolist():
            highest = max(highest, math.sqrt(x * x + y * y + z * z))
        hits += highest >= IMPACT_G
    return hits


def timed(work: Callable[[], object]) -> float:
    """Processor seconds that one call takes in this thread."""
    start = time.thread_time()
    work()
    return time.thread_time() - start


class Arrays:
    """Cohort and gate from stacked arrays on."""

    def __init__(self, wearers: int) -> None:
        self.cohort = Cohort(wearers)
        self.slots = {str(i): self.cohort.attach() for i in range(wearers)}

    def take(self, delivery: list[Samples]) -> float:
        (batch,) = stack(delivery, self.slots, Counter())

        def work() -> None:
            for written in self.cohort.write(batch):
                scan(written, thresholds_squared(self.cohort.full_scale[written.slots]))

        return timed(work)


def copied(values: NDArray[np.float32]) -> float:
    target = np.empty_like(values)
    return timed(lambda: np.copyto(target, values))


def measure(wearers: int, seconds: int = 12, rate: float = 50.0) -> dict[str, Any]:
    """Median samples a second of each way, after two deliveries to warm up."""
    detector, arrays = FallDetector(slots=wearers), Arrays(wearers)
    for i in range(wearers):
        detector.attach(str(i), None)
    times: dict[str, list[float]] = {name: [] for name in ("whole", "step", "arrays", "copy", "loop")}
    for number, delivery in enumerate(seconds_of_life(wearers, seconds, rate)):
        whole = timed(lambda delivery=delivery: detector.ingest(delivery))  # type: ignore[misc]
        step = timed(lambda now=START_NS + (number + 2) * SECOND: detector.step(now))  # type: ignore[misc]
        stacked = np.stack([block.values for block in delivery])
        loop = timed(lambda delivery=delivery: python_loop(delivery[:LOOP_WEARERS])) * wearers / LOOP_WEARERS  # type: ignore[misc]
        row = {
            "whole": whole + step,
            "step": step,
            "arrays": arrays.take(delivery),
            "copy": copied(stacked),
            "loop": loop,
        }
        if number > 1:
            for name, value in row.items():
                times[name].append(value)
    samples = wearers * rate
    rates = {name: samples / median(values) for name, values in times.items() if name != "step"}
    return {
        "wearers": wearers,
        "rate_hz": rate,
        "samples_per_s": {name: round(value) for name, value in rates.items()},
        "whole_ms_per_second_of_data": round(median(times["whole"]) * 1e3, 3),
        "step_ms": round(median(times["step"]) * 1e3, 3),
        "arrays_to_copy": round(rates["arrays"] / rates["copy"], 4),
        "arrays_to_loop": round(rates["arrays"] / rates["loop"], 1),
        "whole_to_loop": round(rates["whole"] / rates["loop"], 1),
    }


def main() -> None:
    """Print, and write as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    results = [measure(1_000), measure(10_000), measure(1_000, rate=25.0), measure(1_000, rate=100.0)]
    for result in results:
        print(json.dumps(result))
    if chosen.json:
        chosen.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
