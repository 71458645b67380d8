"""The contract battery that every detector passes, ours and third parties': `check_detector(factory, scenario)`.

    from analytics.check import check_detector

    def test_my_detector_keeps_the_contract():
        check_detector(MyDetector, scenario)

It raises `ContractError` at the first thing that a detector must not do, and says what it was. CHECKS lists what is
checked; each one takes (factory, scenario) and can be run alone. Where `chunk_invariance` has shown that it does not
matter how often a detector steps, the other checks step as seldom as the scenario allows.
"""

from __future__ import annotations

import gc
import math
import random
import tracemalloc
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from analytics.findings import Finding, Phase
from analytics.kinds import KINDS
from analytics.scenarios import (
    DECOY,
    SECOND_NS,
    Scenario,
    absent,
    attach_all,
    doubtful,
    play,
    ragged_steps,
    recut,
    steps,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from analytics.findings import Detector

    Factory = Callable[[], Detector]
    Essence = tuple[str, str, str, int, str | None, tuple[str, ...]]

HOUR_NS = 3600 * SECOND_NS
WARM_UP_ROUNDS = 3
MEASURED_ROUNDS = 2
GROWTH_BYTES = 16_000
"""Noise of the interpreter and of arrays that have not reached their size; whoever keeps what was observed is above."""
STORM_FACTOR = 3
STORM_EXTRA = 8
_ORDER = {Phase.SUSPECTED: 0, Phase.CONFIRMED: 1, Phase.CLEARED: 2}


class ContractError(AssertionError):
    """A detector broke its contract: which check, in which scenario, and what happened."""

    def __init__(self, check: str, scenario: str, what: str) -> None:
        super().__init__(f"{check}, scenario {scenario!r}: {what}")
        self.check = check
        self.scenario = scenario
        self.what = what


def check_detector(factory: Factory, scenario: Scenario) -> None:
    """Run every check. factory: makes a fresh detector with nothing attached. Raises ContractError."""
    for check in CHECKS:
        check(factory, scenario)


def explains_itself(factory: Factory, scenario: Scenario) -> None:
    """Finds what is expected; each finding is complete, in order of time, and no episode goes back in phase."""
    found: list[Finding] = []
    detector = _attached(factory, scenario)
    for now, batch in steps(scenario, _second(scenario)):
        detector.ingest(batch)
        at_once = detector.step(now)
        times = [finding.at_ns for finding in at_once]
        _require(times == sorted(times), "explains_itself", scenario, f"a step gave findings out of order: {times}")
        late = [finding for finding in at_once if finding.at_ns > now]
        _require(not late, "explains_itself", scenario, f"found at {now} what happens only later: {late[:1]}")
        found += at_once
    missing = scenario.expected - {finding.kind for finding in found}
    _require(not missing, "explains_itself", scenario, f"never found {sorted(missing)}; found {_kinds(found)}")
    _well_formed("explains_itself", scenario, found)


def chunk_invariance(factory: Factory, scenario: Scenario) -> None:
    """However the observations are cut, and whenever the steps are, the findings are the same."""
    reference = _findings(factory, scenario, _second(scenario))
    two = replace(scenario, observations=tuple(part for o in scenario.observations for part in recut(o)))
    ways: list[tuple[str, list[Finding]]] = [
        ("one observation at a time", play(_attached(factory, scenario), steps(scenario, _second(scenario)), 10**9)),
        ("steps four times as often", _findings(factory, scenario, _second(scenario) / 4)),
        (f"steps every {scenario.step_s} s", _findings(factory, scenario, scenario.step_s)),
        ("blocks cut in two", _findings(factory, two, _second(scenario))),
    ]
    ways += [
        (f"uneven steps, seed {seed}", play(_attached(factory, scenario), ragged_steps(scenario, seed)))
        for seed in range(3)
    ]
    for name, found in ways:
        _same("chunk_invariance", scenario, f"with {name}", reference, found)


def slot_independence(factory: Factory, scenario: Scenario) -> None:
    """What other devices send, and that one of them is detached in between, changes nothing."""
    reference = _findings(factory, scenario)
    both = scenario.with_decoys()
    for order in (1, -1):
        named = replace(both, devices=dict(list(both.devices.items())[::order]))
        _same("slot_independence", scenario, "beside other devices", reference, _real(_findings(factory, named)))
    detector = _attached(factory, both)
    found: list[Finding] = []
    third_ns = (scenario.end_ns - scenario.start_ns) // 3
    others = [name for name in both.devices if name.startswith(DECOY)]
    for now, batch in steps(both, both.step_s):
        while others and now >= scenario.start_ns + third_ns:
            detector.detach(others.pop())
        detector.ingest(batch)
        found += detector.step(now)
    _same("slot_independence", scenario, "after other devices were detached", reference, _real(found))
    strange = factory()
    found = play(strange, steps(scenario, scenario.step_s))
    _require(not found, "slot_independence", scenario, f"findings of devices never attached: {_kinds(found)}")


def reset(factory: Factory, scenario: Scenario) -> None:
    """A device detached and attached again has no past; attaching under another resident moves it."""
    again = scenario.shifted(scenario.end_ns - scenario.start_ns + HOUR_NS)
    reference = _findings(factory, again)
    for share in (0.35, 0.7, 1.0):
        detector = _attached(factory, scenario)
        part = scenario.until(share)
        play(detector, steps(part, scenario.step_s))
        for device_id in scenario.devices:
            detector.detach(device_id)
        detector.detach("never attached")
        detector.step(part.end_ns)
        detector.step(again.start_ns)
        attach_all(detector, again)
        found = play(detector, steps(again, scenario.step_s))
        _same("reset", scenario, f"after detach at {share:.0%} and attach", reference, found)
    moved = replace(again, devices={name: f"new-{who}" for name, who in scenario.devices.items()})
    detector = _attached(factory, scenario)
    play(detector, steps(scenario.until(0.7), scenario.step_s))
    attach_all(detector, moved)
    detector.step(again.start_ns)
    found = play(detector, steps(again, scenario.step_s))
    _same("reset", scenario, "after attach under another resident", _findings(factory, moved), found)


def gaps(factory: Factory, scenario: Scenario) -> None:
    """Lost observations crash nothing, and the result still does not depend on the chunks."""
    chance = random.Random(1)
    third = (scenario.end_ns - scenario.start_ns) // 3
    hole = range(scenario.start_ns + third, scenario.start_ns + 2 * third)
    for name, holey in (
        ("a third of all observations missing", scenario.changed(lambda o: o if chance.random() > 0.33 else None)),
        ("the middle third missing", scenario.changed(lambda o: None if o.received_ns in hole else o)),
    ):
        reference = _findings(factory, holey, _second(holey))
        _well_formed("gaps", holey, reference)
        _same(
            "gaps",
            scenario,
            f"{name}, uneven steps",
            reference,
            play(_attached(factory, holey), ragged_steps(holey, 7)),
        )


def unknown_values(factory: Factory, scenario: Scenario) -> None:
    """NaN, infinity and absent values crash nothing, and absent values alone say nothing about a person."""
    spoiled = replace(scenario, observations=tuple(part for o in scenario.observations for part in doubtful(o)))
    _well_formed("unknown_values", spoiled, _findings(factory, spoiled))
    about_people = [f for f in _findings(factory, scenario.changed(absent)) if not KINDS[f.kind].technical]
    _require(not about_people, "unknown_values", scenario, f"found {_kinds(about_people)} from absent values alone")


def clock_jumps(factory: Factory, scenario: Scenario) -> None:
    """Device or gateway clock set an hour forward or back: no crash, no storm of findings."""
    middle = (scenario.start_ns + scenario.end_ns) // 2
    allowed = STORM_FACTOR * len(_findings(factory, scenario)) + STORM_EXTRA * len(scenario.devices)
    for jump in (HOUR_NS, -HOUR_NS, 24 * HOUR_NS):
        for whose in ("device", "gateway"):
            found = _with_jump(factory, scenario, middle, jump, gateway=whose == "gateway")
            what = f"{len(found)} findings (at most {allowed}) after the {whose} clock jumped {jump // SECOND_NS} s"
            _require(len(found) <= allowed, "clock_jumps", scenario, f"{what}: {_kinds(found)}")
            _well_formed("clock_jumps", scenario, found)


def no_growth(factory: Factory, scenario: Scenario) -> None:
    """The same hour again and again needs no more memory."""
    detector = _attached(factory, scenario)
    period = scenario.end_ns - scenario.start_ns + HOUR_NS
    before = 0
    tracemalloc.start()
    try:
        for i in range(WARM_UP_ROUNDS + MEASURED_ROUNDS):
            round_ = scenario.shifted(i * period)
            play(detector, steps(round_, scenario.step_s))
            del round_
            gc.collect()
            if i == WARM_UP_ROUNDS - 1:
                before = tracemalloc.get_traced_memory()[0]
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    what = f"{grown} bytes more after {MEASURED_ROUNDS} rounds of the scenario (at most {GROWTH_BYTES})"
    _require(grown <= GROWTH_BYTES, "no_growth", scenario, what)


CHECKS: tuple[Callable[[Factory, Scenario], None], ...] = (
    explains_itself,
    chunk_invariance,
    slot_independence,
    reset,
    gaps,
    unknown_values,
    clock_jumps,
    no_growth,
)


def _attached(factory: Factory, scenario: Scenario) -> Detector:
    detector = factory()
    attach_all(detector, scenario)
    return detector


def _findings(factory: Factory, scenario: Scenario, step_s: float | None = None) -> list[Finding]:
    return play(_attached(factory, scenario), steps(scenario, step_s or scenario.step_s))


def _second(scenario: Scenario) -> float:
    return min(1.0, scenario.step_s)


def _with_jump(factory: Factory, scenario: Scenario, middle_ns: int, jump_ns: int, *, gateway: bool) -> list[Finding]:
    detector = _attached(factory, scenario)
    found: list[Finding] = []
    for now, batch in steps(scenario, scenario.step_s):
        late = jump_ns if now >= middle_ns else 0
        received = late if gateway else 0
        detector.ingest([replace(o, at_ns=o.at_ns + late, received_ns=o.received_ns + received) for o in batch])
        found += detector.step(now + received)
    return found


def _well_formed(check: str, scenario: Scenario, found: Sequence[Finding]) -> None:
    furthest: dict[str, Finding] = {}
    for f in found:
        _require(f.kind in KINDS, check, scenario, f"kind {f.kind!r} is not in the table of kinds: {f}")
        sure = isinstance(f.confidence, (int, float)) and math.isfinite(f.confidence) and 0 <= f.confidence <= 1
        _require(sure, check, scenario, f"confidence {f.confidence} is not within 0 to 1: {f}")
        _require(isinstance(f.at_ns, int), check, scenario, f"at_ns is {type(f.at_ns).__name__}, not int: {f}")
        _require(
            "rule" in f.evidence or "model" in f.evidence, check, scenario, f"no rule or model in the evidence: {f}"
        )
        _require(bool(f.devices), check, scenario, f"no device named: {f}")
        known = {scenario.devices[d] for d in f.devices if d in scenario.devices}
        technical = KINDS[f.kind].technical
        _require(
            technical or f.resident_id in known, check, scenario, f"resident {f.resident_id!r} has no such device: {f}"
        )
        before = furthest.get(f.episode)
        if before is not None:
            forward = before.kind == f.kind and _ORDER[before.phase] <= _ORDER[f.phase]
            _require(forward, check, scenario, f"episode went back from {before.kind} {before.phase}: {f}")
        furthest[f.episode] = f


def _same(check: str, scenario: Scenario, how: str, reference: Sequence[Finding], found: Sequence[Finding]) -> None:
    want, have = Counter(map(_essence, reference)), Counter(map(_essence, found))
    if want != have:
        raise ContractError(
            check, scenario.name, f"{how}: missing {_short(want - have)}, unexpected {_short(have - want)}"
        )


def _essence(finding: Finding) -> Essence:
    return (
        finding.kind, finding.phase, finding.episode, finding.at_ns, finding.resident_id, tuple(sorted(finding.devices))
    )  # fmt: skip


def _short(essences: Counter[Essence]) -> list[str]:
    return [f"{kind} {phase} of {episode} at {at_ns}" for kind, phase, episode, at_ns, *_ in list(essences)[:4]]


def _real(found: Iterable[Finding]) -> list[Finding]:
    return [f for f in found if not any(device_id.startswith(DECOY) for device_id in f.devices)]


def _kinds(found: Iterable[Finding]) -> dict[str, int]:
    return dict(Counter(f"{f.kind} {f.phase}" for f in found))


def _require(kept: bool, check: str, scenario: Scenario, what: str) -> None:
    if not kept:
        raise ContractError(check, scenario.name, what)
