"""Care tasks: when they are due, what becomes of each time, what is said, and what a crash or a tick changes."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event

from analytics.findings import Phase
from device_drivers.observations import DeviceEvent, Quality, Reading
from gateway.alerts.payload import PayloadBuilder
from gateway.alerts.records import AlertFilter
from gateway.alerts.routing import ContactRouter
from gateway.alerts.service import AlertService
from gateway.daily import runs, task_book
from gateway.daily.coverage import coverage, printed
from gateway.daily.printed import as_csv, as_html
from gateway.daily.runs import Run
from gateway.daily.task_book import Tick
from gateway.daily.task_duty import TaskDuty, TaskSigns
from gateway.daily.tasks import MAX_TASKS, TaskError, occurrences, plain_task, plan_from
from gateway.database import open_database
from gateway.registry import InvalidRecordError, Registry, Resident, UnknownRecordError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHINA, NEW_YORK = ZoneInfo("Asia/Shanghai"), ZoneInfo("America/New_York")
S, MINUTE = 10**9, 60 * 10**9
PILLS = {"id": "pills", "kind": "medication", "label": "降压药 1 片", "times": ["08:00", "20:00"], "device": "box"}
PRESSURE = {"id": "bp", "kind": "measurement", "times": ["07:30", "19:30"], "grace_min": 120}
WATER = {"id": "water", "kind": "drinking", "every_min": 120, "hours": {"from": "08:00", "to": "14:00"}}
VISIT = {"id": "visit", "kind": "visit", "period": "week"}


def at(text: str, zone: ZoneInfo = CHINA) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()) * S


def dues(task: dict[str, Any], first: str, last: str, zone: ZoneInfo = CHINA) -> list[str]:
    (one,) = plan_from([task])
    found = occurrences(one, at(first, zone), at(last, zone), zone)
    return [datetime.fromtimestamp(o.due_ns // S, zone).strftime("%m-%d %H:%M%z") for o in found]


def test_times_of_the_day() -> None:
    assert dues(PILLS, "2026-03-02 00:00", "2026-03-02 18:00") == ["03-02 08:00+0800"]
    on_mondays = {**PILLS, "days": ["mon"], "until": "2026-03-09"}
    assert dues(on_mondays, "2026-03-01 00:00", "2026-03-31 00:00") == [
        *("03-02 08:00+0800", "03-02 20:00+0800", "03-09 08:00+0800", "03-09 20:00+0800")
    ]


def test_a_change_of_the_clock_moves_no_time() -> None:
    night = {"id": "n", "kind": "medication", "times": ["02:30", "08:00"]}
    spring = dues(night, "2026-03-07 12:00", "2026-03-09 00:00", NEW_YORK)
    assert spring == ["03-08 03:30-0400", "03-08 08:00-0400"], "a time that is skipped comes an hour later"
    autumn = dues(night, "2026-10-31 12:00", "2026-11-02 00:00", NEW_YORK)
    assert autumn == ["11-01 02:30-0500", "11-01 08:00-0500"]


def test_every_so_often_within_hours_and_round_the_clock() -> None:
    assert dues(WATER, "2026-03-02 00:00", "2026-03-02 23:00") == [f"03-02 {h:02d}:00+0800" for h in (8, 10, 12)]
    turning = {"id": "t", "kind": "turning", "every_min": 180}
    assert len(dues(turning, "2026-03-02 00:00", "2026-03-02 21:01")) == 8


def test_once_in_a_week_or_a_month() -> None:
    assert dues(VISIT, "2026-03-04 00:00", "2026-03-15 00:00") == ["03-08 09:00+0800", "03-15 09:00+0800"]
    monthly = {"id": "v", "kind": "visit", "period": "month", "times": ["10:00"]}
    assert dues(monthly, "2026-12-30 00:00", "2027-01-02 00:00") == ["12-31 10:00+0800", "01-31 10:00+0800"]


@pytest.mark.parametrize(
    ("task", "why"),
    [
        ({"id": "a", "kind": "medication"}, "exactly one"),
        ({"id": "a", "kind": "medication", "times": ["08:00"], "every_min": 60}, "exactly one"),
        ({"id": "a", "kind": "visit", "period": "week", "days": ["mon"]}, "days do not go"),
        ({"id": "a", "kind": "drinking", "times": ["08:00"], "hours": {"from": "08:00", "to": "09:00"}}, "hours go"),
        ({"id": "a", "kind": "medication", "times": ["08:00", "08:00"]}, "twice"),
        ({"id": "a", "kind": "medication", "times": ["25:00"]}, "times"),
        ({"id": "a", "kind": "measurement", "times": ["08:00"], "signals": ["accel"]}, "no such signal"),
        ({"id": "a", "kind": "dance", "times": ["08:00"]}, "kind"),
        ({"id": "a", "kind": "other", "times": ["08:00"], "tmies": 1}, "tmies"),
        ("pills", "task number 1"),
    ],
)
def test_plans_that_cannot_be_are_refused(task: object, why: str) -> None:
    with pytest.raises(TaskError, match=why):
        plan_from([task])


def test_plans_as_a_whole() -> None:
    with pytest.raises(TaskError, match="twice: pills"):
        plan_from([PILLS, PILLS])
    with pytest.raises(TaskError, match="at most"):
        plan_from([{**PILLS, "id": f"p{i}"} for i in range(MAX_TASKS + 1)])
    plan = plan_from([PILLS, PRESSURE, WATER, VISIT])
    assert plan_from([plain_task(task) for task in plan]) == plan


class Home:
    """A database, its alerts and the duty; the test moves the time."""

    def __init__(self, path: Path) -> None:
        self.database = open_database(path)
        self.registry = Registry(self.database)
        for name in ("r1", "r2"):
            self.registry.add_resident(Resident(name, "李奶奶"), by="test", now_ns=1)
        self.alerts = AlertService(self.database, router=ContactRouter(), payloads=PayloadBuilder("站"))
        self.signs = TaskSigns(lambda: {"cuff": "r1", "watch": "r1", "other": "r2"})
        self.duty = TaskDuty(self.database, self.alerts, CHINA, self.signs)

    def plan(self, *tasks: dict[str, Any], resident: str = "r1", since: str = "2026-03-02 00:00") -> None:
        task_book.put_plan(self.database, resident, tasks, by="test", now_ns=at(since))

    def round(self, text: str) -> None:
        self.duty.round(at(text))

    def tell(self, text: str, device: str, signal: str, value: Any, **more: Any) -> None:
        kind = DeviceEvent if isinstance(value, bool | str) else Reading
        self.signs.take([kind(device, signal, value, at(text), at(text), **more)])

    def states(self, task: str = "pills") -> list[tuple[str, str]]:
        with self.database.read() as session:
            found = task_book.runs_of(session, 0, 2**62)
        return [
            (datetime.fromtimestamp(one.due_ns // S, CHINA).strftime("%d %H:%M"), one.state)
            for one in found
            if one.task == task
        ]

    def alarms(self) -> dict[str, list[str]]:
        """kind: "confirmed" for each of its alerts that is open, "cleared" for one that is over, the oldest first."""
        out: dict[str, list[str]] = {}
        for one in reversed(self.alerts.list(AlertFilter(), limit=200).alerts):
            out.setdefault(one.kind, []).append("confirmed" if one.state.open else "cleared")
        return out


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path / "x.sqlite")
    yield made
    made.database.close()


def test_the_dispensers_lid_in_time(home: Home) -> None:
    home.plan(PILLS)
    home.round("2026-03-02 06:59")
    assert home.states() == []
    home.round("2026-03-02 07:00")
    assert home.states() == [("02 08:00", "open")]
    home.tell("2026-03-02 07:40", "box", "door", "open")
    home.round("2026-03-02 07:41")
    home.round("2026-03-02 09:30")
    assert home.states() == [("02 08:00", "done")]
    assert home.alarms() == {}, "nobody was bothered"


def test_reminded_then_taken(home: Home) -> None:
    home.plan(PILLS)
    home.round("2026-03-02 08:00")
    (alert,) = home.alerts.open_alerts()
    assert (alert.kind, alert.evidence["label"]) == ("medication_due", "降压药 1 片")
    home.tell("2026-03-02 08:20", "box", "door", "open")
    home.round("2026-03-02 08:21")
    assert home.alarms() == {"medication_due": ["cleared"]}
    assert home.alerts.open_alerts() == []


def test_missed_then_ticked_late_and_a_dose_stays_missed_when_the_next_is_taken(home: Home) -> None:
    home.plan(PILLS)
    for hour in ("07:30", "08:00", "09:00"):
        home.round(f"2026-03-02 {hour}")
    assert home.states() == [("02 08:00", "missed")]
    assert home.alarms() == {"medication_due": ["cleared"], "medication_missed": ["confirmed"]}
    home.tell("2026-03-02 19:30", "box", "vibration", value=True)
    home.round("2026-03-02 19:31")
    assert home.states() == [("02 08:00", "missed"), ("02 20:00", "done")]
    assert home.alarms()["medication_missed"] == ["confirmed"]
    run = home.duty.tick(Tick("r1", "pills", "王护士", note="家属已喂"), at("2026-03-02 21:00"))
    assert run is not None
    assert (run.state, run.done_by, run.note) == ("late", "王护士", "家属已喂")
    assert home.alarms()["medication_missed"] == ["cleared"]
    assert home.duty.tick(Tick("r1", "pills", "王护士"), at("2026-03-02 21:01")) is None, "nothing waits"


@pytest.mark.parametrize(
    ("device", "signal", "value", "more"),
    [
        ("box", "door", "closed", {}),
        ("box", "door", "open", {"repeat": True}),
        ("box", "door", None, {"quality": Quality.INVALID}),
        ("box", "button", "release", {}),
        ("cuff", "door", "open", {}),
        ("box", "battery", 80.0, {}),
    ],
)
def test_what_shows_nothing_is_no_sign(home: Home, device: str, signal: str, value: Any, more: Any) -> None:
    home.plan(PILLS)
    home.round("2026-03-02 07:30")
    if value is None:
        home.signs.take([DeviceEvent(device, signal, None, at("2026-03-02 07:40"), at("2026-03-02 07:40"), **more)])
    else:
        home.tell("2026-03-02 07:40", device, signal, value, **more)
    home.round("2026-03-02 07:41")
    assert home.states() == [("02 08:00", "open")]


def test_a_measurement_ends_its_own_reminder(home: Home) -> None:
    home.plan(PRESSURE)
    home.plan(PRESSURE, resident="r2")
    home.round("2026-03-02 07:30")
    home.tell("2026-03-02 07:45", "cuff", "systolic_pressure", 131.0, quality=Quality.POOR)
    home.round("2026-03-02 07:46")
    assert [one.kind for one in home.alerts.open_alerts()] == ["measurement_due"] * 2
    home.tell("2026-03-02 07:47", "cuff", "systolic_pressure", 131.0)
    home.round("2026-03-02 07:48")
    assert [one.resident_id for one in home.alerts.open_alerts()] == ["r2"], "another's reading counts for nobody else"


def test_a_value_that_the_meter_kept_counts_when_it_was_taken(home: Home) -> None:
    home.plan(PRESSURE)
    home.round("2026-03-02 07:30")
    home.round("2026-03-02 09:31")
    assert home.alarms()["measurement_missed"] == ["confirmed"]
    taken, came = at("2026-03-02 08:00"), at("2026-03-02 11:00")
    home.signs.take([Reading("cuff", "systolic_pressure", 131.0, taken, came, stored=True)])
    home.round("2026-03-02 11:00")
    assert home.states("bp") == [("02 07:30", "done")]
    assert home.alarms()["measurement_missed"] == ["cleared"]


def test_a_reminder_without_an_answer_ends_with_the_next_one(home: Home) -> None:
    home.plan(WATER)
    for hour in range(7, 15):
        home.round(f"2026-03-02 {hour:02d}:30")
        home.round(f"2026-03-02 {hour + 1:02d}:00")
    assert home.states("water") == [("02 08:00", "missed"), ("02 10:00", "missed"), ("02 12:00", "missed")]
    assert len(home.alerts.open_alerts()) == 1
    run = home.duty.tick(Tick("r1", "water", "王护士"), at("2026-03-02 15:30"))
    assert run is not None
    assert run.state == "late"
    assert home.alerts.open_alerts() == []


def test_a_visit_is_due_then_overdue_and_the_next_one_settles_it(home: Home) -> None:
    home.plan(VISIT)
    home.round("2026-03-02 00:00")
    home.round("2026-03-08 09:00")
    home.round("2026-03-09 00:00")
    assert home.states("visit") == [("08 09:00", "missed"), ("15 09:00", "open")]
    assert home.alarms() == {"visit_due": ["cleared"], "visit_overdue": ["confirmed"]}
    run = home.duty.tick(Tick("r1", "visit", "志愿者小陈"), at("2026-03-10 15:00"))
    assert run is not None
    assert run.state == "done"
    assert home.alarms()["visit_overdue"] == ["cleared"]


def test_skipped_with_a_reason_and_dropped_from_the_plan(home: Home) -> None:
    home.plan(PILLS, WATER)
    home.round("2026-03-02 08:00")
    run = home.duty.tick(Tick("r1", "pills", "王护士", done=False, note="住院"), at("2026-03-02 08:10"))
    assert run is not None
    assert run.state == "skipped"
    home.plan()
    home.round("2026-03-02 08:11")
    assert home.states("water") == [("02 08:00", "dropped")]
    assert home.alerts.open_alerts() == []


def test_a_tick_may_name_the_time_it_means(home: Home) -> None:
    home.plan(PILLS)
    home.round("2026-03-02 07:30")
    assert home.duty.tick(Tick("r1", "pills", "x", due_ns=5), at("2026-03-02 07:31")) is None
    run = home.duty.tick(Tick("r1", "pills", "x", due_ns=at("2026-03-02 08:00")), at("2026-03-02 07:31"))
    assert run is not None
    assert run.state == "done"
    again = home.duty.tick(Tick("r1", "pills", "y", due_ns=at("2026-03-02 08:00")), at("2026-03-02 07:32"))
    assert again is not None
    assert again.done_by == "x", "what is done is not done again"


def test_what_nobody_saw_is_unknown(home: Home) -> None:
    home.plan(PILLS, since="2026-03-01 12:00")
    home.round("2026-03-03 12:00")
    assert home.states() == [
        ("01 20:00", "unknown"),
        ("02 08:00", "unknown"),
        ("02 20:00", "unknown"),
        ("03 08:00", "missed"),
    ]
    assert home.alarms() == {"medication_missed": ["confirmed"]}, "an old one is not told"


def test_after_a_crash_it_is_said_again_and_is_the_same_alert(home: Home) -> None:
    """The alert is committed first: a full disk between the two loses neither the sign nor the word."""
    home.plan(PILLS)
    home.round("2026-03-02 07:30")
    home.tell("2026-03-02 07:40", "box", "door", "open")
    full = [True]

    @event.listens_for(home.database.engine, "before_cursor_execute")
    def refuse(_c: Any, _u: Any, statement: str, *_: Any) -> None:
        if full[0] and statement.startswith("UPDATE care_runs"):
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        home.round("2026-03-02 07:41")
    full[0] = False
    home.round("2026-03-02 07:42")
    assert home.states() == [("02 08:00", "done")]
    home.plan(WATER)
    home.round("2026-03-02 07:45")
    full[0] = True
    with pytest.raises(OSError, match="disk full"):
        home.round("2026-03-02 08:00")
    full[0] = False
    home.round("2026-03-02 08:01")
    assert home.alarms() == {"drinking_due": ["confirmed"]}


def test_plans_are_checked_kept_and_audited(home: Home) -> None:
    with pytest.raises(UnknownRecordError):
        task_book.put_plan(home.database, "nobody", [PILLS], by="test", now_ns=1)
    with pytest.raises(InvalidRecordError):
        task_book.put_plan(home.database, "r1", [{"id": "x"}], by="test", now_ns=1)
    home.plan(PILLS)
    with home.database.write() as session:
        row = session.get(task_book.CarePlanRow, "r1")
        assert row is not None
        row.tasks = [{"id": "of another version"}]
    with home.database.read() as session:
        assert task_book.plan_of(session, "r1") == ()
        assert task_book.plan_of(session, "r2") == ()


def test_advance_does_nothing_twice() -> None:
    (task,) = plan_from([PILLS])
    run = Run("r1", "pills", "medication", 0, 10, 20)
    due, said = runs.advance(run, task, 12)
    assert [one.phase for one in said] == [Phase.CONFIRMED]
    assert runs.advance(due, task, 15) == (due, [])
    missed, said = runs.advance(due, task, 25)
    assert [(one.kind, one.phase.value) for one in said] == [
        *(("medication_due", "cleared"), ("medication_missed", "confirmed"))
    ]
    assert runs.advance(missed, task, 99) == (missed, [])
    quiet, said = runs.advance(run, task.model_copy(update={"remind": False}), 12)
    assert (quiet.state, said) == ("due", [])
    assert runs.settle(run, task, 5, "x") == (run, [])
    assert runs.leave_out(runs.finish(run, task, 5, "x")[0], task, 6, None, None, runs.SKIPPED)[1] == []


def test_the_monthly_report(home: Home) -> None:
    def run(task: str, kind: str, state: str, who: str = "r1", done: int | None = None) -> Run:
        return Run(who, task, kind, 0, 50, 60, state, done_ns=done)

    plans = {"r1": plan_from([VISIT, PILLS]), "r2": plan_from([VISIT])}
    found = [
        *(run("pills", "medication", one) for one in ("done", "done", "late", "missed", "skipped", "unknown", "open")),
        run("pills", "medication", "dropped"),
        run("visit", "visit", "done", done=40),
        run("visit", "visit", "missed", "r2"),
    ]
    numbers = coverage(plans, found, (0, 100))
    assert numbers.visit_share == 0.5
    (pills, _, _) = numbers.tasks
    assert (pills.planned, pills.done, pills.late, pills.missed, pills.skipped, pills.unknown) == (7, 2, 1, 1, 1, 1)
    assert pills.share == 0.75
    names = {"r1": "=李奶奶", "r2": "王爷爷"}
    zh, en = (printed(numbers, "月报 <b>", names, english=english) for english in (False, True))
    table = as_csv(zh)
    assert "visits,尚未探访,王爷爷\r\n" in table
    assert "tasks,'=李奶奶,服药,7,2,1,1,1,1,75.0%\r\n" in table
    page = as_html(en)
    assert "&lt;b&gt;" in page
    assert "<td>50.0%</td>" in page
    assert "Not a medical device" in page
    empty = coverage({}, [], (0, 100))
    assert empty.visit_share is None
    assert "–" in as_csv(printed(empty, "t", {}, english=True))
