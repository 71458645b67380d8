"""The way in: deny by default, cookies that cannot be forged, tickets good once, nothing secret in an address."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from console_site import S, Site
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from gateway.alerts.lifecycle import Outcome, State
from gateway.api.keys import MadeKey
from gateway.api.scopes import Role, Scope
from gateway.audit import read_audit
from gateway.console import documents, login_link
from gateway.console.answers import Wish, answer
from gateway.console.session import (
    COOKIE,
    LIFETIME_S,
    MAX_TICKETS,
    SECRET_FILE,
    TICKET_S,
    Session,
    Tickets,
    Visitor,
    load_secret,
    person_of,
    seal,
    unseal,
)
from gateway.console.views import Action

NOW = 1_800_000_000 * S
SECRET = b"s" * 32
WANG = Session("k1", "王芳", NOW // S)


# Cookie, secret, tickets


def test_a_cookie_opens_again() -> None:
    assert unseal(seal(WANG, SECRET), SECRET, NOW) == WANG
    assert unseal(seal(WANG, SECRET), SECRET, NOW + (LIFETIME_S - 1) * S) == WANG


def test_a_cookie_runs_out_and_is_not_from_the_future() -> None:
    assert unseal(seal(WANG, SECRET), SECRET, NOW + LIFETIME_S * S) is None
    assert unseal(seal(WANG, SECRET), SECRET, NOW - 2 * 86_400 * S) is None


def test_a_cookie_of_another_secret_or_changed_is_refused() -> None:
    sealed = seal(WANG, SECRET)
    assert unseal(sealed, b"t" * 32, NOW) is None
    head, tail = sealed.split(".")
    other = seal(replace(WANG, key_id="k2"), SECRET).split(".")[0]
    assert unseal(f"{other}.{tail}", SECRET, NOW) is None
    assert unseal(head, SECRET, NOW) is None
    assert unseal(sealed * 20, SECRET, NOW) is None


@given(st.text(max_size=300))
def test_no_text_opens_by_chance(text: str) -> None:
    assert unseal(text, SECRET, NOW) is None


@given(st.text(max_size=200))
def test_a_persons_name_is_clean(text: str) -> None:
    name = person_of(text)
    assert len(name) <= 60
    assert name == name.strip()
    assert name.isprintable()
    assert person_of(name) == name


def test_the_secret_is_private_and_lasts(tmp_path: Path) -> None:
    first = load_secret(tmp_path / "data")
    path = tmp_path / "data" / SECRET_FILE
    assert len(first) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_secret(tmp_path / "data") == first


@pytest.mark.parametrize("spoil", [lambda path: path.chmod(0o644), lambda path: path.write_bytes(b"short")])
def test_a_secret_others_could_read_or_that_is_too_short_is_replaced(
    tmp_path: Path, spoil: Callable[[Path], Any]
) -> None:
    first = load_secret(tmp_path)
    path = tmp_path / SECRET_FILE
    spoil(path)
    second = load_secret(tmp_path)
    assert second != first
    assert len(second) == 32
    assert path.stat().st_mode & 0o777 == 0o600


def test_tickets_are_good_once_and_for_ten_minutes() -> None:
    tickets = Tickets()
    one, late = tickets.issue("k1", "王芳", NOW), tickets.issue("k1", "王芳", NOW)
    assert tickets.redeem(one, NOW + S) == Session("k1", "王芳", NOW // S + 1)
    assert tickets.redeem(one, NOW + S) is None
    assert tickets.redeem(late, NOW + TICKET_S * S) is None
    assert tickets.redeem("", NOW) is None
    assert tickets.redeem("\ud800", NOW) is None


def test_too_many_tickets_push_out_the_oldest() -> None:
    tickets = Tickets()
    issued = [tickets.issue("k", str(number), NOW) for number in range(MAX_TICKETS + 1)]
    assert tickets.redeem(issued[0], NOW) is None
    assert tickets.redeem(issued[1], NOW) is not None


# Routes

Client = httpx.AsyncClient


def browse(site: Site, act: Callable[[Client], Awaitable[None]]) -> None:
    async def run() -> None:
        transport = httpx.ASGITransport(app=site.api)
        lifespan = site.api.router.lifespan_context(site.api)
        async with lifespan, Client(transport=transport, base_url="http://box.local") as client:
            await act(client)

    asyncio.run(run())


def form(made: MadeKey, person: str = "王芳") -> dict[str, str]:
    return {"person": person, "key": made.secret}


def test_without_a_session_there_is_only_the_login(site: Site) -> None:
    async def act(client: Client) -> None:
        home = await client.get("/")
        assert (home.status_code, home.headers["location"]) == (303, "/console/login")
        assert (await client.get("/console/session")).status_code == 200
        forged = {"cookie": f"{COOKIE}={seal(WANG, SECRET)}"}
        assert (await client.get("/", headers=forged)).status_code == 303
        login = await client.get("/console/login")
        assert login.status_code == 200
        assert "frame-ancestors 'none'" in login.headers["content-security-policy"]
        assert "非医疗器械" in login.text
        assert "http://" not in login.text
        assert "https://" not in login.text

    browse(site, act)


def test_login(site: Site) -> None:
    made = site.key(Role.OPERATOR)

    async def act(client: Client) -> None:
        done = await client.post("/console/login", data=form(made))
        assert (done.status_code, done.headers["location"]) == (303, "/")
        cookie = done.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "Secure" not in cookie
        assert made.secret not in cookie
        assert (await client.get("/console/session")).status_code == 204
        home = await client.get("/")
        assert home.status_code == 200
        assert "frame-ancestors 'none'" in home.headers["content-security-policy"]
        site.keys.revoke(made.key.id, by="test", now_ns=site.now())
        assert (await client.get("/")).status_code == 303
        assert (await client.get("/console/session")).status_code == 200

    browse(site, act)
    with site.database.read() as session:
        audit = read_audit(session)
    told = [(row.actor, row.action, row.detail["person"]) for row in audit if row.action.startswith("console.")]
    actor = f"key:{made.key.id}"
    assert sorted(told) == [(actor, "console.login", "王芳"), (actor, "console.opened", "王芳")]
    assert made.secret not in str(audit)


def test_over_tls_the_cookie_is_secure(site: Site) -> None:
    made = site.key(Role.VIEWER)

    async def act(client: Client) -> None:
        client.base_url = httpx.URL("https://box.local")
        assert "Secure" in (await client.post("/console/login", data=form(made))).headers["set-cookie"]

    browse(site, act)


def test_login_is_refused(site: Site) -> None:
    good, revoked, machine = site.key(Role.OPERATOR), site.key(Role.OPERATOR), site.key(Role.ADMIN)
    now = site.now()
    site.keys.revoke(revoked.key.id, by="test", now_ns=now)
    machine = site.keys.create("prometheus", Role.INTEGRATOR, by="test", now_ns=now, scopes=[Scope.METRICS])

    async def act(client: Client) -> None:
        for data, status in (
            ({"person": "王芳", "key": "yl_wrong"}, 401),
            (form(revoked), 401),
            (form(machine), 401),
            (form(good, "  "), 400),
            ({}, 400),
        ):
            answered = await client.post("/console/login", data=data)
            assert answered.status_code == status
            assert "set-cookie" not in answered.headers
            assert 'id="problem"' in answered.text
        foreign = {"origin": "http://evil.example"}
        assert (await client.post("/console/login", data=form(good), headers=foreign)).status_code == 403
        cross = {"sec-fetch-site": "cross-site"}
        assert (await client.post("/console/login", data=form(good), headers=cross)).status_code == 403
        own = {"origin": "http://box.local"}
        assert (await client.post("/console/login", data=form(good), headers=own)).status_code == 303
        assert (await client.post("/console/login", content=b"key=" + b"x" * 5000)).status_code == 413
        assert (await client.post("/console/login", content=b"&".join([b"a=1"] * 40))).status_code == 400

    browse(site, act)


def test_the_name_is_kept_and_escaped_after_a_refusal(site: Site) -> None:
    async def act(client: Client) -> None:
        answered = await client.post("/console/login", data={"person": '"><script>', "key": "yl_wrong"})
        assert 'value="&quot;&gt;&lt;script&gt;"' in answered.text
        assert "yl_wrong" not in answered.text

    browse(site, act)


def test_guessing_is_slowed_down_but_the_right_key_still_counts_for_those_who_had_it(site: Site) -> None:
    made = site.key(Role.OPERATOR)

    async def act(client: Client) -> None:
        assert (await client.post("/console/login", data=form(made))).status_code == 303
        codes = [
            (await client.post("/console/login", data={"person": "x", "key": f"yl_{n}"})).status_code for n in range(12)
        ]
        assert codes[:9] == [401] * 9
        assert codes[-1] == 429
        assert (await client.post("/console/login", data=form(made))).status_code == 303

    browse(site, act)


def test_a_box_that_cannot_check_keys_says_so(site: Site) -> None:
    made = site.key(Role.OPERATOR)
    with site.database.write() as session:
        session.connection().exec_driver_sql("ALTER TABLE api_keys RENAME TO gone")

    async def act(client: Client) -> None:
        answered = await client.post("/console/login", data=form(made))
        assert answered.status_code == 503
        assert "set-cookie" not in answered.headers

    browse(site, act)


def test_one_time_link(site: Site) -> None:
    made = site.key(Role.VIEWER)
    link = login_link(site.api, made.key.id, "演示")
    path, _, ticket = link.partition("#")
    assert path == "/console/enter"
    assert made.secret not in link

    async def act(client: Client) -> None:
        page = await client.get(path)
        assert page.status_code == 200
        assert ticket not in page.text
        foreign = {"origin": "http://evil.example"}
        assert (await client.post(path, data={"ticket": "x"}, headers=foreign)).status_code == 403
        done = await client.post(path, data={"ticket": ticket})
        assert (done.status_code, done.headers["location"]) == (303, "/")
        assert (await client.get("/console/session")).status_code == 204
        client.cookies.clear()
        assert (await client.post(path, data={"ticket": ticket})).status_code == 401
        assert (await client.post(path, data={})).status_code == 401
        later = login_link(site.api, made.key.id, "演示").partition("#")[2]
        site.keys.revoke(made.key.id, by="test", now_ns=site.now())
        assert (await client.post(path, data={"ticket": later})).status_code == 401

    browse(site, act)


def test_logout(site: Site) -> None:
    made = site.key(Role.VIEWER)

    async def act(client: Client) -> None:
        await client.post("/console/login", data=form(made))
        await client.post("/console/logout", headers={"origin": "http://evil.example"})
        assert (await client.get("/console/session")).status_code == 204
        out = await client.post("/console/logout")
        assert (out.status_code, out.headers["location"]) == (303, "/console/login")
        assert (await client.get("/console/session")).status_code == 200

    browse(site, act)


def test_choices_are_remembered(site: Site) -> None:
    async def act(client: Client) -> None:
        assert 'lang="zh-CN" data-theme="auto"' in (await client.get("/console/login")).text
        chosen = await client.get("/console/prefer?language=en&theme=dark&to=login")
        assert chosen.headers["location"] == "/console/login"
        assert 'lang="en" data-theme="dark"' in (await client.get("/console/login")).text
        wrong = await client.get("/console/prefer?language=fr&theme=pink&to=http://evil.example")
        assert wrong.headers["location"] == "/"
        assert "set-cookie" not in wrong.headers
        client.cookies.clear()
        broken = {"cookie": "yinling_language=xx; yinling_theme=yy"}
        text = (await client.get("/console/login", headers=broken)).text
        assert 'lang="zh-CN" data-theme="auto"' in text

    browse(site, act)


def test_the_sites_language_is_the_first(tmp_path: Path) -> None:
    site = Site(tmp_path, language="en")

    async def act(client: Client) -> None:
        assert 'lang="en"' in (await client.get("/console/login")).text

    browse(site, act)
    site.close()


def test_assets(site: Site) -> None:
    async def act(client: Client) -> None:
        for name, kind in documents.ASSETS.items():
            got = await client.get(documents.asset_url(name))
            assert (got.status_code, got.headers["content-type"]) == (200, kind)
            assert "immutable" in got.headers["cache-control"]
            assert not re.search(r"https?://|@import|@font-face", got.text), f"{name} reaches out"
        assert (await client.get("/console/assets/console.secret")).status_code == 404
        assert (await client.get("/console/assets/..%2Fmount.py")).status_code == 404

    browse(site, act)


def test_the_api_keeps_its_own_gate_and_headers(site: Site) -> None:
    async def act(client: Client) -> None:
        assert (await client.get("/api/v1/residents")).status_code == 401
        assert "content-security-policy" not in (await client.get("/health/live")).headers

    browse(site, act)


# Answers


def answered(site: Site, role: Role, wish: Wish, residents: list[str] | None = None) -> str | None:
    made = site.key(role, "夜班手机", residents)
    session = Session(made.key.id, "王芳", site.now() // S)
    return asyncio.run(answer(site.api.state.console_door, session, wish))


@pytest.fixture
def fall(site: Site) -> str:
    site.resident("r1", "李奶奶", "301", "w1")
    return site.find("fall", "r1", "w1")


def test_answers_reach_the_record_with_person_and_key(site: Site, fall: str) -> None:
    for action, state in (
        (Action.ACKNOWLEDGE, State.ACKNOWLEDGED),
        (Action.EN_ROUTE, State.EN_ROUTE),
        (Action.ON_SCENE, State.ON_SCENE),
    ):
        assert answered(site, Role.OPERATOR, Wish(fall, action)) is None
        assert site.alerts.get(fall).state is state
    assert site.alerts.get(fall).acknowledged_by == "王芳 (夜班手机)"
    wish = Wish(fall, Action.RESOLVE, Outcome.REAL_FALL, " 扶起，无外伤 ", "陈医生")
    assert answered(site, Role.OPERATOR, wish) is None
    closed = site.alerts.get(fall)
    assert (closed.state, closed.outcome, closed.note) == (State.RESOLVED, Outcome.REAL_FALL, "扶起，无外伤")
    assert closed.closed_by == "陈医生 (夜班手机)"
    assert answered(site, Role.OPERATOR, Wish(fall, Action.ACKNOWLEDGE)) == "answer.closed"


def test_cancel(site: Site, fall: str) -> None:
    assert answered(site, Role.OPERATOR, Wish(fall, Action.CANCEL)) is None
    assert site.alerts.get(fall).state is State.CANCELLED


def test_answers_that_are_refused_change_nothing(site: Site, fall: str) -> None:
    take = Wish(fall, Action.ACKNOWLEDGE)
    assert answered(site, Role.VIEWER, take) == "answer.not_allowed"
    assert answered(site, Role.OPERATOR, take, residents=["r2"]) == "answer.not_allowed"
    assert answered(site, Role.OPERATOR, replace(take, person=" ")) == "answer.nameless"
    assert answered(site, Role.OPERATOR, replace(take, alert_id="none")) == "answer.unknown"
    gone = Session("no-such-key", "王芳", site.now() // S)
    assert asyncio.run(answer(site.api.state.console_door, gone, take)) == "answer.not_allowed"
    assert site.alerts.get(fall).state is State.RAISED
    assert answered(site, Role.OPERATOR, take, residents=["r1"]) is None


def test_a_database_fault_is_said(site: Site, fall: str) -> None:
    with site.database.write() as session:
        session.connection().exec_driver_sql("ALTER TABLE alerts RENAME TO gone")
    assert answered(site, Role.OPERATOR, Wish(fall, Action.ACKNOWLEDGE)) == "answer.box_fault"
    with pytest.raises(OperationalError):
        site.alerts.get(fall)


def test_who_may_what(site: Site) -> None:
    rights = {}
    for role in Role:
        visitor = Visitor(Session("k", "王芳", 0), site.key(role).key)
        rights[role] = (visitor.may_answer, visitor.may_see_health)
    assert rights == {
        Role.ADMIN: (True, True),
        Role.OPERATOR: (True, True),
        Role.VIEWER: (False, False),
        Role.INTEGRATOR: (True, True),
    }
    assert Visitor(Session("k", "夜班手机", 0), site.key(Role.VIEWER).key).name == "夜班手机"


def test_the_console_is_found_at_its_name_too(site: Site) -> None:
    async def act(client: Client) -> None:
        for path in ("/console", "/console/"):
            answer = await client.get(path)
            assert (answer.status_code, answer.headers["location"]) == (303, "/"), path

    browse(site, act)


def test_where_there_is_no_page_the_console_says_so_in_its_language(site: Site) -> None:
    async def act(client: Client) -> None:
        for path in ("/console/nowhere", "/nowhere"):
            answer = await client.get(path)
            assert answer.status_code == 404, path
            assert "没有这个页面" in answer.text
            assert "frame-ancestors" in answer.headers["content-security-policy"]
        english = await client.get("/nowhere", headers={"cookie": "yinling_language=en"})
        assert "There is no such page" in english.text
        assert '<a class="y-link" id="y-board" href="/">To the board</a>' in english.text
        assert "没有" not in english.text
        part = await client.get("/_nicegui/no/such/part.js")
        assert part.status_code == 404
        assert "json" in part.headers["content-type"]
        secret = site.key(Role.ADMIN).secret
        problem = await client.get("/api/v1/nowhere", headers={"x-api-key": secret})
        assert (problem.status_code, problem.json()["type"]) == (404, "urn:yinling:problem:not-found")

    browse(site, act)
