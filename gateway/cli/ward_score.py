"""What an engine makes of a simulated ward: sensitivity and delay of each kind of event, and every false finding."""

from __future__ import annotations

import statistics
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from analytics.care import Care
from analytics.engine import default_engine
from analytics.findings import Phase
from analytics.kinds import KINDS
from simulators.ward import BACK_BY_MIN, SAFE_ZONES, START_NS
from simulators.ward_bodies import MINUTE_NS
from simulators.ward_meters import has_weak_heart

if TYPE_CHECKING:
    from collections.abc import Callable

    from analytics.findings import Finding
    from simulators.ward import Ward
    from simulators.ward_plan import Truth

EARLY_MIN, LATE_MIN = 2, 30
"""A finding belongs to an event from so long before its begin until so long after its end."""
NOISIEST = 20
OPTIONS: dict[str, Any] = {"lost_after_s": 900.0, "signal_lost_after_s": 900.0}
EVENT_OPTIONS: dict[str, Any] = {"lost_after_s": float("inf")}
TARGET = 0.5
"""False alarms for each resident and day, equipment included."""


@dataclass(slots=True)
class Score:
    """delays: minutes until each event that was found, by its name. told: by which kind first. false: findings that
    belong to nothing. learning: findings of the days before, which are lived to learn from and do not count.
    """

    ward: Ward
    delays: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    told: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    events: Counter[str] = field(default_factory=Counter)
    false: list[tuple[Finding, str]] = field(default_factory=list)
    learning: int = 0
    findings: int = 0
    seconds: float = 0.0

    @property
    def resident_days(self) -> int:
        """What rates are by."""
        return self.ward.residents * self.ward.days

    def plain(self) -> dict[str, Any]:
        """The figures as plain JSON."""
        by_kind = Counter(one.kind for one, _ in self.false)
        people = sum(n for kind, n in by_kind.items() if not KINDS[kind].technical)
        return {
            "residents": self.ward.residents,
            "days": self.ward.days,
            "seed": self.ward.seed,
            "days_lived_before": self.ward.before,
            "events": {
                name: {
                    "kinds": list(next(t.kinds for t in self.ward.truths if t.name == name)),
                    "events": number,
                    "found": len(self.delays[name]),
                    "sensitivity": round(len(self.delays[name]) / number, 3),
                    "median_delay_min": round(statistics.median(self.delays[name]), 1) if self.delays[name] else None,
                    "longest_delay_min": round(max(self.delays[name]), 1) if self.delays[name] else None,
                    "told_by": dict(self.told[name].most_common()),
                }
                for name, number in sorted(self.events.items())
            },
            "false_by_kind": {kind: round(n / self.resident_days, 4) for kind, n in by_kind.most_common()},
            "false_about_people": round(people / self.resident_days, 4),
            "false_total": round(len(self.false) / self.resident_days, 4),
            "target_total": TARGET,
            "findings": self.findings,
            "false_while_learning": round(self.learning / max(1, self.ward.residents * self.ward.before), 4),
            "noisiest": self.noisiest(),
            "seconds": round(self.seconds, 1),
        }

    def noisiest(self) -> list[dict[str, Any]]:
        """The residents and kinds with the most false findings, each with what happened around the first one."""
        count = Counter((one.kind, one.resident_id or "") for one, _ in self.false)
        first = {(one.kind, one.resident_id or ""): (one, why) for one, why in reversed(self.false)}
        return [
            {
                "kind": kind,
                "resident": who,
                "count": n,
                "minute": (first[kind, who][0].at_ns - START_NS) // MINUTE_NS,
                "why": first[kind, who][1],
                "evidence": dict(first[kind, who][0].evidence),
            }
            for (kind, who), n in count.most_common(NOISIEST)
        ]


def play_ward(ward: Ward, progress: Callable[[int], None] = lambda _: None) -> Score:
    """Play the whole ward to the engine as shipped. progress: told of every minute that is done."""
    engine = default_engine()
    for device, resident, place in ward.devices():
        worn = device.startswith(("watch", "tag"))
        engine.attach(device, resident, place=place, **(OPTIONS if worn else EVENT_OPTIONS))
    for number in range(ward.residents):
        wanders = ward.has_dementia(number)
        care = Care(
            dementia=wanders,
            safe_zones=SAFE_ZONES if wanders else (),
            heart_failure=has_weak_heart(number),
            back_by_min=BACK_BY_MIN if ward.is_back_early(number) else -1,
        )
        engine.set_care(f"r{number}", care)
    found: list[Finding] = []
    begun = time.perf_counter()
    for minute in range(ward.minutes):
        engine.ingest(ward.minute(minute))
        found += engine.step(START_NS + (minute + 1) * MINUTE_NS)
        progress(minute)
    score = score_of(ward, found)
    score.seconds = time.perf_counter() - begun
    return score


def score_of(ward: Ward, found: list[Finding]) -> Score:
    """Compare what was found with what is true."""
    score = Score(ward, findings=len(found))
    score.events.update(truth.name for truth in ward.truths)
    mine: dict[str, list[Truth]] = defaultdict(list)
    for truth in [*ward.truths, *ward.artefacts]:
        mine[f"r{truth.resident}"].append(truth)
    met: dict[Truth, tuple[float, str]] = {}
    for one in sorted(found, key=lambda finding: finding.at_ns):
        if one.phase is not Phase.CONFIRMED:
            continue
        minute = (one.at_ns - START_NS) / MINUTE_NS
        if minute < ward.watched:
            score.learning += 1
            continue
        near = [t for t in mine[one.resident_id or ""] if t.begin - EARLY_MIN <= minute <= t.end + LATE_MIN]
        for truth in near:
            if one.kind in truth.kinds:
                met.setdefault(truth, (max(0.0, minute - truth.begin), one.kind))
        if not any(one.kind in (*t.kinds, *t.also) for t in near):
            score.false.append((one, ", ".join(t.name for t in near) or "nothing planned"))
    for truth, (delay, kind) in met.items():
        score.delays[truth.name].append(delay)
        score.told[truth.name][kind] += 1
    return score
