"""Escalation on a real database: steps when due, nobody on call, out of reach, raised again, kept over kills."""

from collections.abc import Callable
from typing import Any

import pytest
from alert_site import PLACE, T0, S, Site
from sqlalchemy import text

from analytics.findings import Phase
from gateway.alerts.lifecycle import Outcome, State
from gateway.alerts.outbox import RowState
from gateway.alerts.policy import Plan
from gateway.channels.base import Accepted, Dispatch, Refused
from gateway.registry import Contact

DOWN = Refused("down")
OK = Accepted("ok")


def step(*targets: str, **more: Any) -> dict[str, Any]:
    return {"targets": list(targets), **more}


def policy(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "p", "steps": list(steps), **more}


def only(*contacts: str) -> Callable[[Dispatch], Accepted | Refused]:
    return lambda dispatch: OK if dispatch.contact in contacts else DOWN


def heard(sent: list[Dispatch]) -> list[str]:
    told = [d for d in sent if d.event == "alert.raised" and d.payload["kind"] != "delivery_failed"]
    return sorted(d.contact for d in told)


def history(site: Site, alert_id: str) -> list[tuple[str, Any]]:
    return [(entry.type.value, entry.detail.get("step")) for entry in site.service.history(alert_id)]


def test_the_steps_of_a_policy_are_taken_one_after_the_other(site: Site) -> None:
    site.plan(
        policy(step("c1", wait_s=30), step("carer", "role:nurse", wait_s=40), step("assist", "card120"), again_s=3600)
    )
    alert = site.take().alert
    assert (alert.policy, alert.step, alert.step_at_ns) == ("p", 0, site.ns + 30 * S)
    assert heard(site.send(OK)) == ["c1"]
    assert heard(site.pass_time(29, OK)) == []
    assert heard(site.pass_time(31, OK)) == ["nurse"]
    last = site.pass_time(71, OK)
    assert heard(last) == ["assist", "c1", "nurse"]
    assert all(PLACE.address in d.payload["card120"]["zh"] for d in last)
    assert all("李奶奶" in d.payload["card120"]["zh"] and "1 where" in d.payload["card120"]["en"] for d in last)
    assert history(site, alert.id) == [
        ("opened", None),
        ("raised", 1),
        ("delivered", None),
        ("escalated", 2),
        ("escalated", 3),
    ]
    assert heard(site.pass_time(3700, OK)) == ["assist", "c1", "nurse"]
    site.service.acknowledge(alert.id, "王芳", site.ns)
    assert heard(site.pass_time(4500, OK)) == []


def test_a_kill_between_two_steps_changes_nothing(site: Site) -> None:
    site.plan(policy(step("c1", wait_s=30), step("c0", wait_s=30), step("nurse")))
    alert = site.take().alert
    site.restart()
    assert heard(site.send(OK)) == ["c1"]
    site.now = 31
    site.service.tick(site.ns)
    site.restart()
    assert heard(site.send(OK)) == ["c0"]
    site.now = 62
    site.restart()
    site.service.tick(site.ns)
    assert site.service.get(alert.id).step == 2
    assert "nurse" in heard(site.send(OK))


def test_a_plan_that_is_changed_meanwhile_does_not_touch_what_is_going_on(site: Site) -> None:
    site.plan(policy(step("c1", wait_s=30), step("c0")))
    site.take()
    site.plan(policy(step("nurse")))
    assert heard(site.pass_time(31, OK)) == ["c0", "c1"]
    other = site.take("gas", episode="g").alert
    assert heard([d for d in site.send(OK) if d.alert_id == other.id]) == ["nurse"]


def test_the_shift_counts_when_the_step_is_due(site: Site) -> None:
    """T0 is 11:04:05 in Shanghai; the hand-over at 11:05 lies between the two steps."""
    rotation = {"people": ["c1", "nurse"], "handover": "11:05", "start": "2025-01-01"}
    site.plan(
        policy(step("assist", wait_s=50), step("oncall:desk", wait_s=50), step("oncall:desk"), again_s=3600),
        schedule=[{"name": "desk", "rotation": [rotation]}],
    )
    site.take()
    assert heard(site.send(OK)) == ["assist"]
    assert heard(site.pass_time(51, OK)) == ["c1"]
    assert heard(site.pass_time(101, OK)) == ["nurse"]


