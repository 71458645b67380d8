"""The way in: log-in with a key, one-time links, log-out, remembered language and colours. Plain routes of the API app.

A key or ticket comes in a form's body only, never in an address. What fails is answered with the log-in page, the
reason in words, and a status that says so (401, 403, 429, 503).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import structlog
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from gateway.api.caller import audit_read
from gateway.api.keys import ApiKey, KeyStore
from gateway.api.lockout import Lockout
from gateway.console import documents
from gateway.console.board import words_of
from gateway.console.session import (
    COOKIE,
    LIFETIME_S,
    NS,
    Session,
    Tickets,
    Visitor,
    person_of,
    seal,
    unseal,
    usable,
)
from gateway.console.texts import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway.context import Context

log = structlog.get_logger(__name__)

LANGUAGE_COOKIE = "yinling_language"
THEME_COOKIE = "yinling_theme"
YEAR_S = 365 * 86_400
MAX_FORM = 4_096
RETURNS = {
    "login": "/console/login",
    "enter": "/console/login",
    "devices": "/devices",
    "statistics": "/console/statistics",
    "care": "/console/care",
}
"""Where a choice of language or colours comes back to; the board otherwise."""
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self' ws: wss:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
"""NiceGUI's page needs inline scripts; nothing may come from another host."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(slots=True)
class Door:
    """Lets people in. monotonic: seconds, for the lock-out of those who try wrong keys.

    recheck_s: how often an open page asks whether its key still counts; an answer asks every time.
    """

    context: Context
    keys: KeyStore
    secret: bytes = field(repr=False)
    monotonic: Callable[[], float] = time.monotonic
    tickets: Tickets = field(default_factory=Tickets)
    lockout: Lockout = field(default_factory=Lockout)
    recheck_s: float = 30.0

    async def visitor(self, request: Request) -> Visitor | None:
        """Who asks, None without a session whose key still counts. Raises whatever the database raises."""
        now_ns = self.context.clock()
        session = unseal(request.cookies.get(COOKIE, ""), self.secret, now_ns)
        return await self.visit(session) if session is not None else None

    async def visit(self, session: Session) -> Visitor | None:
        """The session with its key as it stands now, None where that counts no more."""
        key: ApiKey | None = await self.context.in_database(self.keys.find, session.key_id)
        return Visitor(session, key) if key is not None and usable(key, self.context.clock()) else None

    def language(self, request: Request) -> str:
        """The language this browser chose, else the site's."""
        chosen = request.cookies.get(LANGUAGE_COOKIE)
        return chosen if chosen in LANGUAGES else self.context.settings.site.language

    def theme(self, request: Request) -> str:
        """The colours this browser chose, else those of its system."""
        chosen = request.cookies.get(THEME_COOKIE)
        return chosen if chosen in documents.THEMES else documents.THEMES[0]

    def ticket(self, key_id: str, person: str) -> str:
        """A one-time address that logs in with this key under this name."""
        return f"/console/enter#{self.tickets.issue(key_id, person_of(person), self.context.clock())}"

    async def login(self, request: Request) -> Response:
        """Take name and key from the form."""
        form = await read_form(request)
        person, secret = person_of(form.get("person", "")), form.get("key", "").strip()
        if not same_origin(request):
            return self._again(request, "login.foreign", 403, person)
        if not person:
            return self._again(request, "login.nameless", 400, person)
        address = request.client.host if request.client else "unknown"
        if self.lockout.wait_s(address, secret, self.monotonic()) > 0:
            return self._again(request, "login.wait", 429, person)
        now_ns = self.context.clock()
        key: ApiKey | None = await self.context.in_database(self.keys.verify, secret, now_ns)
        if key is None or not usable(key, now_ns):
            self.lockout.wrong(address, self.monotonic())
            return self._again(request, "login.refused", 401, person)
        self.lockout.right(secret)
        return await self._welcome(request, Visitor(Session(key.id, person, now_ns // NS), key))

    async def enter(self, request: Request) -> Response:
        """Take a one-time ticket from the form."""
        form = await read_form(request)
        if not same_origin(request):
            return self._again(request, "login.foreign", 403)
        session = self.tickets.redeem(form.get("ticket", ""), self.context.clock())
        visitor = await self.visit(session) if session is not None else None
        if visitor is None:
            return self._again(request, "enter.used", 401)
        return await self._welcome(request, visitor)

    async def _welcome(self, request: Request, visitor: Visitor) -> Response:
        await audit_read(self.context, visitor.key, "console.login", "site", {"person": visitor.session.person})
        response = RedirectResponse("/", 303, headers={"Cache-Control": "no-store"})
        response.set_cookie(
            COOKIE,
            seal(visitor.session, self.secret),
            max_age=LIFETIME_S,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response

    def page(self, request: Request, status: int = 200, **more: Any) -> Response:
        """The log-in page."""
        text = documents.login(self.language(request), self.theme(request), **more)
        return HTMLResponse(text, status, headers=HEADERS)

    def _again(self, request: Request, problem: str, status: int, person: str = "") -> Response:
        log.info("console.login_refused", problem=problem)
        return self.page(request, status, problem=problem, person=person)


def add_routes(api: FastAPI, door: Door) -> None:
    """Add the console's plain routes to the app."""

    async def login(request: Request) -> Response:
        if request.method == "GET":
            return door.page(request)
        return await _safely(door, request, door.login)

    async def enter(request: Request) -> Response:
        if request.method == "GET":
            return HTMLResponse(documents.enter(door.language(request), door.theme(request)), headers=HEADERS)
        return await _safely(door, request, door.enter)

    async def session(request: Request) -> Response:
        return Response(status_code=204 if await door.visitor(request) else 200, headers={"Cache-Control": "no-store"})

    def logout(request: Request) -> Response:
        response = RedirectResponse("/console/login", 303)
        if same_origin(request):
            response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return response

    def home() -> Response:
        return RedirectResponse("/", 303)

    for path in ("/console", "/console/"):
        api.add_api_route(path, home, methods=["GET"], include_in_schema=False)
    api.add_api_route("/console/login", login, methods=["GET", "POST"], include_in_schema=False)
    api.add_api_route("/console/enter", enter, methods=["GET", "POST"], include_in_schema=False)
    api.add_api_route("/console/session", session, methods=["GET"], include_in_schema=False)
    api.add_api_route("/console/logout", logout, methods=["POST"], include_in_schema=False)
    api.add_api_route("/console/prefer", _prefer, methods=["GET"], include_in_schema=False)
    api.add_api_route("/console/assets/{name}", _asset, methods=["GET"], include_in_schema=False)


async def _safely(door: Door, request: Request, act: Callable[[Request], Any]) -> Response:
    """A box that cannot check keys says so; it neither lets in nor calls a right key wrong."""
    try:
        response: Response = await act(request)
    except HTTPException:
        raise
    except Exception as error:  # noqa: BLE001 - said on the page; no traceback, whose frames hold the key
        log.error("console.login_failed", error=words_of(error))  # noqa: TRY400
        return door.page(request, 503, problem="login.box_fault")
    return response


def _prefer(language: str = "", theme: str = "", to: str = "") -> Response:
    """Remember a choice for a year."""
    response = RedirectResponse(RETURNS.get(to, "/"), 303)
    for cookie, value, allowed in ((LANGUAGE_COOKIE, language, LANGUAGES), (THEME_COOKIE, theme, documents.THEMES)):
        if value in allowed:
            response.set_cookie(cookie, value, max_age=YEAR_S, httponly=True, samesite="lax")
    return response


def _asset(name: str) -> Response:
    if name not in documents.ASSETS:
        raise HTTPException(404)
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    return Response(documents.asset(name), media_type=documents.ASSETS[name], headers=headers)


async def read_form(request: Request, fields: int = 16, size: int = MAX_FORM) -> Mapping[str, str]:
    """The fields of a url-encoded form, at most so many; raises HTTPException 413 for one of more bytes than size."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > size:
            raise HTTPException(413)
    try:
        found = parse_qs(body.decode("utf-8", "replace"), max_num_fields=fields)
    except ValueError as error:
        raise HTTPException(400) from error
    return {name: values[0] for name, values in found.items()}


def same_origin(request: Request) -> bool:
    """Whether a form was sent from our own page; browsers that do not say are old, and have the same-site cookie."""
    origin = request.headers.get("origin")
    if origin is None:
        return request.headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")
    return urlsplit(origin).netloc == request.headers.get("host", "")
