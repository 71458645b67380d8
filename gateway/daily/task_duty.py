"""Follows the care tasks: begins runs, takes the signs of what was done, tells what is due and missed.

What is said is committed before the run is written down: after a crash between the two it is said again under the same
episode, which changes nothing. Signs wait in memory for one round at most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from device_drivers.observations import Quality, Reading, Samples
from gateway.daily import runs, task_book
from gateway.daily.tasks import TASK_KINDS, occurrences

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from analytics.findings import Finding
    from device_drivers.observations import DeviceEvent, Observation
    from gateway.alerts.service import AlertService
    from gateway.daily.runs import Run
    from gateway.daily.task_book import Since, Tick
    from gateway.daily.tasks import CareTask
    from gateway.database import Database

DAY_NS = 86_400 * 10**9
LOOK_BACK_NS = 2 * DAY_NS
KNOWN_BACK_NS = 40 * DAY_NS
NO_SIGN = frozenset({"closed", "release", "off", "none", "still", "left", "out"})
"""Words of events that do not show that somebody did something."""
MAX_SIGNS = 10_000

Sign = tuple[str, str, int, str]
"""resident, task, time (UTC ns), device"""


class TaskSigns:
    """Picks what shows that a task was done out of all observations. owner: whose a device is."""

    def __init__(self, owner: Callable[[], Mapping[str, str | None]]) -> None:
        self._owner = owner
        self._wanted: dict[str, list[tuple[str, str, str | None]]] = {}
        self._found: list[Sign] = []

    def watch(self, plans: Mapping[str, Since]) -> None:
        """From now on look for the signs of these plans."""
        wanted: dict[str, list[tuple[str, str, str | None]]] = {}
        for resident_id, plan in plans.items():
            for task in plan.tasks:
                for signal in task.signs:
                    wanted.setdefault(signal, []).append((resident_id, task.id, task.device))
        self._wanted = wanted

    def take(self, observations: Sequence[Observation]) -> None:
        """Look at what came; what tells nothing new is no sign."""
        if not self._wanted:
            return
        owner = self._owner()
        for one in observations:
            rows = self._wanted.get(one.signal)
            if rows is None or isinstance(one, Samples) or not _tells(one):
                continue
            at_ns = one.at_ns if one.stored else one.received_ns
            resident = owner.get(one.device_id)
            for resident_id, task, device in rows:
                if device == one.device_id or (device is None and resident == resident_id):
                    self._found.append((resident_id, task, at_ns, one.device_id))
        del self._found[:-MAX_SIGNS]

    def drain(self) -> list[Sign]:
        """What was found since the last time."""
        found, self._found = self._found, []
        return found

    def put_back(self, signs: list[Sign]) -> None:
        """They could not be written down: the next round tries again."""
        self._found[:0] = signs


class TaskDuty:
    """`round` is a periodic duty; both methods run in the database thread."""

    def __init__(self, database: Database, alerts: AlertService, zone: ZoneInfo, signs: TaskSigns) -> None:
        self._database = database
        self._alerts = alerts
        self._zone = zone
        self._signs = signs

    def round(self, now_ns: int) -> None:
        """Begin, finish and advance what is to be; on disk when this returns."""
        signs = self._signs.drain()
        try:
            with self._database.read() as session:
                plans = task_book.plans(session)
                going = task_book.unfinished(session)
                known = task_book.known(session, now_ns - KNOWN_BACK_NS)
            self._signs.watch(plans)
            fresh = self._fresh(plans, known, now_ns)
            self._commit(*self._turn(plans, [*going, *fresh], fresh, signs, now_ns), now_ns)
        except Exception:
            self._signs.put_back(signs)
            raise

    def tick(self, tick: Tick, now_ns: int) -> Run | None:
        """A person says that a task was done, or will not be. None where no run of it can be meant."""
        with self._database.read() as session:
            run = task_book.meant(session, tick)
            plan = {task.id: task for task in task_book.plan_of(session, tick.resident_id)}
            going = task_book.unfinished(session)
        if run is None:
            return None
        task = plan.get(run.task)
        if tick.done:
            changed, found = runs.finish(run, task, now_ns, tick.by, tick.note)
        else:
            changed, found = runs.leave_out(run, task, now_ns, tick.by, tick.note, runs.SKIPPED)
        turned = [changed] if changed != run else []
        if turned and tick.done:
            older, more = _settled(going, changed, task, now_ns)
            turned, found = [*turned, *older], [*found, *more]
        self._commit(turned, found, now_ns)
        return changed

    def _fresh(self, plans: Mapping[str, Since], known: Collection[tuple[str, str, int]], now_ns: int) -> list[Run]:
        """Runs that have opened and are not written down yet."""
        return [
            runs.begin(resident_id, task, one, now_ns)
            for resident_id, plan in plans.items()
            for task in plan.tasks
            for one in occurrences(task, now_ns - LOOK_BACK_NS, now_ns + 1, self._zone)
            if one.due_ns >= plan.since_ns and (resident_id, task.id, one.due_ns) not in known
        ]

    def _turn(
        self, plans: Mapping[str, Since], going: list[Run], fresh: list[Run], signs: list[Sign], now_ns: int
    ) -> tuple[list[Run], list[Finding]]:
        tasks = {(who, task.id): task for who, plan in plans.items() for task in plan.tasks}
        going.sort(key=lambda run: run.due_ns)
        before = {_key(run): run for run in going}
        after = dict(before)
        found: list[Finding] = []
        for resident_id, name, at_ns, device in signs:
            meant = _meant([run for run in after.values() if (run.resident_id, run.task) == (resident_id, name)], at_ns)
            if meant is not None:
                task = tasks.get((resident_id, name))
                after[_key(meant)], said = runs.finish(meant, task, at_ns, f"signal:{device}")
                older, more = _settled(list(after.values()), after[_key(meant)], task, at_ns)
                after |= {_key(run): run for run in older}
                found += [*said, *more]
        for key, run in list(after.items()):
            turned, said = self._advanced(run, tasks.get((run.resident_id, run.task)), now_ns)
            after[key] = turned
            found += said
            if turned.state == runs.DUE != run.state:
                again, more = _superseded(list(after.values()), turned, tasks.get((run.resident_id, run.task)))
                after |= {_key(one): one for one in again}
                found += more
        new = {_key(run) for run in fresh}
        return [run for key, run in after.items() if key in new or run != before[key]], found

    @staticmethod
    def _advanced(run: Run, task: CareTask | None, now_ns: int) -> runs.Turn:
        if task is None:
            return runs.leave_out(run, None, now_ns, None, None, runs.DROPPED)
        first, said = runs.advance(run, task, now_ns)
        return first, said

    def _commit(self, changed: Sequence[Run], found: Sequence[Finding], now_ns: int) -> None:
        if found:
            self._alerts.take_many(sorted(found, key=lambda one: one.at_ns), now_ns)
        if changed:
            with self._database.write() as session:
                task_book.save(session, changed)


def _tells(one: Reading | DeviceEvent) -> bool:
    """Whether somebody did something: a good value, or an event that is no answer to a poll."""
    if isinstance(one, Reading):
        return one.value is not None and one.quality is Quality.GOOD
    return not one.repeat and one.value not in {None, False} and one.value not in NO_SIGN


def _meant(mine: list[Run], at_ns: int) -> Run | None:
    """Which run a sign is of: the one that waits, else a missed one, the latest first."""
    fitting = [run for run in mine if run.opens_ns <= at_ns]
    going = [run for run in fitting if run.state in runs.GOING]
    missed = [run for run in fitting if run.state == runs.MISSED and not TASK_KINDS[run.kind].lasts]
    return going[0] if going else missed[-1] if missed else None


def _settled(going: list[Run], done: Run, task: CareTask | None, at_ns: int) -> tuple[list[Run], list[Finding]]:
    """Missed runs before the one that is done now need no more words, unless a missed one lasts."""
    if TASK_KINDS[done.kind].lasts:
        return [], []
    return _quiet([run for run in going if _before(run, done)], task, at_ns, "done_since")


def _superseded(going: list[Run], due: Run, task: CareTask | None) -> tuple[list[Run], list[Finding]]:
    """A reminder that nobody answered ends when the next one comes."""
    older = [run for run in going if _before(run, due) and run.told == TASK_KINDS[run.kind].due]
    return _quiet(older, task, due.due_ns, "due_again")


def _quiet(older: list[Run], task: CareTask | None, at_ns: int, reason: str) -> tuple[list[Run], list[Finding]]:
    turned = [runs.settle(run, task, at_ns, reason) for run in older]
    return [run for run, said in turned if said], [one for _, said in turned for one in said]


def _before(run: Run, other: Run) -> bool:
    return (run.resident_id, run.task) == (other.resident_id, other.task) and run.due_ns < other.due_ns


def _key(run: Run) -> tuple[str, str, int]:
    return run.resident_id, run.task, run.due_ns
