"""Heartbeats and test alerts: when they are due, how they end, whom they reach."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from alert_site import T0, S, Site

from analytics.findings import Phase
from analytics.kinds import KINDS
from gateway.alerts.alert import State
from gateway.alerts.policy import TEST_ALERT
from gateway.alerts.records import AlertFilter
from gateway.channels.base import Accepted, Refused
from gateway.drill import CATCH_UP_NS, LATE_S, condition, due_at, findings
from gateway.heartbeat import FarSide, heartbeat_data

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.alerts.alert import Alert

CHINA, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
TEN = time(10)


def at(text: str, zone: ZoneInfo = CHINA) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()) * S


def due(text: str, days: tuple[str, ...] = (), clock: time = TEN) -> str | None:
    found = due_at(clock, days, CHINA, at(text))
    return None if found is None else datetime.fromtimestamp(found // S, CHINA).strftime("%a %H:%M")


def test_a_test_is_due_from_its_time_on_and_made_up_for_within_half_a_day() -> None:
    assert due("2026-02-03 09:59:59") is None
    assert due("2026-02-03 10:00:00") == "Tue 10:00"
    assert due("2026-02-03 21:59:59") == "Tue 10:00"
    assert due("2026-02-03 22:00:00") is None
    assert due("2026-02-04 01:00:00", clock=time(23)) == "Tue 23:00"
    assert CATCH_UP_NS == 12 * 3600 * S


def test_only_on_its_days() -> None:
    assert due("2026-02-03 10:00:00", ("mon",)) is None
    assert due("2026-02-09 10:00:00", ("mon",)) == "Mon 10:00"
    assert due("2026-02-10 01:00:00", ("mon",), time(23)) == "Mon 23:00"


def test_summer_time_moves_no_test() -> None:
    for day in ("2026-03-28", "2026-03-29", "2026-03-30", "2026-10-25"):
        now = at(f"{day} 12:00:00", BERLIN)
        found = due_at(TEN, (), BERLIN, now)
        assert found is not None
        assert datetime.fromtimestamp(found / S, UTC).astimezone(BERLIN).hour == 10


def drill(site: Site, due_ns: int | None) -> list[Phase]:
    page = site.service.list(AlertFilter(kinds=(TEST_ALERT,)), limit=5)
    found = findings(due_ns, page.alerts, site.ns)
    site.service.take_many(found, site.ns)
    return [one.phase for one in found]


def latest(site: Site) -> Alert:
    return site.service.list(AlertFilter(kinds=(TEST_ALERT,)), limit=1).alerts[0]


def test_it_reaches_the_service_and_nobody_else_and_ends_when_that_has_accepted_it(site: Site) -> None:
    assert drill(site, T0) == [Phase.CONFIRMED]
    assert drill(site, T0) == []
    (dispatch,) = site.claim()
    assert (dispatch.channel, dispatch.event) == ("webhook", "alert.raised")
    assert dispatch.payload["test"] is True
    assert dispatch.payload["text"]["zh"].startswith("【测试】测试报警：测试站，")
    site.service.settle(dispatch, Accepted(), site.ns)
    assert drill(site, T0) == [Phase.CLEARED]
    assert not latest(site).state.open
    assert [(one.channel, one.event) for one in site.claim()] == [("webhook", "alert.resolved")]
    assert drill(site, T0) == []
    site.now += 86_400
    assert drill(site, T0 + 86_400 * S) == [Phase.CONFIRMED]


def test_a_plan_of_the_site_does_not_send_tests_to_families(site: Site) -> None:
    everybody = {"name": "all", "about": "all", "steps": [{"targets": ["role:family", "first"]}]}
    site.plan(everybody | {"kinds": [TEST_ALERT]})
    drill(site, T0)
    assert [one.channel for one in site.claim()] == ["webhook"]


def test_what_is_not_accepted_is_told_again_and_is_a_fault_itself(site: Site) -> None:
    drill(site, T0)
    sent = site.pass_time(LATE_S + 1, Refused("down"))
    assert {one.channel for one in sent} == {"webhook"}
    page = [latest(site)]
    assert condition(page, T0 + int(LATE_S) * S).bad is False
    assert condition(page, site.ns).bad is True
    assert drill(site, T0) == []
    again = site.pass_time(3600, lambda one: Accepted() if one.channel == "webhook" else Refused("none"))
    assert any(one.payload["kind"] == TEST_ALERT for one in again)
    assert latest(site).state is State.DELIVERED
    assert condition([latest(site)], site.ns).bad is False
    assert drill(site, T0) == [Phase.CLEARED]
    assert condition([], site.ns).bad is False


def test_a_test_that_is_still_open_takes_the_next_one_in(site: Site) -> None:
    drill(site, T0)
    site.now = 86_400.0
    assert drill(site, T0 + 86_400 * S) == [Phase.CONFIRMED]
    assert len(latest(site).episodes) == 2
    answered = replace(latest(site), delivered_ns=site.ns)
    assert [one.phase for one in findings(None, [answered], site.ns)] == [Phase.CLEARED] * 2


def test_it_is_about_equipment() -> None:
    assert KINDS[TEST_ALERT].technical


def test_three_intervals_without_an_answer_are_silence() -> None:
    far = FarSide("webhook", 60.0, now_s=100.0)
    assert far.condition(280.0).bad is False
    assert far.condition(281.0).bad is True
    far.settle(Refused("HTTP 500"), 281.0)
    silent = far.condition(290.0)
    assert silent.bad
    assert silent.thing == "far:webhook"
    assert silent.evidence == {"channel": "webhook", "silent_s": 190.0, "error": "HTTP 500"}
    far.settle(Accepted(), 300.0)
    assert far.condition(301.0).bad is False
    assert (far.accepted, far.refused, far.error) == (1, 1, "")


@pytest.mark.parametrize("healthy", [True, False])
def test_a_heartbeat_says_nothing_about_anybody(healthy: bool) -> None:
    said = heartbeat_data("银龄之家", 60.0, "2026-02-03T04:05:06Z", 2, healthy=healthy)
    assert set(said) == {"schema", "site", "interval_s", "started", "open_alerts", "healthy"}


def test_the_queue_is_as_old_as_its_oldest_message_on_the_way(site: Site) -> None:
    outbox = site.service.outbox
    assert outbox.oldest(site.ns) == {}
    site.take()
    site.now = 50.0
    (age,) = outbox.oldest(site.ns).values()
    assert age == pytest.approx(50.0)
    assert outbox.oldest(T0 - S) == {KINDS["help_call"].priority: 0.0}
    site.send(lambda one: Accepted() if one.channel == "webhook" else Refused("no"))
    assert outbox.oldest(site.ns)
    site.pass_time(200, Refused("no"))
    settled: Callable[[Alert], bool] = lambda one: one.kind == "delivery_failed"  # noqa: E731
    assert any(map(settled, site.service.open_alerts()))
    assert all(age < 150 for age in outbox.oldest(site.ns).values())
