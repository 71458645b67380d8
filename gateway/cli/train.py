"""`yinling train`: makes the fall model anew from recordings (extra `train`); the gateway itself never trains."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress

from gateway.cli import CANNOT, app, errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from analytics.trials import Trial
    from simulators.recordings import RecordingError

train_app = typer.Typer(help="Make models anew from recordings (extra `train`).", no_args_is_help=True)
app.add_typer(train_app, name="train")


@train_app.callback()
def train() -> None:
    """Models from recordings."""


@train_app.command("falls")
def train_falls(
    sets: Annotated[list[str], typer.Argument(help="What to learn from, each as NAME=PATH (docs/datasets.md)")],
    out: Annotated[Path, typer.Option(help="The model file to write")] = Path("model.npz"),
    seed: Annotated[int, typer.Option(help="The same recordings and seed give the same model to the bit")] = 0,
    without: Annotated[
        list[str] | None, typer.Option(help="Leave a person out, as in the report of evaluate: set/subject")
    ] = None,
) -> None:
    """Learn the fall model; tells its calibration and operating points on people left out in turn."""
    from simulators.recordings import RecordingError

    try:
        trials = list(_trials(sets, frozenset(without or ())))
        _learn(trials, out, seed)
    except (RecordingError, ValueError) as error:
        errors.print(f"yinling: {error}", highlight=False)
        raise typer.Exit(CANNOT) from error
    except ModuleNotFoundError as error:
        errors.print(f"yinling: {error}: pip install 'yinling-gateway[train]'", highlight=False)
        raise typer.Exit(CANNOT) from error


@train_app.command("card")
def train_card(
    model: Annotated[Path, typer.Argument(help="A model file of `train falls`")],
    protocol: Annotated[str, typer.Option(help="How the reports were made")] = "leave one subject out",
    reports: Annotated[
        list[Path] | None, typer.Option("--report", help="What `evaluate falls --json` wrote; may be repeated")
    ] = None,
) -> None:
    """The model's card: what it learned from, its operating points, its limits; reports are put on it first."""
    from analytics.falls.model import Model
    from analytics.falls.train import with_figures

    try:
        shown = Model.load(model)
        if reports:
            shown = with_figures(shown, protocol, [json.loads(one.read_text(encoding="utf-8")) for one in reports])
            shown.save(model)
    except (OSError, ValueError, KeyError, TypeError) as error:
        errors.print(f"yinling: {error!r}", highlight=False)
        raise typer.Exit(CANNOT) from error
    typer.echo(json.dumps(json.loads(shown.card), indent=1, ensure_ascii=False))


def _trials(sets: list[str], without: frozenset[str]) -> Iterator[Trial]:
    from simulators.recordings import LOADERS

    def damaged(error: RecordingError) -> None:
        errors.print(f"yinling: left out: {error}", highlight=False)

    for text in sets:
        name, found, path = text.partition("=")
        if not found or name not in LOADERS:
            raise ValueError(f"{text!r} is not NAME=PATH with a NAME of {', '.join(LOADERS)}")
        for trial in LOADERS[name](Path(path), damaged=damaged):
            if f"{trial.dataset}/{trial.subject}" not in without:
                yield trial


def _learn(trials: list[Trial], out: Path, seed: int) -> None:
    from analytics.falls import train as falls

    with Progress(console=errors, transient=True) as bar:
        bar.add_task(f"learning from {len(trials)} trials", total=None)
        model = falls.fit(trials, seed)
    model.save(out)
    card = json.loads(model.card)
    typer.echo(f"{out}: {model.version}, {card['falls']} falls and {card['activities']} activities")
    for site, points in card["operating_points"].items():
        for name, point in points.items():
            finds, spares = point["sensitivity"]["value"], point["specificity"]["value"]
            typer.echo(f"  {site} {name}: from {point['threshold']} on; finds {finds:.4f}, leaves alone {spares:.4f}")
