"""docs/asyncapi.yaml and docs/examples are true: real traffic fits the one, the others run against the gateway."""

import asyncio
import itertools
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from alert_site import Site
from jsonschema import Draft202012Validator
from pydantic import SecretStr
from referencing import Registry, Resource

from analytics.findings import Finding, Phase
from gateway.alerts import outbox
from gateway.alerts.callback import CallbackHandler, CallbackStatus, CallbackVerifier
from gateway.alerts.channel_answers import apply_answer
from gateway.alerts.dispatcher import Dispatcher
from gateway.alerts.lifecycle import Outcome, State
from gateway.channel_settings import MqttChannelSettings
from gateway.channels.base import Accepted, Dispatch
from gateway.channels.mqtt_dialects import OwnTopics
from gateway.channels.signing import Signer
from gateway.channels.webhook import WebhookChannel, WebhookOptions
from gateway.heartbeat import HEARTBEAT, heartbeat_data
from simulators.rude_http import Line, Request, listening

DOCS = Path(__file__).resolve().parents[3] / "docs"
API: dict[str, Any] = yaml.safe_load((DOCS / "asyncapi.yaml").read_text(encoding="utf-8"))
ALERT = json.loads((DOCS / "schemas/alert.v1.schema.json").read_text(encoding="utf-8"))
SECRET = SecretStr("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
BACK = SecretStr("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
DEADLINE_S = 60.0


def validator(pointer: str) -> Draft202012Validator:
    """What one place of the document demands, with everything that it refers to."""
    documents = [("urn:doc", API), ("schemas/alert.v1.schema.json", ALERT), ("urn:yinling:schema:alert:v1", ALERT)]
    default = "https://json-schema.org/draft/2020-12/schema"
    resources = [(name, Resource.from_contents({"$schema": default} | body)) for name, body in documents]
    found: Any = API
    for part in pointer.split("/"):
        found = found[part]
    text = json.dumps(found).replace('"#/', '"urn:doc#/')
    return Draft202012Validator(json.loads(text), registry=Registry().with_resources(resources))


def references(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        yield from [tree["$ref"]] if isinstance(tree.get("$ref"), str) else []
        tree = list(tree.values())
    if isinstance(tree, list):
        for one in tree:
            yield from references(one)


def test_every_reference_leads_somewhere() -> None:
    for reference in references(API):
        if reference.startswith("#/"):
            found: Any = API
            for part in reference[2:].split("/"):
                found = found[part]
        else:
            assert (DOCS / reference).is_file()


def test_the_lists_are_those_of_the_code() -> None:
    messages, schemas = API["components"]["messages"], API["components"]["schemas"]
    events = messages["alert"]["payload"]["allOf"][1]["properties"]["type"]["enum"]
    assert events == [outbox.RAISED, outbox.UPDATED, outbox.CANCELLED, outbox.RESOLVED]
    assert messages["heartbeat"]["payload"]["allOf"][1]["properties"]["type"]["const"] == HEARTBEAT
    assert set(messages["applied"]["payload"]["properties"]["status"]["enum"]) == set(CallbackStatus)
    assert set(schemas["callback"]["properties"]["data"]["properties"]["outcome"]["enum"]) == set(Outcome)


def test_every_message_on_the_wire_fits(site: Site) -> None:
    alert = site.take().alert
    sent: list[Dispatch] = site.send(Accepted("x"))
    site.service.acknowledge(alert.id, "王芳", site.ns)
    sent += site.send(Accepted("x"))
    site.service.cancel(alert.id, "王芳", site.ns)
    sent += site.send(Accepted("x"))
    fits, signature = validator("components/messages/alert/payload"), validator("components/schemas/signature")
    seen: list[str] = []

    async def check(request: Request, line: Line) -> None:
        event = json.loads(request.body)
        fits.validate(event)
        signature.validate(dict(request.headers))
        seen.append(event["type"])
        said = {"accepted": True, "id": event["id"]}
        validator("components/messages/accepted/payload").validate(said)
        await line.answer(200, said)

    async def scene() -> None:
        async with listening(check) as port:
            options = WebhookOptions(f"http://127.0.0.1:{port}/", (SECRET,), "urn:yinling:test", allow_private=True)
            channel = WebhookChannel(options)
            for dispatch in sent:
                assert await channel.send(dispatch, time.time_ns()) == Accepted(dispatch.idempotency_key)
            await channel.aclose()

    asyncio.run(scene())
    assert set(seen) == {"alert.raised", "alert.updated", "alert.cancelled"}
    said = heartbeat_data("站", 60.0, "2026-01-01T00:00:00Z", 0, healthy=True)
    validator("components/schemas/heartbeat").validate(said)


def test_the_document_and_the_code_agree_on_what_a_call_back_is(site: Site) -> None:
    handler, fits = CallbackHandler(site.service, CallbackVerifier([BACK])), validator("components/schemas/callback")
    kinds = ["alert.acknowledged", "alert.en_route", "alert.on_scene", "alert.resolved", "alert.raised", None]
    names: list[Any] = ["王芳", "", None, "x" * 201]
    outcomes: list[Any] = [None, "real_fall", "nonsense"]
    for number, (kind, name, outcome) in enumerate(itertools.product(kinds, names, outcomes)):
        data = {"alert_id": "a"} | ({} if name is None else {"by": name})
        data |= {} if outcome is None else {"outcome": outcome}
        body = json.dumps({"type": kind, "data": data}).encode()
        result = handler.handle(Signer([BACK]).headers(f"m{number}", body, site.ns), body, site.ns)
        well_formed = result.status is not CallbackStatus.MALFORMED
        assert fits.is_valid(json.loads(body)) is well_formed, body
        validator("components/messages/applied/payload").validate(result.body)


def test_the_topics_of_an_mqtt_channel_and_what_they_carry(site: Site) -> None:
    dialect = OwnTopics("home")
    fits = validator("components/messages/mqttAlert/payload")
    alert = site.take().alert
    sent = site.send(Accepted("x"))
    site.service.acknowledge(alert.id, "王芳", site.ns)
    for dispatch in [*sent, *site.send(Accepted("x"))]:
        out = dialect.say(dispatch, site.ns)
        assert out.topic == API["channels"]["mqttAlerts"]["address"].format(base="home", contact=dispatch.contact)
        fits.validate(json.loads(out.payload))
        assert json.loads(out.payload)["answer_topic"] == dialect.subscriptions[0]
    assert dialect.subscriptions == (API["channels"]["mqttAnswers"]["address"].format(base="home"),)
    result = dialect.result({})
    assert result is not None
    assert result.topic == API["channels"]["mqttResults"]["address"].format(base="home")
    assert API["components"]["parameters"]["base"]["default"] == MqttChannelSettings(type="mqtt").base


def test_the_document_and_the_code_agree_on_what_an_answer_over_mqtt_is(site: Site) -> None:
    site.take()
    sent, *_ = site.send(Accepted("x"))
    fits, result = validator("components/schemas/mqttAnswer"), validator("components/messages/mqttResult/payload")
    kinds = ["alert.acknowledged", "alert.en_route", "alert.on_scene", "alert.raised", None]
    names: list[Any] = ["王芳", "", None, "x" * 201]
    outcomes: list[Any] = [None, "real_fall", "nonsense"]
    ids: list[Any] = [sent.idempotency_key, "", None]
    applied = 0
    for kind, name, outcome, key in itertools.product([*kinds, "alert.resolved"], names, outcomes, ids):
        body = {"id": key, "type": kind, "by": name, "outcome": outcome}
        body = {field: value for field, value in body.items() if value is not None}
        said = apply_answer(site.service, sent.channel, json.dumps(body).encode(), site.ns)
        result.validate(said)
        assert fits.is_valid(body) is (said["id"] is not None), body
        applied += said["applied"]
    assert applied == 4
    result.validate(apply_answer(site.service, sent.channel, b"{", site.ns))


async def line_of(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), DEADLINE_S)).decode().strip()


def test_the_examples_receive_an_alert_and_answer_it(site: Site, tmp_path: Path) -> None:
    if shutil.which("openssl") is None or shutil.which("curl") is None:
        (pytest.fail if os.environ.get("YINLING_REQUIRE_ALL") == "1" else pytest.skip)("openssl or curl is missing")
    for name, secret in (("assist.secret", SECRET), ("callback.secret", BACK)):
        (tmp_path / name).write_text(secret.get_secret_value() + "\n")
    handler = CallbackHandler(site.service, CallbackVerifier([BACK]))

    async def callback(request: Request, line: Line) -> None:
        result = await asyncio.to_thread(handler.handle, request.headers, request.body, time.time_ns())
        await line.answer(result.http_status, result.body)

    async def shell(url: str, *words: str) -> tuple[int | None, bytes]:
        command = ["sh", str(DOCS / "examples/answer.sh"), url, "callback.secret", *words]
        process = await asyncio.create_subprocess_exec(*command, cwd=tmp_path, stdout=asyncio.subprocess.PIPE)
        said, _ = await asyncio.wait_for(process.communicate(), DEADLINE_S)
        return process.returncode, said

    async def scene() -> None:
        command = [str(DOCS / "examples/receive_alerts.py"), "--port=0", "--secret-file=assist.secret"]
        receiver = await asyncio.create_subprocess_exec(
            sys.executable, *command, cwd=tmp_path, stdout=asyncio.subprocess.PIPE
        )
        url = await line_of(receiver)
        channel = WebhookChannel(WebhookOptions(url, (SECRET,), "urn:yinling:test", allow_private=True))
        stranger = WebhookChannel(WebhookOptions(url, (BACK,), "urn:yinling:test", allow_private=True))
        dispatcher = Dispatcher(site.service, {"webhook": channel}, clock=time.time_ns)
        running = asyncio.create_task(dispatcher.run())
        try:
            now = time.time_ns()
            finding = Finding("e", "help_call", "r1", now, Phase.CONFIRMED, 1.0, ("w1",))
            alert = (await asyncio.to_thread(site.service.take, finding, now)).alert
            assert alert is not None
            assert (await line_of(receiver)).startswith(f"{alert.id} 呼救")
            async with listening(callback) as port:
                back = f"http://127.0.0.1:{port}/"
                assert await shell(back, alert.id, "acknowledged", "王芳") == (
                    0, b'{"applied": true, "status": "applied", "reason": ""}',
                )  # fmt: skip
                assert (await shell(back, "unknown", "acknowledged", "王芳"))[0] != 0
                assert (await shell(back, alert.id, "resolved", "王芳", "real_help"))[0] == 0
            foreign = site.service.outbox.items(alert.id)[0]
            lost = Dispatch(
                1, alert.id, "alert.raised", "webhook", "assist", "", alert.priority, {"at_ns": now}, 1, "k", "t", now
            )
            assert "HTTP 401" in str(await stranger.send(lost, time.time_ns()))
            assert foreign.alert_id == alert.id
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            await channel.aclose()
            await stranger.aclose()
            receiver.kill()
            await receiver.wait()

    asyncio.run(scene())
    closed = next(alert for alert in site.service.list().alerts if alert.kind == "help_call")
    assert (closed.state, closed.acknowledged_by, closed.outcome) == (State.RESOLVED, "王芳", Outcome.REAL_HELP)
    book = [json.loads(line) for line in (tmp_path / "alerts.jsonl").read_text("utf-8").splitlines()]
    assert len({event["id"] for event in book}) == len(book)
