"""The reports of a resident's nights."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from analytics.daily.night import NightReport
from gateway.alerts.oncall import local
from gateway.api.caller import ContextDep, Needs, audit_read, in_database
from gateway.api.forms import Answer, Moment, Words, moment, moment_or_none
from gateway.api.keys import ApiKey
from gateway.api.problems import Problem, responses
from gateway.api.residents import ResidentPath, seen_resident
from gateway.api.scopes import Scope
from gateway.daily.night_book import MadeNight, nights_of
from gateway.daily.night_words import night_text

router = APIRouter(prefix="/api/v1/residents", tags=["history"])
Reader = Annotated[ApiKey, Depends(Needs(Scope.HISTORY_READ))]
Day = Annotated[date, Query(description="A day of the site's calendar such as 2026-11-22")]
USUAL_DAYS, LONGEST_DAYS = 14, 400


class NightAnswer(Answer):
    """One night. null: not known. source: where sleep is known from, "radar", "movement" or "none".

    got_up: null while still in bed when the report was made. Durations are minutes, shares 0 to 1.
    """

    night: Annotated[str, Field(description="The local day on which it began", examples=["2026-11-21"])]
    made: Moment
    to_bed: Moment
    got_up: Moment | None
    in_bed_min: int
    exits: int
    longest_exit_min: int
    source: str
    asleep_min: int | None
    latency_min: int | None
    awake_min: int | None
    awakenings: int | None
    efficiency: float | None
    restless_share: float | None
    heart_rate: float | None
    heart_rate_low: float | None
    respiratory_rate: float | None
    spo2: float | None
    spo2_lowest: float | None
    heart_rate_derived: Annotated[bool, Field(description="The gateway has computed values of it · 含网关推算的数值")]
    respiratory_rate_derived: bool
    text: Words


class NightsAnswer(Answer):
    """Nights, the oldest first. unknown: nights of which nothing was known."""

    resident_id: str
    nights: list[NightAnswer]
    unknown: list[str]


@router.get("/{resident_id}/nights", summary="Night reports · 睡眠日报", responses=responses(404))
async def get_nights(
    context: ContextDep,
    key: Reader,
    resident_id: ResidentPath,
    *,
    since: Day | None = None,
    until: Day | None = None,
) -> NightsAnswer:
    """Reports are made each morning two hours after the resident's own night has ended. 14 nights where left out."""
    resident = await seen_resident(context, key, resident_id)
    zone = context.settings.site.zone
    last = until or local(context.clock(), zone).date()
    first = since or last - timedelta(days=USUAL_DAYS)
    if not timedelta() <= last - first <= timedelta(days=LONGEST_DAYS):
        raise Problem("invalid", f"since must not be after until, by at most {LONGEST_DAYS} days")

    def ask() -> list[MadeNight]:
        with context.database.read() as session:
            return nights_of(session, resident_id, first, last)

    found = await in_database(context, ask)
    await audit_read(context, key, "resident.nights_read", f"resident:{resident_id}")
    nights = []
    for one in found:
        if one.report is not None:
            text = night_text(resident.display_name, one.report, zone)
            nights.append(_answer(one, one.report, Words(zh=text.zh, en=text.en)))
    unknown = [one.night.isoformat() for one in found if one.report is None]
    return NightsAnswer(resident_id=resident_id, nights=nights, unknown=unknown)


def _answer(made: MadeNight, report: NightReport, text: Words) -> NightAnswer:
    same = {name: getattr(report, name) for name in NightAnswer.model_fields if hasattr(report, name)}
    return NightAnswer(
        night=made.night.isoformat(),
        made=moment(made.made_ns),
        to_bed=moment(report.from_ns),
        got_up=moment_or_none(report.to_ns),
        text=text,
        **same,
    )
