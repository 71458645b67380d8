"""The page of devices in a real browser against a real box: state, trouble first, details on demand, both languages."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from console_browser import CONTRAST, LOOKS, MEASURE, PHONE, WIDE, Open
from console_site import S, Site
from playwright.sync_api import Page, expect

from device_drivers.observations import DeviceEvent
from gateway.api.scopes import Role
from gateway.commissioning import Tried, commissioning_key, tried_text
from gateway.mishaps import Mishap, Mishaps
from gateway.registry import Device
from gateway.ways import WayIn

pytestmark = [pytest.mark.system, pytest.mark.slow]

WATCH = "9032074659"
RADAR = "radar-301"
BUTTON = "zigbee2mqtt/卫生间 呼救"
RAW = bytes.fromhex("53598081000100 7d5443")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Every kind of device and of trouble, and a running server."""
    site = Site(tmp_path_factory.mktemp("devices"))
    site.resident("r1", "李奶奶", "301", "w1")
    site.resident("r2", "王大爷", "302", "w2")
    now = site.now()
    for device, owner in (
        (Device(RADAR, "micradar", "卧室跌倒雷达", "room", "301"), "r1"),
        (Device(BUTTON, "zigbee2mqtt", "卫生间呼救按钮", "room", "301"), "r1"),
        (Device(WATCH, "watch_3g", "王大爷的手表", "worn"), "r2"),
        (Device("mat-9", "departed_family", "旧床垫", "room", "309"), None),
        (Device("gone", "micradar", "拆下的雷达", active=False), None),
    ):
        site.registry.add_device(device, by="test", now_ns=now)
        if owner is not None:
            site.registry.assign(device.id, owner, by="test", now_ns=now)
    tried = (Tried("presence", True, now - 3600 * S), Tried("fall", False, now - 3500 * S))
    site.registry.put_setting(commissioning_key(RADAR), tried_text(tried), by="test", now_ns=now)
    site.start()
    yield site
    site.close()


@pytest.fixture
def box(home: Site) -> Site:
    """The same box: the radar well, the watch gone silent, the button never heard."""
    home.resolve_all()
    home.ahead_s = 0.0
    home.run(home.live.devices.clear)
    now = home.now()
    mishaps = Mishaps(41, deque([Mishap(now - 90 * S, "checksum", RAW)], 3))
    home.ways = (
        WayIn("serial:radar-301", "serial", True, {"micradar"}, line=RADAR, frames=900, mishaps={"": mishaps}),
        WayIn("mqtt:zigbee2mqtt", "mqtt", True, {"zigbee2mqtt"}, talkers={"zigbee2mqtt/新按钮"}),
        WayIn("mqtt:yinling_wearable", "mqtt", True, {"yinling_wearable"}, talkers={"w1", "w2"}),
        WayIn(
            "tcp:127.0.0.1:7700",
            "tcp",
            True,
            {"watch_3g"},
            online=frozenset(),
            strangers={"1111111111": "watch_3g"},
            talkers={WATCH},
        ),
    )
    home.vitals(RADAR, heart_rate=72, respiratory_rate=None, distance=180)
    home.event(RADAR, "presence", True)
    home.event(RADAR, "bed_occupancy", "in")
    home.vitals("w1", heart_rate=70, battery=12)
    home.accel("w1")
    home.vitals("w2", heart_rate=64, battery=90)
    home.feed(DeviceEvent(WATCH, "online", False, now - 1000 * S, now - 1000 * S))
    home.event("zigbee2mqtt/新按钮", "help_button", True)
    return home


def open_devices(page: Page) -> Page:
    page.click("#y-way")
    expect(page.locator("#devices")).to_be_visible()
    expect(device(page, "w1")).to_be_visible()
    return page


def device(page: Page, device_id: str) -> Any:
    return page.locator(f'[data-device="{device_id}"]')


def ids(page: Page) -> list[str | None]:
    return [one.get_attribute("data-device") for one in page.locator("[data-device]").all()]


