"""From the targets of a step to the contacts they mean at this moment. Pure: who there is, is an argument.

A target that means nobody is a `Missing` with its reason, for the record and for `yinling policy check`. Only contacts
of the resident concerned and of the site are ever found.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.alerts import policy as words
from gateway.alerts.oncall import who

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from gateway.alerts.policy import Plan, PolicyStep
    from gateway.registry import Contact

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Route:
    """One contact to tell through one channel."""

    channel: str
    contact: str
    address: str = ""

    @property
    def key(self) -> Key:
        """What tells it apart from every other."""
        return self.channel, self.contact


@dataclass(frozen=True, slots=True)
class Missing:
    """A target that means nobody now.

    why: nobody_on_call, no_contact, no_assist, no_prompt, no_schedule or nobody_told.
    """

    target: str
    why: str


@dataclass(frozen=True, slots=True)
class Around:
    """What a step is resolved against.

    contacts: active ones of the resident, then of the site, each in their order. technical: an alert about a device,
    of which the resident's own contacts are told only by name or role. told: whom the alert has told, and in which
    step first. prompts: the resident can be asked on the spot now.
    """

    contacts: Sequence[Contact]
    plan: Plan
    at_ns: int
    zone: ZoneInfo
    technical: bool = False
    assist: Route | None = None
    prompts: bool = False
    told: Callable[[], Mapping[Key, int]] = field(default=dict)


@dataclass(frozen=True, slots=True)
class Resolved:
    """Whom a step means: groups in the order of their turns, and the targets that mean nobody.

    card: everybody told so far is told again, with the text for 120. prompt: the resident is to be asked.
    """

    groups: tuple[tuple[Route, ...], ...] = ()
    missing: tuple[Missing, ...] = ()
    card: bool = False
    prompt: bool = False

    @property
    def routes(self) -> tuple[Route, ...]:
        """Everybody, each once."""
        return unique(route for group in self.groups for route in group)


def unique(routes: Iterator[Route] | Sequence[Route]) -> tuple[Route, ...]:
    """Each target once, the first mention counts."""
    found: dict[Key, Route] = {}
    for route in routes:
        found.setdefault(route.key, route)
    return tuple(found.values())


def resolve(step: PolicyStep, index: int, around: Around) -> Resolved:
    """Whom this step (the index-th of its policy) means at `around.at_ns`."""
    groups: list[tuple[Route, ...]] = []
    missing: list[Missing] = []
    for target in step.targets:
        if target == words.CARD:
            continue
        if target == words.PROMPT:
            missing += [] if around.prompts else [Missing(target, "no_prompt")]
            continue
        found, why = _meant(target, index, around)
        groups += [group for group in found if group]
        if not any(found):
            missing.append(Missing(target, why))
    card = words.CARD in step.targets and bool(groups or around.told())
    if words.CARD in step.targets and not card:
        missing.append(Missing(words.CARD, "nobody_told"))
    return Resolved(tuple(groups), tuple(missing), card, words.PROMPT in step.targets and around.prompts)


def _meant(target: str, index: int, around: Around) -> tuple[list[tuple[Route, ...]], str]:
    """The groups of a target, and why it means nobody if it does."""
    if target == words.ASSIST:
        return ([(around.assist,)] if around.assist else []), "no_assist"
    if target == words.FIRST:
        return _by_order(around)[:1], "no_contact"
    if target == words.OTHERS:
        told = around.told()
        later = [tuple(r for r in group if told.get(r.key, index) >= index) for group in _by_order(around)]
        return later, "no_contact"
    if target.startswith(words.ONCALL):
        return _on_call(target.removeprefix(words.ONCALL), around)
    return _named(target, around), "no_contact"


def _by_order(around: Around) -> list[tuple[Route, ...]]:
    """First the first of the resident's and of the site's contacts together, then the second of each, and so on."""
    groups: list[list[Route]] = []
    for own in (True, False):
        if own and around.technical:
            continue
        chain = [contact for contact in around.contacts if (contact.resident_id is not None) is own]
        orders = sorted({contact.order for contact in chain})
        groups += [[] for _ in range(len(orders) - len(groups))]
        for contact in chain:
            groups[orders.index(contact.order)].append(_route(contact))
    return [tuple(group) for group in groups]


def _on_call(name: str, around: Around) -> tuple[list[tuple[Route, ...]], str]:
    schedule = around.plan.schedule_of(name)
    if schedule is None:
        return [], "no_schedule"
    duty = who(schedule, around.at_ns, around.zone)
    if duty is None:
        return [], "nobody_on_call"
    return [tuple(_route(contact) for contact in around.contacts if contact.id in duty.people)], "no_contact"


def _named(target: str, around: Around) -> list[tuple[Route, ...]]:
    by_id = [contact for contact in around.contacts if contact.id == target.removeprefix(words.CONTACT)]
    if target.startswith(words.CONTACT) or (by_id and not target.startswith(words.ROLE)):
        return [tuple(_route(contact) for contact in by_id)]
    role = target.removeprefix(words.ROLE).casefold()
    mine = [contact for contact in around.contacts if contact.role.casefold() == role]
    orders = sorted({contact.order for contact in mine})
    return [tuple(_route(contact) for contact in mine if contact.order == order) for order in orders]


def _route(contact: Contact) -> Route:
    return Route(contact.channel, contact.id, contact.address)
