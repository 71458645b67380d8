"""The desk of a small centre: nothing accepted is lost, what is pressed reaches the gateway, strangers see nothing."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from gateway.channels.signing import Signer
from simulators.desk import page
from simulators.desk.app import HEADERS, DeskConfig, running
from simulators.desk.book import Book
from simulators.desk.door import LOCKED_S, SHIFT_S, Door
from simulators.rude_http import Line, Request, listening

SECRET = SecretStr("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
BACK = SecretStr("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
PASSWORD = "correct horse"
DEADLINE_S = 60.0


def event(number: int = 1, kind: str = "alert.raised", **more: Any) -> dict[str, Any]:
    text = {"zh": "跌倒：<b>王</b>秀英", "en": "Fall: <b>Wang</b>"}
    data = {"schema": "alert.v1", "alert_id": f"a{number}", "kind": "fall", "priority": "high", "state": "raised"}
    data |= {"revision": 2, "repeat": 0, "test": False, "text": text, "site": "<i>站</i>", "acknowledge_url": None}
    name = f"k{number}-{kind}-{more.get('revision', 2)}"
    return {"specversion": "1.0", "id": name, "source": "urn:x", "type": kind, "data": data | more}


async def push(client: httpx.AsyncClient, url: str, what: dict[str, Any], secret: SecretStr = SECRET) -> httpx.Response:
    body = json.dumps(what).encode()
    return await client.post(
        f"{url}/alerts", content=body, headers=Signer([secret]).headers(what["id"], body, time.time_ns())
    )


def config(folder: Path, **more: Any) -> DeskConfig:
    return DeskConfig(folder, SECRET, BACK, SecretStr(PASSWORD), port=0, **more)


@asynccontextmanager
async def desk(folder: Path, **more: Any) -> AsyncIterator[tuple[str, httpx.AsyncClient]]:
    async with running(config(folder, **more)) as url, httpx.AsyncClient(trust_env=False, timeout=DEADLINE_S) as client:
        yield url, client


async def enter(client: httpx.AsyncClient, url: str, who: str = "王芳") -> None:
    answer = await client.post(f"{url}/login", data={"who": who, "password": PASSWORD})
    assert answer.status_code == 303
    assert "httponly" in answer.headers["set-cookie"].lower()


def token(text: str) -> str:
    return text.split('name="token" value="')[1].split('"', maxsplit=1)[0]


async def press(client: httpx.AsyncClient, url: str, act: str, number: int = 1, **more: str) -> httpx.Response:
    given = {"token": token((await client.get(f"{url}/")).text), "alert_id": f"a{number}", "act": act} | more
    return await client.post(f"{url}/act", data=given)


class Gateway:
    """The gateway's side of call-backs: first away, then there."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.taken: list[tuple[str, dict[str, Any]]] = []

    async def answer(self, request: Request, line: Line) -> None:
        name = Signer([BACK]).verify(request.headers, request.body, time.time_ns())
        self.refusals -= 1
        if self.refusals >= 0:
            await line.answer(503)
            return
        self.taken.append((name, json.loads(request.body)))
        await line.answer(200, {"applied": True})

    async def until(self, count: int) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while len(self.taken) < count:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)


def test_from_the_alert_to_its_end_and_the_gateway_hears_of_each_step(tmp_path: Path) -> None:
    async def scene() -> None:
        gateway = Gateway(refusals=1)
        async with listening(gateway.answer) as port, desk(tmp_path) as (url, client):
            await push(client, url, event(acknowledge_url=f"http://127.0.0.1:{port}/back"))
            await enter(client, url)
            for act in ("acknowledged", "en_route", "on_scene"):
                assert (await press(client, url, act)).status_code == 303
            await press(client, url, "on_scene")  # pressed twice: told once
            await press(client, url, "resolved", outcome="real_fall", note="送医 & 平安")
            await gateway.until(4)
            assert [told["type"] for _, told in gateway.taken] == [
                "alert.acknowledged", "alert.en_route", "alert.on_scene", "alert.resolved",
            ]  # fmt: skip
            assert {told["data"]["by"] for _, told in gateway.taken} == {"王芳"}
            assert gateway.taken[3][1]["data"] == {
                "alert_id": "a1", "by": "王芳", "outcome": "real_fall", "note": "送医 & 平安",
            }  # fmt: skip
            shown = (await client.get(f"{url}/")).text
            assert 'class="over"' in shown
            assert "送医 &amp; 平安" in shown
            await press(client, url, "acknowledged")
            assert (await client.get(f"{url}/health")).json() == {"open": 0}

    asyncio.run(scene())


