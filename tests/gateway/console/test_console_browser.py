"""The board in a real browser against a real box."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from console_browser import CONTRAST, DESK, LOOKS, MEASURE, PHONE, WIDE, Open
from console_site import GOOD_HEALTH, Site
from playwright.sync_api import Page, expect

from analytics.findings import Phase
from gateway.alerts.lifecycle import Outcome, State
from gateway.alerts.policy import Plan
from gateway.api.scopes import Role
from gateway.channels.base import Refused
from gateway.console import login_link
from gateway.context import HealthItem
from gateway.registry import Contact, Resident
from tests.conftest import program

pytestmark = [
    pytest.mark.system,
    pytest.mark.slow,
]

FALL = "[data-alert]"
CUT_APART = """() => {
  const range = document.createRange();
  const apart = [];
  for (const cell of document.querySelectorAll('.y-scroll th, .y-scroll td')) {
    const text = cell.firstChild;
    for (const word of text ? text.data.matchAll(/[A-Za-z]+/g) : []) {
      range.setStart(text, word.index);
      range.setEnd(text, word.index + word[0].length);
      if (new Set([...range.getClientRects()].map((one) => one.top)).size > 1) apart.push(word[0]);
    }
  }
  return apart;
}"""
"""Words in tables of which one part stands in one line and another in the next."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Four residents with all that can be shown, and a running server."""
    site = Site(tmp_path_factory.mktemp("home"))
    site.resident("r1", "李奶奶", "301", "w1", "radar1")
    site.resident("r2", "王大爷", "302", "w2")
    site.resident("r3", "赵秀兰", "303", "w3")
    site.resident("r4", "欧阳建国", "304")
    site.start()
    yield site
    site.close()


@pytest.fixture
def box(home: Site) -> Site:
    """The same box with nothing going on: calm, fresh values, right clock."""
    home.resolve_all()
    home.ahead_s = 0.0
    for hold in home.alerts.holds_in_force(home.now()):
        home.alerts.end_hold(hold.id, by="王芳", now_ns=home.now())
    home.health = GOOD_HEALTH
    home.run(home.live.devices.clear)
    refresh(home)
    return home


def refresh(site: Site) -> None:
    site.vitals("w1", heart_rate=72, spo2=97, skin_temperature=33.4, battery=81)
    site.vitals("radar1", respiratory_rate=16)
    site.event("radar1", "bed_occupancy", "in")
    site.event("w1", "worn", True)
    site.vitals("w2", heart_rate=88, spo2=None)
    for device in ("w1", "w2", "w3"):
        site.accel(device)


def card(page: Page, resident_id: str) -> Any:
    return page.locator(f'[data-resident="{resident_id}"]')


def row(page: Page, alert_id: str) -> Any:
    return page.locator(f'[data-alert="{alert_id}"]')


def tap(page: Page, alert_id: str, action: str, until: Callable[[], bool]) -> None:
    """Press, and again as long as the page says that its list has just moved."""
    button = row(page, alert_id).locator(f'[data-action="{action}"]')
    for _ in range(20):
        if until():
            return
        button.click()
        page.wait_for_timeout(400)
    assert until()


def test_login_with_a_wrong_key_is_refused_then_with_the_right_one_opens(box: Site, open_page: Open) -> None:
    made = box.key(Role.OPERATOR)
    page = open_page(None)
    expect(page).to_have_url(f"{box.url}/console/login")
    page.fill("#person", "王芳")
    page.fill("#key", "yl_" + "x" * 43)
    page.click("button[type=submit]")
    expect(page.locator("#problem")).to_contain_text("密钥不正确")
    assert page.context.cookies() == []
    page.fill("#key", made.secret)
    page.click("button[type=submit]")
    expect(card(page, "r1")).to_be_visible()
    cookie = next(one for one in page.context.cookies() if one["name"] == "yinling_session")
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    page.click(".y-menu summary")
    page.click("text=退出")
    expect(page).to_have_url(f"{box.url}/console/login")
    page.goto(box.url)
    expect(page).to_have_url(f"{box.url}/console/login")


