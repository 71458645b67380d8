"""The pipeline with the real engine, the real history and the real alert service: order, holding, faults, clocks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pytest

from analytics.device_events import DeviceEvents
from analytics.engine import Engine, default_engine
from analytics.falls.detector import FallDetector
from analytics.findings import Finding, Phase
from analytics.limits import VitalLimits
from analytics.technical import TechnicalWatch
from device_drivers.observations import DeviceEvent, Observation, Reading, Samples
from device_drivers.transports.mqtt_session import MqttMessage
from gateway.box_health import pipeline_item
from gateway.engine_keeper import MAX_UNKNOWN
from gateway.live import LiveState
from gateway.pipeline import MOST_A_TURN, Pipeline
from gateway.registry import Device
from gateway.silence import watch_options
from gateway.sources import Held
from gateway.store.base import StoreOptions
from gateway.store.duckdb_store import DuckDBStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

NOW = 1_800_000_000 * 10**9
SECOND = 10**9


class Clock:
    """Time by hand: UTC nanoseconds and monotonic seconds move together."""

    def __init__(self) -> None:
        self.now_ns = NOW

    def utc(self) -> int:
        return self.now_ns

    def monotonic(self) -> float:
        return (self.now_ns - NOW) / 1e9

    def push(self, seconds: float) -> None:
        self.now_ns += int(seconds * SECOND)


class Acknowledgements:
    """The broker's side of a session: remembers what it may forget."""

    def __init__(self) -> None:
        self.released: list[int] = []

    def ack(self, messages: Iterable[MqttMessage]) -> None:
        self.released += [message.mid for message in messages]


class Bench:
    """A pipeline and what came out of it."""

    def __init__(self, folder: Path, make_engine: Callable[[], Engine] = default_engine) -> None:
        self.clock = Clock()
        self.store = DuckDBStore(
            StoreOptions(folder / "h.duckdb"), clock_ns=self.clock.utc, monotonic=self.clock.monotonic
        )
        self.live = LiveState()
        self.findings: list[Finding] = []
        self.disk_full = False
        self.refused = "nobody"
        self.session = Acknowledgements()
        self.pipeline = Pipeline(make_engine, self.take, self.store, self.live, self.clock.utc, self.clock.monotonic)

    async def take(self, findings: Sequence[Finding], _now_ns: int) -> None:
        if self.disk_full:
            raise OSError(28, "No space left on device")
        if any(self.refused in finding.devices for finding in findings):
            raise ValueError("this one can never be written")
        self.findings += findings

    def event(self, signal: str, device: str = "radar", at_ns: int | None = None) -> DeviceEvent:
        now = self.clock.now_ns
        return DeviceEvent(device, signal, True, now if at_ns is None else at_ns, now)

    def held(self, *mids: int, device: str = "radar", due_s: float = 6.0) -> Held:
        messages = [MqttMessage("t", b"", self.clock.now_ns, 1, mid, False, 1) for mid in mids]
        return Held(self.session, messages, [device] * len(mids), self.clock.monotonic() + due_s)  # type: ignore[arg-type]

    def kinds(self) -> list[str]:
        return [f"{finding.kind} {finding.phase}" for finding in self.findings]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    one = Bench(tmp_path)
    one.pipeline.assign({"radar": "r1", "watch": "r1"})
    yield one
    one.store.close()


def turn(bench: Bench) -> None:
    asyncio.run(bench.pipeline.turn())


def test_an_event_becomes_a_finding_in_the_same_turn_and_is_in_live_state_and_history(bench: Bench) -> None:
    bench.pipeline.offer([bench.event("fall")], None)
    turn(bench)
    assert bench.kinds() == ["fall confirmed"]
    assert bench.findings[0].resident_id == "r1"
    bench.store.flush()
    stored = bench.store.events(0, bench.clock.now_ns + 1, device_id="radar")
    assert [(row.key.signal, row.key.resident_id, row.value) for row in stored] == [("fall", "r1", True)]
    value = bench.live.value("radar", "fall")
    assert value is not None
    assert value.value is True


