"""Falls of everybody who wears an accelerometer: gate, features, model and what follows, put together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analytics.cohort import CAPACITY
from analytics.falls import confirm
from analytics.falls.candidates import CandidateFinder, outdone
from analytics.falls.confirm import Episode, Verdict
from analytics.falls.features import BEFORE, LOOKS, NAMES, RATE_HZ, describe
from analytics.falls.model import NORMAL, SENSITIVITIES, shipped
from analytics.falls.physics import RULE, unmistakable
from analytics.falls.vectors import mean, norm
from analytics.findings import Evidence, Finding, Phase
from analytics.resample import STEP_NS
from device_drivers.observations import DeviceEvent

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
KEPT_WORN = 8
SAME_FALL = 2 * RATE_HZ
"""Cells around the impact of a fall within which another impact is the same fall: 2 s."""
_SHOWN = {"low_ms": "free_fall_ms", "tilt": "tilt_deg", "after_wobble": "wobble_after_g", "dip": "dip_g"}
_LEAD = slice(BEFORE - 2 * RATE_HZ, BEFORE)
WORN = "worn"
DROPPED_KIND = "device_dropped"
_BEFORE_IMPACT = slice(BEFORE - 3 * RATE_HZ, BEFORE - RATE_HZ + 1)


@dataclass(frozen=True, slots=True)
class _Wearer:
    """Who a slot belongs to, and how it is judged."""

    device_id: str
    resident_id: str | None
    site: str | None
    sensitivity: str


@dataclass(frozen=True, slots=True)
class _Judged:
    """A candidate and what one look made of it. due: the cell that had to be known for it."""

    due: int
    slot: int
    index: int
    impact_ns: int
    score: float
    before: NDArray[np.float32]
    weightless: bool
    evidence: dict[str, Evidence]


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

    def dropped(self) -> Finding:
        """That it was the device that fell."""
        name = f"{DROPPED_KIND}:{self.device_id}:{self.impact_ns}"
        return Finding(
            name,
            DROPPED_KIND,
            self.resident_id,
            self.impact_ns,
            Phase.CONFIRMED,
            round(self.score, 4),
            (self.device_id,),
            dict(self.evidence),
        )


class FallDetector:
    """A `Detector`. A fall is suspected one and a half or three seconds after the impact and decided within eleven.

    Findings do not depend on how the samples were cut into blocks or how often `step` is called; the device's time
    decides, except for streams that fall silent, where only the time given to `step` goes on.
    """

    def __init__(self, model: Model | None = None, slots: int = 64, trace: Trace | None = None) -> None:
        self.model = model or shipped()
        self._trace = trace
        self._finder = CandidateFinder(slots, trace)
        self._wearers: dict[int, _Wearer] = {}
        self._falls: dict[int, list[_Fall]] = {}
        self._findings: list[Finding] = []
        self._worn: dict[int, list[tuple[int, bool]]] = {}

    @property
    def counts(self) -> Counter[str]:
        """What happened to the samples; see `Cohort`."""
        return self._finder.counts

    def attach(
        self,
        device_id: str,
        resident_id: str | None,
        *,
        wear_site: str | None = None,
        fall_sensitivity: str = NORMAL,
    ) -> None:
        """Start to watch a device; again under the same resident only changes how it is judged.

        wear_site: where it is worn (`model.WEAR_SITES`), None or another word if that is not known.
        fall_sensitivity: low, normal or high. Raises ValueError for another.
        """
        if fall_sensitivity not in SENSITIVITIES:
            raise ValueError(f"fall_sensitivity {fall_sensitivity!r} is none of {', '.join(SENSITIVITIES)}")
        slot = self._finder.slots.get(device_id)
        if slot is None or self._wearers[slot].resident_id != resident_id:
            self.detach(device_id)
            slot = self._finder.attach(device_id)
        self._wearers[slot] = _Wearer(device_id, resident_id, wear_site, fall_sensitivity)

    def detach(self, device_id: str) -> None:
        slot = self._finder.detach(device_id)
        if slot is not None:
            del self._wearers[slot]
            self._falls.pop(slot, None)
            self._worn.pop(slot, None)

    def pending_devices(self) -> set[str]:
        """Devices with an impact that is not judged yet, or with a suspicion that `step` has still to give out."""
        given_out = {device for finding in self._findings for device in finding.devices}
        return {self._wearers[slot].device_id for slot in self._finder.pending_slots()} | given_out

    def ingest(self, observations: Sequence[Observation]) -> None:
        for one in observations:
            if one.__class__ is DeviceEvent and one.signal == WORN:
                self._note_worn(one)
        for looked in self._finder.ingest(observations):
            self._judge(looked)
            self._follow()
        self._follow()

    def _note_worn(self, event: DeviceEvent) -> None:
        slot = self._finder.slots.get(event.device_id)
        if slot is not None and isinstance(event.value, bool) and not event.stored:
            said = self._worn.setdefault(slot, [])
            said.append((event.at_ns, event.value))
            said.sort()
            del said[:-KEPT_WORN]

    def _says_worn(self, slot: int, at_ns: int) -> bool | None:
        """What the device had said last at this time, None where it had not spoken."""
        said = [worn for when_ns, worn in self._worn.get(slot, ()) if when_ns <= at_ns]
        return said[-1] if said else None

    def step(self, now_ns: int) -> list[Finding]:
        for looked in self._finder.step(now_ns):
            self._judge(looked)
        self._follow()
        self._close_silent(now_ns)
        self._forget_old()
        findings = sorted(self._findings, key=lambda finding: finding.at_ns)
        self._findings = []
        return findings

    def _judge(self, looked: list[Candidates]) -> None:
        """Score candidates and suspect the falls among them, in order of the device's time."""
        found = [one for candidates in looked for one in self._scored(candidates)]
        for one in sorted(found, key=lambda judged: (judged.due, judged.slot, judged.index)):
            self._follow_slot(one.slot, one.due)
            if not self._known(one.slot, one.index, one.due):
                self._suspect(one)

    def _scored(self, candidates: Candidates) -> list[_Judged]:
        """What one look takes for falls."""
        look, windows = candidates.look, candidates.windows
        had = np.arange(len(windows))
        if look:
            had = np.flatnonzero(np.isfinite(windows[:, -1, 0]) & ~outdone(windows))
        features = describe(windows[had])
        sure, scores = np.zeros_like(candidates.peak_g), np.zeros_like(candidates.peak_g)
        if look == 0:
            sure = unmistakable(features, windows, candidates.clipped)
        scores[had], thresholds = self._scores(features, candidates, had)
        scores = np.maximum(scores, sure)
        if self._trace is not None:
            self._trace.scored(candidates.slots, candidates.at_ns, candidates.peak_g, scores, sure)
        chosen = had[scores[had] >= thresholds]
        return self._judged(candidates, chosen, scores, sure)

    def _judged(
        self, of: Candidates, chosen: NDArray[np.int64], scores: NDArray[np.float32], sure: NDArray[np.float32]
    ) -> list[_Judged]:
        """The chosen ones, each with what its findings will say."""
        if not len(chosen):
            return []
        windows = of.windows[chosen]
        before = mean(windows[:, _BEFORE_IMPACT])
        lead = norm(windows[:, _LEAD])
        shown = describe(windows[:, : BEFORE + 1 + LOOKS[0]])
        return [
            _Judged(
                int(of.index[row]) + LOOKS[of.look],
                int(of.slots[row]),
                int(of.index[row]),
                int(of.at_ns[row]),
                float(scores[row]),
                before[number],
                confirm.free_fall_ms(lead[number]) >= confirm.DROP_MS,
                {
                    **self._evidence(shown[number], float(scores[row])),
                    **({"rule": RULE} if sure[row] else {}),
                    "look": of.look + 1,
                    "peak_g": round(float(of.peak_g[row]), 3),
                    "clipped": bool(of.clipped[row]),
                },
            )
            for number, row in enumerate(chosen.tolist())
        ]

    def _scores(
        self, features: NDArray[np.float32], candidates: Candidates, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """By the forests of each wearer's site and equipment: scores and thresholds, float32 (k,).

        features: of the candidates in `rows`.
        """
        scores, thresholds = np.zeros(len(rows), np.float32), np.zeros(len(rows), np.float32)
        wearers = [self._wearers[slot] for slot in candidates.slots[rows].tolist()]
        grades = [candidates.grades[row] for row in rows.tolist()]
        ways = [(wearer.site, wearer.sensitivity, grade) for wearer, grade in zip(wearers, grades, strict=True)]
        for way in set(ways):
            site, sensitivity, grade = way
            own = np.array([one == way for one in ways])
            scores[own] = self.model.score(features[own], site, candidates.look, grade)
            thresholds[own] = self.model.threshold(site, sensitivity, grade)
        return scores, thresholds

    def _suspect(self, one: _Judged) -> None:
        wearer = self._wearers[one.slot]
        fall = _Fall(
            Episode(one.slot, one.index, one.before, weightless=one.weightless),
            wearer.device_id,
            wearer.resident_id,
            one.impact_ns,
            one.score,
            one.evidence,
        )
        self._falls.setdefault(one.slot, []).append(fall)
        self._findings.append(fall.finding(Phase.SUSPECTED, round(fall.score, 4)))

    def _evidence(self, features: NDArray[np.float32], score: float) -> dict[str, Evidence]:
        shown = {name: float(features[NAMES.index(column)]) for column, name in _SHOWN.items()}
        known: dict[str, Evidence] = {name: round(value, 3) for name, value in shown.items() if math.isfinite(value)}
        return {**known, "score": round(score, 4), "model": self.model.version}

    def _known(self, slot: int, index: int, due: int) -> bool:
        """Whether the impact belongs to a fall that was suspected before.

        What decides is which impacts were judged before the fall was, in the device's time, so that the answer does not
        depend on chunks: an impact that was not judged yet when a fall was cleared is a fall of its own.
        """
        for fall in self._falls.get(slot, ()):
            episode = fall.episode
            if episode.closed_at is None and index > episode.index:
                episode.strike_again(index)
                return True
            closed_at = (episode.closed_at or 0) - (due - index if episode.cleared else 0)
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
            seen_ns = fall.impact_ns + (fall.episode.due - confirm.SECOND - fall.episode.index) * STEP_NS
            verdict = confirm.judge(fall.episode, worn=self._says_worn(fall.episode.slot, seen_ns))
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
        if verdict.got_up:
            fall.evidence["got_up"] = True
        if verdict is Verdict.DROPPED:
            self._findings.append(fall.dropped())
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
