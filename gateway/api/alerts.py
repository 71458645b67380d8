"""Alerts: list, get with history, and a person's answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from analytics.kinds import KINDS
from gateway.alerts.lifecycle import OPEN, State
from gateway.alerts.service import Answer as Said
from gateway.alerts.service import UnknownAlertError
from gateway.api.alert_forms import (
    AlertAnswer,
    AlertPage,
    AlertWithHistory,
    AnswerForm,
    ResolveForm,
    alert_answer,
    dispatch_answer,
    entry_answer,
)
from gateway.api.alert_search import Wanted, from_cursor, search, to_cursor
from gateway.api.caller import ContextDep, Needs, actor, audit_read, check_sees, in_database
from gateway.api.forms import RecordId
from gateway.api.keys import ApiKey
from gateway.api.problems import Problem, not_found, responses
from gateway.api.scopes import Scope
from gateway.api.times import Instant
from gateway.audit import append_audit

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.alerts.lifecycle import Alert
    from gateway.context import Context

router = APIRouter(prefix="/api/v1/alerts", tags=["alerts"])
Reader = Annotated[ApiKey, Depends(Needs(Scope.ALERTS_READ))]
Answerer = Annotated[ApiKey, Depends(Needs(Scope.ALERTS_ANSWER))]
AlertPath = Annotated[str, Path(max_length=64, description="The alert's id · 报警编号")]
NO_ANSWER = AnswerForm()
METHODS = {
    Said.ACKNOWLEDGED: "acknowledge",
    Said.EN_ROUTE: "en_route",
    Said.ON_SCENE: "on_scene",
    Said.RESOLVED: "resolve",
    Said.CANCELLED: "cancel",
}
CLOSED = tuple(state for state in State if not state.open)


class AlertQuery(BaseModel):
    """Filters of the list."""

    model_config = ConfigDict(extra="forbid")
    state: Annotated[list[State], Field(description="Any of these", max_length=8)] = []
    open: Annotated[bool | None, Field(description="true: only open ones; false: only closed ones")] = None
    kind: Annotated[str | None, Field(max_length=64, description="A kind such as fall", examples=["fall"])] = None
    resident: RecordId | None = None
    test: Annotated[bool | None, Field(description="true: only tests; false: none of them")] = None
    since: Annotated[Instant | None, Field(description="Happened at or after this time")] = None
    until: Annotated[Instant | None, Field(description="Happened before this time")] = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str | None, Field(max_length=40, description="`next` of the page before")] = None


@router.get("", summary="List alerts · 报警列表", responses=responses())
async def list_alerts(context: ContextDep, key: Reader, query: Annotated[AlertQuery, Query()]) -> AlertPage:
    """The newest first. A key for some residents sees their alerts only."""
    wanted = _wanted(key, query)
    alerts, following = await asyncio.to_thread(search, context.database, wanted, query.limit)
    residents = sorted({alert.resident_id for alert in alerts if alert.resident_id is not None})
    detail = {"residents": residents, "count": len(alerts)}
    await audit_read(context, key, "alerts.listed", "alerts", detail, vital=True)
    return AlertPage(
        alerts=[alert_answer(alert) for alert in alerts], next=None if following is None else to_cursor(following)
    )


@router.get("/{alert_id}", summary="Get an alert · 报警详情", responses=responses(404))
async def get_alert(context: ContextDep, key: Reader, alert_id: AlertPath) -> AlertWithHistory:
    """One alert with its history and who was told."""

    def read() -> AlertWithHistory:
        alert = _seen(context, key, alert_id)
        return AlertWithHistory(
            alert=alert_answer(alert),
            history=[entry_answer(entry) for entry in context.alerts.history(alert_id)],
            dispatches=[dispatch_answer(item) for item in context.alerts.outbox.items(alert_id)],
        )

    found = await in_database(context, read)
    await audit_read(context, key, "alert.read", f"alert:{alert_id}", {"resident": found.alert.resident_id}, vital=True)
    return found


@router.post("/{alert_id}/acknowledge", summary="Acknowledge · 接警", responses=responses(404, 409))
async def acknowledge(
    context: ContextDep, key: Answerer, alert_id: AlertPath, form: AnswerForm = NO_ANSWER
) -> AlertAnswer:
    """A named person takes it; nobody else is called any more."""
    return await _answer(context, key, alert_id, Said.ACKNOWLEDGED, form)


@router.post("/{alert_id}/en-route", summary="On the way · 赶往途中", responses=responses(404, 409))
async def en_route(
    context: ContextDep, key: Answerer, alert_id: AlertPath, form: AnswerForm = NO_ANSWER
) -> AlertAnswer:
    """A named person is on the way; this acknowledges too."""
    return await _answer(context, key, alert_id, Said.EN_ROUTE, form)


@router.post("/{alert_id}/on-scene", summary="On scene · 已到现场", responses=responses(404, 409))
async def on_scene(
    context: ContextDep, key: Answerer, alert_id: AlertPath, form: AnswerForm = NO_ANSWER
) -> AlertAnswer:
    """A named person has arrived; this acknowledges too."""
    return await _answer(context, key, alert_id, Said.ON_SCENE, form)


@router.post("/{alert_id}/resolve", summary="Resolve · 处理完毕", responses=responses(404, 409))
async def resolve(context: ContextDep, key: Answerer, alert_id: AlertPath, form: ResolveForm) -> AlertAnswer:
    """A named person says what it really was; the alert ends."""
    return await _answer(context, key, alert_id, Said.RESOLVED, form, outcome=form.outcome)


@router.post("/{alert_id}/cancel", summary="Cancel · 取消报警", responses=responses(404, 409))
async def cancel(context: ContextDep, key: Answerer, alert_id: AlertPath, form: AnswerForm = NO_ANSWER) -> AlertAnswer:
    """A named person says that no help is needed; the alert ends as a false alarm."""
    return await _answer(context, key, alert_id, Said.CANCELLED, form)


def _wanted(key: ApiKey, query: AlertQuery) -> Wanted:
    if query.kind is not None and query.kind not in KINDS:
        raise Problem("invalid", f"kind: not one of {', '.join(KINDS)}")
    states = set(query.state or State)
    if query.open is not None:
        states &= set(OPEN if query.open else CLOSED)
    try:
        before = from_cursor(query.cursor) if query.cursor is not None else None
    except ValueError as error:
        raise Problem("invalid", f"cursor: {error}") from error
    return Wanted(
        states=tuple(sorted(states, key=tuple(State).index)),
        kind=query.kind,
        resident_id=query.resident,
        test=query.test,
        since_ns=query.since,
        until_ns=query.until,
        visible=key.residents,
        before=before,
    )


async def _answer(
    context: Context, key: ApiKey, alert_id: str, said: Said, form: AnswerForm | ResolveForm, **more: Any
) -> AlertAnswer:
    """Check that the key may, write down which key it was, and answer."""
    act: Callable[..., Alert] = getattr(context.alerts, METHODS[said])

    def answer() -> Alert:
        _seen(context, key, alert_id)
        now_ns = context.clock()
        subject = f"alert:{alert_id}"
        with context.database.write() as session:
            append_audit(session, at_ns=now_ns, actor=actor(key), action=f"api.alert.{said.value}", subject=subject)
        return act(alert_id, form.by or key.name, now_ns, note=form.note, **more)

    return alert_answer(await in_database(context, answer))


def _seen(context: Context, key: ApiKey, alert_id: str) -> Alert:
    try:
        alert = context.alerts.get(alert_id)
    except UnknownAlertError as error:
        raise not_found("alert", alert_id) from error
    check_sees(key, alert.resident_id, "alert", alert_id)
    return alert
