"""The store for an event loop: every call that touches the disk runs on one thread of its own.

`append`, `save_snippet`, `latest`, `durable_mark` and `health` cost microseconds: call them on `store` directly.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from gateway.store.base import SeriesStore

P = ParamSpec("P")
R = TypeVar("R")


class AsyncStore:
    """`await aio.flush()`, `await aio.run(aio.store.query, "heart_rate", start, end, resident_id="r1")`.

    Errors of the store come out of the await. Writes are carried out one after another on one thread; questions
    run on a second one, so that a long question does not hold up the flush.
    """

    def __init__(self, store: SeriesStore) -> None:
        self.store = store
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="store-reader")

    async def flush(self) -> None:
        """Durable when it returns; raises StoreUnavailableError."""
        await self.write(self.store.flush)

    async def write(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run retain, erase, backup or save_cursor in turn with the flushes."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, partial(call, *args, **kwargs))

    async def run(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a question beside the writer."""
        return await asyncio.get_running_loop().run_in_executor(self._reader, partial(call, *args, **kwargs))

    async def close(self) -> None:
        """Wait for what runs, flush and release the file."""
        await self.run(lambda: None)
        await self.write(self.store.close)
        self._writer.shutdown()
        self._reader.shutdown()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
