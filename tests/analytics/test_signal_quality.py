"""Measurements not to be believed: what counts as doubt, what a carer is told, and that no vital finding follows."""

from __future__ import annotations

import numpy as np
import pytest
from analytics_scenes import T0, at, event, feed, in_order, reading

from analytics.check import check_detector
from analytics.engine import default_engine
from analytics.findings import Finding, Phase
from analytics.scenarios import Scenario
from analytics.vitals.minutes import GOOD, JUMPED, NO_DATA, NOISY, Batch, Merged, Minutes
from analytics.vitals.quality_table import COLUMNS, QUALITY_RULES
from analytics.vitals.watch import VitalWatch
from device_drivers.observations import Observation, Quality, Reading
from device_drivers.signals import SIGNALS

HEART = COLUMNS.index("heart_rate")


def heart(begin: float, end: float, value: float, swing: float = 3.0, every: float = 5.0) -> list[Observation]:
    chance = np.random.default_rng(int(begin))
    times = np.arange(begin, end, every)
    values = value + swing * chance.uniform(-1, 1, times.size)
    return [reading("watch", "heart_rate", v, s) for s, v in zip(times.tolist(), values.tolist(), strict=True)]


def watched(**devices: str | None) -> VitalWatch:
    watch = VitalWatch()
    for device, resident in (devices or {"watch": "li"}).items():
        watch.attach(device, resident)
    return watch


def said(found: list[Finding]) -> list[tuple[str, str, object, float]]:
    return [(f.kind, str(f.phase), f.evidence["reason"], (f.at_ns - T0) / 60e9) for f in found]


def test_a_flat_line_is_told_once_and_ends_when_it_lives() -> None:
    found = feed(watched(), [*heart(0, 1800, 71.0, swing=0.0), *heart(1800, 3000, 71.0)], 3000, 10)
    assert said(found) == [
        ("signal_poor", "confirmed", "flat_line", 20.0),
        ("signal_poor", "cleared", "good", 35.0),
    ]
    assert found[0].evidence["signal"] == "heart_rate"
    assert found[0].resident_id == "li"
    assert found[0].episode == found[1].episode


def test_doubtful_values_beyond_every_limit_are_equipment_and_not_a_person() -> None:
    values = [reading("watch", "heart_rate", 142.0 + s % 3, s, Quality.POOR) for s in range(0, 3600, 5)]
    breath = [reading("watch", "respiratory_rate", 30.0 + s % 2, s) for s in range(0, 3600, 5)]
    engine = default_engine()
    engine.attach("watch", "li")
    found = feed(engine, in_order(values, breath), 3600, 10)
    assert [f.kind for f in found] == ["respiratory_rate_high", "signal_poor"]
    sure = [reading("watch", "heart_rate", 142.0 + s % 3, s) for s in range(0, 3600, 5)]
    assert "news2_medium" in {f.kind for f in feed(watched(), in_order(sure, breath), 3600, 10)}


def test_doubt_by_the_device_itself_is_told_after_ten_minutes() -> None:
    doubted = [reading("watch", "heart_rate", 140.0, s, Quality.POOR) for s in range(0, 1200, 5)]
    found = feed(watched(), [*doubted, *heart(1200, 1800, 70.0)], 1800, 10)
    assert said(found) == [
        ("signal_poor", "confirmed", "artefact", 10.0),
        ("signal_poor", "cleared", "good", 25.0),
    ]


def test_absent_values_are_not_told_here() -> None:
    nobody = [reading("watch", "heart_rate", None, s, Quality.NO_CONTACT) for s in range(0, 3600, 5)]
    assert feed(watched(), nobody, 3600, 10) == []


def test_values_that_swing_within_a_minute_are_an_artefact() -> None:
    wild = [reading("watch", "heart_rate", 60.0 if s % 10 else 150.0, s) for s in range(0, 900, 5)]
    assert said(feed(watched(), wild, 900, 10)) == [("signal_poor", "confirmed", "artefact", 10.0)]


def test_what_is_taken_off_counts_neither_way() -> None:
    off = [event("watch", "worn", value=False, s=0.5), *heart(1, 3600, 71.0, swing=0.0)]
    assert feed(watched(), in_order(off), 3600, 10) == []


def one_minute(minutes: Minutes, slot: int, values: list[float], number: int, doubted: int = 0) -> int:
    value = np.array([*values, *[np.nan] * doubted])
    where = np.full(len(value), slot), np.full(len(value), HEART)
    minutes.take(Batch(*where, value, np.isnan(value)))
    minutes.close(number)
    return int(minutes.table["reason"][slot, HEART])


def test_an_impossible_change_is_doubted_until_it_has_settled() -> None:
    minutes = Minutes()
    slot = minutes.attach("watch", 0)
    assert one_minute(minutes, slot, [70, 72, 71], 0) == GOOD
    assert one_minute(minutes, slot, [], 1) == NO_DATA
    assert one_minute(minutes, slot, [150, 151], 2) == JUMPED
    assert one_minute(minutes, slot, [72, 71], 3) == GOOD
    assert [one_minute(minutes, slot, [150, 151], 4 + i) for i in range(4)] == [JUMPED, JUMPED, GOOD, GOOD]
    assert minutes.table["value"][slot, HEART] == 150.5


