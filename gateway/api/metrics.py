"""The gateway's numbers in the text format of Prometheus, from one snapshot at each scrape."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from gateway.alerts.payload import PRIORITY_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from prometheus_client import Metric

    from gateway.alerts.lifecycle import Alert
    from gateway.context import HealthItem
    from gateway.pipeline import PipelineHealth
    from gateway.store.base import StoreHealth

BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0)
QUANTILES = (0.5, 0.95, 0.99, 0.999, 1.0)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one scrape tells; taken on the event loop, rendered in a thread.

    latency_s: the latest observations' times from arrival until their findings were committed.
    takes: what became of findings, by outcome. outbox: messages by state. streams: open live streams.
    """

    pipeline: PipelineHealth
    latency_s: Sequence[float]
    held_messages: int
    devices: int
    refused_devices: int
    parts: tuple[HealthItem, ...]
    store: StoreHealth
    takes: Mapping[str, int]
    open_alerts: Sequence[Alert]
    outbox: Mapping[str, int]
    streams: int
    refused_keys: int


class _Families(Collector):
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        yield from _pipeline(self._snapshot)
        yield from _latency(self._snapshot)
        yield from _parts(self._snapshot)
        yield from _store(self._snapshot.store)
        yield from _alerts(self._snapshot)
        yield _gauge("devices_heard", "Devices heard since the start", self._snapshot.devices)
        yield _counter("devices_refused", "Devices beyond the limit", self._snapshot.refused_devices)
        yield _gauge("api_streams", "Open live streams", self._snapshot.streams)
        yield _counter("api_keys_refused", "Attempts refused while locked out", self._snapshot.refused_keys)


def render(snapshot: Snapshot) -> bytes:
    """The snapshot as text."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(snapshot))
    return generate_latest(registry)


def _pipeline(snapshot: Snapshot) -> Iterator[Metric]:
    health = snapshot.pipeline
    yield _counter("observations", "Observations taken", health.observations)
    yield _counter("pipeline_steps", "Turns of the pipeline", health.steps)
    yield _counter("findings", "Findings concluded", health.findings)
    yield _counter("engine_faults", "Internal faults of the analysis", health.engine_faults)
    yield _counter("unknown_devices", "Unregistered devices that raised a life alarm", health.unknown_devices)
    seconds = CounterMetricFamily("yinling_pipeline_seconds", "Time spent by stage", labels=["stage"])
    for stage in ("ingest", "step", "commit"):
        seconds.add_metric([stage], getattr(health, f"{stage}_seconds"))
    yield seconds
    yield _gauge("held_messages", "Messages whose acknowledgement is held", snapshot.held_messages)


def _latency(snapshot: Snapshot) -> Iterator[Metric]:
    """Over the latest observations, so it can go down again; the window is that of the pipeline."""
    values = np.asarray(snapshot.latency_s, dtype=np.float64)
    name, text = "latency_seconds", "Arrival until committed, latest observations"
    counts = [int((values <= limit).sum()) for limit in BUCKETS_S]
    bounds = [*map(str, BUCKETS_S), "+Inf"]
    yield HistogramMetricFamily(
        f"yinling_{name}",
        text,
        buckets=list(zip(bounds, [*counts, len(values)], strict=True)),
        sum_value=float(values.sum()),
    )
    quantiles = GaugeMetricFamily("yinling_latency_quantile_seconds", text, labels=["quantile"])
    if len(values):
        for quantile, value in zip(QUANTILES, np.quantile(values, QUANTILES).tolist(), strict=True):
            quantiles.add_metric([str(quantile)], value)
    yield quantiles


def _parts(snapshot: Snapshot) -> Iterator[Metric]:
    up = GaugeMetricFamily("yinling_part_up", "Whether a part works", labels=["part"])
    numbers = GaugeMetricFamily("yinling_part_number", "A part's own numbers", labels=["part", "number"])
    for part in snapshot.parts:
        up.add_metric([part.name], float(part.ok))
        for name, value in part.numbers.items():
            numbers.add_metric([part.name, name], value)
    yield up
    yield numbers


def _store(health: StoreHealth) -> Iterator[Metric]:
    yield _gauge("store_up", "Whether the history reaches the disk", float(health.state == "ok"))
    yield _gauge("store_bytes", "History on disk", health.bytes)
    yield _gauge("store_pending_rows", "Rows that wait in memory", health.pending)
    if health.last_flush_ns is not None:
        yield _gauge(
            "store_last_flush_timestamp_seconds", "Last time the history reached the disk", health.last_flush_ns / 1e9
        )
    for name in (
        "rows",
        "failed_flushes",
        "duplicates",
        "rejected",
        "dropped_readings",
        "dropped_repeats",
        "dropped_snippets",
    ):
        yield _counter(f"store_{name}", f"History: {name.replace('_', ' ')} since the start", getattr(health, name))


def _alerts(snapshot: Snapshot) -> Iterator[Metric]:
    now = GaugeMetricFamily("yinling_alerts_open", "Open alerts", labels=["kind", "priority", "state", "test"])
    counted = Counter(
        (one.kind, PRIORITY_NAMES[one.priority], one.state.value, str(one.test).lower()) for one in snapshot.open_alerts
    )
    for labels, number in sorted(counted.items()):
        now.add_metric(labels, number)
    yield now
    takes = CounterMetricFamily("yinling_alert_takes", "Findings by what became of them", labels=["taken"])
    for taken, number in sorted(snapshot.takes.items()):
        takes.add_metric([taken], number)
    yield takes
    messages = GaugeMetricFamily("yinling_outbox_messages", "Messages to people by state", labels=["state"])
    for state, number in sorted(snapshot.outbox.items()):
        messages.add_metric([state], number)
    yield messages


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"yinling_{name}", text, value=value)


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(f"yinling_{name}", text, value=value)