def test_what_was_accepted_and_what_was_pressed_survive_a_restart(tmp_path: Path) -> None:
    async def scene() -> None:
        gateway = Gateway()
        async with desk(tmp_path) as (url, client):
            for number in range(5):
                more = {"acknowledge_url": "http://127.0.0.1:1/nobody"}
                assert (await push(client, url, event(number, **more))).json()["accepted"] is True
            await enter(client, url)
            await press(client, url, "acknowledged", 3)
            cookies = dict(client.cookies)
        async with listening(gateway.answer) as port:
            again = f"http://127.0.0.1:{port}/back"
            async with desk(tmp_path, callback_url=again) as (url, client):
                client.cookies.update(cookies)
                shown = (await client.get(f"{url}/")).text
                assert shown.count("<article") == 5
                await gateway.until(1)
                assert gateway.taken[0][1]["data"]["alert_id"] == "a3"
                assert (await push(client, url, event(2))).json()["accepted"] is True
                assert (await client.get(f"{url}/")).text.count("<article") == 5

    asyncio.run(scene())


def test_only_what_is_signed_and_whole_is_accepted(tmp_path: Path) -> None:
    async def scene() -> None:
        async with desk(tmp_path) as (url, client):
            assert (await push(client, url, event(), BACK)).status_code == 401
            assert (await push(client, url, event(revision="x"))).status_code == 400
            assert (await push(client, url, event() | {"type": "alert.unheard"})).status_code == 400
            wrong = event()
            del wrong["data"]["priority"]
            assert (await push(client, url, wrong)).json()["accepted"] is False
            assert (await client.post(f"{url}/alerts", content=b"x" * 300_000)).status_code == 400
            assert (await client.get(f"{url}/health")).json() == {"open": 0}

    asyncio.run(scene())


def test_strangers_see_nothing_and_forms_of_other_sites_do_nothing(tmp_path: Path) -> None:
    async def scene() -> None:
        async with desk(tmp_path) as (url, client):
            await push(client, url, event())
            for path in ("/", "/alert?id=a1"):
                assert (await client.get(f"{url}{path}")).headers["location"] == "/login"
            client.cookies.set("desk", "forged.cookie")
            assert (await client.get(f"{url}/")).status_code == 303
            client.cookies.clear()
            assert (await client.get(f"{url}/login")).status_code == 200
            bad = await client.post(f"{url}/login", data={"who": "王芳", "password": "wrong"})
            assert bad.status_code == 401
            await enter(client, url)
            await client.post(f"{url}/act", data={"token": "x", "alert_id": "a1", "act": "acknowledged"})
            await press(client, url, "resolved")  # without an outcome
            await press(client, url, "acknowledged", 99)
            shown = await client.get(f"{url}/")
            assert "已接警" not in shown.text
            assert {name: shown.headers[name] for name in HEADERS} == HEADERS
            assert (await client.get(f"{url}/alert?id=nothing")).headers["location"] == "/"
            await client.post(f"{url}/leave", data={"token": token(shown.text)})
            assert (await client.get(f"{url}/")).status_code == 303

    asyncio.run(scene())


def test_pages_are_escaped_and_speak_both_languages(tmp_path: Path) -> None:
    async def scene() -> None:
        async with desk(tmp_path) as (url, client):
            card = {"zh": "地址：某路 1 号", "en": "Address: 1 Some Road"}
            await push(client, url, event(repeat=2, test=True, card120=card, acknowledged_by="<script>x</script>"))
            await enter(client, url, "<u>李</u>")
            for language, words in (
                ("zh-CN", ("演练", "再次提醒 ×2", "某路 1 号")),
                ("en", ("drill", "told again ×2", "1 Some Road")),
            ):
                await client.get(f"{url}/language?to={language}")
                shown = (await client.get(f"{url}/")).text + (await client.get(f"{url}/alert?id=a1")).text
                assert all(word in shown for word in words)
                assert not any(tag in shown for tag in ("<b>", "<i>", "<u>", "<script"))
                assert f'lang="{language}"' in shown
            await client.get(f"{url}/language?to=xx")
            assert all(len(pair) == 2 and all(pair) for pair in page.WORDS.values())

    asyncio.run(scene())


