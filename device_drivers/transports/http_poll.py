"""Asks a web page of a device in the house, such as the status page of a bed sensor."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import httpx

from device_drivers.transports.polled import AskError, PolledLine, PollOptions

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

MAX_PAGE = 16 * 1024


class HttpPoll(PolledLine):
    """GETs the page; at most 16 kB, no redirects, and never through a proxy."""

    def __init__(
        self, options: PollOptions, loop: asyncio.AbstractEventLoop, clock: Callable[[], int] = time.time_ns
    ) -> None:
        super().__init__(options, loop, clock)
        self._client = httpx.Client(timeout=options.timeout_s, trust_env=False)

    def _ask(self) -> bytes:
        page = b""
        try:
            with self._client.stream("GET", self.options.url) as response:
                if response.status_code != httpx.codes.OK:
                    raise AskError(f"{self.options.url} answered {response.status_code}")
                for part in response.iter_bytes():
                    page += part
                    if len(page) > MAX_PAGE:
                        raise AskError(f"{self.options.url}: the page is longer than {MAX_PAGE} bytes")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise AskError(f"{type(error).__name__}: {error}") from error
        return page

    def _hang_up(self) -> None:
        """A connection that has failed is closed by httpx itself."""

    def stop(self) -> None:
        super().stop()
        self._client.close()
