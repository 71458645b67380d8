"""Fans events out to whoever is looking now (live stream, console): bounded, the slow lose the oldest."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEPT = 256


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """One event: type ("alert", "health", ...), a running number, and JSON-ready data."""

    type: str
    number: int
    data: Mapping[str, Any]


@dataclass(slots=True, eq=False)
class Listener:
    """One subscriber. `next()` waits for the next event; `missed` counts those it was too slow for."""

    queue: deque[LiveEvent] = field(default_factory=deque)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    missed: int = 0

    async def next(self) -> LiveEvent:
        """The next event, in order."""
        while not self.queue:
            self.ready.clear()
            await self.ready.wait()
        return self.queue.popleft()


class Broadcast:
    """`publish` from the event loop; listeners come and go."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._number = 0

    def publish(self, kind: str, data: Mapping[str, Any]) -> None:
        """Give an event to every listener; a listener that is KEPT behind loses its oldest."""
        self._number += 1
        event = LiveEvent(kind, self._number, data)
        for listener in self._listeners:
            if len(listener.queue) >= KEPT:
                listener.queue.popleft()
                listener.missed += 1
            listener.queue.append(event)
            listener.ready.set()

    @contextmanager
    def listen(self) -> Iterator[Listener]:
        """Subscribe for the length of a `with` block."""
        listener = Listener()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
