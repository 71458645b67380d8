"""How well alarms work: how fast they were told and answered, how often they were right, how many there were.

Pure, over what is known of each alert. The measures of quantity (per hour, floods, chattering, stale, top sources) are
those of ISA-18.2 and EEMUA 191; no conformity is claimed. What cannot be known (no outcome, never answered) is left out
of a share, never counted as zero.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from analytics.kinds import KINDS, Priority
from gateway.models import AlertRow

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy.orm import Session

NS = 1_000_000_000
HOUR_NS, DAY_NS = 3600 * NS, 86_400 * NS
FLOOD_NS = 600 * NS
FLOOD_BEGINS, FLOOD_ENDS = 10, 5
"""A flood begins with more than 10 alarms in 10 minutes and ends with fewer than 5."""
CHATTER, CHATTER_NS = 3, 60 * NS
ANSWER_NS = 60 * NS
TOP = 10
REAL, FALSE = ("real_fall", "real_help"), ("false_alarm",)


@dataclass(frozen=True, slots=True)
class Facts:
    """What counts of one alert. Times are UTC nanoseconds, None: never."""

    subject: str
    kind: str
    priority: int
    resident_id: str | None
    raised_ns: int
    delivered_ns: int | None
    acknowledged_ns: int | None
    on_scene_ns: int | None
    closed_ns: int | None
    outcome: str | None


@dataclass(frozen=True, slots=True)
class Spread:
    """Seconds. number: over how many; median and p95 (nearest rank) None when over none."""

    number: int
    median: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class KindNumbers:
    """One kind. precision: share that was real among those whose outcome is real or false; None: no such outcome."""

    kind: str
    raised: int
    real: int
    false: int
    precision: float | None


@dataclass(frozen=True, slots=True)
class Source:
    """One of those that alarm most."""

    subject: str
    kind: str
    raised: int
    share: float


@dataclass(frozen=True, slots=True)
class Statistics:
    """One span of time. answered_60s: share of the most urgent that a person acknowledged within 60 s.

    per_resident_day: alarms about persons. per_carer_hour: all alarms. flood_share: of the time.
    """

    from_ns: int
    to_ns: int
    raised: int
    by_priority: Mapping[str, int]
    to_delivered: Spread
    to_acknowledged: Spread
    to_on_scene: Spread
    answered_60s: float | None
    kinds: tuple[KindNumbers, ...]
    per_resident_day: float | None
    per_carer_hour: float
    floods: int
    flood_share: float
    peak_10min: int
    chattering: int
    stale: int
    top: tuple[Source, ...]


def read(session: Session, from_ns: int, to_ns: int, *, residents: Collection[str] | None = None) -> list[Facts]:
    """Every alert that was raised within the span, without tests. residents: only about these."""
    query = select(AlertRow).where(AlertRow.raised_ns >= from_ns, AlertRow.raised_ns < to_ns, AlertRow.test.is_(False))
    if residents is not None:
        query = query.where(AlertRow.resident_id.in_(residents))
    return [
        Facts(
            row.subject,
            row.kind,
            row.priority,
            row.resident_id,
            row.raised_ns or 0,
            row.delivered_ns,
            row.acknowledged_ns,
            row.on_scene_ns,
            row.closed_ns,
            row.outcome,
        )
        for row in session.scalars(query.order_by(AlertRow.raised_ns))
    ]


def compute(facts: Sequence[Facts], from_ns: int, to_ns: int, *, residents: int, carers: float = 1.0) -> Statistics:
    """The numbers of a span. residents: how many are cared for; carers: how many are there at a time."""
    ordered = sorted(facts, key=lambda one: one.raised_ns)
    hours = (to_ns - from_ns) / HOUR_NS
    persons = sum(not _technical(one) for one in ordered)
    names = {int(priority): priority.name.lower() for priority in Priority}
    floods, flooded_ns, peak = _floods([one.raised_ns for one in ordered])
    sources = Counter((one.subject, one.kind) for one in ordered)
    top = [Source(subject, kind, n, n / len(ordered)) for (subject, kind), n in sources.most_common(TOP)]
    return Statistics(
        from_ns=from_ns,
        to_ns=to_ns,
        raised=len(ordered),
        by_priority={name: sum(one.priority == value for one in ordered) for value, name in names.items()},
        to_delivered=_spread((one.raised_ns, one.delivered_ns) for one in ordered),
        to_acknowledged=_spread((one.raised_ns, one.acknowledged_ns) for one in ordered),
        to_on_scene=_spread((one.raised_ns, one.on_scene_ns) for one in ordered),
        answered_60s=_answered(ordered),
        kinds=tuple(_kinds(ordered)),
        per_resident_day=persons / (residents * hours / 24) if residents and hours > 0 else None,
        per_carer_hour=len(ordered) / (hours * carers) if hours > 0 else 0.0,
        floods=floods,
        flood_share=flooded_ns / (to_ns - from_ns) if to_ns > from_ns else 0.0,
        peak_10min=peak,
        chattering=_chattering(ordered),
        stale=sum((one.closed_ns or to_ns) - one.raised_ns > DAY_NS for one in ordered),
        top=tuple(top),
    )


def _technical(one: Facts) -> bool:
    kind = KINDS.get(one.kind)
    return kind is not None and kind.technical


def _spread(pairs: Iterable[tuple[int, int | None]]) -> Spread:
    waits = sorted(max(0, later - first) / NS for first, later in pairs if later is not None)
    if not waits:
        return Spread(0, None, None)
    middle = len(waits) // 2
    median = waits[middle] if len(waits) % 2 else (waits[middle - 1] + waits[middle]) / 2
    return Spread(len(waits), median, waits[math.ceil(0.95 * len(waits)) - 1])


def _answered(facts: Sequence[Facts]) -> float | None:
    """What closed by itself before anybody could answer does not count."""
    urgent = [one for one in facts if one.priority == Priority.HIGH]
    judged = [one for one in urgent if one.acknowledged_ns is not None or one.outcome != "recovered"]
    if not judged:
        return None
    in_time = sum(
        one.acknowledged_ns is not None and one.acknowledged_ns - one.raised_ns <= ANSWER_NS for one in judged
    )
    return in_time / len(judged)


def _kinds(facts: Sequence[Facts]) -> Iterable[KindNumbers]:
    by_kind: dict[str, list[Facts]] = defaultdict(list)
    for one in facts:
        by_kind[one.kind].append(one)
    for kind, mine in sorted(by_kind.items(), key=lambda item: (-len(item[1]), item[0])):
        real, false = (sum(one.outcome in outcomes for one in mine) for outcomes in (REAL, FALSE))
        yield KindNumbers(kind, len(mine), real, false, real / (real + false) if real + false else None)


def _floods(times: Sequence[int]) -> tuple[int, int, int]:
    """How many floods, how long in all (ns), and the most alarms in any 10 minutes."""
    events = sorted([(at, 1) for at in times] + [(at + FLOOD_NS, -1) for at in times], key=lambda e: (e[0], e[1]))
    within = peak = floods = flooded = 0
    since: int | None = None
    for at, change in events:
        within += change
        peak = max(peak, within)
        if since is None and within > FLOOD_BEGINS:
            since, floods = at, floods + 1
        elif since is not None and within < FLOOD_ENDS:
            flooded, since = flooded + at - since, None
    return floods, flooded, peak


def _chattering(facts: Sequence[Facts]) -> int:
    """How many sources have alarmed three times within a minute."""
    latest: dict[tuple[str, str], deque[int]] = defaultdict(lambda: deque(maxlen=CHATTER))
    found = set()
    for one in facts:
        source = (one.subject, one.kind)
        latest[source].append(one.raised_ns)
        if len(latest[source]) == CHATTER and one.raised_ns - latest[source][0] <= CHATTER_NS:
            found.add(source)
    return len(found)
