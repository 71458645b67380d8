"""The page on the resident's tablet: "I am fine" or "I need help", in large letters, without scripts.

Its address is the secret; it shows nothing about the resident but the question. It asks for itself again every few
seconds, and that it does so is how the gateway knows that the resident can be asked there.
"""

from __future__ import annotations

import html
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import Field

from gateway.alerts.alert import RefusedTransitionError, State
from gateway.alerts.prompts import FINE, HELP, PromptTokens
from gateway.alerts.service import UnknownAlertError
from gateway.api.caller import ContextDep, Needs, audit_read, check_sees, in_database
from gateway.api.forms import Answer, RecordId
from gateway.api.keys import ApiKey
from gateway.api.problems import Problem, not_found, responses
from gateway.api.scopes import Scope
from gateway.secrets import own_secret

if TYPE_CHECKING:
    from pathlib import Path as FolderPath

    from gateway.alerts.alert import Alert
    from gateway.context import Context

PATH = "/api/v1/prompt/"
router = APIRouter(tags=["prompt"])
Writer = Annotated[ApiKey, Depends(Needs(Scope.RESIDENTS_WRITE))]
Token = Annotated[str, Path(max_length=300, description="The secret of the tablet's page · 平板页面的密钥")]
ResidentPath = Annotated[RecordId, Path(description="The resident's id · 老人编号")]
REFRESH_S = 3
WORDS = {
    "zh-CN": ("您还好吗？", "我没事", "需要帮助", "一切正常", "已经通知人来帮您，请稍等。", "好的，没事就好。"),
    "en": (
        "Are you all right?",
        "I am fine",
        "I need help",
        "All is well",
        "Help has been called, please wait.",
        "Good.",
    ),
}
STYLE = (
    "body{font-family:sans-serif;text-align:center;margin:4vh 4vw;background:#fff;color:#111}h1{font-size:9vmin}"
    "p{font-size:6vmin}button{display:block;width:100%;font-size:10vmin;padding:6vmin 0;margin:4vmin 0;border:0;"
    "border-radius:4vmin;color:#fff}.fine{background:#1b6e2c}.help{background:#a11212}"
)
OPEN: dict[str, object] = {"security": []}


class PromptLink(Answer):
    """The path of the page for a tablet; whoever knows it can answer for the resident."""

    path: Annotated[str, Field(examples=["/api/v1/prompt/cjE.x"])]


@router.get(
    "/api/v1/residents/{resident_id}/prompt-link",
    summary="Link for the resident's tablet · 老人平板的链接",
    responses=responses(404),
)
async def get_link(context: ContextDep, key: Writer, resident_id: ResidentPath) -> PromptLink:
    """A page with two large buttons, to be left open on a tablet beside the resident."""
    check_sees(key, resident_id, "resident", resident_id)
    if await in_database(context, lambda: context.registry.resident(resident_id)) is None:
        raise not_found("resident", resident_id)
    await audit_read(context, key, "prompt.link", f"resident:{resident_id}")
    return PromptLink(path=PATH + _tokens(context).token(resident_id))


@router.get(PATH + "{token}", summary="Page of a tablet · 平板页面", responses=responses(404), openapi_extra=OPEN)
async def get_page(context: ContextDep, token: Token) -> Response:
    """The question while there is one, else that all is well."""
    resident_id = _resident(context, token)
    context.alerts.router.prompts.tablet.seen(resident_id)
    return await in_database(context, lambda: _page(context, resident_id))


@router.post(PATH + "{token}", summary="Answer of a tablet · 平板应答", responses=responses(404), openapi_extra=OPEN)
async def answer(request: Request, context: ContextDep, token: Token) -> Response:
    """A form with `alert` and `answer` (fine or help). What is over already is simply shown as it is."""
    resident_id = _resident(context, token)
    form = parse_qs((await request.body()).decode("utf-8", "replace"), max_num_fields=8)
    alert_id, said = (form.get(name, [""])[0] for name in ("alert", "answer"))
    if said not in (FINE, HELP):
        raise Problem("invalid", f"answer: {FINE} or {HELP}")

    def apply() -> Response:
        try:
            alert = context.alerts.get(alert_id)
        except UnknownAlertError as error:
            raise not_found("alert", alert_id) from error
        if alert.resident_id != resident_id:
            raise not_found("alert", alert_id)
        try:
            context.alerts.answer_prompt(alert_id, said, context.clock())
        except RefusedTransitionError:
            return _page(context, resident_id)
        return _page(context, resident_id, said)

    return await in_database(context, apply)


def _tokens(context: Context) -> PromptTokens:
    return _tokens_of(context.settings.data)


@lru_cache(maxsize=8)
def _tokens_of(directory: FolderPath) -> PromptTokens:
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    return PromptTokens(own_secret(directory, "prompt"))


def _resident(context: Context, token: str) -> str:
    resident_id = _tokens(context).resident(token)
    if resident_id is None:
        raise Problem("not-found", "no such page")
    return resident_id


def _page(context: Context, resident_id: str, said: str | None = None) -> Response:
    resident = context.registry.resident(resident_id)
    if resident is None or not resident.active:
        raise Problem("not-found", "no such page")
    language = resident.language if resident.language in WORDS else "zh-CN"
    ask, fine, help_, calm, coming, good = WORDS[language]
    open_ = [alert for alert in context.alerts.open_alerts() if alert.resident_id == resident_id]
    asked = next((alert for alert in open_ if alert.state is State.SUSPECTED and not alert.held), None)
    if asked is not None and said is None:
        body = f"<h1>{ask}</h1>{_buttons(asked, fine, help_)}"
    elif said == HELP or any(alert.state.rank >= State.RAISED.rank and alert.latching for alert in open_):
        body = f"<h1>{coming}</h1>"
    else:
        body = f"<h1>{good if said == FINE else calm}</h1>"
    text = (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{calm}</title>'
        f'<meta name="viewport" content="width=device-width"><meta http-equiv="refresh" content="{REFRESH_S}">'
        f"<style>{STYLE}</style></head><body>{body}</body></html>"
    )
    policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"
    return Response(text, media_type="text/html; charset=utf-8", headers={"Content-Security-Policy": policy})


def _buttons(alert: Alert, fine: str, help_: str) -> str:
    hidden = f'<input type="hidden" name="alert" value="{html.escape(alert.id)}">'
    return (
        f'<form method="post">{hidden}<button class="fine" name="answer" value="{FINE}">{fine}</button>'
        f'<button class="help" name="answer" value="{HELP}">{help_}</button></form>'
    )
