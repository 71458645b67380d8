"""`yinling bench falls`: how fast falls are looked for, beside a memory copy and a Python loop of the same rule.

Four ways over the same made-up deliveries, one message a second of each wearer, at most one core:

* `engine`: all detectors of the gateway (`default_engine`), as the pipeline calls them;
* `detector`: the fall detector with all its stages, from the messages on;
* `arrays`: cohort and gate from stacked arrays on, without the cost of each message;
* `loop`: the rule of the gate, sample by sample in Python (on a hundred wearers, scaled up).

A memory copy of the same samples is timed beside each delivery of each way, and medians are taken, so that the ratios
hold even where the machine is busy.
"""

from __future__ import annotations

import math
import time
import tracemalloc
from collections import Counter
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.table import Table

from analytics.blocks import stack
from analytics.cohort import Cohort
from analytics.engine import default_engine
from analytics.falls import FallDetector
from analytics.falls.gate import IMPACT_G, scan, thresholds_squared
from device_drivers.observations import Samples
from gateway.cli.bench import bench_app, machine
from gateway.cli.json_file import JsonFile, write_json
from gateway.cli.setup import out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from analytics.findings import Detector

    Delivery = list[Samples]

START_NS = 1_750_000_000_000_000_000
SECOND = 1_000_000_000
RATE_HZ = 50.0
WEARERS = (2_000, 20_000)
LOOP_WEARERS = 100
WARM_UP = 2
CANDIDATES = (1, 100, 1_000)
FALLS_PER_S = 1000
"""One wearer in so many has an impact each second."""


@bench_app.command("falls")
def bench_falls(
    wearers: Annotated[
        list[int] | None, typer.Option(min=LOOP_WEARERS, help="Only this number; may be repeated")
    ] = None,
    seconds: Annotated[int, typer.Option(min=WARM_UP + 3, help="Seconds of data for each way")] = 12,
    json_file: JsonFile = None,
) -> None:
    """Samples a second of the fall detector on one core, cost of a candidate, memory of a wearer, growth."""
    results = [measure(number, seconds) for number in wearers or WEARERS]
    report = {"machine": machine(), "streams": results, "candidates": [candidate_cost(k) for k in CANDIDATES]}
    if len(results) > 1:
        report["growth"] = growth(results[0], results[-1])
    out.print(_table(results))
    for line in _lines(report):
        out.print(line, highlight=False)
    write_json(report, json_file)


