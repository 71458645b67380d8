"""What a plan names and the registry does not know: told as a warning, because either may be written first. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.alerts.policy import CONTACT, ONCALL, ROLE, WORDS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from gateway.alerts.policy import Plan
    from gateway.registry import Contact

Words = tuple[str, str]
"""Chinese and English."""


def unknown_names(plan: Plan, contacts: Sequence[Contact], residents: Collection[str]) -> list[Words]:
    """One warning for each name. contacts: active ones of everybody. residents: ids."""
    return list(dict.fromkeys([*_in_policies(plan, contacts, residents), *_in_schedules(plan, contacts)]))


def _in_policies(plan: Plan, contacts: Sequence[Contact], residents: Collection[str]) -> Iterator[Words]:
    ids, roles = {one.id for one in contacts}, {one.role.casefold() for one in contacts}
    for policy in plan.policy:
        for target in (target for step in policy.steps for target in step.targets):
            role = target.removeprefix(ROLE).casefold() in roles and not target.startswith(CONTACT)
            contact = target.removeprefix(CONTACT) in ids
            if not (target in WORDS or target.startswith(ONCALL) or role or contact):
                yield (
                    f"方案 {policy.name}：没有联系人或角色 {target}",
                    f"policy {policy.name}: no contact and no role is {target}",
                )
        for one in sorted(set(policy.residents) - set(residents)):
            yield f"方案 {policy.name}：没有老人 {one}", f"policy {policy.name}: there is no resident {one}"


def _in_schedules(plan: Plan, contacts: Sequence[Contact]) -> Iterator[Words]:
    ids = {one.id for one in contacts}
    for schedule in plan.schedule:
        rotations = (*schedule.rotation, *schedule.holiday_rotation)
        people = [person for rotation in rotations for person in rotation.people]
        people += [one.person for one in schedule.override]
        for one in sorted({contact for person in people for contact in person} - ids):
            yield f"值班表 {schedule.name}：没有联系人 {one}", f"schedule {schedule.name}: there is no contact {one}"
