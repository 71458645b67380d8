"""`yinling contacts`: whom to tell, from the command line, also while the gateway runs."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.table import Table

from gateway.cli import app, errors
from gateway.cli.registry import BY, registry_database
from gateway.cli.setup import DEFAULT_CONFIG, ConfigOption, out
from gateway.config import load_settings
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
    role: Annotated[str, typer.Option(help="For example family, carer, team_lead")] = "family",
    order: Annotated[int, typer.Option(min=0, help="0 is told first; equal ones together")] = 0,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Add somebody to be told; `yinling policy check` shows when that would be."""
    contact = Contact(contact_id, resident, name, role, channel, address, order)
    with registry_database(config) as database:
        Registry(database).add_contact(contact, by=BY, now_ns=time.time_ns())
    known = sorted(load_settings(config).channel_names)
    if channel not in known:
        ways = ", ".join(known) or "none yet"
        problem = f"no channel {channel} is set up (there is: {ways}); nobody can be told that way"
        errors.print(f"yinling: {problem}; write [channels.{channel}] into the settings", highlight=False)


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
