"""The alert service: takes findings, keeps deadlines, takes people's answers; all durable before anything is sent.

    AlertError
    +-- UnknownAlertError    no alert of this id

and the errors of `gateway.alerts.lifecycle` for answers that an alert cannot take. Safe to call from any thread.
"""

from __future__ import annotations

import logging
import math
import random
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select

from analytics.findings import Evidence, Finding, Phase
from analytics.kinds import KINDS
from gateway.alerts import escalation, holds, lifecycle, oncall_watch, outbox, records
from gateway.alerts.alert import CLOCK_STEP_NS, Alert, Outcome, State
from gateway.alerts.answers import Answer, External, ExternalResult, Via, answered, remember_callback, seen_before
from gateway.alerts.recorder import AlertChange, Recorder, Rules
from gateway.alerts.records import AlertFilter, Page
from gateway.audit import AuditReport, append_audit, canonical, verify_audit
from gateway.channels.base import Accepted, Dispatch, Refused
from gateway.models import CallbackRow, SettingRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy.orm import Session

    from gateway.alerts.alert import Entry
    from gateway.alerts.payload import PayloadBuilder
    from gateway.alerts.routing import ContactRouter
    from gateway.database import Database

__all__ = [
    "AlertError",
    "AlertService",
    "Answer",
    "External",
    "ExternalResult",
    "Take",
    "Taken",
    "UnknownAlertError",
]

log = logging.getLogger(__name__)

LARGEST_NS = 2**62


class AlertError(LookupError):
    """Something about alerts that cannot be answered."""


class UnknownAlertError(AlertError):
    """There is no alert of this id."""

    def __init__(self, alert_id: str) -> None:
        super().__init__(f"no alert {alert_id!r}")
        self.alert_id = alert_id


class Taken(StrEnum):
    """What became of a finding."""

    OPENED = "opened"
    UPDATED = "updated"
    FOLDED = "folded"
    UNCHANGED = "unchanged"
    CLOSED_BEFORE = "closed_before"
    NOTHING_TO_CLEAR = "nothing_to_clear"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Take:
    """What became of a finding, its alert as it is now (None where there is none), and why it was rejected."""

    taken: Taken
    alert: Alert | None = None
    reason: str | None = None


