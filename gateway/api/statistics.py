"""How well alarms work over a span of time."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from gateway.alerts.happened import statistics_of
from gateway.alerts.report import so_far, span_of
from gateway.alerts.statistics import DAY_NS, Statistics
from gateway.api.caller import ContextDep, Needs, audit_read, in_database
from gateway.api.forms import Answer, Moment, moment
from gateway.api.keys import ApiKey
from gateway.api.problems import Problem, responses
from gateway.api.scopes import Scope
from gateway.api.times import Instant
from gateway.context import Context

router = APIRouter(prefix="/api/v1/statistics", tags=["alerts"])
Reader = Annotated[ApiKey, Depends(Needs(Scope.ALERTS_READ))]
USUAL_NS = 30 * DAY_NS
LONGEST_NS = 400 * DAY_NS


class StatisticsQuery(BaseModel):
    """The span: a month of the site's calendar, or since and until. Nothing else is taken."""

    model_config = ConfigDict(extra="forbid")
    month: Annotated[str | None, Field(max_length=7, description="Such as 2026-11", examples=["2026-11"])] = None
    since: Annotated[Instant | None, Field(description="30 days before the end where left out")] = None
    until: Annotated[Instant | None, Field(description="Now where left out; nothing later than now counts")] = None
    carers: Annotated[float, Field(gt=0, le=10_000, description="How many carers are there at a time")] = 1.0


class SpreadAnswer(Answer):
    """Seconds, over `number` of `of` alerts; null when there was nothing to measure."""

    number: int
    of: int
    median: float | None
    p95: float | None


class KindAnswer(Answer):
    """One kind: raised = real + false + recovered + other + open, by the outcomes that people gave.

    recovered: ended by itself. open: not judged yet. precision: real among real and false, null for equipment.
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


class SourceAnswer(Answer):
    """One of those that alarm most."""

    subject: str
    kind: str
    raised: int
    share: float


class StatisticsAnswer(Answer):
    """One span. Tests are not counted. Rates are over the time since `counted_from`."""

    begins: Moment
    ends: Moment
    counted_from: Annotated[Moment, Field(description="From when on there was a resident, or an alert")]
    residents: int
    resident_days: float
    carers: float
    raised: int
    persons: Annotated[int, Field(description="Of these about persons")]
    equipment: Annotated[int, Field(description="Of these about equipment")]
    by_priority: dict[str, int]
    to_delivered: SpreadAnswer
    to_acknowledged: Annotated[SpreadAnswer, Field(description="Until a person took it, or ended it at once")]
    to_on_scene: SpreadAnswer
    never_answered: Annotated[int, Field(description="No person has taken or ended them")]
    ended_unanswered: Annotated[int, Field(description="Of these ended by themselves")]
    urgent_judged: Annotated[int, Field(description="Of high priority, and open for 60 s or answered")]
    urgent_in_time: Annotated[int, Field(description="Of these answered within 60 s")]
    answered_60s: Annotated[float | None, Field(description="urgent_in_time among urgent_judged")]
    kinds: list[KindAnswer]
    per_resident_day: Annotated[
        float | None, Field(description="Alerts about persons; null before one day was counted")
    ]
    per_carer_hour: Annotated[float | None, Field(description="All alerts; null before one hour was counted")]
    floods: Annotated[int, Field(description="More than 10 alarms in 10 minutes")]
    flood_share: float
    peak_10min: int
    chattering: Annotated[int, Field(description="Sources with 3 alarms within a minute")]
    stale: Annotated[int, Field(description="Open for more than 24 h")]
    top: list[SourceAnswer]


@router.get("", summary="Alarm statistics · 报警统计", responses=responses())
async def get_statistics(
    context: ContextDep, key: Reader, query: Annotated[StatisticsQuery, Query()]
) -> StatisticsAnswer:
    """Over at most 400 days. A key for some residents gets the numbers about them alone."""
    now_ns = context.clock()
    from_ns, to_ns = _span(query, context, now_ns)

    def count() -> Statistics:
        with context.database.read() as session:
            return statistics_of(session, from_ns, to_ns, now_ns, residents=key.residents, carers=query.carers)

    found = await in_database(context, count)
    await audit_read(context, key, "statistics.read", "alerts")
    return _answer(found)


def _span(query: StatisticsQuery, context: Context, now_ns: int) -> tuple[int, int]:
    """The span that is asked for, up to now. Raises Problem."""
    if query.month is not None:
        if query.since is not None or query.until is not None:
            raise Problem("invalid", "either month, or since and until")
        try:
            return so_far(*span_of(query.month, context.settings.site.zone), now_ns)
        except ValueError as error:
            raise Problem("invalid", "month: one that has begun, such as 2026-11") from error
    to_ns = now_ns if query.until is None else min(query.until, now_ns)
    from_ns = max(0, to_ns - USUAL_NS) if query.since is None else query.since
    if not 0 < to_ns - from_ns <= LONGEST_NS:
        raise Problem("invalid", "since must be before until and before now, by at most 400 days")
    return from_ns, to_ns


def _answer(found: Statistics) -> StatisticsAnswer:
    plain: dict[str, Any] = asdict(found)
    for name, wire in (("from_ns", "begins"), ("to_ns", "ends"), ("counted_from_ns", "counted_from")):
        plain[wire] = moment(plain.pop(name))
    return StatisticsAnswer.model_validate(plain)
