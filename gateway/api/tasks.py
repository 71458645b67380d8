"""Care tasks of residents: the plan, what became of it, a carer's tick, and the monthly report."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response
from pydantic import Field, StringConstraints

from gateway.alerts.report import so_far, span_of
from gateway.api.caller import ContextDep, Needs, actor, audit_read, check_sees, in_database
from gateway.api.forms import Answer, Form, LongText, Moment, Name, Words, moment, moment_or_none
from gateway.api.keys import ApiKey
from gateway.api.problems import Problem, not_found, responses
from gateway.api.residents import ResidentPath, seen_resident
from gateway.api.scopes import Scope
from gateway.api.times import Instant
from gateway.daily import task_book
from gateway.daily.coverage import Coverage, coverage, printed
from gateway.daily.printed import as_csv
from gateway.daily.runs import Run
from gateway.daily.task_book import Tick
from gateway.daily.task_duty import TaskDuty, TaskSigns
from gateway.daily.tasks import MAX_TASKS, TASK_KINDS, CareTask, plain_task

router = APIRouter(prefix="/api/v1", tags=["residents"])
Reader = Annotated[ApiKey, Depends(Needs(Scope.RESIDENTS_READ))]
Writer = Annotated[ApiKey, Depends(Needs(Scope.RESIDENTS_WRITE))]
Carer = Annotated[ApiKey, Depends(Needs(Scope.ALERTS_ANSWER))]
TaskName = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^\w([\w .-]{0,62}\w)?$")]
Month = Annotated[str | None, Query(pattern=r"^\d{4}-\d{2}$", description="Such as 2026-11; this one where left out")]
DAY_NS = 86_400 * 10**9
LONGEST_NS = 100 * DAY_NS
TITLE = ("照护任务与探访月报", "Monthly report of care tasks and visits")


class PlanForm(Form):
    """All tasks of a resident; docs/care-tasks.md describes them."""

    tasks: Annotated[list[CareTask], Field(max_length=MAX_TASKS)]


class PlanAnswer(Answer):
    """The tasks in force, as they were set."""

    resident_id: str
    tasks: list[dict[str, Any]]


class RunAnswer(Answer):
    """One time that a task was to be done. state: open, due, missed, done, late, skipped, dropped or unknown."""

    task: str
    kind: str
    title: Words
    state: str
    opens: Moment
    due: Moment
    missed: Moment
    done: Moment | None
    done_by: str | None
    note: str | None


class RunsAnswer(Answer):
    """In order of their due times."""

    resident_id: str
    runs: list[RunAnswer]


class TickForm(Form):
    """A carer's word. task: of the plan. by: who did it. due: which time is meant; the present one where left out."""

    task: TaskName
    by: Name
    due: Instant | None = None
    note: LongText | None = None
    skipped: Annotated[bool, Field(description="It will not be done this time; say why in note")] = False


class TaskNumbersAnswer(Answer):
    """One resident's tasks of one kind. share: done, also late, among done and missed."""

    resident_id: str
    kind: str
    planned: int
    done: int
    late: int
    missed: int
    skipped: int
    unknown: int
    share: float | None


class CoverageAnswer(Answer):
    """One month. visit_share: of those with a visit in their plan, how many were visited."""

    month: str
    visit_share: float | None
    to_visit: list[str]
    visited: list[str]
    tasks: list[TaskNumbersAnswer]


@router.get("/residents/{resident_id}/tasks", summary="Care plan · 照护计划", responses=responses(404))
async def get_tasks(context: ContextDep, key: Reader, resident_id: ResidentPath) -> PlanAnswer:
    """Empty where nothing was set."""
    await seen_resident(context, key, resident_id)

    def ask() -> task_book.Plan:
        with context.database.read() as session:
            return task_book.plan_of(session, resident_id)

    plan = await in_database(context, ask)
    await audit_read(context, key, "resident.tasks_read", f"resident:{resident_id}")
    return PlanAnswer(resident_id=resident_id, tasks=[plain_task(task) for task in plan])


@router.put("/residents/{resident_id}/tasks", summary="Set the care plan · 修改照护计划", responses=responses(404))
async def set_tasks(context: ContextDep, key: Writer, resident_id: ResidentPath, form: PlanForm) -> PlanAnswer:
    """Replaces all tasks. What is no longer in the plan is not waited for."""
    check_sees(key, resident_id, "resident", resident_id)
    wanted = [plain_task(task) for task in form.tasks]
    plan = await in_database(
        context,
        lambda: task_book.put_plan(context.database, resident_id, wanted, by=actor(key), now_ns=context.clock()),
    )
    return PlanAnswer(resident_id=resident_id, tasks=[plain_task(task) for task in plan])


