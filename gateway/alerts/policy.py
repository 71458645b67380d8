"""Escalation policies: who is told about which alert, in which order, with which waits. Pure values and choices.

A plan is a list of policies and of on-call schedules. The first policy that fits an alert is its policy; where none
does, a built-in one: the 助急 service and the first contacts at once, the others step by step, and all of them again
and again until somebody has answered. The plan comes from the settings file or, once one was stored through the API,
from the database.

A target is one of
    assist          the 助急 service
    prompt          the resident, asked on the spot while an alert is only suspected
    card120         everybody told so far, again and with the text for the call to 120
    first           the first contacts of the resident and of the site
    others          the contacts that no earlier step has told, in their order
    oncall:NAME     whoever is on call in a schedule when the step is due
    contact:ID      one contact;  role:NAME  all contacts with this role
    a bare word     the contact of this id, else the contacts with this role
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from analytics.kinds import KINDS, Priority
from gateway.alerts.oncall import WEEKDAYS, Hours, Model, Name, Schedule, Weekday, local

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

ASSIST, PROMPT, CARD, FIRST, OTHERS = "assist", "prompt", "card120", "first", "others"
WORDS = frozenset({ASSIST, PROMPT, CARD, FIRST, OTHERS})
ONCALL, CONTACT, ROLE = "oncall:", "contact:", "role:"
PRIORITY_NAMES: dict[str, Priority] = {"high": Priority.HIGH, "medium": Priority.MEDIUM, "low": Priority.LOW}
TARGET = re.compile(r"^(oncall:|contact:|role:)?\w[\w .@-]*$")
LONGEST_WAIT_S = 7 * 86_400


def _target(value: str) -> str:
    if not TARGET.match(value):
        raise ValueError("a target is assist, prompt, card120, first, others, oncall:NAME, contact:ID or role:NAME")
    return value


def _kind(value: str) -> str:
    if value not in KINDS:
        raise ValueError(f"not a kind; one of {', '.join(KINDS)}")
    return value


Target = Annotated[str, StringConstraints(max_length=80), AfterValidator(_target)]
KindName = Annotated[str, AfterValidator(_kind)]
Wait = Annotated[float, Field(ge=0, le=LONGEST_WAIT_S, allow_inf_nan=False)]


class PolicyStep(Model):
    """One step of a policy.

    in_turn: one target after the other, wait_s apart; otherwise all at once. wait_s: how long a person has to
    acknowledge before the next step. repeat: how often the step is taken again, interval_s apart, before it is left.
    """

    targets: tuple[Target, ...] = Field(min_length=1, max_length=50)
    name: Annotated[str, StringConstraints(max_length=80)] = ""
    in_turn: bool = False
    wait_s: Wait = 60.0
    repeat: Annotated[int, Field(ge=0, le=1000)] = 0
    interval_s: Annotated[float, Field(ge=1, le=LONGEST_WAIT_S, allow_inf_nan=False)] = 60.0

    @property
    def asks_only(self) -> bool:
        """The step that asks the resident, and nobody else."""
        return set(self.targets) == {PROMPT}


class Policy(Model):
    """Who is told about the alerts that it fits; an empty condition fits all.

    about: alerts about a person, about equipment, or all; where kinds are named, they alone count.
    hours, days: of the site's clock when the alert opens. again_s: seconds after which everybody told so far is told
    again, for as long as nobody has answered; by priority where not set (high 60, medium 600, low never).
    """

    name: Name
    steps: tuple[PolicyStep, ...] = Field(min_length=1, max_length=50)
    residents: Annotated[tuple[str, ...], Field(max_length=1000)] = ()
    priorities: tuple[Literal["high", "medium", "low"], ...] = ()
    kinds: tuple[KindName, ...] = ()
    about: Literal["person", "equipment", "all"] = "person"
    hours: Annotated[tuple[Hours, ...], Field(max_length=20)] = ()
    days: tuple[Weekday, ...] = ()
    again_s: Annotated[float, Field(ge=10, le=LONGEST_WAIT_S, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _tells_somebody(self) -> Policy:
        if all(set(step.targets) <= {PROMPT, CARD} for step in self.steps):
            raise ValueError(f"policy {self.name}: no step tells anybody; add assist, first, a role or a contact")
        return self


class Plan(Model):
    """Everything that decides who is told, as in the file: [[escalation.policy]] and [[escalation.schedule]]."""

    policy: Annotated[tuple[Policy, ...], Field(max_length=200)] = ()
    schedule: Annotated[tuple[Schedule, ...], Field(max_length=100)] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> Plan:
        for what, names in (("policy", [p.name for p in self.policy]), ("schedule", [s.name for s in self.schedule])):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"two of {what} are called {', '.join(twice)}")
        known = {schedule.name for schedule in self.schedule}
        for policy in self.policy:
            for target in (target for step in policy.steps for target in step.targets):
                if target.startswith(ONCALL) and target.removeprefix(ONCALL) not in known:
                    raise ValueError(f"policy {policy.name}: there is no schedule for {target}")
        return self

    def schedule_of(self, name: str) -> Schedule | None:
        """The schedule of this name, None where there is none (any more)."""
        return next((one for one in self.schedule if one.name == name), None)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a policy is chosen by."""

    kind: str
    priority: Priority
    resident_id: str | None

    @property
    def technical(self) -> bool:
        """About a device or the box, not a person."""
        kind = KINDS.get(self.kind)
        return kind is not None and kind.technical


