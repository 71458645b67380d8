"""A part of the engine that fails is exchanged: the others keep what they know, and nobody's bad data harms another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from analytics_scenes import at, event, reading, tumble

from analytics.device_events import DeviceEvents
from analytics.engine import Engine, PartsFailedError, default_engine
from analytics.falls.detector import FallDetector
from analytics.findings import Finding, Phase
from analytics.mending import REST_NS, exchange_failed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from device_drivers.observations import Observation

DEVICES: dict[str, tuple[str | None, dict[str, object]]] = {"w": ("li", {"lost_after_s": 60.0}), "v": ("wang", {})}


class Allergic:
    """Cannot stand the heart rate 13, and not even to exist where `always`. Says when 70 came."""

    signals = frozenset({"heart_rate"})
    always = False

    def __init__(self) -> None:
        self.got: list[Observation] = []

    def attach(self, device_id: str, resident_id: str | None) -> None:
        pass

    def detach(self, device_id: str) -> None:
        pass

    def ingest(self, observations: Sequence[Observation]) -> None:
        self.got += observations

    def step(self, _now_ns: int) -> list[Finding]:
        if self.always or any(getattr(one, "value", None) == 13 for one in self.got):
            raise ZeroDivisionError("a programming error")
        found = [
            Finding(f"e:{one.device_id}", "heart_rate_high", None, at(1), Phase.CONFIRMED, 1.0, (one.device_id,))
            for one in self.got
            if getattr(one, "value", None) == 70
        ]
        self.got.clear()
        return found


def engine() -> Engine:
    made = Engine(DeviceEvents(), Allergic())
    for device, (resident, _) in DEVICES.items():
        made.attach(device, resident)
    return made


def fresh() -> Engine:
    return Engine(DeviceEvents(), Allergic())


def test_the_others_work_on_and_the_new_part_gets_everything_but_what_it_cannot_stand() -> None:
    mine = engine()
    bad = reading("w", "heart_rate", 13, 2)
    units: list[list[Observation]] = [[event("w", "fall", value=True, s=1)], [bad], [reading("v", "heart_rate", 70, 2)]]
    units += [[reading("v", "heart_rate", 71 + n, 3)] for n in range(20)]
    mine.ingest([one for unit in units for one in unit])
    with pytest.raises(PartsFailedError, match="part 1: ZeroDivisionError") as failed:
        mine.step(at(5))
    assert list(failed.value.errors) == [1]
    assert exchange_failed(mine, 1, fresh, DEVICES, units, at(5)) == 1
    assert sorted((f.kind, f.devices) for f in mine.step(at(5))) == [("fall", ("w",)), ("heart_rate_high", ("v",))]


def test_a_part_that_cannot_be_started_rests_for_a_minute_and_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = engine()
    monkeypatch.setattr(Allergic, "always", True)
    units: list[list[Observation]] = [[reading("w", "heart_rate", 70, 2)]]
    assert exchange_failed(mine, 1, fresh, {"w": ("li", {})}, units, at(5)) == 1
    mine.attach("x", None)
    mine.ingest([reading("w", "heart_rate", 70, 6)])
    mine.detach("x")
    assert mine.step(at(6)) == []
    assert mine.pending_devices() == set()
    with pytest.raises(PartsFailedError, match="tried again"):
        mine.step(at(5) + REST_NS)
    monkeypatch.setattr(Allergic, "always", False)
    assert exchange_failed(mine, 1, fresh, {"w": ("li", {})}, units, at(70)) == 0
    assert [f.kind for f in mine.step(at(70))] == ["heart_rate_high"]


def test_a_part_that_fails_while_it_takes_observations_keeps_none_from_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mine = engine()
    monkeypatch.setattr(Allergic, "ingest", lambda *_: 1 / 0)
    with pytest.raises(PartsFailedError):
        mine.ingest([event("w", "fall", value=True, s=1), reading("w", "heart_rate", 70, 2)])
    assert [f.kind for f in mine.step(at(2))] == ["fall"]


def test_a_fall_is_found_although_the_fall_detector_was_exchanged_in_the_middle_of_it() -> None:
    """The new one is given the seconds before again, and comes to the same episode as an undisturbed one."""
    made, whole = default_engine(), default_engine()
    for each in (made, whole):
        each.attach("w", "li")
    blocks = tumble("w", 12.5, 45)
    found: list[Finding] = []
    expected: list[Finding] = []
    for n, one in enumerate(blocks):
        made.ingest([one])
        whole.ingest([one])
        if n == 12:
            assert exchange_failed(made, 0, default_engine, {"w": ("li", {})}, [blocks[1 : n + 1]], at(n + 1)) == 0
        found += made.step(at(n + 1))
        expected += whole.step(at(n + 1))
    assert isinstance(made.detector(0)[0], FallDetector)
    assert [(f.episode, f.phase) for f in found if f.kind == "fall"] == [
        (f.episode, f.phase) for f in expected if f.kind == "fall"
    ]
    assert any(f.kind == "fall" for f in found)
