"""Care plans and the runs of their tasks in the registry's database. Every change of a plan is audited."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog
from sqlalchemy import select

from gateway.audit import append_audit
from gateway.daily import runs
from gateway.daily.runs import Run
from gateway.daily.tasks import TaskError, plain_task, plan_from
from gateway.models import CarePlanRow, CareRunRow, ResidentRow
from gateway.registry import InvalidRecordError, UnknownRecordError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy.orm import Session

    from gateway.daily.tasks import CareTask
    from gateway.database import Database

log = structlog.get_logger(__name__)
_FIELDS = tuple(one.name for one in fields(Run))
MAX_RUNS = 20_000

Plan = tuple["CareTask", ...]


class Since(NamedTuple):
    """A plan and since when it stands: what was due before is nobody's business."""

    tasks: Plan
    since_ns: int


@dataclass(frozen=True, slots=True)
class Tick:
    """What a person says of a task. due_ns: of which run, None: of the present one. done: False where skipped."""

    resident_id: str
    task: str
    by: str
    due_ns: int | None = None
    done: bool = True
    note: str | None = None


def plan_of(session: Session, resident_id: str) -> Plan:
    """The tasks of one resident; none where nothing was set."""
    row = session.get(CarePlanRow, resident_id)
    return () if row is None else _read(row)


def plans(session: Session) -> dict[str, Since]:
    """The plans of all residents who are cared for now."""
    query = select(CarePlanRow).join(ResidentRow, ResidentRow.id == CarePlanRow.resident_id).where(ResidentRow.active)
    return {row.resident_id: Since(_read(row), row.updated_ns) for row in session.scalars(query)}


def put_plan(database: Database, resident_id: str, plain: Sequence[object], *, by: str, now_ns: int) -> Plan:
    """Replace a resident's tasks. Raises UnknownRecordError or InvalidRecordError, and changes nothing then."""
    try:
        tasks = plan_from(plain)
    except TaskError as error:
        raise InvalidRecordError("tasks", str(error), "see docs/care-tasks.md") from error
    with database.write() as session:
        if session.get(ResidentRow, resident_id) is None:
            raise UnknownRecordError("resident", resident_id)
        kept = [plain_task(task) for task in tasks]
        session.merge(CarePlanRow(resident_id=resident_id, tasks=kept, updated_ns=now_ns))
        detail = {"tasks": [task.id for task in tasks]}
        subject = f"resident:{resident_id}"
        append_audit(session, at_ns=now_ns, actor=by, action="resident.tasks_put", subject=subject, detail=detail)
    return tasks


def change_task(
    database: Database, resident_id: str, name: str, plain: Mapping[str, object] | None, *, by: str, now_ns: int
) -> Plan:
    """Add, replace or (plain is None) remove one task; the others stay as they are, whoever changed them meanwhile.

    Raises UnknownRecordError for a resident, or a task to remove, that is not there; InvalidRecordError where the plan
    cannot be. Nothing is changed then.
    """
    with database.write() as session:
        if session.get(ResidentRow, resident_id) is None:
            raise UnknownRecordError("resident", resident_id)
        before = {task.id: plain_task(task) for task in plan_of(session, resident_id)}
        if plain is None and name not in before:
            raise UnknownRecordError("task", name)
        after = {**before, name: dict(plain)} if plain is not None else {k: v for k, v in before.items() if k != name}
        try:
            tasks = plan_from(list(after.values()))
        except TaskError as error:
            raise InvalidRecordError("tasks", str(error), "see docs/care-tasks.md") from error
        session.merge(CarePlanRow(resident_id=resident_id, tasks=[plain_task(t) for t in tasks], updated_ns=now_ns))
        done = "removed" if plain is None else "changed" if name in before else "added"
        detail = {"tasks": list(after), done: name}
        subject = f"resident:{resident_id}"
        append_audit(session, at_ns=now_ns, actor=by, action="resident.tasks_put", subject=subject, detail=detail)
    return tasks


def unfinished(session: Session) -> list[Run]:
    """Runs that wait, and missed ones of which something is still said."""
    going = CareRunRow.state.in_(runs.GOING)
    told = (CareRunRow.state == runs.MISSED) & (CareRunRow.told != "")
    return [run_of(row) for row in session.scalars(select(CareRunRow).where(going | told).order_by(CareRunRow.due_ns))]


def known(session: Session, since_ns: int) -> set[tuple[str, str, int]]:
    """(resident, task, due) of every run that is due from this instant on."""
    query = select(CareRunRow.resident_id, CareRunRow.task, CareRunRow.due_ns).where(CareRunRow.due_ns >= since_ns)
    return {(row[0], row[1], row[2]) for row in session.execute(query)}


def runs_of(
    session: Session, from_ns: int, to_ns: int, residents: Collection[str] | None = None, limit: int = MAX_RUNS
) -> list[Run]:
    """Runs due within the span, in order. residents: only of these."""
    query = select(CareRunRow).where(CareRunRow.due_ns >= from_ns, CareRunRow.due_ns < to_ns)
    if residents is not None:
        query = query.where(CareRunRow.resident_id.in_(residents))
    return [run_of(row) for row in session.scalars(query.order_by(CareRunRow.due_ns, CareRunRow.id).limit(limit))]


def meant(session: Session, tick: Tick) -> Run | None:
    """The run that a person means: the one they name, else the one that waits, else the latest missed one."""
    query = select(CareRunRow).where(CareRunRow.resident_id == tick.resident_id, CareRunRow.task == tick.task)
    if tick.due_ns is not None:
        row = session.scalars(query.where(CareRunRow.due_ns == tick.due_ns)).first()
        return None if row is None else run_of(row)
    for states, order in ((runs.GOING, CareRunRow.due_ns), ({runs.MISSED}, CareRunRow.due_ns.desc())):
        row = session.scalars(query.where(CareRunRow.state.in_(states)).order_by(order)).first()
        if row is not None:
            return run_of(row)
    return None


def save(session: Session, changed: Sequence[Run]) -> None:
    """Write runs down, new ones and changed ones."""
    for run in changed:
        row = session.scalars(_same(run)).one_or_none()
        if row is None:
            session.add(CareRunRow(**asdict(run)))
            continue
        for name in _FIELDS:
            setattr(row, name, getattr(run, name))


def run_of(row: CareRunRow) -> Run:
    """A run as it is kept."""
    return Run(**{name: getattr(row, name) for name in _FIELDS})


def _same(run: Run) -> Any:
    return select(CareRunRow).where(
        CareRunRow.resident_id == run.resident_id, CareRunRow.task == run.task, CareRunRow.due_ns == run.due_ns
    )


def _read(row: CarePlanRow) -> Plan:
    try:
        return plan_from(row.tasks)
    except TaskError as error:
        log.warning("care_plan.unreadable", resident=row.resident_id, error=str(error))
        return ()