def test_from_the_board_and_back(box: Site, open_page: Open) -> None:
    page = open_page(box.key(Role.OPERATOR))
    open_devices(page)
    expect(page).to_have_url(f"{box.url}/devices")
    page.click("#y-way")
    expect(page.locator("#residents")).to_be_visible()
    assert [one.action for one in audit(box)][:2] == ["console.opened", "console.devices_opened"]


def audit(box: Site) -> list[Any]:
    from gateway.audit import read_audit

    with box.database.read() as session:
        return read_audit(session, limit=20)


def test_those_in_trouble_come_first_and_say_why(box: Site, open_page: Open) -> None:
    page = open_devices(open_page(box.key(Role.OPERATOR)))
    assert ids(page) == ["mat-9", WATCH, BUTTON, "w1", RADAR, "w2", "gone"]
    standings = [device(page, one or "").get_attribute("data-standing") for one in ids(page)]
    assert standings == ["fault", "fault", "unknown", "notice", "notice", "notice", "unused"]
    watch = device(page, WATCH)
    expect(watch).to_contain_text("故障王大爷的手表")
    expect(watch).to_contain_text("王大爷 · 房间 302")
    expect(watch).to_contain_text("4G 老人手表")
    for word in ("silent", "offline", "not_connected", "not_tested"):
        expect(watch.locator(f'[data-trouble="{word}"]')).to_be_visible()
    expect(watch).to_contain_text(re.compile("最近收到 (1[6-9]|2[0-9]) 分钟前"))
    expect(watch).to_contain_text("TCP 端口 127.0.0.1:7700 未连接")
    expect(device(page, "mat-9")).to_contain_text("没有安装此设备族的驱动")
    expect(device(page, BUTTON)).to_contain_text("从未收到数据")
    radar = device(page, RADAR)
    expect(radar.locator('[data-trouble="test_failed"]')).to_be_visible()
    expect(radar).to_contain_text("串口 radar-301 已连接")
    expect(radar).to_contain_text("无法解码 41 次")
    expect(device(page, "w1").locator('[data-trouble="battery_low"]')).to_be_visible()
    expect(page.locator('[data-standing="fault"]').first).to_contain_text("故障 2")


def test_details_on_demand_grey_out_when_stale(box: Site, open_page: Open) -> None:
    page = open_devices(open_page(box.key(Role.OPERATOR)))
    radar = device(page, RADAR)
    expect(radar.locator('[data-signal="heart_rate"]')).to_have_count(0)
    radar.locator('[data-action="details"]').click()
    heart = radar.locator('[data-signal="heart_rate"]')
    expect(heart).to_be_visible()
    box.vitals(RADAR, heart_rate=72)
    expect(heart).to_contain_text("心率72 次/分")
    expect(heart).to_have_class(re.compile("y-v-current"))
    colour = "e => getComputedStyle(e).color"
    current = heart.locator("b").evaluate(colour)
    expect(radar.locator('[data-signal="respiratory_rate"]')).to_contain_text("呼吸频率—")
    expect(radar.locator('[data-signal="bed_occupancy"]')).to_contain_text("在床")
    expect(radar.locator('[data-signal="presence"]')).to_contain_text("室内有人")
    expect(radar.locator('[data-step="presence"]')).to_have_attribute("data-seen", "true")
    expect(radar.locator('[data-step="fall"]')).to_contain_text("没有收到")
    expect(radar.locator('[data-step="bed_occupancy"]')).to_contain_text("未做")
    expect(radar).to_contain_text(f"yinling devices test {RADAR}")
    box.ahead_s = 200
    expect(heart).to_have_class(re.compile("y-v-stale"))
    expect(heart.locator(".y-age")).to_have_text(re.compile("[345] 分钟前"))
    assert heart.locator("b").evaluate(colour) != current
    radar.locator('[data-action="details"]').click()
    expect(heart).to_have_count(0)


