"""The far side's dead-man's switch: a gateway that tells of itself and then falls silent is an alarm at the centre.

Pure: signed heartbeats and the time go in, records of the journal come out. A gateway is watched from its first
heartbeat on; how often it will tell of itself is in each of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulators.assist_journal import Journal

HEARTBEAT = "gateway.heartbeat"
MISSED = 3
"""So many intervals without a heartbeat are a silence."""
LONGEST_S = 86_400.0
MOST_SITES = 1_000
LOOK_S = 1.0


@dataclass(slots=True)
class Watched:
    """One gateway. heard_s: its last heartbeat, monotonic. data: what that one said. silent: the alarm is on."""

    interval_s: float
    heard_s: float
    heard_at: float | None
    data: Mapping[str, Any]
    silent: bool = False


class DeadMan:
    """Times: now_s monotonic seconds, at seconds since the epoch. The journal's records survive a restart."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.sites: dict[str, Watched] = {}

    def resume(self, now_s: float) -> None:
        """After a start: everybody known has a whole interval to be heard; an alarm that was on stays on."""
        for record in self._journal.records:
            source = str(record.get("source", ""))
            if record["record"] == "watched":
                self.sites[source] = Watched(record["interval_s"], now_s, record["at"], {})
            elif record["record"] in ("silent", "heard") and source in self.sites:
                self.sites[source].silent = record["record"] == "silent"

    def heard(self, event: Mapping[str, Any], now_s: float, at: float) -> None:
        """A signed heartbeat. Raises ValueError when it does not say how often it comes."""
        source, data = str(event["source"])[:200], event["data"]
        interval = data.get("interval_s")
        if isinstance(interval, bool) or not isinstance(interval, int | float) or not 0 < interval <= LONGEST_S:
            raise ValueError(f"interval_s: a number of seconds up to {LONGEST_S:.0f}")
        known = self.sites.get(source)
        if known is None and len(self.sites) >= MOST_SITES:
            raise ValueError("too many sites")
        if known is None or not math.isclose(known.interval_s, interval):
            self._journal.add("watched", source=source, interval_s=float(interval), at=at)
        if known is not None and known.silent:
            self._journal.add("heard", source=source, at=at)
        self.sites[source] = Watched(float(interval), now_s, at, dict(data))

    def look(self, now_s: float, at: float) -> list[str]:
        """Who has fallen silent since the last look: an alarm for each."""
        late = [
            source
            for source, one in self.sites.items()
            if not one.silent and now_s - one.heard_s > MISSED * one.interval_s
        ]
        for source in late:
            self.sites[source].silent = True
            self._journal.add("silent", source=source, since=self.sites[source].heard_at, at=at)
        return late

    def listed(self) -> list[dict[str, Any]]:
        """Every site for people and programs: when it was last heard, and whether its silence is an alarm."""
        return [
            {"source": source, "heard_at": one.heard_at, "interval_s": one.interval_s, "silent": one.silent}
            | {"said": dict(one.data)}
            for source, one in sorted(self.sites.items())
        ]
