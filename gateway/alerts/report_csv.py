"""The monthly report as one table for a spreadsheet (CSV).

One row for each number and the same columns in every row; a column that does not belong to a row is empty. Times are
seconds, shares between 0 and 1, instants RFC 3339 in the site's zone.
"""

from __future__ import annotations

import csv
import io
from datetime import datetime
from typing import TYPE_CHECKING

from gateway.alerts.report import NS, Number, Report, by_person, measures
from gateway.alerts.report_words import CSV_COLUMNS, FAST, MEASURES
from gateway.tables import harmless

if TYPE_CHECKING:
    from collections.abc import Mapping

    Cells = Mapping[str, str | float | None]
    """One row by the names of `CSV_COLUMNS`."""


def as_csv(report: Report) -> str:
    """One table with one head; numbers are numbers, and what does not belong to a row is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([words[report.english] for words in CSV_COLUMNS.values()])
    for row in csv_rows(report):
        writer.writerow([harmless(_cell(row.get(name))) for name in CSV_COLUMNS])
    return out.getvalue()


def csv_rows(report: Report) -> list[Cells]:
    """The rows of the table, by the names of `CSV_COLUMNS`."""
    of = report.statistics
    times = (("begins", of.from_ns), ("counted_from", of.counted_from_ns), ("ends", of.to_ns), ("made", report.made_ns))
    rows: list[Cells] = [
        {"table": "about", "code": code, "value": datetime.fromtimestamp(at_ns // NS, report.zone).isoformat()}
        for code, at_ns in times
    ]
    assumed = (("residents", of.residents), ("resident_days", of.resident_days), ("carers", of.carers))
    rows += [{"table": "about", "code": code, "value": value} for code, value in assumed]
    rows += [_measured(report, code, number) for code, number in measures(of).items()]
    for one in of.kinds:
        ends = {"recovered": one.recovered, "open": one.open}
        judged = {"real": one.real, "false": one.false, "other": one.other, "precision": one.precision}
        told = {"by_person": by_person(one)} if one.technical else judged
        table = "equipment" if one.technical else "kinds"
        name = report.kind_name(one.kind)
        rows.append({"table": table, "code": one.kind, "name": name, "count": one.raised, **ends, **told})
    rows += [
        {
            "table": "top",
            "code": one.subject,
            "name": report.source_name(one.subject),
            "kind": one.kind,
            "count": one.raised,
            "of": of.raised,
            "share": one.share,
        }
        for one in of.top
    ]
    return rows


def _measured(report: Report, code: str, number: Number) -> Cells:
    spread = number.spread
    count, of = (spread.number, spread.of) if spread else (number.count, number.of)
    return {
        "table": "fast" if code in FAST else "many",
        "code": code,
        "name": report.measure_name(code),
        "count": count,
        "of": of,
        "share": number.share if of is None or count is None else (count / of if of else None),
        "median_s": spread.median if spread else None,
        "p95_s": spread.p95 if spread else None,
        "value": number.rate,
        "target": MEASURES[code].target[report.english],
    }


def _cell(value: str | float | None) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
