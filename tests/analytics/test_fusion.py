"""Several devices, one fall: episodes, phases, confidence, what is shown, and what closing does."""

from __future__ import annotations

import pytest
from analytics_scenes import at
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from analytics.findings import Finding, Phase
from analytics.fusion import KEPT_CLOSED, KEPT_MEMBERS, WINDOW_S, FallFusion

SUSPECTED, CONFIRMED, CLEARED = Phase.SUSPECTED, Phase.CONFIRMED, Phase.CLEARED


def said(
    device: str, phase: Phase, s: float, p: float = 0.5, *, kind: str = "fall", n: int = 1, who: str | None = "li"
) -> Finding:
    return Finding(f"{kind}:{device}:{n}", kind, who, at(s), phase, p, (device,), {"rule": f"{device}/1", "p": p})


def test_one_device_alone_passes_unchanged() -> None:
    fusion = FallFusion()
    stream = [said("watch", SUSPECTED, 0), said("watch", CONFIRMED, 0, 0.8), said("watch", CLEARED, 30)]
    assert [f for one in stream for f in fusion.fuse([one])] == stream


def test_other_kinds_pass_unchanged() -> None:
    smoke = said("kitchen", CONFIRMED, 0, kind="smoke")
    assert FallFusion().fuse([smoke]) == [smoke]


def test_a_radar_confirms_what_the_watch_suspects() -> None:
    first, second = FallFusion().fuse([said("watch", SUSPECTED, 0, 0.6), said("radar", CONFIRMED, 20, 0.9)])
    assert second.episode == first.episode == "fall:watch:1"
    assert (second.phase, second.kind) == (CONFIRMED, "fall")
    assert second.devices == ("watch", "radar")
    assert second.confidence == pytest.approx(1 - 0.4 * 0.1)
    assert second.evidence == {
        "rule": "fall_fusion/1",
        "sources": 2,
        "watch.phase": "suspected",
        "watch.rule": "watch/1",
        "watch.p": 0.6,
        "radar.phase": "confirmed",
        "radar.rule": "radar/1",
        "radar.p": 0.9,
    }


def test_two_suspicions_of_two_devices_are_one_confirmed_fall() -> None:
    found = FallFusion().fuse([said("watch", SUSPECTED, 0), said("radar", SUSPECTED, 5)])
    assert [f.phase for f in found] == [SUSPECTED, CONFIRMED]
    assert found[1].confidence == pytest.approx(0.75)


def test_a_device_that_takes_it_back_does_not_clear_what_another_confirmed() -> None:
    fusion = FallFusion()
    fusion.fuse([said("watch", SUSPECTED, 0), said("radar", CONFIRMED, 5, 0.9)])
    (after,) = fusion.fuse([said("watch", CLEARED, 30)])
    assert after.phase is CONFIRMED
    assert after.evidence["watch.phase"] == "cleared"
    assert after.confidence == pytest.approx(0.9)
    assert after.devices == ("watch", "radar")
    (last,) = fusion.fuse([said("radar", CLEARED, 300)])
    assert last.phase is CLEARED
    assert last.episode == "fall:watch:1"


def test_the_phase_never_goes_back() -> None:
    fusion = FallFusion()
    fusion.fuse([said("watch", SUSPECTED, 0), said("radar", SUSPECTED, 5), said("watch", CLEARED, 10)])
    (after,) = fusion.fuse([said("radar", SUSPECTED, 20)])
    assert after.phase is CONFIRMED


def test_a_press_while_a_fall_is_suspected_confirms_it() -> None:
    found = FallFusion().fuse([said("watch", SUSPECTED, 0), said("sos", CONFIRMED, 15, 0.99, kind="help_call")])
    assert [(f.kind, f.phase, f.episode) for f in found] == [
        ("fall", SUSPECTED, "fall:watch:1"),
        ("fall", CONFIRMED, "fall:watch:1"),
    ]
    assert found[1].evidence["help_button"] is True


