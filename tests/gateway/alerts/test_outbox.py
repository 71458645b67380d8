"""The outbox: leases, schedule, order for each contact, outages that are told once, 410, replay."""

import dataclasses
import itertools
import random
from collections.abc import Callable

import pytest
from alert_site import T0, S, Site
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from analytics.kinds import Priority
from gateway.alerts.lifecycle import Outcome, State
from gateway.alerts.outbox import AGAIN, LEASE_NS, NEW, NEXT_DUE, RowState, idempotency_key
from gateway.alerts.schedule import BUDGET, JITTER, wait_s
from gateway.alerts.service import UnknownAlertError
from gateway.channels.base import Accepted, Dispatch, Refused

DOWN = Refused("down")
OK = Accepted("far id")


def only(*contacts: str) -> Callable[[Dispatch], Accepted | Refused]:
    """A far side where only these contacts can be reached."""
    return lambda dispatch: OK if dispatch.contact in contacts else DOWN


def kinds(site: Site) -> list[tuple[str, State]]:
    return [(alert.kind, alert.state) for alert in site.service.open_alerts()]


def test_the_schedule_of_the_most_urgent(site: Site) -> None:
    site.take()
    tries: list[float] = []

    def note(dispatch: Dispatch) -> Refused:
        if dispatch.contact == "assist":
            tries.append(site.now)
        return DOWN

    site.send(note)
    site.pass_time(600, note)
    gaps = [after - before for before, after in itertools.pairwise(tries)]
    assert len(gaps) >= 20
    for gap, planned in itertools.zip_longest(gaps, (2, 3, 5, 10, 10), fillvalue=30):
        assert planned * (1 - JITTER) <= gap <= min(30, planned * (1 + JITTER)) + 0.01


@given(st.sampled_from(Priority), st.integers(1, 10_000), st.none() | st.floats(0, 1e9), st.integers())
def test_waits_are_bounded(priority: Priority, attempts: int, asked: float | None, seed: int) -> None:
    wait = wait_s(priority, attempts, random.Random(seed), asked)
    assert 0 < wait <= (30 if priority is Priority.HIGH else 86_400)
    if asked and priority is not Priority.HIGH:
        assert wait >= min(asked, 86_400)


def test_retry_after_is_honoured_but_never_slows_the_most_urgent(site: Site) -> None:
    urgent = site.take().alert
    other = site.take("heart_rate_high", episode="h").alert
    site.send(Refused("HTTP 429", retry_after_s=3600))
    waits = {i.alert_id: (i.next_at_ns - site.ns) / S for i in site.service.outbox.items() if i.attempts}
    assert waits[urgent.id] <= 30
    assert waits[other.id] == 3600


def test_waiting_for_a_turn_is_no_attempt_and_no_outage(site: Site) -> None:
    alert = site.take("heart_rate_high").alert
    site.send(Refused("the robot takes no more now", retry_after_s=40.0, held=True))
    site.pass_time(3600, lambda _: Refused("the robot takes no more now", retry_after_s=40.0, held=True))
    assert {item.attempts for item in site.service.outbox.items()} == {0}
    assert [kind for kind, _ in kinds(site)] == ["heart_rate_high"]
    site.pass_time(site.now + 700, lambda _: OK)
    assert site.service.get(alert.id).state is State.DELIVERED


def test_a_lease_is_for_one(site: Site) -> None:
    site.take()
    first = site.claim()
    assert len(first) == 3
    assert site.claim() == []
    assert site.service.outbox.next_due_ns() == site.ns + LEASE_NS
    site.now += LEASE_NS / S
    site.service.tick(site.ns)
    again = site.claim()
    assert {d.idempotency_key for d in first} < {d.idempotency_key for d in again}
    assert {d.attempt for d in again if d.contact == "assist"} == {2}
    late, now = first[0], again[0]
    assert site.service.settle(late, DOWN, site.ns) is None
    assert site.service.settle(late, OK, site.ns) is RowState.DELIVERED
    assert site.service.settle(now, DOWN, site.ns) is None


