"""Who is told about an alert, through which channel, and after how long.

The 助急 service is told from the start, in parallel with the first contact of the resident and of the site; each
later contact is told when nobody has acknowledged in time. Times follow common Chinese practice for dispatch
centres (next contact after 60 s for the most urgent, 10 min for the next), and can be set for each site.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from analytics.kinds import KINDS, Priority
from gateway.registry import contacts_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gateway.alerts.lifecycle import Alert
    from gateway.registry import Contact

ASSIST = "assist"
WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True)
class Route:
    """One contact to tell, `after_s` seconds after the alert was raised unless someone acknowledged before."""

    channel: str
    contact: str
    address: str = ""
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Escalation:
    """step_s: seconds between one contact and the next. repeat_s: seconds until all are told again; None: never."""

    step_s: Mapping[Priority, float] = field(
        default_factory=lambda: {Priority.HIGH: 60.0, Priority.MEDIUM: 600.0, Priority.LOW: 3600.0}
    )
    repeat_s: Mapping[Priority, float | None] = field(
        default_factory=lambda: {Priority.HIGH: 60.0, Priority.MEDIUM: 600.0, Priority.LOW: None}
    )


class Router(Protocol):
    """Decides who is told."""

    def routes(self, session: Session, alert: Alert) -> list[Route]:
        """Everyone to tell, in any order. Called within the transaction that raises the alert."""


class ContactRouter:
    """Routes by the registry: 助急 service for what concerns a person; contacts in their order.

    Technical alerts go to the contacts of the site only.
    """

    def __init__(self, *, assist: Route | None = None, escalation: Escalation | None = None) -> None:
        self._assist = assist
        self._escalation = escalation or Escalation()

    def routes(self, session: Session, alert: Alert) -> list[Route]:
        kind = KINDS.get(alert.kind)
        technical = kind is not None and kind.technical
        contacts = contacts_of(session, None if technical else alert.resident_id)
        step_s = self._escalation.step_s[alert.priority]
        routes = [] if technical or self._assist is None else [self._assist]
        for chain in (
            [contact for contact in contacts if contact.resident_id is not None],
            [contact for contact in contacts if contact.resident_id is None],
        ):
            routes += _chain(chain, step_s)
        return routes


def _chain(contacts: list[Contact], step_s: float) -> list[Route]:
    orders = sorted({contact.order for contact in contacts})
    return [
        Route(contact.channel, contact.id, contact.address, orders.index(contact.order) * step_s)
        for contact in contacts
    ]