def test_nobody_on_call_waits_for_nobody_and_is_an_alert_until_somebody_is(site: Site) -> None:
    hours = {"from": "20:00", "to": "08:00"}
    schedule = {"name": "night", "rotation": [{"people": ["nurse"], "hours": hours}]}
    site.plan(
        policy(step("oncall:night", wait_s=600), step("c1"), priorities=["high"], kinds=["help_call"]),
        schedule=[schedule],
    )
    alert = site.take().alert
    assert heard(site.send(OK)) == ["c1"]
    raised = site.service.history(alert.id)[1]
    assert raised.detail["passed"] == [{"step": 1, "why": {"oncall:night": "nobody_on_call"}}]
    take = site.service.watch_on_call(site.ns)[0].alert
    assert take is not None
    assert (take.kind, take.subject, take.priority) == ("nobody_on_call", "device:oncall:night", 1)
    told = site.send(OK)
    assert heard(told) == ["nurse"]
    assert (
        "night 2025-01-01 08:00" in told[0].payload["text"]["zh"]
        or "night 2025-01-02 08:00" in told[0].payload["text"]["zh"]
    )
    site.restart()
    assert site.service.watch_on_call(site.ns) == []
    site.plan(policy(step("c1")), schedule=[{**schedule, "rotation": [{"people": ["nurse"]}]}])
    assert [t.alert.state for t in site.service.watch_on_call(site.ns) if t.alert] == [State.RESOLVED]
    assert site.service.watch_on_call(site.ns) == []


def test_a_step_whose_contacts_are_all_out_of_reach_is_left_at_once(site: Site) -> None:
    site.plan(policy(step("c0", "c1", wait_s=600), step("assist", wait_s=600, repeat=3), step("nurse")))
    alert = site.take().alert
    sent = site.send(only("nurse")) + site.pass_time(20, only("nurse"))
    assert "nurse" in heard(sent)
    assert [n for kind, n in history(site, alert.id) if kind in ("raised", "escalated")] == [1, 2, 3]
    assert {e.detail["why"] for e in site.service.history(alert.id) if e.type == "escalated"} == {"undelivered"}
    assert site.service.get(alert.id).state is State.DELIVERED


def test_one_of_a_step_that_is_reached_keeps_it_waiting(site: Site) -> None:
    site.plan(policy(step("c0", "c1", wait_s=100), step("nurse")))
    site.take()
    assert "nurse" not in heard(site.send(only("c1")) + site.pass_time(99, only("c1")))


def test_a_contact_known_to_be_out_of_reach_is_not_waited_for_a_second_time(site: Site) -> None:
    site.plan(policy(step("c0", wait_s=600), step("nurse")))
    site.take()
    site.send(only("nurse"))
    site.pass_time(120, only("nurse"))
    second = site.take("gas", episode="g").alert
    site.send(only("nurse"))
    assert site.service.get(second.id).step == 1


def test_in_turn_goes_to_the_next_turn_when_one_is_out_of_reach(site: Site) -> None:
    site.plan(policy(step("c0", "c1", "nurse", in_turn=True, wait_s=300), again_s=3600))
    site.take()
    assert heard(site.send(only("c1"))) == ["c0"]
    assert heard([d for d in site.pass_time(30, only("c1")) if d.contact != "c0"]) == ["c1"]
    assert set(heard([d for d in site.pass_time(340, only("c1")) if d.contact != "c0"])) == {"nurse"}


def test_nobody_at_all_and_then_somebody(site: Site) -> None:
    site.plan(policy(step("contact:new")))
    alert = site.take().alert
    assert history(site, alert.id)[-1][0] == "no_route"
    assert site.claim() == []
    site.registry.add_contact(Contact("new", None, "新来的", "carer", "sms", "9"), by="admin", now_ns=site.ns)
    assert heard(site.pass_time(61, OK)) == ["new"]
    assert site.service.get(alert.id).state is State.DELIVERED


def test_answered_but_never_resolved_is_raised_again_and_goes_on_above_the_answer(site: Site) -> None:
    site.plan(policy(step("c0", wait_s=60), step("c1", wait_s=60), step("nurse", wait_s=60)))
    alert = site.take().alert
    site.send(OK)
    site.pass_time(61, OK)
    site.service.acknowledge(alert.id, "王芳", site.ns, via=("sms", "c0"))
    taken = site.now
    assert heard(site.pass_time(taken + 899, OK)) == []
    sent = site.pass_time(taken + 901, OK)
    assert heard(sent) == ["c0", "c1"]
    assert {d.payload["reopened"] for d in sent} == {1}
    assert all("再次报警" in d.payload["text"]["zh"] and "raised again" in d.payload["text"]["en"] for d in sent)
    again = site.service.get(alert.id)
    assert (again.state, again.reopened, again.waiting, again.acknowledged_by) == (State.ACKNOWLEDGED, 1, True, "王芳")
    assert "nurse" in heard(site.pass_time(taken + 980, OK))
    assert site.service.acknowledge(alert.id, "李强", site.ns).answered_by == "李强"
    assert site.service.get(alert.id).acknowledged_by == "王芳"
    assert heard(site.pass_time(site.now + 890, OK)) == []
    assert heard(site.pass_time(site.now + 20, OK)) == ["c0", "c1", "nurse"]
    site.service.resolve(alert.id, "李强", site.ns, outcome=Outcome.REAL_HELP)
    assert heard(site.pass_time(site.now + 5000, OK)) == []


