"""Pauses and maintenance over the API: who may, what is refused, and that each is seen by the right people."""

from typing import Any

from api_site import SECOND, ApiSite

from gateway.api.scopes import Role

H = "/api/v1/holds"
PAUSE = {"resident_id": "r1", "kind": "heart_rate_high", "seconds": 600, "reason": "翻身"}


def test_a_pause_is_begun_seen_and_ended(site: ApiSite) -> None:
    made = site.post(H + "/pause", PAUSE, Role.OPERATOR)
    assert made.status_code == 201, made.text
    assert made.json()["ends"]["ns"] - made.json()["begins"]["ns"] == 600 * SECOND
    assert site.get(H, Role.VIEWER).json()["holds"] == [made.json()]
    ended = site.post(f"{H}/{made.json()['id']}/end", None, Role.OPERATOR)
    assert ended.status_code == 200
    assert site.get(H).json()["holds"] == []
    assert site.post(f"{H}/{made.json()['id']}/end").status_code == 404
    actions = [row.action for row in site.audit()]
    assert {"paused.begun", "paused.ended"} <= set(actions)


def test_what_must_be_told_is_refused(site: ApiSite) -> None:
    wrong: list[dict[str, Any]] = [
        {"kind": "fall"},
        {"kind": "help_call"},
        {"seconds": 601},
        {"reason": " "},
        {"kind": "x"},
    ]
    for change in wrong:
        assert site.post(H + "/pause", PAUSE | change).status_code == 422, change
    assert site.post(H + "/pause", PAUSE | {"resident_id": "nope"}).status_code == 404
    assert site.post(H + "/maintenance", {"seconds": 60, "reason": "x", "device_id": "nope"}).status_code == 404
    assert site.post(H + "/pause", PAUSE, Role.VIEWER).status_code == 403


def test_maintenance_of_the_site_needs_a_key_for_all(site: ApiSite) -> None:
    form = {"seconds": 3600, "reason": "停电检修"}
    secret = site.key(Role.ADMIN, residents=["r1"]).secret
    assert site.post(H + "/maintenance", form, secret).status_code == 403
    assert site.post(H + "/maintenance", {**form, "device_id": "w1"}, secret).status_code == 201
    assert site.post(H + "/maintenance", form).json()["device_id"] is None


def test_a_key_sees_and_ends_only_pauses_of_its_own_residents(site: ApiSite) -> None:
    secret = site.key(Role.ADMIN, residents=["r2"]).secret
    made = site.post(H + "/pause", PAUSE).json()
    assert site.get(H, secret).json()["holds"] == []
    assert site.post(f"{H}/{made['id']}/end", None, secret).status_code == 404
    assert site.get(H).json()["holds"] == [made]
