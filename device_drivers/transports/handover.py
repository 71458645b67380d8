"""Hands items from a reader thread to the event loop: bounded, and one wake-up for a whole batch.

Waking the loop for every message is what limits a Python gateway, so the thread only appends, and wakes the loop
when the batch goes from empty to not empty.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Handover(Generic[Item]):
    """A bounded queue from one thread to one asyncio consumer.

    capacity: items that may wait. `dropped` counts what found no room.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, capacity: int) -> None:
        self._loop = loop
        self._capacity = capacity
        self._items: list[Item] = []
        self._room = threading.Condition()
        self._ready = asyncio.Event()
        self._closed = False
        self.dropped = 0

    def put(self, item: Item, wait_s: float = 0.0) -> bool:
        """Append from the thread; with no room, wait up to `wait_s` seconds (back-pressure), then drop and count."""
        with self._room:
            if len(self._items) >= self._capacity and not self._wait_for_room(wait_s):
                self.dropped += 1
                return False
            first = not self._items
            self._items.append(item)
        if first:
            self._wake()
        return True

    @property
    def closed(self) -> bool:
        """Whether it has been ended."""
        return self._closed

    def __len__(self) -> int:
        return len(self._items)

    async def take(self) -> list[Item]:
        """Wait for items and take all of them; an empty list means that the hand-over was closed."""
        await self._ready.wait()
        with self._room:
            taken, self._items = self._items, []
            if not self._closed:
                self._ready.clear()
            self._room.notify_all()
        return taken

    def close(self) -> None:
        """End: waiting producers give up, the consumer gets what is left and then an empty list."""
        with self._room:
            self._closed = True
            self._room.notify_all()
        self._wake()

    def _wait_for_room(self, wait_s: float) -> bool:
        return self._room.wait_for(lambda: self._closed or len(self._items) < self._capacity, wait_s) and (
            not self._closed
        )

    def _wake(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ready.set)
