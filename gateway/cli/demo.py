"""`yinling demo`: a home with simulated devices on real transports, the gateway, and a stand-in 助急 service."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import signal
import tempfile
import time
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import BAD_ANSWER, app
from gateway.cli.judge import Emergency, judge, report, table
from gateway.cli.rig import HASTE, Rig, RigDevice, free_port
from gateway.cli.run import set_up_logging
from gateway.cli.setup import out
from gateway.config import load_settings

if TYPE_CHECKING:
    from gateway.runtime import Gateway

DEFAULT_PORT = 8080
SCENARIO = "home"
DEVICES = (
    RigDevice("wearable-1", "yinling_wearable"),
    RigDevice("radar-livingroom", "micradar", room="客厅", serial_link="radar-livingroom"),
    RigDevice("zigbee2mqtt/bridge", "zigbee2mqtt", resident=None, room="客厅"),
    RigDevice("zigbee2mqtt/sos-bedside", "zigbee2mqtt", room="卧室"),
    RigDevice("zigbee2mqtt/door-entrance", "zigbee2mqtt", room="门厅"),
)
JUDGE_EVERY_S = 0.5
PERSON = {"zh-CN": "演示值班员", "en": "Demo carer"}


@app.command()
def demo(
    headless: Annotated[bool, typer.Option("--headless", help="No browser; end after --seconds (default 90)")] = False,
    seconds: Annotated[float | None, typer.Option(help="End after so many seconds")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the result as JSON")] = None,
    language: Annotated[str, typer.Option(help="zh-CN or en")] = "zh-CN",
    port: Annotated[int | None, typer.Option(help="Port of the page; 8080 or a free one")] = None,
) -> None:
    """Run a simulated home: three emergencies within 90 s, each signed, delivered, acknowledged. Exit 1 if one is not.

    Not a medical device (非医疗器械).
    """
    set_up_logging(logging.WARNING)
    limit_s = seconds if seconds is not None else (90.0 if headless else None)
    with tempfile.TemporaryDirectory(prefix="yinling-demo-") as folder:
        rig = Rig(Path(folder), language=language, devices=DEVICES, api_port=port or _page_port())
        rig.prepare()
        emergencies = asyncio.run(_play(rig, limit_s, browser=not headless))
        result = report(emergencies, rig.assist_log())
    if json_file is not None:
        json_file.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    out.print(table(emergencies, chinese=language == "zh-CN"))
    if result["missing"] or result["losses"]:
        raise typer.Exit(BAD_ANSWER)


async def _play(rig: Rig, limit_s: float | None, *, browser: bool) -> list[Emergency]:
    from gateway.runtime import Gateway

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    started_s = time.monotonic()
    rig.start_assist(*HASTE)
    gateway = Gateway(load_settings(rig.config))
    await gateway.open()
    running = asyncio.create_task(gateway.run(stop))
    try:
        rig.start_home(SCENARIO)
        await _show(rig, gateway, browser=browser)
        return await _watch(rig, gateway, stop, None if limit_s is None else started_s + limit_s)
    finally:
        rig.stop()
        stop.set()
        await running


async def _show(rig: Rig, gateway: Gateway, *, browser: bool) -> None:
    server = await gateway.serving()
    path = server.login_link(rig.key_id, PERSON[rig.language])
    url = f"{rig.api_url}{path}"
    out.print(f"[bold]银龄 Yinling[/bold]  {url}", soft_wrap=True, highlight=False)
    out.print("本产品不是医疗器械。Not a medical device.")
    if browser:
        with contextlib.suppress(webbrowser.Error):
            await asyncio.to_thread(webbrowser.open, url)


async def _watch(rig: Rig, gateway: Gateway, stop: asyncio.Event, until_s: float | None) -> list[Emergency]:
    """Judge again and again, and say each emergency once it has been acknowledged."""
    told: set[str] = set()
    emergencies: list[Emergency] = []
    while not stop.is_set() and (until_s is None or time.monotonic() < until_s):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), JUDGE_EVERY_S)
        rig.check_alive()
        emergencies = await _judge(rig, gateway)
        for one in emergencies:
            if one.acknowledged_ns is not None and one.alert_id not in told:
                told.add(one.alert_id or "")
                out.print(one.line(chinese=rig.language == "zh-CN"), highlight=False)
    return emergencies


async def _judge(rig: Rig, gateway: Gateway) -> list[Emergency]:
    page = await gateway.in_database(gateway.alerts.list, limit=200)
    truths: list[dict[str, Any]] = []
    truth = rig.folder / "truth.jsonl"
    if truth.exists():
        truths = [json.loads(line) for line in truth.read_text(encoding="utf-8").split("\n")[:-1]]
    return judge(truths, page.alerts)


def _page_port() -> int:
    """8080, or a free port if somebody has it."""
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", DEFAULT_PORT))
        except OSError:
            return free_port()
    return DEFAULT_PORT
