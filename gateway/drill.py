"""Test alerts on schedule: a real alert, marked as a test, goes the whole way to the 助急 service and to nobody else.

It ends by itself once the service has accepted it; until then it is told again and again, and after a while that is
itself a fault. Pure: what was sent so far and the time are arguments.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from analytics.findings import Evidence, Finding, Phase
from gateway.alerts.oncall import WEEKDAYS, instant, local
from gateway.alerts.policy import TEST_ALERT
from gateway.box_watch import TEST_FAILED, Condition

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import time
    from zoneinfo import ZoneInfo

    from gateway.alerts.alert import Alert

THING = "box:test"
CATCH_UP_NS = 12 * 3600 * 10**9
"""A test missed while the box was off is made up for within so long."""
LATE_S = 300.0


def due_at(clock: time, days: Sequence[str], zone: ZoneInfo, now_ns: int) -> int | None:
    """The latest moment of the schedule that is due, None where it is long past. days: "mon" ...; empty: all."""
    today = local(now_ns, zone).date()
    for day in (today, today - timedelta(days=1)):
        if days and WEEKDAYS[day.weekday()] not in days:
            continue
        at_ns = instant(day, clock, zone)
        if 0 <= now_ns - at_ns < CATCH_UP_NS:
            return at_ns
    return None


def findings(due_ns: int | None, latest: Iterable[Alert], now_ns: int) -> list[Finding]:
    """What is to be taken now. latest: the latest test alerts, whatever their state."""
    found: list[Finding] = []
    known = list(latest)
    episode = f"{TEST_ALERT}:{due_ns}"
    if due_ns is not None and not any(episode in alert.episodes for alert in known):
        found.append(_finding(episode, now_ns, Phase.CONFIRMED))
    for alert in known:
        if alert.state.open and alert.delivered_ns is not None:
            going = [name for name, phase in alert.episodes.items() if phase is not Phase.CLEARED]
            found += [_finding(name, now_ns, Phase.CLEARED) for name in going]
    return found


def condition(latest: Iterable[Alert], now_ns: int) -> Condition:
    """Whether a test alert waits for too long to be accepted."""
    waits = [alert for alert in latest if alert.state.open and alert.delivered_ns is None]
    late_s = max(((now_ns - alert.created_ns) / 1e9 for alert in waits), default=0.0)
    return Condition(TEST_FAILED, THING, late_s > LATE_S, {"waiting_s": round(late_s)} if waits else {})


def _finding(episode: str, now_ns: int, phase: Phase) -> Finding:
    evidence: dict[str, Evidence] = {"rule": f"{TEST_ALERT}/1", "test": True}
    return Finding(episode, TEST_ALERT, None, now_ns, phase, 1.0, (THING,), evidence)
