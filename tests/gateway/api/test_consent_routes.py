"""Consents over HTTP: nothing until it is written down, given, withdrawn, audited; unknown purposes are refused."""

from __future__ import annotations

from api_site import ApiSite

from gateway.api.scopes import Role
from gateway.consents import PURPOSES, Consents

PATH = "/api/v1/residents/r1/consents"


def test_given_and_withdrawn(site: ApiSite) -> None:
    before = site.get(PATH).json()
    assert [one["purpose"] for one in before["consents"]] == list(PURPOSES)
    assert not any(one["stands"] or one["given"] for one in before["consents"])
    assert site.audit(1)[0].action == "resident.consents_read"
    given = site.call("PUT", f"{PATH}/fall_recordings").json()["consents"][0]
    assert given["stands"]
    assert given["given"]["ns"] == site.now_ns
    assert given["withdrawn"] is None
    assert site.audit(1)[0].action == "consent.given"
    assert Consents(site.database).standing("fall_recordings") == {"r1": True}
    site.call("PUT", f"{PATH}/fall_recordings")
    gone = site.call("DELETE", f"{PATH}/fall_recordings").json()["consents"][0]
    assert not gone["stands"]
    assert gone["withdrawn"]["ns"] == site.now_ns
    assert [one.action for one in site.audit(2)] == ["consent.withdrawn", "consent.given"]


def test_refused(site: ApiSite) -> None:
    assert site.call("PUT", f"{PATH}/camera").status_code == 404
    assert site.call("DELETE", "/api/v1/residents/nobody/consents/fall_recordings").status_code == 404
    assert site.get("/api/v1/residents/nobody/consents").status_code == 404
    other = site.key(Role.ADMIN, residents=["r2"]).secret
    assert site.call("PUT", f"{PATH}/fall_recordings", other).status_code == 404
    assert site.call("PUT", f"{PATH}/fall_recordings", Role.OPERATOR).status_code == 403
    assert Consents(site.database).standing("fall_recordings") == {}
