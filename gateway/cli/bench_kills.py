"""`yinling bench kills`: every alert must still end with a person when the gateway is killed all the time."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.table import Table

from gateway.cli import BAD_ANSWER
from gateway.cli.bench import bench_app, machine
from gateway.cli.hour import BusyHour, Hour
from gateway.cli.json_file import JsonFile, write_json
from gateway.cli.setup import out

if TYPE_CHECKING:
    from gateway.cli.hour import Outcome


@bench_app.command("kills")
def bench_kills(
    kills: Annotated[int, typer.Option(min=0, help="How often the process is killed with SIGKILL")] = 200,
    seconds: Annotated[float, typer.Option(min=60, help="Simulated seconds over which alerts come")] = 3600.0,
    factor: Annotated[float, typer.Option(min=1, max=60, help="How much faster than the wall clock time goes")] = 5.0,
    urgent: Annotated[int, typer.Option(min=1, max=999, help="Alerts of the highest priority")] = 120,
    seed: Annotated[int, typer.Option(help="Another seed is another hour")] = 1,
    json_file: JsonFile = None,
) -> None:
    """A busy hour, compressed, with SIGKILL at random moments and far sides that are down, slow, lie and lose answers.

    Exit code 1 when anything was lost, forgotten or never ended.
    """
    hour = Hour(kills, seconds, factor, urgent, seed)
    with tempfile.TemporaryDirectory(prefix="yinling-hour-") as folder:
        outcome = asyncio.run(BusyHour(Path(folder), hour).run())
    report = figures(outcome) | {"machine": machine(), "factor": factor, "seed": seed}
    out.print(_table(report))
    for one in outcome.wrong[:20]:
        out.print(f"wrong: {one}", style="red", highlight=False)
    write_json(report, json_file)
    if outcome.wrong:
        raise typer.Exit(BAD_ANSWER)


def figures(outcome: Outcome) -> dict[str, Any]:
    """What came of it as plain JSON; delays in simulated seconds."""
    return {
        "kills": outcome.kills,
        "simulated_s": outcome.simulated_s,
        "alerts": dict(outcome.alerts),
        "messages": dict(outcome.messages),
        "ends": dict(outcome.ends),
        "first_told_s": _delays(outcome.told_s),
        "answered_or_last_step_s": _delays(outcome.ended_s),
        "audit_rows": outcome.audit_rows,
        "wrong": outcome.wrong,
    }


def _delays(seconds: list[float]) -> dict[str, float] | None:
    if not seconds:
        return None
    p95 = float(np.percentile(seconds, 95))
    return {"median": round(statistics.median(seconds), 2), "p95": round(p95, 2), "worst": round(max(seconds), 2)}


def _table(report: dict[str, Any]) -> Table:
    table = Table("what", "figure")
    for name, value in report.items():
        if name not in ("machine", "wrong"):
            shown = ", ".join(f"{key} {one}" for key, one in value.items()) if isinstance(value, dict) else str(value)
            table.add_row(name, shown)
    table.add_row("wrong", str(len(report["wrong"])))
    return table
