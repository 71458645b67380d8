"""Pauses, maintenance, floods and storms: what may wait waits, what must be told is told, nothing is forgotten."""

from collections.abc import Iterable
from typing import Any

import pytest
from alert_site import S, Site

from analytics.findings import Phase
from analytics.kinds import KINDS, MATRIX, Harm, Priority, Speed
from gateway.alerts.alert import Alert
from gateway.alerts.holds import Limits, NotPausableError, UnknownHoldError
from gateway.alerts.lifecycle import Outcome, State
from gateway.audit import read_audit
from gateway.channels.base import Accepted

OK = Accepted("ok")


def raised(site: Site) -> list[tuple[str, str]]:
    sent = site.send(OK)
    return sorted({(d.payload["kind"], d.payload["devices"][0]["id"]) for d in sent if d.event == "alert.raised"})


def test_the_matrix_is_that_of_the_standard_and_every_kind_stands_in_it() -> None:
    assert [[MATRIX[harm, speed].value for speed in Speed] for harm in Harm] == [[1, 1, 2], [1, 2, 3], [2, 3, 3]]
    assert {kind.priority for kind in KINDS.values()} == set(Priority)
    for name in ("fall", "help_call", "smoke", "gas", "carbon_monoxide", "motionless"):
        assert KINDS[name].latching, name
        assert KINDS[name].priority is Priority.HIGH, name
    for name in ("spo2_low", "heart_rate_high", "battery_low", "signal_lost"):
        assert not KINDS[name].latching, name


def pause(site: Site, kind: str = "heart_rate_high", seconds: float = 300, reason: str = "翻身擦洗") -> Any:
    return site.service.pause("r1", kind, seconds, reason=reason, by="王芳", now_ns=site.ns)


def test_a_paused_condition_waits_and_is_told_if_it_lasts(site: Site) -> None:
    silence = pause(site)
    assert site.service.holds_in_force(site.ns) == [silence]
    alert = site.take("heart_rate_high").alert
    assert (alert.state, alert.held, alert.window_until_ns) == (State.SUSPECTED, "paused", site.ns + 300 * S)
    assert site.take("heart_rate_high", episode="e2").alert.state is State.SUSPECTED
    assert site.pass_time(299, OK) == []
    site.restart()
    assert {d.contact for d in site.pass_time(301, OK)} == {"assist", "c0", "nurse"}
    assert site.service.holds_in_force(site.ns) == []
    assert [row.action for row in audit(site) if row.action.startswith("paused")] == ["paused.begun"]


def audit(site: Site) -> Any:
    with site.database.read() as session:
        return read_audit(session)


def test_what_is_over_before_the_pause_ends_tells_nobody(site: Site) -> None:
    pause(site)
    site.take("heart_rate_high")
    assert site.take("heart_rate_high", Phase.CLEARED).alert.state is State.CANCELLED
    assert site.pass_time(1000, OK) == []


def test_ending_a_pause_tells_at_once(site: Site) -> None:
    silence = pause(site)
    site.take("heart_rate_high")
    site.now = 10
    site.service.end_hold(silence.id, by="王芳", now_ns=site.ns)
    assert len(site.send(OK)) == 3
    for again in (silence.id, 999):
        with pytest.raises(UnknownHoldError):
            site.service.end_hold(again, by="王芳", now_ns=site.ns)
    assert site.take("heart_rate_high", episode="e9", at_ns=site.ns + 60 * S).alert.held is None


def test_others_are_not_paused_with_it(site: Site) -> None:
    pause(site)
    assert site.take("heart_rate_high", resident_id="r2", devices=("w2",)).alert.state is State.RAISED
    assert site.take("spo2_low").alert.state is State.RAISED


@pytest.mark.parametrize("kind", ["fall", "help_call", "smoke", "gas", "water_leak", "battery_low", "earthquake"])
def test_what_must_be_told_cannot_be_paused(site: Site, kind: str) -> None:
    with pytest.raises(NotPausableError):
        pause(site, kind)


@pytest.mark.parametrize("wrong", [{"seconds": 601}, {"seconds": 0}, {"seconds": float("nan")}, {"reason": " "}])
def test_a_pause_is_short_and_has_a_reason(site: Site, wrong: dict[str, Any]) -> None:
    with pytest.raises(NotPausableError):
        pause(site, **wrong)


def test_maintenance_holds_equipment_and_never_a_person(site: Site) -> None:
    site.service.maintain(None, 3600, reason="换电池", by="王芳", now_ns=site.ns)
    held = site.take("signal_lost", episode="s").alert
    assert held.held == "maintenance"
    assert site.take("delivery_failed", episode="d", resident_id=None, devices=()).alert.state is State.RAISED
    assert site.take("help_call").alert.state is State.RAISED
    assert site.take("heart_rate_high", episode="h").alert.state is State.RAISED
    site.send(OK)
    site.pass_time(3601, OK)
    assert site.service.get(held.id).state is State.DELIVERED


def test_maintenance_of_one_device(site: Site) -> None:
    silence = site.service.maintain("w1", 3600, reason="维修", by="王芳", now_ns=site.ns)
    assert site.take("signal_lost", episode="s").alert.held == "maintenance"
    assert site.take("signal_lost", episode="t", devices=("bed",)).alert.held is None
    site.service.end_hold(silence.id, by="王芳", now_ns=site.ns)
    assert raised(site) == [("signal_lost", "bed"), ("signal_lost", "w1")]
    with pytest.raises(NotPausableError):
        site.service.maintain("w1", 1e9, reason="维修", by="王芳", now_ns=site.ns)


