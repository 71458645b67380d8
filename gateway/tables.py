"""What every printed table of the gateway shares: how it looks as HTML, and what a spreadsheet must not run."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

NOT_MEDICAL = ("本产品不是医疗器械。", "Not a medical device.")
NOTHING = ("没有记录。", "Nothing to show.")
STYLE = (
    "body{font-family:'Noto Sans SC','Microsoft YaHei',sans-serif;max-width:64em;margin:2em auto;padding:0 1em;"
    "color:#111}table{border-collapse:collapse;width:100%;margin-bottom:1.5em}td,th{border:1px solid #999;"
    "padding:.3em .6em;text-align:left;min-width:4em}th{background:#eee}td:first-child,th:first-child{min-width:9em}"
    "td:nth-child(n+2){font-variant-numeric:tabular-nums}h1{font-size:1.5em}h2{font-size:1.15em}"
    ".y-scroll{overflow-x:auto}@page{size:A4;margin:18mm}@media print{body{margin:0;padding:0;max-width:none}"
    "h2{break-after:avoid}tr{break-inside:avoid}.y-scroll{overflow:visible}td,th{min-width:0!important}}"
)

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One table. name: for machines, the first column of the CSV. nothing: said in place of a table without rows."""

    name: str
    heading: str
    columns: Row
    rows: tuple[Row, ...]
    nothing: str = ""


def tables(parts: Iterable[Part], *, english: bool) -> str:
    """The tables with their headings, each in a box that scrolls by itself where it is too wide."""
    return "".join(f"<h2>{html.escape(part.heading)}</h2>{_table(part, english=english)}" for part in parts)


def document(title: str, body: str, *, english: bool) -> str:
    """A whole page without anything from elsewhere. title: plain text; body: ready HTML."""
    title = html.escape(title)
    return (
        f'<!doctype html><html lang="{"en" if english else "zh-CN"}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body><h1>{title}</h1>{body}<p>{NOT_MEDICAL[english]}</p></body></html>\n"
    )


def harmless(cell: str) -> str:
    """A spreadsheet must not take a name for a formula."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@") else cell


def _table(part: Part, *, english: bool) -> str:
    if not part.rows:
        return f"<p>{html.escape(part.nothing or NOTHING[english])}</p>"
    head = "".join(f"<th>{html.escape(one)}</th>" for one in part.columns)
    rows = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in part.rows)
    return f"<div class='y-scroll' tabindex='0'><table><tr>{head}</tr>{rows}</table></div>"
