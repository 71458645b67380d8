"""The page of care: month, one resident's nights, habits, weeks and tasks, and the tick; only for who may see it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta

import httpx
import pytest
from console_site import S, Site

from analytics.daily.night import NightReport
from gateway.alerts.oncall import local
from gateway.alerts.routing import CHINA
from gateway.api.keys import MadeKey
from gateway.api.scopes import Role
from gateway.console.care_page import PATH
from gateway.console.session import COOKIE, Session, seal
from gateway.daily import task_book
from gateway.daily.night_book import MadeNight, keep_report
from gateway.daily.task_duty import TaskDuty, TaskSigns
from gateway.store.base import StoreUnavailableError

Client = httpx.AsyncClient


def browse(site: Site, key: MadeKey | None, act: Callable[[Client], Awaitable[None]]) -> None:
    async def run() -> None:
        transport = httpx.ASGITransport(app=site.api)
        async with Client(transport=transport, base_url="http://box.local") as client:
            if key is not None:
                session = Session(key.key.id, "王芳", site.now() // S)
                client.cookies.set(COOKIE, seal(session, site.api.state.console_door.secret))
            await act(client)

    asyncio.run(run())


@pytest.fixture
def home(site: Site) -> Site:
    for who, name in (("r1", "李<奶奶>"), ("r2", "王爷爷")):
        site.resident(who, name, "301")
    now = site.now()
    minute = local(now, CHINA) + timedelta(minutes=5)
    plan = [
        {"id": "pills", "kind": "medication", "label": "降压药", "times": [f"{minute:%H:%M}"]},
        {"id": "visit", "kind": "visit", "period": "month"},
    ]
    task_book.put_plan(site.database, "r1", plan, by="test", now_ns=now)
    TaskDuty(site.database, site.alerts, CHINA, TaskSigns(dict)).round(now)
    night = local(now, CHINA).date() - timedelta(days=1)
    report = NightReport(now - 9 * 3600 * S, now - 3600 * S, 470, 2, 9, "none", heart_rate_low=55.4)
    with site.database.write() as session:
        keep_report(session, MadeNight("r1", night, report, now))
        keep_report(session, MadeNight("r1", night - timedelta(days=1), None, now))
    return site


def test_the_month_and_its_files(home: Site) -> None:
    async def act(client: Client) -> None:
        page = await client.get(PATH)
        assert page.status_code == 200
        assert "李&lt;奶奶&gt;" in page.text
        assert "<td>0.0%</td>" in page.text, "nobody was visited yet"
        table = await client.get(PATH, params={"form": "csv"})
        assert table.headers["content-type"].startswith("text/csv")
        assert "visits,尚未探访,李<奶奶>" in table.text
        sheet = await client.get(PATH, params={"form": "print"})
        assert sheet.text.startswith("<!doctype html>")
        assert "frame-ancestors 'none'" in sheet.headers["content-security-policy"]
        for month in ("nonsense", "2999-01"):
            assert (await client.get(PATH, params={"month": month})).headers["location"] == PATH

    browse(home, home.key(Role.OPERATOR), act)


def test_one_resident_and_the_tick(home: Site) -> None:
    async def act(client: Client) -> None:
        page = (await client.get(PATH, params={"resident": "r1"})).text
        for text in ("降压药 · 待做", "还在学习", "<td>470</td>", "<td>55</td>", "每周小结"):
            assert text in page, text
        fields = dict(re.findall(r'name="(resident|task|due)" value="([^"]+)"', page.split("</form>")[0]))
        foreign = await client.post(PATH, data=fields, headers={"origin": "http://evil.example"})
        assert foreign.headers["location"] == "/console/login"
        done = await client.post(PATH, data=fields, headers={"origin": "http://box.local"})
        assert done.headers["location"] == f"{PATH}?resident=r1"
        page = (await client.get(PATH, params={"resident": "r1"})).text
        assert "降压药 · 已做 · 王芳 (夜班手机)" in page
        assert (await client.post(PATH, data={"resident": "r1", "task": "x", "due": "no"})).headers["location"] == PATH
        client.cookies.set("yinling_language", "en")
        english = (await client.get(PATH, params={"resident": "r1"})).text
        assert "Still learning" in english
        assert "By week: sleep" in english

    browse(home, home.key(Role.OPERATOR), act)


def test_not_for_strangers_nor_of_others(home: Site) -> None:
    async def stranger(client: Client) -> None:
        assert (await client.get(PATH)).headers["location"] == "/console/login"
        assert (await client.post(PATH, data={})).headers["location"] == "/console/login"

    async def family(client: Client) -> None:
        for who in ("r1", "nobody"):
            assert (await client.get(PATH, params={"resident": who})).headers["location"] == PATH
        assert "李" not in (await client.get(PATH)).text
        page = (await client.get(PATH, params={"resident": "r2"})).text
        assert "没有任务" in page
        assert "<form" not in page, "who may not answer gets no button"
        assert (await client.post(PATH, data={"resident": "r1", "task": "pills", "due": "1"})).headers[
            "location"
        ] == PATH

    browse(home, None, stranger)
    browse(home, home.key(Role.VIEWER, residents=["r2"]), family)


def test_without_a_history_the_rest_is_shown(home: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object, **__: object) -> None:
        raise StoreUnavailableError("the disk is away")

    monkeypatch.setattr(home.store, "events", gone)

    async def act(client: Client) -> None:
        page = (await client.get(PATH, params={"resident": "r1"})).text
        assert "历史数据暂时无法读取" in page
        assert "降压药" in page

    browse(home, home.key(Role.OPERATOR), act)
