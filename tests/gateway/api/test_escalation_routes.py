"""The escalation plan over the API: read, replace, refuse, go back; who is on call; who would be called."""

from typing import Any

import pytest
from api_site import NOW, ApiSite

from gateway.api.scopes import Role

E = "/api/v1/escalation"
NIGHT = {
    "name": "night",
    "rotation": [{"people": ["nurse"], "hours": {"from": "20:00", "to": "08:00"}, "start": "2026-01-01"}],
    "override": [{"from": "2026-02-03T12:00:00", "to": "2026-02-03T13:00:00", "person": "nurse", "note": "午休"}],
}
PLAN: dict[str, Any] = {
    "policy": [{"name": "p", "steps": [{"targets": ["oncall:night"], "wait_s": 30}, {"targets": ["son", "nobody"]}]}],
    "schedule": [NIGHT],
}


def put(site: ApiSite, plan: Any) -> Any:
    return site.call("PUT", E, json=plan)


def test_a_stored_plan_goes_before_the_file_and_back(site: ApiSite) -> None:
    assert site.get(E).json()["source"] == "built-in"
    stored = put(site, PLAN)
    assert stored.status_code == 200, stored.text
    answer = stored.json()
    assert (answer["source"], answer["version"]) == ("database", 1)
    assert answer["plan"]["schedule"][0]["rotation"][0]["hours"] == {"from": "20:00:00", "to": "08:00:00"}
    assert [w["en"] for w in answer["warnings"]] == ["policy p: no contact and no role is nobody"]
    assert put(site, answer["plan"]).json()["plan"] == answer["plan"], "what is read can be stored again"
    rows = [row for row in site.audit() if row.action == "escalation.put"]
    assert [row.detail["version"] for row in rows] == [2, 1]
    assert rows[0].actor.startswith("key:")
    assert site.call("DELETE", E).json()["source"] == "built-in"


def test_the_plan_of_the_settings_file_counts_until_one_is_stored(make_site: Any) -> None:
    site = make_site({"escalation": {"policy": [{"name": "of the file", "steps": [{"targets": ["assist"]}]}]}})
    assert site.get(E).json()["source"] == "file"
    assert site.get(E + "/preview", kind="fall", resident="r1").json()["policy"] == "of the file"
    put(site, PLAN)
    assert site.get(E + "/preview", kind="fall", resident="r1").json()["policy"] == "p"
    assert site.call("DELETE", E).json()["plan"]["policy"][0]["name"] == "of the file"


@pytest.mark.parametrize(
    ("plan", "field", "says"),
    [
        ({"policy": [{"name": "p", "steps": []}]}, "body.policy.0.steps", "at least 1"),
        ({"policy": [{"name": "p", "steps": [{"targets": ["oncall:x"]}]}]}, "body", "no schedule for oncall:x"),
        ({"policy": [{"name": "p", "steps": [{"targets": ["prompt"]}]}]}, "body.policy.0", "no step tells anybody"),
        ({"schedule": [{**NIGHT, "rotation": [{"people": ["a"], "handover": "x"}]}]}, "body.schedule.0.rotation.0", ""),
        ({"polici": []}, "body.polici", "Extra"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_stored(site: ApiSite, plan: Any, field: str, says: str) -> None:
    answer = put(site, plan)
    assert answer.status_code == 422
    error = answer.json()["errors"][0]
    assert error["field"].startswith(field)
    assert says in error["problem"]
    assert site.get(E).json()["version"] == 0


def test_only_an_administrator_changes_it(site: ApiSite) -> None:
    assert site.call("PUT", E, Role.OPERATOR, json=PLAN).status_code == 403
    assert site.get(E, Role.OPERATOR).status_code == 200


def test_who_is_on_call(site: ApiSite) -> None:
    """NOW is 12:05:06 on the site's clock: lunch is taken over, then nobody until 20:00."""
    put(site, PLAN)
    (night,) = site.get(E + "/oncall", hours=12).json()["schedules"]
    assert [(turn["people"], turn["source"]) for turn in night["turns"]] == [
        (["nurse"], "override"),
        ([], "nobody"),
        (["nurse"], "rotation"),
    ]
    assert night["turns"][0]["note"] == "午休"
    assert night["turns"][0]["begins"]["ns"] == NOW
    assert night["gap"]["begins"]["time"] == "2026-02-03T05:00:00.000Z"


def test_who_would_be_called(site: ApiSite) -> None:
    put(site, PLAN)
    found = site.get(E + "/preview", kind="fall", resident="r1", at="2026-02-03T14:00:00+08:00", suspected=True).json()
    assert [(e["what"], e["after_s"]) for e in found["events"]] == [
        ("opened", 0),
        ("raised", 20),
        ("passed", 20),
        ("told", 20),
        ("again", 25),
    ]
    assert found["events"][3]["told"] == [{"contact": "c1", "channel": "dingtalk", "reachable": False}]
    assert {(p["what"], p["target"]) for p in found["problems"]} == {
        ("nobody", "oncall:night"),
        ("unreachable", "c1"),
        ("nobody", "nobody"),
        ("nobody_at_all", ""),
    }
    assert site.get(E + "/preview", kind="earthquake").status_code == 422
    assert site.get(E + "/preview", kind="fall", resident="nope").status_code == 404


def test_an_alert_follows_the_stored_plan(site: ApiSite) -> None:
    put(site, {"policy": [{"name": "p", "steps": [{"targets": ["son"]}]}]})
    alert = site.get(f"/api/v1/alerts/{site.fall()}").json()
    assert alert["history"][1]["detail"]["told"] == ["c1"]
    assert alert["dispatches"][0]["contact"] == "c1"
