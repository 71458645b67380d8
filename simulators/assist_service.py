"""A stand-in for a 助急 service: receives signed alerts over HTTP, answers like a person, and fails on demand.

    python -m simulators.assist_service --port 9000 --secret-file FILE --callback-secret-file FILE --callback-url URL

POST /alerts takes alerts, GET /records shows what came and what was answered, POST /control/mode changes the failure
mode ({"mode": ..., "count": N, "seconds": S}), GET /health says it is there. Gateways that send heartbeats are watched:
GET /sites shows them, and one that falls silent is a record of its own. It meets the gateway only on the wire.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import uvicorn
from pydantic import SecretStr
from standardwebhooks import Webhook, WebhookVerificationError
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from simulators.assist_callback import CallbackClient
from simulators.assist_journal import Journal
from simulators.assist_script import Manner, answers_now, script
from simulators.dead_man import HEARTBEAT, LOOK_S, DeadMan

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator
    from pathlib import Path

    from starlette.requests import Request

Mode = Literal["up", "down", "slow", "error", "busy", "gone", "refuse", "half", "redirect", "lost"]
MODES: tuple[Mode, ...] = ("up", "down", "slow", "error", "busy", "gone", "refuse", "half", "redirect", "lost")
EVENTS = ("alert.raised", "alert.updated", "alert.cancelled", "alert.resolved")
NEEDED = ("specversion", "id", "source", "type", "data")
NEEDED_DATA = ("schema", "alert_id", "kind", "priority", "state", "revision", "repeat", "test", "text")
LARGEST_BODY = 256 * 1024
HALF = b'{"accepted": tr'


@dataclass(frozen=True, slots=True)
class AssistConfig:
    """secret: what alerts are signed with; callback_secret: what we sign call-backs with. Both `whsec_...`.

    callback_url: None for a service that only listens. port 0: any free one. speed: how many times faster than
    real time its people work.
    """

    secret: SecretStr
    callback_secret: SecretStr | None = None
    callback_url: str | None = None
    host: str = "127.0.0.1"
    port: int = 0
    manner: Manner = field(default_factory=Manner)
    speed: float = 1.0
    journal: Path | None = None


@dataclass(slots=True)
class Failure:
    """The failure mode. count: for how many more requests (None: until changed). seconds: for slow, busy and down."""

    mode: Mode = "up"
    count: int | None = None
    seconds: float = 2.0

    def next(self) -> Mode:
        """The mode for one request."""
        mode = self.mode
        if self.count is not None and mode != "up":
            self.count -= 1
            if self.count <= 0:
                self.mode, self.count = "up", None
        return mode


class Server(uvicorn.Server):
    """Leaves the process's signal handlers alone: it may run beside other things."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing to capture."""
        yield


