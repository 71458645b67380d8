"""Writes what happened to alerts, all within one transaction: alert, history, audit row and outbox rows.

What a caller of the service sees afterwards (changes for the live stream, closed episodes, whether there is something
to send) is gathered here and handed out only once the transaction is on disk.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gateway.alerts import escalation, lifecycle, outbox, prompts, records
from gateway.alerts import policy as policies
from gateway.alerts.alert import SYSTEM, Alert, Entry, EntryType, Outcome, State, Step
from gateway.alerts.routing import facts_of
from gateway.alerts.targets import Route, resolve, unique
from gateway.audit import append_audit, digest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.orm import Session

    from gateway.alerts.escalation import Telling
    from gateway.alerts.payload import PayloadBuilder
    from gateway.alerts.policy import Plan, Policy
    from gateway.alerts.routing import ContactRouter
    from gateway.alerts.targets import Around, Resolved
    from gateway.registry import Contact

NS = 1_000_000_000
ANSWERS = (EntryType.ACKNOWLEDGED, EntryType.EN_ROUTE, EntryType.ON_SCENE)
ENDS = (EntryType.RESOLVED, EntryType.CANCELLED)


@dataclass(frozen=True, slots=True)
class AlertChange:
    """What listeners get, after it is on disk: the alert as it is now and the new lines of its history."""

    alert: Alert
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """How this site routes and words its alerts."""

    router: ContactRouter
    payloads: PayloadBuilder


class Recorder:
    """One transaction's worth of changes. via: the target (channel, contact) that caused them, if one did."""

    def __init__(self, session: Session, now_ns: int, rules: Rules, via: tuple[str, str] | None = None) -> None:
        self.session = session
        self.now_ns = now_ns
        self._rules = rules
        self._via = via
        self._plan: Plan | None = None
        self._contacts: dict[str | None, list[Contact]] = {}
        self._policies: dict[str, Policy] = {}
        self._told_now: set[tuple[str, str, str]] = set()
        self.changes: list[AlertChange] = []
        self.to_send = False

    # What happened

    def save(self, step: Step, telling: Telling | None = None) -> Alert:
        """Write a step, with everything that follows from it. A step without entries changes nothing."""
        if not step.entries:
            return step.alert
        step, due = self._scheduled(step)
        telling = telling or due
        alert = step.alert
        new = step.entries[0].type is EntryType.OPENED
        records.store(self.session, alert, new=new)
        for entry in step.entries:
            self._write(alert, entry)
        self.session.flush()
        self.changes.append(AlertChange(alert, step.entries))
        for entry in step.entries:
            if telling is not None and entry.type in (EntryType.RAISED, EntryType.ESCALATED):
                self._carry_out(alert, telling)
                telling = None
            self._follow(alert, entry, new=new)
        return alert

    def climb(self, alert: Alert, why: str) -> Alert:
        """The next turn, repetition or step of a raised alert that waits for a person."""
        climbed = escalation.climb(alert, self._policy(alert), self._resolver(alert), self.now_ns, why=why)
        if climbed.telling is None and not climbed.passed:
            records.store(self.session, climbed.alert)
            return climbed.alert
        if climbed.telling is not None and climbed.telling.card:
            climbed = replace(climbed, alert=replace(climbed.alert, repeat_at_ns=self._next_repeat_ns(alert)))
        return self.save(escalation.escalated(climbed, self.now_ns, why=why), climbed.telling)

    def repeat(self, alert: Alert) -> Alert:
        """Everybody is told again, and the next time is set."""
        untold = not outbox.told_steps(self.session, alert.id)
        next_at_ns = self._next_repeat_ns(alert, untold=untold)
        return self.save(lifecycle.repeated(alert, self.now_ns, next_at_ns=next_at_ns))

    def audit(self, action: str, alert_id: str, **detail: Any) -> None:
        """Add an audit row about an alert."""
        append_audit(
            self.session,
            at_ns=self.now_ns,
            actor=SYSTEM,
            action=action,
            subject=f"alert:{alert_id}",
            detail=detail,
        )

    # When what is next

    def _scheduled(self, step: Step) -> tuple[Step, Telling | None]:
        """The step with its times, and whom to tell because of it."""
        types = [entry.type for entry in step.entries]
        telling: Telling | None = None
        if EntryType.OPENED in types:
            step = self._with_policy(step)
        if EntryType.RAISED in types:
            step, telling = self._begun(step)
        elif EntryType.REOPENED in types:
            step, telling = self._begun_again(step)
        answers = [entry for entry in step.entries if entry.type in ANSWERS]
        if answers and step.alert.state.open:
            step = Step(self._answered(step.alert, answers[-1].who), step.entries)
        return step, telling

    def _with_policy(self, step: Step) -> Step:
        policy = self._rules.router.policy(self._current_plan(), step.alert, self.now_ns)
        self._policies[step.alert.id] = policy
        return Step(replace(step.alert, policy=policy.name, plan=policies.plain(policy)), step.entries)

    def _begun(self, step: Step) -> tuple[Step, Telling | None]:
        """The first step is taken with the raising itself: its line of history says whom it tells."""
        alert = step.alert
        climbed = escalation.climb(alert, self._policy(alert), self._resolver(alert), self.now_ns)
        detail = escalation.described(climbed)
        entries = tuple(
            replace(entry, detail={**entry.detail, **detail}) if entry.type is EntryType.RAISED else entry
            for entry in step.entries
        )
        begun = replace(climbed.alert, repeat_at_ns=self._next_repeat_ns(alert, untold=climbed.telling is None))
        if alert.state.answered:
            begun = replace(begun, step_at_ns=None, repeat_at_ns=None)
        elif alert.asked_ns is not None and alert.prompt is None and begun.step_at_ns is not None:
            begun = replace(begun, step_at_ns=self.now_ns)
        step = Step(begun, entries)
        if climbed.telling is None:
            step = step.then(lifecycle.record(begun, EntryType.NO_ROUTE, SYSTEM, self.now_ns, detail))
        return step, climbed.telling

    def _begun_again(self, step: Step) -> tuple[Step, Telling | None]:
        """Raised again: it goes on at the step after the one that reached whoever had answered."""
        alert = escalation.back_to_answer(step.alert)
        climbed = escalation.climb(
            alert, self._policy(alert), self._resolver(alert), self.now_ns, why=escalation.REOPENED
        )
        repeat_at_ns = self._next_repeat_ns(alert)
        reopen_at_ns = self._reopen_ns(alert) if repeat_at_ns is None else None
        begun = replace(climbed.alert, repeat_at_ns=repeat_at_ns, reopen_at_ns=reopen_at_ns)
        more = escalation.escalated(replace(climbed, alert=begun), self.now_ns, why=escalation.REOPENED)
        return Step(step.alert, step.entries).then(more), climbed.telling

    def _answered(self, alert: Alert, who: str) -> Alert:
        at_ns, step = self._reopen_ns(alert), self._step_of(alert, who)
        return replace(alert, answer_step=step, reopen_at_ns=at_ns, scheduled_ns=self.now_ns)

    def _step_of(self, alert: Alert, who: str) -> int:
        """The step that first reached whoever answered, where that is known; else the one it has come to."""
        told = outbox.told_steps(self.session, alert.id)
        names = {contact.name: (contact.channel, contact.id) for contact in self._people(alert.resident_id)}
        key = self._via or names.get(who)
        return told.get(key, alert.step) if key is not None else alert.step

    def _next_repeat_ns(self, alert: Alert, *, untold: bool = False) -> int | None:
        """When everybody is told again. untold: nobody could be told, so it is looked again at least each day or so."""
        timing = self._rules.router.timing
        again_s = self._policy(alert).again_s or timing.again_s(alert.priority)
        if again_s is None and untold:
            again_s = timing.reopen_s(alert.priority)
        return None if again_s is None else self.now_ns + int(again_s * NS)

    def _reopen_ns(self, alert: Alert) -> int | None:
        reopen_s = self._rules.router.timing.reopen_s(alert.priority)
        return None if reopen_s is None else self.now_ns + int(reopen_s * NS)

    # Whom a step means

    def _resolver(self, alert: Alert) -> escalation.Resolve:
        policy, around = self._policy(alert), self._around(alert)

        def resolver(index: int) -> Resolved:
            return resolve(policy.steps[index], index, around)

        return resolver

    def _around(self, alert: Alert) -> Around:
        return self._rules.router.around(
            alert,
            self._current_plan(),
            self._people(alert.resident_id),
            self.now_ns,
            lambda: outbox.told_steps(self.session, alert.id),
        )

    def _people(self, resident_id: str | None) -> list[Contact]:
        if resident_id not in self._contacts:
            self._contacts[resident_id] = self._rules.router.contacts(self.session, resident_id)
        return self._contacts[resident_id]

    def _current_plan(self) -> Plan:
        if self._plan is None:
            self._plan = self._rules.router.plan(self.session)
        return self._plan

    def _policy(self, alert: Alert) -> Policy:
        if alert.id not in self._policies:
            self._policies[alert.id] = policies.kept(alert.plan) if alert.plan else self._built_in(alert)
        return self._policies[alert.id]

    def _built_in(self, alert: Alert) -> Policy:
        facts = facts_of(alert)
        return policies.built_in(facts.priority, facts.technical, self._rules.router.timing)

    # What is written and sent

    def _write(self, alert: Alert, entry: Entry) -> None:
        records.store_entry(self.session, alert.id, entry)
        content = [entry.type, entry.who, entry.note, entry.detail]
        detail = {"revision": entry.revision, "from": entry.from_state, "to": entry.to_state, "digest": digest(content)}
        append_audit(
            self.session,
            at_ns=entry.at_ns,
            actor=entry.who,
            action=f"alert.{entry.type.value}",
            subject=f"alert:{alert.id}",
            detail=detail,
        )

    def _carry_out(self, alert: Alert, telling: Telling) -> None:
        routes = telling.routes
        if telling.card:
            on_its_way = outbox.waiting_targets(self.session, alert.id)
            told = outbox.told(self.session, alert.id, and_waiting=True)
            routes = unique((*(route for route in told if route.key not in on_its_way), *routes))
            outbox.refresh(self.session, alert.id, self._rules.payloads.build(self.session, alert, outbox.RAISED))
        fresh = [route for route in routes if (alert.id, *route.key) not in self._told_now]
        self._send(alert, outbox.RAISED, fresh, alert.telling, step=telling.step)

    def _ask(self, alert: Alert) -> None:
        """The resident is asked within the cancel window, where the policy begins with that and there is a way."""
        resident, first = alert.resident_id, self._policy(alert).steps[0]
        if resident is None or alert.state is not State.SUSPECTED or alert.held or policies.PROMPT not in first.targets:
            return
        if self._rules.router.prompts(resident):
            self._send(alert, outbox.PROMPT, [Route(prompts.CHANNEL, resident)], 0)

    def _follow(self, alert: Alert, entry: Entry, *, new: bool) -> None:
        if entry.type is EntryType.OPENED:
            self._ask(alert)
        elif entry.type is EntryType.RAISED:
            if not new:  # what is raised as it opens was never asked about
                outbox.withdraw_prompts(self.session, alert.id)
        elif entry.type is EntryType.PROMPTED and alert.prompt is not None and alert.state.open:
            self._tell(alert, outbox.UPDATED, entry.revision)
        elif entry.type is EntryType.REPEATED:
            self._again(alert, entry.revision)
        elif entry.type is EntryType.REOPENED:
            told = outbox.told(self.session, alert.id, and_waiting=True)
            self._send(alert, outbox.RAISED, told, entry.revision, step=max(alert.answer_step, 0))
        elif entry.type in ANSWERS:
            outbox.withdraw_unsent(self.session, alert.id, reason="answered")
            if self._via is not None:
                outbox.mark_acknowledged(self.session, alert.id, *self._via)
            self._tell(alert, outbox.UPDATED, entry.revision, and_waiting=True)
        elif entry.type is EntryType.CONFIRMED and entry.from_state is not State.SUSPECTED:
            self._tell(alert, outbox.UPDATED, entry.revision)
        elif entry.type in ENDS:
            stand_down = entry.type is EntryType.CANCELLED or alert.outcome is Outcome.FALSE_ALARM
            outbox.withdraw_all(self.session, alert.id)
            self._tell(alert, outbox.CANCELLED if stand_down else outbox.RESOLVED, entry.revision)

    def _again(self, alert: Alert, number: int) -> None:
        """Everybody told so far; and once all steps are taken, whoever a step means by now (a new shift ...)."""
        on_its_way = outbox.waiting_targets(self.session, alert.id)
        everybody: Iterable[Route] = outbox.told(self.session, alert.id)
        if alert.step_at_ns is None:
            resolver = self._resolver(alert)
            now = (route for index in range(len(self._policy(alert).steps)) for route in resolver(index).routes)
            everybody = unique((*everybody, *now))
        self._send(alert, outbox.RAISED, [route for route in everybody if route.key not in on_its_way], number)

    def _tell(self, alert: Alert, event: str, number: int, *, and_waiting: bool = False) -> None:
        """Everyone who has been told, but not the one from whom we have it."""
        told = outbox.told(self.session, alert.id, and_waiting=and_waiting)
        self._send(alert, event, [route for route in told if route.key != self._via], number)

    def _send(self, alert: Alert, event: str, routes: Iterable[Route], number: int, *, step: int | None = None) -> None:
        unlike = unique(list(routes))
        if not unlike:
            return
        payload = self._rules.payloads.build(self.session, alert, event)
        outbox.enqueue(
            self.session, alert, event, unlike, payload, self.now_ns, number, alert.step if step is None else step
        )
        if event == outbox.RAISED:
            self._told_now |= {(alert.id, *route.key) for route in unlike}
        self.to_send = True