class AlertService:
    """Everything that changes an alert goes through here.

    closed_episodes: told the episodes of every alert that ends, so that analytics may let go of them.
    cancel_windows: seconds by kind where the site wants others than the table of kinds.
    """

    def __init__(
        self,
        database: Database,
        *,
        router: ContactRouter,
        payloads: PayloadBuilder,
        cancel_windows: Mapping[str, float] | None = None,
        closed_episodes: Callable[[Sequence[str]], None] | None = None,
        limits: holds.Limits | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._limits = limits or holds.Limits()
        self._database = database
        self._rules = Rules(router, payloads)
        self._cancel_windows = dict(cancel_windows or {})
        self._closed_episodes = closed_episodes
        self._rng = rng or random.Random()
        self._listeners: list[Callable[[AlertChange], None]] = []
        self._wakers: list[Callable[[object], None]] = []
        self.router = router
        self.outbox = outbox.Outbox(database)
        self.counts: Counter[str] = Counter()

    # What analytics says

    def take(self, finding: Finding, now_ns: int) -> Take:
        """Take one finding; when this returns, its consequences are on disk."""
        return self.take_many([finding], now_ns)[0]

    def take_many(self, findings: Sequence[Finding], now_ns: int) -> list[Take]:
        """Take findings in order, in one transaction: all are on disk when this returns, or none and it raises."""
        reasons = [_unusable(finding) for finding in findings]
        takes: list[Take] = []
        if any(reason is None for reason in reasons):
            with self._recording(now_ns) as recorder:
                for finding, reason in zip(findings, reasons, strict=True):
                    takes.append(Take(Taken.REJECTED, None, reason) if reason else self._take(recorder, finding))
        else:
            takes = [Take(Taken.REJECTED, None, reason) for reason in reasons]
        self.counts.update(take.taken.value for take in takes)
        return takes

    def tick(self, now_ns: int) -> list[Alert]:
        """Do what is due: raise alerts whose cancel window is over, take the next step and tell again where nobody has
        answered, raise again what was answered and never resolved.

        Returns the alerts that changed. Call it at `next_deadline_ns` and about once a second.
        """
        due = [alert_id for alert_id, at_ns in self._deadlines(now_ns) if at_ns <= now_ns]
        if not due:
            return []
        with self._recording(now_ns) as recorder:
            for alert_id in due:
                self._tick_one(recorder, _loaded(recorder.session, alert_id))
        return [change.alert for change in recorder.changes]

    def next_deadline_ns(self, now_ns: int) -> int | None:
        """When `tick` will next have something to do; None when nothing waits."""
        return min((at_ns for _, at_ns in self._deadlines(now_ns)), default=None)

    def watch_on_call(self, now_ns: int) -> list[Take]:
        """Nobody on call, now or within the day to come, is an alert of its own; it ends when the gap is filled."""
        known: dict[str, frozenset[str]] = {}
        with self._database.read() as session:
            plan = self.router.plan(session)
            for alert in records.open_of_kind(session, oncall_watch.KIND):
                going = (episode for episode, phase in alert.episodes.items() if phase is not Phase.CLEARED)
                known[alert.devices[0]] = known.get(alert.devices[0], frozenset()).union(going)
        findings = oncall_watch.gap_findings(plan, now_ns, self.router.zone, known)
        return self.take_many(findings, now_ns) if findings else []

    # What people say

    def acknowledge(
        self, alert_id: str, who: str, now_ns: int, *, note: str | None = None, via: Via | None = None
    ) -> Alert:
        """A named person takes it. Raises UnknownAlertError, NamelessPersonError or RefusedTransitionError."""
        return self._answer(alert_id, Answer.ACKNOWLEDGED, who, now_ns, note=note, via=via)

    def en_route(
        self, alert_id: str, who: str, now_ns: int, *, note: str | None = None, via: Via | None = None
    ) -> Alert:
        """A named person is on the way. Raises like `acknowledge`."""
        return self._answer(alert_id, Answer.EN_ROUTE, who, now_ns, note=note, via=via)

    def on_scene(
        self, alert_id: str, who: str, now_ns: int, *, note: str | None = None, via: Via | None = None
    ) -> Alert:
        """A named person has arrived. Raises like `acknowledge`."""
        return self._answer(alert_id, Answer.ON_SCENE, who, now_ns, note=note, via=via)

    def resolve(
        self,
        alert_id: str,
        who: str,
        now_ns: int,
        *,
        outcome: Outcome,
        note: str | None = None,
        via: Via | None = None,
    ) -> Alert:
        """A named person says what it was; the alert ends. Raises like `acknowledge`."""
        return self._answer(alert_id, Answer.RESOLVED, who, now_ns, note=note, via=via, outcome=outcome)

    def cancel(self, alert_id: str, who: str, now_ns: int, *, note: str | None = None, via: Via | None = None) -> Alert:
        """A named person says that no help is needed; the alert ends. Raises like `acknowledge`."""
        return self._answer(alert_id, Answer.CANCELLED, who, now_ns, note=note, via=via)

    def answer_prompt(self, alert_id: str, answer: str, now_ns: int) -> Alert:
        """The resident answers on the spot: `prompts.FINE` or `HELP`. Raises like `acknowledge`."""
        with self._recording(now_ns) as recorder:
            alert = _loaded(recorder.session, alert_id)
            who = f"resident:{alert.resident_id}"
            return recorder.save(lifecycle.answer_prompt(alert, answer, who, now_ns))

    def answer_external(
        self, external: External, alert_id: str, answer: Answer, who: str, now_ns: int, **more: Any
    ) -> ExternalResult:
        """Apply a call-back once, however often it comes; more: `outcome`, `note`. Raises UnknownAlertError.

        What the alert cannot take is answered with `applied` False, and remembered too.
        """
        with self._recording(now_ns, external.via) as recorder:
            seen = recorder.session.get(CallbackRow, external.webhook_id)
            if seen is not None:
                return seen_before(seen, external)
            alert = _loaded(recorder.session, alert_id)
            reason = ""
            try:
                recorder.save(answered(alert, answer, who, now_ns, **more))
            except lifecycle.LifecycleError as error:
                reason = str(error)
            remember_callback(recorder.session, external, now_ns, reason)
        return ExternalResult(not reason, repeated=False, reason=reason)

    def seen_external(self, webhook_id: str) -> bool:
        """Whether an answer of this identity has come before."""
        with self._database.read() as session:
            return session.get(CallbackRow, webhook_id) is not None

    # What is not to be told for a while

    def pause(self, resident_id: str, kind: str, seconds: float, *, reason: str, by: str, now_ns: int) -> holds.Silence:
        """New alerts of this kind about this resident wait. Raises NotPausableError."""
        with self._recording(now_ns) as recorder:
            return holds.pause(
                recorder.session, resident_id, kind, seconds, reason=reason, by=by, now_ns=now_ns, limits=self._limits
            )

    def maintain(self, device_id: str | None, seconds: float, *, reason: str, by: str, now_ns: int) -> holds.Silence:
        """New technical alerts of a device (None: of the site) wait. Raises NotPausableError."""
        with self._recording(now_ns) as recorder:
            return holds.maintain(
                recorder.session, device_id, seconds, reason=reason, by=by, now_ns=now_ns, limits=self._limits
            )

    def end_hold(self, hold_id: int, *, by: str, now_ns: int) -> holds.Silence:
        """End a pause or maintenance; what waited for it is raised. Raises UnknownHoldError."""
        with self._recording(now_ns) as recorder:
            silence = holds.end(recorder.session, hold_id, by=by, now_ns=now_ns)
            for alert_id in holds.held_by(recorder.session, silence):
                recorder.save(lifecycle.let_go(_loaded(recorder.session, alert_id), now_ns))
            return silence

    def holds_in_force(self, now_ns: int) -> Sequence[holds.Silence]:
        """Every pause and maintenance in force."""
        with self._database.read() as session:
            return holds.in_force(session, now_ns)

    # What the dispatcher says

    def settle(self, dispatch: Dispatch, result: Accepted | Refused, now_ns: int) -> outbox.RowState | None:
        """Write down how an attempt ended, with what follows for the alert; None when it no longer matters."""
        return self.settle_many([(dispatch, result)], now_ns)[0]

    def settle_many(
        self, ended: Sequence[tuple[Dispatch, Accepted | Refused]], now_ns: int
    ) -> list[outbox.RowState | None]:
        """Like `settle`, in one transaction: all are on disk when this returns, or none and it raises."""
        with self._recording(now_ns) as recorder:
            return [self._settle(recorder, dispatch, result) for dispatch, result in ended]

    def replay(self, row_id: int, *, by: str, now_ns: int) -> bool:
        """An operator has a message tried again that was given up. False when it is not given up."""
        with self._recording(now_ns) as recorder:
            done = outbox.replay(recorder.session, row_id, now_ns)
            if done:
                append_audit(
                    recorder.session, at_ns=now_ns, actor=by, action="dispatch.replayed", subject=f"dispatch:{row_id}"
                )
                recorder.to_send = True
        return done

    # What people see

    def open_alerts(self) -> list[Alert]:
        """Every open alert, the most urgent and then the oldest first."""
        with self._database.read() as session:
            return records.open_alerts(session)

    def get(self, alert_id: str) -> Alert:
        """One alert. Raises UnknownAlertError."""
        with self._database.read() as session:
            return _loaded(session, alert_id)

    def list(self, wanted: AlertFilter | None = None, *, limit: int = 50, offset: int = 0) -> Page:
        """A page of alerts, the newest first."""
        with self._database.read() as session:
            return records.listed(session, wanted or AlertFilter(), limit=limit, offset=offset)

    def history(self, alert_id: str) -> Sequence[Entry]:
        """The history of an alert, the oldest first; empty where unknown."""
        with self._database.read() as session:
            return records.history(session, alert_id)

    def verify_audit(self) -> AuditReport:
        """Recompute the audit chain."""
        with self._database.read() as session:
            return verify_audit(session)

    def listen(self, listener: Callable[[AlertChange], None]) -> Callable[[], None]:
        """Call back after every change, in the thread that made it. Returns how to stop."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def on_outbox(self, waker: Callable[[object], None]) -> Callable[[], None]:
        """Call back (with None), in the thread that made it, when there is something to send. Returns how to stop."""
        self._wakers.append(waker)
        return lambda: self._wakers.remove(waker)

    # Inside

    @contextmanager
    def _recording(self, now_ns: int, via: Via | None = None) -> Iterator[Recorder]:
        with self._database.write() as session:
            recorder = Recorder(session, now_ns, self._rules, via)
            yield recorder
            self._tell_floods(recorder)
        self._publish(recorder)

    def _publish(self, recorder: Recorder) -> None:
        """After the commit. What goes wrong in a listener is its own affair: the change is on disk."""
        if recorder.to_send:
            for waker in tuple(self._wakers):
                self._guarded(waker, None)
        for change in recorder.changes:
            for listener in tuple(self._listeners):
                self._guarded(listener, change)
        ended = [e for c in recorder.changes if not c.alert.state.open for e in c.alert.episodes]
        if ended and self._closed_episodes is not None:
            self._guarded(self._closed_episodes, ended)

    def _guarded(self, listener: Callable[[Any], None], told: Any) -> None:
        try:
            listener(told)
        except Exception:
            self.counts["listener_failed"] += 1
            log.exception("a listener failed")

    def _take(self, recorder: Recorder, finding: Finding) -> Take:
        subject = lifecycle.subject_of(finding)
        known = records.of_episode(recorder.session, subject, finding.kind, finding.episode)
        if known is not None:
            step = lifecycle.see(known, finding, recorder.now_ns)
            if not known.state.open:
                return Take(Taken.CLOSED_BEFORE, known)
            return Take(Taken.UPDATED if step.entries else Taken.UNCHANGED, recorder.save(step))
        if finding.phase is Phase.CLEARED:
            return Take(Taken.NOTHING_TO_CLEAR)
        test = finding.evidence.get("test") is True
        last = records.latest(recorder.session, subject, finding.kind, test=test)
        if last is None or not lifecycle.folds(last, finding):
            window_s = self._cancel_windows.get(finding.kind)
            hold = None if test else holds.hold_for(recorder.session, finding, recorder.now_ns, self._limits)
            step = lifecycle.open_alert(finding, recorder.now_ns, test=test, cancel_window_s=window_s, hold=hold)
            return Take(Taken.OPENED, recorder.save(step))
        if not last.state.open:
            records.remember(recorder.session, last, finding.episode, finding.phase)
            return Take(Taken.CLOSED_BEFORE, last)
        return Take(Taken.FOLDED, recorder.save(lifecycle.see(last, finding, recorder.now_ns)))

    def _tell_floods(self, recorder: Recorder) -> None:
        """What is kept back as part of a flood is told by the alert for all of it, when it comes and when it ends."""
        members: dict[str, list[Finding]] = {}
        named: dict[str, list[str]] = {}
        for change in recorder.changes:
            alert = change.alert
            left = any(entry.detail.get("held") == holds.GROUPED for entry in change.entries)
            if alert.held != holds.GROUPED and not left:
                continue
            if alert.kind not in named:
                named[alert.kind] = holds.held_devices(recorder.session, alert.kind)
            phase = Phase.CONFIRMED if alert.state.open and not left else Phase.CLEARED
            finding = holds.group_finding(alert, phase, recorder.now_ns, named[alert.kind])
            members.setdefault(alert.kind, []).append(finding)
        for findings in members.values():
            self._take_together(recorder, findings)

    def _take_together(self, recorder: Recorder, findings: Sequence[Finding]) -> None:
        """Findings of one subject and kind as `_take` would take them, but what one alert gains is written once."""
        step = self._latest_open(recorder, findings[0])
        for finding in findings:
            if step is not None and _joins(recorder.session, step.alert, finding):
                step = step.then(lifecycle.see(step.alert, finding, recorder.now_ns))
                continue
            if step is not None:
                recorder.save(step)
            self._take(recorder, finding)
            step = self._latest_open(recorder, finding)
        if step is not None:
            recorder.save(step)

    def _latest_open(self, recorder: Recorder, finding: Finding) -> lifecycle.Step | None:
        """Nothing yet of the alert that findings like this would join; None where there is no open one."""
        last = records.latest(recorder.session, lifecycle.subject_of(finding), finding.kind, test=False)
        return lifecycle.Step(last) if last is not None and last.state.open else None

    def _answer(self, alert_id: str, answer: Answer, who: str, now_ns: int, *, via: Via | None, **more: Any) -> Alert:
        with self._recording(now_ns, via) as recorder:
            return recorder.save(answered(_loaded(recorder.session, alert_id), answer, who, now_ns, **more))

    def _deadlines(self, now_ns: int) -> Sequence[tuple[str, int]]:
        with self._database.read() as session:
            return records.deadlines(session, now_ns)

    def _tick_one(self, recorder: Recorder, alert: Alert) -> None:
        now_ns, set_back = recorder.now_ns, recorder.now_ns < alert.scheduled_ns - CLOCK_STEP_NS
        if alert.state is State.SUSPECTED:
            recorder.save(lifecycle.expire(alert, now_ns))
            return

        def due(at_ns: int | None) -> bool:
            return at_ns is not None and (set_back or at_ns <= now_ns)

        repeat, reopen = due(alert.repeat_at_ns), due(alert.reopen_at_ns)
        if due(alert.step_at_ns):
            silent = alert.asked_ns is not None and alert.step_at_ns == alert.raised_ns
            alert = recorder.climb(alert, escalation.NO_ANSWER if silent else escalation.WAITED)
            repeat = repeat and due(alert.repeat_at_ns)
        if repeat:
            recorder.repeat(alert)
        if reopen:
            recorder.save(lifecycle.reopened(alert, now_ns))

    def _settle(self, recorder: Recorder, dispatch: Dispatch, result: Accepted | Refused) -> outbox.RowState | None:
        settled = outbox.settle(recorder.session, dispatch, result, recorder.now_ns, self._rng)
        if settled is None:
            return None
        if isinstance(result, Accepted):
            self._accepted(recorder, dispatch)
        else:
            if result.gone:
                outbox.disable(recorder.session, dispatch.channel, dispatch.contact, recorder.now_ns)
            if settled.report and dispatch.event != outbox.PROMPT:
                self._report_outage(recorder, dispatch, result.error)
            self._unreached(recorder, dispatch)
        return settled.state

    def _accepted(self, recorder: Recorder, dispatch: Dispatch) -> None:
        session, channel, contact = recorder.session, dispatch.channel, dispatch.contact
        recorder.audit(
            "dispatch.accepted",
            dispatch.alert_id,
            channel=channel,
            contact=contact,
            event=dispatch.event,
            attempt=dispatch.attempt,
            key=dispatch.idempotency_key,
        )
        if dispatch.event == outbox.PROMPT:
            recorder.save(lifecycle.asked(_loaded(session, dispatch.alert_id), recorder.now_ns))
        if dispatch.event == outbox.RAISED:
            alert = _loaded(session, dispatch.alert_id)
            recorder.save(lifecycle.delivered(alert, recorder.now_ns, channel=channel, contact=contact))
        outbox.enable(session, channel, contact)
        outage = session.scalars(
            select(SettingRow).where(SettingRow.key == outbox.outage_key(channel, contact))
        ).first()
        if outage is not None:
            episode = outage.value
            session.execute(delete(SettingRow).where(SettingRow.key == outage.key))
            self._take(recorder, _outage(episode, dispatch, recorder.now_ns, Phase.CLEARED, ""))
            recorder.to_send |= outbox.revive(session, channel, contact, recorder.now_ns) > 0

    def _unreached(self, recorder: Recorder, dispatch: Dispatch) -> None:
        """Where nobody of the latest step can be reached, the next does not wait."""
        alert = _loaded(recorder.session, dispatch.alert_id)
        if dispatch.event != outbox.RAISED or not alert.waiting or alert.step_at_ns is None:
            return
        if outbox.telling_failed(recorder.session, alert.id, alert.telling):
            recorder.climb(alert, escalation.UNDELIVERED)

    def _report_outage(self, recorder: Recorder, dispatch: Dispatch, error: str) -> None:
        key = outbox.outage_key(dispatch.channel, dispatch.contact)
        if recorder.session.get(SettingRow, key) is not None:
            return
        episode = f"delivery:{dispatch.channel}:{dispatch.contact}:{dispatch.id}:{dispatch.attempt}"
        recorder.session.add(SettingRow(key=key, value=episode, updated_ns=recorder.now_ns))
        recorder.session.flush()
        self._take(recorder, _outage(episode, dispatch, recorder.now_ns, Phase.CONFIRMED, error))


def _loaded(session: Session, alert_id: str) -> Alert:
    alert = records.load(session, alert_id)
    if alert is None:
        raise UnknownAlertError(alert_id)
    return alert


def _joins(session: Session, alert: Alert, finding: Finding) -> bool:
    """Whether the latest alert of its subject and kind takes it."""
    if finding.episode in alert.episodes:
        return True
    if not alert.state.open or finding.phase is Phase.CLEARED or not lifecycle.folds(alert, finding):
        return False
    return records.of_episode(session, alert.subject, alert.kind, finding.episode) is None


def _outage(episode: str, dispatch: Dispatch, now_ns: int, phase: Phase, error: str) -> Finding:
    evidence: dict[str, Evidence] = {
        "channel": dispatch.channel,
        "contact": dispatch.contact,
        "attempts": dispatch.attempt,
        "error": error,
    }
    return Finding(episode, "delivery_failed", None, now_ns, phase, 1.0, (), evidence)


def _unusable(finding: Finding) -> str | None:
    """Why a finding cannot be taken, None where it can."""
    if finding.kind not in KINDS:
        return f"unknown kind {finding.kind!r}"
    if finding.phase not in tuple(Phase):
        return f"unknown phase {finding.phase!r}"
    if not finding.episode:
        return "no episode"
    if not 0 <= finding.at_ns < LARGEST_NS:
        return f"impossible time {finding.at_ns}"
    if not math.isfinite(finding.confidence):
        return "confidence is no number"
    try:
        canonical([finding.episode, finding.resident_id, finding.devices, dict(finding.evidence)]).encode()
    except UnicodeEncodeError:
        return "text that cannot be stored"
    return None
