"""A real site behind the real API: SQLite, DuckDB, alert service and pipeline in a folder; only the time is pushed."""

from __future__ import annotations

import asyncio
import base64
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx

from analytics.engine import default_engine
from analytics.findings import Finding, Phase
from gateway.alerts.payload import PayloadBuilder
from gateway.alerts.plan_book import PlanBook
from gateway.alerts.routing import ContactRouter
from gateway.alerts.service import AlertService
from gateway.api.app import create_api
from gateway.api.keys import KeyStore
from gateway.api.scopes import Role
from gateway.audit import read_audit, verify_audit
from gateway.broadcast import Broadcast
from gateway.config import settings_from
from gateway.context import Context, HealthItem
from gateway.database import open_database
from gateway.device_commands import ask_nobody
from gateway.live import LiveState
from gateway.pipeline import Pipeline
from gateway.registry import Contact, Device, Registry, Resident
from gateway.store.base import StoreOptions
from gateway.store.duckdb_store import DuckDBStore
from gateway.ways import WayIn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from device_drivers.codec import Note
    from gateway.alerts.recorder import AlertChange
    from gateway.api.keys import MadeKey
    from gateway.audit import AuditEntry
    from gateway.device_commands import Command

NOW = 1_770_091_506_000_000_000
"""2026-02-03T04:05:06Z"""
SECOND = 1_000_000_000
SIGNING_SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


def populate(path: Path) -> None:
    """A database with residents r1 and r2, devices w1 (r1), w2 (r2) and spare (nobody's), contacts c1, c2 and nurse."""
    database = open_database(path)
    registry = Registry(database)
    for number, name in ((1, "李奶奶"), (2, "王爷爷")):
        registry.add_resident(Resident(f"r{number}", name, 1941, room="301"), by="set-up", now_ns=NOW)
        registry.add_device(Device(f"w{number}", "yinling_wearable", placement="worn"), by="set-up", now_ns=NOW)
        registry.assign(f"w{number}", f"r{number}", by="set-up", now_ns=NOW)
        contact = Contact(f"c{number}", f"r{number}", "家人", "son", "dingtalk", "https://secret")
        registry.add_contact(contact, by="set-up", now_ns=NOW)
    registry.add_device(Device("spare", "micradar"), by="set-up", now_ns=NOW)
    registry.add_contact(Contact("nurse", None, "护士站", "nurse", "siren", "1"), by="set-up", now_ns=NOW)
    database.close()


class _Secrets(dict[Role, str]):
    """A key of each role, made when it is first needed."""

    def __init__(self, site: ApiSite) -> None:
        self._site = site

    def __missing__(self, role: Role) -> str:
        secret = self[role] = self._site.key(role).secret
        return secret


class ApiSite:
    """A site on a populated database. Call `get`, `post` ... with a role's key."""

    def __init__(self, folder: Path, tree: dict[str, Any] | None = None) -> None:
        self.now_ns = NOW
        self.monotonic_s = 1_000.0
        self.changes = 0
        self.ways: list[WayIn] = []
        self.ask_device: Callable[[Command], Awaitable[Note | None]] = ask_nobody
        self.parts = [HealthItem("broker", True, "正常", "is well", {"starts": 1.0})]
        self.settings = settings_from(tree or {}, folder)
        self.database = open_database(folder / "gateway.sqlite", check=False)
        self.registry = Registry(self.database)
        self.keys = KeyStore(self.database)
        self.store = DuckDBStore(StoreOptions(folder / "history.duckdb"), clock_ns=lambda: self.now_ns)
        self.broadcast = Broadcast()
        router = ContactRouter(plans=PlanBook(self.settings.escalation))
        self.alerts = AlertService(self.database, router=router, payloads=PayloadBuilder("测试站"))
        self.alerts.listen(self._announce)
        self.live = LiveState()
        self._thread = ThreadPoolExecutor(1)
        self.runner = asyncio.Runner()
        self.loop = self.runner.get_loop()
        self.secrets = _Secrets(self)
        try:
            self.runner.run(self._build())
        except ValueError:
            self.close()
            raise

    async def _build(self) -> None:
        self.pipeline = Pipeline(
            default_engine, self._take, self.store, self.live, lambda: self.now_ns, lambda: self.monotonic_s
        )
        self.context = Context(
            settings=self.settings,
            database=self.database,
            registry=self.registry,
            alerts=self.alerts,
            store=self.store,
            live=self.live,
            pipeline=self.pipeline,
            broadcast=self.broadcast,
            clock=lambda: self.now_ns,
            in_database=self.in_database,
            health=lambda: list(self.parts),
            registry_changed=self.registry_changed,
            ways=lambda: self.ways,
            ask=self._ask_device,
        )
        self.app = create_api(self.context, monotonic=lambda: self.monotonic_s, heartbeat_s=0.05)

    async def _ask_device(self, command: Command) -> Note | None:
        return await self.ask_device(command)

    async def in_database(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(function, *args, **kwargs))

    async def registry_changed(self) -> None:
        self.changes += 1

    async def _take(self, findings: Any, now_ns: int) -> None:
        await self.in_database(self.alerts.take_many, findings, now_ns)

    def _announce(self, change: AlertChange) -> None:
        self.loop.call_soon_threadsafe(self.broadcast.publish, "alert", {"alert_id": change.alert.id})

    def key(self, role: Role, **more: Any) -> MadeKey:
        return self.keys.create(f"key of {role}", role, by="set-up", now_ns=self.now_ns, **more)

    def fall(self, resident: str | None = "r1", episode: str = "e1", kind: str = "fall") -> str:
        """Raise an alert as analytics does; gives its id."""
        devices = (f"w{resident[1:]}",) if resident else ("gas-1",)
        finding = Finding(episode, kind, resident, self.now_ns, Phase.CONFIRMED, 0.9, devices, {"peak_g": 3.4})
        alert = self.alerts.take(finding, self.now_ns).alert
        assert alert is not None
        return alert.id

    def call(self, method: str, path: str, key: Role | str | None = Role.ADMIN, **more: Any) -> httpx.Response:
        """One request over the real app. key: a role, a secret, or None for no key."""
        return self.runner.run(self.ask(method, path, key, **more))

    async def ask(self, method: str, path: str, key: Role | str | None, **more: Any) -> httpx.Response:
        headers = httpx.Headers(more.pop("headers", None))
        if key is not None:
            headers["Authorization"] = f"Bearer {self.secrets[key] if isinstance(key, Role) else key}"
        quiet = more.pop("quiet", False)
        client_address = (more.pop("client", "192.0.2.1"), 4000)
        transport = httpx.ASGITransport(self.app, client=client_address, raise_app_exceptions=not quiet)
        async with httpx.AsyncClient(transport=transport, base_url="http://box") as client:
            return await client.request(method, path, headers=headers, **more)

    def get(self, path: str, key: Role | str | None = Role.ADMIN, **query: Any) -> httpx.Response:
        return self.call("GET", path, key, params=query or None)

    def post(self, path: str, body: Any = None, key: Role | str | None = Role.ADMIN) -> httpx.Response:
        return self.call("POST", path, key, json=body) if body is not None else self.call("POST", path, key)

    def audit(self, limit: int = 50) -> list[AuditEntry]:
        with self.database.read() as session:
            return read_audit(session, limit=limit)

    def close(self) -> None:
        with self.database.read() as session:
            assert verify_audit(session).intact
        self.store.close()
        self.database.close()
        self._thread.shutdown()
        self.runner.close()