def test_acknowledgements_wait_for_the_hold_time_and_for_the_disk(bench: Bench) -> None:
    reading = Reading("watch", "heart_rate", 70.0, bench.clock.now_ns, bench.clock.now_ns)
    bench.pipeline.offer([reading], bench.held(1, 2, device="watch"))
    turn(bench)
    assert bench.session.released == []
    assert bench.pipeline.held_messages == 2
    bench.clock.push(6.5)
    turn(bench)
    assert bench.session.released == [], "the reading is not on disk yet"
    bench.store.flush()
    turn(bench)
    assert bench.session.released == [1, 2]


def test_a_history_that_cannot_be_written_holds_acknowledgements_only_for_a_while(bench: Bench) -> None:
    reading = Reading("watch", "heart_rate", 70.0, bench.clock.now_ns, bench.clock.now_ns)
    bench.pipeline.offer([reading], bench.held(1, device="watch"))
    turn(bench)
    bench.clock.push(13)
    turn(bench)
    assert bench.session.released == [1]


def test_messages_of_a_device_with_an_undecided_fall_are_held_longer_and_others_are_not(bench: Bench) -> None:
    falling = np.zeros((50, 3), np.float32)
    falling[:, 2] = 1.0
    falling[20:35] = 0.1
    falling[36] = (3.0, 2.0, 4.0)
    block = Samples("watch", "accel", falling, 50.0, bench.clock.now_ns - SECOND, bench.clock.now_ns, 8.0)
    held = bench.held(1, 2, device="watch", due_s=1.0)
    held.devices[1] = "radar"
    bench.pipeline.offer([block], held)
    turn(bench)
    assert bench.pipeline.engine.pending_devices() == {"watch"}
    bench.clock.push(1.1)
    turn(bench)
    assert bench.session.released == [2]
    bench.clock.push(30)
    for _ in range(8):
        turn(bench)
        bench.clock.push(2)
    assert sorted(bench.session.released) == [1, 2], "never held for ever"


def test_an_observation_from_the_future_happened_when_it_was_received(bench: Bench) -> None:
    bench.pipeline.offer([bench.event("fall", at_ns=bench.clock.now_ns + 8 * 3600 * SECOND)], None)
    turn(bench)
    assert bench.findings[0].at_ns == bench.clock.now_ns
    assert bench.live.devices["radar"].clock_skew_ns == 0 or bench.findings[0].at_ns <= bench.clock.now_ns


def test_a_life_event_of_an_unregistered_device_is_still_an_alarm(bench: Bench) -> None:
    bench.pipeline.offer([bench.event("help_button", "nobody-knows-me")], None)
    turn(bench)
    assert bench.kinds() == ["help_call confirmed"]
    assert bench.findings[0].resident_id is None
    assert bench.pipeline.health.unknown_devices == 1


def test_a_flood_of_invented_devices_is_bounded(bench: Bench) -> None:
    flood = [bench.event("help_button", f"invented-{number}") for number in range(MAX_UNKNOWN + 50)]
    bench.pipeline.offer(list(flood), None)
    turn(bench)
    assert bench.pipeline.health.unknown_devices == MAX_UNKNOWN + 50
    assert len(bench.findings) == MAX_UNKNOWN + 50, "none is turned away in the turn it comes"
    assert not bench.pipeline.keeper.watches("invented-0")
    assert sum(bench.pipeline.keeper.watches(f"invented-{n}") for n in range(MAX_UNKNOWN + 50)) == MAX_UNKNOWN
    bench.clock.push(600)
    turn(bench)
    assert {one.kind for one in bench.findings} == {"help_call"}, "that they fall silent is no news"
    bench.clock.push(25 * 3600)
    turn(bench)
    assert not any(bench.pipeline.keeper.watches(f"invented-{n}") for n in range(MAX_UNKNOWN + 50))


class _Faulty:
    """A detector with a programming error that a certain reading brings out."""

    signals = ("heart_rate",)

    def __init__(self) -> None:
        self._broken = False

    def attach(self, device_id: str, resident_id: str | None) -> None:
        pass

    def detach(self, device_id: str) -> None:
        pass

    def ingest(self, _observations: Sequence[Reading]) -> None:
        self._broken = True

    def step(self, _now_ns: int) -> list[Finding]:
        if self._broken:
            raise ZeroDivisionError("a programming error")
        return []


