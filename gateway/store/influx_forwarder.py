"""Forwards the record to InfluxDB 2 or VictoriaMetrics in a thread of its own; the pipeline never waits for it.

The place it has come to is kept in the store itself, in the same file as the rows: after hours without the server,
a restart or a power cut it goes on where it was. It is saved only after the server has accepted the page, so a page
may be sent twice; sent twice it overwrites itself (see `line_protocol`). Retention still applies: rows that pass
their time before the server comes back are not sent.
"""

from __future__ import annotations

import dataclasses
import random as randoms
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from gateway.store.base import DeadLetter, StoreError
from gateway.store.influx_client import Sender, SendError, Verdict
from gateway.store.line_protocol import LineMaker

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.store.base import Page, SeriesStore
    from gateway.store.influx_client import InfluxOptions
    from gateway.store.line_protocol import Lines

log = structlog.get_logger(__name__)
CURSOR = "influx"


@dataclass(slots=True)
class ForwarderHealth:
    """Counters since start. state: "idle", "sending", "waiting" (for the server) or "refused" (needs a person).

    rows: accepted, those sent again after an outage counted again. lag_rows: row ids not yet accepted.
    lag_s: age of the oldest of them by time of receipt, 0 when none. withheld: rows kept back for lack of consent.
    """

    state: str = "idle"
    rows: int = 0
    requests: int = 0
    failures: int = 0
    dead_letters: int = 0
    withheld: int = 0
    lag_rows: int = 0
    lag_s: float = 0.0
    last_success_ns: int | None = None
    next_try_s: float = 0.0
    last_error: str | None = None


class InfluxForwarder:
    """`start()` and `stop()` for a thread, or `step()` from wherever; not both at once.

    allow(resident_id): False keeps the resident's rows here (no consent to this recipient); they count as withheld.
    """

    def __init__(
        self,
        store: SeriesStore,
        options: InfluxOptions,
        *,
        clock_ns: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
        random: randoms.Random | None = None,
        allow: Callable[[str | None], bool] = lambda _: True,
    ) -> None:
        self._store = store
        self._options = options
        self._clock_ns = clock_ns
        self._monotonic = monotonic
        self._random = random or randoms.Random()
        self._sender = Sender(options)
        self._maker = LineMaker(options.measurement, options.tags, allow)
        self._attempt = 0
        self._confirmed: deque[tuple[float, int]] = deque()
        self._again: int | None = None
        self._health = ForwarderHealth()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def health(self) -> ForwarderHealth:
        """A snapshot of the counters."""
        return dataclasses.replace(self._health)

    def start(self) -> None:
        """Forward in a thread until `stop`."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="influx-forwarder", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread (at most one request's time-out later) and release the connections."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._sender.close()

    def step(self) -> float:
        """Forward one page if there is one; gives the seconds to wait before the next step. Raises nothing."""
        page: Page | None = None
        try:
            saved = self._store.cursor(CURSOR)
            page = self._store.rows_after(self._from(saved), self._options.batch_rows)
            lines = self._maker.lines(page)
            self._health.state = "sending"
            dead = self._deliver(lines)
            if page.cursor > saved:
                self._store.save_cursor(CURSOR, page.record, page.cursor, dead)
                self._confirmed.append((self._monotonic(), saved))
        except (StoreError, SendError) as error:
            return self._postponed(page, error)
        return self._done(page, lines, dead)

    def _run(self) -> None:
        while not self._stop.wait(self.step()):
            pass

    def _from(self, saved: int) -> int:
        """Where to read: the saved place, or an earlier one after an outage until that is passed."""
        if self._again is not None and self._again < saved:
            return self._again
        self._again = None
        return saved

    def _deliver(self, lines: Lines) -> list[DeadLetter]:
        """Send all lines; halve what is refused as data until the bad lines stand alone, and give those back."""
        dead: list[DeadLetter] = []
        sane = False
        spans = [(0, len(lines))] if len(lines) else []
        while spans:
            low, high = spans.pop()
            try:
                self._send(lines.texts[low:high])
                sane = True
            except SendError as error:
                if error.verdict is not Verdict.DATA:
                    raise
                if high - low > 1:
                    middle = (low + high) // 2
                    spans += [(middle, high), (low, middle)]
                    continue
                sane = sane or self._takes_anything()
                dead.append(DeadLetter(lines.row_ids[low], lines.residents[low], error.status, error.reason))
        return dead

    def _takes_anything(self) -> bool:
        """A server that refuses even a known good line is wrongly configured: then no line is to blame."""
        try:
            self._send([f"yinling_forwarder alive=true {self._clock_ns()}"])
        except SendError as error:
            if error.verdict is Verdict.DATA:
                raise SendError(Verdict.REFUSED, error.status, f"refuses every line: {error.reason}") from error
            raise
        return True

    def _send(self, texts: list[str]) -> None:
        self._health.requests += 1
        self._sender.send(texts, self._clock_ns())

    def _done(self, page: Page, lines: Lines, dead: list[DeadLetter]) -> float:
        health, options = self._health, self._options
        self._attempt = 0
        if self._again is not None:
            self._again = page.cursor
        while self._confirmed and self._confirmed[0][0] <= self._monotonic() - options.rewind_s:
            self._confirmed.popleft()
        if dead:
            log.warning("influx_lines_given_up", lines=len(dead), status=dead[0].status, reason=dead[0].reason)
        health.rows += len(lines) - len(dead)
        health.dead_letters += len(dead)
        health.withheld += len(page) - len(lines)
        health.lag_rows, health.lag_s, health.last_error = page.behind, 0.0, None
        health.state = "sending" if page.behind else "idle"
        health.last_success_ns = self._clock_ns() if len(lines) else health.last_success_ns
        health.next_try_s = 0.0 if page.behind else options.interval_s
        return health.next_try_s

    def _postponed(self, page: Page | None, error: StoreError | SendError) -> float:
        """Note a failure and choose the wait: doubling with jitter, the longest at once where a person must act."""
        health, options = self._health, self._options
        if isinstance(error, SendError) and error.outage and self._confirmed:
            self._again = self._confirmed[0][1]
            self._confirmed.clear()
        refused = isinstance(error, SendError) and error.verdict is Verdict.REFUSED
        ceiling = options.backoff_cap_s if refused else options.backoff_base_s * 2.0 ** min(self._attempt, 30)
        wait = min(options.backoff_cap_s, ceiling) * self._random.uniform(0.5, 1.0)
        if isinstance(error, SendError) and error.retry_after_s is not None:
            wait = max(wait, min(error.retry_after_s, options.backoff_cap_s))
        self._attempt += 1
        level = log.debug if health.last_error == str(error) else log.warning
        level("influx_forwarding_postponed", error=str(error), wait_s=round(wait, 1))
        health.failures += 1
        health.state = "refused" if refused else "waiting"
        health.last_error, health.next_try_s = str(error), wait
        if page is not None and len(page):
            health.lag_rows = page.behind + len(page)
            health.lag_s = max(0.0, (self._clock_ns() - _oldest(page)) / 1e9)
        return wait


def _oldest(page: Page) -> int:
    received = [int(page.readings["received_ns"].min())] if len(page.readings["row_id"]) else []
    return min(received + [row.received_ns for row in page.events])
