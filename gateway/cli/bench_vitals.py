"""`yinling bench vitals`: what one second of vital signs and daily life of 10,000 residents costs the analytics.

The whole engine as shipped, with baselines and habits learned before, through some minutes with a noon in them, when
everybody's day is summed up. Processor time of one core, so that a busy machine changes little.
"""

from __future__ import annotations

import gc
import json
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.progress import Progress
from rich.table import Table

from analytics.engine import default_engine
from analytics.habits.watch import HOMES_A_STEP, HabitWatch
from gateway.cli.bench import bench_app, machine
from gateway.cli.setup import out
from gateway.cli.vital_load import START_NS, VitalLoad, learned_day
from gateway.daily.learned_book import SAVED_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from analytics.engine import Engine

    Say = Callable[[int], None]

SECOND_NS = 1_000_000_000
AIM_STEP_MS = 50.0
"""For the step of a second of 10,000 residents, 99 of 100."""
WARM_UP_S = 20
FEWER = 10
SPREAD = ("median", "p99", "worst")


@bench_app.command("vitals")
def bench_vitals(
    residents: Annotated[int, typer.Option(min=FEWER, help="How many; a tenth of them is measured too")] = 10_000,
    seconds: Annotated[int, typer.Option(min=10, help="Simulated seconds")] = 120,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures as JSON")] = None,
) -> None:
    """Cost of vital signs and daily life, by second and by part. Exit code 1 when a step takes longer than its aim."""
    results = []
    for count in (residents // FEWER, residents):
        with Progress(console=out, transient=True) as progress:
            task = progress.add_task(f"{count} residents", total=WARM_UP_S + seconds)
            results.append(measure(count, seconds, lambda done: progress.update(task, completed=done)))  # noqa: B023
    report = {"machine": machine(), "aim_step_ms": AIM_STEP_MS, "growth": growth(results), "runs": results}
    out.print(_times(results), _parts(results[-1]))
    out.print(f"{FEWER} times the residents: {report['growth']} times the time")
    if json_file is not None:
        json_file.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if results[-1]["step_ms"]["p99"] > AIM_STEP_MS:
        raise typer.Exit(1)


def measure(residents: int, seconds: int, say: Say = lambda _: None) -> dict[str, Any]:
    """One load, JSON-ready: milliseconds of a core for each second, and of which part."""
    load, engine = VitalLoad(residents), default_engine()
    load.attach(engine)
    spent = _watch_parts(engine)
    taken: dict[str, list[float]] = {"ingest": [], "step": []}
    findings = observations = 0
    gc.collect()
    gc.freeze()
    for second in range(WARM_UP_S + seconds):
        if second == WARM_UP_S:
            taken = {"ingest": [], "step": []}
            spent.clear()
        batch = load.second(second)
        begun = time.process_time()
        engine.ingest(batch)
        between = time.process_time()
        findings += len(engine.step(START_NS + (second + 1) * SECOND_NS - 1))
        taken["step"].append(time.process_time() - between)
        taken["ingest"].append(between - begun)
        observations += len(batch)
        say(second + 1)
    remembering = _remembering(engine, residents)
    gc.unfreeze()
    both = np.add(taken["ingest"], taken["step"])
    return {
        "residents": residents,
        "seconds": seconds,
        "observations_per_second": round(observations / (WARM_UP_S + seconds)),
        "findings": findings,
        **{f"{name}_ms": _spread(np.array(values)) for name, values in taken.items()},
        "both_ms": _spread(both),
        "parts_ms": {name: {k: round(1e3 * v / seconds, 3) for k, v in one.items()} for name, one in spent.items()},
        "remember_ms": _spread(np.array(remembering)),
        "day_turn_ms": day_turn(residents),
    }


def _remembering(engine: Engine, residents: int) -> list[float]:
    """Seconds of a core for what is saved of residents every ten minutes, a few at a time."""
    spent = []
    for first in range(0, residents, SAVED_AT_ONCE):
        some = [f"r{n}" for n in range(first, min(first + SAVED_AT_ONCE, residents))]
        begun = time.process_time()
        engine.remember(some)
        spent.append(time.process_time() - begun)
    return spent


def growth(results: list[dict[str, Any]]) -> float:
    """How many times the processor time, from the first run to the last, by the median second."""
    few, many = (one["both_ms"]["median"] for one in (results[0], results[-1]))
    return round(float(many) / max(float(few), 1e-6), 2)


def day_turn(residents: int) -> dict[str, float]:
    """04:00, when the day of everybody has ended and goes into what is known of them: milliseconds of a core.

    steps: how many seconds it is spread over. total: all of them. median, p99, worst: of one.
    """
    watch, load = HabitWatch(), VitalLoad(residents)
    watch.recall(load.learned()["habits"])
    for n in range(residents):
        watch.attach(f"p{n}", f"r{n}", place="living_room")
    for day in range(2):
        learned_day(watch, residents, day)
    dawn = START_NS + (2 * 86_400 - 8 * 3600 + 40) * SECOND_NS
    spent, most = [], residents // HOMES_A_STEP + 1
    for _ in range(most):
        watch.step(dawn - 1)
    gc.collect()
    gc.freeze()
    for second in range(most):
        begun = time.process_time()
        watch.step(dawn + second * SECOND_NS)
        spent.append(time.process_time() - begun)
    gc.unfreeze()
    return {"steps": most, "total": round(1e3 * sum(spent), 1), **_spread(np.array(spent))}


def _watch_parts(engine: Engine) -> dict[str, dict[str, float]]:
    """Have each part's own time added up, in seconds: part -> ingest and step."""
    spent: dict[str, dict[str, float]] = defaultdict(lambda: {"ingest": 0.0, "step": 0.0})

    def timed(name: str, what: str, act: Callable[..., Any]) -> Callable[..., Any]:
        def acting(*given: Any) -> Any:
            begun = time.process_time()
            said = act(*given)
            spent[name][what] += time.process_time() - begun
            return said

        return acting

    for part in engine.parts():
        for what in ("ingest", "take", "step"):
            if hasattr(part, what):
                act = timed(type(part).__name__, "step" if what == "step" else "ingest", getattr(part, what))
                setattr(part, what, act)
    return spent


def _spread(seconds: Any) -> dict[str, float]:
    return {
        name: round(1e3 * float(value), 2)
        for name, value in zip(SPREAD, (*np.percentile(seconds, [50, 99]), seconds.max()), strict=True)
    }


def _times(results: list[dict[str, Any]]) -> Table:
    table = Table("residents", "observations", "what", *(f"{name}, ms" for name in SPREAD), title="One second")
    for one in results:
        for what in ("ingest", "step", "both"):
            times = (f"{one[f'{what}_ms'][name]:g}" for name in SPREAD)
            table.add_row(str(one["residents"]), str(one["observations_per_second"]), what, *times)
        dawn = f"04:00, a step of {one['day_turn_ms']['steps']}"
        for what, name in ((f"remembering {SAVED_AT_ONCE}", "remember_ms"), (dawn, "day_turn_ms")):
            table.add_row(str(one["residents"]), "", what, *(f"{one[name][spread]:g}" for spread in SPREAD))
    return table


def _parts(result: dict[str, Any]) -> Table:
    table = Table("part", "taking, ms", "concluding, ms", title="Where the time goes, mean")
    for name, one in sorted(result["parts_ms"].items(), key=lambda item: -sum(item[1].values())):
        table.add_row(name, f"{one['ingest']:g}", f"{one['step']:g}")
    return table
