"""`yinling keys`, `residents` and `devices`: the registry from the command line, also while the gateway runs."""

from __future__ import annotations

import secrets
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from device_drivers.registry import find_driver
from gateway.api.keys import KeyChangeError, KeyStore
from gateway.api.scopes import Role
from gateway.broker.config import hash_password
from gateway.cli import CANNOT, app, errors
from gateway.cli.setup import DEFAULT_CONFIG, ConfigOption, out
from gateway.config import load_settings
from gateway.consents import PURPOSES, Consents
from gateway.database import Database, open_database
from gateway.registry import Device, Registry, RegistryError, Resident
from gateway.wiring import own_account

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BY = "yinling command line"
PASSWORD_BYTES = 32

keys_app = typer.Typer(help="Keys of the HTTP API and the console.", no_args_is_help=True)
residents_app = typer.Typer(help="The people cared for.", no_args_is_help=True)
devices_app = typer.Typer(help="The devices and whom they belong to.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")
app.add_typer(residents_app, name="residents")
app.add_typer(devices_app, name="devices")


@contextmanager
def registry_database(config: Path) -> Iterator[Database]:
    """The registry's database; its errors end the command with a sentence."""
    settings = load_settings(config)
    database = open_database(settings.data / "gateway.sqlite", check=False)
    try:
        yield database
    except (RegistryError, KeyChangeError) as error:
        errors.print(f"yinling: {error}", highlight=False)
        raise typer.Exit(CANNOT) from error
    finally:
        database.close()


@keys_app.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="Who or what holds it")],
    role: Annotated[Role, typer.Option(help="What it may do")] = Role.OPERATOR,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Make a key; it is shown this once."""
    with registry_database(config) as database:
        typer.echo(KeyStore(database).create(name, role, by=BY, now_ns=time.time_ns()).secret)


@keys_app.command("list")
def list_keys(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """All keys, without their secrets."""
    table = Table("id", "name", "role", "active")
    with registry_database(config) as database:
        for key in KeyStore(database).keys():  # noqa: SIM118 - no mapping
            table.add_row(key.id, key.name, key.role.value, "yes" if key.active else "revoked")
    out.print(table)


@keys_app.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(help="Its id, as listed")], config: ConfigOption = DEFAULT_CONFIG
) -> None:
    """Make a key worthless from now on."""
    with registry_database(config) as database:
        KeyStore(database).revoke(key_id, by=BY, now_ns=time.time_ns())


@residents_app.command("add")
def add_resident(
    resident_id: Annotated[str, typer.Argument(help="Short id, for example r1")],
    name: Annotated[str, typer.Argument(help="Name shown to carers")],
    room: Annotated[str, typer.Option(help="Room or address")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Add a person cared for."""
    with registry_database(config) as database:
        Registry(database).add_resident(Resident(resident_id, name, room=room), by=BY, now_ns=time.time_ns())


@residents_app.command("list")
def list_residents(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Everybody cared for."""
    table = Table("id", "name", "room")
    with registry_database(config) as database:
        for resident in Registry(database).residents():
            table.add_row(resident.id, resident.display_name, resident.room)
    out.print(table)


@residents_app.command("consent")
def consent(
    resident_id: Annotated[str, typer.Argument(help="Whose")],
    purpose: Annotated[str, typer.Argument(help="What for: fall_recordings")],
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take it back; what was kept by it is deleted")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write down that a resident has agreed to a purpose, or no longer does."""
    with registry_database(config) as database:
        change = Consents(database).withdraw if withdraw else Consents(database).give
        change(resident_id, purpose, by=BY, now_ns=time.time_ns())
        chinese, english = PURPOSES[purpose]
        typer.echo(f"{resident_id}: {'withdrawn' if withdraw else 'given'}: {chinese} · {english}")


@residents_app.command("consents")
def list_consents(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Who has agreed to what."""
    table = Table("resident", "purpose", "stands")
    with registry_database(config) as database:
        for purpose in PURPOSES:
            for resident_id, stands in sorted(Consents(database).standing(purpose).items()):
                table.add_row(resident_id, purpose, "yes" if stands else "withdrawn")
    out.print(table)


@devices_app.command("add")
def add_device(
    device_id: Annotated[str, typer.Argument(help="As the device names itself, for example watch-17")],
    family: Annotated[str, typer.Argument(help="Device family, for example yinling_wearable")],
    resident: Annotated[str | None, typer.Option(help="Whose it is")] = None,
    room: Annotated[str, typer.Option(help="Where it hangs")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Add a device; one that connects to the broker itself gets a password, shown this once.

    What speaks through a bridge (zigbee2mqtt/sos) has none: the bridge (zigbee2mqtt/bridge) has.
    """
    driver = find_driver(family)
    placement = "room" if room else "worn"
    device = Device(device_id, driver.family, placement=placement, room=room)
    with registry_database(config) as database:
        registry, now_ns = Registry(database), time.time_ns()
        registry.add_device(device, by=BY, now_ns=now_ns)
        if resident is not None:
            registry.assign(device_id, resident, by=BY, now_ns=now_ns)
        if own_account(driver.family, device_id):
            password = secrets.token_urlsafe(PASSWORD_BYTES)
            registry.set_credentials_hash(device_id, hash_password(password), by=BY, now_ns=now_ns)
            typer.echo(f"MQTT user {device_id} password {password}")


@devices_app.command("list")
def list_devices(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """All devices and whom they belong to."""
    table = Table("id", "family", "resident", "room")
    with registry_database(config) as database:
        registry = Registry(database)
        owners = {one.device_id: one.resident_id for one in registry.assignments()}
        for device in registry.devices():
            table.add_row(device.id, device.family, owners.get(device.id, ""), device.room)
    out.print(table)
