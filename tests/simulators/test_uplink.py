"""The simulated device's MQTT connection ends when it is told to, whatever the broker does at that moment."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, Self

import aiomqtt
import pytest

from simulators.uplink import Account, Uplink


class GoesMeanwhile:
    """A client whose broker is stopped while it first says good-bye: as aiomqtt does, it raises its own error."""

    entered: ClassVar[asyncio.Event]
    left: ClassVar[int] = 0

    def __init__(self, *_: object, **__: object) -> None:
        self.messages = self

    async def __aenter__(self) -> Self:
        self.entered.set()
        return self

    async def __aexit__(self, *_: object) -> None:
        GoesMeanwhile.left += 1
        if self.left == 1:
            raise aiomqtt.MqttError("Disconnected during message iteration")

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        await asyncio.Event().wait()


def test_it_ends_though_the_broker_goes_at_the_same_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulators.uplink.aiomqtt.Client", GoesMeanwhile)

    async def play() -> bool:
        GoesMeanwhile.entered = asyncio.Event()
        running = asyncio.create_task(Uplink(Account("127.0.0.1", 1, "w", "secret")).run())
        await GoesMeanwhile.entered.wait()
        running.cancel()
        await asyncio.wait([running], timeout=10)
        return running.done() and running.cancelled()

    assert asyncio.run(play())
