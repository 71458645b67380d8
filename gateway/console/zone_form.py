"""The form of a resident's safe zones: from what a person has filled in to settings, and back to the form. Pure."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

from gateway.console.plan_form import FormError
from gateway.console.texts import speaker

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from analytics.care import Care

SPANS = ("zone_delay_min", "unseen_min")
MAX_FIELDS = 256
MAX_BYTES = 32_768
"""As many zones as may be set, each of the longest name, as a browser encodes Chinese."""
_BETWEEN = re.compile(r"[,;，；、\n]+")
_MINUTES = re.compile(r"\d{1,5}(?:\.\d{1,3})?", re.ASCII)
_TICKED = re.compile(r"room_\d+", re.ASCII)


def zones_from(form: Mapping[str, str]) -> dict[str, object]:
    """`safe_zones`, `zone_delay_min` and `unseen_min` of the settings. Raises FormError."""
    zones: dict[str, str] = {}
    for name in (*ticked(form), *_BETWEEN.split(form.get("more", ""))):
        if name.strip():
            zones.setdefault(plain_name(name), name.strip())
    if not zones:
        raise FormError("zones.none_chosen")
    return {"safe_zones": list(zones.values()), **{span: _minutes(form.get(span, "")) for span in SPANS}}


def ticked(form: Mapping[str, str]) -> list[str]:
    """The rooms with a tick."""
    return [value for name, value in form.items() if _TICKED.fullmatch(name)]


def plain_name(name: str) -> str:
    """What two ways of writing the name of a room have in common; as the zones are compared."""
    return name.strip().casefold()


def form_of(care: Care) -> dict[str, str]:
    """The fields of the form for the settings as they stand."""
    rooms = {f"room_{number}": name for number, name in enumerate(care.safe_zones)}
    return {**rooms, **{span: f"{getattr(care, span):g}" for span in SPANS}}


def form_html(
    path: str, fields: Mapping[str, str], known: Collection[str], hidden: str, language: str, problem: str = ""
) -> str:
    """The form. known: rooms of which receivers are known; hidden: ready HTML of the hidden fields."""
    say = speaker(language)
    warning = f'<p class="y-fault-text" role="alert">{escape(problem)}</p>' if problem else ""
    chosen = {plain_name(name): name for name in ticked(fields)}
    rooms = {plain_name(name): name for name in known} | chosen
    boxes = "".join(
        f'<label class="y-tickbox"><input type="checkbox" name="room_{number}" value="{escape(rooms[plain])}"'
        f"{' checked' * (plain in chosen)}>{escape(rooms[plain])}</label>"
        for number, plain in enumerate(sorted(rooms))
    )
    picked = f'<fieldset class="y-days"><legend>{say("zones.rooms")}</legend>{boxes}</fieldset>' if boxes else ""
    return (
        f'<form method="post" action="{path}" id="y-zones-form">{warning}{hidden}{picked}'
        f"{_input('more', fields, say('zones.more'), 'maxlength=2000')}"
        f"{_input('zone_delay_min', fields, say('zones.delay'), 'inputmode=decimal maxlength=9')}"
        f"{_input('unseen_min', fields, say('zones.unseen'), 'inputmode=decimal maxlength=9')}"
        f'<button type="submit">{say("plan.save")}</button></form>'
    )


def _minutes(text: str) -> float:
    if not _MINUTES.fullmatch(text.strip()):
        raise FormError("plan.no_number")
    return float(text)


def _input(name: str, fields: Mapping[str, str], label: str, more: str) -> str:
    value = escape(fields.get(name, ""))
    return f'<label for="zones-{name}">{label}</label><input id="zones-{name}" name="{name}" value="{value}" {more}>'
