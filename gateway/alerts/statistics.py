"""How well alarms work: how fast they were told and answered, how often they were right, how many there were.

Pure, over what is known of each alert (`happened.py` reads it). The measures of quantity (per hour, floods,
chattering, stale, top sources) are those of ISA-18.2 and EEMUA 191; no conformity is claimed. What cannot be known (no
outcome, too young to be judged) is left out of a share, never counted as zero, and how many were left out is said.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analytics.kinds import KINDS, Priority
from gateway.alerts.alert import ANALYTICS, SYSTEM

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

NS = 1_000_000_000
HOUR_NS, DAY_NS = 3600 * NS, 86_400 * NS
FLOOD_NS = 600 * NS
FLOOD_BEGINS, FLOOD_ENDS = 10, 5
"""A flood begins with more than 10 alarms in 10 minutes and ends with fewer than 5."""
CHATTER, CHATTER_NS = 3, 60 * NS
ANSWER_NS = 60 * NS
TOP = 10
REAL, FALSE, RECOVERED = ("real_fall", "real_help"), "false_alarm", "recovered"


@dataclass(frozen=True, slots=True)
class Facts:
    """What counts of one alert. Times are UTC nanoseconds, None: never. closed_by: a person or a part of the box."""

    subject: str
    kind: str
    priority: int
    resident_id: str | None
    raised_ns: int
    delivered_ns: int | None
    acknowledged_ns: int | None
    on_scene_ns: int | None
    closed_ns: int | None
    closed_by: str | None
    outcome: str | None

    @property
    def answered_ns(self) -> int | None:
        """When a person first took it, or ended it at once; None: nobody has."""
        by_person = self.closed_by not in (None, ANALYTICS, SYSTEM)
        return self.closed_ns if self.acknowledged_ns is None and by_person else self.acknowledged_ns

    @property
    def technical(self) -> bool:
        """Whether it is about equipment; a kind of another version counts as about a person."""
        kind = KINDS.get(self.kind)
        return kind is not None and kind.technical


@dataclass(frozen=True, slots=True)
class Stay:
    """Who was cared for from when until when, UTC nanoseconds; to_ns None: still. One may stay several times."""

    who: str
    from_ns: int
    to_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    """Seconds. number: over how many, of how many; median and p95 (nearest rank) None when over none."""

    number: int
    of: int
    median: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class KindNumbers:
    """One kind: raised = real + false + recovered + other + open.

    recovered: ended by itself. other: ended by a person as something else. open: not judged yet. precision: share that
    was real among those whose outcome is real or false; None: no such outcome, or about equipment.
    """

    kind: str
    technical: bool
    raised: int
    real: int
    false: int
    recovered: int
    other: int
    open: int
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
    """One span of time.

    counted_from_ns: from when on there was somebody to watch, or an alert; rates are over the time since then.
    resident_days: days of care, over `residents` persons. persons, equipment: alerts about them.
    never_answered: raised, and no person has taken or ended them; ended_unanswered: those of them that ended by
    themselves. urgent_judged: alerts of high priority that a person could have answered within 60 s (not those that
    are younger, or ended by themselves sooner); urgent_in_time: those that were; answered_60s: their share.
    per_resident_day: alerts about persons; None before one day was counted. per_carer_hour: all alerts; None before
    one hour was. flood_share: of the time counted.
    """

    from_ns: int
    to_ns: int
    counted_from_ns: int
    residents: int
    resident_days: float
    carers: float
    raised: int
    persons: int
    equipment: int
    by_priority: Mapping[str, int]
    to_delivered: Spread
    to_acknowledged: Spread
    to_on_scene: Spread
    never_answered: int
    ended_unanswered: int
    urgent_judged: int
    urgent_in_time: int
    answered_60s: float | None
    kinds: tuple[KindNumbers, ...]
    per_resident_day: float | None
    per_carer_hour: float | None
    floods: int
    flood_share: float
    peak_10min: int
    chattering: int
    stale: int
    top: tuple[Source, ...]


def compute(
    facts: Sequence[Facts], from_ns: int, to_ns: int, *, stays: Sequence[Stay], now_ns: int, carers: float = 1.0
) -> Statistics:
    """The numbers of a span. stays: of who was cared for. now_ns: when the facts were read; carers: at a time."""
    ordered = sorted(facts, key=lambda one: one.raised_ns)
    persons = sum(not one.technical for one in ordered)
    names = {int(priority): priority.name.lower() for priority in Priority}
    begin_ns = _counted_from(ordered, stays, from_ns, to_ns)
    hours = (to_ns - begin_ns) / HOUR_NS
    spans = [(stay.who, _within(stay, from_ns, to_ns)) for stay in stays]
    present = {who for who, span in spans if span > 0}
    days = sum(max(0, span) for _, span in spans) / DAY_NS
    floods, flooded_ns, peak = _floods([one.raised_ns for one in ordered], to_ns)
    unanswered = [one for one in ordered if one.answered_ns is None]
    judged, in_time = _urgent(ordered, now_ns)
    sources = Counter((one.subject, one.kind) for one in ordered)
    top = [Source(subject, kind, n, n / len(ordered)) for (subject, kind), n in sources.most_common(TOP)]
    return Statistics(
        from_ns=from_ns,
        to_ns=to_ns,
        counted_from_ns=begin_ns,
        residents=len(present),
        resident_days=days,
        carers=carers,
        raised=len(ordered),
        persons=persons,
        equipment=len(ordered) - persons,
        by_priority={name: sum(one.priority == value for one in ordered) for value, name in names.items()},
        to_delivered=_spread([(one.raised_ns, one.delivered_ns) for one in ordered]),
        to_acknowledged=_spread([(one.raised_ns, one.answered_ns) for one in ordered]),
        to_on_scene=_spread([(one.raised_ns, one.on_scene_ns) for one in ordered]),
        never_answered=len(unanswered),
        ended_unanswered=sum(one.closed_ns is not None for one in unanswered),
        urgent_judged=judged,
        urgent_in_time=in_time,
        answered_60s=in_time / judged if judged else None,
        kinds=tuple(_kinds(ordered)),
        per_resident_day=persons / days if days and hours >= 24 else None,
        per_carer_hour=len(ordered) / (hours * carers) if hours >= 1 else None,
        floods=floods,
        flood_share=flooded_ns / (to_ns - begin_ns) if to_ns > begin_ns else 0.0,
        peak_10min=peak,
        chattering=_chattering(ordered),
        stale=sum((now_ns if one.closed_ns is None else one.closed_ns) - one.raised_ns > DAY_NS for one in ordered),
        top=tuple(top),
    )


def _counted_from(ordered: Sequence[Facts], stays: Sequence[Stay], from_ns: int, to_ns: int) -> int:
    known = [stay.from_ns for stay in stays] + [one.raised_ns for one in ordered[:1]]
    return min(max(from_ns, min(known)), to_ns) if known else from_ns


def _within(stay: Stay, from_ns: int, to_ns: int) -> int:
    """How much of a stay lies within the span; ns, below 0 where nothing does."""
    return (to_ns if stay.to_ns is None else min(to_ns, stay.to_ns)) - max(from_ns, stay.from_ns)


def _spread(pairs: Sequence[tuple[int, int | None]]) -> Spread:
    waits = sorted(max(0, later - first) / NS for first, later in pairs if later is not None)
    if not waits:
        return Spread(0, len(pairs), None, None)
    middle = len(waits) // 2
    median = waits[middle] if len(waits) % 2 else (waits[middle - 1] + waits[middle]) / 2
    return Spread(len(waits), len(pairs), median, waits[math.ceil(0.95 * len(waits)) - 1])


def _urgent(facts: Iterable[Facts], now_ns: int) -> tuple[int, int]:
    """How many of the most urgent could have been answered within 60 s, and how many were."""
    judged = in_time = 0
    for one in facts:
        if one.priority != Priority.HIGH:
            continue
        known_ns = one.answered_ns or one.closed_ns or now_ns
        soon = known_ns - one.raised_ns <= ANSWER_NS
        in_time += soon and one.answered_ns is not None
        judged += one.answered_ns is not None or not soon
    return judged, in_time


def _kinds(facts: Sequence[Facts]) -> Iterable[KindNumbers]:
    by_kind: dict[str, list[Facts]] = defaultdict(list)
    for one in facts:
        by_kind[one.kind].append(one)
    for kind, mine in sorted(by_kind.items(), key=lambda item: (-len(item[1]), item[0])):
        real = sum(one.outcome in REAL for one in mine)
        false, recovered = (sum(one.outcome == outcome for one in mine) for outcome in (FALSE, RECOVERED))
        waiting = sum(one.outcome is None for one in mine)
        technical = mine[0].technical
        precision = real / (real + false) if real + false and not technical else None
        other = len(mine) - real - false - recovered - waiting
        yield KindNumbers(kind, technical, len(mine), real, false, recovered, other, waiting, precision)


def _floods(times: Sequence[int], to_ns: int) -> tuple[int, int, int]:
    """How many floods, how long in all until to_ns (ns), and the most alarms in any 10 minutes."""
    events = sorted([(at, 1) for at in times] + [(at + FLOOD_NS, -1) for at in times], key=lambda e: (e[0], e[1]))
    within = peak = floods = flooded = 0
    since: int | None = None
    for at, change in events:
        within += change
        peak = max(peak, within)
        if since is None and within > FLOOD_BEGINS:
            since, floods = at, floods + 1
        elif since is not None and within < FLOOD_ENDS:
            flooded, since = flooded + max(0, min(at, to_ns) - since), None
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
