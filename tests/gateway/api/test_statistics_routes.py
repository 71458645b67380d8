"""Alarm statistics over the API."""

from datetime import datetime

from api_site import SECOND, ApiSite

from gateway.alerts.report import span_of
from gateway.alerts.statistics import DAY_NS as DAY
from gateway.api.scopes import Role

T = "/api/v1/statistics"


def test_the_numbers(site: ApiSite) -> None:
    site.now_ns += DAY - 121 * SECOND
    alert = site.fall("r1")
    site.fall("r2", "e2")
    site.now_ns += 30 * SECOND
    site.post(f"/api/v1/alerts/{alert}/resolve", {"outcome": "real_fall", "by": "王护士"})
    site.now_ns += 60 * SECOND
    site.post(f"/api/v1/alerts/{site.fall('r2', 'e3', 'help_call')}/acknowledge", {"by": "王护士"})
    site.now_ns += 30 * SECOND
    site.fall("r1", "e4", "gas")
    site.now_ns += SECOND
    found = site.get(T, carers=2).json()
    assert (found["raised"], found["by_priority"]["high"]) == (4, 4)
    fall = {"kind": "fall", "technical": False, "raised": 2, "real": 1, "false": 0, "recovered": 0, "other": 0}
    assert found["kinds"][0] == fall | {"open": 1, "precision": 1.0}
    assert found["to_acknowledged"] == {"number": 2, "of": 4, "median": 15.0, "p95": 30.0}
    assert (found["never_answered"], found["ended_unanswered"]) == (2, 0)
    assert (found["urgent_in_time"], found["urgent_judged"], found["answered_60s"]) == (2, 3, 2 / 3), "one is too young"
    assert (found["residents"], found["resident_days"], found["carers"]) == (2, 2.0, 2.0)
    assert (found["per_resident_day"], found["per_carer_hour"]) == (2.0, 4 / 48)
    assert found["counted_from"]["ns"] == site.now_ns - DAY
    secret = site.key(Role.VIEWER, residents=["r1"]).secret
    assert (site.get(T, secret).json()["raised"], site.get(T, secret).json()["residents"]) == (2, 1)
    assert site.get(T, until="2020-01-01T00:00:00Z").json()["raised"] == 0


def test_a_month(site: ApiSite) -> None:
    site.fall("r1")
    site.now_ns += SECOND
    zone = site.settings.site.zone
    named = datetime.fromtimestamp(site.now_ns // SECOND, zone).strftime("%Y-%m")
    found = site.get(T, month=named).json()
    assert found["raised"] == 1
    assert found["begins"]["ns"] == span_of(named, zone)[0]
    assert found["ends"]["ns"] == site.now_ns, "what has not been yet does not count"
    assert site.get(T, month="2020-01").json()["raised"] == 0
    for wrong in ({"month": "2999-01"}, {"month": "2026-13"}, {"month": named, "since": "2026-02-03T00:00:00Z"}):
        assert site.get(T, **wrong).status_code == 422, wrong


def test_spans(site: ApiSite) -> None:
    assert site.get(T, since="2026-02-04T00:00:00Z", until="2026-02-03T00:00:00Z").status_code == 422
    assert site.get(T, since="2020-02-04T00:00:00Z").status_code == 422
    assert site.get(T, carers=0).status_code == 422
    assert site.get(T, since="2199-01-01T00:00:00Z", until="2199-01-02T00:00:00Z").status_code == 422
    assert site.get(T, until="2199-01-02T00:00:00Z").json()["ends"]["ns"] == site.now_ns
    refused = site.get(T, mnoth="2026-11")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "query.mnoth")
