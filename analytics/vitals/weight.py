"""Weight that is gained too fast: water that a failing heart lets stay in the body, days before breath gets short.

Only for residents of whom heart failure is known (`Care.heart_failure`). Each weight is compared with the lowest one
of the same scale within the span of each rule. Somebody else who steps on the scale shows as a difference that no
body makes (`OTHER_PERSON_KG`); such a weight is counted and not taken, until the scale has shown it three times.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from analytics.findings import Evidence, Finding, Phase
from device_drivers.observations import Quality, Reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.care import Care
    from device_drivers.observations import Observation

DAY_NS = 24 * 3600 * 1_000_000_000
OTHER_PERSON_KG = 8.0
OTHER_TRIES = 3
KEPT = 64
LATEST_NS = 2**62
VERSION = 1


class GainRule(NamedTuple):
    """More than `kg` above the lowest weight of the last `days` days."""

    name: str
    kg: float
    days: float
    source: str


GAIN_RULES: tuple[GainRule, ...] = (
    GainRule("weight_gain_3d", 2.0, 3.0, "ESC 2021, heart failure, self-care: > 2 kg in 3 days"),
    GainRule("weight_gain_7d", 2.5, 7.0, "AHA, self-check plan: 5 lb (2.3 kg) and more in a week, rounded up"),
)


@dataclass(slots=True)
class _Scale:
    resident_id: str | None
    kept: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=KEPT))
    strange: int = 0
    episode: str | None = None


class WeightGain:
    """Detector of weight gained too fast; works when a weight comes, a few times a day."""

    signals: ClassVar[frozenset[str]] = frozenset({"body_weight"})

    def __init__(self) -> None:
        self.strangers = 0
        self._scales: dict[str, _Scale] = {}
        self._watched: set[str] = set()
        self._found: list[Finding] = []

    def attach(self, device_id: str, resident_id: str | None) -> None:
        """Start to watch a scale. Attaching again under another resident moves it and forgets its past."""
        known = self._scales.get(device_id)
        if known is None or known.resident_id != resident_id:
            self._scales[device_id] = _Scale(resident_id)

    def detach(self, device_id: str) -> None:
        """Stop watching; unknown devices are ignored."""
        self._scales.pop(device_id, None)

    def set_care(self, resident_id: str, care: Care) -> None:
        """Watch the weight of residents with heart failure."""
        (self._watched.add if care.heart_failure else self._watched.discard)(resident_id)

    def ingest(self, observations: Sequence[Observation]) -> None:
        """Take the weights."""
        for o in observations:
            scale = self._scales.get(o.device_id)
            if scale is None or type(o) is not Reading or o.signal != "body_weight" or o.value is None:
                continue
            if o.quality is Quality.GOOD and o.value > 0 and o.value < 1_000 and 0 <= o.at_ns < LATEST_NS:
                self._weigh(o.device_id, scale, o.at_ns, o.value)

    def step(self, now_ns: int) -> list[Finding]:  # noqa: ARG002 - weights carry their own time
        """Findings of all weights since the last step, in order of time."""
        found, self._found = sorted(self._found, key=lambda finding: finding.at_ns), []
        return found

    def close(self, episode: str) -> None:
        """A person has resolved it: what is weighed from now on is compared with itself."""
        for scale in self._scales.values():
            if scale.episode == episode:
                scale.episode = None
                scale.kept.clear()

    def _weigh(self, device_id: str, scale: _Scale, at_ns: int, kg: float) -> None:
        if scale.kept and at_ns < scale.kept[-1][0]:
            return
        if scale.kept and abs(kg - scale.kept[-1][1]) > OTHER_PERSON_KG:
            scale.strange += 1
            self.strangers += 1
            if scale.strange < OTHER_TRIES:
                return
            scale.kept.clear()
        scale.strange = 0
        scale.kept.append((at_ns, kg))
        if scale.resident_id not in self._watched:
            return
        gained = self._gained(scale, at_ns, kg)
        if gained is not None and scale.episode is None:
            scale.episode = f"weight_gain:{device_id}:{at_ns}"
            self._say(device_id, scale, at_ns, Phase.CONFIRMED, gained)
        elif gained is None and scale.episode is not None:
            self._say(device_id, scale, at_ns, Phase.CLEARED, (GAIN_RULES[0], kg, 0.0))
            scale.episode = None

    @staticmethod
    def _gained(scale: _Scale, at_ns: int, kg: float) -> tuple[GainRule, float, float] | None:
        for rule in GAIN_RULES:
            lowest = min(w for t, w in scale.kept if at_ns - t <= rule.days * DAY_NS)
            if kg - lowest > rule.kg:
                return rule, kg, kg - lowest
        return None

    def _say(
        self, device_id: str, scale: _Scale, at_ns: int, phase: Phase, gained: tuple[GainRule, float, float]
    ) -> None:
        rule, kg, more = gained
        evidence: dict[str, Evidence] = {
            "rule": f"{rule.name}/{VERSION}",
            "signal": "body_weight",
            "value": kg,
            "gained_kg": round(more, 2),
            "limit": rule.kg,
            "days": rule.days,
        }
        episode = scale.episode or ""
        self._found.append(
            Finding(episode, "weight_gain", scale.resident_id, at_ns, phase, 0.7, (device_id,), evidence)
        )
