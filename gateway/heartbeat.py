"""Heartbeats to the far sides: this box says that it lives, and their silence is a fault here. Pure.

The other half is the far side's own: when our heartbeats stop it raises an alarm there (`docs/assist-service.md`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from gateway.box_watch import ASSIST_SILENT, Condition
from gateway.channels.base import Accepted, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

HEARTBEAT = "gateway.heartbeat"
SCHEMA = "heartbeat.v1"
MISSED = 3
"""So many intervals without an accepted heartbeat are silence (practice of Scottish telecare guidance: missed
heartbeats need a procedure, without a figure; three is ours)."""


@runtime_checkable
class Beating(Protocol):
    """A channel whose far side takes heartbeats."""

    async def heartbeat(self, number: int, said: Mapping[str, Any], now_ns: int) -> Accepted | Refused:
        """Tell it that this box lives. number: tells heartbeats apart. said: `heartbeat_data`."""


def heartbeat_data(site: str, interval_s: float, started: str, open_alerts: int, *, healthy: bool) -> dict[str, Any]:
    """What a heartbeat says: nothing about any person. started: RFC 3339."""
    return {
        "schema": SCHEMA,
        "site": site,
        "interval_s": interval_s,
        "started": started,
        "open_alerts": open_alerts,
        "healthy": healthy,
    }


class FarSide:
    """What is known of one far side. Times are monotonic seconds."""

    def __init__(self, channel: str, interval_s: float, now_s: float) -> None:
        self.channel = channel
        self.interval_s = interval_s
        self.heard_s = now_s
        self.accepted = 0
        self.refused = 0
        self.error = ""

    def settle(self, result: Accepted | Refused, now_s: float) -> None:
        """How a heartbeat ended."""
        if isinstance(result, Accepted):
            self.heard_s, self.error = now_s, ""
            self.accepted += 1
        else:
            self.error = result.error
            self.refused += 1

    def silent_s(self, now_s: float) -> float:
        """Seconds since it last answered, or since the start."""
        return now_s - self.heard_s

    def condition(self, now_s: float) -> Condition:
        """Silent, or not."""
        quiet = self.silent_s(now_s)
        bad = quiet > MISSED * self.interval_s
        evidence: dict[str, str | float] = {"channel": self.channel, "silent_s": round(quiet, 1)}
        if bad and self.error:
            evidence["error"] = self.error[:200]
        return Condition(ASSIST_SILENT, f"far:{self.channel}", bad, evidence)
