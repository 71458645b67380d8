"""How well alarms work over a span of time."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from gateway.alerts.statistics import DAY_NS, Spread, compute, read
from gateway.api.caller import ContextDep, Needs, audit_read, in_database
from gateway.api.forms import Answer, Moment, moment
from gateway.api.keys import ApiKey
from gateway.api.problems import Problem, responses
from gateway.api.scopes import Scope
from gateway.api.times import Instant

router = APIRouter(prefix="/api/v1/statistics", tags=["alerts"])
Reader = Annotated[ApiKey, Depends(Needs(Scope.ALERTS_READ))]
USUAL_NS = 30 * DAY_NS
LONGEST_NS = 400 * DAY_NS


class SpreadAnswer(Answer):
    """Seconds; null when there was nothing to measure."""

    number: int
    median: float | None
    p95: float | None


class KindAnswer(Answer):
    """One kind. precision: real among real and false, by the outcomes that people gave."""

    kind: str
    raised: int
    real: int
    false: int
    precision: float | None


class SourceAnswer(Answer):
    """One of those that alarm most."""

    subject: str
    kind: str
    raised: int
    share: float


class StatisticsAnswer(Answer):
    """One span. answered_60s: share of the most urgent acknowledged within 60 s. Tests are not counted."""

    begins: Moment
    ends: Moment
    raised: int
    by_priority: dict[str, int]
    to_delivered: SpreadAnswer
    to_acknowledged: SpreadAnswer
    to_on_scene: SpreadAnswer
    answered_60s: float | None
    kinds: list[KindAnswer]
    per_resident_day: float | None
    per_carer_hour: float
    floods: Annotated[int, Field(description="More than 10 alarms in 10 minutes")]
    flood_share: float
    peak_10min: int
    chattering: Annotated[int, Field(description="Sources with 3 alarms within a minute")]
    stale: Annotated[int, Field(description="Open for more than 24 h")]
    top: list[SourceAnswer]


@router.get("", summary="Alarm statistics · 报警统计", responses=responses())
async def get_statistics(
    context: ContextDep,
    key: Reader,
    *,
    since: Annotated[Instant | None, Query(description="30 days before the end where left out")] = None,
    until: Annotated[Instant | None, Query(description="Now where left out")] = None,
    carers: Annotated[float, Query(gt=0, le=10_000, description="How many carers are there at a time")] = 1.0,
) -> StatisticsAnswer:
    """Over at most 400 days. A key for some residents gets the numbers about them alone."""
    to_ns = context.clock() if until is None else until
    from_ns = max(0, to_ns - USUAL_NS) if since is None else since
    if not 0 < to_ns - from_ns <= LONGEST_NS:
        raise Problem("invalid", "since must be before until, by at most 400 days")

    def count() -> StatisticsAnswer:
        residents = [one.id for one in context.registry.residents() if key.may_see(one.id)]
        with context.database.read() as session:
            facts = read(session, from_ns, to_ns, residents=None if key.residents is None else residents)
        found = compute(facts, from_ns, to_ns, residents=len(residents), carers=carers)
        return StatisticsAnswer(
            begins=moment(from_ns),
            ends=moment(to_ns),
            raised=found.raised,
            by_priority=dict(found.by_priority),
            to_delivered=_spread(found.to_delivered),
            to_acknowledged=_spread(found.to_acknowledged),
            to_on_scene=_spread(found.to_on_scene),
            answered_60s=found.answered_60s,
            kinds=[
                KindAnswer(kind=k.kind, raised=k.raised, real=k.real, false=k.false, precision=k.precision)
                for k in found.kinds
            ],
            per_resident_day=found.per_resident_day,
            per_carer_hour=found.per_carer_hour,
            floods=found.floods,
            flood_share=found.flood_share,
            peak_10min=found.peak_10min,
            chattering=found.chattering,
            stale=found.stale,
            top=[SourceAnswer(subject=s.subject, kind=s.kind, raised=s.raised, share=s.share) for s in found.top],
        )

    answer = await in_database(context, count)
    await audit_read(context, key, "statistics.read", "alerts")
    return answer


def _spread(of: Spread) -> SpreadAnswer:
    return SpreadAnswer(number=of.number, median=of.median, p95=of.p95)
