"""The alert half of a gateway in a process of its own, made to be killed: `python -m gateway.cli.hour_child FILE`.

Findings come as JSON lines on standard input, as the broker would give them again until they are acknowledged; a line
goes out once their consequences are on disk. Alerts go out by the real channels; the 助急 service's call-backs and
people's answers come in over HTTP. The clock runs `factor` times faster than the wall's, from the same beginning
however often the process is started anew. FILE: the JSON of `Plan`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from analytics.findings import Finding, Phase
from gateway.alerts.alert import LifecycleError, Outcome
from gateway.alerts.callback import CallbackHandler, CallbackVerifier
from gateway.alerts.dispatcher import LONGEST_NAP_S, Dispatcher
from gateway.alerts.payload import PayloadBuilder
from gateway.alerts.routing import ASSIST, WEBHOOK, ContactRouter, Route
from gateway.alerts.service import AlertService, UnknownAlertError
from gateway.channels.robots import RobotChannel, RobotOptions
from gateway.channels.webhook import WebhookChannel, WebhookOptions
from gateway.database import open_database
from simulators.rude_http import Request, listening

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.channels.base import Accepted, Channel, Dispatch, Refused
    from gateway.channels.robots import Vendor
    from simulators.rude_http import Line

ROBOTS: tuple[Vendor, ...] = ("dingtalk", "wecom", "feishu")
TICK_S = 0.25
"""As the gateway ticks; divided by the factor."""
CALLBACK, OPEN, ANSWER = "/callback", "/open", "/answer"


@dataclass(frozen=True, slots=True)
class Plan:
    """What the process is told. start_ns: the simulated time when the wall clock showed begun_ns.

    robots: the address of the robots' far side, the same for all; port: where answers come in.
    """

    database: str
    start_ns: int
    begun_ns: int
    factor: float
    assist: str
    secret: str
    callback_secret: str
    robots: str
    port: int

    def now_ns(self) -> int:
        """The simulated time."""
        return self.start_ns + int((time.time_ns() - self.begun_ns) * self.factor)


class WallClock:
    """A channel whose far side lives by the wall clock: it would refuse a signature of another time."""

    def __init__(self, inner: Channel) -> None:
        self._inner = inner

    async def send(self, dispatch: Dispatch, _now_ns: int) -> Accepted | Refused:
        """Send, signed with the wall clock's time."""
        return await self._inner.send(dispatch, time.time_ns())

    async def aclose(self) -> None:
        """Close the channel."""
        await self._inner.aclose()


class WallClockVerifier(CallbackVerifier):
    """Checks the age of call-backs by the wall clock, by which they were signed."""

    def verify(self, headers: Mapping[str, str], body: bytes, now_ns: int) -> Any:
        """As the verifier does, now."""
        del now_ns
        return super().verify(headers, body, time.time_ns())


class Child:
    """One life."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        router = ContactRouter(assist=Route(WEBHOOK, ASSIST))
        self.service = AlertService(open_database(Path(plan.database)), router=router, payloads=PayloadBuilder("站"))
        verifier = WallClockVerifier([SecretStr(plan.callback_secret)])
        self._callbacks = CallbackHandler(self.service, verifier)

    async def live(self) -> None:
        """Until standard input ends, or for ever."""
        plan = self.plan
        nap_s = LONGEST_NAP_S / plan.factor
        dispatcher = Dispatcher(self.service, self._channels(), clock=plan.now_ns, longest_nap_s=nap_s)
        async with listening(self._asked, port=plan.port), asyncio.TaskGroup() as group:
            running = [group.create_task(dispatcher.run()), group.create_task(self._tick())]
            say({"ready": True})
            await self._take()
            for task in running:
                task.cancel()

    def _channels(self) -> dict[str, Channel]:
        plan = self.plan
        secret, total_s = SecretStr(plan.secret), 15.0 / plan.factor
        options = WebhookOptions(plan.assist, (secret,), "urn:yinling:hour", allow_private=True, total_s=total_s)
        robots: dict[str, Channel] = {
            vendor: RobotChannel(RobotOptions(vendor, secret, base_url=plan.robots, total_s=10.0 / plan.factor))
            for vendor in ROBOTS
        }
        return {WEBHOOK: WallClock(WebhookChannel(options)), **robots}

    async def _tick(self) -> None:
        while True:
            await asyncio.to_thread(self.service.tick, self.plan.now_ns())
            await asyncio.sleep(TICK_S / self.plan.factor)

    async def _take(self) -> None:
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            given = json.loads(line)
            number = given.pop("number")
            facts = given | {"phase": Phase(given["phase"]), "devices": tuple(given["devices"])}
            take = await asyncio.to_thread(self.service.take, Finding(**facts), self.plan.now_ns())
            alert = take.alert.id if take.alert is not None else None
            say({"number": number, "taken": take.taken.value, "alert": alert})

    async def _asked(self, request: Request, line: Line) -> None:
        path, _, rest = request.path.partition("?")
        if path == CALLBACK:
            result = await asyncio.to_thread(self._callbacks.handle, request.headers, request.body, self.plan.now_ns())
            await line.answer(result.http_status, result.body)
        elif path == OPEN:
            alerts = await asyncio.to_thread(self.service.open_alerts)
            await line.answer(200, [alert.id for alert in alerts if alert.resident_id == rest])
        elif path == ANSWER:
            await line.answer(*await asyncio.to_thread(self._answer, json.loads(request.body)))
        else:
            await line.answer(404)

    def _answer(self, given: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        alert_id, who, now_ns = given["alert_id"], given["who"], self.plan.now_ns()
        try:
            if given["answer"] == "resolved":
                self.service.resolve(alert_id, who, now_ns, outcome=Outcome.REAL_HELP)
            else:
                self.service.acknowledge(alert_id, who, now_ns)
        except UnknownAlertError:
            return 404, {}
        except LifecycleError as error:
            return 409, {"reason": str(error)}
        return 200, {}


def say(line: dict[str, Any]) -> None:
    """One JSON line, at once."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Entry point."""
    plan = Plan(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    with contextlib.suppress(asyncio.CancelledError, KeyboardInterrupt):
        asyncio.run(Child(plan).live())


if __name__ == "__main__":
    main()
