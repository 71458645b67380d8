"""A resident's settings and open findings outlive a part of the engine that fails and is exchanged."""

from __future__ import annotations

from collections.abc import Sequence

from analytics.care import Care
from analytics.engine import Engine
from analytics.findings import Finding
from analytics.limit_table import Override
from analytics.limits import VitalLimits
from device_drivers.observations import Observation, Reading
from gateway.engine_keeper import EngineKeeper
from gateway.live import LiveState

SECOND = 1_000_000_000
T0 = 1_800_000_000 * SECOND


class Stumbling(VitalLimits):
    """Limits that fail at one heart rate."""

    def ingest(self, observations: Sequence[Observation]) -> None:
        if any(isinstance(o, Reading) and o.value == 99.0 for o in observations):
            raise RuntimeError("stumbled")
        super().ingest(observations)


def keeper(care: dict[str, Care] | None = None) -> EngineKeeper:
    made = EngineKeeper(lambda: Engine(Stumbling()), LiveState())
    made.assign({"w": "li"}, {})
    made.set_care(care or {})
    return made


def play(made: EngineKeeper, begin: int, end: int, value: float) -> list[Finding]:
    found: list[Finding] = []
    for s in range(begin, end):
        at = T0 + s * SECOND
        batch = [Reading("w", "heart_rate", value, at, at)]
        found += made.take(batch, at, float(s))
        found += made.conclude(batch, at, float(s))
    return found


def kinds(found: list[Finding]) -> list[tuple[str, str]]:
    return [(f.kind, str(f.phase)) for f in found]


def test_an_open_finding_is_ended_by_the_part_that_took_its_place() -> None:
    made = keeper()
    (begun,) = play(made, 0, 40, 38.0)
    assert kinds(play(made, 40, 41, 99.0)) == [("box_fault", "confirmed")]
    ended = [f for f in play(made, 41, 80, 70.0) if f.kind == "heart_rate_low"]
    assert [(f.episode, str(f.phase)) for f in ended] == [(begun.episode, "cleared")]


def test_what_a_person_has_closed_is_not_taken_over() -> None:
    made = keeper()
    (begun,) = play(made, 0, 40, 38.0)
    made.close(begun.episode)
    play(made, 40, 41, 99.0)
    assert [f for f in play(made, 41, 80, 70.0) if f.kind == "heart_rate_low"] == []


def test_own_limits_hold_in_the_new_part_and_can_be_taken_back() -> None:
    low = {"li": Care(limits={"heart_rate_low": Override(limit=30)})}
    made = keeper(low)
    play(made, 0, 1, 99.0)
    assert [f for f in play(made, 1, 60, 38.0) if f.kind == "heart_rate_low"] == []
    made.set_care(low)
    made.set_care({})
    assert kinds([f for f in play(made, 60, 120, 38.0) if f.kind == "heart_rate_low"]) == [
        ("heart_rate_low", "confirmed")
    ]
