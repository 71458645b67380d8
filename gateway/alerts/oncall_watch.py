"""Nobody on call is itself an alarm: looked for continuously, and a day ahead. Pure.

Only times at which some policy could turn to the schedule count: a night schedule is not missed by day when only a
night policy asks it.
"""

from __future__ import annotations

from datetime import time, timedelta
from typing import TYPE_CHECKING

from analytics.findings import Finding, Phase
from gateway.alerts.oncall import WEEKDAYS, instant, local, turns
from gateway.alerts.policy import ONCALL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from gateway.alerts.oncall import Schedule, Turn
    from gateway.alerts.policy import Plan, Policy

KIND = "nobody_on_call"
AHEAD_NS = 24 * 3600 * 10**9
MIDNIGHT = time()


def device_of(schedule: str) -> str:
    """What stands in the place of the device of such a finding, so that each schedule has an alert of its own."""
    return f"oncall:{schedule}"


def gap_findings(plan: Plan, now_ns: int, zone: ZoneInfo, known: Mapping[str, frozenset[str]]) -> list[Finding]:
    """What is to be told now. known: episodes of open alerts by `device_of`; those whose gap is filled are cleared."""
    findings: list[Finding] = []
    missed: dict[str, str] = {}
    for schedule in plan.schedule:
        gap = coming_gap(plan, schedule, now_ns, zone)
        if gap is not None:
            device = device_of(schedule.name)
            missed[device] = f"{device}:{gap.from_ns}"
            if missed[device] not in known.get(device, frozenset()):
                findings.append(_finding(missed[device], device, now_ns, Phase.CONFIRMED, _words(schedule, gap, zone)))
    for device, episodes in known.items():
        filled = sorted(episodes - {missed.get(device, "")})
        findings += [_finding(episode, device, now_ns, Phase.CLEARED, {}) for episode in filled]
    return findings


def coming_gap(plan: Plan, schedule: Schedule, now_ns: int, zone: ZoneInfo) -> Turn | None:
    """The first time until this time tomorrow at which nobody is on call and somebody could be asked for."""
    return next(gaps(plan, schedule, now_ns, now_ns + AHEAD_NS, zone), None)


def gaps(plan: Plan, schedule: Schedule, now_ns: int, to_ns: int, zone: ZoneInfo) -> Iterator[Turn]:
    """Every such time that is not over at `now_ns` and begins before `to_ns`."""
    asking = [policy for policy in plan.policy if _asks(policy, schedule)]
    begin = instant(local(now_ns, zone).date() - timedelta(days=1), MIDNIGHT, zone)
    for turn in turns(schedule, begin, to_ns, zone):
        if turn.duty is None and turn.to_ns > now_ns and any(_open(policy, turn, now_ns, zone) for policy in asking):
            yield turn


def _asks(policy: Policy, schedule: Schedule) -> bool:
    return any(target == f"{ONCALL}{schedule.name}" for step in policy.steps for target in step.targets)


def _open(policy: Policy, turn: Turn, now_ns: int, zone: ZoneInfo) -> bool:
    """Whether the policy could be chosen at some moment of the turn that is still to come."""
    if not policy.hours and not policy.days:
        return True
    begin = max(turn.from_ns, now_ns)
    moments = [begin, *(at for at in _edges(policy, begin, turn.to_ns, zone) if begin < at < turn.to_ns)]
    return any(_fits(policy, local(at, zone)) for at in moments)


def _fits(policy: Policy, now: datetime) -> bool:
    in_hours = not policy.hours or any(part.covers(now.time()) for part in policy.hours)
    return in_hours and (not policy.days or WEEKDAYS[now.weekday()] in policy.days)


def _edges(policy: Policy, from_ns: int, to_ns: int, zone: ZoneInfo) -> Iterator[int]:
    day, last = (local(at, zone).date() for at in (from_ns, to_ns))
    while day <= last:
        yield instant(day, MIDNIGHT, zone)
        for part in policy.hours:
            yield instant(day, part.begins, zone)
        day += timedelta(days=1)


def _words(schedule: Schedule, gap: Turn, zone: ZoneInfo) -> dict[str, str]:
    begin, end = (local(at, zone).strftime("%Y-%m-%d %H:%M") for at in (gap.from_ns, gap.to_ns))
    return {"schedule": schedule.name, "from": begin, "to": end}


def _finding(episode: str, device: str, now_ns: int, phase: Phase, evidence: dict[str, str]) -> Finding:
    return Finding(episode, KIND, None, now_ns, phase, 1.0, (device,), evidence)