def choose(plan: Plan, facts: Facts, at_ns: int, zone: ZoneInfo, timing: Timing) -> Policy:
    """The first policy that fits, else the built-in one."""
    fitting = (policy for policy in plan.policy if fits(policy, facts, at_ns, zone))
    return next(fitting, None) or built_in(facts.priority, facts.technical, timing)


def fits(policy: Policy, facts: Facts, at_ns: int, zone: ZoneInfo) -> bool:
    """Whether a policy is for this alert at this time."""
    now = local(at_ns, zone)
    return (
        (not policy.residents or facts.resident_id in policy.residents)
        and (not policy.priorities or facts.priority in [PRIORITY_NAMES[name] for name in policy.priorities])
        and (facts.kind in policy.kinds if policy.kinds else policy.about in (_about(facts), "all"))
        and (not policy.hours or any(part.covers(now.time()) for part in policy.hours))
        and (not policy.days or WEEKDAYS[now.weekday()] in policy.days)
    )


def _about(facts: Facts) -> str:
    return "equipment" if facts.technical else "person"


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds by priority, high to low; None: never. Common practice of Chinese dispatch centres, not a rule.

    step: between one contact and the next. again: until everybody is told again. reopen: from the last answer until
    an alert that is not resolved is raised again.
    """

    step: tuple[float, float, float] = (60.0, 600.0, 3600.0)
    again: tuple[float | None, float | None, float | None] = (60.0, 600.0, None)
    reopen: tuple[float | None, float | None, float | None] = (900.0, 7200.0, 86_400.0)

    def step_s(self, priority: Priority) -> float:
        """Between one contact and the next."""
        return self.step[priority - 1]

    def again_s(self, priority: Priority) -> float | None:
        """Until everybody is told again."""
        return self.again[priority - 1]

    def reopen_s(self, priority: Priority) -> float | None:
        """Until what was acknowledged and not resolved is raised again."""
        return self.reopen[priority - 1]


@lru_cache(maxsize=64)
def built_in(priority: Priority, technical: bool, timing: Timing) -> Policy:
    """The policy of those who have set none."""
    wait_s = timing.step_s(priority)
    others = PolicyStep(name="others", targets=(OTHERS,), in_turn=True, wait_s=wait_s)
    if technical:
        steps = (PolicyStep(name="first", targets=(FIRST,), wait_s=wait_s), others)
    else:
        ask = PolicyStep(name="ask", targets=(PROMPT,), wait_s=0)
        first = PolicyStep(name="first", targets=(ASSIST, FIRST), wait_s=wait_s)
        card = PolicyStep(name="card120", targets=(CARD,), wait_s=wait_s)
        steps = (ask, first, others, *((card,) if priority is Priority.HIGH else ()))
    return Policy(name=f"built-in {'technical' if technical else 'person'}", steps=steps)


TEST_ALERT = "test_alert"
TEST_POLICY = Policy(name="built-in test", steps=(PolicyStep(name="test", targets=(ASSIST,)),), again_s=600.0)
"""Of test alerts, whatever the site's own plan says: the 助急 service, and nobody else."""


@lru_cache(maxsize=256)
def plain(policy: Policy) -> Mapping[str, Any]:
    """What an alert keeps of its policy: plain JSON. Do not change it."""
    kept: Mapping[str, Any] = policy.model_dump(mode="json", by_alias=True, include={"name", "steps", "again_s"})
    return kept


def kept(tree: Mapping[str, Any]) -> Policy:
    """The policy that `plain` wrote down."""
    return Policy.model_validate(dict(tree))
