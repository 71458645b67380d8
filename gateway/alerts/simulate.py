"""Who would be called, when: the same rules as for a real alert, played through without telling anybody. Pure.

The result is a timeline until everybody is only told again, and what is wrong with it: nobody on call, a contact that
no configured channel reaches, a target that means nobody, an alert that reaches nobody at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analytics.findings import Phase
from analytics.kinds import KINDS, Priority
from gateway.alerts import escalation
from gateway.alerts.alert import Alert, State
from gateway.alerts.policy import Facts, choose
from gateway.alerts.schedule import UNREACHED_AFTER, WAITS_S
from gateway.alerts.targets import Around, resolve

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from zoneinfo import ZoneInfo

    from gateway.alerts.escalation import Climb
    from gateway.alerts.policy import Plan, Policy, Timing
    from gateway.alerts.targets import Key, Resolved, Route
    from gateway.registry import Contact

NS = 1_000_000_000
LONGEST_NS = 30 * 86_400 * NS
MOST_EVENTS = 2_000
UNREACHABLE, NOBODY, NOBODY_AT_ALL = "unreachable", "nobody", "nobody_at_all"


@dataclass(frozen=True, slots=True)
class Site:
    """What a timeline depends on. contacts: active ones of the resident, then of the site. channels: those that work;
    None: do not judge. assist: the way to the 助急 service. prompts: the resident can be asked on the spot.
    """

    plan: Plan
    contacts: Sequence[Contact]
    zone: ZoneInfo
    timing: Timing
    assist: Route | None = None
    channels: Collection[str] | None = None
    prompts: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """One contact who is told. reachable: a configured channel leads there."""

    contact: str
    channel: str
    reachable: bool


@dataclass(frozen=True, slots=True)
class Event:
    """What happens at one time. after_s: since the alert opened. what: opened, asked, skipped, raised,
    told, passed or again.

    step: counted from 1, None where it belongs to none. every_s: of "again", how often from then on.
    """

    after_s: float
    at_ns: int
    what: str
    step: int | None = None
    name: str = ""
    told: tuple[Told, ...] = ()
    card120: bool = False
    every_s: float | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong. what: unreachable, nobody, nobody_at_all. step: from 1. target, why: as in `targets.Missing`."""

    what: str
    step: int | None = None
    target: str = ""
    why: str = ""
    at_ns: int = 0


@dataclass(frozen=True, slots=True)
class Timeline:
    """The whole answer."""

    policy: str
    priority: Priority
    events: tuple[Event, ...]
    problems: tuple[Problem, ...]


def timeline(
    site: Site,
    kind: str,
    resident_id: str | None,
    at_ns: int,
    *,
    suspected: bool = False,
    window_s: float | None = None,
) -> Timeline:
    """Play it through. suspected: it begins with the cancel window (the kind's own where window_s is None)."""
    return _Play(site, kind, resident_id, at_ns).run(suspected=suspected, window_s=window_s)


class _Play:
    def __init__(self, site: Site, kind: str, resident_id: str | None, at_ns: int) -> None:
        row = KINDS[kind]
        self.site, self.begun_ns, self.now_ns = site, at_ns, at_ns
        facts = Facts(kind, row.priority, resident_id)
        self.policy: Policy = choose(site.plan, facts, at_ns, site.zone, site.timing)
        self.technical = row.technical
        self.told: dict[Key, int] = {}
        self.routes: dict[Key, Route] = {}
        self.events: list[Event] = []
        self.problems: dict[tuple[str, str, str], Problem] = {}
        self.window_s = row.cancel_window_s
        self.alert = Alert(
            "?", "?", kind, resident_id, row.priority, row.latching, State.RAISED, Phase.CONFIRMED, 1.0, (), {}, {},
            at_ns, at_ns, at_ns, policy=self.policy.name,
        )  # fmt: skip

    def run(self, *, suspected: bool, window_s: float | None) -> Timeline:
        self._note("opened")
        if suspected:
            self._window(self.window_s if window_s is None else window_s)
        elif self.policy.steps[0].asks_only:
            self._note("skipped", step=1, name=self.policy.steps[0].name)
        self._note("raised")
        why = escalation.WAITED
        while len(self.events) < MOST_EVENTS and self.now_ns - self.begun_ns < LONGEST_NS:
            climbed = escalation.climb(self.alert, self.policy, self._resolve, self.now_ns, why=why)
            self._passed(climbed)
            self.alert = climbed.alert
            if climbed.telling is None:
                break
            why = self._tell(climbed)
        self._again()
        return Timeline(self.policy.name, self.alert.priority, tuple(self.events), tuple(self.problems.values()))

    def _window(self, window_s: float) -> None:
        if self.site.prompts and self.policy.steps[0].asks_only and self.alert.resident_id is not None:
            self._note("asked", step=1, name=self.policy.steps[0].name)
        self.now_ns += int(window_s * NS)

    def _tell(self, climbed: Climb) -> str:
        """Tell, and let time pass until the next; the reason for which it comes."""
        telling = climbed.telling
        if telling is None:
            return escalation.WAITED
        routes = [*telling.routes, *(self.routes.values() if telling.card else ())]
        told = tuple({route.key: self._who(route) for route in routes}.values())
        for route in telling.routes:
            self.told.setdefault(route.key, telling.step)
            self.routes.setdefault(route.key, route)
        number = telling.step + 1
        self._note("told", step=number, name=self.policy.steps[telling.step].name, told=told, card120=telling.card)
        for one in told:
            if not one.reachable:
                self._problem(Problem(UNREACHABLE, number, one.contact, one.channel, self.now_ns))
        wait_s = telling.left
        if told and not any(one.reachable for one in told):
            early_s = sum(WAITS_S[self.alert.priority][: UNREACHED_AFTER - 1])
            if early_s < wait_s:
                self.now_ns += int(early_s * NS)
                return escalation.UNDELIVERED
        self.now_ns += int(wait_s * NS)
        return escalation.WAITED

    def _again(self) -> None:
        again_s = self.policy.again_s or self.site.timing.again_s(self.alert.priority)
        if again_s is not None:
            self._note("again", every_s=again_s, told=tuple(map(self._who, self.routes.values())))
        if not any(one.reachable for event in self.events for one in event.told):
            self._problem(Problem(NOBODY_AT_ALL))

    def _resolve(self, index: int) -> Resolved:
        around = Around(
            self.site.contacts, self.site.plan, self.now_ns, self.site.zone, self.technical, self.site.assist,
            told=lambda: self.told,
        )  # fmt: skip
        step = self.policy.steps[index]
        found = resolve(step, index, around)
        for one in found.missing:
            if one.why != "no_prompt" and not (one.target == "others" and self.told):
                self._problem(Problem(NOBODY, index + 1, one.target, one.why, self.now_ns))
        return found

    def _passed(self, climbed: Climb) -> None:
        for one in climbed.passed:
            self._note("passed", step=one.step + 1, name=self.policy.steps[one.step].name)

    def _who(self, route: Route) -> Told:
        channels = self.site.channels
        return Told(route.contact, route.channel, channels is None or route.channel in channels)

    def _note(
        self,
        what: str,
        *,
        step: int | None = None,
        name: str = "",
        told: tuple[Told, ...] = (),
        card120: bool = False,
        every_s: float | None = None,
    ) -> None:
        after_s = (self.now_ns - self.begun_ns) / NS
        self.events.append(Event(after_s, self.now_ns, what, step, name, told, card120, every_s))

    def _problem(self, problem: Problem) -> None:
        self.problems.setdefault((problem.what, problem.target, problem.why), problem)
