"""`yinling tasks`: the care plan of a resident from a TOML file, and what it says now. Also while the gateway runs."""

from __future__ import annotations

import json
import time
import tomllib
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from gateway.cli import CANNOT, app, errors
from gateway.cli.registry import BY, registry_database
from gateway.cli.setup import DEFAULT_CONFIG, ConfigOption, out
from gateway.config import load_settings
from gateway.daily import task_book
from gateway.daily.tasks import TASK_KINDS, occurrences, plain_task

tasks_app = typer.Typer(help="Care tasks: medication, measurements, drinking, turning, visits.", no_args_is_help=True)
app.add_typer(tasks_app, name="tasks")
DAY_NS = 86_400 * 10**9


@tasks_app.command("set")
def set_tasks(
    resident: Annotated[str, typer.Argument(help="Whose plan")],
    file: Annotated[Path, typer.Argument(help="TOML with [[task]] tables (docs/care-tasks.md)")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Replace all tasks of a resident."""
    with registry_database(config) as database:
        plan = task_book.put_plan(database, resident, _read(file), by=BY, now_ns=time.time_ns())
    out.print(f"{resident}: {len(plan)} tasks")


@tasks_app.command("show")
def show_tasks(
    resident: Annotated[str, typer.Argument(help="Whose plan")],
    json_output: Annotated[bool, typer.Option("--json", help="Machine output")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """The tasks of a resident, and when each is due next."""
    zone, now_ns = load_settings(config).site.zone, time.time_ns()
    with registry_database(config) as database, database.read() as session:
        plan = task_book.plan_of(session, resident)
    if json_output:
        out.print_json(json.dumps([plain_task(task) for task in plan], ensure_ascii=False))
        return
    table = Table("task", "kind", "what", "due next", title=resident)
    for task in plan:
        coming = (one.due_ns for one in occurrences(task, now_ns, now_ns + 40 * DAY_NS, zone) if one.due_ns > now_ns)
        due = min(coming, default=None)
        when = "–" if due is None else f"{datetime.fromtimestamp(due // 10**9, zone):%Y-%m-%d %H:%M}"
        table.add_row(task.id, TASK_KINDS[task.kind].en, task.label, when)
    out.print(table)


def _read(file: Path) -> list[Any]:
    try:
        tree = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        errors.print(f"yinling: {file}: {error}", highlight=False)
        raise typer.Exit(CANNOT) from error
    tasks = tree.get("task", [])
    if set(tree) - {"task"} or not isinstance(tasks, list):
        errors.print(f"yinling: {file}: write [[task]] tables and nothing else", highlight=False)
        raise typer.Exit(CANNOT)
    return tasks
