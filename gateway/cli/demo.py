"""`yinling demo`: a scenario's devices on real transports, the gateway, and a stand-in 助急 service, judged."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import signal
import tempfile
import time
import webbrowser
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import BAD_ANSWER, CANNOT, app, errors
from gateway.cli.json_file import JsonFile, write_json
from gateway.cli.judge import Emergency, judge, report, table, unexpected
from gateway.cli.language import CHINESE, LANGUAGE_HELP, chosen
from gateway.cli.records import Record, RecordBook, records_table
from gateway.cli.rig import HASTE, Rig, free_port
from gateway.cli.run import set_up_logging
from gateway.cli.setup import out
from gateway.cli.site import site_of
from gateway.config import load_settings
from gateway.store.base import StoreUnavailableError
from gateway.tcp_source import TcpSource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from gateway.runtime import Gateway
    from simulators.scenario import Scenario

DEFAULT_PORT = 8080
SCENARIO = "home"
JUDGE_EVERY_S = 0.5
READY_S = 60.0
"""How long the story waits at most until every device is connected."""
MOST_ALERTS = 200
PERSON = {"zh-CN": "演示值班员", "en": "Demo carer"}


@dataclass(slots=True)
class Judged:
    """What has been seen so far. to_come: happenings that have not happened yet. rejected: by source and reason."""

    to_come: list[str] = field(default_factory=list)
    emergencies: list[Emergency] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    rejected: dict[str, dict[str, int]] = field(default_factory=dict)
    interrupted: bool = False

    @property
    def done(self) -> bool:
        """Whether everything has happened, was found, acknowledged or kept."""
        answered = all(one.acknowledged_ns is not None for one in self.emergencies)
        return not self.to_come and answered and all(one.stored_ns is not None for one in self.records)

    def plain(self, rig: Rig) -> dict[str, Any]:
        """JSON-ready. not_reached: what the time did not suffice for."""
        said = report(self.emergencies, rig.assist_log(), self.records)
        return {**said, "not_reached": self.to_come, "unexpected": self.unexpected, "rejected": self.rejected}

    def good(self, result: dict[str, Any]) -> bool:
        """Whether nothing is missing or lost. What a person cut short may not have been reached."""
        reached = self.interrupted or not self.to_come
        return bool(not result["missing"] and not result["losses"] and reached)


@app.command()
def demo(
    headless: Annotated[
        bool, typer.Option("--headless", help="No browser; end after --seconds (the scenario's own time by default)")
    ] = False,
    seconds: Annotated[float | None, typer.Option(help="End after so many seconds")] = None,
    json_file: JsonFile = None,
    language: Annotated[str | None, typer.Option(help=LANGUAGE_HELP)] = None,
    port: Annotated[int | None, typer.Option(help="Port of the page; 8080 or a free one")] = None,
    scenario: Annotated[
        Path, typer.Option(help="home, care_centre (every family of devices at once), or a scenario file")
    ] = Path(SCENARIO),
) -> None:
    """Run simulated devices against a gateway and judge it: every emergency an acknowledged alert, every value kept.

    Exit 1 if anything is missing, lost or was not reached in time. Not a medical device (非医疗器械).
    """
    set_up_logging(logging.WARNING)
    story = _story(scenario)
    limit_s = seconds if seconds is not None else (story.seconds if headless else None)
    language = chosen(language)
    chinese = language == CHINESE
    with tempfile.TemporaryDirectory(prefix="yinling-demo-") as folder:
        rig = site_of(story, Path(folder), language, api_port=port or _page_port())
        rig.prepare()
        judged = asyncio.run(play(rig, story, scenario, limit_s, browser=not headless))
        result = judged.plain(rig)
    write_json(result, json_file)
    out.print(table(judged.emergencies, chinese=chinese))
    if judged.records:
        out.print(records_table(judged.records, chinese=chinese))
    if not judged.good(result):
        _say_what_is_wrong(result, chinese=chinese)
        raise typer.Exit(BAD_ANSWER)


async def play(
    rig: Rig,
    story: Scenario,
    path: Path,
    limit_s: float | None,
    *,
    browser: bool = False,
    finish_early: bool = False,
    look: Callable[[Rig], None] | None = None,
) -> Judged:
    """Run a prepared site until the limit, an interruption, or (finish_early) until all is done.

    look: called in a thread before the site is taken down.
    """
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    until_s = None if limit_s is None else time.monotonic() + limit_s
    try:
        rig.start_assist(*HASTE)
        rig.start_home(str(path), f"--begin={rig.begin_file}", f"--ready={rig.ready_file}")
        await asyncio.to_thread(rig.wait_home)
        async with _running(rig, stop) as gateway:
            await _show(rig, gateway, browser=browser)
            patience_s = time.monotonic() + READY_S
            await _connected(rig, gateway, story, stop, min(patience_s, until_s or patience_s))
            rig.begin_file.touch()
            judged = await _Watch(rig, gateway, story).until(stop, until_s, finish_early=finish_early)
            if look is not None:
                await asyncio.to_thread(look, rig)
            return judged
    finally:
        rig.stop()
        await asyncio.to_thread(rig.end_broker)


@contextlib.asynccontextmanager
async def _running(rig: Rig, stop: asyncio.Event) -> AsyncIterator[Gateway]:
    """The gateway in this process; the devices end before it does."""
    from gateway.runtime import Gateway

    gateway = Gateway(load_settings(rig.config))
    await gateway.open()
    running = asyncio.create_task(gateway.run(stop))
    try:
        yield gateway
    finally:
        rig.stop()
        stop.set()
        await running


async def _show(rig: Rig, gateway: Gateway, *, browser: bool) -> None:
    server = await gateway.serving()
    path = server.login_link(rig.key_id, PERSON[rig.language])
    url = f"{rig.api_url}{path}"
    out.print(f"银龄 Yinling  {url}", soft_wrap=True, highlight=False)
    out.print("本产品不是医疗器械。Not a medical device.")
    if browser:
        with contextlib.suppress(webbrowser.Error):
            await asyncio.to_thread(webbrowser.open, url)


async def _connected(rig: Rig, gateway: Gateway, story: Scenario, stop: asyncio.Event, deadline_s: float) -> None:
    """Until every line is open and every device that calls has called; what never comes will be missing."""
    from simulators.families import FAMILIES

    callers = sum(FAMILIES[device.family].wire.calls for device in story.devices)
    while not stop.is_set() and time.monotonic() < deadline_s:
        rig.check_alive()
        called = sum(source.online for source in gateway.sources if isinstance(source, TcpSource))
        if called >= callers and all(source.connected for source in gateway.sources):
            return
        await _pause(stop)


async def _pause(stop: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), JUDGE_EVERY_S)


class _Watch:
    """Judges again and again, and says each emergency once it has been acknowledged."""

    def __init__(self, rig: Rig, gateway: Gateway, story: Scenario) -> None:
        self._rig = rig
        self._gateway = gateway
        self._chinese = rig.language == "zh-CN"
        self._told: set[str] = set()
        self._happenings = [f"{one.device} {one.do}" for one in story.happenings]
        self._book = RecordBook(_wanted(story))

    async def until(self, stop: asyncio.Event, until_s: float | None, *, finish_early: bool) -> Judged:
        """Look until the end."""
        judged = Judged(self._happenings)
        while not stop.is_set() and (until_s is None or time.monotonic() < until_s):
            await _pause(stop)
            self._rig.check_alive()
            judged = await self._judge()
            self._tell(judged)
            if finish_early and judged.done:
                break
        judged.interrupted = stop.is_set()
        return judged

    async def _judge(self) -> Judged:
        gateway = self._gateway
        page = await gateway.in_database(gateway.alerts.list, limit=MOST_ALERTS)
        with contextlib.suppress(StoreUnavailableError):  # it is looked at again
            await asyncio.to_thread(self._book.follow, gateway.store)
        truths = _truths(self._rig)
        return Judged(
            self._happenings[len(truths) :],
            judge(truths, page.alerts),
            self._book.judge(truths),
            [f"{alert.kind} {','.join(alert.devices)}" for alert in unexpected(truths, page.alerts)],
            {source.name: dict(found) for source in gateway.sources if (found := source.codec.health.rejected)},
        )

    def _tell(self, judged: Judged) -> None:
        for one in judged.emergencies:
            if one.acknowledged_ns is not None and one.alert_id not in self._told:
                self._told.add(one.alert_id or "")
                out.print(one.line(chinese=self._chinese), highlight=False)


def _wanted(story: Scenario) -> set[tuple[str, str]]:
    """The (device, signal) pairs that something is expected of."""
    found = set()
    for one in story.happenings:
        outcome = story.action(one).outcome
        if outcome is not None and outcome.signal is not None:
            found.add((story.known_as(one), outcome.signal))
    return found


def _truths(rig: Rig) -> list[dict[str, Any]]:
    truth = rig.folder / "truth.jsonl"
    if not truth.exists():
        return []
    return [json.loads(line) for line in truth.read_text(encoding="utf-8").split("\n")[:-1]]


def _story(path: Path) -> Scenario:
    from simulators.scenario import ScenarioError, load_scenario

    try:
        return load_scenario(path)
    except ScenarioError as error:
        errors.print(f"yinling: {error}", highlight=False)
        raise typer.Exit(CANNOT) from error


def _say_what_is_wrong(result: dict[str, Any], *, chinese: bool) -> None:
    words = {"missing": "缺失", "not_reached": "时间不够，未发生"} if chinese else {}
    for name in ("missing", "not_reached"):
        if result[name]:
            errors.print(f"{words.get(name, name.replace('_', ' '))}: {', '.join(result[name])}", highlight=False)


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
