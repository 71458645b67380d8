"""`yinling report`: the month's alerts as numbers, for a spreadsheet or for printing."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from gateway.alerts.happened import month_report
from gateway.alerts.report import as_html
from gateway.alerts.report_csv import as_csv
from gateway.alerts.report_words import NOTES_TITLE
from gateway.cli import CANNOT, app, errors
from gateway.cli.registry import registry_database
from gateway.cli.setup import DEFAULT_CONFIG, ConfigOption, out
from gateway.config import load_settings
from gateway.tables import NOT_MEDICAL

if TYPE_CHECKING:
    from gateway.alerts.report import Report
    from gateway.tables import Part


@app.command("report")
def report(
    month: Annotated[str | None, typer.Option(help="Such as 2026-11; this month where left out")] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write a table")] = None,
    html_file: Annotated[Path | None, typer.Option("--html", help="Write a page for printing")] = None,
    carers: Annotated[float, typer.Option(min=0.1, help="How many carers are there at a time")] = 1.0,
    language: Annotated[str | None, typer.Option(help="zh-CN or en; left out: the site's")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """How fast alerts were told and answered, how often they were right, how many there were (报警月报)."""
    settings = load_settings(config)
    site, english = settings.site, (language or settings.site.language) == "en"
    month = month or f"{datetime.now(site.zone):%Y-%m}"
    try:
        with registry_database(config) as database, database.read() as session:
            made = month_report(session, site, month, time.time_ns(), english=english, carers=carers)
    except ValueError as error:
        errors.print(Text(f"yinling: {month!r} is no month, or has not begun; write one such as 2026-11"))
        raise typer.Exit(CANNOT) from error
    if csv_file is not None:
        csv_file.write_text(as_csv(made), encoding="utf-8-sig", newline="")
    if html_file is not None:
        html_file.write_text(as_html(made), encoding="utf-8")
    if csv_file is None and html_file is None:
        _show(made)


def _show(made: Report) -> None:
    out.print(Text(made.title, style="bold"))
    for line in made.about:
        out.print(Text(line))
    for part in made.parts:
        out.print(_table(part) if part.rows else Text(f"\n{part.heading}: {part.nothing}"))
    out.print(Text(f"\n{NOTES_TITLE[made.english]}", style="bold"))
    for line in (*made.notes, NOT_MEDICAL[made.english]):
        out.print(Text(line))


def _table(part: Part) -> Table:
    """Names are shown as they are: brackets in them are no markup."""
    table = Table(title=Text(part.heading))
    for heading in part.columns:
        table.add_column(Text(heading), overflow="fold")
    for row in part.rows:
        table.add_row(*map(Text, row))
    return table
