"""Puts the HTTP API together: `create_api(context)`.

Everything under /api, /health and /metrics stands behind the gate; the console is mounted beside it and has its own
log-in. Nothing here blocks the event loop: the database and the history are asked in threads.
"""

from __future__ import annotations

import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from sqlalchemy.exc import OperationalError

from gateway.alerts.links import make_links
from gateway.api import (
    alerts,
    assist,
    care,
    consents,
    contacts,
    devices,
    escalation,
    habits,
    health,
    history,
    holds,
    links,
    nights,
    prompt,
    removals,
    residents,
    statistics,
    stream,
    tasks,
)
from gateway.api.gate import OPEN_PATHS, Gate, GateOptions
from gateway.api.health import Turning
from gateway.api.keys import ApiKey, KeyStore
from gateway.api.lockout import Lockout
from gateway.api.problems import Problem, ProblemDetails, install
from gateway.api.stream import Streams

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.context import Context

DESCRIPTION = """Yinling 银龄 elderly-monitoring gateway: residents, devices, alerts, history, live stream.
老人监护网关接口：老人、设备、报警、历史数据与实时推送。

Not a medical device. 本产品不是医疗器械。

Send a key with every request: `Authorization: Bearer yl_...` or `X-API-Key: yl_...`.
Errors are problem details (RFC 9457). Times are RFC 3339 with a zone; answers give UTC nanoseconds too.
"""
OPENAPI_PATH = "/api/v1/openapi.json"
DOCS_PATH = "/api/docs"
HEARTBEAT_S = 15.0
ROUTERS = (
    *(residents.router, devices.router, contacts.router, alerts.router),
    *(history.router, stream.router, assist.router, health.router),
    *(care.router, escalation.router, holds.router, prompt.router, statistics.router, links.router),
    *(nights.router, tasks.router, habits.router, consents.router, removals.router),
)
SCHEMES: dict[str, Any] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, yl_..."},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}


def create_api(
    context: Context, *, monotonic: Callable[[], float] = time.monotonic, heartbeat_s: float = HEARTBEAT_S
) -> FastAPI:
    """The API of a running gateway. Raises ConfigError where the call-back secret cannot be read.

    monotonic: seconds, for lock-outs. heartbeat_s: how often a silent stream says that it is alive.
    """
    docs = context.settings.api.docs
    app = FastAPI(
        title="Yinling gateway",
        version=version("yinling-gateway"),
        description=DESCRIPTION,
        openapi_url=OPENAPI_PATH,
        docs_url=DOCS_PATH if docs else None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    app.state.context = context
    app.state.monotonic = monotonic
    app.state.heartbeat_s = heartbeat_s
    app.state.turning = Turning()
    app.state.streams = Streams()
    app.state.lockout = Lockout()
    app.state.links = make_links(context.settings)
    app.state.link_guesses, app.state.link_presses = Lockout(), Lockout()
    app.state.callback_handler = assist.make_handler(context)
    install(app)
    for router in ROUTERS:
        app.include_router(router)
    open_paths = OPEN_PATHS | ({OPENAPI_PATH, DOCS_PATH} if docs else frozenset())
    options = GateOptions(_verifier(context), monotonic, open_paths)
    app.add_middleware(Gate, options=options, lockout=app.state.lockout)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _verifier(context: Context) -> Callable[[str], Any]:
    keys = KeyStore(context.database)

    async def verify(secret: str) -> ApiKey | None:
        try:
            found: ApiKey | None = await context.in_database(keys.verify, secret, context.clock())
        except OperationalError as error:
            raise Problem("unavailable", "the database cannot be read", {"Retry-After": "5"}) from error
        return found

    return verify


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The description, with how to prove oneself and the error model of every route."""
    if app.openapi_schema is None:
        tree = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        parts = tree.setdefault("components", {})
        parts["securitySchemes"] = SCHEMES
        schemas = parts.setdefault("schemas", {})
        problem = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(problem.pop("$defs"))
        schemas["ProblemDetails"] = problem
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        tree["security"] = [{name: []} for name in SCHEMES]
        app.openapi_schema = tree
    return app.openapi_schema
