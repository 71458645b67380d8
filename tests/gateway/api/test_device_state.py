"""What the API tells of devices beside values: state, way in, mishaps, commissioning, unknown senders, odd ids."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from api_site import NOW, SECOND
from route_table import D

from device_drivers.observations import DeviceEvent, Reading
from gateway.api.scopes import Role
from gateway.commissioning import Tried, commissioning_key, tried_text
from gateway.mishaps import Mishap, Mishaps
from gateway.registry import Device
from gateway.ways import WayIn

if TYPE_CHECKING:
    from api_site import ApiSite

RAW = bytes.fromhex("53598081000100 7d5443")


def test_state_way_mishaps_and_commissioning(site: ApiSite) -> None:
    mishaps = Mishaps(5, deque([Mishap(NOW - n * SECOND, "checksum", RAW) for n in (2, 1)], 3))
    site.ways = [WayIn("serial:spare", "serial", True, {"micradar"}, line="spare", frames=10, mishaps={"": mishaps})]
    site.live.update([DeviceEvent("spare", "presence", True, NOW, NOW)])
    tried = (Tried("presence", True, NOW - SECOND), Tried("fall", False, NOW))
    site.registry.put_setting(commissioning_key("spare"), tried_text(tried), by="test", now_ns=NOW)
    answer = site.get(f"{D}/spare").json()
    assert answer["title"]["zh"] == "云帆瑞达毫米波雷达（跌倒、睡眠、呼吸心率）"
    assert answer["title"]["en"] == "MicRadar mmWave radar (fall, sleep, breath, heart)"
    assert (answer["state"], [one["word"] for one in answer["troubles"]]) == ("notice", ["undecodable", "test_failed"])
    assert answer["troubles"][1]["title"]["zh"] == "安装检查未通过"
    assert answer["way"] == {"name": "serial:spare", "kind": "serial", "connected": True, "error": None}
    assert (answer["rejected"], answer["lost_after_s"], answer["commands"]) == (5, 300.0, [])
    assert [(one["received"]["ns"], one["hex"]) for one in answer["rejections"]] == [
        (NOW - SECOND, "53 59 80 81 00 01 00 7d 54 43"),
        (NOW - 2 * SECOND, "53 59 80 81 00 01 00 7d 54 43"),
    ]
    steps = {one["signal"]: (one["seen"], one["at"] and one["at"]["ns"]) for one in answer["commissioning"]}
    assert steps == {"presence": (True, NOW - SECOND), "fall": (False, NOW)}
    listed = next(one for one in site.get(D).json()["devices"] if one["id"] == "spare")
    assert listed == {name: value for name, value in answer.items() if name != "rejections"}


def test_a_value_that_the_gateway_has_computed_says_so(site: ApiSite) -> None:
    heart = Reading("w2", "heart_rate", 70.0, NOW, NOW, derived=True)
    site.live.update([heart, Reading("w2", "battery", 70.0, NOW, NOW)])
    marks = {one["signal"]: one["derived"] for one in site.get(f"{D}/w2").json()["values"]}
    assert marks == {"heart_rate": True, "battery": False}


def test_the_list_begins_with_those_in_trouble(site: ApiSite) -> None:
    site.ways = [WayIn("mqtt:yinling_wearable", "mqtt", True, {"yinling_wearable"})]
    site.live.update([Reading("w2", "heart_rate", 70.0, NOW, NOW)])
    told = [(one["id"], one["state"]) for one in site.get(D).json()["devices"]]
    assert told == [("spare", "fault"), ("w1", "unknown"), ("w2", "notice")]


def test_unknown_senders_are_told_to_those_who_see_everything(site: ApiSite) -> None:
    site.live.update([Reading("stray", "battery", 50.0, NOW, NOW)])
    site.ways = [WayIn("tcp:x", "tcp", True, {"watch_3g"}, strangers={"111": "watch_3g"}, online=frozenset())]
    site.registry.add_device(Device("old", "micradar", active=False), by="test", now_ns=NOW)
    site.live.update([Reading("old", "heart_rate", 50.0, NOW, NOW)])
    unknown = site.get(D, Role.VIEWER).json()["unknown"]
    assert [(one["id"], one["family"], one["signals"]) for one in unknown] == [
        ("111", "watch_3g", []),
        ("stray", None, ["battery"]),
    ]
    assert unknown[1]["heard"]["ns"] == NOW
    limited = site.key(Role.VIEWER, residents=["r1"]).secret
    assert site.get(D, limited).json()["unknown"] == []
    assert site.get(D, resident="r1").json()["unknown"] == []


@pytest.mark.parametrize(
    "device_id", ["zigbee2mqtt/sos", "zigbee2mqtt/卫生间 呼救", "ha/a/assignment", "x/credentials"]
)
@pytest.mark.parametrize("encode", [lambda text: quote(text, safe="/"), lambda text: quote(text, safe="")])
def test_ids_with_slashes_are_reachable(site: ApiSite, device_id: str, encode: object) -> None:
    path = f"{D}/{encode(device_id)}"  # type: ignore[operator]
    made = site.post(D, {"id": device_id, "family": "zigbee2mqtt", "room": "301"})
    assert made.status_code == 201, made.text
    assert made.json()["device"]["id"] == device_id
    assert site.get(path).json()["id"] == device_id
    assert site.call("PATCH", path, json={"name": "呼救按钮"}).json()["name"] == "呼救按钮"
    assert site.call("PUT", f"{path}/assignment", json={"resident_id": "r1"}).json()["resident_id"] == "r1"
    renewed = site.post(f"{path}/credentials")
    assert renewed.status_code == 409, "what is behind a bridge does not log in itself"
    assert site.audit(1)[0].subject == f"device:{device_id}"
    assert device_id in [one["id"] for one in site.get(D).json()["devices"]]


def test_a_bridge_has_an_account_and_what_is_behind_it_needs_none(site: ApiSite) -> None:
    bridge = site.post(D, {"id": "zigbee2mqtt/bridge", "family": "zigbee2mqtt"}).json()
    assert bridge["mqtt"]["username"] == "zigbee2mqtt/bridge"
    assert site.post(f"{D}/zigbee2mqtt/bridge/credentials").status_code == 200
    for behind in ("zigbee2mqtt/烟感", "zigbee2mqtt/smoke"):
        assert site.post(D, {"id": behind, "family": "zigbee2mqtt"}).json()["mqtt"] is None


@pytest.mark.parametrize("device_id", ["a//b", "a/", "/a", "a/../b", "./a", "a/ b", "a /b", "a+b", "a#", "x" * 201])
def test_what_is_no_id(site: ApiSite, device_id: str) -> None:
    assert site.post(D, {"id": device_id, "family": "zigbee2mqtt"}).status_code == 422


def test_a_wearable_s_id_is_one_level_of_its_topic(site: ApiSite) -> None:
    refused = site.post(D, {"id": "ward/w1", "family": "yinling_wearable"})
    assert refused.status_code == 422
    assert "A-Z" in refused.json()["detail"]


def test_methods_that_are_not_possible(site: ApiSite) -> None:
    assert site.call("PUT", f"{D}/w1").status_code == 405
    assert site.call("PUT", f"{D}/a/b").status_code == 405
    assert site.get(f"{D}/w1/assignment").status_code == 404


def test_secrets_among_the_options_are_never_told(site: ApiSite) -> None:
    key = "231d39c1d7cc1ab1aee224cd096db932"
    keys = {"C300007B573C": key, "C300007B573D": {"file": "keys/window"}, "C300007B573E": {"env": "YINLING_K"}}
    made = site.post(D, {"id": "tags", "family": "shelly_blu", "options": {"bindkeys": keys, "n": 1}})
    assert made.status_code == 201, made.text
    shown = made.json()["device"]["options"]
    assert shown == {"bindkeys": {**keys, "C300007B573C": "********"}, "n": 1}
    back = site.call("PATCH", f"{D}/tags", json={"options": {**shown, "n": 2}})
    assert back.json()["options"] == {**shown, "n": 2}
    device = site.registry.device("tags")
    assert device is not None
    assert device.options == {"bindkeys": keys, "n": 2}
    for answer in (made, back, site.get(D), site.get(f"{D}/tags")):
        assert key not in answer.text
    assert key not in str(site.audit())


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"bindkeys": {"a": {"file": "/etc/hostname"}}}, "relative"),
        ({"bindkeys": {"a": {"file": "../x"}}}, "relative"),
        ({"bindkeys": {"a": {"env": "HOME"}}}, "YINLING_"),
        ({"topics": {"file": "a"}}, "no secret"),
        ({"topics": {"any": "a"}}, "no secret"),
        ({"bindkeys": {"a": {"file": "a", "env": "b"}}}, "problem"),
        ({"bindkeys": {"a": {"b": "c"}}}, "problem"),
    ],
)
def test_where_a_secret_cannot_be_kept(site: ApiSite, options: dict[str, object], why: str) -> None:
    for answer in (
        site.post(D, {"id": "tags", "family": "bthome", "options": options}),
        site.call("PATCH", f"{D}/spare", json={"options": options}),
    ):
        assert answer.status_code == 422
        assert why in answer.json()["detail"] or "no secret" in answer.json()["detail"]
