"""Cost of the time-series store: 3,000 wearers with 4 readings a second, as a share of one core.

python tests/benchmarks/bench_store.py [SECONDS_OF_DATA] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from device_drivers.observations import DeviceEvent, Reading
from gateway.store.base import StoreOptions
from gateway.store.duckdb_store import DuckDBStore

WEARERS = 3_000
SIGNALS = ("heart_rate", "spo2", "skin_temperature", "respiratory_rate")
START_NS = 1_760_000_000_000_000_000
SECOND_NS = 1_000_000_000


def readings_of(second: int, random: np.random.Generator) -> list[Reading]:
    """What all wearers send in one second, as the drivers give it."""
    at = START_NS + second * SECOND_NS
    jitter = random.integers(0, SECOND_NS, WEARERS * len(SIGNALS)).tolist()
    values = np.round(random.normal(70, 8, WEARERS * len(SIGNALS)), 1).tolist()
    names = ((f"w{i:04}", signal) for i in range(WEARERS) for signal in SIGNALS)
    return [
        Reading(device, signal, value, at + shift, at + SECOND_NS)
        for (device, signal), value, shift in zip(names, values, jitter, strict=True)
    ]


def measure(seconds: int, path: Path) -> dict[str, float]:
    """Figures of one run of `seconds` of data; CPU is this process's, all threads, less the making of the data."""
    store = DuckDBStore(StoreOptions(path))
    owners = {f"w{i:04}": f"r{i:04}" for i in range(WEARERS)}
    random = np.random.default_rng(1)
    cpu, append_s, flushes = 0.0, 0.0, []
    for second in range(seconds):
        readings = readings_of(second, random)
        events = [DeviceEvent(f"w{second % WEARERS:04}", "help_button", True, readings[0].at_ns, readings[0].at_ns)]
        cpu -= time.process_time()
        begun = time.perf_counter()
        store.append(readings, events, owners)
        appended = time.perf_counter()
        store.flush()
        flushes.append(time.perf_counter() - appended)
        append_s += appended - begun
        cpu += time.process_time()
    rows = store.health().rows
    begun = time.perf_counter()
    view = store.query("heart_rate", START_NS, START_NS + seconds * SECOND_NS, resident_id="r0007")
    query_s = time.perf_counter() - begun
    if int(view.count.sum()) != seconds:
        message = f"the query found {view.count.sum()} of {seconds} readings"
        raise SystemExit(message)
    store.close()
    begun = time.perf_counter()
    DuckDBStore(StoreOptions(path)).close()
    return {
        "rows": rows,
        "rows_per_second_of_data": rows / seconds,
        "share_of_a_core": cpu / seconds,
        "append_ms": 1e3 * append_s / seconds,
        "flush_ms_median": 1e3 * float(np.median(flushes)),
        "flush_ms_p99": 1e3 * float(np.percentile(flushes, 99)),
        "flush_ms_max": 1e3 * max(flushes),
        "bytes_per_row": path.stat().st_size / rows,
        "query_ms": 1e3 * query_s,
        "reopen_ms": 1e3 * (time.perf_counter() - begun),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    """Print the figures, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", nargs="?", type=int, default=120)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(asked.seconds, Path(folder) / "series.duckdb")
    for name, value in figures.items():
        print(f"{name:26} {value:14,.3f}")
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
