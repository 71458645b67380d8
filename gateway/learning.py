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
    """low_threshold, low_finds: of the model in use (see `analytics.personal`)."""

    def __init__(self, database: Database, *, low_threshold: float, low_finds: float | None) -> None:
        self._database = database
        self._low_threshold = low_threshold
        self._low_finds = low_finds

    def review(self, now_ns: int) -> dict[str, str]:
        """Look at all outcomes and write down what changed; the level of every resident that is not the normal one."""
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
        return {resident: level for resident, level in levels.items() if level != NORMAL}


def with_levels(
    options: Mapping[str, Mapping[str, Any]], owners: Mapping[str, str | None], levels: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """Options of devices for the engine, with the level of their residents where a person has not set one."""
    merged = {device: dict(own) for device, own in options.items()}
    for device, resident in owners.items():
        if resident is not None and resident in levels:
            merged.setdefault(device, {}).setdefault(OPTION, levels[resident])
    return merged


def low_finds(card: str) -> float | None:
    """What the model's card says `low` finds at least (the lowest over wear sites), None where it does not say."""
    try:
        points = json.loads(card)["operating_points"]
        return min(float(site["low"]["sensitivity"]["low"]) for site in points.values())
    except (KeyError, TypeError, ValueError):
        return None


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
