"""A gateway in this process with real ports, broker and API, whose clocks a test can push on; asked only over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx

from device_drivers.registry import find_driver
from gateway.api.keys import KeyStore
from gateway.api.scopes import Role
from gateway.broker.config import hash_password
from gateway.config import settings_from
from gateway.database import open_database
from gateway.registry import Device, Registry, Resident
from gateway.runtime import Gateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from pathlib import Path

PATIENCE_S = 120.0
PASSWORD = "device-password"
BY = "test"


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on."""
    with contextlib.ExitStack() as open_until_all_are_known:
        probes = [open_until_all_are_known.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


@dataclass
class Clocks:
    """The gateway's time: the real one, pushed on by a test."""

    ahead_s: float = 0.0

    def utc(self) -> int:
        return time.time_ns() + int(self.ahead_s * 1e9)

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead_s


@dataclass
class Site:
    """The running gateway and a client of its API."""

    gateway: Gateway
    clocks: Clocks
    api: httpx.AsyncClient

    async def alerts(self, **query: Any) -> list[dict[str, Any]]:
        """Alerts, the oldest first."""
        answer = await self.api.get("/api/v1/alerts", params={"limit": 200, **query})
        assert answer.status_code == httpx.codes.OK, answer.text
        return list(reversed(answer.json()["alerts"]))

    async def get(self, path: str, **query: Any) -> Any:
        answer = await self.api.get(path, params=query)
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.json()

    async def alert(self, kind: str, **wanted: Any) -> dict[str, Any]:
        """Wait for an alert of a kind with these fields."""

        async def seen() -> Any:
            found = [one for one in await self.alerts(kind=kind) if all(one[k] == v for k, v in wanted.items())]
            return found[-1] if found else None

        found: dict[str, Any] = await until(seen, f"no alert {kind} with {wanted}")
        return found

    async def value(self, device: str, signal: str, after_ns: int = 0) -> dict[str, Any]:
        """Wait for a value of a device that was received after that time."""

        async def seen() -> Any:
            values = (await self.get(f"/api/v1/devices/{device}"))["values"]
            fresh = [one for one in values if one["signal"] == signal and int(one["received"]["ns"]) > after_ns]
            return fresh[0] if fresh else None

        found: dict[str, Any] = await until(seen, f"no {signal} of {device}")
        return found

    async def pushed(self, seconds: float, step_s: float = 20.0) -> None:
        """Let time pass in steps in which the gateway can follow it."""
        end_s = self.clocks.ahead_s + seconds
        while self.clocks.ahead_s < end_s:
            self.clocks.ahead_s = min(self.clocks.ahead_s + step_s, end_s)
            turns = self.gateway.pipeline.health.steps
            await until_true(partial(self._stepped, turns), "the loop stands still")

    def _stepped(self, before: int) -> bool:
        return self.gateway.pipeline.health.steps >= before + 2


async def until(look: Callable[[], Awaitable[Any]], what: str, seconds: float = PATIENCE_S) -> Any:
    """What it gives as soon as that is something."""
    deadline = time.monotonic() + seconds
    while True:
        found = await look()
        if found:
            return found
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.05)


async def until_true(condition: Callable[[], bool], what: str, seconds: float = PATIENCE_S) -> None:
    """Until it holds."""

    async def look() -> bool:
        return condition()

    await until(look, what, seconds)


@contextlib.asynccontextmanager
async def running(
    folder: Path, tree: dict[str, Any], devices: Sequence[Device], owners: dict[str, str], clocks: Clocks | None = None
) -> AsyncIterator[Site]:
    """Run a gateway with these settings and devices. owners: device -> resident (made with room 101, 102, ...)."""
    clocks = clocks or Clocks()
    tree = {"data_directory": str(folder / "data"), "api": {"port": free_ports(1)[0]}, **tree}
    settings = settings_from(tree, folder)
    key = await asyncio.to_thread(_fill, settings.data, devices, owners)
    gateway = Gateway(settings, clock=clocks.utc, monotonic=clocks.monotonic)
    await gateway.open()
    stop = asyncio.Event()
    part = asyncio.create_task(gateway.run(stop))
    headers = {"authorization": f"Bearer {key}"}
    try:
        server = await gateway.serving()
        async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=PATIENCE_S) as api:
            yield Site(gateway, clocks, api)
    finally:
        stop.set()
        await part


def _fill(data: Path, devices: Sequence[Device], owners: dict[str, str]) -> str:
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = open_database(data / "gateway.sqlite")
    registry, now_ns = Registry(database), time.time_ns()
    known = {resident.id for resident in registry.residents()}
    for number, resident in enumerate(dict.fromkeys(owners.values())):
        if resident not in known:
            registry.add_resident(Resident(resident, resident, room=str(101 + number)), by=BY, now_ns=now_ns)
    for device in devices:
        if registry.device(device.id) is not None:
            continue
        registry.add_device(device, by=BY, now_ns=now_ns)
        if device.id in owners:
            registry.assign(device.id, owners[device.id], by=BY, now_ns=now_ns)
        if find_driver(device.family).account_topics is not None:
            registry.set_credentials_hash(device.id, hash_password(PASSWORD), by=BY, now_ns=now_ns)
    secret: str = KeyStore(database).create(BY, Role.ADMIN, by=BY, now_ns=now_ns).secret
    database.close()
    return secret


@contextlib.asynccontextmanager
async def in_background(*parts: Awaitable[Any]) -> AsyncIterator[None]:
    """Simulated devices go on until the block ends."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        yield
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
