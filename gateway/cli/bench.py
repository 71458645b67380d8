"""`yinling bench`: how many wearers this machine carries, how fast, with how much memory, and where the time goes.

The whole gateway runs in this process, the embedded broker and the load generator as their own, all on this machine.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import platform
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import psutil
import typer
from rich.table import Table

from gateway.broker.config import write_private
from gateway.cli import app
from gateway.cli.json_file import JsonFile, write_json
from gateway.cli.rig import Rig, RigDevice
from gateway.cli.run import keep_what_is_loaded, let_go_of_what_is_loaded, set_up_logging
from gateway.cli.setup import out
from gateway.config import load_settings
from gateway.database import open_database
from gateway.models import DeviceRow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.runtime import Gateway

ACCOUNT = "yinling/bridge"
"""The load comes through one account that may publish for all wearables."""
BACKLOG_S = 2.0
"""More than 2 s worth of messages not yet handled at the end is a backlog."""
STALL_S = 1.0
SETTLE_S = 3.0
STEPS = (500, 1000, 2000, 3000, 4000, 5000, 6000)


@dataclass(frozen=True, slots=True)
class Load:
    """One load: so many wearers at 50 Hz x 3 axes, one message a second each."""

    wearers: int
    seconds: int
    falls: int = 20


bench_app = typer.Typer(help="Throughput, latency and memory on this machine.", invoke_without_command=True)
app.add_typer(bench_app, name="bench")


@bench_app.callback()
def bench(
    context: typer.Context,
    wearers: Annotated[int | None, typer.Option(help="Measure only this number")] = None,
    seconds: Annotated[int, typer.Option(min=10, help="How long each load lasts")] = 60,
    json_file: JsonFile = None,
) -> None:
    """Find the highest number of wearers (50 Hz x 3 axes, one message a second) that this machine sustains."""
    if context.invoked_subcommand is not None:
        return
    set_up_logging(logging.ERROR)
    loads = [Load(wearers, seconds)] if wearers else [Load(step, seconds) for step in STEPS]
    results = []
    for load in loads:
        results.append(measure(load))
        out.print(_line(results[-1]), highlight=False)
        if not results[-1]["sustained"]:
            break
    best = max((one["wearers"] for one in results if one["sustained"]), default=0)
    report = {"machine": machine(), "highest_sustained": best, "loads": results}
    out.print(_table(results))
    out.print(f"highest sustained for {seconds} s: {best} wearers")
    write_json(report, json_file)


def measure(load: Load) -> dict[str, Any]:
    """Run one load against a fresh gateway and give its figures, JSON-ready."""
    with tempfile.TemporaryDirectory(prefix="yinling-bench-") as folder:
        rig = Rig(Path(folder), devices=[RigDevice(ACCOUNT, "zigbee2mqtt", None)])
        rig.prepare()
        register(rig, load.wearers)
        return asyncio.run(_run(rig, load))


async def _run(rig: Rig, load: Load) -> dict[str, Any]:
    async with running_gateway(rig, "--stop-after=acknowledged") as gateway:
        return await _under_load(rig, gateway, load)


@asynccontextmanager
async def running_gateway(rig: Rig, manner: str) -> AsyncIterator[Gateway]:
    """A gateway in this process with its broker and a stand-in service that answers in this manner."""
    from gateway.runtime import Gateway

    rig.start_assist(manner)
    gateway = Gateway(load_settings(rig.config))
    await gateway.open()
    stop = asyncio.Event()
    running = asyncio.create_task(gateway.run(stop))
    await gateway.serving()
    keep_what_is_loaded()
    await asyncio.sleep(SETTLE_S)
    try:
        yield gateway
    finally:
        stop.set()
        await running
        let_go_of_what_is_loaded()
        rig.stop()


async def generator_of(rig: Rig, load: Load) -> asyncio.subprocess.Process:
    """The process that sends the load; what it prints are lines of JSON."""
    account = rig.folder / "load.json"
    login = {"host": "127.0.0.1", "port": rig.mqtt_port, "username": ACCOUNT, "password": rig.passwords[ACCOUNT]}
    write_private(account, json.dumps(login))
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulators.load_main", f"--account={account}", f"--wearers={load.wearers}",
        f"--seconds={load.seconds}", f"--falls={load.falls}", stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def _under_load(rig: Rig, gateway: Gateway, load: Load) -> dict[str, Any]:
    gateway.pipeline.health.latency_s.clear()
    parts = _processes(gateway)
    before = {name: sum(process.cpu_times()[:2]) for name, process in parts.items()}
    begun = time.monotonic()
    generator = await generator_of(rig, load)
    lines = [json.loads(line) async for line in generator.stdout] if generator.stdout else []
    took_s = time.monotonic() - begun
    at_end = _received(gateway)
    cpu = {name: (sum(process.cpu_times()[:2]) - before[name]) / took_s for name, process in parts.items()}
    held = gateway.pipeline.held_messages
    await asyncio.sleep(SETTLE_S)
    await generator.wait()
    figures = _figures(gateway, load, lines, at_end) | {"cores": {name: round(one, 3) for name, one in cpu.items()}}
    memory = {name: round(process.memory_info().rss / 1e6) for name, process in parts.items()}
    alerts = await _found(gateway, lines)
    return figures | {"memory_mb": memory, "held_at_end": held, "falls": alerts}


def _figures(gateway: Gateway, load: Load, lines: list[dict[str, Any]], at_end: int) -> dict[str, Any]:
    sent = lines[-1]["sent"] if len(lines) > 1 else 0
    behind_s = max((line["behind_s"] for line in lines[1:]), default=0.0)
    latencies = np.array(gateway.pipeline.health.latency_s)
    p50, p99 = (float(np.percentile(latencies, q)) for q in (50, 99)) if len(latencies) else (None, None)
    backlog = sent - at_end
    health = gateway.pipeline.health
    decode_s = sum(getattr(source, "decode_seconds", 0.0) for source in gateway.sources)
    spent = {
        "decode": decode_s,
        "ingest": health.ingest_seconds,
        "step": health.step_seconds,
        "commit": health.commit_seconds,
        "record": health.record_seconds,
        "release": health.release_seconds,
    }
    sustained = sent == load.wearers * load.seconds and backlog < BACKLOG_S * load.wearers and behind_s < STALL_S
    return {
        "wearers": load.wearers,
        "seconds": load.seconds,
        "sustained": bool(sustained),
        "sent": sent,
        "received_at_end": at_end,
        "received": _received(gateway),
        "generator_behind_s": behind_s,
        "latency_s": {"p50": p50, "p99": p99, "worst": float(latencies.max()) if len(latencies) else None},
        "share_of_a_core": {name: round(one / load.seconds, 4) for name, one in spent.items()},
        "engine_faults": health.engine_faults,
    }


async def _found(gateway: Gateway, lines: list[dict[str, Any]]) -> dict[str, int]:
    """Falls of the load, and how many of them are alerts; every other alert about a fall is a false one."""
    expected = set(lines[0]["falls"]) if lines else set()
    page = await gateway.in_database(gateway.alerts.list, limit=10_000)
    found = {device for alert in page.alerts if alert.kind == "fall" for device in alert.devices}
    return {"happened": len(expected), "found": len(expected & found), "false": len(found - expected)}


def _received(gateway: Gateway) -> int:
    return sum(source.codec.health.frames for source in gateway.sources)


def _processes(gateway: Gateway) -> dict[str, psutil.Process]:
    parts = {"gateway": psutil.Process(os.getpid())}
    if gateway.broker is not None and gateway.broker.pid is not None:
        parts["broker"] = psutil.Process(gateway.broker.pid)
    return parts


def register(rig: Rig, wearers: int) -> None:
    """Write so many wearables of nobody into the site's registry."""
    database = open_database(rig.folder / "var" / "gateway.sqlite", check=False)
    now_ns = time.time_ns()
    common = {"family": "yinling_wearable", "placement": "worn", "room": "", "options": {}, "active": True}
    with database.write() as session:
        session.add_all(
            DeviceRow(id=f"load-{n}", name="", credentials_hash=None, created_ns=now_ns, updated_ns=now_ns, **common)
            for n in range(wearers)
        )
    database.close()


def machine() -> dict[str, Any]:
    """What was measured on: cores, memory, Python, load average before."""
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "python": platform.python_version(),
        "load_average": os.getloadavg()[0],
    }


def _line(one: dict[str, Any]) -> str:
    latency = one["latency_s"]
    word = "sustained" if one["sustained"] else "NOT sustained"
    return f"{one['wearers']} wearers: {word}, p50 {latency['p50']} s, p99 {latency['p99']} s, cores {one['cores']}"


def _table(results: list[dict[str, Any]]) -> Table:
    table = Table("wearers", "sustained", "p50 ms", "p99 ms", "gateway core", "broker core", "gateway MB", "falls")
    for one in results:
        latency, cores, falls = one["latency_s"], one["cores"], one["falls"]
        table.add_row(
            str(one["wearers"]),
            "yes" if one["sustained"] else "no",
            *("—" if latency[q] is None else f"{latency[q] * 1000:.0f}" for q in ("p50", "p99")),
            f"{cores['gateway']:.2f}",
            f"{cores.get('broker', 0):.2f}",
            str(one["memory_mb"]["gateway"]),
            f"{falls['found']}/{falls['happened']} (+{falls['false']} false)",
        )
    return table
