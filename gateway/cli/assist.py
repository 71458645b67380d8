"""`yinling assist`: the assistance desk of a small community centre, as a reference of the far side."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from gateway.cli import CANNOT, app, errors
from gateway.cli.language import LANGUAGE_HELP, chosen
from gateway.cli.setup import out


@app.command()
def assist(
    folder: Annotated[Path, typer.Option(help="Where the book of alerts lies")] = Path("desk"),
    secret_file: Annotated[Path, typer.Option(help="whsec_... that alerts are signed with")] = Path("assist.secret"),
    callback_secret_file: Annotated[Path, typer.Option(help="whsec_... that answers are signed with")] = Path(
        "callback.secret"
    ),
    password_file: Annotated[Path, typer.Option(help="The desk's password, at least 8 characters")] = Path(
        "desk.password"
    ),
    callback_url: Annotated[str | None, typer.Option(help="Where answers go; else where each alert says")] = None,
    host: Annotated[str, typer.Option(help="0.0.0.0 only behind a proxy with TLS")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 9000,
    language: Annotated[str | None, typer.Option(help=LANGUAGE_HELP)] = None,
    zone: Annotated[str, typer.Option(help="Time zone of the clock that is shown")] = "Asia/Shanghai",
    secure: Annotated[bool, typer.Option(help="It is reached over HTTPS: cookies only there")] = False,
) -> None:
    """Run an assistance desk: take alerts, set out, arrive, close (助急值班台). Not a medical device (非医疗器械)."""
    from simulators.desk.app import DeskConfig, running

    language = chosen(language)
    password = _secret(password_file)
    if len(password.get_secret_value()) < 8:
        errors.print("yinling: the password needs 8 characters", highlight=False)
        raise typer.Exit(CANNOT)
    config = DeskConfig(
        folder, _secret(secret_file), _secret(callback_secret_file), password, callback_url, host, port, language, zone,
        secure,
    )  # fmt: skip

    async def serve() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError):
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with running(config) as url:
            out.print(f"{url}/", highlight=False, soft_wrap=True)
            await stop.wait()

    try:
        asyncio.run(serve())
    except (OSError, ValueError) as error:
        errors.print(f"yinling: {error}", highlight=False)
        raise typer.Exit(CANNOT) from error


def _secret(path: Path) -> SecretStr:
    return SecretStr(path.read_text(encoding="utf-8").strip())
