"""The page behind an acknowledge link: what has happened, and one button. Without scripts, names or a log-in.

Its address is the secret. Opening it changes nothing; the button acknowledges in the name of the contact to whom the
message went. What is wrong, over or used already is said plainly.
"""

from __future__ import annotations

import hashlib
import html
import math
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse

from analytics.kinds import KINDS
from gateway.alerts.links import PATH, Links, LinkState, Looked
from gateway.api.caller import ContextDep, in_database
from gateway.api.problems import responses

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from gateway.alerts.alert import Alert
    from gateway.api.lockout import Lockout
    from gateway.context import Context

router = APIRouter(tags=["links"])
Token = Annotated[str, Path(max_length=300, description="The secret of the link · 链接的密钥")]
OPEN: dict[str, object] = {"security": []}
STATUS = {
    LinkState.OPEN: HTTPStatus.OK,
    LinkState.DONE: HTTPStatus.OK,
    LinkState.USED: HTTPStatus.GONE,
    LinkState.EXPIRED: HTTPStatus.GONE,
    LinkState.OVER: HTTPStatus.GONE,
    LinkState.WRONG: HTTPStatus.NOT_FOUND,
}
WORDS = {
    LinkState.OPEN: ("有人需要帮助。您来处理吗？", "Somebody needs help. Do you take it?"),
    LinkState.DONE: ("已记录：由您处理。谢谢！", "It is on record that you take it. Thank you!"),
    LinkState.USED: ("这个链接已经用过：您已接手。", "This link has been used: you have taken it already."),
    LinkState.EXPIRED: (
        "这个链接已过期。请打开控制台或打电话。",
        "This link has expired. Use the console or telephone.",
    ),
    LinkState.OVER: ("这个报警已经结束，无需处理。", "This alert is over, nothing needs to be done."),
    LinkState.WRONG: ("这个链接不对，或已失效。", "This link is wrong or no longer good."),
}
TAKEN = ("已经有人应答；您也可以接手。", "Somebody has answered already; you may take it too.")
TOO_MANY = ("尝试太多，请稍后再试。", "Too many attempts, try again later.")
BUTTON = ("我来处理", "I take it")
NOTICE = ("本产品不是医疗器械。紧急时请拨打 120。", "Not a medical device. In an emergency call 120.")
STYLE = (
    "body{font-family:sans-serif;max-width:30em;margin:6vh auto;padding:0 1em;color:#111;background:#fff}"
    "h1{font-size:1.6em}button{width:100%;font-size:1.5em;padding:.8em;border:0;border-radius:.5em;color:#fff;"
    "background:#1b6e2c}small{color:#555}"
)
HTML = {"content": {"text/html": {"schema": {"type": "string"}}}}
ANSWERS: dict[int | str, dict[str, Any]] = {
    **responses(),
    404: {"description": "A wrong link · 链接不对", **HTML},
    410: {"description": "Used, expired or over · 已用过、过期或已结束", **HTML},
    429: {"description": "Too many attempts · 尝试太多", **HTML},
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
    "X-Robots-Tag": "noindex, nofollow",
}


@router.get(
    PATH + "{token}",
    summary="Page of an acknowledge link · 应答链接页面",
    responses=ANSWERS,
    response_class=HTMLResponse,
    openapi_extra=OPEN,
)
async def get_link_page(request: Request, context: ContextDep, token: Token) -> Response:
    """What has happened, and a button. Changes nothing."""
    waits_s = _guess_wait_s(request)
    return _refused(waits_s) if waits_s > 0 else await _asked(request, context, token, press=False)


@router.post(
    PATH + "{token}",
    summary="Take the alert of a link · 通过链接应答",
    responses=ANSWERS,
    response_class=HTMLResponse,
    openapi_extra=OPEN,
)
async def press_link(request: Request, context: ContextDep, token: Token) -> Response:
    """Acknowledge in the contact's name, once."""
    presses: Lockout = request.app.state.link_presses
    now_s, name = request.app.state.monotonic(), hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
    waits_s = max(_guess_wait_s(request), presses.wait_s(name, "", now_s))
    if waits_s > 0:
        return _refused(waits_s)
    presses.wrong(name, now_s)
    return await _asked(request, context, token, press=True)


async def _asked(request: Request, context: Context, token: str, *, press: bool) -> Response:
    """The page that says what the link is good for, or what pressing it did."""
    links: Links | None = request.app.state.links
    now_ns, looked = context.clock(), Looked(LinkState.WRONG)
    if links is not None:
        act = links.press if press else links.look
        looked = await in_database(context, lambda: act(context.alerts, context.registry, token, now_ns))
    if looked.state is LinkState.WRONG:
        guesses: Lockout = request.app.state.link_guesses
        guesses.wrong(_address(request), request.app.state.monotonic())
    return _page(STATUS[looked.state], _body(looked, context.settings.site.zone))


def _guess_wait_s(request: Request) -> float:
    """Seconds until this address may try again, after too many wrong links."""
    guesses: Lockout = request.app.state.link_guesses
    return guesses.wait_s(_address(request), "", request.app.state.monotonic())


def _address(request: Request) -> str:
    return request.client.host if request.client is not None else "unknown"


def _refused(waits_s: float) -> Response:
    return _page(HTTPStatus.TOO_MANY_REQUESTS, _said("p", TOO_MANY), {"Retry-After": str(math.ceil(waits_s))})


def _body(looked: Looked, zone: ZoneInfo) -> str:
    body = _said("p", WORDS[looked.state])
    if looked.alert is None:
        return body
    if looked.state is LinkState.OPEN:
        taken = _said("p", TAKEN) if looked.alert.state.answered else ""
        body += f'{taken}<form method="post"><button>{BUTTON[0]} · {BUTTON[1]}</button></form>'
    return _what(looked.alert, zone) + body


def _what(alert: Alert, zone: ZoneInfo) -> str:
    kind = KINDS.get(alert.kind)
    zh, en = (kind.zh, kind.en) if kind is not None else (alert.kind, alert.kind)
    at = datetime.fromtimestamp(alert.at_ns // 10**9, zone).strftime("%Y-%m-%d %H:%M")
    return _said("h1", (zh, en)) + f"<p>{at}</p>"


def _said(tag: str, words: tuple[str, str]) -> str:
    zh, en = map(html.escape, words)
    return f'<{tag}>{zh}<br><span lang="en">{en}</span></{tag}>'


def _page(status: HTTPStatus, body: str, headers: dict[str, str] | None = None) -> Response:
    text = (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><title>银龄 Yinling</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>'
        f"<body>{body}<small>{_said('p', NOTICE)}</small></body></html>"
    )
    return Response(text, status, HEADERS | (headers or {}), "text/html; charset=utf-8")
