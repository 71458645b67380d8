"""`yinling report`: the month's alerts as numbers, for a spreadsheet or for printing."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from gateway.alerts.report import COLUMNS, HEADINGS, Report, as_csv, as_html, so_far, span_of
from gateway.alerts.statistics import compute, read
from gateway.cli import CANNOT, app, errors
from gateway.cli.registry import registry_database
from gateway.cli.setup import DEFAULT_CONFIG, ConfigOption, out
from gateway.config import load_settings
from gateway.registry import Registry


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
    month = month or f"{datetime.now(settings.site.zone):%Y-%m}"
    try:
        from_ns, to_ns = so_far(*span_of(month, settings.site.zone), time.time_ns())
    except ValueError as error:
        errors.print(f"yinling: {month!r} is no month, or has not begun; write one such as 2026-11", highlight=False)
        raise typer.Exit(CANNOT) from error
    with registry_database(config) as database:
        residents = len(Registry(database).residents())
        with database.read() as session:
            numbers = compute(read(session, from_ns, to_ns), from_ns, to_ns, residents=residents, carers=carers)
    made = Report(settings.site.name, month, numbers, english=(language or settings.site.language) == "en")
    if csv_file is not None:
        csv_file.write_text(as_csv(made), encoding="utf-8-sig", newline="")
    if html_file is not None:
        html_file.write_text(as_html(made), encoding="utf-8")
    if csv_file is None and html_file is None:
        for part, rows in made.tables.items():
            table = Table(title=HEADINGS[part][made.english])
            for heading in COLUMNS[part][made.english]:
                table.add_column(heading, overflow="fold")
            for row in rows:
                table.add_row(*row)
            out.print(table)
