"""What the page of care shows and takes of a resident's safe zones: the rooms, the spans, the form, and what is posted.

Who may change them is who may change the plan; every change is in the audit trail with the name, and in force at once.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from gateway.care import care_of, plain_care, put_care
from gateway.console.buttons import asked_button, button, hidden
from gateway.console.plan_form import FormError
from gateway.console.plan_section import PATH, Refused, may_plan
from gateway.console.texts import speaker
from gateway.console.zone_form import form_html, form_of, plain_name, zones_from
from gateway.registry import InvalidRecordError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analytics.care import Care
    from gateway.console.entry import Door
    from gateway.console.session import Visitor
    from gateway.console.texts import Say

ZONE_CHANGES = frozenset({"zones", "zone_out", "zones_off"})


def known_rooms(door: Door, visitor: Visitor) -> set[str]:
    """Rooms that receivers are registered for, and in which a tag of residents that the visitor may see was heard."""
    context = door.context
    named = [str(one.options.get("zone") or "") for one in context.registry.devices()]
    heard = [
        context.live.value(placed.device_id, "room")
        for placed in context.registry.assignments()
        if visitor.key.may_see(placed.resident_id)
    ]
    named += [one.value for one in heard if one is not None and isinstance(one.value, str)]
    return {name.strip() for name in named if name.strip()}


def zones_in_words(care: Care, language: str) -> str:
    """The rooms in one line, empty where nothing is watched."""
    return (", " if language == "en" else "、").join(care.safe_zones)


def zones_html(door: Door, visitor: Visitor, resident_id: str, language: str, *, refused: Refused | None = None) -> str:
    """The safe rooms with their buttons, the spans, and the form. refused: the form as it was filled in."""
    say, care = speaker(language), care_of(door.context.registry, resident_id)
    known, allowed = known_rooms(door, visitor), may_plan(visitor)
    head = f'<h2 id="zones">{say("zones.title")}</h2><p>{say("zones.about")}</p>'
    head += _listed(care, known, resident_id, say, allowed=allowed)
    if not allowed:
        return head
    filled = refused is not None and refused.fields.get("do") == "zones"
    fields = refused.fields if refused is not None and filled else form_of(care)
    problem = "" if refused is None else say(refused.key) + (f" {refused.why}" if refused.why else "")
    form = form_html(PATH, fields, known, hidden(resident=resident_id, do="zones"), language, problem)
    title = say("zones.change" if care.safe_zones else "zones.begin")
    opened = " open" * (refused is not None)
    off = ""
    if care.safe_zones:
        what = f"<p>{say('zones.off_why')}</p>"
        off = asked_button(PATH, say("zones.off"), what, say("zones.off_sure"), resident=resident_id, do="zones_off")
    return f'{head}<details id="y-zones-new"{opened}><summary>{title}</summary>{form}</details>{off}'


def change_zones(door: Door, visitor: Visitor, form: Mapping[str, str]) -> None:
    """Do what a form of safe zones asks for. Raises FormError, UnknownRecordError; nothing is changed then."""
    registry, resident_id = door.context.registry, form.get("resident", "")
    care = care_of(registry, resident_id)
    wanted: dict[str, Any] = plain_care(care)
    if form.get("do") == "zones":
        wanted |= zones_from(form)
    elif form.get("do") == "zones_off":
        wanted["safe_zones"] = []
    else:
        wanted["safe_zones"] = [one for one in care.safe_zones if plain_name(one) != plain_name(form.get("room", ""))]
        if care.safe_zones and not wanted["safe_zones"]:
            raise FormError("zones.last")
    try:
        put_care(registry, resident_id, wanted, by=visitor.name, now_ns=door.context.clock())
    except InvalidRecordError as error:
        raise FormError("plan.wrong", str(error)) from error


def _listed(care: Care, known: set[str], resident_id: str, say: Say, *, allowed: bool) -> str:
    if not care.safe_zones:
        return f'<p id="y-zones">{say("zones.off_now")}</p>'
    heard = {plain_name(name) for name in known}
    rows = []
    for name in care.safe_zones:
        doubt = "" if plain_name(name) in heard else f' · <b class="y-doubt">{say("zones.unheard")}</b>'
        remove = button(PATH, say("plan.remove"), resident=resident_id, do="zone_out", room=name)
        several = allowed and len(care.safe_zones) > 1
        rows.append(f"<li><span>{escape(name)}{doubt}</span>{remove if several else ''}</li>")
    outside, unseen = care.zone_delay_min, care.unseen_min
    spans = (
        say("zones.delay_now", n=f"{outside:g}") if outside > 0 else say("zones.delay_never"),
        say("zones.unseen_now", n=f"{unseen:g}") if unseen > 0 else say("zones.unseen_never"),
    )
    return f'<ul id="y-zones">{"".join(rows)}</ul><p id="y-zone-spans">{" · ".join(spans)}</p>'
