"""The page on the resident's tablet."""

import re
from typing import Any

from api_site import ApiSite

from analytics.findings import Finding, Phase
from gateway.api.scopes import Role


def suspect(site: ApiSite, resident: str = "r1", episode: str = "s") -> str:
    finding = Finding(episode, "fall", resident, site.now_ns, Phase.SUSPECTED, 0.6, (f"w{resident[1:]}",), {})
    alert = site.alerts.take(finding, site.now_ns).alert
    assert alert is not None
    return alert.id


def link(site: ApiSite, resident: str = "r1") -> str:
    return str(site.get(f"/api/v1/residents/{resident}/prompt-link").json()["path"])


def press(site: ApiSite, path: str, **form: str) -> Any:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return site.call("POST", path, None, content="&".join(f"{k}={v}" for k, v in form.items()), headers=headers)


def test_the_page_asks_takes_the_answer_and_says_so(site: ApiSite) -> None:
    path = link(site)
    calm = site.get(path, None)
    assert calm.status_code == 200
    assert "一切正常" in calm.text
    assert calm.headers["content-type"] == "text/html; charset=utf-8"
    assert "script" not in calm.text
    assert "default-src 'none'" in calm.headers["content-security-policy"]
    assert 'http-equiv="refresh"' in calm.text
    alert = suspect(site)
    asking = site.get(path, None).text
    assert re.search(r"您还好吗.*我没事.*需要帮助", asking, re.DOTALL)
    assert alert in asking
    assert "李奶奶" not in asking
    fine = press(site, path, alert=alert, answer="fine")
    assert "没事就好" in fine.text
    assert site.alerts.get(alert).closed_by == "resident:r1"
    assert "一切正常" in press(site, path, alert=alert, answer="help").text


def test_help_calls_people(site: ApiSite) -> None:
    path, alert = link(site), suspect(site)
    assert "已经通知人" in press(site, path, alert=alert, answer="help").text
    assert "已经通知人" in site.get(path, None).text
    assert [e["type"] for e in site.get(f"/api/v1/alerts/{alert}").json()["history"]][:3] == [
        "opened",
        "prompted",
        "raised",
    ]


def test_english_for_those_who_speak_it(site: ApiSite) -> None:
    site.call("PATCH", "/api/v1/residents/r1", json={"language": "en"})
    suspect(site)
    assert "I am fine" in site.get(link(site), None).text


def test_an_open_page_makes_the_question_go_there(site: ApiSite) -> None:
    assert not site.alerts.router.prompts("r1")
    site.get(link(site), None)
    assert site.alerts.router.prompts("r1")
    alert = suspect(site)
    assert [d["channel"] for d in site.get(f"/api/v1/alerts/{alert}").json()["dispatches"]] == ["prompt"]


def test_a_token_is_for_one_resident(site: ApiSite) -> None:
    path, other = link(site, "r2"), suspect(site)
    assert press(site, path, alert=other, answer="fine").status_code == 404
    assert press(site, path, alert="nope", answer="fine").status_code == 404
    assert press(site, path, alert=other, answer="maybe").status_code == 422
    assert site.get(path + "x", None).status_code == 404
    assert site.get("/api/v1/prompt/cjE.AAAA", None).status_code == 404
    site.call("PATCH", "/api/v1/residents/r2", json={"active": False})
    assert site.get(path, None).status_code == 404


def test_only_who_may_change_residents_gets_the_link(site: ApiSite) -> None:
    assert link(site).startswith("/api/v1/prompt/")
    assert site.get("/api/v1/residents/r1/prompt-link", Role.OPERATOR).status_code == 403
    assert site.get("/api/v1/residents/nope/prompt-link").status_code == 404
    assert "prompt.link" in [row.action for row in site.audit()]
