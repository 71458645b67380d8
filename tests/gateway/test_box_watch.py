"""Conditions of the box become findings and end again; what is not known changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from analytics.findings import Finding, Phase
from analytics.kinds import KINDS
from gateway.box_watch import DISK_LOW, FORGOTTEN_S, KINDS_HERE, BoxWatch, Condition

if TYPE_CHECKING:
    from collections.abc import Sequence


def look(watch: BoxWatch, now_s: float, bad: bool | None, **more: float) -> list[str]:
    condition = Condition(DISK_LOW, "box:disk", bad, {"free_mb": 1}, **more)
    return [f"{one.phase} {one.episode}" for one in watch.look([condition], int(now_s * 1e9), now_s)]


def test_every_kind_is_about_equipment_and_ends_by_itself() -> None:
    assert all(KINDS[name].technical and not KINDS[name].latching for name in KINDS_HERE)


def test_one_condition_is_one_finding_however_often_it_is_looked_at() -> None:
    watch = BoxWatch()
    assert look(watch, 0, False) == []
    begun = look(watch, 5, True)
    assert begun == ["confirmed disk_low:box:disk:5000000000"]
    assert look(watch, 10, True) == []
    assert watch.open == {(DISK_LOW, "box:disk")}
    assert look(watch, 15, False) == ["cleared disk_low:box:disk:5000000000"]
    assert look(watch, 20, False) == []
    assert watch.open == frozenset()


def test_it_must_last_to_begin_and_to_end() -> None:
    watch = BoxWatch()
    seen: list[tuple[int, Sequence[str]]] = []
    moments = [(0, True), (8, True), (9, False), (12, True), (21, True), (23, True), (30, False), (40, True)]
    for now_s, bad in [*moments, (50, False), (79, False), (80, False)]:
        if found := look(watch, now_s, bad, begin_s=10, end_s=30):
            seen.append((now_s, [one.split()[0] for one in found]))
    assert seen == [(23, ["confirmed"]), (80, ["cleared"])]


def test_what_is_not_known_changes_nothing() -> None:
    watch = BoxWatch()
    assert look(watch, 0, None) == []
    look(watch, 1, True)
    assert look(watch, 2, None) == []
    assert watch.open == {(DISK_LOW, "box:disk")}


def finding(kind: str = DISK_LOW, thing: str = "box:disk") -> Finding:
    return Finding("old", kind, None, 1, Phase.CONFIRMED, 1.0, (thing,))


@pytest.mark.parametrize("bad", [True, False])
def test_what_was_open_before_a_start_is_not_told_twice_and_ends_when_its_cause_has_gone(bad: bool) -> None:
    watch = BoxWatch()
    assert watch.resume(finding())
    assert watch.open == {(DISK_LOW, "box:disk")}
    assert look(watch, 0, None) == []
    assert look(watch, 1, bad) == ([] if bad else ["cleared old"])
    assert look(watch, 2, False) == (["cleared old"] if bad else [])


def test_what_nobody_looks_at_any_more_ends() -> None:
    watch = BoxWatch()
    watch.resume(finding("assist_silent", "far:gone"))
    assert look(watch, 100, False) == []
    assert look(watch, 99 + FORGOTTEN_S, False) == []
    assert look(watch, 100 + FORGOTTEN_S, False) == ["cleared old"]
    assert look(watch, 200 + FORGOTTEN_S, False) == []


def test_what_is_of_another_part_is_left_to_it() -> None:
    watch = BoxWatch()
    assert not watch.resume(finding("line_lost", "x"))
    assert not watch.resume(Finding("old", DISK_LOW, None, 1, Phase.CONFIRMED, 1.0, ()))
