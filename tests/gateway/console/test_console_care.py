"""The page of care: month, one resident's nights, habits, weeks and tasks, and the tick; only for who may see it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from html import escape

import httpx
import pytest
from console_site import S, Site

from analytics.care import USUAL, Care
from analytics.daily.night import NightReport
from analytics.findings import Finding, Phase
from device_drivers.observations import DeviceEvent
from gateway.alerts.oncall import local
from gateway.alerts.routing import CHINA
from gateway.api.keys import MadeKey
from gateway.api.scopes import Role
from gateway.audit import read_audit
from gateway.care import care_of, put_care
from gateway.console.care_page import PATH
from gateway.console.session import COOKIE, Session, seal
from gateway.daily import task_book
from gateway.daily.night_book import MadeNight, keep_report
from gateway.daily.task_duty import TaskDuty, TaskSigns
from gateway.daily.tasks import CareTask
from gateway.registry import Device
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


def post(client: Client, **fields: str) -> Awaitable[httpx.Response]:
    return client.post(PATH, data={"resident": "r1", **fields}, headers={"origin": "http://box.local"})


def tasks_of(site: Site) -> dict[str, CareTask]:
    with site.database.read() as session:
        return {task.id: task for task in task_book.plan_of(session, "r1")}


ALL_DAYS = {f"day_{day}": "on" for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
WATER = {"do": "put", "kind": "drinking", "label": "<水>", "way": "every", "every_min": "120", **ALL_DAYS}


def test_the_plan_is_added_to_changed_and_taken_from(home: Site) -> None:
    async def act(client: Client) -> None:
        added = await post(client, **WATER, **{"from": "08:00", "to": "20:00", "remind": "on"})
        assert added.headers["location"] == f"{PATH}?resident=r1"
        page = (await client.get(PATH, params={"resident": "r1", "edit": "drinking-1"})).text
        assert "喝水：&lt;水&gt; · 每 120 分钟 08:00–20:00" in page
        assert '<details id="y-plan-new" open>' in page
        assert 'name="task" value="drinking-1"' in page
        changed = {"task": "pills", "kind": "medication", "label": "半片", "way": "times", "times": "20:00 8:00"}
        assert (await post(client, do="put", **changed, day_mon="on", grace_min="30")).status_code == 303
        visit = {"task": "visit", "kind": "visit", "way": "week", "times": "10:00"}
        assert (await post(client, do="put", **visit)).status_code == 303
        assert (await post(client, do="remove", task="drinking-1")).status_code == 303
        client.cookies.set("yinling_language", "en")
        page = (await client.get(PATH, params={"resident": "r1"})).text
        assert "medication: 半片 · 08:00 20:00 · Mon" in page
        assert "visit · once a week 10:00" in page
        assert "Care plan" in page

    browse(home, home.key(Role.ADMIN), act)
    plan = tasks_of(home)
    assert list(plan) == ["pills", "visit"]
    assert (plan["pills"].grace_min, plan["pills"].remind, plan["pills"].days) == (30, False, ("mon",))
    with home.database.read() as session:
        trail = [row for row in read_audit(session, limit=20) if row.action == "resident.tasks_put"]
    assert trail[0].actor == "王芳 (夜班手机)"
    assert [next(iter(row.detail.keys() - {"tasks"})) for row in trail[:4]] == [
        "removed",
        "changed",
        "changed",
        "added",
    ]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kind": "dance"}, "请选择种类"),
        ({"way": "never"}, "请选择什么时候"),
        ({"way": "times", "times": ""}, "请填写时刻"),
        ({"way": "times", "times": "25:00"}, "08:00 的样子"),
        ({"way": "every", "every_min": "often"}, "写成数字"),
        ({"way": "every", "every_min": "5"}, "没有保存"),
        ({"way": "every", "every_min": "60", "from": "08:00"}, "08:00 的样子"),
        ({"way": "times", "times": "08:00", "days": "none"}, "至少选一天"),
        ({"task": "gone"}, "刚被别人删除"),
    ],
)
def test_what_cannot_be_is_shown_again_with_the_reason(home: Site, fields: dict[str, str], said: str) -> None:
    async def act(client: Client) -> None:
        days = {} if fields.get("days") == "none" else ALL_DAYS
        answer = await post(client, **{**WATER, "label": "温水"} | days | fields if days else {"do": "put", **fields})
        assert answer.status_code == 422
        assert said in answer.text
        assert 'role="alert"' in answer.text

    before = tasks_of(home)
    fields = {"kind": "drinking", **fields}
    browse(home, home.key(Role.ADMIN), act)
    assert tasks_of(home) == before


def test_consents_are_seen_given_and_withdrawn(home: Site) -> None:
    async def act(client: Client) -> None:
        page = (await client.get(PATH, params={"resident": "r1"})).text
        assert 'data-purpose="fall_recordings" data-stands="false"' in page
        assert "未同意" in page
        assert (await post(client, do="give", purpose="fall_recordings")).status_code == 303
        page = (await client.get(PATH, params={"resident": "r1"})).text
        assert 'data-stands="true"' in page
        assert "已同意（" in page
        assert (await post(client, do="withdraw", purpose="fall_recordings")).status_code == 303
        assert "已撤回（" in (await client.get(PATH, params={"resident": "r1"})).text
        assert (await post(client, do="give", purpose="camera")).status_code == 422

    browse(home, home.key(Role.ADMIN), act)
    with home.database.read() as session:
        trail = [(row.action, row.actor) for row in read_audit(session, limit=20) if "consent." in row.action]
    assert trail == [("consent.withdrawn", "王芳 (夜班手机)"), ("consent.given", "王芳 (夜班手机)")]


def test_plan_and_consents_only_by_who_may(home: Site) -> None:
    async def carer(client: Client) -> None:
        page = (await client.get(PATH, params={"resident": "r1"})).text
        assert "y-plan-form" not in page
        assert "登记同意" not in page
        for fields in (WATER, {"do": "remove", "task": "pills"}, {"do": "give", "purpose": "fall_recordings"}):
            assert (await post(client, **fields)).headers["location"] == PATH

    async def elsewhere(client: Client) -> None:
        assert (await post(client, do="remove", task="pills")).headers["location"] == PATH
        assert (await post(client, do="remove", task="pills", resident="nobody")).headers["location"] == PATH

    async def foreign(client: Client) -> None:
        answer = await client.post(PATH, data={"resident": "r1", **WATER}, headers={"origin": "http://evil.example"})
        assert answer.headers["location"] == "/console/login"
        assert (await post(client, do="remove", task="nothing")).headers["location"] == PATH

    before = tasks_of(home)
    browse(home, home.key(Role.OPERATOR), carer)
    browse(home, home.key(Role.ADMIN, residents=["r2"]), elsewhere)
    browse(home, home.key(Role.ADMIN), foreign)
    assert tasks_of(home) == before


def test_what_is_overdue_stands_first(home: Site) -> None:
    home.ahead_s = 3 * 3600.0
    TaskDuty(home.database, home.alerts, CHINA, TaskSigns(dict)).round(home.now())

    async def act(client: Client) -> None:
        month = (await client.get(PATH)).text
        assert '<b data-overdue="1">该做而未做 1</b>' in month
        page = (await client.get(PATH, params={"resident": "r1"})).text
        late = page.split('id="y-overdue"')[1].split("</ul>")[0]
        assert "降压药 · 漏做" in late
        assert "<button>已完成</button>" in late
        assert page.index("y-overdue") < page.index("y-tasks")

    browse(home, home.key(Role.OPERATOR), act)


ZONES = {"do": "zones", "zone_delay_min": "1", "unseen_min": "30"}


BEGUN = {**ZONES, "room_0": "走廊", "room_1": "<食堂>", "more": "洗衣房，走廊 ; ", "unseen_min": "0"}


def receivers(site: Site) -> None:
    """Two receivers with their rooms, and a tag of r1 that was heard in a third one."""
    now = site.now()
    for device_id, room in (("hall-node", "走廊"), ("gate-node", "大门")):
        receiver = Device(device_id, "espresense", options={"zone": room})
        site.registry.add_device(receiver, by="test", now_ns=now)
    for device_id, who, room in (("tag-1", "r1", "<食堂>"), ("tag-2", "r2", "理疗室")):
        site.registry.add_device(Device(device_id, "espresense", placement="worn"), by="test", now_ns=now)
        site.registry.assign(device_id, who, by="test", now_ns=now)
        site.live.update([DeviceEvent(device_id, "room", room, now, now)])


def zones_of(site: Site) -> Care:
    return care_of(site.registry, "r1")


def test_safe_zones_are_begun_changed_and_ended(home: Site) -> None:
    receivers(home)
    put_care(home.registry, "r1", {"dementia": True, "bed_return_min": 20}, by="test", now_ns=home.now())
    told = home.broadcast

    async def act(client: Client) -> None:
        page = (await client.get(PATH, params={"resident": "r1"})).text
        assert "没有设置，不监测。" in page
        for room in ("走廊", "大门", "&lt;食堂&gt;", "理疗室"):
            assert f'value="{room}">{room}</label>' in page, room
        with told.listen() as listener:
            begun = await post(client, **BEGUN)
            assert begun.headers["location"] == f"{PATH}?resident=r1"
            event = await asyncio.wait_for(listener.next(), 60)
            assert event.type == "registry", "in force at once"
        page = (await client.get(PATH, params={"resident": "r1"})).text
        assert 'value="走廊" checked>' in page
        assert '洗衣房 · <b class="y-doubt">还没有接收器报过这个名字，请核对</b>' in page
        assert "在别的房间 1 分钟就报 · 听不到不报" in page
        assert "安全区域 走廊、&lt;食堂&gt;、洗衣房" in (await client.get(PATH)).text
        assert (await post(client, do="zone_out", room="<食堂>")).status_code == 303
        assert (await post(client, do="zone_out", room="洗衣房")).status_code == 303
        assert zones_of(home).safe_zones == ("走廊",)
        last = await post(client, do="zone_out", room=" 走廊 ")
        assert (last.status_code, "这是最后一个房间" in last.text) == (422, True)
        assert 'value="走廊" checked>' in last.text
        assert (await post(client, **{**ZONES, "room_0": "走廊", "zone_delay_min": "0.5"})).status_code == 303
        client.cookies.set("yinling_language", "en")
        page = (await client.get(PATH, params={"resident": "r1"})).text
        assert "told after 0.5 min in another room · told after 30 min heard nowhere" in page
        assert "Stop watching…" in page
        assert (await post(client, do="zones_off")).status_code == 303
        assert "None: not watched." in (await client.get(PATH, params={"resident": "r1"})).text

    browse(home, home.key(Role.ADMIN), act)
    kept = zones_of(home)
    assert (kept.safe_zones, kept.zone_delay_min, kept.dementia, kept.bed_return_min) == ((), 0.5, True, 20)
    with home.database.read() as session:
        trail = [row for row in read_audit(session, limit=20) if row.subject == "setting:care/r1"]
    assert [row.actor for row in trail] == ["王芳 (夜班手机)"] * 5 + ["test"]
    assert "走廊" not in str([row.detail for row in trail]), "where somebody may be is not written into the trail"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "请至少选一个房间"),
        ({"more": " ，; "}, "请至少选一个房间"),
        ({"more": "走廊", "unseen_min": "often"}, "写成数字"),
        ({"more": "走廊", "zone_delay_min": "-1"}, "写成数字"),
        ({"more": "走廊", "zone_delay_min": "99999"}, "没有保存"),
        ({"more": "长" * 65}, "没有保存"),
        ({"more": ",".join(f"room {n}" for n in range(33))}, "没有保存"),
    ],
)
def test_zones_that_cannot_be_are_shown_again_with_the_reason(home: Site, fields: dict[str, str], said: str) -> None:
    async def act(client: Client) -> None:
        answer = await post(client, **{**ZONES, **fields, "room_7": " "})
        assert answer.status_code == 422
        form = answer.text.split('id="y-zones-form"')[1].split("</form>")[0]
        assert said in form
        assert escape(fields.get("more", "")) in form
        assert '<details id="y-zones-new" open>' in answer.text
        assert '<details id="y-plan-new" open>' not in answer.text

    browse(home, home.key(Role.ADMIN), act)
    assert zones_of(home) == USUAL


def test_zones_with_the_longest_names_are_taken(home: Site) -> None:
    names = [f"{number:02d}" + "房" * 62 for number in range(32)]

    async def act(client: Client) -> None:
        assert (await post(client, **ZONES, **{f"room_{n}": name for n, name in enumerate(names)})).status_code == 303
        assert (await post(client, **ZONES, more="x" * 40_000)).status_code == 413

    browse(home, home.key(Role.ADMIN), act)
    assert zones_of(home).safe_zones == tuple(names)


def test_zones_are_seen_by_who_sees_the_resident_and_changed_by_who_may(home: Site) -> None:
    receivers(home)
    put_care(home.registry, "r1", {"safe_zones": ["走廊", "食堂"]}, by="test", now_ns=home.now())
    asked = [{**ZONES, "more": "大门"}, {"do": "zone_out", "room": "走廊"}, {"do": "zones_off"}]

    async def carer(client: Client) -> None:
        page = (await client.get(PATH, params={"resident": "r1"})).text
        assert "<li><span>走廊</span></li>" in page
        assert "y-zones-form" not in page
        for fields in asked:
            assert (await post(client, **fields)).headers["location"] == PATH

    async def elsewhere(client: Client) -> None:
        for fields in asked:
            assert (await post(client, **fields)).headers["location"] == PATH
        page = (await client.get(PATH, params={"resident": "r2"})).text
        assert "理疗室" in page
        assert "食堂" not in page, "where another resident was heard is not told"

    async def foreign(client: Client) -> None:
        answer = await client.post(PATH, data={"resident": "r1", **asked[0]}, headers={"origin": "http://evil.example"})
        assert answer.headers["location"] == "/console/login"
        assert (await post(client, **{**asked[0], "resident": "nobody"})).headers["location"] == PATH

    browse(home, home.key(Role.OPERATOR), carer)
    browse(home, home.key(Role.ADMIN, residents=["r2"]), elsewhere)
    browse(home, home.key(Role.ADMIN), foreign)
    assert zones_of(home).safe_zones == ("走廊", "食堂")


def sure(**more: str) -> dict[str, str]:
    return {"do": "remove_resident", "sure": "on", **more}


def test_a_resident_is_removed_only_when_asked_once_more(home: Site) -> None:
    async def act(client: Client) -> None:
        page = (await client.get(PATH, params={"resident": "r1"})).text
        end = page.split('id="removal"')[1]
        for text in ("移除这位老人…", "将删除：个人资料和设置", "照护计划 1", "夜间报告 2", "保留：报警", "required"):
            assert text in end, text
        unsure = await post(client, do="remove_resident")
        assert unsure.headers["location"] == f"{PATH}?resident=r1#removal"
        assert home.registry.resident("r1") is not None
        with home.broadcast.listen() as listener:
            assert (await post(client, **sure())).headers["location"] == PATH
            assert (await asyncio.wait_for(listener.next(), 60)).type == "registry"
        assert "奶奶" not in (await client.get(PATH)).text
        assert (await client.get(PATH, params={"resident": "r1"})).headers["location"] == PATH
        assert (await post(client, **sure())).headers["location"] == PATH
        client.cookies.set("yinling_language", "en")
        page = (await client.get(PATH, params={"resident": "r2"})).text
        assert "Goes: the person&#x27;s data and settings" in page

    browse(home, home.key(Role.ADMIN), act)
    assert [one.id for one in home.registry.residents()] == ["r2"]
    with home.database.read() as session:
        (row,) = [row for row in read_audit(session, limit=50) if row.action == "resident.removed"]
    assert (row.actor, row.subject) == ("王芳 (夜班手机)", "resident:r1")


def test_nobody_is_removed_while_an_alert_is_open(home: Site) -> None:
    found = Finding("e1", "fall", "r1", home.now(), Phase.CONFIRMED, 0.9, (), {})
    home.alerts.take(found, home.now())

    async def act(client: Client) -> None:
        page = (await client.get(PATH, params={"resident": "r1"})).text
        assert '<p id="y-removal">还有没有结束的报警' in page
        assert "remove_resident" not in page
        assert (await post(client, **sure())).headers["location"] == f"{PATH}?resident=r1#removal"

    browse(home, home.key(Role.ADMIN), act)
    assert home.registry.resident("r1") is not None


def test_removal_only_by_who_may(home: Site) -> None:
    async def may_not(client: Client) -> None:
        page = (await client.get(PATH, params={"resident": "r1"})).text
        assert 'id="removal"' not in page
        assert (await post(client, **sure())).headers["location"] == PATH

    async def foreign(client: Client) -> None:
        data = {"resident": "r1", **sure()}
        answer = await client.post(PATH, data=data, headers={"origin": "http://evil.example"})
        assert answer.headers["location"] == "/console/login"

    browse(home, home.key(Role.OPERATOR), may_not)
    browse(home, home.key(Role.ADMIN, residents=["r1"]), may_not)
    browse(home, home.key(Role.ADMIN), foreign)
    assert home.registry.resident("r1") is not None
