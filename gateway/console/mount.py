"""Puts the console into the API's app: routes of the entrance, the page, and the headers of every HTML answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nicegui
from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from nicegui import ui
from starlette.datastructures import MutableHeaders

from gateway.api.caller import audit_read
from gateway.api.keys import KeyStore
from gateway.api.lockout import Lockout
from gateway.console.board import Watch
from gateway.console.care_page import add_care
from gateway.console.device_page import DevicePage
from gateway.console.entry import HEADERS, Door, add_routes
from gateway.console.missing import SCOPE_KEY, missing
from gateway.console.page import Page
from gateway.console.session import load_secret
from gateway.console.statistics_page import add_statistics

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from gateway.console.frame import Frame
    from gateway.context import Context

API_PATHS = ("/api", "/health", "/metrics", "/docs", "/redoc", "/openapi.json")
"""Not the console's: their answers keep their own headers."""


def mount_console(api: FastAPI, context: Context) -> None:
    """Add the console to an app whose own routes are all there already: it answers every path that is left.

    Call it once for each app, before the app starts. Raises OSError when the data folder cannot be written.
    """
    keys = KeyStore(context.database)
    lockout = getattr(api.state, "lockout", None) or Lockout()
    door = Door(context, keys, load_secret(context.settings.data), lockout=lockout)
    api.state.console_door = door
    add_routes(api, door)
    add_statistics(api, door)
    add_care(api, door)
    api.add_middleware(_Around, door=door, watch=Watch(context))
    _register_page()
    # NiceGUI has one inner app for the process; another outer app may have started it before.
    nicegui.app.middleware_stack = None
    nicegui.app.user_middleware.clear()
    ui.run_with(
        api,
        title=context.settings.site.name,
        dark=None,
        tailwind=False,
        reconnect_timeout=30.0,
        show_welcome_message=False,
        binding_refresh_interval=None,
    )


def login_link(api: FastAPI, key_id: str, person: str) -> str:
    """A path that logs in once, within ten minutes, with this key under this name; the key itself is not in it."""
    door: Door = api.state.console_door
    return door.ticket(key_id, person)


def _register_page() -> None:
    ui.page("/")(_home)
    ui.page("/devices")(_devices)
    nicegui.app.add_exception_handler(404, missing)


async def _home(request: Request) -> Response | None:
    """The board, or the way to the log-in."""
    return await _open(request, Page, "console.opened")


async def _devices(request: Request) -> Response | None:
    """The page of devices, or the way to the log-in."""
    return await _open(request, DevicePage, "console.devices_opened")


async def _open(request: Request, page: type[Frame], action: str) -> Response | None:
    door, watch = request.scope[SCOPE_KEY]
    visitor = await door.visitor(request)
    if visitor is None:
        return RedirectResponse("/console/login", 303, headers={"Cache-Control": "no-store"})
    if page is DevicePage and not visitor.may_see_devices:
        return RedirectResponse("/", 303, headers={"Cache-Control": "no-store"})
    await audit_read(door.context, visitor.key, action, "site", {"person": visitor.session.person})
    page(door, watch, visitor, door.language(request), door.theme(request)).build()
    return None


class _Around:
    """ASGI: hands the page its own console, and puts the security headers on every HTML answer."""

    def __init__(self, app: ASGIApp, door: Door, watch: Watch) -> None:
        self._app = app
        self._console = (door, watch)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(API_PATHS):
            await self._app(scope, receive, send)
            return
        scope[SCOPE_KEY] = self._console

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                _protect(MutableHeaders(scope=message))
            await send(message)

        await self._app(scope, receive, sending)


def _protect(headers: Any) -> None:
    if headers.get("content-type", "").startswith("text/html"):
        for name, value in HEADERS.items():
            headers[name] = value