def lost(site: Site, number: int, phase: Phase = Phase.CONFIRMED) -> Any:
    more = {"resident_id": f"x{number}", "devices": (f"d{number}",)}
    return site.take("signal_lost", phase, f"lost{number}", **more).alert


def test_a_flood_becomes_one_alert_that_ends_with_its_last_member(site: Site) -> None:
    for number in range(20):
        lost(site, number)
    told = raised(site)
    assert len([kind for kind, _ in told if kind == "signal_lost"]) == 5
    assert [device for kind, device in told if kind == "alert_flood"] == ["flood:signal_lost"]
    (flood,) = [alert for alert in site.service.open_alerts() if alert.kind == "alert_flood"]
    assert (flood.count, flood.evidence["kind"], flood.evidence["count"]) == (15, "signal_lost", 15)
    assert "d19" in str(flood.evidence["devices"])
    assert site.pass_time(599, OK) == []
    for number in range(5, 20):
        assert lost(site, number, Phase.CLEARED).state is State.CANCELLED
    assert site.service.get(flood.id).state is State.RESOLVED


def lost_together(site: Site, numbers: Iterable[int], phase: Phase = Phase.CONFIRMED) -> None:
    more = [{"resident_id": f"x{number}", "devices": (f"d{number}",)} for number in numbers]
    findings = [site.finding("signal_lost", phase, f"lost{one['devices'][0]}", **one) for one in more]
    site.service.take_many(findings, site.ns)


def floods(site: Site) -> list[Alert]:
    return [alert for alert in site.service.list(limit=1000).alerts if alert.kind == "alert_flood"]


def test_a_flood_that_comes_at_once_is_written_as_one_that_comes_one_by_one(site: Site) -> None:
    lost_together(site, range(40))
    (flood,) = floods(site)
    assert (flood.count, flood.evidence["count"]) == (35, 35)
    told = raised(site)
    assert ("alert_flood", "flood:signal_lost") in told
    assert len(told) == 6
    lost_together(site, range(5, 39), Phase.CLEARED)
    assert floods(site)[0].state is State.DELIVERED
    lost_together(site, [39], Phase.CLEARED)
    assert floods(site)[0].state is State.RESOLVED
    revisions = [entry.revision for entry in site.service.history(flood.id)]
    assert revisions == list(range(1, len(revisions) + 1))


def test_who_ends_and_who_joins_at_once_each_find_their_flood(site: Site) -> None:
    """A flood that somebody has taken gets no more members: later ones are another, and each ends with its own."""
    lost_together(site, range(8))
    (first,) = floods(site)
    site.service.acknowledge(first.id, "王芳", site.ns)
    site.now += 30
    lost_together(site, range(8, 12))
    second, _ = floods(site)
    assert second.id != first.id
    assert second.count == 4
    site.now += 1
    lost_together(site, [*range(5, 8), *range(8, 12)], Phase.CLEARED)
    assert [alert.state for alert in floods(site)] == [State.RESOLVED, State.RESOLVED]


def test_a_flood_touches_no_alarm_of_a_person(site: Site) -> None:
    for number in range(8):
        lost(site, number)
    for number in range(8):
        site.take("help_call", episode=f"h{number}", resident_id=f"x{number}", devices=(f"b{number}",))
        site.take("heart_rate_high", episode=f"v{number}", resident_id=f"x{number}", devices=(f"w{number}",))
    kinds = [kind for kind, _ in raised(site)]
    assert (kinds.count("help_call"), kinds.count("heart_rate_high")) == (8, 8)


def test_a_member_of_a_flood_that_lasts_is_told_by_itself_after_a_day(site: Site) -> None:
    for number in range(6):
        lost(site, number)
    site.send(OK)
    assert "d5" not in {d.payload["devices"][0]["id"] for d in site.pass_time(3600, OK)}
    site.now = 86_300
    assert "d5" not in {d.payload["devices"][0]["id"] for d in site.pass_time(86_399, OK)}
    assert "d5" in {d.payload["devices"][0]["id"] for d in site.pass_time(86_401, OK)}


def test_a_person_may_take_and_close_what_is_held(site: Site) -> None:
    for number in range(6):
        lost(site, number)
    (member,) = [alert for alert in site.service.open_alerts() if alert.held]
    assert site.service.acknowledge(member.id, "王芳", site.ns).state is State.ACKNOWLEDGED
    site.service.resolve(member.id, "王芳", site.ns, outcome=Outcome.OTHER)
    other = lost(site, 7)
    site.service.cancel(other.id, "王芳", site.ns)
    assert [a for a in site.service.open_alerts() if a.kind == "alert_flood"] == []


def test_a_storm_about_one_person_is_kept_back_after_the_twelfth_and_never_what_is_urgent(site: Site) -> None:
    def again(kind: str, number: int) -> Any:
        site.now += 60
        alert = site.take(kind, episode=f"{kind}{number}").alert
        site.take(kind, Phase.CLEARED, f"{kind}{number}")
        return alert

    held = [again("heart_rate_high", number).held for number in range(14)]
    assert held == [None] * 12 + ["limited"] * 2
    assert site.take("heart_rate_high", episode="other", resident_id="r2", devices=("w2",)).alert.held is None
    assert [again("spo2_low", number).held for number in range(14)] == [None] * 14
    site.now += 3700
    assert again("heart_rate_high", 99).held is None


def test_a_test_is_never_held(site: Site) -> None:
    site.service.maintain(None, 3600, reason="换电池", by="王芳", now_ns=site.ns)
    assert site.take("signal_lost", evidence={"test": True}).alert.held is None


def test_the_site_may_set_other_limits(make_site: Any) -> None:
    site = make_site(limits=Limits(flood=1, storm=2))
    assert [lost(site, number).held for number in range(3)] == [None, "grouped", "grouped"]
