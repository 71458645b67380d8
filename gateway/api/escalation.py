"""Who is told in which order: read and replace the plan, see who is on call, play an alert through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from analytics.kinds import KINDS
from gateway.alerts.oncall import turns
from gateway.alerts.oncall_watch import coming_gap
from gateway.alerts.plan_check import unknown_names
from gateway.alerts.policy import Plan
from gateway.alerts.simulate import Site, timeline
from gateway.api.caller import ContextDep, Needs, actor, audit_read, check_sees, check_sees_all, in_database
from gateway.api.forms import Answer, Moment, RecordId, Words, moment, moment_or_none
from gateway.api.keys import ApiKey
from gateway.api.problems import Problem, not_found, responses
from gateway.api.scopes import Scope
from gateway.api.times import Instant

if TYPE_CHECKING:
    from gateway.alerts.oncall import Turn
    from gateway.context import Context

router = APIRouter(prefix="/api/v1/escalation", tags=["escalation"])
Reader = Annotated[ApiKey, Depends(Needs(Scope.CONTACTS_READ))]
Writer = Annotated[ApiKey, Depends(Needs(Scope.CONTACTS_WRITE))]
HOUR_NS = 3600 * 10**9


class PlanAnswer(Answer):
    """The plan in force. source: database, file or built-in. warnings: what in it means nobody known today."""

    source: Annotated[str, Field(examples=["database"])]
    version: int
    by: str | None
    at: Moment | None
    plan: Plan
    warnings: list[Words]


class TurnAnswer(Answer):
    """Who is on call from when until when; people empty: nobody."""

    begins: Moment
    ends: Moment
    people: Annotated[list[str], Field(description="Contact ids of one person", examples=[["nurse-wang"]])]
    source: Annotated[str, Field(examples=["rotation"], description="override, holiday, rotation or nobody")]
    note: str


class OnCallAnswer(Answer):
    """One schedule. gap: the first time within the next day at which nobody is on call and somebody could be asked."""

    schedule: str
    turns: list[TurnAnswer]
    gap: TurnAnswer | None


class OnCall(Answer):
    """Every schedule."""

    schedules: list[OnCallAnswer]


class ToldAnswer(Answer):
    """One contact who would be told."""

    contact: str
    channel: str
    reachable: bool


class EventAnswer(Answer):
    """What would happen at a time. what: opened, asked, skipped, raised, told, passed or again."""

    after_s: float
    at: Moment
    what: str
    step: int | None
    name: str
    told: list[ToldAnswer]
    card120: bool
    every_s: float | None


class ProblemAnswer(Answer):
    """What is wrong: what is unreachable, nobody or nobody_at_all."""

    what: str
    step: int | None
    target: str
    why: str


class Preview(Answer):
    """Who would be called, when."""

    policy: str
    events: list[EventAnswer]
    problems: list[ProblemAnswer]


@router.get("", summary="The escalation plan · 升级方案", responses=responses())
async def get_plan(context: ContextDep, key: Reader) -> PlanAnswer:
    """The plan in force and where it comes from; needs a key for all residents."""
    check_sees_all(key)
    found = await in_database(context, lambda: _in_force(context))
    await audit_read(context, key, "escalation.read", "escalation")
    return found


@router.put("", summary="Replace the escalation plan · 替换升级方案", responses=responses())
async def put_plan(context: ContextDep, key: Writer, plan: Plan) -> PlanAnswer:
    """The whole plan; it goes before the settings file. Alerts that are going on keep the policy they have."""
    check_sees_all(key)

    def put() -> PlanAnswer:
        book = context.alerts.router.plans
        book.put(context.database, plan, by=actor(key), now_ns=context.clock())
        return _in_force(context)

    return await in_database(context, put)


@router.delete("", summary="Back to the settings file · 恢复配置文件中的方案", responses=responses())
async def delete_plan(context: ContextDep, key: Writer) -> PlanAnswer:
    """From now on the plan of the settings file counts, else the built-in policies. Every version is kept."""
    check_sees_all(key)

    def delete() -> PlanAnswer:
        context.alerts.router.plans.put(context.database, None, by=actor(key), now_ns=context.clock())
        return _in_force(context)

    return await in_database(context, delete)


@router.get("/oncall", summary="Who is on call · 值班情况", responses=responses())
async def get_on_call(
    context: ContextDep, key: Reader, hours: Annotated[int, Query(ge=1, le=24 * 31, description="How far ahead")] = 24
) -> OnCall:
    """Everybody on call from now on, with the hand-over notes and the first gap."""
    check_sees_all(key)

    def read() -> OnCall:
        now_ns, zone = context.clock(), context.alerts.router.zone
        with context.database.read() as session:
            plan = context.alerts.router.plan(session)
        found = []
        for schedule in plan.schedule:
            gap = coming_gap(plan, schedule, now_ns, zone)
            coming = turns(schedule, now_ns, now_ns + hours * HOUR_NS, zone)
            answer = OnCallAnswer(
                schedule=schedule.name, turns=[_turn(turn) for turn in coming], gap=_turn(gap) if gap else None
            )
            found.append(answer)
        return OnCall(schedules=found)

    return await in_database(context, read)


@router.get("/preview", summary="Who would be called, when? · 会通知谁？", responses=responses(404))
async def preview(
    context: ContextDep,
    key: Reader,
    *,
    kind: Annotated[str, Query(max_length=64, examples=["fall"])],
    resident: RecordId | None = None,
    at: Annotated[Instant | None, Query(description="Now where left out")] = None,
    suspected: Annotated[bool, Query(description="Begin with the cancel window")] = False,
) -> Preview:
    """The same rules as for a real alert, played through without telling anybody."""
    check_sees(key, resident, "resident", resident or "")
    if kind not in KINDS:
        raise Problem("invalid", f"kind: not one of {', '.join(KINDS)}")

    def play() -> Preview:
        if resident is not None and context.registry.resident(resident) is None:
            raise not_found("resident", resident)
        site = _site(context, resident)
        begun_ns = context.clock() if at is None else at
        played = timeline(site, kind, resident, begun_ns, suspected=suspected)
        events = [
            EventAnswer(
                after_s=event.after_s,
                at=moment(event.at_ns),
                what=event.what,
                step=event.step,
                name=event.name,
                told=[ToldAnswer(contact=t.contact, channel=t.channel, reachable=t.reachable) for t in event.told],
                card120=event.card120,
                every_s=event.every_s,
            )
            for event in played.events
        ]
        problems = [ProblemAnswer(what=p.what, step=p.step, target=p.target, why=p.why) for p in played.problems]
        return Preview(policy=played.policy, events=events, problems=problems)

    found = await in_database(context, play)
    subject = f"resident:{resident}" if resident else "site"
    await audit_read(context, key, "escalation.previewed", subject)
    return found


def _site(context: Context, resident_id: str | None) -> Site:
    router_, contacts = context.alerts.router, context.registry.contacts(resident_id)
    with context.database.read() as session:
        plan = router_.plan(session)
    return Site(plan, contacts, router_.zone, router_.timing, router_.assist, context.settings.channel_names)


def _in_force(context: Context) -> PlanAnswer:
    with context.database.read() as session:
        found = context.alerts.router.plans.in_force(session)
    return PlanAnswer(
        source=found.source,
        version=found.version,
        by=found.by,
        at=moment_or_none(found.at_ns),
        plan=found.plan,
        warnings=_warnings(context, found.plan),
    )


def plan_warnings(context: Context) -> list[Words]:
    """What in the plan in force means nobody known now; to be called in the database's thread."""
    with context.database.read() as session:
        plan = context.alerts.router.plan(session)
    return _warnings(context, plan)


def _warnings(context: Context, plan: Plan) -> list[Words]:
    residents = [one.id for one in context.registry.residents()]
    contacts = [one for owner in (None, *residents) for one in context.registry.contacts(owner)]
    return [Words(zh=zh, en=en) for zh, en in unknown_names(plan, contacts, residents)]


def _turn(turn: Turn) -> TurnAnswer:
    duty = turn.duty
    return TurnAnswer(
        begins=moment(turn.from_ns),
        ends=moment(turn.to_ns),
        people=list(duty.people) if duty else [],
        source=duty.source if duty else "nobody",
        note=duty.note if duty else "",
    )