def test_a_gateway_that_falls_silent_is_shown(tmp_path: Path) -> None:
    book = Book(tmp_path / "x.sqlite")
    book.heard("urn:a", 60.0, 1000.0)
    book.heard("urn:b", 600.0, 1000.0)
    assert book.silent(1180.0) == []
    assert book.silent(1181.0) == [("urn:a", 1000.0)]
    book.heard("urn:a", 60.0, 1200.0)
    assert book.silent(1201.0) == []
    book.close()

    async def scene() -> None:
        async with desk(tmp_path / "desk") as (url, client):
            beat = {"specversion": "1.0", "id": "h1", "source": "urn:站", "type": "gateway.heartbeat"}
            answer = await push(client, url, beat | {"data": {"interval_s": 0.000001}})
            assert answer.json() == {"accepted": True, "id": "h1"}
            await enter(client, url)
            assert "网关失联" in (await client.get(f"{url}/")).text

    asyncio.run(scene())


def test_what_the_gateway_never_takes_is_shown_and_not_repeated(tmp_path: Path) -> None:
    async def scene() -> None:
        answers = iter([(404, {}), (200, {"applied": False, "reason": "already closed"}), (200, {"applied": True})])
        asked = 0

        async def answer(_: Request, line: Line) -> None:
            nonlocal asked
            asked += 1
            await line.answer(*next(answers))

        async with listening(answer) as port, desk(tmp_path) as (url, client):
            for number in (1, 2, 3):
                await push(client, url, event(number, acknowledge_url=f"http://127.0.0.1:{port}/"))
            await push(client, url, event(4))
            await enter(client, url)
            for number in (1, 2, 3, 4):
                await press(client, url, "acknowledged", number)
                deadline = time.monotonic() + DEADLINE_S
                while "正在告知网关" in (await client.get(f"{url}/")).text:
                    assert time.monotonic() < deadline
            shown = (await client.get(f"{url}/")).text
            assert asked == 3
            assert shown.count("网关未接受") == 3
            assert "already closed" in shown
            assert "没有应答地址" in shown
            assert shown.count("紧急") == 4
            await client.get(f"{url}/language?to=en")
            english = (await client.get(f"{url}/")).text
            assert "（" not in english
            assert " took it (the gateway did not take it) no address for answers" in english

    asyncio.run(scene())


def test_the_queue_puts_those_that_wait_first(tmp_path: Path) -> None:
    book = Book(tmp_path / "x.sqlite")
    for number, (priority, kind, more) in enumerate(
        [
            ("low", "alert.raised", {}),
            ("high", "alert.raised", {"acknowledged_by": "王芳"}),
            ("high", "alert.raised", {}),
            ("medium", "alert.raised", {}),
            ("high", "alert.resolved", {}),
        ]
    ):
        what = event(number, kind, priority=priority, **more)
        assert book.receive(what["id"], what, 100.0 + number)
        assert not book.receive(what["id"], what, 200.0)
    assert [case.alert_id for case in book.cases()] == ["a2", "a3", "a0", "a1", "a4"]
    assert book.case("unknown") is None
    book.close()


def test_the_door_locks_after_wrong_tries_and_a_shift_ends() -> None:
    door = Door(PASSWORD, b"k" * 32)
    cookie = door.enter("  王   芳 ", PASSWORD, 1000.0)
    assert cookie is not None
    assert door.who(cookie, 1000.0) == "王 芳"
    assert door.who(cookie, 1001.0 + SHIFT_S) is None
    assert door.who(cookie[:-1], 1000.0) is None
    assert Door(PASSWORD, b"j" * 32).who(cookie, 1000.0) is None
    assert door.enter("system", PASSWORD, 1000.0) is None
    for _ in range(4):
        assert door.enter("x", "wrong", 1000.0) is None
    assert door.locked(1000.0)
    assert door.enter("王芳", PASSWORD, 1000.0) is None
    assert door.enter("王芳", PASSWORD, 1001.0 + LOCKED_S) is not None
    assert PASSWORD not in repr(door)


def test_a_password_that_is_too_short_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from gateway.cli import CANNOT, app, commands

    assert commands
    monkeypatch.chdir(tmp_path)
    (tmp_path / "desk.password").write_text("short")
    assert CliRunner().invoke(app, ["assist"]).exit_code == CANNOT
