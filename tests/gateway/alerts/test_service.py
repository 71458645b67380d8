"""The alert service on a real database: one transaction, nothing lost, people told in order."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from alert_site import S, Site
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError

from analytics.findings import Finding, Phase
from gateway.alerts.lifecycle import NamelessPersonError, Outcome, RefusedTransitionError, State
from gateway.alerts.outbox import RowState
from gateway.alerts.records import AlertFilter
from gateway.alerts.service import Answer, External, Taken, UnknownAlertError
from gateway.channels.base import Accepted, Refused
from gateway.models import AlertEventRow, AlertRow, AuditRow, OutboxRow

DOWN = Refused("down")
OK = Accepted("ok")


def targets(dispatches: list[Any]) -> list[tuple[str, str]]:
    return [(d.contact, d.event) for d in dispatches]


def test_taken_means_on_disk(site: Site) -> None:
    take = site.take()
    assert take.taken is Taken.OPENED
    site.restart()
    alert = site.service.get(take.alert.id)
    assert alert == take.alert
    assert (alert.state, alert.repeat_at_ns) == (State.RAISED, site.ns + 60 * S)
    assert [entry.type.value for entry in site.service.history(alert.id)] == ["opened", "raised"]
    assert targets(site.claim()) == [("assist", "alert.raised"), ("c0", "alert.raised"), ("nurse", "alert.raised")]
    assert site.woken == 1
    assert [change.alert.state for change in site.changes] == [State.RAISED]


def test_all_or_nothing(site: Site) -> None:
    """When the disk refuses the outbox row, there is no alert, no history and no audit row either."""
    with site.database.write() as session:
        before = session.scalar(select(func.count()).select_from(AuditRow))
        session.execute(text("CREATE TRIGGER full BEFORE INSERT ON outbox BEGIN SELECT RAISE(ABORT, 'disk full'); END"))
    with pytest.raises(IntegrityError, match="disk full"):
        site.take()
    with site.database.read() as session:
        for table in (AlertRow, AlertEventRow, OutboxRow):
            assert session.scalar(select(func.count()).select_from(table)) == 0
        assert session.scalar(select(func.count()).select_from(AuditRow)) == before
    assert (site.woken, site.changes) == (0, [])


def test_suspected_is_seen_here_but_sent_nowhere(site: Site) -> None:
    site.take("fall", Phase.SUSPECTED)
    assert [alert.state for alert in site.service.open_alerts()] == [State.SUSPECTED]
    assert site.claim() == []
    assert site.service.next_deadline_ns(site.ns) == site.ns + 20 * S
    site.now = 19.9
    assert site.service.tick(site.ns) == []
    site.now = 20
    assert [alert.state for alert in site.service.tick(site.ns)] == [State.RAISED]
    assert len(site.claim()) == 3


def test_the_window_of_the_site_counts(make_site: Callable[..., Site]) -> None:
    site = make_site(cancel_windows={"fall": 5.0})
    site.take("fall", Phase.SUSPECTED)
    assert site.service.next_deadline_ns(site.ns) == site.ns + 5 * S


def test_got_up_again_tells_nobody(site: Site) -> None:
    site.take("fall", Phase.SUSPECTED)
    take = site.take("fall", Phase.CLEARED)
    assert (take.taken, take.alert.state) == (Taken.UPDATED, State.CANCELLED)
    assert site.claim() == []
    assert site.closed == ["e1"]
    assert site.take("fall", Phase.SUSPECTED).taken is Taken.CLOSED_BEFORE
    assert site.take("fall", Phase.CONFIRMED).taken is Taken.CLOSED_BEFORE
    assert site.take("fall", Phase.CONFIRMED, "e2").taken is Taken.OPENED


def test_folding(site: Site) -> None:
    first = site.take().alert
    assert site.take().taken is Taken.UNCHANGED
    site.now = 30
    again = site.take(episode="e2", devices=("button",))
    assert (again.taken, again.alert.id, again.alert.count) == (Taken.FOLDED, first.id, 2)
    site.service.acknowledge(first.id, "王芳", site.ns)
    site.now = 39
    assert site.take(episode="e3").taken is Taken.FOLDED
    site.now = 60
    later = site.take(episode="e4")
    assert (later.taken, later.alert.id != first.id) == (Taken.OPENED, True)
    assert site.take(episode="e2").taken is Taken.UNCHANGED
    site.service.cancel(later.alert.id, "王芳", site.ns)
    assert site.take(episode="e5").taken is Taken.CLOSED_BEFORE
    assert site.take(episode="e5").taken is Taken.CLOSED_BEFORE
    site.now = 61
    assert site.take(episode="e6").taken is Taken.OPENED
    assert site.take(episode="e5").taken is Taken.CLOSED_BEFORE
    assert site.service.list().total == 3


def test_a_test_never_hides_the_real_thing(site: Site) -> None:
    drill = site.take(episode="drill", evidence={"test": True}).alert
    real = site.take(episode="real").alert
    assert (drill.test, real.test) == (True, False)
    assert drill.id != real.id
    assert {d.payload["test"] for d in site.claim() if d.alert_id == drill.id} == {True}


def test_other_subjects_do_not_fold(site: Site) -> None:
    one = site.take("battery_low", devices=("w1",)).alert
    two = site.take("battery_low", devices=("bed",)).alert
    assert one.id != two.id
    assert site.take("battery_low", Phase.CLEARED, devices=("w1",)).alert.state is State.RESOLVED
    assert site.service.get(two.id).state is State.RAISED


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "earthquake"},
        {"phase": "perhaps"},
        {"episode": ""},
        {"at_ns": -1},
        {"at_ns": 2**63},
        {"confidence": float("nan")},
        {"evidence": {"x": "\ud800"}},
    ],
)
def test_a_wrong_finding_is_counted_and_spoils_no_other(site: Site, wrong: dict[str, Any]) -> None:
    good = site.finding()
    takes = site.service.take_many([replace(good, **wrong), good], site.ns)
    assert [take.taken for take in takes] == [Taken.REJECTED, Taken.OPENED]
    assert takes[0].reason
    assert site.service.take(replace(good, **wrong), site.ns).taken is Taken.REJECTED
    assert site.service.counts == {"rejected": 2, "opened": 1}
    assert site.take(phase=Phase.CLEARED, episode="unknown").taken is Taken.NOTHING_TO_CLEAR


def test_escalation_until_someone_answers(site: Site) -> None:
    alert = site.take().alert
    site.send(OK)
    assert site.service.get(alert.id).state is State.DELIVERED
    sent = site.pass_time(59.5, OK)
    assert sent == []
    sent = site.pass_time(61, OK)
    # the next of the family, and everybody again
    assert sorted(d.contact for d in sent) == ["assist", "c0", "c1", "nurse"]
    assert {d.payload["repeat"] for d in sent if d.contact == "assist"} == {1}
    sent = site.pass_time(300, OK)
    assert len(sent) == 3 * 4
    site.service.acknowledge(alert.id, "王芳", site.ns)
    sent = site.pass_time(600, OK)
    assert sorted(targets(sent)) == [(c, "alert.updated") for c in ("assist", "c0", "c1", "nurse")]
    assert {d.payload["acknowledged_by"] for d in sent} == {"王芳"}


def test_who_was_never_told_is_not_told_after_the_answer(site: Site) -> None:
    alert = site.take().alert
    site.send(OK)
    site.service.acknowledge(alert.id, "王芳", site.ns)
    assert "c1" not in {d.contact for d in site.pass_time(200, OK)}
    assert "c1" not in {i.contact for i in site.service.outbox.items(alert.id)}


def test_an_answer_before_the_first_attempt_still_tells(site: Site) -> None:
    """Who acknowledges a suspected fall takes it; the centre hears of the alert and of the answer, in this order."""
    alert = site.take("fall", Phase.SUSPECTED).alert
    site.service.acknowledge(alert.id, "王芳", site.ns)
    first = site.send(OK)
    second = site.send(OK)
    assert set(targets(first)) == {(c, "alert.raised") for c in ("assist", "c0", "nurse")}
    assert set(targets(second)) == {(c, "alert.updated") for c in ("assist", "c0", "nurse")}


def test_closing_tells_whoever_was_told_and_nobody_else(site: Site) -> None:
    alert = site.take().alert
    site.send(lambda d: OK if d.contact == "assist" else DOWN)
    site.service.cancel(alert.id, "李奶奶", site.ns)
    sent = site.pass_time(60, OK)
    assert sorted(targets(sent)) == [(c, "alert.cancelled") for c in ("assist", "c0", "nurse")]
    assert site.closed == ["e1"]
    never = site.take(episode="e2").alert
    site.service.resolve(never.id, "王芳", site.ns, outcome=Outcome.REAL_HELP)
    assert site.pass_time(120, OK) == []


@pytest.mark.parametrize(
    ("outcome", "event"), [(o, "alert.cancelled" if o == "false_alarm" else "alert.resolved") for o in Outcome]
)
def test_the_closing_event_says_whether_to_stand_down(site: Site, outcome: Outcome, event: str) -> None:
    alert = site.take().alert
    site.send(OK)
    site.service.resolve(alert.id, "王芳", site.ns, outcome=outcome)
    assert {d.event for d in site.claim()} == {event}


def test_on_the_wire_while_closing(site: Site) -> None:
    alert = site.take().alert
    claimed = site.claim()
    site.service.cancel(alert.id, "王芳", site.ns)
    assert site.claim() == []
    assert site.service.settle(claimed[0], OK, site.ns) is RowState.DELIVERED
    assert site.service.settle(claimed[1], DOWN, site.ns) is RowState.WITHDRAWN
    assert set(targets(site.claim())) == {("assist", "alert.cancelled"), ("c0", "alert.cancelled")}
    site.restart()
    assert set(targets(site.claim())) == {(c, "alert.cancelled") for c in ("assist", "c0", "nurse")}


def test_confirmed_later_is_an_update(site: Site) -> None:
    alert = site.take("fall", Phase.SUSPECTED).alert
    site.now = 20
    site.service.tick(site.ns)
    site.send(OK)
    site.take("fall", Phase.CONFIRMED, at_ns=alert.at_ns)
    assert {(d.event, d.payload["phase"]) for d in site.claim()} == {("alert.updated", "confirmed")}


def test_answers(site: Site) -> None:
    alert = site.take().alert
    with pytest.raises(UnknownAlertError, match="nothing"):
        site.service.acknowledge("nothing", "王芳", site.ns)
    with pytest.raises(NamelessPersonError):
        site.service.acknowledge(alert.id, " ", site.ns)
    assert site.service.en_route(alert.id, "王芳", site.ns).state is State.EN_ROUTE
    assert site.service.on_scene(alert.id, "王芳", site.ns, note="门开着").state is State.ON_SCENE
    assert site.service.resolve(alert.id, "王芳", site.ns, outcome=Outcome.REAL_HELP).state is State.RESOLVED
    with pytest.raises(RefusedTransitionError):
        site.service.cancel(alert.id, "王芳", site.ns)
    assert site.service.open_alerts() == []
    assert [entry.note for entry in site.service.history(alert.id)][-2:] == ["门开着", None]


def test_external_answers_count_once(site: Site) -> None:
    alert = site.take().alert
    site.send(OK)
    call = External("msg1", "a" * 64, ("webhook", "assist"))

    def answer(call: External, said: Answer = Answer.ACKNOWLEDGED, **more: Any) -> tuple[bool, bool]:
        result = site.service.answer_external(call, alert.id, said, "坐席三号", site.ns, **more)
        return (result.applied, result.repeated)

    assert answer(call) == (True, False)
    site.restart()
    assert answer(call) == (True, True)
    assert answer(replace(call, body_sha256="b" * 64)) == (False, True)
    assert answer(replace(call, webhook_id="msg2"), Answer.RESOLVED) == (False, False)
    assert answer(replace(call, webhook_id="msg3"), Answer.RESOLVED, outcome=Outcome.REAL_FALL) == (True, False)
    assert answer(replace(call, webhook_id="msg4"), Answer.EN_ROUTE) == (False, False)
    with pytest.raises(UnknownAlertError):
        site.service.answer_external(replace(call, webhook_id="m5"), "nothing", Answer.EN_ROUTE, "x", site.ns)
    assert [i.state for i in site.service.outbox.items(alert.id) if i.contact == "assist"] == [RowState.ACKNOWLEDGED]
    site.now = 73 * 3600
    assert answer(replace(call, webhook_id="msg6")) == (False, False)
    assert answer(call) == (False, False)


def test_no_route_is_written_down(site: Site) -> None:
    with site.database.write() as session:
        session.execute(text("UPDATE contacts SET active = 0"))
    alert = site.take("battery_low").alert
    assert [entry.type.value for entry in site.service.history(alert.id)][-1] == "no_route"
    assert site.service.get(alert.id).revision == 3


def test_lists(site: Site) -> None:
    for number, kind in enumerate(("fall", "help_call", "battery_low")):
        site.now = number
        site.take(kind, episode=kind)

    def kinds(**wanted: Any) -> list[str]:
        return [alert.kind for alert in site.service.list(AlertFilter(**wanted)).alerts]

    assert kinds() == ["battery_low", "help_call", "fall"]
    assert kinds(kinds=("fall",)) == ["fall"]
    assert kinds(resident_id="r2") == []
    assert kinds(since_ns=site.ns - S, until_ns=site.ns) == ["help_call"]
    assert kinds(states=(State.RESOLVED,)) == []
    assert kinds(test=True) == []
    page = site.service.list(limit=1, offset=1)
    assert ([alert.kind for alert in page.alerts], page.total) == (["help_call"], 3)
    assert [alert.kind for alert in site.service.open_alerts()] == ["fall", "help_call", "battery_low"]


def test_a_failing_listener_harms_nobody(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: object) -> None:
        raise ValueError

    stop = [site.service.listen(fail), site.service.on_outbox(fail)]
    assert site.take().taken is Taken.OPENED
    assert len(site.changes) == 1
    assert site.service.counts["listener_failed"] == 2
    assert caplog.text.count("a listener failed") == 2
    for undo in stop:
        undo()
    site.take(episode="e2")
    assert site.service.counts["listener_failed"] == 2


def test_a_clock_set_back_delays_nothing(site: Site) -> None:
    site.now = 86_400
    site.take("fall", Phase.SUSPECTED, "f")
    site.take("help_call", episode="h")
    site.send(DOWN)
    site.now = 0
    assert site.service.next_deadline_ns(site.ns) == site.ns
    assert {alert.kind for alert in site.service.tick(site.ns)} == {"fall", "help_call"}
    assert {d.alert_id for d in site.claim()} == {alert.id for alert in site.service.open_alerts()}


def test_many_residents_in_one_transaction(site: Site) -> None:
    findings = [Finding(f"e{n}", "help_call", f"x{n}", site.ns, Phase.CONFIRMED, 1.0, (f"d{n}",)) for n in range(50)]
    takes = site.service.take_many(findings, site.ns)
    assert {take.taken for take in takes} == {Taken.OPENED}
    assert len(site.service.open_alerts()) == 50
    assert [take.taken for take in site.service.take_many(findings, site.ns)] == [Taken.UNCHANGED] * 50