def test_a_faulty_detector_silences_nobody_and_is_reported(tmp_path: Path) -> None:
    bench = Bench(tmp_path, lambda: Engine(_Faulty(), DeviceEvents()))  # type: ignore[arg-type]
    bench.pipeline.assign({"radar": "r1", "watch": "r1"})
    reading = Reading("watch", "heart_rate", 70.0, bench.clock.now_ns, bench.clock.now_ns)
    bench.pipeline.offer([reading, bench.event("fall")], None)
    turn(bench)
    assert sorted(bench.kinds()) == ["box_fault confirmed", "fall confirmed"]
    assert bench.pipeline.health.engine_faults == 1
    bench.pipeline.offer([bench.event("static_stay")], None)
    turn(bench)
    assert all(finding.phase is Phase.CONFIRMED for finding in bench.findings)
    bench.store.close()


class _Finder(_Faulty):
    """Finds one fall, and remembers nothing of it afterwards."""

    def __init__(self, found: list[Finding]) -> None:
        super().__init__()
        self._found = found

    def step(self, _now_ns: int) -> list[Finding]:
        found, self._found[:] = list(self._found), []
        return found


def test_what_was_found_before_another_detector_failed_is_not_lost(tmp_path: Path) -> None:
    falls = [Finding("fall:watch:1", "fall", "r1", NOW, Phase.CONFIRMED, 0.9, ("watch",), {})]
    bench = Bench(tmp_path, lambda: Engine(_Finder(falls), _Faulty()))  # type: ignore[arg-type]
    bench.pipeline.assign({"watch": "r1"})
    bench.pipeline.offer([Reading("watch", "heart_rate", 70.0, NOW, NOW)], None)
    turn(bench)
    assert sorted(bench.kinds()) == ["box_fault confirmed", "fall confirmed"]
    bench.store.close()


class _Allergic(_Faulty):
    """Fails at one device's events, always."""

    signals = ("fall",)

    def ingest(self, observations: Sequence[Reading]) -> None:
        if any(one.device_id == "poison" for one in observations):
            raise ZeroDivisionError("a programming error")


def test_an_event_that_no_engine_survives_takes_no_others_with_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, lambda: Engine(DeviceEvents(), _Allergic()))  # type: ignore[arg-type]
    bench.pipeline.assign({"poison": "r2", "radar": "r1"})
    bench.pipeline.offer([bench.event("fall", "poison"), bench.event("fall")], None)
    turn(bench)
    assert sorted(bench.kinds()) == ["box_fault confirmed", "fall confirmed", "fall confirmed"]
    bench.pipeline.offer([bench.event("help_button")], None)
    turn(bench)
    assert bench.findings[-1].evidence["help_button"] is True
    bench.store.close()


def test_reassigning_and_removing_devices_changes_who_is_watched(bench: Bench) -> None:
    bench.pipeline.assign({"radar": "r2"})
    bench.pipeline.offer([bench.event("fall")], None)
    turn(bench)
    assert bench.findings[0].resident_id == "r2"


def test_the_loop_wakes_at_once_for_a_life_event_and_stops_when_asked(bench: Bench) -> None:
    async def body() -> None:
        running = asyncio.create_task(bench.pipeline.run())
        bench.pipeline.offer([bench.event("help_button")], None)
        deadline = asyncio.get_running_loop().time() + 60
        while not bench.findings:
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.001)
        await bench.pipeline.stop()
        await running

    asyncio.run(body())
    assert bench.kinds() == ["help_call confirmed"]


def test_alerts_that_cannot_be_written_are_kept_and_tried_again_and_nothing_is_acknowledged_meanwhile(
    bench: Bench,
) -> None:
    bench.disk_full = True
    bench.pipeline.offer([bench.event("fall")], bench.held(1))
    turn(bench)
    bench.clock.push(10)
    turn(bench)
    assert bench.findings == []
    assert bench.pipeline.unsaved_findings == 1
    assert bench.pipeline.health.commit_failures >= 2
    assert bench.session.released == []
    assert not pipeline_item(bench.pipeline, bench.clock.monotonic()).ok
    bench.disk_full = False
    bench.pipeline.offer([bench.event("static_stay")], None)
    bench.store.flush()
    turn(bench)
    assert bench.kinds() == ["fall confirmed", "fall confirmed"]
    assert bench.session.released == [1]
    assert pipeline_item(bench.pipeline, bench.clock.monotonic()).ok


