"""The console's plain documents: log-in and one-time entrance. They work without NiceGUI and without a session."""

from __future__ import annotations

import hashlib
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.console.texts import speaker

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).parent / "assets"
ASSETS: Mapping[str, str] = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "entrance.js": "text/javascript; charset=utf-8",
}
THEMES = ("auto", "light", "dark")


@cache
def asset(name: str) -> bytes:
    """The content of one of `ASSETS`."""
    return (FOLDER / name).read_bytes()


@cache
def asset_url(name: str) -> str:
    """Its address, which changes with its content, so that it may be cached for ever."""
    return f"/console/assets/{name}?v={hashlib.sha256(asset(name)).hexdigest()[:12]}"


def login(language: str, theme: str, *, problem: str | None = None, person: str = "") -> str:
    """The log-in page. problem: key of the text that says why the last attempt failed."""
    say = speaker(language)
    warning = f'<p class="y-fault-text" role="alert" id="problem">{escape(say(problem))}</p>' if problem else ""
    body = f"""
<h1>{say("app.title")}</h1>{warning}
<form method="post" action="/console/login">
<label for="person">{say("login.person")}</label>
<input id="person" name="person" autocomplete="name" maxlength="60" required value="{escape(person)}">
<p class="y-hint">{say("login.person_why")}</p>
<label for="key">{say("login.key")}</label>
<input id="key" name="key" type="password" autocomplete="current-password" maxlength="128" required>
<button type="submit">{say("login.send")}</button>
</form>"""
    return document(say("login.title"), language, theme, body, "login")


def enter(language: str, theme: str) -> str:
    """The page of a one-time link: its script sends the ticket from behind the `#`, which no server ever logs."""
    say = speaker(language)
    body = f"""
<h1>{say("app.title")}</h1><p>{say("enter.title")}</p>
<noscript><p class="y-fault-text">{say("enter.no_script")}</p></noscript>
<p><a class="y-link" href="/console/login">{say("login.title")}</a></p>
<form method="post" action="/console/enter" id="enter"><input type="hidden" name="ticket" id="ticket"></form>"""
    return document(say("enter.title"), language, theme, body, "enter")


def document(title: str, language: str, theme: str, body: str, name: str) -> str:
    """A plain page of the console. body: ready HTML; name: which page it is."""
    say = speaker(language)
    other = "zh-CN" if language == "en" else "en"
    return f"""<!doctype html>
<html lang="{language}" data-theme="{theme}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · {say("app.title")}</title>
<link rel="stylesheet" href="{asset_url("console.css")}">
<script defer src="{asset_url("entrance.js")}"></script></head>
<body class="y-plain" data-page="{name}"><main>{body}
<p class="y-not-medical">{say("app.not_medical_long")}</p>
<p><a class="y-link" hreflang="{other}" href="/console/prefer?language={other}&amp;to={name}">
{say("app.other_language")}</a></p>
</main></body></html>"""
