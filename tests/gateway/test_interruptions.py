"""Interruptions: one finding for each, not before its time, and over when the way is seen to work."""

from __future__ import annotations

from dataclasses import replace

from analytics.findings import Finding, Phase
from gateway.interruptions import (
    BROKER_DOWN,
    DELAY_S,
    FIRST_S,
    LINE_LOST,
    QUIET_LINE_S,
    RETURN_S,
    SETTLED_S,
    Interruptions,
    Way,
)

NS = 10**9
OWNERS: dict[str, str | None] = {"radar": "li", "w": "wang"}
LINE = Way(LINE_LOST, "radar", connected=True, behind=frozenset({"radar"}), frames=0)
DOWN = replace(LINE, connected=False, error="OSError: gone")
BROKER = Way(BROKER_DOWN, "broker", connected=True, behind=frozenset({f"d{n}" for n in range(50)}))


class Looker:
    """Looks four times a second at what there is."""

    def __init__(self) -> None:
        self.watch = Interruptions()
        self.now_s = 0.0
        self.found: list[Finding] = []

    def look(self, way: Way, seconds: float) -> list[tuple[str, str, float]]:
        before = len(self.found)
        for _ in range(int(seconds * 4)):
            self.found += self.watch.look([way], OWNERS, int(self.now_s * NS), self.now_s)
            self.now_s += 0.25
        return [(one.kind, str(one.phase), one.at_ns / NS) for one in self.found[before:]]

    def restless(self, flapping: set[str], online: set[str], seconds: float) -> list[tuple[str, str, float]]:
        before = len(self.found)
        for _ in range(int(seconds * 4)):
            self.found += self.watch.look_at_restless(flapping, online, OWNERS, int(self.now_s * NS), self.now_s)
            self.now_s += 0.25
        return [(one.kind, str(one.phase), one.at_ns / NS) for one in self.found[before:]]


def test_a_line_that_is_lost_is_told_of_once_with_device_and_resident_and_is_over_when_it_speaks_again() -> None:
    looker = Looker()
    assert looker.look(LINE, 10) == []
    assert looker.look(DOWN, 3600) == [("line_lost", "confirmed", 10 + DELAY_S)]
    assert looker.watch.cut == {"radar"}
    first = looker.found[0]
    assert (first.devices, first.resident_id) == (("radar",), "li")
    assert first.evidence == {"rule": "line_lost/1", "devices_behind": 1, "error": "OSError: gone"}
    assert looker.look(LINE, 10) == [], "it is open, but nothing is understood on it yet"
    assert looker.watch.cut == frozenset()
    assert [phase for _, phase, _ in looker.look(replace(LINE, frames=5), 10)] == ["cleared"]
    assert looker.found[1].episode == first.episode


def test_an_open_line_on_which_nobody_speaks_is_over_after_a_while() -> None:
    looker = Looker()
    looker.look(LINE, 1)
    looker.look(DOWN, 10)
    back = looker.now_s
    assert looker.look(LINE, 100) == [("line_lost", "cleared", back + QUIET_LINE_S)]


def test_a_stumble_is_no_interruption_and_a_line_that_was_never_there_has_its_time() -> None:
    looker = Looker()
    looker.look(LINE, 5)
    assert looker.look(DOWN, DELAY_S - 0.5) == []
    assert looker.look(LINE, 60) == []
    fresh = Looker()
    assert fresh.look(DOWN, 60) == [("line_lost", "confirmed", FIRST_S)]


def test_a_broker_is_one_interruption_for_all_behind_it_and_one_that_died_is_told_of_at_once() -> None:
    looker = Looker()
    looker.look(BROKER, 5)
    died = replace(BROKER, deaths=1)
    assert looker.look(replace(died, connected=False), 1) == [("broker_down", "confirmed", 5.0)]
    assert len(looker.watch.cut) == 50
    assert looker.look(died, 10) == [("broker_down", "cleared", 6 + RETURN_S)]
    assert looker.look(replace(BROKER, deaths=2), 1) == [("broker_down", "confirmed", 16.0)], "however short"
    assert [one.resident_id for one in looker.found] == [None] * 3


def test_what_is_open_from_before_the_start_is_over_when_the_way_works_and_not_told_twice() -> None:
    before = Finding("line_lost:radar:1", LINE_LOST, "li", 1, Phase.CONFIRMED, 1.0, ("radar",), {})
    looker = Looker()
    assert looker.watch.resume(before)
    assert looker.look(DOWN, 600) == []
    looker.look(LINE, 1)
    assert [phase for _, phase, _ in looker.look(replace(LINE, frames=1), 10)] == ["cleared"]
    assert looker.found[0].episode == "line_lost:radar:1"
    assert not looker.watch.resume(replace(before, kind="battery_low"))
    assert not looker.watch.resume(replace(before, devices=()))


def test_a_device_that_keeps_reconnecting_is_told_of_once_and_again_well_when_it_stays() -> None:
    looker = Looker()
    assert looker.restless({"w"}, {"w"}, 600) == [("reconnecting", "confirmed", 0.0)]
    assert looker.found[0].resident_id == "wang"
    assert looker.restless(set(), {"w"}, 60) == []
    assert looker.restless(set(), set(), 3600) == [], "silence says nothing"
    assert [phase for _, phase, _ in looker.restless(set(), {"w"}, 1)] == ["cleared"]
    assert looker.found[0].episode == looker.found[1].episode


def test_a_restless_device_from_before_the_start_must_be_seen_to_stay() -> None:
    before = Finding("reconnecting:w:1", "reconnecting", "wang", 1, Phase.CONFIRMED, 1.0, ("w",), {})
    looker = Looker()
    assert looker.watch.resume(before)
    assert looker.restless(set(), set(), 3600) == []
    seen = looker.now_s
    assert looker.restless(set(), {"w"}, 300) == [("reconnecting", "cleared", seen + SETTLED_S)]