def test_devices_cannot_clear_a_fall_that_was_pressed_for() -> None:
    fusion = FallFusion()
    fusion.fuse([said("watch", SUSPECTED, 0), said("sos", CONFIRMED, 15, 0.99, kind="help_call")])
    (after,) = fusion.fuse([said("watch", CLEARED, 30)])
    assert after.phase is CONFIRMED


def test_a_fall_that_joins_a_help_call_is_evidence_of_the_one_alert() -> None:
    fusion = FallFusion()
    call, fall = fusion.fuse([said("sos", CONFIRMED, 0, 0.99, kind="help_call"), said("watch", SUSPECTED, 20)])
    assert (call.kind, fall.kind) == ("help_call", "help_call")
    assert fall.episode == call.episode
    assert fall.phase is CONFIRMED
    assert fall.evidence["fall"] == "suspected"
    assert fall.devices == ("sos", "watch")
    (sure,) = fusion.fuse([said("watch", CONFIRMED, 20)])
    assert sure.evidence["fall"] == "confirmed"
    (back,) = fusion.fuse([said("watch", CLEARED, 50)])
    assert (back.phase, back.evidence["fall"]) == (CONFIRMED, "cleared")


@pytest.mark.parametrize(("gap", "joined"), [(WINDOW_S, True), (WINDOW_S + 1, False)])
def test_the_window_decides(gap: float, joined: bool) -> None:
    found = FallFusion().fuse([said("watch", SUSPECTED, 0), said("radar", CONFIRMED, gap)])
    assert (found[0].episode == found[1].episode) is joined
    found = FallFusion().fuse([said("radar", CONFIRMED, gap), said("watch", SUSPECTED, 0)])
    assert (found[0].episode == found[1].episode) is joined


def test_the_window_is_an_argument() -> None:
    found = FallFusion(window_s=5).fuse([said("watch", SUSPECTED, 0), said("radar", CONFIRMED, 6)])
    assert found[0].episode != found[1].episode


def test_a_later_word_of_a_known_episode_joins_however_late() -> None:
    fusion = FallFusion()
    fusion.fuse([said("watch", SUSPECTED, 0), said("radar", CONFIRMED, 5)])
    fusion.fuse([said("watch", CLEARED, 6), said("bed", CONFIRMED, 500)])
    (late,) = fusion.fuse([said("radar", CLEARED, 900)])
    assert (late.episode, late.phase) == ("fall:watch:1", CLEARED)


def test_residents_are_apart_and_unassigned_devices_too() -> None:
    found = FallFusion().fuse(
        [
            said("a", CONFIRMED, 0),
            said("b", CONFIRMED, 1, who="wang"),
            said("c", CONFIRMED, 2, who=None),
            said("d", CONFIRMED, 3, who=None),
        ]
    )
    assert len({f.episode for f in found}) == 4


def test_after_all_has_been_cleared_a_new_fall_is_a_new_episode() -> None:
    fusion = FallFusion()
    fusion.fuse([said("radar", CONFIRMED, 0), said("radar", CLEARED, 10)])
    (again,) = fusion.fuse([said("radar", CONFIRMED, 15, n=2)])
    assert again.episode == "fall:radar:2"


def test_closing_begins_afresh_even_within_the_window() -> None:
    fusion = FallFusion()
    fusion.fuse([said("watch", SUSPECTED, 0), said("radar", CONFIRMED, 5)])
    assert set(fusion.close("fall:watch:1")) == {"fall:watch:1", "fall:radar:1"}
    assert fusion.close("fall:watch:1") == ()
    (new,) = fusion.fuse([said("sos", CONFIRMED, 10, kind="help_call")])
    assert (new.kind, new.episode, new.devices) == ("help_call", "help_call:sos:1", ("sos",))


def test_what_is_said_of_a_closed_episode() -> None:
    fusion = FallFusion()
    fusion.fuse([said("watch", SUSPECTED, 0)])
    fusion.close("fall:watch:1")
    assert fusion.fuse([said("watch", SUSPECTED, 0), said("watch", CLEARED, 20)]) == []
    (heard,) = fusion.fuse([said("watch", CONFIRMED, 0)])
    assert (heard.episode, heard.phase) == ("fall:watch:1+2", CONFIRMED)
    fusion.close("fall:watch:1+2")
    (third,) = fusion.fuse([said("watch", CONFIRMED, 0)])
    assert third.episode == "fall:watch:1+3"


