"""Alarm statistics over the API."""

from api_site import SECOND, ApiSite

from gateway.api.scopes import Role

T = "/api/v1/statistics"


def test_the_numbers(site: ApiSite) -> None:
    alert = site.fall("r1")
    site.fall("r2", "e2")
    site.now_ns += 30 * SECOND
    site.post(f"/api/v1/alerts/{alert}/resolve", {"outcome": "real_fall", "by": "王护士"})
    site.post(f"/api/v1/alerts/{site.fall('r2', 'e3', 'help_call')}/acknowledge", {"by": "王护士"})
    site.now_ns += SECOND
    found = site.get(T, carers=2).json()
    assert (found["raised"], found["by_priority"]["high"]) == (3, 3)
    assert found["kinds"][0] == {"kind": "fall", "raised": 2, "real": 1, "false": 0, "precision": 1.0}
    assert found["answered_60s"] == 1 / 3
    assert found["per_resident_day"] == 3 / 60
    secret = site.key(Role.VIEWER, residents=["r1"]).secret
    assert site.get(T, secret).json()["raised"] == 1
    assert site.get(T, until="2020-01-01T00:00:00Z").json()["raised"] == 0


def test_spans(site: ApiSite) -> None:
    assert site.get(T, since="2026-02-04T00:00:00Z", until="2026-02-03T00:00:00Z").status_code == 422
    assert site.get(T, since="2020-02-04T00:00:00Z").status_code == 422
    assert site.get(T, carers=0).status_code == 422
