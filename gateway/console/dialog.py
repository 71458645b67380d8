"""The question that ends an alert: what it really was, who says so, and a note."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from gateway.alerts.lifecycle import Outcome
from gateway.console.answers import MAX_NOTE, Wish
from gateway.console.session import MAX_PERSON, person_of
from gateway.console.texts import speaker
from gateway.console.views import Action


async def ask_outcome(alert_id: str, person: str, language: str) -> Wish | None:
    """Ask until an outcome is chosen and a name given; None when the person goes back."""
    say = speaker(language)
    with ui.dialog() as dialog, ui.card().classes("y-dialog"):
        ui.html(f"<h2>{say('dialog.title')}</h2>", sanitize=False)
        outcome = ui.radio({one.value: say(f"outcome.{one}") for one in Outcome}).props("size=lg")
        name = ui.input(say("dialog.person"), value=person).props(f"outlined maxlength={MAX_PERSON}")
        note = ui.textarea(say("dialog.note")).props(f"outlined autogrow maxlength={MAX_NOTE}")
        missing = ui.html("", sanitize=False).classes("y-fault-text").props('role="alert"')

        def send() -> None:
            lacking = "dialog.choose" if not outcome.value else "answer.nameless" if not _filled(name) else None
            if lacking is not None:
                missing.set_content(say(lacking))
                return
            dialog.submit(Wish(alert_id, Action.RESOLVE, Outcome(outcome.value), note.value, name.value))

        with ui.element("div").classes("y-buttons"):
            first = ui.button(say("dialog.send"), on_click=send, color=None)
            first.classes("y-btn y-first").props('no-caps unelevated data-action="send"')
            back = ui.button(say("dialog.back"), on_click=lambda: dialog.submit(None), color=None)
            back.classes("y-btn").props('no-caps unelevated data-action="back"')
    wish: Wish | None = await dialog
    dialog.delete()
    return wish


def _filled(name: Any) -> bool:
    return bool(person_of(name.value or ""))
