"""Fall sensitivity of single residents, learned from what carers said of their alerts. Off unless set otherwise.

The rule is `analytics.personal`; here its facts are read and its conclusions written down: the level as a setting, the
reason in the audit trail, both in one transaction. A level outlives restarts; without learning it has no effect.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from analytics.personal import NORMAL, Judged, learned_sensitivity
from gateway.alerts.lifecycle import Outcome
from gateway.audit import append_audit
from gateway.models import AlertRow, SettingRow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from gateway.database import Database

KIND = "fall"
KEY = "fall_sensitivity:"
BY = "learning"
OPTION = "fall_sensitivity"
REMEMBERED_NS = 365 * 24 * 3600 * 1_000_000_000
"""Outcomes of the past year count."""


class SensitivityLearner:
    """card: of the model in use (see `low_point`). levels: of residents that are not at the normal one."""

    def __init__(self, database: Database, card: str) -> None:
        self._database = database
        self._low_threshold, self._low_finds = low_point(card)
        self.levels: dict[str, str] = {}

    def review(self, now_ns: int) -> bool:
        """Look at all outcomes and write down what changed; whether `levels` is another than before."""
        with self._database.read() as session:
            levels, judged = _levels(session), _judged(session, now_ns)
        changed = {}
        for resident in sorted(levels.keys() | judged.keys()):
            current = levels.get(resident, NORMAL)
            learned = learned_sensitivity(
                judged.get(resident, []),
                current=current,
                low_threshold=self._low_threshold,
                low_finds=self._low_finds,
                now_ns=now_ns,
            )
            if learned.sensitivity != current:
                changed[resident] = learned
        if changed:
            with self._database.write() as session:
                for resident, learned in changed.items():
                    level = learned.sensitivity
                    session.merge(SettingRow(key=KEY + resident, value=level, updated_ns=now_ns))
                    detail = {"from": levels.get(resident, NORMAL), "to": level, "reason": learned.reason}
                    append_audit(
                        session,
                        at_ns=now_ns,
                        actor=BY,
                        action="fall_sensitivity.learned",
                        subject=f"resident:{resident}",
                        detail=detail,
                    )
            levels |= {resident: learned.sensitivity for resident, learned in changed.items()}
        before, self.levels = self.levels, {one: level for one, level in levels.items() if level != NORMAL}
        return self.levels != before


def with_levels(
    options: Mapping[str, Mapping[str, Any]], owners: Mapping[str, str | None], levels: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """Options of devices for the engine, with the level of their residents where a person has not set one."""
    merged = {device: dict(own) for device, own in options.items()}
    for device, resident in owners.items():
        if resident is not None and resident in levels:
            merged.setdefault(device, {}).setdefault(OPTION, levels[resident])
    return merged


def low_point(card: str) -> tuple[float, float | None]:
    """Threshold of `low` (the highest over wear sites) and what it finds at least (the lowest), by the model's card.

    The card has them as operating_points: {site: {"low": {"threshold": t, "sensitivity": {"low": s}}}}; where it has
    not, what `low` finds is None and nothing is learned.
    """
    try:
        points = [site["low"] for site in json.loads(card)["operating_points"].values()]
        thresholds = [float(one["threshold"]) for one in points]
        return max(thresholds), min(float(one["sensitivity"]["low"]) for one in points)
    except (KeyError, TypeError, ValueError):
        return 1.0, None


def _levels(session: Session) -> dict[str, str]:
    rows = session.execute(select(SettingRow.key, SettingRow.value).where(SettingRow.key.startswith(KEY)))
    return {key.removeprefix(KEY): value for key, value in rows}


def _judged(session: Session, now_ns: int) -> dict[str, list[Judged]]:
    """Fall alerts that a person judged, by resident; alerts without a score (radar, a press) teach nothing here."""
    query = select(AlertRow.resident_id, AlertRow.at_ns, AlertRow.evidence, AlertRow.outcome).where(
        AlertRow.kind == KIND,
        AlertRow.test.is_(False),
        AlertRow.resident_id.is_not(None),
        AlertRow.outcome.in_((Outcome.REAL_FALL.value, Outcome.FALSE_ALARM.value)),
        AlertRow.at_ns >= now_ns - REMEMBERED_NS,
    )
    found: dict[str, list[Judged]] = defaultdict(list)
    for resident, at_ns, evidence, outcome in session.execute(query):
        score = _score(evidence)
        if resident is not None and score is not None:
            found[resident].append(Judged(at_ns, score, outcome == Outcome.REAL_FALL.value))
    return found


def _score(evidence: Mapping[str, Any]) -> float | None:
    scores = [value for key, value in evidence.items() if key == "score" or key.endswith(".score")]
    numbers = [float(one) for one in scores if isinstance(one, int | float) and not isinstance(one, bool)]
    return max(numbers, default=None)
