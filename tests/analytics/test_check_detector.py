"""The contract battery: every shipped detector passes it, and it catches each way of breaking the contract."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from analytics_scenes import SECOND, T0, at, engine_scene, event_scene, technical_scene, vital_scene, wearable_scene

from analytics import check
from analytics.check import CHECKS, ContractError, check_detector
from analytics.device_events import DeviceEvents
from analytics.engine import Engine, default_engine
from analytics.findings import Detector, Finding, Phase
from analytics.limits import VitalLimits
from analytics.scenarios import Scenario
from analytics.technical import TechnicalWatch
from device_drivers.observations import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from device_drivers.observations import Observation

try:
    HAS_FALLS = importlib.util.find_spec("analytics.falls.detector") is not None
except ModuleNotFoundError:
    HAS_FALLS = False
needs_falls = pytest.mark.skipif(not HAS_FALLS, reason="analytics.falls.detector is not part of this installation")


def shipped_without_falls() -> Engine:
    return Engine(DeviceEvents(), VitalLimits(), TechnicalWatch())


def fall_detector() -> Detector:
    from analytics.falls.detector import FallDetector

    detector: Detector = FallDetector()
    return detector


def whole_home_with_falls() -> Scenario:
    home, wearer = engine_scene(), wearable_scene()
    both = sorted((*home.observations, *wearer.observations), key=lambda o: o.received_ns)
    return replace(home, observations=tuple(both), devices=dict(wearer.devices) | dict(home.devices), step_s=5.0)


CASES = [
    pytest.param(VitalLimits, vital_scene, id="limits"),
    pytest.param(TechnicalWatch, technical_scene, id="technical"),
    pytest.param(DeviceEvents, event_scene, id="events"),
    pytest.param(shipped_without_falls, engine_scene, id="engine"),
    pytest.param(fall_detector, wearable_scene, id="falls", marks=needs_falls),
    pytest.param(default_engine, whole_home_with_falls, id="default-engine", marks=needs_falls),
]


@pytest.mark.parametrize("one", CHECKS, ids=lambda one: one.__name__)
@pytest.mark.parametrize(("factory", "scene"), CASES)
@pytest.mark.no_cover
def test_shipped_detectors_keep_the_contract(
    factory: Callable[[], Detector], scene: Callable[[], Scenario], one: Callable[..., None]
) -> None:
    one(factory, scene())


class Counting:
    """A correct small detector: a heart rate above 200 is a finding. The broken ones below differ in one thing."""

    kind = "heart_rate_high"

    def __init__(self) -> None:
        self.devices: dict[str, str | None] = {}
        self.found: list[Finding] = []

    def attach(self, device_id: str, resident_id: str | None) -> None:
        self.devices[device_id] = resident_id

    def detach(self, device_id: str) -> None:
        self.devices.pop(device_id, None)

    def judge(self, o: Reading) -> Finding | None:
        if o.value is None or not 200 < o.value < 300:
            return None
        return self.finding(o)

    def finding(self, o: Reading) -> Finding:
        episode = f"{o.device_id}:{o.at_ns}"
        who = self.devices[o.device_id]
        return Finding(episode, self.kind, who, o.at_ns, Phase.CONFIRMED, 0.9, (o.device_id,), {"rule": "over/1"})

    def ingest(self, observations: Sequence[Observation]) -> None:
        for o in observations:
            if o.device_id in self.devices and isinstance(o, Reading):
                finding = self.judge(o)
                if finding:
                    self.found.append(finding)

    def step(self, now_ns: int) -> list[Finding]:  # noqa: ARG002
        found, self.found = sorted(self.found, key=lambda f: f.at_ns), []
        return found


def small_scene() -> Scenario:
    beats = [Reading("w", "heart_rate", 210.0 if s in {20, 40} else 70.0, at(s), at(s)) for s in range(60)]
    return Scenario("beats", {"w": "li"}, tuple(beats), T0, at(60), frozenset({"heart_rate_high"}))


class Silent(Counting):
    def judge(self, o: Reading) -> Finding | None:  # noqa: ARG002
        return None


class UnknownKind(Counting):
    kind = "sneeze"


class TooSure(Counting):
    def finding(self, o: Reading) -> Finding:
        return replace(super().finding(o), confidence=1.5)


class NoReason(Counting):
    def finding(self, o: Reading) -> Finding:
        return replace(super().finding(o), evidence={"value": 210.0})


class Prophet(Counting):
    def finding(self, o: Reading) -> Finding:
        return replace(super().finding(o), at_ns=o.at_ns + 3600 * SECOND)


class Unordered(Counting):
    def step(self, now_ns: int) -> list[Finding]:
        return [g for f in super().step(now_ns) for g in (f, replace(f, at_ns=f.at_ns - 5))]


class GoesBack(Counting):
    def step(self, now_ns: int) -> list[Finding]:
        return [g for f in super().step(now_ns) for g in (f, replace(f, phase=Phase.SUSPECTED))]


class Stranger(Counting):
    def finding(self, o: Reading) -> Finding:
        return replace(super().finding(o), resident_id="somebody")


class Nobody(Counting):
    def finding(self, o: Reading) -> Finding:
        return replace(super().finding(o), devices=())


class StepTime(Counting):
    """Says when it was stepped instead of when it happened."""

    def step(self, now_ns: int) -> list[Finding]:
        return [replace(f, at_ns=now_ns) for f in super().step(now_ns)]


class LastOnly(Counting):
    """Judges one reading of each batch."""

    def ingest(self, observations: Sequence[Observation]) -> None:
        super().ingest(observations[-1:])


class Mixing(Counting):
    """One episode name for everybody, counted up."""

    count = 0

    def finding(self, o: Reading) -> Finding:
        self.count += 1
        return replace(super().finding(o), episode=f"high:{self.count}")


class Everybody(Counting):
    """Does not care what is attached."""

    def ingest(self, observations: Sequence[Observation]) -> None:
        for o in observations:
            self.devices.setdefault(o.device_id, "li")
        super().ingest(observations)


class Remembers(Counting):
    """Says a thing once in its life."""

    def __init__(self) -> None:
        super().__init__()
        self.said: set[str] = set()

    def judge(self, o: Reading) -> Finding | None:
        finding = super().judge(o)
        if finding is None or o.device_id in self.said:
            return None
        self.said.add(o.device_id)
        return finding


class AfterGap(Counting):
    """Starts a new count with each step that brings nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.empty_steps = 0

    def ingest(self, observations: Sequence[Observation]) -> None:
        self.empty_steps = 0
        super().ingest(observations)

    def step(self, now_ns: int) -> list[Finding]:
        self.empty_steps += 1
        extra = []
        if self.empty_steps == 15 and "w" in self.devices:
            o = Reading("w", "heart_rate", None, now_ns, now_ns)
            extra = [self.finding(o)]
        return super().step(now_ns) + extra


