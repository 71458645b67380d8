"""Care tasks: what is to be done for a resident and when. Pure; times and the time zone are arguments.

A task is done at times of the day, every so many minutes within hours of the day, or once in each week or month
(a visit, 探访关爱). Times are of the site's clock; a change to summer time moves none of them. Each time is an
`Occurrence`: it may be done from `opens_ns` on, is due at `due_ns` and missed at `missed_ns`.
"""

from __future__ import annotations

from datetime import date, time, timedelta
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError, model_validator

from device_drivers.signals import SIGNALS, SignalKind
from gateway.alerts.oncall import WEEKDAYS, Clock, Day, Hours, Model, Name, Weekday, instant, local
from gateway.wrong_settings import sentences

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from zoneinfo import ZoneInfo

MINUTE_NS = 60 * 10**9
MAX_TASKS = 50
DEVICE_SIGNALS = ("door", "button", "vibration")
"""What a device named by a task may tell: a dispenser's lid, a button beside the bed, a shaken pill box."""
ALL_DAY = Hours.model_validate({"from": time(0), "to": time(0)})
TaskKind = Literal["medication", "measurement", "drinking", "turning", "visit", "other"]


class KindRow(NamedTuple):
    """One kind of task. due, missed: the kinds of finding ("" for none). signals: what shows that it was done.

    lasts: a missed one stays missed whatever is done later (a dose cannot be made up for).
    """

    due: str
    missed: str
    signals: tuple[str, ...]
    lasts: bool
    zh: str
    en: str


TASK_KINDS: Mapping[str, KindRow] = {
    "medication": KindRow("medication_due", "medication_missed", (), True, "服药", "medication"),
    "measurement": KindRow(
        "measurement_due", "measurement_missed", ("systolic_pressure",), False, "测量", "measurement"
    ),
    "drinking": KindRow("drinking_due", "", (), False, "喝水", "drinking"),
    "turning": KindRow("turn_due", "", (), False, "翻身", "turning"),
    "visit": KindRow("visit_due", "visit_overdue", (), False, "探访", "visit"),
    "other": KindRow("task_due", "task_missed", (), False, "照护任务", "care task"),
}


class CareTask(Model):
    """One task. Exactly one of times, every_min and period says when.

    label: what exactly ("降压药 1 片"). days: weekdays; all where empty. hours: of every_min. period: once in each week
    (from Monday) or month; it is due on its last day at the first of times (09:00 where none) and missed when it ends.
    early_min: done so long before counts. grace_min: missed so long after. remind: tell when it is due; a missed one is
    told anyway. device: only what this device tells counts. signals: what shows that it was done, else by its kind.
    """

    id: Name
    kind: TaskKind
    label: Annotated[str, StringConstraints(max_length=120)] = ""
    times: Annotated[tuple[Clock, ...], Field(max_length=24)] = ()
    every_min: Annotated[int, Field(ge=15, le=1440)] | None = None
    hours: Hours | None = None
    period: Literal["week", "month"] | None = None
    days: Annotated[tuple[Weekday, ...], Field(max_length=7)] = ()
    start: Day = date(2024, 1, 1)
    until: Day | None = None
    early_min: Annotated[int, Field(ge=0, le=720)] = 60
    grace_min: Annotated[int, Field(ge=5, le=1440)] = 60
    remind: bool = True
    device: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    signals: Annotated[tuple[str, ...], Field(max_length=8)] = ()

    @model_validator(mode="after")
    def _whole(self) -> CareTask:
        if (bool(self.times) and self.period is None) + (self.every_min is not None) + (self.period is not None) != 1:
            raise ValueError(f"task {self.id}: say when by exactly one of times, every_min and period")
        if self.hours is not None and self.every_min is None:
            raise ValueError(f"task {self.id}: hours go with every_min")
        if self.period is not None and self.days:
            raise ValueError(f"task {self.id}: days do not go with period")
        if len(set(self.times)) != len(self.times):
            raise ValueError(f"task {self.id}: a time is there twice")
        wrong = [one for one in self.signals if one not in SIGNALS or SIGNALS[one].kind is SignalKind.WAVEFORM]
        if wrong:
            raise ValueError(f"task {self.id}: no such signal: {', '.join(wrong)}")
        return self

    @property
    def signs(self) -> tuple[str, ...]:
        """The signals that show that it was done."""
        return self.signals or (DEVICE_SIGNALS if self.device is not None else TASK_KINDS[self.kind].signals)


class Occurrence(NamedTuple):
    """One time that a task is to be done; UTC ns."""

    opens_ns: int
    due_ns: int
    missed_ns: int


class TaskError(ValueError):
    """A plan that cannot be; the message says which part."""


_PLAN: TypeAdapter[tuple[CareTask, ...]] = TypeAdapter(tuple[CareTask, ...])


def plan_from(plain: Sequence[object]) -> tuple[CareTask, ...]:
    """The tasks of a resident from plain JSON or TOML. Raises TaskError."""
    try:
        tasks = _PLAN.validate_python(plain)
    except ValidationError as error:
        raise TaskError("; ".join(sentences(error, plain, named="task"))) from error
    names = [task.id for task in tasks]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise TaskError(f"there twice: {', '.join(twice)}")
    if len(tasks) > MAX_TASKS:
        raise TaskError(f"at most {MAX_TASKS} tasks")
    return tasks


def plain_task(task: CareTask) -> dict[str, object]:
    """A task as plain JSON; `plan_from` takes it back."""
    plain: dict[str, object] = task.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {"id": task.id, "kind": task.kind, **plain}


def occurrences(task: CareTask, from_ns: int, to_ns: int, zone: ZoneInfo) -> Iterator[Occurrence]:
    """Every occurrence that is open at some time of [from_ns, to_ns), in order of its day."""
    day = local(from_ns, zone).date() - timedelta(days=32 if task.period else 2)
    last = local(to_ns, zone).date() + timedelta(days=1)
    while day <= last:
        if task.start <= day and (task.until is None or day <= task.until):
            for one in _of_day(task, day, zone):
                if one.opens_ns < to_ns and one.missed_ns >= from_ns:
                    yield one
        day += timedelta(days=1)


def _of_day(task: CareTask, day: date, zone: ZoneInfo) -> Iterator[Occurrence]:
    if task.period is not None:
        yield from _of_period(task, day, zone)
        return
    if task.days and WEEKDAYS[day.weekday()] not in task.days:
        return
    early, grace = task.early_min * MINUTE_NS, task.grace_min * MINUTE_NS
    if task.every_min is None:
        for due in sorted(instant(day, clock, zone) for clock in task.times):
            yield Occurrence(due - early, due, due + grace)
        return
    every = task.every_min * MINUTE_NS
    due, end = (task.hours or ALL_DAY).span(day, zone)
    while due < end:
        yield Occurrence(due - min(early, every // 2), due, due + min(grace, every))
        due += every


def _of_period(task: CareTask, day: date, zone: ZoneInfo) -> Iterator[Occurrence]:
    """The week or month that begins on this day."""
    if (day.weekday() if task.period == "week" else day.day - 1) != 0:
        return
    following = day + timedelta(days=7) if task.period == "week" else _next_month(day)
    due = instant(following - timedelta(days=1), task.times[0] if task.times else time(9), zone)
    yield Occurrence(instant(day, time(), zone), due, instant(following, time(), zone))


def _next_month(day: date) -> date:
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)
