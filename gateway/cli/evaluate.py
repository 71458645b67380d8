"""`yinling evaluate`: figures on public recordings, through the same engine that runs live."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from gateway.cli import CANNOT, app, errors

evaluate_app = typer.Typer(help="Figures on public recordings (docs/datasets.md).", no_args_is_help=True)
app.add_typer(evaluate_app, name="evaluate")


@evaluate_app.command("falls")
def evaluate_falls(
    path: Annotated[Path, typer.Argument(help="The dataset: its unpacked folder or the zip file")],
    dataset: Annotated[str, typer.Option(help="weda-fall, sisfall or wrist-freeliving")],
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the whole report as JSON; - for output")
    ] = None,
    leave_one_out: Annotated[
        bool, typer.Option("--leave-one-out", help="For each person a model trained on all others (extra `train`)")
    ] = False,
) -> None:
    """Stream every trial through the fall detector and report per event: sensitivity, specificity, F1, false alarms."""
    from analytics.evaluation import evaluate_falls as with_shipped_model
    from analytics.evaluation import leave_one_subject_out, summary
    from simulators.recordings import LOADERS, RecordingError

    if dataset not in LOADERS:
        errors.print(f"yinling: unknown dataset {dataset!r}; known: {', '.join(LOADERS)}")
        raise typer.Exit(CANNOT)
    try:
        with Progress(console=errors, transient=True) as bar:
            task = bar.add_task(dataset, total=None)

            def show(done: int) -> None:
                bar.update(task, completed=done, description=f"{dataset}: {done} trials")

            trials = LOADERS[dataset](path)
            run = leave_one_subject_out if leave_one_out else with_shipped_model
            result: dict[str, Any] = dict(run(trials, progress=show))
    except RecordingError as error:
        errors.print(f"yinling: {error}", highlight=False)
        raise typer.Exit(CANNOT) from error
    result = {"dataset": dataset, "path": path.name, **result}
    text = json.dumps(result, ensure_ascii=False, indent=1)
    if json_file == Path("-"):
        typer.echo(text)
        return
    if json_file is not None:
        json_file.write_text(text + "\n", encoding="utf-8")
    typer.echo(summary(result))
