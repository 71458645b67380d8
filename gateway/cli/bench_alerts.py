"""`yinling bench alerts`: from a finding to the first message on the wire, a full outbox, and a flood of faults."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import httpx
import numpy as np
import typer
from pydantic import SecretStr

from analytics.findings import Finding, Phase
from analytics.kinds import Priority
from gateway.alerts.dispatcher import Dispatcher
from gateway.alerts.payload import PRIORITY_NAMES, PayloadBuilder
from gateway.alerts.records import AlertFilter
from gateway.alerts.routing import ASSIST, WEBHOOK, ContactRouter, Route
from gateway.alerts.service import AlertService
from gateway.channels.webhook import WebhookChannel, WebhookOptions
from gateway.cli import BAD_ANSWER
from gateway.cli.bench import ACCOUNT, SETTLE_S, Load, bench_app, generator_of, machine, register, running_gateway
from gateway.cli.json_file import JsonFile, write_json
from gateway.cli.rig import Rig, RigDevice
from gateway.cli.run import set_up_logging
from gateway.cli.setup import out
from gateway.database import open_database
from simulators.rude_http import Request, listening

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.alerts.alert import Alert
    from gateway.runtime import Gateway
    from simulators.rude_http import Line

AIM_P99_S = 0.15
AIM_BEHIND_FLOOD_S = 1.0
EACH_S = 0.2
"""One probe alert every 0.2 s, each about another resident."""
KINDS_OF = {Priority.HIGH: "help_call", Priority.MEDIUM: "heart_rate_high", Priority.LOW: "not_worn"}
SECRET = SecretStr("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
FLOOD = 500
BATCH = 100
NAMES = {name: priority for priority, name in PRIORITY_NAMES.items()}


@bench_app.command("alerts")
def bench_alerts(
    wearers: Annotated[int, typer.Option(min=1, help="Wearables whose load goes on meanwhile")] = 1000,
    seconds: Annotated[int, typer.Option(min=20, help="How long")] = 60,
    waiting: Annotated[int, typer.Option(min=10, help="Alerts that wait in the outbox before it is drained")] = 10_000,
    json_file: JsonFile = None,
) -> None:
    """Delays of alerts on this machine. Exit code 1 when an aim is missed or the order is wrong."""
    set_up_logging(logging.ERROR)
    report: dict[str, Any] = {"machine": machine()}
    report["load"] = _said("load", under_load(wearers, seconds))
    report["drain"] = _said("drain", asyncio.run(drain(waiting)))
    report["missed"] = missed(report)
    for one in report["missed"]:
        out.print(f"missed: {one}", style="red", highlight=False)
    write_json(report, json_file)
    if report["missed"]:
        raise typer.Exit(BAD_ANSWER)


def _said(part: str, figures: dict[str, Any]) -> dict[str, Any]:
    out.print(f"{part}: {json.dumps(figures)}", highlight=False)
    return figures


def missed(report: dict[str, Any]) -> list[str]:
    """What is not as it should be, in words."""
    drained, load = report["drain"], report["load"]
    wrong = []
    if drained["arrived"] != drained["waiting"] or drained["displaced"] > drained["at_once"]:
        wrong.append("the outbox did not drain completely and in order of priority")
    if load["p99_s"] is None or load["p99_s"] > AIM_P99_S:
        wrong.append(f"finding to wire: p99 {load['p99_s']} s, aim {AIM_P99_S} s")
    if load["behind_flood_s"] is None or load["behind_flood_s"] > AIM_BEHIND_FLOOD_S:
        wrong.append(f"behind {FLOOD} faults: {load['behind_flood_s']} s, aim {AIM_BEHIND_FLOOD_S} s")
    return wrong


async def drain(waiting: int) -> dict[str, Any]:
    """Fill an outbox with alerts of all priorities while nothing is sent; then send them to a real HTTP server.

    displaced: how many less urgent ones at most came before a more urgent one; as many as are on the wire at once may.
    """
    order: list[Priority] = []
    all_there = asyncio.Event()

    async def take(request: Request, line: Line) -> None:
        event = json.loads(request.body)
        order.append(NAMES[event["data"]["priority"]])
        await line.answer(200, {"accepted": True, "id": event["id"]})
        if len(order) >= waiting:
            all_there.set()

    with tempfile.TemporaryDirectory(prefix="yinling-drain-") as folder:
        database = open_database(Path(folder) / "x.sqlite")
        service = AlertService(
            database, router=ContactRouter(assist=Route(WEBHOOK, ASSIST)), payloads=PayloadBuilder("x")
        )
        filled_s = _fill(service, waiting)
        async with listening(take) as port:
            url = f"http://127.0.0.1:{port}/"
            channel = WebhookChannel(WebhookOptions(url, (SECRET,), "urn:yinling:bench", allow_private=True))
            dispatcher = Dispatcher(service, {WEBHOOK: channel}, clock=time.time_ns)
            begun = time.monotonic()
            running = asyncio.create_task(dispatcher.run())
            await all_there.wait()
            took_s = time.monotonic() - begun
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await channel.aclose()
        database.close()
    return {
        "waiting": waiting,
        "arrived": len(order),
        "displaced": displaced(order),
        "at_once": dispatcher.at_once,
        "opened_each_ms": round(filled_s / waiting * 1000, 2),
        "seconds": round(took_s, 1),
        "messages_per_s": round(waiting / took_s, 1),
    }


def displaced(order: list[Priority]) -> int:
    """The most less urgent messages that came before any one more urgent."""
    worst, before = 0, dict.fromkeys(Priority, 0)
    for priority in order:
        worst = max(worst, sum(count for other, count in before.items() if other > priority))
        before[priority] += 1
    return worst


def _fill(service: AlertService, waiting: int) -> float:
    rng = random.Random(1)
    begun = time.monotonic()
    for first in range(0, waiting, BATCH):
        now_ns = time.time_ns()
        numbers = range(first, min(first + BATCH, waiting))
        findings = [_finding(KINDS_OF[rng.choice((Priority.HIGH, Priority.MEDIUM))], n, now_ns) for n in numbers]
        service.take_many(findings, now_ns)
    return time.monotonic() - begun


def _finding(kind: str, number: int, now_ns: int) -> Finding:
    return Finding(f"{kind}-{number}", kind, f"probe-{number}", now_ns, Phase.CONFIRMED, 1.0, (f"probe-{number}",))


def under_load(wearers: int, seconds: int) -> dict[str, Any]:
    """A whole gateway with the load of so many wearers; probes ask for help meanwhile, half way comes the flood."""
    with tempfile.TemporaryDirectory(prefix="yinling-bench-") as folder:
        rig = Rig(Path(folder), devices=[RigDevice(ACCOUNT, "zigbee2mqtt", None)])
        rig.prepare()
        register(rig, wearers)
        return asyncio.run(_run(rig, wearers, seconds))


async def _run(rig: Rig, wearers: int, seconds: int) -> dict[str, Any]:
    async with running_gateway(rig, "--acknowledge=never") as gateway:
        generator = await generator_of(rig, Load(wearers, seconds, falls=0))
        await _probe(gateway, seconds)
        lines = [json.loads(line) async for line in generator.stdout] if generator.stdout else []
        await generator.wait()
        sent = lines[-1]["sent"] if len(lines) > 1 else 0
        return {"wearers": wearers, "sent": sent} | await _delays(rig, gateway)


async def _probe(gateway: Gateway, seconds: int) -> None:
    """Findings come as analytics gives them: with the next turn of the pipeline. The flood comes half way."""
    count = int((seconds - 5) / EACH_S)
    for number in range(count):
        now_ns = time.time_ns()
        if number == count // 2:
            faults = [
                Finding(f"flood-{n}", "signal_lost", None, now_ns, Phase.CONFIRMED, 1.0, (f"load-{n}",))
                for n in range(FLOOD)
            ]
            gateway.pipeline.report(faults)
            await asyncio.sleep(0.12)
            gateway.pipeline.report([_finding("smoke", number, time.time_ns())])
            continue
        gateway.pipeline.report([_finding("help_call", number, now_ns)])
        await asyncio.sleep(EACH_S)


async def _delays(rig: Rig, gateway: Gateway) -> dict[str, Any]:
    """From the turn of the pipeline in which an alert was concluded until its first message came to the far side.

    behind_flood_s: of the smoke just behind the faults; during_flood_s: the worst of the calls for help after them.
    """
    await asyncio.sleep(SETTLE_S)
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        records = (await client.get(f"http://127.0.0.1:{rig.assist_port}/records")).json()
    first: dict[str, float] = {}
    for record in records:
        if record["record"] == "event":
            first.setdefault(record["alert_id"], record["at"])
    page = await gateway.in_database(gateway.alerts.list, AlertFilter(kinds=("help_call", "smoke")), limit=10_000)
    return {"probes": page.total, "flood": FLOOD} | figures(page.alerts, first)


def figures(alerts: Sequence[Alert], first: Mapping[str, float]) -> dict[str, Any]:
    """The delays of the probes. first: when the first message about an alert came to the far side, epoch seconds."""
    flood_ns = next((one.created_ns for one in alerts if one.kind == "smoke"), 2**63)
    took = {one.id: first[one.id] - one.created_ns / 1e9 for one in alerts if one.id in first}
    calls = [one for one in alerts if one.kind == "help_call" and one.id in took]
    waits = [took[one.id] for one in calls if one.created_ns < flood_ns]
    p50, p99 = (float(np.percentile(waits, q)) if waits else None for q in (50, 99))
    found = {
        "p50_s": p50,
        "p99_s": p99,
        "worst_s": max(waits, default=None),
        "behind_flood_s": next((took[one.id] for one in alerts if one.kind == "smoke" and one.id in took), None),
        "during_flood_s": max((took[one.id] for one in calls if one.created_ns >= flood_ns), default=None),
    }
    return {"arrived": len(took)} | {name: None if one is None else round(one, 4) for name, one in found.items()}
