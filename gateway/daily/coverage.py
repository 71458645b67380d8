"""The monthly report of care tasks: how much of what was planned was done, and whom somebody visited. Pure.

民发〔2022〕73号 asks that everybody on the list is visited at least once a month: `visited` is the share of those with
a visit in their plan of whom a visit was written down within the month. What nobody looked at (the box was off) and
what is still open is not counted as missed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.daily import runs
from gateway.daily.printed import Printed
from gateway.daily.tasks import TASK_KINDS
from gateway.tables import Part

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gateway.daily.runs import Run
    from gateway.daily.task_book import Plan

MADE = frozenset({runs.DONE, runs.LATE})


@dataclass(frozen=True, slots=True)
class TaskNumbers:
    """Tasks of one resident and kind that were due in the month. share: done, also late, among those judged."""

    resident_id: str
    kind: str
    planned: int
    done: int
    late: int
    missed: int
    skipped: int
    unknown: int

    @property
    def share(self) -> float | None:
        """Done, also late, among what was done or missed; None: nothing to judge."""
        judged = self.done + self.late + self.missed
        return (self.done + self.late) / judged if judged else None


@dataclass(frozen=True, slots=True)
class Coverage:
    """One month. wanted: residents with a visit in their plan; visited: those of them who were visited."""

    tasks: tuple[TaskNumbers, ...]
    wanted: tuple[str, ...]
    visited: tuple[str, ...]

    @property
    def visit_share(self) -> float | None:
        """Share of the wanted ones who were visited; None: nobody is to be visited."""
        return len(self.visited) / len(self.wanted) if self.wanted else None


def coverage(plans: Mapping[str, Plan], found: Sequence[Run], done_between: tuple[int, int]) -> Coverage:
    """The numbers of the runs that were due in a month; visits count by when they were made."""
    begin, end = done_between
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in found:
        if run.state != runs.DROPPED:
            groups.setdefault((run.resident_id, run.kind), []).append(run)
    wanted = sorted(who for who, plan in plans.items() if any(task.kind == "visit" for task in plan))
    visited = {
        run.resident_id
        for run in found
        if run.kind == "visit" and run.state in MADE and begin <= (run.done_ns or -1) < end
    }
    return Coverage(
        tuple(_numbers(who, kind, mine) for (who, kind), mine in sorted(groups.items())),
        tuple(wanted),
        tuple(who for who in wanted if who in visited),
    )


def printed(of: Coverage, title: str, names: Mapping[str, str], *, english: bool) -> Printed:
    """The report for people. names: of residents by id."""
    column = int(english)
    share = ("按月探访率（目标 100 %）", "visited this month (goal 100 %)")[column]
    missing = "、".join(names.get(who, who) for who in of.wanted if who not in of.visited) or "–"
    rows = [
        (share, _percent(of.visit_share)),
        (("应探访人数", "to be visited")[column], str(len(of.wanted))),
        (("已探访人数", "visited")[column], str(len(of.visited))),
        (("尚未探访", "not visited yet")[column], missing if not english else missing.replace("、", ", ")),
    ]
    heading = (("项目", "数值"), ("measure", "value"))[column]
    columns = (
        ("老人", "任务", "应做", "按时", "迟做", "漏做", "免做", "未知", "完成率"),
        ("resident", "task", "planned", "in time", "late", "missed", "skipped", "unknown", "done"),
    )[column]
    tasks = tuple(
        (
            names.get(one.resident_id, one.resident_id),
            (TASK_KINDS[one.kind].zh, TASK_KINDS[one.kind].en)[column] if one.kind in TASK_KINDS else one.kind,
            *(str(number) for number in (one.planned, one.done, one.late, one.missed, one.skipped, one.unknown)),
            _percent(one.share),
        )
        for one in of.tasks
    )
    parts = (
        Part("visits", ("探访关爱", "Visits")[column], heading, tuple(rows)),
        Part(
            "tasks",
            ("照护任务", "Care tasks")[column],
            columns,
            tasks,
            ("本月没有任务。", "No tasks in this month.")[column],
        ),
    )
    return Printed(title, parts, english)


def _numbers(resident_id: str, kind: str, mine: Iterable[Run]) -> TaskNumbers:
    states = [run.state for run in mine]
    return TaskNumbers(
        resident_id,
        kind,
        len(states),
        *(states.count(one) for one in (runs.DONE, runs.LATE, runs.MISSED, runs.SKIPPED, runs.UNKNOWN)),
    )


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"
