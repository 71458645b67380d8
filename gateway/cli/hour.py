"""A busy hour under fire: the alert half of a gateway is killed again and again while everything outside misbehaves.

Time is compressed: the killed process and the people live `factor` times faster than the wall clock, and the clock
goes on while the process is dead. Alerts of all priorities come; the 助急 service and the robots are down, slow, lie
(HTTP 200 with an error body), lose their answers and so get messages twice; people answer, answer late, or never do.
What must hold afterwards is looked up in the database and at the far sides: `Outcome.wrong` says what does not.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import re
import secrets
import socket
import sys
import time
from collections import Counter
from contextlib import AsyncExitStack, suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
from pydantic import SecretStr

from gateway.alerts import policy as policies
from gateway.alerts import records
from gateway.alerts.alert import EntryType
from gateway.alerts.outbox import Outbox, RowState
from gateway.alerts.records import AlertFilter
from gateway.audit import verify_audit
from gateway.cli.hour_child import ANSWER, CALLBACK, OPEN, ROBOTS, Plan
from gateway.cli.hour_script import SITE, Due, Person, busy_hour, person_of, register
from gateway.database import open_database
from simulators.assist_script import Manner
from simulators.assist_service import AssistConfig, running
from simulators.rude_http import Request, listening

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.alerts.alert import Alert, Entry
    from gateway.database import Database
    from simulators.assist_service import Mode
    from simulators.rude_http import Line

LONGEST_LIFE_S = 3.0
"""Real seconds that the process lives, at most, once it has begun, where kills must hurry; at least not at all."""
WEATHER_S = (0.5, 4.0)
ASSIST_WEATHER: tuple[Mode, ...] = ("up", "up", "up", "up", "down", "slow", "error", "busy", "refuse", "half", "lost")
ROBOT_WEATHER = ("up", "up", "up", "up", "down", "slow", "error", "lying", "half", "lost", "silent")
SETTLE_S = 300.0
"""Real seconds after the last kill and the hour within which everything must have come to its end."""
NAME = re.compile(r"老人\d+")
ANSWERS = (EntryType.ACKNOWLEDGED, EntryType.EN_ROUTE, EntryType.ON_SCENE, EntryType.RESOLVED, EntryType.CANCELLED)


@dataclass(frozen=True, slots=True)
class Hour:
    """How hard: kills within how many simulated seconds, and how many alerts of the highest priority."""

    kills: int = 200
    seconds: float = 3600.0
    factor: float = 6.0
    urgent: int = 120
    seed: int = 1


@dataclass(slots=True)
class Outcome:
    """What came of it. Delays in simulated seconds, from the moment that analytics told of an alert of the highest
    priority: until a far side first took it honestly, and until a person answered or the last step was reached.

    wrong: what must not be, in words; empty when all is well.
    """

    kills: int = 0
    simulated_s: float = 0.0
    alerts: Counter[str] = field(default_factory=Counter)
    messages: Counter[str] = field(default_factory=Counter)
    told_s: list[float] = field(default_factory=list)
    ended_s: list[float] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    audit_rows: int = 0
    wrong: list[str] = field(default_factory=list)


class BusyHour:
    """One run in a folder of its own."""

    def __init__(self, folder: Path, hour: Hour) -> None:
        self.folder, self.hour = folder, hour
        self.outcome = Outcome()
        self._rng = random.Random(hour.seed)
        self._due = busy_hour(hour.urgent, hour.seconds, hour.seed)
        self._taken: dict[int, str | None] = {}
        self._first_told_ns: dict[str, int] = {}
        self._people: dict[str, asyncio.Task[None]] = {}
        self._promised: list[tuple[str, str, str]] = []
        self._weather: dict[str, str] = dict.fromkeys(ROBOTS, "up")
        self._honest: Counter[str] = Counter()

    async def run(self) -> Outcome:
        """The hour, to its end."""
        database = open_database(self.folder / "hour.sqlite")
        register(database, self.hour.urgent)
        database.close()
        async with AsyncExitStack() as stack:
            self._client = await stack.enter_async_context(httpx.AsyncClient(timeout=5.0, trust_env=False))
            robots = await stack.enter_async_context(listening(self._robot))
            self._plan = self._planned(robots)
            self._service = await stack.enter_async_context(running(self._assist_config()))
            self._write_plan()
            weather = asyncio.create_task(self._change_weather())
            stack.push_async_callback(_ended, weather)
            while self.outcome.kills < self.hour.kills:
                await self._one_life(self._rng.uniform(0.0, self._longest_s()))
                self.outcome.kills += 1
            await _ended(weather)
            await self._fair_weather()
            await self._one_life(None)
            await _ended(*self._people.values())
        self._judge()
        return self.outcome

    # The process

    def _planned(self, robots: int) -> Plan:
        now_ns = time.time_ns()
        return Plan(
            database=str(self.folder / "hour.sqlite"),
            start_ns=now_ns,
            begun_ns=now_ns,
            factor=self.hour.factor,
            assist="",
            secret=_secret(),
            callback_secret=_secret(),
            robots=f"http://127.0.0.1:{robots}",
            port=_free_port(),
        )

    def _write_plan(self) -> None:
        self._plan = Plan(**(asdict(self._plan) | {"assist": self._service.url}))
        (self.folder / "plan.json").write_text(json.dumps(asdict(self._plan)), encoding="utf-8")

    async def _one_life(self, lasts_s: float | None) -> None:
        """Start the process, feed it, and kill it after so many seconds; None: when everything has come to its end."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway.cli.hour_child", str(self.folder / "plan.json"),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        self._ready = asyncio.Event()
        talks = [asyncio.create_task(self._feed(process)), asyncio.create_task(self._hear(process))]
        try:
            if lasts_s is None:
                await self._all_at_an_end()
            else:
                await self._some_life(process, lasts_s)
        finally:
            if process.returncode is not None:
                self.outcome.wrong.append(f"the process ended by itself with {process.returncode}")
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            await asyncio.gather(*talks)

    async def _some_life(self, process: asyncio.subprocess.Process, lasts_s: float) -> None:
        """One kill in ten comes while the process starts."""
        if self._rng.random() < 0.9:
            ended = asyncio.create_task(process.wait())
            begun = asyncio.create_task(self._ready.wait())
            await asyncio.wait({ended, begun}, return_when=asyncio.FIRST_COMPLETED)
            await _ended(ended, begun)
        await asyncio.sleep(lasts_s)

    async def _feed(self, process: asyncio.subprocess.Process) -> None:
        """What is due and not known to be on disk is given (again), in order."""
        given: set[int] = set()
        with suppress(ConnectionError):
            while process.returncode is None and process.stdin is not None:
                for number, due in enumerate(self._due):
                    if due.at_s <= self._now_s() and number not in given and number not in self._taken:
                        given.add(number)
                        at_ns = self._plan.start_ns + int(due.at_s * 1e9)
                        line = {"number": number, "at_ns": at_ns, **due.finding}
                        process.stdin.write(json.dumps(line).encode() + b"\n")
                await process.stdin.drain()
                await asyncio.sleep(0.02)

    async def _hear(self, process: asyncio.subprocess.Process) -> None:
        while process.stdout is not None and (line := await process.stdout.readline()):
            with suppress(ValueError):  # a line cut short by the kill was never said
                said = json.loads(line)
                self._ready.set()
                if "number" in said:
                    self._taken[said["number"]] = said["alert"]

    def _left_s(self) -> float:
        """Real seconds to the end of the hour."""
        return max(0.0, self.hour.seconds - self._now_s()) / self.hour.factor

    def _longest_s(self) -> float:
        """The kills that are left fall on the whole rest of the hour."""
        return max(LONGEST_LIFE_S, 2.0 * self._left_s() / (self.hour.kills - self.outcome.kills))

    async def _all_at_an_end(self) -> None:
        deadline = time.monotonic() + self._left_s() + SETTLE_S
        while time.monotonic() < deadline:
            all_given = len(self._taken) == len(self._due) and self._now_s() >= self.hour.seconds
            if all_given and all(task.done() for task in self._people.values()):
                database = open_database(self.folder / "hour.sqlite", check=False)
                unanswered = [one for one in _urgent(database) if not _at_its_end(one)]
                database.close()
                if not unanswered:
                    return
            await asyncio.sleep(0.2)
        self.outcome.wrong.append(f"not at an end {SETTLE_S:.0f} s after the hour and its last kill")

    def _now_s(self) -> float:
        return (self._plan.now_ns() - self._plan.start_ns) / 1e9

    # Outside

    def _assist_config(self) -> AssistConfig:
        plan = self._plan
        near = (30.0, 1.5)
        manner = Manner(
            ignores=0.6,
            false_alarms=0.2,
            acknowledge_s=(20.0, 2.0),
            en_route_s=near,
            on_scene_s=near,
            resolved_s=near,
            seed=self.hour.seed,
        )
        callback = f"http://127.0.0.1:{plan.port}{CALLBACK}"
        return AssistConfig(
            SecretStr(plan.secret), SecretStr(plan.callback_secret), callback, manner=manner, speed=plan.factor
        )

    async def _change_weather(self) -> None:
        rng = random.Random(f"weather:{self.hour.seed}")
        while True:
            mode = rng.choice(ASSIST_WEATHER)
            lasts_s = rng.uniform(*WEATHER_S)
            await self._service.set_mode(mode, seconds=lasts_s if mode == "down" else 1.0)
            for vendor in self._weather:
                self._weather[vendor] = rng.choice(ROBOT_WEATHER)
            # "down" comes back by itself; nothing else may come upon it meanwhile.
            await asyncio.sleep(lasts_s + (0.3 if mode == "down" else 0.0))

    async def _fair_weather(self) -> None:
        self._weather = dict.fromkeys(self._weather, "up")
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with suppress(httpx.HTTPError):
                await self._client.get(self._service.url.replace("/alerts", "/health"))
                break
            await asyncio.sleep(0.1)
        await self._service.set_mode("up")

    async def _robot(self, request: Request, line: Line) -> None:
        vendor = next(name for name, mark in MARKS.items() if mark in request.path)
        told = json.loads(request.body)
        text = str(told.get("text", {}).get("content") or told.get("content", {}).get("text"))
        good, bad = GOOD[vendor], BAD[vendor]
        mode = self._weather[vendor]
        if mode == "down":
            line.reset()
        elif mode == "silent":
            await asyncio.sleep(30.0)
        elif mode == "error":
            await line.answer(502, b"<html>Bad Gateway</html>")
        elif mode == "lying":
            await line.answer(200, bad)
        elif mode == "half":
            await line.send(b"HTTP/1.1 200 OK\r\ncontent-length: 40\r\n\r\n{")
        else:
            if mode == "slow":
                await asyncio.sleep(0.5)
            self._honest[vendor] += 1
            self._read(vendor, text)
            if mode == "lost":
                line.reset()
            else:
                await line.answer(200, good)

    def _read(self, vendor: str, text: str) -> None:
        """A person reads the message; who answers does so in her own time."""
        found = NAME.search(text)
        if found is None:
            return
        name = found.group()
        self._first_told_ns.setdefault(name, self._plan.now_ns())
        person = person_of(name, self.hour.seed)
        if person is not None and person.vendor == vendor and name not in self._people:
            self._people[name] = asyncio.create_task(self._answer(name, person))

    async def _answer(self, name: str, person: Person) -> None:
        await asyncio.sleep(person.after_s / self.hour.factor)
        resident = f"r{name.removeprefix('老人')}"
        while not (ids := await self._ask("GET", f"{OPEN}?{resident}")):
            if ids == []:
                return  # somebody else has dealt with it
        for answer, after_s in (("acknowledged", 0.0), ("resolved", person.there_s)):
            await asyncio.sleep(after_s / self.hour.factor)
            for alert_id in ids:
                await self._say(alert_id, answer, person.name)

    async def _say(self, alert_id: str, answer: str, who: str) -> None:
        """Again and again, until it is taken or the alert can no longer take it."""
        wanted = {"alert_id": alert_id, "answer": answer, "who": who}
        while (said := await self._ask("POST", ANSWER, wanted)) is None:
            pass
        if said == {}:
            self._promised.append((alert_id, answer, who))

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """What the process answers; None while it is dead."""
        url = f"http://127.0.0.1:{self._plan.port}{path}"
        with suppress(httpx.HTTPError):
            response = await self._client.request(method, url, json=body)
            if response.status_code in (200, 409):
                return response.json()
        await asyncio.sleep(0.1)
        return None

    # What must hold

    def _judge(self) -> None:
        outcome = self.outcome
        outcome.simulated_s = round(self._now_s(), 1)
        database = open_database(self.folder / "hour.sqlite")
        alerts = {alert.id: alert for alert in _all(database)}
        self._nothing_lost(alerts)
        for alert in (one for one in alerts.values() if one.priority == 1):
            with database.read() as session:
                self._ended_well(alert, records.history(session, alert.id))
        self._answers_kept(database)
        self._deliveries_true(database)
        with database.read() as session:
            report = verify_audit(session)
        outcome.audit_rows = report.rows
        if not report.intact:
            outcome.wrong.append(f"the audit chain is broken at row {report.broken_at}")
        outcome.alerts = Counter(f"priority {int(alert.priority)}" for alert in alerts.values())
        outcome.messages = Counter(Outbox(database).depth()) + Counter(
            {"came twice": len(self._service.journal.of("duplicate")), "promises of people": len(self._promised)}
        )
        database.close()

    def _nothing_lost(self, alerts: dict[str, Alert]) -> None:
        of_episode = Counter(name for alert in alerts.values() for name in alert.episodes)
        for due in self._due:
            if of_episode[due.finding["episode"]] != 1:
                self.outcome.wrong.append(f"{due.finding['episode']}: {of_episode[due.finding['episode']]} alerts")
        missing = {one for one in self._taken.values() if one is not None} - set(alerts)
        received = {str(record["alert_id"]) for record in self._service.journal.of("event")} - set(alerts)
        self.outcome.wrong += [f"alert {one} was promised and is not there" for one in sorted(missing | received)]

    def _ended_well(self, alert: Alert, history: list[Entry]) -> None:
        if not _at_its_end(alert):
            self.outcome.wrong.append(f"{alert.kind} {alert.id}: stopped at step {alert.step} in {alert.state}")
        self.outcome.ends["a person answered" if alert.acknowledged_ns else "the last step"] += 1
        due = next((one for one in self._due if one.finding["episode"] in alert.episodes), None)
        if due is None:
            return
        begun_ns = self._plan.start_ns + int(due.sure_s * 1e9)
        first = next((self._sim_ns(r["at"]) for r in self._service.journal.of("event", alert.id)), None)
        name = f"老人{(alert.resident_id or '').removeprefix('r')}"
        told = [ns for ns in (first, self._first_told_ns.get(name)) if ns is not None]
        if not told:
            self.outcome.wrong.append(f"{alert.kind} {alert.id}: nobody was ever told")
            return
        self.outcome.told_s.append((min(told) - begun_ns) / 1e9)
        last = len(policies.kept(alert.plan).steps)
        ends = [line.at_ns for line in history if line.type in ANSWERS or line.detail.get("step") == last]
        self.outcome.ended_s += [(min(ends) - begun_ns) / 1e9] if ends else []

    def _sim_ns(self, wall_s: float) -> int:
        plan = self._plan
        return plan.start_ns + int((wall_s * 1e9 - plan.begun_ns) * plan.factor)

    def _answers_kept(self, database: Database) -> None:
        promised = list(self._promised)
        answers = (record for record in self._service.journal.of("callback") if record["applied"])
        promised += [(record["alert_id"], record["type"], record["by"]) for record in answers]
        for alert_id, answer, who in promised:
            with database.read() as session:
                lines = records.history(session, alert_id)
            if not any(line.type is EntryType(answer) and line.who == who for line in lines):
                self.outcome.wrong.append(f"{who} {answer} {alert_id}, and it is not in the history")

    def _deliveries_true(self, database: Database) -> None:
        """What counts as delivered was taken by the far side's own word; what nobody answered was never given up."""
        accepted = {record["webhook_id"] for record in self._service.journal.of("event")}
        robots: Counter[str] = Counter()
        still = {alert.id for alert in _urgent(database) if alert.waiting}
        for item in Outbox(database).items(limit=1_000_000):
            took = item.state in (RowState.DELIVERED, RowState.ACKNOWLEDGED)
            if took and item.channel == "webhook" and item.idempotency_key not in accepted:
                self.outcome.wrong.append(f"{item.event} of {item.alert_id} counts as delivered and never came")
            robots[item.channel] += took
            if item.state is RowState.DEAD and item.alert_id in still and item.event == "alert.raised":
                self.outcome.wrong.append(f"given up: {item.alert_id} to {item.contact}, though nobody has answered")
        for vendor in ROBOTS:
            if robots[vendor] > self._honest[vendor]:
                self.outcome.wrong.append(f"{vendor}: {robots[vendor]} delivered, {self._honest[vendor]} taken")


MARKS = {"dingtalk": "/robot/send", "wecom": "/cgi-bin/", "feishu": "/open-apis/"}
GOOD = {"dingtalk": {"errcode": 0}, "wecom": {"errcode": 0}, "feishu": {"code": 0}}
BAD = {
    "dingtalk": {"errcode": 310000, "errmsg": "sign not match"},
    "wecom": {"errcode": 93000, "errmsg": "invalid webhook url"},
    "feishu": {"code": 19021, "msg": "sign match fail"},
}


def _all(database: Database) -> list[Alert]:
    with database.read() as session:
        return list(records.listed(session, AlertFilter(), limit=1_000_000, offset=0).alerts)


def _urgent(database: Database) -> list[Alert]:
    return [alert for alert in _all(database) if alert.priority == 1]


def _at_its_end(alert: Alert) -> bool:
    """A person has answered, it is closed, or it has reached the last step that its policy has."""
    last = len(policies.kept(alert.plan).steps) - 1 if alert.plan else 0
    return bool(alert.acknowledged_ns) or not alert.state.open or alert.step >= last


async def _ended(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            raise result


def _secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode('ascii')}"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


__all__ = ["SITE", "BusyHour", "Due", "Hour", "Outcome"]
