"""The form of one care task: from what a person has filled in to a task, and from a task back to the form. Pure.

What cannot be understood is answered with a text of the console, and the form is shown again as it was filled in.
"""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

from gateway.alerts.oncall import WEEKDAYS
from gateway.console.texts import speaker
from gateway.daily.tasks import TASK_KINDS, TaskError, plain_task, plan_from

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from gateway.daily.tasks import CareTask

ALL_WEEK = frozenset(WEEKDAYS)
WAYS = ("times", "every", "week", "month")
_CLOCK = re.compile(r"([01]?\d|2[0-3])[:：]([0-5]\d)")
_BETWEEN = re.compile(r"[\s,;，；、]+")


class FormError(ValueError):
    """Something in the form cannot be. key: the text that says so; why: what the plan says, in its own words."""

    def __init__(self, key: str, why: str = "") -> None:
        super().__init__(key)
        self.key = key
        self.why = why


def task_from(form: Mapping[str, str], known: Collection[str]) -> dict[str, object]:
    """The task as plain JSON. known: names of the plan's tasks; a new one gets a name of its own. Raises FormError."""
    kind = form.get("kind", "")
    if kind not in TASK_KINDS:
        raise FormError("plan.no_kind")
    name = form.get("task", "") or _fresh_name(kind, known)
    plain: dict[str, object] = {"id": name, "kind": kind, "label": form.get("label", "").strip()}
    plain |= _when(form)
    plain["grace_min"] = _number(form, "grace_min", 60)
    plain["remind"] = "remind" in form
    if form.get("device", "").strip():
        plain["device"] = form["device"].strip()
    try:
        (task,) = plan_from([plain])
    except TaskError as error:
        raise FormError("plan.wrong", str(error)) from error
    return plain_task(task)


def merged(plain: Mapping[str, object], before: CareTask | None) -> dict[str, object]:
    """What the form does not show stays as it was: first and last day, signals, how early."""
    kept = {} if before is None else {name: value for name, value in plain_task(before).items() if name in _HIDDEN}
    return {**kept, **plain}


_HIDDEN = frozenset({"start", "until", "early_min", "signals"})


def form_of(task: CareTask | None) -> dict[str, str]:
    """The fields of the form for a task as it stands; for a new one, what is usual."""
    if task is None:
        return {"kind": "medication", "way": "times", "grace_min": "60", "remind": "on", **_days(ALL_WEEK)}
    fields = {"task": task.id, "kind": task.kind, "label": task.label, "grace_min": str(task.grace_min)}
    fields |= {"way": task.period or ("every" if task.every_min else "times"), "device": task.device or ""}
    fields["times"] = " ".join(f"{one:%H:%M}" for one in task.times)
    if task.every_min is not None:
        fields["every_min"] = str(task.every_min)
    if task.hours is not None:
        fields |= {"from": f"{task.hours.begins:%H:%M}", "to": f"{task.hours.ends:%H:%M}"}
    if task.remind:
        fields["remind"] = "on"
    return fields | _days(task.days or ALL_WEEK)


def form_html(fields: Mapping[str, str], hidden: str, language: str, problem: str = "") -> str:
    """The form. hidden: ready HTML of the hidden fields; problem: why it was not taken, in words."""
    say = speaker(language)
    warning = f'<p class="y-fault-text" role="alert">{escape(problem)}</p>' if problem else ""
    english = language == "en"
    kinds = {name: row.en if english else row.zh for name, row in TASK_KINDS.items()}
    days = "".join(
        f'<label class="y-tickbox"><input type="checkbox" name="day_{day}"{" checked" * (f"day_{day}" in fields)}>'
        f"{say(f'day.{day}')}</label>"
        for day in WEEKDAYS
    )
    remind = f'<input type="checkbox" name="remind"{" checked" * ("remind" in fields)}>'
    return (
        f'<form method="post" action="/console/care" id="y-plan-form">{warning}{hidden}'
        f"{_select('kind', kinds, fields, say('plan.kind'))}"
        f"{_input('label', fields, say('plan.label'), 'maxlength=120')}"
        f"{_select('way', {way: say(f'plan.way.{way}') for way in WAYS}, fields, say('plan.when'))}"
        f"{_input('times', fields, say('plan.times'), 'placeholder=08:00 maxlength=200')}"
        f"{_input('every_min', fields, say('plan.every'), 'inputmode=numeric maxlength=4')}"
        f"{_input('from', fields, say('plan.from'), 'type=time')}{_input('to', fields, say('plan.to'), 'type=time')}"
        f'<fieldset class="y-days"><legend>{say("plan.days")}</legend>{days}</fieldset>'
        f"{_input('grace_min', fields, say('plan.grace'), 'inputmode=numeric maxlength=4')}"
        f"{_input('device', fields, say('plan.device'), 'maxlength=200')}"
        f'<label class="y-tickbox">{remind}{say("plan.remind")}</label>'
        f'<button type="submit">{say("plan.save")}</button></form>'
    )


