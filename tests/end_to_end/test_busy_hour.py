"""The alert half of a gateway is killed at random moments while everything outside misbehaves; nothing may be lost."""

import asyncio
from pathlib import Path

import pytest

from gateway.cli.hour import BusyHour, Hour
from gateway.cli.hour_script import busy_hour, person_of

CI = Hour(kills=7, seconds=90.0, factor=8.0, urgent=10, seed=3)


@pytest.mark.slow
def test_every_alert_ends_with_a_person_however_often_the_process_is_killed(tmp_path: Path) -> None:
    outcome = asyncio.run(BusyHour(tmp_path, CI).run())
    assert outcome.wrong == []
    assert outcome.kills == CI.kills
    assert outcome.alerts["priority 1"] >= CI.urgent
    assert len(outcome.told_s) == len(outcome.ended_s) == CI.urgent
    assert outcome.ends["a person answered"] > 0
    assert outcome.messages["promises of people"] > 0
    assert outcome.audit_rows > 10 * CI.urgent


def test_the_hour_is_the_same_for_the_same_seed_and_has_everything_in_it() -> None:
    hour = busy_hour(120, 3600.0, 1)
    assert hour == busy_hour(120, 3600.0, 1) != busy_hour(120, 3600.0, 2)
    assert [due.at_s for due in hour] == sorted(due.at_s for due in hour)
    assert {due.finding["phase"] for due in hour} == {"suspected", "confirmed"}
    people = [person_of(f"老人{n:03d}", 1) for n in range(120)]
    assert sum(person is None for person in people) > 20
    assert sum(person is not None and person.after_s > 200 for person in people) > 10