def test_cleared_of_something_never_heard_of_passes() -> None:
    fusion = FallFusion()
    only = said("radar", CLEARED, 0)
    assert fusion.fuse([only]) == [only]
    assert fusion.fuse([said("watch", CONFIRMED, 5)])[0].episode == "fall:watch:1"


def test_forgetting_a_device() -> None:
    fusion = FallFusion()
    fusion.fuse([said("watch", SUSPECTED, 0), said("radar", CONFIRMED, 5), said("x", CONFIRMED, 5, who="wang")])
    fusion.forget("watch")
    fusion.forget("x")
    (after,) = fusion.fuse([said("radar", CLEARED, 30)])
    assert (after.episode, after.phase) == ("fall:watch:1", CLEARED)
    fusion.forget("radar")
    assert not fusion._groups


def test_it_stays_small_whatever_comes() -> None:
    fusion = FallFusion()
    for n in range(300):
        fusion.fuse([said("radar", CONFIRMED, n * 20, n=n), said("sos", CONFIRMED, n * 20, kind="help_call", n=n)])
    (groups,) = fusion._groups.values()
    assert all(len(group.said) <= KEPT_MEMBERS for group in groups)
    for n in range(2 * KEPT_CLOSED):
        fusion.fuse([said("watch", CONFIRMED, 10**6 + n, n=n, who=f"r{n}")])
        fusion.close(f"fall:watch:{n}")
    assert len(fusion._closed) <= KEPT_CLOSED


class OneResident(RuleBasedStateMachine):
    """No confirmed word of a device is lost, and no stream goes back before it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.fusion = FallFusion()
        self.now = 0.0
        self.count = 0
        self.open: dict[str, str] = {}
        self.stream: dict[str, Finding] = {}

    @rule(
        device=st.sampled_from(["watch", "radar", "sos"]),
        wait=st.sampled_from([0.0, 2.0, 30.0, 59.0, 200.0]),
        phase=st.sampled_from(list(Phase)),
        new=st.booleans(),
    )
    def word(self, device: str, wait: float, phase: Phase, new: bool) -> None:
        self.now += wait
        kind = "help_call" if device == "sos" else "fall"
        if new or device not in self.open or kind == "help_call":
            if phase is CLEARED:
                return
            self.count += 1
            self.open[device] = f"{kind}:{device}:{self.count}"
        finding = Finding(
            self.open[device],
            kind,
            "li",
            at(self.now),
            CONFIRMED if kind == "help_call" else phase,
            0.5,
            (device,),
            {"rule": "x/1"},
        )
        if phase is CLEARED:
            del self.open[device]
        for out in self.fusion.fuse([finding]):
            order = {SUSPECTED: 0, CONFIRMED: 1, CLEARED: 2}
            before = self.stream.get(out.episode)
            if before is not None and before.phase is not CLEARED:
                assert before.kind == out.kind
                assert order[before.phase] <= order[out.phase]
            assert device in out.devices
            assert finding.phase is not CONFIRMED or out.phase is CONFIRMED
            self.stream[out.episode] = out

    @rule()
    def close_everything(self) -> None:
        for episode in self.stream:
            self.fusion.close(episode)
        assert not self.fusion._groups
        self.stream = {}
        self.open = {}


TestOneResident = OneResident.TestCase


def test_a_call_for_help_after_a_person_took_the_alert_is_a_new_one_and_a_radar_still_joins() -> None:
    fusion = FallFusion()
    (fall,) = fusion.fuse([said("watch", CONFIRMED, 0, 0.9)])
    fusion.answered(fall.episode)
    radar, call = fusion.fuse([said("radar", CONFIRMED, 15, 0.9), said("sos", CONFIRMED, 20, 0.99, kind="help_call")])
    assert radar.episode == fall.episode
    assert radar.devices == ("watch", "radar")
    assert call.kind == "help_call"
    assert call.episode != fall.episode