class NoneIsZero(Counting):
    def judge(self, o: Reading) -> Finding | None:
        return self.finding(o) if o.value is None or 200 < o.value < 300 else None


class Crashes(Counting):
    def judge(self, o: Reading) -> Finding | None:
        assert o.value is not None
        return super().judge(replace(o, value=float(int(o.value))))


class Storm(Counting):
    """After its clock went back, everything is news."""

    last = 0

    def judge(self, o: Reading) -> Finding | None:
        back, self.last = o.at_ns < self.last, max(self.last, o.at_ns)
        return self.finding(o) if back else super().judge(o)


class Hoards(Counting):
    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Observation] = []

    def ingest(self, observations: Sequence[Observation]) -> None:
        self.kept += observations
        super().ingest(observations)


def test_a_correct_detector_passes() -> None:
    check_detector(Counting, small_scene())


@pytest.mark.parametrize(
    ("broken", "name", "message"),
    [
        (Silent, "explains_itself", r"never found \['heart_rate_high'\]"),
        (TooSure, "explains_itself", "confidence 1.5 is not within 0 to 1"),
        (NoReason, "explains_itself", "no rule or model"),
        (Prophet, "explains_itself", "happens only later"),
        (Unordered, "explains_itself", "out of order"),
        (GoesBack, "explains_itself", "went back"),
        (Stranger, "explains_itself", "no such device"),
        (Nobody, "explains_itself", "no device named"),
        (StepTime, "chunk_invariance", "missing .* unexpected"),
        (LastOnly, "chunk_invariance", "missing"),
        (Mixing, "slot_independence", "beside other devices"),
        (Everybody, "slot_independence", "never attached"),
        (Remembers, "reset", "after detach"),
        (AfterGap, "gaps", "middle third missing"),
        (NoneIsZero, "unknown_values", "from absent values alone"),
        (Storm, "clock_jumps", "clock jumped"),
        (Hoards, "no_growth", "bytes more after"),
    ],
)
def test_each_way_of_breaking_the_contract_is_caught(broken: type[Counting], name: str, message: str) -> None:
    with pytest.raises(ContractError, match=message) as caught:
        getattr(check, name)(broken, small_scene())
    assert caught.value.check == name
    assert caught.value.scenario == "beats"


def test_a_kind_outside_the_table_is_caught() -> None:
    with pytest.raises(ContractError, match="kind 'sneeze' is not in the table"):
        check.explains_itself(UnknownKind, replace(small_scene(), expected=frozenset()))


def test_a_crash_on_unknown_values_is_not_swallowed() -> None:
    with pytest.raises(AssertionError):
        check.unknown_values(Crashes, small_scene())
