"""Tables about daily life as CSV and as one printable page, in Chinese or English."""

from __future__ import annotations

import csv
import html
import io
from dataclasses import dataclass

from gateway.alerts.report import NOT_MEDICAL, STYLE, harmless

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One table. name: for machines, the first column of the CSV."""

    name: str
    heading: str
    columns: Row
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Printed:
    """A title and its tables, all in one language already."""

    title: str
    parts: tuple[Part, ...]
    english: bool


def as_csv(printed: Printed) -> str:
    """One table: part, then the columns of that part."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    for part in printed.parts:
        writer.writerow((part.name, *part.columns))
        writer.writerows((part.name, *map(harmless, row)) for row in part.rows)
    return out.getvalue()


def as_html(printed: Printed) -> str:
    """One page without anything from elsewhere."""
    title, language = html.escape(printed.title), "en" if printed.english else "zh-CN"
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body><h1>{title}</h1>{tables(printed)}"
        f"<p>{NOT_MEDICAL[printed.english]}</p></body></html>\n"
    )


def tables(printed: Printed) -> str:
    """The tables alone, for a page of the console."""
    return "".join(
        f"<h2>{html.escape(part.heading)}</h2><div class='y-scroll'><table><tr>"
        f"{''.join(f'<th>{html.escape(one)}</th>' for one in part.columns)}</tr>"
        + "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in part.rows)
        + "</table></div>"
        for part in printed.parts
    )
