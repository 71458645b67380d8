"""The page of care: the month's tasks and visits; for one resident what is overdue, tasks to tick, the plan, safe
zones, consents, nights, habits and weeks, and at the end the resident's removal.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from analytics.habits.learned import in_words
from gateway.alerts.oncall import local
from gateway.api.caller import audit_read
from gateway.api.habits import read_habits, read_weeks
from gateway.api.problems import Problem
from gateway.api.tasks import TITLE, read_coverage
from gateway.care import read_care
from gateway.console import documents
from gateway.console.entry import HEADERS, read_form, same_origin
from gateway.console.plan_form import FormError
from gateway.console.plan_section import CHANGES, PATH, Refused, change, consents_html, may_plan, overdue, plan_html
from gateway.console.removal_section import REMOVAL, may_remove, removal_html, remove
from gateway.console.texts import speaker
from gateway.console.zone_form import MAX_BYTES, MAX_FIELDS
from gateway.console.zone_section import ZONE_CHANGES, change_zones, zones_html, zones_in_words
from gateway.daily import task_book
from gateway.daily.coverage import printed
from gateway.daily.night_book import nights_of
from gateway.daily.printed import Printed, as_csv, as_html, tables
from gateway.daily.runs import GOING, MISSED
from gateway.daily.task_book import Tick
from gateway.daily.task_duty import TaskDuty, TaskSigns
from gateway.daily.tasks import TASK_KINDS
from gateway.daily.trends import night_rows, printed_weeks
from gateway.registry import UnknownRecordError
from gateway.store.base import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI

    from gateway.console.entry import Door
    from gateway.console.session import Visitor
    from gateway.daily.runs import Run
    from gateway.registry import Resident

LOGIN = "/console/login"
NIGHTS, WEEKS = 14, 8
SHOWN_NS = 36 * 3600 * 10**9


def add_care(api: FastAPI, door: Door) -> None:
    """Add the page: ?month=2026-11 with &form=csv or &form=print, ?resident=r1 with &edit=TASK, and what is posted to
    it: the tick, changes of the plan, of safe zones and of consents, the resident's removal.
    """

    async def care(request: Request, month: str = "", form: str = "", resident: str = "", edit: str = "") -> Response:
        visitor = await door.visitor(request)
        if visitor is None:
            return _to(LOGIN)
        if resident:
            return await _resident(door, visitor, request, resident, edit=edit)
        try:
            return await _month(door, visitor, request, month, form)
        except Problem:
            return _to(PATH)

    async def tick(request: Request) -> Response:
        visitor = await door.visitor(request)
        if visitor is None or not same_origin(request):
            return _to(LOGIN)
        form = await read_form(request, MAX_FIELDS, MAX_BYTES)
        act = _change if form.get("do") in CHANGES | ZONE_CHANGES else _tick
        act = _remove if form.get("do") == REMOVAL else act
        return await act(door, visitor, request, form)

    api.add_api_route(PATH, care, methods=["GET"], include_in_schema=False)
    api.add_api_route(PATH, tick, methods=["POST"], include_in_schema=False)


async def _month(door: Door, visitor: Visitor, request: Request, month: str, form: str) -> Response:
    context, language = door.context, door.language(request)
    english, say = language == "en", speaker(language)
    named, found, names = await context.in_database(read_coverage, context, visitor.key, month or None)
    await audit_read(context, visitor.key, "console.care_opened", "tasks", {"person": visitor.session.person})
    made = printed(found, f"{context.settings.site.name} · {TITLE[english]} {named}", names, english=english)
    if form == "csv":
        headers = {
            "Content-Disposition": f'attachment; filename="yinling-care-{named}.csv"',
            "Cache-Control": "no-store",
        }
        return Response(as_csv(made).encode("utf-8-sig"), media_type="text/csv; charset=utf-8", headers=headers)
    if form == "print":
        return HTMLResponse(as_html(made), headers=HEADERS)
    people = await context.in_database(_people, door, names, language)
    ways = "".join(
        f'<a class="y-link" id="{name}" href="{address}">{text}</a>'
        for name, address, text in (
            ("y-csv", f"{PATH}?month={named}&amp;form=csv", say("statistics.csv")),
            ("y-print", f"{PATH}?month={named}&amp;form=print", say("statistics.print")),
            ("y-back", "/", say("statistics.back")),
        )
    )
    body = (
        f'<h1>{say("care.title")} {named}</h1><p class="y-ways">{ways}</p><ul id="y-people">{people}</ul>{tables(made)}'
    )
    return HTMLResponse(
        documents.document(say("care.title"), language, door.theme(request), body, "care"), headers=HEADERS
    )


def _people(door: Door, names: Mapping[str, str], language: str) -> str:
    """Everybody with what is overdue, and with the safe zones of those who have some."""
    say, care = speaker(language), read_care(door.context.registry)
    with door.context.database.read() as session:
        late = Counter(run.resident_id for run in overdue(session))
    rows = []
    for who, name in names.items():
        link = f'<a class="y-link" href="{PATH}?resident={quote(who)}">{escape(name)}</a>'
        told = f' <b data-overdue="{late[who]}">{say("care.overdue")} {late[who]}</b>' if late[who] else ""
        zones = zones_in_words(care[who], language) if who in care else ""
        told += f' <span class="y-zones-of">{say("zones.title")} {escape(zones)}</span>' if zones else ""
        rows.append(f"<li>{link}{told}</li>")
    return "".join(rows)


async def _resident(
    door: Door,
    visitor: Visitor,
    request: Request,
    resident_id: str,
    *,
    edit: str = "",
    refused: Refused | None = None,
) -> Response:
    context, language = door.context, door.language(request)
    known: Resident | None = await context.in_database(context.registry.resident, resident_id)
    if known is None or not visitor.key.may_see(resident_id):
        return _to(PATH)
    subject = f"resident:{resident_id}"
    await audit_read(context, visitor.key, "console.care_opened", subject, {"person": visitor.session.person})
    body = await context.in_database(_sections, door, visitor, known, language)
    of_zones = refused is not None and refused.fields.get("do") in ZONE_CHANGES
    body += await context.in_database(
        lambda: plan_html(door, visitor, resident_id, language, edit=edit, refused=None if of_zones else refused)
    )
    body += await context.in_database(
        lambda: zones_html(door, visitor, resident_id, language, refused=refused if of_zones else None)
    )
    body += await context.in_database(consents_html, door, visitor, resident_id, language)
    body += await _weeks(door, known, language)
    body += await context.in_database(removal_html, door, visitor, resident_id, language)
    say = speaker(language)
    back = f'<p class="y-ways"><a class="y-link" href="{PATH}">{say("statistics.back")}</a></p>'
    head = f"<h1>{escape(known.display_name)}</h1>{back}"
    page = documents.document(escape(known.display_name), language, door.theme(request), head + body, "care")
    return HTMLResponse(page, 200 if refused is None else 422, headers=HEADERS)


def _sections(door: Door, visitor: Visitor, resident: Resident, language: str) -> str:
    context, english, say = door.context, language == "en", speaker(language)
    now_ns, zone = context.clock(), context.settings.site.zone
    today = local(now_ns, zone).date()
    learned, _ = read_habits(context, resident.id)
    with context.database.read() as session:
        found = task_book.runs_of(session, now_ns - SHOWN_NS, now_ns + SHOWN_NS, [resident.id])
        late = [run for run in overdue(session) if run.resident_id == resident.id]
        labels = {task.id: task.label for task in task_book.plan_of(session, resident.id)}
        nights = nights_of(session, resident.id, today - timedelta(days=NIGHTS), today)
    words = "".join(f"<li>{escape(one.en if english else one.zh)}</li>" for one in in_words(learned))
    tasks = "".join(_task(run, labels.get(run.task, ""), language, door, visitor) for run in found)
    if not tasks:
        tasks = f"<li>{say('care.no_tasks')}</li>"
    waiting = "".join(_task(run, labels.get(run.task, ""), language, door, visitor) for run in late)
    waiting = f'<h2>{say("care.overdue")}</h2><ul id="y-overdue">{waiting}</ul>' if waiting else ""
    report = Printed("", (night_rows(nights, zone, english=english),), english)
    return (
        f'{waiting}<h2>{say("care.tasks")}</h2><ul id="y-tasks">{tasks}</ul>'
        f'<h2>{say("care.habits")}</h2><ul id="y-habits">{words}</ul>{tables(report)}'
    )


def _task(run: Run, label: str, language: str, door: Door, visitor: Visitor) -> str:
    say, kind = speaker(language), TASK_KINDS[run.kind]
    due = datetime.fromtimestamp(run.due_ns // 10**9, door.context.settings.site.zone)
    what = label or (kind.en if language == "en" else kind.zh)
    by = f" · {escape(run.done_by)}" if run.done_by else ""
    button = ""
    if run.state in GOING | {MISSED} and visitor.may_answer:
        hidden = "".join(
            f'<input type="hidden" name="{name}" value="{escape(value)}">'
            for name, value in (("resident", run.resident_id), ("task", run.task), ("due", str(run.due_ns)))
        )
        button = f'<form method="post" action="{PATH}">{hidden}<button>{say("care.tick")}</button></form>'
    return f'<li data-state="{run.state}">{due:%m-%d %H:%M} {escape(what)} · {say(f"run.{run.state}")}{by}{button}</li>'


async def _weeks(door: Door, resident: Resident, language: str) -> str:
    """A history that cannot be read leaves the rest of the page as it is."""
    try:
        weeks = await asyncio.to_thread(read_weeks, door.context, resident.id, WEEKS)
    except StoreError:
        return f'<p class="y-fault-text">{speaker(language)("care.no_history")}</p>'
    return tables(printed_weeks(weeks, "", english=language == "en"))


async def _change(door: Door, visitor: Visitor, request: Request, form: Mapping[str, str]) -> Response:
    """A task of the plan, safe zones, or a consent. What cannot be is shown again with the reason."""
    resident_id = form.get("resident", "")
    if not (may_plan(visitor) and visitor.key.may_see(resident_id)):
        return _to(PATH)
    try:
        if form["do"] in ZONE_CHANGES:
            await door.context.in_database(change_zones, door, visitor, form)
            await door.context.registry_changed()
        else:
            await door.context.in_database(change, door, visitor, form)
    except FormError as error:
        return await _resident(door, visitor, request, resident_id, refused=Refused(form, error))
    except UnknownRecordError:
        return _to(PATH)
    return _to(f"{PATH}?resident={quote(resident_id)}")


async def _remove(door: Door, visitor: Visitor, _: Request, form: Mapping[str, str]) -> Response:
    """The resident goes; with an alert open nothing happens, and the page says why."""
    if not may_remove(visitor):
        return _to(PATH)
    try:
        gone = await door.context.in_database(remove, door, visitor, form)
    except UnknownRecordError:
        return _to(PATH)
    if not gone:
        return _to(f"{PATH}?resident={quote(form.get('resident', ''))}#removal")
    await door.context.registry_changed()
    return _to(PATH)


async def _tick(door: Door, visitor: Visitor, _: Request, form: Mapping[str, str]) -> Response:
    resident_id, due = form.get("resident", ""), form.get("due", "")
    if not (visitor.may_answer and visitor.key.may_see(resident_id) and due.isdecimal() and len(due) < 20):
        return _to(PATH)
    context = door.context
    duty = TaskDuty(context.database, context.alerts, context.settings.site.zone, TaskSigns(dict))
    word = Tick(resident_id, form.get("task", ""), visitor.name, int(due))
    await context.in_database(duty.tick, word, context.clock())
    return _to(f"{PATH}?resident={quote(resident_id)}")


def _to(address: str) -> Response:
    return RedirectResponse(address, 303, headers={"Cache-Control": "no-store"})