def test_raw_bytes_on_demand_are_audited(box: Site, open_page: Open) -> None:
    page = open_devices(open_page(box.key(Role.OPERATOR)))
    radar = device(page, RADAR)
    assert RAW.hex(" ") not in page.content()
    radar.locator('[data-action="raw"]').click()
    expect(radar).to_contain_text("53 59 80 81 00 01 00 7d 54 43")
    expect(radar).to_contain_text("checksum")
    entry = audit(box)[0]
    assert (entry.action, entry.subject) == ("console.raw_read", f"device:{RADAR}")
    radar.locator('[data-action="raw"]').click()
    expect(radar).not_to_contain_text("53 59 80 81")
    expect(device(page, "w2").locator('[data-action="raw"]')).to_be_hidden()


def test_senders_that_are_registered_nowhere(box: Site, open_page: Open) -> None:
    page = open_devices(open_page(box.key(Role.OPERATOR)))
    unknown = page.locator("#unknown")
    expect(unknown.locator('[data-talker="zigbee2mqtt/新按钮"]')).to_contain_text("zigbee2mqtt")
    expect(unknown.locator('[data-talker="zigbee2mqtt/新按钮"]')).to_contain_text("呼救按钮")
    expect(unknown.locator('[data-talker="1111111111"]')).to_contain_text("请求连接，被拒绝")
    expect(unknown).to_contain_text("yinling devices add ID FAMILY")


def test_a_key_for_one_resident_sees_only_theirs(box: Site, open_page: Open) -> None:
    page = open_page(box.key(Role.VIEWER, "女儿", ["r1"]), size=PHONE)
    open_devices(page)
    assert sorted(str(one) for one in ids(page)) == sorted([RADAR, BUTTON, "w1"])
    expect(page.locator("#unknown")).to_have_count(0)
    assert "王大爷" not in page.content()
    assert WATCH not in page.content()


def test_a_key_without_devices_is_sent_to_the_board(box: Site, open_page: Open) -> None:
    from gateway.console.session import NEEDED

    made = box.keys.create("wall", Role.VIEWER, by="test", now_ns=box.now(), scopes=NEEDED)
    page = open_page(made)
    expect(page.locator("#y-way")).to_have_count(0)
    page.goto(f"{box.url}/devices")
    expect(page).to_have_url(f"{box.url}/")


def test_without_a_session_to_the_log_in(box: Site, open_page: Open) -> None:
    page = open_page(None)
    page.goto(f"{box.url}/devices")
    expect(page).to_have_url(f"{box.url}/console/login")


def test_finding_one_of_many(box: Site, open_page: Open) -> None:
    page = open_devices(open_page(box.key(Role.OPERATOR)))
    page.fill(".y-find input", "手表")
    expect(page.locator("[data-device]")).to_have_count(1)
    page.fill(".y-find input", "李奶奶")
    expect(page.locator("[data-device]")).to_have_count(3)
    page.fill(".y-find input", "zzz")
    expect(page.locator("#devices")).to_contain_text("没有符合的设备")
    page.fill(".y-find input", "")
    expect(page.locator("[data-device]")).to_have_count(7)


def test_an_open_alert_is_never_missed_there(box: Site, open_page: Open) -> None:
    page = open_devices(open_page(box.key(Role.OPERATOR)))
    expect(page.locator(".y-strip")).to_have_count(0)
    box.find("help_call", "r2", "w2")
    strip = page.locator(".y-strip")
    expect(strip).to_contain_text("待处理报警：1")
    expect(strip).to_have_class(re.compile("y-alarm y-flash"))
    expect(page).to_have_title(re.compile(r"^\(1\) "))
    strip.click()
    expect(page.locator("[data-alert]")).to_be_visible()