def test_the_one_time_link_leaves_no_trace_in_the_address(box: Site, open_page: Open) -> None:
    made = box.key(Role.VIEWER)
    link = box.url + login_link(box.api, made.key.id, "演示")
    page = open_page(None)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    # The page sends its form while it still loads: only the arrival of its first byte may be waited for.
    page.goto(link, wait_until="commit")
    expect(card(page, "r1")).to_be_visible()
    ticket = link.partition("#")[2]
    assert not any(ticket in url for url in asked)
    page.go_back(wait_until="commit")
    assert ticket not in page.url
    # Where going back ends depends on how far the page had loaded; a fresh page does not: a link that differs from the
    # present address only behind the "#" would not load anything.
    again = page.context.new_page()
    again.goto(link, wait_until="commit")
    expect(again.locator("#problem")).to_contain_text("已用过")


def test_the_card_shows_vitals_and_trace(box: Site, open_page: Open) -> None:
    page = open_page(box.key(Role.OPERATOR))
    li = card(page, "r1")
    expect(li.locator(".y-look")).to_contain_text("平安")
    refresh(box)  # a slow browser opens the page when the first values are old
    for signal, text in (
        ("heart_rate", "72次/分"),
        ("spo2", "97%"),
        ("respiratory_rate", "16次/分"),
        ("skin_temperature", "33.4°C"),
    ):
        expect(li.locator(f'[data-signal="{signal}"] .y-number')).to_have_text(text)
        expect(li.locator(f'[data-signal="{signal}"]')).to_have_class(re.compile("y-v-current"))
    expect(li.locator(".y-facts")).to_have_text("在床 · 已佩戴 · 电量 81%")
    wang = card(page, "r2")
    expect(wang.locator('[data-signal="spo2"] .y-number')).to_have_text("—")
    expect(wang.locator('[data-signal="body_temperature"] .y-number')).to_have_text("—")
    expect(card(page, "r4").locator(".y-look")).to_contain_text("未知")
    line = li.locator(".y-line")
    expect(line).to_be_attached()
    first = line.get_attribute("d")
    expect(line).not_to_have_attribute("d", first or "")
    box.vitals("w1", heart_rate=75)
    expect(li.locator('[data-signal="heart_rate"] .y-number')).to_have_text("75次/分")


def test_only_cards_in_sight_get_a_trace(box: Site, open_page: Open) -> None:
    page = open_page(box.key(Role.OPERATOR), size={"width": 360, "height": 500})
    expect(card(page, "r1")).to_be_visible()
    refresh(box)
    expect(card(page, "r1").locator(".y-line")).to_be_attached()
    assert card(page, "r3").locator(".y-line").count() == 0
    card(page, "r3").scroll_into_view_if_needed()
    refresh(box)
    expect(card(page, "r3").locator(".y-line")).to_be_attached()


def test_stale_values_grey_out_and_the_state_becomes_unknown(box: Site, open_page: Open, pictures: Path) -> None:
    page = open_page(box.key(Role.OPERATOR))
    heart = card(page, "r1").locator('[data-signal="heart_rate"]')
    expect(heart).to_have_class(re.compile("y-v-current"))
    current = heart.locator("b").evaluate("e => getComputedStyle(e).color")
    box.ahead_s = 190
    expect(heart).to_have_class(re.compile("y-v-stale"))
    expect(heart.locator(".y-age")).to_have_text("3 分钟前")
    assert heart.locator("b").evaluate("e => getComputedStyle(e).color") != current
    expect(card(page, "r1").locator(".y-look")).to_contain_text("未知")
    expect(card(page, "r1")).to_contain_text("最近 12 秒没有数据")
    page.screenshot(path=pictures / "stale-desk-zh.png", full_page=True)