def test_single_outliers_do_not_move_a_minute() -> None:
    minutes = Minutes()
    slot = minutes.attach("watch", 0)
    assert one_minute(minutes, slot, [70, 70, 70, 70, 130, 20], 0) == NOISY
    assert one_minute(minutes, slot, [70, 71, 69, 70, 120, 60], 1, doubted=2) == GOOD
    assert minutes.table["value"][slot, HEART] == 70.0
    assert minutes.table["share"][slot, HEART] == 0.25


def merged_of(*devices: tuple[str, list[float], int, int]) -> tuple[float, int]:
    """(name, values, doubted, minute): what counts at minute 10, and its device."""
    minutes, merged = Minutes(), Merged()
    row = merged.table.acquire()
    slots = {name: minutes.attach(name, row) for name, *_ in devices}
    for number in range(11):
        for name, values, doubted, minute in devices:
            if minute == number:
                value = np.array([*values, *[np.nan] * doubted])
                where = np.full(len(value), slots[name]), np.full(len(value), HEART)
                minutes.take(Batch(*where, value, np.isnan(value)))
        minutes.close(number)
    merged.merge(minutes, 10)
    return float(merged.table["value"][row, HEART]), int(merged.table["device"][row, HEART])


def test_of_several_sources_the_less_doubted_and_the_fresher_one_counts() -> None:
    good, doubted = ("a", [70.0] * 4, 0, 10), ("b", [90.0] * 4, 3, 10)
    assert merged_of(good, doubted)[0] == 70.0
    assert merged_of(doubted, good)[0] == 70.0
    assert merged_of(("a", [70.0] * 4, 0, 5), doubted)[0] == 90.0
    assert merged_of(("a", [70.0] * 4, 0, 5))[0] == 70.0
    forth, back = (
        merged_of(("a", [70.0], 0, 10), ("b", [90.0], 0, 10)),
        merged_of(("b", [90.0], 0, 10), ("a", [70.0], 0, 10)),
    )
    assert forth[0] == back[0]


def test_rows_are_rows_of_signals_with_a_reason() -> None:
    for rule in QUALITY_RULES:
        assert rule.signal in SIGNALS
        assert rule.why
        assert rule.jump > 0
        assert rule.spread > 0


def test_a_person_closes_it_and_a_new_detector_takes_it_over() -> None:
    flat = heart(0, 1500, 71.0, swing=0.0)
    watch = watched()
    (begun,) = feed(watch, flat, 1500, 10)
    fresh = watched()
    assert fresh.resume(begun, at(0))
    assert said(feed(fresh, heart(0, 900, 70.0), 900, 10)) == [("signal_poor", "cleared", "good", 5.0)]
    watch.close(begun.episode)
    watch.ingest(heart(1500, 1560, 71.0, swing=0.0))
    assert [f.episode != begun.episode for f in watch.step(at(1560))] == [True]
    odd = Finding("e", "signal_poor", "li", 0, Phase.CONFIRMED, 1.0, ("watch",), {"signal": "accel"})
    assert not fresh.resume(odd, at(0))


def test_impossible_times_values_and_strangers_are_left_out() -> None:
    watch = watched()
    watch.ingest([Reading("watch", "heart_rate", 70.0, 5, -1), Reading("watch", "heart_rate", 70.0, 5, 2**63)])
    watch.ingest([reading("strange", "heart_rate", 70.0, 1), reading("watch", "heart_rate", 1e9, 2)])
    watch.ingest([reading("watch", "heart_rate", 70.0, 3, stored=True), reading("watch", "battery", 70.0, 3)])
    assert watch.step(at(600)) == []
    assert watch.rejected == 2


def test_a_clock_set_back_and_a_long_hole_go_on_working() -> None:
    watch = watched()
    feed(watch, heart(0, 60, 70.0), 60, 10)
    assert watch.step(at(-7200)) == []
    assert watch.step(at(90 * 86_400)) == []
    flat = [reading("watch", "heart_rate", 71.0, 90 * 86_400 + s) for s in range(0, 1500, 5)]
    found = []
    for s in range(0, 1500, 10):
        watch.ingest([o for o in flat if at(90 * 86_400 + s) <= o.received_ns < at(90 * 86_400 + s + 10)])
        found += watch.step(at(90 * 86_400 + s + 10))
    assert [f.evidence["reason"] for f in found] == ["flat_line"]


@pytest.mark.parametrize("step_s", [60.0])
def test_quality_keeps_the_contract(step_s: float) -> None:
    obs = in_order(
        heart(0, 1500, 71.0, swing=0.0),
        heart(1500, 2400, 71.0),
        [reading("radar", "heart_rate", 64.0, s + 0.5, Quality.POOR) for s in range(0, 1500, 6)],
    )
    scenario = Scenario(
        "doubts", {"watch": "li", "radar": None}, obs, T0, at(2400), frozenset({"signal_poor"}), step_s=step_s
    )
    check_detector(VitalWatch, scenario)
