"""What happens in the busy hour, and who answers: pure, from a seed.

Every alert of the highest priority is about a resident of its own, so that a person who reads a message knows by the
name which one it is.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analytics.kinds import KINDS, Priority
from gateway.registry import Contact, Registry, Resident

if TYPE_CHECKING:
    from gateway.database import Database

SITE = "hour"
URGENT = ("fall", "help_call", "smoke", "motionless", "spo2_low")
MEDIUM = tuple(k.name for k in KINDS.values() if k.priority is Priority.MEDIUM and not k.technical)
LOW = tuple(k.name for k in KINDS.values() if k.priority is Priority.LOW)
SUSPECTED_SHARE = 0.4
CONFIRMED_SHARE = 0.7
CONFIRMED_AFTER_S = 4.0
OTHERS = 10
"""Residents of whom less urgent things are told."""
FLOOD = 40
"""Devices that are lost at once, half way."""


@dataclass(frozen=True, slots=True)
class Due:
    """A finding and when it comes, in seconds from the beginning. sure_s: from when on its alert is to be raised."""

    at_s: float
    sure_s: float
    finding: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Person:
    """Who answers: after how long, reached by which robot, and how long until it is over. Simulated seconds."""

    name: str
    vendor: str
    after_s: float
    there_s: float


def busy_hour(urgent: int, seconds: float, seed: int) -> list[Due]:
    """Everything that analytics tells within the hour, in order."""
    rng = random.Random(f"hour:{seed}")
    last_s = seconds * 0.9
    due = [one for n in range(urgent) for one in _urgent(n, rng.uniform(0.0, last_s), rng)]
    for n in range(urgent // 2):
        due.append(_finding(rng.choice(MEDIUM), f"m{n}", f"m{rng.randrange(OTHERS)}", rng.uniform(0.0, last_s)))
        due.append(_finding(rng.choice(LOW), f"l{n}", None, rng.uniform(0.0, last_s), device=f"device-{n}"))
    due += [_finding("signal_lost", f"f{n}", None, seconds / 2 + n * 0.05, device=f"lost-{n}") for n in range(FLOOD)]
    return sorted(due, key=lambda one: one.at_s)


def person_of(name: str, seed: int) -> Person | None:
    """Who answers for this resident: most soon, some late, some never do."""
    rng = random.Random(f"person:{seed}:{name}")
    manner = rng.random()
    if manner < 0.35:
        return None
    after_s = rng.uniform(5.0, 90.0) if manner < 0.8 else rng.uniform(240.0, 600.0)
    return Person(f"{rng.choice('王李张刘陈')}{name}家人", rng.choice(("dingtalk", "wecom", "feishu")), after_s, 60.0)


def register(database: Database, residents: int) -> None:
    """Residents with two contacts each, a nurse and a team lead of the site."""
    registry = Registry(database)
    for n in range(residents):
        resident_id = f"r{n:03d}"
        registry.add_resident(Resident(resident_id, f"老人{n:03d}", 1940, "female", f"{n}"), by=SITE, now_ns=1)
        for order, vendor in enumerate(("dingtalk", "wecom")):
            contact = Contact(f"{resident_id}-{order}", resident_id, f"家人{order}", "family", vendor, "", order)
            registry.add_contact(contact, by=SITE, now_ns=1)
    for n in range(OTHERS):
        registry.add_resident(Resident(f"m{n}", f"住户{n}", 1945, "male", f"M{n}"), by=SITE, now_ns=1)
        registry.add_contact(Contact(f"m{n}-0", f"m{n}", "家人", "family", "wecom", "", 0), by=SITE, now_ns=1)
    registry.add_contact(Contact("nurse", None, "护士站", "nurse", "feishu", "", 0), by=SITE, now_ns=1)
    registry.add_contact(Contact("lead", None, "组长", "team_lead", "dingtalk", "", 1), by=SITE, now_ns=1)


def _urgent(n: int, at_s: float, rng: random.Random) -> list[Due]:
    kind, episode, resident = rng.choice(URGENT), f"u{n}", f"r{n:03d}"
    if kind != "fall" or rng.random() > SUSPECTED_SHARE:
        return [_finding(kind, episode, resident, at_s)]
    window_s = KINDS[kind].cancel_window_s
    sure_s = at_s + (CONFIRMED_AFTER_S if rng.random() < CONFIRMED_SHARE else window_s)
    found = [_finding(kind, episode, resident, at_s, phase="suspected", sure_s=sure_s)]
    if sure_s < at_s + window_s:
        found.append(_finding(kind, episode, resident, sure_s))
    return found


def _finding(
    kind: str,
    episode: str,
    resident: str | None,
    at_s: float,
    *,
    phase: str = "confirmed",
    sure_s: float | None = None,
    device: str = "w",
) -> Due:
    facts = {"episode": episode, "kind": kind, "resident_id": resident, "phase": phase, "confidence": 0.9}
    return Due(at_s, at_s if sure_s is None else sure_s, facts | {"devices": (device,), "evidence": {}})
