"""The desk's web side: takes signed alerts, shows the queue to people of the centre, tells the gateway what they did.

POST /alerts answers with success only what is in the book. What people press becomes a signed call-back that is sent
again and again until the gateway has taken it, also after a restart. GET /health says that the desk is there.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import socket
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote
from zoneinfo import ZoneInfo

import httpx
import uvicorn
from standardwebhooks import Webhook, WebhookVerificationError
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from simulators.assist_service import LARGEST_BODY, Server, checked_event
from simulators.dead_man import HEARTBEAT
from simulators.desk import page
from simulators.desk.book import APPLIED, NO_WAY_BACK, ORDER, REFUSED, WAITING, Book
from simulators.desk.door import SHIFT_S, Door

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from pydantic import SecretStr
    from starlette.requests import Request

    from simulators.desk.book import Answer

COOKIE, LANGUAGE = "desk", "language"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
LARGEST_FORM = 16 * 1024
PAUSE_S, LONGEST_PAUSE_S = 0.5, 15.0
HOPELESS = (400, 404, 413)
"""The gateway has understood and will never take it."""


@dataclass(frozen=True, slots=True)
class DeskConfig:
    """secret, callback_secret: what alerts and call-backs are signed with, `whsec_...`. folder: where the book lies.

    callback_url: where answers go, None for the address that each alert carries. secure: reached over HTTPS only.
    """

    folder: Path
    secret: SecretStr
    callback_secret: SecretStr
    password: SecretStr
    callback_url: str | None = None
    host: str = "127.0.0.1"
    port: int = 9000
    language: str = "zh-CN"
    zone: str = "Asia/Shanghai"
    secure: bool = False


class Desk:
    """Use `running`."""

    def __init__(self, config: DeskConfig, clock: Callable[[], float] = time.time) -> None:
        self.config = config
        self._clock = clock
        config.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.book = Book(config.folder / "desk.sqlite")
        self._door = Door(config.password.get_secret_value(), _key(config.folder / "desk.key"))
        self._zone = ZoneInfo(config.zone)
        self._incoming = Webhook(config.secret.get_secret_value())
        self._outgoing = Webhook(config.callback_secret.get_secret_value())
        self._answered = asyncio.Event()
        self.app = Starlette(
            routes=[
                Route("/alerts", self._alerts, methods=["POST"]),
                Route("/", self._queue),
                Route("/alert", self._detail),
                Route("/act", self._act, methods=["POST"]),
                Route("/login", self._login, methods=["GET", "POST"]),
                Route("/leave", self._leave, methods=["POST"]),
                Route("/language", self._language),
                Route("/health", self._health),
            ]
        )

    async def tell(self) -> None:
        """Send what people have answered, for ever; each alert's answers in their order."""
        pause_s = PAUSE_S
        async with httpx.AsyncClient(timeout=10.0, trust_env=False) as client:
            while True:
                self._answered.clear()
                waiting = self.book.waiting()
                results = await asyncio.gather(*(self._tell_one(client, answer) for answer in waiting))
                if not waiting or not all(results):
                    pause_s = min(pause_s * 2, LONGEST_PAUSE_S) if waiting else LONGEST_PAUSE_S
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(pause_s):
                            await self._answered.wait()
                else:
                    pause_s = PAUSE_S

    async def _tell_one(self, client: httpx.AsyncClient, answer: Answer) -> bool:
        case = self.book.case(answer.alert_id)
        url = self.config.callback_url or (case and case.data.get("acknowledge_url"))
        if not url:
            self.book.settle(answer.webhook_id, REFUSED, NO_WAY_BACK)
            return True
        body, now = _body(answer), datetime.fromtimestamp(self._clock(), UTC)
        headers = {
            "content-type": "application/json",
            "webhook-id": answer.webhook_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._outgoing.sign(answer.webhook_id, now, body.decode()),
        }
        try:
            response = await client.post(str(url), content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            self.book.settle(answer.webhook_id, WAITING, type(error).__name__)
            return False
        state, said = _taken(response)
        self.book.settle(answer.webhook_id, state, said)
        return state != WAITING

    # What gateways send

    async def _alerts(self, request: Request) -> Response:
        body = await _bounded(request, LARGEST_BODY)
        try:
            event = checked_event(self._incoming, dict(request.headers), body)
            if event["type"] == HEARTBEAT:
                self.book.heard(str(event["source"])[:200], float(event["data"].get("interval_s") or 60), self._clock())
            else:
                self.book.receive(event["id"], event, self._clock())
        except WebhookVerificationError as error:
            return JSONResponse({"accepted": False, "reason": str(error)}, 401)
        except (ValueError, TypeError, KeyError) as error:
            return JSONResponse({"accepted": False, "reason": f"malformed: {error}"}, 400)
        return JSONResponse({"accepted": True, "id": event["id"]})

    async def _health(self, _request: Request) -> Response:
        return JSONResponse({"open": sum(not case.over for case in self.book.cases())})

    # What people see and do

    async def _queue(self, request: Request) -> Response:
        who, cookie = self._person(request)
        if who is None:
            return RedirectResponse("/login", 303, HEADERS)
        now, token = self._clock(), self._door.token(cookie)
        silent = self.book.silent(now)
        return _html(page.queue(self.book.cases(), silent, who, token, self._speaks(request), self._zone))

    async def _detail(self, request: Request) -> Response:
        who, cookie = self._person(request)
        if who is None:
            return RedirectResponse("/login", 303, HEADERS)
        case = self.book.case(request.query_params.get("id", ""))
        if case is None:
            return RedirectResponse("/", 303, HEADERS)
        return _html(page.detail(case, self._door.token(cookie), self._speaks(request), self._zone))

    async def _act(self, request: Request) -> Response:
        who, given = await self._asked(request)
        if who is None:
            return RedirectResponse("/login", 303, HEADERS)
        act, alert_id, outcome = given.get("act", ""), given.get("alert_id", ""), given.get("outcome")
        case = self.book.case(alert_id)
        sensible = act in ORDER and (act == "resolved") == (outcome in page.OUTCOMES)
        if case is None or case.over or not sensible:
            return RedirectResponse(f"/alert?id={quote(alert_id)}" if case else "/", 303, HEADERS)
        if act not in case.reached:
            note = given.get("note", "")[:1000]
            self.book.answer(f"msg_{uuid.uuid4().hex}", alert_id, act, who, self._clock(), outcome, note)
            self._answered.set()
        return RedirectResponse("/", 303, HEADERS)

    async def _login(self, request: Request) -> Response:
        language = self._speaks(request)
        if request.method == "GET":
            return _html(page.door(language))
        given = _fields(await _bounded(request, LARGEST_FORM))
        cookie = self._door.enter(given.get("who", ""), given.get("password", ""), self._clock())
        if cookie is None:
            problem = "locked" if self._door.locked(self._clock()) else "wrong"
            return _html(page.door(language, problem), 429 if problem == "locked" else 401)
        response = RedirectResponse("/", 303, HEADERS)
        response.set_cookie(COOKIE, cookie, int(SHIFT_S), httponly=True, samesite="strict", secure=self.config.secure)
        return response

    async def _leave(self, request: Request) -> Response:
        who, _ = await self._asked(request)
        response = RedirectResponse("/login", 303, HEADERS)
        if who is not None:
            response.delete_cookie(COOKIE)
        return response

    async def _language(self, request: Request) -> Response:
        response = RedirectResponse("/", 303, HEADERS)
        wanted = request.query_params.get("to", "")
        if wanted in page.LANGUAGES:
            response.set_cookie(LANGUAGE, wanted, 10**8, samesite="strict", secure=self.config.secure)
        return response

    def _person(self, request: Request) -> tuple[str | None, str]:
        cookie = request.cookies.get(COOKIE, "")
        return self._door.who(cookie, self._clock()), cookie

    async def _asked(self, request: Request) -> tuple[str | None, dict[str, str]]:
        """Who sent a form, None where it did not come from a page of ours."""
        who, cookie = self._person(request)
        given = _fields(await _bounded(request, LARGEST_FORM))
        ours = secrets.compare_digest(given.get("token", "").encode(), self._door.token(cookie).encode())
        return (who if ours else None), given

    def _speaks(self, request: Request) -> str:
        wanted = request.cookies.get(LANGUAGE, "")
        return wanted if wanted in page.LANGUAGES else self.config.language


def _body(answer: Answer) -> bytes:
    data: dict[str, Any] = {"alert_id": answer.alert_id, "by": answer.who}
    data |= {"outcome": answer.outcome} if answer.outcome else {}
    data |= {"note": answer.note} if answer.note else {}
    at = datetime.fromtimestamp(answer.made_at, UTC).isoformat()
    return json.dumps({"type": f"alert.{answer.type}", "timestamp": at, "data": data}, ensure_ascii=False).encode()


def _taken(response: httpx.Response) -> tuple[str, str]:
    if response.status_code in HOPELESS:
        return REFUSED, f"HTTP {response.status_code}"
    try:
        told = response.json() if response.is_success else None
    except ValueError:
        told = None
    if not isinstance(told, dict) or "applied" not in told:
        return WAITING, f"HTTP {response.status_code}"
    return (APPLIED, "") if told["applied"] is True else (REFUSED, str(told.get("reason", "")))


def _html(text: str, status: int = 200) -> Response:
    return HTMLResponse(text, status, HEADERS)


def _fields(body: bytes) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(body.decode("utf-8", "replace"), max_num_fields=20).items()}


async def _bounded(request: Request, largest: int) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > largest:
            return body[: largest + 1]
    return body


def _key(path: Path) -> bytes:
    if not path.exists():
        with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:  # noqa: PTH123 - the mode
            file.write(secrets.token_bytes(32))
    return path.read_bytes()


@contextlib.asynccontextmanager
async def running(config: DeskConfig, clock: Callable[[], float] = time.time) -> AsyncIterator[str]:
    """The desk, listening within the block; gives its address."""
    desk = Desk(config, clock)
    listener = socket.create_server((config.host, config.port))
    settings = uvicorn.Config(
        desk.app, log_config=None, log_level="critical", lifespan="off", http="h11", ws="none", loop="asyncio"
    )
    server = Server(settings)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    telling = asyncio.create_task(desk.tell())
    try:
        yield f"http://{config.host}:{listener.getsockname()[1]}"
    finally:
        telling.cancel()
        server.should_exit = server.force_exit = True
        await asyncio.gather(serving, telling, return_exceptions=True)
        desk.book.close()
