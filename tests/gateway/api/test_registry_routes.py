"""Residents, devices and contacts over HTTP: what is stored, what is told, what is audited."""

import re
from typing import Any

import bcrypt
import numpy as np
import pytest
from api_site import NOW, SECOND, ApiSite

from device_drivers.observations import DeviceEvent, Quality, Reading, Samples
from gateway.api.scopes import Role

R, D, C = "/api/v1/residents", "/api/v1/devices", "/api/v1/contacts"


def last_action(site: ApiSite) -> tuple[str, str]:
    entry = site.audit(1)[0]
    return entry.action, entry.subject


def test_a_resident_from_the_first_to_the_last_day(site: ApiSite) -> None:
    body = {"id": "r3", "display_name": " 赵奶奶 ", "birth_year": 1938, "gender": "female", "notes": "喜欢\n散步"}
    made = site.post(R, body)
    assert made.status_code == 201
    expected = {**body, "display_name": "赵奶奶", "room": "", "language": "zh-CN", "active": True}
    assert made.json() == expected
    assert site.changes == 1
    assert site.get(f"{R}/r3").json() == expected
    assert last_action(site) == ("resident.read", "resident:r3")
    changed = site.call("PATCH", f"{R}/r3", json={"room": "302", "birth_year": None})
    assert changed.json() == {**expected, "room": "302", "birth_year": None}
    assert site.audit(1)[0].actor.startswith("key:")
    assert site.call("PATCH", f"{R}/r3", json={"active": False}).json()["active"] is False
    assert site.changes == 3
    assert [one["id"] for one in site.get(R).json()["residents"]] == ["r1", "r2"]
    assert site.audit(1)[0].detail == {"residents": ["r1", "r2"]}
    assert len(site.get(R, active="false").json()["residents"]) == 3


@pytest.mark.parametrize(
    "body",
    [
        {"display_name": "x"},
        {"id": "r3"},
        {"id": "r3", "display_name": " "},
        {"id": "*", "display_name": "x"},
        {"id": "a/b", "display_name": "x"},
        {"id": "a>", "display_name": "x"},
        {"id": " r3", "display_name": "x"},
        {"id": "r3\n", "display_name": "x"},
        {"id": "x" * 65, "display_name": "x"},
        {"id": "r3", "display_name": "x\u0000y"},
        {"id": "r3", "display_name": "x", "birth_year": 1800},
        {"id": "r3", "display_name": "x", "birth_year": 1941.0},
        {"id": "r3", "display_name": "x", "birth_year": True},
        {"id": "r3", "display_name": "x", "language": "fr"},
        {"id": "r3", "display_name": "x", "gender": ""},
        {"id": "r3", "display_name": "x", "notes": "n" * 2001},
        {"id": "r3", "display_name": "x", "active": False},
        [],
        "r3",
        None,
    ],
)
def test_what_is_no_resident(site: ApiSite, body: Any) -> None:
    assert site.call("POST", R, json=body).status_code == 422
    assert len(site.registry.residents()) == 2
    assert site.changes == 0


def test_a_name_cannot_be_taken_away(site: ApiSite) -> None:
    for path in (f"{R}/r1", f"{C}/c1"):
        field = "display_name" if path.startswith(R) else "name"
        assert site.call("PATCH", path, json={field: ""}).status_code == 422
        assert site.call("PATCH", path, json={field: None}).status_code == 422


def test_a_wearable_gets_a_password_once(site: ApiSite) -> None:
    made = site.post(
        D, {"id": "watch-7", "family": "yinling_wearable", "placement": "worn", "options": {"wrist": "left"}}
    )
    assert made.status_code == 201
    login = made.json()["mqtt"]
    assert login["username"] == "watch-7"
    assert len(login["password"]) == 43
    hashed = site.registry.credentials_hash("watch-7")
    assert hashed is not None
    assert bcrypt.checkpw(login["password"].encode(), hashed.encode())
    assert login["password"] not in site.get(f"{D}/watch-7").text
    assert login["password"] not in str(site.audit())
    renewed = site.post(f"{D}/watch-7/credentials").json()
    hashed = site.registry.credentials_hash("watch-7")
    assert hashed is not None
    assert not bcrypt.checkpw(login["password"].encode(), hashed.encode())
    assert bcrypt.checkpw(renewed["password"].encode(), hashed.encode())
    assert site.changes == 2