def in_words(task: CareTask, language: str) -> str:
    """What and when, in one line."""
    say, english = speaker(language), language == "en"
    row = TASK_KINDS[task.kind]
    what = row.en if english else row.zh
    if task.label:
        what = f"{what}: {task.label}" if english else f"{what}：{task.label}"
    clocks = " ".join(f"{one:%H:%M}" for one in task.times)
    if task.period is not None:
        when = f"{say(f'plan.way.{task.period}')} {clocks}".strip()
    elif task.every_min is not None:
        hours = "" if task.hours is None else f" {task.hours.begins:%H:%M}–{task.hours.ends:%H:%M}"
        when = say("plan.every_words", n=task.every_min) + hours
    else:
        when = clocks
    days = " ".join(say(f"day.{day}") for day in WEEKDAYS if day in task.days)
    return " · ".join(part for part in (what, when, days) if part)


def _when(form: Mapping[str, str]) -> dict[str, object]:
    way = form.get("way", "")
    days = [day for day in WEEKDAYS if f"day_{day}" in form]
    if way in {"week", "month"}:
        clocks = _clocks(form) if form.get("times", "").strip() else []
        return {"period": way, **({"times": clocks[:1]} if clocks else {})}
    if not days:
        raise FormError("plan.no_day")
    plain: dict[str, object] = {} if frozenset(days) == ALL_WEEK else {"days": days}
    if way == "times":
        plain["times"] = _clocks(form)
    elif way == "every":
        plain["every_min"] = _number(form, "every_min", 0)
        if form.get("from") or form.get("to"):
            plain["hours"] = {"from": _clock(form.get("from", "")), "to": _clock(form.get("to", ""))}
    else:
        raise FormError("plan.no_way")
    return plain


def _clocks(form: Mapping[str, str]) -> list[str]:
    found = [_clock(part) for part in _BETWEEN.split(form.get("times", "").strip()) if part]
    if not found:
        raise FormError("plan.no_time")
    return sorted(found)


def _clock(text: str) -> str:
    match = _CLOCK.fullmatch(text.strip())
    if match is None:
        raise FormError("plan.bad_time")
    return f"{int(match[1]):02d}:{match[2]}"


def _number(form: Mapping[str, str], name: str, usual: int) -> int:
    text = form.get(name, "").strip()
    if not text and usual:
        return usual
    if not (text.isascii() and text.isdecimal()) or len(text) > 4:
        raise FormError("plan.no_number")
    return int(text)


def _fresh_name(kind: str, known: Collection[str]) -> str:
    return next(name for i in range(1, len(known) + 2) if (name := f"{kind}-{i}") not in known)


def _days(days: Collection[str]) -> dict[str, str]:
    return {f"day_{day}": "on" for day in days}


def _input(name: str, fields: Mapping[str, str], label: str, more: str) -> str:
    value = escape(fields.get(name, ""))
    return f'<label for="plan-{name}">{label}</label><input id="plan-{name}" name="{name}" value="{value}" {more}>'


def _select(name: str, choices: Mapping[str, str], fields: Mapping[str, str], label: str) -> str:
    chosen = fields.get(name)
    options = "".join(
        f'<option value="{value}"{" selected" * (value == chosen)}>{escape(text)}</option>'
        for value, text in choices.items()
    )
    return f'<label for="plan-{name}">{label}</label><select id="plan-{name}" name="{name}">{options}</select>'
