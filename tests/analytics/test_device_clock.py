"""Devices' clocks: hours ahead, hours behind, the wrong zone; what was only kept on its way; recovery; history."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from analytics_scenes import SECOND, at, block, event, reading
from hypothesis import given
from hypothesis import strategies as st

from analytics.device_clock import MAX_DEVICES, DeviceClocks
from analytics.findings import Finding, Phase
from device_drivers.observations import Samples

if TYPE_CHECKING:
    from device_drivers.observations import Observation

HOUR = 3600.0
OWNERS = {"w": "li"}


def off(one: Observation, seconds: float) -> Observation:
    """As a device whose clock is that much ahead would have dated it."""
    return replace(one, at_ns=one.at_ns + round(seconds * SECOND))


def live(s: float, ahead: float, delay: float = 0.4) -> Observation:
    one = reading("w", "heart_rate", 70.0, s)
    return replace(one, at_ns=one.at_ns + round((ahead - delay) * SECOND))


def happened(observations: list[Observation]) -> list[float]:
    return [round((one.at_ns - at(0)) / SECOND, 1) for one in observations]


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("ahead", [8 * HOUR, -8 * HOUR, -600.0])
def test_a_wrong_clock_is_told_with_its_offset_and_what_it_dates_happened_when_it_came(
    ahead: float, *, direct: bool
) -> None:
    clocks, told, seen = DeviceClocks(), [], []
    for s in range(60):
        seen += clocks.judge([live(s, ahead)], direct=direct)
        told += clocks.step(OWNERS)
    assert [(f.kind, f.resident_id, f.phase, f.devices) for f in told] == [
        ("clock_wrong", "li", Phase.CONFIRMED, ("w",))
    ]
    assert told[0].evidence == {"rule": "clock_wrong/1", "offset_s": round(ahead - 0.4), "time_zone": ahead != -600.0}
    assert clocks.wrong() == {"w": pytest.approx(ahead * SECOND, abs=SECOND)}
    assert happened(seen)[20:] == pytest.approx(list(range(20, 60)), abs=0.5)
    if direct or ahead > 0:
        assert happened(seen) == pytest.approx(list(range(60)), abs=0.5)


def test_when_the_clock_is_set_it_is_believed_again_and_the_fault_is_over() -> None:
    clocks, told = DeviceClocks(), []
    for s in range(40):
        clocks.judge([live(s, 8 * HOUR if s < 20 else 0.0)], direct=False)
        told += clocks.step(OWNERS)
    assert [f.phase for f in told] == [Phase.CONFIRMED, Phase.CLEARED]
    assert told[0].episode == told[1].episode
    assert told[1].at_ns == at(21)
    assert clocks.wrong() == {}
    assert happened(clocks.judge([live(50, 0.0, delay=90.0)], direct=True)) == [-40.0]


def test_what_a_broker_kept_while_the_gateway_was_away_keeps_its_times() -> None:
    """Two hours of seconds come at a hundred times their pace, and then live ones."""
    clocks = DeviceClocks()
    kept = [replace(reading("w", "heart_rate", 70.0, 7200 + n / 100), at_ns=at(n)) for n in range(7200)]
    assert clocks.judge(kept, direct=False) == kept
    assert clocks.judge([live(7300, 0)], direct=False) == [live(7300, 0)]
    assert clocks.step(OWNERS) == []
    assert clocks.wrong() == {}


def test_a_call_that_waited_in_the_device_is_old_if_its_clock_is_known_to_be_right_and_new_if_not() -> None:
    press = replace(event("w", "help_button", value=True, s=1000), at_ns=at(400))
    assert happened(DeviceClocks().judge([press], direct=True)) == [1000.0]
    clocks = DeviceClocks()
    clocks.judge([live(10, 0)], direct=True)
    assert happened(clocks.judge([press], direct=True)) == [400.0]
    assert clocks.step(OWNERS) == []


def test_what_has_no_time_of_its_own_says_nothing_about_the_clock() -> None:
    clocks = DeviceClocks()
    for s in range(0, 60, 5):
        heartbeat = event("w", "online", value=True, s=s)
        judged = clocks.judge([heartbeat, live(s, -8 * HOUR)], direct=True)
        assert happened(judged) == pytest.approx([s, s], abs=0.5)
    assert len(clocks.step(OWNERS)) == 1


def test_history_of_a_wrong_clock_is_moved_with_it_and_never_into_the_future() -> None:
    clocks = DeviceClocks()
    for s in range(20):
        clocks.judge([live(s, 8 * HOUR)], direct=True)
    stored = reading("w", "spo2", 95.0, 30, stored=True)
    assert happened(clocks.judge([replace(stored, at_ns=at(8 * HOUR - 300))], direct=True)) == pytest.approx(
        [-300], abs=1
    )
    assert happened(clocks.judge([replace(stored, at_ns=at(8 * HOUR + 300))], direct=True)) == [30.0]
    assert happened(DeviceClocks().judge([replace(stored, at_ns=at(-9 * HOUR))], direct=True)) == [-9 * HOUR]
    assert happened(DeviceClocks().judge([replace(stored, at_ns=at(9 * HOUR))], direct=True)) == [30.0]


def test_samples_of_a_wrong_clock_keep_their_distances_whatever_the_way_did() -> None:
    clocks, jitter = DeviceClocks(), np.random.default_rng(1).uniform(0, 0.8, 60)
    judged: list[Observation] = []
    for s in range(60):
        one = block("w", s, np.ones((50, 3)))
        late = replace(one, received_ns=one.received_ns + round(float(jitter[s]) * SECOND))
        judged += clocks.judge([off(late, 8 * HOUR)], direct=False)
    gaps = np.diff([one.at_ns for one in judged[10:]]) / SECOND
    assert gaps == pytest.approx(np.ones(gaps.size), abs=0.05)
    assert all(isinstance(one, Samples) and one.at_ns < one.received_ns for one in judged)


def test_an_alert_from_before_the_start_ends_when_the_right_time_is_seen_and_not_by_silence() -> None:
    before = Finding("clock_wrong:w:1", "clock_wrong", "li", 1, Phase.CONFIRMED, 1.0, ("w",), {})
    clocks = DeviceClocks()
    assert clocks.resume(before)
    assert not clocks.resume(replace(before, kind="fall"))
    assert clocks.step(OWNERS) == []
    for s in range(20):
        clocks.judge([live(s, 8 * HOUR)], direct=True)
    assert clocks.step(OWNERS) == [], "it is the same fault, told already"
    clocks.judge([live(30, 0), live(31, 0)], direct=True)
    assert [(f.episode, f.phase) for f in clocks.step(OWNERS)] == [("clock_wrong:w:1", Phase.CLEARED)]
    fresh = DeviceClocks()
    fresh.resume(before)
    fresh.judge([live(30, 0), live(31, 0)], direct=True)
    assert [(f.episode, f.phase) for f in fresh.step(OWNERS)] == [("clock_wrong:w:1", Phase.CLEARED)]


def test_devices_that_are_not_ours_are_not_told_of_and_those_taken_away_are_forgotten() -> None:
    clocks = DeviceClocks()
    for s in range(20):
        clocks.judge([live(s, 8 * HOUR)], direct=True)
    assert clocks.step({}) == []
    clocks.keep(set())
    assert clocks.wrong() == {}


def test_invented_devices_cost_only_so_much() -> None:
    clocks = DeviceClocks()
    flood = [off(reading(f"x{n}", "heart_rate", 70.0, 5), HOUR) for n in range(MAX_DEVICES + 10)]
    judged = clocks.judge(flood, direct=True)
    assert len(clocks._doubted) == MAX_DEVICES
    assert happened(judged[-1:]) == [5.0]


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(0, 100), st.booleans(), st.booleans()), max_size=60))
def test_nothing_ever_happens_in_the_future(steps: list[tuple[float, float, bool, bool]]) -> None:
    clocks, now = DeviceClocks(), 0.0
    for ahead, wait, stored, direct in steps:
        now += wait
        one = replace(live(now, ahead), stored=stored)
        (judged,) = clocks.judge([one], direct=direct)
        assert judged.at_ns <= judged.received_ns + 2 * SECOND
        assert judged.received_ns == one.received_ns