def test_devices_recover_and_move_without_reload(box: Site, open_page: Open) -> None:
    page = open_devices(open_page(box.key(Role.OPERATOR)))
    page.evaluate("window.notReloaded = true")
    box.ways = tuple(replace(one, connected=False) if one.kind == "serial" else one for one in box.ways)
    expect(device(page, RADAR)).to_have_attribute("data-standing", "fault")
    expect(device(page, RADAR)).to_contain_text("接入线路未连接")
    box.event(WATCH, "online", True)
    expect(device(page, WATCH)).to_have_attribute("data-standing", "notice")
    box.registry.add_device(Device("radar-new", "micradar", "新雷达"), by="test", now_ns=box.now())
    box.run(lambda: box.broadcast.publish("registry", {}))
    expect(device(page, "radar-new")).to_be_visible()
    box.registry.update_device(Device("radar-new", "micradar", "新雷达", active=False), by="test", now_ns=box.now())
    with box.database.write() as session:
        session.connection().exec_driver_sql("DELETE FROM devices WHERE id = 'radar-new'")
    box.run(lambda: box.broadcast.publish("registry", {}))
    expect(device(page, "radar-new")).to_have_count(0)
    assert page.evaluate("window.notReloaded")


def test_the_choice_of_language_comes_back_here(box: Site, open_page: Open) -> None:
    page = open_devices(open_page(box.key(Role.OPERATOR)))
    page.click(".y-menu summary")
    page.click("#y-language")
    expect(page).to_have_url(f"{box.url}/devices")
    expect(page.locator("#devices h2")).to_have_text("Devices")
    expect(device(page, RADAR)).to_contain_text("MicRadar mmWave radar")
    device(page, RADAR).locator('[data-action="details"]').click()
    expect(device(page, RADAR)).to_contain_text("not seen")
    own = page.locator("body").inner_text()
    names = ("颐园", "中文", "王芳", "夜班手机", "王大爷的手表", "李奶奶", "王大爷", "卧室跌倒雷达", "卫生间呼救按钮")
    for name in (*names, "旧床垫", "拆下的雷达", "新按钮"):
        own = own.replace(name, "")
    assert [line for line in own.splitlines() if re.search(r"[\u4e00-\u9fff]", line)] == []


@pytest.mark.parametrize(("size", "scheme", "language"), LOOKS)
def test_readable_and_usable(
    box: Site, open_page: Open, pictures: Path, size: dict[str, int], scheme: str, language: str
) -> None:
    """No sideways scrolling, large targets, enough contrast: with details and raw bytes open."""
    box.find("battery_low", None, "w1")
    page = open_page(box.key(Role.OPERATOR), size=size, language=language, color_scheme=scheme)
    open_devices(page)
    stem = f"devices-{'phone' if size is PHONE else 'desk'}-{scheme}-{language[:2]}"
    page.screenshot(path=pictures / f"{stem}-closed.png", full_page=True)
    for one in (RADAR, "w1", WATCH):
        device(page, one).locator('[data-action="details"]').click()
    device(page, RADAR).locator('[data-action="raw"]').click()
    expect(device(page, RADAR).locator(".y-raw")).to_be_visible()
    expect(device(page, WATCH).locator(".y-steps")).to_be_visible()
    expect(page.locator(".q-ripple")).to_have_count(0)
    page.evaluate("window.scrollTo(0, 0)")
    page.screenshot(path=pictures / f"{stem}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert page.evaluate(WIDE) == []
    assert page.evaluate(MEASURE) == []
    assert page.evaluate(CONTRAST) == []


def test_the_page_and_the_api_tell_the_same(box: Site, open_page: Open) -> None:
    made = box.key(Role.OPERATOR)
    page = open_devices(open_page(made))
    answer = page.context.request.get(f"{box.url}/api/v1/devices", headers={"X-API-Key": made.secret})
    told = json.loads(answer.text())["devices"]
    shown = {one: device(page, str(one)).get_attribute("data-standing") for one in ids(page)}
    assert {one["id"]: one["state"] for one in told} == {one: how for one, how in shown.items() if one != "gone"}
