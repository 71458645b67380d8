"""`yinling devices command`: through the API of a whole gateway to a simulated watch on a real connection."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
from test_watch_over_tcp import WATCH, connected, running
from typer.testing import CliRunner

from gateway.api.keys import KeyStore
from gateway.api.scopes import Role
from gateway.cli import app, commands
from simulators.watch import WatchDevice

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result


@pytest.mark.slow
def test_the_command_line_commands_a_watch(tmp_path: Path) -> None:
    assert commands.__all__
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        port, api_port = one.getsockname()[1], two.getsockname()[1]
    asyncio.run(_scene(tmp_path, port, api_port))


async def _scene(folder: Path, port: int, api_port: int) -> None:
    watch = WatchDevice(WATCH)
    url = f"http://127.0.0.1:{api_port}"

    async def command(*arguments: str, key: str = "key") -> Result:
        where = ("--url", url, "--key-file", str(folder / key))
        return await asyncio.to_thread(CliRunner().invoke, app, ["devices", "command", *arguments, *where])

    async with running(folder, port, api_port) as gateway:
        for name, role in (("key", Role.OPERATOR), ("viewer", Role.VIEWER)):
            made = await gateway.in_database(
                KeyStore(gateway.database).create, name, role, by="test", now_ns=gateway.clock()
            )
            (folder / name).write_text(made.secret, encoding="utf-8")
        await gateway.serving()
        offline = await command(WATCH, "find")
        assert (offline.exit_code, "not connected" in offline.stderr) == (1, True), offline.output
        async with connected(watch, port):
            await _heard(gateway)
            told: dict[str, Any] = json.loads((await command(WATCH, "find", "--wait", "30", "--json")).stdout)
            assert (told["answer"]["kind"], watch.rings) == ("ack", 1)
            shown = await command(WATCH, "interval", "--arg", "value=120", "--wait", "30")
            assert (shown.exit_code, watch.interval_s) == (0, 120), shown.output
            assert "UPLOAD" in shown.stdout
            phone = await command(WATCH, "sos_number", "--arg", "value=13912345678", "--wait", "30")
            assert phone.exit_code == 0, phone.output
            assert watch.commands[-1] == "SOS1,13912345678"
            for arguments, key, why in (
                ((WATCH, "explode"), "key", "it knows: locate"),
                ((WATCH, "interval", "--arg", "value=5"), "key", "10 to 86400"),
                ((WATCH, "interval", "--arg", "60"), "key", "name=value"),
                ((WATCH, "find"), "viewer", "devices:command"),
                (("nobody/at/all", "find"), "key", "nobody/at/all"),
            ):
                refused = await command(*arguments, key=key)
                assert refused.exit_code == 2, refused.output
                assert why in refused.stderr.replace("\n", " ")
    gone = await command(WATCH, "find")
    assert (gone.exit_code, "yinling run" in gone.stderr) == (2, True)
    assert not [one for one in threading.enumerate() if one.name.startswith("serial")]


async def _heard(gateway: Any) -> None:
    async with asyncio.timeout(60):
        while WATCH not in gateway.sources[0].connected_devices:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