def test_a_device_that_waits_for_an_answer_gets_none_before_its_alert_is_on_disk(bench: Bench) -> None:
    answered: list[str] = []
    bench.disk_full = True
    bench.pipeline.offer([bench.event("help_button")], None, lambda: answered.append("watch"))
    turn(bench)
    turn(bench)
    assert answered == []
    bench.disk_full = False
    turn(bench)
    assert answered == ["watch"]


def test_one_finding_that_can_never_be_written_holds_up_no_other_and_is_reported(bench: Bench) -> None:
    bench.refused = "watch"
    press = bench.event("help_button", "watch")
    bench.pipeline.offer([press, bench.event("smoke")], bench.held(1, due_s=0.0))
    turn(bench)
    assert sorted(bench.kinds()) == ["box_fault confirmed", "smoke confirmed"]
    bench.store.flush()
    turn(bench)
    assert bench.pipeline.unsaved_findings == 0
    assert bench.session.released == [1]


def test_a_full_disk_is_not_asked_about_every_waiting_finding(bench: Bench) -> None:
    bench.disk_full = True
    flood = [bench.event("help_button", f"button-{number}") for number in range(200)]
    bench.pipeline.offer(list(flood), None)
    turn(bench)
    assert bench.pipeline.unsaved_findings == 200
    assert bench.pipeline.health.commit_failures == 4
    bench.disk_full = False
    turn(bench)
    assert len(bench.findings) == 200


def faults(bench: Bench, count: int) -> list[Finding]:
    now = bench.clock.now_ns
    return [Finding(f"f{n}", "signal_lost", None, now, Phase.CONFIRMED, 1.0, (f"device-{n}",)) for n in range(count)]


def test_a_fall_does_not_wait_for_hundreds_of_dead_devices(bench: Bench) -> None:
    bench.pipeline.report(faults(bench, 500))
    bench.pipeline.offer([bench.event("smoke")], bench.held(1, due_s=0.0))
    turn(bench)
    assert bench.kinds()[0] == "smoke confirmed"
    assert len(bench.findings) == 1 + MOST_A_TURN
    bench.pipeline.offer([bench.event("fall")], None)
    turn(bench)
    assert bench.kinds()[1 + MOST_A_TURN] == "fall confirmed"
    assert bench.pipeline.unsaved_findings == 0
    assert bench.session.released == []
    while len(bench.findings) < 502:
        turn(bench)
    assert [one.episode for one in bench.findings if one.kind == "signal_lost"] == [f"f{n}" for n in range(500)]
    bench.store.flush()
    turn(bench)
    assert bench.session.released == [1]


def test_what_waits_for_its_turn_is_written_before_the_end_and_kept_while_the_disk_is_full(bench: Bench) -> None:
    async def scene() -> None:
        bench.pipeline.report(faults(bench, 100))
        bench.disk_full = True
        await bench.pipeline.turn()
        assert bench.pipeline.unsaved_findings == 100
        bench.disk_full = False
        running = asyncio.create_task(bench.pipeline.run())
        await asyncio.sleep(0)
        await bench.pipeline.stop()
        await running

    asyncio.run(scene())
    assert len(bench.findings) == 100


