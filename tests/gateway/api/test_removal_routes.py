"""Removal over HTTP: who may, what is answered, what is gone and what is kept, by the rules of `gateway.removal`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api_site import NOW, SECOND
from route_table import C, D, E, R

from gateway.api.scopes import Role
from gateway.audit import verify_audit
from gateway.care import care_of, put_care
from gateway.registry import REMOVED, Device

if TYPE_CHECKING:
    from api_site import ApiSite


def test_a_resident_is_asked_about_and_then_removed(site: ApiSite) -> None:
    put_care(site.registry, "r1", {"dementia": True}, by="test", now_ns=NOW)
    asked = site.get(f"{R}/r1/removal")
    assert asked.status_code == 200
    told = asked.json()
    assert (told["id"], told["devices"], told["history"]) == ("r1", ["w1"], True)
    assert told["rows"]["contacts"] == 1
    assert "联系人 1" in told["text"]["zh"]
    assert "保留：报警" in told["text"]["zh"]
    assert "Nobody's from now on: w1" in told["text"]["en"]
    assert (site.audit(1)[0].action, site.changes) == ("resident.removal_read", 0)
    assert site.registry.resident("r1") is not None
    gone = site.call("DELETE", f"{R}/r1")
    assert gone.status_code == 200
    assert gone.json() == told | {"warnings": []}
    entry = site.audit(1)[0]
    assert (entry.action, entry.subject, entry.actor[:4]) == ("resident.removed", "resident:r1", "key:")
    assert entry.detail["devices"] == ["w1"]
    assert site.changes == 1, "the pipeline follows at once"
    assert site.registry.resident("r1") is None
    assert not care_of(site.registry, "r1").dementia
    assert site.registry.owners()["w1"] is None
    assert site.registry.setting(REMOVED + "r1") is not None, "its history is to be erased"
    for path in (f"{R}/r1", f"{R}/r1/removal", f"{C}/c1", f"{R}/r1/care"):
        assert site.get(path).status_code == 404
    assert site.call("DELETE", f"{R}/r1").status_code == 404
    refused = site.post(R, {"id": "r1", "display_name": "别人"})
    assert refused.status_code == 422
    assert "removed resident" in refused.text
    with site.database.read() as session:
        assert verify_audit(session).intact


def test_nobody_is_removed_while_an_alert_is_open(site: ApiSite) -> None:
    alert = site.fall("r1")
    for method, path in (("GET", f"{R}/r1/removal"), ("DELETE", f"{R}/r1")):
        answer = site.call(method, path)
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:yinling:problem:conflict")
        assert "open alert" in answer.json()["detail"]
    assert site.registry.resident("r1") is not None
    site.alerts.cancel(alert, "nurse", NOW + SECOND)
    assert site.call("DELETE", f"{R}/r1").status_code == 200
    kept = site.get(f"/api/v1/alerts/{alert}")
    assert (kept.status_code, kept.json()["alert"]["resident_id"]) == (200, "r1")


def test_a_device_is_removed_and_may_be_added_again(site: ApiSite) -> None:
    site.registry.add_device(Device("zigbee2mqtt/sos 1", "zigbee2mqtt"), by="test", now_ns=NOW)
    for device_id in ("w1", "zigbee2mqtt/sos 1"):
        gone = site.call("DELETE", f"{D}/{device_id}")
        assert gone.status_code == 200
        assert gone.json()["id"] == device_id
        assert "测得的数据" in gone.json()["text"]["zh"]
        assert "(the resident's)" in gone.json()["text"]["en"]
        assert site.audit(1)[0].action == "device.removed"
        assert site.registry.device(device_id) is None
        assert site.call("DELETE", f"{D}/{device_id}").status_code == 404
    assert site.changes == 2
    assert site.registry.resident("r1") is not None
    assert site.post(D, {"id": "w1", "family": "yinling_wearable"}).json()["mqtt"]["password"]


def test_a_contact_is_removed_and_the_plan_that_names_it_is_told(site: ApiSite) -> None:
    plan = {"policy": [{"name": "p", "steps": [{"targets": ["contact:nurse"]}]}]}
    assert site.call("PUT", E, json=plan).status_code == 200
    gone = site.call("DELETE", f"{C}/nurse").json()
    assert gone["id"] == "nurse"
    assert "on its way is still sent" in gone["text"]["en"]
    assert [one["en"] for one in gone["warnings"]] == ["policy p: no contact and no role is contact:nurse"]
    assert "contact:nurse" in gone["warnings"][0]["zh"]
    assert site.audit(1)[0].action == "contact.removed"
    assert site.get(f"{C}/nurse").status_code == 404
    assert [one["id"] for one in site.get(C, resident="r1").json()["contacts"]] == ["c1"]


def test_only_who_may_change_may_remove(site: ApiSite) -> None:
    for role in set(Role) - {Role.ADMIN}:
        for path in (f"{R}/r1", f"{D}/w1", f"{C}/c1"):
            assert site.call("DELETE", path, role).status_code == 403, (role, path)
        assert site.get(f"{R}/r1/removal", role).status_code == 403
    assert site.call("DELETE", f"{R}/r1", None).status_code == 401
    some = site.key(Role.ADMIN, residents=["r1"]).secret
    for path in (f"{R}/r1", f"{D}/w1"):
        assert site.call("DELETE", path, some).status_code == 403, "as adding, this needs a key for all"
    assert site.get(f"{R}/r1/removal", some).status_code == 403
    for path in (f"{R}/r2", f"{D}/w2", f"{D}/spare", f"{C}/c2", f"{C}/nurse"):
        assert site.call("DELETE", path, some).status_code == 404
    assert len(site.registry.residents()) == 2
    assert len(site.registry.devices()) == 3
    assert site.changes == 0
    assert site.call("DELETE", f"{C}/c1", some).status_code == 200, "as adding a contact of theirs"
