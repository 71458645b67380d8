"""Who is told about an alert: the policy that is chosen for it, and the people whom its steps mean at a moment.

Reads the registry and the plan within the transaction that tells; everything is decided in `policy`, `oncall`,
`targets` and `escalation`, which are pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from gateway.alerts.plan_book import PlanBook
from gateway.alerts.policy import TEST_ALERT, TEST_POLICY, Facts, Plan, Policy, Timing, choose
from gateway.alerts.prompts import Prompts
from gateway.alerts.targets import Around, Route
from gateway.registry import contacts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy.orm import Session

    from gateway.alerts.alert import Alert
    from gateway.alerts.targets import Key
    from gateway.registry import Contact

__all__ = ["ASSIST", "CHINA", "WEBHOOK", "ContactRouter", "Route"]

ASSIST = "assist"
WEBHOOK = "webhook"
CHINA = ZoneInfo("Asia/Shanghai")


class ContactRouter:
    """Chooses policies and resolves steps by the registry.

    assist: the way to the 助急 service, None where there is none. plans: the plan in force. prompts: the ways of
    asking a resident on the spot.
    """

    def __init__(
        self,
        *,
        assist: Route | None = None,
        timing: Timing | None = None,
        plans: PlanBook | None = None,
        zone: ZoneInfo = CHINA,
        prompts: Prompts | None = None,
    ) -> None:
        self.assist = assist
        self.plans = plans or PlanBook()
        self.prompts = prompts or Prompts()
        self.timing = timing or Timing()
        self.zone = zone

    def plan(self, session: Session) -> Plan:
        """The plan in force."""
        return self.plans(session)

    def policy(self, plan: Plan, alert: Alert, now_ns: int) -> Policy:
        """The policy of an alert that opens now."""
        if alert.kind == TEST_ALERT:
            return TEST_POLICY
        return choose(plan, facts_of(alert), now_ns, self.zone, self.timing)

    def contacts(self, session: Session, resident_id: str | None) -> list[Contact]:
        """Everybody of a resident and of the site who may be told."""
        return contacts_of(session, resident_id)

    def around(
        self,
        alert: Alert,
        plan: Plan,
        contacts: list[Contact],
        now_ns: int,
        told: Callable[[], Mapping[Key, int]],
    ) -> Around:
        """What the steps of an alert are resolved against now."""
        asks = alert.resident_id is not None and not alert.state.answered and self.prompts(alert.resident_id)
        return Around(
            contacts=contacts,
            plan=plan,
            at_ns=now_ns,
            zone=self.zone,
            technical=facts_of(alert).technical,
            assist=self.assist,
            prompts=asks,
            told=told,
        )


def facts_of(alert: Alert) -> Facts:
    """What of an alert its policy is chosen by."""
    return Facts(alert.kind, alert.priority, alert.resident_id)
