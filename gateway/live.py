"""What is known right now: the latest value of every signal of every device, and the last seconds of acceleration.

The API and the console read it; nothing here is stored. A value older than its signal's staleness limit is shown
as stale, never as current.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from device_drivers.observations import DeviceEvent, Observation, Reading, Samples
from device_drivers.signals import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Iterable

TRACE_BLOCKS = 12
MAX_DEVICES = 20_000
NS = 1_000_000_000
FUTURE_TOLERANCE_NS = 2 * NS


@dataclass(slots=True)
class LiveValue:
    """The latest value of one signal of one device; `value` None means unknown, `quality` says why.

    derived: the gateway has computed it from the device's wave.
    """

    value: float | bool | str | None
    quality: str
    at_ns: int
    received_ns: int
    derived: bool = False

    def is_stale(self, signal: str, now_ns: int) -> bool:
        """Whether the value no longer stands for now (staleness limit of the signal table)."""
        limit = SIGNALS[signal].stale_s
        return limit is not None and now_ns - self.received_ns > limit * NS


@dataclass(slots=True)
class LiveDevice:
    """What one device has said lately. clock_skew_ns: its clock minus ours where it is wrong, else 0."""

    values: dict[str, LiveValue] = field(default_factory=dict)
    trace: deque[Samples] = field(default_factory=lambda: deque(maxlen=TRACE_BLOCKS))
    heard_ns: int = 0
    observations: int = 0
    clock_skew_ns: int = 0


class LiveState:
    """All devices heard, known or not; `update` is on the hot path."""

    def __init__(self) -> None:
        self.devices: dict[str, LiveDevice] = {}
        self.refused_devices = 0

    def update(self, observations: Iterable[Observation]) -> None:
        """Take over observations. Kept records (`stored`) are history and change nothing here."""
        for one in observations:
            device = self.devices.get(one.device_id) or self._new(one.device_id)
            if device is None or one.stored:
                continue
            device.heard_ns = one.received_ns
            device.observations += 1
            ahead = one.at_ns - one.received_ns
            device.clock_skew_ns = ahead if ahead > FUTURE_TOLERANCE_NS else 0
            if isinstance(one, Samples):
                if one.signal == "accel":
                    device.trace.append(one)
            else:
                _set(device, one)

    def skew(self, device_id: str, ahead_ns: int) -> None:
        """The device's clock was found to be wrong by that much; its observations are dated rightly already."""
        device = self.devices.get(device_id)
        if device is not None:
            device.clock_skew_ns = ahead_ns

    def value(self, device_id: str, signal: str) -> LiveValue | None:
        """The latest value of a device's signal, None where it never came."""
        device = self.devices.get(device_id)
        return device.values.get(signal) if device is not None else None

    def _new(self, device_id: str) -> LiveDevice | None:
        if len(self.devices) >= MAX_DEVICES:
            self.refused_devices += 1
            return None
        device = self.devices[device_id] = LiveDevice()
        return device


def _set(device: LiveDevice, one: Reading | DeviceEvent) -> None:
    value, derived = device.values.get(one.signal), isinstance(one, Reading) and one.derived
    if value is None:
        device.values[one.signal] = LiveValue(one.value, one.quality, one.at_ns, one.received_ns, derived)
        return
    value.value, value.quality = one.value, one.quality
    value.at_ns, value.received_ns, value.derived = one.at_ns, one.received_ns, derived
