"""A site on a real database file, with the clock in the test's hand and a far side that does as it is told."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analytics.findings import Finding, Phase
from gateway.alerts.card import Place
from gateway.alerts.payload import PayloadBuilder
from gateway.alerts.policy import Plan
from gateway.alerts.recorder import AlertChange
from gateway.alerts.routing import ASSIST, WEBHOOK, ContactRouter, Route
from gateway.alerts.service import AlertService
from gateway.channels.base import Accepted, Dispatch, Refused
from gateway.database import Database, open_database
from gateway.registry import Registry

PLACE = Place("某路 1 号", "020-1")
S = 1_000_000_000
T0 = 1_735_787_045 * S

Reply = Accepted | Refused


def fast_folder() -> Path | None:
    """Memory where there is some: most tests need a real database file, not a real disk."""
    memory = Path("/dev/shm")
    return memory if memory.is_dir() else None


@dataclass
class Site:
    """`now` is seconds since T0."""

    path: Path
    now: float = 0.0
    closed: list[str] = field(default_factory=list)
    changes: list[AlertChange] = field(default_factory=list)
    woken: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    routing: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.open()

    @property
    def ns(self) -> int:
        return T0 + int(self.now * S)

    def open(self) -> None:
        self.database: Database = open_database(self.path, check=False)
        self.registry = Registry(self.database)
        options = {"assist": Route(WEBHOOK, ASSIST)} | self.routing
        self.service = AlertService(
            self.database,
            router=ContactRouter(**options),
            payloads=PayloadBuilder("测试站", "https://box.example/api/v1/assist/callback", place=PLACE),
            closed_episodes=self.closed.extend,
            rng=random.Random(7),
            **self.options,
        )
        self.service.listen(self.changes.append)
        self.service.on_outbox(self._woken)

    def _woken(self, _: object) -> None:
        self.woken += 1

    def plan(self, *policies: dict[str, Any], **more: Any) -> None:
        """Store an escalation plan."""
        plan = Plan.model_validate({"policy": list(policies), **more})
        self.service.router.plans.put(self.database, plan, by="admin", now_ns=self.ns)

    def restart(self) -> None:
        self.database.close()
        self.open()
        self.service.outbox.release_all()

    def finding(
        self, kind: str = "help_call", phase: Phase = Phase.CONFIRMED, episode: str = "e1", **more: Any
    ) -> Finding:
        facts: dict[str, Any] = {
            "resident_id": "r1",
            "confidence": 0.9,
            "devices": ("w1",),
            "evidence": {"peak_g": 3.1},
        }
        facts = {"at_ns": self.ns} | facts | more
        return Finding(episode, kind, phase=phase, **facts)

    def take(self, *args: Any, **more: Any) -> Any:
        return self.service.take(self.finding(*args, **more), self.ns)

    def claim(self, limit: int = 50) -> list[Dispatch]:
        return self.service.outbox.claim(self.ns, limit)

    def send(self, reply: Callable[[Dispatch], Reply] | Reply) -> list[Dispatch]:
        claimed = self.claim()
        for dispatch in claimed:
            self.service.settle(dispatch, reply(dispatch) if callable(reply) else reply, self.ns)
        return claimed

    def pass_time(self, until: float, reply: Callable[[Dispatch], Reply] | Reply) -> list[Dispatch]:
        """Let time pass, from one thing that is due to the next."""
        sent = []
        while self.now < until:
            due = [ns for ns in (self.service.next_deadline_ns(self.ns), self.service.outbox.next_due_ns()) if ns]
            soonest = min(((ns - T0) / S for ns in due), default=until)
            self.now = min(until, max(soonest, self.now) + 1e-3)
            self.service.tick(self.ns)
            sent += self.send(reply)
        return sent
