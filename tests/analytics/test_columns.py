"""Observations as arrays, and slots of devices by name and by number."""

from __future__ import annotations

import numpy as np
import pytest
from analytics_scenes import T0, block, event, reading

from analytics.columns import FURTHEST_NS, SIGNAL_CODE, UNKNOWN, Columns, Names, Slots, coded, everything, wanted_codes
from analytics.slots import rounds
from device_drivers.observations import Observation, Quality, Reading

OBSERVATIONS: list[Observation] = [
    reading("w", "heart_rate", 70.0, 1),
    reading("w", "spo2", None, 2, Quality.POOR),
    event("d", "door", "open", 3),
    block("w", 4, np.ones((50, 3))),
    Reading("x", "strange", 1.0, T0, T0, stored=True),
]


def test_what_they_have_in_common() -> None:
    columns = Columns(OBSERVATIONS)
    assert columns.signal.tolist() == [*(SIGNAL_CODE[n] for n in ("heart_rate", "spo2", "door", "accel")), UNKNOWN]
    assert columns.reading.tolist() == [True, True, False, False, True]
    assert np.array_equal(columns.value, [70.0, np.nan, np.nan, np.nan, 1.0], equal_nan=True)
    assert columns.good.tolist() == [True, False, True, True, True]
    assert columns.stored.tolist() == [False, False, False, False, True]
    assert columns.at_ns.tolist() == [o.at_ns for o in OBSERVATIONS]
    assert Columns(OBSERVATIONS[:2]).value[0] == 70.0
    computed = Reading("x", "spo2", 1.0, T0, T0, derived=True)
    assert Columns([*OBSERVATIONS, computed]).derived.tolist() == [False] * 5 + [True]


@pytest.mark.parametrize(("wild", "taken"), [(10**30, FURTHEST_NS), (-(10**30), -FURTHEST_NS)])
def test_times_that_no_clock_has_are_far_away_and_crash_nothing(wild: int, taken: int) -> None:
    columns = Columns([Reading("w", "spo2", 1.0, wild, T0), Reading("w", "spo2", 1.0, T0, wild)])
    assert columns.at_ns.tolist() == [taken, T0]
    assert columns.received_ns.tolist() == [T0, taken]


def test_who_wants_what() -> None:
    assert wanted_codes(None).all()
    assert np.flatnonzero(wanted_codes({"spo2", "mine"})).tolist() == [SIGNAL_CODE["spo2"], UNKNOWN]
    table = coded({"spo2": 5}.get)
    assert (table[SIGNAL_CODE["spo2"]], table[SIGNAL_CODE["door"]], table[UNKNOWN]) == (5, -1, -1)


@pytest.mark.parametrize("named", [True, False])
def test_slots_follow_the_devices_that_come_and_go(*, named: bool) -> None:
    names, slots = Names(), Slots()

    def found() -> list[int]:
        columns = Columns(OBSERVATIONS, names if named else None)
        return slots.of(columns, everything(columns)).tolist()

    assert found() == [-1] * 5
    for number, device in enumerate(("w", "d")):
        names.add(device)
        names.add(device)
        slots.put(device, 7 + number)
    assert found() == [7, 7, 8, 7, -1]
    names.remove("w")
    names.remove("w")
    slots.remove("w")
    assert found() == [-1, -1, 8, -1, -1]
    names.add("x")
    slots.put("x", 3)
    assert found() == [-1, -1, 8, -1, 3]
    with pytest.raises(KeyError):
        slots.remove("w")


def test_rounds_have_every_slot_once_and_its_observations_in_order() -> None:
    slots = np.array([4, 0, 4, 7, 0, 4])
    assert [sorted(some.tolist()) for some in rounds(slots)] == [[0, 1, 3], [2, 4], [5]]
    assert rounds(slots[:0]) == []
