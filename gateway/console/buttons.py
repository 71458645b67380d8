"""Buttons of the console's plain pages: a form with hidden fields, at once or asked once more."""

from __future__ import annotations

from html import escape


def hidden(**fields: str) -> str:
    """Hidden fields of a form."""
    return "".join(f'<input type="hidden" name="{name}" value="{escape(text)}">' for name, text in fields.items())


def button(path: str, text: str, **fields: str) -> str:
    """A button that posts these fields."""
    return f'<form method="post" action="{path}">{hidden(**fields)}<button>{escape(text)}</button></form>'


def asked_button(path: str, title: str, what: str, text: str, *, tick: str = "", **fields: str) -> str:
    """A button for what is not easily undone: opened, it says what will happen, and only then can be pressed.

    what: ready HTML. tick: words that have to be ticked first; then the field `sure` is sent.
    """
    ticked = f'<label class="y-tickbox"><input type="checkbox" name="sure" required>{escape(tick)}</label>'
    form = f"{hidden(**fields)}{ticked if tick else ''}<button>{escape(text)}</button>"
    return (
        f'<details class="y-sure"><summary>{escape(title)}</summary>'
        f'<div>{what}<form method="post" action="{path}">{form}</form></div></details>'
    )
