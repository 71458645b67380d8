"""Habits in words and the weeks of a resident over HTTP."""

from __future__ import annotations

from datetime import date

from api_site import NOW, ApiSite

from analytics.daily.night import NightReport
from analytics.habits.habit_table import EVENT_KINDS
from analytics.habits.learned import Learned, plain_learned
from device_drivers.observations import DeviceEvent
from gateway.daily.learned_book import save_learned
from gateway.daily.night_book import MadeNight, keep_report

R1 = "/api/v1/residents/r1"
HOUR = 3600 * 10**9


def test_habits_in_words(site: ApiSite) -> None:
    nothing = site.get(f"{R1}/habits").json()
    assert (nothing["days"], nothing["ready"], nothing["saved"]) == (0, False, None)
    assert nothing["text"][0]["zh"].startswith("还在学习")
    learned = Learned()
    for _ in range(14):
        learned.add_day([{8} for _ in EVENT_KINDS], (180.0, 40.0, 1080.0), 2)
    save_learned(site.database, {"habits": {"r1": plain_learned(learned), "r2": {"days": "x"}}}, NOW)
    known = site.get(f"{R1}/habits").json()
    assert (known["days"], known["ready"], known["saved"]["ns"]) == (14, True, NOW)
    assert "To bed mostly 22:00-22:00." in [one["en"] for one in known["text"]]
    assert site.get("/api/v1/residents/r2/habits").json()["days"] == 0, "what cannot be read is not known"
    assert site.audit(1)[0].action == "resident.habits_read"


def test_weeks(site: ApiSite) -> None:
    with site.database.write() as session:
        for day, asleep in ((2, 400), (3, None)):
            report = NightReport(1, 2, 480, 2, 5, "radar", asleep_min=asleep)
            keep_report(session, MadeNight("r1", date(2026, 2, day), report, NOW))
        keep_report(session, MadeNight("r1", date(2026, 2, 4), None, NOW))
    site.fall("r1", "wet", "incontinence")
    site.fall("r1", "door", "door_at_night")
    site.fall("r2", "other", "incontinence")
    site.now_ns = NOW + 60 * HOUR
    moments = (NOW, NOW + HOUR, NOW + 25 * HOUR)
    moved = [DeviceEvent("w1", "motion", "active", one, one) for one in moments]
    still = [DeviceEvent("w1", "motion", "none", NOW + 5 * HOUR, NOW + 5 * HOUR)]
    site.store.append([], [*moved, *still], {"w1": "r1"})
    site.store.flush()
    before, now = site.get(f"{R1}/trends", weeks=2).json()["weeks"]
    assert before == {
        "begins": "2026-01-26",
        "nights": 0,
        "asleep_min": None,
        "in_bed_min": None,
        "efficiency": None,
        "exits": None,
        "wet": 0,
        "wandered": 0,
        "active_hours": None,
    }
    assert (now["begins"], now["nights"], now["asleep_min"], now["in_bed_min"]) == ("2026-02-02", 2, 400.0, 480.0)
    assert (now["wet"], now["wandered"], now["exits"], now["active_hours"]) == (1, 1, 2.0, 1.5)
    table = site.get(f"{R1}/trends", weeks=1, form="csv", language="en").text
    assert "weeks,2026-02-02,2,6.7,8.0,–,2.0,1,1,1.5" in table
    assert "有活动钟点/天" in site.get(f"{R1}/trends", weeks=1, form="csv").text
    assert site.get(f"{R1}/trends", weeks=99).status_code == 422
