"""Sends what is in the outbox: claims due rows, runs them through their channels at once, writes down how it ended.

The most urgent come first and always find a free slot; one slow contact cannot take all slots. A commit that adds
rows wakes it at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from gateway.channels.base import Accepted, Dispatch, Refused
from gateway.database import is_damage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway.alerts.service import AlertService
    from gateway.channels.base import Channel

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")
Ended = tuple[Dispatch, Accepted | Refused]
"""A dispatch and what the far side said."""

LONGEST_NAP_S = 1.0
"""The wall clock may be set while waiting; nothing is late by more than this."""
SEND_TIMEOUT_S = 30.0
SETTLE_PAUSE_S = 0.5


class Dispatcher:
    """One for each database. `run` ends only by cancellation, or raises when the database is found damaged.

    rounds: grows about once a second while it turns.
    concurrency: dispatches on the wire at once; reserved: of these, kept for the most urgent; per_target: for one
    contact through one channel. longest_nap_s: how late anything may be when the clock is set while waiting.
    """

    def __init__(
        self,
        service: AlertService,
        channels: Mapping[str, Channel],
        *,
        clock: Callable[[], int],
        concurrency: int = 16,
        reserved: int = 4,
        per_target: int = 8,
        longest_nap_s: float = LONGEST_NAP_S,
    ) -> None:
        self._service = service
        self._channels = dict(channels)
        self._clock = clock
        self._concurrency = concurrency
        self._reserved = reserved
        self._per_target = per_target
        self._longest_nap_s = longest_nap_s
        self._wake = asyncio.Event()
        self._fresh = False
        self._stopping = False
        self._tasks: dict[asyncio.Task[None], tuple[str, str]] = {}
        self._ended: list[Ended] = []
        self._settling = asyncio.Lock()
        self.counts: Counter[str] = Counter()
        self.rounds = 0
        # Its own: the loop's pool fills with look-ups when the network is away, and all alerts would wait for them.
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="outbox")

    @property
    def at_once(self) -> int:
        """Dispatches that may be on the wire at once."""
        return self._concurrency

    async def run(self) -> None:
        """Dispatch for ever. Rows that were on the wire when the last run ended are sent again."""
        loop = asyncio.get_running_loop()

        def wake(_: object) -> None:
            loop.call_soon_threadsafe(self._added)

        stop = self._service.on_outbox(wake)
        try:
            await self._release_all()
            while True:
                await self._round()
                self.rounds += 1
        finally:
            stop()
            self._stopping = True
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._threads.shutdown(wait=False)

    async def _in_thread(self, act: Callable[P, R], *given: P.args, **named: P.kwargs) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(act, *given, **named))

    async def _release_all(self) -> None:
        while True:
            try:
                self.counts["released"] += await self._in_thread(self._service.outbox.release_all)
            except Exception as error:
                if is_damage(error):
                    raise
                self.counts["release_failed"] += 1
                log.exception("the outbox cannot be written")
                await asyncio.sleep(LONGEST_NAP_S)
            else:
                return

    def _added(self) -> None:
        self._fresh = True
        self._wake.set()

    async def _round(self) -> None:
        self._wake.clear()
        fresh, self._fresh = self._fresh, False
        try:
            claimed = await self._in_thread(self._claim, list(self._tasks.values()), fresh=fresh)
            nap_s = 0.0 if claimed else await self._in_thread(self._nap_s)
        except Exception as error:
            if is_damage(error):
                raise
            # A full or locked disk: the rows are still there; try again shortly.
            self.counts["claim_failed"] += 1
            log.exception("the outbox cannot be read")
            claimed, nap_s = [], LONGEST_NAP_S
        for dispatch in claimed:
            task = asyncio.create_task(self._deliver(dispatch))
            self._tasks[task] = (dispatch.channel, dispatch.contact)
            task.add_done_callback(self._done)
        if nap_s > 0:
            await self._sleep(nap_s)

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    def _claim(self, targets: list[tuple[str, str]], *, fresh: bool) -> list[Dispatch]:
        free = self._concurrency - len(targets)
        if free <= 0:
            return []
        busy = {target for target, count in Counter(targets).items() if count >= self._per_target}
        urgent_only = free <= self._reserved
        limit = min(free, self._per_target) if urgent_only else min(free - self._reserved, self._per_target)
        return self._service.outbox.claim(self._clock(), limit, urgent_only=urgent_only, busy=busy, look=not fresh)

    def _nap_s(self) -> float:
        due_ns = self._service.outbox.next_due_ns()
        longest_s = self._longest_nap_s
        wait_s = longest_s if due_ns is None else (due_ns - self._clock()) / 1e9
        # What is due but was not claimed waits for a free slot, and a slot that becomes free wakes us.
        return min(wait_s, longest_s) if wait_s > 0 else longest_s

    async def _deliver(self, dispatch: Dispatch) -> None:
        result = await self._send(dispatch)
        settling = asyncio.create_task(self._settle(dispatch, result))
        try:
            await asyncio.shield(settling)
        except asyncio.CancelledError:
            # What the far side has said is still written down before the dispatcher ends.
            await settling
            raise

    async def _settle(self, dispatch: Dispatch, result: Accepted | Refused) -> None:
        """What ends while another end is being written down goes together with others into the next transaction."""
        mine = dispatch, result
        self._ended.append(mine)
        while True:
            async with self._settling:
                if mine in self._ended:
                    await self._write_down()
            if mine not in self._ended or self._stopping:
                return
            await asyncio.sleep(SETTLE_PAUSE_S)

    async def _write_down(self) -> None:
        """Write down all that has ended; if that fails, one by one, so that a bad one holds up no other."""
        ended, self._ended = self._ended, []
        if await self._written(ended):
            return
        for one in ended:
            if len(ended) == 1 or not await self._written([one]):
                self._ended.append(one)

    async def _written(self, ended: list[Ended]) -> bool:
        try:
            await self._in_thread(self._service.settle_many, ended, self._clock())
        except Exception:
            self.counts["settle_failed"] += 1
            log.exception("how dispatches %s ended cannot be written down", [dispatch.id for dispatch, _ in ended])
            return False
        self.counts.update("accepted" if isinstance(result, Accepted) else "refused" for _, result in ended)
        return True

    async def _send(self, dispatch: Dispatch) -> Accepted | Refused:
        channel = self._channels.get(dispatch.channel)
        if channel is None:
            return Refused(f"no channel {dispatch.channel!r} is configured")
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                return await channel.send(dispatch, self._clock())
        except TimeoutError:
            return Refused(f"no answer within {SEND_TIMEOUT_S:.0f} s")
        except Exception as error:  # noqa: BLE001 - whatever a channel raises, the message was not delivered
            # The text of a foreign error may hold an address with a token in it; its type does not.
            log.warning("channel %s failed: %s", dispatch.channel, type(error).__name__)
            return Refused(f"the channel failed: {type(error).__name__}")

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        self._wake.set()
