"""Tables about daily life as CSV and as one printable page, in Chinese or English."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

from gateway.tables import Part, document, harmless
from gateway.tables import tables as tables_of


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
    return document(printed.title, tables(printed), english=printed.english)


def tables(printed: Printed) -> str:
    """The tables alone, for a page of the console."""
    return tables_of(printed.parts, english=printed.english)
