"""A real box for the console's tests: real database, history, alert service, live state and HTTP server.

The clock is in the test's hand: it runs with the real one, moved by `Site.ahead_s`.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn

from analytics.engine import default_engine
from analytics.findings import Finding, Phase
from device_drivers.observations import DeviceEvent, Observation, Samples
from device_drivers.signals import reading
from gateway.alerts.payload import PayloadBuilder
from gateway.alerts.recorder import AlertChange
from gateway.alerts.routing import ContactRouter
from gateway.alerts.service import AlertService
from gateway.api.app import create_api
from gateway.api.keys import KeyStore, MadeKey
from gateway.api.scopes import Role
from gateway.broadcast import Broadcast
from gateway.config import settings_from
from gateway.console import mount_console
from gateway.context import Context, HealthItem
from gateway.database import open_database
from gateway.live import LiveState
from gateway.pipeline import Pipeline
from gateway.registry import Device, Registry, Resident
from gateway.store.base import StoreOptions
from gateway.store.duckdb_store import DuckDBStore
from gateway.ways import WayIn

S = 1_000_000_000
GOOD_HEALTH = (
    HealthItem("broker", True, "内置，3 个设备已连接", "embedded, 3 devices connected", {}),
    HealthItem("serial:/dev/ttyUSB0", True, "雷达每 3 秒有数据", "radar reports every 3 s", {}),
    HealthItem("outbox", True, "没有等待的通知", "nothing waits", {"oldest_s": 0.0}),
    HealthItem("clock", True, "与服务器相差 4 毫秒", "4 ms off the time server", {}),
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 60.0) -> Any:
    """Poll until true; fails with what was waited for."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"waited {seconds} s for: {what}"
        threading.Event().wait(0.05)


class Site:
    """The box. Everything a test does to the live state happens in the box's own event loop."""

    def __init__(self, folder: Path, **site: Any) -> None:
        self.ahead_s = 0.0
        self.health: Sequence[HealthItem] = GOOD_HEALTH
        self.ways: Sequence[WayIn] = ()
        self.database = open_database(folder / "yinling.db")
        self.store = DuckDBStore(StoreOptions(folder / "history.duckdb"))
        self.keys = KeyStore(self.database)
        self.registry = Registry(self.database)
        self.live = LiveState()
        self.broadcast = Broadcast()
        self.alerts = AlertService(self.database, router=ContactRouter(), payloads=PayloadBuilder("颐园"))
        self.alerts.listen(self._changed)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="database")
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        tree = {"site": {"name": "颐园", **site}, "data_directory": str(folder / "data")}
        self.context = Context(
            settings=settings_from(tree, folder),
            database=self.database,
            registry=self.registry,
            alerts=self.alerts,
            store=self.store,
            live=self.live,
            pipeline=Pipeline(default_engine, self._take, self.store, self.live, self.now, time.monotonic),
            broadcast=self.broadcast,
            clock=self.now,
            in_database=self.in_database,
            health=lambda: self.health,
            registry_changed=self._registry_changed,
            ways=lambda: self.ways,
        )
        self.api = create_api(self.context)
        mount_console(self.api, self.context)
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def now(self) -> int:
        return time.time_ns() + int(self.ahead_s * S)

    async def in_database(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._worker, lambda: function(*args, **kwargs))

    async def _take(self, findings: Sequence[Finding], now_ns: int) -> None:
        await self.in_database(self.alerts.take_many, findings, now_ns)

    async def _registry_changed(self) -> None:
        self.broadcast.publish("registry", {})

    def _changed(self, change: AlertChange) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self.broadcast.publish, "alert", {"alert_id": change.alert.id})

    def start(self) -> None:
        """Serve until `stop`; the port stays the same after a restart."""
        config = uvicorn.Config(
            self.api,
            host="127.0.0.1",
            port=self.port,
            log_level="warning",
            ws="websockets-sansio",
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name="box", daemon=True)
        self._thread.start()
        wait_for(lambda: self._server is not None and self._server.started, "the server to start")

    def _serve(self) -> None:
        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            assert self._server is not None
            await self._server.serve()

        asyncio.run(serve())

    def freeze(self) -> threading.Event:
        """Hold the box's event loop, as a hung box would; set the event to let it go on."""
        go_on = threading.Event()
        assert self._loop is not None
        self._loop.call_soon_threadsafe(go_on.wait, 60)
        return go_on

    def run(self, function: Callable[[], Any]) -> None:
        """Run in the box's event loop and wait for it."""
        assert self._loop is not None
        done = threading.Event()

        def act() -> None:
            function()
            done.set()

        self._loop.call_soon_threadsafe(act)
        assert done.wait(60)

    def stop(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(20)
            assert not self._thread.is_alive()
            self._server = self._thread = None

    def close(self) -> None:
        self.stop()
        self._worker.shutdown()
        self.store.close()
        self.database.close()

    # What a test does

    def key(self, role: Role, name: str = "夜班手机", residents: Sequence[str] | None = None) -> MadeKey:
        return self.keys.create(name, role, by="test", now_ns=self.now(), residents=residents)

    def resident(self, resident_id: str, name: str, room: str, *devices: str) -> None:
        now = self.now()
        self.registry.add_resident(Resident(resident_id, name, room=room), by="test", now_ns=now)
        for device_id in devices:
            placement = "worn" if device_id.startswith("w") else "room"
            device = Device(device_id, "yinling_wearable", device_id, placement, room)
            self.registry.add_device(device, by="test", now_ns=now)
            self.registry.assign(device_id, resident_id, by="test", now_ns=now)

    def feed(self, *observations: Observation) -> None:
        self.run(lambda: self.live.update(observations))

    def vitals(self, device_id: str, **values: float | None) -> None:
        now = self.now()
        self.feed(*(reading(device_id, signal, value, now, now) for signal, value in values.items()))

    def event(self, device_id: str, signal: str, value: bool | str) -> None:
        now = self.now()
        self.feed(DeviceEvent(device_id, signal, value, now, now))

    def accel(self, device_id: str, seconds: int = 12, peak_g: float = 1.8) -> None:
        """The last seconds of a walk: 50 Hz, about 1 g, with steps."""
        now = self.now()
        rate = 50
        for block in range(seconds):
            at = now - (seconds - block) * S
            t = np.arange(rate) / rate + block
            up = 1 + (peak_g - 1) * np.maximum(np.sin(2 * np.pi * 1.7 * t), -0.3) ** 3
            values = np.stack([0.1 * np.sin(9 * t), 0.1 * np.cos(7 * t), up], axis=1).astype(np.float32)
            self.feed(Samples(device_id, "accel", values, rate, at, at + S))

    def find(self, kind: str, resident_id: str | None, *devices: str, **more: Any) -> str:
        """A finding of analytics; gives the id of its alert."""
        now = self.now()
        finding = Finding(
            more.pop("episode", f"{kind}:{now}"), kind, resident_id, now, more.pop("phase", Phase.CONFIRMED), 0.9,
            devices, more,
        )  # fmt: skip
        alert = self.alerts.take(finding, now).alert
        assert alert is not None
        return alert.id

    def resolve_all(self) -> None:
        for alert in self.alerts.open_alerts():
            with suppress(ValueError):
                self.alerts.cancel(alert.id, "test", self.now())
