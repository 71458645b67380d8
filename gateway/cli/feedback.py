"""`yinling feedback`: what carers said of fall alerts, taken out of a gateway without anybody's name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli import CANNOT, app, errors
from gateway.feedback import FeedbackError, export_feedback

feedback_app = typer.Typer(help="Labelled minutes around fall alerts (with consent).", no_args_is_help=True)
app.add_typer(feedback_app, name="feedback")


@feedback_app.callback()
def feedback() -> None:
    """Labelled minutes around fall alerts (with consent)."""


@feedback_app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="The data folder of a gateway that is stopped, or a copy of it")],
    target: Annotated[Path, typer.Argument(help="Zip file to write")],
) -> None:
    """Write every minute that carers labelled a real fall or a false alarm into a zip that names nobody."""
    try:
        number = export_feedback(folder, target)
    except FeedbackError as error:
        errors.print(f"yinling: {error}", highlight=False)
        raise typer.Exit(CANNOT) from error
    typer.echo(f"{target}: {number}")
