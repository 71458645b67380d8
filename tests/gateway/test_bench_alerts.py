"""The benchmark of alerts itself: everything waiting arrives, the most urgent first; what misses an aim is said."""

import asyncio

from analytics.findings import Finding, Phase
from analytics.kinds import Priority
from gateway.alerts.alert import Alert
from gateway.alerts.lifecycle import open_alert
from gateway.cli.bench_alerts import displaced, drain, figures, missed

HIGH, MEDIUM, LOW = Priority.HIGH, Priority.MEDIUM, Priority.LOW


def test_a_waiting_outbox_drains_completely_and_in_order_of_priority() -> None:
    drained = asyncio.run(asyncio.wait_for(drain(120), 300))
    assert drained["arrived"] == drained["waiting"] == 120
    assert drained["displaced"] <= drained["at_once"]


def test_what_came_too_early_is_counted() -> None:
    assert displaced([HIGH, HIGH, MEDIUM, LOW]) == 0
    assert displaced([HIGH, MEDIUM, MEDIUM, HIGH, LOW]) == 2
    assert displaced([LOW, MEDIUM, HIGH]) == 2
    assert displaced([]) == 0


def test_what_misses_an_aim_is_said() -> None:
    good = {
        "drain": {"waiting": 9, "arrived": 9, "displaced": 3, "at_once": 16},
        "load": {"p99_s": 0.1, "behind_flood_s": 0.4},
    }
    assert missed(good) == []
    slow = {"drain": good["drain"] | {"arrived": 8}, "load": {"p99_s": None, "behind_flood_s": 1.2}}
    assert [one.split(" ")[0] for one in missed(slow)] == ["the", "finding", "behind"]


def probe(kind: str, at_s: int) -> Alert:
    finding = Finding(f"{kind}{at_s}", kind, "r1", at_s * 10**9, Phase.CONFIRMED, 1.0, ("w1",))
    return open_alert(finding, at_s * 10**9).alert


def test_what_comes_before_and_after_the_flood_is_told_apart() -> None:
    before, flood, after, lost = probe("help_call", 1), probe("smoke", 5), probe("help_call", 6), probe("help_call", 7)
    found = figures([lost, after, flood, before], {before.id: 1.1, flood.id: 5.5, after.id: 6.25})
    assert found == {
        "arrived": 3,
        "p50_s": 0.1,
        "p99_s": 0.1,
        "worst_s": 0.1,
        "behind_flood_s": 0.5,
        "during_flood_s": 0.25,
    }
    assert set(figures([], {}).values()) == {0, None}