def test_an_alert_appears_without_reload_and_is_answered(box: Site, open_page: Open, pictures: Path) -> None:
    page = open_page(box.key(Role.OPERATOR, "夜班手机"))
    expect(page.locator("#alerts")).to_contain_text("没有待处理的报警")
    page.evaluate("window.notReloaded = true")
    fall = box.find("fall", "r2", "w2")
    mine = row(page, fall)
    expect(mine).to_contain_text("跌倒")
    expect(page.locator(".y-said")).to_have_text("跌倒 王大爷 302")
    expect(mine).to_contain_text("王大爷")
    expect(mine).to_contain_text("302")
    expect(mine).to_contain_text("无人应答")
    expect(card(page, "r2").locator(".y-look")).to_have_class(re.compile("y-alarm y-flash"))
    expect(page).to_have_title(re.compile(r"^\(1\) "))
    before = mine.locator(".y-since").inner_text()
    expect(mine.locator(".y-since")).not_to_have_text(before)

    def state() -> State:
        return box.alerts.get(fall).state

    tap(page, fall, "acknowledge", lambda: state() is State.ACKNOWLEDGED)
    expect(mine.locator(".y-state")).to_contain_text("王芳 (夜班手机) 已接手")
    assert box.alerts.get(fall).acknowledged_by == "王芳 (夜班手机)"
    expect(card(page, "r2").locator(".y-look")).not_to_have_class(re.compile("y-flash"))
    expect(card(page, "r2").locator(".y-look")).to_contain_text("报警")
    tap(page, fall, "en_route", lambda: state() is State.EN_ROUTE)
    tap(page, fall, "on_scene", lambda: state() is State.ON_SCENE)

    mine.locator('[data-action="resolve"]').click()
    dialog = page.locator(".y-dialog")
    dialog.locator('[data-action="send"]').click()
    expect(dialog).to_contain_text("请选择实际情况")
    page.screenshot(path=pictures / "dialog-desk-zh.png")
    dialog.get_by_text("确实跌倒").click()
    dialog.locator("textarea").fill("扶起，无外伤")
    dialog.locator("input[type=text]").fill("")
    dialog.locator('[data-action="send"]').click()
    expect(dialog).to_contain_text("请填写姓名")
    dialog.locator("input[type=text]").fill("陈医生")
    dialog.locator('[data-action="send"]').click()
    expect(mine).to_have_count(0)
    expect(dialog).to_have_count(0)
    closed = box.alerts.get(fall)
    assert (closed.state, closed.outcome, closed.note) == (State.RESOLVED, Outcome.REAL_FALL, "扶起，无外伤")
    assert closed.closed_by == "陈医生 (夜班手机)"
    refresh(box)
    expect(card(page, "r2").locator(".y-look")).to_contain_text("平安")
    assert page.evaluate("window.notReloaded")


def test_going_back_from_the_dialog_changes_nothing(box: Site, open_page: Open) -> None:
    fall = box.find("fall", "r2", "w2")
    page = open_page(box.key(Role.OPERATOR))
    row(page, fall).locator('[data-action="resolve"]').click()
    page.locator('.y-dialog [data-action="back"]').click()
    expect(page.locator(".y-dialog")).to_have_count(0)
    assert box.alerts.get(fall).state is State.RAISED


def test_a_suspected_fall_counts_down_and_is_cancelled(box: Site, open_page: Open) -> None:
    page = open_page(box.key(Role.OPERATOR))
    fall = box.find("fall", "r2", "w2", phase=Phase.SUSPECTED)
    expect(row(page, fall).locator(".y-countdown")).to_contain_text(re.compile(r"\d+ 秒后通知联系人"))
    expect(card(page, "r2").locator(".y-look")).to_have_class(re.compile("y-attention"))
    tap(page, fall, "cancel", lambda: box.alerts.get(fall).state is State.CANCELLED)
    expect(row(page, fall)).to_have_count(0)