def deliveries(wearers: int, seconds: int) -> Iterator[Delivery]:
    """One delivery a second; wearers at rest, one in FALLS_PER_S with a blow of 4 g in the middle."""
    chance = np.random.default_rng(1)
    rows = round(RATE_HZ)
    for second in range(seconds):
        values = chance.normal(0, 0.05, (wearers, rows, 3)).astype(np.float32)
        values[..., 2] += 1
        values[chance.integers(0, wearers, max(1, wearers // FALLS_PER_S)), rows // 2] *= 4
        at_ns = START_NS + second * SECOND
        blocks = [values[i].copy() for i in range(wearers)]
        yield [
            Samples(str(i), "accel", blocks[i], RATE_HZ, at_ns, at_ns + SECOND, 16.0, second) for i in range(wearers)
        ]


def measure(wearers: int, seconds: int) -> dict[str, Any]:
    """Samples a second of each way, and its ratio to the memory copy and to the loop; memory of a wearer."""
    ways: dict[str, Callable[[], Callable[[int, Delivery], float]]] = {
        "engine": lambda: _watching(default_engine(), wearers),
        "detector": lambda: _watching(FallDetector(slots=wearers), wearers),
        "arrays": lambda: _arrays(wearers),
        "loop": lambda: _loop(wearers),
    }
    samples = wearers * RATE_HZ
    rates: dict[str, float] = {}
    to_copy: dict[str, float] = {}
    for name, make in ways.items():
        spent, copied = _timed_run(make(), wearers, seconds)
        rates[name], to_copy[name] = samples / spent, copied / spent
    return {
        "wearers": wearers,
        "samples_per_s": {name: round(rate) for name, rate in rates.items()},
        "ms_per_second_of_data": {name: round(1e3 * samples / rate, 3) for name, rate in rates.items()},
        "share_of_memory_copy": {name: round(share, 4) for name, share in to_copy.items()},
        "times_the_loop": {name: round(rate / rates["loop"], 1) for name, rate in rates.items() if name != "loop"},
        "bytes_per_wearer": memory(wearers),
    }


def _timed_run(way: Callable[[int, Delivery], float], wearers: int, seconds: int) -> tuple[float, float]:
    """Median processor seconds for a second of data: of the way, and of a memory copy beside it."""
    target = np.empty((wearers, round(RATE_HZ), 3), np.float32)
    spent, copied = [], []
    for number, delivery in enumerate(deliveries(wearers, seconds)):
        source = np.stack([block.values for block in delivery])
        copied.append(_timed(lambda source=source: np.copyto(target, source)))  # type: ignore[misc]
        spent.append(way(number, delivery))
    return median(spent[WARM_UP:]), median(copied[WARM_UP:])


def _watching(detector: Detector, wearers: int) -> Callable[[int, Delivery], float]:
    for i in range(wearers):
        detector.attach(str(i), str(i))

    def take(number: int, delivery: Delivery) -> float:
        def work() -> None:
            detector.ingest(delivery)
            detector.step(START_NS + (number + 2) * SECOND)

        return _timed(work)

    return take


def _arrays(wearers: int) -> Callable[[int, Delivery], float]:
    cohort = Cohort(wearers)
    slots = {str(i): cohort.attach() for i in range(wearers)}

    def take(_number: int, delivery: Delivery) -> float:
        (batch,) = stack(delivery, slots, Counter())

        def work() -> None:
            for written in cohort.write(batch):
                scan(written, thresholds_squared(cohort.full_scale[written.slots]))

        return _timed(work)

    return take


def _loop(wearers: int) -> Callable[[int, Delivery], float]:
    def take(_number: int, delivery: Delivery) -> float:
        return _timed(lambda: python_loop(delivery[:LOOP_WEARERS])) * wearers / LOOP_WEARERS

    return take


def python_loop(blocks: Delivery) -> int:
    """The rule of the gate, sample by sample: how many blocks have an impact."""
    hits = 0
    for block in blocks:
        highest = 0.0
        for x, y, z in block.values.tolist():
            highest = max(highest, math.sqrt(x * x + y * y + z * z))
        hits += highest >= IMPACT_G
    return hits


def candidate_cost(number: int) -> dict[str, Any]:
    """What one impact costs among so many at the same time, ms: a second with them beside one without."""
    costs = [_with_blows(number, 4.0) - _with_blows(number, 1.0) for _ in range(5)]
    return {"candidates": number, "ms_each": round(1e3 * median(costs) / number, 4)}


def _with_blows(wearers: int, size: float) -> float:
    """Processor seconds for six seconds of wearers at rest who all have one sample of this many g in the third."""
    detector = FallDetector(slots=wearers)
    take = _watching(detector, wearers)
    spent = 0.0
    for number, delivery in enumerate(deliveries(wearers, 6)):
        for block in delivery:
            block.values[:] = (0.0, 0.0, 1.0)
            block.values[round(RATE_HZ) // 2] *= size if number == 2 else 1.0
        spent += take(number, delivery)
    return spent


def memory(wearers: int) -> int:
    """Bytes that a wearer takes in the fall detector after three seconds of data."""
    tracemalloc.start()
    try:
        detector = FallDetector(slots=wearers)
        take = _watching(detector, wearers)
        for number, delivery in enumerate(deliveries(wearers, 3)):
            take(number, delivery)
            del delivery
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return round(held / wearers)


def growth(few: dict[str, Any], many: dict[str, Any]) -> dict[str, float]:
    """Cost of a wearer among many beside that of one among few: 1 is linear, less is better."""
    return {
        name: round(few["samples_per_s"][name] / many["samples_per_s"][name], 3)
        for name in ("engine", "detector", "arrays")
    }


def _timed(work: Callable[[], object]) -> float:
    """Processor seconds that one call takes in this thread."""
    start = time.thread_time()
    work()
    return time.thread_time() - start


def _table(results: list[dict[str, Any]]) -> Table:
    table = Table("wearers", "way", "M samples/s", "ms a second", "of a memory copy", "times the loop", "kB a wearer")
    for one in results:
        for name, rate in one["samples_per_s"].items():
            times = one["times_the_loop"].get(name)
            table.add_row(
                str(one["wearers"]),
                name,
                f"{rate / 1e6:.1f}",
                f"{one['ms_per_second_of_data'][name]:.1f}",
                f"{one['share_of_memory_copy'][name]:.3f}",
                "—" if times is None else f"{times:.1f}",
                f"{one['bytes_per_wearer'] / 1e3:.1f}",
            )
    return table


def _lines(report: dict[str, Any]) -> Iterator[str]:
    for one in report["candidates"]:
        yield f"{one['candidates']} candidates at once: {one['ms_each']:.3f} ms each"
    for name, value in report.get("growth", {}).items():
        yield f"{name}: a wearer among many costs {value:.2f} times one among few"
