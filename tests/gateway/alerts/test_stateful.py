"""Life cycle, service and outbox together, through any order of findings, answers, failures, time and restarts.

After every step: no alert lost or lowered, no answer lost, one alert for each episode, the audit chain whole, and
everything open has something that will happen next.
"""

import random
import shutil
import tempfile
from pathlib import Path
from typing import Any

from alert_site import S, Site, fast_folder
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import select, update

from analytics.findings import Finding, Phase
from analytics.kinds import KINDS as KIND_ROWS
from gateway.alerts.lifecycle import Alert, EntryType, LifecycleError, Outcome, State
from gateway.alerts.outbox import RowState
from gateway.alerts.prompts import FINE, HELP, Prompts, Question
from gateway.alerts.records import AlertFilter, deadlines
from gateway.alerts.service import Answer, External, Taken
from gateway.audit import read_audit
from gateway.channels.base import Accepted, Dispatch, Refused
from gateway.database import open_database
from gateway.models import ContactRow, EpisodeRow
from gateway.registry import Contact, Registry, Resident

KINDS = ("fall", "help_call", "spo2_low", "heart_rate_high", "battery_low")
PEOPLE = ("王芳", "李强")
GOING = 400
"""Seconds that some steps let pass at once."""
LONGEST_WAIT = 65
"""Seconds: an urgent alert that waits is told again at least every 60 s, and the clock may stand 5 s back."""
ROUNDS = 80
"""More than four steps told three times over to three in turn need, at 300 s each."""


SCHEDULES = [
    {"name": "always", "rotation": [{"people": ["c0r1", "c0None"], "handover": "11:06", "start": "2025-01-01"}]},
    {"name": "gaps", "rotation": [{"people": ["c0None"], "hours": {"from": "11:05", "to": "11:10"}}]},
]
"""The machine begins at 11:04:05 of the site's clock."""
TARGETS = (
    "assist",
    "first",
    "others",
    "oncall:always",
    "oncall:gaps",
    "r",
    "contact:c1r1",
    "nobody",
    "card120",
    "prompt",
)


ENDS = st.tuples(st.booleans(), st.booleans())
"""How an attempt ends: accepted or not, and then perhaps for good."""

ANSWERS = st.tuples(st.sampled_from(Answer), st.sampled_from(PEOPLE), st.booleans())
"""What a person says, who, and whether through a channel."""


def policies() -> st.SearchStrategy[dict[str, Any]]:
    steps = st.fixed_dictionaries(
        {
            "targets": st.lists(st.sampled_from(TARGETS), min_size=1, max_size=3, unique=True),
            "in_turn": st.booleans(),
            "wait_s": st.sampled_from([0, 5, 30, 300]),
            "repeat": st.integers(0, 2),
            "interval_s": st.sampled_from([5, 60]),
        }
    )
    told = st.just({"targets": ["assist"], "wait_s": 30})
    return st.fixed_dictionaries(
        {
            "name": st.sampled_from("abc"),
            "steps": st.tuples(st.lists(steps, max_size=4), told).map(lambda both: [*both[0], both[1]]),
            "kinds": st.just([]) | st.lists(st.sampled_from(KINDS), min_size=1, max_size=2),
            "about": st.sampled_from(["person", "all"]),
            "hours": st.sampled_from([[], [{"from": "11:00", "to": "11:08"}]]),
        }
    )


class Always:
    """A way of asking that is always there."""

    def can_ask(self, resident_id: str) -> bool:
        return bool(resident_id)

    async def ask(self, question: Question) -> bool:
        return bool(question)


