"""Serves the HTTP API and the console from the gateway's own event loop."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import uvicorn

from gateway.api.app import create_api
from gateway.console.mount import mount_console

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.context import Context

SHUTDOWN_S = 2


class _Server(uvicorn.Server):
    """Leaves signals to the gateway."""

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

    @property
    def ready(self) -> bool:
        """Whether connections are accepted."""
        return self._server.started

    async def serve(self) -> None:
        """Accept connections until stopped."""
        await self._server.serve()

    def stop(self) -> None:
        """End; open streams are closed after a short grace."""
        self._server.should_exit = True
