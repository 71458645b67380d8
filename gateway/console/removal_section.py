"""The end of a resident's page of care: taking the resident out. It says what goes and what stays, and asks once more.

For who may change residents and has a key for all of them; by the rules of `gateway.removal`.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from gateway import removal
from gateway.console.buttons import asked_button
from gateway.console.plan_section import PATH, may_plan
from gateway.console.texts import speaker
from gateway.registry import InvalidRecordError
from gateway.removal_words import goes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.console.entry import Door
    from gateway.console.session import Visitor

REMOVAL = "remove_resident"


def may_remove(visitor: Visitor) -> bool:
    """Whether residents may be taken out; as over the API this needs a key for all of them."""
    return may_plan(visitor) and visitor.key.residents is None


def removal_html(door: Door, visitor: Visitor, resident_id: str, language: str) -> str:
    """What goes and what stays, and the button; empty for who may not. Raises UnknownRecordError."""
    if not may_remove(visitor):
        return ""
    say = speaker(language)
    head = f'<h2 id="removal">{say("removal.title")}</h2>'
    try:
        found = removal.what_goes(door.context.database, resident_id)
    except InvalidRecordError:
        return f'{head}<p id="y-removal">{say("removal.alert")}</p>'
    told = goes(found)
    what = f"<p>{escape(told.en if language == 'en' else told.zh)}</p><p>{say('removal.away')}</p>"
    fields = {"resident": resident_id, "do": REMOVAL}
    return head + asked_button(PATH, say("removal.open"), what, say("removal.sure"), tick=say("removal.tick"), **fields)


def remove(door: Door, visitor: Visitor, form: Mapping[str, str]) -> bool:
    """Take the resident out if the form says so once more. False: an alert is open. Raises UnknownRecordError."""
    if "sure" not in form:
        return False
    context = door.context
    try:
        removal.remove_resident(context.database, form.get("resident", ""), by=visitor.name, now_ns=context.clock())
    except InvalidRecordError:
        return False
    return True