def test_other_devices_have_no_password(site: ApiSite) -> None:
    made = site.post(
        D, {"id": "radar 卧室", "family": "micradar", "room": "301", "options": {"n": 1, "x": 0.5, "b": True}}
    )
    assert made.status_code == 201
    assert made.json()["mqtt"] is None
    assert made.json()["device"]["options"] == {"n": 1, "x": 0.5, "b": True}
    refused = site.post(f"{D}/radar 卧室/credentials")
    assert refused.status_code == 409
    assert site.registry.credentials_hash("radar 卧室") is None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"id": "x", "family": "nonsense"}, "micradar"),
        ({"id": "yinling-gateway", "family": "yinling_wearable"}, "reserved"),
        ({"id": "手环", "family": "yinling_wearable"}, "A-Z"),
        ({"id": "a b", "family": "yinling_wearable"}, "A-Z"),
        ({"id": "x", "family": "micradar", "placement": "ceiling"}, "problem"),
        ({"id": "x", "family": "micradar", "options": {"deep": {"er": 1}}}, "problem"),
        ({"id": "x", "family": "micradar", "options": {"n": 2**60}}, "problem"),
        ({"id": "x", "family": "micradar", "options": {str(n): n for n in range(65)}}, "problem"),
    ],
)
def test_what_is_no_device(site: ApiSite, body: dict[str, Any], reason: str) -> None:
    answer = site.post(D, body)
    assert answer.status_code == 422
    assert reason in answer.json()["detail"]
    assert len(site.registry.devices()) == 3


def test_a_number_that_is_none_is_no_option(site: ApiSite) -> None:
    content = b'{"id": "x", "family": "micradar", "options": {"n": NaN}}'
    assert site.call("POST", D, content=content, headers={"Content-Type": "application/json"}).status_code == 422


def test_what_a_device_says_now(site: ApiSite) -> None:
    later = NOW + 20 * SECOND
    site.live.update(
        [
            Reading("w1", "heart_rate", 71.0, NOW + 3 * SECOND, NOW + SECOND),
            Reading("w1", "battery", 64.0, NOW, NOW + SECOND),
            DeviceEvent("w1", "worn", True, NOW, NOW + SECOND),
            Reading("w1", "spo2", None, later, later, Quality.NO_CONTACT),
            Samples("w1", "accel", np.zeros((5, 3), np.float32), 50.0, later, later),
        ]
    )
    site.now_ns = later + SECOND // 2
    answer = site.get(f"{D}/w1").json()
    values = {one["signal"]: one for one in answer["values"]}
    assert set(values) == {"heart_rate", "battery", "worn", "spo2"}
    assert values["heart_rate"]["stale"] is True
    assert values["heart_rate"]["title"] == {"zh": "心率", "en": "Heart rate"}
    assert values["heart_rate"]["at"] == {"time": "2026-02-03T04:05:09.000Z", "ns": NOW + 3 * SECOND}
    assert (values["spo2"]["value"], values["spo2"]["quality"], values["spo2"]["stale"]) == (None, "no_contact", False)
    assert values["worn"]["value"] is True
    assert (answer["battery"], answer["fresh"], answer["silent_s"]) == (64.0, True, 0.5)
    assert answer["heard"]["ns"] == later
    assert answer["resident_id"] == "r1"
    silent = site.get(f"{D}/w2").json()
    assert (silent["heard"], silent["silent_s"], silent["fresh"], silent["battery"]) == (None, None, False, None)


