"""Is the box alive, is it ready, how are its parts, its numbers for Prometheus, and who the caller is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import Field
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from gateway.api.caller import ContextDep, Needs, in_database, key_of
from gateway.api.forms import Answer, Moment, Words, moment, moment_or_none
from gateway.api.keys import ApiKey
from gateway.api.metrics import Snapshot, render
from gateway.api.problems import responses
from gateway.api.scopes import Scope

if TYPE_CHECKING:
    from gateway.context import Context

router = APIRouter()
READY_TIMEOUT_S = 5.0
STALLED_S = 5.0
"""The pipeline turns ten times a second; without a turn for so long it has stalled."""
Watcher = Annotated[ApiKey, Depends(Needs(Scope.HEALTH_READ))]
Scraper = Annotated[ApiKey, Depends(Needs(Scope.METRICS))]


class Turning:
    """Whether a counter moves: one probe after another tells it the number. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._count = -1
        self._since_s = 0.0

    def goes_on(self, count: int, now_s: float) -> bool:
        """False when the counter has stood still for longer than `STALLED_S`."""
        if count != self._count:
            self._count, self._since_s = count, now_s
        return now_s - self._since_s <= STALLED_S


class Status(Answer):
    """One word."""

    status: Annotated[str, Field(examples=["ready"])]


class PartAnswer(Answer):
    """The state of one part of the box."""

    name: Annotated[str, Field(examples=["broker"])]
    ok: bool
    text: Words
    numbers: dict[str, float]


class HealthAnswer(Answer):
    """Every part of the box."""

    ok: bool
    at: Moment
    parts: list[PartAnswer]


class MeAnswer(Answer):
    """The key that asks. residents: null for all."""

    id: str
    name: str
    role: Annotated[str, Field(examples=["operator"])]
    scopes: list[str]
    residents: list[str] | None
    created: Moment
    expires: Moment | None


@router.get("/health/live", tags=["health"], summary="Is it alive? · 存活检查", openapi_extra={"security": []})
async def live() -> Status:
    """Answers while the event loop goes on. Needs no key."""
    return Status(status="alive")


@router.get(
    "/health/ready",
    tags=["health"],
    summary="Is it ready? · 就绪检查",
    openapi_extra={"security": []},
    responses={503: {"model": Status, "description": "Not ready · 未就绪"}},
)
async def ready(request: Request, context: ContextDep, response: Response) -> Status:
    """200 when the database answers and the analysis goes on, else 503. Needs no key and says no more."""
    turning: Turning = request.app.state.turning
    goes_on = turning.goes_on(context.pipeline.health.steps, request.app.state.monotonic())
    if goes_on and await _database_answers(context):
        return Status(status="ready")
    response.status_code = 503
    return Status(status="not ready")


@router.get("/api/v1/health", tags=["health"], summary="State of every part · 各部件状态", responses=responses())
async def health(context: ContextDep, _key: Watcher) -> HealthAnswer:
    """What works and what does not, in words and numbers."""
    return health_answer(context)


@router.get("/api/v1/me", tags=["me"], summary="My key · 当前密钥", responses=responses())
async def me(key: Annotated[ApiKey, Depends(key_of)]) -> MeAnswer:
    """What the key in use may do and see."""
    return MeAnswer(
        id=key.id,
        name=key.name,
        role=key.role.value,
        scopes=sorted(key.scopes),
        residents=None if key.residents is None else sorted(key.residents),
        created=moment(key.created_ns),
        expires=moment_or_none(key.expires_ns),
    )


@router.get(
    "/metrics",
    tags=["health"],
    summary="Numbers for Prometheus · 监控指标",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}, **responses()},
)
async def metrics(request: Request, context: ContextDep, _key: Scraper) -> Response:
    """Text format of Prometheus."""
    snapshot = Snapshot(
        pipeline=context.pipeline.health,
        latency_s=list(context.pipeline.health.latency_s),
        held_messages=context.pipeline.held_messages,
        devices=len(context.live.devices),
        refused_devices=context.live.refused_devices,
        parts=tuple(context.health()),
        store=context.store.health(),
        takes=dict(context.alerts.counts),
        open_alerts=await in_database(context, context.alerts.open_alerts),
        outbox=await in_database(context, context.alerts.outbox.depth),
        streams=request.app.state.streams.open,
        refused_keys=request.app.state.lockout.refused,
    )
    return Response(await asyncio.to_thread(render, snapshot), media_type=CONTENT_TYPE_LATEST)


def health_answer(context: Context) -> HealthAnswer:
    """The health of the box as it is told."""
    items = context.health()
    parts = [PartAnswer(name=i.name, ok=i.ok, text=Words(zh=i.zh, en=i.en), numbers=i.numbers) for i in items]
    return HealthAnswer(ok=all(item.ok for item in items), at=moment(context.clock()), parts=parts)


async def _database_answers(context: Context) -> bool:
    def ask() -> None:
        with context.database.read() as session:
            session.execute(text("SELECT 1"))

    try:
        async with asyncio.timeout(READY_TIMEOUT_S):
            await context.in_database(ask)
    except (TimeoutError, OperationalError):
        return False
    return True
