"""Devices: list with what is known of them right now, create, update, assign to a resident, password for the broker."""

from __future__ import annotations

import asyncio
import re
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path, Query

from device_drivers.registry import UnknownFamilyError, find_driver
from gateway.api.caller import ContextDep, Needs, actor, audit_read, check_sees, check_sees_all, in_database
from gateway.api.device_forms import (
    CommandAnswer,
    CommandForm,
    DeviceAnswer,
    DeviceChange,
    DeviceDetail,
    DeviceForm,
    Devices,
    MadeDevice,
    MqttLogin,
    Placing,
    ReplyAnswer,
    describe,
    describe_in_full,
    describe_talker,
)
from gateway.api.forms import AnyDeviceId, RecordId
from gateway.api.keys import ApiKey
from gateway.api.problems import Problem, not_found, responses
from gateway.api.scopes import Scope
from gateway.audit import digest, plain
from gateway.broker.config import hash_password
from gateway.device_commands import Command
from gateway.device_view import look, look_at, read_registered
from gateway.options import kept, wrong_places
from gateway.registry import Device
from gateway.wiring import own_account

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.context import Context
    from gateway.device_view import DeviceView

router = APIRouter(prefix="/api/v1/devices", tags=["devices"])
Reader = Annotated[ApiKey, Depends(Needs(Scope.DEVICES_READ))]
Commander = Annotated[ApiKey, Depends(Needs(Scope.DEVICES_COMMAND))]
Writer = Annotated[ApiKey, Depends(Needs(Scope.DEVICES_WRITE))]
DevicePath = Annotated[AnyDeviceId, Path(description="The device's id · 设备编号", examples=["w1", "zigbee2mqtt/sos"])]
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
    """Those in trouble first, each with its state, latest values, battery, way in, and when it was last heard.

    A key for some residents sees the devices that are theirs now. `unknown`: those that send and are not registered.
    """
    registered = await in_database(context, lambda: read_registered(context.registry))
    view = look(registered, context.live, context.ways(), context.clock())
    seen = [one for one in view.devices if key.may_see(one.resident_id) and (one.device.active or not active)]
    if resident is not None:
        seen = [one for one in seen if one.resident_id == resident]
    unknown = [describe_talker(one) for one in view.unknown] if resident is None and key.may_see(None) else []
    await audit_read(context, key, "devices.listed", "devices", {"devices": [one.device.id for one in seen]})
    return Devices(devices=[describe(one) for one in seen], unknown=unknown)


@router.get("/{device_id:path}", summary="Get a device · 设备详情", responses=responses(404))
async def get_device(context: ContextDep, key: Reader, device_id: DevicePath) -> DeviceDetail:
    """One device with what is known of it right now, and the latest bytes of it that could not be decoded.

    The id may contain slashes, as they are or as %2F.
    """
    view = await _view(context, device_id)
    check_sees(key, view.resident_id, "device", device_id)
    await audit_read(context, key, "device.read", f"device:{device_id}", {"resident": view.resident_id})
    return describe_in_full(view)


@router.post("", status_code=201, summary="Add a device · 新增设备", responses=responses(409))
async def add_device(context: ContextDep, key: Writer, form: DeviceForm) -> MadeDevice:
    """Needs a key for all residents. A wearable gets its password for the broker here, shown this once."""
    check_sees_all(key)
    device = _new_device(form)
    await context.in_database(context.registry.add_device, device, by=actor(key), now_ns=context.clock())
    login = await _new_login(context, key, device) if _has_account(device) else None
    await context.registry_changed()
    return MadeDevice(device=describe(await _view(context, device.id)), mqtt=login)


@router.patch("/{device_id:path}", summary="Change a device · 修改设备", responses=responses(404))
async def change_device(context: ContextDep, key: Writer, device_id: DevicePath, change: DeviceChange) -> DeviceAnswer:
    """Fields that are left out stay as they are."""

    def update() -> None:
        known = seen_device(context, key, device_id)
        fields = change.model_dump(exclude_unset=True)
        if "options" in fields:
            fields["options"] = kept(known.family, fields["options"], known.options)
            _check_options(known.family, fields["options"])
        changed = replace(known, **fields)
        context.registry.update_device(changed, by=actor(key), now_ns=context.clock())

    await in_database(context, update)
    await context.registry_changed()
    return describe(await _view(context, device_id))