def test_a_new_wearer_does_not_show_what_the_old_one_had(site: ApiSite) -> None:
    site.live.update([Reading("w1", "heart_rate", 71.0, NOW + SECOND, NOW + SECOND)])
    site.now_ns = NOW + 5 * SECOND
    moved = site.call("PUT", f"{D}/w1/assignment", json={"resident_id": "r2"})
    assert (moved.json()["resident_id"], moved.json()["values"]) == ("r2", [])
    assert moved.json()["assigned"]["ns"] == site.now_ns
    site.live.update([Reading("w1", "heart_rate", 80.0, site.now_ns, site.now_ns)])
    assert [one["value"] for one in site.get(f"{D}/w1").json()["values"]] == [80.0]
    freed = site.call("PUT", f"{D}/w1/assignment", json={"resident_id": None})
    assert freed.json()["resident_id"] is None
    assert site.changes == 2


def test_a_device_changes_and_leaves(site: ApiSite) -> None:
    changed = site.call("PATCH", f"{D}/w1", json={"name": "新手环", "options": {"a": None}})
    assert (changed.json()["name"], changed.json()["options"], changed.json()["placement"]) == (
        "新手环",
        {"a": None},
        "worn",
    )
    site.call("PATCH", f"{D}/w1", json={"active": False})
    assert [one["id"] for one in site.get(D).json()["devices"]] == ["spare", "w2"]
    assert [one["id"] for one in site.get(D, active="false", resident="r1").json()["devices"]] == ["w1"]
    assert site.call("PUT", f"{D}/w1/assignment", json={"resident_id": "nope"}).status_code == 404
    assert site.call("PUT", f"{D}/w1/assignment", json={}).status_code == 422


def test_a_device_of_a_driver_that_is_gone_is_still_shown(site: ApiSite) -> None:
    with site.database.write() as session:
        session.connection().exec_driver_sql("UPDATE devices SET family = 'departed' WHERE id = 'w1'")
    assert site.get(f"{D}/w1").json()["family"] == "departed"
    assert site.post(f"{D}/w1/credentials").status_code == 409


def test_contacts_in_their_order_and_who_may_see_where_they_are_told(site: ApiSite) -> None:
    body = {
        "id": "c3",
        "resident_id": "r1",
        "name": "女儿",
        "role": "daughter",
        "channel": "sms",
        "address": "139",
        "order": 2,
    }
    assert site.post(C, body).json() == {**body, "active": True}
    assert [one["id"] for one in site.get(C, resident="r1").json()["contacts"]] == ["c1", "c3", "nurse"]
    assert last_action(site) == ("contacts.listed", "resident:r1")
    assert site.get(f"{C}/c3").json()["address"] == "139"
    assert site.get(f"{C}/c3", Role.OPERATOR).json()["address"] is None
    changed = site.call("PATCH", f"{C}/c3", json={"order": 0, "active": False})
    assert changed.json() == {**body, "order": 0, "active": False}
    assert [one["id"] for one in site.get(C, resident="r1").json()["contacts"]] == ["c1", "nurse"]
    assert site.call("PATCH", f"{C}/c3", json={"resident_id": "r2"}).status_code == 422
    assert site.post(C, {**body, "id": "c4", "resident_id": "nope"}).status_code == 404
    assert site.post(C, body).status_code == 409
    assert site.get(f"{C}/nope").status_code == 404


def test_every_change_names_the_key_in_the_audit(site: ApiSite) -> None:
    key = site.key(Role.ADMIN)
    site.post(R, {"id": "r7", "display_name": "x"}, key.secret)
    site.post(D, {"id": "w7", "family": "yinling_wearable"}, key.secret)
    site.call("PUT", f"{D}/w7/assignment", key.secret, json={"resident_id": "r7"})
    site.get(f"{D}/w7", key.secret)
    entries = [entry for entry in site.audit() if entry.actor == f"key:{key.key.id}"]
    actions = ["device.read", "device.assigned", "device.credentials", "device.added", "resident.added"]
    assert [entry.action for entry in entries] == actions
    assert entries[0].detail == {"resident": "r7"}
    assert not re.search(r"[一-鿿]", str(entries))
