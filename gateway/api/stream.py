"""The live stream: server-sent events about alerts and the health of the box, for exactly what the key may see.

    event: snapshot   {"alerts": [...]}   all open alerts; first of all, and again whenever events were lost
    event: alert      an alert as it is now, after each change
    event: health     {"ok": ..., "at": ..., "parts": [...]}   with the scope health:read
    : heartbeat       a comment, so that both sides notice a dead connection

A client that reconnects gets a new snapshot, so nothing is missed whatever `Last-Event-ID` it sends.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Header, Request
from starlette.responses import StreamingResponse

from gateway.alerts.service import UnknownAlertError
from gateway.api.alert_forms import AlertAnswer, alert_answer
from gateway.api.caller import ContextDep, Needs, audit_read, in_database
from gateway.api.forms import Answer
from gateway.api.health import health_answer
from gateway.api.keys import ApiKey, KeyStore
from gateway.api.problems import Problem, responses
from gateway.api.scopes import Scope

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from starlette.datastructures import State

    from gateway.broadcast import Listener, LiveEvent
    from gateway.context import Context

router = APIRouter(prefix="/api/v1", tags=["stream"])
Reader = Annotated[ApiKey, Depends(Needs(Scope.ALERTS_READ))]
MAX_STREAMS, MAX_STREAMS_OF_KEY = 64, 8
HEARTBEAT = ": heartbeat\n\n"
RETRY = "retry: 3000\n\n"


class AlertSnapshot(Answer):
    """All open alerts that the key may see, the most urgent first."""

    alerts: list[AlertAnswer]


class Streams:
    """Counts open streams: each costs memory, and a client that leaks them must not take the box down."""

    def __init__(self) -> None:
        self._by_key: dict[str, int] = {}

    @property
    def open(self) -> int:
        """How many are open."""
        return sum(self._by_key.values())

    def full(self, key_id: str) -> bool:
        """Whether this key may open no more for now."""
        return self.open >= MAX_STREAMS or self._by_key.get(key_id, 0) >= MAX_STREAMS_OF_KEY

    @contextmanager
    def held(self, key_id: str) -> Iterator[None]:
        """Count one for the length of a `with` block."""
        self._by_key[key_id] = self._by_key.get(key_id, 0) + 1
        try:
            yield
        finally:
            self._by_key[key_id] -= 1
            if not self._by_key[key_id]:
                del self._by_key[key_id]


@router.get(
    "/stream",
    summary="Live stream · 实时推送",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}, **responses(429)},
)
async def stream(
    request: Request,
    context: ContextDep,
    key: Reader,
    last_event_id: Annotated[str | None, Header(max_length=200)] = None,  # noqa: ARG001 - a snapshot makes it needless
) -> StreamingResponse:
    """Server-sent events: `snapshot`, then `alert` and `health` as they come; a comment every 15 s."""
    streams: Streams = request.app.state.streams
    if streams.full(key.id):
        raise Problem("too-many", "too many live streams are open", {"Retry-After": "15"})
    await audit_read(context, key, "stream.opened", "alerts", vital=True)
    lines = _lines(context, key, request.app.state)
    return StreamingResponse(lines, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def _lines(context: Context, key: ApiKey, state: State) -> AsyncIterator[str]:
    """The stream's text. Ends when the key counts no more, at the latest one heartbeat later."""
    heartbeat_s, monotonic = state.heartbeat_s, state.monotonic
    with state.streams.held(key.id), context.broadcast.listen() as listener:
        yield RETRY
        yield await _snapshot(context, key)
        missed, checked_s = 0, monotonic()
        while True:
            event = await _next(listener, heartbeat_s)
            if event is None or monotonic() - checked_s >= heartbeat_s:
                if not await _still_valid(context, key):
                    return
                checked_s = monotonic()
            if listener.missed != missed:
                missed = listener.missed
                yield await _snapshot(context, key)
            text = HEARTBEAT if event is None else await _told(context, key, event)
            if text:
                yield text


async def _next(listener: Listener, heartbeat_s: float) -> LiveEvent | None:
    try:
        async with asyncio.timeout(heartbeat_s):
            return await listener.next()
    except TimeoutError:
        return None


async def _still_valid(context: Context, key: ApiKey) -> bool:
    now = await in_database(context, lambda: KeyStore(context.database).find(key.id))
    return now is not None and now.valid_at(context.clock())


async def _snapshot(context: Context, key: ApiKey) -> str:
    def read() -> str:
        seen = [alert_answer(alert) for alert in context.alerts.open_alerts() if key.may_see(alert.resident_id)]
        return AlertSnapshot(alerts=seen).model_dump_json()

    return _event("snapshot", await in_database(context, read), None)


async def _told(context: Context, key: ApiKey, event: LiveEvent) -> str | None:
    """An event as this key may see it, None where it may not. The alert itself is asked whose it is."""
    if event.type == "alert":
        data = await in_database(context, _alert_reader(context, key, str(event.data.get("alert_id", ""))))
        return None if data is None else _event("alert", data, event.number)
    if event.type == "health" and Scope.HEALTH_READ in key.scopes:
        return _event("health", health_answer(context).model_dump_json(), event.number)
    return None


def _alert_reader(context: Context, key: ApiKey, alert_id: str) -> Callable[[], str | None]:
    def read() -> str | None:
        try:
            alert = context.alerts.get(alert_id)
        except UnknownAlertError:
            return None
        return alert_answer(alert).model_dump_json() if key.may_see(alert.resident_id) else None

    return read


def _event(kind: str, data: str, number: int | None) -> str:
    """One event of the stream; JSON holds no line breaks."""
    head = "" if number is None else f"id: {number}\n"
    return f"{head}event: {kind}\ndata: {data}\n\n"
