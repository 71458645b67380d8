"""What `check_detector` plays to a detector: a scenario, and the ways to change it (recut, shift, rename, spoil)."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from device_drivers.observations import Observation, Quality, Reading, Samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from analytics.findings import Detector, Finding

SECOND_NS = 1_000_000_000
DECOY = "decoy-"


@dataclass(frozen=True, slots=True)
class Scenario:
    """Some minutes of some devices.

    devices: resident (or None) by device id. observations: in the order of arrival (`received_ns`). start_ns, end_ns:
    the first and the last step. expected: finding kinds that must come at least once, so that a detector that says
    nothing does not pass. options: keyword arguments of `attach` by device id. step_s: the longest time between two
    steps that the detector allows; the battery steps at this and at shorter times.
    """

    name: str
    devices: Mapping[str, str | None]
    observations: tuple[Observation, ...]
    start_ns: int
    end_ns: int
    expected: frozenset[str]
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    step_s: float = 10.0

    def shifted(self, ns: int) -> Scenario:
        """The same, `ns` later."""
        moved = tuple(replace(o, at_ns=o.at_ns + ns, received_ns=o.received_ns + ns) for o in self.observations)
        return replace(self, observations=moved, start_ns=self.start_ns + ns, end_ns=self.end_ns + ns)

    def until(self, share: float) -> Scenario:
        """Its first part; share: 0 to 1."""
        end_ns = self.start_ns + int((self.end_ns - self.start_ns) * share)
        early = tuple(o for o in self.observations if o.received_ns <= end_ns)
        return replace(self, observations=early, end_ns=end_ns)

    def changed(self, change: Callable[[Observation], Observation | None]) -> Scenario:
        """Every observation replaced by `change(o)`, or dropped where that is None."""
        changed = (change(o) for o in self.observations)
        return replace(self, observations=tuple(o for o in changed if o is not None))

    def with_decoys(self) -> Scenario:
        """Beside every device a second one of another resident that sends the same, before and after the real one."""
        devices = {DECOY + name: None if who is None else DECOY + who for name, who in self.devices.items()}
        both = [o for real in self.observations for o in (replace(real, device_id=DECOY + real.device_id), real)]
        options = {DECOY + name: given for name, given in self.options.items()} | dict(self.options)
        return replace(self, devices=devices | dict(self.devices), observations=tuple(both), options=options)


def steps(scenario: Scenario, step_s: float) -> Iterator[tuple[int, list[Observation]]]:
    """(now, what has arrived since the last step), `step_s` apart, the last one at `end_ns`."""
    return _batches(scenario, lambda: step_s)


def ragged_steps(scenario: Scenario, seed: int) -> Iterator[tuple[int, list[Observation]]]:
    """The same with steps at uneven times, from a hundredth of the longest allowed step to the whole."""
    chance = random.Random(seed)
    return _batches(scenario, lambda: scenario.step_s * 10 ** chance.uniform(-2, 0))


def _batches(scenario: Scenario, next_s: Callable[[], float]) -> Iterator[tuple[int, list[Observation]]]:
    now, taken = scenario.start_ns, 0
    while True:
        end = taken
        while end < len(scenario.observations) and scenario.observations[end].received_ns <= now:
            end += 1
        yield now, list(scenario.observations[taken:end])
        taken = end
        if now >= scenario.end_ns:
            return
        now = min(scenario.end_ns, now + max(1, int(next_s() * SECOND_NS)))


def attach_all(detector: Detector, scenario: Scenario) -> None:
    """Attach every device of the scenario with its options."""
    for device_id, resident_id in scenario.devices.items():
        detector.attach(device_id, resident_id, **scenario.options.get(device_id, {}))


def play(detector: Detector, batches: Iterator[tuple[int, list[Observation]]], pieces: int = 1) -> list[Finding]:
    """Everything the detector finds; each batch is handed over in `pieces` calls of `ingest`."""
    found: list[Finding] = []
    for now, batch in batches:
        size = max(1, math.ceil(len(batch) / pieces))
        for i in range(0, len(batch), size):
            detector.ingest(batch[i : i + size])
        found += detector.step(now)
    return found


def recut(o: Observation) -> list[Observation]:
    """A block of samples as two; blocks that the device has numbered cannot be cut."""
    if not isinstance(o, Samples) or o.sequence is not None or len(o.values) < 2:
        return [o]
    half = len(o.values) // 3 + 1
    later = o.at_ns + round(half / o.rate_hz * SECOND_NS)
    return [replace(o, values=o.values[:half]), replace(o, values=o.values[half:], at_ns=later)]


def absent(o: Observation) -> Observation:
    """The same without its value: samples NaN, reading absent, event unknown."""
    if isinstance(o, Samples):
        return replace(o, values=np.full_like(o.values, np.nan))
    return replace(o, value=None, quality=Quality.INVALID)


def doubtful(o: Observation) -> list[Observation]:
    """The observation, and around it what a broken sensor may send: no value, NaN, infinity, an empty block."""
    if isinstance(o, Samples):
        empty = replace(o, values=o.values[:0])
        spoiled = o.values.copy()
        spoiled[::7] = np.nan
        spoiled[1::7] = np.inf
        return [empty, replace(o, values=spoiled), empty]
    if isinstance(o, Reading):
        return [absent(o), replace(o, value=math.nan), o, replace(o, value=math.inf, quality=Quality.POOR)]
    return [absent(o), o, replace(o, quality=Quality.POOR, repeat=True)]
