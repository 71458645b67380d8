"""What the page of care shows and takes of a plan and of consents: lists, buttons, and what is posted.

Who may change them is who may by the API (`residents:write`); every change is in the audit trail with the name.
"""

from __future__ import annotations

from datetime import datetime
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

from gateway.api.scopes import Scope
from gateway.consents import PURPOSES, Consents
from gateway.console.buttons import button, hidden
from gateway.console.plan_form import FormError, form_html, form_of, in_words, merged, task_from
from gateway.console.texts import speaker
from gateway.daily import task_book
from gateway.daily.runs import DUE, MISSED
from gateway.registry import InvalidRecordError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from gateway.console.entry import Door
    from gateway.console.session import Visitor
    from gateway.daily.runs import Run

PATH = "/console/care"
CHANGES = frozenset({"put", "remove", "give", "withdraw"})


def may_plan(visitor: Visitor) -> bool:
    """Whether plan and consents may be changed."""
    return Scope.RESIDENTS_WRITE in visitor.key.scopes


def overdue(session: Session) -> list[Run]:
    """Runs that should have been done by now, of everybody, the oldest first."""
    return [run for run in task_book.unfinished(session) if run.state in {DUE, MISSED}]


def plan_html(
    door: Door, visitor: Visitor, resident_id: str, language: str, *, edit: str = "", refused: Refused | None = None
) -> str:
    """The plan with its buttons, and the form. edit: the task in the form; refused: the form as it was filled in."""
    say = speaker(language)
    with door.context.database.read() as session:
        plan = task_book.plan_of(session, resident_id)
    allowed = may_plan(visitor)
    rows = "".join(
        f"<li>{escape(in_words(task, language))}{_row_buttons(resident_id, task.id, language) if allowed else ''}</li>"
        for task in plan
    )
    listed = f'<ul id="y-plan">{rows}</ul>' if rows else f'<p id="y-plan">{say("care.no_tasks")}</p>'
    head = f'<h2 id="plan">{say("plan.title")}</h2>{listed}'
    if not allowed:
        return head
    chosen = next((task for task in plan if task.id == edit), None)
    fields = refused.fields if refused is not None else form_of(chosen)
    kept = hidden(resident=resident_id, do="put", task=fields.get("task", ""))
    title = say("plan.change" if fields.get("task") else "plan.add")
    problem = "" if refused is None else say(refused.key) + (f" {refused.why}" if refused.why else "")
    opened = " open" * (chosen is not None or refused is not None)
    form = form_html(fields, kept, language, problem)
    return f'{head}<details id="y-plan-new"{opened}><summary>{title}</summary>{form}</details>'


class Refused:
    """A form that was not taken: what was filled in, and which text says why."""

    def __init__(self, fields: Mapping[str, str], error: FormError) -> None:
        self.fields = fields
        self.key = error.key
        self.why = error.why


def consents_html(door: Door, visitor: Visitor, resident_id: str, language: str) -> str:
    """What the resident has agreed to, since when, with a button to write down a change."""
    say, zone = speaker(language), door.context.settings.site.zone
    rows = []
    for one in Consents(door.context.database).of(resident_id):
        text = PURPOSES[one.purpose][language == "en"]
        at_ns = one.given_ns if one.stands else one.withdrawn_ns
        day = "" if at_ns is None else f"{datetime.fromtimestamp(at_ns // 10**9, zone):%Y-%m-%d}"
        state = say("consent.stands" if one.stands else "consent.ended" if at_ns else "consent.never", day=day)
        do = "withdraw" if one.stands else "give"
        press = button(PATH, say(f"consent.{do}"), resident=resident_id, do=do, purpose=one.purpose)
        rows.append(
            f'<li data-purpose="{one.purpose}" data-stands="{str(one.stands).lower()}">{escape(text)} · {state}'
            f"{press if may_plan(visitor) else ''}</li>"
        )
    return f'<h2>{say("consent.title")}</h2><ul id="y-consents">{"".join(rows)}</ul>'


def change(door: Door, visitor: Visitor, form: Mapping[str, str]) -> None:
    """Do what a form of plan or consents asks for. Raises FormError, UnknownRecordError; nothing is changed then."""
    context, resident_id, now_ns = door.context, form.get("resident", ""), door.context.clock()
    do, who = form.get("do", ""), visitor.name
    if do in {"give", "withdraw"}:
        consents = Consents(context.database)
        act = consents.give if do == "give" else consents.withdraw
        try:
            act(resident_id, form.get("purpose", ""), by=who, now_ns=now_ns)
        except InvalidRecordError as error:
            raise FormError("plan.wrong", str(error)) from error
    elif do == "remove":
        task_book.change_task(context.database, resident_id, form.get("task", ""), None, by=who, now_ns=now_ns)
    else:
        _put(door, resident_id, form, who, now_ns)


def _put(door: Door, resident_id: str, form: Mapping[str, str], who: str, now_ns: int) -> None:
    database = door.context.database
    with database.read() as session:
        known = {task.id: task for task in task_book.plan_of(session, resident_id)}
    named = form.get("task", "")
    if named and named not in known:
        raise FormError("plan.gone")
    plain = task_from(form, known)
    plain = merged(plain, known.get(named))
    try:
        task_book.change_task(database, resident_id, str(plain["id"]), plain, by=who, now_ns=now_ns)
    except InvalidRecordError as error:
        raise FormError("plan.wrong", str(error)) from error


def _row_buttons(resident_id: str, task: str, language: str) -> str:
    say = speaker(language)
    address = f"{PATH}?resident={quote(resident_id)}&amp;edit={quote(task)}#y-plan-new"
    remove = button(PATH, say("plan.remove"), resident=resident_id, do="remove", task=task)
    return f'<span class="y-row-ways"><a class="y-link" href="{address}">{say("plan.edit")}</a>{remove}</span>'