def test_a_late_success_counts_though_the_alert_was_closed_since(site: Site) -> None:
    """The contact was told, and the record says so: they hear how it ends."""
    alert = site.take().alert
    late = {dispatch.contact: dispatch for dispatch in site.claim()}
    site.now += LEASE_NS / S + 1
    site.service.resolve(alert.id, "王芳", site.ns, outcome=Outcome.REAL_HELP)
    assert {dispatch.event for dispatch in site.claim()} == {"alert.resolved"}
    states = {item.contact: item.state for item in site.service.outbox.items(alert.id) if item.event == "alert.raised"}
    assert set(states.values()) == {RowState.WITHDRAWN}
    assert site.service.settle(late["assist"], DOWN, site.ns) is None
    assert site.service.settle(late["assist"], OK, site.ns) is RowState.DELIVERED
    assert site.service.settle(late["assist"], OK, site.ns) is None
    (told,) = (item for item in site.service.outbox.items(alert.id) if item.delivered_ns is not None)
    assert (told.contact, told.event, told.state) == ("assist", "alert.raised", RowState.DELIVERED)
    assert site.service.verify_audit().intact


def test_a_restart_sends_again_at_once_with_the_same_key(site: Site) -> None:
    alert = site.take().alert
    first = site.claim()
    site.restart()
    again = site.claim()
    assert [d.idempotency_key for d in again] == [d.idempotency_key for d in first]
    key = idempotency_key(alert.id, "webhook", "assist", "alert.raised#0")
    assert again[0].idempotency_key == key
    assert len(key) == 64


def test_the_most_urgent_first_and_targets_apart(site: Site) -> None:
    site.take("heart_rate_high", episode="h")
    site.now = 1
    urgent = site.take().alert
    assert site.service.outbox.claim(site.ns, 1)[0].alert_id == urgent.id
    rest = site.service.outbox.claim(site.ns, 50, urgent_only=True, busy={("sms", "c0")})
    assert [(d.alert_id, d.contact) for d in rest] == [(urgent.id, "nurse")]


def test_whom_nobody_was_told_of_comes_before_what_is_said_again(site: Site) -> None:
    """When many alerts are told again and again because nobody answers, the next fall does not queue behind them."""
    for number in range(5):
        site.take(episode=f"e{number}", resident_id=f"x{number}")
    site.pass_time(400, OK)
    while site.service.outbox.next_due_ns() is None:
        site.now = (site.service.next_deadline_ns(site.ns) - T0) / S + 0.001
        site.service.tick(site.ns)
    new = site.take(episode="new", resident_id="x9").alert
    waiting = [item for item in site.service.outbox.items() if item.state is RowState.PENDING]
    assert len({item.alert_id for item in waiting}) > 2
    assert {dispatch.alert_id for dispatch in site.claim(2)} == {new.id}
    assert new.id not in {dispatch.alert_id for dispatch in site.claim(2)}


def test_by_priority_and_the_first_telling_before_what_is_said_again(site: Site) -> None:
    for kind in ("battery_low", "heart_rate_high", "help_call"):
        site.take(kind, episode=f"again {kind}", resident_id="x1", devices=("w1",))
    site.send(lambda d: OK if d.contact == "nurse" else Refused("down", retry_after_s=1.0))
    again = {item.alert_id for item in site.service.outbox.items()}
    for alert in site.service.open_alerts():
        site.service.acknowledge(alert.id, "王芳", site.ns)  # an update to the nurse: not the first telling
    for kind in ("battery_low", "heart_rate_high", "help_call"):
        site.take(kind, episode=f"new {kind}", resident_id="x2", devices=("w2",))
    site.now += 60
    order = [(int(d.priority), d.alert_id in again) for d in site.claim()]
    assert order == sorted(order)
    assert set(order) == {(priority, said) for priority in (1, 2, 3) for said in (False, True)}
    site.restart()
    site.now += 61  # the same while they are taken back from who had them
    assert [(int(d.priority), d.alert_id in again) for d in site.claim()] == order
    for limit in range(1, len(order)):
        site.restart()
        assert [(int(d.priority), d.alert_id in again) for d in site.claim(limit)] == order[:limit]


