"""Recorded people as wearables: each recording is sent by a wearable of its own, over MQTT or over a serial line.

Played faster than real time, the stamps begin in the past, so that the last sample is stamped with its true time.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from device_drivers.yinling_wearable import decode_frame, encode_serial
from simulators.motion import Recording as RecordedMotion
from simulators.uplink import Outgoing, Uplink
from simulators.wearable import SECOND_NS, WearableModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from simulators.recordings import Recording
    from simulators.serial_port import SimulatedPort
    from simulators.uplink import Account

TICK_S = 0.02
WIDEST_G = 16.0
"""Range of the wearable where that of the recording's sensor is not known."""


@dataclass(frozen=True, slots=True)
class Played:
    """What was played: which recording, as which device, and when its first sample was taken (UTC nanoseconds).

    seed: of the wearable's chance; `messages` makes the same messages again.
    """

    device: str
    recording: Recording
    start_ns: int
    seed: int = 1


def messages(played: Played) -> Iterator[tuple[int, str, bytes]]:
    """What was sent, again: for each message the end of its second (UTC nanoseconds), topic and payload."""
    player = _Player(played.device, played.recording, played.start_ns, 1.0, played.seed)
    end_ns = played.start_ns
    while not player.motion.finished:
        end_ns += SECOND_NS
        for topic, payload in player.due(end_ns):
            yield end_ns, topic, payload


class _Player:
    """One recording as one wearable; silent after the second in which it ends, however late it is asked."""

    def __init__(self, device: str, recording: Recording, start_ns: int, speed: float, seed: int) -> None:
        self.motion = RecordedMotion(recording.accel_g, recording.rate_hz)
        early_ns = round(recording.duration_s * (1 - 1 / speed) * 1e9)
        self.begin_ns = start_ns - early_ns
        self._end_ns = self.begin_ns + math.ceil(recording.duration_s) * SECOND_NS
        self._start_ns = start_ns
        self._speed = speed
        rng = np.random.default_rng(seed)
        scale = recording.full_scale_g or WIDEST_G
        self.model = WearableModel(device, rng, start_ns=self.begin_ns, range_g=scale, motion=self.motion)

    def due(self, now_ns: int) -> list[tuple[str, bytes]]:
        if self.motion.finished:
            return []
        return self.model.due(min(self.begin_ns + round((now_ns - self._start_ns) * self._speed), self._end_ns))


async def replay_mqtt(
    recordings: Sequence[tuple[Recording, Account]], clock: Callable[[], int], speed: float = 1.0, seed: int = 1
) -> list[Played]:
    """Play all at once, each under its own account (the user is the device); returns when the broker has all."""
    start_ns = clock()
    players = [
        _Player(account.username, recording, start_ns, speed, seed + number)
        for number, (recording, account) in enumerate(recordings)
    ]
    uplinks = [Uplink(account) for _, account in recordings]
    tasks = [asyncio.create_task(uplink.run()) for uplink in uplinks]
    try:
        while any(not player.motion.finished for player in players) or any(uplink.waiting for uplink in uplinks):
            for player, uplink in zip(players, uplinks, strict=True):
                for topic, payload in player.due(clock()):
                    uplink.send(Outgoing(topic, payload))
            await asyncio.sleep(TICK_S)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return [
        Played(account.username, recording, player.begin_ns, seed + number)
        for number, ((recording, account), player) in enumerate(zip(recordings, players, strict=True))
    ]


async def replay_serial(
    recording: Recording, device: str, port: SimulatedPort, clock: Callable[[], int], speed: float = 1.0, seed: int = 1
) -> Played:
    """Play one recording over a serial line; returns when all was written."""
    player = _Player(device, recording, clock(), speed, seed)
    while not player.motion.finished:
        for _, payload in player.due(clock()):
            port.write(encode_serial(decode_frame(payload)))
        await asyncio.sleep(TICK_S)
    return Played(device, recording, player.begin_ns, seed)
