"""`yinling contacts`: whom to tell, from the command line, also while the gateway runs."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.table import Table

from gateway.alerts.routing import WEBHOOK
from gateway.cli import app, errors
from gateway.cli.registry import BY, registry_database
from gateway.cli.setup import DEFAULT_CONFIG, ConfigOption, out
from gateway.config import Settings, load_settings
from gateway.registry import Contact, Registry

contacts_app = typer.Typer(help="Whom to tell about alerts.", no_args_is_help=True)
app.add_typer(contacts_app, name="contacts")


@contacts_app.command("add")
def add_contact(
    contact_id: Annotated[str, typer.Argument(help="An id of your own, for example daughter")],
    name: Annotated[str, typer.Argument(help="The name that people read")],
    channel: Annotated[str, typer.Option(help="A way of the settings: a name under [channels], or webhook")],
    address: Annotated[str, typer.Option(help="Where on that channel, for example a phone number")] = "",
    resident: Annotated[str | None, typer.Option(help="Whose; left out: of the whole site")] = None,
    role: Annotated[
        str | None,
        typer.Option(help="For example family, carer, team_lead; left out: family of a resident, else carer"),
    ] = None,
    order: Annotated[int, typer.Option(min=0, help="0 is told first; equal ones together")] = 0,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Add somebody to be told; `yinling policy check` shows when that would be.

    The 助急 service is no contact: write [assist] into the settings, and it is told by itself.
    """
    usual = "carer" if resident is None else "family"
    contact = Contact(contact_id, resident, name, role or usual, channel, address, order)
    with registry_database(config) as database:
        Registry(database).add_contact(contact, by=BY, now_ns=time.time_ns())
    warn_of_channel(contact, load_settings(config))


def warn_of_channel(contact: Contact, settings: Settings) -> None:
    """Say so where the way of a contact is not set up: the contact is stored, but is not told yet."""
    known = sorted(settings.channel_names)
    if contact.channel in known:
        return
    ways = ", ".join(known) or "–"
    table = "[assist]" if contact.channel == WEBHOOK else f"[channels.{contact.channel}]"
    if settings.site.language == "zh-CN":
        text = f"已保存 {contact.id}，但暂时通知不到：通道 {contact.channel} 还没有配置（现有：{ways}）"
        text += f"；请在配置中写 {table}"
    else:
        text = f"{contact.id} is stored and cannot be told yet: no channel {contact.channel} is set up (set up: {ways})"
        text += f"; write {table} into the settings"
    errors.print(f"yinling: {text}", style="yellow", highlight=False, soft_wrap=True)


@contacts_app.command("list")
def list_contacts(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Everybody who may be told, of each resident and of the site."""
    table = Table("id", "name", "whose", "role", "channel", "address", "order")
    with registry_database(config) as database:
        registry = Registry(database)
        for owner in (None, *(one.id for one in registry.residents())):
            for one in registry.contacts(owner):
                if one.resident_id == owner:
                    whose = one.resident_id or "(site)"
                    table.add_row(one.id, one.name, whose, one.role, one.channel, one.address, str(one.order))
    out.print(table)
