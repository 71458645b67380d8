"""Serves the HTTP API and the console from the gateway's own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

import structlog
import uvicorn

from gateway.api.app import create_api
from gateway.console.mount import login_link, mount_console

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.context import Context

log = structlog.get_logger(__name__)

SHUTDOWN_S = 2
RETRY_S = 2.0


class _Server(uvicorn.Server):
    """Leaves signals to the gateway, and says when connections are accepted."""

    accepting: asyncio.Event | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        if self.accepting is not None and not self.should_exit:
            self.accepting.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing: the gateway decides when to stop."""
        yield


class GatewayServer:
    """`serve()` until `stop()`."""

    def __init__(self, context: Context) -> None:
        api = context.settings.api
        self.url = f"http://{api.host}:{api.port}"
        self.app = create_api(context)
        mount_console(self.app, context)
        config = uvicorn.Config(
            self.app,
            host=api.host,
            port=api.port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=SHUTDOWN_S,
        )
        self._server = _Server(config)

    def login_link(self, key_id: str, person: str) -> str:
        """A path that opens the console once, within ten minutes, with this key under this name."""
        return login_link(self.app, key_id, person)

    async def serve(self, accepting: asyncio.Event) -> None:
        """Accept connections until stopped; `accepting` is set once they are."""
        self._server.accepting = accepting
        listening = await self._listen()
        if listening is not None:
            await self._server.serve(sockets=[listening])

    async def _listen(self) -> socket.socket | None:
        """The port; one that is taken is waited for, because alarms go on without it. None when stopped meanwhile."""
        config, told = self._server.config, False
        family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
        while not self._server.should_exit:
            try:
                return socket.create_server((config.host, config.port), family=family, backlog=config.backlog)
            except OSError as error:
                if not told:
                    log.error("server.port_taken", api=self.url, error=str(error))  # noqa: TRY400 - no traceback needed
                told = True
            await asyncio.sleep(RETRY_S)
        return None

    def stop(self) -> None:
        """End; open streams are closed after a short grace."""
        self._server.should_exit = True