@router.get("/residents/{resident_id}/tasks/runs", summary="What was done · 照护记录", responses=responses(404))
async def get_runs(
    context: ContextDep,
    key: Reader,
    resident_id: ResidentPath,
    *,
    since: Annotated[Instant | None, Query(description="A day ago where left out")] = None,
    until: Annotated[Instant | None, Query(description="A day from now where left out")] = None,
) -> RunsAnswer:
    """Times that are due within the span."""
    await seen_resident(context, key, resident_id)
    to_ns = context.clock() + DAY_NS if until is None else until
    from_ns = max(0, to_ns - 2 * DAY_NS) if since is None else since
    if not 0 < to_ns - from_ns <= LONGEST_NS:
        raise Problem("invalid", "since must be before until, by at most 100 days")

    def ask() -> list[Run]:
        with context.database.read() as session:
            return task_book.runs_of(session, from_ns, to_ns, [resident_id])

    found = await in_database(context, ask)
    await audit_read(context, key, "resident.tasks_read", f"resident:{resident_id}")
    return RunsAnswer(resident_id=resident_id, runs=[_answer(run) for run in found])


@router.post("/residents/{resident_id}/tasks/done", summary="Tick · 打勾", responses=responses(404))
async def tick_task(context: ContextDep, key: Carer, resident_id: ResidentPath, form: TickForm) -> RunAnswer:
    """It was done now, or will not be. "not found" where no time of this task is open or missed."""
    await seen_resident(context, key, resident_id)
    word = Tick(resident_id, form.task, f"{form.by} ({key.name})", form.due, not form.skipped, form.note)
    duty = TaskDuty(context.database, context.alerts, context.settings.site.zone, TaskSigns(dict))
    run = await in_database(context, lambda: duty.tick(word, context.clock()))
    if run is None:
        raise not_found("task", form.task)
    return _answer(run)


@router.get(
    "/tasks/coverage",
    summary="Monthly report of care · 照护月报",
    responses=responses(),
    response_model=CoverageAnswer,
)
async def get_coverage(
    context: ContextDep,
    key: Reader,
    *,
    month: Month = None,
    form: Annotated[Literal["json", "csv"], Query(description="csv: a table for a spreadsheet")] = "json",
    language: Annotated[Literal["zh-CN", "en"], Query(description="Of the csv")] = "zh-CN",
) -> Any:
    """Of the residents that the key may see."""
    named, found, names = await in_database(context, lambda: read_coverage(context, key, month))
    await audit_read(context, key, "tasks.coverage_read", "tasks")
    if form == "csv":
        english = language == "en"
        made = printed(found, f"{context.settings.site.name} · {TITLE[english]} {named}", names, english=english)
        headers = {"Content-Disposition": f'attachment; filename="yinling-care-{named}.csv"'}
        return Response(as_csv(made).encode("utf-8-sig"), media_type="text/csv; charset=utf-8", headers=headers)
    return CoverageAnswer(
        month=named,
        visit_share=found.visit_share,
        to_visit=list(found.wanted),
        visited=list(found.visited),
        tasks=[
            TaskNumbersAnswer(share=one.share, **{name: getattr(one, name) for name in one.__slots__})
            for one in found.tasks
        ],
    )


def read_coverage(context: ContextDep, key: ApiKey, month: str | None) -> tuple[str, Coverage, dict[str, str]]:
    """The month, its numbers and the residents' names. Raises Problem for a month that is none or has not begun."""
    zone, now_ns = context.settings.site.zone, context.clock()
    month = month or f"{datetime.fromtimestamp(now_ns // 10**9, zone):%Y-%m}"
    try:
        begin, end = span_of(month, zone)
        so_far(begin, end, now_ns)
    except ValueError as error:
        raise Problem("invalid", f"month: {month} is none, or has not begun") from error
    names = {one.id: one.display_name for one in context.registry.residents() if key.may_see(one.id)}
    with context.database.read() as session:
        plans = {who: plan.tasks for who, plan in task_book.plans(session).items() if who in names}
        found = task_book.runs_of(session, begin, end + 1, list(names))
    return month, coverage(plans, found, (begin, end)), names


def _answer(run: Run) -> RunAnswer:
    row = TASK_KINDS[run.kind]
    return RunAnswer(
        task=run.task,
        kind=run.kind,
        title=Words(zh=row.zh, en=row.en),
        state=run.state,
        opens=moment(run.opens_ns),
        due=moment(run.due_ns),
        missed=moment(run.missed_ns),
        done=moment_or_none(run.done_ns),
        done_by=run.done_by,
        note=run.note,
    )
