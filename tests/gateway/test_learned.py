"""What was learned of residents outlives a restart of the box, and a part that fails goes on from it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from analytics.engine import default_engine
from analytics.habits.habit_table import EVENT_KINDS
from analytics.habits.learned import Learned, plain_learned
from analytics.habits.watch import HabitWatch
from device_drivers.observations import Reading
from gateway.config import settings_from
from gateway.daily.learned_book import learned_of, read_learned, save_learned
from gateway.database import open_database
from gateway.engine_keeper import EngineKeeper
from gateway.live import LiveState
from gateway.registry import Device, Registry, Resident
from gateway.removal import remove_resident
from gateway.runtime import Gateway

if TYPE_CHECKING:
    from pathlib import Path


def known() -> dict[str, Any]:
    learned = Learned()
    for _ in range(20):
        learned.add_day([{8} for _ in EVENT_KINDS], (180.0, 40.0, 1080.0), 2)
    watch = HabitWatch()
    watch.attach("hall", "r1")
    return {**plain_learned(learned), "charts": watch.remember()["r1"]["charts"]}


def test_saved_read_replaced_and_gone_with_the_resident(tmp_path: Path) -> None:
    database = open_database(tmp_path / "x.sqlite")
    Registry(database).add_resident(Resident("r1", "李奶奶"), by="t", now_ns=1)
    save_learned(database, {"habits": {"r1": {"a": 1}, "nobody": {"a": 2}}, "vitals": {"r1": {"b": 3}}}, 5)
    save_learned(database, {"habits": {"r1": {"a": 4}}}, 6)
    assert read_learned(database) == {"habits": {"r1": {"a": 4}}, "vitals": {"r1": {"b": 3}}}
    assert learned_of(database, "r1", "habits") == ({"a": 4}, 6)
    assert learned_of(database, "r1", "gone") is None
    remove_resident(database, "r1", by="t", now_ns=7)
    assert read_learned(database) == {}
    database.close()


def test_a_few_at_a_time_are_all_and_who_is_watched_no_more_is_forgotten() -> None:
    keeper = EngineKeeper(default_engine, LiveState())
    keeper.assign({"hall": "r1", "bath": "r2", "clip": "r3", "mat": None}, {})
    at = 1_800_025_200 * 10**9
    beats = [Reading("hall", "rr_interval", 800.0, at + i * 8 * 10**8, at + i * 8 * 10**8) for i in range(5)]
    keeper.take([*beats, Reading("clip", "spo2", 95.0, at, at)], at, 0.0)
    keeper.conclude([], at + 60 * 10**9, 60.0)
    every = keeper.remember()
    assert {part: set(residents) for part, residents in every.items()} == {
        "vitals": {"r1", "r2", "r3"},
        "habits": {"r1", "r2", "r3"},
        "rhythm": {"r1"},
        "apnoea": {"r3"},
    }
    for part, residents in every.items():
        apart = [keeper.remember([who])[part] for who in ("r1", "r2", "r3", "nobody")]
        assert {who: state for some in apart for who, state in some.items()} == residents
    keeper.assign({"hall": "r1"}, {})
    assert {who for residents in keeper._learned.values() for who in residents} == {"r1"}


def test_the_box_goes_on_from_what_it_knew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.runtime.SAVED_AT_ONCE", 1)
    settings = settings_from({"mqtt": {"embedded": False, "families": ()}}, tmp_path)
    settings.data.mkdir(parents=True)
    database = open_database(settings.data / "gateway.sqlite")
    registry = Registry(database)
    registry.add_resident(Resident("r1", "李奶奶"), by="t", now_ns=1)
    registry.add_device(Device("hall", "zigbee2mqtt", options={"place": "living_room"}), by="t", now_ns=1)
    registry.assign("hall", "r1", by="t", now_ns=1)
    registry.add_resident(Resident("r2", "王爷爷"), by="t", now_ns=1)
    registry.add_device(Device("bath", "zigbee2mqtt", options={"place": "bathroom"}), by="t", now_ns=1)
    registry.assign("bath", "r2", by="t", now_ns=1)
    save_learned(database, {"habits": {"r1": known()}}, 5)
    database.close()

    async def body() -> int:
        gateway = Gateway(settings)
        await gateway.open()
        learned = gateway.pipeline.engine.part(HabitWatch).learned("r1")
        assert learned is not None
        assert learned.days == 20
        fresh = gateway.pipeline.keeper._fresh()
        fresh.attach("hall", "r1")
        again = fresh.part(HabitWatch).learned("r1")
        assert again is not None
        assert again.days == 20, "also a part that takes the place of a failed one"
        learned.add_trip(77.0)
        never = asyncio.create_task(asyncio.sleep(0))
        await gateway._close({never})
        return learned.days

    assert asyncio.run(body()) == 20
    database = open_database(settings.data / "gateway.sqlite")
    found, other = (learned_of(database, who, "habits") for who in ("r1", "r2"))
    database.close()
    assert other is not None
    assert found is not None
    assert found[0]["trips"] == [77.0]
    assert found[1] > 5