class AssistService:
    """The service. Use `running`, or `start` and `stop`. `url` is where alerts go."""

    def __init__(self, config: AssistConfig) -> None:
        self.config = config
        self.journal = Journal(config.journal)
        self.failure = Failure()
        self.dead_man = DeadMan(self.journal)
        self._webhook = Webhook(config.secret.get_secret_value())
        self._people: dict[str, asyncio.Task[None]] = {}
        self._callbacks = (
            CallbackClient(config.callback_url, config.callback_secret, self.journal)
            if config.callback_url and config.callback_secret
            else None
        )
        self._port = config.port
        self._server: Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self._later: set[asyncio.Task[None]] = set()
        self.app = Starlette(
            routes=[
                Route("/alerts", self._alerts, methods=["POST"]),
                Route("/records", self._records),
                Route("/sites", self._sites),
                Route("/health", self._health),
                Route("/control/mode", self._control, methods=["POST"]),
            ]
        )

    @property
    def url(self) -> str:
        """Where alerts go."""
        return f"http://{self.config.host}:{self._port}/alerts"

    async def start(self) -> None:
        """Listen: connections are taken from now on. Unfinished work of an earlier run goes on."""
        listener = socket.create_server((self.config.host, self._port))
        self._port = listener.getsockname()[1]
        settings = uvicorn.Config(
            self.app, log_config=None, log_level="critical", lifespan="off", http="h11", ws="none", loop="asyncio"
        )
        self._server = Server(settings)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]))
        self._resume()
        self.dead_man.resume(time.monotonic())
        self._soon(self._watch(self._server))

    async def stop(self) -> None:
        """Stop listening and drop every connection; its people go home."""
        for task in (*self._people.values(), *self._later):
            if task is not asyncio.current_task():
                task.cancel()
        self._people.clear()
        await self._hang_up()
        if self._callbacks is not None:
            await self._callbacks.aclose()
        self.journal.close()

    async def set_mode(self, mode: Mode, *, count: int | None = None, seconds: float = 2.0) -> None:
        """Change the failure mode. "down" stops listening for `seconds` and then comes back by itself."""
        if mode != "down":
            self.failure = Failure(mode, count, seconds)
            return
        await self._hang_up()
        self._soon(self._come_back(seconds))

    async def _come_back(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.start()

    async def _hang_up(self) -> None:
        if self._server is None or self._serving is None:
            return
        self._server.should_exit = self._server.force_exit = True
        await self._serving
        self._server = self._serving = None

    async def _alerts(self, request: Request) -> Response:
        mode = self.failure.next()
        if mode == "slow":
            await asyncio.sleep(self.failure.seconds)
        elif mode not in ("up", "lost"):
            self.journal.add("fault", mode=mode, at=time.time())
            return _failure(mode, self.failure.seconds)
        body = await request.body()
        try:
            event = checked_event(self._webhook, dict(request.headers), body)
            if event["type"] == HEARTBEAT:
                self.dead_man.heard(event, time.monotonic(), time.time())
                return JSONResponse({"accepted": True, "id": request.headers["webhook-id"]})
        except (WebhookVerificationError, ValueError) as error:
            self.journal.add("rejected", reason=str(error), at=time.time())
            unsigned = isinstance(error, WebhookVerificationError)
            return JSONResponse({"accepted": False, "reason": str(error)}, 401 if unsigned else 400)
        self._receive(request.headers["webhook-id"], event)
        if mode == "lost":
            self.journal.add("fault", mode=mode, at=time.time())
            return _failure("half", 0.0)
        return JSONResponse({"accepted": True, "id": request.headers["webhook-id"]})

    def _receive(self, webhook_id: str, event: dict[str, Any]) -> None:
        data = event["data"]
        facts = {"webhook_id": webhook_id, "type": event["type"], "alert_id": data["alert_id"], "at": time.time()}
        if self.journal.seen(webhook_id):
            self.journal.add("duplicate", **facts)
            return
        self.journal.add("event", **facts, data=data)
        self._consider(event["type"], data)

    def _consider(self, event_type: str, data: dict[str, Any]) -> None:
        """Let somebody take the alert, or stop when it is over."""
        alert_id = data["alert_id"]
        if event_type in ("alert.cancelled", "alert.resolved"):
            if alert_id in self._people:
                self._people.pop(alert_id).cancel()
            return
        wanted = event_type == "alert.raised" and answers_now(self.config.manner, int(data["repeat"]), alert_id)
        if wanted and self._callbacks is not None and alert_id not in self._people:
            self._people[alert_id] = asyncio.create_task(self._attend(self._callbacks, data))

    async def _attend(self, callbacks: CallbackClient, data: dict[str, Any]) -> None:
        alert_id = data["alert_id"]
        done = {record["type"] for record in self.journal.of("callback", alert_id)}
        for act in script(self.config.manner, alert_id, data["kind"], test=bool(data["test"])):
            if act.type in done:
                continue
            await asyncio.sleep(act.wait_s / self.config.speed)
            if not await callbacks.send(alert_id, act):
                return

    def _resume(self) -> None:
        """After a restart: alerts that came and are not over are taken up again."""
        over = {r["alert_id"] for r in self.journal.of("event") if r["type"] in ("alert.cancelled", "alert.resolved")}
        over |= {r["alert_id"] for r in self.journal.of("callback") if r["type"] == "resolved"}
        for record in self.journal.of("event"):
            if record["alert_id"] not in over:
                self._consider(record["type"], record["data"])

    async def _records(self, _request: Request) -> Response:
        return JSONResponse(self.journal.records)

    async def _sites(self, _request: Request) -> Response:
        return JSONResponse(self.dead_man.listed())

    async def _watch(self, server: Server) -> None:
        """Look for gateways that have fallen silent, for as long as this server listens."""
        while self._server is server:
            self.dead_man.look(time.monotonic(), time.time())
            await asyncio.sleep(LOOK_S)

    async def _health(self, _request: Request) -> Response:
        return JSONResponse({"mode": self.failure.mode, "events": len(self.journal.of("event"))})

    async def _control(self, request: Request) -> Response:
        try:
            wanted = json.loads(await request.body())
            mode, count, seconds = wanted["mode"], wanted.get("count"), float(wanted.get("seconds", 2.0))
        except (ValueError, KeyError, TypeError, AttributeError):
            return JSONResponse({"error": 'send {"mode": ..., "count"?: N, "seconds"?: S}'}, 400)
        if mode not in MODES or not (count is None or isinstance(count, int)):
            return JSONResponse({"error": f"mode is one of {', '.join(MODES)}"}, 400)
        # Only after the answer: "down" cuts this connection too.
        return JSONResponse({"mode": mode}, background=BackgroundTask(self._change, mode, count, seconds))

    async def _change(self, mode: Mode, count: int | None, seconds: float) -> None:
        self._soon(self.set_mode(mode, count=count, seconds=seconds))

    def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._later.add(task)
        task.add_done_callback(self._later.discard)


def checked_event(webhook: Webhook, headers: dict[str, str], body: bytes) -> dict[str, Any]:
    """The event, if it is signed and has what we rely on. Raises WebhookVerificationError or ValueError."""
    if len(body) > LARGEST_BODY:
        raise ValueError("too large")
    webhook.verify(body, headers, json_parse=False)
    event = json.loads(body)
    data = event.get("data") if isinstance(event, dict) else None
    if not isinstance(data, dict):
        raise ValueError("no event with data")  # noqa: TRY004 - what came was wrong, not our own types
    needed = () if event.get("type") == HEARTBEAT else NEEDED_DATA
    missing = [name for name in NEEDED if name not in event] + [name for name in needed if name not in data]
    if missing:
        raise ValueError(f"missing: {', '.join(missing)}")
    if event["type"] not in (*EVENTS, HEARTBEAT) or event["id"] != headers["webhook-id"]:
        raise ValueError("unknown type, or another id than the header's")
    return dict(event)


def _failure(mode: Mode, seconds: float) -> Response:
    if mode == "half":
        return StreamingResponse(_half(), 200, {"content-length": "200"}, "application/json")
    if mode == "busy":
        return JSONResponse({"accepted": False}, 429, {"retry-after": f"{seconds:.0f}"})
    if mode == "redirect":
        return Response(status_code=307, headers={"location": "/alerts"})
    status = {"error": 500, "gone": 410, "refuse": 200}[mode]
    return JSONResponse({"accepted": False, "errcode": 310000, "errmsg": "refused"}, status)


async def _half() -> AsyncIterator[bytes]:
    yield HALF


@contextlib.asynccontextmanager
async def running(config: AssistConfig) -> AsyncIterator[AssistService]:
    """The service, listening within the block, in this event loop."""
    service = AssistService(config)
    await service.start()
    try:
        yield service
    finally:
        await service.stop()


if __name__ == "__main__":
    from simulators.assist_main import main

    main()
