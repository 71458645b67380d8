"""Devices: list with what is known of them right now, create, update, assign to a resident, password for the broker."""

from __future__ import annotations

import asyncio
import re
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Path, Query

from device_drivers.registry import UnknownFamilyError, find_driver
from gateway.api.caller import ContextDep, Needs, actor, audit_read, check_sees, check_sees_all, in_database
from gateway.api.device_forms import (
    DeviceAnswer,
    DeviceChange,
    DeviceForm,
    Devices,
    MadeDevice,
    MqttLogin,
    Placing,
    describe,
)
from gateway.api.forms import RecordId
from gateway.api.keys import ApiKey
from gateway.api.problems import Problem, not_found, responses
from gateway.api.scopes import Scope
from gateway.broker.config import hash_password
from gateway.registry import Assignment, Device

if TYPE_CHECKING:
    from gateway.context import Context

router = APIRouter(prefix="/api/v1/devices", tags=["devices"])
Reader = Annotated[ApiKey, Depends(Needs(Scope.DEVICES_READ))]
Writer = Annotated[ApiKey, Depends(Needs(Scope.DEVICES_WRITE))]
DevicePath = Annotated[RecordId, Path(description="The device's id · 设备编号", examples=["w1"])]
PASSWORD_BYTES = 32
ACCOUNT_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}", re.ASCII)
"""An id that can be an account of the broker and a level of a topic."""
RESERVED_IDS = frozenset({"yinling-gateway"})
"""The gateway's own account of the broker."""


@router.get("", summary="List devices · 设备列表", responses=responses())
async def list_devices(
    context: ContextDep,
    key: Reader,
    *,
    resident: Annotated[RecordId | None, Query(description="Only those of this resident")] = None,
    active: Annotated[bool, Query(description="Only those in use")] = True,
) -> Devices:
    """Each with its latest values, how fresh they are, battery, and when it was last heard.

    A key for some residents sees the devices that are theirs now.
    """
    found, placed = await in_database(context, lambda: _all(context, active_only=active))
    seen = [one for one in found if key.may_see(_owner(placed.get(one.id)))]
    if resident is not None:
        seen = [one for one in seen if _owner(placed.get(one.id)) == resident]
    await audit_read(context, key, "devices.listed", "devices", {"devices": [one.id for one in seen]})
    return Devices(devices=[_answer(context, one, placed.get(one.id)) for one in seen])


@router.get("/{device_id}", summary="Get a device · 设备详情", responses=responses(404))
async def get_device(context: ContextDep, key: Reader, device_id: DevicePath) -> DeviceAnswer:
    """One device with what is known of it right now."""
    found, placed = await in_database(context, lambda: _seen(context, key, device_id))
    await audit_read(context, key, "device.read", f"device:{device_id}", {"resident": _owner(placed)})
    return _answer(context, found, placed)


@router.post("", status_code=201, summary="Add a device · 新增设备", responses=responses(409))
async def add_device(context: ContextDep, key: Writer, form: DeviceForm) -> MadeDevice:
    """Needs a key for all residents. A wearable gets its password for the broker here, shown this once."""
    check_sees_all(key)
    device = _new_device(form)
    await context.in_database(context.registry.add_device, device, by=actor(key), now_ns=context.clock())
    login = await _new_login(context, key, device) if _has_account(device.family) else None
    await context.registry_changed()
    return MadeDevice(device=_answer(context, device, None), mqtt=login)


@router.patch("/{device_id}", summary="Change a device · 修改设备", responses=responses(404))
async def change_device(context: ContextDep, key: Writer, device_id: DevicePath, change: DeviceChange) -> DeviceAnswer:
    """Fields that are left out stay as they are."""

    def update() -> tuple[Device, Assignment | None]:
        known, placed = _seen(context, key, device_id)
        changed = replace(known, **change.model_dump(exclude_unset=True))
        context.registry.update_device(changed, by=actor(key), now_ns=context.clock())
        return changed, placed

    changed, placed = await in_database(context, update)
    await context.registry_changed()
    return _answer(context, changed, placed)


@router.put("/{device_id}/assignment", summary="Assign a device · 绑定老人", responses=responses(404))
async def assign_device(context: ContextDep, key: Writer, device_id: DevicePath, placing: Placing) -> DeviceAnswer:
    """From now on the device's observations are of this resident, or of nobody with `null`.

    A key for some residents can move only their devices, and only among them.
    """

    def assign() -> tuple[Device, Assignment | None]:
        _seen(context, key, device_id)
        check_sees(key, placing.resident_id, "resident", placing.resident_id or "null")
        context.registry.assign(device_id, placing.resident_id, by=actor(key), now_ns=context.clock())
        return _seen(context, key, device_id)

    found, placed = await in_database(context, assign)
    await context.registry_changed()
    return _answer(context, found, placed)


@router.post("/{device_id}/credentials", summary="New broker password · 重置设备密码", responses=responses(404, 409))
async def renew_credentials(context: ContextDep, key: Writer, device_id: DevicePath) -> MqttLogin:
    """A new password for the broker, shown this once; the old one counts no more."""
    found, _ = await in_database(context, lambda: _seen(context, key, device_id))
    if not _has_account(found.family):
        raise Problem("conflict", f"devices of family {found.family} do not log in to the broker themselves")
    login = await _new_login(context, key, found)
    await context.registry_changed()
    return login


async def _new_login(context: Context, key: ApiKey, device: Device) -> MqttLogin:
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    hashed = await asyncio.to_thread(hash_password, password)
    await context.in_database(
        context.registry.set_credentials_hash, device.id, hashed, by=actor(key), now_ns=context.clock()
    )
    return MqttLogin(username=device.id, password=password)


def _new_device(form: DeviceForm) -> Device:
    try:
        driver = find_driver(form.family)
    except UnknownFamilyError as error:
        raise Problem("invalid", str(error)) from error
    if form.id in RESERVED_IDS:
        raise Problem("invalid", f"id {form.id!r} is reserved")
    if driver.account_topics is not None and not ACCOUNT_ID.fullmatch(form.id):
        raise Problem("invalid", f"the id of a device of family {driver.family} may have A-Z a-z 0-9 _ . : - only")
    return Device(**{**form.model_dump(), "family": driver.family})


def _has_account(family: str) -> bool:
    """Whether devices of the family log in to the broker themselves; others speak through a bridge with its own."""
    try:
        return find_driver(family).account_topics is not None
    except UnknownFamilyError:
        return False


def _all(context: Context, *, active_only: bool) -> tuple[list[Device], dict[str, Assignment]]:
    placed = {one.device_id: one for one in context.registry.assignments()}
    return context.registry.devices(active_only=active_only), placed


def _seen(context: Context, key: ApiKey, device_id: str) -> tuple[Device, Assignment | None]:
    found = context.registry.device(device_id)
    if found is None:
        raise not_found("device", device_id)
    placed = next((one for one in context.registry.assignments() if one.device_id == device_id), None)
    check_sees(key, _owner(placed), "device", device_id)
    return found, placed


def _owner(placed: Assignment | None) -> str | None:
    return placed.resident_id if placed else None


def _answer(context: Context, device: Device, placed: Assignment | None) -> DeviceAnswer:
    return describe(device, placed, context.live.devices.get(device.id), context.clock())
