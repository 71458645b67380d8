"""The latest values, their staleness, bounded memory; events to listeners."""

from __future__ import annotations

import asyncio

import numpy as np

from device_drivers.observations import DeviceEvent, Quality, Reading, Samples
from gateway import live
from gateway.broadcast import KEPT, Broadcast
from gateway.live import LiveState

S = 10**9


def reading(value: float | None, at_s: int, *, stored: bool = False) -> Reading:
    quality = Quality.GOOD if value is not None else Quality.NO_CONTACT
    return Reading("w", "heart_rate", value, at_s * S, at_s * S, quality, stored)


def test_the_latest_value_stands_until_it_is_stale() -> None:
    state = LiveState()
    state.update([reading(70.0, 1), reading(72.0, 2)])
    value = state.value("w", "heart_rate")
    assert value is not None
    assert value.value == 72.0
    assert not value.is_stale("heart_rate", 17 * S)
    assert value.is_stale("heart_rate", 18 * S)
    state.update([reading(None, 3)])
    assert (value.value, value.quality) == (None, "no_contact")


def test_changes_only_signals_never_grow_stale_and_history_changes_nothing() -> None:
    state = LiveState()
    state.update([DeviceEvent("d", "door", "open", S, S), reading(50.0, 9, stored=True)])
    door = state.value("d", "door")
    assert door is not None
    assert not door.is_stale("door", 10**6 * S)
    assert state.value("w", "heart_rate") is None
    assert state.value("nobody", "door") is None


def test_a_value_that_the_gateway_has_computed_says_so_until_the_device_reports_its_own() -> None:
    state = LiveState()
    state.update([Reading("w", "heart_rate", 70.0, S, S, derived=True)])
    value = state.value("w", "heart_rate")
    assert value is not None
    assert value.derived
    state.update([reading(71.0, 2)])
    assert not value.derived
    state.update([Reading("w", "heart_rate", 70.0, 3 * S, 3 * S, derived=True), DeviceEvent("w", "worn", True, S, S)])
    assert value.derived
    assert not state.devices["w"].values["worn"].derived


def test_the_trace_keeps_the_last_blocks_and_a_clock_ahead_is_shown() -> None:
    state = LiveState()
    for number in range(40):
        block = Samples("w", "accel", np.zeros((5, 3), np.float32), 50.0, (number + 60) * S, number * S)
        state.update([block])
    device = state.devices["w"]
    assert len(device.trace) == live.TRACE_BLOCKS
    assert device.trace[-1].at_ns == 99 * S
    assert device.clock_skew_ns == 60 * S


def test_invented_devices_cannot_fill_the_memory(monkeypatch: object) -> None:
    state = LiveState()
    state.devices = dict.fromkeys(map(str, range(live.MAX_DEVICES)))  # type: ignore[assignment]
    state.update([reading(70.0, 1)])
    assert state.refused_devices == 1


def test_listeners_get_events_in_order_and_a_slow_one_loses_the_oldest() -> None:
    async def body() -> None:
        broadcast = Broadcast()
        broadcast.publish("alert", {"lost": True})
        with broadcast.listen() as quick, broadcast.listen() as slow:
            waiting = asyncio.create_task(quick.next())
            await asyncio.sleep(0)
            for number in range(KEPT + 3):
                broadcast.publish("alert", {"n": number})
            assert (await waiting).data == {"n": 3}
            assert slow.missed == 3
            first, second = await slow.next(), await slow.next()
            assert (first.data, second.number - first.number) == ({"n": 3}, 1)
        broadcast.publish("alert", {"nobody": "listens"})

    asyncio.run(body())