def test_the_same_person_answers_again(site: Site) -> None:
    alert = site.take().alert
    site.send(OK)
    site.service.acknowledge(alert.id, "王芳", site.ns)
    site.pass_time(901, OK)
    assert site.service.get(alert.id).waiting
    assert not site.service.acknowledge(alert.id, "王芳", site.ns).waiting
    assert site.service.en_route(alert.id, "王芳", site.ns + S).reopen_at_ns == site.ns + 901 * S


def test_the_name_of_a_contact_says_from_which_step_it_goes_on(site: Site) -> None:
    site.plan(policy(step("nurse", wait_s=10), step("c0", wait_s=10), step("c1", wait_s=10), step("assist")))
    alert = site.take().alert
    site.pass_time(25, OK)
    site.service.acknowledge(alert.id, "护士站", site.ns)
    assert site.service.get(alert.id).answer_step == 0
    assert heard(site.pass_time(site.now + 901, OK)) == ["c0", "c1", "nurse"]
    assert site.service.get(alert.id).step == 1


def test_a_low_alert_without_repeats_is_raised_again_each_day(site: Site) -> None:
    alert = site.take("battery_low").alert
    site.send(OK)
    site.service.acknowledge(alert.id, "王芳", site.ns)
    assert heard(site.pass_time(86_401, OK)) == ["nurse"]
    assert heard(site.pass_time(2 * 86_402, OK)) == ["nurse"]
    assert site.service.get(alert.id).reopened == 2


def test_closing_while_the_steps_go_on_stops_them(site: Site) -> None:
    site.plan(policy(step("c0", wait_s=60), step("c1")))
    alert = site.take().alert
    site.send(OK)
    site.service.cancel(alert.id, "李奶奶", site.ns)
    assert {d.event for d in site.pass_time(200, OK)} == {"alert.cancelled"}
    assert site.service.next_deadline_ns(site.ns) is None


def test_everybody_who_was_told_hears_that_it_was_a_false_alarm(site: Site) -> None:
    """Also those of earlier steps, and whoever could not be reached so far; not those who were never told."""
    site.plan(policy(step("c0", wait_s=60), step("nurse", wait_s=600), step("c1")))
    alert = site.take().alert
    site.send(OK)
    site.pass_time(61, only("c0"))
    site.service.resolve(alert.id, "王芳", site.ns, outcome=Outcome.FALSE_ALARM)
    told = {d.contact: d.payload["text"] for d in site.pass_time(300, OK) if d.event == "alert.cancelled"}
    assert set(told) == {"c0", "nurse"}
    assert all("误报，打扰了" in text["zh"] and "false alarm, sorry" in text["en"] for text in told.values())


def test_a_suspected_alert_that_is_taken_tells_the_first_step_only(site: Site) -> None:
    site.plan(policy(step("c0", wait_s=60), step("c1")))
    alert = site.take("fall", Phase.SUSPECTED).alert
    site.service.acknowledge(alert.id, "王芳", site.ns)
    assert {d.contact for d in site.pass_time(200, OK)} == {"c0"}
    assert [item.state for item in site.service.outbox.items(alert.id)] == [RowState.DELIVERED] * 2


def test_an_alert_of_the_first_schema_goes_on_by_the_built_in_policy(site: Site) -> None:
    alert = site.take().alert
    site.send(OK)
    with site.database.write() as session:
        session.execute(
            text("UPDATE alerts SET plan = '{}', policy = '', step = -1, step_at_ns = NULL, scheduled_ns = 0")
        )
    assert heard(site.pass_time(61, OK)) == ["assist", "c0", "c1", "nurse"]
    site.service.acknowledge(alert.id, "王芳", site.ns)
    assert heard(site.pass_time(site.now + 901, OK))[:1] == ["assist"]


def test_versions_of_the_plan(site: Site) -> None:
    book = site.service.router.plans
    with site.database.read() as session:
        assert book.in_force(session).source == "built-in"
    site.plan(policy(step("c0")))
    site.restart()
    book = site.service.router.plans
    with site.database.read() as session:
        assert (book.in_force(session).source, book.in_force(session).version) == ("database", 1)
    assert book.put(site.database, None, by="王芳", now_ns=T0).source == "built-in"
    with site.database.read() as session:
        assert book.in_force(session).version == 2
        assert [one.source for one in book.versions(session)] == ["built-in", "database"]


def test_a_plan_that_can_no_longer_be_read_is_the_files(
    make_site: Callable[..., Site], caplog: pytest.LogCaptureFixture
) -> None:
    site = make_site()
    site.plan(policy(step("c0")))
    with site.database.write() as session:
        session.execute(text("UPDATE escalation SET plan = '{\"policy\": 3}'"))
    site.restart()
    with site.database.read() as session:
        assert site.service.router.plans(session) == Plan.model_validate({})
    assert "cannot be read" in caplog.text
    assert site.take().alert.policy == "built-in person"