def test_the_next_of_ten_thousand_is_found_by_an_index(site: Site) -> None:
    bound = {"now": site.ns, "tolerance": 0, "lowest": 3, "busy": "[]"}
    with site.database.read() as session:
        for query in (*NEW, *AGAIN, NEXT_DUE):
            wanted = bound if query is not NEXT_DUE else {}
            plan = [str(row[3]) for row in session.execute(text(f"EXPLAIN QUERY PLAN {query.text}"), wanted)]
            assert [step for step in plan if "outbox" in step.lower() or " o " in f"{step} "]
            assert not [step for step in plan if "TEMP B-TREE" in step or step in ("SCAN o", "SCAN e")], plan


def test_ends_that_are_written_together_are_all_written_or_none(site: Site) -> None:
    for number in range(4):
        site.take(episode=f"e{number}", resident_id=f"x{number}")
    claimed = site.claim()
    assert len(claimed) == 8
    lost = dataclasses.replace(claimed[5], alert_id="none such")
    with pytest.raises(UnknownAlertError):
        site.service.settle_many([*((one, OK) for one in claimed[:5]), (lost, OK)], site.ns)
    assert {item.state for item in site.service.outbox.items()} == {RowState.INFLIGHT}
    ends = [(one, DOWN if number % 2 else OK) for number, one in enumerate(claimed)]
    states = site.service.settle_many(ends, site.ns)
    assert states == [RowState.PENDING if number % 2 else RowState.DELIVERED for number in range(8)]
    stands = {item.idempotency_key: item.state for item in site.service.outbox.items()}
    assert [stands[one.idempotency_key] for one in claimed] == states


def test_messages_about_one_alert_keep_their_order(site: Site) -> None:
    alert = site.take().alert
    site.send(only("c0", "nurse"))
    site.service.acknowledge(alert.id, "王芳", site.ns)
    sent = site.pass_time(20, OK)
    assert [d.event for d in sent if d.contact == "assist"] == ["alert.raised", "alert.updated"]


def test_updates_do_not_pile_up(site: Site) -> None:
    alert = site.take().alert
    site.send(OK)
    for name in ("王芳", "李强", "张敏"):
        site.service.acknowledge(alert.id, name, site.ns)
    site.service.en_route(alert.id, "王芳", site.ns)
    assert [d.payload["state"] for d in site.send(OK) if d.contact == "assist"] == ["en_route"]


def test_nobody_reachable_the_most_urgent_is_tried_for_ever(site: Site) -> None:
    alert = site.take().alert
    sent = site.pass_time(900, DOWN)
    assert len([d for d in sent if d.contact == "assist"]) > 900 / 36
    assert site.service.get(alert.id).state is State.RAISED
    assert site.service.outbox.depth().get("dead", 0) == 0
    assert len(site.service.outbox.items(alert.id)) == 4


def test_an_outage_is_told_once_and_ends_by_itself(site: Site) -> None:
    site.take()
    site.pass_time(25, only("nurse"))
    assert kinds(site) == [("help_call", State.DELIVERED)]
    site.pass_time(55, only("nurse"))
    failed = site.service.open_alerts()[1]
    assert (failed.kind, failed.subject, failed.count) == ("delivery_failed", "site", 2)
    assert failed.evidence["error"] == "down"
    site.pass_time(200, only("nurse"))
    assert site.service.get(failed.id).count == 3
    site.pass_time(240, OK)
    over = site.service.get(failed.id)
    assert (over.state, over.outcome) == (State.RESOLVED, Outcome.RECOVERED)
    assert kinds(site) == [("help_call", State.DELIVERED)]


def test_less_urgent_messages_are_given_up_told_and_revived(site: Site) -> None:
    alert = site.take("heart_rate_high").alert
    site.pass_time(6000, only("nurse"))
    items = [i for i in site.service.outbox.items(alert.id, limit=1000) if i.contact == "assist"]
    dead = [i for i in items if i.state is RowState.DEAD]
    assert dead
    assert dead[-1].attempts == BUDGET[Priority.MEDIUM]
    assert dead[-1].last_error == "down"
    assert "delivery_failed" in dict(kinds(site))
    revived = site.pass_time(site.now + 7200, OK)
    assert dead[-1].idempotency_key in {d.idempotency_key for d in revived}
    assert "delivery_failed" not in dict(kinds(site))


