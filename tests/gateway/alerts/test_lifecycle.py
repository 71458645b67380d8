"""The life of an alert: every rule of the state machine, and what holds for any sequence of inputs."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.findings import Finding, Phase
from analytics.kinds import KINDS
from gateway.alerts import lifecycle as life
from gateway.alerts.lifecycle import Alert, EntryType, Outcome, State, Step

S = 1_000_000_000
T0 = 1_735_787_045 * S


def finding(
    kind: str = "fall", phase: Phase = Phase.SUSPECTED, episode: str = "e1", at_s: float = 0.0, **more: Any
) -> Finding:
    facts: dict[str, Any] = {"resident_id": "r1", "confidence": 0.7, "devices": ("w1",), "evidence": {"peak_g": 3.1}}
    return Finding(episode, kind, at_ns=T0 + int(at_s * S), phase=phase, **(facts | more))


def opened(kind: str = "fall", phase: Phase = Phase.SUSPECTED) -> Alert:
    return life.open_alert(finding(kind, phase), T0).alert


def types(step: Step) -> list[str]:
    return [entry.type.value for entry in step.entries]


def test_suspected_waits_for_the_window() -> None:
    alert = opened()
    assert (alert.state, alert.window_until_ns) == (State.SUSPECTED, T0 + 20 * S)
    assert life.expire(alert, T0 + 20 * S - 1).entries == ()
    raised = life.expire(alert, T0 + 20 * S).alert
    assert (raised.state, raised.raised_ns, raised.window_until_ns) == (State.RAISED, T0 + 20 * S, None)
    assert life.expire(raised, T0 + 99 * S).entries == ()


def test_a_clock_set_back_ends_the_window() -> None:
    assert life.expire(opened(), T0 - 4 * S).entries == ()
    assert life.expire(opened(), T0 - 6 * S).alert.state is State.RAISED


def test_confirmed_raises_at_once() -> None:
    step = life.open_alert(finding(phase=Phase.CONFIRMED), T0)
    assert types(step) == ["opened", "raised"]
    assert [(entry.revision, entry.from_state, entry.to_state) for entry in step.entries] == [
        (1, None, State.SUSPECTED),
        (2, State.SUSPECTED, State.RAISED),
    ]
    assert life.see(opened(), finding(phase=Phase.CONFIRMED, confidence=0.9), T0).alert.confidence == 0.9


def test_no_window_raises_at_once_and_the_site_may_choose_another() -> None:
    assert opened("help_call").state is State.RAISED
    assert life.open_alert(finding(), T0, cancel_window_s=0).alert.state is State.RAISED
    assert life.open_alert(finding(), T0, cancel_window_s=5).alert.window_until_ns == T0 + 5 * S


def test_got_up_again_is_kept_as_cancelled() -> None:
    step = life.see(opened(), finding(phase=Phase.CLEARED), T0 + S)
    assert types(step) == ["cleared", "cancelled"]
    assert (step.alert.outcome, step.alert.closed_by) == (Outcome.RECOVERED, "analytics")


def test_cleared_ends_no_raised_latching_alert() -> None:
    step = life.see(opened(phase=Phase.CONFIRMED), finding(phase=Phase.CLEARED), T0 + S)
    assert types(step) == ["cleared"]
    assert step.alert.state is State.RAISED


def test_cleared_ends_a_raised_alert_that_does_not_latch() -> None:
    alert = opened("spo2_low", Phase.CONFIRMED)
    step = life.see(alert, finding("spo2_low", Phase.CLEARED), T0 + S)
    assert (step.alert.state, step.alert.outcome) == (State.RESOLVED, Outcome.RECOVERED)
    going = life.en_route(alert, "王芳", T0 + S).alert
    assert life.see(going, finding("spo2_low", Phase.CLEARED), T0 + S).alert.state is State.EN_ROUTE


def test_every_folded_episode_must_clear() -> None:
    alert = life.see(opened(), finding(episode="e2", at_s=3, devices=("radar",)), T0 + 3 * S).alert
    assert (alert.count, alert.devices, alert.last_at_ns) == (2, ("w1", "radar"), T0 + 3 * S)
    one = life.see(alert, finding(phase=Phase.CLEARED), T0 + 4 * S).alert
    assert one.state is State.SUSPECTED
    assert life.see(one, finding(phase=Phase.CLEARED, episode="e2"), T0 + 4 * S).alert.state is State.CANCELLED


def test_same_or_older_phase_changes_nothing() -> None:
    alert = opened(phase=Phase.CONFIRMED)
    assert life.see(alert, finding(phase=Phase.CONFIRMED), T0).entries == ()
    assert life.see(alert, finding(), T0).entries == ()
    assert life.see(alert, finding(phase=Phase.CLEARED, episode="never seen"), T0).entries == ()


def test_a_device_that_joins_is_news_even_in_the_same_phase() -> None:
    alert = opened(phase=Phase.CONFIRMED)
    step = life.see(alert, finding(phase=Phase.CONFIRMED, devices=("w1", "radar")), T0 + S)
    assert types(step) == ["confirmed"]
    assert step.alert.devices == ("w1", "radar")
    assert life.see(step.alert, finding(phase=Phase.CONFIRMED, devices=("radar",)), T0 + S).entries == ()


def test_confirmed_after_the_window_is_written_down() -> None:
    step = life.see(
        life.expire(opened(), T0 + 20 * S).alert, finding(phase=Phase.CONFIRMED, evidence={"still_s": 25}), T0
    )
    assert types(step) == ["confirmed"]
    assert (step.alert.phase, step.alert.evidence) == (Phase.CONFIRMED, {"still_s": 25})


def test_delivered_is_no_answer() -> None:
    alert = life.delivered(opened(phase=Phase.CONFIRMED), T0 + S, channel="webhook", contact="assist").alert
    assert (alert.state, alert.delivered_ns) == (State.DELIVERED, T0 + S)
    assert life.delivered(alert, T0 + 2 * S, channel="x", contact="y").entries == ()
    assert life.delivered(opened(), T0, channel="x", contact="y").entries == ()


def test_answers_move_on_and_never_back() -> None:
    alert = life.acknowledge(opened(phase=Phase.CONFIRMED), " 王芳 ", T0 + S).alert
    assert (alert.state, alert.acknowledged_by, alert.acknowledged_ns) == (State.ACKNOWLEDGED, "王芳", T0 + S)
    there = life.on_scene(alert, "李强", T0 + 2 * S).alert
    late = life.en_route(there, "李强", T0 + 3 * S)
    assert late.alert.state is State.ON_SCENE
    assert late.entries[0].detail == {"already": "on_scene"}
    assert there.acknowledged_by == "王芳"
    done = life.resolve(there, Outcome.REAL_FALL, "李强", T0 + 4 * S, note="扶起").alert
    assert (done.state, done.outcome, done.closed_by, done.note) == (State.RESOLVED, Outcome.REAL_FALL, "李强", "扶起")


@pytest.mark.parametrize("advance", [life.en_route, life.on_scene])
def test_going_acknowledges_too(advance: Callable[..., Step]) -> None:
    step = advance(opened(), "王芳", T0 + S)
    assert types(step)[:2] == ["raised", "acknowledged"]
    assert step.alert.acknowledged_by == "王芳"


def test_repeated_answers() -> None:
    alert = life.acknowledge(opened(phase=Phase.CONFIRMED), "王芳", T0).alert
    assert life.acknowledge(alert, "王芳", T0 + S).entries == ()
    second = life.acknowledge(alert, "李强", T0 + S)
    assert (second.alert.acknowledged_by, types(second)) == ("王芳", ["acknowledged"])
    assert life.acknowledge(alert, "王芳", T0 + S, note="五分钟到").entries[0].note == "五分钟到"


ANSWERS: list[Callable[[Alert, str], Step]] = [
    lambda alert, by: life.acknowledge(alert, by, T0),
    lambda alert, by: life.en_route(alert, by, T0),
    lambda alert, by: life.on_scene(alert, by, T0),
    lambda alert, by: life.cancel(alert, by, T0),
    lambda alert, by: life.resolve(alert, Outcome.OTHER, by, T0),
]


@pytest.mark.parametrize("answer", ANSWERS)
def test_answers_need_a_person_and_an_open_alert(answer: Callable[[Alert, str], Step]) -> None:
    for nobody in ("", "  ", "system", "analytics"):
        with pytest.raises(life.NamelessPersonError):
            answer(opened(phase=Phase.CONFIRMED), nobody)
    closed = life.cancel(opened(), "王芳", T0).alert
    with pytest.raises(life.RefusedTransitionError) as caught:
        answer(closed, "王芳")
    assert (caught.value.alert_id, caught.value.state) == (closed.id, State.CANCELLED)


def test_repeats_end_with_the_answer() -> None:
    alert = life.repeated(opened(phase=Phase.CONFIRMED), T0 + 60 * S, next_at_ns=T0 + 120 * S).alert
    assert (alert.repeats, alert.repeat_at_ns) == (1, T0 + 120 * S)
    answered = life.acknowledge(alert, "王芳", T0).alert
    assert answered.repeat_at_ns is None
    assert life.repeated(answered, T0, next_at_ns=T0).entries == ()


@pytest.mark.parametrize(
    ("answer", "at_s", "expected"),
    [(None, 500, True), ("ack", 10, True), ("ack", 11, False), ("ack", -11, False), ("close", 5, True),
     ("close", 9, False), ("close", 30, False), ("machine", 1, False)],
)  # fmt: skip
def test_which_alert_takes_a_new_episode(answer: str | None, at_s: float, expected: bool) -> None:
    alert = opened()
    if answer == "ack":
        alert = life.acknowledge(alert, "王芳", T0 + 8 * S).alert
    if answer == "close":
        alert = life.cancel(alert, "王芳", T0 + 8 * S).alert
    if answer == "machine":
        alert = life.see(alert, finding(phase=Phase.CLEARED), T0 + 8 * S).alert
    assert life.folds(alert, finding(episode="e2", at_s=at_s)) is expected


def test_identity_and_subject() -> None:
    assert opened().id == life.open_alert(finding(), T0 + 99 * S).alert.id
    assert opened().id != life.open_alert(finding(episode="e2"), T0).alert.id
    assert life.subject_of(finding()) == "resident:r1"
    assert life.subject_of(finding("battery_low")) == "device:w1"
    assert life.subject_of(finding("delivery_failed", resident_id=None, devices=())) == "site"
    assert life.subject_of(finding("battery_low", devices=())) == "resident:r1"
    assert life.subject_of(finding(resident_id=None)) == "device:w1"


def test_record_writes_without_change() -> None:
    step = life.record(opened(), EntryType.NO_ROUTE, "system", T0, {"x": 1})
    assert replace(step.alert, revision=1) == opened()


Input = Callable[[Alert, int], Step]


def inputs() -> st.SearchStrategy[Input]:
    people = st.sampled_from(["王芳", "李强"])
    findings = st.builds(
        lambda phase, episode, at: lambda a, now: life.see(a, finding(a.kind, phase, episode, at), now),
        st.sampled_from(Phase), st.sampled_from(["e1", "e2", "e3"]), st.floats(-30, 30),
    )  # fmt: skip
    answers = st.builds(
        lambda act, by: lambda a, now: act(a, by, now),
        st.sampled_from([life.acknowledge, life.en_route, life.on_scene, life.cancel]), people,
    )  # fmt: skip
    ends = st.builds(lambda o, by: lambda a, now: life.resolve(a, o, by, now), st.sampled_from(Outcome), people)
    machine = st.sampled_from([
        life.expire,
        lambda a, now: life.delivered(a, now, channel="c", contact="x"),
        lambda a, now: life.repeated(a, now, next_at_ns=now + S),
    ])  # fmt: skip
    return st.one_of(findings, answers, ends, machine)


@given(
    st.sampled_from(sorted(KINDS)), st.sampled_from([Phase.SUSPECTED, Phase.CONFIRMED]), st.lists(inputs(), max_size=12)
)
def test_any_sequence_only_moves_on(kind: str, phase: Phase, sequence: list[Input]) -> None:
    alert = opened(kind, phase)
    for number, act in enumerate(sequence):
        before = alert
        try:
            step = act(alert, T0 + number * S)
        except life.RefusedTransitionError:
            assert not before.state.open
            continue
        alert = step.alert
        assert alert.state.rank >= before.state.rank
        assert (alert.id, alert.priority, alert.kind) == (before.id, before.priority, before.kind)
        assert alert.revision == before.revision + len(step.entries)
        assert before.acknowledged_by in (None, alert.acknowledged_by)
        assert alert == before or step.entries
        if not before.state.open:
            assert alert == before
        if alert.latching and before.raised_ns is not None and not alert.state.open and before.state.open:
            assert alert.closed_by in ("王芳", "李强")
