"""What is remembered of each LoRaWAN device: frames already taken, known states, alarm numbers. Bounded.

The same uplink comes several times: through several gateways, resent because its confirmation was lost, delivered
again by the broker. It is the same if device address, counter, port and time agree; a device that joins anew, or whose
battery was changed, counts from 0 again and must be heard at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from device_drivers.json_payload import SECOND_NS

MAX_DEVICES = 2_000
KEPT_FRAMES = 32
DUPLICATE_WINDOW_NS = 600 * SECOND_NS
SAME_ALARM_NS = 3_600 * SECOND_NS

Word = bool | str | None


@dataclass(slots=True)
class DeviceMemory:
    """One device. frames: (address, counter, port) and when; alarms: (type, number) and when it was first told."""

    frames: dict[tuple[str, int, int], int] = field(default_factory=dict)
    known: dict[str, Word] = field(default_factory=dict)
    alarms: dict[tuple[str, int], int] = field(default_factory=dict)
    model: str = ""

    def is_duplicate(self, address: str, counter: int, port: int, at_ns: int) -> bool:
        """Whether this frame was taken already; remembers it."""
        key = (address, counter, port)
        before = self.frames.pop(key, None)
        self.frames[key] = at_ns
        if len(self.frames) > KEPT_FRAMES:
            del self.frames[next(iter(self.frames))]
        return before is not None and abs(at_ns - before) <= DUPLICATE_WINDOW_NS

    def is_known(self, signal: str, value: Word) -> bool:
        """Whether the value only restates what was so before; remembers it."""
        same = signal in self.known and self.known[signal] == value
        self.known[signal] = value
        return same

    def alarm_began(self, what: str, number: int, at_ns: int) -> int:
        """When the alarm of this number was first told: `at_ns` unless it was within the last hour.

        Numbers begin anew when the device is switched off and on, so an old one does not count.
        """
        before = self.alarms.pop((what, number), None)
        began = before if before is not None and abs(at_ns - before) < SAME_ALARM_NS else at_ns
        self.alarms[what, number] = began
        if len(self.alarms) > KEPT_FRAMES:
            del self.alarms[next(iter(self.alarms))]
        return began


class DeviceMemories:
    """The memory of all devices: the one silent for longest is forgotten first."""

    def __init__(self) -> None:
        self._devices: dict[str, DeviceMemory] = {}

    def __len__(self) -> int:
        return len(self._devices)

    def of(self, device_id: str) -> DeviceMemory:
        """The memory of a device, new if need be."""
        memory = self._devices.pop(device_id, None) or DeviceMemory()
        self._devices[device_id] = memory
        if len(self._devices) > MAX_DEVICES:
            del self._devices[next(iter(self._devices))]
        return memory
