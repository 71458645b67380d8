"""Pauses of an alarm condition and maintenance of equipment: begin, see, end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import Field

from gateway.api.caller import ContextDep, Needs, actor, audit_read, check_sees, check_sees_all, in_database
from gateway.api.forms import Answer, AnyDeviceId, Form, Moment, Name, RecordId, moment
from gateway.api.keys import ApiKey
from gateway.api.problems import not_found, responses
from gateway.api.scopes import Scope

if TYPE_CHECKING:
    from gateway.alerts.holds import Silence
    from gateway.context import Context

router = APIRouter(prefix="/api/v1/holds", tags=["holds"])
Reader = Annotated[ApiKey, Depends(Needs(Scope.ALERTS_READ))]
Answerer = Annotated[ApiKey, Depends(Needs(Scope.ALERTS_ANSWER))]
Keeper = Annotated[ApiKey, Depends(Needs(Scope.DEVICES_WRITE))]
Seconds = Annotated[float, Field(ge=1, le=86_400, allow_inf_nan=False, examples=[600])]


class PauseForm(Form):
    """New alerts of this kind about this resident wait. Falls, calls for help, fire and gas never do."""

    resident_id: Annotated[RecordId, Field(examples=["r1"])]
    kind: Annotated[str, Field(max_length=64, examples=["heart_rate_high"])]
    seconds: Annotated[Seconds, Field(strict=False)]
    reason: Annotated[Name, Field(examples=["翻身擦洗"])]


class MaintenanceForm(Form):
    """New alerts about a device, or about all equipment, wait. Alerts about persons do not."""

    device_id: AnyDeviceId | None = None
    seconds: Annotated[Seconds, Field(strict=False)]
    reason: Annotated[Name, Field(examples=["换电池"])]


class HoldAnswer(Answer):
    """One pause or maintenance. what: paused or maintenance."""

    id: int
    what: Annotated[str, Field(examples=["paused"])]
    resident_id: str | None
    kind: str | None
    device_id: str | None
    reason: str
    by: str
    begins: Moment
    ends: Moment


class Holds(Answer):
    """Everything that is paused or maintained now."""

    holds: list[HoldAnswer]


@router.get("", summary="Pauses and maintenance · 暂停与维护", responses=responses())
async def list_holds(context: ContextDep, key: Reader) -> Holds:
    """Those in force. A key for some residents sees theirs and the site's maintenance."""
    found = await in_database(context, lambda: context.alerts.holds_in_force(context.clock()))
    seen = [one for one in found if one.resident_id is None or key.may_see(one.resident_id)]
    await audit_read(context, key, "holds.listed", "holds")
    return Holds(holds=[_answer(one) for one in seen])


@router.post("/pause", status_code=201, summary="Pause a condition · 暂停一种报警", responses=responses(404))
async def pause(context: ContextDep, key: Answerer, form: PauseForm) -> HoldAnswer:
    """At most ten minutes, with a reason; what lasts longer is raised when the pause ends."""
    check_sees(key, form.resident_id, "resident", form.resident_id)

    def begin() -> Silence:
        if context.registry.resident(form.resident_id) is None:
            raise not_found("resident", form.resident_id)
        return context.alerts.pause(
            form.resident_id, form.kind, form.seconds, reason=form.reason, by=actor(key), now_ns=context.clock()
        )

    return _answer(await in_database(context, begin))


@router.post("/maintenance", status_code=201, summary="Begin maintenance · 开始维护", responses=responses(404))
async def maintain(context: ContextDep, key: Keeper, form: MaintenanceForm) -> HoldAnswer:
    """Of one device, or of the whole site (needs a key for all residents)."""

    def begin() -> Silence:
        if form.device_id is not None:
            _check_device(context, key, form.device_id)
        return context.alerts.maintain(
            form.device_id, form.seconds, reason=form.reason, by=actor(key), now_ns=context.clock()
        )

    if form.device_id is None:
        check_sees_all(key)
    return _answer(await in_database(context, begin))


@router.post("/{hold_id}/end", summary="End it now · 立即结束", responses=responses(404))
async def end_hold(
    context: ContextDep, key: Answerer, hold_id: Annotated[int, Path(ge=1, le=2**31, description="Its id · 编号")]
) -> HoldAnswer:
    """What waited for it is raised at once."""

    def end() -> Silence:
        now_ns = context.clock()
        found = next((one for one in context.alerts.holds_in_force(now_ns) if one.id == hold_id), None)
        if found is None:
            raise not_found("hold", str(hold_id))
        check_sees(key, found.resident_id, "hold", str(hold_id))
        return context.alerts.end_hold(hold_id, by=actor(key), now_ns=now_ns)

    return _answer(await in_database(context, end))


def _check_device(context: Context, key: ApiKey, device_id: str) -> None:
    if context.registry.device(device_id) is None:
        raise not_found("device", device_id)
    check_sees(key, context.registry.owners().get(device_id), "device", device_id)


def _answer(silence: Silence) -> HoldAnswer:
    return HoldAnswer(
        id=silence.id,
        what=silence.what,
        resident_id=silence.resident_id,
        kind=silence.kind,
        device_id=silence.device_id,
        reason=silence.reason,
        by=silence.by,
        begins=moment(silence.from_ns),
        ends=moment(silence.until_ns),
    )
