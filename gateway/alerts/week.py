"""The coming days of a plan at a glance: who is on call when, when nobody is, and which policy counts when. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from gateway.alerts.oncall import NS, instant, local, turns
from gateway.alerts.oncall_watch import MIDNIGHT, gaps
from gateway.alerts.policy import choose

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from gateway.alerts.oncall import Turn
    from gateway.alerts.policy import Facts, Plan, Timing

WEEK_NS = 7 * 86_400 * NS


@dataclass(frozen=True, slots=True)
class Duties:
    """One schedule. turns: everybody in order; gaps: those turns without anybody at which a policy could ask it."""

    schedule: str
    turns: tuple[Turn, ...]
    gaps: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """Which policy counts from one instant until before another; own: one of the site's, not a built-in one."""

    from_ns: int
    to_ns: int
    policy: str
    own: bool


def duties(plan: Plan, from_ns: int, to_ns: int, zone: ZoneInfo) -> list[Duties]:
    """Every schedule of the plan between two instants."""
    return [
        Duties(one.name, tuple(turns(one, from_ns, to_ns, zone)), tuple(gaps(plan, one, from_ns, to_ns, zone)))
        for one in plan.schedule
    ]


def policies(plan: Plan, facts: Facts, from_ns: int, to_ns: int, zone: ZoneInfo, timing: Timing) -> list[Span]:
    """Which policy an alert would have if it opened then, in order and without a hole; equal neighbours are one."""
    edges = sorted({from_ns, *(at for at in _edges(plan, from_ns, to_ns, zone) if from_ns < at < to_ns)})
    found: list[Span] = []
    for begin, end in zip(edges, [*edges[1:], to_ns], strict=True):
        policy = choose(plan, facts, begin, zone, timing)
        if found and found[-1].policy == policy.name:
            found[-1] = Span(found[-1].from_ns, end, policy.name, found[-1].own)
        else:
            found.append(Span(begin, end, policy.name, policy in plan.policy))
    return found


def _edges(plan: Plan, from_ns: int, to_ns: int, zone: ZoneInfo) -> Iterator[int]:
    """Every instant at which another policy could begin to count."""
    day, last = (local(at, zone).date() for at in (from_ns, to_ns))
    clocks = {MIDNIGHT}
    for part in (part for policy in plan.policy for part in policy.hours):
        clocks |= {part.begins, part.ends}
    while day <= last:
        yield from (instant(day, clock, zone) for clock in clocks)
        day += timedelta(days=1)
