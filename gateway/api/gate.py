"""Stands before every route: no key, no entry; bodies bounded; security headers on every answer.

It guards whole path prefixes, so a route that forgets about keys is still closed. What is mounted elsewhere (the
console) has its own log-in and is left alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException

from gateway.api.lockout import Lockout
from gateway.api.open_paths import OPEN_PREFIXES
from gateway.api.problems import Problem, response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from gateway.api.keys import ApiKey

MAX_BODY = 64 * 1024
GUARDED = ("/api", "/health", "/metrics", "/a")
CALLBACK_PATH = "/api/v1/assist/callback"
"""Proves itself by its signature."""
OPEN_PATHS = frozenset({"/health/live", "/health/ready", CALLBACK_PATH})
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True, slots=True)
class GateOptions:
    """verify(secret): the valid key or None. open_paths: those that need no key. monotonic: seconds."""

    verify: Callable[[str], Awaitable[ApiKey | None]]
    monotonic: Callable[[], float]
    open_paths: frozenset[str] = OPEN_PATHS


class Gate:
    """ASGI middleware. Puts the caller's key into `scope["state"]["key"]`."""

    def __init__(self, app: ASGIApp, options: GateOptions, lockout: Lockout) -> None:
        self._app = app
        self._options = options
        self._lockout = lockout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or not guarded(path):
            await self._app(scope, receive, send)
            return
        send = _with_headers(send)
        try:
            _check_length(Headers(scope=scope))
            if path not in self._options.open_paths and not path.startswith(OPEN_PREFIXES):
                scope.setdefault("state", {})["key"] = await self._key(scope)
        except Problem as problem:
            await response(problem)(scope, receive, send)
            return
        await self._app(scope, _bounded(receive), send)

    async def _key(self, scope: Scope) -> ApiKey:
        secret = secret_of(Headers(scope=scope))
        if secret is None:
            raise Problem("no-key", "send `Authorization: Bearer yl_...` or `X-API-Key: yl_...`")
        address = scope["client"][0] if scope.get("client") else "unknown"
        wait = self._lockout.wait_s(address, secret, self._options.monotonic())
        if wait > 0:
            raise Problem("too-many", "too many wrong keys from this address", {"Retry-After": str(math.ceil(wait))})
        key = await self._options.verify(secret)
        if key is None:
            self._lockout.wrong(address, self._options.monotonic())
            raise Problem("no-key", "the key is wrong, revoked or expired")
        self._lockout.right(secret)
        return key


def guarded(path: str) -> bool:
    """Whether a path belongs to the API."""
    return any(path == prefix or path.startswith(prefix + "/") for prefix in GUARDED)


def secret_of(headers: Headers) -> str | None:
    """The key a request carries, None where it carries none."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return headers.get("x-api-key") or None


def _check_length(headers: Headers) -> None:
    stated = headers.get("content-length", "0")
    if stated.isascii() and stated.isdigit() and len(stated) < 19:
        if int(stated) <= MAX_BODY:
            return
        raise Problem("too-large", f"at most {MAX_BODY} bytes")
    raise Problem("bad-request", "Content-Length is not a number")


def _bounded(receive: Receive) -> Receive:
    total = 0

    async def bounded() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > MAX_BODY:
            raise HTTPException(413, f"at most {MAX_BODY} bytes")
        return message

    return bounded


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending
