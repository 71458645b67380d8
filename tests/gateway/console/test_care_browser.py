"""The page of care in a real browser: from the resident's card, a task is added and ticked, on a telephone too."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from console_browser import CONTRAST, DESK, MEASURE, PHONE, Open
from console_site import Site
from playwright.sync_api import expect

from gateway.alerts.oncall import local
from gateway.alerts.routing import CHINA
from gateway.api.scopes import Role
from gateway.daily import task_book
from gateway.daily.task_duty import TaskDuty, TaskSigns
from gateway.registry import Device

pytestmark = [
    pytest.mark.system,
    pytest.mark.slow,
]


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("care"))
    site.resident("r1", "李奶奶", "301")
    for node, room in (("hall", "走廊"), ("dining", "食堂"), ("gate", "大门")):
        site.registry.add_device(Device(node, "espresense", options={"zone": room}), by="test", now_ns=site.now())
    minute = local(site.now(), CHINA) + timedelta(minutes=20)
    plan = [{"id": "pills", "kind": "medication", "label": "降压药 1 片", "times": [f"{minute:%H:%M}"]}]
    task_book.put_plan(site.database, "r1", plan, by="test", now_ns=site.now())
    TaskDuty(site.database, site.alerts, CHINA, TaskSigns(dict)).round(site.now())
    site.start()
    yield site
    site.close()


@pytest.mark.parametrize(("size", "language"), [(PHONE, "zh-CN"), (DESK, "en")])
def test_from_the_card_to_the_plan(
    box: Site, open_page: Open, pictures: Path, size: dict[str, int], language: str
) -> None:
    english = language == "en"
    page = open_page(box.key(Role.ADMIN), size=size, language=language)
    page.click('[data-resident="r1"] .y-care-link')
    expect(page.locator("h1")).to_have_text("李奶奶")
    page.click("#y-plan-new summary")
    page.select_option("#plan-kind", "turning")
    page.select_option("#plan-way", "every")
    page.fill("#plan-every_min", "120")
    page.fill("#plan-times", "")
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate(MEASURE) == []
    page.screenshot(path=pictures / f"care-{size['width']}-{language}.png", full_page=True)
    page.click("#y-plan-form button")
    expect(page.locator("#y-plan li").last).to_contain_text("every 120 min" if english else "每 120 分钟")
    page.locator("#y-plan li").last.locator("button").click()
    expect(page.locator("#y-plan li")).to_have_count(1)
    if english:
        expect(page.locator("#y-tasks li")).to_contain_text("done")
        return
    page.click("#y-tasks button")
    expect(page.locator("#y-tasks li")).to_contain_text("已做 · 王芳")


@pytest.mark.parametrize(
    ("size", "language"), [({"width": 375, "height": 760}, "zh-CN"), ({"width": 1280, "height": 900}, "en")]
)
def test_safe_zones_from_nothing_to_nothing(
    box: Site, open_page: Open, pictures: Path, size: dict[str, int], language: str
) -> None:
    """Chosen, mistyped, corrected and ended; the last step is asked once more."""
    english = language == "en"
    page = open_page(box.key(Role.ADMIN), size=size, language=language)
    page.click('[data-resident="r1"] .y-care-link')
    page.click("#y-zones-new summary")
    page.check('#y-zones-form input[value="走廊"]')
    page.check('#y-zones-form input[value="食堂"]')
    page.fill("#zones-more", "gradne")
    page.fill("#zones-zone_delay_min", "0.5")
    assert page.evaluate(MEASURE) == []
    page.screenshot(path=pictures / f"zones-form-{size['width']}-{language}.png", full_page=True)
    page.click("#y-zones-form button")
    expect(page.locator("#y-zones li")).to_have_count(3)
    expect(page.locator("#y-zones li", has_text="gradne")).to_contain_text("spelling" if english else "核对")
    page.locator("#y-zones li", has_text="gradne").locator("button").click()
    expect(page.locator("#y-zones li")).to_have_count(2)
    expect(page.locator("#y-zone-spans")).to_contain_text("0.5")
    page.click(".y-sure summary")
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate(MEASURE) == []
    page.screenshot(path=pictures / f"zones-{size['width']}-{language}.png", full_page=True)
    page.click(".y-sure button")
    expect(page.locator("#y-zones")).to_have_text("None: not watched." if english else "没有设置，不监测。")


@pytest.mark.parametrize(
    ("size", "language"), [({"width": 375, "height": 760}, "zh-CN"), ({"width": 1280, "height": 900}, "en")]
)
def test_a_resident_is_removed(box: Site, open_page: Open, pictures: Path, size: dict[str, int], language: str) -> None:
    """Not before the tick; then gone from the list."""
    english = language == "en"
    box.resident(f"r-{language}", "赵奶奶", "305")
    page = open_page(box.key(Role.ADMIN), size=size, language=language)
    page.click(f'[data-resident="r-{language}"] .y-care-link')
    removal = page.locator("#removal + .y-sure")
    removal.locator("summary").click()
    expect(removal).to_contain_text("Kept: alerts" if english else "保留：报警")
    removal.locator("button").click()
    expect(removal.locator("button")).to_be_visible()
    assert box.registry.resident(f"r-{language}") is not None
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate(MEASURE) == []
    page.screenshot(path=pictures / f"removal-{size['width']}-{language}.png", full_page=True)
    removal.locator('input[name="sure"]').check()
    removal.locator("button").click()
    expect(page.locator("#y-people")).to_contain_text("李奶奶")
    expect(page.locator("#y-people")).not_to_contain_text("赵奶奶")
    assert box.registry.resident(f"r-{language}") is None
