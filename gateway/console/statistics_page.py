"""The page of statistics: a month's alarms as tables, with the table to download and the page to print.

Carers at a time are asked for on the page itself: nothing in the settings says how many there are.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from gateway.alerts.happened import month_report
from gateway.alerts.report import Report, as_html, body_html, span_of
from gateway.alerts.report_csv import as_csv
from gateway.api.caller import audit_read
from gateway.console import documents
from gateway.console.entry import HEADERS
from gateway.console.texts import speaker

if TYPE_CHECKING:
    from fastapi import FastAPI

    from gateway.console.entry import Door
    from gateway.console.session import Visitor

PATH = "/console/statistics"
LEAST_CARERS, MOST_CARERS = 0.1, 10_000.0


class Wish(NamedTuple):
    """What is to be seen. month: "2026-11"; carers: at a time."""

    month: str
    language: str
    carers: float


def add_statistics(api: FastAPI, door: Door) -> None:
    """Add the page and its two files: ?month=2026-11, &carers=2, and &form=csv or &form=print."""

    async def statistics(request: Request, month: str = "", form: str = "", carers: str = "") -> Response:
        visitor = await door.visitor(request)
        if visitor is None:
            return RedirectResponse("/console/login", 303, headers={"Cache-Control": "no-store"})
        now = datetime.fromtimestamp(door.context.clock() // 10**9, door.context.settings.site.zone)
        wish = Wish(month or f"{now:%Y-%m}", door.language(request), _carers(carers))
        try:
            made = await door.context.in_database(_made, door, visitor, wish)
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
        return HTMLResponse(page(made, wish.language, door.theme(request)), headers=HEADERS)

    api.add_api_route(PATH, statistics, methods=["GET"], include_in_schema=False)


def page(report: Report, language: str, theme: str) -> str:
    """The month as a page of the console."""
    say = speaker(language)
    before, after = _months_around(report.month)
    carers = f"{report.statistics.carers:g}"
    here = f"{PATH}?month={report.month}&amp;carers={carers}"
    links = [
        ("y-before", f"{PATH}?month={before}&amp;carers={carers}", f"← {before}"),
        ("y-after", f"{PATH}?month={after}&amp;carers={carers}", f"{after} →"),
        ("y-csv", f"{here}&amp;form=csv", say("statistics.csv")),
        ("y-print", f"{here}&amp;form=print", say("statistics.print")),
        ("y-back", "/", say("statistics.back")),
    ]
    if span_of(after, report.zone)[0] >= report.made_ns:
        del links[1]
    ways = "".join(f'<a class="y-link" id="{name}" href="{address}">{text}</a>' for name, address, text in links)
    title = f"{say('statistics.title')} {report.month}"
    form = (
        f'<form method="get" action="{PATH}" id="y-carers"><input type="hidden" name="month" value="{report.month}">'
        f'<label for="carers">{say("statistics.carers")}</label><input id="carers" name="carers" type="number" '
        f'min="{LEAST_CARERS}" max="{MOST_CARERS}" step="any" value="{carers}">'
        f"<button>{say('statistics.count')}</button></form>"
    )
    body = f'<h1>{title}</h1><p class="y-ways">{ways}</p>{body_html(report)}{form}'
    return documents.document(title, language, theme, body, "statistics")


def _made(door: Door, visitor: Visitor, wish: Wish) -> Report:
    context, key = door.context, visitor.key
    with context.database.read() as session:
        return month_report(
            session,
            context.settings.site,
            wish.month,
            context.clock(),
            english=wish.language == "en",
            residents=key.residents,
            carers=wish.carers,
        )


def _carers(text: str) -> float:
    """How many carers at a time; one where that is not said, or is no such number."""
    try:
        carers = float(text)
    except ValueError:
        return 1.0
    return carers if LEAST_CARERS <= carers <= MOST_CARERS else 1.0


def _months_around(month: str) -> tuple[str, str]:
    number = int(month[:4]) * 12 + int(month[5:]) - 1
    return tuple(f"{one // 12:04d}-{one % 12 + 1:02d}" for one in (number - 1, number + 1))  # type: ignore[return-value]
