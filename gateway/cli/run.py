"""`yinling run`: the gateway."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
from typing import TYPE_CHECKING, Annotated

import structlog
import typer

from gateway.cli import BAD_ANSWER, app, errors
from gateway.cli.setup import DEFAULT_CONFIG, ConfigOption
from gateway.config import Settings, load_settings

if TYPE_CHECKING:
    from gateway.runtime import Gateway


@app.command()
def run(
    config: ConfigOption = DEFAULT_CONFIG,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more")] = False,
) -> None:
    """Run the gateway until SIGINT or SIGTERM (运行网关). Not a medical device (非医疗器械)."""
    settings = load_settings(config)
    set_up_logging(logging.DEBUG if verbose else logging.INFO)
    raise typer.Exit(asyncio.run(run_gateway(settings)))


async def run_gateway(settings: Settings) -> int:
    """Run until a signal; the exit code says whether it ended as asked."""
    from gateway.broker.supervisor import BrokerError
    from gateway.database import DatabaseError
    from gateway.runtime import Gateway
    from gateway.store.base import StoreError

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    gateway = Gateway(settings)
    try:
        await gateway.open()
    except (BrokerError, DatabaseError, StoreError, OSError) as error:
        errors.print(f"yinling: {error}; `yinling doctor` says more", highlight=False)
        return BAD_ANSWER
    running = asyncio.create_task(gateway.run(stop))
    greeting = asyncio.create_task(_greet(gateway))
    try:
        await running
    finally:
        greeting.cancel()
        let_go_of_what_is_loaded()
    return 0


def keep_what_is_loaded() -> None:
    """What the start has loaded is not garbage: to look through it again and again stopped everything for 0.3 s."""
    gc.collect()
    gc.freeze()


def let_go_of_what_is_loaded() -> None:
    """Before the end, so that it goes in order."""
    gc.unfreeze()


async def _greet(gateway: Gateway) -> None:
    server = await gateway.serving()
    keep_what_is_loaded()
    errors.print(f"银龄 Yinling  {server.url}  log in with an API key / 用 API 密钥登录: yinling keys create NAME")


def set_up_logging(level: int) -> None:
    """Logs on standard error, for the service manager's journal."""
    logging.basicConfig(level=level, format="%(levelname)s %(name)s %(message)s")
    logging.raiseExceptions = False
    logging.getLogger("httpx").setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # Through the standard library, whose handlers swallow a full disk: a log line must not stop an alert.
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
