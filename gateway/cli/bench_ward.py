"""`yinling bench ward`: what the analytics make of a simulated ward of known events and artefacts."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.progress import Progress
from rich.table import Table

from gateway.cli.bench import bench_app
from gateway.cli.json_file import JsonFile, write_json
from gateway.cli.setup import out
from gateway.cli.ward_score import play_ward
from simulators.ward import BEFORE_DAYS, Ward


@bench_app.command("ward")
def ward(
    residents: Annotated[int, typer.Option(min=1, help="How many live there.")] = 200,
    days: Annotated[int, typer.Option(min=1, max=60, help="For how many days.")] = 7,
    seed: Annotated[int, typer.Option(help="The same seed gives the same ward.")] = 1,
    each: Annotated[int, typer.Option(min=0, help="How many events of each kind.")] = 20,
    before: Annotated[
        int, typer.Option(min=0, max=60, help="Days lived before, from which habits are learned.")
    ] = BEFORE_DAYS,
    json_file: JsonFile = None,
) -> None:
    """Sensitivity, delay and false findings of every kind, and the noisiest. Exit code 1: noisier than the target."""
    place = Ward(residents, days, seed, each, before)
    with Progress(console=out, transient=True) as progress:
        task = progress.add_task("ward", total=place.minutes)
        figures = play_ward(place, lambda minute: progress.update(task, completed=minute)).plain()
    out.print(_events(figures), _noise(figures))
    out.print(
        f"False findings for each resident and day: {figures['false_total']:g} (target {figures['target_total']:g}), "
        f"about people {figures['false_about_people']:g}; {figures['seconds']:g} s"
    )
    write_json(figures, json_file)
    if figures["false_total"] > figures["target_total"]:
        raise typer.Exit(1)


def _events(figures: dict[str, Any]) -> Table:
    table = Table("event", "kind", "found", "median delay, min", "longest", title="Events")
    for name, one in figures["events"].items():
        found = f"{one['found']} of {one['events']}"
        kinds = ", ".join(one["kinds"])
        table.add_row(name, kinds, found, _number(one["median_delay_min"]), _number(one["longest_delay_min"]))
    return table


def _noise(figures: dict[str, Any]) -> Table:
    table = Table("kind", "resident", "times", "minute", "what happened then", title="The noisiest")
    for one in figures["noisiest"]:
        table.add_row(one["kind"], one["resident"], str(one["count"]), str(one["minute"]), one["why"])
    return table


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"
