"""Falls of everybody who wears an accelerometer: gate, features, model and what follows, put together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analytics.cohort import CAPACITY
from analytics.falls import confirm
from analytics.falls.candidates import CandidateFinder
from analytics.falls.confirm import Episode, Verdict
from analytics.falls.features import AFTER, BEFORE, NAMES, RATE_HZ, describe, mean
from analytics.falls.model import shipped
from analytics.falls.physics import RULE, unmistakable
from analytics.findings import Evidence, Finding, Phase

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from analytics.falls.candidates import Candidates
    from analytics.falls.model import Model
    from analytics.falls.trace import Trace
    from device_drivers.observations import Observation

KIND = "fall"
SIGNAL_STOPPED_NS = 12_000_000_000
"""A suspected fall whose stream has been silent for this long is confirmed: nobody can say that all is well."""
SAME_FALL = AFTER
"""Cells around the impact of a fall within which another impact is the same fall: 2 s."""
_SHOWN = {"low_ms": "free_fall_ms", "tilt": "tilt_deg", "after_wobble": "wobble_after_g", "dip": "dip_g"}
_BEFORE_IMPACT = slice(BEFORE - 3 * RATE_HZ, BEFORE - RATE_HZ + 1)


@dataclass(slots=True)
class _Fall:
    """A suspected fall with what its findings say."""

    episode: Episode
    device_id: str
    resident_id: str | None
    impact_ns: int
    score: float
    evidence: dict[str, Evidence]

    def finding(self, phase: Phase, confidence: float) -> Finding:
        name = f"{KIND}:{self.device_id}:{self.impact_ns}"
        return Finding(
            name, KIND, self.resident_id, self.impact_ns, phase, confidence, (self.device_id,), dict(self.evidence)
        )


class FallDetector:
    """A `Detector`. A fall is suspected two seconds after the impact and decided within eleven.

    Findings do not depend on how the samples were cut into blocks or how often `step` is called; the device's time
    decides, except for streams that fall silent, where only the time given to `step` goes on.
    """

    def __init__(self, model: Model | None = None, slots: int = 64, trace: Trace | None = None) -> None:
        self.model = model or shipped()
        self._trace = trace
        self._finder = CandidateFinder(slots, trace)
        self._wearers: dict[int, tuple[str, str | None]] = {}
        self._falls: dict[int, list[_Fall]] = {}
        self._findings: list[Finding] = []

    @property
    def counts(self) -> Counter[str]:
        """What happened to the samples; see `Cohort`."""
        return self._finder.counts

    def attach(self, device_id: str, resident_id: str | None) -> None:
        slot = self._finder.slots.get(device_id)
        if slot is not None and self._wearers[slot][1] == resident_id:
            return
        self.detach(device_id)
        self._wearers[self._finder.attach(device_id)] = (device_id, resident_id)

    def detach(self, device_id: str) -> None:
        slot = self._finder.detach(device_id)
        if slot is not None:
            del self._wearers[slot]
            self._falls.pop(slot, None)

    def pending_devices(self) -> set[str]:
        """Devices with an impact that is not judged yet, or with a suspicion that `step` has still to give out."""
        given_out = {device for finding in self._findings for device in finding.devices}
        return {self._wearers[slot][0] for slot in self._finder.pending_slots()} | given_out

    def ingest(self, observations: Sequence[Observation]) -> None:
        for candidates in self._finder.ingest(observations):
            self._judge(candidates)
            self._follow()
        self._follow()

    def step(self, now_ns: int) -> list[Finding]:
        for candidates in self._finder.step(now_ns):
            self._judge(candidates)
        self._follow()
        self._close_silent(now_ns)
        self._forget_old()
        findings = sorted(self._findings, key=lambda finding: finding.at_ns)
        self._findings = []
        return findings

    def _judge(self, candidates: Candidates) -> None:
        """Score candidates and suspect the falls among them."""
        features = describe(candidates.windows)
        sure = unmistakable(features)
        scores = np.maximum(self.model.score(features), sure)
        if self._trace is not None:
            self._trace.scored(candidates.slots, candidates.at_ns, candidates.peak_g, scores, sure)
        before = mean(candidates.windows[:, _BEFORE_IMPACT])
        order = np.lexsort((candidates.index, candidates.slots))
        for row in order[scores[order] >= self.model.decision].tolist():
            slot, index = int(candidates.slots[row]), int(candidates.index[row])
            self._follow_slot(slot, index + AFTER)
            if self._known(slot, index):
                continue
            device_id, resident_id = self._wearers[slot]
            evidence = self._evidence(features[row], float(scores[row]))
            if sure[row]:
                evidence["rule"] = RULE
            evidence |= {"peak_g": round(float(candidates.peak_g[row]), 3), "clipped": bool(candidates.clipped[row])}
            fall = _Fall(
                Episode(slot, index, before[row]),
                device_id,
                resident_id,
                int(candidates.at_ns[row]),
                float(scores[row]),
                evidence,
            )
            self._falls.setdefault(slot, []).append(fall)
            self._findings.append(fall.finding(Phase.SUSPECTED, round(fall.score, 4)))

    def _evidence(self, features: NDArray[np.float32], score: float) -> dict[str, Evidence]:
        shown = {name: float(features[NAMES.index(column)]) for column, name in _SHOWN.items()}
        known: dict[str, Evidence] = {name: round(value, 3) for name, value in shown.items() if math.isfinite(value)}
        return {**known, "score": round(score, 4), "model": self.model.version}

    def _known(self, slot: int, index: int) -> bool:
        """Whether the impact belongs to a fall that was suspected before.

        What decides is which impacts were judged before the fall was, in the device's time, so that the answer does not
        depend on chunks: an impact in the last two seconds before a fall was cleared is a fall of its own.
        """
        for fall in self._falls.get(slot, ()):
            episode = fall.episode
            if episode.closed_at is None and index > episode.index:
                episode.strike_again(index)
                return True
            closed_at = (episode.closed_at or 0) - (AFTER if episode.cleared else 0)
            if abs(index - episode.index) <= SAME_FALL or episode.index < index <= closed_at:
                return True
        return False

    def _follow(self) -> None:
        head = self._finder.cohort.head
        while open_falls := self._due({slot: int(head[slot]) - 1 for slot in self._falls}):
            self._look(open_falls)

    def _follow_slot(self, slot: int, limit: int) -> None:
        """Everything about a slot that was to be decided before cell `limit` was known."""
        while open_falls := self._due({slot: limit}):
            self._look(open_falls)

    def _due(self, limits: dict[int, int]) -> list[_Fall]:
        return [
            fall
            for slot, limit in limits.items()
            for fall in self._falls.get(slot, ())
            if fall.episode.closed_at is None and fall.episode.due <= limit
        ]

    def _look(self, falls: list[_Fall]) -> None:
        confirm.look(self._finder.cohort, [fall.episode for fall in falls])
        for fall in falls:
            verdict = confirm.judge(fall.episode)
            if verdict is not None:
                self._close(fall, verdict)

    def _close(self, fall: _Fall, verdict: Verdict) -> None:
        episode = fall.episode
        episode.closed_at = episode.due - confirm.SECOND
        episode.cleared = verdict.clears
        fall.evidence["reason"] = verdict.value
        fall.evidence["signal_stopped"] = verdict is Verdict.SIGNAL_STOPPED
        known = [value for value in episode.wobble_g if math.isfinite(value)]
        if known:
            fall.evidence["stillness_g"] = round(known[-1], 3)
        if verdict.clears:
            self._findings.append(fall.finding(Phase.CLEARED, round(1 - fall.score / 2, 4)))
        else:
            self._findings.append(fall.finding(Phase.CONFIRMED, round((1 + fall.score) / 2, 4)))

    def _close_silent(self, now_ns: int) -> None:
        fresh_ns = self._finder.fresh_ns
        for slot, falls in self._falls.items():
            if now_ns - int(fresh_ns[slot]) >= SIGNAL_STOPPED_NS:
                for fall in falls:
                    if fall.episode.closed_at is None:
                        self._close(fall, Verdict.SIGNAL_STOPPED)

    def _forget_old(self) -> None:
        head = self._finder.cohort.head
        for slot, falls in list(self._falls.items()):
            held = int(head[slot]) - CAPACITY
            falls[:] = [fall for fall in falls if fall.episode.closed_at is None or fall.episode.index >= held]
            if not falls:
                del self._falls[slot]