class AlertMachine(RuleBasedStateMachine):
    """The model: what was acknowledged by whom, which states were seen, what the far side accepted."""

    @initialize(plan=st.none() | st.lists(policies(), min_size=1, max_size=3, unique_by=lambda one: one["name"]))
    def begin(self, plan: list[dict[str, Any]] | None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="yinling-", dir=fast_folder()))
        path = self.folder / "site.db"
        database = open_database(path)
        registry = Registry(database)
        registry.add_resident(Resident("r1", "李奶奶"), by="admin", now_ns=1)
        for order, resident in ((0, "r1"), (1, "r1"), (0, None)):
            contact = Contact(f"c{order}{resident}", resident, "n", "r", "sms", "1", order=order)
            registry.add_contact(contact, by="admin", now_ns=1)
        database.close()
        prompts = Prompts()
        prompts.add(Always())
        self.site = Site(path, routing={"prompts": prompts})
        if plan is not None:
            self.site.plan(*plan, schedule=SCHEDULES)
        self.rng = random.Random(5)
        self.seen: dict[str, State] = {}
        self.raised: set[str] = set()
        self.acknowledged: dict[str, str] = {}
        self.closed: dict[str, State] = {}
        self.episodes: dict[tuple[str, str], str] = {}
        self.accepted: dict[str, set[str]] = {}
        self.inflight: list[Dispatch] = []
        self.phases: dict[tuple[str, str], Phase] = {}
        self.calls = 0

    def teardown(self) -> None:
        if hasattr(self, "site"):
            self.settle_down()
            self.site.database.close()
            shutil.rmtree(self.folder)

    def finding(self, kind: str, number: int, phase: Phase, age: int) -> Finding:
        at_ns = self.site.ns - age * S
        return Finding(f"{kind}{number}", kind, "r1", at_ns, phase, 0.8, ("w1",), {"x": number})

    @rule(kind=st.sampled_from(KINDS), number=st.integers(0, 5), phase=st.sampled_from(Phase), age=st.integers(0, 30))
    def find(self, kind: str, number: int, phase: Phase, age: int) -> None:
        self.note(self.site.service.take(self.finding(kind, number, phase, age), self.site.ns).taken, kind, number)

    @rule(kind=st.sampled_from(KINDS), numbers=st.lists(st.integers(0, 5), min_size=2, max_size=4))
    def find_many(self, kind: str, numbers: list[int]) -> None:
        findings = [self.finding(kind, number, Phase.CONFIRMED, 0) for number in numbers]
        for take, number in zip(self.site.service.take_many(findings, self.site.ns), numbers, strict=True):
            self.note(take.taken, kind, number)

    def note(self, taken: Taken, kind: str, number: int) -> None:
        key = (kind, f"{kind}{number}")
        assert taken is not Taken.REJECTED
        assert not (taken is Taken.OPENED and key in self.episodes)
        if taken is Taken.NOTHING_TO_CLEAR:
            assert key not in self.episodes
        else:
            self.episodes.setdefault(key, "")

    @rule(step=st.one_of(st.integers(1, 25), st.just(GOING)))
    def pass_time(self, step: int) -> None:
        self.site.now += step
        self.site.service.tick(self.site.ns)

    @rule(back=st.integers(10, 4000))
    def set_clock_back(self, back: int) -> None:
        self.site.now -= back
        self.site.service.tick(self.site.ns)

    @rule(ends=st.lists(ENDS, max_size=4))
    def claim(self, ends: list[tuple[bool, bool]]) -> None:
        """Messages go out; the first come to their end at once."""
        self.inflight += self.site.claim(6)
        self.end(ends, list(range(len(self.inflight)))[: len(ends)])

    @precondition(lambda self: self.inflight)
    @rule(ends=st.lists(ENDS, min_size=1, max_size=6), data=st.data())
    def settle(self, ends: list[tuple[bool, bool]], data: st.DataObject) -> None:
        """Attempts end in any order, several at once."""
        numbers = list(range(len(self.inflight)))
        self.end(ends, data.draw(st.permutations(numbers))[: len(ends)])

    def end(self, ends: list[tuple[bool, bool]], numbers: list[int]) -> None:
        ended: list[tuple[Dispatch, Accepted | Refused]] = []
        for (ok, gone), number in zip(ends, numbers, strict=False):
            said = Accepted("x") if ok else Refused("down", gone=gone and self.rng.random() < 0.2)
            ended.append((self.inflight[number], said))
        self.inflight = [one for number, one in enumerate(self.inflight) if number not in numbers[: len(ends)]]
        self.site.service.settle_many(ended, self.site.ns)
        for dispatch, said in ended:
            if isinstance(said, Accepted):
                self.accepted.setdefault(dispatch.alert_id, set()).add(dispatch.idempotency_key)

    @precondition(lambda self: self.site.service.list().total)
    @rule(
        answers=st.lists(ANSWERS, min_size=1, max_size=3),
        data=st.data(),
    )
    def answer(self, answers: list[tuple[Answer, str, bool]], data: st.DataObject) -> None:
        """Several people may answer one alert, also one that is over."""
        alerts = self.site.service.list(limit=100).alerts
        alert = alerts[data.draw(st.integers(0, len(alerts) - 1))]
        for answer, who, outside in answers:
            self.answer_once(self.site.service.get(alert.id), answer, who, outside, data)

    def answer_once(self, alert: Alert, answer: Answer, who: str, outside: bool, data: st.DataObject) -> None:
        more = {"outcome": data.draw(st.sampled_from(Outcome))} if answer is Answer.RESOLVED else {}
        if outside:
            self.calls += 1
            call = External(f"m{self.calls}", "0" * 64, ("webhook", "assist"))
            first = self.site.service.answer_external(call, alert.id, answer, who, self.site.ns, **more)
            again = self.site.service.answer_external(call, alert.id, answer, who, self.site.ns, **more)
            assert (first.applied, again.repeated) == (alert.state.open, True)
            applied = first.applied
        else:
            try:
                getattr(self.site.service, METHODS[answer])(alert.id, who, self.site.ns, **more)
                applied = True
            except LifecycleError:
                applied = False
        assert applied is alert.state.open
        if applied and answer in (Answer.ACKNOWLEDGED, Answer.EN_ROUTE, Answer.ON_SCENE):
            self.acknowledged.setdefault(alert.id, alert.acknowledged_by or who)

    @precondition(lambda self: self.site.service.open_alerts())
    @rule(said=st.sampled_from([FINE, HELP]), data=st.data())
    def answer_on_the_spot(self, said: str, data: st.DataObject) -> None:
        alerts = self.site.service.open_alerts()
        alert = alerts[data.draw(st.integers(0, len(alerts) - 1))]
        after = self.site.service.answer_prompt(alert.id, said, self.site.ns)
        assert after.state.open is not (alert.state is State.SUSPECTED and said == FINE)

    @rule(seconds=st.sampled_from([30, 600]), end=st.booleans())
    def hold(self, seconds: int, end: bool) -> None:
        ns = self.site.ns
        pause = self.site.service.pause("r1", "heart_rate_high", seconds, reason="x", by="王芳", now_ns=ns)
        work = self.site.service.maintain(None, seconds, reason="x", by="王芳", now_ns=ns)
        for one in (pause, work) if end else ():
            self.site.service.end_hold(one.id, by="王芳", now_ns=ns)

    @rule()
    def crash_and_restart(self) -> None:
        """What was on the wire is forgotten; the same file is opened again."""
        self.inflight.clear()
        self.site.restart()

    @invariant()
    def nothing_is_lost_or_lowered(self) -> None:
        if not hasattr(self, "site"):
            return
        now = {alert.id: alert for alert in self.site.service.list(AlertFilter(), limit=1000).alerts}
        assert set(self.seen) <= set(now)
        for alert in now.values():
            before = self.seen.get(alert.id, State.SUSPECTED)
            assert alert.state.rank >= before.rank
            assert self.closed.get(alert.id, alert.state) is alert.state
            assert alert.acknowledged_by == self.acknowledged.get(alert.id, alert.acknowledged_by)
            if not alert.state.open:
                self.closed[alert.id] = alert.state
                human = alert.closed_by in (*PEOPLE, "resident:r1")
                assert human or not alert.latching or alert.raised_ns is None
            self.seen[alert.id] = alert.state

    @invariant()
    def each_episode_has_one_alert(self) -> None:
        if not hasattr(self, "site"):
            return
        with self.site.database.read() as session:
            for kind, episode, alert_id in session.execute(
                select(EpisodeRow.kind, EpisodeRow.episode, EpisodeRow.alert_id)
            ):
                known = self.episodes.get((kind, episode))
                assert known in (None, "", alert_id)
                if known == "":
                    self.episodes[(kind, episode)] = alert_id
        assert all(self.episodes.values())

    @invariant()
    def everything_open_goes_on(self) -> None:
        """A suspected alert has its window, an unanswered urgent one its next repeat and a way to everyone."""
        if not hasattr(self, "site"):
            return
        for alert in self.site.service.open_alerts():
            if alert.state is State.SUSPECTED:
                assert alert.window_until_ns is not None
            elif alert.waiting and alert.priority < 3:
                assert alert.repeat_at_ns is not None
            elif not alert.waiting:
                assert alert.reopen_at_ns is not None
            if alert.state in (State.RAISED, State.DELIVERED) and alert.priority == 1:
                items = self.site.service.outbox.items(alert.id, limit=1000)
                states = {i.state for i in items if i.event != "alert.prompt"}
                assert states <= {RowState.PENDING, RowState.INFLIGHT, RowState.DELIVERED, RowState.ACKNOWLEDGED}
                assert states or EntryType.NO_ROUTE in {e.type for e in self.site.service.history(alert.id)}

    @rule(plan=st.none() | policies())
    def change_the_plan(self, plan: dict[str, Any] | None) -> None:
        """What is going on keeps its policy; what comes gets the new one."""
        self.site.plan(*([plan] if plan else []), schedule=SCHEDULES)

    @rule(contact=st.sampled_from(["c0r1", "c1r1", "c0None"]), active=st.booleans())
    def come_and_go(self, contact: str, active: bool) -> None:
        with self.site.database.write() as session:
            session.execute(update(ContactRow).where(ContactRow.id == contact).values(active=active))

    @rule()
    def watch_on_call(self) -> None:
        self.site.service.watch_on_call(self.site.ns)

    @invariant()
    def no_step_is_skipped(self) -> None:
        """Every step up to where an alert stands was taken or, because it meant nobody, passed; in this order."""
        if not hasattr(self, "site"):
            return
        for alert in self.site.service.list(limit=1000).alerts:
            reached, stands = set(), 0
            for entry in self.site.service.history(alert.id):
                if entry.type is EntryType.REOPENED:
                    stands = 0
                if entry.type not in (EntryType.RAISED, EntryType.ESCALATED):
                    continue
                passed = [one["step"] for one in entry.detail.get("passed", ())]
                here = entry.detail.get("step")
                order = passed if here is None else [*passed, here]
                assert order == sorted(order)
                assert not order or order[0] >= stands, "only upward"
                stands = order[-1] if order else stands
                reached |= set(order)
            asked = {n for n, step in enumerate(alert.plan["steps"], 1) if set(step["targets"]) == {"prompt"}}
            assert set(range(1, alert.step + 2)) <= reached | asked

    @invariant()
    def whom_the_history_names_has_a_message(self) -> None:
        """Nobody is only said to be told; and what the far side has taken is taken for good."""
        if not hasattr(self, "site"):
            return
        for alert in self.site.service.list(limit=1000).alerts:
            items = self.site.service.outbox.items(alert.id, limit=1000)
            named = {who for entry in self.site.service.history(alert.id) for who in entry.detail.get("told", ())}
            assert named <= {item.contact for item in items if item.event == "alert.raised"}
            taken = {item.idempotency_key for item in items if item.delivered_ns is not None}
            assert self.accepted.get(alert.id, set()) <= taken

    @invariant()
    def nothing_waits_longer_than_it_was_to(self) -> None:
        """Also after the clock was set back: what is urgent and unanswered goes on within a minute."""
        if not hasattr(self, "site"):
            return
        with self.site.database.read() as session:
            due = dict(deadlines(session, self.site.ns))
        for alert in self.site.service.open_alerts():
            if alert.waiting and alert.priority == 1:
                assert due[alert.id] <= self.site.ns + LONGEST_WAIT * S

    @invariant()
    def the_chain_is_whole(self) -> None:
        """And says everything that happened to every alert, no more and no less."""
        if not hasattr(self, "site"):
            return
        assert self.site.service.verify_audit().intact
        for alert in self.site.service.list(limit=1000).alerts:
            lines = self.site.service.history(alert.id)
            assert [line.revision for line in lines] == list(range(1, alert.revision + 1))
            assert lines[-1].to_state is alert.state
            with self.site.database.read() as session:
                rows = read_audit(session, subject=f"alert:{alert.id}", limit=1000)
            said = [(row.action, row.detail["revision"]) for row in rows if row.action.startswith("alert.")]
            assert said[::-1] == [(f"alert.{line.type.value}", line.revision) for line in lines]

    def climbing(self) -> bool:
        """Whether an alert has steps before it, or a message is still on its way."""
        going = [a for a in self.site.service.open_alerts() if a.state is State.SUSPECTED or a.step_at_ns is not None]
        depth = self.site.service.outbox.depth()
        return bool(going or depth.get(RowState.PENDING) or depth.get(RowState.INFLIGHT))

    def settle_down(self) -> None:
        """In the end everything works again: all that is open is told, and whoever was told hears how it ends."""
        self.site.restart()
        self.site.now = max(self.site.now, 0) + 100_000
        with self.site.database.write() as session:
            session.execute(update(ContactRow).values(active=True))
        for _ in range(ROUNDS):
            self.site.service.tick(self.site.ns)
            self.site.send(Accepted("x"))
            if not self.climbing():
                break
            self.site.now += 301
        assert not self.climbing(), "every alert comes to its last step, and every message to its end"
        for alert in self.site.service.list(limit=1000).alerts:
            items = self.site.service.outbox.items(alert.id, limit=1000)
            assert not [i for i in items if i.state is RowState.INFLIGHT]
            assert alert.state is not State.SUSPECTED
            assert alert.state is not State.RAISED
            told = {i.contact for i in items if i.event == "alert.raised" and i.state is RowState.DELIVERED}
            if alert.state.open:
                assert {"assist"} <= told or KIND_ROWS[alert.kind].technical or alert.state.answered
            else:
                ends = {i.contact for i in items if i.event in ("alert.cancelled", "alert.resolved")}
                assert told <= ends | {"assist"}


METHODS = {
    Answer.ACKNOWLEDGED: "acknowledge",
    Answer.EN_ROUTE: "en_route",
    Answer.ON_SCENE: "on_scene",
    Answer.RESOLVED: "resolve",
    Answer.CANCELLED: "cancel",
}
AlertMachine.TestCase.settings = settings(
    max_examples=16, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAlerts = AlertMachine.TestCase
