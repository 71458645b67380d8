"""What bed and main door tell about a fall."""

from __future__ import annotations

import pytest

from analytics.engine import default_engine
from analytics.findings import Finding, Phase
from analytics.surroundings import KEPT, NEAR_NS, FallSurroundings
from analytics.words import why
from device_drivers.observations import DeviceEvent, Quality

SECOND = 1_000_000_000
IMPACT = 1_760_000_000 * SECOND


def event(device_id: str, signal: str, value: str | bool, seconds: float, **more: object) -> DeviceEvent:
    at_ns = IMPACT + round(seconds * SECOND)
    return DeviceEvent(device_id, signal, value, at_ns, at_ns, **more)  # type: ignore[arg-type]


def at_home() -> FallSurroundings:
    around = FallSurroundings()
    around.attach("pad", "li")
    around.attach("door", "li", place="main_door")
    around.attach("fridge", "li", place="fridge")
    around.attach("hall", None)
    return around


@pytest.mark.parametrize(
    ("said", "evidence"),
    [
        ([], {}),
        ([("left", -20)], {"bed_left_s": 20}),
        ([("in", -900), ("in", -300)], {"in_bed": True}),
        ([("in", -5000)], {}),
        ([("in", -5000), ("in", 3)], {"in_bed": True}),
        ([("left", -500)], {}),
        ([("in", -900), ("left", 4)], {}),
        ([("left", -20), ("in", 8)], {"bed_left_s": 20, "bed_back_s": 8}),
        ([("none", -20), ("in", 400)], {}),
        ([("left", -20), ("in", -600)], {"bed_left_s": 20}),
    ],
)
def test_the_bed(said: list[tuple[str, float]], evidence: dict[str, object]) -> None:
    around = at_home()
    around.ingest([event("pad", "bed_occupancy", value, at) for value, at in said])
    assert around.evidence("li", IMPACT) == evidence
    assert around.evidence("wang", IMPACT) == {}
    assert around.evidence(None, IMPACT) == {}
    assert around.step(IMPACT) == []


def test_only_the_main_door_counts_and_only_after_the_fall() -> None:
    around = at_home()
    others = [event(device_id, "door", "open", 3) for device_id in ("fridge", "hall")]
    around.ingest([*others, event("door", "door", "open", -9)])
    assert around.evidence("li", IMPACT) == {}
    around.ingest([event("door", "door", "closed", -8), event("door", "door", True, 12)])
    assert around.evidence("li", IMPACT) == {"door_opened_s": 12}
    assert around.evidence("li", IMPACT - NEAR_NS) == {"door_opened_s": 291}


def test_what_is_stored_invalid_or_odd_tells_nothing() -> None:
    around = at_home()
    around.ingest(
        [
            event("pad", "bed_occupancy", "left", -20, stored=True),
            event("pad", "bed_occupancy", "left", -20, quality=Quality.INVALID),
            event("pad", "bed_occupancy", "elsewhere", -20),
            event("unknown", "bed_occupancy", "left", -20),
        ]
    )
    assert around.evidence("li", IMPACT) == {}


def test_devices_move_and_go_and_little_is_kept() -> None:
    around = at_home()
    around.ingest([event("pad", "bed_occupancy", "in" if n % 2 else "left", n - 100) for n in range(40)])
    assert len(around._sensors["pad"].changes) == KEPT
    around.attach("pad", "li", place="bed")
    assert around.evidence("li", IMPACT)
    around.attach("pad", "wang")
    around.detach("door")
    around.detach("fridge")
    around.detach("door")
    assert around.evidence("li", IMPACT) == {}
    assert set(around._of) == {"wang"}


def test_the_finding_of_a_fall_carries_it() -> None:
    engine = default_engine()
    engine.attach("radar", "li")
    engine.attach("pad", "li")
    engine.attach("door", "li", place="main_door")
    engine.ingest([event("pad", "bed_occupancy", "left", -30), event("radar", "fall", True, 0)])
    (first,) = [one for one in engine.step(IMPACT + SECOND) if one.kind == "fall"]
    assert isinstance(first, Finding)
    assert first.evidence["bed_left_s"] == 30
    assert why(first.evidence).en == "30 s after leaving the bed"
    assert why(first.evidence).zh == "离床 30 秒后"
    assert first.phase is not Phase.CLEARED


def test_each_piece_has_words() -> None:
    assert why({"in_bed": True}).en == "the bed sensor says in bed"
    assert why({"bed_back_s": 9}).zh == "9 秒后又上床"
    both = why({"bed_left_s": 20, "door_opened_s": 12}, 0.9)
    assert both.en == "20 s after leaving the bed, main door opened 12 s later, 90% sure"