def test_after_the_answer_the_budget_counts(site: Site) -> None:
    alert = site.take().alert
    site.pass_time(1200, only("nurse"))
    site.service.acknowledge(alert.id, "王芳", site.ns)
    site.pass_time(1300, only("nurse"))
    states = {i.event: i.state for i in site.service.outbox.items(alert.id) if i.contact == "assist"}
    assert states["alert.raised"] is RowState.DEAD


def test_gone_stops_all_but_the_most_urgent(site: Site) -> None:
    urgent = site.take().alert
    other = site.take("heart_rate_high", episode="h").alert
    gone = Refused("HTTP 410", gone=True)
    site.send(lambda d: gone if d.contact == "assist" else OK)
    assert "delivery_failed" in dict(kinds(site))
    state = {i.alert_id: i.state for i in site.service.outbox.items() if i.contact == "assist"}
    assert state == {urgent.id: RowState.PENDING, other.id: RowState.DEAD}
    third = site.take("spo2_low", episode="s").alert
    fourth = site.take("temperature_high", episode="t").alert
    tried = {d.alert_id for d in site.send(lambda d: gone if d.contact == "assist" else OK) if d.contact == "assist"}
    assert tried == {third.id}
    assert [i.state for i in site.service.outbox.items(fourth.id) if i.contact == "assist"] == [RowState.DEAD]
    site.pass_time(70, OK)
    assert {a.state for a in site.service.open_alerts()} == {State.DELIVERED}
    assert site.service.outbox.items(states=[RowState.DEAD]) == []


def test_replay_by_an_operator(site: Site) -> None:
    other = site.take("heart_rate_high").alert
    site.send(lambda d: Refused("HTTP 410", gone=True) if d.contact == "assist" else OK)
    row = site.service.outbox.items(other.id, states=[RowState.DEAD])[0]
    assert site.service.replay(row.id, by="王芳", now_ns=site.ns)
    assert not site.service.replay(row.id, by="王芳", now_ns=site.ns)
    assert not site.service.replay(10**6, by="王芳", now_ns=site.ns)
    site.service.resolve(other.id, "王芳", site.ns, outcome=Outcome.OTHER)
    assert {d.event for d in site.claim() if d.alert_id == other.id} == {"alert.resolved"}


def test_a_revived_message_about_a_closed_alert_is_withdrawn(site: Site) -> None:
    alert = site.take("heart_rate_high").alert
    site.send(lambda d: Refused("HTTP 410", gone=True) if d.contact == "assist" else OK)
    row = site.service.outbox.items(alert.id, states=[RowState.DEAD])[0]
    site.service.resolve(alert.id, "王芳", site.ns, outcome=Outcome.OTHER)
    site.service.replay(row.id, by="王芳", now_ns=site.ns)
    sent = site.send(OK)
    assert {d.event for d in sent if d.alert_id == alert.id} == {"alert.resolved"}
    assert RowState.WITHDRAWN in {i.state for i in site.service.outbox.items(alert.id) if i.id == row.id}
    assert site.service.settle(sent[0], OK, site.ns) is None


def test_delivery_of_the_outage_itself_adds_no_more(site: Site) -> None:
    site.take()
    site.pass_time(1000, DOWN)
    failed = [alert for alert in site.service.open_alerts() if alert.kind == "delivery_failed"]
    assert len(failed) == 1
    assert failed[0].count == 4


def test_the_end_does_not_wait_for_a_retry(site: Site) -> None:
    alert = site.take("heart_rate_high").alert
    site.send(Refused("HTTP 429", retry_after_s=3600))
    site.service.resolve(alert.id, "王芳", site.ns, outcome=Outcome.OTHER)
    assert {d.event for d in site.claim()} == {"alert.resolved"}
    assert "c1" not in {i.contact for i in site.service.outbox.items(alert.id)}
