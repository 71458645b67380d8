"""Learning from real alerts in a real database: levels are kept, audited, and given to the engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from analytics.findings import Finding, Phase
from analytics.personal import NEEDED
from gateway.alerts.lifecycle import Outcome
from gateway.alerts.payload import PayloadBuilder
from gateway.alerts.routing import ContactRouter
from gateway.alerts.service import AlertService
from gateway.audit import read_audit, verify_audit
from gateway.database import Database, open_database
from gateway.learning import SensitivityLearner, low_point, with_levels

S = 1_000_000_000
T0 = 1_750_000_000 * S


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(tmp_path / "x.sqlite", check=False)
    yield opened
    with opened.read() as session:
        assert verify_audit(session).intact
    opened.close()


class Home:
    def __init__(self, database: Database) -> None:
        self.alerts = AlertService(database, router=ContactRouter(), payloads=PayloadBuilder("x", "http://x/cb"))
        self.now_ns = T0

    def fall(
        self, score: object, outcome: Outcome, resident: str = "r1", key: str = "score", kind: str = "fall"
    ) -> None:
        self.now_ns += 3600 * S
        evidence = {key: score, "model": "m"}
        found = Finding(f"e{self.now_ns}", kind, resident, self.now_ns, Phase.CONFIRMED, 0.9, ("w1",), evidence)  # type: ignore[arg-type]
        take = self.alerts.take(found, self.now_ns)
        assert take.alert is not None
        self.alerts.resolve(take.alert.id, "护士小王", self.now_ns, outcome=outcome)


def card(threshold: float = 0.7, finds: float = 0.95) -> dict[str, object]:
    return {"low": {"threshold": threshold, "sensitivity": {"value": 0.97, "low": finds}}}


def levels(database: Database, now_ns: int) -> dict[str, str]:
    learner = SensitivityLearner(database, json.dumps({"operating_points": {"wrist": card()}}))
    assert learner.review(now_ns) == bool(learner.levels)
    assert not learner.review(now_ns)
    return learner.levels


def test_false_alarms_teach_and_a_fall_unteaches_with_reasons_in_the_audit(database: Database) -> None:
    home = Home(database)
    for number in range(NEEDED):
        assert levels(database, home.now_ns) == {}
        home.fall(0.6, Outcome.FALSE_ALARM, key="score" if number else "w1.score")
        home.fall(0.6, Outcome.FALSE_ALARM, resident="r2", kind="help_call")
        home.fall("none", Outcome.FALSE_ALARM, resident="r3")
        home.fall(True, Outcome.FALSE_ALARM, resident="r3")
        home.fall(0.6, Outcome.OTHER, resident="r4")
    for _ in range(2):
        assert levels(database, home.now_ns) == {"r1": "low"}
    home.fall(0.75, Outcome.REAL_FALL)
    assert levels(database, home.now_ns) == {}
    with database.read() as session:
        said = [row.detail for row in read_audit(session, subject="resident:r1") if row.actor == "learning"]
    assert [(one["from"], one["to"]) for one in said] == [("low", "normal"), ("normal", "low")]
    assert "missed" in said[0]["reason"]
    assert "5 of 5" in said[1]["reason"]


def test_levels_reach_the_devices_of_the_resident_unless_a_person_set_them() -> None:
    options = {"w1": {"lost_after_s": 60.0}, "w2": {"fall_sensitivity": "high"}}
    owners = {"w1": "r1", "w2": "r1", "w3": "r1", "radar": None, "w4": "r2"}
    assert with_levels(options, owners, {"r1": "low"}) == {
        "w1": {"lost_after_s": 60.0, "fall_sensitivity": "low"},
        "w2": {"fall_sensitivity": "high"},
        "w3": {"fall_sensitivity": "low"},
    }
    assert options["w1"] == {"lost_after_s": 60.0}


def test_the_point_of_low_is_read_from_the_card_or_not_known() -> None:
    both = {"operating_points": {"wrist": card(0.6, 0.93), "waist": card(0.7, 0.91)}}
    assert low_point(json.dumps(both)) == (0.7, 0.91)
    for text in ("{}", "no JSON", '{"operating_points": {}}', '{"operating_points": {"wrist": {"low": 1}}}'):
        assert low_point(text) == (1.0, None)
