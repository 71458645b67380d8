"""What was learned of a resident's habits, and the summaries of weeks for care-plan reviews."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from analytics.habits.learned import Learned, in_words, learned_from
from analytics.habits.watch import HabitWatch
from gateway.api.caller import ContextDep, Needs, audit_read, in_database
from gateway.api.forms import Answer, Moment, Words, moment_or_none
from gateway.api.keys import ApiKey
from gateway.api.problems import responses
from gateway.api.residents import ResidentPath, seen_resident
from gateway.api.scopes import Scope
from gateway.daily.learned_book import learned_of
from gateway.daily.printed import as_csv
from gateway.daily.trends import Week, printed_weeks, weeks_of

router = APIRouter(prefix="/api/v1/residents", tags=["history"])
Reader = Annotated[ApiKey, Depends(Needs(Scope.HISTORY_READ))]


class HabitsAnswer(Answer):
    """As of the last saving, at most ten minutes ago; null where nothing was saved. ready: two weeks are known."""

    resident_id: str
    saved: Moment | None
    days: int
    ready: bool
    text: list[Words]


class WeekAnswer(Answer):
    """One week from Monday. null: not known. wet, wandered: alerts raised. Times are minutes."""

    begins: str
    nights: int
    asleep_min: float | None
    in_bed_min: float | None
    efficiency: float | None
    exits: float | None
    wet: int
    wandered: int
    active_hours: float | None


class TrendsAnswer(Answer):
    """The present week last."""

    resident_id: str
    weeks: list[WeekAnswer]


@router.get("/{resident_id}/habits", summary="Habits in words · 生活习惯", responses=responses(404))
async def get_habits(context: ContextDep, key: Reader, resident_id: ResidentPath) -> HabitsAnswer:
    """When up, when to bed, how often to the bathroom by night, when out, how long quiet."""
    await seen_resident(context, key, resident_id)
    learned, saved_ns = await in_database(context, lambda: read_habits(context, resident_id))
    await audit_read(context, key, "resident.habits_read", f"resident:{resident_id}")
    text = [Words(zh=one.zh, en=one.en) for one in in_words(learned)]
    saved = moment_or_none(saved_ns)
    return HabitsAnswer(resident_id=resident_id, saved=saved, days=learned.days, ready=learned.ready, text=text)


@router.get(
    "/{resident_id}/trends",
    summary="Weeks for a review · 每周小结",
    responses=responses(404, 503),
    response_model=TrendsAnswer,
)
async def get_trends(
    context: ContextDep,
    key: Reader,
    resident_id: ResidentPath,
    *,
    weeks: Annotated[int, Query(ge=1, le=26)] = 8,
    form: Annotated[Literal["json", "csv"], Query(description="csv: a table for a spreadsheet")] = "json",
    language: Annotated[Literal["zh-CN", "en"], Query(description="Of the csv")] = "zh-CN",
) -> Any:
    """Sleep, continence, wandering and activity."""
    resident = await seen_resident(context, key, resident_id)
    found = await asyncio.to_thread(read_weeks, context, resident_id, weeks)
    await audit_read(context, key, "resident.trends_read", f"resident:{resident_id}")
    if form == "csv":
        made = printed_weeks(found, resident.display_name, english=language == "en")
        headers = {"Content-Disposition": 'attachment; filename="yinling-weeks.csv"'}
        return Response(as_csv(made).encode("utf-8-sig"), media_type="text/csv; charset=utf-8", headers=headers)
    return TrendsAnswer(
        resident_id=resident_id,
        weeks=[WeekAnswer(**{**asdict(one), "begins": one.begins.isoformat()}) for one in found],
    )


def read_habits(context: ContextDep, resident_id: str) -> tuple[Learned, int | None]:
    """What was saved of a resident, and when; nothing learned where it cannot be read."""
    saved = learned_of(context.database, resident_id, HabitWatch.memory)
    if saved is None:
        return Learned(), None
    try:
        return learned_from(saved[0]), saved[1]
    except ValueError:
        return Learned(), None


def read_weeks(context: ContextDep, resident_id: str, weeks: int) -> list[Week]:
    """The latest weeks of a resident. Raises StoreError."""
    with context.database.read() as session:
        zone = context.settings.site.zone
        return weeks_of(session, context.store, resident_id, now_ns=context.clock(), zone=zone, weeks=weeks)