@router.put("/{device_id:path}/assignment", summary="Assign a device · 绑定老人", responses=responses(404))
async def assign_device(context: ContextDep, key: Writer, device_id: DevicePath, placing: Placing) -> DeviceAnswer:
    """From now on the device's observations are of this resident, or of nobody with `null`.

    A key for some residents can move only their devices, and only among them.
    """

    def assign() -> None:
        seen_device(context, key, device_id)
        check_sees(key, placing.resident_id, "resident", placing.resident_id or "null")
        context.registry.assign(device_id, placing.resident_id, by=actor(key), now_ns=context.clock())

    await in_database(context, assign)
    await context.registry_changed()
    return describe(await _view(context, device_id))


@router.post(
    "/{device_id:path}/credentials", summary="New broker password · 重置设备密码", responses=responses(404, 409)
)
async def renew_credentials(context: ContextDep, key: Writer, device_id: DevicePath) -> MqttLogin:
    """A new password for the broker, shown this once; the old one counts no more."""
    found = await in_database(context, lambda: seen_device(context, key, device_id))
    if not _has_account(found):
        raise Problem("conflict", f"devices of family {found.family} do not log in to the broker themselves")
    login = await _new_login(context, key, found)
    await context.registry_changed()
    return login


@router.post("/{device_id:path}/commands", summary="Command a device · 向设备下发指令", responses=responses(404, 409))
async def command_device(
    context: ContextDep, key: Commander, device_id: DevicePath, form: CommandForm
) -> CommandAnswer:
    """Give a command that the device's family knows (`commands` of the device), and wait for its answer.

    Written down before it is sent, without its value. `offline` where the device is not connected now.
    """
    device = await in_database(context, lambda: seen_device(context, key, device_id))
    known = _commands(device.family)
    if form.command not in known:
        able = ", ".join(known) or "none"
        raise Problem("unknown-command", f"{device.family} has no command {form.command!r}; it knows: {able}")
    detail = {"command": form.command, "args": digest(form.args) if form.args else None}
    await audit_read(context, key, "device.command", f"device:{device_id}", detail)
    try:
        note = await context.ask(Command(device_id, form.command, form.args.get("value"), form.wait_s))
    except ValueError as error:
        raise Problem("invalid", f"{form.command}: {error}") from error
    reply = None if note is None else ReplyAnswer(kind=note.kind, fields=plain(dict(note.fields)))
    return CommandAnswer(answer=reply)


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
    _check_options(driver.family, form.options)
    device = Device(**{**form.model_dump(), "family": driver.family})
    itself = driver.stream is not None or "/" not in form.id
    if driver.account_topics is not None and itself and not ACCOUNT_ID.fullmatch(form.id):
        raise Problem("invalid", f"the id of a device of family {driver.family} may have A-Z a-z 0-9 _ . : - only")
    return device


def _check_options(family: str, options: Mapping[str, Any]) -> None:
    wrong = wrong_places(family, options)
    if wrong is not None:
        raise Problem("invalid", wrong)


def _commands(family: str) -> tuple[str, ...]:
    try:
        return find_driver(family).commands
    except UnknownFamilyError:
        return ()


def _has_account(device: Device) -> bool:
    """Whether the device logs in to the broker itself; others speak through a bridge with its own account."""
    try:
        able = own_account(device.family, device.id)
    except UnknownFamilyError:
        return False
    return able and all(ACCOUNT_ID.fullmatch(level) for level in device.id.split("/"))


def seen_device(context: Context, key: ApiKey, device_id: str) -> Device:
    """The device, if there is one and the key may see it; in the database's thread. Raises "not found" otherwise."""
    found = context.registry.device(device_id)
    if found is None:
        raise not_found("device", device_id)
    placed = next((one for one in context.registry.assignments() if one.device_id == device_id), None)
    check_sees(key, placed.resident_id if placed else None, "device", device_id)
    return found


async def _view(context: Context, device_id: str) -> DeviceView:
    registered = await in_database(context, lambda: read_registered(context.registry))
    view = look_at(device_id, registered, context.live, context.ways(), context.clock())
    if view is None:
        raise not_found("device", device_id)
    return view
