"""The call-back of the 助急 service: authenticated by its signature, not by a key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from gateway.alerts.callback import CallbackHandler, CallbackStatus, CallbackVerifier
from gateway.api.caller import ContextDep, in_database
from gateway.api.problems import Problem, responses
from gateway.channels.signing import SecretError
from gateway.config import ConfigError

if TYPE_CHECKING:
    from gateway.context import Context

router = APIRouter(prefix="/api/v1/assist", tags=["assist"])
PROBLEM_OF = {
    CallbackStatus.UNKNOWN_ALERT: "not-found",
    CallbackStatus.UNSIGNED: "unsigned",
    CallbackStatus.MALFORMED: "bad-request",
    CallbackStatus.TOO_LARGE: "too-large",
}
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"type": "object"},
                "example": {
                    "type": "alert.acknowledged",
                    "timestamp": "2026-02-03T04:05:06Z",
                    "data": {"alert_id": "0c7b5a52-9d8f-5a0e-8f4e-2a3f4c5d6e7f", "by": "王医生"},
                },
            }
        },
    },
    "parameters": [
        {"name": name, "in": "header", "required": True, "schema": {"type": "string"}}
        for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
    ],
    "security": [],
}


def make_handler(context: Context) -> CallbackHandler | None:
    """The handler with the secret of the settings, None where no service is set. Raises ConfigError."""
    assist = context.settings.assist
    if assist is None:
        return None
    try:
        secrets = (assist.callback_secret, *assist.old_callback_secrets)
        verifier = CallbackVerifier([one.load(context.settings.base) for one in secrets])
    except SecretError as error:
        raise ConfigError(f"assist.callback_secret: {error}") from error
    return CallbackHandler(context.alerts, verifier)


@router.post(
    "/callback",
    summary="Call-back of the 助急 service · 助急中心回执",
    responses=responses(400, 404, 413),
    openapi_extra=BODY,
)
async def callback(request: Request, context: ContextDep) -> Response:
    """Signed with Standard Webhooks. 2xx: do not send it again, whether the alert took it or was closed already."""
    handler: CallbackHandler | None = request.app.state.callback_handler
    if handler is None:
        raise Problem("not-found", "no emergency-assistance service is set up; see [assist] in the settings")
    body, headers = await request.body(), dict(request.headers)
    result = await in_database(context, lambda: handler.handle(headers, body, context.clock()))
    if word := PROBLEM_OF.get(result.status):
        raise Problem(word, result.reason)
    return JSONResponse(result.body, result.http_status)
