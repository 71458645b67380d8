"""What is shown, from residents, live values, alerts and the time: pure, every rule of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.findings import Finding, Phase
from analytics.kinds import KINDS, Priority
from device_drivers.observations import DeviceEvent, Quality, Samples
from device_drivers.signals import SIGNALS, reading
from gateway.alerts import lifecycle
from gateway.alerts.lifecycle import Alert, Outcome, State
from gateway.console import views
from gateway.console.views import Action, Freshness, Look
from gateway.live import LiveState
from gateway.registry import Device, Resident

S = 1_000_000_000
NOW = 1_800_000_000 * S
LI = Resident("r1", "李奶奶", room="301")


def live(*observations: Any) -> LiveState:
    state = LiveState()
    state.update(observations)
    return state


def value(signal: str, number: float | None, age_s: float, device: str = "w1", quality: Quality = Quality.GOOD) -> Any:
    at = NOW - int(age_s * S)
    return reading(device, signal, number, at, at, quality)


def event(signal: str, word: bool | str | None, age_s: float, device: str = "w1") -> DeviceEvent:
    at = NOW - int(age_s * S)
    return DeviceEvent(device, signal, word, at, at)


def block(age_s: float, device: str = "w1") -> Samples:
    at = NOW - int(age_s * S)
    return Samples(device, "accel", np.ones((50, 3), np.float32), 50.0, at - S, at)


def alert(kind: str, *, phase: Phase = Phase.CONFIRMED, resident: str | None = "r1", **more: Any) -> Alert:
    devices = more.pop("devices", ("w1",))
    finding = Finding(f"{kind}:{NOW}", kind, resident, NOW - 3 * S, phase, 0.9, devices, {})
    return replace(lifecycle.open_alert(finding, NOW - 2 * S).alert, **more)


def look(*alerts: Alert, knows: bool = True) -> tuple[Look, bool]:
    return views.look_of(alerts, knows=knows)


def test_calm_needs_knowledge() -> None:
    assert look() == (Look.CALM, False)
    assert look(knows=False) == (Look.UNKNOWN, False)


@pytest.mark.parametrize("knows", [True, False])
@pytest.mark.parametrize("kind", [one.name for one in KINDS.values() if not one.technical])
def test_a_raised_alert_about_the_person_is_an_alarm_or_attention(kind: str, knows: bool) -> None:
    high = KINDS[kind].priority is Priority.HIGH
    assert look(alert(kind), knows=knows) == ((Look.ALARM, True) if high else (Look.ATTENTION, False))


def test_alarm_stays_after_the_answer_but_flashes_no_more() -> None:
    step = lifecycle.acknowledge(alert("fall"), "王芳", NOW)
    assert look(step.alert) == (Look.ALARM, False)
    assert look(step.alert, alert("help_call")) == (Look.ALARM, True)
    assert look(lifecycle.on_scene(step.alert, "王芳", NOW).alert) == (Look.ALARM, False)


def test_suspected_and_tests_are_attention_and_never_flash() -> None:
    assert look(alert("fall", phase=Phase.SUSPECTED)) == (Look.ATTENTION, False)
    assert look(alert("fall", test=True)) == (Look.ATTENTION, False)
    assert not views.flashes(alert("fall", test=True))


def test_a_technical_fault_never_hides_what_is_not_known_nor_an_alarm() -> None:
    fault = alert("signal_lost")
    assert look(fault) == (Look.ATTENTION, False)
    assert look(fault, knows=False) == (Look.UNKNOWN, False)
    assert look(fault, alert("fall"), knows=False) == (Look.ALARM, True)
    assert look(alert("delivery_failed")) == (Look.ATTENTION, False)


@given(
    st.lists(st.sampled_from(sorted(KINDS)), max_size=4),
    st.booleans(),
    st.sampled_from([State.RAISED, State.DELIVERED, State.ACKNOWLEDGED, State.ON_SCENE]),
)
def test_only_what_is_urgent_and_unanswered_flashes(kinds: list[str], knows: bool, state: State) -> None:
    alerts = [alert(kind, state=state) for kind in kinds]
    shown, flashing = look(*alerts, knows=knows)
    urgent = any(views.is_alarm(one) for one in alerts)
    assert (shown is Look.ALARM) == urgent
    assert flashing == (urgent and state in (State.RAISED, State.DELIVERED))
    assert shown is not Look.CALM or (knows and not alerts)


def test_freshness_follows_the_staleness_limit_of_the_signal() -> None:
    limit = SIGNALS["heart_rate"].stale_s
    assert limit is not None

    def fresh(age_s: float, number: float | None = 72.0) -> Freshness:
        return views.freshness("heart_rate", live(value("heart_rate", number, age_s)).value("w1", "heart_rate"), NOW)

    assert fresh(0) is Freshness.CURRENT
    assert fresh(limit) is Freshness.CURRENT
    assert fresh(limit + 0.1) is Freshness.STALE
    assert fresh(0, None) is Freshness.UNKNOWN
    assert views.freshness("heart_rate", None, NOW) is Freshness.UNKNOWN


def test_a_value_from_after_now_is_of_another_clock() -> None:
    assert views.age_s(NOW + 4 * S, NOW) == 0
    assert views.age_s(NOW + 6 * S, NOW) is None
    shown = views.vital(("heart_rate",), list(live(value("heart_rate", 72, -60)).devices.values()), NOW)
    assert (shown.freshness, shown.age_s, shown.number) == (Freshness.STALE, None, "72")


def vital(*observations: Any, signals: tuple[str, ...] = ("heart_rate",)) -> views.VitalView:
    return views.vital(signals, list(live(*observations).devices.values()), NOW)


def test_never_heard_is_unknown_without_age() -> None:
    assert vital() == views.VitalView("heart_rate", None, "/min", Freshness.UNKNOWN, None)


def test_absent_is_unknown_with_its_reason_never_a_number() -> None:
    shown = vital(value("heart_rate", None, 3, quality=Quality.NO_CONTACT))
    assert shown == views.VitalView("heart_rate", None, "/min", Freshness.UNKNOWN, 3.0, Quality.NO_CONTACT)
    assert vital(value("heart_rate", 999, 3)).number is None


def test_the_current_value_goes_before_the_newer_but_absent_one() -> None:
    assert vital(value("heart_rate", 72, 9, "w1"), value("heart_rate", None, 1, "radar")).number == "72"
    assert vital(value("heart_rate", 72, 90, "w1"), value("heart_rate", 65, 9, "radar")).number == "65"
    poor = value("heart_rate", 120, 1, "w2", Quality.POOR)
    assert vital(value("heart_rate", 72, 9, "w1"), poor).number == "72"
    assert vital(poor).quality is Quality.POOR


def test_what_the_box_has_computed_is_marked() -> None:
    assert vital(replace(value("heart_rate", 72, 9, "bed"), derived=True)).derived
    assert not vital(value("heart_rate", 72, 9, "w1")).derived


def test_body_temperature_goes_before_skin_temperature_unless_stale() -> None:
    signals = ("body_temperature", "skin_temperature")
    skin = value("skin_temperature", 33.44, 5)
    assert vital(skin, value("body_temperature", 36.55, 50), signals=signals).signal == "body_temperature"
    assert vital(skin, value("body_temperature", 36.5, 5000), signals=signals).number == "33.4"


@pytest.mark.parametrize(
    ("signal", "number", "shown"),
    [
        ("heart_rate", 71.6, "72"),
        ("skin_temperature", 33.0, "33.0"),
        ("spo2", 97, "97"),
        ("heart_rate", None, None),
        ("worn", True, None),
        ("posture", "low", None),
    ],
)
def test_numbers(signal: str, number: Any, shown: str | None) -> None:
    assert views.format_number(signal, number) == shown


def test_a_word_in_place_of_a_number_is_unknown() -> None:
    state = live(value("heart_rate", 72, 1))
    state.devices["w1"].values["heart_rate"].value = "broken"
    assert views.vital(("heart_rate",), [state.devices["w1"]], NOW).freshness is Freshness.UNKNOWN


def test_facts_tell_what_stands_for_now_only() -> None:
    state = live(
        event("bed_occupancy", "in", 10, "radar"),
        event("presence", True, 10, "radar"),
        event("presence", False, 500, "w1"),
        event("worn", None, 10),
        event("posture", "low", 1),
        value("battery", 81, 60),
        value("battery", 40.9, 60, "radar"),
    )
    told = views.facts(list(state.devices.values()), NOW)
    assert told == (views.FactView("bed_in"), views.FactView("presence_true"), views.FactView("battery", 40))
    assert views.facts(list(live(value("battery", None, 1)).devices.values()), NOW) == ()


def test_worn_needs_a_device_that_is_heard() -> None:
    def told(heard_s: float) -> tuple[views.FactView, ...]:
        return views.facts(list(live(event("worn", True, 4000), event("door", "open", heard_s)).devices.values()), NOW)

    assert told(90) == (views.FactView("worn_true"),)
    assert told(91) == ()
    assert told(-60) == ()


def test_informed_by_a_life_sign_or_a_running_trace() -> None:
    def informed(*observations: Any) -> bool:
        return views.informed(live(*observations).devices.values(), NOW)

    assert not informed()
    assert informed(value("heart_rate", 72, 3))
    assert not informed(value("heart_rate", 72, 60))
    assert not informed(value("heart_rate", None, 3), value("battery", 90, 3), event("door", "open", 3))
    assert informed(event("presence", False, 60))
    assert informed(block(2))
    assert not informed(block(6))


def test_card_brings_it_together() -> None:
    state = live(value("heart_rate", 72, 3), block(1), event("bed_occupancy", "in", 7, "radar"))
    alerts = [alert("signal_lost"), alert("fall"), alert("fall", id="other")]
    shown = views.card(LI, ["w1", "radar", "never"], alerts, state, NOW)
    assert (shown.look, shown.flashing, shown.reasons) == (Look.ALARM, True, ("fall", "signal_lost"))
    assert [one.number for one in shown.vitals] == ["72", None, None, None]
    assert (shown.trace_device, shown.heard_s, shown.has_devices) == ("w1", 1.0, True)
    empty = views.card(LI, [], [], state, NOW)
    assert (empty.look, empty.heard_s, empty.has_devices, empty.trace_device) == (Look.UNKNOWN, None, False, None)


def shown(one: Alert, now_ns: int = NOW) -> views.AlertView:
    devices = {"w1": Device("w1", "yinling_wearable", "手环", "worn"), "d1": Device("d1", "zigbee2mqtt", room="厨房")}
    return views.alert_view(one, {"r1": LI}, devices, now_ns)


def test_alert_says_who_where_since_when() -> None:
    one = shown(alert("fall"))
    assert (one.who, one.where, one.device, one.running_s) == ("李奶奶", "301", "手环", 3.0)
    assert (one.countdown_s, one.flashing, one.by) == (None, True, None)
    assert shown(alert("fall"), NOW - 100 * S).running_s == 0


def test_alert_about_a_device_or_somebody_unknown() -> None:
    kitchen = shown(alert("smoke", resident=None, devices=("d1",)))
    assert (kitchen.who, kitchen.device, kitchen.where) == (None, "d1", "厨房")
    strange = shown(alert("help_call", resident="gone", devices=("x9",)))
    assert (strange.who, strange.device, strange.where) == ("gone", "x9", "")
    site = shown(alert("delivery_failed", resident=None, devices=()))
    assert (site.who, site.device) == (None, None)


def test_suspected_counts_down_and_can_be_cancelled() -> None:
    one = alert("fall", phase=Phase.SUSPECTED)
    assert shown(one).countdown_s == 18.0
    assert shown(one, NOW + 60 * S).countdown_s == 0
    assert shown(one).actions == (Action.CANCEL, Action.ACKNOWLEDGE)
    assert not shown(one).flashing


def test_actions_are_those_the_life_cycle_allows() -> None:
    acts = {
        Action.ACKNOWLEDGE: lifecycle.acknowledge,
        Action.EN_ROUTE: lifecycle.en_route,
        Action.ON_SCENE: lifecycle.on_scene,
    }
    for state, actions in views.ACTIONS.items():
        one = alert("fall", state=state)
        for action in actions:
            if action in acts:
                assert acts[action](one, "王芳", NOW).alert.state.rank > state.rank
            elif action is Action.RESOLVE:
                assert not lifecycle.resolve(one, Outcome.TEST, "王芳", NOW).alert.state.open
            else:
                assert lifecycle.cancel(one, "王芳", NOW).alert.state is State.CANCELLED
    assert set(views.ACTIONS) == {state for state in State if state.open}
    assert shown(alert("fall", state=State.RESOLVED)).actions == ()


def test_order_of_alerts() -> None:
    wanted = [
        alert("help_call", at_ns=NOW - 9 * S),
        alert("fall", at_ns=NOW - 3 * S),
        alert("fall", state=State.SUSPECTED, at_ns=NOW - 2 * S),
        alert("fall", state=State.ACKNOWLEDGED, at_ns=NOW - 90 * S),
        alert("heart_rate_high", at_ns=NOW - 99 * S),
        alert("battery_low", at_ns=NOW - 999 * S),
        alert("fall", test=True, at_ns=NOW - 999 * S),
    ]
    backwards = list(reversed(wanted))
    assert sorted(backwards, key=views.urgency) == wanted
