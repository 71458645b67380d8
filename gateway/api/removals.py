"""Taking residents, devices and contacts out. What goes and what is kept is decided in `gateway.removal`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field

from gateway import removal, removal_words
from gateway.api.caller import ContextDep, Needs, actor, audit_read, check_sees, check_sees_all, in_database
from gateway.api.contacts import ContactPath, seen_contact
from gateway.api.devices import DevicePath, seen_device
from gateway.api.escalation import plan_warnings
from gateway.api.forms import Answer, Words
from gateway.api.keys import ApiKey
from gateway.api.problems import Problem, responses
from gateway.api.residents import ResidentPath
from gateway.api.scopes import Scope
from gateway.registry import InvalidRecordError

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.context import Context
    from gateway.removal import Removed
    from gateway.removal_words import Told

router = APIRouter(prefix="/api/v1")
ResidentWriter = Annotated[ApiKey, Depends(Needs(Scope.RESIDENTS_WRITE))]
DeviceWriter = Annotated[ApiKey, Depends(Needs(Scope.DEVICES_WRITE))]
ContactWriter = Annotated[ApiKey, Depends(Needs(Scope.CONTACTS_WRITE))]


class RemovalAnswer(Answer):
    """What goes (or has gone) and what is kept, in words."""

    id: Annotated[str, Field(examples=["r1"])]
    text: Words


class ResidentRemoval(RemovalAnswer):
    """rows: of the tables that name the resident. history: whether measured values are erased within two hours."""

    devices: Annotated[list[str], Field(description="Nobody's from then on", examples=[["w1"]])]
    rows: Annotated[dict[str, int], Field(examples=[{"contacts": 1, "care_runs": 120}])]
    history: bool


class RemovedAnswer(RemovalAnswer):
    """A removal. warnings: policies and schedules that name somebody who is not there any more."""

    warnings: list[Words]


class RemovedResident(ResidentRemoval, RemovedAnswer):
    """The removal of a resident."""


@router.get(
    "/residents/{resident_id}/removal",
    summary="What a removal would take · 移除老人会删除什么",
    tags=["residents"],
    responses=responses(404, 409),
)
async def preview_removal(context: ContextDep, key: ResidentWriter, resident_id: ResidentPath) -> ResidentRemoval:
    """What goes and what is kept if the resident is removed now; changes nothing. Ask before you delete."""
    check_sees(key, resident_id, "resident", resident_id)
    check_sees_all(key)
    found = await _closed(context, lambda: removal.what_goes(context.database, resident_id))
    await audit_read(context, key, "resident.removal_read", f"resident:{resident_id}")
    return ResidentRemoval(**_resident(found))


@router.delete(
    "/residents/{resident_id}",
    summary="Remove a resident · 移除老人",
    tags=["residents"],
    responses=responses(404, 409),
)
async def remove_resident(context: ContextDep, key: ResidentWriter, resident_id: ResidentPath) -> RemovedResident:
    """Needs a key for all residents. Not while an alert about the resident is open (409). It cannot be undone.

    Everything about the person goes at once, measured history within two hours; alerts and the audit trail are kept by
    the id, which nobody gets again. Who has moved out and may come back: PATCH `active` = false instead.
    """
    check_sees(key, resident_id, "resident", resident_id)
    check_sees_all(key)
    by, now_ns = actor(key), context.clock()
    found = await _closed(context, lambda: removal.remove_resident(context.database, resident_id, by=by, now_ns=now_ns))
    await context.registry_changed()
    return RemovedResident(**_resident(found), warnings=await in_database(context, lambda: plan_warnings(context)))


@router.delete(
    "/devices/{device_id:path}", summary="Remove a device · 移除设备", tags=["devices"], responses=responses(404)
)
async def remove_device(context: ContextDep, key: DeviceWriter, device_id: DevicePath) -> RemovedAnswer:
    """Needs a key for all residents. Its password counts no more; what it has measured stays with the resident."""

    def remove() -> None:
        seen_device(context, key, device_id)
        check_sees_all(key)
        removal.remove_device(context.database, device_id, by=actor(key), now_ns=context.clock())

    await in_database(context, remove)
    await context.registry_changed()
    return RemovedAnswer(id=device_id, text=_words(removal_words.DEVICE), warnings=[])


@router.delete(
    "/contacts/{contact_id}", summary="Remove a contact · 移除联系人", tags=["contacts"], responses=responses(404)
)
async def remove_contact(context: ContextDep, key: ContactWriter, contact_id: ContactPath) -> RemovedAnswer:
    """What is already on its way is still sent. `warnings` names the policies that go on naming the contact."""

    def remove() -> list[Words]:
        seen_contact(key, contact_id, context.registry.contact(contact_id))
        removal.remove_contact(context.database, contact_id, by=actor(key), now_ns=context.clock())
        return plan_warnings(context)

    warnings = await in_database(context, remove)
    return RemovedAnswer(id=contact_id, text=_words(removal_words.CONTACT), warnings=warnings)


async def _closed(context: Context, act: Callable[[], Removed]) -> Removed:
    """An open alert is no fault of the request, but stands in its way."""
    try:
        return await in_database(context, act)
    except InvalidRecordError as error:
        raise Problem("conflict", str(error)) from error


def _resident(found: Removed) -> dict[str, Any]:
    return {
        "id": found.id,
        "text": _words(removal_words.goes(found)),
        "devices": list(found.devices),
        "rows": found.rows or {},
        "history": found.history,
    }


def _words(told: Told) -> Words:
    return Words(zh=told.zh, en=told.en)
