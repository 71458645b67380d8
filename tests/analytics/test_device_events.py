"""What devices report themselves: episodes, repeats, polls, redelivery, closing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from analytics_scenes import at, brief, event, feed
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from analytics.device_events import MEANINGS, PRESS_WINDOW_S, DeviceEvents
from analytics.findings import Finding, Phase
from analytics.kinds import KINDS
from device_drivers.observations import DeviceEvent, Quality
from device_drivers.signals import SIGNALS, SignalKind


def watching(*devices: str) -> DeviceEvents:
    detector = DeviceEvents()
    for device in devices or ("d",):
        detector.attach(device, "li")
    return detector


def test_every_meaning_is_of_a_known_event_and_kind() -> None:
    for signal, meaning in MEANINGS.items():
        assert SIGNALS[signal].kind is SignalKind.EVENT
        assert meaning.kind in KINDS


def words(signal: str) -> tuple[bool | str, bool | str]:
    """A value that means it, and one that ends it."""
    meant = MEANINGS[signal].words
    return (min(meant), min(set(SIGNALS[signal].words) - meant)) if meant else (True, False)


@pytest.mark.parametrize("signal", sorted(MEANINGS))
def test_true_begins_an_episode_named_by_device_and_time(signal: str) -> None:
    value, _ = words(signal)
    found = feed(watching(), [event("d", signal, value, s=5, at_s=4)], 10)
    meaning = MEANINGS[signal]
    assert meaning.words <= set(SIGNALS[signal].words)
    assert [(f.kind, f.phase, f.at_ns, f.episode) for f in found] == [
        (meaning.kind, meaning.phase, at(4), f"{meaning.kind}:d:{at(4)}")
    ]
    assert found[0].evidence == {"rule": "device_event/1", "signal": signal, signal: value}
    assert found[0].resident_id == "li"


@pytest.mark.parametrize("signal", sorted(set(MEANINGS) - {"help_button"}))
def test_false_clears_and_the_next_true_is_new(signal: str) -> None:
    on, off = words(signal)
    states = [event("d", signal, value=v, s=s) for s, v in ((1, off), (2, on), (3, on), (9, off), (20, on))]
    found = feed(watching(), states, 30)
    assert [str(f.phase) for f in found] == [str(MEANINGS[signal].phase), "cleared", str(MEANINGS[signal].phase)]
    assert found[0].episode == found[1].episode != found[2].episode
    assert found[1].evidence[signal] == off


def test_a_grade_without_meaning_and_a_signal_of_words_given_a_bool_say_nothing() -> None:
    states = [
        event("d", "struggle", "normal", 1),
        event("d", "struggle", value=True, s=2),
        event("d", "fence", "in", 3),
    ]
    assert feed(watching(), states, 5) == []


def test_a_fault_of_the_equipment_still_open_from_before_ends_when_the_device_says_so() -> None:
    before = Finding("tamper:d:77", "tamper", None, at(-900), Phase.CONFIRMED, 1.0, ("d",), {"signal": "tamper"})
    detector = watching()
    assert detector.resume(before, at(0))
    assert feed(detector, [event("d", "tamper", value=True, s=1, repeat=True)], 3600, 60) == []
    detector.ingest([event("d", "tamper", value=False, s=3700)])
    assert [(f.episode, str(f.phase)) for f in detector.step(at(3700))] == [("tamper:d:77", "cleared")]
    assert not detector.resume(replace(before, devices=("unknown",)), at(0))
    assert not detector.resume(replace(before, kind="signal_lost"), at(0))


def test_a_fall_grows_within_one_episode() -> None:
    states = [
        event("d", "fall_warning", value=True, s=1),
        event("d", "fall", value=True, s=6),
        event("d", "fall_warning", value=False, s=7),
        event("d", "static_stay", value=True, s=40),
        event("d", "static_stay", value=True, s=50),
        event("d", "fall_warning", value=True, s=55),
        event("d", "fall_warning", value=False, s=56),
        event("d", "fall", value=False, s=60),
        event("d", "static_stay", value=False, s=61),
    ]
    found = feed(watching(), states, 70)
    assert brief(found) == [
        ("fall", "suspected", 1.0),
        ("fall", "confirmed", 6.0),
        ("fall", "confirmed", 40.0),
        ("fall", "cleared", 61.0),
    ]
    assert len({f.episode for f in found}) == 1


def test_a_warning_that_passes_is_cleared() -> None:
    states = [event("d", "fall_warning", value=True, s=1), event("d", "fall_warning", value=False, s=4)]
    assert brief(feed(watching(), states, 5)) == [("fall", "suspected", 1.0), ("fall", "cleared", 4.0)]


def test_a_fall_seen_only_by_the_poll_raises_once() -> None:
    polls = [event("d", "fall", value=True, s=s, repeat=True) for s in (1, 31, 61)]
    found = feed(watching(), polls, 70)
    assert brief(found) == [("fall", "confirmed", 1.0)]
    assert found[0].evidence["polled"] is True


def test_the_same_state_polled_after_closing_is_not_new_but_a_new_fall_is() -> None:
    detector = watching()
    first = feed(detector, [event("d", "fall", value=True, s=1)], 2)
    detector.close(first[0].episode)
    detector.ingest([event("d", "fall", value=True, s=30, repeat=True)])
    assert detector.step(at(30)) == []
    detector.ingest([event("d", "fall", value=False, s=40)])
    assert detector.step(at(40)) == []
    detector.ingest([event("d", "fall", value=True, s=50, repeat=True)])
    assert brief(detector.step(at(50))) == [("fall", "confirmed", 50.0)]


def test_stored_unknown_and_foreign_events_never_raise() -> None:
    events = [
        event("d", "fall", value=True, s=1, stored=True),
        event("d", "help_button", value=None, s=2),
        event("d", "help_button", "pressed", 3),
        event("other", "help_button", value=True, s=4),
        event("d", "door", "open", 5),
    ]
    assert feed(watching(), events, 10) == []


def test_a_test_of_the_alarm_is_no_alarm_and_is_named_in_one_that_comes_with_it() -> None:
    states = [
        event("d", "alarm_test", value=True, s=1),
        event("d", "smoke", value=True, s=2),
        event("d", "alarm_test", value=False, s=3),
        event("d", "gas", value=True, s=4),
    ]
    found = feed(watching(), states, 10)
    assert [f.kind for f in found] == ["smoke", "gas"]
    assert found[0].evidence["alarm_test"] is True
    assert "alarm_test" not in found[1].evidence


def test_doubtful_events_still_raise_and_say_so() -> None:
    doubtful = replace(event("d", "help_button", value=True, s=1), quality=Quality.POOR)
    assert feed(watching(), [doubtful], 2)[0].evidence["quality"] == "poor"


def test_presses_close_together_are_one_call() -> None:
    presses = [event("d", "help_button", value=True, s=s) for s in (0, 0.4, 8, 17, 27.5)]
    assert brief(feed(watching(), presses, 40)) == [("help_call", "confirmed", 0.0), ("help_call", "confirmed", 27.5)]


def test_a_released_button_takes_nothing_back() -> None:
    states = [event("d", "help_button", value=True, s=1), event("d", "help_button", value=False, s=5)]
    assert brief(feed(watching(), states, 10)) == [("help_call", "confirmed", 1.0)]


def test_after_closing_a_press_is_a_new_call_at_once() -> None:
    detector = watching()
    first = feed(detector, [event("d", "help_button", value=True, s=1)], 2)
    detector.close(first[0].episode)
    second = feed(detector, [event("d", "help_button", value=True, s=4)], 5)
    assert brief(second) == [("help_call", "confirmed", 4.0)]
    assert second[0].episode != first[0].episode


def test_a_message_delivered_again_is_the_same_episode() -> None:
    press = event("d", "help_button", value=True, s=1, token="77")
    before, after = feed(watching(), [press], 2), feed(watching(), [replace(press, received_ns=at(90))], 100)
    assert [f.episode for f in before] == [f.episode for f in after] == ["help_call:d:77"]
    detector = watching()
    feed(detector, [press], 2)
    detector.close("help_call:d:77")
    assert feed(detector, [replace(press, at_ns=at(50))], 60) == []


def test_tokens_are_remembered_in_bounds() -> None:
    detector = watching()
    for i in range(100):
        detector.ingest([event("d", "help_button", value=True, s=20 * i, token=str(i))])
    assert len(detector.step(at(2000))) == 100
    assert len(detector._devices["d"].recent) < 100


def test_attach_again_under_another_resident_forgets() -> None:
    detector = watching()
    feed(detector, [event("d", "fall", value=True, s=1)], 2)
    detector.attach("d", "li")
    assert feed(detector, [event("d", "fall", value=True, s=3, repeat=True)], 4) == []
    detector.attach("d", "wang")
    found = feed(detector, [event("d", "fall", value=True, s=5, repeat=True)], 6)
    assert [(f.resident_id, str(f.phase)) for f in found] == [("wang", "confirmed")]


class ButtonAndRadar(RuleBasedStateMachine):
    """Whatever happens: no press is lost, phases go forward, and one device has one open episode of a kind."""

    def __init__(self) -> None:
        super().__init__()
        self.detector = watching("d")
        self.now = 0.0
        self.found: list[Finding] = []
        self.last_press: float | None = None
        self.calls = 0

    def send(self, o: DeviceEvent) -> list[Finding]:
        self.detector.ingest([o])
        found = self.detector.step(o.received_ns)
        self.found += found
        return found

    @rule(wait=st.sampled_from([0.5, 3, 9, 11, 60]))
    def time_passes(self, wait: float) -> None:
        self.now += wait

    @rule()
    def press(self) -> None:
        self.now += 0.1
        found = self.send(event("d", "help_button", value=True, s=self.now))
        new = self.last_press is None or round(self.now - self.last_press, 3) > PRESS_WINDOW_S
        assert len(found) == new
        self.calls += new
        self.last_press = self.now

    @rule(signal=st.sampled_from(["fall", "fall_warning", "static_stay"]), value=st.booleans(), repeat=st.booleans())
    def radar(self, signal: str, value: bool, repeat: bool) -> None:
        self.now += 0.1
        was_open = "fall" in self.detector._devices["d"].open
        found = self.send(event("d", signal, value=value, s=self.now, repeat=repeat))
        if value and not repeat and not was_open:
            assert len(found) == 1
        if not value and found:
            assert found[0].phase is Phase.CLEARED

    @precondition(lambda self: self.found)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        episode = data.draw(st.sampled_from([f.episode for f in self.found]))
        opened = self.detector._devices["d"].open.get("help_call")
        self.detector.close(episode)
        if opened is not None and opened.name == episode:
            self.last_press = None

    @invariant()
    def phases_go_forward(self) -> None:
        order = {Phase.SUSPECTED: 0, Phase.CONFIRMED: 1, Phase.CLEARED: 2}
        last: dict[str, int] = {}
        for f in self.found:
            assert last.get(f.episode, 0) <= order[f.phase]
            assert last.get(f.episode) != order[Phase.CLEARED]
            last[f.episode] = order[f.phase]
        assert len({f.episode for f in self.found if f.kind == "help_call"}) == self.calls


TestButtonAndRadar = ButtonAndRadar.TestCase
