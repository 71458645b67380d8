"""Care tasks over HTTP: the plan, a carer's tick, the month."""

from __future__ import annotations

from typing import Any

import pytest
from api_site import NOW, SECOND, ApiSite

from gateway.alerts.routing import CHINA
from gateway.api.scopes import Role
from gateway.daily.task_duty import TaskDuty, TaskSigns

R1 = "/api/v1/residents/r1/tasks"
PLAN = {
    "tasks": [
        {"id": "pills", "kind": "medication", "label": "降压药", "times": ["12:10"]},
        {"id": "visit", "kind": "visit", "period": "month"},
    ]
}


def look(site: ApiSite) -> None:
    TaskDuty(site.database, site.alerts, CHINA, TaskSigns(dict)).round(site.now_ns)


def test_the_plan_the_tick_and_the_month(site: ApiSite) -> None:
    assert site.get(R1).json() == {"resident_id": "r1", "tasks": []}
    put = site.call("PUT", R1, json=PLAN)
    assert put.status_code == 200, put.text
    assert site.audit(1)[0].action == "resident.tasks_put"
    assert site.get(R1).json()["tasks"][0]["times"] == ["12:10:00"]
    site.now_ns = NOW + 400 * SECOND
    look(site)
    (alert,) = site.get("/api/v1/alerts").json()["alerts"]
    assert (alert["kind"], alert["priority"]) == ("medication_due", "low")
    done = site.post(f"{R1}/done", {"task": "pills", "by": "王护士"}, Role.OPERATOR).json()
    assert (done["state"], done["done_by"]) == ("done", "王护士 (key of operator)")
    assert site.post(f"{R1}/done", {"task": "pills", "by": "王护士"}).status_code == 404
    skipped = site.post(f"{R1}/done", {"task": "visit", "by": "x", "skipped": True, "note": "住院"}).json()
    assert (skipped["state"], skipped["note"]) == ("skipped", "住院")
    found = site.get(f"{R1}/runs", until="2026-03-02T00:00:00Z", since="2026-02-01T00:00:00Z").json()["runs"]
    assert [(one["task"], one["state"]) for one in found] == [("pills", "done"), ("visit", "skipped")]
    month = site.get("/api/v1/tasks/coverage").json()
    assert (month["month"], month["visit_share"], month["to_visit"]) == ("2026-02", 0.0, ["r1"])
    assert [one["share"] for one in month["tasks"]] == [1.0, None]
    table = site.get("/api/v1/tasks/coverage", form="csv", language="en")
    assert table.headers["content-type"].startswith("text/csv")
    assert "tasks,李奶奶,medication,1,1,0,0,0,0,100.0%" in table.text
    other = site.key(Role.VIEWER, residents=["r2"]).secret
    assert site.get("/api/v1/tasks/coverage", other).json()["tasks"] == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"tasks": [{"id": "a", "kind": "medication"}]},
        {"tasks": [PLAN["tasks"][0], PLAN["tasks"][0]]},
        {"tasks": [{**PLAN["tasks"][0], "colour": "red"}]},
        {"tasks": [{**PLAN["tasks"][0], "times": ["noon"]}]},
    ],
)
def test_plans_that_cannot_be(site: ApiSite, body: Any) -> None:
    assert site.call("PUT", R1, json=body).status_code == 422
    assert site.get(R1).json()["tasks"] == []


def test_questions_that_cannot_be(site: ApiSite) -> None:
    assert site.call("PUT", "/api/v1/residents/nobody/tasks", json=PLAN).status_code == 404
    assert site.post("/api/v1/residents/nobody/tasks/done", {"task": "pills", "by": "x"}).status_code == 404
    assert site.get(f"{R1}/runs", since="2020-01-01T00:00:00Z").status_code == 422
    for month in ("2026-13", "2027-01", "now"):
        assert site.get("/api/v1/tasks/coverage", month=month).status_code == 422, month
