"""Equipment faults: each cause once, cleared when it has gone, and no storm when a path or the clock fails."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from analytics_scenes import at, block, brief, event, feed, in_order, reading, series
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.findings import Finding, Phase
from analytics.technical import TechnicalWatch

if TYPE_CHECKING:
    from device_drivers.observations import Observation, Reading


def watching(device: str = "w", resident: str | None = "li", **options: Any) -> TechnicalWatch:
    detector = TechnicalWatch()
    detector.attach(device, resident, **options)
    return detector


def alive(device: str, begin: int, end: int, every: int = 5) -> list[Reading]:
    return series(device, "skin_temperature", ((s, 33.0) for s in range(begin, end, every)))


def test_a_silent_device_is_lost_once_and_comes_back() -> None:
    detector = watching(lost_after_s=60)
    found = feed(detector, [*alive("w", 0, 101), *alive("w", 300, 320)], 330)
    assert brief(found) == [("signal_lost", "confirmed", 160.0), ("signal_lost", "cleared", 300.0)]
    assert found[0].episode == found[1].episode == f"signal_lost:w:{at(160)}"
    assert found[0].evidence == {"rule": "signal_lost/1", "silent_s": 60.0}
    assert found[0].resident_id == "li"


def test_a_device_never_heard_is_lost_too() -> None:
    assert brief(feed(watching(), [], 400)) == [("signal_lost", "confirmed", 300.0)]


def test_a_device_attached_later_has_its_whole_time() -> None:
    detector = TechnicalWatch()
    feed(detector, [], 100)
    detector.attach("w", None, lost_after_s=50)
    assert [(f.kind, f.at_ns) for s in range(100, 300) for f in detector.step(at(s))] == [("signal_lost", at(150))]


def test_every_kind_of_observation_is_a_sign_of_life() -> None:
    signs: list[Observation] = [
        block("w", 40, np.ones((50, 3))),
        reading("w", "heart_rate", None, 80),
        event("w", "door", "open", 120),
        reading("w", "spo2", 97.0, 160, stored=True),
    ]
    assert brief(feed(watching(lost_after_s=60), signs, 219)) == []
    assert len(feed(watching(lost_after_s=60), signs, 220)) == 1


def test_a_limit_of_infinity_is_none() -> None:
    assert feed(watching(lost_after_s=math.inf), [*alive("w", 0, 10)], 5000, 30) == []


@pytest.mark.parametrize(
    "options",
    [
        {"lost_after_s": 0},
        {"lost_after_s": math.nan},
        {"not_worn_after_s": "x"},
        {"battery_low": 30, "battery_ok": 25},
        {"battery_low": -1},
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        watching(**options)


def test_unknown_options_are_refused() -> None:
    with pytest.raises(TypeError, match="lost_after_m"):
        watching(lost_after_m=5)


def test_options_can_change_while_attached() -> None:
    detector = watching(lost_after_s=300)
    feed(detector, alive("w", 0, 10), 10)
    detector.attach("w", "li", lost_after_s=30)
    assert brief([f for s in range(11, 60) for f in detector.step(at(s))]) == [("signal_lost", "confirmed", 35.0)]


def test_a_detached_device_is_never_lost_and_its_findings_are_cleared() -> None:
    detector = watching(lost_after_s=60)
    feed(detector, alive("w", 0, 10), 20)
    detector.detach("w")
    detector.detach("w")
    assert [f for s in range(20, 400, 10) for f in detector.step(at(s))] == []
    detector = watching(lost_after_s=60)
    feed(detector, alive("w", 0, 10), 100)
    detector.detach("w")
    cleared = detector.step(at(101))
    assert brief(cleared) == [("signal_lost", "cleared", 100.0)]
    assert cleared[0].evidence["reason"] == "detached"


def test_another_resident_forgets_the_past() -> None:
    detector = watching(lost_after_s=60)
    feed(detector, alive("w", 0, 10), 50)
    detector.attach("w", "wang", lost_after_s=60)
    found = [f for s in range(50, 130) for f in detector.step(at(s))]
    assert [(f.resident_id, f.at_ns) for f in found] == [("wang", at(110))]


def radar(heart_until: int, heart_again: int, until: int) -> list[Observation]:
    hearts = series("r", "heart_rate", ((s, 66.0) for s in range(0, until, 3) if not heart_until < s < heart_again))
    return list(in_order(hearts, [event("r", "motion", "still", s, repeat=True) for s in range(0, until, 5)]))


def test_heart_frames_that_stop_while_the_device_goes_on() -> None:
    found = feed(watching("r", signal_lost_after_s=60), radar(100, 300, 400), 400)
    assert brief(found) == [("signal_lost", "confirmed", 159.0), ("signal_lost", "cleared", 300.0)]
    assert found[0].evidence["signal"] == "heart_rate"
    assert found[0].episode.startswith("signal_lost:r:heart_rate:")


@pytest.mark.parametrize(
    ("away", "back"),
    [
        (event("r", "presence", value=False, s=110), event("r", "presence", value=True, s=350)),
        (event("r", "bed_occupancy", "left", 110), event("r", "bed_occupancy", "in", 350)),
        (event("r", "in_range", value=False, s=110), event("r", "in_range", value=True, s=350)),
        (event("r", "worn", value=False, s=110), event("r", "worn", value=True, s=350)),
    ],
)
def test_nobody_there_has_no_heart(away: Observation, back: Observation) -> None:
    quiet = radar(100, 380, 400)
    detector = watching("r", signal_lost_after_s=60, not_worn_after_s=1000)
    assert feed(detector, in_order(quiet, [away, back]), 400) == []


def test_that_nobody_is_there_explains_a_lost_signal_afterwards() -> None:
    left = [event("r", "presence", value=False, s=200)]
    found = feed(watching("r", signal_lost_after_s=60), in_order(radar(100, 380, 400), left), 400)
    assert brief(found) == [("signal_lost", "confirmed", 159.0), ("signal_lost", "cleared", 200.0)]
    assert found[1].evidence["reason"] == "nobody_there"


def test_a_whole_silence_is_one_finding_not_one_for_each_signal() -> None:
    quiet = [o for o in radar(0, 0, 400) if not 100 < (o.received_ns - at(0)) / 1e9 < 250]
    found = feed(watching("r", lost_after_s=60, signal_lost_after_s=60), quiet, 400)
    assert brief(found) == [("signal_lost", "confirmed", 160.0), ("signal_lost", "cleared", 250.0)]


def test_not_worn_for_a_while() -> None:
    states: list[Observation] = [
        event("w", "charging", value=True, s=10),
        event("w", "worn", value=False, s=20),
        event("w", "worn", value=False, s=60, repeat=True),
        event("w", "worn", value=True, s=90),
        event("w", "worn", value=False, s=100),
        event("w", "worn", value=True, s=260),
    ]
    found = feed(watching(not_worn_after_s=100), states, 280)
    assert brief(found) == [("not_worn", "confirmed", 200.0), ("not_worn", "cleared", 260.0)]
    assert found[0].evidence["charging"] is True


def test_battery_has_hysteresis() -> None:
    levels = series("w", "battery", enumerate([50, 21, 20, 22, 19, 24.9, 25, 21, 20.5, 18]))
    found = feed(watching(), levels, 20)
    assert brief(found) == [
        ("battery_low", "confirmed", 2.0),
        ("battery_low", "cleared", 6.0),
        ("battery_low", "confirmed", 9.0),
    ]
    assert found[0].evidence["battery"] == 20


def test_the_devices_own_word_and_the_level_are_one_finding() -> None:
    states: list[Observation] = [
        event("w", "battery_low", value=True, s=1),
        reading("w", "battery", 15.0, 2),
        event("w", "battery_low", value=False, s=3),
        reading("w", "battery", None, 4),
        reading("w", "battery", 90.0, 5),
    ]
    assert brief(feed(watching(), states, 10)) == [("battery_low", "confirmed", 1.0), ("battery_low", "cleared", 5.0)]


def test_faults() -> None:
    states: list[Observation] = [
        event("w", "device_fault", "none", 1),
        event("w", "device_fault", "hardware", 2),
        event("w", "device_fault", "hardware", 3, repeat=True),
        event("w", "device_fault", None, 4),
        event("w", "device_fault", "none", 5),
    ]
    found = feed(watching(), states, 10)
    assert brief(found) == [("device_fault", "confirmed", 2.0), ("device_fault", "cleared", 5.0)]
    assert found[0].evidence["fault"] == "hardware"


def test_stored_states_say_nothing() -> None:
    states: list[Observation] = [
        event("w", "worn", value=False, s=1, stored=True),
        event("w", "battery_low", value=True, s=2, stored=True),
        event("w", "device_fault", "hardware", 3, stored=True),
        event("w", "online", value=False, s=4, stored=True),
        event("home/bridge", "online", value=False, s=5, stored=True),
        reading("w", "battery", 3.0, 6, stored=True),
    ]
    detector = watching(not_worn_after_s=10)
    detector.attach("home/bridge", None)
    assert feed(detector, states, 100) == []


def test_a_device_reported_offline_is_lost_sooner_unless_it_returns() -> None:
    gone: list[Observation] = [*alive("w", 0, 50), event("w", "online", value=False, s=50)]
    found = feed(watching(), [*gone, event("w", "online", value=True, s=200)], 210)
    assert brief(found) == [("signal_lost", "confirmed", 110.0), ("signal_lost", "cleared", 200.0)]
    assert feed(watching(), [*gone, *alive("w", 80, 210)], 210) == []


def home(**options: Any) -> TechnicalWatch:
    detector = TechnicalWatch(**options)
    for name in ("home/sos", "home/door", "home/smoke"):
        detector.attach(name, "li", lost_after_s=100)
    detector.attach("w", "li", lost_after_s=100)
    return detector


def bridge(value: bool, s: float) -> Observation:
    return event("home/bridge", "online", value=value, s=s)


def test_a_path_down_is_one_finding_and_hides_the_devices_behind_it() -> None:
    obs = [*alive("w", 0, 600, 5), bridge(False, 50), bridge(False, 70), bridge(True, 400)]
    obs += [reading(name, "link_quality", 90.0, 450) for name in ("home/sos", "home/door")]
    found = feed(home(), in_order(obs), 540)
    assert brief(found) == [
        ("path_down", "confirmed", 50.0),
        ("path_down", "cleared", 400.0),
        ("signal_lost", "confirmed", 520.0),
    ]
    assert found[0].devices == ("home/bridge",)
    assert found[0].resident_id is None
    assert found[0].evidence["devices_behind"] == 3
    assert found[2].devices == ("home/smoke",)


def test_a_device_lost_before_its_path_stays_lost_once() -> None:
    obs = [*alive("w", 0, 600, 5), bridge(False, 150), bridge(True, 160), reading("home/sos", "battery", 90.0, 170)]
    found = feed(home(), in_order(obs), 600)
    assert [f.devices[0] for f in found if f.kind == "signal_lost" and f.phase == "confirmed"].count("home/door") == 1
    assert [f.at_ns for f in found if f.devices == ("home/sos",)] == [at(100), at(170), at(270)]


def test_other_paths_and_devices_are_not_held() -> None:
    found = feed(home(), [event("flat2/bridge", "online", value=False, s=1), bridge(False, 10)], 120)
    assert brief(found) == [("path_down", "confirmed", 10.0), ("signal_lost", "confirmed", 100.0)]


def test_a_short_break_of_a_path_can_be_passed_over() -> None:
    quick = [bridge(False, 50), bridge(True, 70)]
    assert [f.kind for f in feed(home(path_delay_s=30), quick, 90)] == []
    found = feed(home(path_delay_s=30), [bridge(False, 50), bridge(True, 90)], 100)
    assert [f.phase for f in found if f.kind == "path_down"] == ["confirmed", "cleared"]
    assert found[0].at_ns == at(80)


def test_a_device_attached_behind_a_dead_path_waits_for_it() -> None:
    detector = home()
    feed(detector, [*alive("w", 0, 20), bridge(False, 10)], 20)
    detector.attach("home/new", "li", lost_after_s=100)
    found = [f for s in range(20, 200) for f in detector.step(at(s))]
    assert [f.devices for f in found] == [("w",)]


def test_a_path_with_no_device_left_is_forgotten() -> None:
    detector = TechnicalWatch()
    detector.attach("home/bridge", None)
    detector.attach("home/sos", "li")
    feed(detector, [bridge(False, 10)], 20)
    detector.detach("home/sos")
    assert detector.step(at(21)) == []
    detector.detach("home/bridge")
    assert brief(detector.step(at(22))) == [("path_down", "cleared", 21.0)]


def test_a_bridge_itself_is_not_lost_by_silence_unless_asked() -> None:
    detector = TechnicalWatch()
    detector.attach("home/bridge", None)
    assert feed(detector, [bridge(True, 1)], 2000, 30) == []
    detector.attach("home/bridge", None, lost_after_s=10)
    assert [f.kind for s in (2001, 2030) for f in detector.step(at(s))] == ["signal_lost"]


def test_time_in_which_nobody_watched_is_not_silence() -> None:
    detector = watching(lost_after_s=100)
    feed(detector, alive("w", 0, 21, 5), 50)
    hour_later = [f for s in range(3650, 3800) for f in detector.step(at(s))]
    assert brief(hour_later) == [("signal_lost", "confirmed", 3720.0)]


def test_a_gateway_clock_set_back_keeps_what_was_counted() -> None:
    detector = watching(lost_after_s=100, not_worn_after_s=100)
    detector.attach("home/sos", "li")
    states = [event("w", "worn", value=False, s=20), event("home/bridge", "online", value=False, s=20)]
    feed(detector, states, 50)
    back = [f for s in range(50, 150) for f in detector.step(at(s - 7200))]
    assert brief(back) == [("not_worn", "confirmed", 120 - 7200.0), ("signal_lost", "confirmed", 120 - 7200.0)]


def test_observations_from_another_time_move_the_clock_as_steps_do() -> None:
    detector = watching(lost_after_s=100)
    feed(detector, alive("w", 0, 21, 5), 50)
    detector.ingest([reading("w", "spo2", 97.0, 9000), reading("w", "spo2", 97.0, 10), reading("x", "spo2", 1.0, 1)])
    assert brief(detector.step(at(20))) == []
    detector.ingest([reading("w", "spo2", 97.0, -(10**12))])
    assert detector.step(at(30)) == []


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "home/x", "home/y"]),
            st.sampled_from(
                ["skin_temperature", "heart_rate", "battery", "worn", "online", "presence", "device_fault", "bridge"]
            ),
            st.sampled_from([0, 1, 5, 20, 50]),
            st.booleans(),
        ),
        max_size=80,
    ),
    st.sampled_from([1, 1.5, 3, 12]),
)
def test_steps_in_between_change_nothing(plan: list[tuple[str, str, int, bool]], every: float) -> None:
    """The exact path, the quick path over arrays, and any mixture of the two give the same findings."""
    obs: list[Observation] = []
    now = 0
    for device, signal, wait, flag in plan:
        now += wait
        if signal == "bridge":
            obs.append(bridge(flag, now))
        elif signal == "battery":
            obs.append(reading(device, signal, 15.0 if flag else 80.0, now))
        elif signal in {"skin_temperature", "heart_rate"}:
            obs.append(reading(device, signal, 36.0, now))
        elif signal == "device_fault":
            obs.append(event(device, signal, "hardware" if flag else "none", now))
        else:
            obs.append(event(device, signal, flag, now))

    def run(every_s: float) -> list[tuple[str, str, float, str]]:
        detector = TechnicalWatch()
        for name in ("a", "home/x", "home/y"):
            detector.attach(name, "li", lost_after_s=40, signal_lost_after_s=25, not_worn_after_s=30)
        found = feed(detector, obs, now + 60 - now % 60 + 60, every_s)
        episodes: dict[str, list[str]] = {}
        for f in found:
            episodes.setdefault(f.episode, []).append(str(f.phase))
        assert all(phases in (["confirmed"], ["confirmed", "cleared"]) for phases in episodes.values())
        return sorted((f.episode, str(f.phase), f.at_ns / 1e9, f.kind) for f in found)

    assert run(0.5) == run(every) == run(20) == run(60)


def test_the_delay_of_a_path_stands_still_while_nobody_watched() -> None:
    detector = home(path_delay_s=30)
    feed(detector, [bridge(False, 10)], 20)
    later = [f for s in range(3620, 3660) for f in detector.step(at(s))]
    assert brief(later) == [("path_down", "confirmed", 3640.0)]


def test_a_silence_between_two_readings_of_one_step_after_a_path_returned_is_seen() -> None:
    def run(every_s: float) -> list[tuple[str, str, float]]:
        detector = TechnicalWatch()
        for name in ("a", "home/x"):
            detector.attach(name, "li", lost_after_s=40)
        obs = [
            bridge(False, 0),
            bridge(True, 20),
            reading("home/x", "spo2", 97.0, 70),
            reading("home/x", "spo2", 97.0, 120),
        ]
        return [one for one in brief(feed(detector, obs, 130, every_s)) if one[0] == "signal_lost"]

    assert ("signal_lost", "cleared", 120.0) in run(0.5)
    assert run(60) == run(0.5)


def test_while_the_gateways_own_way_is_cut_the_silence_behind_it_is_not_counted() -> None:
    detector = TechnicalWatch()
    devices = [f"d{n}" for n in range(50)]
    for device in devices:
        detector.attach(device, "li", lost_after_s=300)
    found = feed(detector, in_order(*(alive(device, 0, 100) for device in devices)), 100)
    detector.cut_off(devices, at(100))
    found += [f for s in range(101, 3700, 10) for f in detector.step(at(s))]
    detector.cut_off([], at(3700))
    detector.attach("late", "li", lost_after_s=300)
    spoken = in_order(*(alive(device, 3750, 3900) for device in devices[1:]))
    for s in range(3701, 4100, 10):
        detector.ingest([o for o in spoken if at(s - 10) < o.received_ns <= at(s)])
        found += detector.step(at(s))
    assert [(f.kind, f.devices, (f.at_ns - at(0)) // 10**9) for f in found] == [
        ("signal_lost", ("d0",), 3995),
        ("signal_lost", ("late",), 4000),
    ]


def test_a_device_attached_behind_a_way_that_is_cut_is_excused_too_and_a_clock_jump_changes_nothing() -> None:
    detector = TechnicalWatch()
    detector.step(at(0))
    detector.cut_off(["d", "gone"], at(0))
    detector.attach("d", "li", lost_after_s=60)
    assert [f for s in range(0, 3600, 10) for f in detector.step(at(s))] == []
    assert detector.step(at(90_000)) == []
    detector.cut_off([], at(90_010))
    assert [f for s in range(0, 110, 10) for f in detector.step(at(90_010 + s))] == []
    assert [f.kind for s in range(110, 4000, 10) for f in detector.step(at(90_010 + s))] == ["signal_lost"]


def test_what_is_heard_before_its_way_is_back_gets_no_more_time_than_from_then() -> None:
    detector = watching(lost_after_s=300)
    found = feed(detector, alive("w", 0, 100), 100)
    detector.cut_off(["w"], at(100))
    found += [f for s in range(101, 18_000, 10) for f in detector.step(at(s))]
    detector.ingest([reading("w", "skin_temperature", 33.0, 18_000)])
    detector.step(at(18_000))
    detector.cut_off([], at(18_001))
    found += [f for s in range(18_002, 19_000, 10) for f in detector.step(at(s))]
    assert brief(found) == [("signal_lost", "confirmed", 18_301.0)]


def connecting(device: str, begin: float, end: float, every: float) -> list[Observation]:
    return [
        event(device, "online", value=value, s=begin + n * every + part)
        for n in range(int((end - begin) / every))
        for value, part in ((True, 0.0), (False, every / 2))
    ]


def test_a_device_that_connects_again_and_again_is_told_of_once_until_it_has_settled() -> None:
    quiet: list[Observation] = [event("w", "online", value=True, s=200), *alive("w", 200, 400)]
    found = feed(watching(lost_after_s=900), [*connecting("w", 0, 180, 0.6), *quiet], 500)
    assert [(f.kind, str(f.phase)) for f in found] == [("reconnecting", "confirmed"), ("reconnecting", "cleared")]
    assert found[0].at_ns < at(20)
    assert found[1].at_ns == at(320)
    assert found[0].evidence["connections_per_minute"] == 20


def test_one_connection_a_minute_and_a_state_told_again_are_ordinary() -> None:
    again = [event("w", "online", value=True, s=s, repeat=True) for s in range(100)]
    assert feed(watching(), in_order(connecting("w", 0, 1200, 30.0), again), 1200) == []


def open_alert(kind: str, device: str = "w", part: str = "", **evidence: str | float | bool) -> Finding:
    episode = f"{kind}:{device}:{part}{at(-3600)}"
    return Finding(episode, kind, "li", at(-3600), Phase.CONFIRMED, 1.0, (device,), evidence)


@pytest.mark.parametrize(
    ("before", "bad", "good"),
    [
        (open_alert("signal_lost", silent_s=300.0), [], reading("w", "spo2", 97.0, 50)),
        (
            open_alert("signal_lost", part="heart_rate:", signal="breath_wave"),
            [reading("w", "skin_temperature", 33.0, 10)],
            reading("w", "heart_rate", 66.0, 50),
        ),
        (open_alert("not_worn"), [event("w", "worn", value=False, s=10)], event("w", "worn", value=True, s=50)),
        (
            open_alert("battery_low", battery=15.0),
            [reading("w", "battery", 22.0, 10), reading("w", "battery", None, 12)],
            reading("w", "battery", 60.0, 50),
        ),
        (
            open_alert("battery_low", battery_low=True),
            [reading("w", "battery", 60.0, 10), event("w", "battery_low", value=True, s=12)],
            event("w", "battery_low", value=False, s=50),
        ),
        (
            open_alert("device_fault", fault="hardware"),
            [event("w", "device_fault", "hardware", 10)],
            event("w", "device_fault", "none", 50),
        ),
        (open_alert("reconnecting"), [*alive("w", 10, 50)], reading("w", "spo2", 97.0, 131)),
    ],
    ids=lambda one: f"{one.kind} {sorted(one.evidence)}" if isinstance(one, Finding) else "",
)
def test_an_alert_from_before_the_start_ends_with_the_first_good_word_and_not_by_silence(
    before: Finding, bad: list[Observation], good: Observation
) -> None:
    detector = watching(lost_after_s=900)
    assert detector.resume(before, at(0))
    assert [f for f in feed(detector, bad, 49) if f.phase is Phase.CLEARED] == []
    detector.ingest([good])
    cleared = [f for f in detector.step(at(140)) if f.phase is Phase.CLEARED]
    assert [(f.episode, f.kind, f.at_ns) for f in cleared] == [(before.episode, before.kind, good.received_ns)]


def test_silence_never_ends_an_alert_from_before_the_start_and_it_is_not_raised_a_second_time() -> None:
    detector = watching(lost_after_s=60)
    detector.resume(open_alert("signal_lost", silent_s=300.0), at(0))
    assert feed(detector, [], 2000, 10) == []


def test_a_bridge_still_down_from_before_the_start_ends_when_it_is_back() -> None:
    detector = TechnicalWatch()
    detector.attach("home/door", "li", lost_after_s=60)
    before = open_alert("path_down", "home/bridge")
    assert detector.resume(before, at(0))
    assert feed(detector, [event("home/bridge", "online", value=False, s=5, repeat=True)], 900) == []
    detector.ingest([event("home/bridge", "online", value=True, s=950, repeat=True)])
    assert [(f.episode, str(f.phase)) for f in detector.step(at(950))] == [(before.episode, "cleared")]


def test_what_cannot_be_resumed_is_refused() -> None:
    detector = watching()
    refused = [
        open_alert("signal_lost", "nobody"),
        open_alert("line_lost"),
        open_alert("path_down"),
        open_alert("path_down", "elsewhere/bridge"),
        Finding("delivery:1", "delivery_failed", None, 1, Phase.CONFIRMED, 1.0, (), {}),
    ]
    assert [detector.resume(one, at(0)) for one in refused] == [False] * 5
