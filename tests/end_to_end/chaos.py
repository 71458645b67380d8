"""Emergencies under fire: devices go on sending while gateway, broker and 助急 service are killed at random moments."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gateway.cli.rig import Rig, RigDevice
from gateway.registry import Resident
from simulators.motion import Activity, BodyMotion
from simulators.uplink import Account, Outgoing, Uplink
from simulators.wearable import WearableModel
from simulators.zigbee import ZigbeeNetwork

if TYPE_CHECKING:
    from collections.abc import Sequence

BASE = "zigbee2mqtt"
SETTLE_S = 150.0
WARM_UP_S = 6.0
"""A fall is judged by what went before it."""


@dataclass(slots=True)
class Emergency:
    """One press or fall. known_to_broker: the broker has acknowledged what tells of it."""

    device: str
    kind: str
    at_ns: int
    known_to_broker: bool = False


@dataclass(slots=True)
class Outcome:
    """What came of a run. lost: acknowledged by the broker, but never at the 助急 service."""

    kills: dict[str, int] = field(default_factory=dict)
    emergencies: list[Emergency] = field(default_factory=list)
    lost: list[Emergency] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    deliveries: int = 0
    repeated_deliveries: int = 0
    delays_s: list[float] = field(default_factory=list)
    audit_intact: bool = False


class Chaos:
    """buttons, wearers: how many of each; each belongs to a resident of its own, so that each makes one alert."""

    def __init__(self, folder: Path, *, buttons: int, wearers: int, seed: int) -> None:
        self.rng = random.Random(seed)
        self._buttons = [f"sos-{n}" for n in range(buttons)]
        self._wearers = [f"wearer-{n}" for n in range(wearers)]
        ids = [*(f"{BASE}/{name}" for name in self._buttons), *self._wearers]
        devices = [RigDevice(f"{BASE}/bridge", BASE, None)]
        devices += [
            RigDevice(one, BASE if one.startswith(BASE) else "yinling_wearable", f"r-{n}") for n, one in enumerate(ids)
        ]
        residents = [Resident(f"r-{n}", f"Resident {n}") for n in range(len(ids))]
        self.rig = Rig(folder, residents=residents, devices=devices, cancel_window_s=10.0)
        self.outcome = Outcome()
        self._network = ZigbeeNetwork(BASE)
        self._assist_down_until = 0.0

    async def run(self, kills: int, period_s: tuple[float, float]) -> Outcome:
        """Kill `kills` times while emergencies happen, then let everything settle and count."""
        rig = self.rig
        rig.prepare()
        self._start_assist()
        await asyncio.to_thread(rig.start_gateway)
        self._bridge = Uplink(self._account(f"{BASE}/bridge"), self._acknowledged)
        self._bridge.send(Outgoing(*self._network.bridge_state(online=True)))
        self._models = self._make_wearers()
        uplinks = {name: Uplink(self._account(name), self._acknowledged) for name in self._models}
        tasks = [asyncio.create_task(one.run()) for one in (self._bridge, *uplinks.values())]
        tasks.append(asyncio.create_task(self._wear(uplinks)))
        try:
            await asyncio.gather(self._emergencies(kills * sum(period_s) / 2), self._kill(kills, period_s))
            await self._settle()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.to_thread(self._count)
            rig.stop()
        return self.outcome

    def _make_wearers(self) -> dict[str, WearableModel]:
        models = {}
        for number, name in enumerate(self._wearers):
            rng = np.random.default_rng(number)
            motion = BodyMotion(rng)
            motion.do(Activity.SITTING)
            models[name] = WearableModel(name, rng, start_ns=time.time_ns(), motion=motion)
        return models

    async def _wear(self, uplinks: dict[str, Uplink]) -> None:
        while True:
            for name, model in self._models.items():
                for topic, payload in model.due(time.time_ns()):
                    uplinks[name].send(Outgoing(topic, payload, mark=(name, time.time_ns())))
            await asyncio.sleep(0.05)

    async def _emergencies(self, span_s: float) -> None:
        """All buttons and wearers, once each, at random moments over the span, after some seconds of ordinary life."""
        plan = sorted(
            (self.rng.uniform(WARM_UP_S, WARM_UP_S + span_s), name) for name in [*self._buttons, *self._wearers]
        )
        started = time.monotonic()
        for at_s, name in plan:
            await asyncio.sleep(max(0.0, started + at_s - time.monotonic()))
            if name in self._models:
                one = Emergency(name, "fall", self._models[name].fall())
            else:
                now = time.time_ns()
                one = Emergency(f"{BASE}/{name}", "help_call", now)
                if name not in self._network.devices:
                    self._network.add(name, "TS0215A_sos")
                for message in self._network.press(name, now):
                    self._bridge.send(Outgoing(*message, mark=(one.device, now)))
            self.outcome.emergencies.append(one)

    def _acknowledged(self, message: Outgoing) -> None:
        """The broker has a message; a fall is told by the frames of the two seconds after it."""
        if not isinstance(message.mark, tuple):
            return
        device, sent_ns = message.mark
        for one in self.outcome.emergencies:
            if one.device == device and sent_ns >= one.at_ns + (2_500_000_000 if one.kind == "fall" else 0):
                one.known_to_broker = True

    async def _kill(self, kills: int, period_s: tuple[float, float]) -> None:
        for _ in range(kills):
            await asyncio.sleep(self.rng.uniform(*period_s))
            self._raise_assist()
            victim = self.rng.choices(("gateway", "broker", "assist"), (6, 3, 2))[0]
            self.outcome.kills[victim] = self.outcome.kills.get(victim, 0) + 1
            if victim == "gateway":
                self.rig.kill("gateway")
                self.rig.start_gateway(wait=False)
            elif victim == "broker":
                self._kill_broker()
            else:
                self._fell_assist()
        self._raise_assist()

    def _kill_broker(self) -> None:
        pid_file = self.rig.folder / "var" / "broker" / "broker.pid"
        try:
            os.kill(int(pid_file.read_text(encoding="utf-8")), signal.SIGKILL)
        except (OSError, ValueError):
            return  # it is being restarted at this moment

    def _fell_assist(self) -> None:
        if "assist" in self.rig.processes:
            self.rig.kill("assist")

    def _raise_assist(self) -> None:
        if "assist" not in self.rig.processes:
            self._start_assist()

    def _start_assist(self) -> None:
        self.rig.start_assist("--speed=20", "--stop-after=acknowledged")

    def _account(self, name: str) -> Account:
        return Account("127.0.0.1", self.rig.mqtt_port, name, self.rig.passwords[name])

    async def _settle(self) -> None:
        deadline = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline:
            arrived = await asyncio.to_thread(self._arrived)
            told = all(self._alerts_of(one, arrived) for one in self.outcome.emergencies)
            if told and all(one.known_to_broker for one in self.outcome.emergencies):
                return
            await asyncio.sleep(0.5)

    def _arrived(self) -> list[dict[str, Any]]:
        return [one for one in self.rig.assist_log() if one["record"] == "event" and one["type"] == "alert.raised"]

    @staticmethod
    def _alerts_of(one: Emergency, arrived: Sequence[dict[str, Any]]) -> set[str]:
        return {
            record["alert_id"]
            for record in arrived
            if record["data"]["kind"] == one.kind
            and any(device["id"] == one.device for device in record["data"]["devices"])
        }

    def _count(self) -> None:
        outcome, log = self.outcome, self.rig.assist_log()
        arrived = self._arrived()
        outcome.deliveries = len(arrived)
        outcome.repeated_deliveries = sum(one["record"] == "duplicate" for one in log)
        for one in outcome.emergencies:
            alerts = self._alerts_of(one, arrived)
            if not alerts and one.known_to_broker:
                outcome.lost.append(one)
            if len(alerts) > 1:
                outcome.doubled.append(one.device)
            first = [r["at"] for r in arrived if r["alert_id"] in alerts]
            if first:
                outcome.delays_s.append(min(first) - one.at_ns / 1e9)
        outcome.audit_intact = self._audit_intact()

    def _audit_intact(self) -> bool:
        from gateway.audit import verify_audit
        from gateway.database import open_database

        database = open_database(self.rig.folder / "var" / "gateway.sqlite", check=False)
        try:
            with database.read() as session:
                return verify_audit(session).intact
        finally:
            database.close()
