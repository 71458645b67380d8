"""`update` and `remove` of `yinling residents`, `contacts` and `devices`: what was typed wrong or has changed.

What is not named in an update stays as it is. A removal says first what goes and what is kept, and asks.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from gateway import removal
from gateway.alerts.plan_check import unknown_names
from gateway.cli import CANNOT, errors
from gateway.cli.contacts import contacts_app, warn_of_channel
from gateway.cli.registry import BY, devices_app, registry_database, residents_app
from gateway.cli.setup import DEFAULT_CONFIG, ConfigOption, out
from gateway.config import load_settings
from gateway.registry import Registry, UnknownRecordError
from gateway.removal_words import CONTACT, DEVICE, goes
from gateway.wiring import router

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.database import Database

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask")]
Active = Annotated[bool | None, typer.Option("--active/--inactive", help="In use, or kept but out of use")]


@residents_app.command("update")
def update_resident(
    resident_id: Annotated[str, typer.Argument(help="Whom, as listed")],
    name: Annotated[str | None, typer.Option(help="Name shown to carers")] = None,
    room: Annotated[str | None, typer.Option(help="Room or address")] = None,
    birth_year: Annotated[int | None, typer.Option(help="For example 1941")] = None,
    gender: Annotated[str | None, typer.Option(help="female or male")] = None,
    language: Annotated[str | None, typer.Option(help="zh-CN or en: what prompts are asked in")] = None,
    notes: Annotated[str | None, typer.Option(help="Illnesses, medicines, keys: for the card for 120")] = None,
    active: Active = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Change what is known of a resident; --inactive when they have moved out and may come back."""
    wanted = {"display_name": name, "room": room, "birth_year": birth_year, "gender": gender}
    wanted |= {"language": language, "notes": notes, "active": active}
    with registry_database(config) as database:
        registry = Registry(database)
        known = registry.resident(resident_id)
        if known is None:
            raise UnknownRecordError("resident", resident_id)
        registry.update_resident(replace(known, **_named(wanted)), by=BY, now_ns=time.time_ns())


@residents_app.command("remove")
def remove_resident(
    resident_id: Annotated[str, typer.Argument(help="Whom, as listed")],
    yes: Yes = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Take a resident and everything about them out. Alerts, what was sent about them, and the audit trail stay."""
    with registry_database(config) as database:
        _tell(config, *goes(removal.what_goes(database, resident_id)))
        _confirm(config, resident_id, yes=yes)
        removal.remove_resident(database, resident_id, by=BY, now_ns=time.time_ns())
        _tell(config, f"已移除 {resident_id}", f"removed {resident_id}")
        _warn_of_plan(config, database)


@contacts_app.command("update")
def update_contact(
    contact_id: Annotated[str, typer.Argument(help="Whom, as listed")],
    name: Annotated[str | None, typer.Option(help="The name that people read")] = None,
    channel: Annotated[str | None, typer.Option(help="A way of the settings: a name under [channels]")] = None,
    address: Annotated[str | None, typer.Option(help="Where on that channel, for example a phone number")] = None,
    role: Annotated[str | None, typer.Option(help="For example family, carer, team_lead")] = None,
    order: Annotated[int | None, typer.Option(min=0, help="0 is told first; equal ones together")] = None,
    active: Active = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Change a contact; whose it is stays. Somebody on holiday: --inactive, later --active."""
    wanted = {"name": name, "channel": channel, "address": address, "role": role, "order": order, "active": active}
    with registry_database(config) as database:
        registry = Registry(database)
        known = registry.contact(contact_id)
        if known is None:
            raise UnknownRecordError("contact", contact_id)
        changed = replace(known, **_named(wanted))
        registry.update_contact(changed, by=BY, now_ns=time.time_ns())
        _warn_of_plan(config, database)
    warn_of_channel(changed, load_settings(config))


@contacts_app.command("remove")
def remove_contact(
    contact_id: Annotated[str, typer.Argument(help="Whom, as listed")],
    yes: Yes = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Take somebody out who shall not be told any more. What is already on its way is still sent."""
    with registry_database(config) as database:
        if Registry(database).contact(contact_id) is None:
            raise UnknownRecordError("contact", contact_id)
        _tell(config, *CONTACT)
        _confirm(config, contact_id, yes=yes)
        removal.remove_contact(database, contact_id, by=BY, now_ns=time.time_ns())
        _tell(config, f"已移除 {contact_id}", f"removed {contact_id}")
        _warn_of_plan(config, database)


@devices_app.command("update")
def update_device(
    device_id: Annotated[str, typer.Argument(help="Which, as listed")],
    name: Annotated[str | None, typer.Option(help="What people call it")] = None,
    room: Annotated[str | None, typer.Option(help="Where it hangs")] = None,
    resident: Annotated[str | None, typer.Option(help="Whose it is from now on")] = None,
    nobody: Annotated[bool, typer.Option("--nobody", help="It is nobody's from now on")] = False,
    active: Active = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Change a device, or give it to somebody else; what it measured until now stays with whoever had it."""
    if nobody and resident is not None:
        _cannot("--resident and --nobody at once")
    with registry_database(config) as database:
        registry, now_ns = Registry(database), time.time_ns()
        known = registry.device(device_id)
        if known is None:
            raise UnknownRecordError("device", device_id)
        if resident is not None or nobody:
            registry.assign(device_id, resident, by=BY, now_ns=now_ns)
        changed = replace(known, **_named({"name": name, "room": room, "active": active}))
        registry.update_device(changed, by=BY, now_ns=now_ns)


@devices_app.command("remove")
def remove_device(
    device_id: Annotated[str, typer.Argument(help="Which, as listed")],
    yes: Yes = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Take a device and its password out. What it measured stays with the resident."""
    with registry_database(config) as database:
        if Registry(database).device(device_id) is None:
            raise UnknownRecordError("device", device_id)
        _tell(config, *DEVICE)
        _confirm(config, device_id, yes=yes)
        removal.remove_device(database, device_id, by=BY, now_ns=time.time_ns())
        _tell(config, f"已移除 {device_id}", f"removed {device_id}")


def _named(wanted: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in wanted.items() if value is not None}


def _warn_of_plan(config: Path, database: Database) -> None:
    """Policies and schedules that name somebody who is not there any more tell nobody in that place."""
    settings, registry = load_settings(config), Registry(database)
    residents = [one.id for one in registry.residents()]
    everybody = [one for owner in (None, *residents) for one in registry.contacts(owner) if one.resident_id == owner]
    with database.read() as session:
        warnings = unknown_names(router(settings).plan(session), everybody, residents)
    for zh, en in warnings:
        _tell(config, zh, en, style="yellow")


def _tell(config: Path, zh: str, en: str, style: str = "") -> None:
    chinese = load_settings(config).site.language == "zh-CN"
    out.print(zh if chinese else en, highlight=False, soft_wrap=True, style=style)


def _confirm(config: Path, what: str, *, yes: bool) -> None:
    chinese = load_settings(config).site.language == "zh-CN"
    if not yes:
        typer.confirm(f"移除 {what}？" if chinese else f"Remove {what}?", abort=True)


def _cannot(text: str) -> NoReturn:
    errors.print(f"yinling: {text}", highlight=False)
    raise typer.Exit(CANNOT)
