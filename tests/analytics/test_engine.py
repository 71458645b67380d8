"""The engine: who gets what, options, order, closing, and what all parts together make of one fall."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import numpy as np
import pytest
from analytics_scenes import at, block, brief, event, feed, in_order, reading, tumble

from analytics.device_events import DeviceEvents
from analytics.engine import Engine, UnknownOptionError, default_engine
from analytics.findings import Finding, Phase
from analytics.limit_table import Override
from analytics.limits import VitalLimits
from analytics.technical import TechnicalWatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from device_drivers.observations import Observation


class Recorder:
    """A third party's detector that keeps to the protocol and no more."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.got: list[Observation] = []

    def attach(self, device_id: str, resident_id: str | None) -> None:
        self.calls.append(f"attach {device_id} {resident_id}")

    def detach(self, device_id: str) -> None:
        self.calls.append(f"detach {device_id}")

    def ingest(self, observations: Sequence[Observation]) -> None:
        self.got += observations

    def step(self, now_ns: int) -> list[Finding]:
        return [Finding("e", "fall", "li", now_ns, Phase.SUSPECTED, 0.5, ("x",), {"rule": "x/1"})] if self.got else []


class Choosy(Recorder):
    signals = frozenset({"heart_rate"})

    def attach(self, device_id: str, resident_id: str | None, *, gain: float = 1.0) -> None:
        super().attach(device_id, f"{resident_id} {gain}")

    def pending_devices(self) -> set[str]:
        return {o.device_id for o in self.got}


def test_each_part_gets_what_it_asks_for() -> None:
    everything, choosy, told = Recorder(), Choosy(), Recorder()
    engine = Engine(everything, choosy, (told, {"accel"}))
    obs: list[Observation] = [
        reading("w", "heart_rate", 70.0, 1),
        block("w", 1, np.ones((50, 3))),
        event("w", "door", "open", 2),
    ]
    engine.ingest(obs)
    engine.ingest([])
    assert everything.got == obs
    assert choosy.got == obs[:1]
    assert told.got == obs[1:2]


def test_options_go_to_the_parts_that_know_them() -> None:
    plain, choosy = Recorder(), Choosy()
    engine = Engine(plain, choosy, TechnicalWatch(), VitalLimits())
    engine.attach("w", "li", gain=2.0, lost_after_s=60)
    engine.detach("w")
    assert plain.calls == ["attach w li", "detach w"]
    assert choosy.calls == ["attach w li 2.0", "detach w"]
    with pytest.raises(
        UnknownOptionError, match=r"unknown device option 'colour'; known: .*gain.*lost_after_s"
    ) as error:
        engine.attach("v", "li", colour="red")
    assert error.value.option == "colour"
    assert plain.calls == ["attach w li", "detach w"]


def test_parts_can_be_reached() -> None:
    engine = Engine(VitalLimits())
    engine.part(VitalLimits).set_limits("li", {"heart_rate_low": Override(limit=30)})
    with pytest.raises(LookupError, match="TechnicalWatch"):
        engine.part(TechnicalWatch)


def test_pending_devices_of_all_parts() -> None:
    engine = Engine(Choosy(), Recorder())
    engine.ingest([reading("w", "heart_rate", 70.0, 1), reading("v", "spo2", 97.0, 1)])
    assert engine.pending_devices() == {"w"}


def test_findings_come_joined_and_in_order_of_time() -> None:
    engine = Engine(VitalLimits(), DeviceEvents())
    engine.attach("radar", "li")
    engine.attach("sos", "li")
    engine.ingest([reading("radar", "heart_rate", 35.0, s) for s in range(0, 40, 2)])
    engine.ingest([event("radar", "fall", value=True, s=5), event("sos", "help_button", value=True, s=35)])
    found = engine.step(at(40))
    assert brief(found) == [
        ("fall", "confirmed", 5.0),
        ("heart_rate_low", "confirmed", 30.0),
        ("fall", "confirmed", 35.0),
    ]
    assert found[0].episode == found[2].episode


def test_closing_reaches_every_part_and_the_joined_episodes() -> None:
    engine = Engine(DeviceEvents(), TechnicalWatch(), VitalLimits())
    engine.attach("radar", "li")
    engine.attach("sos", "li")
    engine.ingest([event("radar", "fall", value=True, s=5), event("sos", "help_button", value=True, s=6)])
    first = engine.step(at(7))
    engine.close(first[0].episode)
    engine.ingest([event("radar", "fall", value=True, s=8, repeat=True), event("sos", "help_button", value=True, s=9)])
    second = engine.step(at(10))
    assert brief(second) == [("help_call", "confirmed", 9.0)]
    assert second[0].episode != first[0].episode


def test_a_detached_device_leaves_no_trace() -> None:
    engine = Engine(DeviceEvents())
    engine.attach("radar", "li")
    feed(engine, [event("radar", "fall", value=True, s=5)], 6)
    engine.detach("radar")
    engine.attach("radar", "li")
    found = feed(engine, [event("radar", "fall", value=True, s=7)], 8)
    assert [f.episode for f in found] == [f"fall:radar:{at(7)}"]


def has_falls() -> bool:
    try:
        return importlib.util.find_spec("analytics.falls.detector") is not None
    except ModuleNotFoundError:
        return False


def test_the_shipped_set_with_a_fall_detector_of_ones_own() -> None:
    own = Recorder()
    engine = default_engine(fall_detector=own, path_delay_s=5, press_window_s=1)
    engine.attach("w", "li", lost_after_s=60)
    engine.ingest([block("w", 0, np.ones((50, 3))), reading("w", "heart_rate", 70.0, 1)])
    assert [type(o).__name__ for o in own.got] == ["Samples"]
    assert {type(engine.part(kind)) for kind in (DeviceEvents, VitalLimits, TechnicalWatch)}


@pytest.mark.skipif(not has_falls(), reason="analytics.falls.detector is not part of this installation")
def test_watch_radar_and_button_make_one_fall_of_it() -> None:
    engine = default_engine()
    for device in ("watch", "radar", "sos"):
        engine.attach(device, "li")
    others = [event("radar", "fall", value=True, s=48), event("sos", "help_button", value=True, s=55)]
    found = feed(engine, in_order(tumble("watch", 40, 120), others), 125)
    falls = [f for f in found if f.kind in {"fall", "help_call"}]
    assert len({f.episode for f in falls}) == 1
    assert {"watch", "radar", "sos"} == set(falls[-1].devices)
    assert any(f.phase is Phase.CONFIRMED for f in falls)
