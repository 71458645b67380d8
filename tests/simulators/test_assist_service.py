"""The stand-in 助急 service by itself: what it checks, remembers over a restart, and how its people behave."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulators.assist_journal import Journal
from simulators.assist_main import config_of, serve
from simulators.assist_script import Manner, answers_now, script
from simulators.assist_service import AssistConfig, AssistService, running

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
FAST = Manner(acknowledge_s=(0.02, 1.1), en_route_s=(0.02, 1.1), on_scene_s=(0.02, 1.1), resolved_s=(0.02, 1.1))
DEADLINE_S = 30.0


def event(webhook_id: str = "m1", kind: str = "alert.raised", **data: Any) -> dict[str, Any]:
    facts = {"schema": "alert.v1", "alert_id": "a1", "kind": "fall", "priority": "high", "state": "raised"}
    facts |= {"revision": 1, "repeat": 0, "test": False, "text": {"zh": "跌倒", "en": "Fall"}}
    return {"specversion": "1.0", "id": webhook_id, "source": "urn:x", "type": kind, "data": facts | data}


async def post(url: str, content: Any, webhook_id: str = "m1", secret: str = SECRET) -> httpx.Response:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    now = datetime.now(UTC)
    headers = {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(webhook_id, now, body.decode()),
    }
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.post(url, content=body, headers=headers)


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


def kept(path: Path) -> list[str]:
    """Ids of the events in a journal file."""
    journal = Journal(path)
    journal.close()
    return [record["webhook_id"] for record in journal.of("event")]


class Gateway:
    """The other end of the call-backs: answers as told and keeps what it got."""

    def __init__(self, *answers: Response) -> None:
        self.answers = list(answers)
        self.got: list[dict[str, Any]] = []

    async def callback(self, request: Request) -> Response:
        body = await request.body()
        Webhook(SECRET).verify(body, dict(request.headers))
        self.got.append(json.loads(body))
        return self.answers.pop(0) if self.answers else JSONResponse({"applied": True})

    async def start(self) -> str:
        self.host = AssistService(AssistConfig(SecretStr(SECRET)))
        self.host.app = Starlette(routes=[Route("/cb", self.callback, methods=["POST"])])
        await self.host.start()
        return self.host.url.replace("/alerts", "/cb")


def config(url: str | None = None, **more: Any) -> AssistConfig:
    return AssistConfig(SecretStr(SECRET), SecretStr(SECRET), url, **more)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (event(), 200),
        (event() | {"type": "alert.other"}, 400),
        (event() | {"id": "other"}, 400),
        ({"data": {}}, 400),
        ([], 400),
        (b"no json", 400),
        (b"{" + b" " * 300_000, 400),
    ],
)
def test_what_it_takes(content: Any, status: int) -> None:
    async def scene() -> None:
        async with running(config()) as service:
            response = await post(service.url, content)
            assert response.status_code == status
            assert response.json()["accepted"] is (status == 200)
            assert (await post(service.url, event(), secret="whsec_" + "A" * 43)).status_code == 401

    asyncio.run(scene())


def test_records_health_and_control() -> None:
    async def scene() -> None:
        async with running(config()) as service, httpx.AsyncClient(trust_env=False) as client:
            await post(service.url, event())
            base = service.url.removesuffix("/alerts")
            assert [r["record"] for r in (await client.get(f"{base}/records")).json()] == ["event"]
            assert (await client.get(f"{base}/health")).json() == {"mode": "up", "events": 1}
            for wrong in (
                b"x",
                b"[]",
                b'{"mode": "sideways"}',
                b'{"mode": "up", "count": "x"}',
                b'{"mode": "up", "seconds": []}',
            ):
                assert (await client.post(f"{base}/control/mode", content=wrong)).status_code == 400
            assert (await client.post(f"{base}/control/mode", json={"mode": "error", "count": 1})).status_code == 200
            await until(lambda: service.failure.mode == "error")
            assert (await post(service.url, event("m2"), "m2")).status_code == 500
            assert (await post(service.url, event("m2"), "m2")).status_code == 200

    asyncio.run(scene())


def test_people_answer_until_the_gateway_has_it() -> None:
    async def scene() -> None:
        gateway = Gateway(Response(status_code=500), Response(status_code=503))
        async with running(config(await gateway.start(), manner=FAST)) as service:
            await post(service.url, event())
            await until(lambda: len(service.journal.of("callback")) == 4)
            assert [r["type"] for r in gateway.got] == ["alert.acknowledged"] * 3 + [
                "alert.en_route",
                "alert.on_scene",
                "alert.resolved",
            ]
            assert gateway.got[-1]["data"]["outcome"] == "real_fall"
        await gateway.host.stop()

    asyncio.run(scene())


@pytest.mark.parametrize("answer", [Response(status_code=404), JSONResponse({"applied": False})])
def test_it_gives_up_when_the_gateway_will_never_take_it(answer: Response) -> None:
    async def scene() -> None:
        gateway = Gateway(answer)
        async with running(config(await gateway.start(), manner=FAST)) as service:
            await post(service.url, event())
            await until(lambda: len(service.journal.of("callback")) == 1)
            assert service.journal.of("callback")[0]["applied"] is False
            await until(lambda: all(task.done() for task in service._people.values()))
            assert len(gateway.got) == 1
        await gateway.host.stop()

    asyncio.run(scene())


def test_a_restart_goes_on_where_it_was(tmp_path: Path) -> None:
    async def scene() -> None:
        gateway = Gateway()
        url = await gateway.start()
        journal = tmp_path / "journal.jsonl"
        slow = Manner(acknowledge_s=(600, 1.0))
        async with running(config(url, manner=slow, journal=journal)) as service:
            await post(service.url, event())
            await post(service.url, event("m2", alert_id="a2"), "m2")
            await post(service.url, event("m3", "alert.cancelled", alert_id="a2"), "m3")
        with journal.open("ab") as file:
            file.write(b'{"record": "event", "webhook_id": "cut sho')
        async with running(config(url, manner=FAST, journal=journal)) as service:
            await post(service.url, event())
            assert len(service.journal.of("duplicate")) == 1
            await until(lambda: len(service.journal.of("callback", "a1")) == 4)
            assert service.journal.of("callback", "a2") == []
        assert kept(journal) == ["m1", "m2", "m3"]
        await gateway.host.stop()

    asyncio.run(scene())


def test_nobody_there_to_answer(tmp_path: Path) -> None:
    async def scene() -> None:
        gateway = Gateway()
        late = Manner("after_repeats", 2, acknowledge_s=(0.01, 1.0), stop_after="acknowledged")
        async with running(config(await gateway.start(), manner=late)) as service:
            for repeat in range(3):
                assert gateway.got == []
                await post(service.url, event(f"m{repeat}", repeat=repeat), f"m{repeat}")
            await until(lambda: len(service.journal.of("callback")) == 1)
        await gateway.host.stop()

    asyncio.run(scene())


def test_scripts_are_the_same_for_the_same_seed() -> None:
    acts = script(Manner(), "a1", "help_call", test=False)
    assert acts == script(Manner(), "a1", "help_call", test=False)
    assert acts != script(Manner(seed=2), "a1", "help_call", test=False)
    assert script(Manner(), "a1", "fall", test=True)[-1].outcome == "test"
    assert [act.type for act in script(Manner(stop_after="en_route"), "a", "x", test=False)] == [
        "acknowledged",
        "en_route",
    ]
    assert not answers_now(Manner("never"), 99)


def test_what_happened_was_real_unless_asked_otherwise() -> None:
    def found(kind: str, manner: Manner) -> set[str | None]:
        return {script(manner, f"a{number}", kind, test=False)[-1].outcome for number in range(50)}

    assert found("fall", Manner()) == {"real_fall"}
    assert found("help_call", Manner()) == found("smoke", Manner()) == {"real_help"}
    assert found("battery_low", Manner()) == {"other"}
    assert found("fall", Manner(false_alarms=0.5)) == {"real_fall", "false_alarm"}
    assert found("fall", Manner(false_alarms=1.0)) == {"false_alarm"}


def test_as_a_process(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    journal = tmp_path / "j.jsonl"
    arguments = ["--secret-file", str(secret), "--callback-secret-file", str(secret), "--journal", str(journal)]
    assert config_of([*arguments, "--acknowledge", "never"]).manner.acknowledge == "never"
    assert config_of([*arguments, "--false-alarms", "0.3"]).manner.false_alarms == 0.3
    assert config_of(arguments).manner.false_alarms == 0.0
    command = [sys.executable, "-m", "simulators.assist_service", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert asyncio.run(post(url, event())).json() == {"accepted": True, "id": "m1"}
        process.terminate()
        assert process.wait(timeout=DEADLINE_S) == 0
    assert kept(journal) == ["m1"]
    assert SECRET not in repr(config_of(arguments))


def test_it_ends_on_a_signal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)

    async def scene() -> None:
        serving = asyncio.create_task(serve(config_of(["--secret-file", str(secret)])))
        while not (printed := capsys.readouterr().out):  # noqa: ASYNC110 - it prints when it listens
            await asyncio.sleep(0.005)
        assert (await post(printed.strip(), event())).status_code == 200
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(serving, DEADLINE_S)

    asyncio.run(scene())
