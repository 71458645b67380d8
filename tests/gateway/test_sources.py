"""Sources over a driver with a mistake in it: what it fails at is counted and shown, and everything else goes on."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from device_drivers import codec as drivers
from device_drivers.observations import DeviceEvent
from device_drivers.transports.mqtt_session import MqttHealth, MqttMessage
from device_drivers.transports.serial_line import Chunk, SerialHealth
from gateway import box_health
from gateway.config import settings_from
from gateway.runtime import Gateway
from gateway.sources import Held, MqttSource, SerialSource

if TYPE_CHECKING:
    from pathlib import Path

    from device_drivers.observations import Observation

NOW = 1_800_000_000 * 10**9


class Codec(drivers.Codec):
    """Fails at the word "poison"; everything else is a call for help."""

    family = "mistaken"
    device_id = "button"

    def feed(self, *given: Any, **_more: Any) -> list[Observation]:
        data = given[-2]
        if data == b"poison":
            raise ZeroDivisionError("a programming error")
        return [DeviceEvent("button", "help_button", True, NOW, NOW)]

    def answers(self) -> bytes:
        return b""


class Way:
    """Gives one batch, then ends."""

    def __init__(self, items: list[Any], health: Any) -> None:
        self.batches = [items, []]
        self.health = health

    async def take(self) -> list[Any]:
        return self.batches.pop(0)

    def write(self, data: bytes) -> None:
        assert data == b""


def test_a_message_that_a_driver_fails_at_is_counted_and_acknowledged_and_silences_no_other() -> None:
    payloads = [b"press", b"poison", b"press"]
    messages = [MqttMessage("t", payload, NOW, 1, mid, False, 1) for mid, payload in enumerate(payloads)]
    offered: list[tuple[list[Observation], Held | None]] = []
    session: Any = Way(messages, MqttHealth(connected=True))
    source = MqttSource(session, Codec(), lambda found, held: offered.append((found, held)), 5.0, lambda: 0.0)  # type: ignore[arg-type]
    asyncio.run(source.run())
    ((found, held),) = offered
    assert len(found) == 2
    assert held is not None
    assert held.messages == messages
    assert held.devices == ["button", "", "button"]
    item = box_health.source_item(source)
    assert not item.ok
    assert item.numbers["rejected"] == 1


def test_bytes_that_a_driver_fails_at_do_not_end_a_serial_line() -> None:
    offered: list[Observation] = []
    line: Any = Way([Chunk(b"poison", NOW), Chunk(b"press", NOW)], SerialHealth(connected=True))
    source = SerialSource(line, Codec(), lambda found, _held: offered.extend(found))  # type: ignore[arg-type]
    asyncio.run(source.run())
    assert len(offered) == 1
    assert not box_health.source_item(source).ok


def test_a_source_that_cannot_be_polled_keeps_no_other_from_it(tmp_path: Path) -> None:
    polled: list[int] = []

    def fail(_now_ns: int) -> None:
        raise ZeroDivisionError("a programming error")

    gateway = Gateway(settings_from({}, tmp_path), clock=lambda: NOW)
    gateway.sources = [SimpleNamespace(poll=fail), SimpleNamespace(poll=polled.append)]  # type: ignore[list-item]

    async def body() -> None:
        await asyncio.gather(gateway._poll(), return_exceptions=True)

    asyncio.run(body())
    assert polled == [NOW]
    gateway._database_thread.shutdown()


def test_a_driver_that_makes_no_mistake_for_a_while_is_well_again_and_the_count_stays() -> None:
    calm = box_health.Calm()
    line: Any = Way([Chunk(b"poison", NOW)], SerialHealth(connected=True))
    source = SerialSource(line, Codec(), lambda *_: None)  # type: ignore[arg-type]
    assert box_health.source_item(source, calm, 0.0).ok
    asyncio.run(source.run())
    assert not box_health.source_item(source, calm, 10.0).ok
    assert not box_health.source_item(source, calm, 900.0).ok
    item = box_health.source_item(source, calm, 911.0)
    assert item.ok
    assert item.numbers["driver_faults"] == source.codec.health.rejected["driver_fault"] > 0
    source.codec.reject("driver_fault", b"")
    assert not box_health.source_item(source, calm, 2000.0).ok


class Mute(drivers.MessageCodec):
    """Fails whenever it is asked to speak, and gives nonsense beside a call for help."""

    family = "mute"

    def subscriptions(self) -> list[str]:
        return ["t"]

    def on_open(self) -> list[tuple[str, bytes]]:
        raise ZeroDivisionError("cannot greet")

    def poll(self, now_ns: int) -> list[tuple[str, bytes]]:
        raise ZeroDivisionError(f"cannot ask at {now_ns}")

    def feed(self, *_given: Any, **_more: Any) -> list[Observation]:
        return ["nonsense", DeviceEvent("button", "help_button", True, NOW, NOW)]  # type: ignore[list-item]


class Line(Way):
    """A way that can be spoken to; keeps what was said."""

    def __init__(self, items: list[Any], health: Any) -> None:
        super().__init__(items, health)
        self.said: list[Any] = []

    def listen(self, filters: list[str]) -> None:
        self.said += filters

    def publish(self, topic: str, payload: bytes) -> None:
        self.said.append((topic, payload))


def test_a_message_driver_that_fails_when_it_should_speak_is_shown_and_still_heard() -> None:
    offered: list[Observation] = []
    session: Any = Line([MqttMessage("t", b"x", NOW, 1, 1, False, 1)], MqttHealth(connected=True))
    source = MqttSource(session, Mute(), lambda found, *_: offered.extend(found), 5.0, lambda: 0.0)
    for act, text in ((source.greet, "cannot greet"), (lambda: source.poll(NOW), "cannot ask")):
        act()
        assert text in source.fault
        assert text in box_health.source_item(source).en
    asyncio.run(source.run())
    assert [one.signal for one in offered] == ["help_button"]
    assert "a str is no observation" in source.fault
    assert source.codec.health.rejected == {"driver_fault": 3}
    assert session.said == []


def test_a_serial_driver_that_fails_when_it_should_ask_is_shown() -> None:
    class Silent(drivers.StreamCodec):
        family = "silent"

        def feed(self, *_: Any) -> list[Observation]:
            return []

        def poll(self, now_ns: int) -> bytes:
            raise ZeroDivisionError(f"cannot ask at {now_ns}")

    line: Any = Way([], SerialHealth(connected=True))
    source = SerialSource(line, Silent("d"), lambda *_: None)
    source.poll(NOW)
    item = box_health.source_item(source)
    assert not item.ok
    assert f"cannot ask at {NOW}" in item.zh
