"""The page of statistics: a month's alarms as tables, with the table to download and the page to print."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from gateway.alerts.report import COLUMNS, HEADINGS, Report, as_csv, as_html, so_far, span_of
from gateway.alerts.statistics import compute, read
from gateway.api.caller import audit_read
from gateway.console import documents
from gateway.console.entry import HEADERS
from gateway.console.texts import speaker

if TYPE_CHECKING:
    from fastapi import FastAPI

    from gateway.console.entry import Door
    from gateway.console.session import Visitor

PATH = "/console/statistics"


def add_statistics(api: FastAPI, door: Door) -> None:
    """Add the page and its two files: ?month=2026-11, and &form=csv or &form=print."""

    async def statistics(request: Request, month: str = "", form: str = "") -> Response:
        visitor = await door.visitor(request)
        if visitor is None:
            return RedirectResponse("/console/login", 303, headers={"Cache-Control": "no-store"})
        now = datetime.fromtimestamp(door.context.clock() // 10**9, door.context.settings.site.zone)
        language = door.language(request)
        try:
            made = await door.context.in_database(_made, door, visitor, month or f"{now:%Y-%m}", language)
        except ValueError:
            # No month, or one that has not begun.
            return RedirectResponse(PATH, 303, headers={"Cache-Control": "no-store"})
        await audit_read(
            door.context, visitor.key, "console.statistics_opened", "alerts", {"person": visitor.session.person}
        )
        if form == "csv":
            name = f'attachment; filename="yinling-{made.month}.csv"'
            content = as_csv(made).encode("utf-8-sig")
            headers = {"Content-Disposition": name, "Cache-Control": "no-store"}
            return Response(content, media_type="text/csv; charset=utf-8", headers=headers)
        if form == "print":
            # Its style is in the page itself, so that a saved page prints alike.
            policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
            return HTMLResponse(as_html(made), headers={**HEADERS, "Content-Security-Policy": policy})
        return HTMLResponse(page(made, language, door.theme(request)), headers=HEADERS)

    api.add_api_route(PATH, statistics, methods=["GET"], include_in_schema=False)


def page(report: Report, language: str, theme: str) -> str:
    """The month as a page of the console."""
    say, english = speaker(language), int(report.english)
    before, after = _months_around(report.month)
    tables = "".join(
        f"<h2>{HEADINGS[part][english]}</h2><div class='y-scroll'><table><tr>"
        f"{''.join(f'<th>{heading}</th>' for heading in COLUMNS[part][english])}</tr>"
        + "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
        + "</table></div>"
        for part, rows in report.tables.items()
    )
    links = (
        ("y-before", f"{PATH}?month={before}", f"← {before}"),
        ("y-after", f"{PATH}?month={after}", f"{after} →"),
        ("y-csv", f"{PATH}?month={report.month}&amp;form=csv", say("statistics.csv")),
        ("y-print", f"{PATH}?month={report.month}&amp;form=print", say("statistics.print")),
        ("y-back", "/", say("statistics.back")),
    )
    ways = "".join(f'<a class="y-link" id="{name}" href="{address}">{text}</a>' for name, address, text in links)
    title = f"{say('statistics.title')} {report.month}"
    return documents.document(
        title, language, theme, f'<h1>{title}</h1><p class="y-ways">{ways}</p>{tables}', "statistics"
    )


def _made(door: Door, visitor: Visitor, month: str, language: str) -> Report:
    context = door.context
    from_ns, to_ns = so_far(*span_of(month, context.settings.site.zone), context.clock())
    residents = [one.id for one in context.registry.residents() if visitor.key.may_see(one.id)]
    with context.database.read() as session:
        facts = read(session, from_ns, to_ns, residents=None if visitor.key.residents is None else residents)
    numbers = compute(facts, from_ns, to_ns, residents=len(residents), carers=1.0)
    return Report(context.settings.site.name, month, numbers, english=language == "en")


def _months_around(month: str) -> tuple[str, str]:
    first = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    number = first.year * 12 + first.month - 1
    return tuple(f"{one // 12:04d}-{one % 12 + 1:02d}" for one in (number - 1, number + 1))  # type: ignore[return-value]
