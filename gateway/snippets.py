"""Keeps the minute of acceleration around each fall alert of residents who have agreed to it, and of nobody else.

Blocks as they came are held in memory for a minute, for consenting residents only. When a fall alert is opened, the
half minute before and after the impact goes into the history, beside the alert; what a carer says it was is the
alert's outcome. Retention is that of the history's snippets. A withdrawn consent deletes what was kept by it.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import structlog

from device_drivers.observations import Samples
from gateway.alerts.lifecycle import EntryType
from gateway.consents import FALL_RECORDINGS, Consents
from gateway.store.base import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from device_drivers.observations import Observation
    from gateway.alerts.recorder import AlertChange
    from gateway.registry import Registry
    from gateway.store.aio import AsyncStore
    from gateway.store.duckdb_store import DuckDBStore

log = structlog.get_logger(__name__)
SIGNAL = "accel"
KIND = "fall"
BEFORE_NS = AFTER_NS = 30_000_000_000
GRACE_NS = 15_000_000_000
"""The half minute after the impact is waited for this much longer; then what came is kept."""
HELD_NS = 120_000_000_000
"""Blocks are held so long: an alert may be opened half a minute after its impact, and blocks may come late."""
MOST_BLOCKS = 4_000
"""Of one device, whatever its clock says."""
MOST_WAITING = 1_000
NEWS = frozenset({EntryType.OPENED, EntryType.FOLDED})


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A minute that is still coming. due_ns: the gateway's time at which it is kept whatever came."""

    alert_id: str
    device_id: str
    resident_id: str
    at_ns: int
    due_ns: int


class SnippetKeeper:
    """`take` and `alert_changed` in the event loop; `tick` about every second."""

    def __init__(
        self,
        registry: Registry,
        consents: Consents,
        store: DuckDBStore,
        async_store: AsyncStore,
        in_database: Callable[..., Awaitable[Any]],
        clock: Callable[[], int],
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._registry = registry
        self._consents = consents
        self._store = store
        self._async_store = async_store
        self._in_database = in_database
        self._clock = clock
        self._watched: dict[str, str] = {}
        self._blocks: dict[str, deque[Samples]] = {}
        self._wanted: dict[tuple[str, str], _Wanted] = {}
        self._deleted: set[str] = set()

    def take(self, observations: Iterable[Observation]) -> None:
        """Hold the acceleration of devices whose residents have agreed; costs nothing where nobody has."""
        if not self._watched:
            return
        for one in observations:
            if one.__class__ is Samples and one.signal == SIGNAL and one.device_id in self._watched:
                held = self._blocks.setdefault(one.device_id, deque(maxlen=MOST_BLOCKS))
                held.append(one)
                while held and one.received_ns - held[0].received_ns > HELD_NS:
                    held.popleft()

    def alert_changed(self, change: AlertChange) -> None:
        """A fall alert was opened or has another device: its minute is wanted."""
        alert = change.alert
        news = any(entry.type in NEWS for entry in change.entries)
        if alert.kind != KIND or alert.test or not news or len(self._wanted) >= MOST_WAITING:
            return
        due_ns = self._clock() + AFTER_NS + GRACE_NS
        for device_id in alert.devices:
            resident_id = self._watched.get(device_id)
            if resident_id is not None and resident_id == alert.resident_id:
                wanted = _Wanted(alert.id, device_id, resident_id, alert.at_ns, due_ns)
                self._wanted.setdefault((alert.id, device_id), wanted)

    async def tick(self) -> None:
        """Follow who has agreed, keep the minutes that are complete, delete what may no longer be kept."""
        owners, standing = await self._in_database(self._read)
        watched = {device: who for device, who in owners.items() if who is not None and standing.get(who)}
        self._watch(watched)
        self._keep_complete()
        for resident_id in [who for who, stands in standing.items() if not stands and who not in self._deleted]:
            await self._delete(resident_id)
        self._deleted -= {who for who, stands in standing.items() if stands}

    def _read(self) -> tuple[Mapping[str, str | None], Mapping[str, bool]]:
        return self._registry.owners(), self._consents.standing(FALL_RECORDINGS)

    def _watch(self, watched: dict[str, str]) -> None:
        for device_id in [one for one in self._blocks if self._watched.get(one) != watched.get(one)]:
            del self._blocks[device_id]
        for key in [key for key, one in self._wanted.items() if watched.get(one.device_id) != one.resident_id]:
            del self._wanted[key]
        self._watched = watched

    def _keep_complete(self) -> None:
        now_ns = self._clock()
        for key, wanted in list(self._wanted.items()):
            blocks = list(self._blocks.get(wanted.device_id, ()))
            if now_ns < wanted.due_ns and not _reaches(blocks, wanted.at_ns + AFTER_NS):
                continue
            del self._wanted[key]
            self._keep(wanted, blocks)

    def _keep(self, wanted: _Wanted, blocks: Sequence[Samples]) -> None:
        found = minute(blocks, wanted.at_ns)
        if found is None:
            self.counts["empty"] += 1
            return
        start_ns, rate_hz, values = found
        self._store.save_snippet(
            wanted.alert_id, wanted.device_id, SIGNAL, rate_hz, start_ns, values, resident_id=wanted.resident_id
        )
        self.counts["kept"] += 1

    async def _delete(self, resident_id: str) -> None:
        try:
            number = await self._async_store.write(self._store.delete_snippets, resident_id)
        except StoreUnavailableError:  # the store's health tells; the next round tries again
            return
        self._deleted.add(resident_id)
        self.counts["deleted"] += number
        log.info("snippets.deleted", resident=resident_id, number=number)


def minute(blocks: Sequence[Samples], at_ns: int) -> tuple[int, float, NDArray[np.float32]] | None:
    """Start, rate and samples (n, 3) around a moment, NaN where nothing came; None where there is nothing at all.

    The rate is that of the block nearest to the moment; blocks of other rates are left out.
    """
    start_ns, end_ns = at_ns - BEFORE_NS, at_ns + AFTER_NS
    near = [block for block in blocks if block.at_ns < end_ns and _end_ns(block) > start_ns]
    if not near:
        return None
    rate_hz = min(near, key=lambda block: abs(block.at_ns - at_ns)).rate_hz
    values = np.full((round((end_ns - start_ns) / 1e9 * rate_hz), 3), np.nan, np.float32)
    for block in near:
        if block.rate_hz != rate_hz or block.values.ndim != 2 or block.values.shape[1] != 3:
            continue
        first = round((block.at_ns - start_ns) / 1e9 * rate_hz)
        low, high = max(first, 0), min(first + len(block.values), len(values))
        values[low:high] = block.values[low - first : high - first]
    return (start_ns, rate_hz, values) if np.isfinite(values).any() else None


def _end_ns(block: Samples) -> int:
    return block.at_ns + round(len(block.values) / block.rate_hz * 1e9)


def _reaches(blocks: Sequence[Samples], at_ns: int) -> bool:
    return any(_end_ns(block) >= at_ns for block in blocks)