def test_a_tap_just_after_the_list_has_moved_is_asked_for_again(
    box: Site, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However slow this machine is between the two, the tap comes "just after".
    monkeypatch.setattr("gateway.console.page.MOVED_S", 3600.0)
    low = box.find("battery_low", None, "w1")
    page = open_page(box.key(Role.OPERATOR))
    button = row(page, low).locator('[data-action="acknowledge"]')
    expect(button).to_be_visible()
    box.find("fall", "r2", "w2")
    page.wait_for_selector("text=跌倒")
    button.dispatch_event("click")
    expect(page.locator(".q-notification")).to_contain_text("列表刚刚变动")
    assert box.alerts.get(low).state is State.RAISED


def test_an_answer_that_came_too_late_is_told(box: Site, open_page: Open) -> None:
    fall = box.find("fall", "r2", "w2")
    page = open_page(box.key(Role.OPERATOR))
    row(page, fall).locator('[data-action="resolve"]').click()
    box.alerts.cancel(fall, "护士站", box.now())
    dialog = page.locator(".y-dialog")
    dialog.get_by_text("误报").click()
    dialog.locator('[data-action="send"]').click()
    expect(page.locator(".q-notification")).to_contain_text("此报警已经结束")
    assert box.alerts.get(fall).closed_by == "护士站"


def test_a_viewer_sees_only_its_residents_and_may_not_answer(box: Site, open_page: Open, pictures: Path) -> None:
    box.health = (*GOOD_HEALTH, HealthItem("store", False, "磁盘已满", "disk full", {}))
    theirs, others = box.find("help_call", "r1", "w1"), box.find("fall", "r2", "w2")
    page = open_page(box.key(Role.VIEWER, "女儿", ["r1"]), size=PHONE)
    expect(card(page, "r1")).to_be_visible()
    expect(card(page, "r2")).to_have_count(0)
    expect(row(page, theirs)).to_contain_text("仅查看")
    expect(row(page, others)).to_have_count(0)
    assert page.locator("[data-action]").count() == 0
    expect(page.locator("#box")).to_contain_text("网关有 1 处故障")
    assert "磁盘已满" not in page.content()
    assert "王大爷" not in page.content()
    page.screenshot(path=pictures / "family-phone-zh.png", full_page=True)


def test_box_health(box: Site, open_page: Open) -> None:
    page = open_page(box.key(Role.OPERATOR), language="en")
    expect(page.locator("#box")).to_contain_text("All parts of the box are working")
    expect(page.locator('[data-part="broker"]')).to_be_hidden()
    page.locator("#box summary").click()
    expect(page.locator('[data-part="broker"]')).to_be_visible()
    expect(page.locator('[data-part="broker"]')).to_contain_text("embedded, 3 devices connected")
    box.health = (HealthItem("broker", False, "已停止", "stopped", {}), *GOOD_HEALTH[1:])
    expect(page.locator('[data-part="broker"]')).to_have_attribute("data-ok", "false")
    expect(page.locator('[data-part="broker"]')).to_contain_text("Faultstopped".replace("Fault", ""))
    expect(page.locator("#box")).to_contain_text("Faults on the box: 1")
    expect(page.locator("#box .y-part").first).to_have_attribute("data-part", "broker")
    expect(page.locator('#box [data-part="clock"]')).to_be_visible()  # still unfolded


def test_a_withdrawn_key_ends_at_the_next_answer(box: Site, open_page: Open) -> None:
    made = box.key(Role.OPERATOR)
    fall = box.find("fall", "r2", "w2")
    page = open_page(made)
    expect(row(page, fall)).to_be_visible()
    box.keys.revoke(made.key.id, by="test", now_ns=box.now())
    row(page, fall).locator('[data-action="acknowledge"]').click()
    expect(page.locator(".q-notification")).to_contain_text("您的密钥不能处理报警")
    assert box.alerts.get(fall).state is State.RAISED
    page.reload()
    expect(page).to_have_url(f"{box.url}/console/login")


def test_an_open_page_ends_with_its_key(box: Site, open_page: Open) -> None:
    made = box.key(Role.OPERATOR)
    door = box.api.state.console_door
    usual, door.recheck_s = door.recheck_s, 0.5
    try:
        page = open_page(made)
        expect(card(page, "r1")).to_be_visible()
        box.keys.revoke(made.key.id, by="test", now_ns=box.now())
        expect(page).to_have_url(f"{box.url}/console/login")
    finally:
        door.recheck_s = usual


def test_residents_come_and_go_without_reload(box: Site, open_page: Open) -> None:
    page = open_page(box.key(Role.OPERATOR))
    expect(card(page, "r1")).to_be_visible()
    box.resident("r0", "周爷爷", "101", "w0")
    box.run(lambda: box.broadcast.publish("registry", {}))
    expect(card(page, "r0")).to_be_visible()
    expect(page.locator("[data-resident]").first).to_have_attribute("data-resident", "r0")
    gone = Resident("r0", "周爷爷", room="101", active=False)
    box.registry.update_resident(gone, by="test", now_ns=box.now())
    box.run(lambda: box.broadcast.publish("registry", {}))
    expect(card(page, "r0")).to_have_count(0)


def test_the_language_is_switched_and_remembered(box: Site, open_page: Open) -> None:
    page = open_page(box.key(Role.OPERATOR))
    expect(page.locator(".y-not-medical-chip")).to_have_text("非医疗器械")
    page.click(".y-menu summary")
    page.click("#y-language")
    expect(page.locator(".y-not-medical-chip")).to_have_text("Not a medical device")
    expect(card(page, "r1").locator(".y-look")).to_contain_text("Calm")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.goto(box.url)
    expect(page.locator("#residents h2")).to_have_text("Residents")
    chinese = re.compile(r"[\u4e00-\u9fff]")
    page.click(".y-menu summary")
    own = (
        page.locator("body")
        .inner_text()
        .replace("中文", "")
        .replace("颐园", "")
        .replace("夜班手机", "")
        .replace("王芳", "")
    )
    left = [line for line in own.splitlines() if chinese.search(line)]
    assert left == [name for name in left if name in ("李奶奶", "王大爷", "赵秀兰", "欧阳建国")]


def test_colours_follow_the_choice(box: Site, open_page: Open) -> None:
    page = open_page(box.key(Role.OPERATOR), color_scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(background)
    page.click(".y-menu summary")
    page.click("#y-theme")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    expect(page.locator("[data-beat]")).to_be_attached()
    assert page.evaluate(background) != dark


def test_flashing_stops_where_the_person_wants_no_motion(box: Site, open_page: Open) -> None:
    box.find("fall", "r2", "w2")
    duration = "e => [getComputedStyle(e).animationName, getComputedStyle(e).animationDuration]"
    page = open_page(box.key(Role.OPERATOR), reduced_motion="no-preference")
    name, seconds = card(page, "r2").locator(".y-flash").evaluate(duration)
    assert name == "y-flash"
    assert 1.4 <= 1 / float(seconds.removesuffix("s")) <= 2.8
    page.close()
    still = open_page(box.key(Role.OPERATOR))
    assert card(still, "r2").locator(".y-flash").evaluate(duration)[0] == "none"
    expect(card(still, "r2").locator(".y-look")).to_contain_text("报警")


@pytest.mark.parametrize(("size", "scheme", "language"), LOOKS)
def test_readable_and_usable(
    box: Site, open_page: Open, pictures: Path, size: dict[str, int], scheme: str, language: str
) -> None:
    """No sideways scrolling, large targets, enough contrast: with everything on the page, and with the dialog open."""
    box.health = (
        HealthItem("store", False, "磁盘已满，数据留在内存", "disk full, data waits in memory", {}),
        *GOOD_HEALTH,
    )
    help_call = box.find("help_call", "r3", "w3")
    box.find("fall", "r2", "w2", phase=Phase.SUSPECTED)
    box.find("battery_low", None, "w1")
    box.find("fall", "r1", "w1", test=True)
    high = box.find("heart_rate_high", "r2", "w2")
    box.alerts.en_route(high, "王芳 (夜班手机)", box.now())
    made = box.key(Role.OPERATOR)
    page = open_page(made, size=size, language=language, color_scheme=scheme)
    expect(row(page, help_call)).to_be_visible()
    expect(card(page, "r1").locator(".y-look")).to_be_visible()
    stem = f"{'phone' if size is PHONE else 'desk'}-{scheme}-{language[:2]}"
    card(page, "r1").scroll_into_view_if_needed()
    refresh(box)
    expect(card(page, "r1").locator(".y-line")).to_be_attached()
    page.evaluate("window.scrollTo(0, 0)")
    page.screenshot(path=pictures / f"{stem}.png", full_page=True)
    for _ in range(2):
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        assert page.evaluate(WIDE) == []
        assert page.evaluate(MEASURE) == []
        assert page.evaluate(CONTRAST) == []
        if page.locator(".y-dialog").count() == 0:
            row(page, help_call).locator('[data-action="resolve"]').click()
            expect(page.locator(".y-dialog .q-radio").first).to_be_visible()
            page.wait_for_timeout(400)
            page.screenshot(path=pictures / f"dialog-{stem}.png")
    fresh = open_page(None, size=size, language=language, color_scheme=scheme)
    fresh.goto(f"{box.url}/console/login")
    fresh.screenshot(path=pictures / f"login-{stem}.png")
    assert fresh.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert fresh.evaluate(MEASURE) == []
    assert fresh.evaluate(CONTRAST) == []


def test_a_hung_box_is_announced_and_forgotten_when_it_goes_on(box: Site, open_page: Open) -> None:
    page = open_page(box.key(Role.OPERATOR))
    expect(page.locator("#y-lost")).to_be_hidden()
    go_on = box.freeze()
    try:
        expect(page.locator("#y-lost")).to_be_visible()
        expect(page.locator("#y-lost")).to_contain_text("与网关失去连接")
    finally:
        go_on.set()
    expect(page.locator("#y-lost")).to_be_hidden()


def test_a_lost_box_is_announced_and_the_page_comes_back_by_itself(box: Site, open_page: Open, pictures: Path) -> None:
    fall = box.find("fall", "r2", "w2")
    page = open_page(box.key(Role.OPERATOR), language="en")
    expect(card(page, "r1")).to_be_visible()
    expect(card(page, "r2").locator(".y-look")).to_contain_text("Alarm")
    box.stop()
    try:
        banner = page.locator("#y-lost")
        expect(banner).to_be_visible()
        expect(banner).to_contain_text("No connection to the box for")
        counted = banner.locator("b").inner_text()
        expect(banner.locator("b")).not_to_have_text(counted)
        expect(page.locator("body")).to_have_class(re.compile("y-is-lost"))
        shown = "e => [getComputedStyle(e, '::before').content, getComputedStyle(e.children[1]).display]"
        assert card(page, "r1").locator(".y-look").evaluate(shown) == ['"Unknown"', "none"]
        expect(card(page, "r1").locator(".y-age").first).to_be_hidden()
        assert card(page, "r2").locator(".y-look").evaluate(shown)[1] != "none", "a known alarm stays"
        expect(row(page, fall)).to_contain_text("Nobody has answered")
        page.screenshot(path=pictures / "lost-desk-en.png")
    finally:
        box.start()
    expect(page.locator("#y-lost")).to_be_hidden()
    refresh(box)
    box.vitals("w1", heart_rate=64)
    expect(card(page, "r1").locator('[data-signal="heart_rate"] b')).to_have_text("64")


def test_two_browsers_see_the_same(box: Site, open_page: Open) -> None:
    made = box.key(Role.OPERATOR)
    pages = [open_page(made), open_page(made, size=PHONE, language="en")]
    fall = box.find("fall", "r2", "w2")
    for page in pages:
        expect(row(page, fall)).to_be_visible()
    tap(pages[1], fall, "acknowledge", lambda: box.alerts.get(fall).state is State.ACKNOWLEDGED)
    expect(row(pages[0], fall).locator(".y-state")).to_contain_text("已接手")


def test_sound_can_be_switched_on(box: Site, open_page: Open) -> None:
    page = open_page(box.key(Role.OPERATOR))
    page.click(".y-menu summary")
    expect(page.locator("#y-sound")).to_have_text("声音：关")
    page.click("#y-sound")
    expect(page.locator("#y-sound")).to_have_text("声音：开")
    page.click("#y-sound")
    expect(page.locator("#y-sound")).to_have_text("声音：关")


def test_chromium_is_the_systems() -> None:
    assert shutil.which("chromium") == program("chromium", "chromium")


def plan(now_ns: int) -> Plan:
    """The night's schedule has somebody at every hour, the day's nobody in the hours around now."""
    hour = (datetime.fromtimestamp(now_ns // 10**9, ZoneInfo("Asia/Shanghai")).hour + 6) % 24
    hours = {"from": f"{hour:02d}:00", "to": f"{(hour + 1) % 24:02d}:00"}
    night = {"people": ["nurse"], "start": "2026-01-01", "handover": "08:00"}
    steps = [{"targets": ["role:family"], "wait_s": 60}, {"targets": ["oncall:night"], "wait_s": 60}]
    schedules = [{"name": "night", "rotation": [night]}, {"name": "day", "rotation": [night | {"hours": hours}]}]
    return Plan.model_validate({"policy": [{"name": "night", "steps": steps}], "schedule": schedules})


@pytest.fixture
def told(home: Site) -> Iterator[Site]:
    """A site with contacts, a policy and schedules; nothing of it stays behind."""
    now = home.now()
    for one in (
        Contact("son", "r2", "王小<b>明</b>", "family", "sms", "1"),
        Contact("nurse", None, "刘护士", "nurse", "sms", "2"),
    ):
        if home.registry.contacts(one.resident_id) == []:
            home.registry.add_contact(one, by="test", now_ns=now)
    plans = home.alerts.router.plans
    plans.put(home.database, plan(now), by="test", now_ns=now)
    yield home
    plans.put(home.database, Plan(), by="test", now_ns=home.now())


@pytest.mark.parametrize(("size", "language"), [(PHONE, "zh-CN"), (DESK, "en")])
def test_the_alert_tells_its_step_whom_it_told_and_who_is_on_call(
    box: Site, told: Site, open_page: Open, pictures: Path, size: dict[str, int], language: str
) -> None:
    english = language == "en"
    fall = box.find("fall", "r2", "w2")
    now = box.now()
    claimed = [one for one in box.alerts.outbox.claim(now, 10) if one.alert_id == fall]
    assert [one.contact for one in claimed] == ["son"]
    box.alerts.settle(claimed[0], Refused("HTTP 200, but <i>errcode</i> 310000"), now)
    box.alerts.pause("r1", "heart_rate_high", 300, reason="擦洗", by="王芳", now_ns=now)
    page = open_page(box.key(Role.OPERATOR), size=size, language=language)
    mine = row(page, fall)
    expect(mine.locator(".y-told summary")).to_contain_text("step 1 of 2" if english else "第 1/2 步")
    expect(mine.locator(".y-told summary")).to_contain_text("0 of 1" if english else "已通知 0/1 人")
    mine.locator(".y-told summary").click()
    line = mine.locator('[data-told="waiting"]')
    expect(line).to_contain_text("王小<b>明</b>")
    expect(line).to_contain_text("HTTP 200, but <i>errcode</i> 310000")
    expect(page.locator('[data-on-call="night"]')).to_contain_text("刘护士")
    expect(page.locator('[data-on-call="day"]')).to_contain_text("nobody" if english else "无人值班")
    expect(page.locator("[data-hold]")).to_contain_text("擦洗")
    later = now + 60_000_000_000
    (again,) = [one for one in box.alerts.outbox.claim(later, 10) if one.alert_id == fall]
    box.alerts.settle(again, Refused("HTTP 503"), later)
    expect(line).to_contain_text("HTTP 503")
    expect(line).to_be_visible()  # it stays unfolded while its text changes
    mine.locator(".y-told summary").click()
    expect(line).to_be_hidden()
    mine.locator(".y-told summary").click()
    expect(line).to_be_visible()
    page.screenshot(path=pictures / f"told-{size['width']}-{language}.png", full_page=True)
    assert page.evaluate(WIDE) == []
    assert page.evaluate(CONTRAST) == []


@pytest.mark.parametrize(("size", "language"), [(PHONE, "zh-CN"), (PHONE, "en"), (DESK, "en")])
def test_the_page_of_statistics(
    box: Site, open_page: Open, pictures: Path, size: dict[str, int], language: str
) -> None:
    english = language == "en"
    fall = box.find("fall", "r2", "w2")
    box.alerts.acknowledge(fall, "王芳", box.now())
    page = open_page(box.key(Role.OPERATOR), size=size, language=language)
    page.click(".y-menu summary")
    page.click("#y-statistics")
    expect(page.locator("h1")).to_contain_text("Alarm statistics" if english else "报警统计")
    fast, kinds = page.locator("table").nth(1), page.locator("table").nth(2)
    expect(fast).to_contain_text("raised to acknowledged" if english else "报警到应答")
    expect(kinds).to_contain_text("Fall" if english else "跌倒")
    expect(page.locator(".y-notes")).to_contain_text("ISA-18.2")
    page.screenshot(path=pictures / f"statistics-{size['width']}-{language}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate(CUT_APART) == [], "a word is broken letter by letter"
    with page.expect_download() as download:
        page.click("#y-csv")
    content = Path(download.value.path()).read_bytes()
    assert content.startswith(b"\xef\xbb\xbftable," if english else "\ufeff表,".encode())
    page.click("#y-print")
    expect(page.locator("h1")).to_contain_text("Monthly report" if english else "月报")
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    page.go_back(wait_until="commit")
    expect(page.locator("#y-after")).to_have_count(0)  # the next month has not begun
    page.fill("#carers", "4")
    page.click("#y-carers button")
    expect(page.locator("table").first).to_contain_text("4 at a time" if english else "同时 4 人")
    page.click("#y-before")
    expect(page.locator("#y-after")).to_be_visible()
    expect(page.locator("table").first).to_contain_text("4 at a time" if english else "同时 4 人")
    page.goto(f"{box.url}/console/statistics?month=nonsense&carers=nan", wait_until="commit")
    expect(page).to_have_url(f"{box.url}/console/statistics")


def test_the_page_of_statistics_is_not_for_strangers(box: Site, open_page: Open) -> None:
    page = open_page(None)
    page.goto(f"{box.url}/console/statistics")
    expect(page).to_have_url(f"{box.url}/console/login")