def test_a_device_that_seldom_speaks_is_not_lost_after_the_usual_five_minutes(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    devices = [Device("door", "zigbee2mqtt"), Device("watch", "yinling_wearable"), Device("meter", "ble_gatt")]
    devices.append(Device("own", "zigbee2mqtt", options={"lost_after_s": 60}))
    limits = watch_options([*devices, Device("other", "a family of somebody else")])
    assert {one: of.get("lost_after_s") for one, of in limits.items()} == {
        "door": 26 * 3600.0,
        "watch": 300.0,
        "meter": float("inf"),
        "own": 60.0,
        "other": None,
    }
    assert bench.pipeline.assign({device.id: "r1" for device in devices}, limits)
    assert not bench.pipeline.assign({device.id: "r1" for device in devices}, limits)
    for _ in range(80):
        turn(bench)
        bench.clock.push(5)
    assert sorted(finding.devices for finding in bench.findings) == [("own",), ("watch",)]
    assert {finding.kind for finding in bench.findings} == {"signal_lost"}
    bench.store.close()


class _Stumbling(VitalLimits):
    """Fails once, whenever a test wants it to."""

    stumbles: ClassVar[list[str]] = []

    def step(self, now_ns: int) -> list[Finding]:
        if self.stumbles:
            raise ZeroDivisionError(self.stumbles.pop())
        return super().step(now_ns)


class _StumblingFalls(FallDetector):
    stumbles: ClassVar[list[str]] = []

    def step(self, now_ns: int) -> list[Finding]:
        if self.stumbles:
            raise ZeroDivisionError(self.stumbles.pop())
        return super().step(now_ns)


def _stumbling() -> Engine:
    falls = _StumblingFalls()
    return Engine((falls, ("accel", "worn")), DeviceEvents(), _Stumbling(), TechnicalWatch())


def _tumble() -> np.ndarray:
    """45 s of 50 Hz: walking, half a second of free fall at 12.5 s, an impact of 6 g, then lying on the side."""
    t = np.arange(45 * 50) / 50.0
    values = np.stack([0.1 * np.sin(9 * t), 0.1 * np.cos(9 * t), 1 + 0.25 * np.sin(12 * t)], axis=1)
    values[625:647] *= 0.15
    values[647:653] = (2.0, 2.5, 5.0)
    values[653:] = (0.98, 0.1, 0.05)
    return (values + np.random.default_rng(3).normal(0, 0.01, values.shape)).astype(np.float32)


@pytest.mark.parametrize("part", [None, _Stumbling, _StumblingFalls])
def test_a_fall_is_found_although_a_detector_fails_in_the_middle_of_it(
    tmp_path: Path, part: type[_Stumbling | _StumblingFalls] | None
) -> None:
    bench = Bench(tmp_path, _stumbling)
    bench.pipeline.assign({"watch": "r1"})
    values = _tumble()
    for second in range(45):
        begun = bench.clock.now_ns
        bench.clock.push(1)
        block = Samples("watch", "accel", values[second * 50 : second * 50 + 50], 50.0, begun, bench.clock.now_ns, 16.0)
        if second == 13 and part is not None:
            part.stumbles.append("in the middle of the fall")
        bench.pipeline.offer([block], bench.held(second, device="watch"))
        turn(bench)
    falls = [one for one in bench.findings if one.kind == "fall"]
    assert falls[-1].phase is Phase.CONFIRMED
    assert {one.episode for one in falls} == {falls[0].episode}
    assert abs(falls[0].at_ns - (NOW + 13 * SECOND)) < SECOND
    assert [one.kind for one in bench.findings if one.kind != "fall"] == (["box_fault"] if part else [])
    bench.store.close()


def test_after_a_quiet_while_the_box_is_well_again_and_the_count_stays(tmp_path: Path) -> None:
    bench = Bench(tmp_path, _stumbling)
    bench.pipeline.assign({"watch": "r1"})
    _Stumbling.stumbles.append("once")
    turn(bench)
    assert not pipeline_item(bench.pipeline, bench.clock.monotonic()).ok
    for _ in range(31):
        bench.clock.push(30)
        turn(bench)
    item = pipeline_item(bench.pipeline, bench.clock.monotonic())
    assert item.ok
    assert item.numbers["engine_faults"] == 1
    assert [kind for kind in bench.kinds() if kind.startswith("box_fault")] == [
        "box_fault confirmed",
        "box_fault cleared",
    ]
    bench.store.close()


def test_a_box_fault_from_before_the_start_is_over_when_it_stays_quiet(bench: Bench) -> None:
    before = Finding("box_fault:1:1", "box_fault", None, 1, Phase.CONFIRMED, 1.0, ("box",), {})
    assert bench.pipeline.resume(before)
    turn(bench)
    assert bench.findings == []
    bench.clock.push(901)
    turn(bench)
    assert [(one.episode, one.phase) for one in bench.findings if one.kind == "box_fault"] == [
        ("box_fault:1:1", Phase.CLEARED)
    ]


def test_a_part_that_is_exchanged_still_knows_what_is_open_and_what_is_cut_off(tmp_path: Path) -> None:
    class StumblingWatch(TechnicalWatch):
        stumbles: ClassVar[list[str]] = []

        def step(self, now_ns: int) -> list[Finding]:
            if self.stumbles:
                raise ZeroDivisionError(self.stumbles.pop())
            return super().step(now_ns)

    bench = Bench(tmp_path, lambda: Engine(DeviceEvents(), StumblingWatch()))
    bench.pipeline.assign(
        {"watch": "r1", "radar": "r1"}, {"watch": {"lost_after_s": 60.0}, "radar": {"lost_after_s": 60.0}}
    )
    low = Reading("watch", "battery", 10.0, NOW, NOW)
    bench.pipeline.offer([low], None)
    turn(bench)
    bench.pipeline.cut_off({"radar"})
    StumblingWatch.stumbles.append("once")
    turn(bench)
    for _ in range(20):
        bench.clock.push(10)
        now = bench.clock.now_ns
        bench.pipeline.offer([Reading("watch", "battery", 90.0, now, now)], None)
        turn(bench)
    said = [(one.kind, str(one.phase), one.episode) for one in bench.findings if one.kind != "box_fault"]
    assert said == [("battery_low", phase, f"battery_low:watch:{NOW}") for phase in ("confirmed", "cleared")]
    assert not bench.pipeline.resume(Finding("x", "line_lost", None, 1, Phase.CONFIRMED, 1.0, ("radar",), {}))
    assert bench.pipeline.resume(Finding("y", "signal_lost", None, 1, Phase.CONFIRMED, 1.0, ("radar",), {}))
    bench.store.close()


def test_a_wristband_out_of_the_house_with_its_owner_is_not_lost_and_at_home_it_is(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    limit = {"lost_after_s": 300.0}
    places = {"door": {**limit, "place": "main_door"}, "hall": {**limit, "place": "living_room"}, "watch": limit}
    bench.pipeline.assign(dict.fromkeys(places, "r1"), places)

    def minutes(number: int, *more: tuple[str, str, bool | str], worn: bool) -> list[str]:
        """The door's sensor is heard every minute; the wristband where it is worn within reach."""
        for minute in range(number):
            bench.clock.push(60)
            now = bench.clock.now_ns
            heard: list[Observation] = [Reading("door", "battery", 90.0, now, now)]
            heard += [Reading("hall", "battery", 90.0, now, now)]
            heard += [Reading("watch", "heart_rate", 70.0, now, now)] if worn else []
            heard += [DeviceEvent(name, signal, value, now, now) for name, signal, value in more if minute == 0]
            bench.pipeline.offer(heard, None)
            turn(bench)
        return [one.devices[0] for one in bench.findings if one.kind == "signal_lost"]

    assert minutes(5, ("hall", "motion", "active"), worn=True) == []
    assert minutes(1, ("door", "door", "open"), ("door", "door", "closed"), worn=True) == []
    assert minutes(90, worn=False) == []
    assert minutes(1, ("door", "door", "open"), ("hall", "motion", "active"), worn=False) == []
    assert minutes(30, worn=False) == ["watch"]
    bench.store.close()


def test_a_wrong_clock_is_shown_with_the_device_and_told_of(bench: Bench) -> None:
    for _ in range(15):
        bench.clock.push(1)
        now = bench.clock.now_ns
        bench.pipeline.offer([Reading("watch", "heart_rate", 70.0, now + 8 * 3600 * SECOND, now)], None)
        turn(bench)
    assert bench.kinds() == ["clock_wrong confirmed"]
    assert bench.findings[0].resident_id == "r1"
    assert bench.live.devices["watch"].clock_skew_ns == 8 * 3600 * SECOND
    value = bench.live.value("watch", "heart_rate")
    assert value is not None
    assert value.at_ns == bench.clock.now_ns


def test_a_rate_made_of_a_radar_wave_is_in_live_state_and_history_as_the_residents(bench: Bench) -> None:
    breathing = (40 * np.sin(2 * np.pi * 0.25 * np.arange(400) / 5)).astype(np.float32)[:, None]
    for second in range(0, 80, 4):
        bench.clock.push(4)
        at_ns = bench.clock.now_ns - 4 * SECOND
        part = breathing[5 * second : 5 * second + 20]
        bench.pipeline.offer([Samples("radar", "breath_wave", part, 5.0, at_ns, bench.clock.now_ns)], None)
        turn(bench)
    turn(bench)
    value = bench.live.value("radar", "respiratory_rate")
    assert value is not None
    assert value.value == pytest.approx(15, abs=0.5)
    assert value.derived
    bench.store.flush()
    page = bench.store.rows_after(0, 100, resident_id="r1")
    assert {(key.signal, key.derived) for key in page.keys.values()} == {("respiratory_rate", True)}
    assert 3 <= len(page.readings["value"]) <= 5, "each once"
